//! Agreement with what another network makes of the same pixels, seen differently (Mean Teacher: Tarvainen and Valpola 2017, section 3; its
//! consistency cost, as a cross entropy).

use burn::tensor::Tensor;
use burn::tensor::activation::{log_sigmoid, log_softmax};
use serde::{Deserialize, Serialize};

use crate::error::{Result, ensure};

/// The `[loss.consistency]` section: the averaged network sees each batch turned, mirrored and shifted, and the network in training learns to
/// say the same of each pixel. Pixels without a label count too, but where a step has several batches or devices, each of these counts by its labelled
/// pixels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ConsistencySection {
    /// Weight of the term.
    pub weight: f64,
    /// The averaged network's view is shifted by at most this many pixels along each axis.
    pub shift_px: usize,
}

impl Default for ConsistencySection {
    fn default() -> Self {
        Self {
            weight: 1.0,
            shift_px: 16,
        }
    }
}

impl ConsistencySection {
    /// # Errors
    /// If a value means nothing for crops of `crop_px`; the message names its key.
    pub fn check(&self, crop_px: usize) -> Result<()> {
        ensure!(
            Recipe,
            self.weight.is_finite() && self.weight > 0.0,
            "loss.consistency.weight is {}; it must be positive",
            self.weight
        );
        ensure!(
            Recipe,
            self.shift_px < crop_px,
            "loss.consistency.shift_px is {}, which leaves nothing in common of crops of {crop_px} pixels",
            self.shift_px
        );
        Ok(())
    }
}

/// What the averaged network makes of a batch, at the labels' resolution; nothing here has a gradient.
pub struct Guide {
    /// Probabilities of the classes, `[batch, classes, h, w]`.
    pub main: Tensor<4>,
    /// Probabilities of the rare classes, `[batch, rare, h, w]`.
    pub auxiliary: Option<Tensor<4>>,
    /// 1 where both views show the pixel, else 0, `[1, 1, h, w]`.
    pub shared: Tensor<4>,
}

impl Guide {
    /// `mean_i [-sum_c T_ic log P_ic - sum_r (U_ir log S_ir + (1 - U_ir) log(1 - S_ir))]` over the shared pixels `i`, `[1]`, where `T` and `U` are the
    /// guide's probabilities, `P` the softmax of `main` and `S` the sigmoid of `auxiliary`.
    ///
    /// # Shapes
    /// - `main`: `[batch, classes, h, w]`
    /// - `auxiliary`: `[batch, rare, h, w]`
    pub fn disagreement(&self, main: Tensor<4>, auxiliary: Option<Tensor<4>>) -> Tensor<1> {
        let [batch, ..] = main.dims();
        let count = self.shared.clone().sum().mul_scalar(batch as f64);
        let mut cost = (log_softmax(main, 1) * self.main.clone()).sum_dim(1).neg();
        if let (Some(logits), Some(truth)) = (auxiliary, &self.auxiliary) {
            // log S - log(1 - S) is the logit itself.
            let cost_of_rare = (log_sigmoid(logits.clone().neg()) + logits * truth.clone()).neg();
            cost = cost + cost_of_rare.sum_dim(1);
        }
        (cost * self.shared.clone()).sum() / count
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::activation::{sigmoid, softmax};
    use burn::tensor::{Device, Distribution};

    use super::*;

    fn value(tensor: Tensor<1>) -> f64 {
        f64::from(tensor.into_scalar::<f32>())
    }

    #[test]
    fn it_is_least_where_both_say_the_same() {
        let device = Device::flex();
        let random = |channels| Tensor::<4>::random([2, channels, 4, 5], Distribution::Normal(0.0, 2.0), &device);
        let (main, auxiliary) = (random(3), random(2));
        let guide = Guide {
            main: softmax(main.clone(), 1),
            auxiliary: Some(sigmoid(auxiliary.clone())),
            shared: Tensor::ones([1, 1, 4, 5], &device),
        };
        let least = value(guide.disagreement(main.clone(), Some(auxiliary.clone())));
        for _ in 0..20 {
            let (moved, moved_rare) = (main.clone() + random(3) * 0.1, auxiliary.clone() + random(2) * 0.1);
            assert!(value(guide.disagreement(moved, Some(auxiliary.clone()))) > least);
            assert!(value(guide.disagreement(main.clone(), Some(moved_rare))) > least);
        }
    }

    #[test]
    fn it_is_the_mean_cross_entropy_of_the_shared_pixels() {
        let device = Device::flex();
        let main = Tensor::<4>::from_data([[[[0.0, 5.0]], [[0.0, -3.0]]]], &device);
        let auxiliary = Tensor::<4>::from_data([[[[1.0, 9.0]]]], &device);
        let guide = Guide {
            main: Tensor::from_data([[[[0.25, 1.0]], [[0.75, 0.0]]]], &device),
            auxiliary: Some(Tensor::from_data([[[[0.5, 0.0]]]], &device)),
            shared: Tensor::from_data([[[[1.0, 0.0]]]], &device),
        };
        let expected = 2.0_f64.ln() + 0.5 * (1.0 + (-1.0_f64).exp()).ln() + 0.5 * (1.0 + 1.0_f64.exp()).ln();
        let found = value(guide.disagreement(main, Some(auxiliary)));
        assert!((found - expected).abs() < 1e-6, "{found} for {expected}");
    }
}
