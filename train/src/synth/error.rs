//! Why a scene cannot be made.

use std::path::{Path, PathBuf};

use raremap_tiff::TiffError;

pub(super) const MIN_SIDE_PX: usize = 32;
pub(super) const MAX_SIDE_PX: usize = 4096;
pub(super) const MAX_STREAMED_PX: usize = 200_000;

/// Why a scene was not made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SynthError {
    /// Too small for a landscape, or too large for memory.
    #[error(
        "the scene must measure between {MIN_SIDE_PX} and {MAX_SIDE_PX} pixels on each side, not {width} x {height}"
    )]
    Size {
        /// Columns asked for.
        width: usize,
        /// Rows asked for.
        height: usize,
    },
    /// Too small or too large for a file.
    #[error(
        "a scene that is written while it is made must measure 1 to {MAX_STREAMED_PX} pixels on each side, not {width} x {height}"
    )]
    StreamedSize {
        /// Columns asked for.
        width: usize,
        /// Rows asked for.
        height: usize,
    },
    /// A layout that needs the whole scene at once.
    #[error("--size and --product need --layout strips, tiles or cog")]
    Layout,
    /// A grid that is not in metres.
    #[error("EPSG:{0} is not a projected system in metres, which the grid needs")]
    Epsg(u16),
    /// A pixel without size.
    #[error("the side of a pixel is {0} m; it must be more than 0")]
    Pixel(f64),
    /// The disk refused.
    // No field is called `source`: the sentence holds the cause, and a chain of causes would say it twice.
    #[error("cannot write {}: {error}", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// What the system reports.
        error: std::io::Error,
    },
}

impl SynthError {
    /// A stable identifier for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Size { .. } | Self::StreamedSize { .. } | Self::Layout | Self::Epsg(_) | Self::Pixel(_) => "misuse",
            Self::Write { .. } => "write_failed",
        }
    }
}

/// Says which file a failed writer was writing.
pub(super) fn unwritten(path: &Path) -> impl FnOnce(TiffError) -> SynthError + '_ {
    move |error| SynthError::Write {
        path: path.to_owned(),
        error: match error {
            TiffError::Write(error) => error,
            other => std::io::Error::other(other),
        },
    }
}
