//! What can go wrong with bytes: fetching a range, reading an archive, writing to a spill file.

mod archive;
mod http;
mod limit;

use std::ops::Range;

pub use archive::ArchiveError;
pub use http::HttpProblem;
pub use limit::{LimitExceeded, checked_len};

/// Any failure of this crate.
///
/// Programs should switch on [`IoError::code`], which is stable; the text is for people.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IoError {
    /// The bytes could not be fetched.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A zip archive, or a file in it, cannot be read.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// A limit on memory or work would be exceeded.
    #[error(transparent)]
    Limit(#[from] LimitExceeded),
    /// The bytes could not be written.
    // No #[from]: an error of the operating system is one of writing only where something is written. The sentence holds
    // the cause, and a chain of causes would say it twice.
    #[error("writing failed: {0}")]
    Write(std::io::Error),
}

impl IoError {
    /// A short name of the failure, which is stable between versions.
    pub fn code(&self) -> &'static str {
        match self {
            IoError::Source(error) => error.code(),
            IoError::Archive(error) => error.code(),
            IoError::Limit(_) => "limit_exceeded",
            IoError::Write(_) => "write_failed",
        }
    }
}

/// A range of bytes could not be fetched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The range is not inside the source.
    #[error("bytes {start} to {end} are outside the source of {size_bytes} bytes")]
    OutOfRange {
        /// First byte asked for.
        start: u64,
        /// One after the last byte asked for.
        end: u64,
        /// How long the source is.
        size_bytes: u64,
    },
    /// The source gave fewer or more bytes than asked for, so it must have changed.
    #[error("the source gave {received} bytes instead of {expected}: it seems to have changed since it was opened")]
    Changed {
        /// Bytes asked for.
        expected: u64,
        /// Bytes received.
        received: u64,
    },
    /// Reading failed.
    // No #[from]: the sentence holds the cause, and a chain of causes would say it twice.
    #[error("reading failed: {0}")]
    Io(std::io::Error),
    /// A server does not provide what was asked for.
    #[error(transparent)]
    Http(#[from] HttpProblem),
    /// Any other failure, as the source reports it.
    #[error("{0}")]
    Failed(String),
}

impl From<std::io::Error> for SourceError {
    fn from(error: std::io::Error) -> Self {
        SourceError::Io(error)
    }
}

impl SourceError {
    /// Refuses a range that is not inside a source of `size_bytes`.
    ///
    /// # Errors
    /// [`SourceError::OutOfRange`].
    pub fn check_range(range: &Range<u64>, size_bytes: u64) -> Result<(), SourceError> {
        let Range { start, end } = *range;
        if start <= end && end <= size_bytes {
            return Ok(());
        }
        Err(SourceError::OutOfRange { start, end, size_bytes })
    }

    /// A short name of the failure, which is stable between versions.
    pub fn code(&self) -> &'static str {
        match self {
            SourceError::OutOfRange { .. } => "source_out_of_range",
            SourceError::Changed { .. } => "source_changed",
            SourceError::Http(problem) => problem.code(),
            SourceError::Io(_) | SourceError::Failed(_) => "source_failed",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use super::*;

    #[test]
    fn a_cause_is_said_once_and_writing_is_not_called_reading() {
        let full = || std::io::Error::other("the disk is full");
        let cases = [
            (
                IoError::from(SourceError::from(full())),
                "source_failed",
                "reading failed",
            ),
            (IoError::Write(full()), "write_failed", "writing failed"),
        ];
        for (error, code, what) in cases {
            assert_eq!(
                (error.code(), error.to_string()),
                (code, format!("{what}: the disk is full"))
            );
            assert!(error.source().is_none(), "{error:?}");
        }
    }
}
