//! The patchwork of fields: each district has one direction and is cut into blocks, and blocks are cut in two until they have the size of a
//! farm.

use super::random::{Noise, cos_turns, hash, mix, sin_turns, unit};

/// The field at a point.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// The same number for every point of a field.
    pub id: u64,
    /// The same number for every field of a district.
    pub district: u64,
    /// Distance to the field's nearest boundary, in pixels.
    pub edge_px: f64,
    /// Distance to the district's boundary, in pixels (rural roads and hedges run there).
    pub district_edge_px: f64,
    /// The field's centre, in pixels.
    pub centre: (f64, f64),
    /// Position across the rows, in pixels.
    pub across_px: f64,
}

/// The field plan of a scene.
#[derive(Clone, Copy, Debug)]
pub struct Fields {
    seed: u64,
    warp: Noise,
    direction: f64,
}

/// Mean distance between the centres of districts.
const DISTRICT_PX: f64 = 74.0;
/// A block before it is cut.
const BLOCK_PX: (f64, f64) = (46.0, 34.0);

impl Fields {
    /// The plan of a seed.
    pub fn new(seed: u64) -> Self {
        let seed = mix(seed ^ 0xF1E1D);
        Self {
            seed,
            warp: Noise::new(seed, 81),
            direction: unit(mix(seed)),
        }
    }

    /// The field at a point in pixels.
    pub fn at(&self, x: f64, y: f64) -> Field {
        // Boundaries follow the land a little, because nothing that people survey is straight to the metre.
        let dx = 3.4 * self.warp.fractal(x / 55.0, y / 55.0, 4, 0.36);
        let dy = 3.4 * self.warp.fractal(x / 55.0 + 40.0, y / 55.0, 4, 0.36);
        let (wx, wy) = (x + dx, y + dy);
        let (district, origin, district_edge_px) = self.district(wx, wy);
        let swing = unit(mix(district ^ 1)) - 0.5;
        let turn = self.direction
            + if unit(mix(district ^ 2)) < 0.6 {
                0.05 * swing
            } else {
                0.5 * swing
            };
        let (ux, uy) = (cos_turns(turn), sin_turns(turn));
        let (u, v) = (
            (wx - origin.0) * ux + (wy - origin.1) * uy,
            (wy - origin.1) * ux - (wx - origin.0) * uy,
        );
        let block = ((u / BLOCK_PX.0).floor(), (v / BLOCK_PX.1).floor());
        let mut id = mix(district ^ hash(self.seed, block.0 as i64, block.1 as i64));
        let (mut left, mut top) = (block.0 * BLOCK_PX.0, block.1 * BLOCK_PX.1);
        let (mut width, mut height) = BLOCK_PX;
        let farm_px = 7.0 + 12.0 * unit(mix(district ^ 3));
        let strips = unit(mix(district ^ 4)) < 0.14;
        for level in 0..6u64 {
            let cut = mix(id ^ (level + 10));
            let longest = if strips {
                width.max(1.8 * height)
            } else {
                width.max(height)
            };
            let keep = longest < farm_px * (0.75 + 0.9 * unit(mix(cut ^ 5)));
            if keep {
                break;
            }
            let ratio = 0.34 + 0.32 * unit(mix(cut ^ 6));
            // Strip districts are cut across again and again, as where heirs divide their land.
            if width > height || (strips && width > 4.0) {
                let first = width * ratio;
                let is_second = u - left > first;
                (left, width) = if is_second {
                    (left + first, width - first)
                } else {
                    (left, first)
                };
                id = mix(cut ^ u64::from(is_second));
            } else {
                let first = height * ratio;
                let is_second = v - top > first;
                (top, height) = if is_second {
                    (top + first, height - first)
                } else {
                    (top, first)
                };
                id = mix(cut ^ u64::from(is_second) ^ 2);
            }
        }
        let edge_px = (u - left)
            .min(left + width - u)
            .min(v - top)
            .min(top + height - v)
            .min(district_edge_px);
        let (cu, cv) = (left + width / 2.0, top + height / 2.0);
        let centre = (origin.0 + cu * ux - cv * uy - dx, origin.1 + cu * uy + cv * ux - dy);
        let across_px = if width > height { v } else { u };
        Field {
            id,
            district,
            edge_px,
            district_edge_px,
            centre,
            across_px,
        }
    }

    /// The nearest district's hash and centre, and the distance to its boundary (Voronoi cells of a jittered lattice).
    fn district(&self, x: f64, y: f64) -> (u64, (f64, f64), f64) {
        let (column, row) = ((x / DISTRICT_PX).floor() as i64, (y / DISTRICT_PX).floor() as i64);
        let mut first = (f64::MAX, 0, (0.0, 0.0));
        let mut second = f64::MAX;
        for r in row - 2..=row + 2 {
            for c in column - 2..=column + 2 {
                let bits = hash(self.seed, c, r);
                let centre = (
                    (c as f64 + 0.12 + 0.76 * unit(mix(bits ^ 1))) * DISTRICT_PX,
                    (r as f64 + 0.12 + 0.76 * unit(mix(bits ^ 2))) * DISTRICT_PX,
                );
                let (dx, dy) = (centre.0 - x, centre.1 - y);
                let distance = (dx * dx + dy * dy).sqrt();
                if distance < first.0 {
                    second = first.0;
                    first = (distance, bits, centre);
                } else if distance < second {
                    second = distance;
                }
            }
        }
        (first.1, first.2, (second - first.0) / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn fields_have_the_size_of_fields() {
        let fields = Fields::new(7);
        let mut sizes = BTreeMap::new();
        for row in 0..200 {
            for column in 0..200 {
                *sizes
                    .entry(fields.at(f64::from(column), f64::from(row)).id)
                    .or_insert(0u32) += 1;
            }
        }
        let mean = 40_000.0 / sizes.len() as f64;
        assert!((20.0..200.0).contains(&mean), "{mean} pixels per field");
    }

    #[test]
    fn a_field_contains_its_neighbourhood_up_to_its_edge() {
        let fields = Fields::new(9);
        for step in 0..2000 {
            let (x, y) = (f64::from(step % 50) * 4.1, f64::from(step / 50) * 4.7);
            let field = fields.at(x, y);
            if field.edge_px > 1.0 {
                // The warp stretches distances by less than a third.
                assert_eq!(fields.at(x + 0.5, y - 0.4).id, field.id, "at {x} {y}");
            }
        }
    }
}
