//! What a person sees at the terminal: a progress bar, the whole view, or lines if there is no terminal.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressStyle};
use raremap_train::watch::{Finding, History, Observer, RunEvent, Start, Step};
use tracing::Level;

use super::terminal::TerminalView;

/// Progress is of the library's run, whose level is set by this name.
const TARGET: &str = "raremap_train::watch";

/// How a run shows itself on the terminal, from its start.
pub struct Console {
    /// Whether the whole view was asked for.
    watch: bool,
    shown: Shown,
}

enum Shown {
    /// A bar, with events above it.
    Bar(ProgressBar),
    /// The view of `--watch`.
    View(Box<TerminalView>),
    /// Events as JSON lines on standard error, without steps; nothing under `--quiet`.
    Lines,
}

impl Console {
    /// The view if `watch` asks for it and there is a terminal, otherwise the bar; lines if there is no terminal at all.
    pub fn new(watch: bool) -> Self {
        Self {
            watch,
            shown: Shown::Lines,
        }
    }

    fn open(&mut self, start: &Start) {
        if self.watch {
            match TerminalView::open() {
                Ok(Some(view)) => {
                    self.shown = Shown::View(Box::new(view));
                    return;
                }
                Ok(None) => {}
                Err(error) => tracing::warn!("there is no terminal view: {error:#}"),
            }
        }
        if std::io::stderr().is_terminal() && is_told() {
            let bar = ProgressBar::new(start.total_steps as u64).with_position(start.step as u64);
            let template = "{elapsed_precise} {wide_bar} step {pos}/{len}, {eta} left  {msg}";
            let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
            self.shown = Shown::Bar(bar.with_style(style));
        }
    }

    fn step(&mut self, history: &History, findings: &[Finding], step: &Step) {
        match &mut self.shown {
            Shown::Bar(bar) => {
                bar.set_position(step.step as u64);
                bar.set_message(format!("loss {:.4}", step.loss));
            }
            Shown::View(_) => self.draw(history, step.step, findings, false),
            Shown::Lines => {}
        }
    }

    /// Draws the view. A terminal that fails (because it was closed, say) does not end a run; the run continues with lines.
    fn draw(&mut self, history: &History, step: usize, findings: &[Finding], at_once: bool) {
        if let Shown::View(view) = &mut self.shown
            && let Err(error) = view.draw(history, step, findings, at_once)
        {
            self.shown = Shown::Lines;
            tracing::warn!("the terminal view failed and is closed: {error:#}");
        }
    }
}

impl Observer for Console {
    fn event(&mut self, event: &RunEvent, history: &History, findings: &[Finding]) {
        match event {
            RunEvent::Start(start) => self.open(start),
            RunEvent::Step(step) => return self.step(history, findings, step),
            _ => {}
        }
        match &self.shown {
            Shown::Bar(bar) => bar.println(summary(event).unwrap_or_else(|| line(event))),
            Shown::View(_) => self.draw(history, history.step(), findings, true),
            // Programs read this, so it does not look like a log message.
            Shown::Lines if is_told() => eprintln!("{}", line(event)),
            Shown::Lines => {}
        }
        if matches!(self.shown, Shown::View(_)) && matches!(event, RunEvent::Stopped(_) | RunEvent::Done(_)) {
            // The terminal is restored, and what matters stays on it.
            self.shown = Shown::Lines;
            let newest = history.validations.last().cloned().map(RunEvent::Validation);
            let findings = findings.iter().cloned().map(RunEvent::Finding);
            for kept in newest.into_iter().chain(findings).filter_map(|event| summary(&event)) {
                tracing::info!(target: TARGET, "{kept}");
            }
            eprintln!("{}", line(event));
        }
    }
}

fn is_told() -> bool {
    tracing::enabled!(target: TARGET, Level::INFO)
}

/// An event as the log has it.
fn line(event: &RunEvent) -> String {
    serde_json::to_string(event).unwrap_or_default()
}

/// A sentence for people, if the line would be too long to read.
fn summary(event: &RunEvent) -> Option<String> {
    match event {
        RunEvent::Validation(validation) => {
            let cell = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.3}"));
            let rare = validation.classes.iter().filter(|class| class.rare);
            let rare =
                rare.map(|class| format!(", {} IoU {} recall {}", class.name, cell(class.iou), cell(class.recall)));
            let rare: String = rare.collect();
            Some(match validation.mean_iou {
                Some(mean_iou) => format!("epoch {}: mean IoU {mean_iou:.4}{rare}", validation.epoch),
                None => format!(
                    "epoch {}: no figures, because no pixel of the validation split is labelled",
                    validation.epoch
                ),
            })
        }
        RunEvent::Finding(finding) => Some(format!(
            "{}: {} What to do: {}",
            finding.kind.title(),
            finding.seen,
            finding.advice
        )),
        RunEvent::Samples(_) => Some("pictures of validation images are in report.html".to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use raremap_train::watch::{ClassScore, Validation};

    #[test]
    fn a_validation_is_one_readable_line() {
        let class = |name: &str, rare, recall| ClassScore {
            name: name.into(),
            rare,
            iou: Some(0.25),
            recall,
            ..ClassScore::default()
        };
        let line = summary(&RunEvent::Validation(Validation {
            epoch: 5,
            mean_iou: Some(0.5),
            classes: vec![class("land", false, None), class("water", true, None)],
            ..Validation::default()
        }));
        assert_eq!(
            line.as_deref(),
            Some("epoch 5: mean IoU 0.5000, water IoU 0.250 recall -")
        );
    }
}
