//! Tversky and focal Tversky.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::Term;
use super::classes::{ClassRef, Classes, indicator};
use super::dice::check_positive;
use super::prediction::{Activation, Prediction, power};
use crate::error::{Result, ensure};

/// Settings of the Tversky loss.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TverskyConfig {
    /// How logits become probabilities.
    pub activation: Activation,
    /// Weight of false positives.
    pub fp_weight: f64,
    /// Weight of false negatives (misses).
    pub fn_weight: f64,
    /// Pixels added to numerator and denominator, above 0.
    pub smooth: f64,
    /// The classes that count, by name or index; an empty list means all.
    pub classes: Vec<ClassRef>,
}

impl Default for TverskyConfig {
    /// The paper's best values.
    fn default() -> Self {
        Self {
            activation: Activation::Softmax,
            fp_weight: 0.3,
            fn_weight: 0.7,
            smooth: 1.0,
            classes: Vec::new(),
        }
    }
}

impl TverskyConfig {
    pub(super) fn check(&self) -> Result<()> {
        for (key, weight) in [("fp_weight", self.fp_weight), ("fn_weight", self.fn_weight)] {
            ensure!(
                Recipe,
                weight.is_finite() && weight >= 0.0,
                "{key} is {weight}; it must not be negative"
            );
        }
        check_positive("smooth", self.smooth)
    }

    pub(super) fn init(&self, classes: &Classes) -> Result<Tversky> {
        Ok(Tversky {
            counted: classes.tensor(&indicator(&classes.counted(&self.classes)?)),
            activation: self.activation,
            fp_weight: self.fp_weight,
            fn_weight: self.fn_weight,
            smooth: self.smooth,
            exponent: 1.0,
        })
    }
}

/// Settings of the focal Tversky loss.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FocalTverskyConfig {
    /// How logits become probabilities.
    pub activation: Activation,
    /// Weight of false positives.
    pub fp_weight: f64,
    /// Weight of false negatives (misses).
    pub fn_weight: f64,
    /// Each class's loss is raised to `1 / gamma`; above 1, this puts the weight on classes that overlap badly.
    pub gamma: f64,
    /// Pixels added to numerator and denominator, above 0.
    pub smooth: f64,
    /// The classes that count, by name or index; an empty list means all.
    pub classes: Vec<ClassRef>,
}

impl Default for FocalTverskyConfig {
    /// The paper's values.
    fn default() -> Self {
        let TverskyConfig {
            activation,
            fp_weight,
            fn_weight,
            smooth,
            classes,
        } = TverskyConfig::default();
        Self {
            activation,
            fp_weight,
            fn_weight,
            gamma: 4.0 / 3.0,
            smooth,
            classes,
        }
    }
}

impl FocalTverskyConfig {
    fn tversky(&self) -> TverskyConfig {
        TverskyConfig {
            activation: self.activation,
            fp_weight: self.fp_weight,
            fn_weight: self.fn_weight,
            smooth: self.smooth,
            classes: self.classes.clone(),
        }
    }

    pub(super) fn check(&self) -> Result<()> {
        ensure!(
            Recipe,
            self.gamma.is_finite() && self.gamma > 0.0,
            "gamma is {}; it must be positive",
            self.gamma
        );
        self.tversky().check()
    }

    pub(super) fn init(&self, classes: &Classes) -> Result<Tversky> {
        Ok(Tversky {
            exponent: self.gamma.recip(),
            ..self.tversky().init(classes)?
        })
    }
}

/// `mean_c (1 - T_c)^(1 / gamma)`, `T_c = (TP_c + s) / (TP_c + fp_weight FP_c + fn_weight FN_c + s)` with the sums over the whole batch.
/// With gamma 1 it is the Tversky loss (arXiv:1706.05721), otherwise the focal Tversky loss (arXiv:1810.07842, which has a sum). The mean
/// is over the classes that are in the batch, in the labels or in the prediction.
///
/// Where a class's loss is below 1e-6, an exponent below 1 has the derivative 0 instead of one that grows without bound.
pub struct Tversky {
    /// `[classes]`, 1 or 0.
    counted: Tensor<1>,
    activation: Activation,
    fp_weight: f64,
    fn_weight: f64,
    smooth: f64,
    exponent: f64,
}

impl Term for Tversky {
    fn forward(&self, prediction: &Prediction) -> Tensor<1> {
        let overlap = prediction.overlap(self.activation);
        let wrong =
            overlap.false_positive().mul_scalar(self.fp_weight) + overlap.false_negative().mul_scalar(self.fn_weight);
        // This is 1 - T, without the difference of two nearly equal numbers, and never below 0 by rounding.
        let wrong = wrong.clamp_min(0.0);
        let all = (overlap.true_positive.clone() + wrong.clone()).add_scalar(self.smooth);
        overlap.mean_of_present(power(wrong / all, self.exponent), &self.counted)
    }
}

#[cfg(test)]
mod tests {
    use crate::loss::properties::{Batch, value};

    /// Three pixels, probabilities of class 1: 1/2, 3/4, 3/4; labels 0, 1, 1.
    fn batch() -> Batch {
        let three = 3f32.ln();
        Batch::row(2, &[0.0, 0.0, 0.0, 0.0, three, three], &[Some(0), Some(1), Some(1)])
    }

    #[test]
    fn false_positives_and_misses_have_their_weights() {
        let found = value(
            "kind = 'tversky'\nfp_weight = 0.2\nfn_weight = 0.6\nsmooth = 1\nclasses = [1]",
            &batch(),
        );
        // TP 1.5, FP 0.5, FN 0.5
        let expected = 1.0 - 2.5 / (1.5 + 0.1 + 0.3 + 1.0);
        assert!((found - expected).abs() < 1e-6, "{found}, not {expected}");
    }

    #[test]
    fn focus_takes_a_root_of_each_classs_loss() {
        let settings = "fp_weight = 0.2\nfn_weight = 0.6\nsmooth = 1\nclasses = [1]";
        let plain = value(&format!("kind = 'tversky'\n{settings}"), &batch());
        let focal = value(&format!("kind = 'focal_tversky'\ngamma = 2\n{settings}"), &batch());
        assert!((focal - plain.sqrt()).abs() < 1e-6, "{focal}, not the root of {plain}");
    }

    #[test]
    fn halves_make_it_dice_with_half_the_smoothing() {
        let tversky = value(
            "kind = 'tversky'\nfp_weight = 0.5\nfn_weight = 0.5\nsmooth = 1",
            &batch(),
        );
        let dice = value("kind = 'dice'\nsmooth = 2", &batch());
        assert!((tversky - dice).abs() < 1e-6, "{tversky}, not {dice}");
    }
}
