//! Many readers of one view's stream, each tick changing as many rows: every reader must hold exactly the rows of the view
//! after every event that says how far it is, and at the end; a reader that does not read must cost the others nothing.
//!
//! The rows that a reader holds are kept as one number ([`Bag`]), equal for equal rows: what any reader holds at an epoch must
//! be what every other holds there, and at the end what the view's rows are.

use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::BuildHasher;
use std::io::Write;
use std::net::TcpStream;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::task::LocalSet;

use super::clicks::{Message, PAGES, PROGRAM, number_of};
use super::events::{Bag, Events, epoch, largest};
use super::pace::{Pace, Took};
use super::server::Server;
use super::sockets::{Answers, open};

/// How many, and how long.
#[derive(Clone, Copy, Debug)]
pub struct Crowd {
    pub readers: usize,
    /// Of readers that do not read, beside them.
    pub stuck: usize,
    /// Ticks, each of which changes 100 rows.
    pub ticks: u64,
    pub tick_ms: u64,
}

/// What they saw.
#[derive(Debug, Default)]
pub struct Followed {
    /// Changes told, by all readers together.
    pub changes: u64,
    /// Progress marks at which a reader's rows were compared with those of another.
    pub compared: u64,
    /// Of each reader how many deltas it was told; fewer than ticks if some were merged.
    pub deltas: Vec<u64>,
    /// Readers that were reset.
    pub resets: u64,
    /// Readers whose rows at the end are not the view's.
    pub wrong: u64,
    /// From when a tick's rows were due until a reader had read them, over all readers.
    pub shown: Took,
    /// Resident memory of the server before the readers came and at its peak, in MiB.
    pub memory_mib: (f64, f64),
    /// Share of one core that the server used while rows came.
    pub cores: f64,
}

/// What the readers share.
#[derive(Default)]
struct Seen {
    /// By epoch what a reader held there.
    held: HashMap<Vec<u8>, Bag>,
    /// What a delta changes, by the hash of its bytes: most readers are told the same ones, and the client is to cost little.
    deltas: HashMap<u64, Delta>,
    followed: Followed,
    last: HashMap<Bag, u64>,
}

/// What a delta says.
#[derive(Clone, Copy)]
struct Delta {
    bag: Bag,
    changes: u64,
    /// The last tick that is in it.
    tick: Option<u64>,
}

impl Seen {
    fn delta(&mut self, data: &[u8]) -> Delta {
        let hash = foldhash::quality::FixedState::default().hash_one(data);
        *self.deltas.entry(hash).or_insert_with(|| {
            let mut bag = Bag::default();
            let changes = bag.change(data);
            Delta { bag, changes, tick: largest(data, b"\"last\":").map(number_of) }
        })
    }
}

/// Lets them follow.
pub fn follow(crowd: Crowd) -> Followed {
    let tick = format!("{}ms", crowd.tick_ms);
    let server =
        Server::start(&PROGRAM.replace("{}", ""), &["--tick", &tick, "--limits", "connections=9000,subscribers=9000"]);
    let before = server.memory_mib().0;
    let ask = |stream: &mut TcpStream| stream.write_all(b"GET /api/v1/views/pages/stream HTTP/1.0\r\n\r\n").unwrap();
    let connect = || {
        let mut stream = server.connect();
        ask(&mut stream);
        stream
    };
    let stuck: Vec<TcpStream> =
        (0..crowd.stuck).map(|_| narrow(&server)).map(|mut stream| (ask(&mut stream), stream).1).collect();
    let streams: Vec<TcpStream> = (0..crowd.readers).map(|_| connect()).collect();
    while server.get("/api/v1/stats")["sse_clients"].as_u64() < Some((crowd.readers + crowd.stuck) as u64) {
        std::thread::sleep(Duration::from_millis(10));
    }
    let pace = Pace::new(Instant::now(), Some(1e3 / crowd.tick_ms as f64), 0.2);
    let cpu = server.cpu_seconds();
    let mut followed = std::thread::scope(|scope| {
        scope.spawn(|| push(&server, crowd, pace));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let seen = Rc::new(RefCell::new(Seen::default()));
        let all = LocalSet::new();
        for stream in streams {
            stream.set_nonblocking(true).unwrap();
            all.spawn_local(read(stream, crowd, pace, seen.clone()));
        }
        runtime.block_on(all);
        let Seen { mut followed, last, .. } = Rc::into_inner(seen).unwrap().into_inner();
        let rows = Bag::rows(server.text("/api/v1/views/pages/rows?limit=100000").as_bytes());
        followed.wrong = last.iter().filter(|(held, _)| **held != rows).map(|(_, readers)| readers).sum();
        followed
    });
    followed.cores = (server.cpu_seconds() - cpu) / pace.now();
    followed.memory_mib = (before, server.memory_mib().1);
    drop(stuck);
    followed
}

/// A connection for which the kernel takes little, so that one that does not read is full sooner.
pub fn narrow(server: &Server) -> TcpStream {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let stream = runtime.block_on(async { socket.connect(server.address).await.unwrap().into_std().unwrap() });
    stream.set_nonblocking(false).unwrap();
    stream
}

/// A row of every page each tick.
fn push(server: &Server, crowd: Crowd, pace: Pace) {
    let socket = open(server, "/api/v1/sources/clicks/ws");
    let (mut writing, mut reading, mut answers) = (&socket, socket.try_clone().unwrap(), Answers::default());
    let mut message = Message::frame(0, PAGES);
    for tick in 0..crowd.ticks {
        let due = pace.due(tick);
        message.at(Duration::from_secs_f64(due));
        message.number(tick);
        writing.write_all(&message.bytes).unwrap();
        let mut acknowledged = false;
        while !acknowledged {
            answers.read(&mut reading, |_| acknowledged = true);
        }
    }
}

async fn read(stream: TcpStream, crowd: Crowd, pace: Pace, seen: Rc<RefCell<Seen>>) {
    let stream = tokio::net::TcpStream::from_std(stream).unwrap();
    let (mut events, mut block) = (Events::default(), vec![0; 64 << 10]);
    let (mut held, mut deltas, mut next) = (Bag::default(), 0, 0);
    // The last tick's rows, and then how far that is.
    let mut ended = false;
    while !ended {
        stream.readable().await.unwrap();
        let read = match stream.try_read(&mut block) {
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => continue,
            read => read.unwrap(),
        };
        assert!(read > 0, "the stream ended");
        let mut seen = seen.borrow_mut();
        events.take(&block[..read], |name, data| match name {
            b"snapshot" => held = Bag::rows(data),
            b"delta" => {
                let delta = seen.delta(data);
                held.0 = held.0.wrapping_add(delta.bag.0);
                seen.followed.changes += delta.changes;
                deltas += 1;
                if let Some(tick) = delta.tick.filter(|tick| *tick >= next) {
                    let now = pace.now();
                    (next..=tick).for_each(|tick| seen.followed.shown.seconds(now - 0.2 - tick as f64 * pace.interval));
                    next = tick + 1;
                }
            }
            b"progress" => {
                match seen.held.get(epoch(data)) {
                    None => drop(seen.held.insert(epoch(data).to_vec(), held)),
                    Some(other) => {
                        assert_eq!(*other, held, "two readers hold different rows at one epoch");
                        seen.followed.compared += 1;
                    }
                }
                ended |= next == crowd.ticks;
            }
            b"reset" => seen.followed.resets += 1,
            other => panic!("{}", String::from_utf8_lossy(other)),
        });
    }
    let mut seen = seen.borrow_mut();
    seen.followed.deltas.push(deltas);
    *seen.last.entry(held).or_insert(0) += 1;
}
