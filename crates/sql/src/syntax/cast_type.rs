//! The types that casts name where the parser does not read them: `CAST(x AS ROW<a INT>)`, `MAP<STRING, INT>`, `INT ARRAY`.
//!
//! Such a type is read as in the definition of a column and stands as one quoted word in the tokens that the parser gets.
//! What may be cast to what is said here too: rows field by field in their order, arrays and maps item by item.

use arrow_cast::can_cast_types;
use arrow_schema::{DataType, FieldRef};
use datafusion_sql::sqlparser::tokenizer::{Span, Token, TokenWithSpan, Word};

use crate::parse::column_type;
use crate::parse::error::{Problem, through};
use crate::parse::token::{Cursor, is_word, span_of};
use highwater_core::plan::sql_type;

/// The words that nested types begin with.
const NESTED: &[&str] = &["row", "struct", "map", "array", "multiset"];

/// The tokens with nested types of casts as one word; `written` are those of the file, which keep the case of names.
pub(crate) fn prepare(tokens: Vec<TokenWithSpan>, written: &[TokenWithSpan]) -> Result<Vec<TokenWithSpan>, Problem> {
    let wanted = |token: &TokenWithSpan| NESTED.iter().any(|word| is_word(&token.token, word));
    if !tokens.iter().any(wanted) {
        return Ok(tokens);
    }
    let mut out: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
    // For every open parenthesis whether it is that of a cast.
    let mut open: Vec<bool> = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let token = &tokens[at];
        match &token.token {
            Token::LParen => {
                let before = at.checked_sub(1).map(|before| &tokens[before].token);
                open.push(before.is_some_and(|word| is_word(word, "cast") || is_word(word, "try_cast")));
            }
            Token::RParen => drop(open.pop()),
            _ => {}
        }
        out.push(token.clone());
        at += 1;
        let named = token.token == Token::DoubleColon || open.last() == Some(&true) && is_word(&token.token, "as");
        if named && let Some((word, length)) = nested(tokens.get(at), written)? {
            out.push(word);
            at += length;
        }
    }
    Ok(out)
}

/// The nested type that begins with a token, as one word, and how many tokens it has.
fn nested(first: Option<&TokenWithSpan>, written: &[TokenWithSpan]) -> Result<Option<(TokenWithSpan, usize)>, Problem> {
    let Some(at) = first.and_then(|first| written.iter().position(|token| token.span == first.span)) else {
        return Ok(None);
    };
    let tokens = &written[at..];
    let begins = NESTED.iter().any(|word| is_word(&tokens[0].token, word));
    let mut cursor = Cursor::new(tokens);
    let (data_type, nullable) = match column_type::parse(&mut cursor) {
        Ok(read) => read,
        Err(problem) if begins => return Err(problem),
        Err(_) => return Ok(None),
    };
    if !data_type.is_nested() {
        return Ok(None);
    }
    let length = tokens.len() - cursor.rest().len();
    let span = span_of(&tokens[..length]);
    if !nullable || !all_nullable(&data_type) {
        return Err(
            Problem::at(span, "a cast does not say NOT NULL").hint("leave NOT NULL out: a cast of NULL is NULL")
        );
    }
    let text: Vec<String> = tokens[..length].iter().map(|token| token.token.to_string()).collect();
    let word = Word {
        value: text.join(" "),
        quote_style: Some('`'),
        keyword: datafusion_sql::sqlparser::keywords::Keyword::NoKeyword,
    };
    Ok(Some((TokenWithSpan { token: Token::Word(word), span: through(span, span) }, length)))
}

fn all_nullable(data_type: &DataType) -> bool {
    let field = |field: &FieldRef| field.is_nullable() && all_nullable(field.data_type());
    match data_type {
        DataType::List(item) => field(item),
        DataType::Struct(fields) => fields.iter().all(field),
        // The keys of a map are never NULL.
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(pair) => pair.iter().skip(1).all(field),
            _ => true,
        },
        _ => true,
    }
}

/// Refuses a cast that is none; `shown` is what is cast.
pub(crate) fn check(shown: &str, from: &DataType, to: &DataType, span: Span) -> Result<(), Problem> {
    match refused(from, to) {
        None => Ok(()),
        Some((from, to)) => {
            let what = format!("a value of type {} is not cast to {}", sql_type(&from), sql_type(&to));
            Err(Problem::at(span, what).hint(remedy(shown, &from, &to)))
        }
    }
}

/// The types within two types of which one is not cast to the other.
fn refused(from: &DataType, to: &DataType) -> Option<(DataType, DataType)> {
    let here = || Some((from.clone(), to.clone()));
    let pairs = |from: &FieldRef, to: &FieldRef| refused(from.data_type(), to.data_type());
    match (from, to) {
        (from, to) if from == to || from.is_null() => None,
        (DataType::List(from), DataType::List(to)) | (DataType::Map(from, _), DataType::Map(to, _)) => pairs(from, to),
        (DataType::Struct(given), DataType::Struct(wanted)) if given.len() == wanted.len() => {
            let place = |name: &str| given.iter().position(|field| field.name().eq_ignore_ascii_case(name));
            let places: Option<Vec<usize>> = wanted.iter().map(|field| place(field.name())).collect();
            match places {
                // By their names this would be another cast than by their places.
                Some(places) if !places.is_sorted() => here(),
                _ => given.iter().zip(wanted).find_map(|(from, to)| pairs(from, to)),
            }
        }
        (from, to) if from.is_nested() && to.is_string() => None,
        (from, to) if from.is_nested() || to.is_nested() => here(),
        (from, to) if from.is_numeric() && is_time(to) => here(),
        // The library would show how the number lies in memory.
        (from, DataType::Binary) if from.is_numeric() => here(),
        (from, to) if can_cast_types(from, to) => None,
        _ => here(),
    }
}

/// Whether values are times, days or times of day: a number is none of them.
fn is_time(to: &DataType) -> bool {
    to.is_temporal() && !matches!(to, DataType::Interval(_) | DataType::Duration(_))
}

/// What to write instead.
fn remedy(shown: &str, from: &DataType, to: &DataType) -> String {
    match (from, to) {
        (DataType::Struct(from), DataType::Struct(to)) if from.len() == to.len() => {
            let named = |name: &str| from.iter().find(|from| from.name().eq_ignore_ascii_case(name));
            let fields = to.iter().filter_map(|to| named(to.name())).map(|from| format!("{shown}.{}", from.name()));
            let fields: Vec<String> = fields.collect();
            format!(
                "fields go by their places, and here their names would go another way: write ROW({})",
                fields.join(", ")
            )
        }
        (DataType::Struct(_), DataType::Struct(to)) => {
            let fields: Vec<&str> = to.iter().map(|to| to.name().as_str()).collect();
            format!("both have the same number of fields: write ROW({})", fields.join(", "))
        }
        (from, DataType::Struct(_) | DataType::Map(..) | DataType::List(_)) if from.is_string() => {
            "declare the column as ROW<...>, ARRAY<...> or MAP<...>, or take parts of JSON: JSON_VALUE(s, '$.a')"
                .to_owned()
        }
        (from, DataType::Timestamp(..)) if from.is_numeric() => {
            format!(
                "write TO_TIMESTAMP_LTZ({shown}, 3) of milliseconds since 1970, or TO_TIMESTAMP_LTZ({shown}, 0) of seconds"
            )
        }
        (from, DataType::Date32) if from.is_numeric() => {
            format!("write TIMESTAMPADD(DAY, {shown}, DATE '1970-01-01') of days since 1970")
        }
        (from, to) if from.is_numeric() && is_time(to) => {
            format!("write TIMESTAMPADD(SECOND, {shown}, TIME '00:00:00') of seconds since midnight")
        }
        (_, DataType::List(_)) => "write ARRAY[x]".to_owned(),
        (_, DataType::Map(..)) => "write MAP['key', x]".to_owned(),
        (_, DataType::Struct(_)) => "write ROW(x)".to_owned(),
        (DataType::Struct(_), _) => "take one of its fields: r.a".to_owned(),
        (DataType::List(_) | DataType::Map(..), _) => "take one of its items, x[1], or write CARDINALITY(x)".to_owned(),
        (DataType::Time32(_), DataType::Date32 | DataType::Timestamp(..)) => {
            // A literal is shown without its type.
            match shown.starts_with(|c: char| c.is_ascii_digit()) {
                true => format!("write DATE '2024-01-01' + TIME '{shown}'"),
                false => format!("write DATE '2024-01-01' + {shown}"),
            }
        }
        (from, DataType::Boolean) if !from.is_string() => format!("compare it: {shown} IS NOT NULL"),
        (_, DataType::Binary) => format!("write ENCODE(CAST({shown} AS VARCHAR), 'UTF-8') for the bytes of its text"),
        (DataType::Boolean, to) if is_time(to) => {
            "a truth value is no time: write CASE WHEN b THEN a.ts ELSE b.ts END".to_owned()
        }
        (DataType::Boolean, to) if to.is_numeric() => {
            format!("write CAST(CAST({shown} AS INT) AS {})", sql_type(to))
        }
        (DataType::Interval(_) | DataType::Duration(_), to) if to.is_numeric() => {
            "write TIMESTAMPDIFF(SECOND, a, b) of the times that it is between, for a number of seconds".to_owned()
        }
        _ => format!("write CAST(CAST({shown} AS VARCHAR) AS {})", sql_type(to)),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::parse::token::statements;

    fn prepared(text: &str) -> Result<String, Problem> {
        let tokens = statements(text)?.remove(0);
        let out = prepare(tokens.clone(), &tokens)?;
        Ok(out.iter().map(|token| token.token.to_string()).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn nested_types_are_one_word() {
        for (text, read) in [
            ("CAST(x AS ROW<A INT, b ROW<c INT>>)", "CAST ( x AS `ROW < A INT , b ROW < c INT >>` )"),
            ("CAST(f(a, b) AS MAP<STRING, INT ARRAY>)", "CAST ( f ( a , b ) AS `MAP < STRING , INT ARRAY >` )"),
            ("TRY_CAST(x AS INT ARRAY) AS row", "TRY_CAST ( x AS `INT ARRAY` ) AS row"),
            ("x::ARRAY<INT>[1]", "x :: `ARRAY < INT >` [ 1 ]"),
            ("CAST(ARRAY[1] AS VARCHAR(3)) AS a", "CAST ( ARRAY [ 1 ] AS VARCHAR ( 3 ) ) AS a"),
            ("SELECT ROW(1) AS map FROM t", "SELECT ROW ( 1 ) AS map FROM t"),
        ] {
            assert_eq!(prepared(text).unwrap(), read);
        }
        for (text, says) in [
            ("CAST(x AS ROW<a INTT>)", "'INTT' is not a type"),
            ("CAST(x AS MULTISET<INT>)", "MULTISET is not supported"),
            ("CAST(x AS ROW<a INT NOT NULL>)", "NOT NULL"),
            ("CAST(x AS MAP<STRING>)", "expected ','"),
        ] {
            assert!(prepared(text).unwrap_err().message.contains(says), "{text}");
        }
    }
}
