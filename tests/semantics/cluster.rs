//! What the engine answers for when a program runs as several processes (here all in one): results (C4), idle inputs (W6),
//! the end of one process.

use crate::script;

use std::time::Duration;

use highwater::engine::Config;
use highwater_core::plan::Emit;
use script::*;

#[test]
fn c4_processes_do_not_show() {
    let data: Vec<Vec<Row>> = (0..3).map(|seed| disordered(seed, 5_000, 20, 6, 400)).collect();
    let build = |sink: &str| {
        let mut program = Program::default();
        let script = bounded(data.iter().map(|rows| acts(rows, 500)).collect());
        let a = program.source("a", script, Timing { bound_ms: 50, lateness_ms: Some(100), idle: None });
        let windows = program.tumble(a, 500, Emit::Changes, Some(100));
        program.view("windows", windows).sink(sink, windows);
        program
    };
    let alone = unique("c4-alone");
    let engine = build(&alone).start(1);
    engine.wait().unwrap();
    let expected = rows(&engine, "windows");
    for processes in [2, 3] {
        let (sink, addresses) = (unique("c4-cluster"), addresses(processes));
        let program = build(&sink);
        let start = |process: usize| {
            let config = Config::default().workers(2).with(|config| {
                config.process = process;
                config.addresses = addresses.clone();
            });
            program.start_with(config.with(|config| config.tick_rows = 8_192))
        };
        std::thread::scope(|scope| {
            let start = &start;
            let running: Vec<_> = (0..processes).map(|process| scope.spawn(move || start(process))).collect();
            let engines: Vec<_> = running.into_iter().map(|running| running.join().unwrap()).collect();
            for engine in &engines {
                engine.wait().unwrap();
                assert_eq!(rows(engine, "windows"), expected, "every process has the view");
            }
        });
        assert!(written(&sink) == written(&alone), "{processes} processes write what one writes");
        assert_eq!(closed(&sink), 1);
    }
}

#[test]
fn w6_an_idle_input_of_one_process_follows_those_of_another() {
    let timing = Timing { idle: Some(Duration::from_millis(60)), ..STRICT };
    let busy = (0..400).flat_map(|n| [Act::Rows(vec![(1, n * 10, 1)]), Act::Pause(Duration::from_millis(5))]);
    let busy: Vec<Act> = busy.chain([Act::Hang]).collect();
    let mut program = Program::default();
    let a = program.source("a", live(vec![busy, vec![Act::Rows(vec![(2, 5, 1)]), Act::Hang]]), timing);
    program.view("rows", a);
    let engines = start_cluster(&program, 2, 1);
    for engine in &engines {
        comes_to(engine, "rows", "the watermark moves though process 1 is idle", || watermark(engine, "rows") >= 1_000);
    }
    engines.iter().for_each(|engine| engine.stop(true));
    engines.iter().for_each(|engine| assert!(!engine.wait().unwrap().stopped));
}

#[test]
fn w6_all_that_is_idle_in_two_processes_follows_the_greatest() {
    for ahead_first in [true, false] {
        for ahead_in in [0, 1] {
            let timing = Timing { idle: Some(Duration::from_millis(400)), ..STRICT };
            let [ahead, behind] = falling_silent(ahead_first, Duration::from_millis(250));
            let partitions = if ahead_in == 0 { vec![ahead, behind] } else { vec![behind, ahead] };
            let mut program = Program::default();
            let a = program.source("a", live(partitions), timing);
            let windows = program.tumble(a, 10_000, Emit::Final, Some(0));
            program.view("windows", windows);
            let engines = start_cluster(&program, 2, 1);
            for engine in &engines {
                comes_to(engine, "windows", "the window closes", || !rows(engine, "windows").is_empty());
                comes_to(engine, "windows", "it is the greatest", || watermark(engine, "windows") == 31_000);
            }
            engines.iter().for_each(|engine| engine.stop(false));
            engines.iter().for_each(|engine| assert!(engine.wait().unwrap().stopped));
        }
    }
}

#[test]
fn a_panic_in_one_process_fails_the_others() {
    let gate = gate();
    let mut program = Program::default();
    let a = program.source("a", live(vec![vec![Act::Hang], vec![Act::Gate(gate), Act::Panic]]), STRICT);
    program.view("rows", a);
    let engines = start_cluster(&program, 2, 1);
    open(gate);
    let fate = |process: usize| engines[process].wait_within(Duration::from_secs(10)).expect("it must not hang");
    let (other, own) = (fate(0).unwrap_err().to_string(), fate(1).unwrap_err().to_string());
    assert!(own.contains("the script says so"), "{own}");
    assert!(other.contains("peer process 1") && other.contains("is gone"), "{other}");
}

#[test]
fn stopping_one_process_stops_the_others_without_an_error() {
    let sink = unique("stop");
    let mut program = Program::default();
    let a = program.source("a", live(vec![vec![Act::Rows(vec![(1, 1, 1)]), Act::Hang], vec![Act::Hang]]), STRICT);
    program.view("rows", a).sink(&sink, a);
    let engines = start_cluster(&program, 2, 1);
    engines[1].stop(false);
    for engine in &engines {
        assert!(engine.wait_within(Duration::from_secs(15)).expect("it must not hang").unwrap().stopped);
    }
    assert_eq!(closed(&sink), 1);
}
