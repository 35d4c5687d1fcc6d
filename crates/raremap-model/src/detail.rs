//! The detail path, which sees what SegFormer's cells of 4 x 4 pixels hide.

use burn::module::Module;
use burn::nn::Initializer;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::tensor::activation::relu;
use burn::tensor::module::conv2d;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Device, Tensor};

use crate::config::SegformerConfig;
use crate::conv_norm::{ConvNorm, ConvNormConfig, convolve};
use crate::cpu::{self, Steps};

/// Strides of the convolutions: the first halves the map.
const STRIDES: [usize; 3] = [2, 1, 1];

/// Standard deviation of the projection's first weights: the path starts out weak beside the encoder's stages.
const PROJECTION_STD: f64 = 0.05;

/// Three 3 x 3 convolutions at half the input's resolution, added to the decoder's sum as one more stage.
///
/// SegFormer's finest stage has a cell per 4 x 4 pixels, and at 30 m a pond is smaller than that. Upsampling the input by 2 shows it too,
/// for four times the encoder's work; this path costs about a fifth. It is not part of SegFormer; it follows the idea of the detail branch
/// of BiSeNet V2 (arXiv:2004.02147, section 4.1).
#[derive(Module, Debug)]
pub struct DetailPath {
    /// Convolutions, starting at the input.
    pub convs: Vec<ConvNorm>,
    /// 1 x 1 to the decoder's channels, no bias.
    pub project: Conv2d,
}

impl DetailPath {
    /// A path with random weights. `config.detail_dim` must be positive.
    pub fn init(config: &SegformerConfig, device: &Device) -> Self {
        let dim = config.detail_dim;
        let convs = STRIDES.iter().enumerate().map(|(index, &stride)| {
            let from = if index == 0 { config.in_channels } else { dim };
            ConvNormConfig::new([from, dim], 3).with_stride(stride).init(device)
        });
        let project = Conv2dConfig::new([dim, config.decoder_dim], [1, 1])
            .with_bias(false)
            .with_initializer(Initializer::Normal {
                mean: 0.0,
                std: PROJECTION_STD,
            });
        Self {
            convs: convs.collect(),
            project: project.init(device),
        }
    }

    /// # Shapes
    /// - `input`: `[batch, in_channels, h, w]`
    /// - output: `[batch, decoder_dim, h / 2, w / 2]`
    pub fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        let map = self.convs.iter().fold(input, |map, conv| conv.forward_relu(map));
        convolve(&self.project, map)
    }
}

/// The path as it runs: batch norms are folded into the convolutions, and the decoder's scale into the projection.
#[derive(Module, Debug)]
pub struct FoldedDetailPath {
    /// `[to, from, 3, 3]`
    weights: Vec<Tensor<4>>,
    /// `[to]`
    biases: Vec<Tensor<1>>,
    /// `[decoder_dim, detail_dim, 1, 1]`
    pub(crate) project: Tensor<4>,
}

impl FoldedDetailPath {
    /// Folds `path`; `scale`, `[decoder_dim]`, is the factor of the decoder's batch norm.
    pub fn fold(path: &DetailPath, scale: Tensor<1>) -> Self {
        let per_channel = |scale: Tensor<1>| {
            let [channels] = scale.dims();
            scale.reshape([channels, 1, 1, 1])
        };
        let (mut weights, mut biases) = (Vec::new(), Vec::new());
        for ConvNorm { conv, norm } in &path.convs {
            let scale = norm.gamma.val() / norm.running_var.value().add_scalar(norm.epsilon).sqrt();
            biases.push(norm.beta.val() - norm.running_mean.value() * scale.clone());
            weights.push(cpu::rearranged(conv.weight.val() * per_channel(scale)));
        }
        Self {
            weights,
            biases,
            project: cpu::rearranged(path.project.weight.val() * per_channel(scale)),
        }
    }

    /// Weight, bias and stride of the 3 x 3 convolutions, in order.
    pub(crate) fn convolutions(&self) -> impl Iterator<Item = (Tensor<4>, Tensor<1>, usize)> {
        let layers = self.weights.iter().zip(&self.biases).zip(STRIDES);
        layers.map(|((weight, bias), stride)| (weight.clone(), bias.clone(), stride))
    }

    /// # Shapes
    /// As [`DetailPath::forward`].
    pub fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        let mut map = input;
        for (weight, bias, stride) in self.convolutions() {
            map = if cpu::takes(&map) {
                cpu::convolve_relu(map, weight, bias, Steps { stride, padding: 1 })
            } else {
                let options = ConvOptions::new([stride, stride], [1, 1], [1, 1], 1);
                relu(conv2d(map, weight, Some(bias), options))
            };
        }
        if cpu::takes(&map) {
            let steps = Steps { stride: 1, padding: 0 };
            return cpu::convolve(map, self.project.clone(), None, steps);
        }
        let options = ConvOptions::new([1, 1], [0, 0], [1, 1], 1);
        conv2d(map, self.project.clone(), None, options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Variant;

    #[test]
    fn the_path_halves_the_input_and_has_few_parameters() {
        let config = SegformerConfig {
            detail_dim: 32,
            decoder_dim: 128,
            ..SegformerConfig::new(Variant::B0, 5, 7, 2)
        };
        let device = Device::flex();
        let path = DetailPath::init(&config, &device);
        assert_eq!(
            path.forward(Tensor::ones([2, 5, 64, 32], &device)).dims(),
            [2, 128, 32, 16]
        );
        // three convolutions, gamma, beta, mean and variance of their norms, the projection
        assert_eq!(path.num_params(), 9 * 32 * (5 + 32 + 32) + 3 * 4 * 32 + 32 * 128);
    }
}
