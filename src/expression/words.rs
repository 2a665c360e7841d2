//! Expressions and types as SQL writes them.

use std::fmt::{self, Display};

use arrow_schema::{DataType, TimeUnit};
use datafusion_common::ScalarValue;
use datafusion_physical_expr::ScalarFunctionExpr;
use datafusion_physical_expr::expressions::{
    BinaryExpr, CaseExpr, CastExpr, Column, IsNotNullExpr, IsNullExpr, Literal, NotExpr, TryCastExpr,
};

use super::{Attempt, Scalar};
use crate::time::format_time_ms;

/// A name that the planner made, as SQL would write it: `count(*)`, `substr(t.page,2)`.
pub(crate) fn plain(name: &str) -> String {
    let mut plain = name.replace("count(Int64(1))", "count(*)");
    for literal in ["Int8(", "Int16(", "Int32(", "Int64(", "Float64(", "Boolean("] {
        while let Some(start) = plain.find(literal) {
            let Some(end) = plain[start..].find(')').map(|end| start + end) else { break };
            plain = format!("{}{}{}", &plain[..start], &plain[start + literal.len()..end], &plain[end + 1..]);
        }
    }
    plain
}

/// A type as SQL writes it; one that SQL has no word for keeps Arrow's.
pub fn sql_type(data_type: &DataType) -> String {
    match data_type {
        DataType::Utf8 => "VARCHAR".to_owned(),
        DataType::Boolean => "BOOLEAN".to_owned(),
        DataType::Int8 => "TINYINT".to_owned(),
        DataType::Int16 => "SMALLINT".to_owned(),
        DataType::Int32 => "INT".to_owned(),
        DataType::Int64 => "BIGINT".to_owned(),
        DataType::Float32 => "FLOAT".to_owned(),
        DataType::Float64 => "DOUBLE".to_owned(),
        DataType::Date32 => "DATE".to_owned(),
        DataType::Timestamp(TimeUnit::Millisecond, None) => "TIMESTAMP(3)".to_owned(),
        DataType::Timestamp(TimeUnit::Millisecond, Some(_)) => "TIMESTAMP_LTZ(3)".to_owned(),
        DataType::Decimal128(precision, scale) => format!("DECIMAL({precision}, {scale})"),
        DataType::List(item) => format!("ARRAY<{}>", sql_type(item.data_type())),
        DataType::Struct(fields) => {
            let fields = fields.iter().map(|field| format!("{} {}", field.name(), sql_type(field.data_type())));
            format!("ROW<{}>", fields.collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

/// An expression as SQL writes it, columns by name.
#[derive(Debug)]
pub struct Sql<'a>(pub &'a Scalar);

impl Display for Sql<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(literal) = self.0.downcast_ref::<Literal>() {
            return match literal.value() {
                ScalarValue::Utf8(Some(text)) => write!(f, "'{}'", text.replace('\'', "''")),
                ScalarValue::TimestampMillisecond(Some(ms), None) => write!(f, "'{}'", format_time_ms(*ms)),
                other => write!(f, "{other}"),
            };
        }
        if let Some(column) = self.0.downcast_ref::<Column>() {
            return f.write_str(&plain(column.name()));
        }
        if let Some(binary) = self.0.downcast_ref::<BinaryExpr>() {
            // Operators of one rank are read from the left.
            let rank = binary.op().precedence();
            let side = |side: &Scalar, least: u8, f: &mut fmt::Formatter<'_>| match side.downcast_ref::<BinaryExpr>() {
                Some(inner) if inner.op().precedence() < least => write!(f, "({})", Sql(side)),
                _ => write!(f, "{}", Sql(side)),
            };
            side(binary.left(), rank, f)?;
            write!(f, " {} ", binary.op())?;
            return side(binary.right(), rank.saturating_add(1), f);
        }
        if let Some(call) = self.0.downcast_ref::<ScalarFunctionExpr>() {
            write!(f, "{}(", call.name())?;
            for (position, arg) in call.args().iter().enumerate() {
                write!(f, "{}{}", if position == 0 { "" } else { ", " }, Sql(arg))?;
            }
            return f.write_str(")");
        }
        if let Some(cast) = self.0.downcast_ref::<CastExpr>() {
            return write!(f, "CAST({} AS {})", Sql(cast.expr()), sql_type(cast.cast_type()));
        }
        if let Some(cast) = self.0.downcast_ref::<TryCastExpr>() {
            return write!(f, "TRY_CAST({} AS {})", Sql(cast.expr()), sql_type(cast.cast_type()));
        }
        if let Some(attempt) = self.0.downcast_ref::<Attempt>() {
            return write!(f, "TRY({})", Sql(attempt.tried()));
        }
        if let Some(case) = self.0.downcast_ref::<CaseExpr>() {
            f.write_str("CASE")?;
            case.expr().map_or(Ok(()), |base| write!(f, " {}", Sql(base)))?;
            for (when, then) in case.when_then_expr() {
                write!(f, " WHEN {} THEN {}", Sql(when), Sql(then))?;
            }
            case.else_expr().map_or(Ok(()), |other| write!(f, " ELSE {}", Sql(other)))?;
            return f.write_str(" END");
        }
        if let Some(not) = self.0.downcast_ref::<NotExpr>() {
            return match not.arg().is::<BinaryExpr>() {
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
