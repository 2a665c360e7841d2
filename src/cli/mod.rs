//! The command line: one command a file, each with the flags it takes and a `run` that says how it ended.
//!
//! Exit codes: 0 done, 1 failed, 2 usage or SQL error, and 128 and the number of the signal (143 SIGTERM, 130 Ctrl-C) of a run
//! that was to end with its input and was stopped before. Answers go to stdout, everything else to stderr.

mod access;
mod check;
mod completions;
mod data;
mod descriptors;
mod explain;
mod generate;
mod http;
mod load;
mod logging;
mod options;
mod program;
mod progress;
mod replay;
mod run;
mod settings;
mod signals;
mod tail;
mod telemetry;
mod test;

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use highwater_core::engine::EngineError;

use self::settings::Settings;

/// Streaming SQL over event time, in one binary.
#[derive(Parser, Debug)]
#[command(name = "highwater", version, arg_required_else_help = true, after_help = after_help())]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Run a dataflow, and serve its views until Ctrl-C
    Run(Box<run::Run>),
    /// Parse, type and plan a program without running it
    Check(check::Check),
    /// Show what runs for a view: operators, what is known of their rows, what they keep and for how long
    Explain(explain::Explain),
    /// Run the tests in the comments of programs: rows in, a clock moved by hand, tables of what is expected
    Test(test::Test),
    /// Follow a view of a running dataflow in the terminal, one JSON object a line
    Tail(tail::Tail),
    /// Generate rows: to a file, stdout or a running server, at a steady or changing rate
    Generate(generate::Generate),
    /// Push a running server from many clients, and measure what it takes and how long that takes
    Load(load::Load),
    /// Run again what a data directory holds: as it was, up to a time, or as it would be with another program
    Replay(replay::Replay),
    /// Look at a data directory, verify, repair or copy it
    Data(data::Data),
    /// List what stands in WITH: the options of sources, formats and sinks
    Options(options::Asked),
    /// Print the completion script for a shell
    Completions(completions::Completions),
}

const EXAMPLES: &str = "\
Examples:
  highwater run dataflows/sensors.sql           run a dataflow, live on http://127.0.0.1:8080
  highwater run clicks.sql -w 2 --exit-at-end   over files: end when all is done
  highwater check clicks.sql                    parse, type and plan only
  highwater explain clicks.sql pages            what runs for the view 'pages', what it keeps and for how long
  highwater test clicks.sql                     run the tests in its comments; --update writes what is expected
  highwater tail http://127.0.0.1:8080 pages    follow it
  highwater generate mixed --count 1000000 --fast --to events.ndjson
  highwater options csv                         what CSV can be like: delimiter, header, encoding, decimal comma";

const CODES: &str = "\
Exit codes: 0 done, 1 failed, 2 usage or SQL error; of `run --exit-at-end` that is stopped before its input has ended 143 (SIGTERM)
or 130 (Ctrl-C).";

/// What stands behind the list of commands.
fn after_help() -> String {
    let csv = options::names_of("csv");
    format!(
        "{EXAMPLES}\n\nOptions of WITH: `highwater options` lists them, `highwater options csv` those of a format or connector.\n\
         Of CSV: {csv};\nof dates and times date.format, timestamp.format, timestamp.unit. `check` answers a name that is none with \
         the nearest ones.\n\n{CODES}"
    )
}

/// How a command ended.
#[derive(Debug)]
enum Outcome {
    /// As asked: code 0.
    Done,
    /// Not as asked, and why: code 1.
    Failed(String),
    /// Another process of the cluster is gone, as is said; this one starts again.
    Again(String),
    /// As asked, and what was compared differs: code 1.
    Differs,
    /// Told to end by this signal before it was done; that was said.
    Stopped(i32),
    /// The command line, a settings file or the SQL is wrong; the text is for stderr as it is: code 2.
    Usage(String),
}

impl Outcome {
    /// The command line or a settings file is wrong.
    fn usage(reason: impl std::fmt::Display) -> Outcome {
        Outcome::Usage(format!("error: {reason}\n"))
    }

    /// There is no engine, and why.
    fn refused(error: EngineError, settings: &Settings) -> Outcome {
        match error {
            EngineError::Config(reason) => Outcome::usage(reason),
            error => Outcome::failed(&error, settings),
        }
    }

    /// An engine failed; where another process is gone that is waited for, that is a new start.
    fn failed(error: &EngineError, settings: &Settings) -> Outcome {
        let gone = matches!(error, EngineError::PeerGone { .. } | EngineError::PeerSilent { .. });
        match gone && settings.restart_wait.is_some() {
            true => Outcome::Again(error.to_string()),
            false => Outcome::Failed(error.to_string()),
        }
    }
}

/// Runs the command line of the process.
pub fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Run(args) => run::run(*args),
        Command::Check(args) => check::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Test(args) => test::run(&args),
        Command::Tail(args) => tail::run(&args),
        Command::Generate(args) => generate::run(&args),
        Command::Load(args) => load::run(&args),
        Command::Replay(args) => replay::run(&args),
        Command::Data(args) => data::run(&args),
        Command::Options(args) => options::run(&args),
        Command::Completions(args) => completions::run(&args),
    };
    if let Outcome::Again(reason) = &outcome {
        tracing::warn!("{reason}; this process starts again, and waits for it");
    }
    logging::finish();
    // Where stderr is closed there is nobody to tell.
    let mut stderr = std::io::stderr();
    match outcome {
        Outcome::Done => ExitCode::SUCCESS,
        Outcome::Differs => ExitCode::FAILURE,
        Outcome::Failed(reason) => signals::give_up(&reason),
        Outcome::Again(_) => signals::give_up(&format!("this process cannot start again: {}", start_again())),
        // As a shell says of a process that the signal ended.
        Outcome::Stopped(signal) => ExitCode::from(u8::try_from(128 + signal).unwrap_or(1)),
        Outcome::Usage(text) => {
            let _ = write!(stderr, "{text}");
            ExitCode::from(2)
        }
    }
}

/// Puts a new process of the same command line in the place of this one; returns only if that fails, with the reason.
fn start_again() -> std::io::Error {
    match std::env::current_exe() {
        Ok(program) => std::process::Command::new(program).args(std::env::args_os().skip(1)).exec(),
        Err(error) => error,
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        super::Cli::command().debug_assert();
    }
}
