//! Crops for training. Only this module varies pixels, it varies image and mask in one call, and it takes nothing but the
//! training split.
#![allow(dead_code, unused_imports)] // until the trainer uses all of it

mod cutmix;
mod geometry;
mod radiometry;
mod random;
mod section;
mod targeted;
#[cfg(test)]
mod tests;

use rand::rngs::StdRng;

use crate::dataset::{IGNORE, Sample};
use crate::sample::{Draw, TrainingSplit};
use geometry::{Geometry, Placement};
use radiometry::Radiometry;

pub use cutmix::cutmix;
pub use radiometry::BandStatistics;
pub use section::{AugmentSection, CutMixSection, Flip, PasteShape, TargetedCutMixSection};
pub use targeted::TargetedCutMix;

/// A square of a training sample, in scene units. Only [`crop`] makes one.
#[derive(Debug, Clone)]
pub struct Crop {
    /// `[scene_bands, edge, edge]`
    pub values: Vec<f32>,
    /// `[edge, edge]`
    pub valid: Vec<bool>,
    /// `[edge, edge]`
    pub labels: Vec<u8>,
    edge_px: usize,
    /// What was done to each band, for what is pasted later.
    radiometry: Vec<Radiometry>,
}

impl Crop {
    /// Takes all of a pixel from `other`: values, validity and label. Both are positions in reading order.
    fn take_pixel(&mut self, to: usize, other: &Crop, from: usize) {
        let planes = self.values.chunks_mut(self.valid.len());
        for (plane, theirs) in planes.zip(other.values.chunks(other.valid.len())) {
            plane[to] = theirs[from];
        }
        self.valid[to] = other.valid[from];
        self.labels[to] = other.labels[from];
    }
}

/// Cuts the crop of `draw`, of `edge` pixels, varied by `augment`: bilinear for the image, nearest for mask and validity.
///
/// What lies outside the sample is invalid and not scored. `statistics` has one entry per scene band.
///
/// # Panics
/// Where `draw` is of another split.
pub fn crop(
    split: &TrainingSplit,
    draw: Draw,
    edge: usize,
    augment: &AugmentSection,
    statistics: &BandStatistics,
    rng: &mut StdRng,
) -> Crop {
    let sample = &split.samples()[draw.sample];
    let placement = draw.center.map_or(Placement::Anywhere, Placement::Near);
    let geometry = Geometry::draw(sample, placement, edge, augment, rng);
    let radiometry = radiometry::draw(augment, statistics, rng);
    let mut crop = cut(sample, &geometry, edge, &radiometry);
    add_noise(&mut crop, augment.noise, statistics, rng);
    crop
}

/// Reads a crop out of `sample`.
fn cut(sample: &Sample, geometry: &Geometry, edge: usize, radiometry: &[Radiometry]) -> Crop {
    let (height, width) = (sample.height, sample.width);
    let area = height * width;
    let mut crop = Crop {
        values: vec![0.0; radiometry.len() * edge * edge],
        valid: vec![false; edge * edge],
        labels: vec![IGNORE; edge * edge],
        edge_px: edge,
        radiometry: radiometry.to_vec(),
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
            let on_pixel = fy == 0.0 && fx == 0.0;
            let smooth = !on_pixel && corners.iter().all(|&corner| sample.valid[corner]);
            for (band, Radiometry { gain, offset }) in radiometry.iter().enumerate() {
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

/// Adds noise of `noise` standard deviations to each band that is not lost.
fn add_noise(crop: &mut Crop, noise: f32, statistics: &BandStatistics, rng: &mut StdRng) {
    if noise == 0.0 {
        return;
    }
    let bands = crop.values.chunks_mut(crop.valid.len()).zip(&crop.radiometry);
    for ((plane, radiometry), std) in bands.zip(&statistics.std) {
        if radiometry.gain == 0.0 {
            continue;
        }
        for pair in plane.chunks_mut(2) {
            for (value, normal) in pair.iter_mut().zip(random::normal_pair(rng)) {
                *value += normal * noise * std;
            }
        }
    }
}
