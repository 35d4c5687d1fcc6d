//! Whole jobs on files, as the command and the Python package do them: [`predict()`] makes the result files of a scene from its files, and
//! [`inspect()`] says what a GeoTIFF or a weights file is.

mod error;
mod inspect;
mod model;
mod neighbours;
mod predict;

pub use error::FilesError;
pub use inspect::{Inspected, InspectedModel, InspectedScene, inspect};
pub use model::Model;
pub use predict::{Observer, Options, PredictOptions, Prediction, Report, Resample, Resampled, Step, Timings, predict};
