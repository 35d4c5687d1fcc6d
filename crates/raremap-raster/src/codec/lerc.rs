//! LERC blobs (Limited Error Raster Compression, version 1 and 2), alone or inside of deflate or Zstandard.

use super::{BlockShape, CodecError, Compression};
use crate::error::{RasterError, Unsupported};
use crate::samples::SampleType;

/// What is around a blob, by the second value of the LercParameters tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wrapping {
    None,
    Deflate,
    Zstd,
}

impl Wrapping {
    pub(super) fn from_code(code: u64) -> Result<Self, RasterError> {
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
/// Pixels that the blob's mask leaves out are NaN in floating point files, else 0, as in libtiff; where the blob has one
/// band less than the file, the mask is the opacity band.
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
    let depth = info.depth as usize;
    let has_mask_as_alpha = depth + 1 == shape.samples && shape.sample_type == SampleType::U8;
    if info.bands != 1 || depth != shape.samples && !has_mask_as_alpha {
        return Err(format!(
            "its LERC blob has {} x {depth} bands instead of {}",
            info.bands, shape.samples
        )
        .into());
    }
    match shape.sample_type {
        SampleType::U8 if has_mask_as_alpha => {
            let (values, mask) = decode_values::<u8>(blob, width * rows * depth)?;
            let pixels = values.chunks_exact(depth).enumerate();
            let with_alpha = pixels.flat_map(|(pixel, bands)| {
                let alpha = if mask.is_valid(pixel) { 255 } else { 0 };
                bands.iter().copied().chain([alpha])
            });
            Ok(with_alpha.collect())
        }
        SampleType::U8 => Ok(decode_values::<u8>(blob, width * rows * depth)?.0),
        SampleType::I8 => native::<i8, 1>(blob, shape, |value| value.to_ne_bytes()),
        SampleType::U16 => native::<u16, 2>(blob, shape, u16::to_ne_bytes),
        SampleType::I16 => native::<i16, 2>(blob, shape, i16::to_ne_bytes),
        SampleType::U32 => native::<u32, 4>(blob, shape, u32::to_ne_bytes),
        SampleType::I32 => native::<i32, 4>(blob, shape, i32::to_ne_bytes),
        SampleType::F32 => floats::<f32, 4>(blob, shape, f32::NAN, f32::to_ne_bytes),
        SampleType::F64 => floats::<f64, 8>(blob, shape, f64::NAN, f64::to_ne_bytes),
        SampleType::F16 | SampleType::U64 | SampleType::I64 => {
            Err(CodecError::Unsupported("LERC with samples of this type"))
        }
    }
}

fn invalid(error: &dyn std::fmt::Display) -> CodecError {
    CodecError::Damaged(format!("its LERC blob is invalid: {error}"))
}

/// A blob is longer than its samples by a header, a mask and a few bytes per micro-block at most.
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

fn decode_values<T: ::lerc::Sample>(
    blob: &[u8],
    count: usize,
) -> Result<(Vec<T>, ::lerc::bitmask::BitMask), CodecError> {
    let mut values = vec![T::default(); count];
    let result = ::lerc::decode_into(blob, &mut values).map_err(|error| invalid(&error))?;
    let mask = result
        .valid_masks
        .into_iter()
        .next()
        .ok_or("its LERC blob has no mask")?;
    Ok((values, mask))
}

fn native<T: ::lerc::Sample, const N: usize>(
    blob: &[u8],
    shape: &BlockShape,
    bytes: impl Fn(T) -> [u8; N],
) -> Result<Vec<u8>, CodecError> {
    let (values, _) = decode_values::<T>(blob, shape.width * shape.rows * shape.samples)?;
    Ok(values.into_iter().flat_map(bytes).collect())
}

fn floats<T: ::lerc::Sample, const N: usize>(
    blob: &[u8],
    shape: &BlockShape,
    nan: T,
    bytes: impl Fn(T) -> [u8; N],
) -> Result<Vec<u8>, CodecError> {
    let (mut values, mask) = decode_values::<T>(blob, shape.width * shape.rows * shape.samples)?;
    for (pixel, bands) in values.chunks_exact_mut(shape.samples.max(1)).enumerate() {
        if !mask.is_valid(pixel) {
            bands.fill(nan);
        }
    }
    Ok(values.into_iter().flat_map(bytes).collect())
}
