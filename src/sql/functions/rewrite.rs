//! Calls that the SQL planner would not understand as written, made into plain ones in the syntax tree: units of time that
//! stand as words in an argument list, FLOOR and CEIL of a time to a unit.

use datafusion_sql::sqlparser::ast::{
    CeilFloorKind, DateTimeField, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList,
    FunctionArguments, Ident, ObjectName, Value,
};

/// Functions whose first argument is a unit of time as a bare word.
const UNIT_FIRST: &[&str] = &["timestampadd", "timestampdiff"];

/// Rewrites such a call: `TIMESTAMPDIFF(HOUR, a, b)` to `timestampdiff('HOUR', a, b)`, `FLOOR(ts TO HOUR)` to
/// `timestamp_floor('HOUR', ts)`, CEIL likewise. Every other expression stays as it is.
pub fn rewrite_call(expr: &mut Expr) {
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
        let mut expr = Parser::new(&GenericDialect {}).try_with_sql(sql).unwrap().parse_expr().unwrap();
        rewrite_call(&mut expr);
        expr.to_string()
    }

    #[test]
    fn units_become_text() {
        for (written, plain) in [
            ("TimestampDiff(HOUR, a, b)", "TimestampDiff('HOUR', a, b)"),
            ("FLOOR(ts TO HOUR)", "timestamp_floor('HOUR', ts)"),
            ("CEIL(ts TO MINUTE)", "timestamp_ceil('MINUTE', ts)"),
            ("CEIL(x)", "CEIL(x)"),
            ("f(HOUR, a)", "f(HOUR, a)"),
        ] {
            assert_eq!(rewritten(written), plain);
        }
    }
}
