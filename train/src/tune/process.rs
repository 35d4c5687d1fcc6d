//! Trials are runs of the `raremap` command, each in a folder of its own.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use toml::Table;

use super::search::{Figures, Outcome, Runner};
use super::space::Values;
use crate::checkpoint::Checkpoints;
use crate::error::{Context, Result};
use crate::watch::{BestMetric, History, LOG, Metric, RunEvent};
use raremap_device::Backend;
use raremap_io::write_whole;

/// What a killed search needs to know about a trial that it had begun.
const VALUES: &str = "values.json";
/// The recipe of a trial's run, in the run's folder.
const RECIPE: &str = "trial.toml";
/// The output of a run, in its folder.
const SAYS: &str = "stderr.txt";

/// Runs `raremap train`.
pub struct ProcessRunner {
    /// Folder of the search.
    pub out: PathBuf,
    /// Where to train.
    pub device: Backend,
    /// Look for the dataset's files in this folder.
    pub root: Option<PathBuf>,
    /// Whether each length of a trial has a folder of its own.
    pub halving: bool,
    /// The figure to maximize.
    pub objective: Metric,
    /// Which weights a run saves as its best.
    pub best: BestMetric,
    /// The command.
    pub program: PathBuf,
    /// Set when a person wants to stop the search.
    pub stop: Arc<AtomicBool>,
}

impl ProcessRunner {
    fn trial_folder(&self, trial: usize) -> PathBuf {
        self.out.join(format!("trial-{trial:03}"))
    }

    fn command(&self, run: &Path) -> Result<Command> {
        let mut command = Command::new(&self.program);
        command.arg("train").arg(run.join(RECIPE)).arg("--out").arg(run);
        command.args(["--device", &self.device.to_string()]);
        if let Some(root) = &self.root {
            command.arg("--root").arg(root);
        }
        if Checkpoints::of_run(run).exist() {
            command.arg("--resume");
        }
        let says =
            File::create(run.join(SAYS)).with_context(|| format!("cannot write {}", run.join(SAYS).display()))?;
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(says);
        Ok(command)
    }

    /// Waits for a run; if the search should stop, tells the run, so that it saves a checkpoint.
    fn wait(&self, mut child: Child) -> Result<bool> {
        let mut told = false;
        loop {
            if let Some(status) = child.try_wait()? {
                return Ok(status.success());
            }
            if self.stop.load(Ordering::SeqCst) && !told {
                told = true;
                interrupt(&mut child)?;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn figures(&self, history: &History) -> Outcome {
        let Some(kept) = self
            .best
            .best(&history.validations)
            .map(|index| &history.validations[index])
        else {
            return Outcome::Failed("it was never validated".to_owned());
        };
        match (self.objective.value(kept), kept.mean_iou) {
            (Some(objective), Some(mean_iou)) if objective.is_finite() => {
                Outcome::Figures(Figures { objective, mean_iou })
            }
            _ => Outcome::Failed(
                "the objective has no value on the validation split: its class has no pixel there".to_owned(),
            ),
        }
    }
}

/// Ctrl-C at a terminal reaches the whole process group; a signal to this process alone has to be passed on.
fn interrupt(child: &mut Child) -> Result<()> {
    if cfg!(unix) {
        // A run that has ended meanwhile cannot be signalled, which does no harm.
        let _ = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
        Ok(())
    } else {
        child.kill().context("cannot stop a trial")
    }
}

impl Runner for ProcessRunner {
    fn begun(&mut self, trial: usize) -> Result<Option<Values>> {
        let path = self.trial_folder(trial).join(VALUES);
        match std::fs::read(&path) {
            Ok(text) => {
                let values = serde_json::from_slice(&text).with_context(|| format!("{} is damaged", path.display()))?;
                Ok(Some(values))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    fn run(&mut self, trial: usize, values: &Values, recipe: &Table, epochs: usize) -> Result<Outcome> {
        if self.stop.load(Ordering::SeqCst) {
            return Ok(Outcome::Interrupted);
        }
        let folder = self.trial_folder(trial);
        let run = if self.halving {
            folder.join(format!("epochs-{epochs}"))
        } else {
            folder.clone()
        };
        std::fs::create_dir_all(&run).with_context(|| format!("cannot create {}", run.display()))?;
        write_whole(&folder.join(VALUES), &serde_json::to_vec_pretty(values)?)?;
        write_whole(&run.join(RECIPE), toml::to_string(recipe)?.as_bytes())?;
        let child = self.command(&run)?.spawn().context("cannot start a trial")?;
        if !self.wait(child)? {
            // This is the last thing that a run prints before it fails.
            let says = std::fs::read(run.join(SAYS)).unwrap_or_default();
            let says = String::from_utf8_lossy(&says);
            let last = says.lines().rev().find(|line| !line.trim().is_empty());
            // A signal to the whole group may end a run that is still loading its data.
            return Ok(match self.stop.load(Ordering::SeqCst) {
                true => Outcome::Interrupted,
                false => Outcome::Failed(last.unwrap_or("it ended without a message").to_owned()),
            });
        }
        let history = History::read(&run.join(LOG))?;
        Ok(match &history.end {
            Some(RunEvent::Stopped(_)) if self.stop.load(Ordering::SeqCst) => Outcome::Interrupted,
            _ => self.figures(&history),
        })
    }
}
