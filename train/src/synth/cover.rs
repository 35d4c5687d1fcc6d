//! What covers each subpixel: water, reeds, roads, towns, forest, grass and fields. Earlier ones go before later ones.

use super::class::Class;
use super::fields::{Field, Fields};
use super::grid::Grid;
use super::ground::{Ground, SUB, Wetness};
use super::random::{Noise, hash, mix, smoothstep, unit};
use super::settle::{Built, Road, Settlements};

/// The cover of a subpixel. It is finer than the classes of the truth: a street and a roof are both `built`.
#[derive(Clone, Copy, Debug)]
pub enum Cover {
    /// Closed forest.
    Forest,
    /// A row of trees or shrubs: a hedge, a riverside.
    Trees,
    /// Meadow, pasture, shrubs.
    Grass,
    /// A field.
    Crop(Field),
    /// A farm track between fields.
    Track,
    /// A house or a hall.
    Roof {
        /// The same number for all of a block's roofs.
        block: u64,
        /// One large bright roof.
        is_industrial: bool,
    },
    /// A street or a road.
    Asphalt,
    /// A garden of a town.
    Garden,
    /// A sand bar of the river.
    Sand,
    /// Bare rock and scree of the hills, and eroded slopes.
    Rock,
    /// Silt-laden running water.
    River,
    /// A tributary: clearer than the river.
    Stream,
    /// Clear still water.
    Lake,
    /// A fish pond.
    Pond(Field),
    /// Reeds and marsh.
    Reeds,
}

impl Cover {
    /// The class that the truth gives to this cover.
    pub fn class(&self) -> Class {
        match self {
            Self::Forest | Self::Trees => Class::Forest,
            Self::Grass => Class::GrassShrub,
            Self::Crop(_) | Self::Track => Class::Crop,
            Self::Roof { .. } | Self::Asphalt | Self::Garden => Class::Built,
            Self::Sand | Self::Rock => Class::Bare,
            Self::River | Self::Stream | Self::Lake | Self::Pond(_) => Class::Water,
            Self::Reeds => Class::Wetland,
        }
    }
}

/// A whole landscape, which answers subpixel by subpixel.
#[derive(Debug)]
pub struct Landscape {
    /// Relief and water.
    pub ground: Ground,
    seed: u64,
    fields: Fields,
    settlements: Settlements,
    woods: Noise,
    patches: Noise,
    reed_score: Grid,
    reed_threshold: f64,
}

/// The share of the scene that becomes wetland; it is rare, as in the data that the model is for.
const REED_SHARE: f64 = 0.012;

impl Landscape {
    /// Grows the landscape of a seed.
    pub fn grow(seed: u64, width_px: usize, height_px: usize) -> Self {
        let ground = Ground::lay(seed, width_px, height_px);
        let settlements = Settlements::found(seed, &ground);
        let (reed_score, reed_threshold) = plan_reeds(seed, &ground);
        Self {
            seed,
            fields: Fields::new(seed),
            settlements,
            woods: Noise::new(seed, 101),
            patches: Noise::new(seed, 102),
            reed_score,
            reed_threshold,
            ground,
        }
    }

    /// The cover of a subpixel.
    pub fn cover(&self, sub_column: usize, sub_row: usize) -> Cover {
        let (x, y) = (
            (sub_column as f64 + 0.5) / SUB as f64,
            (sub_row as f64 + 0.5) / SUB as f64,
        );
        let road = self.settlements.road(sub_column, sub_row);
        let wetness = self.ground.wetness(sub_column, sub_row);
        match wetness {
            // Main roads cross the river on bridges; lanes end at ferries.
            Wetness::River | Wetness::Stream if road == Road::Main => return Cover::Asphalt,
            Wetness::River => return Cover::River,
            Wetness::Stream => return Cover::Stream,
            Wetness::Lake => return Cover::Lake,
            Wetness::Sand | Wetness::Dry => {}
        }
        if self.reed_score.sample(x, y) > self.reed_threshold {
            return Cover::Reeds;
        }
        if road != Road::None {
            return Cover::Asphalt;
        }
        if wetness == Wetness::Sand {
            return Cover::Sand;
        }
        let sub_hash = hash(self.seed ^ 0xB1, sub_column as i64, sub_row as i64);
        match self.settlements.at(x, y, sub_hash) {
            Some(Built::Roof { block, is_industrial }) => return Cover::Roof { block, is_industrial },
            Some(Built::Street) => return Cover::Asphalt,
            Some(Built::Garden) => return Cover::Garden,
            Some(Built::Park) => {
                return if unit(sub_hash) < 0.4 {
                    Cover::Trees
                } else {
                    Cover::Grass
                };
            }
            None => {}
        }
        self.open_land(x, y)
    }

    /// Land that nobody has built on.
    fn open_land(&self, x: f64, y: f64) -> Cover {
        let hilly = self.ground.hilliness.sample(x, y);
        let wood = self.woods.fractal(x / 60.0, y / 60.0, 5, 0.55);
        let fray = self.woods.fractal(x / 7.0 + 5.0, y / 7.0, 3, 0.6);
        let wildness = hilly + 0.42 * wood + 0.06 * fray;
        let height = self.ground.elevation.sample(x, y) + 6.0 * wood + 1.2 * fray;
        if hilly > 0.75 && height > 25.5 {
            return if height + 2.5 * fray > 27.5 {
                Cover::Rock
            } else {
                Cover::Grass
            };
        }
        let stream_px = self.ground.stream_distance_px.sample(x, y);
        let river_px = self.ground.river_distance_px.sample(x, y);
        // Gallery woods follow the streams, and clumps of trees stand on the river's banks.
        let gallery_px = (1.1 + 2.6 * wood + 1.6 * fray).min(4.5);
        if stream_px < gallery_px && river_px > 9.0 {
            return Cover::Trees;
        }
        let bank_px = 6.5 + 7.0 * self.patches.fractal(x / 40.0, y / 40.0, 3, 0.5);
        if river_px < bank_px.max(5.2) {
            return if fray + wood > 0.12 { Cover::Trees } else { Cover::Grass };
        }
        if wildness > 0.44 {
            return self.hill_land(x, y, wildness, fray);
        }
        self.farm_land(x, y, wildness)
    }

    /// Forest with clearings, clear-cuts and a fringe of shrubs.
    fn hill_land(&self, x: f64, y: f64, wildness: f64, fray: f64) -> Cover {
        let clearing = self.patches.fractal(x / 26.0 + 9.0, y / 26.0, 4, 0.55);
        if wildness < 0.53 + 0.25 * clearing || clearing + 0.3 * fray > 0.36 {
            return Cover::Grass;
        }
        let field = self.fields.at(x, y);
        if unit(mix(field.id ^ 21)) < 0.025 && wildness < 0.9 {
            return Cover::Grass;
        }
        Cover::Forest
    }

    /// Fields, with the odd meadow, wood lot and group of fish ponds.
    fn farm_land(&self, x: f64, y: f64, wildness: f64) -> Cover {
        let field = self.fields.at(x, y);
        let (cx, cy) = field.centre;
        let lot = unit(mix(field.id ^ 11));
        let near_stream = smoothstep(16.0, 4.0, self.ground.stream_distance_px.sample(cx, cy));
        let meadow = 0.09 + 0.28 * near_stream + 0.55 * smoothstep(0.22, 0.44, wildness);
        let is_pond_district =
            unit(mix(field.district ^ 31)) < 0.10 && self.ground.river_distance_px.sample(cx, cy) < 110.0;
        if is_pond_district && lot > 0.72 && self.patches.at(cx / 30.0, cy / 30.0) > 0.0 {
            return if field.edge_px > 0.55 {
                Cover::Pond(field)
            } else {
                Cover::Grass
            };
        }
        let hedges = unit(mix(field.district ^ 32));
        if field.edge_px < 0.18 {
            return if hedges < 0.35 {
                if self.patches.fractal(x / 5.0, y / 5.0, 2, 0.6) > -0.1 {
                    Cover::Trees
                } else {
                    Cover::Grass
                }
            } else if hedges < 0.6 {
                Cover::Grass
            } else {
                Cover::Track
            };
        }
        if field.district_edge_px < 0.4 {
            return Cover::Track;
        }
        if lot < 0.035 {
            Cover::Forest
        } else if lot < 0.035 + meadow {
            Cover::Grass
        } else {
            Cover::Crop(field)
        }
    }
}

/// Scores how marshy each pixel is, and finds the score above which `REED_SHARE` of the scene lies.
fn plan_reeds(seed: u64, ground: &Ground) -> (Grid, f64) {
    let noise = Noise::new(seed, 111);
    let score = Grid::from_fn(ground.width_px, ground.height_px, |column, row| {
        let (c, r) = (column as i64, row as i64);
        let lake_px = ground.lake_distance_px.at(c, r);
        let river_px = ground.river_distance_px.at(c, r);
        let (x, y) = (column as f64, row as f64);
        let flat = 1.0 - smoothstep(0.15, 0.5, ground.hilliness.at(c, r));
        let still = 1.0 - lake_px / 7.0;
        // Backwaters of the river are marshy only here and there.
        let backwater =
            0.7 - (river_px - 5.0).max(0.0) / 7.0 - 0.55 * (0.5 - noise.fractal(x / 70.0, y / 70.0, 2, 0.5)).max(0.0);
        let damp = still.max(backwater);
        if damp <= 0.0 {
            return -1.0;
        }
        damp * 0.55 + 0.8 * noise.fractal(x / 17.0 + 3.0, y / 17.0, 4, 0.55) - 0.9 * (1.0 - flat)
    });
    let dry = |index: usize| {
        let (column, row) = (index % ground.width_px, index / ground.width_px);
        matches!(
            ground.wetness(column * SUB + SUB / 2, row * SUB + SUB / 2),
            Wetness::Dry | Wetness::Sand
        )
    };
    let mut candidates: Vec<f32> = score
        .values
        .iter()
        .enumerate()
        .filter(|&(index, &value)| value > -1.0 && dry(index))
        .map(|(_, &value)| value)
        .collect();
    candidates.sort_by(f32::total_cmp);
    let wanted = ((score.values.len() as f64 * REED_SHARE) as usize).min(candidates.len());
    let threshold = candidates
        .len()
        .checked_sub(wanted.max(1))
        .and_then(|index| candidates.get(index))
        .copied();
    (score, f64::from(threshold.unwrap_or(f32::MAX)))
}
