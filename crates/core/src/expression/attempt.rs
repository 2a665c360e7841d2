//! `TRY(expression)`: NULL on the rows on which the expression fails.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Range;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, RecordBatch, new_null_array};
use arrow_schema::{DataType, Schema};
use datafusion_common::Result;
use datafusion_expr::ColumnarValue;
use datafusion_physical_expr::PhysicalExpr;

use super::{Scalar, Sql, computed, halving};

/// An expression that is NULL where another one fails.
#[derive(Debug, Eq)]
pub struct Attempt(Scalar);

impl Attempt {
    /// Tries an expression.
    pub fn new(expression: Scalar) -> Attempt {
        Attempt(expression)
    }

    /// What it tries.
    pub fn tried(&self) -> &Scalar {
        &self.0
    }
}

impl PartialEq for Attempt {
    fn eq(&self, other: &Attempt) -> bool {
        self.0.eq(&other.0)
    }
}

impl Hash for Attempt {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TRY({})", self.0)
    }
}

impl PhysicalExpr for Attempt {
    fn data_type(&self, schema: &Schema) -> Result<DataType> {
        self.0.data_type(schema)
    }

    fn nullable(&self, _: &Schema) -> Result<bool> {
        Ok(true)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        if let Ok(value) = computed(|| self.0.evaluate(batch)) {
            return Ok(value);
        }
        let data_type = self.0.data_type(batch.schema_ref())?;
        let step = |rows: Range<usize>| {
            let part = batch.slice(rows.start, rows.len());
            self.0.evaluate(&part)?.into_array(part.num_rows())
        };
        let parts: Vec<ArrayRef> = halving(0..batch.num_rows(), &step, &mut |_| Some(new_null_array(&data_type, 1)));
        let parts: Vec<&dyn Array> = parts.iter().map(AsRef::as_ref).collect();
        match parts.is_empty() {
            true => Ok(ColumnarValue::Array(new_null_array(&data_type, 0))),
            false => Ok(ColumnarValue::Array(arrow_select::concat::concat(&parts)?)),
        }
    }

    fn children(&self) -> Vec<&Scalar> {
        vec![&self.0]
    }

    fn with_new_children(self: Arc<Self>, mut children: Vec<Scalar>) -> Result<Scalar> {
        Ok(match children.pop() {
            Some(tried) => Arc::new(Attempt(tried)),
            None => self,
        })
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TRY({})", Sql(&self.0))
    }
}
