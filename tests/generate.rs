//! `highwater generate`: the mix, how late rows are, how the rate changes, the same bytes again, and the columns of a program.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::Value;

fn generate(args: &str) -> String {
    let args = format!("generate {args} --fast --quiet --start 2026-01-01T00:00:00Z");
    let mut command = Command::new(env!("CARGO_BIN_EXE_highwater"));
    let output = command.args(args.split(' ').map(|arg| arg.replace('_', " "))).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn rows(args: &str) -> Vec<Value> {
    generate(args).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Seconds since the start of a row's event time.
fn second(row: &Value) -> f64 {
    let (day, time) = row["ts"].as_str().unwrap().trim_end_matches('Z').split_once('T').unwrap();
    let part: Vec<f64> = time.split(':').map(|part| part.parse().unwrap()).collect();
    let days = match day {
        "2026-01-01" => 0.0,
        "2025-12-31" => -1.0,
        other => panic!("{other}"),
    };
    days * 86_400.0 + part[0] * 3600.0 + part[1] * 60.0 + part[2]
}

#[test]
fn the_mix_is_60_25_15_and_repeats() {
    let text = generate("mixed --count 20000 --seed 7");
    assert_eq!(text, generate("mixed --count 20000 --seed 7"));
    assert_ne!(text, generate("mixed --count 20000 --seed 8"));
    let mut counts: BTreeMap<String, f64> = BTreeMap::new();
    for line in text.lines() {
        let row: Value = serde_json::from_str(line).unwrap();
        *counts.entry(row["type"].as_str().unwrap().to_owned()).or_default() += 1.0 / 200.0;
    }
    for (kind, share) in [("sensor", 60.0), ("user", 25.0), ("system", 15.0)] {
        assert!((counts[kind] - share).abs() < 1.5, "{kind}: {} %", counts[kind]);
    }
}

#[test]
fn rows_are_as_late_as_asked_for() {
    let rows = rows("sensor --count 20000 --rate 1000 --disorder 2_s --late-rate 0.05");
    let behind = |(n, row): (usize, &Value)| n as f64 / 1000.0 - second(row);
    let late: Vec<f64> = rows.iter().enumerate().map(behind).collect();
    assert!(late.iter().all(|by| (-0.002..=24.1).contains(by)));
    let share = |more: f64| late.iter().filter(|by| **by > more).count() as f64 / 20_000.0;
    assert!((share(2.01) - 0.05).abs() < 0.01, "{}", share(2.01));
    assert!((share(1.0) - 0.525).abs() < 0.03, "half of the rows are more than 1 s behind: {}", share(1.0));
}

#[test]
fn event_time_follows_the_pattern() {
    let per_second = |args: &str| {
        let mut counts = vec![0_u32; 400];
        for row in rows(args) {
            counts[second(&row) as usize] += 1;
        }
        counts
    };
    let spike = per_second("user --pattern spike --rate 100 --duration 2_min");
    assert_eq!(spike.iter().sum::<u32>(), 20_000);
    assert!((99..=101).contains(&spike[20]) && (498..=502).contains(&spike[55]) && (498..=502).contains(&spike[115]));
    let ramp = per_second("user --pattern ramp --rate 100 --duration 5_min");
    assert!(ramp[2] <= 2 && (48..=52).contains(&ramp[150]) && (97..=101).contains(&ramp[298]), "{ramp:?}");
    let wave = per_second("user --pattern wave --rate 100 --duration 5_min");
    assert!((147..=152).contains(&wave[75]) && (48..=52).contains(&wave[225]), "{wave:?}");
}

#[test]
fn the_columns_of_a_program_and_nexmark() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("p.sql");
    let text = "CREATE SOURCE clicks (page VARCHAR, n BIGINT, ok BOOLEAN, ts TIMESTAMP(3), unused DOUBLE, \
                WATERMARK FOR ts AS ts - INTERVAL '1' SECOND) WITH ('connector' = 'stdin', 'format' = 'json');\n\
                CREATE MATERIALIZED VIEW v AS SELECT page, COUNT(*) AS n FROM clicks GROUP BY page;";
    std::fs::write(&program, text).unwrap();
    let made = rows(&format!("--schema {} --source clicks --count 100", program.display()));
    assert_eq!(made.len(), 100);
    let names: Vec<&String> = made[0].as_object().unwrap().keys().collect();
    assert_eq!(names.len(), 5, "{names:?}");
    assert!(made.iter().all(|row| row["page"].is_string() && row["n"].is_i64() && row["ok"].is_boolean()));
    assert!((0.0..=0.2).contains(&second(&made[99])), "{}", made[99]);

    let bids = rows("bid --count 1000 --rate 1000");
    assert_eq!(bids.len(), 1000);
    assert!(bids[0]["price"].is_number(), "{}", bids[0]);
    let csv = generate("person --count 10 --format csv");
    assert_eq!(csv.lines().count(), 11, "a header and ten rows: {csv}");
}
