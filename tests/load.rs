//! `highwater load` against a server that drops on purpose: every row is accounted for as that server counted it, and a
//! stall shows in the latencies of all rows that were due meanwhile.
#![allow(clippy::unwrap_used)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

/// What the server did with rows.
#[derive(Debug, Default)]
struct Tally {
    accepted: AtomicU64,
    rejected: AtomicU64,
    turned_away: AtomicU64,
    failed: AtomicU64,
}

/// What it does with a message, by its number.
type Rule = fn(u64) -> Does;

/// How long after it was taken a row is visible here: epochs are the ms since the server began.
const VISIBLE_AFTER: Duration = Duration::from_millis(200);

fn epoch(tick: u128) -> String {
    format!("8000000000000000-{tick:010x}")
}

/// A view as server-sent events, for so long.
fn stream(out: &mut TcpStream, begun: Instant, how_long: Duration) {
    let mut ok = out.write_all(b"HTTP/1.0 200 OK\r\ncontent-type: text/event-stream\r\n\r\n").is_ok();
    while ok && begun.elapsed() < how_long {
        let reached = epoch(begun.elapsed().saturating_sub(VISIBLE_AFTER).as_millis());
        let text = format!("event: progress\nid: 1\ndata: {{\"as_of\":{{\"epoch\":\"{reached}\"}}}}\n\n");
        ok = out.write_all(text.as_bytes()).is_ok();
        std::thread::sleep(Duration::from_millis(5));
    }
}

enum Does {
    Take,
    /// One row of it is rejected.
    RejectOne,
    Full,
    Break,
    HangUp,
    TakeAfter(Duration),
}

fn server(rule: Rule) -> (SocketAddr, Arc<Tally>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (tally, number, begun) = (Arc::new(Tally::default()), Arc::new(AtomicU64::new(0)), Instant::now());
    let shared = tally.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (tally, number) = (shared.clone(), number.clone());
            std::thread::spawn(move || serve(stream.unwrap(), rule, &tally, &number, begun));
        }
    });
    (address, tally)
}

fn serve(connection: TcpStream, rule: Rule, tally: &Tally, number: &AtomicU64, begun: Instant) {
    let mut reader = BufReader::new(connection);
    loop {
        let (mut line, mut length, mut head) = (String::new(), 0, String::new());
        while reader.read_line(&mut line).unwrap_or(0) > 0 && line != "\r\n" {
            if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            head.push_str(&line);
            line.clear();
        }
        if head.is_empty() {
            return;
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        let mut reply = |status: &str, body: &str| {
            let text = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
            reader.get_mut().write_all(text.as_bytes()).unwrap();
        };
        if let Some(path) = head.strip_prefix("GET ") {
            match path.split(' ').next().unwrap() {
                "/api/v1/stream?snapshot=false" | "/api/v1/views/pages/stream?snapshot=false" => {
                    stream(reader.get_mut(), begun, Duration::from_secs(60));
                }
                "/api/v1/views/brief/stream?snapshot=false" => {
                    stream(reader.get_mut(), begun, Duration::from_millis(1200));
                }
                _ => reply("404 Not Found", r#"{"detail":"there is no view of that name"}"#),
            }
            return;
        }
        assert!(head.starts_with("POST /api/v1/sources/clicks/events "), "{head}");
        let rows = body.iter().filter(|byte| **byte == b'\n').count() as u64;
        let count = |of: &AtomicU64, rows| of.fetch_add(rows, Ordering::SeqCst);
        let taken = |accepted: u64, rejected: u64| {
            count(&tally.accepted, accepted);
            count(&tally.rejected, rejected);
            let epoch = epoch(begun.elapsed().as_millis());
            format!(r#"{{"accepted":{accepted},"rejected":{rejected},"errors":[],"token":"t","epoch":"{epoch}"}}"#)
        };
        match rule(number.fetch_add(1, Ordering::SeqCst)) {
            Does::Take => reply("202 Accepted", &taken(rows, 0)),
            Does::RejectOne => reply("202 Accepted", &taken(rows - 1, 1)),
            Does::Full => {
                count(&tally.turned_away, rows);
                reply("429 Too Many Requests", r#"{"detail":"full"}"#);
            }
            Does::Break => {
                count(&tally.failed, rows);
                reply("500 Internal Server Error", r#"{"detail":"on purpose"}"#);
            }
            Does::HangUp => {
                count(&tally.failed, rows);
                return;
            }
            Does::TakeAfter(pause) => {
                std::thread::sleep(pause);
                reply("202 Accepted", &taken(rows, 0));
            }
        }
    }
}

fn load(address: SocketAddr, more: &str) -> (Output, Value) {
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("report.json");
    let output = Command::new(env!("CARGO_BIN_EXE_highwater"))
        .args(["load", &format!("http://{address}"), "--source", "clicks", "--report"])
        .arg(&report)
        .args(more.split(' '))
        .output()
        .unwrap();
    let report = std::fs::read_to_string(report).unwrap_or_else(|_| panic!("no report: {output:?}"));
    (output, serde_json::from_str(&report).unwrap())
}

#[test]
fn every_row_is_accounted_for() {
    let (address, tally) = server(|number| match number % 20 {
        3 => Does::Full,
        7 => Does::Break,
        11 => Does::HangUp,
        13 => Does::RejectOne,
        _ => Does::Take,
    });
    let (output, report) = load(address, "user --clients 4 --rate 4000 --duration 2s --batch 10");
    let stage = &report["stages"][0];
    let of = |name: &str| stage[name].as_u64().unwrap();
    let told = |of: &AtomicU64| of.load(Ordering::SeqCst);
    assert!(output.status.success(), "no bound was stated: {output:?}");
    assert_eq!(of("sent"), 8_000);
    assert_eq!(
        (of("accepted"), of("rejected"), of("turned_away"), of("failed")),
        (told(&tally.accepted), told(&tally.rejected), told(&tally.turned_away), told(&tally.failed))
    );
    assert_eq!(of("sent"), of("accepted") + of("rejected") + of("turned_away") + of("failed"));
    assert!(told(&tally.turned_away) > 0 && told(&tally.rejected) > 0 && told(&tally.failed) > 0);
    assert_eq!(stage["acknowledged"]["count"], of("accepted") + of("rejected"));
    // Every row that was accepted became visible, no earlier than the server showed it.
    assert_eq!((&stage["visible"]["count"], &stage["not_visible"]), (&stage["accepted"], &Value::from(0)));
    assert!(stage["visible"]["min_ms"].as_f64().unwrap() >= 199.0, "{stage}");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("on purpose") || text.contains("without an answer"), "{text}");

    let (output, report) = load(address, "user --clients 2 --rate 500 --duration 1s --error-rate 0.01");
    assert_eq!(output.status.code(), Some(1));
    assert!(report["broken"][0].as_str().unwrap().contains("error rate"), "{report}");
}

#[test]
fn a_stall_is_in_the_latency_of_every_row_that_was_due() {
    let (address, _) = server(|number| match number {
        50 => Does::TakeAfter(Duration::from_millis(600)),
        _ => Does::Take,
    });
    // 100 messages a second for 2 s: about 60 are due while the server stalls, and late by 300 ms on average.
    let (output, report) = load(address, "sensor --clients 1 --rate 100 --duration 2s --batch 1 --p99-ms 450");
    let all = &report["stages"][0]["acknowledged"];
    assert_eq!(output.status.code(), Some(1), "the bound is broken: {output:?}");
    assert_eq!(all["count"], 200);
    assert!(all["max_ms"].as_f64().unwrap() >= 590.0, "{all}");
    assert!(all["avg_ms"].as_f64().unwrap() >= 60.0, "{all}");
    assert!(all["p95_ms"].as_f64().unwrap() >= 450.0, "{all}");
}

#[test]
fn rows_are_visible_in_the_view_that_is_named() {
    let (address, _) = server(|_| Does::Take);
    let rows = "user --clients 2 --rate 500 --duration 1s";
    let (output, report) = load(address, &format!("{rows} --view pages --p99-ms 190"));
    let stage = &report["stages"][0];
    let ms = |of: &str, name: &str| stage[of][name].as_f64().unwrap();
    assert_eq!(report["view"], "pages");
    assert_eq!((&stage["visible"]["count"], &stage["acknowledged"]["count"]), (&500.into(), &500.into()));
    for name in ["min_ms", "avg_ms", "p50_ms", "p95_ms", "p99_ms", "p999_ms", "max_ms"] {
        let more = ms("visible", name) - ms("acknowledged", name);
        assert!(ms("visible", name) >= 199.0 && more > 100.0, "{name}: {stage}");
    }
    let order = ["min_ms", "p50_ms", "p95_ms", "p99_ms", "p999_ms", "max_ms"].map(|name| ms("visible", name));
    assert!(order.is_sorted(), "{order:?}");
    assert_eq!(output.status.code(), Some(1), "p99 is above the bound: {output:?}");
    assert!(report["broken"][0].as_str().unwrap().contains("p99"), "{report}");

    // A view that is gone before the rows: they are counted, and no bound holds.
    let (address, _) = server(|_| Does::Take);
    let (output, report) = load(address, &format!("{rows} --view brief --p99-ms 60000"));
    let stage = &report["stages"][0];
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let (seen, missing) = (stage["visible"]["count"].as_u64().unwrap_or(0), stage["not_visible"].as_u64().unwrap());
    assert!(missing > 0 && seen + missing == 500, "{stage}");

    let mut command = Command::new(env!("CARGO_BIN_EXE_highwater"));
    let none = command.args(["load", &format!("http://{address}"), "--source", "clicks", "--view", "other"]);
    let output = none.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("there is no view of that name"), "{output:?}");
}

#[test]
fn the_stages_run_as_one_command() {
    let (address, tally) = server(|_| Does::Take);
    let (output, report) = load(address, "user --stages --duration 1s --error-rate 0");
    assert!(output.status.success(), "{output:?}");
    let stages = report["stages"].as_array().unwrap();
    let plans: Vec<(u64, f64)> = stages
        .iter()
        .map(|stage| (stage["plan"]["clients"].as_u64().unwrap(), stage["plan"]["rate"].as_f64().unwrap()))
        .collect();
    assert_eq!(plans, [(10, 1_000.0), (20, 5_000.0), (50, 10_000.0), (100, 25_000.0)]);
    for (stage, (_, rate)) in stages.iter().zip(plans) {
        assert_eq!((&stage["sent"], &stage["accepted"]), (&Value::from(rate as u64), &Value::from(rate as u64)));
    }
    assert_eq!(tally.accepted.load(Ordering::SeqCst), 41_000);
    let text = String::from_utf8(output.stdout).unwrap();
    let of = |what: &str| text.lines().filter(|line| line.trim_start().starts_with(what)).count();
    assert_eq!((of("sent"), of("error rate"), of("acknowledged"), of("visible")), (4, 4, 4, 4), "{text}");
    for name in ["min", "avg", "p50", "p95", "p99", "p99.9", "max"] {
        assert!(text.contains(&format!("{name} ")), "{name}: {text}");
    }
}
