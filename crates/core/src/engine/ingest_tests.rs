//! A tick that meets rows on their way in, and a source that is full when the engine stops: both forced, not waited for.
#![allow(clippy::unwrap_used)]

use arrow_schema::{DataType, Field, Schema};
use bytes::Bytes;

use super::*;
use crate::engine::latency::Latency;
use crate::engine::push::{Inbox, Refused};
use crate::engine::queue::Item;
use crate::engine::source::{Parts, lock};
use crate::format::Part;
use crate::metrics::Metrics;
use crate::options::Options;
use crate::source::{CONNECTORS, Intake, SourceSpec, Written};
use crate::time::Zone;

/// A source that clients push to, with room for so many rows, and no worker that takes them.
fn source(rows: usize) -> Arc<Source> {
    let schema = Arc::new(Schema::new(vec![Field::new("x", DataType::Int64, true)]));
    let spec = SourceSpec {
        name: "s".to_owned(),
        connector: (*CONNECTORS.iter().find(|connector| connector.name() == "http").unwrap()).into(),
        formats: Default::default(),
        options: Options::default(),
        physical: schema.clone(),
        metadata: Vec::new(),
        computed: Vec::new(),
        decode: vec![0],
        arrival: None,
        output: vec![0],
        time: None,
        dedup: None,
        changelog: None,
        sequence: false,
        schema,
        zone: Zone::utc(),
    };
    let config = Config { workers: 1, ..Config::default() };
    let inbox = Inbox::new(Intake::new(&spec, config.pushed_row).unwrap(), (rows, usize::MAX));
    let (split, start) = (SplitId::new("0"), Start::Beginning);
    let partitions = vec![Opened { number: 0, split, start, name: "s".to_owned() }];
    let metrics = Arc::new(Metrics::new());
    let latency = Arc::new(Latency::new(metrics.ingest_to_visible_seconds.clone()));
    let parts = Parts {
        spec,
        partitions,
        elsewhere: Vec::new(),
        config: &config,
        metrics,
        latency,
        inbox: Some(inbox),
        dead_file: None,
        logged: None,
        rereads: None,
    };
    Arc::new(Source::new(parts))
}

/// A body of two rows.
fn body(source: &Source) -> Vec<Part> {
    let intake = source.intake().unwrap();
    let text = Bytes::from_static(b"{\"x\":1}\n{\"x\":2}\n");
    let beside = intake.beside(std::iter::empty()).unwrap();
    intake.decode(Written::Lines, None, text, &beside, &mut |_| true).unwrap()
}

/// How far the worker was told that the partition is, since it was asked last.
fn told(source: &Source) -> Option<Epoch> {
    let mut items = Vec::new();
    source.queue(0).take(usize::MAX, &mut items);
    let moves = items.iter().filter_map(|item| match item {
        Item::Advance { epoch, .. } => Some(*epoch),
        _ => None,
    });
    moves.max()
}

#[test]
fn a_tick_that_meets_a_lock_leaves_its_rows_to_the_next() {
    let source = source(100);
    let sources = [source.clone()];
    let ticks = || tick(&sources, &[], 10, None);
    ticks();
    told(&source);
    let pushed = source.push(body(&source)).unwrap().epoch.unwrap();
    assert!(told(&source).is_none_or(|epoch| epoch <= pushed), "they are of an epoch that is open");
    let held = lock(&source.partitions[0].state);
    // It says first that it has seen the rows, and then cannot move them.
    ticks();
    assert_eq!(told(&source), None);
    drop(held);
    // No row comes after them.
    std::thread::sleep(Duration::from_millis(20));
    ticks();
    assert!(told(&source).is_some_and(|epoch| epoch > pushed), "they are shown");
    std::thread::sleep(Duration::from_millis(20));
    ticks();
    assert_eq!(told(&source), None, "a tick without rows tells nothing");
}

#[test]
fn a_tick_waits_a_moment_for_a_partition_that_is_taking_rows() {
    let source = source(100);
    source.accept_parts(0, body(&source)).unwrap();
    let sources = [source.clone()];
    let held = lock(&source.partitions[0].state);
    std::thread::scope(|scope| {
        let ticking = scope.spawn(|| tick(&sources, &[], 1, None));
        // The rows are before this tick, so it has them in this one: those who wait for them wait no tick longer.
        std::thread::sleep(PAUSE);
        drop(held);
        ticking.join().unwrap();
    });
    assert_eq!(told(&source).unwrap().tick, 1);
}

#[test]
fn a_full_source_that_takes_nothing_more_says_that_and_not_that_it_is_full() {
    let source = source(3);
    assert_eq!(source.push(body(&source)).unwrap().accepted, 2);
    assert!(!source.full());
    let Err(Refused::Full(again)) = source.push(body(&source)) else { panic!("there is room for one row") };
    assert!(matches!(source.push(again), Err(Refused::Full(_))), "and stays full, for nobody takes them");
    source.refuse();
    assert!(source.closed() && !source.full());
    assert!(matches!(source.push(body(&source)), Err(Refused::Closed)));
    // What was taken before is still on its way.
    assert_eq!(source.waiting().0, 2);
    assert!(seal(std::slice::from_ref(&source), (ticks(&Config::default(), 0), 10)) < Epoch::END);
    assert!(told(&source).is_some());
}
