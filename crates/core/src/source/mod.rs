//! Sources: where rows come from, one connector a file; [`CONNECTORS`] lists them all.
//!
//! A connector lists *splits*, each known by a name that stays, and opens them, each at its beginning or where it was left: then it
//! is a *partition*, one order of rows with a watermark of its own (a file of a folder, a connection). A [`Reader`] decodes a
//! partition's rows; the [`edge`] then gives every row its epoch or rejects it as
//! late. What comes out depends on the rows of the partition and on nothing else.

mod arrival;
mod beside;
mod by_number;
mod changed;
mod changelog;
mod chunks;
pub mod conformance;
mod datagen;
mod dedup;
mod edge;
#[cfg(test)]
mod edge_saved_tests;
#[cfg(test)]
mod edge_tests;
mod filesystem;
mod generated;
#[cfg(test)]
mod generator_tests;
mod headers;
mod http;
mod intake;
mod lateness;
mod leaps;
mod messages;
mod monitored;
mod nexmark;
mod optional;
mod packing;
mod partition;
mod path_values;
mod position;
mod random;
mod repeats;
#[cfg(test)]
mod repeats_tests;
#[cfg(test)]
mod replay_tests;
mod splits;
mod stdin;
#[cfg(test)]
mod tests;
mod text;
mod unpacking;
mod whole;

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use arrow_array::RecordBatch;
use arrow_schema::{FieldRef, SchemaRef};
use datafusion_physical_expr::PhysicalExpr;

use crate::delta::Reject;
use crate::format::{self, Came, Formats};
use crate::options::{Inputs, OptionError, OptionSpec, Options};
use crate::registered::Registered;
use crate::retry::{self, Standing};
use crate::time::Zone;

pub use arrival::Arrivals;
pub use beside::Beside;
pub use changelog::{Changelog, Current, Timed, Unknown};
pub use edge::{Edge, SavedEdge, Step};
pub use http::Acknowledged;
pub use intake::{Intake, Undecoded, Written};
pub use lateness::{EdgeCounts, LateRow, LateRows, LatenessHistogram};
pub use leaps::{Leap, Leaps};
pub use messages::{KeyPart, MessageDecoding, Messages};
pub use optional::{KAFKA, OPTIONAL, Optional};
pub use packing::{Packing, Room, Unpackable};
pub(crate) use partition::Place;
pub use position::{FilesFound, Position, Replay, SplitId, SplitNumbers, Start};
pub use repeats::{Repeats, keys_schema};

/// Every source connector.
pub const CONNECTORS: &[&dyn Connector] = &[
    &filesystem::Filesystem,
    &stdin::Stdin,
    &http::Http("http"),
    &http::Http("websocket"),
    &datagen::Datagen,
    &nexmark::Nexmark,
];

/// Why a source could not be opened or read on.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// An option is unknown, missing or wrong.
    #[error(transparent)]
    Option(#[from] OptionError),
    /// Reading or opening failed.
    #[error("source '{source_name}': {what}: {error}")]
    Io {
        /// The source.
        source_name: String,
        /// What was being done, with the path or address.
        what: String,
        /// The system's answer.
        #[source]
        error: std::io::Error,
    },
    /// The schema or its columns do not fit the connector.
    #[error("source '{source_name}': {what}; {remedy}")]
    Schema {
        /// The source.
        source_name: String,
        /// What does not fit.
        what: String,
        /// What to write instead.
        remedy: String,
    },
}

impl SourceError {
    /// Whether it may pass by itself: then what failed can be done again.
    pub fn passes(&self) -> bool {
        matches!(self, SourceError::Io { error, .. } if retry::passes(error))
    }

    /// What is wrong, without the source's name where that is said beside it.
    pub fn detail(&self) -> String {
        match self {
            SourceError::Io { what, error, .. } => format!("{what}: {error}"),
            other => other.to_string(),
        }
    }
}

/// What a connector knows of its rows besides what they say: `column TYPE METADATA FROM 'name'`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetadataColumn {
    /// Its name; one that ends in `.*` stands for any behind the point.
    pub name: &'static str,
    /// One line on what it is.
    pub help: &'static str,
}

impl MetadataColumn {
    /// Whether a name is meant.
    pub fn is(&self, name: &str) -> bool {
        match self.name.strip_suffix('*') {
            Some(prefix) => name.len() > prefix.len() && name.starts_with(prefix),
            None => name == self.name,
        }
    }
}

/// A kind of source: `'connector' = 'name'`.
pub trait Connector: Send + Sync + Debug {
    /// Its name in SQL.
    fn name(&self) -> &str;

    /// One line on what it reads.
    fn help(&self) -> &str;

    /// The options it understands besides [`SOURCE_OPTIONS`].
    fn options(&self) -> &'static [OptionSpec];

    /// What it knows of its rows besides what they say.
    fn metadata(&self) -> &'static [MetadataColumn] {
        &[]
    }

    /// The columns of a table that declares none (`CREATE TABLE bids WITH ('connector' = 'nexmark')`), if it has a schema
    /// of its own.
    fn default_columns(&self, _options: &Options) -> Option<Vec<FieldRef>> {
        None
    }

    /// Whether rows keep coming as time goes by (ticks and idleness by the clock), or the input is bounded (ticks by row
    /// count, so that a run repeats byte for byte).
    fn live(&self, options: &Options) -> bool;

    /// For a source that clients push to, how many rows and bytes of theirs may wait for the workers; such a source has
    /// one partition a process, or as many as it has splits, and nothing that is opened.
    fn pushed(&self, _spec: &SourceSpec) -> Result<Option<(usize, usize)>, SourceError> {
        Ok(None)
    }

    /// Checks schema and options without touching the outside.
    fn check(&self, spec: &SourceSpec) -> Result<(), SourceError>;

    /// What it would miss if it were opened now: a file that is not there.
    fn missing(&self, _spec: &SourceSpec) -> Option<String> {
        None
    }

    /// How its splits can be read again. A program that reads a source by its event time and by the arrival of its rows opens it
    /// twice, which it may unless that is once.
    fn replay(&self) -> Replay;

    /// The files that it reads, if it reads files.
    fn inputs(&self, _spec: &SourceSpec) -> Option<Inputs> {
        None
    }

    /// What tells the input of a split from another of its name, where it may be another: how long it is, when it was changed.
    fn was(&self, _spec: &SourceSpec, _split: &SplitId) -> Result<Option<String>, SourceError> {
        Ok(None)
    }

    /// Its splits as they are now, in the order of their names; asked again whenever there may be more.
    fn splits(&self, _spec: &SourceSpec) -> Result<Vec<SplitId>, SourceError> {
        Ok(vec![SplitId::new(self.name())])
    }

    /// Opens splits, each where it is to begin: a reader each, in their order.
    fn open(&self, spec: &SourceSpec, splits: &[(SplitId, Start)]) -> Result<Vec<Box<dyn Reader>>, SourceError>;
}

/// Opens all splits of a source, each from its beginning.
pub fn open_all(spec: &SourceSpec) -> Result<Vec<Box<dyn Reader>>, SourceError> {
    let splits = spec.connector.splits(spec)?.into_iter().map(|split| (split, Start::Beginning));
    spec.connector.open(spec, &splits.collect::<Vec<_>>())
}

/// Options that every source understands.
pub const SOURCE_OPTIONS: &[OptionSpec] = &[
    OptionSpec { name: "connector", help: "where rows come from" },
    OptionSpec {
        name: "format",
        help: "how rows are written: json, csv, msgpack, arrow, parquet, raw, regex, grok, debezium-json",
    },
    OptionSpec {
        name: "lateness",
        help: "how far behind the watermark a row is still accepted, or 'unbounded' (default 0 s)",
    },
    OptionSpec {
        name: "idle-timeout",
        help: "after how long without rows a source stops holding the others back (default: never)",
    },
    OptionSpec {
        name: "watermark.idle",
        help: "what the watermark of an idle live source does: hold (default), or clock: go on with the clock from its last row",
    },
    format::TIME_OPTIONS[0],
    format::TIME_OPTIONS[1],
    format::TIME_OPTIONS[2],
    OptionSpec {
        name: "max-future-skew",
        help: "how far ahead of the clock a row of a live source may move the watermark (default 5 min)",
    },
    OptionSpec {
        name: "arrival.rate",
        help: "PROCTIME() by a made-up clock, so that a replay repeats: so many rows of a partition a second (default: the clock)",
    },
    OptionSpec { name: "arrival.start", help: "when the first row came by that clock (default 1970-01-01)" },
    OptionSpec {
        name: "changelog",
        help: "what rows do, if they do not just come: upsert (they are put in by primary key, or taken out), retract (they are added, or taken back as a whole)",
    },
    OptionSpec { name: "changelog.op", help: "the column that says what a row does (default _op)" },
];

/// A source as planned: what is declared, and what of it the dataflow needs.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SourceSpec {
    /// Its name in SQL.
    pub name: String,
    /// The connector.
    pub connector: Registered<dyn Connector>,
    /// The WITH options.
    pub options: Options,
    /// The formats that they may name.
    pub formats: Formats,
    /// The declared physical columns, all of them.
    pub physical: SchemaRef,
    /// Which of them the connector itself fills, by its names for that: `x TYPE METADATA FROM 'name'`.
    pub metadata: Vec<(usize, String)>,
    /// Columns computed from the physical ones (`x AS expr`); the expressions read batches of schema `physical`
    /// projected to `decode`.
    pub computed: Vec<(FieldRef, Arc<dyn PhysicalExpr>)>,
    /// The physical columns to decode (indices into `physical`, ascending): what the plan or a computed column reads.
    pub decode: Vec<usize>,
    /// By which clock rows are stamped, if anybody asks when they arrived: the stamps are a column behind the computed ones.
    pub arrival: Option<Arrivals>,
    /// The columns that leave the source, as indices into decoded columns followed by computed ones and the arrival.
    pub output: Vec<usize>,
    /// The event-time column as such an index, with the watermark's bound; `None` if the source declares no watermark.
    pub time: Option<TimeSpec>,
    /// By what duplicates are known, if they are to be; only with `time`.
    pub dedup: Option<DedupSpec>,
    /// Whether rows come and go, and how that is written: then all columns leave the source.
    pub changelog: Option<Changelog>,
    /// Whether a last column, the row's sequence number (`Int64`), leaves the source too: partition << 40 | ordinal.
    pub sequence: bool,
    /// The schema of what leaves the source: `output` columns, then the sequence if asked for.
    pub schema: SchemaRef,
    /// The zone whose clocks show instants that are written without an offset.
    pub zone: Zone,
}

impl SourceSpec {
    /// A source of which all columns leave it as they are declared: without options, event time, or anything computed.
    pub fn new(name: impl Into<String>, connector: Registered<dyn Connector>, physical: SchemaRef) -> SourceSpec {
        let all: Vec<usize> = (0..physical.fields().len()).collect();
        SourceSpec {
            name: name.into(),
            connector,
            options: Options::default(),
            formats: Formats::default(),
            metadata: Vec::new(),
            computed: Vec::new(),
            decode: all.clone(),
            arrival: None,
            output: all,
            time: None,
            dedup: None,
            changelog: None,
            sequence: false,
            schema: physical.clone(),
            physical,
            zone: Zone::utc(),
        }
    }

    /// The same source, of which all declared columns are decoded: for readers whose rows are kept, whoever may read them later. What
    /// is computed is not computed of these.
    pub fn declared(&self) -> SourceSpec {
        let all = self.physical.fields().len();
        let place = |column: usize| match self.decode.get(column) {
            Some(&physical) => physical,
            None => all + column - self.decode.len(),
        };
        SourceSpec {
            decode: (0..all).collect(),
            output: self.output.iter().map(|&column| place(column)).collect(),
            time: self.time.map(|time| TimeSpec { column: place(time.column), ..time }),
            dedup: self.dedup.map(|dedup| DedupSpec { column: place(dedup.column), ..dedup }),
            changelog: self.changelog.clone().map(|changelog| Changelog { op: place(changelog.op), ..changelog }),
            ..self.clone()
        }
    }

    /// Whether the event time of the rows is the time of their arrival.
    pub fn by_arrival(&self) -> bool {
        self.arrival.is_some() && self.time.is_some_and(|time| time.column == self.decode.len() + self.computed.len())
    }
}

/// `WATERMARK FOR column AS column - bound`, and what the source says of late rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeSpec {
    /// The event-time column: index into decoded columns followed by computed ones.
    pub column: usize,
    /// How much disorder the watermark allows for, in ms.
    pub bound_ms: i64,
    /// How far behind the watermark a row is accepted, in ms; `None` is without bound.
    pub lateness_ms: Option<i64>,
    /// After how long without rows the source is idle; `None` is never.
    pub idle_timeout: Option<Duration>,
    /// Whether the watermark of an idle partition goes on with the clock.
    pub idle_by_clock: bool,
    /// How far ahead of the wall clock a row may move the watermark, in ms (live sources).
    pub max_future_skew_ms: i64,
}

/// By what rows that clients send twice are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DedupSpec {
    /// The key: index into decoded columns followed by computed ones.
    pub column: usize,
    /// For how long a key is known, in ms of event time.
    pub horizon_ms: i64,
}

/// How large a pushed row may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowLimits {
    /// Bytes of its text, unless the source says otherwise.
    pub bytes: usize,
    /// How deep its values are nested; 1 is a row of plain values.
    pub depth: u32,
}

impl Default for RowLimits {
    fn default() -> Self {
        RowLimits { bytes: 1 << 20, depth: 64 }
    }
}

/// Decoded rows of one partition, in their order, and the rows that could not be decoded.
#[derive(Debug)]
pub struct Decoded {
    /// The columns `decode` of the spec.
    pub batch: RecordBatch,
    /// What was not decoded.
    pub rejects: Vec<Reject>,
    /// The number of the batch's first record in its partition (line or record number, from 1), for messages.
    pub first: u64,
    /// The number of each row's record, if they do not just follow each other (blank lines, records that were not decoded).
    pub numbers: Option<Vec<u64>>,
    /// Where the partition is read on behind all of that.
    pub end: Position,
    /// The records as they came, of which the first is number 0.
    pub came: Came,
}

impl Decoded {
    /// Rows of an input where each record is a row, behind `before` of them.
    pub fn rows(batch: RecordBatch, before: u64) -> Decoded {
        let end = Position::counted(before + batch.num_rows() as u64);
        Decoded { batch, rejects: Vec::new(), first: before + 1, numbers: None, end, came: Came::default() }
    }
}

/// What a reader has now.
#[derive(Debug)]
pub enum Read {
    /// Rows.
    Rows(Decoded),
    /// What follows stands in an input of this name, and records count anew.
    Begins(Arc<str>),
    /// Nothing yet; ask again after this long at the latest.
    Wait(Duration),
    /// The partition has ended.
    End,
}

/// One partition being read, on an ingest thread. May block for as long as its input does.
pub trait Reader: Send {
    /// The partition's name for messages (`data/a.ndjson`, `stdin`, `nexmark`).
    fn name(&self) -> &str;

    /// Where it may say why it waits, told before it is read.
    fn shown(&mut self, _standing: &Arc<Standing>) {}

    /// What was handed on up to there is safe: it is on disk where a data directory keeps it, else it was taken. Told before it is read,
    /// whenever that is news.
    fn kept(&mut self, _position: &Position) {}

    /// The next rows, up to a few thousand.
    fn read(&mut self) -> Result<Read, SourceError>;
}
