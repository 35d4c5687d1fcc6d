//! Bounds on what a file may make the reader allocate and compute.

/// Bounds on memory and work. The defaults are safe in a browser tab and wide enough for real scenes.
///
/// Whatever a header claims, nothing is allocated before it was checked against these bounds *and* against the bytes that really exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Largest number of entries that a directory may have.
    pub max_directory_entries: u64,
    /// Largest number of directories that are read when searching for overviews.
    pub max_directories: usize,
    /// Largest number of bytes that the value of one tag may take (block offsets are the large ones: eight bytes each).
    pub max_tag_bytes: u64,
    /// Largest number of bytes that one strip or tile may have, compressed or decoded.
    pub max_block_bytes: u64,
    /// Largest number of bytes that the result of one read may have.
    pub max_window_bytes: u64,
    /// Largest number of bytes that one read may decode beyond four times the area that it covers; this stops forged block shapes.
    pub max_extra_decoded_bytes: u64,
    /// Largest number of bytes of decoded blocks that are kept for later reads.
    pub max_cache_bytes: u64,
}

const MIB: u64 = 1 << 20;

impl Limits {
    /// The defaults, but with no more than `total_bytes` of memory for what the reader keeps and returns in one read: an eighth for blocks
    /// that are kept, and half for a result. A block may still have its own size in addition.
    pub fn within(total_bytes: u64) -> Self {
        let all = Self::default();
        Self {
            max_cache_bytes: all.max_cache_bytes.min(total_bytes / 8),
            max_window_bytes: all.max_window_bytes.min(total_bytes / 2),
            ..all
        }
    }

    /// For a tab whose memory should stay under 256 MiB, model and results included.
    ///
    /// The 32 MiB of kept blocks hold the strips under a row of 256-pixel windows of a scene with 21,000 columns and three 16-bit bands, so
    /// each strip is decoded once.
    pub fn for_browser() -> Self {
        Self::within(256 * MIB)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_directory_entries: 4096,
            max_directories: 64,
            max_tag_bytes: 16 * MIB,
            max_block_bytes: 256 * MIB,
            max_window_bytes: 1024 * MIB,
            max_extra_decoded_bytes: 512 * MIB,
            max_cache_bytes: 64 * MIB,
        }
    }
}
