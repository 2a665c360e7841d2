//! The names of result columns: what the query calls them, as it spells them.
//!
//! A column that has no name gets one: the function's, the field's, or `column` with its position; a second one of the
//! same name gets `_2`.

use std::collections::{HashMap, HashSet};

use datafusion_sql::sqlparser::ast::{
    AccessExpr, Expr, FunctionArguments, Ident, Query, Select, SelectItem, SetExpr, Spanned, TableFactor,
};
use datafusion_sql::sqlparser::keywords::Keyword;
use datafusion_sql::sqlparser::tokenizer::{Span, Token, TokenWithSpan};

use crate::parse::error::Problem;
use crate::parse::token::is_word;
use crate::parse::token::last_part;
use crate::parse::walk::{self, Flow, Part};

/// Gives every column of every SELECT a name; a name that is written twice is refused, but where the columns are known by
/// their places (`by_place`: those of an INSERT).
pub(crate) fn name_columns(query: &mut Query, by_place: bool) -> Result<(), Problem> {
    if by_place {
        number_twice(&mut query.body);
    }
    walk::query(query, |part| match part {
        // Nobody reads the columns of these by their names, nor of those whose columns are named from outside.
        Part::Expr(Expr::InSubquery { subquery, .. } | Expr::Exists { subquery, .. }) => {
            number_twice(&mut subquery.body);
            Flow::Continue(())
        }
        Part::Factor(TableFactor::Derived { subquery, alias: Some(alias), .. }) if !alias.columns.is_empty() => {
            number_twice(&mut subquery.body);
            Flow::Continue(())
        }
        Part::Query(query) => {
            let parts = query.with.iter_mut().flat_map(|with| &mut with.cte_tables);
            parts.filter(|cte| !cte.alias.columns.is_empty()).for_each(|cte| number_twice(&mut cte.query.body));
            walk::flow(refuse_twice(query))
        }
        Part::Select(select) => {
            name_items(select);
            Flow::Continue(())
        }
        _ => Flow::Continue(()),
    })
}

/// Gives a column whose name was written before another one.
fn number_twice(body: &mut SetExpr) {
    match body {
        SetExpr::SetOperation { left, right, .. } => {
            number_twice(left);
            number_twice(right);
        }
        SetExpr::Query(query) => number_twice(&mut query.body),
        SetExpr::Select(select) => {
            let mut taken: HashSet<String> = HashSet::new();
            for item in &mut select.projection {
                let Some(id) = written(item) else { continue };
                let (base, span) = (id.value.clone(), id.span);
                if taken.insert(base.to_lowercase()) {
                    continue;
                }
                let mut number = 2;
                while !taken.insert(format!("{base}_{number}").to_lowercase()) {
                    number += 1;
                }
                let alias = Ident { value: format!("{base}_{number}"), quote_style: None, span };
                if let SelectItem::ExprWithAlias { expr, .. } | SelectItem::UnnamedExpr(expr) = item {
                    *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias };
                }
            }
        }
        _ => {}
    }
}

fn refuse_twice(query: &Query) -> Result<(), Problem> {
    // Behind UNION the names of the first SELECT count.
    let mut body = query.body.as_ref();
    while let SetExpr::SetOperation { left, .. } = body {
        body = left;
    }
    let mut seen: HashSet<&str> = HashSet::new();
    for item in body.as_select().iter().flat_map(|select| &select.projection) {
        if let Some(id) = written(item)
            && !seen.insert(&id.value)
        {
            let problem = Problem::at(id.span, format!("the column '{}' is there twice", id.value));
            return Err(problem.hint("name one of them: AS other_name"));
        }
    }
    Ok(())
}

fn name_items(select: &mut Select) {
    let mut taken: HashSet<String> = select.projection.iter().filter_map(written).map(|id| id.value.clone()).collect();
    for (at, item) in select.projection.iter_mut().enumerate() {
        let SelectItem::UnnamedExpr(expr) = item else { continue };
        if matches!(expr, Expr::Identifier(_)) {
            continue;
        }
        // A column keeps its name and a field of a ROW gets its own.
        let base = name_of(expr).unwrap_or_else(|| format!("column{}", at + 1));
        let compound = matches!(expr, Expr::CompoundIdentifier(_));
        let mut name = base.clone();
        let mut number = 2;
        while !compound && taken.contains(&name) {
            name = format!("{base}_{number}");
            number += 1;
        }
        taken.insert(name.clone());
        let span = expr.span();
        let alias = Ident { value: name, quote_style: None, span };
        *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias };
    }
}

/// The name that a column of a SELECT is written with.
fn written(item: &SelectItem) -> Option<&Ident> {
    match item {
        SelectItem::ExprWithAlias { alias, .. } => Some(alias),
        SelectItem::UnnamedExpr(Expr::Identifier(id)) => Some(id),
        SelectItem::UnnamedExpr(Expr::CompoundIdentifier(ids)) => ids.last(),
        _ => None,
    }
}

fn name_of(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Identifier(id) => Some(id.value.clone()),
        Expr::CompoundIdentifier(ids) => ids.last().map(|id| id.value.clone()),
        Expr::CompoundFieldAccess { access_chain, .. } => match access_chain.last()? {
            AccessExpr::Dot(field) => name_of(field),
            AccessExpr::Subscript(_) => None,
        },
        Expr::Function(function) => match (&function.args, last_part(&function.name)) {
            (FunctionArguments::Subquery(_), _) => None,
            (_, name) if name.is_empty() => None,
            // Of a function that stands for another, as `__json_value__int` does, the other's.
            (_, name) => Some(match name.strip_prefix("__").and_then(|name| name.split("__").next()) {
                Some(meant) => meant.to_owned(),
                None => name,
            }),
        },
        Expr::Cast { expr, .. } | Expr::Nested(expr) => name_of(expr),
        Expr::Extract { field, .. } => Some(field.to_string().to_lowercase()),
        Expr::Substring { .. } => Some("substring".to_owned()),
        Expr::Trim { .. } => Some("trim".to_owned()),
        Expr::Position { .. } => Some("position".to_owned()),
        Expr::Case { .. } => Some("case".to_owned()),
        Expr::Ceil { .. } => Some("ceil".to_owned()),
        Expr::Floor { .. } => Some("floor".to_owned()),
        _ => None,
    }
}

/// How names are spelled: by the tables read, and, stronger, by the aliases that the query gives itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct Spellings(HashMap<String, String>);

impl Spellings {
    /// Takes a declared spelling.
    pub(crate) fn declare(&mut self, name: &str) {
        self.0.entry(name.to_lowercase()).or_insert_with(|| name.to_owned());
    }

    /// Takes the spellings of aliases: words after AS, and words that follow an expression.
    pub(crate) fn aliases(&mut self, tokens: &[TokenWithSpan]) {
        for pair in tokens.windows(2) {
            let Token::Word(word) = &pair[1].token else { continue };
            let after = match &pair[0].token {
                Token::Word(_) if is_word(&pair[0].token, "as") => true,
                Token::Word(before) => before.quote_style.is_some() && word.keyword == Keyword::NoKeyword,
                Token::RParen | Token::Number(..) | Token::SingleQuotedString(_) => word.keyword == Keyword::NoKeyword,
                _ => false,
            };
            if after {
                self.0.insert(word.value.to_lowercase(), word.value.clone());
            }
        }
    }

    /// The name as it is to be shown.
    pub(crate) fn spell(&self, name: &str) -> String {
        self.0.get(name).cloned().unwrap_or_else(|| name.to_owned())
    }
}

/// The place of the first token that is this name, for messages about it.
pub(crate) fn place_of(tokens: &[TokenWithSpan], name: &str) -> Option<Span> {
    let same = |token: &&TokenWithSpan| match &token.token {
        Token::Word(word) => word.value.eq_ignore_ascii_case(name) && token.span.start.line > 0,
        _ => false,
    };
    tokens.iter().find(same).map(|token| token.span)
}
