//! Computes the figures of a model on a split.

mod choose;
mod evaluation;
mod figures;
mod flips;
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
use raremap_model::ModelFile;
use serde_json::json;

pub use choose::{Chosen, VALIDATION, ValidationScores};
pub use evaluation::{Bootstrap, Evaluation};
pub use saliency::saliency_map;
pub use scenes::{Layout, Scenes};
pub use score::{ScoreOptions, Scores, score};

use crate::dataset::DatasetConfig;
use raremap_device::Backend;
use raremap_io::write_whole;

/// Evaluates a model on splits of a dataset. It chooses temperatures and thresholds on the validation split alone, and applies them
/// unchanged.
#[derive(Debug, Args)]
pub struct EvaluateArgs {
    /// A weights file.
    model: PathBuf,
    /// The dataset's TOML file.
    dataset: PathBuf,
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
    /// Print JSON instead of tables: the figures of one split, or those of each under `splits`.
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
    let card = &file.card;
    let dataset = DatasetConfig::read(&args.dataset, args.root.as_deref())?;
    // All splits must be there before anything is scored.
    for split in &args.splits {
        dataset.entries_of(split)?;
    }
    let model = BurnTileModel::new(file.build(&args.device.device()?)?, card.bands.len());
    pollster::block_on(check_golden(&model, &file.golden, GOLDEN_TOLERANCE))?;

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
        let scenes = Scenes::loaded(&dataset, split, &loaded.entries, &loaded.samples)?;
        score(&model, card, &scenes, &options)
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
    if let Some(path) = &args.html {
        let report = report::Report {
            card,
            dataset: &dataset,
            sha256: &file.sha256,
            evaluations: &evaluations,
            chosen: chosen.as_ref(),
        };
        write_whole(path, report.html(&model)?.as_bytes())?;
    }
    match evaluations.as_slice() {
        [one] if args.json => {
            let mut value = serde_json::to_value(one)?;
            value["chosen"] = json!(chosen);
            println!("{}", serde_json::to_string_pretty(&value)?);
        }
        several if args.json => {
            let splits: serde_json::Map<_, _> = several.iter().map(|one| (one.split.clone(), json!(one))).collect();
            println!(
                "{}",
                serde_json::to_string_pretty(&json!({ "splits": splits, "chosen": chosen }))?
            );
        }
        all => {
            print!("{}", tables::chosen(chosen.as_ref()));
            for evaluation in all {
                println!("\n== {} on {} of {} ==", card.name, evaluation.split, dataset.name);
                print!("{}", tables::evaluation(evaluation));
            }
        }
    }
    Ok(())
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
