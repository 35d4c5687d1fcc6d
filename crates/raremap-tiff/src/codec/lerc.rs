//! LERC blobs (Limited Error Raster Compression, version 1 and 2), alone or inside of deflate or Zstandard.

use ::lerc::bitmask::BitMask;

use super::{BlockShape, CodecError, Compression};
use crate::error::{TiffError, Unsupported};
use crate::samples::SampleType;

/// What is around a blob, by the second value of the LercParameters tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wrapping {
    None,
    Deflate,
    Zstd,
}

impl Wrapping {
    pub(super) fn from_code(code: u64) -> Result<Self, TiffError> {
        match code {
            0 => Ok(Wrapping::None),
            1 => Ok(Wrapping::Deflate),
            2 => Ok(Wrapping::Zstd),
            _ => Err(Unsupported::Feature {
                feature: "the additional compression that LercParameters names",
            }
            .into()),
        }
    }
}

/// Decodes one strip or tile to chunky samples in native byte order.
///
/// Pixels that the blob's mask leaves out are NaN in floating-point files and 0 in others, as in libtiff. If the blob has one band less
/// than the file, the mask is the opacity band.
pub(super) fn decode(compressed: &[u8], shape: &BlockShape, wrapping: Wrapping) -> Result<Vec<u8>, CodecError> {
    let unwrapped;
    let blob = match wrapping {
        Wrapping::None => compressed,
        Wrapping::Deflate => {
            unwrapped = unwrap(Compression::Deflate, compressed, shape)?;
            &unwrapped
        }
        Wrapping::Zstd => {
            unwrapped = unwrap(Compression::Zstd, compressed, shape)?;
            &unwrapped
        }
    };
    let info = ::lerc::decode_info(blob).map_err(|error| invalid(&error))?;
    let (width, rows) = (info.width as usize, info.height as usize);
    if width != shape.width || rows != shape.rows {
        let (expected_width, expected_rows) = (shape.width, shape.rows);
        return Err(
            format!("its LERC blob has {width} x {rows} pixels instead of {expected_width} x {expected_rows}").into(),
        );
    }
    let coded = Coded {
        pixels: width * rows,
        bands: info.bands as usize,
        depth: info.depth as usize,
    };
    let has_mask_as_alpha = coded.samples() + 1 == shape.samples && shape.sample_type == SampleType::U8;
    if coded.samples() != shape.samples && !has_mask_as_alpha {
        return Err(format!(
            "its LERC blob has {} bands instead of {}",
            coded.samples(),
            shape.samples
        )
        .into());
    }
    match shape.sample_type {
        SampleType::U8 if has_mask_as_alpha => {
            let (values, masks) = coded.decode::<u8>(blob)?;
            let mask = masks.first().ok_or("its LERC blob has no mask")?;
            let pixels = values.chunks_exact(coded.samples()).enumerate();
            let with_alpha = pixels.flat_map(|(pixel, bands)| {
                let alpha = if mask.is_valid(pixel) { 255 } else { 0 };
                bands.iter().copied().chain([alpha])
            });
            Ok(with_alpha.collect())
        }
        SampleType::U8 => Ok(coded.decode::<u8>(blob)?.0),
        SampleType::I8 => coded.integers(blob, i8::to_ne_bytes),
        SampleType::U16 => coded.integers(blob, u16::to_ne_bytes),
        SampleType::I16 => coded.integers(blob, i16::to_ne_bytes),
        SampleType::U32 => coded.integers(blob, u32::to_ne_bytes),
        SampleType::I32 => coded.integers(blob, i32::to_ne_bytes),
        SampleType::F32 => coded.floats(blob, f32::NAN, f32::to_ne_bytes),
        SampleType::F64 => coded.floats(blob, f64::NAN, f64::to_ne_bytes),
        SampleType::F16 | SampleType::U64 | SampleType::I64 => {
            Err(CodecError::Unsupported("LERC with samples of this type"))
        }
    }
}

fn invalid(error: &dyn std::fmt::Display) -> CodecError {
    CodecError::Damaged(format!("its LERC blob is invalid: {error}"))
}

/// A blob is longer than its samples by at most a header, a mask and a few bytes per micro-block.
fn unwrap(compression: Compression, compressed: &[u8], shape: &BlockShape) -> Result<Vec<u8>, CodecError> {
    let most = shape.unpacked_bytes.saturating_mul(2).saturating_add(64 << 10);
    let mut blob = vec![0; most.min(compressed.len().saturating_add(1).saturating_mul(1032))];
    let filled = match compression {
        Compression::Zstd => super::zstd::decode(compressed, &mut blob)?,
        _ => super::deflate::decode(compressed, &mut blob)?,
    };
    blob.truncate(filled);
    Ok(blob)
}

/// The shape of a blob: several values to a pixel under one mask, or bands one after the other with their own masks.
#[derive(Debug, Clone, Copy)]
struct Coded {
    pixels: usize,
    bands: usize,
    depth: usize,
}

impl Coded {
    fn samples(self) -> usize {
        self.bands * self.depth
    }

    /// Chunky samples, and the mask of each band.
    fn decode<T: ::lerc::Sample>(self, blob: &[u8]) -> Result<(Vec<T>, Vec<BitMask>), CodecError> {
        let mut values = vec![T::default(); self.pixels * self.samples()];
        let result = ::lerc::decode_into(blob, &mut values).map_err(|error| invalid(&error))?;
        if result.valid_masks.len() != self.bands {
            return Err("its LERC blob does not have a mask for each band".into());
        }
        if self.bands > 1 {
            let mut chunky = vec![T::default(); values.len()];
            for (band, plane) in values.chunks_exact(self.pixels * self.depth).enumerate() {
                let pixels = chunky.chunks_exact_mut(self.samples());
                for (to, from) in pixels.zip(plane.chunks_exact(self.depth)) {
                    to.iter_mut()
                        .skip(band * self.depth)
                        .zip(from)
                        .for_each(|(to, from)| *to = *from);
                }
            }
            values = chunky;
        }
        Ok((values, result.valid_masks))
    }

    fn integers<T: ::lerc::Sample, const N: usize>(
        self,
        blob: &[u8],
        bytes: impl Fn(T) -> [u8; N],
    ) -> Result<Vec<u8>, CodecError> {
        Ok(self.decode::<T>(blob)?.0.into_iter().flat_map(bytes).collect())
    }

    fn floats<T: ::lerc::Sample, const N: usize>(
        self,
        blob: &[u8],
        nan: T,
        bytes: impl Fn(T) -> [u8; N],
    ) -> Result<Vec<u8>, CodecError> {
        let (mut values, masks) = self.decode::<T>(blob)?;
        for (band, mask) in masks.iter().enumerate().filter(|(_, mask)| !mask.is_all_valid()) {
            for (pixel, samples) in values.chunks_exact_mut(self.samples()).enumerate() {
                if !mask.is_valid(pixel) {
                    samples
                        .iter_mut()
                        .skip(band * self.depth)
                        .take(self.depth)
                        .for_each(|sample| *sample = nan);
                }
            }
        }
        Ok(values.into_iter().flat_map(bytes).collect())
    }
}
