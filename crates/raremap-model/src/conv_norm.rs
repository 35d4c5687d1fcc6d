//! Convolution and batch norm, the pair that the convolutional families repeat.

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, Dropout, Initializer, PaddingConfig2d};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};

use crate::cpu::{self, Steps};

/// Variance `2 / fan_in`, which keeps the activations' size through ReLU (arXiv:1502.01852).
pub(crate) const HE: Initializer = Initializer::KaimingNormal {
    gain: std::f64::consts::SQRT_2,
    fan_out_only: false,
};

/// A 1 x 1 convolution with He weights and zero bias: a classifier, or a gate's map.
pub(crate) fn pointwise([from, to]: [usize; 2], device: &Device) -> Conv2d {
    let mut layer = Conv2dConfig::new([from, to], [1, 1]).with_initializer(HE).init(device);
    layer.bias = Some(Initializer::Zeros.init([to], device));
    layer
}

/// Shape of a [`ConvNorm`].
#[derive(Debug, Clone, Copy)]
pub struct ConvNormConfig {
    /// Channels in and out.
    pub channels: [usize; 2],
    /// Edge of the kernel, odd.
    pub kernel: usize,
    /// Input cells per output cell, along each axis.
    pub stride: usize,
    /// Distance of the kernel's samples.
    pub dilation: usize,
}

impl ConvNormConfig {
    /// Stride and dilation 1.
    pub const fn new(channels: [usize; 2], kernel: usize) -> Self {
        Self {
            channels,
            kernel,
            stride: 1,
            dilation: 1,
        }
    }

    /// The same config with another dilation.
    pub const fn with_dilation(self, dilation: usize) -> Self {
        Self { dilation, ..self }
    }

    /// The same config with another stride.
    pub const fn with_stride(self, stride: usize) -> Self {
        Self { stride, ..self }
    }

    /// A layer with random weights.
    pub fn init(&self, device: &Device) -> ConvNorm {
        let pad = self.dilation * (self.kernel - 1) / 2;
        let conv = Conv2dConfig::new(self.channels, [self.kernel, self.kernel])
            .with_stride([self.stride, self.stride])
            .with_dilation([self.dilation, self.dilation])
            .with_padding(PaddingConfig2d::Explicit(pad, pad, pad, pad))
            .with_bias(false)
            .with_initializer(HE);
        ConvNorm {
            conv: conv.init(device),
            norm: BatchNormConfig::new(self.channels[1]).init(device),
        }
    }
}

/// Convolution with "same" padding, then batch norm (arXiv:1502.03167), whose shift makes a bias superfluous.
#[derive(Module, Debug)]
pub struct ConvNorm {
    /// Convolution without bias.
    pub conv: Conv2d,
    /// Batch norm over the output channels.
    pub norm: BatchNorm,
}

/// `norm` of `map`, in the precision of the norm's own parameters: half precision holds neither the statistics of many pixels nor the small
/// changes of the running ones. The output has the map's precision.
///
/// # Shapes
/// - `map`, output: `[batch, channels, h, w]`
pub fn batch_norm(norm: &BatchNorm, map: Tensor<4>) -> Tensor<4> {
    #[cfg(feature = "training")]
    if cpu::records(&map) && norm.training.is_enabled() {
        return cpu::batch_norm(norm, map, false);
    }
    let dtype = map.dtype();
    norm.forward(map.cast(norm.gamma.val().dtype())).cast(dtype)
}

/// [`batch_norm`], then ReLU.
///
/// # Shapes
/// - `map`, output: `[batch, channels, h, w]`
pub(crate) fn batch_norm_relu(norm: &BatchNorm, map: Tensor<4>) -> Tensor<4> {
    #[cfg(feature = "training")]
    if cpu::records(&map) && norm.training.is_enabled() {
        return cpu::batch_norm(norm, map, true);
    }
    relu(batch_norm(norm, map))
}

/// `conv` of `map`; on the CPU by a kernel of our own, whose output's channels are together in memory.
///
/// # Shapes
/// - `map`: `[batch, from, h, w]`
/// - output: `[batch, to, h / stride, w / stride]`, for convolutions with padding of half the kernel
pub(crate) fn convolve(conv: &Conv2d, map: Tensor<4>) -> Tensor<4> {
    match plain_steps(conv) {
        Some(steps) if cpu::computes_with(&map, &conv.weight.val()) => {
            let bias = conv.bias.as_ref().map(|bias| bias.val());
            cpu::convolve(map, conv.weight.val(), bias, steps)
        }
        _ => conv.forward(map),
    }
}

/// Multiplies all channels of a pixel by its factor; on the CPU by a kernel of our own.
///
/// # Shapes
/// - `map`, output: `[batch, channels, h, w]`
/// - `factors`: `[batch, 1, h, w]`
pub(crate) fn scale(map: Tensor<4>, factors: Tensor<4>) -> Tensor<4> {
    if cpu::computes_with(&map, &factors) {
        return cpu::scale(map, factors);
    }
    map * factors
}

/// `layer` of `map`; in training on the CPU by a kernel of our own.
///
/// # Shapes
/// - `map`, output: `[batch, channels, h, w]`
pub(crate) fn dropout(layer: &Dropout, map: Tensor<4>) -> Tensor<4> {
    #[cfg(feature = "training")]
    if cpu::records(&map) && layer.training.is_enabled() && layer.prob > 0.0 {
        return cpu::dropout(map, layer.prob);
    }
    layer.forward(map)
}

/// How `conv` moves, if it is dense, with a square kernel and equal strides and padding.
fn plain_steps(conv: &Conv2d) -> Option<Steps> {
    let padding = match conv.padding {
        PaddingConfig2d::Valid => 0,
        PaddingConfig2d::Explicit(top, left, bottom, right) if [left, bottom, right] == [top; 3] => top,
        _ => return None,
    };
    let is_plain = conv.kernel_size[0] == conv.kernel_size[1]
        && conv.stride[0] == conv.stride[1]
        && padding < conv.kernel_size[0]
        && conv.dilation == [1, 1]
        && conv.groups == 1;
    is_plain.then_some(Steps {
        stride: conv.stride[0],
        padding,
    })
}

impl ConvNorm {
    /// # Shapes
    /// - `map`: `[batch, channels[0], h, w]`
    /// - output: `[batch, channels[1], h / stride, w / stride]`
    pub fn forward(&self, map: Tensor<4>) -> Tensor<4> {
        batch_norm(&self.norm, convolve(&self.conv, map))
    }

    /// [`ConvNorm::forward`], then ReLU.
    pub fn forward_relu(&self, map: Tensor<4>) -> Tensor<4> {
        batch_norm_relu(&self.norm, convolve(&self.conv, map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_keeps_the_size_at_every_dilation_and_a_stride_divides_it() {
        let device = Device::flex();
        let map = || Tensor::<4>::ones([1, 2, 16, 8], &device);
        for (kernel, dilation) in [(1, 1), (3, 1), (3, 6), (7, 1)] {
            let layer = ConvNormConfig::new([2, 3], kernel)
                .with_dilation(dilation)
                .init(&device);
            assert_eq!(layer.forward(map()).dims(), [1, 3, 16, 8], "{kernel} at {dilation}");
        }
        let strided = ConvNormConfig::new([2, 3], 7).with_stride(2).init(&device);
        assert_eq!(strided.forward(map()).dims(), [1, 3, 8, 4]);
    }

    #[test]
    fn only_plain_convolutions_are_ours() {
        let config = || Conv2dConfig::new([4, 4], [3, 3]);
        let same = PaddingConfig2d::Explicit(1, 1, 1, 1);
        let steps = |config: Conv2dConfig| {
            let steps = plain_steps(&config.init(&Device::flex()))?;
            Some([steps.stride, steps.padding])
        };
        assert_eq!(steps(config().with_padding(same.clone())), Some([1, 1]));
        assert_eq!(steps(config().with_stride([2, 2])), Some([2, 0]));
        assert_eq!(steps(Conv2dConfig::new([4, 4], [1, 1])), Some([1, 0]));
        assert_eq!(
            steps(config().with_padding(PaddingConfig2d::Explicit(1, 1, 0, 0))),
            None
        );
        assert_eq!(steps(config().with_padding(same.clone()).with_groups(2)), None);
        assert_eq!(steps(config().with_padding(same.clone()).with_dilation([2, 2])), None);
        assert_eq!(steps(config().with_padding(same).with_stride([1, 2])), None);
        assert_eq!(steps(Conv2dConfig::new([4, 4], [3, 1])), None);
    }

    #[cfg(feature = "training")]
    #[test]
    fn a_frozen_norm_uses_its_statistics_and_leaves_them_alone() {
        let device = Device::flex().autodiff();
        let norm = BatchNormConfig::new(2).init(&device).freeze();
        let map = Tensor::<4>::random([2, 2, 3, 3], burn::tensor::Distribution::Normal(1.0, 2.0), &device);
        let output = batch_norm(&norm, map.clone());
        // Mean 0 and variance 1, as they were.
        let difference = (output - map).abs().max().into_scalar::<f32>();
        assert!(difference < 1e-4, "{difference}");
        assert_eq!(norm.running_mean.value_sync().abs().max().into_scalar::<f32>(), 0.0);
    }
}
