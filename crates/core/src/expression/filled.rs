//! A value that goes into a column declared NOT NULL: on a row where it is NULL, or has a NULL in a field that may have none, it
//! fails.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, RecordBatch};
use arrow_buffer::NullBuffer;
use arrow_schema::{DataType, FieldRef, Schema};
use datafusion_common::{Result, exec_err};
use datafusion_expr::ColumnarValue;
use datafusion_physical_expr::PhysicalExpr;

use super::{Scalar, Sql};

/// A value as it is, checked against a column's declaration.
#[derive(Debug, Eq)]
pub struct Filled {
    value: Scalar,
    column: FieldRef,
}

impl Filled {
    /// The value for `column`, whose type says which fields in it may not be NULL; none if all may be.
    pub fn of(value: Scalar, column: &FieldRef) -> Option<Filled> {
        demands(column).then(|| Filled { value, column: Arc::clone(column) })
    }

    /// What goes into the column.
    pub fn value(&self) -> &Scalar {
        &self.value
    }
}

/// Whether NULL has no place somewhere in a column.
fn demands(column: &FieldRef) -> bool {
    !column.is_nullable()
        || match column.data_type() {
            DataType::Struct(fields) => fields.iter().any(demands),
            DataType::List(item) => demands(item),
            _ => false,
        }
}

/// Where a column has a NULL that it may not have, as a path to it. `around` is where what it is in is NULL itself.
fn missing(column: &FieldRef, path: &str, values: &dyn Array, around: Option<&NullBuffer>) -> Option<String> {
    if !demands(column) {
        return None;
    }
    let there = |row: usize| around.is_none_or(|around| around.is_valid(row));
    if !column.is_nullable()
        && values.null_count() > 0
        && (0..values.len()).any(|row| values.is_null(row) && there(row))
    {
        return Some(path.to_owned());
    }
    match (column.data_type(), values.data_type()) {
        (DataType::Struct(fields), DataType::Struct(_)) => {
            let values = values.as_struct();
            let around = NullBuffer::union(values.nulls(), around);
            let mut fields = fields.iter().zip(values.columns());
            fields.find_map(|(field, inner)| {
                missing(field, &format!("{path}.{}", field.name()), inner.as_ref(), around.as_ref())
            })
        }
        (DataType::List(item), DataType::List(_)) => {
            let values = values.as_list::<i32>();
            (0..values.len())
                .filter(|&row| values.is_valid(row) && there(row))
                .find_map(|row| missing(item, &format!("{path}[]"), values.value(row).as_ref(), None))
        }
        _ => None,
    }
}

impl PartialEq for Filled {
    fn eq(&self, other: &Filled) -> bool {
        self.value.eq(&other.value) && self.column == other.column
    }
}

impl Hash for Filled {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.value.hash(state);
        self.column.hash(state);
    }
}

impl fmt::Display for Filled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.value)
    }
}

impl PhysicalExpr for Filled {
    fn data_type(&self, schema: &Schema) -> Result<DataType> {
        self.value.data_type(schema)
    }

    fn nullable(&self, _: &Schema) -> Result<bool> {
        Ok(true)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        let values = self.value.evaluate(batch)?.into_array(batch.num_rows())?;
        match missing(&self.column, self.column.name(), values.as_ref(), None) {
            Some(path) => exec_err!("it is NULL, and the column '{path}' is NOT NULL"),
            None => Ok(values.into()),
        }
    }

    fn children(&self) -> Vec<&Scalar> {
        vec![&self.value]
    }

    fn with_new_children(self: Arc<Self>, mut children: Vec<Scalar>) -> Result<Scalar> {
        Ok(match children.pop() {
            Some(value) => Arc::new(Filled { value, column: Arc::clone(&self.column) }),
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
    use arrow_array::types::Int32Type;
    use arrow_array::{ArrayRef, Int32Array, ListArray, StructArray};
    use arrow_schema::Field;
    use datafusion_physical_expr::expressions::Column;

    use super::*;

    fn checked(column: Field, values: ArrayRef) -> Result<()> {
        let batch = RecordBatch::try_from_iter_with_nullable([("c", values, true)]).unwrap();
        let value: Scalar = Arc::new(Column::new("c", 0));
        let filled = Filled::of(value, &Arc::new(column)).unwrap();
        filled.evaluate(&batch).map(drop)
    }

    #[test]
    fn nulls_are_found_wherever_they_stand() {
        let some: ArrayRef = Arc::new(Int32Array::from(vec![Some(1), Some(2)]));
        let null: ArrayRef = Arc::new(Int32Array::from(vec![Some(1), None]));
        assert!(checked(Field::new("c", DataType::Int32, false), Arc::clone(&some)).is_ok());
        let error = checked(Field::new("c", DataType::Int32, false), Arc::clone(&null)).unwrap_err();
        assert!(error.to_string().contains("the column 'c' is NOT NULL"));
        let any: Scalar = Arc::new(Column::new("c", 0));
        assert!(Filled::of(any, &Arc::new(Field::new("c", DataType::Int32, true))).is_none());

        let within = |nullable: bool| DataType::Struct(vec![Field::new("x", DataType::Int32, nullable)].into());
        let DataType::Struct(held) = within(true) else { panic!() };
        let rows = |valid: Vec<bool>| {
            let nulls = Some(NullBuffer::from(valid));
            Arc::new(StructArray::new(held.clone(), vec![Arc::clone(&null)], nulls)) as ArrayRef
        };
        let error = checked(Field::new("c", within(false), true), rows(vec![true, true])).unwrap_err();
        assert!(error.to_string().contains("'c.x'"));
        // A ROW that is NULL has no fields.
        assert!(checked(Field::new("c", within(false), true), rows(vec![true, false])).is_ok());
        assert!(checked(Field::new("c", within(true), false), rows(vec![true, false])).is_err());

        let list = |items: Vec<Option<Vec<Option<i32>>>>| {
            Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(items)) as ArrayRef
        };
        let items = |nullable| DataType::List(Arc::new(Field::new("item", DataType::Int32, nullable)));
        assert!(checked(Field::new("c", items(false), true), list(vec![None, Some(vec![Some(1)])])).is_ok());
        assert!(checked(Field::new("c", items(false), true), list(vec![None, Some(vec![None])])).is_err());
    }
}
