//! Rows that have words in them: `search=word`, in any text, whole number or boolean of a row, whatever its case.

use arrow_array::cast::AsArray;
use arrow_array::{Array, RecordBatch};
use arrow_buffer::BooleanBuffer;
use arrow_cast::cast;
use arrow_schema::{ArrowError, DataType};

/// For which rows every word (in lower case) stands in some column.
pub(super) fn holding(batch: &RecordBatch, words: &[String]) -> Result<BooleanBuffer, ArrowError> {
    let mut all = BooleanBuffer::new_set(batch.num_rows());
    if words.is_empty() {
        return Ok(all);
    }
    let searched = batch.columns().iter().filter(|column| is_searched(column.data_type()));
    let texts = searched.map(|column| cast(column, &DataType::Utf8)).collect::<Result<Vec<_>, _>>()?;
    for word in words {
        let mut any = BooleanBuffer::new_unset(batch.num_rows());
        for text in &texts {
            let text = text.as_string::<i32>();
            // Rows that are out, or in by another column, are not looked at.
            let wanted = |row: usize| all.value(row) && !any.value(row) && text.is_valid(row);
            let here = BooleanBuffer::collect_bool(text.len(), |row| {
                wanted(row) && text.value(row).to_lowercase().contains(word.as_str())
            });
            any = &any | &here;
        }
        all = &all & &any;
    }
    Ok(all)
}

fn is_searched(kind: &DataType) -> bool {
    let text = matches!(kind, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
    text || kind.is_integer() || *kind == DataType::Boolean
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, BooleanArray, Float64Array, Int64Array, StringArray};

    use super::*;

    #[test]
    fn every_word_stands_in_some_column() {
        let batch = RecordBatch::try_from_iter([
            (
                "s",
                Arc::new(StringArray::from(vec![Some("The Needle"), None, Some("straw"), Some("ÄPFEL")])) as ArrayRef,
            ),
            ("n", Arc::new(Int64Array::from(vec![Some(34567), Some(-12), None, Some(12)])) as ArrayRef),
            ("b", Arc::new(BooleanArray::from(vec![true, false, true, false])) as ArrayRef),
            ("x", Arc::new(Float64Array::from(vec![7.0, 7.0, 7.0, 7.0])) as ArrayRef),
        ])
        .unwrap();
        let found = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            holding(&batch, &words).unwrap().set_indices().collect::<Vec<_>>()
        };
        assert_eq!(found(&[]), [0, 1, 2, 3]);
        assert_eq!(found(&["needle"]), [0]);
        assert_eq!(found(&["needle", "4567"]), [0]);
        assert_eq!(found(&["needle", "12"]), [0_usize; 0]);
        assert_eq!(found(&["12"]), [1, 3]);
        assert_eq!(found(&["true"]), [0, 2]);
        assert_eq!(found(&["äpfel"]), [3]);
        assert_eq!(found(&["7"]), [0], "in 34567; a number with fractions is not searched");
    }
}
