//! An image to be written.

use crate::error::{Misuse, TiffError};

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

    pub(crate) fn bits_per_sample(&self) -> u16 {
        match self {
            OutputSamples::U8(_) => 8,
            OutputSamples::U16 { .. } | OutputSamples::I16 { .. } => 16,
            OutputSamples::F32 { .. } => 32,
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

impl OutputImage<'_> {
    /// Refuses parts that do not fit together.
    pub(crate) fn check(&self) -> Result<(), TiffError> {
        let bad = |reason: String| Err(Misuse::BadOutput { reason }.into());
        let (width, height) = (self.width, self.height);
        if width == 0 || height == 0 {
            return bad(format!("its size is {width} x {height}"));
        }
        let bands = self.samples.band_count();
        if bands == 0 || bands > usize::from(u16::MAX) {
            return bad(format!("it has {bands} bands"));
        }
        let pixels = u64::from(width) * u64::from(height);
        if let Some((band, length)) = self
            .samples
            .lengths()
            .enumerate()
            .find(|(_, length)| *length as u64 != pixels)
        {
            return bad(format!(
                "band {band} has {length} samples for {width} x {height} pixels"
            ));
        }
        if self.band_names.len() > bands {
            return bad(format!("it has {} band names for {bands} bands", self.band_names.len()));
        }
        if self.color_table.is_some() && !matches!(self.samples, OutputSamples::U8(_)) {
            return bad("only 8-bit images have a colour table".into());
        }
        Ok(())
    }
}

/// A type that samples are written in.
pub(crate) trait OutputSample: Copy + Default {
    /// BitsPerSample.
    const BITS: u16;
    /// SampleFormat.
    const FORMAT: u16;
    /// Predictor: horizontal differences help if neighbours are similar, but not for class codes.
    const PREDICTOR: u16;

    /// Appends the samples of a row after the predictor, in this machine's byte order (the encoder's, too).
    fn append_row(row: &[Self], raw: &mut Vec<u8>);
}

impl OutputSample for u8 {
    const BITS: u16 = 8;
    const FORMAT: u16 = 1;
    const PREDICTOR: u16 = 1;

    fn append_row(row: &[Self], raw: &mut Vec<u8>) {
        raw.extend_from_slice(row);
    }
}

impl OutputSample for u16 {
    const BITS: u16 = 16;
    const FORMAT: u16 = 1;
    const PREDICTOR: u16 = 2;

    fn append_row(row: &[Self], raw: &mut Vec<u8>) {
        let mut left = 0;
        for value in row {
            raw.extend_from_slice(&value.wrapping_sub(left).to_ne_bytes());
            left = *value;
        }
    }
}

impl OutputSample for i16 {
    const BITS: u16 = 16;
    const FORMAT: u16 = 2;
    const PREDICTOR: u16 = 2;

    fn append_row(row: &[Self], raw: &mut Vec<u8>) {
        let mut left = 0;
        for value in row {
            raw.extend_from_slice(&value.wrapping_sub(left).to_ne_bytes());
            left = *value;
        }
    }
}

impl OutputSample for f32 {
    const BITS: u16 = 32;
    const FORMAT: u16 = 3;
    const PREDICTOR: u16 = 1;

    fn append_row(row: &[Self], raw: &mut Vec<u8>) {
        row.iter().for_each(|value| raw.extend_from_slice(&value.to_ne_bytes()));
    }
}
