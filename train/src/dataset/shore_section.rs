//! The `[shore]` section of a dataset.

use serde::{Deserialize, Serialize};

/// Labels unlabelled pixels near a class whose spectral index is known. Without this, a network may draw the edge of the class anywhere
/// between its labels and those of the other classes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShoreSection {
    /// The class, such as `water`.
    pub class: String,
    /// Two bands whose normalized difference is high over the class, such as green and nir.
    pub index: [String; 2],
    /// An unlabelled pixel near the class gets this class if the index is above this.
    pub class_above: f32,
    /// It gets the nearest other class if the index is below this.
    pub others_below: f32,
    /// How many rows and columns away counts as near, from 1 to 32.
    pub reach_px: usize,
    /// Splits that this applies to; the labels that models are evaluated on stay as they are.
    #[serde(default = "train")]
    pub splits: Vec<String>,
}

fn train() -> Vec<String> {
    vec!["train".to_owned()]
}
