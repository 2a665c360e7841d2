//! Long lists of a SELECT. The planner, and the rules behind it, look for each item through all columns, and through all items
//! for one of its name, in time of the square of their number. So of the list of a whole query what is nothing but a column is
//! set aside ([`set_aside`]) while the rest is planned, and is put back once types are settled ([`Apart::back`]).
//!
//! Of lists further in what is above asks for the columns: they stay. But behind every list the planner looks for UNNESTs, by
//! comparing all items as text; UNNEST stands in FROM here, and is planned by itself (`unnest_node.rs`). It does not look
//! behind `DISTINCT ON`: so a list is planned as one ([`step`]), by a key that nobody can write, and is what it was before again
//! when its columns get their identities.

use std::collections::HashSet;

use datafusion_common::{Column, Result, TableReference, internal_err};
use datafusion_expr::logical_plan::DistinctOn;
use datafusion_expr::{Expr, LogicalPlan};
use datafusion_sql::sqlparser::ast::{self, Distinct, GroupByExpr, Ident, Query, Select, SelectItem, SetExpr, Value};

use super::identity::Fresh;
use super::scope::{Names, projected};
use crate::parse::walk::{Flow, Part};

/// The key. What a program can write as a parameter begins with `$`, `:` or `?`.
const KEY: &str = "#list";

/// From how many items on a list is long; what `*` is nobody knows here.
const LONG: usize = 64;

fn is_long(items: &[SelectItem]) -> bool {
    let all = |item: &SelectItem| matches!(item, SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..));
    items.len() >= LONG || items.iter().any(all)
}

/// Marks the lists of a query.
pub(crate) fn step(part: Part<'_>) -> Flow {
    if let Part::Query(query) = part
        && query.order_by.is_none()
    {
        mark(&mut query.body);
    }
    Flow::Continue(())
}

fn mark(body: &mut SetExpr) {
    match body {
        SetExpr::Select(select) if select.distinct.is_none() && is_long(&select.projection) => {
            let key = ast::Expr::value(Value::Placeholder(KEY.to_owned()));
            select.distinct = Some(Distinct::On(vec![key]));
        }
        SetExpr::SetOperation { left, right, .. } => {
            mark(left);
            mark(right);
        }
        _ => {}
    }
}

/// Whether this is a list that was marked.
pub(crate) fn is_marked(on: &DistinctOn) -> bool {
    matches!(on.on_expr.as_slice(), [Expr::Placeholder(key)] if key.id == KEY)
}

/// A list as it was written.
pub(crate) struct Aside(Vec<Item>);

enum Item {
    /// `*`.
    All,
    /// `name`, `table.name`, and what it is called.
    Column { column: Column, shown: String },
    /// Something else: it is planned.
    Other,
}

/// Sets the columns of a long list aside, if nothing but the list reads them.
pub(crate) fn set_aside(query: &mut Query) -> Option<Aside> {
    let SetExpr::Select(select) = query.body.as_mut() else { return None };
    if query.order_by.is_some() || !is_plain(select) || !is_long(&select.projection) {
        return None;
    }
    let items: Vec<Item> = select.projection.iter().map(item).collect();
    let mut is_other = items.iter().map(|item| matches!(item, Item::Other));
    select.projection.retain(|_| is_other.next().unwrap_or_default());
    if select.projection.is_empty() {
        // A list has an item.
        let nothing = ast::Expr::value(Value::Null);
        select.projection.push(SelectItem::ExprWithAlias { expr: nothing, alias: Ident::new(KEY) });
    }
    Some(Aside(items))
}

fn is_plain(select: &Select) -> bool {
    let ungrouped = matches!(&select.group_by, GroupByExpr::Expressions(keys, _) if keys.is_empty());
    select.distinct.is_none() && ungrouped && select.having.is_none() && select.qualify.is_none()
}

fn item(written: &SelectItem) -> Item {
    let named = |expr: &ast::Expr, alias: Option<&Ident>| {
        let (table, name) = match expr {
            ast::Expr::Identifier(name) => (None, name),
            ast::Expr::CompoundIdentifier(names) => match names.as_slice() {
                [table, name] => (Some(TableReference::bare(table.value.as_str())), name),
                _ => return Item::Other,
            },
            _ => return Item::Other,
        };
        let shown = alias.unwrap_or(name).value.clone();
        Item::Column { column: Column::new(table, name.value.as_str()), shown }
    };
    match written {
        SelectItem::Wildcard(options) if *options == Default::default() => Item::All,
        SelectItem::UnnamedExpr(expr) => named(expr, None),
        SelectItem::ExprWithAlias { expr, alias } => named(expr, Some(alias)),
        _ => Item::Other,
    }
}

impl Aside {
    /// The columns that were set aside, or nothing if one is not there, not the only one of its name, or there twice.
    pub(crate) fn found(&self, names: &Names, fresh: &mut Fresh) -> Option<Apart> {
        let by_name = names.by_name();
        let (mut named, mut taken) = (HashSet::new(), HashSet::new());
        let mut apart = Vec::with_capacity(self.0.len());
        let mut put = |apart: &mut Vec<Option<Expr>>, column: &Column, shown: &str| {
            let expr = Expr::Column(column.clone());
            let passes = column.name == shown && taken.insert(column.clone());
            apart.push(Some(if passes { expr } else { fresh.named(expr, shown) }));
            named.insert(shown.to_owned())
        };
        for item in &self.0 {
            let once = match item {
                Item::All => {
                    let shown = names.schema().fields().iter();
                    names.columns().iter().zip(shown).all(|(column, field)| put(&mut apart, column, field.name()))
                }
                Item::Column { column: Column { relation: None, name, .. }, shown } => {
                    put(&mut apart, by_name.get(name.as_str()).copied().flatten()?, shown)
                }
                Item::Column { column, shown } => put(&mut apart, &names.exactly(column)?, shown),
                Item::Other => {
                    apart.push(None);
                    true
                }
            };
            if !once {
                return None;
            }
        }
        Some(Apart(apart))
    }
}

/// A list, with the columns that were set aside; where nothing is, the next of the items that were planned.
pub(crate) struct Apart(Vec<Option<Expr>>);

impl Apart {
    /// Puts the columns back into the list of a plan.
    pub(crate) fn back(self, plan: LogicalPlan) -> Result<LogicalPlan> {
        let LogicalPlan::Projection(short) = plan else { return internal_err!("a list is a projection") };
        let mut planned = short.expr.into_iter();
        let whole: Option<Vec<Expr>> = self.0.into_iter().map(|column| column.or_else(|| planned.next())).collect();
        match whole {
            Some(whole) => projected(short.input.as_ref().clone(), whole),
            None => internal_err!("a list keeps its items"),
        }
    }
}
