//! Real processes over TCP: two and three write what one writes; one is killed and the others end, with a clear message.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Three partitions, so that every process reads.
fn program(output: &Path, bounded: bool) -> String {
    let rows = if bounded { "'number-of-rows' = '60000', " } else { "" };
    format!(
        "CREATE SOURCE readings (
           sensor_id VARCHAR, `value` DOUBLE, ts TIMESTAMP(3),
           WATERMARK FOR ts AS ts - INTERVAL '1' SECOND
         ) WITH ('connector' = 'datagen', 'kind' = 'sensor', {rows}'keys' = '50', 'disorder' = '3 s', 'partitions' = '3',
                 'rows-per-second' = '5000', 'lateness' = '500 ms');
         CREATE SINK per_sensor WITH ('connector' = 'filesystem', 'path' = '{}', 'format' = 'json') AS
         SELECT sensor_id, window_start, COUNT(*) AS readings, AVG(`value`) AS mean, MAX(`value`) AS high
         FROM TABLE(TUMBLE(TABLE readings, DESCRIPTOR(ts), INTERVAL '1' SECOND))
         GROUP BY sensor_id, window_start, window_end
         EMIT CHANGES;",
        output.display()
    )
}

/// A folder with the program and a hostfile of free ports.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new(bounded: bool, processes: usize) -> Place {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("program.sql"), program(&folder.path().join("out.ndjson"), bounded)).unwrap();
        let taken: Vec<TcpListener> = (0..processes).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let lines = taken.iter().map(|listener| format!("{}\n", listener.local_addr().unwrap()));
        fs::write(folder.path().join("hosts"), lines.collect::<String>()).unwrap();
        Place { folder }
    }

    fn start(&self, workers: usize, processes: usize, process: usize) -> Child {
        self.run("program.sql", workers, processes, process)
    }

    fn run(&self, program: &str, workers: usize, processes: usize, process: usize) -> Child {
        let mut command = Command::new(env!("CARGO_BIN_EXE_highwater"));
        command.arg("run").arg(self.folder.path().join(program)).args(["--no-serve", "--exit-at-end"]);
        command.args(["-w", &workers.to_string(), "--tick-rows", "500"]);
        if processes > 1 {
            command.args(["-n", &processes.to_string(), "-p", &process.to_string()]);
            command.arg("--hostfile").arg(self.folder.path().join("hosts"));
        }
        command.env("NO_COLOR", "1").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
    }

    fn output(&self) -> String {
        fs::read_to_string(self.folder.path().join("out.ndjson")).unwrap_or_default()
    }
}

/// How a process ended, and what it said; it is killed if it has not by then.
fn ended(mut child: Child, within: Duration) -> (Option<ExitStatus>, String) {
    let deadline = Instant::now() + within;
    let status = loop {
        match child.try_wait().unwrap() {
            Some(status) => break Some(status),
            None if Instant::now() >= deadline => {
                child.kill().unwrap();
                child.wait().unwrap();
                break None;
            }
            None => std::thread::sleep(Duration::from_millis(10)),
        }
    };
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    (status, said)
}

fn run(workers: usize, processes: usize) -> String {
    let place = Place::new(true, processes);
    let children: Vec<Child> = (0..processes).map(|process| place.start(workers, processes, process)).collect();
    for (process, child) in children.into_iter().enumerate() {
        let (status, said) = ended(child, Duration::from_secs(120));
        assert!(status.is_some_and(|status| status.success()), "process {process}: {status:?}\n{said}");
    }
    place.output()
}

#[test]
fn c4_two_and_three_processes_write_what_one_writes() {
    let alone = run(2, 1);
    assert!(alone.lines().count() > 1_000, "{} lines", alone.lines().count());
    for (workers, processes) in [(1, 2), (2, 2), (1, 3)] {
        assert!(run(workers, processes) == alone, "{processes} processes of {workers} workers");
    }
}

#[test]
fn a_killed_process_ends_the_others_with_a_message() {
    let place = Place::new(false, 3);
    let mut children: Vec<Child> = (0..3).map(|process| place.start(1, 3, process)).collect();
    let deadline = Instant::now() + Duration::from_secs(60);
    while place.output().is_empty() {
        assert!(Instant::now() < deadline, "nothing was written");
        std::thread::sleep(Duration::from_millis(20));
    }
    let mut killed = children.remove(1);
    killed.kill().unwrap();
    killed.wait().unwrap();
    for child in children {
        let (status, said) = ended(child, Duration::from_secs(10));
        let status = status.unwrap_or_else(|| panic!("it went on: {said}"));
        assert_eq!(status.code(), Some(1), "{said}");
        assert!(said.contains("peer process") && said.contains("is gone"), "{said}");
    }
}

#[test]
fn processes_that_do_not_fit_together_refuse_each_other() {
    let place = Place::new(true, 2);
    let children = [place.start(1, 2, 0), place.start(2, 2, 1)];
    for child in children {
        let (status, said) = ended(child, Duration::from_secs(20));
        assert_eq!(status.and_then(|status| status.code()), Some(1), "{said}");
        assert!(said.contains("the same -w") || said.contains("hostfile"), "{said}");
    }
}

/// Whatever makes other rows of the same input: both refuse, and say in what they differ.
#[test]
fn processes_whose_programs_differ_refuse_each_other_and_say_in_what() {
    let place = Place::new(true, 2);
    let path = |name: &str| place.folder.path().join(name);
    let sink = path("out.ndjson").display().to_string();
    let program = format!(
        "CREATE SOURCE readings (sensor_id VARCHAR, `value` DOUBLE, twice AS `value` * 2, ts TIMESTAMP(3),
           WATERMARK FOR ts AS ts - INTERVAL '1' SECOND)
         WITH ('connector' = 'datagen', 'kind' = 'sensor', 'number-of-rows' = '600', 'keys' = '5', 'partitions' = '2');
         CREATE SINK per_sensor WITH ('connector' = 'filesystem', 'path' = '{sink}', 'format' = 'json') AS
         SELECT sensor_id, window_start, SUM(twice) AS total
         FROM TABLE(TUMBLE(TABLE readings, DESCRIPTOR(ts), INTERVAL '2' SECOND)) WHERE `value` > 1
         GROUP BY sensor_id, window_start, window_end;"
    );
    fs::write(path("program.sql"), &program).unwrap();
    for (from, to, what, of) in [
        ("`value` > 1", "`value` > 2", "where value > 1", "operator"),
        ("ts - INTERVAL '1' SECOND", "ts - INTERVAL '3' SECOND", "watermark 1000 ms behind", "source 'readings'"),
        ("`value` * 2", "`value` * 3", "source 'readings'", "source 'readings'"),
        ("INTERVAL '2' SECOND)) ", "INTERVAL '4' SECOND)) ", "tumble(ts, 2 s)", "of sink 'per_sensor'"),
        ("'format' = 'json'", "'format' = 'csv'", "'format' = 'json'", "sink 'per_sensor'"),
        (
            "CREATE SOURCE",
            "SET 'table.local-time-zone' = 'Europe/Berlin'; CREATE SOURCE",
            "'Europe/Berlin'",
            "setting 'table.local-time-zone' differs",
        ),
        (
            "CREATE SOURCE",
            "SET 'operators' = 'differential'; CREATE SOURCE",
            "here 'differential'; there 'own'",
            "setting 'operators' differs",
        ),
    ] {
        assert_eq!(program.matches(from).count(), 1, "{from}");
        fs::write(path("other.sql"), program.replace(from, to)).unwrap();
        let children = [place.run("program.sql", 1, 2, 0), place.run("other.sql", 1, 2, 1)];
        let mut said = String::new();
        for child in children {
            let (status, words) = ended(child, Duration::from_secs(30));
            assert_eq!(status.and_then(|status| status.code()), Some(1), "{from} and {to}: {words}");
            assert!(words.contains("it runs another dataflow") || words.contains("left while greeting"), "{words}");
            said += &words;
        }
        assert!(said.contains(what) && said.contains(of), "{from} and {to}: {said}");
    }
}

/// Rows on which expressions fail, in three files, so that every process reads some.
fn write_failing(folder: &Path) {
    fs::create_dir_all(folder.join("in")).unwrap();
    for file in 0..3_i64 {
        let row = |n: i64| {
            let (k, d) = ((n * 7 + file) % 11, (n + file) % 4);
            let g = if n % 5 == 0 { 3_000_000_000 } else { n };
            format!("{{\"k\":{k},\"d\":{d},\"g\":{g},\"ts\":{}}}\n", n * 100 + file)
        };
        fs::write(folder.join(format!("in/{file}.ndjson")), (0..120).map(row).collect::<String>()).unwrap();
    }
    let out = |name: &str| {
        let path = folder.join(name).display().to_string();
        format!("('connector' = 'filesystem', 'path' = '{path}', 'format' = 'json')")
    };
    let program = format!(
        "CREATE TABLE s (k BIGINT, d BIGINT, g BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH {};
         CREATE MATERIALIZED VIEW projected AS SELECT k, 10 / d AS q FROM s;
         CREATE MATERIALIZED VIEW filtered AS SELECT k FROM s WHERE CAST(g AS INT) > 0;
         CREATE MATERIALIZED VIEW joined AS SELECT a.k, b.d FROM s AS a JOIN s AS b
           ON a.k = b.k AND a.ts = b.ts AND a.g / b.d >= 0;
         CREATE MATERIALIZED VIEW summed AS SELECT k, SUM(100 / d) AS q, COUNT(*) AS n FROM s GROUP BY k HAVING 10 / (SUM(d) - 24) > -100;
         CREATE MATERIALIZED VIEW hourly AS SELECT window_start, MAX(CAST(g AS INT)) AS g
           FROM TABLE(TUMBLE(TABLE s, DESCRIPTOR(ts), INTERVAL '2' SECOND)) GROUP BY window_start, window_end;
         CREATE MATERIALIZED VIEW matched AS SELECT * FROM s MATCH_RECOGNIZE (PARTITION BY k ORDER BY ts
           MEASURES A.d AS x, B.d AS y PATTERN (A B) WITHIN INTERVAL '3' SECOND DEFINE B AS A.d / B.d > 0);
         CREATE SINK below WITH {} AS SELECT k, SUM(q) AS q FROM projected GROUP BY k;",
        out("in/"),
        out("below.ndjson")
    );
    fs::write(folder.join("failing.sql"), program).unwrap();
}

/// What failed, by who misses it, and how often, as the files of all processes say together; and the number of rows in the last
/// line of each.
fn failing(workers: usize, processes: usize) -> (BTreeMap<String, i64>, Vec<String>) {
    let place = Place::new(true, processes);
    let folder = place.folder.path();
    write_failing(folder);
    let start = |process: usize| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_highwater"));
        command.arg("run").arg(folder.join("failing.sql")).args(["--listen", "127.0.0.1:0", "--exit-at-end"]);
        command
            .args(["-w", &workers.to_string(), "--tick-rows", "50", "--dead-letters"])
            .arg(folder.join("dead.ndjson"));
        if processes > 1 {
            command.args(["-n", &processes.to_string(), "-p", &process.to_string(), "--hostfile"]);
            command.arg(folder.join("hosts"));
        }
        command.env("NO_COLOR", "1").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let children: Vec<Child> = (0..processes).map(start).collect();
    let (mut letters, mut numbers) = (BTreeMap::new(), Vec::new());
    for (process, child) in children.into_iter().enumerate() {
        let (status, said) = ended(child, Duration::from_secs(120));
        assert!(status.is_some_and(|status| status.success()), "process {process}: {status:?}\n{said}");
        let number =
            said.split(" rows failed").next().and_then(|before| before.rsplit([' ', '\n']).next()).unwrap_or("");
        let name = if process == 0 { "dead.ndjson".to_owned() } else { format!("dead.ndjson.{process}") };
        for line in fs::read_to_string(folder.join(name)).unwrap().lines() {
            let letter: serde_json::Value = serde_json::from_str(line).unwrap();
            let count = letter["count"].as_i64().unwrap();
            let what =
                ["view", "sink", "expression", "detail", "content"].map(|name| letter[name].to_string()).join(" ");
            *letters.entry(what).or_insert(0) += count;
        }
        numbers.push(number.to_owned());
    }
    letters.retain(|_, count| *count != 0);
    (letters, numbers)
}

#[test]
fn rows_that_fail_are_told_once_and_whole_by_any_number_of_processes() {
    let (alone, number) = failing(2, 1);
    let of = |name: &str| alone.iter().filter(|(what, _)| what.starts_with(name)).map(|(_, count)| count).sum::<i64>();
    // Of 360 rows a fourth divides by 0, and a fifth is beyond INT.
    assert_eq!((of("\"projected\""), of("null \"below\""), of("\"filtered\""), of("\"hourly\"")), (90, 90, 72, 72));
    assert!(of("\"joined\"") >= 90 && of("\"summed\"") >= 90 && of("\"matched\"") > 0);
    assert!(number[0].parse::<u64>().is_ok(), "{number:?}");
    for (workers, processes) in [(1, 2), (2, 2), (1, 3)] {
        let (letters, numbers) = failing(workers, processes);
        let differs = || alone.iter().find(|(what, count)| letters.get(*what) != Some(count));
        assert!(letters == alone, "{processes} processes of {workers}: {:?}", differs());
        assert_eq!(numbers, vec![number[0].clone(); processes]);
    }
}
