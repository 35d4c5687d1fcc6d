//! Prints figures as text, for a terminal.

use super::choose::Chosen;
use super::evaluation::{AtChosen, Calibration, ClassIntervals, Details, Evaluation, Intervals, MaskPoint};
use crate::metrics::{Figures, Interval, TemperatureFit, table};

fn number(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |v| format!("{v:.4}"))
}

fn range(interval: Option<Interval>) -> String {
    interval.map_or_else(|| "-".to_owned(), |i| format!("{:.3} to {:.3}", i.low, i.high))
}

fn width<'a>(names: impl Iterator<Item = &'a String>) -> usize {
    names.map(String::len).max().unwrap_or(0).max(5)
}

/// The model's water beside that of the indices on the same pixels.
fn compared_with_indices(evaluation: &Evaluation) -> String {
    let mut text = String::new();
    if let Some(matching) = &evaluation.matched {
        text += &format!("\nvalues matched: {}\n", matching.message);
    }
    let water = |figures: &Figures| {
        figures
            .classes
            .iter()
            .find(|class| class.name == "water")
            .map(|class| class.iou)
    };
    if let (Some(main), false) = (water(&evaluation.figures), evaluation.water_indices.is_empty()) {
        text += &format!(
            "\nwater IoU: main head {}, mask {}",
            number(main),
            number(water(&evaluation.with_threshold).flatten())
        );
        for index in &evaluation.water_indices {
            text += &format!(
                "; {} above 0 {:.4}, best {:.4} (above {:.3})",
                index.name, index.iou_above_zero, index.best_iou, index.best_threshold
            );
        }
        text.push('\n');
    }
    text
}

/// One row per dataset and split: means, water beside the best thresholds of indices, and the other rare classes.
pub fn comparison<'a>(rows: impl Iterator<Item = (&'a str, &'a Evaluation)>) -> String {
    let mut text = format!(
        "{:<12} {:<6} {:>10} {:>8} {:>8} {:>10} {:>11}  rare classes in the mask: IoU / recall / precision\n",
        "dataset", "split", "mean IoU", "in mask", "water", "best NDWI", "best MNDWI"
    );
    for (dataset, evaluation) in rows {
        let drawn = &evaluation.with_threshold;
        let water = drawn
            .classes
            .iter()
            .find(|class| class.name == "water")
            .and_then(|class| class.iou);
        let index = |name: &str| {
            evaluation
                .water_indices
                .iter()
                .find(|index| index.name == name)
                .map(|index| index.best_iou)
        };
        let rare = evaluation
            .rare
            .iter()
            .filter_map(|rare| drawn.classes.iter().find(|class| class.name == rare.name));
        let rare: Vec<String> = rare
            .map(|class| {
                let [iou, recall, precision] = [class.iou, class.recall, class.precision].map(number);
                format!("{} {iou} / {recall} / {precision}", class.name)
            })
            .collect();
        text += &format!(
            "{dataset:<12} {:<6} {:>10} {:>8} {:>8} {:>10} {:>11}  {}\n",
            evaluation.split,
            number(evaluation.figures.mean_iou_without_absent),
            number(drawn.mean_iou_without_absent),
            number(water),
            number(index("ndwi")),
            number(index("mndwi")),
            rare.join(", ")
        );
    }
    text
}

/// What was chosen on the validation split.
pub fn chosen(chosen: Option<&Chosen>) -> String {
    let Some(chosen) = chosen else {
        return String::new();
    };
    let fit = |fit: Option<TemperatureFit>| {
        fit.map_or_else(
            || "-".to_owned(),
            |fit| {
                format!(
                    "{:.3} (log-likelihood loss {:.4} -> {:.4} on {} pixels)",
                    fit.temperature, fit.nll_before, fit.nll_after, fit.pixels
                )
            },
        )
    };
    let threshold = |value: Option<f32>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.4}"));
    let mut text = format!(
        "chosen on {}:\n  temperature of the main head {}\n",
        chosen.split(),
        fit(chosen.temperature)
    );
    if let Some(mask) = &chosen.mask {
        text += &format!(
            "  threshold of the mask: {:.4} for mean IoU, {:.4} for rare recall at mean IoU >= {:.4}\n",
            mask.best_mean_iou, mask.most_rare_recall, chosen.mean_iou_floor
        );
    }
    for rare in &chosen.rare {
        text += &format!(
            "  {}: temperature {}\n  {}: threshold {} for F1, {} for IoU, {:.4} for recall in the mask at the floor\n",
            rare.name,
            fit(rare.temperature),
            rare.name,
            threshold(rare.best_f1),
            threshold(rare.best_iou),
            rare.recall_at_floor
        );
    }
    text
}

/// Everything about one split.
pub fn evaluation(evaluation: &Evaluation) -> String {
    let Evaluation {
        figures,
        with_threshold,
        threshold,
        ..
    } = evaluation;
    let flips = if evaluation.flips { ", averaged over flips" } else { "" };
    let mut text = format!(
        "{} pixels of {} images of {} places{flips}\n\nmain head: {}\n{}",
        figures.pixels,
        evaluation.images,
        evaluation.places,
        means(figures),
        table(&figures.classes)
    );
    if !evaluation.rare.is_empty() {
        text += &format!("\nauxiliary head at {threshold}:\n{}", table(&evaluation.rare));
        text += &format!(
            "\nmask as the page draws it at {threshold}: {}\n{}",
            means(with_threshold),
            table(&with_threshold.classes)
        );
    }
    text += &compared_with_indices(evaluation);
    text += &evaluation.details.as_ref().map(details).unwrap_or_default();
    text += &evaluation.at_chosen.as_ref().map(at_chosen).unwrap_or_default();
    text += &evaluation.intervals.as_ref().map(intervals).unwrap_or_default();
    text
}

/// The means of a split, in a line.
pub fn means(figures: &Figures) -> String {
    if figures.pixels == 0 {
        return "no pixel of the split is labelled, so there are no figures".to_owned();
    }
    let mut text = format!(
        "mean IoU {} ({} without absent classes), mean rare-class recall {}, accuracy {}",
        number(figures.mean_iou),
        number(figures.mean_iou_without_absent),
        number(figures.mean_rare_recall),
        number(figures.accuracy)
    );
    if let Some(mean) = figures.mean_iou_without_background {
        text += &format!(
            ", mean IoU without background {mean:.4} ({} with its pixels unscored)",
            number(figures.mean_iou_with_background_unscored)
        );
    }
    text
}

fn details(details: &Details) -> String {
    let mut text = "\naverage precision, and the threshold sweep of each head:\n".to_owned();
    let width = width(details.curves.iter().map(|curve| &curve.name));
    for curve in &details.curves {
        for (head, curve_of) in [("auxiliary", curve.auxiliary.as_ref()), ("main", Some(&curve.main))] {
            let Some(curve_of) = curve_of else { continue };
            text += &format!(
                "{:width$}  {head:9}  AP {}",
                curve.name,
                number(curve_of.average_precision)
            );
            for at in &curve_of.sweep {
                let figures = &at.figures;
                text += &format!(
                    "  |  {:.2}: precision {} recall {} IoU {}",
                    at.threshold,
                    number(figures.precision),
                    number(figures.recall),
                    number(figures.iou)
                );
            }
            text += "\n";
        }
    }
    text + &calibration(&details.calibration)
}

fn calibration(calibration: &Calibration) -> String {
    let mut text = format!(
        "\nexpected calibration error, 15 bins, of the network as it is, and with the temperature (measured on {} pixels):\n",
        calibration.scaled_pixels
    );
    let main = calibration
        .classes
        .iter()
        .map(|class| (format!("main: {}", class.name), class));
    let auxiliary = calibration
        .auxiliary
        .iter()
        .map(|class| (format!("auxiliary: {}", class.name), class));
    let choice = ("main: its choice".to_owned(), &calibration.choice);
    let rows: Vec<_> = main.chain([choice]).chain(auxiliary).collect();
    let width = width(rows.iter().map(|(name, _)| name));
    for (name, class) in &rows {
        text += &format!("{name:width$}  {}  {}\n", number(class.ece), number(class.ece_scaled));
    }
    text + &format!(
        "{:width$}  {}  {}\n",
        "main: mean",
        number(calibration.classwise_ece),
        number(calibration.classwise_ece_scaled)
    )
}

fn at_chosen(at: &AtChosen) -> String {
    let place = if at.chosen_on_this_split {
        "the values chosen on this very split (its figures are therefore too good)"
    } else {
        "the values chosen on val"
    };
    let mut text = format!("\nwith {place}:\n");
    let point = |point: &MaskPoint| {
        format!(
            "threshold {:.4}: mean IoU {}, mean rare-class recall {}",
            point.threshold,
            number(point.mean_iou),
            number(point.mean_rare_recall)
        )
    };
    if let Some(mask) = &at.mask {
        text += &format!("mask, for mean IoU: {}\n", point(&mask.best_mean_iou));
        text += &format!(
            "mask, for rare recall at the floor: {}\n",
            point(&mask.most_rare_recall)
        );
    }
    for rare in &at.rare {
        if let Some(best) = &rare.best_f1 {
            let figures = &best.figures;
            text += &format!(
                "{} by the auxiliary head, threshold {:.4}: F1 {} IoU {} precision {} recall {}\n",
                rare.name,
                best.threshold,
                number(figures.f1),
                number(figures.iou),
                number(figures.precision),
                number(figures.recall)
            );
        }
        let figures = &rare.recall_at_floor.figures;
        text += &format!(
            "{} in the mask, {}; its recall {} IoU {} precision {}\n",
            rare.name,
            point(&rare.mask_at_floor),
            number(figures.recall),
            number(figures.iou),
            number(figures.precision)
        );
    }
    text
}

fn intervals(intervals: &Intervals) -> String {
    let mut text = format!(
        "\n95 % intervals, {} resamples of {} places:\n",
        intervals.resamples, intervals.places
    );
    for (head, figures) in [("main head", &intervals.main), ("mask", &intervals.with_threshold)] {
        text += &format!(
            "{head}: mean IoU {}, mean rare-class recall {}\n",
            range(figures.mean_iou),
            range(figures.mean_rare_recall)
        );
        text += &class_ranges(&figures.classes);
    }
    if !intervals.rare.is_empty() {
        text += &format!("auxiliary head\n{}", class_ranges(&intervals.rare));
    }
    text
}

fn class_ranges(classes: &[ClassIntervals]) -> String {
    let width = width(classes.iter().map(|class| &class.name));
    let mut text = String::new();
    for class in classes {
        text += &format!(
            "  {:width$}  IoU {:14}  precision {:14}  recall {:14}  F1 {}\n",
            class.name,
            range(class.iou),
            range(class.precision),
            range(class.recall),
            range(class.f1)
        );
    }
    text
}
