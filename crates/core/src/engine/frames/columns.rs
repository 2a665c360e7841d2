//! Rows in frames: Arrow IPC without its schema, and what stands beside them.

use std::collections::HashMap;

use arrow_array::RecordBatch;
use arrow_buffer::Buffer;
use arrow_ipc::MetadataVersion;
use arrow_ipc::reader::read_record_batch;
use arrow_ipc::root_as_message;
use arrow_ipc::writer::{DictionaryTracker, EncodedData, IpcDataGenerator, IpcWriteContext, IpcWriteOptions};
use arrow_schema::{ArrowError, SchemaRef};
use serde::{Deserialize, Serialize};

use super::{Fields, Unreadable};
use crate::delta::Reject;
use crate::guard::guarded;
use crate::time::Epoch;

/// Rows of a partition, and what became of them.
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a> {
    /// The source's number.
    pub source: u32,
    /// The partition's.
    pub partition: u32,
    /// The clock when they came, in ms.
    pub now_ms: i64,
    /// Where the partition was.
    pub epoch: Epoch,
    /// Rows that it had accepted behind them.
    pub accepted: u64,
    /// The number of the first record.
    pub first: u64,
    /// How many rows there are.
    pub rows: u32,
    /// Where it goes on, and what was not taken, as JSON.
    beside: &'a [u8],
    /// The number of each row's record, if they do not just follow each other.
    numbers: &'a [u8],
    message: &'a [u8],
    body: &'a [u8],
}

/// What stands beside rows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Beside {
    /// Where the partition is read on behind them.
    pub end: String,
    /// What was not decoded: position, reason, detail, content.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rejects: Vec<[String; 4]>,
    /// Of rows that were not accepted: the number of the record, and the record as it came.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub letters: Vec<(u64, String)>,
}

/// Bytes of the fields of [`Rows`] before what is of any length.
const ROWS_HEAD: usize = 64;

/// Fewer bytes of columns than this are no reason to align them further.
const ALIGNMENT: usize = 8;

pub(super) fn write_options() -> IpcWriteOptions {
    match IpcWriteOptions::try_new(ALIGNMENT, false, MetadataVersion::V5) {
        Ok(options) => options,
        Err(error) => unreachable!("8 is an alignment: {error}"),
    }
}

/// A batch as Arrow IPC, without its schema.
///
/// # Errors
/// Arrow has no form for its columns.
pub fn encode(batch: &RecordBatch) -> Result<EncodedData, ArrowError> {
    let (mut tracker, mut context) = (DictionaryTracker::new(false), IpcWriteContext::default());
    let (dictionaries, encoded) =
        IpcDataGenerator::default().encode(batch, &mut tracker, &write_options(), &mut context)?;
    match dictionaries.is_empty() {
        true => Ok(encoded),
        false => Err(ArrowError::NotYetImplemented("columns of dictionaries in a data directory".to_owned())),
    }
}

/// A frame of rows before it is put together: [`RowsParts::parts`] are to be appended one behind the other.
pub struct RowsParts {
    head: [u8; ROWS_HEAD],
    beside: Vec<u8>,
    numbers: Vec<u8>,
    columns: EncodedData,
}

impl std::fmt::Debug for RowsParts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RowsParts").field("bytes", &self.parts().map(<[u8]>::len)).finish_non_exhaustive()
    }
}

impl RowsParts {
    /// Of rows in their columns. The fields of any length of `rows` are not looked at.
    pub fn new(rows: Rows<'_>, beside: &Beside, numbers: Option<&[u64]>, columns: EncodedData) -> RowsParts {
        let mut beside = match serde_json::to_vec(beside) {
            Ok(beside) => beside,
            Err(error) => unreachable!("numbers and texts are written as JSON: {error}"),
        };
        beside.resize(beside.len().next_multiple_of(ALIGNMENT), b' ');
        let numbers: Vec<u8> =
            numbers.iter().flat_map(|numbers| numbers.iter()).flat_map(|n| n.to_le_bytes()).collect();
        let mut head = [0; ROWS_HEAD];
        head[..4].copy_from_slice(&rows.source.to_le_bytes());
        head[4..8].copy_from_slice(&rows.partition.to_le_bytes());
        head[8..16].copy_from_slice(&rows.now_ms.to_le_bytes());
        head[16..24].copy_from_slice(&rows.epoch.watermark.to_le_bytes());
        head[24..32].copy_from_slice(&rows.epoch.tick.to_le_bytes());
        head[32..40].copy_from_slice(&rows.accepted.to_le_bytes());
        head[40..48].copy_from_slice(&rows.first.to_le_bytes());
        head[48..52].copy_from_slice(&(beside.len() as u32).to_le_bytes());
        head[52..56].copy_from_slice(&((numbers.len() / 8) as u32).to_le_bytes());
        head[56..60].copy_from_slice(&(columns.ipc_message.len() as u32).to_le_bytes());
        head[60..].copy_from_slice(&rows.rows.to_le_bytes());
        RowsParts { head, beside, numbers, columns }
    }

    /// The bytes of the frame.
    pub fn parts(&self) -> [&[u8]; 5] {
        [&self.head, &self.beside, &self.numbers, &self.columns.ipc_message, &self.columns.arrow_data]
    }
}

impl<'a> Rows<'a> {
    /// The fields of fixed length, for [`RowsParts::new`].
    pub fn head((source, partition): (u32, u32), now_ms: i64, epoch: Epoch, first: u64, rows: u32) -> Rows<'a> {
        let (beside, numbers, message, body) = (&[], &[], &[], &[]);
        Rows { source, partition, now_ms, epoch, accepted: 0, first, rows, beside, numbers, message, body }
    }

    pub(super) fn read(bytes: &'a [u8]) -> Result<Rows<'a>, Unreadable> {
        let mut fields = Fields(bytes);
        let mut all = || {
            let (source, partition) = (fields.word()?, fields.word()?);
            let now_ms = fields.signed()?;
            let epoch = Epoch { watermark: fields.signed()?, tick: fields.long()? };
            let (accepted, first) = (fields.long()?, fields.long()?);
            let lengths = [fields.word()?, fields.word()?, fields.word()?].map(|length| length as usize);
            let rows = fields.word()?;
            let (beside, numbers) = (fields.take(lengths[0])?, fields.take(lengths[1].checked_mul(8)?)?);
            let (message, body) = (fields.take(lengths[2])?, fields.0);
            Some(Rows { source, partition, now_ms, epoch, accepted, first, rows, beside, numbers, message, body })
        };
        all().ok_or_else(|| Unreadable::of("rows", "it is too short"))
    }

    /// Where the partition goes on, and what was not taken.
    ///
    /// # Errors
    /// It is not what this program writes.
    pub fn beside(&self) -> Result<Beside, Unreadable> {
        serde_json::from_slice(self.beside).map_err(|error| Unreadable::of("rows", error))
    }

    /// The number of each row's record, if they do not just follow each other.
    pub fn numbers(&self) -> Option<Vec<u64>> {
        let (numbers, _) = self.numbers.as_chunks::<8>();
        (!numbers.is_empty()).then(|| numbers.iter().map(|number| u64::from_le_bytes(*number)).collect())
    }

    /// The rows, in the columns of the source.
    ///
    /// # Errors
    /// They are no Arrow IPC message, or of other columns.
    pub fn batch(&self, schema: &SchemaRef) -> Result<RecordBatch, Unreadable> {
        batch(self.message, self.body, schema)
    }
}

/// A change of a reference table, as rows of its requests.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The table's number.
    pub table: u32,
    message: &'a [u8],
    body: &'a [u8],
}

impl<'a> Request<'a> {
    /// Its bytes but those of the columns, which follow: message, then body.
    pub fn head(table: u32, columns: &EncodedData) -> [u8; 8] {
        let mut head = [0; 8];
        head[..4].copy_from_slice(&table.to_le_bytes());
        head[4..].copy_from_slice(&(columns.ipc_message.len() as u32).to_le_bytes());
        head
    }

    pub(super) fn read(bytes: &'a [u8]) -> Result<Request<'a>, Unreadable> {
        let mut fields = Fields(bytes);
        let mut all = || {
            let (table, length) = (fields.word()?, fields.word()?);
            Some(Request { table, message: fields.take(length as usize)?, body: fields.0 })
        };
        all().ok_or_else(|| Unreadable::of("a change of a table", "it is too short"))
    }

    /// Its rows, in the columns of the table's requests.
    ///
    /// # Errors
    /// They are no Arrow IPC message, or of other columns.
    pub fn batch(&self, schema: &SchemaRef) -> Result<RecordBatch, Unreadable> {
        batch(self.message, self.body, schema)
    }
}

/// A batch that is written as Arrow IPC without its schema.
pub(super) fn batch(message: &[u8], body: &[u8], schema: &SchemaRef) -> Result<RecordBatch, Unreadable> {
    let wrong = |error: &dyn std::fmt::Display| Unreadable::of("rows", error);
    // Aligned memory: the reader asks for it.
    let message = Buffer::from(message);
    let message = root_as_message(&message).map_err(|error| wrong(&error))?;
    let header = message.header_as_record_batch().ok_or_else(|| wrong(&"it holds no batch"))?;
    let (body, version) = (Buffer::from(body), message.version());
    let read = || {
        let batch = read_record_batch(&body, header, schema.clone(), &HashMap::new(), None, &version);
        batch.map_err(|error| wrong(&error))
    };
    guarded(read, || wrong(&"its columns are damaged"))
}

/// The reasons that rows are rejected for, one of which each is.
pub(super) const REASONS: &[&str] = &["malformed", "oversized", "late", "no_event_time", "evaluation", "unknown"];

/// A reject as it is written beside rows.
pub(in super::super) fn write_reject(reject: &Reject) -> [String; 4] {
    [reject.position.clone(), reject.reason.to_owned(), reject.detail.clone(), reject.content.clone()]
}

/// The same, read.
pub(in super::super) fn read_reject(
    source: &str,
    [position, reason, detail, content]: [String; 4],
) -> Result<Reject, Unreadable> {
    let known = REASONS.iter().find(|known| **known == reason);
    let reason = known.ok_or_else(|| Unreadable::of("rows", format!("'{reason}' is no reason to reject one")))?;
    Ok(Reject { source: source.to_owned(), position, reason, detail, content })
}
