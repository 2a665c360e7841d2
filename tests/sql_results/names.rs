//! What a name is of: relations and columns that are called alike, fields of rows, queries that read nothing.

use super::gives;

#[test]
fn a_relation_outside_may_be_called_as_a_column_inside_is() {
    gives(
        "SELECT k.v, (SELECT COUNT(*) FROM s WHERE s.v < k.v) AS n FROM s AS k WHERE k.v < 4",
        &["1 0", "2 1", "3 2"],
    );
    gives("SELECT v.v FROM s AS v WHERE EXISTS (SELECT 1 FROM s WHERE s.k = v.k AND s.v > v.v)", &["1", "2", "3", "5"]);
    gives("SELECT v.v FROM s AS v WHERE v.v IN (SELECT x.v + 1 FROM s AS x WHERE x.k <> v.k)", &["2", "3", "6", "7"]);
    gives(
        "SELECT ts.v, l.n FROM s AS ts, LATERAL (SELECT COUNT(*) AS n FROM s WHERE s.k = ts.k) AS l WHERE ts.v IN (1, 2, 4)",
        &["1 4", "2 2", "4 0"],
    );
    // Two levels up.
    gives(
        "SELECT k.v FROM s AS k WHERE EXISTS (SELECT 1 FROM s AS v WHERE v.v = k.v + 1 AND
           EXISTS (SELECT 1 FROM s AS ts WHERE ts.v = v.v + 1 AND ts.k = k.k))",
        &["1", "3", "5"],
    );
    gives(
        "WITH k AS (SELECT v FROM s WHERE v < 3) SELECT k.v, (SELECT MAX(s.v) FROM s WHERE s.v > k.v) AS m FROM k",
        &["1 9", "2 9"],
    );
    gives(
        "SELECT k.k, COUNT(*) AS n FROM s AS k GROUP BY k.k HAVING COUNT(*) > (SELECT COUNT(*) FROM s WHERE s.k < k.k)",
        &["NULL 1", "a 4"],
    );
    gives("SELECT k.* FROM s AS k WHERE k.v = 1 AND EXISTS (SELECT 1 FROM s WHERE s.v = k.v)", &["a 1 00:01"]);
    // Beside others, in parentheses, and as a column of a join by names.
    gives(
        "SELECT k.v, x.v AS w FROM (s AS k JOIN s AS x ON k.v + 1 = x.v) WHERE EXISTS (SELECT 1 FROM s WHERE s.v = k.v + 2)",
        &["1 2", "2 3", "3 4", "4 5", "5 6"],
    );
    gives(
        "SELECT v, (SELECT COUNT(*) FROM s AS y WHERE y.k = k) AS n FROM s AS k JOIN (SELECT v AS w, k FROM s WHERE v = 3) AS x USING (k)",
        &["1 7", "3 7", "5 7", "7 7"],
    );
    gives(
        "SELECT v, (SELECT COUNT(y.v) FROM (SELECT v, 'x' AS k FROM s) AS y WHERE y.v < k.v) AS n FROM s AS k WHERE k.v < 3",
        &["1 0", "2 1"],
    );
    // Unions within: each part by itself.
    gives(
        "SELECT k.v FROM s AS k WHERE k.v IN (SELECT s.v FROM s WHERE s.v < 3 AND k.v > 0 UNION ALL SELECT x.v FROM s AS x WHERE x.v = 5 AND x.k = k.k)",
        &["1", "2", "5"],
    );
    // The variables of a pattern are its own.
    gives(
        "SELECT a.v FROM s AS a WHERE a.v IN (SELECT m.v FROM s MATCH_RECOGNIZE (
           PARTITION BY k ORDER BY ts MEASURES A.v AS v PATTERN (A B) DEFINE B AS B.v > A.v) AS m)",
        &["1", "2", "5"],
    );
}

/// What stands below a pattern is read as everywhere.
#[test]
fn patterns_go_over_any_subquery() {
    gives(
        "SELECT m.v FROM (SELECT * FROM s WHERE k IS NOT DISTINCT FROM 'a' AND (k IS JSON) IS NOT TRUE) MATCH_RECOGNIZE (
           PARTITION BY k ORDER BY ts MEASURES A.v AS v PATTERN (A B) DEFINE B AS B.v > A.v) AS m",
        &["1", "5"],
    );
}

#[test]
fn a_row_is_meant_in_the_innermost_query_that_has_one_and_behind_relations_of_that_query() {
    let rows = |field: &str| format!("(SELECT CAST(ROW(v) AS ROW<{field} BIGINT>) AS r FROM s WHERE v < 3)");
    let with = |field: &str| {
        format!("SELECT r.v, (SELECT COUNT(*) FROM {} AS x WHERE r.v = 1) AS n FROM s AS r WHERE r.v < 3", rows(field))
    };
    gives(&with("v"), &["1 1", "2 1"]);
    gives(&with("w"), &["1 2", "2 0"]);
    gives("SELECT r.v FROM (SELECT v, CAST(ROW(v + 100) AS ROW<v BIGINT>) AS r FROM s WHERE v < 3) AS r", &["1", "2"]);
    gives(&format!("SELECT r.r.v, r.v AS w FROM {} AS r", rows("v")), &["1 1", "2 2"]);
}

#[test]
fn fields_of_rows_outside_are_read() {
    let rows = "(SELECT v, k, CAST(ROW(v, ROW(k)) AS ROW<v BIGINT, i ROW<k STRING>>) AS r FROM s WHERE v < 3)";
    for field in ["x.r.v", "r.v", "(x.r).v", "x.r['v']"] {
        gives(
            &format!("SELECT v, (SELECT COUNT(*) FROM s WHERE s.v < {field}) AS n FROM {rows} AS x"),
            &["1 0", "2 1"],
        );
        gives(&format!("SELECT v, l.n FROM {rows} AS x, LATERAL (SELECT {field} + 1 AS n) AS l"), &["1 2", "2 3"]);
    }
    gives(
        &format!("SELECT v FROM {rows} AS x WHERE EXISTS (SELECT 1 FROM s WHERE s.k = x.r.i.k AND s.v = r.v + 4)"),
        &["1", "2"],
    );
    // Of a relation that is called as a column inside.
    gives(&format!("SELECT v, (SELECT COUNT(*) FROM s WHERE s.v < ts.r.v) AS n FROM {rows} AS ts"), &["1 0", "2 1"]);
}

#[test]
fn a_query_without_from_is_a_row() {
    gives("SELECT 7 AS v", &["7"]);
    gives("SELECT 7 AS v WHERE FALSE", &[]);
    gives("SELECT COUNT(*) AS n, 'x' AS t", &["1 x"]);
    gives("SELECT 2 AS v UNION ALL SELECT v FROM s WHERE v < 3", &["1", "2", "2"]);
    gives("SELECT v FROM s WHERE v < 3 UNION SELECT 2", &["1", "2"]);
    gives("SELECT v FROM s WHERE v < 4 EXCEPT SELECT 2", &["1", "3"]);
    gives("SELECT v FROM s INTERSECT (SELECT 2 UNION ALL SELECT 3)", &["2", "3"]);
    gives("SELECT v FROM s WHERE v IN (SELECT 2 UNION ALL SELECT 3)", &["2", "3"]);
    gives("SELECT v, x.a FROM s JOIN (SELECT 1 AS a) AS x ON v = x.a", &["1 1"]);
    gives("SELECT x.a, v FROM (SELECT 1 AS a) AS x LEFT JOIN s ON v = x.a + 1", &["1 2"]);
    gives("SELECT v, x.a FROM s CROSS JOIN (SELECT 1 AS a) AS x WHERE v < 3", &["1 1", "2 1"]);
    gives("WITH c AS (SELECT 3 AS v) SELECT s.v FROM s JOIN c ON s.v = c.v", &["3"]);
    gives("SELECT (SELECT 5) AS v", &["5"]);
    gives("SELECT v FROM (SELECT 2 AS v UNION ALL SELECT 1) AS x ORDER BY v LIMIT 1", &["1"]);
}

/// Without an order a subquery's first rows are the least by their columns: the same however it is run.
#[test]
fn the_first_rows_of_a_subquery_without_an_order_are_the_least() {
    gives(
        "SELECT x.v, (SELECT s.v FROM s WHERE s.k = x.k LIMIT 1) AS w FROM s AS x WHERE x.v > 3",
        &["4 NULL", "5 1", "6 2", "7 1", "9 9"],
    );
    gives(
        "SELECT x.v FROM s AS x WHERE x.v IN (SELECT s.v FROM s WHERE s.k = x.k LIMIT 2)",
        &["1", "2", "3", "6", "9"],
    );
    gives(
        "SELECT x.v FROM s AS x WHERE EXISTS (SELECT * FROM s WHERE s.k = x.k AND s.v > x.v LIMIT 1)",
        &["1", "2", "3", "5"],
    );
    gives(
        "SELECT x.v, l.w FROM s AS x, LATERAL (SELECT s.v AS w, s.ts FROM s WHERE s.k = x.k LIMIT 1 OFFSET 1) AS l WHERE x.v < 3",
        &["1 3", "2 6"],
    );
    gives("SELECT v FROM s WHERE v = (SELECT v FROM s LIMIT 1)", &["1"]);
}

/// An array may have columns of rows outside among its items.
#[test]
fn arrays_hold_columns_of_rows_outside() {
    gives(
        "SELECT v FROM s WHERE EXISTS (SELECT 1 WHERE s.v IN ((ARRAY[s.v, 0, 3])[1], 9) OR s.v NOT IN (s.v, 2)) AND v < 4",
        &["1", "2", "3"],
    );
    gives(
        "SELECT v, (SELECT (ARRAY[s.v, 7])[2] + CARDINALITY(ARRAY[s.k, 'x'])) AS n FROM s WHERE v < 3",
        &["1 9", "2 9"],
    );
    gives(
        "SELECT v FROM s WHERE EXISTS (SELECT 1 FROM s AS x WHERE x.v = (ARRAY[s.v, s.v + 1])[2] AND ARRAY_CONTAINS(ARRAY[s.k, 'b'], x.k))",
        &["1", "5"],
    );
    gives(
        "SELECT v, u.i FROM s, LATERAL (SELECT COUNT(*) AS i FROM s AS x WHERE ARRAY[x.k] = ARRAY[s.k]) AS u WHERE v < 3",
        &["1 4", "2 2"],
    );
}

/// VALUES is a subquery wherever one may stand.
#[test]
fn values_are_compared_with() {
    gives("SELECT v FROM s WHERE v = ANY (VALUES (1), (2), (10))", &["1", "2"]);
    gives("SELECT v FROM s WHERE v > ALL (VALUES (5), (6)) OR v IN (VALUES (1))", &["1", "7", "9"]);
    gives("SELECT v FROM s WHERE v <= (VALUES (1 + 1)) AND EXISTS (VALUES (1))", &["1", "2"]);
}

/// FINAL and RUNNING say of one row per match what is so anyway.
#[test]
fn final_and_running_measures_of_a_match() {
    for words in ["", "FINAL ", "RUNNING "] {
        gives(
            &format!(
                "SELECT * FROM s MATCH_RECOGNIZE (PARTITION BY k ORDER BY ts
                   MEASURES {words}LAST(B.v) AS last, ROUND({words}SUM(B.v) * 1.0) AS total, {words}FIRST(A.v, 0) AS final,
                     {words}COUNT(*) AS running
                   PATTERN (A B+) WITHIN INTERVAL '1' MINUTE DEFINE B AS B.v > {running}LAST(A.v)) AS m",
                running = if words.starts_with('R') { "RUNNING " } else { "" },
            ),
            &["a 7 15.0 1 4", "b 6 6.0 2 2"],
        );
    }
}

/// What is named from outside may be called alike inside.
#[test]
fn columns_that_are_named_from_outside_may_be_called_alike() {
    gives("WITH r (a, b) AS (SELECT s.v, s.v FROM s WHERE v < 3) SELECT a, b FROM r", &["1 1", "2 2"]);
    gives(
        "SELECT a, b FROM (SELECT s.v, s.v FROM s WHERE v < 3 UNION ALL SELECT v, v + 1 FROM s WHERE v = 9) AS r (a, b)",
        &["1 1", "2 2", "9 10"],
    );
    gives(
        "WITH RECURSIVE r (a, b) AS (SELECT s.v, s.v FROM s WHERE v = 1 UNION SELECT r.a, s.v FROM r JOIN s ON s.v = r.b + 1) SELECT a, b FROM r WHERE b < 4",
        &["1 1", "1 2", "1 3"],
    );
}
