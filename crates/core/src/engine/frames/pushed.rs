//! Rows that clients pushed before the edge of their partition could decide on them, and where it did.

use arrow_ipc::writer::EncodedData;
use arrow_schema::SchemaRef;
use serde::{Deserialize, Serialize};

use super::columns::{REASONS, batch};
use super::{Fields, Unreadable};
use crate::format::{Came, Fault, Part};
use crate::time::Epoch;

/// Rows of a push that nothing has decided on.
#[derive(Clone, Copy, Debug)]
pub struct Pushed<'a> {
    /// The source's number.
    pub source: u32,
    /// The partition's.
    pub partition: u32,
    /// The clock when they came, in ms.
    pub now_ms: i64,
    /// How many records they stood in.
    pub records: u64,
    /// How many rows there are.
    pub rows: u32,
    beside: &'a [u8],
    numbers: &'a [u8],
    message: &'a [u8],
    body: &'a [u8],
}

/// What stands beside them; records are counted from the first.
#[derive(Default, Serialize, Deserialize)]
struct Beside {
    /// What was not decoded: record, reason, detail, content.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    faults: Vec<(u64, String, String, String)>,
    /// Records as they came, for those that the edge may refuse.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    came: Vec<(u64, String)>,
}

/// Bytes of the fields of [`Pushed`] before what is of any length.
const HEAD: usize = 40;

/// Such a frame before it is put together: [`PushedParts::parts`] are to be appended one behind the other.
pub struct PushedParts {
    head: [u8; HEAD],
    beside: Vec<u8>,
    numbers: Vec<u8>,
    columns: EncodedData,
}

impl std::fmt::Debug for PushedParts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PushedParts").field("bytes", &self.parts().map(<[u8]>::len)).finish_non_exhaustive()
    }
}

impl PushedParts {
    /// Of a part of a body whose columns are encoded; `came` are its records as they came, as far as they are needed.
    pub fn new(
        (source, partition): (u32, u32),
        now_ms: i64,
        part: &Part,
        came: Vec<(u64, String)>,
        columns: EncodedData,
    ) -> PushedParts {
        let fault =
            |fault: &Fault| (fault.record, fault.reason.to_owned(), fault.detail.clone(), fault.content.clone());
        let beside = Beside { faults: part.faults.iter().map(fault).collect(), came };
        let mut beside = match serde_json::to_vec(&beside) {
            Ok(beside) => beside,
            Err(error) => unreachable!("numbers and texts are written as JSON: {error}"),
        };
        beside.resize(beside.len().next_multiple_of(8), b' ');
        let numbers: Vec<u8> = part.numbers.iter().flatten().flat_map(|n| n.to_le_bytes()).collect();
        let mut head = [0; HEAD];
        head[..4].copy_from_slice(&source.to_le_bytes());
        head[4..8].copy_from_slice(&partition.to_le_bytes());
        head[8..16].copy_from_slice(&now_ms.to_le_bytes());
        head[16..24].copy_from_slice(&part.records.to_le_bytes());
        head[24..28].copy_from_slice(&(beside.len() as u32).to_le_bytes());
        head[28..32].copy_from_slice(&((numbers.len() / 8) as u32).to_le_bytes());
        head[32..36].copy_from_slice(&(columns.ipc_message.len() as u32).to_le_bytes());
        head[36..].copy_from_slice(&(part.batch.num_rows() as u32).to_le_bytes());
        PushedParts { head, beside, numbers, columns }
    }

    /// The bytes of the frame.
    pub fn parts(&self) -> [&[u8]; 5] {
        [&self.head, &self.beside, &self.numbers, &self.columns.ipc_message, &self.columns.arrow_data]
    }
}

impl<'a> Pushed<'a> {
    pub(super) fn read(bytes: &'a [u8]) -> Result<Pushed<'a>, Unreadable> {
        let mut fields = Fields(bytes);
        let mut all = || {
            let (source, partition) = (fields.word()?, fields.word()?);
            let (now_ms, records) = (fields.signed()?, fields.long()?);
            let lengths = [fields.word()?, fields.word()?, fields.word()?].map(|length| length as usize);
            let rows = fields.word()?;
            let (beside, numbers) = (fields.take(lengths[0])?, fields.take(lengths[1].checked_mul(8)?)?);
            let (message, body) = (fields.take(lengths[2])?, fields.0);
            Some(Pushed { source, partition, now_ms, records, rows, beside, numbers, message, body })
        };
        all().ok_or_else(|| Unreadable::of("pushed rows", "it is too short"))
    }

    /// The rows and what was not decoded, in the columns of the source.
    ///
    /// # Errors
    /// They are no Arrow IPC message or of other columns, or what stands beside them is not what this program writes.
    pub fn part(&self, schema: &SchemaRef) -> Result<Part, Unreadable> {
        let Beside { faults, came } =
            serde_json::from_slice(self.beside).map_err(|error| Unreadable::of("pushed rows", error))?;
        let fault = |(record, reason, detail, content): (u64, String, String, String)| {
            let known = REASONS.iter().find(|known| **known == reason);
            let unknown = || Unreadable::of("pushed rows", format!("'{reason}' is no reason to reject one"));
            Ok(Fault { record, reason: known.ok_or_else(unknown)?, detail, content })
        };
        let (numbers, _) = self.numbers.as_chunks::<8>();
        let numbers: Vec<u64> = numbers.iter().map(|number| u64::from_le_bytes(*number)).collect();
        let batch = batch(self.message, self.body, schema)?;
        if !numbers.is_empty() && numbers.len() != batch.num_rows() {
            return Err(Unreadable::of("pushed rows", "there are not as many numbers as rows"));
        }
        Ok(Part {
            batch,
            numbers: (!numbers.is_empty()).then_some(numbers),
            records: self.records,
            faults: faults.into_iter().map(fault).collect::<Result<_, Unreadable>>()?,
            came: Came::kept(came),
        })
    }
}

/// What was pushed is decided on: its partition has taken it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decided {
    /// The source's number.
    pub source: u32,
    /// The partition's.
    pub partition: u32,
    /// The number of the frame with the rows.
    pub pushed: u64,
    /// Its bytes.
    pub bytes: u64,
    /// Where the partition was.
    pub epoch: Epoch,
    /// Rows that it had accepted behind them.
    pub accepted: u64,
    /// The number of the first record.
    pub first: u64,
}

impl Decided {
    /// Its bytes.
    pub fn bytes(&self) -> [u8; 56] {
        let mut bytes = [0; 56];
        bytes[..4].copy_from_slice(&self.source.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.partition.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.pushed.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.bytes.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.epoch.watermark.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.epoch.tick.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.accepted.to_le_bytes());
        bytes[48..].copy_from_slice(&self.first.to_le_bytes());
        bytes
    }

    pub(super) fn read(bytes: &[u8]) -> Result<Decided, Unreadable> {
        let mut fields = Fields(bytes);
        let mut all = || {
            let (source, partition) = (fields.word()?, fields.word()?);
            let (pushed, bytes) = (fields.long()?, fields.long()?);
            let epoch = Epoch { watermark: fields.signed()?, tick: fields.long()? };
            Some(Decided { source, partition, pushed, bytes, epoch, accepted: fields.long()?, first: fields.long()? })
        };
        all().ok_or_else(|| Unreadable::of("pushed rows that are decided on", "it is too short"))
    }
}
