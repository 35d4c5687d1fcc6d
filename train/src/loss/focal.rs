//! Focal loss on the softmax.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::Term;
use super::classes::Classes;
use super::frequency::ClassWeights;
use super::prediction::{Prediction, power};
use crate::error::{Result, ensure};

/// Settings of the focal loss.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FocalConfig {
    /// How strongly pixels that are already right are discounted, 0 or more. The published recipe of the multipath U-Net uses 0.5.
    pub gamma: f64,
    /// Largest class weight over the smallest, where the weights follow a rule.
    pub class_weight_cap: f64,
    /// Weights by class.
    pub class_weights: ClassWeights,
}

impl Default for FocalConfig {
    /// The paper's gamma, without class weights.
    fn default() -> Self {
        Self {
            gamma: 2.0,
            class_weight_cap: 10.0,
            class_weights: ClassWeights::default(),
        }
    }
}

impl FocalConfig {
    pub(super) fn check(&self) -> Result<()> {
        check_gamma(self.gamma)?;
        self.class_weights.check(self.class_weight_cap)
    }

    pub(super) fn init(&self, classes: &Classes) -> Result<Focal> {
        let weights = self.class_weights.resolve(self.class_weight_cap, &classes.pixels)?;
        Ok(Focal {
            weights: classes.tensor(&weights),
            gamma: self.gamma,
        })
    }
}

/// Whether `gamma` can be a focal loss's exponent.
///
/// # Errors
/// If it cannot.
pub fn check_gamma(gamma: f64) -> Result<()> {
    ensure!(
        Recipe,
        gamma.is_finite() && gamma >= 0.0,
        "gamma is {gamma}; it must not be negative"
    );
    Ok(())
}

/// `sum_i w_{y_i} (1 - P_{y_i})^gamma CE_i / sum_i w_{y_i}` over scored pixels (Focal Loss for Dense Object Detection, arXiv:1708.02002,
/// with softmax in place of its sigmoid). With gamma 0 it is exactly the weighted cross entropy.
pub struct Focal {
    /// `[classes]`
    weights: Tensor<1>,
    gamma: f64,
}

impl Term for Focal {
    fn forward(&self, prediction: &Prediction) -> Tensor<1> {
        let weight = prediction.target.weight_map(self.weights.clone());
        let norm = weight.clone().sum().clamp_min(f32::MIN_POSITIVE);
        let focused = focus(prediction.log_true_class(), self.gamma);
        (focused * weight).sum().neg() / norm
    }
}

/// `(1 - P)^gamma log P`, given `log P`.
pub fn focus(log_probability: Tensor<4>, gamma: f64) -> Tensor<4> {
    if gamma == 0.0 {
        return log_probability;
    }
    let miss = log_probability.clone().exp().neg().add_scalar(1.0);
    power(miss, gamma) * log_probability
}

#[cfg(test)]
mod tests {
    use crate::loss::properties::{Batch, value};

    #[test]
    fn a_pixel_counts_by_how_wrong_it_is() {
        // probabilities of the pixels' own classes: 1/2 and 3/4
        let batch = Batch::row(2, &[0.0, 0.0, 0.0, 3f32.ln()], &[Some(0), Some(1)]);
        for gamma in [0.5f32, 2.0] {
            let found = value(&format!("kind = 'focal'\ngamma = {gamma:?}"), &batch);
            let expected = -(0.5f32.powf(gamma) * 0.5f32.ln() + 0.25f32.powf(gamma) * 0.75f32.ln()) / 2.0;
            assert!(
                (found - expected).abs() < 1e-6,
                "gamma {gamma}: {found}, not {expected}"
            );
        }
    }

    #[test]
    fn without_focus_it_is_the_cross_entropy() {
        let batch = Batch::row(2, &[0.3, -2.0, 0.1, 1.5], &[Some(0), Some(1)]);
        let focal = value("kind = 'focal'\ngamma = 0\nclass_weights = [1, 5]", &batch);
        let cross_entropy = value("kind = 'cross_entropy'\nclass_weights = [1, 5]", &batch);
        assert_eq!(focal, cross_entropy);
    }
}
