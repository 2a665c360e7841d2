//! Where a log ends, and whether it may end there (rule D9).
//!
//! From the segment of the tip on every block is read and checked, until one is not whole. That is the torn end of what was
//! being written, unless something shows that more had been durable: the tip; a later segment, which is only begun when the one
//! before is synced; a block behind it that was written when the bad one had already been synced. Then it is damage.

use crate::Lsn;
use crate::block::Block;
use crate::disk::Disk;
use crate::error::{Damage, Error};
use crate::segment::{name_of, segments};
use crate::tip::{TIP, Tip};
use crate::walk::Walk;

/// How often a log is looked at that is in use meanwhile.
const LOOKS: usize = 10;

/// Part of a segment.
#[derive(Clone, Debug)]
pub(crate) struct Stretch {
    pub(crate) segment: u64,
    pub(crate) from: u64,
    pub(crate) to: u64,
}

/// What was found.
pub(crate) struct Survey {
    /// First frames of all segments.
    pub(crate) segments: Vec<u64>,
    pub(crate) tip: Option<Tip>,
    /// Where the whole blocks end; nothing if no segment could be read.
    pub(crate) end: Option<Walk>,
    /// Blocks that the tip does not vouch for.
    pub(crate) young: Vec<Stretch>,
    /// Something that was never whole stands at the end.
    pub(crate) torn: bool,
    pub(crate) damage: Option<Damage>,
}

/// Walks from the segment of the tip on, or through `all`. Errors are those of the disk and of versions; damage is in the answer.
pub(crate) fn survey(disk: &dyn Disk, all: bool, visit: &mut dyn FnMut(&Walk, &Block)) -> Result<Survey, Error> {
    let mut damage = None;
    let tip = match Tip::read(disk) {
        Ok(tip) => tip,
        Err(Error::Damaged(bad)) => {
            damage = Some(bad);
            None
        }
        Err(error) => return Err(error),
    };
    let segments = segments(disk)?;
    let durable = tip.map_or(0, |tip| tip.durable);
    let mut found = Survey { segments, tip, end: None, young: Vec::new(), torn: false, damage: None };
    let begin = if all { Some(0) } else { found.segments.iter().rposition(|first| *first <= durable) };
    let tip_damage = |lsn, why: &str| Damage { file: TIP.to_owned(), offset: 0, lsn: Lsn(lsn), why: why.to_owned() };
    match begin {
        Some(begin) => walk_on(disk, begin, durable, &mut found, visit)?,
        None if found.segments.is_empty() && tip.is_none() => {}
        None => found.damage = Some(tip_damage(durable, "the segment that holds the tip is missing")),
    }
    if found.segments.is_empty() && tip.is_some() {
        found.damage = Some(tip_damage(durable, "the log has a tip, but its segments are missing"));
    }
    if let (None, Some(end)) = (&found.damage, &mut found.end) {
        let lsn = end.lsn;
        found.damage = match tip {
            None if damage.is_none() && lsn > 0 => Some(tip_damage(lsn, "the tip is missing")),
            Some(tip) if tip.lineage != end.head.lineage => Some(tip_damage(lsn, "the tip is that of another log")),
            Some(tip) if lsn < tip.durable => {
                Some(end.damage(format!("the log ends here, but was durable up to frame {}", tip.durable)))
            }
            Some(tip) if tip.clean && lsn > tip.durable => {
                Some(tip_damage(lsn, "the log goes on behind the end at which it was closed"))
            }
            _ => None,
        };
    }
    found.damage = found.damage.or(damage);
    Ok(found)
}

impl Survey {
    /// Looks behind the last whole block: whether something stands there, and where a block does that was written when all
    /// before it had been synced.
    fn tail(&mut self, walk: &mut Walk) -> Result<Option<u64>, Error> {
        let (lsn, mut any, mut later) = (walk.lsn, false, None);
        walk.beyond(&mut |block, offset| {
            any = true;
            if block.synced > lsn && later.is_none() {
                later = Some(offset);
            }
        })?;
        self.torn = any || !walk.blank()?;
        Ok(later)
    }
}

/// Looks at a log that may be in use meanwhile. What seems wrong then may be of two moments: the log was opened or closed, or its
/// oldest segment was taken away. So it looks again until nothing is wrong, or nothing of this has changed.
pub(crate) fn steadily<T>(
    disk: &dyn Disk,
    mut look: impl FnMut() -> Result<T, Error>,
    wrong: impl Fn(&T) -> bool,
) -> Result<T, Error> {
    let stand = || (Tip::read(disk).ok().flatten(), segments(disk).ok().and_then(|order| order.first().copied()));
    for _ in 1..LOOKS {
        let before = stand();
        let looked = look();
        let passing = match &looked {
            Ok(looked) => wrong(looked),
            Err(Error::Damaged(_)) => true,
            Err(Error::Io { source, .. }) => source.kind() == std::io::ErrorKind::NotFound,
            Err(_) => false,
        };
        if !passing || stand() == before {
            return looked;
        }
    }
    look()
}

fn walk_on(
    disk: &dyn Disk,
    begin: usize,
    durable: u64,
    found: &mut Survey,
    visit: &mut dyn FnMut(&Walk, &Block),
) -> Result<(), Error> {
    let order = found.segments.clone();
    for (index, first) in order.iter().enumerate().skip(begin) {
        let mut walk = match Walk::open(disk, *first) {
            Ok(walk) => walk,
            Err(Error::Damaged(bad)) => {
                found.damage = Some(bad);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        if let Some(before) = &found.end {
            let linked =
                (walk.lsn, walk.previous, walk.head.lineage) == (before.lsn, before.previous, before.head.lineage);
            if !linked {
                let name = name_of(*first);
                let why = if walk.lsn == before.lsn {
                    format!("the segment '{name}' does not go on with the block that ends here")
                } else {
                    format!("no whole block stands here, but the segment '{name}' follows")
                };
                found.damage = Some(before.damage(why));
                return Ok(());
            }
        }
        let last = index + 1 == order.len();
        loop {
            let from = walk.offset;
            let mut next = walk.next()?;
            if next.is_none() && last {
                let later = found.tail(&mut walk)?;
                // Of a log that is being written the block may have become whole since.
                next = if later.is_some() { walk.next()? } else { None };
                if let (Some(later), None) = (later, &next) {
                    found.damage = Some(
                        walk.damage(format!("no whole block stands here, but one does at byte {later}, written later")),
                    );
                }
            }
            let Some(block) = next else { break };
            if block.end() > durable {
                match found.young.last_mut().filter(|young| young.segment == *first) {
                    Some(young) => young.to = walk.offset,
                    None => found.young.push(Stretch { segment: *first, from, to: walk.offset }),
                }
            }
            visit(&walk, &block);
        }
        found.end = Some(walk);
        if found.damage.is_some() {
            return Ok(());
        }
    }
    Ok(())
}
