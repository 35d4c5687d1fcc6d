//! Squeeze-and-excitation.

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::activation::{relu, sigmoid};
use burn::tensor::{Device, Tensor};

use crate::conv_norm::HE;

/// Channels per hidden unit (arXiv:1709.01507, section 6.1).
const REDUCTION: usize = 16;

/// Weighs the channels by what the whole map shows (arXiv:1709.01507): `s = sigmoid(W2 relu(W1 mean(x)))`.
#[derive(Module, Debug)]
pub struct SqueezeExcitation {
    /// To a 16th of the channels, at least one.
    pub reduce: Linear,
    /// Back.
    pub expand: Linear,
}

impl SqueezeExcitation {
    /// Makes a block for maps of `channels`.
    pub fn init(channels: usize, device: &Device) -> Self {
        let hidden = (channels / REDUCTION).max(1);
        let linear = |from, to| LinearConfig::new(from, to).with_initializer(HE).init(device);
        Self {
            reduce: linear(channels, hidden),
            expand: linear(hidden, channels),
        }
    }

    /// The channels' weights, in 0..1.
    ///
    /// # Shapes
    /// - `map`: `[batch, channels, h, w]`
    /// - output: `[batch, channels, 1, 1]`
    pub fn weights(&self, map: Tensor<4>) -> Tensor<4> {
        let [batch, channels, height, width] = map.dims();
        let squeezed = map
            .reshape([batch, channels, height * width])
            .mean_dim(2)
            .squeeze_dim::<2>(2);
        let weights = sigmoid(self.expand.forward(relu(self.reduce.forward(squeezed))));
        weights.reshape([batch, channels, 1, 1])
    }

    /// # Shapes
    /// - `map`, output: `[batch, channels, h, w]`
    pub fn forward(&self, map: Tensor<4>) -> Tensor<4> {
        map.clone() * self.weights(map)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_channel_is_scaled_as_a_whole() {
        let device = Device::flex();
        device.seed(1);
        let block = SqueezeExcitation::init(32, &device);
        // 32 * 2 + 2 and 2 * 32 + 32
        assert_eq!(block.num_params(), 66 + 96);
        let map = Tensor::<4>::random([2, 32, 3, 5], burn::tensor::Distribution::Uniform(0.5, 1.5), &device);
        let ratio = (block.forward(map.clone()) / map).reshape([64, 15]);
        let spread = (ratio.clone().max_dim(1) - ratio.clone().min_dim(1))
            .max()
            .into_scalar::<f32>();
        let (least, most) = (
            ratio.clone().min().into_scalar::<f32>(),
            ratio.max().into_scalar::<f32>(),
        );
        assert!(
            spread < 1e-6 && least > 0.0 && most < 1.0 && most - least > 1e-3,
            "{least} to {most}, {spread}"
        );
    }
}
