//! Where an error of the planner stands that does not say so: the least expression of the query that fails in the same way.
//!
//! Every expression of a SELECT is planned by itself over the same FROM, then the expressions within the one that fails.
//! That is done for errors only, so its cost is nobody's.

use datafusion_common::DataFusionError;
use datafusion_sql::sqlparser::ast::{Expr, GroupByExpr, Ident, Query, Select, SelectItem, SetExpr, Spanned, Value};
use datafusion_sql::sqlparser::tokenizer::{Span, Token, TokenWithSpan};

use super::context::Context;
use crate::logical::identity::readable;
use crate::parse::token::is_word;
use crate::parse::walk::{self, Flow, Part};
use crate::query;

/// How many expressions are tried.
const MOST: usize = 500;

/// The place of what fails with this error, as it was [`said`], when it is planned.
pub(crate) fn locate(context: &Context, query: &Query, wanted: &str) -> Option<Span> {
    let mut selects: Vec<Select> = Vec::new();
    let mut walked = query.clone();
    // Outer ones come first: what fails within a subquery is looked for there first.
    let collected = walk::query(&mut walked, |part| {
        if let Part::Select(select) = part {
            selects.push(select.clone());
        }
        Flow::Continue(())
    });
    collected.ok()?;
    let mut left = MOST;
    let mut fails = |select: &Select, expr: &Expr| -> bool {
        if left == 0 {
            return false;
        }
        left -= 1;
        let alone = Select {
            distinct: None,
            projection: vec![SelectItem::ExprWithAlias { expr: expr.clone(), alias: Ident::new("located") }],
            selection: None,
            having: None,
            qualify: None,
            group_by: GroupByExpr::Expressions(Vec::new(), Vec::new()),
            ..select.clone()
        };
        let body = Box::new(SetExpr::Select(Box::new(alone)));
        let query = Query { body, order_by: None, limit_clause: None, ..query.clone() };
        matches!(query::plan(context, query), Err(error) if said(&error) == wanted)
    };
    for select in selects.iter().rev() {
        // What fails without any of its expressions fails elsewhere.
        if fails(select, &Expr::value(Value::Null)) {
            continue;
        }
        for expr in expressions(select) {
            if fails(select, expr) {
                return Some(within(select, expr, &mut fails)).filter(|span| span.start.line > 0);
            }
        }
    }
    None
}

/// The place of a NOT with all of its operand, of which this is the place.
pub(crate) fn negation(operand: Span, tokens: &[TokenWithSpan]) -> Span {
    let is_not = |token: &TokenWithSpan| is_word(&token.token, "not") && token.span.start <= operand.start;
    let Some(at) = tokens.iter().rposition(is_not) else { return operand };
    let (mut depth, mut end) = (0, operand.end);
    for token in tokens[at..].iter() {
        if token.span.start >= operand.end && depth == 0 && token.token != Token::LParen {
            break;
        }
        match token.token {
            Token::LParen => depth += 1,
            Token::RParen if depth == 0 => break,
            Token::RParen => depth -= 1,
            _ => {}
        }
        end = token.span.end;
    }
    Span { start: tokens[at].span.start, end }
}

/// An error without what differs between two attempts.
pub(crate) fn said(error: &DataFusionError) -> String {
    match error {
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => said(inner),
        DataFusionError::Collection(errors) => errors.first().map(said).unwrap_or_default(),
        other => readable(&other.strip_backtrace()),
    }
}

/// The expressions of a SELECT itself.
fn expressions(select: &Select) -> Vec<&Expr> {
    let items = select.projection.iter().filter_map(|item| match item {
        SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => Some(expr),
        _ => None,
    });
    let keys: &[Expr] = match &select.group_by {
        GroupByExpr::Expressions(keys, _) => keys,
        GroupByExpr::All(_) => &[],
    };
    items.chain(&select.selection).chain(keys).chain(&select.having).chain(&select.qualify).collect()
}

/// The place of the least expression within a failing one that fails too.
fn within(select: &Select, expr: &Expr, fails: &mut dyn FnMut(&Select, &Expr) -> bool) -> Span {
    let mut found = None;
    let mut walked = expr.clone();
    // Children are done before what they stand in.
    let _ = walk::expr(&mut walked, |part| {
        if let Part::Done(part) = part
            && found.is_none()
            && !matches!(part, Expr::Identifier(_) | Expr::CompoundIdentifier(_) | Expr::Value(_))
            && fails(select, part)
        {
            found = Some(part.span());
        }
        Flow::Continue(())
    });
    found.filter(|span| span.start.line > 0).unwrap_or_else(|| expr.span())
}
