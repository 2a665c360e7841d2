//! Reserved words, and those that only other engines' SQL has a use for.
//!
//! The parser reads the SQL of a dozen engines at once, and takes `top` in `SELECT k, top` for what it is elsewhere. Words of clauses
//! that there are none of here become plain names before it; what is left is what the docs list, and a query that stumbles over
//! one of those says that it is a name in backticks.

use datafusion_sql::sqlparser::keywords::Keyword;
use datafusion_sql::sqlparser::tokenizer::{Span, Token, TokenWithSpan};

use crate::parse::error::Problem;
use crate::parse::token::is_word;

/// Words that are names in backticks only, at least in some places.
pub(crate) const RESERVED: &[&str] = &[
    "all",
    "and",
    "anti",
    "as",
    "asof",
    "between",
    "collate",
    "cross",
    "current_date",
    "current_time",
    "current_timestamp",
    "distinct",
    "div",
    "end",
    "except",
    "exclude",
    "false",
    "fetch",
    "for",
    "format",
    "from",
    "full",
    "group",
    "having",
    "ilike",
    "in",
    "inner",
    "intersect",
    "interval",
    "into",
    "is",
    "join",
    "lateral",
    "left",
    "like",
    "limit",
    "localtime",
    "localtimestamp",
    "match",
    "match_condition",
    "match_recognize",
    "member",
    "minus",
    "natural",
    "not",
    "null",
    "offset",
    "on",
    "or",
    "order",
    "outer",
    "overlaps",
    "partition",
    "pivot",
    "prewhere",
    "qualify",
    "recursive",
    "regexp",
    "right",
    "rlike",
    "sample",
    "select",
    "semi",
    "set",
    "settings",
    "similar",
    "table",
    "tablesample",
    "true",
    "union",
    "unnest",
    "unpivot",
    "using",
    "values",
    "where",
    "window",
    "with",
    "xor",
];

/// Words that are values by themselves.
const VALUES: &[&str] =
    &["current_date", "current_time", "current_timestamp", "false", "localtime", "localtimestamp", "null", "true"];

/// Words of clauses that there are none of here.
const FREE: &[Keyword] = &[
    Keyword::ANALYZE,
    Keyword::CLUSTER,
    Keyword::CONNECT,
    Keyword::CURRENT_CATALOG,
    Keyword::CURRENT_USER,
    Keyword::DISTRIBUTE,
    Keyword::EXPLAIN,
    Keyword::GLOBAL,
    Keyword::OPEN,
    Keyword::OPERATOR,
    Keyword::OUTPUT,
    Keyword::RETURNING,
    Keyword::SESSION_USER,
    Keyword::SORT,
    Keyword::START,
    Keyword::TOP,
    Keyword::USER,
    Keyword::VIEW,
];

/// Words that are something else with an opening bracket behind them only.
const CALLED: &[Keyword] = &[
    Keyword::ANY,
    Keyword::ARRAY,
    Keyword::CUBE,
    Keyword::EXISTS,
    Keyword::ROLLUP,
    Keyword::SOME,
    Keyword::STRUCT,
    Keyword::TRIM,
];

/// The tokens with such words as names.
pub(crate) fn free(mut tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    for at in 0..tokens.len() {
        let called = || {
            let behind = tokens.get(at + 1).map(|token| &token.token);
            let with = at.checked_sub(1).is_some_and(|before| is_word(&tokens[before].token, "with"));
            with || matches!(behind, Some(Token::LParen | Token::LBracket | Token::Lt))
        };
        let free = |keyword: &Keyword| FREE.contains(keyword) || (CALLED.contains(keyword) && !called());
        let named = matches!(&tokens[at].token, Token::Word(word) if word.quote_style.is_none() && free(&word.keyword));
        if let (true, Token::Word(word)) = (named, &mut tokens[at].token) {
            word.keyword = Keyword::NoKeyword;
        }
    }
    tokens
}

/// The problem, with how to write the reserved word that seems to be meant as a name.
pub(crate) fn hinted(problem: Problem, tokens: &[TokenWithSpan]) -> Problem {
    let Some(word) = misplaced(tokens, problem.span) else { return problem };
    let hint = format!("{} is a reserved word; as a name write `{word}`, in backticks", word.to_uppercase());
    match &problem.hint {
        Some(first) => {
            let both = format!("{first}; {hint}");
            problem.hint(both)
        }
        None => problem.hint(hint),
    }
}

/// The reserved word that stands where a name does: the last one before the place, or the first.
fn misplaced(tokens: &[TokenWithSpan], span: Span) -> Option<&str> {
    let (mut cases, mut found) = (0_usize, None);
    for (at, token) in tokens.iter().enumerate() {
        let Token::Word(word) = &token.token else { continue };
        if word.quote_style.is_some() {
            continue;
        }
        let name = word.value.to_lowercase();
        if name == "case" {
            cases += 1;
        } else if name == "end" && cases > 0 {
            cases -= 1;
        } else if let Ok(index) = RESERVED.binary_search(&name.as_str())
            && !VALUES.contains(&name.as_str())
            && like_a_name(tokens, at)
        {
            if found.is_some() && token.span.start > span.start {
                break;
            }
            found = Some(RESERVED[index]);
        }
    }
    found
}

/// Whether what stands around a word is what stands around a name.
fn like_a_name(tokens: &[TokenWithSpan], at: usize) -> bool {
    const BEFORE: &[&str] =
        &["select", "distinct", "as", "by", "where", "and", "or", "on", "from", "join", "with", "having", "not"];
    const BEHIND: &[&str] = &[
        "from", "as", "and", "or", "on", "where", "order", "group", "limit", "asc", "desc", "is", "then", "else", "end",
    ];
    let before = at.checked_sub(1).map(|before| &tokens[before].token);
    let behind = tokens.get(at + 1).map(|token| &token.token);
    let one_of = |token: &Token, words: &[&str]| words.iter().any(|word| is_word(token, word));
    let operator = |token: &Token| {
        matches!(
            token,
            Token::Eq | Token::Neq | Token::Lt | Token::Gt | Token::LtEq | Token::GtEq | Token::Plus | Token::Minus
        )
    };
    let reserved = |token: &Token| matches!(token, Token::Word(word) if word.quote_style.is_none() && RESERVED.binary_search(&word.value.to_lowercase().as_str()).is_ok());
    let begins = before.is_some_and(|token| match token {
        Token::Comma | Token::LParen | Token::Period | Token::RParen | Token::Number(..) => true,
        Token::SingleQuotedString(_) => true,
        Token::Word(_) => one_of(token, BEFORE) || !reserved(token),
        other => operator(other),
    });
    let ends = behind.is_none_or(|token| match token {
        Token::Comma | Token::RParen | Token::Period => true,
        Token::Word(_) => one_of(token, BEHIND),
        other => operator(other),
    });
    begins && ends
}
