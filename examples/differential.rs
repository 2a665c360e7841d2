//! A view as a differential collection: connected components over the transfers of the last ten minutes.
//!
//! SQL says which transfers count (a sliding window, updated as it moves); differential dataflow iterates on them:
//! labels spread along edges until nothing changes, and when a window's edges change only what they touched is computed
//! again. The iteration runs inside the engine's dataflow, on all its workers, at the same epochs.
//!
//! `cargo run --example differential`

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::{Arc, Mutex};

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampMillisecondType};
use differential_dataflow::algorithms::graphs::propagate::propagate;
use highwater::engine::{Config, Engine};
use highwater::sql::{Catalog, plan};
use highwater::time::{Epoch, format_time_ms};

const PROGRAM: &str = "
    CREATE SOURCE transfers (
      id BIGINT, sender BIGINT, receiver BIGINT,
      ts AS TO_TIMESTAMP_LTZ(1767225600000 + id * 1000, 3),
      WATERMARK FOR ts AS ts
    ) WITH ('connector' = 'datagen', 'number-of-rows' = '3600',
            'fields.id.kind' = 'sequence', 'fields.id.start' = '0', 'fields.id.end' = '3599',
            'fields.sender.min' = '0', 'fields.sender.max' = '999',
            'fields.receiver.min' = '0', 'fields.receiver.max' = '999');

    CREATE MATERIALIZED VIEW edges AS
    SELECT window_end, sender, receiver
    FROM TABLE(HOP(TABLE transfers, DESCRIPTOR(ts), INTERVAL '5' MINUTE, INTERVAL '10' MINUTE))
    GROUP BY window_start, window_end, sender, receiver;
";

/// A transfer in a window: the window's end and the two accounts. Accounts of different windows are different nodes.
fn edge(batch: &RecordBatch, row: usize) -> (i64, i64, i64) {
    let end = batch.column(0).as_primitive::<TimestampMillisecondType>().value(row);
    let account = |column: usize| batch.column(column).as_primitive::<Int64Type>().value(row);
    (end, account(1), account(2))
}

fn main() -> Result<(), Box<dyn Error>> {
    let dataflow = plan(&[("differential.sql".to_owned(), PROGRAM.to_owned())], &Catalog::new())?;
    // Per window how many accounts carry each label.
    let components: Arc<Mutex<BTreeMap<i64, BTreeMap<i64, i64>>>> = Arc::default();
    let found = components.clone();
    let engine = Engine::start_with(dataflow, Config::default().workers(2), move |built| {
        let edges = built.collection("edges", edge)?;
        let both = edges.flat_map(|(end, from, to)| [((end, from), (end, to)), ((end, to), (end, from))]);
        let nodes = both.clone().map(|(node, _)| (node, node.1)).distinct_core::<i64>();
        let found = found.clone();
        let labels = propagate(both, nodes).inspect(move |((node, label), _epoch, diff): &(_, Epoch, i64)| {
            let (end, _account): (i64, i64) = *node;
            if let Ok(mut found) = found.lock() {
                *found.entry(end).or_default().entry(*label).or_default() += diff;
            }
        });
        built.follow(labels.inner);
        Ok(())
    })?;
    engine.wait()?;
    let components = components.lock().map_err(|_| "a worker panicked")?;
    for (end, labels) in components.iter() {
        let sizes: Vec<i64> = labels.values().copied().filter(|&size| size > 0).collect();
        let largest = sizes.iter().max().copied().unwrap_or(0);
        println!("{}: {:>3} components, the largest of {largest} accounts", format_time_ms(*end), sizes.len());
    }
    Ok(())
}
