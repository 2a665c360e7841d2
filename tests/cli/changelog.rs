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
