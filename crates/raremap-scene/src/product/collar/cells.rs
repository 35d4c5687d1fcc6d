//! The border of a large scene: the parts of a preview in which pixels of 0 count as border.

use super::Judge;
use crate::error::SceneError;
use crate::scene::Scene;
use raremap_tiff::{Samples, Window};

/// Longer side of the preview: a cell of it is some 16 pixels of the largest scenes.
const PREVIEW_PX: u32 = 1024;

/// Cells of a scene in which pixels of 0 in all bands belong to the border.
///
/// These are the cells whose sampled pixel is 0 and connected to the edge through such cells, their neighbours, and all cells along the edge. A
/// pond of zeros that lies within one cell of the border is therefore taken for a part of it; elsewhere, zeros stay data.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::product) struct Cells {
    judge: Judge,
    /// `[height, width]` of the scene in pixels.
    scene: [u32; 2],
    /// `[rows, columns]`
    grid: [usize; 2],
    /// Row by row.
    is_border: Vec<bool>,
    /// Share of the scene that the connected cells have.
    pub(super) percent: f64,
}

impl Cells {
    /// Finds the cells of a scene that has zeros at its edge.
    pub(super) async fn find(scene: &impl Scene, judge: Judge) -> Result<Self, SceneError> {
        let info = scene.scene_info();
        let preview = scene.read_preview(PREVIEW_PX, &judge.bands).await?;
        let grid = [preview.height, preview.width];
        let joined = joined_to_edge(grid, &judge.empty(&judge.bands, &preview));
        let count = joined.iter().filter(|joined| **joined).count();
        Ok(Self {
            judge,
            scene: [info.height, info.width],
            grid,
            percent: 100.0 * count as f64 / joined.len().max(1) as f64,
            is_border: widened(grid, &joined),
        })
    }

    /// Marks zeros of a window that lie in border cells.
    pub(super) fn apply(&self, window: Window, bands: &[usize], samples: &mut Samples) {
        let [height, width] = self.scene;
        let start = [f64::from(window.y), f64::from(window.x)];
        self.mark([f64::from(height), f64::from(width)], start, bands, samples);
    }

    /// Marks zeros of a preview of the whole scene that lie in border cells.
    pub(super) fn apply_to_preview(&self, bands: &[usize], samples: &mut Samples) {
        let size = [samples.height as f64, samples.width as f64];
        self.mark(size, [0.0; 2], bands, samples);
    }

    /// Marks samples on a grid of `size` pixels over the whole scene, the first of them at `start`.
    fn mark(&self, size: [f64; 2], start: [f64; 2], bands: &[usize], samples: &mut Samples) {
        let cell = |axis: usize, index: usize| {
            let middle = start[axis] + index as f64 + 0.5;
            ((middle / size[axis] * self.grid[axis] as f64) as usize).min(self.grid[axis].saturating_sub(1))
        };
        let width = samples.width.max(1);
        let columns: Vec<usize> = (0..width).map(|column| cell(1, column)).collect();
        let empty = self.judge.empty(bands, samples);
        let rows = samples.valid.chunks_exact_mut(width).zip(empty.chunks_exact(width));
        for (row, (valid, empty)) in rows.enumerate() {
            let first = cell(0, row) * self.grid[1];
            let Some(cells) = self.is_border.get(first..first + self.grid[1]) else {
                continue;
            };
            for ((valid, empty), column) in valid.iter_mut().zip(empty).zip(&columns) {
                *valid &= !(*empty && cells.get(*column).copied().unwrap_or(false));
            }
        }
    }
}

/// The neighbours of a cell, itself among them.
fn around([rows, columns]: [usize; 2], cell: usize) -> impl Iterator<Item = usize> {
    let (row, column) = (cell / columns.max(1), cell % columns.max(1));
    (row.saturating_sub(1)..(row + 2).min(rows))
        .flat_map(move |y| (column.saturating_sub(1)..(column + 2).min(columns)).map(move |x| y * columns + x))
}

fn is_at_edge([rows, columns]: [usize; 2], cell: usize) -> bool {
    let (row, column) = (cell / columns.max(1), cell % columns.max(1));
    row == 0 || column == 0 || row + 1 == rows || column + 1 == columns
}

/// Empty cells that are connected to the edge through empty cells.
fn joined_to_edge(grid: [usize; 2], empty: &[bool]) -> Vec<bool> {
    let mut joined: Vec<bool> = (0..empty.len())
        .map(|cell| empty[cell] && is_at_edge(grid, cell))
        .collect();
    let mut open: Vec<usize> = (0..empty.len()).filter(|cell| joined[*cell]).collect();
    while let Some(cell) = open.pop() {
        for next in around(grid, cell) {
            if empty[next] && !joined[next] {
                joined[next] = true;
                open.push(next);
            }
        }
    }
    joined
}

/// The joined cells with their neighbours, and all cells along the edge: a border may be narrower than a cell.
fn widened(grid: [usize; 2], joined: &[bool]) -> Vec<bool> {
    (0..joined.len())
        .map(|cell| is_at_edge(grid, cell) || around(grid, cell).any(|near| joined[near]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(picture: &[&str]) -> Vec<bool> {
        picture.concat().bytes().map(|byte| byte == b'0').collect()
    }

    #[test]
    fn cells_are_the_border_with_its_neighbours_and_the_edge_but_no_pond() {
        let picture = ["00xxxxxx", "0xxxxxxx", "xxxx0xxx", "xxxxxxxx", "xxxxxxxx"];
        let joined = joined_to_edge([5, 8], &map(&picture));
        assert_eq!(
            joined,
            map(&["00xxxxxx", "0xxxxxxx", "xxxxxxxx", "xxxxxxxx", "xxxxxxxx"])
        );
        let wide = ["00000000", "000xxxx0", "00xxxxx0", "0xxxxxx0", "00000000"];
        assert_eq!(widened([5, 8], &joined), map(&wide));
    }
}
