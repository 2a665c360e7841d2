//! A dataflow inside a Rust program: start it from SQL, follow a view's changes epoch by epoch, read its rows.
//!
//! `cargo run --example embed`

use std::error::Error;

use highwater::Highwater;
use highwater::embed::Event;
use highwater::time::format_time_ms;

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
    let highwater = Highwater::builder().sql(PROGRAM).workers(2).start()?;
    let per_kind = highwater.view("per_kind")?;
    for event in per_kind.follow() {
        match event? {
            Event::Snapshot(snapshot) => println!("{} rows to begin with", snapshot.batch().num_rows()),
            Event::Changes(changes) => println!("{:>3} changes", changes.diffs().len()),
            Event::Progress(as_of) => println!("complete up to {}", format_time_ms(as_of.watermark)),
            _ => {}
        }
    }
    let rows: Vec<(String, String)> =
        per_kind.batch().project(&[0, 1]).map(|two| highwater::embed::from_batch(&two))??;
    println!("{} rows, the first of {:?}", rows.len(), rows.first());
    Ok(())
}
