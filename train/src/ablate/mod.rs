//! Repeats a training with one thing changed at a time, over several seeds, and writes a page that compares the results.

mod page;
mod plot;
mod runs;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use serde::{Deserialize, Serialize};

use raremap_io::write_whole;
use runs::{Job, RunResult};

use crate::error::{Context, Result, ensure};

/// The TOML file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// Title of the page.
    pub title: String,
    /// Recipe that every row starts from, relative to this file.
    pub recipe: PathBuf,
    /// Seeds, at least one.
    pub seeds: Vec<u64>,
    /// Where the raw results go, relative to this file.
    pub results: PathBuf,
    /// The page that holds the tables, relative to this file; what is between its markers is replaced.
    pub page: PathBuf,
    /// The rows.
    pub rows: Vec<Row>,
}

/// One setting that is compared with the others.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// Name in the table; no other row has it.
    pub name: String,
    /// Rows of one group form a table.
    pub group: String,
    /// A recipe to use instead of the table's, relative to the table's file.
    pub recipe: Option<PathBuf>,
    /// Recipe keys that this row changes, and their values.
    #[serde(default)]
    pub set: BTreeMap<String, toml::Value>,
}

impl Table {
    fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let mut table: Self =
            toml::from_str(&text).with_context(|| format!("{} is not a table of rows", path.display()))?;
        ensure!(Ablation, !table.seeds.is_empty(), "{}: seeds is empty", path.display());
        for row in &table.rows {
            let slug = row.slug();
            ensure!(Ablation, !slug.is_empty(), "{}: a row needs a name", path.display());
            let same = table.rows.iter().filter(|other| other.slug() == slug).count();
            ensure!(
                Ablation,
                same == 1,
                "{}: row {} is listed twice",
                path.display(),
                row.name
            );
        }
        let folder = path.parent().unwrap_or(Path::new(""));
        for relative in [&mut table.recipe, &mut table.results, &mut table.page] {
            *relative = folder.join(&relative);
        }
        for recipe in table.rows.iter_mut().filter_map(|row| row.recipe.as_mut()) {
            *recipe = folder.join(&recipe);
        }
        Ok(table)
    }
}

impl Row {
    /// The name as it appears in a folder's name.
    fn slug(&self) -> String {
        let plain = |c: char| {
            if c.is_ascii_alphanumeric() {
                c.to_ascii_lowercase()
            } else {
                '-'
            }
        };
        self.name
            .chars()
            .map(plain)
            .collect::<String>()
            .trim_matches('-')
            .to_owned()
    }
}

/// All results; the page is made from them.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Results {
    runs: Vec<RunResult>,
}

/// How an ablation runs.
#[derive(Debug, Clone, PartialEq)]
pub struct AblateOptions {
    /// The `raremap` command, which trains each run as `PROGRAM train ...`.
    pub program: PathBuf,
    /// Folder for the runs.
    pub out: PathBuf,
    /// Train only rows whose name contains this.
    pub only: Option<String>,
    /// Folder of the dataset's files; `None` for the one that the dataset names.
    pub root: Option<PathBuf>,
}

impl AblateOptions {
    /// All rows, trained by `program` into `runs/ablation`.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            out: Path::new("runs").join("ablation"),
            only: None,
            root: None,
        }
    }
}

/// One run of a table, and whether its result is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedRun {
    /// Name of the row.
    pub row: String,
    /// Seed of the run.
    pub seed: u64,
    /// Digest of its recipe and data, in hexadecimal digits.
    pub sha256: String,
    /// Whether its result is there.
    pub is_done: bool,
}

/// A table with the results that are there.
pub struct Ablation {
    table: Table,
    results: Results,
    jobs: Vec<Job>,
    only: Option<String>,
}

impl Ablation {
    /// Reads the table in the file `table`, its results, and every recipe and dataset that it names.
    ///
    /// # Errors
    /// If one of them cannot be read; the message names the row.
    pub fn open(table: &Path, options: &AblateOptions) -> Result<Self> {
        let table = Table::read(table)?;
        let results = read_results(&table.results)?;
        let mut jobs = Vec::new();
        // All rows run with one seed before the next: a table that is stopped early has every row once.
        for &seed in &table.seeds {
            for row in &table.rows {
                jobs.push(Job::new(&table, row, seed, options)?);
            }
        }
        Ok(Self {
            table,
            results,
            jobs,
            only: options.only.clone(),
        })
    }

    /// Every run of the table, in the order in which they are trained.
    pub fn runs(&self) -> Vec<PlannedRun> {
        let planned = |job: &Job| job.planned(self.is_done(job));
        self.jobs.iter().map(planned).collect()
    }

    fn is_done(&self, job: &Job) -> bool {
        self.results.runs.iter().any(|run| job.made(run))
    }

    /// Trains what has no result yet, `parallel` runs at a time, and writes every result as it comes. Setting `stop` ends it; what is done is
    /// kept.
    ///
    /// # Errors
    /// If a run fails, after the others have run, and if a result cannot be written.
    pub fn train(&mut self, parallel: usize, stop: &AtomicBool) -> Result<()> {
        let is_chosen = |job: &&Job| self.only.as_ref().is_none_or(|only| job.row().contains(only.as_str()));
        let todo = self.jobs.iter().filter(is_chosen).filter(|job| !self.is_done(job));
        let todo: Vec<Job> = todo.cloned().collect();
        let total = todo.len();
        let mut count = 0;
        let (table, results) = (&self.table, &mut self.results);
        runs::run_all(todo, parallel.max(1), stop, |result| {
            count += 1;
            tracing::info!("{count}/{total}: {}", result.summary());
            // A result that another recipe made is out of date.
            results
                .runs
                .retain(|run| (&run.row, run.seed) != (&result.row, result.seed));
            results.runs.push(result);
            write_results(table, results)
        })
    }

    /// Writes the results that are there, and the page that compares them.
    ///
    /// # Errors
    /// If a file cannot be written, or if the page lacks the markers of its tables.
    pub fn write_page(&mut self) -> Result<()> {
        write_results(&self.table, &mut self.results)?;
        page::write(&self.table, &self.results.runs)
    }
}

fn read_results(path: &Path) -> Result<Results> {
    match std::fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes).with_context(|| format!("{} is damaged", path.display())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Results::default()),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

/// Sorts results into the table's order and leaves out rows that the table no longer has.
fn write_results(table: &Table, results: &mut Results) -> Result<()> {
    let place = |run: &RunResult| table.rows.iter().position(|row| row.name == run.row);
    results.runs.retain(|run| place(run).is_some());
    results.runs.sort_by_key(|run| (place(run), run.seed));
    Ok(write_whole(&table.results, &serde_json::to_vec_pretty(results)?)?)
}
