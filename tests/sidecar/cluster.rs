//! Two processes: each takes what is pushed, over HTTP and WebSocket, and shows every view; tokens of one are good at the
//! other; a change of a table is one epoch; clients that go away hold nothing back; one that stops, all stop.

use std::net::TcpListener;

use super::client::Socket;
use super::*;

const PROGRAM: &str = "
CREATE SOURCE clicks (page VARCHAR, ms BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND)
  WITH ('connector' = 'http', 'format' = 'json', 'dedup.key' = 'ms');
CREATE TABLE names (page VARCHAR PRIMARY KEY, name VARCHAR);
CREATE MATERIALIZED VIEW sums AS SELECT page, window_start, window_end, COUNT(*) AS n, SUM(ms) AS total
  FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY page, window_start, window_end
  EMIT CHANGES;
CREATE MATERIALIZED VIEW named AS SELECT t.name, COUNT(*) AS n FROM clicks c JOIN names t ON c.page = t.page GROUP BY t.name;
CREATE SINK out WITH ('connector' = 'filesystem', 'path' = 'out.ndjson', 'format' = 'json') AS SELECT page, ms FROM clicks;
";

const EVENTS: &str = "/api/v1/sources/clicks/events";

pub(super) struct Cluster {
    folder: tempfile::TempDir,
    pub(super) processes: Vec<Process>,
}

impl Cluster {
    fn start() -> Cluster {
        Cluster::start_with(PROGRAM, &[])
    }

    pub(super) fn start_with(program: &str, more: &[&str]) -> Cluster {
        let folder = folder(program);
        let taken: Vec<TcpListener> = (0..2).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let lines = taken.iter().map(|listener| format!("{}\n", listener.local_addr().unwrap()));
        fs::write(folder.path().join("hosts"), lines.collect::<String>()).unwrap();
        drop(taken);
        let args = |process: &'static str| ["-w", "1", "-n", "2", "--hostfile", "hosts", "-p", process];
        let mut processes: Vec<Process> = ["0", "1"]
            .map(|process| Process::spawn(folder.path(), &[&args(process)[..], more].concat()))
            .into_iter()
            .collect();
        for process in &mut processes {
            let line = process.hears("serving http://");
            process.address = line.rsplit("http://").next().unwrap().trim().parse().unwrap();
        }
        // They are served while they still wait for each other.
        for process in &processes {
            eventually("they have met", || process.ask("GET", "/readyz", "", "").0 == 200);
        }
        Cluster { folder, processes }
    }

    fn rows(&self, process: usize, view: &str) -> Vec<Value> {
        let rows = self.processes[process].json(&format!("/api/v1/views/{view}/rows?limit=10000"));
        let mut rows = rows["rows"].as_array().unwrap().clone();
        rows.sort_by_key(Value::to_string);
        rows
    }

    /// Waits at one process until what another has taken is shown.
    fn complete(&self, process: usize, answer: &Value) {
        let path = format!("/api/v1/completion/{}", answer["token"].as_str().unwrap());
        eventually("it is complete", || self.processes[process].json(&path)["complete"] == true);
    }

    /// Rows of `a` in the windows that are final, as a process shows them.
    fn closed(&self, process: usize) -> i64 {
        let rows = self.rows(process, "sums");
        let closed = rows.iter().filter(|row| row["_status"] != "open" && row["page"] == "a");
        closed.map(|row| row["n"].as_i64().unwrap()).sum()
    }

    fn total(&self, process: usize) -> i64 {
        self.total_of(process, "sums")
    }

    pub(super) fn total_of(&self, process: usize, view: &str) -> i64 {
        self.rows(process, view).iter().map(|row| row["n"].as_i64().unwrap()).sum()
    }
}

fn event(page: &str, id: u64, ts: u64) -> String {
    format!("{{\"page\":\"{page}\",\"ms\":{id},\"ts\":{ts}}}")
}

/// Two clients send the same bodies to both processes at once, and then again: every event counts once.
#[test]
fn what_is_sent_to_both_processes_counts_once() {
    let mut cluster = Cluster::start();
    let bodies: Vec<String> = (0..40)
        .map(|body| {
            (0..50).map(|row| event("a", body * 50 + row, 1_000 + body * 50 + row)).collect::<Vec<_>>().join("\n")
        })
        .collect();
    for round in 0..2 {
        let send = |process: &Process| {
            let answers: Vec<Value> = bodies.iter().map(|body| process.post(EVENTS, body)).collect();
            assert!(answers.iter().all(|answer| answer["accepted"] == 50), "{answers:?}");
            let duplicates: u64 = answers.iter().map(|answer| answer["duplicates"].as_u64().unwrap()).sum();
            (duplicates, answers.last().unwrap().clone())
        };
        let all = std::thread::scope(|scope| {
            let sending: Vec<_> =
                cluster.processes.iter_mut().map(|process| scope.spawn(move || send(process))).collect();
            sending.into_iter().map(|sending| sending.join().unwrap()).collect::<Vec<_>>()
        });
        for (at, (duplicates, last)) in all.iter().enumerate() {
            cluster.complete(1 - at, last);
            assert!(round == 0 || *duplicates == 2_000, "{duplicates}");
        }
        assert_eq!((cluster.total(0), cluster.total(1)), (2_000, 2_000));
    }
    let found: u64 = (0..2)
        .map(|at| cluster.processes[at].json("/api/v1/sources/clicks")["rows"]["duplicates"].as_u64().unwrap())
        .sum();
    assert_eq!(found, 3 * 2_000);
}

#[test]
fn every_process_takes_events_and_shows_every_view() {
    let mut cluster = Cluster::start();
    let changed = cluster.processes[1].post("/api/v1/tables/names/rows", "{\"page\":\"a\",\"name\":\"first\"}");
    let changed: highwater::time::Epoch = changed["epoch"].as_str().unwrap().parse().unwrap();
    let (mut id, mut sent) = (0, 0);
    for round in 0..20 {
        let (at, other) = (round % 2, 1 - round % 2);
        let lines: Vec<String> = (0..10).map(|row| event("a", id + row, 1_000 + id)).collect();
        id += 10;
        let answer = cluster.processes[at].post(EVENTS, &lines.join("\n"));
        assert_eq!(answer["accepted"], 10, "{answer}");
        sent += 10;
        // The token is good at the other process too, and means what it says there.
        cluster.complete(other, &answer);
        assert_eq!(cluster.total(other), sent);
    }
    let mut sockets: Vec<Socket> =
        cluster.processes.iter().map(|process| Socket::open_at(process.address, "/ws/ingest", "").unwrap()).collect();
    for socket in &mut sockets {
        for _ in 0..50 {
            socket.text(&event("b", id, 1_000 + id));
            id += 1;
        }
        (0..50).for_each(|_| assert_eq!(socket.read()["accepted"], 1));
        sent += 50;
    }
    eventually("all is shown everywhere", || cluster.total(0) == sent && cluster.total(1) == sent);
    for view in ["sums", "named"] {
        eventually("both show the same", || cluster.rows(0, view) == cluster.rows(1, view));
    }
    let named = cluster.rows(0, "named");
    assert!(named.len() == 1 && named[0]["n"] == 200 && named[0]["name"] == "first", "{named:?}");
    // A change of the table is made at one epoch, the same for both.
    let answer = cluster.processes[0].post("/api/v1/tables/names/rows", "{\"page\":\"a\",\"name\":\"second\"}");
    assert!(answer["epoch"].as_str().unwrap().parse::<highwater::time::Epoch>().unwrap() > changed, "{answer}");
    eventually("both show the change", || (0..2).all(|at| cluster.rows(at, "named")[0]["name"] == "second"));

    // W11: a client that vanishes, or says nothing more, holds nothing back: not at its process, not at the other.
    sockets[0].0.shutdown(std::net::Shutdown::Both).unwrap();
    let answer = cluster.processes[0].post(EVENTS, &event("c", id, 60_000));
    id += 1;
    cluster.complete(1, &answer);
    eventually("the windows close everywhere", || cluster.closed(0) == 200 && cluster.closed(1) == 200);
    // Lateness is that of one order of arrival: what is late at one process is late at the other.
    let late = cluster.processes[1].post(EVENTS, &event("a", 1_000_000, 1_000));
    assert_eq!(late["rejected"], 1, "{late}");
    // What one process took the other knows, however late it is by now; and what is late stays late.
    for at in [0, 1] {
        let again = cluster.processes[at].post(EVENTS, &[event("c", id - 1, 60_000), event("a", 3, 1_003)].join("\n"));
        assert_eq!((&again["duplicates"], &again["rejected"]), (&2.into(), &0.into()), "{again}");
        cluster.complete(1 - at, &again);
    }
    assert_eq!(cluster.total(0), sent + 1);

    // One is told to stop: both do, and every row that either took is written.
    let mut last = Vec::new();
    for at in [0, 1] {
        last.push(event("d", id, 61_000 + id));
        assert_eq!(cluster.processes[at].post(EVENTS, &last[at])["accepted"], 1);
        id += 1;
    }
    cluster.processes[1].terminate();
    for process in &mut cluster.processes {
        assert_eq!(process.ends().code(), Some(0), "{:?}", process.said);
        assert!(process.said.iter().any(|line| line.contains("stopped: ")), "{:?}", process.said);
    }
    let written = fs::read_to_string(cluster.folder.path().join("out.ndjson")).unwrap();
    let mut ids: Vec<u64> =
        written.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["ms"].as_u64().unwrap()).collect();
    ids.sort_unstable();
    assert_eq!(ids, (0..id).collect::<Vec<_>>());
}
