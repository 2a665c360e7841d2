//! Decoders on bytes that nobody meant: what fuzzing once found (`fuzz/found`), and good bytes damaged at random.
#![allow(clippy::unwrap_used)]

mod decoding;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use decoding::{TARGETS, seeds};

/// How long each decoder is given damaged bytes, if `HIGHWATER_DAMAGE_SECONDS` does not say.
const SPAN: Duration = Duration::from_secs(2);

/// Damage of one kind, seeded.
fn damaged(seed: &[u8], random: &mut impl FnMut(usize) -> usize) -> Vec<u8> {
    const TELLING: &[&[u8]] = &[
        b"{",
        b"}",
        b"[",
        b"]",
        b"\"",
        b",",
        b"\n",
        b"\\u",
        b"\xff\xff\xff\xff",
        b"\x7f\xff\xff\xff",
        b"\0",
        b"1e999",
        b"-",
        b"NaN",
    ];
    let mut bytes = seed.to_vec();
    for _ in 0..=random(4) {
        let at = random(bytes.len() + 1);
        match random(6) {
            0 => bytes.truncate(at),
            1 if at < bytes.len() => bytes[at] ^= 1 << random(8),
            2 if at < bytes.len() => bytes[at] = random(256) as u8,
            3 => drop(bytes.splice(at..at, TELLING[random(TELLING.len())].iter().copied())),
            4 => {
                let end = at + random(bytes.len() - at + 1);
                let part = bytes[at..end].to_vec();
                drop(bytes.splice(at..at, part));
            }
            _ => {
                let end = (at + random(8)).min(bytes.len());
                drop(bytes.drain(at..end));
            }
        }
    }
    bytes
}

#[test]
fn damaged_bytes_are_told_and_do_no_harm() {
    let asked = std::env::var("HIGHWATER_DAMAGE_SECONDS").ok().and_then(|seconds| seconds.parse().ok());
    let span = asked.map_or(SPAN, Duration::from_secs);
    for (name, target) in TARGETS {
        let seeds = seeds(name);
        seeds.iter().for_each(|seed| target(seed));
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        let mut random = |below: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state % below.max(1) as u64) as usize
        };
        let (begun, mut tried) = (Instant::now(), 0);
        while begun.elapsed() < span {
            let bytes = damaged(&seeds[random(seeds.len())], &mut random);
            let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| target(&bytes)));
            assert!(outcome.is_ok(), "{name} on {bytes:?}");
            tried += 1;
        }
        println!("{name}: {tried} inputs");
        assert!(tried > 100, "{name}: {tried} inputs");
    }
}

#[test]
fn what_fuzzing_found_stays_mended() {
    let found = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/found");
    for (name, target) in TARGETS {
        for file in std::fs::read_dir(found.join(name)).into_iter().flatten().map(|entry| entry.unwrap().path()) {
            println!("{}", file.display());
            target(&std::fs::read(file).unwrap());
        }
    }
}
