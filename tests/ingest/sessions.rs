//! Rule S4 as a reader of the API sees it: a session is there, and final, once the watermark is at its end; the row at that
//! end is on time and amends it.

use std::time::{Duration, Instant};

use highwater::engine::{Config, Engine};
use highwater::sql::{Catalog, plan};
use serde_json::{Value, json};

use crate::client::Server;
use crate::{EVENTS, complete, post};

const PROGRAM: &str = "CREATE SOURCE clicks (page VARCHAR, ts TIMESTAMP(3), WATERMARK FOR ts AS ts)
WITH ('connector' = 'http', 'format' = 'json');
CREATE MATERIALIZED VIEW visits AS SELECT page, window_start, window_end, COUNT(*) AS n
FROM TABLE(SESSION(TABLE clicks PARTITION BY page, DESCRIPTOR(ts), INTERVAL '8' SECOND)) GROUP BY page, window_start, window_end;
CREATE MATERIALIZED VIEW behind AS SELECT page, n FROM visits UNION ALL SELECT page, n FROM visits WHERE n > 1;";

/// The rows of a view: page, rows of the session, status, version.
fn rows(server: &Server, view: &str) -> Vec<Value> {
    let answer = server.json(&format!("/api/v1/views/{view}/rows?order=page"));
    let row = |row: &Value| json!([row["page"], row["n"], row["_status"], row["_version"]]);
    answer["rows"].as_array().unwrap().iter().map(row).collect()
}

/// A row's token says that the row is in; what its watermark closes is there once the views have passed that, a tick later.
#[track_caller]
fn until(what: impl Fn() -> bool) {
    let since = Instant::now();
    while !what() {
        assert!(since.elapsed() < Duration::from_secs(20), "never shown");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn s4_a_session_is_seen_when_the_watermark_is_at_its_end() {
    for workers in [1, 3] {
        let dataflow = plan(&[("sessions.sql".to_owned(), PROGRAM.to_owned())], &Catalog::new()).unwrap();
        let server = Server::start(Engine::start(dataflow, Config::default().workers(workers)).unwrap());
        let send = |page: &str, second: i64| {
            let row = json!({ "page": page, "ts": second * 1000 }).to_string();
            let (status, _, answer) = post(&server, EVENTS, "content-type: application/json\r\n", row.as_bytes());
            assert_eq!(status, 202);
            complete(&server, &answer);
        };
        send("a", 0);
        assert_eq!(rows(&server, "visits"), Vec::<Value>::new());
        // The watermark is at the end of a's session, to the millisecond.
        send("b", 8);
        until(|| rows(&server, "visits") == [json!(["a", 1, "final", 1])]);
        until(|| rows(&server, "behind").len() == 1);
        // On time, and of the session.
        send("a", 8);
        until(|| rows(&server, "visits").is_empty());
        send("c", 16);
        until(|| rows(&server, "visits") == [json!(["a", 2, "final", 1]), json!(["b", 1, "final", 1])]);
    }
}
