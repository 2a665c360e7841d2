//! What a view tells: the changes of whole epochs, a ring of the last of them, and the state of a row.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;

use crate::delta::{Delta, relabel};
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
    /// By their numbers in what is saved.
    pub(super) const ALL: [Status; 3] = [Status::Open, Status::Final, Status::Amended];

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

    /// All that it has, in order.
    pub(super) fn epochs(&self) -> impl Iterator<Item = &Arc<EpochChanges>> {
        self.epochs.iter()
    }

    /// The last epoch that made room.
    pub(super) fn gone(&self) -> Option<Epoch> {
        self.gone
    }

    /// That epoch and all before made room.
    pub(super) fn made_room(&mut self, gone: Option<Epoch>) {
        self.gone = self.gone.max(gone);
    }

    /// Takes more changes of the last epoch, or those of the next.
    pub(super) fn push_more(&mut self, changes: EpochChanges) {
        let Some(last) = self.epochs.pop_back_if(|last| last.epoch == changes.epoch) else {
            return self.push(Arc::new(changes));
        };
        self.rows -= last.len();
        self.bytes -= last.bytes();
        let both = [last.delta.clone(), changes.delta.clone()];
        let mut merged = EpochChanges::clone(&last);
        merged.delta = Delta::concat(&last.delta.batch().schema(), &both);
        merged.versions.extend(changes.versions);
        merged.statuses.extend(changes.statuses);
        merged.closes.extend(changes.closes);
        merged.rows.extend(changes.rows);
        self.push(Arc::new(merged));
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

/// Merges the changes of ascending epochs: what is left of them, at the last epoch.
pub(super) fn compact(changes: &[Arc<EpochChanges>], schema: &SchemaRef) -> Option<EpochChanges> {
    let last = changes.last()?;
    // Net per row; the first retraction and the last insertion say what it was and what it is.
    type Ends = [Option<(usize, usize)>; 2];
    let mut netted: HashMap<Identity<'_>, (i64, Ends), foldhash::fast::FixedState> = HashMap::default();
    for (epoch, changes) in changes.iter().enumerate() {
        for row in 0..changes.len() {
            let (net, places) = netted.entry(changes.identity(row)).or_insert((0, [None, None]));
            let diff = changes.delta.diff(row);
            *net += diff;
            if diff > 0 {
                places[1] = Some((epoch, row));
            } else if places[0].is_none() {
                places[0] = Some((epoch, row));
            }
        }
    }
    let mut left: Vec<(i64, Identity<'_>, (usize, usize))> = Vec::new();
    for (identity, (net, places)) in netted {
        let place = if net > 0 { places[1] } else { places[0] };
        if let Some(place) = place.filter(|_| net != 0) {
            left.push((net, identity, place));
        }
    }
    left.sort_unstable_by_key(|(net, identity, _)| (*net > 0, *identity));
    if left.is_empty() {
        return None;
    }
    let batches: Vec<&RecordBatch> = changes.iter().map(|changes| changes.delta.batch()).collect();
    let places: Vec<(usize, usize)> = left.iter().map(|(_, _, place)| *place).collect();
    let batch = match arrow_select::interleave::interleave_record_batch(&batches, &places) {
        Ok(batch) => relabel(&batch, &(0..schema.fields().len()).collect::<Vec<_>>(), schema),
        Err(error) => unreachable!("the changes of one view share a schema: {error}"),
    };
    let of = |(epoch, row): (usize, usize)| (&changes[epoch], row);
    Some(EpochChanges {
        epoch: last.epoch,
        delta: Delta::new(batch, Some(left.iter().map(|(net, _, _)| *net).collect())),
        versions: places.iter().map(|&place| of(place)).map(|(changes, row)| changes.versions[row]).collect(),
        statuses: places.iter().map(|&place| of(place)).map(|(changes, row)| changes.statuses[row]).collect(),
        closes: places.iter().map(|&place| of(place)).map(|(changes, row)| changes.closes[row]).collect(),
        rows: left.iter().map(|(_, (bytes, ..), _)| (*bytes).into()).collect(),
    })
}
