//! Clauses of calls, named windows, keys that are made of others, constants, and texts as instants.

use super::gives;

#[test]
fn lag_may_pass_over_null() {
    let last = ["1 c", "2 a", "3 a", "4 b", "5 b", "6 a", "7 b", "9 NULL"];
    gives("SELECT v, LAG(k) IGNORE NULLS OVER (ORDER BY ts) AS w FROM s", &last);
    gives("SELECT v, LAG(k IGNORE NULLS) OVER w AS w FROM s WINDOW w AS (ORDER BY ts)", &last);
    let rows = ["1 c", "2 a", "3 a", "4 b", "5 NULL", "6 a", "7 b", "9 NULL"];
    gives("SELECT v, LAG(k) RESPECT NULLS OVER (ORDER BY ts) AS w FROM s", &rows);
    gives(
        "SELECT v, LAG(k, 1, 'none') IGNORE NULLS OVER (ORDER BY ts) AS w FROM s",
        &["1 c", "2 a", "3 a", "4 b", "5 b", "6 a", "7 b", "9 none"],
    );
}

#[test]
fn a_named_window_is_extended() {
    gives(
        "SELECT v, LAG(k) OVER (w ORDER BY ts) AS w FROM s WINDOW x AS (PARTITION BY v > 4), w AS x",
        &["1 NULL", "2 a", "3 a", "4 b", "5 c", "6 a", "7 b", "9 NULL"],
    );
}

#[test]
fn keys_in_parentheses_are_several() {
    gives(
        "SELECT k, v > 4 AS big, COUNT(*) AS n FROM s GROUP BY (k, v > 4)",
        &["NULL false 1", "a false 2", "a true 2", "b false 1", "b true 1", "c true 1"],
    );
    for keys in ["ROLLUP ((k, v > 4))", "CUBE ((k, v > 4))", "GROUPING SETS ((k, v > 4), ())"] {
        gives(
            &format!("SELECT k, v > 4 AS big, COUNT(*) AS n FROM s WHERE k = 'a' GROUP BY {keys}"),
            &["NULL NULL 4", "a false 2", "a true 2"],
        );
    }
    gives(
        "SELECT k, COUNT(*) AS n FROM s WHERE k = 'a' GROUP BY GROUPING SETS (k, ROLLUP (k))",
        &["NULL 4", "a 4", "a 4"],
    );
    gives(
        "SELECT k, v > 4 AS big, v > 6 AS bigger, COUNT(*) AS n FROM s WHERE k = 'a' GROUP BY ROLLUP ((k, v > 4), v > 6)",
        &["NULL NULL NULL 4", "a false NULL 2", "a false false 2", "a true NULL 2", "a true false 1", "a true true 1"],
    );
}

#[test]
fn sets_of_keys_go_by_the_items_of_select() {
    for (keys, expected) in [
        ("ROLLUP (1, 2)", &["NULL NULL 4", "a NULL 4", "a false 2", "a true 2"][..]),
        ("ROLLUP ((1, 2))", &["NULL NULL 4", "a false 2", "a true 2"]),
        ("ROLLUP (1, v > 4)", &["NULL NULL 4", "a NULL 4", "a false 2", "a true 2"]),
        ("CUBE (1, 2)", &["NULL NULL 4", "NULL false 2", "NULL true 2", "a NULL 4", "a false 2", "a true 2"]),
        ("GROUPING SETS ((2), 1)", &["NULL false 2", "NULL true 2", "a NULL 4"]),
        ("1, ROLLUP (2)", &["a NULL 4", "a false 2", "a true 2"]),
        ("GROUPING SETS (ROLLUP (1), (1, 2))", &["NULL NULL 4", "a NULL 4", "a false 2", "a true 2"]),
    ] {
        gives(&format!("SELECT k, v > 4 AS big, COUNT(*) AS n FROM s WHERE k = 'a' GROUP BY {keys}"), expected);
    }
}

#[test]
fn semi_and_anti_joins_are_written_as_joins() {
    let with = "(SELECT k FROM s WHERE v > 6) AS u";
    for kind in ["LEFT SEMI", "SEMI"] {
        gives(&format!("SELECT s.k, s.v FROM s {kind} JOIN {with} ON s.k = u.k"), &["a 1", "a 3", "a 5", "a 7", "c 9"]);
        gives(&format!("SELECT v FROM s {kind} JOIN {with} USING (k)"), &["1", "3", "5", "7", "9"]);
    }
    for kind in ["LEFT ANTI", "ANTI"] {
        gives(&format!("SELECT s.k, s.v FROM s {kind} JOIN {with} ON s.k = u.k"), &["NULL 4", "b 2", "b 6"]);
        gives(&format!("SELECT v FROM s {kind} JOIN {with} ON s.k = u.k AND s.v < 4"), &["2", "4", "5", "6", "7", "9"]);
    }
    gives(
        "SELECT * FROM (SELECT k FROM s WHERE v > 8) AS u RIGHT ANTI JOIN (SELECT v, k FROM s WHERE v > 5) AS w ON u.k = w.k",
        &["6 b", "7 a"],
    );
}

/// `(a, b) = (SELECT ...)`: part by part with the one row of it, and unknown where there is none.
#[test]
fn rows_are_compared_with_the_row_of_a_subquery() {
    let last = "(SELECT u.k, MAX(u.v) FROM s AS u WHERE u.k = t.k GROUP BY u.k)";
    gives(&format!("SELECT v FROM s AS t WHERE (k, v) = {last}"), &["6", "7", "9"]);
    gives(&format!("SELECT v FROM s AS t WHERE {last} = (k, v)"), &["6", "7", "9"]);
    gives(&format!("SELECT v FROM s AS t WHERE (k, v) <> {last}"), &["1", "2", "3", "5"]);
    gives(&format!("SELECT v FROM s AS t WHERE (k, v) IS DISTINCT FROM {last}"), &["1", "2", "3", "4", "5"]);
    gives("SELECT v FROM s WHERE (k, v) < (SELECT 'b', 3)", &["1", "2", "3", "5", "7"]);
    gives("SELECT v FROM s WHERE (k, v) = (SELECT k, v FROM s WHERE v > 100)", &[]);
    gives("SELECT (k, v) = (SELECT k, v FROM s WHERE v > 100) AS x FROM s WHERE v = 1", &["NULL"]);
    gives("SELECT (v, k) >= (SELECT v, k FROM s ORDER BY v DESC LIMIT 1) AS x FROM s WHERE v > 6", &["false", "true"]);
}

#[test]
fn a_ranking_stands_beside_values_of_subqueries() {
    let ranked = |value: &str| {
        format!(
            "SELECT k, v, m FROM (SELECT k, v, ROW_NUMBER() OVER (PARTITION BY k ORDER BY v DESC) AS rn, {value} AS m FROM s AS t) AS x WHERE rn = 1"
        )
    };
    gives(&ranked("(SELECT COUNT(*) FROM s AS u WHERE u.v > t.v)"), &["NULL 4 4", "a 7 1", "b 6 2", "c 9 0"]);
    gives(
        &ranked("(SELECT COUNT(*) FROM s AS u WHERE u.k = t.k AND u.v < t.v)"),
        &["NULL 4 0", "a 7 3", "b 6 1", "c 9 0"],
    );
    gives(&ranked("(SELECT MAX(v) FROM s)"), &["NULL 4 9", "a 7 9", "b 6 9", "c 9 9"]);
    gives(
        &ranked("(SELECT u.v FROM s AS u WHERE u.v > t.v ORDER BY u.v LIMIT 1)"),
        &["NULL 4 5", "a 7 9", "b 6 7", "c 9 NULL"],
    );
    gives(
        &ranked("EXISTS (SELECT 1 FROM s AS u WHERE u.v > t.v + 1)"),
        &["NULL 4 true", "a 7 true", "b 6 true", "c 9 false"],
    );
    gives(
        &ranked("(SELECT MAX(u.v) FROM s AS u WHERE u.v < t.v) + (SELECT MIN(u.v) FROM s AS u WHERE u.v <> t.v)"),
        &["NULL 4 4", "a 7 7", "b 6 6", "c 9 8"],
    );
}

/// In WHERE of a subquery an aggregate is one of the query outside.
#[test]
fn a_subquery_reads_aggregates_of_the_group_outside() {
    gives("SELECT k FROM s AS t GROUP BY k HAVING EXISTS (SELECT 1 FROM s AS u WHERE u.v = SUM(t.v))", &["NULL", "c"]);
    gives(
        "SELECT k, SUM(v) AS n FROM s AS t GROUP BY k HAVING EXISTS (SELECT 1 FROM s AS u WHERE u.v = SUM(t.v))",
        &["NULL 4", "c 9"],
    );
    gives(
        "SELECT k, (SELECT MAX(u.v) FROM s AS u WHERE u.v < SUM(t.v)) AS m FROM s AS t GROUP BY k",
        &["NULL 3", "a 9", "b 7", "c 7"],
    );
    gives(
        "SELECT k FROM s AS t GROUP BY k HAVING MIN(v) IN (SELECT u.v FROM s AS u WHERE u.v > COUNT(t.v))",
        &["NULL", "c"],
    );
}

#[test]
fn a_mean_of_decimals_has_all_whole_digits() {
    gives("SELECT AVG(CAST(v * 1000000 AS DECIMAL(38, 30))) AS m FROM s", &["4625000.000000000000000000000000000000"]);
    gives("SELECT AVG(CAST(v AS DECIMAL(36, 30))) AS m FROM s", &["4.62500000000000000000000000000000"]);
    gives("SELECT AVG(CAST(v AS DECIMAL(10, 2))) AS m FROM s", &["4.625000"]);
}

#[test]
fn a_zero_has_no_sign_among_constants() {
    gives(
        "SELECT CAST('-0.0' AS DOUBLE) IN (0, 1.5) AS a, -0e0 NOT IN (0e0, 2e0) AS b, ARRAY[-0e0] = ARRAY[0e0] AS c,
           ROW(-0e0, 1) = ROW(0e0, 1) AS d, ARRAY[-0e0] IS DISTINCT FROM ARRAY[0e0] AS e, ARRAY[-0e0] < ARRAY[0e0] AS f,
           CAST('NaN' AS DOUBLE) IN (1e0, CAST('NaN' AS DOUBLE)) AS g
         FROM s WHERE v = 9",
        &["true false true true false false true"],
    );
}

#[test]
fn texts_are_instants_as_they_are_times() {
    let texts = "(VALUES ('2024-1-5'), ('2024/01/05'), ('2024-01-05 00:00'), ('2024-01-05 02:00+02:00'), ('2024-01-05T00:00:00Z')) AS w (x)";
    for kind in ["TIMESTAMP(3)", "TIMESTAMP_LTZ(3)"] {
        gives(&format!("SELECT COUNT(*) AS n FROM {texts} WHERE CAST(x AS {kind}) = '2024-1-5'"), &["5"]);
        gives(
            &format!("SELECT v FROM s WHERE TRY_CAST(CONCAT('2024-01-31 10:20:30 Europe/', k) AS {kind}) IS NOT NULL"),
            &[],
        );
        gives(&format!("SELECT v FROM s WHERE CAST(ts AS {kind}) >= '1970-1-1 00:00:12'"), &["6", "7"]);
    }
}
