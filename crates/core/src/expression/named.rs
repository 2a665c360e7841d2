//! The names by which expressions read columns. Columns are meant by place: their names are for messages.

use std::sync::Arc;

use arrow_schema::{Field, Schema, SchemaRef};
use datafusion_common::tree_node::{Transformed, TreeNode};
use datafusion_physical_expr::expressions::Column;
use datafusion_physical_expr::utils::collect_columns;

use super::Scalar;

/// The expression with its columns under other names, by place; those of which none is told keep theirs.
pub fn named(expr: &Scalar, name: &dyn Fn(usize) -> Option<String>) -> Scalar {
    let named = Arc::clone(expr).transform_up(|part| {
        let name = part.downcast_ref::<Column>().and_then(|column| Some((name(column.index())?, column.index())));
        Ok(match name {
            Some((name, index)) => Transformed::yes(Arc::new(Column::new(&name, index)) as Scalar),
            None => Transformed::no(part),
        })
    });
    named.map_or_else(|_| Arc::clone(expr), |named| named.data)
}

/// The same columns, those of which a name is told under that.
pub fn told_as(columns: &SchemaRef, told: &[Option<String>]) -> SchemaRef {
    let mut fields: Vec<Field> = columns.fields().iter().map(|field| field.as_ref().clone()).collect();
    for (field, name) in fields.iter_mut().zip(told) {
        name.iter().for_each(|name| field.set_name(name.as_str()));
    }
    Arc::new(Schema::new(fields))
}

/// Columns under the names by which expressions read them, nullable.
pub fn read_as<'a>(columns: &SchemaRef, expressions: impl IntoIterator<Item = &'a Scalar>) -> SchemaRef {
    let fields = columns.fields().iter().map(|field| field.as_ref().clone().with_nullable(true));
    let mut fields: Vec<Field> = fields.collect();
    for column in expressions.into_iter().flat_map(collect_columns) {
        if !column.name().starts_with("__") {
            fields[column.index()].set_name(column.name());
        }
    }
    Arc::new(Schema::new(fields))
}
