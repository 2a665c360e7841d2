//! One NaN: what is compared has it in one form, whatever its sign and bits, which differ by processor and by where it came from.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{DataType, Schema};
use datafusion_common::{Result, ScalarValue};
use datafusion_expr::ColumnarValue;
use datafusion_physical_expr::PhysicalExpr;

use super::{Scalar, Sql};
use crate::delta::canonical;

/// What the function is called that does this on its way through the planner.
pub const CANONICAL: &str = "__canonical";

/// An expression of floats, or of what holds some, with one NaN and without `-0.0`.
#[derive(Debug, Eq)]
pub struct Canonical(pub Scalar);

impl PartialEq for Canonical {
    fn eq(&self, other: &Canonical) -> bool {
        self.0.eq(&other.0)
    }
}

impl Hash for Canonical {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl fmt::Display for Canonical {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl PhysicalExpr for Canonical {
    fn data_type(&self, schema: &Schema) -> Result<DataType> {
        self.0.data_type(schema)
    }

    fn nullable(&self, schema: &Schema) -> Result<bool> {
        self.0.nullable(schema)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        Ok(match self.0.evaluate(batch)? {
            ColumnarValue::Array(values) => canonical(&values).into(),
            ColumnarValue::Scalar(value) => ScalarValue::try_from_array(&canonical(&value.to_array()?), 0)?.into(),
        })
    }

    fn children(&self) -> Vec<&Scalar> {
        vec![&self.0]
    }

    fn with_new_children(self: Arc<Self>, mut children: Vec<Scalar>) -> Result<Scalar> {
        Ok(match children.pop() {
            Some(child) => Arc::new(Canonical(child)),
            None => self,
        })
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Sql(&self.0))
    }
}
