//! LZMA2 in xz streams, with the delta filter that libtiff puts before it.

use super::{CodecError, fill_from};

/// Largest amount of memory for the dictionary: libtiff's highest preset takes 64 MiB.
const MAX_MEMORY_KIB: u32 = 80 << 10;

/// Returns the number of bytes written.
pub(super) fn decode(compressed: &[u8], decoded: &mut [u8]) -> Result<usize, CodecError> {
    fill_from(
        lzma_rust2::XzReader::new_mem_limit(compressed, false, MAX_MEMORY_KIB),
        decoded,
        "LZMA",
    )
}
