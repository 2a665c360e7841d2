//! Nexmark, query by query: seconds for all events and rows/s by number of workers, processor time, what a kept row takes, and
//! peak memory, with the events in memory before the clock starts.
//!
//! `cargo bench --bench nexmark -- [--events N] [--workers A,B,...] [--runs N] [--warmup N] [QUERY...]` runs the programs in
//! `dataflows/nexmark`, each in a process of its own. Of every source the columns that its query reads are generated and
//! kept as Arrow batches of 8192 rows; then the clock starts, and the sources replay those batches. It stops when
//! everything is written to a sink that forgets it. The median of the runs is shown; before them come `--warmup` runs (one, if
//! nothing is said), in which pages are touched for the first time and what operators hold is looked at.
//!
//! `events` counts persons, auctions and bids, as Nexmark does; **rows** are those of the tables that a query reads (46 of 50
//! for bids, 4 of 50 for persons and auctions together), and rates are of rows. `user` is the processor time of all threads
//! outside of the kernel. `times` is what another engine takes for all events on such a machine, over what one worker takes. `input` is the size of the
//! batches, `kept` how many rows operators held at most, `B a row` what they say that each took; `peak` is the most memory that the
//! process held during the runs with the first number of workers, the input included.
//!
//! `--paired OTHER` runs another build of this bench in turn with this one, `--rounds` times (5, if nothing is said), and shows
//! the median, least and greatest of its seconds over ours: above 1 this one is faster.
//!
//! `--docs` puts the table into docs/benchmarks.md, between its two marks.

mod replay;

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use highwater::engine::{Config, Engine, Summary};
use highwater::sql::{Catalog, plan};
use highwater_core::plan::Dataflow;
use replay::{held_mib, peak_mib, replayed};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/dataflows/nexmark");
const DOCS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/benchmarks.md");
/// The table stands between these.
const MARKS: [&str; 2] = ["<!-- nexmark -->\n", "<!-- /nexmark -->\n"];

/// The replay alone: the columns that most queries need, dropped at once.
const SOURCE_ALONE: &str = "CREATE TABLE bid (WATERMARK FOR `dateTime` AS `dateTime` - INTERVAL '4' SECOND)
    WITH ('connector' = 'nexmark', 'table' = 'bid', 'events.num' = '1000000');
    CREATE SINK s WITH ('connector' = 'blackhole') AS SELECT auction, bidder, price FROM bid WHERE price < 0";

/// What DBSP takes for 10 million events on such a machine with one worker, in seconds.
const REFERENCE: &[(&str, f64)] = &[
    ("q0", 3.64),
    ("q3", 4.58),
    ("q4", 6.1),
    ("q5", 5.3),
    ("q7", 9.2),
    ("q8", 5.1),
    ("q9", 28.7),
    ("q17", 18.5),
    ("q18", 13.9),
    ("q20", 13.0),
];
/// Events that those figures are of.
const OF_EVENTS: f64 = 10e6;

struct Arguments {
    events: u64,
    workers: Vec<usize>,
    runs: usize,
    warmup: usize,
    rounds: usize,
    queries: Vec<String>,
    paired: Option<String>,
    docs: bool,
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
    match &arguments.paired {
        Some(other) => pairs(&arguments, other, &queries),
        None => table(&arguments, &queries),
    }
}

/// Each query's figures, and the table of the docs if it is asked for.
fn table(arguments: &Arguments, queries: &[String]) {
    let (events, runs) = (arguments.events, arguments.runs);
    println!("{events} events in memory before the clock starts, median of {runs} run(s) after {}", arguments.warmup);
    let by_workers = |workers: &usize| vec![format!("s, {workers} w"), "M rows/s".to_owned(), "user s".to_owned()];
    let mut header = vec!["query".to_owned(), "rows".to_owned()];
    header.extend(arguments.workers.iter().flat_map(by_workers));
    header.extend(["times", "kept", "B a row", "MiB: input", "peak"].map(str::to_owned));
    let line = |cells: &[String]| {
        let cells = cells.iter().enumerate().map(|(at, cell)| match at {
            0 => format!("{cell:<10}"),
            _ => format!(" {cell:>10}"),
        });
        println!("{}", cells.collect::<String>());
    };
    line(&header);
    let (mut rows, mut all_times) = (Vec::new(), Vec::new());
    for query in queries {
        let told = in_a_process(&std::env::current_exe().expect("this program"), query, arguments);
        let reference = REFERENCE.iter().find(|(name, _)| name == query).map(|(_, seconds)| seconds);
        let times = reference.map(|seconds| seconds * events as f64 / OF_EVENTS / told.runs[0].seconds);
        all_times.extend(times);
        let mut cells = vec![query.clone(), told.rows.to_string()];
        for run in &told.runs {
            let rate = told.rows as f64 / run.seconds / 1e6;
            cells.extend([format!("{:.2}", run.seconds), format!("{rate:.1}"), format!("{:.2}", run.user)]);
        }
        cells.push(times.map_or_else(String::new, |times| format!("{times:.1}")));
        cells.push(told.kept.to_string());
        cells.push((told.kept_bytes / told.kept.max(1)).to_string());
        cells.extend([told.input.to_string(), told.peak.to_string()]);
        line(&cells);
        rows.push(cells);
    }
    let logs = all_times.iter().map(|times: &f64| times.ln());
    let mean = (logs.sum::<f64>() / all_times.len().max(1) as f64).exp();
    if !all_times.is_empty() {
        println!("times, geometric mean: {mean:.1}");
    }
    if arguments.docs {
        let row = |cells: &Vec<String>| format!("| {} |\n", cells.join(" | "));
        let rule = vec!["---".to_owned(); header.len()];
        let lines: String = [&header, &rule].into_iter().chain(&rows).map(row).collect();
        let said = std::fs::read_to_string(DOCS).expect("the docs");
        let place = |mark: &str| said.find(mark).unwrap_or_else(|| panic!("docs/benchmarks.md has no {mark}"));
        let (from, to) = (place(MARKS[0]) + MARKS[0].len(), place(MARKS[1]));
        std::fs::write(DOCS, format!("{}{lines}{}", &said[..from], &said[to..])).expect("the docs can be written");
    }
}

/// Each query's ratios of another build's figures to this one's.
fn pairs(arguments: &Arguments, other: &str, queries: &[String]) {
    let (rounds, runs) = (arguments.rounds, arguments.runs);
    println!("seconds of {other} over ours, {rounds} rounds in turn of the median of {runs} run(s)");
    let workers =
        arguments.workers.iter().map(|workers| format!(" {:>30}", format!("{workers} w: least, median, most")));
    println!("{:<10}{}", "query", workers.collect::<String>());
    for query in queries {
        let ours = std::env::current_exe().expect("this program");
        let mut ratios: Vec<Vec<f64>> = vec![Vec::new(); arguments.workers.len()];
        for _ in 0..rounds {
            let theirs = in_a_process(Path::new(other), query, arguments);
            let ours = in_a_process(&ours, query, arguments);
            for (ratios, (theirs, ours)) in ratios.iter_mut().zip(theirs.runs.iter().zip(&ours.runs)) {
                ratios.push(theirs.seconds / ours.seconds);
            }
        }
        let shown = ratios.iter_mut().map(|ratios| {
            ratios.sort_by(f64::total_cmp);
            let [least, median, most] = [0, ratios.len() / 2, ratios.len() - 1].map(|at| ratios[at]);
            format!(" {:>30}", format!("{least:.2} {median:.2} {most:.2}"))
        });
        println!("{query:<10}{}", shown.collect::<String>());
    }
}

fn arguments() -> Arguments {
    let mut arguments = Arguments {
        events: 10_000_000,
        workers: vec![1, 2],
        runs: 3,
        warmup: 1,
        rounds: 5,
        queries: Vec::new(),
        paired: None,
        docs: false,
        child: false,
    };
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
            "--warmup" => arguments.warmup = number() as usize,
            "--rounds" => arguments.rounds = number() as usize,
            "--paired" => arguments.paired = Some(given.next().expect("a program after the option")),
            "--docs" => arguments.docs = true,
            "--child" => (arguments.child, arguments.warmup) = (true, 0),
            "--bench" => {}
            option if option.starts_with('-') => panic!("there is no option {option}"),
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

/// What a child says.
struct Told {
    /// Of a run.
    rows: u64,
    /// MiB.
    input: u64,
    peak: u64,
    /// The medians, by number of workers.
    runs: Vec<Took>,
    /// Rows that operators held at most, and the bytes of them.
    kept: u64,
    kept_bytes: u64,
}

/// What a run took, in seconds.
#[derive(Clone, Copy)]
struct Took {
    seconds: f64,
    user: f64,
}

/// Runs a query in a process of its own, for its peak memory.
fn in_a_process(program: &Path, query: &str, arguments: &Arguments) -> Told {
    let mut command = Command::new(program);
    let workers = arguments.workers.iter().map(usize::to_string).collect::<Vec<_>>().join(",");
    command.args(["--child", "--events", &arguments.events.to_string(), "--workers", &workers]);
    command.args(["--runs", &arguments.runs.to_string()]);
    if arguments.warmup > 0 && arguments.paired.is_none() {
        command.args(["--warmup", &arguments.warmup.to_string()]);
    }
    let output = command.arg(query).output().expect("the run starts");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let numbers = |line: Option<&str>| -> Vec<f64> {
        line.unwrap_or_default().split_whitespace().filter_map(|word| word.parse().ok()).collect()
    };
    let mut lines = text.lines();
    // Builds before there was a second line say none.
    let (first, second) = (numbers(lines.next()), numbers(lines.next()));
    let [rows, input, peak, seconds @ ..] = &first[..] else {
        panic!("{query} failed: {text}{}", String::from_utf8_lossy(&output.stderr));
    };
    assert_eq!(seconds.len(), arguments.workers.len(), "{query} failed: {}", String::from_utf8_lossy(&output.stderr));
    let of = |at: usize| second.get(at).copied().unwrap_or_default();
    let took = |(at, &seconds): (usize, &f64)| Took { seconds, user: of(2 + at) };
    Told {
        rows: *rows as u64,
        input: *input as u64,
        peak: *peak as u64,
        runs: seconds.iter().enumerate().map(took).collect(),
        kept: of(0) as u64,
        kept_bytes: of(1) as u64,
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
    let dataflow = plan(&[(query.clone(), text)], &Catalog::new())
        .map(replayed)
        .unwrap_or_else(|errors| panic!("{}", errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")));
    let (mut rows, mut peak, mut medians, mut kept) = (0, None, Vec::new(), (0, 0));
    for &workers in &arguments.workers {
        for _ in 0..arguments.warmup {
            kept = kept.max(held(start(&dataflow, workers)));
            let _ = std::fs::remove_dir_all(&written);
        }
        let mut took = Vec::new();
        for _ in 0..arguments.runs {
            let before = user_seconds();
            let summary: Summary = start(&dataflow, workers).wait().expect("the run ends");
            rows = summary.rows_received;
            took.push(Took { seconds: summary.seconds, user: user_seconds() - before });
            let _ = std::fs::remove_dir_all(&written);
            peak = peak.max((workers == arguments.workers[0]).then(peak_mib));
        }
        let median = |of: fn(&Took) -> f64| {
            let mut all: Vec<f64> = took.iter().map(of).collect();
            all.sort_by(f64::total_cmp);
            all[all.len() / 2]
        };
        medians.push(Took { seconds: median(|took| took.seconds), user: median(|took| took.user) });
    }
    let said = |of: fn(&Took) -> f64| medians.iter().map(|took| of(took).to_string()).collect::<Vec<_>>().join(" ");
    println!("{rows} {} {} {}", held_mib(), peak.unwrap_or(0), said(|took| took.seconds));
    println!("{} {} {}", kept.0, kept.1, said(|took| took.user));
}

fn start(dataflow: &Dataflow, workers: usize) -> Engine {
    let config = Config::default().workers(workers);
    Engine::start(dataflow.clone(), config).expect("the run starts")
}

/// Lets a run end; returns how many rows its operators held at most, and how many bytes they said that those took.
fn held(engine: Engine) -> (usize, usize) {
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let looking = scope.spawn(|| {
            let mut most = (0, 0);
            while !ended.load(Ordering::Relaxed) {
                let operators = engine.operators();
                most = most.max(
                    operators.iter().map(|o| (o.state_rows, o.state_bytes)).fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1)),
                );
                std::thread::sleep(Duration::from_millis(20));
            }
            most
        });
        engine.wait().expect("the run ends");
        ended.store(true, Ordering::Relaxed);
        looking.join().expect("it looks")
    })
}

/// The processor time of all threads of this process so far, outside of the kernel.
fn user_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux");
    let after_name = stat.rsplit(')').next().expect("a name in brackets");
    // In hundredths, on every machine.
    after_name.split_whitespace().nth(11).and_then(|ticks| ticks.parse::<f64>().ok()).expect("ticks") / 100.0
}
