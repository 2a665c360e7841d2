//! Input that is wrong, cut short, lying or endless: each gets a clear answer, and what comes beside and after it is taken.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use super::*;
use crate::client::Socket;
use highwater::serve::Access;

const GOOD: &str = "{\"page\":\"good\",\"ms\":1,\"ts\":1000}";

/// How many good rows there are.
fn good(server: &Server) -> i64 {
    let rows = server.json("/api/v1/views/sums/rows?page=good");
    rows["rows"].as_array().unwrap().iter().map(|row| row["n"].as_i64().unwrap()).sum()
}

#[test]
fn a_wrong_row_is_told_and_leaves_its_neighbours() {
    let server = pushed();
    let deep = |depth: usize| format!("{{\"page\":\"x\",\"ts\":1,\"x\":{}1{}}}", "[".repeat(depth), "]".repeat(depth));
    let long = format!("{{\"page\":\"{}\",\"ts\":1}}", "x".repeat(2 << 20));
    let deep = deep(100);
    let wrong: [&[u8]; 16] = [
        b"{\"page\":\"x\",\"ts\":1",
        b"{\"page\":\"x\",\"ts\":1}}",
        b"{\"page\":\"\xff\",\"ts\":1}",
        b"{\"page\":\"\xed\xa0\x80\",\"ts\":1}",
        b"{\"page\":\"\\ud800\",\"ts\":1}",
        b"{\"page\":\"x\",\"ms\":NaN,\"ts\":1}",
        b"{\"page\":\"x\",\"ms\":9223372036854775808,\"ts\":1}",
        b"{\"page\":\"x\",\"ms\":1e999,\"ts\":1}",
        b"{\"page\":\"x\",\"ms\":1,\"ts\":1e30}",
        b"{\"page\":\"x\",\"ms\":1,\"ts\":\"2026-13-01\"}",
        b"{\"page\":\"x\",\"ms\":0x10,\"ts\":1}",
        b"[1]",
        b"\0\0\0",
        b"null",
        deep.as_bytes(),
        long.as_bytes(),
    ];
    let mut expected = 0;
    for wrong in wrong {
        let shown = String::from_utf8_lossy(&wrong[..wrong.len().min(80)]).into_owned();
        let body = [GOOD.as_bytes(), wrong, GOOD.as_bytes()].join(&b'\n');
        let answer = taken(&server, "application/x-ndjson", &body);
        assert_eq!((&answer["accepted"], &answer["rejected"]), (&json!(2), &json!(1)), "{shown}: {answer}");
        assert_eq!(answer["errors"][0]["row"], 1, "{shown}: {answer}");
        assert!(answer["errors"][0]["reason"].as_str().unwrap().len() > 12, "{shown}: {answer}");
        complete(&server, &answer);
        expected += 2;
        // Over a socket it is one frame of three.
        if wrong.len() < 65_536 && std::str::from_utf8(wrong).is_ok() {
            let mut socket = Socket::open(&server, "/ws/ingest");
            socket.text(GOOD);
            socket.send(1, wrong);
            socket.text(GOOD);
            expected += 2;
            let kinds: Vec<Value> = (0..3).map(|_| socket.read()).collect();
            assert_eq!((&kinds[0]["accepted"], &kinds[2]["accepted"]), (&json!(1), &json!(1)), "{shown}: {kinds:?}");
            assert!(kinds[1]["type"] == "error" || kinds[1]["rejected"] == 1, "{shown}: {kinds:?}");
        }
    }
    let since = Instant::now();
    while good(&server) != expected {
        assert!(since.elapsed() < Duration::from_secs(20), "{} good rows, not {expected}", good(&server));
        std::thread::sleep(Duration::from_millis(5));
    }
    // Of a key that is repeated the last value counts; numbers that fit are taken however they are written.
    let body = "{\"page\":\"twice\",\"page\":\"last\",\"ms\":1,\"ms\":1e2,\"ts\":1.0}";
    complete(&server, &taken(&server, "application/json", body.as_bytes()));
    assert!(sums(&server).contains(&"last:1:100".to_owned()), "{:?}", sums(&server));
}

#[test]
fn a_body_that_lies_or_breaks_off_is_refused_whole() {
    let server = pushed();
    let gzip = |bytes: &[u8]| {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        gzip.write_all(bytes).unwrap();
        gzip.finish().unwrap()
    };
    let packed = gzip(GOOD.repeat(1000).as_bytes());
    let stream = arrow();
    // The second message says that its body has 2^62 bytes, and then that it is of negative length.
    let lying = |length: i64| {
        let mut lying = stream.clone();
        let known = (lying.windows(8)).rposition(|word| {
            let length = i64::from_le_bytes(word.try_into().unwrap());
            (64..=4096).contains(&length) && length % 64 == 0 && length > 64
        });
        lying[known.unwrap()..][..8].copy_from_slice(&length.to_le_bytes());
        lying
    };
    let none: Vec<u8> = {
        // A column of nothing that says it has 2^40 rows.
        use std::sync::Arc;
        let rows: arrow_array::ArrayRef = Arc::new(arrow_array::NullArray::new(1 << 40));
        let times: arrow_array::ArrayRef = Arc::new(arrow_array::NullArray::new(1 << 40));
        let nulls: arrow_array::ArrayRef = Arc::new(arrow_array::NullArray::new(1 << 40));
        let batch = arrow_array::RecordBatch::try_from_iter([("ms", rows), ("ts", times), ("page", nulls)]).unwrap();
        let mut writer = arrow_ipc::writer::StreamWriter::try_new(Vec::new(), &batch.schema()).unwrap();
        writer.write(&batch).unwrap();
        writer.finish().unwrap();
        writer.into_inner().unwrap()
    };
    let arrow_type = "content-type: application/vnd.apache.arrow.stream\r\n";
    let zstd = zstd::stream::encode_all(&vec![b' '; 64 << 20][..], 3).unwrap();
    // A frame header that asks for a window of 3.75 TB.
    let window = b"\x28\xb5\x2f\xfd\x00\xff\x01\x00\x00".to_vec();
    for (headers, body, status) in [
        ("content-encoding: gzip\r\n", packed[..packed.len() / 2].to_vec(), 400),
        ("content-encoding: gzip\r\n", packed[..packed.len() - 4].to_vec(), 400),
        ("content-encoding: gzip\r\n", gzip(&gzip(&vec![b' '; 64 << 20])), 400),
        ("content-encoding: gzip\r\n", gzip(&vec![b' '; 64 << 20]), 413),
        ("content-encoding: zstd\r\n", zstd, 413),
        ("content-encoding: zstd\r\n", window, 400),
        ("content-encoding: zstd\r\n", b"\x28\xb5\x2f\xfd".to_vec(), 400),
        (arrow_type, stream[..stream.len() / 2].to_vec(), 400),
        (arrow_type, lying(1 << 62), 400),
        (arrow_type, lying(i64::MIN), 400),
        (arrow_type, lying(-1), 400),
        (arrow_type, none, 202),
        (arrow_type, b"\xff\xff\xff\xff\xff\xff\xff\x7f".to_vec(), 400),
        ("content-type: application/json\r\n", b"[".repeat(1 << 20), 400),
        ("content-type: application/cloudevents+json\r\n", b"[".repeat(1 << 20), 400),
        ("content-type: application/msgpack\r\n", b"\x81\xa1a".repeat(1 << 18), 400),
        ("content-type: application/msgpack\r\n", b"\xdf\xff\xff\xff\xff".to_vec(), 400),
        ("content-type: text/csv\r\n", b"page,page\n1,2\n".to_vec(), 400),
        ("content-type: text/csv\r\n", b"\"page".to_vec(), 400),
    ] {
        let shown = format!("{headers} {} bytes", body.len());
        let begun = Instant::now();
        let (found, _, answer) = post(&server, EVENTS, headers, &body);
        assert!(begun.elapsed() < Duration::from_secs(20), "{shown}: {:?}", begun.elapsed());
        // What cannot be told apart in the whole is told row by row; nothing of it is taken.
        let whole = found == 422 && answer["accepted"] == 0 && answer["rejected"].as_u64().unwrap() > 0;
        assert!(found == status || whole, "{shown}: {found} {answer}");
        assert!(matches!(found, 202 | 422) || answer["detail"].as_str().unwrap().len() > 12, "{shown}: {answer}");
    }
    complete(&server, &taken(&server, "application/json", GOOD.as_bytes()));
    assert_eq!(good(&server), 1);
}

#[test]
fn frames_that_lie_or_break_off_end_their_own_connection() {
    let dataflow = "'connector' = 'http'";
    let limits = Access { limits: "frame=2KiB".parse().unwrap(), ..Access::default() };
    let server = served_with(dataflow, Config::default(), limits);
    let mut neighbour = Socket::open(&server, "/ws/ingest");
    let wrong: [(&str, Vec<u8>); 6] = [
        ("longer than the limit", Socket::framed(1, &[b' '; 4096])),
        ("2^62 bytes it says", [&[0x81, 0xff][..], &(1_u64 << 62).to_be_bytes(), &[1, 2, 3, 4], b"{}"].concat()),
        ("not masked", b"\x81\x02{}".to_vec()),
        ("a reserved code", Socket::framed(3, b"{}")),
        ("text that is no UTF-8", Socket::framed(1, b"{\"page\":\"\xff\"}")),
        ("a control frame too long", Socket::framed(9, &[0; 200])),
    ];
    for (seq, (what, bytes)) in (1..).zip(wrong) {
        let mut socket = Socket::open(&server, "/ws/ingest");
        socket.text(GOOD);
        assert_eq!(socket.read()["accepted"], 1);
        socket.0.write_all(&bytes).unwrap();
        let mut code = None;
        while let Some((kind, payload)) = socket.frame() {
            assert_eq!(kind, 8, "{what}: {}", String::from_utf8_lossy(&payload));
            code = payload.first_chunk::<2>().map(|code| u16::from_be_bytes(*code));
        }
        assert!(code.is_none_or(|code| (1001..=1011).contains(&code)), "{what}: {code:?}");
        neighbour.text(GOOD);
        assert_eq!((&neighbour.read()["seq"]), &json!(seq), "{what}");
    }
    // W11: who vanishes in the middle of a frame is forgotten, and what it sent before counts.
    let mut gone = Socket::open(&server, "/ws/ingest");
    gone.text("{\"page\":\"good\",\"ms\":1,\"ts\":2000}");
    assert_eq!(gone.read()["accepted"], 1);
    gone.0.write_all(&Socket::framed(1, GOOD.as_bytes())[..20]).unwrap();
    gone.0.shutdown(Shutdown::Both).unwrap();
    neighbour.text("{\"page\":\"good\",\"ms\":1,\"ts\":90000}");
    assert_eq!(neighbour.read()["accepted"], 1);
    let since = Instant::now();
    let closed = || server.json("/api/v1/views/sums/rows?_status=final").to_string();
    let final_rows = || {
        let rows = server.json("/api/v1/views/sums/rows");
        rows["rows"].as_array().unwrap().iter().filter(|row| row["_status"] == "final").count()
    };
    while final_rows() == 0 {
        assert!(since.elapsed() < Duration::from_secs(20), "the window of who is gone never closes: {}", closed());
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(good(&server), 6 + 6 + 2);
}

#[test]
fn slow_senders_are_cut_off_and_others_served() {
    let limits = Access { limits: "body-time=300ms,head-time=500ms".parse().unwrap(), ..Access::default() };
    let server = served_with("'connector' = 'http'", Config::default(), limits);
    let slow: Vec<TcpStream> = (0..50)
        .map(|at| {
            let mut stream = TcpStream::connect(server.address).unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
            let head = format!("POST {EVENTS} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000\r\n");
            // Half of them stop in the body, half in the head.
            let body = if at % 2 == 0 { "\r\n{\"page\":\"slow\"" } else { "" };
            stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
            stream
        })
        .collect();
    let begun = Instant::now();
    complete(&server, &taken(&server, "application/json", GOOD.as_bytes()));
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    for (at, mut stream) in slow.into_iter().enumerate() {
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        let status = answer.split(' ').nth(1).unwrap_or("none").to_owned();
        assert!(if at % 2 == 0 { status == "408" } else { status == "none" || status == "408" }, "{at}: {answer}");
    }
    assert_eq!(sums(&server), ["good:1:1"]);
}

/// A body that is a whole JSON value with something wrong behind it, or between its events: that is told, not passed over.
#[test]
fn brackets_too_many_are_told() {
    let server = pushed();
    for (body, why) in [
        (format!("{GOOD}}}"), "'}' without its '{'"),
        (format!("{GOOD}]"), "']' without its '['"),
        (format!("[{GOOD}]]"), "']' without its '['"),
        (format!("[{GOOD},]"), "',' with no element behind it"),
        (format!("[{GOOD},,{GOOD}]"), "',' with no element before it"),
    ] {
        let answer = taken(&server, "application/json", body.as_bytes());
        let good = body.matches("good").count();
        assert_eq!((&answer["accepted"], &answer["rejected"]), (&json!(good), &json!(1)), "{body}: {answer}");
        assert!(answer["errors"][0]["reason"].as_str().unwrap().contains(why), "{body}: {answer}");
    }
}

/// A client that is silent is asked for a sign of life, and one that gives none is let go; one that answers stays.
#[test]
fn silent_sockets_are_asked_and_then_closed() {
    let limits = Access { limits: "idle=2s".parse().unwrap(), ..Access::default() };
    let server = served_with("'connector' = 'http'", Config::default(), limits);
    let paths = ["/ws/ingest", "/api/v1/views/sums/ws?snapshot=false"];
    let (sockets, begun) = (paths.map(|path| [(); 2].map(|()| Socket::open(&server, path))), Instant::now());
    let clients = sockets.into_iter().flatten().zip([false, true].into_iter().cycle()).map(|(mut socket, answers)| {
        std::thread::spawn(move || {
            let mut pings = 0;
            while begun.elapsed() < Duration::from_secs(5)
                && let Some((code, payload)) = socket.frame()
            {
                pings += usize::from(code == 9);
                if code == 9 && answers {
                    socket.send(10, &payload);
                }
            }
            (answers, begun.elapsed(), pings, socket)
        })
    });
    for client in clients.collect::<Vec<_>>() {
        let (answers, lived, pings, socket) = client.join().unwrap();
        let open = lived >= Duration::from_secs(5);
        assert!(open == answers && (pings == 1) != answers && lived > Duration::from_millis(1900), "{lived:?} {pings}");
        drop(socket);
    }
}
