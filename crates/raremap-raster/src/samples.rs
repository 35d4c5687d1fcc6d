//! Sample types, and turning a block's bytes into values and validity.

use serde::Serialize;

use crate::error::{RasterError, Unsupported};

/// The type in which a file stores its samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SampleType {
    /// Unsigned, up to 8 bits.
    U8,
    /// Signed, 8 bits.
    I8,
    /// Unsigned, up to 16 bits.
    U16,
    /// Signed, 16 bits.
    I16,
    /// Unsigned, 32 bits.
    U32,
    /// Signed, 32 bits.
    I32,
    /// Floating point, 16 bits.
    F16,
    /// Floating point, 32 bits.
    F32,
    /// Floating point, 64 bits.
    F64,
}

impl SampleType {
    /// Recognizes BitsPerSample and SampleFormat.
    pub(crate) fn from_tags(bits: u16, format: u64) -> Result<Self, RasterError> {
        match (bits, format) {
            // 4 is "undefined", which libtiff reads as unsigned.
            (1..=8, 1 | 4) => Ok(SampleType::U8),
            (9..=16, 1 | 4) => Ok(SampleType::U16),
            (32, 1 | 4) => Ok(SampleType::U32),
            (8, 2) => Ok(SampleType::I8),
            (16, 2) => Ok(SampleType::I16),
            (32, 2) => Ok(SampleType::I32),
            (16, 3) => Ok(SampleType::F16),
            (32, 3) => Ok(SampleType::F32),
            (64, 3) => Ok(SampleType::F64),
            _ => {
                let format = match format {
                    1 | 4 => "unsigned integer",
                    2 => "signed integer",
                    3 => "floating point",
                    5 | 6 => "complex",
                    _ => "unknown",
                };
                Err(Unsupported::SampleType { bits, format }.into())
            }
        }
    }

    /// Bytes of one sample once unpacked.
    pub(crate) fn bytes(self) -> usize {
        match self {
            SampleType::U8 | SampleType::I8 => 1,
            SampleType::U16 | SampleType::I16 | SampleType::F16 => 2,
            SampleType::U32 | SampleType::I32 | SampleType::F32 => 4,
            SampleType::F64 => 8,
        }
    }

    /// Whether this is a floating point type.
    pub(crate) fn is_float(self) -> bool {
        matches!(self, SampleType::F16 | SampleType::F32 | SampleType::F64)
    }
}

/// A type that samples are read into: `f32` for computing, `f64` where every stored value must survive.
pub trait SampleValue: Copy + Default + PartialEq + Send + Sync + 'static {
    /// Rounds to this type.
    fn from_f64(value: f64) -> Self;

    /// Whether this is neither NaN nor infinite.
    fn is_finite(self) -> bool;
}

impl SampleValue for f32 {
    fn from_f64(value: f64) -> Self {
        value as f32
    }

    fn is_finite(self) -> bool {
        f32::is_finite(self)
    }
}

impl SampleValue for f64 {
    fn from_f64(value: f64) -> Self {
        value
    }

    fn is_finite(self) -> bool {
        f64::is_finite(self)
    }
}

/// The samples of a window, band by band.
///
/// A pixel is invalid where any of the bands is NaN, infinite or the file's nodata value. Only a nodata value of 0 must be in all of the
/// bands: 0 can be measured in one, as near infrared over clear water often is.
#[derive(Debug, Clone, PartialEq)]
pub struct Samples<T = f32> {
    /// How many bands were asked for.
    pub bands: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// `[band][row][column]`, as stored: nodata pixels hold the nodata value.
    pub values: Vec<T>,
    /// `[row][column]`: false where the pixel is invalid.
    pub valid: Vec<bool>,
}

impl<T: SampleValue> Samples<T> {
    /// All zero and valid; the caller has checked the size against the limits.
    pub(crate) fn new(bands: usize, height: usize, width: usize) -> Self {
        let pixels = height * width;
        Self {
            bands,
            height,
            width,
            values: vec![T::default(); bands * pixels],
            valid: vec![true; pixels],
        }
    }

    /// Fills `count` pixels of one row of one band with values and lowers their validity.
    pub(crate) fn put(
        &mut self,
        band: usize,
        row: usize,
        column: usize,
        values: impl Iterator<Item = f64>,
        nodata: f64,
    ) {
        let pixel = row * self.width + column;
        let row_end = (row + 1) * self.width;
        let plane = band * self.height * self.width;
        let (Some(targets), Some(validity)) = (
            self.values.get_mut(plane + pixel..plane + row_end),
            self.valid.get_mut(pixel..row_end),
        ) else {
            return;
        };
        for ((target, valid), value) in targets.iter_mut().zip(validity).zip(values) {
            *target = T::from_f64(value);
            // A NaN nodata equals nothing, but NaN is invalid anyway. That of 0 takes all bands to judge.
            *valid &= (value != nodata || nodata == 0.0) && target.is_finite();
        }
    }

    /// Makes pixels invalid that are 0 in each of the first `bands` bands: what a nodata value of 0 means.
    ///
    /// Reading does it with all the bands that were read; those who read more than they judge by do it again.
    pub fn invalidate_zero_pixels(&mut self, bands: usize) {
        let mut has_value = vec![false; self.valid.len()];
        for plane in self.values.chunks_exact(self.valid.len().max(1)).take(bands) {
            for (has_value, value) in has_value.iter_mut().zip(plane) {
                *has_value |= *value != T::default();
            }
        }
        for (valid, has_value) in self.valid.iter_mut().zip(has_value) {
            *valid &= has_value;
        }
    }
}

/// One stored row of samples in native byte order: which bytes, and how they are to be read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StoredRow<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) sample_type: SampleType,
    /// Index of the first sample.
    pub(crate) first: usize,
    /// Samples from one value to the next.
    pub(crate) stride: usize,
    /// How many values.
    pub(crate) count: usize,
}

impl StoredRow<'_> {
    /// Writes the row into the result.
    pub(crate) fn copy_to<T: SampleValue>(
        self,
        out: &mut Samples<T>,
        band: usize,
        row: usize,
        column: usize,
        nodata: f64,
    ) {
        match self.sample_type {
            SampleType::U8 => out.put(band, row, column, self.values(u8::from_ne_bytes), nodata),
            SampleType::I8 => out.put(band, row, column, self.values(i8::from_ne_bytes), nodata),
            SampleType::U16 => out.put(band, row, column, self.values(u16::from_ne_bytes), nodata),
            SampleType::I16 => out.put(band, row, column, self.values(i16::from_ne_bytes), nodata),
            SampleType::U32 => out.put(band, row, column, self.values(u32::from_ne_bytes), nodata),
            SampleType::I32 => out.put(band, row, column, self.values(i32::from_ne_bytes), nodata),
            SampleType::F16 => out.put(band, row, column, self.values(f16_to_f32), nodata),
            SampleType::F32 => out.put(band, row, column, self.values(f32::from_ne_bytes), nodata),
            SampleType::F64 => out.put(band, row, column, self.values(f64::from_ne_bytes), nodata),
        }
    }

    fn values<const N: usize, V: Into<f64>>(&self, read: impl Fn([u8; N]) -> V) -> impl Iterator<Item = f64> {
        let (samples, _) = self.bytes.as_chunks::<N>();
        let from_first = samples.get(self.first..).unwrap_or_default();
        from_first
            .iter()
            .step_by(self.stride.max(1))
            .take(self.count)
            .map(move |sample| read(*sample).into())
    }
}

/// IEEE 754 half precision.
fn f16_to_f32(bytes: [u8; 2]) -> f32 {
    let half = u16::from_ne_bytes(bytes);
    let sign = if half & 0x8000 == 0 { 1.0 } else { -1.0 };
    let exponent = i32::from((half >> 10) & 0x1F);
    let fraction = f32::from(half & 0x3FF);
    match exponent {
        0 => sign * fraction * 2f32.powi(-24),
        31 if fraction == 0.0 => sign * f32::INFINITY,
        31 => f32::NAN,
        _ => sign * (1.0 + fraction / 1024.0) * 2f32.powi(exponent - 15),
    }
}

/// Widens samples of up to 16 bits that are packed most significant bit first to one or two bytes each, in native byte
/// order; every row starts on a byte.
pub(crate) fn unpack_bits(packed: &[u8], bits: u16, packed_row_bytes: usize, samples_per_row: usize) -> Vec<u8> {
    let rows = packed.len() / packed_row_bytes.max(1);
    let mut unpacked = Vec::with_capacity(rows * samples_per_row * if bits > 8 { 2 } else { 1 });
    let mask = (1u32 << bits) - 1;
    for row in packed.chunks_exact(packed_row_bytes.max(1)) {
        let (mut window, mut held_bits) = (0u32, 0);
        let mut samples_left = samples_per_row;
        for byte in row {
            window = (window << 8) | u32::from(*byte);
            held_bits += 8;
            while held_bits >= bits && samples_left > 0 {
                held_bits -= bits;
                samples_left -= 1;
                let sample = (window >> held_bits) & mask;
                if bits > 8 {
                    unpacked.extend_from_slice(&(sample as u16).to_ne_bytes());
                } else {
                    unpacked.push(sample as u8);
                }
            }
        }
    }
    unpacked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_precision_values_are_exact() {
        for (bits, value) in [
            (0x3C00u16, 1.0f32),
            (0xC000, -2.0),
            (0x7BFF, 65504.0),
            (0x0001, 5.960_464_5e-8),
            (0, 0.0),
        ] {
            assert_eq!(f16_to_f32(bits.to_ne_bytes()), value);
        }
        assert!(f16_to_f32(0x7E00u16.to_ne_bytes()).is_nan());
        assert_eq!(f16_to_f32(0xFC00u16.to_ne_bytes()), f32::NEG_INFINITY);
    }

    #[test]
    fn packed_rows_start_on_a_byte() {
        assert_eq!(unpack_bits(&[0b1010_0000, 0b0110_0000], 1, 1, 3), [1, 0, 1, 0, 1, 1]);
        assert_eq!(unpack_bits(&[0x1F, 0x20, 0x30, 0x40], 4, 2, 3), [1, 15, 2, 3, 0, 4]);
        let words = [0x123u16, 0xABC, 0xFFF].map(u16::to_ne_bytes).concat();
        assert_eq!(unpack_bits(&[0x12, 0x3A, 0xBC, 0xFF, 0xF0], 12, 5, 3), words);
    }

    #[test]
    fn nodata_and_not_finite_values_are_invalid() {
        let mut samples = Samples::<f32>::new(2, 1, 4);
        samples.put(0, 0, 0, [1.0, -9999.0, f64::NAN, 1e300].into_iter(), -9999.0);
        samples.put(1, 0, 0, [f64::INFINITY, 0.0, 0.0, 0.0].into_iter(), -9999.0);
        assert_eq!(samples.valid, [false; 4]);
        let mut samples = Samples::<f64>::new(1, 1, 2);
        samples.put(0, 0, 0, [1e300, 2.0].into_iter(), f64::NAN);
        assert_eq!(samples.valid, [true; 2]);
    }

    #[test]
    fn a_nodata_value_of_zero_marks_only_pixels_that_are_zero_in_all_bands() {
        let mut samples = Samples::<f32>::new(2, 1, 3);
        samples.put(0, 0, 0, [0.0, 5.0, f64::NAN].into_iter(), 0.0);
        samples.put(1, 0, 0, [0.0, 0.0, 0.0].into_iter(), 0.0);
        samples.invalidate_zero_pixels(2);
        assert_eq!(samples.valid, [false, true, false]);
        samples.invalidate_zero_pixels(0);
        assert_eq!(samples.valid, [false; 3]);
    }
}
