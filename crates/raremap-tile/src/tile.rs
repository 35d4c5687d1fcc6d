//! What inference over scenes needs of a network.

use std::future::Future;

use crate::error::TileError;

/// Logits of one tile, one cell per `cell_px` pixels of the network's config.
#[derive(Debug, Clone, PartialEq)]
pub struct TileLogits {
    /// `[classes, h / cell_px, w / cell_px]`
    pub main: Vec<f32>,
    /// `[rare classes, h / cell_px, w / cell_px]`; empty for a network without the auxiliary head.
    pub auxiliary: Vec<f32>,
}

/// A network that runs tile by tile.
pub trait TileModel {
    /// How many tiles it gets before the first of them is finished: 1 where it computes on the caller's thread, more where it has other threads,
    /// or a device that is busy with one tile while the next is uploaded.
    fn tiles_at_once(&self) -> usize {
        1
    }

    /// # Shapes
    /// - `input`: `[channels, height, width]`, normalized, sizes multiples of 32
    ///
    /// # Errors
    /// [`TileError::Network`] if the device fails, and [`TileError::Misuse`] for an input of another size.
    fn forward_tile(
        &self,
        input: Vec<f32>,
        height: usize,
        width: usize,
    ) -> impl Future<Output = Result<TileLogits, TileError>>;
}
