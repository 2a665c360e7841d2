//! VALUES that is compared with, as a subquery: `x = ANY (VALUES (1), (2))`, `x > (VALUES (1))`. The parser reads VALUES behind IN, EXISTS and
//! FROM only.

use datafusion_sql::sqlparser::keywords::Keyword;
use datafusion_sql::sqlparser::tokenizer::{Span, Token, TokenWithSpan, Word};

use crate::parse::token::is_word;

/// Puts `SELECT * FROM (VALUES ...)` in the place of such a VALUES.
pub(crate) fn prepare(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let opens = |at: usize| at > 1 && tokens[at - 1].token == Token::LParen && compares(&tokens[at - 2].token);
    let places: Vec<usize> =
        (0..tokens.len()).filter(|&at| is_word(&tokens[at].token, "values") && opens(at)).collect();
    if places.is_empty() {
        return tokens;
    }
    let ends: Vec<usize> = places.iter().filter_map(|&at| closing(&tokens, at)).collect();
    let word = |value: &str, keyword, span: Span| TokenWithSpan {
        token: Token::Word(Word { value: value.to_owned(), quote_style: None, keyword }),
        span,
    };
    let plain = |token: Token, span: Span| TokenWithSpan { token, span };
    let mut out = Vec::with_capacity(tokens.len() + 8 * places.len());
    for (at, token) in tokens.into_iter().enumerate() {
        let span = token.span;
        if places.contains(&at) {
            out.extend([word("SELECT", Keyword::SELECT, span), plain(Token::Mul, span)]);
            out.extend([word("FROM", Keyword::FROM, span), plain(Token::LParen, span)]);
        }
        if ends.contains(&at) {
            out.extend([plain(Token::RParen, span), word("__values", Keyword::NoKeyword, span)]);
        }
        out.push(token);
    }
    out
}

fn compares(token: &Token) -> bool {
    matches!(token, Token::Eq | Token::Neq | Token::Lt | Token::LtEq | Token::Gt | Token::GtEq)
        || ["any", "all", "some"].iter().any(|word| is_word(token, word))
}

/// The parenthesis that closes what VALUES stands in.
fn closing(tokens: &[TokenWithSpan], values: usize) -> Option<usize> {
    let mut depth = 0_usize;
    (values..tokens.len()).find(|&at| {
        match tokens[at].token {
            Token::LParen => depth += 1,
            Token::RParen if depth == 0 => return true,
            Token::RParen => depth -= 1,
            _ => {}
        }
        false
    })
}
