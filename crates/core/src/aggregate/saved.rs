//! How the states of groups are saved: columns with a row a group. What a group has several of stands in lists.
//!
//! Values are saved as they came in, never as bytes of a library's own, and what follows from them is made again by adding
//! them to fresh groups.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, UInt64Type};
use arrow_array::{Array, ArrayRef, Int64Array, ListArray, UInt64Array};
use arrow_buffer::OffsetBuffer;
use arrow_schema::{DataType, Field};

use crate::delta::Unfit;

/// What groups have several of, one group after the other.
pub(super) struct Entries {
    /// How many are of each group.
    pub(super) lengths: Vec<usize>,
    /// The entries.
    pub(super) columns: Vec<ArrayRef>,
    /// How often each is there; `None` is once each.
    pub(super) counts: Option<Vec<i64>>,
}

impl Entries {
    /// The types that entries of these types are saved in.
    pub(super) fn types<'a>(columns: impl IntoIterator<Item = &'a DataType>, counted: bool) -> Vec<DataType> {
        columns.into_iter().chain(counted.then_some(&DataType::Int64)).map(list_of).collect()
    }

    /// As columns of lists.
    pub(super) fn save(self) -> Vec<ArrayRef> {
        let counts = self.counts.map(|counts| Arc::new(Int64Array::from(counts)) as ArrayRef);
        self.columns.into_iter().chain(counts).map(|column| lists(column, &self.lengths)).collect()
    }

    /// Of such columns, with the group of each entry, where row `i` is of `groups[i]`. In the first so many columns, by which
    /// entries are ordered, values may be NULL.
    pub(super) fn load(
        groups: &[u32],
        saved: &[ArrayRef],
        order: usize,
        counted: bool,
    ) -> Result<(Vec<u32>, Entries), Unfit> {
        let mut parts = saved.iter().map(unlisted);
        let Some((lengths, first)) = parts.next() else { return Err(Unfit::Value("a group has no entries")) };
        let mut columns = vec![first];
        for (other, column) in parts {
            if other != lengths {
                return Err(Unfit::Value("entries of a group have more values than others"));
            }
            columns.push(column);
        }
        if columns.iter().skip(order).any(|column| column.null_count() > 0) {
            return Err(Unfit::Value("an entry of a group is NULL"));
        }
        let counts = match counted {
            true => columns.pop().map(|counts| counts.as_primitive::<Int64Type>().values().to_vec()),
            false => None,
        };
        let of = groups.iter().zip(&lengths).flat_map(|(&group, &length)| std::iter::repeat_n(group, length));
        Ok((of.collect(), Entries { columns, counts, lengths }))
    }
}

/// The type of lists of such values.
pub fn list_of(item: &DataType) -> DataType {
    DataType::List(Arc::new(Field::new_list_field(item.clone(), true)))
}

/// Values one after the other as lists of these lengths.
pub fn lists(values: ArrayRef, lengths: &[usize]) -> ArrayRef {
    let field = Arc::new(Field::new_list_field(values.data_type().clone(), true));
    Arc::new(ListArray::new(field, OffsetBuffer::from_lengths(lengths.iter().copied()), values, None))
}

/// The lengths of lists and their values one after the other.
pub fn unlisted(column: &ArrayRef) -> (Vec<usize>, ArrayRef) {
    let list = column.as_list::<i32>();
    let offsets = list.value_offsets();
    let lengths = offsets.windows(2).map(|pair| (pair[1] - pair[0]) as usize).collect();
    let (first, last) = (offsets[0] as usize, offsets[offsets.len() - 1] as usize);
    (lengths, list.values().slice(first, last - first))
}

/// Words side by side as columns, a row each.
pub(super) fn words<const N: usize>(rows: impl Iterator<Item = [u64; N]>) -> Vec<ArrayRef> {
    let mut columns: [Vec<u64>; N] = std::array::from_fn(|_| Vec::new());
    rows.for_each(|row| columns.iter_mut().zip(row).for_each(|(column, word)| column.push(word)));
    columns.into_iter().map(|column| Arc::new(UInt64Array::from(column)) as ArrayRef).collect()
}

/// The rows of such columns.
pub(super) fn rows_of_words<const N: usize>(columns: &[ArrayRef]) -> impl Iterator<Item = [u64; N]> {
    let columns: [&[u64]; N] = std::array::from_fn(|at| &columns[at].as_primitive::<UInt64Type>().values()[..]);
    (0..columns.first().map_or(0, |column| column.len())).map(move |row| columns.map(|column| column[row]))
}

/// A column of whole numbers.
pub fn numbers(values: impl Iterator<Item = i64>) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(values))
}

/// The values of such a column.
pub fn numbers_of(column: &ArrayRef) -> &[i64] {
    column.as_primitive::<Int64Type>().values()
}
