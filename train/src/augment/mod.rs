//! Makes crops for training. Only this module varies pixels; it varies image and mask in one call, and it accepts nothing but the training
//! split.
mod cutmix;
mod geometry;
mod mosaic;
mod radiometry;
mod random;
mod section;
mod targeted;
#[cfg(test)]
mod tests;

use rand::rngs::StdRng;
use raremap_infer::SceneTraits;

use crate::dataset::{IGNORE, Sample};
use crate::error::{Result, ensure};
use crate::sample::{Draw, TrainingSplit};
use geometry::{Geometry, Placement, draw_step};
use mosaic::Mosaic;
use radiometry::Radiometry;
use random::happens;

pub use cutmix::cutmix;
pub use radiometry::BandStatistics;
pub use section::{AugmentSection, CutMixSection, PasteShape, TargetedCutMixSection};
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
    /// The change of each band, which also applies to anything that is pasted later.
    radiometry: Vec<Radiometry>,
    /// Metres per pixel.
    ground_resolution_m: f32,
    /// For an 8-bit picture, the size of one of its 255 steps in scene units.
    eight_bit_step: Option<f32>,
    /// Whether it shows its sample as it is, which then holds for anything that is pasted, too.
    is_untouched: bool,
}

impl Crop {
    /// A crop of pixels without data, with as many bands as `radiometry` has.
    fn empty(edge_px: usize, radiometry: &[Radiometry]) -> Self {
        let pixels = edge_px * edge_px;
        Self {
            values: vec![0.0; radiometry.len() * pixels],
            valid: vec![false; pixels],
            labels: vec![IGNORE; pixels],
            edge_px,
            radiometry: radiometry.to_vec(),
            ground_resolution_m: f32::NAN,
            eight_bit_step: None,
            is_untouched: false,
        }
    }

    /// What the network is told about it.
    pub fn traits(&self) -> SceneTraits {
        SceneTraits {
            is_picture: self.eight_bit_step.is_some(),
            ground_resolution_m: Some(f64::from(self.ground_resolution_m)),
        }
    }

    /// Adds noise, and the steps of an 8-bit picture.
    fn finish(&mut self, noise: f32, statistics: &BandStatistics, rng: &mut StdRng) {
        add_noise(self, noise, statistics, rng);
        if let Some(step) = self.eight_bit_step {
            for value in &mut self.values {
                *value = (*value / step).round().clamp(0.0, 255.0) * step;
            }
        }
    }

    /// Copies `length` pixels in a row from `other`: values, validity and labels. `to` and `from` are the positions of the first ones in
    /// reading order.
    fn take(&mut self, to: usize, other: &Crop, from: usize, length: usize) {
        let (to, from) = (to..to + length, from..from + length);
        let planes = self.values.chunks_mut(self.valid.len());
        for (plane, theirs) in planes.zip(other.values.chunks(other.valid.len())) {
            plane[to.clone()].copy_from_slice(&theirs[from.clone()]);
        }
        self.valid[to.clone()].copy_from_slice(&other.valid[from.clone()]);
        self.labels[to].copy_from_slice(&other.labels[from]);
    }
}

/// Varies crops as a recipe's `[augment]` says. Threads can share it.
#[derive(Debug, Clone)]
pub struct Augmenter {
    section: AugmentSection,
    statistics: BandStatistics,
    targeted: TargetedCutMix,
}

impl Augmenter {
    /// Prepares crops of `split`, whose labels count `classes`; `statistics` are those of its scene bands.
    ///
    /// # Errors
    /// If the section is not valid, or a sample cannot be read.
    pub fn new(
        section: &AugmentSection,
        split: &TrainingSplit,
        classes: usize,
        statistics: BandStatistics,
    ) -> Result<Self> {
        section.check()?;
        ensure!(
            Recipe,
            section.atmosphere.probability == 0.0 || statistics.wavelength_um.iter().any(Option::is_some),
            "augment.atmosphere needs bands of known wavelengths: blue, green, red, nir, swir1, swir2"
        );
        Ok(Self {
            targeted: TargetedCutMix::new(&section.targeted_cutmix, split, classes)?,
            section: section.clone(),
            statistics,
        })
    }

    /// Makes one crop of `edge` pixels: [`crop`] with this recipe.
    ///
    /// # Errors
    /// Those of [`crop`].
    pub fn crop(&self, split: &TrainingSplit, draw: Draw, edge: usize, rng: &mut StdRng) -> Result<Crop> {
        crop(split, draw, edge, &self.section, &self.statistics, rng)
    }

    /// Applies what concerns the batch as a whole: first boxes from other crops, and then pieces with the rarest class, whose share is then
    /// final.
    ///
    /// # Errors
    /// If a sample cannot be read.
    pub fn mix(&self, crops: &mut [Crop], split: &TrainingSplit, rng: &mut StdRng) -> Result<()> {
        cutmix(crops, &self.section.cutmix, rng);
        for crop in crops {
            self.targeted.apply(crop, split, &self.section, &self.statistics, rng)?;
        }
        Ok(())
    }
}

/// Cuts the crop of `draw`, of `edge` pixels, and varies it by `augment`: bilinear for the image, nearest for mask and validity.
///
/// Pixels outside the sample are invalid and not scored. `statistics` has one entry per scene band.
///
/// # Errors
/// If a sample cannot be read, or `draw` comes from another split.
pub fn crop(
    split: &TrainingSplit,
    draw: Draw,
    edge: usize,
    augment: &AugmentSection,
    statistics: &BandStatistics,
    rng: &mut StdRng,
) -> Result<Crop> {
    let sample = split.sample(draw.sample)?;
    let sample = sample.as_ref();
    let plain = happens(rng, augment.untouched).then(|| augment.plain());
    let augment = plain.as_ref().unwrap_or(augment);
    let resolution_m = sample.ground_resolution_m as f32;
    let step = draw_step(sample, resolution_m, edge, augment, rng);
    let mut radiometry = radiometry::draw(augment, statistics, rng);
    let is_eight_bit = happens(rng, augment.eight_bit.probability);
    if is_eight_bit {
        radiometry::stretch(&mut radiometry, augment, rng);
    }
    let mosaic = augment.mosaic.then(|| Mosaic::of(sample, edge, step)).flatten();
    let mut crop = match mosaic {
        Some(mosaic) => mosaic.crop(split, draw, augment, &radiometry, rng)?,
        None => {
            let placement = draw.center.map_or(Placement::Anywhere, Placement::Near);
            let geometry = Geometry::draw(sample, placement, edge, step, augment, rng);
            cut(sample, &geometry, edge, &radiometry)
        }
    };
    crop.is_untouched = plain.is_some();
    crop.ground_resolution_m = step * resolution_m;
    crop.eight_bit_step = is_eight_bit.then(|| statistics.eight_bit_step());
    crop.finish(augment.noise, statistics, rng);
    Ok(crop)
}

/// Reads a crop out of `sample`.
fn cut(sample: &Sample, geometry: &Geometry, edge: usize, radiometry: &[Radiometry]) -> Crop {
    let (area, pixels) = (sample.height * sample.width, edge * edge);
    let mut crop = Crop::empty(edge, radiometry);
    let planes: Vec<&[f32]> = sample.values.chunks(area).collect();
    let (rows, columns) = geometry.taps(edge, sample.height, sample.width);
    for target in 0..pixels {
        let (row, column) = geometry.window_pixel(target / edge, target % edge, edge);
        let (row, column) = (rows[row], columns[column]);
        let (Some(nearest_row), Some(nearest_column)) = (row.nearest, column.nearest) else {
            continue;
        };
        let at = |row: usize, column: usize| row * sample.width + column;
        let nearest = at(nearest_row, nearest_column);
        crop.valid[target] = sample.valid[nearest];
        crop.labels[target] = sample.labels[nearest];
        let ([top, bottom], [left, right]) = (row.pair, column.pair);
        let corners = [at(top, left), at(top, right), at(bottom, left), at(bottom, right)];
        let (fy, fx) = (row.fraction, column.fraction);
        let on_pixel = fy == 0.0 && fx == 0.0;
        // An invalid neighbour's number means nothing, so take the pixel itself there.
        let smooth = !on_pixel && corners.iter().all(|&corner| sample.valid[corner]);
        for (band, (plane, Radiometry { gain, offset })) in planes.iter().zip(radiometry).enumerate() {
            let value = if smooth {
                let [a, b, c, d] = corners.map(|corner| plane[corner]);
                (a * (1.0 - fx) + b * fx) * (1.0 - fy) + (c * (1.0 - fx) + d * fx) * fy
            } else {
                plane[nearest]
            };
            crop.values[band * pixels + target] = value * gain + offset;
        }
    }
    crop
}

/// Adds noise of `noise` standard deviations to each band that was not dropped.
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
