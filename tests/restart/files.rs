//! Sources with an end: they are read again, and nobody sees anything older than before; another input is refused.

use std::fs;

use super::process::*;

const PROGRAM: &str = "
CREATE SOURCE past (k BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts)
  WITH ('connector' = 'filesystem', 'path' = 'in/', 'format' = 'csv');
CREATE SOURCE live (k BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts)
  WITH ('connector' = 'http', 'format' = 'json', 'idle-timeout' = '50 ms');
CREATE MATERIALIZED VIEW all_rows AS SELECT COUNT(*) AS n, MAX(k) AS last FROM (SELECT k FROM past UNION ALL SELECT k FROM live);
";

fn write(folder: &std::path::Path, name: &str, rows: std::ops::Range<u64>) {
    let text: String = rows.map(|n| format!("{n},{}\n", n * 10)).collect();
    fs::write(folder.join("in").join(name), format!("k,ts\n{text}")).unwrap();
}

#[test]
fn d2_d14_files_are_read_again_and_others_are_refused() {
    let folder = folder(PROGRAM);
    fs::create_dir(folder.path().join("in")).unwrap();
    write(folder.path(), "a.csv", 0..30_000);
    write(folder.path(), "b.csv", 30_000..60_000);
    let mut process = Process::start(folder.path(), &["-w", "2"]);
    let count = |process: &Process| process.json("/api/v1/views/all_rows/rows")["rows"][0]["n"].as_u64().unwrap_or(0);
    eventually("files are read", || count(&process) == 60_000);
    for round in 0..3 {
        let body: String =
            (0..10).map(|n| format!("{{\"k\":{},\"ts\":{}}}\n", 70_000 + round * 10 + n, 10_000_000)).collect();
        assert_eq!(process.post("/api/v1/sources/live/events?ack=visible", &body)["ack"], "visible");
        process.kill();
        process = Process::start(folder.path(), &["-w", "1"]);
        // At once: what was seen is there when it is ready.
        assert_eq!(count(&process), 60_000 + (round + 1) * 10, "round {round}");
    }
    process.kill();
    let refused = || {
        let mut process = Process::spawn(folder.path(), &[]);
        assert_ne!(process.ends().code(), Some(0));
        process.said.join("\n")
    };
    write(folder.path(), "c.csv", 0..1);
    assert!(refused().contains("'c.csv' was not there before"), "{}", refused());
    fs::remove_file(folder.path().join("in/c.csv")).unwrap();
    let before = fs::read(folder.path().join("in/b.csv")).unwrap();
    write(folder.path(), "b.csv", 30_000..60_001);
    assert!(refused().contains("'b.csv' is another input now"), "{}", refused());
    fs::remove_file(folder.path().join("in/b.csv")).unwrap();
    assert!(refused().contains("'b.csv' is not there any more"), "{}", refused());
    fs::write(folder.path().join("in/b.csv"), before).unwrap();
    // The same bytes, written later: it cannot be told that they are.
    assert!(refused().contains("'b.csv' is another input now"), "{}", refused());
}
