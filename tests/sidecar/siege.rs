//! Limits of the system itself, with the defaults of the server: 1024 descriptors, 512 MiB, and no descriptor at all for a while.

use super::strangers::{EVENTS, PUSHED, SOCKET, walk};
use super::*;

fn peak_mib(process: &Process) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", process.child.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
}

/// 1,100 connections that say nothing, 120 bodies of 16 MiB whose last byte does not come, sockets that are pinged and never
/// read, streams that nobody reads. Memory is what the kernel counted at the highest: a limit of the address space would stop
/// the allocator, which reserves more than it uses.
#[test]
fn a_crowd_of_strangers_has_1024_descriptors_and_512_mib() {
    let folder = folder(PUSHED);
    let mut process = Process::limited(folder.path(), 1024, &["-w", "1"]);
    process.push_pages(5_000);
    let silent: Vec<TcpStream> = (0..1_100).map(|_| TcpStream::connect(process.address).unwrap()).collect();
    let mut held = Vec::new();
    for path in ["GET /api/v1/views/sums/stream HTTP/1.0\r\n\r\n", SOCKET] {
        held.extend((0..10).map(|_| process.open_narrow(path)));
    }
    let mut pinged: Vec<TcpStream> = (0..5).map(|_| process.open_narrow(SOCKET)).collect();
    let ping = [&[0x89, 0x80 | 100, 0, 0, 0, 0][..], &[b'x'; 100]].concat().repeat(1000);
    let length = 16 << 20;
    let head = format!("POST {EVENTS} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {length}\r\n\r\n");
    let body = vec![b' '; length - 1];
    std::thread::scope(|scope| {
        for socket in &mut pinged {
            socket.set_write_timeout(Some(Duration::from_secs(1))).unwrap();
            scope.spawn(|| (0..200).all(|_| socket.write_all(&ping).is_ok()));
        }
        let bodies: Vec<TcpStream> = (0..120).map(|_| process.open(&head)).collect();
        for mut stream in bodies {
            stream.set_write_timeout(Some(Duration::from_secs(5))).unwrap();
            let body = &body;
            scope.spawn(move || {
                let _ = stream.write_all(body);
                std::thread::sleep(Duration::from_secs(1));
            });
        }
        // Whoever says something is heard.
        for n in 0..20 {
            let event = format!("{{\"page\":\"p{n}\",\"ms\":{n},\"ts\":{n}}}");
            eventually("there is a place", || process.ask("POST", EVENTS, "", &event).0 == 202);
            assert_eq!(process.ask("GET", "/livez", "", "").0, 200);
        }
    });
    drop((silent, held, pinged));
    let peak = peak_mib(&process);
    assert!(peak < 512, "{peak} MiB");
    assert!(process.refused("bodies") > 0, "the bodies did not meet their limit");
    eventually("all is shown", || process.json("/api/v1/views/sums")["rows"] == 5_020);
    eventually("nothing is held", || process.json("/api/v1/health")["buffers"][0]["bytes"] == 0);
    process.terminate();
    assert_eq!(process.ends().code(), Some(0), "{:?}", process.said);
}

/// 1,100 connections that ask for one thing each, some for half of another, and are silent from then on.
#[test]
fn those_that_ask_once_and_are_silent_make_room() {
    let folder = folder(PUSHED);
    let mut process = Process::limited(folder.path(), 1024, &["-w", "1"]);
    let mut stream = process.open("GET /api/v1/views/sums/stream HTTP/1.0\r\n\r\n");
    let probe = "GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n";
    for asked in [probe, "GET /nope HTTP/1.1\r\nhost: localhost\r\n\r\n", &format!("{probe}GET /li")] {
        let silent: Vec<TcpStream> = (0..1_100).map(|_| process.open(asked)).collect();
        for n in 0..20 {
            assert_eq!(process.ask("GET", "/livez", "", "").0, 200, "supervisors do not wait");
            let event = format!("{{\"page\":\"p{n}\",\"ms\":{n},\"ts\":{n}}}");
            eventually("there is a place", || process.ask("POST", EVENTS, "", &event).0 == 202);
        }
        drop(silent);
    }
    eventually("all is shown", || process.json("/api/v1/views/sums")["rows"] == 20);
    // A stream is not silent, however seldom it tells something.
    let (mut told, mut block) = (Vec::new(), [0; 4096]);
    while memchr::memmem::find(&told, b"\"page\":\"p19\"").is_none() {
        let read = stream.read(&mut block).unwrap();
        assert!(read > 0, "the stream was cut off");
        told.extend_from_slice(&block[..read]);
    }
    process.terminate();
    assert_eq!(process.ends().code(), Some(0), "{:?}", process.said);
}

/// WebSockets are connections as long as they are open: those of the engine's own descriptors are left to it.
#[test]
fn sockets_leave_the_engine_its_descriptors() {
    let program = format!(
        "{PUSHED} CREATE TABLE pages (page VARCHAR, ms BIGINT) PARTITIONED BY (page)
         WITH ('connector' = 'filesystem', 'path' = 'out/', 'format' = 'json');
         INSERT INTO pages SELECT page, ms FROM clicks;"
    );
    let folder = folder(&program);
    let mut process = Process::limited(folder.path(), 1024, &["-w", "1"]);
    for path in ["/api/v1/sources/clicks/ws", "/api/v1/views/sums/ws"] {
        let mut pusher = process.open(&format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n"));
        let mut sockets: Vec<TcpStream> =
            (0..1_100).map(|_| process.open(&SOCKET.replace("/api/v1/views/sums/ws", path))).collect();
        eventually("all have heard", || sockets.iter().all(|socket| socket.peek(&mut [0]).is_ok()));
        let upgraded = sockets.iter_mut().filter_map(|socket| {
            let mut head = [0; 12];
            socket.read_exact(&mut head).ok().filter(|()| head == *b"HTTP/1.1 101")
        });
        let upgraded = upgraded.count();
        assert!((500..1_000).contains(&upgraded), "{upgraded} sockets");
        let open = fs::read_dir(format!("/proc/{}/fd", process.child.id())).unwrap().count();
        assert!(open < 1_000, "{open} descriptors");
        for probe in ["/livez", "/readyz"] {
            eventually("supervisors are answered", || process.ask("GET", probe, "", "").0 == 200);
        }
        let _ = pusher.read(&mut [0; 512]);
        drop((sockets, pusher));
        let rows: String = (0..60).map(|n| format!("{{\"page\":\"{path}{n}\",\"ms\":{n},\"ts\":{n}}}\n")).collect();
        eventually("there is a place", || process.ask("POST", EVENTS, "", &rows).0 == 202);
    }
    assert!(process.refused("connections") > 100);
    process.terminate();
    assert_eq!(process.ends().code(), Some(0), "{:?}", process.said);
    assert_eq!(walk(&folder.path().join("out")), 120, "rows in the files");
}

/// An engine that has no descriptor left for a while: whatever opens files waits, nothing ends and nothing is lost.
#[test]
fn an_engine_without_descriptors_waits_for_them() {
    const FILES: usize = 40;
    let program = "
CREATE SOURCE files (page VARCHAR, ms BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts)
  WITH ('connector' = 'filesystem', 'path' = 'in/', 'format' = 'json', 'lateness' = 'unbounded');
CREATE SOURCE clicks (page VARCHAR, ms BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts)
  WITH ('connector' = 'http', 'format' = 'json', 'lateness' = 'unbounded');
CREATE TABLE pages (page VARCHAR, ms BIGINT) PARTITIONED BY (page)
  WITH ('connector' = 'filesystem', 'path' = 'out/', 'format' = 'json');
INSERT INTO pages SELECT page, ms FROM clicks;
CREATE MATERIALIZED VIEW sums AS SELECT page, COUNT(*) AS n FROM files GROUP BY page;";
    let folder = folder(program);
    fs::create_dir(folder.path().join("in")).unwrap();
    // Each is read for a while: the later ones are opened while there is nothing to open them with.
    for file in 0..FILES {
        let rows: String =
            (0..20_000).map(|row| format!("{{\"page\":\"f{file}\",\"ms\":{row},\"ts\":{row}}}\n")).collect();
        fs::write(folder.path().join(format!("in/{file:02}.json")), rows).unwrap();
    }
    let mut process = Process::start(folder.path(), &["-w", "1"]);
    // A connection that is there already needs no descriptor.
    let mut open = BufReader::new(process.open(""));
    let mut push = |n: usize| {
        let body = format!("{{\"page\":\"p{n}\",\"ms\":{n},\"ts\":{n}}}");
        let head = format!("POST {EVENTS} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n", body.len());
        open.get_mut().write_all(format!("{head}{body}").as_bytes()).unwrap();
        super::protocol::answer(&mut open).0
    };
    let mut health = BufReader::new(process.open(""));
    let mut retrying = || {
        health.get_mut().write_all(b"GET /api/v1/health HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
        let health: Value = serde_json::from_slice(&super::protocol::answer(&mut health).2).unwrap();
        let state = |kind: &str| health[kind].as_array().unwrap().iter().any(|one| one["state"] == "retrying");
        (state("sources"), state("sinks"), health)
    };
    let mut pushed = 0;
    assert_eq!(push(pushed), 202);
    let pid = i32::try_from(process.child.id()).unwrap();
    let limit = |soft: u64| {
        let hard = 4_096;
        rlimit::prlimit(pid, rlimit::Resource::NOFILE, Some((soft.min(hard), hard)), None).unwrap();
    };
    limit(3);
    let begun = Instant::now();
    loop {
        pushed += 1;
        assert_eq!(push(pushed), 202);
        let (_, sinks, health) = retrying();
        for source in health["sources"].as_array().unwrap().iter().filter(|source| source["state"] == "retrying") {
            let split = &source["splits"][0];
            assert!(split["state"] == "retrying" && split["reason"].is_string(), "{health}");
            assert!(split["split"].as_str().unwrap().ends_with(".json"), "{health}");
        }
        if sinks {
            assert_eq!(health["status"], "degraded");
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "{health}");
    }
    // It stays so while it lasts, and takes rows all the while.
    for _ in 0..20 {
        pushed += 1;
        assert_eq!(push(pushed), 202);
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(process.child.try_wait().unwrap().is_none(), "it ended");
    limit(4_096);
    eventually("everything goes on", || {
        let (sources, sinks, _) = retrying();
        !sources && !sinks
    });
    eventually("every row of every file is there, once", || {
        let rows = process.json("/api/v1/views/sums/rows?limit=1000");
        let rows = rows["rows"].as_array().unwrap();
        rows.len() == FILES && rows.iter().all(|row| row["n"] == 20_000)
    });
    process.terminate();
    assert_eq!(process.ends().code(), Some(0), "{:?}", process.said);
    assert_eq!(walk(&folder.path().join("out")), pushed + 1, "rows in the files");
}

/// A hundred WebSockets with messages of 3 MiB each, and hundreds of posts of which each holds 15 MiB in a few bytes: blanks, rows of
/// nothing, rows that are late, what is no row at all. What a body becomes is bounded as what came of it is, and is given back.
#[test]
fn what_bodies_become_has_512_mib() {
    const MIB: usize = 1 << 20;
    let folder = folder(&PUSHED.replace("'lateness' = 'unbounded'", "'lateness' = '0s'"));
    // Those that wait for their turn are refused after that.
    let mut process = Process::limited(folder.path(), 1024, &["-w", "1", "--limits", "body-time=5s"]);
    assert_eq!(process.ask("POST", EVENTS, "", "{\"page\":\"a\",\"ms\":1,\"ts\":1000000}").0, 202);
    let before = process.resident_mib();
    // Other tests run beside it.
    let siege = Duration::from_secs(if cfg!(debug_assertions) { 1 } else { 3 });
    // Frames one behind another, whatever is answered.
    let flood = |frame: &[u8]| {
        let until = Instant::now() + siege;
        std::thread::scope(|scope| {
            for _ in 0..100 {
                let mut stream = process.open(&SOCKET.replace("views/sums", "sources/clicks"));
                stream.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
                let mut answers = stream.try_clone().unwrap();
                scope.spawn(move || drop(std::io::copy(&mut answers, &mut std::io::sink())));
                scope.spawn(move || {
                    let mut at = 0;
                    while Instant::now() < until {
                        match stream.write(&frame[at..]) {
                            Ok(some) => at = (at + some) % frame.len(),
                            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                            Err(_) => break,
                        }
                    }
                    let _ = stream.shutdown(std::net::Shutdown::Both);
                });
            }
        });
    };
    // Bodies, each as the one before it on its connection is answered.
    let post = |body: &[u8], many: usize| {
        let (until, address) = (Instant::now() + siege, process.address);
        std::thread::scope(|scope| {
            for _ in 0..many {
                scope.spawn(move || {
                    while Instant::now() < until {
                        let length = body.len();
                        let head = format!(
                            "POST {EVENTS} HTTP/1.0\r\ncontent-encoding: zstd\r\ncontent-length: {length}\r\n\r\n"
                        );
                        let mut stream = TcpStream::connect(address).unwrap();
                        let _ = stream.write_all(head.as_bytes());
                        let _ = stream.write_all(body);
                        let _ = stream.read_to_end(&mut Vec::new());
                    }
                });
            }
        });
    };
    let late = format!("[{}{{}}]", "{\"page\":\"p\",\"ts\":1},".repeat(3 * MIB / 20));
    // The allocator keeps what is free at hand for a second or two: what bodies of one kind become is not added to what those of
    // another became before.
    let given_back = || eventually("memory is given back", || process.resident_mib() < before + 160.0);
    for message in [&b" ".repeat(3 * MIB), late.as_bytes()] {
        flood(&client::Socket::framed(1, message));
        given_back();
    }
    for line in [" ", "{}\n", "x\n", "{\"ts\":1}\n"] {
        let text = line.repeat(15 * MIB / line.len());
        // Rows are slow to decode in a debug build.
        let many = if line == " " || !cfg!(debug_assertions) { 300 } else { 4 };
        // Some say how much they hold.
        post(&zstd::bulk::compress(text.as_bytes(), 3).unwrap(), many);
        post(&zstd::encode_all(text.as_bytes(), 3).unwrap(), many);
        given_back();
    }
    let peak = peak_mib(&process);
    assert!(peak < 512, "{peak} MiB");
    let event = "{\"page\":\"b\",\"ms\":1,\"ts\":2000000}";
    eventually("there is room", || process.ask("POST", EVENTS, "", event).0 == 202);
    eventually("nothing is held", || process.json("/api/v1/health")["buffers"][0]["bytes"] == 0);
    given_back();
    eventually("all is shown", || process.json("/api/v1/views/sums")["rows"] == 2);
    process.terminate();
    assert_eq!(process.ends().code(), Some(0), "{:?}", process.said);
}
