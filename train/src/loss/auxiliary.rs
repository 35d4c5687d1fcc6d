//! Loss of the auxiliary saliency head.

use burn::tensor::{Int, Tensor};

use super::classes::{Classes, PerClass};
use super::prediction::{Target, channel_indices, log_true_binary};
use crate::error::{Result, ensure};

/// `sum_r mean_i -[p_r 1(Y_i = r) log S_i^r + (1 - 1(Y_i = r)) log(1 - S_i^r)]` over scored pixels, S the sigmoid of the auxiliary logits
/// and r the rare classes. (With p = 1, this is the auxiliary loss of the spatial-aware SegFormer.)
pub struct Auxiliary {
    /// Classes of the channels, `[1, rare, 1, 1]`.
    rare: Tensor<4, Int>,
    /// `p_r - 1`, `[1, rare, 1, 1]`; absent where all are 0.
    extra_weight: Option<Tensor<4>>,
}

impl Auxiliary {
    /// `rare` are the classes of the head's channels, at least one.
    ///
    /// # Errors
    /// If the loss ignores one of them, or if there are other than one weight for each.
    pub fn new(pos_weight: &PerClass, rare: &[usize], classes: &Classes) -> Result<Self> {
        for class in rare {
            ensure!(
                Recipe,
                !classes.ignored.contains(class),
                "loss.ignore_classes contains class {class}, which the auxiliary head looks for"
            );
        }
        let extra: Vec<f32> = pos_weight
            .resolve("loss.auxiliary_pos_weight", rare.len())?
            .iter()
            .map(|weight| weight - 1.0)
            .collect();
        let is_plain = extra.iter().all(|&weight| weight == 0.0);
        Ok(Self {
            rare: channel_indices(rare, classes.device),
            extra_weight: (!is_plain).then(|| classes.tensor(&extra).reshape([1, rare.len(), 1, 1])),
        })
    }

    /// The loss, `[1]`; `logits` is `[batch, rare, h, w]` at the labels' resolution.
    pub fn forward(&self, logits: Tensor<4>, target: &Target) -> Tensor<1> {
        let own = target.is_class(self.rare.clone());
        let log_true = log_true_binary(logits, own.clone());
        let scored = target.scored.clone();
        let weight = match &self.extra_weight {
            None => scored,
            // `own` is 0 where a pixel is not scored.
            Some(extra) => own * extra.clone() + scored,
        };
        (log_true * weight).sum().neg() / target.count.clone()
    }
}
