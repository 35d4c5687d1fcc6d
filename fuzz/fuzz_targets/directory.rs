#![no_main]

use raremap_fuzz::{entries, within_memory};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    within_memory(data, entries::directory);
});
