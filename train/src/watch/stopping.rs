//! Which validation figure decides which weights are the best, and whether a run ends early.

use serde::{Deserialize, Serialize};

use super::event::{AuxiliaryScore, ClassScore, Validation};
use crate::error::{Result, bail, ensure};

/// Whether a higher or a lower figure is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Higher is better.
    Max,
    /// Lower is better.
    Min,
}

/// Early stopping.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StoppingSection {
    /// Figure by its dotted name, such as `mean_iou`, `recall.water`, `loss_training`.
    pub metric: String,
    /// The run ends after this many validations without improvement; 0 never ends it early.
    pub patience: usize,
    /// A figure must be better by more than this to count as improved.
    pub min_delta: f64,
    /// `max` or `min` [default: `min` for losses, `max` for the rest].
    pub mode: Option<Mode>,
}

impl Default for StoppingSection {
    fn default() -> Self {
        Self {
            metric: "mean_iou".to_owned(),
            patience: 0,
            min_delta: 0.0,
            mode: None,
        }
    }
}

/// Which weights of a run are its best.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BestSection {
    /// Figure by its dotted name.
    pub metric: String,
    /// Lowest mean IoU of weights that another figure chooses; 0 sets no bound.
    pub mean_iou_floor: f64,
}

impl Default for BestSection {
    fn default() -> Self {
        Self {
            metric: "mean_iou".to_owned(),
            mean_iou_floor: 0.0,
        }
    }
}

/// A figure of a validation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Metric {
    /// Mean IoU over all classes.
    MeanIou,
    /// Mean IoU over the labelled classes.
    MeanIouWithoutAbsent,
    /// Mean IoU over all classes but the dataset's background.
    MeanIouWithoutBackground,
    /// Training loss since the validation before.
    LossTraining,
    /// Mean recall of the labelled rare classes, main head.
    RareRecall,
    /// Mean IoU of the labelled rare classes, main head.
    RareIou,
    /// IoU of a class.
    Iou(String),
    /// Recall of a class.
    Recall(String),
    /// Precision of a class.
    Precision(String),
    /// 2 TP / (2 TP + FP + FN) of a class.
    F1(String),
    /// Recall of a rare class by the auxiliary head.
    AuxiliaryRecall(String),
    /// Average precision of a rare class by the auxiliary head.
    AuxiliaryAp(String),
}

impl Metric {
    /// All names, for a dataset's classes and rare classes.
    pub fn names(classes: &[String], rare: &[String]) -> Vec<String> {
        let mut names: Vec<String> = [
            "mean_iou",
            "mean_iou_without_absent",
            "mean_iou_without_background",
            "loss_training",
        ]
        .map(str::to_owned)
        .into();
        if !rare.is_empty() {
            names.extend(["rare_recall", "rare_iou"].map(str::to_owned));
        }
        for figure in ["iou", "recall", "precision", "f1"] {
            names.extend(classes.iter().map(|class| format!("{figure}.{class}")));
        }
        for figure in ["auxiliary_recall", "auxiliary_ap"] {
            names.extend(rare.iter().map(|class| format!("{figure}.{class}")));
        }
        names
    }

    /// The figure called `name`, the value of `key` in the recipe.
    ///
    /// # Errors
    /// If there is no such figure; the message lists those that there are.
    pub fn parse(key: &str, name: &str, classes: &[String], rare: &[String]) -> Result<Self> {
        let names = Self::names(classes, rare);
        ensure!(
            Recipe,
            names.iter().any(|known| known == name),
            "{key}: there is no figure {name:?}; the figures are {}",
            names.join(", ")
        );
        Ok(match name.split_once('.') {
            Some(("iou", class)) => Self::Iou(class.to_owned()),
            Some(("recall", class)) => Self::Recall(class.to_owned()),
            Some(("precision", class)) => Self::Precision(class.to_owned()),
            Some(("f1", class)) => Self::F1(class.to_owned()),
            Some(("auxiliary_ap", class)) => Self::AuxiliaryAp(class.to_owned()),
            Some(("auxiliary_recall", class)) => Self::AuxiliaryRecall(class.to_owned()),
            _ => match name {
                "mean_iou" => Self::MeanIou,
                "mean_iou_without_absent" => Self::MeanIouWithoutAbsent,
                "mean_iou_without_background" => Self::MeanIouWithoutBackground,
                "loss_training" => Self::LossTraining,
                "rare_recall" => Self::RareRecall,
                "rare_iou" => Self::RareIou,
                _ => bail!(Recipe, "{key}: {name:?} is not a figure"),
            },
        })
    }

    /// Its value; `None` if the ratio has no denominator, or if it was not measured.
    pub fn value(&self, validation: &Validation) -> Option<f64> {
        let class = |name: &str| -> Option<&ClassScore> { validation.classes.iter().find(|class| class.name == name) };
        let auxiliary =
            |name: &str| -> Option<&AuxiliaryScore> { validation.auxiliary.iter().find(|class| class.name == name) };
        match self {
            Self::MeanIou => validation.mean_iou,
            Self::MeanIouWithoutAbsent => validation.mean_iou_without_absent,
            Self::MeanIouWithoutBackground => validation.mean_iou_without_background,
            Self::LossTraining => validation.loss_training,
            Self::RareRecall => validation.rare_mean(|class| class.recall),
            Self::RareIou => validation.rare_mean(|class| class.iou),
            Self::Iou(name) => class(name)?.iou,
            Self::Recall(name) => class(name)?.recall,
            Self::Precision(name) => class(name)?.precision,
            Self::F1(name) => {
                let class = class(name)?;
                let (precision, recall) = (class.precision?, class.recall?);
                (precision + recall > 0.0).then(|| 2.0 * precision * recall / (precision + recall))
            }
            Self::AuxiliaryRecall(name) => auxiliary(name)?.recall,
            Self::AuxiliaryAp(name) => auxiliary(name)?.average_precision,
        }
    }

    /// Which way it improves.
    pub fn mode(&self) -> Mode {
        match self {
            Self::LossTraining => Mode::Min,
            _ => Mode::Max,
        }
    }
}

/// Counts validations without improvement.
#[derive(Debug, Clone)]
pub struct EarlyStopping {
    name: String,
    metric: Metric,
    patience: usize,
    min_delta: f64,
    mode: Mode,
    state: StoppingState,
}

/// What a checkpoint stores about early stopping.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct StoppingState {
    /// Best value so far.
    pub best: Option<f64>,
    /// Steps done when it was best.
    pub best_step: usize,
    /// Validations since the best.
    pub waited: usize,
}

impl EarlyStopping {
    /// Sets up the rule of the recipe's section, for a dataset's classes and rare classes.
    ///
    /// # Errors
    /// If the figure is unknown or `min_delta` is negative.
    pub fn new(section: &StoppingSection, classes: &[String], rare: &[String]) -> Result<Self> {
        let metric = Metric::parse("stopping.metric", &section.metric, classes, rare)?;
        ensure!(
            Recipe,
            section.min_delta >= 0.0 && section.min_delta.is_finite(),
            "stopping.min_delta must be 0 or more"
        );
        Ok(Self {
            name: section.metric.clone(),
            patience: section.patience,
            min_delta: section.min_delta,
            mode: section.mode.unwrap_or(metric.mode()),
            metric,
            state: StoppingState::default(),
        })
    }

    /// State for the checkpoint.
    pub fn state(&self) -> &StoppingState {
        &self.state
    }

    /// Restores the state from a checkpoint.
    pub fn restore(&mut self, state: StoppingState) {
        self.state = state;
    }

    /// Takes a validation into account; returns a sentence if the run should end. A missing figure is no improvement.
    pub fn observe(&mut self, validation: &Validation) -> Option<String> {
        let improved = self.metric.value(validation).filter(|value| {
            let gain = |best: f64| match self.mode {
                Mode::Max => value - best,
                Mode::Min => best - value,
            };
            // The first figure counts as an improvement, and so does any gain if `min_delta` is 0.
            value.is_finite() && self.state.best.is_none_or(|best| gain(best) > self.min_delta)
        });
        match improved {
            Some(value) => {
                self.state = StoppingState {
                    best: Some(value),
                    best_step: validation.step,
                    waited: 0,
                }
            }
            None => self.state.waited += 1,
        }
        self.verdict()
    }

    /// The sentence of [`EarlyStopping::observe`], if the run should end by what has been seen so far.
    pub fn verdict(&self) -> Option<String> {
        (self.patience > 0 && self.state.waited >= self.patience).then(|| {
            let best = self
                .state
                .best
                .map_or("never measured".to_owned(), |best| format!("{best:.4}"));
            format!(
                "{} has not improved by more than {} in {} validations; its best is {best}, at step {}",
                self.name, self.min_delta, self.state.waited, self.state.best_step
            )
        })
    }
}

/// Ranks validations, to choose the best weights.
#[derive(Debug, Clone)]
pub struct BestMetric {
    metric: Metric,
    mean_iou_floor: f64,
}

impl BestMetric {
    /// Sets up the ranking of the recipe's section, for a dataset's classes and rare classes.
    ///
    /// # Errors
    /// If the figure is unknown or the floor is not an IoU.
    pub fn new(section: &BestSection, classes: &[String], rare: &[String]) -> Result<Self> {
        ensure!(
            Recipe,
            (0.0..1.0).contains(&section.mean_iou_floor),
            "best.mean_iou_floor must be at least 0 and below 1"
        );
        Ok(Self {
            metric: Metric::parse("best.metric", &section.metric, classes, rare)?,
            mean_iou_floor: section.mean_iou_floor,
        })
    }

    /// A score to compare by `>`, lexicographically: any weights at or above the floor are better than all below it, which are ranked by
    /// mean IoU.
    pub fn score(&self, validation: &Validation) -> [f64; 2] {
        let value = self.metric.value(validation).filter(|value| value.is_finite());
        let Some(mean_iou) = validation.mean_iou else {
            // If nothing is labelled, no weights are better than others, so the newest are kept.
            return [-1.0, validation.step as f64];
        };
        if mean_iou < self.mean_iou_floor {
            return [0.0, mean_iou];
        }
        match (value, self.metric.mode()) {
            (Some(value), Mode::Max) => [1.0, value],
            (Some(value), Mode::Min) => [1.0, -value],
            // If it is not measured yet, or never, it is the worst of those above the floor.
            (None, _) => [1.0, f64::MIN],
        }
    }

    /// The index of the best, the first of equals; `None` if there are none.
    pub fn best(&self, validations: &[Validation]) -> Option<usize> {
        let mut best: Option<(usize, [f64; 2])> = None;
        for (index, validation) in validations.iter().enumerate() {
            let score = self.score(validation);
            if best.is_none_or(|(_, other)| score > other) {
                best = Some((index, score));
            }
        }
        best.map(|(index, _)| index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn validation(step: usize, mean_iou: f64, recall: Option<f64>) -> Validation {
        Validation {
            step,
            mean_iou: Some(mean_iou),
            loss_training: Some(1.0 - mean_iou),
            classes: vec![ClassScore {
                name: "water".into(),
                rare: true,
                pixels: 10,
                recall,
                ..ClassScore::default()
            }],
            ..Validation::default()
        }
    }

    fn stopping(metric: &str, patience: usize, min_delta: f64) -> EarlyStopping {
        let section = StoppingSection {
            metric: metric.into(),
            patience,
            min_delta,
            mode: None,
        };
        EarlyStopping::new(&section, &names(&["land", "water"]), &names(&["water"])).expect("valid")
    }

    #[test]
    fn an_unknown_figure_is_refused_with_those_that_there_are() {
        let section = StoppingSection {
            metric: "recall.wetlan".into(),
            ..StoppingSection::default()
        };
        let error = EarlyStopping::new(&section, &names(&["land", "wetland"]), &names(&["wetland"]))
            .expect_err("unknown")
            .to_string();
        assert!(
            error.contains("stopping.metric") && error.contains("recall.wetland"),
            "{error}"
        );
        for name in Metric::names(&names(&["land", "wetland"]), &names(&["wetland"])) {
            Metric::parse("best.metric", &name, &names(&["land", "wetland"]), &names(&["wetland"])).expect("listed");
        }
    }

    #[test]
    fn patience_counts_validations_without_enough_gain_and_survives_a_checkpoint() {
        let mut rule = stopping("mean_iou", 2, 0.01);
        assert_eq!(rule.observe(&validation(1, 0.30, None)), None);
        assert_eq!(
            rule.observe(&validation(2, 0.305, None)),
            None,
            "too small a gain: 1 of 2"
        );
        let text = serde_json::to_string(rule.state()).expect("JSON");
        let mut resumed = stopping("mean_iou", 2, 0.01);
        resumed.restore(serde_json::from_str(&text).expect("reads"));
        let reason = resumed.observe(&validation(3, 0.309, None)).expect("2 of 2");
        assert!(reason.contains("0.3000") && reason.contains("step 1"), "{reason}");
        assert_eq!(
            rule.observe(&validation(3, 0.32, None)),
            None,
            "a gain starts the count anew"
        );
        assert_eq!(rule.state().waited, 0);
    }

    #[test]
    fn losses_shall_fall_and_missing_figures_never_improve() {
        let mut rule = stopping("loss_training", 1, 0.0);
        assert_eq!(rule.observe(&validation(1, 0.1, None)), None);
        assert_eq!(rule.observe(&validation(2, 0.2, None)), None, "the loss fell");
        assert!(rule.observe(&validation(3, 0.1, None)).is_some());
        let mut rule = stopping("recall.water", 2, 0.0);
        assert_eq!(rule.observe(&validation(1, 0.1, None)), None);
        assert!(rule.observe(&validation(2, 0.1, None)).is_some());
    }

    #[test]
    fn the_floor_comes_before_rare_recall() {
        let section = BestSection {
            metric: "rare_recall".into(),
            mean_iou_floor: 0.3,
        };
        let best = BestMetric::new(&section, &names(&["water"]), &names(&["water"])).expect("valid");
        let mut run = vec![validation(1, 0.1, Some(0.99)), validation(2, 0.2, Some(0.1))];
        assert_eq!(best.best(&run), Some(1), "below the floor mean IoU decides");
        run.extend([
            validation(3, 0.3, Some(0.5)),
            validation(4, 0.4, Some(0.7)),
            validation(5, 0.5, Some(0.7)),
            validation(6, 0.6, None),
        ]);
        assert_eq!(best.best(&run), Some(3), "the first of equals");
        assert_eq!(best.best(&[]), None);
    }
}
