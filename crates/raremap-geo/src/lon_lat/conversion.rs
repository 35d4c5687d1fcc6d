//! Where a scene is on the globe, and over which range its longitudes are written.

use crate::crs::CrsKind;
use crate::error::GeoError;
use crate::georeference::{Affine, GeoReference};
use crate::projection::Projection;

/// Latitudes this near to 90 degrees (a tenth of a millimetre) are the pole, where longitudes mean nothing.
const POLE_DEG: f64 = 1e-9;
/// Closer to the pole than a centimetre, what is written does not tell rows of pixels apart.
const ROW_DEG: f64 = 1e-7;
/// Places of pixels are further apart than this, which is less than a micrometre.
const DISTINCT_DEG: f64 = 1e-11;
/// A walk around the scene takes steps that turn by less than this.
const STEP_DEG: f64 = 45.0;
/// How often a step of the walk is halved: down to less than a millionth of a pixel.
const HALVINGS: u32 = 40;
const SIDE_STEPS: u32 = 64;
/// The parts of an edge between written corners turn by less than this; otherwise they would leave their place by a pixel and more.
const EDGE_DEG: f64 = 2.0;
/// A walk that needs more positions than this passes through values without meaning.
const MAX_POSITIONS: usize = 1 << 14;

/// Longitude and latitude of a scene's pixels.
#[derive(Debug)]
pub struct Conversion {
    model_from_pixel: Affine,
    projection: Projection,
    /// `[height, width]` in pixels.
    size: [f64; 2],
    /// Longitude, within ±180, and latitude of the scene's middle.
    middle: [f64; 2],
    /// How longitudes are made to run on within the scene.
    pub longitudes: Longitudes,
    /// How fast longitudes change at most along the boundary, if a pole outside is nearest; 0 if they are shifted.
    fastest_deg_per_px: f64,
}

/// How longitudes are made continuous within a scene.
#[derive(Debug, PartialEq)]
pub enum Longitudes {
    /// They depend on x alone (geographic and cylindrical systems) and have no jump. All are shifted by the same whole turns, so that a
    /// scene all around the globe keeps its width.
    Shifted {
        /// Whole turns that are added to each longitude, in degrees.
        shift_deg: f64,
        /// y of the scene's middle: latitudes rise with y on both sides of it, even where the formulas have none.
        middle_y: f64,
    },
    /// They jump somewhere (conic, azimuthal and transverse methods). Each is written within half a turn of the middle's.
    Wrapped,
    /// They go all around a pole in the scene, so they cannot be written without a jump.
    AroundPole {
        /// 90 or -90.
        latitude: f64,
    },
}

impl Conversion {
    /// The conversion of a scene of `[height, width]` pixels.
    ///
    /// # Errors
    /// [`GeoError`] where pixels have no longitude and latitude.
    pub fn of(georeference: &GeoReference, [height, width]: [usize; 2]) -> Result<Self, GeoError> {
        let projection = Projection::of(georeference)?;
        let size = [height as f64, width as f64];
        let (middle_x, middle_y) = georeference.model_from_pixel.apply(size[1] / 2.0, size[0] / 2.0);
        let Some([longitude, latitude]) = projection.lon_lat_deg(middle_x, middle_y) else {
            return Err(GeoError::NoPlace);
        };
        let mut conversion = Self {
            model_from_pixel: georeference.model_from_pixel,
            projection,
            size,
            middle: [turn(longitude, 0.0), latitude],
            longitudes: Longitudes::Wrapped,
            fastest_deg_per_px: 0.0,
        };
        if georeference.crs.kind == CrsKind::Geographic || conversion.is_cylindrical() {
            // A middle at 180 degrees, as in grids from 0 to 360, stays there, whatever the last bits are.
            let turns = libm::ceil((longitude - 180.0 - 1e-6) / 360.0);
            conversion.longitudes = Longitudes::Shifted {
                shift_deg: -360.0 * turns,
                middle_y,
            };
            return Ok(conversion);
        }
        let Some(boundary) = conversion.boundary() else {
            return Err(GeoError::OutsideDomain);
        };
        conversion.fastest_deg_per_px = conversion.fastest_along_boundary();
        let ends = boundary.first().zip(boundary.last());
        let turned_deg = ends.map_or(0.0, |([first, _], [last, _])| last - first);
        // A pole on the boundary itself takes away what the walk turns there, so there is no whole turn.
        if turned_deg.abs() > 359.0 {
            conversion.longitudes = Longitudes::AroundPole {
                latitude: 90.0f64.copysign(turned_deg),
            };
        }
        Ok(conversion)
    }

    /// Whether all pixels have a place. Corners may lie outside by less than a pixel, because global grids have centres at the poles.
    pub fn covers_scene(&self) -> bool {
        let [height, width] = self.size;
        let inset = [1f64.min(width / 2.0), 1f64.min(height / 2.0)];
        let corners = [[0.0, 0.0], [0.0, height], [width, height], [width, 0.0]];
        corners.into_iter().all(|[column, row]| {
            let inwards = |at: f64, inset: f64| if at == 0.0 { inset } else { at - inset };
            let inside = self.found(inwards(column, inset[0]), inwards(row, inset[1]));
            let corner = self.found(column, row);
            let Some(inside) = inside.filter(|[_, latitude]| latitude.abs() < 90.0 - ROW_DEG) else {
                return false;
            };
            match self.longitudes {
                Longitudes::Shifted { .. } => true,
                // Azimuthal formulas put everything outside on one point.
                _ => corner.is_some_and(|corner| {
                    let apart = [turn(corner[0] - inside[0], 0.0), corner[1] - inside[1]];
                    apart.into_iter().any(|degrees| degrees.abs() > DISTINCT_DEG)
                }),
            }
        })
    }

    /// Longitudes change by at most this over a length, in degrees.
    pub fn steepest_deg(&self, length_px: f64) -> f64 {
        self.fastest_deg_per_px * length_px
    }

    /// Whether a straight line in pixels is too far from one in longitude and latitude, as beside a pole.
    pub fn is_bent(&self, from: [f64; 2], to: [f64; 2]) -> bool {
        let length_px = libm::hypot(to[0] - from[0], to[1] - from[1]);
        // Most scenes are far from the poles, and there is nothing to convert then.
        self.steepest_deg(length_px) > EDGE_DEG
            && (self.coordinates(to[0], to[1])[0] - self.coordinates(from[0], from[1])[0]).abs() > EDGE_DEG
    }

    /// Whether a ring that is counterclockwise on the screen is clockwise on the map.
    pub fn is_mirrored(&self) -> bool {
        let Affine { a, b, d, e, .. } = self.model_from_pixel;
        a * e - b * d > 0.0
    }

    /// Coordinates of a place in pixels.
    pub fn coordinates(&self, column: f64, row: f64) -> [f64; 2] {
        let found = self.found(column, row);
        match self.longitudes {
            Longitudes::Shifted { shift_deg, middle_y } => {
                let [longitude, latitude] = found.unwrap_or_else(|| self.beyond_pole(column, row, middle_y));
                [longitude + shift_deg, latitude]
            }
            Longitudes::Wrapped | Longitudes::AroundPole { .. } => {
                // The domain of these methods is convex and contains the scene's corners, so the middle is never written.
                let [longitude, latitude] = found.unwrap_or(self.middle);
                [turn(longitude, self.middle[0]), latitude]
            }
        }
    }

    /// Positions of a vertex of a line: one, or two if it is a pole through which the line passes, on the meridian where the line arrives
    /// and on the one where it leaves.
    pub fn positions(&self, at: [f64; 2], from: [f64; 2], to: [f64; 2]) -> ([f64; 2], Option<[f64; 2]>) {
        let position = self.coordinates(at[0], at[1]);
        let is_pole = self.longitudes == Longitudes::Wrapped && position[1].abs() > 90.0 - POLE_DEG;
        if !is_pole {
            return (position, None);
        }
        let latitude = 90.0f64.copysign(position[1]);
        // These lie beside the pole, because lines through it are not meridians in all methods.
        let meridian = |end: [f64; 2]| {
            let [x, y] = [end[0] - at[0], end[1] - at[1]];
            let part = 0.5 / libm::hypot(x, y);
            [self.coordinates(at[0] + x * part, at[1] + y * part)[0], latitude]
        };
        (meridian(from), Some(meridian(to)))
    }

    /// Walks counterclockwise around the scene on the map, back to its start, in steps short enough to follow the longitudes without jumps.
    /// After a way around a pole, the last position is a turn away from the first. `None` if longitudes or latitudes are missing or jump.
    pub fn boundary(&self) -> Option<Vec<[f64; 2]>> {
        let [height, width] = self.size;
        let mut corners = [[0.0, 0.0], [0.0, height], [width, height], [width, 0.0], [0.0, 0.0]];
        if self.is_mirrored() {
            corners.reverse();
        }
        let mut line = vec![self.found(0.0, 0.0)?];
        for pair in corners.windows(2) {
            let [from, to] = [pair[0], pair[1]];
            let at = |step: u32| {
                let part = f64::from(step) / f64::from(SIDE_STEPS);
                [from[0] + (to[0] - from[0]) * part, from[1] + (to[1] - from[1]) * part]
            };
            for step in 0..SIDE_STEPS {
                self.walk(at(step), at(step + 1), HALVINGS, &mut line)?;
            }
        }
        Some(line)
    }

    fn fastest_along_boundary(&self) -> f64 {
        let [height, width] = self.size;
        let corners = [[0.0, 0.0], [0.0, height], [width, height], [width, 0.0], [0.0, 0.0]];
        let mut fastest = 0f64;
        for pair in corners.windows(2) {
            let [from, to] = [pair[0], pair[1]];
            let step = [0, 1].map(|axis| (to[axis] - from[axis]) / f64::from(SIDE_STEPS));
            let longitude = |index: u32| {
                let [column, row] = [0, 1].map(|axis| from[axis] + step[axis] * f64::from(index));
                self.coordinates(column, row)[0]
            };
            let steepest_deg = (0..SIDE_STEPS).map(|index| (longitude(index + 1) - longitude(index)).abs());
            fastest = fastest.max(steepest_deg.fold(0.0, f64::max) / libm::hypot(step[0], step[1]));
        }
        fastest
    }

    fn walk(&self, from: [f64; 2], to: [f64; 2], halvings: u32, line: &mut Vec<[f64; 2]>) -> Option<()> {
        let ([start, _], [end, latitude]) = (self.found(from[0], from[1])?, self.found(to[0], to[1])?);
        let change = turn(end - start, 0.0);
        let [longitude, _] = *line.last()?;
        if line.len() > MAX_POSITIONS {
            return None;
        }
        if change.abs() < STEP_DEG {
            line.push([longitude + change, latitude]);
        } else if halvings > 0 {
            let middle = [(from[0] + to[0]) / 2.0, (from[1] + to[1]) / 2.0];
            self.walk(from, middle, halvings - 1, line)?;
            self.walk(middle, to, halvings - 1, line)?;
        } else if latitude.abs() > 90.0 - ROW_DEG {
            // The pole is on the boundary.
            line.push([longitude, latitude]);
        } else {
            return None;
        }
        Some(())
    }

    fn found(&self, column: f64, row: f64) -> Option<[f64; 2]> {
        let (x, y) = self.model_from_pixel.apply(column, row);
        self.projection.lon_lat_deg(x, y)
    }

    fn beyond_pole(&self, column: f64, row: f64, middle_y: f64) -> [f64; 2] {
        let (x, y) = self.model_from_pixel.apply(column, row);
        let longitude = self.projection.lon_lat_deg(x, middle_y);
        [
            longitude.map_or(self.middle[0], |[longitude, _]| longitude),
            90.0f64.copysign(y - middle_y),
        ]
    }

    /// Whether longitudes depend on x alone.
    fn is_cylindrical(&self) -> bool {
        let [height, width] = self.size;
        let corners = [[0.0, 0.0], [0.0, height], [width, height], [width, 0.0]]
            .map(|[column, row]| self.model_from_pixel.apply(column, row));
        let span = |values: [f64; 4]| {
            let low = values.into_iter().fold(f64::INFINITY, f64::min);
            [low, values.into_iter().fold(f64::NEG_INFINITY, f64::max) - low]
        };
        let ([left, wide], [low, high]) = (span(corners.map(|(x, _)| x)), span(corners.map(|(_, y)| y)));
        // This is not tested at the top and the bottom, which may be beyond a pole; it is tested at three places, because two may be
        // symmetric about the equator, and not only at the sides, where azimuthal formulas may have one answer for everything outside.
        [0.0, 0.3, 1.0].map(|part| left + wide * part).into_iter().all(|x| {
            let [first, others @ ..] = [0.3, 0.5, 0.8].map(|part| {
                let found = self.projection.lon_lat_deg(x, low + high * part);
                found.map(|[longitude, _]| longitude)
            });
            first.is_some() && others.into_iter().all(|other| other == first)
        })
    }
}

/// The same longitude, within half a turn of another.
pub fn turn(longitude: f64, near: f64) -> f64 {
    longitude - 360.0 * libm::round((longitude - near) / 360.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conversion(kind: CrsKind, epsg: u16, [a, e, c, f]: [f64; 4], size: [usize; 2]) -> Result<Conversion, GeoError> {
        let (b, d) = (0.0, 0.0);
        let georeference = GeoReference::from_epsg(kind, epsg, Affine { a, b, c, d, e, f }).expect("a transform");
        Conversion::of(&georeference, size)
    }

    #[test]
    fn longitudes_do_not_jump_at_the_date_line() {
        assert_eq!(
            (turn(-179.5, 179.0), turn(190.0, 0.0), turn(10.0, 10.0)),
            (180.5, -170.0, 10.0)
        );
    }

    #[test]
    fn systems_are_told_by_their_longitudes() {
        let of = |kind, epsg, transform| {
            let conversion = conversion(kind, epsg, transform, [300, 400]).expect("a known system");
            conversion.longitudes
        };
        let is_shifted = |longitudes: Longitudes| matches!(longitudes, Longitudes::Shifted { .. });
        assert!(is_shifted(of(CrsKind::Geographic, 4326, [3e-4, -3e-4, 76.0, 12.0])));
        for (epsg, transform) in [
            (3857, [50.0, -50.0, 1e6, 6e6]),
            (3395, [60.0, -60.0, 1e6, 8e6]),
            (6933, [1000.0, -1000.0, -1e6, 2e6]),
        ] {
            assert!(is_shifted(of(CrsKind::Projected, epsg, transform)), "{epsg}");
        }
        for (epsg, transform) in [
            (32643, [10.0, -10.0, 499_000.0, 1500.0]),
            (32643, [10.0, -10.0, 498_000.0, 1500.0]),
            (5070, [30.0, -30.0, 0.0, 1.8e6]),
            (3035, [30.0, -30.0, 4_321_000.0, 3_210_000.0]),
            (3413, [30.0, -30.0, 0.0, 4500.0]),
            (3413, [30.0, -30.0, 0.0, 0.0]),
            (3413, [30.0, -30.0, -6000.0, 0.0]),
            (3031, [30.0, -30.0, -12_000.0, 9000.0]),
        ] {
            assert_eq!(
                of(CrsKind::Projected, epsg, transform),
                Longitudes::Wrapped,
                "{epsg} {transform:?}"
            );
        }
        for (epsg, transform, latitude) in [
            (3413, [30.0, -30.0, -6000.0, 4500.0], 90.0),
            (3413, [30.0, -30.0, -1.0, 4500.0], 90.0),
            (3031, [30.0, -30.0, -6000.0, 4500.0], -90.0),
            (3031, [30.0, 30.0, -6000.0, -4500.0], -90.0),
            (6931, [25_000.0, -25_000.0, -5e6, 4e6], 90.0),
            (32643, [100.0, -100.0, 480_000.0, 10_000_000.0], 90.0),
        ] {
            let found = of(CrsKind::Projected, epsg, transform);
            assert_eq!(found, Longitudes::AroundPole { latitude }, "{epsg} {transform:?}");
        }
    }

    #[test]
    fn a_pixel_over_the_pole_is_within_the_domain_and_more_is_not() {
        for (top, rows, covers) in [
            (90.0, 180, true),
            (90.125, 180, true),
            (90.125, 721, true),
            (90.25, 180, false),
            (93.0, 180, false),
        ] {
            let grid = conversion(CrsKind::Geographic, 4326, [0.25, -0.25, 0.0, top], [rows, 1440]).expect("a grid");
            assert_eq!(grid.covers_scene(), covers, "{top}");
        }
        let era5 = conversion(CrsKind::Geographic, 4326, [0.25, -0.25, -0.125, 90.125], [721, 1440]).expect("a grid");
        assert_eq!(era5.coordinates(8.0, 0.0), [1.875, 90.0]);
        assert_eq!(era5.coordinates(8.0, 721.0), [1.875, -90.0]);
        assert_eq!(era5.coordinates(1440.0, 1.0), [359.875, 89.875]);
        let disc =
            conversion(CrsKind::Projected, 3035, [1e5, -1e5, -1e7, 2e7], [300, 300]).map(|disc| disc.covers_scene());
        assert_ne!(disc, Ok(true));
    }

    #[test]
    fn a_pole_at_a_corner_is_on_the_meridians_of_both_edges() {
        let tile = conversion(CrsKind::Projected, 3413, [30.0, -30.0, 0.0, 0.0], [300, 300]).expect("a tile");
        let (first, second) = tile.positions([0.0, 0.0], [10.0, 0.0], [0.0, 10.0]);
        // The central meridian, 45 degrees west, goes down; the one to the right is 90 degrees east of it.
        assert!((first[0] - 45.0).abs() < 1e-9 && first[1] == 90.0, "{first:?}");
        assert!(second.is_some_and(|[longitude, latitude]| (longitude + 45.0).abs() < 1e-9 && latitude == 90.0));
    }
}
