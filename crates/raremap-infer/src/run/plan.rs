//! Plans the overlapping windows that cover a scene.

use std::ops::Range;

use crate::error::InferError;

/// Tile edges and tile origins are multiples of this, so that all tiles share the network's coarsest grid.
pub const TILE_MULTIPLE: usize = 32;

/// If tile and overlap are multiples of this, so are tile origins: attention windows of this edge then lie on the same pixels in every tile.
const WINDOW_MULTIPLE: usize = 64;

/// Largest tile edge, because attention's memory grows with its fourth power.
pub const MAX_TILE_PX: usize = 2048;

/// Tile edge and overlap, in pixels, both multiples of 32.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tiling {
    /// Edge of a square tile.
    pub tile_px: usize,
    /// Pixels that neighbouring tiles share.
    pub overlap_px: usize,
}

impl Default for Tiling {
    fn default() -> Self {
        Self::of_tile(256)
    }
}

impl Tiling {
    /// Tiles of this edge; neighbours share a quarter of it or a little more.
    pub const fn of_tile(tile_px: usize) -> Self {
        let has_windows = tile_px.is_multiple_of(WINDOW_MULTIPLE) && tile_px > WINDOW_MULTIPLE;
        let multiple = if has_windows { WINDOW_MULTIPLE } else { TILE_MULTIPLE };
        let quarter = (tile_px / 4).next_multiple_of(multiple);
        let most = tile_px.saturating_sub(TILE_MULTIPLE);
        let overlap_px = if quarter < most { quarter } else { most };
        Self { tile_px, overlap_px }
    }
}

/// The windows that cover a scene, row by row.
///
/// All windows have one size, so that a device prepares its kernels once. A scene smaller than a tile gets one window of the scene's size,
/// rounded up to a multiple of 32. The last window of a row or column is shifted back, so that at most 31 of its pixels are beyond the
/// scene's edge, or 63 if tile and overlap are multiples of 64; the reader fills those by reflection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TilePlan {
    /// Size of the scene, in pixels.
    pub scene: [usize; 2],
    /// Size of every window, in pixels: multiples of 32.
    pub tile: [usize; 2],
    /// First row of each row of windows, ascending multiples of 32.
    pub row_origins: Vec<usize>,
    /// First column of each column of windows, ascending multiples of 32.
    pub column_origins: Vec<usize>,
    /// Requested overlap, in pixels.
    pub overlap_px: usize,
    /// Pixels per cell of the network's output, along each axis: 1, 2 or 4.
    pub cell_px: usize,
}

/// The part of a plan that decides about a block of pixels, for scenes that are computed block by block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanPart {
    /// Rows and columns of the scene that the part's windows see. They contain the block, and neither the block's size nor its place has to
    /// be a multiple of anything.
    pub pixels: [Range<usize>; 2],
    /// The windows, as the plan of a scene that consists of those pixels: logits and pixels of the block come out as those of the whole scene,
    /// bit for bit.
    pub plan: TilePlan,
}

/// One window of a plan, in pixels of the scene.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tile {
    /// First column.
    pub x: usize,
    /// First row.
    pub y: usize,
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
}

impl TilePlan {
    /// # Errors
    /// [`InferError::Misuse`] for an empty scene, and for a tile size or overlap that is not a multiple of 32, is too large, or leaves no
    /// step.
    pub fn new(scene: [usize; 2], tiling: Tiling, cell_px: usize) -> Result<Self, InferError> {
        let Tiling { tile_px, overlap_px } = tiling;
        if cell_px == 0 || !TILE_MULTIPLE.is_multiple_of(cell_px) {
            return Err(InferError::Misuse(format!(
                "cells of {cell_px} pixels do not divide a tile evenly"
            )));
        }
        if scene.contains(&0) {
            return Err(InferError::Misuse("the scene has no pixels".into()));
        }
        if tile_px == 0 || tile_px % TILE_MULTIPLE != 0 || tile_px > MAX_TILE_PX {
            let rule = format!("a multiple of {TILE_MULTIPLE}, at most {MAX_TILE_PX}");
            return Err(InferError::Misuse(format!(
                "the tile size is {tile_px}; it must be {rule}"
            )));
        }
        if overlap_px % TILE_MULTIPLE != 0 || overlap_px >= tile_px {
            let rule = format!("a multiple of {TILE_MULTIPLE} below the tile size, {tile_px}");
            return Err(InferError::Misuse(format!(
                "the overlap is {overlap_px}; it must be {rule}"
            )));
        }
        let [height, width] = scene;
        let tile = scene.map(|size| tile_px.min(size.next_multiple_of(TILE_MULTIPLE)));
        let step = tile_px - overlap_px;
        let is_aligned = [tile_px, overlap_px]
            .iter()
            .all(|edge| edge.is_multiple_of(WINDOW_MULTIPLE));
        let multiple = if is_aligned { WINDOW_MULTIPLE } else { TILE_MULTIPLE };
        Ok(Self {
            scene,
            tile,
            row_origins: origins(height, tile[0], step, multiple),
            column_origins: origins(width, tile[1], step, multiple),
            overlap_px,
            cell_px,
        })
    }

    /// Number of windows.
    pub fn len(&self) -> usize {
        self.row_origins.len() * self.column_origins.len()
    }

    /// Never true: a plan covers at least one pixel.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Size of the grid of the scene's logits.
    pub fn cells(&self) -> [usize; 2] {
        self.scene.map(|size| size.div_ceil(self.cell_px))
    }

    /// The windows that touch a block of pixels, given as rows and columns, or the cells beside it with which its pixels are interpolated.
    ///
    /// # Errors
    /// [`InferError::Misuse`] for a block that is empty or not inside the scene.
    pub fn part(&self, block: [Range<usize>; 2]) -> Result<PlanPart, InferError> {
        let cells = self.cells();
        let mut pixels = [0..0, 0..0];
        let mut origins = [Vec::new(), Vec::new()];
        for (axis, all) in [&self.row_origins, &self.column_origins].into_iter().enumerate() {
            let (block, scene) = (&block[axis], self.scene[axis]);
            if block.is_empty() || block.end > scene {
                return Err(InferError::Misuse(format!(
                    "pixels {} to {} are not a block of a scene of {scene}",
                    block.start, block.end
                )));
            }
            // A pixel lies between the centres of two cells: see `upsample::Taps`.
            let before = |pixel: usize| (2 * pixel + 1).saturating_sub(self.cell_px) / (2 * self.cell_px);
            let (first, last) = (before(block.start), (before(block.end - 1) + 1).min(cells[axis] - 1));
            let touches =
                |origin: usize| origin <= last * self.cell_px && origin + self.tile[axis] > first * self.cell_px;
            let touching: Vec<usize> = all.iter().copied().filter(|origin| touches(*origin)).collect();
            let start = touching.first().copied().unwrap_or(0);
            let end = touching.last().map_or(0, |origin| origin + self.tile[axis]).min(scene);
            pixels[axis] = start..end;
            origins[axis] = touching.into_iter().map(|origin| origin - start).collect();
        }
        let [row_origins, column_origins] = origins;
        let plan = Self {
            scene: [pixels[0].len(), pixels[1].len()],
            row_origins,
            column_origins,
            ..self.clone()
        };
        Ok(PlanPart { pixels, plan })
    }

    /// The window of a row origin and a column origin.
    pub fn tile_at(&self, y: usize, x: usize) -> Tile {
        Tile {
            x,
            y,
            width: self.tile[1],
            height: self.tile[0],
        }
    }
}

fn origins(size: usize, tile: usize, step: usize, multiple: usize) -> Vec<usize> {
    let last = size.saturating_sub(tile).next_multiple_of(multiple);
    (0..last).step_by(step).chain([last]).collect()
}

/// Index into `0..size` to which reflection maps `index`: `c b | a b c | b a`, with the edge pixel once.
pub(crate) fn reflect(index: usize, size: usize) -> usize {
    if index < size {
        return index;
    }
    let last = size - 1;
    if last == 0 {
        return 0;
    }
    let phase = index % (2 * last);
    phase.min(2 * last - phase)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pixel_is_covered_by_windows_of_one_size_at_multiples_of_32_or_64() {
        for (tile_px, overlap_px, multiple) in
            [(256, 64, 64), (256, 32, 32), (64, 32, 32), (128, 0, 64), (512, 256, 64)]
        {
            for size in (1..1200).step_by(7).chain([31, 32, 33, 255, 256, 257, 448, 449]) {
                let plan = TilePlan::new([size, 40], Tiling { tile_px, overlap_px }, 4).expect("a valid plan");
                let mut covered = 0;
                for &origin in &plan.row_origins {
                    assert!(
                        origin <= covered,
                        "gap before {origin} of {size} with {tile_px}/{overlap_px}"
                    );
                    assert_eq!(origin % multiple, 0);
                    covered = origin + plan.tile[0];
                }
                assert!(
                    covered >= size && covered < size + multiple,
                    "{size}: covered {covered}"
                );
                assert_eq!(plan.column_origins, [0]);
                assert_eq!(plan.tile[1], if tile_px < 64 { tile_px } else { 64 });
            }
        }
    }

    #[test]
    fn neighbours_overlap_by_at_least_what_was_asked() {
        let plan = TilePlan::new([3000, 4000], Tiling::default(), 4).expect("a valid plan");
        for origins in [&plan.row_origins, &plan.column_origins] {
            assert!(
                origins
                    .windows(2)
                    .all(|pair| pair[1] > pair[0] && pair[0] + 256 - pair[1] >= 64)
            );
        }
        assert_eq!(plan.len(), 16 * 21);
        assert_eq!(plan.cells(), [750, 1000]);
    }

    #[test]
    fn impossible_tilings_are_refused() {
        let plan = |tile_px, overlap_px| TilePlan::new([100, 100], Tiling { tile_px, overlap_px }, 4);
        for (tile_px, overlap_px) in [(0, 0), (100, 32), (256, 256), (256, 20), (4096, 64)] {
            assert!(plan(tile_px, overlap_px).is_err(), "{tile_px}/{overlap_px}");
        }
        assert!(TilePlan::new([0, 5], Tiling::default(), 4).is_err());
    }

    #[test]
    fn the_usual_overlap_fits_every_tile() {
        assert_eq!(
            Tiling::default(),
            Tiling {
                tile_px: 256,
                overlap_px: 64
            }
        );
        for tile_px in (32..=MAX_TILE_PX).step_by(TILE_MULTIPLE) {
            assert!(
                TilePlan::new([100, 100], Tiling::of_tile(tile_px), 4).is_ok(),
                "{tile_px}"
            );
        }
    }

    #[test]
    fn usual_tiles_of_all_sizes_lie_on_one_grid_of_windows() {
        for tile_px in (128..=1024).step_by(64) {
            let plan = TilePlan::new([3001, 999], Tiling::of_tile(tile_px), 4).expect("a valid plan");
            let origins = plan.row_origins.iter().chain(&plan.column_origins);
            assert!(
                origins.into_iter().all(|origin| origin % WINDOW_MULTIPLE == 0),
                "{tile_px}"
            );
        }
    }

    #[test]
    fn a_part_has_all_windows_of_the_cells_that_its_block_needs_and_no_others() {
        let plan = TilePlan::new([700, 530], Tiling::of_tile(128), 2).expect("a valid plan");
        let part = |rows: Range<usize>, columns: Range<usize>| plan.part([rows, columns]).expect("a block");
        let whole = part(0..700, 0..530);
        assert_eq!((whole.pixels, whole.plan), ([0..700, 0..530], plan.clone()));
        // Windows begin at multiples of 64. Pixels 128 and 191 are interpolated with the cells before 128 and from 192 on.
        let inner = part(129..191, 128..192);
        assert_eq!(inner.pixels, [64..256, 0..320]);
        assert_eq!(inner.plan.row_origins, [0, 64]);
        assert_eq!(inner.plan.column_origins, [0, 64, 128, 192]);
        let corner = part(699..700, 529..530);
        assert_eq!(corner.pixels, [576..700, 448..530]);
        assert_eq!((corner.plan.scene, corner.plan.tile), ([124, 82], [128, 128]));
        for (rows, columns) in [(0..0, 0..1), (0..701, 0..1), (0..1, 530..531)] {
            assert!(plan.part([rows, columns]).is_err());
        }
    }

    #[test]
    fn reflection_repeats_no_edge_pixel() {
        let mapped: Vec<usize> = (0..8).map(|index| reflect(index, 3)).collect();
        assert_eq!(mapped, [0, 1, 2, 1, 0, 1, 2, 1]);
        assert_eq!(reflect(9, 1), 0);
    }
}
