//! Starts from a snapshot, with the log before it gone: what was seen is there, streams and tokens of before go on, damage falls back.

use std::fs;
use std::path::Path;

use super::process::*;
use super::pushed::{PROGRAM, Random, follow, plain, read_until, seen, send};

/// Snapshots as often as can be, and files of the log that are soon full.
const OFTEN: &str = "SET 'snapshot.interval' = '100 ms'; SET 'log.segment' = '64 KiB';";

/// Of the log only what a start needs.
const SHORT: &str = "SET 'log.retention' = 'recovery';";

fn often(more: &str) -> tempfile::TempDir {
    let kept = if more.contains("log.retention") { "" } else { SHORT };
    folder(&format!("{OFTEN}{kept}{more}{PROGRAM}"))
}

fn names(folder: &Path, what: impl Fn(&str) -> bool) -> Vec<String> {
    let all = fs::read_dir(folder.join("data")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = all.filter(|name| what(name)).collect();
    names.sort();
    names
}

fn segments(folder: &Path) -> Vec<String> {
    names(folder, |name| name.ends_with(".log"))
}

fn snapshots(folder: &Path) -> Vec<String> {
    names(folder, |name| name.starts_with("snapshot-"))
}

/// Whether the log does not begin at its beginning any more.
fn shortened(folder: &Path) -> bool {
    segments(folder).first().is_some_and(|name| name != "00000000000000000000.log")
}

/// Sends rows until so many segments were begun and the first of them are gone.
fn fill(process: &Process, folder: &Path, random: &mut Random, number: &mut u64) -> u64 {
    let before = *number;
    for _ in 0..400 {
        process.complete(&send(process, random, *number..*number + 5));
        *number += 5;
        if *number - before >= 40 && shortened(folder) {
            return *number - before;
        }
    }
    panic!("the log is not shortened: {:?}, {:?}", segments(folder), snapshots(folder));
}

#[test]
fn d1_to_d8_a_start_from_a_snapshot_shows_what_was_seen_and_goes_on() {
    let folder = often("");
    let (mut random, mut again, mut number, mut sent) = (Random(7), Random(7), 0, 0);
    let mut process = Process::start(folder.path(), &["-w", "2"]);
    let other = self::folder(PROGRAM);
    let whole = Process::start(other.path(), &["-w", "1"]);
    let mut tokens = Vec::new();
    for round in 0..5 {
        fill(&process, folder.path(), &mut random, &mut number);
        let token = send(&process, &mut random, number..number + 3);
        number += 3;
        process.complete(&token);
        tokens.push(token);
        let before = seen(&process);
        match round % 2 {
            0 => process.kill(),
            _ => assert_eq!(process.stop().code(), Some(0)),
        }
        assert!(shortened(folder.path()), "{:?}", segments(folder.path()));
        process = Process::start(folder.path(), &["-w", ["1", "3", "2"][round % 3]]);
        process.has_said("goes on from the snapshot");
        let after = seen(&process);
        before.iter().zip(&after).for_each(|(before, after)| assert_eq!(before, after, "round {round}"));
        tokens.iter().for_each(|token| process.complete(token));
        let token = send(&whole, &mut again, sent..number);
        sent = number;
        whole.complete(&token);
        for ((what, after), (_, never)) in after.iter().zip(&seen(&whole)) {
            assert_eq!(plain(after), plain(never), "{what} in round {round}, beside a run without a kill");
        }
    }
    for (what, rows) in &seen(&process) {
        assert!(!rows.is_empty(), "no {what} were seen");
    }
    let told = process.json("/api/v1/stats")["log"].take();
    assert_eq!(told["snapshot_interval"], "100 ms", "{told}");
    assert!(told["snapshot"]["bytes"].as_u64() > Some(0), "{told}");
    assert_eq!(snapshots(folder.path()).len(), 2);
}

#[test]
fn d4_a_stream_goes_on_over_a_start_from_a_snapshot() {
    let folder = often("");
    let (mut random, mut number) = (Random(11), 0);
    let mut process = Process::start(folder.path(), &["-w", "2"]);
    let (mut held, mut id) = (std::collections::BTreeMap::new(), String::new());
    for round in 0..3 {
        fill(&process, folder.path(), &mut random, &mut number);
        let mut stream = follow(&process, &id);
        read_until(&mut stream, &mut held, &mut id, &process, round > 0);
        // What comes while nobody reads, and a snapshot behind it.
        fill(&process, folder.path(), &mut random, &mut number);
        process.kill();
        process = Process::start(folder.path(), &["-w", "1"]);
        process.has_said("goes on from the snapshot");
        let mut stream = follow(&process, &id);
        read_until(&mut stream, &mut held, &mut id, &process, true);
    }
}

#[test]
fn d6_tables_and_what_meets_them_are_there_after_a_start_from_a_snapshot() {
    const TABLES: &str = "
CREATE TABLE notes (page VARCHAR PRIMARY KEY, note VARCHAR);
CREATE MATERIALIZED VIEW noted AS SELECT n.note, COUNT(*) AS n FROM clicks c JOIN notes n ON c.page = n.page GROUP BY n.note;
CREATE MATERIALIZED VIEW looked AS SELECT c.id, n.note FROM clicks c JOIN notes FOR SYSTEM_TIME AS OF c.ts AS n ON c.page = n.page;";
    let folder = folder(&format!("{OFTEN}{SHORT}{PROGRAM}{TABLES}"));
    let (mut random, mut number) = (Random(13), 0);
    let mut process = Process::start(folder.path(), &["-w", "2"]);
    for round in 0..3 {
        for page in 0..4 {
            let row = format!("{{\"page\":\"p{page}\",\"note\":\"of {page} in {round}\"}}");
            let (status, answer) = process.ask("POST", "/api/v1/tables/notes/rows", &row);
            assert_eq!(status, 200, "{answer}");
            process.complete(&send(&process, &mut random, number..number + 4));
            number += 4;
        }
        fill(&process, folder.path(), &mut random, &mut number);
        // The last change stands behind the snapshot, or not.
        let (status, _) = process.ask("POST", "/api/v1/tables/notes/rows", "{\"page\":\"p1\",\"note\":\"late\"}");
        assert_eq!(status, 200);
        process.complete(&send(&process, &mut random, number..number + 4));
        number += 4;
        let all = |process: &Process| {
            let table = process.json("/api/v1/tables/notes/rows")["rows"].to_string();
            (table, process.rows("noted"), process.rows("looked"), seen(process))
        };
        let before = all(&process);
        assert!(before.1.len() > 2 && before.2.len() > 20, "{before:?}");
        process.kill();
        process = Process::start(folder.path(), &["-w", ["1", "3", "2"][round]]);
        process.has_said("goes on from the snapshot");
        assert_eq!(all(&process), before, "round {round}");
    }
}

#[test]
fn d5_files_of_sinks_are_gone_on_with_where_a_snapshot_says() {
    const FORMATS: [&str; 4] = ["json", "csv", "msgpack", "arrow"];
    let sink = |format: &str| {
        format!(
            "CREATE SINK of_{format} WITH ('connector' = 'filesystem', 'path' = 'out/ids.{format}', 'format' = '{format}') AS
               SELECT id, page, ms FROM clicks;
             CREATE SINK all_{format} WITH ('connector' = 'filesystem', 'path' = 'out/all-{format}/', 'format' = '{format}') AS
               SELECT page, COUNT(*) AS n FROM clicks GROUP BY page;"
        )
    };
    let sinks: String = FORMATS.iter().map(|format| sink(format)).collect();
    let nowhere = "CREATE SINK nowhere WITH ('connector' = 'blackhole') AS SELECT id FROM clicks;";
    let folder = folder(&format!("{OFTEN}{SHORT}{PROGRAM}{sinks}{nowhere}"));
    let read = |format: &str| fs::read(folder.path().join(format!("out/ids.{format}"))).unwrap_or_default();
    let (mut random, mut number) = (Random(17), 0);
    let mut process = Process::start(folder.path(), &["-w", "2"]);
    let mut held = FORMATS.map(|_| Vec::new());
    for round in 0..4 {
        fill(&process, folder.path(), &mut random, &mut number);
        process.kill();
        process = Process::start(folder.path(), &["-w", "2"]);
        process.has_said("goes on from the snapshot");
        for (held, format) in held.iter_mut().zip(FORMATS) {
            let now = read(format);
            assert!(now.starts_with(held) && now.len() > held.len(), "{format} in round {round}");
            *held = now;
        }
    }
    assert_eq!(process.stop().code(), Some(0));
    // Every row once.
    let mut ids: Vec<String> = String::from_utf8(read("json")).unwrap().lines().map(str::to_owned).collect();
    let all = ids.len();
    ids.sort();
    ids.dedup();
    assert!(all > 500 && ids.len() == all, "{all} rows, {} of them once", ids.len());
    assert_eq!(String::from_utf8(read("csv")).unwrap().lines().count(), all + 1);
    // A file that others cut off is refused, one that is gone is begun anew.
    let csv = folder.path().join("out/ids.csv");
    let whole = fs::read(&csv).unwrap();
    fs::write(&csv, &whole[..whole.len() / 4]).unwrap();
    let mut refused = Process::spawn(folder.path(), &["-w", "2"]);
    assert_ne!(refused.ends().code(), Some(0));
    let said = refused.said.join("\n");
    assert!(said.contains("ids.csv") && said.contains("what was written is gone"), "{said}");
    fs::remove_file(&csv).unwrap();
    let mut process = Process::start(folder.path(), &["-w", "2"]);
    process.has_said("was moved or removed");
    process.complete(&send(&process, &mut random, number..number + 10));
    assert_eq!(process.stop().code(), Some(0));
    assert!(fs::read_to_string(&csv).unwrap().lines().count() > 1);
}

#[test]
fn d9_a_damaged_snapshot_falls_back_to_the_older_one_and_two_are_refused() {
    let folder = often("");
    let (mut random, mut number) = (Random(3), 0);
    let process = Process::start(folder.path(), &["-w", "1"]);
    fill(&process, folder.path(), &mut random, &mut number);
    eventually("two are there", || snapshots(folder.path()).len() == 2);
    let before = seen(&process);
    process.kill();
    let data = folder.path().join("data");
    let damage = |name: &str, part: usize| {
        let mut bytes = fs::read(data.join(name)).unwrap();
        let at = bytes.len() / part;
        bytes[at] ^= 4;
        fs::write(data.join(name), bytes).unwrap();
    };
    let both = snapshots(folder.path());
    assert_eq!(both.len(), 2, "{both:?}");
    damage(&both[1], 3);
    let mut process = Process::start(folder.path(), &["-w", "1"]);
    process.has_said("a snapshot cannot be used");
    process.has_said("goes on from the snapshot");
    assert_eq!(seen(&process), before);
    process.kill();
    let both = snapshots(folder.path());
    both.iter().for_each(|name| damage(name, 2));
    let mut process = Process::spawn(folder.path(), &["-w", "1"]);
    assert_ne!(process.ends().code(), Some(0));
    let said = process.said.join("\n");
    for part in ["no snapshot goes on from there", "at byte", &both[0], "restore the directory from a copy"] {
        assert!(said.contains(part), "'{part}' is not said:\n{said}");
    }
}

#[test]
fn what_reaches_back_further_than_the_log_is_refused_with_the_remedy() {
    let folder = often("");
    let (mut random, mut number) = (Random(5), 0);
    let process = Process::start(folder.path(), &["-w", "1"]);
    fill(&process, folder.path(), &mut random, &mut number);
    assert_eq!(process.stop().code(), Some(0));
    let refused = |args: &[&str]| {
        let output = highwater(folder.path()).args(args).output().unwrap();
        assert!(!output.status.success(), "{args:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    let said = refused(&["replay", "data"]);
    assert!(said.contains("are gone") && said.contains("log.retention"), "{said}");
    fs::write(
        folder.path().join("p.sql"),
        format!("{OFTEN}{PROGRAM}CREATE MATERIALIZED VIEW more AS SELECT page FROM clicks;"),
    )
    .unwrap();
    let run = ["run", "p.sql", "--listen", "127.0.0.1:0", "--data-dir", "data", "--on-change"];
    let said = refused(&[&run[..], &["rebuild"]].concat());
    assert!(said.contains("are gone") && said.contains("log.retention"), "{said}");
    let process = Process::start(folder.path(), &["--on-change", "fresh"]);
    assert!(process.rows("totals").is_empty());
}

#[test]
fn all_of_the_log_is_kept_where_that_is_said_and_a_replay_reaches_it() {
    let folder = often("SET 'log.retention' = 'all';");
    let mut random = Random(9);
    let mut process = Process::start(folder.path(), &["-w", "1"]);
    for round in 0..40 {
        process.complete(&send(&process, &mut random, round * 5..round * 5 + 5));
    }
    eventually("two are there", || snapshots(folder.path()).len() == 2);
    let before = seen(&process);
    assert!(!shortened(folder.path()) && segments(folder.path()).len() > 3);
    process.kill();
    process = Process::start(folder.path(), &["-w", "1"]);
    process.has_said("goes on from the snapshot");
    assert_eq!(seen(&process), before);
    assert_eq!(process.stop().code(), Some(0));
    let replay = highwater(folder.path()).args(["replay", "data"]).output().unwrap();
    assert!(replay.status.success(), "{}", String::from_utf8_lossy(&replay.stderr));
}

#[test]
fn a_program_of_which_no_snapshots_are_taken_says_why_and_keeps_its_log() {
    let sink = "CREATE SINK ids WITH ('connector' = 'filesystem', 'path' = 'ids/', 'format' = 'parquet') AS SELECT id FROM clicks;";
    let folder = folder(&format!("{OFTEN}{PROGRAM}{sink}"));
    let mut process = Process::start(folder.path(), &["-w", "1"]);
    process.has_said("no snapshots are taken");
    process.complete(&send(&process, &mut Random(1), 0..60));
    std::thread::sleep(std::time::Duration::from_millis(400));
    assert!(snapshots(folder.path()).is_empty() && !shortened(folder.path()));
    assert_eq!(process.json("/api/v1/stats")["log"]["snapshot_interval"], "never");
}
