//! Rows per second of windows and sessions, from Arrow batches in memory, beside a bare loop over the same rows.
//!
//! `cargo bench --bench windows [-- name]`. `own operators` and `differential operators` are the same plan on both. Wall is what one sees on an idle machine; CPU is rows per second of processor
//! time of all threads, which says what a row costs even if the machine is busy.
#![allow(missing_docs, clippy::unwrap_used)]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampMillisecondType};
use arrow_array::{ArrayRef, Float64Array, Int64Array, RecordBatch, TimestampMillisecondArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use highwater::time::Epoch;
use highwater_core::aggregate::{Call, Emit, GroupCall, Grouping, Terms, find};
use highwater_core::delta::{Delta, Rejects};
use highwater_core::format::show_row;
use highwater_core::operator::{Route, Stateful, stateful};
use highwater_core::plan::{AggregateCall, Dataflow, Facts, Node, Op, Operators, Pane, Reduce, ViewSpec, build};
use highwater_core::session::Sessions;
use highwater_core::window::{Panes, Slices, Source, Window};
use timely::container::NoopBuilder;
use timely::dataflow::operators::{InspectCore, Probe};
use timely::dataflow::{InputHandle, ProbeHandle, Scope, Stream};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const BATCH: usize = 8192;
/// Batches per epoch.
const EPOCH: usize = 8;
const TS: usize = 3;

type Batches = Arc<Vec<RecordBatch>>;

fn timestamp() -> DataType {
    DataType::Timestamp(TimeUnit::Millisecond, None)
}

fn schema() -> SchemaRef {
    let column = |name: &str, data_type| Field::new(name, data_type, false);
    let columns = [("k", DataType::Int64), ("v", DataType::Int64), ("f", DataType::Float64), ("ts", timestamp())];
    Arc::new(Schema::new(columns.map(|(name, data_type)| column(name, data_type)).to_vec()))
}

/// Rows of random keys (64 random bits each, `keys` of them), `per_second` a second of event time, up to 100 ms out of order.
fn batches(rows: usize, keys: u64, per_second: usize) -> Batches {
    let mut state = 1u64;
    let mut random = move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed ^ (mixed >> 27)
    };
    let batch = |start: usize| {
        let rows = start..start + BATCH;
        let random: Vec<(u64, u64)> = rows.clone().map(|_| (random(), random())).collect();
        let key = |random: u64| ((random % keys + 1).wrapping_mul(0xd6e8_feb8_6659_fd93) >> 1) as i64;
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from_iter_values(random.iter().map(|(a, _)| key(*a)))),
            Arc::new(Int64Array::from_iter_values(random.iter().map(|(_, b)| (b % 1000) as i64))),
            Arc::new(Float64Array::from_iter_values(random.iter().map(|(_, b)| (b % 100_000) as f64 / 100.0))),
            Arc::new(TimestampMillisecondArray::from_iter_values(
                rows.zip(&random).map(|(row, (a, _))| (row * 1000 / per_second) as i64 - ((a >> 32) % 100) as i64),
            )),
        ];
        RecordBatch::try_new(schema(), columns).unwrap()
    };
    Arc::new((0..rows / BATCH).map(|i| i * BATCH).map(batch).collect())
}

fn terms(calls: &[(&str, usize)], emit: Emit) -> Terms {
    let types = |args: &[usize]| args.iter().map(|&arg| schema().field(arg).data_type().clone()).collect::<Vec<_>>();
    let call = |&(name, column): &(&str, usize)| {
        let (function, args) = (find(name).unwrap(), if name == "COUNT" { vec![] } else { vec![column] });
        let output = function.bind(&types(&args), &[]).unwrap().output;
        let call =
            Call { args: types(&args), literals: vec![], output, order: vec![], distinct: false, retracting: false };
        GroupCall { function, call, args, order: vec![], filter: None }
    };
    let aggregates: Vec<GroupCall> = calls.iter().map(call).collect();
    let mut fields = vec![Field::new("k", DataType::Int64, false)];
    fields.extend(["window_start", "window_end", "window_time"].map(|name| Field::new(name, timestamp(), false)));
    fields.extend(aggregates.iter().map(|aggregate| Field::new("a", aggregate.call.output.clone(), true)));
    let grouping = Grouping { keys: vec![0], key_types: vec![DataType::Int64], aggregates, retracting: false };
    let schema = Arc::new(Schema::new(fields));
    Terms {
        grouping,
        schema,
        emit,
        lateness_ms: Some(0),
        delay_ms: 0,
        grace_ms: 0,
        rejects: Rejects::channel(show_row).0,
    }
}

/// What a run took: until the last row had been worked on, without the windows that only the end of input closes.
struct Took {
    wall: f64,
    cpu: f64,
    /// Rows that came out until then.
    out: usize,
}

/// Runs a state machine on so many workers.
fn run(batches: &Batches, workers: usize, make: impl Fn() -> Box<dyn Stateful> + Send + Sync + 'static) -> Took {
    run_built(batches, workers, move |_, rows| stateful(vec![(rows, Route::ByColumns(vec![0]))], "bench", make()))
}

/// Runs a reduce over these windows as a plan, on these operators.
fn planned(batches: &Batches, pane: Pane, emit: Emit, operators: Operators) -> Took {
    let Terms { grouping, schema: output, .. } = terms(&[("COUNT", 1), ("SUM", 1), ("MIN", 2), ("MAX", 2)], emit);
    let call = |group: GroupCall| AggregateCall {
        function: group.function,
        args: group.args,
        literals: vec![],
        order: vec![],
        distinct: false,
        filter: None,
        output: group.call.output,
        name: "a".into(),
    };
    let aggregates = grouping.aggregates.into_iter().map(call).collect();
    let reduce = Reduce { keys: vec![0], pane, aggregates, emit, lateness_ms: Some(0), retracting: false };
    let node = |op, inputs, schema| Node { op, inputs, schema, facts: Facts::default() };
    let view = ViewSpec {
        name: "bench".into(),
        node: 1,
        columns: (0..output.fields().len()).collect(),
        schema: output.clone(),
        key: None,
        closes: None,
        emit,
        sql: String::new(),
        options: Default::default(),
    };
    let nodes = vec![node(Op::Source { source: 0 }, vec![], schema()), node(Op::Reduce(reduce), vec![0], output)];
    let plan = Dataflow { nodes, views: vec![view], operators, ..Dataflow::default() };
    run_built(batches, 1, move |scope, rows| {
        build::build(scope, &plan, vec![rows], &Rejects::channel(show_row).0).rows.remove(1)
    })
}

/// Runs what is built on the rows, on so many workers.
fn run_built(
    batches: &Batches,
    workers: usize,
    built: impl for<'s> Fn(Scope<'s, Epoch>, Stream<'s, Epoch, Delta>) -> Stream<'s, Epoch, Delta> + Send + Sync + 'static,
) -> Took {
    let (batches, out) = (batches.clone(), Arc::new(AtomicUsize::new(0)));
    let (counted, took) = (out.clone(), Arc::new(Mutex::new(None)));
    let (tell, start) = (took.clone(), (Instant::now(), cpu()));
    let guards = timely::execute(timely::Config::process(workers), move |worker| {
        let (mut input, probe) = (InputHandle::<Epoch, NoopBuilder<Delta>>::new_with_builder(), ProbeHandle::new());
        let (counted, total) = (counted.clone(), counted.clone());
        worker.dataflow::<Epoch, _, _>(|scope| {
            let source = input.to_stream(scope);
            built(scope, source)
                .inspect_container(move |event| {
                    if let Ok((_, deltas)) = event {
                        counted.fetch_add(deltas.len(), Ordering::Relaxed);
                    }
                })
                .probe_with(&probe);
        });
        let (mut watermark, mut sent) = (i64::MIN, std::collections::VecDeque::new());
        for batches in batches.chunks(EPOCH * workers) {
            for batch in batches.iter().skip(worker.index()).step_by(workers) {
                input.send_batch(&mut Delta::insert(batch.clone()));
            }
            let last = batches.last().unwrap().column(TS).as_primitive::<TimestampMillisecondType>();
            watermark = watermark.max(last.values()[BATCH - 1] - 200);
            let before = *input.time();
            input
                .advance_to(Epoch { watermark, tick: if before.watermark == watermark { before.tick + 1 } else { 0 } });
            // A few epochs may be under way.
            sent.push_back(before);
            while sent.len() > 3 && probe.less_equal(&sent[0]) {
                worker.step();
            }
            if sent.len() > 3 {
                sent.pop_front();
            }
        }
        while probe.less_than(input.time()) {
            worker.step();
        }
        if worker.index() == 0 {
            let out = total.load(Ordering::Relaxed);
            *tell.lock().unwrap() = Some(Took { wall: start.0.elapsed().as_secs_f64(), cpu: cpu() - start.1, out });
        }
        input.close();
        while !probe.done() {
            worker.step();
        }
    });
    guards.unwrap().join().into_iter().for_each(|worker| worker.unwrap());
    took.lock().unwrap().take().unwrap()
}

/// By key its place, by place count, sum, minimum and maximum.
type Groups = (hashbrown::HashTable<(i64, u32)>, Vec<(i64, i64, i64, i64)>);

/// The same rows in a loop: one hash table per window, arrays for count, sum, minimum and maximum.
fn bare(batches: &Batches, size: i64) -> Took {
    let start = (Instant::now(), cpu());
    let mut tables: std::collections::BTreeMap<i64, Groups> = Default::default();
    let hash = |key: i64| {
        let product = (key as u64 as u128 ^ 0x243f_6a88_85a3_08d3) * 0x9e37_79b9_7f4a_7c15;
        (product as u64) ^ ((product >> 64) as u64)
    };
    let mut out = 0;
    for batch in batches.iter() {
        let keys = batch.column(0).as_primitive::<Int64Type>().values();
        let values = batch.column(1).as_primitive::<Int64Type>().values();
        let times = batch.column(TS).as_primitive::<TimestampMillisecondType>().values();
        let watermark = times[BATCH - 1] - 10_000;
        let (mut window, mut current) = (i64::MIN, None);
        for row in 0..BATCH {
            if current.is_none() || times[row] < window || times[row] >= window + size {
                window = times[row].div_euclid(size) * size;
                current = None;
            }
            let (table, groups) = match current.take() {
                Some(table) => table,
                None => {
                    let (table, groups) = tables.entry(window).or_default();
                    (table, groups)
                }
            };
            let group = match table.find(hash(keys[row]), |entry| entry.0 == keys[row]) {
                Some((_, group)) => *group,
                None => {
                    groups.push((0, 0, i64::MAX, i64::MIN));
                    let group = (groups.len() - 1) as u32;
                    table.insert_unique(hash(keys[row]), (keys[row], group), |entry| hash(entry.0));
                    group
                }
            };
            let (count, sum, least, most) = &mut groups[group as usize];
            (*count, *sum, *least, *most) =
                (*count + 1, *sum + values[row], (*least).min(values[row]), (*most).max(values[row]));
            current = Some((table, groups));
        }
        while let Some(first) = tables.first_entry().filter(|first| first.key() + size <= watermark) {
            out += std::hint::black_box(first.remove().1).len();
        }
    }
    Took { wall: start.0.elapsed().as_secs_f64(), cpu: cpu() - start.1, out }
}

/// Processor time of the process, in seconds.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after = stat.rsplit(')').next().unwrap_or_default();
    let ticks: f64 = after.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<f64>().ok()).sum();
    ticks / 100.0
}

fn report(only: Option<&str>, name: &str, rows: usize, work: impl Fn() -> Took) {
    if only.is_some_and(|only| !name.contains(only)) {
        return;
    }
    let mut took: Vec<Took> = (0..3).map(|_| work()).collect();
    let rate = |seconds: f64| rows as f64 / seconds.max(0.001) / 1e6;
    took.sort_by(|a, b| a.wall.total_cmp(&b.wall));
    let (wall, out) = (rate(took[1].wall), took[1].out);
    took.sort_by(|a, b| a.cpu.total_cmp(&b.cpu));
    println!("{name:<60} {wall:>8.1} M rows/s wall {:>8.1} M rows/s CPU {out:>10} rows out", rate(took[1].cpu));
}

fn main() {
    let only = std::env::args().skip(1).find(|arg| !arg.starts_with('-'));
    let only = only.as_deref();
    let four = [("COUNT", 1), ("SUM", 1), ("MIN", 2), ("MAX", 2)];
    let ten = Window::Tumble { size: 10_000, offset: 0 };
    let panes = |calls: Vec<(&'static str, usize)>, window: Window, emit: Emit| {
        move || {
            Box::new(Panes::new(terms(&calls, emit), Source::Time { time: TS, window, zone: None }))
                as Box<dyn Stateful>
        }
    };
    for keys in [1_000, 100_000] {
        let rows = batches(16 << 20, keys, 200_000);
        let count = rows.len() * BATCH;
        report(only, &format!("bare loop, {keys} keys"), count, || bare(&rows, 10_000));
        for workers in [1, 2] {
            let name = format!("count sum min max, tumble 10 s, {keys} keys, {workers} workers");
            report(only, &name, count, || run(&rows, workers, panes(four.to_vec(), ten, Emit::Final)));
        }
        let doubles = vec![("COUNT", 2), ("SUM", 2), ("MIN", 2), ("MAX", 2)];
        let name = format!("the same of doubles (exact sums), {keys} keys");
        report(only, &name, count, || run(&rows, 1, panes(doubles.clone(), ten, Emit::Final)));
        let name = format!("count, tumble 10 s, {keys} keys");
        report(only, &name, count, || run(&rows, 1, panes(vec![("COUNT", 1)], ten, Emit::Final)));
        let name = format!("count sum min max, EMIT CHANGES, {keys} keys");
        report(only, &name, count, || run(&rows, 1, panes(four.to_vec(), ten, Emit::Changes)));
    }
    for (keys, calls) in [(1_000, &four[..1]), (1_000, &four[..]), (100, &four[..])] {
        let rows = batches(16 << 20, keys, 100_000);
        for slide in [1000, 60_000] {
            let window = Window::Hop { size: 3_600_000, slide, offset: 0 };
            let name = format!("{} aggregates, hop 1 h by {} s, {keys} keys", calls.len(), slide / 1000);
            let calls = calls.to_vec();
            report(only, &name, rows.len() * BATCH, || {
                let calls = calls.clone();
                run(&rows, 1, move || Box::new(Slices::new(terms(&calls, Emit::Final), TS, window, None)))
            });
        }
    }
    for (keys, gap) in [(1_000, 1000), (100_000, 1000), (100_000, 100)] {
        let rows = batches(4 << 20, keys, 200_000);
        for emit in [Emit::Changes, Emit::Final] {
            let name = format!("sessions, gap {gap} ms, EMIT {emit:?}, {keys} keys");
            report(only, &name, rows.len() * BATCH, || {
                run(&rows, 1, move || {
                    let terms = Terms { grace_ms: 1, ..terms(&four[..2], emit) };
                    Box::new(Sessions::new(terms, TS, gap, None))
                })
            });
        }
    }
    let hop = Window::Hop { size: 10_000, slide: 2_000, offset: 0 };
    for (name, pane) in [
        ("tumble 10 s", Pane::Windows { time: TS, window: ten, zone: None }),
        ("hop 10 s by 2 s", Pane::Windows { time: TS, window: hop, zone: None }),
        ("sessions, gap 1 s", Pane::Session { time: TS, gap: 1_000, keep: None }),
    ] {
        let rows = batches(1 << 20, 10_000, 20_000);
        for (emit, operators) in
            [Emit::Final, Emit::Changes].into_iter().flat_map(|emit| Operators::ALL.map(|o| (emit, o)))
        {
            let name = format!("{name}, EMIT {emit:?}, {} operators", operators.name());
            report(only, &name, rows.len() * BATCH, || planned(&rows, pane, emit, operators));
        }
    }
}
