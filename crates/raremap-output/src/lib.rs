#![doc = include_str!("../README.md")]

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
pub use options::{ItemCollection, OutputOptions, PolygonsCrs, ProbabilitySamples};
pub use results::Results;
