//! Clients that take up what they can: memory, descriptors, time. Whoever does so is refused or cut off, and everybody else,
//! the engine first, goes on.

use std::sync::Mutex;

use super::*;

pub(super) const PUSHED: &str = "
CREATE SOURCE clicks (page VARCHAR, ms BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts)
  WITH ('connector' = 'http', 'format' = 'json', 'lateness' = 'unbounded');
CREATE MATERIALIZED VIEW sums AS SELECT page, COUNT(*) AS n FROM clicks GROUP BY page;
CREATE MATERIALIZED VIEW latest AS SELECT page, ms, ts FROM clicks;
";
pub(super) const EVENTS: &str = "/api/v1/sources/clicks/events";
pub(super) const SOCKET: &str = "GET /api/v1/views/sums/ws HTTP/1.1\r\nhost: localhost\r\nupgrade: websocket\r\nconnection: upgrade\r\n\
                      sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

impl Process {
    pub(super) fn resident_mib(&self) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0
    }

    pub(super) fn refused(&self, kind: &str) -> u64 {
        let health = self.json("/api/v1/health");
        let found = health["refusals"].as_array().unwrap().iter().find(|refused| refused["kind"] == kind);
        found.unwrap()["count"].as_u64().unwrap()
    }

    /// A connection that has sent this.
    pub(super) fn open(&self, head: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(head.as_bytes()).unwrap();
        stream
    }

    /// One that takes up little before its kernel's buffers are full.
    pub(super) fn open_narrow(&self, head: &str) -> TcpStream {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let mut stream = runtime.block_on(async {
            let socket = tokio::net::TcpSocket::new_v4().unwrap();
            socket.set_recv_buffer_size(4096).unwrap();
            socket.connect(self.address).await.unwrap().into_std().unwrap()
        });
        stream.set_nonblocking(false).unwrap();
        stream.write_all(head.as_bytes()).unwrap();
        stream
    }

    /// So many rows of 400 bytes, each a key of its own.
    pub(super) fn push_pages(&self, rows: usize) {
        let (mut sent, path) = (0, "/a/rather/long/path".repeat(20));
        for part in (0..rows).collect::<Vec<_>>().chunks(5_000) {
            let line = |n: &usize| format!("{{\"page\":\"{path}/{n}\",\"ms\":{n},\"ts\":{n}}}");
            let body = part.iter().map(line).collect::<Vec<_>>().join("\n");
            sent += self.post(EVENTS, &body)["accepted"].as_u64().unwrap();
        }
        assert_eq!(sent, rows as u64);
        eventually("all is shown", || self.json("/api/v1/views/sums")["rows"].as_u64() == Some(sent));
    }
}

/// What a stream says until it says how far it is.
pub(super) fn until_progress(mut stream: TcpStream) -> String {
    let (mut heard, mut block, mut looked) = (Vec::new(), vec![0; 1 << 16], 0_usize);
    while memchr::memmem::find(&heard[looked.saturating_sub(20)..], b"event: progress").is_none() {
        looked = heard.len();
        let read = stream.read(&mut block).unwrap();
        assert!(read > 0, "it ended after {looked} bytes");
        heard.extend_from_slice(&block[..read]);
    }
    String::from_utf8_lossy(&heard).into_owned()
}

/// A client's frame of at most 125 bytes.
fn frame(code: u8, payload: &[u8]) -> Vec<u8> {
    [&[0x80 | code, 0x80 | payload.len() as u8, 0, 0, 0, 0], payload].concat()
}

#[test]
fn a_socket_that_is_pinged_and_never_read_holds_little_and_is_cut_off() {
    let event = br#"{"page":"a","ms":1,"ts":1}"#;
    let pings = frame(0x9, &[b'x'; 100]).repeat(1000);
    // What is to be told, changes or acknowledgements, comes while pongs fill all the room there is.
    for (opened, sent) in [("views/sums", pings.clone()), ("sources/clicks", [pings, frame(0x1, event)].concat())] {
        let folder = folder(PUSHED);
        let process = Process::start(folder.path(), &["--limits", "idle=2s"]);
        let before = process.resident_mib();
        let mut socket = process.open(&SOCKET.replace("views/sums", opened));
        socket.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
        let begun = Instant::now();
        let (mut cut, mut at) = (None, 0);
        while cut.is_none() && begun.elapsed() < Duration::from_secs(20) {
            // Whatever was taken, frames go on where they were cut: one that begins within another is refused for that.
            match socket.write(&sent[at..]) {
                Ok(some) => at = (at + some) % sent.len(),
                Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {
                }
                Err(error) => cut = Some((error, begun.elapsed())),
            }
            process.post(EVENTS, "{\"page\":\"a\",\"ms\":1,\"ts\":1}");
            let now = process.resident_mib();
            assert!(now < before + 32.0, "{opened}: from {before} to {now} MiB");
        }
        let (error, after) = cut.unwrap_or_else(|| panic!("{opened}: it is still there"));
        eventually(&format!("{opened}: it is counted after {after:?}, {error}"), || process.refused("slow_reader") > 0);
        assert!(after >= Duration::from_secs(2), "{opened}: cut off after {after:?}");
        let clients = || process.json("/api/v1/health")["clients"].clone();
        eventually(&format!("{opened}: it is gone"), || {
            clients()["websocket"] == 0 && clients()["ingest_websocket"].as_u64().unwrap_or(0) == 0
        });
    }
}

#[test]
fn all_bodies_together_are_bounded_and_slow_ones_are_cut_off() {
    let folder = folder(PUSHED);
    let process = Process::start(folder.path(), &["--limits", "bodies=8MiB,body=4MiB,body-time=2s,rate=1MiB"]);
    let before = process.resident_mib();
    let head = format!("POST {EVENTS} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 4000000\r\n\r\n");
    let part = vec![b' '; 3_900_000];
    let mut held: Vec<TcpStream> = (0..12).map(|_| process.open(&head)).collect();
    // The first has its room; for all others there is too little.
    drop(held[0].write_all(&part));
    eventually("the first has come", || {
        process.json("/api/v1/health")["buffers"][0]["bytes"].as_u64().is_some_and(|bytes| bytes >= 3_900_000)
    });
    std::thread::scope(|scope| {
        for stream in &mut held[1..] {
            scope.spawn(|| drop(stream.write_all(&part)));
        }
    });
    // Others' small bodies have room all the while.
    assert_eq!(process.post(EVENTS, "{\"page\":\"a\",\"ms\":1,\"ts\":1}")["accepted"], 1);
    let now = process.resident_mib();
    assert!(now < before + 64.0, "from {before} to {now} MiB");
    let begun = Instant::now();
    let mut answers = [0, 0];
    for mut stream in held {
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        answers[0] += u32::from(answer.starts_with("HTTP/1.1 408"));
        answers[1] += u32::from(answer.starts_with("HTTP/1.1 503") && answer.contains("retry-after: 1"));
    }
    assert!(begun.elapsed() < Duration::from_secs(20), "unfinished bodies are kept");
    assert!(answers[0] > 0 && answers[1] > 0, "{answers:?} were too slow, too many");
    assert!(process.refused("bodies") > 0 && process.refused("slow_body") > 0);
    eventually("nothing is held", || process.json("/api/v1/health")["buffers"][0]["bytes"] == 0);

    // A byte now and then is not enough, nor is a message of a WebSocket whose end never comes.
    let mut trickle = process.open(&head);
    let begun = Instant::now();
    while trickle.write_all(b" ").is_ok() && begun.elapsed() < Duration::from_secs(20) {
        std::thread::sleep(Duration::from_millis(200));
    }
    assert!(begun.elapsed() < Duration::from_secs(15), "a byte every 200 ms keeps a body");
    let mut endless = process.open(&SOCKET.replace("views/sums", "sources/clicks"));
    let fragment = [&[0x01, 0x80 | 1, 0, 0, 0, 0][..], b" "].concat();
    let begun = Instant::now();
    while endless.write_all(&fragment).is_ok() && begun.elapsed() < Duration::from_secs(20) {
        std::thread::sleep(Duration::from_millis(200));
    }
    assert!(begun.elapsed() < Duration::from_secs(15), "fragments without end keep a message");
}

/// A row may take a hundred times the bytes that write it. What will never fit is refused for good, and says which limit that is.
#[test]
fn what_a_body_becomes_is_bounded_too() {
    let folder = folder(PUSHED);
    let process = Process::start(folder.path(), &["--limits", "bodies=2MiB"]);
    let good = "{\"page\":\"a\",\"ms\":1,\"ts\":1}\n".repeat(2_000);
    assert_eq!(process.post(EVENTS, &good)["accepted"], 2_000);
    for wrong in ["{}\n", "x\n", "7\n"] {
        let (status, _, answer) = process.ask("POST", EVENTS, "", &wrong.repeat(300_000));
        assert_eq!(status, 413, "{answer}");
        assert!(answer.contains("three quarters of the limit 'bodies'"), "{answer}");
    }
    let (status, _, answer) = process.ask("POST", EVENTS, "", &" ".repeat(1_100_000));
    assert!(status == 413 && answer.contains("raise the limit 'bodies'"), "{status} {answer}");
    let mut socket = client::Socket::open_at(process.address, "/api/v1/sources/clicks/ws", "").unwrap();
    socket.text(&format!("[{}{{}}]", "{},".repeat(200_000)));
    let answer = socket.read();
    assert_eq!(answer["type"], "error", "{answer}");
    assert!(answer["reason"].as_str().unwrap().contains("three quarters of the limit 'bodies'"), "{answer}");
    socket.text("{\"page\":\"b\",\"ms\":1,\"ts\":1}");
    assert_eq!(socket.read()["accepted"], 1, "the socket goes on");
    eventually("all is shown", || process.json("/api/v1/views/sums")["rows"] == 2);
    eventually("nothing is held", || process.json("/api/v1/health")["buffers"][0]["bytes"] == 0);
}

#[test]
fn a_reader_that_takes_nothing_costs_little_whatever_the_view_holds() {
    let folder = folder(PUSHED);
    let process = Process::start(folder.path(), &["--limits", "idle=5s"]);
    const ROWS: usize = 20_000;
    process.push_pages(ROWS);
    let stream = "GET /api/v1/views/sums/stream HTTP/1.0\r\n\r\n";
    let whole = || until_progress(process.open(stream)).matches("\"_version\":").count();
    assert_eq!(whole(), ROWS, "a snapshot is whole");
    // How long others wait: nine in ten of so many probes, and of bodies that are acknowledged.
    let waits = |from: usize| {
        let timed = |what: &dyn Fn()| {
            let begun = Instant::now();
            what();
            begun.elapsed()
        };
        let mut probes: Vec<Duration> = (0..50)
            .map(|n| {
                let path = if n % 2 == 0 { "/livez" } else { "/metrics" };
                timed(&|| assert_eq!(process.ask("GET", path, "", "").0, 200))
            })
            .collect();
        let body = |n: usize| format!("{{\"page\":\"/new/{n}\",\"ms\":{n},\"ts\":{n}}}");
        let mut bodies: Vec<Duration> =
            (from..from + 50).map(|n| timed(&|| drop(process.post(EVENTS, &body(n))))).collect();
        probes.sort_unstable();
        bodies.sort_unstable();
        (probes[45], bodies[45])
    };
    let (alone, taken_alone) = waits(0);
    let before = process.resident_mib();
    let stuck: Vec<TcpStream> =
        (0..30).flat_map(|_| [process.open_narrow(stream), process.open_narrow(SOCKET)]).collect();
    eventually("all are there", || process.json("/api/v1/stats")["sse_clients"].as_i64() >= Some(60));
    let (beside, taken_beside) = waits(50);
    let now = process.resident_mib();
    // Beside as many that read.
    let reading: Vec<TcpStream> = (0..60).map(|_| process.open(stream)).collect();
    for mut stream in reading.iter().map(|stream| stream.try_clone().unwrap()) {
        std::thread::spawn(move || std::io::copy(&mut stream, &mut std::io::sink()));
    }
    let (busy, taken_busy) = waits(100);
    for stream in reading {
        let _ = stream.shutdown(std::net::Shutdown::Both);
    }
    let noise = Duration::from_millis(if cfg!(debug_assertions) { 400 } else { 50 });
    assert!(beside < alone + noise, "probes waited {alone:?}, beside those that do not read {beside:?}");
    assert!(busy < alone + 2 * noise, "probes waited {alone:?}, beside those that read {busy:?}");
    for taken in [taken_beside, taken_busy] {
        assert!(taken < 2 * taken_alone + noise, "bodies waited {taken_alone:?}, and beside readers {taken:?}");
    }
    assert!(now < before + 60.0 * 0.25 + 16.0, "60 readers take {before} to {now} MiB");
    let told = until_progress(process.open(stream));
    let (rows, more) = (told.matches("\"_version\":").count(), told.matches("\"op\":\"insert\"").count());
    assert!((ROWS..=ROWS + 150).contains(&(rows + more)), "{rows} and {more}");
    // What the kernel holds for them is not enough for the view: they are cut off.
    eventually("they are gone", || process.json("/api/v1/stats")["sse_clients"] == 0);
    assert!(process.refused("slow_reader") >= 60);
    drop(stuck);
    eventually("nothing is held", || process.json("/api/v1/health")["buffers"][1]["bytes"].as_i64() < Some(8 << 20));
}

#[test]
fn one_request_does_not_ask_for_a_view_many_times() {
    let folder = folder(PUSHED);
    let process = Process::start(folder.path(), &["--limits", "subscribers=1"]);
    for path in ["stream", "rows"] {
        let (status, _, why) =
            process.ask("GET", &format!("/api/v1/{path}?views={}", ["sums"; 5_000].join(",")), "", "");
        assert!(status == 400 && why.contains("'sums' is there twice"), "{path}: {status} {why}");
    }
    let with = ["dataflow"; 5_000].join(",");
    let told = until_progress(process.open(&format!("GET /api/v1/stream?with={with} HTTP/1.0\r\n\r\n")));
    assert!(told.matches("event: dataflow").count() <= 1);
    // The place is free once the server has noticed that the reader is gone.
    let mut held = Vec::new();
    eventually("statistics take the place", || {
        let mut stream = process.open("GET /stream/metrics HTTP/1.0\r\n\r\n");
        let mut status = [0; 12];
        stream.read_exact(&mut status).unwrap();
        held.push(stream);
        status.ends_with(b" 200")
    });
    assert_eq!(process.ask("GET", "/api/v1/stream", "", "").0, 503);
}

#[test]
fn pythons_websockets_read_a_long_snapshot_in_fragments() {
    if !clients::has("python3", &["-c", "import websockets"]) {
        return;
    }
    let folder = folder(PUSHED);
    let process = Process::start(folder.path(), &[]);
    process.push_pages(5_000);
    let script = "
import asyncio, json, sys, websockets
async def main():
    async with websockets.connect(f'ws://{sys.argv[1]}/api/v1/views/sums/ws', max_size=None) as socket:
        frame = json.loads(await asyncio.wait_for(socket.recv(), 30))
        assert frame['type'] == 'snapshot' and len(frame['data']['rows']) == 5000, frame['type']
        assert json.loads(await socket.recv())['type'] == 'progress'
        await (await socket.ping())
asyncio.run(main())";
    let output = Command::new("python3").args(["-c", script, &process.address.to_string()]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A program that keeps opening files, under a limit of 256 descriptors, beside 400 connections that say nothing.
#[test]
fn strangers_do_not_take_the_engines_descriptors() {
    let program = "
CREATE SOURCE clicks (page VARCHAR, ms BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts)
  WITH ('connector' = 'http', 'format' = 'json', 'lateness' = 'unbounded');
CREATE MATERIALIZED VIEW sums AS SELECT page, COUNT(*) AS n FROM clicks GROUP BY page;
CREATE TABLE pages (page VARCHAR, ms BIGINT) PARTITIONED BY (page)
  WITH ('connector' = 'filesystem', 'path' = 'out/', 'format' = 'json');
INSERT INTO pages SELECT page, ms FROM clicks;";
    let folder = folder(program);
    let mut process = Process::limited(folder.path(), 256, &["-w", "1"]);
    let silent: Vec<TcpStream> = (0..400).map(|_| TcpStream::connect(process.address).unwrap()).collect();
    for n in 0..120 {
        // Whoever says something finds a place.
        let event = format!("{{\"page\":\"p{n}\",\"ms\":{n},\"ts\":{n}}}");
        let mut status = 0;
        eventually("there is a place", || {
            status = process.ask("POST", EVENTS, "", &event).0;
            status != 503 && status != 0
        });
        assert_eq!(status, 202);
    }
    assert!(process.refused("connections") + process.refused("slow_head") > 100);
    let health = process.json("/api/v1/health");
    assert!(health["clients"]["connections_limit"].as_u64() < Some(200), "{health}");
    assert_eq!(health["sinks"][0]["state"], "running", "{health}");
    drop(silent);
    process.terminate();
    assert_eq!(process.ends().code(), Some(0), "{:?}", process.said);
    let written: usize = walk(&folder.path().join("out"));
    assert_eq!(written, 120, "rows in the files");
}

/// Lines of all files below a folder.
pub(super) fn walk(folder: &Path) -> usize {
    let below = |entry: fs::DirEntry| match entry.file_type().unwrap().is_dir() {
        true => walk(&entry.path()),
        false => fs::read_to_string(entry.path()).unwrap().lines().count(),
    };
    fs::read_dir(folder).unwrap().map(|entry| below(entry.unwrap())).sum()
}

/// Sends a body as it is over a connection of its own; the status, and the head in lower case.
fn send(address: SocketAddr, headers: &str, body: &[u8]) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let head = format!("POST {EVENTS} HTTP/1.0\r\ncontent-length: {}\r\n{headers}\r\n", body.len());
    // It may be refused before all of it has gone.
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer).to_lowercase();
    (answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0), answer)
}

/// Each body becomes more than half of the memory that there is for what bodies become: they are decoded one after another, and none
/// of them is refused.
#[test]
fn bodies_of_which_one_fits_are_decoded_in_turn() {
    let folder = folder(&PUSHED.replace("'format' = 'json'", "'format' = 'json', 'queue-rows' = '10000000'"));
    let process = Process::start(folder.path(), &["--limits", "bodies=8MiB", "-w", "1"]);
    let body = |rows: usize, name: usize| {
        let rows: String = (0..rows).map(|ms| format!("{{\"page\":\"p{name}\",\"ms\":{ms},\"ts\":1}}\n")).collect();
        zstd::encode_all(rows.as_bytes(), 1).unwrap()
    };
    // What never fits is told from what has to wait; half of it is more than half of what fits.
    let packed = "content-encoding: zstd\r\n";
    let never = (0..).map(|power| 5_000 << power).find(|rows| send(process.address, packed, &body(*rows, 0)).0 == 413);
    let rows = never.unwrap() / 2;
    eventually("nothing is held", || process.json("/api/v1/health")["buffers"][0]["bytes"] == 0);
    let bodies: Vec<Vec<u8>> = (1..=12).map(|name| body(rows, name)).collect();
    std::thread::scope(|scope| {
        let address = process.address;
        let sent: Vec<_> = bodies.iter().map(|body| scope.spawn(move || send(address, packed, body))).collect();
        for answer in sent {
            let (status, head) = answer.join().unwrap();
            assert_eq!(status, 202, "{head}");
        }
    });
    eventually("all is shown", || {
        let shown = process.json("/api/v1/views/sums/rows?limit=1000");
        let shown = shown["rows"].as_array().unwrap();
        let whole = (1..=12).all(|name| {
            let row = shown.iter().find(|row| row["page"] == format!("p{name}"));
            row.is_some_and(|row| row["n"] == rows)
        });
        whole && shown.len() == 13
    });
    eventually("nothing is held", || process.json("/api/v1/health")["buffers"][0]["bytes"] == 0);
}

/// Bodies that come at once, of which only one fits: one is taken whatever the others do, they are told to come back, and all are taken
/// when they do.
#[test]
fn of_bodies_that_come_at_once_one_goes_on() {
    let folder = folder(PUSHED);
    let process = Process::start(folder.path(), &["--limits", "bodies=8MiB,body=4MiB", "-w", "1"]);
    for round in 0..3 {
        let taken = Mutex::new(0);
        std::thread::scope(|scope| {
            for name in 0..12 {
                let (address, taken) = (process.address, &taken);
                scope.spawn(move || {
                    let row = format!("{{\"page\":\"{round}-{name}\",\"ms\":1,\"ts\":1}}");
                    let body = [row.as_bytes(), &b"\n".repeat(3_900_000)].concat();
                    for times in 1.. {
                        let (status, head) = send(address, "", &body);
                        if status == 202 {
                            *taken.lock().unwrap() += 1;
                            break;
                        }
                        assert!(status == 503 && head.contains("retry-after: 1"), "{head}");
                        assert!(times < 200, "it is never taken");
                        std::thread::sleep(Duration::from_millis(100));
                    }
                });
            }
        });
        assert_eq!(*taken.lock().unwrap(), 12);
    }
    eventually("all is shown", || process.json("/api/v1/views/sums")["rows"] == 36);
}

/// A client that sends body after body and is gone: what it sent is taken whole or not at all, and nothing more is taken once it is gone.
#[test]
fn bodies_of_a_client_that_has_gone_are_taken_whole_or_not_at_all() {
    const ROWS: u64 = 2_000;
    let folder = folder(&PUSHED.replace("'format' = 'json'", "'format' = 'json', 'queue-rows' = '10000000'"));
    let process = Process::start(folder.path(), &["-w", "1"]);
    let row = "{\"page\":\"a\",\"ms\":1,\"ts\":1}\n".repeat(ROWS as usize);
    let request = format!("POST {EVENTS} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n{row}", row.len());
    let counted = || {
        let rows = process.json("/api/v1/views/sums/rows");
        rows["rows"][0]["n"].as_u64().unwrap_or(0)
    };
    for reset in [true, false] {
        let mut gone = process.open("");
        // None of its answers is read: they fill what there is for them, and no more is read then.
        gone.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
        let bodies = request.repeat(200);
        let _ = gone.write(bodies.as_bytes());
        if reset {
            socket2::SockRef::from(&gone).set_linger(Some(Duration::ZERO)).unwrap();
        }
        drop(gone);
        eventually("it is gone", || process.json("/api/v1/health")["clients"]["connections"] == 1);
        let mut before = counted();
        eventually("all is shown", || {
            std::thread::sleep(Duration::from_millis(300));
            let now = counted();
            std::mem::replace(&mut before, now) == now
        });
        assert!(before > 0 && before.is_multiple_of(ROWS), "{before} rows of bodies of {ROWS}");
    }
    eventually("nothing is held", || process.json("/api/v1/health")["buffers"][0]["bytes"] == 0);
}
