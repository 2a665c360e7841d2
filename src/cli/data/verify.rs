//! `highwater data verify DIR`: reads and checks every block, and holds summaries against the frames that they are of, and reads all of its snapshots. Damage is code 1,
//! with file and byte.

use std::path::PathBuf;

use super::super::Outcome;
use super::super::progress::counted;
use super::{extent, failed, frames, log_of, size};

/// What to verify.
#[derive(clap::Args, Debug)]
pub(super) struct Verify {
    /// The data directory
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

/// Says that all is whole, or where it is not.
pub(super) fn run(args: &Verify) -> Result<(), Outcome> {
    let disk = log_of(&args.folder)?;
    let report = highwater_log::verify(&*disk).map_err(|error| failed(&args.folder, &error))?;
    let summaries = highwater_core::engine::verify_summaries(&args.folder);
    let summaries = summaries.map_err(|error| Outcome::Failed(error.to_string()))?;
    let (first, bytes) = extent(&report);
    let segments = counted(report.segments.len() as u64, "segment");
    let all = highwater_core::engine::snapshots(&args.folder, true);
    let all = all.map_err(|error| Outcome::Failed(error.to_string()))?;
    if let Some((name, damage)) = all.iter().find_map(|file| Some((&file.name, file.damage.as_ref()?))) {
        let remedy = "a start goes on from the older one, or from the beginning of the log if that is there; remove it";
        return Err(Outcome::Failed(format!("{}: snapshot '{name}': {damage}; {remedy}", args.folder.display())));
    }
    let snapshots = if all.is_empty() { String::new() } else { format!(", {}", counted(all.len() as u64, "snapshot")) };
    let summaries = if summaries > 0 { format!(", {}", counted(summaries, "summary")) } else { String::new() };
    println!("ok: {} in {segments}, {}{summaries}{snapshots}", frames(first, report.end.0), size(bytes));
    if report.torn {
        println!(
            "behind them stands a block that is being written, or that was when the process died: opening cuts it off"
        );
    }
    Ok(())
}
