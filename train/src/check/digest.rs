//! What is kept of a sample once it has been read: enough to compare it with all others.

use std::path::PathBuf;

use sha2::{Digest as _, Sha256};

use super::ground::{Texture, cell_px};
use crate::dataset::{DatasetConfig, Entry, IGNORE, Sample};

/// Values that files use for missing data, declared or not.
const USUAL_NODATA: [f32; 5] = [-9999.0, -32768.0, -32767.0, 65535.0, f32::MIN];

/// A sample in brief.
#[derive(Debug)]
pub struct Digest {
    /// Its line in the list of splits.
    pub entry: Entry,
    /// Its file, for messages.
    pub path: PathBuf,
    /// Digest of the raw bands and the size.
    pub image_hash: [u8; 32],
    /// Digest of the labels and the size.
    pub mask_hash: [u8; 32],
    /// Pixels of each class.
    pub class_pixels: Vec<u64>,
    /// Bands read from the file.
    pub bands: Vec<BandDigest>,
    /// Mean of each band over each class, `[class][band]`; 0 where the class is absent.
    pub class_means: Vec<Vec<f64>>,
    /// Edge directions.
    pub texture: Texture,
}

/// A band of a sample, over its valid pixels.
#[derive(Debug, Clone, Default)]
pub struct BandDigest {
    /// Smallest.
    pub min: f32,
    /// Largest.
    pub max: f32,
    /// Mean.
    pub mean: f64,
    /// Valid pixels.
    pub count: u64,
    /// Pixels that are NaN or infinite.
    pub not_finite: u64,
    /// Pixels below 0.
    pub negative: u64,
    /// Whether all values are integers.
    pub integers: bool,
    /// A usual nodata value among the valid pixels, and how many pixels hold it.
    pub nodata_like: Option<(f32, u64)>,
}

impl Digest {
    /// Summarizes a sample. The cells of its texture are those of `first`, the first sample's longer edge.
    pub fn of(config: &DatasetConfig, entry: Entry, sample: &Sample, first: usize) -> Self {
        let area = sample.valid.len().max(1);
        let size = [sample.height as u64, sample.width as u64]
            .map(u64::to_le_bytes)
            .concat();
        let mut image_hash = Sha256::new_with_prefix(&size);
        for value in &sample.values {
            image_hash.update(value.to_le_bytes());
        }
        let mask_hash = Sha256::new_with_prefix(&size).chain_update(&sample.labels);
        let classes = config.classes.len();
        let planes = || sample.values.chunks_exact(area);
        let mut class_pixels = vec![0u64; classes];
        let mut class_means = vec![vec![0.0; planes().count()]; classes];
        for (pixel, &label) in sample.labels.iter().enumerate().filter(|(_, label)| **label != IGNORE) {
            let class = usize::from(label);
            if let (Some(count), Some(means)) = (class_pixels.get_mut(class), class_means.get_mut(class)) {
                *count += 1;
                means
                    .iter_mut()
                    .zip(planes())
                    .for_each(|(mean, plane)| *mean += f64::from(plane[pixel]));
            }
        }
        for (means, &count) in class_means.iter_mut().zip(&class_pixels) {
            means.iter_mut().for_each(|mean| *mean /= count.max(1) as f64);
        }
        Self {
            path: config.display_path(&entry.image),
            entry,
            image_hash: image_hash.finalize().into(),
            mask_hash: mask_hash.finalize().into(),
            class_pixels,
            bands: planes().map(|plane| BandDigest::of(plane, &sample.valid)).collect(),
            class_means,
            texture: Texture::of(sample, cell_px(first)),
        }
    }

    /// Pixels that belong to a class.
    pub fn labelled(&self) -> u64 {
        self.class_pixels.iter().sum()
    }

    /// Classes that occur.
    pub fn classes(&self) -> usize {
        self.class_pixels.iter().filter(|pixels| **pixels > 0).count()
    }
}

impl BandDigest {
    fn of(plane: &[f32], valid: &[bool]) -> Self {
        let mut digest = Self {
            min: f32::INFINITY,
            max: f32::NEG_INFINITY,
            integers: true,
            ..Self::default()
        };
        let mut sum = 0.0;
        for (&value, &valid) in plane.iter().zip(valid) {
            if !value.is_finite() {
                digest.not_finite += 1;
                continue;
            }
            if !valid {
                continue;
            }
            digest.min = digest.min.min(value);
            digest.max = digest.max.max(value);
            sum += f64::from(value);
            digest.count += 1;
            digest.negative += u64::from(value < 0.0);
            digest.integers &= value.fract() == 0.0;
            if USUAL_NODATA.contains(&value) {
                let (_, count) = digest.nodata_like.get_or_insert((value, 0));
                *count += 1;
            }
        }
        digest.mean = sum / digest.count.max(1) as f64;
        digest
    }

    /// Whether all valid pixels are equal.
    pub fn is_constant(&self) -> bool {
        self.count > 1 && self.min == self.max
    }
}
