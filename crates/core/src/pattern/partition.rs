//! The rows of one partition in order, and how far they have been looked through.
//!
//! Positions count from the first row that the partition ever had, so they stay when rows at the front are dropped.
//! Invariants: rows ascend by time; `base <= next`; every match in `found` starts at `base` or later, and would be found
//! again by looking from `base` on.

use std::collections::VecDeque;

use hashbrown::HashMap;

use super::attempt::Matcher;
use super::store::At;

/// A row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    pub(super) ts: i64,
    pub(super) sequence: i64,
    pub(super) at: At,
    /// The variables whose flag it has, as bits.
    pub(super) flags: u64,
    /// The local conditions that have been evaluated, and those that hold.
    pub(super) known: u64,
    pub(super) holds: u64,
    /// The local conditions that cannot be evaluated on it.
    pub(super) fails: u64,
    /// The conditions of which it was told that they failed on it.
    pub(super) failed: u64,
}

/// A match that is out.
#[derive(Clone, Debug)]
pub(super) struct Found {
    /// The first row.
    pub(super) start: u64,
    /// Where the next match may start.
    pub(super) next: u64,
    /// A row to come up to this time, and no later one, could change it.
    pub(super) reach: i64,
    pub(super) shown: Shown,
}

/// What is shown of a match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shown {
    /// Its number in the partition, from 1.
    pub(super) number: i64,
    /// The rows, each with its variable.
    pub(super) rows: Vec<(At, u8)>,
    /// Per row that is shown, the rows that its column picks mean.
    pub(super) picked: Vec<Option<At>>,
}

/// The state of one partition.
#[derive(Debug, Default)]
pub(super) struct Partition {
    rows: VecDeque<Row>,
    dropped: u64,
    /// What was decided before this row is final.
    pub(super) base: u64,
    /// The row to look from.
    pub(super) next: u64,
    /// Matches that are out and not final.
    pub(super) found: VecDeque<Found>,
    /// Matches taken back in this epoch, until new ones are found.
    pub(super) undone: Vec<Shown>,
    /// How many matches are final.
    pub(super) numbered: i64,
    /// The attempt at `next`, if it waits for rows to come.
    pub(super) paused: Option<Box<Matcher>>,
    /// When it is looked at next.
    pub(super) due: Option<i64>,
    /// Whether a row that can start a match has been seen at `next` or later.
    pub(super) hopeful: bool,
    /// Whether it is to be looked at in this epoch.
    pub(super) dirty: bool,
}

impl Partition {
    /// The row at a position, if it is there (still, or already).
    pub(super) fn row(&self, position: u64) -> Option<&Row> {
        self.rows.get(position.checked_sub(self.dropped)? as usize)
    }

    pub(super) fn row_mut(&mut self, position: u64) -> Option<&mut Row> {
        self.rows.get_mut(position.checked_sub(self.dropped)? as usize)
    }

    /// The position of the first row that is held.
    pub(super) fn first(&self) -> u64 {
        self.dropped
    }

    /// The position behind the last row.
    pub(super) fn end(&self) -> u64 {
        self.dropped + self.rows.len() as u64
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter()
    }

    pub(super) fn rows_mut(&mut self) -> impl Iterator<Item = &mut Row> {
        self.rows.iter_mut()
    }

    /// Takes in a row as it was saved: the first of all, or the next. Answers whether it is.
    pub(super) fn restore(&mut self, position: u64, row: Row) -> bool {
        if self.rows.is_empty() {
            self.dropped = position;
        }
        let next = position == self.end();
        self.rows.push_back(row);
        next
    }

    /// Goes on, where no row is held, from this position.
    pub(super) fn restore_end(&mut self, position: u64) {
        if self.rows.is_empty() {
            self.dropped = position;
        }
    }

    /// The position of the first row at `ts` or later.
    pub(super) fn at_time(&self, ts: i64) -> u64 {
        match self.rows.back() {
            Some(last) if last.ts < ts => self.end(),
            _ => self.dropped + self.rows.partition_point(|row| row.ts < ts) as u64,
        }
    }

    /// Puts a row in its place. `tie` orders rows of equal time and sequence.
    pub(super) fn insert(&mut self, row: Row, tie: impl Fn(At, At) -> bool) -> u64 {
        let before = |other: &Row| match (other.ts, other.sequence).cmp(&(row.ts, row.sequence)) {
            std::cmp::Ordering::Equal => tie(other.at, row.at),
            order => order.is_lt(),
        };
        let mut place = self.rows.len();
        if self.rows.back().is_some_and(|last| !before(last)) {
            place = self.rows.partition_point(before);
        }
        self.rows.insert(place, row);
        self.dropped + place as u64
    }

    /// A row was put in at `position`, before rows that were looked at: takes back what it could change, and what is known
    /// of its neighbours.
    pub(super) fn unsettle(&mut self, position: u64, ts: i64, (before, after): (usize, usize)) {
        let kept = self.found.iter().position(|found| found.reach >= ts).unwrap_or(self.found.len());
        self.undone.extend(self.found.drain(kept..).map(|found| found.shown));
        self.next = self.found.back().map_or(self.base, |found| found.next);
        self.hopeful = true;
        self.paused = None;
        for near in position.saturating_sub(after as u64)..=position.saturating_add(before as u64) {
            if let Some(row) = self.row_mut(near) {
                row.known = 0;
            }
        }
    }

    /// Drops the rows that nothing looks at any more: those more than `before` rows ahead of `base`.
    pub(super) fn forget(&mut self, before: usize) {
        let keep = self.base.saturating_sub(before as u64).max(self.dropped);
        self.rows.drain(..(keep - self.dropped) as usize);
        self.dropped = keep;
    }
}

/// What goes and what comes where `undone` was and `fresh` is.
pub(super) fn differences(undone: Vec<Shown>, fresh: Vec<Shown>) -> (Vec<Shown>, Vec<Shown>) {
    if undone.is_empty() {
        return (undone, fresh);
    }
    let first = |shown: &Shown| shown.rows.first().map(|(at, _)| *at);
    let mut old: HashMap<Option<At>, Shown> = undone.iter().map(|shown| (first(shown), shown.clone())).collect();
    let mut come = Vec::new();
    for shown in fresh {
        match old.get(&first(&shown)) {
            Some(same) if *same == shown => drop(old.remove(&first(&shown))),
            _ => come.push(shown),
        }
    }
    (undone.into_iter().filter(|shown| old.contains_key(&first(shown))).collect(), come)
}
