//! Where rows go: the same rows arrive over every way and in every form that a server takes, a full server loses none, and
//! over a WebSocket nothing is sent while it says that it has no room.

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use highwater::engine::{Config, Engine};
use highwater::sql::{Catalog, plan};
use serde_json::Value;
use tungstenite::{Message, WebSocket};

use crate::client::{Server, rows_of};

const ROWS: u64 = 20_000;

fn generate(args: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_highwater"));
    let args = format!("generate {args} --start 2026-01-01T00:00:00Z");
    command.args(args.split(' ').map(|arg| arg.replace('_', " ")));
    command
}

fn output(args: &str) -> Output {
    let output = generate(args).output().unwrap();
    assert!(output.status.success(), "{args}: {output:?}");
    output
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

const COLUMNS: &str = "user_id VARCHAR, session_id VARCHAR, action VARCHAR, page VARCHAR, duration_ms BIGINT, \
                       ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '1' SECOND";
const VIEW: &str = "CREATE MATERIALIZED VIEW pages AS SELECT page, action, COUNT(*) AS n, SUM(duration_ms) AS ms, \
                    MAX(ts) AS latest, COUNT(DISTINCT session_id) AS sessions FROM events GROUP BY page, action;";

fn engine(options: &str) -> Engine {
    let text = format!("CREATE SOURCE events ({COLUMNS}) WITH ({options}); {VIEW}");
    let dataflow = plan(&[("generate.sql".to_owned(), text)], &Catalog::new()).unwrap();
    Engine::start(dataflow, Config::default()).unwrap()
}

#[test]
fn every_way_and_form_brings_the_same_rows() {
    let folder = tempfile::tempdir().unwrap();
    let mut results = Vec::new();
    for format in ["json", "msgpack"] {
        let path = folder.path().join(format!("rows.{format}"));
        let to = path.display().to_string();
        let said = output(&format!("user --count {ROWS} --fast --seed 3 --format {format} --to {to}"));
        assert!(stderr(&said).contains("20,000 rows in"), "{said:?}");
        let piped = output(&format!("user --count {ROWS} --fast --seed 3 --format {format} --quiet"));
        assert!(piped.stdout == std::fs::read(&path).unwrap() && piped.stderr.is_empty(), "{format} to stdout");
        let server =
            Server::start(engine(&format!("'connector' = 'filesystem', 'path' = '{to}', 'format' = '{format}'")));
        server.finish();
        results.push((format!("a file of {format}"), rows_of(&server, "pages")));
        for scheme in ["http", "ws"] {
            // A small queue: the server is full now and then.
            let server = Server::start(engine("'connector' = 'http', 'format' = 'json', 'queue-rows' = '5000'"));
            let to = format!("--format {format} --to {scheme}://{} --source events", server.address);
            let said = stderr(&output(&format!("user --count {ROWS} --fast --seed 3 {to}")));
            assert!(said.contains("20,000 accepted, 0 rejected"), "{scheme} {format}: {said}");
            shown(&server);
            results.push((format!("{format} over {scheme}"), rows_of(&server, "pages")));
        }
    }
    let rows = |result: &std::collections::BTreeMap<(String, String, u64), i64>| -> Vec<String> {
        result.keys().map(|(row, _, _)| row.clone()).collect()
    };
    assert!(results[0].1.len() > 30);
    for (way, result) in &results {
        assert_eq!(rows(result), rows(&results[0].1), "{way}");
    }
}

/// Waits until the view counts all rows.
fn shown(server: &Server) {
    for _ in 0..500 {
        let rows = server.json("/api/v1/views/pages/rows?limit=1000");
        let seen: u64 = rows["rows"].as_array().unwrap().iter().map(|row| row["n"].as_u64().unwrap()).sum();
        if seen == ROWS {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("the view does not show all rows");
}

#[test]
fn without_a_name_a_websocket_finds_the_only_source_and_refusals_have_reasons() {
    let server = Server::start(engine("'connector' = 'http', 'format' = 'json'"));
    let said = stderr(&output(&format!("user --count 100 --fast --to ws://{}", server.address)));
    assert!(said.contains("100 accepted"), "{said}");
    for (args, code, reason) in [
        (format!("user --count 1 --to ws://{} --source other", server.address), 1, "events"),
        (format!("user --count 1 --to ws://{} --format csv", server.address), 2, "json or msgpack"),
        (format!("user --count 1 --to http://{}", server.address), 2, "--source NAME"),
        ("bid --count 1 --late-rate 0.1".to_owned(), 2, "the rows of Nexmark"),
    ] {
        let output = generate(&args).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{args}: {output:?}");
        assert!(stderr(&output).contains(reason), "{args}: {output:?}");
    }
}

/// A server of our own that takes one connection.
struct Peer {
    socket: WebSocket<TcpStream>,
    child: Child,
    seq: u64,
}

impl Peer {
    fn start(args: &str) -> Peer {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let to = format!("{args} --to ws://{}", listener.local_addr().unwrap());
        let child = generate(&to).stderr(Stdio::piped()).spawn().unwrap();
        let (stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        Peer { socket: tungstenite::accept(stream).unwrap(), child, seq: 0 }
    }

    /// The rows of the next frame; `None` if none comes for so long.
    fn frame(&mut self, patience: Duration) -> Option<Vec<Value>> {
        self.socket.get_mut().set_read_timeout(Some(patience)).unwrap();
        match self.socket.read() {
            Ok(Message::Text(text)) => Some(serde_json::from_str(text.as_str()).unwrap()),
            Ok(_) | Err(_) => None,
        }
    }

    fn say(&mut self, frame: &str) {
        self.socket.send(Message::text(frame)).unwrap();
    }

    fn acknowledge(&mut self, accepted: usize) {
        self.seq += 1;
        self.say(&format!(r#"{{"type":"ack","seq":{},"accepted":{accepted},"rejected":0}}"#, self.seq));
    }

    fn end(self) -> (Option<i32>, String) {
        let Peer { mut socket, child, .. } = self;
        while socket.read().is_ok() {}
        let output = child.wait_with_output().unwrap();
        (output.status.code(), stderr(&output))
    }
}

#[test]
fn nothing_is_sent_while_the_server_has_no_room() {
    const QUIET: Duration = Duration::from_millis(300);
    const LONG: Duration = Duration::from_secs(30);
    let mut peer = Peer::start("sensor --count 40000 --fast");
    let mut rows: Vec<Value> = peer.frame(LONG).unwrap();
    let mut frames = vec![rows.len()];
    peer.say(r#"{"type":"backpressure","retry_after_ms":20}"#);
    // Some frames were on their way; nothing follows until the last of them is acknowledged.
    while let Some(frame) = peer.frame(QUIET) {
        frames.push(frame.len());
        rows.extend(frame);
    }
    assert!(frames.len() <= 8, "{frames:?}");
    let (last, first) = frames.split_last().unwrap();
    first.iter().for_each(|rows| peer.acknowledge(*rows));
    assert!(peer.frame(QUIET).is_none(), "a frame is still under way, and the server was full");
    peer.acknowledge(*last);
    while rows.len() < 40_000 {
        let frame = peer.frame(LONG).unwrap();
        peer.acknowledge(frame.len());
        rows.extend(frame);
    }
    let (code, said) = peer.end();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("40,000 accepted, 0 rejected, the server was full 1 time"), "{said}");
    let lines = output("sensor --count 40000 --fast --quiet").stdout;
    let expected: Vec<Value> =
        String::from_utf8(lines).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(rows == expected, "every row once, in order");
}

#[test]
fn what_a_server_refuses_or_loses_is_told() {
    let mut peer = Peer::start("sensor --count 10 --fast");
    let rows = peer.frame(Duration::from_secs(30)).unwrap().len();
    peer.acknowledge(rows - 1);
    let (code, said) = peer.end();
    assert!(code == Some(1) && said.contains("frame 1 has 10 rows, the server tells of"), "{said}");

    let mut peer = Peer::start("sensor --count 10 --fast");
    peer.frame(Duration::from_secs(30)).unwrap();
    peer.say(r#"{"type":"error","seq":1,"reason":"on purpose"}"#);
    let (code, said) = peer.end();
    assert!(code == Some(1) && said.contains("frame 1: on purpose"), "{said}");

    let mut peer = Peer::start("sensor --count 10 --fast");
    peer.frame(Duration::from_secs(30)).unwrap();
    peer.socket.close(None).unwrap();
    let (code, said) = peer.end();
    assert!(code == Some(1) && said.contains("what was under way or not (10 rows)"), "{said}");
}

#[test]
fn progress_tells_the_rate_and_the_one_wanted() {
    let said = stderr(&output("sensor --rate 2000 --duration 2500ms --to /dev/null"));
    let lines: Vec<&str> = said.lines().collect();
    assert!(lines.len() >= 2 && lines[0].contains(" rows/s of ") && lines[0].contains(" wanted"), "{said}");
    let number = |text: &str| -> f64 { text.replace(',', "").parse().unwrap() };
    let words: Vec<&str> = lines[lines.len() - 1].split(' ').collect();
    // "5,000 rows in 2.5 s, 1,998 rows/s of 2,000 wanted"
    let (rows, rate, wanted) = (number(words[0]), number(words[5]), number(words[8]));
    assert_eq!((rows, wanted), (5_000.0, 2_000.0), "{said}");
    assert!((rate - 2_000.0).abs() < 200.0, "{said}");
}
