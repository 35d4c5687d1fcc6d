//! The training loop.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use burn::module::Module;
use burn::tensor::Device;
use raremap_model::{BurnTileModel, Card};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::batch::{Data, HostBatch, Loader};
use super::learner::Learner;
use super::state::Progress;
use super::{BEST_WEIGHTS, EVALUATION, RunEnd};
use crate::checkpoint::{Checkpoints, flush, load_module, save_module};
use crate::config::TrainConfig;
use crate::dataset::{DatasetConfig, Entry, Sample, SampleStore, Split};
use crate::error::{Result, bail, ensure};
use crate::evaluate::{Evaluation, Scenes, ScoreOptions, VALIDATION, saliency_map, score};
use crate::sample::TRAIN;
use crate::watch::{
    BestMetric, Done, EarlyStopping, Epoch, Metric, Monitor, Observer, RunEvent, SaliencyRefresh, Start, Step, Stopped,
    Validation, choose_samples, sample_pictures,
};
use raremap_device::Backend;
use raremap_io::write_whole;

/// Threshold of the auxiliary head in the log's figures; it is the page's default.
const THRESHOLD: f32 = 0.5;
/// File of the saliency maps in a checkpoint.
const MAPS: &str = "saliency.bin";
const PROGRESS: &str = "progress.json";

pub(super) struct Trainer<'a> {
    config: TrainConfig,
    card: Card,
    dataset: &'a DatasetConfig,
    validation: Split,
    /// Indices of the validation images that are drawn.
    painted: Vec<usize>,
    learner: Learner,
    stopping: EarlyStopping,
    rare: Vec<usize>,
    best: BestMetric,
    plateau_metric: Option<Metric>,
    progress: Progress,
    /// Sum and count of the losses since the last validation.
    losses: (f64, usize),
    steps_per_epoch: usize,
}

/// Why the loop ended.
enum End {
    /// The last step is done.
    Whole,
    /// A person, or a rule, stopped it.
    Stopped(String),
}

impl<'a> Trainer<'a> {
    pub(super) fn new(
        config: TrainConfig,
        card: Card,
        dataset: &'a DatasetConfig,
        images: usize,
        validation: Split,
        devices: Vec<Device>,
        digest: String,
    ) -> Result<Self> {
        let classes: Vec<String> = card.classes.iter().map(|class| class.name.clone()).collect();
        let rare_names = dataset.rare_classes();
        let rare: Vec<usize> = (0..classes.len())
            .filter(|&class| rare_names.contains(&classes[class]))
            .collect();
        let steps_per_epoch = images.div_ceil(config.crops_per_step());
        let steps = [steps_per_epoch * config.schedule.epochs, steps_per_epoch];
        let plateau = config.learning_rate.plateau_metric();
        if let Some(first) = config.sampling.first_refresh() {
            ensure!(
                Recipe,
                first < steps[0],
                "sampling.first_refresh_step is {first}, but the run has {} steps: it would never use saliency",
                steps[0]
            );
        }
        let devices = devices.into_iter().map(Device::autodiff).collect();
        Ok(Self {
            stopping: EarlyStopping::new(&config.stopping, &classes, &rare_names)?,
            painted: choose_samples(&validation.samples, &rare, config.watch.sample_images)?,
            rare,
            best: BestMetric::new(&config.best, &classes, &rare_names)?,
            plateau_metric: plateau
                .map(|name| Metric::parse("learning_rate.decay.metric", name, &classes, &rare_names))
                .transpose()?,
            learner: Learner::new(&config, &card, devices, steps)?,
            progress: Progress {
                digest,
                ..Progress::default()
            },
            losses: (0.0, 0),
            steps_per_epoch,
            config,
            card,
            dataset,
            validation,
        })
    }

    pub(super) fn card(&self) -> &Card {
        &self.card
    }

    fn total_steps(&self) -> usize {
        self.steps_per_epoch * self.config.schedule.epochs
    }

    pub(super) fn resume(&mut self, checkpoints: &Checkpoints, data: &mut Data) -> Result<()> {
        let (folder, warning) = checkpoints.open()?;
        if let Some(warning) = warning {
            tracing::warn!("{warning}");
        }
        let progress: Progress = serde_json::from_slice(&std::fs::read(folder.join(PROGRESS))?)?;
        ensure!(
            Checkpoint,
            progress.digest == self.progress.digest,
            "the recipe, the seed or the data are not those that the run was started with, so its checkpoint does not fit"
        );
        self.learner.load(&folder)?;
        self.learner.plateau = progress.plateau;
        self.stopping.restore(progress.stopping.clone());
        let maps = folder.join(MAPS);
        if maps.is_file() {
            data.sampler.restore(&std::fs::read(maps)?)?;
        }
        self.losses = progress.losses;
        self.progress = progress;
        Ok(())
    }

    fn save(&mut self, checkpoints: &Checkpoints, data: &Data) -> Result<()> {
        self.progress.plateau = self.learner.plateau;
        self.progress.losses = self.losses;
        self.progress.stopping = self.stopping.state().clone();
        checkpoints.save(|folder| {
            self.learner.save(folder)?;
            if let Some(maps) = data.sampler.state() {
                std::fs::write(folder.join(MAPS), maps)?;
            }
            Ok(std::fs::write(
                folder.join(PROGRESS),
                serde_json::to_vec_pretty(&self.progress)?,
            )?)
        })
    }

    pub(super) fn train(
        &mut self,
        data: &mut Data,
        run: &Path,
        checkpoints: &Checkpoints,
        observer: &mut dyn Observer,
        device: Backend,
        stop: &AtomicBool,
    ) -> Result<RunEnd> {
        let total = self.total_steps();
        let mut monitor = Monitor::open(run, &self.config.watch, observer, total, self.progress.step)?;
        monitor.record(&RunEvent::Start(Start {
            step: self.progress.step,
            total_steps: total,
            name: self.config.name.clone(),
            parameters: self.learner.model.num_params(),
            device: match self.learner.replicas() {
                1 => device.to_string(),
                count => format!("{count} x {device}"),
            },
            seed: self.config.seed,
            raremap: env!("CARGO_PKG_VERSION").to_owned(),
            burn: locked_version("burn").map(str::to_owned),
            shared_content: Some(shared_content(data.split.samples(), &self.validation.samples)?),
        }))?;
        let end = self.steps(data, run, checkpoints, &mut monitor, stop)?;
        let step = self.progress.step;
        if let End::Stopped(reason) = &end {
            monitor.record(&RunEvent::Stopped(Stopped {
                step,
                reason: reason.clone(),
            }))?;
            if stop.load(Ordering::SeqCst) {
                return Ok(RunEnd::Interrupted);
            }
        }
        self.write_evaluation(run)?;
        let best_mean_iou = self.progress.best_mean_iou;
        monitor.record(&RunEvent::Done(Done { step, best_mean_iou }))?;
        Ok(RunEnd::Done { best_mean_iou })
    }

    /// Runs steps until the end. The maps that guide the sampling only change between two rounds of workers.
    fn steps(
        &mut self,
        data: &mut Data,
        run: &Path,
        checkpoints: &Checkpoints,
        monitor: &mut Monitor<'_>,
        stop: &AtomicBool,
    ) -> Result<End> {
        let total = self.total_steps();
        // The run was stopped early, and killed before its evaluation.
        if let Some(reason) = self.stopping.verdict() {
            return Ok(End::Stopped(reason));
        }
        while self.progress.step < total {
            let first = self.progress.step;
            // A run that was stopped just after a refresh continues with the maps of its checkpoint.
            if data.sampler.needs_refresh(first) && self.progress.refreshed_at != Some(first) {
                self.refresh_saliency(data, monitor)?;
            }
            let refresh = (first + 1..total).find(|&step| data.sampler.needs_refresh(step));
            let until = refresh.unwrap_or(total);
            let data = &*data;
            let accumulate = self.config.optimizer.accumulate_steps;
            let end = std::thread::scope(|scope| -> Result<Option<End>> {
                let batches = first * accumulate..until * accumulate;
                let mut loader = Loader::start(scope, data, batches, self.config.schedule.workers);
                for _ in first..until {
                    let began = Instant::now();
                    let batches = (0..accumulate).map(|_| loader.next()).collect::<Result<Vec<_>>>()?;
                    let waited = began.elapsed().as_secs_f64();
                    self.step(&batches, began, waited, monitor, run)?;
                    let end = self.after_step(data, run, checkpoints, monitor, stop)?;
                    if end.is_some() {
                        return Ok(end);
                    }
                }
                Ok(None)
            })?;
            if let Some(end) = end {
                return Ok(end);
            }
        }
        Ok(End::Whole)
    }

    fn step(
        &mut self,
        batches: &[HostBatch],
        began: Instant,
        waited: f64,
        monitor: &mut Monitor<'_>,
        run: &Path,
    ) -> Result<()> {
        let step = self.progress.step;
        let (loss, gradient_norm) = self.learner.step(step, batches)?;
        self.progress.step += 1;
        let secs = began.elapsed().as_secs_f64();
        self.progress.secs += secs;
        self.losses.0 += loss.total;
        self.losses.1 += 1;
        let epoch = step / self.steps_per_epoch + 1;
        let learning_rate = self.learner.schedule.rate(step, &self.learner.plateau);
        monitor.record(&RunEvent::Step(Step {
            step: step + 1,
            epoch,
            loss: loss.total,
            loss_main: loss.main,
            loss_auxiliary: loss.auxiliary,
            terms: loss.terms.clone(),
            learning_rate,
            gradient_norm,
            secs,
            data_wait_secs: waited,
        }))?;
        if !loss.total.is_finite() {
            bail!(
                Diverged,
                "the loss became {} at step {step}; the last checkpoint is in {}",
                loss.total,
                run.display()
            );
        }
        if self.progress.step.is_multiple_of(self.steps_per_epoch) {
            monitor.record(&RunEvent::Epoch(Epoch {
                epoch,
                step: step + 1,
                loss: loss.total,
                loss_main: loss.main,
                loss_auxiliary: loss.auxiliary,
                learning_rate,
                secs_per_step: self.progress.secs / self.progress.step as f64,
            }))?;
        }
        Ok(())
    }

    /// Runs validation, writes a checkpoint and checks the reasons to end, whenever they are due.
    fn after_step(
        &mut self,
        data: &Data,
        run: &Path,
        checkpoints: &Checkpoints,
        monitor: &mut Monitor<'_>,
        stop: &AtomicBool,
    ) -> Result<Option<End>> {
        let step = self.progress.step;
        let schedule = &self.config.schedule;
        let last = step == self.total_steps();
        let epoch_done = step.is_multiple_of(self.steps_per_epoch);
        let epoch = step / self.steps_per_epoch;
        let mut end = None;
        let mut save = schedule.checkpoint_every_steps > 0 && step.is_multiple_of(schedule.checkpoint_every_steps);
        if epoch_done && (epoch.is_multiple_of(schedule.evaluate_every_epochs) || last) {
            end = self.validate(epoch, data, run, monitor)?.map(End::Stopped);
            save = true;
        }
        if stop.load(Ordering::SeqCst) && !last {
            end = Some(End::Stopped("interrupted".into()));
        }
        if save || end.is_some() {
            self.save(checkpoints, data)?;
        }
        Ok(end)
    }

    /// Evaluates the candidate, saves it if it is the best, and says whether the run should end.
    fn validate(&mut self, epoch: usize, data: &Data, run: &Path, monitor: &mut Monitor<'_>) -> Result<Option<String>> {
        let step = self.progress.step;
        let candidate = self.learner.candidate();
        let model = BurnTileModel::new(candidate.clone().fold(), self.card.bands.len());
        let evaluation = self.evaluate(&model)?;
        let (sum, count) = std::mem::take(&mut self.losses);
        let validation = Validation {
            loss_training: (count > 0).then(|| sum / count as f64),
            mean_iou_training: self.training_mean_iou(&model, data)?,
            ..Validation::of(epoch, step, &evaluation, &self.rare)?
        };
        monitor.record(&RunEvent::Validation(validation.clone()))?;
        let pictures = self.painted.iter().map(|&index| {
            let (entry, sample) = (&self.validation.entries[index], self.validation.samples.get(index)?);
            sample_pictures(&model, &self.card, self.dataset, &entry.image, &sample)
        });
        let pictures = pictures.collect::<Result<Vec<_>>>()?;
        if !pictures.is_empty() {
            monitor.record_samples(epoch, step, &pictures)?;
        }
        let rank = self.best.score(&validation);
        if self.progress.best.is_none_or(|best| rank > best) {
            self.progress.best = Some(rank);
            self.progress.best_mean_iou = validation.mean_iou;
            // The weights go into a file beside it first: a crash while writing must not cost the best weights so far.
            let path = run.join(BEST_WEIGHTS);
            let fresh = path.with_extension("new");
            save_module(&candidate, &fresh)?;
            flush(&fresh)?;
            std::fs::rename(&fresh, &path)?;
            flush(run)?;
        }
        if let Some(metric) = &self.plateau_metric
            && let Some(value) = metric.value(&validation)
        {
            self.learner
                .schedule
                .observe(&mut self.learner.plateau, value, metric.mode());
        }
        Ok(self.stopping.observe(&validation))
    }

    fn evaluate(&self, model: &BurnTileModel) -> Result<Evaluation> {
        let scenes = Scenes::loaded(
            self.dataset,
            VALIDATION,
            &self.validation.entries,
            &self.validation.samples,
        )?;
        let options = ScoreOptions {
            probabilities: true,
            background: self.dataset.background.clone(),
            ..ScoreOptions::at(THRESHOLD)
        };
        score(model, &self.card, &scenes, &options)?.evaluation(None, None)
    }

    /// Mean IoU on the first few training scenes, without augmentation: validation is compared with it to notice a leak.
    fn training_mean_iou(&self, model: &BurnTileModel, data: &Data) -> Result<Option<f64>> {
        const SCENES: usize = 8;
        let samples = data.split.samples().first(SCENES);
        let entry = Entry {
            image: String::new(),
            place: String::new(),
            split: TRAIN.to_owned(),
        };
        let scenes = Scenes::loaded(self.dataset, TRAIN, &vec![entry; samples.len()], &samples)?;
        let evaluation = score(model, &self.card, &scenes, &ScoreOptions::at(THRESHOLD))?.evaluation(None, None)?;
        Ok(evaluation.figures.mean_iou_without_absent)
    }

    /// Maps of the auxiliary head for every scene of the training split.
    fn refresh_saliency(&mut self, data: &mut Data, monitor: &mut Monitor<'_>) -> Result<()> {
        let began = Instant::now();
        let model = BurnTileModel::new(self.learner.candidate().fold(), self.card.bands.len());
        let split = data.split.clone();
        let maps = split
            .samples()
            .iter()
            .map(|sample| saliency_map(sample?.as_ref(), &model, &self.card, self.dataset));
        let rare_share = data.sampler.refresh(maps)?;
        let secs = began.elapsed().as_secs_f64();
        self.progress.secs += secs;
        self.progress.refreshed_at = Some(self.progress.step);
        monitor.record(&RunEvent::SaliencyRefresh(SaliencyRefresh {
            step: self.progress.step,
            secs,
            scenes: split.len(),
            rare_share,
        }))
    }

    /// All figures of the best weights.
    fn write_evaluation(&self, run: &Path) -> Result<()> {
        let mut model = self.learner.candidate();
        load_module(&mut model, &run.join(BEST_WEIGHTS))?;
        let parameters = model.num_params();
        let model = BurnTileModel::new(model.fold(), self.card.bands.len());
        let written = json!({
            "parameters": parameters,
            "steps": self.progress.step,
            "secs": self.progress.secs,
            "evaluation": self.evaluate(&model)?,
        });
        Ok(write_whole(
            &run.join(EVALUATION),
            &serde_json::to_vec_pretty(&written)?,
        )?)
    }
}

/// How many of `validation` have exactly the pixels of one of `training`.
fn shared_content(training: &SampleStore, validation: &SampleStore) -> Result<usize> {
    let content = |sample: Result<Arc<Sample>>| {
        let sample = sample?;
        let mut hasher = Sha256::new();
        hasher.update(sample.width.to_le_bytes());
        sample
            .values
            .iter()
            .for_each(|value| hasher.update(value.to_le_bytes()));
        Ok(hasher.finalize())
    };
    let known = training.iter().map(content).collect::<Result<HashSet<_>>>()?;
    let validation = validation.iter().map(content).collect::<Result<Vec<_>>>()?;
    Ok(validation.iter().filter(|content| known.contains(*content)).count())
}

/// The version of a dependency that this command was built with.
fn locked_version(name: &str) -> Option<&'static str> {
    let entry = format!("name = \"{name}\"\nversion = \"");
    let (_, rest) = include_str!("../../../Cargo.lock").split_once(&entry)?;
    rest.split('"').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_names_the_version_of_burn() {
        assert!(locked_version("burn").is_some_and(|version| version.starts_with("0.")));
        assert_eq!(locked_version("no-such-crate"), None);
    }
}
