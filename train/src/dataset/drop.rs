//! Which samples are left out when a split is loaded.

use std::collections::BTreeMap;

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::config::{DatasetConfig, DropSection};
use super::sample::{IGNORE, Sample};

/// Samples that were left out, by reason; each counts once, for the first reason that applies.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Dropped {
    /// Number of samples before.
    pub of: usize,
    /// Windows without a valid pixel.
    pub no_data: usize,
    /// Nothing but background and ignored pixels in the mask.
    pub blank_mask: usize,
    /// More background than the dataset allows.
    pub background: usize,
    /// Masks that too many samples share.
    pub identical_mask: usize,
}

impl Dropped {
    /// How many were left out in all.
    pub fn total(&self) -> usize {
        self.no_data + self.blank_mask + self.background + self.identical_mask
    }

    /// Adds the counts of what was left out of another source.
    pub(super) fn add(&mut self, other: &Self) {
        self.of += other.of;
        self.no_data += other.no_data;
        self.blank_mask += other.blank_mask;
        self.background += other.background;
        self.identical_mask += other.identical_mask;
    }

    /// Says in words what was left out of `split`.
    pub fn sentence(&self, split: &str) -> String {
        let reasons = [
            (self.no_data, "without data"),
            (self.blank_mask, "with a blank mask"),
            (self.background, "with too much background"),
            (self.identical_mask, "with a mask that others share"),
        ];
        let reasons = reasons.iter().filter(|(count, _)| *count > 0);
        let reasons: Vec<String> = reasons.map(|(count, why)| format!("{count} {why}")).collect();
        format!(
            "{} of {} samples of split {split} are left out: {}",
            self.total(),
            self.of,
            reasons.join(", ")
        )
    }
}

impl DropSection {
    /// Whether the rules are for `split`.
    pub(super) fn apply_to(&self, split: &str) -> bool {
        self.splits.iter().any(|name| name.eq_ignore_ascii_case(split))
    }
}

/// What the rules look at in a sample.
pub(super) struct Facts {
    has_data: bool,
    cover: Cover,
    /// The mask's digest, if the rules compare masks and it shows more than one class.
    mask: Option<[u8; 32]>,
}

impl Facts {
    pub(super) fn of(config: &DatasetConfig, split: &str, sample: &Sample) -> Self {
        let rules = &config.drop;
        let compares = rules.identical_masks_from.is_some() && rules.apply_to(split) && !is_uniform(sample);
        Self {
            has_data: sample.valid.contains(&true),
            cover: Cover::of(sample, config.background_class()),
            mask: compares.then(|| mask_digest(sample)),
        }
    }
}

/// Says which samples the dataset's rules keep. Windows without data are left out of every split, because they say nothing.
pub(super) fn apply(config: &DatasetConfig, split: &str, samples: &[Facts]) -> (Vec<bool>, Dropped) {
    let rules = &config.drop;
    let applies = rules.apply_to(split);
    let mut dropped = Dropped {
        of: samples.len(),
        ..Dropped::default()
    };
    let mut shared = BTreeMap::<[u8; 32], usize>::new();
    for mask in samples.iter().filter_map(|facts| facts.mask) {
        *shared.entry(mask).or_default() += 1;
    }
    let keep = samples.iter().map(|Facts { has_data, cover, mask }| {
        let reason = if !has_data {
            &mut dropped.no_data
        } else if applies && rules.blank_masks && cover.foreground == 0 {
            &mut dropped.blank_mask
        } else if applies
            && rules
                .background_above
                .is_some_and(|most| cover.background_share() > most)
        {
            &mut dropped.background
        } else if let (Some(least), Some(mask)) = (rules.identical_masks_from, mask)
            && shared.get(mask).is_some_and(|count| *count >= least)
        {
            &mut dropped.identical_mask
        } else {
            return true;
        };
        *reason += 1;
        false
    });
    (keep.collect(), dropped)
}

/// Labelled pixels of a mask.
pub(crate) struct Cover {
    /// Pixels of the background class.
    pub background: usize,
    /// Pixels of all other classes.
    pub foreground: usize,
}

impl Cover {
    pub(crate) fn of(sample: &Sample, background: Option<usize>) -> Self {
        let labelled = sample.labels.iter().filter(|label| **label != IGNORE);
        let (behind, before): (Vec<&u8>, Vec<&u8>) =
            labelled.partition(|label| background == Some(usize::from(**label)));
        Self {
            background: behind.len(),
            foreground: before.len(),
        }
    }

    fn background_share(&self) -> f64 {
        self.background as f64 / (self.background + self.foreground).max(1) as f64
    }
}

/// The digest of a mask, size included.
pub(crate) fn mask_digest(sample: &Sample) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update((sample.width as u64).to_le_bytes());
    hash.update(&sample.labels);
    hash.finalize().into()
}

/// Whether a mask shows at most one class: such masks are equal without being copies.
pub(crate) fn is_uniform(sample: &Sample) -> bool {
    let mut labelled = sample.labels.iter().filter(|label| **label != IGNORE);
    let first = labelled.next();
    labelled.all(|label| Some(label) == first)
}
