//! Global context.

use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::nn::{LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::tensor::activation::{relu, softmax};
use burn::tensor::{Device, Tensor};

use crate::conv_norm::{HE, convolve, pointwise};

/// Channels per hidden unit (arXiv:1904.11492, section 4.1).
const REDUCTION: usize = 16;

/// Adds one vector to all cells, made from the cells that matter (arXiv:1904.11492, eq. 5): attention pooling, then a bottleneck of two
/// linear layers with LayerNorm and ReLU between them.
#[derive(Module, Debug)]
pub struct GlobalContext {
    /// A score per cell.
    pub score: Conv2d,
    /// To a 16th of the channels, at least one.
    pub reduce: Linear,
    /// Over the hidden units.
    pub norm: LayerNorm,
    /// Back.
    pub expand: Linear,
}

impl GlobalContext {
    /// Makes a block for maps of `channels`.
    pub fn init(channels: usize, device: &Device) -> Self {
        let hidden = (channels / REDUCTION).max(1);
        let linear = |from, to| LinearConfig::new(from, to).with_initializer(HE).init(device);
        Self {
            score: pointwise([channels, 1], device),
            reduce: linear(channels, hidden),
            norm: LayerNormConfig::new(hidden).init(device),
            expand: linear(hidden, channels),
        }
    }

    /// # Shapes
    /// - `map`, output: `[batch, channels, h, w]`
    pub fn forward(&self, map: Tensor<4>) -> Tensor<4> {
        let [batch, channels, height, width] = map.dims();
        let weights = softmax(
            convolve(&self.score, map.clone()).reshape([batch, height * width, 1]),
            1,
        );
        let context = map
            .clone()
            .reshape([batch, channels, height * width])
            .matmul(weights)
            .squeeze_dim::<2>(2);
        let context = self
            .expand
            .forward(relu(self.norm.forward(self.reduce.forward(context))));
        map + context.reshape([batch, channels, 1, 1])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_cells_of_a_channel_get_the_same() {
        let device = Device::flex();
        device.seed(2);
        let block = GlobalContext::init(32, &device);
        let map = Tensor::<4>::random([2, 32, 3, 4], burn::tensor::Distribution::Normal(0.0, 1.0), &device);
        let added = (block.forward(map.clone()) - map).reshape([64, 12]);
        let spread = (added.clone().max_dim(1) - added.clone().min_dim(1))
            .max()
            .into_scalar::<f32>();
        let size = added.abs().max().into_scalar::<f32>();
        assert!(spread < 1e-5 && size > 1e-2, "differs by {spread} of {size}");
    }
}
