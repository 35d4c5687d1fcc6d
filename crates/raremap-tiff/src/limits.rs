//! Bounds on what a file may make the reader allocate and compute.

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
    /// Most bytes that the value of one tag may take (block offsets are the large ones: eight bytes each).
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

const MIB: u64 = 1 << 20;

impl Limits {
    /// The defaults, but no more than `total_bytes` of memory for what the reader keeps and gives in one read: an eighth of it for blocks
    /// that are kept, half of it for a result. A block may still have its own size beside that.
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
    /// The 32 MiB of blocks that are kept hold the strips under a row of 256-pixel windows of a scene of 21,000 columns of three 16-bit
    /// bands: each strip is decoded once.
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
