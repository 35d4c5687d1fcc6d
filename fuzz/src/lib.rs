//! The inputs of fuzzing, and the bound on memory that holds for all of them.
//!
//! The entries themselves are in `entries.rs`, which the ordinary tests include as well.

#[cfg(target_arch = "wasm32")]
pub mod browser;
pub mod counting;
pub mod entries;
#[cfg(feature = "weights")]
pub mod weights;

/// Reading may hold at most this many bytes more than it returns.
pub const MAX_EXTRA_BYTES: usize = 64 << 20;

/// Runs an entry and panics if it held more memory than it may.
pub fn within_memory(data: &[u8], entry: entries::Entry) {
    let before = counting::start();
    let outcome = entry(data);
    let extra = counting::peak().saturating_sub(before);
    assert!(
        extra <= MAX_EXTRA_BYTES + entries::MAX_OUTPUT_BYTES,
        "{extra} bytes were held at once ({outcome})"
    );
}
