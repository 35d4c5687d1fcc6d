//! What training minimizes: weighted terms on the main head's logits, and the saliency loss of the auxiliary head.
//!
//! A term is a config that a recipe spells `[[loss.main]] kind = "..."`, an `init` that keeps its class weights on the device, and a
//! `forward` on a `Prediction`. That holds what terms share: softmax, one-hot labels and overlap sums are computed once per batch.
//! Softmax and sigmoid are applied here and nowhere else; logarithms come from `log_softmax` and `log_sigmoid`.
//!
//! Three rules hold for every term. Pixels that are not scored never count. Sums over pixels are sums over the whole batch, never means of
//! images' means. Without a scored pixel, the value and the gradient are 0.

mod arbt;
mod auxiliary;
mod bce;
mod binary_focal;
mod classes;
mod consistency;
mod cross_entropy;
mod dice;
mod focal;
mod frequency;
mod jaccard;
mod prediction;
mod section;
mod tversky;

#[cfg(test)]
mod golden;
#[cfg(test)]
mod properties;

use burn::tensor::{Bool, DType, Device, Int, Tensor};
use raremap_model::{DualLogits, upsample_bilinear};

use auxiliary::Auxiliary;
use classes::Classes;
pub use consistency::{ConsistencySection, Guide};
use prediction::{Prediction, Target};
pub use section::LossSection;

use crate::error::{Context, Result};

/// A term of the loss on the main head.
trait Term: Send {
    /// The value, `[1]`, over the scored pixels of the whole batch.
    fn forward(&self, prediction: &Prediction) -> Tensor<1>;
}

/// Labels of a batch on the device.
pub struct Labels {
    /// `[batch, 1, h, w]`, class indices, 0 where not scored.
    pub classes: Tensor<4, Int>,
    /// `[batch, 1, h, w]`, true where scored.
    pub scored: Tensor<4, Bool>,
}

/// The parts of the loss and their weighted sum.
pub struct Loss {
    /// The total to differentiate, `[1]`.
    pub total: Tensor<1>,
    /// Weighted sum of the main head's terms, `[1]`.
    pub main: Tensor<1>,
    /// Mean over the deeper outputs of the weighted sum of the terms, `[1]`; absent without deeper outputs.
    pub deep: Option<Tensor<1>>,
    /// Loss of the auxiliary head, summed over rare classes, `[1]`; absent without an auxiliary head.
    pub auxiliary: Option<Tensor<1>>,
    /// Disagreement with the averaged network, `[1]`; absent without a guide.
    pub consistency: Option<Tensor<1>>,
    /// The main head's terms before they are weighted, `[1]` each, by kind and in the recipe's order.
    pub terms: Vec<(&'static str, Tensor<1>)>,
}

/// A term with its name and its factor.
struct Weighted {
    name: &'static str,
    weight: f64,
    term: Box<dyn Term>,
}

/// A recipe's loss for a dataset, its class weights on the device.
pub struct Objective {
    terms: Vec<Weighted>,
    auxiliary: Option<Auxiliary>,
    auxiliary_weight: f64,
    deep_supervision_weight: f64,
    consistency_weight: f64,
    /// Indices of the classes, `[1, classes, 1, 1]`.
    indices: Tensor<4, Int>,
    ignored: Vec<usize>,
}

impl Objective {
    /// Prepares a loss.
    ///
    /// `class_pixels` are the training split's pixels per class, and `rare` are the classes of the auxiliary head's channels.
    ///
    /// # Errors
    /// If a key names a class that the dataset does not have, or if its list is not as long as that of the classes; the message names the key.
    pub fn new(
        config: &LossSection,
        class_pixels: &[u64],
        class_names: &[String],
        rare: &[usize],
        device: &Device,
    ) -> Result<Self> {
        config.check()?;
        let classes = Classes::new(class_pixels, class_names, &config.ignore_classes, device)?;
        let init = |entry: &section::WeightedTerm| -> Result<Weighted> {
            let name = entry.term.name();
            let term = entry.term.init(&classes);
            Ok(Weighted {
                name,
                weight: entry.weight,
                term: term.with_context(|| format!("loss.main, kind {name}"))?,
            })
        };
        Ok(Self {
            terms: config.main.iter().map(init).collect::<Result<_>>()?,
            auxiliary: match rare {
                [] => None,
                rare => Some(Auxiliary::new(&config.auxiliary_pos_weight, rare, &classes)?),
            },
            auxiliary_weight: config.auxiliary_weight,
            deep_supervision_weight: config.deep_supervision_weight,
            consistency_weight: config.consistency.as_ref().map_or(0.0, |section| section.weight),
            indices: prediction::channel_indices(&(0..classes.len()).collect::<Vec<_>>(), device),
            ignored: classes.ignored,
        })
    }

    /// Computes the loss at the labels' resolution: logits are upsampled first, as in Hugging Face's SegFormer. Half-precision logits
    /// become f32 here, because sums over a batch do not fit into half precision.
    ///
    /// `total = main + deep_supervision_weight * mean(deep) + auxiliary_weight * auxiliary + consistency.weight * consistency`, where `deep` is the
    /// main loss of each of [`DualLogits::deep`], and `consistency` is the disagreement with `guide`, if there is one.
    ///
    /// # Shapes
    /// - `logits.main`: `[batch, classes, h / c, w / c]`, where `c` is the size of a cell in pixels
    /// - `logits.auxiliary`: `[batch, rare, h / c, w / c]`
    /// - `labels`: `[batch, 1, h, w]`
    pub fn evaluate(&self, logits: DualLogits, labels: &Labels, guide: Option<&Guide>) -> Loss {
        let [_, _, height, width] = labels.classes.dims();
        let full = |logits: Tensor<4>| upsample_bilinear(single_precision(logits), [height, width]);
        let target = Target::new(labels, &self.ignored, self.indices.clone());
        let main_logits = full(logits.main);
        let auxiliary_logits = logits.auxiliary.map(full);
        let consistency = guide.map(|guide| guide.disagreement(main_logits.clone(), auxiliary_logits.clone()));
        let (main, terms) = self.main(main_logits, &target);
        let mut total = main.clone();
        let outputs = logits.deep.len() as f64;
        let deeper = logits.deep.into_iter().map(|logits| self.main(full(logits), &target).0);
        let deep = deeper.reduce(|sum, loss| sum + loss).map(|sum| sum.div_scalar(outputs));
        if let Some(deep) = &deep {
            total = total + deep.clone().mul_scalar(self.deep_supervision_weight);
        }
        let auxiliary = match (&self.auxiliary, auxiliary_logits) {
            (Some(auxiliary), Some(logits)) => Some(auxiliary.forward(logits, &target)),
            _ => None,
        };
        if let Some(auxiliary) = &auxiliary {
            total = total + auxiliary.clone().mul_scalar(self.auxiliary_weight);
        }
        if let Some(consistency) = &consistency {
            total = total + consistency.clone().mul_scalar(self.consistency_weight);
        }
        Loss {
            total,
            main,
            deep,
            auxiliary,
            consistency,
            terms,
        }
    }

    /// The weighted sum of the terms, and the terms.
    fn main(&self, logits: Tensor<4>, target: &Target) -> (Tensor<1>, Vec<(&'static str, Tensor<1>)>) {
        let prediction = Prediction::new(logits, target);
        let terms: Vec<_> = self
            .terms
            .iter()
            .map(|entry| (entry.name, entry.term.forward(&prediction)))
            .collect();
        let weighted = terms.iter().zip(&self.terms).map(|((_, value), entry)| {
            // A factor of 1 is not applied, so that a single term keeps its value to the last bit.
            if entry.weight == 1.0 {
                value.clone()
            } else {
                value.clone().mul_scalar(entry.weight)
            }
        });
        let sum = weighted.reduce(|sum, value| sum + value);
        // A section without terms does not pass its check.
        let sum = sum.unwrap_or_else(|| Tensor::zeros([1], &target.scored.device()));
        (sum, terms)
    }
}

fn single_precision(logits: Tensor<4>) -> Tensor<4> {
    match logits.dtype() {
        DType::F16 | DType::BF16 => logits.cast(DType::F32),
        _ => logits,
    }
}
