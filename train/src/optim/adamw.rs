//! AdamW in one pass over memory.

use burn::optim::{AdamWConfig, AdamWState, AdaptiveMomentumState, LearningRate, Optimizer};
use burn::tensor::{DType, Device, Tensor, TensorData};
use rayon::prelude::*;

use super::EPSILON;

/// Numbers that one core updates at a time.
const PART: usize = 1 << 14;

/// Adam with decoupled weight decay (arXiv:1711.05101). On the CPU, each weight and its two averages are read and written once per step, on all cores;
/// elsewhere burn's rule does the same in ten operations. The state is that of burn's rule.
#[derive(Clone)]
pub struct AdamW {
    /// Makes the first step, and all steps on other devices.
    rule: burn::optim::AdamW,
    beta_1: f32,
    beta_2: f32,
    weight_decay: f32,
}

impl AdamW {
    /// A rule with these decays of its averages, in 0..1, and of the weights.
    pub fn new(beta_1: f32, beta_2: f32, weight_decay: f32) -> Self {
        let config = AdamWConfig::new().with_beta_1(beta_1).with_beta_2(beta_2);
        Self {
            rule: config.with_epsilon(EPSILON).with_weight_decay(weight_decay).build(),
            beta_1,
            beta_2,
            weight_decay,
        }
    }
}

impl Optimizer for AdamW {
    type State<const D: usize> = AdamWState<D>;

    fn step<const D: usize>(
        &self,
        rate: LearningRate,
        weights: Tensor<D>,
        gradient: Tensor<D>,
        state: Option<Self::State<D>>,
    ) -> (Tensor<D>, Option<Self::State<D>>) {
        let is_ours = |tensor: &Tensor<D>| tensor.dtype() == DType::F32 && tensor.device() == Device::flex();
        let momentum = match state {
            Some(state) if is_ours(&weights) && is_ours(&gradient) => state.momentum,
            state => return self.rule.step(rate, weights, gradient, state),
        };
        let (shape, device) = (weights.dims(), weights.device());
        let time = momentum.time + 1;
        let corrections = [self.beta_1, self.beta_2].map(|beta| 1.0 - beta.powi(time as i32));
        let (rate, kept) = (rate as f32, (1.0 - rate * f64::from(self.weight_decay)) as f32);
        let [mut weights, mut means, mut squares, gradient] =
            [weights, momentum.moment_1, momentum.moment_2, gradient].map(floats);
        let parts = weights.par_chunks_mut(PART).zip(means.par_chunks_mut(PART));
        let parts = parts.zip(squares.par_chunks_mut(PART)).zip(gradient.par_chunks(PART));
        parts.for_each(|(((weights, means), squares), gradient)| {
            let averages = means.iter_mut().zip(squares);
            for ((weight, (mean, square)), gradient) in weights.iter_mut().zip(averages).zip(gradient) {
                *mean = *mean * self.beta_1 + gradient * (1.0 - self.beta_1);
                *square = *square * self.beta_2 + gradient * gradient * (1.0 - self.beta_2);
                let step = *mean / corrections[0] / ((*square / corrections[1]).sqrt() + EPSILON);
                *weight = *weight * kept - step * rate;
            }
        });
        let [weights, means, squares] =
            [weights, means, squares].map(|values| Tensor::from_data(TensorData::new(values, shape), &device));
        let momentum = AdaptiveMomentumState::new(time, means, squares);
        (weights, Some(AdamWState::new(momentum)))
    }

    fn to_device<const D: usize>(state: Self::State<D>, device: &Device) -> Self::State<D> {
        burn::optim::AdamW::to_device(state, device)
    }
}

/// The numbers of a tensor, not copied if nothing else holds them.
fn floats<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    let values = tensor.into_data().try_into_vec();
    values.expect("only tensors of 32-bit floats come here")
}

#[cfg(test)]
mod tests {
    use burn::optim::ModuleOptimizer;

    use super::super::golden::{Net, batch, gradients, values};
    use super::*;

    #[test]
    fn steps_are_those_of_burns_rule() {
        let device = Device::flex().autodiff();
        let rule = AdamW::new(0.9, 0.99, 0.1);
        let mut optimizers = [ModuleOptimizer::from(rule.rule.clone()), ModuleOptimizer::from(rule)];
        let mut nets = [Net::init(&device), Net::init(&device)];
        for step in 0..6 {
            nets = std::array::from_fn(|index| {
                let (_, gradients) = gradients(&nets[index], &batch(step, &device));
                optimizers[index].step(0.01, nets[index].clone(), gradients)
            });
            let [theirs, ours] = nets.each_ref().map(values);
            for (name, theirs) in theirs {
                for (theirs, ours) in theirs.iter().zip(&ours[name]) {
                    assert!(
                        (theirs - ours).abs() < 1e-6,
                        "{name} after step {step}: {ours} for {theirs}"
                    );
                }
            }
        }
    }
}
