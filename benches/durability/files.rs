//! Nexmark from files, with a data directory and without, in turn: seconds of the whole process over files of five million events.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use super::pace::median;
use super::{ROUNDS, line};

const EVENTS: u64 = 5_000_000;

/// Queries of the bids alone; the others read the generator's further tables the same way.
const QUERIES: &[&str] = &["q0", "q1", "q5", "q7", "q14", "q15", "q17", "q18"];

pub fn files() {
    let folder = tempfile::tempdir().unwrap();
    let bids = "CREATE TABLE bid (WATERMARK FOR `dateTime` AS `dateTime` - INTERVAL '4' SECOND)
        WITH ('connector' = 'nexmark', 'table' = 'bid', 'events.num' = '";
    let write = format!(
        "{bids}{EVENTS}');
        CREATE SINK s WITH ('connector' = 'filesystem', 'path' = 'bids.ndjson', 'format' = 'json') AS SELECT * FROM bid;"
    );
    run(folder.path(), &write, &[]);
    let columns = "auction BIGINT, bidder BIGINT, price BIGINT, channel VARCHAR, url VARCHAR, `dateTime` TIMESTAMP(3), extra VARCHAR,";
    let from_file = format!(
        "CREATE TABLE bid ({columns} WATERMARK FOR `dateTime` AS `dateTime` - INTERVAL '4' SECOND)
        WITH ('connector' = 'filesystem', 'path' = 'bids.ndjson', 'format' = 'json');"
    );
    let mut logs = 0.0;
    for query in QUERIES {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("dataflows/nexmark/{query}.sql"));
        let text = std::fs::read_to_string(path).unwrap();
        let (before, rest) = text.split_once("CREATE TABLE bid").unwrap();
        let program = format!("{before}{from_file}{}", rest.split_once(';').unwrap().1);
        let mut seconds = [Vec::new(), Vec::new()];
        for _ in 0..ROUNDS {
            for (at, flags) in [&[][..], &["--data-dir", "data"]].into_iter().enumerate() {
                seconds[at].push(run(folder.path(), &program, flags));
                let _ = std::fs::remove_dir_all(folder.path().join("data"));
            }
        }
        let [without, with] = seconds.map(median);
        logs += (with / without).ln();
        line(&format!("{query}: s without, s with, ratio"), &format!("{without:.2}, {with:.2}, {:.3}", with / without));
    }
    line("geometric mean of the ratios", &format!("{:.3}", (logs / QUERIES.len() as f64).exp()));
}

/// Seconds of a run to its end.
fn run(folder: &Path, program: &str, flags: &[&str]) -> f64 {
    std::fs::write(folder.join("p.sql"), program).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_highwater"));
    command.args(["run", "p.sql", "--no-serve", "--exit-at-end", "-w", "1"]).args(flags).current_dir(folder);
    let begun = Instant::now();
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    begun.elapsed().as_secs_f64()
}
