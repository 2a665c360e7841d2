//! What is compared: intervals, rows, dates beside times.

use highwater::sql::{Catalog, plan};

use super::gives;

/// A day is as long as its hours, a month 30 days: intervals are compared by their lengths, not part by part.
#[test]
fn intervals_are_compared_by_their_lengths() {
    let true_ones = [
        "ts - TIMESTAMP '1969-11-02 00:00:00' > INTERVAL '1' DAY",
        "ts - TIMESTAMP '1969-12-31 23:00:00' < INTERVAL '1' DAY",
        "INTERVAL '2' HOUR > ts - TIMESTAMP '1969-12-31 23:00:00'",
        "ts - TIMESTAMP '1969-11-02 00:00:00' BETWEEN INTERVAL '59' DAY AND INTERVAL '61' DAY",
        "ts - TIMESTAMP '1969-11-02 00:00:00' > INTERVAL '1' MONTH",
        "v * INTERVAL '30' HOUR > INTERVAL '1' DAY",
        "v * INTERVAL '24' HOUR = INTERVAL '1' DAY",
        "v * INTERVAL '24' HOUR IN (INTERVAL '1' DAY, INTERVAL '7' DAY)",
        "NOT v * INTERVAL '24' HOUR IS DISTINCT FROM INTERVAL '1' DAY",
        "INTERVAL '25' HOUR > INTERVAL '1' DAY",
        "INTERVAL '24' HOUR = INTERVAL '1' DAY",
        "INTERVAL '40' DAY > INTERVAL '1' MONTH",
        "INTERVAL '12' MONTH = INTERVAL '1' YEAR",
        "GREATEST(v * INTERVAL '26' HOUR, INTERVAL '1' DAY) = INTERVAL '26' HOUR",
        "LEAST(ts - TIMESTAMP '1969-11-02 00:00:00', INTERVAL '3' DAY) = INTERVAL '3' DAY",
        "CASE v * INTERVAL '24' HOUR WHEN INTERVAL '1' DAY THEN TRUE ELSE FALSE END",
    ];
    let shown: Vec<String> = true_ones.iter().enumerate().map(|(at, one)| format!("{one} AS c{at}")).collect();
    gives(&format!("SELECT {} FROM s WHERE v = 1", shown.join(", ")), &[&["true"; 16].join(" ")]);
    gives(&format!("SELECT v FROM s WHERE v = 1 AND {}", true_ones.join(" AND ")), &["1"]);
    gives(
        "SELECT a.v, b.v AS w FROM s AS a JOIN s AS b ON a.k = b.k AND b.ts - a.ts > INTERVAL '10' SECOND AND a.k = 'a'",
        &["1 7", "3 7", "5 7"],
    );
}

#[test]
fn rows_are_compared_with_those_of_subqueries() {
    let few = "(SELECT v, ts FROM s WHERE v IN (3, 5))";
    for (condition, expected) in [
        (format!("(v, ts) <= ALL {few}"), &["1", "2", "3"][..]),
        (format!("(v, ts) < ANY {few}"), &["1", "2", "3", "4"]),
        (format!("(v, ts) > ALL {few}"), &["6", "7", "9"]),
        (format!("(v, ts) <> ANY {few}"), &["1", "2", "3", "4", "5", "6", "7", "9"]),
        (format!("(v, ts) = ANY {few}"), &["3", "5"]),
        (format!("NOT ((v, ts) >= ANY {few})"), &["1", "2"]),
        ("(v, v) IN (SELECT x.v, x.v FROM s AS x WHERE v < 3)".to_owned(), &["1", "2"]),
        ("(v, k) >= ALL (SELECT 7, k FROM s WHERE v = 4)".to_owned(), &["9"]),
    ] {
        gives(&format!("SELECT v FROM s WHERE {condition}"), expected);
    }
}

#[test]
fn a_date_beside_a_timestamp_in_a_union_is_one() {
    gives(
        "SELECT DATE '9999-12-31' AS t FROM s WHERE v = 1 UNION ALL SELECT ts AS t FROM s WHERE v = 2 UNION ALL SELECT DATE '0001-01-01' AS t FROM s WHERE v = 3",
        &["0001-01-01T00:00:00", "00:04", "9999-12-31T00:00:00"],
    );
}

#[test]
fn texts_are_not_compared_with_numbers() {
    let refused = |query: &str| {
        let program = format!(
            "CREATE TABLE s (k STRING, v BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts)
             WITH ('connector' = 'filesystem', 'path' = 'none', 'format' = 'json');\nCREATE MATERIALIZED VIEW v AS {query};"
        );
        let errors = plan(&[("q.sql".to_owned(), program)], &Catalog::new()).expect_err(query);
        errors.iter().map(ToString::to_string).collect::<String>()
    };
    for query in [
        "SELECT v FROM s WHERE k <> 5",
        "SELECT v FROM s WHERE k > v",
        "SELECT v FROM s WHERE v IN (1, k)",
        "SELECT v FROM s WHERE k BETWEEN 1 AND 5",
        "SELECT CASE k WHEN 1 THEN 2 END FROM s",
        "SELECT v FROM s WHERE k < ts",
        "SELECT v FROM s WHERE k = DATE '2024-01-01'",
        "SELECT a.v FROM s AS a JOIN s AS b ON a.k = b.v",
        "SELECT v FROM s WHERE k IN (SELECT v FROM s)",
        "SELECT NULLIF(k, 5) FROM s",
    ] {
        let error = refused(query);
        assert!(
            error.contains("is a text and is compared with") && error.contains("CAST(") && error.contains("q.sql:3:"),
            "{query}: {error}"
        );
    }
    gives("SELECT v FROM s WHERE v = '5' OR v BETWEEN '6' AND '6' OR v IN ('9')", &["5", "6", "9"]);
    gives("SELECT v FROM s WHERE ts < '1970-01-01 00:00:02' AND v < 9", &["1"]);
    gives("SELECT v FROM s WHERE (v < 3) = 'true' AND (v > 1) <> 'f'", &["2"]);
    gives("SELECT BOOL_OR((v > 8) = 'true') FROM s", &["true"]);
    gives("SELECT ROUND(CAST(v AS DECIMAL(5, 2)) / 2, 0) <> CAST(3 AS DECIMAL(5, 2)) FROM s WHERE v = 5", &["false"]);
    gives(
        "SELECT ROUND(CAST(1.26 AS DECIMAL(5, 2)) * v, 1) IS DISTINCT FROM CAST(v AS DECIMAL(9, 3)) FROM s WHERE v = 1",
        &["true"],
    );
    // Lists that come side by side only when what stands between them is gone.
    gives("SELECT v FROM s WHERE 'a' NOT LIKE 'a_' AND v IN (CHAR_LENGTH(k), v) AND v NOT IN (v, 2)", &[]);
    gives("SELECT v FROM s WHERE v * 2 IN (CASE k WHEN 'b' THEN v * 2 END, 18, 20, 22)", &["2", "6", "9"]);
    gives("SELECT v FROM s WHERE (v IN (1, 2) AND (1 < 2 AND v NOT IN (1, 2))) IS NULL", &[]);
    gives("SELECT v, k IN ('a') AND (1 < 2 AND k NOT IN ('a')) FROM s WHERE v IN (4, 5)", &["4 NULL", "5 false"]);
    gives("SELECT v FROM s WHERE CAST(v AS DECIMAL(10, 2)) < CAST(1e15 AS DOUBLE) AND v < 2", &["1"]);
}

/// What NULLIF shows is its first argument as it is; what it compares has one type.
#[test]
fn nullif_is_of_the_type_of_its_first_argument() {
    gives(
        "SELECT v, NULLIF(v, 2.5) AS a, NULLIF(v, 2.0) AS b, NULLIF(v, CAST(v AS DOUBLE) + 0.5) AS c,
           NULLIF(CAST(v AS DECIMAL(5, 1)), 2) AS d, NULLIF(CAST(v AS INT), CAST(2 AS DECIMAL(10, 3))) AS e,
           NULLIF(CAST(v AS DOUBLE), v) AS f, NULLIF(v, '2') AS g, NULLIF(ts, '1970-01-01 00:00:04') AS h
         FROM s WHERE v IN (1, 2)",
        &["1 1 1 1 1.0 1 NULL 1 00:01", "2 2 NULL 2 NULL NULL NULL NULL NULL"],
    );
    gives("SELECT SUM(NULLIF(v, 2.5)) AS n, SUM(NULLIF(v, 3.0)) AS m FROM s", &["37 34"]);
}
