//! What the parser did not read, at its place and with what to write.

use datafusion_sql::sqlparser::parser::ParserError;
use datafusion_sql::sqlparser::tokenizer::{Location, Span, TokenWithSpan};

use super::error::Problem;
use super::token::is_word;

/// What stands for ASOF JOIN.
pub(crate) const ASOF: &str =
    "write JOIN t FOR SYSTEM_TIME AS OF s.ts ON t.k = s.k: the version of the key at that time";

/// A parser's error, with what to write where that is known.
pub(crate) fn syntax(error: &ParserError, tokens: &[TokenWithSpan]) -> Problem {
    let problem = unhinted(error, tokens);
    let at = tokens.iter().position(|token| token.span.start == problem.span.start);
    let before = |word: &str| at.and_then(|at| tokens.get(at.checked_sub(1)?)).is_some_and(|t| is_word(&t.token, word));
    if before("values") {
        return problem.hint("every row stands in parentheses: VALUES (1), (2)");
    }
    if let Some(token) = problem.message.strip_prefix("No infix parser for token ") {
        return no_operator(token, tokens);
    }
    if problem.message.starts_with("expected literal int") {
        return problem.hint("the length of a type is a whole number: VARCHAR(10), DECIMAL(10, 2)");
    }
    if problem.message.starts_with("Expected close delimiter") {
        return Problem::at(problem.span, "a name in quotes has no end")
            .hint("names stand in \"double quotes\" or backticks, texts in 'single quotes'");
    }
    if problem.message.starts_with("expected MATCH_CONDITION") {
        return Problem::at(problem.span, "ASOF JOIN is not supported").hint(ASOF);
    }
    problem
}

/// What the parser takes for an operator that it does not read.
fn no_operator(token: &str, tokens: &[TokenWithSpan]) -> Problem {
    let (word, hint) = match token {
        "Sharp" => (
            "#",
            "write (a | b) - (a & b) for the bits in which whole numbers differ, JSON_VALUE(s, '$.a') for a part of JSON",
        ),
        _ => match token.split('"').nth(1) {
            Some(word) if word.eq_ignore_ascii_case("div") => ("DIV", "write a / b, which is whole for whole numbers"),
            Some(word) => {
                (word, "operators are + - * / % || = <> < <= > >= & | << >>, AND, OR, NOT, IN, BETWEEN, LIKE, IS")
            }
            None => {
                ("this", "operators are + - * / % || = <> < <= > >= & | << >>, AND, OR, NOT, IN, BETWEEN, LIKE, IS")
            }
        },
    };
    let stands =
        |token: &&TokenWithSpan| is_word(&token.token, &word.to_lowercase()) || token.token.to_string() == word;
    let span = tokens.iter().find(stands).map_or_else(Span::empty, |token| token.span);
    Problem::at(span, format!("{word} is no operator here")).hint(hint)
}

/// Its message ends in the place, or the place is the end of what was parsed.
fn unhinted(error: &ParserError, tokens: &[TokenWithSpan]) -> Problem {
    let message = match error {
        ParserError::TokenizerError(message) | ParserError::ParserError(message) => message.clone(),
        ParserError::RecursionLimitExceeded => "the query is nested too deeply".to_owned(),
    };
    let place = |text: &str| -> Option<(String, Location)> {
        let (message, place) = text.rsplit_once(" at Line: ")?;
        let (line, column) = place.split_once(", Column: ")?;
        Some((message.to_owned(), Location { line: line.parse().ok()?, column: column.trim().parse().ok()? }))
    };
    match place(&message) {
        Some((message, start)) => {
            let end = Location { line: start.line, column: start.column + found_length(&message) };
            let message = message.strip_prefix("Expected: ").map_or(message.clone(), |rest| format!("expected {rest}"));
            Problem::at(Span { start, end }, message)
        }
        None => {
            let end =
                tokens.last().map_or_else(Span::empty, |token| Span { start: token.span.end, end: token.span.end });
            let message = message.replace("found: EOF", "found the end");
            let message = message.strip_prefix("Expected: ").map_or(message.clone(), |rest| format!("expected {rest}"));
            Problem::at(end, message)
        }
    }
}

/// The length of the token that a message says was found.
fn found_length(message: &str) -> u64 {
    message.rsplit_once("found: ").map_or(1, |(_, token)| token.chars().count() as u64)
}
