//! Events that clients send again: `dedup.key` and `dedup.horizon`.

use super::*;

fn deduplicated() -> Server {
    let source = format!(
        "CREATE SOURCE clicks (id VARCHAR, page VARCHAR, ms BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts)
        WITH ('connector' = 'http', 'dedup.key' = 'id', 'dedup.horizon' = '10 s'); {QUERY}"
    );
    let dataflow = plan(&[("ingest.sql".to_owned(), source)], &Catalog::new()).unwrap();
    Server::start(Engine::start(dataflow, Config::default().workers(2)).unwrap())
}

/// Accepted, duplicates, rejected.
fn told(answer: &Value) -> [u64; 3] {
    ["accepted", "duplicates", "rejected"].map(|name| answer[name].as_u64().unwrap())
}

#[test]
fn a_body_sent_again_counts_once() {
    let server = deduplicated();
    let body = |from: i64, to: i64| -> Vec<u8> {
        let line = |n: i64| format!("{{\"id\":\"e{n}\",\"page\":\"a\",\"ms\":1,\"ts\":{}}}\n", n * 100);
        (from..to).map(line).collect::<String>().into_bytes()
    };
    // The answers to the first sending are dropped: each connection goes away before it comes.
    for at in 0..5 {
        let body = body(at * 10, at * 10 + 10);
        let mut stream = TcpStream::connect(server.address).unwrap();
        let head = format!("POST {EVENTS} HTTP/1.0\r\ncontent-length: {}\r\n\r\n", body.len());
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(&body).unwrap();
        drop(stream);
        let answer = taken(&server, "application/x-ndjson", &body);
        assert_eq!((told(&answer)[0], told(&answer)[2]), (10, 0), "{answer}");
        complete(&server, &answer);
        assert_eq!(sums(&server), [format!("a:{0}:{0}", at * 10 + 10)]);
    }
    // Everything again, behind the watermark by now: duplicates, not late; with something new, and twice in one body.
    let answer = taken(&server, "application/x-ndjson", &[body(0, 51), body(50, 51)].concat());
    assert_eq!(told(&answer), [52, 51, 0], "{answer}");
    complete(&server, &answer);
    assert_eq!(sums(&server), ["a:51:51"]);
    // Nothing but duplicates: the token waits for the rows that they repeat.
    let answer = taken(&server, "application/x-ndjson", &body(51, 60));
    assert_eq!(told(&answer), [9, 0, 0], "{answer}");
    let answer = taken(&server, "application/x-ndjson", &body(51, 60));
    assert_eq!(told(&answer), [9, 9, 0], "{answer}");
    complete(&server, &answer);
    assert_eq!(sums(&server), ["a:60:60"]);
    // A row that was not taken leaves no key.
    let answer = taken(&server, "application/x-ndjson", b"{\"id\":\"late\",\"page\":\"a\",\"ms\":1,\"ts\":0}");
    assert_eq!(told(&answer), [0, 0, 1], "{answer}");
    let answer = taken(&server, "application/x-ndjson", b"{\"id\":\"late\",\"page\":\"a\",\"ms\":1,\"ts\":5900}");
    assert_eq!(told(&answer), [1, 0, 0], "{answer}");
    let metrics = server.call("GET", "/metrics").2;
    let count = |name: &str| {
        let name = format!("highwater_{name}_total{{source=\"clicks\"}} ");
        metrics.lines().find_map(|line| line.strip_prefix(&name)).unwrap().parse::<u64>().unwrap()
    };
    // What a dropped connection brought may have come or not: what counts is that nothing counts twice.
    assert_eq!(count("events_received") - count("events_duplicate"), 62);
    assert!(count("events_duplicate") >= 60);
}

#[test]
fn a_key_beyond_the_horizon_is_taken_again() {
    let server = deduplicated();
    let send = |id: &str, ts: i64| {
        let id = if id.is_empty() { "null".to_owned() } else { format!("\"{id}\"") };
        let row = format!("{{\"id\":{id},\"page\":\"a\",\"ms\":1,\"ts\":{ts}}}");
        told(&taken(&server, "application/json", row.as_bytes()))
    };
    assert_eq!(send("x", 1_000), [1, 0, 0]);
    assert_eq!(send("x", 10_999), [1, 1, 0]);
    // The duplicate moved nothing.
    assert_eq!(send("y", 1_000), [1, 0, 0]);
    assert_eq!(send("x", 11_000), [1, 0, 0]);
    assert_eq!(send("x", 11_000), [1, 1, 0]);
    assert_eq!(send("", 11_000), [1, 0, 0]);
    assert_eq!(send("", 11_000), [1, 0, 0]);
    shown(&server, &["a:2:2", "a:3:3"]);
}

#[test]
fn wrong_keys_are_refused() {
    for (columns, options, told) in [
        ("id VARCHAR, ts TIMESTAMP(3), WATERMARK FOR ts AS ts", "'dedup.key' = 'idd'", "no such column"),
        ("id VARCHAR, ts TIMESTAMP(3)", "'dedup.key' = 'id'", "WATERMARK"),
        ("id ARRAY<VARCHAR>, ts TIMESTAMP(3), WATERMARK FOR ts AS ts", "'dedup.key' = 'id'", "a key is text"),
        ("id VARCHAR, ts TIMESTAMP(3), WATERMARK FOR ts AS ts", "'dedup.horizon' = '1 s'", "'dedup.key' is missing"),
        (
            "id VARCHAR, ts TIMESTAMP(3), WATERMARK FOR ts AS ts",
            "'dedup.key' = 'id', 'dedup.horizon' = '0 s'",
            "more than 0",
        ),
    ] {
        let sql = format!(
            "CREATE SOURCE s ({columns}) WITH ('connector' = 'http', {options}); CREATE MATERIALIZED VIEW v AS SELECT ts FROM s;"
        );
        let problems = format!("{:?}", plan(&[("x.sql".to_owned(), sql)], &Catalog::new()).unwrap_err());
        assert!(problems.contains(told), "{told}: {problems}");
    }
}
