//! What training minimizes: cross entropy of the main head, binary cross entropy of the auxiliary head.

use burn::tensor::activation::{log_sigmoid, log_softmax};
use burn::tensor::{Bool, Int, Tensor};
use raremap_model::DualLogits;
use raremap_model::upsample::upsample_bilinear;

use crate::config::{ClassWeights, LossSection};

/// Class weights from the training split's pixel counts: mean 1 over the pixels, 0 for a class that does not occur.
pub fn class_weights(config: &LossSection, pixels: &[u64]) -> Vec<f32> {
    let total: u64 = pixels.iter().sum();
    let raw: Vec<f32> = pixels
        .iter()
        .map(|&count| {
            let share = count as f32 / total.max(1) as f32;
            match (count, config.class_weights) {
                (0, _) => 0.0,
                (_, ClassWeights::None) => 1.0,
                (_, ClassWeights::InverseSqrt) => share.powf(-0.5),
                (_, ClassWeights::Inverse) => 1.0 / share,
            }
        })
        .collect();
    let least = raw
        .iter()
        .copied()
        .filter(|&weight| weight > 0.0)
        .fold(f32::INFINITY, f32::min);
    let capped: Vec<f32> = raw
        .iter()
        .map(|weight| weight.min(least * config.class_weight_cap))
        .collect();
    let mean: f32 = capped
        .iter()
        .zip(pixels)
        .map(|(w, &n)| w * n as f32 / total.max(1) as f32)
        .sum();
    capped
        .iter()
        .map(|weight| if mean > 0.0 { weight / mean } else { 0.0 })
        .collect()
}

/// The two parts and their weighted sum.
pub struct Loss {
    /// To differentiate, `[1]`.
    pub total: Tensor<1>,
    /// Cross entropy, weighted by class, `[1]`.
    pub main: Tensor<1>,
    /// Binary cross entropy, mean over pixels and summed over rare classes, `[1]`; absent without an auxiliary head.
    pub auxiliary: Option<Tensor<1>>,
}

/// Labels of a batch on the device.
pub struct Labels {
    /// `[batch, 1, h, w]`, class indices, 0 where not scored.
    pub classes: Tensor<4, Int>,
    /// `[batch, 1, h, w]`, true where scored.
    pub scored: Tensor<4, Bool>,
}

/// Computes the loss at the labels' resolution: logits are upsampled first, as Hugging Face does.
///
/// The cross entropy is `sum_i w_{y_i} CE_i / sum_i w_{y_i}` over scored pixels (torch's weighted mean). The auxiliary loss is
/// `sum_r mean_i BCE(S_r, 1(y = r))`. Softmax and sigmoid are applied here and nowhere else. Without a scored pixel both are 0.
///
/// `weights` is `[classes]`; `rare` are the class indices of the auxiliary head's channels.
pub fn loss(logits: DualLogits, labels: &Labels, weights: &Tensor<1>, rare: &[usize], auxiliary_weight: f64) -> Loss {
    let [_, _, height, width] = labels.classes.dims();
    let [classes] = weights.dims();
    let main = upsample_bilinear(logits.main, [height, width]);
    let picked = log_softmax(main, 1).gather(1, labels.classes.clone());
    let flat_labels = labels.classes.clone().flatten::<1>(0, 3);
    debug_assert!(classes > 0);
    let weight = weights.clone().select(0, flat_labels).reshape(labels.classes.dims());
    let weight = weight.mask_fill(labels.scored.clone().bool_not(), 0.0);
    let norm = weight.clone().sum().clamp_min(f32::MIN_POSITIVE);
    let main = (picked * weight).sum().neg() / norm;
    let Some(auxiliary) = logits.auxiliary else {
        return Loss {
            total: main.clone(),
            main,
            auxiliary: None,
        };
    };
    let auxiliary = upsample_bilinear(auxiliary, [height, width]);
    let scored = labels.scored.clone().float();
    let count = scored.clone().sum().clamp_min(1.0);
    let mut sum: Option<Tensor<1>> = None;
    for (channel, &class) in rare.iter().enumerate() {
        let logit = auxiliary.clone().narrow(1, channel, 1);
        let target = labels.classes.clone().equal_scalar(class as i64).float();
        // -[t log s(x) + (1 - t) log s(-x)], and log s(-x) = log s(x) - x
        let per_pixel = (log_sigmoid(logit.clone()) - (target.neg().add_scalar(1.0)) * logit).neg();
        let part = (per_pixel * scored.clone()).sum() / count.clone();
        sum = Some(match sum {
            Some(sum) => sum + part,
            None => part,
        });
    }
    match sum {
        Some(auxiliary) => Loss {
            total: main.clone() + auxiliary.clone().mul_scalar(auxiliary_weight),
            main,
            auxiliary: Some(auxiliary),
        },
        None => Loss {
            total: main.clone(),
            main,
            auxiliary: None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Device, TensorData};

    fn labels(values: &[i64], scored: &[bool], device: &Device) -> Labels {
        Labels {
            classes: Tensor::from_data(TensorData::new(values.to_vec(), [1, 1, 1, values.len()]), device),
            scored: Tensor::from_data(TensorData::new(scored.to_vec(), [1, 1, 1, values.len()]), device),
        }
    }

    fn logits(main: &[f32], classes: usize, auxiliary: &[f32], device: &Device) -> DualLogits {
        let pixels = main.len() / classes;
        let shape = |channels| [1, channels, 1, pixels];
        DualLogits {
            main: Tensor::from_data(TensorData::new(main.to_vec(), shape(classes)), device),
            auxiliary: Some(Tensor::from_data(TensorData::new(auxiliary.to_vec(), shape(1)), device)),
            deep: Vec::new(),
        }
    }

    #[test]
    fn hand_computed_values() {
        let device = Device::flex();
        // two pixels, two classes: pixel 0 has logits (0, 0), pixel 1 has (0, ln 3)
        let logits = logits(&[0.0, 0.0, 0.0, 3f32.ln()], 2, &[0.0, 0.0], &device);
        let weights = Tensor::from_floats([1.0, 3.0], &device);
        let loss = loss(logits, &labels(&[0, 1], &[true, true], &device), &weights, &[1], 2.0);
        // (1 * ln 2 + 3 * -ln(3/4)) / 4
        let main = (2f32.ln() - 3.0 * 0.75f32.ln()) / 4.0;
        assert!((loss.main.into_scalar::<f32>() - main).abs() < 1e-6);
        assert!((loss.auxiliary.expect("aux").into_scalar::<f32>() - 2f32.ln()).abs() < 1e-6);
        assert!((loss.total.into_scalar::<f32>() - main - 2.0 * 2f32.ln()).abs() < 1e-6);
    }

    #[test]
    fn pixels_not_scored_change_nothing() {
        let device = Device::flex();
        let weights = Tensor::from_floats([1.0, 1.0], &device);
        let of = |noise: f32| {
            let logits = logits(&[0.5, noise, -0.5, 7.0], 2, &[1.0, noise], &device);
            let loss = loss(logits, &labels(&[0, 0], &[true, false], &device), &weights, &[1], 1.0);
            loss.total.into_scalar::<f32>()
        };
        assert_eq!(of(0.0), of(100.0));
    }

    #[test]
    fn a_tile_without_labels_costs_nothing_and_has_a_finite_gradient() {
        let device = Device::flex().autodiff();
        let main = Tensor::<4>::ones([1, 2, 1, 2], &device).require_grad();
        let logits = DualLogits {
            main: main.clone(),
            auxiliary: Some(Tensor::ones([1, 1, 1, 2], &device)),
            deep: Vec::new(),
        };
        let weights = Tensor::from_floats([1.0, 1.0], &device);
        let loss = loss(logits, &labels(&[0, 0], &[false, false], &device), &weights, &[1], 1.0);
        let gradients = loss.total.backward();
        assert_eq!(loss.total.into_scalar::<f32>(), 0.0);
        let gradient = main
            .grad(&gradients)
            .expect("gradient")
            .abs()
            .sum()
            .into_scalar::<f32>();
        assert_eq!(gradient, 0.0);
    }

    #[test]
    fn extreme_logits_stay_finite() {
        let device = Device::flex();
        let weights = Tensor::from_floats([1.0, 1.0], &device);
        let logits = logits(&[1e4, -1e4, -1e4, 1e4], 2, &[1e4, -1e4], &device);
        let loss = loss(logits, &labels(&[1, 0], &[true, true], &device), &weights, &[1], 1.0);
        assert!(loss.total.into_scalar::<f32>().is_finite());
    }

    #[test]
    fn class_weights_have_mean_one_over_the_pixels_and_a_cap() {
        let config = LossSection {
            class_weights: ClassWeights::Inverse,
            ..LossSection::default()
        };
        let pixels = [9_000, 990, 10, 0];
        let weights = class_weights(&config, &pixels);
        let mean: f32 = weights.iter().zip(pixels).map(|(w, n)| w * n as f32 / 10_000.0).sum();
        assert!((mean - 1.0).abs() < 1e-5);
        assert!((weights[2] / weights[0] - 10.0).abs() < 1e-4, "capped");
        assert_eq!(weights[3], 0.0);
    }
}
