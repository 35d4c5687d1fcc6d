//! What can go wrong, split by who has to act: a damaged file, a file of a kind that is not read, a wrong call, a
//! limit, a source.

use crate::archive::ArchiveError;
use crate::http::HttpProblem;
use crate::product::ProductError;

/// Any failure of reading or writing a raster.
///
/// [`RasterError::code`] is stable and is what a user interface should switch on; the text is for people.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RasterError {
    /// The file contradicts the specification or itself: it is damaged, or not a TIFF.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// The file is (or may be) sound, but uses something that this crate does not read.
    #[error(transparent)]
    Unsupported(#[from] Unsupported),
    /// The call asks for something that the image does not have.
    #[error(transparent)]
    Misuse(#[from] Misuse),
    /// A bound of [`crate::Limits`] would be exceeded.
    #[error(transparent)]
    Limit(#[from] LimitExceeded),
    /// The bytes could not be fetched.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// Files do not make one scene.
    #[error(transparent)]
    Product(#[from] ProductError),
    /// A zip archive, or a file in it, cannot be read.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The bytes could not be written.
    // No #[from]: the sentence holds the cause, and a chain of causes would say it twice.
    #[error("writing failed: {0}")]
    Write(WriteError),
}

impl From<WriteError> for RasterError {
    fn from(error: WriteError) -> Self {
        RasterError::Write(error)
    }
}

impl RasterError {
    /// A short name of the failure, stable between versions.
    pub fn code(&self) -> &'static str {
        match self {
            RasterError::Malformed(error) => error.code(),
            RasterError::Unsupported(error) => error.code(),
            RasterError::Misuse(error) => error.code(),
            RasterError::Limit(_) => "limit_exceeded",
            RasterError::Source(error) => error.code(),
            RasterError::Product(error) => error.code(),
            RasterError::Archive(error) => error.code(),
            RasterError::Write(_) => "write_failed",
        }
    }
}

/// The file contradicts the TIFF or GeoTIFF specification, or itself.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Malformed {
    /// The source has no bytes at all.
    #[error("the file is empty")]
    Empty,
    /// The first bytes are not those of a TIFF.
    #[error("not a TIFF file: {what}")]
    NotATiff {
        /// What it is by its first bytes, or these in hexadecimal.
        what: String,
    },
    /// The file ends before something that it announces.
    #[error("the file is truncated: {what} needs bytes {offset} to {end}, but the file has {size_bytes}")]
    Truncated {
        /// What was to be read.
        what: &'static str,
        /// Where it starts.
        offset: u64,
        /// Where it ends (exclusive).
        end: u64,
        /// How long the file is.
        size_bytes: u64,
    },
    /// The file has a header but no image directory.
    #[error("the file holds no image: its first directory offset is {offset}")]
    NoImage {
        /// The offset that the header gives.
        offset: u64,
    },
    /// A tag that the image cannot be read without is absent.
    #[error("the required tag {name} ({tag}) is missing")]
    MissingTag {
        /// The tag's number.
        tag: u16,
        /// The tag's name in the specification.
        name: &'static str,
    },
    /// A tag holds a value that it cannot have.
    #[error("tag {name} ({tag}) is invalid: {reason}")]
    BadTag {
        /// The tag's number.
        tag: u16,
        /// The tag's name in the specification.
        name: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The data of a strip or tile is damaged.
    #[error("block {block} (strip or tile) is damaged: {reason}")]
    BadBlock {
        /// Index of the strip or tile in the file's own order.
        block: u64,
        /// What is wrong with it.
        reason: String,
    },
}

impl Malformed {
    fn code(&self) -> &'static str {
        match self {
            Malformed::Empty => "empty",
            Malformed::NotATiff { .. } => "not_a_tiff",
            Malformed::Truncated { .. } => "truncated",
            Malformed::NoImage { .. } => "no_image",
            Malformed::MissingTag { .. } => "missing_tag",
            Malformed::BadTag { .. } => "bad_tag",
            Malformed::BadBlock { .. } => "bad_block",
        }
    }
}

/// The file uses something that this crate does not read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Unsupported {
    /// A compression without a decoder here.
    #[error("compression {name} ({code}) is not supported")]
    Compression {
        /// The value of the Compression tag.
        code: u16,
        /// Its usual name.
        name: &'static str,
    },
    /// A predictor other than 1, 2, 3, or one that does not fit the samples.
    #[error("predictor {predictor} is not supported for {bits}-bit samples")]
    Predictor {
        /// The value of the Predictor tag.
        predictor: u16,
        /// Bits per sample.
        bits: u16,
    },
    /// Samples of a size or format without a conversion here.
    #[error("{bits}-bit samples of format {format} are not supported")]
    SampleType {
        /// Bits per sample.
        bits: u16,
        /// Name of the sample format: unsigned integer, float, complex and so on.
        format: &'static str,
    },
    /// Bands with different sizes or formats.
    #[error("bands of different {what} are not supported")]
    MixedBands {
        /// What differs.
        what: &'static str,
    },
    /// A colour space whose stored values are not the bands themselves.
    #[error("photometric interpretation {name} ({code}) is not supported")]
    Photometric {
        /// The value of the PhotometricInterpretation tag.
        code: u16,
        /// Its name in the specification.
        name: &'static str,
    },
    /// A coordinate reference system that cannot be turned into longitude and latitude here.
    #[error("the coordinate reference system {name} cannot be converted to longitude and latitude")]
    Crs {
        /// Its code or citation.
        name: String,
    },
    /// Anything else, named.
    #[error("{feature} is not supported")]
    Feature {
        /// The feature's name in the specification.
        feature: &'static str,
    },
}

impl Unsupported {
    fn code(&self) -> &'static str {
        match self {
            Unsupported::Compression { .. } => "unsupported_compression",
            Unsupported::Predictor { .. } => "unsupported_predictor",
            Unsupported::SampleType { .. } => "unsupported_sample_type",
            Unsupported::MixedBands { .. } => "unsupported_mixed_bands",
            Unsupported::Photometric { .. } => "unsupported_photometric",
            Unsupported::Crs { .. } => "unsupported_crs",
            Unsupported::Feature { .. } => "unsupported_feature",
        }
    }
}

/// The call asks for something that the image does not have.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Misuse {
    /// A window that is empty or reaches over the image's edge.
    #[error("window {width} x {height} at ({x}, {y}) is not inside the image of {image_width} x {image_height} pixels")]
    WindowOutsideImage {
        /// Left column of the window.
        x: u32,
        /// Top row of the window.
        y: u32,
        /// Columns of the window.
        width: u32,
        /// Rows of the window.
        height: u32,
        /// Columns of the image.
        image_width: u32,
        /// Rows of the image.
        image_height: u32,
    },
    /// A band that the image does not have.
    #[error("band index {band} (0-based) does not exist: the image has {band_count} bands")]
    NoSuchBand {
        /// The band asked for, 0-based.
        band: usize,
        /// How many bands there are.
        band_count: usize,
    },
    /// A grid to resample to that has no pixels, or pixels of no size.
    #[error("a grid of {count} pixels, each of {ratio} source pixels, is no grid")]
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
    /// An empty list of bands.
    #[error("no band was asked for")]
    NoBands,
    /// An image to be written whose parts do not fit together.
    #[error("the image cannot be written: {reason}")]
    BadOutput {
        /// What does not fit.
        reason: String,
    },
}

impl Misuse {
    fn code(&self) -> &'static str {
        match self {
            Misuse::WindowOutsideImage { .. } => "window_outside_image",
            Misuse::NoSuchBand { .. } => "no_such_band",
            Misuse::BadGrid { .. } => "bad_grid",
            Misuse::BadCalibration { .. } => "bad_calibration",
            Misuse::NoBands => "no_bands",
            Misuse::BadOutput { .. } => "bad_output",
        }
    }
}

/// A bound of [`crate::Limits`] would be exceeded.
#[derive(Debug, thiserror::Error)]
#[error("{what} would take {needed}, over the limit of {limit}")]
pub struct LimitExceeded {
    /// What is too large.
    pub what: &'static str,
    /// What it would take (bytes or entries).
    pub needed: u64,
    /// What is allowed.
    pub limit: u64,
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
    /// The source gave fewer or more bytes than asked for: it changed meanwhile.
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
    /// A server does not give what was asked for.
    #[error(transparent)]
    Http(#[from] HttpProblem),
    /// Any other failure, in the source's own words.
    #[error("{0}")]
    Failed(String),
}

impl From<std::io::Error> for SourceError {
    fn from(error: std::io::Error) -> Self {
        SourceError::Io(error)
    }
}

impl SourceError {
    fn code(&self) -> &'static str {
        match self {
            SourceError::OutOfRange { .. } => "source_out_of_range",
            SourceError::Changed { .. } => "source_changed",
            SourceError::Http(problem) => problem.code(),
            SourceError::Io(_) | SourceError::Failed(_) => "source_failed",
        }
    }
}

/// A file could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The writer failed.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The encoder failed.
    #[error(transparent)]
    Encoder(#[from] tiff::TiffError),
}

impl From<tiff::TiffError> for RasterError {
    fn from(error: tiff::TiffError) -> Self {
        RasterError::Write(WriteError::Encoder(error))
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
                RasterError::from(SourceError::from(full())),
                "source_failed",
                "reading failed",
            ),
            (
                RasterError::from(WriteError::from(full())),
                "write_failed",
                "writing failed",
            ),
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
