//! The training loop.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use burn::module::{Module, ParamGroup};
use burn::optim::{AdamWConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::{Bool, Device, Int, Tensor, TensorData};
use clap::Args;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use raremap_infer::Normalizer;
use raremap_model::{BandSource, Card, Network, Training};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::augment::crop;
use crate::checkpoint::{Checkpoint, Progress, save_module};
use crate::clip::clip_global_norm;
use crate::config::TrainConfig;
use crate::dataset::{DatasetConfig, IGNORE, Sample, class_pixels, measure_bands};
use crate::device::Backend;
use crate::ema::Average;
use crate::evaluate::{Evaluation, evaluate};
use crate::files::write_whole;
use crate::log::Log;
use crate::loss::{Labels, class_weights, loss};
use crate::schedule::WarmupPolynomial;
use crate::start::start_from;

/// Trains a model by a recipe.
#[derive(Debug, Args)]
pub struct TrainArgs {
    /// The recipe, a TOML file.
    config: PathBuf,
    /// Folder of the run: resolved recipe, log, checkpoint, best weights [default: runs/NAME].
    #[arg(long)]
    out: Option<PathBuf>,
    /// Go on from the run's checkpoint.
    #[arg(long)]
    resume: bool,
    /// Where to train.
    #[arg(long, value_enum, default_value = "cpu")]
    device: Backend,
    /// Another folder for the dataset's files.
    #[arg(long)]
    root: Option<PathBuf>,
    /// Another seed than the recipe's.
    #[arg(long)]
    seed: Option<u64>,
}

/// Split that the best weights are chosen on.
const VALIDATION: &str = "val";
/// Threshold of the auxiliary head in the log's figures.
const THRESHOLD: f32 = 0.5;

/// Weights with the best validation score, and the card that `raremap export` completes.
pub const BEST_WEIGHTS: &str = "best.bpk";
/// The card of the run's model.
pub const CARD: &str = "card.json";

/// Runs `raremap train`.
pub fn run(args: &TrainArgs) -> Result<()> {
    let mut config = TrainConfig::read(&args.config)?;
    config.seed = args.seed.unwrap_or(config.seed);
    let dataset = DatasetConfig::read(&config.dataset, args.root.as_deref())?;
    let run = args.out.clone().unwrap_or_else(|| Path::new("runs").join(&config.name));
    std::fs::create_dir_all(&run).with_context(|| format!("cannot create {}", run.display()))?;
    let recipe = toml::to_string(&config)?;
    let checkpoint = Checkpoint::of_run(&run);
    ensure!(
        args.resume || !checkpoint.exists(),
        "{} holds a run already: --resume goes on with it, --out starts another",
        run.display()
    );

    let samples = dataset.load("train")?;
    // Known now, and not after the first epochs, that there is something to validate on.
    dataset.images_of(VALIDATION)?;
    for sample in &samples {
        ensure!(
            sample.valid.contains(&true),
            "{} has no valid pixel: all are nodata or NaN",
            sample.path.display()
        );
    }
    let card = card(&config, &dataset, &samples)?;
    write_whole(&run.join("recipe.toml"), recipe.as_bytes())?;
    write_whole(&run.join(CARD), &serde_json::to_vec_pretty(&card.to_stac())?)?;

    let mut trainer = Trainer::new(config, card, samples, args.device.device()?, recipe)?;
    if args.resume {
        trainer.resume(&checkpoint)?;
    }
    let mut log = Log::open(&run, trainer.total_steps(), trainer.progress.step)?;
    log.event(&json!({
        "event": "start", "step": trainer.progress.step, "total_steps": trainer.total_steps(),
        "parameters": trainer.model.num_params(), "device": args.device.to_string(), "seed": trainer.config.seed,
        "raremap": env!("CARGO_PKG_VERSION"), "burn": locked_version("burn"),
    }))?;
    let stop = Arc::new(AtomicBool::new(false));
    let signal = Arc::clone(&stop);
    ctrlc::set_handler(move || signal.store(true, Ordering::SeqCst)).context("cannot catch Ctrl-C")?;
    trainer.train(&dataset, &run, &mut log, &stop)
}

/// The card of a model that is about to be trained.
fn card(config: &TrainConfig, dataset: &DatasetConfig, samples: &[Sample]) -> Result<Card> {
    let bands = measure_bands(dataset, samples)?;
    let classes = dataset.card_classes()?;
    let rare_classes = if config.model.auxiliary_head {
        dataset.rare_classes()
    } else {
        Vec::new()
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
        // Tiles as large as what the network has learned from: the same context at every pixel.
        tile_px: config.schedule.crop_px,
        ground_resolution_m: dataset.ground_resolution_m,
        training: Training {
            dataset: dataset.name.clone(),
            provenance: dataset.provenance.clone(),
            class_pixels: class_pixels(samples, classes.len()),
        },
        classes,
        rare_classes,
        metrics: json!({}),
        quantization: String::new(),
    })
}

struct Trainer {
    config: TrainConfig,
    card: Card,
    samples: Vec<Sample>,
    normalizer: Normalizer,
    /// Deviations of the scene bands, the unit of additive augmentation.
    band_std: Vec<f32>,
    device: Device,
    model: Network,
    average: Option<Average>,
    optimizer: ModuleOptimizer,
    weights: Tensor<1>,
    progress: Progress,
}

/// The loss of one step, on the host.
struct StepLoss {
    total: f32,
    main: f32,
    auxiliary: Option<f32>,
}

/// Crops on the device, normalized.
struct Batch {
    input: Tensor<4>,
    labels: Labels,
}

impl Trainer {
    fn new(config: TrainConfig, card: Card, samples: Vec<Sample>, device: Device, recipe: String) -> Result<Self> {
        let device = device.autodiff();
        device.seed(config.seed);
        let mut model = card.architecture.init(&device);
        if let Some(path) = &config.model.start_from {
            start_from(&mut model, path, &config.model.start_without)?;
        }
        let settings = &config.optimizer;
        let adamw = |decay: f32| {
            AdamWConfig::new()
                .with_beta_1(settings.beta_1)
                .with_beta_2(settings.beta_2)
                .with_epsilon(1e-8)
                .with_weight_decay(decay)
        };
        let undecayed =
            ParamGroup::from_regex(r"\.(gamma|beta|bias)$").map_err(|error| anyhow::anyhow!("{error:?}"))?;
        let optimizer = adamw(settings.weight_decay)
            .init()
            .with_group(undecayed, adamw(0.0).build(), None);
        let average = (config.schedule.ema_decay > 0.0).then(|| Average::new(config.schedule.ema_decay, &model));
        let class_weights = class_weights(&config.loss, &card.training.class_pixels);
        let recipe = Sha256::digest(recipe)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        Ok(Self {
            normalizer: Normalizer::new(&card.bands)?,
            band_std: scene_band_std(&card),
            weights: Tensor::from_floats(class_weights.as_slice(), &device),
            progress: Progress {
                recipe,
                ..Progress::default()
            },
            config,
            card,
            samples,
            device,
            model,
            average,
            optimizer,
        })
    }

    fn steps_per_epoch(&self) -> usize {
        self.samples.len().div_ceil(self.config.schedule.batch_size)
    }

    fn total_steps(&self) -> usize {
        self.steps_per_epoch() * self.config.schedule.epochs
    }

    fn resume(&mut self, checkpoint: &Checkpoint) -> Result<()> {
        let mut averaged = self.average.as_ref().map(|average| average.apply(&self.model));
        let (optimizer, progress) = checkpoint.load(&mut self.model, averaged.as_mut(), self.optimizer.clone())?;
        ensure!(
            progress.recipe == self.progress.recipe,
            "the recipe or the seed differs from the one the run was started with: its checkpoint does not fit"
        );
        self.optimizer = optimizer;
        self.progress = progress;
        if let Some(averaged) = averaged {
            self.average = Some(Average::new(self.config.schedule.ema_decay, &averaged));
        }
        Ok(())
    }

    fn train(&mut self, dataset: &DatasetConfig, run: &Path, log: &mut Log, stop: &AtomicBool) -> Result<()> {
        let schedule = WarmupPolynomial {
            peak: self.config.optimizer.learning_rate,
            warmup_steps: self.config.schedule.warmup_steps,
            total_steps: self.total_steps(),
            power: self.config.schedule.power,
        };
        let per_epoch = self.steps_per_epoch();
        let checkpoint = Checkpoint::of_run(run);
        let started = Instant::now();
        let first = self.progress.step;
        while self.progress.step < self.total_steps() {
            let step = self.progress.step;
            let rate = schedule.rate(step);
            let loss = self.step(step / per_epoch, step % per_epoch, rate)?;
            if !loss.total.is_finite() {
                bail!(
                    "the loss became {} at step {step}; the last checkpoint is in {}",
                    loss.total,
                    run.display()
                );
            }
            self.progress.step += 1;
            log.step(self.progress.step, || format!("loss {:.4}", loss.total));
            let epoch_done = self.progress.step.is_multiple_of(per_epoch);
            let epoch = self.progress.step / per_epoch;
            if epoch_done {
                let secs = started.elapsed().as_secs_f64() / (self.progress.step - first) as f64;
                log.event(&json!({
                    "event": "epoch", "epoch": epoch, "step": self.progress.step, "loss": loss.total,
                    "loss_main": loss.main, "loss_auxiliary": loss.auxiliary,
                    "learning_rate": rate, "secs_per_step": secs,
                }))?;
            }
            let last = self.progress.step == self.total_steps();
            if epoch_done && (epoch.is_multiple_of(self.config.schedule.evaluate_every_epochs) || last) {
                let evaluation = self.evaluate(dataset)?;
                let mean_iou = evaluation.figures.mean_iou;
                log.event(&json!({ "event": "validation", "epoch": epoch, "figures": evaluation }))?;
                if self.progress.best_mean_iou.is_none_or(|best| mean_iou > best) {
                    self.progress.best_mean_iou = Some(mean_iou);
                    save_module(&self.candidate(), &run.join(BEST_WEIGHTS))?;
                }
                self.save(&checkpoint)?;
            }
            if stop.load(Ordering::SeqCst) {
                self.save(&checkpoint)?;
                log.event(&json!({ "event": "stopped", "step": self.progress.step }))?;
                return Ok(());
            }
        }
        log.event(&json!({ "event": "done", "best_mean_iou": self.progress.best_mean_iou }))
    }

    /// One step.
    fn step(&mut self, epoch: usize, index: usize, rate: f64) -> Result<StepLoss> {
        // Randomness is a function of seed and step alone, so that a resumed run repeats an uninterrupted one.
        self.device.seed(mix(self.config.seed, self.progress.step as u64, 0));
        let batch = self.batch(epoch, index)?;
        let logits = self.model.forward(batch.input);
        let rare = self.card.rare_class_indices();
        let loss = loss(
            logits,
            &batch.labels,
            &self.weights,
            &rare,
            self.config.loss.auxiliary_weight,
        );
        let mut gradients = GradientsParams::from_grads(loss.total.backward(), &self.model);
        if self.config.optimizer.clip_norm > 0.0 {
            gradients = clip_global_norm(&self.model, gradients, self.config.optimizer.clip_norm);
        }
        self.model = self.optimizer.step(rate, self.model.clone(), gradients);
        if let Some(average) = &mut self.average {
            average.update(&self.model);
        }
        let scalar = |loss: Tensor<1>| loss.inner().into_scalar::<f32>();
        Ok(StepLoss {
            total: scalar(loss.total),
            main: scalar(loss.main),
            auxiliary: loss.auxiliary.map(scalar),
        })
    }

    fn batch(&self, epoch: usize, index: usize) -> Result<Batch> {
        let mut order: Vec<usize> = (0..self.samples.len()).collect();
        order.shuffle(&mut StdRng::seed_from_u64(mix(self.config.seed, epoch as u64, 1)));
        let size = self.config.schedule.batch_size;
        let edge = self.config.schedule.crop_px;
        let channels = self.normalizer.channels();
        let (mut input, mut classes, mut scored) = (Vec::new(), Vec::new(), Vec::new());
        for slot in 0..size {
            // The last batch is filled from the epoch's start, so that batch norm always sees a full one.
            let position = index * size + slot;
            let sample = &self.samples[order[position % order.len()]];
            let mut rng = StdRng::seed_from_u64(mix(self.config.seed, (epoch * order.len() + position) as u64, 2));
            let crop = crop(sample, edge, &self.config.augment, &self.band_std, &mut rng);
            input.extend(self.normalizer.normalize(&crop.values, &crop.valid)?);
            classes.extend(
                crop.labels
                    .iter()
                    .map(|&label| if label == IGNORE { 0 } else { i32::from(label) }),
            );
            scored.extend(crop.labels.iter().map(|&label| label != IGNORE));
        }
        let plane = [size, 1, edge, edge];
        let classes = Tensor::<4, Int>::from_data(TensorData::new(classes, plane), &self.device);
        let scored = Tensor::<4, Bool>::from_data(TensorData::new(scored, plane), &self.device);
        let input = Tensor::from_data(TensorData::new(input, [size, channels, edge, edge]), &self.device);
        Ok(Batch {
            input,
            labels: Labels { classes, scored },
        })
    }

    /// The weights that would be shipped: averaged if there is an average.
    fn candidate(&self) -> Network {
        match &self.average {
            Some(average) => average.apply(&self.model),
            None => self.model.valid(),
        }
    }

    fn evaluate(&self, dataset: &DatasetConfig) -> Result<Evaluation> {
        evaluate(self.candidate().fold(), &self.card, dataset, VALIDATION, THRESHOLD)
    }

    fn save(&self, checkpoint: &Checkpoint) -> Result<()> {
        let average = self.average.as_ref().map(|average| average.apply(&self.model));
        checkpoint.save(&self.model, average.as_ref(), &self.optimizer, &self.progress)
    }
}

/// The version of a dependency that this command was built with.
fn locked_version(name: &str) -> Option<&'static str> {
    let entry = format!("name = \"{name}\"\nversion = \"");
    let (_, rest) = include_str!("../../Cargo.lock").split_once(&entry)?;
    rest.split('"').next()
}

/// Deviations of the bands that are read from the scene, in order.
fn scene_band_std(card: &Card) -> Vec<f32> {
    card.bands
        .iter()
        .filter(|band| band.source == BandSource::Scene)
        .map(|band| band.std)
        .collect()
}

/// A seed for the `index`-th draw of a stream.
fn mix(seed: u64, index: u64, stream: u64) -> u64 {
    // splitmix64's finalizer: neighbouring inputs give unrelated outputs
    let mut z = seed ^ (index.wrapping_mul(3).wrapping_add(stream)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_names_the_version_of_burn() {
        assert!(locked_version("burn").is_some_and(|version| version.starts_with("0.")));
        assert_eq!(locked_version("no-such-crate"), None);
    }

    #[test]
    fn seeds_of_neighbouring_draws_differ() {
        let mut seeds: Vec<u64> = (0..100)
            .flat_map(|index| (0..3).map(move |stream| mix(1, index, stream)))
            .collect();
        seeds.sort_unstable();
        seeds.dedup();
        assert_eq!(seeds.len(), 300);
    }
}
