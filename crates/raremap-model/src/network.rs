//! A network of any family, as it is trained and as it runs.

use burn::module::Module;
use burn::tensor::{Device, Tensor};

#[cfg(feature = "comparison")]
use crate::comparison::{
    deeplab::DeepLab, manet::MaNet, multipath_unet::MultipathUNet, pspnet::PspNet, unet::UNet,
    unet_plus_plus::UNetPlusPlus,
};
use crate::dual_logits::DualLogits;
use crate::folded::FoldedSegformer;
use crate::segformer::Segformer;

/// The two enums over the families. The comparison networks run as they are trained; SegFormer is folded first.
macro_rules! networks {
    ($($(#[doc = $doc:literal])+ $variant:ident),+) => {
        /// A network as it is trained: [`Architecture::init`](crate::Architecture::init) makes one.
        #[derive(Module, Debug)]
        #[expect(clippy::large_enum_variant, reason = "there is one network at a time, and a Box is no burn module")]
        pub enum Network {
            /// SegFormer.
            Segformer(Segformer),
            $($(#[doc = $doc])+ #[cfg(feature = "comparison")] $variant($variant),)+
        }

        /// A network as it runs: everything that can be computed once has been.
        #[derive(Clone, Debug)]
        #[expect(clippy::large_enum_variant, reason = "there is one network at a time")]
        #[non_exhaustive]
        pub enum InferenceNetwork {
            /// SegFormer with its decoder folded.
            Segformer(FoldedSegformer),
            $($(#[doc = $doc])+ #[cfg(feature = "comparison")] $variant($variant),)+
        }

        impl Network {
            /// # Shapes
            /// - `input`: `[batch, in_channels, h, w]`, normalized, h and w multiples of 32
            /// - output: logits with a cell per [`Architecture::cell_px`](crate::Architecture::cell_px) pixels
            pub fn forward(&self, input: Tensor<4>) -> DualLogits {
                match self {
                    Self::Segformer(network) => network.forward(input),
                    $(#[cfg(feature = "comparison")] Self::$variant(network) => network.forward(input),)+
                }
            }

            /// The same function, made ready to run. The network must be on a device without autodiff.
            pub fn fold(self) -> InferenceNetwork {
                match self {
                    Self::Segformer(network) => InferenceNetwork::Segformer(FoldedSegformer::fold(network)),
                    $(#[cfg(feature = "comparison")] Self::$variant(network) => InferenceNetwork::$variant(network),)+
                }
            }
        }

        impl InferenceNetwork {
            /// # Shapes
            /// As for [`Network::forward`], without [`DualLogits::deep`].
            pub fn forward(&self, input: Tensor<4>) -> DualLogits {
                match self {
                    Self::Segformer(network) => network.forward(input),
                    $(#[cfg(feature = "comparison")] Self::$variant(network) => network.forward(input),)+
                }
            }

            /// Device that the weights are on.
            pub fn device(&self) -> Device {
                match self {
                    Self::Segformer(network) => network.device(),
                    $(#[cfg(feature = "comparison")] Self::$variant(network) => network.heads.device(),)+
                }
            }
        }
    };
}

networks! {
    /// U-Net.
    UNet,
    /// Multipath U-Net.
    MultipathUNet,
    /// U-Net++.
    UNetPlusPlus,
    /// DeepLabV3+.
    DeepLab,
    /// PSPNet.
    PspNet,
    /// MAnet.
    MaNet
}
