//! Rows on which an expression fails (V2) are dead letters of the views and sinks that miss them, whichever operator they fail in:
//! named, counted, taken back with the row, the same at any number of workers.
#![allow(clippy::unwrap_used)]

#[path = "failing_rows/guards.rs"]
mod guards;
#[path = "failing_rows/pairs.rs"]
mod pairs;
#[path = "failing_rows/readers.rs"]
mod readers;
#[path = "failing_rows/words.rs"]
mod words;

use std::time::Duration;

use highwater::engine::{Config, Engine};
use highwater::sql::{Catalog, plan};

/// `k`, `d`, `g`, `at` in seconds.
const ROWS: &[(&str, i64, i64, i64)] = &[
    ("a", 2, 7, 1),
    ("a", 0, 3_000_000_000, 2),
    ("b", 5, 1, 3),
    ("b", 0, 2, 4),
    ("b", 0, 2, 5),
    ("c", 1, -3_000_000_000, 6),
    ("c", 3, 0, 7),
];

fn started(program: &str, workers: usize, tick_rows: usize) -> (Engine, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let line =
        |(k, d, g, at): &(&str, i64, i64, i64)| format!("{{\"k\":\"{k}\",\"d\":{d},\"g\":{g},\"ts\":{}}}\n", at * 1000);
    std::fs::write(folder.path().join("in.ndjson"), ROWS.iter().map(line).collect::<String>()).unwrap();
    let path = folder.path().display();
    let program = program.replace("$/", &format!("{path}/"));
    let ends = if program.starts_with("SET ") { program.find(';').map_or(0, |at| at + 1) } else { 0 };
    let (settings, program) = program.split_at(ends);
    let sql = format!(
        "{settings}
         CREATE TABLE s (k STRING, d BIGINT, g BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts)
         WITH ('connector' = 'filesystem', 'path' = '{path}/in.ndjson', 'format' = 'json');\n{program}"
    );
    let dataflow = match plan(&[("q.sql".to_owned(), sql)], &Catalog::new()) {
        Ok(dataflow) => dataflow,
        Err(errors) => panic!("{}", errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")),
    };
    let engine = Engine::start(dataflow, Config::default().workers(workers).tick_rows(tick_rows)).unwrap();
    (engine, folder)
}

/// Per view or sink its letters: what failed, why, the row, how often.
fn letters(program: &str, workers: usize, tick_rows: usize) -> (Vec<String>, u64) {
    let (engine, _folder) = started(program, workers, tick_rows);
    let summary = engine.wait_within(Duration::from_secs(60)).expect("the input ends").unwrap();
    let mut found = Vec::new();
    for of in engine.dead_letters() {
        let latest = of.latest(100);
        assert_eq!(of.total(), latest.iter().map(|letter| letter.count as u64).sum::<u64>(), "{latest:?}");
        found.extend(latest.iter().map(|letter| {
            let what = format!("{}: {} [{}]", letter.expression, letter.detail, letter.content);
            format!("{} {} x{}: {what}", of.owner().word(), of.name(), letter.count)
        }));
    }
    assert_eq!(summary.rows_failed, engine.rows_failed());
    (found, summary.rows_failed)
}

#[track_caller]
fn fails(program: &str, rows: u64, expected: &[&str]) {
    let mut first: Option<Vec<String>> = None;
    for (workers, tick_rows) in [(1, 1), (1, 100), (2, 1), (3, 2)] {
        let (mut found, failed) = letters(program, workers, tick_rows);
        assert_eq!(failed, rows, "{program}: {found:#?}");
        if tick_rows == 1 {
            // Epochs are the same: so is the order.
            assert_eq!(first.get_or_insert_with(|| found.clone()), &found, "{program} at {workers} workers");
        }
        found.sort();
        let mut expected: Vec<&str> = expected.to_vec();
        expected.sort_unstable();
        assert_eq!(found, expected, "{program} at {workers} workers, {tick_rows} rows an epoch");
    }
}

#[test]
fn of_projections_and_filters() {
    fails(
        "CREATE MATERIALIZED VIEW v AS SELECT k, 10 / d AS q FROM s",
        3,
        &[
            r#"view v x1: 10 / d: division by zero [{"k":"a","d":0}]"#,
            r#"view v x2: 10 / d: division by zero [{"k":"b","d":0}]"#,
        ],
    );
    fails(
        "CREATE MATERIALIZED VIEW v AS SELECT k FROM s WHERE k <> 'a' AND CASE WHEN d = 0 THEN false ELSE CAST(g AS INT) > 0 END",
        1,
        &[r#"view v x1: CAST(g AS INT): -3000000000 is beyond INT [{"k":"c","d":1,"g":-3000000000}]"#],
    );
}

/// V1: a cast reads text as the formats read it, and makes no infinity of what is too large.
#[test]
fn of_text_that_is_no_value_and_of_numbers_that_are_too_large() {
    fails(
        "CREATE MATERIALIZED VIEW v AS SELECT k, CAST(CASE k WHEN 'a' THEN '1e400' WHEN 'b' THEN '2,5' ELSE ' +1e2 ' END AS DOUBLE) AS x FROM s",
        5,
        &[
            r#"view v x2: CAST(CASE k WHEN 'a' THEN '1e400' WHEN 'b' THEN '2,5' ELSE ' +1e2 ' END AS DOUBLE): '1e400' is no DOUBLE (a number up to 1.7976931348623157e308) [{"k":"a"}]"#,
            r#"view v x3: CAST(CASE k WHEN 'a' THEN '1e400' WHEN 'b' THEN '2,5' ELSE ' +1e2 ' END AS DOUBLE): '2,5' is no DOUBLE (a number up to 1.7976931348623157e308) [{"k":"b"}]"#,
        ],
    );
    fails(
        "CREATE MATERIALIZED VIEW v AS SELECT k, CAST(g * 1E30 AS FLOAT) AS x FROM s WHERE k = 'c'",
        1,
        &[r#"view v x1: CAST(g * 1e30 AS FLOAT): -3e39 is beyond FLOAT [{"k":"c","g":-3000000000}]"#],
    );
}

#[test]
fn of_views_and_sinks_that_read_what_fails() {
    let below = r#": 10 / d: division by zero [{"k":"a","d":0}]"#;
    let (v, w, o) = (format!("view v x1{below}"), format!("view w x1{below}"), format!("sink o x1{below}"));
    fails(
        "CREATE MATERIALIZED VIEW v AS SELECT k, 10 / d AS q FROM s WHERE k = 'a';
         CREATE MATERIALIZED VIEW w AS SELECT k, SUM(q) AS q FROM v GROUP BY k;
         CREATE MATERIALIZED VIEW x AS SELECT k, d FROM s;
         CREATE SINK o WITH ('connector' = 'filesystem', 'path' = '$/o.ndjson', 'format' = 'json') AS SELECT q FROM v",
        1,
        &[&v, &w, &o],
    );
}

#[test]
fn of_join_conditions_over_aggregates_and_patterns() {
    fails(
        "CREATE MATERIALIZED VIEW v AS SELECT a.k FROM s AS a JOIN s AS b ON a.k = b.k AND a.d / b.d > 100 WHERE a.g = 7",
        1,
        &[r#"view v x1: a.d / b.d: division by zero [{"k":"a","a.d":2,"b.d":0}]"#],
    );
    fails(
        "CREATE MATERIALIZED VIEW v AS SELECT k, SUM(100 / d) AS q FROM s GROUP BY k HAVING SUM(d) / (SUM(d) - 2) > -1000",
        // Of a: 2 / 0 on the grouped row.
        4,
        &[
            r#"view v x1: 100 / d: division by zero [{"k":"a","d":0}]"#,
            r#"view v x2: 100 / d: division by zero [{"k":"b","d":0}]"#,
            r#"view v x1: sum(d) / (sum(d) - 2): division by zero [{"k":"a","sum(100 / d)":50,"sum(d)":2}]"#,
        ],
    );
    fails(
        "CREATE MATERIALIZED VIEW v AS SELECT k, SUM(10 / d) OVER (PARTITION BY k ORDER BY ts) AS q FROM s WHERE k = 'a'",
        1,
        &[r#"view v x1: 10 / d: division by zero [{"k":"a","d":0,"ts":"1970-01-01T00:00:02.000Z"}]"#],
    );
    fails(
        "CREATE MATERIALIZED VIEW v AS SELECT * FROM s MATCH_RECOGNIZE (PARTITION BY k ORDER BY ts
         MEASURES A.d AS x, B.d AS y PATTERN (A B) DEFINE B AS A.d / B.d > 100)",
        3,
        &[
            r#"view v x1: a.d / b.d: division by zero [{"k":"a","d":0,"ts":"1970-01-01T00:00:02.000Z"}]"#,
            r#"view v x1: a.d / b.d: division by zero [{"k":"b","d":0,"ts":"1970-01-01T00:00:04.000Z"}]"#,
            r#"view v x1: a.d / b.d: division by zero [{"k":"b","d":0,"ts":"1970-01-01T00:00:05.000Z"}]"#,
        ],
    );
}

/// Columns of one name are told apart by the relations that they are of, in the expression and in the row.
#[test]
fn of_columns_of_one_name_behind_joins() {
    let once = |query: &str, what: &str| {
        fails(&format!("CREATE MATERIALIZED VIEW v AS {query}"), 1, &[&format!("view v x1: {what}")]);
    };
    once(
        "SELECT a.k, b.k AS other, 10 / (a.d + b.d) AS q FROM s a JOIN s b ON a.g = b.g WHERE a.k = 'a' AND b.ts > TIMESTAMP '1970-01-01 00:00:01.500'",
        r#"10 / (a.d + b.d): division by zero [{"a.k":"a","a.d":0,"g":3000000000,"b.k":"a","b.d":0}]"#,
    );
    once(
        "SELECT a.k, 10 / b.d AS q FROM s a LEFT JOIN s b ON a.g = b.g WHERE a.k = 'a'",
        r#"10 / b.d: division by zero [{"a.k":"a","g":3000000000,"b.d":0}]"#,
    );
    once(
        "SELECT a.k, 10 / (a.d + b.d + c.d) AS q FROM s a JOIN s b ON a.g = b.g JOIN s c ON c.g = a.g WHERE a.k = 'a'",
        r#"10 / (a.d + b.d + c.d): division by zero [{"a.k":"a","a.d":0,"g":3000000000,"b.d":0,"c.d":0}]"#,
    );
}

/// What is computed once for several readers is shown with what it is computed of, and as the query has it.
#[test]
fn of_what_is_computed_once_and_of_inner_forms() {
    fails(
        "CREATE MATERIALIZED VIEW v AS SELECT a.k, a.d + b.d AS x, 10 / (a.d + b.d) AS q FROM s a LEFT JOIN s b ON a.g = b.g WHERE a.k = 'a'",
        1,
        &[r#"view v x1: 10 / (a.d + b.d): division by zero [{"a.k":"a","a.d":0,"b.d":0,"(a.d + b.d)":0}]"#],
    );
    fails(
        "CREATE MATERIALIZED VIEW v AS SELECT k, x, 10 / -x AS q FROM (SELECT k, d * 2 AS x FROM s WHERE k = 'a') AS y",
        1,
        &[r#"view v x1: 10 / -x: division by zero [{"k":"a","d":0,"x":0}]"#],
    );
    fails(
        "CREATE MATERIALIZED VIEW v AS SELECT k, 10 / CAST(d AS INT) AS q, 10 / COALESCE(NULLIF(d, 7), 0) AS r FROM s WHERE k = 'a'",
        1,
        &[r#"view v x1: 10 / CAST(d AS INT): division by zero [{"k":"a","d":0,"nullif(d, 7)":0}]"#],
    );
    fails(
        "CREATE MATERIALIZED VIEW v AS SELECT k, 10 / COALESCE(NULLIF(d, 7), 0) AS r FROM s WHERE k = 'a'",
        1,
        &[r#"view v x1: 10 / coalesce(nullif(d, 7), 0): division by zero [{"k":"a","d":0,"nullif(d, 7)":0}]"#],
    );
    fails(
        "CREATE MATERIALIZED VIEW v AS SELECT k, 10 / LAG(d) OVER (PARTITION BY k ORDER BY ts) AS q FROM s WHERE k = 'b'",
        1,
        &[
            r#"view v x1: 10 / lag(d) OVER (PARTITION BY k ORDER BY ts): division by zero [{"k":"b","d":0,"ts":"1970-01-01T00:00:05.000Z","lag(d) OVER (PARTITION BY k ORDER BY ts)":0}]"#,
        ],
    );
    fails(
        "CREATE MATERIALIZED VIEW v AS SELECT k, JSON_VALUE(k || JSON_OBJECT('a' VALUE JSON_ARRAY(d NULL ON NULL) ABSENT ON NULL), '$.a' DEFAULT 'x' ON EMPTY ERROR ON ERROR) AS q FROM s WHERE d = 5",
        1,
        &[
            r#"view v x1: json_value(k || json_object('a' VALUE json_array(d NULL ON NULL) ABSENT ON NULL), '$.a' DEFAULT 'x' ON EMPTY ERROR ON ERROR): it is no JSON: expected a value at byte 1, found 'b' [{"k":"b","d":5}]"#,
        ],
    );
    fails(
        "CREATE MATERIALIZED VIEW v AS SELECT t.k, 10 / (SELECT COUNT(*) - 1 FROM s AS x WHERE x.k = t.k AND x.d = 5) AS q FROM s AS t WHERE t.d = 5",
        1,
        &[r#"view v x1: 10 / ((SELECT count(*) ...) - 1): division by zero [{"t.k":"b","(SELECT count(*) ...)":1}]"#],
    );
}

/// What an inner WHERE leaves out no outer condition is asked about.
#[test]
fn of_conditions_over_one_another() {
    for query in [
        "SELECT k FROM (SELECT * FROM s WHERE d <> 0) AS x WHERE 10 / d > 3",
        "SELECT k FROM (SELECT k, d FROM (SELECT * FROM s WHERE g < 9) AS y WHERE d <> 0) AS x WHERE 10 / d > 3",
        "SELECT k FROM (SELECT DISTINCT k, d FROM s WHERE d <> 0) AS x WHERE 10 / d > 3",
        "SELECT k, d, COUNT(*) AS n FROM (SELECT k, d FROM s WHERE d <> 0) AS x GROUP BY k, d HAVING 10 / d > 3",
        "SELECT x.k FROM (SELECT k, d FROM s WHERE d <> 0) AS x JOIN s AS y ON x.k = y.k WHERE 10 / x.d > 3",
        "SELECT k FROM (SELECT k, d FROM s WHERE d <> 0 UNION ALL SELECT k, d FROM s WHERE d > 0) AS x WHERE 10 / d > 3",
        "SELECT k FROM (SELECT k, d FROM s WHERE d <> 0 AND EXISTS (SELECT 1 FROM s AS y WHERE y.k = s.k)) AS x
         WHERE 10 / d > 3",
    ] {
        fails(&format!("CREATE MATERIALIZED VIEW v AS {query}"), 0, &[]);
        let (inner, outer) = query.split_once(") AS x").unwrap();
        let view = inner.split_once('(').unwrap().1;
        let rest = query.split_once('(').unwrap().0.to_owned() + "x" + &format!(" {outer}");
        if !query.contains("JOIN") && !query.contains("COUNT") {
            fails(&format!("CREATE VIEW x AS {view}; CREATE MATERIALIZED VIEW v AS {rest}"), 0, &[]);
        }
    }
}

/// Of `a AND b` the left side is asked first, however dear it looks beside the right one, and ON before WHERE.
#[test]
fn of_conditions_side_by_side() {
    for query in [
        "SELECT k FROM s WHERE ABS(d) <> 0 AND 10 / d > 3",
        "SELECT k FROM s WHERE CAST(d AS STRING) NOT LIKE '0%' AND 10 / d > 3 AND d > 1 AND d > 2",
        "SELECT k FROM (SELECT k, d FROM s WHERE ABS(d) <> 0) AS x WHERE 10 / d > 3",
        "SELECT k FROM (SELECT k, 10 / d AS q FROM s WHERE TRY(d) <> 0) AS x WHERE q IS NOT NULL",
        "SELECT k FROM s WHERE d IN (SELECT q FROM (SELECT 10 / d AS q FROM s WHERE TRY(d) <> 0) AS x WHERE q > 3)",
        "SELECT x.k FROM s AS x JOIN s AS y ON x.k = y.k AND ABS(x.d) <> 0 WHERE 10 / x.d > 3",
        "SELECT x.k FROM s AS x JOIN s AS y ON x.k = y.k AND ABS(x.d + y.d - y.d) <> 0 WHERE 10 / (x.d + y.d - y.d) > 3",
        "SELECT x.k FROM s AS x, s AS y WHERE x.k = y.k AND ABS(x.d + y.d - y.d) <> 0 AND 10 / (x.d + y.d - y.d) > 3",
        "SELECT k, d FROM s GROUP BY k, d HAVING ABS(d) <> 0 AND 10 / d > 3",
    ] {
        fails(&format!("CREATE MATERIALIZED VIEW v AS {query}"), 0, &[]);
    }
}

/// What FILTER leaves out is not looked at, and fails nowhere.
#[test]
fn of_arguments_behind_a_filter() {
    fails("CREATE MATERIALIZED VIEW v AS SELECT k, SUM(10 / d) FILTER (WHERE d <> 0) AS q FROM s GROUP BY k", 0, &[]);
    fails(
        "CREATE MATERIALIZED VIEW v AS SELECT ARRAY_AGG(k ORDER BY 10 / d) FILTER (WHERE d <> 0 OR k = 'a') AS q FROM s",
        1,
        &[
            r#"view v x1: 10 / d: division by zero [{"k":"a","d":0,"ts":"1970-01-01T00:00:02.000Z","(d != 0 OR k = 'a')":true}]"#,
        ],
    );
}

#[test]
fn of_rows_that_are_taken_back() {
    // The sum of `c` is 1, then 4: its letter comes and goes.
    fails(
        "CREATE MATERIALIZED VIEW t AS SELECT k, SUM(d) AS n FROM s GROUP BY k;
         CREATE MATERIALIZED VIEW v AS SELECT k, 10 / (n - 1) AS q FROM t",
        0,
        &[],
    );
    fails(
        "CREATE MATERIALIZED VIEW t AS SELECT k, SUM(d) AS n FROM s GROUP BY k;
         CREATE MATERIALIZED VIEW v AS SELECT a.k FROM t AS a JOIN t AS b ON a.k = b.k AND 10 / (b.n - 1) > 100",
        0,
        &[],
    );
}

#[test]
fn of_recursion() {
    fails(
        "CREATE MATERIALIZED VIEW v AS WITH RECURSIVE r AS (
           SELECT k, d FROM s WHERE k = 'c' UNION SELECT k, d - 12 / d FROM r WHERE d > -5) SELECT * FROM r",
        0,
        &[],
    );
}

#[test]
fn of_nulls_in_columns_that_may_not_be_null() {
    let into = |columns: &str, query: &str| {
        format!(
            "CREATE TABLE o ({columns}) WITH ('connector' = 'filesystem', 'path' = '$/o.ndjson', 'format' = 'json');
             INSERT INTO o {query}"
        )
    };
    fails(
        &into("k STRING NOT NULL, q BIGINT NOT NULL", "SELECT k, NULLIF(d, 0) FROM s"),
        3,
        &[
            r#"sink o x1: nullif(d, 0): it is NULL, and the column 'q' is NOT NULL [{"k":"a","d":0}]"#,
            r#"sink o x2: nullif(d, 0): it is NULL, and the column 'q' is NOT NULL [{"k":"b","d":0}]"#,
        ],
    );
    // Also within ROW and ARRAY, and what is written further on by other names.
    fails(
        &into(
            "r ROW<x BIGINT NOT NULL, y BIGINT>, a ARRAY<BIGINT NOT NULL>",
            "SELECT ROW(NULLIF(g, 2), NULLIF(g, 1)), ARRAY[d, NULLIF(g, 7)] FROM s WHERE k <> 'c'",
        ),
        3,
        &[
            r#"sink o x1: ARRAY[d, nullif(g, 7)]: it is NULL, and the column 'a[]' is NOT NULL [{"k":"a","d":2,"g":7}]"#,
            r#"sink o x2: row(nullif(g, 2), nullif(g, 1)): it is NULL, and the column 'r.x' is NOT NULL [{"k":"b","d":0,"g":2}]"#,
        ],
    );
    // A row that is taken back takes its letter back: the sum of `c` is NULL at first, and then 3.
    fails(&into("k STRING, n BIGINT NOT NULL", "SELECT k, SUM(NULLIF(d, 1)) FROM s WHERE k = 'c' GROUP BY k"), 0, &[]);
}

#[test]
fn of_subqueries_of_several_rows() {
    let two = "SELECT k, (SELECT x.d FROM s x WHERE x.k = s.k AND x.d > 0) AS one FROM s";
    fails(
        &format!("CREATE MATERIALIZED VIEW v AS {two}"),
        2,
        &[r#"view v x2: (SELECT ...): a scalar subquery returned more than one row [{"s.k":"c"}]"#],
    );
    // The sums are 1, then 4 of `c`, so there are two below 3, and then one: the letters of all rows are taken back.
    let sums = "CREATE MATERIALIZED VIEW t AS SELECT k, SUM(d) AS n FROM s";
    let below = "GROUP BY k; CREATE MATERIALIZED VIEW v AS SELECT k, (SELECT t.n FROM t WHERE n < 3) AS one FROM s WHERE k = 'b' AND d = 5";
    fails(&format!("{sums} {below}"), 0, &[]);
    fails(
        &format!("{sums} WHERE ts < TIMESTAMP '1970-01-01 00:00:07' {below}"),
        1,
        &[r#"view v x1: (SELECT ...): a scalar subquery returned more than one row [{"k":"b"}]"#],
    );
}

/// A comparison with a subquery is asked whether it is true and whether it is unknown, `ALL` of every pair: a row that fails, on
/// either side of it, is one letter.
#[test]
fn of_comparisons_with_subqueries() {
    for query in [
        "SELECT k FROM s WHERE g NOT IN (SELECT 10 / d FROM s)",
        "SELECT k FROM s WHERE g NOT IN (SELECT 10 / z.d FROM s z WHERE z.k = s.k)",
        "SELECT k FROM s WHERE g NOT IN (SELECT NULLIF(10 / d, 5) FROM s)",
        "SELECT k FROM s WHERE (g, k) NOT IN (SELECT 10 / d, k FROM s)",
        "SELECT k FROM s WHERE g NOT IN (SELECT y.g FROM s y WHERE 10 / y.d > 1)",
        "SELECT k FROM s WHERE 10 / d NOT IN (SELECT g FROM s)",
        "SELECT k FROM s WHERE NULLIF(10 / d, 5) NOT IN (SELECT NULLIF(g, 1) FROM s)",
        "SELECT k FROM s WHERE (10 / d, k) NOT IN (SELECT g, k FROM s)",
        "SELECT k FROM s WHERE g > ALL (SELECT 10 / d FROM s)",
        "SELECT k FROM s WHERE g > ALL (SELECT 10 / z.d FROM s z WHERE z.k = s.k)",
        "SELECT k FROM s WHERE g < ANY (SELECT 10 / d FROM s)",
        "SELECT k FROM s WHERE 10 / d > ALL (SELECT g FROM s)",
        "SELECT k, g IN (SELECT 10 / d FROM s) AS x FROM s",
        "SELECT k, (g, k) IN (SELECT 10 / d, k FROM s) AS x FROM s",
        "SELECT k, g NOT IN (SELECT 10 / z.d FROM s z WHERE z.k = s.k) AS x FROM s",
        "SELECT k, g > ALL (SELECT 10 / d FROM s) AS x FROM s",
        "SELECT k, g > ANY (SELECT 10 / d FROM s) AS x FROM s",
        "SELECT k, 10 / d NOT IN (SELECT g FROM s) AS x FROM s",
        "SELECT k, 10 / d > ALL (SELECT g FROM s) AS x FROM s",
    ] {
        for (workers, tick_rows) in [(1, 1), (2, 100)] {
            let (found, failed) = letters(&format!("CREATE MATERIALIZED VIEW v AS {query}"), workers, tick_rows);
            assert_eq!(failed, 3, "{query} at {workers} workers: {found:#?}");
        }
    }
}

/// A relation that a query reads several times is computed once, and a row that fails in it is one letter: a WITH, also within
/// another one or a derived table, a view that is read there, rows outside that a subquery has to know.
#[test]
fn of_relations_that_are_read_several_times() {
    const Q: &str = "SELECT k, 10 / d AS q FROM s";
    let in_windows = "SELECT k, 10 / d AS q, window_start, window_end FROM TABLE(TUMBLE(TABLE s, DESCRIPTOR(ts), INTERVAL '10' SECOND))";
    let grouped =
        "SELECT a.x FROM (SELECT window_start, window_end, SUM(q) AS x FROM c GROUP BY window_start, window_end) a
         JOIN (SELECT window_start, window_end, MAX(q) AS x FROM c WHERE k = 'a' GROUP BY window_start, window_end) b
         ON a.window_start = b.window_start AND a.window_end = b.window_end";
    for program in [
        format!("READ WITH c AS ({Q}) SELECT a.q FROM c a JOIN c b ON a.k = b.k WHERE b.q > 2"),
        format!("READ WITH c AS ({Q}) SELECT q FROM c WHERE k = 'a' UNION ALL SELECT q + 1 AS q FROM c UNION ALL SELECT q FROM c WHERE q > 3"),
        format!("READ WITH c AS ({Q}), e AS (SELECT k, q + 1 AS q FROM c), f AS (SELECT * FROM e) SELECT a.q FROM f a JOIN f b ON a.q < b.q AND a.k = b.k"),
        format!("READ SELECT * FROM (WITH c AS ({Q}) SELECT a.q FROM c a JOIN c b ON a.k = b.k WHERE b.q > 2) AS x"),
        format!("CREATE VIEW c AS {Q}; READ WITH e AS (SELECT * FROM c WHERE q <> 7) SELECT q FROM e WHERE k = 'a' UNION ALL SELECT q FROM e WHERE k = 'b'"),
        "READ WITH c AS (SELECT k, g FROM s WHERE 10 / d > 1) SELECT k FROM c WHERE g > 1 UNION ALL SELECT k FROM c WHERE k = 'b'".to_owned(),
        format!("READ WITH c AS ({Q}) SELECT k FROM s WHERE g IN (SELECT q FROM c WHERE c.k = s.k) OR d NOT IN (SELECT q FROM c)"),
        format!("READ WITH c AS ({in_windows}) {grouped}"),
        format!("CREATE VIEW c AS {in_windows}; READ {grouped}"),
        "READ WITH RECURSIVE r AS (SELECT d AS n, k, ts FROM s WHERE d = 0 UNION SELECT n + 5, k, ts FROM r WHERE n < 5), c AS (SELECT 10 / n AS q FROM r) SELECT a.q FROM c a JOIN c b ON a.q = b.q WHERE b.q > 1".to_owned(),
        format!("READ SELECT x.k, (SELECT MAX(s.g) FROM s WHERE s.g < x.q) AS m FROM ({Q}) x WHERE x.k <> 'c'"),
        format!("READ SELECT x.k FROM ({Q}) x WHERE EXISTS (SELECT 1 FROM s u LEFT JOIN s w ON u.k = w.k AND w.g < x.q)"),
        format!("READ SELECT x.k, y.m FROM ({Q}) x LEFT JOIN LATERAL (SELECT MAX(s.g) AS m FROM s WHERE s.g < x.q) y ON TRUE"),
        format!("READ SELECT x.k, EXISTS (SELECT SUM(g) FROM s WHERE s.g < x.q GROUP BY k) AS m FROM ({Q}) x WHERE x.q > 1"),
        format!("READ SELECT k FROM s WHERE EXISTS (SELECT 1 FROM ({Q}) x WHERE x.q > s.g AND EXISTS (SELECT MAX(w.g) FROM s w WHERE w.g < x.q HAVING MAX(w.g) > 0))"),
    ] {
        let program = program.replace("READ ", "CREATE MATERIALIZED VIEW v AS ").replace("CREATE CREATE MATERIALIZED VIEW v AS ", "CREATE VIEW ");
        for (workers, tick_rows) in [(1, 1), (2, 100)] {
            let (found, failed) = letters(&program, workers, tick_rows);
            assert_eq!(failed, 3, "{program} at {workers} workers: {found:#?}");
        }
    }
}

/// A condition over two rows fails for each pair that it is asked of, though one row of it is the reason; computed below, each row fails once.
#[test]
fn of_conditions_of_pairs() {
    let asked = "SELECT k FROM s WHERE EXISTS (SELECT 1 FROM s z WHERE z.k = s.k AND z.g < 10 / s.d)";
    let below =
        "SELECT k FROM (SELECT k, 10 / d AS q FROM s) x WHERE EXISTS (SELECT 1 FROM s z WHERE z.k = x.k AND z.g < x.q)";
    let alike = "SELECT a.q + b.q AS q FROM (SELECT k, 10 / d AS q FROM s) a JOIN (SELECT k, 10 / d AS q FROM s) b ON a.k = b.k";
    let joined = "SELECT a.k FROM s a JOIN s b ON a.k = b.k AND a.g + b.g > 10 / a.d + b.d";
    let apart = format!("{alike} WHERE b.q > 2");
    // Of `a` one row meets two, of `b` two meet three each; two sub-selects that are alike throughout are one, and with a condition
    // on one of them two, that miss three each.
    for (query, times) in [(asked, 8), (below, 3), (joined, 8), (alike, 3), (&*apart, 6)] {
        for (workers, tick_rows) in [(1, 1), (2, 100)] {
            let (found, failed) = letters(&format!("CREATE MATERIALIZED VIEW v AS {query}"), workers, tick_rows);
            assert_eq!(failed, times, "{query} at {workers} workers: {found:#?}");
        }
    }
}

/// What does not fit its type is said in SQL's words.
#[test]
fn of_values_beyond_their_type() {
    for (expression, said) in [
        ("CAST(g AS TINYINT)", "-3000000000 is beyond TINYINT"),
        ("g * 9000000000", "-3000000000 * 9000000000 is beyond BIGINT"),
        ("9223372036854775807 - g", "9223372036854775807 - -3000000000 is beyond BIGINT"),
        ("REPLACE(REPEAT(k, 100000), k, REPEAT(k, 1000))", "a text of 100000000 characters is too long"),
        ("REGEXP_REPLACE(REPEAT(k, 100000), k, REPEAT(k, 1000))", "characters is too long; at most 16777216"),
        ("ARRAY_JOIN(SPLIT(REPEAT(k, 100000), ''), REPEAT(k, 1000))", "characters is too long; at most 16777216"),
        ("CAST(k AS CHAR(16777217))", "a text of 16777217 characters is too long; at most 16777216"),
        ("CAST(ARRAY[k] AS ARRAY<CHAR(16777217)>)", "a text of 16777217 characters is too long; at most 16777216"),
        ("LPAD(k, 16777217, '-')", "a text of 16777217 characters is too long; at most 16777216"),
        ("REPEAT('ä', 16777216) || k", "a text of 16777217 characters is too long; at most 16777216"),
        ("CONCAT(k, REPEAT(k, 16777216))", "a text of 16777217 characters is too long; at most 16777216"),
        ("CONCAT_WS('', k, REPEAT(k, 16777216))", "a text of 16777217 characters is too long; at most 16777216"),
        ("OVERLAY(REPEAT(k, 16777216) PLACING 'xy' FROM 1 FOR 1)", "a text of 16777217 characters is too long"),
        ("TO_BASE64(REPEAT(k, 16777216))", "characters is too long; at most 16777216"),
        ("URL_ENCODE(REPEAT('ä' || k, 9000000))", "characters is too long; at most 16777216"),
        ("JSON_OBJECT(KEY 'a' VALUE REPEAT(k, 16777216))", "characters is too long; at most 16777216"),
        ("CAST(ARRAY[REPEAT(k, 16777216)] AS VARCHAR)", "characters is too long; at most 16777216"),
    ] {
        let view = format!("CREATE MATERIALIZED VIEW v AS SELECT {expression} AS x FROM s WHERE k = 'c' AND g <> 0");
        let (found, failed) = letters(&view, 1, 1);
        assert!(failed == 1 && found[0].contains(said), "{expression}: {found:#?}");
    }
    // As many as there may be, of two bytes each.
    let most = "CREATE MATERIALIZED VIEW v AS SELECT CHAR_LENGTH(REPEAT('ä', 16777215) || k) AS x FROM s WHERE k = 'c'";
    assert_eq!(letters(most, 1, 1).1, 0);
    // Of nothing there is nothing, however often.
    let nothing =
        "CREATE MATERIALIZED VIEW v AS SELECT REPEAT(SUBSTRING(k FROM 2), g + 9000000000000000000) AS x FROM s";
    assert_eq!(letters(nothing, 1, 1).1, 0);
}
