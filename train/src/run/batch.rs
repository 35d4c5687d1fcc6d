//! Worker threads prepare batches ahead of the step that needs them.

use std::ops::Range;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::Scope;

use burn::tensor::{Bool, Device, Int, Tensor, TensorData};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use raremap_infer::Normalizer;
use raremap_model::Card;

use crate::augment::{Augmenter, BandStatistics};
use crate::config::{ScheduleSection, TrainConfig};
use crate::dataset::IGNORE;
use crate::error::{Result, failure};
use crate::loss::Labels;
use crate::sample::{EpochOrder, Sampler, TrainingSplit};

/// Batches that wait per worker, so that a slow one does not stall the device.
const AHEAD: usize = 2;

/// Everything that a batch is made from, shared by the workers. A batch depends on this and its index alone.
pub(super) struct Data {
    pub(super) split: TrainingSplit,
    pub(super) sampler: Sampler,
    normalizer: Normalizer,
    augmenter: Augmenter,
    rare: Vec<usize>,
    seed: u64,
    schedule: ScheduleSection,
    batches_per_epoch: usize,
}

impl Data {
    pub(super) fn new(config: &TrainConfig, card: &Card, split: TrainingSplit) -> Result<Self> {
        let rare = card.rare_class_indices();
        let classes = card.classes.len();
        let steps_per_epoch = split.len().div_ceil(config.crops_per_step());
        Ok(Self {
            sampler: Sampler::new(&config.sampling, &split, classes, &rare)?,
            augmenter: Augmenter::new(&config.augment, &split, classes, BandStatistics::of(card))?,
            normalizer: Normalizer::new(&card.bands)?,
            seed: config.seed,
            schedule: config.schedule.clone(),
            batches_per_epoch: steps_per_epoch * config.optimizer.accumulate_steps,
            split,
            rare,
        })
    }
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
    /// Rare pixels divided by scored ones.
    pub(super) rare_share: f64,
}

/// A batch on the device.
pub(super) struct Batch {
    pub(super) input: Tensor<4>,
    pub(super) labels: Labels,
}

impl HostBatch {
    /// Moves the batch to `device`.
    pub(super) fn on(&self, device: &Device) -> Batch {
        let [count, _, height, width] = self.shape;
        let plane = [count, 1, height, width];
        let classes = TensorData::new(self.classes.clone(), plane);
        let scored = TensorData::new(self.scored.clone(), plane);
        Batch {
            input: Tensor::from_data(TensorData::new(self.input.clone(), self.shape), device),
            labels: Labels {
                classes: Tensor::<4, Int>::from_data(classes, device),
                scored: Tensor::<4, Bool>::from_data(scored, device),
            },
        }
    }

    /// The crops in `count` equal parts, in order; `count` divides their number.
    pub(super) fn parts(&self, count: usize) -> impl Iterator<Item = Self> {
        let [crops, channels, height, width] = self.shape;
        let crops = crops / count;
        let pixels = crops * height * width;
        (0..count).map(move |part| {
            let plane = part * pixels..(part + 1) * pixels;
            Self {
                input: self.input[plane.start * channels..plane.end * channels].to_vec(),
                classes: self.classes[plane.clone()].to_vec(),
                scored: self.scored[plane].to_vec(),
                shape: [crops, channels, height, width],
                rare_share: self.rare_share,
            }
        })
    }

    /// Number of pixels that count.
    pub(super) fn scored_pixels(&self) -> usize {
        self.scored.iter().filter(|&&scored| scored).count()
    }
}

impl Data {
    /// Edge of the crops of batch `index`.
    fn edge(&self, index: usize) -> usize {
        let ScheduleSection {
            crop_px,
            larger_crops_px,
            larger_share,
            ..
        } = &self.schedule;
        let mut rng = StdRng::seed_from_u64(mix(self.seed, index as u64, Stream::Size));
        if *larger_share == 0.0 || rng.random::<f64>() >= *larger_share {
            return *crop_px;
        }
        larger_crops_px[rng.random_range(0..larger_crops_px.len())]
    }

    /// Batch `index` of the run.
    fn batch(&self, index: usize) -> Result<HostBatch> {
        let (epoch, in_epoch) = (index / self.batches_per_epoch, index % self.batches_per_epoch);
        let mut rng = StdRng::seed_from_u64(mix(self.seed, epoch as u64, Stream::Order));
        let order = EpochOrder::shuffled(&self.split, &mut rng);
        let (edge, most) = (self.edge(index), self.schedule.batch_size);
        let crops = (0..self.schedule.crops_of(edge)).map(|slot| {
            let crop = (index * most + slot) as u64;
            let mut rng = StdRng::seed_from_u64(mix(self.seed, crop, Stream::Crop));
            let draw = self.sampler.draw(&order, in_epoch * most + slot, &mut rng)?;
            self.augmenter.crop(&self.split, draw, edge, &mut rng)
        });
        let mut crops = crops.collect::<Result<Vec<_>>>()?;
        let mut rng = StdRng::seed_from_u64(mix(self.seed, index as u64, Stream::Mix));
        self.augmenter.mix(&mut crops, &self.split, &mut rng)?;

        let area = edge * edge;
        let channels = self.normalizer.channels();
        let mut input = Vec::with_capacity(crops.len() * channels * area);
        let (mut classes, mut scored) = (Vec::new(), Vec::new());
        let (mut rare, mut known) = (0usize, 0usize);
        for crop in &crops {
            input.extend(self.normalizer.normalize(&crop.values, &crop.valid, &crop.traits())?);
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
            shape: [crops.len(), channels, edge, edge],
            rare_share: rare as f64 / known.max(1) as f64,
        })
    }
}

/// Consecutive batches, in order, from one or more worker threads.
pub(super) struct Loader {
    workers: Vec<Receiver<Result<HostBatch>>>,
    next: usize,
}

impl Loader {
    /// Starts `workers` threads in `scope` that make the batches `range`. They end when the loader is dropped.
    pub(super) fn start<'scope, 'env: 'scope>(
        scope: &'scope Scope<'scope, 'env>,
        data: &'env Data,
        range: Range<usize>,
        workers: usize,
    ) -> Self {
        let workers = workers.max(1);
        let start = |worker: usize| {
            let (sender, receiver) = sync_channel(AHEAD);
            let range = range.clone();
            scope.spawn(move || {
                // Workers take turns, so that the trainer gets the batches in order.
                for index in range.skip(worker).step_by(workers) {
                    if sender.send(data.batch(index)).is_err() {
                        break;
                    }
                }
            });
            receiver
        };
        Self {
            workers: (0..workers).map(start).collect(),
            next: 0,
        }
    }

    /// The next batch.
    pub(super) fn next(&mut self) -> Result<HostBatch> {
        let batch = self.workers[self.next]
            .recv()
            .map_err(|_| failure!(Run, "a data worker ended early"))?;
        self.next = (self.next + 1) % self.workers.len();
        batch
    }
}

/// What a seed is for.
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
    /// How large the crops of a batch are.
    Size,
}

/// All streams.
const STREAMS: u64 = 5;

/// A seed for the `index`-th draw of a stream.
pub(super) fn mix(seed: u64, index: u64, stream: Stream) -> u64 {
    // splitmix64's finalizer: neighbouring inputs give unrelated outputs
    let mut z = seed ^ (index.wrapping_mul(STREAMS).wrapping_add(stream as u64)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_of_neighbouring_draws_differ() {
        let streams = [Stream::Network, Stream::Order, Stream::Crop, Stream::Mix, Stream::Size];
        let mut seeds: Vec<u64> = (0..100)
            .flat_map(|index| streams.map(|stream| mix(1, index, stream)))
            .collect();
        seeds.sort_unstable();
        seeds.dedup();
        assert_eq!(seeds.len(), 500);
    }
}
