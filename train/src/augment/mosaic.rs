//! Fills crops that are larger than their sample with other samples of the same source.

use rand::Rng;
use rand::rngs::StdRng;

use super::geometry::{Geometry, Placement};
use super::{AugmentSection, Crop, Radiometry, cut};
use crate::dataset::Sample;
use crate::error::Result;
use crate::sample::{Draw, TrainingSplit};

/// How a crop larger than its sample is divided.
#[derive(Debug, Clone, Copy)]
pub struct Mosaic {
    /// Edge of the crop, in pixels.
    pub edge_px: usize,
    /// Edge of the part that one sample covers, in pixels.
    pub piece_px: usize,
    /// Source pixels per crop pixel.
    pub step: f32,
}

impl Mosaic {
    /// The division of a crop of `edge_px` in `sample`; `None` if the sample covers the crop alone.
    pub fn of(sample: &Sample, edge_px: usize, step: f32) -> Option<Self> {
        let piece_px = (sample.height.min(sample.width) as f32 / step + 1e-3) as usize;
        (piece_px < edge_px && piece_px > 0).then_some(Self {
            edge_px,
            piece_px,
            step,
        })
    }

    /// Fills a crop. The sample of `draw` goes where most of a piece is visible; other samples of its source, drawn evenly, go beside it. Each
    /// is turned on its own, and all get the same light, so that no neighbour reveals what a pixel shows.
    ///
    /// # Errors
    /// If a sample cannot be read.
    pub fn crop(
        &self,
        split: &TrainingSplit,
        draw: Draw,
        augment: &AugmentSection,
        radiometry: &[Radiometry],
        rng: &mut StdRng,
    ) -> Result<Crop> {
        let mut whole = Crop::empty(self.edge_px, radiometry);
        let rows = self.cells(rng.random_range(0..self.piece_px));
        let columns = self.cells(rng.random_range(0..self.piece_px));
        let largest = |cells: &[Cell]| (0..cells.len()).max_by_key(|&cell| cells[cell].length);
        let main = (largest(&rows), largest(&columns));
        let others = split.source_of(draw.sample).samples.clone();
        for (row_index, row) in rows.iter().enumerate() {
            for (column_index, column) in columns.iter().enumerate() {
                let (index, placement) = match (Some(row_index), Some(column_index)) == main {
                    true => (draw.sample, draw.center.map_or(Placement::Anywhere, Placement::Near)),
                    false => (rng.random_range(others.clone()), Placement::Anywhere),
                };
                let sample = split.sample(index)?;
                let geometry = Geometry::draw(&sample, placement, self.piece_px, self.step, augment, rng);
                let piece = cut(&sample, &geometry, self.piece_px, radiometry);
                for line in 0..row.length {
                    let from = (row.skipped + line) * self.piece_px + column.skipped;
                    let to = (row.start + line) * self.edge_px + column.start;
                    whole.take(to, &piece, from, column.length);
                }
            }
        }
        Ok(whole)
    }

    /// The pieces along one axis; the first lacks its first `phase` pixels.
    fn cells(&self, phase: usize) -> Vec<Cell> {
        let mut cells = Vec::new();
        let (mut start, mut skipped) = (0, phase);
        while start < self.edge_px {
            let length = (self.piece_px - skipped).min(self.edge_px - start);
            cells.push(Cell { start, skipped, length });
            start += length;
            skipped = 0;
        }
        cells
    }
}

/// A piece's part along one axis.
#[derive(Debug, Clone, Copy)]
struct Cell {
    /// First pixel in the crop.
    start: usize,
    /// Pixels of the piece before it.
    skipped: usize,
    /// Pixels that are visible.
    length: usize,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::augment::{BandStatistics, crop};
    use crate::dataset::IGNORE;
    use crate::sample::testing::sample;
    use rand::SeedableRng;

    #[test]
    fn a_crop_larger_than_its_sample_is_filled_without_a_gap() {
        let split = TrainingSplit::of((0..5).map(|index| sample(32, 32, |_| index)).collect());
        let statistics = BandStatistics {
            mean: vec![1.0],
            std: vec![1.0],
            wavelength_um: vec![None],
            optional: vec![false],
        };
        for mosaic in [false, true] {
            let augment = AugmentSection {
                mosaic,
                symmetries: true,
                gain: 0.3,
                ..AugmentSection::default()
            };
            for seed in 0..20 {
                let draw = Draw {
                    sample: 3,
                    center: (seed % 2 == 0).then_some([4.0, 30.0]),
                };
                let rng = &mut StdRng::seed_from_u64(seed);
                let crop = crop(&split, draw, 80, &augment, &statistics, rng).expect("a crop");
                let covered = crop.valid.iter().filter(|&&valid| valid).count();
                if !mosaic {
                    assert!(covered <= 32 * 32);
                    continue;
                }
                assert_eq!(covered, 80 * 80);
                assert!(crop.labels.iter().all(|&label| label != IGNORE));
                // The sample that was drawn is complete, and all samples have the same light.
                assert!(crop.labels.iter().filter(|&&label| label == 3).count() >= 32 * 32);
                let gain = crop.radiometry[0].gain;
                for (value, label) in crop.values.iter().zip(&crop.labels) {
                    assert!((value - f32::from(*label) * gain).abs() < 1e-4);
                }
            }
        }
    }
}
