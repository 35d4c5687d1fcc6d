//! The arrays of a dataset in NumPy's `.npz`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::{Result, ensure};

/// An array of images in a `.npz` file, its masks, and how its images are split.
///
/// Without `splits` in the dataset, exactly one of `split`, `ranges` and `fractions` says where an image belongs. With `splits`, the CSV
/// file does, and it calls image 17 of the array `x` `x/17`, counted from 0.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NpzConfig {
    /// The file, under `root`.
    pub file: String,
    /// Array of the images: `[n, h, w]`, `[n, h, w, bands]` or `[n, bands, h, w]`, integers or floats.
    pub images: String,
    /// Array of the masks: `[n, h, w]`, with or without an axis of 1.
    pub masks: Option<String>,
    /// Used instead of `masks`: the band of `images`, from 1, that holds the mask.
    pub mask_band: Option<usize>,
    /// Order of the axes of 4-dimensional `images`, needed where the sizes leave it open.
    pub layout: Option<Layout>,
    /// Array `[n]` of integers or text that says which place an image shows.
    pub places: Option<String>,
    /// The split that all images belong to.
    pub split: Option<String>,
    /// First index and one past the last, by split.
    #[serde(default)]
    pub ranges: BTreeMap<String, [usize; 2]>,
    /// Share of the images by split; the images of one place stay together.
    #[serde(default)]
    pub fractions: BTreeMap<String, f64>,
    /// Seed of `fractions`.
    #[serde(default)]
    pub seed: u64,
}

/// Order of the axes of an array of images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Layout {
    /// Bands last.
    Nhwc,
    /// Bands first.
    Nchw,
}

impl NpzConfig {
    /// Refuses settings that contradict each other; `needs_rule` if they have to say how the images are split.
    pub(super) fn check(&self, needs_rule: bool) -> Result<()> {
        ensure!(
            Dataset,
            self.masks.is_some() != self.mask_band.is_some(),
            "give either masks or mask_band"
        );
        ensure!(Dataset, self.mask_band != Some(0), "mask_band counts from 1");
        let rules = [
            self.split.is_some(),
            !self.ranges.is_empty(),
            !self.fractions.is_empty(),
        ];
        let rules = rules.iter().filter(|given| **given).count();
        if needs_rule {
            ensure!(
                Dataset,
                rules == 1,
                "{rules} of split, ranges and fractions are given; give exactly one (or `splits`)"
            );
        } else {
            ensure!(
                Dataset,
                rules == 0,
                "the dataset has `splits`, which split, ranges and fractions would contradict"
            );
        }
        for (name, [first, end]) in &self.ranges {
            ensure!(Dataset, first < end, "ranges.{name} is empty: {first} to {end}");
            let overlaps = |(other, [from, to]): (&String, &[usize; 2])| other != name && from < end && first < to;
            ensure!(
                Dataset,
                !self.ranges.iter().any(overlaps),
                "ranges.{name} overlaps another: an image would be in two splits"
            );
        }
        check_fractions(&self.fractions)
    }
}

/// Checks shares by split; an empty list is fine.
///
/// # Errors
/// If a share is not positive, or if they do not add up to 1.
pub fn check_fractions(fractions: &BTreeMap<String, f64>) -> Result<()> {
    if fractions.is_empty() {
        return Ok(());
    }
    let sum: f64 = fractions.values().sum();
    ensure!(
        Dataset,
        fractions.values().all(|share| *share > 0.0),
        "fractions must be positive"
    );
    ensure!(Dataset, (sum - 1.0).abs() < 1e-6, "fractions add up to {sum}, not to 1");
    Ok(())
}
