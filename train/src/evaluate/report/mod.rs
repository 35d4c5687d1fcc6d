//! The evaluation as one self-contained HTML file.

mod pictures;
mod plots;

use maud::{DOCTYPE, Markup, PreEscaped, html};
use raremap_model::{Card, TileModel};

use self::pictures::Pictures;
use self::plots::{COLORS, Line, chart};
use super::evaluation::{
    Calibration, ClassCalibration, ClassIntervals, Details, Evaluation, HeadCurve, Intervals, MaskPoint,
};
use super::scenes::Scenes;
use super::{Chosen, tables};
use crate::dataset::DatasetConfig;
use crate::error::Result;
use crate::metrics::{ClassFigures, Figures, Interval, ReliabilityBin};

const STYLE: &str = "\
body { font: 15px/1.45 system-ui, sans-serif; color: #1b1b1b; max-width: 1200px; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { margin-top: 2.5rem; border-bottom: 2px solid #ddd; } h3 { margin: 1.4rem 0 .4rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: .5rem 0; }
th, td { padding: .2rem .6rem; text-align: right; border-bottom: 1px solid #e4e4e4; white-space: nowrap; } th { white-space: normal; } th:first-child, td:first-child { text-align: left; }
small { color: #666; display: block; font-size: .75rem; } .rare { font-weight: 600; } .warning { background: #fff3cd; padding: .5rem .8rem; }
.charts { display: flex; flex-wrap: wrap; gap: .5rem; } figure { margin: 0; } figcaption { font-size: .85rem; text-align: center; }
.pictures { display: flex; flex-wrap: wrap; gap: .7rem; margin: .3rem 0 1.2rem; } .pictures img { image-rendering: pixelated; height: 200px; }
pre { overflow-x: auto; background: #f6f6f6; padding: .7rem; } .swatch { display: inline-block; width: .8em; height: .8em; margin-right: .4em; }
.scroll { overflow-x: auto; }";

/// What a report is about.
pub struct Report<'a> {
    /// Name of the model.
    pub card: &'a Card,
    /// What it was evaluated on.
    pub dataset: &'a DatasetConfig,
    /// Digest of the weights file.
    pub sha256: &'a str,
    /// One evaluation for each split.
    pub evaluations: &'a [Evaluation],
    /// Temperatures and thresholds of the validation split.
    pub chosen: Option<&'a Chosen>,
}

fn number(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), |v| format!("{v:.4}"))
}

/// A figure with its interval below it.
fn with_interval(value: Option<f64>, interval: Option<Interval>) -> Markup {
    html! {
        (number(value))
        @if let Some(Interval { low, high }) = interval { small { (format!("{low:.3}–{high:.3}")) } }
    }
}

impl Report<'_> {
    /// Returns the file's text. The worst images are run again, to be drawn.
    ///
    /// # Errors
    /// If an image cannot be read or run, or a chart cannot be drawn.
    pub fn html(&self, model: &impl TileModel) -> Result<String> {
        let splits: Vec<Markup> = self
            .evaluations
            .iter()
            .map(|evaluation| self.split(evaluation, model))
            .collect::<Result<_>>()?;
        let title = format!("{} on {}", self.card.name, self.dataset.name);
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    title { (title) }
                    style { (PreEscaped(STYLE)) }
                }
                body {
                    h1 { (title) }
                    p { "Weights " code { (self.sha256) } ". " (self.card.description) }
                    (self.summary())
                    @if self.chosen.is_some() {
                        h3 { "Chosen on the validation split" }
                        pre { (tables::chosen(self.chosen)) }
                    }
                    @for split in &splits { (split) }
                }
            }
        };
        Ok(page.into_string())
    }

    fn summary(&self) -> Markup {
        html! {
            div.scroll { table {
                tr {
                    th { "split" } th { "images" } th { "places" } th { "pixels" } th { "mean IoU" } th { "without absent classes" }
                    th { "mean rare recall" } th { "mask: mean IoU" } th { "mask: mean rare recall" }
                    @for class in &self.card.rare_classes { th { "AP " (class) } }
                }
                @for evaluation in self.evaluations {
                    @let main = evaluation.intervals.as_ref().map(|intervals| &intervals.main);
                    @let mask = evaluation.intervals.as_ref().map(|intervals| &intervals.with_threshold);
                    tr {
                        td { (evaluation.split) } td { (evaluation.images) } td { (evaluation.places) } td { (evaluation.figures.pixels) }
                        td { (with_interval(evaluation.figures.mean_iou, main.and_then(|i| i.mean_iou))) }
                        td { (with_interval(evaluation.figures.mean_iou_without_absent, main.and_then(|i| i.mean_iou_without_absent))) }
                        td { (with_interval(evaluation.figures.mean_rare_recall, main.and_then(|i| i.mean_rare_recall))) }
                        td { (with_interval(evaluation.with_threshold.mean_iou, mask.and_then(|i| i.mean_iou))) }
                        td { (with_interval(evaluation.with_threshold.mean_rare_recall, mask.and_then(|i| i.mean_rare_recall))) }
                        @for class in &self.card.rare_classes { td { (number(average_precision(evaluation, class))) } }
                    }
                }
            } }
        }
    }

    fn split(&self, evaluation: &Evaluation, model: &impl TileModel) -> Result<Markup> {
        let intervals = evaluation.intervals.as_ref();
        let flips = if evaluation.flips { ", averaged over flips" } else { "" };
        let threshold = evaluation.threshold;
        let details = evaluation
            .details
            .as_ref()
            .map(|details| self.details(evaluation, details))
            .transpose()?;
        let on_this = evaluation.at_chosen.as_ref().is_some_and(|at| at.chosen_on_this_split);
        Ok(html! {
            h2 { "Split " (evaluation.split) }
            p { (evaluation.figures.pixels) " scored pixels of " (evaluation.images) " images of " (evaluation.places) " places" (flips) "." }
            @if on_this {
                p.warning {
                    "Thresholds and temperatures were chosen on this very split, so the figures that use them are too good."
                }
            }
            @if let Some(Intervals { resamples, .. }) = intervals {
                p { "The small figures are 95 % intervals from " (resamples) " resamples of the places." }
            }
            h3 { "Main head" }
            p { (tables::means(&evaluation.figures)) }
            (self.class_table(&evaluation.figures.classes, intervals.map(|i| i.main.classes.as_slice())))
            @if !evaluation.rare.is_empty() {
                h3 { "Mask as the page draws it, threshold " (threshold) }
                p { (tables::means(&evaluation.with_threshold)) }
                (self.class_table(&evaluation.with_threshold.classes, intervals.map(|i| i.with_threshold.classes.as_slice())))
                h3 { "Auxiliary head alone, threshold " (threshold) }
                (self.class_table(&evaluation.rare, intervals.map(|i| i.rare.as_slice())))
            }
            h3 { "Confusion of the main head" }
            (confusion(&evaluation.figures))
            @if !evaluation.rare.is_empty() {
                h3 { "Confusion of the mask" }
                (confusion(&evaluation.with_threshold))
            }
            @if let Some(details) = details { (details) }
            (self.worst(evaluation, model)?)
        })
    }

    fn class_table(&self, classes: &[ClassFigures], intervals: Option<&[ClassIntervals]>) -> Markup {
        html! {
            div.scroll { table {
                tr {
                    th { "class" } th { "pixels" } th { "IoU" } th { "precision" } th { "recall" } th { "F1" } th { "specificity" } th { "accuracy" }
                    th { "TP" } th { "TN" } th { "FP" } th { "FN" } th { "FP/FN" }
                }
                @for (index, class) in classes.iter().enumerate() {
                    @let interval = intervals.and_then(|intervals| intervals.get(index));
                    tr.rare[self.card.rare_classes.contains(&class.name)] {
                        td { (self.swatch(&class.name)) (class.name) }
                        td { (class.pixels) }
                        td { (with_interval(class.iou, interval.and_then(|i| i.iou))) }
                        td { (with_interval(class.precision, interval.and_then(|i| i.precision))) }
                        td { (with_interval(class.recall, interval.and_then(|i| i.recall))) }
                        td { (with_interval(class.f1, interval.and_then(|i| i.f1))) }
                        td { (number(class.specificity)) } td { (number(class.accuracy)) }
                        td { (class.tp) } td { (class.tn) } td { (class.fp) } td { (class.fneg) }
                        td { (class.fp_per_fn.map_or_else(|| "–".to_owned(), |ratio| format!("{ratio:.2}"))) }
                    }
                }
            } }
        }
    }

    fn swatch(&self, name: &str) -> Markup {
        let color = self
            .card
            .classes
            .iter()
            .find(|class| class.name == name)
            .map(|class| class.color);
        html! {
            @if let Some([red, green, blue]) = color {
                span.swatch style=(format!("background: rgb({red} {green} {blue})")) {}
            }
        }
    }

    fn details(&self, evaluation: &Evaluation, details: &Details) -> Result<Markup> {
        let curves = details.curves.iter().map(|curve| {
            let line = |head: &str, color, curve: &HeadCurve| Line {
                label: format!("{head}, AP {}", number(curve.average_precision)),
                color,
                points: curve
                    .curve
                    .iter()
                    .map(|point| (point.recall, point.precision))
                    .collect(),
                marked: false,
            };
            let auxiliary = curve
                .auxiliary
                .as_ref()
                .map(|curve| line("auxiliary head", COLORS[1], curve));
            let lines: Vec<Line> = [line("main head", COLORS[0], &curve.main)]
                .into_iter()
                .chain(auxiliary)
                .collect();
            let share = curve.main.sweep.first().map_or(0, |at| at.figures.pixels) as f64
                / evaluation.figures.pixels.max(1) as f64;
            Ok((
                format!("{}: {:.2} % of the pixels", curve.name, 100.0 * share),
                chart("recall", "precision", &lines, false)?,
            ))
        });
        let curves = curves.collect::<Result<Vec<_>>>()?;
        let point = |value: fn(&MaskPoint) -> Option<f64>| -> Vec<(f64, f64)> {
            let points = details.mask_sweep.iter();
            points
                .filter_map(|point| Some((f64::from(point.threshold), value(point)?)))
                .collect()
        };
        let swept = [
            ("mean IoU", COLORS[0], point(|point| point.mean_iou)),
            ("mean rare recall", COLORS[1], point(|point| point.mean_rare_recall)),
        ];
        let swept: Vec<Line> = swept
            .into_iter()
            .map(|(label, color, points)| Line {
                label: label.into(),
                color,
                points,
                marked: false,
            })
            .collect();
        let mut sweeps = vec![(
            "the mask, all rare classes".to_owned(),
            chart("threshold", "figure", &swept, false)?,
        )];
        for curve in &details.curves {
            if let Some(auxiliary) = &curve.auxiliary {
                sweeps.push((format!("auxiliary head, {}", curve.name), sweep_chart(auxiliary)?));
            }
        }
        Ok(html! {
            h3 { "Precision and recall" }
            (figures(&curves))
            @if !details.mask_sweep.is_empty() {
                h3 { "Threshold sweep" }
                (figures(&sweeps))
                (sweep_table(details))
            }
            (calibration(&details.calibration)?)
        })
    }

    fn worst(&self, evaluation: &Evaluation, model: &impl TileModel) -> Result<Markup> {
        let scenes = Scenes::of(self.dataset, &evaluation.split)?;
        let draw = |index: usize| {
            let sample = scenes.sample(index)?;
            Pictures::draw(
                &sample,
                evaluation.matched.as_ref(),
                model,
                self.card,
                self.dataset,
                evaluation.flips,
                evaluation.threshold,
            )
        };
        let worst = evaluation
            .worst_images
            .iter()
            .map(|image| Ok((image, draw(image.index)?)));
        let worst = worst.collect::<Result<Vec<_>>>()?;
        Ok(html! {
            h3 { "Worst images" }
            p {
                "These images have the most pixels where the mask claims a rare class wrongly or misses one. "
                @for class in &self.card.classes { (self.swatch(&class.name)) (class.name) " " }
            }
            @for (image, pictures) in &worst {
                p {
                    strong { (image.image) } ", place " (image.place) ": " (image.rare_wrong) " wrong, " (image.rare_pixels) " labelled as rare"
                }
                div.pictures {
                    figure { img src=(pictures.input) alt="input"; figcaption { "input" } }
                    figure { img src=(pictures.labels) alt="labels"; figcaption { "labels" } }
                    figure { img src=(pictures.mask) alt="mask"; figcaption { "mask" } }
                    @if let Some(auxiliary) = &pictures.auxiliary {
                        figure { img src=(auxiliary) alt="auxiliary probability"; figcaption { "auxiliary probability" } }
                    }
                }
            }
            @if worst.is_empty() { p { "There are none: every rare pixel is right." } }
        })
    }
}

fn average_precision(evaluation: &Evaluation, class: &str) -> Option<f64> {
    let curves = evaluation
        .details
        .as_ref()?
        .curves
        .iter()
        .find(|curve| curve.name == class)?;
    curves.auxiliary.as_ref().unwrap_or(&curves.main).average_precision
}

fn figures(charts: &[(String, String)]) -> Markup {
    html! {
        div.charts {
            @for (caption, svg) in charts { figure { (PreEscaped(svg)) figcaption { (caption) } } }
        }
    }
}

/// Rows are labels and columns predictions, in percent of the label's pixels.
fn confusion(figures: &Figures) -> Markup {
    html! {
        table {
            tr { th { "label \\ prediction" } @for class in &figures.classes { th { (class.name) } } }
            @for (class, row) in figures.classes.iter().zip(&figures.confusion) {
                tr {
                    td { (class.name) }
                    @for &count in row {
                        @let share = count as f64 / class.pixels.max(1) as f64;
                        // Cells go from white to a dark blue, on which white letters are readable.
                        @let ink = if share > 0.5 { "#fff" } else { "#1b1b1b" };
                        td style=(format!("background: rgb(0 70 140 / {:.3}); color: {ink}", share)) title=(format!("{count} pixels")) {
                            (format!("{:.1}", 100.0 * share))
                        }
                    }
                }
            }
        }
    }
}

fn sweep_chart(curve: &HeadCurve) -> Result<String> {
    let lines = [
        (
            "precision",
            COLORS[0],
            (|point| point.precision) as fn(&crate::metrics::CurvePoint) -> f64,
        ),
        ("recall", COLORS[1], |point| point.recall),
        ("F1", COLORS[2], |point| point.f1),
        ("IoU", COLORS[3], |point| point.iou),
    ];
    let lines: Vec<Line> = lines
        .into_iter()
        .map(|(label, color, value)| Line {
            label: label.into(),
            color,
            points: curve
                .curve
                .iter()
                .map(|point| (f64::from(point.threshold), value(point)))
                .collect(),
            marked: false,
        })
        .collect();
    chart("threshold", "figure", &lines, false)
}

fn sweep_table(details: &Details) -> Markup {
    html! {
        table {
            tr {
                th { "head and class" } th { "threshold" } th { "IoU" } th { "precision" } th { "recall" } th { "F1" } th { "TP" } th { "FP" }
                th { "FN" } th { "FP/FN" }
            }
            @for curve in &details.curves {
                @for (head, of_head) in [("auxiliary", curve.auxiliary.as_ref()), ("main", Some(&curve.main))] {
                    @for at in of_head.map(|head| head.sweep.as_slice()).unwrap_or_default() {
                        tr {
                            td { (head) ", " (curve.name) } td { (format!("{:.0} %", 100.0 * at.threshold)) }
                            td { (number(at.figures.iou)) } td { (number(at.figures.precision)) } td { (number(at.figures.recall)) }
                            td { (number(at.figures.f1)) } td { (at.figures.tp) } td { (at.figures.fp) } td { (at.figures.fneg) }
                            td { (at.figures.fp_per_fn.map_or_else(|| "–".to_owned(), |ratio| format!("{ratio:.2}"))) }
                        }
                    }
                }
            }
        }
    }
}

fn calibration(calibration: &Calibration) -> Result<Markup> {
    let diagram = |head: &str, class: &ClassCalibration| -> Result<(String, String)> {
        let line = |label: String, color, bins: &[ReliabilityBin]| Line {
            label,
            color,
            points: bins.iter().map(|bin| (bin.claimed, bin.true_share)).collect(),
            marked: true,
        };
        let plain = line(format!("as it is, ECE {}", number(class.ece)), COLORS[0], &class.bins);
        let scaled = line(
            format!("scaled, ECE {}", number(class.ece_scaled)),
            COLORS[1],
            &class.bins_scaled,
        );
        let lines: Vec<Line> = [plain, scaled]
            .into_iter()
            .filter(|line| !line.points.is_empty())
            .collect();
        Ok((
            format!("{head}, {}", class.name),
            chart("probability claimed", "share that came true", &lines, true)?,
        ))
    };
    let mut diagrams = vec![diagram("main head's choice", &calibration.choice)?];
    for class in &calibration.auxiliary {
        diagrams.push(diagram("auxiliary head", class)?);
    }
    for class in &calibration.classes {
        diagrams.push(diagram("main head", class)?);
    }
    Ok(html! {
        h3 { "Calibration" }
        p {
            "Expected calibration error, 15 bins; mean over the classes of the main head " (number(calibration.classwise_ece))
            @if calibration.scaled_pixels > 0 {
                ", with the temperature fitted on the validation split " (number(calibration.classwise_ece_scaled))
                " (scaled figures are of " (calibration.scaled_pixels) " pixels drawn from the split)"
            }
            ". Where points lie above the line, the class is more frequent than claimed."
        }
        (figures(&diagrams))
    })
}
