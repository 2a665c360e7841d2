//! What a folder holds, as plain data: every block of every segment is read and checked. Nothing is written.

use std::collections::BTreeMap;

use crate::block::{BLOCK_HEADER, frame_at};
use crate::disk::Disk;
use crate::error::{Damage, Error};
use crate::segment::name_of;
use crate::survey::{Survey, steadily, survey};
use crate::walk::Walk;
use crate::{Error::Damaged, Lsn};

/// What a folder holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// What the tip says, if it can be read.
    pub tip: Option<TipReport>,
    /// The segments up to the damage or the end, oldest first.
    pub segments: Vec<SegmentReport>,
    /// Frames and their bytes by kind, in the order of the kinds.
    pub kinds: Vec<Kind>,
    /// The number behind the last frame.
    pub end: Lsn,
    /// A block at the end had not become whole: opening cuts it off.
    pub torn: bool,
    /// The first damage.
    pub damage: Option<Damage>,
    /// What a repair would cut off.
    pub lost: Lost,
}

/// The tip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TipReport {
    /// The identity of the log.
    pub lineage: u128,
    /// How often it was opened.
    pub incarnation: u64,
    /// All frames before this one were durable.
    pub durable: Lsn,
    /// It was closed in order.
    pub clean: bool,
}

/// A segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentReport {
    /// Its file.
    pub file: String,
    /// Its first frame.
    pub first: Lsn,
    /// The number behind its last frame.
    pub end: Lsn,
    /// Bytes of the file.
    pub bytes: u64,
    /// Bytes up to the end of the last whole block.
    pub used: u64,
    /// Whole blocks.
    pub blocks: u64,
    /// The how-manieth opening began it.
    pub incarnation: u64,
    /// When it was begun, in ms since 1970.
    pub created_ms: i64,
}

/// The frames of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// The kind.
    pub kind: u8,
    /// How many.
    pub frames: u64,
    /// Their bytes together.
    pub bytes: u64,
}

/// What stands behind a damage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lost {
    /// Segments that would be set aside whole.
    pub segments: usize,
    /// Bytes of files that would be cut off or set aside.
    pub bytes: u64,
    /// Frames there that are whole in themselves.
    pub frames: u64,
    /// The number behind the last frame that is known to have been there.
    pub end: Lsn,
}

/// Looks at everything, also while the log is written. Damage is in the answer.
///
/// # Errors
/// Of the disk, and of formats of other versions.
pub fn inspect(disk: &dyn Disk) -> Result<Report, Error> {
    steadily(disk, || Ok(look(disk)?.0), |report| report.damage.is_some())
}

/// Looks at everything, and answers with the first damage as an error.
///
/// # Errors
/// Those of [`inspect`], and [`Error::Damaged`].
pub fn verify(disk: &dyn Disk) -> Result<Report, Error> {
    let report = inspect(disk)?;
    match report.damage {
        Some(damage) => Err(Damaged(damage)),
        None => Ok(report),
    }
}

pub(crate) fn look(disk: &dyn Disk) -> Result<(Report, Survey), Error> {
    let mut segments: Vec<SegmentReport> = Vec::new();
    let mut kinds = BTreeMap::<u8, (u64, u64)>::new();
    let mut found = survey(disk, true, &mut |walk, block| {
        let mut at = BLOCK_HEADER;
        for _ in 0..block.frames {
            if let Some((kind, range)) = frame_at(&walk.block, at) {
                let (frames, bytes) = kinds.entry(kind).or_default();
                (*frames, *bytes) = (*frames + 1, *bytes + range.len() as u64);
                at = range.end;
            }
        }
        let blocks = match segments.last_mut().filter(|last| last.first.0 == walk.head.first) {
            Some(last) => last,
            None => {
                segments.push(empty(walk));
                let last = segments.len() - 1;
                &mut segments[last]
            }
        };
        (blocks.end, blocks.used, blocks.blocks) = (Lsn(block.end()), walk.offset, blocks.blocks + 1);
    })?;
    if let Some(end) = found.end.as_ref().filter(|end| end.lsn == end.head.first) {
        segments.push(empty(end));
    }
    let mut report = Report {
        tip: found.tip.map(|tip| TipReport {
            lineage: tip.lineage,
            incarnation: tip.incarnation,
            durable: Lsn(tip.durable),
            clean: tip.clean,
        }),
        segments,
        kinds: kinds.into_iter().map(|(kind, (frames, bytes))| Kind { kind, frames, bytes }).collect(),
        end: Lsn(found.end.as_ref().map_or(0, |end| end.lsn)),
        torn: found.torn,
        damage: found.damage.clone(),
        lost: Lost::default(),
    };
    if report.damage.is_some() {
        report.lost = lost(disk, &mut found)?;
    }
    Ok((report, found))
}

fn empty(walk: &Walk) -> SegmentReport {
    SegmentReport {
        file: walk.name.clone(),
        first: Lsn(walk.head.first),
        end: Lsn(walk.head.first),
        bytes: walk.length,
        used: crate::block::PAGE as u64,
        blocks: 0,
        incarnation: walk.head.incarnation,
        created_ms: walk.head.created_ms,
    }
}

/// The segments behind the one in which whole blocks end, or all if none could be read.
pub(crate) fn behind(found: &Survey) -> &[u64] {
    let from = match &found.end {
        Some(end) => found.segments.iter().position(|first| *first > end.head.first),
        None => Some(0),
    };
    from.and_then(|from| found.segments.get(from..)).unwrap_or_default()
}

fn lost(disk: &dyn Disk, found: &mut Survey) -> Result<Lost, Error> {
    let behind = behind(found).to_vec();
    let durable = found.tip.map_or(0, |tip| tip.durable);
    let mut lost = Lost { segments: behind.len(), end: Lsn(durable), ..Lost::default() };
    let count = |walk: &mut Walk, lost: &mut Lost| {
        walk.beyond(&mut |block, _| {
            lost.frames += u64::from(block.frames);
            lost.end = lost.end.max(Lsn(block.end()));
        })
    };
    if let Some(end) = &mut found.end {
        count(end, &mut lost)?;
        lost.bytes += end.length - end.offset.min(end.length);
        lost.end = lost.end.max(Lsn(end.lsn));
    }
    for first in behind {
        lost.end = lost.end.max(Lsn(first));
        match Walk::open(disk, first) {
            Ok(mut walk) => {
                lost.bytes += walk.length;
                while let Some(block) = walk.next()? {
                    lost.frames += u64::from(block.frames);
                    lost.end = lost.end.max(Lsn(block.end()));
                }
                count(&mut walk, &mut lost)?;
            }
            Err(Error::Damaged(_)) => {
                let name = name_of(first);
                let file = disk.open(&name).map_err(crate::error::io_error("opening", &name))?;
                lost.bytes += file.length().map_err(crate::error::io_error("opening", &name))?;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(lost)
}
