//! Events pushed over real sockets: every form of a body, every refusal, WebSocket frames, tokens of completion.
#![allow(clippy::unwrap_used)]

#[path = "ingest/acks.rs"]
mod acks;
#[path = "ingest/bad.rs"]
mod bad;
mod client;
#[path = "ingest/dead.rs"]
mod dead;
#[path = "ingest/duplicates.rs"]
mod duplicates;
#[path = "ingest/full.rs"]
mod full;
#[path = "ingest/headers.rs"]
mod headers;
#[path = "ingest/lines.rs"]
mod lines;
#[path = "ingest/sessions.rs"]
mod sessions;
#[path = "ingest/time.rs"]
mod time;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use client::{Server, Socket};
use highwater::engine::{Config, Engine};
use highwater::serve::Access;
use highwater::sql::{Catalog, plan};
use highwater_core::source::RowLimits;
use serde_json::{Value, json};

const QUERY: &str = "CREATE MATERIALIZED VIEW sums AS
SELECT page, window_start, COUNT(*) AS n, SUM(ms) AS total
FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY page, window_start, window_end
EMIT CHANGES;";

fn served(options: &str, config: Config) -> Server {
    served_with(options, config, Access::default())
}

fn served_with(options: &str, config: Config, access: Access) -> Server {
    let source = format!(
        "CREATE SOURCE clicks (page VARCHAR, ms BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND)
        WITH ({options}); {QUERY}"
    );
    let dataflow = plan(&[("ingest.sql".to_owned(), source)], &Catalog::new()).unwrap();
    Server::start_with(Engine::start(dataflow, config).unwrap(), access)
}

fn pushed() -> Server {
    served("'connector' = 'http', 'format' = 'json'", Config::default().workers(2))
}

const EVENTS: &str = "/api/v1/sources/clicks/events";

/// Status, head in lower case, body.
fn post(server: &Server, path: &str, headers: &str, body: &[u8]) -> (u16, String, Value) {
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let head = format!("POST {path} HTTP/1.0\r\ncontent-length: {}\r\n{headers}\r\n", body.len());
    stream.write_all(head.as_bytes()).unwrap();
    // It may be refused before it is read.
    let _ = stream.write_all(body);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, head.to_lowercase(), serde_json::from_str(body).unwrap_or(Value::Null))
}

fn taken(server: &Server, kind: &str, body: &[u8]) -> Value {
    let (status, _, answer) = post(server, EVENTS, &format!("content-type: {kind}\r\n"), body);
    let all_rejected = answer["accepted"] == 0 && answer["rejected"] != 0;
    assert_eq!(status, if all_rejected { 422 } else { 202 }, "{kind}: {answer}");
    answer
}

fn complete(server: &Server, answer: &Value) {
    let path = format!("/api/v1/completion/{}", answer["token"].as_str().unwrap());
    let since = Instant::now();
    while server.json(&path)["complete"] != true {
        assert!(since.elapsed() < Duration::from_secs(20), "never complete");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// `page:n:total` of every row of the view.
fn sums(server: &Server) -> Vec<String> {
    let rows = server.json("/api/v1/views/sums/rows?limit=1000");
    let show = |row: &Value| format!("{}:{}:{}", row["page"].as_str().unwrap(), row["n"], row["total"]);
    let mut shown: Vec<String> = rows["rows"].as_array().unwrap().iter().map(show).collect();
    shown.sort();
    shown
}

const LINES: &str = "{\"page\":\"a\",\"ms\":1,\"ts\":1000}\n{\"page\":\"b\",\"ms\":2,\"ts\":2000}\n{\"page\":\"a\",\"ms\":3,\"ts\":3000}\n";

#[test]
fn every_form_of_a_body_gives_the_same_rows() {
    let objects: Vec<&str> = LINES.lines().collect();
    let array = format!("[{}]", objects.join(",\n"));
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(LINES.as_bytes()).unwrap();
    let zstd = zstd::stream::encode_all(LINES.as_bytes(), 3).unwrap();
    let envelope = |object: &&str| {
        let mut data: Value = serde_json::from_str(object).unwrap();
        let time = data.as_object_mut().unwrap().remove("ts").unwrap().as_i64().unwrap() / 1000;
        json!({"specversion": "1.0", "id": "x", "source": "t", "type": "click",
            "time": format!("1970-01-01T00:00:0{time}Z"), "data": data})
    };
    let envelopes = Value::from(objects.iter().map(envelope).collect::<Vec<_>>()).to_string();
    let forms: Vec<(&str, Vec<u8>)> = vec![
        ("application/x-ndjson", LINES.as_bytes().to_vec()),
        ("application/x-ndjson", LINES.trim_end().as_bytes().to_vec()),
        ("application/json; charset=utf-8", array.into_bytes()),
        ("text/csv", b"ts,page,ms\n1000,a,1\n2000,b,2\n3000,a,3\n".to_vec()),
        ("application/x-ndjson\r\ncontent-encoding: gzip", gzip.finish().unwrap()),
        ("application/x-ndjson\r\ncontent-encoding: zstd", zstd),
        ("application/cloudevents-batch+json", envelopes.into_bytes()),
        ("application/vnd.apache.arrow.stream", arrow()),
        ("application/msgpack", objects.iter().flat_map(|object| packed(object)).collect()),
        ("application/x-msgpack", packed(&format!("[{}]", objects.join(",")))),
        ("application/vnd.msgpack", stamped()),
    ];
    for (kind, body) in forms {
        let server = pushed();
        let answer = taken(&server, kind, &body);
        assert_eq!((&answer["accepted"], &answer["rejected"]), (&json!(3), &json!(0)), "{kind}: {answer}");
        complete(&server, &answer);
        assert_eq!(sums(&server), ["a:2:4", "b:1:2"], "{kind}");
    }
    // One object, over several lines.
    let server = pushed();
    let answer = taken(&server, "application/json", b"{\n \"page\": \"a\",\n \"ms\": 7,\n \"ts\": 1\n}\n");
    complete(&server, &answer);
    assert_eq!(sums(&server), ["a:1:7"]);
}

/// JSON as MessagePack.
fn packed(text: &str) -> Vec<u8> {
    fn pack(value: &Value, out: &mut Vec<u8>) {
        match value {
            Value::Null => rmp::encode::write_nil(out).unwrap(),
            Value::Bool(value) => rmp::encode::write_bool(out, *value).unwrap(),
            Value::Number(number) => match number.as_i64() {
                Some(number) => drop(rmp::encode::write_sint(out, number).unwrap()),
                None => rmp::encode::write_f64(out, number.as_f64().unwrap()).unwrap(),
            },
            Value::String(text) => rmp::encode::write_str(out, text).unwrap(),
            Value::Array(items) => {
                rmp::encode::write_array_len(out, items.len() as u32).unwrap();
                items.iter().for_each(|item| pack(item, out));
            }
            Value::Object(members) => {
                rmp::encode::write_map_len(out, members.len() as u32).unwrap();
                for (name, value) in members {
                    rmp::encode::write_str(out, name).unwrap();
                    pack(value, out);
                }
            }
        }
    }
    let mut out = Vec::new();
    pack(&serde_json::from_str(text).unwrap(), &mut out);
    out
}

/// The three rows with their times as timestamps, each in another form.
fn stamped() -> Vec<u8> {
    let times: [&[u8]; 3] = [
        &[0xd6, 0xff, 0, 0, 0, 1],
        &[0xd7, 0xff, 0, 0, 0, 0, 0, 0, 0, 2],
        &[0xc7, 12, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3],
    ];
    let rows = ["a", "b", "a"].iter().zip(1_u8..).zip(times);
    rows.flat_map(|((page, ms), time)| {
        let mut row = vec![0x83, 0xa4];
        row.extend(b"page\xa1");
        row.extend(page.as_bytes());
        row.extend(b"\xa2ms");
        row.push(ms);
        row.extend(b"\xa2ts");
        row.extend(time);
        row
    })
    .collect()
}

fn arrow() -> Vec<u8> {
    use std::sync::Arc;

    use arrow_array::{Int64Array, RecordBatch, StringArray, TimestampMillisecondArray};
    let columns: [(&str, arrow_array::ArrayRef); 3] = [
        ("ms", Arc::new(Int64Array::from(vec![1, 2, 3]))),
        ("page", Arc::new(StringArray::from(vec!["a", "b", "a"]))),
        ("ts", Arc::new(TimestampMillisecondArray::from(vec![1000, 2000, 3000]))),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut writer = arrow_ipc::writer::StreamWriter::try_new(Vec::new(), &batch.schema()).unwrap();
    writer.write(&batch).unwrap();
    writer.finish().unwrap();
    writer.into_inner().unwrap()
}

#[test]
fn a_file_of_the_same_rows_gives_the_same_view() {
    let mut lines = String::new();
    for n in 0..2_000_i64 {
        lines += &format!("{{\"page\":\"p{}\",\"ms\":{n},\"ts\":{}}}\n", n % 7, n * 17 - (n * 7919) % 4000);
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("in.ndjson");
    std::fs::write(&path, &lines).unwrap();
    let file = served(&format!("'connector' = 'filesystem', 'path' = '{}'", path.display()), Config::default());
    file.finish();
    let server = pushed();
    let all: Vec<&str> = lines.split_inclusive('\n').collect();
    for body in all.chunks(37) {
        let answer = taken(&server, "application/x-ndjson", body.concat().as_bytes());
        assert_eq!(answer["rejected"], 0, "{answer}");
        complete(&server, &answer);
    }
    assert_eq!(sums(&server), sums(&file));
}

#[test]
fn wrong_rows_cost_themselves_only() {
    let server = pushed();
    let body = "{\"page\":\"a\",\"ms\":1,\"ts\":100000}\nno\n{\"page\":\"a\",\"ms\":\"x\",\"ts\":1}\n{\"page\":\"a\",\"ms\":1}\n{\"page\":\"a\",\"ms\":1,\"ts\":1}\n{\"page\":\"a\",\"ms\":5,\"ts\":100001}\n";
    let answer = taken(&server, "application/x-ndjson", body.as_bytes());
    assert_eq!((&answer["accepted"], &answer["rejected"]), (&json!(2), &json!(4)), "{answer}");
    let mut rows: Vec<u64> =
        answer["errors"].as_array().unwrap().iter().map(|error| error["row"].as_u64().unwrap()).collect();
    rows.sort_unstable();
    assert_eq!(rows, [1, 2, 3, 4]);
    let late = answer["errors"].as_array().unwrap().iter().find(|error| error["row"] == 4).unwrap();
    assert_eq!(late["reason"], "late: 94999 ms behind the watermark");
    complete(&server, &answer);
    assert_eq!(sums(&server), ["a:2:6"]);
    let letters = server.json("/api/v1/sources/clicks/dead-letters");
    assert_eq!(letters["dead_letters"].as_array().unwrap().len(), 4);
}

#[test]
fn refusals_say_what_would_do() {
    let server = pushed();
    let zeros = zstd::stream::encode_all(&vec![b' '; 20 << 20][..], 3).unwrap();
    for (path, headers, body, status, detail) in [
        ("/api/v1/sources/nope/events", "", &b"{}"[..], 404, "there are: clicks"),
        (EVENTS, "content-type: text/plain\r\n", b"{}", 415, "application/x-ndjson"),
        (
            EVENTS,
            "content-type: text/csv; charset=ebcdic\r\n",
            b"ts\n1",
            415,
            "'ebcdic' is not read; send UTF-8, ISO-8859-1",
        ),
        (EVENTS, "content-encoding: br\r\n", b"{}", 415, "gzip"),
        (EVENTS, "content-encoding: gzip\r\n", b"{}", 400, "unpacked"),
        (EVENTS, "content-encoding: zstd\r\n", &zeros, 413, "raise the limit 'body'"),
        (EVENTS, "content-type: application/json\r\n", b"[{}", 400, "']'"),
        (EVENTS, "content-type: application/vnd.apache.arrow.stream\r\n", b"xx", 400, "not Arrow"),
        (EVENTS, "content-type: application/cloudevents+json\r\n", b"{", 400, "not CloudEvents"),
        (
            EVENTS,
            "content-type: application/msgpack\r\n",
            b"\x80\x81\xa4page",
            400,
            "the value at byte offset 1 goes on",
        ),
        (EVENTS, "content-type: application/msgpack\r\n", b"\x80\x81\xa4page\xc1", 400, "0xc1 at byte offset 7"),
        (EVENTS, "content-type: application/msgpack\r\n", b"\xdd\xff\xff\xff\xff\x80", 400, "lacks 4294967294"),
        (EVENTS, "content-type: application/msgpack\r\n", b"\x81\xdb\xff\xff\xff\xffpage", 400, "byte offset 0"),
        (EVENTS, "origin: https://evil.example\r\n", b"{}", 403, "allow"),
    ] {
        let (found, head, problem) = post(&server, path, headers, body);
        assert_eq!(found, status, "{headers}: {problem}");
        assert!(head.contains("application/problem+json"), "{head}");
        assert!(problem["detail"].as_str().unwrap().contains(detail), "{problem}");
    }
    assert_eq!(post(&server, EVENTS, "", &vec![b' '; (16 << 20) + 1]).0, 413);
    assert_eq!(server.call("GET", "/api/v1/completion/nope").0, 404);
    assert_eq!(sums(&server), [""; 0]);
}

#[test]
fn a_full_source_takes_nothing_of_a_body() {
    // One worker that may not run ahead, and room for 100 rows.
    let config = Config::default().workers(1).with(|config| config.lag_batches = 0);
    let server = served("'connector' = 'http', 'queue-rows' = '100'", config);
    let body: String = (0..60).map(|n| format!("{{\"page\":\"a\",\"ms\":1,\"ts\":{n}}}\n")).collect();
    let (mut accepted, mut full) = (0, 0);
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let (mut accepted, mut full, mut last) = (0, 0, Value::Null);
                    for _ in 0..50 {
                        let (status, head, answer) = post(&server, EVENTS, "", body.as_bytes());
                        match status {
                            202 => {
                                accepted += answer["accepted"].as_i64().unwrap();
                                last = answer;
                            }
                            429 => {
                                assert!(head.contains("retry-after: 1"), "{head}");
                                full += 1;
                            }
                            other => panic!("{other}: {answer}"),
                        }
                    }
                    (accepted, full, last)
                })
            })
            .collect();
        for client in clients {
            let (own, refused, last) = client.join().unwrap();
            accepted += own;
            full += refused;
            if !last.is_null() {
                complete(&server, &last);
            }
        }
    });
    assert_eq!(accepted % 60, 0);
    assert!(accepted / 60 + full == 200, "{accepted} {full}");
    assert_eq!(sums(&server), [format!("a:{accepted}:{accepted}")]);
}

fn shown(server: &Server, expected: &[&str]) {
    let since = Instant::now();
    while sums(server) != expected {
        assert!(since.elapsed() < Duration::from_secs(20), "{:?}, not {expected:?}", sums(server));
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn every_frame_is_acknowledged() {
    let server = pushed();
    let mut socket = Socket::open(&server, "/api/v1/sources/clicks/ws");
    socket.text("{\"page\":\"a\",\"ms\":1,\"ts\":1}");
    socket.text("{\n\"page\":\"a\",\n\"ms\":2,\"ts\":2}");
    socket.text("[{\"page\":\"b\",\"ms\":3,\"ts\":3},{\"page\":\"b\",\"ms\":{},\"ts\":3}]");
    socket.text("{\"page\":");
    socket.text("");
    socket.text("{\"page\":\"a\",\"ms\":1}");
    socket.send(2, b"\xc1");
    socket.text("{\"page\":\"b\",\"ms\":4,\"ts\":4}");
    let expected = [("ack", 1, 0), ("ack", 1, 0), ("ack", 1, 1), ("error", 0, 0), ("error", 0, 0), ("ack", 0, 1)];
    for (at, (kind, accepted, rejected)) in expected.into_iter().chain([("error", 0, 0), ("ack", 1, 0)]).enumerate() {
        let answer = socket.read();
        assert_eq!((&answer["type"], &answer["seq"]), (&json!(kind), &json!(at + 1)), "{answer}");
        if kind == "ack" {
            assert_eq!((&answer["accepted"], &answer["rejected"]), (&json!(accepted), &json!(rejected)), "{answer}");
        } else {
            assert!(!answer["reason"].as_str().unwrap().is_empty());
        }
    }
    shown(&server, &["a:2:3", "b:2:7"]);
    // The other way in, beside the first.
    let mut other = Socket::open(&server, "/ws/ingest");
    for n in 0..2_000 {
        other.text(&format!("{{\"page\":\"c\",\"ms\":{n},\"ts\":5}}"));
    }
    for n in 1..=2_000 {
        assert_eq!(other.read(), json!({"type": "ack", "seq": n, "accepted": 1, "rejected": 0}));
    }
    shown(&server, &["a:2:3", "b:2:7", "c:2000:1999000"]);
}

#[test]
fn a_full_source_holds_a_socket_back_and_loses_nothing() {
    let config = Config::default().workers(1).with(|config| {
        config.lag_batches = 0;
        config.tick_ms = 100;
    });
    let server = served("'connector' = 'websocket', 'queue-rows' = '20'", config);
    let mut socket = Socket::open(&server, "/ws/ingest?source=clicks");
    let frame: Vec<String> = (0..15).map(|n| format!("{{\"page\":\"a\",\"ms\":1,\"ts\":{n}}}")).collect();
    let frame = format!("[{}]", frame.join(","));
    (0..100).for_each(|_| socket.text(&frame));
    let mut acknowledged = 0;
    while acknowledged < 100 {
        let answer = socket.read();
        match answer["type"].as_str().unwrap() {
            "backpressure" => assert!(answer["retry_after_ms"].as_u64().unwrap() > 0),
            _ => {
                acknowledged += 1;
                assert_eq!(answer, json!({"type": "ack", "seq": acknowledged, "accepted": 15, "rejected": 0}));
            }
        }
    }
    shown(&server, &["a:1500:1500"]);
}

#[test]
fn wrong_messages_cost_themselves_only() {
    let config = Config::default().workers(2).with(|config| config.pushed_row = RowLimits { bytes: 200, depth: 4 });
    let server = served("'connector' = 'http'", config);
    let deep = |depth: usize| {
        let (open, close) = ("[".repeat(depth), "]".repeat(depth));
        format!("{{\"page\":\"d\",\"ms\":1,\"ts\":4,\"x\":{open}1{close}}}")
    };
    let rows = [deep(3), deep(4), "7".to_owned(), format!("{{\"page\":\"{}\",\"ts\":4}}", "x".repeat(200))];
    let mut body: Vec<u8> = rows.iter().flat_map(|row| packed(row)).collect();
    body.extend(b"\x81\x01\x02");
    body.extend(b"\x81\xa4page\xa1\xff");
    body.extend(b"\x81\xa4page\xd4\x05\x00");
    body.extend(b"\x82\xa4page\xc4\x03abc\xa2ts\x05");
    let answer = taken(&server, "application/msgpack", &body);
    assert_eq!((&answer["accepted"], &answer["rejected"]), (&json!(2), &json!(6)), "{answer}");
    let errors: Vec<(u64, &str)> = answer["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| (error["row"].as_u64().unwrap(), error["reason"].as_str().unwrap()))
        .collect();
    let told =
        ["nested more than 4 deep", "an object", "oversized", "a key that is no text", "not UTF-8", "extension type 5"];
    for ((row, reason), (at, told)) in errors.iter().zip((1..).zip(told)) {
        assert_eq!(*row, at, "{errors:?}");
        assert!(reason.contains(told), "{reason}, not {told}");
    }
    complete(&server, &answer);
    assert_eq!(sums(&server), ["YWJj:1:null", "d:1:1"]);
    // The same limits hold for JSON.
    let lines = format!("{}\n{}\n{}\n", rows[0], rows[1], rows[3]);
    let answer = taken(&server, "application/x-ndjson", lines.as_bytes());
    assert_eq!((&answer["accepted"], &answer["rejected"]), (&json!(1), &json!(2)), "{answer}");
    assert!(answer["errors"][0]["reason"].as_str().unwrap().contains("nested at most 4 deep"), "{answer}");
}

#[test]
fn binary_frames_are_messages() {
    let server = pushed();
    let mut socket = Socket::open(&server, "/ws/ingest");
    let event = |n: u64| packed(&format!("{{\"page\":\"a\",\"ms\":{n},\"ts\":5}}"));
    socket.send(2, &event(1));
    socket.text("{\"page\":\"a\",\"ms\":2,\"ts\":2}");
    socket.send(2, &packed("[{\"page\":\"b\",\"ms\":3,\"ts\":3},{\"page\":\"b\",\"ms\":\"x\",\"ts\":3}]"));
    socket.send(2, &[event(4), event(5)].concat());
    socket.send(2, &event(6)[..7]);
    socket.send(2, b"");
    socket.send(2, b"\x80");
    socket.send(2, &event(7));
    let expected = [("ack", 1, 0), ("ack", 1, 0), ("ack", 1, 1), ("ack", 2, 0), ("error", 0, 0), ("error", 0, 0)];
    for (at, (kind, accepted, rejected)) in expected.into_iter().chain([("ack", 0, 1), ("ack", 1, 0)]).enumerate() {
        let answer = socket.read();
        assert_eq!((&answer["type"], &answer["seq"]), (&json!(kind), &json!(at + 1)), "{answer}");
        if kind == "ack" {
            assert_eq!((&answer["accepted"], &answer["rejected"]), (&json!(accepted), &json!(rejected)), "{answer}");
        }
    }
    shown(&server, &["a:5:19", "b:1:3"]);
}
