//! What a step of training cost.

use burn::tensor::Tensor;

use crate::loss::Loss;

/// The results of a step, on the host.
#[derive(Debug, Clone, Default)]
pub(super) struct StepLoss {
    pub(super) total: f64,
    pub(super) main: f64,
    pub(super) auxiliary: Option<f64>,
    /// Parts of the main loss, by name.
    pub(super) terms: Vec<(String, f64)>,
}

impl StepLoss {
    pub(super) fn of(loss: Loss) -> Self {
        Self {
            total: scalar(loss.total),
            main: scalar(loss.main),
            auxiliary: loss.auxiliary.map(scalar),
            terms: loss
                .terms
                .into_iter()
                .chain(loss.deep.map(|deep| ("deep_supervision", deep)))
                .chain(loss.consistency.map(|consistency| ("consistency", consistency)))
                .map(|(name, value)| (name.to_owned(), scalar(value)))
                .collect(),
        }
    }

    pub(super) fn mean(losses: Vec<(Self, f64)>) -> Self {
        let whole: f64 = losses.iter().map(|(_, weight)| weight).sum();
        let mut mean = Self::default();
        for (loss, weight) in losses {
            let share = if whole > 0.0 { weight / whole } else { 0.0 };
            mean.total += share * loss.total;
            mean.main += share * loss.main;
            if let Some(auxiliary) = loss.auxiliary {
                *mean.auxiliary.get_or_insert(0.0) += share * auxiliary;
            }
            if mean.terms.is_empty() {
                mean.terms = loss.terms.iter().map(|(name, _)| (name.clone(), 0.0)).collect();
            }
            for ((_, sum), (_, value)) in mean.terms.iter_mut().zip(&loss.terms) {
                *sum += share * value;
            }
        }
        mean
    }
}

/// A tensor of one number, on the host.
pub(super) fn scalar(tensor: Tensor<1>) -> f64 {
    f64::from(tensor.inner().into_scalar::<f32>())
}
