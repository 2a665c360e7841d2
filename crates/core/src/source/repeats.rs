//! Duplicates among the rows that several processes took: of equal keys within the horizon the first is kept.
//!
//! Every process's edge leaves out what it knows to be a duplicate; what two took before they heard of each other comes
//! here. Rows carry their key and where they are (see `dedup`) in two columns more, which end here. Invariant: what is kept
//! depends on the rows and their epochs alone; within one epoch they are judged in the order of where they are.

use std::collections::HashSet;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, BooleanArray, Int64Array, RecordBatch};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};

use super::SourceSpec;
use super::dedup::{Dedup, Keys};
use crate::delta::{Delta, Unfit};
use crate::operator::{Saved, Saving, Section, Stateful, only};
use crate::time::Epoch;

/// The state machine.
pub struct Repeats {
    wide: SchemaRef,
    dedup: Dedup,
    tell: Box<dyn Fn(u64)>,
}

impl std::fmt::Debug for Repeats {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Repeats").field("dedup", &self.dedup).finish_non_exhaustive()
    }
}

/// The schema of rows on their way here: the source's, then the key and where the row is, in ms. `None` for a source that
/// knows no duplicates.
pub(super) fn keyed(spec: &SourceSpec) -> Option<SchemaRef> {
    let column = spec.dedup?.column;
    let key = match column.checked_sub(spec.decode.len()) {
        None => spec.physical.field(spec.decode[column]),
        Some(computed) => spec.computed.get(computed)?.0.as_ref(),
    };
    let more = [Field::new("__key", key.data_type().clone(), true), Field::new("__at", DataType::Int64, false)];
    let fields = spec.schema.fields().iter().cloned().chain(more.map(Arc::new));
    Some(Arc::new(Schema::new(fields.collect::<Vec<_>>())))
}

/// The schema of the last two columns alone.
pub fn keys_schema(spec: &SourceSpec) -> Option<SchemaRef> {
    let wide = keyed(spec)?;
    Some(Arc::new(Schema::new(wide.fields()[wide.fields().len() - 2..].to_vec())))
}

/// The key column of such rows, and where each is.
pub(super) fn keys_of(batch: &RecordBatch) -> (&ArrayRef, &[i64]) {
    let width = batch.num_columns();
    (batch.column(width - 2), batch.column(width - 1).as_primitive::<Int64Type>().values())
}

impl Repeats {
    /// For the rows of a source; `None` if it knows no duplicates. `tell` is told how many duplicates were found.
    pub fn new(spec: &SourceSpec, tell: impl Fn(u64) + 'static) -> Option<Repeats> {
        let wide = keyed(spec)?;
        let dedup = Dedup::new(spec.dedup?.horizon_ms, wide.field(Repeats::key(spec)).data_type());
        Some(Repeats { wide, dedup, tell: Box::new(tell) })
    }

    /// The column by which rows find each other.
    pub fn key(spec: &SourceSpec) -> usize {
        spec.schema.fields().len()
    }
}

/// The rows in the order in which they are judged.
fn order(keys: &Keys, at: &[i64]) -> Vec<usize> {
    let mut rows: Vec<usize> = (0..at.len()).collect();
    let mut seen = HashSet::new();
    if !rows.iter().filter_map(|&row| keys.get(row)).all(|key| seen.insert(key)) {
        rows.sort_by_key(|&row| at[row]);
    }
    rows
}

/// The keys taken lately, and where each was.
impl Saved for Repeats {
    fn sections(&self) -> Vec<Section> {
        let fields = self.wide.fields();
        let fields = fields[fields.len() - 2..].iter().map(|field| field.as_ref().clone());
        vec![Section::new("keys", 1, fields.collect(), vec![0])]
    }

    fn begin(&mut self) -> Saving {
        let (mut saving, sections) = (Saving::default(), self.sections());
        let (keys, at) = self.dedup.taken();
        let rows = at.len();
        saving.add((0, &sections[0]), vec![keys, Arc::new(Int64Array::from(at))], rows);
        saving
    }

    fn take(&mut self, _: usize, rows: &RecordBatch) -> Result<(), Unfit> {
        let (column, at) = keys_of(rows);
        if column.null_count() > 0 {
            return Err(Unfit::Value("a key that was taken is NULL"));
        }
        let keys = self.dedup.keys(Arc::clone(column));
        let taken = at.iter().enumerate().filter_map(|(row, at)| Some((keys.get(row)?, *at)));
        taken.for_each(|(key, at)| self.dedup.take(key, at, i64::MIN));
        Ok(())
    }

    fn loaded(&mut self, _: Epoch) {}
}

impl Stateful for Repeats {
    fn apply(&mut self, epoch: Epoch, inputs: &mut [Vec<Delta>]) -> Vec<Delta> {
        let input = only(inputs);
        let (batch, _) = Delta::concat(&self.wide, &input).into_parts();
        let (keys, at) = keys_of(&batch);
        let keys = self.dedup.keys(Arc::clone(keys));
        let mut keep = vec![true; at.len()];
        for row in order(&keys, at) {
            let Some(key) = keys.get(row) else { continue };
            keep[row] = !self.dedup.knows(key, at[row]);
            if keep[row] {
                self.dedup.take(key, at[row], epoch.watermark);
            }
        }
        let repeats = keep.iter().filter(|keep| !**keep).count();
        let narrow = || -> Result<RecordBatch, ArrowError> {
            let narrow = batch.project(&(0..batch.num_columns() - 2).collect::<Vec<_>>())?;
            if repeats == 0 {
                return Ok(narrow);
            }
            arrow_select::filter::filter_record_batch(&narrow, &BooleanArray::from(keep))
        };
        let left = match narrow() {
            Ok(left) => left,
            Err(error) => unreachable!("the rows have the source's columns and two more: {error}"),
        };
        if repeats > 0 {
            (self.tell)(repeats as u64);
        }
        vec![Delta::insert(left)]
    }

    fn held(&self) -> usize {
        self.dedup.len()
    }

    fn bytes(&self) -> usize {
        self.dedup.bytes()
    }
}
