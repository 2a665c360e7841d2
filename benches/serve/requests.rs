//! Clients that post bodies over kept-alive connections: one request at a time on each (no pipelining), a thread going round
//! its connections. A request is due at its time whatever the answers before it; where latency is asked for, a thread has one
//! connection, so that it reads an answer when it comes.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::clicks::Message;
use super::pace::{Pace, Took};
use super::server::Server;

/// How hard to push.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    pub threads: usize,
    /// Connections of each thread.
    pub connections: usize,
    /// Rows of a body.
    pub rows: usize,
    /// Rows a second of all together; `None` is as many as are answered.
    pub rate: Option<f64>,
    pub seconds: f64,
    /// Event time that has passed before.
    pub since: Duration,
}

/// What came of it, in rows.
#[derive(Clone, Debug, Default)]
pub struct Sent {
    pub sent: u64,
    pub accepted: u64,
    /// Turned away with 429.
    pub refused: u64,
    /// Seconds from the first byte to the last answer.
    pub seconds: f64,
    /// From when a request was due to its answer.
    pub took: Took,
}

/// Bodies that go round: more than fit into a cache near the core would be as many bytes for the client to fetch.
const BODIES: usize = 4;

/// Pushes.
pub fn push(server: &Server, load: Load) -> Sent {
    let begun = Instant::now();
    let each = load.rate.map(|rate| rate / load.rows as f64 / load.threads as f64);
    let parts: Vec<Sent> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..load.threads)
            .map(|thread| {
                let offset = each.map_or(0.0, |each| thread as f64 / load.threads as f64 / each);
                let pace = Pace::new(begun, each, offset);
                scope.spawn(move || one(server, load, thread, pace))
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let mut all = Sent { seconds: begun.elapsed().as_secs_f64(), ..Sent::default() };
    for part in parts {
        all.sent += part.sent;
        all.accepted += part.accepted;
        all.refused += part.refused;
        all.took.0.extend(part.took.0);
    }
    all
}

fn one(server: &Server, load: Load, thread: usize, pace: Pace) -> Sent {
    let first = |body: usize| (thread * BODIES + body) * load.rows;
    let mut bodies: Vec<Message> = (0..BODIES).map(|body| Message::request(first(body), load.rows)).collect();
    let mut connections: Vec<Connection> = (0..load.connections).map(|_| Connection::new(server.connect())).collect();
    let mut out = Sent::default();
    for number in 0_u64.. {
        let connection = &mut connections[number as usize % load.connections];
        connection.settle(load.rows, &pace, &mut out);
        let due = pace.due(number);
        if due >= load.seconds {
            break;
        }
        let body = &mut bodies[number as usize % BODIES];
        body.at(load.since + Duration::from_secs_f64(due));
        connection.stream.write_all(&body.bytes).unwrap();
        connection.due = Some(due);
        out.sent += load.rows as u64;
    }
    connections.iter_mut().for_each(|connection| connection.settle(load.rows, &pace, &mut out));
    out
}

/// A kept-alive connection, with at most one request under way.
pub struct Connection {
    pub stream: TcpStream,
    pub due: Option<f64>,
    answer: Vec<u8>,
}

impl Connection {
    pub fn new(stream: TcpStream) -> Connection {
        Connection { stream, due: None, answer: Vec::new() }
    }

    /// Waits for the answer of the request under way, if there is one.
    fn settle(&mut self, rows: usize, pace: &Pace, out: &mut Sent) {
        let Some(due) = self.due.take() else { return };
        let (status, body) = self.read();
        match status {
            202 => out.accepted += number(body, b"\"accepted\":"),
            429 => out.refused += rows as u64,
            other => panic!("{other}: {}", String::from_utf8_lossy(body)),
        }
        out.took.seconds(pace.now() - due);
    }

    /// The status and the body of the next answer.
    pub fn read(&mut self) -> (u64, &[u8]) {
        self.answer.clear();
        let mut block = [0; 16 << 10];
        loop {
            let read = self.stream.read(&mut block).unwrap();
            assert!(read > 0, "the server hung up: {}", String::from_utf8_lossy(&self.answer));
            self.answer.extend_from_slice(&block[..read]);
            let Some(head) = memchr::memmem::find(&self.answer, b"\r\n\r\n") else { continue };
            let length = number(&self.answer[..head], b"content-length: ") as usize;
            if self.answer.len() >= head + 4 + length {
                assert_eq!(self.answer.len(), head + 4 + length, "more than was asked for");
                return (number(&self.answer[..head], b"HTTP/1.1 "), &self.answer[head + 4..]);
            }
        }
    }
}

/// The number behind a word.
pub fn number(text: &[u8], word: &[u8]) -> u64 {
    let at = memchr::memmem::find(text, word).unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(text)));
    let digits = text[at + word.len()..].iter().take_while(|byte| byte.is_ascii_digit());
    digits.fold(0, |number, digit| number * 10 + u64::from(digit - b'0'))
}
