//! `raremap train` turns a recipe and a dataset into a run's folder.

mod batch;
mod learner;
mod replicas;
mod state;
mod step_loss;
mod trainer;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use raremap_model::{Card, Training};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::checkpoint::{Checkpoints, hex};
use crate::config::TrainConfig;
use crate::dataset::{DatasetConfig, SplitClasses, Vanished, class_pixels, measure_bands, vanished};
use crate::sample::{TRAIN, TrainingSplit};
use batch::Data;
use raremap_device::Backend;
use raremap_io::write_whole;
use trainer::Trainer;

/// Trains a model as a recipe says.
#[derive(Debug, Args)]
pub struct TrainArgs {
    /// The recipe, a TOML file.
    config: PathBuf,
    /// Folder for the run: resolved recipe, log, report, checkpoints, best weights [default: runs/NAME].
    #[arg(long)]
    out: Option<PathBuf>,
    /// Continue from the run's checkpoint, if there is one.
    #[arg(long)]
    resume: bool,
    /// Device to train on.
    #[arg(long, value_enum, default_value = "cpu")]
    device: Backend,
    /// Numbers of the devices that share each batch, separated by commas, such as `0,1`; naming one device twice runs two replicas on it
    /// [default: one device].
    #[arg(long, value_delimiter = ',')]
    devices: Vec<usize>,
    /// Look for the dataset's files in this folder.
    #[arg(long)]
    root: Option<PathBuf>,
    /// Change a key of the recipe, such as `seed=2` or `loss.main.0.weight=0.5`; you can repeat this option.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Show curves, figures and findings in the terminal.
    #[arg(long)]
    watch: bool,
}

/// Split that the best weights are chosen on.
pub const VALIDATION: &str = "val";

/// Weights with the best validation score, and the card that `raremap export` completes.
pub const BEST_WEIGHTS: &str = "best.bpk";
/// The card of the run's model.
pub const CARD: &str = "card.json";
/// The recipe as it was resolved.
pub const RECIPE: &str = "recipe.toml";
/// The figures of the best weights, written once the run is done.
pub const EVALUATION: &str = "evaluation.json";

/// Runs `raremap train`.
pub fn run(args: &TrainArgs) -> Result<()> {
    let config = TrainConfig::read(&args.config, &args.set)?;
    let dataset = DatasetConfig::read(&config.dataset, args.root.as_deref())?;
    let run = args.out.clone().unwrap_or_else(|| Path::new("runs").join(&config.name));
    let recipe = toml::to_string(&config)?;
    let digest = run_digest(&config, &dataset)?;
    let checkpoints = Checkpoints::of_run(&run);
    ensure!(
        args.resume || !checkpoints.exist(),
        "{} already contains a run: use --resume to continue it, or --out to start another",
        run.display()
    );
    // Everything that can be wrong is found before the first step, and before a file is written.
    let validation = dataset.load_split(VALIDATION)?;
    let split = TrainingSplit::load(&dataset)?;
    tell_vanished(&dataset, split.classes(), &validation.classes)?;
    let card = card(&config, &dataset, &split)?;
    // Faults of the card are found here, not when the first weights are saved.
    Card::from_stac(&card.to_stac()).context("this recipe and this dataset do not make a valid model")?;
    if validation.dropped.total() > 0 {
        tracing::info!("{}", validation.dropped.sentence(VALIDATION));
    }
    let images = split.len();
    let mut data = Data::new(&config, &card, split)?;
    let devices = args.device.devices(&args.devices)?;
    let mut trainer = Trainer::new(config, card, &dataset, images, validation, devices, digest)?;

    std::fs::create_dir_all(&run).with_context(|| format!("cannot create {}", run.display()))?;
    if checkpoints.exist() {
        trainer.resume(&checkpoints, &mut data)?;
    }
    write_whole(&run.join(RECIPE), recipe.as_bytes())?;
    write_whole(&run.join(CARD), &serde_json::to_vec_pretty(&trainer.card().to_stac())?)?;
    let stop = Arc::new(AtomicBool::new(false));
    let signal = Arc::clone(&stop);
    ctrlc::set_handler(move || signal.store(true, Ordering::SeqCst)).context("cannot catch Ctrl-C")?;
    trainer.train(&mut data, &run, &checkpoints, args.watch, args.device, &stop)
}

/// Says on stderr which classes have no labelled pixel, and the likely reason.
///
/// # Errors
/// If the training split has no labelled pixel at all.
fn tell_vanished(dataset: &DatasetConfig, training: Option<&SplitClasses>, validation: &SplitClasses) -> Result<()> {
    let known: Vec<&SplitClasses> = training.into_iter().chain([validation]).collect();
    for of in &known {
        let others: Vec<&SplitClasses> = known.iter().copied().filter(|other| other.split != of.split).collect();
        let found = vanished(dataset, of, &others);
        if of.split == TRAIN && of.labelled() == 0 {
            let seen = found.first().map_or("it has no samples", |found| &found.seen);
            bail!("nothing can be learned: {seen}");
        }
        for Vanished { seen, advice } in &found {
            eprintln!("raremap: warning: {seen}. {}", capitalized(advice));
        }
        if of.split == VALIDATION && of.labelled() == 0 {
            eprintln!("raremap: warning: there will be no figures, and the newest weights count as the best");
        }
    }
    Ok(())
}

/// Makes a sentence of a piece of advice.
fn capitalized(advice: &str) -> String {
    match advice.chars().next() {
        // The name of a command stays as it is.
        Some(first) if !advice.starts_with("raremap ") => first.to_uppercase().chain(advice.chars().skip(1)).collect(),
        _ => advice.to_owned(),
    }
}

/// Digest of what decides a run besides this program: the recipe without the path of its dataset, the dataset's description, and which
/// image is in which split.
pub fn run_digest(config: &TrainConfig, dataset: &DatasetConfig) -> Result<String> {
    let mut hasher = Sha256::new();
    hasher.update(toml::to_string(&TrainConfig {
        dataset: PathBuf::new(),
        ..config.clone()
    })?);
    let mut dataset_config = dataset.clone();
    dataset_config.root = PathBuf::new();
    hasher.update(toml::to_string(&dataset_config)?);
    for source in dataset.source_configs() {
        let mut source = source.clone();
        source.root = PathBuf::new();
        hasher.update(toml::to_string(&source)?);
    }
    for split in [TRAIN, VALIDATION] {
        for entry in dataset.entries_of(split)? {
            hasher.update(format!("{}\t{}\t{}\n", entry.image, entry.place, entry.split));
        }
    }
    Ok(hex(&hasher.finalize()))
}

/// The card of a model that is about to be trained.
fn card(config: &TrainConfig, dataset: &DatasetConfig, split: &TrainingSplit) -> Result<Card> {
    let samples = split.samples();
    let bands = measure_bands(dataset, samples)?;
    let classes = dataset.card_classes()?;
    let rare_classes = match config.model.auxiliary_head {
        true => dataset.rare_classes(),
        false => Vec::new(),
    };
    Ok(Card {
        name: config.name.clone(),
        description: String::new(),
        created: String::new(),
        architecture: config
            .model
            .architecture(bands.len(), classes.len(), rare_classes.len())?,
        bands,
        value_scaling: dataset.value_scaling.clone(),
        // Tiles are as large as the largest crops that the network has learned from.
        tile_px: config.schedule.largest_crop_px(),
        ground_resolution_m: dataset.sample_resolution_m(),
        training: Training {
            dataset: dataset.name.clone(),
            provenance: dataset.provenance.clone(),
            class_pixels: class_pixels(samples, classes.len()),
            ground_resolution_range_m: config.augment.ground_resolution_m.map(|range| range.map(f64::from)),
        },
        classes,
        rare_classes,
        metrics: json!({}),
        quantization: String::new(),
    })
}
