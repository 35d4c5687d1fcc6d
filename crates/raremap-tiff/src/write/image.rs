//! An image to be written.

use crate::error::{Misuse, TiffError};
use crate::samples::SampleType;
use crate::write::description::ImageDescription;
use crate::write::stream::BlockRequest;

/// An image to be written.
#[derive(Debug, Clone)]
pub struct OutputImage<'a> {
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// The samples, row by row from the top.
    pub samples: OutputSamples<'a>,
    /// The value that marks pixels without data.
    pub nodata: Option<f64>,
    /// Colours of an 8-bit image, by value.
    pub color_table: Option<Vec<(u8, [u8; 3])>>,
    /// Names of the first bands; may be empty.
    pub band_names: Vec<String>,
    /// Names and values for the file's metadata, as GDAL shows them.
    pub metadata: Vec<(String, String)>,
}

/// The samples of an image, band by band.
#[derive(Debug, Clone)]
pub enum OutputSamples<'a> {
    /// One band of 8 bits.
    U8(&'a [u8]),
    /// Unsigned, 16 bits.
    U16 {
        /// One slice per band.
        bands: Vec<&'a [u16]>,
    },
    /// Signed, 16 bits.
    I16 {
        /// One slice per band.
        bands: Vec<&'a [i16]>,
    },
    /// Floating point, 32 bits.
    F32 {
        /// One slice per band.
        bands: Vec<&'a [f32]>,
    },
}

impl OutputSamples<'_> {
    /// How many bands there are.
    pub fn band_count(&self) -> usize {
        match self {
            OutputSamples::U8(_) => 1,
            OutputSamples::U16 { bands } => bands.len(),
            OutputSamples::I16 { bands } => bands.len(),
            OutputSamples::F32 { bands } => bands.len(),
        }
    }

    pub(crate) fn sample_type(&self) -> SampleType {
        match self {
            OutputSamples::U8(_) => SampleType::U8,
            OutputSamples::U16 { .. } => SampleType::U16,
            OutputSamples::I16 { .. } => SampleType::I16,
            OutputSamples::F32 { .. } => SampleType::F32,
        }
    }

    /// The number of samples of each band.
    pub(crate) fn lengths(&self) -> impl Iterator<Item = usize> {
        let lengths: Vec<usize> = match self {
            OutputSamples::U8(band) => vec![band.len()],
            OutputSamples::U16 { bands } => bands.iter().map(|band| band.len()).collect(),
            OutputSamples::I16 { bands } => bands.iter().map(|band| band.len()).collect(),
            OutputSamples::F32 { bands } => bands.iter().map(|band| band.len()).collect(),
        };
        lengths.into_iter()
    }
}

impl<'a> OutputImage<'a> {
    /// An image of samples alone, without a name, a colour table or metadata.
    pub fn new(width: u32, height: u32, samples: OutputSamples<'a>) -> Self {
        Self {
            width,
            height,
            samples,
            nodata: None,
            color_table: None,
            band_names: Vec::new(),
            metadata: Vec::new(),
        }
    }

    /// Refuses parts that do not fit together.
    pub(crate) fn check(&self) -> Result<(), TiffError> {
        self.description().check()?;
        let (width, height) = (self.width, self.height);
        let pixels = u64::from(width) * u64::from(height);
        let mut lengths = self.samples.lengths().enumerate();
        if let Some((band, length)) = lengths.find(|(_, length)| *length as u64 != pixels) {
            let reason = format!("band {band} has {length} samples for {width} x {height} pixels");
            return Err(Misuse::BadOutput { reason }.into());
        }
        Ok(())
    }

    pub(crate) fn description(&self) -> ImageDescription {
        ImageDescription {
            nodata: self.nodata,
            color_table: self.color_table.clone(),
            band_names: self.band_names.clone(),
            metadata: self.metadata.clone(),
            ..ImageDescription::new(
                self.width,
                self.height,
                self.samples.sample_type(),
                self.samples.band_count(),
            )
        }
    }

    /// Appends what a block needs.
    pub(crate) fn append(&self, request: &BlockRequest, raw: &mut Vec<u8>) {
        let size = [self.height, self.width];
        match &self.samples {
            OutputSamples::U8(band) => gather(&[*band], size, request, raw, u8::to_le_bytes),
            OutputSamples::U16 { bands } => gather(bands, size, request, raw, u16::to_le_bytes),
            OutputSamples::I16 { bands } => gather(bands, size, request, raw, i16::to_le_bytes),
            OutputSamples::F32 { bands } => gather(bands, size, request, raw, f32::to_le_bytes),
        }
    }
}

fn gather<T: Copy, const N: usize>(
    bands: &[&[T]],
    [height, width]: [u32; 2],
    request: &BlockRequest,
    raw: &mut Vec<u8>,
    bytes: impl Fn(T) -> [u8; N],
) {
    let bands = match request.band {
        Some(band) => bands.get(band..=band).unwrap_or_default(),
        None => bands,
    };
    let columns = request.source_columns(width);
    for row in request.source_rows(height) {
        let start = row as usize * width as usize;
        for column in columns.clone() {
            for band in bands {
                if let Some(sample) = band.get(start + column as usize) {
                    raw.extend_from_slice(&bytes(*sample));
                }
            }
        }
    }
}
