//! Keeps the first or the last row of a group, by its order columns and then its value: FIRST_VALUE and LAST_VALUE, and
//! MIN and MAX of text. When retracting it keeps all rows, where the row of a part that was merged in counts as one.

use std::any::Any;
use std::cmp::Ordering;

use arrow_array::{ArrayRef, UInt64Array};
use arrow_schema::DataType;

use super::multiset::Multiset;
use super::rows::{Codec, Row, argument_nulls};
use super::saved::Entries;
use super::visit::each;
use super::{Accumulator, Call, Input};
use crate::delta::Unfit;

enum State {
    Best(Vec<Option<Row>>),
    All(Vec<Multiset<Row>>),
}

/// The accumulator.
pub(super) struct Foremost {
    codec: Codec,
    last: bool,
    state: State,
}

impl Foremost {
    /// No groups yet.
    pub(super) fn boxed(call: &Call, last: bool) -> Box<dyn Accumulator> {
        let state = if call.retracting { State::All(Vec::new()) } else { State::Best(Vec::new()) };
        Box::new(Foremost { codec: Codec::ordered(call), last, state })
    }

    fn result(&self, group: usize) -> Option<&Row> {
        match &self.state {
            State::Best(best) => best[group].as_ref(),
            State::All(sets) if self.last => sets[group].last(),
            State::All(sets) => sets[group].first(),
        }
    }
}

/// Puts a row in if it comes before the best, or after if `last`.
#[inline(always)]
fn offer(best: &mut Option<Row>, (order, value): (&[u8], &[u8]), last: bool) {
    match best {
        None => *best = Some(Row::from((order, value))),
        Some(best) => {
            // Comparing nothing by memcmp at a dangling address costs 100 ns on some machines.
            let ordered = if order.is_empty() { Ordering::Equal } else { order.cmp(best.order()) };
            let offered = ordered.then_with(|| value.cmp(best.value()));
            if if last { offered.is_gt() } else { offered.is_lt() } {
                best.set((order, value));
            }
        }
    }
}

impl Accumulator for Foremost {
    fn resize(&mut self, groups: usize) {
        match &mut self.state {
            State::Best(best) => best.resize(groups.max(best.len()), None),
            State::All(sets) => sets.resize_with(groups.max(sets.len()), Multiset::default),
        }
    }

    fn update(&mut self, groups: &[u32], input: &Input<'_>) {
        let rows = self.codec.encode(input.order, input.args);
        let (nulls, last) = (argument_nulls(input), self.last);
        match &mut self.state {
            State::Best(best) => {
                each(groups, input, nulls.as_ref(), |row, group, _| offer(&mut best[group], rows.row(row), last));
            }
            State::All(sets) => {
                each(groups, input, nulls.as_ref(), |row, group, diff| sets[group].add(rows.row(row).into(), diff));
            }
        }
    }

    fn merge(&mut self, groups: &[u32], other: &dyn Accumulator, from: &[u32], sign: i64) {
        let Some(other) = other.as_any().downcast_ref::<Self>() else { unreachable!("made by the same call") };
        for (group, from) in groups.iter().zip(from).map(|(&group, &from)| (group as usize, from as usize)) {
            match (&mut self.state, &other.state) {
                (State::All(sets), State::All(others)) => {
                    others[from].counts().for_each(|(row, count)| sets[group].add(row.clone(), sign * count));
                }
                (State::All(sets), State::Best(best)) => {
                    best[from].iter().for_each(|row| sets[group].add(row.clone(), sign));
                }
                (State::Best(best), _) => {
                    let found = other.result(from);
                    found.iter().for_each(|row| offer(&mut best[group], (row.order(), row.value()), self.last));
                }
            }
        }
    }

    fn evaluate(&self, groups: &[u32]) -> ArrayRef {
        let rows: Vec<Option<&Row>> = groups.iter().map(|&group| self.result(group as usize)).collect();
        let columns = self.codec.decode(rows.iter().flatten().map(|row| row.value()));
        if rows.iter().all(Option::is_some) {
            return columns[0].clone();
        }
        let mut places = 0..;
        let places: UInt64Array = rows.iter().map(|row| row.and_then(|_| places.next())).collect();
        match arrow_select::take::take(&columns[0], &places, None) {
            Ok(values) => values,
            Err(error) => unreachable!("the places are within: {error}"),
        }
    }

    fn reset(&mut self, groups: &[u32]) {
        match &mut self.state {
            State::Best(best) => groups.iter().for_each(|&group| best[group as usize] = None),
            State::All(sets) => groups.iter().for_each(|&group| sets[group as usize] = Multiset::default()),
        }
    }

    fn saved(&self) -> Vec<DataType> {
        Entries::types(self.codec.types(), matches!(self.state, State::All(_)))
    }

    fn save(&self, groups: &[u32]) -> Vec<ArrayRef> {
        let (mut lengths, mut rows, mut counts): (Vec<usize>, Vec<&Row>, Vec<i64>) = Default::default();
        for &group in groups {
            let before = rows.len();
            match &self.state {
                State::Best(best) => rows.extend(&best[group as usize]),
                State::All(sets) => sets[group as usize].counts().for_each(|(row, count)| {
                    rows.push(row);
                    counts.push(count);
                }),
            }
            lengths.push(rows.len() - before);
        }
        let counts = matches!(self.state, State::All(_)).then_some(counts);
        Entries { lengths, columns: self.codec.columns(&rows), counts }.save()
    }

    fn load(&mut self, groups: &[u32], saved: &[ArrayRef]) -> Result<(), Unfit> {
        let counted = matches!(self.state, State::All(_));
        let ordered = self.codec.order_columns();
        let (groups, Entries { columns, counts, .. }) = Entries::load(groups, saved, ordered, counted)?;
        let (order, args) = columns.split_at(ordered);
        self.update(&groups, &Input { args, order, keep: None, diffs: counts.as_deref() });
        Ok(())
    }

    fn bytes(&self) -> usize {
        match &self.state {
            State::Best(best) => {
                best.capacity() * size_of::<Option<Row>>() + best.iter().flatten().map(Row::heap).sum::<usize>()
            }
            State::All(sets) => {
                let rows = |set: &Multiset<Row>| set.bytes() + set.counts().map(|(row, _)| row.heap()).sum::<usize>();
                sets.capacity() * size_of::<Multiset<Row>>() + sets.iter().map(rows).sum::<usize>()
            }
        }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
