//! Makes one step on several devices: each takes a share of the crops, and their gradients are combined.
//!
//! burn's training loop does the same for several devices if the optimizer is on the first one. A backend only has to move tensors. burn's
//! collectives (`burn::tensor::distributed`) would avoid the way through the first device, but in burn 0.22 they exist for CUDA alone.

use std::panic::resume_unwind;

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::Device;

use super::accumulate::Accumulator;
use crate::error::Result;

/// What a replica found in its share of a step.
pub struct Share<T> {
    /// The loss, or whatever else the caller wants.
    pub outcome: T,
    /// Gradients of the share's own mean loss.
    pub gradients: GradientsParams,
    /// How much the share counts, by its scored pixels.
    pub weight: f64,
}

/// Runs `pass`, forward and backward, on `model` and on a copy of it per further device, at the same time. Returns the outcomes with their
/// weights, in the order of the devices, and the weighted mean of the gradients on the first device.
///
/// `devices[0]` is `model`'s. `contexts` holds what each replica needs besides the network, one per device. A device may be named more than
/// once; its replicas share it.
///
/// Every step makes new copies with their own running statistics: batch norm normalizes by each share's own crops, as in PyTorch's
/// DistributedDataParallel without SyncBatchNorm. The running statistics of the first replica are kept, and every replica starts from them.
/// Copies have the parameters' identities. The gradients are summed in the order of the devices, whichever finishes first, so the result
/// does not depend on timing.
///
/// # Errors
/// The first error of `pass`, in the order of the devices.
///
/// # Panics
/// If `pass` does.
pub fn data_parallel<M: Module, C: Send, T: Send>(
    model: &M,
    devices: &[Device],
    contexts: impl IntoIterator<Item = C>,
    pass: impl Fn(&M, C) -> Result<Share<T>> + Sync,
) -> Result<(Vec<(T, f64)>, GradientsParams)> {
    let mut contexts = contexts.into_iter();
    let first_context = contexts.next();
    let home = devices.first().map(|device| device.clone().without_autodiff());
    let shares = std::thread::scope(|scope| {
        let pass = &pass;
        let home = &home;
        let others: Vec<_> = devices
            .iter()
            .skip(1)
            .zip(contexts)
            .map(|(device, context)| {
                // This must not be clone(): clones of a batch norm share their running statistics.
                let copy = model.valid().to_device(&device.clone().without_autodiff()).train();
                scope.spawn(move || {
                    let mut share = pass(&copy, context)?;
                    if let Some(home) = home {
                        share.gradients = share.gradients.to_device(home, &copy);
                    }
                    Ok(share)
                })
            })
            .collect();
        // This runs on this thread, because running statistics are kept by thread until the next pass reads them.
        let first = first_context.map(|context| pass(model, context));
        let others = others
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)));
        first.into_iter().chain(others).collect::<Vec<Result<Share<T>>>>()
    });
    let mut accumulator = Accumulator::new();
    let mut outcomes = Vec::with_capacity(shares.len());
    for share in shares {
        let share = share?;
        accumulator.add(model, share.gradients, share.weight);
        outcomes.push((share.outcome, share.weight));
    }
    Ok((outcomes, accumulator.take_mean(model)))
}

#[cfg(test)]
mod tests {
    use super::super::golden::{Batch, Net, batch, gradients, values};
    use super::super::sharpness::sharpness_aware;
    use super::super::{Optimizer, OptimizerSection};
    use super::*;
    use crate::error::{bail, ensure};
    use burn::nn::conv::{Conv2d, Conv2dConfig};
    use burn::tensor::activation::log_softmax;
    use burn::tensor::{Distribution, Int, Tensor};

    fn cpu(count: usize) -> Vec<Device> {
        vec![Device::flex().autodiff(); count]
    }

    fn share(net: &Net, batch: &Batch) -> Result<Share<f32>> {
        let (outcome, gradients) = gradients(net, batch);
        Ok(Share {
            outcome,
            gradients,
            weight: 25.0,
        })
    }

    /// Three steps over two batches each: the losses of the first passes, and the net.
    fn train(
        radius: Option<f64>,
        pass: impl Fn(&Net, &[Batch]) -> Result<(Vec<(f32, f64)>, GradientsParams)>,
    ) -> (Vec<f32>, Net) {
        let device = Device::flex().autodiff();
        let mut net = Net::init(&device);
        let section = OptimizerSection {
            learning_rate: 0.05,
            ..OptimizerSection::default()
        };
        let mut optimizer = Optimizer::new(&section, &net).expect("an optimizer");
        let mut losses = Vec::new();
        for step in 0..3 {
            let batches = [batch(2 * step, &device), batch(2 * step + 1, &device)];
            let (first, gradients) = sharpness_aware(&net, radius, |net| pass(net, &batches)).expect("a step");
            losses.extend(first.iter().map(|(loss, _)| loss));
            net = optimizer.step(section.learning_rate, net, gradients);
        }
        (losses, net)
    }

    #[test]
    fn two_replicas_are_two_accumulated_batches_bit_for_bit() {
        let one_after_the_other = |net: &Net, batches: &[Batch]| {
            let mut accumulator = Accumulator::new();
            let mut losses = Vec::new();
            for batch in batches {
                let share = share(net, batch)?;
                accumulator.add(net, share.gradients, share.weight);
                losses.push((share.outcome, share.weight));
            }
            Ok((losses, accumulator.take_mean(net)))
        };
        let at_once = |net: &Net, batches: &[Batch]| data_parallel(net, &cpu(2), batches, share);
        for radius in [None, Some(0.1)] {
            let (expected_losses, expected) = train(radius, one_after_the_other);
            let (losses, net) = train(radius, at_once);
            assert_eq!(losses, expected_losses, "radius {radius:?}");
            let (expected, found) = (values(&expected), values(&net));
            for (name, values) in &found {
                // Accumulation updates the statistics over both halves; replicas keep those of the first one.
                if !name.starts_with("running") {
                    assert_eq!(values, &expected[name], "{name}, radius {radius:?}");
                }
            }
        }
    }

    #[test]
    fn the_first_replicas_running_statistics_stay() {
        let device = Device::flex().autodiff();
        let batches = [batch(0, &device), batch(1, &device)];
        let (alone, parallel) = (Net::init(&device), Net::init(&device));
        gradients(&alone, &batches[0]);
        data_parallel(&parallel, &cpu(2), &batches, share).expect("a pass");
        assert_eq!(values(&parallel), values(&alone));
    }

    /// Mean cross entropy over `crops` of a network without batch norm.
    fn cross_entropy(conv: &Conv2d, pixels: Tensor<4>, labels: Tensor<4, Int>) -> Result<Share<()>> {
        let weight = labels.dims().iter().product::<usize>() as f64;
        let loss = log_softmax(conv.forward(pixels), 1).gather(1, labels).mean().neg();
        Ok(Share {
            outcome: (),
            gradients: GradientsParams::from_grads(loss.backward(), conv),
            weight,
        })
    }

    #[test]
    fn replicas_sum_to_the_gradient_of_the_whole_batch() {
        let device = Device::flex().autodiff();
        device.seed(5);
        let conv = Conv2dConfig::new([3, 4], [3, 3]).init(&device);
        let pixels = Tensor::<4>::random([6, 3, 9, 9], Distribution::Normal(0.0, 1.0), &device);
        let labels = Tensor::<4>::random([6, 1, 7, 7], Distribution::Uniform(0.0, 4.0), &device).int();
        let whole = cross_entropy(&conv, pixels.clone(), labels.clone())
            .expect("one pass")
            .gradients;
        for count in [1, 2, 3] {
            let crops = 6 / count;
            let contexts = (0..count).map(|part| {
                let (pixels, labels) = (pixels.clone(), labels.clone());
                (
                    pixels.narrow(0, part * crops, crops),
                    labels.narrow(0, part * crops, crops),
                )
            });
            let pass =
                |conv: &Conv2d, (pixels, labels): (Tensor<4>, Tensor<4, Int>)| cross_entropy(conv, pixels, labels);
            let (_, mean) = data_parallel(&conv, &cpu(count), contexts, pass).expect("a pass");
            let read = |gradients: &GradientsParams| {
                let gradient = gradients.get::<4>(conv.weight.id).expect("a gradient");
                gradient.into_data().try_to_vec::<f32>().expect("f32")
            };
            for (mean, whole) in read(&mean).into_iter().zip(read(&whole)) {
                assert!((mean - whole).abs() < 1e-6, "{count} replicas: {mean} for {whole}");
            }
        }
    }

    #[test]
    fn a_replica_that_fails_fails_the_step() {
        let net = Net::init(&Device::flex().autodiff());
        let pass = |_: &Net, index: usize| -> Result<Share<()>> {
            ensure!(Recipe, index == 0, "replica {index} failed");
            bail!(Recipe, "the first one failed")
        };
        let Err(error) = data_parallel(&net, &cpu(2), [0, 1], pass) else {
            panic!("both fail");
        };
        assert!(error.to_string().contains("first"), "{error}");
    }
}
