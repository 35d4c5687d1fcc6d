//! Runs a model over a split once and counts; nothing that is kept grows with the split.

use std::collections::BTreeMap;
use std::path::PathBuf;

use raremap_infer::{Matching, logit, sigmoid};
use raremap_model::{Card, TileModel};
use serde::Serialize;

use super::flips::MeanLogits;
use super::indices::IndexCounts;
use super::scenes::{Layout, Scenes};
use super::sweep::MaskSweep;
use crate::dataset::Sample;
use crate::error::Result;
use crate::metrics::{Binary, Confusion, LogitSample, Reliability, Roles, ScoreHistogram};

/// What a pass does.
#[derive(Debug, Clone, PartialEq)]
pub struct ScoreOptions {
    /// A pixel takes a rare class if its auxiliary probability is at least this; 1 switches this off.
    pub threshold: f32,
    /// Average the logits over the scene and its mirror images: four runs for each scene.
    pub flips: bool,
    /// Count probabilities too, for curves, calibration and thresholds. Without it, a pass only counts decisions, which is what training
    /// needs.
    pub probabilities: bool,
    /// Class without which means are also given.
    pub background: Option<String>,
}

impl ScoreOptions {
    /// Only counts decisions, at `threshold`.
    pub fn at(threshold: f32) -> Self {
        Self {
            threshold,
            flips: false,
            probabilities: false,
            background: None,
        }
    }
}

/// What a pass over a split has counted. Nothing but scoring can set the split.
#[derive(Debug, Clone)]
pub struct Scores {
    pub(super) split: String,
    pub(super) names: Vec<String>,
    pub(super) roles: Roles,
    /// Class of each channel of the auxiliary head.
    pub(super) auxiliary: Vec<usize>,
    pub(super) options: ScoreOptions,
    pub(super) places: BTreeMap<String, PlaceCounts>,
    pub(super) images: Vec<ImageScore>,
    pub(super) probabilities: Option<Probabilities>,
    /// Indices of water, to compare with.
    pub(super) indices: Vec<IndexCounts>,
    /// How the values of all images were converted to those of training, if they differ for a known reason.
    pub(super) matching: Option<Matching>,
}

/// Decisions on the images of one place.
#[derive(Debug, Clone)]
pub(super) struct PlaceCounts {
    /// The main head's argmax.
    pub argmax: Confusion,
    /// The mask as the page draws it.
    pub drawn: Confusion,
    /// The auxiliary head at the threshold, per channel.
    pub rare: Vec<Binary>,
}

impl PlaceCounts {
    pub fn new(classes: usize, channels: usize) -> Self {
        Self {
            argmax: Confusion::new(classes),
            drawn: Confusion::new(classes),
            rare: vec![Binary::default(); channels],
        }
    }

    pub fn merge(&mut self, other: &Self, times: u64) {
        self.argmax.merge(&other.argmax, times);
        self.drawn.merge(&other.drawn, times);
        for (sum, other) in self.rare.iter_mut().zip(&other.rare) {
            sum.merge(other, times);
        }
    }
}

/// How well an image was predicted.
#[derive(Debug, Clone, Serialize)]
pub struct ImageScore {
    /// Position in the split.
    pub index: usize,
    /// Name.
    pub image: String,
    /// Place.
    pub place: String,
    /// File.
    pub path: PathBuf,
    /// Pixels labelled as a rare class.
    pub rare_pixels: u64,
    /// Pixels where the drawn mask claims a rare class wrongly, or misses one.
    pub rare_wrong: u64,
}

/// Probabilities, counted in bins.
#[derive(Debug, Clone)]
pub(super) struct Probabilities {
    /// Of the auxiliary head, per channel.
    pub auxiliary: Vec<ScoreHistogram>,
    /// Of the main head, per rare class.
    pub main: Vec<ScoreHistogram>,
    /// Of the main head, per class.
    pub reliability: Vec<Reliability>,
    /// Of the main head's choice.
    pub choice: Reliability,
    /// The mask at every threshold.
    pub sweep: MaskSweep,
    /// Logits of both heads.
    pub sample: LogitSample,
}

impl Probabilities {
    fn new(layout: &Layout) -> Self {
        let classes = layout.names.len();
        Self {
            auxiliary: vec![ScoreHistogram::default(); layout.auxiliary.len()],
            main: vec![ScoreHistogram::default(); layout.roles.rare.len()],
            reliability: vec![Reliability::default(); classes],
            choice: Reliability::default(),
            sweep: MaskSweep::new(classes, layout.auxiliary.clone()),
            sample: LogitSample::new(classes + layout.auxiliary.len()),
        }
    }

    /// `probabilities` are the auxiliary head's, `softmax` is space for the main head's.
    fn add(
        &mut self,
        layout: &Layout,
        logits: &[f32],
        probabilities: &[f32],
        softmax: &mut [f32],
        label: usize,
        choice: usize,
    ) {
        self.sample.add(logits, label as u8);
        for ((histogram, &class), &p) in self.auxiliary.iter_mut().zip(&layout.auxiliary).zip(probabilities) {
            histogram.add(label == class, p);
        }
        softmax_into(&logits[..softmax.len()], softmax);
        for (histogram, &class) in self.main.iter_mut().zip(&layout.roles.rare) {
            histogram.add(label == class, softmax[class]);
        }
        for (class, (reliability, &p)) in self.reliability.iter_mut().zip(&*softmax).enumerate() {
            reliability.add(f64::from(p), 1, u64::from(label == class));
        }
        self.choice
            .add(f64::from(softmax[choice]), 1, u64::from(label == choice));
        self.sweep.add(probabilities, label, choice);
    }
}

/// Probabilities of `logits`; sums to 1.
pub(super) fn softmax_into(logits: &[f32], output: &mut [f32]) {
    let highest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut sum = 0.0;
    for (output, logit) in output.iter_mut().zip(logits) {
        *output = (logit - highest).exp();
        sum += *output;
    }
    output.iter_mut().for_each(|p| *p /= sum);
}

/// Scores a model on the scenes of a split, through the same pipeline that predicts.
///
/// # Errors
/// If a file cannot be read, if the dataset's bands or classes are not the card's, or if the network fails.
pub fn score(model: &impl TileModel, card: &Card, scenes: &Scenes<'_>, options: &ScoreOptions) -> Result<Scores> {
    let mut layout = Layout::new(card, scenes.dataset(), options.background.as_deref())?;
    layout.run.matching = scenes.matching(&layout)?;
    let mut scores = Scores {
        split: scenes.split().to_owned(),
        names: layout.names.clone(),
        roles: layout.roles.clone(),
        auxiliary: layout.auxiliary.clone(),
        options: options.clone(),
        places: BTreeMap::new(),
        images: Vec::with_capacity(scenes.len()),
        probabilities: options.probabilities.then(|| Probabilities::new(&layout)),
        indices: if options.probabilities {
            IndexCounts::of(scenes.dataset())
        } else {
            Vec::new()
        },
        matching: layout.run.matching.clone(),
    };
    for (index, entry) in scenes.entries().iter().enumerate() {
        let sample = scenes.sample(index)?;
        scores
            .indices
            .iter_mut()
            .for_each(|counts| counts.add(&sample, layout.names.len()));
        let logits = MeanLogits::of(&sample, model, &layout.card, &layout.run_of(&sample), options.flips)?;
        let (rare_pixels, rare_wrong) = scores.add(&layout, &sample, &logits, &entry.place)?;
        scores.images.push(ImageScore {
            index,
            image: entry.image.clone(),
            place: entry.place.clone(),
            path: sample.path.clone(),
            rare_pixels,
            rare_wrong,
        });
    }
    Ok(scores)
}

/// The decisions on one row of pixels, by the main head alone and with the auxiliary head at a threshold.
///
/// The rule is the pipeline's: of equal main logits the first class wins, and of several rare classes that reach the threshold, the most
/// likely.
pub(super) struct Decisions {
    classes: usize,
    auxiliary: Vec<usize>,
    least_logit: Option<f32>,
}

impl Decisions {
    pub fn new(layout: &Layout, threshold: f32) -> Self {
        Self {
            classes: layout.names.len(),
            auxiliary: layout.auxiliary.clone(),
            least_logit: (threshold < 1.0).then(|| logit(threshold)),
        }
    }

    /// Decides from a pixel's logits, main head first.
    pub fn of(&self, logits: &[f32]) -> (usize, usize) {
        let (main, auxiliary) = logits.split_at(self.classes);
        let higher =
            |best: (usize, f32), (class, &logit): (usize, &f32)| if logit > best.1 { (class, logit) } else { best };
        let (choice, _) = main.iter().enumerate().fold((0, f32::NEG_INFINITY), higher);
        let Some(least) = self.least_logit else {
            return (choice, choice);
        };
        // The value is just below the lowest such logit, so that reaching it is enough.
        let rare = self.auxiliary.iter().copied().zip(auxiliary);
        let (drawn, _) = rare.fold((choice, least.next_down()), higher);
        (choice, drawn)
    }
}

/// Calls `visit` with position and logits of each pixel, main head first.
pub(super) fn for_pixels(
    logits: &MeanLogits,
    [height, width]: [usize; 2],
    channels: usize,
    mut visit: impl FnMut(usize, &[f32]),
) -> Result<()> {
    let mut rows = logits.rows();
    let mut planes = vec![vec![0.0; width]; channels];
    let mut pixel = vec![0.0; channels];
    for y in 0..height {
        for (channel, plane) in planes.iter_mut().enumerate() {
            rows.read_row(channel, y, plane)?;
        }
        for x in 0..width {
            for (logit, plane) in pixel.iter_mut().zip(&planes) {
                *logit = plane[x];
            }
            visit(y * width + x, &pixel);
        }
    }
    Ok(())
}

impl Scores {
    /// Counts an image; returns its rare pixels and those that the drawn mask gets wrong.
    fn add(&mut self, layout: &Layout, sample: &Sample, logits: &MeanLogits, place: &str) -> Result<(u64, u64)> {
        let (classes, channels) = (layout.names.len(), layout.auxiliary.len());
        let counts = self
            .places
            .entry(place.to_owned())
            .or_insert_with(|| PlaceCounts::new(classes, channels));
        let threshold = self.options.threshold;
        let decisions = Decisions::new(layout, threshold);
        let mut softmax = vec![0.0; classes];
        let mut probabilities = vec![0.0; channels];
        let (mut rare_pixels, mut rare_wrong) = (0, 0);
        let is_rare: Vec<bool> = (0..classes).map(|class| layout.roles.rare.contains(&class)).collect();
        for_pixels(
            logits,
            [sample.height, sample.width],
            classes + channels,
            |index, logits| {
                let label = usize::from(sample.labels[index]);
                if label >= classes {
                    return;
                }
                let (choice, drawn) = decisions.of(logits);
                counts.argmax.add(label, choice);
                counts.drawn.add(label, drawn);
                for (p, logit) in probabilities.iter_mut().zip(&logits[classes..]) {
                    *p = sigmoid(*logit);
                }
                for ((binary, &class), &p) in counts.rare.iter_mut().zip(&layout.auxiliary).zip(&probabilities) {
                    binary.add(label == class, p >= threshold);
                }
                rare_pixels += u64::from(is_rare[label]);
                rare_wrong += u64::from(label != drawn && (is_rare[label] || is_rare[drawn]));
                if let Some(all) = &mut self.probabilities {
                    all.add(layout, logits, &probabilities, &mut softmax, label, choice);
                }
            },
        )?;
        Ok((rare_pixels, rare_wrong))
    }

    /// Name of the split that was scored.
    pub fn split(&self) -> &str {
        &self.split
    }

    /// The images, those with the most wrong rare pixels first.
    pub fn worst_images(&self, most: usize) -> Vec<&ImageScore> {
        let mut images: Vec<&ImageScore> = self.images.iter().filter(|image| image.rare_wrong > 0).collect();
        images.sort_by_key(|image| (std::cmp::Reverse(image.rare_wrong), image.index));
        images.truncate(most);
        images
    }

    /// Counts of all places, each counted as often as `times` says.
    pub(super) fn resampled(&self, times: &[u64]) -> PlaceCounts {
        let mut sum = PlaceCounts::new(self.names.len(), self.auxiliary.len());
        for (place, &times) in self.places.values().zip(times).filter(|(_, times)| **times > 0) {
            sum.merge(place, times);
        }
        sum
    }

    /// Counts of the whole split.
    pub(super) fn total(&self) -> PlaceCounts {
        self.resampled(&vec![1; self.places.len()])
    }
}
