//! Computes the figures of a split from what a pass has counted.

use raremap_infer::sigmoid;

use super::choose::Chosen;
use super::evaluation::{
    AtChosen, AtThreshold, Bootstrap, Calibration, ClassCalibration, ClassIntervals, Details, Evaluation,
    FigureIntervals, HeadCurve, Intervals, MaskAtChosen, MaskPoint, RareAtChosen, RareCurves,
};
use super::indices::IndexCounts;
use super::score::{PlaceCounts, Probabilities, Scores, softmax_into};
use super::sweep::{GRID, Selection};
use crate::error::{Result, ensure};
use crate::metrics::{ClassFigures, Interval, Reliability, ScoreHistogram, TemperatureFit, resample_places};

/// Thresholds of the auxiliary head that are always reported.
const SWEEP: [f32; 3] = [0.25, 0.5, 0.75];
/// Number of points of a curve that are kept for drawing.
const CURVE_POINTS: usize = 200;
/// Number of images that are named as the worst.
const WORST_IMAGES: usize = 8;

impl Scores {
    /// Computes the figures of the split.
    ///
    /// # Errors
    /// If `chosen` belongs to another model, or to logits that were averaged in another way.
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
            water_indices: self.indices.iter().filter_map(IndexCounts::figures).collect(),
            matched: self.matching.clone(),
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
            mask_sweep: (0..GRID.len())
                .filter_map(|step| self.mask_point(step, Selection::All))
                .collect(),
            calibration: self.calibration(all, chosen),
        }
    }

    fn mask_point(&self, step: usize, selection: Selection) -> Option<MaskPoint> {
        let figures = self.mask_figures(step, selection)?;
        Some(MaskPoint {
            threshold: GRID[step],
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
            Misuse,
            chosen.rare.len() == self.auxiliary.len() && chosen.flips() == self.options.flips,
            "the thresholds were chosen for another model, or with other flips"
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
                    figures.mean_iou,
                    figures.mean_iou_without_absent,
                    figures.mean_rare_recall,
                ]);
                all.extend(of_classes(&figures.classes));
            }
            all.extend(of_classes(&self.rare_figures(&counts)));
            all
        };
        // They come in the order in which they were given above.
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

/// The step of a threshold that lies on the grid.
fn step_of(threshold: f32) -> usize {
    GRID.partition_point(|of| *of < threshold).min(GRID.len() - 1)
}

fn at_threshold(histogram: &ScoreHistogram, threshold: f32, name: &str) -> AtThreshold {
    AtThreshold {
        threshold,
        figures: histogram.at(threshold, name),
    }
}

fn head_curve(histogram: &ScoreHistogram, name: &str) -> HeadCurve {
    let (mean_probability, probability_deviation) = histogram.moments();
    HeadCurve {
        average_precision: histogram.average_precision(),
        mean_probability,
        probability_deviation,
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
