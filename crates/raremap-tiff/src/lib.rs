//! Reads windows of GeoTIFF files from any source of byte ranges, and writes GeoTIFF files.
//!
//! A file is never read as a whole: [`GeoTiff::open`] reads the header and the first directory,
//! [`GeoTiff::read_window`] fetches and decodes the strips or tiles that a window touches. Whatever a damaged or forged
//! file claims, memory and work stay inside [`Limits`], and every failure is a [`RasterError`] that says what is wrong.
//!
//! ```
//! use raremap_raster::{BytesSource, GeoTiff, Limits, Window};
//!
//! # async fn example(bytes: Vec<u8>) -> Result<(), raremap_raster::RasterError> {
//! let image = GeoTiff::open(BytesSource::new(bytes), Limits::default()).await?;
//! let (width, height) = (image.info().width.min(256), image.info().height.min(256));
//! let samples = image.read_window(Window { x: 0, y: 0, width, height }, &[0]).await?;
//! assert_eq!(samples.values.len(), samples.height * samples.width);
//! # Ok(())
//! # }
//! ```

mod archive;
mod blocks;
mod cached;
mod checksum;
mod codec;
mod cog;
mod color;
mod conversion;
mod conversion_lab;
mod crs;
mod directory;
mod encode;
mod encode_tags;
mod epsg;
mod error;
mod gdal_metadata;
mod georeference;
mod grid;
mod header;
mod http;
mod info;
mod layout;
mod limits;
mod metadata_reader;
mod nodata;
mod output;
mod pieces;
mod predict;
mod product;
mod projection;
mod reader;
mod related;
mod resample;
mod samples;
mod scene;
mod scratch;
mod source;
mod summary;
mod tags;

pub use archive::{ArchiveError, EntrySource, ScratchSource, Zip, ZipEntry, is_zip};
pub use cached::{CacheOptions, Cached};
pub use checksum::GdalChecksum;
pub use codec::Compression;
pub use cog::{CogFile, CogImage, CogRow, CogSamples, CogWriter};
pub use color::ColorInterpretation;
pub use crs::{Crs, CrsKind};
pub use encode::{encode_geotiff, write_geotiff};
pub use epsg::projected_unit_m;
pub use error::{LimitExceeded, Malformed, Misuse, RasterError, SourceError, Unsupported, WriteError};
pub use georeference::{Affine, GeoReference, GeoTags};
pub use header::{ByteOrder, FOREIGN_FORMAT_BYTES, foreign_format};
pub use http::{HttpAnswer, HttpProblem, RemoteFile};
pub use info::RasterInfo;
pub use limits::Limits;
pub use output::{OutputImage, OutputSamples};
pub use pieces::{PIECE_BYTES, PieceStore, Pieces};
pub use predict::Predictor;
pub use product::{
    Calibration, DeclaredScaling, GridDifference, NameList, Notice, Product, ProductBand, ProductError, ProductFacts,
    ProductFile, ProductKind, RecognizedProduct, calibration, product_facts, recognize,
};
pub use projection::Projection;
pub use reader::{GeoTiff, Window};
pub use related::Overview;
pub use resample::{AxisGrid, Kernel, Resampled};
pub use samples::{SampleType, SampleValue, Samples};
pub use scene::{Scene, SceneInfo};
#[cfg(not(target_arch = "wasm32"))]
pub use scratch::FileScratch;
pub use scratch::{MemoryScratch, Scratch};
#[cfg(not(target_arch = "wasm32"))]
pub use source::FileSource;
pub use source::{BytesSource, RangeSource};
pub use summary::{BandStatistics, BandSummary};
