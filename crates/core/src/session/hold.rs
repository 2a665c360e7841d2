//! What is left of each watermark's changes, once no other can come at it.
//!
//! A session that closed at `W` is taken back only by a row that comes while the watermark is still `W`. So what is left of
//! the changes at `W` when it has passed is final: rows that are added, and none that is taken back later.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::{RecordBatch, UInt32Array};
use arrow_row::{RowConverter, SortField};
use arrow_schema::SchemaRef;

use crate::delta::{Delta, Unfit};
use crate::operator::{Counted, Saved, Saving, Section, Stateful, only};
use crate::time::Epoch;

/// The state machine.
#[derive(Debug)]
pub struct Hold {
    schema: SchemaRef,
    converter: RowConverter,
    /// The watermark of what is held.
    watermark: i64,
    held: Vec<Delta>,
}

impl Hold {
    /// Nothing is held yet; rows are of this schema.
    pub fn new(schema: &SchemaRef) -> Hold {
        let fields = schema.fields().iter().map(|field| SortField::new(field.data_type().clone())).collect();
        let converter = match RowConverter::new(fields) {
            Ok(converter) => converter,
            Err(error) => unreachable!("the planner takes results whose types have an order: {error}"),
        };
        Hold { schema: Arc::clone(schema), converter, watermark: i64::MIN, held: Vec::new() }
    }

    /// The rows that are not taken back, in the order in which they came.
    fn left(&self, changes: &Delta) -> Delta {
        let rows = match self.converter.convert_columns(changes.batch().columns()) {
            Ok(rows) => rows,
            Err(error) => unreachable!("the rows are of the schema: {error}"),
        };
        let mut net: HashMap<&[u8], i64> = HashMap::new();
        (0..changes.len()).for_each(|row| *net.entry(rows.row(row).data()).or_default() += changes.diff(row));
        // Each row is added once; as many of equal ones stay as are not taken back.
        let stays = |&row: &u32| {
            let left = net.get_mut(rows.row(row as usize).data()).filter(|left| **left > 0);
            changes.diff(row as usize) > 0 && left.map(|left| *left -= 1).is_some()
        };
        let stay: Vec<u32> = (0..changes.len() as u32).filter(stays).collect();
        Delta::insert(changes.take(&UInt32Array::from(stay)).into_parts().0)
    }
}

impl Saved for Hold {
    fn sections(&self) -> Vec<Section> {
        vec![Counted::section("changes", &self.schema, (0..self.schema.fields().len()).collect())]
    }

    fn begin(&mut self) -> Saving {
        let (mut saving, sections) = (Saving::default(), self.sections());
        self.held.iter().for_each(|rows| saving.add((0, &sections[0]), Counted::save(rows), rows.len()));
        saving
    }

    fn take(&mut self, _: usize, rows: &RecordBatch) -> Result<(), Unfit> {
        self.held.push(Counted::load(rows, &self.schema)?);
        Ok(())
    }

    /// What is held is of the watermark that the cut is at: that of every other has been passed on.
    fn loaded(&mut self, cut: Epoch) {
        self.watermark = cut.watermark;
    }
}

impl Stateful for Hold {
    fn apply(&mut self, epoch: Epoch, inputs: &mut [Vec<Delta>]) -> Vec<Delta> {
        let input = only(inputs);
        self.watermark = epoch.watermark;
        self.held.extend(input);
        Vec::new()
    }

    fn deadline(&self) -> Option<i64> {
        (!self.held.is_empty()).then_some(self.watermark.saturating_add(1))
    }

    fn close(&mut self, _: i64) -> Vec<Delta> {
        let held = std::mem::take(&mut self.held);
        if held.iter().all(|delta| delta.diffs().is_none()) {
            return held;
        }
        vec![self.left(&Delta::concat(&self.schema, &held))]
    }

    fn held(&self) -> usize {
        self.held.iter().map(Delta::len).sum()
    }

    fn bytes(&self) -> usize {
        self.held.iter().map(|delta| delta.batch().get_array_memory_size()).sum()
    }
}
