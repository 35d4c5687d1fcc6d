//! DeepLabV3+, which SegFormer and the U-Nets are compared with.

use burn::module::Module;
use burn::nn::{Dropout, DropoutConfig};
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use crate::comparison::conv::aspp::{Aspp, RATES};
use crate::comparison::conv::double_conv::{DoubleConv, DoubleConvConfig};
use crate::comparison::conv::resnet::{ResNet, ResNetConfig};
use crate::config::{check_counts, check_ends, check_rate};
use crate::conv_norm::{ConvNorm, ConvNormConfig, dropout};
use crate::dual_logits::DualLogits;
use crate::error::ArchitectureError;
use crate::segformer::Heads;
use crate::upsample::upsample_bilinear;

/// Shape of a [`DeepLab`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeepLabConfig {
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
    /// Channels of each branch of the pyramid, and of the decoder.
    pub decoder_channels: usize,
    /// Channels that the encoder's first stage is reduced to before it is concatenated.
    pub low_level_channels: usize,
    /// Dropout before the heads.
    pub dropout: f64,
}

impl DeepLabConfig {
    /// Input pixels per cell of the logits.
    pub const CELL_PX: usize = 4;

    /// The paper's decoder on a ResNet-18.
    pub const fn new(in_channels: usize, num_classes: usize, num_rare: usize) -> Self {
        Self {
            in_channels,
            num_classes,
            num_rare,
            width: 64,
            depths: [2, 2, 2, 2],
            decoder_channels: 256,
            low_level_channels: 48,
            dropout: 0.1,
        }
    }

    const fn encoder(&self) -> ResNetConfig {
        ResNetConfig {
            in_channels: self.in_channels,
            width: self.width,
            depths: self.depths,
            output_stride: 16,
        }
    }

    /// Checks that the network can be built with every number, and names the first one with which it cannot.
    ///
    /// # Errors
    /// The field's name and what it must be.
    pub fn validate(&self) -> Result<(), ArchitectureError> {
        check_ends(self.in_channels, self.num_classes, self.num_rare)?;
        self.encoder().validate()?;
        check_rate("dropout", self.dropout)?;
        check_counts(&[
            ("decoder_channels", self.decoder_channels),
            ("low_level_channels", self.low_level_channels),
        ])
    }

    /// A network with random weights. The config must be valid ([`DeepLabConfig::validate`]).
    pub fn init(&self, device: &Device) -> DeepLab {
        let [low, .., deepest] = self.encoder().stage_channels();
        let wide = self.decoder_channels;
        DeepLab {
            encoder: self.encoder().init(device),
            aspp: Aspp::init([deepest, wide], &RATES, device),
            low_level: ConvNormConfig::new([low, self.low_level_channels], 1).init(device),
            decoder: DoubleConvConfig::new([wide + self.low_level_channels, wide], false).init(device),
            dropout: DropoutConfig::new(self.dropout).init(),
            heads: Heads::init(wide, self.num_classes, self.num_rare, device),
        }
    }
}

/// DeepLabV3+ (arXiv:1802.02611) on a ResNet of basic blocks with output stride 16: atrous spatial pyramid pooling, upsampled by 4 and
/// refined together with the encoder's first stage by two 3 x 3 convolutions. Its convolutions are dense, as in the paper's ResNet
/// variants; the separable ones belong to its Xception.
///
/// It has 16.6 M parameters with 3 bands, 5 classes and no rare head. Logits have a cell per 4 x 4 pixels, as in the paper before its last
/// upsampling.
#[derive(Module, Debug)]
pub struct DeepLab {
    /// Output stride 16.
    pub encoder: ResNet,
    /// Pyramid pooling of the last stage.
    pub aspp: Aspp,
    /// 1 x 1 convolution of the first stage.
    pub low_level: ConvNorm,
    /// Reads the pyramid, then the first stage.
    pub decoder: DoubleConv,
    dropout: Dropout,
    /// Both heads.
    pub heads: Heads,
}

impl DeepLab {
    /// # Shapes
    /// - `input`: `[batch, in_channels, h, w]`, normalized, h and w multiples of 32
    /// - output: logits with a cell per 4 x 4 pixels
    pub fn forward(&self, input: Tensor<4>) -> DualLogits {
        let maps = self.encoder.forward(input);
        let low = self.low_level.forward_relu(maps[1].clone());
        let [_, _, height, width] = low.dims();
        let pyramid = upsample_bilinear(self.aspp.forward(maps[4].clone()), [height, width]);
        let map = self.decoder.forward(Tensor::cat(vec![pyramid, low], 1));
        self.heads.forward(dropout(&self.dropout, map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::comparison::conv::trainable;

    #[test]
    fn on_resnet_18_it_has_these_parameters() {
        let network = DeepLabConfig::new(3, 5, 0).init(&Device::flex().autodiff());
        assert_eq!(trainable(&network), 16_604_069);
    }

    #[test]
    fn a_cell_covers_four_by_four_pixels() {
        let device = Device::flex();
        let config = DeepLabConfig {
            width: 4,
            depths: [1, 1, 1, 1],
            decoder_channels: 8,
            low_level_channels: 4,
            ..DeepLabConfig::new(5, 3, 2)
        };
        let logits = config.init(&device).forward(Tensor::ones([1, 5, 64, 32], &device));
        assert_eq!(logits.main.dims(), [1, 3, 16, 8]);
        assert_eq!(logits.auxiliary.expect("rare classes").dims(), [1, 2, 16, 8]);
    }
}
