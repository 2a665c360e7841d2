//! The opt-in wire form of the feature `abomonation`: for fixed-width columns, between processes that trust each other.
//!
//! `abomonation` writes memory as it lies and reads it in place. It validates nothing and is unsound on bytes that it did
//! not write itself (RUSTSEC-2021-0120), so a peer, or anybody who can reach the port, can corrupt this process. Use it
//! only where the default form was measured to be the bottleneck and the network between the processes is closed.
//!
//! All unsafe code of Highwater is in this file, three calls. What they rely on:
//! 1. *Origin*: the bytes were written by [`encode`] of the same build on the same architecture. The feature's user
//!    vouches for that.
//! 2. *Alignment*: [`Wire`] is one tuple whose vectors of `u64` come before the one of `u8`, and `abomonation` lays them
//!    one behind the other, so every word starts at a multiple of 8 of an 8-aligned buffer. [`decode`] copies the bytes
//!    into such a buffer first.
//! 3. *Lifetime*: the reference that `abomonation::decode` gives borrows that buffer, and nothing of it is kept: columns
//!    are copied out.

#![allow(unsafe_code)]

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, RecordBatch, make_array};
use arrow_buffer::{Buffer, ScalarBuffer};
use arrow_data::ArrayData;
use arrow_schema::{DataType, Field, Schema, TimeUnit};

use super::Delta;

/// What crosses: rows, whether there are diffs, and per column its type, nullability, whether it has NULLs, the length of its name · all
/// columns' words (diffs first; per column the values, then the validity bits) · all names.
type Wire = (Vec<u64>, Vec<u64>, Vec<u8>);

/// The types that cross in this form, by their code, with the width of a value in bytes.
const TYPES: &[(DataType, usize)] = &[
    (DataType::Int8, 1),
    (DataType::Int16, 2),
    (DataType::Int32, 4),
    (DataType::Int64, 8),
    (DataType::UInt8, 1),
    (DataType::UInt16, 2),
    (DataType::UInt32, 4),
    (DataType::UInt64, 8),
    (DataType::Float32, 4),
    (DataType::Float64, 8),
    (DataType::Date32, 4),
    (DataType::Timestamp(TimeUnit::Millisecond, None), 8),
];

/// The bytes after `head`, or `None` if a column is not of fixed width.
pub(super) fn encode(delta: &Delta, head: &[u8]) -> Option<Vec<u8>> {
    let batch = delta.batch();
    let mut wire: Wire = (vec![delta.len() as u64, u64::from(delta.diffs().is_some())], Vec::new(), Vec::new());
    if let Some(diffs) = delta.diffs() {
        wire.1.extend(diffs.iter().map(|&diff| diff as u64));
    }
    for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
        let code = TYPES.iter().position(|(data_type, _)| data_type == field.data_type())?;
        let width = TYPES[code].1;
        let data = column.to_data();
        words(&mut wire.1, &data.buffers()[0][data.offset() * width..(data.offset() + data.len()) * width]);
        if let Some(nulls) = column.nulls() {
            words(&mut wire.1, &nulls.inner().sliced());
        }
        let nulls = u64::from(column.nulls().is_some());
        wire.0.extend([code as u64, u64::from(field.is_nullable()), nulls, field.name().len() as u64]);
        wire.2.extend(field.name().as_bytes());
    }
    let mut bytes = head.to_vec();
    // SAFETY: `Wire` holds only vectors of integers, which have no padding; writing to a `Vec` does not fail.
    unsafe { abomonation::encode(&wire, &mut bytes) }.ok().map(|()| bytes)
}

/// The delta in bytes that [`encode`] wrote.
pub(super) fn decode(bytes: &[u8]) -> Result<Delta, String> {
    let mut aligned = vec![0u64; bytes.len().div_ceil(8)];
    // SAFETY: any `u64` may be seen as 8 bytes, and the slice does not reach beyond the vector.
    let buffer = unsafe { std::slice::from_raw_parts_mut(aligned.as_mut_ptr().cast::<u8>(), aligned.len() * 8) };
    buffer[..bytes.len()].copy_from_slice(bytes);
    // SAFETY: origin, alignment and lifetime as the file's head says.
    let Some((wire, _)) = (unsafe { abomonation::decode::<Wire>(buffer) }) else {
        return Err("it is too short".to_owned());
    };
    let (meta, mut words, mut names) = (&wire.0, &wire.1[..], &wire.2[..]);
    let rows = meta[0] as usize;
    let mut next = |bytes: usize| {
        let (these, rest) = words.split_at(bytes.div_ceil(8));
        words = rest;
        Buffer::from_vec(these.to_vec()).slice_with_length(0, bytes)
    };
    let diffs = (meta[1] == 1).then(|| ScalarBuffer::new(next(rows * 8), 0, rows));
    let (mut fields, mut columns) = (Vec::new(), Vec::new());
    for column in meta[2..].chunks_exact(4) {
        let (data_type, width) = &TYPES[column[0] as usize];
        let (name, rest) = names.split_at(column[3] as usize);
        names = rest;
        let mut data = ArrayData::builder(data_type.clone()).len(rows).add_buffer(next(rows * width));
        if column[2] == 1 {
            data = data.null_bit_buffer(Some(next(rows.div_ceil(8))));
        }
        columns.push(make_array(data.build().map_err(|error| error.to_string())?) as ArrayRef);
        fields.push(Field::new(String::from_utf8_lossy(name), data_type.clone(), column[1] == 1));
    }
    let options = arrow_array::RecordBatchOptions::new().with_row_count(Some(rows));
    let batch = RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options);
    Ok(Delta::new(batch.map_err(|error| error.to_string())?, diffs))
}

fn words(out: &mut Vec<u64>, bytes: &[u8]) {
    let chunks = bytes.chunks_exact(8);
    let rest = chunks.remainder();
    out.extend(chunks.map(|chunk| u64::from_le_bytes(std::array::from_fn(|i| chunk[i]))));
    if !rest.is_empty() {
        out.push(u64::from_le_bytes(std::array::from_fn(|i| rest.get(i).copied().unwrap_or(0))));
    }
}
