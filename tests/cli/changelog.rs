//! What a sink writes of rows that come and go is read back as a changelog, in every format.

use std::collections::BTreeMap;

use super::*;

const COLUMNS: &str = "k VARCHAR, n BIGINT, total DECIMAL(20, 2), mean DOUBLE, `last` TIMESTAMP(3)";

/// The rows that are left of changes as lines of JSON.
fn left(lines: &str) -> BTreeMap<String, i64> {
    let mut rows = BTreeMap::new();
    for line in lines.lines() {
        let (op, rest) = line.strip_prefix("{\"_op\":\"").unwrap().split_once('"').unwrap();
        let row = rest.split_once("\"_epoch\":\"").unwrap().1.split_once("\",").unwrap().1;
        let count: &mut i64 = rows.entry(row.to_owned()).or_default();
        *count += if op == "insert" { 1 } else { -1 };
        assert!(*count >= 0, "{row} was taken back before it came");
    }
    rows.retain(|_, count| *count != 0);
    rows
}

#[test]
fn k1_what_a_sink_writes_is_read_back_as_what_is_there() {
    let folder = folder("");
    let rows: String = (0..400)
        .map(|n| {
            let (k, x) = (n * n % 23, n % 7);
            format!("{{\"k\":\"k{k}\",\"x\":{x}.25,\"ts\":\"2026-01-01T00:{:02}:{:02}Z\"}}\n", n / 60, n % 60)
        })
        .collect();
    fs::write(folder.path().join("in.ndjson"), rows).unwrap();
    let sink = |path: &str| format!("'connector' = 'filesystem', 'path' = '{path}'");
    let paths = ["v.json", "v.csv", "v.msgpack", "v.arrow", "v.parquet", "parts/"];
    let mut write = "CREATE SOURCE t (k VARCHAR, x DECIMAL(10, 2), ts TIMESTAMP(3), WATERMARK FOR ts AS ts)
        WITH ('connector' = 'filesystem', 'path' = 'in.ndjson', 'format' = 'json');
        CREATE VIEW v AS SELECT k, COUNT(*) AS n, CAST(SUM(x) AS DECIMAL(20, 2)) AS total,
            AVG(CAST(x AS DOUBLE)) AS mean, MAX(ts) AS `last` FROM t GROUP BY k HAVING MOD(COUNT(*), 3) <> 0;\n"
        .to_owned();
    let (mut read, mut again) = (String::new(), Vec::new());
    for (at, path) in paths.iter().enumerate() {
        write += &format!("CREATE SINK s{at} WITH ({}) AS SELECT * FROM v;\n", sink(path));
        for kind in ["retract", "upsert"] {
            let format = if path.ends_with('/') { ", 'format' = 'json'" } else { "" };
            read += &format!(
                "CREATE SOURCE {kind}{at} ({COLUMNS}, PRIMARY KEY (k) NOT ENFORCED)
                 WITH ({}{format}, 'changelog' = '{kind}');
                 CREATE SINK {kind}{at}_again WITH ({}) AS SELECT * FROM {kind}{at};\n",
                sink(path),
                sink(&format!("{kind}{at}.ndjson")),
            );
            again.push((path, format!("{kind}{at}.ndjson")));
        }
    }
    fs::write(folder.path().join("write.sql"), write).unwrap();
    fs::write(folder.path().join("read.sql"), read).unwrap();
    for (program, workers) in [("write.sql", "3"), ("read.sql", "2")] {
        let flags =
            ["run", program, "--no-serve", "--exit-at-end", "--tick-rows", "7", "--max-rejected", "0", "-w", workers];
        let (code, _, said) = run(folder.path(), &flags);
        assert_eq!(code, Some(0), "{program}: {said}");
    }
    let expected = left(&fs::read_to_string(folder.path().join("v.json")).unwrap());
    assert!(expected.len() > 5, "{expected:?}");
    for (path, file) in again {
        let found = left(&fs::read_to_string(folder.path().join(&file)).unwrap());
        assert_eq!(found, expected, "{path} read into {file}");
    }
}

/// Numbers that look random, the same for the same seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }
}

/// Runs a program whose sink writes `out.ndjson`, with all ticks and numbers of workers: the rows that are left are these whatever the
/// ticks, and the bytes the same whatever the workers. `refused` is how many dead letters there are.
fn holds(folder: &Path, program: &str, expected: &BTreeMap<String, i64>, refused: usize) {
    fs::write(folder.join("p.sql"), program).unwrap();
    for tick in ["1", "10", "8192"] {
        let mut first: Option<String> = None;
        for workers in ["1", "2", "3"] {
            let flags = ["run", "p.sql", "--no-serve", "--exit-at-end", "--tick-rows", tick, "-w", workers];
            let (code, _, said) = run(folder, &[&flags[..], &["--dead-letters", "dead.ndjson"]].concat());
            assert_eq!(code, Some(0), "{program}: {said}");
            let written = fs::read_to_string(folder.join("out.ndjson")).unwrap();
            assert_eq!(&left(&written), expected, "tick {tick}, {workers} workers\n{program}");
            let dead = fs::read_to_string(folder.join("dead.ndjson")).unwrap_or_default();
            assert_eq!(dead.lines().count(), refused, "tick {tick}, {workers} workers\n{program}\n{dead}");
            match &first {
                None => first = Some(written),
                Some(first) => assert_eq!(first, &written, "tick {tick}, {workers} workers\n{program}"),
            }
        }
    }
}

const SINK: &str =
    "CREATE SINK o WITH ('connector' = 'filesystem', 'path' = 'out.ndjson', 'format' = 'json') AS SELECT * FROM t;\n";

fn shown(id: u64, v: u64, second: u64) -> String {
    format!("\"id\":{id},\"v\":{v},\"ts\":\"{}\"}}", at(second).replace('Z', ".000Z"))
}

fn at(second: u64) -> String {
    format!("2026-01-01T{:02}:{:02}:{:02}Z", second / 3600, second / 60 % 60, second % 60)
}

/// Files with more than one digit, so that their order by number is not that by letters.
fn file(number: usize) -> String {
    format!("in/changes-{}.ndjson", number + 8)
}

#[test]
fn k2_the_row_of_a_key_does_not_depend_on_how_files_are_batched() {
    for seed in 0..4 {
        let (folder, mut dice) = (folder(""), Dice(seed));
        fs::create_dir(folder.path().join("in")).unwrap();
        let mut in_turn: BTreeMap<u64, Option<String>> = BTreeMap::new();
        let mut by_time: BTreeMap<u64, ((u64, usize), Option<String>)> = BTreeMap::new();
        for number in 0..4 {
            let (mut lines, mut second) = (String::new(), 0);
            for row in 0..60 + dice.below(60) {
                let (id, v) = (dice.below(12), row * 10 + number as u64);
                let known = |known: Option<&Option<String>>| known.is_some_and(Option::is_some);
                let newest = |second| (second, number) >= by_time.get(&id).map_or((0, 0), |newest| newest.0);
                // What goes is there either way, so nothing is unknown; it stands where the latest row of its file does.
                let goes = row > 0 && dice.below(3) == 0 && newest(second) && known(in_turn.get(&id));
                let goes = goes && known(by_time.get(&id).map(|newest| &newest.1));
                second += if goes { 0 } else { dice.below(3) };
                let now = (!goes).then(|| shown(id, v, second));
                lines += &match goes {
                    true => format!("{{\"id\":{id},\"_op\":\"delete\"}}\n"),
                    false => format!("{{\"id\":{id},\"v\":{v},\"ts\":\"{}\"}}\n", at(second)),
                };
                in_turn.insert(id, now.clone());
                if newest(second) {
                    by_time.insert(id, ((second, number), now));
                }
            }
            fs::write(folder.path().join(file(number)), lines).unwrap();
        }
        let source = |watermark: &str| {
            format!(
                "CREATE SOURCE t (id INT, v INT, ts TIMESTAMP(3), PRIMARY KEY (id) NOT ENFORCED{watermark})
                 WITH ('connector' = 'filesystem', 'path' = 'in/', 'format' = 'json', 'changelog' = 'upsert');\n{SINK}"
            )
        };
        let rows = in_turn.into_values().flatten().map(|row| (row, 1)).collect();
        holds(folder.path(), &source(""), &rows, 0);
        let rows = by_time.into_values().filter_map(|(_, row)| Some((row?, 1))).collect();
        holds(folder.path(), &source(", WATERMARK FOR ts AS ts"), &rows, 0);
    }
}

#[test]
fn k2_what_one_file_brings_another_takes_back() {
    for seed in 0..4 {
        let (folder, mut dice) = (folder(""), Dice(seed));
        fs::create_dir(folder.path().join("in")).unwrap();
        let mut there: Vec<(u64, u64, u64)> = Vec::new();
        let mut second = 0;
        for number in 0..4 {
            let mut lines = String::new();
            for v in 0..60 + dice.below(60) {
                second += dice.below(3);
                let back = dice.below(2) == 0 && !there.is_empty();
                let (op, (id, v, time)) = match back {
                    true => ("-D", there.swap_remove(dice.below(there.len() as u64) as usize)),
                    false => {
                        there.push((dice.below(9), v, second));
                        ("+I", there[there.len() - 1])
                    }
                };
                lines += &format!("{{\"_op\":\"{op}\",\"id\":{id},\"v\":{v},\"ts\":\"{}\"}}\n", at(time));
            }
            fs::write(folder.path().join(file(number)), lines).unwrap();
        }
        // The last file takes back what never came; where it stands is told.
        fs::write(
            folder.path().join("in/changes-12.ndjson"),
            format!("\n{{\"_op\":\"-D\",\"id\":7,\"v\":7777,\"ts\":\"{}\"}}\n", at(second)),
        )
        .unwrap();
        let mut rows = BTreeMap::new();
        there.iter().for_each(|&(id, v, time)| *rows.entry(shown(id, v, time)).or_default() += 1);
        for watermark in ["", ", WATERMARK FOR ts AS ts - INTERVAL '1' DAY"] {
            let program = format!(
                "CREATE SOURCE t (id INT, v INT, ts TIMESTAMP(3){watermark})
                 WITH ('connector' = 'filesystem', 'path' = 'in/*', 'format' = 'json', 'changelog' = 'retract');\n{SINK}"
            );
            holds(folder.path(), &program, &rows, 1);
            let dead = fs::read_to_string(folder.path().join("dead.ndjson")).unwrap();
            assert!(dead.contains("\"position\":\"in/changes-12.ndjson:2\",\"reason\":\"unknown\""), "{dead}");
        }
    }
}

#[test]
fn c2_envelopes_whose_rows_change_their_keys_are_one_change() {
    let ids = "CREATE SINK o WITH ('connector' = 'filesystem', 'path' = 'out.ndjson', 'format' = 'json') AS SELECT id, v FROM t;
        CREATE SINK n WITH ('connector' = 'filesystem', 'path' = 'n.ndjson', 'format' = 'json') AS SELECT COUNT(*) AS n FROM t;\n";
    for seed in 0..4 {
        let (folder, mut dice) = (folder(""), Dice(seed));
        fs::create_dir(folder.path().join("in")).unwrap();
        let mut table: BTreeMap<u64, u64> = (0..10).map(|id| (id, 0)).collect();
        let row = |id: u64, v: u64| format!("{{\"id\":{id},\"v\":{v}}}");
        let created = |(id, v): (&u64, &u64)| format!("{{\"op\":\"r\",\"after\":{}}}\n", row(*id, *v));
        let mut lines: String = table.iter().map(created).collect();
        for number in 0..3 {
            for v in 0..60 {
                let old = *table.keys().nth(dice.below(10) as usize).unwrap();
                let was = table.remove(&old).unwrap();
                let id = if dice.below(2) == 0 { old } else { dice.below(1000) + 10 };
                let id = if table.contains_key(&id) { old } else { id };
                table.insert(id, v);
                let (before, after) = (row(old, was), row(id, v));
                lines += &format!("{{\"op\":\"u\",\"before\":{before},\"after\":{after}}}\n");
            }
            fs::write(folder.path().join(file(number)), std::mem::take(&mut lines)).unwrap();
        }
        fs::write(
            folder.path().join("in/changes-11.ndjson"),
            "null\n{\"op\":\"d\",\"before\":{\"id\":5000,\"v\":1}}\n",
        )
        .unwrap();
        let rows = table.iter().map(|(id, v)| (format!("\"id\":{id},\"v\":{v}}}"), 1)).collect();
        for key in [", PRIMARY KEY (id) NOT ENFORCED", ""] {
            let program = format!(
                "CREATE SOURCE t (id INT, v INT{key}) WITH ('connector' = 'filesystem', 'path' = 'in/', 'format' = 'debezium-json');\n{ids}"
            );
            holds(folder.path(), &program, &rows, 1);
            let dead = fs::read_to_string(folder.path().join("dead.ndjson")).unwrap();
            assert!(dead.contains("\"position\":\"in/changes-11.ndjson:2\""), "{dead}");
            fs::write(folder.path().join("p.sql"), &program).unwrap();
            let (code, _, said) =
                run(folder.path(), &["run", "p.sql", "--no-serve", "--exit-at-end", "--tick-rows", "1"]);
            assert_eq!(code, Some(0), "{said}");
            // Once all are there, an update leaves as many as it finds.
            let counts = fs::read_to_string(folder.path().join("n.ndjson")).unwrap();
            assert_eq!(counts.matches("\"_op\":\"insert\"").count(), 10, "{counts}");
        }
    }
}

#[test]
fn k1_what_a_sink_writes_into_many_files_is_read_back() {
    let folder = folder("");
    let row = |n: u64| {
        let (id, k, v) = (n * 7 % 300, n / 20 % 150, n % 5);
        format!("{{\"id\":\"i{id}\",\"k\":\"k{k}\",\"v\":{v},\"ts\":\"{}\"}}\n", at(n))
    };
    fs::write(folder.path().join("in.ndjson"), (0..6000).map(row).collect::<String>()).unwrap();
    let file = |path: &str| format!("'connector' = 'filesystem', 'path' = '{path}', 'format' = 'json'");
    let view = |by: &str| {
        format!(
            "CREATE VIEW by_{by} AS SELECT {by} AS g, COUNT(*) AS n, SUM(v) AS s, MAX(ts) AS ts FROM t GROUP BY {by}
             HAVING MOD(COUNT(*), 7) <> 0;\n"
        )
    };
    let write = format!(
        "CREATE SOURCE t (id VARCHAR, k VARCHAR, v INT, ts TIMESTAMP(3)) WITH ({});\n{}{}
         CREATE SINK one_id WITH ({}) AS SELECT * FROM by_id;
         CREATE SINK one_k WITH ({}) AS SELECT * FROM by_k;
         CREATE SINK rolled WITH ({}, 'sink.rolling-policy.file-size' = '20 kB') AS SELECT * FROM by_id;
         CREATE SINK folders PARTITIONED BY (g) WITH ({}) AS SELECT * FROM by_k;\n",
        file("in.ndjson"),
        view("id"),
        view("k"),
        file("by_id.ndjson"),
        file("by_k.ndjson"),
        file("rolled/"),
        file("folders/"),
    );
    fs::write(folder.path().join("w.sql"), write).unwrap();
    let (code, _, said) =
        run(folder.path(), &["run", "w.sql", "--no-serve", "--exit-at-end", "--tick-rows", "50", "-w", "1"]);
    assert_eq!(code, Some(0), "{said}");
    let expected = |file: &str| left(&fs::read_to_string(folder.path().join(file)).unwrap());
    assert!(folder.path().join("rolled/part-0-10.json").exists(), "files are to be ended");
    // More folders than are open at once: files are ended and others begun without a policy too.
    let parts = glob::glob(&format!("{}/folders/*/part-0-1.json", folder.path().display())).unwrap();
    assert!(parts.count() > 10, "folders are to be left and gone on with");
    let columns = "g VARCHAR, n BIGINT, s BIGINT, ts TIMESTAMP(3)";
    for (path, of) in [("rolled/", "by_id.ndjson"), ("folders/", "by_k.ndjson")] {
        for watermark in ["", ", WATERMARK FOR ts AS ts - INTERVAL '1' DAY"] {
            let program = format!(
                "CREATE SOURCE t ({columns}{watermark}) WITH ({}, 'changelog' = 'retract');\n{SINK}",
                file(path)
            );
            holds(folder.path(), &program, &expected(of), 0);
        }
    }
    let by_key = format!(
        "CREATE SOURCE t ({columns}, PRIMARY KEY (g) NOT ENFORCED) WITH ({}, 'changelog' = 'upsert');\n{SINK}",
        file("rolled/")
    );
    let expected = expected("by_id.ndjson");
    holds(folder.path(), &by_key, &expected, 0);
    // Watched, it is read in the same order.
    let watched = format!(
        "CREATE SOURCE t ({columns}) WITH ({}, 'changelog' = 'retract', 'source.monitor-interval' = '100 ms');\n{SINK}",
        file("rolled/")
    );
    fs::write(folder.path().join("p.sql"), watched).unwrap();
    let mut watching = command(folder.path(), &["run", "p.sql", "--no-serve", "--dead-letters", "dead.ndjson"]);
    let mut watching = watching.stderr(Stdio::null()).spawn().unwrap();
    let begun = Instant::now();
    let read = || fs::read_to_string(folder.path().join("out.ndjson")).unwrap_or_default();
    while begun.elapsed() < PATIENCE && whole(&read()).is_none_or(|rows| rows != expected) {
        std::thread::sleep(Duration::from_millis(100));
    }
    watching.kill().unwrap();
    watching.wait().unwrap();
    assert_eq!(whole(&read()), Some(expected));
    assert_eq!(fs::read_to_string(folder.path().join("dead.ndjson")).unwrap_or_default(), "");
}

/// The rows that are left of what ends with a line.
fn whole(lines: &str) -> Option<BTreeMap<String, i64>> {
    (lines.ends_with('\n')).then(|| left(lines))
}

#[test]
fn k2_changes_that_nothing_orders_are_refused() {
    let folder = folder(
        "CREATE SOURCE t (k VARCHAR, id INT, PRIMARY KEY (id) NOT ENFORCED)
         WITH ('connector' = 'filesystem', 'path' = 'in/', 'format' = 'json', 'changelog' = 'upsert');
         CREATE SINK o WITH ('connector' = 'blackhole') AS SELECT * FROM t;",
    );
    fs::create_dir_all(folder.path().join("in/k=a")).unwrap();
    fs::write(folder.path().join("in/k=a/x.ndjson"), "{\"id\":1}\n").unwrap();
    let (code, _, said) = run(folder.path(), &["run", "p.sql", "--no-serve", "--exit-at-end"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("its files lie in folders by 'k', and nothing says when a key goes from one to another"),
        "{said}"
    );
    assert!(said.contains("'changelog' = 'retract'"), "{said}");
}

#[test]
fn k1_what_goes_by_its_key_goes_whatever_else_it_brings() {
    let rows: String = (1..=5).map(|id| format!("{{\"id\":{id},\"v\":5}}\n")).collect();
    let changes = [
        // What is computed fails, or a column cannot be read.
        r#"{"id":1,"v":0,"_op":"delete"}"#,
        r#"{"id":2,"v":"garbage","_op":"delete"}"#,
        r#"{"id":3,"v":[{}],"_op":"-D"}"#,
        // These are dead letters: what comes has to be readable, and so has a key.
        r#"{"id":4,"v":0}"#,
        r#"{"id":4,"v":"garbage"}"#,
        r#"{"id":"x","v":1,"_op":"delete"}"#,
    ];
    let folder = folder("");
    fs::write(folder.path().join("in.ndjson"), format!("{rows}{}\n", changes.join("\n"))).unwrap();
    let source = |rest: &str| {
        format!(
            "CREATE SOURCE t (id INT, v INT, x AS 10 / v, PRIMARY KEY (id) NOT ENFORCED) WITH ('connector' = 'filesystem', {rest});\n{SINK}"
        )
    };
    let expected = [4, 5].map(|id| (format!("\"id\":{id},\"v\":5,\"x\":2}}"), 1)).into_iter().collect();
    holds(folder.path(), &source("'path' = 'in.ndjson', 'changelog' = 'upsert'"), &expected, 3);
    // The same as Debezium tells it.
    let envelope = |line: &str| match line.contains("_op") {
        true => format!("{{\"op\":\"d\",\"before\":{line}}}"),
        false => format!("{{\"op\":\"c\",\"after\":{line}}}"),
    };
    let envelopes: Vec<String> = rows.lines().chain(changes).map(envelope).collect();
    fs::write(folder.path().join("e.json"), format!("[{}]", envelopes.join(",\n"))).unwrap();
    holds(folder.path(), &source("'path' = 'e.json', 'format' = 'debezium-json'"), &expected, 3);
}
