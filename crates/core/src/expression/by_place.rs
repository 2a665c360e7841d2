//! A value whose rows go into a column of other field names, by place: `ROW(1, 'a')` into `ROW<x INT, y VARCHAR>`.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, ListArray, RecordBatch, StructArray};
use arrow_cast::CastOptions;
use arrow_schema::{DataType, Schema};
use datafusion_common::Result;
use datafusion_expr::ColumnarValue;
use datafusion_physical_expr::PhysicalExpr;

use super::{Scalar, Sql};

/// A value as one of another type, the fields of its rows by place.
#[derive(Debug, Eq)]
pub struct ByPlace {
    value: Scalar,
    to: DataType,
}

impl ByPlace {
    /// The value, of type `from`, as `to`, if fields of rows in them have other names; else none: those go by name.
    pub fn of(value: &Scalar, from: &DataType, to: &DataType) -> Option<ByPlace> {
        renames(from, to).then(|| ByPlace { value: Arc::clone(value), to: to.clone() })
    }

    /// What it is of.
    pub fn value(&self) -> &Scalar {
        &self.value
    }
}

fn renames(from: &DataType, to: &DataType) -> bool {
    match (from, to) {
        (DataType::Struct(from), DataType::Struct(to)) => {
            let known = |name: &str| from.iter().any(|field| field.name() == name);
            to.iter().any(|field| !known(field.name()))
                || from.iter().zip(to).any(|(from, to)| renames(from.data_type(), to.data_type()))
        }
        (DataType::List(from), DataType::List(to)) => renames(from.data_type(), to.data_type()),
        _ => false,
    }
}

fn placed(values: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
    Ok(match (values.data_type(), to) {
        (from, to) if from == to => Arc::clone(values),
        (DataType::Struct(_), DataType::Struct(fields)) => {
            let row = values.as_struct();
            let parts = row.columns().iter().zip(fields).map(|(part, field)| placed(part, field.data_type()));
            Arc::new(StructArray::try_new(fields.clone(), parts.collect::<Result<_>>()?, row.nulls().cloned())?)
        }
        (DataType::List(_), DataType::List(item)) => {
            let list = values.as_list::<i32>();
            let items = placed(list.values(), item.data_type())?;
            Arc::new(ListArray::try_new(Arc::clone(item), list.offsets().clone(), items, list.nulls().cloned())?)
        }
        _ => arrow_cast::cast_with_options(values, to, &CastOptions { safe: false, ..CastOptions::default() })?,
    })
}

impl PartialEq for ByPlace {
    fn eq(&self, other: &ByPlace) -> bool {
        self.value.eq(&other.value) && self.to == other.to
    }
}

impl Hash for ByPlace {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.value.hash(state);
        self.to.hash(state);
    }
}

impl fmt::Display for ByPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.value)
    }
}

impl PhysicalExpr for ByPlace {
    fn data_type(&self, _: &Schema) -> Result<DataType> {
        Ok(self.to.clone())
    }

    fn nullable(&self, schema: &Schema) -> Result<bool> {
        self.value.nullable(schema)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        let values = self.value.evaluate(batch)?.into_array(batch.num_rows())?;
        Ok(placed(&values, &self.to)?.into())
    }

    fn children(&self) -> Vec<&Scalar> {
        vec![&self.value]
    }

    fn with_new_children(self: Arc<Self>, mut children: Vec<Scalar>) -> Result<Scalar> {
        Ok(match children.pop() {
            Some(value) => Arc::new(ByPlace { value, to: self.to.clone() }),
            None => self,
        })
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Sql(&self.value))
    }
}
