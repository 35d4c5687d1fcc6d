//! Reads windows of TIFF and GeoTIFF files from any source of byte ranges, and writes cloud-optimized GeoTIFFs.
//!
//! A file is never read as a whole: [`GeoTiff::open`] reads the header and the first directory,
//! [`GeoTiff::read_window`] fetches and decodes the strips or tiles that a window touches. Whatever a damaged or forged
//! file claims, memory and work stay inside [`Limits`], and every failure is a [`TiffError`] that says what is wrong.
//!
//! ```
//! use raremap_io::BytesSource;
//! use raremap_tiff::{GeoTiff, Limits, OutputImage, OutputSamples, Window, encode_geotiff};
//!
//! let file = encode_geotiff(&OutputImage::new(2, 2, OutputSamples::U8(&[1, 2, 3, 4])), None)?;
//! # pollster::block_on(async {
//! let image = GeoTiff::open(BytesSource::new(file), Limits::default()).await?;
//! let right = Window { x: 1, y: 0, width: 1, height: 2 };
//! let samples = image.read_window(right, &[0]).await?;
//! assert_eq!(samples.values, [2.0, 4.0]);
//! # Ok::<(), raremap_tiff::TiffError>(())
//! # })?;
//! # Ok::<(), raremap_tiff::TiffError>(())
//! ```

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
pub use error::{Malformed, Misuse, TiffError, Unsupported};
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
