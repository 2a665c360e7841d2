//! Which part of an expression failed on a row, and why, in SQL's words.

use arrow_array::RecordBatch;
use arrow_schema::ArrowError;
use datafusion_common::DataFusionError;
use datafusion_physical_expr::ScalarFunctionExpr;
use datafusion_physical_expr::expressions::{
    BinaryExpr, CaseExpr, Column, InListExpr, IsNotNullExpr, IsNullExpr, Literal, NotExpr, TryCastExpr,
};

use super::words::{negated, uncast};
use super::{Attempt, CANONICAL, Canonical, Scalar, Sql, computed, plain, truth};
use crate::delta::Failure;
use crate::type_names::sql_type;

/// Whether there may be rows on which an expression fails: not of columns, literals, comparisons and what combines them.
pub fn can_fail(expression: &Scalar) -> bool {
    use datafusion_expr::Operator;
    if expression.is::<Attempt>() {
        return false;
    }
    let safe = match expression.downcast_ref::<BinaryExpr>() {
        Some(binary) => {
            binary.op().supports_propagation() || matches!(binary.op(), Operator::And | Operator::Or | Operator::NotEq)
        }
        None => {
            expression.is::<Column>()
                || expression.is::<Canonical>()
                || expression.downcast_ref::<ScalarFunctionExpr>().is_some_and(cannot)
                || expression.is::<Literal>()
                || expression.is::<NotExpr>()
                || expression.is::<IsNullExpr>()
                || expression.is::<IsNotNullExpr>()
                || expression.is::<InListExpr>()
                || expression.is::<CaseExpr>()
        }
    };
    !safe || expression.children().into_iter().any(can_fail)
}

/// Whether a function fails on no row: of values of one form, of fields, of the later of two times.
fn cannot(call: &ScalarFunctionExpr) -> bool {
    let time = matches!(call.return_type(), arrow_schema::DataType::Timestamp(..));
    [CANONICAL, "get_field"].contains(&call.name()) || (call.name() == "greatest" && time)
}

/// What failed on the one row of a batch, of expressions of which one fails on it: the innermost expression that does.
pub fn failure<'a>(expressions: impl IntoIterator<Item = &'a Scalar>, row: &RecordBatch) -> Failure {
    let found = expressions.into_iter().find_map(|expression| Some((expression, error(expression, row)?)));
    let Some((mut at, mut why)) = found else {
        let detail = "it failed beside others, and not alone".to_owned();
        return Failure { expression: String::new(), reason: "evaluation", detail };
    };
    while let Some((inner, error)) = failing_part(at, row) {
        (at, why) = (inner, error);
    }
    let detail = match arithmetic(&why).map(|shown| of_sign(at, shown)) {
        Some(shown) => match at.data_type(row.schema_ref()) {
            Ok(data_type) => format!("{shown} is beyond {}", sql_type(&data_type)),
            Err(_) => format!("{shown} is beyond its type"),
        },
        None => plain(&reason(&why)),
    };
    let expression = Sql(&uncast(at, row.schema_ref())).to_string();
    Failure { expression, reason: "evaluation", detail }
}

/// The calculation whose result its type does not hold, if that is what an error says.
fn arithmetic(error: &DataFusionError) -> Option<&str> {
    match error {
        DataFusionError::ArrowError(error, _) => match error.as_ref() {
            ArrowError::ArithmeticOverflow(what) => {
                let shown = what.strip_prefix("Overflow happened on: ").unwrap_or("the result");
                // Times and intervals are not shown as anybody would write them.
                let numbers = shown.chars().all(|c| c.is_ascii_digit() || "+-*/%. ".contains(c));
                Some(if numbers { shown } else { "the result" })
            }
            _ => None,
        },
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => arithmetic(inner),
        _ => None,
    }
}

/// A calculation as it is shown: of a minus that stands alone 0 is no part.
fn of_sign(expression: &Scalar, shown: &str) -> String {
    let taken = shown
        .strip_prefix("0 - ")
        .filter(|_| expression.downcast_ref::<BinaryExpr>().is_some_and(|binary| negated(binary).is_some()));
    taken.map_or_else(|| shown.to_owned(), |taken| format!("-({taken})"))
}

fn error(expression: &Scalar, row: &RecordBatch) -> Option<DataFusionError> {
    computed(|| expression.evaluate(row)?.into_array(row.num_rows())).err()
}

/// The part that fails, if it is not the expression itself; parts that are not evaluated for this row do not count.
fn failing_part<'a>(expression: &'a Scalar, row: &RecordBatch) -> Option<(&'a Scalar, DataFusionError)> {
    let parts: Vec<&Scalar> = match expression.downcast_ref::<CaseExpr>() {
        Some(case) => taken(case, row),
        // It hides what fails.
        None if expression.is::<TryCastExpr>() || expression.is::<Attempt>() => Vec::new(),
        None => expression.children(),
    };
    parts.into_iter().find_map(|part| Some((part, error(part, row)?)))
}

/// The parts of a CASE that count for a row, in the order in which they are looked at.
fn taken<'a>(case: &'a CaseExpr, row: &RecordBatch) -> Vec<&'a Scalar> {
    let mut parts: Vec<&Scalar> = case.expr().into_iter().collect();
    for (when, then) in case.when_then_expr() {
        parts.push(when);
        let holds = match case.expr() {
            Some(base) => {
                let equal = BinaryExpr::new(base.clone(), datafusion_expr::Operator::Eq, when.clone());
                let equal: Scalar = std::sync::Arc::new(equal);
                truth(&equal, row)
            }
            None => truth(when, row),
        };
        match holds {
            Ok(holds) if holds.true_count() == row.num_rows() => {
                parts.push(then);
                return parts;
            }
            Ok(_) => {}
            Err(_) => return parts,
        }
    }
    parts.extend(case.else_expr());
    parts
}

/// An error in plain words.
fn reason(error: &DataFusionError) -> String {
    match error {
        DataFusionError::ArrowError(error, _) => match error.as_ref() {
            ArrowError::DivideByZero => "division by zero".to_owned(),
            // Of days and times, of which the library's are fewer than ours.
            ArrowError::CastError(what) if what.contains("arrow_array::types") || what.contains("to temporal for") => {
                "the day or time is beyond what this takes".to_owned()
            }
            ArrowError::CastError(what) | ArrowError::ComputeError(what) | ArrowError::ArithmeticOverflow(what) => {
                what.clone()
            }
            other => other.to_string(),
        },
        DataFusionError::Execution(what) | DataFusionError::Plan(what) => what.clone(),
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => reason(inner),
        DataFusionError::External(inner) => inner.to_string(),
        other => other.strip_backtrace(),
    }
}
