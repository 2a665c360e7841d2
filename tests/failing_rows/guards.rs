//! What a condition guards, where what it guards finds partners: the keys of joins, what subqueries compare.

use std::time::Duration;

use super::started;

/// How many rows a view has, and how many failed.
#[track_caller]
fn count(query: &str, rows: usize, failed: u64) {
    for operators in ["", "SET 'operators' = 'differential';"] {
        let program = format!("{operators} CREATE MATERIALIZED VIEW v AS {query}");
        for (workers, tick_rows) in [(1, 1), (2, 3), (3, 100)] {
            let (engine, _folder) = started(&program, workers, tick_rows);
            engine.wait_within(Duration::from_secs(60)).expect("the input ends").unwrap();
            let found: Vec<_> = engine.dead_letters().iter().flat_map(|of| of.latest(100)).collect();
            let there = engine.views().get("v").unwrap().snapshot().batch.num_rows();
            assert_eq!((there, engine.rows_failed()), (rows, failed), "{query} at {workers} workers: {found:#?}");
        }
    }
}

/// Of seven rows three have a `d` of 0; of the others `10 / d` is 2 once, and that is the `g` of two rows.
const KEY: &str = "u.g = 10 / t.d";

#[test]
fn keys_of_joins() {
    for (key, failed) in [
        (format!("t.d <> 0 AND {KEY}"), 0),
        (format!("t.k > '' AND {KEY}"), 3),
        (KEY.to_owned(), 3),
        (format!("t.k = 'b' AND {KEY}"), 2),
        // NULLs are equal, but to what fails nothing is.
        ("t.d <> 0 AND NULLIF(u.g, 7) IS NOT DISTINCT FROM 10 / t.d".to_owned(), 0),
        ("NULLIF(u.g, 7) IS NOT DISTINCT FROM 10 / t.d".to_owned(), 3),
        // Conditions fail in their turn, and of several keys one.
        (format!("8 / t.d > 0 AND {KEY}"), 3),
        (format!("{KEY} AND u.g = 8 / (t.d - 1)"), 4),
    ] {
        count(&format!("SELECT t.k, u.g FROM s t LEFT JOIN s u ON {key}"), 8, failed);
        count(&format!("SELECT t.k, u.g FROM s u RIGHT JOIN s t ON {key}"), 8, failed);
        count(&format!("SELECT t.k, u.g FROM s t FULL JOIN s u ON {key}"), 13, failed);
        count(&format!("SELECT t.k FROM s t WHERE NOT EXISTS (SELECT 1 FROM s u WHERE {key})"), 6, failed);
        count(&format!("SELECT t.k, EXISTS (SELECT 1 FROM s u WHERE {key}) AS x FROM s t"), 7, failed);
        count(&format!("SELECT t.k, (SELECT COUNT(*) FROM s u WHERE {key}) AS x FROM s t"), 7, failed);
        // The row of `a` that fails is not asked.
        let beside = format!("SELECT t.k FROM s t WHERE t.k = 'a' OR EXISTS (SELECT 1 FROM s u WHERE {key})");
        count(&beside, 3, failed - u64::from(failed > 2));
    }
}

#[test]
fn what_subqueries_compare() {
    for (asks, rows, failed) in [
        ("10 / t.d IN (SELECT g FROM s)", 4, 3),
        ("CASE WHEN t.d <> 0 THEN 10 / t.d IN (SELECT g FROM s) END", 7, 0),
        ("CASE t.d WHEN 0 THEN FALSE ELSE 10 / t.d NOT IN (SELECT g FROM s) END", 7, 0),
        ("t.d <> 0 AND 10 / t.d IN (SELECT g FROM s)", 7, 0),
        ("t.d = 0 OR 10 / t.d > ANY (SELECT g FROM s)", 7, 0),
        ("COALESCE(NULLIF(t.d <> 0, TRUE), 10 / t.d IN (SELECT g FROM s))", 7, 0),
        ("CASE WHEN t.d <> 0 THEN EXISTS (SELECT 1 FROM s u WHERE u.g = 10 / t.d) END", 7, 0),
        ("CASE WHEN t.d <> 0 THEN t.g NOT IN (SELECT u.g + 10 / t.d FROM s u) END", 7, 0),
        ("CASE WHEN t.d <> 0 THEN t.g < ANY (SELECT u.g FROM s u WHERE u.g > 10 / t.d) END", 7, 0),
        ("CASE WHEN t.d <> 0 THEN (SELECT COUNT(*) FROM s u WHERE u.g < 10 / t.d) END", 7, 0),
        ("CASE WHEN t.d <> 0 THEN (SELECT MAX(10 / t.d + u.g) FROM s u) END", 7, 0),
        ("CASE WHEN t.d <> 0 THEN (SELECT 10 / t.d) END", 7, 0),
        ("CASE WHEN t.k <> 'b' THEN (SELECT COUNT(*) FROM s u WHERE u.g = 10 / t.d) END", 7, 1),
        (
            "CASE WHEN t.d <> 0 THEN EXISTS (SELECT 1 FROM s u WHERE EXISTS (SELECT 1 FROM s w WHERE w.k = u.k AND w.g = 10 / t.d)) END",
            7,
            0,
        ),
        // Also behind what asks a subquery itself: of `b` two fail.
        (
            "CASE WHEN EXISTS (SELECT 1 FROM s u WHERE u.k = t.k AND t.d <> 0) THEN 10 / t.d IN (SELECT g FROM s) END",
            7,
            0,
        ),
        ("t.d IN (SELECT 0 FROM s) OR 10 / t.d < ALL (SELECT g FROM s)", 7, 0),
        ("CASE WHEN t.k IN (SELECT 'b' FROM s) THEN 10 / t.d IN (SELECT g FROM s) END", 5, 2),
        // What fails in a condition is told where it is asked.
        ("CASE WHEN 8 / t.d > 0 THEN EXISTS (SELECT 1 FROM s u WHERE u.g = 10 / t.d) END", 4, 3),
    ] {
        count(&format!("SELECT t.k, {asks} AS x FROM s t"), rows, failed);
    }
    for (query, rows) in [
        ("SELECT k FROM s WHERE (d <> 0 AND 10 / d IN (SELECT g FROM s)) OR k = 'a'", 3),
        ("SELECT k, COUNT(*) FILTER (WHERE d <> 0 AND 10 / d IN (SELECT g FROM s)) AS n FROM s GROUP BY k", 3),
        ("SELECT CASE WHEN d <> 0 THEN 10 / d IN (SELECT g FROM s) END AS x, COUNT(*) AS n FROM s GROUP BY 1", 3),
        ("SELECT k, SUM(d) <> 0 AND 10 / SUM(d) IN (SELECT g FROM s) AS x FROM s GROUP BY k", 3),
        ("SELECT t.k, u.g FROM s t LEFT JOIN s u ON t.d <> 0 AND 10 / t.d IN (SELECT g FROM s) AND u.d = t.d", 7),
    ] {
        count(query, rows, 0);
    }
    // In ON it is a condition of pairs.
    count("SELECT t.k, u.g FROM s t LEFT JOIN s u ON 10 / t.d IN (SELECT g FROM s) AND u.d = t.d", 7, 3);
    count("SELECT t.k, u.g FROM s t LEFT JOIN s u ON 10 / t.d NOT IN (SELECT g FROM s) AND u.d = t.d", 7, 3);
}

/// WHERE asks what has no subquery first, below AND, OR and NOT alike, whatever asks one: of the three rows with a `d` of 0 two are `b`.
#[test]
fn what_where_asks_first() {
    for asks in [
        "10 / d IN (SELECT g FROM s)",
        "CASE WHEN g > -4000000000 THEN 10 / d IN (SELECT g FROM s) END",
        "g > -4000000000 AND 10 / d IN (SELECT g FROM s)",
        "NOT (10 / d > ALL (SELECT g FROM s))",
        "EXISTS (SELECT 1 FROM s u WHERE u.g = 10 / t.d)",
        "COALESCE(10 / d IN (SELECT g FROM s), FALSE)",
        "10 / d = (SELECT MAX(g) FROM s u WHERE u.g = 2)",
    ] {
        for (whole, failed) in [
            (format!("({asks}) OR k = 'b'"), 1),
            (format!("k = 'b' OR ({asks})"), 1),
            (format!("NOT (NOT ({asks}) AND k <> 'b')"), 1),
            (format!("({asks}) OR (k = 'b' AND g > 0)"), 1),
            (format!("({asks}) AND k <> 'b'"), 1),
            (format!("(({asks}) AND k = 'b') OR k = 'a'"), 2),
            (format!("({asks}) OR k = 'z'"), 3),
        ] {
            let query = format!("SELECT k FROM s AS t WHERE {whole}");
            for (workers, tick_rows) in [(1, 1), (2, 3)] {
                let program = format!("CREATE MATERIALIZED VIEW v AS {query}");
                let (engine, _folder) = started(&program, workers, tick_rows);
                engine.wait_within(Duration::from_secs(60)).expect("the input ends").unwrap();
                assert_eq!(engine.rows_failed(), failed, "{query}");
            }
        }
    }
}
