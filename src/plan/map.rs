//! Filter and projection of a batch. A row on which an expression fails is rejected alone; its neighbours pass.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray, NullArray, RecordBatch, RecordBatchOptions};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use arrow_select::filter::FilterBuilder;
use datafusion_common::DataFusionError;
use datafusion_expr::ColumnarValue;
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
        match self.evaluate(&delta) {
            Ok(delta) => vec![delta],
            // Halves, not single rows: a few bad rows cost a few passes, not one per row.
            Err(_) if delta.len() > 1 => {
                let middle = delta.len() / 2;
                let mut passed = self.apply(delta.slice(0, middle));
                passed.extend(self.apply(delta.slice(middle, delta.len() - middle)));
                passed.retain(|delta| !delta.is_empty());
                if passed.is_empty() { passed } else { vec![Delta::concat(&self.schema, &passed)] }
            }
            Err(error) => {
                self.rejects.row(&self.owner, "evaluation", &error.strip_backtrace(), delta.batch(), 0);
                Vec::new()
            }
        }
    }

    fn evaluate(&self, delta: &Delta) -> Result<Delta, DataFusionError> {
        let Some(filter) = &self.filter else { return self.project(delta) };
        let keep = match filter.evaluate(delta.batch())? {
            ColumnarValue::Scalar(value) => value.to_array_of_size(delta.len())?,
            ColumnarValue::Array(array) => array,
        };
        let keep = match keep.data_type() {
            DataType::Boolean => keep,
            _ => arrow_cast::cast(&keep, &DataType::Boolean)?,
        };
        let keep = keep.as_boolean();
        match keep.true_count() {
            0 => Ok(Delta::empty(self.schema.clone())),
            all if all == keep.len() => self.project(delta),
            _ => self.project(&self.select(delta, keep)?),
        }
    }

    /// The rows for which `keep` is true, in the columns that are read.
    fn select(&self, delta: &Delta, keep: &BooleanArray) -> Result<Delta, DataFusionError> {
        let keep = FilterBuilder::new(keep).optimize().build();
        let rows = keep.count();
        let read =
            delta.batch().columns().iter().zip(self.narrow.fields()).map(|(column, field)| match field.data_type() {
                DataType::Null => Ok(Arc::new(NullArray::new(rows)) as ArrayRef),
                _ => keep.filter(column),
            });
        let batch = batch(&self.narrow, read.collect::<Result<_, _>>()?, rows)?;
        let diffs = match delta.diffs() {
            None => None,
            Some(diffs) => {
                let diffs = arrow_array::Int64Array::new(diffs.clone(), None);
                Some(keep.filter(&diffs)?.as_primitive::<arrow_array::types::Int64Type>().values().clone())
            }
        };
        Ok(Delta::new(batch, diffs))
    }

    fn project(&self, delta: &Delta) -> Result<Delta, DataFusionError> {
        let columns = self.columns.iter().map(|column| column.evaluate(delta.batch())?.into_array(delta.len()));
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        Ok(delta.with_batch(batch(&self.schema, columns, delta.len())?))
    }
}

fn batch(schema: &SchemaRef, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch, DataFusionError> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(schema.clone(), columns, &options)?)
}
