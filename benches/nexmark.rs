//! Nexmark, query by query, from the built-in source: rows/s and peak memory of a whole run.
//!
//! `cargo bench --bench nexmark -- [--events N] [--workers N] [--runs N] [QUERY...]` runs the programs in `dataflows/nexmark`,
//! each run in a process of its own, and prints the median. What is timed goes from starting the engine to everything
//! written to a sink that forgets it; the generator is part of it (its own rate is the first line). `events` counts persons,
//! auctions and bids, as Nexmark does; rows are the bids among them (46 of 50).

use std::path::Path;
use std::process::Command;

use highwater::engine::{Config, Engine};
use highwater::sql::{Catalog, plan};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/dataflows/nexmark");

/// The source alone: generates the columns that most queries need, and drops them.
const SOURCE_ALONE: &str = "CREATE TABLE bid (WATERMARK FOR `dateTime` AS `dateTime` - INTERVAL '4' SECOND)
    WITH ('connector' = 'nexmark', 'table' = 'bid', 'events.num' = '1000000');
    CREATE SINK s WITH ('connector' = 'blackhole') AS SELECT auction, bidder, price FROM bid WHERE price < 0";

struct Arguments {
    events: u64,
    workers: usize,
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
    println!("{} events, {} worker(s), median of {} run(s)", arguments.events, arguments.workers, arguments.runs);
    println!("{:<12} {:>12} {:>12} {:>10}", "query", "rows", "rows/s", "peak MiB");
    for query in queries {
        let mut runs: Vec<(f64, u64, u64)> = (0..arguments.runs).map(|_| in_a_process(&query, &arguments)).collect();
        runs.sort_by(|left, right| left.0.total_cmp(&right.0));
        let (seconds, rows, peak_kib) = runs[runs.len() / 2];
        println!("{query:<12} {rows:>12} {:>10.2} M {:>10}", rows as f64 / seconds / 1e6, peak_kib / 1024);
    }
}

fn arguments() -> Arguments {
    let mut arguments = Arguments { events: 10_000_000, workers: 1, runs: 3, queries: Vec::new(), child: false };
    let mut given = std::env::args().skip(1);
    while let Some(argument) = given.next() {
        let mut number = || given.next().and_then(|text| text.parse().ok()).expect("a number after the option");
        match argument.as_str() {
            "--events" => arguments.events = number(),
            "--workers" => arguments.workers = number() as usize,
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

/// Runs a query in a process of its own, for its peak memory; answers seconds, rows and KiB.
fn in_a_process(query: &str, arguments: &Arguments) -> (f64, u64, u64) {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args(["--child", "--events", &arguments.events.to_string(), "--workers", &arguments.workers.to_string()]);
    let output = command.arg(query).output().expect("the run starts");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let words: Vec<&str> = text.split_whitespace().collect();
    match words[..] {
        [seconds, rows, peak] => {
            (seconds.parse().expect("seconds"), rows.parse().expect("rows"), peak.parse().expect("KiB"))
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
    let dataflow = plan(&[(query.clone(), text)], &Catalog::new())
        .unwrap_or_else(|errors| panic!("{}", errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")));
    let config = Config { workers: arguments.workers, ..Config::default() };
    let summary = Engine::start(dataflow, config).and_then(|engine| engine.wait()).expect("the run ends");
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("the peak");
    println!("{} {} {}", summary.seconds, summary.rows_received, peak.trim().trim_end_matches(" kB"));
}
