#![doc = include_str!("../README.md")]
#![cfg(target_arch = "wasm32")]

mod kernels;
mod maps;
mod network;

use cubecl::Device;
use cubecl::wgpu::{AutoGraphicsApi, RuntimeOptions, WgpuDevice, try_init_setup_async};
use js_sys::Float32Array;
use raremap_tile::{GOLDEN_TOLERANCE, PackedModel};
use raremap_web_tiles::{GoldenCheck, RunnerError, forward};
use tsify::Ts;
use wasm_bindgen::prelude::*;

use crate::network::GpuSegformer;

/// The model on the graphics card.
#[wasm_bindgen]
pub struct TileRunner {
    model: GpuSegformer,
    golden: GoldenCheck,
}

#[wasm_bindgen]
impl TileRunner {
    /// Puts a model on the graphics card and checks its golden tile there. The parts are those of a session's `packed()`.
    ///
    /// # Errors
    /// `webgpu_failed` if there is no device, `network_failed` if it fails, `golden_tile_differs` if it computes wrong numbers, `model_malformed` if the parts
    /// do not belong together.
    pub async fn create(header: &str, numbers: Vec<f32>) -> Result<TileRunner, RunnerError> {
        let packed = PackedModel::from_parts(header, &numbers)?;
        drop(numbers);
        let device = WgpuDevice::default();
        try_init_setup_async::<AutoGraphicsApi>(&device, RuntimeOptions::default())
            .await
            .map_err(|error| RunnerError::Device(error.to_string()))?;
        let client = Device::Wgpu(device).client();
        let model = GpuSegformer::new(packed.network, packed.channels, client);
        let max_abs = packed.golden.check(&model, GOLDEN_TOLERANCE).await?;
        let golden = GoldenCheck::passed(max_abs);
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
