//! What a batch that others wrote grows to when its columns become plain ones: dictionaries, views and types without bytes
//! of their own let a few bytes stand for any number of rows. It is found out before anything is made of them.

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, RecordBatch};
use arrow_schema::DataType;

use crate::type_names::sql_type;

/// Rows that need no bytes to show for themselves.
const FREE_ROWS: usize = 1 << 20;

/// What the texts of one batch may grow to, in bytes.
const MOST_BYTES: u64 = 256 << 20;

/// Refuses a batch of which these columns would grow beyond measure.
pub(super) fn check(batch: &RecordBatch, columns: &[usize]) -> Result<(), String> {
    let rows = batch.num_rows();
    if columns.is_empty() && rows > FREE_ROWS.max(batch.get_array_memory_size().saturating_mul(8)) {
        return Err(format!("says it has {rows} rows, and has no bytes for them"));
    }
    let mut bytes = 0_u64;
    for &column in columns {
        let grown = grown(batch.column(column).as_ref());
        bytes = bytes.saturating_add(
            grown.map_err(|what| format!("column '{}' {what}", batch.schema_ref().field(column).name()))?,
        );
    }
    match bytes > MOST_BYTES {
        true => {
            Err(format!("its texts written out have {bytes} bytes; {MOST_BYTES} may be in a block: send smaller ones"))
        }
        false => Ok(()),
    }
}

/// How many bytes of text an array grows to that are not in it once for every time they are used.
fn grown(array: &dyn Array) -> Result<u64, String> {
    let free = || match array.len() > FREE_ROWS {
        true => Err(format!("says it has {} rows, and has no bytes for them", array.len())),
        false => Ok(0),
    };
    match array.data_type() {
        DataType::Null | DataType::FixedSizeBinary(0) => free(),
        DataType::Utf8View => Ok(lengths(array.as_string_view().views())),
        DataType::BinaryView => Ok(lengths(array.as_binary_view().views())),
        DataType::Dictionary(..) => dictionary(array),
        DataType::Struct(fields) if fields.is_empty() => free(),
        DataType::Struct(_) => array.as_struct().columns().iter().map(|column| grown(column.as_ref())).sum(),
        DataType::List(_) => grown(array.as_list::<i32>().values().as_ref()),
        DataType::LargeList(_) => grown(array.as_list::<i64>().values().as_ref()),
        DataType::Map(..) => array.as_map().entries().columns().iter().map(|column| grown(column.as_ref())).sum(),
        DataType::FixedSizeList(_, 0) => free(),
        DataType::FixedSizeList(..) => grown(array.as_fixed_size_list().values().as_ref()),
        kind @ (DataType::RunEndEncoded(..)
        | DataType::ListView(_)
        | DataType::LargeListView(_)
        | DataType::Union(..)) => Err(format!("is {}, which is not read: write it as a plain column", coding(kind))),
        _ => Ok(0),
    }
}

/// What a form of columns is called that is not read.
fn coding(kind: &DataType) -> &'static str {
    match kind {
        DataType::RunEndEncoded(..) => "encoded by runs",
        DataType::Union(..) => "a union",
        _ => "a view of lists",
    }
}

/// The lengths of all texts are in the low halves.
fn lengths(views: &[u128]) -> u64 {
    views.iter().map(|view| u64::from(*view as u32)).sum()
}

fn dictionary(array: &dyn Array) -> Result<u64, String> {
    let dictionary = array.as_any_dictionary();
    let values = dictionary.values();
    let length: Box<dyn Fn(usize) -> u64> = match values.data_type() {
        DataType::Utf8 => Box::new(|value| values.as_string::<i32>().value_length(value).unsigned_abs().into()),
        DataType::LargeUtf8 => Box::new(|value| values.as_string::<i64>().value_length(value).unsigned_abs()),
        DataType::Binary => Box::new(|value| values.as_binary::<i32>().value_length(value).unsigned_abs().into()),
        DataType::LargeBinary => Box::new(|value| values.as_binary::<i64>().value_length(value).unsigned_abs()),
        kind if kind.is_primitive() || *kind == DataType::Boolean => return Ok(0),
        kind => {
            let kind = sql_type(kind);
            return Err(format!("is a dictionary of {kind}, which is not read: write it as a plain column"));
        }
    };
    let keys = arrow_cast::cast(dictionary.keys(), &DataType::Int64).map_err(|error| error.to_string())?;
    let keys = keys.as_primitive::<Int64Type>();
    // A key that is valid was checked to be one of the values.
    Ok(keys
        .iter()
        .flatten()
        .filter_map(|key| usize::try_from(key).ok())
        .filter(|key| *key < values.len())
        .map(length)
        .sum())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, DictionaryArray, Int8Array, NullArray, StringArray, StringViewArray};

    use super::*;

    fn checked(column: ArrayRef) -> Result<(), String> {
        check(&RecordBatch::try_from_iter([("c", column)]).unwrap(), &[0])
    }

    #[test]
    fn what_grows_beyond_measure_is_refused() {
        let long: ArrayRef = Arc::new(StringArray::from(vec!["x".repeat(1 << 20)]));
        let of = |rows: usize| Arc::new(DictionaryArray::new(Int8Array::from(vec![0; rows]), long.clone()));
        assert_eq!(checked(of(200)), Ok(()));
        assert!(checked(of(300)).unwrap_err().contains("bytes"));
        let text = "y".repeat(1 << 20);
        assert!(checked(Arc::new(StringViewArray::from_iter_values(std::iter::repeat_n(&text, 20)))).is_ok());
        assert!(checked(Arc::new(NullArray::new(1 << 20))).is_ok());
        assert!(checked(Arc::new(NullArray::new(1 << 40))).unwrap_err().contains("column 'c' says"));
        let none = RecordBatch::try_from_iter([("c", Arc::new(NullArray::new(1 << 40)) as ArrayRef)]).unwrap();
        assert!(check(&none, &[]).is_err());
    }
}
