//! The figures of a split, in the form in which they are written.

use raremap_infer::Matching;
use serde::Serialize;
use serde_json::{Value, json};

use super::indices::WaterIndex;
use super::score::ImageScore;
use crate::metrics::{ClassFigures, CurvePoint, Figures, Interval, ReliabilityBin};

/// How many resamples the intervals come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bootstrap {
    /// Number of resamples of the places.
    pub resamples: usize,
    /// Seed of the draws.
    pub seed: u64,
}

/// Figures of the main head's argmax, of the auxiliary head, and of the mask made from both.
#[derive(Debug, Clone, Serialize)]
pub struct Evaluation {
    /// Name of the split.
    pub split: String,
    /// Auxiliary probability from which a pixel takes a rare class.
    pub threshold: f32,
    /// Whether logits are averaged over flips.
    pub flips: bool,
    /// Number of images.
    pub images: usize,
    /// Number of places that they show.
    pub places: usize,
    /// Figures of the argmax alone.
    #[serde(flatten)]
    pub figures: Figures,
    /// Figures of the auxiliary head at its threshold, per rare class.
    pub rare: Vec<ClassFigures>,
    /// Figures of the mask as the page draws it.
    pub with_threshold: Figures,
    /// What the probabilities tell, if they were counted.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub details: Option<Details>,
    /// Intervals by place, if they were asked for and there are at least two places.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub intervals: Option<Intervals>,
    /// What the values that were chosen on the validation split give here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_chosen: Option<AtChosen>,
    /// Scores of water indices on the same pixels, if the dataset has their bands.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub water_indices: Vec<WaterIndex>,
    /// How the values were converted to those of training, if they differ for a known reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub matched: Option<Matching>,
    /// The images with the most wrong rare pixels.
    pub worst_images: Vec<ImageScore>,
}

/// Figures that need probabilities.
#[derive(Debug, Clone, Serialize)]
pub struct Details {
    /// Precision and recall of each rare class at every threshold.
    pub curves: Vec<RareCurves>,
    /// The mask at each threshold, all rare classes selected; empty without an auxiliary head.
    pub mask_sweep: Vec<MaskPoint>,
    /// How well the probabilities are calibrated.
    pub calibration: Calibration,
}

/// Both heads on one rare class.
#[derive(Debug, Clone, Serialize)]
pub struct RareCurves {
    /// The class.
    pub name: String,
    /// Curve of the auxiliary head's sigmoid; `None` if it has no channel for the class.
    pub auxiliary: Option<HeadCurve>,
    /// Curve of the main head's softmax.
    pub main: HeadCurve,
}

/// A head's probability of a class at every threshold.
#[derive(Debug, Clone, Serialize)]
pub struct HeadCurve {
    /// Average precision, `sum_n (R_n - R_(n-1)) P_n`; `None` without a pixel of the class.
    pub average_precision: Option<f64>,
    /// Mean of the probability over the scored pixels; see [`HeadCurve::probability_deviation`].
    pub mean_probability: f64,
    /// Standard deviation of the probability over the scored pixels.
    pub probability_deviation: f64,
    /// Points at 25, 50 and 75 %.
    pub sweep: Vec<AtThreshold>,
    /// Points of the whole curve, evenly spaced along the recall.
    pub curve: Vec<CurvePoint>,
}

/// A yes-or-no decision.
#[derive(Debug, Clone, Serialize)]
pub struct AtThreshold {
    /// Lowest probability that counts as the class.
    pub threshold: f32,
    /// The figures at that threshold.
    #[serde(flatten)]
    pub figures: ClassFigures,
}

/// The mask at one threshold.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct MaskPoint {
    /// The threshold; 1 is the main head alone.
    pub threshold: f32,
    /// Mean IoU over all classes.
    pub mean_iou: Option<f64>,
    /// Mean IoU over the classes that are labelled.
    pub mean_iou_without_absent: Option<f64>,
    /// Mean recall over the rare classes that are labelled.
    pub mean_rare_recall: Option<f64>,
}

/// Expected calibration errors.
#[derive(Debug, Clone, Serialize)]
pub struct Calibration {
    /// Error of the main head's choice (Guo et al. 2017).
    pub choice: ClassCalibration,
    /// Error of the main head's probability of each class (Nixon et al. 2019).
    pub classes: Vec<ClassCalibration>,
    /// Error of the auxiliary head's channels.
    pub auxiliary: Vec<ClassCalibration>,
    /// Mean over `classes`.
    pub classwise_ece: Option<f64>,
    /// The same, with the temperature that was fitted on the validation split.
    pub classwise_ece_scaled: Option<f64>,
    /// Number of pixels, drawn evenly from the split, that the scaled figures come from; all other figures come from all pixels.
    pub scaled_pixels: usize,
}

/// Calibration of one probability.
#[derive(Debug, Clone, Serialize)]
pub struct ClassCalibration {
    /// The class.
    pub name: String,
    /// Error of the network as it is.
    pub ece: Option<f64>,
    /// Error with the temperature that was fitted on the validation split.
    pub ece_scaled: Option<f64>,
    /// Reliability diagram.
    pub bins: Vec<ReliabilityBin>,
    /// Reliability diagram with the temperature.
    pub bins_scaled: Vec<ReliabilityBin>,
}

/// 95 % intervals under resampling of places.
#[derive(Debug, Clone, Serialize)]
pub struct Intervals {
    /// Number of places that were resampled.
    pub places: usize,
    /// Number of resamples.
    pub resamples: usize,
    /// Seed of the draws.
    pub seed: u64,
    /// Intervals of the argmax.
    pub main: FigureIntervals,
    /// Intervals of the mask as the page draws it.
    pub with_threshold: FigureIntervals,
    /// Intervals of the auxiliary head.
    pub rare: Vec<ClassIntervals>,
}

/// Intervals of the means and of each class.
#[derive(Debug, Clone, Serialize)]
pub struct FigureIntervals {
    /// Mean IoU over all classes.
    pub mean_iou: Option<Interval>,
    /// Mean IoU over the classes that are labelled.
    pub mean_iou_without_absent: Option<Interval>,
    /// Mean recall over the rare classes that are labelled.
    pub mean_rare_recall: Option<Interval>,
    /// Per class.
    pub classes: Vec<ClassIntervals>,
}

/// Intervals of one class.
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
    /// Whether the reported split is the one on which the choices were made; its figures are then too good.
    pub chosen_on_this_split: bool,
    /// The mask with one threshold for all rare classes.
    pub mask: Option<MaskAtChosen>,
    /// Figures per channel of the auxiliary head.
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
    /// The channel alone, at the threshold for F1.
    pub best_f1: Option<AtThreshold>,
    /// The channel alone, at the threshold for IoU.
    pub best_iou: Option<AtThreshold>,
    /// The class in the mask, with no other rare class selected.
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
