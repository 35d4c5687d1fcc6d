//! Decides which sample, and which place in it, each training crop comes from.
mod places;
mod saliency;
mod split;
#[cfg(test)]
pub mod testing;
#[cfg(test)]
mod tests;

use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};

pub use places::{ClassPlaces, class_probabilities};
pub use saliency::SaliencyMaps;
pub use split::{TRAIN, TrainingSplit};

use crate::error::{Result, ensure};

/// How places are chosen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SamplingKind {
    /// Takes every sample once per epoch, at a random place.
    #[default]
    Uniform,
    /// Places `label_share` of the crops around a pixel of a class drawn by rarity.
    LabelFrequency,
    /// Places `share` of the crops around a pixel that the auxiliary head points at.
    Saliency,
    /// Does both, each with its share; the rest is uniform.
    Mixed,
}

/// What the top percent are a share of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SaliencyScope {
    /// Each scene's own scored pixels, so that every scene keeps its turn.
    #[default]
    Scene,
    /// The scored pixels of the training split, so that scenes with more of the region get more of the crops.
    Split,
}

/// How crops are chosen (section `[sampling]` of a recipe).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SamplingSection {
    /// `uniform`, `label_frequency`, `saliency` or `mixed`.
    pub kind: SamplingKind,
    /// Share of the crops that saliency places, from 0 to 1.
    pub share: f64,
    /// Percent of the scored pixels that count as salient, above 0 to 100.
    pub top_percent: f64,
    /// Whose percentage it is: `scene` or `split`.
    pub scope: SaliencyScope,
    /// The maps are made for the first time before this step; until then, crops are uniform.
    pub first_refresh_step: usize,
    /// Steps from one refresh of the maps to the next.
    pub refresh_every_steps: usize,
    /// Share of the crops that label frequency places, from 0 to 1.
    pub label_share: f64,
    /// Temperature of the class probabilities: near 0, only the rarest class is drawn; when it is large, all classes alike.
    pub temperature: f64,
}

impl Default for SamplingSection {
    /// The shares of the method. The paper that proposes the temperature has 0.01, for 19 classes of city streets; where a class has only a
    /// few thousand pixels, that would draw hardly anything else.
    fn default() -> Self {
        Self {
            kind: SamplingKind::Uniform,
            share: 0.5,
            top_percent: 20.0,
            scope: SaliencyScope::Scene,
            first_refresh_step: 200,
            refresh_every_steps: 200,
            label_share: 0.5,
            temperature: 0.1,
        }
    }
}

impl SamplingSection {
    /// Checks the values.
    ///
    /// # Errors
    /// If a value means nothing; the message names its key.
    pub fn check(&self) -> Result<()> {
        for (name, share) in [("share", self.share), ("label_share", self.label_share)] {
            ensure!(
                Recipe,
                (0.0..=1.0).contains(&share),
                "sampling.{name} is {share}; it must be from 0 to 1"
            );
        }
        ensure!(
            Recipe,
            self.kind != SamplingKind::Mixed || self.share + self.label_share <= 1.0,
            "sampling.share and sampling.label_share add up to {}; together they must not exceed 1",
            self.share + self.label_share
        );
        ensure!(
            Recipe,
            self.top_percent > 0.0 && self.top_percent <= 100.0,
            "sampling.top_percent is {}; it must be above 0 and at most 100",
            self.top_percent
        );
        ensure!(
            Recipe,
            self.refresh_every_steps > 0,
            "sampling.refresh_every_steps must be positive"
        );
        ensure!(
            Recipe,
            self.temperature > 0.0 && self.temperature.is_finite(),
            "sampling.temperature is {}; it must be positive",
            self.temperature
        );
        Ok(())
    }

    /// Shares of the crops that saliency and label frequency place.
    fn shares(&self) -> (f64, f64) {
        match self.kind {
            SamplingKind::Uniform => (0.0, 0.0),
            SamplingKind::LabelFrequency => (0.0, self.label_share),
            SamplingKind::Saliency => (self.share, 0.0),
            SamplingKind::Mixed => (self.share, self.label_share),
        }
    }
}

impl SamplingSection {
    /// The first saliency maps are made before this step; `None` if the section does not use saliency.
    pub fn first_refresh(&self) -> Option<usize> {
        (self.shares().0 > 0.0).then_some(self.first_refresh_step)
    }
}

/// Where a crop comes from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Draw {
    /// Index in the training split.
    pub sample: usize,
    /// Row and column, in pixels, of a pixel that must lie in the crop; without one, the crop may lie anywhere.
    pub center: Option<[f32; 2]>,
}

/// The order of the samples in one epoch.
#[derive(Debug, Clone)]
pub struct EpochOrder {
    order: Vec<usize>,
}

impl EpochOrder {
    /// Every sample of `split` once, shuffled. With several sources, each contributes as many samples as its share says, repeating them if it has
    /// fewer.
    pub fn shuffled(split: &TrainingSplit, rng: &mut StdRng) -> Self {
        let sources = split.sources();
        let mut orders: Vec<Vec<usize>> = sources.iter().map(|source| source.samples.clone().collect()).collect();
        orders.iter_mut().for_each(|order| order.shuffle(rng));
        let whole: f64 = sources.iter().map(|source| source.share).sum();
        let mut taken = vec![0usize; sources.len()];
        let order = (1..=split.len()).map(|count| {
            // The source that is furthest behind its share comes next.
            let behind = |source: usize| sources[source].share / whole * count as f64 - taken[source] as f64;
            let source =
                (0..sources.len()).max_by(|&one, &other| behind(one).total_cmp(&behind(other)).then(other.cmp(&one)));
            let source = source.unwrap_or(0);
            taken[source] += 1;
            orders[source][(taken[source] - 1) % orders[source].len()]
        });
        Self { order: order.collect() }
    }

    /// The sample at `position`. After the last one the order starts again, so that an epoch's last batch is full.
    pub fn sample(&self, position: usize) -> usize {
        self.order[position % self.order.len()]
    }
}

/// Draws places for crops, as a [`SamplingSection`] says.
///
/// What it draws only depends on the caller's generator, the epoch's order and the maps. Threads can share it.
#[derive(Debug, Clone)]
pub struct Sampler {
    section: SamplingSection,
    split: TrainingSplit,
    rare: Vec<usize>,
    places: ClassPlaces,
    /// Probability of each class to be drawn.
    probabilities: Vec<f64>,
    maps: Option<SaliencyMaps>,
}

impl Sampler {
    /// Makes a sampler of `split`, whose labels count `classes`, of which `rare` have a channel of the auxiliary head.
    ///
    /// # Errors
    /// If the section is not valid; if a sample cannot be read; if it needs saliency and no class is rare, so that there is no auxiliary head; or if it needs label
    /// frequency and nothing is labelled.
    pub fn new(section: &SamplingSection, split: &TrainingSplit, classes: usize, rare: &[usize]) -> Result<Self> {
        section.check()?;
        let (saliency, label) = section.shares();
        ensure!(
            Recipe,
            saliency == 0.0 || !rare.is_empty(),
            "sampling.kind needs saliency, but there is no auxiliary head: no class of the dataset has rare = true, or model.auxiliary_head is false"
        );
        let places = ClassPlaces::new(split, if label > 0.0 { classes } else { 0 })?;
        let probabilities = class_probabilities(&places.pixels(), section.temperature);
        ensure!(
            Recipe,
            label == 0.0 || probabilities.iter().sum::<f64>() > 0.0,
            "sampling.kind needs label frequency, but no pixel of the training split is labelled"
        );
        Ok(Self {
            section: section.clone(),
            split: split.clone(),
            rare: rare.to_vec(),
            places,
            probabilities,
            maps: None,
        })
    }

    /// The place of the crop at `position` of the epoch in `order`.
    ///
    /// Uniform sampling takes nothing from `rng`. If saliency has nothing to offer (no map yet, or no scored pixel in the sample), the draw
    /// is uniform.
    ///
    /// # Errors
    /// If a sample cannot be read.
    pub fn draw(&self, order: &EpochOrder, position: usize, rng: &mut StdRng) -> Result<Draw> {
        let uniform = Draw {
            sample: order.sample(position),
            center: None,
        };
        let (saliency, label) = self.section.shares();
        if saliency + label == 0.0 {
            return Ok(uniform);
        }
        let lot = rng.random::<f64>();
        let place = if lot < saliency {
            self.maps.as_ref().and_then(|maps| maps.draw(uniform.sample, rng))
        } else if lot < saliency + label {
            self.places.draw(&self.split, self.class(rng), rng)?
        } else {
            None
        };
        Ok(place.map_or(uniform, |(sample, center)| Draw {
            sample,
            center: Some(center),
        }))
    }

    fn class(&self, rng: &mut StdRng) -> usize {
        let mut left = rng.random::<f64>();
        let occurs = |class: &usize| self.probabilities[*class] > 0.0;
        let mut last = 0;
        for class in (0..self.probabilities.len()).filter(occurs) {
            last = class;
            left -= self.probabilities[class];
            if left < 0.0 {
                break;
            }
        }
        last
    }

    /// Probability of each class to be drawn, for the log; empty unless label frequency is used.
    #[cfg(test)]
    pub fn class_probabilities(&self) -> &[f64] {
        &self.probabilities
    }

    /// Whether the maps must be refreshed before `step` (counted from 0) is drawn.
    pub fn needs_refresh(&self, step: usize) -> bool {
        let since = step.checked_sub(self.section.first_refresh_step);
        self.section.shares().0 > 0.0
            && since.is_some_and(|since| since.is_multiple_of(self.section.refresh_every_steps))
    }

    /// Takes new maps: per sample, in the split's order, `[h, w]` saliencies from 0 to 1. They may come one by one, so that not all have to
    /// be in memory at once. After an error, the old maps stay.
    ///
    /// Returns the share of the split's rare pixels that lie in the region, which tells how well the crops aim.
    ///
    /// # Errors
    /// If a map is missing, has another size than its sample, or holds values outside 0 to 1.
    pub fn refresh(&mut self, maps: impl IntoIterator<Item = Result<Vec<f32>>>) -> Result<Option<f64>> {
        let maps = SaliencyMaps::new(&self.split, self.section.scope, self.section.top_percent, maps)?;
        let recall = maps.rare_recall(&self.split, &self.rare)?;
        self.maps = Some(maps);
        Ok(recall)
    }

    /// What a checkpoint has to store besides the step: the maps, if there are any yet.
    pub fn state(&self) -> Option<Vec<u8>> {
        self.maps.as_ref().map(SaliencyMaps::to_bytes)
    }

    /// Continues from a [`Self::state`].
    ///
    /// # Errors
    /// If the bytes are damaged or belong to another training split.
    pub fn restore(&mut self, state: &[u8]) -> Result<()> {
        let (scope, percent) = (self.section.scope, self.section.top_percent);
        self.maps = Some(SaliencyMaps::from_bytes(&self.split, scope, percent, state)?);
        Ok(())
    }
}
