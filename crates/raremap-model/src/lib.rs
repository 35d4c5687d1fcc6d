//! Segmentation networks with a spatial-aware attention block and a rare-class head, in burn: SegFormer (arXiv:2105.15203) and the
//! convolutional networks that it is compared with.
//!
//! The same forward pass trains, predicts natively and runs in the browser. Nothing here opens a file or chooses a device.

pub mod architecture;
pub mod attention;
pub mod block;
pub mod card;
pub mod config;
pub mod conv;
pub mod decoder;
pub mod deeplab;
pub mod detail;
pub mod drop_path;
pub mod embed;
pub mod encoder;
pub mod error;
pub mod folded;
pub mod keys;
pub mod manet;
pub mod mix_ffn;
pub mod multipath_unet;
pub mod network;
pub mod pspnet;
pub mod quantize;
pub mod segformer;
pub mod unet;
pub mod unet_plus_plus;
pub mod upsample;
pub mod weights;

pub use architecture::Architecture;
pub use card::{Band, BandSource, Card, Class, Training};
pub use config::{SegformerConfig, Variant};
pub use conv::upsampler::Upsampling;
pub use deeplab::DeepLabConfig;
pub use error::WeightsError;
pub use folded::FoldedSegformer;
pub use manet::MaNetConfig;
pub use multipath_unet::MultipathUNetConfig;
pub use network::{InferenceNetwork, Network};
pub use pspnet::PspNetConfig;
pub use segformer::{DualLogits, Segformer};
pub use unet::UNetConfig;
pub use unet_plus_plus::UNetPlusPlusConfig;
pub use weights::{GoldenTile, ModelFile};
