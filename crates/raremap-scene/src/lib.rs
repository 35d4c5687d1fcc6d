//! What can be segmented: one file, the files of a product, or either of them seen on another grid.
//!
//! A [`Scene`] provides windows of samples of several bands on one grid. [`TiffScene`] is one GeoTIFF. [`Product`] takes the files of a
//! satellite's product as one scene, by their names, and turns stored numbers into reflectance. [`Resampled`] changes the resolution.

mod error;
mod picture;
mod product;
mod resample;
mod scene;
mod sensors;
mod tiff;

pub use error::{GridDifference, Misuse, NameList, ProductError, SceneError};
pub use picture::{Picture, Stretch};
pub use product::{
    Calibration, DeclaredScaling, Neighbour, NeighbourKind, Notice, Product, ProductBand, ProductFacts, ProductFile,
    ProductKind, RecognizedProduct, ZeroFill, apply_neighbour, calibration, neighbour_kind, product_facts, recognize,
};
pub use resample::{AxisGrid, Kernel, Resampled};
pub use scene::{Scene, SceneInfo};
pub use sensors::{LANDSAT_4, LANDSAT_8, LISS, Padding, SENSORS, SENTINEL_2, Sensor};
pub use tiff::TiffScene;
