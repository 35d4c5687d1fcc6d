//! Runs the forward and backward passes over a step's batches, on one device or on several.

use std::sync::{Mutex, PoisonError};

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor};
use raremap_model::{Card, DualLogits, Network};

use super::batch::{HostBatch, Stream, mix};
use super::guide::Averaged;
use super::step_loss::StepLoss;
use crate::config::TrainConfig;
use crate::error::{Result, ensure};
use crate::loss::{Guide, Objective};
use crate::optim::accumulate::{Accumulator, scaled};
use crate::optim::parallel::{Share, data_parallel};
use crate::optim::precision::Compute;

/// The devices that share a step, with a loss on each.
pub(super) struct Replicas {
    devices: Vec<Device>,
    objectives: Vec<Objective>,
    compute: Compute,
    /// Largest shift of the averaged network's view, in pixels, if it guides the one in training.
    shift_px: Option<usize>,
}

impl Replicas {
    /// Prepares the loss on `devices`, all with autodiff; the first is the network's own.
    ///
    /// # Errors
    /// If there is no device, if one does not compute in the recipe's precision, if a batch cannot be divided into equal parts, or if a
    /// loss does not fit the dataset.
    pub(super) fn new(config: &TrainConfig, card: &Card, devices: Vec<Device>) -> Result<Self> {
        let schedule = &config.schedule;
        let (count, batch) = (devices.len(), schedule.crops_of(schedule.largest_crop_px()));
        ensure!(Recipe, count > 0, "training needs a device");
        ensure!(
            Recipe,
            batch.is_multiple_of(count),
            "a batch holds {batch} crops, which cannot be divided equally among {count} devices"
        );
        for device in &devices {
            config.precision.compute.check_device(device)?;
        }
        let rare = card.rare_class_indices();
        let names: Vec<String> = card.classes.iter().map(|class| class.name.clone()).collect();
        let objective = |device| Objective::new(&config.loss, &card.training.class_pixels, &names, &rare, device);
        Ok(Self {
            objectives: devices.iter().map(objective).collect::<Result<_>>()?,
            devices,
            compute: config.precision.compute,
            shift_px: config.loss.consistency.as_ref().map(|section| section.shift_px),
        })
    }

    /// Networks that share a step.
    pub(super) fn count(&self) -> usize {
        self.devices.len()
    }

    /// Whether [`Self::pass`] wants the averaged network.
    pub(super) fn guided(&self) -> bool {
        self.shift_px.is_some()
    }

    /// The loss over `batches`, and the mean of their gradients by scored pixels, on the first device. `seed` is the one of dropout and
    /// stochastic depth. The loss is multiplied by `scale` before the backward pass, and the gradients are divided by it after.
    ///
    /// `averaged`, without autodiff, guides the network where the recipe says so.
    ///
    /// With several devices, the crops of each batch are divided into equal parts.
    pub(super) fn pass(
        &mut self,
        model: &Network,
        averaged: Option<&Network>,
        batches: &[HostBatch],
        seed: u64,
        scale: Option<f64>,
    ) -> Result<(StepLoss, GradientsParams)> {
        let (compute, shift_px) = (self.compute, self.shift_px);
        let averaged_on = |device: &Device| {
            let (network, shift_px) = averaged.zip(shift_px)?;
            Some(Averaged {
                network: network.clone().to_device(&device.clone().without_autodiff()),
                shift_px,
            })
        };
        if let ([device], [objective]) = (&self.devices[..], &self.objectives[..]) {
            device.seed(seed);
            let averaged = averaged_on(device);
            let forward = |input, _| forward(compute, model, input);
            let guide = |input: &_, batch| {
                Some(
                    averaged
                        .as_ref()?
                        .guide(input, mix(seed, batch as u64, Stream::Network)),
                )
            };
            return pass(model, batches, objective, device, scale, forward, guide);
        }
        let count = self.devices.len();
        let mut shares: Vec<Vec<HostBatch>> = (0..count).map(|_| Vec::with_capacity(batches.len())).collect();
        for batch in batches {
            for (share, part) in shares.iter_mut().zip(batch.parts(count)) {
                share.push(part);
            }
        }
        // A backend has one random generator for all threads, so a replica sets the seed and draws before another one does.
        let generator = Mutex::new(());
        let replicas = self.devices.iter().zip(&mut self.objectives).zip(shares).enumerate();
        let contexts = replicas
            .map(|(index, ((device, objective), share))| (index, device, averaged_on(device), objective, share));
        let (losses, gradients) = data_parallel(
            model,
            &self.devices,
            contexts,
            |model: &Network, (index, device, averaged, objective, share)| {
                // The generator of views is not the device's, so both take the same seed.
                let seed = |batch: usize| mix(seed, (index * batches.len() + batch) as u64, Stream::Network);
                let forward = |input, batch| {
                    let _turn = generator.lock().unwrap_or_else(PoisonError::into_inner);
                    device.seed(seed(batch));
                    forward(compute, model, input)
                };
                let guide = |input: &_, batch| Some(averaged.as_ref()?.guide(input, seed(batch)));
                let weight = share.iter().map(HostBatch::scored_pixels).sum::<usize>() as f64;
                let (outcome, gradients) = pass(model, &share, objective, device, scale, forward, guide)?;
                Ok(Share {
                    outcome,
                    gradients,
                    weight,
                })
            },
        )?;
        Ok((StepLoss::mean(losses), gradients))
    }
}

/// The logits of `input`, computed in the recipe's precision.
fn forward(compute: Compute, model: &Network, input: Tensor<4>) -> DualLogits {
    match compute {
        Compute::F32 => model.forward(input),
        half => half.of_weights(model).forward(half.of_input(input)),
    }
}

/// Runs forward and backward over `batches` on one device: returns the loss of all, and the mean of their gradients by scored pixels.
fn pass(
    model: &Network,
    batches: &[HostBatch],
    objective: &Objective,
    device: &Device,
    scale: Option<f64>,
    forward: impl Fn(Tensor<4>, usize) -> DualLogits,
    guide: impl Fn(&Tensor<4>, usize) -> Option<Guide>,
) -> Result<(StepLoss, GradientsParams)> {
    let mut accumulator = Accumulator::new();
    let mut losses = Vec::with_capacity(batches.len());
    for (index, batch) in batches.iter().enumerate() {
        let weight = batch.scored_pixels() as f64;
        let batch = batch.on(device);
        let guide = guide(&batch.input, index);
        let loss = objective.evaluate(forward(batch.input, index), &batch.labels, guide.as_ref());
        let gradients = match scale {
            None => GradientsParams::from_grads(loss.total.backward(), model),
            Some(factor) => {
                let large = loss.total.clone().mul_scalar(factor).backward();
                scaled(model, GradientsParams::from_grads(large, model), 1.0 / factor)
            }
        };
        if let [_] = batches {
            return Ok((StepLoss::of(loss), gradients));
        }
        accumulator.add(model, gradients, weight);
        losses.push((StepLoss::of(loss), weight));
    }
    ensure!(Recipe, !losses.is_empty(), "a step needs at least one batch");
    Ok((StepLoss::mean(losses), accumulator.take_mean(model)))
}
