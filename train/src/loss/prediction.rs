//! What the terms share: labels as one-hot planes, probabilities, and sums per class. Each is computed when it is first needed.

use std::cell::OnceCell;

use burn::tensor::activation::{log_sigmoid, log_softmax, sigmoid};
use burn::tensor::{Device, Int, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use super::Labels;

/// How logits become probabilities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// Over the classes: they sum to 1.
    #[default]
    Softmax,
    /// Each class against the rest.
    Sigmoid,
}

/// `indices` as channels, `[1, n, 1, 1]`.
pub fn channel_indices(indices: &[usize], device: &Device) -> Tensor<4, Int> {
    let values: Vec<i32> = indices.iter().map(|&index| index as i32).collect();
    Tensor::from_data(TensorData::new(values, [1, indices.len(), 1, 1]), device)
}

/// The labels of a batch; nothing here has a gradient.
pub struct Target {
    /// `[batch, 1, h, w]`, class indices, 0 where not scored.
    pub classes: Tensor<4, Int>,
    /// `[batch, 1, h, w]`, 1 where scored, else 0.
    pub scored: Tensor<4>,
    /// Scored pixels, at least 1 so that it can divide, `[1]`.
    pub count: Tensor<1>,
    /// Class indices, -1 where not scored, which equals no class.
    marked: Tensor<4, Int>,
    indices: Tensor<4, Int>,
    one_hot: OnceCell<Tensor<4>>,
    labelled: OnceCell<Tensor<1>>,
}

impl Target {
    /// `ignored` are classes whose pixels do not count; `indices` is `[1, classes, 1, 1]`.
    pub fn new(labels: &Labels, ignored: &[usize], indices: Tensor<4, Int>) -> Self {
        let classes = labels.classes.clone();
        let scored = ignored.iter().fold(labels.scored.clone(), |scored, &class| {
            scored.bool_and(classes.clone().not_equal_scalar(class as i64))
        });
        let marked = classes.clone().mask_fill(scored.clone().bool_not(), -1);
        let scored = scored.float();
        Self {
            count: scored.clone().sum().clamp_min(1.0),
            classes,
            scored,
            marked,
            indices,
            one_hot: OnceCell::new(),
            labelled: OnceCell::new(),
        }
    }

    /// 1 where a scored pixel has the class of the channel, for the classes `indices`, `[1, n, 1, 1]`.
    ///
    /// # Shapes
    /// - output: `[batch, n, h, w]`
    pub fn is_class(&self, indices: Tensor<4, Int>) -> Tensor<4> {
        self.marked.clone().equal(indices).float()
    }

    /// 1 in the channel of a scored pixel's class, else 0, `[batch, classes, h, w]`.
    pub fn one_hot(&self) -> Tensor<4> {
        let one_hot = || self.is_class(self.indices.clone());
        self.one_hot.get_or_init(one_hot).clone()
    }

    /// Scored pixels of each class, `[classes]`.
    pub fn labelled(&self) -> Tensor<1> {
        self.labelled.get_or_init(|| sum_per_class(self.one_hot())).clone()
    }

    /// The number of each scored pixel's class, 0 where not scored, `[batch, 1, h, w]`; `per_class` is `[classes]`.
    pub fn weight_map(&self, per_class: Tensor<1>) -> Tensor<4> {
        let weights = per_class.select(0, self.classes.clone().flatten::<1>(0, 3));
        weights.reshape(self.classes.dims()) * self.scored.clone()
    }
}

/// Pixel sums per class over a batch, `[classes]` each.
#[derive(Clone)]
pub struct Overlap {
    /// `sum_i P G`, P the probability and G the label.
    pub true_positive: Tensor<1>,
    /// `sum_i P`
    pub predicted: Tensor<1>,
    /// `sum_i G`
    pub labelled: Tensor<1>,
    /// 1 for a class that is in the batch, in the labels or in the prediction, else 0.
    ///
    /// A class is in the prediction if its probabilities over the scored pixels sum to half a pixel or more. The gradient sees this as a
    /// constant: a class comes in or drops out as a whole.
    pub present: Tensor<1>,
}

/// Probability, in pixels, from which a class counts as predicted.
const PRESENT_FROM_PX: f32 = 0.5;

impl Overlap {
    fn new(probability: Tensor<4>, target: &Target) -> Self {
        let labelled = target.labelled();
        let predicted = sum_per_class(probability.clone());
        let is_predicted = predicted.clone().greater_equal_scalar(PRESENT_FROM_PX);
        let is_labelled = labelled.clone().greater_scalar(0.0);
        Self {
            true_positive: sum_per_class(probability * target.one_hot()),
            present: is_predicted.bool_or(is_labelled).float(),
            predicted,
            labelled,
        }
    }

    /// `sum_i P (1 - G)`
    pub fn false_positive(&self) -> Tensor<1> {
        self.predicted.clone() - self.true_positive.clone()
    }

    /// `sum_i (1 - P) G`
    pub fn false_negative(&self) -> Tensor<1> {
        self.labelled.clone() - self.true_positive.clone()
    }

    /// The mean of `per_class` over the classes that are both present and `counted` (1 or 0), `[1]`; 0 if there is
    /// none.
    pub fn mean_of_present(&self, per_class: Tensor<1>, counted: &Tensor<1>) -> Tensor<1> {
        let present = self.present.clone() * counted.clone();
        let classes = present.clone().sum().clamp_min(1.0);
        (per_class * present).sum() / classes
    }
}

/// The main head's output for a batch.
pub struct Prediction<'a> {
    /// The labels that it is compared with.
    pub target: &'a Target,
    logits: Tensor<4>,
    log_softmax: OnceCell<Tensor<4>>,
    log_true_class: OnceCell<Tensor<4>>,
    log_true_binary: OnceCell<Tensor<4>>,
    softmax: OnceCell<Tensor<4>>,
    sigmoid: OnceCell<Tensor<4>>,
    softmax_overlap: OnceCell<Overlap>,
    sigmoid_overlap: OnceCell<Overlap>,
}

impl<'a> Prediction<'a> {
    /// `logits` is `[batch, classes, h, w]`, at the labels' resolution.
    pub fn new(logits: Tensor<4>, target: &'a Target) -> Self {
        Self {
            target,
            logits,
            log_softmax: OnceCell::new(),
            log_true_class: OnceCell::new(),
            log_true_binary: OnceCell::new(),
            softmax: OnceCell::new(),
            sigmoid: OnceCell::new(),
            softmax_overlap: OnceCell::new(),
            sigmoid_overlap: OnceCell::new(),
        }
    }

    /// Logarithms of the softmax, `[batch, classes, h, w]`.
    pub fn log_softmax(&self) -> Tensor<4> {
        let compute = || log_softmax(self.logits.clone(), 1);
        self.log_softmax.get_or_init(compute).clone()
    }

    /// Logarithm of the softmax probability of each pixel's own class, `[batch, 1, h, w]`; meaningless where not
    /// scored.
    pub fn log_true_class(&self) -> Tensor<4> {
        let compute = || self.log_softmax().gather(1, self.target.classes.clone());
        self.log_true_class.get_or_init(compute).clone()
    }

    /// Logarithm of the probability that the sigmoid of each channel gives to the truth, "this class" or "not this
    /// class", `[batch, classes, h, w]`; meaningless where not scored.
    pub fn log_true_binary(&self) -> Tensor<4> {
        let compute = || log_true_binary(self.logits.clone(), self.target.one_hot());
        self.log_true_binary.get_or_init(compute).clone()
    }

    /// Probabilities, 0 where not scored, `[batch, classes, h, w]`.
    pub fn scored_probability(&self, activation: Activation) -> Tensor<4> {
        let scored = || self.target.scored.clone();
        match activation {
            Activation::Softmax => self.softmax.get_or_init(|| self.log_softmax().exp() * scored()),
            Activation::Sigmoid => self.sigmoid.get_or_init(|| sigmoid(self.logits.clone()) * scored()),
        }
        .clone()
    }

    /// Sums per class.
    pub fn overlap(&self, activation: Activation) -> Overlap {
        let cell = match activation {
            Activation::Softmax => &self.softmax_overlap,
            Activation::Sigmoid => &self.sigmoid_overlap,
        };
        cell.get_or_init(|| Overlap::new(self.scored_probability(activation), self.target))
            .clone()
    }
}

/// `log sigmoid(x)` where `truth` is 1 and `log sigmoid(-x)` where it is 0, which avoids the logarithm of a difference.
pub fn log_true_binary(logits: Tensor<4>, truth: Tensor<4>) -> Tensor<4> {
    let sign = truth.mul_scalar(2.0).sub_scalar(1.0);
    log_sigmoid(logits * sign)
}

/// Sums over batch and pixels.
///
/// # Shapes
/// - `map`: `[batch, classes, h, w]`
/// - output: `[classes]`
fn sum_per_class(map: Tensor<4>) -> Tensor<1> {
    let [_, classes, _, _] = map.dims();
    // Summing axis by axis keeps the gradient a view of one number per class, which a reshape would write out.
    map.sum_dim(3).sum_dim(2).sum_dim(0).reshape([classes])
}

/// The smallest base of a power whose derivative is needed: below an exponent of 1 the derivative is infinite at 0, and infinity times 0 is
/// not a number. For a smaller base, the power is constant.
const LEAST_BASE: f32 = 1e-6;

/// `base^exponent` for a base of 0 or more, with a finite gradient.
pub fn power<const D: usize>(base: Tensor<D>, exponent: f64) -> Tensor<D> {
    if exponent == 1.0 {
        base
    } else if exponent > 1.0 {
        base.powf_scalar(exponent)
    } else {
        base.clamp_min(LEAST_BASE).powf_scalar(exponent)
    }
}
