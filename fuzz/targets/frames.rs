//! Whatever the bytes are: see `decoding::frames`.
#![no_main]

#[path = "../../tests/decoding/mod.rs"]
mod decoding;

libfuzzer_sys::fuzz_target!(|data: &[u8]| decoding::frames(data));
