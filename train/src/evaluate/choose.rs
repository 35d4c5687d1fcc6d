//! Chooses temperatures and thresholds on the validation split and on no other.

use serde::Serialize;

use super::score::Scores;
use super::sweep::{GRID, Selection};
use crate::error::{Result, ensure};
use crate::metrics::{Figures, TemperatureFit};

/// The split on which the best weights, temperatures and thresholds are chosen.
pub const VALIDATION: &str = "val";

/// Scores of the validation split, the only ones that choices can be made on.
#[derive(Debug, Clone)]
pub struct ValidationScores(Scores);

/// What was chosen on the validation split, and nowhere else. A threshold therefore cannot be tuned on the split that it is reported for,
/// unless that is the validation split, and then the report says so.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Chosen {
    /// Always [`VALIDATION`].
    split: String,
    /// Number of its images.
    images: usize,
    /// Whether logits were averaged over flips; the choices only hold for such logits.
    flips: bool,
    /// Temperature of the main head's softmax.
    pub(super) temperature: Option<TemperatureFit>,
    /// Mean IoU that the mask must keep for [`ChosenRare::recall_at_floor`] and [`ChosenMask::most_rare_recall`].
    pub(super) mean_iou_floor: f64,
    /// One threshold for all rare classes, as on the page; `None` without an auxiliary head.
    pub(super) mask: Option<ChosenMask>,
    /// Choices for each channel of the auxiliary head.
    pub(super) rare: Vec<ChosenRare>,
}

/// Thresholds of the mask, the same for all rare classes; 1 means that the main head alone is best.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ChosenMask {
    /// The threshold with the greatest mean IoU.
    pub best_mean_iou: f32,
    /// The threshold with the greatest mean recall of the rare classes at a mean IoU no lower than the floor.
    pub most_rare_recall: f32,
}

/// Thresholds of a channel of the auxiliary head.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ChosenRare {
    /// The rare class.
    pub name: String,
    /// Temperature of the channel's sigmoid.
    pub temperature: Option<TemperatureFit>,
    /// The threshold with the greatest F1 of the channel alone; `None` if no pixel has the class.
    pub best_f1: Option<f32>,
    /// The threshold with the greatest IoU of the channel alone. F1 grows with IoU, so the two differ by rounding at most.
    pub best_iou: Option<f32>,
    /// The threshold with the greatest recall of the class in the mask, with no other rare class selected, at a mean IoU no lower than the
    /// floor; 1 if only the main head alone keeps it.
    pub recall_at_floor: f32,
}

impl ValidationScores {
    /// # Errors
    /// If the scores are of another split, or hold no probabilities to choose by.
    pub fn new(scores: Scores) -> Result<Self> {
        ensure!(
            Misuse,
            scores.split == VALIDATION,
            "thresholds and temperatures are chosen on {VALIDATION} alone, and these scores are of {}",
            scores.split
        );
        ensure!(
            Misuse,
            scores.probabilities.is_some(),
            "nothing can be chosen, because the scores hold no probabilities"
        );
        Ok(Self(scores))
    }

    /// The scores.
    pub fn scores(&self) -> &Scores {
        &self.0
    }

    /// Chooses temperatures and thresholds. The floor is the main head's own mean IoU less `margin`.
    pub fn choose(&self, margin: f64) -> Chosen {
        let scores = &self.0;
        let classes = scores.names.len();
        let mean_iou = scores.total().argmax.figures(&scores.names, &scores.roles).mean_iou;
        let mean_iou_floor = mean_iou.unwrap_or(0.0) - margin;
        // Of equals, the highest threshold wins, because it changes least.
        let best = |selection: Selection, worth: &dyn Fn(&Figures) -> Option<f64>| -> f32 {
            let mut best = (GRID.len() - 1, f64::NEG_INFINITY);
            for step in (0..GRID.len()).rev() {
                let Some(figures) = scores.mask_figures(step, selection) else {
                    continue;
                };
                if let Some(worth) = worth(&figures)
                    && worth > best.1
                {
                    best = (step, worth);
                }
            }
            GRID[best.0]
        };
        let at_floor = |figures: &Figures, worth: Option<f64>| {
            worth.filter(|_| figures.mean_iou.is_some_and(|mean| mean >= mean_iou_floor))
        };
        let sample = scores.probabilities.as_ref().map(|all| &all.sample);
        let rare = scores.auxiliary.iter().enumerate().map(|(channel, &class)| {
            let histogram = scores.probabilities.as_ref().and_then(|all| all.auxiliary.get(channel));
            let by = |worth: fn(&crate::metrics::CurvePoint) -> f64| {
                histogram
                    .and_then(|histogram| histogram.best_threshold(worth))
                    .map(|point| point.threshold)
            };
            ChosenRare {
                name: scores.names[class].clone(),
                temperature: sample.and_then(|sample| sample.fit_sigmoid(classes + channel, class)),
                best_f1: by(|point| point.f1),
                best_iou: by(|point| point.iou),
                recall_at_floor: best(Selection::Channel(channel), &|figures| {
                    at_floor(figures, figures.classes[class].recall)
                }),
            }
        });
        Chosen {
            split: scores.split.clone(),
            images: scores.images.len(),
            flips: scores.options.flips,
            temperature: sample.and_then(|sample| sample.fit_softmax(classes)),
            mean_iou_floor,
            mask: (!scores.auxiliary.is_empty()).then(|| ChosenMask {
                best_mean_iou: best(Selection::All, &|figures| figures.mean_iou),
                most_rare_recall: best(Selection::All, &|figures| at_floor(figures, figures.mean_rare_recall)),
            }),
            rare: rare.collect(),
        }
    }
}

impl Chosen {
    /// Name of the split that the choices were made on.
    pub fn split(&self) -> &str {
        &self.split
    }

    /// Temperature of the main head's softmax; `None` if no pixel was scored.
    pub fn temperature(&self) -> Option<TemperatureFit> {
        self.temperature
    }

    /// Thresholds of the mask; `None` without an auxiliary head.
    pub fn mask(&self) -> Option<ChosenMask> {
        self.mask
    }

    /// Choices for each channel of the auxiliary head.
    pub fn rare(&self) -> &[ChosenRare] {
        &self.rare
    }

    /// Whether the choices are for logits that are averaged over flips.
    pub fn flips(&self) -> bool {
        self.flips
    }
}

impl Scores {
    /// Figures of the mask at the threshold `GRID[step]`.
    pub(super) fn mask_figures(&self, step: usize, selection: Selection) -> Option<Figures> {
        let confusion = self.probabilities.as_ref()?.sweep.at(step, selection)?;
        Some(confusion.figures(&self.names, &self.roles))
    }
}
