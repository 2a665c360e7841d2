//! `run --dead-letters FILE` over files: each letter shows the row as it came, whatever the program reads of it and however the
//! file is cut and decoded.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use super::run;

/// Counts rows by a file's event time: of its columns only that one is read.
fn counting(file: &str, options: &str) -> String {
    format!(
        "CREATE SOURCE t (k VARCHAR, more VARCHAR, ts TIMESTAMP(3), WATERMARK FOR ts AS ts)
         WITH ('connector' = 'filesystem', 'path' = '{file}'{options});
         CREATE SINK out WITH ('connector' = 'blackhole') AS
         SELECT window_end, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '10' SECOND))
         GROUP BY window_start, window_end;"
    )
}

/// Positions, reasons and contents of the letters of a run.
fn letters(folder: &Path, program: &str) -> Vec<(String, String, String)> {
    fs::write(folder.join("p.sql"), program).unwrap();
    let (code, _, err) = run(folder, &["run", "p.sql", "--exit-at-end", "--no-serve", "--dead-letters", "dead.ndjson"]);
    assert_eq!(code, Some(0), "{err}");
    let text = fs::read_to_string(folder.join("dead.ndjson")).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    lines
        .map(|line| {
            let text = |name: &str| line[name].as_str().unwrap().to_owned();
            (text("position"), text("reason"), text("content"))
        })
        .collect()
}

#[test]
fn letters_show_rows_as_they_came_however_a_file_is_cut() {
    let folder = tempfile::tempdir().unwrap();
    let (mut json, mut csv) = (String::new(), "k,extra,more,ts\n".to_owned());
    let (mut of_json, mut of_csv, mut line) = (Vec::new(), Vec::new(), 2);
    for n in 0..3_000_i64 {
        let (time, reason) = match n % 5 {
            3 => (String::new(), "no_event_time"),
            4 => ((n - 1_000_000).to_string(), "late"),
            _ => (n.to_string(), ""),
        };
        let ts = if time.is_empty() { "null" } else { &time };
        let object = format!("{{\"k\":\"{n}\",\"extra\":{{\"é\":[{n}]}},\"ts\": {ts}}}");
        let record = format!("{n},\"ä\n{n}\",\"\",{time}");
        if !reason.is_empty() {
            of_json.push((format!("in.ndjson:{}", n + 1), reason.to_owned(), object.clone()));
            of_csv.push((format!("in.csv:{line}"), reason.to_owned(), record.clone()));
        }
        line += 2;
        let _ = (writeln!(json, "{object}"), write!(csv, "{record}\r\n"));
    }
    fs::write(folder.path().join("in.ndjson"), json).unwrap();
    fs::write(folder.path().join("in.csv"), csv).unwrap();
    for options in ["", ", 'decode-bytes' = '100', 'decode-threads' = '3'"] {
        assert_eq!(letters(folder.path(), &counting("in.ndjson", options)), of_json, "{options}");
        assert_eq!(letters(folder.path(), &counting("in.csv", options)), of_csv, "{options}");
    }
}

#[test]
fn letters_of_files_of_columns_show_their_columns() {
    let folder = tempfile::tempdir().unwrap();
    let rows = "{\"k\":\"a\",\"more\":\"x\",\"ts\":100000}\n{\"k\":\"b\",\"more\":\"y\",\"ts\":1000}\n";
    fs::write(folder.path().join("in.ndjson"), rows).unwrap();
    for (format, whole) in [("arrow", true), ("parquet", false), ("msgpack", true)] {
        let file = format!("in.{format}");
        let write = format!(
            "CREATE SOURCE t (k VARCHAR, more VARCHAR, ts TIMESTAMP(3)) WITH ('connector' = 'filesystem', 'path' = 'in.ndjson');
             CREATE SINK out WITH ('connector' = 'filesystem', 'path' = '{file}') AS SELECT * FROM t;"
        );
        assert_eq!(letters(folder.path(), &write), []);
        let mut found = letters(folder.path(), &counting(&file, ""));
        found.iter_mut().for_each(|letter| letter.2 = letter.2.replace(".000Z", "Z"));
        let ts = "\"ts\":\"1970-01-01T00:00:01Z\"";
        let content = if whole { format!("{{\"k\":\"b\",\"more\":\"y\",{ts}}}") } else { format!("{{{ts}}}") };
        assert_eq!(found, [(format!("{file}:2"), "late".to_owned(), content)], "{format}");
    }
}

/// A computed column that fails shows what came, not what was read of it.
#[test]
fn a_row_on_which_a_computed_column_fails_is_shown_as_it_came() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("in.csv"), "a,d,more\n1,2,x\n1,0,\"y\"\"\"\n").unwrap();
    let program = "CREATE SOURCE t (a INT, d INT, q AS a / d) WITH ('connector' = 'filesystem', 'path' = 'in.csv');
        CREATE SINK out WITH ('connector' = 'blackhole') AS SELECT q FROM t;";
    let expected = ("in.csv:3".to_owned(), "evaluation".to_owned(), "1,0,\"y\"\"\"".to_owned());
    assert_eq!(letters(folder.path(), program), [expected]);
}

#[test]
fn a_folder_whose_name_would_be_too_long_costs_its_row_alone() {
    let folder = tempfile::tempdir().unwrap();
    let program = "CREATE SOURCE r (k VARCHAR, v BIGINT) WITH ('connector' = 'filesystem', 'path' = 'r.ndjson');
        CREATE SINK made PARTITIONED BY (k) WITH ('connector' = 'filesystem', 'path' = 'made/', 'format' = 'json') AS
        SELECT k, v FROM r;
        CREATE TABLE told (k VARCHAR, v BIGINT) PARTITIONED BY (k)
        WITH ('connector' = 'filesystem', 'path' = 'told/', 'format' = 'json');
        INSERT INTO told SELECT k, v FROM r;";
    let keys = ["a".to_owned(), "x".repeat(253), "x".repeat(254), "ö".repeat(300), "b".to_owned()];
    let line = |(v, k): (usize, &String)| format!("{{\"k\":\"{k}\",\"v\":{v}}}\n");
    fs::write(folder.path().join("r.ndjson"), keys.iter().enumerate().map(line).collect::<String>()).unwrap();
    let letters = letters(folder.path(), program);
    let reasons: Vec<&str> = letters.iter().map(|(_, reason, _)| reason.as_str()).collect();
    assert_eq!(reasons, ["evaluation"; 4], "two rows of each sink: {letters:?}");
    for sink in ["made", "told"] {
        let mut folders: Vec<String> = fs::read_dir(folder.path().join(sink))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        folders.sort();
        assert_eq!(folders, ["k=a".to_owned(), "k=b".to_owned(), format!("k={}", "x".repeat(253))], "{sink}");
    }
}
