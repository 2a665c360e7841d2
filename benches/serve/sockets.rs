//! Clients that send WebSocket frames: a thread writes, another reads what the server answers, per connection.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::clicks::Message;
use super::pace::Pace;
use super::requests::{Sent, number};
use super::server::Server;

/// How hard to push.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    pub connections: usize,
    /// Frames written at once.
    pub together: usize,
    /// Rows of a frame: 1 as it is, more as an array.
    pub rows: usize,
    /// Frames a second of all together; `None` is as many as are taken.
    pub rate: Option<f64>,
    pub seconds: f64,
    pub since: Duration,
}

/// Opens a WebSocket that pushes.
pub fn open(server: &Server, path: &str) -> TcpStream {
    let mut stream = server.connect();
    let head = format!(
        "GET {path} HTTP/1.1\r\nhost: localhost\r\nupgrade: websocket\r\nconnection: upgrade\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let (mut answer, mut byte) = (Vec::new(), [0]);
    while !answer.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        answer.push(byte[0]);
    }
    assert!(answer.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&answer));
    stream
}

/// Pushes; every frame must be acknowledged, in order.
pub fn push(server: &Server, load: Load) -> Sent {
    let begun = Instant::now();
    let each = load.rate.map(|rate| rate / load.connections as f64);
    let parts: Vec<Sent> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..load.connections)
            .map(|place| {
                let offset =
                    each.map_or(0.0, |each| load.together as f64 * place as f64 / load.connections as f64 / each);
                let pace = Pace::new(begun, each.map(|each| each / load.together as f64), offset);
                scope.spawn(move || one(server, load, place, pace))
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let mut all = Sent { seconds: begun.elapsed().as_secs_f64(), ..Sent::default() };
    for part in parts {
        all.sent += part.sent;
        all.accepted += part.accepted;
        all.took.0.extend(part.took.0);
    }
    all
}

fn one(server: &Server, load: Load, place: usize, pace: Pace) -> Sent {
    let stream = open(server, "/api/v1/sources/clicks/ws");
    let (tell, told) = std::sync::mpsc::channel::<(u64, f64)>();
    let mut reading = stream.try_clone().unwrap();
    let reader = std::thread::spawn(move || {
        let mut answers = Answers::default();
        let mut out = Sent::default();
        let mut acknowledged = 0;
        for (last, due) in told {
            while acknowledged < last {
                answers.read(&mut reading, |text| acknowledged += acknowledge(text, acknowledged + 1, &mut out));
            }
            out.took.seconds(pace.now() - due);
        }
        out
    });
    let mut message = match load.rows {
        1 => Message::frames(place * load.together, load.together),
        rows => Message::frame(place * rows, rows),
    };
    let (mut sent, mut writing) = (0, &stream);
    for number in 0_u64.. {
        let due = pace.due(number);
        if due >= load.seconds {
            break;
        }
        message.at(load.since + Duration::from_secs_f64(due));
        writing.write_all(&message.bytes).unwrap();
        sent += message.rows as u64;
        tell.send((sent / load.rows as u64, due)).unwrap();
    }
    drop(tell);
    Sent { sent, ..reader.join().unwrap() }
}

/// Counts an acknowledgement, which must be of this frame; what only says that the server is full counts nothing.
fn acknowledge(text: &[u8], expected: u64, out: &mut Sent) -> u64 {
    if text.starts_with(br#"{"type":"backpressure""#) {
        return 0;
    }
    assert!(text.starts_with(br#"{"type":"ack""#), "{}", String::from_utf8_lossy(text));
    assert_eq!(number(text, b"\"seq\":"), expected);
    out.accepted += number(text, b"\"accepted\":");
    1
}

/// The server's frames.
#[derive(Default)]
pub struct Answers {
    bytes: Vec<u8>,
}

impl Answers {
    /// Reads once, and hands over the text of every frame that is whole.
    pub fn read(&mut self, stream: &mut TcpStream, mut each: impl FnMut(&[u8])) {
        let mut block = [0; 64 << 10];
        let read = stream.read(&mut block).unwrap();
        assert!(read > 0, "the server hung up");
        self.bytes.extend_from_slice(&block[..read]);
        let mut at = 0;
        while let Some((start, length)) = frame(&self.bytes[at..]) {
            each(&self.bytes[at + start..at + start + length]);
            at += start + length;
        }
        self.bytes.drain(..at);
    }
}

/// Where the payload of a whole frame begins, and its length.
fn frame(bytes: &[u8]) -> Option<(usize, usize)> {
    let (start, length) = match bytes.get(1)? {
        126 => (4, usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?))),
        short => (2, usize::from(*short)),
    };
    (bytes.len() >= start + length).then_some((start, length))
}
