//! Filter and projection of a batch. A row on which an expression fails is rejected alone; its neighbours pass.
//!
//! Of `a AND b` in a filter, `b` is of no concern to rows that `a` excludes: `x <> 0 AND 10 / x > 1` rejects nothing. The
//! whole filter is tried on whole batches first; where that fails, conjunct by conjunct on the rows that are left.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{ArrayRef, BooleanArray, NullArray, RecordBatch, RecordBatchOptions};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use arrow_select::filter::FilterBuilder;
use datafusion_common::DataFusionError;
use datafusion_physical_expr::split_conjunction;
use datafusion_physical_expr::utils::collect_columns;

use super::Scalar;
use crate::delta::{Delta, Failure, Rejects};
use crate::expression::{Attempt, Told, computed, failure, halving, read_as, truth};
use crate::guard::guarded;

/// A filter and columns computed from what passes it.
#[derive(Debug)]
pub(super) struct Map {
    filter: Option<Scalar>,
    columns: Vec<Scalar>,
    /// Those of them that are NULL where they fail, and told.
    told_of: Vec<Scalar>,
    schema: SchemaRef,
    /// The input's columns that `columns` reads, under their types; the others, not worth filtering, become `Null`.
    narrow: SchemaRef,
    /// The input's columns under the names by which they are read, for dead letters.
    told: SchemaRef,
    rejects: Rejects,
}

impl Map {
    /// `input` is the schema of what it reads, `schema` of what it makes.
    pub(super) fn new(
        filter: Option<Scalar>,
        columns: Vec<Scalar>,
        input: &SchemaRef,
        schema: SchemaRef,
        rejects: &Rejects,
    ) -> Map {
        let mut read = vec![false; input.fields().len()];
        columns.iter().flat_map(collect_columns).for_each(|column| read[column.index()] = true);
        let unread = |name: &str| Arc::new(Field::new(name, DataType::Null, true));
        let narrow = input
            .fields()
            .iter()
            .zip(&read)
            .map(|(field, read)| if *read { field.clone() } else { unread(field.name()) });
        let narrow = Arc::new(Schema::new(narrow.collect::<Vec<_>>()));
        let told = read_as(input, columns.iter().chain(&filter));
        let told_of = columns.iter().filter(|column| column.is::<Told>()).cloned().collect();
        Map { filter, columns, told_of, schema, narrow, told, rejects: rejects.clone() }
    }

    /// What of a delta passes.
    pub(super) fn apply(&self, delta: Delta) -> Vec<Delta> {
        let passed = match computed(|| self.evaluate(&delta)) {
            Ok(passed) => vec![passed],
            Err(_) => self.evaluate_in_order(delta),
        };
        passed.into_iter().filter(|part| !part.is_empty()).collect()
    }

    fn evaluate(&self, delta: &Delta) -> Result<Delta, DataFusionError> {
        let Some(filter) = &self.filter else { return self.project(delta) };
        let keep = truth(filter, delta.batch())?;
        match keep.true_count() {
            0 => Ok(Delta::empty(self.schema.clone())),
            all if all == keep.len() => self.project(delta),
            _ => self.project(&select(delta, &keep, &self.narrow)?),
        }
    }

    /// The same where a row fails: conjunct by conjunct, then the columns, each on the rows that are left.
    fn evaluate_in_order(&self, delta: Delta) -> Vec<Delta> {
        let schema = delta.batch().schema();
        let conjuncts = self.filter.iter().flat_map(split_conjunction);
        let left = conjuncts.fold(vec![delta], |rows, conjunct| {
            let step = |rows: &Delta| select(rows, &truth(conjunct, rows.batch())?, &schema);
            self.without_failures(&rows, &schema, std::slice::from_ref(conjunct), &step)
        });
        if self.told_of.is_empty() {
            return self.without_failures(&left, &self.schema, &self.columns, &|rows| self.project(rows));
        }
        let quiet = |column: &Scalar| match column.downcast_ref::<Told>() {
            Some(told) => Arc::new(Attempt::new(Arc::clone(told.within()))) as Scalar,
            None => Arc::clone(column),
        };
        let quiet: Vec<Scalar> = self.columns.iter().map(quiet).collect();
        left.iter().for_each(|rows| self.tell(rows, &quiet));
        self.without_failures(&left, &self.schema, &quiet, &|rows| self.projected(&quiet, rows))
    }

    /// Tells of rows that pass all the same: those on which none of the columns `quiet` fails.
    fn tell(&self, rows: &Delta, quiet: &[Scalar]) {
        let part = |range: Range<usize>| evaluated(&self.told_of, &rows.batch().slice(range.start, range.len()));
        halving(0..rows.len(), &part, &mut |row| {
            let one = rows.batch().slice(row, 1);
            if computed(|| evaluated(quiet, &one)).is_ok() {
                self.reject(failure(&self.told_of, &one), rows, row);
            }
            None
        });
    }

    fn reject(&self, failure: Failure, rows: &Delta, row: usize) {
        let told = batch(&self.told, rows.batch().columns().to_vec(), rows.len());
        self.rejects.row(failure, told.as_ref().unwrap_or(rows.batch()), row, rows.diff(row));
    }

    /// What `step`, which evaluates `expressions`, makes of the rows on which it does not fail, of this schema; the others
    /// are rejected. In one piece, unless its texts are too long for that.
    fn without_failures(
        &self,
        pieces: &[Delta],
        schema: &SchemaRef,
        expressions: &[Scalar],
        step: Step<'_>,
    ) -> Vec<Delta> {
        let mut passed = Vec::new();
        for rows in pieces {
            let part = |range: Range<usize>| step(&rows.slice(range.start, range.len()));
            passed.extend(halving(0..rows.len(), &part, &mut |row| {
                self.reject(failure(expressions, &rows.batch().slice(row, 1)), rows, row);
                None
            }));
        }
        passed.retain(|part: &Delta| !part.is_empty());
        guarded(|| Ok(vec![Delta::concat(schema, &passed)]), || ()).unwrap_or(passed)
    }

    fn project(&self, delta: &Delta) -> Result<Delta, DataFusionError> {
        self.projected(&self.columns, delta)
    }

    fn projected(&self, columns: &[Scalar], delta: &Delta) -> Result<Delta, DataFusionError> {
        Ok(delta.with_batch(batch(&self.schema, evaluated(columns, delta.batch())?, delta.len())?))
    }
}

fn evaluated(columns: &[Scalar], batch: &RecordBatch) -> Result<Vec<ArrayRef>, DataFusionError> {
    columns.iter().map(|column| column.evaluate(batch)?.into_array(batch.num_rows())).collect()
}

/// A step of a map.
type Step<'a> = &'a dyn Fn(&Delta) -> Result<Delta, DataFusionError>;

/// The rows for which `keep` is true. Columns that `schema` has as `Null` are not wanted.
fn select(delta: &Delta, keep: &BooleanArray, schema: &SchemaRef) -> Result<Delta, DataFusionError> {
    let keep = FilterBuilder::new(keep).optimize().build();
    let rows = keep.count();
    let columns = delta.batch().columns().iter().zip(schema.fields()).map(|(column, field)| match field.data_type() {
        DataType::Null => Ok(Arc::new(NullArray::new(rows)) as ArrayRef),
        _ => keep.filter(column),
    });
    let batch = batch(schema, columns.collect::<Result<_, _>>()?, rows)?;
    let diffs = match delta.diffs() {
        None => None,
        Some(diffs) => {
            let diffs = arrow_array::Int64Array::new(diffs.clone(), None);
            Some(keep.filter(&diffs)?.as_primitive::<arrow_array::types::Int64Type>().values().clone())
        }
    };
    Ok(Delta::new(batch, diffs))
}

fn batch(schema: &SchemaRef, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch, DataFusionError> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(schema.clone(), columns, &options)?)
}
