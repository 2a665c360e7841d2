//! Rows once per item of an array or entry of a map: linear and stateless. An item's row has its row's diff and epoch, so
//! retractions and event time pass through. Cost: a copy of the columns that are passed on, per item.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, Int64Array, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow_schema::{DataType, SchemaRef};
use arrow_select::take::take;
use datafusion_common::{DataFusionError, internal_err};

use crate::delta::Delta;

/// What is done with which columns. Output columns: `passed`, then `shown`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unnest {
    /// The column of arrays or maps.
    pub items: usize,
    /// The columns that are passed on with each item.
    pub passed: Vec<usize>,
    /// What is shown of an item.
    pub shown: Vec<Shown>,
    /// Whether a row without items is kept, with NULLs in the place of an item.
    pub outer: bool,
}

/// A column made of the items.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// The item.
    Item,
    /// A field of an item that is a row; of a map's entry the key is 0 and the value 1.
    Field(usize),
    /// The item's place, from 1.
    Ordinal,
}

/// How many rows a batch has at most, unless a single row makes more.
const MAX_ROWS: usize = 16_384;

impl Unnest {
    /// The rows of all items of a delta.
    pub(super) fn apply(&self, delta: &Delta, schema: &SchemaRef) -> Result<Vec<Delta>, DataFusionError> {
        let column = delta.batch().column(self.items);
        let offsets: Vec<Range<usize>> = (0..delta.len()).map(|row| range(column, row)).collect();
        let (mut start, mut out) = (0, Vec::new());
        while start < delta.len() {
            let (mut end, mut rows) = (start, 0);
            while end < delta.len() && (end == start || rows + offsets[end].len() <= MAX_ROWS) {
                rows += offsets[end].len().max(usize::from(self.outer));
                end += 1;
            }
            if rows > 0 {
                out.push(self.part(delta, column, start, &offsets[start..end], schema)?);
            }
            start = end;
        }
        Ok(out)
    }

    fn part(
        &self,
        delta: &Delta,
        column: &ArrayRef,
        first: usize,
        offsets: &[Range<usize>],
        schema: &SchemaRef,
    ) -> Result<Delta, DataFusionError> {
        let (mut rows, mut items, mut ordinals) = (Vec::new(), Vec::new(), Vec::new());
        for (at, range) in offsets.iter().enumerate() {
            let row = (first + at) as u32;
            if range.is_empty() && self.outer {
                rows.push(row);
                items.push(None);
                ordinals.push(None);
            }
            rows.extend(range.clone().map(|_| row));
            items.extend(range.clone().map(|item| Some(item as u32)));
            ordinals.extend((1..=range.len() as i64).map(Some));
        }
        let (rows, items) = (UInt32Array::from(rows), UInt32Array::from(items));
        let mut columns = Vec::with_capacity(schema.fields().len());
        for &passed in &self.passed {
            columns.push(take(delta.batch().column(passed), &rows, None)?);
        }
        for shown in &self.shown {
            columns.push(match shown {
                Shown::Ordinal => Arc::new(Int64Array::from(ordinals.clone())),
                Shown::Item => take(values(column)?, &items, None)?,
                Shown::Field(field) => match column.data_type() {
                    DataType::Map(..) => take(column.as_map().entries().column(*field), &items, None)?,
                    // The field of an item that is NULL is NULL.
                    _ => take(take(values(column)?, &items, None)?.as_struct(), &whole(items.len()), None)
                        .map(|rows| field_of(&rows, *field))?,
                },
            });
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
        let batch = RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)?;
        let diffs = delta.diffs().map(|diffs| rows.values().iter().map(|&row| diffs[row as usize]).collect());
        Ok(Delta::new(batch, diffs))
    }
}

/// The places of a row's items; none for NULL.
fn range(column: &ArrayRef, row: usize) -> Range<usize> {
    let between = |offsets: &[i32]| offsets[row] as usize..offsets[row + 1] as usize;
    match column.data_type() {
        _ if column.is_null(row) => 0..0,
        DataType::Map(..) => between(column.as_map().value_offsets()),
        _ => between(column.as_list::<i32>().value_offsets()),
    }
}

fn values(column: &ArrayRef) -> Result<&ArrayRef, DataFusionError> {
    match column.as_list_opt::<i32>() {
        Some(list) => Ok(list.values()),
        None => internal_err!("items of what is no array"),
    }
}

fn whole(rows: usize) -> UInt32Array {
    (0..rows as u32).collect()
}

/// A field of rows, NULL where the row is.
fn field_of(rows: &ArrayRef, field: usize) -> ArrayRef {
    let rows = rows.as_struct();
    let column = rows.column(field);
    match rows.nulls() {
        None => Arc::clone(column),
        Some(nulls) => {
            let there = nulls.iter().enumerate().map(|(row, valid)| valid.then_some(row as u32));
            match take(column, &there.collect::<UInt32Array>(), None) {
                Ok(column) => column,
                Err(_) => unreachable!("all places are in the column"),
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use arrow_array::ListArray;
    use arrow_array::types::Int32Type;
    use arrow_cast::display::array_value_to_string;
    use arrow_schema::{Field, Schema};

    use super::*;

    fn show(deltas: &[Delta]) -> Vec<String> {
        let row = |delta: &Delta, row: usize| {
            let cell = |column: &ArrayRef| array_value_to_string(column, row).unwrap();
            let cells: Vec<String> = delta.batch().columns().iter().map(cell).collect();
            format!("{} {}", delta.diff(row), cells.join(" "))
        };
        deltas.iter().flat_map(|delta| (0..delta.len()).map(move |at| row(delta, at))).collect()
    }

    #[test]
    fn items_have_the_diffs_of_their_rows() {
        let lists = vec![Some(vec![Some(7), None]), None, Some(vec![]), Some(vec![Some(9)])];
        let lists: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(lists));
        let keys: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3, 4]));
        let batch = RecordBatch::try_from_iter([("k", keys), ("items", lists)]).unwrap();
        let delta = Delta::new(batch, Some(vec![1, 1, -1, -2].into()));
        let field = |name: &str, data_type| Field::new(name, data_type, true);
        let schema = Arc::new(Schema::new(vec![
            field("k", DataType::Int64),
            field("item", DataType::Int32),
            field("n", DataType::Int64),
        ]));
        let shown = vec![Shown::Item, Shown::Ordinal];
        let inner = Unnest { items: 1, passed: vec![0], shown: shown.clone(), outer: false };
        assert_eq!(show(&inner.apply(&delta, &schema).unwrap()), ["1 1 7 1", "1 1  2", "-2 4 9 1"]);
        let outer = Unnest { outer: true, ..inner };
        assert_eq!(show(&outer.apply(&delta, &schema).unwrap()), ["1 1 7 1", "1 1  2", "1 2  ", "-1 3  ", "-2 4 9 1"]);
    }

    #[test]
    fn many_items_are_several_batches() {
        let lists: Vec<_> = (0..100).map(|_| Some((0..1_000).map(Some).collect::<Vec<_>>())).collect();
        let lists: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(lists));
        let batch = RecordBatch::try_from_iter([("items", lists)]).unwrap();
        let schema = Arc::new(Schema::new(vec![Field::new("item", DataType::Int32, true)]));
        let unnest = Unnest { items: 0, passed: vec![], shown: vec![Shown::Item], outer: false };
        let parts = unnest.apply(&Delta::insert(batch), &schema).unwrap();
        assert_eq!(parts.iter().map(Delta::len).sum::<usize>(), 100_000);
        assert!(parts.len() > 5 && parts.iter().all(|part| part.len() <= MAX_ROWS));
    }
}
