//! Calls that the SQL planner would not understand as written, made into plain ones in the syntax tree: units of time that
//! stand as words in an argument list, FLOOR and CEIL of a time to a unit.

use datafusion_sql::sqlparser::ast::{
    BinaryOperator, CastKind, CeilFloorKind, CharacterLength, DataType, DateTimeField, Expr, Function, FunctionArg,
    FunctionArgExpr, FunctionArguments, Ident, ObjectName, UnaryOperator, Value, ValueWithSpan,
};

use super::as_text::{CUT, PAD};
use super::fitted::FITTED;
use super::texts::TIMES;
use crate::parse::column_type::lengths;
use crate::parse::made::call;
use highwater_core::expression::{REGEXP, RLIKE, WHOLE_SECONDS};

/// Functions whose first argument is a unit of time as a bare word.
const UNIT_FIRST: &[&str] = &["timestampadd", "timestampdiff"];

/// Rewrites such a call: `TIMESTAMPDIFF(HOUR, a, b)` to `timestampdiff('HOUR', a, b)`, `FLOOR(ts TO HOUR)` to
/// `timestamp_floor('HOUR', ts)`, CEIL likewise. Every other expression stays as it is.
pub fn rewrite_call(expr: &mut Expr) {
    match expr {
        Expr::Function(function) => {
            unit_word_to_text(function);
            first_there(function);
        }
        Expr::Floor { expr: inner, field: CeilFloorKind::DateTimeField(unit) } if is_unit(unit) => {
            *expr = rounded("timestamp_floor", unit, inner);
        }
        Expr::Ceil { expr: inner, field: CeilFloorKind::DateTimeField(unit) } if is_unit(unit) => {
            *expr = rounded("timestamp_ceil", unit, inner);
        }
        Expr::Like { negated, any: false, expr: text, pattern, escape_char } if !is_plain(pattern, escape_char) => {
            *expr = matched("like", *negated, text, pattern, escape_char);
        }
        Expr::ILike { negated, any: false, expr: text, pattern, escape_char } if !is_plain(pattern, escape_char) => {
            *expr = matched("ilike", *negated, text, pattern, escape_char);
        }
        Expr::SimilarTo { negated, expr: text, pattern, escape_char } => {
            *expr = matched("similar", *negated, text, pattern, escape_char);
        }
        Expr::BinaryOp { left, op: BinaryOperator::Multiply, right } => {
            let interval = |side: &Expr| matches!(side, Expr::Interval(_));
            if interval(right) {
                *expr = call(TIMES, vec![left.as_ref().clone(), right.as_ref().clone()]);
            } else if interval(left) {
                *expr = call(TIMES, vec![right.as_ref().clone(), left.as_ref().clone()]);
            }
        }
        Expr::RLike { negated, expr: text, pattern, regexp } => {
            let name = if *regexp { REGEXP } else { RLIKE };
            *expr = matched(name, *negated, text, pattern, &None);
        }
        Expr::Cast { kind: CastKind::Cast | CastKind::TryCast | CastKind::DoubleColon, data_type, .. } => {
            if let Some((name, length)) = cut(data_type) {
                let length = Expr::value(Value::Number(length.to_string(), false));
                *expr = call(name, vec![expr.clone(), length]);
            } else if whole_seconds(data_type) {
                *expr = rounded(WHOLE_SECONDS, &DateTimeField::Second, expr);
            } else if let Some(named) = cut_within(data_type) {
                *expr = call(FITTED, vec![expr.clone(), text(&named)]);
            }
        }
        _ => {}
    }
}

/// Whether Arrow's own LIKE, whose escape is the backslash, means the same.
fn is_plain(pattern: &Expr, escape: &Option<ValueWithSpan>) -> bool {
    let literal = matches!(pattern, Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(text), .. }) if !text.contains('\\'));
    literal && escape.is_none()
}

fn matched(name: &str, negated: bool, value: &Expr, pattern: &Expr, escape: &Option<ValueWithSpan>) -> Expr {
    let mut args = vec![value.clone(), pattern.clone()];
    args.extend(escape.clone().map(Expr::Value));
    let found = call(name, args);
    if negated { Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(found) } } else { found }
}

/// The function that cuts text to the length that its type has, and the length.
fn cut(data_type: &DataType) -> Option<(&'static str, u64)> {
    let length = |length: &CharacterLength| match length {
        CharacterLength::IntegerLength { length, .. } => Some(*length),
        CharacterLength::Max => None,
    };
    match data_type {
        DataType::Varchar(Some(n)) | DataType::CharacterVarying(Some(n)) | DataType::CharVarying(Some(n)) => {
            Some((CUT, length(n)?))
        }
        DataType::Char(Some(n)) | DataType::Character(Some(n)) => Some((PAD, length(n)?)),
        DataType::Char(None) | DataType::Character(None) => Some((PAD, 1)),
        _ => None,
    }
}

/// Whether a type is that of times without parts of a second.
fn whole_seconds(data_type: &DataType) -> bool {
    match data_type {
        DataType::Timestamp(precision, _) | DataType::Datetime(precision) | DataType::Time(precision, _) => {
            *precision == Some(0)
        }
        DataType::Custom(name, precision) => {
            name.to_string().eq_ignore_ascii_case("timestamp_ltz")
                && precision.first().is_some_and(|precision| precision == "0")
        }
        _ => false,
    }
}

/// A nested type in which texts have lengths, as it is written.
fn cut_within(data_type: &DataType) -> Option<String> {
    let DataType::Custom(name, _) = data_type else { return None };
    let named = name.to_string();
    let fits = lengths(&named)?.iter().any(Option::is_some);
    let tight = [(" < ", "<"), (" >", ">"), (" ( ", "("), (" )", ")"), (" ,", ",")];
    fits.then(|| {
        tight.iter().fold(named.trim_matches('`').to_owned(), |named, (wide, tight)| named.replace(wide, tight))
    })
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

/// IFNULL is the COALESCE of two.
fn first_there(function: &mut Function) {
    let name = function.name.to_string();
    let two = matches!(&function.args, FunctionArguments::List(list) if list.args.len() == 2);
    if two && ["ifnull", "nvl"].iter().any(|known| known.eq_ignore_ascii_case(&name)) {
        function.name = ObjectName::from(vec![Ident::new("coalesce")]);
    }
}

fn rounded(name: &str, unit: &DateTimeField, time: &Expr) -> Expr {
    call(name, vec![text(&unit.to_string()), time.clone()])
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
            ("a LIKE 'b%'", "a LIKE 'b%'"),
            ("a LIKE 'b\\\\%'", "like(a, 'b\\\\%')"),
            ("a NOT LIKE b", "NOT like(a, b)"),
            ("a LIKE 'b' ESCAPE '!'", "like(a, 'b', '!')"),
            ("a SIMILAR TO b", "similar(a, b)"),
            ("CAST(a AS VARCHAR(3))", "__varchar(CAST(a AS VARCHAR(3)), 3)"),
            ("CAST(a AS CHAR)", "__char(CAST(a AS CHAR), 1)"),
            ("CAST(a AS VARCHAR)", "CAST(a AS VARCHAR)"),
            (
                "CAST(a AS `ARRAY < VARCHAR ( 3 ) >`)",
                "__fitted(CAST(a AS `ARRAY < VARCHAR ( 3 ) >`), 'ARRAY<VARCHAR(3)>')",
            ),
            ("CAST(a AS TIMESTAMP(0))", "__whole_seconds('SECOND', CAST(a AS TIMESTAMP(0)))"),
            ("CAST(a AS TIME(0))", "__whole_seconds('SECOND', CAST(a AS TIME(0)))"),
            ("CAST(a AS TIMESTAMP_LTZ(0))", "__whole_seconds('SECOND', CAST(a AS TIMESTAMP_LTZ(0)))"),
            ("CAST(a AS TIMESTAMP(3))", "CAST(a AS TIMESTAMP(3))"),
            ("CAST(a AS `ARRAY < VARCHAR >`)", "CAST(a AS `ARRAY < VARCHAR >`)"),
            ("f(HOUR, a)", "f(HOUR, a)"),
        ] {
            assert_eq!(rewritten(written), plain);
        }
    }
}
