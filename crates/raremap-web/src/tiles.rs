//! Tiles that other workers compute, each with a wasm instance and the model of its own: threads that need no headers from the server, and a graphics
//! card that may be lost without taking the scene's session along.

use std::cell::Cell;

use burn::tensor::Device;
use js_sys::Float32Array;
use raremap_model::{BurnTileModel, GOLDEN_TOLERANCE, ModelFile, TileError, TileLogits, TileModel, check_golden};
use raremap_web_tiles::{GoldenCheck, RunnerError, forward};
use tsify::Ts;
use wasm_bindgen::prelude::*;

use crate::error::SessionError;
use crate::hooks::RunHooks;

/// The network of `file` on the processor, where it has passed its golden tile.
///
/// # Errors
/// `golden_tile_differs` if the processor computes wrong numbers, `model_...` for a bad file.
pub async fn checked_model(file: &ModelFile) -> Result<(BurnTileModel, GoldenCheck), SessionError> {
    let channels = file.card.architecture.in_channels();
    let model = BurnTileModel::new(file.build(&Device::flex())?, channels);
    let max_abs = check_golden(&model, &file.golden, GOLDEN_TOLERANCE).await?;
    Ok((model, GoldenCheck::passed(max_abs)))
}

/// The model on the processor, for one of the workers that compute tiles.
#[wasm_bindgen]
pub struct TileRunner {
    model: BurnTileModel,
    golden: GoldenCheck,
}

#[wasm_bindgen]
impl TileRunner {
    /// Reads a weights file and checks its golden tile.
    ///
    /// # Errors
    /// `golden_tile_differs` if the processor computes wrong numbers, `model_...` for a bad file.
    pub async fn create(model: Vec<u8>) -> Result<TileRunner, SessionError> {
        let (model, golden) = checked_model(&ModelFile::from_bytes(&model)?).await?;
        Ok(Self { model, golden })
    }

    /// How the golden tile came out.
    ///
    /// # Errors
    /// None in practice, because it can be written.
    pub fn golden(&self) -> Result<Ts<GoldenCheck>, RunnerError> {
        self.golden.to_js()
    }

    /// The logits of a tile: the main head's, then the auxiliary head's.
    ///
    /// # Errors
    /// `misuse` for an input of another size, `network_failed` if the device fails.
    pub async fn forward(&self, input: Vec<f32>, height: usize, width: usize) -> Result<Float32Array, RunnerError> {
        forward(&self.model, input, height, width).await
    }
}

/// A model whose tiles go to the workers of a run, as long as these answer.
pub struct TileWorkers<'a> {
    /// Asks them.
    pub hooks: &'a RunHooks,
    /// The same model in this worker, for tiles that come back without an answer.
    pub here: &'a BurnTileModel,
    /// Channels of the two heads.
    pub heads: [usize; 2],
    /// Whether a tile was computed in this worker.
    pub used_here: Cell<bool>,
}

impl TileWorkers<'_> {
    /// The devices that computed tiles, as the metadata of files names them.
    ///
    /// # Errors
    /// What the worker's own function throws, which it does not in practice.
    pub fn devices(&self) -> Result<String, SessionError> {
        let elsewhere = self.hooks.devices()?;
        Ok(match elsewhere.as_str() {
            "" => "cpu".to_owned(),
            "webgpu" if self.used_here.get() => "webgpu, cpu".to_owned(),
            _ => elsewhere,
        })
    }

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
        match self.hooks.tile_workers() {
            0 => self.here.tiles_at_once(),
            count => count + 1,
        }
    }

    async fn forward_tile(&self, input: Vec<f32>, height: usize, width: usize) -> Result<TileLogits, TileError> {
        if self.hooks.tile_workers() > 0
            && let Some(logits) = self.ask(&input, height, width).await
        {
            return Ok(logits);
        }
        self.used_here.set(true);
        self.here.forward_tile(input, height, width).await
    }
}
