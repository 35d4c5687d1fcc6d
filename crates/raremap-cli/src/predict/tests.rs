//! A prediction from files to files.

use super::*;
use burn::tensor::{Device, TensorData};
use raremap_geo::{Affine, CrsKind, GeoReference};
use raremap_io::FileSource;
use raremap_model::{
    Architecture, Band, BandSource, BurnTileModel, Class, GoldenTile, ModelFile, SegformerConfig, Training, Variant,
};
use raremap_tiff::{GeoTiff, Limits, OutputImage, OutputSamples, Window, encode_geotiff};

fn file_args(probability: StoredAs) -> FileArgs {
    FileArgs {
        probability,
        polygons_crs: Coordinates::Wgs84,
        min_area_ha: 0.0,
        review_limit: 200,
        datetime: None,
        created: None,
    }
}

fn run(args: &PredictArgs) -> Result<()> {
    predict(args).map(drop)
}

fn arguments(model: PathBuf, input: Vec<PathBuf>, out: PathBuf) -> PredictArgs {
    PredictArgs {
        model,
        input,
        items: ItemsArgs::none(),
        out,
        bands: None,
        threshold: 0.5,
        rare: None,
        top_k: 20.0,
        tile: None,
        overlap: None,
        reflectance: Reflectance::Auto,
        empty_border: EmptyBorder::Auto,
        resample: Resample::Off,
        matching: Match::Off,
        device: Backend::Cpu,
        files: file_args(StoredAs::U8),
        json: false,
    }
}

fn parsed(path: &std::path::Path) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(path).expect("a file")).expect("JSON")
}

/// A weights file of random weights whose golden tile is its own.
fn write_model(path: &std::path::Path) {
    let device = Device::flex();
    device.seed(5);
    let config = SegformerConfig {
        decoder_dim: 16,
        ..SegformerConfig::new(Variant::B0, 3, 3, 1)
    };
    let config = Architecture::from(config);
    let band = |name: &str| Band {
        name: name.into(),
        source: BandSource::Scene,
        optional: false,
        mean: 100.0,
        std: 50.0,
    };
    let class = |value: u8, name: &str| Class {
        value,
        name: name.into(),
        color: [value * 20, 0, 90],
    };
    let card = Card {
        name: "random".into(),
        description: "random weights".into(),
        created: "2026-01-01T00:00:00Z".into(),
        bands: vec![band("green"), band("red"), band("nir")],
        value_scaling: "8 bits".into(),
        tile_px: 64,
        ground_resolution_m: 10.0,
        classes: vec![class(1, "land"), class(5, "water"), class(9, "reed")],
        rare_classes: vec!["reed".into()],
        architecture: config.clone(),
        training: Training {
            dataset: "none".into(),
            provenance: "none".into(),
            class_pixels: vec![1, 1, 1],
            ground_resolution_range_m: None,
        },
        metrics: json!({}),
        quantization: "none".into(),
    };
    let model = config.init(&device);
    let zeros = |channels: usize, size: usize| TensorData::zeros::<f32, _>([1, channels, size, size]);
    let golden = GoldenTile {
        input: zeros(3, 32),
        main: zeros(3, 8),
        auxiliary: zeros(1, 8),
    };
    let draft = ModelFile::from_model(&model, card, golden).expect("a model");
    let mut file = ModelFile::from_bytes(&draft.to_bytes(true).expect("bytes")).expect("a model");
    let network = BurnTileModel::new(file.build(&device).expect("a network"), 3);
    let logits = pollster::block_on(raremap_model::TileModel::forward_tile(
        &network,
        vec![0.0; 3 * 1024],
        32,
        32,
    ));
    let logits = logits.expect("logits");
    file.golden.main = TensorData::new(logits.main, [1, 3, 8, 8]);
    file.golden.auxiliary = TensorData::new(logits.auxiliary, [1, 1, 8, 8]);
    std::fs::write(path, file.to_bytes(true).expect("bytes")).expect("a file");
}

fn write_scene(path: &std::path::Path, georeference: &GeoReference) {
    let plane = |seed: usize| -> Vec<f32> { (0..90 * 70).map(|i| ((i * seed) % 251) as f32).collect() };
    let mut planes = [plane(7), plane(31), plane(101)];
    planes[1][0] = -1.0;
    let image = OutputImage {
        width: 90,
        height: 70,
        samples: OutputSamples::F32 {
            bands: planes.iter().map(Vec::as_slice).collect(),
        },
        nodata: Some(-1.0),
        color_table: None,
        band_names: vec!["nir".into(), "green".into(), "red".into()],
        metadata: vec![],
    };
    std::fs::write(path, encode_geotiff(&image, Some(georeference)).expect("bytes")).expect("a file");
}

#[test]
fn results_lie_on_the_scenes_grid_and_agree_with_the_summary() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    let affine = Affine {
        a: 10.0,
        b: 0.0,
        c: 3e5,
        d: 0.0,
        e: -10.0,
        f: 5e6,
    };
    let georeference = GeoReference::from_epsg(CrsKind::Projected, 32633, affine).expect("a known system");
    write_model(&path("model.raremap"));
    write_scene(&path("scene.tif"), &georeference);
    let args = PredictArgs {
        files: file_args(StoredAs::F32),
        ..arguments(path("model.raremap"), vec![path("scene.tif")], path("out/deep"))
    };
    run(&args).expect("a prediction");
    let summary = std::fs::read_to_string(path("out/deep/summary.json")).expect("a summary");
    assert!(summary.ends_with("}\n"));
    let summary: serde_json::Value = serde_json::from_str(&summary).expect("JSON");
    assert_eq!(summary["options"]["bands"], json!({ "green": 2, "red": 3, "nir": 1 }));
    assert_eq!(
        (&summary["valid_pixels"], &summary["nodata_pixels"]),
        (&json!(6299), &json!(1))
    );
    for (name, band) in [
        ("mask.tif", "class"),
        ("probability.tif", "reed"),
        ("saliency.tif", "saliency"),
    ] {
        pollster::block_on(async {
            let source = FileSource::open(path("out/deep").join(name)).expect("a file");
            let image = GeoTiff::open(source, Limits::default()).await.expect("a GeoTIFF");
            let info = image.info();
            assert_eq!(
                (info.width, info.height, info.band_names[0].as_deref()),
                (90, 70, Some(band))
            );
            assert_eq!(
                info.georeference.as_ref().map(|found| found.model_from_pixel),
                Some(affine)
            );
            let window = Window {
                x: 0,
                y: 0,
                width: 90,
                height: 70,
            };
            let samples = image.read_window(window, &[0]).await.expect("samples");
            assert_eq!(samples.valid.iter().filter(|valid| !**valid).count(), 1, "{name}");
            if name == "mask.tif" {
                for class in summary["areas"].as_array().expect("areas") {
                    let value = class["value"].as_f64().expect("a value") as f32;
                    let pixels = samples.values.iter().filter(|found| **found == value).count();
                    assert_eq!(class["pixels"], json!(pixels));
                    let hectares = class["hectares"].as_f64().expect("an area");
                    // The ground's, which the map's differs from a little.
                    assert!(
                        (hectares - pixels as f64 * 0.01).abs() <= 1e-3 * hectares,
                        "{hectares} ha"
                    );
                }
            }
        });
    }
    for name in [
        "polygons.geojson",
        "review.geojson",
        "areas.csv",
        "areas.json",
        "item.json",
    ] {
        assert!(
            std::fs::metadata(path("out/deep").join(name)).expect("a file").len() > 50,
            "{name}"
        );
    }
    let polygons = std::fs::read_to_string(path("out/deep/polygons.geojson")).expect("polygons");
    let polygons: serde_json::Value = serde_json::from_str(&polygons).expect("JSON");
    let features = polygons["features"].as_array().expect("features");
    let pixels: u64 = features
        .iter()
        .filter_map(|feature| feature["properties"]["pixels"].as_u64())
        .sum();
    assert_eq!(
        (pixels, &polygons["metadata"]["RAREMAP_SCENE"]),
        (6299, &json!("scene.tif"))
    );
    assert_eq!(summary["outputs"].as_array().map(Vec::len), Some(8));
    let unknown = PredictArgs {
        rare: Some(vec!["land".into()]),
        ..args
    };
    assert!(
        run(&unknown)
            .expect_err("an unknown rare class")
            .to_string()
            .contains("its rare classes are reed")
    );
}

/// The pixels of the first band.
fn pixels(path: &std::path::Path) -> Vec<f32> {
    pollster::block_on(async {
        let image = GeoTiff::open(FileSource::open(path).expect("opens"), Limits::default())
            .await
            .expect("a GeoTIFF");
        let info = image.info();
        let window = Window {
            x: 0,
            y: 0,
            width: info.width,
            height: info.height,
        };
        image.read_window(window, &[0]).await.expect("samples").values
    })
}

fn utm(pixel_m: f64) -> GeoReference {
    let affine = Affine {
        a: pixel_m,
        b: 0.0,
        c: 3e5,
        d: 0.0,
        e: -pixel_m,
        f: 5e6,
    };
    GeoReference::from_epsg(CrsKind::Projected, 32633, affine).expect("a known system")
}

/// One band of a product, as a file of its own.
fn write_band(path: &std::path::Path, size: u32, pixel_m: f64, value: impl Fn(u32, u32) -> u16) {
    let plane: Vec<u16> = (0..size * size).map(|i| value(i / size, i % size)).collect();
    let image = OutputImage {
        width: size,
        height: size,
        samples: OutputSamples::U16 { bands: vec![&plane] },
        nodata: None,
        color_table: None,
        band_names: vec![],
        metadata: vec![],
    };
    std::fs::write(path, encode_geotiff(&image, Some(&utm(pixel_m))).expect("bytes")).expect("a file");
}

/// A stored archive of the files of a folder: names, bytes, directory.
fn zip_of(folder: &std::path::Path, names: &[&str]) -> Vec<u8> {
    let le = |fields: &[(u64, usize)]| -> Vec<u8> {
        fields
            .iter()
            .flat_map(|(value, bytes)| value.to_le_bytes()[..*bytes].to_vec())
            .collect()
    };
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for name in names {
        let bytes = std::fs::read(folder.join(name)).expect("a file");
        let (size, name_bytes, offset) = (bytes.len() as u64, name.len() as u64, out.len() as u64);
        out.extend(le(&[
            (0x0403_4b50, 4),
            (20, 2),
            (0, 8),
            (0, 4),
            (size, 4),
            (size, 4),
            (name_bytes, 2),
            (0, 2),
        ]));
        out.extend(name.as_bytes());
        out.extend(bytes);
        directory.extend(le(&[
            (0x0201_4b50, 4),
            (20, 2),
            (20, 2),
            (0, 8),
            (0, 4),
            (size, 4),
            (size, 4),
            (name_bytes, 2),
        ]));
        directory.extend(le(&[(0, 8), (0, 4), (offset, 4)]));
        directory.extend(name.as_bytes());
    }
    let (start, size, count) = (out.len() as u64, directory.len() as u64, names.len() as u64);
    out.extend(directory);
    out.extend(le(&[
        (0x0605_4b50, 4),
        (0, 4),
        (count, 2),
        (count, 2),
        (size, 4),
        (start, 4),
        (0, 2),
    ]));
    out
}

#[test]
fn a_product_is_the_same_scene_as_files_folder_and_archive() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    std::fs::create_dir(path("product")).expect("a folder");
    write_model(&path("model.raremap"));
    let names = ["product/BAND2.tif", "product/BAND3.tif", "product/BAND4.tif"];
    for (index, name) in names.iter().enumerate() {
        write_band(&path(name), 70, 10.0, |y, x| {
            ((y * 31 + x * 7) * (index as u32 + 1) % 251) as u16
        });
    }
    std::fs::write(path("product.zip"), zip_of(folder.path(), &names)).expect("an archive");
    let mut summaries = Vec::new();
    for (out, input) in [
        ("files", names.map(path).to_vec()),
        ("folder", vec![path("product")]),
        ("archive", vec![path("product.zip")]),
    ] {
        let args = arguments(path("model.raremap"), input, path(out));
        run(&args).expect("a prediction");
        let summary = std::fs::read_to_string(path(out).join("summary.json")).expect("a summary");
        let summary: serde_json::Value = serde_json::from_str(&summary).expect("JSON");
        assert_eq!(
            summary["options"]["bands"],
            json!({ "green": 1, "red": 2, "nir": 3 }),
            "{out}"
        );
        assert_eq!(
            summary["input"]["bands"][2],
            json!({ "band": 3, "name": "nir", "file": "BAND4.tif" }),
            "{out}"
        );
        assert_eq!(summary["notices"][0]["code"], json!("product_recognized"), "{out}");
        // The files name what was given, so the pixels are compared.
        let mask = pixels(&path(out).join("mask.tif"));
        summaries.push((summary["areas"].clone(), mask));
        if out == "files" {
            let resampled = PredictArgs {
                out: path("resampled"),
                resample: Resample::On,
                matching: Match::Percentiles,
                ..args
            };
            run(&resampled).expect("a prediction at the model's own resolution");
            let summary = std::fs::read_to_string(path("resampled").join("summary.json")).expect("a summary");
            let summary: serde_json::Value = serde_json::from_str(&summary).expect("JSON");
            assert_eq!(summary["options"]["resampled"], json!({ "rows": 1.0, "columns": 1.0 }));
            assert_eq!(summary["options"]["matched"]["method"], json!("percentiles"));
        }
    }
    assert!(summaries.iter().all(|summary| *summary == summaries[0]));
}

#[test]
fn a_file_that_is_read_is_not_written_over() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    write_model(&path("model.raremap"));
    std::fs::create_dir(path("io")).expect("a folder");
    for name in ["mask.tif", "summary.json"] {
        write_scene(&path("io").join(name), &utm(10.0));
        let before = std::fs::read(path("io").join(name)).expect("a file");
        for out in ["io", "io/../io"] {
            let error = run(&arguments(
                path("model.raremap"),
                vec![path("io").join(name)],
                path(out),
            ));
            let message = error.expect_err("it would be lost").to_string();
            assert!(
                message.contains("is an input") && message.contains("--out"),
                "{message}"
            );
        }
        assert!(std::fs::read(path("io").join(name)).expect("a file") == before);
    }
    assert!(!path("io/areas.csv").exists());
}

#[test]
fn what_fails_is_named_once_and_before_the_network_runs() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    write_model(&path("model.raremap"));
    write_scene(&path("scene.tif"), &utm(10.0));
    std::fs::write(path("text"), "no image").expect("a file");
    let fails = |input: &str, out: &str| {
        let error = run(&arguments(path("model.raremap"), vec![path(input)], path(out))).expect_err("it cannot be");
        (code_of(&error), format!("{error:#}"))
    };
    let cases = [
        (fails("scene.tif", "text/out"), "write_failed", "cannot write"),
        (fails("absent.tif", "out"), "source_failed", "absent.tif"),
        (fails("text", "out"), "not_a_tiff", "text: this is not"),
    ];
    for ((code, message), expected, part) in cases {
        assert_eq!(code, expected, "{message}");
        assert!(
            message.matches(part).count() == 1 && !message.contains("reading failed"),
            "{message}"
        );
        assert_eq!(
            message.matches("os error").count(),
            usize::from(code != "not_a_tiff"),
            "{message}"
        );
    }
    let twice = PredictArgs {
        rare: Some(vec!["reed".into(), "reed ".into()]),
        ..arguments(path("model.raremap"), vec![path("scene.tif")], path("out"))
    };
    assert!(run(&twice).expect_err("a duplicate").to_string().contains("reed twice"));
    assert!(
        !path("out").exists(),
        "nothing is made before the options are known to be sound"
    );
}

#[test]
fn a_run_that_fails_leaves_no_item_or_summary_of_an_earlier_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    write_model(&path("model.raremap"));
    write_scene(&path("scene.tif"), &utm(10.0));
    let args = arguments(path("model.raremap"), vec![path("scene.tif")], path("out"));
    run(&args).expect("a prediction");
    std::fs::write(path("out/notes.txt"), "mine").expect("a file");
    std::fs::remove_file(path("out/areas.csv")).expect("it was made");
    std::fs::create_dir(path("out/areas.csv")).expect("a folder in its place");
    run(&args).expect_err("a folder cannot be replaced by a file");
    assert!(!path("out/item.json").exists() && !path("out/summary.json").exists());
    assert!(path("out/mask.tif").exists() && path("out/notes.txt").exists());
}

#[test]
fn files_say_which_bands_tiles_and_warnings_they_are_made_with() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    write_model(&path("model.raremap"));
    // A ten thousandth of the model's pixels: it cannot be run at its resolution.
    write_scene(&path("scene.tif"), &utm(0.001));
    let args = PredictArgs {
        bands: Some("green=2,red=3,nir=3".into()),
        resample: Resample::Auto,
        ..arguments(path("model.raremap"), vec![path("scene.tif")], path("out"))
    };
    run(&args).expect("a prediction");
    let expected = [
        ("RAREMAP_BANDS", "green=2,red=3,nir=3"),
        ("RAREMAP_TILE", "64"),
        ("RAREMAP_OVERLAP", "32"),
        ("RAREMAP_BACKEND", "cpu"),
        ("RAREMAP_WARNINGS", "band_used_twice,not_resampled,resolution"),
    ];
    let mask = FileSource::open(path("out/mask.tif")).expect("a file");
    let mask = pollster::block_on(GeoTiff::open(mask, Limits::default())).expect("a GeoTIFF");
    let (areas, item) = (parsed(&path("out/areas.json")), parsed(&path("out/item.json")));
    let polygons = parsed(&path("out/polygons.geojson"));
    for (name, value) in expected {
        let tag = mask.info().items.iter().find(|(found, _)| found == name);
        assert_eq!(tag.map(|(_, value)| value.as_str()), Some(value), "{name}");
        let notes = areas["notes"].as_array().expect("notes");
        assert!(notes.contains(&json!({ "name": name, "value": value })), "{notes:?}");
        assert_eq!(polygons["metadata"][name], json!(value));
        let property = name.to_lowercase().replace("raremap_", "raremap:");
        assert_eq!(item["properties"][&property], json!(value), "{property}");
    }
    let codes: Vec<serde_json::Value> = parsed(&path("out/summary.json"))["warnings"]
        .as_array()
        .expect("warnings")
        .iter()
        .map(|warning| warning["code"].clone())
        .collect();
    assert!(codes.contains(&json!("not_resampled")), "{codes:?}");
}

#[test]
fn a_product_gives_its_item_name_time_and_files_and_results_in_its_folder_are_no_part_of_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    std::fs::create_dir(path("product")).expect("a folder");
    write_model(&path("model.raremap"));
    let names = ["product/BAND2.tif", "product/BAND3.tif", "product/BAND4.tif"];
    for name in names {
        write_band(&path(name), 70, 10.0, |y, x| ((y * 31 + x * 7) % 251 + 1) as u16);
    }
    let metadata = "OTSProductID= 2419\nSceneCenterTime= 06-MAY-2026 05:24:31.482739\n";
    std::fs::write(path("product/BAND_META.txt"), metadata).expect("a file");
    let item = |input: Vec<PathBuf>, out: &str| {
        run(&arguments(path("model.raremap"), input, path(out))).expect("a prediction");
        parsed(&path(out).join("item.json"))
    };
    let files = || names.map(path).to_vec();
    let all = item(
        files().into_iter().chain([path("product/BAND_META.txt")]).collect(),
        "all",
    );
    assert!(
        all["id"].as_str().is_some_and(|id| id.starts_with("2419-raremap-")),
        "{}",
        all["id"]
    );
    assert_eq!(all["properties"]["datetime"], json!("2026-05-06T05:24:31.482739Z"));
    assert_eq!(all["links"].as_array().map(Vec::len), Some(4));
    assert_eq!(all["links"][1]["href"], json!("BAND3.tif"));
    assert_eq!(
        all["properties"]["raremap:bands"],
        json!("green=1 (BAND2.tif),red=2 (BAND3.tif),nir=3 (BAND4.tif)")
    );
    let bands = item(files(), "bands");
    assert!(
        bands["id"]
            .as_str()
            .is_some_and(|id| id.starts_with("product-raremap-")),
        "{}",
        bands["id"]
    );
    assert_eq!(bands["properties"]["datetime"], serde_json::Value::Null);
    // Into the scene's folder, then into one below it, each twice.
    for out in ["product", "product/results"] {
        let first = item(vec![path("product")], out);
        assert_eq!(item(vec![path("product")], out), first, "{out}");
        let summary = parsed(&path(out).join("summary.json"));
        assert_eq!(summary["notices"].as_array().map(Vec::len), Some(1), "{summary}");
        assert_eq!(first["links"][0]["href"], json!("product"));
    }
}

/// A scene of 16 bits with the given names of bands, of 40 x 40 pixels that differ by band.
fn write_named(
    path: &std::path::Path,
    names: &[&str],
    place: Option<&GeoReference>,
    value: impl Fn(usize, u32, u32) -> u16,
) {
    let plane = |band: usize| -> Vec<u16> { (0..40 * 40).map(|i| value(band, i / 40, i % 40)).collect() };
    let planes: Vec<Vec<u16>> = (0..names.len()).map(plane).collect();
    let image = OutputImage {
        width: 40,
        height: 40,
        samples: OutputSamples::U16 {
            bands: planes.iter().map(Vec::as_slice).collect(),
        },
        nodata: None,
        color_table: None,
        band_names: names.iter().map(|name| (*name).to_owned()).collect(),
        metadata: vec![],
    };
    std::fs::write(path, encode_geotiff(&image, place).expect("bytes")).expect("a file");
}

fn has_code(summary: &serde_json::Value, list: &str, code: &str) -> bool {
    let all = summary[list].as_array().expect("a list");
    all.iter().any(|entry| entry["code"] == code)
}

#[test]
fn numbers_of_several_sensors_are_a_choice_that_is_said_with_the_flag() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    write_model(&path("model.raremap"));
    let value = |band: usize, y: u32, x: u32| 100 + (31 * y + (7 + 13 * band as u32) * x) as u16 % 97;
    write_named(&path("stack.tif"), &["B2", "B3", "B4", "B5"], Some(&utm(10.0)), value);
    run(&arguments(path("model.raremap"), vec![path("stack.tif")], path("out"))).expect("a prediction");
    let summary = parsed(&path("out/summary.json"));
    assert_eq!(summary["options"]["bands"], json!({ "green": 2, "red": 3, "nir": 4 }));
    let choices = &summary["band_assignment"]["choices"];
    assert_eq!(
        choices[1]["bands"],
        json!({ "green": 1, "red": 2, "nir": 3 }),
        "{choices}"
    );
    let warnings = summary["warnings"].to_string();
    assert!(warnings.contains("--bands green=1,red=2,nir=3"), "{warnings}");
    // The name of the file settles it.
    write_named(
        &path("LC08_stack.tif"),
        &["B2", "B3", "B4", "B5"],
        Some(&utm(10.0)),
        value,
    );
    run(&arguments(
        path("model.raremap"),
        vec![path("LC08_stack.tif")],
        path("named"),
    ))
    .expect("a prediction");
    let summary = parsed(&path("named/summary.json"));
    assert_eq!(summary["options"]["bands"], json!({ "green": 2, "red": 3, "nir": 4 }));
    assert!(!has_code(&summary, "warnings", "bands_guessed"));
}

#[test]
fn a_picture_without_near_infrared_is_refused_unless_somebody_says_what_its_bands_are() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    write_model(&path("model.raremap"));
    write_named(&path("picture.tif"), &["red", "green", "blue"], None, |band, y, x| {
        (1 + band as u32 + y + x) as u16
    });
    let args = arguments(path("model.raremap"), vec![path("picture.tif")], path("out"));
    let error = run(&args).expect_err("no near infrared");
    assert_eq!(code_of(&error), "band_missing");
    assert!(
        format!("{error:#}").contains("red, green, blue: none of them is nir"),
        "{error:#}"
    );
    let said = PredictArgs {
        bands: Some("green=3,red=2,nir=1".into()),
        ..args
    };
    run(&said).expect("a prediction");
}

#[test]
fn an_empty_border_and_a_mask_beside_the_file_are_heeded_and_said() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    write_model(&path("model.raremap"));
    let names = ["green", "red", "nir"];
    let value = |band: usize, y: u32, x: u32| if x < 4 { 0 } else { (90 + band as u32 + y + x) as u16 };
    write_named(&path("warped.tif"), &names, Some(&utm(10.0)), value);
    let args = || arguments(path("model.raremap"), vec![path("warped.tif")], path("out"));
    run(&args()).expect("a prediction");
    let summary = parsed(&path("out/summary.json"));
    assert_eq!(summary["nodata_pixels"], json!(160));
    assert!(has_code(&summary, "notices", "empty_border"), "{summary}");
    let off = PredictArgs {
        empty_border: EmptyBorder::Off,
        ..args()
    };
    run(&off).expect("a prediction");
    let summary = parsed(&path("out/summary.json"));
    assert_eq!(
        (&summary["nodata_pixels"], has_code(&summary, "notices", "empty_border")),
        (&json!(0), false)
    );
    // A mask beside the file counts instead.
    let mask: Vec<u8> = (0..40 * 40).map(|i| if i < 400 { 0 } else { 255 }).collect();
    let image = OutputImage {
        width: 40,
        height: 40,
        samples: OutputSamples::U8(&mask),
        nodata: None,
        color_table: None,
        band_names: vec![],
        metadata: vec![],
    };
    std::fs::write(path("warped.tif.msk"), encode_geotiff(&image, None).expect("bytes")).expect("a file");
    run(&args()).expect("a prediction");
    let summary = parsed(&path("out/summary.json"));
    assert_eq!(summary["nodata_pixels"], json!(400));
    assert!(has_code(&summary, "notices", "neighbours_read"), "{summary}");
}

#[test]
fn a_scene_of_control_points_keeps_them_and_says_why_it_has_no_areas() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    write_model(&path("model.raremap"));
    let mut points = utm(10.0);
    points.tags.pixel_scale.clear();
    points.tags.tie_points = [(0.0, 0.0), (40.0, 0.0), (0.0, 40.0)]
        .iter()
        .flat_map(|(column, row)| [*column, *row, 0.0, 3e5 + 10.0 * column, 5e6 - 10.0 * row, 0.0])
        .collect();
    write_named(
        &path("scene.tif"),
        &["green", "red", "nir"],
        Some(&points),
        |band, y, x| (90 + band as u32 + y + x) as u16,
    );
    run(&arguments(path("model.raremap"), vec![path("scene.tif")], path("out"))).expect("a prediction");
    let summary = parsed(&path("out/summary.json"));
    assert!(has_code(&summary, "warnings", "control_points_only"), "{summary}");
    for name in ["mask.tif", "probability.tif", "saliency.tif"] {
        let source = FileSource::open(path("out").join(name)).expect("a file");
        let image = pollster::block_on(GeoTiff::open(source, Limits::default())).expect("a GeoTIFF");
        let info = image.info();
        let epsg = info.crs.as_ref().and_then(|crs| crs.epsg);
        assert_eq!((info.gcp_count, epsg), (3, Some(32633)), "{name}");
    }
}
