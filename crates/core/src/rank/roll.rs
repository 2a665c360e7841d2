//! Frames of rows before a row, and aggregates over them as they move on: rows that enter are added, rows that leave are
//! taken out. Many partitions move side by side, a step of each at a time, so that the work is done on columns.

use std::collections::VecDeque;

use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow_schema::{Schema, SchemaRef};
use arrow_select::take::take;

use super::store::{Entry, Store};
use crate::aggregate::{Grouping, Role, States};
use crate::delta::Delta;
use std::sync::Arc;

/// Which rows before a row, and whether with itself, its aggregates are over. `from` is not nearer than `to`; the greatest
/// value is without bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Frame {
    /// From the `from`-th row before it to the `to`-th; 0 is itself.
    Rows {
        /// The first.
        from: u64,
        /// The last.
        to: u64,
    },
    /// Rows whose time is within `[time - from_ms, time - to_ms]`.
    Range {
        /// How far back the first may be, in ms.
        from_ms: i64,
        /// How far back the last is at least, in ms.
        to_ms: i64,
    },
}

/// What is computed over frames, and how it is read from the store.
pub(super) struct Calls {
    /// The store's columns that the aggregates read, in the order that `grouping` knows them.
    pub(super) reads: Vec<usize>,
    pub(super) schema: SchemaRef,
    pub(super) grouping: Grouping,
    pub(super) frame: Frame,
}

/// A partition on the move.
pub(super) struct Job<'a> {
    pub(super) rows: &'a VecDeque<Entry>,
    /// Its group in the states.
    pub(super) group: u32,
    /// The rows to answer are those from `next` to before `end`.
    pub(super) next: usize,
    pub(super) end: usize,
    /// The rows that the states have now.
    pub(super) frame: (usize, usize),
}

/// Answered rows and their aggregates, a step after the other.
#[derive(Default)]
pub(super) struct Answers {
    pub(super) entries: Vec<Entry>,
    steps: Vec<Vec<ArrayRef>>,
}

impl Answers {
    /// The aggregates of the entries, in their order.
    pub(super) fn values(&self) -> Vec<ArrayRef> {
        let Some(first) = self.steps.first() else { return Vec::new() };
        let column = |c: usize| {
            let parts: Vec<&dyn arrow_array::Array> = self.steps.iter().map(|step| step[c].as_ref()).collect();
            match arrow_select::concat::concat(&parts) {
                Ok(column) => column,
                Err(error) => unreachable!("all steps have the same columns: {error}"),
            }
        };
        (0..first.len()).map(column).collect()
    }
}

impl Calls {
    /// Of these aggregates over the store's columns.
    pub(super) fn new(mut grouping: Grouping, schema: &SchemaRef, frame: Frame) -> Calls {
        let mut reads: Vec<usize> = Vec::new();
        for call in &mut grouping.aggregates {
            for column in call.args.iter_mut().chain(&mut call.order).chain(&mut call.filter) {
                let at = reads.iter().position(|read| read == column).unwrap_or_else(|| {
                    reads.push(*column);
                    reads.len() - 1
                });
                *column = at;
            }
        }
        // What leaves a frame is taken back.
        grouping.retracting = true;
        let fields: Vec<_> = reads.iter().map(|&read| schema.field(read).clone().with_nullable(true)).collect();
        Calls { reads, schema: Arc::new(Schema::new(fields)), grouping, frame }
    }

    /// No rows in any group.
    pub(super) fn states(&self) -> States {
        States::new(&self.grouping, Role::Whole)
    }

    /// Answers the rows of all jobs.
    pub(super) fn roll(&self, store: &Store, states: &mut States, jobs: &mut [Job<'_>]) -> Answers {
        let mut answers = Answers::default();
        loop {
            let (mut moved, mut groups, mut diffs) = (Vec::new(), Vec::new(), Vec::new());
            let (mut asked, mut of): (Vec<u32>, Vec<u32>) = (Vec::new(), Vec::new());
            for job in jobs.iter_mut().filter(|job| job.next < job.end) {
                let ((first, last), peers) = self.frame_of(store, job);
                let (have_first, have_last) = job.frame;
                let leave = (have_first..first.min(have_last)).map(|at| (at, -1));
                let enter = (have_last.max(first)..last).map(|at| (at, 1));
                for (at, diff) in leave.chain(enter) {
                    moved.push(job.rows[at]);
                    groups.push(job.group);
                    diffs.push(diff);
                }
                job.frame = (first, last.max(have_last).max(first));
                answers.entries.extend((job.next..job.next + peers).map(|at| job.rows[at]));
                of.extend(std::iter::repeat_n(asked.len() as u32, peers));
                asked.push(job.group);
                job.next += peers;
            }
            if asked.is_empty() {
                return answers;
            }
            if !moved.is_empty() {
                let options = RecordBatchOptions::new().with_row_count(Some(moved.len()));
                let columns = store.some_columns(&moved, &self.reads);
                let batch = match RecordBatch::try_new_with_options(self.schema.clone(), columns, &options) {
                    Ok(batch) => batch,
                    Err(error) => unreachable!("rows of the store have its schema: {error}"),
                };
                states.update(&groups, &Delta::new(batch, Some(diffs.into())));
            }
            let mut values = states.evaluate(&asked);
            if of.len() > asked.len() {
                let of = UInt32Array::from(of);
                let each = values.iter().map(|column| take(column, &of, None));
                values = match each.collect() {
                    Ok(values) => values,
                    Err(error) => unreachable!("each is of a group that was asked: {error}"),
                };
            }
            answers.steps.push(values);
        }
    }

    /// The frame of a job's next row, and of how many rows from there on it is the frame.
    fn frame_of(&self, store: &Store, job: &Job<'_>) -> ((usize, usize), usize) {
        match self.frame {
            Frame::Rows { from, to } => {
                let back = |by: u64| (job.next as u64).checked_sub(by).map_or(0, |at| at as usize);
                let last = (job.next as u64 + 1).saturating_sub(to) as usize;
                ((back(from).min(last), last), 1)
            }
            Frame::Range { from_ms, to_ms } => {
                let time = |at: usize| store.time(job.rows[at]);
                let now = time(job.next);
                let (mut first, mut last) = job.frame;
                while from_ms < i64::MAX && first < job.next && time(first) < now.saturating_sub(from_ms) {
                    first += 1;
                }
                last = last.max(first);
                while last < job.end && time(last) <= now.saturating_sub(to_ms) {
                    last += 1;
                }
                let peers = (job.next..job.end).take_while(|&at| time(at) == now).count();
                ((first, last), peers)
            }
        }
    }
}
