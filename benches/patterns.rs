//! A pattern over many keys: a suspicious login, then a purchase too large for it within five minutes, of 100,000 users; rows/s
//! through the whole engine on one worker and on two, with the events in memory before the clock starts.
//!
//! `cargo bench --bench patterns -- [--rows N] [--runs N]` (default 10 million rows, median of 3). 5,000 events come a second of
//! event time, up to a second out of order, so a user has about 15 in five minutes; one in ten is a login, one in fifty of all a
//! suspicious one. `peak` is the most memory held by the run on one worker, the input's included.
//!
//! On two idle cores, 2026-11-28, one after the other: 1.88 M rows/s on one worker, 3.39 M on two. When conditions were evaluated
//! a row at a time, and every look at a partition began its attempt anew: 0.51 and 0.95 M.
#![allow(missing_docs)]

mod replay;

use highwater::engine::{Config, Engine};
use highwater::sql::{Catalog, plan};
use replay::{held_mib, peak_mib, replayed};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn program(rows: u64) -> String {
    format!(
        "CREATE SOURCE events (
           user_id BIGINT, what BIGINT, risk DOUBLE, amount DOUBLE, ts TIMESTAMP(3),
           WATERMARK FOR ts AS ts - INTERVAL '1' SECOND
         ) WITH ('connector' = 'datagen', 'number-of-rows' = '{rows}', 'rows-per-second' = '5000', 'disorder' = '1 s',
                 'fields.user_id.min' = '1', 'fields.user_id.max' = '100000', 'fields.what.min' = '0', 'fields.what.max' = '9',
                 'fields.risk.min' = '0', 'fields.risk.max' = '1', 'fields.amount.min' = '0', 'fields.amount.max' = '1000');
         CREATE SINK takeovers WITH ('connector' = 'blackhole') AS
         SELECT user_id, login_at, spent_at, amount
         FROM events
         MATCH_RECOGNIZE (
           PARTITION BY user_id
           ORDER BY ts
           MEASURES LOGIN.ts AS login_at, BUY.ts AS spent_at, BUY.amount AS amount
           ONE ROW PER MATCH
           AFTER MATCH SKIP PAST LAST ROW
           PATTERN (LOGIN OTHER*? BUY) WITHIN INTERVAL '5' MINUTE
           DEFINE
             LOGIN AS LOGIN.what = 0 AND LOGIN.risk > 0.8,
             BUY AS BUY.what > 4 AND BUY.amount > 1000 * LOGIN.risk
         ) AS m;"
    )
}

fn main() {
    let (mut rows, mut runs) = (10_000_000, 3);
    let mut given = std::env::args().skip(1);
    while let Some(argument) = given.next() {
        let mut number = || given.next().and_then(|text| text.parse().ok()).expect("a number after the option");
        match argument.as_str() {
            "--rows" => rows = number(),
            "--runs" => runs = number() as usize,
            _ => {}
        }
    }
    let planned = plan(&[("patterns.sql".to_owned(), program(rows))], &Catalog::new());
    let dataflow = planned.map(replayed).unwrap_or_else(|errors| panic!("{}", errors[0]));
    println!("{:>8} {:>12} {:>10} {:>10} {:>10}", "workers", "rows", "M rows/s", "input MiB", "peak MiB");
    for workers in [1, 2] {
        let run = |_| {
            let config = Config::default().workers(workers);
            let ended = Engine::start(dataflow.clone(), config).and_then(|engine| engine.wait());
            ended.unwrap_or_else(|error| panic!("{error}")).seconds
        };
        let mut seconds: Vec<f64> = (0..runs).map(run).collect();
        seconds.sort_by(f64::total_cmp);
        let rate = rows as f64 / seconds[runs / 2] / 1e6;
        println!("{workers:>8} {rows:>12} {rate:>10.2} {:>10} {:>10}", held_mib(), peak_mib());
    }
}
