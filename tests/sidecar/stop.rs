//! SIGTERM without `--drain`: not ready any more, nothing more is taken, and what was taken arrives whole.

use super::client::{Held, Socket, Stream, take};
use super::*;

/// Every row is printed to a pipe that nobody reads yet, so that the run cannot end before the test wants it to.
const PROGRAM: &str = "
CREATE SOURCE t (v BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '1' SECOND)
  WITH ('connector' = 'http', 'format' = 'json', 'queue-rows' = '5000');
CREATE TABLE names (k INT PRIMARY KEY, name VARCHAR);
CREATE MATERIALIZED VIEW totals AS SELECT COUNT(*) AS n, SUM(v) AS total FROM t;
CREATE MATERIALIZED VIEW named AS SELECT COUNT(*) AS n FROM names;
CREATE MATERIALIZED VIEW windows AS SELECT window_start, window_end, COUNT(*) AS n
  FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' HOUR)) GROUP BY window_start, window_end;
CREATE SINK closed WITH ('connector' = 'filesystem', 'path' = 'closed.ndjson', 'format' = 'json') AS SELECT n FROM windows;
CREATE SINK out WITH ('connector' = 'print') AS SELECT v FROM t;
";

const EVENTS: &str = "/api/v1/sources/t/events";

#[test]
fn what_was_taken_before_the_signal_arrives_and_nothing_is_taken_after_it() {
    let folder = folder(PROGRAM);
    let mut process = Process::start(folder.path(), &["-w", "1"]);
    eventually("it is ready", || process.ask("GET", "/readyz", "", "").0 == 200);
    let follow = TcpStream::connect(process.address).unwrap();
    (&follow).write_all(b"GET /api/v1/views/totals/stream HTTP/1.0\r\n\r\n").unwrap();
    let mut socket = Socket::open_at(process.address, "/ws/ingest", "").unwrap();
    socket.text("{\"v\":1,\"ts\":1000}");
    assert_eq!(socket.read()["accepted"], 1);
    // Until the pipe and everything before it are full.
    let (mut accepted, mut next) = (1, 2_u64);
    let full = loop {
        let row = |v: u64| format!("{{\"v\":{v},\"ts\":{}}}\n", 1_000 + v / 1_000);
        let body: String = (next..next + 1_000).map(row).collect();
        let (status, _, answer) = process.ask("POST", EVENTS, "", &body);
        match status {
            202 => accepted += 1_000,
            429 => break answer,
            other => panic!("{other}: {answer}"),
        }
        next += 1_000;
    };
    assert!(full.contains("nothing was taken"), "{full}");
    process.terminate();
    process.hears("stopping");
    eventually("it is not ready", || process.ask("GET", "/readyz", "", "").0 == 503);
    assert_eq!(process.ask("GET", "/livez", "", "").0, 200);
    let (status, head, answer) = process.ask("POST", EVENTS, "", "{\"v\":0,\"ts\":1}");
    assert!(status == 503 && head.contains("retry-after: "), "{status} {answer}");
    let refused = Socket::open_at(process.address, "/ws/ingest", "").err().unwrap();
    assert!(refused.starts_with("HTTP/1.1 503 "), "{refused}");
    assert_eq!(process.ask("POST", "/api/v1/tables/names/rows", "", "{\"k\":1}").0, 503);
    // A connection that was open learns it when it sends more.
    socket.text("{\"v\":0,\"ts\":1000}");
    let (code, reason) = loop {
        let (code, frame) = socket.frame().unwrap();
        if code == 8 {
            break (code, frame);
        }
        assert!(frame.starts_with(b"{\"type\":\"backpressure\""), "{}", String::from_utf8_lossy(&frame));
    };
    assert!(code == 8 && reason.starts_with(&1001_u16.to_be_bytes()), "{code} {}", String::from_utf8_lossy(&reason));
    assert!(process.child.try_wait().unwrap().is_none(), "it ended before its rows were written");

    let printed = BufReader::new(process.child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut values: Vec<u64> =
        printed.map(|line| serde_json::from_str::<Value>(&line).unwrap()["v"].as_u64().unwrap()).collect();
    values.sort_unstable();
    assert_eq!(values, (1..=accepted).collect::<Vec<_>>());
    assert_eq!(process.ends().code(), Some(0), "{:?}", process.said);
    assert!(process.said.iter().any(|line| line.contains("stopped: ")), "{:?}", process.said);
    // W8: the window stays open.
    assert_eq!(fs::read_to_string(folder.path().join("closed.ndjson")).unwrap(), "");
    // The reader was told all of it before its stream ended.
    let mut follow = BufReader::new(follow);
    assert!(follow.by_ref().lines().map(Result::unwrap).any(|line| line.is_empty()));
    let (mut stream, mut held) = (Stream::of(follow), Held::new());
    while let Some(event) = stream.next() {
        take(&mut held, &event);
    }
    let rows: Vec<Value> = held["totals"].keys().map(|(row, ..)| serde_json::from_str(row).unwrap()).collect();
    assert!(rows.len() == 1 && rows[0]["n"] == accepted, "{rows:?}, not {accepted}");
}

#[test]
fn limits_of_the_command_line_hold_for_what_is_pushed() {
    let folder = folder(PROGRAM);
    let mut process = Process::start(folder.path(), &["--limits", "row=64,nesting=2,frame=1KiB,body=2KiB"]);
    let long = format!("{{\"v\":1,\"ts\":1,\"x\":\"{}\"}}", "x".repeat(80));
    for (body, accepted) in [("{\"v\":1,\"ts\":1}", 1), (&long, 0), ("{\"v\":1,\"ts\":1,\"x\":[[1]]}", 0)] {
        assert_eq!(process.post(EVENTS, body)["accepted"], accepted, "{body}");
    }
    assert_eq!(process.ask("POST", EVENTS, "", &" ".repeat(3000)).0, 413);
    let mut socket = Socket::open_at(process.address, "/ws/ingest", "").unwrap();
    socket.send(1, &[b' '; 2000]);
    assert!(socket.frame().is_none_or(|(code, _)| code == 8));
    process.terminate();
    assert_eq!(process.ends().code(), Some(0), "{:?}", process.said);
}

/// No room on a disk, or none for a file so long: what is there at the end are whole epochs, however the run ends.
#[test]
fn a_disk_that_is_full_has_whole_epochs() {
    const ROWS: usize = 77;
    const PUSHED: &str = "
CREATE SOURCE t (i BIGINT, s VARCHAR) WITH ('connector' = 'http', 'format' = 'json');
CREATE SINK a WITH ('connector' = 'filesystem', 'path' = 'out/a.ndjson', 'format' = 'json') AS SELECT i, s FROM t;
CREATE SINK b WITH ('connector' = 'filesystem', 'path' = 'out/b.csv', 'format' = 'csv') AS SELECT i, s FROM t;
CREATE SINK c WITH ('connector' = 'filesystem', 'path' = 'out/c/', 'format' = 'json') AS SELECT i, s FROM t;";
    /// A disk of 256 KiB; unmounted when it is done with.
    struct Disk(std::path::PathBuf);
    impl Drop for Disk {
        fn drop(&mut self) {
            let _ = Command::new("umount").arg("-l").arg(&self.0).status();
        }
    }
    for small in [true, false] {
        let folder = folder(PUSHED);
        let out = folder.path().join("out");
        fs::create_dir(&out).unwrap();
        let limited = if small { "exec" } else { "ulimit -f 150; exec" };
        let _disk = small.then(|| Disk(out.clone()));
        if small {
            let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=256k", "tmpfs"]).arg(&out).output();
            if !mounted.is_ok_and(|mounted| mounted.status.success()) {
                eprintln!("a full disk is not tried: mounting one of 256 KiB is not allowed here");
                continue;
            }
        }
        let mut command = Command::new("sh");
        command.args(["-c", &format!("{limited} \"$0\" \"$@\""), env!("CARGO_BIN_EXE_highwater")]);
        let args = ["-w", "1", "--stop-timeout", "1s"];
        let mut process = Process::of(command, folder.path(), &args).serving();
        for body in 0..60 {
            let row = |row: usize| format!("{{\"i\":{},\"s\":\"{}\"}}\n", body * ROWS + row, "x".repeat(50));
            let rows: String = (0..ROWS).map(row).collect();
            // Once there is no room it may end, or take no more.
            let Ok(mut stream) = TcpStream::connect(process.address) else { break };
            let head = format!("POST {EVENTS} HTTP/1.0\r\ncontent-length: {}\r\n\r\n", rows.len());
            let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(rows.as_bytes()));
            let _ = stream.read_to_end(&mut Vec::new());
            std::thread::sleep(Duration::from_millis(10));
        }
        if small {
            eventually("it has no room", || {
                let sinks = process.json("/api/v1/health");
                sinks["sinks"].as_array().unwrap().iter().all(|sink| sink["state"] == "retrying")
            });
            process.terminate();
        }
        assert_eq!(process.ends().code(), Some(1), "{:?}", process.said);
        let told = process.said.join("\n");
        assert!(told.contains(if small { "epochs not written: writing" } else { "too large" }), "{told}");
        for (file, before) in [("a.ndjson", 0), ("b.csv", 1), ("c/part-0.json", 0)] {
            let text = fs::read_to_string(out.join(file)).unwrap();
            let lines = text.lines().count();
            assert!(text.ends_with('\n') && lines > 2 * ROWS, "{file}: {lines} lines, {:?}", text.lines().last());
            assert_eq!((lines - before) % ROWS, 0, "{file}: {lines} lines");
            assert!(text.lines().skip(before).enumerate().all(|(at, line)| line.contains(&at.to_string())));
        }
    }
}
