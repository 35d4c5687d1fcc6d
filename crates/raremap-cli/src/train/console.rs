//! What a person sees at the terminal: a progress bar, the whole view, or lines if there is no terminal.

use std::io::IsTerminal;

use anyhow::Result;
use indicatif::{ProgressBar, ProgressStyle};
use tracing::Level;

use super::event::{Finding, RunEvent, Step};
use super::history::History;
use super::terminal::TerminalView;

/// How a run shows itself on the terminal.
pub enum Console {
    /// A bar, with events above it.
    Bar(ProgressBar),
    /// The view of `--watch`.
    View(Box<TerminalView>),
    /// Events as JSON lines on standard error, without steps; nothing under `--quiet`.
    Lines,
}

impl Console {
    /// The view if it was asked for and there is a terminal, otherwise the bar; lines if there is no terminal at all.
    ///
    /// # Errors
    /// If the terminal fails.
    pub fn open(watch: bool, total_steps: usize, done: usize) -> Result<Self> {
        if watch && let Some(view) = TerminalView::open()? {
            return Ok(Self::View(Box::new(view)));
        }
        if !std::io::stderr().is_terminal() || !tracing::enabled!(Level::INFO) {
            return Ok(Self::Lines);
        }
        let bar = ProgressBar::new(total_steps as u64).with_position(done as u64);
        let template = "{elapsed_precise} {wide_bar} step {pos}/{len}, {eta} left  {msg}";
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        Ok(Self::Bar(bar.with_style(style)))
    }

    /// A step that is not logged.
    pub fn step(&mut self, history: &History, findings: &[Finding], step: &Step) {
        match self {
            Self::Bar(bar) => {
                bar.set_position(step.step as u64);
                bar.set_message(format!("loss {:.4}", step.loss));
            }
            Self::View(_) => self.draw(history, step.step, findings, false),
            Self::Lines => {}
        }
    }

    /// Draws the view. A terminal that fails (because it was closed, say) does not end a run; the run continues with lines.
    fn draw(&mut self, history: &History, step: usize, findings: &[Finding], at_once: bool) {
        if let Self::View(view) = self
            && let Err(error) = view.draw(history, step, findings, at_once)
        {
            *self = Self::Lines;
            tracing::warn!("the terminal view failed and is closed: {error:#}");
        }
    }

    /// Shows an event that is logged as `line`.
    pub fn event(&mut self, history: &History, findings: &[Finding], event: &RunEvent, line: &str) {
        if let RunEvent::Step(step) = event {
            return self.step(history, findings, step);
        }
        match self {
            Self::Bar(bar) => bar.println(summary(event).unwrap_or_else(|| line.to_owned())),
            Self::View(_) => self.draw(history, history.step(), findings, true),
            // Programs read this, so it does not look like a log message.
            Self::Lines if tracing::enabled!(Level::INFO) => eprintln!("{line}"),
            Self::Lines => {}
        }
        if matches!(self, Self::View(_)) && matches!(event, RunEvent::Stopped(_) | RunEvent::Done(_)) {
            // The terminal is restored, and what matters stays on it.
            *self = Self::Lines;
            let newest = history.validations.last().cloned().map(RunEvent::Validation);
            let findings = findings.iter().cloned().map(RunEvent::Finding);
            for kept in newest.into_iter().chain(findings).filter_map(|event| summary(&event)) {
                tracing::info!("{kept}");
            }
            eprintln!("{line}");
        }
    }
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
    use crate::watch::event::{ClassScore, Validation};

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
