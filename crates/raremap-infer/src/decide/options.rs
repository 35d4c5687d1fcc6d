//! Options between logits and a mask.

use raremap_model::Card;
use serde::Serialize;

use crate::error::InferError;
use crate::run::saliency::{check_percent, logit};

/// How to draw a mask from logits.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DecideOptions {
    /// A pixel takes a selected rare class if its auxiliary probability is at least this; 1 switches this off.
    pub threshold: f32,
    /// Names of the selected rare classes.
    pub rare: Vec<String>,
    /// Share of the valid pixels that top-k marks, in percent.
    pub top_k_percent: f32,
}

impl DecideOptions {
    /// Threshold 0.5, all rare classes of the card, top 20 %.
    pub fn new(card: &Card) -> Self {
        Self {
            threshold: 0.5,
            rare: card.rare_classes.clone(),
            top_k_percent: 20.0,
        }
    }
}

impl DecideOptions {
    /// Checks whether the options fit this model, so that this is known before a run rather than after it.
    ///
    /// # Errors
    /// [`InferError::Misuse`] for a threshold outside 0..=1, a share outside 0..=100, or an unknown rare class.
    pub fn check(&self, card: &Card) -> Result<(), InferError> {
        let rare: Vec<&str> = card.rare_classes.iter().map(String::as_str).collect();
        Rule::new(self, &rare)?;
        check_percent(self.top_k_percent)
    }
}

/// [`DecideOptions`] in terms of channels.
pub(crate) struct Rule {
    /// Lowest auxiliary logit that takes the class; `None` switches the rule off.
    pub(crate) least_logit: Option<f32>,
    /// Channels of the auxiliary head.
    pub(crate) selected: Vec<usize>,
}

impl Rule {
    pub(crate) fn new(options: &DecideOptions, rare: &[&str]) -> Result<Self, InferError> {
        let threshold = options.threshold;
        if !(0.0..=1.0).contains(&threshold) {
            return Err(InferError::Misuse(format!(
                "the threshold is {threshold}; it must be from 0 to 1"
            )));
        }
        let position = |name: &String| {
            rare.iter().position(|rare| rare == name).ok_or_else(|| {
                InferError::Misuse(format!(
                    "{name} is not a rare class of this model; its rare classes are {}",
                    rare.join(", ")
                ))
            })
        };
        let selected = options.rare.iter().map(position).collect::<Result<_, _>>()?;
        Ok(Self {
            least_logit: (threshold < 1.0).then(|| logit(threshold)),
            selected,
        })
    }
}
