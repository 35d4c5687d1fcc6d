//! The pixel path, which looks at every pixel by itself.

use burn::module::Module;
use burn::nn::Initializer;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};

use crate::config::SegformerConfig;
use crate::conv_norm::{HE, convolve};
use crate::cpu::{self, PixelLayers};
use crate::dual_logits::DualLogits;

/// Standard deviation of the outputs' first weights: the path starts out weak beside the heads.
const OUTPUT_STD: f64 = 0.05;

/// A network of two layers on each pixel's own bands, told by the decoder where it is: `logits' = up(logits) + O relu(up(C F) + I x + b)`.
///
/// F are the decoder's features and x the normalized input. The heads' logits have a cell per 2 x 2 or 4 x 4 pixels, and are interpolated between them: edges
/// are smooth, and a river of one pixel is lost. This path lets edges follow the pixels. It is not part of SegFormer; it follows the idea of
/// PointRend (arXiv:1912.08193, section 3.2), which also classifies points from coarse and fine features together, but at all pixels.
#[derive(Module, Debug)]
pub struct PixelPath {
    /// C: 1 x 1 from the decoder's channels, no bias.
    pub context: Conv2d,
    /// I and b: 1 x 1 from the input's channels.
    pub input: Conv2d,
    /// O for the classes: 1 x 1, no bias.
    pub main: Conv2d,
    /// O for the rare classes: 1 x 1, no bias.
    pub auxiliary: Option<Conv2d>,
}

impl PixelPath {
    /// A path with random weights. `config.pixel_dim` must be positive.
    pub fn init(config: &SegformerConfig, device: &Device) -> Self {
        let dim = config.pixel_dim;
        let layer = |from: usize, to: usize, initializer: Initializer| {
            Conv2dConfig::new([from, to], [1, 1])
                .with_bias(false)
                .with_initializer(initializer)
                .init(device)
        };
        let output = |channels: usize| {
            let weak = Initializer::Normal {
                mean: 0.0,
                std: OUTPUT_STD,
            };
            layer(dim, channels, weak)
        };
        let mut input = layer(config.in_channels, dim, HE);
        input.bias = Some(Initializer::Zeros.init([dim], device));
        Self {
            context: layer(config.decoder_dim, dim, HE),
            input,
            main: output(config.num_classes),
            auxiliary: (config.num_rare > 0).then(|| output(config.num_rare)),
        }
    }

    /// # Shapes
    /// - `logits`: `[batch, _, h / n, w / n]`, the heads' logits
    /// - `features`: `[batch, decoder_dim, h / n, w / n]`
    /// - `input`: `[batch, in_channels, h, w]`
    /// - output: `[batch, _, h, w]`
    ///
    /// Where there are no kernels of our own, `upsample` resizes maps bilinearly.
    pub fn forward(
        &self,
        logits: DualLogits,
        features: Tensor<4>,
        input: Tensor<4>,
        upsample: impl Fn(Tensor<4>, [usize; 2]) -> Tensor<4>,
    ) -> DualLogits {
        let context = convolve(&self.context, features);
        let heads = std::iter::once(&self.main).chain(&self.auxiliary);
        let both: Vec<_> = std::iter::once(logits.main).chain(logits.auxiliary).collect();
        let refined = match &self.input.bias {
            Some(bias) if cpu::takes(&input) && cpu::takes(&context) => {
                let layers = PixelLayers {
                    input: self.input.weight.val(),
                    bias: bias.val(),
                    outputs: heads.map(|head| head.weight.val()).collect(),
                };
                cpu::refine(both, context, input, &layers)
            }
            _ => {
                let [_, _, height, width] = input.dims();
                let larger = |map: Tensor<4>| upsample(map, [height, width]);
                let hidden = relu(larger(context) + convolve(&self.input, input));
                let pairs = both.into_iter().zip(heads);
                pairs
                    .map(|(logits, head)| larger(logits) + convolve(head, hidden.clone()))
                    .collect()
            }
        };
        let mut refined = refined.into_iter();
        DualLogits {
            main: refined.next().expect("there is a main head"),
            auxiliary: refined.next(),
            deep: logits.deep,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Variant;
    use crate::segformer::Segformer;
    use crate::upsample::upsample_bilinear;

    #[cfg(feature = "training")]
    #[test]
    fn a_line_at_a_time_gives_the_logits_of_whole_maps() {
        let device = Device::flex();
        for (rare, [height, width], cell) in [(2, [64, 96], 2), (0, [8, 12], 4), (1, [2, 2], 2)] {
            let config = SegformerConfig {
                pixel_dim: 11,
                decoder_dim: 20,
                ..SegformerConfig::new(Variant::B0, 5, 7, rare)
            };
            let path = PixelPath::init(&config, &device);
            let random = |channels: usize, cell: usize| {
                let shape = [2, channels, height / cell, width / cell];
                Tensor::<4>::random(shape, burn::tensor::Distribution::Normal(0.0, 1.0), &device)
            };
            let logits = DualLogits {
                main: random(7, cell),
                auxiliary: (rare > 0).then(|| random(rare, cell)),
                deep: Vec::new(),
            };
            let (features, input) = (random(20, cell), random(5, 1));
            let ours = path.forward(logits.clone(), features.clone(), input.clone(), upsample_bilinear);
            // Of tensors of which something is recorded, the path is burn's operations.
            let autodiff = device.clone().autodiff();
            let recorded = |map: Tensor<4>| Tensor::<4>::from_data(map.into_data(), &autodiff);
            let logits = DualLogits {
                main: recorded(logits.main),
                auxiliary: logits.auxiliary.map(recorded),
                deep: Vec::new(),
            };
            let theirs = path.forward(logits, recorded(features), recorded(input), upsample_bilinear);
            let tolerance = burn::tensor::Tolerance::absolute(1e-5);
            ours.main
                .into_data()
                .assert_approx_eq::<f32>(&theirs.main.into_data(), tolerance);
            assert_eq!(
                (ours.auxiliary.is_some(), theirs.auxiliary.is_some()),
                (rare > 0, rare > 0)
            );
            for (ours, theirs) in ours.auxiliary.into_iter().zip(theirs.auxiliary) {
                ours.into_data().assert_approx_eq::<f32>(&theirs.into_data(), tolerance);
            }
        }
    }

    #[test]
    fn the_path_gives_every_pixel_its_logits_from_few_parameters() {
        let config = SegformerConfig {
            detail_dim: 8,
            pixel_dim: 16,
            decoder_dim: 64,
            ..SegformerConfig::new(Variant::B0, 5, 7, 2)
        };
        assert_eq!(config.cell_px(), 1);
        let device = Device::flex();
        let network = Segformer::init(&config, &device);
        let mut input = Tensor::<4>::ones([1, 5, 64, 32], &device);
        let logits = network.forward(input.clone());
        assert_eq!(logits.main.dims(), [1, 7, 64, 32]);
        assert_eq!(logits.auxiliary.as_ref().expect("rare classes").dims(), [1, 2, 64, 32]);
        // context, input and its bias, outputs
        let path = network.pixel.as_ref().expect("a pixel path");
        assert_eq!(path.num_params(), 64 * 16 + 5 * 16 + 16 + 16 * 7 + 16 * 2);
        // One pixel's bands count for it alone, once the features are what they are.
        let features = Tensor::<4>::zeros([1, 64, 32, 16], &device);
        let plain = path.forward(logits.clone(), features.clone(), input.clone(), upsample_bilinear);
        let pixel = [0..1, 0..5, 10..11, 20..21];
        input = input.slice_assign(pixel, Tensor::full([1, 5, 1, 1], 3.0, &device));
        let other = path.forward(logits, features, input, upsample_bilinear);
        let changed = (plain.main - other.main).abs().max_dim(1).into_data();
        let changed: Vec<_> = changed.iter::<f32>().enumerate().filter(|(_, by)| *by > 0.0).collect();
        assert!(
            matches!(changed[..], [(index, _)] if index == 10 * 32 + 20),
            "{changed:?}"
        );
    }
}
