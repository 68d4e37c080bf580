#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| countersign_jose::fuzz::jwe(bytes));
