//! A scene in longitude and latitude: its outline, and the place of each of its pixels.

mod conversion;
mod footprint;

pub use conversion::{Conversion, Longitudes};
pub use footprint::{Footprint, Geometry};
