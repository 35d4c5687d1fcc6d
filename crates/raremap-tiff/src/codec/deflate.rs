//! zlib streams (RFC 1950).

use std::ops::RangeInclusive;

use zune_inflate::{DeflateDecoder, DeflateOptions};

/// Blocks of these sizes are decoded at once; for smaller ones, setting up takes longer than it saves.
const WHOLE_BYTES: RangeInclusive<usize> = 512..=4 << 20;
/// The decoder writes a match and a vector or two beyond the last byte; without room for that, it takes twice the memory.
const SLOPPY_BYTES: usize = 512;

/// Decodes a sound stream of exactly `expected` bytes, in three quarters of the time that [`decode`] takes.
///
/// `None` says nothing about the stream: it may be damaged, longer or large, and [`decode`] finds out which.
pub(super) fn decode_whole(compressed: &[u8], expected: usize) -> Option<Vec<u8>> {
    // The decoder only checks its limit at matches, and literals can take eight times the compressed bytes. Data that would grow by more
    // than this is stored rather than compressed.
    let is_plausible = compressed.len() <= expected + expected / 64 + 64;
    if !WHOLE_BYTES.contains(&expected) || !is_plausible {
        return None;
    }
    let options = DeflateOptions::default()
        .set_size_hint(expected + SLOPPY_BYTES)
        .set_limit(expected)
        .set_confirm_checksum(true);
    let decoded = DeflateDecoder::new_with_options(compressed, options).decode_zlib();
    let mut decoded = decoded.ok().filter(|decoded| decoded.len() == expected)?;
    // The cache keeps it, and counts its capacity.
    decoded.shrink_to_fit();
    Some(decoded)
}

/// Fills `decoded` as far as the stream goes; returns the number of bytes written.
pub(super) fn decode(compressed: &[u8], decoded: &mut [u8]) -> Result<usize, String> {
    let mut decoder = flate2::Decompress::new(true);
    let mut filled = 0;
    loop {
        let consumed = usize::try_from(decoder.total_in()).unwrap_or(usize::MAX);
        let (Some(rest), Some(room)) = (compressed.get(consumed..), decoded.get_mut(filled..)) else {
            break;
        };
        let status = decoder
            .decompress(rest, room, flate2::FlushDecompress::None)
            .map_err(|error| format!("its deflate stream is invalid: {error}"))?;
        let now_filled = usize::try_from(decoder.total_out()).unwrap_or(usize::MAX);
        let progressed = now_filled > filled || decoder.total_in() as usize > consumed;
        filled = now_filled;
        if status != flate2::Status::Ok || filled >= decoded.len() || !progressed {
            break;
        }
    }
    Ok(filled)
}
