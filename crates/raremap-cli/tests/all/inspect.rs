//! `raremap inspect`: the report, its exit codes, its one line of error.

use std::fs;
use std::path::Path;
use std::process::Output;

use crate::support::raremap;
use raremap_geo::{Affine, CrsKind, GeoReference};
use raremap_tiff::{OutputImage, OutputSamples, encode_geotiff};
use serde_json::{Value, json};

fn inspect(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = raremap(folder, &["inspect"]);
    command.args(arguments).output().expect("the command starts")
}

fn report(folder: &Path, arguments: &[&str]) -> Value {
    let output = inspect(folder, arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn write_scene(path: &Path, width: u32, height: u32) {
    let samples: Vec<f32> = (0..width * height)
        .map(|i| if i == 0 { -9999.0 } else { (i % 5) as f32 })
        .collect();
    let image = OutputImage {
        width,
        height,
        samples: OutputSamples::F32 { bands: vec![&samples] },
        nodata: Some(-9999.0),
        color_table: None,
        band_names: vec!["nir".into()],
        metadata: vec![("SENSOR".into(), "LISS-IV".into())],
    };
    let transform = Affine {
        a: 5.0,
        b: 0.0,
        c: 600_000.0,
        d: 0.0,
        e: -5.0,
        f: 1_400_000.0,
    };
    let place = GeoReference::from_epsg(CrsKind::Projected, 32643, transform);
    fs::write(path, encode_geotiff(&image, place.as_ref()).expect("encodes")).expect("writes");
}

#[test]
fn a_scene_is_described_with_checksums() {
    let folder = tempfile::tempdir().expect("a folder");
    write_scene(&folder.path().join("scene.tif"), 50, 40);
    fs::write(folder.path().join("scene.tif.ovr"), b"").expect("writes");
    let told = report(folder.path(), &["scene.tif", "--checksums", "--json"]);
    assert_eq!(told["kind"], "geotiff");
    assert_eq!(
        (&told["width"], &told["height"], &told["band_count"]),
        (&json!(50), &json!(40), &json!(1))
    );
    assert_eq!(
        told["gdal_transform"],
        json!([600_000.0, 5.0, 0.0, 1_400_000.0, 0.0, -5.0])
    );
    assert_eq!(
        (&told["crs"]["epsg"], &told["crs"]["linear_unit_m"]),
        (&json!(32643), &json!(1.0))
    );
    assert_eq!(
        (&told["nodata"], &told["items"]["SENSOR"]),
        (&json!(-9999.0), &json!("LISS-IV"))
    );
    assert_eq!(told["files_not_read"], json!(["scene.tif.ovr"]));
    let band = &told["bands"][0];
    assert_eq!(
        (&band["name"], &told["statistics_of"]),
        (&json!("nir"), &json!("all pixels"))
    );
    assert_eq!(band["statistics"]["valid_count"], 1999);
    assert_eq!(
        (&band["statistics"]["min"], &band["statistics"]["max"]),
        (&json!(0.0), &json!(4.0))
    );
    // As `gdalinfo -checksum` has it: 1999 samples from 0 to 4, below all primes, and -9999 modulo 7.
    let sum: i32 = (1..2000).map(|i| i % 5).sum::<i32>() - 9999 % 7;
    assert_eq!(band["checksum"], json!(sum as u16));
}

#[test]
fn a_large_scene_is_described_by_a_preview_unless_asked() {
    let folder = tempfile::tempdir().expect("a folder");
    write_scene(&folder.path().join("long.tif"), 1500, 3);
    let told = report(folder.path(), &["long.tif", "--json"]);
    assert_eq!(told["statistics_of"], "a preview");
    assert!(told["bands"][0]["checksum"].is_null());
    let told = report(folder.path(), &["long.tif", "--statistics", "--json"]);
    assert_eq!(
        (&told["statistics_of"], &told["bands"][0]["statistics"]["valid_count"]),
        (&json!("all pixels"), &json!(4499))
    );
    let text = inspect(folder.path(), &["long.tif", "--checksums"]);
    let text = String::from_utf8(text.stdout).expect("text");
    assert!(text.contains("checksum") && text.contains("EPSG:32643"), "{text}");
}

#[test]
fn what_cannot_be_read_exits_with_2_and_one_typed_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    write_scene(&path("scene.tif"), 50, 40);
    let whole = fs::read(path("scene.tif")).expect("reads");
    fs::write(path("cut.tif"), &whole[..whole.len() / 2]).expect("writes");
    fs::write(path("text.tif"), b"no image at all").expect("writes");
    fs::write(path("empty.tif"), b"").expect("writes");
    fs::write(path("picture.tif"), b"\x89PNG\r\n\x1a\n and more").expect("writes");
    for (name, code) in [
        ("cut.tif", "truncated"),
        ("text.tif", "not_recognized"),
        ("empty.tif", "empty"),
        ("picture.tif", "not_a_tiff"),
        ("absent.tif", "source_failed"),
    ] {
        let output = inspect(folder.path(), &[name, "--checksums"]);
        let error = String::from_utf8(output.stderr).expect("text");
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
        assert!(error.starts_with(&format!("raremap: {code}: {name}: ")), "{error}");
        let output = inspect(folder.path(), &[name, "--checksums", "--json"]);
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0));
        let error: Value = serde_json::from_slice(&output.stderr).expect("one JSON object");
        assert_eq!(error["error"]["code"], code);
    }
}

#[test]
#[cfg(unix)]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let folder = tempfile::tempdir().expect("a folder");
    write_scene(&folder.path().join("scene.tif"), 50, 40);
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let mut command = raremap(folder.path(), &["inspect", "scene.tif"]);
    let output = command.stdout(writer).output().expect("the command starts");
    assert_eq!(
        (output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()),
        (Some(0), "")
    );
}
