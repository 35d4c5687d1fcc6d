//! Focal loss on sigmoids, each class against the rest.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::Term;
use super::bce::BinaryWeights;
use super::classes::{ClassRef, Classes, PerClass};
use super::focal::{check_gamma, focus};
use super::prediction::Prediction;
use crate::error::Result;

/// Settings of the binary focal loss.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BinaryFocalConfig {
    /// How strongly pixels that are already right are discounted, 0 or more.
    pub gamma: f64,
    /// Weight of a class's own pixels: one number, or one per class of the dataset. (The paper's alpha.)
    pub pos_weight: PerClass,
    /// Weight of the other pixels: one number, or one per class of the dataset. (The paper's 1 - alpha.)
    pub neg_weight: PerClass,
    /// The classes whose channels count, by name or index; an empty list means all.
    pub classes: Vec<ClassRef>,
}

impl Default for BinaryFocalConfig {
    /// The paper's gamma, without its weights.
    fn default() -> Self {
        Self {
            gamma: 2.0,
            pos_weight: PerClass::All(1.0),
            neg_weight: PerClass::All(1.0),
            classes: Vec::new(),
        }
    }
}

impl BinaryFocalConfig {
    pub(super) fn check(&self) -> Result<()> {
        check_gamma(self.gamma)?;
        self.pos_weight.check("pos_weight")?;
        self.neg_weight.check("neg_weight")
    }

    pub(super) fn init(&self, classes: &Classes) -> Result<BinaryFocal> {
        Ok(BinaryFocal {
            weights: BinaryWeights::new(&self.pos_weight, &self.neg_weight, &self.classes, classes)?,
            gamma: self.gamma,
        })
    }
}

/// The binary cross entropy with each channel of each pixel multiplied by `(1 - p)^gamma`, where p is the probability that it gives to the
/// truth (Focal Loss for Dense Object Detection, arXiv:1708.02002). With gamma 0 it is exactly the binary cross entropy.
///
/// The mean is over scored pixels and channels, and not over the objects found, as in the paper.
pub struct BinaryFocal {
    weights: BinaryWeights,
    gamma: f64,
}

impl Term for BinaryFocal {
    fn forward(&self, prediction: &Prediction) -> Tensor<1> {
        let focused = focus(prediction.log_true_binary(), self.gamma);
        self.weights.mean(focused, prediction).neg()
    }
}

#[cfg(test)]
mod tests {
    use crate::loss::properties::{Batch, value};

    #[test]
    fn a_channel_counts_by_how_wrong_it_is() {
        // one pixel of class 1, sigmoids 1/2 and 3/4
        let batch = Batch::row(2, &[0.0, 3f32.ln()], &[Some(1)]);
        let found = value("kind = 'binary_focal'\npos_weight = 4", &batch);
        let expected = -(0.25 * 0.5f32.ln() + 4.0 * 0.0625 * 0.75f32.ln()) / 2.0;
        assert!((found - expected).abs() < 1e-6, "{found}, not {expected}");
    }

    #[test]
    fn without_focus_it_is_the_binary_cross_entropy() {
        let batch = Batch::row(2, &[0.3, -2.0, 0.1, 1.5], &[Some(0), Some(1)]);
        let focal = value("kind = 'binary_focal'\ngamma = 0\npos_weight = [2, 5]", &batch);
        assert_eq!(focal, value("kind = 'bce'\npos_weight = [2, 5]", &batch));
    }
}
