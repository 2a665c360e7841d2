//! Where event time stands, as the API tells it: the windows and sessions that are open, of views that wait for their end too,
//! and the last late rows. The same at one worker and at three.

use highwater::engine::{Config, Engine};
use highwater::sql::{Catalog, plan};
use serde_json::{Value, json};

use crate::client::Server;
use crate::{EVENTS, complete, post};

const PROGRAM: &str = "CREATE SOURCE clicks (page VARCHAR, ms BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND)
WITH ('connector' = 'http', 'format' = 'json', 'lateness' = '10 s');
CREATE MATERIALIZED VIEW fixed AS SELECT page, window_start, window_end, COUNT(*) AS n
FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY page, window_start, window_end;
CREATE MATERIALIZED VIEW hops AS SELECT page, window_start, window_end, COUNT(*) AS n
FROM TABLE(HOP(TABLE clicks, DESCRIPTOR(ts), INTERVAL '5' SECOND, INTERVAL '10' SECOND)) GROUP BY page, window_start, window_end;
CREATE MATERIALIZED VIEW shown AS SELECT window_start, window_end, COUNT(*) AS n
FROM TABLE(CUMULATE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '5' SECOND, INTERVAL '10' SECOND)) GROUP BY window_start, window_end
EMIT CHANGES;
CREATE MATERIALIZED VIEW visits AS SELECT page, window_start, window_end, COUNT(*) AS n
FROM TABLE(SESSION(TABLE clicks PARTITION BY page, DESCRIPTOR(ts), INTERVAL '8' SECOND)) GROUP BY page, window_start, window_end;
CREATE MATERIALIZED VIEW pages AS SELECT page, COUNT(*) AS n FROM clicks GROUP BY page;";

/// The open windows of the operator whose line begins so, as seconds.
fn open(flow: &Value, does: &str) -> Vec<(i64, i64)> {
    let nodes = flow["nodes"].as_array().unwrap();
    let node = nodes.iter().find(|node| node["does"].as_str().unwrap().contains(does)).unwrap();
    let open = &node["open_windows"];
    let seconds = |value: &Value| value.as_i64().unwrap() / 1000;
    let all: Vec<(i64, i64)> = open["windows"]
        .as_array()
        .unwrap_or_else(|| panic!("{does}: {node}"))
        .iter()
        .map(|window| (seconds(&window["from_ms"]), seconds(&window["to_ms"])))
        .collect();
    assert_eq!(open["count"], all.len(), "{does}");
    assert_eq!(open["from_ms"].as_i64().map(|ms| ms / 1000), all.iter().map(|window| window.0).min());
    assert_eq!(open["to_ms"].as_i64().map(|ms| ms / 1000), all.iter().map(|window| window.1).max());
    all
}

#[test]
fn open_windows_and_late_rows_are_told() {
    for workers in [1, 3] {
        let dataflow = plan(&[("time.sql".to_owned(), PROGRAM.to_owned())], &Catalog::new()).unwrap();
        let server = Server::start(Engine::start(dataflow, Config::default().workers(workers)).unwrap());
        // The watermark comes to 23 s: of the rest 21 is late and amends, 12 is rejected.
        for (page, second) in [("a", 3), ("b", 4), ("c", 21), ("a", 28), ("b", 24), ("d", 21), ("a", 12)] {
            let row = json!({ "page": page, "ms": 1, "ts": second * 1000 }).to_string();
            let (status, _, answer) = post(&server, EVENTS, "content-type: application/json\r\n", row.as_bytes());
            assert_eq!(status, if second == 12 { 422 } else { 202 }, "{answer}");
            complete(&server, &answer);
        }
        let flow = server.json("/api/v1/dataflow");
        assert_eq!(open(&flow, "tumble(ts, 10 s)"), [(20, 30)]);
        assert_eq!(open(&flow, "hop(ts, "), [(15, 25), (20, 30), (25, 35)]);
        assert_eq!(open(&flow, "cumulate(ts, "), [(20, 25), (20, 30)]);
        assert_eq!(open(&flow, "session(ts, "), [(21, 29), (21, 29), (24, 32), (28, 36)]);
        let nodes = flow["nodes"].as_array().unwrap();
        let without = nodes.iter().find(|node| node["does"] == "view pages").unwrap();
        assert_eq!(without["open_windows"], Value::Null);
        let late = &server.json("/api/v1/sources/clicks")["event_time"]["late_rows"];
        let row = |event_ms: u64, accepted: bool| json!({ "event_ms": event_ms, "watermark_ms": 23_000, "accepted": accepted });
        assert_eq!(late, &json!([row(21_000, true), row(12_000, false)]));
    }
}

const ABSENCE: &str = "CREATE SOURCE clicks (page VARCHAR, ms BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '0.1' SECOND)
WITH ('connector' = 'http', 'format' = 'json', 'idle-timeout' = '200 ms', 'queue-bytes' = '1 MiB', 'watermark.idle' = 'hold');
CREATE MATERIALIZED VIEW unpaid AS SELECT * FROM clicks MATCH_RECOGNIZE (PARTITION BY page ORDER BY ts MEASURES A.ms AS ms
  PATTERN (A $) WITHIN INTERVAL '1' SECOND DEFINE A AS ms = 1);
CREATE MATERIALIZED VIEW sums AS SELECT window_start, window_end, COUNT(*) AS n
FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '1' SECOND)) GROUP BY window_start, window_end;";

#[test]
fn what_waits_for_no_row_is_told_by_the_clock() {
    let clock = ABSENCE.replace("'hold'", "'clock'");
    let planned = |text: &str| plan(&[("time.sql".to_owned(), text.to_owned())], &Catalog::new()).unwrap();
    let warnings = |text: &str| -> Vec<String> {
        highwater_core::plan::check(&planned(text)).iter().map(ToString::to_string).collect()
    };
    let told = warnings(ABSENCE).into_iter().find(|text| text.starts_with("source clicks")).unwrap();
    assert!(
        told.contains(
            "a pattern that ends with '$' is not told; let the clock go on for it: 'watermark.idle' = 'clock'"
        )
    );
    assert!(!warnings(&clock).iter().any(|text| text.starts_with("source")));
    for workers in [1, 3] {
        let config = Config::default().workers(workers);
        let server = Server::start(Engine::start(planned(&clock), config).unwrap());
        let row = json!({ "page": "a", "ms": 1, "ts": highwater::time::now_ms() }).to_string();
        assert_eq!(post(&server, EVENTS, "content-type: application/json\r\n", row.as_bytes()).0, 202);
        let since = std::time::Instant::now();
        let count = |view: &str| server.json(&format!("/api/v1/views/{view}/rows"))["rows"].as_array().unwrap().len();
        while count("unpaid") + count("sums") < 2 {
            assert!(since.elapsed() < std::time::Duration::from_secs(20), "nobody pays, and nobody says so");
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        let time = &server.json("/api/v1/sources/clicks")["event_time"];
        assert_eq!((&time["idle_by_clock"], &time["leaps"]), (&json!(true), &json!([])));
    }
}
