//! A folder that is watched while the run goes on.

use super::*;

const WATCHED: &str = "CREATE SOURCE t (k VARCHAR, n INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts)
WITH ('connector' = 'filesystem', 'path' = 'in/', 'format' = 'csv', 'source.monitor-interval' = '50 ms');
CREATE MATERIALIZED VIEW seen AS SELECT k, SUM(n) AS n FROM t GROUP BY k;
CREATE SINK out WITH ('connector' = 'filesystem', 'path' = 'out.ndjson', 'format' = 'json') AS SELECT k, n FROM t;
";

/// Waits for an answer with this in it.
fn until(address: &str, path: &str, wanted: &str) {
    let end = Instant::now() + PATIENCE;
    loop {
        let answer = get(address, path);
        if answer.contains(wanted) {
            return;
        }
        assert!(Instant::now() < end, "never {wanted} at {path}: {answer}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn row(k: &str, n: u32, second: u32) -> String {
    format!("{k},{n},2026-01-01 00:00:{second:02}\n")
}

#[test]
fn files_that_appear_are_read_once_one_after_another_by_path() {
    let folder = folder(WATCHED);
    let there = |name: &str| folder.path().join("in").join(name);
    // Whole when it appears.
    let put = |name: &str, text: &[u8]| {
        fs::write(there(".part"), text).unwrap();
        fs::rename(there(".part"), there(name)).unwrap();
    };
    fs::create_dir(folder.path().join("in")).unwrap();
    let mut run = Running::start(command(folder.path(), &["run", "p.sql", "--listen", "127.0.0.1:0", "--exit-at-end"]));
    let address = served_at(&mut run);
    let seen = "/api/v1/views/seen/rows";
    fs::write(there("_half.csv"), "k,n,ts\n").unwrap();
    put("b.csv", format!("k,n,ts\n{}{}", row("b", 1, 5), row("b", 2, 6)).as_bytes());
    until(&address, seen, "\"k\":\"b\",\"n\":3");
    // In the order of columns that its own header has, packed; and one whose rows are late by now.
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(b"n,ts,k\n7,2026-01-01 00:00:09,c\n").unwrap();
    put("c.csv.gz", &packed.finish().unwrap());
    until(&address, seen, "\"k\":\"c\",\"n\":7");
    put("a.csv", format!("k,n,ts\n{}{}", row("a", 4, 1), row("a", 8, 20)).as_bytes());
    until(&address, seen, "\"k\":\"a\",\"n\":8");
    until(&address, "/api/v1/sources/t/dead-letters", "in/a.csv:2");
    // What was read is not read again, whatever becomes of it.
    put("b.csv", format!("k,n,ts\n{}", row("b", 100, 30)).as_bytes());
    fs::remove_file(there("c.csv.gz")).unwrap();
    put("d.csv", format!("k,n,ts\n{}", row("d", 16, 40)).as_bytes());
    until(&address, seen, "\"k\":\"d\",\"n\":16");
    assert!(!get(&address, seen).contains("103"), "b.csv was read again");
    run.signal("-TERM");
    // It has no end, so that it was told to end is no reason to complain.
    assert_eq!(run.ends().code(), Some(0), "{:?}", run.said);
    let written = fs::read_to_string(folder.path().join("out.ndjson")).unwrap();
    let rows = [("b", 1), ("b", 2), ("c", 7), ("a", 8), ("d", 16)];
    assert_eq!(written, rows.map(|(k, n)| format!("{{\"k\":\"{k}\",\"n\":{n}}}\n")).concat());
}

/// A pipe is opened once somebody writes to it, and ends when nobody does any more.
#[test]
fn a_source_and_its_splits_tell_how_they_stand() {
    let folder = folder(
        "CREATE SOURCE t (n INT) WITH ('connector' = 'filesystem', 'path' = 'pipe.ndjson', 'format' = 'json');
        CREATE MATERIALIZED VIEW seen AS SELECT COUNT(*) AS n FROM t;",
    );
    let pipe = folder.path().join("pipe.ndjson");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let mut run = Running::start(command(folder.path(), &["run", "p.sql", "--listen", "127.0.0.1:0"]));
    let address = served_at(&mut run);
    let stands = |state: &str| {
        let split = format!("\"splits\":[{{\"name\":\"pipe.ndjson\",\"split\":\"pipe.ndjson\",\"state\":\"{state}\",");
        until(&address, "/api/v1/sources/t", &split);
        until(&address, "/api/v1/sources/t", &format!("\"state\":\"{state}\",\"reason\":null,\"retry_in_ms\":null"));
        until(&address, "/api/v1/health", &format!("\"connector\":\"filesystem\",\"state\":\"{state}\""));
        until(&address, "/metrics", &format!("highwater_source_state{{source=\"t\",state=\"{state}\"}} 1"));
        until(&address, "/metrics", &format!("highwater_source_splits{{source=\"t\",state=\"{state}\"}} 1"));
    };
    stands("connecting");
    let mut writer = fs::OpenOptions::new().write(true).open(&pipe).unwrap();
    stands("running");
    writer.write_all(b"{\"n\":1}\n").unwrap();
    drop(writer);
    stands("ended");
    run.signal("-TERM");
    assert_eq!(run.ends().code(), Some(0), "{:?}", run.said);
}

/// What is moved away while it is written, or watched, is told of, and what follows goes on in its place.
#[test]
fn what_is_moved_away_is_told_of_and_nothing_is_lost() {
    let mut program = WATCHED.to_owned();
    for (name, path) in [("rows", "rows.csv"), ("parts", "parts/"), ("by", "by/")] {
        let (format, by) = if name == "by" { ("json", " PARTITIONED BY (k)") } else { ("csv", "") };
        program += &format!(
            "CREATE SINK {name}{by} WITH ('connector' = 'filesystem', 'path' = '{path}', 'format' = '{format}') AS SELECT k, n FROM t;\n"
        );
    }
    let folder = folder(&program);
    let there = |name: &str| folder.path().join(name);
    let put = |name: &str, rows: String| {
        fs::write(there("in/.part"), format!("k,n,ts\n{rows}")).unwrap();
        fs::rename(there("in/.part"), there("in").join(name)).unwrap();
    };
    fs::create_dir(there("in")).unwrap();
    let mut run = Running::start(command(folder.path(), &["run", "p.sql", "--listen", "127.0.0.1:0", "-w", "1"]));
    let address = served_at(&mut run);
    let file = |name: &str| fs::read_to_string(there(name)).unwrap_or_default();
    let wait = |name: &str, wanted: &str| {
        let end = Instant::now() + PATIENCE;
        while file(name) != wanted {
            assert!(Instant::now() < end, "{name} is {:?}, not {wanted:?}", file(name));
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    let all = ["rows.csv", "parts/part-0.csv", "by/k=a/part-0.json", "out.ndjson"];
    put("a.csv", row("a", 1, 1));
    let first = ["k,n\na,1\n", "k,n\na,1\n", "{\"n\":1}\n", "{\"k\":\"a\",\"n\":1}\n"];
    all.iter().zip(first).for_each(|(name, wanted)| wait(name, wanted));
    fs::rename(there("rows.csv"), there("old.csv")).unwrap();
    fs::remove_dir_all(there("parts")).unwrap();
    fs::remove_dir_all(there("by")).unwrap();
    put("b.csv", row("a", 2, 2));
    let second = ["k,n\na,2\n", "k,n\na,2\n", "{\"n\":2}\n", "{\"k\":\"a\",\"n\":1}\n{\"k\":\"a\",\"n\":2}\n"];
    all.iter().zip(second).for_each(|(name, wanted)| wait(name, wanted));
    assert_eq!(file("old.csv"), first[0]);
    run.hears("sink 'rows': rows.csv was moved, removed or emptied");
    fs::rename(there("in"), there("away")).unwrap();
    until(&address, "/api/v1/health", "\"state\":\"retrying\",\"reason\":\"the folder is not there");
    until(&address, "/api/v1/sources/t", "\"state\":\"retrying\",\"reason\":\"the folder is not there");
    fs::rename(there("away"), there("in")).unwrap();
    until(&address, "/api/v1/sources/t", "\"state\":\"running\",\"reason\":null");
    put("c.csv", row("a", 3, 3));
    wait("rows.csv", "k,n\na,2\na,3\n");
    // As who rotates logs by copying them does.
    fs::write(there("rows.csv"), "").unwrap();
    put("d.csv", row("a", 4, 4));
    wait("rows.csv", "k,n\na,4\n");
    run.signal("-TERM");
    assert_eq!(run.ends().code(), Some(0), "{:?}", run.said);
}

#[test]
fn what_cannot_be_watched_is_refused() {
    for (program, code, told) in [
        (WATCHED.replace("'50 ms'", "'0 ms'"), 2, "write 1 ms or more"),
        (WATCHED.replace("'in/'", "'in.ndjson'"), 1, "no folder there to watch"),
        (
            "CREATE TABLE r (k VARCHAR PRIMARY KEY) WITH ('path' = 'in.ndjson', 'source.monitor-interval' = '1 s');
            CREATE MATERIALIZED VIEW v AS SELECT * FROM r;"
                .to_owned(),
            2,
            "is read once, when it starts",
        ),
    ] {
        let folder = folder(&program);
        let (found, _, said) = run(folder.path(), &["run", "p.sql", "--no-serve", "--exit-at-end"]);
        assert!(found == Some(code) && said.contains(told), "{found:?} {said}");
    }
}

/// What is not read is named: a file that grows after it was read, and a folder that is by no column.
#[test]
fn what_is_not_read_of_a_watched_folder_is_named() {
    let folder = folder(WATCHED);
    let there = |name: &str| folder.path().join("in").join(name);
    fs::create_dir_all(there("deep")).unwrap();
    fs::write(there("deep/x.csv"), "k,n,ts\n").unwrap();
    fs::write(there("a.csv"), format!("k,n,ts\n{}", row("a", 1, 1))).unwrap();
    let mut run = Running::start(command(folder.path(), &["run", "p.sql", "--listen", "127.0.0.1:0"]));
    let address = served_at(&mut run);
    until(&address, "/api/v1/views/seen/rows", "\"k\":\"a\",\"n\":1");
    let passed_over = "1 folder in 'in/' is passed over, the first 'in/deep'";
    if !run.said.iter().any(|line| line.contains(passed_over)) {
        run.hears(passed_over);
    }
    // It is at its end by then, and looked at again.
    std::thread::sleep(Duration::from_millis(300));
    fs::OpenOptions::new().append(true).open(there("a.csv")).unwrap().write_all(row("a", 5, 2).as_bytes()).unwrap();
    run.hears("in/a.csv was written to after it was read: a file is read once");
    run.signal("-INT");
    assert_eq!(run.ends().code(), Some(0));
}
