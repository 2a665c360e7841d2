//! `highwater data inspect DIR`: what the log holds, for people or as JSON. Damage is part of the answer.

use std::path::{Path, PathBuf};

use highwater_core::engine::{SnapshotFile, frames, snapshots};
use highwater_core::time::format_time_ms;
use highwater_log::{Disk, Folder, Report};
use serde_json::json;

use super::super::Outcome;
use super::super::progress::counted;
use super::{extent, failed, frames, log_of, size};

/// What to look at.
#[derive(clap::Args, Debug)]
pub(super) struct Inspect {
    /// The data directory
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// As one JSON object
    #[arg(long)]
    json: bool,
}

/// Shows it.
pub(super) fn run(args: &Inspect) -> Result<(), Outcome> {
    let disk = log_of(&args.folder)?;
    let report = highwater_log::inspect(&*disk).map_err(|error| failed(&args.folder, &error))?;
    let snapshots = snapshots(&args.folder, false).map_err(|error| Outcome::Failed(error.to_string()))?;
    match args.json {
        true => println!("{}", as_json(&report, (&cut(&disk), &snapshots))),
        false => {
            tell(&args.folder, &report, &cut(&disk));
            snapshots.iter().for_each(tell_snapshot);
        }
    }
    Ok(())
}

/// What repairs have cut off.
fn cut(disk: &Folder) -> Vec<String> {
    let mut names = disk.list().unwrap_or_default();
    names.retain(|name| name.contains(".cut"));
    names.sort();
    names
}

fn tell(folder: &Path, report: &Report, cut: &[String]) {
    let (first, bytes) = extent(report);
    let used = report.segments.iter().map(|segment| segment.used).sum();
    println!("{}: {}, {} of {} used", folder.display(), frames(first, report.end.0), size(used), size(bytes));
    match &report.tip {
        Some(tip) => {
            let opened = counted(tip.incarnation, "time");
            let closed = if tip.clean { "closed in order" } else { "open, or not closed in order" };
            println!("lineage {:032x}, opened {opened}, {closed}, durable before frame {}", tip.lineage, tip.durable);
        }
        None => println!("there is no tip that can be read: it is not known how far the log was durable"),
    }
    let rows = report.segments.iter().map(|segment| {
        let of = frames(segment.first.0, segment.end.0);
        let begun = format!("{}, opening {}", format_time_ms(segment.created_ms), segment.incarnation);
        [segment.file.clone(), of, counted(segment.blocks, "block"), size(segment.used), begun]
    });
    table(&rows.collect::<Vec<_>>());
    let rows = report.kinds.iter().map(|kind| [kind_name(kind.kind), counted(kind.frames, "frame"), size(kind.bytes)]);
    table(&rows.collect::<Vec<_>>());
    if report.torn {
        println!(
            "at the end stands a block that is being written, or that was when the process died: opening cuts it off"
        );
    }
    for file in cut {
        println!("cut off by a repair: {file}");
    }
    if let Some(damage) = &report.damage {
        println!("damaged: '{}' at byte {}, frame {}: {}", damage.file, damage.offset, damage.lsn, damage.why);
        println!("`highwater data repair {}` says what it would keep and cut off", folder.display());
    }
}

/// Columns as wide as their widest cell; those behind the first to the right, the last as it is.
fn table<const COLUMNS: usize>(rows: &[[String; COLUMNS]]) {
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or_default();
    for row in rows {
        let cells = row.iter().enumerate().map(|(column, cell)| match column {
            0 => format!("  {cell:<0$}", width(0)),
            _ if column + 1 == COLUMNS && COLUMNS > 3 => format!("  {cell}"),
            _ => format!("  {cell:>0$}", width(column)),
        });
        println!("{}", cells.collect::<String>());
    }
}

fn kind_name(kind: u8) -> String {
    let name = match kind {
        frames::START => "opened by a process",
        frames::SOURCE => "source",
        frames::SPLIT => "partition of a source",
        frames::ROWS => "rows",
        frames::MOVE => "move of a partition",
        frames::LEASE => "lease of a partition",
        frames::END => "end of a partition",
        frames::REQUEST => "change of a table",
        frames::TAKEN => "change of a table taken",
        frames::BEGUN => "sink begun",
        frames::ENDED => "files of a sink ended",
        frames::INPUT => "file begun",
        frames::PROGRAM => "program",
        frames::PUSHED => "rows that wait to be decided on",
        frames::DECIDED => "decision on rows that waited",
        frames::SUMMARY => "summary of what is before",
        frames::AHEAD => "reach of a file that is read again",
        kind => return format!("kind {kind}"),
    };
    name.to_owned()
}

/// A line of a snapshot.
fn tell_snapshot(file: &SnapshotFile) {
    match (&file.about, &file.damage) {
        (_, Some(damage)) => println!("damaged snapshot {}: {damage}", file.name),
        (Some(about), None) => {
            let (taken, bytes) = (format_time_ms(about.taken_ms), size(file.bytes));
            println!(
                "{} of {taken}, {bytes}: a start from it reads the log from frame {} on",
                file.name, about.from_frame
            );
        }
        (None, None) => {}
    }
}

fn as_json(report: &Report, (cut, snapshots): (&[String], &[SnapshotFile])) -> serde_json::Value {
    let (first, bytes) = extent(report);
    let segments = report.segments.iter().map(|segment| {
        json!({
            "file": segment.file, "first": segment.first.0, "end": segment.end.0, "bytes": segment.bytes,
            "used": segment.used, "blocks": segment.blocks, "opening": segment.incarnation,
            "begun_ms": segment.created_ms, "begun": format_time_ms(segment.created_ms),
        })
    });
    let kinds = report.kinds.iter().map(
        |kind| json!({ "kind": kind.kind, "name": kind_name(kind.kind), "frames": kind.frames, "bytes": kind.bytes }),
    );
    let damage = report.damage.as_ref().map(
        |damage| json!({ "file": damage.file, "offset": damage.offset, "frame": damage.lsn.0, "why": damage.why }),
    );
    let lost = report.damage.is_some().then(|| {
        json!({
            "segments": report.lost.segments, "bytes": report.lost.bytes, "frames": report.lost.frames,
            "end": report.lost.end.0,
        })
    });
    let snapshots = snapshots.iter().map(|file| {
        let about = file.about.as_ref();
        json!({
            "file": file.name, "bytes": file.bytes, "epoch": about.map(|about| &about.epoch), "damage": file.damage,
            "taken_ms": about.map(|about| about.taken_ms), "from_frame": about.map(|about| about.from_frame),
        })
    });
    json!({
        "lineage": report.tip.map(|tip| format!("{:032x}", tip.lineage)),
        "openings": report.tip.map(|tip| tip.incarnation),
        "closed": report.tip.map(|tip| tip.clean),
        "durable": report.tip.map(|tip| tip.durable.0),
        "first": first, "end": report.end.0, "bytes": bytes, "torn": report.torn,
        "segments": segments.collect::<Vec<_>>(), "kinds": kinds.collect::<Vec<_>>(),
        "damage": damage, "repair_cuts": lost, "cut": cut, "snapshots": snapshots.collect::<Vec<_>>(),
    })
}
