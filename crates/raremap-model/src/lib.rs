#![doc = include_str!("../README.md")]
#![cfg_attr(
    not(feature = "comparison"),
    allow(dead_code, reason = "some blocks serve the comparison networks alone")
)]

mod architecture;
mod attention;
mod block;
mod card;
#[cfg(feature = "comparison")]
mod comparison;
mod config;
mod conv_norm;
mod cpu;
mod decoder;
mod detail;
mod drop_path;
mod dual_logits;
mod embed;
mod encoder;
mod error;
mod folded;
mod golden;
mod keys;
mod layer_norm;
mod mix_ffn;
mod network;
mod packing;
mod pixel;
mod quantize;
mod segformer;
mod tile;
mod upsample;
mod weights;

pub use architecture::{Architecture, FAMILIES};
pub use card::{Band, BandSource, Card, Class, SceneTrait, Training};
#[cfg(feature = "comparison")]
pub use comparison::{
    conv::upsampler::Upsampling,
    deeplab::{DeepLab, DeepLabConfig},
    manet::{MaNet, MaNetConfig},
    multipath_unet::{MultipathUNet, MultipathUNetConfig},
    pspnet::{PspNet, PspNetConfig},
    unet::{UNet, UNetConfig},
    unet_plus_plus::{UNetPlusPlus, UNetPlusPlusConfig},
};
pub use config::{SIZE_MULTIPLE, SegformerConfig, Variant};
pub use dual_logits::DualLogits;
pub use error::{ArchitectureError, WeightsError};
pub use folded::FoldedSegformer;
pub use golden::check_golden;
pub use keys::{from_hugging_face, load_hugging_face};
pub use network::{InferenceNetwork, Network};
pub use quantize::{Storage, reads_image, storage_of};
pub use raremap_tile::{GOLDEN_TOLERANCE, PackedModel, TileError, TileLogits, TileModel};
pub use segformer::Segformer;
pub use tile::BurnTileModel;
pub use upsample::upsample_bilinear;
pub use weights::{FORMATS, GoldenTile, MAX_HEADER_BYTES, ModelFile, apply_parameters, parameters_of, read_card};
