//! The relational operators of a dataflow and what is known of their results.
//!
//! A [`Dataflow`] is an arena of [`Node`]s, inputs before readers, equal nodes once. Expressions are DataFusion's physical
//! expressions over the batches of the input node. Nothing here runs: `build` turns the plan into operators on a worker.

mod branches;
pub mod build;
mod build_differential;
mod build_failing;
mod build_recursion;
mod build_relation;
mod chart;
mod check;
pub mod explain;
mod explain_join;
mod explain_pattern;
mod explain_rank;
#[cfg(test)]
mod explain_tests;
pub mod identity;
pub mod join;
mod map;
mod operators;
mod origin;
mod places;
pub mod recursion;
pub mod sharing;
mod unnest;

use std::collections::{BTreeMap, BTreeSet};

use arrow_array::RecordBatch;
use arrow_schema::{DataType, SchemaRef, SortOptions};
use datafusion_common::ScalarValue;

use crate::aggregate::Aggregate;
use crate::options::Options;
use crate::registered::Registered;
use crate::sink::SinkSpec;
use crate::source::SourceSpec;
use crate::time::Zone;

pub use self::branches::{sources_around, sources_below};
pub use self::build_failing::{below, show_row, stands_in};
pub use self::build_relation::{Input, Relation, RelationSpec, relation};
pub use self::chart::{CHARTS, Chart};
pub use self::check::{Warning, check};
pub use self::explain::{describe, explain};
pub use self::operators::Operators;
pub(crate) use self::operators::by_differential;
pub use self::origin::Origin;
pub use self::places::{CLASH_REMEDY, Clash, clash, overwritten, reader};
pub use self::unnest::{Shown, Unnest};
pub use crate::aggregate::Emit;
pub use crate::differential::{MAX_ROUNDS, Recursion};
pub use crate::expression::Scalar;
pub use crate::join::{Expiry, Join, JoinKind, Lookup, Side, TimeOrder};
pub use crate::pattern::{Condition, Pattern, Pick, PickAggregate, Place, Shape, Skip, Variable};
pub use crate::rank::{Frame, Numbering, Rank};
pub use crate::type_names::sql_type;
pub use crate::window::Window;
pub use highwater_log::SyncMode;

/// Index of a node in [`Dataflow::nodes`].
pub type NodeId = usize;

/// A planned program.
#[derive(Clone, Debug, Default)]
pub struct Dataflow {
    /// The sources that something reads.
    pub sources: Vec<SourceSpec>,
    /// The reference tables.
    pub tables: Vec<TableSpec>,
    /// The operators; inputs come before who reads them.
    pub nodes: Vec<Node>,
    /// Per node where in the program it is written; shared ones are at several places. Empty if the plan is of no text.
    pub origins: Vec<Vec<Origin>>,
    /// Per view and sink of the program, in lower case, what its statement reads.
    pub made_of: BTreeMap<String, BTreeSet<String>>,
    /// The published views, in the order of the program.
    pub views: Vec<ViewSpec>,
    /// The sinks, each with the node it writes and the node's columns it is handed.
    pub sinks: Vec<SinkPlan>,
    /// The zone whose clocks the program reads.
    pub zone: Zone,
    /// What its operators run on.
    pub operators: Operators,
    /// How the log of its data directory is kept, as far as it says so.
    pub log: LogSpec,
    /// The views and reference tables of other units that it reads.
    pub reads: Vec<ReadSpec>,
    /// The functions of the embedder's own that it may call and that have a version, with that.
    pub versions: Vec<(String, u64)>,
}

/// How the log of a data directory is kept; `None`: as it is without being said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogSpec {
    /// When it is synced.
    pub sync: Option<SyncMode>,
    /// How many bytes may wait in it, of each source that clients push to, until the engine can take them; 0: none, they are refused.
    pub overflow: Option<u64>,
    /// How far back it is kept.
    pub retention: Option<Retention>,
    /// How long its files are, in bytes.
    pub segment: Option<u64>,
    /// How often a snapshot is taken, in ms; within: `None`, never.
    pub snapshots: Option<Option<i64>>,
}

/// How far back the log of a data directory is kept, beyond what a start needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Retention {
    /// No further.
    Recovery,
    /// What came in the last so many ms.
    Age(i64),
    /// So many bytes, in whole segments.
    Bytes(u64),
    /// All of it.
    #[default]
    All,
}

/// A view or reference table of another unit, as a unit reads it.
#[derive(Clone, Debug)]
pub struct ReadSpec {
    /// Its name.
    pub name: String,
    /// The columns that it shows.
    pub schema: SchemaRef,
}

/// A sink in a program.
#[derive(Clone, Debug)]
pub struct SinkPlan {
    /// The sink.
    pub spec: SinkSpec,
    /// The node whose changes it is handed.
    pub node: NodeId,
    /// The node's columns that it is handed, in its order.
    pub columns: Vec<usize>,
}

/// A reference table: rows by primary key that requests change while the dataflow runs.
#[derive(Clone, Debug)]
pub struct TableSpec {
    /// Its rows as they are shown: the name, the node, all columns, the primary key.
    pub view: ViewSpec,
    /// What it holds at the start, if that is read from files.
    pub initial: Option<SourceSpec>,
}

impl TableSpec {
    /// Its name in SQL.
    pub fn name(&self) -> &str {
        &self.view.name
    }

    /// The columns of its primary key.
    pub fn key(&self) -> &[usize] {
        self.view.key.as_deref().unwrap_or_default()
    }
}

/// A published view.
#[derive(Clone, Debug)]
pub struct ViewSpec {
    /// Its name in SQL.
    pub name: String,
    /// The node whose changes it shows.
    pub node: NodeId,
    /// The node's columns that are shown, in order; others are the engine's own.
    pub columns: Vec<usize>,
    /// The shown columns by name and type.
    pub schema: SchemaRef,
    /// Positions within `columns` that identify a row; `None` if the whole row does.
    pub key: Option<Vec<usize>>,
    /// The node's column after which (`W >` its value, a time) a row can change only by amendment.
    pub closes: Option<usize>,
    /// What it emits.
    pub emit: Emit,
    /// The text of its query, as written.
    pub sql: String,
    /// The WITH options.
    pub options: Options,
}

/// One operator.
#[derive(Clone, Debug)]
pub struct Node {
    /// What it does.
    pub op: Op,
    /// What it reads.
    pub inputs: Vec<NodeId>,
    /// Its columns. Names need not be unique: columns are meant by index.
    pub schema: SchemaRef,
    /// What is known of its rows.
    pub facts: Facts,
}

/// What is known of the rows of a node, for every input.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Facts {
    /// No row is ever taken back.
    pub append_only: bool,
    /// The event-time column.
    pub time: Option<usize>,
    /// The column with the row's sequence number in its source.
    pub sequence: Option<usize>,
    /// Columns that identify a row.
    pub key: Option<Vec<usize>>,
    /// The column (a time) beyond which, `W > value`, the row can change only by amendment.
    pub closes: Option<usize>,
    /// Per column: every future change has `value >= W + offset` in ms (NULLs aside), if that is known.
    pub bounds: Vec<Option<i64>>,
    /// The windows that columns hold, if they do: which columns are start, end and time of one window.
    pub window: Option<WindowColumns>,
}

/// Where a window's columns stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct WindowColumns {
    /// `window_start`, if it is still there.
    pub start: Option<usize>,
    /// `window_end`, if it is still there.
    pub end: Option<usize>,
    /// `window_time`, if it is still there.
    pub time: Option<usize>,
}

/// The relational operators.
#[derive(Clone, Debug)]
pub enum Op {
    /// Rows of `Dataflow::sources[source]`.
    Source {
        /// Which source.
        source: usize,
    },
    /// Rows of `Dataflow::tables[table]`, taken back and added as requests change them.
    Table {
        /// Which table.
        table: usize,
    },
    /// Rows of `Dataflow::reads[read]`: those that it has when the unit begins, then its changes.
    Read {
        /// Which view or table.
        read: usize,
    },
    /// Rows that are written in the program, there before all others.
    Values {
        /// The rows.
        rows: RecordBatch,
    },
    /// Keeps the rows for which `filter` is true, then computes `columns`. A row on which an expression fails becomes a
    /// dead letter with the reason `evaluation`.
    Map {
        /// The condition, over the input.
        filter: Option<Scalar>,
        /// The columns, over the input.
        columns: Vec<Scalar>,
        /// For dead letters: the view or sink that the expressions stand in.
        owner: String,
    },
    /// All rows of all inputs, which have equal schemas.
    Union,
    /// The changes of each watermark, netted and held until no other can come at it: of rows that are taken back at the
    /// watermark they were added at, or never, those that stay.
    Hold,
    /// Every row as often as its column `times` (a BIGINT) says.
    Repeat {
        /// That column.
        times: usize,
    },
    /// Every row once per item of an array.
    Unnest(Unnest),
    /// Every row once per window that it is in; adds the columns `window_start`, `window_end`, `window_time`.
    Window {
        /// The event-time column.
        time: usize,
        /// Which windows.
        window: Window,
        /// By the clocks of which zone; `None` is UTC.
        zone: Option<Zone>,
    },
    /// Groups and aggregates.
    Reduce(Reduce),
    /// Pairs of rows of two inputs, or rows that have or lack a partner.
    Join(Join),
    /// Rows beside the version of the second input that was valid at their time.
    Lookup(Lookup),
    /// The first rows of each partition.
    Rank(Rank),
    /// Aggregates over the rows before each row.
    Over(Over),
    /// Finds sequences of rows.
    Pattern(Box<Pattern>),
    /// The rows of the first input, and what the second makes of them, round after round. The nodes between it and
    /// [`Op::Before`] stand in its loop: maps, unions and joins.
    Recursion(Recursion),
    /// What an embedder's function makes of the inputs.
    Relation(RelationSpec),
    /// The rows of the round before, in the loop of the recursion of that name.
    Before {
        /// The recursion.
        name: String,
    },
}

/// Group and aggregate. Output columns: the keys, then `window_start`, `window_end`, `window_time` if there is a window,
/// then the aggregates.
#[derive(Clone, Debug)]
pub struct Reduce {
    /// The key columns of the input (without window columns).
    pub keys: Vec<usize>,
    /// What bounds a group in time.
    pub pane: Pane,
    /// The aggregates.
    pub aggregates: Vec<AggregateCall>,
    /// When results are shown; a reduce without a pane always shows changes.
    pub emit: Emit,
    /// How long after its end a pane may still be amended, in ms; `None` is forever.
    pub lateness_ms: Option<i64>,
    /// Whether the input takes rows back.
    pub retracting: bool,
}

/// Aggregates over frames of the rows before each row, in order of event time. Output columns: those of the input, then the
/// aggregates.
#[derive(Clone, Debug)]
pub struct Over {
    /// The partition columns.
    pub keys: Vec<usize>,
    /// The order; its first column is a time that follows the watermark, ascending.
    pub order: Vec<(usize, SortOptions)>,
    /// What breaks its ties, before all other columns.
    pub ties: Vec<(usize, SortOptions)>,
    /// Which rows.
    pub frame: Frame,
    /// The aggregates.
    pub aggregates: Vec<AggregateCall>,
    /// How late rows may come and amend, in ms; `None` is without bound.
    pub lateness_ms: Option<i64>,
}

/// What bounds a group in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pane {
    /// Nothing: a group lives as long as the dataflow.
    Unbounded,
    /// The windows that a row's event time falls in.
    Windows {
        /// The event-time column.
        time: usize,
        /// Which windows.
        window: Window,
        /// By the clocks of which zone; `None` is UTC.
        zone: Option<Zone>,
    },
    /// The window in the row's own columns: it was assigned upstream.
    Assigned {
        /// The window's start (`Timestamp(ms)`).
        start: usize,
        /// The window's end.
        end: usize,
    },
    /// The session that a row's event time falls in.
    Session {
        /// The event-time column.
        time: usize,
        /// Rows closer than or exactly this far apart are of one session, in ms.
        gap: i64,
        /// Rows for which this boolean column is not true hold the session together but are not aggregated; a session
        /// without any other row is not shown.
        keep: Option<usize>,
    },
}

/// One aggregate of a [`Reduce`].
#[derive(Clone, Debug)]
pub struct AggregateCall {
    /// The function.
    pub function: Registered<dyn Aggregate>,
    /// The argument columns of the input, already of the types that the function asked for.
    pub args: Vec<usize>,
    /// The trailing literals.
    pub literals: Vec<ScalarValue>,
    /// The order columns of an ordered function.
    pub order: Vec<(usize, SortOptions)>,
    /// Count equal arguments of a group once.
    pub distinct: bool,
    /// A boolean column: rows for which it is not true are passed over.
    pub filter: Option<usize>,
    /// The type of the result.
    pub output: DataType,
    /// The name of the result column.
    pub name: String,
}
