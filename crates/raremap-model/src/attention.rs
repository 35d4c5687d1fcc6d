//! Efficient self-attention.

use burn::module::Module;
use burn::nn::Linear;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::tensor::activation::softmax;
use burn::tensor::{Device, Tensor};

use crate::config::SegformerConfig;
use crate::conv_norm::convolve;
use crate::cpu;
use crate::embed::{apply, conv, linear, map_from_tokens, multiply, tokens_from_map};
use crate::layer_norm::LayerNorm;

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
            layer_norm: LayerNorm::init(dim, eps, device),
            ratio,
        }
    }

    /// `[batch, h * w, dim]` to `[batch, h * w / ratio^2, dim]`.
    ///
    /// Patches do not overlap, so the convolution is one matrix product over rearranged tokens. On every backend this was measured to be
    /// faster than burn's convolution, and it has a plain backward pass. Our kernel for the CPU needs no rearranged tokens.
    fn forward(&self, tokens: Tensor<3>, [height, width]: [usize; 2]) -> Tensor<3> {
        if cpu::computes(&tokens) {
            let map = convolve(&self.sr, map_from_tokens(tokens, [height, width]));
            return self.layer_norm.forward(tokens_from_map(map));
        }
        let [batch, _, dim] = tokens.dims();
        let r = self.ratio;
        let patches = tokens
            .reshape([batch, height / r, r, width / r, r, dim])
            .permute([0, 1, 3, 2, 4, 5])
            .reshape([batch, (height / r) * (width / r), r * r * dim]);
        // [to, from, r, r] -> [r, r, from, to]: the order of the rearranged tokens
        let weight = self.sr.weight.val().permute([2, 3, 1, 0]).reshape([r * r * dim, dim]);
        let bias = self.sr.bias.as_ref().map(|bias| bias.val());
        self.layer_norm.forward(multiply(patches, weight, bias))
    }
}

/// Pixels of the first stage's input per token, along each axis.
const STRIDES: [usize; 4] = [4, 8, 16, 32];

/// An axis of `edge` tokens as start, length and window edge of its parts: whole windows, and one smaller window for the rest.
fn parts(edge: usize, window: usize) -> impl Iterator<Item = (usize, usize, usize)> {
    let rest = edge % window;
    let whole = edge - rest;
    let parts = [(0, whole, window), (whole, rest, rest)];
    parts.into_iter().filter(|(_, length, _)| *length > 0)
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
    pub(crate) heads: usize,
    /// Tokens along a window's edge; none for one window of everything.
    pub(crate) window: Option<usize>,
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
            window: (config.attention_window_px > 0).then(|| config.attention_window_px / STRIDES[stage]),
        }
    }

    /// # Shapes
    /// - `tokens`, output: `[batch, h * w, dim]`, `grid = [h, w]` divisible by the reduction ratio
    pub fn forward(&self, tokens: Tensor<3>, grid: [usize; 2]) -> Tensor<3> {
        if cpu::computes(&tokens) {
            return self.forward_on_cpu(tokens, grid);
        }
        self.composed(tokens, grid)
    }

    /// The same by burn's operations.
    fn composed(&self, tokens: Tensor<3>, grid: [usize; 2]) -> Tensor<3> {
        let Some(window) = self.window.filter(|window| grid.iter().any(|edge| edge > window)) else {
            return self.attend(tokens, grid);
        };
        let [batch, _, dim] = tokens.dims();
        let [height, width] = grid;
        let map = tokens.reshape([batch, height, width, dim]);
        let rows = parts(height, window).map(|(top, rows, high)| {
            let columns = parts(width, window).map(|(left, columns, wide)| {
                let part = map
                    .clone()
                    .slice([0..batch, top..top + rows, left..left + columns, 0..dim]);
                self.attend_in_windows(part, [high, wide])
            });
            Tensor::cat(columns.collect(), 2)
        });
        Tensor::cat(rows.collect(), 1).reshape([batch, height * width, dim])
    }

    /// The same with our own kernel. The patches that make a key lie within one window, so keys and values are made of the whole map at once.
    fn forward_on_cpu(&self, tokens: Tensor<3>, grid: [usize; 2]) -> Tensor<3> {
        let query = apply(&self.query, tokens.clone());
        let (context, ratio) = match &self.reduction {
            Some(reduction) => (reduction.forward(tokens, grid), reduction.ratio),
            None => (tokens, 1),
        };
        let (key, value) = (apply(&self.key, context.clone()), apply(&self.value, context));
        let heads = cpu::Heads {
            count: self.heads,
            grid,
            ratio,
            window: self.window.unwrap_or(grid[0].max(grid[1])),
        };
        apply(&self.output, cpu::attention(query, key, value, heads))
    }

    /// Attends within each of the windows of `[high, wide]` tokens that a map is divided into.
    fn attend_in_windows(&self, map: Tensor<4>, [high, wide]: [usize; 2]) -> Tensor<4> {
        let [batch, height, width, dim] = map.dims();
        let (down, across) = (height / high, width / wide);
        let windows = map
            .reshape([batch, down, high, across, wide, dim])
            .permute([0, 1, 3, 2, 4, 5])
            .reshape([batch * down * across, high * wide, dim]);
        self.attend(windows, [high, wide])
            .reshape([batch, down, across, high, wide, dim])
            .permute([0, 1, 3, 2, 4, 5])
            .reshape([batch, height, width, dim])
    }

    /// Attention of all tokens to all.
    fn attend(&self, tokens: Tensor<3>, grid: [usize; 2]) -> Tensor<3> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Variant;
    use burn::tensor::Distribution;

    /// Attention of stage `stage` of a small network, with random weights.
    fn attention(attention_window_px: usize, stage: usize) -> Attention {
        let config = SegformerConfig {
            dims: [8, 16, 40, 64],
            attention_window_px,
            ..SegformerConfig::new(Variant::B0, 3, 2, 0)
        };
        let device = Device::flex();
        device.seed(3);
        Attention::init(&config, stage, &device)
    }

    /// The same weights with attention of all tokens to all: a clone draws weights that were not drawn yet.
    fn without_windows(attention: &Attention) -> Attention {
        Attention {
            window: None,
            ..attention.clone()
        }
    }

    fn difference(one: Tensor<3>, other: Tensor<3>) -> f32 {
        (one - other).abs().max().into_scalar()
    }

    #[test]
    fn a_window_sees_itself_alone() {
        for (stage, stride) in STRIDES.into_iter().enumerate() {
            let windowed = attention(64, stage);
            let whole = without_windows(&windowed);
            let dim = [8, 16, 40, 64][stage];
            // A tile of 160 x 96: two windows and a half, one and a half.
            let grid = [160 / stride, 96 / stride];
            let map = Tensor::<4>::random(
                [2, grid[0], grid[1], dim],
                Distribution::Normal(0.0, 1.0),
                &Device::flex(),
            );
            let output = windowed.forward(map.clone().reshape([2, grid[0] * grid[1], dim]), grid);
            let output = output.reshape([2, grid[0], grid[1], dim]);
            for (top, left, edges) in [(64, 0, [64, 64]), (128, 64, [32, 32]), (0, 64, [64, 32])] {
                let [rows, columns] = edges.map(|edge| edge / stride);
                let part = |map: &Tensor<4>| {
                    let (top, left) = (top / stride, left / stride);
                    let part = map.clone().slice([0..2, top..top + rows, left..left + columns, 0..dim]);
                    part.reshape([2, rows * columns, dim])
                };
                let alone = whole.forward(part(&map), [rows, columns]);
                let difference = difference(part(&output), alone);
                assert!(
                    difference < 1e-5,
                    "stage {stage}, window at {top}, {left}: {difference}"
                );
            }
        }
    }

    #[test]
    fn the_kernel_for_the_cpu_gives_what_burns_operations_give() {
        for (stage, stride) in STRIDES.into_iter().enumerate() {
            for window in [0, 64] {
                let attention = attention(window, stage);
                let [height, width] = [160 / stride, 96 / stride];
                let dim = [8, 16, 40, 64][stage];
                let shape = [2, height * width, dim];
                let tokens = Tensor::<3>::random(shape, Distribution::Normal(0.0, 1.0), &Device::flex());
                let composed = attention.composed(tokens.clone(), [height, width]);
                let ours = attention.forward(tokens, [height, width]);
                let range = composed.clone().abs().max().into_scalar::<f32>();
                let difference = difference(ours, composed);
                assert!(
                    difference <= 1e-6 * range.max(1.0),
                    "stage {stage}, windows of {window}: {difference} of {range}"
                );
            }
        }
    }

    #[test]
    fn a_tile_of_one_window_is_seen_whole() {
        let tokens = Tensor::<3>::random([1, 16 * 16, 8], Distribution::Normal(0.0, 1.0), &Device::flex());
        let windowed = attention(64, 0);
        let whole = without_windows(&windowed);
        let [windowed, whole] = [windowed, whole].map(|attention| attention.forward(tokens.clone(), [16, 16]));
        assert_eq!(difference(windowed, whole), 0.0);
    }
}
