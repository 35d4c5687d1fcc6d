//! Overlapping tiles to one seamless grid of logits.

use std::f32::consts::PI;

use crate::error::InferError;
use crate::plan::{Tile, TilePlan};

/// Weighted sums of the tiles' logits on the scene's grid.
///
/// A tile's weight falls off over its overlap as a raised cosine that never reaches zero: the network sees least at a tile's edge, and a
/// cell that only one tile covers still has a value. Cells that no tile has covered yet read as 0.
#[derive(Debug, Clone)]
pub struct Blend {
    channels: usize,
    cells: [usize; 2],
    cell_px: usize,
    /// `[channels, h, w]`
    sums: Vec<f32>,
    /// `[h, w]`
    weights: Vec<f32>,
    profile: [Vec<f32>; 2],
}

impl Blend {
    /// An empty grid of `channels` logits for the scene of `plan`.
    pub fn new(plan: &TilePlan, channels: usize) -> Self {
        let cells = plan.cells();
        let count = cells[0] * cells[1];
        Self {
            channels,
            cells,
            cell_px: plan.cell_px,
            sums: vec![0.0; channels * count],
            weights: vec![0.0; count],
            profile: plan
                .tile
                .map(|size| profile(size / plan.cell_px, plan.overlap_px / plan.cell_px)),
        }
    }

    /// Bytes that a grid of `channels` logits for `plan` keeps.
    pub fn needed_bytes(plan: &TilePlan, channels: usize) -> u64 {
        let [height, width] = plan.cells().map(|cells| cells as u64);
        height.saturating_mul(width).saturating_mul(4 * (channels as u64 + 1))
    }

    /// Pixels per cell, along each axis.
    pub fn cell_px(&self) -> usize {
        self.cell_px
    }

    /// Size of the grid.
    pub fn cells(&self) -> [usize; 2] {
        self.cells
    }

    /// Adds a tile's logits. What reaches beyond the scene's edge is dropped.
    ///
    /// # Shapes
    /// - `parts`: planes `[_, tile.height / cell_px, tile.width / cell_px]`, one after the other the `channels` of this grid
    ///
    /// # Errors
    /// [`InferError::Malformed`] where the network gave another number of logits.
    pub fn add(&mut self, tile: Tile, parts: &[&[f32]]) -> Result<(), InferError> {
        let [rows, columns] = [tile.height / self.cell_px, tile.width / self.cell_px];
        let plane = rows * columns;
        let given: usize = parts.iter().map(|part| part.len()).sum();
        if parts.iter().any(|part| part.len() % plane != 0) || given != plane * self.channels {
            let expected = format!("{} maps of {columns} x {rows}", self.channels);
            return Err(InferError::Malformed(format!(
                "its network gave {given} logits where {expected} were expected"
            )));
        }
        let [height, width] = self.cells;
        let (x, y) = (tile.x / self.cell_px, tile.y / self.cell_px);
        let columns_kept = columns.min(width.saturating_sub(x));
        let planes = parts.iter().flat_map(|part| part.chunks_exact(plane));
        let targets = self.sums.chunks_exact_mut(height * width);
        let [vertical, horizontal] = &self.profile;
        let blended = |target: &mut [f32], source: &dyn Fn(usize, usize) -> f32| {
            for (row, down) in vertical.iter().enumerate().take(height.saturating_sub(y)) {
                let start = (y + row) * width + x;
                let target = &mut target[start..start + columns_kept];
                for (column, (cell, across)) in target.iter_mut().zip(horizontal).enumerate() {
                    *cell += down * across * source(row, column);
                }
            }
        };
        for (logits, target) in planes.zip(targets) {
            blended(target, &|row, column| logits[row * columns + column]);
        }
        blended(&mut self.weights, &|_, _| 1.0);
        Ok(())
    }

    /// Whether a tile has covered the pixel, which must be in the scene.
    pub fn is_covered(&self, y: usize, x: usize) -> bool {
        self.weights[y / self.cell_px * self.cells[1] + x / self.cell_px] > 0.0
    }

    /// Writes one row of a channel's blended logits.
    pub fn read_row(&self, channel: usize, row: usize, output: &mut [f32]) {
        let [height, width] = self.cells;
        let sums = &self.sums[(channel * height + row) * width..][..width];
        let weights = &self.weights[row * width..][..width];
        for ((output, sum), weight) in output.iter_mut().zip(sums).zip(weights) {
            *output = if *weight > 0.0 { sum / weight } else { 0.0 };
        }
    }
}

/// Weights along one axis: 1 inside, a raised cosine over `overlap` cells at either end.
fn profile(cells: usize, overlap: usize) -> Vec<f32> {
    let ramp = overlap.min(cells / 2);
    (0..cells)
        .map(|cell| {
            let from_edge = cell.min(cells - 1 - cell);
            if from_edge < ramp {
                0.5 - 0.5 * (PI * (from_edge as f32 + 0.5) / ramp as f32).cos()
            } else {
                1.0
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Tiling, reflect};

    /// A translation-invariant network: each cell's logit depends on its own 4 x 4 pixels alone.
    fn cell_means(scene: &[f32], [height, width]: [usize; 2], tile: Tile) -> Vec<f32> {
        let pixel = |y: usize, x: usize| scene[reflect(y, height) * width + reflect(x, width)];
        let cell = |row: usize, column: usize| {
            let pixels = (0..16).map(|i| pixel(tile.y + row * 4 + i / 4, tile.x + column * 4 + i % 4));
            pixels.sum::<f32>() / 16.0
        };
        let [rows, columns] = [tile.height / 4, tile.width / 4];
        (0..rows * columns).map(|i| cell(i / columns, i % columns)).collect()
    }

    #[test]
    fn tiles_of_a_translation_invariant_network_blend_to_the_untiled_result() {
        for size in [[200, 333], [50, 40], [96, 97], [130, 259]] {
            let [height, width] = size;
            let scene: Vec<f32> = (0..height * width)
                .map(|i| ((i * 7919) % 1013) as f32 / 100.0 - 5.0)
                .collect();
            let plan = TilePlan::new(
                size,
                Tiling {
                    tile_px: 96,
                    overlap_px: 32,
                },
                4,
            )
            .expect("a valid plan");
            let mut blend = Blend::new(&plan, 2);
            for &y in &plan.row_origins {
                for &x in &plan.column_origins {
                    let tile = plan.tile_at(y, x);
                    let logits = cell_means(&scene, size, tile);
                    let negated: Vec<f32> = logits.iter().map(|logit| -logit).collect();
                    blend.add(tile, &[&logits, &negated]).expect("two maps");
                }
            }
            let [rows, columns] = plan.cells();
            let whole = Tile {
                x: 0,
                y: 0,
                height: rows * 4,
                width: columns * 4,
            };
            let untiled = cell_means(&scene, size, whole);
            let mut row = vec![0.0; columns];
            for (channel, sign) in [(0, 1.0), (1, -1.0)] {
                for y in 0..rows {
                    blend.read_row(channel, y, &mut row);
                    for (x, blended) in row.iter().enumerate() {
                        let expected = sign * untiled[y * columns + x];
                        assert!(
                            (blended - expected).abs() < 1e-5,
                            "{size:?} at {x}, {y}: {blended}, not {expected}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn weights_never_vanish_and_neighbours_sum_to_one() {
        let weights = profile(64, 16);
        assert!(weights.iter().all(|weight| *weight > 0.0 && *weight <= 1.0));
        for cell in 0..16 {
            assert!((weights[48 + cell] + weights[cell] - 1.0).abs() < 1e-6);
        }
        assert!(profile(8, 0).iter().all(|weight| *weight == 1.0));
    }

    #[test]
    fn a_wrong_number_of_logits_is_refused() {
        let plan = TilePlan::new([64, 64], Tiling::default(), 4).expect("a valid plan");
        let mut blend = Blend::new(&plan, 2);
        let tile = plan.tile_at(0, 0);
        assert!(blend.add(tile, &[&[0.0; 256]]).is_err());
        assert!(blend.add(tile, &[&[0.0; 100], &[0.0; 412]]).is_err());
        assert!(!blend.is_covered(0, 0));
        blend.add(tile, &[&[0.0; 256], &[0.0; 256]]).expect("two maps");
        assert!(blend.is_covered(63, 63));
    }
}
