//! What has happened in a run so far, in order of steps.

use std::path::Path;

use super::event::{Epoch, Finding, RunEvent, SaliencyRefresh, Samples, Start, Step, Validation};
use crate::error::{Context, Result};

/// The events of a run that are still valid.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct History {
    /// The last start.
    pub start: Start,
    /// Logged steps.
    pub steps: Vec<Step>,
    /// Epochs.
    pub epochs: Vec<Epoch>,
    /// Scores on the validation split.
    pub validations: Vec<Validation>,
    /// The newest pictures.
    pub samples: Option<Samples>,
    /// Refreshes of the saliency maps.
    pub refreshes: Vec<SaliencyRefresh>,
    /// Findings, oldest first.
    pub findings: Vec<Finding>,
    /// How it ended, if it has.
    pub end: Option<RunEvent>,
}

impl History {
    /// Adds an event. A start drops what was logged after the step from which it continues, because those steps are done again.
    pub fn push(&mut self, event: &RunEvent) {
        match event {
            RunEvent::Start(start) => {
                let kept = start.step;
                self.steps.retain(|event| event.step <= kept);
                self.epochs.retain(|event| event.step <= kept);
                self.validations.retain(|event| event.step <= kept);
                self.refreshes.retain(|event| event.step <= kept);
                self.findings.retain(|event| event.step <= kept);
                self.samples.take_if(|event| event.step > kept);
                self.end = None;
                self.start = start.clone();
            }
            RunEvent::Step(event) => self.steps.push(event.clone()),
            RunEvent::Epoch(event) => self.epochs.push(event.clone()),
            RunEvent::Validation(event) => self.validations.push(event.clone()),
            RunEvent::Samples(event) => self.samples = Some(event.clone()),
            RunEvent::SaliencyRefresh(event) => self.refreshes.push(event.clone()),
            RunEvent::Finding(event) => self.findings.push(event.clone()),
            RunEvent::Stopped(_) | RunEvent::Done(_) => self.end = Some(event.clone()),
        }
    }

    /// Reads a run's `log.jsonl`; lines that are not events (cut short by a crash, or from another version) are skipped.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn read(log: &Path) -> Result<Self> {
        let text = std::fs::read(log).with_context(|| format!("cannot read {}", log.display()))?;
        let mut history = Self::default();
        for line in text.split(|&byte| byte == b'\n') {
            if let Ok(event) = serde_json::from_slice(line) {
                history.push(&event);
            }
        }
        Ok(history)
    }

    /// Steps done.
    pub fn step(&self) -> usize {
        let last = [
            self.steps.last().map(|event| event.step),
            self.epochs.last().map(|event| event.step),
            self.validations.last().map(|event| event.step),
        ];
        last.into_iter().flatten().max().unwrap_or(self.start.step)
    }

    /// Mean logged training loss of the steps after `from`, up to and including `to`; of epochs' losses if no step was logged.
    pub fn training_loss(&self, from: usize, to: usize) -> Option<f64> {
        let inside = |step: usize| step > from && step <= to;
        let steps = self.steps.iter().filter(|event| inside(event.step));
        let epochs = self.epochs.iter().filter(|event| inside(event.step));
        mean(steps.map(|event| event.loss)).or_else(|| mean(epochs.map(|event| event.loss)))
    }
}

/// Arithmetic mean; `None` of nothing.
pub fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.fold((0.0, 0usize), |(sum, count), value| (sum + value, count + 1));
    (count > 0).then(|| sum / count as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(step: usize, loss: f64) -> RunEvent {
        RunEvent::Step(Step {
            step,
            loss,
            ..Step::default()
        })
    }

    fn start(step: usize) -> RunEvent {
        RunEvent::Start(Start {
            step,
            ..Start::default()
        })
    }

    #[test]
    fn steps_done_again_after_a_crash_supersede_the_first_ones() {
        let folder = tempfile::tempdir().expect("a folder");
        let log = folder.path().join("log.jsonl");
        let mut text = String::new();
        for event in [
            start(0),
            step(1, 9.0),
            step(2, 8.0),
            step(3, 7.0),
            start(1),
            step(2, 6.0),
        ] {
            text += &format!("{}\n", serde_json::to_string(&event).expect("JSON"));
        }
        text += r#"{"event":"step","step":3,"lo"#;
        std::fs::write(&log, text).expect("writes");
        let history = History::read(&log).expect("reads");
        let losses: Vec<_> = history.steps.iter().map(|event| (event.step, event.loss)).collect();
        assert_eq!(losses, [(1, 9.0), (2, 6.0)]);
        assert_eq!(history.step(), 2);
        assert_eq!(history.training_loss(0, 2), Some(7.5));
        assert_eq!(history.training_loss(2, 9), None);
    }
}
