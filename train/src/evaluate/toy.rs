//! A network of a few sums, with scenes that fit it, for tests.

use std::path::{Path, PathBuf};

use raremap_model::{
    Band, BandSource, Card, Class, SegformerConfig, TileError, TileLogits, TileModel, Training, Variant,
};

use crate::dataset::{ClassConfig, DatasetConfig, IGNORE, Sample};

/// Main logits: land 0, water the cell's value. Auxiliary logit: the cell's value plus `bias`.
///
/// A cell's value is the mean of its 4 x 4 pixels, plus half its first pixel: the network is not symmetric.
#[derive(Debug, Clone, Copy, Default)]
pub struct Toy {
    /// Added to the auxiliary logit.
    pub bias: f32,
}

impl TileModel for Toy {
    async fn forward_tile(&self, input: Vec<f32>, height: usize, width: usize) -> Result<TileLogits, TileError> {
        let (rows, columns) = (height / 4, width / 4);
        let pixel = |y: usize, x: usize| input[y * width + x];
        let cell = |row: usize, column: usize| {
            let sum: f32 = (0..16).map(|i| pixel(row * 4 + i / 4, column * 4 + i % 4)).sum();
            sum / 16.0 + 0.5 * pixel(row * 4, column * 4)
        };
        let water: Vec<f32> = (0..rows * columns).map(|i| cell(i / columns, i % columns)).collect();
        let auxiliary = water.iter().map(|value| value + self.bias).collect();
        Ok(TileLogits {
            main: [vec![0.0; rows * columns], water].concat(),
            auxiliary,
        })
    }
}

/// One band, and the classes land and water, of which water is rare.
pub fn card() -> Card {
    let class = |value: u8, name: &str| Class {
        value,
        name: name.into(),
        color: [value; 3],
    };
    Card {
        name: "toy".into(),
        description: String::new(),
        created: String::new(),
        bands: vec![Band {
            name: "nir".into(),
            source: BandSource::Scene,
            optional: false,
            mean: 0.0,
            std: 1.0,
        }],
        value_scaling: "none".into(),
        tile_px: 64,
        ground_resolution_m: 10.0,
        classes: vec![class(0, "land"), class(5, "water")],
        rare_classes: vec!["water".into()],
        architecture: SegformerConfig::new(Variant::B0, 1, 2, 1).into(),
        training: Training {
            dataset: String::new(),
            provenance: String::new(),
            class_pixels: vec![],
            ground_resolution_range_m: None,
        },
        metrics: Default::default(),
        quantization: String::new(),
    }
}

/// A scene of valid pixels that are all labelled land.
pub fn sample(size: [usize; 2], value: impl Fn(usize, usize) -> f32) -> Sample {
    labelled(size, |y, x| (value(y, x), 0))
}

/// A scene of valid pixels with values and labels.
pub fn labelled([height, width]: [usize; 2], pixel: impl Fn(usize, usize) -> (f32, u8)) -> Sample {
    let pixels = || (0..height * width).map(|i| pixel(i / width, i % width));
    Sample {
        path: PathBuf::from("toy.tif"),
        height,
        width,
        ground_resolution_m: 10.0,
        values: pixels().map(|(value, _)| value).collect(),
        valid: vec![true; height * width],
        labels: pixels().map(|(_, label)| label).collect(),
    }
}

/// A dataset of the toy's band and classes; `splits` are the lines of its CSV file, which is written into `root`.
pub fn dataset(root: &Path, splits: &[&str]) -> DatasetConfig {
    let text = format!("image,place,split\n{}\n", splits.join("\n"));
    std::fs::write(root.join("splits.csv"), text).expect("writes");
    let class = |value: u8, name: &str, rare: bool| ClassConfig {
        value,
        name: name.into(),
        color: "000000".into(),
        rare,
    };
    let text = format!(
        "name = 'toys'\nprovenance = ''\nroot = '{}'\nimages = 'images'\nmasks = 'masks'\nsplits = 'splits.csv'\n\
         value_scaling = ''\nground_resolution_m = 10.0\nignore = {IGNORE}\nbands = [{{ name = 'nir', index = 1 }}]\nclasses = []\n",
        root.display()
    );
    let mut dataset: DatasetConfig = toml::from_str(&text).expect("a dataset");
    dataset.classes = vec![class(0, "land", false), class(5, "water", true)];
    dataset
}
