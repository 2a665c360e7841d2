//! `highwater load` against a server that drops on purpose: every row is accounted for as that server counted it, and a
//! stall shows in the latencies of all rows that were due meanwhile.
#![allow(clippy::unwrap_used)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

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
    let (tally, number) = (Arc::new(Tally::default()), Arc::new(AtomicU64::new(0)));
    let shared = tally.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (tally, number) = (shared.clone(), number.clone());
            std::thread::spawn(move || serve(stream.unwrap(), rule, &tally, &number));
        }
    });
    (address, tally)
}

fn serve(stream: TcpStream, rule: Rule, tally: &Tally, number: &AtomicU64) {
    let mut reader = BufReader::new(stream);
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
        if head.starts_with("GET ") {
            assert!(head.contains("/api/v1/completion/t"), "{head}");
            reply("200 OK", r#"{"complete":true}"#);
            continue;
        }
        assert!(head.starts_with("POST /api/v1/sources/clicks/events "), "{head}");
        let rows = body.iter().filter(|byte| **byte == b'\n').count() as u64;
        let count = |of: &AtomicU64, rows| of.fetch_add(rows, Ordering::SeqCst);
        let taken = |accepted: u64, rejected: u64| {
            count(&tally.accepted, accepted);
            count(&tally.rejected, rejected);
            format!(r#"{{"accepted":{accepted},"rejected":{rejected},"errors":[],"token":"t{accepted}"}}"#)
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
    assert!(stage["visible"]["count"].as_u64().unwrap() > 0);
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
    let (output, report) = load(address, "sensor --clients 1 --rate 100 --duration 2s --batch 1 --p99-ms 100");
    let all = &report["stages"][0]["acknowledged"];
    assert_eq!(output.status.code(), Some(1), "the bound is broken: {output:?}");
    assert_eq!(all["count"], 200);
    assert!(all["max_ms"].as_f64().unwrap() >= 590.0, "{all}");
    assert!(all["avg_ms"].as_f64().unwrap() >= 60.0, "{all}");
    assert!(all["p95_ms"].as_f64().unwrap() >= 450.0, "{all}");
}
