//! What is compared with what: settled before the library's rules for types look at it.
//!
//! A text and a number have no common order: `x <> 5` over a text `x` would fail on every row that is no number. So a text is
//! compared with a number, a time or a truth value only if it is a literal, which is read as one; a column is refused, with both
//! ways to write what may be meant; a literal that reads as none is refused too. So are texts and numbers that CASE, COALESCE and
//! the like of them would answer by turns, and those in one column of a UNION. A literal or a DATE beside a time is read as that type of time, which the library would take for one of
//! nanoseconds, with no room beyond the year 2262; one beside a truth value as a truth value. A DECIMAL and a DOUBLE are compared as DOUBLEs: as DECIMALs, great values would not fit; DECIMALs of which no type holds both exactly
//! (`wide.rs`).
//! Intervals are compared, and put in order, by their lengths, a month being 30 days.

use std::sync::Arc;

use arrow_array::StringArray;
use arrow_schema::{ArrowError, DataType, Field, FieldRef, TimeUnit};
use datafusion_common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion_common::{DFSchema, Result, ScalarValue};
use datafusion_expr::expr::{
    AggregateFunction, Between, Case, Cast, InList, InSubquery, ScalarFunction, Sort, TryCast,
};
use datafusion_expr::expr_rewriter::NamePreserver;
use datafusion_expr::utils::merge_schema;
use datafusion_expr::{
    AggregateUDF, BinaryExpr, Expr, ExprSchemable, LogicalPlan, Operator, WindowFunctionDefinition, binary_expr, cast,
    lit,
};
use datafusion_sql::sqlparser::tokenizer::Span;

use super::aggregate_call::Bound;
use super::identity::readable;
use super::veiled::in_one_form;
use super::{grid, united, wide};
use crate::functions::attempt::TRY;
use crate::functions::exact;
use crate::functions::{length, mixes};
use crate::parse::error::Problem;
use crate::parse::error::{from_planner, placed};
use crate::syntax::cast_type;
use highwater_core::delta::has_intervals;
use highwater_core::expression::plain;
use highwater_core::format::{floats_as_decimals, read_text_as, reads_text};
use highwater_core::plan::sql_type;
use highwater_core::time::Zone;

/// The plan, with all comparisons settled.
pub(crate) fn settle(plan: LogicalPlan) -> Result<LogicalPlan> {
    let settled = plan.transform_up_with_subqueries(|plan| {
        let schema = merge_schema(&plan.inputs());
        let plan = match plan {
            LogicalPlan::Join(mut join) => {
                for (left, right) in &mut join.on {
                    let mut pair = [left, right];
                    alike(&mut pair, &schema)?;
                }
                LogicalPlan::Join(join)
            }
            LogicalPlan::Sort(mut sort) => {
                sort.expr.iter_mut().try_for_each(|sort| ordered(sort, &schema))?;
                LogicalPlan::Sort(sort)
            }
            LogicalPlan::Union(union) => united::settled(union)?,
            other => other,
        };
        let names = NamePreserver::new(&plan);
        plan.map_expressions(|expr| {
            let name = names.save(&expr);
            literal_casts(&expr)?;
            let expr = exact::resolved(expr, &schema)?.transform_data(exact::plain)?.data;
            let expr = expr.transform_up(|expr| settled(expr, &schema).map(Transformed::yes))?;
            Ok(expr.update_data(|expr| name.restore(expr)))
        })
    });
    Ok(settled?.data)
}

/// Refuses casts of a literal that is no value of the type: they would fail on every row. Within TRY they are NULL.
fn literal_casts(expr: &Expr) -> Result<()> {
    let walked = expr.apply(|part| match part {
        call if TRY.within(call).is_some() => Ok(TreeNodeRecursion::Jump),
        Expr::Cast(Cast { expr, field }) => {
            if let Some(text) = literal_text(expr)
                && reads_text(field.data_type())
                && let Err(why) = read_text_as(&StringArray::from(vec![text]), field.data_type(), Zone::utc())
            {
                return Err(ArrowError::CastError(why).into());
            }
            if let (Expr::Literal(number @ ScalarValue::Float64(Some(_)), _), DataType::Decimal128(precision, scale)) =
                (expr.as_ref(), field.data_type())
                && let Err(why) = floats_as_decimals(&number.to_array()?, *precision, *scale)
            {
                return Err(ArrowError::CastError(why).into());
            }
            Ok(TreeNodeRecursion::Continue)
        }
        _ => Ok(TreeNodeRecursion::Continue),
    });
    walked.map(drop)
}

fn settled(mut expr: Expr, schema: &DFSchema) -> Result<Expr> {
    if let Some(exact) = grid::settled(&expr, schema) {
        // What is compared with no literal is left, as a comparison in a list or two of its own.
        return settled(exact.map_children(|part| settled(part, schema).map(Transformed::yes))?.data, schema);
    }
    match &mut expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) if is_comparison(*op) => {
            alike(&mut [left.as_mut(), right.as_mut()], schema)?;
        }
        Expr::Between(Between { expr, low, high, .. }) => {
            alike(&mut [expr.as_mut(), low.as_mut(), high.as_mut()], schema)?;
        }
        Expr::InList(InList { expr, list, .. }) => {
            alike(&mut std::iter::once(expr.as_mut()).chain(list.iter_mut()).collect::<Vec<_>>(), schema)?;
        }
        Expr::Case(Case { expr, when_then_expr, else_expr }) => {
            match expr {
                Some(base) => {
                    let whens = when_then_expr.iter_mut().map(|(when, _)| when.as_mut());
                    alike(&mut std::iter::once(base.as_mut()).chain(whens).collect::<Vec<_>>(), schema)?;
                }
                None => when_then_expr.iter().try_for_each(|(when, _)| condition(when, schema))?,
            }
            let thens = when_then_expr.iter_mut().map(|(_, then)| then.as_mut());
            together(&mut thens.chain(else_expr.as_deref_mut()).collect::<Vec<_>>(), schema)?;
        }
        Expr::ScalarFunction(call) if ["nullif", "coalesce", "greatest", "least"].contains(&call.func.name()) => {
            if let Some(shown) = wide::shown(call, schema) {
                return Ok(shown);
            }
            if let Some(shown) = first_unless_equal(call, schema)? {
                return Ok(shown);
            }
            let ScalarFunction { func, args } = call;
            // The greatest of months stays one of months: it may be added to a day.
            let compares = ["greatest", "least"].contains(&func.name()) && !args.iter().any(has_months);
            let mut all = args.iter_mut().collect::<Vec<_>>();
            together(&mut all, schema)?;
            if compares {
                lengths(&mut all, schema);
            }
        }
        Expr::ScalarFunction(ScalarFunction { func, args })
            if ["if", "nvl2"].contains(&func.name()) && args.len() == 3 =>
        {
            if func.name() == "if" {
                condition(&args[0], schema)?;
            }
            together(&mut args[1..].iter_mut().collect::<Vec<_>>(), schema)?;
        }
        Expr::Cast(Cast { expr, field }) | Expr::TryCast(TryCast { expr, field }) => {
            if let Ok(from) = expr.get_type(schema) {
                let span = place_of(expr).map_or_else(Span::empty, from_planner);
                cast_type::check(&plain(&readable(&expr.human_display().to_string())), &from, field.data_type(), span)
                    .map_err(placed)?;
            }
        }
        Expr::AggregateFunction(AggregateFunction { func, params }) => {
            params.filter.iter().try_for_each(|filter| condition(filter, schema))?;
            params.order_by.iter_mut().try_for_each(|sort| ordered(sort, schema))?;
            if let Some((call, by)) = extreme(func, &params.args, schema) {
                (*func, params.distinct) = (call, false);
                params.order_by = vec![by];
            }
        }
        Expr::WindowFunction(function) => {
            let params = &mut function.params;
            params.order_by.iter_mut().try_for_each(|sort| ordered(sort, schema))?;
            if let WindowFunctionDefinition::AggregateUDF(func) = &function.fun
                && extreme(func, &params.args, schema).is_some()
            {
                let name = func.name().to_uppercase();
                let span = params.args.iter().find_map(place_of).map_or_else(Span::empty, from_planner);
                let problem = Problem::at(span, format!("{name} OVER a frame takes no INTERVAL"));
                return Err(placed(problem.hint(format!("take {name} of a number: TIMESTAMPDIFF(SECOND, a, b)"))));
            }
        }
        // How many places a DECIMAL is rounded to is part of its type, which must not change when the number is cast later.
        Expr::ScalarFunction(ScalarFunction { func, args }) if func.name() == "round" => {
            if let Some(Expr::Literal(places @ ScalarValue::Int64(Some(_)), _)) = args.get(1) {
                args[1] = lit(places.cast_to(&DataType::Int32)?);
            }
        }
        Expr::InSubquery(InSubquery { expr, subquery, .. }) => {
            let (value, there) = (expr.get_type(schema), subquery.subquery.schema().field(0).data_type());
            if let Ok(value) = value {
                refuse(expr, &value, expr, there)?;
            }
        }
        _ => {}
    }
    Ok(expr)
}

/// NULLIF of values of two types: what is compared has one type, and what is shown is the first as it is.
fn first_unless_equal(call: &ScalarFunction, schema: &DFSchema) -> Result<Option<Expr>> {
    let ("nullif", [first, second]) = (call.func.name(), call.args.as_slice()) else { return Ok(None) };
    let (Ok(shown), Ok(other)) = (first.get_type(schema), second.get_type(schema)) else { return Ok(None) };
    if shown == other || shown.is_null() || other.is_null() {
        return Ok(None);
    }
    let same = settled(binary_expr(first.clone(), Operator::Eq, second.clone()), schema)?;
    let null = lit(ScalarValue::try_from(&shown)?);
    let case = Case::new(None, vec![(Box::new(same), Box::new(null))], Some(Box::new(first.clone())));
    Ok(Some(Expr::Case(case)))
}

/// Refuses what is no truth value where one is asked for. A literal is read as one.
fn condition(expr: &Expr, schema: &DFSchema) -> Result<()> {
    let Ok(data_type) = expr.get_type(schema) else { return Ok(()) };
    if matches!(data_type, DataType::Boolean | DataType::Null) || is_literal(expr) {
        return Ok(());
    }
    let shown = plain(&readable(&expr.human_display().to_string()));
    Err(placed(no_condition(&shown, &sql_type(&data_type), place_of(expr).map_or_else(Span::empty, from_planner))))
}

/// What is said of a condition that is no truth value.
pub(crate) fn no_condition(shown: &str, named: &str, span: Span) -> Problem {
    Problem::at(span, format!("a condition is a truth value, and '{shown}' is of type {named}"))
        .hint(format!("compare it: {shown} IS NOT NULL, {shown} <> {}", if named == "VARCHAR" { "''" } else { "0" }))
}

/// Where something of an expression is.
pub(super) fn place_of(expr: &Expr) -> Option<datafusion_common::Span> {
    let mut found = None;
    let _ = expr.apply(|part| {
        found = found.or_else(|| part.spans().and_then(|spans| spans.first()));
        Ok(TreeNodeRecursion::Continue)
    });
    found
}

fn is_comparison(op: Operator) -> bool {
    use Operator::{Eq, Gt, GtEq, IsDistinctFrom, IsNotDistinctFrom, Lt, LtEq, NotEq};
    matches!(op, Eq | NotEq | Lt | LtEq | Gt | GtEq | IsDistinctFrom | IsNotDistinctFrom)
}

/// Settles what is compared with each other.
fn alike(all: &mut [&mut Expr], schema: &DFSchema) -> Result<()> {
    together(all, schema)?;
    lengths(all, schema);
    wide::widened(all, schema);
    Ok(())
}

/// Settles these expressions with each other. What has no type yet is left for the planner to say.
fn together(all: &mut [&mut Expr], schema: &DFSchema) -> Result<()> {
    let Ok(types) = all.iter().map(|expr| expr.get_type(schema)).collect::<Result<Vec<_>>>() else { return Ok(()) };
    if let Some((other, of_other)) = all.iter().zip(&types).find(|(_, data_type)| is_other(data_type)) {
        let texts = all.iter().zip(&types).filter(|(_, data_type)| data_type.is_string());
        texts.into_iter().try_for_each(|(text, of_text)| refuse(text, of_text, other, of_other))?;
    }
    within(all, &types)?;
    if types.iter().any(|data_type| matches!(data_type, DataType::Duration(_)))
        && !all.iter().any(|expr| has_months(expr))
    {
        lengths(all, schema);
    }
    let floats = types.iter().any(DataType::is_floating);
    for (expr, _) in all.iter_mut().zip(&types).filter(|(_, data_type)| floats && data_type.is_decimal()) {
        let decimal = std::mem::take(*expr);
        **expr = cast(decimal, DataType::Float64);
    }
    let read_as = |data_type: &&DataType| matches!(data_type, DataType::Timestamp(..) | DataType::Boolean);
    if let Some(read_as) = types.iter().find(read_as) {
        let dated = |data_type: &DataType| read_as.is_temporal() && *data_type == DataType::Date32;
        for (expr, _) in all.iter_mut().zip(&types).filter(|(_, data_type)| data_type.is_string() || dated(data_type)) {
            let other = std::mem::take(*expr);
            **expr = cast(other, read_as.clone());
        }
    }
    Ok(())
}

/// Refuses arrays, maps and rows beside each other of which one has texts where another has none.
fn within(all: &[&mut Expr], types: &[DataType]) -> Result<()> {
    let types: Vec<DataType> = all.iter().zip(types).map(|(expr, data_type)| without_nulls(expr, data_type)).collect();
    let mut nested = all.iter().zip(&types).filter(|(_, data_type)| data_type.is_nested());
    let Some((first, of_first)) = nested.next() else { return Ok(()) };
    let Some((other, of_other)) = nested.find(|(_, data_type)| mixes(of_first, data_type)) else { return Ok(()) };
    let (of_first, of_other) = (sql_type(of_first), sql_type(of_other));
    let span = place_of(other).or_else(|| place_of(first)).map_or_else(Span::empty, from_planner);
    let shown = plain(&readable(&other.human_display().to_string()));
    let what = format!("a value of type {of_other} stands beside one of type {of_first}: a text beside what is none");
    let hint = format!("write CAST({shown} AS {of_first}), or TRY_CAST where not every text is one (it gives NULL)");
    Err(placed(Problem::at(span, what).hint(hint)))
}

/// The type of a value, without a type for what is written as NULL in a row.
pub(super) fn without_nulls(expr: &Expr, data_type: &DataType) -> DataType {
    match (expr, data_type) {
        (Expr::Literal(value, _), _) if value.is_null() && !data_type.is_nested() => DataType::Null,
        (Expr::Alias(alias), _) => without_nulls(&alias.expr, data_type),
        (Expr::ScalarFunction(ScalarFunction { func, args }), DataType::Struct(fields))
            if ["row", "struct"].contains(&func.name()) && args.len() == fields.len() =>
        {
            let field = |(field, arg): (&FieldRef, &Expr)| {
                Field::new(field.name(), without_nulls(arg, field.data_type()), true)
            };
            DataType::Struct(fields.iter().zip(args).map(field).collect())
        }
        (_, other) => other.clone(),
    }
}

/// Intervals that are compared with each other as their lengths: part by part, as the library does, a day would be more than any
/// number of hours.
fn lengths(all: &mut [&mut Expr], schema: &DFSchema) {
    const LENGTH: DataType = DataType::Duration(TimeUnit::Millisecond);
    let Ok(types) = all.iter().map(|expr| expr.get_type(schema)).collect::<Result<Vec<_>>>() else { return };
    let fits =
        |data_type: &DataType| matches!(data_type, DataType::Interval(_) | DataType::Duration(_) | DataType::Null);
    if types.iter().any(|data_type| data_type.is_nested() && has_intervals(data_type)) {
        return all.iter_mut().for_each(|expr| **expr = in_one_form(std::mem::take(*expr)));
    }
    if !types.iter().all(fits) {
        return;
    }
    for (expr, data_type) in all.iter_mut().zip(types) {
        let of = std::mem::take(*expr);
        **expr = match data_type {
            DataType::Interval(_) => length(of),
            DataType::Duration(_) if data_type != LENGTH => cast(of, LENGTH),
            _ => of,
        };
    }
}

/// Settles what rows are ordered by: intervals by their lengths. A MAP has no order.
fn ordered(sort: &mut Sort, schema: &DFSchema) -> Result<()> {
    let Ok(data_type) = sort.expr.get_type(schema) else { return Ok(()) };
    if has_map(&data_type) {
        let span = place_of(&sort.expr).map_or_else(Span::empty, from_planner);
        let what = format!("rows are ordered by a value of type {}, and a MAP has no order", sql_type(&data_type));
        return Err(placed(Problem::at(span, what).hint("order by one of its values: m['a'], or by CARDINALITY(m)")));
    }
    lengths(&mut [&mut sort.expr], schema);
    Ok(())
}

fn has_map(data_type: &DataType) -> bool {
    match data_type {
        DataType::Map(..) => true,
        DataType::Struct(fields) => fields.iter().any(|field| has_map(field.data_type())),
        DataType::List(item) => has_map(item.data_type()),
        _ => false,
    }
}

/// What MIN and MAX of intervals are: the first or the last by their lengths.
fn extreme(func: &AggregateUDF, args: &[Expr], schema: &DFSchema) -> Option<(Arc<AggregateUDF>, Sort)> {
    let name = match func.name() {
        "min" => "FIRST_VALUE",
        "max" => "LAST_VALUE",
        _ => return None,
    };
    let [arg] = args else { return None };
    matches!(arg.get_type(schema), Ok(DataType::Interval(_))).then_some(())?;
    let call = Arc::new(Bound::udf(highwater_core::aggregate::find(name)?));
    Some((call, length(arg.clone()).sort(true, false)))
}

/// Whether an interval of months stands in an expression.
fn has_months(expr: &Expr) -> bool {
    let months = |part: &Expr| match part {
        Expr::Literal(ScalarValue::IntervalMonthDayNano(Some(value)), _) => value.months != 0,
        Expr::Literal(ScalarValue::IntervalYearMonth(Some(months)), _) => *months != 0,
        _ => false,
    };
    expr.exists(|part| Ok(months(part))).unwrap_or(true)
}

/// What texts are not compared with.
pub(super) fn is_other(data_type: &DataType) -> bool {
    use DataType::{Boolean, Date32, Time32, Timestamp};
    data_type.is_numeric() || matches!(data_type, Boolean | Date32 | Time32(_) | Timestamp(..))
}

/// The literal text that an expression is.
fn literal_text(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Literal(ScalarValue::Utf8(Some(text)), _) => Some(text),
        Expr::Alias(alias) => literal_text(&alias.expr),
        _ => None,
    }
}

/// Refuses to compare a text with what is no text, but for a literal that reads as such.
fn refuse(left: &Expr, of_left: &DataType, right: &Expr, of_right: &DataType) -> Result<()> {
    let (text, other, as_type) = match (of_left.is_string(), of_right.is_string()) {
        (true, false) if is_other(of_right) => (left, right, of_right),
        (false, true) if is_other(of_left) => (right, left, of_left),
        _ => return Ok(()),
    };
    if let Some(written) = literal_text(text)
        && reads_text(as_type)
        && read_text_as(&StringArray::from(vec![written]), as_type, Zone::utc()).is_err()
    {
        let (named, shown) = (sql_type(as_type), readable(&other.human_display().to_string()));
        let what = format!("'{written}' stands beside a value of type {named}, and reads as none");
        let span = place_of(other).map_or_else(Span::empty, from_planner);
        let hint = format!("write a value of type {named}, or CAST({shown} AS VARCHAR) to have texts");
        return Err(placed(Problem::at(span, what).hint(hint)));
    }
    if is_literal(text) {
        return Ok(());
    }
    let span = place_of(text).or_else(|| place_of(other)).map_or_else(Span::empty, from_planner);
    let (shown, named) = (readable(&text.human_display().to_string()), sql_type(as_type));
    let what = format!("'{shown}' is a text and is compared with a value of type {named}");
    let hint = match is_literal(other) {
        true => format!(
            "write CAST({shown} AS {named}), or TRY_CAST where not every text is one (it gives NULL); or compare with a text: '{}'",
            other.human_display()
        ),
        false => format!("write CAST({shown} AS {named}), or TRY_CAST where not every text is one (it gives NULL)"),
    };
    Err(placed(Problem::at(span, what).hint(hint)))
}

fn is_literal(expr: &Expr) -> bool {
    match expr {
        Expr::Literal(..) => true,
        Expr::Alias(alias) => is_literal(&alias.expr),
        Expr::Cast(cast) => is_literal(&cast.expr),
        Expr::Negative(inner) => is_literal(inner),
        _ => false,
    }
}
