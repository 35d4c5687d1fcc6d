//! U-Net++.

use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use crate::comparison::conv::double_conv::{DoubleConv, DoubleConvConfig, halve};
use crate::comparison::conv::upsampler::{Upsampler, Upsampling};
use crate::comparison::unet::check_levels;
use crate::config::check_ends;
use crate::conv_norm::{convolve, pointwise};
use crate::dual_logits::DualLogits;
use crate::error::ArchitectureError;
use crate::segformer::Heads;

/// Shape of a [`UNetPlusPlus`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UNetPlusPlusConfig {
    /// Channels of the input.
    pub in_channels: usize,
    /// Channels of the main head.
    pub num_classes: usize,
    /// Channels of the auxiliary head, one per rare class; 0 leaves the head and the attention block out.
    pub num_rare: usize,
    /// Channels per level from fine to coarse, 2 to 6 levels.
    pub channels: Vec<usize>,
    /// How a map's size is doubled.
    pub upsampling: Upsampling,
    /// Whether the shallower full-resolution nodes have classifiers of their own while training.
    pub deep_supervision: bool,
}

impl UNetPlusPlusConfig {
    /// The paper's channels, 32-64-128-256-512, and transposed convolutions.
    pub fn new(in_channels: usize, num_classes: usize, num_rare: usize) -> Self {
        Self {
            in_channels,
            num_classes,
            num_rare,
            channels: vec![32, 64, 128, 256, 512],
            upsampling: Upsampling::Transposed,
            deep_supervision: false,
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

    /// A network with random weights. The config must be valid ([`UNetPlusPlusConfig::validate`]).
    pub fn init(&self, device: &Device) -> UNetPlusPlus {
        let double = |channels| DoubleConvConfig::new(channels, false).init(device);
        let wide = self.channels.iter().copied();
        let encoder = std::iter::once(self.in_channels).chain(wide.clone()).zip(wide.clone());
        let finest = self.channels.len() - 1;
        let columns = (1..=finest).map(|column| {
            let nodes = (0..=finest - column).map(|level| {
                let (fine, coarse) = (self.channels[level], self.channels[level + 1]);
                let above = self.upsampling.channels([coarse, fine]);
                DenseNode {
                    upsampler: self.upsampling.init([coarse, fine], device),
                    conv: double([column * fine + above, fine]),
                }
            });
            Column { nodes: nodes.collect() }
        });
        let classifier = || pointwise([self.channels[0], self.num_classes], device);
        UNetPlusPlus {
            encoder: encoder.map(|(from, to)| double([from, to])).collect(),
            columns: columns.collect(),
            deep: (1..finest)
                .filter(|_| self.deep_supervision)
                .map(|_| classifier())
                .collect(),
            heads: Heads::init(self.channels[0], self.num_classes, self.num_rare, device),
        }
    }
}

/// Node `X(i, j)` of the grid, `j` at least 1.
#[derive(Module, Debug)]
pub struct DenseNode {
    /// Upsamples `X(i + 1, j - 1)`.
    pub upsampler: Upsampler,
    /// Reads `X(i, 0)` to `X(i, j - 1)`, then the upsampled map.
    pub conv: DoubleConv,
}

/// Nodes of equal `j`, from fine to coarse.
#[derive(Module, Debug)]
pub struct Column {
    /// One fewer in each column.
    pub nodes: Vec<DenseNode>,
}

/// U-Net++ (arXiv:1807.10165), with batch norm: the skip connections of a U-Net are filled with nodes, each of which reads all its
/// predecessors on its level and the upsampled one below.
///
/// It has 9.0 M parameters for one band and one class, as in the paper's table 3.
#[derive(Module, Debug)]
pub struct UNetPlusPlus {
    /// `X(i, 0)`, from fine to coarse; 2 x 2 maxima between them.
    pub encoder: Vec<DoubleConv>,
    /// Columns from `j` = 1.
    pub columns: Vec<Column>,
    /// 1 x 1 classifiers of `X(0, 1)` and on, except the last.
    pub deep: Vec<Conv2d>,
    /// Both heads, of the last `X(0, j)`.
    pub heads: Heads,
}

impl UNetPlusPlus {
    /// # Shapes
    /// - `input`: `[batch, in_channels, h, w]`, normalized, h and w multiples of 32
    /// - output: logits per pixel; with deep supervision, while training, `deep` has those of the shallower nodes, deepest first,
    ///   at full resolution as well
    pub fn forward(&self, input: Tensor<4>) -> DualLogits {
        let training = input.device().is_autodiff();
        // levels[i] holds X(i, 0) and on
        let mut levels: Vec<Vec<Tensor<4>>> = Vec::with_capacity(self.encoder.len());
        for conv in &self.encoder {
            let map = levels
                .last()
                .map_or_else(|| input.clone(), |finer| halve(finer[0].clone()));
            levels.push(vec![conv.forward(map)]);
        }
        for (index, column) in self.columns.iter().enumerate() {
            for (level, node) in column.nodes.iter().enumerate() {
                let above = node.upsampler.forward(levels[level + 1][index].clone());
                let mut parts = levels[level].clone();
                parts.push(above);
                let map = node.conv.forward(Tensor::cat(parts, 1));
                levels[level].push(map);
            }
        }
        let finest = &levels[0];
        let shallower = self.deep.iter().zip(&finest[1..]).filter(|_| training).rev();
        let deep = shallower
            .map(|(classifier, map)| convolve(classifier, map.clone()))
            .collect();
        DualLogits {
            deep,
            ..self.heads.forward(finest[finest.len() - 1].clone())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::comparison::conv::trainable;

    #[test]
    fn the_papers_grid_has_the_papers_parameters() {
        let config = UNetPlusPlusConfig::new(1, 1, 0);
        let parameters = trainable(&config.init(&Device::flex().autodiff()));
        // The paper's convolutions have a bias where ours have batch norm's two parameters: 9.04 M in its table 3.
        let per_level = [(32, 5), (64, 4), (128, 3), (256, 2), (512, 1)];
        let norm_channels: usize = per_level.iter().map(|(channels, nodes)| 2 * channels * nodes).sum();
        assert_eq!(parameters - norm_channels, 9_041_601);
        let of_e = UNetPlusPlusConfig::new(4, 2, 0).init(&Device::flex().autodiff());
        assert_eq!(trainable(&of_e), 9_046_146);
    }

    #[test]
    fn deep_logits_are_for_training_alone_and_at_full_resolution() {
        let config = UNetPlusPlusConfig {
            channels: vec![2, 4, 4, 4],
            deep_supervision: true,
            ..UNetPlusPlusConfig::new(4, 3, 2)
        };
        for (device, expected) in [(Device::flex().autodiff(), 2), (Device::flex(), 0)] {
            let logits = config.init(&device).forward(Tensor::ones([2, 4, 32, 64], &device));
            assert_eq!(logits.main.dims(), [2, 3, 32, 64]);
            assert_eq!(logits.auxiliary.expect("rare classes").dims(), [2, 2, 32, 64]);
            assert_eq!(logits.deep.len(), expected);
            assert!(logits.deep.iter().all(|deep| deep.dims() == [2, 3, 32, 64]));
        }
    }

    #[test]
    fn nearest_upsampling_fits_as_well() {
        let config = UNetPlusPlusConfig {
            channels: vec![2, 4, 8],
            upsampling: Upsampling::Nearest,
            ..UNetPlusPlusConfig::new(1, 3, 0)
        };
        let logits = config
            .init(&Device::flex())
            .forward(Tensor::ones([1, 1, 32, 32], &Device::flex()));
        assert_eq!(logits.main.dims(), [1, 3, 32, 32]);
    }
}
