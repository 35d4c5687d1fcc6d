//! Turns corners of pixels into the coordinates of a GeoJSON file.

mod crs_member;

use std::fmt::Write;

use raremap_geo::{Affine, Conversion, DEGREE_DIGITS, GeoReference, Longitudes, Ring, cut_at_180, round_degrees};

use crate::options::PolygonsCrs;
use crs_member::crs_member;

/// Longer edges get corners at multiples of this: a straight line of a projected map is not straight in longitude and latitude, and would
/// leave its place by 30 pixels along the edge of a whole scene.
const DENSE_PX: u32 = 256;

/// Coordinates of a file.
pub(crate) struct OutputCoordinates {
    domain: Domain,
    /// The `crs` member, as JSON; `None` where RFC 7946 is enough.
    crs: Option<String>,
    /// Why coordinates are not the requested ones.
    pub(crate) notice: Option<String>,
}

/// What coordinates are.
enum Domain {
    /// Longitude and latitude.
    LonLat(Conversion),
    /// Those of the scene's own system.
    Scene(Affine),
    /// Columns to the right, rows down, because there is no georeference.
    Pixels,
}

impl OutputCoordinates {
    pub(crate) fn new(georeference: Option<&GeoReference>, size: [usize; 2], wanted: PolygonsCrs) -> Self {
        let Some(georeference) = georeference else {
            let notice = "the scene is not georeferenced, so coordinates are columns and rows of pixels";
            return Self {
                domain: Domain::Pixels,
                crs: Some(crs_member(None)),
                notice: Some(notice.into()),
            };
        };
        let own = |notice| Self {
            domain: Domain::Scene(georeference.model_from_pixel),
            crs: Some(crs_member(Some(georeference))),
            notice,
        };
        if wanted == PolygonsCrs::Scene {
            return own(None);
        }
        let reason = match Conversion::of(georeference, size) {
            Ok(conversion) if matches!(conversion.longitudes, Longitudes::AroundPole { .. }) => {
                "the scene holds a pole, where outlines cannot be drawn in longitude and latitude".into()
            }
            Ok(conversion) if !conversion.covers_scene() => {
                "the scene reaches over a pole, or beyond the domain of its coordinate system".into()
            }
            Ok(conversion) => {
                return Self {
                    domain: Domain::LonLat(conversion),
                    crs: None,
                    notice: None,
                };
            }
            Err(error) => error.to_string(),
        };
        own(Some(format!("{reason}, so coordinates are the scene's own")))
    }

    /// The start of a FeatureCollection, up to its features.
    pub(crate) fn head(&self, name: &str, facts: &[(String, String)]) -> String {
        let mut head = format!("{{\n\"type\": \"FeatureCollection\",\n\"name\": {},\n", quoted(name));
        if let Some(crs) = &self.crs {
            head.push_str(&format!("\"crs\": {crs},\n"));
        }
        let facts: Vec<String> = facts
            .iter()
            .map(|(name, value)| format!("{}: {}", quoted(name), quoted(value)))
            .collect();
        head.push_str(&format!("\"metadata\": {{{}}},\n\"features\": [", facts.join(", ")));
        head
    }

    /// Whether coordinates are longitude and latitude.
    pub(crate) fn is_lon_lat(&self) -> bool {
        matches!(self.domain, Domain::LonLat(_))
    }

    /// Whether a ring that is counterclockwise on the screen is clockwise in these coordinates.
    fn is_mirrored(&self) -> bool {
        match &self.domain {
            Domain::LonLat(conversion) => conversion.is_mirrored(),
            Domain::Scene(Affine { a, b, d, e, .. }) => a * e - b * d > 0.0,
            Domain::Pixels => true,
        }
    }

    /// Coordinates of a place in pixels.
    pub(crate) fn coordinates(&self, column: f64, row: f64) -> [f64; 2] {
        match &self.domain {
            Domain::LonLat(conversion) => conversion.coordinates(column, row),
            Domain::Scene(model_from_pixel) => model_from_pixel.apply(column, row).into(),
            Domain::Pixels => [column, row],
        }
    }

    /// Writes a position; longitudes are within ±180.
    pub(crate) fn write(&self, text: &mut String, column: f64, row: f64) {
        let [x, y] = self.coordinates(column, row);
        let x = if self.is_lon_lat() { x + shift_of(x) } else { x };
        self.write_position(text, [x, y]);
    }

    /// West, south, east and north as in RFC 7946 (5.2): within ±180; the west is greater than the east if 180 degrees lies between them.
    pub(crate) fn written_bounds(&self, [west, south, east, north]: [f64; 4]) -> [f64; 4] {
        if !self.is_lon_lat() {
            return [west, south, east, north];
        }
        if east - west >= 360.0 {
            return [-180.0, south, 180.0, north];
        }
        let west = west + shift_of(west);
        // A rectangle whose east is 180 degrees ends there, not at -180.
        let east = match round_degrees(east + shift_of(east)) {
            -180.0 => 180.0,
            east => east,
        };
        [west, south, east, north]
    }

    /// What is added to the longitudes of a region, by its outer ring, so that they are within ±180; `None` where it lies across 180
    /// degrees and must be cut.
    pub(crate) fn shift_within(&self, exterior: &Ring) -> Option<f64> {
        if !self.is_lon_lat() {
            return Some(0.0);
        }
        let shift = shift_of(westernmost(exterior));
        let is_within = |[x, _]: &[f64; 2]| round_degrees(x + shift) <= 180.0;
        exterior.iter().all(is_within).then_some(shift)
    }

    /// A region's rings, the outer one first, as polygons within ±180 degrees.
    pub(crate) fn cut_rings(&self, mut rings: Vec<Ring>) -> Vec<Vec<Ring>> {
        let shift = rings.first().map_or(0.0, |exterior| shift_of(westernmost(exterior)));
        for ring in &mut rings {
            ring.iter_mut()
                .for_each(|position| *position = [round_degrees(position[0] + shift), round_degrees(position[1])]);
            ring.dedup();
        }
        cut_at_180(&rings)
    }

    fn write_position(&self, text: &mut String, [x, y]: [f64; 2]) {
        text.push('[');
        self.write_number(text, x);
        text.push(',');
        self.write_number(text, y);
        text.push(']');
    }

    pub(crate) fn write_number(&self, text: &mut String, value: f64) {
        if self.is_lon_lat() {
            write_decimals(text, value, DEGREE_DIGITS);
        } else {
            // Writing to a string does not fail.
            let _ = write!(text, "{value}");
        }
    }

    /// Writes a ring of [`OutputCoordinates::ring`], longitudes shifted.
    pub(crate) fn write_ring(&self, text: &mut String, ring: &[[f64; 2]], shift: f64) {
        text.push('[');
        for (index, [x, y]) in ring.iter().enumerate() {
            if index > 0 {
                text.push(',');
            }
            self.write_position(text, [x + shift, *y]);
        }
        text.push(']');
    }

    /// The positions of a closed ring, in the order that RFC 7946 requires: outer ones counterclockwise, holes clockwise.
    pub(crate) fn ring(&self, ring: &[[u32; 2]]) -> Ring {
        let count = ring.len();
        let at = |index: usize| {
            let index = index % count.max(1);
            let index = if self.is_mirrored() {
                (count - index) % count.max(1)
            } else {
                index
            };
            ring.get(index).copied().unwrap_or_default()
        };
        let mut positions = Ring::new();
        let mut put = |position: [f64; 2]| positions.push(position);
        for index in 0..count {
            let (before, from, to) = (at(index + count - 1), at(index), at(index + 1));
            self.vertex(from, before, to, &mut put);
            if self.is_lon_lat() {
                let mut last = from;
                between(from, to, |corner| {
                    self.bend(last, corner, &mut put);
                    self.vertex(corner, from, to, &mut put);
                    last = corner;
                });
                self.bend(last, to, &mut put);
            }
        }
        positions.extend(positions.first().copied());
        positions
    }

    /// Adds corners between two of one row or column if the edge is bent; they are the same from both sides of it.
    fn bend(&self, from: [u32; 2], to: [u32; 2], put: &mut impl FnMut([f64; 2])) {
        let Domain::LonLat(conversion) = &self.domain else {
            return;
        };
        let middle = [from[0].midpoint(to[0]), from[1].midpoint(to[1])];
        if middle != from && middle != to && conversion.is_bent(from.map(f64::from), to.map(f64::from)) {
            self.bend(from, middle, put);
            self.vertex(middle, from, to, put);
            self.bend(middle, to, put);
        }
    }

    /// Returns the positions of a corner of a ring: a pole has two in longitude and latitude.
    fn vertex(&self, corner: [u32; 2], from: [u32; 2], to: [u32; 2], put: &mut impl FnMut([f64; 2])) {
        let [corner, from, to] = [corner, from, to].map(|corner| corner.map(f64::from));
        match &self.domain {
            Domain::LonLat(conversion) => {
                let (position, other) = conversion.positions(corner, from, to);
                put(position);
                other.into_iter().for_each(put);
            }
            Domain::Scene(_) | Domain::Pixels => put(self.coordinates(corner[0], corner[1])),
        }
    }
}

/// The whole turns that bring a longitude to -180 or more, and below 180.
fn shift_of(longitude: f64) -> f64 {
    -360.0 * libm::floor((round_degrees(longitude) + 180.0) / 360.0)
}

fn westernmost(ring: &Ring) -> f64 {
    ring.iter().fold(f64::INFINITY, |west, [x, _]| west.min(*x))
}

/// Corners at multiples of [`DENSE_PX`] between two of one row or column; they are the same from both sides of an edge.
fn between([x, y]: [u32; 2], [to_x, to_y]: [u32; 2], mut put: impl FnMut([u32; 2])) {
    let steps = |from: u32, to: u32| {
        let (low, high) = (from.min(to), from.max(to));
        let inside = (low / DENSE_PX + 1..)
            .map(|index| index.saturating_mul(DENSE_PX))
            .take_while(move |at| *at < high);
        let mut inside: Vec<u32> = inside.collect();
        if to < from {
            inside.reverse();
        }
        inside
    };
    if y == to_y {
        steps(x, to_x).into_iter().for_each(|x| put([x, y]));
    } else {
        steps(y, to_y).into_iter().for_each(|y| put([x, y]));
    }
}

/// Writes a number with at most `digits` decimals, and without zeros at its end.
pub(crate) fn write_decimals(text: &mut String, value: f64, digits: usize) {
    let start = text.len();
    // Writing to a string does not fail.
    let _ = write!(text, "{value:.digits$}");
    if digits > 0 {
        let kept = text.trim_end_matches('0').trim_end_matches('.').len();
        text.truncate(kept.max(start + 1));
    }
    if text.get(start..) == Some("-0") {
        text.truncate(start);
        text.push('0');
    }
}

/// A string of JSON.
pub(crate) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_no_zeros_behind_them() {
        let spelled = |value, digits| {
            let mut text = String::new();
            write_decimals(&mut text, value, digits);
            text
        };
        assert_eq!(
            [0.0, -0.000_000_001, 10.0, -77.5, 100.123_456_789].map(|value| spelled(value, 8)),
            ["0", "0", "10", "-77.5", "100.12345679"]
        );
        assert_eq!((spelled(10.4, 0), spelled(0.05, 1)), ("10".into(), "0.1".into()));
    }

    #[test]
    fn both_sides_of_a_long_edge_have_the_same_corners() {
        let list = |from, to| {
            let mut found = Vec::new();
            between(from, to, |corner| found.push(corner));
            found
        };
        assert_eq!(list([10, 3], [800, 3]), [[256, 3], [512, 3], [768, 3]]);
        let mut back = list([800, 3], [10, 3]);
        back.reverse();
        assert_eq!(back, list([10, 3], [800, 3]));
        assert_eq!(list([5, 256], [5, 512]), [[0; 2]; 0]);
    }
}

#[cfg(test)]
mod rings;
