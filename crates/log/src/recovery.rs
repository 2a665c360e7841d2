//! Opening: from what a crash has left to a writer that goes on behind it.
//!
//! After an end that was not in order the page cache may hold what the disk does not: a sync that failed leaves pages that
//! look written. So all blocks that the tip does not vouch for are written again and synced, and the torn rest of the segment is
//! made zeros, before anything is released or written.

use std::sync::Arc;

use crate::block::PAGE;
use crate::disk::{Disk, DiskFile, is_full};
use crate::error::{Error, io_error};
use crate::options::Options;
use crate::segment::{SPARE, SegmentHead, name_of};
use crate::survey::{Stretch, survey};
use crate::tip::{NotWritten, Tip};
use crate::walk::Walk;
use crate::writer::{Open, Stopped, Writer};

/// A writer, and what was found.
pub(crate) struct Recovered {
    pub(crate) writer: Writer,
    /// The first frame that is kept.
    pub(crate) first: u64,
    /// The log was closed in order.
    pub(crate) clean: bool,
    /// Something torn was cut off.
    pub(crate) torn: bool,
}

pub(crate) fn recover(disk: Arc<dyn Disk>, options: Options) -> Result<Recovered, Error> {
    options.check()?;
    let found = survey(&*disk, false, &mut |_, _| {})?;
    if let Some(damage) = found.damage {
        return Err(Error::Damaged(damage));
    }
    let Some(mut end) = found.end else { return begin(disk, options) };
    // The tip of a log is written when its first segment is there: without one nothing was ever taken.
    let tip = found.tip.unwrap_or(Tip { lineage: end.head.lineage, incarnation: 0, durable: 0, clean: false });
    if !tip.clean {
        mend(&*disk, &found.young, &mut end)?;
        disk.sync().map_err(io_error("syncing", "the folder of the log"))?;
    }
    let first = found.segments.first().copied().unwrap_or_default();
    let (lsn, offset, length, previous, head) = (end.lsn, end.offset, end.length, end.previous, end.head);
    let segment = Open { file: end.into_file(), first: head.first, offset, length };
    let next = Tip { incarnation: tip.incarnation.saturating_add(1), durable: lsn, clean: false, ..tip };
    let mut writer = Writer { disk, options, tip: next, segment, spare: None, previous, written: lsn, synced: lsn };
    start(&mut writer)?;
    Ok(Recovered { writer, first, clean: tip.clean, torn: found.torn })
}

/// A log that was not there.
fn begin(disk: Arc<dyn Disk>, options: Options) -> Result<Recovered, Error> {
    let head =
        SegmentHead { lineage: options.lineage, incarnation: 1, first: 0, previous: 0, created_ms: (options.now_ms)() };
    let (file, length) = named(&*disk, &head, options.segment_bytes)?;
    let segment = Open { file, first: 0, offset: PAGE as u64, length };
    let tip = Tip { lineage: options.lineage, incarnation: 1, durable: 0, clean: false };
    let mut writer = Writer { disk, options, tip, segment, spare: None, previous: 0, written: 0, synced: 0 };
    start(&mut writer)?;
    Ok(Recovered { writer, first: 0, clean: true, torn: false })
}

/// Makes an empty segment, durable under its name.
pub(crate) fn named(disk: &dyn Disk, head: &SegmentHead, bytes: u64) -> Result<(Box<dyn DiskFile>, u64), Error> {
    let name = name_of(head.first);
    let file = disk.create(SPARE, bytes).map_err(io_error("making", &name))?;
    file.write_at(&head.page(), 0).map_err(io_error("writing", &name))?;
    file.sync().map_err(io_error("syncing", &name))?;
    let length = file.length().map_err(io_error("reading", &name))?;
    disk.rename(SPARE, &name).map_err(io_error("naming", &name))?;
    disk.sync().map_err(io_error("syncing", "the folder of the log"))?;
    Ok((file, length))
}

/// Says that the log is open, and prepares its next segment if there is room. On a full disk the one that was prepared before
/// makes room for the tip: so the log opens, and what it holds can be read.
fn start(writer: &mut Writer) -> Result<(), Error> {
    let told = match writer.tip.write(&*writer.disk) {
        Err(NotWritten::Before(error)) if is_full(&error) && writer.disk.remove(SPARE).is_ok() => {
            writer.tip.write(&*writer.disk)
        }
        told => told,
    };
    told.map_err(|not| not.error())?;
    match writer.prepare() {
        Ok(()) | Err(Stopped::Full) => Ok(()),
        Err(Stopped::Failed(error)) => Err(error),
    }
}

fn mend(disk: &dyn Disk, young: &[Stretch], end: &mut Walk) -> Result<(), Error> {
    for stretch in young {
        let name = name_of(stretch.segment);
        let file = disk.open(&name).map_err(io_error("opening", &name))?;
        over(&*file, &name, stretch.from, stretch.to, |_| true)?;
        file.sync().map_err(io_error("syncing", &name))?;
    }
    blank(end)
}

/// Makes zeros of what stands behind a place, durably.
pub(crate) fn blank(end: &mut Walk) -> Result<(), Error> {
    let name = name_of(end.head.first);
    let file = end.file();
    over(file, &name, end.offset, end.length, |bytes| {
        let blank = bytes.iter().all(|byte| *byte == 0);
        bytes.fill(0);
        !blank
    })?;
    file.sync().map_err(io_error("syncing", &name))
}

/// Reads part of a file piece by piece, and writes the pieces again for which `change` says so.
fn over(
    file: &dyn DiskFile,
    name: &str,
    from: u64,
    to: u64,
    mut change: impl FnMut(&mut [u8]) -> bool,
) -> Result<(), Error> {
    let mut piece = vec![0; 1 << 20];
    let mut at = from;
    while at < to {
        let length = usize::try_from(to - at).map_or(piece.len(), |left| left.min(piece.len()));
        let bytes = &mut piece[..length];
        bytes.fill(0);
        file.read_at(bytes, at).map_err(io_error("reading", name))?;
        if change(bytes) {
            file.write_at(bytes, at).map_err(io_error("writing", name))?;
        }
        at += length as u64;
    }
    Ok(())
}
