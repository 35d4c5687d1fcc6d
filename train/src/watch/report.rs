//! The run's `report.html` is one file without scripts that fetches nothing; it reloads itself while the run lasts.

use std::path::Path;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::chart::{PALETTE, Series, Span, line_chart, short};
use super::event::{Finding, RunEvent, Samples, Validation};
use super::history::History;
use crate::error::Result;

/// How long an open page waits before it reloads.
pub const REFRESH: Duration = Duration::from_secs(15);

const STYLE: &str = "
:root { color-scheme: light dark; --line: #8884; --soft: #8881; --warn: #d9480f }
body { font: 16px/1.45 system-ui, sans-serif; margin: 0 auto; padding: 1rem; max-width: 72rem }
h1 { font-size: 1.4rem; margin: 0 } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem } h3 { font-size: 1rem; margin: .5rem 0 }
p { margin: .4rem 0 } .muted { opacity: .7 }
.charts { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 30rem), 1fr)) }
figure { margin: 0 } figcaption { font-weight: 600 }
svg { width: 100%; height: auto; display: block }
svg text { fill: currentColor } svg [stroke='#000000'] { stroke: currentColor }
.key { display: inline-block; margin-right: .8rem; font-weight: 400; font-size: .85rem; white-space: nowrap }
.key::before { content: ''; display: inline-block; width: .9rem; height: .2rem; margin-right: .3rem; vertical-align: middle;
  background: var(--key) }
.scroll { overflow-x: auto } table { border-collapse: collapse; font-variant-numeric: tabular-nums }
td, th { padding: .25rem .7rem; border-bottom: 1px solid var(--line); text-align: right; font-weight: 400 }
thead th { font-weight: 600 } td:first-child, th:first-child { text-align: left; padding-left: 0 }
.finding { border-left: .3rem solid var(--warn); background: var(--soft); padding: .4rem .8rem; margin: .5rem 0 }
.pictures { display: grid; gap: .4rem; grid-template-columns: repeat(4, minmax(0, 1fr)) }
.pictures img { width: 100%; image-rendering: pixelated; display: block }
.pictures figcaption { font-weight: 400; font-size: .85rem }
@media (max-width: 32rem) { .pictures { grid-template-columns: repeat(2, minmax(0, 1fr)) } }
";

/// The page for `history`; `run` is where the pictures of samples are, and `current` are the findings that hold now.
///
/// # Errors
/// If a chart cannot be drawn.
pub fn report(run: &Path, history: &History, current: &[Finding]) -> Result<String> {
    let start = &history.start;
    let title = if start.name.is_empty() {
        "A training run"
    } else {
        start.name.as_str()
    };
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                @if history.end.is_none() { meta http-equiv="refresh" content=(REFRESH.as_secs()); }
                title { (title) " - raremap" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { (title) }
                p { (state(history)) }
                p.muted {
                    (start.parameters) " parameters on " (start.device) ", seed " (start.seed) ", raremap " (start.raremap)
                    @if let Some(burn) = &start.burn { ", burn " (burn) }
                }
                (findings(history, current))
                (charts(history)?)
                @if let Some(validation) = history.validations.last() { (tables(validation)) }
                @if let Some(samples) = &history.samples { (pictures(run, samples)) }
            }
        }
    };
    Ok(page.into_string())
}

fn state(history: &History) -> String {
    let (step, total) = (history.step(), history.start.total_steps);
    match &history.end {
        Some(RunEvent::Stopped(stopped)) => format!(
            "The run stopped at step {} of {total}: {}.",
            stopped.step, stopped.reason
        ),
        Some(RunEvent::Done(done)) => {
            let best = done
                .best_mean_iou
                .map_or(String::new(), |best| format!(", best mean IoU {best:.4}"));
            format!("The run is done: {total} steps{best}.")
        }
        _ => {
            let secs = history.epochs.last().map_or(0.0, |epoch| epoch.secs_per_step);
            let left = secs * total.saturating_sub(step) as f64 / 60.0;
            let left = if secs > 0.0 {
                format!(", about {left:.0} minutes left")
            } else {
                String::new()
            };
            format!("The run is at step {step} of {total}{left}.")
        }
    }
}

fn findings(history: &History, current: &[Finding]) -> Markup {
    let past = history
        .findings
        .iter()
        .filter(|old| current.iter().all(|now| now.kind != old.kind));
    html! {
        h2 { "Findings" }
        @if current.is_empty() { p { "Nothing is wrong." } }
        @for finding in current {
            div.finding {
                h3 { (finding.kind.title()) }
                p { (finding.seen) }
                p { b { "What to do: " } (finding.advice) }
            }
        }
        @for finding in past {
            p.muted { "Earlier, at step " (finding.step) ": " (finding.kind.title()) ". " (finding.seen) }
        }
    }
}

fn charts(history: &History) -> Result<Markup> {
    let steps = &history.steps;
    let of_steps = |name: &str, figure: fn(&super::event::Step) -> f64| {
        Series::new(name, steps.iter().map(|step| (step.step as f64, figure(step))))
    };
    let mut losses = vec![
        of_steps("loss", |step| step.loss),
        of_steps("main", |step| step.loss_main),
    ];
    if steps.iter().any(|step| step.loss_auxiliary.is_some()) {
        losses.push(of_steps("auxiliary", |step| step.loss_auxiliary.unwrap_or(f64::NAN)));
    }
    let rate = of_steps("learning rate", |step| step.learning_rate);
    let norm = of_steps("gradient norm", |step| step.gradient_norm.unwrap_or(f64::NAN));
    let wait = of_steps("share of the step", |step| step.data_wait_secs / step.secs.max(1e-9));

    let per_class = |figure: fn(&super::event::ClassScore) -> Option<f64>| -> Vec<Series> {
        let Some(last) = history.validations.last() else {
            return Vec::new();
        };
        let lines = last.classes.iter().enumerate().map(|(index, class)| {
            let name = if class.rare {
                format!("{} (rare)", class.name)
            } else {
                class.name.clone()
            };
            let points = history
                .validations
                .iter()
                .filter_map(|validation| Some((validation.epoch as f64, figure(validation.classes.get(index)?)?)));
            Series::new(name, points)
        });
        lines.collect()
    };
    // The mean comes last, so that a class has the same colour in both charts.
    let mean = history.validations.iter();
    let mean = mean.filter_map(|validation| Some((validation.epoch as f64, validation.mean_iou?)));
    let mut ious = per_class(|class| class.iou);
    ious.push(Series::new("mean", mean));

    let all = [
        ("Loss", "step", losses, Span::Values),
        ("IoU on validation", "epoch", ious, Span::Share),
        (
            "Recall on validation",
            "epoch",
            per_class(|class| class.recall),
            Span::Share,
        ),
        ("Learning rate", "step", vec![rate], Span::Values),
        ("Gradient norm", "step", vec![norm], Span::Values),
        ("Waiting for data", "step", vec![wait], Span::Share),
    ];
    let mut figures = Vec::new();
    for (title, x_name, series, span) in all {
        if series.iter().all(|series| series.points.is_empty()) {
            continue;
        }
        let svg = line_chart(x_name, &series, span)?;
        let last = |series: &Series| series.points.last().map_or("-".to_owned(), |point| short(point.1));
        figures.push(html! {
            figure {
                figcaption {
                    (title) " "
                    @for (index, series) in series.iter().enumerate() {
                        span.key style=(format!("--key: {}", PALETTE[index % PALETTE.len()])) {
                            (series.name) " " (last(series))
                        }
                    }
                }
                (PreEscaped(svg))
            }
        });
    }
    Ok(html! {
        h2 { "Course" }
        @if figures.is_empty() { p { "No step has been logged yet." } }
        div.charts { @for figure in figures { (figure) } }
    })
}

fn tables(validation: &Validation) -> Markup {
    let cell = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.4}"));
    html! {
        h2 { "Newest figures, epoch " (validation.epoch) }
        p {
            "Mean IoU " (cell(validation.mean_iou)) ", "
            (cell(validation.mean_iou_without_absent)) " without absent classes."
            @if validation.mean_iou.is_none() { " No pixel of the validation split is labelled, so there are no figures." }
        }
        div.scroll { table {
            thead { tr { th { "Main head" } th { "pixels" } th { "IoU" } th { "recall" } th { "precision" } } }
            tbody { @for class in &validation.classes { tr {
                td { (class.name) @if class.rare { " (rare)" } }
                td { (class.pixels) } td { (cell(class.iou)) } td { (cell(class.recall)) } td { (cell(class.precision)) }
            } } }
        } }
        @if !validation.auxiliary.is_empty() {
            div.scroll { table {
                thead { tr {
                    th { "Auxiliary head" } th { "pixels" } th { "recall" } th { "precision" } th { "average precision" }
                    th { "mean probability" }
                } }
                tbody { @for class in &validation.auxiliary { tr {
                    td { (class.name) } td { (class.pixels) } td { (cell(class.recall)) } td { (cell(class.precision)) }
                    td { (cell(class.average_precision)) } td { (cell(class.mean_probability)) }
                } } }
            } }
        }
    }
}

fn pictures(run: &Path, samples: &Samples) -> Markup {
    // A picture that was deleted meanwhile leaves a gap; it does not end a run.
    let source = |file: &Path| {
        let bytes = std::fs::read(run.join(file)).ok()?;
        Some(format!("data:image/png;base64,{}", STANDARD.encode(bytes)))
    };
    html! {
        h2 { "Validation images, epoch " (samples.epoch) }
        @for sample in &samples.samples {
            h3 { (sample.name) }
            div.pictures {
                @for (caption, file) in [
                    ("image", Some(&sample.input)), ("label", Some(&sample.label)),
                    ("prediction", Some(&sample.prediction)), ("saliency", sample.saliency.as_ref()),
                ] {
                    @if let Some(source) = file.and_then(|file| source(file)) {
                        figure {
                            img src=(source) alt=(format!("{caption} of {}", sample.name));
                            figcaption { (caption) }
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::event::{Done, FindingKind, SampleFiles};
    use crate::watch::findings::tests::healthy;
    use crate::watch::picture::Picture;

    #[test]
    fn the_page_holds_everything_itself_and_reloads_only_while_the_run_goes_on() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut history = healthy(4);
        history.start.name = "<b>shores</b>".into();
        history.push(&RunEvent::Samples(Samples {
            epoch: 4,
            step: 80,
            samples: vec![SampleFiles {
                name: "place 1".into(),
                input: "in.png".into(),
                label: "in.png".into(),
                prediction: "gone.png".into(),
                saliency: None,
            }],
        }));
        Picture::from_fn(2, 2, |_| [9; 3])
            .write(&folder.path().join("in.png"))
            .expect("writes");
        let finding = Finding {
            step: 80,
            kind: FindingKind::Plateau,
            seen: "seen & known".into(),
            advice: "rest".into(),
        };
        let page = report(folder.path(), &history, &[finding]).expect("a page");
        assert!(page.contains("http-equiv=\"refresh\"") && page.contains("step 80 of 80"));
        assert!(
            !page.contains("<script") && !page.contains("<b>shores"),
            "nothing runs, names are escaped"
        );
        let fetched = ["src=\"http", "href=", "url(", "@import"];
        assert!(fetched.iter().all(|fetch| !page.contains(fetch)));
        assert_eq!(page.matches("<svg").count(), 6);
        assert_eq!(page.matches("data:image/png;base64,").count(), 2);
        assert!(page.contains("seen &amp; known") && page.contains("wetland (rare)") && page.contains("<td>980</td>"));

        history.push(&RunEvent::Done(Done {
            step: 80,
            best_mean_iou: Some(0.5),
        }));
        let page = report(folder.path(), &history, &[]).expect("a page");
        assert!(!page.contains("http-equiv=\"refresh\"") && page.contains("best mean IoU 0.5000"));
        assert!(page.contains("Nothing is wrong."));
    }

    #[test]
    fn a_run_that_has_just_begun_has_a_page() {
        let page = report(Path::new("nowhere"), &History::default(), &[]).expect("a page");
        assert!(page.contains("No step has been logged yet."));
    }
}
