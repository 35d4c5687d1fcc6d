//! Georeferencing of rasters: the coordinate reference system that the GeoTIFF keys name, longitude and latitude of pixels, their size on
//! the ground, and the footprint.
//!
//! Everything here is arithmetic: no file is read. Functions of angles are those of `libm`, which give the same bits natively and in wasm.
//!
//! ```
//! use raremap_geo::{Affine, CrsKind, GeoReference, Projection};
//!
//! // Ten-metre pixels in UTM zone 30 north.
//! let transform = Affine { a: 10.0, b: 0.0, c: 500_000.0, d: 0.0, e: -10.0, f: 4_650_000.0 };
//! let place = GeoReference::from_epsg(CrsKind::Projected, 32630, transform).expect("a known kind");
//! let [longitude, latitude] = Projection::of(&place)?.lon_lat_deg(500_000.0, 4_650_000.0).expect("in the zone");
//! assert!((longitude + 3.0).abs() < 1e-9 && (latitude - 42.0).abs() < 0.1);
//! # Ok::<(), raremap_geo::GeoError>(())
//! ```

mod areas;
mod crs;
mod describe;
mod epsg;
mod error;
mod georeference;
mod lon_lat;
mod projection;
mod wkt;

pub use areas::{Ellipsoid, Ground, M2_PER_HA, PixelAreas, pixel_areas};
pub use crs::{Crs, CrsKind};
pub use epsg::projected_unit_m;
pub use error::GeoError;
pub use georeference::{Affine, GeoReference, GeoTags};
pub use lon_lat::{Conversion, DEGREE_DIGITS, Footprint, Geometry, Longitudes, Ring, cut_at_180, round_degrees};
pub use projection::Projection;
pub use wkt::{geo_keys, is_known};
