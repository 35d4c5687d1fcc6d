//! Upsamples the grid of cells to pixels: bilinear, `align_corners = false`, row by row, so that no full-size float map is kept.

use std::ops::Range;

use crate::error::InferError;
use crate::run::blend::Blend;

/// Pixels of a scene to read: a rectangle, with every `step`-th pixel of it along each axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct View {
    /// First column, in scene pixels.
    pub x: usize,
    /// First row, in scene pixels.
    pub y: usize,
    /// Columns of the output.
    pub width: usize,
    /// Rows of the output.
    pub height: usize,
    /// Scene pixels per output pixel, along each axis.
    pub step: usize,
}

impl View {
    /// Every pixel of a scene of `[height, width]`.
    pub fn whole([height, width]: [usize; 2]) -> Self {
        Self {
            x: 0,
            y: 0,
            width,
            height,
            step: 1,
        }
    }

    /// The whole scene at the smallest step that keeps both sides within `max_px`; each output pixel is the middle of its block.
    pub fn overview([height, width]: [usize; 2], max_px: usize) -> Self {
        let step = height.max(width).div_ceil(max_px.max(1)).max(1);
        let first = (step - 1) / 2;
        let count = |size: usize| size.saturating_sub(first).div_ceil(step).max(1);
        let origin = |size: usize| first.min(size.saturating_sub(1));
        Self {
            x: origin(width),
            y: origin(height),
            width: count(width),
            height: count(height),
            step,
        }
    }

    /// Scene columns of the output's columns.
    pub fn columns(&self) -> impl Iterator<Item = usize> + use<> {
        (self.x..).step_by(self.step.max(1)).take(self.width)
    }

    /// Scene rows of the output's rows.
    pub fn rows(&self) -> impl Iterator<Item = usize> + use<> {
        (self.y..).step_by(self.step.max(1)).take(self.height)
    }

    /// Whether every pixel of the view is one of the scene.
    pub fn fits(&self, [height, width]: [usize; 2]) -> bool {
        let end = |first: usize, count: usize| {
            count
                .checked_sub(1)
                .and_then(|last| last.checked_mul(self.step))
                .and_then(|span| span.checked_add(first))
        };
        self.step > 0
            && end(self.x, self.width).is_some_and(|last| last < width)
            && end(self.y, self.height).is_some_and(|last| last < height)
    }
}

/// The two cells that a pixel lies between, and how far from the first to the second.
#[derive(Debug, Clone, Copy)]
struct Taps {
    first: usize,
    second: usize,
    fraction: f32,
}

impl Taps {
    /// `cell_px` is the size of a cell, in the pixels of the positions.
    fn new(pixel: usize, cells: usize, cell_px: f64) -> Self {
        let position = ((pixel as f64 + 0.5) / cell_px - 0.5).max(0.0);
        let first = (position as usize).min(cells - 1);
        let fraction = (position - first as f64) as f32;
        // Where every pixel has a cell, there is no need to read another one.
        let second = if fraction > 0.0 {
            (first + 1).min(cells - 1)
        } else {
            first
        };
        Self {
            first,
            second,
            fraction,
        }
    }

    fn mix(&self, first: f32, second: f32) -> f32 {
        first + (second - first) * self.fraction
    }
}

/// Reads rows of upsampled logits for one set of columns.
///
/// Two rows of cells are kept, and only the blocks of them in which the columns lie: if rows are read in order, up or down, each row of
/// cells is read once.
pub struct RowUpsampler<'a> {
    blend: &'a Blend,
    /// Height of a cell, in pixels of the scene.
    cell_height_px: f64,
    channels: Range<usize>,
    columns: Vec<Taps>,
    blocks: Range<usize>,
    cells: Range<usize>,
    kept: [CellRow; 2],
    mixed: Vec<f32>,
}

/// A row of cells, `[channels, cells]`.
struct CellRow {
    row: Option<usize>,
    values: Vec<f32>,
}

impl<'a> RowUpsampler<'a> {
    /// Makes a reader for the scene columns of `view`, which must be the scene's, and for some of the channels. `cell_px` is `[height,
    /// width]` of a cell in pixels of the scene; it is not a whole number if the scene was run on another grid.
    pub(crate) fn new(blend: &'a Blend, view: &View, channels: Range<usize>, cell_px: [f64; 2]) -> Self {
        let width = blend.cells()[1];
        let columns: Vec<Taps> = view
            .columns()
            .map(|column| Taps::new(column, width, cell_px[1]))
            .collect();
        let first = columns.first().map_or(0, |taps| taps.first);
        let blocks = blend.blocks_of(first..columns.last().map_or(first, |taps| taps.second) + 1);
        let cells = blend.columns_of(blocks.clone());
        let empty = || CellRow {
            row: None,
            values: vec![0.0; channels.len() * cells.len()],
        };
        Self {
            blend,
            cell_height_px: cell_px[0],
            columns,
            kept: [empty(), empty()],
            mixed: vec![0.0; cells.len()],
            blocks,
            cells,
            channels,
        }
    }

    /// Writes the logits of `channel` at the scene row `y`.
    ///
    /// # Errors
    /// [`InferError::Misuse`] for a channel that is not read, and errors of the scratch that keeps the logits.
    pub fn read_row(&mut self, channel: usize, y: usize, output: &mut [f32]) -> Result<(), InferError> {
        if !self.channels.contains(&channel) {
            let problem = format!("channel {channel} is not among {:?}", self.channels);
            return Err(InferError::Misuse(problem));
        }
        let rows = Taps::new(y, self.blend.cells()[0], self.cell_height_px);
        let above = self.keep(rows.first, rows.second)?;
        let below = self.keep(rows.second, rows.first)?;
        let count = self.cells.len();
        let start = (channel - self.channels.start) * count;
        let [above, below] = [above, below].map(|slot| &self.kept[slot].values[start..start + count]);
        for (mixed, (above, below)) in self.mixed.iter_mut().zip(above.iter().zip(below)) {
            *mixed = rows.mix(*above, *below);
        }
        let first = self.cells.start;
        for (output, taps) in output.iter_mut().zip(&self.columns) {
            *output = taps.mix(self.mixed[taps.first - first], self.mixed[taps.second - first]);
        }
        Ok(())
    }

    /// The slot of a row of cells, which is read into it unless it is there already; `other` stays.
    fn keep(&mut self, row: usize, other: usize) -> Result<usize, InferError> {
        if let Some(slot) = self.kept.iter().position(|kept| kept.row == Some(row)) {
            return Ok(slot);
        }
        let slot = usize::from(self.kept[0].row == Some(other));
        let kept = &mut self.kept[slot];
        // Whatever was there is lost if reading fails.
        kept.row = None;
        let (blocks, channels) = (self.blocks.clone(), self.channels.clone());
        self.blend.read_row(row, blocks, channels, &mut kept.values)?;
        kept.row = Some(row);
        Ok(slot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::plan::{TilePlan, Tiling};
    use raremap_io::MemoryScratch;

    const CELL_PX: [f64; 2] = [4.0; 2];

    fn blend_of(rows: usize, columns: usize, value: impl Fn(usize, usize) -> f32) -> Blend {
        let plan = TilePlan::new([rows * 4, columns * 4], Tiling::default(), 4).expect("a valid plan");
        let tile = plan.tile_at(0, 0);
        let width = tile.width / 4;
        let logits: Vec<f32> = (0..width * (tile.height / 4))
            .map(|i| value(i / width, i % width))
            .collect();
        let mut blend = Blend::new(&plan, [0, 1], Box::new(MemoryScratch::default()));
        blend.add(tile, &[&logits]).expect("one map");
        blend
    }

    #[test]
    fn upsampling_agrees_with_torch_interpolate() {
        // torch.nn.functional.interpolate(torch.tensor([[[[0., 8.], [16., 40.]]]]), scale_factor=4, mode="bilinear")
        let blend = blend_of(2, 2, |row, column| {
            [[0.0, 8.0], [16.0, 40.0]][row.min(1)][column.min(1)]
        });
        let expected = [
            (0, [0.0, 0.0, 1.0, 3.0, 5.0, 7.0, 8.0, 8.0]),
            (1, [0.0, 0.0, 1.0, 3.0, 5.0, 7.0, 8.0, 8.0]),
            (2, [2.0, 2.0, 3.25, 5.75, 8.25, 10.75, 12.0, 12.0]),
            (5, [14.0, 14.0, 16.75, 22.25, 27.75, 33.25, 36.0, 36.0]),
            (7, [16.0, 16.0, 19.0, 25.0, 31.0, 37.0, 40.0, 40.0]),
        ];
        let mut upsampler = RowUpsampler::new(&blend, &View::whole([8, 8]), 0..1, CELL_PX);
        let mut row = [0.0; 8];
        for (y, expected) in expected {
            upsampler.read_row(0, y, &mut row).expect("a row");
            assert_eq!(row, expected, "row {y}");
        }
    }

    #[test]
    fn a_view_reads_the_same_pixels_as_the_whole() {
        let blend = blend_of(9, 7, |row, column| (row * 3 + column * 17 % 11) as f32);
        let view = View {
            x: 3,
            y: 5,
            width: 5,
            height: 6,
            step: 5,
        };
        assert!(view.fits([36, 28]) && !view.fits([30, 28]) && !view.fits([36, 23]));
        let (mut whole, mut part) = ([0.0; 28], [0.0; 5]);
        for y in view.rows() {
            let read = RowUpsampler::new(&blend, &View::whole([36, 28]), 0..1, CELL_PX).read_row(0, y, &mut whole);
            read.expect("a row");
            let read = RowUpsampler::new(&blend, &view, 0..1, CELL_PX).read_row(0, y, &mut part);
            read.expect("a row");
            assert_eq!(part, [3, 8, 13, 18, 23].map(|x| whole[x]));
        }
    }

    #[test]
    fn rows_are_the_same_in_any_order() {
        let blend = blend_of(9, 7, |row, column| (row * 3 + column * 17 % 11) as f32);
        let whole = View::whole([36, 28]);
        let fresh = |y: usize| {
            let mut row = [0.0; 28];
            let read = RowUpsampler::new(&blend, &whole, 0..1, CELL_PX).read_row(0, y, &mut row);
            read.map(|()| row).expect("a row")
        };
        let mut kept = RowUpsampler::new(&blend, &whole, 0..1, CELL_PX);
        let mut row = [0.0; 28];
        for y in (0..36).chain((0..36).rev()).chain([3, 30, 4, 29, 35, 0]) {
            kept.read_row(0, y, &mut row).expect("a row");
            assert_eq!(row, fresh(y), "row {y}");
        }
        assert!(kept.read_row(1, 0, &mut row).is_err());
    }

    #[test]
    fn an_overview_fits_the_asked_size_and_the_scene() {
        for size in [[1, 1], [3000, 4000], [7, 5000], [1024, 1024], [1025, 2], [2047, 2049]] {
            for max_px in [1, 2, 100, 1024] {
                let view = View::overview(size, max_px);
                assert!(
                    view.fits(size) && view.width.max(view.height) <= max_px,
                    "{size:?}, {max_px}: {view:?}"
                );
            }
        }
    }

    #[test]
    fn cells_of_any_size_lie_where_their_centres_are() {
        // A slope per cell is that slope / size per pixel, whatever the size; beyond the outer centres it is flat.
        let blend = blend_of(12, 10, |row, column| 5.0 * row as f32 + column as f32 / 2.0);
        for cell_px in [[20.69, 22.5], [0.8, 0.35], [4.0, 1.0]] {
            let size = [12.0 * cell_px[0], 10.0 * cell_px[1]].map(|size| size as usize);
            let mut upsampler = RowUpsampler::new(&blend, &View::whole(size), 0..1, cell_px);
            let mut row = vec![0.0; size[1]];
            for y in 0..size[0] {
                upsampler.read_row(0, y, &mut row).expect("a row");
                for (x, value) in row.iter().enumerate() {
                    let centre = |pixel: usize, axis: usize, last: f64| {
                        ((pixel as f64 + 0.5) / cell_px[axis] - 0.5).clamp(0.0, last)
                    };
                    let expected = 5.0 * centre(y, 0, 11.0) + centre(x, 1, 9.0) / 2.0;
                    assert!(
                        (f64::from(*value) - expected).abs() < 1e-4,
                        "{cell_px:?} at {x}, {y}: {value} for {expected}"
                    );
                }
            }
        }
    }
}
