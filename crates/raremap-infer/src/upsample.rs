//! Quarter grid to pixels: bilinear, `align_corners = false`, row by row so that no full-size float map is kept.

use crate::blend::Blend;

/// Pixels of a scene to look at: a rectangle, every `step`-th pixel of it along each axis.
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

    /// The whole scene by the smallest step that keeps both sides within `max_px`; each output pixel is the middle of its block.
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
    fn new(pixel: usize, cells: usize, cell_px: usize) -> Self {
        let position = ((pixel as f32 + 0.5) / cell_px as f32 - 0.5).max(0.0);
        let first = (position as usize).min(cells - 1);
        Self {
            first,
            second: (first + 1).min(cells - 1),
            fraction: position - first as f32,
        }
    }

    fn mix(&self, first: f32, second: f32) -> f32 {
        first + (second - first) * self.fraction
    }
}

/// Reads rows of upsampled logits for one set of columns.
pub struct RowUpsampler<'a> {
    blend: &'a Blend,
    columns: Vec<Taps>,
    above: Vec<f32>,
    below: Vec<f32>,
}

impl<'a> RowUpsampler<'a> {
    /// For the scene columns of `view`, which must be the scene's.
    pub(crate) fn new(blend: &'a Blend, view: &View) -> Self {
        let width = blend.cells()[1];
        let columns = view
            .columns()
            .map(|column| Taps::new(column, width, blend.cell_px()))
            .collect();
        Self {
            blend,
            columns,
            above: vec![0.0; width],
            below: vec![0.0; width],
        }
    }

    /// Writes the logits of `channel` at the scene row `y`.
    pub fn read_row(&mut self, channel: usize, y: usize, output: &mut [f32]) {
        let rows = Taps::new(y, self.blend.cells()[0], self.blend.cell_px());
        self.blend.read_row(channel, rows.first, &mut self.above);
        self.blend.read_row(channel, rows.second, &mut self.below);
        for (above, below) in self.above.iter_mut().zip(&self.below) {
            *above = rows.mix(*above, *below);
        }
        for (output, taps) in output.iter_mut().zip(&self.columns) {
            *output = taps.mix(self.above[taps.first], self.above[taps.second]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{TilePlan, Tiling};

    fn blend_of(rows: usize, columns: usize, value: impl Fn(usize, usize) -> f32) -> Blend {
        let plan = TilePlan::new([rows * 4, columns * 4], Tiling::default(), 4).expect("a valid plan");
        let tile = plan.tile_at(0, 0);
        let width = tile.width / 4;
        let logits: Vec<f32> = (0..width * (tile.height / 4))
            .map(|i| value(i / width, i % width))
            .collect();
        let mut blend = Blend::new(&plan, 1);
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
        let mut upsampler = RowUpsampler::new(&blend, &View::whole([8, 8]));
        let mut row = [0.0; 8];
        for (y, expected) in expected {
            upsampler.read_row(0, y, &mut row);
            assert_eq!(row, expected, "row {y}");
        }
    }

    #[test]
    fn a_view_reads_the_same_pixels_as_the_whole() {
        let blend = blend_of(9, 7, |row, column| (row * 31 + column * 17 % 11) as f32);
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
            RowUpsampler::new(&blend, &View::whole([36, 28])).read_row(0, y, &mut whole);
            RowUpsampler::new(&blend, &view).read_row(0, y, &mut part);
            assert_eq!(part, [3, 8, 13, 18, 23].map(|x| whole[x]));
        }
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
}
