//! Class weights from the training split's pixel counts.

use serde::{Deserialize, Serialize};

use crate::error::{Result, ensure};

/// A rule for class weights, by the class's share `f_c` of the training split's pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FrequencyRule {
    /// All weights are 1.
    None,
    /// Proportional to `f_c^-0.5`.
    InverseSqrt,
    /// Proportional to `1 / f_c`, as in the published U-Net with squeeze-and-excitation and multipath U-Net (docs/sources.md).
    Inverse,
}

/// Class weights: a rule, or one number per class in the dataset's order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "class_weights must be \"none\", \"inverse_sqrt\", \"inverse\" or a list of one number per class"
)]
pub enum ClassWeights {
    /// By frequency: capped, with mean 1 over the pixels, and 0 for a class that does not occur.
    Rule(FrequencyRule),
    /// The numbers as they stand.
    Explicit(Vec<f64>),
}

impl Default for ClassWeights {
    fn default() -> Self {
        Self::Rule(FrequencyRule::None)
    }
}

impl ClassWeights {
    /// Checks what needs no dataset: `cap` is the largest weight over the smallest, for the rules.
    ///
    /// # Errors
    /// If `cap` is below 1, or if a weight is negative or all are 0.
    pub fn check(&self, cap: f64) -> Result<()> {
        ensure!(
            Recipe,
            cap >= 1.0 && cap.is_finite(),
            "class_weight_cap is {cap}; it must be at least 1"
        );
        if let Self::Explicit(weights) = self {
            ensure!(
                Recipe,
                weights.iter().all(|weight| weight.is_finite() && *weight >= 0.0),
                "class_weights must not be negative: {weights:?}"
            );
            ensure!(
                Recipe,
                weights.iter().any(|weight| *weight > 0.0),
                "class_weights are all 0, so that nothing would be learned"
            );
        }
        Ok(())
    }

    /// One weight per class, computed from its pixels in the training split.
    ///
    /// # Errors
    /// If explicit weights are not as many as the classes.
    pub fn resolve(&self, cap: f64, pixels: &[u64]) -> Result<Vec<f32>> {
        match self {
            Self::Rule(rule) => Ok(by_frequency(*rule, cap as f32, pixels)),
            Self::Explicit(weights) => {
                ensure!(
                    Recipe,
                    weights.len() == pixels.len(),
                    "class_weights has {} numbers, but the dataset has {} classes",
                    weights.len(),
                    pixels.len()
                );
                Ok(weights.iter().map(|weight| *weight as f32).collect())
            }
        }
    }
}

/// Weights with mean 1 over the pixels, none above `cap` times the smallest, 0 for a class that does not occur.
fn by_frequency(rule: FrequencyRule, cap: f32, pixels: &[u64]) -> Vec<f32> {
    let total: u64 = pixels.iter().sum();
    let share = |count: u64| count as f32 / total.max(1) as f32;
    let raw: Vec<f32> = pixels
        .iter()
        .map(|&count| match (count, rule) {
            (0, _) => 0.0,
            (_, FrequencyRule::None) => 1.0,
            (_, FrequencyRule::InverseSqrt) => share(count).powf(-0.5),
            (_, FrequencyRule::Inverse) => 1.0 / share(count),
        })
        .collect();
    let occurring = raw.iter().copied().filter(|&weight| weight > 0.0);
    let least = occurring.fold(f32::INFINITY, f32::min);
    let capped: Vec<f32> = raw.iter().map(|weight| weight.min(least * cap)).collect();
    let mean: f32 = capped
        .iter()
        .zip(pixels)
        .map(|(weight, &count)| weight * count as f32 / total.max(1) as f32)
        .sum();
    capped
        .iter()
        .map(|weight| if mean > 0.0 { weight / mean } else { 0.0 })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn class_weights_have_mean_one_over_the_pixels_and_a_cap() {
        let pixels = [9_000, 990, 10, 0];
        let weights = ClassWeights::Rule(FrequencyRule::Inverse)
            .resolve(10.0, &pixels)
            .expect("weights");
        let mean: f32 = weights.iter().zip(pixels).map(|(w, n)| w * n as f32 / 10_000.0).sum();
        assert!((mean - 1.0).abs() < 1e-5);
        assert!((weights[2] / weights[0] - 10.0).abs() < 1e-4, "capped");
        assert_eq!(weights[3], 0.0);
    }

    #[test]
    fn the_square_root_rule_halves_the_exponent() {
        let weights = ClassWeights::Rule(FrequencyRule::InverseSqrt)
            .resolve(100.0, &[64, 4])
            .expect("weights");
        // raw 1/sqrt(f): in the ratio of sqrt(64 / 4)
        assert!((weights[1] / weights[0] - 4.0).abs() < 1e-5);
    }

    #[test]
    fn a_split_without_labels_has_weights_of_zero() {
        let weights = ClassWeights::default().resolve(10.0, &[0, 0]).expect("weights");
        assert_eq!(weights, [0.0, 0.0]);
    }

    #[test]
    fn explicit_weights_stand_as_they_are_and_need_one_number_per_class() {
        let weights = ClassWeights::Explicit(vec![0.0, 1.5, 30.0]);
        assert_eq!(weights.resolve(10.0, &[5, 5, 0]).expect("three"), [0.0, 1.5, 30.0]);
        let error = weights.resolve(10.0, &[5, 5]).expect_err("two classes").to_string();
        assert!(error.contains("class_weights has 3 numbers"), "{error}");
        assert!(ClassWeights::Explicit(vec![0.0, 0.0]).check(10.0).is_err());
        assert!(ClassWeights::Explicit(vec![1.0, -1.0]).check(10.0).is_err());
        assert!(ClassWeights::default().check(0.5).is_err());
    }
}
