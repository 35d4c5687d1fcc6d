//! Tiles of a model that is on a device.

use js_sys::Float32Array;
use raremap_tile::{GOLDEN_TOLERANCE, TileLogits, TileModel};
use serde::Serialize;
use tsify::{Ts, Tsify};

use crate::error::RunnerError;

/// How far the model's numbers were from the expected ones.
#[derive(Debug, Clone, Copy, Serialize, Tsify)]
#[serde(rename_all = "camelCase")]
pub struct GoldenCheck {
    /// Largest difference of a logit.
    pub max_abs: f32,
    /// Largest difference that is allowed.
    pub tolerance: f32,
}

impl GoldenCheck {
    /// Of a model that has passed its golden tile.
    pub fn passed(max_abs: f32) -> Self {
        let tolerance = GOLDEN_TOLERANCE;
        Self { max_abs, tolerance }
    }

    /// Passes it to JavaScript.
    ///
    /// # Errors
    /// None in practice, because it can be written.
    pub fn to_js(&self) -> Result<Ts<Self>, RunnerError> {
        Ts::from_rust(self).map_err(|error| RunnerError::Internal(error.to_string()))
    }
}

/// The logits of a tile: the main head's, then the auxiliary head's.
///
/// # Errors
/// `misuse` for an input of another size, `network_failed` if the device fails.
pub async fn forward(
    model: &impl TileModel,
    input: Vec<f32>,
    height: usize,
    width: usize,
) -> Result<Float32Array, RunnerError> {
    let TileLogits { main, auxiliary } = model.forward_tile(input, height, width).await?;
    let logits = Float32Array::new_with_length((main.len() + auxiliary.len()) as u32);
    let (first, rest) = (main.len() as u32, logits.length());
    logits.subarray(0, first).copy_from(&main);
    logits.subarray(first, rest).copy_from(&auxiliary);
    Ok(logits)
}
