//! `raremap ablate` repeats a training with one thing changed at a time, over several seeds, and writes a page that compares the results.

mod page;
mod plot;
mod runs;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, ensure};
use clap::Args;
use serde::{Deserialize, Serialize};

use raremap_io::write_whole;
use runs::{Job, RunResult};

/// Trains every row of a table over several seeds and writes the comparison; continues where it stopped.
#[derive(Debug, Args)]
pub struct AblateArgs {
    /// The table, a TOML file.
    table: PathBuf,
    /// Folder for the runs.
    #[arg(long, default_value = "runs/ablation")]
    out: PathBuf,
    /// How many runs to train at the same time.
    #[arg(long, default_value_t = 1)]
    jobs: usize,
    /// Train only rows whose name contains this.
    #[arg(long)]
    only: Option<String>,
    /// List every run, the digest of its recipe and data, and whether its result is there; train nothing.
    #[arg(long)]
    list: bool,
    /// Write the page from the results that are there; train nothing.
    #[arg(long)]
    report_only: bool,
    /// Look for the dataset's files in this folder.
    #[arg(long)]
    root: Option<PathBuf>,
}

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
        ensure!(!table.seeds.is_empty(), "{}: seeds is empty", path.display());
        for row in &table.rows {
            let slug = row.slug();
            ensure!(!slug.is_empty(), "{}: a row needs a name", path.display());
            let same = table.rows.iter().filter(|other| other.slug() == slug).count();
            ensure!(same == 1, "{}: row {} is listed twice", path.display(), row.name);
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

/// Runs `raremap ablate`.
pub fn run(args: &AblateArgs) -> Result<()> {
    let table = Table::read(&args.table)?;
    let mut results = read_results(&table.results)?;
    let mut jobs = Vec::new();
    // All rows run with one seed before the next: a table that is stopped early has every row once.
    for &seed in &table.seeds {
        for row in &table.rows {
            let chosen = args.only.as_ref().is_none_or(|only| row.name.contains(only.as_str()));
            let job = Job::new(&table, row, seed, &args.out, args.root.as_deref())?;
            let done = results.runs.iter().any(|run| job.made(run));
            if args.list {
                println!("{}", job.line(done));
            }
            if chosen && !done {
                jobs.push(job);
            }
        }
    }
    if args.list {
        return Ok(());
    }
    if !args.report_only {
        let stop = Arc::new(AtomicBool::new(false));
        let signal = Arc::clone(&stop);
        ctrlc::set_handler(move || signal.store(true, Ordering::SeqCst)).context("cannot catch Ctrl-C")?;
        let total = jobs.len();
        let mut count = 0;
        runs::run_all(jobs, args.jobs.max(1), &stop, |result| {
            count += 1;
            tracing::info!("{count}/{total}: {}", result.summary());
            // A result that another recipe made is out of date.
            results
                .runs
                .retain(|run| (&run.row, run.seed) != (&result.row, result.seed));
            results.runs.push(result);
            write_results(&table, &mut results)
        })?;
    }
    write_results(&table, &mut results)?;
    page::write(&table, &results.runs)
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
