//! What failed, as dead letters say it.

use std::time::Duration;

use super::{fails, letters, started};

/// What failed, in SQL's words and as the query has them.
#[test]
fn of_expressions_in_words() {
    for (select, what) in [
        (
            "CAST(g / 2.0 / d AS INT) AS x FROM s WHERE g = 7 AND d = 2 AND CAST(g / 0.0 AS INT) > 1",
            "CAST(g / 0.0 AS INT): inf is beyond INT",
        ),
        ("ARRAY[g, d][2] % d AS x FROM s WHERE k = 'a' AND d = 0", "ARRAY[g, d][2] % d: division by zero"),
        ("10 / (POSITION('a' IN k) - 1) AS x FROM s WHERE g = 7", "10 / (POSITION('a' IN k) - 1): division by zero"),
        ("CAST(TRIM(BOTH 'b' FROM k) AS INT) AS x FROM s WHERE g = 7", "CAST(TRIM(BOTH 'b' FROM k) AS INT): "),
        (
            "CAST(OVERLAY(k PLACING 'x' FROM 1 FOR 1) AS INT) AS x FROM s WHERE g = 7",
            "CAST(OVERLAY(k PLACING 'x' FROM 1 FOR 1) AS INT): ",
        ),
        (
            "CAST(CAST((d > 1) IS TRUE AS VARCHAR) AS INT) AS x FROM s WHERE g = 7",
            "CAST(CAST((d > 1) IS TRUE AS VARCHAR) AS INT): ",
        ),
        (
            "CAST(CAST(d BETWEEN 1 AND g AS VARCHAR) AS INT) AS x FROM s WHERE g = 7",
            "CAST(CAST(d BETWEEN 1 AND g AS VARCHAR) AS INT): ",
        ),
        // Casts of the query, and not those that the planner puts in.
        (
            "CAST(d AS INT) / CAST(d AS SMALLINT) AS x FROM s WHERE g = 3000000000",
            "CAST(d AS INT) / CAST(d AS SMALLINT): division by zero",
        ),
        (
            "CAST(d AS DECIMAL(10, 2)) / d AS x FROM s WHERE g = 3000000000",
            "CAST(d AS DECIMAL(10, 2)) / d: division by zero",
        ),
        (
            "CAST(REPEAT(k, CAST(d AS INT)) AS INT) AS x FROM s WHERE g = 7",
            "CAST(repeat(k, CAST(d AS INT)) AS INT): 'aa' is no INT",
        ),
        (
            "ts + CAST(d AS INT) * INTERVAL '900000000' DAY AS x FROM s WHERE g = 7",
            "ts + CAST(d AS INT) * INTERVAL '900000000' DAY: ",
        ),
        (
            "-(d - 9223372036854775807 - 1) AS x FROM s WHERE g = 3000000000",
            "-(d - 9223372036854775807 - 1): -(-9223372036854775808) is beyond BIGINT",
        ),
        (
            "JSON_VALUE(k, '$.a' RETURNING INT ERROR ON ERROR) AS x FROM s WHERE g = 7",
            "json_value(k, '$.a' RETURNING INT ERROR ON ERROR): ",
        ),
        ("CAST(CAST(k AS INT) AS BIGINT) AS x FROM s WHERE g = 7", "CAST(k AS INT): "),
        (
            "10 / (COUNT(*) OVER (PARTITION BY k, g ORDER BY ts) - 1) AS x FROM s WHERE g = 7",
            "10 / (count(*) OVER (PARTITION BY k, g ORDER BY ts) - 1): division by zero",
        ),
        ("CAST(JSON_ARRAYAGG(g) AS INT) AS x FROM s WHERE g = 7", "CAST(json_arrayagg(g) AS INT): "),
        (
            "CAST(JSON_OBJECTAGG(KEY k VALUE g) AS INT) AS x FROM s WHERE g = 7",
            "CAST(json_objectagg(k VALUE g) AS INT): ",
        ),
        (
            "10 / (CHARACTER_LENGTH(k) - 1) AS x FROM s JOIN (SELECT k, d AS e FROM s WHERE g = 1) AS u USING (k) WHERE g = 1",
            "10 / (character_length(k) - 1): division by zero [{\"k\":\"b\"",
        ),
        (
            "10 / (u.d - 2) AS x FROM (SELECT k, g FROM s) AS t JOIN s AS u ON t.k = u.k AND u.g = 7 WHERE t.g = 7",
            "10 / (u.d - 2): division by zero",
        ),
        (
            "a.g, b.g AS h FROM s AS a JOIN s AS b ON a.k = b.k AND 10 / (a.d - b.d - 2) > 0 WHERE a.g = 7 AND b.g > 7",
            r#"10 / (a.d - b.d - 2): division by zero [{"k":"a","a.d":2,"a.g":7,"b.d":0,"b.g":3000000000}]"#,
        ),
    ] {
        let (found, rows) = letters(&format!("CREATE MATERIALIZED VIEW v AS SELECT {select};"), 1, 100);
        let said: Vec<&str> = found.iter().filter_map(|letter| letter.strip_prefix("view v x1: ")).collect();
        assert!(rows == 1 && said.len() == 1 && said[0].starts_with(what), "{select}: {found:?}");
    }
}

/// Operators over texts, units of time and casts as the query has them, and functions by the name that it calls them by.
#[test]
fn of_operators_and_names_as_they_are_written() {
    // Each within what fails, over the one row with a `g` of 7: its `k` is `a`, its `d` 2.
    let as_text =
        |of: &str| (format!("CAST(CAST({of} AS VARCHAR) AS INT)"), format!("CAST(CAST({of} AS VARCHAR) AS INT): "));
    let mut cases: Vec<(String, String)> = [
        "k LIKE '%a'",
        "k NOT LIKE '%a'",
        "k LIKE k || '%'",
        "k LIKE 'a!%' ESCAPE '!'",
        "k NOT LIKE 'a!%' ESCAPE '!'",
        "k ILIKE '%A'",
        "k NOT ILIKE '%A'",
        "k SIMILAR TO '(a|b)+'",
        "k NOT SIMILAR TO 'a#|b' ESCAPE '#'",
        "k RLIKE '^a'",
        "k NOT RLIKE '^a'",
        "k REGEXP '^a'",
        "FLOOR(ts TO HOUR)",
        "CEIL(ts TO DAY)",
        "FLOOR(CAST(ts AS DATE) TO MONTH)",
        "CAST(ts AS TIMESTAMP(0))",
        "timestampadd(MINUTE, d, ts)",
    ]
    .map(as_text)
    .into();
    for of in [
        "char_length(k)",
        "character_length(k)",
        "length(k)",
        "array_length(ARRAY[d])",
        "array_size(ARRAY[d])",
        "cardinality(ARRAY[d])",
        "instr(k, 'a')",
        "timestampdiff(SECOND, ts, ts + INTERVAL '1' SECOND)",
        "sign(d)",
        "signum(d)",
    ] {
        cases.push((format!("10 / CAST({of} - 1 AS INT)"), format!("10 / CAST({of} - 1 AS INT): division by zero")));
    }
    for (select, what) in cases {
        let program = format!("CREATE MATERIALIZED VIEW v AS SELECT {select} AS x FROM s WHERE g = 7");
        let (found, rows) = letters(&program, 1, 100);
        let said: Vec<&str> = found.iter().filter_map(|letter| letter.strip_prefix("view v x1: ")).collect();
        assert!(rows == 1 && said.len() == 1 && said[0].starts_with(&what), "{select}: {found:?}");
    }
}

/// A measure is named as it is written, with the columns of the match that it reads.
#[test]
fn of_measures() {
    let of = |rows: &str, measures: &str| {
        format!(
            "CREATE MATERIALIZED VIEW v AS SELECT * FROM s MATCH_RECOGNIZE ({rows} ORDER BY ts MEASURES {measures}
             PATTERN (A B) WITHIN INTERVAL '1' HOUR DEFINE A AS A.k = 'a', B AS B.k = 'a')"
        )
    };
    let (by_key, all) = ("PARTITION BY k", "");
    for (rows, measures, what) in [
        (all, "A.d AS i, 10 / B.d AS q", r#"10 / b.d: division by zero [{"a.d":2,"b.d":0}]"#),
        (by_key, "A.d AS i, 10 / B.d AS q", r#"10 / b.d: division by zero [{"k":"a","a.d":2,"b.d":0}]"#),
        (by_key, "10 / (SUM(A.d) - 2) AS q", r#"10 / (SUM(a.d) - 2): division by zero [{"k":"a","SUM(a.d)":2}]"#),
        (
            by_key,
            "CAST(LAST(B.g) AS INT) AS q",
            r#"CAST(b.g AS INT): 3000000000 is beyond INT [{"k":"a","b.g":3000000000}]"#,
        ),
    ] {
        fails(&of(rows, measures), 1, &[&format!("view v x1: {what}")]);
    }
}

/// Where it stands: in the statement of the view or sink whose letter it is, or in that of a view which that one reads, also where
/// others have the same rows by the same operators.
#[test]
fn of_operators_that_statements_share() {
    let sum = "SELECT k, SUM(10 / d) AS n FROM s GROUP BY k";
    let pairs = "SELECT x.k FROM s AS x JOIN s AS y ON x.k = y.k AND 10 / (x.d + y.d) > 1";
    let sink = "WITH ('connector' = 'blackhole')";
    let program = format!(
        "CREATE MATERIALIZED VIEW v AS SELECT k, 10 / d AS q FROM s;
         CREATE SINK o {sink} AS SELECT k, 10 / d AS q FROM s;
         CREATE VIEW one AS {sum};
         CREATE VIEW \"Two\" AS {sum};
         CREATE VIEW over AS SELECT n FROM \"Two\" WHERE n IS NOT NULL;
         CREATE SINK of_one {sink} AS SELECT n + 1 AS n FROM one;
         CREATE SINK of_two {sink} AS SELECT n + 1 AS n FROM over;
         CREATE MATERIALIZED VIEW sums AS {sum};
         CREATE SINK p {sink} AS {pairs};
         CREATE TABLE t (k STRING) {sink};
         INSERT INTO t {pairs}"
    );
    let (engine, _folder) = started(&program, 2, 3);
    engine.wait_within(Duration::from_secs(60)).expect("the input ends").unwrap();
    let mut found: Vec<String> = Vec::new();
    for of in engine.dead_letters() {
        found.extend(of.latest(100).iter().map(|letter| format!("{}: {}", of.name(), letter.position)));
    }
    found.sort();
    found.dedup();
    let map = |name: &str, of: &str| format!("{name}: SELECT, WHERE or HAVING of {of}");
    let join = |name: &str| format!("{name}: a join condition of {name}");
    let mut expected =
        vec![map("v", "v"), map("o", "o"), map("of_one", "one"), map("of_two", "Two"), map("sums", "sums")];
    expected.extend([join("p"), join("t")]);
    expected.sort();
    assert_eq!(found, expected);
}
