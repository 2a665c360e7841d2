//! What a data directory costs: the same clients against a server with one and a server without, in turn in one run, beside a bare
//! loop of write and fdatasync of the bytes that the log took.
//!
//! `cargo bench --bench durability [-- PART...]`: parts are `push`, `posts`, `latency`, `files`, `replay`, `start`, `idle`, all of them
//! without one named. The `highwater` binary runs in a process of its own, in a folder for temporary files (`TMPDIR` names another disk),
//! clients in this one; both share the machine's cores and, in `files` and the bare loop, its disk. Figures are medians of the rounds.
//! Rates are of rows that show, from the first byte sent to when the views have all of them, and rows that there is no room for are
//! refused (`'log.overflow' = '0'`), so no figure is that of a queue; but where it says how fast rows wait in the log.
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
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use clicks::{Message, PROGRAM};
use highwater_log::{Folder, inspect};
use pace::median;
use server::Server;

const PARTS: &[(&str, fn())] = &[
    ("push", push),
    ("posts", posts),
    ("latency", latency),
    ("files", files::files),
    ("replay", replay),
    ("start", start),
    ("idle", idle),
];

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

/// The source with further options, and how much may wait in the log.
fn program(options: &str, overflow: &str) -> String {
    format!("SET 'log.overflow' = '{overflow}';\n{}", PROGRAM.replace("{}", options))
}

/// Rows that came, for how many seconds they were sent and until all showed.
fn shown(server: &Server, load: requests::Load) -> (f64, f64, f64) {
    let begun = Instant::now();
    let sent = requests::push(server, load);
    assert_eq!(server.settles("pages", "views", sent.accepted), sent.accepted, "every row taken is in the result");
    (sent.accepted as f64, sent.seconds, begun.elapsed().as_secs_f64())
}

/// Rows a second that show, of a server with and of one without, each a server of its own a round; and bytes that a row takes in the log.
fn rates(load: requests::Load) -> ([f64; 2], f64) {
    let (mut rates, mut bytes) = ([Vec::new(), Vec::new()], Vec::new());
    for _ in 0..ROUNDS {
        for (at, flags) in [&[][..], DURABLE].into_iter().enumerate() {
            let server = Server::start(&program("", "0"), flags);
            let (rows, _, seconds) = shown(&server, load);
            rates[at].push(rows / seconds);
            if !flags.is_empty() {
                bytes.push(logged(&server.folder().path().join("data")) as f64 / rows);
            }
        }
    }
    (rates.map(median), median(bytes))
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

fn bodies(seconds: f64) -> requests::Load {
    requests::Load { threads: 2, connections: 4, rows: 500, rate: None, seconds, since: Duration::ZERO }
}

/// Bodies of many clients: what one waits for its answer another is at work.
fn many(seconds: f64) -> requests::Load {
    requests::Load { connections: 32, ..bodies(seconds) }
}

fn push() {
    let mut found = (0.0, 0.0);
    for load in [bodies(SECONDS), many(SECONDS)] {
        let ([without, with], bytes) = rates(load);
        let clients = load.threads * load.connections;
        let what = format!("NDJSON bodies of 500 rows, {clients} connections, until they show, no log");
        line(&what, &format!("{:.2} M rows/s", without / 1e6));
        line("the same, each answered when it is durable", &format!("{:.2} M rows/s", with / 1e6));
        line("of the rate without a log", &format!("{:.0} %", 100.0 * with / without));
        found = (with, bytes);
    }
    let (with, bytes) = found;
    let disk = median((0..ROUNDS).map(|_| bare(512 << 20, RUN_BYTES)).collect());
    line("bytes of the log a row", &format!("{bytes:.1}"));
    line("bare write + fdatasync, 8 MiB each", &format!("{:.0} MB/s", disk / 1e6));
    line("of as many rows as that are bytes of", &format!("{:.0} %", 100.0 * with * bytes / disk));
    let goal = (0.8 * disk / bytes).min(4e6);
    line("the goal: 80 % of those, or 4 M rows/s", &format!("{:.2} M rows/s", goal / 1e6));
    // What the workers have no room for waits in the log.
    let (mut taken, mut all, mut size) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let server = Server::start(&program("", "10 GiB"), DURABLE);
        let (rows, sent, seconds) = shown(&server, many(SECONDS));
        taken.push(rows / sent);
        all.push(rows / seconds);
        size.push(logged(&server.folder().path().join("data")) as f64 / rows);
    }
    let (taken, size) = (median(taken), median(size));
    line("durable where the log may take what the workers cannot", &format!("{:.2} M rows/s", taken / 1e6));
    line("of the bare loop, as bytes", &format!("{:.0} %", 100.0 * taken * size / disk));
    line("until those show", &format!("{:.2} M rows/s", median(all) / 1e6));
}

fn posts() {
    let ([without, with], _) = rates(requests::Load { connections: 32, rows: 1, ..bodies(SECONDS) });
    let syncs = median((0..ROUNDS).map(|_| bare(200 * 4096, 4096) / 4096.0).collect());
    line("single events by POST, 64 connections, until they show, no log", &format!("{:.1} k/s", without / 1e3));
    line("the same, each answered when it is durable", &format!("{:.1} k/s", with / 1e3));
    line("of the rate without a log (the goal: 60 %)", &format!("{:.0} %", 100.0 * with / without));
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
    let mut without = None;
    for (what, shown) in ["no log", "with a log"].into_iter().zip(shown) {
        let (p50, p99): (Vec<f64>, Vec<f64>) = shown.into_iter().unzip();
        let (p50, p99) = (median(p50), median(p99));
        without.get_or_insert(p99);
        line(&format!("frame of 100 rows until visible, 1,000/s, {what}: p50, p99"), &format!("{p50:.1}, {p99:.1} ms"));
    }
    line("bare write + fdatasync, 16 KiB: p50, p99", &format!("{:.1}, {:.1} ms", syncs.ms(0.5), syncs.ms(0.99)));
    let goal = without.unwrap_or_default() + 2.0 * syncs.ms(0.99);
    line("the goal: p99 without a log and two of those", &format!("{goal:.1} ms"));
}

/// What was pushed for some seconds is run again: by a start after a kill, and by a replay.
fn replay() {
    let (mut live, mut again, mut replayed, mut rows) = (Vec::new(), Vec::new(), Vec::new(), 0.0);
    for _ in 0..ROUNDS {
        let server = Server::start(&program("", "0"), DURABLE);
        let (came, _, seconds) = shown(&server, bodies(SECONDS));
        live.push(came / seconds);
        let folder = server.folder();
        drop(server);
        let begun = Instant::now();
        let server = Server::start_in(folder.clone(), DURABLE);
        // `/readyz` is 200 when all of it has been run again.
        while !server.ready() {
            std::thread::sleep(Duration::from_millis(2));
        }
        again.push(came / begun.elapsed().as_secs_f64());
        assert_eq!(server.settles("pages", "views", came as u64), came as u64, "every row is there after the kill");
        drop(server);
        replayed.push(came / replays(folder.path()));
        rows = came;
    }
    let [live, again, replayed] = [live, again, replayed].map(median);
    line("rows pushed before a kill", &format!("{:.1} M", rows / 1e6));
    line("live, until they show", &format!("{:.2} M rows/s", live / 1e6));
    line("from the start of the process until it is ready again", &format!("{:.2} M rows/s", again / 1e6));
    line("a replay, from its start until it shows the end", &format!("{:.2} M rows/s", replayed / 1e6));
    line("times the live rate (the goal of a replay: 5)", &format!("{:.1}, {:.1}", again / live, replayed / live));
}

/// Seconds of a replay of the data directory in a folder, until its views are as far as they come.
fn replays(folder: &Path) -> f64 {
    let mut command = Command::new(env!("CARGO_BIN_EXE_highwater"));
    command.args(["replay", "data", "--listen", "127.0.0.1:0"]).current_dir(folder).env("NO_COLOR", "1");
    let begun = Instant::now();
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    let served = lines.any(|line| line.contains("stay served"));
    let seconds = begun.elapsed().as_secs_f64();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(served, "it ended before it showed anything");
    seconds
}

/// How soon after its start a process has a row on disk that is pushed to it: over a new directory, and over a log.
fn start() {
    let (mut new, mut over, mut ready, mut bytes) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for _ in 0..ROUNDS {
        let folder = {
            let server = Server::start(&program("", "64 MiB"), DURABLE);
            shown(&server, bodies(SECONDS * 4.0));
            server.folder()
        };
        bytes = logged(&folder.path().join("data"));
        let begun = Instant::now();
        let server = Server::start_in(folder.clone(), DURABLE);
        over.push(takes_one(&server, begun));
        while !server.ready() {
            std::thread::sleep(Duration::from_millis(2));
        }
        ready.push(begun.elapsed().as_secs_f64());
        drop(server);
        std::fs::remove_dir_all(folder.path().join("data")).unwrap();
        let begun = Instant::now();
        new.push(takes_one(&Server::start_in(folder, DURABLE), begun));
    }
    line("a pushed row is durable, from the start of the process, new", &format!("{:.0} ms", 1e3 * median(new)));
    line(&format!("the same over a log of {} MB", bytes / 1_000_000), &format!("{:.0} ms", 1e3 * median(over)));
    line("until that has been run again", &format!("{:.1} s", median(ready)));
}

/// Seconds since `begun` until a row is durable.
fn takes_one(server: &Server, begun: Instant) -> f64 {
    let mut body = Message::request(0, 1);
    body.at(Duration::from_secs(60));
    let mut connection = requests::Connection::new(server.connect());
    loop {
        connection.stream.write_all(&body.bytes).unwrap();
        match connection.read().0 {
            202 => return begun.elapsed().as_secs_f64(),
            429 | 503 => std::thread::sleep(Duration::from_millis(2)),
            other => panic!("{other}"),
        }
    }
}

/// How often files of the log are synced while nothing comes.
fn idle() {
    for (what, options) in
        [("", ""), (", whose time goes on by the clock", ", 'watermark.idle' = 'clock', 'idle-timeout' = '1 s'")]
    {
        let server = Server::start(&program(options, "0"), DURABLE);
        takes_one(&server, Instant::now());
        std::thread::sleep(Duration::from_secs(3));
        let syncs =
            || requests::number(server.text("/metrics").as_bytes(), b"\nhighwater_log_sync_seconds_count ") as f64;
        let (before, begun) = (syncs(), Instant::now());
        std::thread::sleep(Duration::from_secs(20));
        let a_second = (syncs() - before) / begun.elapsed().as_secs_f64();
        line(&format!("syncs a second of an idle program{what} (the goal: 1)"), &format!("{a_second:.2}"));
    }
}
