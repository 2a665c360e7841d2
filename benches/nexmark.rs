//! Nexmark, query by query: rows/s on one worker and on two, and peak memory, with the events in memory before the clock starts.
//!
//! `cargo bench --bench nexmark -- [--events N] [--workers A,B,...] [--runs N] [QUERY...]` runs the programs in
//! `dataflows/nexmark`, each in a process of its own. Of every source the columns that its query reads are generated and
//! kept as Arrow batches of 8192 rows; then the clock starts, and the sources replay those batches. It stops when
//! everything is written to a sink that forgets it. The median of the runs is shown.
//!
//! `events` counts persons, auctions and bids, as Nexmark does; **rows** are those of the tables that a query reads (46 of 50
//! for bids, 4 of 50 for persons and auctions together), and rates are of rows. `times` is the rate on one worker over that of
//! another engine on such a machine, where there is one to beat. `input` is the size of the batches, `peak` the most memory that the process
//! held during the runs with the first number of workers, the input included.

mod replay;

use std::path::Path;
use std::process::Command;

use highwater::engine::{Config, Engine};
use highwater::sql::{Catalog, plan};
use replay::{REPLAYS, held_mib, peak_mib};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/dataflows/nexmark");

/// The replay alone: the columns that most queries need, dropped at once.
const SOURCE_ALONE: &str = "CREATE TABLE bid (WATERMARK FOR `dateTime` AS `dateTime` - INTERVAL '4' SECOND)
    WITH ('connector' = 'nexmark', 'table' = 'bid', 'events.num' = '1000000');
    CREATE SINK s WITH ('connector' = 'blackhole') AS SELECT auction, bidder, price FROM bid WHERE price < 0";

/// Rows/s to beat, in millions.
const REFERENCE: &[(&str, f64)] = &[
    ("q0", 2.8),
    ("q3", 2.6),
    ("q4", 1.55),
    ("q5", 1.3),
    ("q7", 0.5),
    ("q8", 1.8),
    ("q9", 0.37),
    ("q17", 0.64),
    ("q18", 0.66),
    ("q20", 0.81),
];

struct Arguments {
    events: u64,
    workers: Vec<usize>,
    runs: usize,
    queries: Vec<String>,
    child: bool,
}

fn main() {
    let arguments = arguments();
    if arguments.child {
        return run(&arguments);
    }
    let queries = match arguments.queries.is_empty() {
        true => std::iter::once("source".to_owned()).chain(all()).collect(),
        false => arguments.queries.clone(),
    };
    println!("{} events in memory before the clock starts, median of {} run(s)", arguments.events, arguments.runs);
    let rates: String =
        arguments.workers.iter().map(|workers| format!(" {:>12}", format!("M/s, {workers} w"))).collect();
    println!(
        "{:<10} {:>10}{rates} {:>9} {:>6} {:>10} {:>10}",
        "query", "rows", "reference", "times", "input MiB", "peak MiB"
    );
    for query in queries {
        let Told { rows, seconds, input, peak } = in_a_process(&query, &arguments);
        let rate = |seconds: &f64| rows as f64 / seconds / 1e6;
        let rates: String = seconds.iter().map(|seconds| format!(" {:>12.2}", rate(seconds))).collect();
        let reference = REFERENCE.iter().find(|(name, _)| *name == query).map(|(_, reference)| *reference);
        let shown = reference.map_or_else(String::new, |reference| format!("{reference:.2}"));
        let times = reference.map_or_else(String::new, |reference| format!("{:.1}", rate(&seconds[0]) / reference));
        println!("{query:<10} {rows:>10}{rates} {shown:>9} {times:>6} {input:>10} {peak:>10}");
    }
}

fn arguments() -> Arguments {
    let mut arguments =
        Arguments { events: 10_000_000, workers: vec![1, 2], runs: 3, queries: Vec::new(), child: false };
    let mut given = std::env::args().skip(1);
    while let Some(argument) = given.next() {
        let mut number = || given.next().and_then(|text| text.parse().ok()).expect("a number after the option");
        match argument.as_str() {
            "--events" => arguments.events = number(),
            "--workers" => {
                let list = given.next().expect("numbers after the option");
                arguments.workers = list.split(',').map(|text| text.parse().expect("a number of workers")).collect();
            }
            "--runs" => arguments.runs = number() as usize,
            "--child" => arguments.child = true,
            "--bench" => {}
            query => arguments.queries.push(query.to_owned()),
        }
    }
    arguments
}

/// The queries of the folder, in their order.
fn all() -> Vec<String> {
    let files = std::fs::read_dir(FOLDER).expect("the folder of queries");
    let paths = files.filter_map(|file| Some(file.ok()?.path()));
    let programs = paths.filter(|path| path.extension().is_some_and(|extension| extension == "sql"));
    let mut queries: Vec<String> = programs.filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned())).collect();
    queries.sort_by_key(|query| {
        let digits: String = query.chars().filter(char::is_ascii_digit).collect();
        (digits.parse::<u32>().unwrap_or(0), query.clone())
    });
    queries
}

/// What a child says: rows of a run, median seconds per number of workers, MiB.
struct Told {
    rows: u64,
    seconds: Vec<f64>,
    input: u64,
    peak: u64,
}

/// Runs a query in a process of its own, for its peak memory.
fn in_a_process(query: &str, arguments: &Arguments) -> Told {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    let workers = arguments.workers.iter().map(usize::to_string).collect::<Vec<_>>().join(",");
    command.args(["--child", "--events", &arguments.events.to_string(), "--workers", &workers]);
    command.args(["--runs", &arguments.runs.to_string()]);
    let output = command.arg(query).output().expect("the run starts");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let numbers: Vec<f64> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    match &numbers[..] {
        [rows, input, peak, seconds @ ..] if seconds.len() == arguments.workers.len() => {
            Told { rows: *rows as u64, seconds: seconds.to_vec(), input: *input as u64, peak: *peak as u64 }
        }
        _ => panic!("{query} failed: {}{}", text, String::from_utf8_lossy(&output.stderr)),
    }
}

fn run(arguments: &Arguments) {
    let query = &arguments.queries[0];
    let text = match query.as_str() {
        "source" => SOURCE_ALONE.to_owned(),
        _ => std::fs::read_to_string(Path::new(FOLDER).join(format!("{query}.sql"))).expect("a query of the folder"),
    };
    let text = text.replace("'events.num' = '1000000'", &format!("'events.num' = '{}'", arguments.events));
    let written = std::env::temp_dir().join(format!("highwater-nexmark-{}", std::process::id()));
    let text = text.replace("'path' = 'out/", &format!("'path' = '{}/", written.display()));
    let catalog = Catalog::new().with_connectors(REPLAYS);
    let dataflow = plan(&[(query.clone(), text)], &catalog)
        .unwrap_or_else(|errors| panic!("{}", errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")));
    let (mut rows, mut peak, mut medians) = (0, None, Vec::new());
    for &workers in &arguments.workers {
        let mut seconds = Vec::new();
        for _ in 0..arguments.runs {
            let config = Config { workers, ..Config::default() };
            let summary =
                Engine::start(dataflow.clone(), config).and_then(|engine| engine.wait()).expect("the run ends");
            rows = summary.rows_received;
            seconds.push(summary.seconds);
            let _ = std::fs::remove_dir_all(&written);
            peak = peak.max((workers == arguments.workers[0]).then(peak_mib));
        }
        seconds.sort_by(f64::total_cmp);
        medians.push(seconds[seconds.len() / 2]);
    }
    let seconds = medians.iter().map(f64::to_string).collect::<Vec<_>>().join(" ");
    println!("{rows} {} {} {seconds}", held_mib(), peak.unwrap_or(0));
}
