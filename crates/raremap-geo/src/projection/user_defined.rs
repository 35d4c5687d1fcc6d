//! Systems that a file defines itself, by method and parameters (GeoTIFF 1.1, section 7 and annex C).

use super::latitude::Spheroid;
use super::{Kind, MethodName, Parameters, Projected, Projection, table};
use crate::crs::GeoKeys;
use crate::epsg;

const GEODETIC_CRS: u16 = 2048;
const ANGULAR_UNITS: u16 = 2054;
const ELLIPSOID: u16 = 2056;
const SEMI_MAJOR_AXIS: u16 = 2057;
const INVERSE_FLATTENING: u16 = 2059;
const PROJECTION: u16 = 3074;
const METHOD: u16 = 3075;
const PARALLEL_1: u16 = 3078;
const PARALLEL_2: u16 = 3079;
/// Natural origin, false origin and centre: writers do not agree on which of them a method has.
const LONGITUDES: [u16; 4] = [3080, 3084, 3088, 3095];
const LATITUDES: [u16; 3] = [3081, 3085, 3089];
const EASTINGS: [u16; 3] = [3082, 3086, 3090];
const NORTHINGS: [u16; 3] = [3083, 3087, 3091];
const SCALES: [u16; 2] = [3092, 3093];
const USER_DEFINED: u16 = 32767;

/// Whether the file's datum is WGS 84 except for plate motion: by its code, or by its ellipsoid if it has no code.
pub(super) fn is_wgs84(keys: &GeoKeys<'_>) -> bool {
    match keys.short(GEODETIC_CRS) {
        Some(code) if code != 0 && code != USER_DEFINED => table::is_wgs84(code),
        _ => ellipsoid(keys).is_some(),
    }
}

/// The ellipsoid that the file names, if it is that of WGS 84 or GRS 1980.
fn ellipsoid(keys: &GeoKeys<'_>) -> Option<(f64, f64)> {
    if let Some(axis) = keys.double(SEMI_MAJOR_AXIS) {
        let inverse = keys.double(INVERSE_FLATTENING)?;
        let is_near = |known: &(f64, f64)| (known.0 - axis).abs() < 1e-3 && (known.1 - inverse).abs() < 1e-6;
        return [epsg::WGS_84, epsg::GRS_80].into_iter().find(is_near);
    }
    match keys.short(ELLIPSOID) {
        Some(7030) => Some(epsg::WGS_84),
        Some(7019) => Some(epsg::GRS_80),
        _ => match keys.short(GEODETIC_CRS) {
            Some(4326) => Some(epsg::WGS_84),
            Some(code) if table::is_wgs84(code) => Some(epsg::GRS_80),
            _ => None,
        },
    }
}

/// The projection that the keys describe; lengths in them are in the file's unit.
pub(super) fn projection(keys: &GeoKeys<'_>, unit_m: Option<f64>) -> Option<Projection> {
    let unit_m = unit_m?;
    if !is_wgs84(keys) {
        return None;
    }
    // UTM zones have codes of their own for the projection alone.
    match keys.short(PROJECTION) {
        Some(code @ 16001..=16060) => return table::projection(32600 + code - 16000, Some(unit_m)),
        Some(code @ 16101..=16160) => return table::projection(32700 + code - 16100, Some(unit_m)),
        _ => {}
    }
    // Parameters in other units than degrees are rare, and writers do not agree on what they mean then.
    if !matches!(keys.short(ANGULAR_UNITS), None | Some(0 | 9102 | 9122)) {
        return None;
    }
    let first = |names: &[u16]| names.iter().find_map(|name| keys.double(*name));
    let parallels = [PARALLEL_1, PARALLEL_2].map(|name| keys.double(name));
    let mut parameters = Parameters {
        latitude: first(&LATITUDES).unwrap_or(0.0),
        longitude: first(&LONGITUDES).unwrap_or(0.0),
        parallels: parallels.map(|parallel| parallel.unwrap_or(0.0)),
        scale: first(&SCALES).unwrap_or(1.0),
        false_easting: first(&EASTINGS).unwrap_or(0.0) * unit_m,
        false_northing: first(&NORTHINGS).unwrap_or(0.0) * unit_m,
    };
    let name = match keys.short(METHOD)? {
        1 => MethodName::TransverseMercator,
        7 if parallels[0].is_some() => MethodName::MercatorB,
        7 => MethodName::MercatorA,
        8 => MethodName::LambertConicConformal2sp,
        9 => MethodName::LambertConicConformal1sp,
        10 => MethodName::LambertAzimuthalEqualArea,
        11 => MethodName::AlbersEqualArea,
        // The latitude of a polar one is the parallel that is true to scale, unless it is the pole's own.
        15 if parameters.latitude.abs() == 90.0 => MethodName::PolarStereographicA,
        15 => {
            parameters.parallels[0] = parameters.latitude;
            MethodName::PolarStereographicB
        }
        16 => MethodName::ObliqueStereographic,
        28 => MethodName::LambertCylindricalEqualArea,
        _ => return None,
    };
    let (a, inverse_flattening) = ellipsoid(keys)?;
    let projected = Projected::new(name, Spheroid::new(a, inverse_flattening), unit_m, &parameters);
    Some(Projection {
        kind: Kind::Projected(Box::new(projected)),
    })
}
