//! What is told of a data directory: when it is synced, how much it holds, how a start goes on from it.

use std::fs;
use std::process::Command;

use super::process::*;

const PROGRAM: &str = "
CREATE SOURCE clicks (page VARCHAR, ms BIGINT) WITH ('connector' = 'http', 'format' = 'json');
CREATE MATERIALIZED VIEW totals AS SELECT page, COUNT(*) AS n FROM clicks GROUP BY page;
";
const EVENTS: &str = "/api/v1/sources/clicks/events";
const ROW: &str = "{\"page\":\"a\",\"ms\":1}";

/// The value of a metric without labels, or with these.
fn metric(process: &Process, name: &str) -> f64 {
    let (status, text) = process.ask("GET", "/metrics", "");
    assert_eq!(status, 200);
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("there is no {name}:\n{text}")).parse().unwrap()
}

/// D1: whatever 'log.sync' says, rows that were answered survive the end of the process.
#[test]
fn d1_rows_survive_a_kill_however_the_log_is_synced() {
    for sync in ["commit", "5 ms", "os"] {
        let folder = folder(&format!("SET 'log.sync' = '{sync}';\n{PROGRAM}"));
        for round in 1..=3_u64 {
            let mut process = Process::start(folder.path(), &["-w", "1"]);
            let said = match round {
                1 => "what comes is kept in 'data'".to_owned(),
                round => format!("went on from 'data': {} row{} in ", round - 1, if round == 2 { "" } else { "s" }),
            };
            process.has_said(&said);
            let answer = process.post(EVENTS, ROW);
            assert_eq!((&answer["accepted"], &answer["ack"]), (&1.into(), &"durable".into()), "{answer}");
            process.complete(&answer["token"]);
            let log = process.json("/api/v1/stats")["log"].take();
            assert_eq!(
                (&log["sync"], &log["segments"], &log["disk_full"]),
                (&sync.into(), &1.into(), &false.into()),
                "{log}"
            );
            // A segment and the next.
            assert!(log["disk_bytes"].as_u64().unwrap() >= 128 << 20, "{log}");
            assert_eq!(metric(&process, "highwater_recovery_rows"), (round - 1) as f64);
            process.kill();
        }
        // Another setting is no other program.
        fs::write(folder.path().join("p.sql"), PROGRAM).unwrap();
        let process = Process::start(folder.path(), &[]);
        assert!(process.shows("totals", "\"n\":3"), "{sync}: {:?}", process.rows("totals"));
    }
}

#[test]
fn metrics_tell_of_the_log() {
    let folder = folder(PROGRAM);
    let process = Process::start(folder.path(), &["-w", "1"]);
    for _ in 0..5 {
        process.post(EVENTS, ROW);
    }
    assert_eq!(metric(&process, "highwater_log_frames_total{kind=\"rows\"}"), 5.0);
    assert_eq!(metric(&process, "highwater_log_frames_total{kind=\"start\"}"), 1.0);
    assert!(metric(&process, "highwater_log_bytes_total") > 5.0 * 64.0);
    // Each was waited for.
    assert!(metric(&process, "highwater_log_sync_seconds_count") >= 5.0);
    assert_eq!(metric(&process, "highwater_log_segments"), 1.0);
    assert_eq!(metric(&process, "highwater_log_disk_full"), 0.0);
    assert_eq!(metric(&process, "highwater_recovery_progress"), 1.0);
    eventually("all is durable", || metric(&process, "highwater_log_waiting_frames") == 0.0);
    assert_eq!(metric(&process, "highwater_log_waiting_bytes"), 0.0);
}

#[test]
fn a_setting_of_the_log_without_one_is_told_once() {
    let program = "SET 'log.sync' = 'os';
        CREATE SOURCE t (k BIGINT) WITH ('connector' = 'filesystem', 'path' = 'in.ndjson', 'format' = 'json');
        CREATE MATERIALIZED VIEW v AS SELECT COUNT(*) AS n FROM t;";
    let folder = folder(program);
    fs::write(folder.path().join("in.ndjson"), "{\"k\":1}\n").unwrap();
    let run = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_highwater"));
        command.current_dir(folder.path()).args(args).env_remove("RUST_LOG").env("NO_COLOR", "1");
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, said) = run(&["run", "p.sql", "--no-serve", "--exit-at-end"]);
    assert_eq!((code, said.matches("SET 'log.sync' does nothing without --data-dir").count()), (Some(0), 1), "{said}");
    let (code, said) = run(&["run", "p.sql", "--no-serve", "--exit-at-end", "--data-dir", "data"]);
    assert_eq!((code, said.matches("does nothing").count()), (Some(0), 0), "{said}");
    let (code, said) = run(&["run", "p.sql", "--no-serve", "--exit-at-end", "--data-dir", "data"]);
    assert!(code == Some(0) && said.contains("went on from 'data' in "), "{said}");
    fs::write(folder.path().join("p.sql"), program.replace("'os'", "'fsync'")).unwrap();
    let (code, said) = run(&["check", "p.sql"]);
    assert_eq!(code, Some(2));
    assert!(
        said.contains("p.sql:1:18")
            && said.contains("'fsync' is no time to sync the log at")
            && said.contains("'1 ms' to '10 s'"),
        "{said}"
    );
}
