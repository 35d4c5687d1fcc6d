//! The outline of a scene as RFC 7946 requires it: cut at 180 degrees and closed along a pole.

use crate::georeference::GeoReference;
use serde::Serialize;

use super::conversion::{Conversion, Longitudes, turn};
use super::cut::{Ring, cut_at_180, round_degrees};

/// Number of positions along each side.
const SIDE_STEPS: u32 = 8;
/// The same, if longitudes change by more than `BENT_DEG` between two of them, beside a pole.
const BENT_SIDE_STEPS: u32 = 64;
const BENT_DEG: f64 = 10.0;
/// Scenes all around the globe, except for the last bits of their coordinates.
const AROUND_DEG: f64 = 360.0 - 1e-6;

/// Where a scene is.
#[derive(Debug, PartialEq)]
pub struct Footprint {
    /// Its outline.
    pub geometry: Geometry,
    /// West, south, east, north; the west is greater than the east if the scene lies across 180 degrees.
    pub bbox: [f64; 4],
}

/// A geometry of closed rings, counterclockwise.
#[derive(Debug, PartialEq, Serialize)]
#[serde(tag = "type", content = "coordinates")]
pub enum Geometry {
    /// One ring.
    Polygon([Ring; 1]),
    /// Several, where the scene lies across 180 degrees.
    MultiPolygon(Vec<[Ring; 1]>),
}

impl Footprint {
    /// `None` if the scene has no place on the globe.
    pub fn of(georeference: Option<&GeoReference>, size: [usize; 2]) -> Option<Self> {
        let conversion = Conversion::of(georeference?, size).ok()?;
        match conversion.longitudes {
            Longitudes::AroundPole { latitude } => around_pole(&conversion, latitude).map(Self::of_ring),
            Longitudes::Wrapped if !conversion.covers_scene() => None,
            _ => Some(Self::of_outline(outline(&conversion, size))),
        }
    }

    /// Footprint of a ring that may continue beyond 180 degrees.
    fn of_outline(mut ring: Ring) -> Self {
        let [west, south, east, north] = bounds(&ring);
        if east - west >= AROUND_DEG {
            return Self::of_ring(rectangle([-180.0, south, 180.0, north]));
        }
        let shift = if west < -180.0 { 360.0 } else { 0.0 };
        if east + shift <= 180.0 {
            return Self::of_ring(ring);
        }
        ring.iter_mut().for_each(|[x, _]| *x = round_degrees(*x + shift));
        let pieces: Vec<Ring> = cut_at_180(&[ring]).into_iter().flatten().collect();
        let bbox = [
            round_degrees(west + shift),
            south,
            round_degrees(east + shift - 360.0),
            north,
        ];
        match <[Ring; 1]>::try_from(pieces) {
            Ok([piece]) => Self::of_ring(piece),
            Err(pieces) => Self {
                geometry: Geometry::MultiPolygon(pieces.into_iter().map(|piece| [piece]).collect()),
                bbox,
            },
        }
    }

    fn of_ring(ring: Ring) -> Self {
        Self {
            bbox: bounds(&ring),
            geometry: Geometry::Polygon([ring]),
        }
    }
}

/// The scene's outline, counterclockwise and closed.
fn outline(conversion: &Conversion, [height, width]: [usize; 2]) -> Ring {
    let (height, width) = (height as f64, width as f64);
    // The ring goes counterclockwise on the screen, from the top left corner down.
    let corners = [[0.0, 0.0], [0.0, height], [width, height], [width, 0.0], [0.0, 0.0]];
    let is_bent = conversion.steepest_deg(height.max(width) / f64::from(SIDE_STEPS)) > BENT_DEG;
    let steps = if is_bent { BENT_SIDE_STEPS } else { SIDE_STEPS };
    let mut places = Vec::new();
    for pair in corners.windows(2) {
        let [[from_x, from_y], [to_x, to_y]] = [pair[0], pair[1]];
        for step in 0..steps {
            let part = f64::from(step) / f64::from(steps);
            places.push([from_x + (to_x - from_x) * part, from_y + (to_y - from_y) * part]);
        }
    }
    if conversion.is_mirrored() {
        places.reverse();
    }
    let count = places.len();
    let mut outline = Vec::with_capacity(count + 2);
    for (index, place) in places.iter().enumerate() {
        let (before, after) = (places[(index + count - 1) % count], places[(index + 1) % count]);
        let (position, other) = conversion.positions(*place, before, after);
        outline.extend(
            [position]
                .into_iter()
                .chain(other)
                .map(|position| position.map(round_degrees)),
        );
    }
    outline.extend(outline.first().copied());
    outline
}

/// The outline of a scene that holds a pole: from 180 degrees to 180 degrees, and along the pole.
fn around_pole(conversion: &Conversion, latitude: f64) -> Option<Ring> {
    let mut line = conversion.boundary()?;
    line.pop();
    let count = line.len();
    let turn_of = |[longitude, _]: [f64; 2]| libm::floor((longitude + 180.0) / 360.0);
    let crossing = (0..count).find(|index| {
        // The last one continues to the first, a turn further.
        let ([longitude, _], [next, _]) = (line[*index], line[(index + 1) % count]);
        turn_of([longitude, 0.0]) != turn_of([turn(next, longitude), 0.0])
    })?;
    let (before, after) = (line[crossing], line[(crossing + 1) % count]);
    // The ring goes eastwards around the north pole, and westwards around the south pole.
    let start = -180.0f64.copysign(latitude);
    let [before_x, after_x] = [turn(before[0], start), turn(after[0], start)];
    let part = if after_x == before_x {
        0.0
    } else {
        (start - before_x) / (after_x - before_x)
    };
    let crossing_latitude = round_degrees(before[1] + (after[1] - before[1]) * part);
    line.rotate_left((crossing + 1) % count);
    let mut ring = vec![[start, crossing_latitude]];
    let mut near = start;
    for [longitude, latitude] in line {
        near = turn(longitude, near);
        ring.push([round_degrees(near.clamp(-180.0, 180.0)), round_degrees(latitude)]);
    }
    ring.extend([
        [-start, crossing_latitude],
        [-start, latitude],
        [start, latitude],
        [start, crossing_latitude],
    ]);
    ring.dedup();
    Some(ring)
}

fn rectangle([west, south, east, north]: [f64; 4]) -> Ring {
    vec![
        [west, north],
        [west, south],
        [east, south],
        [east, north],
        [west, north],
    ]
}

fn bounds(ring: &[[f64; 2]]) -> [f64; 4] {
    let start = [f64::INFINITY, f64::INFINITY, f64::NEG_INFINITY, f64::NEG_INFINITY];
    ring.iter().fold(start, |[west, south, east, north], [x, y]| {
        [west.min(*x), south.min(*y), east.max(*x), north.max(*y)]
    })
}

#[cfg(test)]
mod tests {
    use crate::crs::CrsKind;
    use crate::georeference::Affine;

    use super::super::cut::doubled_area;
    use super::*;

    fn footprint(kind: CrsKind, epsg: u16, [a, e, c, f]: [f64; 4], size: [usize; 2]) -> Footprint {
        let (b, d) = (0.0, 0.0);
        let georeference = GeoReference::from_epsg(kind, epsg, Affine { a, b, c, d, e, f });
        let footprint = Footprint::of(georeference.as_ref(), size).expect("a place");
        let rings: Vec<&Ring> = match &footprint.geometry {
            Geometry::Polygon([ring]) => vec![ring],
            Geometry::MultiPolygon(pieces) => pieces.iter().map(|[ring]| ring).collect(),
        };
        for ring in rings {
            raremap_testing::ring::assert_simple(ring);
            assert!(
                ring.first() == ring.last() && doubled_area(ring) > 0.0,
                "{epsg} {ring:?}"
            );
            for [longitude, latitude] in ring {
                assert!(longitude.abs() <= 180.0 && latitude.abs() <= 90.0, "{epsg} {ring:?}");
            }
        }
        footprint
    }

    fn pieces(footprint: &Footprint) -> usize {
        match &footprint.geometry {
            Geometry::Polygon(_) => 1,
            Geometry::MultiPolygon(pieces) => pieces.len(),
        }
    }

    #[test]
    fn scenes_all_around_the_globe_are_rectangles() {
        let quarter = [0.25, -0.25];
        for (epsg, [a, e], left, top, size, latitudes) in [
            (4326, quarter, -180.0, 90.0, [720, 1440], [-90.0, 90.0]),
            (4326, quarter, 0.0, 90.0, [720, 1440], [-90.0, 90.0]),
            (4326, quarter, -0.125, 90.125, [721, 1440], [-90.0, 90.0]),
            (4326, quarter, -180.125, 60.0, [100, 1441], [35.0, 60.0]),
        ] {
            let footprint = footprint(CrsKind::Geographic, epsg, [a, e, left, top], size);
            let [south, north] = latitudes;
            assert_eq!(footprint.bbox, [-180.0, south, 180.0, north], "{left} {top}");
        }
        let edge = 20_037_508.342_789_244;
        let pixel = edge / 200.0;
        let world = footprint(CrsKind::Projected, 3857, [pixel, -pixel, -edge, edge], [400, 400]);
        assert_eq!((world.bbox[0], world.bbox[2], pieces(&world)), (-180.0, 180.0, 1));
    }

    #[test]
    fn scenes_across_180_degrees_are_cut_there() {
        for (left, bbox) in [
            (179.94, [179.94, -16.59, -179.94, -16.5]),
            (-180.06, [179.94, -16.59, -179.94, -16.5]),
            (539.94, [179.94, -16.59, -179.94, -16.5]),
        ] {
            let footprint = footprint(CrsKind::Geographic, 4326, [3e-4, -3e-4, left, -16.5], [300, 400]);
            assert_eq!((footprint.bbox, pieces(&footprint)), (bbox, 2), "{left}");
        }
        // Beside the line, on either side, there is nothing to cut.
        for (left, west) in [(179.88, 179.88), (180.0, -180.0), (-180.0, -180.0)] {
            let footprint = footprint(CrsKind::Geographic, 4326, [3e-4, -3e-4, left, -16.5], [300, 400]);
            assert_eq!((footprint.bbox[0], pieces(&footprint)), (west, 1), "{left}");
        }
        let utm = footprint(
            CrsKind::Projected,
            32601,
            [30.0, -30.0, 300_000.0, 7_215_000.0],
            [3000, 4000],
        );
        assert_eq!(pieces(&utm), 2);
        assert!(utm.bbox[0] > 176.0 && utm.bbox[2] < -176.0, "{:?}", utm.bbox);
        // The line crosses pixels and a corner diagonally here.
        let polar = footprint(
            CrsKind::Projected,
            3413,
            [30.0, -30.0, -609_000.0, 606_000.0],
            [200, 200],
        );
        assert_eq!(pieces(&polar), 2);
    }

    #[test]
    fn scenes_around_a_pole_are_closed_along_it() {
        for (epsg, transform, size, is_north) in [
            (3413, [30.0, -30.0, -6000.0, 4500.0], [300, 400], true),
            (3413, [30.0, -30.0, -30.0, 4500.0], [300, 400], true),
            (3413, [30.0, -30.0, -6000.0, 6000.0], [400, 400], true),
            (3413, [30.0, 30.0, -6000.0, -4500.0], [300, 400], true),
            (3031, [30.0, -30.0, -6000.0, 4500.0], [300, 400], false),
            (3031, [-30.0, -30.0, 6000.0, 4500.0], [300, 400], false),
            (6931, [25_000.0, -25_000.0, -9e6, 9e6], [720, 720], true),
        ] {
            let footprint = footprint(CrsKind::Projected, epsg, transform, size);
            let [west, south, east, north] = footprint.bbox;
            assert_eq!((west, east, pieces(&footprint)), (-180.0, 180.0, 1), "{epsg}");
            let (pole, other) = if is_north { (north, south) } else { (-south, -north) };
            assert!(pole == 90.0 && other < 90.0, "{epsg} {:?}", footprint.bbox);
        }
    }
}
