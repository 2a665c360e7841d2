//! What a data directory costs: the same clients against a server with one and a server without, in turn in one run, beside a bare
//! loop of write and fdatasync of the bytes that the log took.
//!
//! `cargo bench --bench durability [-- PART...]`: parts are `push`, `posts`, `latency`, `files`, `recovery`, all of them without one
//! named. The `highwater` binary runs in a process of its own, in a folder for temporary files (`TMPDIR` names another disk), clients in
//! this one; both share the machine's cores and, in `files` and the bare loop, its disk. Figures are medians of the rounds.
#![allow(missing_docs, unreachable_pub, dead_code, clippy::unwrap_used)]

#[path = "../serve/clicks.rs"]
mod clicks;
#[path = "../serve/events.rs"]
mod events;
mod files;
#[path = "../serve/latency.rs"]
mod latency;
#[path = "../serve/pace.rs"]
mod pace;
#[path = "../serve/requests.rs"]
mod requests;
#[path = "../serve/server.rs"]
mod server;
#[path = "../serve/sockets.rs"]
mod sockets;

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use clicks::PROGRAM;
use highwater_log::{Folder, inspect};
use pace::median;
use server::Server;

const PARTS: &[(&str, fn())] =
    &[("push", push), ("posts", posts), ("latency", latency), ("files", files::files), ("recovery", recovery)];

/// How often each server is measured, in turn, and for how long each time.
const ROUNDS: usize = 3;
const SECONDS: f64 = 3.0;

/// What the log hands to the disk at once when much is pushed.
const RUN_BYTES: usize = 8 << 20;

const DURABLE: &[&str] = &["--data-dir", "data"];

fn main() {
    let asked: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    for (name, measure) in PARTS.iter().filter(|(name, _)| asked.is_empty() || asked.iter().any(|asked| asked == name))
    {
        println!("{name}");
        measure();
    }
}

fn line(what: &str, found: &str) {
    println!("  {what:<64} {found:>20}");
}

/// Rows a second of a server with and of one without, each a server of its own a round; and bytes that a row takes in the log.
fn rates(load: requests::Load) -> ([Vec<f64>; 2], f64) {
    let (mut rates, mut bytes) = ([Vec::new(), Vec::new()], Vec::new());
    for _ in 0..ROUNDS {
        for (at, flags) in [&[][..], DURABLE].into_iter().enumerate() {
            let server = Server::start(&PROGRAM.replace("{}", ""), flags);
            let sent = requests::push(&server, load);
            assert_eq!(
                server.settles("pages", "views", sent.accepted),
                sent.accepted,
                "every row taken is in the result"
            );
            rates[at].push(sent.accepted as f64 / sent.seconds);
            if !flags.is_empty() {
                bytes.push(logged(&server.folder().path().join("data")) as f64 / sent.accepted as f64);
            }
        }
    }
    (rates, median(bytes))
}

/// Bytes of blocks in a log.
fn logged(folder: &Path) -> u64 {
    inspect(&*Folder::read_only(folder)).unwrap().segments.iter().map(|segment| segment.used).sum()
}

/// Bytes a second of writing and syncing so many at once, into room that was taken before, as the log does.
fn bare(bytes: u64, each: usize) -> f64 {
    let folder = tempfile::tempdir().unwrap();
    let file = OpenOptions::new().create_new(true).write(true).open(folder.path().join("bare")).unwrap();
    let piece = vec![b'x'; each];
    let begun = Instant::now();
    for offset in (0..bytes).step_by(each) {
        file.write_all_at(&piece, offset).unwrap();
        file.sync_data().unwrap();
    }
    bytes as f64 / begun.elapsed().as_secs_f64()
}

fn push() {
    let load =
        requests::Load { threads: 2, connections: 4, rows: 500, rate: None, seconds: SECONDS, since: Duration::ZERO };
    let ([without, with], bytes) = rates(load);
    let (without, with) = (median(without), median(with));
    let disk = median((0..ROUNDS).map(|_| bare(512 << 20, RUN_BYTES)).collect());
    line("NDJSON bodies of 500 rows, 8 connections, no log", &format!("{:.2} M rows/s", without / 1e6));
    line("the same, each answered when it is durable", &format!("{:.2} M rows/s", with / 1e6));
    line("of the rate without a log", &format!("{:.0} %", 100.0 * with / without));
    line("bytes of the log a row", &format!("{bytes:.1}"));
    line("bare write + fdatasync, 8 MiB each", &format!("{:.0} MB/s", disk / 1e6));
    line("of as many rows as that are bytes of", &format!("{:.0} %", 100.0 * with * bytes / disk));
}

fn posts() {
    let load =
        requests::Load { threads: 2, connections: 32, rows: 1, rate: None, seconds: SECONDS, since: Duration::ZERO };
    let ([without, with], _) = rates(load);
    let (without, with) = (median(without), median(with));
    let syncs = median((0..ROUNDS).map(|_| bare(200 * 4096, 4096) / 4096.0).collect());
    line("single events by POST, 64 connections, no log", &format!("{:.1} k/s", without / 1e3));
    line("the same, each answered when it is durable", &format!("{:.1} k/s", with / 1e3));
    line("of the rate without a log", &format!("{:.0} %", 100.0 * with / without));
    line("bare write + fdatasync, 4 KiB each", &format!("{syncs:.0}/s"));
}

fn latency() {
    let mut shown = [Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        for (at, flags) in [&[][..], DURABLE].into_iter().enumerate() {
            let mut found = latency::measure(1000.0, 5.0, flags);
            shown[at].push((found.shown.ms(0.5), found.shown.ms(0.99)));
        }
    }
    let mut syncs = pace::Took::default();
    let folder = tempfile::tempdir().unwrap();
    let file = OpenOptions::new().create_new(true).write(true).open(folder.path().join("bare")).unwrap();
    for number in 0..300 {
        let begun = Instant::now();
        file.write_all_at(&[b'x'; 16 << 10], number * (16 << 10)).unwrap();
        file.sync_data().unwrap();
        syncs.seconds(begun.elapsed().as_secs_f64());
    }
    for (what, shown) in ["no log", "with a log"].into_iter().zip(shown) {
        let (p50, p99): (Vec<f64>, Vec<f64>) = shown.into_iter().unzip();
        let found = format!("{:.1}, {:.1} ms", median(p50), median(p99));
        line(&format!("frame of 100 rows until visible, 1,000/s, {what}: p50, p99"), &found);
    }
    line("bare write + fdatasync, 16 KiB: p50, p99", &format!("{:.1}, {:.1} ms", syncs.ms(0.5), syncs.ms(0.99)));
}

/// What was pushed for some seconds is run again after a kill.
fn recovery() {
    let load =
        requests::Load { threads: 2, connections: 4, rows: 500, rate: None, seconds: SECONDS, since: Duration::ZERO };
    let (mut live, mut again, mut rows) = (Vec::new(), Vec::new(), 0);
    for _ in 0..ROUNDS {
        let server = Server::start(&PROGRAM.replace("{}", ""), DURABLE);
        let sent = requests::push(&server, load);
        assert_eq!(server.settles("pages", "views", sent.accepted), sent.accepted);
        live.push(sent.accepted as f64 / sent.seconds);
        let folder = server.folder();
        drop(server);
        let begun = Instant::now();
        let server = Server::start_in(folder, DURABLE);
        // `/readyz` is 200 when all of it has been run again.
        while !server.ready() {
            std::thread::sleep(Duration::from_millis(2));
        }
        again.push(sent.accepted as f64 / begun.elapsed().as_secs_f64());
        assert_eq!(server.settles("pages", "views", sent.accepted), sent.accepted, "every row is there after the kill");
        rows = sent.accepted;
    }
    let (live, again) = (median(live), median(again));
    line("rows pushed before a kill", &format!("{:.1} M", rows as f64 / 1e6));
    line("live", &format!("{:.2} M rows/s", live / 1e6));
    line("from the start of the process until it is ready again", &format!("{:.2} M rows/s", again / 1e6));
    line("times the live rate", &format!("{:.1}", again / live));
}
