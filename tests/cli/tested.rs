//! `highwater test`: the programs in `dataflows/`, what is said of tests that fail, and how expectations are written.

use std::fs;
use std::path::Path;

use super::{folder, run};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn every_program_in_dataflows_has_tests_and_passes_them() {
    for folder in ["dataflows", "dataflows/nexmark"] {
        let (code, out, err) = run(root(), &["test", folder]);
        assert_eq!(code, Some(0), "{out}{err}");
        let programs: Vec<_> = fs::read_dir(root().join(folder))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.ends_with(".sql"))
            .collect();
        assert!(programs.len() >= 14, "the programs of {folder} are where they should be: {programs:?}");
        for name in programs {
            assert!(out.contains(&format!("ok      {folder}/{name}:")), "{folder}/{name} has no test\n{out}");
        }
    }
}

#[test]
fn what_fails_is_told_with_its_line_and_what_is_there() {
    let folder = root().join("tests/cli/tested");
    let (code, out, err) = run(&folder, &["test", "failing.sql"]);
    assert_eq!((code, err.as_str()), (Some(1), ""), "{out}");
    let known = folder.join("failing.txt");
    if std::env::var_os("HIGHWATER_BLESS").is_some() {
        fs::write(&known, &out).unwrap();
    }
    assert_eq!(fs::read_to_string(&known).unwrap(), out, "HIGHWATER_BLESS=1 writes it anew");
}

#[test]
fn the_program_of_the_document_passes_and_fails_as_it_is_shown() {
    let document = fs::read_to_string(root().join("docs/testing.md")).unwrap();
    let block = |mark: &str| {
        let (_, after) = document.split_once(&format!("```{mark}\n")).unwrap();
        after.split_once("```").unwrap().0.to_owned()
    };
    let folder = folder("");
    let path = folder.path().join("clicks.sql");
    fs::write(&path, block("sql")).unwrap();
    let (code, out, err) = run(folder.path(), &["test", "clicks.sql"]);
    assert_eq!(code, Some(0), "{out}{err}");
    let wrong = block("sql").replacen("| 2     | 2\n", "| 2     | 1\n", 1);
    fs::write(&path, wrong).unwrap();
    let (code, out, _) = run(folder.path(), &["test", "clicks.sql"]);
    assert_eq!((code, out), (Some(1), block("text") + "1 test: 0 passed, 1 failed\n"));
}

const TESTED: &str = "CREATE SOURCE t (k VARCHAR, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH ('connector' = 'http');
CREATE MATERIALIZED VIEW v AS SELECT k FROM t;
-- test: rows are shown
-- input t
--   k | ts
--   a | 2026-01-01 12:00:00
-- expect v
";

#[test]
fn expectations_are_written_in_place_and_pass_then() {
    let folder = folder(TESTED);
    let path = folder.path().join("p.sql");
    let (code, out, _) = run(folder.path(), &["test", "p.sql"]);
    assert!(code == Some(1) && out.contains("1 failed"), "{out}");
    assert_eq!(fs::read_to_string(&path).unwrap(), TESTED);
    let (code, out, _) = run(folder.path(), &["test", "--update", "p.sql"]);
    assert!(code == Some(0) && out.contains("written p.sql"), "{out}");
    assert_eq!(fs::read_to_string(&path).unwrap(), format!("{TESTED}--   k\n--   a\n"));
    let (code, out, _) = run(folder.path(), &["test", "-w", "1,2", "."]);
    assert!(code == Some(0) && out.contains("1 test: all passed"), "{out}");
    // The file is a program like any other.
    let (code, _, err) = run(folder.path(), &["check", "p.sql"]);
    assert_eq!(code, Some(0), "{err}");
}

#[test]
fn what_cannot_be_tested_is_refused_with_code_2() {
    let folder = folder(TESTED);
    let write = |text: &str| fs::write(folder.path().join("p.sql"), text).unwrap();
    let refused = |args: &[&str], what: &str| {
        let (code, out, err) = run(folder.path(), args);
        assert!(code == Some(2) && err.contains(what), "{args:?}: {code:?} {out}{err}");
    };
    refused(&["test"], "FILE|FOLDER");
    refused(&["test", "none.sql"], "none.sql");
    refused(&["test", "-w", "0", "p.sql"], "at least 1 worker");
    write("SELECT 1;\n");
    refused(&["test", "p.sql"], "p.sql has no test: begin one with a line '-- test: NAME'");
    refused(&["test", "."], "has no test");
    write(&TESTED.replace("expect v", "expects v"));
    refused(&["test", "p.sql"], "p.sql:7: 'expects v' is no step");
    write(&TESTED.replace("SELECT k", "SELECT j"));
    refused(&["test", "p.sql"], "p.sql:2:");
}
