//! Rows read where they stand: whether they are equal, NULLs being equal. Their columns are in canonical form.

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, ArrowNativeTypeOp, downcast_primitive};
use arrow_buffer::ScalarBuffer;
use arrow_schema::DataType;

/// Rows whose values are read in place, to be compared or gathered.
#[derive(Debug)]
pub struct Compared {
    /// Of each column its values as words, if they have 8 bytes and none is NULL.
    words: Vec<Option<ScalarBuffer<u64>>>,
    columns: Vec<ArrayRef>,
}

impl Compared {
    /// Rows of these columns.
    pub fn new(columns: Vec<ArrayRef>) -> Compared {
        Compared { words: columns.iter().map(words_of).collect(), columns }
    }

    /// All columns.
    pub fn columns(&self) -> &[ArrayRef] {
        &self.columns
    }

    /// The values of a column, if they are such words.
    pub fn words(&self, column: usize) -> Option<&[u64]> {
        self.words[column].as_deref()
    }

    /// Whether a row is equal to one of others.
    #[inline]
    pub fn equal(&self, i: usize, other: &Compared, j: usize) -> bool {
        (0..self.words.len()).all(|column| match (&self.words[column], &other.words[column]) {
            (Some(a), Some(b)) => a[i] == b[j],
            _ => self.equal_in(column, i, other, j),
        })
    }

    /// Whether a row is equal to one of others in a column.
    pub(super) fn equal_in(&self, column: usize, i: usize, other: &Compared, j: usize) -> bool {
        equal(&self.columns[column], i, &other.columns[column], j)
    }
}

/// The values of a column of 8 bytes of which none is NULL.
fn words_of(column: &ArrayRef) -> Option<ScalarBuffer<u64>> {
    macro_rules! values {
        ($type:ty) => {
            column.as_primitive::<$type>().values().inner().clone()
        };
    }
    // Intervals of 8 bytes may not stand as words do.
    let interval = matches!(column.data_type(), DataType::Interval(_));
    if column.data_type().primitive_width() != Some(8) || interval || column.null_count() > 0 {
        return None;
    }
    let values = downcast_primitive! {
        column.data_type() => (values),
        _ => return None
    };
    Some(values.into())
}

/// Whether the value of one column at a row is that of another, of the same type, at a row of that; both are in canonical form.
fn equal(a: &ArrayRef, i: usize, b: &ArrayRef, j: usize) -> bool {
    macro_rules! primitive {
        ($native:ty) => {
            a.as_primitive::<$native>().value(i).is_eq(b.as_primitive::<$native>().value(j))
        };
    }
    match (a.is_null(i), b.is_null(j)) {
        (false, false) => {}
        (a, b) => return a == b,
    }
    downcast_primitive! {
        a.data_type() => (primitive),
        DataType::Boolean => a.as_boolean().value(i) == b.as_boolean().value(j),
        DataType::Utf8 => a.as_string::<i32>().value(i) == b.as_string::<i32>().value(j),
        DataType::Binary => a.as_binary::<i32>().value(i) == b.as_binary::<i32>().value(j),
        _ => a.slice(i, 1) == b.slice(j, 1)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use arrow_array::types::Int32Type;
    use arrow_array::{BooleanArray, Decimal128Array, Float64Array, Int64Array, ListArray, StringArray};

    use super::*;
    use crate::delta::canonical_shown;

    #[test]
    fn values_are_equal_where_their_types_say_so() {
        let list = |rows: Vec<Option<Vec<Option<i32>>>>| -> ArrayRef {
            Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(rows))
        };
        let decimals = |rows: Vec<Option<i128>>| -> ArrayRef {
            Arc::new(Decimal128Array::from(rows).with_precision_and_scale(38, 2).unwrap())
        };
        // The second is that of the first row of the other column, the last two are equal.
        let columns: Vec<(ArrayRef, ArrayRef)> = vec![
            (Arc::new(Int64Array::from(vec![Some(0), Some(7), None])), Arc::new(Int64Array::from(vec![Some(7), None]))),
            (
                Arc::new(StringArray::from(vec![Some(""), Some("ab"), None])),
                Arc::new(StringArray::from(vec![Some("ab"), None])),
            ),
            (
                Arc::new(BooleanArray::from(vec![Some(false), Some(true), None])),
                Arc::new(BooleanArray::from(vec![Some(true), None])),
            ),
            (
                Arc::new(Float64Array::from(vec![Some(1.0), Some(-0.0), Some(f64::NAN)])),
                Arc::new(Float64Array::from(vec![Some(0.0), Some(-f64::NAN)])),
            ),
            (
                list(vec![Some(vec![None]), Some(vec![Some(1), None]), None]),
                list(vec![Some(vec![Some(1), None]), None]),
            ),
            (decimals(vec![Some(0), Some(1 << 100), None]), decimals(vec![Some(1 << 100), None])),
        ];
        for (a, b) in &columns {
            let (a, b) = (canonical_shown(a), canonical_shown(b));
            // Without the NULLs at the end, and from a place on.
            let [one, two] = [a.slice(1, 1), b.slice(0, 1)].map(|column| Compared::new(vec![column]));
            assert!(one.equal(0, &two, 0) && !Compared::new(vec![a.slice(0, 1)]).equal(0, &two, 0));
            let seen: Vec<bool> = (0..3).flat_map(|i| [0, 1].map(|j| equal(&a, i, &b, j))).collect();
            let [one, two] = [&a, &b].map(|column| Compared::new(vec![Arc::clone(column)]));
            assert_eq!(seen, (0..3).flat_map(|i| [0, 1].map(|j| one.equal(i, &two, j))).collect::<Vec<_>>());
            assert_eq!(seen, [false, false, true, false, false, true], "{}", a.data_type());
        }
    }
}
