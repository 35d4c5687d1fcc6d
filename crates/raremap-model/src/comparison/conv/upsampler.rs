//! Doubles a map's size on the way up.

use burn::module::Module;
use burn::nn::Initializer;
use burn::nn::conv::{ConvTranspose2d, ConvTranspose2dConfig};
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use crate::upsample::upsample_nearest;

/// How a U-Net's decoder doubles the size of a map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Upsampling {
    /// Each cell becomes 2 x 2 equal ones; the number of channels stays.
    Nearest,
    /// A transposed convolution of kernel and stride 2, which also changes the channels (arXiv:1505.04597's "up-convolution").
    Transposed,
}

impl Upsampling {
    /// Channels after upsampling a map of `from` channels, if `to` are wanted.
    pub const fn channels(self, [from, to]: [usize; 2]) -> usize {
        match self {
            Self::Nearest => from,
            Self::Transposed => to,
        }
    }

    /// An upsampler with random weights.
    pub fn init(self, [from, to]: [usize; 2], device: &Device) -> Upsampler {
        let transposed = || {
            // Kernel and stride are equal, so an output cell is a sum over the input's channels and nothing else.
            let normal = Initializer::Normal {
                mean: 0.0,
                std: (1.0 / from as f64).sqrt(),
            };
            let mut layer = ConvTranspose2dConfig::new([from, to], [2, 2])
                .with_stride([2, 2])
                .with_initializer(normal)
                .init(device);
            layer.bias = Some(Initializer::Zeros.init([to], device));
            layer
        };
        Upsampler {
            transposed: (self == Self::Transposed).then(transposed),
        }
    }
}

/// Doubles height and width.
#[derive(Module, Debug)]
pub struct Upsampler {
    /// Absent for nearest upsampling.
    pub transposed: Option<ConvTranspose2d>,
}

impl Upsampler {
    /// # Shapes
    /// - `map`: `[batch, from, h, w]`
    /// - output: `[batch, from or to, 2 h, 2 w]`
    pub fn forward(&self, map: Tensor<4>) -> Tensor<4> {
        match &self.transposed {
            Some(layer) => layer.forward(map),
            None => upsample_nearest(map, 2),
        }
    }
}
