//! Columns of fixed width as machine words, and columns as hashes: what routing and group tables compare.
//!
//! Equal SQL values give equal words: `-0.0` is `0.0`, every NaN is one NaN. Hash seeds are fixed, so the same rows take
//! the same way in every run and on every worker.

use std::borrow::Cow;
use std::hash::BuildHasher;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, Int64Type, TimestampMillisecondType, UInt64Type};
use arrow_array::{Array, ArrayRef, BooleanArray, make_array, new_empty_array};
use arrow_buffer::{Buffer, NullBuffer};
use arrow_row::{RowConverter, SortField};
use arrow_schema::{DataType, TimeUnit};
use foldhash::fast::FixedState;

use super::canonical;

const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;
const START: u64 = 0x243f_6a88_85a3_08d3;
const NULL: u64 = 0x1319_8a2e_0370_7344;

/// The hash of a key of one word.
#[inline]
pub fn hash_word(word: u64) -> u64 {
    mix(START, word)
}

/// The hash of bytes.
#[inline]
pub fn hash_bytes(bytes: &[u8]) -> u64 {
    FixedState::with_seed(START).hash_one(bytes)
}

/// Adds a word to a hash.
#[inline]
pub fn mix(hash: u64, word: u64) -> u64 {
    let product = u128::from(hash ^ word) * u128::from(MULTIPLIER);
    (product as u64) ^ ((product >> 64) as u64)
}

/// Whether values of this type fit a word.
pub fn is_word(data_type: &DataType) -> bool {
    match data_type {
        DataType::Boolean => true,
        DataType::Float16 => false,
        other => other.primitive_width().is_some_and(|width| width <= 8) && !matches!(other, DataType::Interval(_)),
    }
}

/// The values of a column for which [`is_word`] holds; the word of a NULL is 0. Copied only if they must be.
pub fn words(column: &ArrayRef) -> Cow<'_, [u64]> {
    let nulls = column.nulls().filter(|nulls| nulls.null_count() > 0);
    if nulls.is_none()
        && let Some(words) = plain(column)
    {
        return Cow::Borrowed(words);
    }
    let mut words: Vec<u64> = match column.data_type() {
        DataType::Boolean => column.as_boolean().values().iter().map(u64::from).collect(),
        DataType::Float32 => column.as_primitive::<Float32Type>().values().iter().map(|v| float32(*v)).collect(),
        DataType::Float64 => column.as_primitive::<Float64Type>().values().iter().map(|v| float64(*v)).collect(),
        other => {
            let data = column.to_data();
            let (range, buffer) = (data.offset()..data.offset() + data.len(), &data.buffers()[0]);
            match other.primitive_width() {
                Some(8) => buffer.typed_data::<u64>()[range].to_vec(),
                Some(4) => buffer.typed_data::<u32>()[range].iter().map(|v| u64::from(*v)).collect(),
                Some(2) => buffer.typed_data::<u16>()[range].iter().map(|v| u64::from(*v)).collect(),
                Some(1) => buffer.typed_data::<u8>()[range].iter().map(|v| u64::from(*v)).collect(),
                _ => unreachable!("{other} does not fit a word"),
            }
        }
    };
    if let Some(nulls) = nulls {
        words.iter_mut().zip(nulls.iter()).filter(|(_, valid)| !valid).for_each(|(word, _)| *word = 0);
    }
    Cow::Owned(words)
}

/// The values of the commonest columns of 8 bytes, where they stand.
fn plain(column: &ArrayRef) -> Option<&[u64]> {
    let buffer = match column.data_type() {
        DataType::Int64 => column.as_primitive::<Int64Type>().values().inner(),
        DataType::UInt64 => column.as_primitive::<UInt64Type>().values().inner(),
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            column.as_primitive::<TimestampMillisecondType>().values().inner()
        }
        _ => return None,
    };
    Some(buffer.typed_data())
}

/// The column with these words.
pub fn column(data_type: &DataType, words: &[u64], nulls: Option<NullBuffer>) -> ArrayRef {
    let values = match data_type {
        DataType::Boolean => {
            return Arc::new(BooleanArray::new(words.iter().map(|word| *word != 0).collect(), nulls));
        }
        other => match other.primitive_width() {
            Some(8) => return column_of(data_type, words.to_vec(), nulls),
            Some(4) => Buffer::from_vec(words.iter().map(|word| *word as u32).collect::<Vec<u32>>()),
            Some(2) => Buffer::from_vec(words.iter().map(|word| *word as u16).collect::<Vec<u16>>()),
            _ => Buffer::from_vec(words.iter().map(|word| *word as u8).collect::<Vec<u8>>()),
        },
    };
    of_values(data_type, words.len(), values, nulls)
}

/// The column with these words, of a type of 8 bytes.
pub fn column_of(data_type: &DataType, words: Vec<u64>, nulls: Option<NullBuffer>) -> ArrayRef {
    of_values(data_type, words.len(), Buffer::from_vec(words), nulls)
}

fn of_values(data_type: &DataType, rows: usize, values: Buffer, nulls: Option<NullBuffer>) -> ArrayRef {
    let builder = new_empty_array(data_type).to_data().into_builder().len(rows).nulls(nulls);
    match builder.buffers(vec![values]).build() {
        Ok(data) => make_array(data),
        Err(error) => unreachable!("words of {data_type} make a column: {error}"),
    }
}

/// The hash of each row of these columns; NULLs are equal. No column: every row the same.
pub fn hash_rows(columns: &[ArrayRef], rows: usize) -> Vec<u64> {
    let mut hashes = vec![START; rows];
    for column in columns {
        let nulls = column.nulls().filter(|nulls| nulls.null_count() > 0);
        let valid = |row: usize| nulls.is_none_or(|nulls| nulls.is_valid(row));
        match column.data_type() {
            data_type if is_word(data_type) => {
                for (row, (hash, word)) in hashes.iter_mut().zip(words(column).iter()).enumerate() {
                    *hash = mix(*hash, if valid(row) { *word } else { NULL });
                }
            }
            DataType::Utf8 => {
                let text = column.as_string::<i32>();
                for (row, hash) in hashes.iter_mut().enumerate() {
                    *hash = mix(*hash, if valid(row) { hash_bytes(text.value(row).as_bytes()) } else { NULL });
                }
            }
            other => {
                let encoded = RowConverter::new(vec![SortField::new(other.clone())])
                    .and_then(|c| c.convert_columns(&[canonical(column)]));
                match encoded {
                    Ok(encoded) => hashes
                        .iter_mut()
                        .zip(encoded.iter())
                        .for_each(|(hash, row)| *hash = mix(*hash, hash_bytes(row.data()))),
                    Err(error) => unreachable!("the planner refuses keys of type {other}: {error}"),
                }
            }
        }
    }
    hashes
}

fn float32(value: f32) -> u64 {
    u64::from(if value.is_nan() { f32::NAN } else { value + 0.0 }.to_bits())
}

fn float64(value: f64) -> u64 {
    if value.is_nan() { f64::NAN } else { value + 0.0 }.to_bits()
}

#[cfg(test)]
mod tests {
    use arrow_array::{Date32Array, Float64Array, Int8Array, Int64Array, StringArray, TimestampMillisecondArray};

    use super::*;

    #[test]
    fn words_and_back() {
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from(vec![Some(i64::MIN), None, Some(-1), Some(7)])),
            Arc::new(Int8Array::from(vec![Some(-128), None, Some(-1), Some(7)])),
            Arc::new(Date32Array::from(vec![Some(-3), None, Some(0), Some(7)])),
            Arc::new(TimestampMillisecondArray::from(vec![Some(-3), None, Some(0), Some(7)]).with_timezone("UTC")),
            Arc::new(BooleanArray::from(vec![Some(true), None, Some(false), Some(true)])),
            Arc::new(Float64Array::from(vec![Some(1.5), None, Some(f64::INFINITY), Some(0.0)])),
        ];
        for original in columns {
            assert!(is_word(original.data_type()));
            let sliced = original.slice(1, 3);
            assert_eq!(&column(sliced.data_type(), &words(&sliced), sliced.nulls().cloned()), &sliced);
            assert_eq!(&column(original.data_type(), &words(&original), original.nulls().cloned()), &original);
        }
    }

    #[test]
    fn equal_keys_hash_equal() {
        let floats: ArrayRef = Arc::new(Float64Array::from(vec![0.0, -0.0, f64::NAN, -f64::NAN]));
        let hashes = hash_rows(&[floats], 4);
        assert_eq!((hashes[0], hashes[2]), (hashes[1], hashes[3]));
        assert_ne!(hashes[0], hashes[2]);
        let text: ArrayRef = Arc::new(StringArray::from(vec![None, Some(""), None, Some("a")]));
        let hashes = hash_rows(&[text], 4);
        assert_eq!(hashes[0], hashes[2]);
        assert_ne!(hashes[0], hashes[1]);
        assert_ne!(hashes[1], hashes[3]);
    }
}
