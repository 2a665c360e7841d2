//! Programs over two sources, run on workers from changes that come at given epochs.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use arrow_array::{ArrayRef, Int64Array, RecordBatch, TimestampMillisecondArray};
use arrow_cast::display::array_value_to_string;
use arrow_schema::DataType;
use highwater::sql::{Catalog, plan};
use highwater::time::Epoch;
use highwater_core::delta::{Delta, Rejects};
use highwater_core::format::show_row;
use highwater_core::plan::{Dataflow, build};
use timely::container::NoopBuilder;
use timely::dataflow::operators::{InspectCore, Probe};
use timely::dataflow::{InputHandle, ProbeHandle};

use crate::oracle::{Dead, dead};

/// `a`, `b`, time in ms: an edge, or for `marks` a node and a value.
pub(super) type Row = (Option<i64>, Option<i64>, i64);
/// Changes of both inputs in one epoch.
pub(super) type Changes = [Vec<(Row, i64)>; 2];
/// A multiset of result rows.
pub(super) type State = BTreeMap<String, i64>;

pub(super) const SOURCES: [&str; 2] = ["edges", "marks"];

/// A program of a view `result`; its sources are `edges` and `marks`.
pub(super) fn planned(query: &str) -> Dataflow {
    let mut sql = String::new();
    for name in SOURCES {
        sql.push_str(&format!(
            "CREATE SOURCE {name} (a BIGINT, b BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts)
             WITH ('connector' = 'filesystem', 'path' = '{name}.ndjson', 'format' = 'json');\n"
        ));
    }
    sql.push_str(&format!("CREATE MATERIALIZED VIEW result AS {query};"));
    match plan(&[("q.sql".to_owned(), sql)], &Catalog::new()) {
        Ok(dataflow) => dataflow,
        Err(errors) => panic!("{}", errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")),
    }
}

/// Rows with the columns of a source that the plan needs.
fn delta(plan: &Dataflow, source: usize, rows: &[(Row, i64)]) -> Delta {
    let schema = plan.sources[source].schema.clone();
    let column = |name: &str| -> ArrayRef {
        match name {
            "a" => Arc::new(rows.iter().map(|(row, _)| row.0).collect::<Int64Array>()),
            "b" => Arc::new(rows.iter().map(|(row, _)| row.1).collect::<Int64Array>()),
            "ts" => Arc::new(TimestampMillisecondArray::from_iter_values(rows.iter().map(|(row, _)| row.2))),
            // The row's number in its source.
            _ => Arc::new(Int64Array::from_iter_values(0..rows.len() as i64)),
        }
    };
    let columns = schema.fields().iter().map(|field| {
        let column = column(field.name());
        if *column.data_type() == *field.data_type() {
            column
        } else {
            arrow_cast::cast(&column, field.data_type()).unwrap()
        }
    });
    let batch = RecordBatch::try_new(schema.clone(), columns.collect()).unwrap();
    Delta::new(batch, Some(rows.iter().map(|(_, diff)| *diff).collect()))
}

fn texts(delta: &Delta, columns: &[usize]) -> Vec<(String, i64)> {
    let cell = |column: usize, row: usize| {
        let column = delta.batch().column(column);
        match column.data_type() {
            _ if column.is_null(row) => "-".to_owned(),
            DataType::Timestamp(..) => {
                column.as_any().downcast_ref::<TimestampMillisecondArray>().unwrap().value(row).to_string()
            }
            _ => array_value_to_string(column, row).unwrap(),
        }
    };
    let text = |row: usize| columns.iter().map(|&column| cell(column, row)).collect::<Vec<_>>().join(" ");
    (0..delta.len()).map(|row| (text(row), delta.diff(row))).collect()
}

/// The changes of the view by epoch, netted, and the rows that failed, as often as each was told less how often it was taken back.
pub(super) fn played(
    plan: &Dataflow,
    epochs: &BTreeMap<Epoch, Changes>,
    workers: usize,
) -> (BTreeMap<Epoch, State>, BTreeMap<Dead, i64>) {
    let plan = plan.clone();
    let failed: Arc<Mutex<BTreeMap<Dead, i64>>> = Default::default();
    let buried = failed.clone();
    let names: Vec<String> = plan.sources.iter().map(|source| source.name.to_lowercase()).collect();
    let out: Arc<Mutex<Vec<(Epoch, String, i64)>>> = Default::default();
    let (rejects, _) = Rejects::channel(show_row);
    let (epochs, sink) = (epochs.clone(), out.clone());
    let guards = timely::execute(timely::Config::process(workers), move |worker| {
        let (me, peers, sink, buried) = (worker.index(), worker.peers(), sink.clone(), buried.clone());
        let mut inputs: Vec<_> =
            names.iter().map(|_| InputHandle::<Epoch, NoopBuilder<Delta>>::new_with_builder()).collect();
        let probe = ProbeHandle::new();
        worker.dataflow::<Epoch, _, _>(|scope| {
            let sources = inputs.iter_mut().map(|input| input.to_stream(scope)).collect();
            let streams = build::build(scope, &plan, sources, &rejects);
            for failed in streams.failed.into_iter().flatten() {
                let buried = buried.clone();
                let failed = failed.inspect_container(move |event| {
                    for row in event.into_iter().flat_map(|(_, deltas)| dead(deltas)) {
                        *buried.lock().unwrap().entry(Dead { diff: 0, ..row.clone() }).or_insert(0) += row.diff;
                    }
                });
                failed.probe_with(&probe);
            }
            let view = plan.views[0].clone();
            let seen = streams.rows[view.node].clone().inspect_container(move |event| {
                if let Ok((epoch, deltas)) = event {
                    let found = texts(deltas, &view.columns).into_iter().map(|(row, diff)| (*epoch, row, diff));
                    sink.lock().unwrap().extend(found);
                }
            });
            seen.probe_with(&probe);
        });
        for (&epoch, changes) in &epochs {
            for (place, (input, name)) in inputs.iter_mut().zip(&names).enumerate() {
                input.advance_to(epoch);
                let changes = &changes[SOURCES.iter().position(|source| source == name).unwrap()];
                let mine: Vec<(Row, i64)> = changes.iter().skip(me).step_by(peers).copied().collect();
                if !mine.is_empty() {
                    input.send_batch(&mut delta(&plan, place, &mine));
                }
                input.advance_to(Epoch { tick: epoch.tick + 1, ..epoch });
            }
            for _ in 0..=me {
                worker.step();
            }
        }
        inputs.into_iter().for_each(InputHandle::close);
        while !probe.done() {
            worker.step();
        }
    })
    .unwrap();
    guards.join().into_iter().for_each(|worker| worker.unwrap());
    let mut log: BTreeMap<Epoch, State> = BTreeMap::new();
    for (epoch, row, diff) in std::mem::take(&mut *out.lock().unwrap()) {
        *log.entry(epoch).or_default().entry(row).or_insert(0) += diff;
    }
    log.values_mut().for_each(|state| state.retain(|_, diff| *diff != 0));
    log.retain(|_, state| !state.is_empty());
    let mut failed = std::mem::take(&mut *failed.lock().unwrap());
    failed.retain(|_, diff| *diff != 0);
    (log, failed)
}
