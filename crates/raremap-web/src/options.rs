//! What the page asks for, as JSON.

use raremap_infer::{DecideOptions, RunOptions, Tiling, View};
use raremap_model::Card;
use serde::Deserialize;

const OVERLAP_MULTIPLE: usize = 32;
const MAX_ZOOM: usize = 16;

/// How to draw, measure or save a result: needs no new run.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LookOptions {
    threshold: f32,
    rare: Vec<String>,
    top_k: f32,
    /// Longest side of a picture.
    max_px: usize,
    /// A part of the scene; all of it where absent.
    window: Option<WindowOptions>,
}

/// A rectangle of the scene, every `step`-th pixel of it.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct WindowOptions {
    x: usize,
    y: usize,
    width: usize,
    height: usize,
    step: usize,
    /// Picture pixels per view pixel of an outline, so that it stays thin where pixels are drawn large; 1 where absent.
    zoom: Option<usize>,
}

impl LookOptions {
    /// For the mask and its areas.
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
    /// Tile edge; the card's where absent.
    tile: Option<usize>,
}

impl StartOptions {
    /// A quarter of the tile overlaps, in whole steps of the network's coarsest grid.
    pub fn run_options(self, card: &Card) -> RunOptions {
        let tile_px = self.tile.unwrap_or(card.tile_px);
        let quarter = (tile_px / 4).next_multiple_of(OVERLAP_MULTIPLE);
        let overlap_px = quarter.min(tile_px.saturating_sub(OVERLAP_MULTIPLE));
        RunOptions {
            tiling: Tiling { tile_px, overlap_px },
            ..RunOptions::new(self.bands)
        }
    }
}
