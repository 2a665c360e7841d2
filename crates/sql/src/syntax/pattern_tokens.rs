//! The tokens of MATCH_RECOGNIZE as the parser wants them. `WITHIN interval` behind the pattern becomes the definition
//! [`WITHIN`], the first of DEFINE; `SUBSET U = (A, B)` becomes the definition `U AS __subset(A, B)`. A subquery that a pattern
//! reads stands aside under a name ([`OF_PATTERN`]), for [`put_back`]. `FINAL` and `RUNNING` are left out where they say what is so anyway.

use std::ops::Range;

use datafusion_sql::sqlparser::ast::{Query, TableFactor};
use datafusion_sql::sqlparser::keywords::Keyword;
use datafusion_sql::sqlparser::parser::Parser;
use datafusion_sql::sqlparser::tokenizer::{Span, Token, TokenWithSpan, Word};

use super::calls::Callable;
use super::depth;
use crate::parse::error::Problem;
use crate::parse::token::last_part;
use crate::parse::token::{DIALECT, is_word};
use crate::parse::unread::syntax;
use crate::parse::walk::{self, Flow, Part};

/// The definition that stands for `WITHIN`.
pub(crate) const WITHIN: &str = "__within";
/// The call that stands for the variables of a `SUBSET`.
pub(crate) const SUBSET: &str = "__subset";
/// What the names of subqueries begin with that patterns read.
const OF_PATTERN: &str = "__of_pattern_";

/// A MATCH_RECOGNIZE that is open.
#[derive(Default)]
struct Open {
    depth: usize,
    within: Vec<TokenWithSpan>,
    /// The definitions of its subsets.
    subsets: Vec<TokenWithSpan>,
    /// Where FINAL stands first.
    finals: Option<Span>,
    /// Whether DEFINE is behind.
    defining: bool,
}

/// The tokens of a query, and those of the subqueries that patterns read; most have no pattern.
pub(crate) fn prepare(
    tokens: Vec<TokenWithSpan>,
    callable: &Callable,
) -> Result<(Vec<TokenWithSpan>, Vec<Vec<TokenWithSpan>>), Problem> {
    let mut out: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
    let mut aside = Vec::new();
    let mut open: Vec<Open> = Vec::new();
    let mut depth = 0_usize;
    let mut at = 0;
    while at < tokens.len() {
        let token = &tokens[at];
        match &token.token {
            Token::LParen => {
                depth += 1;
                if at > 0 && is_word(&tokens[at - 1].token, "match_recognize") {
                    open.push(Open { depth, ..Open::default() });
                }
            }
            Token::RParen => {
                if let Some(Open { within, subsets, .. }) = open.pop_if(|open| open.depth == depth)
                    && let Some(first) = within.first().or(subsets.first())
                {
                    return Err(Problem::at(first.span, "WITHIN or SUBSET stands without DEFINE behind it")
                        .hint("write PATTERN (A B) WITHIN INTERVAL '5' MINUTE DEFINE A AS ..., B AS ..."));
                }
                depth = depth.saturating_sub(1);
            }
            word if is_word(word, "match_recognize") => {
                if let Some(range) = subquery(&out) {
                    let name = format!("{OF_PATTERN}{}", aside.len());
                    let span = out[range.start].span;
                    let mut inner: Vec<TokenWithSpan> =
                        out.splice(range, [made(word_of(&name, Keyword::NoKeyword), span)]).collect();
                    inner.pop();
                    inner.remove(0);
                    aside.push(inner);
                }
            }
            word if !open.is_empty() && is_word(word, "running") && speaks_of_rows(&tokens, at, callable) => {
                at += 1;
                continue;
            }
            word if !open.is_empty() && is_word(word, "final") && speaks_of_rows(&tokens, at, callable) => {
                let last = open.last_mut();
                if last.as_ref().is_some_and(|open| open.defining) {
                    return Err(Problem::at(
                        token.span,
                        "FINAL does not stand in DEFINE: a match is not complete there",
                    )
                    .hint("leave FINAL out, or write it in MEASURES"));
                }
                last.into_iter().for_each(|open| open.finals = open.finals.or(Some(token.span)));
                at += 1;
                continue;
            }
            word if open.last().is_some_and(|open| open.depth == depth) => {
                let last = open.last_mut();
                let all = ["all", "rows", "per", "match"];
                let all = tokens[at..].iter().zip(all).filter(|(token, word)| is_word(&token.token, word)).count() == 4;
                if let Some(finals) = last.as_ref().and_then(|open| open.finals).filter(|_| all) {
                    return Err(Problem::at(
                        finals,
                        "FINAL is not supported with ALL ROWS PER MATCH: each row tells what is known at it",
                    )
                    .hint("write ONE ROW PER MATCH, or leave FINAL out"));
                }
                if is_word(word, "subset") {
                    let (end, definitions) = subsets(&tokens, at)?;
                    if let Some(open) = last {
                        open.subsets.extend(definitions);
                    }
                    at = end;
                    continue;
                }
                if is_word(word, "within") {
                    let ends = |i: &usize| ["define", "subset"].iter().any(|word| is_word(&tokens[*i].token, word));
                    let end = (at..tokens.len()).find(ends).unwrap_or(at + 1);
                    if let Some(open) = last {
                        open.within.extend_from_slice(&tokens[at + 1..end]);
                        if open.within.is_empty() {
                            return Err(Problem::at(token.span, "WITHIN has no interval")
                                .hint("write WITHIN INTERVAL '5' MINUTE"));
                        }
                    }
                    at = end;
                    continue;
                }
                if is_word(word, "define") {
                    out.push(token.clone());
                    let Open { within, subsets, .. } = last.map(std::mem::take).unwrap_or_default();
                    if let Some(open) = open.last_mut() {
                        (open.depth, open.defining) = (depth, true);
                    }
                    if let Some(span) = within.first().map(|token| token.span) {
                        out.push(made(word_of(WITHIN, Keyword::NoKeyword), span));
                        out.push(made(word_of("as", Keyword::AS), span));
                        out.extend(within);
                        out.push(made(Token::Comma, span));
                    }
                    out.extend(subsets);
                    at += 1;
                    continue;
                }
            }
            _ => {}
        }
        out.push(token.clone());
        at += 1;
    }
    Ok((out, aside))
}

/// Whether FINAL or RUNNING stands before a call that speaks of the rows of a match, and is no name.
fn speaks_of_rows(tokens: &[TokenWithSpan], at: usize, callable: &Callable) -> bool {
    let Some(Token::Word(call)) = tokens.get(at + 1).map(|token| &token.token) else { return false };
    let name = call.value.to_lowercase();
    let known = ["first", "last", "classifier"].contains(&name.as_str()) || callable.aggregate(&name).is_some();
    let named = at > 0 && (is_word(&tokens[at - 1].token, "as") || tokens[at - 1].token == Token::Period);
    known && !named && tokens.get(at + 2).is_some_and(|token| token.token == Token::LParen)
}

/// The subquery in parentheses that these tokens end with, but for its alias.
fn subquery(tokens: &[TokenWithSpan]) -> Option<Range<usize>> {
    let mut end = tokens.len();
    if matches!(tokens.last()?.token, Token::Word(_)) {
        end -= 1;
        end -= usize::from(end > 0 && is_word(&tokens[end - 1].token, "as"));
    }
    let mut depth = 0_usize;
    for at in (0..end).rev() {
        match tokens[at].token {
            Token::RParen => depth += 1,
            Token::LParen => depth = depth.checked_sub(1)?,
            _ => {}
        }
        if depth == 0 {
            let opens =
                ["select", "with"].iter().any(|word| tokens.get(at + 1).is_some_and(|t| is_word(&t.token, word)));
            return opens.then_some(at..end);
        }
    }
    None
}

/// `U = (A, B), V = (...)` behind SUBSET as definitions, and where they end.
fn subsets(tokens: &[TokenWithSpan], start: usize) -> Result<(usize, Vec<TokenWithSpan>), Problem> {
    let wrong = |at: usize| {
        let span = tokens.get(at).map_or(tokens[start].span, |token| token.span);
        Problem::at(span, "a subset is a name for several variables").hint("write SUBSET U = (A, B) DEFINE ...")
    };
    let is = |at: usize, token: &Token| tokens.get(at).is_some_and(|found| found.token == *token);
    let (mut at, mut out) = (start + 1, Vec::new());
    loop {
        let name = tokens.get(at).filter(|token| matches!(token.token, Token::Word(_))).ok_or_else(|| wrong(at))?;
        if !is(at + 1, &Token::Eq) || !is(at + 2, &Token::LParen) {
            return Err(wrong(at + 1));
        }
        let close = (at + 3..tokens.len()).find(|&i| tokens[i].token == Token::RParen).ok_or_else(|| wrong(at + 2))?;
        out.push(name.clone());
        out.push(made(word_of("as", Keyword::AS), name.span));
        out.push(made(word_of(SUBSET, Keyword::NoKeyword), name.span));
        out.extend_from_slice(&tokens[at + 2..=close]);
        out.push(made(Token::Comma, name.span));
        at = close + 1;
        if !is(at, &Token::Comma) {
            return Ok((at, out));
        }
        at += 1;
    }
}

/// Puts the subqueries back that [`prepare`] took aside.
pub(crate) fn put_back(query: &mut Query, aside: &[Vec<TokenWithSpan>]) -> Result<(), Problem> {
    walk::query(query, |part| {
        let Part::Factor(TableFactor::MatchRecognize { table, .. }) = part else { return Flow::Continue(()) };
        let TableFactor::Table { name, alias, .. } = table.as_ref() else { return Flow::Continue(()) };
        let number = last_part(name).strip_prefix(OF_PATTERN).and_then(|number| number.parse::<usize>().ok());
        let Some(tokens) = number.and_then(|number| aside.get(number)) else { return Flow::Continue(()) };
        let mut parser = Parser::new(&DIALECT).with_tokens_with_locations(tokens.clone());
        match parser.parse_query() {
            Ok(mut subquery) => {
                walk::flow(depth::check(&mut subquery))?;
                let alias = alias.clone();
                **table = TableFactor::Derived { lateral: false, subquery, alias, sample: None };
                Flow::Continue(())
            }
            Err(error) => Flow::Break(syntax(&error, tokens)),
        }
    })
}

fn word_of(value: &str, keyword: Keyword) -> Token {
    Token::Word(Word { value: value.to_owned(), quote_style: None, keyword })
}

fn made(token: Token, span: Span) -> TokenWithSpan {
    TokenWithSpan { token, span }
}
