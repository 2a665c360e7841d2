//! The partitions of one stream or window: the rows of each in order, and what changes of those that are shown.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array};
use arrow_schema::{DataType, SchemaRef};
use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::list::List;
use super::store::{Entry, Store};
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
    /// Per partition the last round that changed it.
    seen: Vec<u32>,
    round: u32,
}

/// What rows that are taken in together change.
struct Round {
    /// Whether it is told what changes of the rows shown.
    told: bool,
    /// The partitions that are not as before.
    changed: Vec<u32>,
    /// What they showed before.
    before: Shown,
    /// The entries that are no longer in them.
    gone: Vec<Entry>,
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
            round: 0,
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
        if self.rank.to < self.rank.from {
            return;
        }
        let rows: usize = input.iter().map(Delta::len).sum();
        let together =
            (input.len() > 1 && rows < input.len() * FEW).then(|| [Delta::concat(&input[0].batch().schema(), input)]);
        let input: &[Delta] = together.as_ref().map_or(input, |one| one);
        let groups: Vec<Vec<u32>> = input.iter().map(|delta| self.intern(delta)).collect();
        self.lists.resize_with(self.keys.end(), List::default);
        let mut round = self.begin(changes.is_some());
        let (mut chunks, mut taken_back) = (Vec::new(), Vec::new());
        for (delta, groups) in input.iter().zip(groups) {
            let (delta, groups, words) = self.possible(delta, groups);
            if delta.is_empty() {
                continue;
            }
            let added = self.store.add(delta.batch());
            chunks.push(added.chunk);
            for (row, (&group, &word)) in groups.iter().zip(&words).enumerate() {
                let (entry, diff) = (added.row(row, word), delta.diff(row));
                let copies = diff.unsigned_abs();
                match self.rank.retracting {
                    true if diff < 0 => taken_back.push((group, entry, copies)),
                    true => self.insert(group, entry, copies, &mut round),
                    false if diff < 0 => debug_assert!(false, "rows are taken back that are not kept"),
                    false => self.offer(group, entry, copies, &mut round),
                }
            }
        }
        // Whatever is taken back has come by now, be it in this epoch.
        taken_back.into_iter().for_each(|(group, entry, copies)| self.remove(group, entry, copies, &mut round));
        self.finish(round, changes);
        chunks.into_iter().for_each(|chunk| self.store.sweep(chunk));
        if let Some(mut moves) = self.store.moves() {
            self.lists.iter().flat_map(List::iter).for_each(|entry| moves.mark(entry));
            moves.carry_out(&mut self.store);
            self.lists.iter_mut().flat_map(List::iter_mut).for_each(|entry| moves.redirect(entry));
        }
    }

    fn begin(&mut self, told: bool) -> Round {
        self.seen.resize(self.keys.end(), 0);
        self.round = self.round.wrapping_add(1);
        if self.round == 0 {
            self.seen.fill(0);
            self.round = 1;
        }
        Round { told, changed: Vec::new(), before: Shown::default(), gone: Vec::new() }
    }

    fn finish(&mut self, mut round: Round, changes: Option<&mut Changes>) {
        if !self.rank.retracting && !self.by_row() {
            round.changed.iter().for_each(|&group| self.trim(group, &mut round.gone));
        }
        if let Some(changes) = changes {
            let mut after = Shown::default();
            round.changed.iter().for_each(|&group| self.show_one(group, &mut after));
            self.tell(&round.before, &after, round.changed.len(), changes);
        }
        round.gone.into_iter().for_each(|entry| self.store.release(entry));
        round.changed.retain(|&group| self.lists[group as usize].is_empty());
        self.keys.remove(&round.changed);
    }

    /// The rows that are held, by pieces of so many.
    pub(super) fn save(&self, rows: usize) -> Vec<(Vec<ArrayRef>, usize)> {
        let held: Vec<Entry> = self.lists.iter().flat_map(List::iter).collect();
        held.chunks(rows).map(|entries| (self.store.columns(entries), entries.len())).collect()
    }

    /// Tells all rows that are shown as coming.
    pub(super) fn show(&self, changes: &mut Changes) {
        let mut shown = Shown::default();
        (0..self.lists.len() as u32).for_each(|group| self.show_one(group, &mut shown));
        changes.insert(self.columns(&shown), shown.entries.len());
    }

    fn intern(&mut self, delta: &Delta) -> Vec<u32> {
        let keys: Vec<ArrayRef> = self.rank.keys.iter().map(|&key| delta.batch().column(key).clone()).collect();
        let mut groups = Vec::new();
        self.keys.intern(&keys, delta.len(), &mut groups);
        groups
    }

    /// Whether a partition keeps the first so many rows, and no others.
    fn by_row(&self) -> bool {
        self.rank.by == Numbering::Row && !self.rank.retracting
    }

    /// The rows that may be kept. Where a partition has enough before them, as far as words tell, they are not, nor where as many
    /// come with them.
    fn possible(&self, delta: &Delta, groups: Vec<u32>) -> (Delta, Vec<u32>, Vec<u64>) {
        let words = self.store.words(delta.batch());
        if self.rank.retracting || self.rank.by == Numbering::Dense {
            return (delta.clone(), groups, words);
        }
        let kept = |&row: &u32| {
            let list = &self.lists[groups[row as usize] as usize];
            (list.len() as u64) < self.rank.to || list.last().is_none_or(|last| words[row as usize] <= last.word)
        };
        let mut rows: Vec<u32> = (0..delta.len() as u32).filter(kept).collect();
        if self.by_row() {
            rows = self.firsts(rows, delta, &groups, &words);
        }
        // A batch that is mostly kept need not be copied.
        if rows.len() * 2 > delta.len() {
            return (delta.clone(), groups, words);
        }
        let (groups, words) = rows.iter().map(|&row| (groups[row as usize], words[row as usize])).unzip();
        (delta.take(&rows.into()), groups, words)
    }

    /// The first of each partition's rows, as many as can be shown, if they are the lesser part of all.
    fn firsts(&self, rows: Vec<u32>, delta: &Delta, groups: &[u32], words: &[u64]) -> Vec<u32> {
        let most = usize::try_from(self.rank.to).unwrap_or(usize::MAX);
        // Per row its partition's number among those that there are; per such number its rows.
        let (mut numbers, mut ends) = (HashMap::with_hasher(FixedState::with_seed(0)), Vec::<usize>::new());
        let number = |&row: &u32| {
            let number = *numbers.entry(groups[row as usize]).or_insert_with(|| {
                ends.push(0);
                ends.len() - 1
            });
            ends[number] += 1;
            number
        };
        let of: Vec<usize> = rows.iter().map(number).collect();
        if 2 * ends.iter().map(|rows| most.min(*rows)).sum::<usize>() > delta.len() {
            return rows;
        }
        let mut start = 0;
        ends.iter_mut().for_each(|rows| start += std::mem::replace(rows, start));
        let mut sorted = vec![0; rows.len()];
        for (&row, &number) in rows.iter().zip(&of) {
            sorted[ends[number]] = row;
            ends[number] += 1;
        }
        let compare = |&a: &u32, &b: &u32| {
            let (a, b) = (a as usize, b as usize);
            words[a]
                .cmp(&words[b])
                .then_with(|| self.store.compare_rows((delta.batch().columns(), a), (delta.batch().columns(), b)))
        };
        let (mut firsts, mut start) = (Vec::new(), 0);
        for end in ends {
            let of_one = &mut sorted[start..end];
            if of_one.len() > most {
                of_one.select_nth_unstable_by(most, compare);
            }
            firsts.extend(of_one.iter().take(most));
            start = end;
        }
        firsts.sort_unstable();
        firsts
    }

    /// Remembers what a partition shows, the first time that it changes.
    fn touch(&mut self, group: u32, round: &mut Round) {
        if std::mem::replace(&mut self.seen[group as usize], self.round) != self.round {
            round.changed.push(group);
            if round.told {
                self.show_one(group, &mut round.before);
            }
        }
    }

    /// Takes a row in if it is among the first, or may be.
    fn offer(&mut self, group: u32, new: Entry, copies: u64, round: &mut Round) {
        for copy in 0..copies {
            let (list, store) = (&self.lists[group as usize], &self.store);
            let full = list.len() as u64 >= self.rank.to;
            let behind = |last| match self.rank.by {
                Numbering::Row => store.compare(last, new).is_le(),
                Numbering::Rank => store.compare_written(last, new).is_lt(),
                Numbering::Dense => false,
            };
            if full && list.last().is_none_or(behind) {
                return;
            }
            self.touch(group, round);
            if full && self.rank.by == Numbering::Row {
                round.gone.extend(self.lists[group as usize].pop());
            }
            self.put(group, new, copy > 0);
        }
    }

    fn insert(&mut self, group: u32, new: Entry, copies: u64, round: &mut Round) {
        self.touch(group, round);
        (0..copies).for_each(|copy| self.put(group, new, copy > 0));
    }

    fn put(&mut self, group: u32, new: Entry, again: bool) {
        let store = &self.store;
        self.lists[group as usize].insert(new, |other| store.compare(other, new));
        match again {
            true => self.store.hold_again(new),
            false => self.store.hold(new),
        }
    }

    fn remove(&mut self, group: u32, row: Entry, copies: u64, round: &mut Round) {
        self.touch(group, round);
        for _ in 0..copies {
            let store = &self.store;
            let found = self.lists[group as usize].remove(|other| store.compare(other, row));
            debug_assert!(found.is_some(), "a row is taken back that never came");
            round.gone.extend(found);
        }
    }

    /// Takes the rows off whose numbers are beyond the bound.
    fn trim(&mut self, group: u32, gone: &mut Vec<Entry>) {
        let list = &mut self.lists[group as usize];
        let within = |(_, numbers): &(Entry, Numbers)| numbers.by <= self.rank.to;
        let keep = numbered(&self.rank, &self.store, list).take_while(within).count();
        while list.len() > keep {
            gone.extend(list.pop());
        }
    }

    /// Adds what a partition shows.
    fn show_one(&self, group: u32, shown: &mut Shown) {
        let rows = numbered(&self.rank, &self.store, &self.lists[group as usize]);
        for (entry, numbers) in rows.take_while(|(_, numbers)| numbers.by <= self.rank.to) {
            if numbers.by >= self.rank.from {
                shown.entries.push(entry);
                shown.numbers.extend(self.rank.numbers.iter().map(|&numbering| numbers.of(numbering)));
            }
        }
        shown.ends.push(shown.entries.len());
    }

    /// What differs between the rows shown before and after.
    fn tell(&self, before: &Shown, after: &Shown, partitions: usize, changes: &mut Changes) {
        let width = self.rank.numbers.len();
        let (mut go, mut come) = (Shown::default(), Shown::default());
        for partition in 0..partitions {
            let (mut old, mut new) = (before.of(partition), after.of(partition));
            loop {
                // Equal rows are in the order of their numbers.
                let order = match (old.clone().next(), new.clone().next()) {
                    (None, None) => break,
                    (Some(_), None) => Ordering::Less,
                    (None, Some(_)) => Ordering::Greater,
                    (Some(o), Some(n)) => (self.store.compare(before.entries[o], after.entries[n]))
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
        if peers && last.is_none_or(|last| store.compare_written(last, entry).is_ne()) {
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
