//! The all-MLP decoder.

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, Dropout, DropoutConfig, Linear};
use burn::tensor::{DType, Device, Tensor};

use crate::config::SegformerConfig;
use crate::conv_norm::{batch_norm_relu, dropout};
use crate::embed::{apply, conv, linear, map_from_tokens, multiply};
use crate::encoder::StageTokens;
use crate::upsample::upsample_bilinear;

/// Fuses four stage maps into one (arXiv:2105.15203, section 3.2, eq. 4).
///
/// The fuse convolution reads the stages concatenated deepest first, and checkpoints depend on that order.
#[derive(Module, Debug)]
pub struct Decoder {
    /// One per stage, from fine to coarse. Checkpoint name `linear_c.{stage}.proj`.
    pub linear_c: Vec<Linear>,
    /// 1 x 1, 4D to D, no bias. Checkpoint name `linear_fuse`.
    pub linear_fuse: Conv2d,
    /// Checkpoint name `batch_norm`.
    pub batch_norm: BatchNorm,
    dropout: Dropout,
}

impl Decoder {
    /// A decoder with random weights.
    pub fn init(config: &SegformerConfig, device: &Device) -> Self {
        let dim = config.decoder_dim;
        let fuse = Conv2dConfig::new([4 * dim, dim], [1, 1]).with_bias(false);
        Self {
            linear_c: config.dims.iter().map(|&from| linear(from, dim, device)).collect(),
            linear_fuse: conv(fuse, device),
            batch_norm: BatchNormConfig::new(dim).init(device),
            dropout: DropoutConfig::new(config.dropout).init(),
        }
    }

    /// The columns of the fuse convolution that read `stage` (0 fine to 3 coarse), `[dim, dim]`, input first.
    pub(crate) fn fuse_weight(&self, stage: usize) -> Tensor<2> {
        let weight = self.linear_fuse.weight.val();
        let [dim, wide, ..] = weight.dims();
        let offset = (3 - stage) * dim;
        weight
            .reshape([dim, wide])
            .slice([0..dim, offset..offset + dim])
            .transpose()
    }

    /// A stage's layer, and then its part of the fuse convolution. The two matrices are multiplied with each other first, which is a fraction of the work. Not
    /// so in 16 bits: the product's rounding errors would be the same for all tokens.
    fn project(&self, stage: usize, tokens: Tensor<3>) -> Tensor<3> {
        let layer = &self.linear_c[stage];
        // Weights are drawn when they are first used, here in the layers' order.
        let weight = layer.weight.val();
        let fuse = self.fuse_weight(stage);
        if tokens.dtype() != DType::F32 {
            return multiply(apply(layer, tokens), fuse, None);
        }
        let bias = layer.bias.as_ref().map(|bias| {
            let bias = bias.val().unsqueeze::<2>();
            bias.matmul(fuse.clone()).squeeze_dim::<1>(0)
        });
        multiply(tokens, weight.matmul(fuse), bias)
    }

    /// # Shapes
    /// - `stages[i]`: `[batch, dims[i], h / 2^(i+2), w / 2^(i+2)]` as tokens
    /// - `detail`: `[batch, decoder_dim, h / 2, w / 2]`, added before the batch norm
    /// - output: `[batch, decoder_dim, h / 4, w / 4]`, or of `detail`'s size
    ///
    /// A 1 x 1 convolution and bilinear interpolation commute, so each stage passes its part of the fuse convolution at its own resolution,
    /// and the parts are upsampled and added: the same function for less than half of the work.
    pub fn forward(&self, stages: &[StageTokens], detail: Option<Tensor<4>>) -> Tensor<4> {
        let size = stages[0].grid;
        let parts = stages.iter().enumerate().map(|(index, stage)| {
            let part = self.project(index, stage.tokens.clone());
            upsample_bilinear(map_from_tokens(part, stage.grid), size)
        });
        let fused = parts.reduce(|sum, part| sum + part);
        let mut fused = fused.expect("SegFormer has four stages");
        if let Some(detail) = detail {
            let [_, _, height, width] = detail.dims();
            fused = upsample_bilinear(fused, [height, width]) + detail;
        }
        dropout(&self.dropout, batch_norm_relu(&self.batch_norm, fused))
    }
}
