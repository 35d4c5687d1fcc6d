//! Overlapping patch embedding.

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{Initializer, Linear, LinearConfig, PaddingConfig2d};
use burn::tensor::{Device, Tensor};

use crate::config::{EMBED, SegformerConfig};
use crate::conv_norm::convolve;
use crate::cpu;
use crate::layer_norm::LayerNorm;

/// Standard deviation of initial weights (Hugging Face's `initializer_range`).
const INIT_STD: f64 = 0.02;

fn normal() -> Initializer {
    Initializer::Normal {
        mean: 0.0,
        std: INIT_STD,
    }
}

/// A linear layer with normal weights and zero bias.
pub(crate) fn linear(d_input: usize, d_output: usize, device: &Device) -> Linear {
    let mut layer = LinearConfig::new(d_input, d_output)
        .with_initializer(normal())
        .init(device);
    layer.bias = Some(Initializer::Zeros.init([d_output], device));
    layer
}

/// `layer` of `tokens`; on the CPU by a kernel of our own.
///
/// # Shapes
/// - `tokens`: `[batch, n, from]`
/// - output: `[batch, n, to]`
pub(crate) fn apply(layer: &Linear, tokens: Tensor<3>) -> Tensor<3> {
    let bias = layer.bias.as_ref().map(|bias| bias.val());
    multiply(tokens, layer.weight.val(), bias)
}

/// `tokens` times `weight`, plus `bias`; on the CPU by a kernel of our own.
///
/// # Shapes
/// - `tokens`: `[batch, n, from]`
/// - `weight`: `[from, to]`
/// - `bias`: `[to]`
/// - output: `[batch, n, to]`
pub(crate) fn multiply(tokens: Tensor<3>, weight: Tensor<2>, bias: Option<Tensor<1>>) -> Tensor<3> {
    if cpu::computes_with(&tokens, &weight) {
        return cpu::linear(tokens, weight, bias);
    }
    burn::tensor::module::linear(tokens, weight, bias)
}

/// A convolution with normal weights and, if `config` has a bias, zeros there.
pub(crate) fn conv(config: Conv2dConfig, device: &Device) -> Conv2d {
    let channels = config.channels[1];
    let mut layer = config.with_initializer(normal()).init(device);
    layer.bias = layer.bias.map(|_| Initializer::Zeros.init([channels], device));
    layer
}

/// `[batch, channels, h, w]` to `[batch, h * w, channels]`; no number is moved if the map's channels lie together.
pub(crate) fn tokens_from_map(map: Tensor<4>) -> Tensor<3> {
    let [batch, channels, height, width] = map.dims();
    map.permute([0, 2, 3, 1]).reshape([batch, height * width, channels])
}

/// `[batch, h * w, channels]` to `[batch, channels, h, w]`, without moving a number.
pub(crate) fn map_from_tokens(tokens: Tensor<3>, [height, width]: [usize; 2]) -> Tensor<4> {
    let [batch, _, channels] = tokens.dims();
    tokens.reshape([batch, height, width, channels]).permute([0, 3, 1, 2])
}

/// Strided convolution, then LayerNorm over channels (arXiv:2105.15203, section 3.1).
#[derive(Module, Debug)]
pub struct PatchEmbed {
    /// Checkpoint name `proj`.
    pub proj: Conv2d,
    /// Checkpoint name `layer_norm`.
    pub layer_norm: LayerNorm,
}

impl PatchEmbed {
    /// The embedding that opens `stage`, 0 to 3.
    pub fn init(config: &SegformerConfig, stage: usize, device: &Device) -> Self {
        let (kernel, stride) = EMBED[stage];
        let from = if stage == 0 {
            config.in_channels
        } else {
            config.dims[stage - 1]
        };
        let to = config.dims[stage];
        let half = kernel / 2;
        let proj = Conv2dConfig::new([from, to], [kernel, kernel])
            .with_stride([stride, stride])
            .with_padding(PaddingConfig2d::Explicit(half, half, half, half));
        Self {
            proj: conv(proj, device),
            layer_norm: LayerNorm::init(to, config.embed_norm_eps, device),
        }
    }

    /// # Shapes
    /// - `map`: `[batch, from, h, w]`
    /// - output: tokens `[batch, h' * w', to]` and their grid `[h', w']`, a `stride`-th of the input's
    pub fn forward(&self, map: Tensor<4>) -> (Tensor<3>, [usize; 2]) {
        let map = convolve(&self.proj, map);
        let [_, _, height, width] = map.dims();
        (self.layer_norm.forward(tokens_from_map(map)), [height, width])
    }
}
