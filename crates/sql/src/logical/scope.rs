//! The columns of relations by their names. The library looks a column up by going through all of them, so whatever does that
//! for each column of a list takes time by the square of its length; here it is a table.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use arrow_schema::FieldRef;
use datafusion_common::{Column, DFSchema, DFSchemaRef, ExprSchema, Result};
use datafusion_expr::{Expr, ExprSchemable, LogicalPlan, Projection};

/// A relation's columns, with the place of each.
#[derive(Debug)]
pub(crate) struct Places {
    schema: DFSchemaRef,
    places: HashMap<Column, usize>,
}

impl Places {
    pub(crate) fn of(schema: &DFSchemaRef) -> Places {
        let mut places = HashMap::with_capacity(schema.fields().len());
        for (at, column) in schema.columns().into_iter().enumerate() {
            places.entry(column).or_insert(at);
        }
        Places { schema: Arc::clone(schema), places }
    }

    /// The place of a column.
    pub(crate) fn find(&self, column: &Column) -> Option<usize> {
        self.places.get(column).copied().or_else(|| self.schema.maybe_index_of_column(column))
    }
}

impl ExprSchema for Places {
    fn field_from_column(&self, column: &Column) -> Result<&FieldRef> {
        match self.places.get(column) {
            Some(&at) => Ok(&self.schema.fields()[at]),
            None => self.schema.field_from_column(column),
        }
    }
}

/// The plan with these expressions as its columns.
pub(crate) fn projected(plan: LogicalPlan, exprs: Vec<Expr>) -> Result<LogicalPlan> {
    let places = Places::of(plan.schema());
    let fields = exprs.iter().map(|expr| expr.to_field(&places)).collect::<Result<Vec<_>>>()?;
    let metadata = DFSchema::metadata(plan.schema()).clone();
    let schema = DFSchema::new_with_metadata(fields, metadata)?;
    Ok(LogicalPlan::Projection(Projection::try_new_with_schema(exprs, Arc::new(plan), Arc::new(schema))?))
}

/// The columns of a relation: as the planner knows them, and by their identity.
pub(crate) struct Names {
    places: Places,
    columns: Vec<Column>,
}

impl Names {
    fn new(schema: &DFSchemaRef, columns: Vec<Column>) -> Rc<Names> {
        Rc::new(Names { places: Places::of(schema), columns })
    }

    /// Those of a relation that has none.
    pub(crate) fn none() -> Rc<Names> {
        Names::new(&Arc::new(DFSchema::empty()), Vec::new())
    }

    /// The columns as the planner knows them.
    pub(crate) fn schema(&self) -> &DFSchema {
        &self.places.schema
    }

    /// The one column that can be read by a name alone.
    pub(crate) fn by_name(&self) -> HashMap<&str, Option<&Column>> {
        let mut found: HashMap<&str, Option<&Column>> = HashMap::with_capacity(self.columns.len());
        for (field, column) in self.schema().fields().iter().zip(&self.columns) {
            found.entry(field.name()).and_modify(|column| *column = None).or_insert(Some(column));
        }
        found
    }

    /// All columns, by their identity.
    pub(crate) fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The column that the planner knows under exactly this name.
    pub(crate) fn exactly(&self, column: &Column) -> Option<Column> {
        self.places.places.get(column).map(|&at| self.columns[at].clone())
    }

    /// The column that the planner knows as `column`.
    pub(crate) fn find(&self, column: &Column) -> Option<Column> {
        let at = self.places.find(column)?;
        Some(Column { spans: column.spans.clone(), ..self.columns[at].clone() })
    }
}

/// The columns of a relation, before and behind.
pub(crate) fn names(old: &LogicalPlan, new: &LogicalPlan) -> Rc<Names> {
    Names::new(old.schema(), new.schema().columns())
}

/// The columns of two relations side by side.
pub(crate) fn both(left: &Names, right: &Names) -> Result<Rc<Names>> {
    let columns = left.columns.iter().chain(&right.columns).cloned().collect();
    Ok(Names::new(&Arc::new(left.schema().join(right.schema())?), columns))
}
