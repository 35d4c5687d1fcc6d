//! The `crs` member of GeoJSON before RFC 7946, for coordinates that are not longitude and latitude.
//!
//! GDAL, and what is built on it, read a null member as they read a missing one, as longitude and latitude; so there is always a name.

use std::fmt::Write;

use raremap_geo::{Crs, CrsKind, GeoReference, GeoTags};

/// What readers of GeoJSON know as a system without a place on the earth.
const PIXELS: &str = r#"LOCAL_CS["columns and rows of pixels",UNIT["pixel",1],AXIS["column",EAST],AXIS["row",SOUTH]]"#;

const USER_DEFINED: u16 = 32767;
const DOUBLE_PARAMS: u16 = 34736;
const ANGULAR_UNITS: u16 = 2054;
const METHOD: u16 = 3075;
const PARALLELS: [u16; 2] = [3078, 3079];
/// Natural origin, false origin, centre and pole: writers do not agree on which of them a method has.
const LONGITUDES: [u16; 4] = [3080, 3084, 3088, 3095];
const LATITUDES: [u16; 3] = [3081, 3085, 3089];
const EASTINGS: [u16; 3] = [3082, 3086, 3090];
const NORTHINGS: [u16; 3] = [3083, 3087, 3091];
const SCALES: [u16; 2] = [3092, 3093];

/// The member of a system, or of pixels.
pub(super) fn crs_member(georeference: Option<&GeoReference>) -> String {
    let name = match georeference {
        None => PIXELS.into(),
        Some(georeference) => match georeference.crs.epsg {
            Some(code) => format!("urn:ogc:def:crs:EPSG::{code}"),
            None => proj_string(georeference).unwrap_or_else(|| local_system(&georeference.crs)),
        },
    };
    format!(
        "{{\"type\": \"name\", \"properties\": {{\"name\": {}}}}}",
        super::quoted(&name)
    )
}

/// A system about which only a name and a unit are known.
fn local_system(crs: &Crs) -> String {
    let name = crs.name.as_deref().unwrap_or("unknown").replace('"', "'");
    let unit = match crs.linear_unit_m {
        Some(1.0) => "\"metre\",1".into(),
        Some(unit_m) => format!("\"unit\",{unit_m}"),
        None => "\"unknown\",1".into(),
    };
    format!("LOCAL_CS[\"{name}\",UNIT[{unit}]]")
}

/// The system as a PROJ string, if the file's keys say enough.
fn proj_string(georeference: &GeoReference) -> Option<String> {
    let (crs, tags) = (&georeference.crs, &georeference.tags);
    let mut text = match crs.kind {
        CrsKind::Geographic if crs.angular_unit_rad == Some(1f64.to_radians()) => String::from("+proj=longlat"),
        CrsKind::Projected => projected(tags, crs.linear_unit_m?)?,
        _ => return None,
    };
    // Writing to a string does not fail.
    let _ = match crs.inverse_flattening {
        0.0 => write!(text, " +R={}", crs.semi_major_axis_m),
        inverse => write!(text, " +a={} +rf={inverse}", crs.semi_major_axis_m),
    };
    text.push_str(" +no_defs +type=crs");
    Some(text)
}

fn projected(tags: &GeoTags, unit_m: f64) -> Option<String> {
    if !matches!(short(tags, ANGULAR_UNITS), None | Some(0 | 9102 | 9122)) {
        return None;
    }
    let first = |names: &[u16]| names.iter().find_map(|name| double(tags, *name));
    let latitude = first(&LATITUDES).unwrap_or(0.0);
    let parallels = PARALLELS.map(|name| double(tags, name));
    let [parallel, other] = parallels.map(|parallel| parallel.unwrap_or(0.0));
    let mut scale = first(&SCALES);
    let of_origin = |name: &str| format!("+proj={name} +lat_0={latitude}");
    let mut text = match short(tags, METHOD)? {
        1 => of_origin("tmerc"),
        7 if parallels[0].is_some() => format!("+proj=merc +lat_ts={parallel}"),
        7 => "+proj=merc".into(),
        8 => of_origin("lcc") + &format!(" +lat_1={parallel} +lat_2={other}"),
        9 => of_origin("lcc") + &format!(" +lat_1={latitude}"),
        10 => of_origin("laea"),
        11 => of_origin("aea") + &format!(" +lat_1={parallel} +lat_2={other}"),
        // The latitude of a polar one is the parallel that is true to scale, unless it is the pole's own.
        15 if latitude.abs() == 90.0 => of_origin("stere"),
        15 => {
            scale = None;
            format!("+proj=stere +lat_0={} +lat_ts={latitude}", 90f64.copysign(latitude))
        }
        16 => of_origin("sterea"),
        24 => "+proj=sinu".into(),
        28 => format!("+proj=cea +lat_ts={parallel}"),
        _ => return None,
    };
    let _ = write!(text, " +lon_0={}", first(&LONGITUDES).unwrap_or(0.0));
    if let Some(scale) = scale.filter(|scale| *scale != 1.0) {
        let _ = write!(text, " +k_0={scale}");
    }
    let [easting, northing] = [first(&EASTINGS), first(&NORTHINGS)].map(|offset| offset.unwrap_or(0.0) * unit_m);
    let _ = write!(text, " +x_0={easting} +y_0={northing} +to_meter={unit_m}");
    Some(text)
}

/// Location and value of a key's entry; if a key is given twice, the last one counts.
fn entry(tags: &GeoTags, wanted: u16) -> Option<(u16, u16)> {
    let entries = tags.key_directory.get(4..)?.chunks_exact(4);
    let mut matching = entries.filter_map(|entry| match entry {
        [id, location, _, value] if *id == wanted => Some((*location, *value)),
        _ => None,
    });
    matching.next_back()
}

fn short(tags: &GeoTags, wanted: u16) -> Option<u16> {
    let (location, value) = entry(tags, wanted)?;
    (location == 0 && value != USER_DEFINED).then_some(value)
}

fn double(tags: &GeoTags, wanted: u16) -> Option<f64> {
    let (location, index) = entry(tags, wanted)?;
    let value = tags.double_params.get(usize::from(index)).copied();
    value.filter(|value| location == DOUBLE_PARAMS && value.is_finite())
}

#[cfg(test)]
mod tests {
    use raremap_geo::Affine;

    use super::*;

    const TRANSFORM: Affine = Affine {
        a: 30.0,
        b: 0.0,
        c: 0.0,
        d: 0.0,
        e: -30.0,
        f: 0.0,
    };

    /// A system of a file's own: keys with their codes, or with their numbers.
    fn system(codes: &[[u16; 2]], numbers: &[(u16, f64)]) -> GeoReference {
        let mut tags = GeoReference::from_epsg(CrsKind::Projected, 32643, TRANSFORM)
            .expect("a transform")
            .tags;
        let mut keys: Vec<[u16; 4]> = codes.iter().map(|[key, code]| [*key, 0, 1, *code]).collect();
        for (index, (key, _)) in numbers.iter().enumerate() {
            keys.push([*key, DOUBLE_PARAMS, 1, index as u16]);
        }
        keys.sort_unstable();
        tags.key_directory = [1, 1, 0, keys.len() as u16]
            .into_iter()
            .chain(keys.into_iter().flatten())
            .collect();
        tags.double_params = numbers.iter().map(|(_, number)| *number).collect();
        GeoReference::from_tags(tags).expect("a transform")
    }

    fn name(georeference: Option<&GeoReference>) -> String {
        let member: serde_json::Value = serde_json::from_str(&crs_member(georeference)).expect("JSON");
        assert_eq!(member["type"], "name");
        member["properties"]["name"].as_str().expect("a name").into()
    }

    #[test]
    fn systems_with_a_code_are_named_by_it_and_pixels_as_such() {
        let utm = GeoReference::from_epsg(CrsKind::Projected, 32643, TRANSFORM);
        assert_eq!(name(utm.as_ref()), "urn:ogc:def:crs:EPSG::32643");
        assert_eq!(name(None), PIXELS);
    }

    #[test]
    fn systems_of_a_files_own_are_named_in_projs_words() {
        let conic = system(
            &[[1024, 1], [2048, 4269], [3072, USER_DEFINED], [METHOD, 8], [3076, 9003]],
            &[
                (3078, 33.0),
                (3079, 45.0),
                (3084, -96.0),
                (3085, 39.0),
                (3086, 100.0),
                (3087, 0.0),
            ],
        );
        let foot_m = conic.crs.linear_unit_m.expect("a unit");
        let expected = format!(
            "+proj=lcc +lat_0=39 +lat_1=33 +lat_2=45 +lon_0=-96 +x_0={} +y_0=0 +to_meter={foot_m} +a=6378137 +rf={} +no_defs +type=crs",
            100.0 * foot_m,
            conic.crs.inverse_flattening
        );
        assert_eq!(name(Some(&conic)), expected);
        let sinusoidal = system(
            &[[1024, 1], [3072, USER_DEFINED], [METHOD, 24], [3076, 9001]],
            &[(2057, 6_371_007.181), (2059, 0.0), (3088, 0.0)],
        );
        assert_eq!(
            name(Some(&sinusoidal)),
            "+proj=sinu +lon_0=0 +x_0=0 +y_0=0 +to_meter=1 +R=6371007.181 +no_defs +type=crs"
        );
    }

    #[test]
    fn systems_that_are_not_known_are_not_taken_for_longitude_and_latitude() {
        let polyconic = system(&[[1024, 1], [3072, USER_DEFINED], [METHOD, 22], [3076, 9001]], &[]);
        assert_eq!(name(Some(&polyconic)), r#"LOCAL_CS["unknown",UNIT["metre",1]]"#);
        assert_eq!(
            name(Some(&system(&[], &[]))),
            r#"LOCAL_CS["unknown",UNIT["unknown",1]]"#
        );
    }
}
