//! The network as it runs: the decoder folded.

use burn::module::Module;
use burn::tensor::activation::relu;
use burn::tensor::module::interpolate;
use burn::tensor::ops::{InterpolateMode, InterpolateOptions};
use burn::tensor::{Device, Tensor};

use crate::cpu;
use crate::decoder::Decoder;
use crate::detail::{DetailPath, FoldedDetailPath};
use crate::dual_logits::DualLogits;
use crate::embed::{map_from_tokens, multiply};
use crate::encoder::{MixTransformer, StageTokens};
use crate::pixel::PixelPath;
use crate::segformer::{Heads, Segformer};

/// Our own kernel on the CPU; elsewhere the backend's, which is one kernel, too. No gradient is needed here.
pub(crate) fn resize_bilinear(map: Tensor<4>, size: [usize; 2]) -> Tensor<4> {
    let [_, _, height, width] = map.dims();
    if [height, width] == size {
        return map;
    }
    if cpu::takes(&map) {
        return cpu::upsample_bilinear(map, size);
    }
    let options = InterpolateOptions::new(InterpolateMode::Bilinear)
        .with_align_corners(false)
        .with_output_size(size);
    interpolate(map, options)
}

/// `[batch, h * w, channels]` to `[batch, channels, h, w]`, copied, because the backend's upsampling wants planes.
fn planes(tokens: Tensor<3>, [height, width]: [usize; 2]) -> Tensor<4> {
    let [batch, _, channels] = tokens.dims();
    tokens.swap_dims(1, 2).reshape([batch, channels, height, width])
}

/// The decoder, with BatchNorm, fuse convolution and stage linears in one matrix per stage.
///
/// With `s = gamma / sqrt(var + eps)`: `F = relu(sum_i up(x_i V_i) + b)`, `V_i = W_i W_fuse,i s`,
/// `b = beta + s (sum_i b_i W_fuse,i - mean)`. Exact up to rounding, because the weights of bilinear interpolation sum to 1.
#[derive(Module, Debug)]
pub struct FoldedDecoder {
    /// `[dims[i], decoder_dim]`, from fine to coarse.
    pub(crate) weights: Vec<Tensor<2>>,
    /// `[decoder_dim]`
    pub(crate) bias: Tensor<1>,
    pub(crate) detail: Option<FoldedDetailPath>,
}

impl FoldedDecoder {
    /// Folds `decoder` with its running statistics. Sums are in f32; a test compares it with the unfolded decoder.
    fn fold(decoder: &Decoder, detail: Option<&DetailPath>) -> Self {
        let norm = &decoder.batch_norm;
        let scale = norm.gamma.val() / norm.running_var.value().add_scalar(norm.epsilon).sqrt();
        let mut bias = norm.running_mean.value().neg();
        let mut weights = Vec::with_capacity(4);
        for (stage, layer) in decoder.linear_c.iter().enumerate() {
            let fuse = decoder.fuse_weight(stage);
            if let Some(b) = &layer.bias {
                bias = bias + b.val().unsqueeze::<2>().matmul(fuse.clone()).squeeze_dim(0);
            }
            weights.push(layer.weight.val().matmul(fuse) * scale.clone().unsqueeze::<2>());
        }
        Self {
            weights,
            bias: norm.beta.val() + bias * scale.clone(),
            detail: detail.map(|path| FoldedDetailPath::fold(path, scale)),
        }
    }

    fn forward(&self, stages: &[StageTokens], input: Tensor<4>) -> Tensor<4> {
        let size = stages[0].grid;
        // The bias is added to the finest stage, which needs no upsampling.
        let mut bias = Some(self.bias.clone());
        let parts = stages.iter().zip(&self.weights);
        let parts =
            parts.map(|(stage, weight)| (multiply(stage.tokens.clone(), weight.clone(), bias.take()), stage.grid));
        if cpu::takes(&input) {
            let parts = parts.map(|(part, grid)| map_from_tokens(part, grid)).collect();
            let Some(path) = &self.detail else {
                return cpu::upsampled_sum(parts, size, true);
            };
            let (fused, detail) = (cpu::upsampled_sum(parts, size, false), path.forward(input));
            let [_, _, height, width] = detail.dims();
            return cpu::upsampled_sum(vec![fused, detail], [height, width], true);
        }
        let parts = parts.map(|(part, grid)| resize_bilinear(planes(part, grid), size));
        let fused = parts.reduce(|sum, part| sum + part);
        let fused = fused.expect("SegFormer has four stages");
        relu(match &self.detail {
            Some(path) => {
                let detail = path.forward(input);
                let [_, _, height, width] = detail.dims();
                resize_bilinear(fused, [height, width]) + detail
            }
            None => fused,
        })
    }
}

/// SegFormer for inference: it gives the same numbers as [`Segformer`] for less work.
#[derive(Module, Debug)]
pub struct FoldedSegformer {
    pub(crate) encoder: MixTransformer,
    pub(crate) decoder: FoldedDecoder,
    pub(crate) heads: Heads,
    pub(crate) pixel: Option<PixelPath>,
    pub(crate) input_upsampling: usize,
}

impl FoldedSegformer {
    /// Folds a trained network. `model` must be on a device without autodiff.
    pub fn fold(model: Segformer) -> Self {
        Self {
            decoder: FoldedDecoder::fold(&model.decoder, model.detail.as_ref()),
            input_upsampling: model.input_upsampling(),
            encoder: model.encoder.map(&mut cpu::Rearrange),
            heads: model.heads.map(&mut cpu::Rearrange),
            pixel: model.pixel.map(|path| path.map(&mut cpu::Rearrange)),
        }
    }

    /// # Shapes
    /// - `input`: `[batch, in_channels, h, w]`, normalized, h and w multiples of 32
    /// - output: logits with a cell per [`SegformerConfig::cell_px`](crate::SegformerConfig::cell_px) pixels
    pub fn forward(&self, input: Tensor<4>) -> DualLogits {
        if cpu::takes(&input) {
            return cpu::in_the_pool(|| self.compute(input));
        }
        self.compute(input)
    }

    fn compute(&self, input: Tensor<4>) -> DualLogits {
        let [_, _, height, width] = input.dims();
        let input = resize_bilinear(input, [height * self.input_upsampling, width * self.input_upsampling]);
        let stages = self.encoder.forward(input.clone());
        let features = self.decoder.forward(&stages, input.clone());
        let logits = self.heads.forward(features.clone());
        match &self.pixel {
            Some(path) => path.forward(logits, features, input, resize_bilinear),
            None => logits,
        }
    }

    /// Device that the weights are on.
    pub fn device(&self) -> Device {
        self.decoder.bias.device()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{SegformerConfig, Variant};
    use burn::module::{Module, ModuleMapper, Param};
    use burn::tensor::Distribution;

    /// Gives every parameter a value that matters, because initial biases are zero and initial norms are one.
    struct Shake;

    impl ModuleMapper for Shake {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            param.map(|value| {
                let noise = value.random_like(Distribution::Normal(0.0, 0.1));
                value + noise
            })
        }
    }

    #[test]
    fn folding_changes_no_logit() {
        for (input_upsampling, detail_dim, pixel_dim, size) in [
            (2, 0, 0, [32, 48]),
            (1, 16, 0, [32, 48]),
            (2, 8, 0, [64, 96]),
            (1, 8, 5, [64, 96]),
            (1, 0, 16, [64, 96]),
        ] {
            check(input_upsampling, detail_dim, pixel_dim, size);
        }
    }

    #[test]
    fn the_number_of_threads_changes_no_bit() {
        let device = Device::flex();
        device.seed(5);
        let config = SegformerConfig {
            detail_dim: 16,
            pixel_dim: 12,
            attention_window_px: 32,
            ..SegformerConfig::new(Variant::B0, 3, 7, 2)
        };
        let network = FoldedSegformer::fold(Segformer::init(&config, &device).map(&mut Shake));
        let input = Tensor::<4>::random([2, 3, 64, 96], Distribution::Normal(0.0, 1.0), &device);
        let logits = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            let logits = pool.expect("threads").install(|| network.forward(input.clone()));
            let values = logits.main.into_data().try_to_vec::<f32>().expect("f32");
            values.into_iter().map(f32::to_bits).collect::<Vec<_>>()
        };
        // With one thread, the kernels do not share their work at all.
        let alone = logits(1);
        assert!(alone.iter().any(|bits| *bits != alone[0]));
        assert_eq!(logits(3), alone);
    }

    fn check(input_upsampling: usize, detail_dim: usize, pixel_dim: usize, size: [usize; 2]) {
        let device = Device::flex();
        device.seed(3);
        let config = SegformerConfig {
            decoder_dim: 32,
            input_upsampling,
            detail_dim,
            pixel_dim,
            ..SegformerConfig::new(Variant::B0, 3, 7, 2)
        };
        let mut model = Segformer::init(&config, &device).map(&mut Shake);
        let norm = &mut model.decoder.batch_norm;
        norm.running_mean
            .update(Tensor::random([32], Distribution::Normal(0.0, 0.5), &device));
        norm.running_var
            .update(Tensor::random([32], Distribution::Uniform(0.5, 2.0), &device));
        for norm in model
            .detail
            .iter_mut()
            .flat_map(|path| &mut path.convs)
            .map(|conv| &mut conv.norm)
        {
            let shift = Tensor::random([detail_dim], Distribution::Normal(0.0, 0.5), &device);
            norm.running_mean.update(shift);
            let spread = Tensor::random([detail_dim], Distribution::Uniform(0.5, 2.0), &device);
            norm.running_var.update(spread);
        }
        let input = Tensor::random([2, 3, 64, 96], Distribution::Normal(0.0, 1.0), &device);
        let plain = model.forward(input.clone());
        let folded = FoldedSegformer::fold(model).forward(input);
        assert_eq!(folded.main.dims(), [2, 7, size[0], size[1]]);
        let pairs = [
            (plain.main, folded.main),
            (plain.auxiliary.expect("aux"), folded.auxiliary.expect("aux")),
        ];
        for (plain, folded) in pairs {
            let spread = plain.clone().abs().max().into_scalar::<f32>();
            let worst = (plain - folded).abs().max().into_scalar::<f32>();
            assert!(
                worst < 1e-4 && spread > 0.1,
                "largest difference {worst} of logits up to {spread}"
            );
        }
    }
}
