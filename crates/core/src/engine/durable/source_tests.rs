//! A source whose rows are kept, and the same source done again from the log: in-process, on a real folder.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use arrow_schema::{DataType, Field, Schema, TimeUnit};
use proptest::prelude::*;

use super::super::Around;
use super::*;
use crate::engine::config::Config;
use crate::engine::control::Control;
use crate::engine::ingest::Opened;
use crate::engine::latency::Latency;
use crate::engine::push::{Inbox, Pushed};
use crate::engine::queue::Item;
use crate::engine::source::Parts;
use crate::engine::startup::Startup;
use crate::metrics::Metrics;
use crate::options::Options;
use crate::plan::Dataflow;
use crate::source::{Arrivals, CONNECTORS, DedupSpec, EdgeCounts, Intake, SplitId, Start, TimeSpec, Written};
use crate::time::{Zone, now_ms};
use crate::view::Views;

/// Columns `id`, `ts` and `unread`, which the plan does not read; by event time or by the time of arrival.
fn spec(by_arrival: bool) -> SourceSpec {
    let ts = DataType::Timestamp(TimeUnit::Millisecond, None);
    let fields = [("id", DataType::Utf8), ("ts", ts.clone()), ("unread", DataType::Int64)];
    let fields = fields.map(|(name, kind)| Field::new(name, kind, true));
    let arrived = by_arrival.then(|| Field::new("at", ts, true));
    let schema = Schema::new(fields[..2].iter().cloned().chain(arrived).collect::<Vec<_>>());
    SourceSpec {
        name: "s".to_owned(),
        connector: (*CONNECTORS.iter().find(|connector| connector.name() == "http").unwrap()).into(),
        formats: Default::default(),
        options: Options::default(),
        physical: Arc::new(Schema::new(fields.to_vec())),
        metadata: Vec::new(),
        computed: Vec::new(),
        decode: vec![0, 1],
        arrival: by_arrival.then_some(Arrivals::Clock),
        output: if by_arrival { vec![0, 1, 2] } else { vec![0, 1] },
        time: Some(TimeSpec {
            column: if by_arrival { 2 } else { 1 },
            bound_ms: 5,
            lateness_ms: Some(10),
            idle_timeout: None,
            idle_by_clock: !by_arrival,
            max_future_skew_ms: i64::MAX,
        }),
        dedup: Some(DedupSpec { column: 0, horizon_ms: 1_000 }),
        changelog: None,
        sequence: false,
        schema: Arc::new(schema),
        zone: Zone::utc(),
    }
}

/// Rows with their epochs; epoch and watermark of the partition; its counts, dead letters and position.
type State = (Vec<(Epoch, String)>, Epoch, i64, EdgeCounts, Vec<Reject>, Position);

/// A source over a folder, and its log.
struct Run {
    source: Arc<Source>,
    durable: Arc<Durable>,
    dataflow: Dataflow,
}

impl Run {
    fn open(folder: &Path, spec: SourceSpec) -> Run {
        Run::open_with(folder, spec, &[], true)
    }

    /// With bodies that are pushed before it has caught up. It does so then, and decides on them; or it does not come to that.
    fn open_with(folder: &Path, spec: SourceSpec, early: &[String], catches_up: bool) -> Run {
        let config = Config { workers: 1, data_dir: Some(folder.to_owned()), ..Config::default() };
        let dataflow = Dataflow { sources: vec![spec.clone()], ..Dataflow::default() };
        let metrics = Arc::new(Metrics::new());
        let durable = Durable::open(&dataflow, &config, &Control::new(), &metrics, false).unwrap().unwrap();
        let inbox = Inbox::new(Intake::new(&spec.declared(), config.pushed_row).unwrap(), (usize::MAX, usize::MAX));
        let (split, start) = (SplitId::new("0"), Start::Beginning);
        let partitions = vec![Opened { number: 0, split, start, name: "s".to_owned() }];
        let latency = Arc::new(Latency::new(metrics.ingest_to_visible_seconds.clone()));
        let logged = Some(Logged::new(&durable, 0, &spec));
        let parts = Parts {
            spec,
            partitions,
            elsewhere: Vec::new(),
            config: &config,
            metrics,
            latency,
            inbox: Some(inbox),
            dead_file: None,
            logged,
            rereads: None,
        };
        let source = Arc::new(Source::new(parts));
        durable.starts(&dataflow, &config, &[]).unwrap();
        durable.begin(std::slice::from_ref(&source)).unwrap();
        for body in early {
            let pushed = push(&source, body.clone());
            assert_eq!(pushed.later.is_some(), durable.past.end() > Lsn(0));
        }
        let run = Run { source, durable, dataflow };
        if catches_up {
            run.catch_up();
            run.keeps_up();
        }
        run
    }

    /// Does again what was kept, and goes on with what waits.
    fn catch_up(&self) {
        let config = Config { workers: 1, ..Config::default() };
        let (views, startup, sources) = (Views::new(Vec::new()), Startup::default(), [self.source.clone()]);
        let (dataflow, views, sinks, startup, config) = (&self.dataflow, &views, &[], &startup, &config);
        self.durable
            .recover(&Around { dataflow, sources: &sources, views, sinks, startup, config, gossip: None })
            .unwrap();
        self.durable.start(&sources, 0).unwrap();
        self.durable.decide(&sources, 0).unwrap();
    }

    /// Waits until nothing waits.
    fn keeps_up(&self) {
        self.source.logged.as_ref().unwrap().wakes();
        let (clock, failure) = (crate::time::Clock::start(), || self.durable.control.failure());
        while self.source.is_behind() {
            assert!(clock.elapsed_ms() < 10_000, "it never decides on what waits: {:?}", failure());
            std::thread::yield_now();
        }
    }

    fn log(&self) -> &highwater_log::Log {
        self.durable.log.as_ref().unwrap()
    }

    fn push(&self, text: String) {
        assert!(push(&self.source, text).later.is_none());
    }

    /// The rows that the workers are given, with their epochs, and how far the partition is.
    fn state(&self) -> State {
        let mut items = Vec::new();
        self.source.queue(0).take(usize::MAX, &mut items);
        let rows = items.into_iter().filter_map(|item| match item {
            Item::Rows { epoch, delta, .. } => Some((epoch, format!("{:?}", delta.batch()))),
            _ => None,
        });
        let reading = lock(&self.source.partitions[0].state);
        let (epoch, watermark) = (reading.edge.epoch(), reading.edge.watermark());
        let counts = reading.edge.counts().clone();
        (rows.collect(), epoch, watermark, counts, self.source.dead_letters(1_000), reading.position.clone())
    }

    fn close(self) {
        drop(self.dataflow);
        self.source.refuse();
        self.durable.close().unwrap();
        self.durable.control.join(std::time::Duration::from_secs(5));
    }
}

fn push(source: &Source, text: String) -> Pushed {
    let intake = source.intake().unwrap();
    let beside = intake.beside(std::iter::empty()).unwrap();
    let parts = intake.decode(Written::Lines, None, text.into(), &beside, &mut |_| true).unwrap();
    source.push(parts).unwrap()
}

/// Rows as they are pushed.
type Body = Vec<(u8, i64, bool)>;

#[derive(Clone, Debug)]
enum Act {
    Rows(Body),
    Tick(u64),
    Follow(i64, u64),
    Elapse(i64),
    Arrive(i64),
    /// The process ends, in order or not, and another begins.
    Again,
    /// The same; that one is pushed to before it has caught up. So are some before it, which end before they have.
    Early(Vec<Body>, Vec<Body>),
    /// The workers have no room for some bodies, which are pushed while time goes on.
    Over(Vec<Body>, u64),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let row = (0..40_u8, 0..300_i64, prop::bool::weighted(0.9));
    let body = prop::collection::vec(row, 1..12);
    let bodies = prop::collection::vec(body.clone(), 0..4);
    let act = prop_oneof![
        4 => body.prop_map(Act::Rows),
        1 => (bodies.clone(), bodies.clone()).prop_map(|(ended, last)| Act::Early(ended, last)),
        1 => (bodies, 0..50_u64).prop_map(|(bodies, tick)| Act::Over(bodies, tick)),
        3 => (0..50_u64).prop_map(Act::Tick),
        1 => (0..400_i64, 0..50_u64).prop_map(|(watermark, tick)| Act::Follow(watermark, tick)),
        1 => (0..60_i64).prop_map(Act::Elapse),
        1 => (0..2_000_i64).prop_map(Act::Arrive),
        1 => Just(Act::Again),
    ];
    prop::collection::vec(act, 1..30)
}

fn text(body: &Body) -> String {
    body.iter().map(line).collect()
}

fn line((id, ts, good): &(u8, i64, bool)) -> String {
    let unread = if *good { "1" } else { "\"much\"" };
    format!("{{\"id\":\"{id}\", \"ts\":{ts},\"unread\":{unread}}}\n")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// D3: whatever happened, what is done again from the log has the same rows at the same epochs, the same verdicts, counts, dead
    /// letters and keys as what lived, however often it was begun again.
    #[test]
    fn an_edge_that_is_driven_by_the_log_is_as_the_one_that_lived(acts in acts(), by_arrival in any::<bool>()) {
        let folder = tempfile::tempdir().unwrap();
        let spec = spec(by_arrival);
        let mut run = Run::open(folder.path(), spec.clone());
        // What the workers were given since the beginning.
        let mut given: Vec<(Epoch, String)> = Vec::new();
        let now = now_ms();
        for act in acts.iter().chain([&Act::Again]) {
            match act {
                Act::Rows(rows) => run.push(text(rows)),
                Act::Over(bodies, tick) => {
                    let logged = run.source.logged.as_ref().unwrap();
                    logged.falls_behind(&mut logged.undecided());
                    let before = run.source.counts().received();
                    for body in bodies {
                        push(&run.source, text(body));
                        run.source.tick(0, Some(*tick));
                        run.source.arrive(0, now + *tick as i64);
                    }
                    run.keeps_up();
                    let came: usize = bodies.iter().map(Vec::len).sum();
                    prop_assert_eq!(run.source.counts().received(), before + came as u64);
                }
                Act::Early(ended, last) => {
                    let (rows, _, _, counts, letters, _) = run.state();
                    given.extend(rows);
                    run.close();
                    ended.iter().for_each(|body| Run::open_with(folder.path(), spec.clone(), &[text(body)], false).close());
                    let last_texts: Vec<String> = last.iter().map(text).collect();
                    run = Run::open_with(folder.path(), spec.clone(), &last_texts, true);
                    let now = run.state();
                    // What was there is as it was; each row that came is decided on once.
                    prop_assert!(now.0.starts_with(&given));
                    let came: usize = ended.iter().chain(last).map(Vec::len).sum();
                    prop_assert_eq!(now.3.received(), counts.received() + came as u64);
                    prop_assert!(now.4.len() >= letters.len());
                    given = now.0;
                }
                Act::Tick(tick) => assert!(run.source.tick(0, Some(*tick))),
                Act::Follow(watermark, tick) => run.source.follow(0, Epoch { watermark: *watermark, tick: *tick }),
                Act::Elapse(ms) => run.source.elapse(0, now + ms),
                Act::Arrive(ms) if by_arrival => assert!(run.source.arrive(0, now + ms)),
                Act::Arrive(_) => {}
                Act::Again => {
                    let (rows, epoch, watermark, counts, letters, position) = run.state();
                    given.extend(rows);
                    run.close();
                    run = Run::open(folder.path(), spec.clone());
                    let again = run.state();
                    prop_assert_eq!(&again.0, &given);
                    // A lease is at most a second ahead; nothing is ever behind.
                    prop_assert!(again.1 >= epoch && again.1.watermark.saturating_sub(epoch.watermark.max(now - 1)) <= 2 * LEASE_MS);
                    prop_assert!(again.2 >= watermark);
                    prop_assert_eq!(&again.3, &counts);
                    prop_assert_eq!(&again.4, &letters);
                    prop_assert_eq!(&again.5, &position);
                    // The keys too: every row that is known is a duplicate.
                    continue;
                }
            }
        }
        run.close();
    }
}

/// One that ends while rows wait ends behind those, takes none that come then, and is the same after a start; so is one of which none do.
#[test]
fn a_source_that_is_behind_ends_when_nothing_waits() {
    for early in [0_usize, 3] {
        let folder = tempfile::tempdir().unwrap();
        let run = Run::open(folder.path(), spec(false));
        run.push(line(&(0, 1, true)));
        run.close();
        let run = Run::open_with(folder.path(), spec(false), &[], false);
        (0..early).for_each(|at| assert!(push(&run.source, line(&(1 + at as u8, 2, true))).later.is_some()));
        run.source.drain();
        assert!(!run.source.ended() && run.source.is_behind(), "a start goes on");
        let parts = || {
            let intake = run.source.intake().unwrap();
            let beside = intake.beside(std::iter::empty()).unwrap();
            intake.decode(Written::Lines, None, line(&(9, 2, true)).into(), &beside, &mut |_| true).unwrap()
        };
        assert!(matches!(run.source.push(parts()), Err(crate::engine::Refused::Closed)));
        run.catch_up();
        run.keeps_up();
        assert!(run.source.ended() && run.source.counts().accepted() == 1 + early as u64);
        let before = run.state();
        assert_eq!(before.0.len(), 1 + early, "each in an epoch, or behind it");
        run.close();
        let run = Run::open(folder.path(), spec(false));
        assert!(run.source.ended());
        let after = run.state();
        assert_eq!((before.0, before.3, before.5), (after.0, after.3, after.5));
        run.close();
    }
}

/// The workers hear of a move when its frame is durable, and of nothing that the log did not take.
#[test]
fn d2_no_worker_is_told_before_the_log_has_it() {
    let folder = tempfile::tempdir().unwrap();
    let run = Run::open(folder.path(), spec(false));
    for at in 0..200 {
        run.push(line(&(at as u8, at, true)));
        run.source.tick(0, Some(1));
        let mut items = Vec::new();
        // The frames up to the move are durable once it is told.
        let clock = crate::time::Clock::start();
        let told = loop {
            run.source.queue(0).take(usize::MAX, &mut items);
            if let Some(Item::Advance { epoch, .. }) = items.iter().find(|item| matches!(item, Item::Advance { .. })) {
                break *epoch;
            }
            assert!(clock.elapsed_ms() < 10_000, "the move is never told");
        };
        assert_eq!(run.log().durable(), run.log().next());
        assert_eq!(told, lock(&run.source.partitions[0].state).told);
    }
    run.close();
}

/// An idle program writes a lease a second, not a frame a tick.
#[test]
fn time_that_goes_on_by_the_clock_is_leased() {
    let folder = tempfile::tempdir().unwrap();
    let run = Run::open(folder.path(), spec(true));
    let (before, now) = (run.log().next(), now_ms());
    for ms in 0..3_000 {
        run.source.arrive(0, now + ms);
    }
    let frames = run.log().next().0 - before.0;
    assert!((3..=5).contains(&frames), "{frames} frames");
    run.close();
    // What was shown under the lease is behind where it goes on: nothing that closed opens again.
    let run = Run::open(folder.path(), spec(true));
    assert!(run.state().1 >= Epoch::at(now + 2_999));
    run.close();
}
