//! Sample types, and the conversion of a block's bytes into values and validity.

pub(crate) mod nodata;
pub(crate) mod ycbcr;

use serde::Serialize;

use crate::error::{TiffError, Unsupported};
use crate::samples::nodata::StoredNodata;

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
    /// Unsigned, up to 32 bits.
    U32,
    /// Signed, 32 bits.
    I32,
    /// Unsigned, 64 bits.
    U64,
    /// Signed, 64 bits.
    I64,
    /// Floating point, 16 bits.
    F16,
    /// Floating point, 24 or 32 bits.
    F32,
    /// Floating point, 64 bits.
    F64,
}

impl SampleType {
    /// Its usual name.
    pub fn title(self) -> &'static str {
        match self {
            Self::U8 => "8-bit",
            Self::I8 => "8-bit signed",
            Self::U16 => "16-bit",
            Self::I16 => "16-bit signed",
            Self::U32 => "32-bit",
            Self::I32 => "32-bit signed",
            Self::U64 => "64-bit",
            Self::I64 => "64-bit signed",
            Self::F16 => "16-bit float",
            Self::F32 => "32-bit float",
            Self::F64 => "64-bit float",
        }
    }

    /// Recognizes BitsPerSample and SampleFormat.
    pub(crate) fn from_tags(bits: u16, format: u64) -> Result<Self, TiffError> {
        match (bits, format) {
            // 4 is "undefined", which libtiff reads as unsigned.
            (1..=8, 1 | 4) => Ok(SampleType::U8),
            (9..=16, 1 | 4) => Ok(SampleType::U16),
            (17..=32, 1 | 4) => Ok(SampleType::U32),
            (64, 1 | 4) => Ok(SampleType::U64),
            (8, 2) => Ok(SampleType::I8),
            (16, 2) => Ok(SampleType::I16),
            (32, 2) => Ok(SampleType::I32),
            (64, 2) => Ok(SampleType::I64),
            (16, 3) => Ok(SampleType::F16),
            (24 | 32, 3) => Ok(SampleType::F32),
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
            SampleType::U64 | SampleType::I64 | SampleType::F64 => 8,
        }
    }

    /// The smallest and the largest value of an integer type; `None` for a floating-point type.
    pub(crate) fn integer_range(self) -> Option<(f64, f64)> {
        match self {
            SampleType::U8 => Some((0.0, 255.0)),
            SampleType::I8 => Some((-128.0, 127.0)),
            SampleType::U16 => Some((0.0, 65_535.0)),
            SampleType::I16 => Some((-32_768.0, 32_767.0)),
            SampleType::U32 => Some((0.0, f64::from(u32::MAX))),
            SampleType::I32 => Some((f64::from(i32::MIN), f64::from(i32::MAX))),
            // Rounded to the nearest number that f64 has, as values of these types are.
            SampleType::U64 => Some((0.0, u64::MAX as f64)),
            SampleType::I64 => Some((i64::MIN as f64, i64::MAX as f64)),
            SampleType::F16 | SampleType::F32 | SampleType::F64 => None,
        }
    }

    /// Whether this is a floating point type.
    pub fn is_float(self) -> bool {
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
/// A pixel is invalid where any of the bands is NaN, infinite or the file's nodata value. Only a nodata value of 0 must be in all of the
/// bands: one band can measure 0, as near infrared over clear water often does. If the file has an internal mask, that counts instead of
/// nodata (as in GDAL).
/// of nodata (as in GDAL).
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
    /// Starts with zeros that are all valid; the caller has checked the size against the limits.
    pub fn new(bands: usize, height: usize, width: usize) -> Self {
        let pixels = height * width;
        Self {
            bands,
            height,
            width,
            values: vec![T::default(); bands * pixels],
            valid: vec![true; pixels],
        }
    }

    /// Fills pixels of one row of one band with values and marks invalid ones. Without `nodata`, all of them are finite and none is nodata,
    /// which is faster.
    pub(crate) fn put(
        &mut self,
        band: usize,
        row: usize,
        column: usize,
        values: impl Iterator<Item = f64>,
        nodata: Option<StoredNodata>,
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
        let Some(nodata) = nodata else {
            targets
                .iter_mut()
                .zip(values)
                .for_each(|(target, value)| *target = T::from_f64(value));
            return;
        };
        // A nodata value of 0 needs all bands to decide.
        let nodata = if nodata.is_zero() { nodata.unmarked() } else { nodata };
        for ((target, valid), value) in targets.iter_mut().zip(validity).zip(values) {
            *target = T::from_f64(value);
            *valid &= !nodata.marks(value) && target.is_finite();
        }
    }

    /// Marks masked pixels as invalid, where any of the mask's bands is 0.
    pub(crate) fn invalidate_masked(&mut self, mask: &Samples<f32>) {
        for band in mask.values.chunks_exact(self.valid.len().max(1)) {
            for (valid, opacity) in self.valid.iter_mut().zip(band) {
                *valid &= *opacity != 0.0;
            }
        }
    }

    /// Marks pixels as invalid that are 0 in each of the first `bands` bands, which is what a nodata value of 0 means.
    ///
    /// Reading does this with all the bands that were read; callers that read more bands than should count do it again.
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

/// One stored row of samples in native byte order: which bytes, and how to read them.
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
        nodata: StoredNodata,
    ) {
        let is_plain = !self.sample_type.is_float() && (nodata.is_zero() || !nodata.marks_any());
        let nodata = (!is_plain).then_some(nodata);
        match self.sample_type {
            SampleType::U8 => out.put(band, row, column, self.values(u8::from_ne_bytes), nodata),
            SampleType::I8 => out.put(band, row, column, self.values(i8::from_ne_bytes), nodata),
            SampleType::U16 => out.put(band, row, column, self.values(u16::from_ne_bytes), nodata),
            SampleType::I16 => out.put(band, row, column, self.values(i16::from_ne_bytes), nodata),
            SampleType::U32 => out.put(band, row, column, self.values(u32::from_ne_bytes), nodata),
            SampleType::I32 => out.put(band, row, column, self.values(i32::from_ne_bytes), nodata),
            SampleType::U64 => {
                let values = self.values(|bytes| u64::from_ne_bytes(bytes) as f64);
                out.put(band, row, column, values, nodata);
            }
            SampleType::I64 => {
                let values = self.values(|bytes| i64::from_ne_bytes(bytes) as f64);
                out.put(band, row, column, values, nodata);
            }
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

/// Reads samples of fewer than 8 bits from a row in which they are packed most significant bit first: `count` of them, `stride` apart.
pub(crate) fn pick_bits(row: &[u8], bits: u16, first: usize, stride: usize, count: usize) -> Vec<u8> {
    let bits = usize::from(bits.clamp(1, 7));
    let byte = |index: usize| u16::from(row.get(index).copied().unwrap_or_default());
    let mask = (1u16 << bits) - 1;
    (0..count)
        .map(|index| {
            let end = (first + index * stride + 1) * bits;
            // The last bit and seven before it lie in two bytes.
            let last = (end - 1) / 8;
            let pair = last.checked_sub(1).map_or(0, byte) << 8 | byte(last);
            (pair >> (8 * (last + 1) - end) & mask) as u8
        })
        .collect()
}

/// Widens unsigned samples of 9 to 32 bits that are packed most significant bit first to two or four bytes each, in
/// native byte order; every row starts on a byte.
pub(crate) fn unpack_bits(packed: &[u8], bits: u16, packed_row_bytes: usize, samples_per_row: usize) -> Vec<u8> {
    let rows = packed.len() / packed_row_bytes.max(1);
    let sample_bytes = if bits <= 16 { 2 } else { 4 };
    let mut unpacked = Vec::with_capacity(rows * samples_per_row * sample_bytes);
    let mask = (1u64 << bits.min(32)) - 1;
    for row in packed.chunks_exact(packed_row_bytes.max(1)) {
        let (mut window, mut held_bits) = (0u64, 0);
        let mut samples_left = samples_per_row;
        for byte in row {
            window = (window << 8) | u64::from(*byte);
            held_bits += 8;
            while held_bits >= bits && samples_left > 0 {
                held_bits -= bits;
                samples_left -= 1;
                let sample = (window >> held_bits) & mask;
                if sample_bytes == 2 {
                    unpacked.extend_from_slice(&(sample as u16).to_ne_bytes());
                } else {
                    unpacked.extend_from_slice(&(sample as u32).to_ne_bytes());
                }
            }
        }
    }
    unpacked
}

/// Widens 24-bit floating point samples (TIFF technical note 3: 1 bit of sign, 7 of exponent, 16 of fraction) of native
/// byte order to 32 bits.
pub(crate) fn widen_f24(samples: &[u8]) -> Vec<u8> {
    let (triples, _) = samples.as_chunks::<3>();
    triples
        .iter()
        .flat_map(|triple| f24_to_f32(*triple).to_ne_bytes())
        .collect()
}

fn f24_to_f32(bytes: [u8; 3]) -> f32 {
    let [a, b, c] = bytes.map(u32::from);
    let bits = if cfg!(target_endian = "little") {
        (c << 16) | (b << 8) | a
    } else {
        (a << 16) | (b << 8) | c
    };
    let sign = if bits >> 23 == 0 { 1.0 } else { -1.0 };
    let fraction = (bits & 0xFFFF) as f32;
    match (bits >> 16) & 0x7F {
        0 => sign * fraction * 2f32.powi(-78),
        127 if fraction == 0.0 => sign * f32::INFINITY,
        127 => f32::NAN,
        exponent => sign * (1.0 + fraction / 65536.0) * 2f32.powi(exponent as i32 - 63),
    }
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
    fn values_of_24_bits_are_exact() {
        for (bits, value) in [
            (0x3F_0000u32, 1.0f32),
            (0xC0_8000, -3.0),
            (0x00_0001, 2f32.powi(-78)),
            (0, 0.0),
        ] {
            let [low, middle, high, _] = bits.to_le_bytes();
            let native = if cfg!(target_endian = "little") {
                [low, middle, high]
            } else {
                [high, middle, low]
            };
            assert_eq!(f24_to_f32(native), value);
        }
    }

    #[test]
    fn samples_of_a_few_bits_are_picked_where_they_lie() {
        assert_eq!(pick_bits(&[0b1010_0000, 0b0110_0001], 1, 0, 1, 4), [1, 0, 1, 0]);
        assert_eq!(pick_bits(&[0b1010_0000, 0b0110_0001], 1, 6, 3, 4), [0, 1, 0, 1]);
        assert_eq!(pick_bits(&[0x1F, 0x2A], 4, 1, 2, 2), [15, 10]);
        // 001 010 011 100 101
        assert_eq!(pick_bits(&[0b0010_1001, 0b1100_1010], 3, 0, 1, 5), [1, 2, 3, 4, 5]);
        assert_eq!(pick_bits(&[0b1000_0001, 0b0000_0011], 7, 0, 1, 2), [64, 64]);
        assert_eq!(pick_bits(&[], 1, 0, 1, 2), [0, 0]);
    }

    #[test]
    fn packed_rows_start_on_a_byte() {
        let words = [0x123u16, 0xABC, 0xFFF].map(u16::to_ne_bytes).concat();
        assert_eq!(unpack_bits(&[0x12, 0x3A, 0xBC, 0xFF, 0xF0], 12, 5, 3), words);
        let longs = [0x12345u32, 0x6789A].map(u32::to_ne_bytes).concat();
        assert_eq!(unpack_bits(&[0x12, 0x34, 0x56, 0x78, 0x9A], 20, 5, 2), longs);
    }

    fn marked(nodata: f64) -> StoredNodata {
        StoredNodata::new(nodata, SampleType::F64)
    }

    #[test]
    fn nodata_and_not_finite_values_are_invalid() {
        let mut samples = Samples::<f32>::new(2, 1, 4);
        samples.put(
            0,
            0,
            0,
            [1.0, -9999.0, f64::NAN, 1e300].into_iter(),
            Some(marked(-9999.0)),
        );
        samples.put(
            1,
            0,
            0,
            [f64::INFINITY, 0.0, 0.0, 0.0].into_iter(),
            Some(marked(-9999.0)),
        );
        assert_eq!(samples.valid, [false; 4]);
        let mut samples = Samples::<f64>::new(1, 1, 2);
        samples.put(0, 0, 0, [1e300, 2.0].into_iter(), Some(StoredNodata::NONE));
        assert_eq!(samples.valid, [true; 2]);
    }

    #[test]
    fn a_nodata_value_of_zero_marks_only_pixels_that_are_zero_in_all_bands() {
        let mut samples = Samples::<f32>::new(2, 1, 3);
        samples.put(0, 0, 0, [0.0, 5.0, f64::NAN].into_iter(), Some(marked(0.0)));
        samples.put(1, 0, 0, [0.0, 0.0, 0.0].into_iter(), Some(marked(0.0)));
        samples.invalidate_zero_pixels(2);
        assert_eq!(samples.valid, [false, true, false]);
        samples.invalidate_zero_pixels(0);
        assert_eq!(samples.valid, [false; 3]);
    }
}
