//! `highwater generate`: rows as they would come from outside, to a file, stdout or a running server over HTTP or a
//! WebSocket, at a rate that a pattern changes. Row `n` happens, and is sent, when the pattern has it due.
//!
//! What cannot keep the pace falls behind it and says so: nothing is left out.

mod outlet;
pub(super) mod pattern;
pub(super) mod rows;
mod socket;

use std::time::Duration;

use self::outlet::{Outlet, Sent};
use self::pattern::{Pattern, Schedule};
use self::rows::{Asked, Rows};
use super::Outcome;
use super::http::Reach;
use super::progress::{counted, grouped};
use highwater_core::time::{Clock, parse_duration_ms};

/// Rows of a message at most.
const ROWS_MAX: usize = 8192;
/// How often due rows are sent.
const EVERY: Duration = Duration::from_millis(10);

const EXAMPLES: &str = "\
Examples:
  highwater generate sensor --count 1000000 --fast --to sensors.ndjson
  highwater generate mixed --rate 20000 --pattern spike --late-rate 0.01 --to http://127.0.0.1:8080 --source events
  highwater generate sensor --rate 50000 --format msgpack --to ws://127.0.0.1:8080 --source events
  highwater generate --schema clicks.sql --source clicks --duration '1 min' | head

Patterns: steady; ramp, to the rate in 5 min; spike, 5 times for 10 s of each minute; wave, half more and less in 300 s.";

/// What to generate, how fast, and where to.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct Generate {
    #[command(flatten)]
    asked: Asked,
    #[command(flatten)]
    reach: Reach,
    /// Rows a second
    #[arg(long, default_value_t = 1000.0)]
    rate: f64,
    /// How the rate changes
    #[arg(long, value_enum, default_value = "steady")]
    pattern: Pattern,
    /// How many rows [default: as many as --duration has; without both, no end]
    #[arg(long)]
    count: Option<u64>,
    /// For how long, like '5 min'
    #[arg(long)]
    duration: Option<String>,
    /// Do not wait until rows are due: event time passes as fast as the machine makes rows
    #[arg(long)]
    fast: bool,
    /// A file, '-' for stdout, http://HOST:PORT (with --source), or ws://HOST:PORT
    #[arg(long, default_value = "-", value_name = "WHERE")]
    to: String,
    /// How rows are written: any format of a sink; json, csv or msgpack over HTTP, json or msgpack over a WebSocket
    #[arg(long, default_value = "json")]
    format: String,
    /// No progress on stderr
    #[arg(short, long)]
    quiet: bool,
}

/// Generates until the last row, or until nobody takes them any more.
pub(super) fn run(args: &Generate) -> Outcome {
    match generate(args) {
        Ok(outcome) | Err(outcome) => outcome,
    }
}

fn generate(args: &Generate) -> Result<Outcome, Outcome> {
    if !(args.rate.is_finite() && args.rate > 0.0) {
        return Err(Outcome::usage(format!("--rate {}: write a number above 0", args.rate)));
    }
    let schedule = Schedule::new(args.pattern, args.rate);
    let seconds = match args.duration.as_deref().map(parse_duration_ms).transpose() {
        Ok(ms) => ms.map(|ms| ms as f64 / 1000.0),
        Err(reason) => return Err(Outcome::usage(format!("--duration: {reason}"))),
    };
    /// As good as no end.
    const ENDLESS: u64 = 1 << 40;
    let count = args.count.into_iter().chain(seconds.map(|seconds| schedule.rows_by(seconds))).min().unwrap_or(ENDLESS);
    let mut rows = Rows::open(&args.asked, count, args.rate)?;
    let mut outlet = Outlet::open(&args.to, &args.reach, args.asked.source.as_deref(), &args.format, rows.schema())?;
    let clock = Clock::start();
    let mut line = Progress { before: (0.0, 0, 0), quiet: args.quiet };
    let mut sent = Sent::default();
    while rows.next() < count {
        let now = clock.elapsed_seconds();
        let most = match args.fast {
            true => ROWS_MAX,
            false => {
                usize::try_from(schedule.rows_by(now).saturating_sub(rows.next())).unwrap_or(ROWS_MAX).min(ROWS_MAX)
            }
        };
        if most == 0 {
            let missing = Duration::from_secs_f64((schedule.time_of(rows.next()) - now).max(0.0));
            std::thread::sleep(missing.clamp(EVERY, Duration::from_millis(250)));
        } else {
            let left = usize::try_from(count - rows.next()).unwrap_or(ROWS_MAX);
            let Some(batch) = rows.take(most.min(left), &schedule) else { break };
            match outlet.send(&batch, &mut sent) {
                Ok(true) => {}
                Ok(false) => return Ok(Outcome::Done),
                Err(reason) => return Ok(Outcome::Failed(reason)),
            }
        }
        let now = clock.elapsed_seconds();
        line.draw(now, rows.next(), (!args.fast).then(|| schedule.rows_by(now).min(count)));
    }
    if let Err(reason) = outlet.finish(&mut sent) {
        return Ok(Outcome::Failed(reason));
    }
    let seconds = clock.elapsed_seconds();
    line.end(&sent, seconds, (!args.fast).then(|| count as f64 / schedule.time_of(count)));
    Ok(Outcome::Done)
}

/// A line on stderr, a second apart.
struct Progress {
    /// When the last line was written, the rows sent until then, and those due.
    before: (f64, u64, u64),
    quiet: bool,
}

impl Progress {
    /// `due` is how many rows should have been sent by now, if there is a pace to keep.
    fn draw(&mut self, now: f64, rows: u64, due: Option<u64>) {
        let (then, sent_before, due_before) = self.before;
        if self.quiet || now - then < 1.0 {
            return;
        }
        let rate = |now_rows: u64, before: u64| grouped((now_rows.saturating_sub(before) as f64 / (now - then)) as u64);
        let target = due.map_or(String::new(), |due| match due.saturating_sub(rows) {
            0 => format!(" of {} wanted", rate(due, due_before)),
            behind => format!(" of {} wanted, {} behind", rate(due, due_before), counted(behind, "row")),
        });
        eprintln!("{}, {} rows/s{target}", counted(rows, "row"), rate(rows, sent_before));
        self.before = (now, rows, due.unwrap_or(0));
    }

    fn end(&self, sent: &Sent, seconds: f64, target: Option<f64>) {
        if self.quiet {
            return;
        }
        let rate = grouped((sent.rows as f64 / seconds.max(0.001)) as u64);
        let target = target.map_or(String::new(), |target| format!(" of {} wanted", grouped(target.round() as u64)));
        let told = match (sent.accepted, sent.rejected) {
            (0, 0) => String::new(),
            (accepted, rejected) => format!(", {} accepted, {} rejected", grouped(accepted), grouped(rejected)),
        };
        let full = match sent.full {
            0 => String::new(),
            full => format!(", the server was full {}", counted(full, "time")),
        };
        eprintln!("{} in {seconds:.1} s, {rate} rows/s{target}{told}{full}", counted(sent.rows, "row"));
    }
}
