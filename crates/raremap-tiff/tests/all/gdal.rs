//! GDAL reads what is written here: the same place, colours, nodata and pixels.
//!
//! `RAREMAP_PYTHON` names a Python with rasterio; without it these tests say that they were skipped.

use std::path::Path;
use std::process::Command;

use crate::support;
use pollster::block_on;
use raremap_geo::{Affine, CrsKind, GeoReference};
use raremap_io::FileSource;
use raremap_tiff::{GeoTiff, Limits, OutputImage, OutputSamples, Window, encode_geotiff};
use serde_json::{Value, json};

/// What GDAL reads of the files, in order.
fn described(paths: &[&Path]) -> Option<Vec<Value>> {
    let Some(python) = std::env::var_os("RAREMAP_PYTHON") else {
        println!(
            "skipped: RAREMAP_PYTHON does not name a Python with rasterio (./test installs one, ./test --quick does not)"
        );
        return None;
    };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/describe.py");
    let output = Command::new(python)
        .arg(script)
        .args(paths)
        .output()
        .expect("the interpreter starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "rasterio failed: {errors}");
    assert!(!errors.contains("Warning"), "rasterio warned: {errors}");
    let lines = String::from_utf8(output.stdout).expect("the script writes UTF-8");
    Some(
        lines
            .lines()
            .map(|line| serde_json::from_str(line).expect("the script writes JSON"))
            .collect(),
    )
}

fn raw_pixels(path: &Path) -> Vec<u8> {
    std::fs::read(format!("{}.raw", path.display())).expect("the script wrote the pixels")
}

fn image(width: u32, height: u32, samples: OutputSamples<'_>) -> OutputImage<'_> {
    OutputImage {
        width,
        height,
        samples,
        nodata: None,
        color_table: None,
        band_names: Vec::new(),
        metadata: Vec::new(),
    }
}

#[test]
fn gdal_reads_a_mask_with_its_place_colours_and_nodata() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("mask.tif");
    let classes: Vec<u8> = (0..700 * 300u32)
        .map(|i| if i % 13 == 0 { 255 } else { (i / 40 % 7) as u8 })
        .collect();
    let mask = OutputImage {
        nodata: Some(255.0),
        color_table: Some(vec![(0, [1, 2, 3]), (6, [255, 128, 7])]),
        band_names: vec!["Klassen \u{fc}ber <alles>".into()],
        metadata: vec![("MODEL".into(), "first & \"best\"".into())],
        ..image(700, 300, OutputSamples::U8(&classes))
    };
    let transform = Affine {
        a: 10.0,
        b: 0.0,
        c: 399_960.0,
        d: 0.0,
        e: -10.0,
        f: 3_100_020.0,
    };
    let place = GeoReference::from_epsg(CrsKind::Projected, 32643, transform);
    std::fs::write(&path, encode_geotiff(&mask, place.as_ref()).expect("encodes")).expect("writes");

    let Some(gdal) = described(&[&path]) else { return };
    let gdal = &gdal[0];
    assert_eq!(gdal["size"], json!([300, 700]));
    assert_eq!(gdal["dtypes"], json!(["uint8"]));
    assert_eq!(
        gdal["transform"],
        json!([10.0, 0.0, 399_960.0, 0.0, -10.0, 3_100_020.0])
    );
    assert_eq!(gdal["epsg"], json!(32643));
    assert_eq!(gdal["nodata"], json!(255.0));
    assert_eq!(gdal["colors"]["0"], json!([1, 2, 3, 255]));
    assert_eq!(gdal["colors"]["6"], json!([255, 128, 7, 255]));
    assert_eq!(gdal["descriptions"], json!(["Klassen \u{fc}ber <alles>"]));
    assert_eq!(gdal["tags"]["MODEL"], json!("first & \"best\""));
    assert_eq!(gdal["blocks"], json!([[256, 256]]));
    assert_eq!(gdal["compression"], json!("deflate"));
    assert_eq!(raw_pixels(&path), classes);
}

#[test]
fn gdal_reads_bands_of_every_type() {
    let folder = tempfile::tempdir().expect("a folder");
    let (width, height) = (301u32, 259u32);
    let count = width * height;
    let floats: Vec<f32> = (0..count).map(|i| (i as f32).sin()).collect();
    let more_floats: Vec<f32> = (0..count)
        .map(|i| if i % 9 == 0 { f32::NAN } else { i as f32 })
        .collect();
    let signed: Vec<i16> = (0..count).map(|i| (i as i16).wrapping_mul(31)).collect();
    let unsigned: Vec<u16> = (0..count).map(|i| (i as u16).wrapping_mul(31)).collect();
    // Rotated, and south up.
    let rotated = Affine {
        a: 0.001,
        b: 0.0002,
        c: 76.5,
        d: 0.0003,
        e: -0.0009,
        f: 12.25,
    };
    let south_up = Affine {
        a: 0.5,
        b: 0.0,
        c: 10.0,
        d: 0.0,
        e: 0.5,
        f: -20.0,
    };
    let cases = [
        (
            "f32.tif",
            OutputSamples::F32 {
                bands: vec![&floats, &more_floats],
            },
            rotated,
            "float32",
        ),
        (
            "i16.tif",
            OutputSamples::I16 {
                bands: vec![&signed, &signed, &signed],
            },
            south_up,
            "int16",
        ),
        (
            "u16.tif",
            OutputSamples::U16 { bands: vec![&unsigned] },
            south_up,
            "uint16",
        ),
    ];
    let paths: Vec<_> = cases.iter().map(|(name, ..)| folder.path().join(name)).collect();
    let mut raw = Vec::new();
    for (path, (_, samples, transform, _)) in paths.iter().zip(&cases) {
        let place = GeoReference::from_epsg(CrsKind::Geographic, 4326, *transform);
        let mut output = image(width, height, samples.clone());
        output.nodata = Some(f64::NAN).filter(|_| matches!(samples, OutputSamples::F32 { .. }));
        output.band_names = vec!["first".into()];
        std::fs::write(path, encode_geotiff(&output, place.as_ref()).expect("encodes")).expect("writes");
        raw.push(match samples {
            OutputSamples::F32 { bands } => bands.concat().iter().flat_map(|value| value.to_ne_bytes()).collect(),
            OutputSamples::I16 { bands } => bands.concat().iter().flat_map(|value| value.to_ne_bytes()).collect(),
            OutputSamples::U16 { bands } => bands.concat().iter().flat_map(|value| value.to_ne_bytes()).collect(),
            OutputSamples::U8(band) => band.to_vec(),
        });
    }
    let all: Vec<&Path> = paths.iter().map(AsRef::as_ref).collect();
    let Some(gdal) = described(&all) else { return };
    for (((path, (_, samples, transform, dtype)), gdal), raw) in paths.iter().zip(&cases).zip(&gdal).zip(&raw) {
        assert_eq!(gdal["dtypes"], json!(vec![dtype; samples.band_count()]));
        let Affine { a, b, c, d, e, f } = transform;
        assert_eq!(gdal["transform"], json!([a, b, c, d, e, f]));
        assert_eq!(gdal["epsg"], json!(4326));
        assert_eq!(gdal["descriptions"][0], json!("first"));
        assert_eq!(
            gdal["interpretations"].as_array().map(Vec::len),
            Some(samples.band_count())
        );
        assert!(&raw_pixels(path) == raw, "{} has other pixels", path.display());
    }
    assert_eq!((&gdal[0]["nodata"], &gdal[1]["nodata"]), (&json!("nan"), &json!(null)));
}

#[test]
fn a_mask_of_a_real_scene_lies_where_the_scene_lies() {
    let Some(scenes) = support::data_folder("scenes") else {
        return;
    };
    let Some(corpus) = support::data_folder("tiff") else {
        return;
    };
    let mut inputs: Vec<_> = ["Spain_7370579_S2Hand.tif", "landsat_2020.tif"]
        .map(|name| scenes.join(name))
        .into();
    inputs.extend(georeferenced_files(&corpus));
    let folder = tempfile::tempdir().expect("a folder");
    let mut pairs = Vec::new();
    for (index, input) in inputs.iter().enumerate() {
        let source = FileSource::open(input).expect("opens");
        let Ok(scene) = block_on(GeoTiff::open(source, Limits::default())) else {
            continue;
        };
        let Some(place) = scene.info().georeference.clone() else {
            continue;
        };
        let (width, height) = (scene.info().width, scene.info().height);
        let last = Window {
            x: width - 1,
            y: height - 1,
            width: 1,
            height: 1,
        };
        // One of the corpus ends within its pixels, and GDAL reads all of each file here.
        if block_on(scene.read_window(last, &[0])).is_err() {
            continue;
        }
        let classes = vec![1u8; (width * height) as usize];
        let bytes = encode_geotiff(&image(width, height, OutputSamples::U8(&classes)), Some(&place)).expect("encodes");
        // Copied, because GDAL would also look at world files beside the scene.
        let (copy, mask) = (
            folder.path().join(format!("{index}.tif")),
            folder.path().join(format!("{index}m.tif")),
        );
        std::fs::copy(input, &copy).expect("copies");
        std::fs::write(&mask, bytes).expect("writes");
        pairs.extend([copy, mask]);
    }
    let paths: Vec<&Path> = pairs.iter().map(AsRef::as_ref).collect();
    let Some(gdal) = described(&paths) else { return };
    println!("{} masks lie where their scenes lie", gdal.len() / 2);
    assert!(gdal.len() >= 20);
    for (pair, path) in gdal.chunks_exact(2).zip(paths.chunks_exact(2)) {
        assert_eq!(pair[0]["transform"], pair[1]["transform"], "{}", path[0].display());
        assert_eq!(pair[0]["crs"], pair[1]["crs"], "{}", path[0].display());
        assert_eq!(pair[0]["size"], pair[1]["size"], "{}", path[0].display());
    }
}

/// Small georeferenced files of many writers.
fn georeferenced_files(corpus: &Path) -> Vec<std::path::PathBuf> {
    let folders = [
        "rasterio_rasterio/tests/data",
        "cogeotiff_rio-cogeo/tests/fixtures",
        "georust_geotiff/resources",
    ];
    let files = folders
        .iter()
        .filter_map(|folder| std::fs::read_dir(corpus.join(folder)).ok())
        .flatten();
    let mut paths: Vec<_> = files.filter_map(|file| Some(file.ok()?.path())).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "tif"));
    paths.sort();
    paths
}
