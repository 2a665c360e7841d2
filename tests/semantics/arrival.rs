//! `PROCTIME()`: rows are stamped once, at the edge, as they arrive; windows over the stamps close when the clock has passed
//! them, and a made-up clock makes a replay repeat.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use highwater::engine::{Config, Engine};
use highwater::sql::{Catalog, compile};

const WITHIN: Duration = Duration::from_secs(30);

/// Runs a bounded program; answers what it wrote to `out.ndjson`.
fn written(program: &str, workers: usize, tick_rows: usize) -> String {
    let folder = tempfile::tempdir().unwrap();
    let text = program.replace('$', &folder.path().join("out.ndjson").display().to_string());
    let compiled = compile(&[("test.sql".to_owned(), text)], &Catalog::new());
    let compiled = compiled.unwrap_or_else(|errors| panic!("{}", errors[0]));
    assert!(compiled.warnings.is_empty(), "{:?}", compiled.warnings);
    let engine = Engine::start(compiled.dataflow, Config::default().workers(workers).tick_rows(tick_rows)).unwrap();
    engine.wait_within(WITHIN).expect("the input ends").unwrap();
    assert_eq!(engine.rows_failed(), 0, "nobody is late");
    std::fs::read_to_string(folder.path().join("out.ndjson")).unwrap()
}

/// Bids a hundred times as dense in event time as in arrival, shuffled.
const BIDS: &str = "
CREATE TABLE nexmark (
  WATERMARK FOR `dateTime` AS `dateTime` - INTERVAL '4' SECOND
) WITH ('connector' = 'nexmark', 'events.num' = '20000', 'first-event.rate' = '1000', 'out-of-order.group-size' = '100',
        'arrival.rate' = '250', 'arrival.start' = '2026-05-01T00:00:00Z');
CREATE VIEW bid AS SELECT bid.auction, bid.bidder, `dateTime` FROM nexmark WHERE event_type = 2;
";

#[test]
fn a_replay_by_a_made_up_clock_repeats_byte_for_byte() {
    let program = format!(
        "{BIDS}
         CREATE VIEW B AS SELECT *, PROCTIME() AS p_time FROM bid;
         CREATE SINK counts WITH ('connector' = 'filesystem', 'path' = '$', 'format' = 'json') AS
         SELECT window_start, COUNT(*) AS n, MIN(p_time) AS low, MAX(p_time) AS high
         FROM TABLE(TUMBLE(TABLE B, DESCRIPTOR(p_time), INTERVAL '10' SECOND)) GROUP BY window_start, window_end;"
    );
    let one = written(&program, 1, 8192);
    let rows: Vec<serde_json::Value> = one.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    // 250 events a second arrive, whatever their event times: 20,000 in 80 s, 46 of 50 of them bids.
    let counts: Vec<i64> = rows.iter().map(|row| row["n"].as_i64().unwrap()).collect();
    assert_eq!(counts, [2300; 8]);
    assert_eq!(rows[7]["window_start"], "2026-05-01T00:01:10.000Z");
    assert!(rows[7]["high"].as_str().unwrap() < "2026-05-01T00:01:20");
    for (workers, tick_rows) in [(2, 8192), (3, 8192), (1, 100)] {
        assert_eq!(written(&program, workers, tick_rows), one, "{workers} workers, epochs of {tick_rows} rows");
    }
}

#[test]
fn both_times_of_one_source_can_be_read() {
    let program = format!(
        "{BIDS}
         CREATE VIEW B AS SELECT *, PROCTIME() AS p_time FROM bid;
         CREATE VIEW arrived AS SELECT 'arrived' AS what, window_start, COUNT(*) AS n
           FROM TABLE(TUMBLE(TABLE B, DESCRIPTOR(p_time), INTERVAL '10' SECOND)) GROUP BY window_start, window_end;
         CREATE VIEW happened AS SELECT 'happened' AS what, window_start, COUNT(*) AS n
           FROM TABLE(TUMBLE(TABLE B, DESCRIPTOR(`dateTime`), INTERVAL '10' SECOND)) GROUP BY window_start, window_end;
         CREATE SINK counts WITH ('connector' = 'filesystem', 'path' = '$', 'format' = 'json') AS
         SELECT * FROM arrived UNION ALL SELECT * FROM happened;"
    );
    let mut counts: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for line in written(&program, 2, 1000).lines() {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        counts.entry(row["what"].as_str().unwrap().to_owned()).or_default().push(row["n"].as_i64().unwrap());
    }
    assert_eq!(counts["arrived"], [2300; 8]);
    assert_eq!(counts["happened"], [9200, 9200]);
}

#[test]
fn rows_of_a_table_are_met_as_they_arrive() {
    // A lookup by PROCTIME() needs no order of arrival: the source keeps its event time, and nothing is stamped.
    let folder = tempfile::tempdir().unwrap();
    let side = folder.path().join("side.csv");
    std::fs::write(&side, "key,value\n0,even\n1,odd\n").unwrap();
    let program = format!(
        "{BIDS}
         CREATE TABLE side (key BIGINT PRIMARY KEY, `value` VARCHAR) WITH ('path' = '{}', 'format' = 'csv');
         CREATE VIEW named AS SELECT B.auction, S.`value`, B.`dateTime` FROM (SELECT *, PROCTIME() AS p_time FROM bid) B
           JOIN side FOR SYSTEM_TIME AS OF B.p_time AS S ON MOD(B.auction, 2) = S.key;
         CREATE SINK counts WITH ('connector' = 'filesystem', 'path' = '$', 'format' = 'json') AS
         SELECT `value`, window_start, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE named, DESCRIPTOR(`dateTime`), INTERVAL '1' HOUR))
         GROUP BY `value`, window_start, window_end;",
        Path::new(&side).display()
    );
    let text = program.replace('$', "nowhere");
    let planned = compile(&[("test.sql".to_owned(), text)], &Catalog::new()).unwrap().dataflow;
    assert!(planned.sources.iter().all(|source| source.arrival.is_none()), "{:?}", planned.sources);
    let total: i64 = written(&program, 2, 8192)
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["n"].as_i64().unwrap())
        .sum();
    assert_eq!(total, 18_400);
}

#[test]
fn what_it_cannot_be_is_refused_with_a_hint() {
    const SOURCE: &str =
        "CREATE SOURCE s (k BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH ('connector' = '$');\n";
    for (connector, query, message, hint) in [
        ("stdin", "SELECT k, CAST(PROCTIME() AS DATE) AS d FROM s", "PROCTIME", "PROCTIME() AS p_time"),
        ("stdin", "SELECT k FROM s WHERE PROCTIME() > ts", "PROCTIME", "PROCTIME() AS p_time"),
        (
            "stdin",
            "SELECT k, PROCTIME() AS p FROM (SELECT k, COUNT(*) AS n FROM s GROUP BY k) AS c",
            "these rows are made here",
            "where the source is read",
        ),
        (
            "stdin",
            "SELECT window_end, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE b, DESCRIPTOR(p), INTERVAL '1' SECOND)) GROUP BY window_start, window_end
             UNION ALL SELECT window_end, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE s, DESCRIPTOR(ts), INTERVAL '1' SECOND)) GROUP BY window_start, window_end",
            "can be read once",
            "declare a second source",
        ),
    ] {
        let text = format!(
            "{}CREATE VIEW b AS SELECT *, PROCTIME() AS p FROM s;\nCREATE MATERIALIZED VIEW v AS {query};",
            SOURCE.replace('$', connector)
        );
        let errors = compile(&[("test.sql".to_owned(), text)], &Catalog::new()).unwrap_err();
        let told = errors[0].to_string();
        assert!(told.contains(message) && told.contains(hint), "{query}: {told}");
    }
}
