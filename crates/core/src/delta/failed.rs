//! Rows that an operator could not take, on their way from it to whoever keeps the dead letters of views and sinks.
//!
//! They are changes as all others: a row that is taken back takes its dead letter back. An operator hands them in through its
//! [`Rejects`] while it works on an epoch; whoever runs it takes them out of the other end before the next, and sends them on
//! at that epoch as a [`Delta`] of their own columns ([`failed_delta`]).

use std::sync::mpsc::{Receiver, Sender};
use std::sync::{Arc, OnceLock};

use arrow_array::{ArrayRef, RecordBatch, StringArray, UInt32Array};
use arrow_schema::{DataType, Field, Schema, SchemaRef};

use super::{Delta, Reject};

/// What failed on a row, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The expression, as SQL writes it; empty if it is none.
    pub expression: String,
    /// Short stable word for metrics: `evaluation`, `late`, `no_event_time`.
    pub reason: &'static str,
    /// What exactly is wrong.
    pub detail: String,
}

impl Failure {
    /// A row that came too late.
    pub fn late(detail: String) -> Failure {
        Failure { expression: String::new(), reason: "late", detail }
    }

    /// A row without the time that it would need.
    pub fn no_event_time() -> Failure {
        let detail = "the event time is NULL".to_owned();
        Failure { expression: String::new(), reason: "no_event_time", detail }
    }
}

/// A row that an operator could not take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    /// What failed.
    pub failure: Failure,
    /// The row as JSON, its first [`MAX_REJECT_BYTES`](super::MAX_REJECT_BYTES).
    pub content: String,
    /// How often it is added, or taken back.
    pub diff: i64,
    /// The watermark at which it is to be told, if that is not the epoch that is worked on.
    pub due: Option<i64>,
}

/// Why an operator cannot go on: what it came upon, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Halt {
    /// What it came upon, with the view and the limit.
    pub what: String,
    /// What to do.
    pub remedy: String,
}

/// How a row is written for a dead letter.
pub type Show = fn(&RecordBatch, usize) -> String;

/// Where an operator hands in the rows that it cannot take.
#[derive(Clone)]
pub struct Rejects {
    rows: Sender<Failed>,
    show: Show,
    halts: Option<Arc<dyn Fn(Halt) + Send + Sync>>,
}

impl std::fmt::Debug for Rejects {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rejects").finish_non_exhaustive()
    }
}

impl Rejects {
    /// A way in and the end where they come out; `show` writes rows as text.
    pub fn channel(show: Show) -> (Rejects, Receiver<Failed>) {
        let (rows, receiver) = std::sync::mpsc::channel();
        (Rejects { rows, show, halts: None }, receiver)
    }

    /// Another way in, for one operator, with the end where its rows come out.
    pub fn apart(&self) -> (Rejects, Receiver<Failed>) {
        let (rows, receiver) = std::sync::mpsc::channel();
        (Rejects { rows, ..self.clone() }, receiver)
    }

    /// With who stops the engine if an operator cannot go on.
    pub fn halting(self, halts: impl Fn(Halt) + Send + Sync + 'static) -> Rejects {
        Rejects { halts: Some(Arc::new(halts)), ..self }
    }

    /// An operator cannot go on without telling what is wrong: the engine stops. Panics if there is no engine.
    pub fn halt(&self, halt: Halt) {
        match &self.halts {
            Some(halts) => halts(halt),
            None => panic!("{}: {}", halt.what, halt.remedy),
        }
    }

    /// Hands in a row that is there `diff` times, or is taken back.
    pub fn row(&self, failure: Failure, batch: &RecordBatch, row: usize, diff: i64) {
        self.row_due(failure, batch, row, diff, None);
    }

    /// The same, to be told at the watermark `due` if that is to come.
    pub fn row_due(&self, failure: Failure, batch: &RecordBatch, row: usize, diff: i64, due: Option<i64>) {
        if diff != 0 {
            let content = Reject::clip(&(self.show)(batch, row));
            // If nobody listens any more the engine is stopping.
            let _ = self.rows.send(Failed { failure, content, diff, due });
        }
    }
}

/// The columns of rows that operators could not take: the node of the plan, then what [`Failed`] says.
pub fn failed_schema() -> &'static SchemaRef {
    static SCHEMA: OnceLock<SchemaRef> = OnceLock::new();
    SCHEMA.get_or_init(|| {
        let text = ["expression", "reason", "detail", "content"].map(|name| Field::new(name, DataType::Utf8, false));
        let node = std::iter::once(Field::new("node", DataType::UInt32, false));
        Arc::new(Schema::new(node.chain(text).collect::<Vec<_>>()))
    })
}

/// Rows that the node `node` of the plan could not take, as changes; `None` if there are none.
pub fn failed_delta(node: usize, rows: &[Failed]) -> Option<Delta> {
    if rows.is_empty() {
        return None;
    }
    let text =
        |of: fn(&Failed) -> &str| Arc::new(rows.iter().map(|row| Some(of(row))).collect::<StringArray>()) as ArrayRef;
    let columns: Vec<ArrayRef> = vec![
        Arc::new(UInt32Array::from(vec![u32::try_from(node).unwrap_or(u32::MAX); rows.len()])),
        text(|row| &row.failure.expression),
        text(|row| row.failure.reason),
        text(|row| &row.failure.detail),
        text(|row| &row.content),
    ];
    match RecordBatch::try_new(failed_schema().clone(), columns) {
        Ok(batch) => Some(Delta::new(batch, Some(rows.iter().map(|row| row.diff).collect()))),
        Err(error) => unreachable!("the columns are those of the schema: {error}"),
    }
}
