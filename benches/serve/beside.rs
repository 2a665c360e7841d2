//! Probes, scrapes and acknowledgements beside readers of a large view, again and again: those that take it at the pace of a network,
//! those that take all they are sent as fast as the processors make it, and those that ask and then do not read.
//!
//! All are asked in rounds, alone and beside each crowd in turn, so that what else the machine does meets all of them alike.
//!
//! Client and server share the machine's processors, so the client costs as little as it can: one thread for all readers, which has
//! the kernel discard what comes.

use std::cell::RefCell;
use std::io::{ErrorKind, Read, Write};
use std::mem::MaybeUninit;
use std::net::TcpStream;
use std::rc::Rc;
use std::time::{Duration, Instant};

use socket2::SockRef;
use tokio::io::Interest;
use tokio::sync::oneshot;
use tokio::task::LocalSet;

use super::pace::{Pace, Took};
use super::readers::narrow;
use super::requests::Connection;
use super::server::{PATIENCE, Server};

/// What is asked, by what it is called: probes, scrapes, and rows that are acknowledged.
pub const ASKED: [&str; 3] = ["/livez", "/metrics", "acknowledgements"];

/// How much.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    /// Rows of the view.
    pub rows: usize,
    pub readers: usize,
    /// Bytes a second that a reader takes who has a network between, if he takes anything.
    pub pace: f64,
    /// Of each part of a round.
    pub seconds: f64,
    pub rounds: usize,
}

/// How long answers took, by what was asked.
pub type Asked = [Took; 3];

/// What was found.
#[derive(Debug, Default)]
pub struct Found {
    pub alone: Asked,
    pub idle: Asked,
    /// At the pace of a network, and as fast as it goes.
    pub paced: Asked,
    pub reading: Asked,
    /// Memory of each reader that does not read, in KiB.
    pub idle_kib: f64,
    /// What all readers took together, in MiB a second, and the server's share of a core meanwhile: at their pace, and as fast as it goes.
    pub taken_mib: [f64; 2],
    pub cores: [f64; 2],
}

const PROGRAM: &str = "CREATE SOURCE orders (id BIGINT, name VARCHAR, amount DOUBLE)
  WITH ('connector' = 'http', 'format' = 'json', 'queue-rows' = '1000000');
CREATE MATERIALIZED VIEW large AS SELECT id, name, COUNT(*) AS n, SUM(amount) AS amount FROM orders GROUP BY id, name;
CREATE SOURCE clicks (page VARCHAR, ms BIGINT) WITH ('connector' = 'http', 'format' = 'json');
CREATE MATERIALIZED VIEW pages AS SELECT page, COUNT(*) AS n, SUM(ms) AS ms FROM clicks GROUP BY page;";
const STREAM: &[u8] = b"GET /api/v1/views/large/stream HTTP/1.0\r\n\r\n";
/// Rows of a body.
const BODY: usize = 5_000;
/// Requests a second of each kind.
const RATE: f64 = 80.0;
/// Bytes that are taken at once.
const BLOCK: usize = 256 << 10;
/// How often a reader at the pace of a network takes something.
const SLICE: Duration = Duration::from_millis(20);
/// What the kernel discards instead of copying it (MSG_TRUNC), where it does.
const DISCARD: i32 = if cfg!(target_os = "linux") { 0x20 } else { 0 };

/// Measures alone, beside those that do not read, and beside those that do, at a network's pace and at none.
pub fn run(scale: Scale) -> Found {
    let server = Server::start(PROGRAM, &[]);
    let mut pusher = Connection::new(server.connect());
    for first in (0..scale.rows).step_by(BODY) {
        let row = |id: usize| {
            format!("{{\"id\":{id},\"name\":\"customer-{:06}\",\"amount\":{}.5}}\n", id * 7919 % 1_000_003, id % 977)
        };
        let body: String = (first..scale.rows.min(first + BODY)).map(row).collect();
        pusher.stream.write_all(&post("orders", &body)).unwrap();
        assert_eq!(pusher.read().0, 202);
    }
    let begun = Instant::now();
    while server.get("/api/v1/views/large")["rows"] != scale.rows && begun.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(20));
    }
    let (length, mut found) = (length(&server), Found::default());
    for _ in 0..scale.rounds {
        add(&mut found.alone, ask(&server, scale.seconds));
        let before = server.memory_mib().0;
        let idle: Vec<TcpStream> = (0..scale.readers).map(|_| narrow(&server)).collect();
        idle.iter().for_each(|mut stream| stream.write_all(STREAM).unwrap());
        add(&mut found.idle, ask(&server, scale.seconds));
        let kib = (server.memory_mib().0 - before) * 1024.0 / scale.readers as f64;
        found.idle_kib = found.idle_kib.max(kib);
        drop(idle);
        for (at, asked) in [&mut found.paced, &mut found.reading].into_iter().enumerate() {
            let crowd = Crowd { readers: scale.readers, length, pace: [Some(scale.pace), None][at] };
            let (beside, taken, cores) = beside(&server, crowd, scale.seconds);
            add(asked, beside);
            found.taken_mib[at] = found.taken_mib[at].max(taken / f64::from(1 << 20));
            found.cores[at] = found.cores[at].max(cores);
        }
    }
    found
}

fn add(all: &mut Asked, more: Asked) {
    all.iter_mut().zip(more).for_each(|(all, more)| all.0.extend(more.0));
}

/// Asks beside readers; what they took a second, and the server's share of a core, too.
fn beside(server: &Server, crowd: Crowd, seconds: f64) -> (Asked, f64, f64) {
    let (stop, stopped) = oneshot::channel();
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| take(server, crowd, stopped));
        std::thread::sleep(Duration::from_millis(500));
        let (cpu, begun) = (server.cpu_seconds(), Instant::now());
        let asked = ask(server, seconds);
        let cores = (server.cpu_seconds() - cpu) / begun.elapsed().as_secs_f64();
        stop.send(()).unwrap();
        (asked, reader.join().unwrap(), cores)
    })
}

fn post(source: &str, body: &str) -> Vec<u8> {
    let head = format!(
        "POST /api/v1/sources/{source}/events HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-ndjson"
    );
    format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// How many bytes a reader is sent until it has the whole view.
fn length(server: &Server) -> usize {
    let mut stream = server.connect();
    stream.write_all(STREAM).unwrap();
    let (mut block, mut taken, mut end) = (vec![0; BLOCK], 0, Vec::new());
    loop {
        let read = stream.read(&mut block).unwrap();
        assert!(read > 0, "the stream ended");
        taken += read;
        end.extend_from_slice(&block[..read]);
        if memchr::memmem::find(&end, b"event: progress").is_some() {
            return taken;
        }
        let passed = end.len().saturating_sub(16);
        end.drain(..passed);
    }
}

/// Asks for all of it at a steady rate, each over a connection of its own.
fn ask(server: &Server, seconds: f64) -> Asked {
    let rows: String = (0..100).map(|row| format!("{{\"page\":\"/{}\",\"ms\":{row}}}\n", row % 50)).collect();
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n").into_bytes();
    let requests = [get("/livez"), get("/metrics"), post("clicks", &rows)];
    let begun = Instant::now();
    std::thread::scope(|scope| {
        let threads = [0, 1, 2].map(|at| {
            let (request, pace) = (&requests[at], Pace::new(begun, Some(RATE), at as f64 / RATE / 3.0));
            scope.spawn(move || one(server, request, pace, seconds))
        });
        threads.map(|thread| thread.join().unwrap())
    })
}

/// From when a request was due to its answer; one that is late because its thread woke late counts from then.
fn one(server: &Server, request: &[u8], pace: Pace, seconds: f64) -> Took {
    let (mut connection, mut took) = (Connection::new(server.connect()), Took::default());
    for number in 0_u64.. {
        let waits = pace.now();
        let due = pace.due(number);
        if due >= seconds {
            break;
        }
        let from = if waits < due { pace.now() } else { due };
        connection.stream.write_all(request).unwrap();
        let (status, answer) = connection.read();
        assert!(matches!(status, 200 | 202), "{status}: {}", String::from_utf8_lossy(answer));
        took.seconds(pace.now() - from);
    }
    took
}

/// Readers that read.
#[derive(Clone, Copy)]
struct Crowd {
    readers: usize,
    /// How many bytes each takes until it has the view.
    length: usize,
    /// How many of them a second, if not as fast as it goes.
    pace: Option<f64>,
}

/// Each takes the view and comes again, until told to stop; how many bytes a second they took.
fn take(server: &Server, crowd: Crowd, stopped: oneshot::Receiver<()>) -> f64 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (all, taken, begun) = (LocalSet::new(), Rc::new(RefCell::new(0)), Instant::now());
    for number in 0..crowd.readers {
        let (address, taken) = (server.address, taken.clone());
        all.spawn_local(async move {
            let most = crowd.pace.map_or(BLOCK, |pace| (pace * SLICE.as_secs_f64()) as usize);
            let mut block = vec![MaybeUninit::<u8>::uninit(); most];
            // They do not come in step.
            let share = number as f64 / crowd.readers as f64;
            let mut slices = crowd.pace.map(|_| tokio::time::interval_at((begun + SLICE.mul_f64(share)).into(), SLICE));
            loop {
                let stream = tokio::net::TcpStream::connect(address).await.unwrap();
                stream.try_write(STREAM).unwrap();
                let mut left = crowd.length as i64;
                // But for what differs in length from time to time.
                while left > 1024 {
                    if let Some(slices) = &mut slices {
                        slices.tick().await;
                    }
                    let read = stream
                        .async_io(Interest::READABLE, || SockRef::from(&stream).recv_with_flags(&mut block, DISCARD))
                        .await;
                    let read = read.unwrap_or_else(|error| panic!("a reader was cut off: {error}"));
                    assert!(read > 0, "{}", std::io::Error::from(ErrorKind::UnexpectedEof));
                    left -= read as i64;
                    *taken.borrow_mut() += read;
                }
            }
        });
    }
    drop(runtime.block_on(all.run_until(stopped)));
    let taken = *taken.borrow() as f64;
    taken / begun.elapsed().as_secs_f64()
}
