//! The columns of a UNION: of one type in all of its queries, before the library brings them to one.
//!
//! A text beside what is none is refused, as it is where they are compared, and within arrays, maps and rows as by itself: the library would
//! make texts of both. A DATE beside a TIMESTAMP is one, which the library would take for a time of nanoseconds. A NULL
//! that a row is written with is of the type that its field has in another query.

use std::sync::Arc;

use arrow_schema::{DataType, Field, FieldRef, Fields};
use datafusion_common::Result;
use datafusion_expr::type_coercion::binary::type_union_coercion;
use datafusion_expr::{Expr, LogicalPlan, Union, cast};
use datafusion_sql::sqlparser::tokenizer::Span;

use super::compared::{is_other, place_of, without_nulls};
use super::identity::readable;
use super::scope::projected;
use crate::functions::mixes;
use crate::parse::error::Problem;
use crate::parse::error::{from_planner, placed};
use highwater_core::plan::sql_type;

/// The UNION, with such columns cast.
pub(super) fn settled(union: Union) -> Result<LogicalPlan> {
    let wanted: Vec<Option<DataType>> =
        (0..union.schema.fields().len()).map(|at| common(&union.inputs, at)).collect::<Result<_>>()?;
    if wanted.iter().all(Option::is_none) {
        return Ok(LogicalPlan::Union(union));
    }
    let mut inputs = Vec::new();
    for input in &union.inputs {
        let columns = input.schema().columns().into_iter().zip(&wanted).enumerate();
        let exprs = columns.map(|(at, (column, wanted))| match wanted {
            Some(wanted) if input.schema().field(at).data_type() != wanted => {
                let (relation, name) = (column.relation.clone(), column.name.clone());
                cast(Expr::Column(column), wanted.clone()).alias_qualified(relation, name)
            }
            _ => Expr::Column(column),
        });
        inputs.push(Arc::new(projected(input.as_ref().clone(), exprs.collect())?));
    }
    Ok(LogicalPlan::Union(Union::try_new_with_loose_types(inputs)?))
}

/// The type of a column in all queries, if it is not the library that finds it.
fn common(inputs: &[Arc<LogicalPlan>], at: usize) -> Result<Option<DataType>> {
    let mut whole: Option<(usize, DataType)> = None;
    let mut ours = false;
    for (number, input) in inputs.iter().enumerate() {
        let Some(other) = type_of(input, at) else { return Ok(None) };
        let Some((first, of_first)) = whole.take() else {
            whole = Some((number, other));
            continue;
        };
        let mixed = match of_first.is_nested() && other.is_nested() {
            true => mixes(&of_first, &other),
            false => of_first.is_string() && is_other(&other) || other.is_string() && is_other(&of_first),
        };
        let merged = merged(&of_first, &other);
        let nested = of_first.is_nested() && other.is_nested();
        if mixed || nested && merged.is_none() {
            return Err(refused([&inputs[first], input], [&of_first, &other], at));
        }
        ours |= of_first != other && (nested || matches!(merged, Some(DataType::Timestamp(..))));
        // What has no type yet is of that of the others.
        let named = if of_first.is_null() { number } else { first };
        let Some(merged) = merged else { return Ok(None) };
        whole = Some((named, merged));
    }
    Ok(whole.map(|(_, data_type)| data_type).filter(|_| ours))
}

/// The type of a column of a query, without one for NULLs that rows are written with.
fn type_of(input: &LogicalPlan, at: usize) -> Option<DataType> {
    let data_type = input.schema().fields().get(at)?.data_type();
    Some(match written(input, at) {
        Some(expr) => without_nulls(expr, data_type),
        None => data_type.clone(),
    })
}

fn written(input: &LogicalPlan, at: usize) -> Option<&Expr> {
    match input {
        LogicalPlan::Projection(projection) => projection.expr.get(at),
        _ => None,
    }
}

/// The type that holds values of both; none if there is no such.
fn merged(one: &DataType, other: &DataType) -> Option<DataType> {
    let of = |one: &FieldRef, other: &FieldRef| {
        let data_type = merged(one.data_type(), other.data_type())?;
        let nullable = one.is_nullable() || other.is_nullable();
        Some(Arc::new(Field::new(one.name(), data_type, nullable)))
    };
    Some(match (one, other) {
        (one, other) if one == other => one.clone(),
        (DataType::Null, other) | (other, DataType::Null) => other.clone(),
        (DataType::List(one), DataType::List(other)) => DataType::List(of(one, other)?),
        (DataType::Map(one, sorted), DataType::Map(other, _)) => DataType::Map(of(one, other)?, *sorted),
        (DataType::Struct(one), DataType::Struct(other)) if one.len() == other.len() => {
            let place = |name: &str| other.iter().position(|field| field.name().eq_ignore_ascii_case(name));
            let places: Option<Vec<usize>> = one.iter().map(|field| place(field.name())).collect();
            let places = places.unwrap_or_else(|| (0..one.len()).collect());
            let fields = one.iter().zip(places).map(|(field, at)| of(field, &other[at]));
            DataType::Struct(fields.collect::<Option<Fields>>()?)
        }
        (time @ DataType::Timestamp(..), DataType::Date32) | (DataType::Date32, time @ DataType::Timestamp(..)) => {
            time.clone()
        }
        (one, other) if one.is_nested() || other.is_nested() => return None,
        (one, other) => type_union_coercion(one, other)?,
    })
}

fn refused(inputs: [&LogicalPlan; 2], types: [&DataType; 2], at: usize) -> datafusion_common::DataFusionError {
    let span = inputs.iter().rev().find_map(|input| written(input, at).and_then(place_of));
    let span = span.map_or_else(Span::empty, from_planner);
    let shown = inputs.map(|input| readable(input.schema().field(at).name()));
    let texts = types.iter().position(|data_type| data_type.is_string());
    let [first, second] = types.map(sql_type);
    let problem = match texts {
        Some(text) => {
            let other = 1 - text;
            let of = [&first, &second][other];
            let what =
                format!("column {} of a UNION is a text in one of its queries, and of type {of} in another", at + 1);
            let hint = format!(
                "write CAST({} AS VARCHAR) in the one, or CAST({} AS {of}) in the other",
                shown[other], shown[text]
            );
            Problem::at(span, what).hint(hint)
        }
        None => {
            let column = at + 1;
            let what = format!(
                "column {column} of a UNION is of type {first} in one of its queries, and of type {second} in another"
            );
            let hint =
                format!("write CAST({} AS {first}) in the other where such a cast is one, or two views", shown[1]);
            Problem::at(span, what).hint(hint)
        }
    };
    placed(problem)
}
