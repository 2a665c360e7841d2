//! What acknowledgements wait for, as a client of a WebSocket says it beside its rows.

use super::*;

const ROW: &str = "{\"page\":\"a\",\"ms\":1,\"ts\":1}";

fn kept(folder: &tempfile::TempDir) -> Server {
    let data_dir = Some(folder.path().join("data"));
    served(
        "'connector' = 'http', 'format' = 'json'",
        Config::default().workers(1).with(|config| config.data_dir = data_dir),
    )
}

#[test]
fn a_message_says_what_acknowledgements_wait_for() {
    let folder = tempfile::tempdir().unwrap();
    let server = kept(&folder);
    let mut socket = Socket::open(&server, "/api/v1/sources/clicks/ws");
    // As ever, of who has not asked.
    socket.text(ROW);
    assert_eq!(socket.read(), json!({"type": "ack", "seq": 1, "accepted": 1, "rejected": 0}));
    for (asks, holds) in [("visible", "visible"), ("received", "received"), ("durable", "durable")] {
        let seq = socket.asks(&format!(" {{ \"ack\" : \"{asks}\" }} "), holds);
        socket.text(ROW);
        let answer = socket.read();
        assert_eq!(answer, json!({"type": "ack", "seq": seq + 1, "accepted": 1, "rejected": 0, "ack": holds}));
    }
    // What is acknowledged as visible is.
    socket.asks("{\"ack\":\"visible\"}", "visible");
    for n in 5..=20 {
        socket.text(ROW);
        assert_eq!(socket.read()["ack"], "visible");
        assert_eq!(sums(&server), [format!("a:{n}:{n}")]);
    }
    let sent = socket.read_after(&packed("{\"ack\":\"received\"}"));
    assert_eq!((&sent["accepted"], &sent["ack"]), (&json!(0), &json!("received")));
    // An array of rows, and rows that are wrong, are told the same way.
    socket.text("[{\"page\":\"a\",\"ms\":{},\"ts\":1}]");
    let wrong = socket.read();
    assert_eq!(
        (&wrong["rejected"], &wrong["ack"], &wrong["errors"][0]["row"]),
        (&json!(1), &json!("received"), &json!(0))
    );
}

#[test]
fn a_word_that_is_none_is_told_and_changes_nothing() {
    let server = pushed();
    let mut socket = Socket::open(&server, "/ws/ingest?ack=visible");
    for (message, says) in [
        ("{\"ack\":\"soon\"}", "write received, durable or visible"),
        ("{\"ack\":5}", "ack=5: write received"),
        ("{\"ack\":\"durable\"}", "keeps nothing on disk"),
    ] {
        socket.text(message);
        let answer = socket.read();
        assert_eq!(answer["type"], "error", "{answer}");
        assert!(answer["reason"].as_str().unwrap().contains(says), "{answer}");
    }
    socket.text(ROW);
    assert_eq!(socket.read(), json!({"type": "ack", "seq": 4, "accepted": 1, "rejected": 0, "ack": "visible"}));
    // With anything beside it, it is a row.
    socket.text("{\"ack\":\"received\",\"page\":\"a\",\"ms\":1,\"ts\":1}");
    assert_eq!(socket.read(), json!({"type": "ack", "seq": 5, "accepted": 1, "rejected": 0, "ack": "visible"}));
    assert_eq!(sums(&server), ["a:2:2"]);
}

#[test]
fn of_a_source_with_a_column_of_that_name_it_is_a_row() {
    let program = "CREATE SOURCE t (ack VARCHAR) WITH ('connector' = 'http', 'format' = 'json');
        CREATE MATERIALIZED VIEW words AS SELECT ack, COUNT(*) AS n FROM t GROUP BY ack;";
    let dataflow = plan(&[("t.sql".to_owned(), program.to_owned())], &Catalog::new()).unwrap();
    let server = Server::start(Engine::start(dataflow, Config::default().workers(1)).unwrap());
    let mut socket = Socket::open(&server, "/ws/ingest?ack=visible");
    socket.text("{\"ack\":\"received\"}");
    assert_eq!(socket.read(), json!({"type": "ack", "seq": 1, "accepted": 1, "rejected": 0, "ack": "visible"}));
    assert_eq!(server.json("/api/v1/views/words/rows")["rows"][0]["ack"], "received");
}

/// A view that rows of the source never come to is not waited for, though it stands still; one that they come to is.
#[test]
fn only_views_of_the_source_are_waited_for() {
    let source = |name: &str| {
        format!(
            "CREATE SOURCE {name} (id VARCHAR, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH ('connector' = 'http', 'format' = 'json');"
        )
    };
    let program = format!(
        "{}{}
        CREATE MATERIALIZED VIEW of_a AS SELECT id, COUNT(*) AS n FROM a GROUP BY id;
        CREATE VIEW both AS SELECT id FROM b UNION ALL SELECT id FROM b;
        CREATE MATERIALIZED VIEW of_b AS SELECT id, COUNT(*) AS n FROM both GROUP BY id;",
        source("a"),
        source("b")
    );
    let dataflow = plan(&[("t.sql".to_owned(), program.clone())], &Catalog::new()).unwrap();
    let server = Server::start(Engine::start(dataflow, Config::default().workers(1)).unwrap());
    let begun = std::time::Instant::now();
    let row = br#"{"id":"x","ts":"2026-01-01T00:00:01Z"}"#;
    let json_row = "content-type: application/json\r\n";
    let (_, _, answer) = super::post(&server, "/api/v1/sources/a/events?ack=visible", json_row, row);
    assert_eq!(answer["ack"], "visible", "{answer}");
    let token = answer["token"].as_str().unwrap();
    assert_eq!(server.json(&format!("/api/v1/completion/{token}"))["complete"], true);
    assert!(begun.elapsed() < std::time::Duration::from_secs(8), "b brings nothing, and nobody waits for it");
}

impl Socket {
    /// Sends a message that asks for that; its number.
    fn asks(&mut self, message: &str, holds: &str) -> u64 {
        self.text(message);
        let answer = self.read();
        assert_eq!((&answer["type"], &answer["accepted"], &answer["ack"]), (&json!("ack"), &json!(0), &json!(holds)));
        answer["seq"].as_u64().unwrap()
    }

    fn read_after(&mut self, binary: &[u8]) -> Value {
        self.send(2, binary);
        self.read()
    }
}
