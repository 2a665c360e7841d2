//! Filter and projection of a batch. A row on which an expression fails is rejected alone; its neighbours pass.
//!
//! Of `a AND b` in a filter, `b` is of no concern to rows that `a` excludes: `x <> 0 AND 10 / x > 1` rejects nothing. The
//! whole filter is tried on whole batches first; where that fails, conjunct by conjunct on the rows that are left.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray, NullArray, RecordBatch, RecordBatchOptions};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use arrow_select::filter::FilterBuilder;
use datafusion_common::DataFusionError;
use datafusion_expr::ColumnarValue;
use datafusion_physical_expr::split_conjunction;
use datafusion_physical_expr::utils::collect_columns;

use super::Scalar;
use crate::delta::{Delta, Rejects};

/// A filter and columns computed from what passes it.
#[derive(Debug)]
pub(super) struct Map {
    filter: Option<Scalar>,
    columns: Vec<Scalar>,
    schema: SchemaRef,
    /// The input's columns that `columns` reads, under their types; the others, not worth filtering, become `Null`.
    narrow: SchemaRef,
    owner: String,
    rejects: Rejects,
}

impl Map {
    /// `input` is the schema of what it reads, `schema` of what it makes, `owner` the view or sink that the expressions
    /// stand in.
    pub(super) fn new(
        filter: Option<Scalar>,
        columns: Vec<Scalar>,
        input: &SchemaRef,
        schema: SchemaRef,
        owner: &str,
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
        Map { filter, columns, schema, narrow, owner: owner.to_owned(), rejects: rejects.clone() }
    }

    /// What of a delta passes.
    pub(super) fn apply(&self, delta: Delta) -> Vec<Delta> {
        let passed = match self.evaluate(&delta) {
            Ok(passed) => passed,
            Err(_) => self.evaluate_in_order(delta),
        };
        if passed.is_empty() { Vec::new() } else { vec![passed] }
    }

    fn evaluate(&self, delta: &Delta) -> Result<Delta, DataFusionError> {
        let Some(filter) = &self.filter else { return self.project(delta) };
        let keep = truth(filter, delta)?;
        match keep.true_count() {
            0 => Ok(Delta::empty(self.schema.clone())),
            all if all == keep.len() => self.project(delta),
            _ => self.project(&select(delta, &keep, &self.narrow)?),
        }
    }

    /// The same where a row fails: conjunct by conjunct, then the columns, each on the rows that are left.
    fn evaluate_in_order(&self, delta: Delta) -> Delta {
        let schema = delta.batch().schema();
        let conjuncts = self.filter.iter().flat_map(split_conjunction);
        let left = conjuncts.fold(delta, |rows, conjunct| {
            self.without_failures(rows, &schema, &|rows| select(rows, &truth(conjunct, rows)?, &schema))
        });
        self.without_failures(left, &self.schema, &|rows| self.project(rows))
    }

    /// What `step` makes of the rows on which it does not fail, of this schema; the others are rejected.
    fn without_failures(&self, rows: Delta, schema: &SchemaRef, step: Step<'_>) -> Delta {
        let mut passed = Vec::new();
        let mut open = vec![rows];
        while let Some(rows) = open.pop() {
            match step(&rows) {
                Ok(done) if done.is_empty() => {}
                Ok(done) => passed.push(done),
                // Halves, not single rows: a few bad rows cost a few passes, not one per row.
                Err(_) if rows.len() > 1 => {
                    let middle = rows.len() / 2;
                    open.push(rows.slice(middle, rows.len() - middle));
                    open.push(rows.slice(0, middle));
                }
                Err(error) => self.rejects.row(&self.owner, "evaluation", &error.strip_backtrace(), rows.batch(), 0),
            }
        }
        match passed.is_empty() {
            true => Delta::empty(schema.clone()),
            false => Delta::concat(schema, &passed),
        }
    }

    fn project(&self, delta: &Delta) -> Result<Delta, DataFusionError> {
        let columns = self.columns.iter().map(|column| column.evaluate(delta.batch())?.into_array(delta.len()));
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        Ok(delta.with_batch(batch(&self.schema, columns, delta.len())?))
    }
}

/// A step of a map.
type Step<'a> = &'a dyn Fn(&Delta) -> Result<Delta, DataFusionError>;

/// For each row whether a condition holds.
fn truth(condition: &Scalar, delta: &Delta) -> Result<BooleanArray, DataFusionError> {
    let holds = match condition.evaluate(delta.batch())? {
        ColumnarValue::Scalar(value) => value.to_array_of_size(delta.len())?,
        ColumnarValue::Array(array) => array,
    };
    match holds.data_type() {
        DataType::Boolean => Ok(holds.as_boolean().clone()),
        _ => Ok(arrow_cast::cast(&holds, &DataType::Boolean)?.as_boolean().clone()),
    }
}

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
