//! `CREATE SOURCE` and `CREATE TABLE`: columns, computed columns, watermark, primary key, options.

use std::collections::HashSet;

use arrow_schema::DataType;
use datafusion_sql::sqlparser::ast::{BinaryOperator, Expr};
use datafusion_sql::sqlparser::parser::Parser;
use datafusion_sql::sqlparser::tokenizer::{Span, Token, TokenWithSpan};

use super::column_type;
use super::error::{Problem, suggest};
use super::interval;
use super::statement::{OptionPair, column_names, comment, object_name, options};
use super::token::{Cursor, DIALECT, Name, span_of};

/// A table as declared.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    /// Whether it says SOURCE.
    pub(crate) source: bool,
    pub(crate) name: Name,
    pub(crate) if_not_exists: bool,
    pub(crate) columns: Vec<Column>,
    pub(crate) watermark: Option<Watermark>,
    pub(crate) primary_key: Vec<Name>,
    /// The columns of PARTITIONED BY.
    pub(crate) partition: Vec<Name>,
    pub(crate) options: Vec<OptionPair>,
}

/// A column as declared.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    pub(crate) name: Name,
    pub(crate) kind: ColumnKind,
    /// What of the connector's own fills it, if it is not the rows: `METADATA FROM 'name'`.
    pub(crate) metadata: Option<Name>,
}

/// Where a column's values come from.
#[derive(Clone, Debug)]
pub(crate) enum ColumnKind {
    /// The rows themselves.
    Physical(DataType, bool),
    /// An expression over the physical columns.
    Computed(Vec<TokenWithSpan>),
}

/// `WATERMARK FOR column AS column - bound`.
#[derive(Clone, Debug)]
pub(crate) struct Watermark {
    pub(crate) column: Name,
    pub(crate) bound_ms: i64,
}

impl Table {
    /// The value of an option.
    pub(crate) fn option(&self, name: &str) -> Option<&OptionPair> {
        self.options.iter().find(|pair| pair.name.key() == name)
    }
}

/// Reads what follows `CREATE SOURCE` or `CREATE TABLE`.
pub(crate) fn parse(cursor: &mut Cursor<'_>, source: bool) -> Result<Table, Problem> {
    let if_not_exists = cursor.eat_words(&["IF", "NOT", "EXISTS"]);
    let name = object_name(cursor, if source { "the source's name" } else { "the table's name" })?;
    let mut table = Table {
        source,
        name,
        if_not_exists,
        columns: Vec::new(),
        watermark: None,
        primary_key: Vec::new(),
        partition: Vec::new(),
        options: Vec::new(),
    };
    if cursor.eat(&Token::LParen) {
        loop {
            element(cursor, &mut table)?;
            if !cursor.eat(&Token::Comma) {
                break;
            }
        }
        cursor.expect(&Token::RParen)?;
    }
    comment(cursor);
    if cursor.is("DISTRIBUTED") {
        return Err(cursor
            .expected("WITH")
            .hint("leave it out: a 'path' that ends in '/' gives a part file per worker"));
    }
    table.partition = partitioned(cursor)?;
    table.options = options(cursor)?;
    if cursor.is("LIKE") {
        return Err(cursor.expected("the end of the statement").hint("LIKE is not supported: write the columns out"));
    }
    if cursor.is("AS") {
        return Err(cursor
            .expected("the end of the statement")
            .hint("write CREATE SINK name WITH (...) AS SELECT ..."));
    }
    if !cursor.done() {
        return Err(cursor.expected("the end of the statement"));
    }
    check(&table)?;
    Ok(table)
}

/// `PARTITIONED BY (column, ...)`, if it is there.
pub(crate) fn partitioned(cursor: &mut Cursor<'_>) -> Result<Vec<Name>, Problem> {
    if !cursor.eat_word("PARTITIONED") {
        return Ok(Vec::new());
    }
    cursor.expect_word("BY")?;
    match cursor.peek_at(0) {
        Token::LParen => column_names(cursor),
        _ => Err(cursor.expected("the columns to partition by, in parentheses")),
    }
}

/// One element between the parentheses.
fn element(cursor: &mut Cursor<'_>, table: &mut Table) -> Result<(), Problem> {
    let start = cursor.span();
    if cursor.is("WATERMARK") && matches!(cursor.peek_at(1), Token::Word(w) if w.value.eq_ignore_ascii_case("FOR")) {
        let found = watermark(cursor)?;
        if table.watermark.replace(found).is_some() {
            return Err(Problem::at(start, "a source has one watermark; this is the second"));
        }
        return Ok(());
    }
    if cursor.eat_word("CONSTRAINT") {
        cursor.name("the constraint's name")?;
    }
    if cursor.eat_words(&["PRIMARY", "KEY"]) {
        one_key(table, start)?;
        cursor.expect(&Token::LParen)?;
        loop {
            table.primary_key.push(cursor.name("a column of the key")?);
            if !cursor.eat(&Token::Comma) {
                break;
            }
        }
        cursor.expect(&Token::RParen)?;
        cursor.eat_words(&["NOT", "ENFORCED"]);
        return Ok(());
    }
    for word in ["UNIQUE", "FOREIGN", "CHECK", "PERIOD"] {
        if cursor.is(word) && *cursor.peek_at(1) == Token::LParen {
            return Err(Problem::at(start, format!("{word} constraints are not supported")).hint("leave it out"));
        }
    }
    let name = cursor.name("a column")?;
    if cursor.eat_word("AS") {
        let tokens = cursor.item();
        if tokens.is_empty() {
            return Err(cursor.expected("the expression of the computed column"));
        }
        // A comment may follow the expression.
        let end = tokens.iter().rposition(|token| super::token::is_word(&token.token, "COMMENT"));
        let tokens = match end {
            Some(at) if at > 0 && at + 2 == tokens.len() => &tokens[..at],
            _ => tokens,
        };
        table.columns.push(Column { name, kind: ColumnKind::Computed(tokens.to_vec()), metadata: None });
        return Ok(());
    }
    let (data_type, nullable) = column_type::parse(cursor)?;
    let metadata = metadata(cursor, &name)?;
    let start = cursor.span();
    if cursor.eat_words(&["PRIMARY", "KEY"]) {
        one_key(table, start)?;
        cursor.eat_words(&["NOT", "ENFORCED"]);
        table.primary_key.push(name.clone());
    }
    let nullable = nullable && !cursor.eat_words(&["NOT", "NULL"]);
    comment(cursor);
    table.columns.push(Column { name, kind: ColumnKind::Physical(data_type, nullable), metadata });
    Ok(())
}

/// There is one primary key.
fn one_key(table: &Table, span: Span) -> Result<(), Problem> {
    match table.primary_key.is_empty() {
        true => Ok(()),
        false => Err(Problem::at(span, "a table has one primary key; this is the second")
            .hint("write a key of several columns at the end: PRIMARY KEY (a, b)")),
    }
}

/// `METADATA [FROM 'name'] [VIRTUAL]` behind a column's type: the name, by default the column's.
fn metadata(cursor: &mut Cursor<'_>, column: &Name) -> Result<Option<Name>, Problem> {
    if !cursor.eat_word("METADATA") {
        return Ok(None);
    }
    let mut found = column.clone();
    if cursor.eat_word("FROM") {
        let span = cursor.span();
        let Token::SingleQuotedString(text) = cursor.peek().clone() else {
            return Err(cursor.expected("the name in quotes, as METADATA FROM 'headers'"));
        };
        cursor.next();
        found = Name { value: text, span };
    }
    cursor.eat_word("VIRTUAL");
    Ok(Some(found))
}

fn watermark(cursor: &mut Cursor<'_>) -> Result<Watermark, Problem> {
    cursor.expect_word("WATERMARK")?;
    cursor.expect_word("FOR")?;
    let column = cursor.name("the event-time column")?;
    cursor.expect_word("AS")?;
    let span = cursor.span();
    let tokens = cursor.item();
    let span = if tokens.is_empty() { span } else { span_of(tokens) };
    let bound_ms = bound(tokens, &column, span)?;
    Ok(Watermark { column, bound_ms })
}

/// The bound of `ts` or `ts - INTERVAL ...`.
fn bound(tokens: &[TokenWithSpan], column: &Name, span: Span) -> Result<i64, Problem> {
    const HINT: &str = "write WATERMARK FOR ts AS ts - INTERVAL '5' SECOND";
    let refuse = |message: String| Problem::at(span, message).hint(HINT);
    let mut parser = Parser::new(&DIALECT).with_tokens_with_locations(tokens.to_vec());
    let expr = parser.parse_expr().map_err(|_| refuse("the watermark's expression is not readable".to_owned()))?;
    let is_column = |expr: &Expr| matches!(expr, Expr::Identifier(id) if id.value.eq_ignore_ascii_case(&column.value));
    match &expr {
        Expr::BinaryOp { left, op: BinaryOperator::Minus, right } if is_column(left) => {
            match interval::milliseconds(right).map_err(refuse)? {
                ms if ms >= 0 => Ok(ms),
                _ => Err(refuse("a watermark cannot run ahead of the times: the interval is negative".to_owned())),
            }
        }
        expr if is_column(expr) => Ok(0),
        _ => Err(refuse(format!("a watermark is '{}' less an interval", column.value))),
    }
}

/// What can be said of a table by itself.
fn check(table: &Table) -> Result<(), Problem> {
    let mut known = HashSet::with_capacity(table.columns.len());
    for column in &table.columns {
        if !known.insert(column.name.key()) {
            return Err(Problem::at(column.name.span, format!("the column '{}' is there twice", column.name.value))
                .hint("names are compared without case"));
        }
    }
    let names = || table.columns.iter().map(|column| column.name.value.as_str());
    for key in &table.primary_key {
        if !names().any(|name| name.eq_ignore_ascii_case(&key.value)) {
            let problem = Problem::at(key.span, format!("the key's column '{}' is not declared", key.value));
            return Err(Problem { hint: suggest(&key.value, names(), "the columns are"), ..problem });
        }
    }
    if table.source && table.option("connector").is_none() {
        return Err(Problem::at(table.name.span, format!("the source '{}' has no connector", table.name.value))
            .hint("write WITH ('connector' = 'filesystem', 'path' = '...', 'format' = 'json')"));
    }
    if table.option("connector").is_none() && table.columns.is_empty() {
        return Err(Problem::at(table.name.span, format!("the table '{}' has no columns", table.name.value))
            .hint("declare them: CREATE TABLE name (column TYPE, ...)"));
    }
    Ok(())
}
