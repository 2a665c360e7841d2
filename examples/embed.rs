//! A dataflow inside a Rust program: plan SQL, start the engine, follow a view's changes epoch by epoch, read its rows.
//!
//! `cargo run --example embed`

use std::error::Error;
use std::time::Duration;

use highwater::engine::{Config, Engine};
use highwater::sql::{Catalog, plan};
use highwater::time::{Epoch, format_time_ms};
use highwater::view::Update;

const PROGRAM: &str = "
    CREATE SOURCE sensors (WATERMARK FOR ts AS ts - INTERVAL '1' SECOND)
    WITH ('connector' = 'datagen', 'kind' = 'sensor', 'number-of-rows' = '20000',
                                'rows-per-second' = '500', 'seed' = '7');

    CREATE MATERIALIZED VIEW per_kind AS
    SELECT kind, window_start, window_end, COUNT(*) AS readings, AVG(value) AS mean
    FROM TABLE(TUMBLE(TABLE sensors, DESCRIPTOR(ts), INTERVAL '10' SECOND))
    GROUP BY kind, window_start, window_end;
";

fn main() -> Result<(), Box<dyn Error>> {
    let dataflow = plan(&[("embed.sql".to_owned(), PROGRAM.to_owned())], &Catalog::new())
        .map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))?;
    let engine = Engine::start(dataflow, Config { workers: 2, ..Config::default() })?;
    let mut changes = engine.subscribe("per_kind").ok_or("the view is published")?;
    while changes.position() < Epoch::END {
        match changes.next_within(Duration::from_secs(10)) {
            Some(Update::Progress { changes, as_of }) => {
                let rows: usize = changes.iter().map(|epoch| epoch.len()).sum();
                println!("{rows:>3} changes, complete up to {}", format_time_ms(as_of.watermark));
            }
            Some(Update::Reset) => println!("too slow: the changes are gone, the rows are still there"),
            Some(Update::Dropped) => break,
            None => println!("nothing new for 10 s"),
        }
    }
    let summary = engine.wait()?;
    println!("{} rows in {:.2} s", summary.rows_received, summary.seconds);
    Ok(())
}
