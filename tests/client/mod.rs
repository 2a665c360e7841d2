//! A server with an engine behind it, and the clients that read it: plain requests, and streams of events.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

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

    pub fn stream(&self, path: &str, last_id: &str) -> Stream {
        let id = if last_id.is_empty() { String::new() } else { format!("\r\nLast-Event-ID: {last_id}") };
        let mut lines = BufReader::new(self.request(&format!("GET {path} HTTP/1.0{id}"))).lines();
        assert!(lines.next().unwrap().unwrap().contains(" 200 "));
        let head: Vec<String> = lines.by_ref().map(Result::unwrap).take_while(|line| !line.is_empty()).collect();
        assert!(head.iter().any(|line| line.to_lowercase() == "content-type: text/event-stream"), "{head:?}");
        Stream { lines }
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

pub struct Stream {
    pub lines: std::io::Lines<BufReader<TcpStream>>,
}

impl Stream {
    pub fn next(&mut self) -> Option<Event> {
        let (mut name, mut id, mut data) = (String::new(), String::new(), String::new());
        loop {
            let line = self.lines.next()?.unwrap();
            match line.split_once(": ") {
                Some(("event", value)) => name = value.to_owned(),
                Some(("id", value)) => id = value.to_owned(),
                Some(("data", value)) => data += value,
                _ if line.is_empty() && !name.is_empty() => {
                    assert!(!id.is_empty(), "{name} has no id");
                    return Some(Event { name, id, data: serde_json::from_str(&data).unwrap() });
                }
                _ => {}
            }
        }
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
