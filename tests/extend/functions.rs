//! Functions that are closures, in every place where a built-in one may stand.

use std::sync::Arc;

use arrow_schema::DataType;
use datafusion_common::DataFusionError;
use datafusion_expr::{ColumnarValue, Volatility, create_udf};
use highwater::extend::{Bytes, Catalog, CatalogError, Date, Instant, Timestamp, aggregate, scalar};
use highwater::sql::compile;
use highwater::testing::{Setup, TestDriver};
use highwater::{Drain, Highwater};

/// The distance of two places on the earth, in km.
fn haversine(from_lat: f64, from_lon: f64, to_lat: f64, to_lon: f64) -> f64 {
    let (lat, lon) = ((to_lat - from_lat).to_radians(), (to_lon - from_lon).to_radians());
    let a =
        (lat / 2.0).sin().powi(2) + from_lat.to_radians().cos() * to_lat.to_radians().cos() * (lon / 2.0).sin().powi(2);
    2.0 * 6371.0 * a.sqrt().asin()
}

fn catalog() -> Catalog {
    let add = |catalog: Catalog| -> Result<Catalog, CatalogError> {
        catalog
            .with_function(scalar("haversine", haversine))?
            .with_function(scalar("shout", |text: &str, times: i64| text.to_uppercase() + &"!".repeat(times as usize)))?
            .with_function(scalar("or_none", |text: Option<&str>| text.map_or("none".to_owned(), str::to_owned)))?
            .with_function(scalar("port", |text: &str| text.parse::<u16>().map(i32::from)))?
            .with_function(scalar("at_most_9", |n: i64| {
                assert!(n < 10, "too many");
                n
            }))?
            .with_function(scalar("even", |n: i32| (n % 2 == 0).then_some(n)))?
            .with_function(scalar("next_day", |Timestamp(ms): Timestamp| Timestamp(ms + 86_400_000)))?
            .with_function(scalar("same", |Instant(ms): Instant, Date(day): Date| ms == i64::from(day) * 86_400_000))?
            .with_function(scalar("reversed", |bytes: &[u8]| Bytes(bytes.iter().rev().copied().collect())))?
            .with_function(scalar("words", |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<String>>()))?
            .with_function(scalar("pairs", |n: i64| (0..n).map(|at| (at, format!("#{at}"))).collect::<Vec<_>>()))?
            .with_function(scalar("answer", || 42_i64))?
            .with_aggregate(aggregate("spread", |values: &[f64]| values[values.len() - 1] - values[0]))?
            .with_aggregate(aggregate("vwap", |prices: &[f64], sizes: &[f64]| {
                let all: f64 = sizes.iter().sum();
                (all > 0.0).then(|| prices.iter().zip(sizes).map(|(price, size)| price * size).sum::<f64>() / all)
            }))?
            .with_aggregate(aggregate("path", |steps: &[String]| steps.join(">")).in_order())
    };
    add(Catalog::new()).unwrap()
}

fn started(program: &str, workers: usize) -> TestDriver {
    Setup::new(program).catalog(catalog()).workers(workers).start().unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn closures_compute_as_functions_of_ones_own() {
    let mut driver = started(
        "CREATE SOURCE s (id INT, lat DOUBLE, lon DOUBLE, name VARCHAR, n BIGINT, ts TIMESTAMP(3), b BYTES)
         WITH ('connector' = 'http');
         CREATE MATERIALIZED VIEW v AS SELECT id, ROUND(haversine(52.5, 13.4, lat, lon)) AS km, shout(name, 2) AS loud,
           or_none(name) AS named, even(n) AS even, next_day(ts) AS later, ANSWER() + n AS more
         FROM s WHERE Haversine(lat, lon, 52.5, 13.4) < 1000;
         CREATE MATERIALIZED VIEW folded AS SELECT id, shout('constant', 1) AS c, reversed(b) = X'0201' AS turned,
           same(TO_TIMESTAMP_LTZ(86400000, 3), DATE '1970-01-02') AS same FROM s;",
        1,
    );
    driver
        .push_json(
            "s",
            r#"{"id": 1, "lat": 48.1, "lon": 11.6, "name": "ä", "n": 4, "ts": "2026-01-01 00:00:00", "b": "AQI="}
               {"id": 2, "lat": 50, "lon": 8, "n": 5}
               {"id": 3, "lon": 8, "name": "no latitude"}
               {"id": 4, "lat": 0, "lon": 0, "name": "far away"}"#,
        )
        .unwrap();
    driver
        .expect(
            "v",
            "id | km  | loud | named | even | later               | more
             1  | 506 | Ä!!  | ä     | 4    | 2026-01-02 00:00:00 | 46
             2  | 467 | NULL | none  | NULL | NULL                | 47",
        )
        .unwrap();
    driver
        .expect(
            "folded",
            "id | c         | turned | same
             1  | CONSTANT! | true   | true
             2  | CONSTANT! | NULL   | true
             3  | CONSTANT! | NULL   | true
             4  | CONSTANT! | NULL   | true",
        )
        .unwrap();
}

#[test]
fn a_row_that_fails_or_panics_is_a_dead_letter() {
    let mut driver = started(
        "CREATE SOURCE s (id INT, p VARCHAR, n BIGINT) WITH ('connector' = 'http');
         CREATE MATERIALIZED VIEW v AS SELECT id, port(p) AS p, at_most_9(n) AS n FROM s;",
        2,
    );
    driver.push_table("s", "id | p | n\n 1 | 80 | 1\n 2 | many | 2\n 3 | 8080 | 30\n 4 | 443 | 9").unwrap();
    driver.expect("v", "id | p | n\n 1 | 80 | 1\n 4 | 443 | 9").unwrap();
    let told = driver.dead_letters("v").unwrap().to_string();
    assert!(told.contains("PORT: invalid digit found in string"), "{told}");
    assert!(told.contains("AT_MOST_9 panicked"), "{told}");
}

#[test]
fn a_function_that_answers_an_array_is_a_table() {
    let mut driver = started(
        "CREATE SOURCE s (id INT, text VARCHAR) WITH ('connector' = 'http');
         CREATE MATERIALIZED VIEW w AS SELECT word, COUNT(*) AS n
         FROM s, LATERAL TABLE(words(s.text)) AS t (word) GROUP BY word;
         CREATE MATERIALIZED VIEW p AS SELECT id, at, label
         FROM s LEFT JOIN LATERAL TABLE(pairs(s.id)) AS t (at, label) ON TRUE;
         CREATE MATERIALIZED VIEW own AS SELECT id, piece FROM s CROSS JOIN LATERAL TABLE(SPLIT(text, 'o')) AS t (piece);
         CREATE MATERIALIZED VIEW inside AS SELECT id, words(text)[1] AS first FROM s;",
        1,
    );
    driver.push_table("s", "id | text\n 0 | to be or\n 2 | not to be").unwrap();
    driver.expect("w", "word | n\n to | 2\n be | 2\n or | 1\n not | 1").unwrap();
    driver.expect("p", "id | at | label\n 0 | NULL | NULL\n 2 | 0 | #0\n 2 | 1 | #1").unwrap();
    driver.expect("inside", "id | first\n 0 | to\n 2 | not").unwrap();
    driver.expect("own", "id | piece\n 0 | t\n 0 | \" be \"\n 0 | r\n 2 | n\n 2 | t t\n 2 | \" be\"").unwrap();
}

const TRADES: &str = "
    CREATE SOURCE trades (sym VARCHAR, price DOUBLE, size BIGINT, step VARCHAR, ts TIMESTAMP(3), WATERMARK FOR ts AS ts)
    WITH ('connector' = 'http');
    CREATE MATERIALIZED VIEW totals AS SELECT sym, SPREAD(price) AS s, VWAP(price, size) AS v,
      SPREAD(DISTINCT price) FILTER (WHERE size > 1) AS big, path(step ORDER BY step DESC) AS p FROM trades GROUP BY sym;
    CREATE MATERIALIZED VIEW hops AS SELECT window_end, spread(price) AS s, path(step) AS p
    FROM TABLE(HOP(TABLE trades, DESCRIPTOR(ts), INTERVAL '1' MINUTE, INTERVAL '2' MINUTE))
    GROUP BY window_start, window_end;
    CREATE MATERIALIZED VIEW sessions AS SELECT sym, window_end, spread(price) AS s
    FROM TABLE(SESSION(TABLE trades PARTITION BY sym, DESCRIPTOR(ts), INTERVAL '30' SECOND))
    GROUP BY sym, window_start, window_end;
    CREATE MATERIALIZED VIEW running AS SELECT sym, ts, SPREAD(price) OVER
      (PARTITION BY sym ORDER BY ts RANGE BETWEEN INTERVAL '1' MINUTE PRECEDING AND CURRENT ROW) AS s FROM trades;
    CREATE MATERIALIZED VIEW again AS SELECT MAX(s) AS s, SPREAD(s) AS between FROM totals;
    CREATE MATERIALIZED VIEW rises AS SELECT sym, s FROM trades MATCH_RECOGNIZE (
      PARTITION BY sym ORDER BY ts MEASURES SPREAD(UP.price) AS s ONE ROW PER MATCH AFTER MATCH SKIP PAST LAST ROW
      PATTERN (START UP{2}) DEFINE UP AS UP.price > PREV(UP.price));";

#[test]
fn closures_over_groups_are_aggregates_everywhere() {
    for workers in [1, 3] {
        let mut driver = started(TRADES, workers);
        driver
            .push_table(
                "trades",
                "sym | price | size | step | ts
                 a   | 1     | 10   | x    | 2026-01-01 00:00:10
                 a   | 4     | 5    | z    | 2026-01-01 00:00:20
                 b   | 2     | NULL | y    | 2026-01-01 00:00:30
                 a   | 5     | 1    | y    | 2026-01-01 00:01:10
                 a   | NULL  | 7    | w    | 2026-01-01 00:01:11",
            )
            .unwrap();
        driver.end_all();
        driver
            .expect("totals", "sym | s | v | big | p\n a | 4 | 2.1875 | 3 | z>y>x>w\n b | 0 | NULL | NULL | y")
            .unwrap_or_else(|error| panic!("{workers}: {error}"));
        driver
            .expect(
                "hops",
                "window_end          | s | p
                 2026-01-01 00:01:00 | 3 | x>z>y
                 2026-01-01 00:02:00 | 4 | x>z>y>y>w
                 2026-01-01 00:03:00 | 0 | y>w",
            )
            .unwrap();
        driver
            .expect(
                "sessions",
                "sym | window_end          | s
                 a   | 2026-01-01 00:00:50 | 3
                 a   | 2026-01-01 00:01:41 | 0
                 b   | 2026-01-01 00:01:00 | 0",
            )
            .unwrap();
        driver.expect("again", "s | between\n 4 | 4").unwrap();
        driver.expect("rises", "sym | s\n a | 1").unwrap();
        assert_eq!(driver.rows("running").unwrap().rows.len(), 5);
    }
}

#[test]
fn what_cannot_be_registered_is_refused_with_the_reason() {
    let never = |_: &[ColumnarValue]| Err(DataFusionError::Execution("it is refused".to_owned()));
    let dice = |volatility| create_udf("dice", Vec::new(), DataType::Int64, volatility, Arc::new(never));
    let refused = Catalog::new().with_function(dice(Volatility::Volatile)).unwrap_err().to_string();
    assert!(refused.contains("'dice' is volatile, and results must not depend on when"), "{refused}");
    assert!(Catalog::new().with_function(dice(Volatility::Stable)).unwrap_err().to_string().contains("is stable"));
    assert!(Catalog::new().with_function(dice(Volatility::Immutable)).is_ok());
    for taken in ["upper", "Sum", "row_number", "COLLECT", "now"] {
        let refused = Catalog::new().with_function(scalar(taken, |x: i64| x)).unwrap_err();
        assert!(matches!(&refused, CatalogError::Taken { .. }), "{refused}");
        let refused = Catalog::new().with_aggregate(aggregate(taken, |x: &[i64]| x[0])).unwrap_err();
        assert!(refused.to_string().starts_with("there is a function '"), "{refused}");
    }
    let twice = catalog().with_aggregate(aggregate("words", |x: &[i64]| x[0])).unwrap_err();
    assert!(twice.to_string().contains("there is a function 'WORDS' already"), "{twice}");
    let name = Catalog::new().with_function(scalar("a b", || 1_i64)).unwrap_err().to_string();
    assert!(name.contains("'a b' is no name of a function: write letters"), "{name}");

    let program = "CREATE SOURCE s (a INT) WITH ('connector' = 'http'); CREATE MATERIALIZED VIEW v AS SELECT a FROM s;";
    let refused = Highwater::builder().sql(program).function(dice(Volatility::Volatile)).start().unwrap_err();
    assert!(refused.to_string().contains("is volatile"), "{refused}");
}

#[test]
fn errors_speak_of_registered_functions_as_of_built_in_ones() {
    let told = |select: &str| {
        let program = format!(
            "CREATE SOURCE s (a VARCHAR, n BIGINT) WITH ('connector' = 'http'); CREATE MATERIALIZED VIEW v AS SELECT {select} FROM s;"
        );
        compile(&[("p.sql".to_owned(), program)], &catalog()).unwrap_err()[0].to_string()
    };
    for (select, says) in [
        ("haversin(1, 2, 3, 4) AS d", "did you mean haversine"),
        ("spraed(n) AS d", "did you mean spread"),
        ("haversine(a, 2, 3, 4) AS d", "HAVERSINE does not take (VARCHAR"),
        ("haversine(1.5) AS d", "write HAVERSINE(DOUBLE, DOUBLE, DOUBLE, DOUBLE)"),
        ("spread(a) AS d", "write SPREAD(DOUBLE)"),
        ("shout(DISTINCT a, 1) AS d", "SHOUT is of the values of one row, and has no DISTINCT"),
        ("spread(n ORDER BY n) AS d, upper(DISTINCT a) AS u", "UPPER is of the values of one row"),
    ] {
        let error = told(select);
        assert!(error.contains(says), "{select}: {error}");
    }
}

#[test]
fn catalogues_of_two_programs_know_nothing_of_each_other() {
    let program = "CREATE SOURCE s (n BIGINT) WITH ('connector' = 'http');
        CREATE MATERIALIZED VIEW v AS SELECT f(n) AS n FROM s;";
    let start = |factor: i64| {
        Highwater::builder().sql(program).function(scalar("f", move |n: i64| n * factor)).workers(1).start().unwrap()
    };
    let engines = [start(2), start(3)];
    for (engine, expected) in engines.iter().zip([(14,), (21,)]) {
        let pushed = engine.source("s").unwrap().push_json(r#"{"n": 7}"#).unwrap();
        engine.visible_blocking(&pushed).unwrap();
        assert_eq!(engine.view("v").unwrap().rows::<(i64,)>().unwrap(), [expected]);
    }
    for engine in engines {
        engine.shutdown_blocking(Drain::Yes).unwrap();
    }
    assert!(Highwater::builder().sql(program).start().is_err(), "nothing is global");
}

#[test]
fn a_group_that_fails_or_panics_is_a_dead_letter_until_it_changes() {
    let catalog = Catalog::new()
        .with_aggregate(aggregate("whole", |values: &[f64]| match values.iter().sum::<f64>() {
            sum if sum.fract() == 0.0 => Ok(sum as i64),
            sum => Err(format!("{sum} is not whole")),
        }))
        .and_then(|catalog| {
            catalog.with_aggregate(aggregate("at_most_two", |values: &[f64]| {
                assert!(values.len() < 3, "too many");
                values.len() as i64
            }))
        });
    for workers in [1, 3] {
        let mut driver = Setup::new(
            "CREATE SOURCE s (k VARCHAR, x DOUBLE, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH ('connector' = 'http');
             CREATE MATERIALIZED VIEW v AS SELECT k, WHOLE(x) AS w, AT_MOST_TWO(x) AS n FROM s GROUP BY k;
             CREATE MATERIALIZED VIEW more AS SELECT k, 2 * WHOLE(x) AS w FROM s GROUP BY k HAVING WHOLE(x) > 0 OR k = 'c';
             CREATE MATERIALIZED VIEW hops AS SELECT k, window_end, at_most_two(x) AS n
             FROM TABLE(TUMBLE(TABLE s, DESCRIPTOR(ts), INTERVAL '1' SECOND)) GROUP BY k, window_start, window_end;
             CREATE MATERIALIZED VIEW running AS SELECT k, ts, WHOLE(x) OVER
               (PARTITION BY k ORDER BY ts RANGE BETWEEN INTERVAL '1' SECOND PRECEDING AND CURRENT ROW) AS w FROM s;",
        )
        .catalog(catalog.clone().unwrap())
        .workers(workers)
        .start()
        .unwrap_or_else(|error| panic!("{error}"));
        driver
            .push_table(
                "s",
                "k | x   | ts
                 a | 1.5 | 2026-01-01 00:00:00.1
                 b | 2   | 2026-01-01 00:00:00.2",
            )
            .unwrap();
        driver.expect("v", "k | w | n\n b | 2 | 1").unwrap();
        let told = driver.dead_letters("v").unwrap().to_string();
        assert!(told.contains("WHOLE: 1.5 is not whole"), "{told}");
        driver
            .push_table(
                "s",
                "k | x   | ts
                 a | 0.5 | 2026-01-01 00:00:00.3
                 b | 1   | 2026-01-01 00:00:00.4
                 b | 1   | 2026-01-01 00:00:00.5
                 c | NULL | 2026-01-01 00:00:00.6",
            )
            .unwrap();
        driver.expect("v", "k | w | n\n a | 2 | 2\n c | NULL | NULL").unwrap();
        let told = driver.dead_letters("v").unwrap().to_string();
        assert!(told.contains("AT_MOST_TWO panicked"), "{told}");
        driver.expect("more", "k | w\n a | 4\n b | 8\n c | NULL").unwrap();
        driver.end_all();
        driver.expect("hops", "k | n\n a | 2\n c | NULL").unwrap();
        driver.expect("running", "k | w\n a | 2\n b | 2\n b | 3\n b | 4\n c | NULL").unwrap();
    }
}
