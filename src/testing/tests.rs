//! What a driver promises: the same at any number of workers and over restarts, time by its clock, failures as they are to be read.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use super::*;

const TOTALS: &str = "
    CREATE SOURCE bids (kind VARCHAR, price DOUBLE, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND)
    WITH ('connector' = 'http', 'lateness' = '1 minute');
    CREATE MATERIALIZED VIEW totals AS
    SELECT kind, window_end, COUNT(*) AS n, SUM(price) AS total
    FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY kind, window_start, window_end;
    CREATE SINK dear WITH ('connector' = 'blackhole') AS SELECT kind, price FROM bids WHERE price / (price - 1) > 0 AND price > 10;
";

/// One script, whatever it runs on.
fn script(driver: &mut TestDriver, between: impl Fn(&mut TestDriver)) {
    driver.push_json("bids", r#"[{"kind":"a","price":1.5,"ts":"2026-01-01 12:00:01"},{"kind":"a","price":20,"ts":"2026-01-01 12:00:02"}]"#).unwrap();
    driver.expect("totals", "").unwrap();
    driver.expect("dear", "kind | price\na | 20").unwrap();
    between(driver);
    driver
        .push_table("bids", "kind | price | ts\nb | 3 | 2026-01-01 12:00:17\nNULL | x | 2026-01-01 12:00:17")
        .unwrap();
    driver.expect("totals", "kind | window_end | n | total\na | 2026-01-01T12:00:10Z | 2 | 21.50").unwrap();
    driver.expect_changes("totals", "_op | kind\ninsert | a").unwrap();
    between(driver);
    driver.push_table("bids", "kind | price | ts\na | 1 | 2026-01-01 12:00:03").unwrap();
    driver.expect_changes("totals", "_op | kind | n | total\nretract | a | 2 | 21.5\ninsert | a | 3 | 22.5").unwrap();
    between(driver);
    driver.expect_changes("totals", "").unwrap();
    driver.push_table("bids", "kind | price | ts\na | 1 | 2026-01-01 11:00:00").unwrap();
    driver.expect_dead_letters("bids", "reason\nmalformed\nlate").unwrap();
    driver.expect_dead_letters("dear", "reason\nevaluation").unwrap_err();
    driver.watermark("bids", "12:00:30").unwrap();
    driver.expect("totals", "kind | n\nb | 1\na | 3").unwrap();
    driver.push_table("bids", "kind | price | ts\nc | 1 | 2026-01-01 12:00:33").unwrap();
    between(driver);
    driver.expect("totals", "kind | n\nb | 1\na | 3").unwrap();
    driver.end("bids").unwrap();
    driver.expect("totals", "kind | n\nb | 1\na | 3\nc | 1").unwrap();
}

#[test]
fn a_script_finds_the_same_at_any_number_of_workers() {
    for workers in 1..4 {
        script(&mut Setup::new(TOTALS).workers(workers).start().unwrap(), |_| ());
    }
}

#[test]
fn a_script_finds_the_same_over_restarts() {
    script(&mut Setup::new(TOTALS).workers(2).keeping().start().unwrap(), |driver| driver.restart().unwrap());
}

#[test]
fn a_failure_is_told_as_it_is_to_be_read() {
    let mut driver = TestDriver::new(TOTALS).unwrap();
    driver.push_table("bids", "kind | price | ts\na | 1 | 2026-01-01 12:00:01\nb | 2 | 2026-01-01 12:00:20").unwrap();
    let (error, line) = (driver.expect("totals", "kind | n\na | 2").unwrap_err(), line!());
    assert_eq!(
        format!("{error:?}"),
        format!(
            "{}:{line}: 'totals' has not the rows expected: 1 missing (-), 1 not expected (+)\n  kind | n\n- a    | 2\n+ a    | 1",
            file!()
        )
    );
    let told = |result: Result<(), TestError>, what: &str| {
        let error = result.unwrap_err().to_string();
        assert!(error.contains(what), "{error}");
    };
    told(driver.expect_changes("totals", "_op\nretract"), "'totals' has not the changes expected");
    told(
        driver.expect("total", "n\n1"),
        "'total' is no published view, sink or reference table: there is dear, totals",
    );
    told(driver.expect("totals", "m\n1"), "there is no column 'm': there is kind, window_end, n, total");
    told(driver.expect("totals", "n\nmany"), "row 1 for 'totals'");
    told(driver.push_json("bid", "{}").map(drop), "'bid' is no source that something reads: there is bids");
    told(driver.restart(), "Setup::keeping");
    told(TestDriver::new("CREATE VIEW v AS SELECT 1 AS").map(drop), "program.sql:1:");
}

#[test]
fn idleness_and_the_future_guard_go_by_the_drivers_clock() {
    let source = |name: &str, more: &str| {
        format!(
            "CREATE SOURCE {name} (k INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH ('connector' = 'http', 'idle-timeout' = '5 s'{more});"
        )
    };
    let program = source("a", "") + &source("b", "") + "
        CREATE MATERIALIZED VIEW n AS SELECT window_end, COUNT(*) AS n
        FROM TABLE(TUMBLE(TABLE (SELECT * FROM a UNION ALL SELECT * FROM b), DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY window_start, window_end;";
    let program = program.replace("TABLE (SELECT * FROM a UNION ALL SELECT * FROM b)", "TABLE u");
    let program = program.replace(
        "CREATE MATERIALIZED VIEW n",
        "CREATE VIEW u AS SELECT * FROM a UNION ALL SELECT * FROM b; CREATE MATERIALIZED VIEW n",
    );
    let mut driver = TestDriver::new(program).unwrap();
    driver.at("2026-01-01 12:00:00").unwrap();
    driver.push_table("a", "k | ts\n1 | 2026-01-01 12:00:01").unwrap();
    driver.push_table("b", "k | ts\n1 | 2026-01-01 12:00:02").unwrap();
    driver.advance(Duration::from_secs(3)).unwrap();
    driver.push_table("a", "k | ts\n1 | 2026-01-01 12:00:12").unwrap();
    driver.expect("n", "").unwrap();
    driver.advance_by("2 s").unwrap();
    // b has brought nothing for 5 s, a for 2 s.
    driver.expect("n", "window_end | n\n2026-01-01 12:00:10 | 2").unwrap();
    // W9: ahead of the clock by more than 5 min; counted, but it closes nothing.
    driver.push_table("a", "k | ts\n1 | 2026-01-01 12:30:00").unwrap();
    driver.expect("n", "n\n2").unwrap();
    assert!(driver.at("11:00").is_err());
}

#[test]
fn an_idle_watermark_goes_on_with_the_drivers_clock() {
    let mut driver = TestDriver::new(
        "CREATE SOURCE a (k INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '1' SECOND)
         WITH ('connector' = 'http', 'idle-timeout' = '5 s', 'watermark.idle' = 'clock');
         CREATE MATERIALIZED VIEW n AS SELECT window_end, COUNT(*) AS n
         FROM TABLE(TUMBLE(TABLE a, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY window_start, window_end;",
    )
    .unwrap();
    driver.push_table("a", "k | ts\n1 | 2026-01-01 12:00:08").unwrap();
    driver.expect("n", "").unwrap();
    driver.at("12:00:10.999").unwrap();
    driver.expect("n", "").unwrap();
    driver.at("12:00:13").unwrap();
    driver.expect("n", "n\n1").unwrap();
}

#[test]
fn a_table_changes_between_what_is_pushed_before_and_after() {
    for workers in [1, 3] {
        let mut driver = Setup::new(
            "CREATE SOURCE r (k VARCHAR, x INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH ('connector' = 'http');
             CREATE TABLE most (k VARCHAR PRIMARY KEY, x INT NOT NULL);
             CREATE MATERIALIZED VIEW over AS
             SELECT r.k, r.x FROM r JOIN most FOR SYSTEM_TIME AS OF r.ts AS m ON r.k = m.k AND r.x > m.x;",
        )
        .workers(workers)
        .keeping()
        .start()
        .unwrap();
        driver.upsert("most", "k | x\na | 5").unwrap();
        driver.push_table("r", "k | x | ts\na | 6 | 2026-01-01 12:00:00").unwrap();
        driver.upsert("most", "k | x\na | 7\nb | 1").unwrap();
        driver.push_table("r", "k | x | ts\na | 7 | 2026-01-01 12:00:00\nb | 2 | 2026-01-01 12:00:01").unwrap();
        driver.delete("most", "k\nb").unwrap();
        driver.restart().unwrap();
        driver.push_table("r", "k | x | ts\na | 8 | 2026-01-01 12:00:01\nb | 3 | 2026-01-01 12:00:01").unwrap();
        driver.watermark("r", "12:01").unwrap();
        driver.expect("over", "k | x\na | 6\nb | 2\na | 8").unwrap();
        driver.expect("most", "k | x\na | 7").unwrap();
    }
}

#[test]
fn times_of_arrival_are_the_drivers() {
    let mut driver = TestDriver::new(
        "CREATE SOURCE a (k INT, came AS PROCTIME()) WITH ('connector' = 'http');
         CREATE MATERIALIZED VIEW v AS SELECT k, came FROM a;",
    )
    .unwrap();
    assert!(driver.push_json("a", r#"{"k":1}"#).unwrap_err().to_string().contains("the clock was not set"));
    driver.at("2026-01-01 12:00").unwrap();
    driver.push_json("a", r#"{"k":1}"#).unwrap();
    driver.advance_by("1 min").unwrap();
    driver.push_json("a", r#"{"k":2}"#).unwrap();
    driver.expect("v", "k | came\n1 | 2026-01-01 12:00:00\n2 | 2026-01-01 12:01:00").unwrap();
}

#[test]
fn a_source_may_be_read_as_it_is_declared() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("in.ndjson");
    std::fs::write(&path, "{\"k\":1}\n{\"k\":2}\n").unwrap();
    let program = format!(
        "CREATE SOURCE a (k INT) WITH ('connector' = 'filesystem', 'path' = '{}', 'format' = 'json');
         CREATE MATERIALIZED VIEW v AS SELECT COUNT(*) AS n FROM a;",
        path.display()
    );
    let mut driver = Setup::new(&program).reading("a").start().unwrap();
    driver.expect("v", "n\n2").unwrap();
    // Pushed to, the file is not there.
    let mut driver = TestDriver::new(program).unwrap();
    driver.expect("v", "n\n0").unwrap();
    driver.push_json("a", r#"{"k":1}"#).unwrap();
    driver.expect_changes("v", "_op | n\ninsert | 1").unwrap();
}

#[test]
fn batches_are_matched_by_name_and_type() {
    use arrow_array::{BooleanArray, Float64Array, RecordBatch};
    use std::sync::Arc;
    let mut driver = TestDriver::new(TOTALS).unwrap();
    let prices: arrow_array::ArrayRef = Arc::new(Float64Array::from(vec![11.0, 2.0]));
    driver.push_batch("bids", &RecordBatch::try_from_iter([("price", prices.clone())]).unwrap()).unwrap();
    driver.expect_dead_letters("bids", "reason\nno_event_time\nno_event_time").unwrap();
    let error = driver.push_batch("bids", &RecordBatch::try_from_iter([("prize", prices)]).unwrap()).unwrap_err();
    assert!(error.to_string().contains("'prize'"), "{error}");
    let other: arrow_array::ArrayRef = Arc::new(BooleanArray::from(vec![true]));
    let error = driver.push_batch("bids", &RecordBatch::try_from_iter([("price", other)]).unwrap()).unwrap_err();
    assert!(error.to_string().contains("column 'price'"), "{error}");
}

#[test]
fn rows_of_a_rust_type_go_in_and_come_out() {
    #[derive(serde::Serialize)]
    struct Bid<'a> {
        kind: Option<&'a str>,
        price: f64,
        ts: &'a str,
    }
    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct Total {
        kind: Option<String>,
        n: u32,
        total: f64,
    }
    for workers in [1, 2] {
        let mut driver = Setup::new(TOTALS).workers(workers).keeping().start().unwrap();
        let bid = |kind, price, ts| Bid { kind, price, ts };
        let bids = [bid(Some("a"), 1.5, "2026-01-01 12:00:01"), bid(None, 2.0, "2026-01-01 12:00:02")];
        assert_eq!(driver.push_rows("bids", &bids).unwrap().accepted, 2);
        driver.end("bids").unwrap();
        let total = |kind: Option<&str>, total| Total { kind: kind.map(str::to_owned), n: 1, total };
        let mut totals: Vec<Total> = driver.rows_as("totals").unwrap();
        totals.sort_by_key(|total| total.kind.is_none());
        assert_eq!(totals, [total(Some("a"), 1.5), total(None, 2.0)]);
        #[derive(Debug, serde::Deserialize)]
        struct Other {
            #[allow(dead_code)]
            n: String,
        }
        let error = driver.rows_as::<Other>("totals").unwrap_err();
        assert!(error.to_string().contains("row 1 for 'totals': column 'n'"), "{error}");
    }
    #[derive(serde::Serialize)]
    struct Wrong {
        prize: f64,
    }
    let error = TestDriver::new(TOTALS).unwrap().push_rows("bids", [Wrong { prize: 1.0 }]).unwrap_err();
    assert!(error.to_string().contains("prize"), "{error}");
}

#[test]
fn a_source_that_is_read_by_event_time_and_by_arrival_is_pushed_to_once() {
    let mut driver = TestDriver::new(
        "CREATE SOURCE a (k INT, x INT, y INT, ts TIMESTAMP(3), came AS PROCTIME(), WATERMARK FOR ts AS ts)
         WITH ('connector' = 'filesystem', 'path' = 'none.ndjson', 'format' = 'json');
         CREATE MATERIALIZED VIEW by_event AS SELECT window_end, SUM(x) AS x
         FROM TABLE(TUMBLE(TABLE a, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY window_start, window_end;
         CREATE MATERIALIZED VIEW by_arrival AS SELECT window_end, SUM(y) AS y
         FROM TABLE(TUMBLE(TABLE a, DESCRIPTOR(came), INTERVAL '10' SECOND)) GROUP BY window_start, window_end;",
    )
    .unwrap();
    driver.at("2026-01-01 13:00:01").unwrap();
    driver.push_table("a", "k | x | y | ts\n1 | 2 | 3 | 2026-01-01 12:00:01").unwrap();
    driver.push_json("a", r#"{"k":1,"x":5,"y":7,"ts":"2026-01-01 12:00:11"}"#).unwrap();
    driver.expect("by_event", "window_end | x\n2026-01-01 12:00:10 | 2").unwrap();
    driver.expect("by_arrival", "").unwrap();
    driver.at("13:00:11").unwrap();
    driver.expect("by_arrival", "window_end | y\n2026-01-01 13:00:10 | 10").unwrap();
}

#[test]
fn each_view_is_waited_for_as_far_as_its_own_sources_let_it_come() {
    let source = |name: &str| {
        format!("CREATE SOURCE {name} (x INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH ('connector' = 'http');
                 CREATE MATERIALIZED VIEW n_{name} AS SELECT window_end, SUM(100 / x) AS n
                 FROM TABLE(TUMBLE(TABLE {name}, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY window_start, window_end;")
    };
    let program =
        source("a") + &source("b") + "CREATE MATERIALIZED VIEW both AS SELECT x FROM a UNION ALL SELECT 10 / x FROM b;";
    for workers in [1, 2, 3] {
        let mut driver = Setup::new(&program).workers(workers).start().unwrap();
        driver.push_table("a", "x | ts\n1 | 2026-01-01 00:00:01").unwrap();
        // b is hours ahead: what reads it alone does not wait for a.
        for hour in 1..20 {
            driver
                .push_table("b", &format!("x | ts\n1 | 2026-01-01 {hour:02}:00:01\n0 | 2026-01-01 {hour:02}:00:02"))
                .unwrap();
            assert_eq!(driver.rows("n_b").unwrap().rows.len(), hour - 1);
            assert_eq!(driver.dead_letters("n_b").unwrap().rows.len(), hour);
        }
        driver.expect("n_a", "").unwrap();
    }
}

#[test]
fn partitions_have_watermarks_of_their_own_over_restarts() {
    let mut driver = Setup::new(TOTALS).workers(2).partitions("bids", 3).keeping().start().unwrap();
    let row = |second: u32| format!("kind | price | ts\na | 1 | 2026-01-01 12:00:{second}");
    driver.push_table("bids/0", &row(40)).unwrap();
    driver.push_table("bids/1", &row(20)).unwrap();
    driver.push_table("BIDS/1", &row(21)).unwrap();
    driver.restart().unwrap();
    driver.expect("totals", "").unwrap();
    driver.end("bids/2").unwrap();
    driver.expect("totals", "").unwrap();
    driver.push_table("bids/1", &row(36)).unwrap();
    driver.restart().unwrap();
    driver.expect("totals", "window_end | n\n2026-01-01 12:00:30 | 2").unwrap();
    assert!(driver.push_table("bids/2", &row(50)).unwrap_err().to_string().contains("it has ended"));
    // Late by the watermark of its partition, and by that alone.
    driver.push_table("bids", "kind | price | ts\nb | 1 | 2026-01-01 11:59:33").unwrap();
    driver.push_table("bids/1", "kind | price | ts\nb | 1 | 2026-01-01 11:59:33").unwrap();
    driver.expect_dead_letters("bids", "reason\nlate").unwrap();
    driver.watermark("bids", "12:01:00").unwrap();
    driver.expect("totals", "kind | window_end | n\na | 2026-01-01 12:00:30 | 2\na | 2026-01-01 12:00:40 | 1\nb | 2026-01-01 11:59:40 | 1\na | 2026-01-01 12:00:50 | 1").unwrap();
    let told = driver.push_table("bids/3", &row(50)).unwrap_err().to_string();
    assert_eq!(
        told,
        "source 'bids' has 3 partitions, the first of which is 0: set the driver up with Setup::partitions"
    );
    assert!(Setup::new(TOTALS).partitions("bets", 2).start().unwrap_err().to_string().contains("bets"));
}
