//! JPEG in TIFF (compression 7, TIFF technical note 2): baseline, extended and progressive Huffman coding, 8 and 12 bits.
//!
//! The decoder is our own because pixels have to equal GDAL's, whose usual Python build has libjpeg 9: the crates for JPEG
//! round differently in the inverse DCT, the upsampling of chroma or the conversion of colours.

mod bits;
mod color;
mod frame;
mod idct;
mod parts;
mod scan;

use super::{BlockShape, CodecError};
use crate::samples::ycbcr::YCbCr;
use color::rgb_of;
use frame::{Expected, read_stream};
use parts::Tables;

/// Decodes one strip or tile to chunky samples in native byte order.
///
/// `tables` is the value of the JPEGTables tag, empty without it. With `to_rgb`, three components are read as YCbCr and
/// converted; else samples are as coded. What the coded image does not cover is 0.
pub(super) fn decode(
    tables: &[u8],
    compressed: &[u8],
    shape: &BlockShape,
    to_rgb: bool,
) -> Result<Vec<u8>, CodecError> {
    let expected = Expected {
        width: shape.width,
        height: shape.rows,
        may_be_higher: shape.is_last_strip,
        components: shape.samples,
        bits: shape.bits,
        doubles_chroma: true,
    };
    // Each block of 64 samples takes a bit at least.
    let most = (compressed.len() as u64 + 1) * 8 * 64 * 4;
    if shape.unpacked_bytes as u64 > most {
        return Err("it is too short for its JPEG image".into());
    }
    let mut tables = Tables::read(tables)?;
    let frame = read_stream(&mut tables, compressed, Some(expected))?.ok_or("its JPEG data holds no image")?;

    let sample_bytes = if shape.bits > 8 { 2 } else { 1 };
    let row_bytes = shape.width * shape.samples * sample_bytes;
    let mut decoded = vec![0; shape.unpacked_bytes];
    let mut rows = vec![vec![0u16; frame.width]; frame.components.len()];
    for (y, out) in decoded
        .chunks_exact_mut(row_bytes.max(1))
        .enumerate()
        .take(frame.height)
    {
        for (component, row) in frame.components.iter().zip(&mut rows) {
            component.copy_row(y, row);
        }
        if to_rgb && let [first, second, third] = rows.as_mut_slice() {
            for ((a, b), c) in first.iter_mut().zip(second).zip(third) {
                [*a, *b, *c] = rgb_of([*a, *b, *c], frame.bits);
            }
        }
        for (band, row) in rows.iter().enumerate() {
            if sample_bytes == 1 {
                let targets = out.iter_mut().skip(band).step_by(shape.samples);
                targets.zip(row).for_each(|(to, sample)| *to = *sample as u8);
            } else {
                let targets = out.as_chunks_mut::<2>().0.iter_mut().skip(band).step_by(shape.samples);
                targets.zip(row).for_each(|(to, sample)| *to = sample.to_ne_bytes());
            }
        }
    }
    Ok(decoded)
}

/// The peculiarities of old-style JPEG.
#[derive(Debug, Clone, Copy)]
pub(super) struct OldFrame<'a> {
    /// Converts three components to red, green and blue; `None` of gray images.
    pub(super) colors: Option<&'a YCbCr>,
}

/// Like [`decode`], for old-style JPEG: the frame may be larger than the block, and chroma is repeated rather than doubled by the transform,
/// as in libtiff.
pub(super) fn decode_old(
    tables: &[u8],
    stream: &[u8],
    shape: &BlockShape,
    old: OldFrame<'_>,
) -> Result<Vec<u8>, CodecError> {
    // Frames are padded to whole units, of 32 pixels at most.
    let padded = |size: usize| size.next_multiple_of(OLD_FRAME_UNIT_PX);
    let expected = Expected {
        width: padded(shape.width),
        height: padded(shape.rows),
        may_be_higher: false,
        components: shape.samples,
        bits: shape.bits,
        doubles_chroma: false,
    };
    let most = (stream.len() as u64 + 1) * 8 * 64 * 4;
    if shape.unpacked_bytes as u64 > most {
        return Err("it is too short for its JPEG image".into());
    }
    let mut tables = Tables::read(tables)?;
    let frame = read_stream(&mut tables, stream, Some(expected))?.ok_or("its JPEG data holds no image")?;
    let mut decoded = vec![0; shape.unpacked_bytes];
    let mut rows = vec![vec![0u16; frame.width]; frame.components.len()];
    let row_bytes = shape.width * shape.samples;
    for (y, out) in decoded
        .chunks_exact_mut(row_bytes.max(1))
        .enumerate()
        .take(frame.height)
    {
        for (component, row) in frame.components.iter().zip(&mut rows) {
            component.copy_row(y, row);
        }
        match (rows.as_slice(), old.colors) {
            ([luma, cb, cr], Some(colors)) => {
                let pixels = luma.iter().zip(cb).zip(cr);
                for (target, ((y, cb), cr)) in out.as_chunks_mut::<3>().0.iter_mut().zip(pixels) {
                    *target = colors.rgb(*y as u8, *cb as u8, *cr as u8);
                }
            }
            _ => {
                for (band, row) in rows.iter().enumerate() {
                    let targets = out.iter_mut().skip(band).step_by(shape.samples);
                    targets.zip(row).for_each(|(to, sample)| *to = *sample as u8);
                }
            }
        }
    }
    Ok(decoded)
}

/// Padding of frames of old-style JPEG.
const OLD_FRAME_UNIT_PX: usize = 64;
