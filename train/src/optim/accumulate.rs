//! Makes one step from several batches that do not fit together on the device.

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::{GradientsAccumulator, GradientsParams};
use burn::tensor::Tensor;

/// The weighted mean of the gradients of several batches.
///
/// For a loss that is a mean over pixels, batches weighted by the pixels they score (or all by 1, if these are equally many) give the
/// gradient of one large batch. A loss of sums over the batch (Dice, Tversky) is not linear in its batches, and batch norm takes its
/// statistics from each batch: there, the mean is that of the smaller batches.
pub struct Accumulator<M> {
    sum: GradientsAccumulator<M>,
    weight: f64,
}

impl<M: Module> Default for Accumulator<M> {
    fn default() -> Self {
        Self::new()
    }
}

impl<M: Module> Accumulator<M> {
    /// Starts without a batch.
    pub fn new() -> Self {
        Self {
            sum: GradientsAccumulator::new(),
            weight: 0.0,
        }
    }

    /// Adds the gradients of one batch, which counts `weight` times; 0 for a batch without a scored pixel.
    pub fn add(&mut self, model: &M, gradients: GradientsParams, weight: f64) {
        self.sum.accumulate(model, scaled(model, gradients, weight));
        self.weight += weight;
    }

    /// The mean; the accumulator is then empty. Gradients are zero if all weights were 0.
    pub fn take_mean(&mut self, model: &M) -> GradientsParams {
        let weight = std::mem::take(&mut self.weight);
        scaled(model, self.sum.grads(), if weight > 0.0 { 1.0 / weight } else { 0.0 })
    }
}

/// `gradients` times `factor`.
pub fn scaled<M: Module>(model: &M, gradients: GradientsParams, factor: f64) -> GradientsParams {
    let mut scale = Scale { gradients, factor };
    model.visit(&mut scale);
    scale.gradients
}

struct Scale {
    gradients: GradientsParams,
    factor: f64,
}

impl ModuleVisitor for Scale {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.gradients.remove::<D>(param.id) {
            self.gradients.register(param.id, gradient.mul_scalar(self.factor));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::golden::Weights;
    use super::*;
    use burn::nn::{Linear, LinearConfig};
    use burn::tensor::Device;

    fn mean_of(pairs: &[(f32, f64)]) -> f32 {
        let weights = Weights::ones();
        let mut accumulator = Accumulator::new();
        for &(gradient, weight) in pairs {
            let mut gradients = GradientsParams::new();
            gradients.register(weights.first.id, Tensor::<1>::from([gradient, 0.0]));
            accumulator.add(&weights, gradients, weight);
        }
        let mean = accumulator.take_mean(&weights);
        assert!(accumulator.take_mean(&weights).is_empty(), "it is empty again");
        let first = mean.get::<1>(weights.first.id).expect("kept");
        first.into_data().try_to_vec::<f32>().expect("f32")[0]
    }

    #[test]
    fn batches_count_by_their_weight() {
        assert_eq!(mean_of(&[(0.1, 1.0)]), 0.1);
        assert_eq!(mean_of(&[(1.0, 1.0), (3.0, 1.0)]), 2.0);
        assert_eq!(mean_of(&[(1.0, 30.0), (3.0, 10.0)]), 1.5);
        assert_eq!(mean_of(&[(1.0, 0.0), (3.0, 2.0)]), 3.0);
        assert_eq!(mean_of(&[(1.0, 0.0)]), 0.0);
    }

    #[test]
    fn two_halves_equal_one_batch() {
        let device = Device::flex().autodiff();
        // Of other weights, one set in forty has a gradient so near to zero that rounding shows in it.
        device.seed(1);
        let layer = LinearConfig::new(2, 1).init(&device);
        let input = Tensor::<2>::from_floats([[1.0, -2.0], [0.5, 3.0], [-1.0, 1.5], [2.0, 0.25]], &device);
        let gradients = |layer: &Linear, input: Tensor<2>| {
            let loss = layer.forward(input).powi_scalar(2).mean();
            GradientsParams::from_grads(loss.backward(), layer)
        };
        let weight = |gradients: &GradientsParams| {
            let gradient = gradients.get::<2>(layer.weight.id).expect("a gradient");
            gradient.into_data().try_to_vec::<f32>().expect("f32")
        };
        let whole = weight(&gradients(&layer, input.clone()));
        let mut accumulator = Accumulator::new();
        // The batches have 1 and 3 rows and are weighted by them.
        for (start, rows) in [(0, 1), (1, 3)] {
            let part = gradients(&layer, input.clone().narrow(0, start, rows));
            accumulator.add(&layer, part, rows as f64);
        }
        let mean = weight(&accumulator.take_mean(&layer));
        for (mean, whole) in mean.iter().zip(&whole) {
            assert!((mean - whole).abs() <= 1e-6 * whole.abs(), "{mean} for {whole}");
        }
    }
}
