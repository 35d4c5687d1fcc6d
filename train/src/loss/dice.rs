//! Soft Dice.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::Term;
use super::classes::{ClassRef, Classes, indicator};
use super::prediction::{Activation, Prediction};
use crate::error::{Result, ensure};

/// Settings of the Dice loss.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DiceConfig {
    /// How logits become probabilities.
    pub activation: Activation,
    /// Pixels added to numerator and denominator, above 0.
    pub smooth: f64,
    /// The classes that count, by name or index; an empty list means all.
    pub classes: Vec<ClassRef>,
}

impl Default for DiceConfig {
    fn default() -> Self {
        Self {
            activation: Activation::Softmax,
            smooth: 1.0,
            classes: Vec::new(),
        }
    }
}

impl DiceConfig {
    pub(super) fn check(&self) -> Result<()> {
        check_positive("smooth", self.smooth)
    }

    pub(super) fn init(&self, classes: &Classes) -> Result<Dice> {
        Ok(Dice {
            counted: classes.tensor(&indicator(&classes.counted(&self.classes)?)),
            activation: self.activation,
            smooth: self.smooth,
        })
    }
}

/// The smallest number that may keep a denominator from 0: its square is still a number in f32, which the gradient needs.
const LEAST_DENOMINATOR: f64 = 1e-12;

/// Whether `value` can keep a denominator from 0.
///
/// # Errors
/// Names `key` if it cannot.
pub fn check_positive(key: &str, value: f64) -> Result<()> {
    ensure!(
        Recipe,
        value.is_finite() && value >= LEAST_DENOMINATOR,
        "{key} is {value}; it must be at least {LEAST_DENOMINATOR:e}"
    );
    Ok(())
}

/// `mean_c 1 - (2 TP_c + s) / (sum P_c + sum G_c + s)` with the sums over the whole batch (V-Net, arXiv:1606.04797,
/// section 3, without its squares). The mean is over the classes that are in the batch, in the labels or in the
/// prediction.
pub struct Dice {
    /// `[classes]`, 1 or 0.
    counted: Tensor<1>,
    activation: Activation,
    smooth: f64,
}

impl Term for Dice {
    fn forward(&self, prediction: &Prediction) -> Tensor<1> {
        let overlap = prediction.overlap(self.activation);
        let both = overlap.true_positive.clone().mul_scalar(2.0).add_scalar(self.smooth);
        let sizes = (overlap.predicted.clone() + overlap.labelled.clone()).add_scalar(self.smooth);
        overlap.mean_of_present((both / sizes).neg().add_scalar(1.0), &self.counted)
    }
}

#[cfg(test)]
mod tests {
    use crate::loss::properties::{Batch, value};

    #[test]
    fn overlap_counts_twice_over_both_sizes() {
        // three pixels, probabilities of class 1: 1/2, 3/4, 3/4; labels 0, 1, 1
        let three = 3f32.ln();
        let batch = Batch::row(2, &[0.0, 0.0, 0.0, 0.0, three, three], &[Some(0), Some(1), Some(1)]);
        let found = value("kind = 'dice'\nsmooth = 1", &batch);
        // class 0: TP 0.5, P 1, G 1; class 1: TP 1.5, P 2, G 2
        let expected = 1.0 - (2.0 / 3.0 + 4.0 / 5.0) / 2.0;
        assert!((found - expected).abs() < 1e-6, "{found}, not {expected}");
        let one = value("kind = 'dice'\nsmooth = 1\nclasses = [1]", &batch);
        assert!((one - 0.2).abs() < 1e-6, "{one}");
    }
}
