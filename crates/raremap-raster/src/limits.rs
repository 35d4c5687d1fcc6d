//! Bounds on what a file may make the reader allocate and compute.

use crate::error::{LimitExceeded, RasterError};

/// Bounds on memory and work; the defaults are safe in a browser tab and wide enough for real scenes.
///
/// Whatever a header claims, nothing is allocated before it was checked against these bounds *and* against the
/// bytes that are really there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Most entries that a directory may have.
    pub max_directory_entries: u64,
    /// Most directories that are looked at when searching for overviews.
    pub max_directories: usize,
    /// Most bytes that the value of one tag may have (block offsets are the large ones).
    pub max_tag_bytes: u64,
    /// Most bytes that one strip or tile may have, compressed or decoded.
    pub max_block_bytes: u64,
    /// Most bytes that the result of one read may have.
    pub max_window_bytes: u64,
    /// Most bytes that one read may decode over four times the area that it asks for: stops forged block shapes.
    pub max_extra_decoded_bytes: u64,
    /// Most bytes of decoded blocks that are kept for later reads.
    pub max_cache_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        const MIB: u64 = 1 << 20;
        Self {
            max_directory_entries: 4096,
            max_directories: 64,
            max_tag_bytes: 64 * MIB,
            max_block_bytes: 256 * MIB,
            max_window_bytes: 1024 * MIB,
            max_extra_decoded_bytes: 4096 * MIB,
            max_cache_bytes: 64 * MIB,
        }
    }
}

/// Refuses `needed` over `limit`, else gives it as a length of this platform (32 bits in the browser).
pub(crate) fn checked_len(what: &'static str, needed: u64, limit: u64) -> Result<usize, RasterError> {
    if needed > limit {
        return Err(LimitExceeded { what, needed, limit }.into());
    }
    usize::try_from(needed).map_err(|_| {
        LimitExceeded {
            what,
            needed,
            limit: usize::MAX as u64,
        }
        .into()
    })
}
