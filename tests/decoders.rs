//! Decoders on bytes that nobody meant: what fuzzing once found (`fuzz/found`), and good bytes damaged at random.
#![allow(clippy::unwrap_used)]

mod decoding;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use decoding::{TARGETS, flat, seeds};
use highwater_core::source::{Beside, Undecoded, Written};

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

/// A long body is decoded piece by piece: no record is lost, each has its number, and for all that it becomes there is room first.
#[test]
fn a_long_body_is_decoded_in_pieces() {
    const RECORDS: u64 = 40_000;
    let bad = |n: u64| n % 97 == 5;
    let (text, long) = ("ü\\n".repeat(3), "x".repeat(400_000));
    let object = |n: u64| match n {
        77 => format!("{{\"n\":77,\"s\":\"{long}\"}}"),
        n if bad(n) => format!("{{\"n\":\"no {n}\"}}"),
        n => format!("{{\"n\":{n},\"s\":\"[{{{text}\"}}"),
    };
    let line = |n: u64| match n {
        77 => format!("77,{long}"),
        n if bad(n) => format!("no {n},"),
        n => format!("{n},\"a, {n}\"\"\""),
    };
    let objects: Vec<String> = (0..RECORDS).map(object).collect();
    let lines: Vec<String> = (0..RECORDS).map(line).collect();
    for (written, body) in [
        (Written::Lines, objects.join("\n")),
        (Written::Json, format!(" [{}] ", objects.join(" ,\n "))),
        (Written::Json, objects.join(" ")),
        (Written::Csv, format!("n,s\n{}", lines.join("\r\n"))),
    ] {
        let mut asked = 0;
        let parts = flat().decode(written, None, body.clone().into(), &Beside::default(), &mut |bytes| {
            asked += bytes;
            true
        });
        let parts = parts.unwrap();
        assert!(parts.len() > 4, "{written:?}: {} parts", parts.len());
        assert_eq!(parts.iter().map(|part| part.memory()).sum::<usize>(), asked);
        let (mut before, mut rows, mut faults) = (0, Vec::new(), Vec::new());
        for part in parts {
            let column = part.batch.column_by_name("n").unwrap();
            let values: &arrow_array::Int64Array = column.as_any().downcast_ref().unwrap();
            let numbers = part.numbers.unwrap_or_else(|| (0..part.batch.num_rows() as u64).collect());
            rows.extend(numbers.iter().zip(values.values()).map(|(number, n)| (before + number, *n as u64)));
            faults.extend(part.faults.iter().map(|fault| before + fault.record));
            before += part.records;
        }
        assert_eq!(before, RECORDS, "{written:?}");
        assert_eq!(faults, (0..RECORDS).filter(|n| bad(*n)).collect::<Vec<_>>(), "{written:?}");
        assert!(rows.iter().all(|(number, n)| number == n) && rows.len() + faults.len() == RECORDS as usize);
        for most in [0, asked / 2, asked - 1] {
            let mut left = most;
            let refused = flat().decode(written, None, body.clone().into(), &Beside::default(), &mut |bytes| {
                left = left.saturating_sub(bytes);
                left > 0
            });
            assert_eq!(refused.unwrap_err(), Undecoded::NoRoom, "{written:?}");
        }
    }
}
