//! A key that a row may be without: where it fails the row stays, without a partner, and the Map that computes it tells of it.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{DataType, Schema};
use datafusion_common::Result;
use datafusion_expr::ColumnarValue;
use datafusion_physical_expr::PhysicalExpr;

use super::{Scalar, Sql};

/// An expression that as a column of a Map is NULL where it fails, and told; anywhere else it fails as any other.
#[derive(Debug, Eq)]
pub struct Told(Scalar);

impl Told {
    /// Tells of an expression.
    pub fn new(expression: Scalar) -> Told {
        Told(expression)
    }

    /// What it tells of.
    pub fn within(&self) -> &Scalar {
        &self.0
    }
}

impl PartialEq for Told {
    fn eq(&self, other: &Told) -> bool {
        self.0.eq(&other.0)
    }
}

impl Hash for Told {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TOLD({})", self.0)
    }
}

impl PhysicalExpr for Told {
    fn data_type(&self, schema: &Schema) -> Result<DataType> {
        self.0.data_type(schema)
    }

    fn nullable(&self, _: &Schema) -> Result<bool> {
        Ok(true)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        self.0.evaluate(batch)
    }

    fn children(&self) -> Vec<&Scalar> {
        vec![&self.0]
    }

    fn with_new_children(self: Arc<Self>, mut children: Vec<Scalar>) -> Result<Scalar> {
        Ok(match children.pop() {
            Some(expression) => Arc::new(Told(expression)),
            None => self,
        })
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Sql(&self.0))
    }
}
