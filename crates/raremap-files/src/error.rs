//! Why a job on files failed.

use std::error::Error;
use std::path::PathBuf;

use raremap_device::DeviceError;
use raremap_infer::InferError;
use raremap_io::{IoError, SourceError, Unwritten};
use raremap_model::{TileError, WeightsError};
use raremap_output::OutputError;
use raremap_scene::SceneError;
use raremap_tiff::TiffError;

/// A job on files that failed, and why.
///
/// [`FilesError::code`] is stable. The text is for people: that of the error, then those of its [sources](std::error::Error::source), which
/// name what failed in what.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FilesError {
    /// The caller ended the job before the results were complete.
    #[error("interrupted; the results are incomplete")]
    Interrupted,
    /// A file or a folder cannot be read.
    #[error("cannot read {}", path.display())]
    CannotRead {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A result cannot be written.
    #[error("cannot write {}", path.display())]
    CannotWrite {
        /// The file, or the folder of the results.
        path: PathBuf,
        /// Why.
        source: Box<FilesError>,
    },
    /// Something failed in a file or a scene, by its name.
    #[error("{name}")]
    In {
        /// The file, or the scene's files.
        name: String,
        /// What failed.
        source: Box<FilesError>,
    },
    /// A result would replace a file that is read.
    #[error(
        "{} is an input, and a result in {} would overwrite it: choose another folder with --out",
        input.display(),
        out.display()
    )]
    Overwrites {
        /// The file.
        input: PathBuf,
        /// The folder of the results.
        out: PathBuf,
    },
    /// A result would replace a folder of something else.
    #[error("{} is no earlier result of a scene, and would be lost: move it, or choose another folder with --out", folder.display())]
    Occupied {
        /// The folder.
        folder: PathBuf,
    },
    /// What a site was to be made of.
    #[error(
        "{} is not a built page: {reason}. `./run --release --build-only` in a clone of raremap makes one in dist/, and \"Download this site as a \
         folder\" on any raremap page saves one; name it with --page",
        path.display()
    )]
    NotAPage {
        /// The folder or archive.
        path: PathBuf,
        /// What it lacks.
        reason: String,
    },
    /// A site would replace other files.
    #[error("{} cannot become the site: {reason}. Choose another folder with --site", folder.display())]
    SiteOccupied {
        /// The folder of the site.
        folder: PathBuf,
        /// What is there.
        reason: String,
    },
    /// A scene that was to be resampled, of unknown resolution.
    #[error("the size of the scene's pixels on the ground is not known, so it cannot be resampled")]
    UnknownPixelSize,
    /// A file of another kind.
    #[error("this is neither a GeoTIFF nor a weights file")]
    NotRecognized(#[source] WeightsError),
    /// The scene does not fit the model, or the network failed.
    #[error(transparent)]
    Infer(#[from] InferError),
    /// A result cannot be made as asked.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// The scene cannot be read.
    #[error(transparent)]
    Scene(#[from] SceneError),
    /// Bytes cannot be read or written.
    #[error(transparent)]
    Io(#[from] IoError),
    /// A range of bytes cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A GeoTIFF cannot be read.
    #[error(transparent)]
    Tiff(#[from] TiffError),
    /// The weights file cannot be used.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// The device is not available.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// A whole file could not be written.
    #[error(transparent)]
    Unwritten(#[from] Unwritten),
    /// The file system failed.
    #[error(transparent)]
    File(#[from] std::io::Error),
    /// A report could not be written as JSON.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
}

impl From<TileError> for FilesError {
    fn from(error: TileError) -> Self {
        Self::Infer(error.into())
    }
}

impl FilesError {
    /// A short name of the failure, which is stable between versions.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Interrupted => "interrupted",
            Self::CannotWrite { .. } | Self::Unwritten(_) => "write_failed",
            Self::CannotRead { .. } | Self::File(_) => "source_failed",
            Self::In { source, .. } => source.code(),
            Self::NotRecognized(_) => "not_recognized",
            Self::Infer(error) => error.code(),
            Self::Output(error) => error.code(),
            Self::Scene(error) => error.code(),
            Self::Io(error) => error.code(),
            Self::Source(error) => error.code(),
            Self::Tiff(error) => error.code(),
            Self::Weights(error) => error.code(),
            Self::Json(_) => "json_failed",
            Self::NotAPage { .. } => "page_invalid",
            Self::SiteOccupied { .. } => "site_occupied",
            Self::Overwrites { .. } | Self::Occupied { .. } | Self::UnknownPixelSize | Self::Device(_) => "misuse",
        }
    }

    /// The text of the error and of its sources.
    pub fn sentence(&self) -> String {
        let mut text = self.to_string();
        let mut source = self.source();
        while let Some(cause) = source {
            text = format!("{text}: {cause}");
            source = cause.source();
        }
        text
    }

    /// Whether another try may succeed: a disk was full, a server did not answer, a file was being written.
    pub fn may_pass(&self) -> bool {
        matches!(
            self.code(),
            "write_failed" | "source_failed" | "source_changed" | "http_unreachable" | "http_status"
        )
    }

    pub(crate) fn cannot_read(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::CannotRead { path, source }
    }
}

/// Names what an error is about.
pub(crate) trait Context<T> {
    /// Puts the name of a file or a scene before the error.
    fn within(self, name: impl FnOnce() -> String) -> Result<T, FilesError>;

    /// Says that a result could not be written.
    fn cannot_write(self, path: impl FnOnce() -> PathBuf) -> Result<T, FilesError>;
}

impl<T, E: Into<FilesError>> Context<T> for Result<T, E> {
    fn within(self, name: impl FnOnce() -> String) -> Result<T, FilesError> {
        self.map_err(|error| FilesError::In {
            name: name(),
            source: Box::new(error.into()),
        })
    }

    fn cannot_write(self, path: impl FnOnce() -> PathBuf) -> Result<T, FilesError> {
        self.map_err(|error| FilesError::CannotWrite {
            path: path(),
            source: Box::new(error.into()),
        })
    }
}
