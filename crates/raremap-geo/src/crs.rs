//! The coordinate reference system, as far as the GeoTIFF keys state it: which one it is, its units and its ellipsoid.

use serde::Serialize;

use crate::epsg::{WGS_84, ellipsoid, ellipsoid_of_geodetic_crs, horizontal_epsg, linear_unit_m, projected_unit_m};

/// What kind of coordinates the map has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CrsKind {
    /// Planar coordinates in a unit of length.
    Projected,
    /// Longitude and latitude.
    Geographic,
    /// Coordinates from the centre of the earth.
    Geocentric,
    /// The file does not say, or defines a kind of its own.
    Unknown,
}

/// A coordinate reference system.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Crs {
    /// What kind of coordinates it has.
    pub kind: CrsKind,
    /// The EPSG code, if the file names one.
    pub epsg: Option<u16>,
    /// The EPSG code of the geodetic system (for a projected system: of its base), if the file names one.
    pub geodetic_epsg: Option<u16>,
    /// The name for people, taken from the citation.
    pub name: Option<String>,
    /// The citation as it is, because some writers put more than a name there.
    pub citation: Option<String>,
    /// How a user-defined system is projected (ProjMethodGeoKey), by the GeoTIFF specification's name.
    pub projection_method: Option<&'static str>,
    /// Metres per unit of a projected system; `None` if it is unknown or the system is not projected.
    pub linear_unit_m: Option<f64>,
    /// Radians per unit of a geographic system; `None` if it is unknown.
    pub angular_unit_rad: Option<f64>,
    /// Semi-major axis of the ellipsoid; that of WGS 84 if the file does not say.
    pub semi_major_axis_m: f64,
    /// Inverse flattening of the ellipsoid (0 for a sphere); that of WGS 84 if the file does not say.
    pub inverse_flattening: f64,
}

const USER_DEFINED: u16 = 32767;
/// Tag that holds keys of floating point.
const GEO_DOUBLE_PARAMS: u16 = 34736;
/// Tag that holds keys of text.
const GEO_ASCII_PARAMS: u16 = 34737;

/// The key directory (tag 34735), with the parameters that it points to.
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
    pub(super) const PROJECTION: u16 = 3074;
    pub(super) const PROJECTION_METHOD: u16 = 3075;
    pub(super) const LINEAR_UNITS: u16 = 3076;
    pub(super) const LINEAR_UNIT_SIZE: u16 = 3077;
}

impl GeoKeys<'_> {
    /// Whether the keys have a known version (the first number, which is always 1).
    pub(crate) fn is_present(&self) -> bool {
        matches!(self.directory, [..=1, _, _, count, ..] if *count > 0)
    }

    /// The entry of a key: (tag that holds the value, count, value or index). If a key is given twice, the last one counts, as in
    /// libgeotiff.
    fn entry(&self, wanted: u16) -> Option<(u16, usize, u16)> {
        if !self.is_present() {
            return None;
        }
        let count = usize::from(self.directory.get(3).copied()?);
        let entries = self.directory.get(4..)?.chunks_exact(4).take(count);
        let mut matching = entries.filter_map(|entry| match entry {
            [id, location, count, value] if *id == wanted => Some((*location, usize::from(*count), *value)),
            _ => None,
        });
        matching.next_back()
    }

    pub(crate) fn short(&self, wanted: u16) -> Option<u16> {
        self.entry(wanted)
            .filter(|(location, ..)| *location == 0)
            .map(|(.., value)| value)
    }

    pub(crate) fn double(&self, wanted: u16) -> Option<f64> {
        let (location, _, index) = self.entry(wanted)?;
        if location != GEO_DOUBLE_PARAMS {
            return None;
        }
        self.doubles
            .get(usize::from(index))
            .copied()
            .filter(|value| value.is_finite())
    }

    fn text(&self, wanted: u16) -> Option<String> {
        let (location, count, index) = self.entry(wanted)?;
        if location != GEO_ASCII_PARAMS {
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
        let coded = |wanted: u16| self.short(wanted).filter(|code| *code != 0 && *code != USER_DEFINED);
        // Of compound systems and of those with a height, only the horizontal part counts.
        let named = |wanted: u16| coded(wanted).map(|code| horizontal_epsg(code).unwrap_or(code));
        let kind = match self.short(key::MODEL_TYPE) {
            Some(1) => CrsKind::Projected,
            Some(2) => CrsKind::Geographic,
            Some(3) => CrsKind::Geocentric,
            // Files without the model type still name the system, or spell it out.
            _ if self.pe_string().is_some_and(|wkt| wkt.starts_with("PROJCS")) => CrsKind::Projected,
            _ if self.pe_string().is_some_and(|wkt| wkt.starts_with("GEOGCS")) => CrsKind::Geographic,
            _ if self.entry(key::PROJECTED_CRS).is_some() => CrsKind::Projected,
            _ if self.entry(key::GEODETIC_CRS).is_some() => CrsKind::Geographic,
            _ => CrsKind::Unknown,
        };
        // Some writers put a code of the other kind into the key; compound systems have one key for both.
        let is_flattened = [key::PROJECTED_CRS, key::GEODETIC_CRS]
            .into_iter()
            .any(|wanted| coded(wanted) != named(wanted));
        let is_geographic =
            |code: u16| ellipsoid_of_geodetic_crs(code).is_some() || (is_flattened && projected_unit_m(code).is_none());
        let swapped = |code: u16| match kind {
            CrsKind::Projected if is_geographic(code) => CrsKind::Geographic,
            CrsKind::Geographic if projected_unit_m(code).is_some() => CrsKind::Projected,
            _ => kind,
        };
        let stated = match kind {
            CrsKind::Projected => named(key::PROJECTED_CRS),
            CrsKind::Geographic | CrsKind::Geocentric => named(key::GEODETIC_CRS),
            CrsKind::Unknown => None,
        };
        let kind = stated.map_or(kind, swapped);
        let citations = match kind {
            CrsKind::Projected => [key::PROJECTED_CITATION, key::CITATION, key::GEODETIC_CITATION],
            _ => [key::GEODETIC_CITATION, key::CITATION, key::PROJECTED_CITATION],
        };
        let citation = citations.into_iter().find_map(|key| self.text(key));
        let name = citation.as_deref().map(name_in_citation);
        let geodetic_epsg = named(key::GEODETIC_CRS);
        let epsg = match (kind, stated) {
            // The earlier code of what is now 3857.
            (_, Some(3785)) => Some(3857),
            (CrsKind::Projected, None) => {
                let projection = self.short(key::PROJECTION);
                let by_projection = projection.and_then(|code| utm_epsg(code, geodetic_epsg));
                by_projection.or_else(|| name.as_deref().and_then(epsg_of_name))
            }
            _ => stated,
        };
        let linear_unit_m = (kind == CrsKind::Projected).then(|| self.linear_unit_m(epsg)).flatten();
        // If a file names a system by code but has another unit, it is not the system of that code.
        let is_as_registered = |code: &u16| match (projected_unit_m(*code), linear_unit_m) {
            (Some(registered), Some(unit)) => (registered - unit).abs() < 1e-9,
            _ => true,
        };
        let (semi_major_axis_m, inverse_flattening) = self.ellipsoid();
        Crs {
            kind,
            epsg: epsg.filter(is_as_registered),
            geodetic_epsg,
            projection_method: self.short(key::PROJECTION_METHOD).and_then(projection_method),
            name,
            citation,
            linear_unit_m,
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
            _ if self.pe_string().is_some() => self.pe_string().and_then(unit_in_wkt),
            // A system that is known by its code brings its unit along.
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

    /// The system that ESRI's writers spell out in a citation: "ESRI PE String = PROJCS[...]".
    fn pe_string(&self) -> Option<String> {
        let citations = [key::CITATION, key::PROJECTED_CITATION, key::GEODETIC_CITATION];
        let mut texts = citations.into_iter().filter_map(|key| self.text(key));
        texts.find_map(|text| text.split_once("ESRI PE String = ").map(|(_, wkt)| wkt.to_owned()))
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
            .or_else(|| {
                let code = self.short(key::GEODETIC_CRS)?;
                ellipsoid_of_geodetic_crs(horizontal_epsg(code).unwrap_or(code))
            })
            .unwrap_or(WGS_84)
    }
}

/// UTM systems that are named by their projection (16000 + zone north, 16100 + zone south) and base.
fn utm_epsg(projection: u16, geodetic_epsg: Option<u16>) -> Option<u16> {
    let (zone, is_south) = match projection {
        16001..=16060 => (projection - 16000, false),
        16101..=16160 => (projection - 16100, true),
        _ => return None,
    };
    match (geodetic_epsg?, is_south) {
        (4326, false) => Some(32600 + zone),
        (4326, true) => Some(32700 + zone),
        (4322, false) => Some(32200 + zone),
        (4322, true) => Some(32300 + zone),
        (4269, false) if zone <= 23 => Some(26900 + zone),
        (4267, false) if zone <= 22 => Some(26700 + zone),
        (4258, false) if (28..=38).contains(&zone) => Some(25800 + zone),
        _ => None,
    }
}

/// Systems that everybody calls by the same few names, as EPSG and ESRI spell them.
pub(crate) fn epsg_of_name(name: &str) -> Option<u16> {
    let name = name.to_ascii_lowercase().replace('_', " ");
    if name == "wgs 1984 web mercator auxiliary sphere" || name == "wgs 84 / pseudo-mercator" {
        return Some(3857);
    }
    let bases = [
        ("wgs 1984 utm zone ", 4326),
        ("wgs 84 / utm zone ", 4326),
        ("nad 1983 utm zone ", 4269),
        ("nad83 / utm zone ", 4269),
        ("etrs 1989 utm zone ", 4258),
        ("etrs89 / utm zone ", 4258),
    ];
    let (zone, base) = bases
        .iter()
        .find_map(|(start, base)| Some((name.strip_prefix(start)?, *base)))?;
    let (zone, projection) = match zone.strip_suffix('n') {
        Some(zone) => (zone, 16000),
        None => (zone.strip_suffix('s')?, 16100),
    };
    let zone: u16 = zone.parse().ok().filter(|zone| (1..=60).contains(zone))?;
    utm_epsg(projection + zone, Some(base))
}

/// The method codes of the GeoTIFF specification (section 6.3.3.3 of revision 1.0).
fn projection_method(code: u16) -> Option<&'static str> {
    Some(match code {
        1 => "TransverseMercator",
        2 => "TransvMercator_Modified_Alaska",
        3 => "ObliqueMercator",
        4 => "ObliqueMercator_Laborde",
        5 => "ObliqueMercator_Rosenmund",
        6 => "ObliqueMercator_Spherical",
        7 => "Mercator",
        8 => "LambertConfConic_2SP",
        9 => "LambertConfConic_1SP",
        10 => "LambertAzimEqualArea",
        11 => "AlbersEqualArea",
        12 => "AzimuthalEquidistant",
        13 => "EquidistantConic",
        14 => "Stereographic",
        15 => "PolarStereographic",
        16 => "ObliqueStereographic",
        17 => "Equirectangular",
        18 => "CassiniSoldner",
        19 => "Gnomonic",
        20 => "MillerCylindrical",
        21 => "Orthographic",
        22 => "Polyconic",
        23 => "Robinson",
        24 => "Sinusoidal",
        25 => "VanDerGrinten",
        26 => "NewZealandMapGrid",
        27 => "TransvMercator_SouthOriented",
        28 => "CylindricalEqualArea",
        _ => return None,
    })
}

/// The name in a citation: "PCS Name = X|GCS Name = Y", "ESRI PE String = PROJCS[\"X\",...]", or all of it.
fn name_in_citation(citation: &str) -> String {
    if let Some((_, wkt)) = citation.split_once("ESRI PE String = ")
        && let Some(name) = wkt.split('"').nth(1)
    {
        return name.to_owned();
    }
    let parts = || citation.split('|').map(str::trim).filter(|part| !part.is_empty());
    let labelled = ["PCS Name = ", "Projection Name = ", "GCS Name = "]
        .into_iter()
        .find_map(|label| parts().find_map(|part| part.strip_prefix(label)));
    labelled
        .or_else(|| parts().next())
        .unwrap_or(citation)
        .trim()
        .to_owned()
}

/// Metres per unit of a projected system in well-known text: its last UNIT, because the others belong to its base.
fn unit_in_wkt(wkt: String) -> Option<f64> {
    let (_, unit) = wkt.trim_start().strip_prefix("PROJCS")?.rsplit_once("UNIT[")?;
    let (_, size) = unit.split_once(',')?;
    let size = size.split([',', ']']).next()?.trim();
    size.parse().ok().filter(|size: &f64| *size > 0.0 && size.is_finite())
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
        assert_eq!(without_unit(2263), Some(12.0 / 39.37));
        assert_eq!((without_unit(32643), without_unit(1999)), (Some(1.0), None));
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
    fn a_zone_named_by_its_projection_has_a_code() {
        for (base, projection, epsg) in [
            (4326, 16043, Some(32643)),
            (4326, 16143, Some(32743)),
            (4269, 16015, Some(26915)),
            (4269, 16043, None),
            (4277, 16030, None),
        ] {
            let directory = [
                1, 1, 0, 4, 1024, 0, 1, 1, 2048, 0, 1, base, 3072, 0, 1, 32767, 3074, 0, 1, projection,
            ];
            let crs = keys(&directory, &[], b"").crs();
            assert_eq!((crs.epsg, crs.geodetic_epsg), (epsg, Some(base)));
        }
    }

    #[test]
    fn codes_of_the_other_kind_and_with_another_unit_are_told() {
        let crs = keys(&[1, 1, 0, 2, 1024, 0, 1, 2, 2048, 0, 1, 32643], &[], b"").crs();
        assert_eq!(
            (crs.kind, crs.epsg, crs.linear_unit_m),
            (CrsKind::Projected, Some(32643), Some(1.0))
        );
        let crs = keys(&[1, 1, 0, 2, 1024, 0, 1, 1, 3072, 0, 1, 4326], &[], b"").crs();
        assert_eq!((crs.kind, crs.epsg), (CrsKind::Geographic, Some(4326)));
        let feet = [1, 1, 0, 3, 1024, 0, 1, 1, 3072, 0, 1, 32643, 3076, 0, 1, 9002];
        let crs = keys(&feet, &[], b"").crs();
        assert_eq!((crs.epsg, crs.linear_unit_m), (None, Some(0.3048)));
    }

    #[test]
    fn compound_systems_and_those_with_a_height_are_what_lies_on_the_map() {
        let of = |model: u16, key: u16, code: u16| {
            let crs = keys(&[1, 1, 0, 2, 1024, 0, 1, model, key, 0, 1, code], &[], b"").crs();
            (crs.kind, crs.epsg, crs.linear_unit_m)
        };
        assert_eq!(of(2, 2048, 4979), (CrsKind::Geographic, Some(4326), None));
        assert_eq!(of(1, 3072, 5555), (CrsKind::Projected, Some(25832), Some(1.0)));
        // WGS 84 with heights above the geoid EGM2008, in the key of projected systems; Dutch ones in that of geographic ones.
        assert_eq!(of(1, 3072, 9518), (CrsKind::Geographic, Some(4326), None));
        assert_eq!(of(2, 2048, 7415), (CrsKind::Projected, Some(28992), Some(1.0)));
        assert_eq!(of(3, 2048, 4978).0, CrsKind::Geocentric);
    }

    #[test]
    fn names_and_units_are_found_in_citations() {
        let named = |citation| name_in_citation(citation);
        assert_eq!(
            named("PCS Name = WGS_1984_UTM_Zone_43N|GCS Name = WGS_1984"),
            "WGS_1984_UTM_Zone_43N"
        );
        assert_eq!(named("WGS 84 / UTM zone 43N|WGS 84"), "WGS 84 / UTM zone 43N");
        assert_eq!(named("plain"), "plain");
        for (name, epsg) in [
            ("WGS_1984_UTM_Zone_43N", Some(32643)),
            ("WGS 84 / UTM zone 1S", Some(32701)),
            ("NAD_1983_UTM_Zone_15N", Some(26915)),
            ("WGS_1984_Web_Mercator_Auxiliary_Sphere", Some(3857)),
            ("WGS 84 / UTM zone 61N", None),
            ("UTM zone 43N", None),
        ] {
            assert_eq!(epsg_of_name(name), epsg, "{name}");
        }
        let wkt =
            "ESRI PE String = PROJCS[\"My_Grid\",GEOGCS[\"G\",UNIT[\"Degree\",0.0174]],UNIT[\"Foot_US\",0.3048006]]|";
        assert_eq!(named(wkt), "My_Grid");
        let directory = [1, 1, 0, 2, 1024, 0, 1, 1, 3073, 34737, wkt.len() as u16, 0];
        let crs = keys(&directory, &[], wkt.as_bytes()).crs();
        assert_eq!(
            (crs.linear_unit_m, crs.name.as_deref()),
            (Some(0.304_800_6), Some("My_Grid"))
        );
    }

    #[test]
    fn of_keys_given_twice_the_last_counts_and_other_versions_are_not_read() {
        let twice = [1, 1, 0, 3, 1024, 0, 1, 1, 3072, 0, 1, 32643, 3072, 0, 1, 32644];
        assert_eq!(keys(&twice, &[], b"").crs().epsg, Some(32644));
        let mut other = twice;
        other[0] = 2;
        assert!(!keys(&other, &[], b"").is_present());
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
