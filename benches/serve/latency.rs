//! From a WebSocket frame to the event that shows it: frames of 100 rows at a steady rate, one reader of the view's stream.
//!
//! Every row carries the number of its frame, the view shows the greatest: an event that shows a number shows all frames up
//! to it, since events show whole epochs. Each frame counts from when it was due until the event that first shows it was read
//! as a whole.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use super::clicks::{Message, PAGES, PROGRAM, number_of};
use super::events::{Events, largest};
use super::pace::{Pace, Took};
use super::server::Server;
use super::sockets::{Answers, open};

/// What was measured.
#[derive(Debug)]
pub struct Latency {
    pub frames: u64,
    /// Until the acknowledgement.
    pub acknowledged: Took,
    /// Until the event.
    pub shown: Took,
    /// Share of one core that the server used.
    pub cores: f64,
}

/// Not counted: the first connections, windows and caches.
const WARM_SECONDS: f64 = 1.0;

/// Pushes so many frames a second, to a server with further flags.
pub fn measure(frames_per_second: f64, seconds: f64, flags: &[&str]) -> Latency {
    let server = Server::start(&PROGRAM.replace("{}", ""), &[&["--tick", "10ms"], flags].concat());
    let mut stream = server.connect();
    stream.write_all(b"GET /api/v1/views/pages/stream HTTP/1.0\r\n\r\n").unwrap();
    let socket = open(&server, "/api/v1/sources/clicks/ws");
    let (mut writing, mut answers) = (&socket, socket.try_clone().unwrap());
    let mut message = Message::frame(0, PAGES);
    let frames = (frames_per_second * seconds) as u64;
    let warm = (frames_per_second * WARM_SECONDS) as u64;
    let (begun, cpu) = (Instant::now(), server.cpu_seconds());
    let pace = Pace::new(begun, Some(frames_per_second), 0.1);
    let due = move |frame: u64| 0.1 + frame as f64 * pace.interval;
    let count = move |took: &mut Took, from: u64, to: u64| {
        let now = pace.now();
        (from.max(warm)..to).for_each(|frame| took.seconds(now - due(frame)));
    };
    let (acknowledged, shown) = std::thread::scope(|scope| {
        let acknowledged = scope.spawn(move || {
            let (mut all, mut seen, mut took) = (Answers::default(), 0, Took::default());
            while seen < frames {
                let before = seen;
                all.read(&mut answers, |_| seen += 1);
                count(&mut took, before, seen);
            }
            took
        });
        let shown = scope.spawn(move || {
            let (mut events, mut seen, mut took) = (Events::default(), 0, Took::default());
            let mut block = vec![0; 256 << 10];
            while seen < frames {
                let read = stream.read(&mut block).unwrap();
                assert!(read > 0, "the stream ended");
                events.take(&block[..read], |_, data| {
                    if let Some(last) = largest(data, b"\"last\":").map(number_of).filter(|last| *last >= seen) {
                        count(&mut took, seen, last + 1);
                        seen = last + 1;
                    }
                });
            }
            took
        });
        for frame in 0..frames {
            let due = pace.due(frame);
            message.at(Duration::from_secs_f64(due));
            message.number(frame);
            writing.write_all(&message.bytes).unwrap();
        }
        (acknowledged.join().unwrap(), shown.join().unwrap())
    });
    let cores = (server.cpu_seconds() - cpu) / begun.elapsed().as_secs_f64();
    let rows = frames * PAGES as u64;
    assert_eq!(server.settles("pages", "views", rows), rows, "every row is in the result");
    Latency { frames, acknowledged, shown, cores }
}
