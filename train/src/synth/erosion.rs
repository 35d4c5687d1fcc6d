//! Carves valleys: water shapes the relief, so that ridges and side valleys branch as they do in nature.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::grid::Grid;

/// Rounds of drainage and carving; later ones change little.
const ROUNDS: usize = 7;
/// Erodibility times the time of a round.
const CARVING: f64 = 0.15;
/// The share of a cell's difference from its neighbours that slides down its slopes in each round.
const CREEP: f64 = 0.22;

/// Carves `elevation` by the stream power law: incision grows with the root of the upstream area and with the slope, and is solved
/// implicitly from the outlets up, after Braun and Willett. `base_level` holds the fixed elevation of cells where water already flows; the
/// scene's edge drains too.
pub fn carve(elevation: &mut Grid, base_level: &[Option<f32>]) {
    let (width, height) = (elevation.width, elevation.height);
    for (value, base) in elevation.values.iter_mut().zip(base_level) {
        *value = base.unwrap_or(*value);
    }
    for _ in 0..ROUNDS {
        let (order, receivers) = drain(elevation, base_level);
        let mut upstream = vec![1.0f32; width * height];
        for &cell in order.iter().rev() {
            let receiver = receivers[cell];
            if receiver != cell {
                upstream[receiver] += upstream[cell];
            }
        }
        for &cell in &order {
            let receiver = receivers[cell];
            if receiver == cell {
                continue;
            }
            let is_straight = cell.abs_diff(receiver) == 1 || cell.abs_diff(receiver) == width;
            let length = if is_straight { 1.0 } else { std::f64::consts::SQRT_2 };
            let power = CARVING * f64::from(upstream[cell]).sqrt() / length;
            let (own, lower) = (f64::from(elevation.values[cell]), f64::from(elevation.values[receiver]));
            // Water carves and does not fill: a cell below its receiver stays as it is.
            if own > lower {
                elevation.values[cell] = ((own + power * lower) / (1.0 + power)) as f32;
            }
        }
        creep(elevation, base_level);
    }
}

/// An order in which each cell follows its receiver, and the receivers, to which the water flows (an outlet is its own). They are found by
/// flooding from the outlets, lowest shore first.
fn drain(elevation: &Grid, base_level: &[Option<f32>]) -> (Vec<usize>, Vec<usize>) {
    let (width, height) = (elevation.width, elevation.height);
    let count = width * height;
    let mut receivers = vec![usize::MAX; count];
    let mut order = Vec::with_capacity(count);
    let mut shore = BinaryHeap::new();
    for cell in 0..count {
        let (column, row) = (cell % width, cell / width);
        let is_edge = column == 0 || row == 0 || column + 1 == width || row + 1 == height;
        if is_edge || base_level[cell].is_some() {
            receivers[cell] = cell;
            shore.push(Reverse((sortable(elevation.values[cell]), cell)));
        }
    }
    while let Some(Reverse((level, cell))) = shore.pop() {
        order.push(cell);
        let (column, row) = ((cell % width) as i64, (cell / width) as i64);
        for (right, down) in [(1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (1, -1), (-1, 1), (-1, -1)] {
            let (c, r) = (column + right, row + down);
            if c < 0 || r < 0 || c >= width as i64 || r >= height as i64 {
                continue;
            }
            let next = r as usize * width + c as usize;
            if receivers[next] == usize::MAX {
                receivers[next] = cell;
                shore.push(Reverse((sortable(elevation.values[next]).max(level), next)));
            }
        }
    }
    (order, receivers)
}

/// An integer that sorts as the number does.
fn sortable(value: f32) -> i64 {
    (f64::from(value) * 65536.0).floor() as i64
}

/// Slopes relax towards the mean of their neighbours.
fn creep(elevation: &mut Grid, base_level: &[Option<f32>]) {
    let before = elevation.clone();
    for (cell, value) in elevation.values.iter_mut().enumerate() {
        if base_level[cell].is_none() {
            let (column, row) = ((cell % before.width) as i64, (cell / before.width) as i64);
            let around = [(1, 0), (-1, 0), (0, 1), (0, -1)].map(|(right, down)| before.at(column + right, row + down));
            let mean = around.iter().sum::<f64>() / 4.0;
            *value = (f64::from(*value) * (1.0 - CREEP) + mean * CREEP) as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cell_drains_to_an_outlet_without_a_circle() {
        let elevation = Grid::from_fn(23, 17, |column, row| ((column * 7 + row * 13) % 11) as f64);
        let (order, receivers) = drain(&elevation, &vec![None; 23 * 17]);
        let mut seen = vec![false; 23 * 17];
        for cell in order {
            assert!(
                receivers[cell] == cell || seen[receivers[cell]],
                "{cell} comes before its receiver"
            );
            seen[cell] = true;
        }
        assert!(seen.into_iter().all(|is_seen| is_seen));
    }

    #[test]
    fn carving_lowers_a_dome_most_along_its_valleys_and_never_below_the_base() {
        let mut elevation = Grid::from_fn(41, 41, |column, row| {
            let (x, y) = (column as f64 - 20.0, row as f64 - 20.0);
            20.0 - (x * x + y * y).sqrt() * 0.5
        });
        let before = elevation.clone();
        let mut base = vec![None; 41 * 41];
        base[20 * 41 + 5] = Some(0.5);
        carve(&mut elevation, &base);
        assert_eq!(elevation.values[20 * 41 + 5], 0.5);
        assert!(
            elevation
                .values
                .iter()
                .zip(&before.values)
                .all(|(after, before)| *after <= before + 1.0)
        );
        assert!(elevation.values.iter().all(|&value| value >= 0.0));
        let lowered = before.at(6, 20) - elevation.at(6, 20);
        assert!(lowered > 2.0, "next to the outlet by {lowered}");
    }
}
