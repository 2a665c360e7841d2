//! A server with an engine behind it, and the clients that read it: plain requests, and streams of events.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use eventsource_stream::{EventStream, Eventsource};
use futures_util::stream::Iter;
use futures_util::{FutureExt, StreamExt};
use highwater::engine::Engine;
use highwater::serve::{Access, serve};
use highwater::time::Epoch;
use serde_json::Value;

/// A served engine; dropping it stops the server and waits for its end.
pub struct Server {
    pub address: SocketAddr,
    pub engine: Arc<Engine>,
    pub stop: Option<tokio::sync::oneshot::Sender<()>>,
    pub thread: Option<std::thread::JoinHandle<()>>,
}

impl Server {
    pub fn start(engine: Engine) -> Server {
        Server::start_with(engine, Access::default())
    }

    pub fn start_with(engine: Engine, access: Access) -> Server {
        let engine = Arc::new(engine);
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let (tell, told) = std::sync::mpsc::channel();
        let served = engine.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
                tell.send(listener.local_addr().unwrap()).unwrap();
                serve(listener, served, access, async { drop(stopped.await) }).await.unwrap();
            });
        });
        Server { address: told.recv().unwrap(), engine, stop: Some(stop), thread: Some(thread) }
    }

    pub fn request(&self, head: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        stream.write_all(format!("{head}\r\n\r\n").as_bytes()).unwrap();
        stream
    }

    /// Status, media type, body.
    pub fn call(&self, method: &str, path: &str) -> (u16, String, String) {
        let mut answer = String::new();
        self.request(&format!("{method} {path} HTTP/1.0")).read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let kind = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-type: ").map(str::to_owned));
        (status, kind.unwrap_or_default(), body.to_owned())
    }

    /// The whole answer to a head: status, head in lower case, body.
    pub fn answer(&self, head: &str) -> (u16, String, String) {
        let mut answer = Vec::new();
        self.request(head).read_to_end(&mut answer).unwrap();
        let answer = String::from_utf8_lossy(&answer);
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let status = head.split(' ').nth(1).unwrap_or("0").parse().unwrap();
        (status, head.to_lowercase(), body.to_owned())
    }

    pub fn json(&self, path: &str) -> Value {
        let (status, kind, body) = self.call("GET", path);
        assert_eq!((status, kind.as_str()), (200, "application/json"), "{path}: {body}");
        serde_json::from_str(&body).unwrap()
    }

    /// A stream of events: over a WebSocket if the path is one's, else server-sent.
    pub fn stream(&self, path: &str, last_id: &str) -> Stream {
        if path.contains("/ws") {
            let and = if path.contains('?') { '&' } else { '?' };
            let after = if last_id.is_empty() { String::new() } else { format!("{and}last_event_id={last_id}") };
            return Stream::Frames(Socket::open(self, &format!("{path}{after}")));
        }
        Stream::of(self.lines(path, last_id))
    }

    /// What comes of a stream of server-sent events, as it is.
    pub fn lines(&self, path: &str, last_id: &str) -> BufReader<TcpStream> {
        let id = if last_id.is_empty() { String::new() } else { format!("\r\nLast-Event-ID: {last_id}") };
        let mut reader = BufReader::new(self.request(&format!("GET {path} HTTP/1.0{id}")));
        let lines = reader.by_ref().lines().map(Result::unwrap);
        let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
        assert!(head[0].contains(" 200 "), "{head:?}");
        assert!(head.iter().any(|line| line.to_lowercase() == "content-type: text/event-stream"), "{head:?}");
        reader
    }

    pub fn finish(&self) {
        self.engine.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        let ended = self.thread.take().unwrap().join();
        assert!(ended.is_ok() || std::thread::panicking());
    }
}

#[derive(Debug)]
pub struct Event {
    pub name: String,
    pub id: String,
    pub data: Value,
}

impl Event {
    /// Everything is told: nothing will come any more.
    pub fn ends(&self) -> bool {
        self.name == "progress" && self.data["as_of"]["epoch"] == Epoch::END.to_string()
    }
}

/// A reader of events; server-sent ones are read by a client of others' making.
pub enum Stream {
    Events(Box<EventStream<Iter<Chunks>>>),
    Frames(Socket),
}

/// The bytes of a connection as they come.
pub struct Chunks(BufReader<TcpStream>);

impl Iterator for Chunks {
    type Item = std::io::Result<Vec<u8>>;

    fn next(&mut self) -> Option<Self::Item> {
        let chunk = self.0.fill_buf().map(<[u8]>::to_vec);
        let length = chunk.as_ref().map_or(0, Vec::len);
        self.0.consume(length);
        (length > 0 || chunk.is_err()).then_some(chunk)
    }
}

impl Stream {
    /// Of server-sent events whose head is read.
    pub fn of(reader: BufReader<TcpStream>) -> Stream {
        Stream::Events(Box::new(futures_util::stream::iter(Chunks(reader)).eventsource()))
    }

    pub fn next(&mut self) -> Option<Event> {
        match self {
            // Bytes are waited for within.
            Stream::Events(events) => {
                let event = events.next().now_or_never().expect("an iterator is always ready")?.unwrap();
                assert!(!event.id.is_empty(), "{} has no id", event.event);
                Some(Event { name: event.event, id: event.id, data: serde_json::from_str(&event.data).unwrap() })
            }
            Stream::Frames(socket) => loop {
                let (code, frame) = socket.frame()?;
                let frame = match code {
                    1 => serde_json::from_slice::<Value>(&frame).unwrap(),
                    8 => return None,
                    9 => {
                        socket.send(10, &frame);
                        continue;
                    }
                    other => panic!("a frame of code {other}"),
                };
                if frame["type"] == "hb" {
                    continue;
                }
                let text = |name: &str| frame[name].as_str().unwrap().to_owned();
                assert!(!text("id").is_empty(), "{frame}");
                return Some(Event { name: text("type"), id: text("id"), data: frame["data"].clone() });
            },
        }
    }
}

/// A WebSocket client of a few lines.
pub struct Socket(pub TcpStream);

impl Socket {
    pub fn open(server: &Server, path: &str) -> Socket {
        Socket::open_at(server.address, path, "").unwrap()
    }

    /// With further headers, each with its end; or the refusal.
    pub fn open_at(address: SocketAddr, path: &str, headers: &str) -> Result<Socket, String> {
        let mut stream = TcpStream::connect(address).map_err(|error| error.to_string())?;
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let head = format!(
            "GET {path} HTTP/1.1\r\nhost: localhost\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-version: 13\r\n\
             sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n"
        );
        stream.write_all(head.as_bytes()).map_err(|error| error.to_string())?;
        let mut answer = Vec::new();
        let mut byte = [0];
        while !answer.ends_with(b"\r\n\r\n") && stream.read_exact(&mut byte).is_ok() {
            answer.push(byte[0]);
        }
        match answer.starts_with(b"HTTP/1.1 101") {
            true => Ok(Socket(stream)),
            false => Err(String::from_utf8_lossy(&answer).into_owned()),
        }
    }

    pub fn send(&mut self, code: u8, payload: &[u8]) {
        self.0.write_all(&Socket::framed(code, payload)).unwrap();
    }

    /// A frame as clients send it.
    pub fn framed(code: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![0x80 | code];
        match payload.len() {
            short @ 0..126 => frame.push(0x80 | short as u8),
            long @ 126..65_536 => {
                frame.push(0x80 | 126);
                frame.extend_from_slice(&(long as u16).to_be_bytes());
            }
            long => {
                frame.push(0x80 | 127);
                frame.extend_from_slice(&(long as u64).to_be_bytes());
            }
        }
        let mask = [1, 2, 3, 4];
        frame.extend_from_slice(&mask);
        frame.extend(payload.iter().enumerate().map(|(at, byte)| byte ^ mask[at % 4]));
        frame
    }

    pub fn text(&mut self, text: &str) {
        self.send(1, text.as_bytes());
    }

    /// The next message, its code and payload, whatever frames it comes in; `None` if the connection has ended.
    pub fn frame(&mut self) -> Option<(u8, Vec<u8>)> {
        let (mut code, mut whole) = (0, Vec::new());
        loop {
            let (head, part) = self.part()?;
            // Between the frames of a message there may be pings.
            if head & 0x08 != 0 && !whole.is_empty() {
                self.send(10, &part);
                continue;
            }
            code = if head & 0x0f == 0 { code } else { head & 0x0f };
            whole.extend(part);
            if head & 0x80 != 0 {
                return Some((code, whole));
            }
        }
    }

    /// The next frame: the first byte of its head, and its payload.
    pub fn part(&mut self) -> Option<(u8, Vec<u8>)> {
        let mut head = [0; 2];
        self.0.read_exact(&mut head).ok()?;
        let mut long = [0; 8];
        let length = match head[1] {
            short @ 0..126 => usize::from(short),
            126 => {
                self.0.read_exact(&mut long[6..]).ok()?;
                u64::from_be_bytes(long) as usize
            }
            _ => {
                self.0.read_exact(&mut long).ok()?;
                u64::from_be_bytes(long) as usize
            }
        };
        let mut payload = vec![0; length];
        self.0.read_exact(&mut payload).ok()?;
        Some((head[0], payload))
    }

    pub fn read(&mut self) -> Value {
        serde_json::from_slice(&self.frame().unwrap().1).unwrap()
    }
}

/// What a reader holds of each view: row, standing, version, and how often.
pub type Held = BTreeMap<String, BTreeMap<(String, String, u64), i64>>;

/// Takes an event as a client does.
pub fn take(held: &mut Held, event: &Event) {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    match event.name.as_str() {
        "snapshot" => {
            let view = held.entry(text(&event.data["view"])).or_default();
            view.clear();
            for row in event.data["rows"].as_array().unwrap() {
                *view.entry(split(row)).or_insert(0) += 1;
            }
        }
        "delta" => {
            let view = held.entry(text(&event.data["view"])).or_default();
            assert!(!event.data["changes"].as_array().unwrap().is_empty());
            for change in event.data["changes"].as_array().unwrap() {
                let entry = (change["row"].to_string(), text(&change["status"]), change["version"].as_u64().unwrap());
                let diff = if change["op"] == "insert" { 1 } else { -1 };
                let count = view.entry(entry.clone()).or_insert(0);
                *count += diff;
                assert!(*count >= 0, "taken back, but never told: {entry:?}");
                if *count == 0 {
                    view.remove(&entry);
                }
            }
        }
        "reset" => held.clear(),
        other => assert_eq!(other, "progress"),
    }
    if event.name != "reset" {
        assert!(event.data["as_of"]["epoch"].is_string());
    }
}

/// A row of an answer as a client keeps it.
pub fn split(row: &Value) -> (String, String, u64) {
    let mut row = row.as_object().unwrap().clone();
    let status = row.remove("_status").unwrap().as_str().unwrap().to_owned();
    let version = row.remove("_version").unwrap().as_u64().unwrap();
    (Value::from(row).to_string(), status, version)
}

/// What the rows of a view say.
pub fn rows_of(server: &Server, view: &str) -> BTreeMap<(String, String, u64), i64> {
    let mut held = BTreeMap::new();
    for row in server.json(&format!("/api/v1/views/{view}/rows?limit=100000"))["rows"].as_array().unwrap() {
        *held.entry(split(row)).or_insert(0) += 1;
    }
    held
}
