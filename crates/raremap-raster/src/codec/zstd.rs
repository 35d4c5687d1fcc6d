//! Zstandard frames (RFC 8878).

use super::{CodecError, fill_from};

/// The largest window that is allocated: that of level 22, which no writer of TIFF uses by default, is 128 MiB.
const MAX_WINDOW_BYTES: u64 = 64 << 20;

/// Gives the number of bytes written.
pub(super) fn decode(compressed: &[u8], decoded: &mut [u8]) -> Result<usize, CodecError> {
    let stream = ruzstd::decoding::StreamingDecoder::new_with_max_window_size(compressed, MAX_WINDOW_BYTES)
        .map_err(|error| format!("its ZSTD stream is invalid: {error}"))?;
    fill_from(stream, decoded, "ZSTD")
}
