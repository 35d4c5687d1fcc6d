//! The figures of a split, as they are written.

use serde::Serialize;
use serde_json::{Value, json};

use super::score::ImageScore;
use crate::metrics::{ClassFigures, CurvePoint, Figures, Interval, ReliabilityBin};

/// How many resamples intervals are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bootstrap {
    /// Resamples of the places.
    pub resamples: usize,
    /// Of the draws.
    pub seed: u64,
}

/// The main head's argmax, the auxiliary head, and the mask made of both.
#[derive(Debug, Clone, Serialize)]
pub struct Evaluation {
    /// The split.
    pub split: String,
    /// Auxiliary probability from which a pixel takes a rare class.
    pub threshold: f32,
    /// Whether logits are the average over flips.
    pub flips: bool,
    /// Images.
    pub images: usize,
    /// Places they are of.
    pub places: usize,
    /// Of the argmax alone.
    #[serde(flatten)]
    pub figures: Figures,
    /// The auxiliary head at its threshold, per rare class.
    pub rare: Vec<ClassFigures>,
    /// Of the mask as the page draws it.
    pub with_threshold: Figures,
    /// Where probabilities were counted.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub details: Option<Details>,
    /// Intervals by place, where they were asked for and there are at least two places.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub intervals: Option<Intervals>,
    /// What the values chosen on the validation split give here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_chosen: Option<AtChosen>,
    /// The images with most wrong rare pixels.
    pub worst_images: Vec<ImageScore>,
}

/// What only probabilities tell.
#[derive(Debug, Clone, Serialize)]
pub struct Details {
    /// Precision and recall of each rare class at every threshold.
    pub curves: Vec<RareCurves>,
    /// The mask at each threshold, all rare classes selected; empty without an auxiliary head.
    pub mask_sweep: Vec<MaskPoint>,
    /// Whether probabilities mean what they say.
    pub calibration: Calibration,
}

/// Both heads on one rare class.
#[derive(Debug, Clone, Serialize)]
pub struct RareCurves {
    /// The class.
    pub name: String,
    /// Sigmoid of the auxiliary head; `None` where it has no channel for the class.
    pub auxiliary: Option<HeadCurve>,
    /// Softmax of the main head.
    pub main: HeadCurve,
}

/// A head's probability of a class at every threshold.
#[derive(Debug, Clone, Serialize)]
pub struct HeadCurve {
    /// `sum_n (R_n - R_(n-1)) P_n`; `None` without a pixel of the class.
    pub average_precision: Option<f64>,
    /// Mean and standard deviation of the probability over the scored pixels.
    pub mean_probability: f64,
    /// See [`HeadCurve::mean_probability`].
    pub probability_deviation: f64,
    /// At 25, 50 and 75 %.
    pub sweep: Vec<AtThreshold>,
    /// Of the whole curve, evenly along the recall.
    pub curve: Vec<CurvePoint>,
}

/// A yes-or-no decision.
#[derive(Debug, Clone, Serialize)]
pub struct AtThreshold {
    /// Least probability that counts as the class.
    pub threshold: f32,
    /// What it gives.
    #[serde(flatten)]
    pub figures: ClassFigures,
}

/// The mask at one threshold.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct MaskPoint {
    /// 1 is the main head alone.
    pub threshold: f32,
    /// Over all classes.
    pub mean_iou: f64,
    /// Over the classes that are labelled.
    pub mean_iou_without_absent: f64,
    /// Over the rare classes that are labelled.
    pub mean_rare_recall: Option<f64>,
}

/// Expected calibration errors.
#[derive(Debug, Clone, Serialize)]
pub struct Calibration {
    /// Of the main head's choice (Guo et al. 2017).
    pub choice: ClassCalibration,
    /// Of the main head's probability of each class (Nixon et al. 2019).
    pub classes: Vec<ClassCalibration>,
    /// Of the auxiliary head's channels.
    pub auxiliary: Vec<ClassCalibration>,
    /// Mean over `classes`.
    pub classwise_ece: Option<f64>,
    /// The same, with the temperature that was fitted on the validation split.
    pub classwise_ece_scaled: Option<f64>,
    /// Pixels, drawn evenly from the split, that the scaled figures are of; all others are of all pixels.
    pub scaled_pixels: usize,
}

/// Calibration of one probability.
#[derive(Debug, Clone, Serialize)]
pub struct ClassCalibration {
    /// The class.
    pub name: String,
    /// As the network is.
    pub ece: Option<f64>,
    /// With the temperature that was fitted on the validation split.
    pub ece_scaled: Option<f64>,
    /// Reliability diagram.
    pub bins: Vec<ReliabilityBin>,
    /// With the temperature.
    pub bins_scaled: Vec<ReliabilityBin>,
}

/// 95 % intervals under resampling of places.
#[derive(Debug, Clone, Serialize)]
pub struct Intervals {
    /// Places that were resampled.
    pub places: usize,
    /// How often.
    pub resamples: usize,
    /// Of the draws.
    pub seed: u64,
    /// Of the argmax.
    pub main: FigureIntervals,
    /// Of the mask as the page draws it.
    pub with_threshold: FigureIntervals,
    /// Of the auxiliary head.
    pub rare: Vec<ClassIntervals>,
}

/// Of the means and of each class.
#[derive(Debug, Clone, Serialize)]
pub struct FigureIntervals {
    /// Over all classes.
    pub mean_iou: Option<Interval>,
    /// Over the classes that are labelled.
    pub mean_iou_without_absent: Option<Interval>,
    /// Over the rare classes that are labelled.
    pub mean_rare_recall: Option<Interval>,
    /// Per class.
    pub classes: Vec<ClassIntervals>,
}

/// Of one class.
#[derive(Debug, Clone, Serialize)]
pub struct ClassIntervals {
    /// The class.
    pub name: String,
    /// TP / (TP + FP + FN)
    pub iou: Option<Interval>,
    /// TP / (TP + FP)
    pub precision: Option<Interval>,
    /// TP / (TP + FN)
    pub recall: Option<Interval>,
    /// 2 TP / (2 TP + FP + FN)
    pub f1: Option<Interval>,
}

/// What was chosen on the validation split, applied unchanged to the split that is reported.
#[derive(Debug, Clone, Serialize)]
pub struct AtChosen {
    /// True where the reported split is the one that the choices were made on: its figures are then too good.
    pub chosen_on_this_split: bool,
    /// The mask with one threshold for all rare classes.
    pub mask: Option<MaskAtChosen>,
    /// Per channel of the auxiliary head.
    pub rare: Vec<RareAtChosen>,
}

/// The mask at the thresholds of [`super::choose::ChosenMask`].
#[derive(Debug, Clone, Copy, Serialize)]
pub struct MaskAtChosen {
    /// With the threshold of the greatest mean IoU.
    pub best_mean_iou: MaskPoint,
    /// With the threshold of the greatest rare recall at the floor.
    pub most_rare_recall: MaskPoint,
}

/// A rare class at the thresholds of [`super::choose::ChosenRare`].
#[derive(Debug, Clone, Serialize)]
pub struct RareAtChosen {
    /// The class.
    pub name: String,
    /// The channel alone.
    pub best_f1: Option<AtThreshold>,
    /// The channel alone.
    pub best_iou: Option<AtThreshold>,
    /// The class in the mask, no other rare class selected.
    pub recall_at_floor: AtThreshold,
    /// The whole mask at that threshold.
    pub mask_at_floor: MaskPoint,
}

impl Evaluation {
    /// The figures that a model's card has room for.
    pub fn summary(&self) -> Value {
        let precisions = self.details.iter().flat_map(|details| &details.curves).map(|curve| {
            let of = |head: &HeadCurve| head.average_precision;
            json!({ "name": curve.name, "auxiliary": curve.auxiliary.as_ref().and_then(of), "main": of(&curve.main) })
        });
        let precisions: Vec<Value> = precisions.collect();
        let errors = self.details.as_ref().map(|details| {
            let of = |classes: &[ClassCalibration]| -> Vec<Value> {
                let one = |class: &ClassCalibration| json!({ "name": class.name, "ece": class.ece, "ece_scaled": class.ece_scaled });
                classes.iter().map(one).collect()
            };
            let calibration = &details.calibration;
            json!({
                "classwise_ece": calibration.classwise_ece,
                "classwise_ece_scaled": calibration.classwise_ece_scaled,
                "classes": of(&calibration.classes),
                "auxiliary": of(&calibration.auxiliary),
            })
        });
        json!({
            "mean_iou": self.figures.mean_iou,
            "mean_rare_recall": self.figures.mean_rare_recall,
            "pixels": self.figures.pixels,
            "places": self.places,
            "classes": self.figures.classes,
            "rare_head": self.rare,
            "mean_iou_with_threshold": self.with_threshold.mean_iou,
            "mean_rare_recall_with_threshold": self.with_threshold.mean_rare_recall,
            "average_precision": precisions,
            "calibration": errors,
            "intervals": self.intervals,
        })
    }
}
