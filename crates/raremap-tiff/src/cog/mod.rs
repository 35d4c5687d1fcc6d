//! Writes cloud-optimized GeoTIFF files row by row, in memory that does not grow with the image's height.
//!
//! Rows come from the top. Tiles are compressed as soon as their rows are there and go to a [`Scratch`]; overviews grow at the same time,
//! each from the rows of the level above it. The result is a [`CogFile`], which is read in chunks: header, directories from the full image
//! to the smallest overview, then pixels from the smallest overview to the full image, as the COG layout (OGC 21-026) requires.
//!
//! The bytes only depend on the rows and the description: not on a clock, a thread or another crate's choice of a deflate library. They are
//! little-endian everywhere.

mod assemble;
mod level;
mod reduce;

pub use assemble::CogFile;

use crate::codec::predictor::Predictor;
use crate::error::{Misuse, TiffError};
use crate::samples::SampleType;
use crate::write::block::BlockEncoder;
use crate::write::description::{BandOrder, BlockLayout, ImageDescription, WriteOptions};
use level::Level;
use raremap_geo::GeoTags;
use raremap_io::Scratch;

/// What the samples of a written image mean; this decides type, predictor and how overviews are made.
#[derive(Debug, Clone, PartialEq)]
pub enum CogSamples {
    /// 8-bit codes. An overview's pixel has the most frequent code of the four above it (of equals, the first in reading order); it has no
    /// data only if none of the four has.
    Classes {
        /// Code of pixels without data.
        nodata: u8,
        /// Colours by code.
        colors: Vec<(u8, [u8; 3])>,
    },
    /// 8-bit steps of a quantity, `value * scale + offset`. An overview's pixel is the mean of those of the four that have data.
    Scaled {
        /// Step of pixels without data.
        nodata: u8,
        /// Quantity per step.
        scale: f64,
        /// Quantity of step 0.
        offset: f64,
    },
    /// 32-bit floating point, NaN where there is no data. Overviews as for [`CogSamples::Scaled`].
    Float,
}

impl CogSamples {
    fn sample_type(&self) -> SampleType {
        match self {
            CogSamples::Classes { .. } | CogSamples::Scaled { .. } => SampleType::U8,
            CogSamples::Float => SampleType::F32,
        }
    }
}

/// An image that is to be written as a cloud-optimized GeoTIFF.
#[derive(Debug, Clone, PartialEq)]
pub struct CogImage {
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// What the samples mean.
    pub samples: CogSamples,
    /// A name for each band: there are as many bands as names.
    pub band_names: Vec<String>,
    /// Names and values for the file's metadata, as GDAL shows them.
    pub metadata: Vec<(String, String)>,
}

impl CogImage {
    fn check(&self) -> Result<(), TiffError> {
        let bands = self.band_count();
        if matches!(self.samples, CogSamples::Classes { .. }) && bands > 1 {
            let reason = format!("an image of classes must have one band, but it has {bands}");
            return Err(Misuse::BadOutput { reason }.into());
        }
        self.description().check()
    }

    pub(crate) fn band_count(&self) -> usize {
        self.band_names.len()
    }

    pub(crate) fn description(&self) -> ImageDescription {
        let (nodata, color_table, scaling) = match &self.samples {
            CogSamples::Classes { nodata, colors } => (f64::from(*nodata), Some(colors.clone()), None),
            CogSamples::Scaled { nodata, scale, offset } => (f64::from(*nodata), None, Some((*scale, *offset))),
            CogSamples::Float => (f64::NAN, None, None),
        };
        ImageDescription {
            nodata: Some(nodata),
            color_table,
            band_names: self.band_names.clone(),
            metadata: self.metadata.clone(),
            scaling,
            ..ImageDescription::new(self.width, self.height, self.samples.sample_type(), self.band_count())
        }
    }

    pub(crate) fn options(&self) -> WriteOptions {
        WriteOptions {
            blocks: BlockLayout::Tiles(WriteOptions::TILE_PX),
            band_order: BandOrder::ByPixel,
            deflate_level: Some(WriteOptions::DEFLATE_LEVEL),
            predictor: match self.samples {
                // The differences of codes mean nothing.
                CogSamples::Classes { .. } => Predictor::None,
                CogSamples::Scaled { .. } => Predictor::Horizontal,
                CogSamples::Float => Predictor::FloatingPoint,
            },
            has_overviews: true,
        }
    }

    pub(crate) fn encoder(&self) -> BlockEncoder {
        let options = self.options();
        BlockEncoder {
            columns: WriteOptions::TILE_PX as usize,
            samples: self.band_count(),
            sample_bytes: self.description().sample_bytes(),
            predictor: options.predictor,
            deflate_level: options.deflate_level,
        }
    }
}

/// A row of pixels, the bands of each pixel together.
#[derive(Debug, Clone, Copy)]
pub enum CogRow<'a> {
    /// Codes or steps.
    U8(&'a [u8]),
    /// Floating point.
    F32(&'a [f32]),
}

/// Takes an image row by row and makes a cloud-optimized GeoTIFF from it.
///
/// It needs about twice the memory of a row of 256 x 256 tiles.
#[derive(Debug)]
pub struct CogWriter<S> {
    image: CogImage,
    geo: Option<GeoTags>,
    scratch: S,
    levels: Vec<Level>,
    /// The current row as little-endian bytes.
    row: Vec<u8>,
}

impl<S: Scratch> CogWriter<S> {
    /// Starts an image. The tags that place it are written as they were read: a transform, or ground control points.
    ///
    /// # Errors
    /// [`Misuse::BadOutput`] for an image whose parts do not fit together.
    pub fn new(image: CogImage, place: Option<&GeoTags>, scratch: S) -> Result<Self, TiffError> {
        image.check()?;
        let mut levels = vec![Level::new(&image, image.width, image.height)];
        let (mut width, mut height) = (image.width, image.height);
        // The smallest overview is one tile.
        while width.max(height) > WriteOptions::TILE_PX {
            (width, height) = (width.div_ceil(2), height.div_ceil(2));
            levels.push(Level::new(&image, width, height));
        }
        Ok(Self {
            geo: place.cloned(),
            image,
            scratch,
            levels,
            row: Vec::new(),
        })
    }

    /// Takes the next row from the top.
    ///
    /// # Errors
    /// [`Misuse::BadOutput`] for a row of another length or type than the image's, and for one row too many; errors of the scratch.
    pub fn push_row(&mut self, row: CogRow<'_>) -> Result<(), TiffError> {
        let samples = self.image.width as usize * self.image.band_count();
        self.row.clear();
        let length = match (row, self.image.samples.sample_type()) {
            (CogRow::U8(row), SampleType::U8) => {
                self.row.extend_from_slice(row);
                row.len()
            }
            (CogRow::F32(row), SampleType::F32) => {
                row.iter()
                    .for_each(|value| self.row.extend_from_slice(&value.to_le_bytes()));
                row.len()
            }
            _ => return Err(bad_row("a row has another type than the image".into())),
        };
        if length != samples {
            return Err(bad_row(format!(
                "a row has {length} samples, but the image has {samples}"
            )));
        }
        let mut row = std::mem::take(&mut self.row);
        for (index, level) in self.levels.iter_mut().enumerate() {
            if level.is_full() {
                self.row = row;
                return Err(bad_row(format!("there are more than {} rows", self.image.height)));
            }
            let reduced = level.push(&row, &mut self.scratch)?;
            if index == 0 {
                self.row = std::mem::take(&mut row);
            }
            match reduced {
                Some(reduced) => row = reduced,
                None => break,
            }
        }
        Ok(())
    }

    /// Ends the image, once all rows are there.
    ///
    /// # Errors
    /// [`Misuse::BadOutput`] if rows are missing.
    pub fn finish(self) -> Result<CogFile<S>, TiffError> {
        if let Some(level) = self.levels.first().filter(|level| !level.is_full()) {
            return Err(bad_row(format!(
                "only {} of {} rows are there",
                level.rows_taken(),
                self.image.height
            )));
        }
        let places = self.levels.into_iter().map(Level::into_places).collect();
        CogFile::new(&self.image, self.geo.as_ref(), places, self.scratch)
    }
}

fn bad_row(reason: String) -> TiffError {
    Misuse::BadOutput { reason }.into()
}
