//! Drives the target of this name with coverage.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| enigma_fuzz::binary::check(bytes));
