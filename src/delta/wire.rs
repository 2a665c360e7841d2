//! The wire form of a [`Delta`] between processes: an Arrow IPC stream of one batch, the diffs as a last column.
//!
//! This is the one seam: `length` (exact, a multiple of 8), `encode`, `decode`. A peer that sends bytes that are no delta
//! is a broken cluster: decoding panics, and the process ends with the message.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, cast::AsArray, types::Int64Type};
use arrow_ipc::reader::StreamReader;
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{DataType, Field, Schema};

use super::Delta;

/// The name of the last column on the wire.
const DIFFS: &str = "__diff";

/// Exact length of the wire form, padded to a multiple of 8.
pub(super) fn length(delta: &Delta) -> usize {
    bytes(delta).len()
}

/// Writes the wire form.
pub(super) fn encode<W: std::io::Write>(delta: &Delta, writer: &mut W) {
    if let Err(error) = writer.write_all(&bytes(delta)) {
        panic!("the buffer to a peer refused a delta: {error}");
    }
}

/// Reads the wire form.
pub(super) fn decode(bytes: &[u8]) -> Delta {
    match read(bytes) {
        Ok(delta) => delta,
        Err(error) => panic!("a peer sent bytes that are no delta: {error}"),
    }
}

fn bytes(delta: &Delta) -> Vec<u8> {
    match write(delta) {
        Ok(bytes) => bytes,
        Err(error) => panic!("a delta cannot be written as Arrow IPC: {error}"),
    }
}

fn write(delta: &Delta) -> Result<Vec<u8>, arrow_schema::ArrowError> {
    let batch = match delta.diffs() {
        None => delta.batch().clone(),
        Some(diffs) => {
            let mut fields = delta.batch().schema().fields().to_vec();
            fields.push(Arc::new(Field::new(DIFFS, DataType::Int64, false)));
            let mut columns = delta.batch().columns().to_vec();
            columns.push(Arc::new(Int64Array::new(diffs.clone(), None)) as ArrayRef);
            RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?
        }
    };
    let mut writer = StreamWriter::try_new(Vec::new(), &batch.schema())?;
    writer.write(&batch)?;
    writer.finish()?;
    let mut bytes = writer.into_inner()?;
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    Ok(bytes)
}

fn read(bytes: &[u8]) -> Result<Delta, arrow_schema::ArrowError> {
    let nothing = || arrow_schema::ArrowError::IpcError("no batch".to_owned());
    let batch = StreamReader::try_new(bytes, None)?.next().ok_or_else(nothing)??;
    let last = batch.num_columns().wrapping_sub(1);
    match batch.schema().fields().last() {
        Some(field) if field.name() == DIFFS => {
            let diffs = batch.column(last).as_primitive::<Int64Type>().values().clone();
            let columns: Vec<usize> = (0..last).collect();
            Ok(Delta::new(batch.project(&columns)?, Some(diffs)))
        }
        _ => Ok(Delta::insert(batch)),
    }
}
