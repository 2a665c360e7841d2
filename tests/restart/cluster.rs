//! Two processes with a data directory each: killed together or one of them, and started again.

use std::fs;
use std::net::TcpListener;
use std::path::Path;

use serde_json::Value;

use super::process::*;

/// Pushed to either process; windows, totals, a join with itself, a table, and files of all processes.
const PROGRAM: &str = "
CREATE SOURCE clicks (id BIGINT, page VARCHAR, ms BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '2' SECOND)
  WITH ('connector' = 'http', 'format' = 'json', 'lateness' = '3 s', 'idle-timeout' = '100 ms');
CREATE TABLE names (page VARCHAR PRIMARY KEY, name VARCHAR);
CREATE MATERIALIZED VIEW windows AS SELECT page, window_start, COUNT(*) AS n, SUM(ms) AS total
  FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY page, window_start, window_end EMIT CHANGES;
CREATE MATERIALIZED VIEW totals AS SELECT page, COUNT(*) AS n, SUM(ms) AS total FROM clicks GROUP BY page;
CREATE MATERIALIZED VIEW named AS SELECT n.name, COUNT(*) AS n FROM clicks c JOIN names n ON c.page = n.page GROUP BY n.name;
CREATE SINK closed WITH ('connector' = 'filesystem', 'path' = 'out/closed.ndjson', 'format' = 'json') AS
  SELECT page, window_start, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '5' SECOND)) GROUP BY page, window_start, window_end;
CREATE SINK changes WITH ('connector' = 'filesystem', 'path' = 'out/changes/', 'format' = 'json') AS SELECT * FROM totals;
";
const VIEWS: [&str; 3] = ["windows", "totals", "named"];

/// A folder with the program, a hostfile, and the directories `data0` and `data1`.
fn place() -> tempfile::TempDir {
    let folder = folder(PROGRAM);
    fs::create_dir(folder.path().join("out")).unwrap();
    let taken: Vec<TcpListener> = (0..2).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    let lines: String = taken.iter().map(|listener| format!("{}\n", listener.local_addr().unwrap())).collect();
    fs::write(folder.path().join("hosts"), lines).unwrap();
    folder
}

fn args(process: usize, more: &[&str]) -> Vec<String> {
    let (number, data) = (process.to_string(), format!("data{process}"));
    let args = ["-w", "1", "-n", "2", "-p", &number, "--hostfile", "hosts", "--data-dir", &data];
    args.iter().chain(more).map(|arg| (*arg).to_owned()).collect()
}

fn spawn(folder: &Path, process: usize, more: &[&str]) -> Process {
    let mut command = highwater(folder);
    command.args(["run", "p.sql", "--listen", "127.0.0.1:0"]).args(args(process, more));
    let mut process = Process::of(&mut command);
    process.serves();
    process
}

fn both(folder: &Path, more: &[&str]) -> [Process; 2] {
    let both = [spawn(folder, 0, more), spawn(folder, 1, more)];
    both.iter().for_each(Process::is_ready);
    both
}

fn push(process: &Process, ids: std::ops::Range<i64>) -> Value {
    let row = |id: i64| format!("{{\"id\":{id},\"page\":\"p{}\",\"ms\":{},\"ts\":{}}}\n", id % 4, id % 9, id * 100);
    process.post("/api/v1/sources/clicks/events?ack=durable", &ids.map(row).collect::<String>())["token"].clone()
}

fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for below in ["out", "out/changes"] {
        for entry in
            fs::read_dir(folder.join(below)).unwrap().map(Result::unwrap).filter(|entry| entry.path().is_file())
        {
            found.push((format!("{below}/{}", entry.file_name().display()), fs::read(entry.path()).unwrap()));
        }
    }
    found.sort();
    found
}

/// D1 to D6: what either has acknowledged is there, what either has shown stays, and files only grow.
#[test]
fn a_cluster_goes_on_where_all_of_it_was_killed() {
    let folder = place();
    let mut processes = both(folder.path(), &[]);
    let (mut number, mut tokens) = (0, Vec::new());
    for round in 0..4_usize {
        let (status, answer) = processes[round % 2].ask(
            "POST",
            "/api/v1/tables/names/rows",
            &format!(r#"{{"page":"p{round}","name":"n{round}"}}"#),
        );
        assert_eq!(status, 200, "{answer}");
        for step in 0..6 {
            tokens.push(push(&processes[(round + step) % 2], number..number + 40));
            number += 40;
        }
        for token in &tokens {
            let of =
                |process: &Process| process.ask("GET", &format!("/api/v1/completion/{}", token.as_str().unwrap()), "");
            eventually("all is in the views", || {
                processes.iter().any(|process| of(process).1.contains("\"complete\":true"))
            });
        }
        let seen = |processes: &[Process; 2]| -> Vec<Vec<String>> {
            processes.iter().flat_map(|process| VIEWS.map(|view| process.rows(view))).collect()
        };
        let total = |process: &Process| -> u64 {
            let rows = process.rows("totals");
            rows.iter().map(|row| serde_json::from_str::<Value>(row).unwrap()["n"].as_u64().unwrap()).sum()
        };
        eventually("both show all rows", || processes.iter().all(|process| total(process) == number as u64));
        // Those that are idle have followed the others, so nothing moves any more.
        let before = loop {
            let before = seen(&processes);
            std::thread::sleep(std::time::Duration::from_millis(700));
            if seen(&processes) == before {
                break before;
            }
        };
        let written = files(folder.path());
        let [first, second] = processes;
        // One is killed, and the other has to end by itself; or both at once.
        match round {
            0 => {
                first.kill();
                let mut second = second;
                assert!(!second.ends().success());
            }
            _ => {
                second.kill();
                first.kill();
            }
        }
        processes = both(folder.path(), &[]);
        eventually("all is as it was", || seen(&processes) == before);
        for (name, bytes) in files(folder.path()) {
            let was =
                written.iter().find(|(known, _)| *known == name).map(|(_, bytes)| bytes.clone()).unwrap_or_default();
            assert!(bytes.starts_with(&was), "{name} had {} bytes, and has {}", was.len(), bytes.len());
        }
    }
    assert!(number > 900);
}

/// D7: what both took together comes again, byte for byte, at any number of workers; a directory that is missing is named.
#[test]
fn d7_a_replay_of_both_directories_writes_what_they_wrote() {
    let folder = place();
    let mut processes = both(folder.path(), &[]);
    for round in 0..3_usize {
        let names = format!(r#"{{"page":"p{round}","name":"n{round}"}}"#);
        assert_eq!(processes[round % 2].ask("POST", "/api/v1/tables/names/rows", &names).0, 200);
        for step in 0..4 {
            let first = (round * 4 + step) as i64 * 40;
            push(&processes[step % 2], first..first + 40);
        }
        processes.into_iter().for_each(Process::kill);
        processes = both(folder.path(), &[]);
    }
    let total = |process: &Process| -> u64 {
        let rows = process.rows("totals");
        rows.iter().map(|row| serde_json::from_str::<Value>(row).unwrap()["n"].as_u64().unwrap()).sum()
    };
    eventually("all is shown", || processes.iter().all(|process| total(process) == 480));
    assert!(processes.into_iter().all(|process| process.stop().code() == Some(0)));
    let replay = |args: &[&str]| highwater(folder.path()).arg("replay").args(args).output().unwrap();
    let said = |args: &[&str]| String::from_utf8_lossy(&replay(args).stderr).into_owned();
    for (workers, order) in [("1", ["data0", "data1"]), ("2", ["data1", "data0"])] {
        let out = format!("again{workers}");
        let output = replay(&[order[0], order[1], "-w", workers, "--out", &out]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let files = |folder: &Path| fs::read_to_string(folder.join("out/closed.ndjson")).unwrap();
        assert!(files(folder.path()).lines().count() > 10);
        assert_eq!(files(&folder.path().join(&out)), files(folder.path()), "-w {workers}");
    }
    assert_eq!(files(&folder.path().join("again2")), files(folder.path()), "files of folders, as many as there were");
    let missing = said(&["data1", "--out", "no"]);
    assert!(missing.contains("process 1 of 2") && missing.contains("process 0 is missing"), "{missing}");
    assert!(said(&["data1", "data1", "--out", "no"]).contains("of the same process"));
    let other = place();
    both(other.path(), &[]).into_iter().for_each(Process::kill);
    let foreign = other.path().join("data0").display().to_string();
    assert!(said(&["data1", &foreign, "--out", "no"]).contains("is not of the run"));
}

/// What one has taken the other knows after a restart as before: rows that are sent again, to either, are told as duplicates.
#[test]
fn d3_keys_that_a_process_had_heard_of_from_the_other_are_known_again() {
    let folder = place();
    let program =
        PROGRAM.replace("'lateness' = '3 s'", "'lateness' = '3 s', 'dedup.key' = 'id', 'dedup.horizon' = '1 d'");
    fs::write(folder.path().join("p.sql"), program).unwrap();
    let mut processes = both(folder.path(), &[]);
    let told = |process: &Process, ids: std::ops::Range<i64>| {
        let row = |id: i64| format!("{{\"id\":{id},\"page\":\"p{}\",\"ms\":1,\"ts\":{}}}\n", id % 4, id * 100);
        let answer = process.post("/api/v1/sources/clicks/events?ack=visible", &ids.map(row).collect::<String>());
        (answer["accepted"].as_i64().unwrap(), answer["duplicates"].as_i64().unwrap())
    };
    let total = |process: &Process| -> i64 {
        let rows = process.rows("totals");
        rows.iter().map(|row| serde_json::from_str::<Value>(row).unwrap()["n"].as_i64().unwrap()).sum()
    };
    assert_eq!(told(&processes[0], 0..40), (40, 0));
    for round in 1..4 {
        let end = 40 * round;
        // The last are within the lateness, the others are not.
        assert_eq!(told(&processes[1], 0..end).1, end, "round {round}");
        assert_eq!(told(&processes[0], 0..end).1, end, "round {round}");
        for process in &processes {
            eventually("each is there once", || total(process) == end);
        }
        processes.into_iter().for_each(Process::kill);
        processes = both(folder.path(), &[]);
        assert_eq!(told(&processes[0], 0..end).1, end, "round {round}, after a restart");
        let process = &processes[round as usize % 2];
        assert_eq!(told(process, end..end + 40), (40, 0));
    }
}

/// The one that is left starts again by itself and waits for the other.
#[test]
fn a_process_that_waits_goes_on_with_one_that_was_killed() {
    let folder = place();
    let more = ["--restart-wait", "60 s", "--peer-timeout", "2 s"];
    let [first, mut second] = both(folder.path(), &more);
    push(&first, 0..50);
    push(&second, 50..100);
    eventually("both show all", || [&first, &second].iter().all(|process| process.rows("totals").len() == 4));
    first.kill();
    second.serves();
    let first = spawn(folder.path(), 0, &more);
    [&first, &second].into_iter().for_each(Process::is_ready);
    push(&second, 100..140);
    let all = |process: &Process| process.rows("totals").iter().all(|row| row.contains("\"n\":35"));
    eventually("rows of before and after are there", || all(&first) && all(&second));
}

/// A directory is of one process, and belongs to those of the others.
#[test]
fn directories_of_other_processes_are_refused() {
    let folder = place();
    let [first, second] = both(folder.path(), &[]);
    push(&first, 0..10);
    push(&second, 10..20);
    second.kill();
    first.kill();
    let says = |args: &[String]| {
        let output =
            highwater(folder.path()).args(["run", "p.sql", "--listen", "127.0.0.1:0"]).args(args).output().unwrap();
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    let alone = says(&["--data-dir".to_owned(), "data0".to_owned()]);
    assert!(alone.contains("it is of process 0 of 2, and this is process 0 of 1"), "{alone}");
    assert!(alone.contains("start it with -n 2 -p 0"), "{alone}");
    fs::rename(folder.path().join("data1"), folder.path().join("kept")).unwrap();
    let other = spawn(folder.path(), 1, &[]);
    let lost = says(&args(0, &[]));
    assert!(lost.contains("were not written beside each other"), "{lost}");
    drop(other);
    let output = highwater(folder.path()).args(["replay", "data0"]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("it holds what process 0 of 2 took"), "{said}");
}

/// S1: a process reads the splits again that it read, though each directory has the rows of its own alone.
#[test]
fn s1_splits_stay_with_their_processes() {
    let folder = place();
    let program =
        "CREATE SOURCE g (n BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '50', 'partitions' = '5');
        CREATE MATERIALIZED VIEW v AS SELECT COUNT(*) AS n FROM g;";
    fs::write(folder.path().join("p.sql"), program).unwrap();
    let read = |process: &Process| process.json("/api/v1/sources/g")["partitions"].clone();
    let processes = both(folder.path(), &[]);
    let first = processes.each_ref().map(read);
    assert_eq!(first.each_ref().map(|names| names.as_array().unwrap().len()), [3, 2]);
    processes.into_iter().for_each(Process::kill);
    for _ in 0..2 {
        let processes = both(folder.path(), &[]);
        assert_eq!(processes.each_ref().map(read), first);
        processes.into_iter().for_each(Process::kill);
    }
}
