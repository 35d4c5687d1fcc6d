//! A network of any family, as it is trained and as it runs.

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use crate::folded::FoldedSegformer;
use crate::segformer::{DualLogits, Segformer};

/// A network as it is trained: [`Architecture::init`](crate::Architecture::init) makes one.
#[derive(Module, Debug)]
pub enum Network {
    /// SegFormer with its dual head.
    Segformer(Segformer),
}

impl Network {
    /// # Shapes
    /// - `input`: `[batch, in_channels, h, w]`, normalized, h and w multiples of 32
    /// - output: logits with a cell per [`Architecture::cell_px`](crate::Architecture::cell_px) pixels
    pub fn forward(&self, input: Tensor<4>) -> DualLogits {
        match self {
            Self::Segformer(network) => network.forward(input),
        }
    }

    /// The same function, made ready to run. The network must be on a device without autodiff.
    pub fn fold(self) -> InferenceNetwork {
        match self {
            Self::Segformer(network) => InferenceNetwork::Segformer(FoldedSegformer::fold(network)),
        }
    }
}

/// A network as it runs: what can be computed once, is.
#[derive(Module, Debug)]
pub enum InferenceNetwork {
    /// SegFormer with its decoder folded.
    Segformer(FoldedSegformer),
}

impl InferenceNetwork {
    /// # Shapes
    /// As [`Network::forward`]; without [`DualLogits::deep`].
    pub fn forward(&self, input: Tensor<4>) -> DualLogits {
        match self {
            Self::Segformer(network) => network.forward(input),
        }
    }

    /// Device that the weights are on.
    pub fn device(&self) -> Device {
        match self {
            Self::Segformer(network) => network.device(),
        }
    }
}
