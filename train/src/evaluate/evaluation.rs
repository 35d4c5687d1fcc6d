//! The figures of a split, made of what a pass has counted.

use anyhow::{Result, ensure};
use raremap_infer::sigmoid;
use serde::Serialize;
use serde_json::{Value, json};

use super::choose::Chosen;
use super::score::{ImageScore, PlaceCounts, Probabilities, Scores, softmax_into};
use super::sweep::{STEPS, Selection};
use crate::metrics::{
    ClassFigures, CurvePoint, Figures, Interval, Reliability, ReliabilityBin, ScoreHistogram, TemperatureFit,
    resample_places,
};

/// Thresholds of the auxiliary head that are always shown.
const SWEEP: [f32; 3] = [0.25, 0.5, 0.75];
/// Points of a curve that is kept for drawing.
const CURVE_POINTS: usize = 200;
/// Images that are named as the worst.
const WORST_IMAGES: usize = 8;

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

impl Scores {
    /// The figures of the split.
    ///
    /// # Errors
    /// Where `chosen` is of another model, or of logits that were averaged otherwise.
    pub fn evaluation(&self, chosen: Option<&Chosen>, bootstrap: Option<Bootstrap>) -> Result<Evaluation> {
        let total = self.total();
        Ok(Evaluation {
            split: self.split.clone(),
            threshold: self.options.threshold,
            flips: self.options.flips,
            images: self.images.len(),
            places: self.places.len(),
            figures: total.argmax.figures(&self.names, &self.roles),
            rare: self.rare_figures(&total),
            with_threshold: total.drawn.figures(&self.names, &self.roles),
            details: self.probabilities.as_ref().map(|all| self.details(all, chosen)),
            intervals: bootstrap.and_then(|bootstrap| self.intervals(bootstrap)),
            at_chosen: chosen.map(|chosen| self.at_chosen(chosen)).transpose()?,
            worst_images: self.worst_images(WORST_IMAGES).into_iter().cloned().collect(),
        })
    }

    fn rare_figures(&self, counts: &PlaceCounts) -> Vec<ClassFigures> {
        let pairs = self.auxiliary.iter().zip(&counts.rare);
        pairs
            .map(|(&class, binary)| binary.figures(&self.names[class]))
            .collect()
    }

    fn details(&self, all: &Probabilities, chosen: Option<&Chosen>) -> Details {
        let curves = self.roles.rare.iter().zip(&all.main).map(|(&class, main)| {
            let channel = self.auxiliary.iter().position(|of| *of == class);
            RareCurves {
                name: self.names[class].clone(),
                auxiliary: channel.map(|channel| head_curve(&all.auxiliary[channel], &self.names[class])),
                main: head_curve(main, &self.names[class]),
            }
        });
        Details {
            curves: curves.collect(),
            mask_sweep: (1..=STEPS)
                .filter_map(|step| self.mask_point(step, Selection::All))
                .collect(),
            calibration: self.calibration(all, chosen),
        }
    }

    fn mask_point(&self, step: usize, selection: Selection) -> Option<MaskPoint> {
        let figures = self.mask_figures(step, selection)?;
        Some(MaskPoint {
            threshold: step as f32 / STEPS as f32,
            mean_iou: figures.mean_iou,
            mean_iou_without_absent: figures.mean_iou_without_absent,
            mean_rare_recall: figures.mean_rare_recall,
        })
    }

    fn calibration(&self, all: &Probabilities, chosen: Option<&Chosen>) -> Calibration {
        let scaled = chosen.map(|chosen| self.scaled(all, chosen));
        let nothing = Reliability::default();
        let classes = self
            .names
            .iter()
            .zip(&all.reliability)
            .enumerate()
            .map(|(class, (name, plain))| {
                let scaled = scaled.as_ref().map_or(&nothing, |scaled| &scaled.classes[class]);
                class_calibration(name, plain, scaled)
            });
        let auxiliary = self.auxiliary.iter().zip(&all.auxiliary).enumerate();
        let auxiliary = auxiliary.map(|(channel, (&class, histogram))| {
            let scaled = scaled.as_ref().map_or(&nothing, |scaled| &scaled.auxiliary[channel]);
            class_calibration(&self.names[class], &histogram.reliability(), scaled)
        });
        let mean = |values: Vec<f64>| (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64);
        let classes: Vec<_> = classes.collect();
        Calibration {
            choice: class_calibration(
                "any",
                &all.choice,
                scaled.as_ref().map_or(&nothing, |scaled| &scaled.choice),
            ),
            auxiliary: auxiliary.collect(),
            classwise_ece: mean(classes.iter().filter_map(|class| class.ece).collect()),
            classwise_ece_scaled: mean(classes.iter().filter_map(|class| class.ece_scaled).collect()),
            classes,
            scaled_pixels: scaled.as_ref().map_or(0, |_| all.sample.pixels()),
        }
    }

    /// Reliability of the sampled pixels with the chosen temperatures.
    fn scaled(&self, all: &Probabilities, chosen: &Chosen) -> Scaled {
        let classes = self.names.len();
        let mut scaled = Scaled {
            classes: vec![Reliability::default(); classes],
            choice: Reliability::default(),
            auxiliary: vec![Reliability::default(); self.auxiliary.len()],
        };
        let of = |fit: Option<TemperatureFit>| fit.map_or(1.0, |fit| fit.temperature) as f32;
        let temperature = of(chosen.temperature);
        let temperatures: Vec<f32> = chosen.rare.iter().map(|rare| of(rare.temperature)).collect();
        let (mut divided, mut softmax) = (vec![0.0; classes], vec![0.0; classes]);
        for (logits, label) in all.sample.iter() {
            let (main, auxiliary) = logits.split_at(classes);
            let truth = |class: usize| u64::from(usize::from(label) == class);
            divided
                .iter_mut()
                .zip(main)
                .for_each(|(divided, logit)| *divided = logit / temperature);
            softmax_into(&divided, &mut softmax);
            for (class, (reliability, &p)) in scaled.classes.iter_mut().zip(&softmax).enumerate() {
                reliability.add(f64::from(p), 1, truth(class));
            }
            let higher = |best: (usize, f32), (class, &p): (usize, &f32)| if p > best.1 { (class, p) } else { best };
            let (choice, p) = softmax.iter().enumerate().fold((0, f32::NEG_INFINITY), higher);
            scaled.choice.add(f64::from(p), 1, truth(choice));
            let channels = scaled.auxiliary.iter_mut().zip(&self.auxiliary);
            for ((reliability, &class), (logit, temperature)) in channels.zip(auxiliary.iter().zip(&temperatures)) {
                reliability.add(f64::from(sigmoid(logit / temperature)), 1, truth(class));
            }
        }
        scaled
    }

    fn at_chosen(&self, chosen: &Chosen) -> Result<AtChosen> {
        ensure!(
            chosen.rare.len() == self.auxiliary.len() && chosen.flips() == self.options.flips,
            "thresholds were chosen for another model, or with other flips"
        );
        let at_step = |threshold: f32, selection| self.mask_point(step_of(threshold), selection);
        let mask = chosen.mask.and_then(|mask| {
            Some(MaskAtChosen {
                best_mean_iou: at_step(mask.best_mean_iou, Selection::All)?,
                most_rare_recall: at_step(mask.most_rare_recall, Selection::All)?,
            })
        });
        let rare = chosen.rare.iter().enumerate().filter_map(|(channel, rare)| {
            let histogram = self.probabilities.as_ref()?.auxiliary.get(channel)?;
            let alone =
                |threshold: Option<f32>| threshold.map(|threshold| at_threshold(histogram, threshold, &rare.name));
            let selection = Selection::Channel(channel);
            let mut figures = self.mask_figures(step_of(rare.recall_at_floor), selection)?;
            Some(RareAtChosen {
                name: rare.name.clone(),
                best_f1: alone(rare.best_f1),
                best_iou: alone(rare.best_iou),
                recall_at_floor: AtThreshold {
                    threshold: rare.recall_at_floor,
                    figures: figures.classes.swap_remove(self.auxiliary[channel]),
                },
                mask_at_floor: at_step(rare.recall_at_floor, selection)?,
            })
        });
        Ok(AtChosen {
            chosen_on_this_split: chosen.split() == self.split,
            mask,
            rare: rare.collect(),
        })
    }

    fn intervals(&self, bootstrap: Bootstrap) -> Option<Intervals> {
        let places = self.places.len();
        let Bootstrap { resamples, seed } = bootstrap;
        if places < 2 || resamples == 0 {
            return None;
        }
        let statistics = |times: &[u64]| {
            let counts = self.resampled(times);
            let of_classes = |classes: &[ClassFigures]| -> Vec<Option<f64>> {
                classes
                    .iter()
                    .flat_map(|class| [class.iou, class.precision, class.recall, class.f1])
                    .collect()
            };
            let mut all = Vec::new();
            for confusion in [&counts.argmax, &counts.drawn] {
                let figures = confusion.figures(&self.names, &self.roles);
                all.extend([
                    Some(figures.mean_iou),
                    Some(figures.mean_iou_without_absent),
                    figures.mean_rare_recall,
                ]);
                all.extend(of_classes(&figures.classes));
            }
            all.extend(of_classes(&self.rare_figures(&counts)));
            all
        };
        // In the order in which they were given above.
        let mut found = resample_places(places, resamples, seed, statistics).into_iter();
        let mut next = || found.next().flatten();
        let of_class = |name: &str, next: &mut dyn FnMut() -> Option<Interval>| ClassIntervals {
            name: name.to_owned(),
            iou: next(),
            precision: next(),
            recall: next(),
            f1: next(),
        };
        let figures = |next: &mut dyn FnMut() -> Option<Interval>| FigureIntervals {
            mean_iou: next(),
            mean_iou_without_absent: next(),
            mean_rare_recall: next(),
            classes: self.names.iter().map(|name| of_class(name, next)).collect(),
        };
        let main = figures(&mut next);
        let with_threshold = figures(&mut next);
        let rare = self
            .auxiliary
            .iter()
            .map(|&class| of_class(&self.names[class], &mut next));
        Some(Intervals {
            places,
            resamples,
            seed,
            rare: rare.collect(),
            main,
            with_threshold,
        })
    }
}

/// Reliability with the chosen temperatures.
struct Scaled {
    classes: Vec<Reliability>,
    choice: Reliability,
    auxiliary: Vec<Reliability>,
}

/// Step of a threshold that is one of the grid's.
fn step_of(threshold: f32) -> usize {
    (threshold * STEPS as f32).round() as usize
}

fn at_threshold(histogram: &ScoreHistogram, threshold: f32, name: &str) -> AtThreshold {
    AtThreshold {
        threshold,
        figures: histogram.at(threshold, name),
    }
}

fn head_curve(histogram: &ScoreHistogram, name: &str) -> HeadCurve {
    HeadCurve {
        average_precision: histogram.average_precision(),
        sweep: SWEEP
            .iter()
            .map(|&threshold| at_threshold(histogram, threshold, name))
            .collect(),
        curve: histogram.thinned_curve(CURVE_POINTS),
    }
}

fn class_calibration(name: &str, plain: &Reliability, scaled: &Reliability) -> ClassCalibration {
    ClassCalibration {
        name: name.to_owned(),
        ece: plain.ece(),
        ece_scaled: scaled.ece(),
        bins: plain.bins(),
        bins_scaled: scaled.bins(),
    }
}
