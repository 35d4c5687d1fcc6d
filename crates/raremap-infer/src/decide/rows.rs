//! Reads results row by row, so that a scene's mask or saliency need never be in memory as a whole.

use std::ops::Range;

use raremap_model::Card;

use crate::decide::Rule;
use crate::error::InferError;
use crate::logits::SceneLogits;
use crate::saliency::{SaliencyHistogram, saliency, sigmoid};
use crate::upsample::{RowUpsampler, View};

/// Class index of a pixel without data.
pub(crate) const NO_CLASS: u8 = u8::MAX;

/// Reads a scene's mask row by row, for the columns of a view: see [`SceneLogits::mask_rows`].
pub struct MaskRows<'a> {
    logits: &'a SceneLogits,
    rule: Rule,
    columns: Vec<usize>,
    rows: RowUpsampler<'a>,
    row: Vec<f32>,
    best: Vec<f32>,
}

impl<'a> MaskRows<'a> {
    pub(crate) fn new(logits: &'a SceneLogits, view: &View, rule: Rule) -> Self {
        let columns: Vec<usize> = view.columns().collect();
        Self {
            rule,
            rows: logits.rows(view),
            row: vec![0.0; columns.len()],
            best: vec![0.0; columns.len()],
            columns,
            logits,
        }
    }

    /// Writes class values at the scene row `y`; [`Card::MASK_NODATA`] where there is no data.
    ///
    /// # Errors
    /// [`InferError::Misuse`] for a row that the scene does not have, and errors of the scratch that keeps the logits.
    pub fn read_row(&mut self, y: usize, output: &mut [u8]) -> Result<(), InferError> {
        self.read_classes(y, output)?;
        for value in output {
            let class = self.logits.classes.get(usize::from(*value));
            *value = class.map_or(Card::MASK_NODATA, |class| class.value);
        }
        Ok(())
    }

    /// Writes class indices, [`NO_CLASS`] where there is no data. Of equal main logits the first class wins.
    pub(crate) fn read_classes(&mut self, y: usize, output: &mut [u8]) -> Result<(), InferError> {
        let logits = self.logits;
        logits.begin_row(y)?;
        self.best.fill(f32::NEG_INFINITY);
        for class in 0..logits.classes.len() {
            self.rows.read_row(class, y, &mut self.row)?;
            take_higher(&self.row, class, &mut self.best, output);
        }
        if let Some(least) = self.rule.least_logit {
            // It is just below the lowest such logit, so that reaching it is enough.
            self.best.fill(least.next_down());
            for &channel in &self.rule.selected {
                self.rows.read_row(logits.classes.len() + channel, y, &mut self.row)?;
                take_higher(&self.row, logits.rare[channel], &mut self.best, output);
            }
        }
        for (class, x) in output.iter_mut().zip(&self.columns) {
            if !logits.is_valid(y, *x) {
                *class = NO_CLASS;
            }
        }
        Ok(())
    }
}

fn take_higher(logits: &[f32], class: usize, best: &mut [f32], classes: &mut [u8]) {
    for ((logit, best), taken) in logits.iter().zip(best).zip(classes) {
        if *logit > *best {
            (*best, *taken) = (*logit, class as u8);
        }
    }
}

/// Reads probabilities of rare classes row by row, for the columns of a view: see [`SceneLogits::auxiliary_rows`].
pub struct AuxiliaryRows<'a> {
    logits: &'a SceneLogits,
    columns: Vec<usize>,
    rows: RowUpsampler<'a>,
    planes: Vec<Vec<f32>>,
}

impl<'a> AuxiliaryRows<'a> {
    pub(crate) fn new(logits: &'a SceneLogits, view: &View) -> Self {
        let columns: Vec<usize> = view.columns().collect();
        let first = logits.classes.len();
        Self {
            rows: logits.rows_of(view, first..first + logits.rare.len()),
            planes: vec![vec![0.0; columns.len()]; logits.rare.len()],
            columns,
            logits,
        }
    }

    /// Writes the probability of a rare class (its position in the card's list) at the scene row `y`; NaN where there is no data.
    ///
    /// # Errors
    /// [`InferError::Misuse`] for a class or a row that does not exist, and errors of the scratch that keeps the logits.
    pub fn read_probability(&mut self, rare: usize, y: usize, output: &mut [f32]) -> Result<(), InferError> {
        let logits = self.logits;
        if rare >= logits.rare.len() {
            let have = logits.rare.len();
            return Err(InferError::Misuse(format!(
                "there is no rare class {rare}: the model has {have} of them"
            )));
        }
        logits.begin_row(y)?;
        self.rows.read_row(logits.classes.len() + rare, y, output)?;
        for (value, x) in output.iter_mut().zip(&self.columns) {
            let probability = sigmoid(*value);
            *value = if logits.is_valid(y, *x) { probability } else { f32::NAN };
        }
        Ok(())
    }

    /// Writes the probability of any rare class at the scene row `y`; NaN where there is no data.
    ///
    /// # Errors
    /// [`InferError::Misuse`] for a row that the scene does not have, and errors of the scratch that keeps the logits.
    pub fn read_saliency(&mut self, y: usize, output: &mut [f32]) -> Result<(), InferError> {
        let logits = self.logits;
        logits.begin_row(y)?;
        for (channel, plane) in self.planes.iter_mut().enumerate() {
            self.rows.read_row(logits.classes.len() + channel, y, plane)?;
        }
        for (column, (value, x)) in output.iter_mut().zip(&self.columns).enumerate() {
            *value = if logits.is_valid(y, *x) {
                saliency(self.planes.iter().map(|plane| plane[column]))
            } else {
                f32::NAN
            };
        }
        Ok(())
    }
}

/// Counts the saliency of whole rows.
pub(crate) struct HistogramRows<'a> {
    rows: AuxiliaryRows<'a>,
    row: Vec<f32>,
}

impl<'a> HistogramRows<'a> {
    pub(crate) fn new(logits: &'a SceneLogits) -> Self {
        let rows = AuxiliaryRows::new(logits, &View::whole(logits.size));
        Self {
            row: vec![0.0; rows.columns.len()],
            rows,
        }
    }

    pub(crate) fn count(&mut self, rows: Range<usize>, histogram: &mut SaliencyHistogram) -> Result<(), InferError> {
        for y in rows {
            self.rows.read_saliency(y, &mut self.row)?;
            self.row.iter().for_each(|saliency| histogram.add(*saliency));
        }
        Ok(())
    }
}
