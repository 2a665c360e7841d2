//! The result of a recursion as it leaves the loop: what an epoch changes, netted over its rounds.

use std::sync::{Arc, OnceLock};

use arrow_array::cast::AsArray;
use arrow_array::{BinaryArray, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};

use super::Expiry;
use super::codec::Codec;
use crate::delta::Delta;
use crate::operator::{KeepsNothing, Stateful, only};
use crate::time::Epoch;

/// The state machine. Its input are rows' bytes.
#[derive(Debug)]
pub(super) struct Settled {
    codec: Codec,
    expiry: Option<Expiry>,
    /// What the result holds: rows and bytes.
    rows: i64,
    bytes: i64,
}

/// What a row costs besides its bytes, about.
const ROW_BYTES: i64 = 64;

impl Settled {
    /// Nothing is in the result yet; `codec` is that of its rows.
    pub(super) fn new(codec: Codec, expiry: Option<Expiry>) -> Settled {
        Settled { codec, expiry, rows: 0, bytes: 0 }
    }

    /// Rows as this takes them.
    pub(super) fn bytes<'a>(rows: impl Iterator<Item = (&'a [u8], i64)>) -> Delta {
        static SCHEMA: OnceLock<SchemaRef> = OnceLock::new();
        let schema = SCHEMA.get_or_init(|| Schema::new(vec![Field::new("row", DataType::Binary, false)]).into());
        let (rows, diffs): (Vec<&[u8]>, Vec<i64>) = rows.unzip();
        match RecordBatch::try_new(schema.clone(), vec![Arc::new(BinaryArray::from_vec(rows))]) {
            Ok(batch) => Delta::new(batch, Some(diffs.into())),
            Err(error) => unreachable!("it is a column of bytes: {error}"),
        }
    }
}

/// Nothing: what the result holds is counted again when the loop's inputs, which are saved, go through it.
impl KeepsNothing for Settled {}

impl Stateful for Settled {
    fn apply(&mut self, epoch: Epoch, inputs: &mut [Vec<Delta>]) -> Vec<Delta> {
        let input = only(inputs);
        let rows = input.iter().flat_map(|delta| {
            let bytes = delta.batch().column(0).as_binary::<i32>();
            (0..delta.len()).map(move |row| (bytes.value(row), delta.diff(row)))
        });
        let mut changes: Vec<(&[u8], i64)> = rows.collect();
        changes.sort_unstable();
        changes.dedup_by(|next, kept| {
            next.0 == kept.0 && {
                kept.1 += next.1;
                true
            }
        });
        changes.retain(|(_, diff)| *diff != 0);
        for (row, diff) in &changes {
            self.rows += diff;
            self.bytes += diff * (row.len() as i64 + ROW_BYTES);
        }
        if changes.is_empty() {
            return Vec::new();
        }
        let batch = self.codec.decode(changes.iter().map(|(row, _)| *row));
        let inserts = changes.iter().all(|(_, diff)| *diff == 1);
        let delta = Delta::new(batch, (!inserts).then(|| changes.iter().map(|(_, diff)| *diff).collect()));
        vec![match self.expiry {
            None => delta,
            Some(expiry) => expiry.alive(epoch, delta),
        }]
    }

    fn held(&self) -> usize {
        self.rows.max(0) as usize
    }

    fn bytes(&self) -> usize {
        self.bytes.max(0) as usize
    }
}
