//! SQL types to Arrow types, in column definitions (by hand, on tokens) and in casts (from the parser's types).
//!
//! One type a meaning: every TIMESTAMP is `Timestamp(ms)`, every TIMESTAMP_LTZ, which is an instant, the same with the offset
//! +00:00, whatever the session's zone; every text `Utf8`, every TIME `Time32(ms)`.

use std::sync::Arc;

use arrow_schema::{DataType, Field, FieldRef, Fields, TimeUnit};
use datafusion_common::{Result, plan_err};
use datafusion_expr::planner::TypePlanner;
use datafusion_sql::sqlparser::ast;
use datafusion_sql::sqlparser::tokenizer::{Span, Token};

use super::error::{Problem, through};
use super::token::{self, Cursor};
use highwater_core::expression::WRITTEN;

/// The one type of a time.
pub(crate) const TIME: DataType = DataType::Timestamp(TimeUnit::Millisecond, None);

/// The type of an instant.
pub(crate) fn instant() -> DataType {
    DataType::Timestamp(TimeUnit::Millisecond, Some(INSTANT.into()))
}

/// How Arrow's type of an instant is marked.
const INSTANT: &str = "+00:00";

/// Whether a type is that of a time: a local one or an instant.
pub(crate) fn is_time(data_type: &DataType) -> bool {
    *data_type == TIME || is_instant(data_type)
}

/// Whether a type is that of an instant.
pub(crate) fn is_instant(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Timestamp(TimeUnit::Millisecond, Some(offset)) if offset.as_ref() == INSTANT)
}

/// Type names of one or two words with their types; parameters in parentheses are read and have no meaning for them.
const SIMPLE: &[(&[&str], DataType)] = &[
    (&["STRING", "TEXT", "VARCHAR", "CHAR", "CHARACTER VARYING", "CHARACTER"], DataType::Utf8),
    (&["BOOLEAN", "BOOL"], DataType::Boolean),
    (&["BYTES", "VARBINARY", "BINARY", "BYTEA"], DataType::Binary),
    (&["TINYINT"], DataType::Int8),
    (&["SMALLINT"], DataType::Int16),
    (&["INT", "INTEGER"], DataType::Int32),
    (&["BIGINT"], DataType::Int64),
    (&["FLOAT", "REAL"], DataType::Float32),
    (&["DOUBLE PRECISION", "DOUBLE"], DataType::Float64),
    (&["DATE"], DataType::Date32),
    (&["TIME"], DataType::Time32(TimeUnit::Millisecond)),
    (&["TIMESTAMP_LTZ", "TIMESTAMP", "DATETIME"], TIME),
];

/// What `DECIMAL` without numbers means, as in Flink.
const DECIMAL: DataType = DataType::Decimal128(10, 0);

/// The types by their names, for messages.
const KNOWN: &str = "STRING, VARCHAR, CHAR, BOOLEAN, BYTES, TINYINT, SMALLINT, INT, BIGINT, FLOAT, DOUBLE, \
    DECIMAL(p, s), DATE, TIME, TIMESTAMP(3), TIMESTAMP_LTZ(3), ROW<...>, ARRAY<...>, MAP<..., ...>";

/// How long a text is that a cast makes: `VARCHAR(n)` cuts to so many characters, `CHAR(n)` cuts or fills up to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Length {
    /// The characters.
    pub(crate) characters: i64,
    /// Whether what is shorter is filled up.
    pub(crate) fills: bool,
}

/// The lengths of the texts in a nested type, as one word of a cast: one for each type in it that is not nested, from the left.
pub(crate) fn lengths(word: &str) -> Option<Vec<Option<Length>>> {
    let tokens = token::statements(word.trim_matches('`')).ok()?.into_iter().next()?;
    let mut lengths = Vec::new();
    let (data_type, _) = parse_with(&mut Cursor::new(&tokens), &mut lengths).ok()?;
    data_type.is_nested().then_some(lengths)
}

/// Reads a type and whether NULL is allowed.
pub(crate) fn parse(cursor: &mut Cursor<'_>) -> Result<(DataType, bool), Problem> {
    parse_with(cursor, &mut Vec::new())
}

fn parse_with(cursor: &mut Cursor<'_>, lengths: &mut Vec<Option<Length>>) -> Result<(DataType, bool), Problem> {
    let data_type = parse_type(cursor, lengths)?;
    if cursor.eat_words(&["NOT", "NULL"]) {
        return Ok((data_type, false));
    }
    cursor.eat_word("NULL");
    Ok((data_type, true))
}

/// A type, and what makes arrays of it: `INT ARRAY`.
fn parse_type(cursor: &mut Cursor<'_>, lengths: &mut Vec<Option<Length>>) -> Result<DataType, Problem> {
    let mut data_type = parse_item(cursor, lengths)?;
    while cursor.eat_word("ARRAY") {
        data_type = DataType::List(Arc::new(Field::new("item", data_type, true)));
    }
    Ok(data_type)
}

fn parse_item(cursor: &mut Cursor<'_>, lengths: &mut Vec<Option<Length>>) -> Result<DataType, Problem> {
    let start = cursor.span();
    for (names, data_type) in SIMPLE {
        for name in *names {
            let words: Vec<&str> = name.split(' ').collect();
            if cursor.eat_words(&words) {
                let digits = parameter(cursor)?;
                lengths.push(length(name, digits));
                let timed = *data_type == TIME || *name == "TIME";
                if timed && let Some(digits @ 0..3) = digits {
                    return Err(too_coarse(name, digits, through(start, cursor.last_span())));
                }
                let local = timed && read_time_zone(cursor)?;
                let is_instant = *data_type == TIME && (local || *name == "TIMESTAMP_LTZ");
                return Ok(if is_instant { instant() } else { data_type.clone() });
            }
        }
    }
    let name = cursor.name("a type")?;
    match name.value.to_ascii_uppercase().as_str() {
        "DECIMAL" | "NUMERIC" | "DEC" => {
            lengths.push(None);
            decimal(cursor)
        }
        "ROW" | "STRUCT" => Ok(DataType::Struct(fields(cursor, lengths)?)),
        "ARRAY" => {
            cursor.expect(&Token::Lt)?;
            let (item, nullable) = parse_with(cursor, lengths)?;
            cursor.expect_gt()?;
            Ok(DataType::List(Arc::new(Field::new("item", item, nullable))))
        }
        "MAP" => map(cursor, lengths),
        "MULTISET" => Err(Problem::at(start, format!("the type {} is not supported", name.value))
            .hint("declare a MAP<type, INT>, or an ARRAY")),
        _ => Err(Problem::at(start, format!("'{}' is not a type", name.value)).hint(format!("types are {KNOWN}"))),
    }
}

/// `<key, value>`.
fn map(cursor: &mut Cursor<'_>, lengths: &mut Vec<Option<Length>>) -> Result<DataType, Problem> {
    cursor.expect(&Token::Lt)?;
    let start = cursor.span();
    let (key, _) = parse_with(cursor, lengths)?;
    if key.is_nested() {
        let span = through(start, cursor.last_span());
        return Err(Problem::at(span, "the keys of a map are single values").hint("write MAP<STRING, ...>"));
    }
    cursor.expect(&Token::Comma)?;
    let start = cursor.span();
    let (value, nullable) = parse_with(cursor, lengths)?;
    cursor.expect_gt()?;
    if !nullable {
        let span = through(start, cursor.last_span());
        return Err(Problem::at(span, "the values of a map may be NULL").hint("leave NOT NULL out"));
    }
    Ok(map_of(&key, &value))
}

/// A length or precision in parentheses.
fn parameter(cursor: &mut Cursor<'_>) -> Result<Option<u64>, Problem> {
    if !cursor.eat(&Token::LParen) {
        return Ok(None);
    }
    let number = cursor.number("a length or precision")?;
    cursor.expect(&Token::RParen)?;
    Ok(Some(number))
}

/// Refuses a type of times that are cut further than to milliseconds: what is read is kept as it comes.
fn too_coarse(name: &str, digits: u64, span: Span) -> Problem {
    let what = format!("times are kept in milliseconds, and no column or part of one is of {name}({digits})");
    Problem::at(span, what).hint(match digits {
        0 => format!("declare {name}(3), and write CAST(t AS {name}(0)) where whole seconds are wanted"),
        _ => format!("declare {name}(3)"),
    })
}

/// How long values of a type are, if it is one of texts of a length; a CHAR without one has one character.
fn length(name: &str, parameter: Option<u64>) -> Option<Length> {
    let fills = matches!(name, "CHAR" | "CHARACTER");
    let characters = match name {
        "VARCHAR" | "CHARACTER VARYING" => parameter?,
        _ if fills => parameter.unwrap_or(1),
        _ => return None,
    };
    Some(Length { characters: i64::try_from(characters).unwrap_or(i64::MAX), fills })
}

/// Reads what is said of a time zone; whether it is the session's.
fn read_time_zone(cursor: &mut Cursor<'_>) -> Result<bool, Problem> {
    let start = cursor.span();
    let local = cursor.eat_words(&["WITH", "LOCAL", "TIME", "ZONE"]);
    if !local && !cursor.eat_words(&["WITHOUT", "TIME", "ZONE"]) && cursor.eat_words(&["WITH", "TIME", "ZONE"]) {
        return Err(Problem::at(through(start, cursor.last_span()), "times do not carry a time zone of their own")
            .hint("write TIMESTAMP(3), or TIMESTAMP_LTZ(3): a time that is read with an offset is kept in UTC"));
    }
    Ok(local)
}

fn decimal(cursor: &mut Cursor<'_>) -> Result<DataType, Problem> {
    if !cursor.eat(&Token::LParen) {
        return Ok(DECIMAL);
    }
    let start = cursor.span();
    let precision = cursor.number("a precision")?;
    let scale = if cursor.eat(&Token::Comma) { cursor.number("a scale")? } else { 0 };
    cursor.expect(&Token::RParen)?;
    decimal_of(precision, scale as i64).map_err(|message| Problem::at(start, message))
}

fn decimal_of(precision: u64, scale: i64) -> std::result::Result<DataType, String> {
    let refuse =
        || format!("DECIMAL({precision}, {scale}) is out of range: the precision is 1 to 38, the scale 0 to that");
    match (u8::try_from(precision), i8::try_from(scale)) {
        (Ok(p @ 1..=38), Ok(s)) if s >= 0 && s as u8 <= p => Ok(DataType::Decimal128(p, s)),
        _ => Err(refuse()),
    }
}

/// `<a INT, b STRING>`, also `<a: INT>` and `(a INT)`.
fn fields(cursor: &mut Cursor<'_>, lengths: &mut Vec<Option<Length>>) -> Result<Fields, Problem> {
    let round = cursor.eat(&Token::LParen);
    if !round {
        cursor.expect(&Token::Lt)?;
    }
    let mut fields: Vec<Field> = Vec::new();
    loop {
        let name = cursor.name("a field name")?;
        cursor.eat(&Token::Colon);
        if fields.iter().any(|field| field.name().eq_ignore_ascii_case(&name.value)) {
            return Err(Problem::at(name.span, format!("the field '{}' is there twice", name.value)));
        }
        let (data_type, nullable) = parse_with(cursor, lengths)?;
        if let Token::SingleQuotedString(_) = cursor.peek() {
            cursor.next();
        }
        fields.push(Field::new(name.value, data_type, nullable));
        if !cursor.eat(&Token::Comma) {
            break;
        }
    }
    if round {
        cursor.expect(&Token::RParen)?
    } else {
        cursor.expect_gt()?
    }
    Ok(fields.into())
}

/// Types in casts and typed literals, where they differ from DataFusion's.
#[derive(Debug)]
pub(crate) struct CastTypes;

impl TypePlanner for CastTypes {
    fn plan_type_field(&self, sql_type: &ast::DataType) -> Result<Option<FieldRef>> {
        // By its name a cast of the query is told from those that are put in where types meet.
        let data_type = cast_type(sql_type)?.or_else(|| plain_type(sql_type));
        Ok(data_type.map(|data_type| Arc::new(Field::new(WRITTEN, data_type, true))))
    }
}

/// Types that are the library's too.
fn plain_type(sql_type: &ast::DataType) -> Option<DataType> {
    use ast::DataType as Sql;
    Some(match sql_type {
        Sql::Boolean | Sql::Bool => DataType::Boolean,
        Sql::TinyInt(_) => DataType::Int8,
        Sql::SmallInt(_) | Sql::Int2(_) => DataType::Int16,
        Sql::Int(_) | Sql::Integer(_) | Sql::Int4(_) => DataType::Int32,
        Sql::BigInt(_) | Sql::Int8(_) => DataType::Int64,
        Sql::Float(_) | Sql::Real | Sql::Float4 => DataType::Float32,
        Sql::Double(_) | Sql::DoublePrecision | Sql::Float8 => DataType::Float64,
        Sql::Date => DataType::Date32,
        Sql::Varchar(_) | Sql::Text => DataType::Utf8,
        _ => return None,
    })
}

/// Refuses a precision of times that is neither that of seconds nor that of milliseconds.
fn neither<T>(precision: impl std::fmt::Display) -> Result<T> {
    plan_err!(
        "times are cut to whole seconds or kept in milliseconds, and to nothing with a precision of {precision}; write TIMESTAMP(0) or TIMESTAMP(3)"
    )
}

fn cast_type(sql_type: &ast::DataType) -> Result<Option<DataType>> {
    use ast::DataType as Sql;
    Ok(Some(match sql_type {
        Sql::Timestamp(Some(precision @ (1 | 2)), _)
        | Sql::Datetime(Some(precision @ (1 | 2)))
        | Sql::Time(Some(precision @ (1 | 2)), _) => {
            return neither(precision);
        }
        Sql::Timestamp(_, ast::TimezoneInfo::None | ast::TimezoneInfo::WithoutTimeZone) | Sql::Datetime(_) => TIME,
        Sql::Time(_, _) => DataType::Time32(TimeUnit::Millisecond),
        Sql::Decimal(info) | Sql::Numeric(info) | Sql::Dec(info) => match info {
            ast::ExactNumberInfo::None => DECIMAL,
            ast::ExactNumberInfo::Precision(p) => known(decimal_of(*p, 0))?,
            ast::ExactNumberInfo::PrecisionAndScale(p, s) => known(decimal_of(*p, *s))?,
        },
        Sql::Varbinary(_) | Sql::Binary(_) | Sql::Bytes(_) => DataType::Binary,
        Sql::String(_) | Sql::Char(_) | Sql::Character(_) | Sql::CharacterVarying(_) => DataType::Utf8,
        Sql::Custom(name, digits) => match name.to_string().to_ascii_uppercase().as_str() {
            "TIMESTAMP_LTZ" if matches!(digits.first().map(String::as_str), Some("1" | "2")) => {
                return neither(digits[0].as_str());
            }
            "TIMESTAMP_LTZ" => instant(),
            "STRING" => DataType::Utf8,
            "BYTES" => DataType::Binary,
            // A nested one, as the tokens of the query have it.
            other => match nested(&name.to_string()) {
                Some(data_type) => data_type,
                None => return plan_err!("'{other}' is not a type; write one of {KNOWN}"),
            },
        },
        Sql::TinyIntUnsigned(_)
        | Sql::SmallIntUnsigned(_)
        | Sql::IntUnsigned(_)
        | Sql::IntegerUnsigned(_)
        | Sql::BigIntUnsigned(_) => {
            return plan_err!("numbers have a sign: there is no type {sql_type}; write BIGINT, or DECIMAL(20, 0)");
        }
        Sql::Timestamp(..) => {
            return plan_err!("times do not carry a time zone of their own: write TIMESTAMP(3), or TIMESTAMP_LTZ(3)");
        }
        other => match other.to_string().to_ascii_uppercase().as_str() {
            name @ ("UUID" | "JSON" | "JSONB" | "CLOB" | "BLOB" | "INTERVAL") => {
                return plan_err!("'{name}' is not a type; write one of {KNOWN}");
            }
            _ => return Ok(None),
        },
    }))
}

/// The nested type that the tokens of a query have as one word.
fn nested(word: &str) -> Option<DataType> {
    let tokens = token::statements(word.trim_matches('`')).ok()?.into_iter().next()?;
    parse(&mut Cursor::new(&tokens)).ok().map(|(data_type, _)| data_type).filter(DataType::is_nested)
}

fn known(found: std::result::Result<DataType, String>) -> Result<DataType> {
    found.or_else(|message| plan_err!("{message}"))
}

/// The type that a column of a result has for whoever reads it: one type a meaning.
pub(crate) fn plain(data_type: &DataType) -> DataType {
    let field = |field: &FieldRef| {
        let item = Field::new(field.name(), plain(field.data_type()), field.is_nullable());
        Arc::new(item)
    };
    match data_type {
        DataType::Timestamp(_, Some(offset)) if offset.as_ref() == INSTANT => instant(),
        DataType::Timestamp(_, _) => TIME,
        DataType::LargeUtf8 | DataType::Utf8View | DataType::Null => DataType::Utf8,
        DataType::LargeBinary | DataType::BinaryView => DataType::Binary,
        DataType::Time32(_) | DataType::Time64(_) => DataType::Time32(TimeUnit::Millisecond),
        DataType::Date64 => DataType::Date32,
        DataType::Dictionary(_, value) => plain(value),
        DataType::List(item) | DataType::LargeList(item) | DataType::ListView(item) | DataType::LargeListView(item) => {
            DataType::List(field(item))
        }
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(field).collect()),
        DataType::Map(entries, sorted) => DataType::Map(field(entries), *sorted),
        other => other.clone(),
    }
}

/// The type of a map.
pub(crate) fn map_of(key: &DataType, value: &DataType) -> DataType {
    let entries = vec![Field::new("key", key.clone(), false), Field::new("value", value.clone(), true)];
    DataType::Map(Arc::new(Field::new("entries", DataType::Struct(entries.into()), false)), false)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::parse::token::statements;

    fn read(text: &str) -> Result<(DataType, bool), Problem> {
        let tokens = statements(text).unwrap().remove(0);
        let mut cursor = Cursor::new(&tokens);
        let found = parse(&mut cursor)?;
        assert!(cursor.done(), "{text}: {:?} is left", cursor.peek());
        Ok(found)
    }

    #[test]
    fn types_have_flinks_names() {
        let field = |name: &str, t: DataType| Field::new(name, t, true);
        let inner = DataType::Struct(vec![field("c", DataType::Int32)].into());
        let outer = DataType::Struct(vec![field("a", DataType::Int64), field("b", inner.clone())].into());
        for (text, expected) in [
            ("VARCHAR(255)", DataType::Utf8),
            ("string", DataType::Utf8),
            ("CHARACTER VARYING(3)", DataType::Utf8),
            ("DOUBLE PRECISION", DataType::Float64),
            ("FLOAT", DataType::Float32),
            ("DECIMAL(23, 3)", DataType::Decimal128(23, 3)),
            ("NUMERIC", DECIMAL),
            ("TIMESTAMP(3)", TIME),
            ("TIMESTAMP", TIME),
            ("TIMESTAMP(3) WITH LOCAL TIME ZONE", instant()),
            ("TIMESTAMP_LTZ(3)", instant()),
            ("TIMESTAMP(6) WITHOUT TIME ZONE", TIME),
            ("DATE", DataType::Date32),
            ("TIME(3)", DataType::Time32(TimeUnit::Millisecond)),
            ("BYTES", DataType::Binary),
            ("ROW<a BIGINT, b ROW<c INT>>", outer.clone()),
            ("STRUCT<a: BIGINT, b: STRUCT<c: INT>>", outer.clone()),
            ("ROW(a BIGINT, b ROW(c INT))", outer),
            ("ARRAY<ROW<c INT>>", DataType::List(Arc::new(field("item", inner.clone())))),
            ("ROW<c INT> ARRAY", DataType::List(Arc::new(field("item", inner)))),
        ] {
            assert_eq!(read(text).unwrap(), (expected, true), "{text}");
        }
        assert_eq!(read("INT NOT NULL").unwrap(), (DataType::Int32, false));
    }

    #[test]
    fn texts_have_lengths_within_types_too() {
        let (cut, filled) =
            (|n| Some(Length { characters: n, fills: false }), |n| Some(Length { characters: n, fills: true }));
        for (text, expected) in [
            ("`ARRAY < VARCHAR ( 3 ) >`", vec![cut(3)]),
            (
                "ROW<char INT, b CHAR(2), c ARRAY<CHARACTER VARYING(7)>, d CHAR, e STRING>",
                vec![None, filled(2), cut(7), filled(1), None],
            ),
            (
                "MAP<VARCHAR(1), ROW<x DECIMAL(5, 2), y TIMESTAMP(3), z CHARACTER(4)>>",
                vec![cut(1), None, None, filled(4)],
            ),
            ("CHAR(4) ARRAY ARRAY", vec![filled(4)]),
        ] {
            assert_eq!(lengths(text), Some(expected), "{text}");
        }
        assert_eq!(lengths("VARCHAR(3)"), None);
    }

    #[test]
    fn what_is_no_type_is_refused_with_a_hint() {
        for (text, says) in [
            ("MULTISET<INT>", "MULTISET is not supported"),
            ("TIMESTAMP(0)", "times are kept in milliseconds"),
            ("ROW<a INT, b ARRAY<TIME(2)>>", "is of TIME(2)"),
            ("TIMESTAMP_LTZ(1)", "is of TIMESTAMP_LTZ(1)"),
            ("TIMESTAMP(0) WITH LOCAL TIME ZONE", "is of TIMESTAMP(0)"),
            ("MAP<ROW<a INT>, INT>", "single values"),
            ("MAP<STRING, INT NOT NULL>", "may be NULL"),
            ("INTT", "'INTT' is not a type"),
            ("DECIMAL(99, 2)", "DECIMAL(99, 2) is out of range"),
            ("TIMESTAMP WITH TIME ZONE", "time zone"),
            ("ROW<a INT, A INT>", "there twice"),
            ("ARRAY<INT", "expected '>'"),
        ] {
            let problem = read(text).unwrap_err();
            assert!(problem.message.contains(says), "{text}: {problem:?}");
        }
    }
}
