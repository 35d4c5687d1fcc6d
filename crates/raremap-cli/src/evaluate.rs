//! `raremap evaluate` computes the figures of a model on splits of datasets.

use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use raremap_device::Backend;
use raremap_io::write_whole;
use raremap_model::{BurnTileModel, GOLDEN_TOLERANCE, ModelFile, check_golden};
use raremap_train::dataset::DatasetConfig;
use raremap_train::evaluate::{Bootstrap, EvaluateOptions, Report, ScoreOptions, VALIDATION, evaluate, tables};
use serde_json::json;

/// Evaluates a model on splits of datasets. It chooses temperatures and thresholds on each dataset's validation split alone, and applies them
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
    /// Leave out these optional bands of the model, separated by commas, as if no scene had them.
    #[arg(long, value_delimiter = ',', value_name = "BANDS")]
    without_bands: Vec<String>,
    /// Average the logits over the scene and its mirror images.
    #[arg(long)]
    flips: bool,
    /// Also give the mean IoU without this class [default: the dataset's own background].
    #[arg(long)]
    background: Option<String>,
    /// Number of resamples of the places for 95% intervals; 0 gives no intervals.
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
///
/// # Errors
/// If options contradict each other, if the model, a dataset or one of its files cannot be read, if the model does not fit the dataset or fails
/// on the device, or if the report cannot be written.
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
    let optional = file.card.optional_bands();
    let without: Vec<&str> = args.without_bands.iter().map(String::as_str).collect();
    if let Some(name) = without.iter().find(|name| !optional.contains(name)) {
        bail!(
            "--without-bands: {name} is not one of the model's optional bands ({})",
            optional.join(", ")
        );
    }
    let card = file.card.without(&without);
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

    let options = EvaluateOptions {
        splits: args.splits.clone(),
        score: ScoreOptions {
            threshold: args.threshold,
            flips: args.flips,
            probabilities: !args.decisions_only,
            background: args.background.clone(),
        },
        bootstrap: Bootstrap {
            resamples: args.bootstrap,
            seed: args.bootstrap_seed,
        },
        floor_margin: args.floor_margin,
    };
    let mut evaluated = Vec::new();
    for dataset in &datasets {
        let one = evaluate(&model, &card, dataset, &options)?;
        if !args.json {
            print!("{}", tables::chosen(one.chosen.as_ref()));
            for evaluation in &one.splits {
                println!("\n== {} on {} of {} ==", card.name, evaluation.split, dataset.name);
                print!("{}", tables::evaluation(evaluation));
            }
        }
        evaluated.push((dataset, one));
    }
    if let (Some(path), [(dataset, one)]) = (&args.html, evaluated.as_slice()) {
        let report = Report {
            card: &card,
            dataset,
            sha256: &file.sha256,
            evaluations: &one.splits,
            chosen: one.chosen.as_ref(),
        };
        write_whole(path, report.html(&model)?.as_bytes())?;
    }
    match evaluated.as_slice() {
        [(_, one)] if args.json => println!("{}", serde_json::to_string_pretty(&one.to_json()?)?),
        several if args.json => {
            let named = several
                .iter()
                .map(|(dataset, one)| Ok((dataset.name.clone(), one.to_json()?)));
            let named = named.collect::<Result<serde_json::Map<_, _>>>()?;
            println!("{}", serde_json::to_string_pretty(&json!({ "datasets": named }))?);
        }
        [_] => {}
        several => {
            let rows = several
                .iter()
                .flat_map(|(dataset, one)| one.splits.iter().map(|split| (dataset.name.as_str(), split)));
            print!("\n{}", tables::comparison(rows));
        }
    }
    Ok(())
}
