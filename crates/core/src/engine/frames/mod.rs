//! What the frames of a data directory say, as bytes: docs/internals/durability.md has the layout. Pure; numbers are little-endian.

mod columns;
mod learnt;
mod program;
mod pushed;
mod start;
mod summary;

use arrow_buffer::Buffer;
use arrow_ipc::convert::fb_to_schema;
use arrow_ipc::root_as_message;
use arrow_ipc::writer::{DictionaryTracker, IpcDataGenerator};
use arrow_schema::SchemaRef;
use serde::{Deserialize, Serialize};

use self::columns::write_options;
pub use self::columns::{Beside, Request, Rows, RowsParts, encode};
pub(super) use self::columns::{read_reject, write_reject};
pub use self::learnt::Learnt;
pub use self::program::Program;
pub use self::pushed::{Decided, Pushed, PushedParts};
pub use self::start::{Cluster, Start};
pub use self::summary::{Completed, SUMMARY_VERSION, Said, Summary};
use crate::time::Epoch;

/// The version of what frames say that this program writes and reads.
pub const FORMAT: u32 = 1;

/// A process has opened the directory: [`Start`].
pub const START: u8 = 1;
/// A source whose rows are kept: [`Source`].
pub const SOURCE: u8 = 2;
/// A partition of a source: [`Split`].
pub const SPLIT: u8 = 3;
/// Rows of a partition, and what became of them: [`Rows`].
pub const ROWS: u8 = 4;
/// A partition has moved: [`Move`].
pub const MOVE: u8 = 5;
/// A partition may move without rows up to there: [`Move`].
pub const LEASE: u8 = 6;
/// A partition has ended: [`Move`], of the last epoch.
pub const END: u8 = 7;

/// A change of a reference table: [`Request`].
pub const REQUEST: u8 = 8;
/// Where a change of a reference table takes effect: [`Taken`].
pub const TAKEN: u8 = 12;
/// A sink has begun its output: [`Begun`].
pub const BEGUN: u8 = 9;

/// What a partition brings from now on stands in another input: [`Input`].
pub const INPUT: u8 = 10;

/// Rows of a partition that is read again from its beginning may be shown up to there: [`Ahead`].
pub const AHEAD: u8 = 11;

/// What the program was planned from: [`Program`].
pub const PROGRAM: u8 = 13;

/// Files of a sink are ended: [`Ended`].
pub const ENDED: u8 = 14;

/// Rows that were pushed and nothing has decided on: [`Pushed`].
pub const PUSHED: u8 = 15;
/// Where those were decided on: [`Decided`].
pub const DECIDED: u8 = 16;

/// What the frames before one come to: [`Summary`].
pub const SUMMARY: u8 = 17;

/// What other processes took of a source that knows duplicates, by the time that a partition heard of it: [`Learnt`].
pub const LEARNT: u8 = 18;

/// The kinds, each with the name that metrics have for it.
pub const KINDS: &[(u8, &str)] = &[
    (START, "start"),
    (SOURCE, "source"),
    (SPLIT, "split"),
    (ROWS, "rows"),
    (MOVE, "move"),
    (LEASE, "lease"),
    (END, "end"),
    (REQUEST, "request"),
    (TAKEN, "taken"),
    (BEGUN, "begun"),
    (INPUT, "input"),
    (AHEAD, "ahead"),
    (PROGRAM, "program"),
    (ENDED, "ended"),
    (PUSHED, "pushed"),
    (DECIDED, "decided"),
    (SUMMARY, "summary"),
    (LEARNT, "learnt"),
];

/// Source and partition, with which frames begin that are of one.
pub fn of_partition(frame: &[u8]) -> Option<(u32, u32)> {
    let mut fields = Fields(frame);
    Some((fields.word()?, fields.word()?))
}

/// Bytes of a frame that are no such frame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unreadable(pub String);

impl Unreadable {
    fn of(what: &str, why: impl std::fmt::Display) -> Unreadable {
        Unreadable(format!("a frame of {what}: {why}"))
    }
}

/// What a frame says.
#[derive(Clone, Debug)]
pub enum Frame<'a> {
    /// A process has opened the directory.
    Start(Start),
    /// A source whose rows are kept.
    Source(Source),
    /// A partition of a source.
    Split(Split),
    /// Rows.
    Rows(Rows<'a>),
    /// A partition has moved.
    Move(Move),
    /// A partition may move without rows up to there.
    Lease(Move),
    /// A partition has ended.
    End(Move),
    /// A sink has begun its output.
    Begun(Begun),
    /// Files of a sink are ended.
    Ended(Ended),
    /// What a partition brings from now on stands in another input.
    Input(Input),
    /// Rows of a partition that is read again may be shown up to there.
    Ahead(Ahead),
    /// A change of a reference table.
    Request(Request<'a>),
    /// Where a change takes effect.
    Taken(Taken),
    /// What the program was planned from.
    Program(Program),
    /// Rows that were pushed and nothing has decided on.
    Pushed(Pushed<'a>),
    /// They are decided on.
    Decided(Decided),
    /// What the frames before one come to; none if it is of another version.
    Summary(Option<Box<Summary>>),
    /// What other processes took.
    Learnt(Learnt<'a>),
    /// A kind that this version does not know.
    Other(u8),
}

impl Frame<'_> {
    /// The clock when it came, in ms since 1970, of frames that say so.
    pub fn came_ms(&self) -> Option<i64> {
        match self {
            Frame::Start(start) => Some(start.at_ms),
            Frame::Rows(rows) => Some(rows.now_ms),
            Frame::Pushed(rows) => Some(rows.now_ms),
            _ => None,
        }
    }

    /// Reads a frame.
    ///
    /// # Errors
    /// The bytes are no frame of that kind.
    pub fn read(kind: u8, bytes: &[u8]) -> Result<Frame<'_>, Unreadable> {
        Ok(match kind {
            START => Frame::Start(Start::read(bytes)?),
            SOURCE => Frame::Source(Source::read(bytes)?),
            SPLIT => Frame::Split(Split::read(bytes)?),
            ROWS => Frame::Rows(Rows::read(bytes)?),
            MOVE => Frame::Move(Move::read(bytes)?),
            LEASE => Frame::Lease(Move::read(bytes)?),
            END => Frame::End(Move::read(bytes)?),
            BEGUN => Frame::Begun(Begun::read(bytes)?),
            ENDED => Frame::Ended(Ended::read(bytes)?),
            INPUT => Frame::Input(Input::read(bytes)?),
            REQUEST => Frame::Request(Request::read(bytes)?),
            TAKEN => Frame::Taken(Taken::read(bytes)?),
            AHEAD => Frame::Ahead(Ahead::read(bytes)?),
            PROGRAM => Frame::Program(Program::read(bytes)?),
            PUSHED => Frame::Pushed(Pushed::read(bytes)?),
            DECIDED => Frame::Decided(Decided::read(bytes)?),
            SUMMARY => Frame::Summary(Summary::read(bytes)?.map(Box::new)),
            LEARNT => Frame::Learnt(Learnt::read(bytes)?),
            kind => Frame::Other(kind),
        })
    }
}

/// A source whose rows are kept: its number, its name, and the columns that are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Its number, by which other frames name it.
    pub source: u32,
    /// Its name.
    pub name: String,
    /// The columns.
    pub schema: SchemaRef,
}

impl Source {
    /// Its bytes.
    pub fn bytes(&self) -> Vec<u8> {
        let mut tracker = DictionaryTracker::new(false);
        let schema = IpcDataGenerator::default().schema_to_bytes_with_dictionary_tracker(
            &self.schema,
            &mut tracker,
            &write_options(),
        );
        let mut bytes = Vec::with_capacity(8 + self.name.len() + schema.ipc_message.len());
        bytes.extend(self.source.to_le_bytes());
        bytes.extend((self.name.len() as u32).to_le_bytes());
        bytes.extend(self.name.as_bytes());
        bytes.extend(&schema.ipc_message);
        bytes
    }

    fn read(bytes: &[u8]) -> Result<Source, Unreadable> {
        let wrong = |why: &str| Unreadable::of("a source", why);
        let mut fields = Fields(bytes);
        let (source, length) = (fields.word(), fields.word());
        let (Some(source), Some(name)) = (source, length.and_then(|length| fields.take(length as usize))) else {
            return Err(wrong("it is too short"));
        };
        let name = String::from_utf8(name.to_vec()).map_err(|_| wrong("its name is no UTF-8"))?;
        // Aligned memory: the reader asks for it.
        let schema = Buffer::from(fields.0);
        let message = root_as_message(&schema).map_err(|error| Unreadable::of("a source", error))?;
        let schema = message.header_as_schema().ok_or_else(|| wrong("its columns are no schema"))?;
        Ok(Source { source, name, schema: std::sync::Arc::new(fb_to_schema(schema)) })
    }
}

/// A partition of a source: what it reads, and what messages call it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// The source's number.
    pub source: u32,
    /// Its own.
    pub partition: u32,
    /// The split that it reads, by the name that stays.
    pub split: String,
    /// What messages call it.
    pub name: String,
    /// What tells it from another input of that name, if it is read again from its beginning.
    pub was: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct SplitText {
    split: String,
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    was: Option<String>,
}

impl Split {
    /// Its bytes.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = [self.source.to_le_bytes(), self.partition.to_le_bytes()].concat();
        let text = SplitText { split: self.split.clone(), name: self.name.clone(), was: self.was.clone() };
        match serde_json::to_writer(&mut bytes, &text) {
            Ok(()) => bytes,
            Err(error) => unreachable!("texts are written as JSON: {error}"),
        }
    }

    fn read(bytes: &[u8]) -> Result<Split, Unreadable> {
        let mut fields = Fields(bytes);
        let (Some(source), Some(partition)) = (fields.word(), fields.word()) else {
            return Err(Unreadable::of("a split", "it is too short"));
        };
        let SplitText { split, name, was } =
            serde_json::from_slice(fields.0).map_err(|error| Unreadable::of("a split", error))?;
        Ok(Split { source, partition, split, name, was })
    }
}

/// Rows of a partition that is read again from its beginning may be shown up to this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ahead {
    /// The source's number.
    pub source: u32,
    /// The partition's.
    pub partition: u32,
    /// How many rows from its beginning.
    pub rows: u64,
}

impl Ahead {
    /// Its bytes.
    pub fn bytes(&self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..4].copy_from_slice(&self.source.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.partition.to_le_bytes());
        bytes[8..].copy_from_slice(&self.rows.to_le_bytes());
        bytes
    }

    fn read(bytes: &[u8]) -> Result<Ahead, Unreadable> {
        let mut fields = Fields(bytes);
        let mut all = || Some(Ahead { source: fields.word()?, partition: fields.word()?, rows: fields.long()? });
        all().ok_or_else(|| Unreadable::of("rows that may be shown", "it is too short"))
    }
}

/// What a partition brings from now on stands in an input of this name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// The source's number.
    pub source: u32,
    /// The partition's.
    pub partition: u32,
    /// The input: a file.
    pub name: String,
}

impl Input {
    /// Its bytes.
    pub fn bytes(&self) -> Vec<u8> {
        [&self.source.to_le_bytes(), &self.partition.to_le_bytes(), self.name.as_bytes()].concat()
    }

    fn read(bytes: &[u8]) -> Result<Input, Unreadable> {
        let mut fields = Fields(bytes);
        let (Some(source), Some(partition)) = (fields.word(), fields.word()) else {
            return Err(Unreadable::of("an input", "it is too short"));
        };
        let name =
            String::from_utf8(fields.0.to_vec()).map_err(|_| Unreadable::of("an input", "its name is no UTF-8"))?;
        Ok(Input { source, partition, name })
    }
}

/// A writer of a sink has begun its output: what an earlier run left there is gone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Begun {
    /// The sink's name.
    pub sink: String,
    /// Which of its writers.
    pub part: usize,
    /// Of how many.
    pub parts: usize,
}

impl Begun {
    /// Its bytes.
    pub fn bytes(&self) -> Vec<u8> {
        match serde_json::to_vec(self) {
            Ok(bytes) => bytes,
            Err(error) => unreachable!("numbers and texts are written as JSON: {error}"),
        }
    }

    fn read(bytes: &[u8]) -> Result<Begun, Unreadable> {
        serde_json::from_slice(bytes).map_err(|error| Unreadable::of("a sink that has begun", error))
    }
}

/// Files of a writer of a sink are ended behind an epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// The writer.
    pub writer: Begun,
    /// The last epoch that they hold: watermark in ms and tick.
    pub behind: (i64, u64),
    /// How many files were begun by then, once all of them are complete and safe on the disk; before that they are only about to be ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<u64>,
}

impl Ended {
    /// Its bytes.
    pub fn bytes(&self) -> Vec<u8> {
        match serde_json::to_vec(self) {
            Ok(bytes) => bytes,
            Err(error) => unreachable!("numbers and texts are written as JSON: {error}"),
        }
    }

    fn read(bytes: &[u8]) -> Result<Ended, Unreadable> {
        serde_json::from_slice(bytes).map_err(|error| Unreadable::of("files of a sink that are ended", error))
    }

    /// The last epoch that they hold.
    pub fn epoch(&self) -> Epoch {
        Epoch { watermark: self.behind.0, tick: self.behind.1 }
    }
}

/// A partition has moved, may move, or has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Move {
    /// The source's number.
    pub source: u32,
    /// The partition's.
    pub partition: u32,
    /// Where to.
    pub epoch: Epoch,
    /// Rows that it had accepted by then.
    pub accepted: u64,
}

impl Move {
    /// Its bytes.
    pub fn bytes(&self) -> [u8; 32] {
        let mut bytes = [0; 32];
        bytes[..4].copy_from_slice(&self.source.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.partition.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.epoch.watermark.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.epoch.tick.to_le_bytes());
        bytes[24..].copy_from_slice(&self.accepted.to_le_bytes());
        bytes
    }

    fn read(bytes: &[u8]) -> Result<Move, Unreadable> {
        let mut fields = Fields(bytes);
        let mut all = || {
            let (source, partition) = (fields.word()?, fields.word()?);
            let epoch = Epoch { watermark: fields.signed()?, tick: fields.long()? };
            Some(Move { source, partition, epoch, accepted: fields.long()? })
        };
        all().ok_or_else(|| Unreadable::of("a move", "it is too short"))
    }
}

/// Where a change of a reference table takes effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The table's number.
    pub table: u32,
    /// The number of the frame with the change.
    pub request: u64,
    /// At this epoch.
    pub epoch: Epoch,
}

impl Taken {
    /// Its bytes.
    pub fn bytes(&self) -> [u8; 28] {
        let mut bytes = [0; 28];
        bytes[..4].copy_from_slice(&self.table.to_le_bytes());
        bytes[4..12].copy_from_slice(&self.request.to_le_bytes());
        bytes[12..20].copy_from_slice(&self.epoch.watermark.to_le_bytes());
        bytes[20..].copy_from_slice(&self.epoch.tick.to_le_bytes());
        bytes
    }

    fn read(bytes: &[u8]) -> Result<Taken, Unreadable> {
        let mut fields = Fields(bytes);
        let mut all = || {
            let (table, request) = (fields.word()?, fields.long()?);
            Some(Taken { table, request, epoch: Epoch { watermark: fields.signed()?, tick: fields.long()? } })
        };
        all().ok_or_else(|| Unreadable::of("a change that takes effect", "it is too short"))
    }
}

/// What is left of a frame.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, bytes: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(bytes)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn word(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn long(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn signed(&mut self) -> Option<i64> {
        self.array().map(i64::from_le_bytes)
    }
}

#[cfg(test)]
mod tests;
