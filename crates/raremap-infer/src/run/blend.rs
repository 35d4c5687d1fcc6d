//! Blends overlapping tiles into one seamless grid of logits.

use std::collections::VecDeque;
use std::f32::consts::PI;
use std::ops::Range;

use raremap_io::Scratch;

use crate::error::InferError;
use crate::run::plan::{Tile, TilePlan};

/// Columns of cells that are kept, written and read together. A block of a row has some 20 KB with all its channels: it is large enough to
/// be read in one piece, and small enough that a window's width of them is little.
const BLOCK_CELLS: usize = 1024;

/// Weighted sums of the tiles' logits on the scene's grid.
///
/// A tile's weight falls off over its overlap as a raised cosine that never reaches zero: the network sees least at a tile's edge, and yet
/// a cell that only one tile covers has a value. Cells that no tile has covered yet read as 0.
///
/// Tiles come in the plan's order. Only the sums that a later tile can still touch are in memory: a window's width of cells, and the rows
/// that two rows of windows share. What is finished goes to the scratch with 16 bits per logit ([`Stored`]), because where every pixel has logits of its own,
/// they are most of what a large scene needs on the disk. Unfinished cells read with the same precision: finishing them changes no map.
pub struct Blend {
    channels: usize,
    /// How many of the channels, from the first on, are the main head's.
    main: usize,
    cells: [usize; 2],
    cell_px: usize,
    profile: [Vec<f32>; 2],
    /// First row and first column of cells of each row and column of windows.
    origins: [Vec<usize>; 2],
    tiles_added: usize,
    /// Unfinished rows from `first_open` on, in blocks; `None` if no tile has touched one.
    open: VecDeque<Vec<Option<Sums>>>,
    first_open: usize,
    /// Offset in the scratch of each finished block of each row of windows, in order: [`Stored`] logits, `[rows, channels, columns]`.
    finished: Vec<Vec<u64>>,
    scratch: Box<dyn Scratch>,
}

/// `[channels + 1, columns]` of one row of one block: the sums, and last the weights.
type Sums = Box<[f32]>;

impl Blend {
    /// An empty grid of logits of the main and the auxiliary head for the scene of `plan`; what is finished is kept in an empty `scratch`.
    pub fn new(plan: &TilePlan, [main, auxiliary]: [usize; 2], scratch: Box<dyn Scratch>) -> Self {
        let cells_of = |origins: &[usize]| origins.iter().map(|origin| origin / plan.cell_px).collect();
        Self {
            channels: main + auxiliary,
            main,
            cells: plan.cells(),
            cell_px: plan.cell_px,
            profile: plan
                .tile
                .map(|size| profile(size / plan.cell_px, plan.overlap_px / plan.cell_px)),
            origins: [cells_of(&plan.row_origins), cells_of(&plan.column_origins)],
            tiles_added: 0,
            open: VecDeque::new(),
            first_open: 0,
            finished: Vec::new(),
            scratch,
        }
    }

    /// Bytes that the finished grid of `channels` logits for `plan` takes in its scratch.
    pub fn finished_bytes(plan: &TilePlan, channels: usize) -> u64 {
        let [height, width] = plan.cells().map(|cells| cells as u64);
        let bytes = (size_of::<Stored>() * channels) as u64;
        height.saturating_mul(width).saturating_mul(bytes)
    }

    /// Largest amount of memory that the unfinished part of that grid takes, in bytes.
    pub fn open_bytes(plan: &TilePlan, channels: usize) -> u64 {
        let [rows, columns] = plan.tile.map(|size| size / plan.cell_px);
        let width = plan.cells()[1];
        let overlaps = plan.row_origins.windows(2).map(|pair| match pair {
            [above, below] => (above + plan.tile[0]).saturating_sub(*below) / plan.cell_px,
            _ => 0,
        });
        // To the left of the current window these are the rows shared with the windows below, and to its right those shared with the ones
        // above.
        let shared = overlaps.max().unwrap_or(0);
        let cells = shared * width + rows * width.min(columns + 2 * BLOCK_CELLS);
        (cells as u64).saturating_mul(4 * (channels as u64 + 1))
    }

    /// Pixels per cell, along each axis.
    pub fn cell_px(&self) -> usize {
        self.cell_px
    }

    /// Size of the grid.
    pub fn cells(&self) -> [usize; 2] {
        self.cells
    }

    /// Logits per cell.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Adds the next tile's logits. Anything beyond the scene's edge is dropped.
    ///
    /// # Shapes
    /// - `parts`: planes `[_, tile.height / cell_px, tile.width / cell_px]`, one after the other the `channels` of this grid
    ///
    /// # Errors
    /// [`InferError::Malformed`] if the network gave another number of logits, [`InferError::Misuse`] for a tile that is not the next one
    /// of the plan, and [`InferError::Raster`] if the scratch is full.
    pub fn add(&mut self, tile: Tile, parts: &[&[f32]]) -> Result<(), InferError> {
        let [rows, columns] = [tile.height / self.cell_px, tile.width / self.cell_px];
        let plane = rows * columns;
        let given: usize = parts.iter().map(|part| part.len()).sum();
        if parts.iter().any(|part| part.len() % plane != 0) || given != plane * self.channels {
            let expected = format!("{} maps of {columns} x {rows}", self.channels);
            return Err(InferError::Malformed(format!(
                "its network gave {given} logits, but {expected} were expected"
            )));
        }
        self.check_next(tile)?;
        let [height, width] = self.cells;
        let (x, y) = (tile.x / self.cell_px, tile.y / self.cell_px);
        let columns_kept = columns.min(width - x);
        let rows_kept = rows.min(height - y);
        self.open_rows(y + rows_kept);
        let planes: Vec<&[f32]> = parts.iter().flat_map(|part| part.chunks_exact(plane)).collect();
        let [vertical, horizontal] = &self.profile;
        let open = self.open.range_mut(y - self.first_open..).take(rows_kept);
        for (row, (blocks, down)) in open.zip(vertical).enumerate() {
            let touched = x / BLOCK_CELLS..=(x + columns_kept - 1) / BLOCK_CELLS;
            for (block, sums) in touched.clone().zip(&mut blocks[touched]) {
                let first = block * BLOCK_CELLS;
                let block_width = BLOCK_CELLS.min(width - first);
                let (from, to) = (x.max(first), (x + columns_kept).min(first + block_width));
                let empty = || vec![0.0; (self.channels + 1) * block_width].into();
                let sums = sums.get_or_insert_with(empty);
                let mut targets = sums
                    .chunks_exact_mut(block_width)
                    .map(|target| &mut target[from - first..to - first]);
                let across = &horizontal[from - x..to - x];
                for (logits, target) in planes.iter().zip(&mut targets) {
                    let logits = &logits[row * columns + from - x..];
                    for ((cell, across), logit) in target.iter_mut().zip(across).zip(logits) {
                        *cell += down * across * logit;
                    }
                }
                if let Some(weights) = targets.next() {
                    let pairs = weights.iter_mut().zip(across);
                    pairs.for_each(|(weight, across)| *weight += down * across);
                }
            }
        }
        self.finish_tile()
    }

    /// Skips the next tile without logits: they are 0 where no other tile lies.
    ///
    /// # Errors
    /// As [`Blend::add`].
    pub fn skip(&mut self, tile: Tile) -> Result<(), InferError> {
        self.check_next(tile)?;
        let end = (tile.y + tile.height) / self.cell_px;
        self.open_rows(end.min(self.cells[0]));
        self.finish_tile()
    }

    /// Row and column of windows of the next tile.
    fn next(&self) -> (usize, usize) {
        let across = self.origins[1].len();
        (self.tiles_added / across, self.tiles_added % across)
    }

    fn check_next(&self, tile: Tile) -> Result<(), InferError> {
        let (down, across) = self.next();
        let is_at = |axis: usize, index: usize, px: usize| self.origins[axis].get(index) == Some(&(px / self.cell_px));
        if is_at(0, down, tile.y) && is_at(1, across, tile.x) {
            return Ok(());
        }
        let problem = format!("the tile at {}, {} is not the next one of the plan", tile.x, tile.y);
        Err(InferError::Misuse(problem))
    }

    /// Makes room for the sums of rows up to `end`.
    fn open_rows(&mut self, end: usize) {
        let block_count = self.block_count();
        while self.first_open + self.open.len() < end {
            self.open.push_back(vec![None; block_count]);
        }
    }

    /// Counts the next tile as done, writes the blocks of its row of windows that no later tile touches, and frees them.
    fn finish_tile(&mut self) -> Result<(), InferError> {
        let (down, across) = self.next();
        let [rows_finished, columns_finished] = [(0, down), (1, across)]
            .map(|(axis, at)| self.origins[axis].get(at + 1).copied().unwrap_or(self.cells[axis]));
        self.tiles_added += 1;
        if self.finished.len() == down {
            self.finished.push(Vec::new());
        }
        let mut bytes = Vec::new();
        while let Some(block) = self.finished.get(down).map(Vec::len)
            && block < self.block_count()
            && self.block_columns(block).end <= columns_finished
        {
            let offset = self.scratch.size_bytes();
            let columns = self.block_columns(block).len();
            for blocks in self.open.iter_mut().take(rows_finished - self.first_open) {
                bytes.clear();
                match blocks[block].take() {
                    Some(sums) => {
                        let logits = averages(&sums, columns, self.main, 0..self.channels);
                        logits.for_each(|logit| bytes.extend_from_slice(&logit.0.to_le_bytes()));
                    }
                    None => bytes.resize(size_of::<Stored>() * self.channels * columns, 0),
                }
                self.scratch.append(&bytes)?;
            }
            self.finished[down].push(offset);
        }
        if columns_finished == self.cells[1] {
            self.open.drain(..rows_finished - self.first_open);
            self.first_open = rows_finished;
        }
        Ok(())
    }

    /// Number of rows of cells, from the top, that no later tile will touch.
    pub fn finished_rows(&self) -> usize {
        self.first_open
    }

    /// Whether a tile has covered the pixel, which must be in the scene.
    pub fn is_covered(&self, y: usize, x: usize) -> bool {
        let (row, column) = (y / self.cell_px, x / self.cell_px);
        let block = column / BLOCK_CELLS;
        if self.finished_block(row, block).is_some() {
            return true;
        }
        let sums = self.open_block(row, block);
        let columns = self.block_columns(block);
        let weight = sums.and_then(|sums| sums.get(self.channels * columns.len() + column - columns.start));
        weight.is_some_and(|weight| *weight > 0.0)
    }

    /// Blocks in a row of cells.
    fn block_count(&self) -> usize {
        self.cells[1].div_ceil(BLOCK_CELLS)
    }

    /// The columns of cells of a block.
    fn block_columns(&self, block: usize) -> Range<usize> {
        let start = block * BLOCK_CELLS;
        start..(start + BLOCK_CELLS).min(self.cells[1])
    }

    /// The blocks that hold a range of columns.
    pub fn blocks_of(&self, columns: Range<usize>) -> Range<usize> {
        columns.start / BLOCK_CELLS..columns.end.div_ceil(BLOCK_CELLS)
    }

    /// The columns of cells of a range of blocks.
    pub fn columns_of(&self, blocks: Range<usize>) -> Range<usize> {
        self.block_columns(blocks.start).start..self.block_columns(blocks.end.saturating_sub(1)).end
    }

    fn open_block(&self, row: usize, block: usize) -> Option<&Sums> {
        self.open.get(row.checked_sub(self.first_open)?)?.get(block)?.as_ref()
    }

    /// Where a finished row of a block is in the scratch.
    fn finished_block(&self, row: usize, block: usize) -> Option<u64> {
        let [row_origins, _] = &self.origins;
        let down = row_origins.partition_point(|origin| *origin <= row).checked_sub(1)?;
        let offset = self.finished.get(down)?.get(block)?;
        let rows = (row - row_origins.get(down)?) as u64;
        Some(offset + rows * (size_of::<Stored>() * self.channels * self.block_columns(block).len()) as u64)
    }

    /// Writes the blended logits of one row of some blocks and channels. Those of the main head are relative to the cell's highest.
    ///
    /// # Shapes
    /// - `output`: `[channels, columns_of(blocks)]`
    ///
    /// # Errors
    /// Those of the scratch.
    pub fn read_row(
        &self,
        row: usize,
        blocks: Range<usize>,
        channels: Range<usize>,
        output: &mut [f32],
    ) -> Result<(), InferError> {
        let all = self.columns_of(blocks.clone());
        let mut bytes = Vec::new();
        for block in blocks {
            let columns = self.block_columns(block);
            let width = columns.len();
            let at = columns.start - all.start;
            let mut targets = output
                .chunks_exact_mut(all.len())
                .map(|channel| &mut channel[at..at + width]);
            if let Some(offset) = self.finished_block(row, block) {
                bytes.resize(size_of::<Stored>() * channels.len() * width, 0);
                let skipped = (size_of::<Stored>() * channels.start * width) as u64;
                self.scratch.read_at(offset + skipped, &mut bytes)?;
                let (values, _) = bytes.as_chunks();
                for (target, values) in targets.zip(values.chunks_exact(width)) {
                    let pairs = target.iter_mut().zip(values);
                    pairs.for_each(|(logit, bytes)| *logit = Stored(i16::from_le_bytes(*bytes)).logit());
                }
            } else if let Some(sums) = self.open_block(row, block) {
                let mut logits = averages(sums, width, self.main, channels.clone());
                for target in &mut targets {
                    let pairs = target.iter_mut().zip(&mut logits);
                    pairs.for_each(|(logit, stored)| *logit = stored.logit());
                }
            } else {
                targets.for_each(|target| target.fill(0.0));
            }
        }
        Ok(())
    }
}

/// The weighted averages of some channels of a row of a block, those of the `main` first channels less the cell's highest; 0 where nothing was added.
fn averages(sums: &[f32], columns: usize, main: usize, channels: Range<usize>) -> impl Iterator<Item = Stored> {
    let planes = sums.chunks_exact(columns);
    let weights = planes.clone().next_back().unwrap_or_default();
    let mut highest = vec![f32::NEG_INFINITY; if channels.start < main { columns } else { 0 }];
    for plane in planes.clone().take(main) {
        let pairs = highest.iter_mut().zip(plane);
        pairs.for_each(|(highest, sum)| *highest = highest.max(*sum));
    }
    let planes = planes.enumerate().take(channels.end).skip(channels.start);
    planes.flat_map(move |(channel, plane)| {
        let base = if channel < main { highest.clone() } else { Vec::new() };
        let base = base.into_iter().chain(std::iter::repeat(0.0));
        let triples = plane.iter().zip(weights).zip(base);
        triples.map(|((sum, weight), base)| Stored::of(if *weight > 0.0 { (sum - base) / weight } else { 0.0 }))
    })
}

/// A blended logit in steps of 1 / 512. That changes the probability of a rare class by no more than 0.0003.
///
/// From -64 down, logits are certain, and saturate; from 64 up, only those of the auxiliary head are, because softmax and argmax are of differences. The main
/// head's are therefore less the cell's highest, which changes neither.
#[derive(Debug, Clone, Copy)]
struct Stored(i16);

const STEPS_PER_UNIT: f32 = 512.0;

impl Stored {
    fn of(logit: f32) -> Self {
        // The cast saturates.
        Self((logit * STEPS_PER_UNIT).round_ties_even() as i16)
    }

    fn logit(self) -> f32 {
        f32::from(self.0) / STEPS_PER_UNIT
    }
}

impl std::fmt::Debug for Blend {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Blend")
            .field("channels", &self.channels)
            .field("cells", &self.cells)
            .field("tiles_added", &self.tiles_added)
            .finish_non_exhaustive()
    }
}

/// Weights along one axis: 1 inside, a raised cosine over `overlap` cells at either end.
fn profile(cells: usize, overlap: usize) -> Vec<f32> {
    let ramp = overlap.min(cells / 2);
    (0..cells)
        .map(|cell| {
            let from_edge = cell.min(cells - 1 - cell);
            if from_edge < ramp {
                0.5 - 0.5 * libm::cosf(PI * (from_edge as f32 + 0.5) / ramp as f32)
            } else {
                1.0
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::plan::{Tiling, reflect};
    use raremap_io::MemoryScratch;

    fn blend_of(plan: &TilePlan, channels: usize) -> Blend {
        Blend::new(plan, [0, channels], Box::new(MemoryScratch::default()))
    }

    /// A translation-invariant network: each cell's logit only depends on its own 4 x 4 pixels.
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
        for size in [[200, 333], [50, 40], [96, 97], [130, 259], [100, 4500]] {
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
            let mut blend = blend_of(&plan, 2);
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
            assert_eq!(blend.finished_rows(), rows);
            let blocks = blend.blocks_of(0..columns);
            for (channel, sign) in [(0, 1.0), (1, -1.0)] {
                for y in 0..rows {
                    let read = blend.read_row(y, blocks.clone(), channel..channel + 1, &mut row);
                    read.expect("it is in memory");
                    for (x, blended) in row.iter().enumerate() {
                        let expected = sign * untiled[y * columns + x];
                        assert!(
                            // Half a step, and the rounding of the sums.
                            (blended - expected).abs() < 1.0 / 1024.0 + 1e-5,
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
        let mut blend = blend_of(&plan, 2);
        let tile = plan.tile_at(0, 0);
        assert!(blend.add(tile, &[&[0.0; 256]]).is_err());
        assert!(blend.add(tile, &[&[0.0; 100], &[0.0; 412]]).is_err());
        assert!(!blend.is_covered(0, 0));
        blend.add(tile, &[&[0.0; 256], &[0.0; 256]]).expect("two maps");
        assert!(blend.is_covered(63, 63));
    }

    /// What an unbounded blend gives: sums and weights of the whole grid, divided at the end.
    #[test]
    fn finished_and_unfinished_cells_are_bit_for_bit_those_of_one_large_sum_in_steps() {
        let size = [150, 4400];
        let tiling = Tiling {
            tile_px: 96,
            overlap_px: 32,
        };
        let plan = TilePlan::new(size, tiling, 4).expect("a valid plan");
        let [rows, columns] = plan.cells();
        let (mut sums, mut weights) = (vec![0.0; rows * columns], vec![0.0; rows * columns]);
        let mut blend = blend_of(&plan, 2);
        let profile = profile(24, 8);
        let (mut added, mut row) = (0, vec![0.0; columns]);
        for &y in &plan.row_origins {
            for &x in &plan.column_origins {
                let tile = plan.tile_at(y, x);
                let logits: Vec<f32> = (0..24 * 24)
                    .map(|i| ((added * 31 + i * 7919) % 1013) as f32 / 97.0)
                    .collect();
                let zeros = vec![0.0; 24 * 24];
                blend.add(tile, &[&zeros, &logits]).expect("two maps");
                for (i, logit) in logits.iter().enumerate() {
                    let (row, column) = (y / 4 + i / 24, x / 4 + i % 24);
                    if row < rows && column < columns {
                        sums[row * columns + column] += profile[i / 24] * profile[i % 24] * logit;
                        weights[row * columns + column] += profile[i / 24] * profile[i % 24];
                    }
                }
                added += 1;
                // This reads while tiles are missing, at every kind of cell.
                if added % 13 == 0 || added == plan.len() {
                    for y in 0..rows {
                        let read = blend.read_row(y, blend.blocks_of(0..columns), 1..2, &mut row);
                        read.expect("it is in memory");
                        for (x, logit) in row.iter().enumerate() {
                            let at = y * columns + x;
                            let exact: f32 = if weights[at] > 0.0 { sums[at] / weights[at] } else { 0.0 };
                            let expected = (exact * 512.0).round_ties_even() / 512.0;
                            assert_eq!(logit.to_bits(), expected.to_bits(), "{x}, {y} after {added} tiles");
                            assert_eq!(blend.is_covered(y * 4, x * 4), weights[at] > 0.0);
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn main_logits_are_told_apart_however_high_they_are() {
        let plan = TilePlan::new([64, 64], Tiling::default(), 4).expect("a valid plan");
        let mut blend = Blend::new(&plan, [3, 1], Box::new(MemoryScratch::default()));
        let maps = [300.0, 299.5, -2000.0, 300.0].map(|logit| [logit; 256]);
        let read = |blend: &Blend| {
            [0, 1, 2, 3].map(|channel| {
                let mut row = [0.0; 16];
                let read = blend.read_row(5, 0..1, channel..channel + 1, &mut row);
                read.map(|()| row[7]).expect("it is in memory")
            })
        };
        blend.add(plan.tile_at(0, 0), &[&maps.concat()]).expect("four maps");
        // Half a step below 64 is the largest count.
        let most = f32::from(i16::MAX) / 512.0;
        assert_eq!(read(&blend), [0.0, -0.5, -64.0, most]);
    }

    #[test]
    fn a_skipped_tile_leaves_its_neighbours_as_they_are() {
        let tiling = Tiling {
            tile_px: 64,
            overlap_px: 32,
        };
        let plan = TilePlan::new([64, 160], tiling, 4).expect("a valid plan");
        let mut blend = blend_of(&plan, 1);
        for (index, &x) in plan.column_origins.iter().enumerate() {
            let tile = plan.tile_at(0, x);
            if index == 1 {
                assert!(blend.skip(plan.tile_at(0, 0)).is_err(), "not the next one");
                blend.skip(tile).expect("the next one");
            } else {
                blend.add(tile, &[&[index as f32 + 1.0; 256]]).expect("one map");
            }
        }
        let columns = plan.cells()[1];
        let mut row = vec![f32::NAN; columns];
        blend
            .read_row(3, blend.blocks_of(0..columns), 0..1, &mut row)
            .expect("it is in memory");
        // Tiles of 16 cells start at 0, 8, 16 and 24; the second has no data.
        for (x, logit) in row.iter().enumerate() {
            let expected = match x {
                0..16 => 1.0..=1.0,
                16..24 => 3.0..=3.0,
                24..32 => 3.0..=4.0,
                _ => 4.0..=4.0,
            };
            // Half a step.
            let [low, high] = [*expected.start() - 1.0 / 1024.0, *expected.end() + 1.0 / 1024.0];
            assert!((low..=high).contains(logit), "{x}: {logit}");
        }
        assert_eq!(blend.finished_rows(), 16);
    }

    #[test]
    fn what_stays_in_memory_grows_with_the_width_alone() {
        for (cell_px, most, height, of_all) in [
            (2, 52 << 20, 2000, 3),
            (2, 52 << 20, 17_000, 28),
            (2, 52 << 20, 170_000, 250),
            (1, 160 << 20, 17_000, 28),
        ] {
            let plan = TilePlan::new([height, 16_000], Tiling::default(), cell_px).expect("a valid plan");
            let (open, finished) = (Blend::open_bytes(&plan, 10), Blend::finished_bytes(&plan, 10));
            assert!(open < most && open * of_all < finished, "{open} of {finished} bytes");
        }
    }

    #[test]
    fn a_tile_out_of_turn_is_refused() {
        let plan = TilePlan::new([64, 600], Tiling::default(), 4).expect("a valid plan");
        let mut blend = blend_of(&plan, 1);
        let second = plan.tile_at(0, plan.column_origins[1]);
        let refused = blend
            .add(second, &[&vec![0.0; 16 * 64]])
            .expect_err("the first is missing");
        assert_eq!(refused.code(), "misuse");
    }
}
