//! Where the image is: the affine transform from pixels to map coordinates, the coordinate reference system, and the tags that state both,
//! which are kept to be written again.

use serde::Serialize;

use crate::crs::{Crs, CrsKind, GeoKeys};
use crate::epsg::projected_unit_m;

/// An affine map from pixels (corner based: the centre of the first pixel is 0.5, 0.5) to map coordinates: `x = a * column + b * row + c`,
/// `y = d * column + e * row + f`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the coefficients are explained together, above")]
pub struct Affine {
    pub a: f64,
    pub b: f64,
    pub c: f64,
    pub d: f64,
    pub e: f64,
    pub f: f64,
}

impl Affine {
    /// Map coordinates of a pixel position.
    pub fn apply(&self, column: f64, row: f64) -> (f64, f64) {
        (
            self.a * column + self.b * row + self.c,
            self.d * column + self.e * row + self.f,
        )
    }
}

/// The tags of a georeference, verbatim: what was read is written again.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GeoTags {
    /// ModelPixelScale (33550).
    pub pixel_scale: Vec<f64>,
    /// ModelTiepoint (33922).
    pub tie_points: Vec<f64>,
    /// ModelTransformation (34264).
    pub transformation: Vec<f64>,
    /// GeoKeyDirectory (34735).
    pub key_directory: Vec<u16>,
    /// GeoDoubleParams (34736).
    pub double_params: Vec<f64>,
    /// GeoAsciiParams (34737), without the closing NUL.
    pub ascii_params: Vec<u8>,
}

impl GeoTags {
    fn keys(&self) -> GeoKeys<'_> {
        GeoKeys {
            directory: &self.key_directory,
            doubles: &self.double_params,
            ascii: &self.ascii_params,
        }
    }

    /// The coordinate reference system, if there is a key directory; files without a transform can have one.
    pub fn crs(&self) -> Option<Crs> {
        self.keys().is_present().then(|| self.keys().crs())
    }

    /// Whether the file's own transform refers to pixel centres.
    pub fn pixel_is_point(&self) -> bool {
        self.keys().pixel_is_point()
    }

    /// Ground control points: the tie points of a file that has no transform.
    pub fn gcp_count(&self) -> usize {
        if stored_transform(self).is_some() {
            return 0;
        }
        self.tie_points.len() / 6
    }
}

/// Where the image is.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct GeoReference {
    /// From pixel corners to map coordinates, whatever the file's own convention is.
    pub model_from_pixel: Affine,
    /// The coordinate reference system.
    pub crs: Crs,
    /// The tags that it was read from.
    #[serde(skip)]
    pub tags: GeoTags,
}

impl GeoReference {
    /// Builds a georeference from the tags of a file; `None` if they give no transform. Ground control points alone (tie points without a
    /// scale) give none.
    pub fn from_tags(tags: GeoTags) -> Option<Self> {
        let stored = stored_transform(&tags)?;
        let keys = tags.keys();
        // A scale without a tie point stays as it is, as in GDAL.
        let is_tied = tags.tie_points.len() >= 6 || !has_scale(&tags);
        let half = if keys.pixel_is_point() && is_tied { 0.5 } else { 0.0 };
        let (c, f) = stored.apply(-half, -half);
        let model_from_pixel = Affine { c, f, ..stored };
        let values = [
            model_from_pixel.a,
            model_from_pixel.b,
            c,
            model_from_pixel.d,
            model_from_pixel.e,
            f,
        ];
        if !values.iter().all(|value| value.is_finite()) {
            return None;
        }
        Some(Self {
            model_from_pixel,
            crs: keys.crs(),
            tags,
        })
    }

    /// A georeference of a transform and of the system that the keys of `tags` name.
    pub fn placed(model_from_pixel: Affine, tags: GeoTags) -> Option<Self> {
        let mut tags = tags;
        // A key that says the transform refers to pixel centres would move a transform that refers to corners.
        for entry in tags.key_directory.chunks_exact_mut(4).skip(1) {
            if entry[0] == 1025 {
                entry[3] = 1;
            }
        }
        if tags.key_directory.is_empty() {
            tags.key_directory = vec![1, 1, 0, 1, 1025, 0, 1, 1];
        }
        let Affine { a, b, c, d, e, f } = model_from_pixel;
        (tags.pixel_scale, tags.tie_points, tags.transformation) = Default::default();
        if b == 0.0 && d == 0.0 && a > 0.0 && e < 0.0 {
            tags.pixel_scale = vec![a, -e, 0.0];
            tags.tie_points = vec![0.0, 0.0, 0.0, c, f, 0.0];
        } else {
            tags.transformation = vec![a, b, 0.0, c, d, e, 0.0, f, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0];
        }
        Self::from_tags(tags)
    }

    /// A georeference for an image made here, by EPSG code: a projected system in its own unit, or in metres if the register does not have
    /// the code; a geographic one in degrees.
    pub fn from_epsg(kind: CrsKind, epsg: u16, model_from_pixel: Affine) -> Option<Self> {
        let mut keys: Vec<[u16; 4]> = vec![[1025, 0, 1, 1]];
        match kind {
            CrsKind::Projected => {
                keys.extend([[1024, 0, 1, 1], [3072, 0, 1, epsg]]);
                // Another unit would contradict the code, which brings its own.
                if projected_unit_m(epsg).is_none_or(|unit_m| unit_m == 1.0) {
                    keys.push([3076, 0, 1, 9001]);
                }
            }
            CrsKind::Geographic => keys.extend([[1024, 0, 1, 2], [2048, 0, 1, epsg], [2054, 0, 1, 9102]]),
            CrsKind::Geocentric | CrsKind::Unknown => return None,
        }
        keys.sort_unstable();
        let header = [1, 1, 0, keys.len() as u16];
        let tags = GeoTags {
            key_directory: header.into_iter().chain(keys.into_iter().flatten()).collect(),
            ..GeoTags::default()
        };
        Self::placed(model_from_pixel, tags)
    }

    /// The same coordinate reference system on another grid.
    ///
    /// `None` where the numbers are not finite.
    pub fn with_model_from_pixel(&self, model_from_pixel: Affine) -> Option<Self> {
        let Affine { a, b, d, e, .. } = model_from_pixel;
        let mut tags = self.tags.clone();
        // Tags of a file whose points are pixel centres continue to say so.
        let half = if tags.pixel_is_point() { 0.5 } else { 0.0 };
        let (x, y) = model_from_pixel.apply(half, half);
        tags.pixel_scale.clear();
        tags.tie_points.clear();
        tags.transformation.clear();
        if b == 0.0 && d == 0.0 && a > 0.0 && e < 0.0 {
            tags.pixel_scale = vec![a, -e, 0.0];
            tags.tie_points = vec![0.0, 0.0, 0.0, x, y, 0.0];
        } else {
            tags.transformation = vec![a, b, 0.0, x, d, e, 0.0, y, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0];
        }
        let finite = [a, b, d, e, x, y].iter().all(|value| value.is_finite());
        finite.then(|| Self {
            model_from_pixel,
            crs: self.crs.clone(),
            tags,
        })
    }
}

fn has_scale(tags: &GeoTags) -> bool {
    matches!(tags.pixel_scale[..], [x, y, ..] if x != 0.0 && y != 0.0)
}

/// The transform that the tags give, in GDAL's order of preference: scale and first tie point, then matrix.
fn stored_transform(tags: &GeoTags) -> Option<Affine> {
    if let [scale_x, scale_y, ..] = tags.pixel_scale[..]
        && has_scale(tags)
    {
        // Without a tie point, only the scale counts, from the origin.
        let (column, row, x, y) = match tags.tie_points[..] {
            [column, row, _, x, y, _, ..] => (column, row, x, y),
            _ => (0.0, 0.0, 0.0, 0.0),
        };
        // A negative scale is read as a positive one: rows go down in both cases.
        let (a, e) = (scale_x, -scale_y.abs());
        return Some(Affine {
            a,
            b: 0.0,
            c: x - column * a,
            d: 0.0,
            e,
            f: y - row * e,
        });
    }
    match tags.transformation[..] {
        [a, b, _, c, d, e, _, f, ..] if tags.transformation.len() == 16 => Some(Affine { a, b, c, d, e, f }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NORTH_UP: Affine = Affine {
        a: 30.0,
        b: 0.0,
        c: 500_000.0,
        d: 0.0,
        e: -30.0,
        f: 4_200_000.0,
    };

    #[test]
    fn a_made_georeference_reads_back_as_itself() {
        let made = GeoReference::from_epsg(CrsKind::Projected, 32643, NORTH_UP).expect("a transform");
        assert_eq!(made.model_from_pixel, NORTH_UP);
        assert_eq!((made.crs.epsg, made.crs.linear_unit_m), (Some(32643), Some(1.0)));
        let rotated = Affine {
            b: 5.0,
            d: 4.0,
            ..NORTH_UP
        };
        let made = GeoReference::from_epsg(CrsKind::Geographic, 4326, rotated).expect("a transform");
        assert_eq!((made.model_from_pixel, made.crs.kind), (rotated, CrsKind::Geographic));
    }

    #[test]
    fn pixel_is_point_shifts_by_half_a_pixel() {
        let mut tags = GeoReference::from_epsg(CrsKind::Projected, 32643, NORTH_UP)
            .expect("a transform")
            .tags;
        let raster_type = tags
            .key_directory
            .iter()
            .position(|key| *key == 1025)
            .expect("the raster type key");
        tags.key_directory[raster_type + 3] = 2;
        let point = GeoReference::from_tags(tags).expect("a transform").model_from_pixel;
        assert_eq!((point.c, point.f), (499_985.0, 4_200_015.0));
    }

    #[test]
    fn the_tie_point_need_not_be_the_corner() {
        let tags = GeoTags {
            pixel_scale: vec![2.0, 3.0, 0.0],
            tie_points: vec![10.0, 20.0, 0.0, 100.0, 200.0, 0.0],
            ..GeoTags::default()
        };
        let transform = GeoReference::from_tags(tags).expect("a transform").model_from_pixel;
        assert_eq!((transform.c, transform.f), (80.0, 260.0));
    }

    #[test]
    fn ground_control_points_and_damaged_tags_give_no_transform() {
        let points = GeoTags {
            tie_points: vec![0.0; 24],
            ..GeoTags::default()
        };
        let nan = GeoTags {
            pixel_scale: vec![f64::NAN, 1.0, 0.0],
            tie_points: vec![0.0; 6],
            ..GeoTags::default()
        };
        let short = GeoTags {
            transformation: vec![1.0; 8],
            ..GeoTags::default()
        };
        for tags in [GeoTags::default(), points.clone(), nan, short] {
            assert_eq!(GeoReference::from_tags(tags), None);
        }
        assert_eq!((points.gcp_count(), GeoTags::default().gcp_count()), (4, 0));
    }

    #[test]
    fn a_scale_without_a_tie_point_starts_at_the_origin() {
        let scale = GeoTags {
            pixel_scale: vec![2.0, 3.0, 0.0],
            tie_points: vec![1.0; 4],
            key_directory: vec![1, 1, 0, 1, 1025, 0, 1, 2],
            ..GeoTags::default()
        };
        let transform = GeoReference::from_tags(scale).expect("a transform").model_from_pixel;
        assert_eq!(
            (transform.a, transform.c, transform.e, transform.f),
            (2.0, 0.0, -3.0, 0.0)
        );
    }
}
