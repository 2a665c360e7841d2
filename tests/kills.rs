//! Runs that are killed at random moments and started again, in short; `python3 tests/kills/kills.py BINARY` does it a thousand times,
//! `python3 tests/kills/cluster.py BINARY` two processes, `python3 tests/kills/goldens.py BINARY` every golden dataflow, `python3 tests/kills/rebuilds.py BINARY` while the program changes. Rules D1 to D6, D8, D13.
//!
//! Without python3 the test says so and passes, unless `CI` is set: then it fails.
#![allow(clippy::unwrap_used)]

use std::process::Command;

fn kills(args: &[&str]) {
    python("kills.py", args);
}

fn python(script: &str, args: &[&str]) {
    let script = format!("{}/tests/kills/{script}", env!("CARGO_MANIFEST_DIR"));
    let output = Command::new("python3").args([&script, env!("CARGO_BIN_EXE_highwater")]).args(args).output();
    let Ok(output) = output else {
        assert!(std::env::var_os("CI").is_none(), "there is no python3");
        return eprintln!("skipped: there is no python3");
    };
    let [told, wrong] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    assert!(output.status.success(), "{told}\n{wrong}");
    println!("{told}");
}

const ALL_BUT_FOLDERS: &str = "windows,sessions,joins,patterns,ranks,over,failing,tables,transfers";

#[test]
fn d1_to_d6_kills_lose_nothing_and_do_nothing_twice() {
    kills(&["--kills", "12", "--seed", "1", "--pieces", &format!("formats,{ALL_BUT_FOLDERS}")]);
}

#[test]
fn d1_to_d6_kills_while_more_comes_than_there_is_room_for_lose_nothing() {
    kills(&["--kills", "6", "--seed", "3", "--behind", "--pieces", "windows,joins,tables"]);
}

#[test]
fn d1_to_d6_kills_of_runs_that_go_on_from_snapshots_lose_nothing() {
    kills(&["--kills", "12", "--seed", "5", "--snapshots", "--workers", "0", "--pieces", ALL_BUT_FOLDERS]);
}

#[test]
fn d13_kills_while_a_log_is_written_anew_lose_nothing() {
    python("rebuilds.py", &["--kills", "10", "--seed", "1"]);
}

#[test]
fn d8_kills_with_other_workers_at_each_start_change_no_byte() {
    kills(&["--kills", "8", "--seed", "2", "--workers", "0", "--pieces", ALL_BUT_FOLDERS]);
}

#[test]
fn d1_to_d6_kills_of_one_or_both_of_two_processes_lose_nothing_and_do_nothing_twice() {
    let pieces = "windows,sessions,joins,patterns,failing,tables,transfers";
    python("cluster.py", &["--kills", "10", "--seed", "1", "--pieces", pieces]);
}

/// Of each way to read and to write, one.
const GOLDENS: [&str; 8] = [
    "csv",
    "folder",
    "parquet",
    "changelog_upsert",
    "late_amended",
    "join_interval",
    "pattern_fraud",
    "recursive_windows",
];

#[test]
fn d5_goldens_that_are_killed_write_what_is_expected() {
    let mut args = vec!["--kills", "3", "--seed", "1"];
    args.extend(GOLDENS);
    python("goldens.py", &args);
}
