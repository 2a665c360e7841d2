//! From SQL text to rows: small programs over a file, their final state worked out by hand, at one worker and two.
#![allow(clippy::unwrap_used)]

#[path = "sql_results/clauses.rs"]
mod clauses;
#[path = "sql_results/compared.rs"]
mod compared;
#[path = "sql_results/names.rs"]
mod names;
#[path = "sql_results/ordered.rs"]
mod ordered;
#[path = "sql_results/several.rs"]
mod several;

use std::time::Duration;

use arrow_cast::display::array_value_to_string;
use highwater::engine::{Config, Engine};
use highwater::sql::{Catalog, plan};

/// `k`, `v`, `ts` in ms; out of order within 5 s; one row before 1970, one NULL key.
const ROWS: &[(&str, i64, i64)] = &[
    ("\"c\"", 9, -1),
    ("\"a\"", 1, 1_000),
    ("\"b\"", 2, 4_000),
    ("\"a\"", 3, 3_000),
    ("null", 4, 9_999),
    ("\"a\"", 5, 10_000),
    ("\"b\"", 6, 12_000),
    ("\"a\"", 7, 24_000),
];

fn final_state(view: &str, program: &str, workers: usize, lateness: &str) -> Vec<String> {
    let rows: Vec<(String, i64, i64)> = ROWS.iter().map(|(k, v, ts)| ((*k).to_owned(), *v, *ts)).collect();
    final_states(&[view], program, workers, lateness, &rows).remove(0)
}

/// The final states of views over these rows.
fn final_states(
    views: &[&str],
    program: &str,
    workers: usize,
    lateness: &str,
    rows: &[(String, i64, i64)],
) -> Vec<Vec<String>> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.ndjson");
    let lines = rows.iter().map(|(k, v, ts)| format!("{{\"k\":{k},\"v\":{v},\"ts\":{ts}}}\n"));
    std::fs::write(&path, lines.collect::<String>()).unwrap();
    let sql = format!(
        "CREATE TABLE s (k STRING, v BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND)
         WITH ('connector' = 'filesystem', 'path' = '{}', 'format' = 'json', 'lateness' = '{lateness}');\n{program}",
        path.display()
    );
    let dataflow = match plan(&[("q.sql".to_owned(), sql)], &Catalog::new()) {
        Ok(dataflow) => dataflow,
        Err(errors) => panic!("{}", errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")),
    };
    let engine = Engine::start(dataflow, Config::default().workers(workers).tick_rows(2)).unwrap();
    engine.wait_within(Duration::from_secs(60)).expect("the input ends").unwrap();
    let rejected: Vec<_> = engine.dead_letters().iter().flat_map(|letters| letters.latest(10)).collect();
    assert!(rejected.is_empty(), "{rejected:?}");
    views.iter().map(|view| shown(&engine, view)).collect()
}

/// The rows of a view.
fn shown(engine: &Engine, view: &str) -> Vec<String> {
    let batch = engine.views().get(view).unwrap().snapshot().batch;
    let cell = |row: usize, column: usize| match batch.column(column).is_null(row) {
        true => "NULL".to_owned(),
        false => array_value_to_string(batch.column(column), row).unwrap().replace("1970-01-01T00:", ""),
    };
    let row = |row: usize| (0..batch.num_columns()).map(|column| cell(row, column)).collect::<Vec<_>>().join(" ");
    let mut rows: Vec<String> = (0..batch.num_rows()).map(row).collect();
    rows.sort();
    rows
}

#[track_caller]
fn gives(query: &str, expected: &[&str]) {
    for workers in [1, 2] {
        for lateness in ["0 s", "1 min", "unbounded"] {
            for emit in ["", " EMIT CHANGES"] {
                let program = format!("CREATE MATERIALIZED VIEW v AS {query}{emit};");
                let found = final_state("v", &program, workers, lateness);
                assert_eq!(found, expected, "{query}{emit} at {workers} workers, lateness {lateness}");
            }
        }
    }
}

#[test]
fn windows_side_by_side() {
    gives(
        "SELECT k, window_start, COUNT(*) AS n, SUM(v) AS s FROM TABLE(TUMBLE(TABLE s, DESCRIPTOR(ts), INTERVAL '10' SECOND))
         WHERE v < 7 GROUP BY k, window_start, window_end",
        &["NULL 00:00 1 4", "a 00:00 2 4", "a 00:10 1 5", "b 00:00 1 2", "b 00:10 1 6"],
    );
}

#[test]
fn windows_that_overlap_and_grow() {
    gives(
        "SELECT window_end, COUNT(*) AS n FROM TABLE(HOP(TABLE s, DESCRIPTOR(ts), INTERVAL '10' SECOND, INTERVAL '20' SECOND))
         WHERE ts >= TIMESTAMP '1970-01-01 00:00:00' GROUP BY window_end",
        &["00:10 4", "00:20 6", "00:30 3", "00:40 1"],
    );
    gives(
        "SELECT window_start, MAX(n) AS m, COUNT(*) AS windows FROM (
           SELECT window_start, window_end, COUNT(*) AS n
           FROM TABLE(CUMULATE(TABLE s, DESCRIPTOR(ts), INTERVAL '10' SECOND, INTERVAL '20' SECOND))
           WHERE v < 7 GROUP BY window_start, window_end) t GROUP BY window_start",
        &["00:00 6 2"],
    );
}

#[test]
fn sessions_before_and_after_a_filter() {
    gives(
        "SELECT k, window_start, window_end, COUNT(*) AS n
         FROM TABLE(SESSION(TABLE s PARTITION BY k, DESCRIPTOR(ts), INTERVAL '7' SECOND)) WHERE k = 'a'
         GROUP BY k, window_start, window_end",
        &["a 00:01 00:17 3", "a 00:24 00:31 1"],
    );
    // The row at 3 s holds the session together, though it is not counted.
    gives(
        "SELECT k, window_start, window_end, COUNT(*) AS n
         FROM TABLE(SESSION(TABLE s PARTITION BY k, DESCRIPTOR(ts), INTERVAL '7' SECOND)) WHERE v <> 3 AND k = 'a'
         GROUP BY k, window_start, window_end",
        &["a 00:01 00:17 2", "a 00:24 00:31 1"],
    );
    // Here it is gone before sessions are made.
    gives(
        "SELECT k, SESSION_START(ts, INTERVAL '7' SECOND) AS b, SESSION_END(ts, INTERVAL '7' SECOND) AS e, COUNT(*) AS n
         FROM s WHERE v <> 3 AND k = 'a' GROUP BY k, SESSION(ts, INTERVAL '7' SECOND)",
        &["a 00:01 00:08 1", "a 00:10 00:17 1", "a 00:24 00:31 1"],
    );
}

#[test]
fn every_combination_of_keys() {
    gives(
        "SELECT k, window_start, GROUPING(k) AS g, SUM(v) AS s FROM TABLE(TUMBLE(TABLE s, DESCRIPTOR(ts), INTERVAL '10' SECOND))
         WHERE v BETWEEN 1 AND 4 GROUP BY window_start, window_end, ROLLUP (k)",
        &["NULL 00:00 0 4", "NULL 00:00 1 10", "a 00:00 0 4", "b 00:00 0 2"],
    );
    gives(
        "SELECT k, v > 4 AS big, COUNT(*) AS n FROM s WHERE k IN ('a', 'b') GROUP BY CUBE (k, v > 4)",
        &[
            "NULL NULL 6",
            "NULL false 3",
            "NULL true 3",
            "a NULL 4",
            "a false 2",
            "a true 2",
            "b NULL 2",
            "b false 1",
            "b true 1",
        ],
    );
}

#[test]
fn windows_over_windows() {
    gives(
        "SELECT window_start, window_end, SUM(n) AS n, MAX(s) AS m FROM TABLE(TUMBLE(TABLE (
             SELECT k, window_start, window_end, window_time, COUNT(*) AS n, SUM(v) AS s
             FROM TABLE(TUMBLE(TABLE s, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY k, window_start, window_end, window_time
           ), DESCRIPTOR(window_time), INTERVAL '20' SECOND))
         WHERE k IS NOT NULL GROUP BY window_start, window_end",
        &["00:00 00:20 5 6", "00:20 00:40 1 7", "1969-12-31T23:59:40 00:00 1 9"],
    );
    gives(
        "SELECT window_end, COUNT(*) AS keys FROM (
           SELECT k, window_start, window_end FROM TABLE(TUMBLE(TABLE s, DESCRIPTOR(ts), INTERVAL '10' SECOND))
           WHERE v < 9 GROUP BY k, window_start, window_end) t GROUP BY window_start, window_end",
        &["00:10 3", "00:20 2", "00:30 1"],
    );
}

#[test]
fn unions_of_windows_and_plain_groups() {
    gives(
        "SELECT window_end, COUNT(*) AS n FROM (
           SELECT k, window_start, window_end FROM TABLE(TUMBLE(TABLE s, DESCRIPTOR(ts), INTERVAL '10' SECOND)) WHERE k = 'a'
           UNION ALL
           SELECT k, window_start, window_end FROM TABLE(TUMBLE(TABLE s, DESCRIPTOR(ts), INTERVAL '20' SECOND)) WHERE k = 'b') t
         GROUP BY window_end",
        &["00:10 2", "00:20 3", "00:30 1"],
    );
    gives(
        "SELECT date_bin(INTERVAL '10 seconds', ts) AS bin, SUM(v) AS s FROM s WHERE v < 9 GROUP BY 1",
        &["00:00 10", "00:10 11", "00:20 7"],
    );
    gives("SELECT DISTINCT k FROM (SELECT k FROM s UNION ALL SELECT 'd' FROM s) t", &["NULL", "a", "b", "c", "d"]);
    gives(
        "SELECT COUNT(*) AS n, COUNT(k) AS k, COUNT(DISTINCT k) AS d, SUM(v) FILTER (WHERE k = 'a') AS a FROM s",
        &["8 7 3 16"],
    );
}

#[test]
fn first_and_last_go_by_event_time() {
    gives(
        "SELECT k, FIRST_VALUE(v) AS f, LAST_VALUE(v) AS l, STRING_AGG(CAST(v AS STRING), '-') AS all_of
         FROM (SELECT k, v FROM s WHERE k IS NOT NULL) t GROUP BY k",
        &["a 1 7 1-3-5-7", "b 2 6 2-6", "c 9 9 9"],
    );
}

/// Rows stand in the folder of their partition, whichever worker writes them, whether the sink is a table or has a query.
#[test]
fn partitioned_sinks_write_a_folder_per_partition() {
    for workers in [1, 3] {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().display();
        let program = format!(
            "CREATE TABLE t (k STRING, v BIGINT, minute STRING) PARTITIONED BY (minute, k)
             WITH ('connector' = 'filesystem', 'path' = 'file://{root}/t/', 'format' = 'csv', 'csv.header' = 'false');
             INSERT INTO t SELECT k, v, DATE_FORMAT(ts, 'HH:mm') FROM s WHERE v < 7;
             CREATE SINK q PARTITIONED BY (K) WITH ('connector' = 'filesystem', 'path' = '{root}/q/', 'format' = 'json') AS
             SELECT k, SUM(v) AS total FROM s GROUP BY k;
             CREATE TABLE nowhere (k STRING, v BIGINT) PARTITIONED BY (k) WITH ('connector' = 'blackhole');
             INSERT INTO nowhere SELECT k, v FROM s;
             CREATE MATERIALIZED VIEW v AS SELECT k FROM s;"
        );
        final_state("v", &program, workers, "0 s");
        let lines = |partition: &str| {
            let files = std::fs::read_dir(folder.path().join(partition)).unwrap().map(|file| file.unwrap().path());
            let text: String = files.map(|file| std::fs::read_to_string(file).unwrap()).collect();
            let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
            lines.sort();
            lines
        };
        assert_eq!(lines("t/minute=00%3A00/k=a"), ["1", "3", "5"]);
        assert_eq!(lines("t/minute=00%3A00/k=b"), ["2", "6"]);
        assert_eq!(lines("t/minute=00%3A00/k=__DEFAULT_PARTITION__"), ["4"]);
        assert_eq!(std::fs::read_dir(folder.path().join("t")).unwrap().count(), 1);
        let last = lines("q/k=a");
        let total = |line: &&String| line.contains("\"total\":16}");
        assert!(last.iter().filter(total).count() == 1 && last.iter().all(|line| !line.contains("\"k\"")), "{last:?}");
    }
}

/// A seeded generator (splitmix64).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> i64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % bound) as i64
    }
}

/// What keeps event time: every window over it has what a batch has, and no row comes behind its window.
#[test]
fn windows_over_event_time_that_survived_close_rightly() {
    let pattern = |measure: &str, rows: &str, skip: &str| {
        format!(
            "SELECT k, at FROM s MATCH_RECOGNIZE (PARTITION BY k ORDER BY ts MEASURES {measure} AS at {rows}
             AFTER MATCH {skip} PATTERN (A B*? C | A D $) WITHIN INTERVAL '20' SECOND DEFINE A AS v < 4, C AS v > 6, D AS v = 5)"
        )
    };
    let one = "ONE ROW PER MATCH";
    let queries = [
        pattern("MATCH_ROWTIME()", one, "SKIP PAST LAST ROW"),
        pattern("LAST(ts)", one, "SKIP TO NEXT ROW"),
        pattern("FIRST(ts)", one, "SKIP PAST LAST ROW"),
        pattern("FIRST(ts)", one, "SKIP TO NEXT ROW"),
        pattern("C.ts", one, "SKIP TO NEXT ROW"),
        pattern("B.ts", one, "SKIP PAST LAST ROW"),
        pattern("A.ts", "ALL ROWS PER MATCH", "SKIP PAST LAST ROW"),
        "SELECT k, ts AS at FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k, v ORDER BY ts) AS rn FROM s) WHERE rn = 1".to_owned(),
        "SELECT k, ts AS at FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY ts, v) AS rn FROM s) WHERE rn <= 7".to_owned(),
        "SELECT k, at FROM (SELECT k, at, ROW_NUMBER() OVER (PARTITION BY window_start, window_end ORDER BY v DESC) AS rn FROM
         (SELECT k, v, window_start, window_end, window_time AS at
          FROM TABLE(TUMBLE(TABLE s, DESCRIPTOR(ts), INTERVAL '3' SECOND)))) WHERE rn <= 2"
            .to_owned(),
    ];
    let mut random = Random(42);
    let mut now = 0;
    let row = |_| {
        now += random.below(1_200);
        (random.below(3).to_string(), random.below(10), now - random.below(5_000))
    };
    let rows: Vec<(String, i64, i64)> = (0..400).map(row).collect();
    for query in queries {
        let program = format!(
            "CREATE VIEW b AS SELECT k, at FROM ({query}) WHERE at IS NOT NULL;
             CREATE MATERIALIZED VIEW base AS SELECT k, FLOOR(at TO SECOND) AS second, at FROM b;
             CREATE MATERIALIZED VIEW windows AS SELECT window_start, COUNT(*) AS n
             FROM TABLE(TUMBLE(TABLE b, DESCRIPTOR(at), INTERVAL '1' SECOND)) GROUP BY window_start, window_end;"
        );
        for lateness in ["0 s", "3 s"] {
            let mut first = None;
            for workers in [1, 2, 3] {
                let states = final_states(&["base", "windows"], &program, workers, lateness, &rows);
                let mut expected = std::collections::BTreeMap::new();
                for row in &states[0] {
                    let second = row.split(' ').nth(1).unwrap().to_owned();
                    *expected.entry(second).or_insert(0) += 1;
                }
                expected.remove("NULL");
                let expected: Vec<String> = expected.iter().map(|(second, n)| format!("{second} {n}")).collect();
                assert!(expected.len() > 5, "{query}: {expected:?}");
                assert_eq!(states[1], expected, "{query} at {workers} workers, lateness {lateness}");
                assert_eq!(*first.get_or_insert(states.clone()), states, "{query} at {workers} workers");
            }
        }
    }
}

/// A grouping without keys has one row always, whatever it is over.
#[test]
fn without_keys_there_is_one_row() {
    gives("SELECT COUNT(*), SUM(v), COUNT(DISTINCT k) FROM s WHERE v > 100", &["0 NULL 0"]);
    gives("SELECT COUNT(*), SUM(v) FROM s WHERE v < 4", &["3 6"]);
    gives("SELECT COALESCE(SUM(v), 0) + 1 AS x FROM s WHERE v > 100", &["1"]);
    gives("SELECT COUNT(*) FROM s WHERE v > 100 HAVING COUNT(*) > 0", &[]);
    gives("SELECT COUNT(*) FROM s WHERE v > 100 HAVING COUNT(*) = 0", &["0"]);
    // Every group is taken back but that of `c`, which goes too.
    gives("SELECT COUNT(*), MAX(k) FROM (SELECT k FROM s GROUP BY k HAVING SUM(v) < 9 AND k = 'b')", &["1 b"]);
    gives("SELECT COUNT(*), MAX(k) FROM (SELECT k FROM s GROUP BY k HAVING SUM(v) < 8 AND k = 'b')", &["0 NULL"]);
    gives(
        "SELECT k, v, (SELECT COALESCE(SUM(v), 0) FROM s WHERE v > 100) AS n FROM s WHERE v < 3",
        &["a 1 0", "b 2 0"],
    );
    gives(
        "SELECT s.v, x.n FROM s CROSS JOIN (SELECT COUNT(*) AS n FROM s WHERE v > 100) AS x WHERE s.v < 3",
        &["1 0", "2 0"],
    );
    gives("SELECT v FROM s WHERE v < 2 AND EXISTS (SELECT COUNT(*) FROM s WHERE v > 100)", &["1"]);
    // LATERAL of which only a subquery reads the row beside.
    let below = "LATERAL (SELECT (SELECT MAX(w.v) FROM s AS w WHERE w.v < x.v) AS m) AS l";
    gives(&format!("SELECT x.v, l.m FROM s AS x, {below} WHERE x.v < 4"), &["1 NULL", "2 1", "3 2"]);
    gives("SELECT COUNT(*) FILTER (WHERE v > 1), COUNT(*) FILTER (WHERE 1 < v), MAX(v), COUNT(*) FROM s", &["7 7 9 8"]);
    // So has a set of no keys among others.
    gives("SELECT k, COUNT(*) FROM s WHERE v > 100 GROUP BY ROLLUP (k)", &["NULL 0"]);
    gives("SELECT k, v, SUM(v) FROM s WHERE v > 100 GROUP BY CUBE (k, v)", &["NULL NULL NULL"]);
    gives("SELECT k, COUNT(*), GROUPING(k) FROM s WHERE v > 6 GROUP BY ROLLUP (k)", &["NULL 2 1", "a 1 0", "c 1 0"]);
    gives("SELECT COUNT(*) FROM s WHERE v > 100 GROUP BY GROUPING SETS ((), ())", &["0", "0"]);
    gives("SELECT COUNT(*) FROM s GROUP BY GROUPING SETS ((k), ()) HAVING COUNT(*) > 3", &["4", "8"]);
    gives("SELECT k, COUNT(*) FROM s WHERE v > 100 GROUP BY GROUPING SETS ((k), (k, v))", &[]);
}

/// What is compared is what is written, and a text is no number.
#[test]
fn items_of_arrays_are_rows() {
    gives(
        "SELECT k, item, COUNT(*) AS n FROM s CROSS JOIN UNNEST(ARRAY[v, v * 10]) AS u (item) WHERE k = 'b' GROUP BY k, item",
        &["b 2 1", "b 20 1", "b 6 1", "b 60 1"],
    );
    // Event time goes through, also below windows.
    gives(
        "SELECT window_start, COUNT(*) AS n, SUM(item) AS total FROM TABLE(TUMBLE(TABLE (
             SELECT ts, item FROM s CROSS JOIN UNNEST(ARRAY[v, 100]) AS u (item)
           ), DESCRIPTOR(ts), INTERVAL '10' SECOND)) WHERE item < 100 GROUP BY window_start, window_end",
        &["00:00 4 10", "00:10 2 11", "00:20 1 7", "1969-12-31T23:59:50 1 9"],
    );
    gives(
        "SELECT k, v, part, pos FROM s LEFT JOIN UNNEST(SPLIT(IF(v = 1, 'x,y', NULL), ',')) WITH ORDINALITY AS u (part, pos) ON TRUE
         WHERE v < 3",
        &["a 1 x 1", "a 1 y 2", "b 2 NULL NULL"],
    );
    // Rows that are taken back take their items back.
    gives(
        "SELECT item, COUNT(*) AS n FROM (SELECT k, ARRAY_AGG(v) AS vs FROM s GROUP BY k) x, UNNEST(vs) AS u (item) GROUP BY item",
        &["1 1", "2 1", "3 1", "4 1", "5 1", "6 1", "7 1", "9 1"],
    );
    gives(
        "SELECT name, value, low, twice FROM s CROSS JOIN UNNEST(MAP['a', v, 'b', v + 1]) AS m (name, value)
         CROSS JOIN UNNEST(ARRAY[ROW(v, v * 2)]) AS r (low, twice) WHERE v = 7 AND value > 7",
        &["b 8 7 14"],
    );
    gives(
        "SELECT a.v, b.item FROM s a JOIN (SELECT v, item FROM s CROSS JOIN UNNEST(ARRAY[k]) AS u (item)) b ON a.v = b.v WHERE a.v > 6",
        &["7 a", "9 c"],
    );
}

#[test]
fn rows_become_json() {
    gives(
        "SELECT k, JSON_ARRAYAGG(v ORDER BY v DESC) AS j, JSON_OBJECTAGG(KEY CAST(v AS VARCHAR) VALUE k) FILTER (WHERE v < 3) AS o
         FROM s WHERE k IS NOT NULL GROUP BY k",
        &[r#"a [7,5,3,1] {"1":"a"}"#, r#"b [6,2] {"2":"b"}"#, "c [9] {}"],
    );
    gives(
        "SELECT JSON_OBJECT('k' VALUE k, 'in' VALUE JSON_ARRAY(v, k NULL ON NULL) ABSENT ON NULL) AS j FROM s WHERE v IN (3, 4)",
        &[r#"{"in":[4,null]}"#, r#"{"k":"a","in":[3,"a"]}"#],
    );
}

#[test]
fn first_and_last_over_frames() {
    gives(
        "SELECT v, FIRST_VALUE(v) OVER (PARTITION BY k ORDER BY ts ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS f,
           LAST_VALUE(v) OVER (PARTITION BY k ORDER BY ts) AS l,
           FIRST_VALUE(v) OVER (PARTITION BY k ORDER BY ts ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS b,
           LAG(v, 1, -1) OVER (PARTITION BY k ORDER BY ts) AS g FROM s WHERE k = 'a'",
        &["1 1 1 1 -1", "3 1 3 1 1", "5 1 5 3 3", "7 1 7 5 5"],
    );
}

#[test]
fn sessions_apart_by_a_list_in_parentheses() {
    gives(
        "SELECT k, window_start, COUNT(*) AS n FROM TABLE(SESSION(TABLE s PARTITION BY (k, v), DESCRIPTOR(ts), INTERVAL '7' SECOND))
         WHERE k = 'b' GROUP BY k, v, window_start, window_end",
        &["b 00:04 1", "b 00:12 1"],
    );
}

#[test]
fn values_as_text_and_text_as_patterns() {
    gives(
        "SELECT CAST(ts AS VARCHAR) AS t, k || ts AS u, CAST(v > 4 AS STRING) AS b, CAST(k || 'bcdef' AS VARCHAR(3)) AS cut,
           CAST(k AS CHAR(3)) || '|' AS pad, SUBSTR(k || 'xyz', -2) AS tail, k SIMILAR TO 'b' AS whole, k || 'x' SIMILAR TO 'a' AS part,
           '50%' LIKE '5_!%' ESCAPE '!' AS esc, k || '\\' LIKE '_\\' AS slash FROM s WHERE v IN (1, 6)",
        &[
            r"1970-01-01 00:00:01.000 a1970-01-01 00:00:01.000 FALSE abc a  | yz false false true true",
            r"1970-01-01 00:00:12.000 b1970-01-01 00:00:12.000 TRUE bbc b  | yz true false true true",
        ],
    );
}

#[test]
fn an_insert_may_name_some_columns() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("o.ndjson");
    let program = format!(
        "CREATE TABLE o (a BIGINT, b STRING, c STRING) WITH ('connector' = 'filesystem', 'path' = '{}', 'format' = 'json');
         INSERT INTO o (c, a) SELECT k, v FROM s WHERE v = 1;
         CREATE MATERIALIZED VIEW v AS SELECT k FROM s;",
        path.display()
    );
    final_state("v", &program, 1, "0 s");
    assert_eq!(std::fs::read_to_string(path).unwrap(), "{\"a\":1,\"b\":null,\"c\":\"a\"}\n");
}

/// Whole numbers do not go round: a row on which they would is not in the result.
#[test]
fn overflow_is_a_failing_row() {
    let query = |expr: &str| format!("CREATE MATERIALIZED VIEW v AS SELECT v, {expr} AS x FROM s WHERE v IN (1, 2);");
    for (expr, shown) in [
        ("v * 9223372036854775807", &["1 9223372036854775807"][..]),
        ("v + 9223372036854775806", &["1 9223372036854775807"]),
        ("CAST(v AS INT) * 2147483647", &["1 2147483647", "2 4294967294"]),
        ("-(v - 9223372036854775807) - v", &["1 9223372036854775805", "2 9223372036854775803"]),
        ("CAST(v AS INT) * CAST(1500000000 AS INT)", &["1 1500000000"]),
    ] {
        let found = std::panic::catch_unwind(|| final_state("v", &query(expr), 1, "0 s"));
        match found {
            Ok(rows) => assert_eq!(rows, shown, "{expr}"),
            // The state is not read where rows were rejected: then there is one row less.
            Err(panic) => {
                let text = panic.downcast_ref::<String>().cloned().unwrap_or_default();
                assert!(shown.len() == 1 && text.contains(" is beyond "), "{expr}: {text}");
            }
        }
    }
}
