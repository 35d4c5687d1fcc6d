//! WebP images, lossy and lossless, of three or four bands.

use std::io::Cursor;

use super::{BlockShape, CodecError};

/// Decodes one strip or tile to chunky bytes; an image without opacity gives 255 for a fourth band.
pub(super) fn decode(compressed: &[u8], shape: &BlockShape) -> Result<Vec<u8>, CodecError> {
    let invalid = |error| CodecError::Damaged(format!("its WebP image is invalid: {error}"));
    if shape.bits != 8 || !matches!(shape.samples, 3 | 4) {
        return Err("WebP only holds three or four bands of 8 bits".into());
    }
    let mut image = image_webp::WebPDecoder::new(Cursor::new(compressed)).map_err(invalid)?;
    let (width, height) = image.dimensions();
    let is_higher = height as usize > shape.rows;
    if width as usize != shape.width || (height as usize) < shape.rows || is_higher && !shape.is_last_strip {
        let (width_px, rows) = (shape.width, shape.rows);
        return Err(format!("its WebP image has {width} x {height} pixels instead of {width_px} x {rows}").into());
    }
    let coded_samples = if image.has_alpha() { 4 } else { 3 };
    let coded_bytes = image.output_buffer_size().ok_or("its WebP image is too large")?;
    // A strip can be higher than needed, but not by more than WebP allows, which is 16,383 rows.
    if coded_bytes as u64 > (shape.unpacked_bytes as u64).saturating_mul(2) + (64 << 20) {
        return Err("its WebP image is far larger than the block".into());
    }
    image.set_memory_limit(coded_bytes.saturating_mul(4) + (16 << 20));
    let mut coded = vec![0; coded_bytes];
    image.read_image(&mut coded).map_err(invalid)?;
    if coded_samples == shape.samples {
        coded.truncate(shape.unpacked_bytes);
        return Ok(coded);
    }
    let mut decoded = vec![255; shape.unpacked_bytes];
    let pixels = decoded
        .chunks_exact_mut(shape.samples)
        .zip(coded.chunks_exact(coded_samples));
    for (to, from) in pixels {
        to.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
    }
    Ok(decoded)
}
