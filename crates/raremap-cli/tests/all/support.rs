//! The command on a small made-up dataset.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use raremap_geo::GeoReference;
use raremap_tiff::{OutputImage, OutputSamples, encode_geotiff};

pub const EDGE: usize = 64;

pub fn raremap(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_raremap"));
    command.current_dir(folder).args(arguments);
    command
}

pub fn run(folder: &Path, arguments: &[&str]) -> Output {
    raremap(folder, arguments).output().expect("the command starts")
}

pub fn succeed(folder: &Path, arguments: &[&str]) -> String {
    let output = run(folder, arguments);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {errors}");
    String::from_utf8(output.stdout).expect("text")
}

pub fn fail(folder: &Path, arguments: &[&str]) -> String {
    let output = run(folder, arguments);
    assert_eq!(
        output.status.code(),
        Some(2),
        "{arguments:?}: {}",
        String::from_utf8_lossy(&output.stdout)
    );
    String::from_utf8(output.stderr).expect("text")
}

pub fn write_tiff(path: &Path, [height, width]: [usize; 2], samples: OutputSamples<'_>, place: Option<&GeoReference>) {
    let image = OutputImage {
        width: width as u32,
        height: height as u32,
        samples,
        nodata: None,
        color_table: None,
        band_names: Vec::new(),
        metadata: Vec::new(),
    };
    fs::write(path, encode_geotiff(&image, place).expect("encodes")).expect("writes");
}

/// Writes the images and masks of [`dataset`], in two places if there are any: the images' and the masks'.
pub fn shores(folder: &Path, places: Option<[&GeoReference; 2]>) {
    for index in 0..6 {
        let shore = 16 + 6 * index;
        let water = |pixel: usize| pixel % EDGE < shore;
        let noise = |pixel: usize| ((pixel * 7919 + index * 104_729) % 97) as f32;
        let green: Vec<f32> = (0..EDGE * EDGE).map(|p| 800.0 + noise(p)).collect();
        let nir: Vec<f32> = (0..EDGE * EDGE)
            .map(|p| if water(p) { 300.0 } else { 2500.0 } + noise(p))
            .collect();
        let mask: Vec<u8> = (0..EDGE * EDGE).map(|p| if water(p) { 5 } else { 0 }).collect();
        let file = |kind: &str| folder.join(format!("data/{kind}/{index}.tif"));
        let bands = OutputSamples::F32 {
            bands: vec![&green, &nir],
        };
        write_tiff(&file("images"), [EDGE; 2], bands, places.map(|[image, _]| image));
        write_tiff(
            &file("masks"),
            [EDGE; 2],
            OutputSamples::U8(&mask),
            places.map(|[_, mask]| mask),
        );
    }
}

/// Two bands; the left part is water, dark in the near infrared; the rest is land. How much is water differs by image.
pub fn dataset(folder: &Path) {
    for name in ["images", "masks"] {
        fs::create_dir_all(folder.join("data").join(name)).expect("a folder");
    }
    let mut splits = "image,place,split\n".to_owned();
    shores(folder, None);
    for index in 0..6 {
        splits += &format!("{index},place{index},{}\n", if index < 4 { "train" } else { "val" });
    }
    fs::write(folder.join("data/splits.csv"), splits).expect("writes");
    fs::write(
        folder.join("dataset.toml"),
        r#"
            name = "shores"
            provenance = "made up"
            root = "data"
            images = "images"
            masks = "masks"
            splits = "splits.csv"
            value_scaling = "reflectance x 10000"
            ground_resolution_m = 30.0
            ignore = 255
            bands = [{ name = "green", index = 1 }, { name = "nir", index = 2 },
                     { name = "ndwi", normalized_difference = ["green", "nir"] }]
            classes = [{ value = 0, name = "land", color = "008000" },
                       { value = 5, name = "water", color = "0000FF", rare = true }]
        "#,
    )
    .expect("writes");
}

pub const RECIPE: &str = r#"
    name = "shores"
    dataset = "dataset.toml"
    seed = 3
    [model]
    variant = "b0"
    decoder_dim = 16
    input_upsampling = 2
    [schedule]
    epochs = 6
    batch_size = 2
    crop_px = 32
    evaluate_every_epochs = 3
    ema_decay = 0.5
    [learning_rate]
    warmup_steps = 2
    [optimizer]
    learning_rate = 1.0e-3
    clip_norm = 1.0
    [augment]
    symmetries = true
    gain = 0.1
    zoom = 0.3
"#;

pub fn folder() -> (tempfile::TempDir, PathBuf) {
    let temporary = tempfile::tempdir().expect("a folder");
    let path = temporary.path().to_owned();
    dataset(&path);
    fs::write(path.join("recipe.toml"), RECIPE).expect("writes");
    (temporary, path)
}
