//! Batches, made by worker threads ahead of the step that needs them.

use std::ops::Range;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::Scope;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use burn::tensor::{Bool, Device, Int, Tensor, TensorData};
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use raremap_infer::Normalizer;

use crate::augment::{AugmentSection, BandStatistics, RareBank, crop, cutmix};
use crate::dataset::IGNORE;
use crate::loss::Labels;
use crate::sample::{Sampler, TrainingSplit};

/// Batches that wait per worker, so that a slow one does not stall the device.
const AHEAD: usize = 2;

/// Everything a batch is made of, shared by the workers. A batch is a function of this and its step alone.
pub(super) struct Source<'a> {
    pub(super) split: &'a TrainingSplit,
    pub(super) sampler: &'a Sampler,
    pub(super) normalizer: &'a Normalizer,
    pub(super) augment: &'a AugmentSection,
    pub(super) bands: &'a BandStatistics,
    pub(super) bank: &'a RareBank,
    pub(super) rare: &'a [usize],
    pub(super) seed: u64,
    pub(super) batch_size: usize,
    pub(super) edge: usize,
    pub(super) steps_per_epoch: usize,
}

/// A batch on the host.
pub(super) struct HostBatch {
    /// `[batch, channels, edge, edge]`, normalized.
    input: Vec<f32>,
    /// `[batch, edge, edge]`, class indices, 0 where not scored.
    classes: Vec<i32>,
    /// `[batch, edge, edge]`
    scored: Vec<bool>,
    shape: [usize; 4],
    /// Rare pixels over scored ones.
    pub(super) rare_share: f64,
}

/// A batch on the device.
pub(super) struct Batch {
    pub(super) input: Tensor<4>,
    pub(super) labels: Labels,
}

impl HostBatch {
    /// Crops `range` of the batch as a batch of their own, on `device`.
    pub(super) fn part(&self, range: Range<usize>, device: &Device) -> Batch {
        let [_, channels, height, width] = self.shape;
        let count = range.len();
        let area = height * width;
        let cut = |length: usize| range.start * length..range.end * length;
        let plane = [count, 1, height, width];
        let input = TensorData::new(self.input[cut(channels * area)].to_vec(), [count, channels, height, width]);
        let classes = TensorData::new(self.classes[cut(area)].to_vec(), plane);
        let scored = TensorData::new(self.scored[cut(area)].to_vec(), plane);
        Batch {
            input: Tensor::from_data(input, device),
            labels: Labels {
                classes: Tensor::<4, Int>::from_data(classes, device),
                scored: Tensor::<4, Bool>::from_data(scored, device),
            },
        }
    }

    /// Crops in the batch.
    pub(super) fn len(&self) -> usize {
        self.shape[0]
    }

    /// Scored pixels among crops `range`.
    pub(super) fn scored_pixels(&self, range: Range<usize>) -> usize {
        let area = self.shape[2] * self.shape[3];
        let scored = &self.scored[range.start * area..range.end * area];
        scored.iter().filter(|&&scored| scored).count()
    }
}

impl Source<'_> {
    /// The batch of step `step`.
    pub(super) fn batch(&self, step: usize) -> Result<HostBatch> {
        let (epoch, index) = (step / self.steps_per_epoch, step % self.steps_per_epoch);
        let mut order: Vec<usize> = (0..self.split.len()).collect();
        order.shuffle(&mut StdRng::seed_from_u64(mix(self.seed, epoch as u64, Stream::Order)));
        let crops = (0..self.batch_size).map(|slot| {
            // The last batch is filled from the epoch's start, so that batch norm always sees a full one.
            let position = index * self.batch_size + slot;
            let draw = (epoch * order.len() + position) as u64;
            let mut rng = StdRng::seed_from_u64(mix(self.seed, draw, Stream::Crop));
            let draw = self.sampler.draw(order[position % order.len()], &mut rng);
            crop(self.split, draw, self.edge, self.augment, self.bands, &mut rng)
        });
        let mut crops: Vec<_> = crops.collect();
        let mut rng = StdRng::seed_from_u64(mix(self.seed, step as u64, Stream::Mix));
        cutmix(&mut crops, self.split, self.bank, self.augment, &mut rng);

        let area = self.edge * self.edge;
        let channels = self.normalizer.channels();
        let mut input = Vec::with_capacity(crops.len() * channels * area);
        let (mut classes, mut scored) = (Vec::new(), Vec::new());
        let (mut rare, mut known) = (0usize, 0usize);
        for crop in &crops {
            input.extend(self.normalizer.normalize(&crop.values, &crop.valid)?);
            for &label in &crop.labels {
                let is_scored = label != IGNORE;
                known += usize::from(is_scored);
                rare += usize::from(is_scored && self.rare.contains(&usize::from(label)));
                classes.push(if is_scored { i32::from(label) } else { 0 });
                scored.push(is_scored);
            }
        }
        Ok(HostBatch {
            input,
            classes,
            scored,
            shape: [crops.len(), channels, self.edge, self.edge],
            rare_share: rare as f64 / known.max(1) as f64,
        })
    }
}

/// Batches of consecutive steps, in order, from one or more worker threads.
pub(super) struct Loader {
    workers: Vec<Receiver<Result<HostBatch>>>,
    next: usize,
    /// How long the trainer has waited for batches.
    pub(super) waited: Duration,
}

impl Loader {
    /// Starts `workers` threads in `scope` that make the batches of `steps`. They end when the loader is dropped.
    pub(super) fn start<'scope, 'env: 'scope>(
        scope: &'scope Scope<'scope, 'env>,
        source: &'env Source<'env>,
        steps: Range<usize>,
        workers: usize,
    ) -> Self {
        let workers = workers.max(1);
        let start = |worker: usize| {
            let (sender, receiver) = sync_channel(AHEAD);
            let steps = steps.clone();
            scope.spawn(move || {
                // Step by step in turn, so that the trainer takes them in order.
                for step in steps.skip(worker).step_by(workers) {
                    if sender.send(source.batch(step)).is_err() {
                        break;
                    }
                }
            });
            receiver
        };
        Self {
            workers: (0..workers).map(start).collect(),
            next: 0,
            waited: Duration::ZERO,
        }
    }

    /// The next step's batch.
    pub(super) fn next(&mut self) -> Result<HostBatch> {
        let began = Instant::now();
        let batch = self.workers[self.next].recv().context("a data worker ended early")?;
        self.next = (self.next + 1) % self.workers.len();
        self.waited += began.elapsed();
        batch
    }
}

/// What a seed is drawn for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Stream {
    /// Dropout and stochastic depth of a step.
    Network,
    /// Order of an epoch's samples.
    Order,
    /// A crop.
    Crop,
    /// What is pasted between the crops of a batch.
    Mix,
}

/// A seed for the `index`-th draw of a stream.
pub(super) fn mix(seed: u64, index: u64, stream: Stream) -> u64 {
    // splitmix64's finalizer: neighbouring inputs give unrelated outputs
    let mut z = seed ^ (index.wrapping_mul(4).wrapping_add(stream as u64)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_of_neighbouring_draws_differ() {
        let streams = [Stream::Network, Stream::Order, Stream::Crop, Stream::Mix];
        let mut seeds: Vec<u64> = (0..100)
            .flat_map(|index| streams.map(|stream| mix(1, index, stream)))
            .collect();
        seeds.sort_unstable();
        seeds.dedup();
        assert_eq!(seeds.len(), 400);
    }
}
