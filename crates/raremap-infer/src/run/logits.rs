//! The result of a run: the scene's logits, from which you can draw as many masks as you like.

use std::ops::{ControlFlow, Range};

use raremap_io::Scratch;
use raremap_model::{Card, Class};

use crate::error::InferError;
use crate::run::blend::Blend;
use crate::run::plan::{Tile, TilePlan};
use crate::run::saliency::{SaliencyHistogram, saliency, sigmoid};
use crate::run::upsample::{RowUpsampler, View};
use crate::run::validity::Validity;
use raremap_geo::PixelAreas;

/// Logits of a scene on the network's output grid, main head first, with the validity of its pixels.
///
/// They can be used while the run lasts: pixels that no tile has covered yet count as invalid.
///
/// The logits themselves are in a [`Scratch`], which need not be memory, and everything is read from it by rows: from the top down, or just
/// those of a view. Only the few rows of cells that later tiles touch, at most a bit per pixel, and a histogram of 2 MB are in memory.
#[derive(Debug)]
pub struct SceneLogits {
    pub(crate) size: [usize; 2],
    /// Pixels of the scene per pixel of the grid that the network ran on, `[rows, columns]`.
    scale: [f64; 2],
    pub(crate) classes: Vec<Class>,
    /// Channel of the main head of each channel of the auxiliary head.
    pub(crate) rare: Vec<usize>,
    pub(crate) areas: PixelAreas,
    pub(crate) validity: Validity,
    blend: Blend,
    tiles_done: usize,
    tiles_total: usize,
    histogram: SaliencyHistogram,
    /// Number of rows of pixels that are in the histogram.
    counted_rows: usize,
    watch: Watch,
}

/// See [`SceneLogits::watch`].
pub type RowWatch = Box<dyn Fn(usize, usize) -> ControlFlow<()>>;

#[derive(Default)]
struct Watch(Option<RowWatch>);

impl std::fmt::Debug for Watch {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("Watch").field(&self.0.is_some()).finish()
    }
}

impl SceneLogits {
    /// Bytes that the logits of a scene take in their scratch.
    pub fn scratch_bytes(plan: &TilePlan, card: &Card) -> u64 {
        Blend::finished_bytes(plan, card.classes.len() + card.rare_classes.len())
    }

    /// Largest amount of memory that a run over a scene keeps besides the scratch, in bytes.
    pub fn memory_bytes(plan: &TilePlan, card: &Card) -> u64 {
        let open = Blend::open_bytes(plan, card.classes.len() + card.rare_classes.len());
        open.saturating_add(Validity::needed_bytes(plan.scene))
    }

    pub(crate) fn new(
        plan: &TilePlan,
        card: &Card,
        areas: PixelAreas,
        scratch: Box<dyn Scratch>,
    ) -> Result<Self, InferError> {
        let rare = card.rare_class_indices();
        let values_are_classes = card.classes.iter().all(|class| class.value != Card::MASK_NODATA);
        if card.classes.is_empty() || !values_are_classes || rare.len() != card.rare_classes.len() {
            return Err(InferError::Malformed("its classes contradict each other".into()));
        }
        Ok(Self {
            size: plan.scene,
            scale: [1.0; 2],
            classes: card.classes.clone(),
            blend: Blend::new(plan, [card.classes.len(), rare.len()], scratch),
            rare,
            areas,
            validity: Validity::new(plan.scene),
            tiles_done: 0,
            tiles_total: plan.len(),
            histogram: SaliencyHistogram::default(),
            counted_rows: 0,
            watch: Watch::default(),
        })
    }

    /// Calls `watch` with the number of each row that is read from now on, and with how many rows the scene has, because a pass over a
    /// large scene takes minutes. A row may be reported more than once in a pass. `Break` ends the pass with [`InferError::Stopped`].
    pub fn watch(&mut self, watch: RowWatch) {
        self.watch = Watch(Some(watch));
    }

    /// Starts the results of a scene of `size` that the network saw on the plan's grid, where `scale` of its pixels are one.
    pub(crate) fn on_grid(self, size: [usize; 2], scale: [f64; 2]) -> Self {
        Self {
            size,
            scale,
            validity: Validity::new(size),
            ..self
        }
    }

    /// `[height, width]` of a cell, in pixels of the scene.
    fn cell_px(&self) -> [f64; 2] {
        self.scale.map(|scale| scale * self.blend.cell_px() as f64)
    }

    pub(crate) fn add_tile(&mut self, tile: Tile, main: &[f32], auxiliary: &[f32]) -> Result<(), InferError> {
        if !main.iter().chain(auxiliary).all(|logit| logit.is_finite()) {
            return Err(InferError::NotFinite);
        }
        self.blend.add(tile, &[main, auxiliary])?;
        self.count_tile()
    }

    /// Skips the next tile, in which no pixel has data.
    pub(crate) fn skip_tile(&mut self, tile: Tile) -> Result<(), InferError> {
        self.blend.skip(tile)?;
        self.count_tile()
    }

    /// Whether any pixel of a tile has data, as far as that is known.
    pub(crate) fn has_data(&self, tile: Tile) -> bool {
        let [rows, columns] = [(0, tile.y, tile.height), (1, tile.x, tile.width)].map(|(axis, first, length)| {
            // `as` saturates, and gives 0 for anything less.
            let [start, end] = [first as f64, (first + length) as f64].map(|at| at * self.scale[axis]);
            start as usize..(end.ceil() as usize).min(self.size[axis])
        });
        self.validity.has_any(rows, columns)
    }

    fn count_tile(&mut self) -> Result<(), InferError> {
        self.tiles_done += 1;
        let rows = self.finished_pixel_rows();
        if rows > self.counted_rows {
            let mut histogram = std::mem::take(&mut self.histogram);
            HistogramRows::new(self).count(self.counted_rows..rows, &mut histogram)?;
            self.histogram = histogram;
            self.counted_rows = rows;
        }
        Ok(())
    }

    /// Number of rows of pixels, from the top, whose cells no later tile will touch.
    fn finished_pixel_rows(&self) -> usize {
        let cells = self.blend.finished_rows();
        if cells == self.blend.cells()[0] {
            return self.size[0];
        }
        // The last half of a row of cells is mixed with the next one. `as` gives 0 if there are none.
        let rows = (cells as f64 - 0.5) * self.cell_px()[0] - 0.5;
        ((rows - 1e-6).ceil() as usize).min(self.size[0])
    }

    /// Size of the scene, `[height, width]`.
    pub fn size(&self) -> [usize; 2] {
        self.size
    }

    /// Classes in the order of the main head.
    pub fn classes(&self) -> &[Class] {
        &self.classes
    }

    /// Position in [`SceneLogits::classes`] of each rare class, in the order of the auxiliary head.
    pub fn rare_class_indices(&self) -> &[usize] {
        &self.rare
    }

    /// The size of the pixels on the ground.
    pub fn areas(&self) -> &PixelAreas {
        &self.areas
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

    /// How many tiles were run, and how many there are.
    pub fn tiles(&self) -> (usize, usize) {
        (self.tiles_done, self.tiles_total)
    }

    /// Whether the pixel has data and a tile has covered it.
    pub fn is_valid(&self, y: usize, x: usize) -> bool {
        let on_plan = |at: usize, scale: f64| ((at as f64 + 0.5) / scale) as usize;
        let [rows, columns] = self.scale;
        let is_covered = || self.blend.is_covered(on_plan(y, rows), on_plan(x, columns));
        self.validity.contains(y, x) && (self.is_complete() || is_covered())
    }

    /// Probability of a rare class (its position in the card's list) at the view's pixels; NaN where there is no data.
    ///
    /// # Errors
    /// [`InferError::Misuse`] for a class or a view that does not exist, and errors of the scratch.
    pub fn probability(&self, rare: usize, view: &View) -> Result<Vec<f32>, InferError> {
        let mut rows = self.auxiliary_rows(view)?;
        self.collect(view, |y, row| rows.read_probability(rare, y, row))
    }

    /// Probability of any rare class at the view's pixels; NaN where there is no data.
    ///
    /// # Errors
    /// [`InferError::Misuse`] for a view that is not inside the scene, and those of the scratch.
    pub fn saliency(&self, view: &View) -> Result<Vec<f32>, InferError> {
        let mut rows = self.auxiliary_rows(view)?;
        self.collect(view, |y, row| rows.read_saliency(y, row))
    }

    pub(crate) fn collect<T: Clone + Default>(
        &self,
        view: &View,
        mut read: impl FnMut(usize, &mut [T]) -> Result<(), InferError>,
    ) -> Result<Vec<T>, InferError> {
        let mut output = vec![T::default(); view.width * view.height];
        for (y, row) in view.rows().zip(output.chunks_exact_mut(view.width.max(1))) {
            read(y, row)?;
        }
        Ok(output)
    }

    /// Saliency of all valid pixels of the scene. It is counted as rows are finished, so that this only has to read the unfinished ones.
    ///
    /// # Errors
    /// Those of the scratch.
    pub fn saliency_histogram(&self) -> Result<SaliencyHistogram, InferError> {
        let mut histogram = self.histogram.clone();
        HistogramRows::new(self).count(self.counted_rows..self.size[0], &mut histogram)?;
        Ok(histogram)
    }

    /// Reads probabilities and saliency row by row.
    ///
    /// # Errors
    /// [`InferError::Misuse`] for a view that is not inside the scene.
    pub fn auxiliary_rows(&self, view: &View) -> Result<AuxiliaryRows<'_>, InferError> {
        self.check(view)?;
        Ok(AuxiliaryRows::new(self, view))
    }

    /// Reads logits row by row: those of the main head first, less the cell's highest, then those of the auxiliary head. The view must be inside
    /// the scene.
    pub fn rows(&self, view: &View) -> RowUpsampler<'_> {
        self.rows_of(view, 0..self.blend.channels())
    }

    /// As [`SceneLogits::rows`], for some channels alone.
    pub(crate) fn rows_of(&self, view: &View, channels: std::ops::Range<usize>) -> RowUpsampler<'_> {
        RowUpsampler::new(&self.blend, view, channels, self.cell_px())
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

    /// Refuses a row that the scene does not have, and reports all others to the watcher.
    pub(crate) fn begin_row(&self, y: usize) -> Result<(), InferError> {
        let height = self.size[0];
        if y >= height {
            return Err(InferError::Misuse(format!(
                "there is no row {y} in a scene of {height} rows"
            )));
        }
        match &self.watch.0 {
            Some(watch) if watch(y, height).is_break() => Err(InferError::Stopped),
            _ => Ok(()),
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
                "there is no rare class {rare}: the model has {have} rare classes"
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
