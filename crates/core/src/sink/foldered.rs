//! A value that names a folder (`PARTITIONED BY`): on a row where the folder would have a longer name than file systems take, it
//! fails, so that the row is a dead letter and the sink goes on.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_schema::{DataType, Schema};
use datafusion_common::{Result, exec_err};
use datafusion_expr::ColumnarValue;
use datafusion_physical_expr::PhysicalExpr;

use crate::expression::{Scalar, Sql};
use crate::format::{DEFAULT_PARTITION, folder};

/// The longest name of a folder, in bytes.
const LONGEST: usize = 255;

/// A value as it is, checked for the name of its folder.
#[derive(Debug, Eq)]
pub struct Foldered {
    value: Scalar,
    column: String,
}

impl Foldered {
    /// The value of a column that folders are named by; none if its type has no long texts.
    pub fn of(value: &Scalar, data_type: &DataType, column: &str) -> Option<Foldered> {
        (*data_type == DataType::Utf8).then(|| Foldered { value: Arc::clone(value), column: column.to_owned() })
    }

    /// How long the name of a value's folder is, if it is too long.
    fn too_long(&self, value: &str) -> Option<usize> {
        // A byte becomes three at most.
        let most = 3 * (self.column.len() + value.len()) + 1;
        let long = || folder(&self.column, Some(value), DEFAULT_PARTITION).len();
        Some(most).filter(|most| *most > LONGEST).map(|_| long()).filter(|long| *long > LONGEST)
    }
}

impl PartialEq for Foldered {
    fn eq(&self, other: &Foldered) -> bool {
        self.value.eq(&other.value) && self.column == other.column
    }
}

impl Hash for Foldered {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.value.hash(state);
        self.column.hash(state);
    }
}

impl fmt::Display for Foldered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Sql(&self.value))
    }
}

impl PhysicalExpr for Foldered {
    fn data_type(&self, schema: &Schema) -> Result<DataType> {
        self.value.data_type(schema)
    }

    fn nullable(&self, _: &Schema) -> Result<bool> {
        Ok(true)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        let values = self.value.evaluate(batch)?.into_array(batch.num_rows())?;
        if let Some(texts) = values.as_string_opt::<i32>()
            && let Some(bytes) = texts.iter().flatten().find_map(|value| self.too_long(value))
        {
            let column = &self.column;
            return exec_err!(
                "the folder of '{column}' would have a name of {bytes} bytes, and {LONGEST} are the most"
            );
        }
        Ok(values.into())
    }

    fn children(&self) -> Vec<&Scalar> {
        vec![&self.value]
    }

    fn with_new_children(self: Arc<Self>, mut children: Vec<Scalar>) -> Result<Scalar> {
        Ok(match children.pop() {
            Some(value) => Arc::new(Foldered { value, column: self.column.clone() }),
            None => self,
        })
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Sql(&self.value))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use arrow_array::{ArrayRef, StringArray};
    use datafusion_physical_expr::expressions::Column;

    use super::*;

    #[test]
    fn what_makes_too_long_a_name_fails() {
        let checked = |value: &str| {
            let values: ArrayRef = Arc::new(StringArray::from(vec![None, Some("x"), Some(value)]));
            let batch = RecordBatch::try_from_iter_with_nullable([("k", values, true)]).unwrap();
            let value: Scalar = Arc::new(Column::new("k", 0));
            Foldered::of(&value, &DataType::Utf8, "k").unwrap().evaluate(&batch).map(drop)
        };
        assert!(checked(&"x".repeat(253)).is_ok());
        let error = checked(&"x".repeat(254)).unwrap_err().to_string();
        assert!(error.contains("a name of 256 bytes, and 255 are the most"), "{error}");
        assert!(checked(&"ä".repeat(126)).is_ok() && checked(&"ä".repeat(127)).is_err());
        assert!(checked(&"=".repeat(84)).is_ok() && checked(&"=".repeat(85)).is_err());
    }
}
