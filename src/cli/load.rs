//! `highwater load`: what a running server takes, and how long it takes it. Clients send rows over HTTP at a rate that does
//! not wait for answers: a row's latency counts from when it was due to be sent, so that a server that stalls cannot hide
//! it (no coordinated omission). Ends with code 1 if a stated bound is broken.
//!
//! Latency is measured twice, of every row: until the server acknowledged it; and until a subscriber has it, to the view that
//! is named or to all of them.

mod client;
mod measure;
mod report;
mod visible;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Barrier, OnceLock};

use self::client::Client;
use self::report::{Plan, Report, Stage};
use self::visible::{Reader, Seen};
use super::Outcome;
use super::generate::pattern::{Pattern, Schedule};
use super::generate::rows::{Asked, Rows};
use super::http::{Reach, Target};
use highwater_core::time::{Clock, parse_duration_ms};

/// Clients and rows a second of `--stages`.
const STAGES: [(usize, f64); 4] = [(10, 1_000.0), (20, 5_000.0), (50, 10_000.0), (100, 25_000.0)];

const EXAMPLES: &str = "\
Examples:
  highwater load http://127.0.0.1:8080 --source events --clients 20 --rate 5000 --duration '30 s' --view pages --p99-ms 200
  highwater load http://127.0.0.1:8080 --source clicks --schema clicks.sql --stages --report load.json";

/// Whom to push, how hard, and what must hold.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct Load {
    /// Where Highwater serves, like http://127.0.0.1:8080
    url: String,
    #[command(flatten)]
    asked: Asked,
    #[command(flatten)]
    reach: Reach,
    /// Connections that send at the same time
    #[arg(long, default_value_t = 10)]
    clients: usize,
    /// Rows a second, of all clients together
    #[arg(long, default_value_t = 1000.0)]
    rate: f64,
    /// For how long, each stage
    #[arg(long, default_value = "30 s")]
    duration: String,
    /// Rows of a message [default: those of 20 ms]
    #[arg(long)]
    batch: Option<usize>,
    /// 10 clients at 1000 rows/s, 20 at 5000, 50 at 10000, 100 at 25000, one after the other
    #[arg(long, conflicts_with_all = ["clients", "rate"])]
    stages: bool,
    /// Until this view shows a row is until it is visible [default: until every view does]
    #[arg(long, value_name = "NAME")]
    view: Option<String>,
    /// Fail if the 99th percentile until visible (until acknowledged, if no view can be read) is above this
    #[arg(long, value_name = "MS")]
    p99_ms: Option<f64>,
    /// Fail if a larger share of the rows is not acknowledged, 0 to 1
    #[arg(long, value_name = "SHARE")]
    error_rate: Option<f64>,
    /// Write the result as JSON
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

/// Pushes, and says how it went.
pub(super) fn run(args: &Load) -> Outcome {
    match load(args) {
        Ok(outcome) | Err(outcome) => outcome,
    }
}

fn load(args: &Load) -> Result<Outcome, Outcome> {
    let target = args.reach.target(&args.url).map_err(Outcome::usage)?;
    let Some(source) = args.asked.source.as_deref() else {
        return Err(Outcome::usage("which source? Write --source NAME"));
    };
    let seconds = match parse_duration_ms(&args.duration) {
        Ok(ms) if ms > 0 => ms as f64 / 1000.0,
        Ok(_) => return Err(Outcome::usage("--duration: write more than 0 s")),
        Err(reason) => return Err(Outcome::usage(format!("--duration: {reason}"))),
    };
    let stages: Vec<(usize, f64)> = if args.stages { STAGES.to_vec() } else { vec![(args.clients, args.rate)] };
    let mut report = Report {
        url: args.url.clone(),
        source: source.to_owned(),
        view: args.view.clone(),
        stages: Vec::new(),
        broken: Vec::new(),
    };
    for (clients, rate) in stages {
        if clients == 0 || !(rate.is_finite() && rate > 0.0) {
            return Err(Outcome::usage("--clients and --rate: write numbers above 0"));
        }
        let each = rate / clients as f64;
        let batch = args.batch.unwrap_or((each / 50.0).round() as usize).max(1);
        let plan = Plan { clients, rate, seconds, batch };
        let stage = push(&target, source, args.view.as_deref(), &args.asked, &plan)?;
        println!("{stage}");
        report.stages.push(stage);
    }
    report.judge(args.p99_ms, args.error_rate);
    if let Some(path) = &args.report {
        let text = report.json();
        std::fs::write(path, text).map_err(|error| Outcome::Failed(format!("{}: {error}", path.display())))?;
    }
    Ok(match report.broken.is_empty() {
        true => Outcome::Done,
        false => Outcome::Failed(report.broken.join("; ")),
    })
}

/// One stage: all its clients at once.
fn push(target: &Target, source: &str, view: Option<&str>, asked: &Asked, plan: &Plan) -> Result<Stage, Outcome> {
    let each = plan.rate / plan.clients as f64;
    let count = (each * plan.seconds).floor().max(1.0) as u64;
    let mut clients = Vec::new();
    for number in 0..plan.clients {
        let asked = Asked { seed: asked.seed.wrapping_add(number as u64), ..asked.clone() };
        let rows = Rows::open(&asked, count, each)?;
        let schedule = Schedule::new(Pattern::Steady, each);
        clients.push(Client::new(target.clone(), source, rows, schedule, count, plan.batch)?);
    }
    let reader = match Reader::connect(target, view) {
        Ok(reader) => Some(reader),
        // Who may send need not be allowed to read.
        Err(_) if view.is_none() => None,
        Err(reason) => return Err(Outcome::Failed(reason)),
    };
    let (seen, reading, clock) = (Seen::default(), AtomicBool::new(reader.is_some()), OnceLock::new());
    let (mut stage, measured) = (Stage::new(plan.clone()), reader.is_some());
    // All clients are ready, then the clock is started, then they go.
    let (ready, go) = (Barrier::new(plan.clients + 1), Barrier::new(plan.clients + 1));
    let mut taken = Vec::new();
    std::thread::scope(|scope| {
        let (ready, go, started) = (&ready, &go, &clock);
        let start = |(number, mut client): (usize, Client)| {
            // Clients do not all send at the same moment.
            let offset = plan.batch as f64 / each * number as f64 / plan.clients as f64;
            scope.spawn(move || {
                client.warm_up();
                ready.wait();
                go.wait();
                client.run(*started.get_or_init(Clock::start), offset)
            })
        };
        let threads: Vec<_> = clients.into_iter().enumerate().map(start).collect();
        ready.wait();
        let clock = *clock.get_or_init(Clock::start);
        if let Some(reader) = reader {
            let (seen, reading) = (&seen, &reading);
            scope.spawn(move || reader.run(clock, seen, reading));
        }
        go.wait();
        for thread in threads {
            match thread.join() {
                Ok(mut sent) => {
                    taken.append(&mut sent.taken);
                    stage.add(sent);
                }
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        stage.elapsed = clock.elapsed_seconds();
        seen.wait(&taken, clock, &reading);
        reading.store(false, Ordering::Release);
    });
    stage.finish(if measured { seen.latencies(&taken) } else { Default::default() });
    Ok(stage)
}
