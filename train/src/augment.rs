//! Crops for training. Only this module varies pixels, it varies image and mask in one call, and only the trainer calls it.

use rand::Rng;
use rand::rngs::StdRng;

use crate::config::AugmentSection;
use crate::dataset::{IGNORE, Sample};

/// A square of a sample, in scene units.
pub struct Crop {
    /// `[scene_bands, edge, edge]`
    pub values: Vec<f32>,
    /// `[edge, edge]`
    pub valid: Vec<bool>,
    /// `[edge, edge]`
    pub labels: Vec<u8>,
}

/// Where a crop's pixel comes from.
struct Geometry {
    top: f32,
    left: f32,
    /// Source pixels per crop pixel.
    step: f32,
    /// Number of quarter turns, and whether mirrored.
    turns: u8,
    mirrored: bool,
}

impl Geometry {
    fn draw(sample: &Sample, edge: usize, augment: &AugmentSection, rng: &mut StdRng) -> Self {
        let step = symmetric(rng, augment.zoom).exp();
        let window = edge as f32 * step;
        let place = |rng: &mut StdRng, length: usize| {
            let room = length as f32 - window;
            // A window larger than the sample may lie anywhere around it; what is outside is invalid.
            let origin = rng.random::<f32>() * room;
            if step == 1.0 { origin.round() } else { origin }
        };
        let (top, left) = (place(rng, sample.height), place(rng, sample.width));
        let (turns, mirrored) = match augment.symmetries {
            true => (rng.random_range(0..4), rng.random()),
            false => (0, false),
        };
        Self {
            top,
            left,
            step,
            turns,
            mirrored,
        }
    }

    /// Row and column in the sample, of the centre of a crop's pixel.
    fn source(&self, row: usize, column: usize, edge: usize) -> (f32, f32) {
        let last = edge - 1;
        let column = if self.mirrored { last - column } else { column };
        let (row, column) = match self.turns {
            0 => (row, column),
            1 => (column, last - row),
            2 => (last - row, last - column),
            _ => (last - column, row),
        };
        let at = |origin: f32, index: usize| origin + (index as f32 + 0.5) * self.step - 0.5;
        (at(self.top, row), at(self.left, column))
    }
}

/// Uniform in plus or minus `limit`.
fn symmetric(rng: &mut StdRng, limit: f32) -> f32 {
    if limit == 0.0 {
        0.0
    } else {
        rng.random_range(-limit..=limit)
    }
}

/// Cuts a crop: bilinear for the image, nearest for mask and validity.
///
/// `band_std` are the scene bands' deviations, the unit of `band_offset`.
pub fn crop(sample: &Sample, edge: usize, augment: &AugmentSection, band_std: &[f32], rng: &mut StdRng) -> Crop {
    let geometry = Geometry::draw(sample, edge, augment, rng);
    let gain = symmetric(rng, augment.gain);
    let radiometry: Vec<(f32, f32)> = band_std
        .iter()
        .map(|std| {
            (
                (gain + symmetric(rng, augment.band_gain)).exp(),
                symmetric(rng, augment.band_offset) * std,
            )
        })
        .collect();
    let (height, width) = (sample.height, sample.width);
    let area = height * width;
    let mut crop = Crop {
        values: vec![0.0; band_std.len() * edge * edge],
        valid: vec![false; edge * edge],
        labels: vec![IGNORE; edge * edge],
    };
    for row in 0..edge {
        for column in 0..edge {
            let (y, x) = geometry.source(row, column, edge);
            let (nearest_y, nearest_x) = (y.round(), x.round());
            let inside = nearest_y >= 0.0 && nearest_x >= 0.0;
            if !inside || nearest_y as usize >= height || nearest_x as usize >= width {
                continue;
            }
            let nearest = nearest_y as usize * width + nearest_x as usize;
            let target = row * edge + column;
            crop.valid[target] = sample.valid[nearest];
            crop.labels[target] = sample.labels[nearest];
            let (top, left) = (y.clamp(0.0, (height - 1) as f32), x.clamp(0.0, (width - 1) as f32));
            let (y0, x0) = (top as usize, left as usize);
            let (y1, x1) = ((y0 + 1).min(height - 1), (x0 + 1).min(width - 1));
            let (fy, fx) = (top - y0 as f32, left - x0 as f32);
            let corners = [y0 * width + x0, y0 * width + x1, y1 * width + x0, y1 * width + x1];
            // An invalid neighbour's number means nothing: take the pixel itself there.
            let smooth = corners.iter().all(|&corner| sample.valid[corner]);
            for (band, (gain, offset)) in radiometry.iter().enumerate() {
                let plane = &sample.values[band * area..(band + 1) * area];
                let value = if smooth {
                    let [a, b, c, d] = corners.map(|corner| plane[corner]);
                    (a * (1.0 - fx) + b * fx) * (1.0 - fy) + (c * (1.0 - fx) + d * fx) * fy
                } else {
                    plane[nearest]
                };
                crop.values[band * edge * edge + target] = value * gain + offset;
            }
        }
    }
    crop
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    /// Value and label of a pixel are tied, so that a mask that moves apart from its image shows.
    fn sample(edge: usize) -> Sample {
        let labels: Vec<u8> = (0..edge * edge).map(|i| (i % 251) as u8).collect();
        Sample {
            path: "memory".into(),
            height: edge,
            width: edge,
            values: labels.iter().map(|&label| f32::from(label)).collect(),
            valid: vec![true; edge * edge],
            labels,
        }
    }

    #[test]
    fn image_and_mask_turn_together() {
        let augment = AugmentSection {
            symmetries: true,
            ..AugmentSection::default()
        };
        let mut seen = std::collections::BTreeSet::new();
        for seed in 0..64 {
            let crop = crop(&sample(32), 32, &augment, &[1.0], &mut StdRng::seed_from_u64(seed));
            for (value, label) in crop.values.iter().zip(&crop.labels) {
                assert_eq!(*value, f32::from(*label));
            }
            seen.insert(crop.labels[..2].to_vec());
        }
        assert_eq!(seen.len(), 8, "all eight symmetries of the square occur");
    }

    #[test]
    fn zooming_keeps_labels_within_a_pixel_of_their_values() {
        let mut ramp = sample(64);
        for (index, (value, label)) in ramp.values.iter_mut().zip(&mut ramp.labels).enumerate() {
            *label = (index % 64) as u8;
            *value = f32::from(*label);
        }
        let augment = AugmentSection {
            zoom: 0.5,
            ..AugmentSection::default()
        };
        for seed in 0..16 {
            let crop = crop(&ramp, 32, &augment, &[1.0], &mut StdRng::seed_from_u64(seed));
            for (value, label) in crop
                .values
                .iter()
                .zip(&crop.labels)
                .filter(|(_, label)| **label != IGNORE)
            {
                assert!(
                    (value - f32::from(*label)).abs() <= 0.5 + 1e-3,
                    "{value} is labelled {label}"
                );
            }
        }
    }

    #[test]
    fn outside_the_sample_nothing_is_scored() {
        let crop = crop(
            &sample(32),
            64,
            &AugmentSection::default(),
            &[1.0],
            &mut StdRng::seed_from_u64(1),
        );
        let scored = crop.labels.iter().filter(|label| **label != IGNORE).count();
        assert!(scored <= 32 * 32 && scored > 0);
        for (valid, label) in crop.valid.iter().zip(&crop.labels) {
            assert!(*valid || *label == IGNORE);
        }
    }

    #[test]
    fn without_augmentation_a_crop_is_a_plain_window() {
        let crop = crop(
            &sample(32),
            32,
            &AugmentSection::default(),
            &[1.0],
            &mut StdRng::seed_from_u64(9),
        );
        assert_eq!(crop.labels, sample(32).labels);
    }
}
