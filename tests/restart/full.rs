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

/// A source that reads waits for room in the log when the run is stopped: what it had taken by then is not there, and nothing behind it.
#[test]
fn d11_a_stop_while_the_disk_is_full_leaves_what_a_start_goes_on_with() {
    let folder = folder(
        "CREATE SOURCE t (i BIGINT, s VARCHAR) WITH ('connector' = 'filesystem', 'path' = 'in', 'format' = 'json', 'source.monitor-interval' = '100 ms');
        CREATE MATERIALIZED VIEW counted AS SELECT COUNT(*) AS n FROM t;",
    );
    let [data, read] = ["data", "in"].map(|name| folder.path().join(name));
    fs::create_dir(&data).unwrap();
    fs::create_dir(&read).unwrap();
    if !mount("size=132m", &data) {
        eprintln!("a full disk is not tried: mounting one of 132 MiB is not allowed here");
        return;
    }
    let _disk = Disk(data.clone());
    let (rows, text) = (1000, "x".repeat(200 << 10));
    let lines: Vec<String> = (0..rows).map(|i| format!("{{\"i\":{i},\"s\":\"{text}\"}}\n")).collect();
    fs::write(read.join("a.ndjson"), lines.concat()).unwrap();
    let process = Process::start(folder.path(), &["-w", "1"]);
    eventually("the disk is full", || process.ask("GET", "/metrics", "").1.contains("highwater_log_disk_full 1\n"));
    process.stop();
    let grown = Command::new("mount").args(["-o", "remount,size=600m"]).arg(&data).status().unwrap();
    assert!(grown.success());
    let process = Process::start(folder.path(), &["-w", "1"]);
    eventually("all is read", || process.rows("counted").first().is_some_and(|row| row.contains("\"n\":1000")));
}

/// The disk of a sink is full when a run starts: it is ready once all that stood there was compared, and not before; what comes then waits
/// for room.
#[test]
fn d5_a_start_with_a_full_sink_disk_is_ready_once_what_stands_there_was_compared() {
    let program = PROGRAM.to_owned()
        + "CREATE SINK kept WITH ('connector' = 'filesystem', 'path' = 'out/kept.csv', 'format' = 'csv') AS SELECT i, s FROM t;\n";
    let folder = folder(&program);
    let out = folder.path().join("out");
    fs::create_dir(&out).unwrap();
    if !mount("size=2m", &out) {
        eprintln!("a full disk is not tried: mounting one is not allowed here");
        return;
    }
    let _disk = Disk(out.clone());
    let (path, filler) = (out.join("kept.csv"), out.join("filler"));
    let text = "x".repeat(1_000);
    let send = |process: &Process, rows: std::ops::Range<u64>| {
        let body: String = rows.map(|n| format!("{{\"i\":{n},\"s\":\"{text}\"}}\n")).collect();
        process.post(EVENTS, &body)
    };
    let fill = || {
        let mut file = fs::File::create(&filler).unwrap();
        while std::io::Write::write(&mut file, &[1; 512]).is_ok_and(|written| written > 0) {}
    };
    let lines = || fs::read_to_string(&path).unwrap_or_default().lines().count();
    let process = Process::start(folder.path(), &["-w", "1"]);
    send(&process, 0..100);
    eventually("they are written", || lines() == 101);
    // More comes than there is room for.
    fill();
    process.complete(&send(&process, 100..150)["token"]);
    process.kill();
    let process = Process::start(folder.path(), &["-w", "1"]);
    let (there, ready) = (fs::read(&path).unwrap(), process.json("/api/v1/views/counted/rows")["rows"][0]["n"].clone());
    assert_eq!(ready, 150);
    assert!(there.len() > 100_000, "{}", there.len());
    fs::remove_file(&filler).unwrap();
    eventually("the rest is written once there is room", || lines() == 151);
    assert_eq!(process.stop().code(), Some(0));
    // A power cut has taken a page, for which there is no room; what stands behind it is of others.
    let whole = fs::read(&path).unwrap();
    let (hole, cut) = (8_192..12_288, |bytes: &[u8]| {
        fs::remove_file(&path).unwrap();
        let file = fs::File::create(&path).unwrap();
        std::os::unix::fs::FileExt::write_all_at(&file, &bytes[..8_192], 0).unwrap();
        std::os::unix::fs::FileExt::write_all_at(&file, &bytes[12_288..], 12_288).unwrap();
    });
    assert!(whole.len() > hole.end);
    cut(&whole);
    fill();
    let mut process = Process::spawn(folder.path(), &["-w", "1"]);
    let line = process.hears("serving http://");
    process.address = line.rsplit("http://").next().unwrap().trim().parse().unwrap();
    process.has_said("sink 'kept'");
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert_eq!(process.ask("GET", "/readyz", "").0, 503, "a page is not compared yet");
    fs::remove_file(&filler).unwrap();
    eventually("it is ready once there is room", || process.ask("GET", "/readyz", "").0 == 200);
    assert!(fs::read(&path).unwrap() == whole);
    process.kill();
    let mut foreign = whole.clone();
    foreign[20_000] ^= 1;
    cut(&foreign);
    fill();
    let mut process = Process::spawn(folder.path(), &["-w", "1"]);
    process.has_said("sink 'kept'");
    fs::remove_file(&filler).unwrap();
    assert_eq!(process.ends().code(), Some(1));
    let said = process.said.join("\n");
    assert!(said.contains("at byte 20000 stands something else") && !said.contains("went on from"), "{said}");
}
