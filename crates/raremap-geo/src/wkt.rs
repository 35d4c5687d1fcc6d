//! Converts coordinate reference systems as text (OGC 01-009 and ISO 19162, as GDAL and ESRI write them) to the keys that a GeoTIFF would have.

use crate::crs::{CrsKind, epsg_of_name};
use crate::georeference::GeoTags;

/// Brackets may be nested at most this deep.
const MAX_DEPTH: usize = 32;
/// Longer texts are refused: a million short values would take a hundred times their own size. The longest systems take some kilobytes.
const MAX_TEXT_BYTES: usize = 64 << 10;
const USER_DEFINED: u16 = 32767;

/// `KEYWORD["name", value, CHILD[...]]`
#[derive(Debug, Default)]
struct Node {
    keyword: String,
    values: Vec<String>,
    children: Vec<Node>,
}

impl Node {
    /// Reads one node and returns the text that follows it.
    fn read(text: &str, depth: usize) -> Option<(Self, &str)> {
        let open = text.find(['[', '('])?;
        let (keyword, rest) = text.split_at_checked(open)?;
        let mut node = Self {
            keyword: keyword.trim().to_uppercase(),
            ..Self::default()
        };
        let is_keyword = !node.keyword.is_empty()
            && node
                .keyword
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if !is_keyword || depth > MAX_DEPTH {
            return None;
        }
        let mut rest = rest.get(1..)?;
        loop {
            rest = rest.trim_start_matches([' ', ',', '\n', '\r', '\t']);
            if let Some(after) = rest.strip_prefix([']', ')']) {
                return Some((node, after));
            }
            if let Some(quoted) = rest.strip_prefix('"') {
                let (value, after) = quoted.split_once('"')?;
                node.values.push(value.to_owned());
                rest = after;
                continue;
            }
            let end = rest.find([',', '[', '(', ']', ')'])?;
            if rest.get(end..)?.starts_with(['[', '(']) {
                let (child, after) = Self::read(rest, depth + 1)?;
                node.children.push(child);
                rest = after;
            } else {
                let (value, after) = rest.split_at_checked(end)?;
                node.values.push(value.trim().to_owned());
                rest = after;
            }
        }
    }

    fn name(&self) -> &str {
        self.values.first().map_or("", String::as_str)
    }

    fn child(&self, keywords: &[&str]) -> Option<&Node> {
        self.children
            .iter()
            .find(|child| keywords.contains(&child.keyword.as_str()))
    }

    fn number(&self, at: usize) -> Option<f64> {
        let number: f64 = self.values.get(at)?.parse().ok()?;
        number.is_finite().then_some(number)
    }

    /// Its EPSG code.
    fn epsg(&self) -> Option<u16> {
        let id = self.child(&["AUTHORITY", "ID"])?;
        if !id.name().eq_ignore_ascii_case("EPSG") {
            return None;
        }
        id.values
            .get(1)?
            .parse()
            .ok()
            .filter(|code| (1..USER_DEFINED).contains(code))
    }
}

/// The keys that describe the same coordinate reference system as `text`; `None` if the text does not describe one, or is longer than 64 KiB.
pub fn geo_keys(text: &str) -> Option<GeoTags> {
    if text.len() > MAX_TEXT_BYTES {
        return None;
    }
    let (root, _) = Node::read(text.trim().trim_start_matches('\u{feff}'), 0)?;
    let system = match root.keyword.as_str() {
        // The horizontal part comes first.
        "COMPD_CS" | "COMPOUNDCRS" | "BOUNDCRS" => horizontal(&root)?,
        _ => &root,
    };
    let mut keys = Keys::default();
    keys.short(1025, 1);
    match system.keyword.as_str() {
        "PROJCS" | "PROJCRS" | "PROJECTEDCRS" => keys.projected(system)?,
        "GEOGCS" | "GEOGCRS" | "GEOGRAPHICCRS" | "GEODCRS" => keys.geographic(system),
        _ => return None,
    }
    Some(keys.into_tags())
}

fn horizontal(root: &Node) -> Option<&Node> {
    const HORIZONTAL: &[&str] = &[
        "PROJCS",
        "PROJCRS",
        "PROJECTEDCRS",
        "GEOGCS",
        "GEOGCRS",
        "GEOGRAPHICCRS",
        "GEODCRS",
    ];
    let inner = || {
        root.child(&["SOURCECRS", "COMPD_CS", "COMPOUNDCRS"])
            .and_then(horizontal)
    };
    root.child(HORIZONTAL).or_else(inner)
}

/// Keys under construction.
#[derive(Debug, Default)]
struct Keys {
    entries: Vec<[u16; 4]>,
    doubles: Vec<f64>,
    ascii: Vec<u8>,
}

impl Keys {
    fn short(&mut self, key: u16, value: u16) {
        self.entries.push([key, 0, 1, value]);
    }

    fn double(&mut self, key: u16, value: f64) {
        self.entries.push([key, 34736, 1, self.doubles.len() as u16]);
        self.doubles.push(value);
    }

    fn text(&mut self, key: u16, text: &str) {
        let text: String = text.chars().filter(|c| c.is_ascii() && *c != '|').take(200).collect();
        self.entries
            .push([key, 34737, text.len() as u16 + 1, self.ascii.len() as u16]);
        self.ascii.extend(text.bytes().chain([b'|']));
    }

    fn into_tags(mut self) -> GeoTags {
        self.entries.sort_unstable();
        let header = [1, 1, 0, self.entries.len() as u16];
        GeoTags {
            key_directory: header.into_iter().chain(self.entries.into_iter().flatten()).collect(),
            double_params: self.doubles,
            ascii_params: self.ascii,
            ..GeoTags::default()
        }
    }

    fn geographic(&mut self, system: &Node) {
        self.short(1024, 2);
        self.base(system);
        if let Some(unit) = system.child(&["UNIT", "ANGLEUNIT"]).and_then(|unit| unit.number(1)) {
            self.angle(unit);
        }
        self.text(2049, system.name());
    }

    /// The geodetic system, or the base of a projected one.
    fn base(&mut self, system: &Node) {
        if let Some(code) = system.epsg().or_else(|| geographic_code(system.name())) {
            self.short(2048, code);
            return;
        }
        self.short(2048, USER_DEFINED);
        let datum = system.child(&["DATUM", "ENSEMBLE", "TRF"]);
        if let Some(spheroid) = datum.and_then(|datum| datum.child(&["SPHEROID", "ELLIPSOID"]))
            && let (Some(axis), Some(inverse)) = (spheroid.number(1), spheroid.number(2))
        {
            self.double(2057, axis);
            self.double(2059, inverse);
        }
    }

    fn angle(&mut self, radians: f64) {
        if (radians - 1f64.to_radians()).abs() < 1e-9 {
            self.short(2054, 9102);
        } else {
            self.short(2054, USER_DEFINED);
            self.double(2055, radians);
        }
    }

    fn projected(&mut self, system: &Node) -> Option<()> {
        self.short(1024, 1);
        self.text(3073, system.name());
        let unit_m = system.child(&["UNIT", "LENGTHUNIT"]).and_then(|unit| unit.number(1));
        if let Some(unit_m) = unit_m {
            if unit_m == 1.0 {
                self.short(3076, 9001);
            } else {
                self.short(3076, USER_DEFINED);
                self.double(3077, unit_m);
            }
        }
        if let Some(code) = system.epsg().or_else(|| epsg_of_name(system.name())) {
            self.short(3072, code);
            return Some(());
        }
        self.short(3072, USER_DEFINED);
        self.short(3074, USER_DEFINED);
        self.base(system.child(&["GEOGCS", "BASEGEOGCRS", "BASEGEODCRS"])?);
        let conversion = system.child(&["CONVERSION"]).unwrap_or(system);
        let method = conversion.child(&["PROJECTION", "METHOD"])?;
        if let Some(code) = method_code(method.name(), conversion) {
            self.short(3075, code);
        }
        for parameter in conversion.children.iter().filter(|child| child.keyword == "PARAMETER") {
            if let (Some(key), Some(value)) = (parameter_key(parameter.name()), parameter.number(1)) {
                self.double(key, value);
            }
        }
        Some(())
    }
}

/// Normalizes a name: lower case, with `_` between words.
fn plain(name: &str) -> String {
    let name = name.to_lowercase().replace([' ', '-'], "_");
    name.split('_')
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join("_")
}

/// Geographic systems that have a few well-known names.
fn geographic_code(name: &str) -> Option<u16> {
    let name = plain(name);
    match name.strip_prefix("gcs_").unwrap_or(&name) {
        "wgs_1984" | "wgs_84" | "wgs84" => Some(4326),
        "north_american_1983" | "nad83" => Some(4269),
        "etrs_1989" | "etrs89" => Some(4258),
        "gda_1994" | "gda94" => Some(4283),
        "gda2020" => Some(7844),
        "sirgas_2000" => Some(4674),
        _ => None,
    }
}

/// The method codes of the GeoTIFF specification.
fn method_code(name: &str, conversion: &Node) -> Option<u16> {
    let has = |name: &str| {
        let mut parameters = conversion.children.iter().filter(|child| child.keyword == "PARAMETER");
        parameters.any(|child| plain(child.name()) == name)
    };
    Some(match plain(name).as_str() {
        "transverse_mercator" | "gauss_kruger" => 1,
        "mercator" | "mercator_1sp" | "mercator_2sp" | "mercator_(variant_a)" | "mercator_(variant_b)" => 7,
        "lambert_conformal_conic" if !has("standard_parallel_2") => 9,
        "lambert_conformal_conic" | "lambert_conformal_conic_2sp" | "lambert_conic_conformal_(2sp)" => 8,
        "lambert_conformal_conic_1sp" | "lambert_conic_conformal_(1sp)" => 9,
        "lambert_azimuthal_equal_area" => 10,
        "albers" | "albers_conic_equal_area" | "albers_equal_area" => 11,
        "polar_stereographic" => 15,
        "oblique_stereographic" | "double_stereographic" => 16,
        "cylindrical_equal_area" | "lambert_cylindrical_equal_area" => 28,
        _ => return None,
    })
}

fn parameter_key(name: &str) -> Option<u16> {
    Some(match plain(name).as_str() {
        "standard_parallel_1" | "latitude_of_1st_standard_parallel" => 3078,
        "standard_parallel_2" | "latitude_of_2nd_standard_parallel" => 3079,
        "central_meridian"
        | "longitude_of_center"
        | "longitude_of_origin"
        | "longitude_of_natural_origin"
        | "longitude_of_false_origin" => 3080,
        "latitude_of_origin" | "latitude_of_center" | "latitude_of_natural_origin" | "latitude_of_false_origin" => 3081,
        "false_easting" | "easting_at_false_origin" => 3082,
        "false_northing" | "northing_at_false_origin" => 3083,
        "scale_factor" | "scale_factor_at_natural_origin" => 3092,
        _ => return None,
    })
}

/// Whether a system is known at all, for callers that choose between two.
pub fn is_known(tags: &GeoTags) -> bool {
    tags.crs().is_some_and(|crs| crs.kind != CrsKind::Unknown)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::georeference::{Affine, GeoReference};
    use crate::projection::Projection;

    const GEOGCS: &str = r#"GEOGCS["GCS_WGS_1984",DATUM["D_WGS_1984",SPHEROID["WGS_1984",6378137.0,298.257223563]],PRIMEM["Greenwich",0.0],UNIT["Degree",0.0174532925199433]]"#;

    #[test]
    fn systems_in_text_are_those_of_their_codes() {
        let utm = format!(
            r#"PROJCS["WGS_1984_UTM_Zone_33N",{GEOGCS},PROJECTION["Transverse_Mercator"],PARAMETER["Central_Meridian",15.0],UNIT["Meter",1.0]]"#
        );
        let crs = |text: &str| geo_keys(text).and_then(|tags| tags.crs()).expect("a system");
        assert_eq!((crs(&utm).kind, crs(&utm).epsg), (CrsKind::Projected, Some(32633)));
        assert_eq!((crs(GEOGCS).kind, crs(GEOGCS).epsg), (CrsKind::Geographic, Some(4326)));
        let coded = r#"PROJCRS["x",BASEGEOGCRS["y",ID["EPSG",4258]],CONVERSION["z",METHOD["m"]],ID["EPSG",3035]]"#;
        assert_eq!((crs(coded).epsg, crs(coded).linear_unit_m), (Some(3035), Some(1.0)));
        let compound = format!(r#"COMPD_CS["both",{utm},VERT_CS["height",UNIT["metre",1]]]"#);
        assert_eq!(crs(&compound).epsg, Some(32633));
    }

    #[test]
    fn texts_and_brackets_beyond_the_limits_are_refused() {
        let padded = |bytes: usize| format!("{GEOGCS}{}", " ,".repeat(bytes / 2));
        assert!(geo_keys(&padded(1 << 10)).is_some());
        assert!(geo_keys(&padded(MAX_TEXT_BYTES)).is_none());
        assert!(geo_keys(&"GEOGCS[".repeat(MAX_DEPTH + 2)).is_none());
    }

    #[test]
    fn systems_without_a_code_are_projected_by_their_parameters() {
        let text = format!(
            r#"PROJCS["mine",{GEOGCS},PROJECTION["Transverse_Mercator"],PARAMETER["False_Easting",500000.0],PARAMETER["False_Northing",0.0],
            PARAMETER["Central_Meridian",15.0],PARAMETER["Scale_Factor",0.9996],PARAMETER["Latitude_Of_Origin",0.0],UNIT["Meter",1.0]]"#
        );
        let affine = Affine {
            a: 10.0,
            b: 0.0,
            c: 500_000.0,
            d: 0.0,
            e: -10.0,
            f: 5_000_000.0,
        };
        let place = GeoReference::placed(affine, geo_keys(&text).expect("a system")).expect("a place");
        assert_eq!((place.crs.epsg, place.crs.name.as_deref()), (None, Some("mine")));
        let [longitude, latitude] = Projection::of(&place)
            .expect("a projection")
            .lon_lat_deg(500_000.0, 5_000_000.0)
            .expect("a point");
        assert!(
            (longitude - 15.0).abs() < 1e-9 && (latitude - 45.153_4).abs() < 1e-3,
            "{longitude} {latitude}"
        );
    }

    #[test]
    fn damaged_text_is_no_system() {
        let deep = "A[".repeat(5000);
        for text in [
            "",
            "PROJCS",
            "PROJCS[",
            "PROJCS[\"x\"",
            "LOCAL_CS[\"x\"]",
            "[[[",
            "PROJCS[\"x\",UNIT[\"m\",1]]",
            &deep,
        ] {
            assert!(geo_keys(text).is_none(), "{}", text.len());
        }
    }
}
