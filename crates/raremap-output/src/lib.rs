//! Turns a finished run into files, each of them a stream of bytes.
//!
//! The command line and the page call the same function, [`Results::make`], so that files are equal byte for byte if the logits are. Every
//! file is made in one or two passes over the rows of the scene, from the top, and kept in a [`raremap_io::Scratch`] until it is read: memory
//! holds a few rows. Nothing in a file depends on a clock, a random number or the order of a hash table.

mod areas;
mod error;
mod file;
mod kind;
mod layer;
mod make;
mod name;
mod options;
mod place;
mod polygons;
mod raster;
mod regions;
mod results;
mod review;
mod stac;

pub use error::OutputError;
pub use file::OutputFile;
pub use kind::OutputKind;
pub use layer::{Layer, Values, scale_color};
pub use name::SceneName;
pub use options::{OutputOptions, PolygonsCrs, ProbabilitySamples};
pub use results::Results;
