//! The dual-head network.

use burn::module::Module;
use burn::nn::Initializer;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::tensor::activation::sigmoid;
use burn::tensor::{Device, Tensor};

use crate::config::SegformerConfig;
use crate::conv_norm::{convolve, scale};
use crate::decoder::Decoder;
use crate::detail::DetailPath;
use crate::dual_logits::DualLogits;
use crate::embed::conv;
use crate::encoder::MixTransformer;
use crate::pixel::PixelPath;
use crate::upsample::upsample_bilinear;

/// The two 1 x 1 heads and the attention between them.
///
/// The auxiliary head gives one logit per rare class. Its saliency reweights the decoder features that the main head reads: `S_r =
/// sigmoid(aux_r)`, `S = 1 - prod_r (1 - S_r)`, `F' = F * (1 + S)`. With one rare class this is exactly `S = sigmoid(Conv1x1(F))`; with
/// several, S is the probability of any of them, if they were independent.
#[derive(Module, Debug)]
pub struct Heads {
    /// Main head. Checkpoint name `classifier`.
    pub classifier: Conv2d,
    /// Auxiliary head, which SegFormer does not have.
    pub auxiliary: Option<Conv2d>,
}

/// Logit of a probability of 12%.
const INITIAL_AUXILIARY_LOGIT: f64 = -2.0;

impl Heads {
    /// Makes heads that read `features` channels, without an auxiliary head if `num_rare` is 0.
    pub fn init(features: usize, num_classes: usize, num_rare: usize, device: &Device) -> Self {
        let head = |channels: usize| conv(Conv2dConfig::new([features, channels], [1, 1]), device);
        // Rare classes are rare: starting near "no" keeps the first steps from having to unlearn "maybe everywhere".
        let auxiliary = (num_rare > 0).then(|| {
            let mut auxiliary = head(num_rare);
            let bias = Initializer::Constant {
                value: INITIAL_AUXILIARY_LOGIT,
            };
            auxiliary.bias = Some(bias.init([num_rare], device));
            auxiliary
        });
        Self {
            classifier: head(num_classes),
            auxiliary,
        }
    }

    /// Device that the weights are on.
    pub(crate) fn device(&self) -> Device {
        self.classifier.weight.val().device()
    }

    /// # Shapes
    /// - `features`: `[batch, features, h, w]`, the decoder's output
    /// - output: `[batch, num_classes, h, w]` and `[batch, num_rare, h, w]`
    pub fn forward(&self, features: Tensor<4>) -> DualLogits {
        let Some(head) = &self.auxiliary else {
            return DualLogits {
                main: convolve(&self.classifier, features),
                auxiliary: None,
                deep: Vec::new(),
            };
        };
        let auxiliary = convolve(head, features.clone());
        let attended = scale(features, saliency(auxiliary.clone()).add_scalar(1.0));
        DualLogits {
            main: convolve(&self.classifier, attended),
            auxiliary: Some(auxiliary),
            deep: Vec::new(),
        }
    }
}

/// The probability of any rare class, `1 - prod_r (1 - sigmoid(aux_r))`.
///
/// # Shapes
/// - `auxiliary`: `[batch, num_rare, h, w]` logits
/// - output: `[batch, 1, h, w]`, in 0..1
pub fn saliency(auxiliary: Tensor<4>) -> Tensor<4> {
    let [_, rare, ..] = auxiliary.dims();
    // 1 - sigmoid(x) = sigmoid(-x), which keeps its precision where x is large
    let absent = sigmoid(auxiliary.neg());
    let none = (1..rare).fold(absent.clone().narrow(1, 0, 1), |product, r| {
        product * absent.clone().narrow(1, r, 1)
    });
    none.neg().add_scalar(1.0)
}

/// SegFormer with the spatial-aware attention block and two heads, as it is trained.
#[derive(Module, Debug)]
pub struct Segformer {
    /// Encoder.
    pub encoder: MixTransformer,
    /// Decoder.
    pub decoder: Decoder,
    /// Detail path, if the config has one.
    pub detail: Option<DetailPath>,
    /// Both heads.
    pub heads: Heads,
    /// Pixel path, if the config has one.
    pub pixel: Option<PixelPath>,
    input_upsampling: usize,
}

impl Segformer {
    /// A network with random weights. The config must be valid ([`SegformerConfig::validate`]).
    pub fn init(config: &SegformerConfig, device: &Device) -> Self {
        Self {
            encoder: MixTransformer::init(config, device),
            decoder: Decoder::init(config, device),
            detail: (config.detail_dim > 0).then(|| DetailPath::init(config, device)),
            heads: Heads::init(config.decoder_dim, config.num_classes, config.num_rare, device),
            pixel: (config.pixel_dim > 0).then(|| PixelPath::init(config, device)),
            input_upsampling: config.input_upsampling,
        }
    }

    /// Factor by which the input is upsampled before the first stage.
    pub(crate) const fn input_upsampling(&self) -> usize {
        self.input_upsampling
    }

    /// # Shapes
    /// - `input`: `[batch, in_channels, h, w]`, normalized, h and w multiples of 32
    /// - output: logits with a cell per [`SegformerConfig::cell_px`] pixels
    pub fn forward(&self, input: Tensor<4>) -> DualLogits {
        let [_, _, height, width] = input.dims();
        let input = upsample_bilinear(input, [height * self.input_upsampling, width * self.input_upsampling]);
        let detail = self.detail.as_ref().map(|path| path.forward(input.clone()));
        let features = self.decoder.forward(&self.encoder.forward(input.clone()), detail);
        let logits = self.heads.forward(features.clone());
        match &self.pixel {
            Some(path) => path.forward(logits, features, input, upsample_bilinear),
            None => logits,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Variant;

    #[test]
    fn b0_with_150_classes_has_the_published_parameters() {
        let config = SegformerConfig::new(Variant::B0, 3, 150, 0);
        let model = Segformer::init(&config, &Device::flex());
        // burn counts batch norm's running mean and variance; the published figure does not.
        let running = 2 * config.decoder_dim;
        assert_eq!(model.num_params() - running, 3_752_694);
        assert_eq!(model.decoder.num_params() - running, 394_752);
    }

    #[test]
    fn saliency_is_the_probability_of_any_rare_class() {
        let device = Device::flex();
        // sigmoid(0) = 0.5 twice: 1 - 0.25
        let logits = Tensor::<4>::zeros([1, 2, 1, 1], &device);
        assert_eq!(saliency(logits).into_scalar::<f32>(), 0.75);
        // one class: the sigmoid itself
        let logits = Tensor::<4>::full([1, 1, 1, 1], 1.5, &device);
        let expected = 1.0 / (1.0 + (-1.5f32).exp());
        assert!((saliency(logits).into_scalar::<f32>() - expected).abs() < 1e-6);
    }

    #[test]
    fn saliency_adds_to_the_features_the_main_head_reads() {
        let device = Device::flex();
        let heads = Heads::init(4, 3, 1, &device);
        let features = Tensor::<4>::ones([1, 4, 2, 2], &device);
        let plain = heads.classifier.forward(features.clone());
        let dual = heads.forward(features);
        let weight = saliency(dual.auxiliary.expect("one rare class")).add_scalar(1.0);
        // The bias is zero at first and the head is linear, so F * (1 + S) gives (1 + S) times the logits.
        let difference = (dual.main - plain * weight).abs().max().into_scalar::<f32>();
        assert!(difference < 1e-6, "largest difference {difference}");
    }

    /// The gradients of all parameters, by name, of a loss that every logit has a part in.
    #[cfg(feature = "training")]
    fn gradients(model: &Segformer, device: &Device) -> Vec<burn::tensor::TensorData> {
        use burn::module::{ModuleMapper, ModuleVisitor, Param};
        use burn::optim::GradientsParams;

        /// Puts every parameter on a device with autodiff.
        struct Record<'a>(&'a Device);

        impl ModuleMapper for Record<'_> {
            fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
                param.map(|value| Tensor::from_data(value.into_data(), self.0).require_grad())
            }
        }

        struct All(GradientsParams, Vec<burn::tensor::TensorData>);

        impl ModuleVisitor for All {
            fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
                self.1.extend(self.0.get::<D>(param.id).map(Tensor::into_data));
            }
        }

        let model = model.clone().map(&mut Record(device));
        let input = (0..2 * 3 * 64 * 96)
            .map(|index| (index as f32 * 0.37).sin())
            .collect::<Vec<_>>();
        let input = Tensor::<1>::from_floats(&input[..], device).reshape([2, 3, 64, 96]);
        let logits = model.forward(input);
        let loss = upsample_bilinear(logits.main, [64, 96]).tanh().sum();
        let loss = loss + logits.auxiliary.expect("rare classes").tanh().sum();
        let mut all = All(GradientsParams::from_grads(loss.backward(), &model), Vec::new());
        model.visit(&mut all);
        all.1
    }

    #[cfg(feature = "training")]
    #[test]
    fn the_gradients_are_those_of_burns_operations() {
        for (detail_dim, pixel_dim, attention_window_px) in [(0, 0, 0), (24, 0, 64), (24, 12, 64)] {
            let config = SegformerConfig {
                dims: [8, 16, 40, 64],
                decoder_dim: 32,
                detail_dim,
                pixel_dim,
                attention_window_px,
                dropout: 0.0,
                drop_path: 0.0,
                ..SegformerConfig::new(Variant::B0, 3, 7, 2)
            };
            let device = Device::flex();
            device.seed(5);
            let model = Segformer::init(&config, &device);
            // Weights are drawn when they are first used.
            model.forward(Tensor::ones([1, 3, 32, 32], &device));
            let device = device.autodiff();
            let ours = gradients(&model, &device);
            crate::cpu::WITHOUT_KERNELS.set(true);
            let theirs = gradients(&model, &device);
            crate::cpu::WITHOUT_KERNELS.set(false);
            assert_eq!(ours.len(), theirs.len());
            assert!(ours.len() > 100, "{}", ours.len());
            let largest = |data: &burn::tensor::TensorData| data.iter::<f32>().map(f32::abs).fold(0.0, f32::max);
            let scale = theirs.iter().map(largest).fold(0.0, f32::max);
            for (index, (ours, theirs)) in ours.iter().zip(&theirs).enumerate() {
                assert_eq!(ours.shape(), theirs.shape());
                let pairs = ours.iter::<f32>().zip(theirs.iter::<f32>());
                let difference = pairs.map(|(ours, theirs)| (ours - theirs).abs()).fold(0.0, f32::max);
                // A parameter before a norm has a gradient near 0, which is the difference of large numbers.
                let allowed = 1e-3 * largest(theirs) + 1e-6 * scale;
                assert!(
                    difference <= allowed,
                    "parameter {index}: {difference}, allowed {allowed}"
                );
            }
        }
    }
}
