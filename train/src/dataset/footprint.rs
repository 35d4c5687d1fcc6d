//! Finds out where an image lies on the map.

use super::config::{DatasetConfig, Format};
use super::tiff;
use crate::error::Result;

/// The rectangle that an image, or a window of one, covers: on the map if the file says where, otherwise in pixels of its scene.
#[derive(Debug, Clone, PartialEq)]
pub struct Footprint {
    /// The coordinate system, or the scene.
    pub space: String,
    /// Smallest x and y.
    pub near: [f64; 2],
    /// Largest x and y.
    pub far: [f64; 2],
    /// Units per pixel.
    pub pixel: f64,
}

impl Footprint {
    /// Share of the smaller footprint that both cover, 0 to 1; it is 0 in different spaces.
    pub fn overlap(&self, other: &Self) -> f64 {
        if self.space != other.space {
            return 0.0;
        }
        let side = |axis: usize| (self.far[axis].min(other.far[axis]) - self.near[axis].max(other.near[axis])).max(0.0);
        let area = |a: &Self| (a.far[0] - a.near[0]) * (a.far[1] - a.near[1]);
        side(0) * side(1) / area(self).min(area(other)).max(f64::MIN_POSITIVE)
    }
}

impl DatasetConfig {
    /// Where an image lies: the bounding rectangle if it is rotated, `None` if nothing says where.
    ///
    /// # Errors
    /// If the image's file cannot be read.
    pub fn footprint(&self, image: &str) -> Result<Option<Footprint>> {
        if self.format != Format::Geotiff {
            return Ok(None);
        }
        let (scene, corner) = self.scene_of(image);
        let file = tiff::open(&self.image_path(scene))?;
        let info = file.info();
        let [row, column] = corner.unwrap_or([0, 0]);
        let end = |from: u32, size: u32| match (corner, self.window_px) {
            (Some(_), Some(edge)) => from.saturating_add(edge).min(size),
            _ => size,
        };
        let (bottom, right) = (end(row, info.height), end(column, info.width));
        let [row, column, bottom, right] = [row, column, bottom, right].map(f64::from);
        let Some(georeference) = &info.georeference else {
            return Ok(corner.map(|_| Footprint {
                space: scene.to_owned(),
                near: [column, row],
                far: [right, bottom],
                pixel: 1.0,
            }));
        };
        let affine = georeference.model_from_pixel;
        let corners = [(column, row), (right, row), (column, bottom), (right, bottom)].map(|(x, y)| affine.apply(x, y));
        let bound = |fold: fn(f64, f64) -> f64, start: f64| {
            corners
                .iter()
                .fold([start; 2], |[x, y], corner| [fold(x, corner.0), fold(y, corner.1)])
        };
        let crs = &georeference.crs;
        Ok(Some(Footprint {
            space: crs.epsg.map_or_else(
                || crs.name.clone().unwrap_or_else(|| "map".to_owned()),
                |epsg| format!("EPSG:{epsg}"),
            ),
            near: bound(f64::min, f64::INFINITY),
            far: bound(f64::max, f64::NEG_INFINITY),
            pixel: affine.a.hypot(affine.d),
        }))
    }
}
