//! `highwater generate`: the mix, waves and anomalies, how late rows are, how the rate changes, the same bytes again, the
//! columns of a program, and where rows go.
#![allow(clippy::unwrap_used)]

mod client;
#[path = "generate/outlets.rs"]
mod outlets;

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

/// What is only read is not offered.
#[test]
fn formats_that_are_only_read_are_not_named() {
    for format in ["xml", "grok"] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_highwater"));
        let output = command.args(["generate", "--count", "1", "--format", format]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "{format}");
        assert!(["raw", "regex", "grok,"].iter().all(|read| !said.contains(read)), "{said}");
        assert!(format != "xml" || said.contains("--format xml: write one of json, csv, msgpack"), "{said}");
    }
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

/// How far each of some rows is behind the time it is sent at, in seconds.
fn behind(args: &str, count: usize, rate: f64) -> Vec<f64> {
    let rows = rows(&format!("user --count {count} --rate {rate} {args}"));
    assert_eq!(rows.len(), count);
    rows.iter().enumerate().map(|(n, row)| n as f64 / rate - second(row)).collect()
}

fn share(of: &[f64], test: impl Fn(f64) -> bool) -> f64 {
    of.iter().filter(|by| test(**by)).count() as f64 / of.len() as f64
}

#[test]
fn delays_have_profiles() {
    let skewed = behind("--disorder 16_s --delays skewed", 20_000, 1000.0);
    assert!(skewed.iter().all(|by| (-0.002..=16.01).contains(by)));
    let half = share(&skewed, |by| by <= 1.0);
    assert!((half - 0.5).abs() < 0.02, "half of the rows are within a sixteenth: {half}");
    assert!((share(&skewed, |by| by > 12.0) - 0.0694).abs() < 0.01, "and some far off");

    // Of every 20 s the first two come as after an outage.
    let bursts = behind("--disorder 2_s --delays bursts", 60_000, 1000.0);
    assert!((share(&bursts, |by| by > 0.002) - 0.1).abs() < 0.002);
    for (n, by) in bursts.iter().enumerate() {
        let wanted = (2.0 - n as f64 / 1000.0 % 20.0).max(0.0);
        assert!((by - wanted).abs() < 0.003, "row {n}: {by} and not {wanted}");
    }

    let late = behind("--late-rate 0.1 --late-by 3_s", 20_000, 1000.0);
    assert!((share(&late, |by| by > 0.002) - 0.1).abs() < 0.01);
    assert!(late.iter().all(|by| *by < 3.01) && late.iter().any(|by| *by > 2.9));

    // Nexmark's rows change places, within groups of the disorder.
    let bids = rows("bid --count 5000 --rate 1000 --disorder 1_s");
    let time = |row: &Value| second(&serde_json::json!({ "ts": row["dateTime"] }));
    let disorder: Vec<f64> = bids.iter().enumerate().map(|(n, row)| (n as f64 / 1000.0 - time(row)).abs()).collect();
    assert!(disorder.iter().all(|by| *by < 1.1) && share(&disorder, |by| by > 0.1) > 0.5);
}

/// A linear fit's share of a shape: how high a wave of that shape is in the readings.
fn height(readings: &[(f64, f64)], shape: impl Fn(f64) -> f64) -> f64 {
    let mean = readings.iter().map(|(_, value)| value).sum::<f64>() / readings.len() as f64;
    let with = readings.iter().map(|(at, value)| shape(*at) * (value - mean)).sum::<f64>();
    with / readings.iter().map(|(at, _)| shape(*at) * shape(*at)).sum::<f64>()
}

#[test]
fn sensors_have_daily_and_hourly_waves_noise_and_one_anomaly_in_a_hundred() {
    // A day, a row every 1.44 s, of one sensor of temperature.
    let rows = rows("sensor --keys 1 --count 60000 --rate 0.6944444444");
    let all: Vec<(f64, f64)> = rows.iter().map(|row| (second(row), row["value"].as_f64().unwrap())).collect();
    let wave = |period: f64| {
        move |at: f64| {
            let phase = at % period / period * 2.0;
            if phase < 1.0 { 4.0 * phase * (1.0 - phase) } else { -4.0 * (phase - 1.0) * (2.0 - phase) }
        }
    };
    let (day, hour) = (wave(86_400.0), wave(3_600.0));
    let usual = |at: f64| 21.0 + 6.0 * day(at) + 0.5 * hour(at);
    let far = |(at, value): &&(f64, f64)| (value - usual(*at)).abs() > 5.0;
    let anomalies = all.iter().filter(far).count() as f64 / all.len() as f64;
    assert!((anomalies - 0.01).abs() < 0.0015, "one reading in a hundred is far off: {anomalies}");
    let usual_ones: Vec<(f64, f64)> = all.iter().filter(|one| !far(one)).copied().collect();
    let (daily, hourly) = (height(&usual_ones, day), height(&usual_ones, hour));
    assert!((daily - 6.0).abs() < 0.05 && (hourly - 0.5).abs() < 0.05, "{daily} {hourly}");
    let noise =
        usual_ones.iter().map(|(at, value)| (value - usual(*at)).powi(2)).sum::<f64>() / usual_ones.len() as f64;
    assert!((noise.sqrt() - 0.3).abs() < 0.02, "{noise}");
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
    let made = rows(&format!("--schema {} --source clicks --count 500 --keys 7", program.display()));
    let pages: std::collections::BTreeSet<&str> = made.iter().map(|row| row["page"].as_str().unwrap()).collect();
    assert_eq!(pages.len(), 7, "{pages:?}");

    let bids = rows("bid --count 1000 --rate 1000");
    assert_eq!(bids.len(), 1000);
    assert!(bids[0]["price"].is_number(), "{}", bids[0]);
    let csv = generate("person --count 10 --format csv");
    assert_eq!(csv.lines().count(), 11, "a header and ten rows: {csv}");
}
