//! Soft Jaccard (intersection over union).

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::Term;
use super::classes::{ClassRef, Classes, indicator};
use super::dice::check_positive;
use super::prediction::{Activation, Prediction};
use crate::error::{Result, ensure};

/// Settings of the Jaccard loss.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct JaccardConfig {
    /// How logits become probabilities.
    pub activation: Activation,
    /// Weight of the Jaccard index of a class itself. The published recipe for four-band images has 0.8.
    pub pos_weight: f64,
    /// Weight of the Jaccard index of everything that is not the class. The published recipe for four-band images has 0.2.
    pub neg_weight: f64,
    /// Pixels added to numerator and denominator, above 0.
    pub smooth: f64,
    /// The classes that count, by name or index; an empty list means all.
    pub classes: Vec<ClassRef>,
}

impl Default for JaccardConfig {
    fn default() -> Self {
        Self {
            activation: Activation::Softmax,
            pos_weight: 1.0,
            neg_weight: 0.0,
            smooth: 1.0,
            classes: Vec::new(),
        }
    }
}

impl JaccardConfig {
    pub(super) fn check(&self) -> Result<()> {
        for (key, weight) in [("pos_weight", self.pos_weight), ("neg_weight", self.neg_weight)] {
            ensure!(
                Recipe,
                weight.is_finite() && weight >= 0.0,
                "{key} is {weight}; it must not be negative"
            );
        }
        ensure!(
            Recipe,
            self.pos_weight + self.neg_weight > 0.0,
            "pos_weight and neg_weight are both 0, so that nothing would be learned"
        );
        check_positive("smooth", self.smooth)
    }

    pub(super) fn init(&self, classes: &Classes) -> Result<Jaccard> {
        Ok(Jaccard {
            counted: classes.tensor(&indicator(&classes.counted(&self.classes)?)),
            config: self.clone(),
        })
    }
}

/// `mean_c p (1 - J_c) + n (1 - J_not_c)`, `J_c = (TP_c + s) / (sum P_c + sum G_c - TP_c + s)` with the sums over the whole batch, and
/// `J_not_c` the same for `1 - P_c` and `1 - G_c` over the scored pixels. The mean is over the classes that are in the batch, in the labels
/// or in the prediction.
pub struct Jaccard {
    /// `[classes]`, 1 or 0.
    counted: Tensor<1>,
    config: JaccardConfig,
}

impl Jaccard {
    fn loss(&self, intersection: Tensor<1>, union: Tensor<1>) -> Tensor<1> {
        let smooth = self.config.smooth;
        (intersection.add_scalar(smooth) / union.add_scalar(smooth))
            .neg()
            .add_scalar(1.0)
    }
}

impl Term for Jaccard {
    fn forward(&self, prediction: &Prediction) -> Tensor<1> {
        let overlap = prediction.overlap(self.config.activation);
        let union = overlap.predicted.clone() + overlap.false_negative();
        let own = self.loss(overlap.true_positive.clone(), union.clone());
        let mut loss = own.mul_scalar(self.config.pos_weight);
        if self.config.neg_weight > 0.0 {
            let pixels = prediction.target.scored.clone().sum();
            // Differences of large sums may come out a rounding below 0.
            let neither = (pixels.clone() - union).clamp_min(0.0);
            let not_both = (pixels - overlap.true_positive.clone()).clamp_min(0.0);
            loss = loss + self.loss(neither, not_both).mul_scalar(self.config.neg_weight);
        }
        overlap.mean_of_present(loss, &self.counted)
    }
}

#[cfg(test)]
mod tests {
    use crate::loss::properties::{Batch, value};

    #[test]
    fn the_class_and_its_rest_have_their_weights() {
        // three pixels, sigmoids of class 1: 1/2, 3/4, 3/4; labels 0, 1, 1
        let three = 3f32.ln();
        let batch = Batch::row(2, &[0.0, 0.0, 0.0, 0.0, three, three], &[Some(0), Some(1), Some(1)]);
        let found = value(
            "kind = 'jaccard'\nactivation = 'sigmoid'\nclasses = ['class1']\nsmooth = 1\npos_weight = 0.8\nneg_weight = 0.2",
            &batch,
        );
        // class: TP 1.5, union 2.5; rest: both 0.5, union 1.5
        let expected = 0.8 * (1.0 - 2.5 / 3.5) + 0.2 * (1.0 - 1.5 / 2.5);
        assert!((found - expected).abs() < 1e-6, "{found}, not {expected}");
    }

    #[test]
    fn a_perfect_prediction_costs_nothing() {
        let batch = Batch::row(2, &[50.0, -50.0, -50.0, 50.0], &[Some(0), Some(1)]);
        assert!(value("kind = 'jaccard'\nneg_weight = 0.2", &batch).abs() < 1e-6);
    }
}
