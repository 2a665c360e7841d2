//! Resident memory over time: rows through tumbling windows and sessions over 100,000 keys, or through joins with bounds, from
//! the built-in source to a sink that forgets. What is closed must be freed: memory stays flat however long the stream is.
//!
//! `cargo bench --bench memory [-- ROWS] [joins]` (default 50 million rows through windows) prints rows, seconds and MiB, and ends with code 1 if memory at
//! the end is more than 1.5 times what it was after the first fifth. The run is always 100 s of event time: 20 windows a key.
#![allow(missing_docs)]

use std::process::ExitCode;
use std::time::Duration;

use highwater::engine::{BATCH_ROWS, Config, Engine};
use highwater::sql::{Catalog, plan};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Seconds of event time.
const SPAN: u64 = 100;
/// By how much memory may grow after the first fifth.
const MOST: f64 = 1.5;

fn program(rows: u64) -> String {
    let rate = (rows / SPAN).max(1);
    format!(
        "CREATE SOURCE events (
           k BIGINT, v BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '1' SECOND
         ) WITH ('connector' = 'datagen', 'number-of-rows' = '{rows}', 'rows-per-second' = '{rate}', 'disorder' = '1 s',
                 'fields.k.min' = '1', 'fields.k.max' = '100000', 'fields.v.min' = '0', 'fields.v.max' = '1000');
         CREATE SINK windows WITH ('connector' = 'blackhole') AS
         SELECT k, window_start, COUNT(*) AS n, SUM(v) AS total, MIN(v) AS low, MAX(v) AS high
         FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(ts), INTERVAL '5' SECOND)) GROUP BY k, window_start, window_end;
         CREATE SINK sessions WITH ('connector' = 'blackhole') AS
         SELECT k, window_start, window_end, COUNT(*) AS n, SUM(v) AS total
         FROM TABLE(SESSION(TABLE events PARTITION BY k, DESCRIPTOR(ts), INTERVAL '0.5' SECOND))
         GROUP BY k, window_start, window_end;"
    )
}

/// Rows of one source in two halves, joined within an interval, outer, and by windows.
fn joins(rows: u64) -> String {
    let rate = (rows / SPAN).max(1);
    format!(
        "CREATE SOURCE events (
           k BIGINT, side BIGINT, v BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '1' SECOND
         ) WITH ('connector' = 'datagen', 'number-of-rows' = '{rows}', 'rows-per-second' = '{rate}', 'disorder' = '1 s',
                 'fields.k.min' = '1', 'fields.k.max' = '100000', 'fields.side.min' = '0', 'fields.side.max' = '1',
                 'fields.v.min' = '0', 'fields.v.max' = '1000');
         CREATE VIEW l AS SELECT k, v, ts FROM events WHERE side = 0;
         CREATE VIEW r AS SELECT k, v, ts FROM events WHERE side = 1;
         CREATE SINK near WITH ('connector' = 'blackhole') AS
         SELECT l.k, l.v, r.v AS other FROM l JOIN r
           ON l.k = r.k AND r.ts BETWEEN l.ts - INTERVAL '0.2' SECOND AND l.ts + INTERVAL '0.2' SECOND;
         CREATE SINK after WITH ('connector' = 'blackhole') AS
         SELECT l.k, l.v, r.v AS other FROM l LEFT JOIN r
           ON l.k = r.k AND r.ts BETWEEN l.ts AND l.ts + INTERVAL '0.1' SECOND;
         CREATE VIEW lw AS SELECT k, window_start, window_end, COUNT(*) AS n
           FROM TABLE(TUMBLE(TABLE l, DESCRIPTOR(ts), INTERVAL '5' SECOND)) GROUP BY k, window_start, window_end;
         CREATE VIEW rw AS SELECT k, window_start, window_end, COUNT(*) AS n
           FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '5' SECOND)) GROUP BY k, window_start, window_end;
         CREATE SINK windows WITH ('connector' = 'blackhole') AS
         SELECT lw.k, lw.window_end, lw.n, rw.n AS others FROM lw FULL JOIN rw
           ON lw.k = rw.k AND lw.window_start = rw.window_start AND lw.window_end = rw.window_end;"
    )
}

/// What the process holds, in MiB; `None` where there is no `/proc`.
fn resident_mib() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().trim_end_matches("kB").trim().parse::<f64>().ok().map(|kib| kib / 1024.0)
}

fn main() -> ExitCode {
    let rows = std::env::args().skip(1).find_map(|arg| arg.replace('_', "").parse().ok()).unwrap_or(50_000_000);
    // Small buffers: what is measured is state, not rows on their way.
    let config = Config::default().with(|config| {
        config.queue_rows = 2 * BATCH_ROWS;
        config.lag_batches = 4;
    });
    let text = if std::env::args().any(|arg| arg == "joins") { joins(rows) } else { program(rows) };
    let planned = plan(&[("memory.sql".to_owned(), text)], &Catalog::new());
    let dataflow = planned.unwrap_or_else(|errors| panic!("{}", errors[0]));
    let engine = Engine::start(dataflow, config).unwrap_or_else(|error| panic!("{error}"));
    println!("{:>12} {:>8} {:>8}", "rows", "seconds", "RSS MiB");
    let (mut early, mut shown) = (None, 0.0);
    let ended = loop {
        let ended = engine.wait_within(Duration::from_millis(20));
        let progress = engine.progress();
        let Some(resident) = resident_mib() else {
            eprintln!("no /proc/self/status: nothing to measure");
            return ExitCode::FAILURE;
        };
        let fifth = early.is_none() && progress.rows >= rows / 5;
        if fifth {
            early = Some(resident);
        }
        if fifth || ended.is_some() || progress.seconds - shown >= 1.0 {
            shown = progress.seconds;
            println!("{:>12} {:>8.1} {resident:>8.1}", progress.rows, progress.seconds);
        }
        if let Some(ended) = ended {
            break ended.map(|summary| (summary, resident));
        }
    };
    let (summary, late) = ended.unwrap_or_else(|error| panic!("{error}"));
    let early = early.unwrap_or(late);
    let rate = summary.rows_received as f64 / summary.seconds.max(0.001);
    println!(
        "{:.2} M rows/s; after a fifth {early:.1} MiB, at the end {late:.1} MiB: {:.2} times",
        rate / 1e6,
        late / early
    );
    match late <= MOST * early {
        true => ExitCode::SUCCESS,
        false => {
            eprintln!("memory grew to more than {MOST} times");
            ExitCode::FAILURE
        }
    }
}
