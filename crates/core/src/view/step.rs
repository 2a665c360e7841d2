//! What a reader of a view is told on its way from one epoch to a later one: the changes, each row's standing as the
//! reader knows it, and the rows that closed without changing.
//!
//! Invariant: a reader that holds the rows at `closed` with their standing, takes every change it is told as it is told
//! (a retraction names the standing that the reader has), and then turns every row of [`Step::closed`] from open to final,
//! holds the rows at `to` with theirs.
//!
//! Cost: the changes told; where the watermark moves past a closing time, also a pass over the view's rows.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::changes::{EpochChanges, Identity, Status};
use super::rows::{self, Shown};
use super::{Snapshot, View};
use crate::time::Epoch;

/// How far a reader of a view is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// It knows which rows closed before this epoch.
    pub closed: Epoch,
    /// It knows all changes before this epoch; not before `closed`.
    pub next: Epoch,
    /// Those between `closed` and `next` were told as one.
    pub merged: bool,
}

impl From<Epoch> for Place {
    fn from(epoch: Epoch) -> Place {
        Place { closed: epoch, next: epoch, merged: false }
    }
}

/// Changes of one epoch, for one reader.
#[derive(Clone, Debug)]
pub struct Told {
    /// The changes.
    pub changes: Arc<EpochChanges>,
    /// Per change the row's standing: of an insertion what it is, of a retraction what the reader knew it to be.
    pub statuses: Vec<Status>,
}

/// What a reader is told.
#[derive(Debug)]
pub struct Step {
    /// The changes by epoch, ascending; one at most if they were merged.
    pub told: Vec<Told>,
    /// Whether they were merged.
    pub merged: bool,
    /// Whether the watermark moved, so that rows may have closed.
    pub closes: bool,
    /// The rows that the reader knows as open and that are final at `to`.
    pub closed: Snapshot,
    /// Where the reader is then.
    pub to: Epoch,
}

impl View {
    /// What is new to a reader at `from`, up to `to` or as far as the view is; `None` if some of it is gone from the
    /// ring: take a new snapshot. More than `merge_over` epochs of changes are merged into one. A reader that knows changes
    /// but not what closed with them is told that first, and no further changes.
    pub fn step(&self, from: Place, to: Epoch, merge_over: usize) -> Option<Step> {
        let resumes = from.closed < from.next;
        let (changes, closing, to) = self.way(from.closed, if resumes { from.next } else { to })?;
        let (until, ahead) = changes.split_at(changes.partition_point(|changes| changes.epoch < to));
        let merged = if resumes { from.merged } else { until.len() > merge_over };
        let until = if merged { Vec::from_iter(self.compact(until).map(Arc::new)) } else { until.to_vec() };
        let closes = from.closed.watermark < to.watermark || to == Epoch::END;
        let mut born_closed = Counts::default();
        let statuses: Vec<Vec<Status>> = match closes {
            true => until.iter().map(|changes| known(changes, from.closed, &mut born_closed)).collect(),
            false => until.iter().map(|changes| changes.statuses.clone()).collect(),
        };
        let closed = if closes { closed(&closing, ahead, &born_closed, from.closed, to) } else { Vec::new() };
        let told = until.iter().cloned().zip(statuses).map(|(changes, statuses)| Told { changes, statuses });
        let told = if resumes { Vec::new() } else { told.collect() };
        Some(Step { told, merged, closes, closed: self.shown(to, &closed), to })
    }
}

/// How often a reader was told of a row that was closed already.
type Counts<'a> = HashMap<Identity<'a>, i64, foldhash::fast::FixedState>;

/// The standing of each row as a reader knows it who was told at `from` what had closed.
fn known<'a>(changes: &'a EpochChanges, from: Epoch, born_closed: &mut Counts<'a>) -> Vec<Status> {
    let mut of = |row: usize| {
        let row_is = changes.identity(row);
        let (diff, status) = (changes.delta.diff(row), changes.statuses[row]);
        if diff > 0 {
            if status != Status::Open {
                *born_closed.entry(row_is).or_insert(0) += diff;
            }
            return status;
        }
        match born_closed.get_mut(&row_is) {
            Some(count) if *count > 0 => {
                *count += diff;
                status
            }
            _ if status == Status::Final && rows::open_at(changes.closes[row], from) => Status::Open,
            _ => status,
        }
    };
    (0..changes.len()).map(&mut of).collect()
}

/// The rows that were open for the reader and are final at `to`: those of `closing` (as the view is now) as they were at
/// `to`, without those that the reader was told of as closed.
fn closed(closing: &[Shown], ahead: &[Arc<EpochChanges>], born_closed: &Counts, from: Epoch, to: Epoch) -> Vec<Shown> {
    let mut at_to: BTreeMap<Identity<'_>, (i64, Shown)> = BTreeMap::new();
    for row in closing {
        at_to.entry(row.identity()).or_insert_with(|| (0, row.clone())).0 += 1;
    }
    for changes in ahead.iter().rev() {
        for row in (0..changes.len()).rev().filter(|&row| rows::closes_between(changes.closes[row], from, to)) {
            let then = || (0, Shown::of(changes, row));
            at_to.entry(changes.identity(row)).or_insert_with(then).0 -= changes.delta.diff(row);
        }
    }
    for (row, told) in born_closed {
        if let Some((count, _)) = at_to.get_mut(row) {
            *count -= told;
        }
    }
    let open = at_to.into_values().filter(|(_, row)| row.status(to) == Status::Final);
    open.flat_map(|(count, row)| (0..count).map(move |_| row.clone())).collect()
}
