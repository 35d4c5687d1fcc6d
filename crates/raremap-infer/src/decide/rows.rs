//! Reads results row by row, so that a scene's mask or saliency need never be in memory as a whole.

use raremap_model::Card;

use crate::decide::options::Rule;
use crate::error::InferError;
use crate::run::logits::SceneLogits;
use crate::run::upsample::{RowUpsampler, View};

/// Class index of a pixel without data.
pub const NO_CLASS: u8 = u8::MAX;

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
    ///
    /// # Errors
    /// As [`MaskRows::read_row`].
    pub fn read_classes(&mut self, y: usize, output: &mut [u8]) -> Result<(), InferError> {
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
