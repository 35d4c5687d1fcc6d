//! The feed-forward network that carries position.

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{Linear, PaddingConfig2d};
use burn::tensor::activation::gelu;
use burn::tensor::module::conv2d;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Device, Tensor};

use crate::config::SegformerConfig;
use crate::cpu;
use crate::embed::{apply, conv, linear, map_from_tokens, tokens_from_map};

/// Linear, depthwise 3 x 3, GELU, linear. Zero padding lets the network see positions, for which SegFormer has no encoding
/// (arXiv:2105.15203, eq. 3).
#[derive(Module, Debug)]
pub struct MixFfn {
    /// Checkpoint name `dense1`.
    pub dense1: Linear,
    /// Checkpoint name `dwconv.dwconv`.
    pub dwconv: Conv2d,
    /// Checkpoint name `dense2`.
    pub dense2: Linear,
}

impl MixFfn {
    /// The network of a block in `stage`.
    pub fn init(config: &SegformerConfig, stage: usize, device: &Device) -> Self {
        let dim = config.dims[stage];
        let hidden = dim * config.mlp_ratio;
        let dwconv = Conv2dConfig::new([hidden, hidden], [3, 3])
            .with_groups(hidden)
            .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1));
        Self {
            dense1: linear(dim, hidden, device),
            dwconv: conv(dwconv, device),
            dense2: linear(hidden, dim, device),
        }
    }

    /// # Shapes
    /// - `tokens`, output: `[batch, h * w, dim]`, `grid = [h, w]`
    pub fn forward(&self, tokens: Tensor<3>, grid: [usize; 2]) -> Tensor<3> {
        let hidden = apply(&self.dense1, tokens);
        let hidden = match self.dwconv.bias.as_ref().filter(|_| cpu::computes(&hidden)) {
            Some(bias) => cpu::depthwise_gelu(hidden, grid, self.dwconv.weight.val(), bias.val()),
            None => self.composed(hidden, grid),
        };
        apply(&self.dense2, hidden)
    }

    /// The depthwise convolution with GELU by burn's operations. The bias is added outside the convolution, because the fast depthwise kernels do not take
    /// one.
    fn composed(&self, hidden: Tensor<3>, grid: [usize; 2]) -> Tensor<3> {
        let [_, _, channels] = hidden.dims();
        let options = ConvOptions::new([1, 1], [1, 1], [1, 1], channels);
        let map = conv2d(map_from_tokens(hidden, grid), self.dwconv.weight.val(), None, options);
        let mut hidden = tokens_from_map(map);
        if let Some(bias) = &self.dwconv.bias {
            hidden = hidden + bias.val().reshape([1, 1, channels]);
        }
        gelu(hidden)
    }
}
