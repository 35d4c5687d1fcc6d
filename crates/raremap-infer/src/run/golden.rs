//! Checks whether this device computes the model as it was exported.

use burn::tensor::TensorData;
use raremap_model::GoldenTile;

use crate::error::InferError;
use crate::run::network::TileModel;

/// Largest difference of a logit that devices may show, because they take sums in different orders.
pub const GOLDEN_TOLERANCE: f32 = 1e-3;

/// Runs the golden tile and returns the largest absolute difference from its logits.
///
/// # Errors
/// [`InferError::Golden`] if the difference exceeds `tolerance` or a logit is NaN, [`InferError::Malformed`] if the network's logits have
/// another shape.
pub async fn check_golden(model: &impl TileModel, golden: &GoldenTile, tolerance: f32) -> Result<f32, InferError> {
    let shape = <[usize; 4]>::try_from(golden.input.shape().to_vec());
    let [_, _, height, width] =
        shape.map_err(|_| InferError::Malformed("its golden tile does not have four axes".into()))?;
    let logits = model.forward_tile(values(&golden.input)?, height, width).await?;
    let mut difference = 0.0;
    for (found, expected) in [(&logits.main, &golden.main), (&logits.auxiliary, &golden.auxiliary)] {
        let expected = values(expected)?;
        if found.len() != expected.len() {
            let message = format!(
                "its network gave {} logits, but the golden tile has {}",
                found.len(),
                expected.len()
            );
            return Err(InferError::Malformed(message));
        }
        for (found, expected) in found.iter().zip(&expected) {
            let distance = (found - expected).abs();
            // `max` would skip a NaN.
            difference = if distance.is_nan() {
                f32::INFINITY
            } else {
                distance.max(difference)
            };
        }
    }
    if difference > tolerance {
        Err(InferError::Golden { difference, tolerance })
    } else {
        Ok(difference)
    }
}

fn values(data: &TensorData) -> Result<Vec<f32>, InferError> {
    data.try_to_vec::<f32>()
        .map_err(|error| InferError::Malformed(format!("its golden tile: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::network::TileLogits;

    struct Constant(f32);

    impl TileModel for Constant {
        async fn forward_tile(&self, _: Vec<f32>, height: usize, width: usize) -> Result<TileLogits, InferError> {
            let cells = height * width / 16;
            Ok(TileLogits {
                main: vec![self.0; 2 * cells],
                auxiliary: vec![0.0; cells],
            })
        }
    }

    #[test]
    fn a_device_that_computes_something_else_is_detected() {
        let zeros = |channels: usize, size: usize| TensorData::zeros::<f32, _>([1, channels, size, size]);
        let golden = GoldenTile {
            input: zeros(3, 32),
            main: zeros(2, 8),
            auxiliary: zeros(1, 8),
        };
        let check = |value: f32| pollster::block_on(check_golden(&Constant(value), &golden, 1e-3));
        assert_eq!(check(5e-4).expect("within the tolerance"), 5e-4);
        assert!(matches!(check(0.01), Err(InferError::Golden { difference: 0.01, .. })));
        assert!(matches!(check(f32::NAN), Err(InferError::Golden { .. })));
        let other = GoldenTile {
            main: zeros(3, 8),
            ..golden.clone()
        };
        assert!(pollster::block_on(check_golden(&Constant(0.0), &other, 1e-3)).is_err());
    }
}
