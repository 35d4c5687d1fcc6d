//! The lie of the land: relief, water bodies, and the distance to them.

use super::course::{CoursePoint, Courses, STEP_PX};
use super::erosion::carve;
use super::grid::{Grid, distance_to};
use super::random::{Noise, Random, cos_turns, sin_turns, smoothstep};

/// Subpixels along one side of a pixel.
pub const SUB: usize = 3;

/// What the water left on a subpixel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wetness {
    /// Land.
    Dry,
    /// The river: silt-laden.
    River,
    /// A tributary.
    Stream,
    /// Lakes, reservoirs and oxbows: clearer.
    Lake,
    /// A sand bar beside the river.
    Sand,
}

/// Relief and water of a scene.
#[derive(Debug)]
pub struct Ground {
    /// Columns of the scene, in pixels.
    pub width_px: usize,
    /// Rows of the scene, in pixels.
    pub height_px: usize,
    /// Elevation in pixels (a slope of 1 is 45 degrees), per pixel.
    pub elevation: Grid,
    /// How hilly it is: 0 in the plain, 1 in the hills, per pixel.
    pub hilliness: Grid,
    /// Distance to the nearest course of any size in pixels, per pixel.
    pub stream_distance_px: Grid,
    /// Distance to the river in pixels, per pixel.
    pub river_distance_px: Grid,
    /// Distance to still water (lakes and oxbows) in pixels, per pixel.
    pub lake_distance_px: Grid,
    /// `SUB * SUB` per pixel, row by row.
    pub wetness: Vec<Wetness>,
}

impl Ground {
    /// Lays the land of a seed.
    pub fn lay(seed: u64, width_px: usize, height_px: usize) -> Self {
        let hilliness = hills(seed, width_px, height_px);
        let base = Noise::new(seed, 42);
        let raw = Grid::from_fn(width_px, height_px, |column, row| {
            let (x, y) = (column as f64 + 0.5, row as f64 + 0.5);
            let rough = base.fractal(x / 85.0, y / 85.0, 6, 0.5);
            let hilly = hilliness.at(column as i64, row as i64);
            1.5 * rough + hilly * (14.0 + 20.0 * rough)
        });
        let courses = Courses::trace(seed, width_px as f64, height_px as f64, &raw);
        let mut wetness = vec![Wetness::Dry; width_px * SUB * height_px * SUB];
        let mut brush = Brush {
            width: width_px * SUB,
            height: height_px * SUB,
            wetness: &mut wetness,
        };
        for stream in &courses.tributaries {
            brush.paint(stream, Wetness::Stream);
        }
        brush.paint_bars(seed, &courses.river);
        brush.paint(&courses.river, Wetness::River);
        for oxbow in &courses.oxbows {
            brush.paint(oxbow, Wetness::Lake);
        }
        let near = |points: &mut dyn Iterator<Item = &CoursePoint>| {
            let mut mask = vec![false; width_px * height_px];
            for point in points {
                let (column, row) = (point.x.floor(), point.y.floor());
                if column >= 0.0 && row >= 0.0 && column < width_px as f64 && row < height_px as f64 {
                    mask[row as usize * width_px + column as usize] = true;
                }
            }
            distance_to(width_px, height_px, 1e4, |column, row| mask[row * width_px + column])
        };
        let river_distance_px = near(&mut courses.river.iter());
        let stream_distance_px = near(&mut courses.river.iter().chain(courses.tributaries.iter().flatten()));
        let mut elevation = Grid::from_fn(width_px, height_px, |column, row| {
            let (c, r) = (column as i64, row as i64);
            let valley = smoothstep(3.0, 60.0, river_distance_px.at(c, r));
            raw.at(c, r) * (0.1 + 0.9 * valley) + 2.5 * valley
        });
        let levels = base_levels(&elevation, &courses);
        carve(&mut elevation, &levels);
        let mut ground = Self {
            width_px,
            height_px,
            elevation,
            hilliness,
            stream_distance_px,
            river_distance_px,
            lake_distance_px: Grid {
                width: 0,
                height: 0,
                values: Vec::new(),
            },
            wetness,
        };
        ground.fill_reservoirs(seed, &courses);
        ground.dig_lakes(seed);
        ground.lake_distance_px = distance_to(width_px, height_px, 1e4, |column, row| {
            ground.wetness[(row * SUB + SUB / 2) * width_px * SUB + column * SUB + SUB / 2] == Wetness::Lake
        });
        ground
    }

    /// What is on a subpixel.
    pub fn wetness(&self, sub_column: usize, sub_row: usize) -> Wetness {
        self.wetness[sub_row * self.width_px * SUB + sub_column]
    }

    /// Dams a few tributaries: the water stands level, so its shore follows the side valleys.
    fn fill_reservoirs(&mut self, seed: u64, courses: &Courses) {
        let mut random = Random::new(seed, 51);
        let noise = Noise::new(seed, 52);
        let wanted = (self.width_px * self.height_px).div_ceil(140_000);
        let mut made = 0;
        for stream in courses.tributaries.iter().filter(|stream| stream.len() > 380) {
            let dam = stream[(stream.len() as f64 * random.uniform(0.25, 0.4)) as usize];
            let reach_px = random.uniform(22.0, 36.0);
            let hilly = self.hilliness.sample(dam.x, dam.y);
            let inside = dam.x > 20.0
                && dam.y > 20.0
                && dam.x < self.width_px as f64 - 20.0
                && dam.y < self.height_px as f64 - 20.0;
            if made == wanted || hilly < 0.25 || !inside || self.river_distance_px.sample(dam.x, dam.y) < 55.0 {
                continue;
            }
            made += 1;
            let (ux, uy) = (cos_turns(dam.heading), sin_turns(dam.heading));
            let level = self.elevation.sample(dam.x, dam.y) + random.uniform(2.6, 3.6);
            self.flood(dam.x, dam.y, reach_px * 2.0, |ground, x, y| {
                let (dx, dy) = (x - dam.x, y - dam.y);
                let upstream = dx * ux + dy * uy;
                let rim = reach_px * (1.0 + 0.5 * noise.fractal(x / 14.0, y / 14.0, 3, 0.5));
                upstream > 0.0
                    && dx * dx + dy * dy < rim * rim
                    && ground.elevation.sample(x, y) + 1.2 * noise.fractal(x / 9.0, y / 9.0, 3, 0.5) < level
            });
        }
    }

    /// Shallow lakes of the plain, round with frayed shores.
    fn dig_lakes(&mut self, seed: u64) {
        let mut random = Random::new(seed, 61);
        let noise = Noise::new(seed, 62);
        let (width, height) = (self.width_px as f64, self.height_px as f64);
        let wanted = (self.width_px * self.height_px).div_ceil(75_000);
        let mut made = 0;
        for _ in 0..400 {
            if made == wanted {
                break;
            }
            let (x, y) = (random.uniform(0.08, 0.92) * width, random.uniform(0.08, 0.92) * height);
            let radius_px = random.uniform(7.0, 19.0).min(width.min(height) / 6.0);
            let stretch = (random.uniform(0.0, 1.0), random.uniform(1.0, 1.9));
            let crowded = self.river_distance_px.sample(x, y) < radius_px + 22.0
                || self.stream_distance_px.sample(x, y) < radius_px * 0.7
                || self.hilliness.sample(x, y) > 0.3;
            if crowded {
                continue;
            }
            made += 1;
            let (ux, uy) = (cos_turns(stretch.0), sin_turns(stretch.0));
            self.flood(x, y, radius_px * 4.0, |_, px, py| {
                let (dx, dy) = (px - x, py - y);
                let (along, across) = ((dx * ux + dy * uy) / stretch.1, -dx * uy + dy * ux);
                let frayed = 1.0
                    + 0.5 * noise.fractal(px / (radius_px * 1.1), py / (radius_px * 1.1), 2, 0.5)
                    + 0.22 * noise.fractal(px / 6.0, py / 6.0, 3, 0.55);
                along * along + across * across < radius_px * radius_px * frayed * frayed
            });
        }
    }

    /// Turns dry subpixels around a centre into lake where `is_wet` holds.
    fn flood(&mut self, x: f64, y: f64, reach_px: f64, is_wet: impl Fn(&Self, f64, f64) -> bool) {
        let sub = SUB as f64;
        let range = |centre: f64, limit: usize| {
            let from = ((centre - reach_px) * sub).max(0.0) as usize;
            let to = (((centre + reach_px) * sub).max(0.0) as usize).min(limit * SUB);
            from..to
        };
        let (columns, rows) = (range(x, self.width_px), range(y, self.height_px));
        for row in rows {
            for column in columns.clone() {
                let (px, py) = ((column as f64 + 0.5) / sub, (row as f64 + 0.5) / sub);
                if is_wet(self, px, py) {
                    self.wetness[row * self.width_px * SUB + column] = Wetness::Lake;
                }
            }
        }
    }
}

/// The elevation of running water: the river lies at 0; tributaries climb from their mouths as the land does, but never steeply.
fn base_levels(land: &Grid, courses: &Courses) -> Vec<Option<f32>> {
    let mut levels: Vec<Option<f32>> = vec![None; land.values.len()];
    let cell = |point: &CoursePoint| {
        let (column, row) = (point.x.floor(), point.y.floor());
        let is_inside = column >= 0.0 && row >= 0.0 && column < land.width as f64 && row < land.height as f64;
        is_inside.then(|| row as usize * land.width + column as usize)
    };
    for index in courses.river.iter().filter_map(cell) {
        levels[index] = Some(0.0);
    }
    for stream in &courses.tributaries {
        // A fork comes after the stream that it flows into.
        let mouth = stream.first().and_then(cell).and_then(|index| levels[index]);
        let mut level = mouth.map_or(0.0, f64::from);
        for point in stream {
            let bed = land.sample(point.x, point.y) - 0.6;
            level = bed.clamp(level, level + 0.10 * STEP_PX);
            if let Some(index) = cell(point) {
                levels[index] = Some(levels[index].map_or(level as f32, |other| other.min(level as f32)));
            }
        }
    }
    levels
}

/// Places the hills on one side of the scene, with outliers.
fn hills(seed: u64, width_px: usize, height_px: usize) -> Grid {
    let mut random = Random::new(seed, 41);
    let noise = Noise::new(seed, 43);
    let side = random.uniform(0.0, 1.0);
    let (ux, uy) = (cos_turns(side), sin_turns(side));
    let size = (width_px.max(height_px) as f64).max(1.0);
    Grid::from_fn(width_px, height_px, |column, row| {
        let (x, y) = (
            column as f64 - width_px as f64 / 2.0,
            row as f64 - height_px as f64 / 2.0,
        );
        let along = (x * ux + y * uy) / size;
        smoothstep(
            0.12,
            0.52,
            along * 1.25 + 0.75 * noise.fractal(x / 190.0, y / 190.0, 4, 0.5) + 0.08,
        )
    })
}

/// Paints courses on the subpixel raster.
struct Brush<'a> {
    width: usize,
    height: usize,
    wetness: &'a mut [Wetness],
}

impl Brush<'_> {
    fn paint(&mut self, course: &[CoursePoint], what: Wetness) {
        for point in course {
            self.disc(point.x, point.y, point.half_width_px, what);
        }
    }

    /// Places point bars: sand on the inside of strong bends, and here and there along the bank.
    fn paint_bars(&mut self, seed: u64, river: &[CoursePoint]) {
        let noise = Noise::new(seed, 71);
        for (index, point) in river.iter().enumerate() {
            let bend = smoothstep(0.0022, 0.0075, point.curvature.abs());
            let patchy = 0.35 + 1.7 * noise.fractal(index as f64 / 110.0, 0.4, 3, 0.6);
            let radius_px = 5.5 * bend * patchy;
            if radius_px > 0.4 {
                let inward = point.heading + 0.25 * point.curvature.signum();
                let away = point.half_width_px * 0.92 + radius_px * 0.15;
                self.disc(
                    point.x + away * cos_turns(inward),
                    point.y + away * sin_turns(inward),
                    radius_px,
                    Wetness::Sand,
                );
            }
        }
    }

    fn disc(&mut self, x: f64, y: f64, radius_px: f64, what: Wetness) {
        let sub = SUB as f64;
        let (x, y, radius) = (x * sub, y * sub, radius_px * sub);
        let from = |centre: f64| (centre - radius).floor().max(0.0) as usize;
        let to = |centre: f64, limit: usize| ((centre + radius).ceil().max(0.0) as usize).min(limit);
        for row in from(y)..to(y, self.height) {
            for column in from(x)..to(x, self.width) {
                let (dx, dy) = (column as f64 + 0.5 - x, row as f64 + 0.5 - y);
                if dx * dx + dy * dy < radius * radius {
                    self.wetness[row * self.width + column] = what;
                }
            }
        }
    }
}
