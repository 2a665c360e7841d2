//! Joins by themselves: rows/s of both inputs together, pairs, and the most rows held, one worker, rows already in memory.
//!
//! `cargo bench --bench joins -- [--rows N] [--runs N] [--batch N] [--operators] [CASE...]`. Rows are `(key, time, until, value)`;
//! both sides bring 10 rows a millisecond of event time, in batches of 8192 rows or as many as are asked for, each its own epoch; the
//! watermark is one second behind.
//! `regular` and `changing` come twice: by the house's table, and by differential dataflow's arrangements, of the same rows
//! in the same epochs. There rows are `(key, (time, until, value))`, plain words; its batches are sealed once an epoch.
//! `--operators` runs each case as a plan instead, on the engine's own operators and on differential's, with all around them.
//! `shared` joins one relation with two others: by two tables, each with rows of its own, and by three arrangements.

use std::sync::Arc;
use std::time::Instant;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, TimestampMillisecondArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use differential_dataflow::input::Input;
use highwater::time::Epoch;
use highwater_core::aggregate::Emit;
use highwater_core::delta::{Delta, Rejects};
use highwater_core::format::show_row;
use highwater_core::join::{Arrangement, Buckets, Join, JoinKind, Meeting, Side, TimeOrder};
use highwater_core::operator::Stateful;
use highwater_core::plan::join::expiry;
use highwater_core::plan::{Dataflow, Facts, Node, Op, Operators, ViewSpec, build};
use timely::container::NoopBuilder;
use timely::dataflow::operators::{InspectCore, Probe};
use timely::dataflow::{InputHandle, ProbeHandle};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const KEYS: u64 = 100_000;
const ROWS_PER_MS: i64 = 10;

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

fn schema() -> SchemaRef {
    let time = || DataType::Timestamp(TimeUnit::Millisecond, None);
    Arc::new(Schema::new(vec![
        Field::new("key", DataType::Int64, true),
        Field::new("time", time(), true),
        Field::new("until", time(), true),
        Field::new("value", DataType::Int64, true),
    ]))
}

/// What is joined, and how.
struct Case {
    name: &'static str,
    kind: JoinKind,
    keys: Vec<(usize, usize)>,
    order: Vec<TimeOrder>,
    /// Every row is one that replaces the last of its key.
    replaces: bool,
    /// One key has a tenth of all rows.
    skewed: bool,
    /// The times are those of windows of ten seconds.
    windows: bool,
    /// Rows of a batch.
    batch: usize,
}

fn cases(batch: usize) -> Vec<Case> {
    let order = |side, earlier, later, gap_ms| TimeOrder { side, earlier, later, gap_ms };
    // r.time BETWEEN l.time - 5 s AND l.time + 5 s
    let interval = || vec![order(Side::Left, 1, 1, -5_000), order(Side::Right, 1, 1, -5_000)];
    let near = || vec![order(Side::Left, 1, 1, -20), order(Side::Right, 1, 1, -20)];
    // r.time BETWEEN l.time AND l.until
    let until = || vec![order(Side::Left, 1, 1, 0), order(Side::Right, 1, 2, 0)];
    let case = |name, kind, order| Case {
        name,
        kind,
        keys: vec![(0, 0)],
        order,
        replaces: false,
        skewed: false,
        windows: false,
        batch,
    };
    vec![
        case("interval", JoinKind::Inner, interval()),
        case("interval-left", JoinKind::Left, interval()),
        case("interval-semi", JoinKind::LeftSemi, interval()),
        Case { skewed: true, ..case("interval-skew", JoinKind::Inner, near()) },
        case("until", JoinKind::Inner, until()),
        Case { keys: vec![(0, 0), (1, 1)], windows: true, ..case("window", JoinKind::Inner, vec![]) },
        case("regular", JoinKind::Inner, vec![]),
        Case { replaces: true, ..case("changing", JoinKind::Inner, vec![]) },
        Case { replaces: true, ..case("changing-full", JoinKind::Full, vec![]) },
        case("shared", JoinKind::Inner, vec![]),
        Case { replaces: true, ..case("shared-changing", JoinKind::Inner, vec![]) },
    ]
}

/// The batches of a side, with the watermark behind each.
fn side(case: &Case, seed: u64, rows: usize, keys: u64) -> Vec<(i64, Delta)> {
    let mut random = Random(seed);
    let mut last: Vec<Option<(i64, i64)>> = vec![None; keys as usize];
    let mut batches = Vec::new();
    let mut made = 0i64;
    while (made as usize) < rows {
        let mut columns: [Vec<i64>; 4] = Default::default();
        let mut diffs = Vec::new();
        let mut newest = 0;
        while columns[0].len() < case.batch {
            let key = if case.skewed && random.next().is_multiple_of(10) { 0 } else { random.next() % keys };
            newest = made / ROWS_PER_MS;
            let time = newest - (random.next() % 500) as i64;
            let time = if case.windows { time.div_euclid(10_000) * 10_000 } else { time };
            let mut push = |time: i64, value: i64, diff: i64| {
                let until = time + 2_000 + value % 6_000;
                for (column, value) in columns.iter_mut().zip([key as i64, time, until, value]) {
                    column.push(value);
                }
                diffs.push(diff);
            };
            let value = (random.next() % 1_000_000) as i64;
            if case.replaces
                && let Some((time, value)) = last[key as usize].replace((time, value))
            {
                push(time, value, -1);
            }
            push(time, value, 1);
            made += 1;
        }
        let [key, time, until, value] = columns;
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from(key)),
            Arc::new(TimestampMillisecondArray::from(time)),
            Arc::new(TimestampMillisecondArray::from(until)),
            Arc::new(Int64Array::from(value)),
        ];
        let batch = RecordBatch::try_new(schema(), columns).expect("columns of the schema");
        let diffs = case.replaces.then(|| diffs.into());
        // A window is known a while after its end.
        let behind = if case.windows { 12_000 } else { 1_000 };
        batches.push((newest - behind, Delta::new(batch, diffs)));
    }
    batches
}

/// What a run was: seconds, rows, changes told, rows and bytes held at most.
type Ran = (f64, usize, usize, usize, usize);

fn join_of(case: &Case) -> Join {
    let behind = if case.windows { -9_500 } else { -500 };
    let bounds = match case.replaces {
        true => vec![None; 4],
        false => vec![None, Some(behind + 500 - if case.windows { 0 } else { 500 }), None, None],
    };
    let facts = Facts { append_only: !case.replaces, bounds, ..Facts::default() };
    Join {
        kind: case.kind,
        expiry: expiry(&case.keys, &case.order, [&facts, &facts]),
        keys: case.keys.clone(),
        nulls_equal: false,
        order: case.order.clone(),
        residual: None,
        emit: Emit::Final,
        transient: false,
        retracting: [case.replaces; 2],
        owner: "bench".to_owned(),
        told: Vec::new(),
    }
}

/// One relation joined with two others, which together bring as many rows as it: by tables, or by arrangements.
fn shared(case: &Case, rows: usize, arranged: bool) -> Ran {
    let [mut one, two, three] = [1, 2, 3].map(|seed| side(case, seed, rows / 2, KEYS).into_iter());
    let both = Arc::new(Schema::new([schema().fields().to_vec(), schema().fields().to_vec()].concat()));
    let (rejects, _kept) = Rejects::channel(show_row);
    let (mut total, mut pairs, mut most) = (0, 0, (0, 0));
    let mut tables = [0, 1].map(|_| Buckets::new(join_of(case), &both, [&schema(), &schema()], &rejects));
    let mut arrangements = [0, 1, 2].map(|_| Arrangement::new(&schema(), &[0], false, case.replaces));
    let readers = [[0, 1], [0, 2]].map(|sides| sides.map(|side: usize| (side, arrangements[side].reader())));
    let mut meetings = [0, 1].map(|_| Meeting::new(&join_of(case), &both, [&schema(), &schema()], &rejects));
    let start = Instant::now();
    // The partners take turns.
    for (tick, (_, other)) in two.zip(three).flat_map(|(two, three)| [two, three]).enumerate() {
        let Some((_, one)) = one.next() else { break };
        let (epoch, next) = (Epoch { watermark: 0, tick: tick as u64 }, Epoch { watermark: 0, tick: tick as u64 + 1 });
        total += one.len() + other.len();
        let mut others = [vec![], vec![]];
        others[tick % 2].push(other);
        if arranged {
            arrangements[0].apply(epoch, &[one]);
            (0..2).for_each(|nth| arrangements[nth + 1].apply(epoch, &others[nth]));
            for (meeting, sides) in meetings.iter_mut().zip(readers) {
                let [left, right] = arrangements.get_disjoint_mut(sides.map(|side| side.0)).expect("two sides");
                pairs += meeting.step(epoch, left, right).iter().map(Delta::len).sum::<usize>();
                sides.iter().for_each(|&(side, reader)| arrangements[side].pass(reader, next));
            }
        } else {
            for (table, other) in tables.iter_mut().zip(others) {
                pairs += table.apply(epoch, &mut [vec![one.clone()], other]).iter().map(Delta::len).sum::<usize>();
            }
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    for (held, bytes) in tables
        .iter()
        .map(|table| (table.held(), table.bytes()))
        .chain(arrangements.iter().map(|arrangement| (arrangement.len(), arrangement.bytes())))
    {
        most = (most.0 + held, most.1 + bytes);
    }
    (seconds, total, pairs, most.0, most.1)
}

/// The columns of a case's result.
fn output(case: &Case) -> SchemaRef {
    let right = if case.kind.only().is_some() { Vec::new() } else { schema().fields().to_vec() };
    Arc::new(Schema::new([schema().fields().to_vec(), right].concat()))
}

/// A case as a plan on one worker, on these operators; what is held is not counted.
fn planned(case: &Case, rows: usize, operators: Operators) -> Ran {
    let (left, right) = (side(case, 1, rows / 2, KEYS), side(case, 2, rows / 2, KEYS));
    let total: usize = left.iter().chain(&right).map(|(_, delta)| delta.len()).sum();
    let node = |op, inputs, schema| Node { op, inputs, schema, facts: Facts::default() };
    let view = ViewSpec {
        name: "bench".into(),
        node: 2,
        columns: (0..output(case).fields().len()).collect(),
        schema: output(case),
        key: None,
        closes: None,
        emit: Emit::Final,
        sql: String::new(),
        options: Default::default(),
    };
    let nodes = vec![
        node(Op::Source { source: 0 }, vec![], schema()),
        node(Op::Source { source: 1 }, vec![], schema()),
        node(Op::Join(join_of(case)), vec![0, 1], output(case)),
    ];
    let plan = Dataflow { nodes, views: vec![view], operators, ..Dataflow::default() };
    let pairs = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let (counted, start) = (pairs.clone(), Instant::now());
    timely::execute(timely::Config::thread(), move |worker| {
        let mut inputs = [0, 1].map(|_| InputHandle::<Epoch, NoopBuilder<Delta>>::new_with_builder());
        let (probe, (rejects, _kept)) = (ProbeHandle::new(), Rejects::channel(show_row));
        let counted = counted.clone();
        worker.dataflow::<Epoch, _, _>(|scope| {
            let sources = inputs.iter_mut().map(|input| input.to_stream(scope)).collect();
            let result = build::build(scope, &plan, sources, &rejects).rows.remove(2);
            let result = result.inspect_container(move |event| {
                if let Ok((_, deltas)) = event {
                    counted.fetch_add(deltas.len(), std::sync::atomic::Ordering::Relaxed);
                }
            });
            result.probe_with(&probe);
        });
        let mut watermark = i64::MIN;
        for (tick, ((after, left), (_, right))) in left.iter().zip(&right).enumerate() {
            inputs[0].send_batch(&mut left.clone());
            inputs[1].send_batch(&mut right.clone());
            watermark = watermark.max(*after);
            inputs.iter_mut().for_each(|input| input.advance_to(Epoch { watermark, tick: tick as u64 + 1 }));
            while probe.less_than(inputs[0].time()) {
                worker.step();
            }
        }
    })
    .expect("a worker");
    (start.elapsed().as_secs_f64(), total, pairs.load(std::sync::atomic::Ordering::Relaxed), 0, 0)
}

fn run(case: &Case, rows: usize) -> Ran {
    let (left, right) = (side(case, 1, rows / 2, KEYS), side(case, 2, rows / 2, KEYS));
    let (join, both) = (join_of(case), output(case));
    let (rejects, _kept) = Rejects::channel(show_row);
    let mut state = Buckets::new(join, &both, [&schema(), &schema()], &rejects);
    let total: usize = left.iter().chain(&right).map(|(_, delta)| delta.len()).sum();
    let (mut pairs, mut most, mut watermark) = (0, (0, 0), i64::MIN);
    let start = Instant::now();
    for (tick, ((after, left), (_, right))) in left.into_iter().zip(right).enumerate() {
        let epoch = Epoch { watermark, tick: tick as u64 };
        pairs += state.apply(epoch, &mut [vec![left], vec![right]]).iter().map(Delta::len).sum::<usize>();
        watermark = watermark.max(after);
        // Deadlines come before what they free.
        while let Some(due) = state.deadline().filter(|due| *due <= watermark) {
            pairs += state.close(due).iter().map(Delta::len).sum::<usize>();
        }
        state.expire(Epoch::at(watermark));
        // Bytes are not free to count.
        if tick.is_multiple_of(64) {
            most = most.max((state.len(), state.bytes()));
        }
    }
    (start.elapsed().as_secs_f64(), total, pairs, most.0, most.1)
}

/// The same join in differential dataflow, of the same rows: `(key, (time, until, value))` in an arrangement a side.
fn differential(case: &Case, rows: usize) -> Ran {
    type Row = (u64, (i64, i64, i64));
    let plain = |(_, delta): (i64, Delta)| -> Vec<(Row, isize)> {
        let word = |column: usize| highwater_core::delta::words::words(delta.batch().column(column));
        let [key, time, until, value] = [0, 1, 2, 3].map(word);
        let row = |row: usize| (key[row], (time[row] as i64, until[row] as i64, value[row] as i64));
        (0..delta.len()).map(|at| (row(at), delta.diff(at) as isize)).collect()
    };
    let [left, right] = [1, 2].map(|seed| side(case, seed, rows / 2, KEYS).into_iter().map(plain).collect::<Vec<_>>());
    let total: usize = left.iter().chain(&right).map(Vec::len).sum();
    let live = left.iter().chain(&right).flatten().map(|(_, diff)| *diff).sum::<isize>() as usize;
    let pairs = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let (counted, start) = (pairs.clone(), Instant::now());
    timely::execute(timely::Config::thread(), move |worker| {
        let (mut lefts, mut rights, probe) = worker.dataflow::<u64, _, _>(|scope| {
            let (left_input, left) = scope.new_collection::<Row, isize>();
            let (right_input, right) = scope.new_collection::<Row, isize>();
            let counted = counted.clone();
            let joined = left.join(right).inspect_container(move |event| {
                if let Ok((_, batch)) = event {
                    counted.fetch_add(batch.len(), std::sync::atomic::Ordering::Relaxed);
                }
            });
            let (probe, _) = joined.probe();
            (left_input, right_input, probe)
        });
        for (tick, (left, right)) in left.iter().zip(&right).enumerate() {
            left.iter().for_each(|(row, diff)| lefts.update(*row, *diff));
            right.iter().for_each(|(row, diff)| rights.update(*row, *diff));
            lefts.advance_to(tick as u64 + 1);
            rights.advance_to(tick as u64 + 1);
            lefts.flush();
            rights.flush();
            while probe.less_than(lefts.time()) {
                worker.step();
            }
        }
    })
    .expect("a worker");
    let pairs = pairs.load(std::sync::atomic::Ordering::Relaxed);
    (start.elapsed().as_secs_f64(), total, pairs, live, 0)
}

fn main() {
    let (mut rows, mut runs, mut batch, mut names, mut plans) = (4_000_000usize, 3usize, 8192usize, Vec::new(), false);
    let mut given = std::env::args().skip(1);
    while let Some(argument) = given.next() {
        let mut number = || given.next().and_then(|text| text.parse().ok()).expect("a number after the option");
        match argument.as_str() {
            "--rows" => rows = number(),
            "--runs" => runs = number(),
            "--batch" => batch = number(),
            "--operators" => plans = true,
            "--bench" => {}
            name => names.push(name.to_owned()),
        }
    }
    println!("{:<24} {:>10} {:>12} {:>12} {:>12} {:>10}", "case", "rows", "M rows/s", "changes", "rows held", "MiB");
    let wanted = |name: &str| names.is_empty() || names.iter().any(|other| other == name);
    let report = |name: &str, run: &dyn Fn() -> Ran| {
        let mut seen: Vec<_> = (0..runs).map(|_| run()).collect();
        seen.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (seconds, rows, pairs, most, bytes) = seen[runs / 2];
        let (rate, mib) = (rows as f64 / seconds / 1e6, bytes as f64 / f64::from(1 << 20));
        println!("{name:<24} {rows:>10} {rate:>12.2} {pairs:>12} {most:>12} {mib:>10.1}");
    };
    for case in cases(batch).iter().filter(|case| wanted(case.name)) {
        if plans {
            for operators in Operators::ALL {
                report(&format!("{} {}", case.name, operators.name()), &|| planned(case, rows, operators));
            }
            continue;
        }
        if case.name.starts_with("shared") {
            report(case.name, &|| shared(case, rows, false));
            report("  arranged", &|| shared(case, rows, true));
            continue;
        }
        report(case.name, &|| run(case, rows));
        if ["regular", "changing"].contains(&case.name) {
            report("  differential", &|| differential(case, rows));
        }
    }
}
