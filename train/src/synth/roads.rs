//! Where roads run.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::ground::{Ground, SUB, Wetness};
use super::random::Noise;

/// Cells of the planner, in pixels.
const CELL_PX: usize = 4;

/// Finds the cheapest way to the existing roads: around hills, and across water only where it is narrow.
#[derive(Debug)]
pub struct Planner {
    columns: usize,
    rows: usize,
    cost: Vec<u64>,
    has_road: Vec<bool>,
}

impl Planner {
    /// Plans on the land as it is, without any road.
    pub fn new(seed: u64, ground: &Ground) -> Self {
        let noise = Noise::new(seed, 97);
        let (columns, rows) = (ground.width_px.div_ceil(CELL_PX), ground.height_px.div_ceil(CELL_PX));
        let mut cost = Vec::with_capacity(columns * rows);
        for row in 0..rows {
            for column in 0..columns {
                let x = (column * CELL_PX + CELL_PX / 2).min(ground.width_px - 1);
                let y = (row * CELL_PX + CELL_PX / 2).min(ground.height_px - 1);
                let is_wet = matches!(
                    ground.wetness(x * SUB + 1, y * SUB + 1),
                    Wetness::River | Wetness::Stream | Wetness::Lake
                );
                let hilly = ground.hilliness.at(x as i64, y as i64);
                let whim = 0.5 + noise.fractal(x as f64 / 21.0, y as f64 / 21.0, 3, 0.6);
                let each = 100.0 + 400.0 * hilly + 160.0 * whim.max(0.0) + if is_wet { 1500.0 } else { 0.0 };
                cost.push(each as u64);
            }
        }
        Self {
            columns,
            rows,
            has_road: vec![false; cost.len()],
            cost,
        }
    }

    fn cell(&self, x: f64, y: f64) -> usize {
        let column = ((x / CELL_PX as f64).max(0.0) as usize).min(self.columns - 1);
        let row = ((y / CELL_PX as f64).max(0.0) as usize).min(self.rows - 1);
        row * self.columns + column
    }

    /// Records that a road passes here.
    pub fn reach(&mut self, x: f64, y: f64) {
        let cell = self.cell(x, y);
        self.has_road[cell] = true;
    }

    /// Runs Dijkstra's algorithm over 16 directions from a place to the nearest road; returns the way in pixels.
    pub fn connect(&mut self, x: f64, y: f64) -> Vec<(f64, f64)> {
        let start = self.cell(x, y);
        let mut best = vec![u64::MAX; self.cost.len()];
        let mut came_from = vec![usize::MAX; self.cost.len()];
        let mut open = BinaryHeap::from([Reverse((0u64, start))]);
        best[start] = 0;
        while let Some(Reverse((so_far, cell))) = open.pop() {
            if so_far > best[cell] {
                continue;
            }
            if self.has_road[cell] {
                return self.trace(start, cell, &came_from);
            }
            let (column, row) = ((cell % self.columns) as i64, (cell / self.columns) as i64);
            for (right, down, length) in moves() {
                let (c, r) = (column + right, row + down);
                if c < 0 || r < 0 || c >= self.columns as i64 || r >= self.rows as i64 {
                    continue;
                }
                let next = r as usize * self.columns + c as usize;
                let reached = so_far + length * (self.cost[cell] + self.cost[next]) / 2;
                if reached < best[next] {
                    best[next] = reached;
                    came_from[next] = cell;
                    open.push(Reverse((reached, next)));
                }
            }
        }
        Vec::new()
    }

    fn trace(&mut self, start: usize, end: usize, came_from: &[usize]) -> Vec<(f64, f64)> {
        let centre = |cell: usize, columns: usize| {
            let at = |index: usize| (index * CELL_PX) as f64 + CELL_PX as f64 / 2.0;
            (at(cell % columns), at(cell / columns))
        };
        let (mut cell, mut path) = (end, vec![centre(end, self.columns)]);
        while cell != start {
            cell = came_from[cell];
            self.has_road[cell] = true;
            path.push(centre(cell, self.columns));
        }
        path
    }
}

/// The 16 directions of a chess queen and knight: right, down, length x 100.
fn moves() -> impl Iterator<Item = (i64, i64, u64)> {
    [(1, 0, 100), (1, 1, 141), (2, 1, 224), (1, 2, 224)]
        .into_iter()
        .flat_map(|(right, down, length)| {
            // Each is turned by quarters.
            [(right, down), (-down, right), (-right, -down), (down, -right)].map(|(right, down)| (right, down, length))
        })
}
