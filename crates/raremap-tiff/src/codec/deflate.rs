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
///
/// # Errors
/// If the stream is damaged, either in the part that fills `decoded` or in as much again after it, since damage often makes a stream longer.
pub(super) fn decode(compressed: &[u8], decoded: &mut [u8]) -> Result<usize, &'static str> {
    let mut decoder = flate2::Decompress::new(true);
    let mut filled = 0;
    let mut beyond = [0; 4096];
    let mut beyond_left = decoded.len() + beyond.len();
    loop {
        let consumed = usize::try_from(decoder.total_in()).unwrap_or(usize::MAX);
        let Some(rest) = compressed.get(consumed..) else { break };
        let is_full = filled >= decoded.len();
        let room = match decoded.get_mut(filled..) {
            Some(room) if !is_full => room,
            _ => beyond.as_mut_slice(),
        };
        let before = decoder.total_out();
        let status = decoder
            .decompress(rest, room, flate2::FlushDecompress::None)
            .map_err(|_| "its deflate data is damaged")?;
        let written = usize::try_from(decoder.total_out() - before).unwrap_or(usize::MAX);
        let progressed = written > 0 || decoder.total_in() as usize > consumed;
        if is_full {
            beyond_left = beyond_left.saturating_sub(written);
        } else {
            filled += written;
        }
        if status != flate2::Status::Ok || beyond_left == 0 || !progressed {
            break;
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn deflated(data: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(data).expect("writing to memory");
        encoder.finish().expect("writing to memory")
    }

    #[test]
    fn damage_is_found_behind_what_is_needed_too() {
        let data: Vec<u8> = (0..3000u32).map(|i| (i * i % 251) as u8).collect();
        let sound = deflated(&data);
        let mut decoded = vec![0; 2000];
        assert_eq!(decode(&sound, &mut decoded), Ok(2000), "a longer stream is not damaged");
        assert_eq!(decoded, data[..2000]);
        let mut checksum = sound.clone();
        *checksum.last_mut().expect("a checksum") ^= 1;
        assert_eq!(decode(&checksum, &mut decoded), Err("its deflate data is damaged"));
        // It does not matter if bytes after the last needed one are cut off.
        assert_eq!(decode(&sound[..sound.len() - 4], &mut [0; 3000]), Ok(3000));
    }
}
