//! Keeps all rows of a group, by order columns and then value: ARRAY_AGG, STRING_AGG, and functions of all values ([`super::applied`]). With DISTINCT a value shows where
//! it comes first; without retraction, only that row of it is kept.

use std::any::Any;
use std::cell::RefCell;
use std::sync::Arc;

use arrow_array::{ArrayRef, ListArray, StringArray, UInt64Array, cast::AsArray};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_schema::DataType;
use hashbrown::HashSet;

use super::applied::Apply;
use super::bag::Bag;
use super::rows::{Codec, Row, argument_nulls};
use super::saved::Entries;
use super::seeded::Seeded;
use super::visit::each;
use super::{Accumulator, Call, Input};
use crate::counted::counted;
use crate::delta::Unfit;

/// What becomes of the rows.
#[derive(Clone)]
pub(super) enum Shape {
    /// A list.
    List,
    /// Text, with this between the rows.
    Joined(String),
    /// What a function makes of them.
    Applied(Arc<dyn Apply>),
}

impl Shape {
    /// Ends the engine, and says why, where the rows at those places are more than a column of results holds.
    fn fits(&self, column: &ArrayRef, places: &[u64], groups: usize) {
        let (name, between) = match self {
            Shape::List => ("ARRAY_AGG", 0),
            Shape::Joined(between) => ("STRING_AGG", between.len()),
            Shape::Applied(_) => ("a function of all values", 0),
        };
        let length = |texts: &StringArray, place: u64| texts.value_length(place as usize) as usize + between;
        let texts = column.as_string_opt::<i32>();
        let bytes: usize = texts.map_or(0, |texts| places.iter().map(|&place| length(texts, place)).sum());
        assert!(
            bytes.max(places.len()) <= i32::MAX as usize,
            "{name}: the rows of {} that change together are more than 2 GiB, which a column does not hold; keep fewer of them: a smaller \
             window, FILTER, DISTINCT",
            counted(groups, "group")
        );
    }
}

/// The accumulator.
pub(super) struct Gather {
    codec: Codec,
    shape: Shape,
    output: DataType,
    distinct: bool,
    retracting: bool,
    // Settled when read.
    groups: RefCell<Vec<Bag<Row>>>,
}

impl Gather {
    /// No groups yet.
    pub(super) fn boxed(call: &Call, shape: Shape) -> Box<dyn Accumulator> {
        Box::new(Gather {
            codec: Codec::ordered(call),
            shape,
            output: call.output.clone(),
            distinct: call.distinct,
            retracting: call.retracting,
            groups: RefCell::default(),
        })
    }
}

/// Settles a group; with `thin` only the first row of each value is kept.
fn settle(bag: &mut Bag<Row>, thin: bool) {
    bag.settle();
    if thin {
        let mut seen = HashSet::with_hasher(Seeded);
        bag.retain(|row| seen.insert(row.value().to_vec()));
    }
}

impl Accumulator for Gather {
    fn resize(&mut self, groups: usize) {
        let state = self.groups.get_mut();
        state.resize_with(groups.max(state.len()), Bag::default);
    }

    fn update(&mut self, groups: &[u32], input: &Input<'_>) {
        let (rows, nulls) = (self.codec.encode(input.order, input.args), argument_nulls(input));
        let (thin, state) = (self.distinct && !self.retracting, self.groups.get_mut());
        each(groups, input, nulls.as_ref(), |row, group, diff| {
            let bag = &mut state[group];
            if bag.add(rows.row(row).into(), diff) {
                settle(bag, thin);
            }
        });
    }

    fn merge(&mut self, groups: &[u32], other: &dyn Accumulator, from: &[u32], sign: i64) {
        let Some(other) = other.as_any().downcast_ref::<Self>() else { unreachable!("made by the same call") };
        let (thin, state) = (self.distinct && !self.retracting, self.groups.get_mut());
        let mut others = other.groups.borrow_mut();
        for (&group, &from) in groups.iter().zip(from) {
            // What a thinned part is taken in as must be what it is taken out as.
            settle(&mut others[from as usize], other.distinct && !other.retracting);
            let bag = &mut state[group as usize];
            for (row, count) in others[from as usize].entries() {
                if bag.add(row.clone(), sign * count) {
                    settle(bag, thin);
                }
            }
        }
    }

    fn evaluate(&self, groups: &[u32]) -> ArrayRef {
        let mut state = self.groups.borrow_mut();
        groups.iter().for_each(|&group| state[group as usize].settle());
        let (mut values, mut places, mut lengths): (Vec<&[u8]>, Vec<u64>, Vec<usize>) = Default::default();
        for &group in groups {
            let (before, mut seen) = (places.len(), HashSet::with_hasher(Seeded));
            for (row, count) in state[group as usize].iter() {
                if self.distinct && !seen.insert(row.value()) {
                    continue;
                }
                let times = if self.distinct { 1 } else { count as usize };
                places.extend(std::iter::repeat_n(values.len() as u64, times));
                values.push(row.value());
            }
            lengths.push(places.len() - before);
        }
        let distinct = self.codec.decode(values.into_iter());
        distinct.iter().for_each(|column| self.shape.fits(column, &places, groups.len()));
        let places = UInt64Array::from(places);
        let placed = |column: ArrayRef| match arrow_select::take::take(&column, &places, None) {
            Ok(column) => column,
            Err(error) => unreachable!("the places are within: {error}"),
        };
        let mut columns: Vec<ArrayRef> = distinct.into_iter().map(placed).collect();
        if let Shape::Applied(function) = &self.shape {
            return function.apply(&columns, &lengths);
        }
        let column = columns.swap_remove(0);
        let nulls: NullBuffer = lengths.iter().map(|&length| length > 0).collect();
        match (&self.shape, &self.output) {
            (Shape::List, DataType::List(field)) => {
                let offsets = OffsetBuffer::from_lengths(lengths);
                Arc::new(ListArray::new(field.clone(), offsets, column, Some(nulls)))
            }
            (Shape::Joined(between), _) => {
                let (text, mut at) = (column.as_string::<i32>(), 0);
                let join = |length: usize| {
                    let rows: Vec<&str> = (at..at + length).map(|row| text.value(row)).collect();
                    at += length;
                    (length > 0).then(|| rows.join(between))
                };
                Arc::new(lengths.into_iter().map(join).collect::<StringArray>())
            }
            (Shape::List | Shape::Applied(_), other) => unreachable!("bind answered a list, not {other}"),
        }
    }

    fn reset(&mut self, groups: &[u32]) {
        let state = self.groups.get_mut();
        groups.iter().for_each(|&group| state[group as usize] = Bag::default());
    }

    fn saved(&self) -> Vec<DataType> {
        Entries::types(self.codec.types(), true)
    }

    fn save(&self, groups: &[u32]) -> Vec<ArrayRef> {
        let (thin, mut state) = (self.distinct && !self.retracting, self.groups.borrow_mut());
        groups.iter().for_each(|&group| settle(&mut state[group as usize], thin));
        let entries = || groups.iter().flat_map(|&group| state[group as usize].entries());
        let (rows, counts): (Vec<&Row>, Vec<i64>) = entries().unzip();
        let lengths = groups.iter().map(|&group| state[group as usize].entries().count()).collect();
        Entries { lengths, columns: self.codec.columns(&rows), counts: Some(counts) }.save()
    }

    fn load(&mut self, groups: &[u32], saved: &[ArrayRef]) -> Result<(), Unfit> {
        let ordered = self.codec.order_columns();
        let (groups, Entries { columns, counts, .. }) = Entries::load(groups, saved, ordered, true)?;
        let (order, args) = columns.split_at(ordered);
        self.update(&groups, &Input { args, order, keep: None, diffs: counts.as_deref() });
        Ok(())
    }

    fn bytes(&self) -> usize {
        let state = self.groups.borrow();
        let rows = |bag: &Bag<Row>| bag.bytes() + bag.entries().map(|(row, _)| row.heap()).sum::<usize>();
        state.capacity() * size_of::<Bag<Row>>() + state.iter().map(rows).sum::<usize>()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;
    use crate::guard::message_of;

    #[test]
    fn more_than_a_column_holds_is_told() {
        for (shape, output) in [(Shape::Joined(",".to_owned()), DataType::Utf8), (Shape::List, DataType::Null)] {
            let (args, order) = (vec![DataType::Utf8], Vec::new());
            let call = Call { args, literals: Vec::new(), output, order, distinct: false, retracting: false };
            let mut state = Gather::boxed(&call, shape);
            state.resize(1);
            let texts: [ArrayRef; 1] = [Arc::new(StringArray::from(vec!["x".repeat(1 << 10)]))];
            state.update(&[0], &Input { args: &texts, order: &[], keep: None, diffs: Some(&[1 << 21]) });
            let told = catch_unwind(AssertUnwindSafe(|| state.evaluate(&[0]))).unwrap_err();
            assert!(message_of(&*told).contains("_AGG: the rows of 1 group that change together are more than 2 GiB"));
        }
    }
}
