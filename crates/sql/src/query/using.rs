//! `NATURAL JOIN` and `JOIN ... USING (k)`, written out: `ON a.k = b.k`, and `k` by itself is the column of both.
//!
//! That column is the left one's, the right one's behind RIGHT JOIN, and of a FULL JOIN whichever there is. The planner
//! knows `USING` for inner joins only, and there not everywhere; written out there is nothing to know. Which columns the
//! sides have it is asked, relation by relation. A subquery that has a `k` of its own keeps it: it is qualified there.

use std::collections::HashMap;

use datafusion_common::{Result, TableReference};
use datafusion_sql::sqlparser::ast::{
    BinaryOperator, ExcludeSelectItem, Expr, GroupByExpr, Ident, Join, JoinConstraint, JoinOperator, NamedWindowExpr,
    OrderBy, OrderByKind, Query, Select, SelectItem, SetExpr, Spanned, TableFactor, TableWithJoins, Value,
    WildcardAdditionalOptions,
};

use super::relations::Relations;
use crate::parse::error::Problem;
use crate::parse::error::placed;
use crate::parse::made::{call, empty};
use crate::parse::walk::{self, Flow, Part};
use crate::query::context::Context;

/// Writes out the joins of a query.
pub(crate) fn rewrite(context: &Context, query: &mut Query) -> Result<()> {
    let mut joins = false;
    let look = walk::query(query, |part| {
        match part {
            Part::Select(select) => joins |= select.from.iter().any(named),
            Part::Factor(TableFactor::NestedJoin { table_with_joins, .. }) => joins |= named(table_with_joins),
            _ => {}
        }
        Flow::Continue(())
    });
    look.map_err(placed)?;
    if !joins {
        return Ok(());
    }
    let using = Using { relations: Relations::of(context, query).map_err(placed)? };
    let mut failed = None;
    let done = walk::query(query, |part| match part {
        Part::Query(query) => match using.query(query) {
            Ok(()) => Flow::Continue(()),
            Err(error) => {
                failed = Some(error);
                Flow::Break(Problem::at(query.span(), "a join by names"))
            }
        },
        _ => Flow::Continue(()),
    });
    match failed {
        Some(error) => Err(error),
        None => done.map_err(placed),
    }
}

fn named(from: &TableWithJoins) -> bool {
    from.joins
        .iter()
        .any(|join| matches!(constraint(&join.join_operator), Some(JoinConstraint::Using(_) | JoinConstraint::Natural)))
}

/// Whether relations are joined by names, there or in parentheses.
fn within(from: &TableWithJoins) -> bool {
    let factors = std::iter::once(&from.relation).chain(from.joins.iter().map(|join| &join.relation));
    let nested = |factor: &TableFactor| match factor {
        TableFactor::NestedJoin { table_with_joins, .. } => within(table_with_joins),
        _ => false,
    };
    named(from) || factors.into_iter().any(nested)
}

fn constraint(operator: &JoinOperator) -> Option<&JoinConstraint> {
    match operator {
        JoinOperator::Join(c)
        | JoinOperator::Inner(c)
        | JoinOperator::Left(c)
        | JoinOperator::LeftOuter(c)
        | JoinOperator::Right(c)
        | JoinOperator::RightOuter(c)
        | JoinOperator::FullOuter(c)
        | JoinOperator::Semi(c)
        | JoinOperator::LeftSemi(c)
        | JoinOperator::RightSemi(c)
        | JoinOperator::Anti(c)
        | JoinOperator::LeftAnti(c)
        | JoinOperator::RightAnti(c) => Some(c),
        _ => None,
    }
}

fn constraint_mut(operator: &mut JoinOperator) -> Option<&mut JoinConstraint> {
    match operator {
        JoinOperator::Join(c)
        | JoinOperator::Inner(c)
        | JoinOperator::Left(c)
        | JoinOperator::LeftOuter(c)
        | JoinOperator::Right(c)
        | JoinOperator::RightOuter(c)
        | JoinOperator::FullOuter(c)
        | JoinOperator::Semi(c)
        | JoinOperator::LeftSemi(c)
        | JoinOperator::RightSemi(c)
        | JoinOperator::Anti(c)
        | JoinOperator::LeftAnti(c)
        | JoinOperator::RightAnti(c) => Some(c),
        _ => None,
    }
}

/// A column that can be read by its name alone, and what it is; whether it is of several relations.
#[derive(Clone)]
struct Visible {
    name: String,
    expr: Expr,
    merged: bool,
}

struct Using<'a> {
    relations: Relations<'a>,
}

impl Using<'_> {
    fn query(&self, query: &mut Query) -> Result<()> {
        let Query { body, order_by, .. } = query;
        self.body(body, order_by.as_mut())
    }

    fn body(&self, body: &mut SetExpr, order_by: Option<&mut OrderBy>) -> Result<()> {
        match body {
            SetExpr::Select(select) => self.select(select, order_by),
            SetExpr::SetOperation { left, right, .. } => {
                self.body(left, None)?;
                self.body(right, None)
            }
            _ => Ok(()),
        }
    }

    fn select(&self, select: &mut Select, order_by: Option<&mut OrderBy>) -> Result<()> {
        if !select.from.iter().any(within) {
            return Ok(());
        }
        let mut visible = Vec::new();
        for from in &mut select.from {
            visible.extend(self.joined(from)?);
        }
        if !visible.iter().any(|column| column.merged) {
            return Ok(());
        }
        expand(&mut select.projection, &visible)?;
        let merged = visible.into_iter().filter(|column| column.merged);
        let names: HashMap<String, Expr> = merged.map(|column| (column.name, column.expr)).collect();
        self.put(select, order_by, &names)
    }

    /// The columns that joined relations show by name, the joins written out.
    fn joined(&self, from: &mut TableWithJoins) -> Result<Vec<Visible>> {
        let mut visible = self.factor(&mut from.relation)?;
        for join in &mut from.joins {
            let right = match constraint(&join.join_operator) {
                // A lateral relation cannot be asked by itself, and need not be if it is joined on conditions.
                Some(JoinConstraint::Using(_) | JoinConstraint::Natural) => self.factor(&mut join.relation)?,
                _ => self.factor(&mut join.relation).unwrap_or_default(),
            };
            visible = self.join(join, visible, right)?;
        }
        Ok(visible)
    }

    fn join(&self, join: &mut Join, left: Vec<Visible>, right: Vec<Visible>) -> Result<Vec<Visible>> {
        let span = join.relation.span();
        let names: Vec<String> = match constraint_mut(&mut join.join_operator) {
            Some(JoinConstraint::Using(names)) => {
                names.iter().filter_map(|name| Some(name.0.last()?.as_ident()?.value.clone())).collect()
            }
            Some(JoinConstraint::Natural) => {
                let mut names: Vec<String> = Vec::new();
                for column in &left {
                    if right.iter().any(|other| other.name == column.name) && !names.contains(&column.name) {
                        names.push(column.name.clone());
                    }
                }
                names
            }
            Some(JoinConstraint::On(condition)) => {
                let merged = left.iter().chain(&right).filter(|column| column.merged);
                let names = merged.map(|column| (column.name.clone(), column.expr.clone())).collect();
                self.put_expr(condition, &names)?;
                return Ok([left, right].concat());
            }
            _ => return Ok([left, right].concat()),
        };
        let (mut merged, mut condition) = (Vec::new(), None);
        for name in &names {
            let (l, r) = (one(&left, name, span)?, one(&right, name, span)?);
            let equal =
                Expr::BinaryOp { left: Box::new(l.clone()), op: BinaryOperator::Eq, right: Box::new(r.clone()) };
            condition = Some(match condition {
                None => equal,
                Some(others) => {
                    Expr::BinaryOp { left: Box::new(others), op: BinaryOperator::And, right: Box::new(equal) }
                }
            });
            let expr = match join.join_operator {
                JoinOperator::Right(_) | JoinOperator::RightOuter(_) => r,
                JoinOperator::FullOuter(_) => call("coalesce", vec![l, r]),
                _ => l,
            };
            merged.push(Visible { name: name.clone(), expr, merged: true });
        }
        // Nothing in common: all pairs.
        let all = || Expr::Value(Value::Boolean(true).with_span(span));
        if let Some(constraint) = constraint_mut(&mut join.join_operator) {
            *constraint = JoinConstraint::On(condition.unwrap_or_else(all));
        }
        let others =
            |side: Vec<Visible>| side.into_iter().filter(|column| !names.contains(&column.name)).collect::<Vec<_>>();
        let one_sided = match &join.join_operator {
            JoinOperator::Semi(_) | JoinOperator::LeftSemi(_) | JoinOperator::Anti(_) | JoinOperator::LeftAnti(_) => {
                return Ok(left);
            }
            JoinOperator::RightSemi(_) | JoinOperator::RightAnti(_) => return Ok(right),
            _ => [others(left), others(right)].concat(),
        };
        merged.extend(one_sided);
        Ok(merged)
    }

    /// The columns of something in FROM.
    fn factor(&self, factor: &mut TableFactor) -> Result<Vec<Visible>> {
        if let TableFactor::NestedJoin { table_with_joins, alias } = factor
            && (alias.is_none() || within(table_with_joins))
        {
            let visible = self.joined(table_with_joins)?;
            let Some(alias) = alias.take() else { return Ok(visible) };
            // Under one name each column is there once.
            let mut rows = empty();
            if let SetExpr::Select(select) = rows.body.as_mut() {
                select.projection = visible.iter().map(item).collect();
                select.from = vec![table_with_joins.as_ref().clone()];
            }
            *factor =
                TableFactor::Derived { lateral: false, subquery: Box::new(rows), alias: Some(alias), sample: None };
        }
        let plan = self.relations.plan(factor.clone())?;
        let visible = plan.schema().iter().map(|(qualifier, field)| {
            let name = Ident::new(field.name());
            let expr = match qualifier.map(TableReference::table) {
                Some(qualifier) => Expr::CompoundIdentifier(vec![Ident::new(qualifier), name]),
                None => Expr::Identifier(name),
            };
            Visible { name: field.name().clone(), expr, merged: false }
        });
        Ok(visible.collect())
    }

    /// Puts what names stand for into a SELECT and its subqueries.
    fn put(&self, select: &mut Select, order_by: Option<&mut OrderBy>, names: &HashMap<String, Expr>) -> Result<()> {
        let mut shown = Vec::new();
        for item in &mut select.projection {
            match item {
                SelectItem::UnnamedExpr(Expr::Identifier(id)) if names.contains_key(&id.value) => {
                    let expr = names[&id.value].clone();
                    shown.push(id.value.clone());
                    *item = SelectItem::ExprWithAlias { expr, alias: id.clone() };
                }
                SelectItem::UnnamedExpr(expr) => self.put_expr(expr, names)?,
                SelectItem::ExprWithAlias { expr, alias } => {
                    shown.push(alias.value.clone());
                    self.put_expr(expr, names)?;
                }
                _ => {}
            }
        }
        let groups = match &mut select.group_by {
            GroupByExpr::Expressions(groups, _) => groups.as_mut_slice(),
            GroupByExpr::All(_) => &mut [],
        };
        let others = select.selection.iter_mut().chain(&mut select.having).chain(&mut select.qualify);
        for expr in others.chain(groups) {
            self.put_expr(expr, names)?;
        }
        for window in &mut select.named_window {
            let NamedWindowExpr::WindowSpec(window) = &mut window.1 else { continue };
            let order = window.order_by.iter_mut().map(|order| &mut order.expr);
            for expr in window.partition_by.iter_mut().chain(order) {
                self.put_expr(expr, names)?;
            }
        }
        if let Some(OrderBy { kind: OrderByKind::Expressions(exprs), .. }) = order_by {
            for order in exprs {
                match &order.expr {
                    Expr::Identifier(id) if shown.contains(&id.value) => {}
                    _ => self.put_expr(&mut order.expr, names)?,
                }
            }
        }
        Ok(())
    }

    fn put_expr(&self, expr: &mut Expr, names: &HashMap<String, Expr>) -> Result<()> {
        let mut failed = None;
        let walked = walk::expr(expr, |part| {
            match part {
                Part::Done(expr) => {
                    if let Expr::Identifier(id) = &*expr
                        && let Some(of) = names.get(&id.value)
                    {
                        *expr = of.clone();
                    }
                }
                Part::Query(query) => {
                    if let Err(error) = self.own(&mut query.body, names) {
                        failed = Some(error);
                    }
                }
                _ => {}
            }
            Flow::Continue(())
        });
        match failed {
            Some(error) => Err(error),
            None => walked.map_err(placed),
        }
    }

    /// Qualifies the columns of a subquery that bear one of the names.
    fn own(&self, body: &mut SetExpr, names: &HashMap<String, Expr>) -> Result<()> {
        match body {
            SetExpr::SetOperation { left, right, .. } => {
                self.own(left, names)?;
                self.own(right, names)
            }
            SetExpr::Select(select) => {
                self.select(select, None)?;
                let mut own = HashMap::new();
                for from in &mut select.from {
                    let visible = self.joined(from).unwrap_or_default();
                    for column in visible.into_iter().filter(|column| names.contains_key(&column.name)) {
                        if matches!(column.expr, Expr::CompoundIdentifier(_)) {
                            own.insert(column.name, column.expr);
                        }
                    }
                }
                if own.is_empty() { Ok(()) } else { self.put(select, None, &own) }
            }
            _ => Ok(()),
        }
    }
}

/// The one column of that name.
fn one(side: &[Visible], name: &str, span: datafusion_sql::sqlparser::tokenizer::Span) -> Result<Expr> {
    let mut found = side.iter().filter(|column| column.name == name);
    let problem = match (found.next(), found.next()) {
        (Some(column), None) => return Ok(column.expr.clone()),
        (Some(_), Some(_)) => Problem::at(span, format!("the column '{name}' is there twice on one side of the join"))
            .hint("write ON with the table before the column: ON a.k = c.k"),
        _ => Problem::at(span, format!("a side of the join has no column '{name}'"))
            .hint("USING and NATURAL name columns that both sides have; write ON a.k = b.j"),
    };
    Err(placed(problem))
}

fn item(column: &Visible) -> SelectItem {
    match (&column.expr, column.merged) {
        (expr, true) => SelectItem::ExprWithAlias { expr: expr.clone(), alias: Ident::new(&column.name) },
        (expr, false) => SelectItem::UnnamedExpr(expr.clone()),
    }
}

/// `*`: columns of both sides once, first.
fn expand(items: &mut Vec<SelectItem>, visible: &[Visible]) -> Result<()> {
    for written in std::mem::take(items) {
        match written {
            SelectItem::Wildcard(options) => items.extend(chosen(options, visible)?),
            other => items.push(other),
        }
    }
    Ok(())
}

/// The columns that `*` is, without those of its EXCEPT and EXCLUDE, and with what its REPLACE puts in the place of others.
fn chosen(options: WildcardAdditionalOptions, visible: &[Visible]) -> Result<Vec<SelectItem>> {
    let mut without: Vec<Ident> = Vec::new();
    if let Some(except) = options.opt_except {
        without.push(except.first_element);
        without.extend(except.additional_elements);
    }
    let excluded = match options.opt_exclude {
        None => Vec::new(),
        Some(ExcludeSelectItem::Single(name)) => vec![name],
        Some(ExcludeSelectItem::Multiple(names)) => names,
    };
    without.extend(excluded.iter().filter_map(|name| name.0.last()?.as_ident().cloned()));
    let instead: Vec<_> = options.opt_replace.into_iter().flat_map(|replace| replace.items).collect();
    let mut named = without.iter().chain(instead.iter().map(|replaced| &replaced.column_name));
    if let Some(unknown) = named.find(|name| visible.iter().all(|column| column.name != name.value)) {
        let known: Vec<&str> = visible.iter().map(|column| column.name.as_str()).collect();
        let problem = Problem::at(unknown.span, format!("there is no column '{}'", unknown.value));
        return Err(placed(problem.hint(format!("the columns are: {}", known.join(", ")))));
    }
    let kept = visible.iter().filter(|column| without.iter().all(|name| name.value != column.name));
    let shown = kept.map(|column| match instead.iter().find(|replaced| replaced.column_name.value == column.name) {
        Some(replaced) => {
            SelectItem::ExprWithAlias { expr: replaced.expr.clone(), alias: replaced.column_name.clone() }
        }
        None => item(column),
    });
    Ok(shown.collect())
}
