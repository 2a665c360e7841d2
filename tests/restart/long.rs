//! A log of several segments: a start knows what it needs from the last summary, without reading all of it first.

use std::fs;
use std::path::Path;

use super::process::*;

const PROGRAM: &str = "
CREATE SOURCE clicks (id VARCHAR, page VARCHAR, text VARCHAR, ts TIMESTAMP(3), WATERMARK FOR ts AS ts)
  WITH ('connector' = 'http', 'format' = 'json', 'dedup.key' = 'id', 'dedup.horizon' = '1 hour');
CREATE TABLE notes (page VARCHAR PRIMARY KEY, note VARCHAR);
CREATE MATERIALIZED VIEW totals AS SELECT page, COUNT(*) AS n FROM clicks GROUP BY page;
CREATE MATERIALIZED VIEW noted AS SELECT c.id, n.note FROM clicks c JOIN notes n ON c.page = n.page WHERE c.id = 'r7';
CREATE SINK ids WITH ('connector' = 'filesystem', 'path' = 'ids.ndjson', 'format' = 'json') AS SELECT id FROM clicks;
";
const EVENTS: &str = "/api/v1/sources/clicks/events";
/// Of this many bytes.
const TEXT: usize = 1_000_000;
const ROWS: usize = 210;

fn row(n: usize, text: usize) -> String {
    format!("{{\"id\":\"r{n}\",\"page\":\"p\",\"ts\":1,\"text\":\"{}\"}}\n", "x".repeat(text))
}

fn data(folder: &Path, what: &str) -> String {
    let output = highwater(folder).args(["data", what, "data"]).output().unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stderr));
    told
}

#[test]
fn a_start_reads_the_end_of_the_log_before_it_takes_rows_and_all_of_it_before_it_is_ready() {
    let folder = folder(PROGRAM);
    let process = Process::start(folder.path(), &["-w", "1"]);
    let noted = process.ask("POST", "/api/v1/tables/notes/rows", "{\"page\":\"p\",\"note\":\"of p\"}");
    assert_eq!(noted.0, 200, "{}", noted.1);
    for n in 0..ROWS {
        eventually("it has room", || process.ask("POST", EVENTS, &row(n, TEXT)).0 == 202);
    }
    eventually("all shows", || process.shows("totals", &format!("\"n\":{ROWS}")));
    process.kill();
    let held = data(folder.path(), "inspect");
    assert!(held.contains("summary of what is before"), "{held}");
    let told = data(folder.path(), "verify");
    assert!(told.contains(", 3 summaries") || told.contains(", 4 summaries"), "{told}");

    let mut names: Vec<String> = fs::read_dir(folder.path().join("data"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".log"))
        .collect();
    names.sort();
    // D9: what a start does not need at once is read, and refused, when it comes to it.
    let (name, place) = (&names[1], 30 << 20);
    let file = folder.path().join("data").join(name);
    let whole = fs::read(&file).unwrap();
    let mut damaged = whole.clone();
    damaged[place] ^= 1;
    fs::write(&file, &damaged).unwrap();
    let mut process = Process::spawn(folder.path(), &["-w", "1"]);
    assert_ne!(process.ends().code(), Some(0), "{:?}", process.said);
    let said = process.said.join("\n");
    assert!(said.contains("the log is damaged") && said.contains(name) && said.contains("at byte"), "{said}");

    fs::write(&file, &whole).unwrap();
    for _ in 0..2 {
        let process = Process::early(folder.path(), &["-w", "1"]);
        // It was taken before, or is now.
        let told = process.post(EVENTS, &row(ROWS, 1));
        process.is_ready();
        process.complete(&told["token"]);
        assert!(process.shows("totals", &format!("\"n\":{}", ROWS + 1)), "{:?}", process.rows("totals"));
        assert!(process.shows("noted", "of p"));
        assert_eq!(process.stop().code(), Some(0));
    }
    assert_eq!(fs::read_to_string(folder.path().join("ids.ndjson")).unwrap().lines().count(), ROWS + 1);
    data(folder.path(), "verify");
}
