//! How a run is started, and what is decided after each tile.

use raremap_infer::{InferError, Tiling, card_for_bands};
use raremap_model::Card;
use serde::{Deserialize, Serialize};
use tsify::Tsify;

use super::LayerRequest;

/// How to run.
#[derive(Debug, Deserialize, Tsify)]
#[tsify(missing_as_null)]
pub struct RunOptions {
    /// The scene's band, from 0, for each of the model's; null for an optional one that the scene does not have.
    pub bands: Vec<Option<usize>>,
    /// Edge of a tile in pixels, a multiple of 32; the card's if absent.
    #[serde(default)]
    pub tile: Option<usize>,
    /// Whether to run at the model's resolution.
    #[serde(default)]
    pub resample: bool,
    /// Whether to make the values like those of training.
    #[serde(default)]
    pub matching: bool,
}

/// If the logits have more bytes than this, they are kept outside wasm's memory.
const MAX_LOGITS_BYTES: u64 = 48 << 20;

impl RunOptions {
    /// The options for the card as it serves a scene with these bands, and that card. The usual overlap of the tile gives the same windows as
    /// `raremap predict`.
    ///
    /// # Errors
    /// As [`card_for_bands`].
    pub fn for_card(&self, card: &Card) -> Result<(Card, raremap_infer::RunOptions), InferError> {
        let (card, bands) = card_for_bands(card, &self.bands)?;
        let options = raremap_infer::RunOptions {
            tiling: Tiling::of_tile(self.tile.unwrap_or(card.tile_px)),
            max_logit_bytes_in_memory: MAX_LOGITS_BYTES,
            ..raremap_infer::RunOptions::new(bands)
        };
        Ok((card, options))
    }
}

/// Tiles that a run has done, out of all.
#[derive(Debug, Clone, Copy, Serialize, Tsify)]
pub struct TileCount {
    /// Finished.
    pub done: usize,
    /// All tiles of the scene.
    pub total: usize,
}

/// What a run should do after a tile.
#[derive(Debug, Deserialize, Tsify)]
pub struct AfterTile {
    /// Whether to end here.
    pub cancel: bool,
    /// The layer of the finished part to draw.
    #[tsify(type = "LayerRequest | null")]
    pub layer: Option<LayerRequest>,
}
