//! What a run leaves: the scene's logits, from which masks are drawn as often as asked.

use std::sync::OnceLock;

use raremap_model::{Card, Class};

use crate::areas::PixelAreas;
use crate::blend::Blend;
use crate::error::InferError;
use crate::plan::{Tile, TilePlan};
use crate::saliency::{SaliencyHistogram, saliency, sigmoid};
use crate::upsample::{RowUpsampler, View};
use crate::validity::Validity;

/// Logits of a scene on the network's output grid, main head first, with the validity of its pixels.
///
/// Usable while the run goes on: pixels that no tile has covered yet count as invalid.
#[derive(Debug)]
pub struct SceneLogits {
    pub(crate) size: [usize; 2],
    pub(crate) classes: Vec<Class>,
    /// Channel of the main head of each channel of the auxiliary head.
    pub(crate) rare: Vec<usize>,
    pub(crate) areas: PixelAreas,
    pub(crate) validity: Validity,
    blend: Blend,
    tiles_done: usize,
    tiles_total: usize,
    histogram: OnceLock<SaliencyHistogram>,
}

impl SceneLogits {
    /// Bytes that the logits of a scene keep.
    pub fn needed_bytes(plan: &TilePlan, card: &Card) -> u64 {
        let channels = card.classes.len() + card.rare_classes.len();
        Blend::needed_bytes(plan, channels).saturating_add(Validity::needed_bytes(plan.scene))
    }

    pub(crate) fn new(plan: &TilePlan, card: &Card, areas: PixelAreas) -> Result<Self, InferError> {
        let rare = card.rare_class_indices();
        let values_are_classes = card.classes.iter().all(|class| class.value != Card::MASK_NODATA);
        if card.classes.is_empty() || !values_are_classes || rare.len() != card.rare_classes.len() {
            return Err(InferError::Malformed("its classes contradict each other".into()));
        }
        Ok(Self {
            size: plan.scene,
            classes: card.classes.clone(),
            blend: Blend::new(plan, card.classes.len() + rare.len()),
            rare,
            areas,
            validity: Validity::new(plan.scene),
            tiles_done: 0,
            tiles_total: plan.len(),
            histogram: OnceLock::new(),
        })
    }

    pub(crate) fn add_tile(&mut self, tile: Tile, main: &[f32], auxiliary: &[f32]) -> Result<(), InferError> {
        if !main.iter().chain(auxiliary).all(|logit| logit.is_finite()) {
            return Err(InferError::NotFinite);
        }
        self.blend.add(tile, &[main, auxiliary])?;
        self.tiles_done += 1;
        self.histogram.take();
        Ok(())
    }

    /// Size of the scene, `[height, width]`.
    pub fn size(&self) -> [usize; 2] {
        self.size
    }

    /// Classes in the order of the main head.
    pub fn classes(&self) -> &[Class] {
        &self.classes
    }

    /// Names of the rare classes, in the order of the auxiliary head.
    pub fn rare_classes(&self) -> impl Iterator<Item = &str> {
        self.rare
            .iter()
            .filter_map(|class| self.classes.get(*class))
            .map(|class| class.name.as_str())
    }

    /// Whether every tile has been run.
    pub fn is_complete(&self) -> bool {
        self.tiles_done == self.tiles_total
    }

    /// Tiles run, of how many.
    pub fn tiles(&self) -> (usize, usize) {
        (self.tiles_done, self.tiles_total)
    }

    /// Whether the pixel has data, and a tile has covered it.
    pub fn is_valid(&self, y: usize, x: usize) -> bool {
        self.validity.contains(y, x) && (self.is_complete() || self.blend.is_covered(y, x))
    }

    /// Probability of a rare class (its position in the card's list) at the view's pixels; NaN where there is no data.
    ///
    /// # Errors
    /// [`InferError::Misuse`] for a class or a view that is not there.
    pub fn probability(&self, rare: usize, view: &View) -> Result<Vec<f32>, InferError> {
        if rare >= self.rare.len() {
            return Err(InferError::Misuse(format!(
                "there is no rare class {rare}: the model has {}",
                self.rare.len()
            )));
        }
        self.map_auxiliary(view, |logits| sigmoid(logits.get(rare).copied().unwrap_or(f32::NAN)))
    }

    /// Probability of any rare class at the view's pixels; NaN where there is no data.
    ///
    /// # Errors
    /// [`InferError::Misuse`] for a view that is not inside the scene.
    pub fn saliency(&self, view: &View) -> Result<Vec<f32>, InferError> {
        self.map_auxiliary(view, |logits| saliency(logits.iter().copied()))
    }

    fn map_auxiliary(&self, view: &View, value: impl Fn(&[f32]) -> f32) -> Result<Vec<f32>, InferError> {
        self.check(view)?;
        let mut output = Vec::with_capacity(view.width * view.height);
        self.for_auxiliary(view, |y, x, logits| {
            output.push(if self.is_valid(y, x) { value(logits) } else { f32::NAN });
        });
        Ok(output)
    }

    /// Calls `visit` with row, column and auxiliary logits of each pixel of the view, row by row.
    pub(crate) fn for_auxiliary(&self, view: &View, mut visit: impl FnMut(usize, usize, &[f32])) {
        let mut rows = self.rows(view);
        let mut planes = vec![vec![0.0; view.width]; self.rare.len()];
        let mut logits = vec![0.0; self.rare.len()];
        for y in view.rows() {
            for (channel, plane) in planes.iter_mut().enumerate() {
                rows.read_row(self.classes.len() + channel, y, plane);
            }
            for (column, x) in view.columns().enumerate() {
                for (logit, plane) in logits.iter_mut().zip(&planes) {
                    *logit = plane[column];
                }
                visit(y, x, &logits);
            }
        }
    }

    /// Saliency of all valid pixels of the scene; counted once per finished run.
    pub fn saliency_histogram(&self) -> &SaliencyHistogram {
        self.histogram.get_or_init(|| {
            let mut histogram = SaliencyHistogram::default();
            self.for_auxiliary(&View::whole(self.size), |y, x, logits| {
                if self.is_valid(y, x) {
                    histogram.add(saliency(logits.iter().copied()));
                }
            });
            histogram
        })
    }

    /// Reads logits row by row: those of the main head first, then those of the auxiliary head. The view must be inside
    /// the scene.
    pub fn rows(&self, view: &View) -> RowUpsampler<'_> {
        RowUpsampler::new(&self.blend, view)
    }

    pub(crate) fn check(&self, view: &View) -> Result<(), InferError> {
        if view.fits(self.size) {
            return Ok(());
        }
        let [height, width] = self.size;
        Err(InferError::Misuse(format!(
            "{view:?} is not inside the scene of {width} x {height} pixels"
        )))
    }
}
