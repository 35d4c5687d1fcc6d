//! Binary cross entropy of each class against the rest.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::Term;
use super::classes::{ClassRef, Classes, PerClass, indicator};
use super::prediction::Prediction;
use crate::error::Result;

/// Settings of the binary cross entropy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BceConfig {
    /// Weight of a class's own pixels: one number, or one per class of the dataset.
    pub pos_weight: PerClass,
    /// Weight of the other pixels: one number, or one per class of the dataset.
    pub neg_weight: PerClass,
    /// The classes whose channels count, by name or index; an empty list means all.
    pub classes: Vec<ClassRef>,
}

impl Default for BceConfig {
    fn default() -> Self {
        Self {
            pos_weight: PerClass::All(1.0),
            neg_weight: PerClass::All(1.0),
            classes: Vec::new(),
        }
    }
}

impl BceConfig {
    pub(super) fn check(&self) -> Result<()> {
        self.pos_weight.check("pos_weight")?;
        self.neg_weight.check("neg_weight")
    }

    pub(super) fn init(&self, classes: &Classes) -> Result<Bce> {
        Ok(Bce {
            weights: BinaryWeights::new(&self.pos_weight, &self.neg_weight, &self.classes, classes)?,
        })
    }
}

/// Weights of a loss of one class against the rest.
pub struct BinaryWeights {
    /// Weights of a class's own pixels, 0 for a channel that does not count, `[1, classes, 1, 1]`.
    positive: Tensor<4>,
    /// Weights of the other pixels, likewise.
    negative: Tensor<4>,
    /// How many channels count.
    channels: usize,
}

impl BinaryWeights {
    /// Resolves the weights for the dataset's classes. A class that the loss ignores keeps its channel: it has no pixel of its own, so the
    /// channel learns to stay below the others, as it does under a softmax.
    ///
    /// # Errors
    /// If a list of weights is not as long as that of the classes, or if a class is unknown.
    pub fn new(positive: &PerClass, negative: &PerClass, selection: &[ClassRef], classes: &Classes) -> Result<Self> {
        let counted = match selection {
            [] => vec![true; classes.len()],
            selection => classes.counted(selection)?,
        };
        let plane = |weight: &PerClass, key| -> Result<Tensor<4>> {
            let weights = weight.resolve(key, classes.len())?;
            let weights: Vec<f32> = weights.iter().zip(indicator(&counted)).map(|(w, c)| w * c).collect();
            Ok(classes.plane(&weights))
        };
        Ok(Self {
            positive: plane(positive, "pos_weight")?,
            negative: plane(negative, "neg_weight")?,
            channels: counted.iter().filter(|&&counted| counted).count(),
        })
    }

    /// The weighted mean of `per_pixel`, `[batch, classes, h, w]`, over scored pixels and counted channels, `[1]`. As in torch's
    /// `pos_weight`, weights only multiply; the mean is not divided by them.
    pub fn mean(&self, per_pixel: Tensor<4>, prediction: &Prediction) -> Tensor<1> {
        let target = prediction.target;
        let own = target.one_hot();
        let others = target.scored.clone() - own.clone();
        let weight = own * self.positive.clone() + others * self.negative.clone();
        (per_pixel * weight).sum() / target.count.clone().mul_scalar(self.channels as f64)
    }
}

/// `mean_i mean_c -[p_c G log s(x) + n_c (1 - G) log(1 - s(x))]` over scored pixels and the selected channels, s the
/// sigmoid and x the main head's logits.
///
/// With one class, this is the usual sigmoid loss. With several classes it is the same loss for each of them against the rest; the class
/// with the largest logit is still the one with the largest probability.
pub struct Bce {
    weights: BinaryWeights,
}

impl Term for Bce {
    fn forward(&self, prediction: &Prediction) -> Tensor<1> {
        self.weights.mean(prediction.log_true_binary(), prediction).neg()
    }
}

#[cfg(test)]
mod tests {
    use crate::loss::properties::{Batch, value};

    /// One pixel of class 1, sigmoids 1/2 and 3/4.
    fn batch() -> Batch {
        Batch::row(2, &[0.0, 3f32.ln()], &[Some(1)])
    }

    #[test]
    fn each_class_stands_against_the_rest() {
        let found = value("kind = 'bce'", &batch());
        let expected = -(0.5f32.ln() + 0.75f32.ln()) / 2.0;
        assert!((found - expected).abs() < 1e-6, "{found}, not {expected}");
    }

    #[test]
    fn own_pixels_and_other_pixels_have_their_weights() {
        let found = value("kind = 'bce'\npos_weight = [7, 3]\nneg_weight = 0.5", &batch());
        let expected = -(0.5 * 0.5f32.ln() + 3.0 * 0.75f32.ln()) / 2.0;
        assert!((found - expected).abs() < 1e-6, "{found}, not {expected}");
    }

    #[test]
    fn one_class_may_be_all_that_counts() {
        let found = value("kind = 'bce'\nclasses = ['class1']", &batch());
        assert!((found + 0.75f32.ln()).abs() < 1e-6, "{found}");
    }
}
