//! Expressions and types as SQL writes them.

use std::fmt::{self, Display};
use std::sync::Arc;

use arrow_array::types::{Decimal128Type, Decimal256Type, DecimalType};
use arrow_schema::{DataType, Schema};
use datafusion_common::ScalarValue;
use datafusion_common::tree_node::{Transformed, TreeNode};
use datafusion_expr::Operator;
use datafusion_physical_expr::ScalarFunctionExpr;
use datafusion_physical_expr::expressions::{
    BinaryExpr, CaseExpr, CastExpr, Column, InListExpr, IsNotNullExpr, IsNullExpr, LikeExpr, Literal, NegativeExpr,
    NotExpr, TryCastExpr,
};

use super::json_words::{is_returned, json_call};
use super::{Arithmetic, Attempt, Bounded, ByPlace, CANONICAL, Canonical, Filled, Scalar, Told, plain};
use crate::time::{format_duration_ms, format_time_ms};
use crate::type_names::sql_type;

/// A value as SQL writes it.
pub fn sql_literal(value: &ScalarValue) -> String {
    match value {
        ScalarValue::Utf8(Some(text)) => format!("'{}'", text.replace('\'', "''")),
        ScalarValue::TimestampMillisecond(Some(ms), _) => format!("'{}'", format_time_ms(*ms)),
        ScalarValue::Date32(Some(_)) => format!("DATE '{value}'"),
        ScalarValue::IntervalMonthDayNano(Some(interval)) if interval.months == 0 => {
            let ms = i64::from(interval.days) * 86_400_000 + interval.nanoseconds / 1_000_000;
            of_length(&format_duration_ms(ms))
        }
        ScalarValue::IntervalMonthDayNano(Some(interval)) if (interval.days, interval.nanoseconds) == (0, 0) => {
            format!("INTERVAL '{}' MONTH", interval.months)
        }
        ScalarValue::DurationMillisecond(Some(ms)) => of_length(&format_duration_ms(*ms)),
        // As short as it can be: 1e20.
        ScalarValue::Float64(Some(value)) if value.is_finite() => whole(format!("{value:?}")),
        ScalarValue::Float32(Some(value)) if value.is_finite() => whole(format!("{value:?}")),
        ScalarValue::Decimal128(Some(value), precision, scale) => {
            Decimal128Type::format_decimal(*value, *precision, *scale)
        }
        ScalarValue::Decimal256(Some(value), precision, scale) => {
            Decimal256Type::format_decimal(*value, *precision, *scale)
        }
        other => other.to_string(),
    }
}

/// An interval: of one unit as SQL writes it, `INTERVAL '10' SECOND`.
fn of_length(text: &str) -> String {
    const UNITS: &[(&str, &str)] = &[("s", "SECOND"), ("min", "MINUTE"), ("h", "HOUR"), ("d", "DAY")];
    let one = text.split_once(' ').and_then(|(count, unit)| {
        let (_, word) = UNITS.iter().find(|(short, _)| *short == unit)?;
        Some(format!("INTERVAL '{count}' {word}"))
    });
    one.unwrap_or_else(|| format!("INTERVAL '{text}'"))
}

/// A number without the places that it does not have.
fn whole(number: String) -> String {
    number.strip_suffix(".0").map_or_else(|| number.clone(), str::to_owned)
}

/// The sides of what is written with an operator between them, the operator, and how strongly it binds.
fn binary(expr: &Scalar) -> Option<(&Scalar, String, &Scalar, u8)> {
    if let Some(Bounded(made)) = expr.downcast_ref::<Bounded>() {
        return binary(made);
    }
    if let Some(binary) = expr.downcast_ref::<BinaryExpr>() {
        if negated(binary).is_some() || held(binary).is_some() || between(binary).is_some() {
            return None;
        }
        return Some((binary.left(), binary.op().to_string(), binary.right(), binary.op().precedence()));
    }
    let call = expr.downcast_ref::<ScalarFunctionExpr>()?;
    let (arithmetic, [left, right]) = (Arithmetic::named(call.name())?, call.args()) else { return None };
    Some((left, arithmetic.to_string(), right, arithmetic.rank()))
}

/// What is taken from 0: negation of whole numbers, as it fails on the least of them.
pub(super) fn negated(binary: &BinaryExpr) -> Option<&Scalar> {
    let zero = |value: &ScalarValue| ScalarValue::new_zero(&value.data_type()).is_ok_and(|zero| zero == *value);
    let taken =
        *binary.op() == Operator::Minus && binary.left().downcast_ref::<Literal>().is_some_and(|l| zero(l.value()));
    taken.then(|| binary.right())
}

/// `x IS TRUE` and the like: what is asked, and the words.
fn held(binary: &BinaryExpr) -> Option<(&Scalar, &'static str)> {
    let ScalarValue::Boolean(Some(value)) = binary.right().downcast_ref::<Literal>()?.value() else { return None };
    let words = match (binary.op(), value) {
        (Operator::IsNotDistinctFrom, true) => "IS TRUE",
        (Operator::IsNotDistinctFrom, false) => "IS FALSE",
        (Operator::IsDistinctFrom, true) => "IS NOT TRUE",
        (Operator::IsDistinctFrom, false) => "IS NOT FALSE",
        _ => return None,
    };
    Some((binary.left(), words))
}

/// `x BETWEEN a AND b`, of which the planner makes two comparisons, either side first.
fn between(binary: &BinaryExpr) -> Option<[&Scalar; 3]> {
    fn sides(compared: &Scalar, op: Operator) -> Option<(&Scalar, &Scalar)> {
        let compared = compared.downcast_ref::<BinaryExpr>()?;
        let (left, right) = (compared.left(), compared.right());
        match *compared.op() {
            found if found == op => Some((left, right)),
            found if Some(found) == op.swap() => Some((right, left)),
            _ => None,
        }
    }
    if *binary.op() != Operator::And {
        return None;
    }
    let ((value, low), (same, high)) = (sides(binary.left(), Operator::GtEq)?, sides(binary.right(), Operator::LtEq)?);
    (value == same).then_some([value, low, high])
}

/// What a CASE takes the first of that is not NULL: the planner makes one of COALESCE.
fn coalesced(case: &CaseExpr) -> Option<Vec<&Scalar>> {
    let (None, Some(last)) = (case.expr(), case.else_expr()) else { return None };
    let values = case.when_then_expr().iter().map(|(when, then)| {
        // Where it is asked more than once it is a column.
        let asked = Sql(when).to_string();
        let bare = asked.strip_prefix('(').and_then(|asked| asked.strip_suffix(')')).unwrap_or(&asked);
        [asked.as_str(), bare].contains(&format!("{} IS NOT NULL", Sql(then)).as_str()).then_some(then)
    });
    let values = values.collect::<Option<Vec<_>>>()?;
    Some(values.into_iter().chain([last]).collect())
}

pub(super) fn listed<'a>(parts: impl IntoIterator<Item = &'a Scalar>) -> String {
    parts.into_iter().map(|part| Sql(part).to_string()).collect::<Vec<_>>().join(", ")
}

/// The function that a cast to times of whole seconds is, as in `TIMESTAMP(0)`.
pub const WHOLE_SECONDS: &str = "__whole_seconds";

/// Functions that are operators of SQL, and their words.
const MATCHES: &[(&str, &str)] =
    &[("like", "LIKE"), ("ilike", "ILIKE"), ("similar", "SIMILAR TO"), (RLIKE, "RLIKE"), (REGEXP, "REGEXP")];

/// What the function `REGEXP` is called where it is written as an operator, `x RLIKE y`.
pub const RLIKE: &str = "__rlike";

/// The same of `x REGEXP y`.
pub const REGEXP: &str = "__regexp";

/// The name of the field that a cast of the query is to. Those that the planner puts in where types meet have none.
pub const WRITTEN: &str = "written";

/// An expression without the casts that the planner puts in: of `10 / d` the column is read as BIGINT, and of `REPEAT(s, n)` the number.
/// `row` are the columns that it reads.
pub(super) fn uncast(expr: &Scalar, row: &Schema) -> Scalar {
    let bare = |part: &Scalar| {
        let cast = part.downcast_ref::<CastExpr>().filter(|cast| cast.target_field().name() != WRITTEN)?;
        Some(Arc::clone(cast.expr()))
    };
    let uncast = Arc::clone(expr).transform_up(|part| {
        if let Some(binary) = part.downcast_ref::<BinaryExpr>() {
            let [left, right] = [binary.left(), binary.right()];
            let [left, right] = [(left, right), (right, left)].map(|(side, other)| {
                let floated = bare(other).is_some() && other.data_type(row).is_ok_and(|of| of == DataType::Float64);
                let shown = if floated { with_places(side) } else { bare(side) };
                shown.unwrap_or_else(|| Arc::clone(side))
            });
            return Ok(Transformed::yes(Arc::new(BinaryExpr::new(left, *binary.op(), right)) as Scalar));
        }
        let parts = part.children();
        if !parts.iter().any(|part| bare(part).is_some()) {
            return Ok(Transformed::no(part));
        }
        let parts = parts.into_iter().map(|part| bare(part).unwrap_or_else(|| Arc::clone(part))).collect();
        part.with_new_children(parts).map(Transformed::yes)
    });
    uncast.map_or_else(|_| Arc::clone(expr), |uncast| uncast.data)
}

/// A literal that makes whole numbers DOUBLEs beside it, with a place: `g / 2.0`.
fn with_places(side: &Scalar) -> Option<Scalar> {
    let &ScalarValue::Float64(Some(value)) = side.downcast_ref::<Literal>()?.value() else { return None };
    let tenths = value * 10.0;
    let shown = value.fract() == 0.0 && tenths.abs() < 1e15;
    shown.then(|| Arc::new(Literal::new(ScalarValue::Decimal128(Some(tenths as i128), 38, 1))) as Scalar)
}

/// The column of what a subquery counts, which is 0 of nothing: the planner says so by COALESCE.
fn counted<'a>(values: &[&'a Scalar]) -> Option<&'a Scalar> {
    let [column, nothing] = values else { return None };
    let column_counts = |column: &Column| column.name().trim_start_matches("(SELECT ").starts_with("count(");
    let counts = column.downcast_ref::<Column>().is_some_and(column_counts);
    let zero = nothing.downcast_ref::<Literal>().is_some_and(|zero| *zero.value() == ScalarValue::Int64(Some(0)));
    (counts && zero).then_some(column)
}

/// A comparison of a text with a pattern, or that it is none of it, as SQL writes it; nothing if it is another expression.
fn matched(expr: &Scalar, not: bool) -> Option<String> {
    let operand = |side: &Scalar| match binary(side) {
        Some((_, op, _, rank)) if rank < Operator::Plus.precedence() && op != "||" => format!("({})", Sql(side)),
        _ => Sql(side).to_string(),
    };
    let (word, not, text, pattern, escape) = match expr.downcast_ref::<LikeExpr>() {
        Some(like) => {
            let word = if like.case_insensitive() { "ILIKE" } else { "LIKE" };
            (word, not != like.negated(), like.expr(), like.pattern(), None)
        }
        None => {
            let call = expr.downcast_ref::<ScalarFunctionExpr>()?;
            let [text, pattern, escape @ ..] = call.args() else { return None };
            (operator_of(call.name())?, not, text, pattern, escape.first())
        }
    };
    let not = if not { "NOT " } else { "" };
    let escape = escape.map_or_else(String::new, |escape| format!(" ESCAPE {}", Sql(escape)));
    Some(format!("{} {not}{word} {}{escape}", operand(text), operand(pattern)))
}

/// The operator that a function is in SQL, which compares a text with a pattern.
pub fn operator_of(name: &str) -> Option<&'static str> {
    MATCHES.iter().find(|(function, _)| *function == name).map(|(_, word)| *word)
}

/// A type of times cut to whole seconds.
fn whole_seconds(of: &DataType) -> String {
    format!("{}(0)", sql_type(of).trim_end_matches("(3)"))
}

/// A unit of time as a word.
fn unit_word(unit: &Scalar) -> String {
    Sql(unit).to_string().trim_matches('\'').to_uppercase()
}

/// What the query casts, if this is a cast that it writes.
fn of_written_cast(expr: &Scalar) -> Option<&Scalar> {
    let cast = expr.downcast_ref::<CastExpr>()?;
    (cast.target_field().name() == WRITTEN).then(|| cast.expr())
}

/// A side of an operator: in brackets if it binds less than `least`.
fn side(side: &Scalar, least: u8, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match binary(side) {
        Some((.., inner)) if inner < least => write!(f, "({})", Sql(side)),
        _ => write!(f, "{}", Sql(side)),
    }
}

/// An expression as SQL writes it, columns by name.
#[derive(Debug)]
pub struct Sql<'a>(pub &'a Scalar);

impl Display for Sql<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(literal) = self.0.downcast_ref::<Literal>() {
            return f.write_str(&sql_literal(literal.value()));
        }
        if let Some(column) = self.0.downcast_ref::<Column>() {
            return f.write_str(&plain(column.name()));
        }
        if let Some((left, op, right, rank)) = binary(self.0) {
            // Operators of one rank are read from the left.
            side(left, rank, f)?;
            write!(f, " {op} ")?;
            return side(right, rank.saturating_add(1), f);
        }
        if let Some((asked, words)) = self.0.downcast_ref::<BinaryExpr>().and_then(held) {
            side(asked, Operator::Plus.precedence(), f)?;
            return write!(f, " {words}");
        }
        if let Some([value, low, high]) = self.0.downcast_ref::<BinaryExpr>().and_then(between) {
            let rank = Operator::Plus.precedence();
            side(value, rank, f)?;
            f.write_str(" BETWEEN ")?;
            side(low, rank, f)?;
            f.write_str(" AND ")?;
            return side(high, rank, f);
        }
        if let Some(value) = self.0.downcast_ref::<BinaryExpr>().and_then(negated) {
            return match binary(value).is_some() {
                true => write!(f, "-({})", Sql(value)),
                false => write!(f, "-{}", Sql(value)),
            };
        }
        if let Some(call) = self.0.downcast_ref::<ScalarFunctionExpr>() {
            if let Some(said) = json_call(call) {
                return f.write_str(&said);
            }
            if let Some(said) = matched(self.0, false) {
                return f.write_str(&said);
            }
            match (call.name(), call.args()) {
                ("array_element", [items, place]) if binary(items).is_none() => {
                    return write!(f, "{}[{}]", Sql(items), Sql(place));
                }
                ("date_part", [unit, time]) if unit.is::<Literal>() => {
                    return write!(f, "EXTRACT({} FROM {})", Sql(unit).to_string().trim_matches('\''), Sql(time));
                }
                ("array", items) => return write!(f, "ARRAY[{}]", listed(items)),
                ("strpos", [text, part]) => return write!(f, "POSITION({} IN {})", Sql(part), Sql(text)),
                ("btrim", [text]) => return write!(f, "TRIM({})", Sql(text)),
                ("btrim", [text, what]) => return write!(f, "TRIM(BOTH {} FROM {})", Sql(what), Sql(text)),
                ("overlay", [text, part, from, length @ ..]) => {
                    write!(f, "OVERLAY({} PLACING {} FROM {}", Sql(text), Sql(part), Sql(from))?;
                    length.iter().try_for_each(|length| write!(f, " FOR {}", Sql(length)))?;
                    return f.write_str(")");
                }
                ("timestamp_floor" | "timestamp_ceil", [unit, time]) if unit.is::<Literal>() => {
                    let word = if call.name() == "timestamp_floor" { "FLOOR" } else { "CEIL" };
                    return write!(f, "{word}({} TO {})", Sql(time), unit_word(unit));
                }
                ("timestampadd" | "timestampdiff", [unit, rest @ ..]) if unit.is::<Literal>() => {
                    return write!(f, "{}({}, {})", call.name(), unit_word(unit), listed(rest));
                }
                (WHOLE_SECONDS, [_, time]) => {
                    let time = of_written_cast(time).unwrap_or(time);
                    return write!(f, "CAST({} AS {})", Sql(time), whole_seconds(call.return_type()));
                }
                ("single", [_, _]) => return f.write_str("(SELECT ...)"),
                ("__read" | "recast", [value]) if !is_returned(value) => {
                    return write!(f, "CAST({} AS {})", Sql(value), sql_type(call.return_type()));
                }
                (CANONICAL | "__interval_ms" | "__read" | "recast", [value]) => return write!(f, "{}", Sql(value)),
                ("__text", [value]) => return write!(f, "CAST({} AS VARCHAR)", Sql(value)),
                ("__varchar", [value, length]) => return write!(f, "CAST({} AS VARCHAR({}))", Sql(value), Sql(length)),
                ("__char", [value, length]) => return write!(f, "CAST({} AS CHAR({}))", Sql(value), Sql(length)),
                ("__fitted", [value, named]) => {
                    return write!(f, "CAST({} AS {})", Sql(value), Sql(named).to_string().trim_matches('\''));
                }
                ("__interval_times", [left, right]) => return write!(f, "{} * {}", Sql(left), Sql(right)),
                ("get_field", [row, fields @ ..]) if fields.iter().all(|field| field.is::<Literal>()) => {
                    write!(f, "{}", Sql(row))?;
                    return fields
                        .iter()
                        .try_for_each(|field| write!(f, ".{}", Sql(field).to_string().trim_matches('\'')));
                }
                _ => {}
            }
            return write!(f, "{}({})", plain(call.name()), listed(call.args()));
        }
        if let Some(cast) = self.0.downcast_ref::<CastExpr>() {
            if is_returned(cast.expr()) {
                return write!(f, "{}", Sql(cast.expr()));
            }
            return write!(f, "CAST({} AS {})", Sql(cast.expr()), sql_type(cast.cast_type()));
        }
        if let Some(cast) = self.0.downcast_ref::<TryCastExpr>() {
            return write!(f, "TRY_CAST({} AS {})", Sql(cast.expr()), sql_type(cast.cast_type()));
        }
        if let Some(Bounded(made)) = self.0.downcast_ref::<Bounded>() {
            return write!(f, "{}", Sql(made));
        }
        if let Some(Canonical(value)) = self.0.downcast_ref::<Canonical>() {
            return write!(f, "{}", Sql(value));
        }
        if let Some(placed) = self.0.downcast_ref::<ByPlace>() {
            return write!(f, "{}", Sql(placed.value()));
        }
        if let Some(filled) = self.0.downcast_ref::<Filled>() {
            return write!(f, "{}", Sql(filled.value()));
        }
        if let Some(attempt) = self.0.downcast_ref::<Attempt>() {
            return write!(f, "TRY({})", Sql(attempt.tried()));
        }
        if let Some(told) = self.0.downcast_ref::<Told>() {
            return write!(f, "{}", Sql(told.within()));
        }
        if let Some(case) = self.0.downcast_ref::<CaseExpr>() {
            if let Some(values) = coalesced(case) {
                if let Some(count) = counted(&values) {
                    return write!(f, "{}", Sql(count));
                }
                return write!(f, "coalesce({})", listed(values));
            }
            f.write_str("CASE")?;
            case.expr().map_or(Ok(()), |base| write!(f, " {}", Sql(base)))?;
            for (when, then) in case.when_then_expr() {
                write!(f, " WHEN {} THEN {}", Sql(when), Sql(then))?;
            }
            case.else_expr().map_or(Ok(()), |other| write!(f, " ELSE {}", Sql(other)))?;
            return f.write_str(" END");
        }
        if let Some(said) = matched(self.0, false) {
            return f.write_str(&said);
        }
        if let Some(list) = self.0.downcast_ref::<InListExpr>() {
            let not = if list.negated() { "NOT " } else { "" };
            return write!(f, "{} {not}IN ({})", Sql(list.expr()), listed(list.list()));
        }
        if let Some(negative) = self.0.downcast_ref::<NegativeExpr>() {
            return match binary(negative.arg()).is_some() {
                true => write!(f, "-({})", Sql(negative.arg())),
                false => write!(f, "-{}", Sql(negative.arg())),
            };
        }
        if let Some(not) = self.0.downcast_ref::<NotExpr>() {
            if let Some(said) = matched(not.arg(), true) {
                return f.write_str(&said);
            }
            return match binary(not.arg()).is_some() {
                true => write!(f, "NOT ({})", Sql(not.arg())),
                false => write!(f, "NOT {}", Sql(not.arg())),
            };
        }
        if let Some(null) = self.0.downcast_ref::<IsNullExpr>() {
            return write!(f, "{} IS NULL", Sql(null.arg()));
        }
        if let Some(null) = self.0.downcast_ref::<IsNotNullExpr>() {
            return write!(f, "{} IS NOT NULL", Sql(null.arg()));
        }
        self.0.fmt_sql(f)
    }
}
