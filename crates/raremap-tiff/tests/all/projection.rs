//! Longitudes and latitudes against PROJ (through rasterio), for systems by code and for systems that a file defines.

use std::process::Command;

use raremap_geo::{Affine, CrsKind, GeoReference, GeoTags, Projection};

const NORTH_UP: Affine = Affine {
    a: 10.0,
    b: 0.0,
    c: 0.0,
    d: 0.0,
    e: -10.0,
    f: 0.0,
};

/// Prints map coordinates of places in the middle of each system's domain, and the longitudes and latitudes that PROJ gives back.
const PLACES: &str = r#"
import sys, warnings
warnings.filterwarnings("ignore")
from rasterio.warp import transform
for line in sys.argv[1:]:
    crs, lon, lat = line.split(",")
    for dx, dy in ((0, 0), (2.5, 0.7), (-2.9, 3.1), (0.001, -4.3)):
        x, y = transform("EPSG:4326", crs, [float(lon) + dx], [float(lat) + dy])
        back = transform(crs, "EPSG:4326", x, y)
        print(crs.split(":")[1] if crs.startswith("EPSG") else crs, repr(x[0]), repr(y[0]), repr(back[0][0]), repr(back[1][0]))
"#;

/// (EPSG code, a longitude and latitude in its area)
const SYSTEMS: [(u16, f64, f64); 34] = [
    (32643, 75.0, 19.0),
    (32601, -177.5, 60.0),
    (32755, 147.0, -33.0),
    (25832, 9.5, 51.0),
    (26913, -105.0, 40.0),
    (31983, -45.0, -22.0),
    (7846, 105.0, -10.5),
    (7855, 147.0, -35.0),
    (2193, 173.0, -41.0),
    (6677, 139.8, 35.6),
    (4526, 114.0, 30.0),
    (2154, 3.0, 47.0),
    (3034, 10.0, 52.0),
    (3035, 10.0, 52.0),
    (2263, -74.0, 40.7),
    (2227, -122.4, 37.7),
    (3978, -95.0, 55.0),
    (7755, 80.0, 24.0),
    (3347, -91.0, 60.0),
    (5070, -96.0, 38.0),
    (3577, 132.0, -25.0),
    (3005, -125.0, 54.0),
    (3031, 10.0, -80.0),
    (3413, -40.0, 75.0),
    (3995, 30.0, 75.0),
    (3976, -70.0, -70.0),
    (5041, 20.0, 85.6),
    (5042, 20.0, -85.0),
    (3857, 12.0, 45.0),
    (3395, 12.0, 45.0),
    (6931, 15.0, 70.0),
    (6932, 15.0, -70.0),
    (6933, 15.0, 40.0),
    (22240, -66.5, 46.5),
];

fn ask(lines: &[String]) -> Option<Vec<Vec<String>>> {
    let Some(python) = std::env::var_os("RAREMAP_PYTHON") else {
        println!(
            "skipped: RAREMAP_PYTHON does not name a Python with rasterio (./test installs one, ./test --quick does not)"
        );
        return None;
    };
    let output = Command::new(python)
        .args(["-c", PLACES])
        .args(lines)
        .output()
        .expect("the interpreter starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("text");
    Some(
        text.lines()
            .map(|line| line.rsplitn(5, ' ').map(str::to_owned).collect())
            .collect(),
    )
}

/// The largest difference in degrees between a line of PROJ's and what is computed here.
fn difference(projection: &Projection, line: &[String]) -> f64 {
    let number = |index: usize| line[index].parse::<f64>().expect("a number");
    let (latitude, longitude, y, x) = (number(0), number(1), number(2), number(3));
    let [found_longitude, found_latitude] = projection.lon_lat_deg(x, y).expect("a place");
    let around = (found_longitude - longitude).abs();
    around
        .min((360.0 - around).abs())
        .max((found_latitude - latitude).abs())
}

#[test]
fn systems_by_code_agree_with_proj() {
    let lines: Vec<String> = SYSTEMS
        .iter()
        .map(|(code, lon, lat)| format!("EPSG:{code},{lon},{lat}"))
        .collect();
    let Some(places) = ask(&lines) else { return };
    assert_eq!(places.len(), 4 * SYSTEMS.len());
    let mut worst = (0.0, 0);
    for ((code, ..), lines) in SYSTEMS.iter().zip(places.chunks_exact(4)) {
        let place = GeoReference::from_epsg(CrsKind::Projected, *code, NORTH_UP).expect("a transform");
        assert_eq!(place.crs.epsg, Some(*code));
        let projection = Projection::of(&place).expect("a known system");
        for line in lines {
            let found = difference(&projection, line);
            assert!(found < 1e-7, "EPSG:{code}: {found} degrees from PROJ at {line:?}");
            if found > worst.0 {
                worst = (found, *code);
            }
        }
    }
    println!("largest difference to PROJ: {:e} degrees, EPSG:{}", worst.0, worst.1);
}

/// Keys of a system of one's own on WGS 84, and the same for PROJ.
fn own(method: u16, parameters: &[(u16, f64)]) -> GeoReference {
    let mut keys = vec![
        [1024, 0, 1, 1],
        [1025, 0, 1, 1],
        [2048, 0, 1, 4326],
        [3072, 0, 1, 32767],
    ];
    keys.extend([[3074, 0, 1, 32767], [3075, 0, 1, method], [3076, 0, 1, 9001]]);
    keys.extend(
        parameters
            .iter()
            .zip(0..)
            .map(|((key, _), index)| [*key, 34736, 1, index]),
    );
    let tags = GeoTags {
        pixel_scale: vec![10.0, 10.0, 0.0],
        tie_points: vec![0.0; 6],
        key_directory: [1, 1, 0, keys.len() as u16]
            .into_iter()
            .chain(keys.into_iter().flatten())
            .collect(),
        double_params: parameters.iter().map(|(_, value)| *value).collect(),
        ..GeoTags::default()
    };
    GeoReference::from_tags(tags).expect("a transform")
}

#[test]
fn systems_that_a_file_defines_agree_with_proj() {
    let cases = [
        (
            "+proj=tmerc +lat_0=12 +lon_0=76.3 +k=0.9995 +x_0=1000 +y_0=2000",
            76.0,
            14.0,
            own(
                1,
                &[
                    (3080, 76.3),
                    (3081, 12.0),
                    (3092, 0.9995),
                    (3082, 1000.0),
                    (3083, 2000.0),
                ],
            ),
        ),
        (
            "+proj=lcc +lat_1=20 +lat_2=60 +lat_0=5 +lon_0=80 +x_0=5 +y_0=6",
            82.0,
            30.0,
            own(
                8,
                &[
                    (3078, 20.0),
                    (3079, 60.0),
                    (3084, 80.0),
                    (3085, 5.0),
                    (3086, 5.0),
                    (3087, 6.0),
                ],
            ),
        ),
        (
            "+proj=lcc +lat_1=-30 +lat_0=-30 +lon_0=20 +k_0=0.998",
            22.0,
            -31.0,
            own(9, &[(3080, 20.0), (3081, -30.0), (3092, 0.998)]),
        ),
        (
            "+proj=laea +lat_0=-20 +lon_0=130",
            132.0,
            -30.0,
            own(10, &[(3088, 130.0), (3089, -20.0)]),
        ),
        (
            "+proj=aea +lat_1=-18 +lat_2=-36 +lat_0=0 +lon_0=132",
            135.0,
            -25.0,
            own(11, &[(3078, -18.0), (3079, -36.0), (3080, 132.0)]),
        ),
        (
            "+proj=sterea +lat_0=52.15 +lon_0=5.38 +k=0.9999079 +x_0=155000 +y_0=463000",
            5.5,
            52.0,
            own(
                16,
                &[
                    (3080, 5.38),
                    (3081, 52.15),
                    (3092, 0.9999079),
                    (3082, 155e3),
                    (3083, 463e3),
                ],
            ),
        ),
        (
            "+proj=stere +lat_0=-90 +lat_ts=-65 +lon_0=20",
            40.0,
            -70.0,
            own(15, &[(3095, 20.0), (3081, -65.0)]),
        ),
        (
            "+proj=merc +lat_ts=42 +lon_0=51",
            51.0,
            42.0,
            own(7, &[(3080, 51.0), (3078, 42.0)]),
        ),
    ];
    let lines: Vec<String> = cases
        .iter()
        .map(|(crs, lon, lat, _)| format!("{crs} +datum=WGS84,{lon},{lat}"))
        .collect();
    let Some(places) = ask(&lines) else { return };
    for ((crs, .., place), lines) in cases.iter().zip(places.chunks_exact(4)) {
        let projection = Projection::of(place).expect("a known method");
        for line in lines {
            let found = difference(&projection, line);
            assert!(found < 1e-7, "{crs}: {found} degrees from PROJ at {line:?}");
        }
    }
}

#[test]
fn a_utm_place_has_the_longitude_and_latitude_of_the_specification() {
    // Guidance Note 7-2's transverse Mercator on WGS 84: the origin of zone 43, and a point a degree away (GeographicLib's GeoConvert).
    let place = GeoReference::from_epsg(CrsKind::Projected, 32643, NORTH_UP).expect("a transform");
    let utm = Projection::of(&place).expect("UTM");
    assert_eq!(utm.lon_lat_deg(5e5, 0.0), Some([75.0, 0.0]));
    let degrees = GeoReference::from_epsg(CrsKind::Geographic, 4326, NORTH_UP).expect("a transform");
    let identity = Projection::of(&degrees).expect("degrees");
    assert!(identity.is_identity() && !utm.is_identity());
    assert_eq!(
        (identity.lon_lat_deg(181.5, -12.25), identity.lon_lat_deg(0.0, 91.0)),
        (Some([181.5, -12.25]), None)
    );
}

#[test]
fn systems_on_another_datum_or_of_an_unknown_method_are_refused_by_name() {
    for (kind, code) in [
        (CrsKind::Geographic, 4267),
        (CrsKind::Projected, 27700),
        (CrsKind::Projected, 26713),
        (CrsKind::Projected, 1),
    ] {
        let place = GeoReference::from_epsg(kind, code, NORTH_UP).expect("a transform");
        let error = Projection::of(&place).expect_err("no conversion");
        assert_eq!(error.code(), "unsupported_crs");
        assert!(error.to_string().contains(&format!("EPSG:{code}")), "{error}");
    }
    assert!(Projection::of(&own(18, &[(3080, 1.0)])).is_err());
}
