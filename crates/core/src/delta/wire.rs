//! The wire form of a [`Delta`] between processes.
//!
//! This is the one seam: [`to_bytes`] and [`from_bytes`]. The default form is an Arrow IPC
//! stream of one batch with the diffs as a last column; the feature `abomonation` adds a form for trusted processes that
//! is taken where every column is of fixed width. Bytes that are no delta mean a broken cluster: decoding panics, and the
//! process ends with the message.
//!
//! timely asks for the length before the bytes, and Arrow IPC knows its length only once written. The bytes are therefore
//! kept in the delta from the one call to the other.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, Int64Array, RecordBatch};
use arrow_ipc::reader::StreamReader;
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{ArrowError, DataType, Field, Schema};
use bytes::Bytes;

use super::Delta;

/// The name of the last column on the wire.
const DIFFS: &str = "__diff";

/// The first byte of a message: which form follows. Seven bytes of padding keep what follows aligned.
const ARROW_IPC: u8 = 1;
#[cfg(feature = "abomonation")]
const ABOMONATION: u8 = 2;

/// A wire form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// An Arrow IPC stream: any column, checked when read.
    ArrowIpc,
    /// Memory as it lies: fixed-width columns, trusted peers only.
    #[cfg(feature = "abomonation")]
    Abomonation,
}

/// A delta in a given form, its length a multiple of 8; `None` if the form cannot hold its columns.
pub fn to_bytes(delta: &Delta, form: Form) -> Option<Bytes> {
    let mut bytes = match form {
        Form::ArrowIpc => match write(delta) {
            Ok(bytes) => bytes,
            Err(error) => panic!("a delta cannot be written as Arrow IPC: {error}"),
        },
        #[cfg(feature = "abomonation")]
        Form::Abomonation => super::trusted::encode(delta, &head(ABOMONATION))?,
    };
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    Some(Bytes::from(bytes))
}

/// The delta in bytes of any form.
///
/// # Panics
/// If they are no delta.
pub fn from_bytes(bytes: &[u8]) -> Delta {
    let read = match bytes.first() {
        Some(&ARROW_IPC) => read(&bytes[8..]).map_err(|error| error.to_string()),
        #[cfg(feature = "abomonation")]
        Some(&ABOMONATION) => super::trusted::decode(&bytes[8..]),
        other => Err(format!("it begins with {other:?}; are all processes built with the same features?")),
    };
    match read {
        Ok(delta) => delta,
        Err(error) => panic!("a peer sent bytes that are no delta: {error}"),
    }
}

/// Exact length of the wire form, a multiple of 8.
pub(super) fn length(delta: &Delta) -> usize {
    encoded(delta).len()
}

/// Writes the wire form.
pub(super) fn encode<W: std::io::Write>(delta: &Delta, writer: &mut W) {
    if let Err(error) = writer.write_all(encoded(delta)) {
        panic!("the buffer to a peer refused a delta: {error}");
    }
}

fn encoded(delta: &Delta) -> &Bytes {
    delta.encoded.get_or_init(|| {
        #[cfg(feature = "abomonation")]
        if let Some(bytes) = to_bytes(delta, Form::Abomonation) {
            return bytes;
        }
        to_bytes(delta, Form::ArrowIpc).unwrap_or_default()
    })
}

fn head(form: u8) -> [u8; 8] {
    [form, 0, 0, 0, 0, 0, 0, 0]
}

fn write(delta: &Delta) -> Result<Vec<u8>, ArrowError> {
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
    let mut writer = StreamWriter::try_new(head(ARROW_IPC).to_vec(), &batch.schema())?;
    writer.write(&batch)?;
    writer.finish()?;
    writer.into_inner()
}

fn read(bytes: &[u8]) -> Result<Delta, ArrowError> {
    let nothing = || ArrowError::IpcError("no batch".to_owned());
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use arrow_array::{Float64Array, StringArray, TimestampMillisecondArray};

    fn fixed() -> RecordBatch {
        RecordBatch::try_from_iter([
            ("key", Arc::new(Int64Array::from(vec![Some(1), None, Some(-3)])) as ArrayRef),
            ("at", Arc::new(TimestampMillisecondArray::from(vec![-1, 0, i64::MAX])) as ArrayRef),
            ("value", Arc::new(Float64Array::from(vec![f64::NAN, -0.0, 1.5])) as ArrayRef),
        ])
        .unwrap()
    }

    fn round_trip(delta: &Delta) {
        let mut bytes = Vec::new();
        let length = length(delta);
        encode(delta, &mut bytes);
        assert_eq!(bytes.len(), length);
        assert_eq!(length % 8, 0);
        let back = from_bytes(&bytes);
        assert_eq!(format!("{:?}", back.batch()), format!("{:?}", delta.batch()));
        assert_eq!(back.diffs(), delta.diffs());
    }

    #[test]
    fn a_delta_comes_back_as_it_was() {
        let text = RecordBatch::try_from_iter([(
            "name",
            Arc::new(StringArray::from(vec![Some("a"), None, Some("ü")])) as ArrayRef,
        )]);
        for batch in [fixed(), text.unwrap(), fixed().slice(1, 2), fixed().slice(0, 0)] {
            round_trip(&Delta::insert(batch.clone()));
            let diffs = (0..batch.num_rows() as i64).map(|row| row * 2 - 1).collect();
            round_trip(&Delta::new(batch, Some(diffs)));
        }
    }

    #[cfg(feature = "abomonation")]
    #[test]
    fn fixed_width_columns_take_the_trusted_form() {
        assert_eq!(encoded(&Delta::insert(fixed()))[0], ABOMONATION);
    }

    #[test]
    #[should_panic(expected = "no delta")]
    fn foreign_bytes_are_refused() {
        from_bytes(&[9; 64]);
    }
}
