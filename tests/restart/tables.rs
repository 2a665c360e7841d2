//! Reference tables, and sources that are read by the process itself.

use std::fs;

use serde_json::Value;

use super::process::*;

/// A table that rows meet as it was when they arrived, and one whose rows come from a file.
const TABLES: &str = "
CREATE SOURCE clicks (k BIGINT, v BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts)
  WITH ('connector' = 'http', 'format' = 'json', 'lateness' = 'unbounded');
CREATE TABLE limits (k BIGINT PRIMARY KEY, most BIGINT);
CREATE TABLE names (k BIGINT PRIMARY KEY, name VARCHAR) WITH ('path' = 'names.csv', 'format' = 'csv');
CREATE MATERIALIZED VIEW judged AS
  SELECT c.k, c.v, l.most FROM clicks c LEFT JOIN limits FOR SYSTEM_TIME AS OF c.ts AS l ON c.k = l.k;
CREATE MATERIALIZED VIEW named AS SELECT n.name, COUNT(*) AS n FROM clicks c JOIN names n ON c.k = n.k GROUP BY n.name;
";

#[test]
fn d6_tables_are_as_they_were_and_rows_meet_what_they_met() {
    let folder = folder(TABLES);
    fs::write(folder.path().join("names.csv"), "k,name\n0,zero\n1,one\n").unwrap();
    let mut process = Process::start(folder.path(), &["-w", "2"]);
    let click = |process: &Process, n: i64| {
        let body = format!("{{\"k\":{},\"v\":{n},\"ts\":{}}}", n % 3, n * 10);
        assert_eq!(process.post("/api/v1/sources/clicks/events?ack=visible", &body)["ack"], "visible");
    };
    let change = |process: &Process, method: &str, table: &str, body: &str| {
        let (status, answer) = process.ask(method, &format!("/api/v1/tables/{table}/rows"), body);
        assert_eq!(status, 200, "{answer}");
    };
    for round in 0..4_i64 {
        for n in 0..6 {
            click(&process, round * 100 + n);
            change(&process, "POST", "limits", &format!("{{\"k\":{},\"most\":{}}}", n % 3, round * 10 + n));
        }
        match round {
            0 => change(&process, "DELETE", "names", "{\"k\":1}"),
            1 => change(&process, "PATCH", "names", "{\"k\":0,\"name\":\"nought\"}"),
            2 => change(&process, "PUT", "names", "[{\"k\":2,\"name\":\"two\"}]"),
            _ => {}
        }
        let seen = |process: &Process| -> Vec<Vec<String>> {
            let table = |name: &str| process.json(&format!("/api/v1/tables/{name}/rows"))["rows"].to_string();
            let mut all = vec![process.rows("judged"), process.rows("named")];
            all.push(vec![table("limits"), table("names")]);
            all
        };
        let before = seen(&process);
        process.kill();
        // Its file is read at the first start only.
        fs::write(folder.path().join("names.csv"), "k,name\n0,other\n5,more\n").unwrap();
        process = Process::start(folder.path(), &["-w", ["1", "3"][round as usize % 2]]);
        assert_eq!(seen(&process), before, "round {round}");
    }
    assert!(process.rows("judged").iter().any(|row| row.contains("\"most\":null")));
}

/// What reads a table follows all streams, also those that it does not read: one that is behind is no reason to wait at a start.
#[test]
fn d6_a_view_with_a_table_is_as_far_as_the_stream_that_is_behind() {
    let program = "
CREATE SOURCE ahead (k BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH ('connector' = 'http', 'format' = 'json');
CREATE SOURCE late (k BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH ('connector' = 'http', 'format' = 'json');
CREATE TABLE names (k BIGINT PRIMARY KEY, name VARCHAR);
CREATE MATERIALIZED VIEW named AS SELECT n.name, COUNT(*) AS n FROM ahead a JOIN names n ON a.k = n.k GROUP BY n.name;
CREATE MATERIALIZED VIEW others AS SELECT COUNT(*) AS n FROM late;
";
    let folder = folder(program);
    let mut process = Process::start(folder.path(), &["-w", "2"]);
    let push = |process: &Process, source: &str, ts: i64| {
        let body = format!("{{\"k\":1,\"ts\":{ts}}}");
        process.post(&format!("/api/v1/sources/{source}/events?ack=durable"), &body);
    };
    for round in 0..3 {
        push(&process, "late", 1_000 + round);
        push(&process, "ahead", 1_000_000 + round);
        let name = format!("{{\"k\":1,\"name\":\"n{round}\"}}");
        let (status, answer) = process.ask("POST", "/api/v1/tables/names/rows", &name);
        assert_eq!(status, 200, "{answer}");
        process.kill();
        process = Process::start(folder.path(), &["-w", ["1", "3"][round as usize % 2]]);
    }
    push(&process, "late", 2_000_000);
    push(&process, "ahead", 2_000_000);
    eventually("all four rows are counted by the last name", || {
        let rows = process.rows("named");
        rows.len() == 1 && rows[0].contains("n2") && rows[0].contains("\"n\":4")
    });
}

/// Generators with a pace, and a folder that is watched, go on behind the row that was taken last.
#[test]
fn d3_what_the_process_reads_itself_goes_on_where_it_was() {
    goes_on_where_it_was("");
}

#[test]
fn d3_what_the_process_reads_itself_goes_on_from_snapshots() {
    goes_on_where_it_was(
        "SET 'snapshot.interval' = '100 ms'; SET 'log.segment' = '64 KiB'; SET 'log.retention' = 'recovery';",
    );
}

fn goes_on_where_it_was(settings: &str) {
    let program = "
CREATE SOURCE made (n BIGINT, at TIMESTAMP(3), WATERMARK FOR at AS at)
  WITH ('connector' = 'datagen', 'rows-per-second' = '300', 'fields.n.kind' = 'sequence');
CREATE SOURCE files (id BIGINT, note VARCHAR, ts TIMESTAMP(3))
  WITH ('connector' = 'filesystem', 'path' = 'in/', 'format' = 'json', 'source.monitor-interval' = '20 ms');
CREATE MATERIALIZED VIEW made_rows AS SELECT n, COUNT(*) AS times FROM made GROUP BY n;
CREATE MATERIALIZED VIEW read_rows AS SELECT id, COUNT(*) AS times FROM files GROUP BY id;
";
    let folder = folder(&format!("{settings}{program}"));
    fs::create_dir(folder.path().join("in")).unwrap();
    let file = |number: i64| {
        let rows: String = (0..50).map(|n| format!("{{\"id\":{},\"note\":\"x\"}}\n", number * 50 + n)).collect();
        let hidden = folder.path().join("in/.new");
        fs::write(&hidden, rows + "{\"id\":\"wrong\"}\n").unwrap();
        fs::rename(hidden, folder.path().join(format!("in/{number:03}.json"))).unwrap();
    };
    let mut process = Process::start(folder.path(), &["-w", "2"]);
    for round in 0..4 {
        file(round * 2);
        eventually("the file is read", || process.rows("read_rows").len() as i64 >= round * 100 + 50);
        let known: Vec<String> = process.rows("made_rows");
        let is_snapshot = |name: std::ffi::OsString| name.to_string_lossy().starts_with("snapshot-");
        let saved =
            || fs::read_dir(folder.path().join("data")).unwrap().any(|file| is_snapshot(file.unwrap().file_name()));
        eventually("a snapshot is there", || settings.is_empty() || saved());
        process.kill();
        // One comes while nobody looks.
        file(round * 2 + 1);
        process = Process::start(folder.path(), &["-w", ["1", "3"][round as usize % 2]]);
        if !settings.is_empty() {
            process.has_said("goes on from the snapshot");
        }
        eventually("both are read", || process.rows("read_rows").len() as i64 == round * 100 + 100);
        let now = process.rows("made_rows");
        for row in &known {
            assert!(now.iter().any(|again| number(again) == number(row)), "{row} is gone");
        }
    }
    for view in ["made_rows", "read_rows"] {
        let rows = process.rows(view);
        assert!(
            rows.iter().all(|row| row.contains("\"times\":1,") || row.contains("\"times\":1}")),
            "{view}: {rows:?}"
        );
    }
    let mut numbers: Vec<i64> = process.rows("made_rows").iter().map(|row| number(row)).collect();
    numbers.sort_unstable();
    let first = numbers[0];
    assert_eq!(numbers, (first..first + numbers.len() as i64).collect::<Vec<_>>(), "none is missing");
    let letters = process.json("/api/v1/sources/files")["rows"].clone();
    assert_eq!(letters["rejected"].as_i64().or(letters["undecoded"].as_i64()), Some(8), "{letters}");
}

fn number(row: &str) -> i64 {
    let row: Value = serde_json::from_str(row).unwrap();
    row["n"].as_i64().unwrap()
}
