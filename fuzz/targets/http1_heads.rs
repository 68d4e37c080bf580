#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| countersign_edge::fuzz::http1_heads(bytes));
