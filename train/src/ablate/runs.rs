//! Trains each row in a process of its own.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, mpsc};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{AblateOptions, PlannedRun, Row, Table};
use crate::config::TrainConfig;
use crate::dataset::DatasetConfig;
use crate::error::{Context, Result, bail};
use crate::run::{EVALUATION, run_digest};

/// One row with one seed.
#[derive(Debug, Clone)]
pub(super) struct Job {
    row: String,
    seed: u64,
    recipe: PathBuf,
    set: Vec<String>,
    run: PathBuf,
    root: Option<PathBuf>,
    program: PathBuf,
    /// Digest of recipe and data: a result belongs to what made it.
    digest: String,
}

/// The result of a run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct RunResult {
    pub(super) row: String,
    pub(super) seed: u64,
    pub(super) sha256: String,
    /// Number of trained parameters.
    pub(super) parameters: u64,
    pub(super) steps: u64,
    /// Seconds of training alone, without evaluation.
    pub(super) secs: f64,
    /// Means, counts and ratios by class, and the average precision of the rare classes.
    pub(super) evaluation: Value,
}

impl RunResult {
    pub(super) fn summary(&self) -> String {
        let mean = self.evaluation["mean_iou"].as_f64().unwrap_or(f64::NAN);
        format!(
            "{} seed {}: mean IoU {mean:.4}, {:.0} s",
            self.row, self.seed, self.secs
        )
    }
}

impl Job {
    pub(super) fn new(table: &Table, row: &Row, seed: u64, options: &AblateOptions) -> Result<Self> {
        let recipe = row.recipe.clone().unwrap_or_else(|| table.recipe.clone());
        let mut set = vec![format!("seed={seed}")];
        set.extend(row.set.iter().map(|(key, value)| format!("{key}={value}")));
        // Every row is read now, so that a typo in the last one does not wait for the others.
        let config = TrainConfig::read(&recipe, &set).with_context(|| format!("row {}", row.name))?;
        let dataset = DatasetConfig::read(&config.dataset, options.root.as_deref())
            .with_context(|| format!("row {}", row.name))?;
        let digest = run_digest(&config, &dataset)?;
        Ok(Self {
            row: row.name.clone(),
            seed,
            recipe,
            set,
            // A changed row gets a run of its own, because the old run's checkpoint does not fit it.
            run: options.out.join(format!("{}-{seed}-{}", row.slug(), &digest[..8])),
            root: options.root.clone(),
            program: options.program.clone(),
            digest,
        })
    }

    pub(super) fn row(&self) -> &str {
        &self.row
    }

    pub(super) fn planned(&self, is_done: bool) -> PlannedRun {
        PlannedRun {
            row: self.row.clone(),
            seed: self.seed,
            sha256: self.digest.clone(),
            is_done,
        }
    }

    /// Whether `result` belongs to this job.
    pub(super) fn made(&self, result: &RunResult) -> bool {
        (&result.row, result.seed, &result.sha256) == (&self.row, self.seed, &self.digest)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command
            .arg("train")
            .arg(&self.recipe)
            .arg("--out")
            .arg(&self.run)
            .arg("--resume");
        for set in &self.set {
            command.args(["--set", set]);
        }
        if let Some(root) = &self.root {
            command.arg("--root").arg(root);
        }
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        command
    }

    fn run(&self) -> Result<RunResult> {
        let output = self.command().output().context("cannot start this command again")?;
        if !output.status.success() {
            let text = String::from_utf8_lossy(&output.stderr);
            let last = text.lines().last().unwrap_or("it printed no message");
            bail!(Run, "row {} seed {} failed: {last}", self.row, self.seed);
        }
        let path = self.run.join(EVALUATION);
        let bytes = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let value: Value = serde_json::from_slice(&bytes).with_context(|| format!("{} is damaged", path.display()))?;
        Ok(RunResult {
            row: self.row.clone(),
            seed: self.seed,
            sha256: self.digest.clone(),
            parameters: value["parameters"].as_u64().unwrap_or(0),
            steps: value["steps"].as_u64().unwrap_or(0),
            secs: value["secs"].as_f64().unwrap_or(f64::NAN),
            evaluation: figures(&value["evaluation"]),
        })
    }
}

/// Keeps an evaluation without its curves, which are most of its bytes.
fn figures(evaluation: &Value) -> Value {
    let class = |class: &Value| {
        let keys = ["name", "pixels", "iou", "recall", "precision"];
        Value::Object(keys.iter().map(|&key| (key.to_owned(), class[key].clone())).collect())
    };
    let rare = |curves: &Value| {
        json!({
            "name": curves["name"],
            "average_precision": curves["auxiliary"]["average_precision"],
            "main_average_precision": curves["main"]["average_precision"],
        })
    };
    let list = |value: &Value, of: &dyn Fn(&Value) -> Value| -> Vec<Value> {
        value.as_array().into_iter().flatten().map(of).collect()
    };
    json!({
        "mean_iou": evaluation["mean_iou"],
        "pixels": evaluation["pixels"],
        "classes": list(&evaluation["classes"], &class),
        "rare": list(&evaluation["curves"], &rare),
    })
}

/// Runs `jobs`, `parallel` at a time, and hands over each result as it comes. A row that fails does not stop the others; the first failure
/// becomes the error.
pub(super) fn run_all(
    jobs: Vec<Job>,
    parallel: usize,
    stop: &AtomicBool,
    mut done: impl FnMut(RunResult) -> Result<()>,
) -> Result<()> {
    let queue = Mutex::new(VecDeque::from(jobs));
    let (sender, results) = mpsc::channel();
    let mut failure = None;
    std::thread::scope(|scope| {
        for _ in 0..parallel {
            let sender = sender.clone();
            let queue = &queue;
            scope.spawn(move || {
                while !stop.load(Ordering::SeqCst) {
                    let job = queue.lock().ok().and_then(|mut queue| queue.pop_front());
                    let Some(job) = job else { break };
                    // Ctrl-C reaches the child as well; it saves a checkpoint and has no result.
                    let result = job.run();
                    if stop.load(Ordering::SeqCst) && result.is_err() {
                        break;
                    }
                    if sender.send(result).is_err() {
                        break;
                    }
                }
            });
        }
        drop(sender);
        for result in results {
            if let Err(error) = result.and_then(&mut done) {
                tracing::error!("{error:#}");
                failure.get_or_insert(error);
            }
        }
    });
    failure.map_or(Ok(()), Err)
}
