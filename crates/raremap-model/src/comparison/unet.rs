//! U-Nets, with the options that the published methods add (docs/sources.md).

use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use crate::comparison::conv::aspp::Aspp;
use crate::comparison::conv::attention_gate::AttentionGate;
use crate::comparison::conv::double_conv::{DoubleConv, DoubleConvConfig, halve};
use crate::comparison::conv::position_attention::PositionAttention;
use crate::comparison::conv::squeeze_excitation::SqueezeExcitation;
use crate::comparison::conv::upsampler::{Upsampler, Upsampling};
use crate::config::{check_counts, check_ends};
use crate::conv_norm::{convolve, pointwise};
use crate::dual_logits::DualLogits;
use crate::error::ArchitectureError;
use crate::segformer::Heads;

/// Shape of a [`UNet`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UNetConfig {
    /// Channels of the input.
    pub in_channels: usize,
    /// Channels of the main head.
    pub num_classes: usize,
    /// Channels of the auxiliary head, one per rare class; 0 leaves the head and the attention block out.
    pub num_rare: usize,
    /// Channels per level from fine to coarse, 2 to 6 levels; the last is the bottleneck's.
    pub channels: Vec<usize>,
    /// How the decoder doubles a map's size.
    pub upsampling: Upsampling,
    /// Whether every double convolution has a shortcut (arXiv:1512.03385).
    pub residual: bool,
    /// Whether skip connections are gated (arXiv:1804.03999).
    pub attention_gates: bool,
    /// Whether the bottleneck's channels are reweighted (arXiv:1709.01507).
    pub squeeze_excitation: bool,
    /// Dilation rates of pyramid pooling in the bottleneck (arXiv:1706.05587); an empty list leaves it out.
    pub aspp_rates: Vec<usize>,
    /// Whether the bottleneck's cells attend to each other (arXiv:1809.02983); memory grows with the square of their number.
    pub self_attention: bool,
    /// Whether the coarser levels of the decoder have classifiers of their own while training (arXiv:1409.5185).
    pub deep_supervision: bool,
}

/// Largest number of levels: a tile's edge is a multiple of 32 and halves once per level.
const MOST_LEVELS: usize = 6;

/// Checks that a U-Net can have these channels, under the field's name `channels`.
pub(crate) fn check_levels(channels: &[usize]) -> Result<(), ArchitectureError> {
    if !(2..=MOST_LEVELS).contains(&channels.len()) {
        return Err(ArchitectureError::OutOfRange(format!(
            "channels has {} levels; there must be from 2 to {MOST_LEVELS}",
            channels.len()
        )));
    }
    channels
        .iter()
        .try_for_each(|&count| check_counts(&[("channels", count)]))
}

impl UNetConfig {
    /// The published U-Net with squeeze-and-excitation: two down levels, nearest upsampling and a reweighted bottleneck. We chose the
    /// channels; the published description does not state them.
    pub fn squeezed(in_channels: usize, num_classes: usize, num_rare: usize) -> Self {
        Self {
            channels: vec![64, 128, 256],
            upsampling: Upsampling::Nearest,
            squeeze_excitation: true,
            ..Self::new(in_channels, num_classes, num_rare)
        }
    }

    /// The published U-Net of 32-64-128-256-512 channels with transposed convolutions, without options.
    pub fn new(in_channels: usize, num_classes: usize, num_rare: usize) -> Self {
        Self {
            in_channels,
            num_classes,
            num_rare,
            channels: vec![32, 64, 128, 256, 512],
            upsampling: Upsampling::Transposed,
            residual: false,
            attention_gates: false,
            squeeze_excitation: false,
            aspp_rates: Vec::new(),
            self_attention: false,
            deep_supervision: false,
        }
    }

    /// Checks that the network can be built with every number, and names the first one with which it cannot.
    ///
    /// # Errors
    /// The field's name and what it must be.
    pub fn validate(&self) -> Result<(), ArchitectureError> {
        check_ends(self.in_channels, self.num_classes, self.num_rare)?;
        check_levels(&self.channels)?;
        match self.aspp_rates.iter().find(|rate| !(1..=64).contains(*rate)) {
            Some(rate) => Err(ArchitectureError::OutOfRange(format!(
                "aspp_rates has {rate}; each must be from 1 to 64"
            ))),
            None if self.aspp_rates.len() > 8 => {
                Err(ArchitectureError::OutOfRange("aspp_rates has more than 8 rates".into()))
            }
            None => Ok(()),
        }
    }

    /// A network with random weights. The config must be valid ([`UNetConfig::validate`]).
    pub fn init(&self, device: &Device) -> UNet {
        let double = |channels| DoubleConvConfig::new(channels, self.residual).init(device);
        let wide = self.channels.iter().copied();
        let encoder = std::iter::once(self.in_channels).chain(wide.clone()).zip(wide.clone());
        let decoder = wide.clone().zip(wide.clone().skip(1)).map(|(fine, coarse)| {
            let above = self.upsampling.channels([coarse, fine]);
            Expansion {
                upsampler: self.upsampling.init([coarse, fine], device),
                gate: self.attention_gates.then(|| AttentionGate::init(fine, above, device)),
                conv: double([above + fine, fine]),
            }
        });
        let deepest = self.channels[self.channels.len() - 1];
        let coarser = &self.channels[1..self.channels.len() - 1];
        let deep = coarser.iter().filter(|_| self.deep_supervision);
        UNet {
            encoder: encoder.map(|(from, to)| double([from, to])).collect(),
            squeeze_excitation: self
                .squeeze_excitation
                .then(|| SqueezeExcitation::init(deepest, device)),
            self_attention: self.self_attention.then(|| PositionAttention::init(deepest, device)),
            aspp: (!self.aspp_rates.is_empty()).then(|| Aspp::init([deepest, deepest], &self.aspp_rates, device)),
            decoder: decoder.collect(),
            deep: deep
                .map(|&channels| pointwise([channels, self.num_classes], device))
                .collect(),
            heads: Heads::init(self.channels[0], self.num_classes, self.num_rare, device),
        }
    }
}

/// One level of the decoder: upsample, concatenate the skip connection, convolve twice.
#[derive(Module, Debug)]
pub struct Expansion {
    /// Upsamples the next coarser level.
    pub upsampler: Upsampler,
    /// Gates the skip connection.
    pub gate: Option<AttentionGate>,
    /// Reads the upsampled map, then the skip.
    pub conv: DoubleConv,
}

impl Expansion {
    /// # Shapes
    /// - `coarse`: `[batch, coarser channels, h / 2, w / 2]`
    /// - `skip`, output: `[batch, channels, h, w]`
    pub fn forward(&self, coarse: Tensor<4>, skip: Tensor<4>) -> Tensor<4> {
        let map = self.upsampler.forward(coarse);
        let skip = match &self.gate {
            Some(gate) => gate.forward(skip, map.clone()),
            None => skip,
        };
        self.conv.forward(Tensor::cat(vec![map, skip], 1))
    }
}

/// U-Net (arXiv:1505.04597) with "same" padding, batch norm and the options of [`UNetConfig`].
///
/// The published one with squeeze-and-excitation has 1.9 M parameters with 1 band, 5 classes and no rare head; the one of 32 to 512
/// channels has 7.8 M with 3 bands.
#[derive(Module, Debug)]
pub struct UNet {
    /// One per level, from fine to coarse; 2 x 2 maxima between them.
    pub encoder: Vec<DoubleConv>,
    /// First option of the bottleneck.
    pub squeeze_excitation: Option<SqueezeExcitation>,
    /// Second option of the bottleneck.
    pub self_attention: Option<PositionAttention>,
    /// Last option of the bottleneck.
    pub aspp: Option<Aspp>,
    /// One per level except the coarsest, from fine to coarse.
    pub decoder: Vec<Expansion>,
    /// 1 x 1 classifiers of the decoder's levels except the finest, from fine to coarse.
    pub deep: Vec<Conv2d>,
    /// Both heads.
    pub heads: Heads,
}

impl UNet {
    /// # Shapes
    /// - `input`: `[batch, in_channels, h, w]`, normalized, h and w multiples of 32
    /// - output: logits per pixel; with deep supervision, while training, `deep[i]` at `[h / 2^(i+1), w / 2^(i+1)]`
    pub fn forward(&self, input: Tensor<4>) -> DualLogits {
        let training = input.device().is_autodiff();
        let mut skips: Vec<Tensor<4>> = Vec::with_capacity(self.encoder.len());
        for level in &self.encoder {
            let map = skips.last().map_or_else(|| input.clone(), |finer| halve(finer.clone()));
            skips.push(level.forward(map));
        }
        let mut map = skips.pop().expect("a U-Net has two levels or more");
        if let Some(block) = &self.squeeze_excitation {
            map = block.forward(map);
        }
        if let Some(block) = &self.self_attention {
            map = block.forward(map);
        }
        if let Some(block) = &self.aspp {
            map = block.forward(map);
        }
        let mut deep = Vec::new();
        for (level, (expansion, skip)) in self.decoder.iter().zip(skips).enumerate().rev() {
            map = expansion.forward(map, skip);
            if training && let Some(classifier) = level.checked_sub(1).and_then(|index| self.deep.get(index)) {
                deep.insert(0, convolve(classifier, map.clone()));
            }
        }
        DualLogits {
            deep,
            ..self.heads.forward(map)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::comparison::conv::trainable;

    #[test]
    fn the_documents_sizes_have_these_parameters() {
        // 9 (from to + to to) + 4 to per double convolution, 8,464 for squeeze-and-excitation, 325 for the classifier
        let b = UNetConfig::squeezed(1, 5, 0).init(&Device::flex().autodiff());
        assert_eq!(trainable(&b), 1_891_989);
        // the same, and 4 from to + to per transposed convolution
        let d = UNetConfig::new(3, 5, 0).init(&Device::flex().autodiff());
        assert_eq!(trainable(&d), 7_763_173);
    }

    #[test]
    fn every_option_is_in_the_network_and_leaves_the_logits_shape() {
        let device = Device::flex();
        let plain = UNetConfig {
            channels: vec![4, 8, 8],
            ..UNetConfig::new(2, 3, 1)
        };
        let with = |change: &dyn Fn(&mut UNetConfig)| {
            let mut config = plain.clone();
            change(&mut config);
            assert_eq!(config.validate(), Ok(()));
            let network = config.init(&device);
            let logits = network.forward(Tensor::ones([2, 2, 32, 64], &device));
            assert_eq!(logits.main.dims(), [2, 3, 32, 64]);
            assert_eq!(logits.auxiliary.expect("one rare class").dims(), [2, 1, 32, 64]);
            network.num_params()
        };
        let base = with(&|_| ());
        let options: [&dyn Fn(&mut UNetConfig); 7] = [
            &|config| config.residual = true,
            &|config| config.attention_gates = true,
            &|config| config.squeeze_excitation = true,
            &|config| config.aspp_rates = vec![2, 4],
            &|config| config.self_attention = true,
            &|config| config.deep_supervision = true,
            &|config| config.channels = vec![4, 8, 8, 8],
        ];
        for (index, option) in options.iter().enumerate() {
            assert!(with(option) > base, "option {index} adds nothing");
        }
        // no transposed convolutions, but wider inputs of the decoder's blocks
        assert_ne!(with(&|config| config.upsampling = Upsampling::Nearest), base);
    }

    #[test]
    fn deep_logits_are_for_training_alone_from_fine_to_coarse() {
        let config = UNetConfig {
            channels: vec![2, 4, 4, 4],
            deep_supervision: true,
            ..UNetConfig::new(1, 3, 0)
        };
        let sizes = |device: Device| -> Vec<[usize; 4]> {
            let logits = config.init(&device).forward(Tensor::ones([2, 1, 32, 32], &device));
            logits.deep.iter().map(Tensor::dims).collect()
        };
        assert_eq!(sizes(Device::flex().autodiff()), [[2, 3, 16, 16], [2, 3, 8, 8]]);
        assert!(sizes(Device::flex()).is_empty());
    }

    #[test]
    fn impossible_shapes_are_named() {
        let refused = |change: &dyn Fn(&mut UNetConfig)| {
            let mut config = UNetConfig::new(3, 5, 0);
            change(&mut config);
            config.validate().expect_err("refused").to_string()
        };
        assert!(refused(&|config| config.channels = vec![8]).contains("channels"));
        assert!(refused(&|config| config.channels = vec![8; 7]).contains("channels"));
        assert!(refused(&|config| config.channels[2] = 0).contains("channels"));
        assert!(refused(&|config| config.aspp_rates = vec![0]).contains("aspp_rates"));
        assert!(refused(&|config| config.num_rare = 6).contains("num_rare"));
    }
}
