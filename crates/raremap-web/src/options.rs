//! What the page asks for, as JSON.

use raremap_infer::{DecideOptions, RunOptions, Tiling, View};
use raremap_model::Card;
use serde::Deserialize;

const MAX_ZOOM: usize = 16;

/// How to draw, measure or save a result, which needs no new run.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LookOptions {
    threshold: f32,
    rare: Vec<String>,
    top_k: f32,
    /// Longest side of a picture.
    max_px: usize,
    /// A part of the scene; all of it if absent.
    window: Option<WindowOptions>,
}

/// A rectangle of the scene, with every `step`-th pixel of it.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct WindowOptions {
    x: usize,
    y: usize,
    width: usize,
    height: usize,
    step: usize,
    /// Picture pixels per view pixel of an outline, so that it stays thin where pixels are drawn large; 1 if absent.
    zoom: Option<usize>,
}

impl LookOptions {
    /// Options for the mask and its areas.
    pub fn decide(&self) -> DecideOptions {
        DecideOptions {
            threshold: self.threshold,
            rare: self.rare.clone(),
            top_k_percent: self.top_k,
        }
    }

    /// Picture pixels per view pixel of an outline.
    pub fn zoom(&self) -> usize {
        self.window
            .and_then(|window| window.zoom)
            .unwrap_or(1)
            .clamp(1, MAX_ZOOM)
    }

    /// The pixels to draw.
    pub fn view(&self, size: [usize; 2]) -> View {
        match self.window {
            Some(WindowOptions {
                x,
                y,
                width,
                height,
                step,
                ..
            }) => View {
                x,
                y,
                width,
                height,
                step,
            },
            None => View::overview(size, self.max_px),
        }
    }
}

/// How to run.
#[derive(Debug, Deserialize)]
pub struct StartOptions {
    /// The scene's band, from 0, for each of the card's scene bands.
    bands: Vec<usize>,
    /// Tile edge; the card's if absent.
    tile: Option<usize>,
    /// Whether to run at the model's resolution.
    #[serde(default)]
    pub resample: bool,
    /// Whether to make the values like those of training.
    #[serde(default)]
    pub matching: bool,
}

/// If the logits have more bytes than this, they are kept outside wasm's memory.
const MAX_LOGITS_BYTES: u64 = 48 << 20;

impl StartOptions {
    /// The usual overlap of the tile, which gives the same windows as `raremap predict`.
    pub fn run_options(&self, card: &Card) -> RunOptions {
        RunOptions {
            tiling: Tiling::of_tile(self.tile.unwrap_or(card.tile_px)),
            max_bytes: MAX_LOGITS_BYTES,
            ..RunOptions::new(self.bands.clone())
        }
    }
}
