//! Turns a landscape into an image: light, point spread, noise, and the truth of each pixel.

use super::class::CLASSES;
use super::cover::{Cover, Landscape};
use super::ground::SUB;
use super::random::{Noise, cos_turns, hash, mix, normal_at, sin_turns, unit};
use super::spectra::Palette;

/// The truth's code for a pixel without data.
pub const TRUTH_NODATA: u8 = 255;

/// An image and what it shows.
#[derive(Debug)]
pub struct Scene {
    /// Columns.
    pub width_px: usize,
    /// Rows.
    pub height_px: usize,
    /// Green, red, nir: reflectance x 10,000, row by row; 0 is nodata.
    pub bands: [Vec<u16>; 3],
    /// Class codes, row by row.
    pub truth: Vec<u8>,
}

/// Subpixels that one pixel sees along an axis: its own and half of its neighbours'.
const REACH: usize = 2 * SUB - 1;
/// A triangle two pixels wide: close to the point spread of a whisk or push broom, about one pixel wide at half height.
const WEIGHTS: [f64; REACH] = [1.0, 2.0, 3.0, 2.0, 1.0];

impl Scene {
    /// Photographs the landscape of a seed. `has_footprint` cuts off the corners, as where a swath was turned north up.
    pub fn photograph(seed: u64, width_px: usize, height_px: usize, has_footprint: bool) -> Self {
        let landscape = Landscape::grow(seed, width_px, height_px);
        let palette = Palette::new(seed);
        let light = Light::new(seed);
        let count = width_px * height_px;
        let mut scene = Self {
            width_px,
            height_px,
            bands: [0, 1, 2].map(|_| Vec::with_capacity(count)),
            truth: Vec::with_capacity(count),
        };
        // Five rows of subpixels at a time are enough, because at most two rows of pixels need a row of them.
        let mut rows: Vec<SubRow> = Vec::with_capacity(REACH);
        let mut next_row = 0i64;
        let margin = (SUB / 2) as i64;
        for row in 0..height_px {
            let first = (row * SUB) as i64 - margin;
            rows.retain(|kept| kept.index >= first);
            next_row = next_row.max(first);
            while next_row < first + REACH as i64 {
                rows.push(SubRow::render(&landscape, &palette, &light, next_row));
                next_row += 1;
            }
            for column in 0..width_px {
                scene.expose(seed, &rows, column, row, has_footprint);
            }
        }
        scene
    }

    /// The share of each class among the pixels with data.
    pub fn class_shares(&self) -> [f64; CLASSES.len()] {
        let seen = self.truth.iter().filter(|&&code| code != TRUTH_NODATA).count().max(1) as f64;
        std::array::from_fn(|class| self.truth.iter().filter(|&&code| usize::from(code) == class).count() as f64 / seen)
    }

    fn expose(&mut self, seed: u64, rows: &[SubRow], column: usize, row: usize, has_footprint: bool) {
        if has_footprint && Self::is_outside(column, row, self.width_px, self.height_px) {
            self.bands.iter_mut().for_each(|band| band.push(0));
            self.truth.push(TRUTH_NODATA);
            return;
        }
        let (mut sum, mut weight) = ([0.0; 3], 0.0);
        let mut votes = [0u32; CLASSES.len()];
        for (sub_row, row_weight) in rows.iter().zip(WEIGHTS) {
            for (step, column_weight) in WEIGHTS.iter().enumerate() {
                let index = (column * SUB + step) as i64 - (SUB / 2) as i64;
                let cell = index.clamp(0, sub_row.cells.len() as i64 - 1) as usize;
                let (reflectance, class) = &sub_row.cells[cell];
                let share = row_weight * column_weight;
                (0..3).for_each(|band| sum[band] += share * reflectance[band]);
                weight += share;
                let is_own = index / SUB as i64 == column as i64 && index >= 0;
                if is_own && sub_row.index.div_euclid(SUB as i64) == row as i64 {
                    votes[*class as usize] += 1;
                }
            }
        }
        for (band, values) in self.bands.iter_mut().enumerate() {
            let signal = sum[band] / weight;
            // Shot noise grows with the root of the signal; quantization is 1.
            let noise = normal_at(seed ^ mix(band as u64), column as i64, row as i64) * (5.0 + 0.22 * signal.sqrt());
            values.push((signal + noise + 0.5).floor().clamp(1.0, 16_000.0) as u16);
        }
        let most = votes.iter().max().copied().unwrap_or(0);
        self.truth
            .push(votes.iter().position(|&count| count == most).unwrap_or(0) as u8);
    }

    /// Whether a pixel lies outside of a swath that leans 11 degrees, in a scene of a size.
    pub fn is_outside(column: usize, row: usize, width_px: usize, height_px: usize) -> bool {
        let (x, y) = (column as f64 / width_px as f64, row as f64 / height_px as f64);
        let along = x - 0.2 * (0.5 - y);
        let across = y + 0.2 * (0.5 - x);
        !(0.07..0.93).contains(&along) || !(0.07..0.93).contains(&across)
    }
}

/// One row of subpixels as the sensor would see them.
struct SubRow {
    index: i64,
    cells: Vec<([f64; 3], super::class::Class)>,
}

impl SubRow {
    fn render(landscape: &Landscape, palette: &Palette, light: &Light, index: i64) -> Self {
        let ground = &landscape.ground;
        let sub_row = index.clamp(0, (ground.height_px * SUB) as i64 - 1) as usize;
        let cells = (0..ground.width_px * SUB)
            .map(|sub_column| {
                let (x, y) = (
                    (sub_column as f64 + 0.5) / SUB as f64,
                    (sub_row as f64 + 0.5) / SUB as f64,
                );
                let cover = landscape.cover(sub_column, sub_row);
                let mut reflectance = palette.reflectance(&cover, x, y, (sub_column as i64, sub_row as i64));
                let is_water = matches!(cover, Cover::River | Cover::Stream | Cover::Lake | Cover::Pond(_));
                light.fall(landscape, x, y, is_water, &mut reflectance);
                (reflectance, cover.class())
            })
            .collect();
        Self { index, cells }
    }
}

/// The sun and the air of a scene.
struct Light {
    /// Unit vector to the sun: right, down, up.
    sun: [f64; 3],
    haze: Noise,
    haze_direction: (f64, f64),
}

impl Light {
    fn new(seed: u64) -> Self {
        // Mid-morning on the northern hemisphere: the sun stands in the south-east, 50 degrees high.
        let haze_turn = unit(hash(seed, 151, 0));
        Self {
            sun: [0.42, 0.49, 0.766],
            haze: Noise::new(seed, 152),
            haze_direction: (cos_turns(haze_turn), sin_turns(haze_turn)),
        }
    }

    /// Shades slopes and adds a thin haze that grows across the scene.
    fn fall(&self, landscape: &Landscape, x: f64, y: f64, is_water: bool, reflectance: &mut [f64; 3]) {
        let ground = &landscape.ground;
        if !is_water {
            let elevation = &ground.elevation;
            let slope_x = (elevation.sample(x + 1.0, y) - elevation.sample(x - 1.0, y)) / 2.0;
            let slope_y = (elevation.sample(x, y + 1.0) - elevation.sample(x, y - 1.0)) / 2.0;
            let length = (1.0 + slope_x * slope_x + slope_y * slope_y).sqrt();
            let incidence = (self.sun[2] - self.sun[0] * slope_x - self.sun[1] * slope_y) / length;
            // A third of the light comes from the whole sky, so no slope is black.
            let factor = 0.33 + 0.67 * (incidence / self.sun[2]).max(0.0);
            reflectance.iter_mut().for_each(|value| *value *= factor);
        }
        let (width, height) = (ground.width_px as f64, ground.height_px as f64);
        let across = (x / width - 0.5) * self.haze_direction.0 + (y / height - 0.5) * self.haze_direction.1;
        let haze = 0.5 + across + 0.3 * self.haze.fractal(x / 160.0, y / 160.0, 2, 0.5);
        let added = [26.0, 16.0, 7.0];
        (0..3).for_each(|band| reflectance[band] = reflectance[band] * (1.0 + 0.02 * across) + added[band] * haze);
    }
}
