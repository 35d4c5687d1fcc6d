//! A prediction from files to files.

use super::*;
use burn::tensor::{Device, TensorData};
use raremap_model::{Architecture, Band, BandSource, Class, GoldenTile, SegformerConfig, Training, Variant};
use raremap_raster::{Affine, CrsKind, GeoReference, OutputImage, OutputSamples, Window, encode_geotiff};

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
    let logits = pollster::block_on(raremap_infer::TileModel::forward_tile(
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
        model: path("model.raremap"),
        input: path("scene.tif"),
        out: path("out/deep"),
        bands: None,
        threshold: 0.5,
        rare: None,
        top_k: 20.0,
        tile: None,
        overlap: None,
        device: Backend::Cpu,
        json: false,
    };
    run(&args).expect("a prediction");
    let summary = std::fs::read_to_string(path("out/deep/summary.json")).expect("a summary");
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
                    assert_eq!(
                        class["hectares"].as_f64().map(|found| (found * 100.0).round()),
                        Some(pixels as f64)
                    );
                }
            }
        });
    }
    let unknown = PredictArgs {
        rare: Some(vec!["land".into()]),
        ..args
    };
    assert!(
        run(&unknown)
            .expect_err("an unknown rare class")
            .to_string()
            .contains("it has reed")
    );
}
