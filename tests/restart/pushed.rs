//! Rows that clients push: what was acknowledged is there, and all that was seen is as it was.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;

use super::client::{Stream, take};
use super::process::*;

/// Windows, sessions, totals, and rows that are late, malformed, malformed where nobody reads, or sent again.
pub(super) const PROGRAM: &str = "
CREATE SOURCE clicks (id VARCHAR, page VARCHAR, ms BIGINT, unread INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '2' SECOND)
  WITH ('connector' = 'http', 'format' = 'json', 'lateness' = '3 s', 'dedup.key' = 'id', 'dedup.horizon' = '1 hour');
CREATE MATERIALIZED VIEW windows AS SELECT page, window_start, COUNT(*) AS n, SUM(ms) AS total
  FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY page, window_start, window_end EMIT CHANGES;
CREATE MATERIALIZED VIEW closed AS SELECT page, window_start, COUNT(*) AS n, SUM(ms) AS total
  FROM TABLE(HOP(TABLE clicks, DESCRIPTOR(ts), INTERVAL '2' SECOND, INTERVAL '7' SECOND)) GROUP BY page, window_start, window_end;
CREATE MATERIALIZED VIEW visits AS SELECT page, window_start, window_end, COUNT(*) AS n
  FROM TABLE(SESSION(TABLE clicks PARTITION BY page, DESCRIPTOR(ts), INTERVAL '3' SECOND)) GROUP BY page, window_start, window_end EMIT CHANGES;
CREATE MATERIALIZED VIEW totals AS SELECT page, COUNT(*) AS n, SUM(ms) AS total FROM clicks GROUP BY page;
CREATE MATERIALIZED VIEW odd AS SELECT id, 100 / ms AS share FROM clicks WHERE page = 'p0';
";

pub(super) const EVENTS: &str = "/api/v1/sources/clicks/events";
const VIEWS: [&str; 5] = ["windows", "closed", "visits", "totals", "odd"];

/// Numbers that look random and are the same each time.
pub(super) struct Random(pub(super) u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// A body of rows around a time: some late, wrong, or twice.
pub(super) fn body(random: &mut Random, number: u64) -> String {
    let row = |random: &mut Random| {
        let (id, page, at) = (random.below(4000), random.below(4), number * 700 + random.below(3_000));
        let at = if random.below(12) == 0 { at.saturating_sub(9_000) } else { at };
        let ms = if random.below(20) == 0 { "\"x\"".to_owned() } else { random.below(5).to_string() };
        let unread = if random.below(20) == 0 { "\"much\"" } else { "1" };
        format!("{{\"id\":\"e{id}\",\"page\":\"p{page}\",  \"ms\":{ms},\"unread\":{unread},\"ts\":{at}}}\n")
    };
    (0..1 + random.below(30)).map(|_| row(random)).collect()
}

/// Everything that can be seen, but what names a time of the clock.
pub(super) fn seen(process: &Process) -> Vec<(String, Vec<String>)> {
    let mut all: Vec<(String, Vec<String>)> =
        VIEWS.iter().map(|view| ((*view).to_owned(), process.rows(view))).collect();
    let letters = process.json("/api/v1/sources/clicks/dead-letters?limit=1000");
    let letters = letters["dead_letters"].as_array().unwrap().iter().map(Value::to_string).collect();
    all.push(("dead letters".to_owned(), letters));
    let failed = process.json("/api/v1/views/odd/dead-letters?limit=1000");
    let mut failed: Vec<String> = failed["dead_letters"].as_array().unwrap().iter().map(Value::to_string).collect();
    failed.sort();
    all.push(("failed rows".to_owned(), failed));
    let source = process.json("/api/v1/sources/clicks");
    all.push(("counts".to_owned(), vec![source["rows"].to_string()]));
    all
}

/// Rows without how often each was told, which depends on where ticks fell.
pub(super) fn plain(rows: &[String]) -> Vec<String> {
    let unversioned = |row: &String| {
        let mut row: Value = serde_json::from_str(row).unwrap();
        for name in ["_version", "_status"] {
            row.as_object_mut().map(|members| members.remove(name));
        }
        row.to_string()
    };
    let mut rows: Vec<String> = rows.iter().map(unversioned).collect();
    rows.sort();
    rows
}

pub(super) fn send(process: &Process, random: &mut Random, numbers: std::ops::Range<u64>) -> Value {
    numbers.map(|number| process.post(EVENTS, &body(random, number))["token"].take()).last().unwrap()
}

#[test]
fn d1_d2_d3_d6_what_was_seen_is_there_after_a_kill() {
    let folder = folder(PROGRAM);
    let (mut random, mut again) = (Random(7), Random(7));
    let mut process = Process::start(folder.path(), &["-w", "2"]);
    // The same rows into a process that is never killed.
    let other = self::folder(PROGRAM);
    let whole = Process::start(other.path(), &["-w", "1"]);
    let mut tokens = Vec::new();
    for round in 0..4 {
        let numbers = round * 15..round * 15 + 15;
        let token = send(&process, &mut random, numbers.clone());
        process.complete(&token);
        tokens.push(token);
        let before = seen(&process);
        match round % 2 {
            0 => process.kill(),
            _ => assert_eq!(process.stop().code(), Some(0)),
        }
        // D8: with other workers too.
        process = Process::start(folder.path(), &["-w", ["1", "3"][round as usize % 2]]);
        let after = seen(&process);
        before.iter().zip(&after).for_each(|(before, after)| assert_eq!(before, after, "round {round}"));
        // D4: tokens of before are valid.
        tokens.iter().for_each(|token| process.complete(token));
        let token = send(&whole, &mut again, numbers);
        whole.complete(&token);
        for ((what, after), (_, never)) in after.iter().zip(&seen(&whole)) {
            assert_eq!(plain(after), plain(never), "{what} in round {round}, beside a run without a kill");
        }
    }
    let all = seen(&process);
    for (what, rows) in &all {
        assert!(!rows.is_empty(), "no {what} were seen");
    }
    let letters = all.iter().find(|(what, _)| what == "dead letters").unwrap().1.join("\n");
    for reason in ["\"late\"", "\"malformed\"", "unread"] {
        assert!(letters.contains(reason), "{reason} is in no dead letter");
    }
    // As it came, spaces too.
    assert!(letters.contains(",  \\\"ms\\\""), "{letters}");
}

/// A client sends every row until it is acknowledged, whatever happens, while the process is killed at any moment.
#[test]
fn d1_nothing_is_lost_or_twice_with_a_client_that_sends_again() {
    const ROWS: u64 = 400;
    let folder = folder(PROGRAM);
    let mut process = Process::start(folder.path(), &["-w", "2"]);
    let (address, done) = (Arc::new(Mutex::new(process.address)), Arc::new(AtomicBool::new(false)));
    let taken = Arc::new(AtomicU64::new(0));
    let (to, ended, counted) = (address.clone(), done.clone(), taken.clone());
    let client = std::thread::spawn(move || {
        for number in 0..ROWS {
            let row = format!(
                "{{\"id\":\"n{number}\",\"page\":\"p{}\",\"ms\":1,\"unread\":1,\"ts\":{}}}",
                number % 3,
                number * 10
            );
            loop {
                let address = *to.lock().unwrap();
                if ask(address, "POST", EVENTS, &row).0 == 202 {
                    break;
                }
                std::thread::sleep(Duration::from_millis(2));
            }
            counted.fetch_add(1, Ordering::Release);
        }
        ended.store(true, Ordering::Release);
    });
    let mut kills = 0;
    while !done.load(Ordering::Acquire) {
        std::thread::sleep(Duration::from_millis(60 + 37 * (kills % 5)));
        // What is acknowledged by now is there whatever follows.
        let known = taken.load(Ordering::Acquire);
        process.kill();
        process = Process::start(folder.path(), &["-w", "2"]);
        // They show with the first tick.
        eventually("what was acknowledged shows", || count(&process) >= known);
        assert!(count(&process) <= ROWS);
        *address.lock().unwrap() = process.address;
        kills += 1;
    }
    client.join().unwrap();
    assert!(kills >= 3, "only {kills} kills");
    eventually("all rows show", || count(&process) >= ROWS);
    assert_eq!(count(&process), ROWS);
}

/// All rows that `totals` counts.
fn count(process: &Process) -> u64 {
    let totals = process.json("/api/v1/views/totals/rows")["rows"].take();
    totals.as_array().unwrap().iter().map(|row| row["n"].as_u64().unwrap()).sum()
}

/// A reader of a stream goes on where it was: what it holds is what the rows say, without a reset.
#[test]
fn d4_a_stream_goes_on_by_the_id_of_before() {
    let folder = folder(PROGRAM);
    let mut random = Random(11);
    let mut process = Process::start(folder.path(), &["-w", "2"]);
    let (mut held, mut id) = (std::collections::BTreeMap::new(), String::new());
    for round in 0..3 {
        let token = send(&process, &mut random, round * 10..round * 10 + 10);
        process.complete(&token);
        let mut stream = follow(&process, &id);
        read_until(&mut stream, &mut held, &mut id, &process, round > 0);
        // What comes while nobody reads, or shortly before the kill.
        let token = send(&process, &mut random, round * 10 + 5..round * 10 + 8);
        process.complete(&token);
        process.kill();
        process = Process::start(folder.path(), &["-w", "1"]);
        let mut stream = follow(&process, &id);
        read_until(&mut stream, &mut held, &mut id, &process, true);
    }
}

pub(super) fn follow(process: &Process, id: &str) -> Stream {
    use std::io::{BufRead, BufReader, Write};
    let mut stream = std::net::TcpStream::connect(process.address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let id = if id.is_empty() { String::new() } else { format!("Last-Event-ID: {id}\r\n") };
    let head = format!("GET /api/v1/stream?views=windows,totals,closed HTTP/1.0\r\n{id}\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    while reader.read_line(&mut line).unwrap() > 2 {
        line.clear();
    }
    Stream::of(reader)
}

pub(super) fn read_until(
    stream: &mut Stream,
    held: &mut super::client::Held,
    id: &mut String,
    process: &Process,
    resumed: bool,
) {
    for _ in 0..10_000 {
        let event = stream.next().unwrap();
        assert!(!(resumed && matches!(event.name.as_str(), "reset" | "snapshot")), "{event:?}");
        take(held, &event);
        id.clone_from(&event.id);
        let same = ["windows", "totals", "closed"].iter().all(|view| {
            let mut rows: Vec<(String, String, u64)> =
                held.get(*view).into_iter().flat_map(|rows| rows.keys().cloned()).collect();
            let answer = process.json(&format!("/api/v1/views/{view}/rows?limit=10000"));
            let mut told: Vec<(String, String, u64)> =
                answer["rows"].as_array().unwrap().iter().map(super::client::split).collect();
            rows.sort();
            told.sort();
            rows == told
        });
        if same {
            return;
        }
    }
    panic!("the reader does not come to what the rows say");
}

/// What a request waits for is said, and holds.
#[test]
fn acknowledgements_say_what_holds() {
    let folder = folder(PROGRAM);
    let process = Process::start(folder.path(), &[]);
    let row = |n: u64| format!("{{\"id\":\"a{n}\",\"page\":\"p1\",\"ms\":1,\"unread\":1,\"ts\":{}}}", 1_000 + n);
    assert_eq!(process.post(EVENTS, &row(0))["ack"], "durable");
    for (n, ack) in [(1, "received"), (2, "durable"), (3, "visible")] {
        assert_eq!(process.post(&format!("{EVENTS}?ack={ack}"), &row(n))["ack"], ack);
    }
    let totals = process.json("/api/v1/views/totals/rows")["rows"].take();
    assert_eq!(totals[0]["n"], 4, "they are visible");
    let (status, answer) = process.ask("POST", &format!("{EVENTS}?ack=written"), &row(4));
    assert!(status == 400 && answer.contains("write received, durable or visible"), "{answer}");
    let mut socket = super::client::Socket::open_at(process.address, "/ws/ingest?ack=visible", "").unwrap();
    socket.text(&row(5));
    assert_eq!(socket.read()["accepted"], 1);
    assert_eq!(process.json("/api/v1/views/totals/rows")["rows"][0]["n"], 5);
    process.kill();
    let process = Process::start(folder.path(), &[]);
    assert_eq!(process.json("/api/v1/views/totals/rows")["rows"][0]["n"], 5);
}
