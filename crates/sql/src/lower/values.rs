//! `VALUES`: rows that are there before all others, and stay.

use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use datafusion_common::{DFSchema, Result};
use datafusion_expr::logical_plan::Values;

use super::arena::Known;
use super::{Lowering, Relation};
use crate::logical::scalar::{cast_to, physical};
use highwater_core::plan::{Facts, Node, Op};

impl Lowering<'_> {
    /// The rows of `VALUES`, computed while planning.
    pub(super) fn values(&mut self, values: &Values) -> Result<Relation> {
        let fields = values.schema.fields().iter().map(|field| field.as_ref().clone().with_nullable(true));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<Field>>()));
        let options = RecordBatchOptions::new().with_row_count(Some(1));
        let one = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), Vec::new(), &options)?;
        let mut rows = Vec::new();
        for row in &values.values {
            let mut columns: Vec<ArrayRef> = Vec::new();
            for (expr, field) in row.iter().zip(schema.fields()) {
                let expr = cast_to(physical(expr, &DFSchema::empty())?, field.data_type(), &Schema::empty())?;
                columns.push(expr.evaluate(&one)?.into_array(1)?);
            }
            rows.push(RecordBatch::try_new(Arc::clone(&schema), columns)?);
        }
        let rows = arrow_select::concat::concat_batches(&schema, &rows)?;
        Ok(self.constant(schema, rows))
    }

    /// A row without columns, or none: rows without columns are not to be had, so it has one that nobody reads.
    pub(super) fn one_row(&mut self, there: bool) -> Result<Relation> {
        let schema = Arc::new(Schema::new(vec![Field::new("row", DataType::Boolean, true)]));
        let count = usize::from(there);
        let column: ArrayRef = Arc::new(BooleanArray::from(vec![true; count]));
        let rows = RecordBatch::try_new(Arc::clone(&schema), vec![column])?;
        let relation = self.constant(schema, rows);
        Ok(Relation { columns: Vec::new(), names: Vec::new(), ..relation })
    }

    fn constant(&mut self, schema: SchemaRef, rows: RecordBatch) -> Relation {
        let facts = Facts { append_only: true, bounds: vec![None; schema.fields().len()], ..Facts::default() };
        let node = Node { op: Op::Values { rows }, inputs: Vec::new(), schema, facts };
        let node = self.arena.add(node, Known { lateness_ms: Some(0), ..Known::default() });
        self.all_of(node)
    }
}
