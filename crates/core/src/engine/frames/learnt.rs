//! What the other processes of a cluster took of a source that knows duplicates: their keys, when a partition hears of them.

use arrow_array::RecordBatch;
use arrow_ipc::writer::EncodedData;
use arrow_schema::SchemaRef;

use super::columns::batch;
use super::{Fields, Unreadable};
use crate::time::Epoch;

/// Bytes before those of the columns.
const HEAD: usize = 32;

/// Keys of rows that other processes took, all of one epoch.
#[derive(Clone, Debug)]
pub struct Learnt<'a> {
    /// The source's number.
    pub source: u32,
    /// The number of the partition that knows them from now on.
    pub partition: u32,
    /// The epoch of the rows.
    pub epoch: Epoch,
    message: &'a [u8],
    body: &'a [u8],
}

impl<'a> Learnt<'a> {
    /// The bytes before those of the keys' columns, of a source and a partition.
    pub fn head((source, partition): (u32, u32), epoch: Epoch, columns: &EncodedData) -> [u8; HEAD] {
        let mut head = [0; HEAD];
        head[..4].copy_from_slice(&source.to_le_bytes());
        head[4..8].copy_from_slice(&partition.to_le_bytes());
        head[8..16].copy_from_slice(&epoch.watermark.to_le_bytes());
        head[16..24].copy_from_slice(&epoch.tick.to_le_bytes());
        head[24..28].copy_from_slice(&(columns.ipc_message.len() as u32).to_le_bytes());
        head
    }

    pub(super) fn read(bytes: &'a [u8]) -> Result<Learnt<'a>, Unreadable> {
        let mut fields = Fields(bytes);
        let mut all = || {
            let (source, partition) = (fields.word()?, fields.word()?);
            let epoch = Epoch { watermark: fields.signed()?, tick: fields.long()? };
            let (length, _) = (fields.word()?, fields.word()?);
            Some(Learnt { source, partition, epoch, message: fields.take(length as usize)?, body: fields.0 })
        };
        all().ok_or_else(|| Unreadable::of("keys that others took", "it is too short"))
    }

    /// The keys, and where each is.
    ///
    /// # Errors
    /// They are no Arrow IPC message, or of other columns.
    pub fn keys(&self, schema: &SchemaRef) -> Result<RecordBatch, Unreadable> {
        batch(self.message, self.body, schema)
    }
}
