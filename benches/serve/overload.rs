//! More than the server can take: three times as many rows a second as it was found to take, for as long as asked. What it
//! does not take it must refuse, its memory must stay bounded, and every row that it said to have taken must be in the result.
//!
//! The view matches regular expressions, so that one worker is the bound and the queue before it fills, however fast bodies are read
//! and decoded.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::clicks::PROGRAM;
use super::requests::{Load, Sent, push};
use super::server::Server;

/// A view that costs the worker far more a row than the clients and the server pay for it, so that two cores can offer three times
/// what it takes: a regular expression for every digit that a user's name may end with.
fn slow() -> String {
    let length = |digit: u8| {
        format!("CHAR_LENGTH(REGEXP_REPLACE(user_id, '^([a-z]+)-([0-9]*)({digit})$', '\\\\3-\\\\2-\\\\1'))")
    };
    let lengths: Vec<String> = (0..10).map(length).collect();
    format!(
        "CREATE MATERIALIZED VIEW slow AS
         SELECT page, window_start, window_end, COUNT(*) AS views, SUM({}) AS letters
         FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY page, window_start, window_end
         EMIT CHANGES;",
        lengths.join(" + ")
    )
}

/// How the run went.
#[derive(Debug)]
pub struct Overload {
    /// Rows a second that the server takes when each client waits for its answers and comes back when turned away.
    pub capacity: f64,
    pub offered: f64,
    pub sent: Sent,
    /// Rows in the result.
    pub shown: u64,
    /// Resident memory in MiB, at its highest: in three quarters of the time, and in the last.
    pub memory_mib: (f64, f64),
}

/// Measures the capacity for `warm` seconds, then offers `times` as much for `seconds`.
pub fn run(times: f64, warm: f64, seconds: f64) -> Overload {
    let program = format!("{}{}", PROGRAM.replace("{}", ", 'queue-rows' = '65536'"), slow());
    let server = Server::start(&program, &["-w", "1"]);
    let load = Load { threads: 1, connections: 4, rows: 500, rate: None, seconds: warm, since: Duration::ZERO };
    let first = push(&server, load);
    let capacity = first.accepted as f64 / first.seconds;
    let offered = capacity * times;
    let done = AtomicBool::new(false);
    let (sent, memory) = std::thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let mut memory = Vec::new();
            while !done.load(Ordering::Relaxed) {
                memory.push(server.memory_mib().0);
                std::thread::sleep(Duration::from_millis(100));
            }
            memory
        });
        let since = Duration::from_secs_f64(first.seconds.ceil());
        let sent = push(&server, Load { rate: Some(offered), seconds, since, ..load });
        done.store(true, Ordering::Relaxed);
        (sent, watch.join().unwrap())
    });
    let (before, last) = memory.split_at(memory.len() / 4 * 3);
    let highest = |memory: &[f64]| memory.iter().copied().fold(0.0, f64::max);
    let expected = first.accepted + sent.accepted;
    let shown = server.settles("slow", "views", expected) - first.accepted;
    Overload { capacity, offered, sent, shown, memory_mib: (highest(before), highest(last)) }
}
