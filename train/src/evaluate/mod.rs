//! Computes the figures of a model on a split.

mod choose;
mod evaluation;
mod figures;
mod flips;
mod indices;
mod report;
mod saliency;
mod scenes;
mod score;
mod sweep;
pub mod tables;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod toy;

use raremap_model::{Card, TileModel};
use serde_json::{Value, json};

pub use choose::{Chosen, ChosenMask, ChosenRare, VALIDATION, ValidationScores};
pub use evaluation::{
    AtChosen, AtThreshold, Bootstrap, Calibration, ClassCalibration, ClassIntervals, Details, Evaluation,
    FigureIntervals, HeadCurve, Intervals, MaskAtChosen, MaskPoint, RareAtChosen, RareCurves,
};
pub use indices::WaterIndex;
pub use report::Report;
pub use saliency::saliency_map;
pub use scenes::{Layout, Scenes};
pub use score::{ImageScore, ScoreOptions, Scores, score};

use crate::dataset::{DatasetConfig, SampleStore};
use crate::error::{Result, ensure};

/// What is computed of a dataset's splits.
#[derive(Debug, Clone, PartialEq)]
pub struct EvaluateOptions {
    /// Splits to evaluate.
    pub splits: Vec<String>,
    /// What a pass over a split counts. Without a background, that of the dataset counts.
    pub score: ScoreOptions,
    /// Intervals.
    pub bootstrap: Bootstrap,
    /// When thresholds are chosen, how much mean IoU on the validation split may be given up for more rare recall, 0 to 1.
    pub floor_margin: f64,
}

impl Default for EvaluateOptions {
    /// All figures of the validation split, at the page's threshold.
    fn default() -> Self {
        Self {
            splits: vec![VALIDATION.to_owned()],
            score: ScoreOptions {
                probabilities: true,
                ..ScoreOptions::at(0.5)
            },
            bootstrap: Bootstrap {
                resamples: 1000,
                seed: 0,
            },
            floor_margin: 0.0,
        }
    }
}

/// The figures of a dataset's splits.
#[derive(Debug, Clone)]
pub struct DatasetEvaluation {
    /// One for each split, in the order of [`EvaluateOptions::splits`].
    pub splits: Vec<Evaluation>,
    /// What was chosen on the validation split, if the dataset has one and probabilities are counted.
    pub chosen: Option<Chosen>,
}

impl DatasetEvaluation {
    /// As JSON: the figures of one split, or those of each under `splits`.
    ///
    /// # Errors
    /// If a figure is not JSON.
    pub fn to_json(&self) -> Result<Value> {
        if let [one] = self.splits.as_slice() {
            let mut value = serde_json::to_value(one)?;
            value["chosen"] = json!(self.chosen);
            return Ok(value);
        }
        let splits = self.splits.iter().map(|one| (one.split.clone(), json!(one)));
        let splits: serde_json::Map<_, _> = splits.collect();
        Ok(json!({ "splits": splits, "chosen": self.chosen }))
    }
}

/// Evaluates `model`, whose card is `card`, on splits of `dataset`. Temperatures and thresholds are chosen on its validation split alone, and
/// applied unchanged.
///
/// # Errors
/// If the threshold is not from 0 to 1, if the dataset has no such split or other classes or bands than the model, if a file cannot be read, or
/// if the model fails.
pub fn evaluate(
    model: &impl TileModel,
    card: &Card,
    dataset: &DatasetConfig,
    options: &EvaluateOptions,
) -> Result<DatasetEvaluation> {
    let threshold = options.score.threshold;
    ensure!(
        Misuse,
        (0.0..=1.0).contains(&threshold),
        "the threshold is {threshold}; it must be from 0 to 1"
    );
    let score_options = ScoreOptions {
        background: options.score.background.clone().or_else(|| dataset.background.clone()),
        ..options.score.clone()
    };
    // The rules that leave samples out apply here as they do in training and export.
    let score_split = |split: &str| {
        let loaded = dataset.load_split(split, SampleStore::USUAL_BYTES)?;
        if loaded.dropped.total() > 0 {
            tracing::info!("{}", loaded.dropped.sentence(split));
        }
        let scenes = Scenes::loaded(dataset, split, &loaded.entries, &loaded.samples)?;
        score(model, card, &scenes, &score_options)
    };
    let validation = match score_options.probabilities && dataset.entries_of(VALIDATION).is_ok() {
        true => Some(ValidationScores::new(score_split(VALIDATION)?)?),
        false => None,
    };
    let chosen = validation.as_ref().map(|scores| scores.choose(options.floor_margin));
    let bootstrap = Some(options.bootstrap);
    let splits = options.splits.iter().map(|split| match &validation {
        Some(scores) if split == VALIDATION => scores.scores().evaluation(chosen.as_ref(), bootstrap),
        _ => score_split(split)?.evaluation(chosen.as_ref(), bootstrap),
    });
    Ok(DatasetEvaluation {
        splits: splits.collect::<Result<_>>()?,
        chosen: chosen.clone(),
    })
}

/// Figures of scores that hold probabilities. If the scores are of the validation split, this also chooses on them.
///
/// # Errors
/// If the scores hold no probabilities to choose by.
pub fn figures_and_choices(scores: Scores, bootstrap: Bootstrap) -> Result<(Evaluation, Option<Chosen>)> {
    if scores.split() != VALIDATION {
        return Ok((scores.evaluation(None, Some(bootstrap))?, None));
    }
    let validation = ValidationScores::new(scores)?;
    let chosen = validation.choose(0.0);
    let evaluation = validation.scores().evaluation(Some(&chosen), Some(bootstrap))?;
    Ok((evaluation, Some(chosen)))
}
