//! ARBT, the adaptive rare-class balanced Tversky loss (docs/sources.md).

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::Term;
use super::classes::Classes;
use super::dice::check_positive;
use super::prediction::{Activation, Overlap, Prediction};
use crate::error::{Result, ensure};

/// Which of the two errors a rare class's large weight falls on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ArbtOrientation {
    /// On false positives, as the formula is written: a rare class is then scored by its precision, and its misses are nearly free.
    AsWritten,
    /// On misses, as the text around the formula means it.
    #[default]
    RecallWeighted,
}

/// Settings of ARBT.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ArbtConfig {
    /// Which error the adaptive weight falls on.
    pub orientation: ArbtOrientation,
    /// Exponent of the relative frequency in the adaptive weight `1 - (f_c / max_k f_k)^eta`, above 0.
    pub eta: f64,
    /// Lowest weight of misses, for `recall_weighted`.
    pub fn_weight_min: f64,
    /// Largest weight of misses, for `recall_weighted`.
    pub fn_weight_max: f64,
    /// Exponent of the class weight `1 / (f_c + eps)^delta`, 0 or more.
    pub delta: f64,
    /// Largest class weight, after the weights were scaled to the mean 1.
    pub class_weight_cap: f64,
    /// Factor of the residual term, the formula's lambda.
    pub residual_weight: f64,
    /// Exponent of the residual term, the formula's gamma, at least 1: below 1, its gradient grows without bound where the residual is
    /// small.
    pub residual_gamma: f64,
    /// Keeps denominators from 0; it is in pixels in the Tversky index, and a share in the class weight.
    pub eps: f64,
}

impl Default for ArbtConfig {
    fn default() -> Self {
        Self {
            orientation: ArbtOrientation::RecallWeighted,
            eta: 1.0,
            fn_weight_min: 0.5,
            fn_weight_max: 0.7,
            delta: 0.5,
            class_weight_cap: 10.0,
            residual_weight: 1.0,
            residual_gamma: 2.0,
            eps: 1e-6,
        }
    }
}

impl ArbtConfig {
    pub(super) fn check(&self) -> Result<()> {
        let finite = [self.eta, self.delta, self.residual_gamma]
            .iter()
            .all(|v| v.is_finite());
        ensure!(Recipe, finite, "eta, delta and residual_gamma must be finite");
        ensure!(Recipe, self.eta > 0.0, "eta is {}; it must be positive", self.eta);
        ensure!(
            Recipe,
            self.delta >= 0.0,
            "delta is {}; it must not be negative",
            self.delta
        );
        ensure!(
            Recipe,
            (0.0..=1.0).contains(&self.fn_weight_min)
                && (0.0..=1.0).contains(&self.fn_weight_max)
                && self.fn_weight_min <= self.fn_weight_max,
            "fn_weight_min and fn_weight_max are {} and {}; they must be an interval within 0 to 1",
            self.fn_weight_min,
            self.fn_weight_max
        );
        ensure!(
            Recipe,
            self.class_weight_cap >= 1.0,
            "class_weight_cap is {}; it must be at least 1",
            self.class_weight_cap
        );
        ensure!(
            Recipe,
            self.residual_weight.is_finite() && self.residual_weight >= 0.0,
            "residual_weight is {}; it must not be negative",
            self.residual_weight
        );
        ensure!(
            Recipe,
            self.residual_gamma >= 1.0,
            "residual_gamma is {}; it must be at least 1",
            self.residual_gamma
        );
        check_positive("eps", self.eps)
    }

    pub(super) fn init(&self, classes: &Classes) -> Arbt {
        let weights = self.class_weights(&classes.pixels);
        let column = |pick: fn(&ClassWeight) -> f32| classes.tensor(&weights.iter().map(pick).collect::<Vec<_>>());
        Arbt {
            class_weight: column(|weight| weight.class_weight),
            fp_weight: column(|weight| weight.fp_weight),
            fn_weight: column(|weight| weight.fn_weight),
            config: self.clone(),
        }
    }

    /// Computes the weights of the classes from their pixels in the training split.
    fn class_weights(&self, pixels: &[u64]) -> Vec<ClassWeight> {
        let total = pixels.iter().sum::<u64>().max(1) as f64;
        let most = pixels.iter().copied().max().unwrap_or(0).max(1) as f64;
        let raw = |count: u64| match count {
            0 => 0.0,
            count => (count as f64 / total + self.eps).powf(-self.delta),
        };
        let present = pixels.iter().filter(|&&count| count > 0).count().max(1) as f64;
        let mean = pixels.iter().map(|&count| raw(count)).sum::<f64>() / present;
        let weight = |&count: &u64| {
            let adaptive = 1.0 - (count as f64 / most).powf(self.eta);
            let fn_weight = match self.orientation {
                ArbtOrientation::AsWritten => 1.0 - adaptive,
                ArbtOrientation::RecallWeighted => adaptive.clamp(self.fn_weight_min, self.fn_weight_max),
            };
            let class_weight = if mean > 0.0 { raw(count) / mean } else { 0.0 };
            ClassWeight {
                class_weight: class_weight.min(self.class_weight_cap) as f32,
                fp_weight: (1.0 - fn_weight) as f32,
                fn_weight: fn_weight as f32,
            }
        };
        pixels.iter().map(weight).collect()
    }
}

/// Weights of one class; those of the two errors sum to 1.
struct ClassWeight {
    class_weight: f32,
    fp_weight: f32,
    fn_weight: f32,
}

/// `sum_c w_c (1 - TP_c / (TP_c + fp_weight_c FP_c + fn_weight_c FN_c + eps))`
/// `+ lambda mean_i sum_c |P_i^c - G_i^c|^gamma`
///
/// - TP, FP and FN are soft, from the softmax P and the labels G, over the scored pixels of the whole batch.
/// - The adaptive weight of class c is `1 - (f_c / max_k f_k)^eta`, f the frequency in the training split; [`ArbtOrientation`] says which
///   error it falls on, and the other error has 1 minus it. For `recall_weighted` the weight of misses stays within `fn_weight_min` and
///   `fn_weight_max`, so that a rare class's false positives are never free either.
/// - `w_c = 1 / (f_c + eps)^delta`, divided by its mean over the classes that the split has, then capped; 0 for a class
///   that the split does not have.
/// - A class that is in neither the batch's labels nor its prediction (see [`Overlap::present`]) adds nothing to the
///   first sum. One that is only predicted adds w_c there, and no gradient: its TP is 0 whatever P is. The residual
///   term pushes it down.
/// - The residual term is a mean over scored pixels, not the sum as written, which would grow with the crop.
pub struct Arbt {
    /// `[classes]`
    class_weight: Tensor<1>,
    /// `[classes]`
    fp_weight: Tensor<1>,
    /// `[classes]`
    fn_weight: Tensor<1>,
    config: ArbtConfig,
}

impl Arbt {
    fn tversky(&self, overlap: &Overlap) -> Tensor<1> {
        let found = overlap.true_positive.clone();
        let wrong =
            overlap.false_positive() * self.fp_weight.clone() + overlap.false_negative() * self.fn_weight.clone();
        let index = found.clone() / (found + wrong.clamp_min(0.0)).add_scalar(self.config.eps);
        let loss = index.neg().add_scalar(1.0);
        (loss * self.class_weight.clone() * overlap.present.clone()).sum()
    }

    fn residual(&self, prediction: &Prediction, overlap: &Overlap) -> Tensor<1> {
        let sum = if self.config.residual_gamma == 1.0 {
            // |P - G| is P where G is 0 and 1 - P where G is 1
            (overlap.false_positive() + overlap.false_negative()).sum()
        } else {
            let distance = prediction.scored_probability(Activation::Softmax) - prediction.target.one_hot();
            distance.abs().powf_scalar(self.config.residual_gamma).sum()
        };
        sum / prediction.target.count.clone()
    }
}

impl Term for Arbt {
    fn forward(&self, prediction: &Prediction) -> Tensor<1> {
        let overlap = prediction.overlap(Activation::Softmax);
        let tversky = self.tversky(&overlap);
        if self.config.residual_weight == 0.0 {
            return tversky;
        }
        tversky
            + self
                .residual(prediction, &overlap)
                .mul_scalar(self.config.residual_weight)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loss::properties::{Batch, value};
    use burn::tensor::Device;

    fn weights(config: &ArbtConfig, pixels: &[u64]) -> Vec<[f32; 3]> {
        let weights = config.class_weights(pixels);
        weights
            .iter()
            .map(|weight| [weight.class_weight, weight.fp_weight, weight.fn_weight])
            .collect()
    }

    fn assert_near(found: &[[f32; 3]], expected: &[[f32; 3]]) {
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().flatten().zip(expected.iter().flatten()) {
            assert!((found - expected).abs() < 1e-4, "{found}, not {expected}");
        }
    }

    #[test]
    fn misses_of_rare_classes_weigh_more_within_bounds() {
        let config = ArbtConfig {
            eps: 1e-12,
            ..ArbtConfig::default()
        };
        // shares 0.64, 0.32, 0.04: roots of their inverses 1.25, 1.7678, 5 with mean 2.6726; adaptive weights 0, 0.5,
        // 0.9375
        let expected = [
            [0.4677, 0.5, 0.5],
            [0.6614, 0.5, 0.5],
            [1.8708, 0.3, 0.7],
            [0.0, 0.3, 0.7],
        ];
        assert_near(&weights(&config, &[64, 32, 4, 0]), &expected);
    }

    #[test]
    fn as_written_misses_of_rare_classes_weigh_less() {
        let config = ArbtConfig {
            orientation: ArbtOrientation::AsWritten,
            delta: 0.0,
            eta: 0.5,
            ..ArbtConfig::default()
        };
        let expected = [[1.0, 0.0, 1.0], [1.0, 0.5, 0.5], [1.0, 0.75, 0.25], [0.0, 1.0, 0.0]];
        assert_near(&weights(&config, &[64, 16, 4, 0]), &expected);
    }

    #[test]
    fn a_class_weight_has_a_cap() {
        let config = ArbtConfig {
            delta: 1.0,
            class_weight_cap: 1.5,
            ..ArbtConfig::default()
        };
        let weights = weights(&config, &[999_999, 1]);
        assert_eq!(weights[1][0], 1.5);
    }

    #[test]
    fn a_split_without_labels_has_weights_of_zero() {
        let weights = weights(&ArbtConfig::default(), &[0, 0]);
        assert!(weights.iter().all(|weight| weight[0] == 0.0 && weight[2].is_finite()));
    }

    /// Three pixels, probabilities of class 1: 1/2, 3/4, 3/4; labels 0, 1, 1. Equally frequent classes.
    fn batch() -> Batch {
        let three = 3f32.ln();
        Batch::row(2, &[0.0, 0.0, 0.0, 0.0, three, three], &[Some(0), Some(1), Some(1)])
    }

    #[test]
    fn the_index_is_of_the_weighted_errors() {
        let found = value("kind = 'arbt'\nresidual_weight = 0", &batch());
        // class 0: TP 0.5, FP 0.5, FN 0.5; class 1: TP 1.5, FP 0.5, FN 0.5; all errors at 0.5
        let expected = (1.0 - 0.5 / 1.0) + (1.0 - 1.5 / 2.0);
        assert!((found - expected).abs() < 1e-5, "{found}, not {expected}");
    }

    #[test]
    fn the_residual_is_a_mean_over_pixels() {
        let without = value("kind = 'arbt'\nresidual_weight = 0", &batch());
        for (gamma, expected) in [(1.0, 2.0 / 3.0), (2.0, 0.25)] {
            // |P - G| is 1/2, 1/4, 1/4, for both classes
            let text = format!("kind = 'arbt'\nresidual_weight = 2\nresidual_gamma = {gamma:?}");
            let found = (value(&text, &batch()) - without) / 2.0;
            assert!(
                (found - expected).abs() < 1e-5,
                "gamma {gamma}: {found}, not {expected}"
            );
        }
    }

    /// How much the loss falls per probability given to a missed pixel of a rare class, and how much it rises per
    /// probability given to a false alarm, with 3/4 of a pixel missed and 3/4 of a pixel falsely found.
    fn miss_and_false_alarm(orientation: ArbtOrientation) -> (f32, f32) {
        let device = Device::flex().autodiff();
        let names = ["common", "rare"].map(String::from);
        let classes = Classes::new(&[900, 100], &names, &[], &device).expect("two classes");
        let config = ArbtConfig {
            orientation,
            ..ArbtConfig::default()
        };
        let missed = Tensor::<1>::from_floats([0.0, 0.25], &device).require_grad();
        let alarm = Tensor::<1>::from_floats([0.0, 0.75], &device).require_grad();
        let found = missed.clone() + 10.0;
        let overlap = Overlap {
            true_positive: found.clone(),
            predicted: found + alarm.clone(),
            labelled: Tensor::from_floats([11.0, 11.0], &device),
            present: Tensor::from_floats([0.0, 1.0], &device),
        };
        let gradients = config.init(&classes).tversky(&overlap).backward();
        let of = |leaf: &Tensor<1>| leaf.grad(&gradients).expect("gradient").sum().into_scalar::<f32>();
        (-of(&missed), of(&alarm))
    }

    #[test]
    fn at_equal_mass_the_orientation_decides_which_error_of_a_rare_class_counts() {
        let (recall_miss, recall_alarm) = miss_and_false_alarm(ArbtOrientation::RecallWeighted);
        let (written_miss, written_alarm) = miss_and_false_alarm(ArbtOrientation::AsWritten);
        assert!(recall_miss > recall_alarm, "{recall_miss} and {recall_alarm}");
        assert!(written_miss < written_alarm, "{written_miss} and {written_alarm}");
        assert!(recall_miss > written_miss, "{recall_miss} and {written_miss}");
    }
}
