//! HTTP and WebSockets as clients, proxies and scripts speak them: closed halves, requests one behind another, questions before
//! a body, trailers, fragments, and slow ones.

use std::net::Shutdown;

use super::client::Socket;
use super::strangers::{EVENTS, PUSHED, SOCKET};
use super::*;

/// The next answer on a connection: its status, its head in lower case, its body by its length.
pub(super) fn answer(from: &mut BufReader<TcpStream>) -> (u16, String, Vec<u8>) {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert!(from.read_line(&mut head).unwrap() > 0, "it ended after {head:?}");
    }
    let head = head.to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    if !head.starts_with("http/1.1 1") {
        from.read_exact(&mut body).unwrap();
    }
    (head.split(' ').nth(1).unwrap().parse().unwrap(), head, body)
}

impl Process {
    /// Sends all of it on one connection, from which answers can be read.
    fn send(&self, requests: &str) -> BufReader<TcpStream> {
        BufReader::new(self.open(requests))
    }
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n")
}

const ROW: &str = "{\"page\":\"a\",\"ms\":1,\"ts\":1}";

#[test]
fn who_has_closed_its_side_gets_all_of_its_answer() {
    let program = "CREATE TABLE names (page VARCHAR PRIMARY KEY, name VARCHAR);";
    let folder = folder(&format!("{PUSHED}{program}"));
    let process = Process::start(folder.path(), &[]);
    process.push_pages(5_000);
    let mut whole = process.send(&get("/api/v1/views/sums/rows?limit=100000"));
    whole.get_ref().shutdown(Shutdown::Write).unwrap();
    // It takes a while to read it.
    std::thread::sleep(Duration::from_millis(300));
    let (status, _, body) = answer(&mut whole);
    assert!(status == 200 && body.len() > 2_000_000, "{status}, {} bytes", body.len());
    assert_eq!(whole.read(&mut [0]).unwrap(), 0, "and the connection ends");
    // An answer that is waited for: the epoch of a change.
    let body = "{\"page\":\"a\",\"name\":\"x\"}";
    let head = format!(
        "POST /api/v1/tables/names/rows HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let mut changed = process.send(&format!("{head}{body}"));
    changed.get_ref().shutdown(Shutdown::Write).unwrap();
    assert_eq!(answer(&mut changed).0, 200);
    // Half a body is no body.
    let mut half = process.send(&format!("{head}{}", &body[..9]));
    half.get_ref().shutdown(Shutdown::Write).unwrap();
    let (status, _, told) = answer(&mut half);
    let told = String::from_utf8(told).unwrap();
    assert!(status == 400 && told.contains("the body breaks off"), "{status} {told}");

    // A stream goes on, and one whose client is gone does not.
    let clients = || process.json("/api/v1/health")["clients"]["sse"].as_u64().unwrap();
    let mut follows = process.send("GET /api/v1/views/latest/stream?snapshot=false HTTP/1.0\r\n\r\n");
    follows.get_ref().shutdown(Shutdown::Write).unwrap();
    let gone = process.open("GET /api/v1/views/latest/stream?snapshot=false HTTP/1.0\r\n\r\n");
    eventually("both are there", || clients() == 2);
    drop(gone);
    let begun = Instant::now();
    eventually("one is gone", || clients() == 1);
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    process.post(EVENTS, &ROW.replace("\"a\"", "\"told\""));
    let mut line = String::new();
    while !line.contains("told") {
        line.clear();
        assert!(follows.read_line(&mut line).unwrap() > 0, "the stream ended");
    }
}

#[test]
fn requests_come_one_behind_another_and_ask_before_they_send() {
    let folder = folder(PUSHED);
    let process = Process::start(folder.path(), &["--limits", "body=1KiB"]);
    let post = |source: &str, length: usize, more: &str| {
        format!(
            "POST /api/v1/sources/{source}/events HTTP/1.1\r\nhost: localhost\r\ncontent-length: {length}\r\n{more}\r\n"
        )
    };
    let taken = post("clicks", ROW.len(), "") + ROW;
    let head = "HEAD /api/v1/views/sums/rows HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let options = "OPTIONS /api/v1/views/sums/rows HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let mut answers = process.send(&[&taken, &get("/livez"), &taken, options, &get("/none"), head].concat());
    for expected in [202, 200, 202, 405, 404] {
        let (status, head, body) = answer(&mut answers);
        assert_eq!(status, expected, "{head}");
        assert!(status != 405 || head.contains("\r\nallow: get,head\r\n"), "{head}");
        assert!(status != 200 || body == b"ok\n");
    }
    let mut last = String::new();
    while !last.ends_with("\r\n\r\n") {
        assert!(answers.read_line(&mut last).unwrap() > 0);
    }
    assert!(last.starts_with("HTTP/1.1 200") && last.contains("content-length: "), "{last}");
    answers.get_ref().shutdown(Shutdown::Write).unwrap();
    assert_eq!(answers.read(&mut [0]).unwrap(), 0, "HEAD has no body");

    let expect = "expect: 100-continue\r\n";
    let mut asks = process.send(&post("clicks", ROW.len(), expect));
    assert_eq!(answer(&mut asks).0, 100);
    asks.get_ref().write_all(ROW.as_bytes()).unwrap();
    assert_eq!(answer(&mut asks).0, 202);
    // What would be refused need not be sent.
    let packed_twice = "content-encoding: gzip\r\ncontent-encoding: zstd\r\n";
    let mut answers = process.send(&(post("clicks", ROW.len(), packed_twice) + ROW));
    let (status, _, why) = answer(&mut answers);
    assert!(status == 415 && String::from_utf8_lossy(&why).contains("'gzip, zstd'"), "{status}");
    let type_ = format!("{expect}content-type: application/pdf\r\n");
    for (request, status) in [
        (post("none", ROW.len(), expect), 404),
        (post("clicks", 2_000, expect), 413),
        (post("clicks", ROW.len(), &type_), 415),
    ] {
        assert_eq!(answer(&mut process.send(&request)).0, status, "{request}");
    }
    // Chunks with extensions and trailers, and what comes behind them.
    let chunked =
        post("clicks", 0, "transfer-encoding: chunked\r\ntrailer: x-sum\r\n").replace("content-length: 0\r\n", "");
    let (half, rest) = ROW.split_at(10);
    let mut answers =
        process.send(&format!("{chunked}a;x=y\r\n{half}\r\n{:x}\r\n{rest}\r\n0\r\nx-sum: 1\r\n\r\n", rest.len()));
    assert_eq!(answer(&mut answers).0, 202);
    answers.get_ref().write_all(get("/livez").as_bytes()).unwrap();
    assert_eq!(answer(&mut answers).0, 200);
    let total = || process.json("/api/v1/views/sums/rows")["rows"][0]["n"].as_u64();
    eventually("four were taken", || total() == Some(4));

    // What is not HTTP/1 is let go, and counted.
    let heads = process.refused("head");
    for other in ["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "\x16\x03\x01\x02\r\n\r\n", "GET /livez\r\n\r\n"] {
        let mut answer = Vec::new();
        let _ = process.open(other).read_to_end(&mut answer);
        assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 400"), "{}", String::from_utf8_lossy(&answer));
    }
    assert_eq!(process.refused("head"), heads + 3);
}

#[test]
fn heads_without_end_and_heads_that_do_not_come_are_cut_off() {
    let folder = folder(PUSHED);
    let process = Process::start(folder.path(), &["--limits", "head-time=1s,head=8KiB"]);
    let before = process.resident_mib();
    for line in ["x: ", "GET /"] {
        let mut endless = process.open(if line == "x: " { "GET /livez HTTP/1.1\r\nx: " } else { line });
        endless.set_write_timeout(Some(PATIENCE)).unwrap();
        let part = [b'a'; 65_536];
        let cut = (0..1_000).any(|_| endless.write_all(&part).is_err());
        assert!(cut, "64 MB of a head were taken");
    }
    assert!(process.resident_mib() < before + 16.0);
    eventually("both are counted", || process.refused("head") >= 2);
    let (mut slow, begun) = (process.open("GET /livez HTTP/1.1\r\nx: "), Instant::now());
    while slow.write_all(b"a").is_ok() && begun.elapsed() < Duration::from_secs(20) {
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(begun.elapsed() < Duration::from_secs(10), "a byte now and then keeps a head open");
    eventually("it is counted", || process.refused("slow_head") >= 1);
    // Half a head behind a whole request is one too, and nothing behind it is none.
    let before = process.refused("slow_head");
    let mut asked = ["", "GET /li"].map(|_| process.open("GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n"));
    let mut answer = [0; 512];
    asked.iter_mut().for_each(|stream| assert!(stream.read(&mut answer).unwrap() > 0));
    asked[1].write_all(b"GET /li").unwrap();
    asked.iter_mut().for_each(|stream| assert_eq!(stream.read(&mut answer).unwrap(), 0, "it is cut off"));
    eventually("one of them is counted", || process.refused("slow_head") == before + 1);
    let hosts = process.refused("host");
    assert_eq!(process.ask("GET", "/livez", "host: evil.example\r\n", "").0, 421);
    assert_eq!(process.refused("host"), hosts + 1);
}

/// Bytes of a connection, so many a second.
fn slowly(mut from: impl Read, per_second: usize) -> usize {
    let (mut block, mut read) = (vec![0; per_second / 50], 0);
    loop {
        match from.read(&mut block).unwrap() {
            0 => return read,
            more => read += more,
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// What takes much longer than `idle` to read goes on as long as it is read.
#[test]
fn who_reads_slowly_is_not_taken_for_gone() {
    let folder = folder(PUSHED);
    let process = Process::start(folder.path(), &["--limits", "idle=2s,rate=64KiB"]);
    process.push_pages(20_000);
    let (address, rows) = (process.address, process.open("GET /api/v1/views/sums/rows?limit=100000 HTTP/1.0\r\n\r\n"));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            assert!(slowly(rows, 1 << 20) > 8_000_000);
        });
        scope.spawn(|| {
            let mut socket = Socket::open_at(address, "/api/v1/views/sums/ws", "").unwrap();
            let (mut told, mut messages, mut pings) = (0, 0, 0);
            while messages < 2 {
                let (head, payload) = socket.part().unwrap_or_else(|| panic!("it ended after {told} bytes"));
                match head & 0x0f {
                    9 => {
                        pings += 1;
                        socket.send(10, &payload);
                    }
                    8 => panic!("closed after {told} bytes: {}", String::from_utf8_lossy(&payload)),
                    _ => messages += usize::from(head & 0x80 != 0),
                }
                told += payload.len();
                std::thread::sleep(Duration::from_secs_f64(payload.len() as f64 / f64::from(1 << 20)));
            }
            assert!(told > 8_000_000 && pings > 20, "{told} bytes, {pings} pings");
            // Once it gives no sign any more it is let go.
            let begun = Instant::now();
            let code = loop {
                match socket.frame() {
                    Some((8, reason)) => break u16::from_be_bytes([reason[0], reason[1]]),
                    Some(_) => {}
                    None => panic!("no Close"),
                }
            };
            assert!(code == 1001 && begun.elapsed() < Duration::from_secs(8), "{code} after {:?}", begun.elapsed());
        });
    });
}

#[test]
fn messages_come_in_fragments_with_pings_between_them() {
    let folder = folder(PUSHED);
    let process = Process::start(folder.path(), &[]);
    let offer =
        "sec-websocket-extensions: permessage-deflate; client_max_window_bits\r\nsec-websocket-protocol: a, b\r\n";
    // What is offered and not taken up is not in the answer.
    let upgrade = SOCKET.replace("views/sums", "sources/clicks").replace("\r\n\r\n", &format!("\r\n{offer}\r\n"));
    let (status, head, _) = answer(&mut process.send(&upgrade));
    assert!(status == 101 && !head.contains("extensions") && !head.contains("protocol:"), "{head}");
    for (wrong, hint) in [("key: short", "no key"), ("key: c2hvcnQ=", "no key"), ("version: 8", "is not 13")] {
        let (name, _) = wrong.split_once(' ').unwrap();
        let lines = SOCKET
            .split("\r\n")
            .map(|line| if line.contains(name) { format!("sec-websocket-{wrong}") } else { line.to_owned() });
        let (status, head, body) = answer(&mut process.send(&lines.collect::<Vec<_>>().join("\r\n")));
        assert!(status == 400 && String::from_utf8_lossy(&body).contains(hint), "{wrong}: {status} {head}");
        assert_eq!(head.contains("sec-websocket-version: 13"), name == "version:", "{head}");
    }
    let mut socket = Socket::open_at(process.address, "/ws/ingest", offer).unwrap();
    let fragment = |first: u8, payload: &[u8]| {
        let mut frame = Socket::framed(0, payload);
        frame[0] = first;
        frame
    };
    let row = ROW.as_bytes();
    let ping = Socket::framed(9, &[b'p'; 125]);
    let parts = [
        fragment(0x01, &row[..7]),
        ping.clone(),
        fragment(0, &row[7..8]),
        fragment(0, &[]),
        ping,
        fragment(0x80, &row[8..]),
    ];
    for byte in parts.concat().chunks(11) {
        socket.0.write_all(byte).unwrap();
    }
    let (mut pongs, mut acknowledged) = (0, 0);
    while pongs + acknowledged < 3 {
        match socket.frame().unwrap() {
            (10, payload) => pongs += usize::from(payload == [b'p'; 125]),
            (1, text) => acknowledged += usize::from(text.starts_with(b"{\"type\":\"ack\",\"seq\":1,\"accepted\":1")),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((pongs, acknowledged), (2, 1));
    // A ping that is too long, or in fragments, or a compressed message that was not agreed on, is no WebSocket's.
    for wrong in [Socket::framed(9, &[b'p'; 126]), fragment(0x09, b"p"), fragment(0xc1, row), fragment(0x80, row)] {
        let mut socket = Socket::open_at(process.address, "/ws/ingest", "").unwrap();
        socket.0.write_all(&wrong).unwrap();
        let (code, reason) = socket.frame().unwrap();
        assert!(
            code == 8 && reason.starts_with(&1002_u16.to_be_bytes()),
            "{code} {}",
            String::from_utf8_lossy(&reason)
        );
    }
    assert_eq!(process.ask("GET", "/livez", "", "").0, 200);
}

/// What proxies, scanners and clients of one's own make send: none of it ends a connection without a word, or is taken for something else.
#[test]
fn the_edges_of_http_are_answered_as_its_standard_has_them() {
    let folder = folder(PUSHED);
    let process = Process::start(folder.path(), &["-w", "1"]);
    let length = ROW.len();
    let chunked =
        format!("transfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n{length:x};a=b\r\n{ROW}\r\n0\r\nx-sum: 1\r\n\r\n");
    let post = |rest: &str| format!("POST {EVENTS} HTTP/1.1\r\nhost: localhost\r\n{rest}");
    for (request, status) in [
        (post(&chunked), 202),
        (post("transfer-encoding: chunked\r\n\r\nzz\r\n"), 400),
        (post("transfer-encoding: chunked\r\n\r\n0\r\n\r\n"), 400),
        // Chunks say how long it is, and nothing that follows is taken for a request.
        (post(&format!("content-length: 3\r\n{chunked}")), 202),
        (post("content-length: 3\r\ncontent-length: 5\r\n\r\nabc"), 400),
        (post("content-length: -1\r\n\r\n"), 400),
        ("GET http://localhost/livez HTTP/1.1\r\nhost: localhost\r\n\r\n".to_owned(), 200),
        ("GET http://evil.example/livez HTTP/1.1\r\nhost: localhost\r\n\r\n".to_owned(), 421),
        ("GET http://localhost/livez HTTP/1.1\r\nhost: evil.example\r\n\r\n".to_owned(), 421),
        ("GET /livez HTTP/1.1\r\nhost: localhost\r\nhost: evil.example\r\n\r\n".to_owned(), 421),
        ("GET /livez HTTP/1.1\r\nhost : localhost\r\n\r\n".to_owned(), 400),
        ("GET /livez HTTP/1.1\r\nhost: localhost\r\nx: a\r\n b\r\n\r\n".to_owned(), 400),
        ("GET /livez HTTP/1.1\r\nhost: localhost\r\nx: a\0b\r\n\r\n".to_owned(), 400),
        ("GET /livez HTTP/1.1\r\nhost: localhost\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\n".to_owned(), 200),
        ("GET /assets/../../etc/passwd HTTP/1.1\r\nhost: localhost\r\n\r\n".to_owned(), 404),
        ("GET /livez HTTP/3.0\r\n\r\n".to_owned(), 400),
        ("TRACE /livez HTTP/1.1\r\nhost: localhost\r\n\r\n".to_owned(), 405),
        (format!("OPTIONS {EVENTS} HTTP/1.1\r\nhost: localhost\r\n\r\n"), 405),
        ("GET / HTTP/1.1\r\nhost: localhost\r\nrange: bytes=0-9\r\n\r\n".to_owned(), 200),
        ("GET / HTTP/1.1\r\nhost: localhost\r\nif-none-match: *\r\n\r\n".to_owned(), 304),
        ("\u{16}\u{3}\u{1}\u{2}\0\u{1}hello".to_owned(), 400),
    ] {
        let (found, head, body) = answer(&mut process.send(&request));
        assert_eq!(found, status, "{request:?}: {head}{}", String::from_utf8_lossy(&body));
        let told = String::from_utf8_lossy(&body).to_lowercase();
        assert!(!told.contains("failed to buffer"), "{request:?}: {told}");
    }
    // An answer to HEAD has the head of the other, and no body.
    for path in ["/livez", "/metrics", "/", "/api/v1/views", "/api/v1/views/sums/rows", "/nope"] {
        let mut asked = process.send(&format!("HEAD {path} HTTP/1.1\r\nhost: localhost\r\n\r\n{}", get("/livez")));
        let mut line = String::new();
        while line != "\r\n" {
            line.clear();
            asked.read_line(&mut line).unwrap();
        }
        let (status, _, body) = answer(&mut asked);
        assert_eq!((status, body.as_slice()), (200, &b"ok\n"[..]), "{path}");
    }
    eventually("what was taken is shown", || process.json("/api/v1/views/sums/rows")["rows"][0]["n"] == 2);
}
