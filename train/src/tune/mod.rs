//! `raremap tune` searches for the hyperparameters with the highest rare-class recall that cost no mean IoU.

mod process;
mod sampler;
mod search;
mod space;
mod table;

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, ensure};
use clap::Args;
use serde::{Deserialize, Serialize};
use toml::Table;

use crate::config::TrainConfig;
use crate::dataset::DatasetConfig;
use crate::watch::{BestMetric, BestSection, Metric};
use process::ProcessRunner;
use raremap_device::Backend;
use raremap_io::write_whole;
use search::{End, Search, Trial};
use space::SearchConfig;

use crate::overrides::put;

/// Searches hyperparameters for the highest recall of rare classes, with a mean IoU no more than a margin below the recipe's.
#[derive(Debug, Args)]
pub struct TuneArgs {
    /// The recipe to start from, a TOML file.
    recipe: PathBuf,
    /// What to search, a TOML file.
    search: PathBuf,
    /// Number of trials, including the baseline [default: the search file's].
    #[arg(long)]
    trials: Option<usize>,
    /// Folder for the trials, their table and best.toml [default: runs/NAME-tune].
    #[arg(long)]
    out: Option<PathBuf>,
    /// Continue the folder's search; it may have more trials now.
    #[arg(long)]
    resume: bool,
    /// Device to train on.
    #[arg(long, value_enum, default_value = "cpu")]
    device: Backend,
    /// Look for the dataset's files in this folder.
    #[arg(long)]
    root: Option<PathBuf>,
}

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

/// Runs `raremap tune`.
pub fn run(args: &TuneArgs) -> Result<()> {
    let mut config = SearchConfig::read(&args.search)?;
    config.trials = args.trials.unwrap_or(config.trials);
    ensure!(config.trials > 0, "--trials must be positive");
    let checked = TrainConfig::read(&args.recipe, &[])?;
    let dataset = DatasetConfig::read(&checked.dataset, args.root.as_deref())?;
    let recipe = recipe_table(&args.recipe, &checked.dataset)?;
    check_space(&config, &recipe).with_context(|| format!("{} does not fit the recipe", args.search.display()))?;

    let classes: Vec<String> = dataset.classes.iter().map(|class| class.name.clone()).collect();
    let rare = dataset.rare_classes();
    let objective = Metric::parse("objective", &config.objective, &classes, &rare)
        .with_context(|| args.search.display().to_string())?;
    let best: BestSection = match recipe.get("best") {
        Some(section) => section
            .clone()
            .try_into()
            .with_context(|| format!("best of {}", args.recipe.display()))?,
        None => BestSection::default(),
    };
    let best = BestMetric::new(&best, &classes, &rare)?;

    let out = args
        .out
        .clone()
        .unwrap_or_else(|| Path::new("runs").join(format!("{}-tune", checked.name)));
    std::fs::create_dir_all(&out).with_context(|| format!("cannot create {}", out.display()))?;
    let done = begin(&out, args.resume, &config, &recipe)?;
    let stop = Arc::new(AtomicBool::new(false));
    let signal = Arc::clone(&stop);
    ctrlc::set_handler(move || signal.store(true, Ordering::SeqCst)).context("cannot catch Ctrl-C")?;
    let mut runner = ProcessRunner {
        out: out.clone(),
        device: args.device,
        root: args.root.clone(),
        halving: config.halving.is_some(),
        objective,
        best,
        stop,
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
    if end == End::Interrupted {
        tracing::warn!(
            "interrupted after {} trials; use --resume to continue in {}",
            search.trials().len(),
            out.display()
        );
    } else if let Some(best) = search.best() {
        println!("{}", table::line(&search, best));
        println!("its recipe is {}", out.join(table::BEST).display());
    }
    Ok(())
}

/// The recipe as written, with a path to its dataset that is also valid from other folders.
fn recipe_table(path: &Path, dataset: &Path) -> Result<Table> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut recipe: Table = toml::from_str(&text).with_context(|| format!("{} is not a recipe", path.display()))?;
    let dataset = std::path::absolute(dataset).with_context(|| dataset.display().to_string())?;
    let dataset = dataset
        .to_str()
        .with_context(|| format!("{} is not UTF-8", dataset.display()))?;
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
        resume,
        "{} already contains a search: use --resume to continue it, or --out to start another",
        out.display()
    );
    let text = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    // These are compared as text, because a number that is read back from JSON may differ in its last digit.
    ensure!(
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
