//! Results against an independent engine: DuckDB's batch answers on the same input, by `tests/duckdb/compare.py` and, of random
//! queries, `tests/duckdb/random_queries.py`; and against themselves, at other numbers of workers and processes.
//!
//! Needs `python3` with the package `duckdb`. Without it the tests say so and pass, unless `CI` is set: then they fail.
//! `HIGHWATER_EVENTS=1000000` says how many events Nexmark and the programs are run on (a release build: a million).
//!
//! An oracle is the query in DuckDB's words: TUMBLE and HOP are `time_bucket` (with `unnest` of the windows a row is in), a
//! session is a running sum over LAG, MATCH_RECOGNIZE a recursive join, `FOR SYSTEM_TIME AS OF` a plain join with a table that
//! does not change, and what follows the watermark is asked at its end. Ties in event time go by the row's place in its
//! source, which files of NDJSON have (`position`) and Nexmark's have not: q18 there is ordered by `extra` too.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn has_duckdb() -> bool {
    has("duckdb")
}

/// Whether Python has these packages.
fn has(packages: &str) -> bool {
    let found = Command::new("python3").args(["-c", &format!("import {packages}")]).output();
    if found.is_ok_and(|output| output.status.success()) {
        return true;
    }
    assert!(std::env::var_os("CI").is_none(), "python3 has not {packages}: pip install them");
    eprintln!("skipped: python3 has not {packages}, so nothing is compared (pip install them)");
    false
}

fn compare(args: &[&Path]) {
    let mut command = Command::new("python3");
    let output = command.arg(root().join("tests/duckdb/compare.py")).args(args).output().unwrap();
    let (said, failed) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "\n{said}{failed}");
    println!("{said}");
}

/// How many events to run on; `small` are enough for a look.
fn events(small: usize) -> usize {
    match std::env::var("HIGHWATER_EVENTS") {
        Ok(events) => events.parse().expect("HIGHWATER_EVENTS is a number"),
        Err(_) if cfg!(debug_assertions) => small,
        Err(_) => 1_000_000,
    }
}

fn run(folder: &Path, file: &Path) {
    run_as(folder, file, 1, 2);
}

/// Runs a program in `folder` as so many processes of so many workers.
fn run_as(folder: &Path, file: &Path, processes: usize, workers: usize) {
    let hosts = folder.join("hosts");
    let taken: Vec<TcpListener> = (0..processes).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    let lines: String = taken.iter().map(|listener| format!("{}\n", listener.local_addr().unwrap())).collect();
    fs::write(&hosts, lines).unwrap();
    drop(taken);
    let start = |process: usize| -> Child {
        let mut command = Command::new(env!("CARGO_BIN_EXE_highwater"));
        command.current_dir(folder).env("RUST_LOG", "off").arg("run").arg(file);
        command.args(["--exit-at-end", "--no-serve", "-w", &workers.to_string()]);
        if processes > 1 {
            let (n, p) = (processes.to_string(), process.to_string());
            command.args(["-n", &n, "-p", &p, "--hostfile"]).arg(&hosts);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
    };
    for child in (0..processes).map(start).collect::<Vec<Child>>() {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}: {}", file.display(), String::from_utf8_lossy(&output.stderr));
    }
}

/// CSV, JSON, Parquet and Arrow files with awkward content are read as the rows that pandas, pyarrow and DuckDB wrote.
/// `HIGHWATER_SEED` makes others.
#[test]
fn files_of_others_are_read_as_the_rows_they_hold() {
    if has("duckdb, pandas, pyarrow") {
        let folder = tempfile::tempdir().unwrap();
        let seed = std::env::var("HIGHWATER_SEED").unwrap_or_else(|_| "1".to_owned());
        let script = |args: &[&str]| {
            let mut command = Command::new("python3");
            command.arg(root().join("tests/duckdb/foreign_files.py")).args(args).arg(folder.path());
            command
        };
        let output = script(&["write"]).arg(seed).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        run(folder.path(), &folder.path().join("program.sql"));
        let output = script(&["compare"]).output().unwrap();
        let (said, failed) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "\n{said}{failed}");
        println!("{said}");
        let output = script(&["refuse"]).arg(env!("CARGO_BIN_EXE_highwater")).output().unwrap();
        let (said, failed) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "\n{said}{failed}");
        println!("{said}");
    }
}

/// Times in zones, close to where clocks are changed, are Python's.
#[test]
fn times_in_zones_are_pythons() {
    if has("zoneinfo; assert len(zoneinfo.available_timezones()) > 300, 'no zones'") {
        let seed = std::env::var("HIGHWATER_SEED").unwrap_or_else(|_| "1".to_owned());
        let zones = if cfg!(debug_assertions) { "8" } else { "120" };
        let mut command = Command::new("python3");
        command.arg("-B").arg(root().join("tests/duckdb/zones.py"));
        let output = command.args([env!("CARGO_BIN_EXE_highwater"), &seed, zones]).output().unwrap();
        let (said, failed) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "\n{said}{failed}");
        println!("{said}");
    }
}

/// Runs a script of random programs; `HIGHWATER_SEED` makes others.
fn random(script: &str, more: &[&str], [debug, release]: [&str; 2]) {
    if has_duckdb() {
        let place = tempfile::tempdir().unwrap();
        let seed = std::env::var("HIGHWATER_SEED").unwrap_or_else(|_| "1".to_owned());
        let programs = if cfg!(debug_assertions) { debug } else { release };
        let mut command = Command::new("python3");
        command.current_dir(place.path()).arg("-B").arg(root().join("tests/duckdb").join(script));
        command.args([env!("CARGO_BIN_EXE_highwater"), "--seed", &seed, "--programs", programs]).args(more);
        let output = command.output().unwrap();
        let (said, failed) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "\n{said}{failed}");
        println!("{said}");
    }
}

/// What Parquet says is an instant is one to DuckDB.
#[test]
fn instants_are_duckdbs() {
    random("instants.py", &[], ["12", "200"]);
}

/// Programs that nobody wrote: the final state of each query is DuckDB's, and so is every state on the way that is looked at, with
/// as many dead letters as rows fail there.
#[test]
fn random_programs_are_duckdbs() {
    random("random_queries.py", &[], ["200", "2000"]);
}

/// The same on differential dataflow's operators.
#[test]
fn random_programs_on_differentials_operators_are_duckdbs() {
    random("random_queries.py", &["--operators", "differential"], ["50", "500"]);
}

/// The same killed at random moments and started again, with a data directory.
#[test]
fn random_programs_that_are_killed_are_duckdbs() {
    random("random_queries.py", &["--kills", "3"], ["30", "300"]);
}

/// Reference tables that change over REST: after each request their views are DuckDB's answer of the tables as they are then.
#[test]
fn random_changes_of_tables_are_duckdbs() {
    random("random_tables.py", &[], ["4", "40"]);
}

#[test]
fn goldens_are_duckdbs() {
    if has_duckdb() {
        compare(&[Path::new("goldens"), &root().join("tests/golden")]);
    }
}

/// A folder to run in, with the data of the programs in it.
fn place() -> tempfile::TempDir {
    let place = tempfile::tempdir().unwrap();
    for folder in ["dataflows/data", "dataflows/nexmark/data", "input", "out"] {
        fs::create_dir_all(place.path().join(folder)).unwrap();
    }
    for folder in ["dataflows/data", "dataflows/nexmark/data"] {
        for file in fs::read_dir(root().join(folder)).unwrap().map(|entry| entry.unwrap()) {
            fs::copy(file.path(), place.path().join(folder).join(file.file_name())).unwrap();
        }
    }
    place
}

/// The programs over files.
const OVER_FILES: [&str; 10] =
    ["clicks", "sessions", "late", "cube", "trending", "top", "spikes", "enrich", "takeover", "reach"];

/// The programs over files: over the data they come with, and over as many rows as are asked for.
#[test]
fn shipped_dataflows_are_duckdbs() {
    if !has_duckdb() {
        return;
    }
    for rows in [0, events(20_000)] {
        let place = place();
        if rows > 0 {
            let mut command = Command::new("python3");
            command.arg(root().join("tests/duckdb/inputs.py")).arg(place.path()).arg(rows.to_string());
            assert!(command.status().unwrap().success());
        }
        for name in OVER_FILES {
            run(place.path(), &root().join("dataflows").join(name).with_extension("sql"));
        }
        compare(&[Path::new("results"), place.path(), &root().join("tests/duckdb/dataflows")]);
    }
}

/// The same bytes at one, two and three workers and as two processes.
#[test]
fn shipped_dataflows_are_the_same_however_they_are_run() {
    if !has_duckdb() {
        return;
    }
    let place = place();
    let mut command = Command::new("python3");
    command.arg(root().join("tests/duckdb/inputs.py")).arg(place.path()).arg(events(20_000).to_string());
    assert!(command.status().unwrap().success());
    let answers = |processes: usize, workers: usize| {
        for name in OVER_FILES {
            run_as(place.path(), &root().join("dataflows").join(name).with_extension("sql"), processes, workers);
        }
        let files = fs::read_dir(place.path().join("out")).unwrap().map(|entry| entry.unwrap().path());
        let mut answers: Vec<(PathBuf, Vec<u8>)> =
            files.filter(|file| file.is_file()).map(|file| (file.clone(), fs::read(file).unwrap())).collect();
        answers.sort();
        answers
    };
    let first = answers(1, 1);
    assert!(first.len() > 10 && first.iter().all(|(_, bytes)| !bytes.is_empty()));
    for (processes, workers) in [(1, 2), (1, 3), (2, 1)] {
        for ((file, expected), (other, found)) in first.iter().zip(answers(processes, workers)) {
            let same = *file == other && *expected == found;
            assert!(same, "{} differs at {processes} process(es) of {workers} worker(s)", file.display());
        }
    }
}

/// The programs over generated streams, made to end; their sources and views are written to files.
#[test]
fn live_dataflows_are_duckdbs() {
    if !has_duckdb() {
        return;
    }
    let rows = events(50_000);
    for (name, source) in [("fraud", "events"), ("thresholds", "readings"), ("sensors", "events")] {
        let place = place();
        let text = fs::read_to_string(root().join("dataflows").join(name).with_extension("sql")).unwrap();
        let mut text = text.replace("'rows-per-second'", &format!("'number-of-rows' = '{rows}', 'rows-per-second'"));
        if rows < 1_000_000 {
            // In a shorter time fewer users do as much.
            text = text.replace("'fields.user_id.max' = '700'", "'fields.user_id.max' = '20'");
        }
        let oracles = root().join("tests/duckdb/live").join(name);
        let views = fs::read_dir(&oracles).unwrap().map(|entry| entry.unwrap().path());
        let views = views.map(|oracle| ("out", oracle.file_stem().unwrap().to_str().unwrap().to_owned()));
        for (number, (folder, view)) in views.chain([("input", source.to_owned())]).enumerate() {
            text.push_str(&format!(
                "\nCREATE SINK written_{number} WITH ('connector' = 'filesystem', 'path' = '{folder}/{view}.parquet', 'format' = 'parquet')
                 AS SELECT * FROM {view};"
            ));
        }
        let file = place.path().join(name).with_extension("sql");
        fs::write(&file, text).unwrap();
        run(place.path(), &file);
        compare(&[Path::new("tables"), place.path(), &oracles]);
    }
}

/// All queries of `dataflows/nexmark` that have an oracle, as one program over the same sources, what those made and what the
/// queries answer written to files of this format.
fn nexmark(events: usize, format: &str) -> String {
    let sink = |path: &str| format!("'connector' = 'filesystem', 'path' = '{path}.{format}', 'format' = '{format}'");
    let mut program = String::new();
    for table in ["person", "auction", "bid"] {
        let input = sink(&format!("input/{table}"));
        let (arrival, rate) = match table {
            "bid" => ("p_time AS PROCTIME(), ", ", 'arrival.rate' = '10000'"),
            _ => ("", ""),
        };
        program.push_str(&format!(
            "CREATE TABLE {table} ({arrival}WATERMARK FOR `dateTime` AS `dateTime` - INTERVAL '4' SECOND) WITH (
               'connector' = 'nexmark', 'table' = '{table}', 'events.num' = '{events}', 'out-of-order.group-size' = '100'{rate});
             CREATE SINK {table}s WITH ({input}) AS SELECT * FROM {table};\n"
        ));
    }
    let oracles = root().join("tests/duckdb/nexmark");
    for oracle in fs::read_dir(&oracles).unwrap().map(|entry| entry.unwrap().path()) {
        let name = oracle.file_stem().unwrap().to_str().unwrap().to_owned();
        let query = fs::read_to_string(root().join("dataflows/nexmark").join(format!("{name}.sql"))).unwrap();
        let own = query.find("CREATE TABLE side_input").or_else(|| query.find("CREATE SINK"));
        let query = &query[own.unwrap()..];
        let files = format!("'connector' = 'filesystem', 'path' = 'out/{name}.csv', 'format' = 'csv'");
        let query = query.replace(&files, "'connector' = 'blackhole'");
        // Ties of q18 go by the row's place in its source, which a file of bids does not tell.
        let query = query.replace("auction ORDER BY `dateTime` DESC", "auction ORDER BY `dateTime` DESC, extra");
        program.push_str(&query.replace("'connector' = 'blackhole'", &sink(&format!("out/{name}"))));
    }
    program
}

#[test]
fn nexmark_is_duckdbs() {
    if !has_duckdb() {
        return;
    }
    let place = place();
    let file = place.path().join("nexmark.sql");
    fs::write(&file, nexmark(events(200_000), "parquet")).unwrap();
    run(place.path(), &file);
    compare(&[Path::new("tables"), place.path(), &root().join("tests/duckdb/nexmark")]);
}

/// The same bytes at one, two and three workers and as two processes.
#[test]
fn nexmark_is_the_same_however_it_is_run() {
    let program = nexmark(events(20_000), "json");
    let answers = |processes: usize, workers: usize| {
        let place = place();
        let file = place.path().join("nexmark.sql");
        fs::write(&file, &program).unwrap();
        run_as(place.path(), &file, processes, workers);
        place
    };
    let one = answers(1, 1);
    let mut names: Vec<_> =
        fs::read_dir(one.path().join("out")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert!(names.len() > 20, "{names:?}");
    for (processes, workers) in [(1, 2), (1, 3), (2, 1)] {
        let other = answers(processes, workers);
        for name in &names {
            let bytes = |place: &tempfile::TempDir| fs::read(place.path().join("out").join(name)).unwrap();
            let same = bytes(&one) == bytes(&other);
            assert!(same, "{name:?} differs at {processes} process(es) of {workers} worker(s)");
        }
    }
}
