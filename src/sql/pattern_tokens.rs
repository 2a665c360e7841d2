//! The tokens of MATCH_RECOGNIZE as the parser wants them: `WITHIN interval` behind the pattern becomes the definition
//! [`WITHIN`], the first of DEFINE.

use datafusion_sql::sqlparser::keywords::Keyword;
use datafusion_sql::sqlparser::tokenizer::{Span, Token, TokenWithSpan, Word};

use super::error::Problem;
use super::token::is_word;

/// The definition that stands for `WITHIN`.
pub(super) const WITHIN: &str = "__within";

/// The tokens of a query; most have no pattern.
pub(super) fn prepare(tokens: Vec<TokenWithSpan>) -> Result<Vec<TokenWithSpan>, Problem> {
    let mut out: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
    // The tokens of WITHIN, once for every MATCH_RECOGNIZE that is open.
    let mut open: Vec<(usize, Vec<TokenWithSpan>)> = Vec::new();
    let mut depth = 0_usize;
    let mut at = 0;
    while at < tokens.len() {
        let token = &tokens[at];
        match &token.token {
            Token::LParen => {
                depth += 1;
                if at > 0 && is_word(&tokens[at - 1].token, "match_recognize") {
                    open.push((depth, Vec::new()));
                }
            }
            Token::RParen => {
                if let Some((_, within)) = open.pop_if(|(opened, _)| *opened == depth)
                    && let Some(first) = within.first()
                {
                    return Err(Problem::at(first.span, "WITHIN stands without DEFINE behind it")
                        .hint("write PATTERN (A B) WITHIN INTERVAL '5' MINUTE DEFINE A AS ..., B AS ..."));
                }
                depth = depth.saturating_sub(1);
            }
            word if open.last().is_some_and(|(opened, _)| *opened == depth) => {
                if is_word(word, "subset") {
                    return Err(Problem::at(token.span, "SUBSET is not supported")
                        .hint("name the variables one by one, or leave the variable out to mean all rows"));
                }
                if is_word(word, "within") {
                    let end = (at..tokens.len()).find(|&i| is_word(&tokens[i].token, "define")).unwrap_or(at + 1);
                    if let Some((_, within)) = open.last_mut() {
                        within.extend_from_slice(&tokens[at + 1..end]);
                        if within.is_empty() {
                            return Err(Problem::at(token.span, "WITHIN has no interval")
                                .hint("write WITHIN INTERVAL '5' MINUTE"));
                        }
                    }
                    at = end;
                    continue;
                }
                if is_word(word, "define") {
                    out.push(token.clone());
                    let within = open.last_mut().map(|(_, within)| std::mem::take(within)).unwrap_or_default();
                    if let Some(span) = within.first().map(|token| token.span) {
                        let word = |value: &str, keyword| Word { value: value.to_owned(), quote_style: None, keyword };
                        out.push(made(Token::Word(word(WITHIN, Keyword::NoKeyword)), span));
                        out.push(made(Token::Word(word("as", Keyword::AS)), span));
                        out.extend(within);
                        out.push(made(Token::Comma, span));
                    }
                    at += 1;
                    continue;
                }
            }
            _ => {}
        }
        out.push(token.clone());
        at += 1;
    }
    Ok(out)
}

fn made(token: Token, span: Span) -> TokenWithSpan {
    TokenWithSpan { token, span }
}
