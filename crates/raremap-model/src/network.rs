//! A network of any family, as it is trained and as it runs.

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use crate::deeplab::DeepLab;
use crate::folded::FoldedSegformer;
use crate::manet::MaNet;
use crate::multipath_unet::MultipathUNet;
use crate::pspnet::PspNet;
use crate::segformer::{DualLogits, Segformer};
use crate::unet::UNet;
use crate::unet_plus_plus::UNetPlusPlus;

/// A network as it is trained: [`Architecture::init`](crate::Architecture::init) makes one.
#[derive(Module, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "there is one network at a time, and a Box is no burn module"
)]
pub enum Network {
    /// SegFormer.
    Segformer(Segformer),
    /// U-Net.
    UNet(UNet),
    /// Multipath U-Net.
    MultipathUNet(MultipathUNet),
    /// U-Net++.
    UNetPlusPlus(UNetPlusPlus),
    /// DeepLabV3+.
    DeepLab(DeepLab),
    /// PSPNet.
    PspNet(PspNet),
    /// MAnet.
    MaNet(MaNet),
}

impl Network {
    /// # Shapes
    /// - `input`: `[batch, in_channels, h, w]`, normalized, h and w multiples of 32
    /// - output: logits with a cell per [`Architecture::cell_px`](crate::Architecture::cell_px) pixels
    pub fn forward(&self, input: Tensor<4>) -> DualLogits {
        match self {
            Self::Segformer(network) => network.forward(input),
            Self::UNet(network) => network.forward(input),
            Self::MultipathUNet(network) => network.forward(input),
            Self::UNetPlusPlus(network) => network.forward(input),
            Self::DeepLab(network) => network.forward(input),
            Self::PspNet(network) => network.forward(input),
            Self::MaNet(network) => network.forward(input),
        }
    }

    /// The same function, made ready to run. The network must be on a device without autodiff.
    pub fn fold(self) -> InferenceNetwork {
        match self {
            Self::Segformer(network) => InferenceNetwork::Segformer(FoldedSegformer::fold(network)),
            Self::UNet(network) => InferenceNetwork::UNet(network),
            Self::MultipathUNet(network) => InferenceNetwork::MultipathUNet(network),
            Self::UNetPlusPlus(network) => InferenceNetwork::UNetPlusPlus(network),
            Self::DeepLab(network) => InferenceNetwork::DeepLab(network),
            Self::PspNet(network) => InferenceNetwork::PspNet(network),
            Self::MaNet(network) => InferenceNetwork::MaNet(network),
        }
    }
}

/// A network as it runs: everything that can be computed once has been.
#[derive(Module, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "there is one network at a time, and a Box is no burn module"
)]
pub enum InferenceNetwork {
    /// SegFormer with its decoder folded.
    Segformer(FoldedSegformer),
    /// U-Net.
    UNet(UNet),
    /// Multipath U-Net.
    MultipathUNet(MultipathUNet),
    /// U-Net++.
    UNetPlusPlus(UNetPlusPlus),
    /// DeepLabV3+.
    DeepLab(DeepLab),
    /// PSPNet.
    PspNet(PspNet),
    /// MAnet.
    MaNet(MaNet),
}

impl InferenceNetwork {
    /// # Shapes
    /// As for [`Network::forward`], without [`DualLogits::deep`].
    pub fn forward(&self, input: Tensor<4>) -> DualLogits {
        match self {
            Self::Segformer(network) => network.forward(input),
            Self::UNet(network) => network.forward(input),
            Self::MultipathUNet(network) => network.forward(input),
            Self::UNetPlusPlus(network) => network.forward(input),
            Self::DeepLab(network) => network.forward(input),
            Self::PspNet(network) => network.forward(input),
            Self::MaNet(network) => network.forward(input),
        }
    }

    /// Device that the weights are on.
    pub fn device(&self) -> Device {
        match self {
            Self::Segformer(network) => network.device(),
            Self::UNet(network) => network.heads.device(),
            Self::MultipathUNet(network) => network.heads.device(),
            Self::UNetPlusPlus(network) => network.heads.device(),
            Self::DeepLab(network) => network.heads.device(),
            Self::PspNet(network) => network.heads.device(),
            Self::MaNet(network) => network.heads.device(),
        }
    }
}
