//! The multipath U-Net (docs/sources.md).

use burn::module::Module;
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use crate::comparison::conv::double_conv::{DoubleConv, DoubleConvConfig, halve};
use crate::comparison::conv::global_context::GlobalContext;
use crate::comparison::conv::squeeze_excitation::SqueezeExcitation;
use crate::comparison::conv::upsampler::Upsampling;
use crate::comparison::unet::{Expansion, check_levels};
use crate::config::check_ends;
use crate::conv_norm::{ConvNorm, ConvNormConfig};
use crate::dual_logits::DualLogits;
use crate::error::ArchitectureError;
use crate::segformer::Heads;

/// Shape of a [`MultipathUNet`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MultipathUNetConfig {
    /// Channels of the input.
    pub in_channels: usize,
    /// Channels of the main head.
    pub num_classes: usize,
    /// Channels of the auxiliary head, one per rare class; 0 leaves the head and the attention block out.
    pub num_rare: usize,
    /// Channels per level of each path, and of the decoder, from fine to coarse, 2 to 6 levels.
    pub channels: Vec<usize>,
    /// How the decoder doubles a map's size.
    pub upsampling: Upsampling,
}

/// Dilations of the multiscale path's parallel convolutions.
const DILATIONS: [usize; 3] = [1, 2, 4];
/// Plain, residual, global context, multiscale.
const PATHS: usize = 4;

impl MultipathUNetConfig {
    /// Four levels from 32 channels. We chose these; the published description does not state them.
    pub fn new(in_channels: usize, num_classes: usize, num_rare: usize) -> Self {
        Self {
            in_channels,
            num_classes,
            num_rare,
            channels: vec![32, 64, 128, 256],
            upsampling: Upsampling::Transposed,
        }
    }

    /// Checks that the network can be built with every number, and names the first one with which it cannot.
    ///
    /// # Errors
    /// The field's name and what it must be.
    pub fn validate(&self) -> Result<(), ArchitectureError> {
        check_ends(self.in_channels, self.num_classes, self.num_rare)?;
        check_levels(&self.channels)
    }

    /// A network with random weights. The config must be valid ([`MultipathUNetConfig::validate`]).
    pub fn init(&self, device: &Device) -> MultipathUNet {
        let wide = self.channels.iter().copied();
        let encoder = std::iter::once(self.in_channels).chain(wide.clone()).zip(wide.clone());
        let deepest = self.channels[self.channels.len() - 1];
        let decoder = wide.clone().zip(wide.clone().skip(1)).map(|(fine, coarse)| {
            let above = self.upsampling.channels([coarse, fine]);
            Expansion {
                upsampler: self.upsampling.init([coarse, fine], device),
                gate: None,
                conv: DoubleConvConfig::new([above + PATHS * fine, fine], false).init(device),
            }
        });
        MultipathUNet {
            encoder: encoder.map(|(from, to)| PathLevel::init([from, to], device)).collect(),
            squeeze_excitation: SqueezeExcitation::init(PATHS * deepest, device),
            fuse: ConvNormConfig::new([PATHS * deepest, deepest], 1).init(device),
            decoder: decoder.collect(),
            heads: Heads::init(self.channels[0], self.num_classes, self.num_rare, device),
        }
    }
}

/// Parallel 3 x 3 convolutions at several dilations, fused by a 1 x 1 convolution.
#[derive(Module, Debug)]
pub struct MultiscaleConv {
    /// One per dilation.
    pub branches: Vec<ConvNorm>,
    /// 1 x 1 convolution of all branches.
    pub fuse: ConvNorm,
}

impl MultiscaleConv {
    fn init([from, to]: [usize; 2], device: &Device) -> Self {
        let branch = |&dilation: &usize| ConvNormConfig::new([from, to], 3).with_dilation(dilation).init(device);
        Self {
            branches: DILATIONS.iter().map(branch).collect(),
            fuse: ConvNormConfig::new([DILATIONS.len() * to, to], 1).init(device),
        }
    }

    fn forward(&self, map: Tensor<4>) -> Tensor<4> {
        let parts = self.branches.iter().map(|branch| branch.forward_relu(map.clone()));
        self.fuse.forward_relu(Tensor::cat(parts.collect(), 1))
    }
}

/// One level of all four encoder paths.
#[derive(Module, Debug)]
pub struct PathLevel {
    /// Two convolutions.
    pub plain: DoubleConv,
    /// Two convolutions and a shortcut.
    pub residual: DoubleConv,
    /// Two convolutions, then global context.
    pub contextual: DoubleConv,
    /// Global context of the contextual path.
    pub context: GlobalContext,
    /// Dilated convolutions.
    pub multiscale: MultiscaleConv,
}

impl PathLevel {
    fn init(channels: [usize; 2], device: &Device) -> Self {
        let double = |residual| DoubleConvConfig::new(channels, residual).init(device);
        Self {
            plain: double(false),
            residual: double(true),
            contextual: double(false),
            context: GlobalContext::init(channels[1], device),
            multiscale: MultiscaleConv::init(channels, device),
        }
    }

    /// Each path reads its own map.
    fn forward(&self, [plain, residual, contextual, multiscale]: [Tensor<4>; PATHS]) -> [Tensor<4>; PATHS] {
        [
            self.plain.forward(plain),
            self.residual.forward(residual),
            relu(self.context.forward(self.contextual.forward(contextual))),
            self.multiscale.forward(multiscale),
        ]
    }
}

/// A U-Net with four encoders side by side: plain, residual, global context (arXiv:1904.11492) and dilated multiscale. They meet at the
/// bottleneck, where squeeze-and-excitation (arXiv:1709.01507) weighs them against each other; the decoder reads the skip connections of
/// all four. It has batch norm throughout.
///
/// It has 6.7 M parameters with 1 band, 5 classes and no rare head.
#[derive(Module, Debug)]
pub struct MultipathUNet {
    /// One per level, from fine to coarse; 2 x 2 maxima between them.
    pub encoder: Vec<PathLevel>,
    /// Weighs the four paths' coarsest maps.
    pub squeeze_excitation: SqueezeExcitation,
    /// 1 x 1 convolution to one path's channels.
    pub fuse: ConvNorm,
    /// One per level except the coarsest, from fine to coarse.
    pub decoder: Vec<Expansion>,
    /// Both heads.
    pub heads: Heads,
}

impl MultipathUNet {
    /// # Shapes
    /// - `input`: `[batch, in_channels, h, w]`, normalized, h and w multiples of 32
    /// - output: logits per pixel
    pub fn forward(&self, input: Tensor<4>) -> DualLogits {
        let mut paths = [(); PATHS].map(|()| input.clone());
        let mut skips: Vec<Tensor<4>> = Vec::with_capacity(self.encoder.len());
        for (level, convs) in self.encoder.iter().enumerate() {
            if level > 0 {
                paths = paths.map(halve);
            }
            paths = convs.forward(paths);
            skips.push(Tensor::cat(paths.to_vec(), 1));
        }
        let joint = skips.pop().expect("a U-Net has two levels or more");
        let bottleneck = self.fuse.forward_relu(self.squeeze_excitation.forward(joint));
        let levels = self.decoder.iter().zip(skips).rev();
        let map = levels.fold(bottleneck, |map, (expansion, skip)| expansion.forward(map, skip));
        self.heads.forward(map)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::comparison::conv::trainable;

    #[test]
    fn the_default_has_these_parameters() {
        let network = MultipathUNetConfig::new(1, 5, 0).init(&Device::flex().autodiff());
        assert_eq!(trainable(&network), 6_730_243);
    }

    #[test]
    fn all_four_paths_reach_the_logits() {
        let device = Device::flex();
        let config = MultipathUNetConfig {
            channels: vec![4, 8],
            ..MultipathUNetConfig::new(2, 3, 1)
        };
        let network = config.init(&device);
        let input = Tensor::<4>::random([1, 2, 32, 32], burn::tensor::Distribution::Normal(0.0, 1.0), &device);
        let whole = network.forward(input.clone());
        assert_eq!(whole.main.dims(), [1, 3, 32, 32]);
        let silences: [fn(&mut PathLevel); PATHS] = [
            |level| silence(&mut level.plain.second),
            |level| silence(&mut level.residual.first),
            |level| silence(&mut level.contextual.second),
            |level| silence(&mut level.multiscale.fuse),
        ];
        for (path, quiet) in silences.iter().enumerate() {
            let mut altered = network.clone();
            altered.encoder.iter_mut().for_each(quiet);
            let change = (altered.forward(input.clone()).main - whole.main.clone())
                .abs()
                .max()
                .into_scalar::<f32>();
            assert!(change > 1e-6, "path {path} changes the logits by {change}");
        }
    }

    fn silence(layer: &mut ConvNorm) {
        layer.norm.gamma = layer.norm.gamma.clone().map(|gamma| gamma.zeros_like());
    }
}
