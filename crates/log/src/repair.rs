//! Cuts a damaged log at the damage, so that it can be opened. What is cut off is kept first: the rest of the damaged segment
//! is copied, segments behind it are renamed. A crash at any moment leaves a log that is still refused, and can be repaired.

use crate::Lsn;
use crate::disk::Disk;
use crate::error::{Error, io_error};
use crate::inspect::{Report, behind, look};
use crate::recovery::blank;
use crate::segment::name_of;
use crate::tip::Tip;
use crate::walk::Walk;

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repaired {
    /// What was found.
    pub report: Report,
    /// Files that hold what was cut off; none if there was no damage.
    pub kept: Vec<String>,
}

/// Repairs a log that nobody has open.
///
/// # Errors
/// Of the disk; [`Error::NothingLeft`] if no segment can be read.
pub fn repair(disk: &dyn Disk) -> Result<Repaired, Error> {
    let (report, mut found) = look(disk)?;
    if report.damage.is_none() {
        return Ok(Repaired { report, kept: Vec::new() });
    }
    let aside = behind(&found).to_vec();
    let Some(end) = &mut found.end else { return Err(Error::NothingLeft) };
    let mut kept = Vec::new();
    if !rest_is_blank(end)? {
        kept.push(copy_rest(disk, end)?);
    }
    // The newest first, so that no crash leaves a gap.
    for first in aside.iter().rev() {
        let from = name_of(*first);
        let to = free_name(disk, &format!("{from}.cut"))?;
        disk.rename(&from, &to).map_err(io_error("renaming", &from))?;
        sync_folder(disk)?;
        kept.push(to);
    }
    blank(end)?;
    // Whatever it said: the log now ends here. It counts as ended without order, so opening looks once more.
    let lineage = end.head.lineage;
    let incarnation = found.tip.map_or(0, |tip| tip.incarnation).max(end.head.incarnation);
    let tip = Tip { lineage, incarnation, durable: end.lsn, clean: false };
    tip.write(disk).map_err(|not| not.error())?;
    kept.sort();
    Ok(Repaired { report, kept })
}

fn sync_folder(disk: &dyn Disk) -> Result<(), Error> {
    disk.sync().map_err(io_error("syncing", "the folder of the log"))
}

fn free_name(disk: &dyn Disk, wanted: &str) -> Result<String, Error> {
    let names = disk.list().map_err(io_error("listing", "the folder of the log"))?;
    let numbered = (1_u64..).map(|number| format!("{wanted}.{number}"));
    let mut candidates = std::iter::once(wanted.to_owned()).chain(numbered);
    Ok(candidates.find(|name| !names.contains(name)).unwrap_or_else(|| wanted.to_owned()))
}

fn pieces(end: &Walk, mut visit: impl FnMut(&[u8], u64) -> Result<bool, Error>) -> Result<(), Error> {
    let mut piece = vec![0; 1 << 20];
    let mut at = end.offset;
    while at < end.length {
        let length = usize::try_from(end.length - at).map_or(piece.len(), |left| left.min(piece.len()));
        let bytes = &mut piece[..length];
        bytes.fill(0);
        end.file().read_at(bytes, at).map_err(io_error("reading", &end.name))?;
        if !visit(bytes, at - end.offset)? {
            break;
        }
        at += length as u64;
    }
    Ok(())
}

fn rest_is_blank(end: &Walk) -> Result<bool, Error> {
    let mut blank = true;
    pieces(end, |bytes, _| {
        blank &= bytes.iter().all(|byte| *byte == 0);
        Ok(blank)
    })?;
    Ok(blank)
}

/// What stands behind the damage in its segment, in a file of its own that tells from which frame and byte it is.
fn copy_rest(disk: &dyn Disk, end: &Walk) -> Result<String, Error> {
    let name = free_name(disk, &format!("{}.{}.at-{}.cut", end.name, Lsn(end.lsn), end.offset))?;
    let copy = disk.create(&name, 0).map_err(io_error("making", &name))?;
    pieces(end, |bytes, at| {
        copy.write_at(bytes, at).map_err(io_error("writing", &name))?;
        Ok(true)
    })?;
    copy.sync().map_err(io_error("syncing", &name))?;
    sync_folder(disk)?;
    Ok(name)
}
