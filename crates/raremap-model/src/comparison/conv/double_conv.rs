//! Two 3 x 3 convolutions: the unit of the U-Nets, and with a shortcut that of the ResNet.

use burn::module::Module;
use burn::tensor::activation::relu;
use burn::tensor::module::max_pool2d;
use burn::tensor::ops::MaxPoolOptions;
use burn::tensor::{Device, Tensor};

use crate::conv_norm::{ConvNorm, ConvNormConfig};

/// Shape of a [`DoubleConv`].
#[derive(Debug, Clone, Copy)]
pub struct DoubleConvConfig {
    /// Channels in and out.
    pub channels: [usize; 2],
    /// Whether the input is added before the last ReLU.
    pub residual: bool,
    /// Input cells per output cell, along each axis.
    pub stride: usize,
    /// Distance of the kernels' samples.
    pub dilation: usize,
}

impl DoubleConvConfig {
    /// Stride and dilation 1, without or with a shortcut.
    pub const fn new(channels: [usize; 2], residual: bool) -> Self {
        Self {
            channels,
            residual,
            stride: 1,
            dilation: 1,
        }
    }

    /// A block with random weights.
    pub fn init(&self, device: &Device) -> DoubleConv {
        let [from, to] = self.channels;
        let conv = |from: usize| ConvNormConfig::new([from, to], 3).with_dilation(self.dilation);
        let projected = self.residual && (from != to || self.stride > 1);
        DoubleConv {
            first: conv(from).with_stride(self.stride).init(device),
            second: conv(to).init(device),
            shortcut: projected.then(|| ConvNormConfig::new([from, to], 1).with_stride(self.stride).init(device)),
            residual: self.residual,
        }
    }
}

/// `[3 x 3 convolution, batch norm, ReLU]` twice (arXiv:1505.04597, with "same" padding and batch norm). With a shortcut it is ResNet's
/// basic block (arXiv:1512.03385), whose input is added before the last ReLU.
#[derive(Module, Debug)]
pub struct DoubleConv {
    /// Changes the number of channels, and strides.
    pub first: ConvNorm,
    /// Keeps both.
    pub second: ConvNorm,
    /// 1 x 1 convolution, if the input's shape is not the output's.
    pub shortcut: Option<ConvNorm>,
    residual: bool,
}

impl DoubleConv {
    /// # Shapes
    /// - `map`: `[batch, channels[0], h, w]`
    /// - output: `[batch, channels[1], h / stride, w / stride]`
    pub fn forward(&self, map: Tensor<4>) -> Tensor<4> {
        let first = self.first.forward_relu(map.clone());
        if !self.residual {
            return self.second.forward_relu(first);
        }
        let out = self.second.forward(first);
        relu(
            out + self
                .shortcut
                .as_ref()
                .map_or_else(|| map.clone(), |layer| layer.forward(map.clone())),
        )
    }
}

/// Max pooling over 2 x 2 cells.
///
/// # Shapes
/// - `map`: `[batch, channels, h, w]`, even sizes
/// - output: `[batch, channels, h / 2, w / 2]`
pub(crate) fn halve(map: Tensor<4>) -> Tensor<4> {
    max_pool2d(map, MaxPoolOptions::new([2, 2]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_convolutions_and_two_norms_are_all_there_is() {
        let device = Device::flex();
        // 9 * 3 * 8 + 9 * 8 * 8, and gamma, beta, running mean and variance of two norms
        let plain = DoubleConvConfig::new([3, 8], false).init(&device);
        assert_eq!(plain.num_params(), 216 + 576 + 2 * 4 * 8);
        // and a projected shortcut with its norm
        let residual = DoubleConvConfig::new([3, 8], true).init(&device);
        assert_eq!(residual.num_params(), plain.num_params() + 24 + 4 * 8);
        // an identity has no parameters
        let identity = DoubleConvConfig::new([8, 8], true).init(&device);
        assert_eq!(identity.num_params(), 2 * 576 + 2 * 4 * 8);
    }

    #[test]
    fn a_shortcut_lets_the_input_through_where_the_convolutions_are_silent() {
        let device = Device::flex();
        let mut block = DoubleConvConfig::new([2, 2], true).init(&device);
        block.second.norm.gamma = block.second.norm.gamma.map(|gamma| gamma.zeros_like());
        let map = Tensor::<4>::from_data([[[[1.0, -2.0]], [[3.0, 0.5]]]], &device);
        let out = block.forward(map).into_data().try_to_vec::<f32>().expect("f32");
        assert_eq!(out, [1.0, 0.0, 3.0, 0.5]);
    }

    #[test]
    fn halving_keeps_the_largest_of_four() {
        let map = Tensor::<4>::from_data([[[[1.0, 2.0, -1.0, -2.0], [4.0, 3.0, -4.0, -3.0]]]], &Device::flex());
        let out = halve(map).into_data().try_to_vec::<f32>().expect("f32");
        assert_eq!(out, [4.0, -1.0]);
    }
}
