//! What can go wrong between files and a scene.

mod product;

pub use product::{GridDifference, NameList, ProductError};

use raremap_io::{ArchiveError, IoError, LimitExceeded, SourceError};
use raremap_tiff::{NotApplied, TiffError};

/// Any failure of opening or reading a scene.
///
/// [`SceneError::code`] is stable, and programs should switch on it; the text is for people.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SceneError {
    /// A file cannot be read.
    #[error(transparent)]
    Tiff(#[from] TiffError),
    /// One of several files cannot be read.
    #[error("{file}: {error}")]
    InFile {
        /// The file.
        file: String,
        /// What is wrong with it.
        error: Box<SceneError>,
    },
    /// Files do not make one scene.
    #[error(transparent)]
    Product(#[from] ProductError),
    /// The bytes could not be fetched or stored.
    #[error(transparent)]
    Io(#[from] IoError),
    /// The call asks for something that the scene does not have.
    #[error(transparent)]
    Misuse(#[from] Misuse),
}

macro_rules! through {
    ($($inner:ty => $outer:ident),*) => {$(
        impl From<$inner> for SceneError {
            fn from(error: $inner) -> Self {
                SceneError::$outer(error.into())
            }
        }
    )*};
}

through!(
    SourceError => Io, ArchiveError => Io, LimitExceeded => Io,
    raremap_tiff::Misuse => Tiff, raremap_tiff::Malformed => Tiff, raremap_tiff::Unsupported => Tiff
);

impl SceneError {
    /// A short name of the failure, stable between versions.
    pub fn code(&self) -> &'static str {
        match self {
            SceneError::Tiff(error) => error.code(),
            SceneError::InFile { error, .. } => error.code(),
            SceneError::Product(error) => error.code(),
            SceneError::Io(error) => error.code(),
            SceneError::Misuse(error) => error.code(),
        }
    }
}

/// Why a file that lies beside an image is not used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NeighbourError {
    /// A file that other programs read but this crate does not, in words.
    #[error("{0}")]
    Unread(&'static str),
    /// The file cannot be read.
    #[error(transparent)]
    Scene(#[from] SceneError),
    /// The file does not fit the image, or adds nothing to it.
    #[error(transparent)]
    NotApplied(#[from] NotApplied),
}

/// The call asks for something that the scene does not have.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Misuse {
    /// A grid to resample to that has no pixels, or pixels of no size.
    #[error(
        "a grid needs at least one pixel, and a pixel size above 0, but {count} pixels of {ratio} source pixels were asked for"
    )]
    BadGrid {
        /// Pixels along the axis.
        count: u32,
        /// Source pixels per pixel.
        ratio: f64,
    },
    /// A calibration of another number of bands.
    #[error("a calibration of {found} bands does not fit {expected} bands")]
    BadCalibration {
        /// Bands of the calibration.
        found: usize,
        /// Bands of the scene.
        expected: usize,
    },
}

impl Misuse {
    fn code(&self) -> &'static str {
        match self {
            Misuse::BadGrid { .. } => "bad_grid",
            Misuse::BadCalibration { .. } => "bad_calibration",
        }
    }
}
