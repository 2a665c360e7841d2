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
