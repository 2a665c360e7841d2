//! How often a pair of rows fails, of which a subquery asks what fails: once, whatever the answer is for.

use super::letters;

#[track_caller]
fn count(query: &str, rows: u64) {
    for operators in ["", "SET 'operators' = 'differential';"] {
        let view = format!("{operators} CREATE MATERIALIZED VIEW v AS {query}");
        for (workers, tick_rows) in [(1, 1), (2, 3), (3, 100)] {
            let (found, failed) = letters(&view, workers, tick_rows);
            assert_eq!(failed, rows, "{query} at {workers} workers, {tick_rows} rows an epoch: {found:#?}");
        }
    }
}

/// Of the rows outside three have a `d` of 0; there are seven inside, and with the keys `a` and `b` two and three.
#[test]
fn of_exists_wherever_it_stands() {
    for (exists, pairs) in [
        ("EXISTS (SELECT 1 FROM s AS y WHERE y.g > 10 / t.d)", 21),
        ("EXISTS (SELECT 1 FROM s AS y WHERE y.k = t.k AND y.g > 10 / t.d)", 8),
        ("NOT EXISTS (SELECT 1 FROM s AS y WHERE y.k = t.k AND y.g / t.d > 1)", 8),
    ] {
        count(&format!("SELECT t.k FROM s AS t WHERE {exists}"), pairs);
        count(&format!("SELECT t.k FROM s AS t WHERE {exists} OR t.k = 'c'"), pairs);
        count(&format!("SELECT t.k, {exists} AS x FROM s AS t"), pairs);
        count(&format!("SELECT t.k, CASE WHEN {exists} THEN 1 ELSE 2 END AS x FROM s AS t"), pairs);
        count(&format!("SELECT t.k, COUNT(*) FILTER (WHERE {exists}) AS x FROM s AS t GROUP BY t.k"), pairs);
        count(&format!("SELECT t.k, u.d FROM s AS t LEFT JOIN s AS u ON t.g = u.d AND {exists}"), pairs);
    }
    // One side alone: a row inside fails once, however often it is asked for.
    count("SELECT t.k, EXISTS (SELECT 1 FROM s AS y WHERE 10 / y.d > 1) AS x FROM s AS t", 3);
}

/// Of IN, ANY and ALL it is asked of the pairs whose comparison is true, or unknown.
#[test]
fn of_comparisons_with_subqueries() {
    let subquery = "(SELECT y.d FROM s AS y WHERE y.g > 10 / t.d)";
    for (asks, pairs) in [
        // 0 is in seven rows three times.
        ("t.d IN #", 9),
        ("t.d NOT IN #", 9),
        ("t.d <> ALL #", 9),
        ("t.d = ANY #", 9),
        // It is less than four, and less or equal to all.
        ("t.d < ANY #", 12),
        ("t.d >= ALL #", 12),
        ("t.d > ANY #", 0),
        ("t.d <= ANY #", 21),
        ("t.d > ALL #", 21),
        ("(t.d, t.k) IN #", 5),
        ("(t.d, t.k) NOT IN #", 5),
        // NULL is compared with all.
        ("NULLIF(t.d, 0) = ANY #", 21),
        ("NULLIF(t.d, 0) > ALL #", 21),
    ] {
        let both = subquery.replace("y.d F", "y.d, y.k F");
        let asks = asks.replace('#', if asks.starts_with("(t.d, t.k)") { &both } else { subquery });
        let one = !asks.starts_with("NULLIF") || asks.contains("ALL");
        count(&format!("SELECT t.k, {asks} AS x FROM s AS t"), pairs);
        count(&format!("SELECT t.k FROM s AS t WHERE {asks}"), if one { pairs } else { 0 });
    }
    // What is compared fails: all pairs do.
    for asks in ["< ANY", "> ALL", "IN", "NOT IN"] {
        count(&format!("SELECT t.k, t.g {asks} (SELECT y.g + 10 / t.d FROM s AS y) AS x FROM s AS t"), 21);
    }
    // Where the values outside are a relation of their own, they are asked once, for both questions.
    for (select, pairs) in [
        ("SELECT MAX(y.d) FROM s AS y WHERE y.g > 10 / t.d GROUP BY y.k", 7),
        ("SELECT MAX(y.d + 10 / t.d) FROM s AS y GROUP BY y.k", 7),
        ("SELECT DISTINCT y.d FROM s AS y WHERE y.g > 10 / t.d", 7),
        ("SELECT y.d FROM s AS y WHERE y.g > 10 / t.d LIMIT 1", 7),
        ("SELECT y.d FROM s AS y WHERE y.g > 10 / t.d UNION ALL SELECT y.d FROM s AS y WHERE y.g < 10 / t.d", 14),
        ("SELECT z.d FROM s AS y LEFT JOIN s AS z ON y.g = z.g AND z.d > 10 / t.d", 9),
    ] {
        count(&format!("SELECT t.k, t.d <= ANY ({select}) AS x FROM s AS t"), pairs);
        count(&format!("SELECT t.k, t.d NOT IN ({select}) AS x FROM s AS t"), pairs);
        count(&format!("SELECT t.k FROM s AS t WHERE t.d > ALL ({select})"), pairs);
    }
    // Both the condition and a value inside.
    count("SELECT t.k, t.d < ANY (SELECT 10 / y.d FROM s AS y WHERE y.g > 10 / t.d) AS x FROM s AS t", 15);
}

/// Where the values outside are a relation of their own, rows outside that are alike in them are one of its pairs.
#[test]
fn of_values_of_which_each_is_asked_once() {
    count("SELECT t.k, (SELECT COUNT(*) FROM s AS y WHERE y.g > 10 / t.d) AS x FROM s AS t", 7);
    count("SELECT t.k, (SELECT COUNT(*) FROM s AS y WHERE y.k = t.k AND y.g > 10 / t.d) AS x FROM s AS t", 5);
    count(
        "SELECT t.k, m.x FROM s AS t CROSS JOIN LATERAL (SELECT MAX(y.g) AS x FROM s AS y WHERE y.g > 10 / t.d) AS m",
        7,
    );
    // Without a group they are joined with the rows themselves.
    count("SELECT t.k, m.x FROM s AS t CROSS JOIN LATERAL (SELECT y.g AS x FROM s AS y WHERE y.g > 10 / t.d) AS m", 21);
}

/// The sum of `c` is 1, then 4; that of `a` is 2, that of `b` 5: what fails of the sums is taken back.
#[test]
fn of_pairs_that_are_taken_back() {
    let sums = "(SELECT k, SUM(d) AS n FROM s GROUP BY k)";
    // WHERE does not ask of `a` what is true anyway.
    for (asks, pairs, beside, less) in
        [("y.n > 10 / (t.n - 1)", 0, 0, 0), ("y.n > 10 / (t.n - 4)", 3, 3, 1), ("10 / (y.n - t.n) > 1", 3, 2, 0)]
    {
        let exists = format!("EXISTS (SELECT 1 FROM {sums} AS y WHERE {asks})");
        count(&format!("SELECT t.k, {exists} AS x FROM {sums} AS t"), pairs);
        count(&format!("SELECT t.k FROM {sums} AS t WHERE {exists} OR t.k = 'a'"), beside);
        let all = format!("t.n <= ALL (SELECT y.n FROM {sums} AS y WHERE {asks})");
        count(&format!("SELECT t.k, {all} AS x FROM {sums} AS t"), less);
    }
}

/// Subqueries that are equal but for the names in them are asked once; what differs is not.
#[test]
fn of_subqueries_that_are_equal() {
    let counted = |alias: &str| format!("(SELECT COUNT(*) FROM s AS {alias} WHERE {alias}.g > 10 / t.d)");
    let exists = |alias: &str, op: &str| format!("EXISTS (SELECT 1 FROM s AS {alias} WHERE {alias}.g {op} 10 / t.d)");
    count(&format!("SELECT t.k, {} AS x, {} + 1 AS w FROM s AS t", counted("y"), counted("z")), 7);
    count(&format!("SELECT t.k, {} AS x, NOT {} AS w FROM s AS t", exists("y", ">"), exists("z", ">")), 21);
    count(&format!("SELECT t.k, {} AS x, {} AS w FROM s AS t", exists("y", ">"), exists("z", "<")), 42);
    count(&format!("SELECT t.k FROM s AS t WHERE {} AND {}", exists("y", ">"), exists("z", ">")), 21);
    count(&format!("SELECT t.k FROM s AS t WHERE {} OR {}", exists("y", ">"), exists("z", ">")), 21);
    let any = "t.d < ANY (SELECT y.d FROM s AS y WHERE y.g > 10 / t.d)";
    count(
        &format!("SELECT t.k, {any} AS x, NOT ({}) AS w FROM s AS t", any.replace("y.", "z.").replace("AS y", "AS z")),
        12,
    );
}
