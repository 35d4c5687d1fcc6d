#![doc = include_str!("../README.md")]
#![cfg_attr(
    not(all(feature = "ccitt", feature = "jpeg", feature = "lerc", feature = "webp")),
    allow(
        dead_code,
        unused_imports,
        unused_variables,
        reason = "some tags and fields serve one codec only"
    )
)]

mod codec;
mod cog;
mod directory;
mod error;
mod limits;
mod read;
mod samples;
mod tags;
mod write;

pub use codec::Compression;
pub use codec::predictor::Predictor;
pub use cog::{CogFile, CogImage, CogRow, CogSamples, CogWriter};
pub use directory::header::{ByteOrder, FOREIGN_FORMAT_BYTES, foreign_format};
pub use error::{Malformed, Misuse, NotApplied, TiffError, Unsupported};
pub use limits::Limits;
pub use read::checksum::GdalChecksum;
pub use read::color::ColorInterpretation;
pub use read::info::RasterInfo;
pub use read::related::Overview;
pub use read::summary::{BandSummary, SampleStatistics};
pub use read::{GeoTiff, Window};
pub use samples::{SampleType, SampleValue, Samples};
pub use write::description::{BandOrder, BlockLayout, ImageDescription, WriteOptions};
pub use write::image::{OutputImage, OutputSamples};
pub use write::stream::{BlockRequest, write_blocks};
pub use write::{encode_geotiff, write_geotiff};
