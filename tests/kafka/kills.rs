//! Runs with a data directory that are killed, of one process and of two: every row is there once.

use std::net::TcpListener;
use std::path::Path;

use super::broker::*;
use super::process::{Process, eventually as within, folder, highwater};

fn program(broker: &Broker, options: &str) -> String {
    let source =
        broker.source("s", "n BIGINT, o BIGINT METADATA FROM 'offset', p INT METADATA FROM 'partition'", options);
    format!(
        "{source} CREATE MATERIALIZED VIEW v AS SELECT p, COUNT(*) AS n, COUNT(DISTINCT n) AS distinct_n, SUM(n) AS total FROM s GROUP BY p;"
    )
}

fn write(broker: &Broker, topic: &str, range: std::ops::Range<i64>) {
    let lines: Vec<String> = range.map(|n| format!("{{\"n\":{n}}}")).collect();
    for partition in 0..3 {
        broker.write(topic, partition, lines.iter().map(String::as_str));
    }
}

/// What is to be seen once so many have come.
fn expected(many: i64) -> Vec<String> {
    let row = |p: i64| format!("{{\"distinct_n\":{many},\"n\":{many},\"p\":{p},\"total\":{}}}", many * (many - 1) / 2);
    (0..3).map(row).collect()
}

fn seen(process: &Process) -> Vec<String> {
    let rows = process.json("/api/v1/views/v/rows?limit=100")["rows"].take();
    let only = |row: &serde_json::Value| {
        let row = row.get("row").unwrap_or(row);
        serde_json::json!({"p": row["p"], "n": row["n"], "distinct_n": row["distinct_n"], "total": row["total"]})
            .to_string()
    };
    let mut rows: Vec<String> = rows.as_array().unwrap().iter().map(only).collect();
    rows.sort();
    rows
}

#[test]
fn kills_with_a_data_directory_leave_every_row_once() {
    let Some(broker) = broker() else { return };
    let topic = broker.topic("kills", 3);
    let folder = folder(&program(
        broker,
        &format!(
            "'topic' = '{topic}', 'format' = 'json', 'properties.group.id' = '{topic}',
        'properties.auto.offset.reset' = 'earliest', 'properties.auto.commit.interval.ms' = '100'"
        ),
    ));
    let mut there = 0;
    for round in 0..8_i64 {
        let process = Process::start(folder.path(), &["-w", if round % 2 == 0 { "1" } else { "2" }]);
        let more = there + 1000;
        write(broker, &topic, there..more);
        there = more;
        if round % 2 == 0 {
            within("some of it shows", || !seen(&process).is_empty());
            std::thread::sleep(std::time::Duration::from_millis(20 * round.unsigned_abs()));
        } else {
            within("all of it shows", || seen(&process) == expected(there));
        }
        process.kill();
    }
    let process = Process::start(folder.path(), &[]);
    within("every row is there once", || seen(&process) == expected(there));
    drop(process);
}

#[test]
fn what_latest_meant_at_the_first_start_is_what_it_means_after_a_kill() {
    let Some(broker) = broker() else { return };
    let topic = broker.topic("latest", 3);
    write(broker, &topic, 0..50);
    let folder = folder(&program(
        broker,
        &format!("'topic' = '{topic}', 'format' = 'json', 'scan.startup.mode' = 'latest-offset'"),
    ));
    let process = Process::start(folder.path(), &[]);
    within("its partitions are opened", || {
        let about = process.json("/api/v1/sources/s");
        about["state"] == "running"
            && about["splits"].as_array().unwrap().iter().all(|split| split["state"] == "running")
    });
    std::thread::sleep(std::time::Duration::from_millis(300));
    process.kill();
    // While nobody reads.
    write(broker, &topic, 0..20);
    let process = Process::start(folder.path(), &[]);
    within("what came while it was away is read, and nothing of before", || seen(&process) == expected(20));
}

fn two(folder: &Path) -> [Process; 2] {
    let spawn = |number: usize| {
        let mut command = highwater(folder);
        let (process, data) = (number.to_string(), format!("data{number}"));
        command.args(["run", "p.sql", "--listen", "127.0.0.1:0", "-w", "1", "-n", "2", "-p", &process]);
        command.args(["--hostfile", "hosts", "--data-dir", &data]);
        let mut process = Process::of(&mut command);
        process.serves();
        process
    };
    let both = [spawn(0), spawn(1)];
    both.iter().for_each(Process::is_ready);
    both
}

#[test]
fn two_processes_share_the_partitions_and_are_killed_together() {
    let Some(broker) = broker() else { return };
    let topic = broker.topic("two", 3);
    let folder = folder(&program(broker, &format!("'topic' = '{topic}', 'format' = 'json'")));
    let taken: Vec<TcpListener> = (0..2).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    let lines: String = taken.iter().map(|listener| format!("{}\n", listener.local_addr().unwrap())).collect();
    drop(taken);
    std::fs::write(folder.path().join("hosts"), lines).unwrap();
    let mut there = 0;
    for _ in 0..3 {
        let [one, other] = two(folder.path());
        write(broker, &topic, there..there + 500);
        there += 500;
        within("both processes show all rows", || seen(&one) == expected(there) && seen(&other) == expected(there));
        one.kill();
        other.kill();
    }
}
