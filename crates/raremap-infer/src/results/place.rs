//! From corners of pixels to the coordinates that a GeoJSON file has.

use std::fmt::Write;

use raremap_raster::{Affine, GeoReference, Projection};

use super::PolygonsCrs;

/// Digits behind the point of a degree: a millimetre.
const DEGREE_DIGITS: usize = 8;
/// Corners of longer edges are put at multiples of this: a straight line of a projected map is none of longitude and latitude, and
/// would leave its place by 30 pixels along the edge of a whole scene.
const DENSE_PX: u32 = 256;

/// Coordinates of a file.
pub(super) struct Place {
    model_from_pixel: Affine,
    /// To longitude and latitude; `None` where the scene's own coordinates are written.
    projection: Option<Projection>,
    /// Longitudes are written within half a turn of this one, so that no outline is torn at 180 degrees.
    middle_longitude: f64,
    /// The `crs` member, as JSON; `None` where RFC 7946 says it all.
    crs: Option<String>,
    /// Why coordinates are not those asked for.
    pub(super) notice: Option<String>,
}

/// Where there is no georeference: columns to the right, rows down.
const PIXELS: Affine = Affine {
    a: 1.0,
    b: 0.0,
    c: 0.0,
    d: 0.0,
    e: 1.0,
    f: 0.0,
};

impl Place {
    pub(super) fn new(georeference: Option<&GeoReference>, [height, width]: [usize; 2], wanted: PolygonsCrs) -> Self {
        let own = |georeference: Option<&GeoReference>, notice| Self {
            model_from_pixel: georeference.map_or(PIXELS, |georeference| georeference.model_from_pixel),
            projection: None,
            middle_longitude: 0.0,
            crs: Some(crs_member(georeference)),
            notice,
        };
        let Some(georeference) = georeference else {
            let notice = "the scene is not georeferenced: coordinates are columns and rows of pixels";
            return own(None, Some(notice.into()));
        };
        if wanted == PolygonsCrs::Scene {
            return own(Some(georeference), None);
        }
        let projection = match Projection::of(georeference) {
            Ok(projection) => projection,
            Err(error) => {
                let notice = format!("{error}: coordinates are the scene's own");
                return own(Some(georeference), Some(notice));
            }
        };
        let (x, y) = georeference
            .model_from_pixel
            .apply(width as f64 / 2.0, height as f64 / 2.0);
        let Some([middle_longitude, _]) = projection.lon_lat_deg(x, y) else {
            let notice = "the scene's middle has no longitude and latitude: coordinates are the scene's own";
            return own(Some(georeference), Some(notice.into()));
        };
        Self {
            model_from_pixel: georeference.model_from_pixel,
            projection: Some(projection),
            middle_longitude: turn(middle_longitude, 0.0),
            crs: None,
            notice: None,
        }
    }

    /// The start of a FeatureCollection, up to its features.
    pub(super) fn head(&self, name: &str, facts: &[(String, String)]) -> String {
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
    pub(super) fn is_lon_lat(&self) -> bool {
        self.projection.is_some()
    }

    /// Whether a ring that is counterclockwise on the screen is clockwise in these coordinates.
    pub(super) fn is_mirrored(&self) -> bool {
        let Affine { a, b, d, e, .. } = self.model_from_pixel;
        a * e - b * d > 0.0
    }

    /// Coordinates of a place in pixels. Where the formulas have none, far outside a projection's domain, it is the nearest pole or the
    /// middle's meridian: such scenes do not occur, and the file stays sound.
    pub(super) fn coordinates(&self, column: f64, row: f64) -> [f64; 2] {
        let (x, y) = self.model_from_pixel.apply(column, row);
        match &self.projection {
            None => [x, y],
            Some(projection) => {
                let found = projection.lon_lat_deg(x, y);
                let [longitude, latitude] = found.unwrap_or([self.middle_longitude, 90.0f64.copysign(y)]);
                [turn(longitude, self.middle_longitude), latitude]
            }
        }
    }

    /// Writes a position.
    pub(super) fn write(&self, text: &mut String, column: f64, row: f64) {
        let [x, y] = self.coordinates(column, row);
        text.push('[');
        self.write_number(text, x);
        text.push(',');
        self.write_number(text, y);
        text.push(']');
    }

    pub(super) fn write_number(&self, text: &mut String, value: f64) {
        if self.is_lon_lat() {
            write_decimals(text, value, DEGREE_DIGITS);
        } else {
            // Writing to a string does not fail.
            let _ = write!(text, "{value}");
        }
    }

    /// Writes a closed ring, in the order that RFC 7946 asks for: outer ones counterclockwise, holes clockwise.
    pub(super) fn write_ring(&self, text: &mut String, ring: &[[u32; 2]]) {
        text.push('[');
        let mut first = true;
        let mut put = |text: &mut String, [column, row]: [u32; 2]| {
            if !std::mem::take(&mut first) {
                text.push(',');
            }
            self.write(text, f64::from(column), f64::from(row));
        };
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
        for index in 0..count {
            let (from, to) = (at(index), at(index + 1));
            put(text, from);
            if self.is_lon_lat() {
                between(from, to, |corner| put(text, corner));
            }
        }
        put(text, at(0));
        text.push(']');
    }
}

/// Corners at multiples of [`DENSE_PX`] between two of one row or column: the same ones from both sides of an edge.
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

/// The same longitude within half a turn of another.
fn turn(longitude: f64, near: f64) -> f64 {
    longitude - 360.0 * libm::round((longitude - near) / 360.0)
}

/// The member of GeoJSON before RFC 7946; null where the system has no code: readers are then not to assume one.
fn crs_member(georeference: Option<&GeoReference>) -> String {
    match georeference.and_then(|georeference| georeference.crs.epsg) {
        Some(code) => {
            format!("{{\"type\": \"name\", \"properties\": {{\"name\": \"urn:ogc:def:crs:EPSG::{code}\"}}}}")
        }
        None => "null".into(),
    }
}

/// Writes a number with at most `digits` behind the point, and no zeros at its end.
pub(super) fn write_decimals(text: &mut String, value: f64, digits: usize) {
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
pub(super) fn quoted(text: &str) -> String {
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

    #[test]
    fn longitudes_do_not_jump_at_the_date_line() {
        assert_eq!(
            (turn(-179.5, 179.0), turn(190.0, 0.0), turn(10.0, 10.0)),
            (180.5, -170.0, 10.0)
        );
    }
}
