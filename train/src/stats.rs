//! The numbers of a dataset, split by split.

use std::collections::BTreeSet;

use raremap_infer::Normalizer;
use raremap_model::{Band, BandSource};
use serde::Serialize;

use crate::dataset::{DatasetConfig, Dropped, SampleStore, measure_bands};
use crate::error::Result;

/// Percentiles come from at most this many values per band: from every n-th valid pixel of larger splits.
const MAX_RANKED: usize = 4 << 20;
/// Percentages of [`BandStats::percentiles`].
pub const PERCENTS: [f64; 7] = [1.0, 2.0, 25.0, 50.0, 75.0, 98.0, 99.0];

/// What is worth knowing about a dataset before training.
#[derive(Debug, Serialize)]
pub struct Stats {
    /// Name of the dataset.
    pub dataset: String,
    /// Split whose bands are measured: the training split's numbers normalize all others.
    pub measured_split: String,
    /// The network's bands.
    pub bands: Vec<BandStats>,
    /// Splits in the order of the list.
    pub splits: Vec<SplitStats>,
}

/// A band over the valid pixels of a split.
#[derive(Debug, Serialize)]
pub struct BandStats {
    /// Its name.
    pub name: String,
    /// Smallest value.
    pub min: f32,
    /// Largest value.
    pub max: f32,
    /// Mean.
    pub mean: f32,
    /// Standard deviation.
    pub std: f32,
    /// A percentage, and the value below which that share of the pixels lies.
    pub percentiles: Vec<(f64, f32)>,
    /// Share of the split's pixels that are valid, 0 to 1.
    pub valid_share: f64,
}

/// A split.
#[derive(Debug, Serialize)]
pub struct SplitStats {
    /// Its name.
    pub split: String,
    /// Samples: images, or windows of them.
    pub samples: usize,
    /// Places.
    pub places: usize,
    /// Pixels of all samples.
    pub pixels: u64,
    /// Pixels that belong to a class.
    pub labelled_pixels: u64,
    /// What the dataset's rules left out.
    pub dropped: Dropped,
    /// Classes, in the dataset's order.
    pub classes: Vec<ClassStats>,
}

/// A class in a split.
#[derive(Debug, Serialize)]
pub struct ClassStats {
    /// Its name.
    pub name: String,
    /// Whether the auxiliary head looks for it.
    pub rare: bool,
    /// Pixels.
    pub pixels: u64,
    /// Share of the labelled pixels, 0 to 1.
    pub share: f64,
    /// Samples that show it.
    pub samples: usize,
    /// Places that show it.
    pub places: usize,
}

/// Measures all splits of a dataset; the bands are those of `measured_split`.
///
/// # Errors
/// If the dataset has no such split, or a file cannot be read; the message names it.
pub fn measure(config: &DatasetConfig, measured_split: &str) -> Result<Stats> {
    let mut names: Vec<String> = Vec::new();
    for entry in config.entries()? {
        if !names.contains(&entry.split) {
            names.push(entry.split);
        }
    }
    // This also happens if the split does not exist: the error says which splits there are.
    config.entries_of(measured_split)?;
    let mut bands = Vec::new();
    let mut splits = Vec::new();
    for name in names {
        let split = config.load_split(&name, SampleStore::USUAL_BYTES)?;
        if name == measured_split {
            bands = band_stats(&measure_bands(config, &split.samples)?, &split.samples)?;
        }
        let mut covered = 0;
        // Pixels of each class, and the places of the samples that show it.
        let mut shown = vec![(0, Vec::new()); config.classes.len()];
        for (entry, sample) in split.entries.iter().zip(split.samples.iter()) {
            let sample = sample?;
            covered += sample.labels.len() as u64;
            let mut counts = [0u64; 256];
            for &label in &sample.labels {
                counts[usize::from(label)] += 1;
            }
            for ((pixels, places), count) in shown.iter_mut().zip(counts) {
                if count > 0 {
                    *pixels += count;
                    places.push(entry.place.as_str());
                }
            }
        }
        let labelled: u64 = shown.iter().map(|(pixels, _)| pixels).sum();
        let classes = config
            .classes
            .iter()
            .zip(shown)
            .map(|(class, (pixels, places))| ClassStats {
                name: class.name.clone(),
                rare: class.rare,
                pixels,
                share: pixels as f64 / labelled.max(1) as f64,
                samples: places.len(),
                places: places.into_iter().collect::<BTreeSet<_>>().len(),
            });
        splits.push(SplitStats {
            split: name,
            samples: split.samples.len(),
            places: split
                .entries
                .iter()
                .map(|entry| &entry.place)
                .collect::<BTreeSet<_>>()
                .len(),
            pixels: covered,
            labelled_pixels: labelled,
            dropped: split.dropped,
            classes: classes.collect(),
        });
    }
    Ok(Stats {
        dataset: config.name.clone(),
        measured_split: measured_split.to_owned(),
        bands,
        splits,
    })
}

/// Statistics of the bands that hold values of the samples.
fn band_stats(bands: &[Band], samples: &SampleStore) -> Result<Vec<BandStats>> {
    let is_measured = |band: &&Band| !matches!(band.source, BandSource::Presence { .. } | BandSource::Trait(_));
    let bands: Vec<&Band> = bands.iter().filter(is_measured).collect();
    let identity: Vec<Band> = bands
        .iter()
        .map(|&band| Band {
            mean: 0.0,
            std: 1.0,
            ..band.clone()
        })
        .collect();
    let raw = Normalizer::new(&identity)?;
    let (mut pixels, mut valid) = (0, 0);
    for sample in samples.iter() {
        let sample = sample?;
        pixels += sample.valid.len();
        valid += sample.valid.iter().filter(|valid| **valid).count();
    }
    let step = valid.div_ceil(MAX_RANKED).max(1);
    let mut ranked = vec![Vec::with_capacity(valid / step + 1); bands.len()];
    let mut extremes = vec![(f32::INFINITY, f32::NEG_INFINITY); bands.len()];
    let mut seen = 0;
    for sample in samples.iter() {
        let sample = sample?;
        let channels = raw.normalize(&sample.values, &sample.valid, &sample.traits())?;
        let before = seen;
        for (channel, (ranked, (min, max))) in channels
            .chunks(sample.valid.len())
            .zip(ranked.iter_mut().zip(&mut extremes))
        {
            seen = before;
            for (&value, _) in channel.iter().zip(&sample.valid).filter(|(_, valid)| **valid) {
                (*min, *max) = (min.min(value), max.max(value));
                if seen % step == 0 {
                    ranked.push(value);
                }
                seen += 1;
            }
        }
    }
    let stats = bands
        .iter()
        .zip(ranked)
        .zip(extremes)
        .map(|((band, mut values), (min, max))| {
            values.sort_unstable_by(f32::total_cmp);
            BandStats {
                name: band.name.clone(),
                min,
                max,
                mean: band.mean,
                std: band.std,
                percentiles: PERCENTS.map(|percent| (percent, percentile(&values, percent))).to_vec(),
                valid_share: valid as f64 / pixels.max(1) as f64,
            }
        });
    Ok(stats.collect())
}

/// The nearest rank among `sorted` values.
fn percentile(sorted: &[f32], percent: f64) -> f32 {
    let last = sorted.len().saturating_sub(1);
    let rank = (percent / 100.0 * last as f64).round() as usize;
    sorted.get(rank).copied().unwrap_or(f32::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::Sample;

    #[test]
    fn percentiles_are_ranks_of_valid_pixels() {
        let band = Band {
            name: "nir".into(),
            source: BandSource::Scene,
            optional: false,
            mean: 50.0,
            std: 1.0,
        };
        let mut values: Vec<f32> = (0..=100).rev().map(|value| value as f32).collect();
        values.push(1e9);
        let mut valid = vec![true; 101];
        valid.push(false);
        let sample = Sample {
            path: "memory".into(),
            height: 1,
            width: 102,
            ground_resolution_m: 10.0,
            labels: vec![0; 102],
            values,
            valid,
        };
        let stats = band_stats(&[band], &[sample].into_iter().collect()).expect("measures");
        assert_eq!((stats[0].min, stats[0].max), (0.0, 100.0));
        assert_eq!(stats[0].percentiles[0], (1.0, 1.0));
        assert_eq!(stats[0].percentiles[3], (50.0, 50.0));
        assert!((stats[0].valid_share - 101.0 / 102.0).abs() < 1e-12);
    }
}
