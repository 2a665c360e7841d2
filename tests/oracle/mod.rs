//! A from-scratch answer for grouped results, and drivers that put the same rows through an operator: alone, epoch by
//! epoch, or built from a plan on real workers.
#![allow(dead_code, unreachable_pub, missing_docs, clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMillisecondType;
use arrow_array::{Array, ArrayRef, BooleanArray, Int64Array, RecordBatch, StringArray, TimestampMillisecondArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use highwater::time::Epoch;
use highwater_core::aggregate::{self, Emit};
use highwater_core::delta::{Delta, Failed, Rejects};
use highwater_core::format::show_row;
use highwater_core::operator::Stateful;
use highwater_core::plan::{AggregateCall, Dataflow, Facts, Node, Op, Pane, Reduce, ViewSpec, build};
use proptest::prelude::*;
use timely::container::NoopBuilder;
use timely::dataflow::operators::{InspectCore, Probe};
use timely::dataflow::{InputHandle, ProbeHandle};

/// An input row.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Row {
    pub key: Option<i64>,
    pub ts: i64,
    pub v: Option<i64>,
    pub keep: Option<bool>,
    /// For windows assigned upstream.
    pub window: (i64, i64),
    pub diff: i64,
}

/// Rows as they are accepted, by epoch.
pub type Epochs = BTreeMap<Epoch, Vec<Row>>;

/// A result row as text, keys and window first.
pub type Text = String;

/// Changes by epoch: of each row how often it came or went.
pub type Log = BTreeMap<Epoch, BTreeMap<Text, i64>>;

/// Which columns group: none, one integer, or an integer and a text.
pub const KEY_SHAPES: usize = 3;

pub const KEY: usize = 0;
pub const TEXT: usize = 1;
pub const TS: usize = 2;
pub const V: usize = 3;
pub const KEEP: usize = 4;
pub const START: usize = 5;
pub const END: usize = 6;

pub fn key_columns(shape: usize) -> Vec<usize> {
    [vec![], vec![KEY], vec![KEY, TEXT]][shape].clone()
}

fn timestamp() -> DataType {
    DataType::Timestamp(TimeUnit::Millisecond, None)
}

pub fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("k", DataType::Int64, true),
        Field::new("s", DataType::Utf8, true),
        Field::new("ts", timestamp(), true),
        Field::new("v", DataType::Int64, true),
        Field::new("keep", DataType::Boolean, true),
        Field::new("window_start", timestamp(), true),
        Field::new("window_end", timestamp(), true),
    ]))
}

fn text_of(key: Option<i64>) -> Option<String> {
    key.filter(|key| key % 3 != 0).map(|key| format!("t{}", key % 2))
}

/// Rows as a delta.
pub fn delta(rows: &[Row]) -> Delta {
    let times = |time: fn(&Row) -> i64| {
        Arc::new(TimestampMillisecondArray::from_iter_values(rows.iter().map(time))) as ArrayRef
    };
    let columns: Vec<ArrayRef> = vec![
        Arc::new(rows.iter().map(|row| row.key).collect::<Int64Array>()),
        Arc::new(rows.iter().map(|row| text_of(row.key)).collect::<StringArray>()),
        times(|row| row.ts),
        Arc::new(rows.iter().map(|row| row.v).collect::<Int64Array>()),
        Arc::new(rows.iter().map(|row| row.keep).collect::<BooleanArray>()),
        times(|row| row.window.0),
        times(|row| row.window.1),
    ];
    let diffs = rows.iter().any(|row| row.diff != 1).then(|| rows.iter().map(|row| row.diff).collect());
    Delta::new(RecordBatch::try_new(schema(), columns).unwrap(), diffs)
}

/// COUNT(*), SUM(v), MIN(v), MAX(v), COUNT(*) FILTER (keep).
pub fn calls() -> Vec<AggregateCall> {
    let call = |name: &str, args: Vec<usize>, filter: Option<usize>| {
        let function = aggregate::find(name).unwrap();
        let types: Vec<DataType> = args.iter().map(|&arg| schema().field(arg).data_type().clone()).collect();
        let output = function.bind(&types, &[]).unwrap().output;
        AggregateCall {
            function,
            args,
            literals: vec![],
            order: vec![],
            distinct: false,
            filter,
            output,
            name: name.into(),
        }
    };
    vec![
        call("COUNT", vec![], None),
        call("SUM", vec![V], None),
        call("MIN", vec![V], None),
        call("MAX", vec![V], None),
        call("COUNT", vec![], Some(KEEP)),
    ]
}

/// A reduce with these calls.
pub fn reduce(shape: usize, pane: Pane, emit: Emit, lateness_ms: Option<i64>, retracting: bool) -> Reduce {
    Reduce { keys: key_columns(shape), pane, aggregates: calls(), emit, lateness_ms, retracting }
}

/// The columns of its result.
pub fn output(reduce: &Reduce) -> SchemaRef {
    let mut fields: Vec<Field> = reduce.keys.iter().map(|&key| schema().field(key).clone()).collect();
    if reduce.pane != Pane::Unbounded {
        fields.extend(["window_start", "window_end", "window_time"].map(|name| Field::new(name, timestamp(), false)));
    }
    fields.extend(reduce.aggregates.iter().map(|call| Field::new(&call.name, call.output.clone(), true)));
    Arc::new(Schema::new(fields))
}

/// A result's rows as text.
pub fn texts(delta: &Delta) -> Vec<(Text, i64)> {
    let cell = |column: &ArrayRef, row: usize| match column.data_type() {
        _ if column.is_null(row) => String::new(),
        DataType::Timestamp(..) => column.as_primitive::<TimestampMillisecondType>().value(row).to_string(),
        _ => arrow_cast::display::array_value_to_string(column, row).unwrap(),
    };
    let text =
        |row: usize| delta.batch().columns().iter().map(|column| cell(column, row)).collect::<Vec<_>>().join("|");
    (0..delta.len()).map(|row| (text(row), delta.diff(row))).collect()
}

/// The text of the result row that these rows make; `None` if there is none to show.
pub fn answer<'a>(shape: usize, window: Option<(i64, i64)>, rows: impl Iterator<Item = &'a Row>) -> Option<Text> {
    let mut all: BTreeMap<(Option<i64>, Option<bool>), i64> = BTreeMap::new();
    let mut key = None;
    for row in rows {
        key = row.key;
        *all.entry((row.v, row.keep)).or_default() += row.diff;
    }
    let count: i64 = all.values().sum();
    let values = || all.iter().filter(|(_, n)| **n > 0).filter_map(|((v, _), n)| v.map(|v| (v, *n)));
    let show = |value: Option<i64>| value.map(|value| value.to_string()).unwrap_or_default();
    let mut cells = match shape {
        0 => vec![],
        1 => vec![show(key)],
        _ => vec![show(key), text_of(key).unwrap_or_default()],
    };
    if let Some((start, end)) = window {
        cells.extend([start, end, end - 1].map(|time| time.to_string()));
    }
    let kept: i64 = all.iter().filter(|((_, keep), _)| *keep == Some(true)).map(|(_, n)| n).sum();
    cells.extend([count.to_string(), show(values().map(|(v, n)| v * n).reduce(|a, b| a + b))]);
    cells.extend([show(values().map(|(v, _)| v).min()), show(values().map(|(v, _)| v).max()), kept.to_string()]);
    // Without keys and windows there is a row always.
    (count > 0 || shape == 0 && window.is_none()).then(|| cells.join("|"))
}

/// The key that a row has under a shape.
pub fn key_of(shape: usize, row: &Row) -> Option<Option<i64>> {
    (shape > 0).then_some(row.key)
}

/// How rows arrive.
#[derive(Clone, Debug)]
pub struct Arrivals {
    pub rows: Vec<Row>,
    /// How far behind the highest time the watermark is.
    pub bound: i64,
    pub lateness: Option<i64>,
    /// Rows per epoch.
    pub tick_rows: usize,
    pub retracting: bool,
}

/// Out of order, late, negative times, NULL keys, NULL values.
pub fn arrivals(retracting: impl Strategy<Value = bool>) -> impl Strategy<Value = Arrivals> {
    let row = (
        prop::option::weighted(0.9, 0i64..6),
        -25i64..25,
        prop::option::weighted(0.8, -9i64..9),
        prop::option::of(any::<bool>()),
        0u8..8,
    );
    let lateness = prop_oneof![Just(Some(0)), (1i64..40).prop_map(Some), Just(None)];
    (prop::collection::vec(row, 0..120), 0i64..15, lateness, 1usize..20, retracting, 0i64..3).prop_map(
        |(rows, bound, lateness, tick_rows, retracting, pace)| {
            let mut made: Vec<Row> = Vec::new();
            for (i, (key, jitter, v, keep, undo)) in rows.into_iter().enumerate() {
                let ts = -60 + i as i64 * pace + jitter;
                match made.get((i * 7) % (i + 1)).cloned() {
                    Some(old) if retracting && undo < 3 && old.diff == 1 && count(&made, &old) > 0 => {
                        made.push(Row { diff: -1, ..old });
                    }
                    _ => {
                        let start = ts.div_euclid(10) * 10;
                        made.push(Row { key, ts, v, keep, window: (start, start + 10), diff: 1 });
                    }
                }
            }
            Arrivals { rows: made, bound, lateness, tick_rows, retracting }
        },
    )
}

fn count(rows: &[Row], like: &Row) -> i64 {
    rows.iter().filter(|row| Row { diff: 1, ..(*row).clone() } == *like).map(|row| row.diff).sum()
}

impl Arrivals {
    /// What the edge of a source does with them: the accepted rows by epoch, and the number rejected.
    pub fn accept(&self) -> (Epochs, usize) {
        let (mut epochs, mut rejected, mut watermark, mut epoch) = (Epochs::new(), 0, i64::MIN, Epoch::MIN);
        let mut accepted: Vec<Row> = Vec::new();
        for rows in self.rows.chunks(self.tick_rows) {
            for row in rows {
                let on_time = self.lateness.is_none_or(|lateness| row.ts >= watermark.saturating_sub(lateness));
                // A row that was not accepted cannot be taken back.
                if on_time && (row.diff > 0 || count(&accepted, &Row { diff: 1, ..row.clone() }) > 0) {
                    epochs.entry(epoch).or_default().push(row.clone());
                    accepted.push(row.clone());
                } else {
                    rejected += 1;
                }
                watermark = watermark.max(row.ts - self.bound);
            }
            epoch = match watermark > epoch.watermark {
                true => Epoch::at(watermark),
                false => Epoch { tick: epoch.tick + 1, ..epoch },
            };
        }
        (epochs, rejected)
    }
}

/// What came out of an operator.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Every call's changes, not consolidated.
    pub calls: Vec<(Epoch, Vec<(Text, i64)>)>,
    /// Groups held at the end.
    pub held: usize,
    pub rejects: Vec<Failed>,
}

impl Outcome {
    pub fn log(&self) -> Log {
        consolidate(
            self.calls.iter().flat_map(|(epoch, rows)| rows.iter().map(|(row, diff)| (*epoch, row.clone(), *diff))),
        )
    }
}

pub fn consolidate(changes: impl Iterator<Item = (Epoch, Text, i64)>) -> Log {
    let mut log = Log::new();
    changes.for_each(|(epoch, row, diff)| *log.entry(epoch).or_default().entry(row).or_default() += diff);
    log.values_mut().for_each(|rows| rows.retain(|_, diff| *diff != 0));
    log.retain(|_, rows| !rows.is_empty());
    log
}

/// Drives a state machine as the shell does, with each epoch's rows in batches of `batch` rows.
pub fn drive(mut state: Box<dyn Stateful>, epochs: &Epochs, batch: usize) -> Outcome {
    let mut outcome = Outcome::default();
    let texts = |deltas: Vec<Delta>| deltas.iter().flat_map(texts).collect::<Vec<_>>();
    if state.starts() && !epochs.contains_key(&Epoch::MIN) {
        outcome.calls.push((Epoch::MIN, texts(state.apply(Epoch::MIN, &mut [Vec::new()]))));
    }
    for (&epoch, rows) in epochs {
        while let Some(due) = state.deadline().filter(|due| Epoch::at(*due) <= epoch) {
            outcome.calls.push((Epoch::at(due), texts(state.close(due))));
        }
        state.expire(epoch);
        outcome.calls.push((epoch, texts(state.apply(epoch, &mut [rows.chunks(batch).map(delta).collect()]))));
        assert!(state.deadline().is_none_or(|due| Epoch::at(due) > epoch), "a deadline that has passed");
    }
    while let Some(due) = state.deadline() {
        outcome.calls.push((Epoch::at(due), texts(state.close(due))));
        assert!(state.deadline().is_none_or(|next| next > due), "deadlines ascend");
    }
    state.expire(Epoch::END);
    outcome.held = state.held();
    outcome
}

/// Checks that the accumulated changes are the answer at every epoch at which something may change.
pub fn check(
    log: &Log,
    epochs: &Epochs,
    extra: &BTreeSet<Epoch>,
    expected: impl Fn(&[&Row], Epoch) -> BTreeSet<Text>,
) -> Result<(), TestCaseError> {
    let times: BTreeSet<Epoch> = log.keys().chain(epochs.keys()).chain(extra).copied().collect();
    let mut now: BTreeMap<&Text, i64> = BTreeMap::new();
    for time in times {
        for (row, diff) in log.get(&time).into_iter().flatten() {
            *now.entry(row).or_default() += diff;
        }
        now.retain(|_, n| *n != 0);
        prop_assert!(now.values().all(|n| *n == 1), "a row twice or taken back before it came, at {time:?}: {now:?}");
        let rows: Vec<&Row> = epochs.range(..=time).flat_map(|(_, rows)| rows).collect();
        let shown: BTreeSet<Text> = now.keys().map(|row| (*row).clone()).collect();
        let expected = expected(&rows, time);
        prop_assert_eq!(shown, expected, "at {:?}", time);
    }
    Ok(())
}

/// Checks that no call takes back or inserts two rows of the same first `identity` columns, nor makes changes that cancel.
pub fn check_calls(outcome: &Outcome, identity: usize) -> Result<(), TestCaseError> {
    for (epoch, rows) in &outcome.calls {
        let mut seen = BTreeSet::new();
        for (row, diff) in rows {
            let id = row.split('|').take(identity).collect::<Vec<_>>().join("|");
            prop_assert!(diff.abs() == 1 && seen.insert((id, *diff)), "twice at {:?}: {}", epoch, row);
        }
        for (row, diff) in rows {
            prop_assert!(
                !rows.contains(&(row.clone(), -diff)),
                "taken back and inserted unchanged at {:?}: {}",
                epoch,
                row
            );
        }
    }
    Ok(())
}

/// A program of one source and one reduce over it.
pub fn program(reduce: &Reduce) -> Dataflow {
    let node = |op, inputs, schema| Node { op, inputs, schema, facts: Facts::default() };
    let (source, schema) = (node(Op::Source { source: 0 }, vec![], schema()), output(reduce));
    let view = ViewSpec {
        name: "v".into(),
        node: 1,
        columns: (0..schema.fields().len()).collect(),
        schema: schema.clone(),
        key: None,
        closes: None,
        emit: reduce.emit,
        sql: String::new(),
        options: Default::default(),
    };
    let nodes = vec![source, node(Op::Reduce(reduce.clone()), vec![0], schema)];
    Dataflow { nodes, views: vec![view], ..Dataflow::default() }
}

/// The state machine of a reduce.
pub fn state(reduce: &Reduce, rejects: &Rejects) -> Box<dyn Stateful> {
    let plan = program(reduce);
    build::state(&plan.nodes[0], &plan.nodes[1], reduce, rejects)
}

/// A row that some operator could not take.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Dead {
    pub expression: String,
    pub reason: String,
    pub detail: String,
    pub content: String,
    pub diff: i64,
}

/// What the deltas of failed rows say.
pub fn dead(delta: &Delta) -> Vec<Dead> {
    let text = |column: usize, row: usize| delta.batch().column(column).as_string::<i32>().value(row).to_owned();
    let one = |row| Dead {
        expression: text(1, row),
        reason: text(2, row),
        detail: text(3, row),
        content: text(4, row),
        diff: delta.diff(row),
    };
    (0..delta.len()).map(one).collect()
}

/// Runs a program on that many workers; rows are dealt out to them in turn, in batches of `batch` rows.
pub fn run(plan: &Dataflow, epochs: &Epochs, workers: usize, batch: usize) -> (Log, Vec<Dead>) {
    let out: Arc<Mutex<Vec<(Epoch, Text, i64)>>> = Default::default();
    let failed: Arc<Mutex<Vec<Dead>>> = Default::default();
    let (rejects, _) = Rejects::channel(show_row);
    let (plan, epochs, sink, buried) = (plan.clone(), epochs.clone(), out.clone(), failed.clone());
    let guards = timely::execute(timely::Config::process(workers), move |worker| {
        let (me, peers, sink, buried) = (worker.index(), worker.peers(), sink.clone(), buried.clone());
        let mut input = InputHandle::<Epoch, NoopBuilder<Delta>>::new_with_builder();
        let probe = ProbeHandle::new();
        worker.dataflow::<Epoch, _, _>(|scope| {
            let source = input.to_stream(scope);
            let streams = build::build(scope, &plan, vec![source], &rejects);
            for failed in streams.failed.into_iter().flatten() {
                let buried = buried.clone();
                let failed = failed.inspect_container(move |event| {
                    if let Ok((_, deltas)) = event {
                        buried.lock().unwrap().extend(dead(deltas));
                    }
                });
                failed.probe_with(&probe);
            }
            let results = streams.rows[plan.views[0].node].clone();
            results
                .inspect_container(move |event| {
                    if let Ok((epoch, deltas)) = event {
                        let mut sink = sink.lock().unwrap();
                        sink.extend(texts(deltas).into_iter().map(|(row, diff)| (*epoch, row, diff)));
                    }
                })
                .probe_with(&probe);
        });
        for (&epoch, rows) in &epochs {
            input.advance_to(epoch);
            let mine: Vec<Row> = rows.iter().skip(me).step_by(peers).cloned().collect();
            for rows in mine.chunks(batch) {
                input.send_batch(&mut delta(rows));
            }
            // A step before the epoch's end would count the rows as sent that routing still gathers.
            input.advance_to(Epoch { tick: epoch.tick + 1, ..epoch });
            for _ in 0..=me {
                worker.step();
            }
        }
        input.close();
        while !probe.done() {
            worker.step();
        }
    })
    .unwrap();
    guards.join().into_iter().for_each(|worker| worker.unwrap());
    let log = consolidate(std::mem::take(&mut *out.lock().unwrap()).into_iter());
    let mut failed = std::mem::take(&mut *failed.lock().unwrap());
    failed.sort();
    (log, failed)
}
