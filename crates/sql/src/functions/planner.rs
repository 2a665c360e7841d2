//! How SQL's own syntax for functions (EXTRACT, SUBSTRING, POSITION, struct fields) becomes calls.

use std::sync::Arc;

use arrow_schema::{DataType, TimeUnit};
use datafusion_common::tree_node::TreeNode;
use datafusion_common::{DFSchema, Result, ScalarValue, plan_err};
use datafusion_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr, RawFieldAccessExpr};
use datafusion_expr::{Expr, ExprSchemable, GetFieldAccess, ScalarUDF, cast, lit};
use datafusion_sql::sqlparser::ast::BinaryOperator;

use super::function::Function;
use super::generic::Generic;
use crate::parse::column_type::TIME;

use highwater_core::plan::sql_type;
use highwater_core::time::Zone;

/// What the SQL planner asks about such syntax, in this order, in a session in this zone.
pub fn planners(zone: Zone) -> Vec<Arc<dyn ExprPlanner>> {
    let find = |family: &'static [Function], name: &str| match family.iter().find(|function| function.name == name) {
        Some(function) => Arc::new(function.udf(zone)),
        None => unreachable!("the family has {name}"),
    };
    let generic = |family: &'static [Generic], name: &str| match family.iter().find(|function| function.name == name) {
        Some(function) => Arc::new(function.udf()),
        None => unreachable!("the family has {name}"),
    };
    vec![
        Arc::new(Syntax {
            date_part: find(super::calendar::FUNCTIONS, "date_part"),
            substr: find(super::pieces::FUNCTIONS, "substr"),
            overlay: find(super::pieces::FUNCTIONS, "overlay"),
            array: generic(super::arrays::FUNCTIONS, "array"),
            element: generic(super::arrays::FUNCTIONS, "array_element"),
            value: generic(super::maps::FUNCTIONS, "map_value"),
            later: find(super::steps::FUNCTIONS, "timestampadd"),
        }),
        Arc::new(super::decimals::Decimals),
        Arc::new(datafusion_functions::core::planner::CoreFunctionPlanner::default()),
        Arc::new(datafusion_functions::unicode::planner::UnicodeFunctionPlanner),
    ]
}

/// Whether an expression is an interval of more than whole months and days.
fn moves_clocks(expr: &Expr, schema: &DFSchema) -> bool {
    let hours = |part: &Expr| match part {
        Expr::Literal(ScalarValue::IntervalMonthDayNano(Some(value)), _) => value.nanoseconds != 0,
        _ => false,
    };
    match expr.get_type(schema) {
        Ok(DataType::Interval(_)) => expr.exists(|part| Ok(hours(part))).unwrap_or_default(),
        Ok(DataType::Duration(_)) => true,
        _ => false,
    }
}

/// The sign of an operator of bits, if it is one.
fn of_bits(op: &BinaryOperator) -> Option<&'static str> {
    Some(match op {
        BinaryOperator::BitwiseAnd => "&",
        BinaryOperator::BitwiseOr => "|",
        BinaryOperator::PGBitwiseShiftLeft => "<<",
        BinaryOperator::PGBitwiseShiftRight => ">>",
        _ => return None,
    })
}

/// A DATE that is moved by hours as the time at its start: a DATE has no room for what comes of it.
fn at_midnight(expr: Expr, moved: bool, schema: &DFSchema) -> Expr {
    match moved && expr.get_type(schema).is_ok_and(|data_type| data_type == DataType::Date32) {
        true => cast(expr, TIME),
        false => expr,
    }
}

/// `EXTRACT(part FROM time)`, `SUBSTRING(text FROM n FOR m)`, `OVERLAY(text PLACING new FROM n)`, `ARRAY[...]` and `x[...]` are
/// functions of ours.
#[derive(Debug)]
struct Syntax {
    date_part: Arc<ScalarUDF>,
    substr: Arc<ScalarUDF>,
    overlay: Arc<ScalarUDF>,
    array: Arc<ScalarUDF>,
    element: Arc<ScalarUDF>,
    value: Arc<ScalarUDF>,
    later: Arc<ScalarUDF>,
}

impl ExprPlanner for Syntax {
    /// A text beside a truth value is read as one where it is a literal (others are refused), before anything asks for types. A DATE
    /// that an interval moves by hours is a TIMESTAMP; so is one with a TIME, which the library would count in nanoseconds.
    fn plan_binary_op(&self, expr: RawBinaryExpr, schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
        let RawBinaryExpr { op, left, right } = expr;
        if let Some(shown) = of_bits(&op) {
            for side in [&left, &right] {
                let of = side.get_type(schema);
                if let Some(other) = of.ok().filter(|of| !of.is_integer() && !of.is_null()) {
                    return plan_err!(
                        "the operator {shown} is of the bits of whole numbers, and one side is of type {}; write CAST(x AS BIGINT) where it is a whole number",
                        sql_type(&other)
                    );
                }
            }
        }
        let compares = matches!(
            op,
            BinaryOperator::Eq
                | BinaryOperator::NotEq
                | BinaryOperator::Lt
                | BinaryOperator::LtEq
                | BinaryOperator::Gt
                | BinaryOperator::GtEq
        );
        let text = |side: &Expr| matches!(side, Expr::Literal(ScalarValue::Utf8(Some(_)), _));
        let truth = |side: &Expr| side.get_type(schema).is_ok_and(|data_type| data_type == DataType::Boolean);
        let (left, right) = match compares {
            true if text(&right) && truth(&left) => (left, cast(right, DataType::Boolean)),
            true if text(&left) && truth(&right) => (cast(left, DataType::Boolean), right),
            _ => (left, right),
        };
        if op == BinaryOperator::Plus {
            let is = |side: &Expr, data_type: DataType| side.get_type(schema).is_ok_and(|found| found == data_type);
            let (clock, date) = (DataType::Time32(TimeUnit::Millisecond), DataType::Date32);
            let joined = match () {
                () if is(&left, date.clone()) && is(&right, clock.clone()) => Some((&left, &right)),
                () if is(&right, date) && is(&left, clock) => Some((&right, &left)),
                () => None,
            };
            if let Some((date, time)) = joined {
                let ms = cast(time.clone(), DataType::Int32);
                return Ok(PlannerResult::Planned(self.later.call(vec![lit("MILLISECOND"), ms, date.clone()])));
            }
        }
        let (left, right) = match op {
            BinaryOperator::Plus | BinaryOperator::Minus => {
                let (from_left, from_right) = (moves_clocks(&right, schema), moves_clocks(&left, schema));
                (at_midnight(left, from_left, schema), at_midnight(right, from_right, schema))
            }
            _ => (left, right),
        };
        Ok(PlannerResult::Original(RawBinaryExpr { op, left, right }))
    }

    fn plan_extract(&self, args: Vec<Expr>) -> Result<PlannerResult<Vec<Expr>>> {
        Ok(PlannerResult::Planned(self.date_part.call(args)))
    }

    fn plan_substring(&self, args: Vec<Expr>) -> Result<PlannerResult<Vec<Expr>>> {
        Ok(PlannerResult::Planned(self.substr.call(args)))
    }

    fn plan_array_literal(&self, items: Vec<Expr>, _: &DFSchema) -> Result<PlannerResult<Vec<Expr>>> {
        Ok(PlannerResult::Planned(self.array.call(items)))
    }

    fn plan_field_access(
        &self,
        access: RawFieldAccessExpr,
        schema: &DFSchema,
    ) -> Result<PlannerResult<RawFieldAccessExpr>> {
        let RawFieldAccessExpr { field_access, expr } = access;
        let map = matches!(expr.get_type(schema)?, DataType::Map(..));
        let called =
            |function: &ScalarUDF, key: Expr| Ok(PlannerResult::Planned(function.call(vec![expr.clone(), key])));
        match &field_access {
            GetFieldAccess::NamedStructField { name } if map => called(&self.value, lit(name.clone())),
            GetFieldAccess::ListIndex { key } if map => called(&self.value, key.as_ref().clone()),
            GetFieldAccess::ListIndex { key } => called(&self.element, key.as_ref().clone()),
            _ => Ok(PlannerResult::Original(RawFieldAccessExpr { field_access, expr })),
        }
    }

    fn plan_overlay(&self, args: Vec<Expr>) -> Result<PlannerResult<Vec<Expr>>> {
        Ok(PlannerResult::Planned(self.overlay.call(args)))
    }
}
