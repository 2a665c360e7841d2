//! The statements of a program, read by hand from tokens; queries inside them stay tokens for the planner.

use datafusion_sql::sqlparser::tokenizer::{Span, Token, TokenWithSpan};

use super::ddl::{self, Table};
use super::error::{Problem, suggest, through};
use super::setting::{self, Setting};
use super::token::{Cursor, Name, is_word, span_of};
use highwater_core::plan::Emit;

/// One statement.
#[derive(Clone, Debug)]
pub(crate) enum Statement {
    /// `CREATE SOURCE`, `CREATE TABLE`.
    Table(Table),
    /// `CREATE VIEW`, `CREATE MATERIALIZED VIEW`.
    View(View),
    /// `CREATE SINK ... AS query`.
    Sink(Sink),
    /// `INSERT INTO table query`.
    Insert(Insert),
    /// `SET 'option' = 'value'`.
    Set(Setting, Span),
    /// `CREATE FUNCTION name AS 'class'`: the function must be registered.
    Function(Name),
    /// A statement without meaning here: the brackets of a statement set, a setting of Flink's job.
    Nothing,
}

/// `CREATE [MATERIALIZED] VIEW`.
#[derive(Clone, Debug)]
pub(crate) struct View {
    pub(crate) name: Name,
    pub(crate) if_not_exists: bool,
    /// Whether it is published.
    pub(crate) materialized: bool,
    pub(crate) columns: Vec<Name>,
    pub(crate) options: Vec<OptionPair>,
    pub(crate) query: Body,
}

/// `CREATE SINK`.
#[derive(Clone, Debug)]
pub(crate) struct Sink {
    pub(crate) name: Name,
    pub(crate) if_not_exists: bool,
    /// The columns of PARTITIONED BY.
    pub(crate) partition: Vec<Name>,
    pub(crate) options: Vec<OptionPair>,
    pub(crate) query: Body,
}

/// `INSERT INTO`.
#[derive(Clone, Debug)]
pub(crate) struct Insert {
    pub(crate) table: Name,
    pub(crate) columns: Vec<Name>,
    pub(crate) query: Body,
}

/// `'name' = 'value'`.
#[derive(Clone, Debug)]
pub(crate) struct OptionPair {
    pub(crate) name: Name,
    pub(crate) value: Name,
}

/// A query and what it emits.
#[derive(Clone, Debug)]
pub(crate) struct Body {
    /// The tokens, without EMIT.
    pub(crate) tokens: Vec<TokenWithSpan>,
    /// The whole text, EMIT included.
    pub(crate) span: Span,
    /// `EMIT ...` with its place, if written.
    pub(crate) emit: Option<(Emit, Span)>,
}

/// Statements that other systems have and this one does not, with what to do instead.
const REFUSED: &[(&str, &str)] = &[
    (
        "SELECT",
        "name the result: CREATE MATERIALIZED VIEW name AS SELECT ..., or CREATE SINK name WITH (...) AS SELECT ...",
    ),
    ("WITH", "name the result: CREATE MATERIALIZED VIEW name AS WITH ... SELECT ..."),
    ("VALUES", "rows come from sources: CREATE SOURCE name (...) WITH ('connector' = '...')"),
    ("DROP", "a program is a whole: leave the statement that creates it out"),
    ("ALTER", "a program is a whole: change the statement that creates it"),
    ("UPDATE", "a result changes with its inputs; rows of reference tables are changed over REST"),
    ("DELETE", "a result changes with its inputs; rows of reference tables are changed over REST"),
    ("EXPLAIN", "run 'highwater explain FILE.sql'"),
    ("DESCRIBE", "run 'highwater explain FILE.sql'"),
    ("SHOW", "run 'highwater explain FILE.sql'"),
    ("USE", "there is one catalog and one database: leave it out"),
    ("ADD", "embed the engine and register functions there"),
    ("COPY", "write CREATE SINK name WITH ('connector' = 'filesystem', ...) AS SELECT ..."),
];

/// Things that are created elsewhere and not here.
const NOT_CREATED: &[(&str, &str)] = &[
    ("CATALOG", "there is one catalog: leave it out"),
    ("DATABASE", "there is one database: leave it out"),
    ("INDEX", "the engine arranges its data itself: leave it out"),
    ("MODEL", "models are not supported"),
];

/// Reads one statement.
pub(crate) fn parse(tokens: &[TokenWithSpan]) -> Result<Statement, Problem> {
    let mut cursor = Cursor::new(tokens);
    let set = cursor.eat_words(&["EXECUTE", "STATEMENT", "SET"]);
    if set || cursor.is("BEGIN") {
        cursor.eat_word("BEGIN");
        cursor.eat_words(&["STATEMENT", "SET"]);
        if cursor.done() {
            return Ok(Statement::Nothing);
        }
    }
    let start = cursor.span();
    if cursor.eat_word("CREATE") {
        return create(cursor, start);
    }
    if cursor.eat_word("INSERT") {
        return insert(cursor);
    }
    if cursor.eat_word("SET") {
        let set = setting::parse(cursor)?;
        return Ok(set.map_or(Statement::Nothing, |setting| Statement::Set(setting, span_of(tokens))));
    }
    if cursor.eat_word("END") {
        return if cursor.done() { Ok(Statement::Nothing) } else { Err(cursor.expected("the end of the statement")) };
    }
    let Token::Word(word) = cursor.peek() else { return Err(cursor.expected("a statement").hint(STATEMENTS)) };
    let name = word.value.to_ascii_uppercase();
    match REFUSED.iter().find(|(statement, _)| *statement == name) {
        Some(("SELECT" | "WITH", hint)) => Err(Problem::at(start, "a query on its own has no place to go").hint(*hint)),
        Some((statement, hint)) => Err(Problem::at(start, format!("{statement} is not supported")).hint(*hint)),
        None => {
            let known = ["CREATE", "INSERT", "SET", "BEGIN", "END"];
            let hint = suggest(&name, known, "statements are").unwrap_or_default();
            Err(Problem::at(start, format!("'{}' does not begin a statement", word.value)).hint(hint))
        }
    }
}

const STATEMENTS: &str =
    "statements are CREATE SOURCE, CREATE TABLE, CREATE [MATERIALIZED] VIEW, CREATE SINK, INSERT INTO";

fn create(mut cursor: Cursor<'_>, start: Span) -> Result<Statement, Problem> {
    if cursor.eat_words(&["OR", "REPLACE"]) {
        let span = through(start, cursor.last_span());
        return Err(
            Problem::at(span, "OR REPLACE is not supported").hint("a program creates each thing once: leave it out")
        );
    }
    let temporary = cursor.eat_word("TEMPORARY") || cursor.eat_word("TEMP");
    let span = cursor.span();
    if cursor.eat_word("SOURCE") {
        return ddl::parse(&mut cursor, true).map(Statement::Table);
    }
    if cursor.eat_word("TABLE") {
        return ddl::parse(&mut cursor, false).map(Statement::Table);
    }
    if cursor.eat_words(&["MATERIALIZED", "TABLE"]) {
        return Err(Problem::at(span, "materialized tables are not supported").hint("write CREATE MATERIALIZED VIEW"));
    }
    let materialized = cursor.eat_word("MATERIALIZED");
    if cursor.eat_word("VIEW") {
        return view(cursor, materialized).map(Statement::View);
    }
    if cursor.eat_word("SINK") && !temporary {
        let if_not_exists = cursor.eat_words(&["IF", "NOT", "EXISTS"]);
        let name = object_name(&mut cursor, "the sink's name")?;
        let partition = super::ddl::partitioned(&mut cursor)?;
        let options = options(&mut cursor)?;
        if cursor.done() {
            return Err(cursor.expected("AS and a query").hint(
                "CREATE SINK name WITH (...) AS SELECT ...; or CREATE TABLE name (...) WITH (...) and INSERT INTO name SELECT ...",
            ));
        }
        cursor.expect_word("AS")?;
        return Ok(Statement::Sink(Sink { name, if_not_exists, partition, options, query: body(&cursor)? }));
    }
    cursor.eat_word("SYSTEM");
    if cursor.eat_word("FUNCTION") {
        cursor.eat_words(&["IF", "NOT", "EXISTS"]);
        return object_name(&mut cursor, "the function's name").map(Statement::Function);
    }
    let refused = NOT_CREATED.iter().find(|(what, _)| cursor.is(what) || is_word(cursor.peek_at(1), what));
    Err(match refused {
        Some((what, hint)) => Problem::at(span, format!("CREATE {what} is not supported")).hint(*hint),
        None => cursor.expected("SOURCE, TABLE, [MATERIALIZED] VIEW or SINK after CREATE").hint(STATEMENTS),
    })
}

fn view(mut cursor: Cursor<'_>, materialized: bool) -> Result<View, Problem> {
    let if_not_exists = cursor.eat_words(&["IF", "NOT", "EXISTS"]);
    let name = object_name(&mut cursor, "the view's name")?;
    let columns = column_names(&mut cursor)?;
    comment(&mut cursor);
    let options = options(&mut cursor)?;
    cursor.expect_word("AS")?;
    Ok(View { name, if_not_exists, materialized, columns, options, query: body(&cursor)? })
}

fn insert(mut cursor: Cursor<'_>) -> Result<Statement, Problem> {
    let span = cursor.span();
    if cursor.eat_word("OVERWRITE") {
        return Err(
            Problem::at(span, "INSERT OVERWRITE is not supported").hint("a stream is appended to: write INSERT INTO")
        );
    }
    cursor.expect_word("INTO")?;
    let table = object_name(&mut cursor, "the sink's name")?;
    let columns = if matches!(cursor.peek_at(1), Token::Word(w) if is_query(w.value.as_str())) {
        Vec::new()
    } else {
        column_names(&mut cursor)?
    };
    if cursor.is("PARTITION") {
        return Err(cursor
            .expected("a query")
            .hint("leave PARTITION out, and select the values of those columns as well"));
    }
    Ok(Statement::Insert(Insert { table, columns, query: body(&cursor)? }))
}

fn is_query(word: &str) -> bool {
    ["SELECT", "WITH", "VALUES"].iter().any(|q| q.eq_ignore_ascii_case(word))
}

/// A name; qualified ones are refused, since there is one catalog.
pub(crate) fn object_name(cursor: &mut Cursor<'_>, what: &str) -> Result<Name, Problem> {
    let name = cursor.name(what)?;
    if *cursor.peek() == Token::Period {
        return Err(Problem::at(cursor.span(), "names are not qualified: there is one catalog and one database")
            .hint("write the last part of the name only"));
    }
    Ok(name)
}

pub(crate) fn column_names(cursor: &mut Cursor<'_>) -> Result<Vec<Name>, Problem> {
    let mut names = Vec::new();
    if cursor.eat(&Token::LParen) {
        loop {
            names.push(cursor.name("a column name")?);
            comment(cursor);
            if !cursor.eat(&Token::Comma) {
                break;
            }
        }
        cursor.expect(&Token::RParen)?;
    }
    Ok(names)
}

/// Passes over `COMMENT 'text'`.
pub(crate) fn comment(cursor: &mut Cursor<'_>) {
    if cursor.is("COMMENT") && matches!(cursor.peek_at(1), Token::SingleQuotedString(_)) {
        cursor.next();
        cursor.next();
    }
}

/// `WITH ('name' = 'value', ...)`, if it is there.
pub(crate) fn options(cursor: &mut Cursor<'_>) -> Result<Vec<OptionPair>, Problem> {
    let mut pairs: Vec<OptionPair> = Vec::new();
    if !cursor.eat_word("WITH") {
        return Ok(pairs);
    }
    cursor.expect(&Token::LParen)?;
    while !cursor.eat(&Token::RParen) {
        let name = option_name(cursor)?;
        cursor.expect(&Token::Eq)?;
        let value = match cursor.peek() {
            Token::Number(digits, _) => Name { value: digits.clone(), span: cursor.span() },
            Token::Word(w) if w.quote_style.is_none() => Name { value: w.value.clone(), span: cursor.span() },
            Token::SingleQuotedString(value) => Name { value: value.clone(), span: cursor.span() },
            _ => return Err(cursor.expected("the option's value in single quotes")),
        };
        cursor.next();
        if pairs.iter().any(|pair| pair.name.key() == name.key()) {
            return Err(Problem::at(name.span, format!("the option '{}' is there twice", name.value)));
        }
        pairs.push(OptionPair { name, value });
        if !cursor.eat(&Token::Comma) {
            cursor.expect(&Token::RParen)?;
            break;
        }
    }
    Ok(pairs)
}

/// An option's name: quoted, or words apart by dots.
pub(crate) fn option_name(cursor: &mut Cursor<'_>) -> Result<Name, Problem> {
    if let Token::SingleQuotedString(_) = cursor.peek() {
        return cursor.string("an option's name");
    }
    let mut name = cursor.name("an option's name in single quotes")?;
    while matches!(cursor.peek(), Token::Period | Token::Minus) {
        name.value.push_str(&cursor.next().to_string());
        let part = cursor.name("the rest of the option's name")?;
        name.value.push_str(&part.value);
        name.span = through(name.span, part.span);
    }
    Ok(name)
}

/// What follows EMIT, here and in other systems.
const EMIT_WORDS: &[&str] = &["CHANGES", "FINAL", "AFTER", "UPDATE", "APPEND", "UPDATES", "WITH", "WITHOUT", "STREAM"];

/// The rest of a statement as a query, apart from EMIT at its end.
fn body(cursor: &Cursor<'_>) -> Result<Body, Problem> {
    let tokens = cursor.rest();
    let start = tokens.iter().find(|token| token.token != Token::LParen);
    match start {
        None => return Err(cursor.expected("a query")),
        Some(token) if matches!(&token.token, Token::Word(w) if is_query(&w.value)) => {}
        Some(token) => return Err(Problem::at(token.span, format!("expected a query, found '{}'", token.token))),
    }
    let span = span_of(tokens);
    // EMIT stands last; what is called so stands behind FROM, JOIN, AS, a comma or a dot, or has nothing behind it.
    let at = tokens.len().saturating_sub(6);
    let found = tokens[at..].iter().enumerate().skip(1).find(|(i, token)| {
        let next = tokens.get(at + i + 1).map(|token| &token.token);
        let then = tokens.get(at + i + 2).map(|token| &token.token);
        // `JOIN t emit ON a = b` is none.
        let goes_on = |next: &Token| match is_word(next, "ON") {
            true => then.is_some_and(|then| is_word(then, "WINDOW") || is_word(then, "UPDATE")),
            false => EMIT_WORDS.iter().any(|word| is_word(next, word)),
        };
        let before = &tokens[at + i - 1].token;
        let named = matches!(before, Token::Comma | Token::Period)
            || ["FROM", "JOIN", "AS"].iter().any(|word| is_word(before, word));
        is_word(&token.token, "EMIT") && !named && next.is_some_and(goes_on)
    });
    let Some((i, token)) = found else { return Ok(Body { tokens: tokens.to_vec(), span, emit: None }) };
    let words = &tokens[at + i + 1..];
    let emit_span = through(token.span, span);
    let emit = match words {
        [word] if is_word(&word.token, "CHANGES") => Emit::Changes,
        [word] if is_word(&word.token, "FINAL") => Emit::Final,
        _ => return Err(emits(emit_span)),
    };
    Ok(Body { tokens: tokens[..at + i].to_vec(), span, emit: Some((emit, emit_span)) })
}

/// What is said of EMIT with something else behind it, or nothing.
pub(crate) fn emits(span: Span) -> Problem {
    Problem::at(span, "EMIT is followed by CHANGES or FINAL")
        .hint("EMIT CHANGES shows open windows as they change; EMIT FINAL shows a window when it closes (the default)")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
#[path = "statement_tests.rs"]
mod tests;
