//! What sinks write over restarts: the bytes of a run of the same log that was never stopped (D5), and no file ever shrinks.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::process::*;

/// Files of every format of rows, of rows that are only added and of ones that are taken back; a folder, and a file of Parquet.
pub(crate) fn program() -> String {
    let mut program = "
CREATE SOURCE clicks (page VARCHAR, ms BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '1' SECOND)
  WITH ('connector' = 'http', 'format' = 'json');
CREATE VIEW closed AS SELECT page, window_start, COUNT(*) AS n, SUM(ms) AS total
  FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '1' SECOND)) GROUP BY page, window_start, window_end;
CREATE VIEW totals AS SELECT page, COUNT(*) AS n, SUM(ms) AS total FROM clicks GROUP BY page;
CREATE MATERIALIZED VIEW shown AS SELECT COUNT(*) AS n FROM clicks;
"
    .to_owned();
    for (format, ending) in
        [("json", "ndjson"), ("csv", "csv"), ("msgpack", "msgpack"), ("arrow", "arrows"), ("parquet", "parquet")]
    {
        for view in ["closed", "totals"] {
            program += &format!(
                "CREATE SINK {view}_{format} WITH ('connector' = 'filesystem', 'path' = 'out/{view}.{ending}', 'format' = '{format}')
                  AS SELECT * FROM {view};\n"
            );
        }
    }
    program
        + "CREATE SINK folder WITH ('connector' = 'filesystem', 'path' = 'out/folder/', 'format' = 'json') AS SELECT * FROM closed;\n"
}

/// The files below a folder.
pub(crate) fn files(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let (mut files, mut open) = (BTreeMap::new(), vec![root.to_owned()]);
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            match entry.path() {
                path if path.is_dir() => open.push(path),
                path => {
                    let name = path.strip_prefix(root).unwrap().display().to_string();
                    files.insert(name, fs::read(&path).unwrap_or_default());
                }
            }
        }
    }
    files
}

pub(crate) fn send(process: &Process, numbers: std::ops::Range<u64>) {
    let row = |n: u64| format!("{{\"page\":\"p{}\",\"ms\":{},\"ts\":{}}}\n", n % 5, n % 11, n * 17);
    for n in numbers.step_by(10) {
        let body: String = (n..n + 10).map(row).collect();
        process.post("/api/v1/sources/clicks/events", &body);
    }
}

#[test]
fn d5_files_are_those_of_a_run_that_was_never_stopped() {
    let folder = folder(&program());
    fs::create_dir(folder.path().join("out")).unwrap();
    // What another run left goes once this one begins.
    fs::write(folder.path().join("out/closed.ndjson"), "of another run\n").unwrap();
    let over = Arc::new(AtomicBool::new(false));
    let (root, ended) = (folder.path().join("out"), over.clone());
    let watcher = std::thread::spawn(move || {
        let mut lengths: BTreeMap<String, u64> = BTreeMap::new();
        while !ended.load(Ordering::Acquire) {
            for name in
                ["closed.csv", "closed.msgpack", "totals.ndjson", "totals.csv", "totals.arrows", "folder/part-0.json"]
            {
                let length = fs::metadata(root.join(name)).map_or(0, |found| found.len());
                let before = lengths.insert(name.to_owned(), length).unwrap_or(0);
                assert!(length >= before, "{name} had {before} bytes, then {length}");
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    });
    let mut process = Process::start(folder.path(), &["-w", "2"]);
    for round in 0..5 {
        send(&process, round * 400..round * 400 + 400);
        std::thread::sleep(Duration::from_millis(7 * round));
        process.kill();
        process = Process::start(folder.path(), &["-w", "2"]);
    }
    send(&process, 2_000..2_400);
    assert_eq!(process.stop().code(), Some(0));
    over.store(true, Ordering::Release);
    watcher.join().unwrap();
    // The same log, done again in one go into an empty folder.
    let other = self::folder(&program());
    fs::create_dir(other.path().join("data")).unwrap();
    for (name, bytes) in files(&folder.path().join("data")) {
        fs::write(other.path().join("data").join(name), bytes).unwrap();
    }
    assert_eq!(Process::start(other.path(), &["-w", "2"]).stop().code(), Some(0));
    let (killed, whole) = (files(&folder.path().join("out")), files(&other.path().join("out")));
    assert_eq!(killed.keys().collect::<Vec<_>>(), whole.keys().collect::<Vec<_>>());
    for (name, bytes) in &killed {
        // The end of a run that was stopped may find less of what had been read in the meantime.
        assert!(bytes == &whole[name], "{name}: {} and {} bytes", bytes.len(), whole[name].len());
    }
    assert!(
        killed["closed.csv"].len() > 1_000 && killed["totals.ndjson"].len() > 1_000 && killed.len() >= 11,
        "{:?}",
        killed.keys()
    );
    // A folder for each of two workers is not that of three.
    let mut process = Process::spawn(folder.path(), &["-w", "3"]);
    assert_ne!(process.ends().code(), Some(0));
    assert!(process.said.join("\n").contains("start it with -w 2"), "{:?}", process.said);
}

/// D5: what a power cut may leave of files that are not synced: their ends are missing, or zeros.
#[test]
fn d5_files_that_lost_their_ends_are_those_of_a_run_that_was_never_stopped() {
    let folder = folder(&program());
    let process = Process::start(folder.path(), &["-w", "1"]);
    send(&process, 0..800);
    assert_eq!(process.stop().code(), Some(0));
    let out = folder.path().join("out");
    let whole = files(&out);
    for (at, (name, bytes)) in whole.iter().enumerate().filter(|(_, (name, _))| !name.ends_with("parquet")) {
        let mut cut = bytes.clone();
        let from = bytes.len() / 3 + at;
        match at % 3 {
            0 => cut.truncate(from),
            1 => cut[from..].fill(0),
            // A page of several that were written.
            _ => cut[from.min(600)..1_024.min(bytes.len())].fill(0),
        }
        fs::write(out.join(name), cut).unwrap();
    }
    assert_eq!(Process::start(folder.path(), &["-w", "1"]).stop().code(), Some(0));
    for (name, bytes) in files(&out) {
        assert!(bytes == whole[&name], "{name}: {} and {} bytes", bytes.len(), whole[&name].len());
    }
}

/// Another input behind the back of a run, or a file that others wrote to, is found out.
#[test]
fn d14_a_file_that_others_wrote_to_is_refused() {
    let folder = folder(&program());
    let process = Process::start(folder.path(), &["-w", "1"]);
    send(&process, 0..400);
    eventually("something is written", || {
        fs::metadata(folder.path().join("out/closed.csv")).is_ok_and(|found| found.len() > 60)
    });
    process.kill();
    let path = folder.path().join("out/closed.csv");
    let mut bytes = fs::read(&path).unwrap();
    bytes[50] ^= 1;
    fs::write(&path, bytes).unwrap();
    let mut process = Process::spawn(folder.path(), &["-w", "1"]);
    assert_ne!(process.ends().code(), Some(0));
    assert!(process.said.join("\n").contains("at byte 50 stands something else"), "{:?}", process.said);
}
