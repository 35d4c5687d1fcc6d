//! The network and everything that a step changes.

use std::path::Path;

use burn::module::Module;
use burn::tensor::Device;
use raremap_model::{Card, Network};

use super::batch::{HostBatch, Stream, mix};
use super::replicas::Replicas;
use super::step_loss::{StepLoss, scalar};
use crate::checkpoint::{load_module, save_module};
use crate::config::TrainConfig;
use crate::error::{Result, failure};
use crate::optim::average::Average;
use crate::optim::clip::clip_global_norm;
use crate::optim::precision::LossScale;
use crate::optim::schedule::{Plateau, Schedule};
use crate::optim::sharpness::{rare_share, sharpness_aware};
use crate::optim::{Optimizer, OptimizerSection};
use crate::start::start_from;

const MODEL: &str = "model.bpk";
const AVERAGE: &str = "average.bpk";
const OPTIMIZER: &str = "optimizer.bpk";
const LOSS_SCALE: &str = "loss_scale.json";

/// A network in training.
pub(super) struct Learner {
    pub(super) model: Network,
    average: Option<Average>,
    ema_decay: f64,
    optimizer: Optimizer,
    section: OptimizerSection,
    replicas: Replicas,
    loss_scale: Option<LossScale>,
    pub(super) schedule: Schedule,
    pub(super) plateau: Plateau,
    split_rare_share: f64,
    seed: u64,
}

impl Learner {
    /// Puts a network on the first of `devices`, which share its steps; all of them have autodiff.
    pub(super) fn new(config: &TrainConfig, card: &Card, devices: Vec<Device>, steps: [usize; 2]) -> Result<Self> {
        let [total_steps, steps_per_epoch] = steps;
        let device = devices
            .first()
            .ok_or_else(|| failure!(Recipe, "training needs a device"))?;
        device.seed(config.seed);
        let mut model = card.architecture.init(device);
        if !config.model.start_from.is_empty() {
            let bands: Vec<&str> = card.bands.iter().map(|band| band.name.as_str()).collect();
            start_from(
                &mut model,
                &config.model.start_from,
                &config.model.start_without,
                &bands,
            )?;
        }
        let rare = card.rare_class_indices();
        config.optimizer.check_rare_classes(rare.len())?;
        let ema_decay = config.schedule.ema_decay;
        Ok(Self {
            average: (ema_decay > 0.0).then(|| Average::new(ema_decay, &model)),
            ema_decay,
            optimizer: Optimizer::new(&config.optimizer, &model)?,
            section: config.optimizer.clone(),
            loss_scale: LossScale::new(&config.precision),
            replicas: Replicas::new(config, card, devices)?,
            schedule: config
                .learning_rate
                .schedule(config.optimizer.learning_rate, total_steps, steps_per_epoch),
            plateau: Plateau::default(),
            split_rare_share: rare_share(&card.training.class_pixels, &rare),
            seed: config.seed,
            model,
        })
    }

    /// Networks that share a step.
    pub(super) fn replicas(&self) -> usize {
        self.replicas.count()
    }

    /// Makes one step from `batches`. Returns the loss at the weights before it, and the norm of its gradients. Gradients that overflow
    /// half precision leave the weights as they are, and have no norm.
    pub(super) fn step(&mut self, step: usize, batches: &[HostBatch]) -> Result<(StepLoss, Option<f64>)> {
        let rare: f64 = batches.iter().map(|batch| batch.rare_share).sum();
        let radius = self
            .section
            .sharpness
            .as_ref()
            .and_then(|sharpness| sharpness.radius_for(rare / batches.len() as f64, self.split_rare_share));
        // The seed is the same in both passes and depends on the recipe's seed and the step alone, so a resumed run repeats an
        // uninterrupted one.
        let seed = mix(self.seed, step as u64, Stream::Network);
        let scale = self.loss_scale.map(|scale| scale.factor());
        let guided = self.replicas.guided();
        let averaged = self
            .average
            .as_ref()
            .filter(|_| guided)
            .map(|average| average.apply(&self.model));
        let pass = |model: &Network| self.replicas.pass(model, averaged.as_ref(), batches, seed, scale);
        let (loss, gradients) = sharpness_aware(&self.model, radius, pass)?;
        let (gradients, norm) = clip_global_norm(&self.model, gradients, self.section.clip_norm);
        if let Some(scale) = &mut self.loss_scale {
            let is_finite = norm.clone().is_none_or(|norm| scalar(norm).is_finite());
            scale.observe(is_finite)?;
            if !is_finite {
                return Ok((loss, None));
            }
        }
        let rate = self.schedule.rate(step, &self.plateau);
        self.model = self.optimizer.step(rate, self.model.clone(), gradients);
        if let Some(average) = &mut self.average {
            average.update(&self.model);
        }
        Ok((loss, norm.map(scalar)))
    }

    /// The weights that would be shipped, without autodiff: the average, if there is one.
    pub(super) fn candidate(&self) -> Network {
        match &self.average {
            Some(average) => average.apply(&self.model),
            None => self.model.valid(),
        }
    }

    /// Writes weights, average and optimizer state into `folder`.
    pub(super) fn save(&self, folder: &Path) -> Result<()> {
        save_module(&self.model, &folder.join(MODEL))?;
        if let Some(average) = &self.average {
            save_module(&average.apply(&self.model), &folder.join(AVERAGE))?;
        }
        if let Some(scale) = &self.loss_scale {
            std::fs::write(folder.join(LOSS_SCALE), serde_json::to_vec(scale)?)?;
        }
        self.optimizer.save(&folder.join(OPTIMIZER))
    }

    /// Reads what [`Self::save`] wrote.
    pub(super) fn load(&mut self, folder: &Path) -> Result<()> {
        let mut averaged = self.average.as_ref().map(|average| average.apply(&self.model));
        load_module(&mut self.model, &folder.join(MODEL))?;
        if let Some(averaged) = &mut averaged {
            load_module(averaged, &folder.join(AVERAGE))?;
            self.average = Some(Average::new(self.ema_decay, averaged));
        }
        if let Some(scale) = &mut self.loss_scale {
            *scale = serde_json::from_slice(&std::fs::read(folder.join(LOSS_SCALE))?)?;
        }
        self.optimizer = self.optimizer.clone().load(&folder.join(OPTIMIZER))?;
        Ok(())
    }
}
