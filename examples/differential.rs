//! Iteration in Rust between views of SQL: connected components over the transfers of the last ten minutes.
//!
//! SQL says which transfers count (a sliding window, updated as it moves); differential dataflow iterates on them: labels spread along
//! edges until nothing changes, and when a window's edges change only what they touched is computed again. What comes of it is a table that
//! SQL reads on: how large the components are. All of it is one dataflow, on all workers, at the same epochs.
//!
//! `cargo run --example differential`

use std::error::Error;
use std::time::Duration;

use differential_dataflow::algorithms::graphs::propagate::propagate;
use highwater::Highwater;
use highwater::extend::relation;
use highwater::time::format_time_ms;

const PROGRAM: &str = "
    CREATE SOURCE transfers (
      id BIGINT, sender BIGINT, receiver BIGINT,
      ts AS TO_TIMESTAMP_LTZ(1767225600000 + id * 1000, 3),
      WATERMARK FOR ts AS ts
    ) WITH ('connector' = 'datagen', 'number-of-rows' = '3600',
            'fields.id.kind' = 'sequence', 'fields.id.start' = '0', 'fields.id.end' = '3599',
            'fields.sender.min' = '0', 'fields.sender.max' = '999',
            'fields.receiver.min' = '0', 'fields.receiver.max' = '999');

    CREATE VIEW edges AS
    SELECT window_end, sender, receiver
    FROM TABLE(HOP(TABLE transfers, DESCRIPTOR(ts), INTERVAL '5' MINUTE, INTERVAL '10' MINUTE))
    GROUP BY window_start, window_end, sender, receiver;

    CREATE TABLE components (window_end TIMESTAMP_LTZ(3), account BIGINT, label BIGINT)
    WITH ('connector' = 'connected', 'reads' = 'edges');

    CREATE VIEW sizes AS SELECT window_end, label, COUNT(*) AS accounts FROM components GROUP BY window_end, label;

    CREATE MATERIALIZED VIEW windows AS
    SELECT window_end, COUNT(*) AS components, MAX(accounts) AS largest FROM sizes GROUP BY window_end;
";

fn main() -> Result<(), Box<dyn Error>> {
    let connected = relation("connected", |[edges]| {
        // Accounts of different windows are different nodes.
        let edges = edges.rows::<(i64, i64, i64)>();
        let both = edges.flat_map(|(end, from, to)| [((end, from), (end, to)), ((end, to), (end, from))]);
        let nodes = both.clone().map(|(node, _)| (node, node.1)).distinct_core::<i64>();
        propagate(both, nodes).map(|((end, account), label)| (end, account, label))
    });
    let highwater = Highwater::builder().sql(PROGRAM).relation(connected).workers(2).start()?;
    highwater.finished_within(Duration::from_secs(600))?;
    let mut windows: Vec<(i64, u64, u64)> = highwater.view("windows")?.rows()?;
    windows.sort_unstable();
    for (end, components, largest) in windows {
        println!("{}: {components:>3} components, the largest of {largest} accounts", format_time_ms(end));
    }
    Ok(())
}
