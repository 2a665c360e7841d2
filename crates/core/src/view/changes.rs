//! What a view tells: the changes of whole epochs, a ring of the last of them, and the state of a row.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::delta::Delta;
use crate::time::Epoch;

/// Where a row stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// It may still change: the watermark has not passed the column after which it closes.
    Open,
    /// It has closed; only an accepted late row can still change it.
    Final,
    /// It was changed after it had closed.
    Amended,
}

impl Status {
    /// Its name on every surface.
    pub const fn name(self) -> &'static str {
        match self {
            Status::Open => "open",
            Status::Final => "final",
            Status::Amended => "amended",
        }
    }
}

/// See [`EpochChanges::identity`].
pub(super) type Identity<'a> = (&'a [u8], u64, bool);

/// All changes of one epoch of a view, netted, retractions before insertions, each in the order of the rows.
#[derive(Clone, Debug)]
pub struct EpochChanges {
    /// The epoch.
    pub epoch: Epoch,
    /// The changes, in the view's columns.
    pub delta: Delta,
    /// Per change the version of its row: a key's first row is 1, each replacement is one higher. A retraction carries
    /// the version it takes back.
    pub versions: Vec<u64>,
    /// Per change where the row stood at this epoch.
    pub statuses: Vec<Status>,
    /// Per change when its row closes, in ms; `i64::MAX` is never.
    pub(super) closes: Vec<i64>,
    /// Per change the row's bytes, as the view's codec writes them.
    pub(super) rows: Vec<Box<[u8]>>,
}

impl EpochChanges {
    /// Number of changes.
    pub fn len(&self) -> usize {
        self.delta.len()
    }

    /// What tells a change's row from others of the view: its bytes, its version, whether it was amended. What was inserted
    /// as such is retracted as such.
    pub(super) fn identity(&self, row: usize) -> Identity<'_> {
        (&self.rows[row], self.versions[row], self.statuses[row] == Status::Amended)
    }

    /// Whether there is no change.
    pub fn is_empty(&self) -> bool {
        self.delta.is_empty()
    }

    /// What it takes in memory, about: each row as the codec's bytes and as columns, and what is known of it.
    fn bytes(&self) -> usize {
        const BESIDE: usize = 80;
        self.rows.iter().map(|row| 2 * row.len() + BESIDE).sum()
    }
}

/// The last epochs with changes, whole ones, bounded in epochs, rows and bytes.
#[derive(Debug)]
pub(super) struct Ring {
    epochs: VecDeque<Arc<EpochChanges>>,
    rows: usize,
    bytes: usize,
    room: RingRoom,
    /// The last epoch that made room; all changes after it are still here.
    gone: Option<Epoch>,
}

/// How much a ring remembers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RingRoom {
    pub(crate) epochs: usize,
    pub(crate) rows: usize,
    pub(crate) bytes: usize,
}

impl Ring {
    pub(super) fn new(room: RingRoom) -> Ring {
        Ring { epochs: VecDeque::new(), rows: 0, bytes: 0, room, gone: None }
    }

    /// Takes the next epoch; the oldest ones make room. The newest stays, however large it is.
    pub(super) fn push(&mut self, changes: Arc<EpochChanges>) {
        self.rows += changes.len();
        self.bytes += changes.bytes();
        self.epochs.push_back(changes);
        let RingRoom { epochs, rows, bytes } = self.room;
        while self.epochs.len() > 1 && (self.epochs.len() > epochs || self.rows > rows || self.bytes > bytes) {
            if let Some(oldest) = self.epochs.pop_front() {
                self.rows -= oldest.len();
                self.bytes -= oldest.bytes();
                self.gone = Some(oldest.epoch);
            }
        }
    }

    /// Whether all changes at `from` or later are here.
    pub(super) fn reaches(&self, from: Epoch) -> bool {
        self.gone.is_none_or(|gone| from > gone)
    }

    /// The changes at `from` or later, in order; `None` if some are gone.
    pub(super) fn since(&self, from: Epoch) -> Option<Vec<Arc<EpochChanges>>> {
        let start = self.epochs.partition_point(|changes| changes.epoch < from);
        self.reaches(from).then(|| self.epochs.range(start..).cloned().collect())
    }
}
