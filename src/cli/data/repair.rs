//! `highwater data repair DIR`: cuts a damaged log at the damage. Without `--yes` it only says what it would do, and is code 1 if
//! there is something to do: what a log loses, nobody but its owner gives up.

use std::path::PathBuf;

use highwater_log::{Damage, Folder, Report};

use super::super::Outcome;
use super::super::progress::{counted, grouped};
use super::{extent, failed, frames, log_of, size};

/// What to repair.
#[derive(clap::Args, Debug)]
pub(super) struct Repair {
    /// The data directory; no engine may have it open
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Do it; without this it is only told what would be cut off
    #[arg(long)]
    yes: bool,
}

/// Says what is lost, and repairs if that is asked for.
pub(super) fn run(args: &Repair) -> Result<(), Outcome> {
    let disk = log_of(&args.folder)?;
    let failed = |error| failed(&args.folder, &error);
    if !args.yes {
        let report = highwater_log::inspect(&*disk).map_err(failed)?;
        let Some(damage) = &report.damage else {
            println!("nothing to repair");
            return Ok(());
        };
        tell(&report, damage);
        return Err(Outcome::Failed("nothing was changed: --yes repairs it".to_owned()));
    }
    let disk = Folder::lock(&args.folder).map_err(failed)?;
    let repaired = highwater_log::repair(&*disk).map_err(failed)?;
    let Some(damage) = &repaired.report.damage else {
        println!("nothing to repair");
        return Ok(());
    };
    tell(&repaired.report, damage);
    println!("repaired: the log goes on behind frame {}", repaired.report.end.0.saturating_sub(1));
    for file in &repaired.kept {
        println!("what was cut off is kept in {}", args.folder.join(file).display());
    }
    Ok(())
}

fn tell(report: &Report, damage: &Damage) {
    println!("damaged: '{}' at byte {}, frame {}: {}", damage.file, damage.offset, damage.lsn, damage.why);
    println!("  kept: {}", frames(extent(report).0, report.end.0));
    let lost = &report.lost;
    let behind = match lost.segments {
        0 => "what stands behind it in its segment".to_owned(),
        count => format!("what stands behind it in its segment, and {} behind that", counted(count as u64, "segment")),
    };
    println!("  cut off: {behind}: {}, with {} whole {}", size(lost.bytes), grouped(lost.frames), plural(lost.frames));
    println!("  lost: {}", frames(report.end.0, lost.end.0));
}

fn plural(frames: u64) -> &'static str {
    if frames == 1 { "frame" } else { "frames" }
}
