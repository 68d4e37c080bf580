#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| countersign_database::fuzz::postgres_url(bytes));
