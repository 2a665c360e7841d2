//! Results against an independent engine: DuckDB's batch answers on the same input, by `tests/duckdb/compare.py`.
//!
//! Needs `python3` with the package `duckdb`. Without it the tests say so and pass, unless `CI` is set: then they fail.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn has_duckdb() -> bool {
    let found = Command::new("python3").args(["-c", "import duckdb"]).output();
    if found.is_ok_and(|output| output.status.success()) {
        return true;
    }
    assert!(std::env::var_os("CI").is_none(), "python3 has no duckdb: pip install duckdb");
    eprintln!("skipped: python3 has no duckdb, so nothing is compared (pip install duckdb)");
    false
}

fn compare(args: &[&Path]) {
    let mut command = Command::new("python3");
    let output = command.arg(root().join("tests/duckdb/compare.py")).args(args).output().unwrap();
    let (said, failed) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "\n{said}{failed}");
    println!("{said}");
}

fn run(folder: &Path, file: &Path) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_highwater"));
    command.current_dir(folder).env("RUST_LOG", "off").arg("run").arg(file);
    let output = command.args(["--exit-at-end", "--no-serve", "-w", "2"]).output().unwrap();
    assert!(output.status.success(), "{}: {}", file.display(), String::from_utf8_lossy(&output.stderr));
}

#[test]
fn goldens_are_duckdbs() {
    if has_duckdb() {
        compare(&[Path::new("goldens"), &root().join("tests/golden")]);
    }
}

#[test]
fn shipped_dataflows_are_duckdbs() {
    if !has_duckdb() {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    fs::create_dir_all(place.path().join("dataflows/data")).unwrap();
    fs::create_dir_all(place.path().join("out")).unwrap();
    for file in fs::read_dir(root().join("dataflows/data")).unwrap().map(|entry| entry.unwrap()) {
        fs::copy(file.path(), place.path().join("dataflows/data").join(file.file_name())).unwrap();
    }
    for name in ["clicks", "sessions", "late", "cube", "trending", "top", "spikes", "reach"] {
        run(place.path(), &root().join("dataflows").join(name).with_extension("sql"));
    }
    compare(&[Path::new("results"), place.path(), &root().join("tests/duckdb/dataflows")]);
}

/// All queries of `dataflows/nexmark` that have an oracle, in one program over the same sources, with what those made
/// in files beside them.
#[test]
fn nexmark_is_duckdbs() {
    if !has_duckdb() {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    for folder in ["input", "out"] {
        fs::create_dir_all(place.path().join(folder)).unwrap();
    }
    let side = "dataflows/nexmark/data/side_input.csv";
    fs::create_dir_all(place.path().join(side).parent().unwrap()).unwrap();
    fs::copy(root().join(side), place.path().join(side)).unwrap();
    let events = if cfg!(debug_assertions) { 200_000 } else { 1_000_000 };
    let sink = |path: &str| format!("'connector' = 'filesystem', 'path' = '{path}.parquet', 'format' = 'parquet'");
    let mut program = String::new();
    for table in ["person", "auction", "bid"] {
        let input = sink(&format!("input/{table}"));
        program.push_str(&format!(
            "CREATE TABLE {table} (WATERMARK FOR `dateTime` AS `dateTime` - INTERVAL '4' SECOND) WITH (
               'connector' = 'nexmark', 'table' = '{table}', 'events.num' = '{events}', 'out-of-order.group-size' = '100');
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
    let file = place.path().join("nexmark.sql");
    fs::write(&file, program).unwrap();
    run(place.path(), &file);
    compare(&[Path::new("tables"), place.path(), &oracles]);
}
