//! Errors by who has to act: a damaged file, a kind of file that is not supported, a wrong call, a limit, a source.

use raremap_io::{IoError, LimitExceeded, SourceError};

/// Any failure of reading or writing a TIFF file.
///
/// Programs should switch on [`TiffError::code`], which is stable; the text is for people.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TiffError {
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
    /// The bytes could not be fetched or stored.
    #[error(transparent)]
    Io(#[from] IoError),
    /// The file or stream that is written to failed.
    // The field has no #[from]: the sentence contains the cause, and a chain of causes would repeat it.
    #[error("writing failed: {0}")]
    Write(std::io::Error),
}

impl From<SourceError> for TiffError {
    fn from(error: SourceError) -> Self {
        TiffError::Io(error.into())
    }
}

impl From<std::io::Error> for TiffError {
    fn from(error: std::io::Error) -> Self {
        TiffError::Write(error)
    }
}

impl TiffError {
    /// A short name of the failure, which is stable between versions.
    pub fn code(&self) -> &'static str {
        match self {
            TiffError::Malformed(error) => error.code(),
            TiffError::Unsupported(error) => error.code(),
            TiffError::Misuse(error) => error.code(),
            TiffError::Limit(_) => "limit_exceeded",
            TiffError::Io(error) => error.code(),
            TiffError::Write(_) => "write_failed",
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
    #[error("this is not a TIFF file: {what}")]
    NotATiff {
        /// What the first bytes say it is, or these bytes in hexadecimal.
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
    #[error("the file contains no image: its first directory offset is {offset}")]
    NoImage {
        /// The offset that the header gives.
        offset: u64,
    },
    /// A tag that is needed to read the image is missing.
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
    /// A compression that this crate has no decoder for.
    #[error("compression {name} ({code}) is not supported")]
    Compression {
        /// The value of the Compression tag.
        code: u16,
        /// Its usual name.
        name: &'static str,
    },
    /// A compression whose decoder this build leaves out, as a cargo feature.
    #[error("this build does not read {name} (compression {code})")]
    LeftOut {
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
    /// Samples of a size or format that this crate cannot convert.
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
    /// Any other feature, by its name.
    #[error("{feature} is not supported")]
    Feature {
        /// The feature's name in the specification.
        feature: &'static str,
    },
}

impl Unsupported {
    fn code(&self) -> &'static str {
        match self {
            Unsupported::Compression { .. } | Unsupported::LeftOut { .. } => "unsupported_compression",
            Unsupported::Predictor { .. } => "unsupported_predictor",
            Unsupported::SampleType { .. } => "unsupported_sample_type",
            Unsupported::MixedBands { .. } => "unsupported_mixed_bands",
            Unsupported::Photometric { .. } => "unsupported_photometric",
            Unsupported::Feature { .. } => "unsupported_feature",
        }
    }
}

/// Why a file that lies beside an image is not applied to it. The image itself is still usable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotApplied {
    /// A mask, of a file with its own.
    #[error("the file has a mask of its own")]
    OwnMask,
    /// A mask of another size, or of another type than one bit or one byte.
    #[error("its size or type does not fit the file")]
    OtherSize,
    /// Auxiliary XML without anything new.
    #[error("it adds nothing to what the file itself says")]
    NothingNew,
    /// A world file, of a file with a transform.
    #[error("the file itself says where it is")]
    OwnPlace,
    /// A world file of something else.
    #[error("it does not hold six numbers")]
    NotSixNumbers,
    /// A world file whose pixels have no size.
    #[error("its numbers do not form a transform")]
    NotATransform,
    /// A text that is no known form of a coordinate reference system.
    #[error("it holds no coordinate reference system that can be read")]
    UnreadableSystem,
    /// A coordinate reference system, of a file that names its own.
    #[error("the file itself names its coordinate reference system")]
    OwnSystem,
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
            Misuse::NoBands => "no_bands",
            Misuse::BadOutput { .. } => "bad_output",
        }
    }
}
