//! Whatever the bytes are: see `decoding::dialects`.
#![no_main]

#[path = "../../tests/decoding/mod.rs"]
mod decoding;

libfuzzer_sys::fuzz_target!(|data: &[u8]| decoding::dialects(data));
