//! Tokens with their places, statements as runs of tokens, and a cursor to parse them by hand.
//!
//! Whitespace and comments are gone here. Words keep the spelling of the file; names are compared without case.

use datafusion_sql::sqlparser::ast::ObjectName;
use datafusion_sql::sqlparser::dialect::GenericDialect;
use datafusion_sql::sqlparser::tokenizer::{Location, Span, Token, TokenWithSpan, Tokenizer, Whitespace};

use super::error::{Problem, through};

/// How queries are read: names in backticks or double quotes.
pub(crate) const DIALECT: GenericDialect = GenericDialect {};

/// The statements of a file, each without its semicolon.
pub(crate) fn statements(text: &str) -> Result<Vec<Vec<TokenWithSpan>>, Problem> {
    let tokens = Tokenizer::new(&DIALECT, text).tokenize_with_location().map_err(|error| {
        let span = Span { start: error.location, end: error.location };
        Problem::at(span, error.message)
    })?;
    let mut statements = vec![Vec::new()];
    for token in tokens {
        match token.token {
            Token::Whitespace(Whitespace::MultiLineComment(text)) if text.starts_with('+') => {
                return Err(hint(&text[1..], token.span));
            }
            Token::Whitespace(_) | Token::EOF => {}
            Token::SemiColon => statements.push(Vec::new()),
            _ => {
                if let Some(last) = statements.last_mut() {
                    last.push(token);
                }
            }
        }
    }
    statements.retain(|tokens| !tokens.is_empty());
    Ok(statements)
}

/// A hint, `/*+ NAME(...) */`: it is not followed, and not passed over either.
fn hint(text: &str, span: Span) -> Problem {
    let name = text.trim().split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default();
    let name = name.to_ascii_uppercase();
    let problem =
        Problem::at(span, format!("the hint {name} is not followed: a hint would change what is written elsewhere"));
    problem.hint(match name.as_str() {
        "OPTIONS" => "put the options into WITH (...) of the table; for others, declare the table a second time",
        "STATE_TTL" => "bound the state by time: a window, or a join condition over both event times",
        _ => "leave it out: the engine arranges joins itself",
    })
}

/// From the first token to the last.
pub(crate) fn span_of(tokens: &[TokenWithSpan]) -> Span {
    match (tokens.first(), tokens.last()) {
        (Some(first), Some(last)) => through(first.span, last.span),
        _ => Span::empty(),
    }
}

/// The text that a span covers.
pub(crate) fn slice(text: &str, span: Span) -> &str {
    &text[offset(text, span.start)..offset(text, span.end)]
}

/// The byte where a place is.
fn offset(text: &str, place: Location) -> usize {
    let mut here = (1, 1);
    for (at, c) in text.char_indices() {
        if here >= (place.line, place.column) {
            return at;
        }
        here = if c == '\n' { (here.0 + 1, 1) } else { (here.0, here.1 + 1) };
    }
    text.len()
}

/// A name with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Name {
    pub(crate) value: String,
    pub(crate) span: Span,
}

impl Name {
    /// The name as it is looked up.
    pub(crate) fn key(&self) -> String {
        self.value.to_lowercase()
    }
}

/// Whether a token is this word, unquoted and whatever its case.
pub(crate) fn is_word(token: &Token, word: &str) -> bool {
    matches!(token, Token::Word(w) if w.quote_style.is_none() && w.value.eq_ignore_ascii_case(word))
}

/// Reads the tokens of one statement from left to right.
#[derive(Clone, Debug)]
pub(crate) struct Cursor<'a> {
    tokens: &'a [TokenWithSpan],
    at: usize,
    /// Whether the first half of a `>>` has been read: it closes two types.
    half: bool,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(tokens: &'a [TokenWithSpan]) -> Cursor<'a> {
        Cursor { tokens, at: 0, half: false }
    }

    pub(crate) fn peek(&self) -> &'a Token {
        self.peek_at(0)
    }

    pub(crate) fn peek_at(&self, ahead: usize) -> &'a Token {
        self.tokens.get(self.at + ahead).map_or(&Token::EOF, |token| &token.token)
    }

    /// The place of the next token, or the end of the last.
    pub(crate) fn span(&self) -> Span {
        match (self.tokens.get(self.at), self.tokens.last()) {
            (Some(token), _) => token.span,
            (None, Some(last)) => Span { start: last.span.end, end: last.span.end },
            (None, None) => Span::empty(),
        }
    }

    /// The place of the token before.
    pub(crate) fn last_span(&self) -> Span {
        self.tokens[..self.at].last().map_or_else(|| self.span(), |token| token.span)
    }

    pub(crate) fn done(&self) -> bool {
        self.at >= self.tokens.len()
    }

    pub(crate) fn next(&mut self) -> &'a Token {
        let token = self.peek();
        self.at += 1;
        token
    }

    /// What is left.
    pub(crate) fn rest(&self) -> &'a [TokenWithSpan] {
        &self.tokens[self.at.min(self.tokens.len())..]
    }

    pub(crate) fn eat(&mut self, token: &Token) -> bool {
        let found = self.peek() == token;
        self.at += usize::from(found);
        found
    }

    pub(crate) fn expect(&mut self, token: &Token) -> Result<(), Problem> {
        if self.eat(token) { Ok(()) } else { Err(self.expected(&format!("'{token}'"))) }
    }

    pub(crate) fn is(&self, word: &str) -> bool {
        is_word(self.peek(), word)
    }

    /// Reads these words, all or none.
    pub(crate) fn eat_words(&mut self, words: &[&str]) -> bool {
        let found = words.iter().enumerate().all(|(ahead, word)| is_word(self.peek_at(ahead), word));
        self.at += if found { words.len() } else { 0 };
        found
    }

    pub(crate) fn eat_word(&mut self, word: &str) -> bool {
        self.eat_words(&[word])
    }

    pub(crate) fn expect_word(&mut self, word: &str) -> Result<(), Problem> {
        if self.eat_word(word) { Ok(()) } else { Err(self.expected(word)) }
    }

    pub(crate) fn name(&mut self, what: &str) -> Result<Name, Problem> {
        match self.peek() {
            Token::Word(word) => {
                let name = Name { value: word.value.clone(), span: self.span() };
                self.at += 1;
                Ok(name)
            }
            _ => Err(self.expected(what)),
        }
    }

    pub(crate) fn string(&mut self, what: &str) -> Result<Name, Problem> {
        match self.peek() {
            Token::SingleQuotedString(value) => {
                let name = Name { value: value.clone(), span: self.span() };
                self.at += 1;
                Ok(name)
            }
            _ => Err(self.expected(&format!("{what} in single quotes"))),
        }
    }

    pub(crate) fn number(&mut self, what: &str) -> Result<u64, Problem> {
        let parsed = match self.peek() {
            Token::Number(digits, _) => digits.parse().ok(),
            _ => None,
        };
        let number = parsed.ok_or_else(|| self.expected(what))?;
        self.at += 1;
        Ok(number)
    }

    /// Reads the `>` that ends a type; `>>` ends two.
    pub(crate) fn expect_gt(&mut self) -> Result<(), Problem> {
        match self.peek() {
            Token::Gt => self.at += 1,
            Token::ShiftRight if self.half => {
                self.half = false;
                self.at += 1;
            }
            Token::ShiftRight => self.half = true,
            _ => return Err(self.expected("'>'")),
        }
        Ok(())
    }

    /// Reads up to a comma or closing parenthesis outside of any parentheses.
    pub(crate) fn item(&mut self) -> &'a [TokenWithSpan] {
        let start = self.at;
        let mut depth = 0_usize;
        while !self.done() {
            match self.peek() {
                Token::LParen | Token::LBracket => depth += 1,
                Token::RParen | Token::RBracket if depth > 0 => depth -= 1,
                Token::RParen | Token::Comma if depth == 0 => break,
                _ => {}
            }
            self.at += 1;
        }
        &self.tokens[start..self.at]
    }

    pub(crate) fn expected(&self, what: &str) -> Problem {
        let found = match self.peek() {
            Token::EOF => "the end of the statement".to_owned(),
            token => format!("'{token}'"),
        };
        Problem::at(self.span(), format!("expected {what}, found {found}"))
    }
}

/// The last part of a name.
pub(crate) fn last_part(name: &ObjectName) -> String {
    name.0.last().and_then(|part| part.as_ident()).map_or_else(String::new, |id| id.value.to_lowercase())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn statements_split_at_semicolons_only() {
        let text = "-- a; b\nSELECT ';' /* ; */ ;; SELECT `x;y`";
        let found = statements(text).unwrap();
        let texts: Vec<&str> = found.iter().map(|tokens| slice(text, span_of(tokens))).collect();
        assert_eq!(texts, ["SELECT ';'", "SELECT `x;y`"]);
    }

    #[test]
    fn hints_are_not_passed_over() {
        let problem = statements("SELECT a /* b */\nFROM t /*+ OPTIONS('x' = '1') */").unwrap_err();
        assert_eq!((problem.span.start.line, problem.span.start.column), (2, 8));
        assert!(problem.message.contains("OPTIONS"), "{problem:?}");
    }

    #[test]
    fn slices_count_characters() {
        let text = "'äöü' x\r\n  größe y";
        let found = statements(text).unwrap();
        assert_eq!(slice(text, found[0][2].span), "größe");
        assert_eq!(slice(text, found[0][0].span), "'äöü'");
    }

    #[test]
    fn an_open_string_is_placed() {
        let problem = statements("SELECT 'abc").unwrap_err();
        assert_eq!((problem.span.start.line, problem.span.start.column), (1, 8));
    }
}
