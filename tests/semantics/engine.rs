//! The numbered rules that the engine itself answers for: what the end of its inputs does (W7), what readers of views see (C1-C3), and that
//! workers and processes do not show in results (C4). Whose watermark holds whom is beside it (`idle.rs`). Plus: nothing is lost under
//! backpressure.

use crate::script;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use highwater::engine::{Config, Engine, State};
use highwater::time::Epoch;
use highwater::view::{Status, Update};
use highwater_core::plan::Emit;
use script::*;

#[test]
fn w7_the_end_of_all_inputs_closes_everything() {
    let sink = unique("w7");
    let mut program = Program::default();
    let a = program.source("a", bounded(vec![vec![Act::Rows(vec![(1, 100, 1)])], vec![]]), STRICT);
    let b = program.source("b", bounded(vec![vec![Act::Rows(vec![(1, 90_000, 1)])]]), STRICT);
    let both = program.union(vec![a, b]);
    let windows = program.tumble(both, 1_000, Emit::Final, Some(0));
    let engine = program.view("windows", windows).sink(&sink, windows).start(2);
    let summary = engine.wait().unwrap();
    assert_eq!((summary.rows_accepted, summary.rows_rejected, summary.stopped), (2, 0, false));
    assert_eq!(rows(&engine, "windows").len(), 2);
    assert_eq!(written(&sink).len(), 2);
    assert_eq!(closed(&sink), 1);
    let snapshot = engine.views().get("windows").unwrap().snapshot();
    assert_eq!(snapshot.as_of, Epoch::END);
    assert!(snapshot.statuses.iter().all(|status| *status == Status::Final));
}

/// The windows of `(k, ts, v)` rows under one watermark bound, by a plain loop; for one partition.
fn expected_windows(rows: &[Row], size: i64, bound: i64) -> Vec<String> {
    let mut watermark = i64::MIN;
    let mut windows: BTreeMap<(i64, i64), (i64, i64)> = BTreeMap::new();
    for &(k, ts, v) in rows {
        if ts >= watermark {
            let window = windows.entry((k, ts - ts.rem_euclid(size))).or_default();
            window.0 += 1;
            window.1 += v;
        }
        watermark = watermark.max(ts - bound);
    }
    windows.into_iter().map(|((k, start), (count, sum))| format!("{k} {start} {count} {sum}")).collect()
}

/// The same from a view's rows.
fn shown_windows(engine: &Engine, view: &str) -> Vec<String> {
    use arrow_array::cast::AsArray;
    use arrow_array::types::{Int64Type, TimestampMillisecondType};
    let batch = engine.views().get(view).unwrap().snapshot().batch;
    let number = |column: usize, row: usize| batch.column(column).as_primitive::<Int64Type>().value(row);
    let start = |row: usize| batch.column(1).as_primitive::<TimestampMillisecondType>().value(row);
    (0..batch.num_rows())
        .map(|row| format!("{} {} {} {}", number(0, row), start(row), number(4, row), number(5, row)))
        .collect()
}

#[test]
fn c1_c2_every_reader_sees_whole_epochs_and_right_answers_for_a_prefix() {
    let data = disordered(7, 40_000, 50, 8, 200);
    for workers in [1, 3] {
        let gate = gate();
        let mut program = Program::default();
        let mut script = vec![Act::Gate(gate)];
        script.extend(acts(&data, 333));
        let a = program.source("a", bounded(vec![script]), Timing { bound_ms: 200, ..STRICT });
        let totals = program.totals(a);
        let windows = program.tumble(a, 1_000, Emit::Changes, Some(0));
        let config = Config::default().workers(workers).tick_rows(500);
        let config = config.with(|config| (config.ring_epochs, config.ring_rows) = (1 << 20, 1 << 30));
        let engine = program.view("totals", totals).view("windows", windows).start_with(config);
        // One who follows from the start, one who takes a snapshot now and then.
        let mut follower = engine.subscribe("totals").unwrap();
        let mut known: BTreeMap<String, i64> = BTreeMap::new();
        assert_eq!(follower.snapshot().batch.num_rows(), 0);
        open(gate);
        let mut seen = 0;
        let mut updates = 0;
        while follower.position() < Epoch::END {
            let Ok(Some(Update::Progress { changes, as_of })) = follower.next_within(Duration::from_secs(20)) else {
                panic!("the ring holds everything and the run ends");
            };
            for epoch in &changes {
                assert!(epoch.epoch < as_of);
                for change in lines(&epoch.delta) {
                    let (diff, row) = change.split_once(' ').unwrap();
                    let count = known.entry(row.to_owned()).or_insert(0);
                    *count += diff.parse::<i64>().unwrap();
                    if *count == 0 {
                        known.remove(row);
                    }
                }
                // Whole epochs of 500 rows: the total is a prefix of the input.
                let total: i64 = known.keys().map(|row| row.split(',').nth(1).unwrap().parse::<i64>().unwrap()).sum();
                assert!(total == 40_000 || total % 500 == 0, "{total} rows are no prefix");
                assert!(total > seen && known.values().all(|count| *count == 1));
                seen = total;
                updates += 1;
            }
            let snapshot = engine.views().get("totals").unwrap().snapshot_at(as_of).unwrap();
            let shown: BTreeSet<String> =
                (0..snapshot.batch.num_rows()).map(|row| line(&snapshot.batch, row)).collect();
            assert_eq!(shown, known.keys().cloned().collect(), "snapshot and changes agree at {as_of}");
        }
        assert_eq!(seen, 40_000);
        assert_eq!(updates, 80);
        engine.wait().unwrap();
        let mut expected = expected_windows(&data, 1_000, 200);
        let mut shown = shown_windows(&engine, "windows");
        expected.sort();
        shown.sort();
        assert_eq!(shown, expected);
    }
}

#[test]
fn c3_views_read_together_are_read_at_one_epoch() {
    let data = disordered(11, 60_000, 40, 8, 100);
    let mut program = Program::default();
    let pauses = acts(&data, 250).into_iter().flat_map(|act| [act, Act::Pause(Duration::from_millis(1))]).collect();
    let a = program.source("a", bounded(vec![pauses]), Timing { bound_ms: 100, ..STRICT });
    let totals = program.totals(a);
    let windows = program.tumble(a, 1_000, Emit::Changes, Some(0));
    let engine =
        program.view("totals", totals).view("windows", windows).start_with(Config::default().workers(3).tick_rows(250));
    let views = [engine.views().get("totals").unwrap().clone(), engine.views().get("windows").unwrap().clone()];
    let counted = |text: String, column: usize| text.split(',').nth(column).unwrap().parse::<i64>().unwrap();
    let mut different = BTreeSet::new();
    while !engine.state().ended() {
        let Some(snapshots) = engine.views().read(&views) else { continue };
        assert_eq!(snapshots[0].as_of, snapshots[1].as_of);
        let total = |place: usize, column: usize| -> i64 {
            let batch = &snapshots[place].batch;
            (0..batch.num_rows()).map(|row| counted(line(batch, row), column)).sum()
        };
        assert_eq!(total(0, 1), total(1, 4), "both count the same rows");
        different.insert(total(0, 1));
    }
    assert!(different.len() > 5, "it was read while it moved: {different:?}");
}

/// What a bounded run with three partitions writes.
fn run(data: &[Vec<Row>], workers: usize, batch: usize, emit: Emit) -> Vec<(Epoch, String)> {
    let sink = unique("c4");
    let mut program = Program::default();
    let script = bounded(data.iter().map(|rows| acts(rows, batch)).collect());
    let a = program.source("a", script, Timing { bound_ms: 50, lateness_ms: Some(100), idle: None });
    let windows = program.tumble(a, 500, emit, Some(100));
    let totals = program.totals(a);
    let totals_sink = format!("{sink}-totals");
    program.sink(&sink, windows).sink(&totals_sink, totals);
    program.start_with(Config::default().workers(workers).tick_rows(700)).wait().unwrap();
    let mut all = written(&sink);
    all.extend(written(&totals_sink));
    all
}

#[test]
fn c4_workers_and_batches_do_not_show() {
    let data: Vec<Vec<Row>> = (0..3).map(|seed| disordered(seed, 6_000 + 500 * seed as usize, 20, 6, 400)).collect();
    for emit in [Emit::Final, Emit::Changes] {
        let expected = run(&data, 1, 1_000, emit);
        assert!(expected.len() > 1_000);
        for (workers, batch) in [(2, 1_000), (3, 77), (1, 8_192)] {
            assert!(run(&data, workers, batch, emit) == expected, "{workers} workers, batches of {batch}");
        }
    }
}

#[test]
fn nothing_is_lost_and_nothing_waits_for_ever_behind_tiny_queues() {
    // One source is far ahead of the other in event time, and both far more than the queues hold.
    let ahead: Vec<Row> = (0..60_000).map(|n| (n % 7, 1_000_000 + n, 1)).collect();
    let behind: Vec<Row> = (0..60_000).map(|n| (n % 7, n, 1)).collect();
    for workers in [1, 2] {
        let mut program = Program::default();
        let a = program.source("ahead", bounded(vec![acts(&ahead, 1_000), acts(&ahead, 1_000)]), STRICT);
        let slowly = acts(&behind, 1_000).into_iter().flat_map(|act| [act, Act::Pause(Duration::from_millis(1))]);
        let b = program.source("behind", bounded(vec![slowly.collect()]), STRICT);
        let both = program.union(vec![a, b]);
        let totals = program.totals(both);
        let config = Config::default().workers(workers).tick_rows(1_000).with(|config| {
            config.queue_rows = 100;
            config.queue_bytes = 4096;
            config.lag_batches = 0;
        });
        let engine = program.view("totals", totals).start_with(config);
        let summary = engine.wait_within(Duration::from_secs(60)).expect("it must not hang").unwrap();
        assert_eq!(summary.rows_accepted, 180_000);
        let counted: i64 =
            rows(&engine, "totals").iter().map(|row| row.split(',').nth(1).unwrap().parse::<i64>().unwrap()).sum();
        assert_eq!(counted, 180_000);
        let text = engine.metrics_text();
        let waited =
            text.lines().find(|line| line.starts_with("highwater_backpressure_seconds_total{source=\"ahead\"}"));
        assert!(waited.unwrap().split(' ').nth(1).unwrap().parse::<f64>().unwrap() > 0.0, "{waited:?}");
    }
}

#[test]
fn more_partitions_than_readers_do_not_deadlock() {
    // Partitions not begun yet hold the watermark at its start; those being read must not wait for it.
    let part: Vec<Row> = (0..20_000).map(|n| (n % 3, n, 1)).collect();
    let mut program = Program::default();
    let a = program.source("a", bounded((0..9).map(|_| acts(&part, 1_000)).collect()), STRICT);
    let windows = program.tumble(a, 1_000, Emit::Final, Some(0));
    let config = Config::default().workers(2).tick_rows(500);
    let config = config.with(|config| (config.queue_rows, config.lag_batches) = (500, 0));
    let engine = program.view("windows", windows).start_with(config);
    engine.wait_within(Duration::from_secs(60)).expect("it must not hang").unwrap();
    assert_eq!(rows(&engine, "windows").len(), 3 * 20);
}

#[test]
fn a_panic_ends_the_engine_with_its_message() {
    let mut program = Program::default();
    let a = program.source("a", live(vec![vec![Act::Hang], vec![Act::Panic]]), STRICT);
    let engine = program.view("rows", a).start(2);
    let error = engine.wait_within(Duration::from_secs(10)).expect("it must not hang").unwrap_err();
    assert!(error.to_string().contains("the script says so"), "{error}");
}

#[test]
fn a_failing_sink_ends_the_engine_with_its_message() {
    let mut program = Program::default();
    let a = program.source("a", live(vec![vec![Act::Rows(vec![(1, 1, 1), (1, 100, 1)]), Act::Hang]]), STRICT);
    let engine = program.sink(&unique("failing"), a).start(2);
    let error = engine.wait_within(Duration::from_secs(10)).expect("it must not hang").unwrap_err();
    assert!(error.to_string().contains("no space left"), "{error}");
}

#[test]
fn a_peer_that_never_comes_is_named() {
    let mut program = Program::default();
    let a = program.source("a", live(vec![vec![Act::Hang]]), STRICT);
    program.view("rows", a);
    for process in 0..2 {
        let connect_timeout = Duration::from_millis(200);
        let config = Config::default().with(|config| {
            config.process = process;
            config.addresses = addresses(2);
            config.connect_timeout = connect_timeout;
        });
        let other = config.addresses[1 - process].clone();
        let message = highwater::engine::Engine::start(program.0.clone(), config).unwrap_err().to_string();
        assert!(message.contains(&format!("process {}", 1 - process)) && message.contains(&other), "{message}");
    }
}

#[test]
fn a_view_keeps_its_limits_by_letting_closed_rows_go() {
    let data: Vec<Row> = (0..20_000).map(|n| (n % 10, n, 1)).collect();
    let mut program = Program::default();
    let a = program.source("a", bounded(vec![acts(&data, 500)]), STRICT);
    let windows = program.tumble(a, 100, Emit::Final, Some(0));
    program.view_with("few", windows, &[("max-rows", "300")]).view_with("recent", windows, &[("retention", "2 s")]);
    program.view_with("raw", a, &[("max-rows", "1000")]);
    let engine = program.start_with(Config::default().workers(2).tick_rows(500));
    engine.wait().unwrap();
    let few = engine.views().get("few").unwrap();
    assert!(few.row_count() <= 300 && few.row_count() >= 200, "{}", few.row_count());
    assert_eq!(few.row_count() as u64 + few.evicted(), 2_000);
    let newest = rows(&engine, "few").iter().any(|row| row.contains("1970-01-01T00:00:19.900"));
    assert!(newest, "the oldest go first");
    let recent = engine.views().get("recent").unwrap().row_count();
    assert!((200..=400).contains(&recent), "{recent}");
    // Rows that never change go in the order they came.
    let raw = engine.views().get("raw").unwrap();
    assert!(raw.row_count() <= 1_000 && raw.row_count() >= 800, "{}", raw.row_count());
    assert_eq!(raw.row_count() as u64 + raw.evicted(), 20_000);
}

#[test]
fn of_rows_that_close_together_as_many_make_room_as_must() {
    // Nine windows of ten keys, all of which close at the end.
    let data: Vec<Row> = (0..900).map(|n| (n % 10, n, 1)).collect();
    let equal: Vec<Row> = (0..1_000).map(|_| (0, 5, 1)).collect();
    let mut program = Program::default();
    let a = program.source("a", bounded(vec![acts(&data, 900)]), STRICT);
    let b = program.source("b", bounded(vec![acts(&equal, 1_000)]), STRICT);
    let windows = program.tumble(a, 100, Emit::Final, Some(0));
    program.view_with("three", windows, &[("max-rows", "3")]).view_with("twenty", windows, &[("max-rows", "20")]);
    program.view_with("equal", b, &[("max-rows", "100")]);
    let engine = program.start_with(Config::default().workers(2).tick_rows(10_000));
    engine.wait().unwrap();
    let kept = |name: &str| {
        let view = engine.views().get(name).unwrap();
        (view.row_count(), view.evicted())
    };
    assert_eq!((kept("three"), kept("twenty"), kept("equal")), ((3, 87), (18, 72), (90, 910)));
    for view in ["three", "twenty"] {
        let newest = rows(&engine, view).iter().filter(|row| row.contains("1970-01-01T00:00:00.900")).count();
        assert_eq!(newest, kept(view).0.min(10), "the oldest go first");
    }
}

#[test]
fn operators_tell_what_they_took_sent_and_hold() {
    let mut program = Program::default();
    let keys: Vec<Row> = (0..50).map(|key| (key, 100, 1)).collect();
    let a = program.source("a", live(vec![vec![Act::Rows(keys), Act::Hang]]), STRICT);
    let windows = program.tumble(a, 1_000, Emit::Changes, Some(0));
    let engine = program.view("windows", windows).start(2);
    eventually("the dataflow is built", || matches!(engine.state(), State::Running));
    let stats = |name: &str| engine.operators().into_iter().find(|operator| operator.name == name).unwrap();
    eventually("the open groups are told", || stats("WindowReduce").state_rows == 50);
    let bytes = stats("WindowReduce").state_bytes;
    assert!((50 * 24..1 << 20).contains(&bytes), "{bytes} bytes");
    eventually("rows in and out", || {
        let (reduce, source) = (stats("WindowReduce"), stats("Source a"));
        (reduce.rows_in, reduce.rows_out, source.rows_out) == (50, 50, 50)
    });
    assert!(stats("WindowReduce").busy_seconds > 0.0);
    assert!(engine.metrics_text().contains("highwater_state_rows{operator=\"WindowReduce #"));
    engine.stop(true);
    engine.wait().unwrap();
    let ended = stats("WindowReduce");
    assert_eq!((ended.state_rows, ended.state_bytes), (0, 0), "what is closed is freed");
}
