//! What functions of arrays stand on: the items of a list by row, keys that compare items of any type, and new lists that
//! are picked from the items of others. An item is moved once, by Arrow's `take`, whatever its type.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, ListArray, UInt32Array, new_empty_array};
use arrow_buffer::{NullBufferBuilder, OffsetBuffer};
use arrow_row::{OwnedRow, Row, RowConverter, Rows, SortField};
use arrow_schema::{DataType, Field, SortOptions};
use arrow_select::concat::concat;
use arrow_select::take::take;
use datafusion_common::Result;

use highwater_core::delta::canonical;

/// The type of an array with items of a type.
pub(super) fn list_of(item: &DataType) -> DataType {
    DataType::List(Arc::new(Field::new("item", item.clone(), true)))
}

/// The type of the items of an array; of NULL the type NULL.
pub(super) fn item_of(list: &DataType) -> Option<DataType> {
    match list {
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            Some(item.data_type().clone())
        }
        DataType::Null => Some(DataType::Null),
        _ => None,
    }
}

/// An array column.
pub(super) struct Lists<'a>(&'a ListArray);

impl<'a> Lists<'a> {
    /// The column, which is of a list type.
    pub(super) fn of(array: &'a ArrayRef) -> Lists<'a> {
        Lists(array.as_list::<i32>())
    }

    /// The places of a row's items; `None` for NULL.
    pub(super) fn get(&self, row: usize) -> Option<Range<usize>> {
        let offsets = self.0.value_offsets();
        self.0.is_valid(row).then(|| offsets[row] as usize..offsets[row + 1] as usize)
    }

    /// All items.
    pub(super) fn items(&self) -> &'a ArrayRef {
        self.0.values()
    }
}

/// Keys of items: equal for equal items (NULL is equal to NULL), and ordered as they are.
pub(super) struct ItemKeys {
    converter: RowConverter,
    null: OwnedRow,
}

impl ItemKeys {
    /// Keys of a type, ordered so.
    pub(super) fn new(data_type: &DataType, options: SortOptions) -> Result<ItemKeys> {
        let converter = RowConverter::new(vec![SortField::new_with_options(data_type.clone(), options)])?;
        let null = converter.convert_columns(&[arrow_array::new_null_array(data_type, 1)])?.row(0).owned();
        Ok(ItemKeys { converter, null })
    }

    /// The keys of a column.
    pub(super) fn of(&mut self, column: &ArrayRef) -> Result<Rows> {
        Ok(self.converter.convert_columns(&[canonical(column)])?)
    }

    /// Whether a key is that of NULL.
    pub(super) fn is_null(&self, key: Row<'_>) -> bool {
        key == self.null.row()
    }
}

/// Items of several columns, as one after the other, from which lists are picked.
pub(super) struct Pool {
    items: ArrayRef,
    starts: Vec<usize>,
}

impl Pool {
    /// The items of these columns, which are of one type.
    pub(super) fn new(columns: &[&ArrayRef]) -> Result<Pool> {
        let arrays: Vec<&dyn Array> = columns.iter().map(|column| column.as_ref()).collect();
        let mut starts = vec![0];
        for column in columns {
            starts.push(starts[starts.len() - 1] + column.len());
        }
        let items = match columns {
            [one] => ArrayRef::clone(one),
            _ => concat(&arrays)?,
        };
        Ok(Pool { items, starts })
    }

    /// The place of an item of a column.
    pub(super) fn place(&self, column: usize, item: usize) -> usize {
        self.starts[column] + item
    }

    /// All items.
    pub(super) fn items(&self) -> &ArrayRef {
        &self.items
    }

    /// A list column: `pick` appends the places of a row's items, or answers `None` for NULL.
    pub(super) fn lists(
        &self,
        rows: usize,
        output: &DataType,
        mut pick: impl FnMut(usize, &mut Vec<u32>) -> Result<Option<()>>,
    ) -> Result<ArrayRef> {
        let DataType::List(field) = output else {
            return datafusion_common::internal_err!("a list was to be made of another type");
        };
        let mut places: Vec<u32> = Vec::new();
        let mut offsets = vec![0_i32];
        let mut nulls = NullBufferBuilder::new(rows);
        for row in 0..rows {
            let before = places.len();
            let there = pick(row, &mut places)?.is_some();
            if !there {
                places.truncate(before);
            }
            nulls.append(there);
            offsets.push(i32::try_from(places.len()).map_err(|_| {
                datafusion_common::DataFusionError::Execution("the arrays of a batch have too many items".to_owned())
            })?);
        }
        let items = if places.is_empty() {
            new_empty_array(field.data_type())
        } else {
            take(&self.items, &UInt32Array::from(places), None)?
        };
        Ok(Arc::new(ListArray::try_new(Arc::clone(field), OffsetBuffer::new(offsets.into()), items, nulls.finish())?))
    }

    /// A column of single items: `pick` answers a row's place, or `None` for NULL.
    pub(super) fn ones(&self, rows: usize, mut pick: impl FnMut(usize) -> Result<Option<usize>>) -> Result<ArrayRef> {
        let places = (0..rows).map(|row| Ok(pick(row)?.map(|place| place as u32)));
        let places = places.collect::<Result<UInt32Array>>()?;
        Ok(take(&self.items, &places, None)?)
    }
}
