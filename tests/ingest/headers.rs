//! Headers of requests as columns, in every form of a body; and instants that are written without an offset, in events, tables
//! and filters of a session in a zone.

use highwater::engine::{Config, Engine};
use highwater::sql::{Catalog, plan};
use serde_json::{Value, json};

use super::{EVENTS, complete, packed, post};
use crate::client::{Server, Socket};

fn planned(program: &str) -> Result<Server, String> {
    let dataflow = plan(&[("headers.sql".to_owned(), program.to_owned())], &Catalog::new())
        .map_err(|errors| errors.iter().map(ToString::to_string).collect::<String>())?;
    Ok(Server::start(Engine::start(dataflow, Config::default().workers(2)).unwrap()))
}

fn source(columns: &str, options: &str) -> String {
    format!(
        "CREATE SOURCE clicks ({columns}) WITH ('connector' = 'http', {options});
         CREATE MATERIALIZED VIEW seen AS SELECT * FROM clicks;"
    )
}

const COLUMNS: &str =
    "page VARCHAR, id VARCHAR METADATA FROM 'headers.X-Request-ID', headers MAP<STRING, STRING> METADATA,
    n BIGINT METADATA FROM 'headers.x-count' VIRTUAL";

/// Rows of the view, by page.
fn seen(server: &Server) -> Vec<Value> {
    let answer = server.json("/api/v1/views/seen/rows?order=page");
    answer["rows"].as_array().unwrap().clone()
}

#[test]
fn headers_are_columns_in_every_form_of_a_body() {
    let server = planned(&source(COLUMNS, "'format' = 'json'")).unwrap();
    let own = "x-request-id: r-1\r\nX-Count: 7\r\nx-tag: a\r\nx-tag: b\r\nauthorization: Bearer secret\r\ncookie: c=secret\r\n";
    let bodies: [(&str, Vec<u8>); 4] = [
        ("application/x-ndjson", b"{\"page\":\"a\"}\n{\"page\":\"b\",\"id\":\"of the row\"}\n".to_vec()),
        ("application/json", b"[{\"page\":\"c\"}]".to_vec()),
        ("text/csv", b"page\nd\n".to_vec()),
        ("application/msgpack", packed("{\"page\":\"e\"}")),
    ];
    for (kind, body) in bodies {
        let (status, _, answer) = post(&server, EVENTS, &format!("content-type: {kind}\r\n{own}"), &body);
        assert_eq!(status, 202, "{kind}: {answer}");
        complete(&server, &answer);
    }
    let rows = seen(&server);
    let pages: Vec<&str> = rows.iter().map(|row| row["page"].as_str().unwrap()).collect();
    assert_eq!(pages, ["a", "b", "c", "d", "e"]);
    for row in &rows {
        assert_eq!(
            (&row["id"], &row["n"], &row["headers"]["x-tag"]),
            (&json!("r-1"), &json!(7), &json!("a, b")),
            "{row}"
        );
        assert!(row["headers"]["content-type"].is_string() && !row.to_string().contains("secret"), "{row}");
    }
    let (status, _, answer) =
        post(&server, EVENTS, "content-type: application/json\r\nx-count: many\r\n", b"{\"page\":\"x\"}");
    assert_eq!(status, 400);
    assert!(
        answer["detail"].as_str().unwrap().contains("the header 'x-count' is 'many', which is no BIGINT"),
        "{answer}"
    );
    let (_, _, answer) = post(&server, EVENTS, "content-type: application/json\r\n", b"{\"page\":\"f\"}");
    complete(&server, &answer);
    let last = seen(&server).pop().unwrap();
    assert_eq!((&last["page"], &last["id"], &last["n"]), (&json!("f"), &Value::Null, &Value::Null));
}

#[test]
fn headers_of_a_handshake_stand_beside_all_frames() {
    let server = planned(&source(COLUMNS, "'format' = 'json'")).unwrap();
    let mut socket =
        Socket::open_at(server.address, "/api/v1/sources/clicks/ws", "x-request-id: socket\r\nx-count: 3\r\n").unwrap();
    socket.text("{\"page\":\"a\"}");
    socket.text("[{\"page\":\"b\"}]");
    for _ in 0..2 {
        assert_eq!(socket.read()["accepted"], 1);
    }
    let since = std::time::Instant::now();
    while seen(&server).len() < 2 {
        assert!(since.elapsed().as_secs() < 20, "the rows are not shown");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    for row in seen(&server) {
        assert_eq!(
            (&row["id"], &row["n"], &row["headers"]["upgrade"]),
            (&json!("socket"), &json!(3), &json!("websocket"))
        );
        assert!(row["headers"].get("sec-websocket-key").is_none());
    }
    let refused = Socket::open_at(server.address, "/ws/ingest", "x-count: many\r\n").err().unwrap();
    assert!(refused.starts_with("HTTP/1.1 400"), "{refused}");
}

#[test]
fn a_header_that_has_to_be_there_is_asked_for() {
    let server =
        planned(&source("line BYTES, id VARCHAR NOT NULL METADATA FROM 'headers.x-id'", "'format' = 'raw'")).unwrap();
    let (status, _, answer) = post(&server, EVENTS, "content-type: text/plain\r\n", b"a\xff\n");
    assert_eq!(status, 400, "{answer}");
    assert!(answer["detail"].as_str().unwrap().contains("there is no header 'x-id'"), "{answer}");
    let (status, _, answer) = post(&server, EVENTS, "content-type: text/plain\r\nx-id: 1\r\n", b"a\xff\n");
    assert_eq!(status, 202, "{answer}");
    complete(&server, &answer);
    let rows = server.json("/api/v1/views/seen/rows");
    assert_eq!((&rows["rows"][0]["line"], &rows["rows"][0]["id"]), (&json!("Yf8="), &json!("1")), "{rows}");
}

#[test]
fn what_no_header_can_be_is_refused() {
    for (columns, says) in [
        ("a INT, h INT METADATA FROM 'headers'", "all headers are a MAP<STRING, STRING>, and column 'h' is INT"),
        ("a INT, h ARRAY<STRING> METADATA FROM 'headers.x'", "a header is one value"),
        ("a INT, h STRING METADATA FROM 'headers.Authorization'", "says who somebody is"),
        ("a INT, h STRING METADATA FROM 'header'", "'http' has no metadata 'header'"),
        ("a INT, partition INT METADATA", "'http' has no metadata 'partition'"),
    ] {
        let refused = planned(&source(columns, "'format' = 'json'")).err().unwrap();
        assert!(refused.contains(says), "{columns}: {refused}");
    }
    let file = "CREATE SOURCE f (a INT, headers MAP<STRING, STRING> METADATA) WITH ('connector' = 'filesystem', 'path' = 'x.json');
        CREATE MATERIALIZED VIEW seen AS SELECT * FROM f;";
    assert!(planned(file).err().unwrap().contains("'filesystem' has no metadata 'headers'"));
}

#[test]
fn instants_without_an_offset_are_of_the_sessions_clocks() {
    let program = "SET 'table.local-time-zone' = 'Europe/Berlin';
        CREATE TABLE opened (at TIMESTAMP_LTZ(3) PRIMARY KEY, shop VARCHAR);
        CREATE SOURCE clicks (page VARCHAR, at TIMESTAMP_LTZ(3), since TIMESTAMP_LTZ(3) METADATA FROM 'headers.x-since')
        WITH ('connector' = 'http', 'format' = 'json');
        CREATE MATERIALIZED VIEW seen AS SELECT * FROM clicks;";
    let server = planned(program).unwrap();
    for (kind, body) in [
        ("application/json", &b"{\"page\":\"a\",\"at\":\"2024-07-01 12:00:00\"}"[..]),
        ("text/csv", b"page,at\nb,2024-07-01 12:00\n"),
        ("application/msgpack", &packed("{\"page\":\"c\",\"at\":\"2024-07-01 12:00:00\"}")),
        ("application/json", b"{\"page\":\"d\",\"at\":\"2024-07-01T10:00:00Z\"}"),
        ("application/json", b"{\"page\":\"e\",\"at\":1719828000000}"),
    ] {
        let headers = format!("content-type: {kind}\r\nx-since: 2024-07-01 12:00:00\r\n");
        let (status, _, answer) = post(&server, EVENTS, &headers, body);
        assert_eq!(status, 202, "{answer}");
        complete(&server, &answer);
    }
    let rows = seen(&server);
    assert_eq!(rows.len(), 5);
    for row in rows {
        let noon = json!("2024-07-01T10:00:00.000Z");
        assert_eq!((&row["at"], &row["since"]), (&noon, &noon), "{row}");
    }
    let found =
        |filter: &str| server.json(&format!("/api/v1/views/seen/rows?at={filter}"))["rows"].as_array().unwrap().len();
    assert_eq!(
        (found("2024-07-01%2012:00:00"), found("2024-07-01T10:00:00Z"), found("2024-07-01%2010:00:00")),
        (5, 5, 0)
    );
    let rows = "/api/v1/tables/opened/rows";
    let (status, _, answer) =
        post(&server, rows, "content-type: application/json\r\n", b"{\"at\":\"2024-07-01 12:00:00\",\"shop\":\"x\"}");
    assert_eq!(status, 200, "{answer}");
    assert_eq!(server.json(rows)["rows"][0]["at"], "2024-07-01T10:00:00.000Z");
    assert_eq!(server.json(&format!("{rows}?at=2024-07-01%2012:00:00"))["rows"].as_array().unwrap().len(), 1);
}
