//! The rows of a view, and its dead letters, whoever else reads what it reads: what may fail is computed for all, or for none.

use std::collections::BTreeMap;
use std::time::Duration;

use super::started;

/// The view `v` of a program: its rows, and how often each expression failed.
fn of_v(program: &str, workers: usize, tick_rows: usize) -> (usize, Vec<(String, i64)>) {
    let (engine, _folder) = started(program, workers, tick_rows);
    engine.wait_within(Duration::from_secs(60)).expect("the input ends").unwrap();
    let mut letters = BTreeMap::new();
    for of in engine.dead_letters().iter().filter(|of| of.name() == "v") {
        for letter in of.latest(100) {
            *letters.entry(letter.expression.clone()).or_default() += letter.count;
        }
    }
    (engine.views().get("v").unwrap().snapshot().batch.num_rows(), letters.into_iter().collect())
}

/// Of the six rows with a small `g` two fail for their `d`, which are alike, and one for its `g`.
#[test]
fn of_a_view_are_the_same_whoever_else_reads() {
    let below = "SELECT k, d, 10 / d AS q, CAST(g AS INT) AS i FROM s WHERE g < 1000000000";
    let failing = [("10 / d", 2), ("CAST(g AS INT)", 1)];
    let others = [
        "",
        "CREATE MATERIALIZED VIEW o AS SELECT k, SUM(q) AS n FROM w GROUP BY k;",
        "CREATE MATERIALIZED VIEW o AS SELECT i FROM w WHERE q > 1;",
        "CREATE MATERIALIZED VIEW o AS SELECT k, q, i FROM w; CREATE MATERIALIZED VIEW p AS SELECT COUNT(*) AS n FROM w;",
        "CREATE SINK o WITH ('connector' = 'blackhole') AS SELECT d FROM w;",
        "CREATE MATERIALIZED VIEW o AS SELECT x.k, y.q FROM w AS x JOIN w AS y ON x.k = y.k AND x.q <> y.q;",
        "CREATE MATERIALIZED VIEW o AS SELECT q FROM w UNION SELECT i FROM w;",
    ];
    // `read` is what stands in FROM, and a WITH before.
    for (select, rows) in [
        ("SELECT COUNT(*) AS n FROM w", 1),
        ("SELECT k, COUNT(*) AS n FROM w GROUP BY k", 3),
        ("SELECT k FROM w", 3),
        ("SELECT d FROM w WHERE k <> 'z'", 3),
        ("SELECT DISTINCT k FROM w", 3),
        ("SELECT x.k FROM w AS x WHERE EXISTS (SELECT 1 FROM s AS y WHERE y.k = x.k)", 3),
    ] {
        let programs =
            others.map(|other| format!("CREATE VIEW w AS {below}; CREATE MATERIALIZED VIEW v AS {select}; {other}"));
        let materialized = programs.each_ref().map(|program| program.replacen("VIEW w", "MATERIALIZED VIEW w", 1));
        let from = select.replace("FROM w", &format!("FROM ({below}) AS w")).replace(") AS w AS x", ") AS x");
        let inline = [
            format!("CREATE MATERIALIZED VIEW v AS {from}"),
            format!("CREATE MATERIALIZED VIEW v AS WITH w AS ({below}) {select}"),
            format!("CREATE MATERIALIZED VIEW v AS WITH w AS ({below}), y AS (SELECT q FROM w) {select}"),
        ];
        for program in programs.iter().chain(&materialized).chain(&inline) {
            for (workers, tick_rows) in [(1, 1), (2, 3)] {
                let found = of_v(program, workers, tick_rows);
                let expected = failing.map(|(what, count)| (what.to_owned(), count)).to_vec();
                assert_eq!(found, (rows, expected), "{program} at {workers} workers");
            }
        }
    }
}

/// A row that is in several windows fails once, in what is computed of it; what fails of a window fails once for it.
#[test]
fn of_windows_that_overlap_a_row_fails_once() {
    for windows in [
        "HOP(TABLE s, DESCRIPTOR(ts), INTERVAL '2' SECOND, INTERVAL '4' SECOND)",
        "HOP(TABLE s, DESCRIPTOR(ts), INTERVAL '1' SECOND, INTERVAL '7' SECOND)",
        "CUMULATE(TABLE s, DESCRIPTOR(ts), INTERVAL '2' SECOND, INTERVAL '8' SECOND)",
    ] {
        for select in [
            "SELECT window_start, SUM(10 / d) AS x FROM # GROUP BY window_start, window_end",
            "SELECT window_start, 10 / d AS x, COUNT(*) AS n FROM # GROUP BY window_start, window_end, 10 / d",
            "SELECT window_start, COUNT(*) AS n FROM # WHERE 10 / d > 1 GROUP BY window_start, window_end",
            "SELECT window_start, COUNT(*) FILTER (WHERE 10 / d > 1) AS n FROM # GROUP BY window_start, window_end",
        ] {
            let query = select.replace('#', &format!("TABLE({windows})"));
            let (_, letters) = of_v(&format!("CREATE MATERIALIZED VIEW v AS {query}"), 2, 3);
            assert_eq!(letters.iter().map(|(_, count)| count).sum::<i64>(), 3, "{query}: {letters:?}");
        }
    }
    let windows = "TABLE(HOP(TABLE s, DESCRIPTOR(ts), INTERVAL '2' SECOND, INTERVAL '4' SECOND))";
    let query =
        format!("SELECT window_start, 10 / (COUNT(*) - 2) AS x FROM {windows} GROUP BY window_start, window_end");
    // Of five windows the one from six seconds on has two rows.
    let (_, letters) = of_v(&format!("CREATE MATERIALIZED VIEW v AS {query}"), 2, 3);
    assert_eq!(letters, vec![("10 / (count(*) - 2)".to_owned(), 1)]);
}
