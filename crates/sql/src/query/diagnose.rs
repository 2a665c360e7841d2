//! Errors of the parser and the planner to problems with a place and a hint.

use datafusion_common::{Column, DataFusionError, SchemaError};
use datafusion_sql::sqlparser::tokenizer::{Location, Span, Token, TokenWithSpan};

use super::unfit::{no_match, no_operands, no_signature};
use crate::logical::identity::readable;
use crate::parse::error::{Problem, from_planner, suggest};
use crate::parse::token::is_word;
use crate::parse::unread::syntax;
use crate::syntax::names::place_of;
use highwater_core::expression::plain as in_sql;

/// What messages may speak of.
pub(crate) struct Known<'a> {
    /// The statement's query.
    pub(crate) tokens: &'a [TokenWithSpan],
    /// The relations that exist so far, with those of the whole program.
    pub(crate) relations: &'a [String],
    pub(crate) functions: &'a [String],
}

/// The problems that an error of the planner stands for.
pub(crate) fn problems(error: DataFusionError, known: &Known<'_>) -> Vec<Problem> {
    let mut found = Vec::new();
    collect(error, None, known, &mut found);
    found.iter_mut().for_each(|problem| as_written(problem, known.tokens));
    found
}

/// What the library calls functions of several names, and how programs do.
const WRITTEN: &[(&str, &str)] = &[
    ("SIGNUM", "SIGN"),
    ("BTRIM", "TRIM"),
    ("SUBSTR", "SUBSTRING"),
    ("STRING_AGG", "LISTAGG"),
    ("MAP_VALUE", "ELEMENT_AT"),
    ("ARRAY_ELEMENT", "ELEMENT_AT"),
];

/// Calls a function in a problem as the program does.
fn as_written(problem: &mut Problem, tokens: &[TokenWithSpan]) {
    for (own, written) in WRITTEN {
        let is_there = |name: &str| tokens.iter().any(|token| is_word(&token.token, name));
        if is_there(own) || !is_there(written) {
            continue;
        }
        for text in std::iter::once(&mut problem.message).chain(&mut problem.hint) {
            *text = text.replace(&format!("{own} "), &format!("{written} "));
            *text = text.replace(&format!("{own}("), &format!("{written}("));
        }
    }
}

fn collect(error: DataFusionError, span: Option<Span>, known: &Known<'_>, found: &mut Vec<Problem>) {
    match error {
        DataFusionError::Collection(errors) => {
            for error in errors {
                collect(error, span, known, found);
            }
        }
        DataFusionError::Context(_, inner) => collect(*inner, span, known, found),
        DataFusionError::Diagnostic(diagnostic, inner) => {
            let here = diagnostic.span.map(|span| Span {
                start: Location { line: span.start.line, column: span.start.column },
                end: Location { line: span.end.line, column: span.end.column },
            });
            collect(*inner, here.or(span), known, found);
        }
        DataFusionError::External(inner) => match inner.downcast::<Problem>() {
            Ok(problem) => {
                // What has no place of its own stands where what it quotes does.
                let quoted = || problem.message.split('\'').nth(1).and_then(|name| place_of(known.tokens, name));
                let span = if problem.span == Span::empty() { quoted() } else { None };
                found.push(Problem { span: span.unwrap_or(problem.span), ..*problem });
            }
            Err(other) => found.push(Problem::at(Span::empty(), other.to_string())),
        },
        DataFusionError::SchemaError(error, _) => found.push(schema(*error, span, known)),
        DataFusionError::SQL(error, _) => found.push(syntax(&error, known.tokens)),
        DataFusionError::Plan(message)
        | DataFusionError::NotImplemented(message)
        | DataFusionError::Execution(message)
        | DataFusionError::Internal(message) => found.push(plain(&message, span, known)),
        other => found.push(plain(&other.strip_backtrace(), span, known)),
    }
}

fn schema(error: SchemaError, span: Option<Span>, known: &Known<'_>) -> Problem {
    let place = |name: &str| span.or_else(|| place_of(known.tokens, name)).unwrap_or_else(Span::empty);
    match error {
        SchemaError::FieldNotFound { field, valid_fields } => {
            let is_named = |name: &&str| !name.starts_with("__") && readable(name) == *name;
            let names: Vec<&str> = valid_fields.iter().map(|field| field.name.as_str()).filter(is_named).collect();
            let span = field.spans.first().map_or_else(|| place(&field.name), from_planner);
            let problem = Problem::at(span, format!("there is no column '{}'", shown(&field)));
            let quoted = |token: &&TokenWithSpan| {
                matches!(&token.token, Token::Word(word) if word.quote_style == Some('"'))
                    && token.span.start == span.start
            };
            if field.relation.is_none() && known.tokens.iter().any(|token| quoted(&token)) {
                return problem.hint(format!("double quotes are for names; write '{}' for a text", field.name));
            }
            Problem { hint: suggest(&field.name, names, "the columns are"), ..problem }
        }
        SchemaError::AmbiguousReference { field } => {
            Problem::at(place(&field.name), format!("'{}' is ambiguous", field.name))
                .hint("write the table before it: t.column")
        }
        // A key that is an aggregate, or that names one.
        SchemaError::DuplicateUnqualifiedField { name } if name.contains('(') => {
            let span = place_of(known.tokens, "group").unwrap_or_else(Span::empty);
            Problem::at(span, "GROUP BY has no aggregates: it makes the groups that they are of")
                .hint("group twice: SELECT n, COUNT(*) AS times FROM (SELECT k, COUNT(*) AS n FROM t GROUP BY k) q GROUP BY n")
        }
        SchemaError::DuplicateQualifiedField { name, .. } | SchemaError::DuplicateUnqualifiedField { name } => {
            let problem = twice(&readable(&name), known.tokens);
            Problem { span: span.unwrap_or(problem.span), ..problem }
        }
    }
}

/// A column that a SELECT's list has twice, at the last that is called so, or at the last `*`.
pub(crate) fn twice(name: &str, tokens: &[TokenWithSpan]) -> Problem {
    let from = tokens.iter().position(|token| is_word(&token.token, "from")).unwrap_or(tokens.len());
    let star = |at: usize| tokens[at].token == Token::Mul && (at + 1 == from || tokens[at + 1].token == Token::Comma);
    let listed = (0..from).rev().find(|&at| is_word(&tokens[at].token, name) || star(at)).map(|at| tokens[at].span);
    let span = listed.or_else(|| place_of(tokens, name)).unwrap_or_else(Span::empty);
    Problem::at(span, format!("the column '{name}' is there twice"))
        .hint("name one of them: AS other_name; behind * leave it out: SELECT a.*, b.other FROM ...")
}

fn shown(field: &Column) -> String {
    match &field.relation {
        Some(relation) => readable(&format!("{relation}.{}", field.name)),
        None => field.name.clone(),
    }
}

/// A message without structure: known ones are put in our words, the place is looked for in the statement.
fn plain(message: &str, span: Option<Span>, known: &Known<'_>) -> Problem {
    let message = readable(message.split("\n\nbacktrace").next().unwrap_or(message).trim());
    let message = message.as_str();
    let quoted: Vec<&str> = message.split(['\'', '"', '`']).skip(1).step_by(2).collect();
    let located = || {
        let word = |text: &&str| text.chars().all(|c| c.is_alphanumeric() || c == '_') && !text.is_empty();
        let by_quote = quoted.iter().copied().filter(word).find_map(|name| place_of(known.tokens, name));
        // A function's error often shows the call, `sum(Utf8)`; or a column, `t.price`.
        let words = message.split(|c: char| !(c.is_alphanumeric() || c == '_')).filter(|w| w.len() > 2);
        by_quote.or_else(|| {
            words.filter(|w| known.functions.iter().any(|f| f == *w)).find_map(|w| place_of(known.tokens, w))
        })
    };
    if let Some(data_type) = message.split(NOT_OF).nth(1) {
        let problem =
            Problem::at(Span::empty(), format!("NOT takes a truth value, and this is of type {}", in_sql(data_type)));
        return problem.hint("compare it: NOT (x = 0), x IS NULL");
    }
    if let Some(name) = message.strip_prefix("Invalid function '").and_then(|rest| rest.split('\'').next()) {
        let span = span.or_else(|| place_of(known.tokens, name)).unwrap_or_else(Span::empty);
        if let Some(write) = crate::functions::elsewhere(name) {
            return Problem::at(span, format!("there is no function '{name}'")).hint(format!("write {write}"));
        }
        let windows = crate::syntax::table_function::WINDOW_FUNCTIONS
            .iter()
            .chain(crate::syntax::group_window::OF_WINDOWS)
            .copied();
        let hint = crate::parse::error::nearest(name, known.functions.iter().map(String::as_str).chain(windows));
        let problem = Problem::at(span, format!("there is no function '{name}'"));
        return if hint.is_empty() { problem } else { problem.hint(format!("did you mean {}?", hint.join(", "))) };
    }
    if let Some(name) = message.strip_prefix(NO_RELATION) {
        let span = span.or_else(|| place_of(known.tokens, name)).unwrap_or_else(Span::empty);
        let problem = Problem::at(span, format!("there is no source, table or view '{name}'"));
        let hint = suggest(name, known.relations.iter().map(String::as_str), "there are");
        return Problem { hint, ..problem };
    }
    if let Some(columns) = message.strip_prefix("Projections require unique expression names") {
        let name = columns.split('"').nth(1).and_then(|column| column.rsplit('.').next()).unwrap_or_default();
        return twice(name, known.tokens);
    }
    if let Some((shown, named)) = no_condition(message) {
        let column = shown.rsplit('.').next().unwrap_or(shown);
        let span = span.or_else(|| place_of(known.tokens, column)).unwrap_or_else(Span::empty);
        return crate::logical::compared::no_condition(&in_sql(shown), &in_sql(named), span);
    }
    if let Some(field) = message.split("Field ").nth(1).and_then(|rest| rest.strip_suffix(" not found in struct")) {
        let span = span.or_else(|| place_of(known.tokens, field)).unwrap_or_else(Span::empty);
        return Problem::at(span, format!("this row has no field '{field}'"));
    }
    if let Some(problem) = no_operands(message, span) {
        return problem;
    }
    if let Some((clause, column)) = ungrouped(message) {
        let span = span.or_else(|| place_of(known.tokens, column)).unwrap_or_else(Span::empty);
        let problem = Problem::at(span, format!("{clause} reads '{column}', of which a group may have many values"));
        return problem.hint(format!(
            "write it in GROUP BY: GROUP BY {column}, or aggregate it: MAX({column}); a computed key is written in SELECT as it is in GROUP BY"
        ));
    }
    if message.starts_with("Physical plan does not support logical expression WindowFunction") {
        let span = span.or_else(located).unwrap_or_else(Span::empty);
        return Problem::at(span, "a function with OVER stands in SELECT or QUALIFY: WHERE, GROUP BY, HAVING and ON come before it")
            .hint("write QUALIFY ROW_NUMBER() OVER (PARTITION BY k ORDER BY ts) <= 3, or filter around it: SELECT * FROM (SELECT *, SUM(x) OVER (...) AS w FROM t) q WHERE w > 5");
    }
    if let Some([inner, outer]) = within_aggregate(message) {
        let span = span.or_else(located).unwrap_or_else(Span::empty);
        let what = format!("{} stands within the aggregate {}", in_sql(&inner), in_sql(&outer));
        return Problem::at(span, what)
            .hint("compute it in a subquery: SELECT SUM(x) FROM (SELECT k, SUM(n) AS x FROM t GROUP BY k) q");
    }
    if let Some((_, columns)) = message.split_once("Too many columns! The subquery should only return one column: ") {
        let what = format!(
            "a subquery that is a value, or that a value is compared with, has one column, and this one has {columns}"
        );
        return Problem::at(span.or_else(located).unwrap_or_else(Span::empty), what)
            .hint("leave the others out, or compare rows: (a, b) IN (SELECT c, d FROM t)");
    }
    if let Some((_, name)) = message.split_once("Invalid qualifier ") {
        let span = span.or_else(|| place_of(known.tokens, name)).unwrap_or_else(Span::empty);
        return Problem::at(span, format!("there is no '{name}' in FROM, of which * would be the columns"))
            .hint("write *, or the name that stands behind FROM or JOIN, its alias if it has one");
    }
    if let Some((there, other, column)) = no_union(message) {
        let what = format!(
            "column '{column}' of a UNION is of type {other} in one of its queries, and of type {there} in another"
        );
        let span = span.or_else(|| place_of(known.tokens, column)).unwrap_or_else(Span::empty);
        return Problem::at(span, what)
            .hint(format!("write CAST({column} AS {there}) where such a cast is one, or two views"));
    }
    if message.starts_with("Aggregate functions are not allowed in the WHERE clause") {
        let span = place_of(known.tokens, "where").unwrap_or_else(Span::empty);
        return Problem::at(span, "WHERE stands before the grouping and has no aggregates")
            .hint("write the condition in HAVING, behind GROUP BY; an aggregate of the query around a subquery is computed below: FROM (SELECT k, MAX(x) AS m FROM t GROUP BY k) q");
    }
    if let Some((what, hint)) = counted_wrong(message) {
        let clause = || place_of(known.tokens, &what.split(' ').next()?.to_lowercase());
        return Problem::at(span.or_else(located).or_else(clause).unwrap_or_else(Span::empty), what).hint(hint);
    }
    let first = message.split(". Candidate functions").next().unwrap_or(message);
    let span = span.or_else(located).unwrap_or_else(Span::empty);
    // What a function of ours says of its arguments stands within what the planner says of that.
    if let Some((_, own)) = first.split_once("user-defined coercion failed with: ") {
        let own = own.trim_start_matches("Error during planning: ");
        let own = own.split(". No function matches").next().unwrap_or(own);
        if let Some(problem) = no_match(own, span) {
            return problem;
        }
        return match own.split_once("; write ") {
            // Forms that clauses become, which nobody writes.
            Some((what, remedy)) if remedy.starts_with("JSON_") => {
                let first = remedy.split(" or JSON_").next().unwrap_or(remedy);
                Problem::at(span, in_sql(what)).hint(format!("write {first}, the path a text: '$.a'"))
            }
            Some((what, remedy)) => Problem::at(span, in_sql(what)).hint(format!("write {remedy}")),
            None => Problem::at(span, in_sql(own)),
        };
    }
    if let Some(problem) = no_signature(message, span).or_else(|| no_match(message, span)) {
        return problem;
    }
    let first = first.split("\nThis issue was likely caused").next().unwrap_or(first);
    if let Some(problem) = not_cast(first, span) {
        return problem;
    }
    let prefixes = ["Error during planning: ", "Execution error: ", "Internal error: ", "Arrow error: "];
    let own = prefixes.iter().fold(first, |text, prefix| text.trim_start_matches(prefix));
    match own.split_once("; write ") {
        Some((what, remedy)) => Problem::at(span, in_sql(what)).hint(format!("write {}", in_sql(remedy))),
        None if is_dump(own) => Problem::at(span, "this cannot be planned where it stands")
            .hint("take it apart: compute a part below, SELECT a, b FROM (SELECT x + 1 AS a, b FROM t) q, and look which is refused"),
        None => Problem::at(span, in_sql(own)),
    }
}

/// Whether a message shows the library's inside instead of saying something.
fn is_dump(message: &str) -> bool {
    let inside = [
        "LogicalPlan",
        "Physical plan",
        "physical plan",
        "Expr",
        "PlannerContext",
        "UDF",
        "DataFusion",
        "not yet implemented",
    ];
    message.contains(" { ") || message.contains("Some(") || inside.iter().any(|word| message.contains(word))
}

/// What is said of places and numbers that are beyond what there is.
fn counted_wrong(message: &str) -> Option<(String, &'static str)> {
    let columns = |last: &str| match last {
        "1" => "one column".to_owned(),
        last => format!("{last} columns"),
    };
    if let Some((_, rest)) = message.split_once("Order by column out of bounds, specified: ") {
        let (given, last) = rest.split_once(", max: ")?;
        let what = format!("ORDER BY {given} is a place among the columns of SELECT, and there is {}", columns(last));
        return Some((what, "write the place of a column, from 1 on, or its name"));
    }
    if let Some((_, rest)) = message.split_once("Cannot find column with position ") {
        let (given, rest) = rest.split_once(" in SELECT clause. Valid columns: 1 to ")?;
        let what = format!("GROUP BY {given} is a place among the columns of SELECT, and there is {}", columns(rest));
        return Some((what, "write the place of a column, from 1 on, or its name"));
    }
    if let Some((_, rest)) = message.split_once("LIMIT must be >= 0, '") {
        let what = format!("LIMIT is a number of rows, and {} is none", rest.split('\'').next()?);
        return Some((what, "write LIMIT 10"));
    }
    if let Some((_, rest)) = message.split_once("OFFSET must be >=0, '") {
        let what = format!("OFFSET is a number of rows, and {} is none", rest.split('\'').next()?);
        return Some((what, "write LIMIT 10 OFFSET 5"));
    }
    if let Some((_, rest)) = message.split_once("Source table contains ") {
        let (there, rest) = rest.split_once(" columns but only ")?;
        let given = rest.split(' ').next()?;
        return Some((
            format!("{given} names or values stand where there is {}", columns(there)),
            "name every column: (SELECT a, b FROM t) AS q (x, y); a row that is compared with a subquery has as many values as that has columns",
        ));
    }
    if let Some((name, rest)) = message.split_once(" function requires ")
        && let Some((takes, given)) = rest.split_once(", got ")
    {
        let name = name.rsplit(' ').next().unwrap_or(name).to_uppercase();
        let given: String = given.chars().take_while(char::is_ascii_digit).collect();
        return Some((format!("{name} takes {takes}, and here there is {given}"), "write them all, as in GCD(a, b)"));
    }
    if message.contains("coalesce must have at least one argument") {
        return Some(("COALESCE takes at least one argument".to_owned(), "write COALESCE(a, b, 0)"));
    }
    if let Some((operation, _)) = message.split_once(" queries have different number of columns") {
        let operation = operation.rsplit(' ').next().unwrap_or(operation);
        return Some((
            format!("{operation} takes queries of as many columns as one another, and these have not"),
            "give the shorter one as many: SELECT a, b FROM t UNION ALL SELECT a, NULL FROM u",
        ));
    }
    if message.contains(" to grouping function is not in grouping columns") {
        return Some((
            "GROUPING takes a key of GROUP BY, and this is none".to_owned(),
            "write it in GROUP BY: SELECT k, GROUPING(k) AS g, COUNT(*) AS n FROM t GROUP BY ROLLUP (k)",
        ));
    }
    if message.contains("Function 'map' expected at least one argument") {
        return Some((
            "MAP[] has no keys, so that nothing says of which type they are".to_owned(),
            "write CAST(NULL AS MAP<VARCHAR, INT>), or MAP['a', 1]",
        ));
    }
    if let Some((_, given)) = message.split_once("Unsupported SQL type ") {
        return Some((
            format!("there is no type {}", given.trim()),
            "the types are BOOLEAN, TINYINT, SMALLINT, INT, BIGINT, FLOAT, DOUBLE, DECIMAL(10, 2), VARCHAR, BYTES, DATE, TIME, TIMESTAMP(3), TIMESTAMP_LTZ(3), ARRAY<INT>, MAP<VARCHAR, INT>, ROW<a INT>; an interval is n * INTERVAL '1' DAY",
        ));
    }
    if let Some((from, to)) = message.split_once("Unsupported CAST from ").and_then(|(_, rest)| rest.split_once(" to "))
    {
        let what = format!("a value of type {} is not cast to {}", in_sql(from), in_sql(to.trim()));
        return Some((what, "give a NULL within it a type: CAST(NULL AS VARCHAR); or write ROW(...) of its fields"));
    }
    if message.contains("Unsupported Value ") {
        return Some((
            "a value that is written so is not known".to_owned(),
            "write a text as 'a', a number as 1.5, bytes as X'CAFE'",
        ));
    }
    if let Some((_, operator)) = message.split_once("Unsupported SQL binary operator ") {
        return Some((
            format!("the operator {} is not supported", operator.trim()),
            "functions stand for most of them: STARTSWITH(s, 'a'), REGEXP(s, '^a'), POWER(a, b), ARRAY_CONTAINS(a, x)",
        ));
    }
    None
}

/// The aggregate or window function that stands within an aggregate, and the whole of it.
fn within_aggregate(message: &str) -> Option<[String; 2]> {
    let (_, rest) = message.split_once("Aggregate function calls cannot ")?;
    let (inner, outer) = rest.split_once(": '")?.1.split_once("' is nested inside '")?;
    let outer = outer.strip_suffix('\'').unwrap_or(outer);
    Some([over(inner), over(outer)])
}

/// A text in which calls with OVER stand as the planner shows them: `sum(x) PARTITION BY [k] ORDER BY [ts ASC NULLS FIRST]`.
fn over(text: &str) -> String {
    // The frames that stand behind window functions nobody wrote.
    let frames = ["ROWS", "RANGE"].map(|unit| format!(" {unit} BETWEEN UNBOUNDED PRECEDING AND "));
    let ends = ["CURRENT ROW", "UNBOUNDED FOLLOWING"];
    let spelled = frames.iter().flat_map(|frame| ends.map(|end| format!("{frame}{end}")));
    let text = spelled.fold(text.to_owned(), |text, frame| text.replace(&frame, ""));
    let (mut out, mut rest) = (String::new(), text.as_str());
    while let Some(at) = [" PARTITION BY [", " ORDER BY ["].iter().filter_map(|clause| rest.find(clause)).min() {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let mut clauses = Vec::new();
        for clause in ["PARTITION BY", "ORDER BY"] {
            let found = rest.strip_prefix(&format!(" {clause} [")).and_then(|within| within.split_once(']'));
            if let Some((within, behind)) = found {
                clauses.push(format!("{clause} {within}"));
                rest = behind;
            }
        }
        out.push_str(&format!(" OVER ({})", clauses.join(" ")));
    }
    out.push_str(rest);
    [" ASC NULLS FIRST", " ASC NULLS LAST", " NULLS FIRST", " NULLS LAST"]
        .iter()
        .fold(out, |out, order| out.replace(order, ""))
}

/// The types of a column of a UNION that have none in common, the first one's and the other's, and the column.
fn no_union(message: &str) -> Option<(String, String, &str)> {
    let rest = message.split("Incompatible inputs for Union: Previous inputs were of type ").nth(1)?;
    let (there, rest) = rest.split_once(", but got incompatible type ")?;
    let (other, rest) = rest.rsplit_once(" on column ")?;
    let nested = |text: &str| match text.strip_suffix(')').and_then(|text| text.split_once('(')) {
        Some(("List", item)) => format!("ARRAY<{}>", in_sql(item)),
        Some(("Struct", _)) => "ROW".to_owned(),
        Some(("Map", _)) => "MAP".to_owned(),
        _ => in_sql(text),
    };
    Some((nested(there), nested(other), rest.split(['\'', '"', '`']).nth(1)?))
}

/// The expression, and its type, of which the library says that it is no condition.
fn no_condition(message: &str) -> Option<(&str, &str)> {
    let rest = message.split("Cannot create filter with non-boolean predicate '").nth(1)?;
    rest.split_once("' returning ")
}

/// The clause and the column of which the library says that it is neither grouped nor aggregated.
fn ungrouped(message: &str) -> Option<(&str, &str)> {
    if let Some(condition) = message.split("HAVING clause references: ").nth(1) {
        let column = condition.split(' ').next()?;
        return Some(("HAVING", column.rsplit('.').next()?));
    }
    let (clause, rest) =
        message.split("Column in ").nth(1)?.split_once(" must be in GROUP BY or an aggregate function")?;
    let column = rest.split(", column \"").nth(1)?.split('"').next()?;
    Some((clause, column.rsplit('.').next()?))
}

/// What the library says of a literal that a cast cannot take, in our words.
fn not_cast(message: &str, span: Span) -> Option<Problem> {
    let kinds = ["Arrow error: Cast error: ", "Arrow error: Invalid argument error: ", "Arrow error: Parser error: "];
    let what = kinds.iter().find_map(|kind| message.strip_prefix(kind))?;
    let problem = Problem::at(span, format!("this cast fails on every row: {}", in_sql(what)));
    Some(problem.hint("write a value that fits, a wider type, or TRY_CAST, which gives NULL"))
}

/// How the planner says that NOT stands before what is no truth value.
pub(crate) const NOT_OF: &str = "Unary operator 'NOT' requires a boolean expression, got ";

/// How the catalog says that a relation does not exist.
pub(crate) const NO_RELATION: &str = "no relation ";
