//! Sinks of many files over restarts: folders by partition, files that are ended one after another, and Parquet. Every row stands in them once,
//! files of rows only grow, and one that is complete is never touched again (D5).

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::process::*;
use super::sinks::files;

const FORMATS: [&str; 5] = ["json", "csv", "msgpack", "arrow", "parquet"];

/// Every format, by partition and not, ended at a size, by the clock, and not at all; of rows that are added and of ones that are taken back.
fn program() -> String {
    let mut program = "CREATE SOURCE ev (id BIGINT, k INT) WITH ('connector' = 'http', 'format' = 'json');
CREATE VIEW added AS SELECT id, k FROM ev;
CREATE VIEW totals AS SELECT k, COUNT(*) AS n FROM ev GROUP BY k;
CREATE MATERIALIZED VIEW shown AS SELECT COUNT(*) AS n FROM ev;\n"
        .to_owned();
    for format in FORMATS {
        let size = if format == "parquet" { "2 kB" } else { "600" };
        for (name, view, by, rolls) in [
            ("by", "added", "PARTITIONED BY (k)", String::new()),
            ("totals", "totals", "PARTITIONED BY (k)", String::new()),
            ("sized", "added", "", format!(", 'sink.rolling-policy.file-size' = '{size}'")),
            ("aged", "added", "PARTITIONED BY (k)", ", 'sink.rolling-policy.rollover-interval' = '80 ms'".to_owned()),
        ] {
            program += &format!(
                "CREATE SINK {name}_{format} {by} WITH ('connector' = 'filesystem', 'path' = 'out/{name}-{format}/', 'format' = '{format}'{rolls})
                   AS SELECT * FROM {view};\n"
            );
        }
    }
    program + "CREATE SINK one WITH ('connector' = 'filesystem', 'path' = 'out/one.parquet') AS SELECT * FROM added;\n"
}

fn send(process: &Process, ids: std::ops::Range<i64>) -> serde_json::Value {
    let body: String = ids.map(|id| format!("{{\"id\":{id},\"k\":{}}}\n", id % 3)).collect();
    process.post("/api/v1/sources/ev/events", &body)["token"].take()
}

/// What readers see of a folder: nothing that is hidden.
fn shown(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = files(root).into_iter();
    files.filter(|(name, _)| !name.rsplit('/').next().unwrap().starts_with('_')).collect()
}

/// Whether a reader that has seen a file so may find it as it is now.
fn follows(name: &str, before: &[u8], now: Option<&Vec<u8>>) -> bool {
    if name == "one.parquet" {
        // One that is complete takes its place.
        return now.is_some_and(|now| now.ends_with(b"PAR1"));
    }
    match name.ends_with("parquet") {
        true => now.is_some_and(|now| now == before && now.ends_with(b"PAR1")),
        false => now.is_some_and(|now| now.starts_with(before)),
    }
}

fn ids(folder: &Path, kind: &str) -> Vec<i64> {
    let files = shown(&folder.join("out"));
    let ours = files.iter().filter(|(name, _)| name.starts_with(&format!("{kind}-json/")));
    let lines = ours.flat_map(|(_, bytes)| std::str::from_utf8(bytes).unwrap().lines());
    let mut ids: Vec<i64> =
        lines.map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["id"].as_i64().unwrap()).collect();
    ids.sort_unstable();
    ids
}

#[test]
fn d5_folders_and_files_one_after_another_go_on_behind_stops_and_kills() {
    let folder = folder(&program());
    let out = folder.path().join("out");
    let over = Arc::new(AtomicBool::new(false));
    let (root, ended) = (out.clone(), over.clone());
    let watcher = std::thread::spawn(move || {
        let mut before: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        while !ended.load(Ordering::Acquire) {
            // What is looked at later has what was there before, and maybe more.
            for (name, bytes) in shown(&root) {
                let seen = before.get(&name).map_or(&[][..], Vec::as_slice);
                let grows = follows(&name, seen, Some(&bytes)) || seen.is_empty();
                assert!(grows, "{name} had {} bytes, then {}", seen.len(), bytes.len());
                before.insert(name, bytes);
            }
            for (name, bytes) in &before {
                assert!(root.join(name).exists(), "{name} had {} bytes, and is gone", bytes.len());
            }
            std::thread::sleep(Duration::from_millis(3));
        }
        before.len()
    });
    let mut sent = 0;
    for round in 0..8_u64 {
        let process = Process::start(folder.path(), &["-w", "1"]);
        for part in 0..6 {
            let token = send(&process, sent..sent + 40);
            sent += 40;
            if part % 2 == 0 {
                process.complete(&token);
                std::thread::sleep(Duration::from_millis(20 + 13 * round));
            }
        }
        match round % 3 {
            0 => assert_eq!(process.stop().code(), Some(0)),
            _ => process.kill(),
        }
    }
    assert_eq!(Process::start(folder.path(), &["-w", "1"]).stop().code(), Some(0));
    over.store(true, Ordering::Release);
    assert!(watcher.join().unwrap() > 60);
    for kind in ["by", "sized", "aged"] {
        assert_eq!(ids(folder.path(), kind), (0..sent).collect::<Vec<_>>(), "{kind}");
    }
    // The same log in one go ends files behind the same epochs.
    let replayed = highwater(folder.path()).args(["replay", "data", "-w", "1", "--out", "again"]).output().unwrap();
    assert!(replayed.status.success(), "{}", String::from_utf8_lossy(&replayed.stderr));
    let (killed, whole) = (files(&out), files(&folder.path().join("again/out")));
    let lacks: Vec<_> = killed.keys().filter(|name| !whole.contains_key(*name)).collect();
    let more: Vec<_> = whole.keys().filter(|name| !killed.contains_key(*name)).collect();
    assert!(lacks.is_empty() && more.is_empty(), "a replay lacks {lacks:?}, and has besides {more:?}");
    for (name, bytes) in &killed {
        assert!(bytes == &whole[name], "{name}: {} and {} bytes", bytes.len(), whole[name].len());
    }
    for kind in ["sized-json/part-0-3.json", "aged-parquet/k=0/part-0", "sized-parquet/part-0-1.parquet", "one.parquet"]
    {
        assert!(killed.keys().any(|name| name.starts_with(kind)), "{kind}: {:?}", killed.keys());
    }
    assert!(killed.keys().all(|name| !name.contains("/_")), "{:?}", killed.keys());
}

/// What a reader has taken away does not come again; one that others wrote to is refused before it is ready.
#[test]
fn d5_complete_files_may_be_taken_away_and_what_others_wrote_is_refused() {
    let folder = folder(&program());
    let out = folder.path().join("out");
    let process = Process::start(folder.path(), &["-w", "1"]);
    for from in [0, 90, 180] {
        process.complete(&send(&process, from..from + 90));
    }
    eventually("a file is ended", || out.join("sized-csv/part-0-1.csv").exists());
    assert_eq!(process.stop().code(), Some(0));
    let taken = ["sized-csv/part-0.csv", "sized-parquet/part-0.parquet"];
    taken.iter().for_each(|name| fs::remove_file(out.join(name)).unwrap());
    let process = Process::start(folder.path(), &["-w", "1"]);
    process.complete(&send(&process, 270..300));
    assert_eq!(process.stop().code(), Some(0));
    for name in taken {
        assert!(!out.join(name).exists(), "{name} has come again");
    }
    assert_eq!(ids(folder.path(), "sized"), (0..300).collect::<Vec<_>>());
    let path = out.join("by-csv/k=1/part-0.csv");
    let whole = fs::read(&path).unwrap();
    let foreign: [(&Path, Vec<u8>, &str); 3] = [
        (&path, [&whole[..9], b"x", &whole[10..]].concat(), "at byte 9 stands something else"),
        (&path, [whole.as_slice(), b"9\n"].concat(), "it holds 2 bytes that this run did not write"),
        (&out.join("by-csv/k=1/part-0-7.csv"), b"9\n".to_vec(), "this run did not write it"),
    ];
    for (path, bytes, told) in foreign {
        let before = fs::read(path).ok();
        fs::write(path, &bytes).unwrap();
        let mut process = Process::spawn(folder.path(), &["-w", "1"]);
        assert_eq!(process.ends().code(), Some(1), "{told}");
        let said = process.said.join("\n");
        assert!(said.contains(told) && !said.contains("went on from"), "{told}: {said}");
        assert!(fs::read(path).unwrap() == bytes, "it was not touched");
        match before {
            Some(before) => fs::write(path, before).unwrap(),
            None => fs::remove_file(path).unwrap(),
        }
    }
    assert_eq!(Process::start(folder.path(), &["-w", "1"]).stop().code(), Some(0));
}
