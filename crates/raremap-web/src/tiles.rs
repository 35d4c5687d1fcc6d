//! Tiles that other workers compute, each with a wasm instance and the model of its own: threads that need no headers from the server.

use js_sys::Float32Array;
use raremap_infer::{BurnTileModel, GOLDEN_TOLERANCE, InferError, TileLogits, TileModel, check_golden};
use raremap_model::ModelFile;
use wasm_bindgen::prelude::*;

use burn::tensor::Device;

use crate::error::SessionError;
use crate::hooks::RunHooks;

/// The model on the processor of one of the workers that compute tiles.
#[wasm_bindgen]
pub struct TileRunner {
    model: BurnTileModel,
}

#[wasm_bindgen]
impl TileRunner {
    /// Reads a weights file and checks its golden tile.
    ///
    /// # Errors
    /// As [`Session::create`](crate::session::Session::create).
    pub async fn create(model: Vec<u8>) -> Result<TileRunner, SessionError> {
        let file = ModelFile::from_bytes(&model)?;
        let channels = file.card.architecture.in_channels();
        let model = BurnTileModel::new(file.build(&Device::flex())?, channels);
        check_golden(&model, &file.golden, GOLDEN_TOLERANCE).await?;
        Ok(Self { model })
    }

    /// The logits of a tile: the main head's, then the auxiliary head's.
    ///
    /// # Errors
    /// `misuse` for an input of another size.
    pub async fn forward(&self, input: Vec<f32>, height: usize, width: usize) -> Result<Float32Array, SessionError> {
        let TileLogits { main, auxiliary } = self.model.forward_tile(input, height, width).await?;
        let logits = Float32Array::new_with_length((main.len() + auxiliary.len()) as u32);
        let (first, rest) = (main.len() as u32, logits.length());
        logits.subarray(0, first).copy_from(&main);
        logits.subarray(first, rest).copy_from(&auxiliary);
        Ok(logits)
    }
}

/// A model whose tiles go to the workers of a run, as long as these answer.
pub struct TileWorkers<'a> {
    /// Asks them.
    pub hooks: &'a RunHooks,
    /// How many there are.
    pub count: usize,
    /// The same model in this worker, for tiles that come back without an answer.
    pub here: &'a BurnTileModel,
    /// Channels of the two heads.
    pub heads: [usize; 2],
}

impl TileWorkers<'_> {
    async fn ask(&self, input: &[f32], height: usize, width: usize) -> Option<TileLogits> {
        let answer = self
            .hooks
            .forward_tile(Float32Array::from(input), height, width)
            .await
            .ok()?;
        let mut main = answer.dyn_into::<Float32Array>().ok()?.to_vec();
        let [classes, rare] = self.heads;
        if main.is_empty() || main.len() % (classes + rare) != 0 {
            return None;
        }
        let auxiliary = main.split_off(main.len() / (classes + rare) * classes);
        Some(TileLogits { main, auxiliary })
    }
}

impl TileModel for TileWorkers<'_> {
    /// One more than there are workers: a tile that is ready when a worker is.
    fn tiles_at_once(&self) -> usize {
        match self.count {
            0 => self.here.tiles_at_once(),
            count => count + 1,
        }
    }

    async fn forward_tile(&self, input: Vec<f32>, height: usize, width: usize) -> Result<TileLogits, InferError> {
        if self.count > 0
            && let Some(logits) = self.ask(&input, height, width).await
        {
            return Ok(logits);
        }
        self.here.forward_tile(input, height, width).await
    }
}
