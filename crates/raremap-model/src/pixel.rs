//! The pixel path, which looks at every pixel by itself.

use burn::module::Module;
use burn::nn::Initializer;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::tensor::activation;
use burn::tensor::{Device, Tensor};

use crate::config::SegformerConfig;
use crate::conv_norm::{HE, convolve};
use crate::cpu;
use crate::segformer::DualLogits;
use crate::upsample::upsample_bilinear;

/// Standard deviation of the outputs' first weights: the path starts out weak beside the heads.
const OUTPUT_STD: f64 = 0.05;

/// A network of two layers on each pixel's own bands, told by the decoder where it is: `logits' = up(logits) + O relu(up(C F) + I x + b)`.
///
/// F are the decoder's features and x the normalized input. The heads' logits have a cell per 2 x 2 or 4 x 4 pixels, so an edge can only lie
/// between cells, and a river of one pixel is lost; this path draws edges where the pixels are. It is not part of SegFormer; it follows the idea of
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
    pub fn forward(&self, logits: DualLogits, features: Tensor<4>, input: Tensor<4>) -> DualLogits {
        let [_, _, height, width] = input.dims();
        let size = [height, width];
        let context = convolve(&self.context, features);
        let hidden = sum(context, convolve(&self.input, input), size, true);
        let refined = |logits: Tensor<4>, output: &Conv2d| sum(logits, convolve(output, hidden.clone()), size, false);
        DualLogits {
            main: refined(logits.main, &self.main),
            auxiliary: logits
                .auxiliary
                .zip(self.auxiliary.as_ref())
                .map(|(logits, output)| refined(logits, output)),
            deep: logits.deep,
        }
    }
}

/// `coarse`, upsampled to `size`, plus `fine`; then ReLU, if `relu`.
fn sum(coarse: Tensor<4>, fine: Tensor<4>, size: [usize; 2], relu: bool) -> Tensor<4> {
    if cpu::takes(&coarse) {
        return cpu::upsampled_sum(vec![coarse, fine], size, relu);
    }
    let sum = upsample_bilinear(coarse, size) + fine;
    if relu { activation::relu(sum) } else { sum }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Variant;
    use crate::segformer::Segformer;

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
        let plain = path.forward(logits.clone(), features.clone(), input.clone());
        let pixel = [0..1, 0..5, 10..11, 20..21];
        input = input.slice_assign(pixel, Tensor::full([1, 5, 1, 1], 3.0, &device));
        let other = path.forward(logits, features, input);
        let changed = (plain.main - other.main).abs().max_dim(1).into_data();
        let changed: Vec<_> = changed.iter::<f32>().enumerate().filter(|(_, by)| *by > 0.0).collect();
        assert!(
            matches!(changed[..], [(index, _)] if index == 10 * 32 + 20),
            "{changed:?}"
        );
    }
}
