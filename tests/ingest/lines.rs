//! Bodies of lines, which only the source's options tell how to read, and CSV whose header does not meet the columns.

use highwater::engine::Config;
use serde_json::json;

use super::{EVENTS, complete, post, served, sums, taken};

#[test]
fn lines_are_read_by_the_pattern_of_the_source() {
    let pattern = "'connector' = 'http', 'format' = 'grok', 'grok.pattern' = '^%{NOTSPACE:page} %{INT:ms} %{INT:ts}$'";
    let server = served(pattern, Config::default().workers(2));
    let answer = taken(&server, "text/plain; charset=utf-8", b"a 1 1000\r\nwrong\n\nb 2 2000\na 3 3000");
    assert_eq!((&answer["accepted"], &answer["rejected"]), (&json!(3), &json!(1)), "{answer}");
    assert_eq!(answer["errors"][0], json!({"row": 1, "reason": "malformed: the pattern does not match"}));
    // What curl says of a body that it was told nothing of is read as the source's format.
    taken(&server, "application/x-www-form-urlencoded", b"c 4 1000\n");
    complete(&server, &taken(&server, "application/json", br#"{"page":"c","ms":5,"ts":1000}"#));
    assert_eq!(sums(&server), ["a:2:4", "b:1:2", "c:2:9"]);
}

#[test]
fn a_posted_header_is_held_to_what_a_files_is() {
    let server = served("'connector' = 'http', 'format' = 'csv'", Config::default());
    complete(&server, &taken(&server, "text/csv", b"more,ts,page\nx,1000,a\nx,2000,b\n"));
    assert_eq!(sums(&server), ["a:1:null", "b:1:null"]);
    let (status, _, answer) = post(&server, EVENTS, "content-type: text/csv\r\n", b"1000,a,1\n2000,b,2\n");
    assert!(status == 400 && answer["detail"].as_str().unwrap().contains("'csv.header' = 'false'"), "{answer}");
    let utf16: Vec<u8> = "\u{feff}ts,page,ms\n1000,né,7\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    complete(&server, &taken(&server, "text/csv", &utf16));
    let (status, _, latin) = post(&server, EVENTS, "content-type: text/csv\r\n", b"ts,page,ms\n1000,caf\xe9,7\n");
    assert_eq!(status, 422, "nothing of it is taken: {latin}");
    assert!(latin["errors"][0]["reason"].as_str().unwrap().contains("'csv.encoding' = 'ISO-8859-1'"), "{latin}");
    assert_eq!(sums(&server), ["a:1:null", "b:1:null", "né:1:7"]);
}

#[test]
fn a_body_may_lack_what_csv_cannot_hold() {
    let source =
        "CREATE SOURCE clicks (page VARCHAR, ms BIGINT, tags ARRAY<VARCHAR>, ts TIMESTAMP(3), WATERMARK FOR ts AS ts)
        WITH ('connector' = 'http');
        CREATE MATERIALIZED VIEW v AS SELECT page, tags FROM clicks EMIT CHANGES;";
    let dataflow =
        highwater::sql::plan(&[("ingest.sql".to_owned(), source.to_owned())], &highwater::sql::Catalog::new());
    let server = super::Server::start(highwater::engine::Engine::start(dataflow.unwrap(), Config::default()).unwrap());
    complete(&server, &taken(&server, "text/csv", b"\n\nts,page\n1000,a\n"));
    let rows = server.json("/api/v1/views/v/rows");
    assert_eq!((&rows["rows"][0]["page"], &rows["rows"][0]["tags"]), (&json!("a"), &json!(null)), "{rows}");
    let (status, _, answer) = post(&server, EVENTS, "content-type: text/csv\r\n", b"ts,tags\n1000,x\n");
    assert!(status == 400 && answer["detail"].as_str().unwrap().contains("cannot hold column 'tags'"), "{answer}");
}
