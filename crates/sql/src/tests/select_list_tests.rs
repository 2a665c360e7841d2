//! Lists of thousands of columns plan in time of their length, and say what a short list says.

use super::plan_tests::{BID, compiled};
use highwater_core::time::Clock;

/// The least time of a few that a program over a table of that width takes: what else the machine does only adds to it.
fn least(width: usize, list: &dyn Fn(usize) -> String) -> f64 {
    let columns: Vec<String> = (0..width).map(|at| format!("c{at} DOUBLE")).collect();
    let program = format!(
        "CREATE SOURCE wide (ts TIMESTAMP(3), {}, WATERMARK FOR ts AS ts) WITH ('connector' = 'memory');
         CREATE MATERIALIZED VIEW v AS SELECT {} FROM wide AS w;",
        columns.join(", "),
        list(width)
    );
    let once = |_| {
        let start = Clock::start();
        assert!(compiled(&program).is_ok(), "{width} columns");
        start.elapsed_seconds()
    };
    (0..3).map(once).fold(f64::MAX, f64::min)
}

#[test]
fn eight_times_the_columns_take_no_square_of_it() {
    let named = |one: fn(usize) -> String| move |width| (0..width).map(one).collect::<Vec<_>>().join(", ");
    let lists: [(&str, &dyn Fn(usize) -> String); 4] = [
        ("all", &|_| "*".to_owned()),
        ("all and more", &|_| "*, c0 + c1 AS more".to_owned()),
        ("named", &named(|at| format!("c{at}"))),
        ("named otherwise", &named(|at| format!("w.c{at} AS d{at}"))),
    ];
    for (what, list) in lists {
        // In time by the square it would be 64 times as long, or 40 with what is linear now; 10 is what it is.
        let mut ratios = Vec::new();
        while ratios.len() < 5 && ratios.iter().all(|ratio| *ratio >= 24.0) {
            ratios.push(least(8_000, list) / least(1_000, list));
        }
        assert!(ratios.iter().any(|ratio| *ratio < 24.0), "{what}: {ratios:?}");
    }
}

#[test]
fn a_long_list_is_told_where_it_is_wrong() {
    let many = (0..80).map(|at| format!("price AS p{at}")).collect::<Vec<_>>().join(", ");
    let said = |query: &str| {
        let errors = compiled(&format!("{BID}CREATE MATERIALIZED VIEW v AS\n{query};")).err().unwrap_or_default();
        errors.iter().map(|error| format!("{error}\n")).collect::<String>()
    };
    for (query, expected) in [
        (format!("SELECT {many}, nothing FROM bid"), "nothing"),
        (format!("SELECT {many}, price AS p7 FROM bid"), "the column 'p7' is there twice"),
        ("SELECT *, price FROM bid".to_owned(), "twice"),
        (format!("SELECT {many}, price FROM bid AS a JOIN bid AS b ON a.auction = b.auction"), "price"),
        (format!("SELECT {many}, COUNT(*) AS n FROM bid"), "price"),
    ] {
        assert!(said(&query).contains(expected), "{query}: {}", said(&query));
    }
    for query in [
        format!("SELECT {many}, b.price FROM (SELECT *, 1 AS one FROM bid) AS b"),
        "SELECT *, COUNT(*) OVER (PARTITION BY auction ORDER BY `dateTime`) AS n FROM bid".to_owned(),
        format!("SELECT {many}, EXISTS (SELECT 1 FROM bid AS c WHERE c.auction = b.price) AS there FROM bid AS b"),
        format!("SELECT {many} FROM bid UNION ALL SELECT {many} FROM bid"),
    ] {
        assert_eq!(said(&query), "");
    }
}
