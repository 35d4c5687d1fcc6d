#![doc = include_str!("../README.md")]

mod error;
mod golden;
mod packed;
mod tile;

pub use error::TileError;
pub use golden::{GOLDEN_TOLERANCE, GoldenNumbers};
pub use packed::{
    PackedBlock, PackedDetail, PackedLayer, PackedModel, PackedNorm, PackedPixel, PackedSegformer, PackedStage,
};
pub use tile::{TileLogits, TileModel};
