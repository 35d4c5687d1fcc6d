//! Turns map coordinates into longitude and latitude, for results that programs draw which know nothing else.
//!
//! Systems by EPSG code come from `epsg.txt` (made by `tests/golden/epsg.py`); systems that a file defines itself are read from its keys. A
//! datum that differs from WGS 84 by more than plate motion (some decimetres) needs a shift, which this crate does not have: such systems
//! are refused by name rather than drawn a hundred metres off.

mod latitude;
mod method;
mod table;
mod user_defined;

use crate::crs::{CrsKind, GeoKeys};
use crate::error::GeoError;
use crate::georeference::GeoReference;
use latitude::Spheroid;
use method::Method;

/// How map coordinates become longitude and latitude on WGS 84.
#[derive(Debug, Clone, PartialEq)]
pub struct Projection {
    kind: Kind,
}

#[derive(Debug, Clone, PartialEq)]
enum Kind {
    /// Coordinates are longitude and latitude.
    Geographic {
        degrees_per_unit: f64,
    },
    Projected(Box<Projected>),
}

#[derive(Debug, Clone, PartialEq)]
struct Projected {
    method: Method,
    spheroid: Spheroid,
    metres_per_unit: f64,
    /// Longitude of the central meridian, in degrees.
    longitude: f64,
    /// In metres.
    false_easting: f64,
    false_northing: f64,
}

/// The parameters of a projection: degrees and metres.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Parameters {
    latitude: f64,
    longitude: f64,
    parallels: [f64; 2],
    scale: f64,
    false_easting: f64,
    false_northing: f64,
}

/// The methods that are known, named as in EPSG.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum MethodName {
    TransverseMercator,
    LambertConicConformal1sp,
    LambertConicConformal2sp,
    AlbersEqualArea,
    PolarStereographicA,
    PolarStereographicB,
    LambertAzimuthalEqualArea,
    ObliqueStereographic,
    MercatorA,
    MercatorB,
    PopularVisualisationPseudoMercator,
    LambertCylindricalEqualArea,
}

impl Projection {
    /// The projection of a scene.
    ///
    /// # Errors
    /// [`GeoError::UnsupportedCrs`] where the system is not one of those that are known here.
    pub fn of(georeference: &GeoReference) -> Result<Self, GeoError> {
        let tags = &georeference.tags;
        let keys = GeoKeys {
            directory: &tags.key_directory,
            doubles: &tags.double_params,
            ascii: &tags.ascii_params,
        };
        let crs = &georeference.crs;
        let found = match (crs.kind, crs.epsg) {
            (CrsKind::Geographic | CrsKind::Projected, Some(code)) => {
                table::projection(code, crs.linear_unit_m.filter(|_| crs.kind == CrsKind::Projected))
            }
            (CrsKind::Geographic, None) => user_defined::is_wgs84(&keys)
                .then_some(crs.angular_unit_rad)
                .flatten()
                .map(|unit_rad| Self {
                    kind: Kind::Geographic {
                        degrees_per_unit: unit_rad.to_degrees(),
                    },
                }),
            (CrsKind::Projected, None) => user_defined::projection(&keys, crs.linear_unit_m),
            (CrsKind::Geocentric | CrsKind::Unknown, _) => None,
        };
        found.ok_or_else(|| {
            let name = match (crs.epsg, &crs.name) {
                (Some(code), _) => format!("EPSG:{code}"),
                (None, Some(name)) => name.clone(),
                (None, None) => "without a name".into(),
            };
            GeoError::UnsupportedCrs { name }
        })
    }

    /// Whether map coordinates are already longitude and latitude in degrees.
    pub fn is_identity(&self) -> bool {
        matches!(self.kind, Kind::Geographic { degrees_per_unit } if degrees_per_unit == 1.0)
    }

    /// Longitude and latitude in degrees; `None` if the formulas have no answer, far outside a projection's domain.
    ///
    /// Longitudes are as near to the central meridian as they can be, and are not cut at 180 degrees. They are accurate to 1e-9 degrees in
    /// a projection's own area, with the same bits natively and in wasm.
    pub fn lon_lat_deg(&self, x: f64, y: f64) -> Option<[f64; 2]> {
        let [longitude, latitude] = match &self.kind {
            Kind::Geographic { degrees_per_unit } => [x * degrees_per_unit, y * degrees_per_unit],
            Kind::Projected(projected) => {
                let x = x * projected.metres_per_unit - projected.false_easting;
                let y = y * projected.metres_per_unit - projected.false_northing;
                let [longitude, latitude] = projected.method.invert(&projected.spheroid, x, y);
                [projected.longitude + longitude.to_degrees(), latitude.to_degrees()]
            }
        };
        let is_place = longitude.is_finite() && latitude.is_finite() && latitude.abs() <= 90.0;
        is_place.then_some([longitude, latitude])
    }
}

impl Projected {
    fn new(name: MethodName, spheroid: Spheroid, metres_per_unit: f64, parameters: &Parameters) -> Self {
        let scale = if parameters.scale > 0.0 { parameters.scale } else { 1.0 };
        let latitude = parameters.latitude.to_radians();
        let parallels = parameters.parallels.map(f64::to_radians);
        let method = match name {
            MethodName::TransverseMercator => Method::transverse_mercator(&spheroid, latitude, scale),
            MethodName::LambertConicConformal1sp => Method::lambert_conic(&spheroid, latitude, [latitude; 2], scale),
            MethodName::LambertConicConformal2sp => Method::lambert_conic(&spheroid, latitude, parallels, 1.0),
            MethodName::AlbersEqualArea => Method::albers(&spheroid, latitude, parallels),
            MethodName::PolarStereographicA => Method::polar_stereographic(&spheroid, latitude > 0.0, scale),
            MethodName::PolarStereographicB => {
                Method::polar_stereographic_at(&spheroid, parallels[0] > 0.0, parallels[0])
            }
            MethodName::LambertAzimuthalEqualArea => Method::lambert_azimuthal(&spheroid, latitude),
            MethodName::ObliqueStereographic => Method::oblique_stereographic(&spheroid, latitude, scale),
            MethodName::MercatorA => Method::Mercator {
                radius: spheroid.a * scale,
            },
            MethodName::MercatorB => Method::Mercator {
                radius: spheroid.a * spheroid.m(parallels[0]),
            },
            MethodName::PopularVisualisationPseudoMercator => Method::PopularMercator { radius: spheroid.a },
            MethodName::LambertCylindricalEqualArea => Method::CylindricalEqualArea {
                scale: spheroid.m(parallels[0]),
            },
        };
        Self {
            method,
            spheroid,
            metres_per_unit,
            longitude: parameters.longitude,
            false_easting: parameters.false_easting,
            false_northing: parameters.false_northing,
        }
    }
}
