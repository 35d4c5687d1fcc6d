//! Saliency maps of the training scenes, and the regions that they point at.

use rand::Rng;
use rand::rngs::StdRng;

use super::{SaliencyScope, TrainingSplit};
use crate::dataset::IGNORE;
use crate::error::{Result, ensure, failure};
use crate::sample::places::RowCounts;

/// Level of a pixel that is never chosen because it is invalid or not scored.
const UNSCORED: u16 = u16::MAX;
/// First bytes of the stored form.
const MAGIC: &[u8; 8] = b"rmsalien";

/// One map per training sample with 16 bits per pixel, and its most salient region.
///
/// Only the order of the saliencies counts. A level is the upper bits of the float, with nine bits of the mantissa at any scale, because
/// the probabilities of a rare class may well all be below a thousandth. The levels are stored, and crops are drawn from them, so a run
/// that continues from a checkpoint draws what an uninterrupted one would.
#[derive(Debug, Clone)]
pub struct SaliencyMaps {
    scope: SaliencyScope,
    scenes: Vec<Scene>,
    /// Cumulative weights of the scenes' regions.
    weight_upto: Vec<f64>,
}

#[derive(Debug, Clone)]
struct Scene {
    width: usize,
    /// `[h, w]`
    levels: Vec<u16>,
    threshold: Threshold,
    above: RowCounts,
    level: RowCounts,
}

/// The lowest level of the region. If there are more pixels at that level than the region still takes, each counts by the same fraction, so
/// that a flat map has no preferred corner.
#[derive(Debug, Clone, Copy, Default)]
struct Threshold {
    level: u16,
    fraction: f64,
}

/// Sixteen bits in the order of the saliencies from 0 to 1; at 1 they are 0xFE00.
fn level_of(saliency: f32) -> u16 {
    (saliency.abs().to_bits() >> 14) as u16
}

impl Scene {
    fn weight(&self) -> f64 {
        f64::from(self.above.total()) + f64::from(self.level.total()) * self.threshold.fraction
    }

    fn set(&mut self, threshold: Threshold) {
        self.threshold = threshold;
        self.above = RowCounts::new(&self.levels, self.width, |level| threshold.is_above(level));
        self.level = RowCounts::new(&self.levels, self.width, |level| threshold.is_at(level));
    }

    fn draw(&self, rng: &mut StdRng) -> Option<[f32; 2]> {
        let weight = self.weight();
        if weight <= 0.0 {
            return None;
        }
        let at = rng.random::<f64>() * weight;
        let above = f64::from(self.above.total());
        if at < above {
            let is_above = |level| self.threshold.is_above(level);
            return self.above.nth(at as u32, &self.levels, self.width, is_above);
        }
        let n = ((at - above) / self.threshold.fraction) as u32;
        let is_at = |level| self.threshold.is_at(level);
        // Rounding may reach the end of the range.
        let n = n.min(self.level.total().saturating_sub(1));
        self.level.nth(n, &self.levels, self.width, is_at)
    }
}

impl Threshold {
    fn is_above(self, level: u16) -> bool {
        level != UNSCORED && level > self.level
    }

    fn is_at(self, level: u16) -> bool {
        level != UNSCORED && level == self.level
    }

    /// The threshold above which `top_percent` of the scored pixels lie, at least one.
    fn of<'a>(levels: impl Iterator<Item = &'a u16>, top_percent: f64) -> Self {
        let mut histogram = vec![0u64; usize::from(UNSCORED)];
        for &level in levels.filter(|level| **level != UNSCORED) {
            histogram[usize::from(level)] += 1;
        }
        let scored: u64 = histogram.iter().sum();
        let wanted = (scored as f64 * top_percent / 100.0).ceil() as u64;
        let mut above = 0;
        for (level, &count) in histogram.iter().enumerate().rev() {
            if count > 0 && above + count >= wanted {
                return Self {
                    level: level as u16,
                    fraction: (wanted - above) as f64 / count as f64,
                };
            }
            above += count;
        }
        Self::default()
    }
}

impl SaliencyMaps {
    /// Takes one `[h, w]` map of numbers from 0 to 1 per sample of `split`, in its order.
    ///
    /// # Errors
    /// If a map cannot be made, is missing, has another size than its sample, or holds a value outside 0 to 1 at a scored pixel.
    pub fn new(
        split: &TrainingSplit,
        scope: SaliencyScope,
        top_percent: f64,
        maps: impl IntoIterator<Item = Result<Vec<f32>>>,
    ) -> Result<Self> {
        let mut maps = maps.into_iter();
        let mut levels = Vec::with_capacity(split.len());
        for sample in split.samples().iter() {
            let sample = sample?;
            let path = sample.path.display();
            let map = maps
                .next()
                .ok_or_else(|| failure!(Checkpoint, "there is no saliency map for {path}"))??;
            ensure!(
                Checkpoint,
                map.len() == sample.labels.len(),
                "the saliency map of {path} has {} pixels, the image {}",
                map.len(),
                sample.labels.len()
            );
            let scored = sample.labels.iter().zip(&sample.valid);
            let quantized = map.iter().zip(scored).map(|(&value, (&label, &valid))| {
                if !valid || label == IGNORE {
                    return Ok(UNSCORED);
                }
                ensure!(
                    Checkpoint,
                    (0.0..=1.0).contains(&value),
                    "the saliency map of {path} contains {value}"
                );
                Ok(level_of(value))
            });
            levels.push(quantized.collect::<Result<Vec<u16>>>()?);
        }
        ensure!(
            Checkpoint,
            maps.next().is_none(),
            "there are more saliency maps than training samples"
        );
        Self::of_levels(split, scope, top_percent, levels)
    }

    fn of_levels(split: &TrainingSplit, scope: SaliencyScope, top_percent: f64, levels: Vec<Vec<u16>>) -> Result<Self> {
        let of_split = match scope {
            SaliencyScope::Scene => None,
            SaliencyScope::Split => Some(Threshold::of(levels.iter().flatten(), top_percent)),
        };
        let scene = |(levels, width): (Vec<u16>, usize)| {
            let threshold = of_split.unwrap_or_else(|| Threshold::of(levels.iter(), top_percent));
            let mut scene = Scene {
                width,
                levels,
                threshold,
                above: RowCounts::default(),
                level: RowCounts::default(),
            };
            scene.set(threshold);
            scene
        };
        let width = |index: usize| {
            let size = split.samples().size_px(index);
            size.map(|[_, width]| width)
                .ok_or_else(|| failure!(Checkpoint, "there are more saliency maps than training samples"))
        };
        let levels = levels.into_iter().enumerate();
        let scenes = levels.map(|(index, levels)| Ok(scene((levels, width(index)?))));
        let scenes: Vec<Scene> = scenes.collect::<Result<_>>()?;
        let mut sum = 0.0;
        let weights = scenes.iter().map(|scene| {
            sum += scene.weight();
            sum
        });
        Ok(Self {
            scope,
            weight_upto: weights.collect(),
            scenes,
        })
    }

    /// A pixel of the most salient region: of `sample`'s own region, or of any sample if the region is the split's.
    ///
    /// Returns nothing if the region is empty, as in a sample without a scored pixel.
    pub fn draw(&self, sample: usize, rng: &mut StdRng) -> Option<(usize, [f32; 2])> {
        let index = match self.scope {
            SaliencyScope::Scene => sample,
            SaliencyScope::Split => {
                let at = rng.random::<f64>() * self.weight_upto.last()?;
                self.weight_upto.partition_point(|&upto| upto <= at)
            }
        };
        let place = self.scenes.get(index)?.draw(rng)?;
        Some((index, place))
    }

    /// The share of the pixels of the classes in `rare` that lie in the region. It equals the region's own share if the map knows nothing,
    /// and 1 if it knows all. Returns nothing if there are no such pixels.
    ///
    /// # Errors
    /// If a sample cannot be read.
    pub fn rare_recall(&self, split: &TrainingSplit, rare: &[usize]) -> Result<Option<f64>> {
        let (mut inside, mut all) = (0.0, 0u64);
        for (scene, sample) in self.scenes.iter().zip(split.samples().iter()) {
            let sample = sample?;
            let levels = scene.levels.iter().zip(&sample.labels);
            for (&level, _) in levels.filter(|(_, label)| rare.contains(&usize::from(**label))) {
                all += 1;
                inside += match level {
                    level if scene.threshold.is_above(level) => 1.0,
                    level if scene.threshold.is_at(level) => scene.threshold.fraction,
                    _ => 0.0,
                };
            }
        }
        Ok((all > 0).then(|| inside / all as f64))
    }

    /// The maps as bytes: a mark, the number of scenes, and for each scene its size and its levels, all little-endian.
    pub fn to_bytes(&self) -> Vec<u8> {
        let pixels: usize = self.scenes.iter().map(|scene| scene.levels.len()).sum();
        let mut bytes = Vec::with_capacity(16 + 8 * self.scenes.len() + 2 * pixels);
        bytes.extend(MAGIC);
        bytes.extend((self.scenes.len() as u64).to_le_bytes());
        for scene in &self.scenes {
            bytes.extend((scene.levels.len() as u64).to_le_bytes());
            bytes.extend(scene.levels.iter().flat_map(|level| level.to_le_bytes()));
        }
        bytes
    }

    /// The maps that [`Self::to_bytes`] wrote, for the same split.
    ///
    /// # Errors
    /// If the bytes are damaged or belong to other samples.
    pub fn from_bytes(split: &TrainingSplit, scope: SaliencyScope, top_percent: f64, bytes: &[u8]) -> Result<Self> {
        let mut rest = bytes
            .strip_prefix(MAGIC)
            .ok_or_else(|| failure!(Checkpoint, "these are not saliency maps"))?;
        let number = |rest: &mut &[u8]| -> Result<u64> {
            let (number, tail) = rest
                .split_first_chunk()
                .ok_or_else(|| failure!(Checkpoint, "the saliency maps are cut short"))?;
            *rest = tail;
            Ok(u64::from_le_bytes(*number))
        };
        let scenes = number(&mut rest)?;
        ensure!(
            Checkpoint,
            scenes == split.len() as u64,
            "the saliency maps are of {scenes} scenes, the training split has {}",
            split.len()
        );
        let mut levels = Vec::with_capacity(split.len());
        for sample in split.samples().iter() {
            let sample = sample?;
            let pixels = number(&mut rest)?;
            let path = sample.path.display();
            ensure!(
                Checkpoint,
                pixels == sample.labels.len() as u64,
                "the saliency map of {path} has {pixels} pixels, the image {}",
                sample.labels.len()
            );
            let (map, tail) = rest
                .split_at_checked(2 * sample.labels.len())
                .ok_or_else(|| failure!(Checkpoint, "the saliency maps are cut short"))?;
            rest = tail;
            levels.push(
                map.chunks_exact(2)
                    .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
                    .collect(),
            );
        }
        ensure!(
            Checkpoint,
            rest.is_empty(),
            "the saliency maps continue after the last scene"
        );
        Self::of_levels(split, scope, top_percent, levels)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_ordered_as_the_saliencies_are_at_every_scale() {
        for scale in [1.0f32, 1e-3, 1e-6, 1e-12] {
            // Apart by a 500th: the coarsest that nine bits of mantissa tell apart.
            let levels: Vec<u16> = (0..1000).map(|n| level_of(scale * 0.998f32.powi(n))).collect();
            assert!(levels.windows(2).all(|pair| pair[0] > pair[1]), "{scale}");
        }
        assert_eq!([level_of(0.0), level_of(-0.0), level_of(1.0)], [0, 0, 0xFE00]);
        assert_ne!(level_of(1.0), UNSCORED);
    }
}
