//! Towns, villages and the buildings there.

use super::ground::{Ground, SUB};
use super::random::{Noise, Random, cos_turns, hash, mix, sin_turns, unit};
use super::roads::Planner;

/// A town or village.
#[derive(Clone, Copy, Debug)]
struct Town {
    x: f64,
    y: f64,
    radius_px: f64,
    /// Direction of its streets, in turns.
    direction: f64,
    seed: u64,
}

impl Town {
    /// Sprawl does not go farther from the centre than this.
    fn reach_px(&self) -> f64 {
        self.radius_px * 1.7
    }
}

/// What people built on a subpixel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Built {
    /// A house, a hall, a yard with a hard surface.
    Roof {
        /// The same number for all of a block's roofs.
        block: u64,
        /// Halls and sheds: one large bright roof.
        is_industrial: bool,
    },
    /// A street of a town.
    Street,
    /// A garden or a tree between houses.
    Garden,
    /// A park, which is not of the class `built`.
    Park,
}

/// Roads of a subpixel, by importance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Road {
    /// No road.
    None,
    /// A lane to a village.
    Lane,
    /// A road between towns.
    Main,
}

/// Where people live.
#[derive(Debug)]
pub struct Settlements {
    towns: Vec<Town>,
    /// Per square of `SQUARE_PX`, row by row: the towns that reach into it, in the order of `towns`.
    towns_by_square: Vec<Vec<usize>>,
    sprawl: Noise,
    roads: Vec<Road>,
    sub_width: usize,
}

impl Settlements {
    /// Founds the towns of a seed and connects them.
    pub fn found(seed: u64, ground: &Ground) -> Self {
        let towns = found_towns(seed, ground);
        let sub_width = ground.width_px * SUB;
        let mut settlements = Self {
            towns_by_square: sort_into_squares(&towns, ground.width_px, ground.height_px),
            towns,
            sprawl: Noise::new(seed, 93),
            roads: vec![Road::None; sub_width * ground.height_px * SUB],
            sub_width,
        };
        settlements.build_roads(seed, ground);
        settlements
    }

    /// The road on a subpixel.
    pub fn road(&self, sub_column: usize, sub_row: usize) -> Road {
        self.roads[sub_row * self.sub_width + sub_column]
    }

    /// What is built at a point in pixels.
    pub fn at(&self, x: f64, y: f64, sub_hash: u64) -> Option<Built> {
        let mut best: Option<(f64, &Town)> = None;
        let squares_per_row = (self.sub_width / SUB).div_ceil(SQUARE_PX);
        let square = (y as usize / SQUARE_PX) * squares_per_row + x as usize / SQUARE_PX;
        for town in self.towns_by_square[square].iter().map(|&index| &self.towns[index]) {
            let (dx, dy) = (x - town.x, y - town.y);
            let reach = town.reach_px();
            if dx * dx + dy * dy > reach * reach {
                continue;
            }
            let scale = 4.0 + town.radius_px * 0.45;
            let density = 1.0 - (dx * dx + dy * dy).sqrt() / town.radius_px
                + 0.75 * self.sprawl.fractal(x / scale, y / scale, 3, 0.55);
            if density > 0.0 && best.is_none_or(|(most, _)| density > most) {
                best = Some((density, town));
            }
        }
        let (density, town) = best?;
        let (ux, uy) = (cos_turns(town.direction), sin_turns(town.direction));
        let (u, v) = (
            (x - town.x) * ux + (y - town.y) * uy,
            (y - town.y) * ux - (x - town.x) * uy,
        );
        let works = self.sprawl.at(x / 17.0 + 71.0, y / 17.0) > 0.38 && town.radius_px > 9.0;
        let (block_u, block_v) = if works { (7.0, 5.0) } else { (3.1, 2.3) };
        let (column, row) = ((u / block_u).floor(), (v / block_v).floor());
        let block = mix(town.seed ^ hash(town.seed, column as i64, row as i64));
        let (along, across) = (u - column * block_u, v - row * block_v);
        if density < 0.42 && unit(block) > 0.12 + 2.1 * density {
            return None;
        }
        if along < 0.3 || across < 0.3 {
            return Some(Built::Street);
        }
        if unit(mix(block ^ 1)) < 0.045 && town.radius_px > 7.0 {
            return Some(Built::Park);
        }
        let inset = if works { 0.9 } else { 0.0 };
        let is_roofed =
            along > inset && across > inset && unit(sub_hash) < if works { 0.9 } else { 0.34 + 0.4 * density };
        Some(if is_roofed {
            Built::Roof {
                block,
                is_industrial: works,
            }
        } else {
            Built::Garden
        })
    }

    fn build_roads(&mut self, seed: u64, ground: &Ground) {
        let mut planner = Planner::new(seed, ground);
        let mut random = Random::new(seed, 95);
        let (width, height) = (ground.width_px as f64, ground.height_px as f64);
        let Some(capital) = self.towns.first() else { return };
        planner.reach(capital.x, capital.y);
        let exits = [
            (0.5, random.uniform(0.1, 0.9) * height),
            (width - 0.5, random.uniform(0.1, 0.9) * height),
            (random.uniform(0.1, 0.9) * width, 0.5),
            (random.uniform(0.1, 0.9) * width, height - 0.5),
        ];
        let mut plan: Vec<(f64, f64, Road)> = exits.iter().map(|&(x, y)| (x, y, Road::Main)).collect();
        let towns = self.towns.iter().skip(1);
        plan.extend(towns.map(|town| {
            (
                town.x,
                town.y,
                if town.radius_px > 7.5 { Road::Main } else { Road::Lane },
            )
        }));
        for (x, y, road) in plan {
            let path = planner.connect(x, y);
            self.pave(&path, road, ground);
        }
    }

    /// Draws a planned path, rounded, on the subpixel raster.
    fn pave(&mut self, path: &[(f64, f64)], road: Road, ground: &Ground) {
        let mut points = path.to_vec();
        for _ in 0..3 {
            let previous = points.clone();
            for index in 1..points.len().saturating_sub(1) {
                let (a, b, c) = (previous[index - 1], previous[index], previous[index + 1]);
                points[index] = ((a.0 + 2.0 * b.0 + c.0) / 4.0, (a.1 + 2.0 * b.1 + c.1) / 4.0);
            }
        }
        let radius_px = if road == Road::Main { 0.5 } else { 0.3 };
        let sub = SUB as f64;
        for pair in points.windows(2) {
            let (dx, dy) = (pair[1].0 - pair[0].0, pair[1].1 - pair[0].1);
            let steps = ((dx * dx + dy * dy).sqrt() / 0.15).ceil().max(1.0);
            for step in 0..=steps as usize {
                let share = step as f64 / steps;
                let (x, y) = ((pair[0].0 + dx * share) * sub, (pair[0].1 + dy * share) * sub);
                let reach = radius_px * sub;
                for row in (y - reach).floor() as i64..=(y + reach).floor() as i64 {
                    for column in (x - reach).floor() as i64..=(x + reach).floor() as i64 {
                        let (cx, cy) = (column as f64 + 0.5 - x, row as f64 + 0.5 - y);
                        let inside = column >= 0
                            && row >= 0
                            && (column as usize) < self.sub_width
                            && (row as usize) < ground.height_px * SUB;
                        if inside && cx * cx + cy * cy < reach * reach {
                            let cell = &mut self.roads[row as usize * self.sub_width + column as usize];
                            *cell = road.max(*cell);
                        }
                    }
                }
            }
        }
    }
}

/// Side of a square of the towns' index.
const SQUARE_PX: usize = 64;

fn sort_into_squares(towns: &[Town], width_px: usize, height_px: usize) -> Vec<Vec<usize>> {
    let (columns, rows) = (width_px.div_ceil(SQUARE_PX), height_px.div_ceil(SQUARE_PX));
    let mut squares = vec![Vec::new(); columns * rows];
    for (index, town) in towns.iter().enumerate() {
        let range = |centre: f64, count: usize| {
            let square = |at: f64| ((at / SQUARE_PX as f64).max(0.0) as usize).min(count - 1);
            square(centre - town.reach_px())..=square(centre + town.reach_px())
        };
        for row in range(town.y, rows) {
            for column in range(town.x, columns) {
                squares[row * columns + column].push(index);
            }
        }
    }
    squares
}

/// Chooses places that are flat, dry and apart from each other; towns are rather near the river.
fn found_towns(seed: u64, ground: &Ground) -> Vec<Town> {
    let mut random = Random::new(seed, 91);
    let (width, height) = (ground.width_px as f64, ground.height_px as f64);
    let area = width * height;
    let mut towns: Vec<Town> = Vec::new();
    // (how many, smallest and largest radius, distance between)
    let kinds = [
        (1.0, 26.0, 32.0, 0.0),
        (area / 60_000.0, 10.0, 17.0, 70.0),
        (area / 8_000.0, 2.6, 6.0, 24.0),
    ];
    for (count, smallest, largest, apart_px) in kinds {
        let mut left = count.ceil() as usize;
        for _ in 0..3000 {
            if left == 0 {
                break;
            }
            let (x, y) = (random.uniform(0.04, 0.96) * width, random.uniform(0.04, 0.96) * height);
            let radius_px = random.uniform(smallest, largest).min(width.min(height) / 8.0);
            let direction = random.uniform(0.0, 1.0);
            let place_seed = random.bits();
            let river_px = ground.river_distance_px.sample(x, y);
            let is_crowded = towns.iter().any(|town| {
                let (dx, dy, gap) = (town.x - x, town.y - y, apart_px + town.radius_px);
                dx * dx + dy * dy < gap * gap
            });
            let is_wet = river_px < 7.0 + radius_px * 0.25 || ground.lake_distance_px.sample(x, y) < 6.0;
            let is_far = radius_px > 20.0 && river_px > 60.0;
            if is_crowded || is_wet || is_far || ground.hilliness.sample(x, y) > 0.35 {
                continue;
            }
            towns.push(Town {
                x,
                y,
                radius_px,
                direction,
                seed: place_seed,
            });
            left -= 1;
        }
    }
    towns
}
