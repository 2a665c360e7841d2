//! Calls that the SQL planner would not understand as written, made into plain ones in the syntax tree: units of time that
//! stand as words in an argument list, FLOOR and CEIL of a time to a unit.

use std::ops::ControlFlow;

use datafusion_sql::sqlparser::ast::{
    CeilFloorKind, DateTimeField, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList,
    FunctionArguments, Ident, ObjectName, Value, VisitMut, visit_expressions_mut,
};

/// Functions whose first argument is a unit of time as a bare word.
const UNIT_FIRST: &[&str] = &["timestampadd", "timestampdiff"];

/// Rewrites every such call in a statement, query or expression: `TIMESTAMPDIFF(HOUR, a, b)` to
/// `timestampdiff('HOUR', a, b)`, `FLOOR(ts TO HOUR)` to `timestamp_floor('HOUR', ts)`, CEIL likewise.
pub fn rewrite_calls(tree: &mut impl VisitMut) {
    let _ = visit_expressions_mut(tree, |expr| {
        match expr {
            Expr::Function(function) => unit_word_to_text(function),
            Expr::Floor { expr: inner, field: CeilFloorKind::DateTimeField(unit) } if is_unit(unit) => {
                *expr = rounded("timestamp_floor", unit, inner);
            }
            Expr::Ceil { expr: inner, field: CeilFloorKind::DateTimeField(unit) } if is_unit(unit) => {
                *expr = rounded("timestamp_ceil", unit, inner);
            }
            _ => {}
        }
        ControlFlow::<()>::Continue(())
    });
}

fn is_unit(unit: &DateTimeField) -> bool {
    *unit != DateTimeField::NoDateTime
}

fn unit_word_to_text(function: &mut Function) {
    let name = function.name.to_string();
    if !UNIT_FIRST.iter().any(|known| known.eq_ignore_ascii_case(&name)) {
        return;
    }
    let FunctionArguments::List(list) = &mut function.args else { return };
    if let Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(first))) = list.args.first_mut()
        && let Expr::Identifier(unit) = first
    {
        *first = text(&unit.value);
    }
}

fn rounded(name: &str, unit: &DateTimeField, time: &Expr) -> Expr {
    let arg = |expr| FunctionArg::Unnamed(FunctionArgExpr::Expr(expr));
    Expr::Function(Function {
        name: ObjectName::from(vec![Ident::new(name)]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args: vec![arg(text(&unit.to_string())), arg(time.clone())],
            clauses: Vec::new(),
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}

fn text(value: &str) -> Expr {
    Expr::value(Value::SingleQuotedString(value.to_owned()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use datafusion_sql::sqlparser::dialect::GenericDialect;
    use datafusion_sql::sqlparser::parser::Parser;

    use super::*;

    fn rewritten(sql: &str) -> String {
        let mut statements = Parser::parse_sql(&GenericDialect {}, sql).unwrap();
        rewrite_calls(&mut statements);
        statements[0].to_string()
    }

    #[test]
    fn units_become_text() {
        assert_eq!(rewritten("SELECT TimestampDiff(HOUR, a, b) FROM t"), "SELECT TimestampDiff('HOUR', a, b) FROM t");
        assert_eq!(
            rewritten("SELECT FLOOR(TIMESTAMPADD(DAY, 1, ts) TO HOUR), CEIL(x), FLOOR(ts TO DAY)"),
            "SELECT timestamp_floor('HOUR', TIMESTAMPADD('DAY', 1, ts)), CEIL(x), timestamp_floor('DAY', ts)"
        );
        assert_eq!(
            rewritten("SELECT CEIL(ts TO MINUTE), f(HOUR, a)"),
            "SELECT timestamp_ceil('MINUTE', ts), f(HOUR, a)"
        );
    }
}
