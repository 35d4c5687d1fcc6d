#![doc = include_str!("../README.md")]

mod error;
mod inspect;
mod model;
mod neighbours;
mod predict;
mod site;

pub use error::FilesError;
pub use inspect::{Inspected, InspectedModel, InspectedScene, inspect};
pub use model::Model;
pub use predict::{Observer, Options, PredictOptions, Prediction, Report, Resample, Resampled, Step, Timings, predict};
pub use site::{Site, SiteOptions};
