//! The partitions of one stream or window: the rows of each in order, and what changes of those that are shown.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array};
use arrow_schema::{DataType, SchemaRef};

use super::list::List;
use super::store::{Entry, Store, entry};
use super::{Numbering, Rank};
use crate::aggregate::{Changes, Keys};
use crate::delta::Delta;

/// Deltas of fewer rows on average are put together.
const FEW: usize = 1024;

/// The rows of each partition.
pub(super) struct Partitions {
    rank: Arc<Rank>,
    keys: Keys,
    /// Per partition, by its number in `keys`.
    lists: Vec<List>,
    store: Store,
    /// Per partition the last call that saw it.
    seen: Vec<u32>,
    calls: u32,
}

/// The rows shown of some partitions.
#[derive(Default)]
struct Shown {
    entries: Vec<Entry>,
    /// Of each entry, the numbers that are columns.
    numbers: Vec<i64>,
    /// Where each partition's rows end.
    ends: Vec<usize>,
}

impl Shown {
    fn of(&self, partition: usize) -> std::ops::Range<usize> {
        let start = if partition == 0 { 0 } else { self.ends[partition - 1] };
        start..self.ends[partition]
    }

    fn numbers(&self, at: usize, width: usize) -> &[i64] {
        &self.numbers[at * width..(at + 1) * width]
    }

    fn push(&mut self, from: &Shown, at: usize, width: usize) {
        self.entries.push(from.entries[at]);
        self.numbers.extend_from_slice(from.numbers(at, width));
    }
}

impl Partitions {
    /// None yet; `schema` is that of the input.
    pub(super) fn new(rank: &Arc<Rank>, schema: &SchemaRef) -> Partitions {
        let types: Vec<DataType> = rank.keys.iter().map(|&key| schema.field(key).data_type().clone()).collect();
        Partitions {
            rank: rank.clone(),
            keys: Keys::new(&types),
            lists: Vec::new(),
            store: Store::new(schema, &rank.total_order()),
            seen: Vec::new(),
            calls: 0,
        }
    }

    /// How many rows are held.
    pub(super) fn held(&self) -> usize {
        self.store.held()
    }

    /// Memory held, in bytes, about.
    pub(super) fn bytes(&self) -> usize {
        let lists: usize = self.lists.iter().map(List::bytes).sum();
        self.keys.bytes() + self.store.bytes() + lists + self.lists.capacity() * size_of::<List>() + self.seen.len() * 4
    }

    /// Takes the rows of an epoch in; tells what changes if that is asked for.
    pub(super) fn add(&mut self, input: &[Delta], changes: Option<&mut Changes>) {
        let rows: usize = input.iter().map(Delta::len).sum();
        let together =
            (input.len() > 1 && rows < input.len() * FEW).then(|| [Delta::concat(&input[0].batch().schema(), input)]);
        let input: &[Delta] = together.as_ref().map_or(input, |one| one);
        let groups: Vec<Vec<u32>> = input.iter().map(|delta| self.intern(delta)).collect();
        let chunks: Vec<u32> = input.iter().map(|delta| self.store.add(delta.batch().clone())).collect();
        self.lists.resize_with(self.keys.end(), List::default);
        let touched = match changes.is_some() || self.rank.retracting {
            true => self.distinct(&groups),
            false => Vec::new(),
        };
        let before = changes.is_some().then(|| self.shown(&touched));
        let mut gone = Vec::new();
        for ((delta, groups), &chunk) in input.iter().zip(&groups).zip(&chunks) {
            for (row, &group) in groups.iter().enumerate() {
                let copies = u64::try_from(delta.diff(row)).unwrap_or(0);
                let copies = if self.rank.retracting { copies } else { copies.min(self.rank.to) };
                (0..copies).for_each(|_| self.insert(group, entry(chunk, row), &mut gone));
            }
        }
        // Whatever is taken back has come by now, be it in this epoch.
        for ((delta, groups), &chunk) in input.iter().zip(&groups).zip(&chunks) {
            if delta.diffs().is_none() {
                continue;
            }
            for (row, &group) in groups.iter().enumerate().filter(|(row, _)| delta.diff(*row) < 0) {
                (0..delta.diff(row).unsigned_abs()).for_each(|_| self.remove(group, entry(chunk, row), &mut gone));
            }
        }
        if let (Some(before), Some(changes)) = (before, changes) {
            let after = self.shown(&touched);
            self.tell(&before, &after, touched.len(), changes);
        }
        gone.into_iter().for_each(|entry| self.store.release(entry));
        chunks.into_iter().for_each(|chunk| self.store.sweep(chunk));
        let empty: Vec<u32> = touched.into_iter().filter(|&group| self.lists[group as usize].is_empty()).collect();
        self.keys.remove(&empty);
        if self.store.wasteful() {
            self.store.compact(self.lists.iter_mut().flat_map(List::iter_mut));
        }
    }

    /// The rows that are held, by pieces of so many.
    pub(super) fn save(&self, rows: usize) -> Vec<(Vec<ArrayRef>, usize)> {
        let held: Vec<Entry> = self.lists.iter().flat_map(List::iter).collect();
        held.chunks(rows).map(|entries| (self.store.columns(entries), entries.len())).collect()
    }

    /// Tells all rows that are shown as coming.
    pub(super) fn show(&self, changes: &mut Changes) {
        let all: Vec<u32> =
            (0..self.lists.len() as u32).filter(|&group| !self.lists[group as usize].is_empty()).collect();
        let shown = self.shown(&all);
        changes.insert(self.columns(&shown), shown.entries.len());
    }

    fn intern(&mut self, delta: &Delta) -> Vec<u32> {
        let keys: Vec<ArrayRef> = self.rank.keys.iter().map(|&key| delta.batch().column(key).clone()).collect();
        let mut groups = Vec::new();
        self.keys.intern(&keys, delta.len(), &mut groups);
        groups
    }

    fn insert(&mut self, group: u32, new: Entry, gone: &mut Vec<Entry>) {
        let (list, store) = (&mut self.lists[group as usize], &mut self.store);
        let key = store.key(new);
        if self.rank.retracting {
            list.insert(new, |other| store.key(other).cmp(key));
            return store.hold(new);
        }
        let full = self.rank.by == Numbering::Row && list.len() as u64 >= self.rank.to;
        if full && list.last().is_none_or(|last| store.key(last) <= key) {
            return;
        }
        list.insert(new, |other| store.key(other).cmp(key));
        store.hold(new);
        let keep = match self.rank.by {
            Numbering::Row => self.rank.to,
            _ => numbered(&self.rank, store, list).take_while(|(_, number)| number.by <= self.rank.to).count() as u64,
        };
        while list.len() as u64 > keep {
            gone.extend(list.pop());
        }
    }

    fn remove(&mut self, group: u32, row: Entry, gone: &mut Vec<Entry>) {
        let store = &self.store;
        let key = store.key(row);
        let found = self.lists[group as usize].remove(|other| store.key(other).cmp(key));
        debug_assert!(found.is_some(), "a row is taken back that never came");
        gone.extend(found);
    }

    /// Each partition once, in the order of first appearance.
    fn distinct(&mut self, groups: &[Vec<u32>]) -> Vec<u32> {
        self.seen.resize(self.keys.end(), 0);
        self.calls = self.calls.wrapping_add(1);
        if self.calls == 0 {
            self.seen.fill(0);
            self.calls = 1;
        }
        let (seen, call) = (&mut self.seen, self.calls);
        let first = |group: &u32| std::mem::replace(&mut seen[*group as usize], call) != call;
        groups.iter().flatten().copied().filter(first).collect()
    }

    fn shown(&self, groups: &[u32]) -> Shown {
        let mut shown = Shown::default();
        for &group in groups {
            let rows = numbered(&self.rank, &self.store, &self.lists[group as usize]);
            for (entry, numbers) in rows.take_while(|(_, numbers)| numbers.by <= self.rank.to) {
                if numbers.by >= self.rank.from {
                    shown.entries.push(entry);
                    shown.numbers.extend(self.rank.numbers.iter().map(|&numbering| numbers.of(numbering)));
                }
            }
            shown.ends.push(shown.entries.len());
        }
        shown
    }

    /// What differs between the rows shown before and after.
    fn tell(&self, before: &Shown, after: &Shown, partitions: usize, changes: &mut Changes) {
        let width = self.rank.numbers.len();
        let (mut go, mut come) = (Shown::default(), Shown::default());
        for partition in 0..partitions {
            let (mut old, mut new) = (before.of(partition), after.of(partition));
            loop {
                // Equal rows are in the order of their numbers.
                let key = |shown: &Shown, at: usize| self.store.key(shown.entries[at]);
                let order = match (old.clone().next(), new.clone().next()) {
                    (None, None) => break,
                    (Some(_), None) => Ordering::Less,
                    (None, Some(_)) => Ordering::Greater,
                    (Some(o), Some(n)) => match before.entries[o] == after.entries[n] {
                        true => Ordering::Equal,
                        false => key(before, o).cmp(key(after, n)),
                    }
                    .then_with(|| before.numbers(o, width).cmp(after.numbers(n, width))),
                };
                let o = if order.is_le() { old.next() } else { None };
                let n = if order.is_ge() { new.next() } else { None };
                if order.is_ne() {
                    o.into_iter().for_each(|o| go.push(before, o, width));
                    n.into_iter().for_each(|n| come.push(after, n, width));
                }
            }
        }
        changes.retract(self.columns(&go), go.entries.len());
        changes.insert(self.columns(&come), come.entries.len());
    }

    /// The output columns of rows.
    fn columns(&self, shown: &Shown) -> Vec<ArrayRef> {
        let mut columns = self.store.columns(&shown.entries);
        let width = self.rank.numbers.len();
        let number = |at: usize| shown.numbers.iter().skip(at).step_by(width.max(1)).copied();
        columns.extend((0..width).map(|at| Arc::new(Int64Array::from_iter_values(number(at))) as ArrayRef));
        columns
    }
}

/// The numbers of a row.
struct Numbers {
    row: u64,
    rank: u64,
    dense: u64,
    by: u64,
}

impl Numbers {
    fn of(&self, numbering: Numbering) -> i64 {
        let number = match numbering {
            Numbering::Row => self.row,
            Numbering::Rank => self.rank,
            Numbering::Dense => self.dense,
        };
        i64::try_from(number).unwrap_or(i64::MAX)
    }
}

/// The rows of a partition with their numbers.
fn numbered<'a>(rank: &'a Rank, store: &'a Store, list: &'a List) -> impl Iterator<Item = (Entry, Numbers)> + 'a {
    let peers = rank.has_peers();
    let (mut row, mut first, mut dense) = (0, 1, 0);
    let mut last: Option<Entry> = None;
    list.iter().map(move |entry| {
        row += 1;
        if peers && last.is_none_or(|last| store.peer(last) != store.peer(entry)) {
            first = row;
            dense += 1;
        }
        last = Some(entry);
        let by = match rank.by {
            Numbering::Row => row,
            Numbering::Rank => first,
            Numbering::Dense => dense,
        };
        (entry, Numbers { row, rank: first, dense, by })
    })
}
