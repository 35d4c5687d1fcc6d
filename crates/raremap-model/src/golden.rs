//! The golden tile of a weights file, as numbers.

use burn::tensor::TensorData;
use raremap_tile::{GoldenNumbers, TileError, TileModel};

use crate::weights::GoldenTile;

/// Runs the golden tile and returns the largest absolute difference from its logits.
///
/// # Errors
/// [`TileError::Golden`] if the difference exceeds `tolerance` or a logit is NaN, [`TileError::Malformed`] if the network's logits have
/// another shape, and what the network fails with.
pub async fn check_golden(model: &impl TileModel, golden: &GoldenTile, tolerance: f32) -> Result<f32, TileError> {
    golden_numbers(golden)?.check(model, tolerance).await
}

pub(crate) fn golden_numbers(golden: &GoldenTile) -> Result<GoldenNumbers<Vec<f32>>, TileError> {
    let shape = <[usize; 4]>::try_from(golden.input.shape().to_vec());
    let [_, channels, height, width] =
        shape.map_err(|_| TileError::Malformed("its golden tile does not have four axes".into()))?;
    let numbers = |data: &TensorData| {
        data.try_to_vec::<f32>()
            .map_err(|error| TileError::Malformed(format!("its golden tile: {error}")))
    };
    Ok(GoldenNumbers {
        shape: [channels, height, width],
        input: numbers(&golden.input)?,
        main: numbers(&golden.main)?,
        auxiliary: numbers(&golden.auxiliary)?,
    })
}
