//! How files of sinks end: what an orderly stop, a kill and a power cut leave, and that every start goes on behind it or says at once
//! that it cannot.

use std::fs;
use std::path::Path;

use super::process::*;

/// What ends a stream of Arrow.
const END_MARK: [u8; 8] = [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];

const FORMATS: [(&str, &str); 5] =
    [("json", "json"), ("csv", "csv"), ("msgpack", "msgpack"), ("arrow", "arrow"), ("parquet", "parquet")];

/// Every format as a file, a folder, and folders by partition, of rows that are only added and of ones that are taken back.
fn program() -> String {
    let mut program = "CREATE SOURCE ev (id BIGINT, k INT) WITH ('connector' = 'http', 'format' = 'json');
CREATE VIEW added AS SELECT id, k FROM ev;
CREATE VIEW totals AS SELECT k, COUNT(*) AS n FROM ev GROUP BY k;
CREATE MATERIALIZED VIEW shown AS SELECT COUNT(*) AS n FROM ev;\n"
        .to_owned();
    for (format, ending) in FORMATS {
        for (view, partition) in [("added", "k"), ("totals", "k")] {
            for (kind, path, by) in [
                ("file", format!("out/{view}.{ending}"), String::new()),
                ("folder", format!("out/{view}-{format}/"), String::new()),
                ("parts", format!("out/{view}-{format}-by/"), format!("PARTITIONED BY ({partition})")),
            ] {
                program += &format!(
                    "CREATE SINK {view}_{format}_{kind} {by} WITH ('connector' = 'filesystem', 'path' = '{path}', 'format' = '{format}')
                       AS SELECT * FROM {view};\n"
                );
            }
        }
    }
    program
}

fn send(process: &Process, ids: std::ops::Range<i64>) {
    let body: String = ids.map(|id| format!("{{\"id\":{id},\"k\":{}}}\n", id % 3)).collect();
    process.complete(&process.post("/api/v1/sources/ev/events", &body)["token"]);
}

fn lines(folder: &Path, name: &str) -> usize {
    fs::read_to_string(folder.join("out").join(name)).unwrap_or_default().lines().count()
}

/// The identifiers that a stream of Arrow holds, with or without its end.
fn ids(path: &Path) -> Vec<i64> {
    let reader = arrow_ipc::reader::StreamReader::try_new(fs::File::open(path).unwrap(), None).unwrap();
    let batches = reader.map(|batch| batch.unwrap().column(0).clone());
    batches
        .flat_map(|ids| {
            arrow_array::cast::AsArray::as_primitive::<arrow_array::types::Int64Type>(&ids).values().to_vec()
        })
        .collect()
}

#[test]
fn d5_every_format_goes_on_behind_stops_and_kills() {
    let folder = folder(&program());
    let out = folder.path().join("out");
    let grows = ["added.json", "added.csv", "added.msgpack", "added.arrow", "totals.arrow", "added-arrow/part-0.arrow"];
    let lengths = || grows.map(|name| fs::metadata(out.join(name)).map_or(0, |found| found.len()));
    // Stopped before anything came.
    assert_eq!(Process::start(folder.path(), &["-w", "1"]).stop().code(), Some(0));
    let mut sent = 0;
    for round in 0..6 {
        let process = Process::start(folder.path(), &["-w", "1"]);
        let before = lengths();
        // One start takes nothing.
        if round != 3 {
            send(&process, sent..sent + 7);
            sent += 7;
            eventually("it is written", || lines(folder.path(), "added.json") as i64 == sent);
        }
        match round % 2 {
            0 => assert_eq!(process.stop().code(), Some(0)),
            _ => process.kill(),
        }
        let after = lengths();
        assert!(before.iter().zip(after).all(|(before, after)| *before <= after), "{before:?} {after:?}");
        for name in ["added.arrow", "totals.arrow", "added-arrow/part-0.arrow"] {
            assert!(!fs::read(out.join(name)).unwrap().ends_with(&END_MARK), "{name} goes on");
        }
    }
    assert_eq!(Process::start(folder.path(), &["-w", "1"]).stop().code(), Some(0));
    let all: Vec<i64> = (0..sent).collect();
    assert_eq!(ids(&out.join("added.arrow")), all);
    assert_eq!(ids(&out.join("added-arrow/part-0.arrow")), all);
    let of_lines = |name: &str| lines(folder.path(), name) as i64;
    assert_eq!(
        (of_lines("added.csv"), of_lines("added.json"), of_lines("added-json/part-0.json")),
        (sent + 1, sent, sent)
    );
    for (format, ending) in FORMATS {
        let file = fs::read(out.join(format!("added.{ending}"))).unwrap();
        let part = fs::read(out.join(format!("added-{format}-by/k=0/part-0.{ending}"))).unwrap();
        assert!(file.len() > 50 && part.len() > 20, "{format}");
        let folder = fs::read(out.join(format!("added-{format}/part-0.{ending}"))).unwrap();
        // The files of a folder of Parquet are ended at each stop.
        assert!(file == folder || format == "parquet", "{format}");
    }
}

/// Versions of before, and runs that ended by themselves, leave the end of a stream of Arrow: what comes takes its place.
#[test]
fn d5_the_end_of_a_stream_gives_way_to_what_follows() {
    let folder = folder(&program());
    let path = folder.path().join("out/added.arrow");
    let process = Process::start(folder.path(), &["-w", "1"]);
    send(&process, 0..3);
    assert_eq!(process.stop().code(), Some(0));
    let ended = [fs::read(&path).unwrap(), END_MARK.to_vec()].concat();
    fs::write(&path, &ended).unwrap();
    // Nothing came: it stays.
    assert_eq!(Process::start(folder.path(), &["-w", "1"]).stop().code(), Some(0));
    assert!(fs::read(&path).unwrap() == ended);
    let process = Process::start(folder.path(), &["-w", "1"]);
    send(&process, 3..5);
    assert_eq!(process.stop().code(), Some(0));
    assert_eq!(ids(&path), [0, 1, 2, 3, 4]);
}

/// What a power cut leaves behind the last row is cut off before it is ready; what others wrote is refused before it is ready.
#[test]
fn what_stands_behind_the_last_row_is_looked_at_before_it_is_ready() {
    let folder = folder(&program());
    let names = ["added.json", "added.csv", "added.msgpack", "added.arrow", "totals.json", "added-csv/part-0.csv"];
    let path = |name: &str| folder.path().join("out").join(name);
    let process = Process::start(folder.path(), &["-w", "1"]);
    send(&process, 0..5);
    assert_eq!(process.stop().code(), Some(0));
    let whole: Vec<Vec<u8>> = names.iter().map(|name| fs::read(path(name)).unwrap()).collect();
    for (name, bytes) in names.iter().zip(&whole) {
        fs::write(path(name), [bytes.as_slice(), &[0; 4_321]].concat()).unwrap();
    }
    let process = Process::start(folder.path(), &["-w", "1"]);
    for (name, bytes) in names.iter().zip(&whole) {
        assert!(fs::read(path(name)).unwrap() == *bytes, "{name} before anything comes");
    }
    assert_eq!(process.stop().code(), Some(0));
    let behind: [&[u8]; 3] = [b"\n", b"{\"id\":9}\n", b"\0\0\0x"];
    for ((name, bytes), behind) in names.iter().zip(&whole).zip(behind.iter().cycle()) {
        let foreign = [bytes.as_slice(), behind].concat();
        fs::write(path(name), &foreign).unwrap();
        let mut process = Process::spawn(folder.path(), &["-w", "1"]);
        assert_eq!(process.ends().code(), Some(1), "{name}");
        let (said, byte) = (process.said.join("\n"), bytes.len());
        assert!(!said.contains("went on from"), "{name}: it was ready: {said}");
        let told = format!("from byte {byte} on it holds {} byte", behind.len());
        assert!(said.contains(name) && said.contains(&told), "{said}");
        assert!(fs::read(path(name)).unwrap() == foreign, "{name} was not touched");
        fs::write(path(name), bytes).unwrap();
    }
    let process = Process::start(folder.path(), &["-w", "1"]);
    send(&process, 5..9);
    assert_eq!(process.stop().code(), Some(0));
    assert_eq!(ids(&path("added.arrow")), (0..9).collect::<Vec<i64>>());
}
