//! The dead letters of what clients push: each shows the row as it came, whatever the program reads of it.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use highwater::engine::Config;
use serde_json::{Value, json};

use super::{EVENTS, Server, Socket, packed, post, pushed, served};

/// The contents of the dead letters, oldest first.
fn contents(server: &Server) -> Vec<String> {
    let letters = server.json("/api/v1/sources/clicks/dead-letters");
    let letters = letters["dead_letters"].as_array().unwrap().iter().rev();
    letters.map(|letter| letter["content"].as_str().unwrap().to_owned()).collect()
}

fn arrow(rows: &[(i64, Option<i64>)]) -> Vec<u8> {
    let columns: [(&str, ArrayRef); 2] = [
        ("more", Arc::new(StringArray::from(vec!["x"; rows.len()]))),
        ("ts", Arc::new(rows.iter().map(|(_, ts)| *ts).collect::<Int64Array>())),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut writer = arrow_ipc::writer::StreamWriter::try_new(Vec::new(), &batch.schema()).unwrap();
    writer.write(&batch.slice(0, 1)).unwrap();
    writer.write(&batch.slice(1, rows.len() - 1)).unwrap();
    writer.finish().unwrap();
    writer.into_inner().unwrap()
}

/// A row that is late and one without event time, behind one that moves the watermark, in every form of a body.
#[test]
fn a_dead_letter_shows_the_row_as_it_came() {
    let (first, late, timeless) =
        ("{\"ts\":100000}", "{\"more\":[1, \"é\"],\"ts\":1000}", "{\"more\": \"x\", \"ts\":null}");
    let envelope = |data: &str| {
        format!("{{\"specversion\":\"1.0\",\"id\":\"x\",\"source\":\"t\",\"type\":\"click\",\"data\":{data}}}")
    };
    let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let lines = format!("{first}\n\n{late}\n{timeless}");
    let (late_packed, timeless_packed) = ("{\"more\":[1,\"é\"],\"ts\":1000}", "{\"more\":\"x\",\"ts\":null}");
    let forms: Vec<(&str, Vec<u8>, [&str; 2])> = vec![
        ("application/x-ndjson", lines.clone().into_bytes(), [late, timeless]),
        ("application/json", format!("[ {first},\n {late} , {timeless} ]").into_bytes(), [late, timeless]),
        ("text/csv", b"more,ts\nx,100000\n\n\"a\nb\",1000\n\"\"\"\",\n".to_vec(), ["\"a\nb\",1000", "\"\"\"\","]),
        ("text/csv; charset=\"ISO-8859-1\"", b"more,ts\nx,100000\ncaf\xe9,1000\n\xe9,".to_vec(), ["café,1000", "é,"]),
        ("application/x-ndjson;charset=utf-16", utf16(&lines), [late, timeless]),
        (
            "application/msgpack",
            [first, late, timeless].iter().flat_map(|row| packed(row)).collect(),
            [late_packed, timeless_packed],
        ),
        (
            "application/cloudevents-batch+json",
            format!("[{},{},{}]", envelope(first), envelope(late), envelope(timeless)).into_bytes(),
            // With what the envelope says besides.
            [
                "{\"more\":[1, \"é\"],\"ts\":1000,\"id\":\"x\",\"type\":\"click\",\"source\":\"t\"}",
                "{\"more\": \"x\", \"ts\":null,\"id\":\"x\",\"type\":\"click\",\"source\":\"t\"}",
            ],
        ),
        (
            "application/vnd.apache.arrow.stream",
            arrow(&[(1, Some(100_000)), (2, Some(1000)), (3, None)]),
            ["{\"more\":\"x\",\"ts\":1000}", "{\"more\":\"x\",\"ts\":null}"],
        ),
    ];
    for (kind, body, expected) in forms {
        let server = pushed();
        let (status, _, answer) = post(&server, EVENTS, &format!("content-type: {kind}\r\n"), &body);
        assert_eq!((status, &answer["accepted"], &answer["rejected"]), (202, &json!(1), &json!(2)), "{kind}: {answer}");
        assert_eq!(contents(&server), expected, "{kind}");
        // What comes behind is counted on, and found in its own body.
        let (_, _, answer) = post(&server, EVENTS, "content-type: application/json\r\n", b" {\"ts\": 7, \"last\": 1} ");
        assert_eq!(answer["rejected"], 1, "{kind}: {answer}");
        assert_eq!(contents(&server)[2], "{\"ts\": 7, \"last\": 1}", "{kind}");
    }
}

#[test]
fn a_dead_letter_of_a_line_shows_the_line() {
    let options =
        "'connector' = 'http', 'format' = 'regex', 'regex.pattern' = '^(?<page>\\S+) (?<ms>\\d+) (?<ts>\\d*)'";
    let server = served(options, Config::default());
    let body = b"a 1 100000 and more\nb 2 1000 \xe9\xe9\r\nc 3 none";
    let (status, _, answer) = post(&server, EVENTS, "content-type: text/plain; Charset = latin1 \r\n", body);
    assert_eq!((status, &answer["rejected"]), (202, &json!(2)), "{answer}");
    assert_eq!(contents(&server), ["b 2 1000 éé", "c 3 none"]);
}

#[test]
fn a_dead_letter_of_a_frame_shows_the_event() {
    let server = pushed();
    let mut socket = Socket::open(&server, "/api/v1/sources/clicks/ws");
    socket.text("{\"ts\":100000}");
    socket.text("{\"more\": 1,\n\"ts\":1000}");
    socket.text("[{\"ts\":100000},{\"more\":2,\"ts\":2000}]");
    let mut rejected = Vec::new();
    for _ in 0..3 {
        let answer: Value = socket.read();
        rejected.push(answer["rejected"].as_u64().unwrap());
    }
    assert_eq!(rejected, [0, 1, 1]);
    assert_eq!(contents(&server), ["{\"more\": 1, \"ts\":1000}", "{\"more\":2,\"ts\":2000}"]);
}
