//! The coordinate reference system, as far as the GeoTIFF keys tell it: which one, its units and its ellipsoid.

use serde::Serialize;

use crate::epsg::{WGS_84, ellipsoid, ellipsoid_of_geodetic_crs, linear_unit_m, projected_unit_m};

/// Which kind of coordinates the map has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CrsKind {
    /// Planar coordinates in a unit of length.
    Projected,
    /// Longitude and latitude.
    Geographic,
    /// Coordinates from the centre of the earth.
    Geocentric,
    /// The file does not say, or uses its own definition of the kind.
    Unknown,
}

/// A coordinate reference system.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Crs {
    /// Which kind of coordinates.
    pub kind: CrsKind,
    /// The EPSG code, where the file names one.
    pub epsg: Option<u16>,
    /// The citation, for people.
    pub name: Option<String>,
    /// Metres per unit of a projected system; `None` where unknown or not projected.
    pub linear_unit_m: Option<f64>,
    /// Radians per unit of a geographic system; `None` where unknown.
    pub angular_unit_rad: Option<f64>,
    /// Semi-major axis of the ellipsoid, WGS 84 where the file does not say.
    pub semi_major_axis_m: f64,
    /// Inverse flattening of the ellipsoid (0 for a sphere), WGS 84 where the file does not say.
    pub inverse_flattening: f64,
}

const USER_DEFINED: u16 = 32767;

/// The key directory (tag 34735) with the parameters that it points into.
#[derive(Debug, Clone, Copy)]
pub(crate) struct GeoKeys<'a> {
    pub(crate) directory: &'a [u16],
    pub(crate) doubles: &'a [f64],
    pub(crate) ascii: &'a [u8],
}

/// Key numbers of the GeoTIFF 1.1 specification.
mod key {
    pub(super) const MODEL_TYPE: u16 = 1024;
    pub(super) const RASTER_TYPE: u16 = 1025;
    pub(super) const CITATION: u16 = 1026;
    pub(super) const GEODETIC_CRS: u16 = 2048;
    pub(super) const GEODETIC_CITATION: u16 = 2049;
    pub(super) const ANGULAR_UNITS: u16 = 2054;
    pub(super) const ANGULAR_UNIT_SIZE: u16 = 2055;
    pub(super) const ELLIPSOID: u16 = 2056;
    pub(super) const SEMI_MAJOR_AXIS: u16 = 2057;
    pub(super) const SEMI_MINOR_AXIS: u16 = 2058;
    pub(super) const INVERSE_FLATTENING: u16 = 2059;
    pub(super) const PROJECTED_CRS: u16 = 3072;
    pub(super) const PROJECTED_CITATION: u16 = 3073;
    pub(super) const LINEAR_UNITS: u16 = 3076;
    pub(super) const LINEAR_UNIT_SIZE: u16 = 3077;
}

impl GeoKeys<'_> {
    /// The entry of a key: (tag that holds the value, count, value or index).
    fn entry(&self, wanted: u16) -> Option<(u16, usize, u16)> {
        self.directory.get(4..)?.chunks_exact(4).find_map(|entry| match entry {
            [id, location, count, value] if *id == wanted => Some((*location, usize::from(*count), *value)),
            _ => None,
        })
    }

    fn short(&self, wanted: u16) -> Option<u16> {
        self.entry(wanted)
            .filter(|(location, ..)| *location == 0)
            .map(|(.., value)| value)
    }

    fn double(&self, wanted: u16) -> Option<f64> {
        let (location, _, index) = self.entry(wanted)?;
        if location != crate::tags::GEO_DOUBLE_PARAMS.number {
            return None;
        }
        self.doubles
            .get(usize::from(index))
            .copied()
            .filter(|value| value.is_finite())
    }

    fn text(&self, wanted: u16) -> Option<String> {
        let (location, count, index) = self.entry(wanted)?;
        if location != crate::tags::GEO_ASCII_PARAMS.number {
            return None;
        }
        let bytes = self.ascii.get(usize::from(index)..)?;
        let text = String::from_utf8_lossy(bytes.get(..count).unwrap_or(bytes)).into_owned();
        let text = text.trim_matches(['|', '\0', ' ', '\n']).to_string();
        (!text.is_empty()).then_some(text)
    }

    /// Whether tie points and transform refer to pixel centres.
    pub(crate) fn pixel_is_point(&self) -> bool {
        self.short(key::RASTER_TYPE) == Some(2)
    }

    /// What the keys say about the coordinate reference system.
    pub(crate) fn crs(&self) -> Crs {
        let named = |wanted: u16| self.short(wanted).filter(|code| *code != 0 && *code != USER_DEFINED);
        let kind = match self.short(key::MODEL_TYPE) {
            Some(1) => CrsKind::Projected,
            Some(2) => CrsKind::Geographic,
            Some(3) => CrsKind::Geocentric,
            // Files without the model type still name the system.
            _ if self.entry(key::PROJECTED_CRS).is_some() => CrsKind::Projected,
            _ if self.entry(key::GEODETIC_CRS).is_some() => CrsKind::Geographic,
            _ => CrsKind::Unknown,
        };
        let epsg = match kind {
            CrsKind::Projected => named(key::PROJECTED_CRS),
            CrsKind::Geographic | CrsKind::Geocentric => named(key::GEODETIC_CRS),
            CrsKind::Unknown => None,
        };
        let specific_citation = match kind {
            CrsKind::Projected => key::PROJECTED_CITATION,
            _ => key::GEODETIC_CITATION,
        };
        let (semi_major_axis_m, inverse_flattening) = self.ellipsoid();
        Crs {
            kind,
            epsg,
            name: self.text(specific_citation).or_else(|| self.text(key::CITATION)),
            linear_unit_m: (kind == CrsKind::Projected).then(|| self.linear_unit_m(epsg)).flatten(),
            angular_unit_rad: (kind == CrsKind::Geographic).then(|| self.angular_unit_rad()).flatten(),
            semi_major_axis_m,
            inverse_flattening,
        }
    }

    fn linear_unit_m(&self, epsg: Option<u16>) -> Option<f64> {
        let positive = |size: &f64| *size > 0.0;
        match self.short(key::LINEAR_UNITS) {
            Some(USER_DEFINED) => self.double(key::LINEAR_UNIT_SIZE).filter(positive),
            Some(code) if code != 0 => linear_unit_m(code),
            // A system known by its code brings its unit along; nearly all of them use the metre.
            _ => epsg.and_then(projected_unit_m),
        }
    }

    fn angular_unit_rad(&self) -> Option<f64> {
        match self.short(key::ANGULAR_UNITS) {
            None | Some(0 | 9102 | 9122) => Some(1f64.to_radians()),
            Some(9101) => Some(1.0),
            Some(9103) => Some((1.0 / 60.0f64).to_radians()),
            Some(9104) => Some((1.0 / 3600.0f64).to_radians()),
            Some(9105 | 9106) => Some(0.9f64.to_radians()),
            Some(USER_DEFINED) => self.double(key::ANGULAR_UNIT_SIZE).filter(|size| *size > 0.0),
            Some(_) => None,
        }
    }

    fn ellipsoid(&self) -> (f64, f64) {
        if let Some(axis) = self.double(key::SEMI_MAJOR_AXIS).filter(|axis| *axis > 0.0) {
            if let Some(inverse) = self.double(key::INVERSE_FLATTENING).filter(|inverse| *inverse >= 0.0) {
                return (axis, inverse);
            }
            if let Some(minor) = self
                .double(key::SEMI_MINOR_AXIS)
                .filter(|minor| *minor > 0.0 && *minor <= axis)
            {
                return (axis, if minor == axis { 0.0 } else { axis / (axis - minor) });
            }
        }
        let by_code = self.short(key::ELLIPSOID).and_then(ellipsoid);
        by_code
            .or_else(|| self.short(key::GEODETIC_CRS).and_then(ellipsoid_of_geodetic_crs))
            .unwrap_or(WGS_84)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys<'a>(directory: &'a [u16], doubles: &'a [f64], ascii: &'a [u8]) -> GeoKeys<'a> {
        GeoKeys {
            directory,
            doubles,
            ascii,
        }
    }

    #[test]
    fn a_projected_system_has_its_code_name_unit_and_ellipsoid() {
        let directory = [
            1, 1, 0, 6, 1024, 0, 1, 1, 1025, 0, 1, 1, 1026, 34737, 22, 0, 2056, 0, 1, 7030, 3072, 0, 1, 32643, 3076, 0,
            1, 9001,
        ];
        let crs = keys(&directory, &[], b"WGS 84 / UTM zone 43N|").crs();
        assert_eq!(crs.kind, CrsKind::Projected);
        assert_eq!(crs.epsg, Some(32643));
        assert_eq!(crs.name.as_deref(), Some("WGS 84 / UTM zone 43N"));
        assert_eq!(crs.linear_unit_m, Some(1.0));
        assert_eq!((crs.semi_major_axis_m, crs.inverse_flattening), WGS_84);
    }

    #[test]
    fn user_defined_units_and_ellipsoids_are_read_from_the_double_parameters() {
        let directory = [
            1, 1, 0, 5, 1024, 0, 1, 1, 2057, 34736, 1, 0, 2058, 34736, 1, 1, 3076, 0, 1, 32767, 3077, 34736, 1, 2,
        ];
        let crs = keys(&directory, &[6_378_206.4, 6_356_583.8, 0.3048], b"").crs();
        assert_eq!((crs.epsg, crs.linear_unit_m), (None, Some(0.3048)));
        assert!(
            (crs.inverse_flattening - 294.978_698_2).abs() < 1e-6,
            "{}",
            crs.inverse_flattening
        );
    }

    #[test]
    fn feet_are_not_metres() {
        let directory = [1, 1, 0, 3, 1024, 0, 1, 1, 3072, 0, 1, 2263, 3076, 0, 1, 9003];
        let unit = keys(&directory, &[], b"").crs().linear_unit_m.expect("a known unit");
        assert!((unit - 0.304_800_609_6).abs() < 1e-9, "{unit}");
        let without_unit = |epsg| {
            keys(&[1, 1, 0, 2, 1024, 0, 1, 1, 3072, 0, 1, epsg], &[], b"")
                .crs()
                .linear_unit_m
        };
        assert_eq!((without_unit(2263), without_unit(32643)), (None, Some(1.0)));
    }

    #[test]
    fn a_geographic_system_is_in_degrees() {
        let crs = keys(&[1, 1, 0, 2, 1024, 0, 1, 2, 2048, 0, 1, 4326], &[], b"").crs();
        assert_eq!(
            (crs.kind, crs.epsg, crs.linear_unit_m),
            (CrsKind::Geographic, Some(4326), None)
        );
        assert_eq!(crs.angular_unit_rad, Some(1f64.to_radians()));
    }

    #[test]
    fn damaged_directories_give_an_unknown_system() {
        for directory in [
            &[][..],
            &[1, 1],
            &[1, 1, 0, 9],
            &[1, 1, 0, 1, 1024, 34736, 1, 7],
            &[0; 7],
        ] {
            assert_eq!(keys(directory, &[], b"").crs().kind, CrsKind::Unknown, "{directory:?}");
        }
        let crs = keys(&[1, 1, 0, 2, 1024, 0, 1, 1, 3073, 34737, 900, 40000], &[], b"abc").crs();
        assert_eq!((crs.name, crs.epsg, crs.linear_unit_m), (None, None, None));
    }
}
