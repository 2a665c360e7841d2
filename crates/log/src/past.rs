//! What a log holds at a moment, to be read: nothing is written, nobody is kept from writing on.

use std::fmt;
use std::sync::Arc;

use crate::Lsn;
use crate::disk::Disk;
use crate::error::Error;
use crate::reader::Reader;
use crate::segment::segments;
use crate::survey::{steadily, survey};

/// What a log holds at a moment: the frames from [`Past::first`] up to [`Past::end`]. It does not change when the log is written on.
#[derive(Clone)]
pub struct Past {
    disk: Arc<dyn Disk>,
    lineage: u128,
    first: Lsn,
    end: Lsn,
}

impl fmt::Debug for Past {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Past").field("first", &self.first).field("end", &self.end).finish_non_exhaustive()
    }
}

impl Past {
    /// Looks where a log ends, also while it is written: where opening it would let it end. A folder without a log is an empty one.
    ///
    /// # Errors
    /// [`Error::Damaged`] where the log is not a whole prefix of what was durable; errors of the disk.
    pub fn open(disk: Arc<dyn Disk>) -> Result<Past, Error> {
        let found = steadily(&*disk, || survey(&*disk, false, &mut |_, _| {}), |found| found.damage.is_some())?;
        if let Some(damage) = found.damage {
            return Err(Error::Damaged(damage));
        }
        let lineage = found.tip.map_or(0, |tip| tip.lineage);
        let (first, end) = (found.segments.first().copied(), found.end.map_or(0, |end| end.lsn));
        Ok(Past { disk, lineage, first: Lsn(first.unwrap_or(0)), end: Lsn(end) })
    }

    pub(crate) fn of(disk: Arc<dyn Disk>, lineage: u128, first: Lsn, end: Lsn) -> Past {
        Past { disk, lineage, first, end }
    }

    /// The identity of the log.
    pub fn lineage(&self) -> u128 {
        self.lineage
    }

    /// The first frame that is kept.
    pub fn first(&self) -> Lsn {
        self.first
    }

    /// What of its beginning is not kept, in words; `None` if it is all there.
    pub fn gone(&self) -> Option<String> {
        (self.first > Lsn(0)).then(|| format!("the frames before {} are gone, removed behind a snapshot", self.first))
    }

    /// The number behind the last frame.
    pub fn end(&self) -> Lsn {
        self.end
    }

    /// The first frames of its segments, oldest first.
    ///
    /// # Errors
    /// Of the disk.
    pub fn segments(&self) -> Result<Vec<Lsn>, Error> {
        let firsts = segments(&*self.disk)?.into_iter().map(Lsn);
        Ok(firsts.filter(|first| (self.first..self.end).contains(first)).collect())
    }

    /// The same up to an earlier frame, which is left out.
    #[must_use]
    pub fn before(self, end: Lsn) -> Past {
        Past { end: self.end.min(end), ..self }
    }

    /// Reads frames from one on, up to the end.
    ///
    /// # Errors
    /// [`Error::Removed`] if it is no longer kept.
    pub fn reader(&self, from: Lsn) -> Result<Reader, Error> {
        Reader::up_to(self.disk.clone(), self.end, from)
    }
}
