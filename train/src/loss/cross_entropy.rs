//! Cross entropy.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::Term;
use super::classes::Classes;
use super::frequency::ClassWeights;
use super::prediction::Prediction;
use crate::error::{Result, ensure};

/// Settings of the cross entropy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CrossEntropyConfig {
    /// Largest class weight over the smallest, where the weights follow a rule.
    pub class_weight_cap: f64,
    /// Share of the target that is spread over all classes (arXiv:1512.00567, section 7), at least 0 and below 1.
    pub label_smoothing: f64,
    /// Weights by class.
    pub class_weights: ClassWeights,
}

impl Default for CrossEntropyConfig {
    fn default() -> Self {
        Self {
            class_weight_cap: 10.0,
            label_smoothing: 0.0,
            class_weights: ClassWeights::default(),
        }
    }
}

impl CrossEntropyConfig {
    pub(super) fn check(&self) -> Result<()> {
        self.class_weights.check(self.class_weight_cap)?;
        ensure!(
            Recipe,
            (0.0..1.0).contains(&self.label_smoothing),
            "label_smoothing is {}; it must be at least 0 and below 1",
            self.label_smoothing
        );
        Ok(())
    }

    pub(super) fn init(&self, classes: &Classes) -> Result<CrossEntropy> {
        let weights = self.class_weights.resolve(self.class_weight_cap, &classes.pixels)?;
        Ok(CrossEntropy {
            weights: classes.tensor(&weights),
            label_smoothing: self.label_smoothing,
        })
    }
}

/// `sum_i w_{y_i} CE_i / sum_i w_{y_i}` over scored pixels, torch's weighted mean.
///
/// With label smoothing s, `w_y CE` becomes `(1 - s) w_y CE + s / C * sum_c w_c (-log P_c)`, as in torch; the divisor stays the same.
pub struct CrossEntropy {
    /// `[classes]`
    weights: Tensor<1>,
    label_smoothing: f64,
}

impl Term for CrossEntropy {
    fn forward(&self, prediction: &Prediction) -> Tensor<1> {
        let weight = prediction.target.weight_map(self.weights.clone());
        let norm = weight.clone().sum().clamp_min(f32::MIN_POSITIVE);
        let hard = (prediction.log_true_class() * weight).sum().neg();
        if self.label_smoothing == 0.0 {
            return hard / norm;
        }
        let [classes] = self.weights.dims();
        let per_class = self.weights.clone().reshape([1, classes, 1, 1]) * prediction.target.scored.clone();
        let spread = (prediction.log_softmax() * per_class).sum().neg();
        let smoothing = self.label_smoothing;
        (hard.mul_scalar(1.0 - smoothing) + spread.mul_scalar(smoothing / classes as f64)) / norm
    }
}

#[cfg(test)]
mod tests {
    use crate::loss::properties::{Batch, value};

    /// Two pixels of the classes 0 and 1, with logits (0, 0) and (0, ln 3).
    fn batch() -> Batch {
        Batch::row(2, &[0.0, 0.0, 0.0, 3f32.ln()], &[Some(0), Some(1)])
    }

    #[test]
    fn the_mean_is_weighted_by_the_weights_of_the_pixels() {
        let found = value("kind = 'cross_entropy'\nclass_weights = [1, 3]", &batch());
        // (1 * ln 2 + 3 * -ln(3/4)) / 4
        let expected = (2f32.ln() - 3.0 * 0.75f32.ln()) / 4.0;
        assert!((found - expected).abs() < 1e-6, "{found}, not {expected}");
    }

    #[test]
    fn smoothing_spreads_part_of_the_target() {
        let found = value("kind = 'cross_entropy'\nlabel_smoothing = 0.2", &batch());
        let own = (2f32.ln() - 0.75f32.ln()) / 2.0;
        let all = (2.0 * 2f32.ln() - 0.75f32.ln() - 0.25f32.ln()) / 2.0;
        let expected = 0.8 * own + 0.1 * all;
        assert!((found - expected).abs() < 1e-6, "{found}, not {expected}");
    }
}
