//! Several subqueries in one place, different ones and equal ones.

use super::gives;

const MOST: &str = "(SELECT MAX(v) FROM s)";
const LEAST: &str = "(SELECT MIN(v) FROM s)";

#[test]
fn aggregates_are_of_different_subqueries() {
    gives(
        &format!("SELECT SUM({MOST}) AS x, SUM({LEAST}) AS y, SUM({MOST}) AS z, COUNT({LEAST}) AS n FROM s"),
        &["72 8 72 8"],
    );
    gives(
        "SELECT k, COUNT(*) FILTER (WHERE v IN (SELECT v FROM s WHERE v < 4)) AS x,
           COUNT(*) FILTER (WHERE v IN (SELECT v FROM s WHERE v > 4)) AS y,
           COUNT(*) FILTER (WHERE v NOT IN (SELECT v FROM s WHERE v > 4)) AS z FROM s GROUP BY k",
        &["NULL 0 0 1", "a 2 2 2", "b 1 1 1", "c 0 1 0"],
    );
    gives(
        "SELECT COUNT(*) FILTER (WHERE v > ALL (SELECT v FROM s WHERE v < 4)) AS x, COUNT(*) FILTER (WHERE v > ALL (SELECT v FROM s WHERE v < 6)) AS y,
           COUNT(*) FILTER (WHERE v < ANY (SELECT v FROM s WHERE v < 4)) AS z, COUNT(*) FILTER (WHERE (k, v) IN (SELECT k, v FROM s WHERE v < 4)) AS w,
           COUNT(*) FILTER (WHERE (k, v) IN (SELECT k, v FROM s WHERE v < 7)) AS q FROM s",
        &["5 3 2 3 5"],
    );
    gives(&format!("SELECT k FROM s GROUP BY k HAVING SUM({MOST}) > 9 AND SUM({LEAST}) < 4"), &["b"]);
    gives(
        &format!(
            "SELECT window_start, SUM({MOST}) AS x, SUM({LEAST}) AS y
             FROM TABLE(TUMBLE(TABLE s, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY window_start, window_end"
        ),
        &["00:00 36 4", "00:10 18 2", "00:20 9 1", "1969-12-31T23:59:50 9 1"],
    );
}

#[test]
fn keys_are_different_subqueries() {
    for keys in [format!("{MOST}, {LEAST}"), "1, 2".to_owned(), "x, y".to_owned()] {
        gives(&format!("SELECT {MOST} AS x, {LEAST} AS y, COUNT(*) AS n FROM s GROUP BY {keys}"), &["9 1 8"]);
    }
    gives(
        "SELECT EXISTS (SELECT 1 FROM s AS u WHERE u.v = t.v + 1) AS a, EXISTS (SELECT 1 FROM s AS u WHERE u.v = t.v - 1) AS b,
           COUNT(*) AS n FROM s AS t GROUP BY 1, 2",
        &["false false 1", "false true 1", "true false 1", "true true 5"],
    );
    // One that stands elsewhere too is the key, also of a row outside.
    let most = "(SELECT MAX(u.v) FROM s AS u WHERE u.k = t.k)";
    let least = "(SELECT MIN(u.v) FROM s AS u WHERE u.k = t.k)";
    gives(
        &format!(
            "SELECT {most} AS x, {least} + 1 AS y, COUNT(*) AS n FROM s AS t GROUP BY {most}, {least} HAVING {least} < 9"
        ),
        &["6 3 2", "7 2 4"],
    );
    gives(
        &format!("SELECT {most} AS x, {least} AS y, COUNT(*) AS n FROM s AS t GROUP BY ROLLUP ({most}, {least})"),
        &["6 2 2", "6 NULL 2", "7 1 4", "7 NULL 4", "9 9 1", "9 NULL 1", "NULL NULL 1", "NULL NULL 1", "NULL NULL 8"],
    );
    gives(
        "SELECT v IN (SELECT u.v + 1 FROM s AS u) AS x, COUNT(*) AS n FROM s GROUP BY CUBE (v IN (SELECT u.v + 1 FROM s AS u))",
        &["NULL 8", "false 2", "true 6"],
    );
    // Equal keys are one.
    gives(
        &format!("SELECT {most} AS x, {most} AS y, COUNT(*) AS n FROM s AS t GROUP BY {most}, {most}"),
        &["6 6 2", "7 7 4", "9 9 1", "NULL NULL 1"],
    );
    let next = "EXISTS (SELECT 1 FROM s AS u WHERE u.v = t.v + 1)";
    let last = "EXISTS (SELECT 1 FROM s AS u WHERE u.v = t.v - 1)";
    gives(
        &format!(
            "SELECT {next} AS a, {last} AS b, GROUPING({next}) AS g, COUNT(*) AS n FROM s AS t GROUP BY GROUPING SETS (({next}), ({last}), ({next}, {last}))"
        ),
        &[
            "NULL false 1 2",
            "NULL true 1 6",
            "false NULL 0 2",
            "false false 0 1",
            "false true 0 1",
            "true NULL 0 6",
            "true false 0 1",
            "true true 0 5",
        ],
    );
}

#[test]
fn rankings_go_by_different_subqueries() {
    let next = "(SELECT COUNT(*) FROM s AS u WHERE u.v = t.v + 1)";
    let last = "(SELECT COUNT(*) FROM s AS u WHERE u.v = t.v - 1)";
    gives(
        &format!(
            "SELECT v, r FROM (SELECT v, ROW_NUMBER() OVER (PARTITION BY {next}, {last} ORDER BY {next}, {last}, v) AS r FROM s AS t) AS x WHERE r <= 2"
        ),
        &["1 1", "2 1", "3 2", "7 1", "9 1"],
    );
    gives(&format!("SELECT v FROM s AS t ORDER BY {next}, {last}, v LIMIT 3"), &["1", "7", "9"]);
}

#[test]
fn lists_show_different_subqueries() {
    gives(
        &format!(
            "SELECT DISTINCT {MOST}, {LEAST}, {MOST} - {LEAST}, k IN (SELECT k FROM s WHERE v = 1) FROM s WHERE v < 3"
        ),
        &["9 1 8 false", "9 1 8 true"],
    );
    gives(
        &format!(
            "SELECT CASE WHEN v = {MOST} THEN {LEAST} WHEN v = {LEAST} THEN {MOST} END AS x FROM s WHERE v IN (1, 2, 9)"
        ),
        &["1", "9", "NULL"],
    );
    gives(&format!("SELECT {MOST} UNION SELECT {LEAST} UNION ALL SELECT {MOST}"), &["1", "9", "9"]);
}

/// Equal but for the names in them, in places that tell their expressions apart by what they are.
#[test]
fn equal_subqueries_under_other_names_stand_beside_one_another() {
    let most = |alias: &str| format!("(SELECT MAX({alias}.v) FROM s AS {alias} WHERE {alias}.k = s.k)");
    let (x, y) = (most("x"), most("y"));
    let over = "OVER (PARTITION BY k ORDER BY ts)";
    gives(&format!("SELECT v, SUM({x}) {over} AS x, SUM({y}) {over} AS y FROM s WHERE k = 'b'"), &["2 6 6", "6 12 12"]);
    gives(&format!("SELECT SUM({x}) AS x, SUM({y}) AS y FROM s"), &["49 49"]);
    gives(&format!("SELECT DISTINCT {x} AS x, {y} AS y FROM s"), &["6 6", "7 7", "9 9", "NULL NULL"]);
}
