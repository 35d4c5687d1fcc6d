//! The model's card: what it eats, what it says, where it comes from.
//!
//! On disk it is a STAC Item with the Machine Learning Model extension (MLM 1.4), so that other tools can read it; here it is typed.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::config::SegformerConfig;
use crate::error::WeightsError;

const STAC_VERSION: &str = "1.1.0";
const MLM_SCHEMA: &str = "https://stac-extensions.github.io/mlm/v1.4.0/schema.json";
const CLASSIFICATION_SCHEMA: &str = "https://stac-extensions.github.io/classification/v2.0.0/schema.json";

/// Everything a runtime and a reader need to know about a set of weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Card {
    /// Identifier, such as `raremap-water12-b0`.
    pub name: String,
    /// One paragraph for people: what it is for, and what not.
    pub description: String,
    /// RFC 3339 instant of the export.
    pub created: String,
    /// Channels of the input tensor, in order: scene bands first, then derived ones.
    pub bands: Vec<Band>,
    /// What the scene's numbers are, in words, such as `surface reflectance x 10000`.
    pub value_scaling: String,
    /// Tile edge the model was chosen at, in pixels, a multiple of 32.
    pub tile_px: usize,
    /// Ground resolution of the training data, in metres per pixel.
    pub ground_resolution_m: f64,
    /// Classes by label value, in the order of the main head's channels.
    pub classes: Vec<Class>,
    /// Names of the rare classes, in the order of the auxiliary head's channels.
    pub rare_classes: Vec<String>,
    /// Network shape.
    pub architecture: SegformerConfig,
    /// Where the training data comes from and under what terms.
    pub training: Training,
    /// Figures on named splits, as `raremap evaluate` prints them.
    pub metrics: Value,
    /// How the weights were quantized, in words.
    pub quantization: String,
}

/// One channel of the input tensor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Band {
    /// Common name, lower case: `green`, `red`, `nir`, or `ndwi` for a derived one.
    pub name: String,
    /// Where the channel's values come from.
    pub source: BandSource,
    /// Mean over the valid pixels of the training split, in scene units.
    pub mean: f32,
    /// Standard deviation over the same pixels, positive.
    pub std: f32,
}

/// Where a channel's values come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BandSource {
    /// A band of the scene, assigned by name.
    Scene,
    /// `(first - second) / (first + second)` of two scene bands, in -1..1; 0 where the sum is below 1.
    NormalizedDifference {
        /// Name of the scene band `first`.
        first: String,
        /// Name of the scene band `second`.
        second: String,
    },
}

/// One class of the main head.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Class {
    /// Label value in masks.
    pub value: u8,
    /// Name in data and on the command line: `wetland`.
    pub name: String,
    /// Colour in masks, red, green, blue.
    pub color: [u8; 3],
}

/// Provenance of the training data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Training {
    /// Name of the data set.
    pub dataset: String,
    /// Source and terms, in words.
    pub provenance: String,
    /// Pixels per class of the training split, in class order.
    pub class_pixels: Vec<u64>,
}

impl Card {
    /// Value of invalid pixels in masks.
    pub const MASK_NODATA: u8 = 255;

    /// Names of the scene bands a user has to provide, in order.
    pub fn scene_bands(&self) -> Vec<&str> {
        self.bands.iter().filter(|b| b.source == BandSource::Scene).map(|b| b.name.as_str()).collect()
    }

    /// Class indices (channels of the main head) of the rare classes, in the order of the auxiliary head.
    pub fn rare_class_indices(&self) -> Vec<usize> {
        self.rare_classes.iter().filter_map(|name| self.classes.iter().position(|c| &c.name == name)).collect()
    }
}
