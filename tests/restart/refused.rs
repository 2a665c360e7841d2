//! Data directories that are refused, and why.

use std::fs;

use super::process::*;

const PROGRAM: &str = "
CREATE SOURCE clicks (page VARCHAR, ms BIGINT) WITH ('connector' = 'http', 'format' = 'json');
CREATE MATERIALIZED VIEW totals AS SELECT page, COUNT(*) AS n FROM clicks GROUP BY page;
";

fn refused(folder: &std::path::Path, args: &[&str]) -> String {
    let mut process = Process::spawn(folder, args);
    assert_ne!(process.ends().code(), Some(0), "it ran");
    process.said.join("\n")
}

#[test]
fn d12_d13_another_process_and_another_program_are_refused() {
    let folder = folder(PROGRAM);
    let process = Process::start(folder.path(), &[]);
    process.post("/api/v1/sources/clicks/events", "{\"page\":\"a\",\"ms\":1}");
    let said = refused(folder.path(), &[]);
    assert!(said.contains("is in use by highwater (process "), "{said}");
    process.kill();
    fs::write(folder.path().join("p.sql"), PROGRAM.replace("GROUP BY page", "WHERE ms > 0 GROUP BY page")).unwrap();
    let said = refused(folder.path(), &[]);
    assert!(
        said.contains("it was written by another program: ") && said.contains("name another directory with --data-dir"),
        "{said}"
    );
    fs::write(folder.path().join("p.sql"), PROGRAM).unwrap();
    let process = Process::start(folder.path(), &[]);
    eventually("what was acknowledged shows", || process.rows("totals").len() == 1);
}

/// D13: what another program kept is put aside when that is asked for, and never lost.
#[test]
fn d13_a_changed_program_begins_anew_beside_what_was_kept() {
    let folder = folder(PROGRAM);
    let sent = |process: &Process, count: usize| {
        (0..count).for_each(|_| {
            process.post("/api/v1/sources/clicks/events", "{\"page\":\"a\",\"ms\":1}");
        });
    };
    let fresh = ["--on-change", "fresh"];
    // Nothing is put aside while it is the same program.
    for _ in 0..2 {
        let process = Process::start(folder.path(), &fresh);
        sent(&process, 2);
        process.kill();
    }
    let process = Process::start(folder.path(), &fresh);
    eventually("all is there", || process.shows("totals", "\"n\":4"));
    let token = process.post("/api/v1/sources/clicks/events", "{\"page\":\"a\",\"ms\":1}")["token"].take();
    process.kill();
    let changed = PROGRAM.replace("totals", "sums").replace("COUNT(*)", "SUM(ms)");
    fs::write(folder.path().join("p.sql"), &changed).unwrap();
    let said = refused(folder.path(), &[]);
    assert!(said.contains("with --on-change rebuild or fresh"), "{said}");
    for round in 0..2 {
        let mut process = Process::start(folder.path(), &fresh);
        if round == 0 {
            process.has_said("what it held is in 'data/before-1'");
        }
        assert!(!folder.path().join("data/before-2").exists());
        eventually("what is this program's shows", || process.rows("sums").len() == round);
        // A token of before is of another log.
        assert_eq!(process.ask("GET", &format!("/api/v1/completion/{}", token.as_str().unwrap()), "").0, 404);
        let token = process.post("/api/v1/sources/clicks/events", "{\"page\":\"b\",\"ms\":7}")["token"].take();
        process.complete(&token);
        process.kill();
    }
    // What was put aside is a data directory, also when it has been moved.
    fs::rename(folder.path().join("data"), folder.path().join("changed")).unwrap();
    fs::rename(folder.path().join("changed/before-1"), folder.path().join("data")).unwrap();
    fs::write(folder.path().join("p.sql"), PROGRAM).unwrap();
    let process = Process::start(folder.path(), &[]);
    eventually("all of before is there", || process.shows("totals", "\"n\":5"));
}

#[test]
fn what_cannot_be_kept_is_said_before_anything_runs() {
    let folder = folder(PROGRAM);
    assert!(refused(folder.path(), &["--drain"]).contains("--drain"));
    assert!(!folder.path().join("data").exists());
}

/// D9: damage is refused with file and offset.
#[test]
fn d9_a_damaged_directory_is_refused() {
    let folder = folder(PROGRAM);
    let process = Process::start(folder.path(), &[]);
    for n in 0..50 {
        process.post("/api/v1/sources/clicks/events", &format!("{{\"page\":\"p{n}\",\"ms\":1}}"));
    }
    assert_eq!(process.stop().code(), Some(0));
    let file = folder.path().join("data/00000000000000000000.log");
    let mut bytes = fs::read(&file).unwrap();
    bytes[4096 + 60] ^= 1;
    fs::write(&file, &bytes).unwrap();
    let said = refused(folder.path(), &[]);
    assert!(said.contains("the log is damaged") && said.contains("at byte 4096"), "{said}");
}
