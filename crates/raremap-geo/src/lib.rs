#![doc = include_str!("../README.md")]

mod areas;
mod crs;
mod describe;
mod epsg;
mod error;
mod georeference;
mod lon_lat;
mod projection;
mod wkt;

pub use areas::{Ellipsoid, Ground, M2_PER_HA, PixelAreas, pixel_areas, pixel_metres};
pub use crs::{Crs, CrsKind};
pub use epsg::projected_unit_m;
pub use error::GeoError;
pub use georeference::{Affine, GeoReference, GeoTags};
pub use lon_lat::{Conversion, DEGREE_DIGITS, Footprint, Geometry, Longitudes, Ring, cut_at_180, round_degrees};
pub use projection::Projection;
pub use wkt::{geo_keys, is_known};
