//! The server under load: what the sidecar takes and how soon it shows it, beside what it has to reach.
//!
//! `cargo bench --bench serve [-- PART...]` runs the `highwater` binary in a process of its own, clients in this one, raw
//! sockets over the loopback between them, every byte that is sent encoded beforehand; parts are `latency`, `bodies`,
//! `frames`, `posts`, `rows`, `readers`, `beside`, `overload`, all of them without one named (under 5 minutes). Client and server share
//! the machine's cores, so a figure is that of both. Latencies are open loop: they count from when a message was due, whatever
//! became of those before it. Rates are the median of three runs in which a client has sent its next message as soon as
//! it may: a body or a request once the one before it on its connection is answered (no pipelining), a frame as soon as
//! the socket takes it. Every part ends by comparing the result with what was acknowledged.
//!
//! A row is a click of about 110 bytes of JSON; its windows of 10 s over 100 pages change with every tick of 10 ms.
#![allow(missing_docs, unreachable_pub, dead_code, clippy::unwrap_used)]

mod beside;
mod clicks;
mod events;
mod latency;
mod overload;
mod pace;
mod readers;
mod requests;
mod rows;
mod server;
mod sockets;

use std::time::Duration;

use clicks::PROGRAM;
use pace::median;
use readers::Crowd;
use requests::Sent;
use server::{Server, cpu_seconds};

/// A part: its name, and what it measures.
type Part = (&'static str, fn(&mut Table));

const PARTS: &[Part] = &[
    ("latency", latency),
    ("bodies", bodies),
    ("frames", frames),
    ("posts", posts),
    ("rows", rows),
    ("readers", readers),
    ("beside", beside),
    ("overload", overload),
];

/// Runs of which the median counts, and how long each is.
const RUNS: usize = 3;
const SECONDS: f64 = 3.0;

fn main() {
    let asked: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    if let Some(unknown) = asked.iter().find(|asked| PARTS.iter().all(|(name, _)| name != asked)) {
        let names: Vec<&str> = PARTS.iter().map(|(name, _)| *name).collect();
        panic!("there is no part '{unknown}'; there are: {}", names.join(", "));
    }
    let mut table = Table { missed: 0 };
    println!("{:<9} {:<66} {:>14} {:>14}", "part", "what", "target", "found");
    for (name, measure) in PARTS.iter().filter(|(name, _)| asked.is_empty() || asked.iter().any(|asked| asked == name))
    {
        table.part(name);
        measure(&mut table);
    }
    println!("{} of the targets missed", table.missed);
}

/// What was found, line by line.
struct Table {
    missed: usize,
}

impl Table {
    fn part(&self, name: &str) {
        print!("{name}\r");
    }

    /// A figure with its bound.
    fn line(&mut self, what: &str, target: &str, found: &str, holds: bool) {
        let verdict = if holds { "" } else { "  missed" };
        self.missed += usize::from(!holds);
        println!("{:<9} {what:<66} {target:>14} {found:>14}{verdict}", "");
    }

    fn note(&self, text: &str) {
        println!("{:<9} {text}", "");
    }

    fn at_most_ms(&mut self, what: &str, target: f64, found: f64) {
        self.line(what, &format!("<= {target} ms"), &format!("{found:.2} ms"), found <= target);
    }

    fn at_least_rows(&mut self, what: &str, target: f64, found: f64) {
        self.line(what, &format!(">= {} k/s", target / 1e3), &format!("{:.0} k/s", found / 1e3), found >= target);
    }
}

fn latency(table: &mut Table) {
    let mut found = latency::measure(1000.0, 10.0, &[]);
    table.note(&format!(
        "{} frames of 100 rows at 100 k rows/s, tick 10 ms; the server used {:.2} cores",
        found.frames, found.cores
    ));
    table.at_most_ms("frame due -> event read, p50", 10.0, found.shown.ms(0.5));
    table.at_most_ms("frame due -> event read, p99", 25.0, found.shown.ms(0.99));
    table.note(&format!(
        "p99.9 {:.2} ms, longest {:.2} ms; acknowledged p50 {:.2} ms, p99 {:.2} ms",
        found.shown.ms(0.999),
        found.shown.ms(1.0),
        found.acknowledged.ms(0.5),
        found.acknowledged.ms(0.99)
    ));
}

/// The median rate of some runs, and whether every row that was acknowledged is in the result.
fn rate(table: &mut Table, what: &str, target: f64, mut push: impl FnMut(&Server, Duration) -> Sent) {
    let server = Server::start(&PROGRAM.replace("{}", ""), &[]);
    let (mut accepted, mut refused, mut rates) = (0, 0, Vec::new());
    let cpu = || [server.cpu_seconds(), cpu_seconds("self")];
    let before = cpu();
    for run in 0..RUNS {
        let sent = push(&server, Duration::from_secs_f64(run as f64 * (SECONDS + 2.0)));
        assert_eq!(sent.accepted + sent.refused, sent.sent, "every row is accounted for");
        accepted += sent.accepted;
        refused += sent.refused;
        rates.push(sent.accepted as f64 / sent.seconds);
    }
    let us = [0, 1].map(|of| (cpu()[of] - before[of]) / accepted as f64 * 1e6);
    assert_eq!(server.settles("pages", "views", accepted), accepted, "every row taken is in the result");
    table.at_least_rows(what, target, median(rates));
    table.note(&format!(
        "CPU a row: server {:.2} us, clients {:.2} us; at most {:.0} MiB; {refused} rows were turned away",
        us[0],
        us[1],
        server.memory_mib().1
    ));
}

fn bodies(table: &mut Table) {
    let load =
        requests::Load { threads: 2, connections: 4, rows: 500, rate: None, seconds: SECONDS, since: Duration::ZERO };
    rate(table, "NDJSON bodies of 500 rows, 8 connections", 1e6, |server, since| {
        requests::push(server, requests::Load { since, ..load })
    });
    steady(table, requests::Load { threads: 8, connections: 1, rate: Some(1e6), ..load });
}

fn posts(table: &mut Table) {
    let load =
        requests::Load { threads: 1, connections: 8, rows: 1, rate: None, seconds: SECONDS, since: Duration::ZERO };
    rate(table, "single events by POST, 8 connections, not pipelined", 40e3, |server, since| {
        requests::push(server, requests::Load { since, ..load })
    });
    steady(table, requests::Load { threads: 8, connections: 1, rate: Some(20e3), ..load });
}

/// How long answers take at a steady rate.
fn steady(table: &Table, load: requests::Load) {
    let server = Server::start(&PROGRAM.replace("{}", ""), &[]);
    let mut sent = requests::push(&server, load);
    let (p50, p99) = (sent.took.ms(0.5), sent.took.ms(0.99));
    let (rate, shown) = (load.rate.unwrap_or_default() / 1e3, sent.accepted as f64 / sent.seconds / 1e3);
    table.note(&format!(
        "open loop at {rate:.0} k rows/s: {shown:.0} k/s taken, acknowledged p50 {p50:.2} ms, p99 {p99:.2} ms"
    ));
}

fn frames(table: &mut Table) {
    let load =
        sockets::Load { connections: 2, together: 256, rows: 1, rate: None, seconds: SECONDS, since: Duration::ZERO };
    rate(table, "single events as WebSocket text frames, 2 connections", 300e3, |server, since| {
        sockets::push(server, sockets::Load { since, ..load })
    });
    let server = Server::start(&PROGRAM.replace("{}", ""), &[]);
    let mut sent = sockets::push(&server, sockets::Load { together: 32, rate: Some(300e3), ..load });
    table.note(&format!(
        "open loop at 300 k/s, 32 written at a time: {:.0} k/s taken, acknowledged p50 {:.2} ms, p99 {:.2} ms",
        sent.accepted as f64 / sent.seconds / 1e3,
        sent.took.ms(0.5),
        sent.took.ms(0.99)
    ));
}

fn rows(table: &mut Table) {
    let mut found = rows::measure(1000.0, 10e3, 5.0);
    table.note(&format!("{} rows, COLUMN=value, 1,000 requests/s over 8 connections", rows::ROWS));
    table.at_most_ms("at rest, p99", 2.0, found.at_rest.ms(0.99));
    table.note(&format!("p50 {:.2} ms, longest {:.2} ms", found.at_rest.ms(0.5), found.at_rest.ms(1.0)));
    table.at_most_ms("while 10 k rows/s change, p99", 2.0, found.changing.ms(0.99));
    table.note(&format!("p50 {:.2} ms, longest {:.2} ms", found.changing.ms(0.5), found.changing.ms(1.0)));
}

fn readers(table: &mut Table) {
    let crowd = Crowd { readers: 1000, stuck: 0, ticks: 100, tick_ms: 100 };
    for stuck in [0, 20] {
        let mut found = readers::follow(Crowd { stuck, ..crowd });
        let whole = found.deltas.iter().filter(|deltas| **deltas >= crowd.ticks).count();
        table.note(&format!(
            "1,000 readers{}, 100 rows changed every {} ms: {:.1} M changes told, {} marks compared",
            if stuck == 0 { String::new() } else { format!(" and {stuck} that are stuck") },
            crowd.tick_ms,
            found.changes as f64 / 1e6,
            found.compared
        ));
        let wrong = found.wrong + found.resets;
        table.line("readers that missed a change, or were reset", "0", &wrong.to_string(), wrong == 0);
        let (before, peak) = found.memory_mib;
        table.line("memory of the server, MiB", "<= 512", &format!("{before:.0} to {peak:.0}"), peak <= 512.0);
        table.note(&format!(
            "rows due -> read: p50 {:.1} ms, p99 {:.1} ms; {whole} were told every tick by itself; {:.2} cores",
            found.shown.ms(0.5),
            found.shown.ms(0.99),
            found.cores
        ));
    }
}

/// 100 readers of 300,000 rows.
fn beside(table: &mut Table) {
    // Together what a link of 1 Gbit/s carries.
    let scale = beside::Scale { rows: 300_000, readers: 100, pace: f64::from(1 << 20), seconds: 5.0, rounds: 5 };
    let mut found = beside::run(scale);
    let alone = [0, 1, 2].map(|at| found.alone[at].ms(0.99));
    table.note(&format!(
        "a view of {} rows; alone p99: /livez {:.2} ms, /metrics {:.2} ms, acknowledgements {:.2} ms",
        scale.rows, alone[0], alone[1], alone[2]
    ));
    let crowds = [
        ("that do not read", &mut found.idle),
        ("that read 1 MiB/s", &mut found.paced),
        ("that read as fast as it goes", &mut found.reading),
    ];
    for (who, asked) in crowds {
        for (at, what) in beside::ASKED.into_iter().enumerate() {
            let bound = if at == 2 { 2.0 * alone[at] } else { 50.0 };
            let target = (bound * 100.0).round() / 100.0;
            table.at_most_ms(
                &format!("{what} beside {} readers {who}, p99", scale.readers),
                target,
                asked[at].ms(0.99),
            );
        }
        table.note(&format!("p50 {:.2}, {:.2}, {:.2} ms", asked[0].ms(0.5), asked[1].ms(0.5), asked[2].ms(0.5)));
    }
    let kib = found.idle_kib;
    table.line("memory of a reader that does not read", "<= 256 KiB", &format!("{kib:.0} KiB"), kib <= 256.0);
    for (taken, cores) in found.taken_mib.into_iter().zip(found.cores) {
        table.note(&format!("readers took {taken:.0} MiB/s together, the server used {cores:.2} cores"));
    }
}

/// Two minutes, since the view's ring of changes takes the first of them to fill.
fn overload(table: &mut Table) {
    let found = overload::run(3.0, 5.0, 120.0);
    let (sent, accounted) = (found.sent.sent, found.sent.accepted + found.sent.refused);
    table.note(&format!(
        "capacity {:.0} k rows/s, offered {:.0} k for {:.0} s: {} sent, {} taken, {} refused",
        found.capacity / 1e3,
        found.offered / 1e3,
        found.sent.seconds,
        sent,
        found.sent.accepted,
        found.sent.refused
    ));
    table.line("rows neither taken nor refused", "0", &sent.abs_diff(accounted).to_string(), sent == accounted);
    let lost = found.shown.abs_diff(found.sent.accepted);
    table.line("rows taken that are not in the result", "0", &lost.to_string(), lost == 0);
    let offered = sent as f64 / found.sent.seconds / found.capacity;
    table.line("offered, times the capacity", ">= 2.9", &format!("{offered:.2}"), offered >= 2.9);
    let (before, last) = found.memory_mib;
    let bound = before * 1.1;
    table.line(
        "memory in the last quarter of the time, MiB",
        &format!("<= {bound:.0}"),
        &format!("{last:.0}"),
        last <= bound,
    );
}
