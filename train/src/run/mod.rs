//! Turns a recipe and a dataset into a run's folder.

mod batch;
mod guide;
mod learner;
mod replicas;
mod state;
mod step_loss;
mod trainer;

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use raremap_model::{Card, Training};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::checkpoint::{Checkpoints, hex};
use crate::config::TrainConfig;
use crate::dataset::{DatasetConfig, SampleStore, SplitClasses, Vanished, class_pixels, measure_bands, vanished};
use crate::error::{Context, Result, bail, ensure};
use crate::evaluate::VALIDATION;
use crate::sample::{TRAIN, TrainingSplit};
use crate::watch::Observer;
use batch::Data;
use raremap_device::Backend;
use raremap_io::write_whole;
use trainer::Trainer;

/// Weights with the best validation score, and the card that `raremap export` completes.
pub const BEST_WEIGHTS: &str = "best.bpk";
pub use crate::start::CARD;
/// The recipe as it was resolved.
pub const RECIPE: &str = "recipe.toml";
/// The figures of the best weights, written once the run is done.
pub const EVALUATION: &str = "evaluation.json";

/// How a run uses the machine and its folder.
#[derive(Debug, Clone, PartialEq)]
pub struct RunOptions {
    /// Continue from the folder's checkpoint, if there is one.
    pub resume: bool,
    /// Device to train on.
    pub device: Backend,
    /// Numbers of the devices that share each batch; naming one device twice runs two replicas on it. Empty for the default device.
    pub devices: Vec<usize>,
    /// Samples of training and validation that are kept in memory, in bytes; the others are in a temporary file. This changes nothing but the time.
    pub sample_memory_bytes: u64,
}

impl Default for RunOptions {
    /// A new run on the CPU.
    fn default() -> Self {
        Self {
            resume: false,
            device: Backend::Cpu,
            devices: Vec::new(),
            sample_memory_bytes: SampleStore::USUAL_BYTES,
        }
    }
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum RunEnd {
    /// All steps are done, or a rule of the recipe stopped the run; the best weights are evaluated.
    Done {
        /// Mean IoU of the best weights on the validation split, 0 to 1; `None` if none of its pixels is labelled.
        best_mean_iou: Option<f64>,
    },
    /// The caller stopped it, and its checkpoint was saved.
    Interrupted,
}

/// A run that is ready to train.
pub struct Run<'a> {
    folder: PathBuf,
    recipe: String,
    checkpoints: Checkpoints,
    device: Backend,
    data: Data,
    trainer: Trainer<'a>,
}

impl<'a> Run<'a> {
    /// Reads the training and validation splits of `dataset` and makes the network that `config` describes. Writes nothing.
    ///
    /// # Errors
    /// If `folder` has a run that is not to be resumed, if a file of the dataset cannot be read, if the recipe does not fit the dataset, if there
    /// is nothing to learn, or if the device is not available.
    pub fn prepare(
        config: TrainConfig,
        dataset: &'a DatasetConfig,
        folder: &Path,
        options: &RunOptions,
    ) -> Result<Self> {
        let recipe = toml::to_string(&config)?;
        let digest = run_digest(&config, dataset)?;
        let checkpoints = Checkpoints::of_run(folder);
        ensure!(
            Checkpoint,
            options.resume || !checkpoints.exist(),
            "{} already contains a run: use --resume to continue it, or --out to start another",
            folder.display()
        );
        // Everything that can be wrong is found before the first step, and before a file is written.
        let memory_bytes = options.sample_memory_bytes;
        let validation = dataset.load_split(VALIDATION, memory_bytes)?;
        let split = TrainingSplit::load(
            dataset,
            config.places_share,
            memory_bytes - validation.samples.memory_bytes(),
        )?;
        tell_vanished(dataset, split.classes(), &validation.classes)?;
        let card = card(&config, dataset, &split)?;
        // Faults of the card are found here, not when the first weights are saved.
        Card::from_stac(&card.to_stac()).context("this recipe and this dataset do not make a valid model")?;
        if validation.dropped.total() > 0 {
            tracing::info!("{}", validation.dropped.sentence(VALIDATION));
        }
        let images = split.len();
        let data = Data::new(&config, &card, split)?;
        let devices = options.device.devices(&options.devices)?;
        let trainer = Trainer::new(config, card, dataset, images, validation, devices, digest)?;
        Ok(Self {
            folder: folder.to_owned(),
            recipe,
            checkpoints,
            device: options.device,
            data,
            trainer,
        })
    }

    /// The card of the model that is trained; it has no figures yet.
    pub fn card(&self) -> &Card {
        self.trainer.card()
    }

    /// Trains, and writes the resolved recipe, the card, the log, the report, checkpoints, the best weights and their evaluation into the
    /// folder. `observer` sees every event; setting `stop` ends the run after the step that it is in, with a checkpoint.
    ///
    /// # Errors
    /// If a file cannot be written, if the checkpoint does not fit the recipe or the data, or if the loss is not a number any more.
    pub fn train(mut self, observer: &mut dyn Observer, stop: &AtomicBool) -> Result<RunEnd> {
        std::fs::create_dir_all(&self.folder).with_context(|| format!("cannot create {}", self.folder.display()))?;
        if self.checkpoints.exist() {
            self.trainer.resume(&self.checkpoints, &mut self.data)?;
        }
        write_whole(&self.folder.join(RECIPE), self.recipe.as_bytes())?;
        let card = serde_json::to_vec_pretty(&self.trainer.card().to_stac())?;
        write_whole(&self.folder.join(CARD), &card)?;
        self.trainer.train(
            &mut self.data,
            &self.folder,
            &self.checkpoints,
            observer,
            self.device,
            stop,
        )
    }
}

/// Warns which classes have no labelled pixel, and the likely reason.
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
            bail!(Dataset, "nothing can be learned: {seen}");
        }
        for Vanished { seen, advice } in &found {
            tracing::warn!("warning: {seen}. {}", capitalized(advice));
        }
        if of.split == VALIDATION && of.labelled() == 0 {
            tracing::warn!("warning: there will be no figures, and the newest weights count as the best");
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
/// image is in which split. In hexadecimal digits.
///
/// # Errors
/// If the dataset's list cannot be read, or lacks the training or validation split.
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

/// Finest and coarsest resolution of the crops, of samples within the second range; `None` if there is only one.
fn trained_range(drawn: Option<[f32; 2]>, [finest, coarsest]: [f64; 2]) -> Option<[f64; 2]> {
    let range = drawn.map_or([finest, coarsest], |[from, to]| {
        // Untouched crops have the resolution of their sample.
        [f64::from(from).min(finest), f64::from(to).max(coarsest)]
    });
    (drawn.is_some() || finest < coarsest).then_some(range)
}

/// The card of a model that is about to be trained.
fn card(config: &TrainConfig, dataset: &DatasetConfig, split: &TrainingSplit) -> Result<Card> {
    let samples = split.samples();
    let bands = measure_bands(dataset, samples)?;
    let metres = || split.sources().iter().map(|source| source.ground_resolution_m);
    let [finest, coarsest] = [metres().fold(f64::INFINITY, f64::min), metres().fold(0.0, f64::max)];
    config.augment.check_channels(&bands, finest < coarsest)?;
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
            class_pixels: class_pixels(samples, classes.len())?,
            ground_resolution_range_m: trained_range(config.augment.ground_resolution_m, [finest, coarsest]),
        },
        classes,
        rare_classes,
        metrics: json!({}),
        quantization: String::new(),
    })
}
