//! The entry points for 32 bits, which node calls: `wasm32.test.mjs`.

use std::sync::Mutex;

use crate::{MAX_EXTRA_BYTES, counting, entries};

/// Bytes that the last call held at once, beyond what was held before it.
static EXTRA: Mutex<usize> = Mutex::new(0);

/// Space for a file of `length` bytes; the caller fills it and hands it to [`run`].
#[unsafe(no_mangle)]
pub extern "C" fn allocate(length: usize) -> *mut u8 {
    Box::leak(vec![0; length].into_boxed_slice()).as_mut_ptr()
}

/// Runs entry `index` over the first `length` bytes at `pointer`. Returns 1 if they were read, 0 for a typed error, and 2 if too much
/// memory was held. A panic traps.
///
/// # Safety
/// `pointer` comes from [`allocate`], with at least `length` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn run(index: usize, pointer: *const u8, length: usize) -> u32 {
    let data = unsafe { std::slice::from_raw_parts(pointer, length) };
    let before = counting::start();
    let outcome = entries::ENTRIES[index].1(data);
    let extra = counting::peak().saturating_sub(before);
    *EXTRA.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = extra;
    match outcome {
        _ if extra > MAX_EXTRA_BYTES + entries::MAX_OUTPUT_BYTES => 2,
        "read" => 1,
        _ => 0,
    }
}

/// Bytes that the last [`run`] held at once.
#[unsafe(no_mangle)]
pub extern "C" fn held() -> usize {
    *EXTRA.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
