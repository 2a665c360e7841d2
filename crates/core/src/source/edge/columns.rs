//! The columns of a batch at the edge: decoded and computed ones, and of them those that leave.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMillisecondType;
use arrow_array::{Array, ArrayRef, BooleanArray, Int64Array, RecordBatch, RecordBatchOptions};
use arrow_buffer::{BooleanBuffer, ScalarBuffer};
use arrow_schema::ArrowError;
use datafusion_common::DataFusionError;

use super::Edge;

impl Edge {
    /// Times of arrival in the type that the plan has them in.
    pub(super) fn typed(&self, stamps: ArrayRef) -> ArrayRef {
        let arrival = self.spec.decode.len() + self.spec.computed.len();
        match self.spec.output.iter().position(|&column| column == arrival) {
            Some(at) => {
                let kind = self.spec.schema.field(at).data_type().clone();
                Arc::new(stamps.as_primitive::<TimestampMillisecondType>().clone().with_data_type(kind))
            }
            None => stamps,
        }
    }

    /// All columns of a batch, decoded and computed. If an expression fails on the whole, each row is tried alone: the
    /// second answer then marks the rows that failed, and `refuse` is told of each, but for those of which they do not matter.
    pub(super) fn columns(
        &self,
        batch: &RecordBatch,
        needless: impl Fn(usize) -> bool,
        mut refuse: impl FnMut(usize, String),
    ) -> (Vec<ArrayRef>, Option<BooleanArray>) {
        match self.compute(batch) {
            Ok(computed) => (batch.columns().iter().cloned().chain(computed).collect(), None),
            Err(_) => {
                let mut failed = vec![false; batch.num_rows()];
                let mut parts: Vec<Vec<ArrayRef>> = vec![Vec::new(); self.spec.computed.len()];
                for (row, failed) in failed.iter_mut().enumerate() {
                    let one = batch.slice(row, 1);
                    let computed = self.compute(&one).unwrap_or_else(|error| {
                        if !needless(row) {
                            *failed = true;
                            refuse(row, error.strip_backtrace());
                        }
                        let null = |(field, _): &(arrow_schema::FieldRef, _)| {
                            arrow_array::new_null_array(field.data_type(), 1)
                        };
                        self.spec.computed.iter().map(null).collect()
                    });
                    parts.iter_mut().zip(computed).for_each(|(part, value)| part.push(value));
                }
                let joined = parts.iter().map(|parts| {
                    let parts: Vec<&dyn Array> = parts.iter().map(AsRef::as_ref).collect();
                    match arrow_select::concat::concat(&parts) {
                        Ok(column) => column,
                        Err(error) => unreachable!("the parts have one type: {error}"),
                    }
                });
                (batch.columns().iter().cloned().chain(joined).collect(), Some(BooleanArray::from(failed)))
            }
        }
    }

    fn compute(&self, batch: &RecordBatch) -> Result<Vec<ArrayRef>, DataFusionError> {
        let evaluate =
            |(field, expression): &(arrow_schema::FieldRef, Arc<dyn datafusion_physical_expr::PhysicalExpr>)| {
                let column = expression.evaluate(batch)?.into_array(batch.num_rows())?;
                Ok(if column.data_type() == field.data_type() {
                    column
                } else {
                    arrow_cast::cast(&column, field.data_type())?
                })
            };
        self.spec.computed.iter().map(evaluate).collect()
    }

    /// The output columns of a range and those behind them, without the rows not kept.
    pub(super) fn output(
        &self,
        columns: &[ArrayRef],
        range: std::ops::Range<usize>,
        keep: Option<BooleanBuffer>,
        behind: Vec<ArrayRef>,
    ) -> RecordBatch {
        let mut chosen: Vec<ArrayRef> =
            self.spec.output.iter().map(|&column| columns[column].slice(range.start, range.len())).collect();
        chosen.extend(behind);
        if self.spec.sequence {
            let first = (self.partition as i64) << 40 | self.ordinal as i64;
            let numbers: ScalarBuffer<i64> = (first..first + range.len() as i64).collect();
            chosen.push(Arc::new(Int64Array::new(numbers, None)));
        }
        let mut schema = self.numbered.as_ref().unwrap_or(&self.spec.schema);
        if let (Some((keyed, places)), Some(dedup)) = (&self.shared, self.spec.dedup) {
            chosen.push(columns[dedup.column].slice(range.start, range.len()));
            chosen.push(Arc::new(Int64Array::from(places.clone())));
            schema = keyed;
        }
        let build = || -> Result<RecordBatch, ArrowError> {
            let options = RecordBatchOptions::new().with_row_count(Some(range.len()));
            let batch = RecordBatch::try_new_with_options(schema.clone(), chosen, &options)?;
            match keep {
                None => Ok(batch),
                Some(keep) => arrow_select::filter::filter_record_batch(&batch, &BooleanArray::new(keep, None)),
            }
        };
        match build() {
            Ok(batch) => batch,
            Err(error) => unreachable!("the source's schema is that of its output columns: {error}"),
        }
    }
}
