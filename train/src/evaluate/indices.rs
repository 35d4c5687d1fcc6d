//! Scores spectral indices of water on the same pixels, as a baseline for a model.

use serde::Serialize;

use crate::dataset::{DatasetConfig, Sample};
use raremap_infer::normalized_difference;

/// Name of the class that the indices find.
const WATER: &str = "water";
/// Bins of the index from -1 to 1.
const BINS: usize = 400;
/// Indices of water, with the two bands whose normalized difference each of them is.
const INDICES: [(&str, [&str; 2]); 2] = [("ndwi", ["green", "nir"]), ("mndwi", ["green", "swir1"])];

/// An index of water on the scored pixels of a split.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WaterIndex {
    /// `ndwi` (green and near infrared) or `mndwi` (green and short-wave infrared).
    pub name: String,
    /// IoU of water where the index is above 0.
    pub iou_above_zero: f64,
    /// IoU of water at the threshold that is best for these pixels; no threshold chosen beforehand can do better.
    pub best_iou: f64,
    /// That threshold.
    pub best_threshold: f64,
}

/// Histograms of an index, for water and for everything else.
#[derive(Debug, Clone)]
pub(super) struct IndexCounts {
    name: &'static str,
    /// Positions in a sample.
    bands: [usize; 2],
    water: usize,
    counts: Vec<[u64; 2]>,
}

impl IndexCounts {
    /// The indices that `dataset` has the bands for; none if it has no class water.
    pub fn of(dataset: &DatasetConfig) -> Vec<Self> {
        let Some(water) = dataset.classes.iter().position(|class| class.name == WATER) else {
            return Vec::new();
        };
        let scene = dataset.scene_bands();
        let position = |name: &str| scene.iter().position(|(band, _)| *band == name);
        let index = |(name, [first, second]): (&'static str, [&str; 2])| {
            Some(Self {
                name,
                bands: [position(first)?, position(second)?],
                water,
                counts: vec![[0; 2]; BINS],
            })
        };
        INDICES.into_iter().filter_map(index).collect()
    }

    /// Adds the scored pixels of `sample`, whose labels are indices into `classes`.
    pub fn add(&mut self, sample: &Sample, classes: usize) {
        let planes: Vec<&[f32]> = sample.values.chunks(sample.valid.len().max(1)).collect();
        let [first, second] = self.bands.map(|band| planes[band]);
        for ((&a, &b), &label) in first.iter().zip(second).zip(&sample.labels) {
            if usize::from(label) < classes {
                let index = normalized_difference(a, b);
                // 0 lies on the border of two bins, so values above 0 fall in the upper half.
                let bin = ((index + 1.0) / 2.0 * BINS as f32).ceil() as usize;
                self.counts[bin.clamp(1, BINS) - 1][usize::from(usize::from(label) == self.water)] += 1;
            }
        }
    }

    /// The scores; `None` if there was no pixel of water.
    pub fn figures(&self) -> Option<WaterIndex> {
        let water: u64 = self.counts.iter().map(|[_, water]| water).sum();
        if water == 0 {
            return None;
        }
        // Of all pixels above the lower edge of each bin, from the last bin on.
        let mut above = [0; 2];
        let ious = self.counts.iter().enumerate().rev().map(|(bin, [land, found])| {
            above = [above[0] + land, above[1] + found];
            (bin, above[1] as f64 / (water + above[0]) as f64)
        });
        let ious: Vec<(usize, f64)> = ious.collect();
        let (best_bin, best_iou) = ious.iter().copied().max_by(|one, other| one.1.total_cmp(&other.1))?;
        let (_, iou_above_zero) = ious.iter().copied().find(|(bin, _)| *bin == BINS / 2)?;
        Some(WaterIndex {
            name: self.name.to_owned(),
            iou_above_zero,
            best_iou,
            best_threshold: best_bin as f64 / BINS as f64 * 2.0 - 1.0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_are_the_lower_edges_of_what_is_found() {
        let mut counts = IndexCounts {
            name: "ndwi",
            bands: [0, 1],
            water: 1,
            counts: vec![[0; 2]; BINS],
        };
        // Index 0.5 and 0.2 are water, -0.1 is water too, 0 and -0.5 are land; the last pixel is not scored.
        let pairs = [(3.0, 1.0), (3.0, 2.0), (9.0, 11.0), (5.0, 5.0), (1.0, 3.0), (9.0, 1.0)];
        let sample = Sample {
            path: "memory".into(),
            height: 1,
            width: 6,
            ground_resolution_m: 10.0,
            values: pairs
                .iter()
                .map(|(a, _)| *a)
                .chain(pairs.iter().map(|(_, b)| *b))
                .collect(),
            valid: vec![true; 6],
            labels: vec![1, 1, 1, 0, 0, u8::MAX],
        };
        counts.add(&sample, 2);
        let figures = counts.figures().expect("water");
        assert_eq!(figures.iou_above_zero, 2.0 / 3.0, "0 is not above 0");
        assert_eq!(figures.best_iou, 0.75);
        assert!(
            (-0.5..-0.1).contains(&figures.best_threshold),
            "{}",
            figures.best_threshold
        );
        counts.counts.fill([3, 0]);
        assert_eq!(counts.figures(), None);
    }
}
