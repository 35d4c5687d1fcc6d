//! How large a pixel is on the ground. Functions of angles are those of `libm`, which give the same bits natively and in wasm.

use std::f64::consts::FRAC_PI_2;
use std::sync::Arc;

use crate::crs::CrsKind;
use crate::georeference::GeoReference;
use crate::projection::Projection;

/// Square metres of a hectare.
pub const M2_PER_HA: f64 = 10_000.0;

/// Width in metres of a square pixel that covers so many hectares.
pub fn pixel_metres(pixel_ha: f64) -> f64 {
    libm::sqrt(pixel_ha * M2_PER_HA)
}

/// How map coordinates relate to the ground.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Ground {
    /// A projected CRS about which no more is known; its map areas count as ground areas.
    Projected {
        /// Metres per unit.
        unit_m: f64,
    },
    /// Web Mercator, whose pixels shrink away from the equator; its unit is metres on a sphere.
    WebMercator,
    /// Longitude and latitude.
    Geographic {
        /// Radians per unit.
        unit_rad: f64,
        /// The ellipsoid.
        ellipsoid: Ellipsoid,
    },
}

/// An ellipsoid of revolution.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ellipsoid {
    /// Semi-major axis, in metres.
    pub semi_major_axis_m: f64,
    /// Inverse flattening; 0 or infinite for a sphere.
    pub inverse_flattening: f64,
}

impl Ellipsoid {
    /// WGS 84.
    pub const WGS84: Self = Self {
        semi_major_axis_m: 6_378_137.0,
        inverse_flattening: 298.257_223_563,
    };

    /// Square of the first eccentricity.
    fn e2(&self) -> f64 {
        let flattening = 1.0 / self.inverse_flattening;
        if flattening.is_finite() {
            flattening * (2.0 - flattening)
        } else {
            0.0
        }
    }

    /// Area between the equator and a latitude, per radian of longitude, in square metres (Snyder 1987, equation 3-12).
    fn zone_m2(&self, latitude: f64) -> f64 {
        let (e2, sin) = (self.e2(), libm::sin(latitude.clamp(-FRAC_PI_2, FRAC_PI_2)));
        let e = e2.sqrt();
        let tail = if e > 0.0 { libm::atanh(e * sin) / e } else { sin };
        0.5 * self.semi_major_axis_m.powi(2) * (1.0 - e2) * (sin / (1.0 - e2 * sin * sin) + tail)
    }

    /// Square metres per square radian of longitude and latitude, at a latitude.
    fn density_m2(&self, latitude: f64) -> f64 {
        let (sin, cos) = libm::sincos(latitude.clamp(-FRAC_PI_2, FRAC_PI_2));
        self.inverse_curvature_m2(sin) * cos
    }

    /// Product of the radii of curvature at the latitude with this sine (Snyder 1987, equations 4-18 and 4-20).
    fn inverse_curvature_m2(&self, sin_latitude: f64) -> f64 {
        let e2 = self.e2();
        self.semi_major_axis_m.powi(2) * (1.0 - e2) / (1.0 - e2 * sin_latitude * sin_latitude).powi(2)
    }
}

/// Area of each pixel of a scene.
#[derive(Debug, Clone, PartialEq)]
pub enum PixelAreas {
    /// The scene is not georeferenced.
    Unknown,
    /// `model_from_pixel` is `x = a col + b row + c`, `y = d col + e row + f`.
    Known {
        /// `[a, b, c, d, e, f]`
        model_from_pixel: [f64; 6],
        /// What model coordinates are.
        ground: Ground,
    },
    /// A projected scene whose projection is known.
    Sampled(Arc<AreaLattice>),
}

/// Pixel areas at the corners of a lattice over a scene, to be interpolated, because a projection's scale changes slowly.
#[derive(Debug, PartialEq)]
pub struct AreaLattice {
    /// Lattice steps per pixel, along rows and columns.
    steps_per_px: [f64; 2],
    /// Corners along rows and columns, at least two.
    corners: [usize; 2],
    hectares: Box<[f64]>,
}

/// Lattice steps are no longer than this on the map: over it, the scale of the usual projections is linear to 1e-6.
const STEP_M: f64 = 20_000.0;
/// Lattice steps are no longer than this many pixels either ...
const STEP_PX: f64 = 256.0;
/// ... unless a side would then have more than this many of them.
const MOST_STEPS: f64 = 512.0;

/// Half of the distance over which the derivative of a projection is taken, in metres on the map; it is long enough that its last digits do
/// not matter.
const HALF_DIFFERENCE_M: f64 = 500.0;

impl AreaLattice {
    /// `plane_m2` is the map's area of a pixel; it is also the ground area if `lon_lat_deg` has no answer. `lon_lat_deg` takes pixel
    /// positions, (column, row).
    fn new(
        [height, width]: [usize; 2],
        plane_m2: f64,
        ellipsoid: Ellipsoid,
        lon_lat_deg: impl Fn(f64, f64) -> Option<[f64; 2]>,
    ) -> Self {
        let pixel_m = plane_m2.sqrt();
        let steps = [height, width].map(|size| {
            let longest_px = (STEP_M / pixel_m).clamp(1.0, STEP_PX);
            (size as f64 / longest_px).ceil().clamp(1.0, MOST_STEPS)
        });
        let steps_per_px = [steps[0] / height.max(1) as f64, steps[1] / width.max(1) as f64];
        let corners = steps.map(|steps| steps as usize + 1);
        let half_px = (HALF_DIFFERENCE_M / pixel_m).max(0.5);
        let normal = |column: f64, row: f64| {
            let [longitude, latitude] = lon_lat_deg(column, row)?.map(f64::to_radians);
            let ((sin_lon, cos_lon), (sin_lat, cos_lat)) = (libm::sincos(longitude), libm::sincos(latitude));
            Some([cos_lat * cos_lon, cos_lat * sin_lon, sin_lat])
        };
        let slope = |ahead: Option<[f64; 3]>, behind: Option<[f64; 3]>| {
            let (ahead, behind) = (ahead?, behind?);
            Some([0, 1, 2].map(|axis: usize| (ahead[axis] - behind[axis]) / (2.0 * half_px)))
        };
        // The ellipsoid's area is that of its normals on the unit sphere divided by its Gaussian curvature, so no pole and no meridian is
        // special.
        let area_m2 = |column: f64, row: f64| {
            let [x1, y1, z1] = slope(normal(column + half_px, row), normal(column - half_px, row))?;
            let [x2, y2, z2] = slope(normal(column, row + half_px), normal(column, row - half_px))?;
            let cross = [y1 * z2 - z1 * y2, z1 * x2 - x1 * z2, x1 * y2 - y1 * x2];
            let [_, _, sin_latitude] = normal(column, row)?;
            Some(
                cross.iter().map(|part| part * part).sum::<f64>().sqrt() * ellipsoid.inverse_curvature_m2(sin_latitude),
            )
        };
        let hectares = (0..corners[0] * corners[1]).map(|at| {
            let (row, column) = ((at / corners[1]) as f64, (at % corners[1]) as f64);
            let known = area_m2(column / steps_per_px[1], row / steps_per_px[0]).filter(|area| area.is_finite());
            known.unwrap_or(plane_m2) / M2_PER_HA
        });
        Self {
            steps_per_px,
            corners,
            hectares: hectares.collect(),
        }
    }

    fn pixel_ha(&self, row: usize, column: usize) -> f64 {
        let place = |at: usize, axis: usize| {
            let position = (at as f64 + 0.5) * self.steps_per_px[axis];
            // `as` truncates. Beyond the scene, the last step continues.
            let cell = (position as usize).min(self.corners[axis].saturating_sub(2));
            (cell, position - cell as f64)
        };
        let ((down, below), (across, right)) = (place(row, 0), place(column, 1));
        let at = down * self.corners[1] + across;
        let mix = |at: usize| self.hectares[at] + (self.hectares[at + 1] - self.hectares[at]) * right;
        let (upper, lower) = (mix(at), mix(at + self.corners[1]));
        upper + (lower - upper) * below
    }
}

impl PixelAreas {
    /// Areas under a transform; unknown if it is not finite or folds pixels to nothing.
    pub fn new(model_from_pixel: [f64; 6], ground: Ground) -> Self {
        let [a, b, _, d, e, _] = model_from_pixel;
        let area = a * e - b * d;
        let usable = model_from_pixel.iter().all(|value| value.is_finite()) && area != 0.0 && area.is_finite();
        if usable {
            Self::Known {
                model_from_pixel,
                ground,
            }
        } else {
            Self::Unknown
        }
    }

    /// Areas of a projected scene of `[height, width]`: those of the ellipsoid, and not of the map, whose scale is never exactly 1.
    ///
    /// `lon_lat_deg` gives longitude and latitude of model coordinates. Areas are accurate to 1e-5 where the projection is smooth. A pixel
    /// without a place on the ellipsoid has the map's area; `unit_m` is metres per unit.
    pub fn projected(
        model_from_pixel: [f64; 6],
        size: [usize; 2],
        unit_m: f64,
        ellipsoid: Ellipsoid,
        lon_lat_deg: impl Fn(f64, f64) -> Option<[f64; 2]>,
    ) -> Self {
        let flat = Self::new(model_from_pixel, Ground::Projected { unit_m });
        let Some(plane_ha) = flat.pixel_ha(0, 0) else {
            return flat;
        };
        let [a, b, c, d, e, f] = model_from_pixel;
        let of_pixel = |column: f64, row: f64| lon_lat_deg(a * column + b * row + c, d * column + e * row + f);
        Self::Sampled(AreaLattice::new(size, plane_ha * M2_PER_HA, ellipsoid, of_pixel).into())
    }

    /// Whether all pixels of a row have the same area.
    pub fn is_uniform_in_rows(&self) -> bool {
        match self {
            Self::Sampled(_) => false,
            Self::Unknown
            | Self::Known {
                ground: Ground::Projected { .. },
                ..
            } => true,
            Self::Known {
                model_from_pixel: [_, _, _, d, _, _],
                ..
            } => *d == 0.0,
        }
    }

    /// Hectares of the pixel at a row and a column.
    ///
    /// A pixel of a north-up geographic scene is bounded by meridians and parallels, and its area is exact. If the grid is rotated, it is
    /// the area element at the pixel's middle.
    pub fn pixel_ha(&self, row: usize, column: usize) -> Option<f64> {
        let ([a, b, _, d, e, f], ground) = match self {
            Self::Unknown => return None,
            Self::Sampled(lattice) => return Some(lattice.pixel_ha(row, column)),
            Self::Known {
                model_from_pixel,
                ground,
            } => (*model_from_pixel, *ground),
        };
        let plane = (a * e - b * d).abs();
        let y_at = |row: f64| d * (column as f64 + 0.5) + e * row + f;
        let (top, middle, bottom) = (y_at(row as f64), y_at(row as f64 + 0.5), y_at(row as f64 + 1.0));
        let area_m2 = match ground {
            Ground::Projected { unit_m } => plane * unit_m * unit_m,
            Ground::WebMercator => {
                let radius = Ellipsoid::WGS84.semi_major_axis_m;
                let latitude = libm::atan(libm::sinh(middle / radius));
                // A map step of dy is a latitude step of cos(latitude) dy / R.
                plane * libm::cos(latitude) / (radius * radius) * Ellipsoid::WGS84.density_m2(latitude)
            }
            Ground::Geographic { unit_rad, ellipsoid } if b == 0.0 && d == 0.0 => {
                let zone = ellipsoid.zone_m2(top * unit_rad) - ellipsoid.zone_m2(bottom * unit_rad);
                (zone * a * unit_rad).abs()
            }
            Ground::Geographic { unit_rad, ellipsoid } => {
                plane * unit_rad * unit_rad * ellipsoid.density_m2(middle * unit_rad)
            }
        };
        Some(area_m2 / M2_PER_HA)
    }
}

/// Pixel areas of a scene of `[height, width]`, by its own ellipsoid and units; unknown where the file leaves them open.
pub fn pixel_areas(georeference: Option<&GeoReference>, size: [u32; 2]) -> PixelAreas {
    let Some(georeference) = georeference else {
        return PixelAreas::Unknown;
    };
    let (m, crs) = (georeference.model_from_pixel, &georeference.crs);
    let model_from_pixel = [m.a, m.b, m.c, m.d, m.e, m.f];
    let ellipsoid = Ellipsoid {
        semi_major_axis_m: crs.semi_major_axis_m,
        inverse_flattening: crs.inverse_flattening,
    };
    let ground = match (crs.kind, crs.epsg) {
        (CrsKind::Projected, Some(3857)) => Some(Ground::WebMercator),
        (CrsKind::Projected, _) => {
            let Some(unit_m) = crs.linear_unit_m else {
                return PixelAreas::Unknown;
            };
            if let Ok(projection) = Projection::of(georeference) {
                let size = size.map(|size| size as usize);
                let lon_lat_deg = |x: f64, y: f64| projection.lon_lat_deg(x, y);
                return PixelAreas::projected(model_from_pixel, size, unit_m, ellipsoid, lon_lat_deg);
            }
            Some(Ground::Projected { unit_m })
        }
        (CrsKind::Geographic, _) => crs
            .angular_unit_rad
            .map(|unit_rad| Ground::Geographic { unit_rad, ellipsoid }),
        (CrsKind::Geocentric | CrsKind::Unknown, _) => None,
    };
    ground.map_or(PixelAreas::Unknown, |ground| PixelAreas::new(model_from_pixel, ground))
}

#[cfg(test)]
mod tests {
    use super::*;
    use geographiclib_rs::{Geodesic, PolygonArea, Winding};

    const DEGREES: Ground = Ground::Geographic {
        unit_rad: std::f64::consts::PI / 180.0,
        ellipsoid: Ellipsoid::WGS84,
    };

    /// Area of a polygon of `[latitude, longitude]` corners, whose edges are cut into short geodesics.
    fn geodesic_ha(corners: &[[f64; 2]], pieces: usize) -> f64 {
        let wgs84 = Geodesic::wgs84();
        let mut polygon = PolygonArea::new(&wgs84, Winding::CounterClockwise);
        for (i, from) in corners.iter().enumerate() {
            let to = corners[(i + 1) % corners.len()];
            for piece in 0..pieces {
                let part = piece as f64 / pieces as f64;
                polygon.add_point(from[0] + (to[0] - from[0]) * part, from[1] + (to[1] - from[1]) * part);
            }
        }
        polygon.compute(true).1.abs() / M2_PER_HA
    }

    fn assert_close(found: Option<f64>, expected: f64, relative: f64) {
        let found = found.expect("an area");
        assert!((found / expected - 1.0).abs() < relative, "{found}, not {expected}");
    }

    #[test]
    fn a_projected_pixel_has_the_area_of_its_unit() {
        let metres = PixelAreas::new([10.0, 0.0, 5e5, 0.0, -10.0, 4e6], Ground::Projected { unit_m: 1.0 });
        assert_eq!(metres.pixel_ha(0, 0), Some(0.01));
        let feet = PixelAreas::new([10.0, 0.0, 0.0, 0.0, -10.0, 0.0], Ground::Projected { unit_m: 0.3048 });
        assert_close(feet.pixel_ha(7, 3), 0.01 * 0.3048 * 0.3048, 1e-12);
        let (sin, cos) = 0.3f64.sin_cos();
        let turned = [10.0 * cos, 10.0 * sin, 0.0, 10.0 * sin, -10.0 * cos, 0.0];
        assert_close(
            PixelAreas::new(turned, Ground::Projected { unit_m: 1.0 }).pixel_ha(1, 1),
            0.01,
            1e-12,
        );
    }

    #[test]
    fn a_degree_cell_agrees_with_the_geodesic_polygon_of_its_outline() {
        for south in [0.0, 40.0, -75.0, 89.0] {
            let areas = PixelAreas::new([1.0, 0.0, 10.0, 0.0, -1.0, south + 1.0], DEGREES);
            let corners = [[south, 10.0], [south, 11.0], [south + 1.0, 11.0], [south + 1.0, 10.0]];
            assert_close(areas.pixel_ha(0, 0), geodesic_ha(&corners, 2000), 1e-7);
        }
        // This is the whole of WGS 84: 510,065,621.72 square kilometres.
        let earth = PixelAreas::new([360.0, 0.0, -180.0, 0.0, -180.0, 90.0], DEGREES);
        assert_close(earth.pixel_ha(0, 0), 51_006_562_172.4, 1e-10);
    }

    #[test]
    fn small_and_rotated_pixels_agree_with_their_geodesic_quads() {
        for transform in [
            [9e-5, 0.0, -0.78, 0.0, -9e-5, 38.13],
            [7e-5, 3e-5, -74.7, 2e-5, -8e-5, -8.28],
        ] {
            let areas = PixelAreas::new(transform, DEGREES);
            let [a, b, c, d, e, f] = transform;
            let corner = |column: f64, row: f64| [d * column + e * row + f, a * column + b * row + c];
            let corners = [
                corner(40.0, 30.0),
                corner(41.0, 30.0),
                corner(41.0, 31.0),
                corner(40.0, 31.0),
            ];
            assert_close(areas.pixel_ha(30, 40), geodesic_ha(&corners, 1), 1e-5);
        }
    }

    #[test]
    fn web_mercator_pixels_shrink_towards_the_poles() {
        let radius = 6_378_137.0;
        let degrees = |y: f64| (y / radius).sinh().atan().to_degrees();
        let y = 6_000_000.0;
        let areas = PixelAreas::new([30.0, 0.0, 1e6, 0.0, -30.0, y], Ground::WebMercator);
        let east = (1e6 / radius).to_degrees();
        let width = (30.0 / radius).to_degrees();
        let (north, south) = (degrees(y), degrees(y - 30.0));
        let corners = [
            [south, east],
            [south, east + width],
            [north, east + width],
            [north, east],
        ];
        assert_close(areas.pixel_ha(0, 0), geodesic_ha(&corners, 1), 1e-5);
        assert!(areas.pixel_ha(0, 0) < Some(0.045));
    }

    /// A scene of some system, 1,000 x 800 pixels from a corner.
    fn projected(epsg: u16, [left, top]: [f64; 2], pixel: f64) -> (PixelAreas, impl Fn(f64, f64) -> [f64; 2]) {
        let transform = crate::Affine {
            a: pixel,
            b: 0.0,
            c: left,
            d: 0.0,
            e: -pixel,
            f: top,
        };
        let place = crate::GeoReference::from_epsg(crate::CrsKind::Projected, epsg, transform);
        let place = place.expect("a known code");
        let areas = crate::pixel_areas(Some(&place), [800, 1000]);
        let projection = crate::Projection::of(&place).expect("a known projection");
        let latitude_longitude = move |column: f64, row: f64| {
            let [longitude, latitude] = projection
                .lon_lat_deg(left + pixel * column, top - pixel * row)
                .expect("a place");
            [latitude, longitude]
        };
        (areas, latitude_longitude)
    }

    #[test]
    fn projected_pixels_agree_with_their_geodesic_quads_wherever_they_lie() {
        // These are at the edge of a UTM zone on the equator, in the middle of one, in Mercator at 58 degrees, conic, over the pole, and in
        // US feet.
        for (epsg, corner, pixel) in [
            (32631, [160_000.0, 12_000.0], 30.0),
            (32644, [500_000.0, 2_900_000.0], 5.8),
            (3395, [1_000_000.0, 7_900_000.0], 60.0),
            (3034, [4_000_000.0, 3_500_000.0], 100.0),
            (3413, [-20_000.0, 25_000.0], 50.0),
            (2263, [980_000.0, 200_000.0], 10.0),
        ] {
            let (areas, at) = projected(epsg, corner, pixel);
            let mut sum = 0.0;
            for (row, column) in [(0, 0), (399, 500), (799, 999), (17, 801)] {
                let (y, x) = (row as f64, column as f64);
                let corners = [at(x, y), at(x + 1.0, y), at(x + 1.0, y + 1.0), at(x, y + 1.0)];
                let expected = geodesic_ha(&corners, 1);
                assert_close(areas.pixel_ha(row, column), expected, 2e-5);
                sum += expected;
            }
            let map_ha = (pixel * if epsg == 2263 { 0.3048 } else { 1.0 }).powi(2) / M2_PER_HA;
            assert!(
                (sum / (4.0 * map_ha) - 1.0).abs() > 1e-6,
                "EPSG:{epsg} is not the plain map area"
            );
        }
    }

    #[test]
    fn pixels_without_a_place_have_the_maps_area() {
        let transform = [10.0, 0.0, 0.0, 0.0, -10.0, 0.0];
        let nowhere = PixelAreas::projected(transform, [50, 70], 1.0, Ellipsoid::WGS84, |_, _| None);
        assert_close(nowhere.pixel_ha(49, 69), 0.01, 1e-12);
        let broken = PixelAreas::projected([0.0; 6], [50, 70], 1.0, Ellipsoid::WGS84, |_, _| Some([0.0; 2]));
        assert_eq!(broken, PixelAreas::Unknown);
    }

    #[test]
    fn without_a_usable_transform_there_is_no_area() {
        assert_eq!(PixelAreas::Unknown.pixel_ha(0, 0), None);
        for broken in [
            [0.0; 6],
            [1.0, 1.0, 0.0, 1.0, 1.0, 0.0],
            [f64::NAN, 0.0, 0.0, 0.0, 1.0, 0.0],
        ] {
            assert_eq!(PixelAreas::new(broken, DEGREES), PixelAreas::Unknown);
        }
        let sphere = Ellipsoid {
            semi_major_axis_m: 1.0,
            inverse_flattening: 0.0,
        };
        assert_eq!(sphere.zone_m2(FRAC_PI_2), 1.0);
    }
}
