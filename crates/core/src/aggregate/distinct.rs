//! DISTINCT, around any accumulator: a hash table of argument rows per group, with their counts when retracting. The inner
//! accumulator is given a row when its count rises above zero and gives it back when the count falls to zero.
//!
//! Cost: one probe a row. Memory: each different row of a group once, freed when the group is reset.

use std::any::Any;

use arrow_array::ArrayRef;
use arrow_schema::DataType;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use super::identity::{Fixed, Identity, Whole};
use super::native::by_native;
use super::rows::{Codec, argument_nulls};
use super::saved::Entries;
use super::seeded::hash;
use super::visit::each;
use super::{Accumulator, Aggregate, Call, Input};
use crate::delta::Unfit;

/// The accumulator of a DISTINCT call.
pub(super) fn boxed(function: &dyn Aggregate, call: &Call) -> Box<dyn Accumulator> {
    let inner = function.accumulator(call);
    match &call.args[..] {
        [only] => by_native!(
            only,
            N => Distinct::<Fixed<N>>::boxed(Fixed::new(only), inner, call),
            Distinct::boxed(Whole(Codec::plain(call)), inner, call)
        ),
        _ => Distinct::boxed(Whole(Codec::plain(call)), inner, call),
    }
}

/// The keys of each group, counted if rows may be taken back.
enum State<K> {
    Seen(Vec<HashTable<K>>),
    Counted(Vec<HashTable<(K, i64)>>),
}

struct Distinct<K: Identity> {
    keys: K,
    args: Vec<DataType>,
    state: State<K::Key>,
    inner: Box<dyn Accumulator>,
}

/// Identity that came (`1`) or went (`-1`), by group: what the inner accumulator is told.
struct Changes<K> {
    groups: Vec<u32>,
    keys: Vec<K>,
    diffs: Vec<i64>,
}

impl<K: Identity> Distinct<K> {
    fn boxed(keys: K, inner: Box<dyn Accumulator>, call: &Call) -> Box<dyn Accumulator> {
        let state = if call.retracting { State::Counted(Vec::new()) } else { State::Seen(Vec::new()) };
        Box::new(Distinct { keys, args: call.args.clone(), state, inner })
    }

    fn tell(&mut self, changes: &Changes<K::Key>) {
        if changes.groups.is_empty() {
            return;
        }
        let args: Vec<ArrayRef> = self.keys.columns(changes.keys.iter());
        let diffs = matches!(self.state, State::Counted(_)).then_some(&changes.diffs[..]);
        self.inner.update(&changes.groups, &Input { args: &args, order: &[], keep: None, diffs });
    }
}

impl<K: Clone> Changes<K> {
    fn new() -> Self {
        Changes { groups: Vec::new(), keys: Vec::new(), diffs: Vec::new() }
    }

    fn push(&mut self, group: usize, key: K, diff: i64) {
        self.groups.push(group as u32);
        self.keys.push(key);
        self.diffs.push(diff);
    }
}

/// Adds a key to a table of keys; answers whether it is new.
#[inline(always)]
fn see<K: Identity>(table: &mut HashTable<K::Key>, probe: K::Probe<'_>) -> Option<K::Key> {
    match table.entry(hash(&probe), |key| K::is(key, probe), |key| hash(&K::lookup(key))) {
        Entry::Occupied(_) => None,
        Entry::Vacant(entry) => Some(entry.insert(K::keep(probe)).get().clone()),
    }
}

/// Adds a key to a table of counts; answers whether it came or went.
#[inline(always)]
fn count<K: Identity>(table: &mut HashTable<(K::Key, i64)>, probe: K::Probe<'_>, diff: i64) -> Option<(K::Key, i64)> {
    let entry = table.entry(hash(&probe), |(key, _)| K::is(key, probe), |(key, _)| hash(&K::lookup(key)));
    let (key, before, after) = match entry {
        Entry::Vacant(_) if diff == 0 => return None,
        Entry::Vacant(entry) => (entry.insert((K::keep(probe), diff)).get().0.clone(), 0, diff),
        Entry::Occupied(mut entry) => {
            let (key, count) = entry.get_mut();
            let before = *count;
            *count += diff;
            let (key, after) = (key.clone(), *count);
            if after == 0 {
                entry.remove();
            }
            (key, before, after)
        }
    };
    let change = i64::from(after > 0) - i64::from(before > 0);
    (change != 0).then_some((key, change))
}

impl<K: Identity> Accumulator for Distinct<K> {
    fn resize(&mut self, groups: usize) {
        match &mut self.state {
            State::Seen(tables) => tables.resize_with(groups.max(tables.len()), HashTable::new),
            State::Counted(tables) => tables.resize_with(groups.max(tables.len()), HashTable::new),
        }
        self.inner.resize(groups);
    }

    fn update(&mut self, groups: &[u32], input: &Input<'_>) {
        let (batch, nulls, mut changes) = (self.keys.batch(input.args), argument_nulls(input), Changes::new());
        match &mut self.state {
            State::Seen(tables) => each(groups, input, nulls.as_ref(), |row, group, _| {
                if let Some(key) = see::<K>(&mut tables[group], K::probe(&batch, row)) {
                    changes.push(group, key, 1);
                }
            }),
            State::Counted(tables) => each(groups, input, nulls.as_ref(), |row, group, diff| {
                if let Some((key, change)) = count::<K>(&mut tables[group], K::probe(&batch, row), diff) {
                    changes.push(group, key, change);
                }
            }),
        }
        self.tell(&changes);
    }

    fn merge(&mut self, groups: &[u32], other: &dyn Accumulator, from: &[u32], sign: i64) {
        let Some(other) = other.as_any().downcast_ref::<Self>() else { unreachable!("made by the same call") };
        let mut changes = Changes::new();
        for (group, from) in groups.iter().zip(from).map(|(&group, &from)| (group as usize, from as usize)) {
            let mut add = |key: &K::Key, diff: i64| {
                let change = match &mut self.state {
                    State::Seen(tables) if diff > 0 => see::<K>(&mut tables[group], K::lookup(key)).map(|key| (key, 1)),
                    State::Seen(_) => None,
                    State::Counted(tables) => count::<K>(&mut tables[group], K::lookup(key), diff),
                };
                change.into_iter().for_each(|(key, change)| changes.push(group, key, change));
            };
            match &other.state {
                State::Seen(tables) => tables[from].iter().for_each(|key| add(key, sign)),
                State::Counted(tables) => tables[from].iter().for_each(|(key, count)| add(key, sign * count)),
            }
        }
        self.tell(&changes);
    }

    fn evaluate(&self, groups: &[u32]) -> ArrayRef {
        self.inner.evaluate(groups)
    }

    fn reset(&mut self, groups: &[u32]) {
        match &mut self.state {
            State::Seen(tables) => groups.iter().for_each(|&group| tables[group as usize] = HashTable::new()),
            State::Counted(tables) => groups.iter().for_each(|&group| tables[group as usize] = HashTable::new()),
        }
        self.inner.reset(groups);
    }

    /// The rows; what the inner accumulator has follows from them.
    fn saved(&self) -> Vec<DataType> {
        Entries::types(&self.args, matches!(self.state, State::Counted(_)))
    }

    fn save(&self, groups: &[u32]) -> Vec<ArrayRef> {
        let (mut lengths, mut keys, mut counts): (Vec<usize>, Vec<&K::Key>, Vec<i64>) = Default::default();
        for &group in groups {
            let before = keys.len();
            match &self.state {
                State::Seen(tables) => keys.extend(tables[group as usize].iter()),
                State::Counted(tables) => tables[group as usize].iter().for_each(|(key, count)| {
                    keys.push(key);
                    counts.push(*count);
                }),
            }
            lengths.push(keys.len() - before);
        }
        let counts = matches!(self.state, State::Counted(_)).then_some(counts);
        Entries { lengths, columns: self.keys.columns(keys.into_iter()), counts }.save()
    }

    fn load(&mut self, groups: &[u32], saved: &[ArrayRef]) -> Result<(), Unfit> {
        let counted = matches!(self.state, State::Counted(_));
        let (groups, Entries { columns, counts, .. }) = Entries::load(groups, saved, 0, counted)?;
        self.update(&groups, &Input { args: &columns, order: &[], keep: None, diffs: counts.as_deref() });
        Ok(())
    }

    fn bytes(&self) -> usize {
        let header = size_of::<HashTable<K::Key>>();
        let tables = match &self.state {
            State::Seen(tables) => {
                let heap = |key: &K::Key| K::heap(key);
                let of = |table: &HashTable<K::Key>| {
                    header + table.allocation_size() + table.iter().map(heap).sum::<usize>()
                };
                tables.iter().map(of).sum::<usize>()
            }
            State::Counted(tables) => {
                let heap = |(key, _): &(K::Key, i64)| K::heap(key);
                let of = |table: &HashTable<(K::Key, i64)>| {
                    header + table.allocation_size() + table.iter().map(heap).sum::<usize>()
                };
                tables.iter().map(of).sum::<usize>()
            }
        };
        tables + self.inner.bytes()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
