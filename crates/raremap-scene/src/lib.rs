#![doc = include_str!("../README.md")]

mod error;
mod picture;
mod product;
mod resample;
mod scene;
mod sensors;
mod tiff;

pub use error::{GridDifference, Misuse, NameList, NeighbourError, ProductError, SceneError};
pub use picture::{Picture, Stretch, percentiles};
pub use product::{
    Calibration, DeclaredScaling, Neighbour, NeighbourKind, Notice, Product, ProductBand, ProductFacts, ProductFile,
    ProductKind, RecognizedProduct, ZeroFill, apply_neighbour, calibration, neighbour_kind, product_facts, recognize,
};
pub use resample::{AxisGrid, Kernel, Resampled};
pub use scene::{Scene, SceneInfo};
pub use sensors::{LANDSAT_4_TO_7, LANDSAT_8, LISS, Padding, SENSORS, SENTINEL_2, Sensor};
pub use tiff::TiffScene;
