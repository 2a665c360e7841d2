//! Keeps all rows of a group, by order columns and then value: ARRAY_AGG, STRING_AGG, and functions of all values ([`super::applied`]). With DISTINCT a value shows where
//! it comes first; without retraction, only that row of it is kept.

use std::any::Any;
use std::cell::RefCell;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{ArrayRef, ListArray, StringArray, UInt64Array};
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
use crate::guard::give_up;

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

/// What a column of results holds at most: rows, and bytes of what varies in length.
const MOST: usize = i32::MAX as usize;

/// The accumulator.
pub(super) struct Gather {
    codec: Codec,
    shape: Shape,
    output: DataType,
    distinct: bool,
    retracting: bool,
    /// [`MOST`].
    most: usize,
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
            most: MOST,
            groups: RefCell::default(),
        })
    }

    /// Ends the engine, which says why, where so many rows, and bytes of what varies in length, are more than a column of results holds.
    fn fit(&self, rows: usize, bytes: usize, groups: usize) {
        if rows <= self.most && bytes <= self.most {
            return;
        }
        let name = match &self.shape {
            Shape::List => "ARRAY_AGG: ",
            Shape::Joined(_) => "STRING_AGG: ",
            // Who calls it says its name.
            Shape::Applied(_) => "",
        };
        let (groups, most) = (counted(groups, "group"), self.most);
        let what = match rows <= self.most {
            true => format!(
                "the values of {groups} that change together take more than the {most} bytes that a column holds"
            ),
            false => format!("the rows of {groups} that change together are more than the {most} that a column holds"),
        };
        give_up(format!("{name}{what}"), "keep fewer of them: a smaller window, FILTER, DISTINCT");
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
        let (varies, mut bytes) = (self.codec.varies(), 0_usize);
        let between = if let Shape::Joined(between) = &self.shape { between.len() } else { 0 };
        for &group in groups {
            let (before, mut seen) = (places.len(), HashSet::with_hasher(Seeded));
            for (row, count) in state[group as usize].iter() {
                if self.distinct && !seen.insert(row.value()) {
                    continue;
                }
                let times = if self.distinct { 1 } else { count as usize };
                let length = if varies { row.value().len() + between } else { 0 };
                bytes = bytes.saturating_add(length.saturating_mul(times));
                self.fit(places.len().saturating_add(times), bytes, groups.len());
                places.extend(std::iter::repeat_n(values.len() as u64, times));
                values.push(row.value());
            }
            lengths.push(places.len() - before);
        }
        let distinct = self.codec.decode(values.into_iter());
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

    use arrow_array::{BinaryArray, Int64Array};
    use arrow_schema::Field;

    use super::*;
    use crate::guard::Unable;

    /// Of a group of these values, each `times` times, with room for so much: what there is, or why there is not.
    fn gathered(shape: Shape, values: ArrayRef, times: i64, most: usize) -> Result<ArrayRef, String> {
        let of = values.data_type().clone();
        let output = match shape {
            Shape::Joined(_) => DataType::Utf8,
            _ => DataType::List(Arc::new(Field::new_list_field(of.clone(), true))),
        };
        let call = Call {
            args: vec![of],
            literals: Vec::new(),
            output,
            order: Vec::new(),
            distinct: false,
            retracting: false,
        };
        let mut state = Gather {
            codec: Codec::ordered(&call),
            shape,
            output: call.output.clone(),
            distinct: false,
            retracting: false,
            most,
            groups: RefCell::default(),
        };
        state.resize(1);
        let (groups, diffs) = (vec![0; values.len()], vec![times; values.len()]);
        state.update(&groups, &Input { args: &[values], order: &[], keep: None, diffs: Some(&diffs) });
        catch_unwind(AssertUnwindSafe(|| state.evaluate(&[0]))).map_err(|told| {
            let Unable { what, remedy } = *told.downcast().unwrap();
            format!("{what}; {remedy}")
        })
    }

    #[test]
    fn more_than_a_column_holds_is_told() {
        let texts = || Arc::new(StringArray::from(vec!["é", "two"])) as ArrayRef;
        let joined = |times, most| gathered(Shape::Joined(", ".to_owned()), texts(), times, most);
        assert_eq!(joined(2, 18).unwrap().as_string::<i32>().value(0), "two, two, é, é");
        let told = joined(2, 17).unwrap_err();
        assert_eq!(
            told,
            "STRING_AGG: the values of 1 group that change together take more than the 17 bytes that a column holds; keep fewer of them: a \
             smaller window, FILTER, DISTINCT"
        );
        let list = |values: ArrayRef, most| {
            gathered(Shape::List, values, 3, most).map(|list| list.as_list::<i32>().value(0).len())
        };
        assert_eq!((list(texts(), 15), list(texts(), 14).is_err()), (Ok(6), true));
        let bytes = || Arc::new(BinaryArray::from_vec(vec![&[7; 100]])) as ArrayRef;
        // By what they take in rows, which is more than what they have.
        assert_eq!((list(bytes(), 500), list(bytes(), 299).is_err()), (Ok(3), true));
        let numbers = || Arc::new(Int64Array::from(vec![1, 2])) as ArrayRef;
        assert_eq!(list(numbers(), 6), Ok(6));
        assert!(
            list(numbers(), 5)
                .unwrap_err()
                .starts_with("ARRAY_AGG: the rows of 1 group that change together are more than the 5")
        );
    }

    #[test]
    fn what_is_more_than_there_is_memory_for_is_not_made_first() {
        let texts = Arc::new(StringArray::from(vec!["x".repeat(1 << 10)])) as ArrayRef;
        for times in [1 << 21, i64::MAX] {
            assert!(gathered(Shape::Joined(",".to_owned()), texts.clone(), times, MOST).is_err());
            assert!(gathered(Shape::List, texts.clone(), times, MOST).is_err());
        }
    }
}
