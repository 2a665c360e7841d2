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
    let error = driver.expect("totals", "kind | n\na | 2").unwrap_err();
    assert_eq!(
        format!("{error:?}"),
        "'totals' has not the rows expected: 1 missing (-), 1 not expected (+)\n  kind | n\n- a    | 2\n+ a    | 1"
    );
    let told = |result: Result<(), TestError>, what: &str| {
        let error = result.unwrap_err().to_string();
        assert!(error.contains(what), "{error}");
    };
    told(
        driver.expect("total", "n\n1"),
        "there is no published view, sink or reference table 'total': there is dear, totals",
    );
    told(driver.expect("totals", "m\n1"), "there is no column 'm': there is kind, window_end, n, total");
    told(driver.expect("totals", "n\nmany"), "row 1 for 'totals'");
    told(driver.push_json("bid", "{}").map(drop), "there is no source that something reads 'bid': there is bids");
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
    use arrow_array::{Float64Array, Int64Array, RecordBatch};
    use std::sync::Arc;
    let mut driver = TestDriver::new(TOTALS).unwrap();
    let prices: arrow_array::ArrayRef = Arc::new(Float64Array::from(vec![11.0, 2.0]));
    driver.push_batch("bids", &RecordBatch::try_from_iter([("price", prices.clone())]).unwrap()).unwrap();
    driver.expect_dead_letters("bids", "reason\nno_event_time\nno_event_time").unwrap();
    let error = driver.push_batch("bids", &RecordBatch::try_from_iter([("prize", prices)]).unwrap()).unwrap_err();
    assert!(error.to_string().contains("there is no column 'prize': there is kind, price, ts"), "{error}");
    let whole: arrow_array::ArrayRef = Arc::new(Int64Array::from(vec![11]));
    let error = driver.push_batch("bids", &RecordBatch::try_from_iter([("price", whole)]).unwrap()).unwrap_err();
    assert!(error.to_string().contains("column 'price' is"), "{error}");
}
