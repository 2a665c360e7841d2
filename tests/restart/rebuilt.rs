//! A program that has changed over a data directory: what came is done again with it (D13).

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::process::*;

const CLICKS: &str = "CREATE SOURCE clicks (id VARCHAR, page VARCHAR, ms BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '2' SECOND)
  WITH ('connector' = 'http', 'format' = 'json', 'lateness' = '3 s', 'dedup.key' = 'id', 'dedup.horizon' = '1 hour');
";
const ORDERS: &str = "CREATE SOURCE orders (id VARCHAR, amount BIGINT) WITH ('connector' = 'http', 'format' = 'json');
";
const TABLES: &str = "CREATE TABLE notes (page VARCHAR PRIMARY KEY, note VARCHAR);
";
const KEPT: &str = "CREATE SINK kept WITH ('connector' = 'filesystem', 'path' = 'kept.ndjson', 'format' = 'json') AS SELECT id, page, ms, ts FROM clicks;
";

/// Both sources, a table before another, a view, and a sink that the other program has otherwise.
fn before() -> String {
    format!(
        "{ORDERS}{CLICKS}CREATE TABLE gone (k BIGINT PRIMARY KEY);\n{TABLES}{KEPT}
        CREATE MATERIALIZED VIEW totals AS SELECT page, COUNT(*) AS n FROM clicks GROUP BY page;
        CREATE MATERIALIZED VIEW spent AS SELECT SUM(amount) AS amount FROM orders;
        CREATE SINK changed WITH ('connector' = 'filesystem', 'path' = 'changed.ndjson', 'format' = 'json') AS SELECT page FROM clicks;"
    )
}

/// Without one source and one table, with another source before the one that stays; another view, and one that is the other way round.
fn after() -> String {
    format!(
        "CREATE SOURCE visits (k BIGINT) WITH ('connector' = 'http', 'format' = 'json');
        {TABLES}{CLICKS}{KEPT}
        CREATE MATERIALIZED VIEW counted AS SELECT COUNT(*) AS n FROM visits;
        CREATE MATERIALIZED VIEW totals AS SELECT page, SUM(ms) AS n FROM clicks GROUP BY page;
        CREATE MATERIALIZED VIEW noted AS SELECT c.id, n.note FROM clicks c JOIN notes n ON c.page = n.page;
        CREATE MATERIALIZED VIEW windows AS SELECT window_start, COUNT(*) AS n
          FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY window_start, window_end;
        CREATE SINK changed WITH ('connector' = 'filesystem', 'path' = 'changed.ndjson', 'format' = 'json') AS SELECT id FROM clicks;"
    )
}

fn clicks(process: &Process, numbers: std::ops::Range<u64>) -> Value {
    let row = |n: u64| {
        // Some are late, some are wrong.
        let ts = if n % 13 == 5 { 1 } else { n * 700 };
        let ms = if n % 17 == 3 { "\"much\"".to_owned() } else { n.to_string() };
        format!("{{\"id\":\"e{n}\",\"page\":\"p{}\",\"ms\":{ms},\"ts\":{ts}}}\n", n % 4)
    };
    process.post("/api/v1/sources/clicks/events", &numbers.map(row).collect::<String>())
}

/// The rows of a view without their versions, which are of a run's ticks.
fn shown(process: &Process, view: &str) -> Vec<String> {
    let rows = process.json(&format!("/api/v1/views/{view}/rows?limit=10000"))["rows"].take();
    let row = |row: &Value| {
        let mut row = row.as_object().unwrap().clone();
        row.retain(|column, _| !column.starts_with('_'));
        Value::from(row).to_string()
    };
    let mut rows: Vec<String> = rows.as_array().unwrap().iter().map(row).collect();
    rows.sort();
    rows
}

fn note(process: &Process, page: &str) {
    let (status, answer) =
        process.ask("POST", "/api/v1/tables/notes/rows", &format!("{{\"page\":\"{page}\",\"note\":\"of {page}\"}}"));
    assert_eq!(status, 200, "{answer}");
}

/// What `check` says of the data directory, beside a run or not.
fn checked(folder: &Path) -> String {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_highwater"));
    let output = command.current_dir(folder).args(["check", "p.sql", "--data-dir", "data"]).output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stderr));
    told
}

const VIEWS: [&str; 3] = ["totals", "noted", "windows"];

fn refused(folder: &Path, program: &str, args: &[&str]) -> String {
    fs::write(folder.join("p.sql"), program).unwrap();
    let mut process = Process::spawn(folder, args);
    assert_ne!(process.ends().code(), Some(0), "it ran");
    process.said.join("\n")
}

#[test]
fn d13_what_came_is_done_again_with_a_changed_program() {
    let folder = folder(&before());
    let process = Process::start(folder.path(), &["-w", "1"]);
    process.post("/api/v1/sources/orders/events", "{\"id\":\"o\",\"amount\":5}");
    note(&process, "p1");
    clicks(&process, 0..60);
    assert_eq!(process.ask("POST", "/api/v1/tables/gone/rows", "{\"k\":1}").0, 200);
    note(&process, "p2");
    let told = clicks(&process, 60..120);
    process.complete(&told["token"]);
    let letters = |process: &Process| {
        let all = process.json("/api/v1/sources/clicks/dead-letters?limit=1000")["dead_letters"].take();
        all.as_array()
            .unwrap()
            .iter()
            .map(|letter| (letter["reason"].to_string(), letter["position"].to_string()))
            .collect::<Vec<_>>()
    };
    let letters_before = letters(&process);
    assert!(letters_before.len() > 5);
    let path = folder.path().join("kept.ndjson");
    eventually("the sink is written", || fs::read_to_string(&path).is_ok_and(|text| text.lines().count() > 80));
    process.kill();
    let kept = fs::read_to_string(&path).unwrap();

    let rebuild = ["-w", "1", "--on-change", "rebuild"];
    fs::write(folder.path().join("p.sql"), after()).unwrap();
    let told = checked(folder.path());
    for line in [
        "  kept: source 'clicks', table 'notes', sink 'kept'\n",
        "  dropped: source 'orders', table 'gone', view 'spent'\n",
        "  rebuilt: view 'totals', sink 'changed'\n",
        "  new: source 'visits', view 'counted', view 'noted', view 'windows'\n",
        "run it with --on-change rebuild",
    ] {
        assert!(told.contains(line), "{told}");
    }
    let mut process = Process::start(folder.path(), &rebuild);
    assert!(checked(folder.path()).contains("'data' was written by this program"));
    process.has_said("113 rows that came are kept for this one, without 1 row");
    // The same of a program that was never another.
    let other = self::folder(&after());
    let never = Process::start(other.path(), &["-w", "1"]);
    note(&never, "p1");
    clicks(&never, 0..60);
    note(&never, "p2");
    let all = |process: &Process, from: u64| {
        let told = clicks(process, from..180);
        process.complete(&told["token"]);
        told
    };
    // Those that were sent before are known by their keys, but for one that was wrong and one that was late.
    let told = all(&process, 100);
    assert_eq!((&told["duplicates"], &all(&never, 60)["duplicates"]), (&18.into(), &0.into()), "{told}");
    for view in VIEWS {
        assert_eq!(shown(&process, view), shown(&never, view), "{view}");
        assert!(!shown(&process, view).is_empty());
    }
    let letters_now = letters(&process);
    assert!(
        letters_before.iter().all(|letter| letters_now.contains(letter)),
        "{letters_before:?}, now {letters_now:?}"
    );
    process.post("/api/v1/sources/visits/events", "{\"k\":1}");
    process.kill();
    never.kill();
    // From now on it is this program's, with and without the flag.
    for args in [&rebuild[..], &["-w", "2"]] {
        let process = Process::start(folder.path(), args);
        eventually("all is there", || shown(&process, "counted") == ["{\"n\":1}"]);
        assert_eq!(process.json("/api/v1/tables/notes/rows")["rows"].as_array().unwrap().len(), 2);
        assert!(!folder.path().join("data/before-2").exists());
        assert_eq!(process.stop().code(), Some(0));
    }
    // The sink that is as it was goes on with its file, the other is written anew.
    let now = fs::read_to_string(&path).unwrap();
    assert!(now.starts_with(&kept) && now.lines().count() > kept.lines().count());
    let changed = fs::read_to_string(folder.path().join("changed.ndjson")).unwrap();
    assert!(changed.starts_with("{\"id\":\"e0\"}\n") && !changed.contains("page"), "{changed}");
    assert_eq!(changed.lines().count(), now.lines().count());
    // What was kept for the program before is there still.
    fs::remove_file(&path).unwrap();
    fs::remove_file(folder.path().join("changed.ndjson")).unwrap();
    fs::rename(folder.path().join("data"), folder.path().join("rebuilt")).unwrap();
    fs::rename(folder.path().join("rebuilt/before-1"), folder.path().join("data")).unwrap();
    fs::write(folder.path().join("p.sql"), before()).unwrap();
    let process = Process::start(folder.path(), &["-w", "1"]);
    eventually("all of before is there", || shown(&process, "spent") == ["{\"amount\":5}"]);
}

#[test]
fn d13_what_decided_on_rows_must_be_as_it_was() {
    let folder = folder(&before());
    let process = Process::start(folder.path(), &["-w", "1"]);
    clicks(&process, 0..20);
    process.kill();
    let rebuild = ["-w", "1", "--on-change", "rebuild"];
    let data = || {
        let mut names: Vec<String> = fs::read_dir(folder.path().join("data"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    let there = data();
    for (from, to) in [
        ("'lateness' = '3 s'", "'lateness' = '4 s'"),
        ("INTERVAL '2' SECOND", "INTERVAL '1' SECOND"),
        ("ms BIGINT, ts", "ms BIGINT, more VARCHAR, ts"),
        ("'dedup.horizon' = '1 hour'", "'dedup.horizon' = '2 hours'"),
        ("note VARCHAR", "note BIGINT"),
    ] {
        assert_eq!(before().matches(from).count(), 1, "{from}");
        let said = refused(folder.path(), &before().replace(from, to), &rebuild);
        assert!(
            said.contains("what came cannot be done again with this program: ")
                && said.contains("declare it as it was"),
            "{said}"
        );
        assert!(said.contains("--on-change fresh"), "{said}");
        assert_eq!(data(), there, "nothing is changed");
        assert!(checked(folder.path()).contains("cannot be done again with this program: "));
    }
    let said =
        refused(folder.path(), &format!("SET 'table.local-time-zone' = 'Europe/Berlin';\n{}", before()), &rebuild);
    assert!(said.contains("clocks were those of 'UTC'") && said.contains("set the zone as it was"), "{said}");
}

/// What waited in the log is the changed program's too, whether it had been decided on or not.
#[test]
fn d13_what_was_pushed_while_a_start_went_on_is_done_again_with_a_changed_program() {
    const SPENT: &str = "CREATE MATERIALIZED VIEW spent AS SELECT SUM(amount) AS amount FROM orders;\n";
    let totals = |what: &str| {
        format!("CREATE MATERIALIZED VIEW totals AS SELECT page, {what} AS n FROM clicks GROUP BY page;\n")
    };
    // The sources have other numbers.
    let after = format!("{CLICKS}{}{ORDERS}{SPENT}", totals("SUM(ms)"));
    let (folder, other) = (folder(&format!("{ORDERS}{SPENT}{CLICKS}{}", totals("COUNT(*)"))), self::folder(&after));
    let never = Process::start(other.path(), &["-w", "1"]);
    let mut process = Process::start(folder.path(), &["-w", "1"]);
    for from in (0..60_000).step_by(3_000) {
        for process in [&process, &never] {
            clicks(process, from..from + 3_000);
        }
    }
    let orders = |process: &Process, n: u64| {
        process.post("/api/v1/sources/orders/events", &format!("{{\"id\":\"o{n}\",\"amount\":{n}}}"))
    };
    let (mut later, mut recovers, mut told) = (0, false, Value::Null);
    for round in 0..2 {
        process.kill();
        process = Process::early(folder.path(), &["-w", "1"]);
        let ranges = || (0..10).map(|n| 60_000 + round * 200 + n * 20);
        for from in ranges() {
            let told = [clicks(&process, from..from + 20), orders(&process, from)];
            later += told.iter().filter(|told| told["later"] == true).count();
        }
        recovers = process.ask("GET", "/readyz", "").0 == 503;
        if round == 0 {
            process.is_ready();
        }
        for from in ranges() {
            clicks(&never, from..from + 20);
            told = orders(&never, from);
        }
    }
    process.kill();
    assert!(later > 20 && recovers, "{later} were taken while a start went on, and the last: {recovers}");
    never.complete(&told["token"]);
    for args in [&["-w", "1", "--on-change", "rebuild"][..], &["-w", "2"]] {
        fs::write(folder.path().join("p.sql"), &after).unwrap();
        let process = Process::start(folder.path(), args);
        // The rest is decided on by then, or soon.
        for view in ["totals", "spent"] {
            eventually(view, || shown(&process, view) == shown(&never, view));
        }
        let letters = |process: &Process| process.json("/api/v1/sources/clicks/dead-letters?limit=1000").to_string();
        assert_eq!(letters(&process), letters(&never));
        let again = clicks(&process, 60_300..60_320);
        assert!(again["duplicates"].as_u64().unwrap() > 15, "{again}");
        clicks(&never, 60_300..60_320);
        process.kill();
    }
}
