//! `highwater replay` (D7): a run again from its data directory, up to a time, and as if another program had run; nothing of the run
//! is touched.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use highwater_log::{Folder, Log, Lsn, Options, Reader};

use super::process::*;
use super::sinks::{files, program, send};

/// Code, stdout and stderr of a replay.
fn replay(folder: &Path, args: &[&str]) -> (i32, String, String) {
    let output = highwater(folder).args(["replay", "data"]).args(args).output().unwrap();
    let [out, err] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    (output.status.code().unwrap(), out, err)
}

/// The replay of a folder's data at an address of its own, when it is done.
fn served(folder: &Path, args: &[&str]) -> Process {
    let mut process = Process::of(highwater(folder).args(["replay", "data", "--listen", "127.0.0.1:0"]).args(args));
    let line = process.hears("serving http://");
    process.address = line.rsplit("http://").next().unwrap().trim().parse().unwrap();
    process.hears("stay served");
    process
}

/// When each file below a folder was written, and what it holds.
fn stand(root: &Path) -> BTreeMap<String, (SystemTime, Vec<u8>)> {
    let all = files(root).into_iter();
    all.map(|(name, bytes)| {
        let written = fs::metadata(root.join(&name)).unwrap().modified().unwrap();
        (name, (written, bytes))
    })
    .collect()
}

#[test]
fn d7_files_of_a_run_that_was_killed_come_again_at_any_workers() {
    let folder = folder(&program());
    fs::create_dir(folder.path().join("out")).unwrap();
    let mut process = Process::start(folder.path(), &["-w", "2"]);
    for round in 0..2 {
        send(&process, round * 400..round * 400 + 400);
        // Late, malformed, and malformed in a way that only the edge sees.
        process.post(
            "/api/v1/sources/clicks/events",
            "{\"page\":\"late\",\"ms\":1,\"ts\":0}\n{\"ms\":\"x\"}\n{\"ms\":1}\n",
        );
        process.kill();
        process = Process::start(folder.path(), &["-w", "2"]);
    }
    send(&process, 800..1_200);
    assert_eq!(process.stop().code(), Some(0));
    let whole = files(&folder.path().join("out"));
    assert!(whole.len() >= 11 && whole["totals.csv"].len() > 1_000, "{:?}", whole.keys());
    let (out, data) = (stand(&folder.path().join("out")), stand(&folder.path().join("data")));
    for workers in ["1", "2", "3"] {
        let to = format!("again{workers}");
        let dead = format!("dead{workers}.ndjson");
        let (code, said, log) = replay(folder.path(), &["-w", workers, "--out", &to, "--dead-letters", &dead]);
        assert_eq!((code, said.as_str()), (0, ""), "{log}");
        assert!(log.trim_end().lines().last().unwrap().contains("done: 1,206 rows in"), "{log}");
        let again = files(&folder.path().join(&to).join("out"));
        for (name, bytes) in &whole {
            // A folder has a file for each worker.
            if workers == "2" || !name.starts_with("folder/") {
                assert!(again.get(name) == Some(bytes), "-w {workers}: {name}: {:?}", again.get(name).map(Vec::len));
            }
        }
        let text = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
        assert_eq!(text(&dead), text("dead1.ndjson"));
        assert_eq!(text(&dead).lines().count(), 6, "{}", text(&dead));
    }
    // Without a folder for them sinks are not written, and it says so.
    let (code, _, log) = replay(folder.path(), &[]);
    assert!(code == 0 && log.contains("nothing of it is shown"), "{log}");
    for (to, why) in
        [(".", "write to the files of"), ("data", "is the data directory"), ("data/x", "is the data directory")]
    {
        let (code, _, log) = replay(folder.path(), &["--out", to]);
        assert!(code == 2 && log.contains(why), "{to}: {log}");
    }
    assert!(stand(&folder.path().join("out")) == out && stand(&folder.path().join("data")) == data, "touched");
}

const TABLES: &str = "
CREATE SOURCE clicks (k BIGINT, v BIGINT, note VARCHAR, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '1' SECOND)
  WITH ('connector' = 'http', 'format' = 'json', 'lateness' = '5 s');
CREATE SOURCE past (k BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts)
  WITH ('connector' = 'filesystem', 'path' = 'in.csv', 'format' = 'csv');
CREATE TABLE limits (k BIGINT PRIMARY KEY, most BIGINT);
CREATE TABLE names (k BIGINT PRIMARY KEY, name VARCHAR) WITH ('path' = 'names.csv', 'format' = 'csv');
CREATE MATERIALIZED VIEW judged AS
  SELECT c.k, c.v, l.most FROM clicks c LEFT JOIN limits FOR SYSTEM_TIME AS OF c.ts AS l ON c.k = l.k;
CREATE MATERIALIZED VIEW named AS SELECT n.name, COUNT(*) AS n FROM clicks c JOIN names n ON c.k = n.k GROUP BY n.name;
CREATE MATERIALIZED VIEW counted AS SELECT COUNT(*) AS n FROM past;
CREATE SINK printed WITH ('connector' = 'print') AS SELECT k, v FROM clicks WHERE v = 101;
";

/// A run with tables and a file, in two parts, which are a time of the clock apart; what its views were at that time, and at the end.
struct Run {
    folder: tempfile::TempDir,
    between: String,
    views: [Vec<Vec<String>>; 2],
}

const VIEWS: [&str; 3] = ["judged", "named", "counted"];

fn run() -> Run {
    let folder = folder(TABLES);
    fs::write(folder.path().join("names.csv"), "k,name\n0,zero\n1,one\n").unwrap();
    fs::write(folder.path().join("in.csv"), "k,ts\n1,10\n2,20\n").unwrap();
    let mut process = Process::start(folder.path(), &["-w", "2"]);
    let (mut between, mut views) = (String::new(), Vec::new());
    for part in 0..2_i64 {
        for n in 0..12 {
            let n = part * 100 + n;
            let row = format!("{{\"k\":{},\"v\":{n},\"note\":\"n{n}\",\"ts\":{}}}", n % 3, n * 1_000);
            assert_eq!(process.post("/api/v1/sources/clicks/events?ack=visible", &row)["ack"], "visible");
            let most = format!("{{\"k\":{},\"most\":{n}}}", n % 3);
            assert_eq!(process.ask("POST", "/api/v1/tables/limits/rows", &most).0, 200);
        }
        if part == 1 {
            let name = "{\"k\":0,\"name\":\"nought\"}";
            assert_eq!(process.ask("POST", "/api/v1/tables/names/rows", name).0, 200);
        }
        eventually("the file is read", || process.shows("counted", "\"n\":2"));
        process.kill();
        process = Process::start(folder.path(), &["-w", "1"]);
        views.push(VIEWS.map(|view| process.rows(view)).to_vec());
        if part == 0 {
            process.kill();
            std::thread::sleep(Duration::from_millis(20));
            between = now();
            std::thread::sleep(Duration::from_millis(20));
            process = Process::start(folder.path(), &["-w", "1"]);
        }
    }
    process.kill();
    // It was read by the run.
    fs::write(folder.path().join("names.csv"), "k,name\n0,other\n").unwrap();
    Run { folder, between, views: views.try_into().unwrap() }
}

fn now() -> String {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    highwater::time::format_time_ms(i64::try_from(since.as_millis()).unwrap())
}

#[test]
fn d7_tables_files_and_prints_come_again_up_to_a_time() {
    let Run { folder, between, views } = run();
    let data = stand(&folder.path().join("data"));
    let seen = |process: &Process| VIEWS.map(|view| process.rows(view)).to_vec();
    for workers in ["1", "3"] {
        assert_eq!(seen(&served(folder.path(), &["-w", workers])), views[1], "-w {workers}");
        assert_eq!(seen(&served(folder.path(), &["-w", workers, "--until", &between])), views[0], "-w {workers}");
    }
    let (code, said, log) = replay(folder.path(), &[]);
    assert!(code == 0 && said.lines().count() == 1 && said.contains("101"), "{said} {log}");
    assert_eq!(replay(folder.path(), &["--until", &between]).1, "");
    // Before anything had come, and what is no time.
    let (code, _, log) = replay(folder.path(), &["--until", "2001-01-01"]);
    assert!(code == 1 && log.contains("nothing had come by then"), "{log}");
    let (code, _, log) = replay(folder.path(), &["--until", "noon"]);
    assert!(code == 2 && log.contains("write a time like"), "{log}");
    // Nothing is taken while it is served.
    let process = served(folder.path(), &[]);
    let (status, told) = process.ask("POST", "/api/v1/sources/clicks/events", "{\"k\":1}");
    assert!((400..600).contains(&status), "{status} {told}");
    let (status, told) = process.ask("POST", "/api/v1/tables/limits/rows", "{\"k\":1,\"most\":5}");
    assert!((400..600).contains(&status), "{status} {told}");
    assert_eq!((process.ask("GET", "/readyz", "").0, process.ask("GET", "/", "").0), (200, 200));
    assert_eq!(process.stop().code(), Some(0));
    assert!(stand(&folder.path().join("data")) == data, "touched");
    // Another file than the run had read.
    fs::write(folder.path().join("in.csv"), "k,ts\n1,10\n2,20\n3,30\n").unwrap();
    let (code, _, log) = replay(folder.path(), &[]);
    assert!(code == 1 && log.contains("'in.csv' is another input now"), "{log}");
}

#[test]
fn d7_another_program_runs_as_if_over_what_came() {
    let Run { folder, views, .. } = run();
    let other = |from: &str, to: &str| {
        assert!(TABLES.contains(from), "{from}");
        fs::write(folder.path().join("other.sql"), TABLES.replace(from, to)).unwrap();
    };
    // A view more, of a column that no view read; and a filter.
    other("CREATE SINK", "CREATE MATERIALIZED VIEW notes AS SELECT note FROM clicks WHERE v > 105;\nCREATE SINK");
    let process = served(folder.path(), &["--program", "other.sql"]);
    assert_eq!(VIEWS.map(|view| process.rows(view)).to_vec(), views[1]);
    assert_eq!(process.rows("notes").len(), 6, "{:?}", process.rows("notes"));
    drop(process);
    let diff = |view: &str| replay(folder.path(), &["--program", "other.sql", "--diff", view]);
    assert_eq!(diff("judged").0, 0);
    let (code, _, log) = diff("notes");
    assert!(code == 2 && log.contains("the program of the run publishes no such view"), "{log}");
    other("GROUP BY n.name", "WHERE c.v <> 101 GROUP BY n.name");
    // 101 is of the key 2, which has no name.
    let (code, said, log) = diff("named");
    assert_eq!((code, said.as_str()), (0, ""), "{log}");
    other("GROUP BY n.name", "WHERE c.v < 105 GROUP BY n.name");
    let (code, said, log) = diff("named");
    assert_eq!(code, 1, "{log}");
    assert_eq!(
        said,
        "-{\"name\":\"nought\",\"n\":8}\n+{\"name\":\"nought\",\"n\":5}\n-{\"name\":\"one\",\"n\":8}\n+{\"name\":\"one\",\"n\":6}\n"
    );
    // Late is decided anew.
    other("'lateness' = '5 s'", "'lateness' = 'unbounded'");
    assert_eq!(diff("judged").0, 0);
    // Fewer columns than are kept, in another order.
    other("k BIGINT, v BIGINT, note VARCHAR, ts", "v BIGINT, k BIGINT, ts");
    assert_eq!(diff("judged").0, 0);
    for (from, to, what) in [
        ("note VARCHAR", "note VARCHAR, more INT", "source 'clicks' has no column 'more' there"),
        ("v BIGINT, note", "v INT, note", "column 'v' of source 'clicks' is INT in this program and was BIGINT"),
        (
            "INTERVAL '1' SECOND",
            "INTERVAL '2' SECOND",
            "a watermark 2000 ms behind 'ts' in this program and had a watermark 1000 ms",
        ),
        ("most BIGINT", "most INT", "table 'limits' has other columns"),
        (
            "'connector' = 'http', 'format' = 'json', 'lateness' = '5 s'",
            "'connector' = 'filesystem', 'path' = 'in.csv', 'format' = 'csv'",
            "is 'filesystem' in this program and was 'http'",
        ),
    ] {
        other(from, to);
        let (code, _, log) = replay(folder.path(), &["--program", "other.sql"]);
        assert!(code == 1 && log.contains(what), "{what}: {log}");
        assert_eq!(diff("judged").0, 2, "{what}");
    }
    fs::write(folder.path().join("other.sql"), TABLES.replace("clicks", "visits")).unwrap();
    let (code, _, log) = replay(folder.path(), &["--program", "other.sql"]);
    assert!(
        code == 1 && log.contains("it holds no rows of source 'visits'; those kept are of 'clicks', 'past'"),
        "{log}"
    );
}

#[test]
fn d7_a_replay_runs_beside_the_run_that_writes() {
    let folder = folder(&program());
    fs::create_dir(folder.path().join("out")).unwrap();
    let process = Process::start(folder.path(), &["-w", "2"]);
    let mut before = 0;
    for round in 0..4 {
        std::thread::scope(|scope| {
            let path = folder.path();
            let replaying = scope.spawn(move || replay(path, &["--out", "again"]));
            send(&process, round * 400..round * 400 + 400);
            let (code, _, log) = replaying.join().unwrap();
            assert_eq!(code, 0, "{log}");
        });
        let length = fs::metadata(folder.path().join("again/out/totals.csv")).map_or(0, |found| found.len());
        assert!(length >= before, "{length} bytes after {before}");
        before = length;
    }
    assert!(before > 1_000);
    // It still has its folder, and goes on.
    send(&process, 1_600..1_700);
    assert_eq!(process.stop().code(), Some(0));
    assert_eq!(replay(folder.path(), &["--out", "whole", "-w", "2"]).0, 0);
    assert!(files(&folder.path().join("whole/out")) == files(&folder.path().join("out")));
}

#[test]
fn what_cannot_be_replayed_is_told() {
    let folder = folder(&program());
    let told = |args: &[&str]| replay(folder.path(), args);
    let (code, _, log) = told(&[]);
    assert!(code == 2 && log.contains("data"), "{log}");
    fs::create_dir(folder.path().join("out")).unwrap();
    let process = Process::start(folder.path(), &["-w", "1"]);
    send(&process, 0..100);
    assert_eq!(process.stop().code(), Some(0));
    // Of a version that did not keep the program.
    let data = folder.path().join("data");
    let mut reader = Reader::open(Folder::read_only(&data), Lsn(0)).unwrap();
    let old = folder.path().join("old");
    let log = Log::open(Folder::lock(&old).unwrap(), Options::default()).unwrap();
    while let Some(frame) = reader.read().unwrap() {
        if frame.kind != highwater::engine::frames::PROGRAM {
            log.append(frame.kind, &[frame.bytes]).unwrap();
        }
    }
    log.close().unwrap();
    drop(log);
    let of_old = |args: &[&str]| highwater(folder.path()).args(["replay", "old"]).args(args).output().unwrap();
    let output = of_old(&[]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(2) && said.contains("name it with --program FILE"), "{said}");
    assert_eq!(of_old(&["--program", "p.sql", "--out", "again", "-w", "1"]).status.code(), Some(0));
    assert!(files(&folder.path().join("again/out")) == files(&folder.path().join("out")));
    // A byte of a block.
    let segment = data.join("00000000000000000000.log");
    let mut bytes = fs::read(&segment).unwrap();
    bytes[4096 + 60] ^= 1;
    fs::write(&segment, bytes).unwrap();
    let (code, _, log) = told(&["--out", "other"]);
    assert!(code == 1 && log.contains("the log is damaged") && log.contains("at byte 4096"), "{log}");
    assert!(!folder.path().join("other").exists());
}
