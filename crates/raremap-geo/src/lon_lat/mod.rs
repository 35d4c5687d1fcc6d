//! A scene in longitude and latitude: its outline, and the place of each of its pixels.

mod conversion;
mod cut;
mod footprint;

pub use conversion::{Conversion, Longitudes};
pub use cut::{DEGREE_DIGITS, Ring, cut_at_180, round_degrees};
pub use footprint::{Footprint, Geometry};
