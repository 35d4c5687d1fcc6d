//! Checks whether a device computes the model as it was exported.

use serde::{Deserialize, Serialize};

use crate::error::TileError;
use crate::tile::TileModel;

/// Largest difference of a logit that devices may show, because they take sums in different orders.
pub const GOLDEN_TOLERANCE: f32 = 1e-3;

/// An input, and the logits that the network must give for it wherever it runs. `B` is where an array's numbers are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GoldenNumbers<B> {
    /// Of the input: `[channels, height, width]`.
    pub shape: [usize; 3],
    /// Normalized.
    pub input: B,
    /// Logits of the main head, as [`TileLogits`](crate::TileLogits) has them.
    pub main: B,
    /// Logits of the auxiliary head.
    pub auxiliary: B,
}

impl<B> GoldenNumbers<B> {
    pub(crate) fn map<C>(self, place: &mut impl FnMut(B) -> C) -> GoldenNumbers<C> {
        GoldenNumbers {
            shape: self.shape,
            input: place(self.input),
            main: place(self.main),
            auxiliary: place(self.auxiliary),
        }
    }
}

impl GoldenNumbers<Vec<f32>> {
    /// Runs the golden tile and returns the largest absolute difference from its logits.
    ///
    /// # Errors
    /// [`TileError::Golden`] if the difference exceeds `tolerance` or a logit is NaN, [`TileError::Malformed`] if the network's logits have
    /// another shape, and what the network fails with.
    pub async fn check(&self, model: &impl TileModel, tolerance: f32) -> Result<f32, TileError> {
        let [_, height, width] = self.shape;
        let logits = model.forward_tile(self.input.clone(), height, width).await?;
        let mut difference = 0.0;
        for (found, expected) in [(&logits.main, &self.main), (&logits.auxiliary, &self.auxiliary)] {
            if found.len() != expected.len() {
                let message = format!(
                    "its network gave {} logits, but the golden tile has {}",
                    found.len(),
                    expected.len()
                );
                return Err(TileError::Malformed(message));
            }
            for (found, expected) in found.iter().zip(expected) {
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
            Err(TileError::Golden { difference, tolerance })
        } else {
            Ok(difference)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tile::TileLogits;

    struct Constant(f32);

    impl TileModel for Constant {
        async fn forward_tile(&self, _: Vec<f32>, height: usize, width: usize) -> Result<TileLogits, TileError> {
            let cells = height * width / 16;
            Ok(TileLogits {
                main: vec![self.0; 2 * cells],
                auxiliary: vec![0.0; cells],
            })
        }
    }

    #[test]
    fn a_device_that_computes_something_else_is_detected() {
        let golden = |classes: usize| GoldenNumbers {
            shape: [3, 32, 32],
            input: vec![0.0; 3 * 32 * 32],
            main: vec![0.0; classes * 64],
            auxiliary: vec![0.0; 64],
        };
        let check = |value: f32| pollster::block_on(golden(2).check(&Constant(value), 1e-3));
        assert_eq!(check(5e-4).expect("within the tolerance"), 5e-4);
        assert!(matches!(check(0.01), Err(TileError::Golden { difference: 0.01, .. })));
        assert!(matches!(check(f32::NAN), Err(TileError::Golden { .. })));
        let other = pollster::block_on(golden(3).check(&Constant(0.0), 1e-3));
        assert!(matches!(other, Err(TileError::Malformed(_))));
    }
}
