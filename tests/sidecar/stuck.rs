//! A peer that is stuck (SIGSTOP) or cut off (what carries its bytes carries no more): what is sent to it is bounded, who
//! pushes is told, everything goes on when it does; and one that stays away is noticed in time, not when TCP gives up.

use std::net::{Shutdown, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use super::cluster::Cluster;
use super::*;

/// Every row goes to the worker of its key, half of them to the other process; nothing is told twice.
const PROGRAM: &str = "
CREATE SOURCE clicks (page VARCHAR, ms BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND)
  WITH ('connector' = 'http', 'format' = 'json');
CREATE MATERIALIZED VIEW sums AS SELECT page, COUNT(*) AS n FROM clicks GROUP BY page;
";

const EVENTS: &str = "/api/v1/sources/clicks/events";

fn signal(process: &Process, name: &str) {
    let sent = Command::new("kill").args([name, &process.child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

fn memory(process: &Process) -> u64 {
    let text = fs::read_to_string(format!("/proc/{}/statm", process.child.id())).unwrap();
    text.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

#[test]
fn what_a_stuck_peer_does_not_take_is_bounded_and_told() {
    let mut cluster = Cluster::start_with(PROGRAM, &["--peer-timeout", "10min"]);
    let pad = "x".repeat(2_000);
    let body: String =
        (0..2_000).map(|row| format!("{{\"page\":\"{}{pad}\",\"ms\":1,\"ts\":1000}}\n", row % 40)).collect();
    let mut sent = cluster.processes[0].post(EVENTS, &body)["accepted"].as_u64().unwrap();
    eventually("it is shown", || cluster.total_of(0, "sums") == sent as i64);
    signal(&cluster.processes[1], "-STOP");
    let (before, process) = (memory(&cluster.processes[0]), &cluster.processes[0]);
    // 4 MB a body: what may wait in the queue and on its way is 128 MiB.
    let mut refusal = None;
    for _ in 0..120 {
        let (status, _, answer) = process.ask("POST", EVENTS, "", &body);
        match status {
            202 => sent += serde_json::from_str::<Value>(&answer).unwrap()["accepted"].as_u64().unwrap(),
            429 => {
                refusal = Some(answer);
                break;
            }
            other => panic!("{other}: {answer}"),
        }
    }
    assert!(refusal.is_some(), "{sent} rows were taken and none refused");
    let grown = memory(process).saturating_sub(before);
    assert!(grown < 900 << 20, "{} MiB more", grown >> 20);
    eventually("the refusal names the peer", || {
        let (status, _, answer) = process.ask("POST", EVENTS, "", &body);
        status == 429 && answer.contains("process 1 (127.0.0.1:")
    });
    let (status, _, answer) = process.ask("GET", "/readyz", "", "");
    assert!(status == 503 && answer.contains("process 1 (127.0.0.1:"), "{status} {answer}");
    // All that tell how it is say the same.
    for health in [process.json("/api/v1/health"), process.json("/health")] {
        assert_eq!(health["status"], "degraded", "{health}");
        let why = health["not_ready"].as_str().unwrap();
        assert!(why.contains("process 1 (127.0.0.1:"), "{why}");
    }
    let stats = process.json("/api/v1/stats");
    assert!(stats["peers"][0]["rows"].as_u64().unwrap() > 10_000, "{}", stats["peers"]);
    assert!(stats["peers"][0]["trouble"].as_str().unwrap().contains("process 1"), "{}", stats["peers"]);
    let (_, _, metrics) = process.ask("GET", "/metrics", "", "");
    let value = |name: &str| {
        let line = metrics.lines().find(|line| line.starts_with(&format!("{name}{{peer=\"1\"}} ")));
        line.unwrap_or_else(|| panic!("no {name}: {metrics}")).rsplit(' ').next().unwrap().parse::<f64>().unwrap()
    };
    assert!(value("highwater_peer_bytes") > 1e6 && value("highwater_peer_rows") > 10_000.0);
    eventually("its silence is told", || {
        process.json("/api/v1/stats")["peers"][0]["silent_seconds"].as_f64().unwrap() > 2.0
    });

    cluster.processes[0].hears("a peer holds this process up: process 1 (127.0.0.1:");

    // It goes on, and with it everything that was taken.
    signal(&cluster.processes[1], "-CONT");
    eventually("all that was taken is shown", || cluster.total_of(0, "sums") == sent as i64);
    eventually("it is ready", || cluster.processes[0].ask("GET", "/readyz", "", "").0 == 200);
    assert!(cluster.processes[0].hears(") goes on").contains("process 1 (127.0.0.1:"));
    sent += cluster.processes[0].post(EVENTS, &body)["accepted"].as_u64().unwrap();
    eventually("and goes on", || (0..2).all(|at| cluster.total_of(at, "sums") == sent as i64));
    cluster.processes[1].terminate();
    for process in &mut cluster.processes {
        assert_eq!(process.ends().code(), Some(0), "{:?}", process.said);
    }
}

#[test]
fn a_stuck_peer_is_noticed_in_time() {
    let mut cluster = Cluster::start_with(PROGRAM, &["--peer-timeout", "2s"]);
    // A peer that has nothing to do gives signs all the same.
    std::thread::sleep(Duration::from_secs(4));
    assert_eq!(cluster.processes[0].ask("GET", "/readyz", "", "").0, 200);
    signal(&cluster.processes[1], "-STOP");
    let stopped = Instant::now();
    let status = cluster.processes[0].ends();
    assert_eq!(status.code(), Some(1), "{:?}", cluster.processes[0].said);
    let took = stopped.elapsed();
    assert!(took >= Duration::from_millis(1_500) && took < Duration::from_secs(12), "{took:?}");
    let said = cluster.processes[0].said.join("\n");
    assert!(said.contains("peer process 1 (127.0.0.1:") && said.contains("no sign of life"), "{said}");
    signal(&cluster.processes[1], "-CONT");
    assert_eq!(cluster.processes[1].ends().code(), Some(1), "{:?}", cluster.processes[1].said);
}

/// What a network does with bytes.
const CARRIES: u8 = 0;
/// They come when it carries again.
const HOLDS: u8 = 1;
/// They go nowhere, and connections stand.
const DROPS: u8 = 2;

/// Carries what comes in either direction, as long as it does.
fn line(to: u16) -> (u16, Arc<AtomicU8>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (port, state) = (listener.local_addr().unwrap().port(), Arc::new(AtomicU8::new(CARRIES)));
    let shared = state.clone();
    std::thread::spawn(move || {
        for from in listener.incoming().map_while(Result::ok) {
            let Ok(onward) = TcpStream::connect(("127.0.0.1", to)) else { continue };
            for (mut from, mut to) in [(from.try_clone().unwrap(), onward.try_clone().unwrap()), (onward, from)] {
                let state = shared.clone();
                std::thread::spawn(move || {
                    let drops = || state.load(Ordering::Acquire) == DROPS;
                    let mut bytes = [0; 65_536];
                    while let Ok(read @ 1..) = from.read(&mut bytes) {
                        while state.load(Ordering::Acquire) == HOLDS {
                            std::thread::sleep(Duration::from_millis(5));
                        }
                        if !drops() && to.write_all(&bytes[..read]).is_err() {
                            break;
                        }
                    }
                    if !drops() {
                        let _ = to.shutdown(Shutdown::Write);
                    }
                });
            }
        }
    });
    (port, state)
}

/// Two processes that have met, the second of which reaches the first over a line.
fn over_a_line(peer_timeout: &str) -> (tempfile::TempDir, [Process; 2], Arc<AtomicU8>) {
    let folder = folder(PROGRAM);
    let taken: Vec<TcpListener> = (0..2).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    let ports: Vec<u16> = taken.iter().map(|listener| listener.local_addr().unwrap().port()).collect();
    drop(taken);
    let (between, state) = line(ports[0]);
    for (process, first) in [ports[0], between].into_iter().enumerate() {
        let hosts = format!("127.0.0.1:{first}\n127.0.0.1:{}\n", ports[1]);
        fs::write(folder.path().join(format!("hosts{process}")), hosts).unwrap();
    }
    let start = |process: &str, hosts: &str| {
        let args = ["-w", "1", "-n", "2", "--hostfile", hosts, "-p", process, "--peer-timeout", peer_timeout];
        Process::spawn(folder.path(), &args)
    };
    // The line has to find a listener behind it.
    let first = start("0", "hosts0");
    eventually("it listens", || {
        let listening = fs::read_to_string("/proc/net/tcp").unwrap();
        listening.contains(&format!("0100007F:{:04X} 00000000:0000 0A", ports[0]))
    });
    let mut processes = [first, start("1", "hosts1")];
    for process in &mut processes {
        let line = process.hears("serving http://");
        process.address = line.rsplit("http://").next().unwrap().trim().parse().unwrap();
    }
    for process in &processes {
        eventually("they have met", || process.ask("GET", "/readyz", "", "").0 == 200);
    }
    (folder, processes, state)
}

#[test]
fn a_network_that_carries_nothing_more_is_noticed_by_both() {
    let (_folder, mut processes, line) = over_a_line("2s");
    assert_eq!(processes[0].post(EVENTS, "{\"page\":\"a\",\"ms\":1,\"ts\":1}")["accepted"], 1);
    line.store(DROPS, Ordering::Release);
    let since = Instant::now();
    for process in &mut processes {
        assert_eq!(process.ends().code(), Some(1), "{:?}", process.said);
        assert!(process.said.iter().any(|line| line.contains("no sign of life")), "{:?}", process.said);
    }
    assert!(since.elapsed() < Duration::from_secs(15), "{:?}", since.elapsed());
}

/// Pauses that are shorter than the time of a peer, while both take rows: afterwards both show all of them.
#[test]
fn a_network_that_pauses_loses_nothing() {
    let (_folder, mut processes, line) = over_a_line("30s");
    let mut sent = 0;
    for pause in 0..3 {
        line.store(HOLDS, Ordering::Release);
        let until = Instant::now() + Duration::from_millis(500 + 1_000 * pause);
        while Instant::now() < until {
            for process in &processes {
                let body: String = (0..50)
                    .map(|row| format!("{{\"page\":\"{}\",\"ms\":1,\"ts\":{}}}\n", row % 40, sent + row))
                    .collect();
                let (status, _, answer) = process.ask("POST", EVENTS, "", &body);
                assert!(matches!(status, 202 | 429), "{answer}");
                if status == 202 {
                    sent += serde_json::from_str::<Value>(&answer).unwrap()["accepted"].as_u64().unwrap();
                }
            }
        }
        line.store(CARRIES, Ordering::Release);
        for process in &processes {
            eventually("both show what both took", || {
                let rows = process.json("/api/v1/views/sums/rows?limit=1000");
                rows["rows"].as_array().unwrap().iter().map(|row| row["n"].as_u64().unwrap()).sum::<u64>() == sent
            });
        }
    }
    assert!(sent > 1_000, "{sent} rows");
    processes[0].terminate();
    for process in &mut processes {
        assert_eq!(process.ends().code(), Some(0), "{:?}", process.said);
    }
}
