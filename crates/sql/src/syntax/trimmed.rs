//! `TRIM(LEADING FROM s)`: what is trimmed is a blank, which the parser wants to have written.

use datafusion_sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use crate::parse::token::is_word;

/// The tokens with the blank written.
pub(crate) fn prepare(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let from = |at: usize| {
        let sides = ["leading", "trailing", "both"];
        at >= 3
            && is_word(&tokens[at].token, "from")
            && sides.iter().any(|side| is_word(&tokens[at - 1].token, side))
            && tokens[at - 2].token == Token::LParen
            && is_word(&tokens[at - 3].token, "trim")
    };
    let blanks: Vec<usize> = (0..tokens.len()).filter(|&at| from(at)).collect();
    if blanks.is_empty() {
        return tokens;
    }
    let mut out = Vec::with_capacity(tokens.len() + blanks.len());
    for (at, token) in tokens.into_iter().enumerate() {
        if blanks.contains(&at) {
            out.push(TokenWithSpan { token: Token::SingleQuotedString(" ".to_owned()), span: token.span });
        }
        out.push(token);
    }
    out
}
