//! `highwater data inspect|verify|repair|backup DIR`: what the log of a data directory holds, whether it is whole, what to do
//! if it is not, and copies of it. All but a repair work while the engine that has it runs, and change nothing.

mod backup;
mod inspect;
mod repair;
mod verify;

use std::path::Path;
use std::sync::Arc;

use super::Outcome;
use super::progress::{counted, grouped};
use highwater_log::{Disk, Error, Folder, Report};

const EXAMPLES: &str = "\
Examples:
  highwater data inspect data                 segments, frames, damage
  highwater data verify data && echo whole    code 1 if it is damaged, with file and byte
  highwater data backup data copies/monday    a copy that opens by itself, also while the engine runs

Exit codes: 0 as asked, 1 the log is damaged or cannot be read, 2 DIR holds no log.";

/// What to do with a data directory.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct Data {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand, Debug)]
enum Command {
    /// Show what the log holds: segments, frames by kind, how far it is durable, damage
    Inspect(inspect::Inspect),
    /// Read and check every block; code 1 if one is damaged, with file and byte
    Verify(verify::Verify),
    /// Cut a damaged log at the damage; what is cut off is kept in files *.cut
    Repair(repair::Repair),
    /// Copy the log, also while it is written
    Backup(backup::Backup),
}

/// Does it.
pub(super) fn run(args: &Data) -> Outcome {
    let done = match &args.command {
        Command::Inspect(args) => inspect::run(args),
        Command::Verify(args) => verify::run(args),
        Command::Repair(args) => repair::run(args),
        Command::Backup(args) => backup::run(args),
    };
    done.err().unwrap_or(Outcome::Done)
}

/// The folder of a log, to be read.
pub(super) fn log_of(folder: &Path) -> Result<Arc<Folder>, Outcome> {
    let shown = folder.display();
    let disk = Folder::read_only(folder);
    let names = disk.list().map_err(|error| Outcome::usage(format!("{shown}: {error}")))?;
    let is_log = |name: &String| name == "tip" || name.ends_with(".log") && name.len() == 24;
    match names.iter().any(is_log) {
        true => Ok(disk),
        false => {
            let has =
                if names.is_empty() { "is empty" } else { "holds no log: neither a segment (00...0.log) nor a tip" };
            Err(Outcome::usage(format!("'{shown}' {has}; name the folder that --data-dir named")))
        }
    }
}

/// A failure with what to do about it.
fn failed(folder: &Path, error: &Error) -> Outcome {
    let shown = folder.display();
    let remedy = match error {
        Error::Damaged(_) => {
            format!(
                "restore the folder from a copy, or see what `highwater data repair {shown}` would keep and cut off"
            )
        }
        other => other.remedy().to_owned(),
    };
    Outcome::Failed(format!("{shown}: {error}; {remedy}"))
}

/// `frames 5 to 9 (5)`.
fn frames(first: u64, end: u64) -> String {
    match end.saturating_sub(first) {
        0 => "no frames".to_owned(),
        1 => format!("frame {first}"),
        count => format!("frames {first} to {} ({})", end - 1, grouped(count)),
    }
}

/// The first frame that is there, and the bytes of the segments.
fn extent(report: &Report) -> (u64, u64) {
    let first = report.segments.first().map_or(report.end.0, |segment| segment.first.0);
    (first, report.segments.iter().map(|segment| segment.bytes).sum())
}

/// `4.1 MiB`.
fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    let mut value = bytes as f64;
    let mut unit = None;
    for next in UNITS {
        if value < 1024.0 {
            break;
        }
        (value, unit) = (value / 1024.0, Some(next));
    }
    match unit {
        Some(unit) => format!("{value:.1} {unit}"),
        None => counted(bytes, "byte"),
    }
}
