//! Computes the figures of a model on a split.

mod choose;
mod evaluation;
mod figures;
mod flips;
mod indices;
mod report;
mod saliency;
mod scenes;
mod score;
mod sweep;
mod tables;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod toy;

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use clap::Args;
use raremap_infer::{BurnTileModel, GOLDEN_TOLERANCE, check_golden};
use raremap_model::{Card, ModelFile};
use serde_json::{Value, json};

pub use choose::{Chosen, VALIDATION, ValidationScores};
pub use evaluation::{Bootstrap, Evaluation};
pub use saliency::saliency_map;
pub use scenes::{Layout, Scenes};
pub use score::{ScoreOptions, Scores, score};

use crate::dataset::DatasetConfig;
use raremap_device::Backend;
use raremap_io::write_whole;

/// Evaluates a model on splits of datasets. It chooses temperatures and thresholds on the validation split of each alone, and applies them
/// unchanged.
#[derive(Debug, Args)]
pub struct EvaluateArgs {
    /// A weights file.
    model: PathBuf,
    /// The dataset's TOML file; if there are several, a table at the end compares them.
    #[arg(required = true, value_name = "DATASET")]
    datasets: Vec<PathBuf>,
    /// Splits to evaluate, separated by commas.
    #[arg(long, visible_alias = "split", value_delimiter = ',', default_value = VALIDATION)]
    splits: Vec<String>,
    /// Look for the dataset's files in this folder.
    #[arg(long)]
    root: Option<PathBuf>,
    /// A pixel takes a rare class if its auxiliary probability is at least this.
    #[arg(long, default_value_t = 0.5)]
    threshold: f32,
    /// Average the logits over the scene and its mirror images.
    #[arg(long)]
    flips: bool,
    /// Also give the mean IoU without this class [default: the dataset's own background].
    #[arg(long)]
    background: Option<String>,
    /// Number of resamples of the places for 95 % intervals; 0 gives no intervals.
    #[arg(long, default_value_t = 1000)]
    bootstrap: usize,
    /// Seed of the resamples.
    #[arg(long, default_value_t = 0)]
    bootstrap_seed: u64,
    /// When thresholds are chosen, how much mean IoU on the validation split may be given up for more rare recall.
    #[arg(long, default_value_t = 0.0)]
    floor_margin: f64,
    /// Only count decisions: no curves, no calibration, no chosen thresholds.
    #[arg(long)]
    decisions_only: bool,
    /// Device to run on.
    #[arg(long, value_enum, default_value = "cpu")]
    device: Backend,
    /// Print JSON instead of tables: the figures of one split, or those of each under `splits`; with several datasets, those of each under
    /// `datasets`.
    #[arg(long)]
    json: bool,
    /// Write a report with plots and the worst images into this HTML file.
    #[arg(long)]
    html: Option<PathBuf>,
}

/// Runs `raremap evaluate`.
pub fn run(args: &EvaluateArgs) -> Result<()> {
    ensure!(
        (0.0..=1.0).contains(&args.threshold),
        "--threshold is {}; it must be from 0 to 1",
        args.threshold
    );
    ensure!(
        args.html.is_none() || !args.decisions_only,
        "--html needs the curves that --decisions-only leaves out"
    );
    let bytes = std::fs::read(&args.model).with_context(|| format!("cannot read {}", args.model.display()))?;
    let file = ModelFile::from_bytes(&bytes).with_context(|| args.model.display().to_string())?;
    ensure!(
        args.html.is_none() || args.datasets.len() == 1,
        "--html is for one dataset"
    );
    ensure!(
        args.root.is_none() || args.datasets.len() == 1,
        "--root is for one dataset"
    );
    let read = |path: &PathBuf| {
        let dataset = DatasetConfig::read(path, args.root.as_deref())?;
        // All splits must exist before anything is scored.
        for split in &args.splits {
            dataset.entries_of(split)?;
        }
        Ok(dataset)
    };
    let datasets = args.datasets.iter().map(read).collect::<Result<Vec<_>>>()?;
    let model = BurnTileModel::new(file.build(&args.device.device()?)?, file.card.bands.len());
    pollster::block_on(check_golden(&model, &file.golden, GOLDEN_TOLERANCE))?;

    let mut scored = Vec::new();
    for dataset in &datasets {
        let one = score_dataset(args, &model, &file.card, dataset)?;
        if !args.json {
            print!("{}", tables::chosen(one.chosen.as_ref()));
            for evaluation in &one.evaluations {
                println!("\n== {} on {} of {} ==", file.card.name, evaluation.split, dataset.name);
                print!("{}", tables::evaluation(evaluation));
            }
        }
        scored.push((dataset, one));
    }
    if let (Some(path), [(dataset, one)]) = (&args.html, scored.as_slice()) {
        let report = report::Report {
            card: &file.card,
            dataset,
            sha256: &file.sha256,
            evaluations: &one.evaluations,
            chosen: one.chosen.as_ref(),
        };
        write_whole(path, report.html(&model)?.as_bytes())?;
    }
    match scored.as_slice() {
        [(_, one)] if args.json => println!("{}", serde_json::to_string_pretty(&one.json()?)?),
        several if args.json => {
            let named = several
                .iter()
                .map(|(dataset, one)| Ok((dataset.name.clone(), one.json()?)));
            let named = named.collect::<Result<serde_json::Map<_, _>>>()?;
            println!("{}", serde_json::to_string_pretty(&json!({ "datasets": named }))?);
        }
        [_] => {}
        several => {
            let rows = several.iter().flat_map(|(dataset, one)| {
                one.evaluations
                    .iter()
                    .map(|evaluation| (dataset.name.as_str(), evaluation))
            });
            print!("\n{}", tables::comparison(rows));
        }
    }
    Ok(())
}

/// The figures of a dataset's splits.
struct Scored {
    evaluations: Vec<Evaluation>,
    chosen: Option<Chosen>,
}

impl Scored {
    fn json(&self) -> Result<Value> {
        if let [one] = self.evaluations.as_slice() {
            let mut value = serde_json::to_value(one)?;
            value["chosen"] = json!(self.chosen);
            return Ok(value);
        }
        let splits = self.evaluations.iter().map(|one| (one.split.clone(), json!(one)));
        let splits: serde_json::Map<_, _> = splits.collect();
        Ok(json!({ "splits": splits, "chosen": self.chosen }))
    }
}

fn score_dataset(args: &EvaluateArgs, model: &BurnTileModel, card: &Card, dataset: &DatasetConfig) -> Result<Scored> {
    let options = ScoreOptions {
        threshold: args.threshold,
        flips: args.flips,
        probabilities: !args.decisions_only,
        background: args.background.clone().or_else(|| dataset.background.clone()),
    };
    // The rules that leave samples out apply here as they do in training and export.
    let score_split = |split: &str| {
        let loaded = dataset.load_split(split)?;
        if loaded.dropped.total() > 0 {
            tracing::info!("{}", loaded.dropped.sentence(split));
        }
        let scenes = Scenes::loaded(dataset, split, &loaded.entries, &loaded.samples)?;
        score(model, card, &scenes, &options)
    };
    let validation = match options.probabilities && dataset.entries_of(VALIDATION).is_ok() {
        true => Some(ValidationScores::new(score_split(VALIDATION)?)?),
        false => None,
    };
    let chosen = validation.as_ref().map(|scores| scores.choose(args.floor_margin));
    let bootstrap = Bootstrap {
        resamples: args.bootstrap,
        seed: args.bootstrap_seed,
    };
    let mut evaluations = Vec::new();
    for split in &args.splits {
        let evaluation = match &validation {
            Some(scores) if split == VALIDATION => scores.scores().evaluation(chosen.as_ref(), Some(bootstrap))?,
            _ => score_split(split)?.evaluation(chosen.as_ref(), Some(bootstrap))?,
        };
        evaluations.push(evaluation);
    }
    Ok(Scored { evaluations, chosen })
}

/// Figures of scores that hold probabilities. If the scores are of the validation split, this also chooses on them.
///
/// # Errors
/// If the scores hold no probabilities to choose by.
pub fn figures_and_choices(scores: Scores, bootstrap: Bootstrap) -> Result<(Evaluation, Option<Chosen>)> {
    if scores.split() != VALIDATION {
        return Ok((scores.evaluation(None, Some(bootstrap))?, None));
    }
    let validation = ValidationScores::new(scores)?;
    let chosen = validation.choose(0.0);
    let evaluation = validation.scores().evaluation(Some(&chosen), Some(bootstrap))?;
    Ok((evaluation, Some(chosen)))
}
