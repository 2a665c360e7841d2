//! A disk without room for more: rows are refused, the rest is served, and it goes on when there is room (D11).

use std::fs;
use std::process::Command;

use super::process::*;

const PROGRAM: &str = "
CREATE SOURCE t (i BIGINT, s VARCHAR) WITH ('connector' = 'http', 'format' = 'json');
CREATE TABLE notes (k BIGINT PRIMARY KEY, note VARCHAR);
CREATE MATERIALIZED VIEW counted AS SELECT COUNT(*) AS n FROM t;
";

const EVENTS: &str = "/api/v1/sources/t/events";

/// A disk in memory; unmounted when it is done with.
struct Disk(std::path::PathBuf);

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

fn mount(options: &str, folder: &std::path::Path) -> bool {
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(folder).output();
    mounted.is_ok_and(|mounted| mounted.status.success())
}

#[test]
fn d11_a_full_disk_refuses_rows_serves_on_and_goes_on_when_there_is_room() {
    let folder = folder(PROGRAM);
    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    // Two segments of 64 MiB.
    if !mount("size=132m", &data) {
        eprintln!("a full disk is not tried: mounting one of 132 MiB is not allowed here");
        return;
    }
    let _disk = Disk(data.clone());
    let process = Process::start(folder.path(), &["-w", "1"]);
    let text = "x".repeat(200 << 10);
    let body =
        |at: u64| -> String { (0..10).map(|n| format!("{{\"i\":{},\"s\":\"{text}\"}}\n", at * 10 + n)).collect() };
    let (mut taken, mut full) = (0, String::new());
    for at in 0..200 {
        match process.ask("POST", EVENTS, &body(at)) {
            (202, _) => taken += 10,
            // The workers are behind.
            (429, _) => std::thread::sleep(std::time::Duration::from_millis(20)),
            (507, answer) => {
                full = answer;
                break;
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(full.contains("the disk of the data directory is full: nothing was taken"), "{taken} rows taken, {full}");
    assert!(taken > 100, "{taken}");
    let (_, metrics) = process.ask("GET", "/metrics", "");
    assert!(metrics.contains("highwater_log_disk_full 1\n"), "{metrics}");
    assert!(metrics.contains("highwater_refusals_total{kind=\"disk_full\"} 1\n"), "{metrics}");
    let count = |process: &Process| process.json("/api/v1/views/counted/rows")["rows"][0]["n"].as_u64().unwrap();
    eventually("what was taken shows", || count(&process) == taken);
    assert_eq!(process.ask("GET", "/readyz", "").0, 200);
    // There is room again.
    let grown = Command::new("mount").args(["-o", "remount,size=400m"]).arg(&data).status().unwrap();
    assert!(grown.success());
    eventually("rows are taken again", || process.ask("POST", EVENTS, &body(500)).0 == 202);
    taken += 10;
    assert_eq!(process.ask("POST", "/api/v1/tables/notes/rows", "{\"k\":1,\"note\":\"a\"}").0, 200);
    process.kill();
    let process = Process::start(folder.path(), &["-w", "1"]);
    eventually("all is there", || count(&process) == taken);
    assert_eq!(process.json("/api/v1/tables/notes/rows")["rows"].as_array().unwrap().len(), 1);
}
