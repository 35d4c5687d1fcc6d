//! MAnet, which SegFormer and the U-Nets are compared with.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use crate::comparison::conv::double_conv::{DoubleConv, DoubleConvConfig};
use crate::comparison::conv::position_attention::PositionAttention;
use crate::comparison::conv::resnet::{ResNet, ResNetConfig};
use crate::comparison::conv::squeeze_excitation::SqueezeExcitation;
use crate::config::{check_counts, check_ends};
use crate::conv_norm::{ConvNorm, ConvNormConfig};
use crate::dual_logits::DualLogits;
use crate::error::ArchitectureError;
use crate::segformer::Heads;
use crate::upsample::upsample_nearest;

/// Shape of a [`MaNet`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MaNetConfig {
    /// Channels of the input.
    pub in_channels: usize,
    /// Channels of the main head.
    pub num_classes: usize,
    /// Channels of the auxiliary head, one per rare class; 0 leaves the head and the attention block out.
    pub num_rare: usize,
    /// Channels of the encoder's first stage; the last has 8 times as many.
    pub width: usize,
    /// Residual blocks per stage of the encoder.
    pub depths: [usize; 4],
    /// Channels of the decoder's levels, from coarse to fine: at 1/16, 1/8, 1/4, 1/2 of the resolution and at the full one.
    pub decoder_channels: [usize; 5],
}

impl MaNetConfig {
    /// On a ResNet-18, with a decoder of 256 to 16 channels.
    pub const fn new(in_channels: usize, num_classes: usize, num_rare: usize) -> Self {
        Self {
            in_channels,
            num_classes,
            num_rare,
            width: 64,
            depths: [2, 2, 2, 2],
            decoder_channels: [256, 128, 64, 32, 16],
        }
    }

    const fn encoder(&self) -> ResNetConfig {
        ResNetConfig {
            in_channels: self.in_channels,
            width: self.width,
            depths: self.depths,
            output_stride: 32,
        }
    }

    /// Checks that the network can be built with every number, and names the first one with which it cannot.
    ///
    /// # Errors
    /// The field's name and what it must be.
    pub fn validate(&self) -> Result<(), ArchitectureError> {
        check_ends(self.in_channels, self.num_classes, self.num_rare)?;
        self.encoder().validate()?;
        check_counts(&self.decoder_channels.map(|count| ("decoder_channels", count)))
    }

    /// A network with random weights. The config must be valid ([`MaNetConfig::validate`]).
    pub fn init(&self, device: &Device) -> MaNet {
        let [first, second, third, deepest] = self.encoder().stage_channels();
        // The stem is the skip connection at half the resolution; there is none at full resolution.
        let skips = [third, second, first, self.width];
        let [.., half, full] = self.decoder_channels;
        let above = std::iter::once(deepest).chain(self.decoder_channels);
        let fusions = above.zip(skips).zip(self.decoder_channels);
        MaNet {
            encoder: self.encoder().init(device),
            position: PositionAttention::init(deepest, device),
            smooth: ConvNormConfig::new([deepest, deepest], 3).init(device),
            fusions: fusions
                .map(|((above, skip), to)| ScaleFusion::init(above, skip, to, device))
                .collect(),
            last: DoubleConvConfig::new([half, full], false).init(device),
            heads: Heads::init(full, self.num_classes, self.num_rare, device),
        }
    }
}

/// Multi-scale fusion attention block: the channels of the coarser map are weighed by what both it and the skip connection show, before the
/// two are joined.
#[derive(Module, Debug)]
pub struct ScaleFusion {
    /// 3 x 3 convolution of the coarser map.
    pub refine: ConvNorm,
    /// 1 x 1, to the skip's channels.
    pub narrow: ConvNorm,
    /// Weights from the coarser map.
    pub coarse_weights: SqueezeExcitation,
    /// Weights from the skip connection.
    pub skip_weights: SqueezeExcitation,
    /// Reads the weighted coarser map, then the skip.
    pub conv: DoubleConv,
}

impl ScaleFusion {
    fn init(above: usize, skip: usize, to: usize, device: &Device) -> Self {
        Self {
            refine: ConvNormConfig::new([above, above], 3).init(device),
            narrow: ConvNormConfig::new([above, skip], 1).init(device),
            coarse_weights: SqueezeExcitation::init(skip, device),
            skip_weights: SqueezeExcitation::init(skip, device),
            conv: DoubleConvConfig::new([2 * skip, to], false).init(device),
        }
    }

    /// # Shapes
    /// - `coarse`: `[batch, above, h / 2, w / 2]`
    /// - `skip`: `[batch, skip, h, w]`
    /// - output: `[batch, to, h, w]`
    fn forward(&self, coarse: Tensor<4>, skip: Tensor<4>) -> Tensor<4> {
        let coarse = self.narrow.forward_relu(self.refine.forward_relu(coarse));
        let weights = self.coarse_weights.weights(coarse.clone()) + self.skip_weights.weights(skip.clone());
        let weighted = upsample_nearest(coarse * weights, 2);
        self.conv.forward(Tensor::cat(vec![weighted, skip], 1))
    }
}

/// MAnet (Multi-scale Attention Net, doi 10.1109/ACCESS.2020.3025372) on a ResNet of basic blocks: a position-wise attention
/// block on the last stage, and a multi-scale fusion attention block per level of the decoder.
///
/// It has 19.6 M parameters with 3 bands, 5 classes and no rare head.
#[derive(Module, Debug)]
pub struct MaNet {
    /// Output stride 32.
    pub encoder: ResNet,
    /// Attention on the last stage.
    pub position: PositionAttention,
    /// 3 x 3 convolution after it.
    pub smooth: ConvNorm,
    /// From coarse to fine.
    pub fusions: Vec<ScaleFusion>,
    /// At full resolution, without a skip connection.
    pub last: DoubleConv,
    /// Both heads.
    pub heads: Heads,
}

impl MaNet {
    /// # Shapes
    /// - `input`: `[batch, in_channels, h, w]`, normalized, h and w multiples of 32
    /// - output: logits per pixel
    pub fn forward(&self, input: Tensor<4>) -> DualLogits {
        let mut maps = self.encoder.forward(input);
        let deepest = maps.pop().expect("the encoder has five maps");
        let attended = self.smooth.forward_relu(self.position.forward(deepest));
        let levels = self.fusions.iter().zip(maps.into_iter().rev());
        let map = levels.fold(attended, |map, (fusion, skip)| fusion.forward(map, skip));
        self.heads.forward(self.last.forward(upsample_nearest(map, 2)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::comparison::conv::trainable;

    #[test]
    fn on_resnet_18_it_has_these_parameters() {
        let network = MaNetConfig::new(3, 5, 0).init(&Device::flex().autodiff());
        assert_eq!(trainable(&network), 19_578_774);
    }

    #[test]
    fn logits_are_per_pixel() {
        let device = Device::flex();
        let config = MaNetConfig {
            width: 4,
            depths: [1, 1, 1, 1],
            decoder_channels: [16, 8, 8, 4, 4],
            ..MaNetConfig::new(5, 3, 2)
        };
        let logits = config.init(&device).forward(Tensor::ones([1, 5, 64, 32], &device));
        assert_eq!(logits.main.dims(), [1, 3, 64, 32]);
        assert_eq!(logits.auxiliary.expect("rare classes").dims(), [1, 2, 64, 32]);
    }

    #[test]
    fn the_skip_connection_weighs_the_coarser_channels() {
        let device = Device::flex();
        let coarse = Tensor::<4>::ones([1, 4, 2, 2], &device);
        // With random weights, the few hidden channels may all be dead; with these that does not happen often.
        let changes = (0..30).map(|_| {
            let fusion = ScaleFusion::init(4, 4, 4, &device);
            let weights = |skip: f32| {
                let skip = Tensor::<4>::full([1, 4, 4, 4], skip, &device);
                fusion.coarse_weights.weights(coarse.clone()) + fusion.skip_weights.weights(skip)
            };
            (weights(3.0) - weights(-3.0)).abs().max().into_scalar::<f32>()
        });
        let changed = changes.filter(|change| *change > 1e-4).count();
        assert!(changed > 3, "{changed} of 30 changed");
    }
}
