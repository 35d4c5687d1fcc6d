//! Watches a run: its log, what people see of it while it lasts, and what is wrong with it.
//!
//! A run reports what happens as [`RunEvent`]s to its monitor. That keeps the [`History`], looks for findings, and passes every event on: to
//! `log.jsonl`, to TensorBoard's event files, into `report.html`, and to the caller's [`Observer`].

mod chart;
mod event;
mod findings;
mod history;
mod observer;
mod picture;
mod report;
mod samples;
mod stopping;
mod tensorboard;

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::{Deserialize, Serialize};

pub use chart::short;
pub use event::{
    AuxiliaryScore, ClassScore, Done, Epoch, Finding, FindingKind, RunEvent, SaliencyRefresh, SampleFiles, Samples,
    Start, Step, Stopped, Validation,
};
pub use history::History;
pub use observer::Observer;
pub use picture::Picture;
pub use samples::{choose_samples, sample_pictures};
pub use stopping::{BestMetric, BestSection, EarlyStopping, Metric, Mode, StoppingSection, StoppingState};

use raremap_io::write_whole;
use tensorboard::EventFile;

use crate::error::{Context, Result, ensure};

/// The log of a run, in its folder.
pub const LOG: &str = "log.jsonl";
/// The page of a run, in its folder.
pub const REPORT: &str = "report.html";

/// What a run records about its progress.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WatchSection {
    /// One step in this many is logged.
    pub log_every_steps: usize,
    /// Whether `report.html` is written.
    pub report: bool,
    /// Whether TensorBoard's event files are written.
    pub tensorboard: bool,
    /// How many validation images are shown.
    pub sample_images: usize,
}

impl Default for WatchSection {
    fn default() -> Self {
        Self {
            log_every_steps: 10,
            report: true,
            tensorboard: true,
            sample_images: 4,
        }
    }
}

impl WatchSection {
    /// # Errors
    /// If a value makes no sense; the message names its key.
    pub fn check(&self) -> Result<()> {
        ensure!(
            Recipe,
            self.log_every_steps > 0,
            "watch.log_every_steps must be positive"
        );
        Ok(())
    }
}

/// Pictures of a validation image, in memory.
#[derive(Debug, Clone)]
pub struct SamplePictures {
    /// The image's name, which its files also have.
    pub name: String,
    /// The bands as a picture.
    pub input: Picture,
    /// The mask.
    pub label: Picture,
    /// What the model predicts.
    pub prediction: Picture,
    /// Where the model suspects rare classes, if it has an auxiliary head.
    pub saliency: Option<Picture>,
}

/// Passes a run's events on to everything that shows them.
pub struct Monitor<'a> {
    run: PathBuf,
    settings: WatchSection,
    log: File,
    history: History,
    current: Vec<Finding>,
    observer: &'a mut dyn Observer,
    events: Option<EventFile>,
    /// When the page was last written.
    reported: Option<Instant>,
}

impl<'a> Monitor<'a> {
    /// Opens the log of the run in `run`, with its events up to step `resumed_at`.
    ///
    /// # Errors
    /// If a file cannot be read or written.
    pub fn open(
        run: &Path,
        settings: &WatchSection,
        observer: &'a mut dyn Observer,
        total_steps: usize,
        resumed_at: usize,
    ) -> Result<Self> {
        settings.check()?;
        let path = run.join(LOG);
        let mut log = File::options()
            .create(true)
            .append(true)
            .read(true)
            .open(&path)
            .with_context(|| format!("cannot write {}", path.display()))?;
        cut_torn_line(&mut log).with_context(|| format!("cannot read {}", path.display()))?;
        let mut history = History::read(&path)?;
        history.push(&RunEvent::Start(Start {
            step: resumed_at,
            total_steps,
            ..history.start.clone()
        }));
        let events = settings.tensorboard.then(|| EventFile::create(run, resumed_at));
        Ok(Self {
            run: run.to_owned(),
            settings: settings.clone(),
            log,
            current: findings::findings(&history),
            history,
            events: events.transpose()?,
            observer,
            reported: None,
        })
    }

    /// What is wrong now.
    #[cfg(test)]
    pub fn findings(&self) -> &[Finding] {
        &self.current
    }

    /// Takes an event. Only every n-th step is logged (`watch.log_every_steps`), and the first, the last, and those that are not finite;
    /// all steps reach the observer. Findings are looked for with every logged step and every validation.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn record(&mut self, event: &RunEvent) -> Result<()> {
        if let RunEvent::Step(step) = event
            && !self.keeps(step)
        {
            self.observer.event(event, &self.history, &self.current);
            return Ok(());
        }
        self.pass_on(event)?;
        let mut new = Vec::new();
        if matches!(event, RunEvent::Start(_) | RunEvent::Step(_) | RunEvent::Validation(_)) {
            let now = findings::findings(&self.history);
            let is_new = |finding: &&Finding| self.current.iter().all(|old| old.kind != finding.kind);
            new = now.iter().filter(is_new).cloned().collect();
            self.current = now;
        }
        // If there are only new steps and epochs, the page is written no more often than an open one reloads.
        let frequent = matches!(
            event,
            RunEvent::Step(_) | RunEvent::Epoch(_) | RunEvent::SaliencyRefresh(_)
        );
        let waited = self
            .reported
            .is_none_or(|reported| reported.elapsed() >= report::REFRESH);
        let shown = !frequent || !new.is_empty() || waited;
        for finding in new {
            self.pass_on(&RunEvent::Finding(finding))?;
        }
        if self.settings.report && shown {
            let page = report::report(&self.run, &self.history, &self.current)?;
            write_whole(&self.run.join(REPORT), page.as_bytes())?;
            self.reported = Some(Instant::now());
        }
        Ok(())
    }

    /// Writes pictures of validation images into the run's `samples` folder, over those of the validation before, and records them.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn record_samples(&mut self, epoch: usize, step: usize, pictures: &[SamplePictures]) -> Result<()> {
        let mut samples = Vec::new();
        for (index, sample) in pictures.iter().enumerate() {
            let write = |kind: &str, picture: &Picture| -> Result<PathBuf> {
                // Files are numbered, not named, because an image's name may be a path.
                let file = Path::new("samples").join(format!("{index}-{kind}.png"));
                picture.write(&self.run.join(&file))?;
                Ok(file)
            };
            samples.push(SampleFiles {
                name: sample.name.clone(),
                input: write("input", &sample.input)?,
                label: write("label", &sample.label)?,
                prediction: write("prediction", &sample.prediction)?,
                saliency: match &sample.saliency {
                    Some(picture) => Some(write("saliency", picture)?),
                    None => None,
                },
            });
        }
        self.record(&RunEvent::Samples(Samples { epoch, step, samples }))
    }

    fn keeps(&self, step: &Step) -> bool {
        let not_finite = !step.loss.is_finite() || step.gradient_norm.is_some_and(|norm| !norm.is_finite());
        step.step.is_multiple_of(self.settings.log_every_steps)
            || step.step <= 1
            || step.step == self.history.start.total_steps
            || not_finite
    }

    fn pass_on(&mut self, event: &RunEvent) -> Result<()> {
        let mut line = serde_json::to_string(event)?;
        line.push('\n');
        // The line is written in one piece, so that a crash cuts at most one line short.
        self.log.write_all(line.as_bytes()).context("cannot write log.jsonl")?;
        self.history.push(event);
        if let Some(events) = &mut self.events {
            events.record(&self.run, event)?;
        }
        self.observer.event(event, &self.history, &self.current);
        Ok(())
    }
}

/// Removes what a crash has left of a last line.
fn cut_torn_line(log: &mut File) -> Result<()> {
    let mut text = Vec::new();
    log.seek(SeekFrom::Start(0))?;
    log.read_to_end(&mut text)?;
    if text.last().is_some_and(|&byte| byte != b'\n') {
        let whole = text
            .iter()
            .rposition(|&byte| byte == b'\n')
            .map_or(0, |newline| newline + 1);
        log.set_len(whole as u64)?;
    }
    Ok(())
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

    /// The steps that came.
    #[derive(Default)]
    struct Seen(Vec<usize>);

    impl Observer for Seen {
        fn event(&mut self, event: &RunEvent, _: &History, _: &[Finding]) {
            if let RunEvent::Step(step) = event {
                self.0.push(step.step);
            }
        }
    }

    fn kept(run: &Path) -> Vec<(usize, f64)> {
        let history = History::read(&run.join(LOG)).expect("reads");
        history.steps.iter().map(|step| (step.step, step.loss)).collect()
    }

    #[test]
    fn a_killed_and_resumed_run_has_one_history_and_a_whole_report() {
        let folder = tempfile::tempdir().expect("a folder");
        let run = folder.path();
        let settings = WatchSection {
            log_every_steps: 2,
            ..WatchSection::default()
        };
        let start = |step| {
            RunEvent::Start(Start {
                step,
                total_steps: 9,
                name: "shores".into(),
                ..Start::default()
            })
        };
        let mut seen = Seen::default();
        let mut monitor = Monitor::open(run, &settings, &mut seen, 9, 0).expect("opens");
        monitor.record(&start(0)).expect("records");
        for index in 1..=6 {
            monitor.record(&step(index, index as f64)).expect("records");
        }
        assert_eq!(kept(run), [(1, 1.0), (2, 2.0), (4, 4.0), (6, 6.0)]);
        drop(monitor);
        assert_eq!(seen.0, [1, 2, 3, 4, 5, 6], "steps that are not logged are seen, too");
        let mut log = File::options().append(true).open(run.join(LOG)).expect("opens");
        log.write_all(b"{\"event\":\"st").expect("writes");

        let mut nobody = ();
        let mut monitor = Monitor::open(run, &settings, &mut nobody, 9, 3).expect("opens");
        monitor.record(&start(3)).expect("records");
        monitor.record(&step(4, 40.0)).expect("records");
        monitor.record(&step(5, f64::NAN)).expect("records");
        assert_eq!(
            monitor
                .findings()
                .iter()
                .map(|finding| finding.kind)
                .collect::<Vec<_>>(),
            [FindingKind::Divergence]
        );
        let picture = Picture::from_fn(1, 1, |_| [1; 3]);
        let pictures = SamplePictures {
            name: "a/b".into(),
            input: picture.clone(),
            label: picture.clone(),
            prediction: picture.clone(),
            saliency: Some(picture),
        };
        monitor.record_samples(1, 5, &[pictures]).expect("records");
        let text = std::fs::read_to_string(run.join(LOG)).expect("reads");
        assert!(
            text.lines().all(|line| serde_json::from_str::<RunEvent>(line).is_ok()),
            "{text}"
        );
        assert_eq!(text.lines().filter(|line| line.contains("divergence")).count(), 1);
        let kept = kept(run);
        assert_eq!(kept[..3], [(1, 1.0), (2, 2.0), (4, 40.0)]);
        let page = std::fs::read_to_string(run.join(REPORT)).expect("a report");
        assert!(page.contains("shores") && page.contains("Divergence") && page.contains("data:image/png"));
    }
}
