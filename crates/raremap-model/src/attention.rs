//! Efficient self-attention.

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{LayerNorm, LayerNormConfig, Linear};
use burn::tensor::activation::softmax;
use burn::tensor::{Device, Tensor};

use crate::config::SegformerConfig;
use crate::embed::{conv, linear};

/// Shortens the sequence of keys and values (arXiv:2105.15203, section 3.1; first in arXiv:2102.12122).
#[derive(Module, Debug)]
pub struct SequenceReduction {
    /// Kernel = stride = ratio, no padding. Checkpoint name `sr`.
    pub sr: Conv2d,
    /// Checkpoint name `layer_norm`.
    pub layer_norm: LayerNorm,
    ratio: usize,
}

impl SequenceReduction {
    fn init(dim: usize, ratio: usize, eps: f64, device: &Device) -> Self {
        let sr = Conv2dConfig::new([dim, dim], [ratio, ratio]).with_stride([ratio, ratio]);
        Self {
            sr: conv(sr, device),
            layer_norm: LayerNormConfig::new(dim).with_epsilon(eps).init(device),
            ratio,
        }
    }

    /// `[batch, h * w, dim]` to `[batch, h * w / ratio^2, dim]`.
    ///
    /// Patches do not overlap, so the convolution is one matrix product over rearranged tokens. On every backend this was measured to be
    /// faster than the direct convolution, and it has a plain backward pass.
    fn forward(&self, tokens: Tensor<3>, [height, width]: [usize; 2]) -> Tensor<3> {
        let [batch, _, dim] = tokens.dims();
        let r = self.ratio;
        let patches = tokens
            .reshape([batch, height / r, r, width / r, r, dim])
            .permute([0, 1, 3, 2, 4, 5])
            .reshape([batch, (height / r) * (width / r), r * r * dim]);
        // [to, from, r, r] -> [r, r, from, to]: the order of the rearranged tokens
        let weight = self.sr.weight.val().permute([2, 3, 1, 0]).reshape([r * r * dim, dim]);
        let bias = self.sr.bias.as_ref().map(|bias| bias.val());
        self.layer_norm
            .forward(burn::tensor::module::linear(patches, weight, bias))
    }
}

/// Multi-head attention whose keys and values come from a reduced sequence (arXiv:2105.15203, eq. 2).
#[derive(Module, Debug)]
pub struct Attention {
    /// Checkpoint name `query`.
    pub query: Linear,
    /// Checkpoint name `key`.
    pub key: Linear,
    /// Checkpoint name `value`.
    pub value: Linear,
    /// Checkpoint names `sr` and `layer_norm`; absent at ratio 1.
    pub reduction: Option<SequenceReduction>,
    /// Checkpoint name `output.dense`.
    pub output: Linear,
    heads: usize,
}

impl Attention {
    /// The attention of a block in `stage`.
    pub fn init(config: &SegformerConfig, stage: usize, device: &Device) -> Self {
        let (dim, ratio) = (config.dims[stage], config.reduction[stage]);
        Self {
            query: linear(dim, dim, device),
            key: linear(dim, dim, device),
            value: linear(dim, dim, device),
            reduction: (ratio > 1).then(|| SequenceReduction::init(dim, ratio, config.embed_norm_eps, device)),
            output: linear(dim, dim, device),
            heads: config.heads[stage],
        }
    }

    /// # Shapes
    /// - `tokens`, output: `[batch, h * w, dim]`, `grid = [h, w]` divisible by the reduction ratio
    pub fn forward(&self, tokens: Tensor<3>, grid: [usize; 2]) -> Tensor<3> {
        let [batch, count, dim] = tokens.dims();
        let head_dim = dim / self.heads;
        let split = |x: Tensor<3>| {
            let [_, n, _] = x.dims();
            x.reshape([batch, n, self.heads, head_dim]).swap_dims(1, 2)
        };
        let query = split(self.query.forward(tokens.clone()));
        let context = match &self.reduction {
            Some(reduction) => reduction.forward(tokens, grid),
            None => tokens,
        };
        let key = split(self.key.forward(context.clone()));
        let value = split(self.value.forward(context));
        let scores = query
            .mul_scalar((head_dim as f64).powf(-0.5))
            .matmul(key.swap_dims(2, 3));
        let mixed = softmax(scores, 3).matmul(value);
        self.output.forward(mixed.swap_dims(1, 2).reshape([batch, count, dim]))
    }
}
