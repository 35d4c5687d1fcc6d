//! The encoder of DeepLabV3+, PSPNet and MAnet.

use burn::module::Module;
use burn::tensor::module::max_pool2d;
use burn::tensor::ops::MaxPoolOptions;
use burn::tensor::{Device, Tensor};

use crate::comparison::conv::double_conv::{DoubleConv, DoubleConvConfig};
use crate::config::check_counts;
use crate::conv_norm::{ConvNorm, ConvNormConfig};
use crate::error::ArchitectureError;

/// Shape of a [`ResNet`].
#[derive(Debug, Clone, PartialEq)]
pub struct ResNetConfig {
    /// Channels of the input.
    pub in_channels: usize,
    /// Channels of the stem and of the first stage; each later stage has twice as many as the one before.
    pub width: usize,
    /// Basic blocks per stage: `[2, 2, 2, 2]` is ResNet-18, `[3, 4, 6, 3]` ResNet-34.
    pub depths: [usize; 4],
    /// Input pixels per cell of the last stage, 8, 16 or 32; below 32, the last stages are dilated instead of strided.
    pub output_stride: usize,
}

impl ResNetConfig {
    /// Channels of the stages.
    pub fn stage_channels(&self) -> [usize; 4] {
        [1, 2, 4, 8].map(|factor| factor * self.width)
    }

    /// Checks that the encoder can be built with every number.
    ///
    /// # Errors
    /// The field's name and what it must be.
    pub fn validate(&self) -> Result<(), ArchitectureError> {
        check_counts(&[("in_channels", self.in_channels)])?;
        if self.width == 0 || self.width > 512 {
            return Err(ArchitectureError::OutOfRange(format!(
                "width is {}; it must be from 1 to 512",
                self.width
            )));
        }
        match self.depths.iter().find(|depth| !(1..=100).contains(*depth)) {
            Some(depth) => Err(ArchitectureError::OutOfRange(format!(
                "depths has {depth}; each must be from 1 to 100"
            ))),
            None => Ok(()),
        }
    }

    /// An encoder with random weights.
    pub fn init(&self, device: &Device) -> ResNet {
        let channels = self.stage_channels();
        let mut from = self.width;
        let (mut stride_px, mut dilation) = (4, 1);
        let stages = channels
            .iter()
            .zip(self.depths)
            .enumerate()
            .map(|(stage, (&to, depth))| {
                let mut stride = 1;
                if stage > 0 && stride_px < self.output_stride {
                    stride = 2;
                    stride_px *= 2;
                } else if stage > 0 {
                    dilation *= 2;
                }
                let blocks = (0..depth).map(|block| {
                    let config = DoubleConvConfig {
                        channels: [if block == 0 { from } else { to }, to],
                        residual: true,
                        stride: if block == 0 { stride } else { 1 },
                        dilation,
                    };
                    config.init(device)
                });
                let blocks = blocks.collect();
                from = to;
                ResNetStage { blocks }
            });
        ResNet {
            stages: stages.collect(),
            stem: ConvNormConfig::new([self.in_channels, self.width], 7)
                .with_stride(2)
                .init(device),
        }
    }
}

/// A residual encoder of basic blocks (arXiv:1512.03385, table 1), dilated towards its end if a finer last stage is needed
/// (arXiv:1706.05587, section 3.1).
#[derive(Module, Debug)]
pub struct ResNet {
    /// 7 x 7, stride 2.
    pub stem: ConvNorm,
    /// The four stages.
    pub stages: Vec<ResNetStage>,
}

/// Blocks of equal width.
#[derive(Module, Debug)]
pub struct ResNetStage {
    /// In order.
    pub blocks: Vec<DoubleConv>,
}

impl ResNet {
    /// The stem's map, then the four stages'.
    ///
    /// # Shapes
    /// - `input`: `[batch, in_channels, h, w]`, multiples of 32
    /// - output 0: `[batch, width, h / 2, w / 2]`
    /// - output `i`: `[batch, 2^(i-1) width, h / s, w / s]`, `s` = min(2^(i+1), output stride)
    pub fn forward(&self, input: Tensor<4>) -> Vec<Tensor<4>> {
        let stem = self.stem.forward_relu(input);
        let mut maps = vec![stem.clone()];
        let mut map = max_pool2d(
            stem,
            MaxPoolOptions::new([3, 3]).with_stride([2, 2]).with_padding([1, 1]),
        );
        for stage in &self.stages {
            map = stage.blocks.iter().fold(map, |map, block| block.forward(map));
            maps.push(map.clone());
        }
        maps
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(output_stride: usize) -> ResNetConfig {
        ResNetConfig {
            in_channels: 3,
            width: 4,
            depths: [2, 2, 2, 2],
            output_stride,
        }
    }

    #[test]
    fn resnet_18_has_the_published_parameters() {
        let full = ResNetConfig {
            width: 64,
            ..config(32)
        };
        let parameters = full.init(&Device::flex()).num_params();
        // 11,689,512 with its classifier of 513,000; burn also counts the running means and variances of 4800 channels.
        assert_eq!(parameters - 2 * 4800, 11_689_512 - 513_000);
    }

    #[test]
    fn dilation_keeps_the_last_stages_fine() {
        for (output_stride, expected) in [(32, [32, 16, 8, 4, 2]), (16, [32, 16, 8, 4, 4]), (8, [32, 16, 8, 8, 8])] {
            let encoder = config(output_stride).init(&Device::flex());
            let maps = encoder.forward(Tensor::ones([1, 3, 64, 64], &Device::flex()));
            let sizes: Vec<[usize; 4]> = maps.iter().map(Tensor::dims).collect();
            for (map, (size, channels)) in sizes.iter().zip(expected.iter().zip([4, 4, 8, 16, 32])) {
                assert_eq!(map, &[1, channels, *size, *size], "output stride {output_stride}");
            }
        }
    }
}
