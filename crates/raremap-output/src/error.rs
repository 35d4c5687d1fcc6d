//! Why a file of the results cannot be made.

use raremap_infer::InferError;
use raremap_io::IoError;
use raremap_tiff::TiffError;

use crate::kind::OutputKind;

/// A file of the results that cannot be made as asked, and why.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OutputError {
    /// The logits cannot be read, or the options of the mask are out of range.
    #[error(transparent)]
    Infer(#[from] InferError),
    /// A raster cannot be written.
    #[error(transparent)]
    Tiff(#[from] TiffError),
    /// The bytes cannot be stored.
    #[error(transparent)]
    Io(#[from] IoError),
    /// JSON cannot be written.
    #[error("the JSON could not be written: {0}")]
    Json(#[from] serde_json::Error),
    /// An option is out of range.
    #[error("{0}")]
    InvalidOption(String),
    /// A file of rare classes for a model that has none.
    #[error("there is no {}, because the model has no rare classes", kind.file_name())]
    NoRareClasses {
        /// The file.
        kind: OutputKind,
    },
}

impl OutputError {
    /// A stable identifier for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Infer(error) => error.code(),
            Self::Tiff(error) => error.code(),
            Self::Io(error) => error.code(),
            Self::Json(_) => "json_failed",
            Self::InvalidOption(_) | Self::NoRareClasses { .. } => "misuse",
        }
    }
}
