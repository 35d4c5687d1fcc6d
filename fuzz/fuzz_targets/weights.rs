#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    raremap_fuzz::weights::weights(data);
});
