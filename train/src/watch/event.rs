//! What happens in a run, as it is logged: one JSON object per line of `log.jsonl`, told apart by `event`.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::evaluate::Evaluation;
use crate::metrics::ClassFigures;

/// Something worth logging.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum RunEvent {
    /// The run begins or continues.
    Start(Start),
    /// An optimizer step is done.
    Step(Step),
    /// A pass over the training split is done.
    Epoch(Epoch),
    /// The validation split was evaluated.
    Validation(Validation),
    /// Pictures of validation images were written.
    Samples(Samples),
    /// The saliency maps that guide the sampling were refreshed.
    SaliencyRefresh(SaliencyRefresh),
    /// Something that a person should look at.
    Finding(Finding),
    /// The run ended before its last step.
    Stopped(Stopped),
    /// The run reached its last step.
    Done(Done),
}

/// What a run is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Start {
    /// Steps already done: 0, or where the run continues. Logged steps after it are superseded.
    pub step: usize,
    /// Steps of the whole run.
    pub total_steps: usize,
    /// Name in the recipe.
    pub name: String,
    /// Number of trainable parameters.
    pub parameters: usize,
    /// Device it runs on.
    pub device: String,
    /// Seed of the run.
    pub seed: u64,
    /// Version of raremap.
    pub raremap: String,
    /// Version of burn.
    pub burn: Option<String>,
    /// Validation images whose content is also found in the training split, if that was looked for.
    pub shared_content: Option<usize>,
}

/// One optimizer step.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Step {
    /// Steps done, this one included.
    pub step: usize,
    /// Epoch it belongs to, from 1.
    pub epoch: usize,
    /// The whole loss.
    #[serde(with = "number")]
    pub loss: f64,
    /// Loss of the main head.
    #[serde(with = "number")]
    pub loss_main: f64,
    /// Loss of the auxiliary head, if there is one.
    #[serde(with = "optional_number")]
    pub loss_auxiliary: Option<f64>,
    /// Parts of the main loss, by name, unweighted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub terms: Vec<(String, f64)>,
    /// Learning rate, without the heads' factor.
    pub learning_rate: f64,
    /// Joint L2 norm of the gradients before clipping.
    #[serde(with = "optional_number")]
    pub gradient_norm: Option<f64>,
    /// Wall time of the step, including waiting.
    pub secs: f64,
    /// Part of it in which the device waited for data.
    pub data_wait_secs: f64,
}

/// One pass over the training split.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Epoch {
    /// From 1.
    pub epoch: usize,
    /// Steps done.
    pub step: usize,
    /// Loss of its last step.
    #[serde(with = "number")]
    pub loss: f64,
    /// Loss of the main head.
    #[serde(with = "number")]
    pub loss_main: f64,
    /// Loss of the auxiliary head, if there is one.
    #[serde(with = "optional_number")]
    pub loss_auxiliary: Option<f64>,
    /// Learning rate of the last step.
    pub learning_rate: f64,
    /// Mean wall time of the steps of all parts of the run, including saliency maps.
    pub secs_per_step: f64,
}

/// Figures on the validation split.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Validation {
    /// From 1.
    pub epoch: usize,
    /// Steps done.
    pub step: usize,
    /// Mean IoU over all classes; `None` if no pixel is labelled.
    pub mean_iou: Option<f64>,
    /// Mean IoU over the labelled classes; `None` if there are none.
    pub mean_iou_without_absent: Option<f64>,
    /// Mean IoU over all classes but the dataset's background, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mean_iou_without_background: Option<f64>,
    /// Figures of the main head, in card order.
    pub classes: Vec<ClassScore>,
    /// Figures of the auxiliary head, per rare class.
    pub auxiliary: Vec<AuxiliaryScore>,
    /// Mean training loss since the validation before.
    #[serde(with = "optional_number", skip_serializing_if = "Option::is_none")]
    pub loss_training: Option<f64>,
    /// Mean IoU of the labelled classes on a few scenes of the training split.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mean_iou_training: Option<f64>,
    /// All figures of the main head, for other programs.
    pub figures: Value,
}

/// A class by the main head's argmax; `None` if a ratio has no denominator.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClassScore {
    /// Class name.
    pub name: String,
    /// Whether it is a rare class.
    pub rare: bool,
    /// Pixels in the labels.
    pub pixels: u64,
    /// TP / (TP + FP + FN)
    pub iou: Option<f64>,
    /// TP / (TP + FN)
    pub recall: Option<f64>,
    /// TP / (TP + FP)
    pub precision: Option<f64>,
}

/// A rare class by the auxiliary head.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AuxiliaryScore {
    /// Class name.
    pub name: String,
    /// Pixels in the labels.
    pub pixels: u64,
    /// Recall at the threshold of the page.
    pub recall: Option<f64>,
    /// Precision at the threshold of the page.
    pub precision: Option<f64>,
    /// Area under the precision-recall curve.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub average_precision: Option<f64>,
    /// Mean probability over the scored pixels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mean_probability: Option<f64>,
    /// Standard deviation of the probability over the scored pixels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probability_deviation: Option<f64>,
}

/// Pictures of some validation images.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Samples {
    /// From 1.
    pub epoch: usize,
    /// Steps done.
    pub step: usize,
    /// One per image.
    pub samples: Vec<SampleFiles>,
}

/// PNG files of one image, relative to the run's folder.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SampleFiles {
    /// The image's name.
    pub name: String,
    /// The bands as a picture.
    pub input: PathBuf,
    /// The mask.
    pub label: PathBuf,
    /// What the model predicts.
    pub prediction: PathBuf,
    /// Where the model suspects rare classes, if it has an auxiliary head.
    pub saliency: Option<PathBuf>,
}

/// A refresh of the saliency maps.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SaliencyRefresh {
    /// Steps done.
    pub step: usize,
    /// Wall time.
    pub secs: f64,
    /// Scenes whose map was made.
    pub scenes: usize,
    /// Share of rare-class pixels in the regions that crops are guided to.
    pub rare_share: Option<f64>,
}

/// The kind of problem that a finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingKind {
    /// Training gets better while validation gets worse.
    Overfitting,
    /// Mean IoU rises at a rare class's cost.
    RareRecallFalls,
    /// Nothing gets better any more.
    Plateau,
    /// Loss or gradients explode.
    Divergence,
    /// The auxiliary head gives every pixel the same answer.
    DeadAuxiliaryHead,
    /// Validation is easier than it can be.
    LeakingSplit,
    /// The device waits for data.
    DataStarvation,
}

impl FindingKind {
    /// Title for people.
    pub fn title(self) -> &'static str {
        match self {
            Self::Overfitting => "Overfitting",
            Self::RareRecallFalls => "Rare recall falls while mean IoU rises",
            Self::Plateau => "Plateau",
            Self::Divergence => "Divergence",
            Self::DeadAuxiliaryHead => "Dead auxiliary head",
            Self::LeakingSplit => "Leaking split",
            Self::DataStarvation => "Data starvation",
        }
    }
}

/// Something that a person should look at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Steps done when it was first seen.
    pub step: usize,
    /// Kind of problem.
    pub kind: FindingKind,
    /// The figures that show it.
    pub seen: String,
    /// What to do.
    pub advice: String,
}

/// An early end.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Stopped {
    /// Steps done.
    pub step: usize,
    /// Why, such as `interrupted` or early stopping's sentence.
    pub reason: String,
}

/// The end of a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Done {
    /// Steps done.
    pub step: usize,
    /// Mean IoU of the best weights.
    pub best_mean_iou: Option<f64>,
}

impl Validation {
    /// Builds the event from an evaluation; `rare` are the indices of the rare classes. The optional figures are left out.
    ///
    /// # Errors
    /// If the evaluation is not JSON.
    pub fn of(epoch: usize, step: usize, evaluation: &Evaluation, rare: &[usize]) -> serde_json::Result<Self> {
        let class = |(index, figures): (usize, &ClassFigures)| ClassScore {
            name: figures.name.clone(),
            rare: rare.contains(&index),
            pixels: figures.pixels,
            iou: figures.iou,
            recall: figures.recall,
            precision: figures.precision,
        };
        let curves = evaluation.details.as_ref().map(|details| &details.curves);
        let auxiliary = |figures: &ClassFigures| {
            let curve = curves.and_then(|curves| curves.iter().find(|curve| curve.name == figures.name));
            let head = curve.and_then(|curve| curve.auxiliary.as_ref());
            AuxiliaryScore {
                name: figures.name.clone(),
                pixels: figures.pixels,
                recall: figures.recall,
                precision: figures.precision,
                average_precision: head.and_then(|head| head.average_precision),
                mean_probability: head.map(|head| head.mean_probability),
                probability_deviation: head.map(|head| head.probability_deviation),
            }
        };
        Ok(Self {
            epoch,
            step,
            mean_iou: evaluation.figures.mean_iou,
            mean_iou_without_absent: evaluation.figures.mean_iou_without_absent,
            mean_iou_without_background: evaluation.figures.mean_iou_without_background,
            classes: evaluation.figures.classes.iter().enumerate().map(class).collect(),
            auxiliary: evaluation.rare.iter().map(auxiliary).collect(),
            figures: serde_json::to_value(&evaluation.figures)?,
            ..Self::default()
        })
    }

    /// Mean over the rare classes that are labelled; a class without the figure counts as 0. `None` if there are none.
    pub fn rare_mean(&self, figure: impl Fn(&ClassScore) -> Option<f64>) -> Option<f64> {
        let labelled: Vec<f64> = self
            .classes
            .iter()
            .filter(|class| class.rare && class.pixels > 0)
            .map(|class| figure(class).unwrap_or(0.0))
            .collect();
        (!labelled.is_empty()).then(|| labelled.iter().sum::<f64>() / labelled.len() as f64)
    }
}

/// JSON has no NaN and no infinity, and a log has to show them, so they are written as text.
mod optional_number {
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    #[derive(Serialize, Deserialize)]
    #[serde(untagged)]
    enum Number {
        Finite(f64),
        Text(String),
    }

    pub(super) fn serialize<S: Serializer>(value: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
        value
            .map(|value| match value.is_finite() {
                true => Number::Finite(value),
                false => Number::Text(value.to_string()),
            })
            .serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
        Ok(match Option::<Number>::deserialize(deserializer)? {
            None => None,
            Some(Number::Finite(value)) => Some(value),
            Some(Number::Text(text)) => Some(text.parse().map_err(D::Error::custom)?),
        })
    }
}

/// As [`optional_number`], for a number that is always there.
mod number {
    use serde::{Deserializer, Serializer};

    use super::optional_number;

    pub(super) fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        optional_number::serialize(&Some(*value), serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        Ok(optional_number::deserialize(deserializer)?.unwrap_or(f64::NAN))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_survive_the_log_not_finite_losses_included() {
        let step = |loss, gradient_norm| {
            RunEvent::Step(Step {
                step: 3,
                loss,
                gradient_norm,
                terms: vec![("dice".into(), 0.5)],
                ..Step::default()
            })
        };
        let event = step(0.1, Some(f64::INFINITY));
        let text = serde_json::to_string(&event).expect("JSON");
        assert!(
            text.contains(r#""event":"step""#) && text.contains(r#""gradient_norm":"inf""#),
            "{text}"
        );
        assert_eq!(serde_json::from_str::<RunEvent>(&text).expect("reads"), event);
        let text = serde_json::to_string(&step(f64::NAN, None)).expect("JSON");
        match serde_json::from_str(&text).expect("reads") {
            RunEvent::Step(step) => assert!(step.loss.is_nan() && step.gradient_norm.is_none()),
            other => panic!("{other:?}"),
        }
    }
}
