//! The border of a scene of moderate size, to the pixel: runs of zeros, row by row.

use super::Judge;
use crate::error::SceneError;
use crate::scene::Scene;
use raremap_tiff::Samples;
use raremap_tiff::Window;

/// At most this many runs of zeros are kept per row, the longest ones. A border has one or two.
const MAX_RUNS: usize = 64;
/// At most this many runs are kept in all, which bounds the memory (24 MiB) whatever height a file claims.
const MAX_RUNS_IN_ALL: usize = 2 << 20;
/// At most this many passes go down and up through the rows; the part of a border that winds more often is not found.
const MAX_PASSES: usize = 16;

/// Columns `from..to` of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run {
    from: u32,
    to: u32,
    is_joined: bool,
}

/// Which columns of each row are the border.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::product) struct Runs {
    width: u32,
    /// By row: columns `from..to`, ascending.
    rows: Vec<Box<[[u32; 2]]>>,
    /// Number of pixels in the border.
    pub(super) pixels: u64,
}

impl Runs {
    /// Finds the border of a scene; `None` if it has none, or so many rows that there is no room for two runs in each.
    pub(super) async fn find(scene: &impl Scene, judge: &Judge) -> Result<Option<Self>, SceneError> {
        let info = scene.scene_info();
        let max_runs = (MAX_RUNS_IN_ALL / (info.height as usize).max(1)).min(MAX_RUNS);
        if max_runs < 2 {
            return Ok(None);
        }
        let (width, height) = (info.width, info.height);
        let columns = (super::READ_SAMPLES / judge.bands.len().max(1)).clamp(1, width as usize) as u32;
        let rows_at_once =
            (super::READ_SAMPLES / (columns as usize * judge.bands.len().max(1))).clamp(1, height as usize) as u32;
        let mut rows: Vec<Vec<Run>> = Vec::with_capacity(height as usize);
        for y in (0..height).step_by(rows_at_once as usize) {
            let height = rows_at_once.min(height - y);
            let mut block = vec![Vec::new(); height as usize];
            for x in (0..width).step_by(columns as usize) {
                let width = columns.min(width - x);
                let window = Window { x, y, width, height };
                let samples = scene.read_window(window, &judge.bands).await?;
                let empty = judge.empty(&judge.bands, &samples);
                for (row, empty) in block.iter_mut().zip(empty.chunks_exact(width as usize)) {
                    add_runs(row, x, empty);
                }
            }
            rows.extend(block.into_iter().map(|row| keep_longest(row, max_runs)));
        }
        join(&mut rows, width);
        let rows: Vec<Box<[[u32; 2]]>> = rows
            .into_iter()
            .map(|row| {
                row.iter()
                    .filter(|run| run.is_joined)
                    .map(|run| [run.from, run.to])
                    .collect()
            })
            .collect();
        let pixels = rows
            .iter()
            .flat_map(|row| row.iter())
            .map(|[from, to]| u64::from(to - from))
            .sum();
        Ok((pixels > 0).then_some(Self { width, rows, pixels }))
    }

    fn contains(&self, y: usize, x: u32) -> bool {
        self.rows
            .get(y)
            .is_some_and(|row| row.iter().any(|[from, to]| (*from..*to).contains(&x)))
    }

    /// Marks the samples of a window that lie in the border as invalid.
    pub(super) fn apply(&self, window: Window, samples: &mut Samples) {
        let width = samples.width;
        for (y, valid) in samples.valid.chunks_exact_mut(width.max(1)).enumerate() {
            let Some(row) = self.rows.get(window.y as usize + y) else {
                continue;
            };
            for [from, to] in row {
                let place = |column: u32| (column.saturating_sub(window.x) as usize).min(width);
                valid[place(*from)..place(*to)].fill(false);
            }
        }
    }

    /// Does the same for a preview, each of whose pixels stands for many, of which one was read. If that is 0 in all bands and one of the corners
    /// or the middle lies in the border, the pixel does, too.
    pub(super) fn apply_to_preview(&self, samples: &mut Samples) {
        let (width, height) = (samples.width.max(1), samples.height.max(1));
        let pixels = samples.valid.len();
        let scaled = |index: usize, part: usize, count: usize, size: usize| {
            ((2 * index + part) * size / (2 * count)).min(size.saturating_sub(1))
        };
        for pixel in 0..pixels {
            let is_zero = samples
                .values
                .iter()
                .skip(pixel)
                .step_by(pixels)
                .all(|value| *value == 0.0);
            if !is_zero || !samples.valid[pixel] {
                continue;
            }
            let (row, column) = (pixel / width, pixel % width);
            let is_border = [0, 1, 2].into_iter().any(|down| {
                let y = scaled(row, down, height, self.rows.len());
                let mut columns = [0, 1, 2]
                    .into_iter()
                    .map(|right| scaled(column, right, width, self.width as usize));
                columns.any(|x| self.contains(y, x as u32))
            });
            if is_border {
                samples.valid[pixel] = false;
            }
        }
    }
}

/// Adds the runs of a part of a row that begins at column `x`.
fn add_runs(row: &mut Vec<Run>, x: u32, empty: &[bool]) {
    for (column, _) in empty.iter().enumerate().filter(|(_, empty)| **empty) {
        let column = x + column as u32;
        match row.last_mut().filter(|run| run.to == column) {
            Some(run) => run.to += 1,
            None => row.push(Run {
                from: column,
                to: column + 1,
                is_joined: false,
            }),
        }
    }
}

fn keep_longest(mut row: Vec<Run>, max_runs: usize) -> Vec<Run> {
    if row.len() > max_runs {
        row.sort_by_key(|run| std::cmp::Reverse(run.to - run.from));
        row.truncate(max_runs);
        row.sort_by_key(|run| run.from);
    }
    row.shrink_to_fit();
    row
}

/// Marks the runs that are connected to the edge through the rows above and below.
fn join(rows: &mut [Vec<Run>], width: u32) {
    let last = rows.len().saturating_sub(1);
    for (y, row) in rows.iter_mut().enumerate() {
        for run in row {
            run.is_joined = y == 0 || y == last || run.from == 0 || run.to == width;
        }
    }
    for _ in 0..MAX_PASSES {
        let mut is_changed = false;
        let pairs = (1..rows.len()).map(|y| (y - 1, y));
        for (from, to) in pairs.clone().chain(pairs.rev().map(|(above, below)| (below, above))) {
            is_changed |= join_row(rows, from, to);
        }
        if !is_changed {
            return;
        }
    }
}

/// Marks the runs of row `to` that touch a marked run of row `from`.
fn join_row(rows: &mut [Vec<Run>], from: usize, to: usize) -> bool {
    let joined: Vec<Run> = rows[from].iter().filter(|run| run.is_joined).copied().collect();
    let mut is_changed = false;
    for run in rows[to].iter_mut().filter(|run| !run.is_joined) {
        run.is_joined = joined.iter().any(|other| other.from < run.to && run.from < other.to);
        is_changed |= run.is_joined;
    }
    is_changed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(picture: &[&str]) -> Vec<String> {
        let width = picture[0].len();
        let mut rows: Vec<Vec<Run>> = picture
            .iter()
            .map(|row| {
                let mut runs = Vec::new();
                add_runs(&mut runs, 0, &row.bytes().map(|byte| byte == b'0').collect::<Vec<_>>());
                runs
            })
            .collect();
        join(&mut rows, width as u32);
        let draw = |row: &Vec<Run>| -> String {
            let is_joined = |x: usize| {
                row.iter()
                    .any(|run| run.is_joined && (run.from as usize..run.to as usize).contains(&x))
            };
            (0..width).map(|x| if is_joined(x) { '0' } else { '.' }).collect()
        };
        rows.iter().map(draw).collect()
    }

    #[test]
    fn zeros_that_are_joined_to_the_edge_are_the_border_and_ponds_are_not() {
        let turned = [
            "000x0000", "00xx0xx0", "0xx00xxx", "xxxxxxxx", "xx000xx0", "xxxx0xx0", "x00xxx00",
        ];
        let border = [
            "000.0000", "00..0..0", "0..00...", "........", ".......0", ".......0", ".00...00",
        ];
        assert_eq!(joined(&turned), border);
        // The border enters at the bottom, goes up, and comes down again.
        let winding = ["xxxxxxx", "x00000x", "x0xxx0x", "x0x0x0x", "x0x000x", "x0xxxxx"];
        let found = [".......", ".00000.", ".0...0.", ".0.0.0.", ".0.000.", ".0....."];
        assert_eq!(joined(&winding), found);
    }

    #[test]
    fn a_row_of_many_runs_keeps_the_longest() {
        let mut row = Vec::new();
        let empty: Vec<bool> = (0..400).map(|x| x % 2 == 0 || x > 380).collect();
        add_runs(&mut row, 0, &empty);
        let kept = keep_longest(row, MAX_RUNS);
        assert_eq!(
            (kept.len(), kept.last().map(|run| run.to - run.from)),
            (MAX_RUNS, Some(20))
        );
        assert!(kept.is_sorted_by_key(|run| run.from));
    }

    /// A scene of which only the size is known.
    struct Unread(crate::scene::SceneInfo);

    impl Scene for Unread {
        fn scene_info(&self) -> &crate::scene::SceneInfo {
            &self.0
        }

        async fn read_window(&self, window: Window, _: &[usize]) -> Result<Samples, SceneError> {
            panic!("{window:?} was read");
        }

        async fn read_preview(&self, _: u32, _: &[usize]) -> Result<Samples, SceneError> {
            panic!("a preview was read");
        }
    }

    #[test]
    fn a_height_without_room_for_its_runs_is_not_searched() {
        let pixel = raremap_tiff::OutputImage::new(1, 1, raremap_tiff::OutputSamples::U8(&[1]));
        let file = raremap_tiff::encode_geotiff(&pixel, None).expect("encodes");
        let source = raremap_io::BytesSource::new(file);
        let tiff = crate::tiff::TiffScene::open(source, raremap_tiff::Limits::default());
        let mut info = pollster::block_on(tiff).expect("opens").scene_info().clone();
        info.height = u32::MAX;
        let judge = Judge::new(&info);
        assert_eq!(
            pollster::block_on(Runs::find(&Unread(info), &judge)).expect("no error"),
            None
        );
    }
}
