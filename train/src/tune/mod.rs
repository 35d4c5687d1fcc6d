//! Searches for the hyperparameters with the highest rare-class recall that cost no mean IoU.

mod process;
mod sampler;
mod search;
mod space;
mod table;

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use serde::{Deserialize, Serialize};
use toml::Table;

use crate::config::TrainConfig;
use crate::dataset::DatasetConfig;
use crate::error::{Context, Result, ensure, failure};
use crate::watch::{BestMetric, BestSection, Metric};
use process::ProcessRunner;
use raremap_device::Backend;
use raremap_io::write_whole;
use search::{End, Search, Trial};
use space::SearchConfig;

use crate::overrides::put;

/// What must be the same for a search to continue in a folder.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Fixed {
    search: SearchConfig,
    recipe: Table,
}

/// Finished trials, one per line, in the search's folder.
const TRIALS: &str = "trials.jsonl";
/// What was searched, in the search's folder.
const SEARCH: &str = "search.json";

/// How a search runs.
#[derive(Debug, Clone, PartialEq)]
pub struct TuneOptions {
    /// The `raremap` command, which trains each trial as `PROGRAM train ...`.
    pub program: PathBuf,
    /// Folder for the trials, their table and `best.toml`; `None` for `runs/NAME-tune`.
    pub out: Option<PathBuf>,
    /// Number of trials, including the baseline, at least 1; `None` for the search file's.
    pub trials: Option<usize>,
    /// Continue the folder's search; it may have more trials now.
    pub resume: bool,
    /// Device to train on.
    pub device: Backend,
    /// Folder of the dataset's files; `None` for the one that the dataset names.
    pub root: Option<PathBuf>,
}

impl TuneOptions {
    /// A new search on the CPU, of trials that `program` trains.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            out: None,
            trials: None,
            resume: false,
            device: Backend::Cpu,
            root: None,
        }
    }
}

/// A search that has ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Tuned {
    /// Folder of the search.
    pub out: PathBuf,
    /// How many trials are done.
    pub trials: usize,
    /// Whether it was interrupted before its last trial.
    pub is_interrupted: bool,
    /// The best trial, described in one line, and the file with its recipe; `None` if no trial keeps the mean IoU.
    pub best: Option<(String, PathBuf)>,
}

/// Searches hyperparameters around the recipe in the file `recipe` for the highest recall of rare classes, with a mean IoU no more than a
/// margin below the recipe's. The file `search` says what to search. Setting `stop` ends the search where it can continue.
///
/// # Errors
/// If a file cannot be read or does not fit the others, if the folder has another search, if a result cannot be written, and if the recipe
/// itself or three trials in succession fail.
pub fn tune(recipe: &Path, search: &Path, options: &TuneOptions, stop: &Arc<AtomicBool>) -> Result<Tuned> {
    let (recipe_path, search_path) = (recipe, search);
    let mut config = SearchConfig::read(search_path)?;
    config.trials = options.trials.unwrap_or(config.trials);
    ensure!(Search, config.trials > 0, "--trials must be positive");
    let checked = TrainConfig::read(recipe_path, &[])?;
    let dataset = DatasetConfig::read(&checked.dataset, options.root.as_deref())?;
    let recipe = recipe_table(recipe_path, &checked.dataset)?;
    check_space(&config, &recipe).with_context(|| format!("{} does not fit the recipe", search_path.display()))?;

    let classes: Vec<String> = dataset.classes.iter().map(|class| class.name.clone()).collect();
    let rare = dataset.rare_classes();
    let objective = Metric::parse("objective", &config.objective, &classes, &rare)
        .with_context(|| search_path.display().to_string())?;
    let best: BestSection = match recipe.get("best") {
        Some(section) => section
            .clone()
            .try_into()
            .with_context(|| format!("best of {}", recipe_path.display()))?,
        None => BestSection::default(),
    };
    let best = BestMetric::new(&best, &classes, &rare)?;

    let out = options
        .out
        .clone()
        .unwrap_or_else(|| Path::new("runs").join(format!("{}-tune", checked.name)));
    std::fs::create_dir_all(&out).with_context(|| format!("cannot create {}", out.display()))?;
    let done = begin(&out, options.resume, &config, &recipe)?;
    let mut runner = ProcessRunner {
        out: out.clone(),
        device: options.device,
        root: options.root.clone(),
        halving: config.halving.is_some(),
        objective,
        best,
        program: options.program.clone(),
        stop: Arc::clone(stop),
    };
    let log = out.join(TRIALS);
    let file = File::options().create(true).append(true).open(&log);
    let mut file = file.with_context(|| format!("cannot write {}", log.display()))?;
    let mut search = Search::new(config, recipe, checked.schedule.epochs, done)?;
    let end = search.run(&mut runner, |search, trial| {
        let mut line = serde_json::to_string(trial)?;
        line.push('\n');
        file.write_all(line.as_bytes())
            .with_context(|| format!("cannot write {}", log.display()))?;
        file.sync_data()?;
        tracing::info!("{}", table::line(search, trial));
        table::write(&out, &checked.name, search)
    })?;
    table::write(&out, &checked.name, &search)?;
    let best = search
        .best()
        .map(|best| (table::line(&search, best), out.join(table::BEST)));
    Ok(Tuned {
        trials: search.trials().len(),
        is_interrupted: end == End::Interrupted,
        best,
        out,
    })
}

/// The recipe as written, with a path to its dataset that is also valid from other folders.
fn recipe_table(path: &Path, dataset: &Path) -> Result<Table> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut recipe: Table = toml::from_str(&text).with_context(|| format!("{} is not a recipe", path.display()))?;
    let dataset = std::path::absolute(dataset).with_context(|| dataset.display().to_string())?;
    let dataset = dataset
        .to_str()
        .ok_or_else(|| failure!(Search, "{} is not UTF-8", dataset.display()))?;
    recipe.insert("dataset".to_owned(), dataset.into());
    Ok(recipe)
}

/// Tries both ends of every parameter, and every choice, as a recipe, because a typo in a key must not show only after hours.
fn check_space(config: &SearchConfig, recipe: &Table) -> Result<()> {
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    let path = folder.path().join("trial.toml");
    for (key, parameter) in &config.space {
        for value in parameter.extremes() {
            let mut trial = recipe.clone();
            put(&mut trial, key, value.clone())?;
            std::fs::write(&path, toml::to_string(&trial)?)?;
            TrainConfig::read(&path, &[]).with_context(|| format!("space.{key:?} = {value}"))?;
        }
    }
    Ok(())
}

/// Opens the search's folder and reads the trials that are done.
fn begin(out: &Path, resume: bool, config: &SearchConfig, recipe: &Table) -> Result<Vec<Trial>> {
    let fixed = Fixed {
        // More trials may be asked for later.
        search: SearchConfig {
            trials: 0,
            ..config.clone()
        },
        recipe: recipe.clone(),
    };
    let path = out.join(SEARCH);
    if !path.exists() {
        write_whole(&path, &serde_json::to_vec_pretty(&fixed)?)?;
        return Ok(Vec::new());
    }
    ensure!(
        Search,
        resume,
        "{} already contains a search: use --resume to continue it, or --out to start another",
        out.display()
    );
    let text = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    // These are compared as text, because a number that is read back from JSON may differ in its last digit.
    ensure!(
        Search,
        text == serde_json::to_vec_pretty(&fixed)?,
        "the recipe or the search is not what {} was started with, so its trials do not fit",
        out.display()
    );
    let path = out.join(TRIALS);
    let text = match std::fs::read_to_string(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.with_context(|| format!("cannot read {}", path.display()))?,
    };
    let whole = text.rfind('\n').map_or(0, |newline| newline + 1);
    if whole < text.len() {
        // A crash cut off the last line, so that trial is reported again.
        write_whole(&path, &text.as_bytes()[..whole])?;
    }
    text[..whole]
        .lines()
        .map(|line| serde_json::from_str(line).with_context(|| format!("{} is damaged: {line}", path.display())))
        .collect()
}
