//! `highwater replay DIR...`: runs again what a data directory holds, or those of a cluster, at full speed, and ends where its log does. It is read
//! only, also beside the run that writes it; what the run wrote elsewhere is not touched either.

mod diff;
mod out;

use std::net::SocketAddr;
use std::path::PathBuf;

use super::run::{WORKERS, follow_on, runtime, serve_and_follow, warn};
use super::settings::{LogFormat, Settings};
use super::{Outcome, data, descriptors, logging, program};
use highwater_core::engine::{Config, EngineError, Recorded};
use highwater_core::format::read_time;
use highwater_core::plan::{Dataflow, reader};
use highwater_sql::Compiled;

const EXAMPLES: &str = "\
Examples:
  highwater replay data --out again              the files of its sinks again, below the folder 'again'
  highwater replay data --listen 127.0.0.1:9090  its views as they are at the end of the log, on a page
  highwater replay data --until '2026-11-30 14:05' --listen 127.0.0.1:9090
  highwater replay data0 data1 --out again       what the two processes of a cluster took together
  highwater replay data --program new.sql --out as-if
  highwater replay data --program new.sql --diff pages   rows of the view 'pages' that were (-), and that would be (+)

Exit codes: 0 done, 1 failed, 2 usage or SQL error, as of `run --exit-at-end`. With --diff: 0 the same, 1 they differ, 2 anything else.";

/// What to run again, and how.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct Replay {
    /// The data directory, or those of all processes of a cluster; a run may have them open
    #[arg(value_name = "DIR", required = true)]
    folders: Vec<PathBuf>,

    /// Another program over the same input, as if it had run; several are read one after the other [default: that of the run]
    #[arg(long, value_name = "FILE")]
    program: Vec<PathBuf>,

    /// Only what had arrived by then, by the clock of the run: like 2026-11-30T14:05:00Z; without an offset it is UTC
    #[arg(long, value_name = "TIME")]
    until: Option<String>,

    /// Folder for the files of sinks, each with its path below it [default: none are written]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,

    /// Serve the views, metrics and the dashboard there, until Ctrl-C [default: nothing is served]
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,

    /// File of tokens that callers need, as of `run`
    #[arg(long, visible_alias = "tokens", value_name = "FILE")]
    tokens_file: Option<PathBuf>,

    /// Serve beyond the loopback without tokens
    #[arg(long)]
    insecure: bool,

    /// Print the rows of this view that only the run (-) or only the other program (+) ends with, one JSON object a line
    #[arg(long, value_name = "VIEW", requires = "program", conflicts_with_all = ["out", "listen"])]
    diff: Option<String>,

    /// Worker threads [default: one per core]
    #[arg(short = 'w', long, value_name = "N")]
    workers: Option<usize>,

    /// File that all dead letters are written to, one JSON object a line
    #[arg(long, value_name = "FILE")]
    dead_letters: Option<PathBuf>,

    /// How log lines are written to stderr; what is logged is set by RUST_LOG [default: text]
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<LogFormat>,
}

/// Runs again, to the end.
pub(super) fn run(args: &Replay) -> Outcome {
    start(args).err().unwrap_or(Outcome::Done)
}

fn start(args: &Replay) -> Result<(), Outcome> {
    if let Some(workers) = args.workers.filter(|workers| !(1..=WORKERS).contains(workers)) {
        return Err(Outcome::usage(format!("--workers {workers}: write a number from 1 to {WORKERS}")));
    }
    if let Some(view) = &args.diff {
        let past = past(args).map_err(|outcome| match outcome {
            Outcome::Failed(why) => Outcome::usage(why),
            other => other,
        })?;
        logging::start(args.log_format.unwrap_or(LogFormat::Text));
        descriptors::raise();
        return diff::run(args, past, view);
    }
    let (runtime, signals) = runtime()?;
    let Past { recorded, was, then } = past(args)?;
    logging::start(args.log_format.unwrap_or(LogFormat::Text));
    warn(&then);
    descriptors::raise();
    let mut dataflow = then.dataflow;
    out::move_sinks(&mut dataflow, was.as_ref(), &recorded, args)?;
    if dataflow.sinks.is_empty() && args.listen.is_none() {
        tracing::warn!(
            "nothing of it is shown: name a folder for its sinks (--out DIR) or where to serve it (--listen ADDR)"
        );
    }
    if let Some(file) = &args.dead_letters {
        let read = program::holds(&args.program, file).then_some("the program");
        if let Some(read) = read.or_else(|| reader(&dataflow, file)) {
            return Err(Outcome::usage(format!("--dead-letters {} would overwrite {read}", file.display())));
        }
    }
    let settings = Settings {
        listen: args.listen,
        no_serve: Some(args.listen.is_none()),
        tokens_file: args.tokens_file.clone(),
        insecure: Some(args.insecure),
        ..Settings::default()
    };
    let config = config(args, recorded);
    follow_on(runtime, serve_and_follow(dataflow, config, None, &settings, signals))
}

fn config(args: &Replay, recorded: Recorded) -> Config {
    let defaults = Config::default();
    defaults.clone().with(|config| {
        config.workers = args.workers.unwrap_or(defaults.workers);
        config.tick_rows = recorded.program().map_or(defaults.tick_rows, |program| program.tick_rows);
        config.views = args.listen.is_some();
        config.replay = Some(recorded);
        config.dead_letters_file = args.dead_letters.clone();
    })
}

/// What a directory holds, and what runs over it.
struct Past {
    recorded: Recorded,
    /// What ran, if that is known.
    was: Option<Dataflow>,
    /// What is to run now.
    then: Compiled,
}

fn past(args: &Replay) -> Result<Past, Outcome> {
    let until = args.until.as_deref().map(until).transpose()?;
    for folder in &args.folders {
        data::log_of(folder)?;
    }
    let recorded = Recorded::open(&args.folders, until).map_err(failed)?;
    let then = match args.program.is_empty() {
        true => None,
        false => Some(program::read(&args.program)?),
    };
    let was = recorded.program().map(|program| program::plan(&program.files));
    match (was, then) {
        (None, None) => Err(Outcome::usage(format!(
            "{} was written by a version that did not keep the program in it: name it with --program FILE",
            folders(args)
        ))),
        (Some(was), None) => {
            let was = was?;
            let recorded = recorded.of(was.dataflow.clone());
            Ok(Past { recorded, was: Some(was.dataflow.clone()), then: was })
        }
        (was, Some(then)) => {
            // Should this version no longer plan it, what is kept is still known by its names.
            let was = was.and_then(Result::ok).map(|was| was.dataflow);
            let recorded = was.clone().map_or(recorded.clone(), |was| recorded.of(was));
            Ok(Past { recorded, was, then })
        }
    }
}

/// The folders, as messages name them.
fn folders(args: &Replay) -> String {
    args.folders.iter().map(|folder| format!("'{}'", folder.display())).collect::<Vec<_>>().join(", ")
}

fn until(text: &str) -> Result<i64, Outcome> {
    let time = read_time(text.trim()).filter(|_| text.contains('-'));
    time.ok_or_else(|| {
        Outcome::usage(format!("--until '{text}': write a time like 2026-11-30T14:05:00Z or '2026-11-30 14:05'"))
    })
}

fn failed(error: EngineError) -> Outcome {
    Outcome::Failed(error.to_string())
}
