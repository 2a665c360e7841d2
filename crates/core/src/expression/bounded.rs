//! How long a text is that an expression makes: whatever makes it, at most [`MAX_TEXT`] characters. A row on which it would be longer
//! fails.
//!
//! What can be told before the text is made (REPEAT, LPAD, CHAR(n)) is told then.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{RecordBatch, StringArray};
use arrow_schema::{DataType, Schema};
use datafusion_common::{DataFusionError, Result};
use datafusion_expr::ColumnarValue;
use datafusion_physical_expr::PhysicalExpr;

use super::{Scalar, Sql};

/// The longest text that an expression makes, in characters.
pub const MAX_TEXT: usize = 1 << 24;

/// Refuses a text of so many characters.
pub fn too_long<T>(characters: usize) -> Result<T> {
    Err(DataFusionError::Execution(format!("a text of {characters} characters is too long; at most {MAX_TEXT}")))
}

/// Refuses a text that is too long.
pub fn checked_text(text: &str) -> Result<()> {
    // A character has a byte at least.
    match text.len() > MAX_TEXT {
        true => match text.chars().count() {
            characters if characters > MAX_TEXT => too_long(characters),
            _ => Ok(()),
        },
        false => Ok(()),
    }
}

fn checked(texts: &StringArray) -> Result<()> {
    let ends = texts.value_offsets();
    match ends.last().zip(ends.first()) {
        Some((last, first)) if (last - first) as usize > MAX_TEXT => texts.iter().flatten().try_for_each(checked_text),
        _ => Ok(()),
    }
}

/// An expression that makes texts, none of which is too long.
#[derive(Debug, Eq)]
pub struct Bounded(pub Scalar);

impl PartialEq for Bounded {
    fn eq(&self, other: &Bounded) -> bool {
        self.0.eq(&other.0)
    }
}

impl Hash for Bounded {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl fmt::Display for Bounded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl PhysicalExpr for Bounded {
    fn data_type(&self, schema: &Schema) -> Result<DataType> {
        self.0.data_type(schema)
    }

    fn nullable(&self, schema: &Schema) -> Result<bool> {
        self.0.nullable(schema)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        let made = self.0.evaluate(batch)?;
        match &made {
            ColumnarValue::Array(texts) => texts.as_string_opt::<i32>().map_or(Ok(()), checked)?,
            ColumnarValue::Scalar(text) => text.try_as_str().flatten().map_or(Ok(()), checked_text)?,
        }
        Ok(made)
    }

    fn children(&self) -> Vec<&Scalar> {
        vec![&self.0]
    }

    fn with_new_children(self: Arc<Self>, mut children: Vec<Scalar>) -> Result<Scalar> {
        Ok(match children.pop() {
            Some(child) => Arc::new(Bounded(child)),
            None => self,
        })
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Sql(&self.0))
    }
}
