//! The token pass before the parser: names in lower case, and Flink's window functions in a form that it reads.
//!
//! `TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), ...))` becomes `tumble(t, descriptor(ts), ...)`; `SESSION(TABLE t PARTITION BY
//! a, b, ...)` becomes `session(t, partition_by(a, b), ...)`. `LATERAL TABLE(f(x))` of a scalar function that answers an array
//! becomes `UNNEST(f(x))`. Tokens keep their places.

use datafusion_sql::sqlparser::tokenizer::{Span, Token, TokenWithSpan, Word};

use super::calls::Callable;
use crate::parse::token::is_word;

/// The window table functions.
pub(crate) const WINDOW_FUNCTIONS: &[&str] = &["tumble", "hop", "cumulate", "session"];

/// What stands for `PARTITION BY` in the arguments of a window function.
pub(crate) const PARTITION_BY: &str = "partition_by";

/// Other names of the window functions.
const OTHER_NAMES: &[(&str, &str)] = &[("tumbling", "tumble"), ("hopping", "hop"), ("slide", "hop")];

/// The columns that a window adds.
pub(crate) const WINDOW_COLUMNS: [&str; 3] = ["window_start", "window_end", "window_time"];

/// The tokens of a query as the parser wants them.
pub(crate) fn prepare(tokens: &[TokenWithSpan], callable: &Callable) -> Vec<TokenWithSpan> {
    let lower: Vec<TokenWithSpan> = tokens.iter().map(lower_case).collect();
    let lower = unnested(lower, callable);
    let mut out = Vec::with_capacity(lower.len());
    pass(&lower, &mut out);
    out
}

/// Tables of functions that answer arrays, as the items of those.
fn unnested(mut tokens: Vec<TokenWithSpan>, callable: &Callable) -> Vec<TokenWithSpan> {
    for i in (0..tokens.len()).rev() {
        let called = |word: &Token| matches!(word, Token::Word(word) if callable.is_scalar(&word.value));
        let of_array = is_word(at(&tokens, i), "table")
            && *at(&tokens, i + 1) == Token::LParen
            && called(at(&tokens, i + 2))
            && *at(&tokens, i + 3) == Token::LParen
            && closing(&tokens, i + 3) + 1 == closing(&tokens, i + 1);
        if of_array {
            tokens[i].token = Token::make_word("unnest", None);
            if i > 0 && is_word(at(&tokens, i - 1), "lateral") {
                tokens.remove(i - 1);
            }
        }
    }
    tokens
}

/// The name of the window function that a word is, as it is called here.
pub(crate) fn window_function(name: &str) -> Option<&'static str> {
    let name = name.to_ascii_lowercase();
    let other = OTHER_NAMES.iter().find(|(other, _)| *other == name).map(|(_, name)| *name);
    other.or_else(|| WINDOW_FUNCTIONS.iter().copied().find(|known| *known == name))
}

fn lower_case(token: &TokenWithSpan) -> TokenWithSpan {
    match &token.token {
        Token::Word(word) => {
            let word = Word { value: word.value.to_lowercase(), ..word.clone() };
            TokenWithSpan { token: Token::Word(word), span: token.span }
        }
        _ => token.clone(),
    }
}

pub(crate) fn at(tokens: &[TokenWithSpan], index: usize) -> &Token {
    tokens.get(index).map_or(&Token::EOF, |token| &token.token)
}

fn is_window_call(tokens: &[TokenWithSpan], index: usize) -> bool {
    let named =
        matches!(at(tokens, index), Token::Word(w) if w.quote_style.is_none() && window_function(&w.value).is_some());
    named && *at(tokens, index + 1) == Token::LParen
}

/// The index of the parenthesis or bracket that closes the one at `open`, or the end.
pub(crate) fn closing(tokens: &[TokenWithSpan], open: usize) -> usize {
    let mut depth = 0_usize;
    for (i, token) in tokens.iter().enumerate().skip(open) {
        match token.token {
            Token::LParen | Token::LBracket => depth += 1,
            Token::RParen | Token::RBracket if depth == 1 => return i,
            Token::RParen | Token::RBracket => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    tokens.len()
}

fn pass(tokens: &[TokenWithSpan], out: &mut Vec<TokenWithSpan>) {
    let mut i = 0;
    while i < tokens.len() {
        let wrapped =
            is_word(at(tokens, i), "table") && *at(tokens, i + 1) == Token::LParen && is_window_call(tokens, i + 2);
        if wrapped {
            // The parser wants the function itself; its wrapper's closing parenthesis goes too.
            let close = closing(tokens, i + 1);
            pass(&tokens[i + 2..close], out);
            i = close + 1;
        } else if is_window_call(tokens, i) {
            let close = closing(tokens, i + 1);
            out.extend_from_slice(&tokens[i..i + 2]);
            arguments(&tokens[i + 2..close], out);
            out.extend(tokens.get(close).cloned());
            i = close + 1;
        } else {
            out.push(tokens[i].clone());
            i += 1;
        }
    }
}

/// The items of a list, apart at commas outside of parentheses.
pub(crate) fn items(tokens: &[TokenWithSpan]) -> Vec<&[TokenWithSpan]> {
    let mut items = Vec::new();
    let (mut start, mut depth) = (0, 0_usize);
    for (i, token) in tokens.iter().enumerate() {
        match token.token {
            Token::LParen | Token::LBracket => depth += 1,
            Token::RParen | Token::RBracket => depth = depth.saturating_sub(1),
            Token::Comma if depth == 0 => {
                items.push(&tokens[start..i]);
                start = i + 1;
            }
            _ => {}
        }
    }
    items.push(&tokens[start..]);
    items
}

/// The arguments of a window function.
fn arguments(tokens: &[TokenWithSpan], out: &mut Vec<TokenWithSpan>) {
    let items = items(tokens);
    let mut i = 0;
    while i < items.len() {
        if i > 0 {
            out.push(made(Token::Comma));
        }
        let mut item = items[i];
        let named = *at(item, 1) == Token::RArrow;
        if named {
            out.extend_from_slice(&item[..2]);
            item = &item[2..];
        }
        if is_word(at(item, 0), "table") && item.len() > 1 {
            item = &item[1..];
        }
        let Some(by) = partition_by(item) else {
            pass(item, out);
            i += 1;
            continue;
        };
        // The list goes on to the time column: DESCRIPTOR(..), a named argument, or the last but one argument.
        pass(&item[..by], out);
        out.push(made(Token::Comma));
        out.push(made(Token::make_word(PARTITION_BY, None)));
        out.push(made(Token::LParen));
        let keys = &item[by + 2..];
        // `(a, b)` is the list `a, b`.
        let listed = *at(keys, 0) == Token::LParen && closing(keys, 0) + 1 == keys.len();
        out.extend_from_slice(if listed { &keys[1..keys.len() - 1] } else { keys });
        i += 1;
        let ends = |i: usize| {
            let starts = |item: &[TokenWithSpan]| is_word(at(item, 0), "descriptor") || *at(item, 1) == Token::RArrow;
            items[i..].first().is_none_or(|item| starts(item))
                || (!items[i..].iter().any(|item| starts(item)) && i + 2 >= items.len())
        };
        while i < items.len() && !ends(i) {
            out.push(made(Token::Comma));
            out.extend_from_slice(items[i]);
            i += 1;
        }
        out.push(made(Token::RParen));
    }
}

/// Where `PARTITION BY` begins in an argument, outside of parentheses.
fn partition_by(item: &[TokenWithSpan]) -> Option<usize> {
    let mut depth = 0_usize;
    (0..item.len()).find(|&i| {
        match item[i].token {
            Token::LParen => depth += 1,
            Token::RParen => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0 && is_word(&item[i].token, "partition") && is_word(at(item, i + 1), "by")
    })
}

fn made(token: Token) -> TokenWithSpan {
    TokenWithSpan { token, span: Span::empty() }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::parse::token::statements;

    #[test]
    fn flinks_forms_become_plain_calls() {
        for (from, to) in [
            (
                "SELECT * FROM TABLE(TUMBLE(TABLE Bid, DESCRIPTOR(`dateTime`), INTERVAL '10' SECOND)) AS B",
                "select * from tumble ( bid , descriptor ( `datetime` ) , interval '10' second ) as b",
            ),
            (
                "FROM TABLE(HOP(DATA => TABLE b, TIMECOL => DESCRIPTOR(t), SLIDE => 1, SIZE => 2))",
                "from hop ( data => b , timecol => descriptor ( t ) , slide => 1 , size => 2 )",
            ),
            (
                "FROM TABLE(SESSION(TABLE b PARTITION BY x, y, DESCRIPTOR(t), 1))",
                "from session ( b , partition_by ( x , y ) , descriptor ( t ) , 1 )",
            ),
            (
                "FROM SESSION(DATA => TABLE b PARTITION BY x, TIMECOL => DESCRIPTOR(t), GAP => 1)",
                "from session ( data => b , partition_by ( x ) , timecol => descriptor ( t ) , gap => 1 )",
            ),
            (
                "FROM TABLE(SESSION(TABLE b PARTITION BY (x, y), DESCRIPTOR(t), 1))",
                "from session ( b , partition_by ( x , y ) , descriptor ( t ) , 1 )",
            ),
            ("FROM SESSION(b PARTITION BY x, y, t, 1)", "from session ( b , partition_by ( x , y ) , t , 1 )"),
            (
                "FROM TUMBLE((SELECT * FROM TABLE(TUMBLE(TABLE c, u, 1))), t, 2)",
                "from tumble ( ( select * from tumble ( c , u , 1 ) ) , t , 2 )",
            ),
            ("SELECT sum(tumble) FROM t", "select sum ( tumble ) from t"),
            (
                "FROM t, LATERAL TABLE(SPLIT(t.a, ' ')) AS w (x), TABLE(split(a)), TABLE(other(a)), TABLE(split(a) + 1)",
                "from t , unnest ( split ( t . a , ' ' ) ) as w ( x ) , unnest ( split ( a ) ) , table ( other ( a ) ) , table ( split ( a ) + 1 )",
            ),
        ] {
            let tokens = statements(from).unwrap().remove(0);
            let callable = Callable::new(&[], ["split"].into_iter());
            let shown: Vec<String> = prepare(&tokens, &callable).iter().map(|token| token.token.to_string()).collect();
            assert_eq!(shown.join(" "), to, "{from}");
        }
    }
}
