//! Cloud-optimized GeoTIFFs as they are written row by row: their layout, what this reader reads of them, and what GDAL reads.

use std::path::Path;
use std::process::Command;

use pollster::block_on;
use raremap_geo::{Affine, CrsKind, GeoReference};
use raremap_io::{BytesSource, MemoryScratch};
use raremap_tiff::{CogImage, CogRow, CogSamples, CogWriter, GeoTiff, Limits, Predictor, Window};
use serde_json::{Value, json};

fn place() -> GeoReference {
    let transform = Affine {
        a: 5.8,
        b: 0.0,
        c: 399_960.0,
        d: 0.0,
        e: -5.8,
        f: 3_100_020.0,
    };
    GeoReference::from_epsg(CrsKind::Projected, 32643, transform).expect("a transform")
}

fn image(width: u32, height: u32, samples: CogSamples, bands: &[&str]) -> CogImage {
    CogImage {
        width,
        height,
        samples,
        band_names: bands.iter().map(|name| (*name).to_owned()).collect(),
        metadata: vec![
            ("CLASS_1".into(), "Wald & \u{fc}ber".into()),
            ("RAREMAP_MODEL_SHA256".into(), "00ff".into()),
        ],
    }
}

fn classes() -> CogSamples {
    CogSamples::Classes {
        nodata: 255,
        colors: vec![(1, [10, 20, 30]), (2, [255, 0, 7])],
    }
}

fn steps() -> CogSamples {
    CogSamples::Scaled {
        nodata: 255,
        scale: 1.0 / 254.0,
        offset: 0.0,
    }
}

/// Writes the image and gives the file in pieces of a size that hits no boundary.
fn written<'a>(image: CogImage, rows: impl Iterator<Item = CogRow<'a>>) -> Vec<u8> {
    let mut writer = CogWriter::new(image, Some(&place().tags), MemoryScratch::default()).expect("a sound image");
    rows.for_each(|row| writer.push_row(row).expect("a row"));
    let mut file = writer.finish().expect("all rows");
    let (mut bytes, mut chunk) = (Vec::new(), Vec::new());
    loop {
        file.read_chunk(&mut chunk, 1013).expect("a chunk");
        assert!(chunk.len() <= 1013);
        if chunk.is_empty() {
            break;
        }
        bytes.extend_from_slice(&chunk);
    }
    assert_eq!(bytes.len() as u64, file.size_bytes());
    bytes
}

fn mask(width: u32, height: u32) -> Vec<u8> {
    let code = |x: u32, y: u32| match (x / 17 + y / 23) % 5 {
        _ if x < 40 && y < 300 => 255,
        0 | 3 => 1,
        1 => 2,
        2 => 0,
        _ => 255,
    };
    (0..height).flat_map(|y| (0..width).map(move |x| code(x, y))).collect()
}

fn write_mask(width: u32, height: u32) -> (Vec<u8>, Vec<u8>) {
    let values = mask(width, height);
    let rows = values.chunks_exact(width as usize).map(CogRow::U8);
    (written(image(width, height, classes(), &["class"]), rows), values)
}

fn write_steps(width: u32, height: u32) -> (Vec<u8>, Vec<u8>) {
    let values: Vec<u8> = (0..width * height * 2)
        .map(|i| if i % 41 == 0 { 255 } else { (i / 9 % 255) as u8 })
        .collect();
    let rows = values.chunks_exact(2 * width as usize).map(CogRow::U8);
    (written(image(width, height, steps(), &["reed", "water"]), rows), values)
}

fn write_floats(width: u32, height: u32) -> (Vec<u8>, Vec<f32>) {
    let value = |i: u32| {
        if i.is_multiple_of(31) {
            f32::NAN
        } else {
            (i as f32 * 0.01).sin()
        }
    };
    let values: Vec<f32> = (0..width * height * 2).map(value).collect();
    let rows = values.chunks_exact(2 * width as usize).map(CogRow::F32);
    (
        written(image(width, height, CogSamples::Float, &["a", "b"]), rows),
        values,
    )
}

fn open(bytes: &[u8]) -> GeoTiff<BytesSource> {
    block_on(GeoTiff::open(BytesSource::new(bytes.to_vec()), Limits::default())).expect("opens")
}

fn whole(width: u32, height: u32) -> Window {
    Window {
        x: 0,
        y: 0,
        width,
        height,
    }
}

#[test]
fn a_mask_reads_back_with_its_place_colours_and_nodata() {
    for (width, height) in [(1, 1), (255, 256), (257, 3), (700, 555)] {
        let (bytes, values) = write_mask(width, height);
        let read = open(&bytes);
        let info = read.info();
        assert_eq!(
            (info.width, info.height, info.tiled, info.is_big_tiff),
            (width, height, true, false)
        );
        assert_eq!(info.georeference.as_ref(), Some(&place()));
        assert_eq!(
            (info.nodata, info.band_names[0].as_deref()),
            (Some(255.0), Some("class"))
        );
        assert_eq!(info.color_map.as_ref().map(|colors| colors[2]), Some([255, 0, 7]));
        let samples = block_on(read.read_window(whole(width, height), &[0])).expect("reads");
        assert!(
            samples
                .values
                .iter()
                .zip(&values)
                .all(|(read, written)| *read == f32::from(*written))
        );
        assert!(
            samples
                .valid
                .iter()
                .zip(&values)
                .all(|(valid, written)| *valid == (*written != 255))
        );
    }
}

#[test]
fn bands_of_steps_and_floats_read_back_through_their_predictors() {
    let (width, height) = (530, 300);
    let (bytes, values) = write_steps(width, height);
    let read = open(&bytes);
    assert_eq!(
        (read.info().band_count, read.info().predictor),
        (2, Predictor::Horizontal)
    );
    for band in 0..2 {
        let samples = block_on(read.read_window(whole(width, height), &[band])).expect("reads");
        let expected = values.iter().skip(band).step_by(2);
        assert!(
            samples
                .values
                .iter()
                .zip(expected)
                .all(|(read, written)| *read == f32::from(*written))
        );
    }
    let (bytes, values) = write_floats(width, height);
    let read = open(&bytes);
    assert_eq!(read.info().predictor, Predictor::FloatingPoint);
    assert!(read.info().nodata.is_some_and(f64::is_nan));
    for band in 0..2 {
        let samples = block_on(read.read_window(whole(width, height), &[band])).expect("reads");
        let expected = values.iter().skip(band).step_by(2);
        assert!(
            samples
                .values
                .iter()
                .zip(expected)
                .zip(&samples.valid)
                .all(|((read, written), valid)| {
                    read.to_bits() == written.to_bits() || (written.is_nan() && !valid)
                })
        );
    }
}

/// Tag, type, count, where the value is.
type Entry = (u16, u16, u32, usize);

/// The directories of a classic little-endian file, with their offsets.
fn directories(bytes: &[u8]) -> Vec<(usize, Vec<Entry>)> {
    let short = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
    let long = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    let mut found = Vec::new();
    let mut at = long(4) as usize;
    while at != 0 {
        let count = usize::from(short(at));
        let entries = (0..count).map(|index| {
            let entry = at + 2 + 12 * index;
            let bytes_of = [1, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8][usize::from(short(entry + 2))] * long(entry + 4);
            let value = if bytes_of <= 4 {
                entry + 8
            } else {
                long(entry + 8) as usize
            };
            (short(entry), short(entry + 2), long(entry + 4), value)
        });
        found.push((at, entries.collect()));
        at = long(at + 2 + 12 * count) as usize;
    }
    found
}

#[test]
fn directories_lead_and_pixels_follow_from_the_smallest_to_the_largest() {
    let (bytes, _) = write_mask(1100, 700);
    let long = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    let found = directories(&bytes);
    let value = |level: usize, tag: u16| {
        let entry = found[level].1.iter().find(|entry| entry.0 == tag).expect("a tag");
        (0..entry.2 as usize)
            .map(|index| long(entry.3 + 4 * index))
            .collect::<Vec<u32>>()
    };
    let sizes: Vec<_> = (0..found.len())
        .map(|level| (value(level, 256)[0], value(level, 257)[0]))
        .collect();
    assert_eq!(sizes, [(1100, 700), (550, 350), (275, 175), (138, 88)]);
    assert!(found.is_sorted_by_key(|(at, _)| *at));
    for (_, entries) in &found {
        assert!(entries.is_sorted_by_key(|entry| entry.0), "tags ascend");
    }
    let mut end = 0;
    for level in (0..found.len()).rev() {
        let (offsets, counts) = (value(level, 324), value(level, 325));
        let tiles = sizes[level].0.div_ceil(256) * sizes[level].1.div_ceil(256);
        assert_eq!((offsets.len(), counts.len()), (tiles as usize, tiles as usize));
        for (offset, count) in offsets.into_iter().zip(counts) {
            let (start, stop) = (offset as usize, (offset + count) as usize);
            // Each tile with its size before and its last bytes behind, without a gap to the tile before.
            assert_eq!(long(start - 4), count);
            assert_eq!(bytes[stop - 4..stop], bytes[stop..stop + 4]);
            assert!(end == 0 || start == end + 8, "tile at {start} after {end}");
            end = stop;
        }
    }
    assert_eq!(end + 4, bytes.len());
    let structure = &bytes[8..8 + 43 + 140];
    assert!(structure.starts_with(b"GDAL_STRUCTURAL_METADATA_SIZE=000140 bytes\nLAYOUT=IFDS_BEFORE_DATA\n"));
    assert!(structure.ends_with(b"KNOWN_INCOMPATIBLE_EDITION=NO\n "));
}

#[test]
fn equal_rows_give_equal_bytes() {
    assert!(write_floats(300, 280).0 == write_floats(300, 280).0);
}

#[test]
fn rows_that_do_not_fit_are_refused() {
    let writer = |samples: CogSamples, bands: &[&str]| {
        CogWriter::new(image(3, 2, samples, bands), None, MemoryScratch::default()).map_err(|error| error.code())
    };
    assert_eq!(writer(classes(), &["a", "b"]).err(), Some("bad_output"));
    assert_eq!(writer(steps(), &[]).err(), Some("bad_output"));
    let mut mask = writer(classes(), &["class"]).expect("a sound image");
    let code = |result: Result<(), raremap_tiff::TiffError>| result.map_err(|error| error.code());
    assert_eq!(code(mask.push_row(CogRow::U8(&[1, 2]))), Err("bad_output"));
    assert_eq!(code(mask.push_row(CogRow::F32(&[1.0; 3]))), Err("bad_output"));
    assert_eq!(code(mask.push_row(CogRow::U8(&[1; 3]))), Ok(()));
    assert_eq!(code(mask.push_row(CogRow::U8(&[1; 3]))), Ok(()));
    assert_eq!(code(mask.push_row(CogRow::U8(&[1; 3]))), Err("bad_output"));
    let half = writer(classes(), &["class"]).expect("a sound image");
    assert_eq!(half.finish().map_err(|error| error.code()).err(), Some("bad_output"));
}

/// What GDAL says beyond this reader: overviews and their pixels, scale, layout.
const DESCRIBE: &str = r#"
import json, sys, numpy as np, rasterio
for name in sys.argv[1:]:
    with rasterio.open(name) as image:
        described = {
            "overviews": image.overviews(1),
            "layout": image.tags(ns="IMAGE_STRUCTURE").get("LAYOUT"),
            "interleaving": image.interleaving.name,
            "scales": image.scales, "offsets": image.offsets,
            "nodata": str(image.nodata), "dtype": image.dtypes[0],
            "epsg": image.crs.to_epsg(), "transform": list(image.transform)[:6],
            "tags": image.tags(), "descriptions": image.descriptions,
            "colors": image.colormap(1)[2] if image.colorinterp[0].name == "palette" else None,
            "predictor": image.tags(ns="IMAGE_STRUCTURE").get("PREDICTOR"),
        }
        image.read().tofile(name + ".raw")
    with rasterio.open(name, overview_level=0) as level:
        described["half"] = [level.height, level.width]
        level.read().tofile(name + ".half")
    print(json.dumps(described))
"#;

#[test]
fn gdal_reads_classes_names_scale_nodata_and_overviews() {
    let Some(python) = std::env::var_os("RAREMAP_PYTHON") else {
        println!(
            "skipped: RAREMAP_PYTHON does not name a Python with rasterio (./test installs one, ./test --quick does not)"
        );
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let (width, height) = (901, 700);
    let ((mask, codes), (scaled, steps), (floats, values)) = (
        write_mask(width, height),
        write_steps(width, height),
        write_floats(width, height),
    );
    let paths = ["mask.tif", "scaled.tif", "floats.tif"].map(|name| folder.path().join(name));
    for (path, bytes) in paths.iter().zip([&mask, &scaled, &floats]) {
        std::fs::write(path, bytes).expect("writes");
    }
    let output = Command::new(python)
        .args(["-c", DESCRIBE])
        .args(&paths)
        .output()
        .expect("the interpreter starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && !errors.contains("Warning"), "{errors}");
    let text = String::from_utf8(output.stdout).expect("JSON");
    let gdal: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    for described in &gdal {
        assert_eq!(described["overviews"], json!([2, 4]));
        assert_eq!(
            (&described["layout"], &described["epsg"]),
            (&json!("COG"), &json!(32643))
        );
        assert_eq!(described["half"], json!([350, 451]));
        assert_eq!(described["tags"]["CLASS_1"], json!("Wald & \u{fc}ber"));
        assert_eq!(
            described["transform"],
            json!([5.8, 0.0, 399_960.0, 0.0, -5.8, 3_100_020.0])
        );
    }
    assert_eq!(
        (&gdal[0]["colors"], &gdal[0]["nodata"]),
        (&json!([255, 0, 7, 255]), &json!("255.0"))
    );
    assert_eq!(gdal[1]["scales"], json!([1.0 / 254.0, 1.0 / 254.0]));
    assert_eq!(
        (&gdal[1]["descriptions"], &gdal[1]["predictor"]),
        (&json!(["reed", "water"]), &json!("2"))
    );
    assert_eq!(
        (&gdal[2]["dtype"], &gdal[2]["nodata"]),
        (&json!("float32"), &json!("nan"))
    );
    let raw = |path: &Path, kind: &str| std::fs::read(format!("{}.{kind}", path.display())).expect("pixels");
    assert!(raw(&paths[0], "raw") == codes);
    let planes = |band: usize| steps.iter().skip(band).step_by(2).copied().collect::<Vec<u8>>();
    assert!(raw(&paths[1], "raw") == [planes(0), planes(1)].concat());
    let plane = |band: usize| {
        values
            .iter()
            .skip(band)
            .step_by(2)
            .flat_map(|value| value.to_le_bytes())
    };
    assert!(raw(&paths[2], "raw") == plane(0).chain(plane(1)).collect::<Vec<u8>>());
    // An overview's pixel by hand: of four codes the most frequent that is data.
    let half = raw(&paths[0], "half");
    let code = |x: usize, y: usize| codes[y * width as usize + x];
    for (index, found) in half.iter().enumerate() {
        let (x, y) = (2 * (index % 451), 2 * (index / 451));
        let columns = if x + 1 < width as usize {
            vec![x, x + 1]
        } else {
            vec![x]
        };
        let block: Vec<u8> = [y, y + 1]
            .iter()
            .flat_map(|y| columns.iter().map(|x| code(*x, *y)))
            .collect();
        let count = |wanted: u8| block.iter().filter(|code| **code == wanted).count();
        let most = block.iter().filter(|code| **code != 255).map(|code| count(*code)).max();
        assert!(
            most.map_or(*found == 255, |most| *found != 255 && count(*found) == most),
            "{x}, {y}: {block:?} {found}"
        );
    }
}

/// FNV-1a, 64 bits.
fn fingerprint(bytes: &[u8]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3);
    bytes.iter().fold(0xCBF2_9CE4_8422_2325, step)
}

#[test]
fn the_same_pixels_give_the_same_bytes_in_every_version() {
    // The command and the page write the same file, and so will the next version.
    let written = [
        write_mask(700, 530).0,
        write_steps(700, 530).0,
        write_floats(300, 290).0,
    ];
    let found = written.map(|bytes| (bytes.len(), fingerprint(&bytes)));
    let wanted = [
        (11_975, 3_673_260_448_507_058_793),
        (117_216, 6_110_958_173_660_269_887),
        (554_780, 2_625_680_980_277_601_832),
    ];
    assert_eq!(found, wanted);
}
