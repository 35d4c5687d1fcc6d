//! The data commands as a person uses them, on small made-up sets of every format.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::{EDGE, fail, run, succeed, write_tiff};
use npyz::WriterBuilder;
use npyz::npz::NpzWriter;
use raremap_geo::{GeoReference, GeoTags};
use raremap_tiff::OutputSamples;
use serde_json::Value;

/// What `stats` says when it refuses a dataset.
fn refusal(folder: &Path) -> String {
    fail(folder, &["stats", "dataset.toml"])
}

fn stats(folder: &Path) -> Value {
    serde_json::from_str(&succeed(folder, &["stats", "dataset.toml", "--json"])).expect("JSON")
}

/// Exit code and findings of `check`.
fn check(folder: &Path) -> (Option<i32>, Value) {
    let output = run(folder, &["check", "dataset.toml", "--json"]);
    let errors = String::from_utf8_lossy(&output.stderr);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("JSON: {errors}"));
    (output.status.code(), report["findings"].clone())
}

/// The findings of a kind, as text.
fn of_kind(findings: &Value, kind: &str) -> Vec<String> {
    let findings = findings.as_array().expect("a list").iter();
    findings
        .filter(|finding| finding["kind"] == kind)
        .map(Value::to_string)
        .collect()
}

fn bands_tiff(path: &Path, size: [usize; 2], bands: &[Vec<f32>], place: Option<&GeoReference>) {
    let bands = bands.iter().map(Vec::as_slice).collect();
    write_tiff(path, size, OutputSamples::F32 { bands }, place);
}

/// UTM 18 north, 10 m per pixel.
fn at(left_m: f64, top_m: f64) -> GeoReference {
    let key_directory = vec![1, 1, 0, 3, 1024, 0, 1, 1, 1025, 0, 1, 1, 3072, 0, 1, 32618];
    GeoReference::from_tags(GeoTags {
        pixel_scale: vec![10.0, 10.0, 0.0],
        tie_points: vec![0.0, 0.0, 0.0, left_m, top_m, 0.0],
        key_directory,
        ..GeoTags::default()
    })
    .expect("a place")
}

/// Uniform in 0..1, from a hash.
fn noise(seed: u64, index: usize) -> f32 {
    let mut z = (seed << 32 | index as u64)
        .wrapping_add(1)
        .wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) >> 40) as f32 / 16_777_216.0
}

/// Hills of 8 pixels, different for every seed.
fn ground(seed: u64, [top, left]: [usize; 2], [height, width]: [usize; 2]) -> Vec<f32> {
    let node = |y: usize, x: usize| noise(seed, y * 1000 + x);
    let value = |i: usize| {
        let (y, x) = (top + i / width, left + i % width);
        let (fy, fx) = ((y % 8) as f32 / 8.0, (x % 8) as f32 / 8.0);
        let (y, x) = (y / 8, x / 8);
        let above = node(y, x) * (1.0 - fx) + node(y, x + 1) * fx;
        let below = node(y + 1, x) * (1.0 - fx) + node(y + 1, x + 1) * fx;
        above * (1.0 - fy) + below * fy
    };
    (0..height * width).map(value).collect()
}

const GEOTIFF: &str = r#"
    name = "shores"
    provenance = "made up"
    root = "data"
    images = "images"
    masks = "masks"
    splits = "splits.csv"
    value_scaling = "reflectance x 10000"
    ground_resolution_m = 30.0
    ignore = 255
    bands = [{ name = "green", index = 1 }, { name = "nir", index = 2 }]
    classes = [{ value = 0, name = "forest", color = "008000" }, { value = 5, name = "water", color = "0000FF", rare = true }]
"#;

fn folders(format: &str) -> (tempfile::TempDir, PathBuf) {
    let keep = tempfile::tempdir().expect("a folder");
    let folder = keep.path().to_owned();
    for name in ["images", "masks"] {
        fs::create_dir_all(folder.join("data").join(name)).expect("a folder");
    }
    fs::write(folder.join("dataset.toml"), format).expect("writes");
    (keep, folder)
}

/// Water in the left part, dark in the near infrared; forest elsewhere, bright in it. The shore is ragged, row by row to the left and to
/// the right in equal parts, so that the number of water pixels is that of a straight one.
fn shore(seed: u64, relief: &[f32]) -> ([Vec<f32>; 2], Vec<u8>) {
    let water = |pixel: usize| {
        let row = pixel / EDGE;
        let out = (noise(1000 + seed, row / 2) * 8.0) as usize;
        let shore = 12 + 7 * seed as usize;
        pixel % EDGE
            < if row.is_multiple_of(2) {
                shore + out
            } else {
                shore - out
            }
    };
    let green = relief.iter().map(|height| 600.0 + 200.0 * height).collect();
    let nir = relief.iter().enumerate();
    let nir = nir
        .map(|(i, height)| if water(i) { 200.0 } else { 2000.0 } + 150.0 * height)
        .collect();
    (
        [green, nir],
        (0..EDGE * EDGE).map(|i| if water(i) { 5 } else { 0 }).collect(),
    )
}

fn write_shore(folder: &Path, name: &str, seed: u64, relief: &[f32]) {
    let (bands, mask) = shore(seed, relief);
    bands_tiff(&folder.join(format!("data/images/{name}.tif")), [EDGE; 2], &bands, None);
    write_tiff(
        &folder.join(format!("data/masks/{name}.tif")),
        [EDGE; 2],
        OutputSamples::U8(&mask),
        None,
    );
}

fn write_splits(folder: &Path, rows: &[&str]) {
    fs::write(
        folder.join("data/splits.csv"),
        format!("image,place,split\n{}\n", rows.join("\n")),
    )
    .expect("writes");
}

const ROWS: [&str; 6] = [
    "0,p0,train",
    "1,p1,train",
    "2,p2,train",
    "3,p3,train",
    "4,p4,val",
    "5,p5,val",
];

fn shores() -> (tempfile::TempDir, PathBuf) {
    let (keep, folder) = folders(GEOTIFF);
    for index in 0..6 {
        let relief = ground(10 + index, [0, 0], [EDGE; 2]);
        write_shore(&folder, &index.to_string(), index, &relief);
    }
    write_splits(&folder, &ROWS);
    (keep, folder)
}

#[test]
fn a_clean_dataset_has_no_findings() {
    let (_keep, folder) = shores();
    let (code, findings) = check(&folder);
    assert!(
        code == Some(0) && findings.as_array().is_some_and(Vec::is_empty),
        "{findings}"
    );
    let text = succeed(&folder, &["check", "dataset.toml"]);
    assert!(text.contains("6 samples checked; 0 error(s)"), "{text}");
}

#[test]
fn statistics_are_those_of_the_training_split() {
    let (_keep, folder) = shores();
    let stats = stats(&folder);
    let train = &stats["splits"][0];
    assert_eq!(
        (train["split"].as_str(), train["samples"].as_u64()),
        (Some("train"), Some(4))
    );
    // Columns of water: 12, 19, 26 and 33 of 64
    let water = &train["classes"][1];
    assert_eq!(water["pixels"], (12 + 19 + 26 + 33) * EDGE);
    assert_eq!(water["share"].as_f64(), Some(90.0 / 256.0));
    assert_eq!(water["places"], 4);
    assert_eq!(stats["splits"][1]["classes"][1]["pixels"], (40 + 47) * EDGE);
    let nir = &stats["bands"][1];
    assert!(
        nir["min"].as_f64() >= Some(200.0) && nir["max"].as_f64() <= Some(2150.0),
        "{nir}"
    );
    let mean = nir["mean"].as_f64().expect("a mean");
    let expected = (90.0 * 200.0 + 166.0 * 2000.0) / 256.0 + 75.0;
    assert!((mean - expected).abs() < 15.0, "{mean} is not about {expected}");
    assert_eq!(nir["valid_share"].as_f64(), Some(1.0));
    let table = succeed(&folder, &["stats", "dataset.toml"]);
    assert!(table.contains("water") && table.contains("rare"), "{table}");
}

#[test]
fn one_place_in_two_splits_is_found_by_name_and_by_content() {
    let (_keep, folder) = shores();
    let rows = ROWS.map(|row| row.replace("p5", "p0"));
    write_splits(&folder, &rows.each_ref().map(String::as_str));
    let (code, findings) = check(&folder);
    assert_eq!(code, Some(1));
    assert!(
        of_kind(&findings, "place-in-two-splits")[0].contains("p0"),
        "{findings}"
    );

    // The ground of image 0 in another season, 16 pixels further, under another name and in the other split
    write_splits(&folder, &ROWS);
    let relief: Vec<f32> = ground(10, [16, 0], [EDGE; 2])
        .iter()
        .map(|height| 1.0 - 0.7 * height)
        .collect();
    write_shore(&folder, "5", 0, &relief);
    let (code, findings) = check(&folder);
    assert_eq!(code, Some(1), "{findings}");
    let same = of_kind(&findings, "same-ground");
    assert!(
        same.len() == 1 && same[0].contains("p0") && same[0].contains("p5"),
        "{findings}"
    );

    // Leaving the place out of training mends it
    let without = |place: &str| {
        fs::write(
            folder.join("dataset.toml"),
            format!("{GEOTIFF}\n[drop]\nplaces = [\"{place}\"]\n"),
        )
    };
    without("p0").expect("writes");
    let (code, findings) = check(&folder);
    assert!(
        code == Some(0) && stats(&folder)["splits"][0]["samples"] == 3,
        "{findings}"
    );
    without("p9").expect("writes");
    assert!(refusal(&folder).contains("drop.places names p9"));
    fs::write(folder.join("dataset.toml"), GEOTIFF).expect("writes");

    // split keeps them together on request, and never parts a place
    let text = succeed(
        &folder,
        &[
            "split",
            "dataset.toml",
            "--out",
            "data/splits.csv",
            "--fractions",
            "train=0.5,val=0.5",
            "--join-same-ground",
        ],
    );
    assert!(text.contains("6 places became 5"), "{text}");
    let (code, findings) = check(&folder);
    assert_eq!(code, Some(0), "{findings}");
}

#[test]
fn copies_and_blank_and_pasted_masks_are_found() {
    let (_keep, folder) = shores();
    let copy = |kind: &str, from: &str, to: &str| {
        let path = |name: &str| folder.join(format!("data/{kind}/{name}.tif"));
        fs::copy(path(from), path(to)).expect("copies");
    };
    copy("images", "0", "4");
    for image in ["1", "3", "5"] {
        copy("masks", "2", image);
    }
    write_tiff(
        &folder.join("data/masks/0.tif"),
        [EDGE; 2],
        OutputSamples::U8(&[255; EDGE * EDGE]),
        None,
    );
    let (code, findings) = check(&folder);
    assert_eq!(code, Some(1));
    let identical = of_kind(&findings, "identical-images");
    assert!(
        identical[0].contains("train and val") && identical[0].contains("different masks"),
        "{findings}"
    );
    assert!(
        of_kind(&findings, "outlier-masks")[0].contains("4 images of 4 places"),
        "{findings}"
    );
    assert!(of_kind(&findings, "blank-masks")[0].contains("0.tif"), "{findings}");

    // The rules leave them out of training, and say so
    let rules = format!("{GEOTIFF}\n[drop]\nblank_masks = true\nidentical_masks_from = 3\n");
    fs::write(folder.join("dataset.toml"), &rules).expect("writes");
    assert!(refusal(&folder).contains("nothing is left of split train"));
    fs::write(folder.join("dataset.toml"), rules.replace("from = 3", "from = 4")).expect("writes");
    let stats = stats(&folder);
    assert_eq!(stats["splits"][0]["dropped"]["blank_mask"], 1);
    assert_eq!(stats["splits"][0]["samples"], 3);
    assert_eq!(stats["splits"][1]["dropped"]["of"], 2);
    assert_eq!(stats["splits"][1]["samples"], 2, "the rules are for training");
}

#[test]
fn swapped_bands_and_strange_values_are_found() {
    let (_keep, folder) = shores();
    let swapped = GEOTIFF
        .replace("index = 1", "index = 9")
        .replace("index = 2", "index = 1")
        .replace("index = 9", "index = 2");
    fs::write(folder.join("dataset.toml"), swapped).expect("writes");
    let (code, findings) = check(&folder);
    assert_eq!(code, Some(0), "a suspicion is no error: {findings}");
    assert!(
        of_kind(&findings, "band-order")[0].contains("green = 1, nir = 2"),
        "{findings}"
    );

    fs::write(folder.join("dataset.toml"), GEOTIFF).expect("writes");
    let ([mut green, nir], _) = shore(1, &ground(11, [0, 0], [EDGE; 2]));
    green[0] = f32::NAN;
    green[1] = -9999.0;
    bands_tiff(
        &folder.join("data/images/1.tif"),
        [EDGE; 2],
        &[green, nir.clone()],
        None,
    );
    bands_tiff(
        &folder.join("data/images/2.tif"),
        [EDGE; 2],
        &[vec![700.0; EDGE * EDGE], nir.clone()],
        None,
    );
    let scaled = [
        ground(13, [0, 0], [EDGE; 2]),
        nir.iter().map(|value| value / 10_000.0).collect(),
    ];
    bands_tiff(&folder.join("data/images/3.tif"), [EDGE; 2], &scaled, None);
    let picture: Vec<f32> = ground(14, [0, 0], [EDGE; 2])
        .iter()
        .map(|height| (height * 255.0).round())
        .collect();
    bands_tiff(
        &folder.join("data/images/4.tif"),
        [EDGE; 2],
        &[picture.clone(), picture],
        None,
    );
    let (code, findings) = check(&folder);
    assert_eq!(code, Some(0), "{findings}");
    for (kind, file) in [
        ("not-finite", "1.tif"),
        ("undeclared-nodata", "1.tif"),
        ("negative-values", "1.tif"),
        ("constant-band", "2.tif"),
        ("other-scale", "3.tif"),
        ("stretched-to-8-bits", "4.tif"),
    ] {
        let found = of_kind(&findings, kind);
        assert!(found.iter().any(|finding| finding.contains(file)), "{kind}: {findings}");
    }
    // NaN and the dataset's nodata are invalid, not learned
    fs::write(folder.join("dataset.toml"), format!("nodata = -9999.0\n{GEOTIFF}")).expect("writes");
    let share = stats(&folder)["bands"][0]["valid_share"].as_f64().expect("a share");
    assert!((share - (1.0 - 2.0 / (4.0 * 4096.0))).abs() < 1e-9, "{share}");
}

#[test]
fn faults_are_named_before_training() {
    let (_keep, folder) = shores();
    let with =
        |from: &str, to: &str| fs::write(folder.join("dataset.toml"), GEOTIFF.replace(from, to)).expect("writes");
    for (from, to, expected) in [
        ("masks = \"masks\"", "masks = \"labels\"", "data/labels does not exist"),
        ("splits.csv", "none.csv", "none.csv"),
        ("root = \"data\"", "root = \"nowhere\"", "nowhere"),
        (
            "index = 2",
            "index = 3",
            "0.tif has 2 band(s), but the dataset says that nir is band 3",
        ),
        ("value = 5", "value = 6", "0.tif contains 5, which is neither a class"),
        (
            "ignore = 255",
            "ignore = 5",
            "water has the value 5, which is also the value of `ignore`",
        ),
        ("ignore = 255", "ignore = 255\nimage = 3", "image"),
        ("ignore = 255", "ignore = 255\nupsample = 9", "it must be from 1 to 4"),
        ("ignore = 255", "ignore = 255\nbackground = \"sky\"", "sky"),
        (
            "ignore = 255",
            "ignore = 255\ndrop = { background_above = 0.5 }",
            "needs `background`",
        ),
        ("ignore = 255", "ignore = 255\nformat = \"jpeg\"", "jpeg"),
    ] {
        with(from, to);
        let text = refusal(&folder);
        assert!(text.contains(expected), "{to}: {text}");
    }
    with("", "");

    write_splits(&folder, &[&ROWS[..], &["9,p9,train"]].concat());
    assert!(refusal(&folder).contains("images/9.tif does not exist"));
    write_splits(&folder, &[&ROWS[..], &["0,p0,train"]].concat());
    assert!(refusal(&folder).contains("image 0 is listed twice"));
    write_splits(&folder, &[&ROWS[..], &["5,p0,train"]].concat());
    assert!(refusal(&folder).contains("listed twice"));
    write_splits(&folder, &ROWS[4..]);
    assert!(refusal(&folder).contains("has no split train; it has val"));
    write_splits(&folder, &["0,,train"]);
    assert!(refusal(&folder).contains("empty image, place or split"));
    write_splits(&folder, &ROWS);

    let small = [5u8; 32 * 32];
    write_tiff(
        &folder.join("data/masks/1.tif"),
        [32; 2],
        OutputSamples::U8(&small),
        None,
    );
    assert!(refusal(&folder).contains("1.tif has 32 x 32 pixels, but its image has 64 x 64"));
    let nan = vec![f32::NAN; EDGE * EDGE];
    bands_tiff(&folder.join("data/images/0.tif"), [EDGE; 2], &[nan.clone(), nan], None);
    assert!(refusal(&folder).contains("0.tif has no valid pixel"));
    let (code, findings) = check(&folder);
    assert_eq!(
        (code, of_kind(&findings, "unusable-file").len()),
        (Some(1), 2),
        "{findings}"
    );
    fs::write(folder.join("data/images/0.tif"), b"not a tiff").expect("writes");
    assert!(refusal(&folder).contains("images/0.tif"));

    let (_keep, folder) = shores();
    for index in 0..4 {
        let (bands, _) = shore(index, &ground(10 + index, [0, 0], [EDGE; 2]));
        let bands = [vec![1.0; EDGE * EDGE], bands[1].clone()];
        bands_tiff(
            &folder.join(format!("data/images/{index}.tif")),
            [EDGE; 2],
            &bands,
            None,
        );
    }
    assert!(refusal(&folder).contains("band green is constant over the training split"));
}

#[test]
fn a_large_scene_is_cut_into_windows_and_split_by_blocks() {
    let toml = format!("window_px = 32\n{GEOTIFF}");
    let (_keep, folder) = folders(&toml);
    let size = [160, 200];
    let mask: Vec<u8> = (0..size[0] * size[1])
        .map(|i| if (i / 200 / 16 + i % 200 / 16) % 4 == 0 { 5 } else { 0 })
        .collect();
    for (name, left_m) in [("west", 0.0), ("east", 2000.0)] {
        let place = at(500_000.0 + left_m, 4_000_000.0);
        let bands = [
            ground(left_m as u64, [0, 0], size),
            ground(1 + left_m as u64, [0, 0], size),
        ];
        bands_tiff(
            &folder.join(format!("data/images/{name}.tif")),
            size,
            &bands,
            Some(&place),
        );
        write_tiff(
            &folder.join(format!("data/masks/{name}.tif")),
            size,
            OutputSamples::U8(&mask),
            Some(&place),
        );
    }
    write_splits(&folder, &["west,w,train", "east,e,val"]);
    let whole = stats(&folder);
    // 5 rows of 7 columns, the last 8 pixels wide
    assert_eq!(whole["splits"][0]["samples"], 35);
    assert_eq!(whole["splits"][0]["pixels"], 160 * 200);

    let text = succeed(
        &folder,
        &[
            "split",
            "dataset.toml",
            "--out",
            "data/blocks.csv",
            "--by",
            "block",
            "--block-px",
            "64",
            "--fractions",
            "train=0.6,val=0.4",
        ],
    );
    assert!(text.contains("70 images written"), "{text}");
    fs::write(folder.join("dataset.toml"), toml.replace("splits.csv", "blocks.csv")).expect("writes");
    let blocks = stats(&folder);
    let pixels = |split: usize| blocks["splits"][split]["pixels"].as_u64().expect("pixels");
    assert_eq!(pixels(0) + pixels(1), 2 * 160 * 200);
    let share = |split: usize| {
        blocks["splits"][split]["classes"][1]["share"]
            .as_f64()
            .expect("a share")
    };
    assert!((share(0) - share(1)).abs() < 0.02, "{} and {}", share(0), share(1));
    let csv = fs::read_to_string(folder.join("data/blocks.csv")).expect("reads");
    assert!(csv.contains("west@32_64,EPSG:32618/"), "{csv}");

    // Two scenes on one ground, in two splits
    let place = at(500_500.0, 4_000_000.0);
    let bands = [ground(7, [0, 0], size), ground(8, [0, 0], size)];
    bands_tiff(&folder.join("data/images/east.tif"), size, &bands, Some(&place));
    write_tiff(
        &folder.join("data/masks/east.tif"),
        size,
        OutputSamples::U8(&mask),
        Some(&place),
    );
    fs::write(folder.join("dataset.toml"), &toml).expect("writes");
    let (code, findings) = check(&folder);
    let overlapping = of_kind(&findings, "overlapping-places");
    assert!(code == Some(1) && overlapping.len() == 1, "{findings}");

    fs::write(folder.join("dataset.toml"), GEOTIFF).expect("writes");
    assert_eq!(stats(&folder)["splits"][0]["samples"], 1);
}

#[test]
fn upsampling_makes_four_pixels_of_one() {
    let (_keep, folder) = shores();
    fs::write(folder.join("dataset.toml"), format!("upsample = 2\n{GEOTIFF}")).expect("writes");
    let stats = stats(&folder);
    assert_eq!(stats["splits"][0]["pixels"], 4 * 4 * EDGE * EDGE);
    assert_eq!(
        stats["splits"][0]["classes"][1]["pixels"],
        4 * (12 + 19 + 26 + 33) * EDGE
    );
}

#[test]
fn splits_follow_folders_where_there_is_no_list_and_repeat_by_seed() {
    let (_keep, folder) = folders(GEOTIFF);
    for site in 0..6u64 {
        for kind in ["images", "masks"] {
            fs::create_dir_all(folder.join(format!("data/{kind}/site{site}"))).expect("a folder");
        }
        for date in 0..2 {
            let relief = ground(20 + site * 2 + date, [0, 0], [EDGE; 2]);
            write_shore(&folder, &format!("site{site}/{date}"), site, &relief);
        }
    }
    let split = |seed: &str, out: &str| {
        let arguments = [
            "split",
            "dataset.toml",
            "--out",
            out,
            "--fractions",
            "train=0.5,val=0.25,test=0.25",
            "--seed",
            seed,
        ];
        (
            succeed(&folder, &arguments),
            fs::read_to_string(folder.join(out)).expect("reads"),
        )
    };
    let (text, first) = split("1", "a.csv");
    assert!(text.contains("water (rare)"), "{text}");
    assert_eq!(first, split("1", "b.csv").1);
    let mut reader = csv::Reader::from_reader(first.as_bytes());
    let rows: Vec<(String, String, String)> = reader.deserialize().map(|row| row.expect("a row")).collect();
    assert_eq!(rows.len(), 12);
    for pair in rows.chunks(2) {
        assert_eq!(
            (&pair[0].1, &pair[0].2),
            (&pair[1].1, &pair[1].2),
            "a site is in one split"
        );
    }
    for split in ["train", "val", "test"] {
        assert!(rows.iter().any(|row| row.2 == split), "{split} is empty");
    }
    let output = run(
        &folder,
        &[
            "split",
            "dataset.toml",
            "--out",
            "c.csv",
            "--fractions",
            "train=0.5,val=0.2",
        ],
    );
    assert!(String::from_utf8_lossy(&output.stderr).contains("add up to 0.7"));
    let output = run(&folder, &["split", "dataset.toml", "--out", "c.csv", "--by", "block"]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("not georeferenced"));
}

fn write_png(path: &Path, [height, width]: [usize; 2], color: png::ColorType, depth: png::BitDepth, bytes: &[u8]) {
    let file = fs::File::create(path).expect("creates");
    let mut encoder = png::Encoder::new(file, width as u32, height as u32);
    encoder.set_color(color);
    encoder.set_depth(depth);
    if color == png::ColorType::Indexed {
        encoder.set_palette(vec![0, 0, 0, 0, 128, 0, 0, 0, 255]);
    }
    encoder
        .write_header()
        .expect("header")
        .write_image_data(bytes)
        .expect("data");
}

#[test]
fn png_pairs_are_read_whatever_their_depth_and_kind() {
    use png::{BitDepth, ColorType};
    let toml = GEOTIFF
        .replace("root", "format = \"png\"\n    root")
        .replace("value = 5", "value = 2")
        .replace("value = 0", "value = 1");
    let (_keep, folder) = folders(&toml);
    let image = |name: &str| folder.join(format!("data/images/{name}.png"));
    let mask = |name: &str| folder.join(format!("data/masks/{name}.png"));
    let pixels = 40 * 30;
    let value = |seed: u64, i: usize| (noise(seed, i) * 200.0) as u8;
    let class = |i: usize| 1 + u8::from(i % 40 < 10);
    let gray_mask: Vec<u8> = (0..pixels).map(class).collect();

    // RGB with a gray mask; RGBA whose opacity is 0 in one pixel, with a palette mask; 16 bits, with a mask of colours
    let rgb: Vec<u8> = (0..3 * pixels).map(|i| value(1, i)).collect();
    write_png(&image("rgb"), [30, 40], ColorType::Rgb, BitDepth::Eight, &rgb);
    write_png(
        &mask("rgb"),
        [30, 40],
        ColorType::Grayscale,
        BitDepth::Eight,
        &gray_mask,
    );
    let rgba: Vec<u8> = (0..4 * pixels)
        .map(|i| {
            if i % 4 == 3 {
                if i == 3 { 0 } else { 255 }
            } else {
                value(2, i)
            }
        })
        .collect();
    write_png(&image("rgba"), [30, 40], ColorType::Rgba, BitDepth::Eight, &rgba);
    // Two bits per index
    let packed: Vec<u8> = gray_mask
        .chunks(4)
        .map(|four| four.iter().fold(0, |byte, index| byte << 2 | index))
        .collect();
    write_png(&mask("rgba"), [30, 40], ColorType::Indexed, BitDepth::Two, &packed);
    let deep: Vec<u8> = (0..3 * pixels)
        .flat_map(|i| (1000 + 7 * u16::from(value(3, i))).to_be_bytes())
        .collect();
    write_png(&image("deep"), [30, 40], ColorType::Rgb, BitDepth::Sixteen, &deep);
    let colors: Vec<u8> = (0..pixels)
        .flat_map(|i| if class(i) == 2 { [0, 0, 255] } else { [0, 128, 0] })
        .collect();
    write_png(&mask("deep"), [30, 40], ColorType::Rgb, BitDepth::Eight, &colors);
    write_splits(&folder, &["rgb,a,train", "rgba,b,train", "deep,c,val"]);

    let stats = stats(&folder);
    assert_eq!(
        stats["splits"][0]["labelled_pixels"],
        2 * pixels - 1,
        "where opacity is 0 nothing is labelled"
    );
    assert_eq!(stats["splits"][0]["classes"][1]["pixels"], 2 * 300 - 1);
    assert_eq!(stats["splits"][1]["classes"][1]["pixels"], 300);

    // A single band of a gray image
    let gray: Vec<u8> = (0..pixels).map(|i| value(4, i)).collect();
    write_png(&image("rgb"), [30, 40], ColorType::Grayscale, BitDepth::Eight, &gray);
    assert!(refusal(&folder).contains("rgb.png has 1 band(s), but the dataset says that nir is band 2"));
    write_png(&image("rgb"), [30, 40], ColorType::Rgb, BitDepth::Eight, &rgb);
    write_png(&mask("rgb"), [30, 40], ColorType::Rgb, BitDepth::Eight, &rgb);
    assert!(refusal(&folder).contains("which no class has"));
    fs::write(mask("rgb"), b"\x89PNG").expect("writes");
    assert!(refusal(&folder).contains("rgb.png"));
}

/// The form of the Mars set: 64 x 128 gray images with masks of five classes, of which the first is background.
const MARS: &str = r#"
    name = "terrain"
    provenance = "made up"
    format = "npz"
    root = "data"
    value_scaling = "gray, 0 to 255"
    ground_resolution_m = 1.0
    ignore = 255
    background = "background"
    bands = [{ name = "gray", index = 1 }]
    classes = [{ value = 0, name = "background", color = "000000" }, { value = 1, name = "soil", color = "804000" },
               { value = 2, name = "bedrock", color = "808080" }, { value = 3, name = "sand", color = "FFFF00" },
               { value = 4, name = "big_rock", color = "FF0000", rare = true }]
"#;

fn terrain_image(index: usize) -> Vec<f32> {
    ground(100 + index as u64, [0, 0], [64, 128])
        .iter()
        .map(|height| (height * 255.0).round())
        .collect()
}

fn terrain_mask(index: usize) -> Vec<u8> {
    match index {
        // Background alone, and nine tenths of it
        0 => vec![0; 64 * 128],
        1 => (0..64 * 128).map(|i| u8::from(i % 10 == 0)).collect(),
        _ => (0..64 * 128)
            .map(|i| ((i / 128 + index * i % 128) / 16 % 5) as u8)
            .collect(),
    }
}

fn write_array<T: npyz::AutoSerialize + Copy>(
    writer: &mut NpzWriter<std::io::BufWriter<fs::File>>,
    name: &str,
    shape: &[u64],
    data: &[T],
) {
    let options = Default::default();
    let mut array = writer
        .array(name, options)
        .expect("an array")
        .default_dtype()
        .shape(shape)
        .begin_nd()
        .expect("begins");
    array.extend(data.iter().copied()).expect("writes");
    array.finish().expect("ends");
}

#[test]
fn arrays_of_the_mars_form_are_read_split_and_cleaned() {
    let (_keep, folder) = folders(MARS);
    let path = folder.join("data/mars.npz");
    let count = 12;
    let mut writer = NpzWriter::create(&path).expect("creates");
    let images: Vec<u8> = (0..count)
        .flat_map(|i| terrain_image(if i == 11 { 10 } else { i }))
        .map(|v| v as u8)
        .collect();
    let masks: Vec<i64> = (0..count).flat_map(terrain_mask).map(i64::from).collect();
    write_array(&mut writer, "x", &[count as u64, 64, 128], &images);
    write_array(&mut writer, "y", &[count as u64, 64, 128, 1], &masks);
    write_array(
        &mut writer,
        "site",
        &[count as u64],
        &[0i32, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 2],
    );
    // Image and mask in one array, bands first: the test images
    let both: Vec<f32> = (20..23)
        .flat_map(|i| [terrain_image(i), terrain_mask(i).into_iter().map(f32::from).collect()].concat())
        .collect();
    write_array(&mut writer, "test_set", &[3, 2, 64, 128], &both);
    drop(writer);
    let write = |arrays: &str| fs::write(folder.join("dataset.toml"), format!("{MARS}{arrays}")).expect("writes");
    let test_arrays = "[[npz]]\nfile = \"mars.npz\"\nimages = \"test_set\"\nmask_band = 2\nsplit = \"test\"\n";
    let arrays = "[[npz]]\nfile = \"mars.npz\"\nimages = \"x\"\nmasks = \"y\"\n";

    write(&format!(
        "{arrays}ranges = {{ train = [0, 9], val = [9, 12] }}\n{test_arrays}[drop]\nblank_masks = true\nbackground_above = 0.8\n"
    ));
    let by_range = stats(&folder);
    let samples = |stats: &Value, split: usize| stats["splits"][split]["samples"].as_u64();
    assert_eq!(
        [0, 1, 2].map(|split| samples(&by_range, split)),
        [Some(7), Some(3), Some(3)]
    );
    assert_eq!(by_range["splits"][0]["dropped"]["blank_mask"], 1);
    assert_eq!(by_range["splits"][0]["dropped"]["background"], 1);
    let rocks = (20..23).flat_map(terrain_mask).filter(|class| *class == 4).count();
    assert_eq!(
        by_range["splits"][2]["classes"][4]["pixels"], rocks,
        "the mask is the second band"
    );
    let gray: f32 = (2..9).flat_map(terrain_image).sum::<f32>() / (7.0 * 64.0 * 128.0);
    let mean = by_range["bands"][0]["mean"].as_f64().expect("a mean");
    assert!((mean - f64::from(gray)).abs() < 1e-2, "{mean} is not {gray}");

    // By place, and without places the equal images 10 and 11 stay together
    for rule in ["places = \"site\"\n", ""] {
        write(&format!(
            "{arrays}{rule}fractions = {{ train = 0.5, val = 0.5 }}\nseed = 3\n"
        ));
        let split = stats(&folder);
        assert_eq!(samples(&split, 0).zip(samples(&split, 1)).map(|(a, b)| a + b), Some(12));
        let (_, findings) = check(&folder);
        for finding in of_kind(&findings, "identical-images") {
            assert!(finding.contains("2 times"), "{finding}");
        }
        assert_eq!(stats(&folder).to_string(), split.to_string(), "the same every time");
    }
    write(&format!("{arrays}ranges = {{ train = [0, 11], val = [11, 12] }}\n"));
    let (code, findings) = check(&folder);
    assert!(
        code == Some(1) && of_kind(&findings, "identical-images")[0].contains("train and val"),
        "{findings}"
    );

    for (rule, expected) in [
        ("", "0 of split, ranges and fractions are given"),
        ("split = \"train\"\nmask_band = 1\n", "either masks or mask_band"),
        (
            "ranges = { train = [0, 99] }\n",
            "ranges.train ends at 99, but there are 12 images",
        ),
        ("ranges = { train = [0, 8], val = [7, 12] }\n", "overlaps another"),
        ("fractions = { train = 0.5, val = 0.4 }\n", "add up to 0.9"),
        (
            "split = \"train\"\nplaces = \"z\"\n",
            "there is no array z; there is site, test_set, x, y",
        ),
        ("split = \"train\"\nplaces = \"y\"\n", "places for 12 images"),
    ] {
        write(&format!("{arrays}{rule}"));
        let text = refusal(&folder);
        assert!(text.contains(expected), "{rule}: {text}");
    }
    write("[[npz]]\nfile = \"mars.npz\"\nimages = \"x\"\nmasks = \"test_set\"\nsplit = \"train\"\n");
    let text = refusal(&folder);
    assert!(text.contains("mars.npz") && text.contains("test_set"), "{text}");
    write("[[npz]]\nfile = \"none.npz\"\nimages = \"x\"\nmasks = \"y\"\nsplit = \"train\"\n");
    assert!(refusal(&folder).contains("none.npz does not exist"));
    write(&format!("{arrays}split = \"train\"\n").replace("\"x\"", "\"site\""));
    assert!(refusal(&folder).contains("it needs [n, h, w] or four axes"));

    // A list of one's own, made by split
    write(&format!("{arrays}split = \"all\"\n"));
    succeed(
        &folder,
        &[
            "split",
            "dataset.toml",
            "--out",
            "data/s.csv",
            "--fractions",
            "train=0.7,val=0.3",
        ],
    );
    let listed = MARS.replace("root", "splits = \"s.csv\"\n    root");
    fs::write(folder.join("dataset.toml"), format!("{listed}{arrays}")).expect("writes");
    let split = stats(&folder);
    assert_eq!(samples(&split, 0).zip(samples(&split, 1)).map(|(a, b)| a + b), Some(12));
}
