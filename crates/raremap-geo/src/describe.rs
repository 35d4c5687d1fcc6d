//! Describes a scene's grid in words, for people.

use crate::crs::{Crs, CrsKind};
use crate::georeference::{Affine, GeoReference};

/// Pixels count as square up to this difference of their sides.
const SQUARE: f64 = 0.005;

impl Crs {
    /// Its code and its name, as far as they are known: `EPSG:32645, WGS 84 / UTM zone 45N`.
    pub fn describe(&self) -> String {
        match (self.epsg, &self.name) {
            (Some(epsg), Some(name)) => format!("EPSG:{epsg}, {name}"),
            (Some(epsg), None) => format!("EPSG:{epsg}"),
            (None, Some(name)) => name.clone(),
            (None, None) => "not named".into(),
        }
    }
}

impl GeoReference {
    /// The size of a pixel: in metres on a projected grid; on a geographic grid in degrees, with the metres that they are in the middle of
    /// a scene of `[height, width]` pixels.
    pub fn describe_pixel(&self, [height, width]: [u32; 2]) -> String {
        let Affine { a, b, d, e, .. } = self.model_from_pixel;
        let (across, down) = (a.hypot(d), b.hypot(e));
        let crs = &self.crs;
        match crs.kind {
            CrsKind::Projected => {
                let unit_m = crs.linear_unit_m.unwrap_or(1.0);
                size_text(across * unit_m, down * unit_m, "m")
            }
            CrsKind::Geographic => {
                let middle = (0.5 * f64::from(width), 0.5 * f64::from(height));
                let (_, latitude) = self.model_from_pixel.apply(middle.0, middle.1);
                let radians = crs.angular_unit_rad.unwrap_or(1f64.to_radians());
                let unit_m = crs.semi_major_axis_m * radians;
                let metres = size_text(across * unit_m * (latitude * radians).cos(), down * unit_m, "m");
                format!("{}, about {metres}", size_text(across, down, "degrees"))
            }
            CrsKind::Geocentric | CrsKind::Unknown => size_text(across, down, "map units"),
        }
    }
}

/// One number for a square pixel, otherwise two.
fn size_text(across: f64, down: f64, unit: &str) -> String {
    if (across - down).abs() < SQUARE * across.max(down) {
        format!("{} {unit}", short(across))
    } else {
        format!("{} x {} {unit}", short(across), short(down))
    }
}

/// Three significant digits, without trailing zeros.
fn short(value: f64) -> String {
    let digits = if value > 0.0 {
        (2 - value.log10().floor() as i32).clamp(0, 12) as usize
    } else {
        0
    };
    let text = format!("{value:.digits$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A grid of square or other pixels, not rotated, that begins at 0 degrees or metres east.
    fn grid(kind: CrsKind, epsg: u16, [across, down]: [f64; 2], top: f64) -> GeoReference {
        let model_from_pixel = Affine {
            a: across,
            b: 0.0,
            c: 0.0,
            d: 0.0,
            e: -down,
            f: top,
        };
        GeoReference::from_epsg(kind, epsg, model_from_pixel).expect("a transform")
    }

    #[test]
    fn square_pixels_have_one_size_and_others_two() {
        let text = |pixel| grid(CrsKind::Projected, 32645, pixel, 4_200_000.0).describe_pixel([100, 100]);
        assert_eq!(text([10.0, 10.0]), "10 m");
        assert_eq!(text([5.8, 5.8001]), "5.8 m");
        assert_eq!(text([10.0, 20.0]), "10 x 20 m");
        assert_eq!(text([1234.5, 1234.5]), "1234 m");
    }

    #[test]
    fn a_turned_grid_has_the_length_of_its_pixels_sides() {
        let mut turned = grid(CrsKind::Projected, 32645, [10.0, 10.0], 0.0);
        turned.model_from_pixel = Affine {
            a: 3.0,
            b: 4.0,
            d: 4.0,
            e: -3.0,
            ..turned.model_from_pixel
        };
        assert_eq!(turned.describe_pixel([10, 10]), "5 m");
    }

    #[test]
    fn other_units_become_metres() {
        let mut feet = grid(CrsKind::Projected, 32645, [10.0, 10.0], 0.0);
        feet.crs.linear_unit_m = Some(0.3048);
        assert_eq!(feet.describe_pixel([10, 10]), "3.05 m");
    }

    #[test]
    fn degrees_come_with_their_metres_in_the_middle_of_the_scene() {
        // 0.001 degrees are 111 m along a meridian, and half of that along the parallel at 60 degrees.
        let geographic = grid(CrsKind::Geographic, 4326, [0.001, 0.001], 60.05);
        assert_eq!(
            geographic.describe_pixel([100, 300]),
            "0.001 degrees, about 55.7 x 111 m"
        );
    }

    #[test]
    fn a_crs_is_described_by_what_is_known_of_it() {
        let text = |epsg, name: Option<&str>| {
            let mut crs = grid(CrsKind::Projected, 32645, [1.0, 1.0], 0.0).crs;
            (crs.epsg, crs.name) = (epsg, name.map(str::to_owned));
            crs.describe()
        };
        assert_eq!(text(Some(32645), Some("UTM zone 45N")), "EPSG:32645, UTM zone 45N");
        assert_eq!(text(Some(32645), None), "EPSG:32645");
        assert_eq!(text(None, Some("Local grid")), "Local grid");
        assert_eq!(text(None, None), "not named");
    }
}
