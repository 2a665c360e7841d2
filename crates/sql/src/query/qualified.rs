//! Which relation `a.b` is of, where `a` may be a relation or a column that is a ROW.
//!
//! A name is looked for in the innermost query first, then further out; in one query a relation called `a` goes before a column
//! called `a`, and that is meant only if it is a ROW with a field `b`. The planner takes any column called `a` for such a ROW, also
//! where a relation of an outer query is meant, and knows no fields of columns from outside. So a relation whose name is also
//! that of a column on the way out to it gets a name that no other has, `a#1`, which messages show as `a`; and a field from outside is
//! taken of the column by itself, `(a.b)['c']`.

use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};

use arrow_schema::{DataType, FieldRef};
use datafusion_common::Result;
use datafusion_sql::sqlparser::ast::{
    AccessExpr, Expr, Function, FunctionArguments, Ident, ObjectName, Query, Select, SelectItem,
    SelectItemQualifiedWildcardKind, SetExpr, Subscript, TableAlias, TableFactor, TableWithJoins, Value,
};

use super::relations::{Relations, alias_of};
use crate::parse::error::Problem;
use crate::parse::error::placed;
use crate::parse::walk::{self, Flow, Part};
use crate::query::context::Context;

/// Rewrites the names of a query that the planner would read otherwise.
pub(crate) fn rewrite(context: &Context, query: &mut Query) -> Result<()> {
    if !nests(query).map_err(placed)? {
        return Ok(());
    }
    let relations = Relations::of(context, query).map_err(placed)?;
    rewrite_with(&relations, query).map_err(placed)
}

/// The same, with the relations that it may read.
pub(crate) fn rewrite_with(relations: &Relations<'_>, query: &mut Query) -> Result<(), Problem> {
    if !nests(query)? {
        return Ok(());
    }
    let mut scopes = Scopes { relations, all: Vec::new() };
    let mut place = Place::default();
    let (mut renamed, mut fields): (HashMap<Bound, String>, bool) = (HashMap::new(), false);
    walk::query(query, |part| {
        if let Some(names) = place.step(part, &mut scopes)
            && let Some(here) = place.select()
            && let Some(found) = scopes.find(here, names)
            && found.bound.select != here
        {
            if scopes.hidden(here, found.bound) {
                let name = scopes.name(found.bound);
                let apart = format!("{name}#{}", renamed.len() + 1);
                renamed.entry(found.bound).or_insert(apart);
            }
            fields |= found.fields(names.len()) > 0;
        }
        Flow::Continue(())
    })?;
    if renamed.is_empty() && !fields {
        return Ok(());
    }
    let (mut place, mut known) = (Place::default(), 0);
    walk::query(query, |part| {
        match part {
            Part::Select(select) => {
                place.enter(known);
                rename(select, known, &renamed);
                known += 1;
            }
            Part::Done(expr) => {
                if let Some(here) = place.select()
                    && let Expr::CompoundIdentifier(names) = &*expr
                    && !place.aside.contains(&std::ptr::from_ref(&*expr))
                    && let Some(found) = scopes.find(here, names)
                {
                    let relation = renamed.get(&found.bound);
                    if let Some(written) = found.written(names, here, relation, scopes.name(found.bound)) {
                        *expr = written;
                    }
                }
            }
            other => place.walk(other),
        }
        Flow::Continue(())
    })
}

/// Whether queries stand in a query, other than in WITH and FROM.
fn nests(query: &mut Query) -> Result<bool, Problem> {
    let mut nests = false;
    walk::query(query, |part| {
        nests |= match part {
            Part::Expr(expr) => has_query(expr),
            Part::Factor(TableFactor::Derived { lateral, .. }) => *lateral,
            _ => false,
        };
        Flow::Continue(())
    })?;
    Ok(nests)
}

/// Whether a query stands in an expression itself.
fn has_query(expr: &Expr) -> bool {
    matches!(
        expr,
        Expr::Exists { .. }
            | Expr::InSubquery { .. }
            | Expr::Subquery(_)
            | Expr::Function(Function { args: FunctionArguments::Subquery(_), .. })
    )
}

/// A relation of a SELECT, by the places of both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Bound {
    select: usize,
    relation: usize,
}

/// What a name is found as.
#[derive(Clone, Copy, Debug)]
struct Found {
    bound: Bound,
    /// Whether its first part is the relation, not the column.
    qualified: bool,
}

impl Found {
    /// How many of so many parts are fields.
    fn fields(self, parts: usize) -> usize {
        parts - if self.qualified { 2 } else { 1 }
    }

    /// The name as the planner reads it, if otherwise than it was written.
    fn written(self, names: &[Ident], here: usize, renamed: Option<&String>, name: &str) -> Option<Expr> {
        let fields = if self.bound.select == here { 0 } else { self.fields(names.len()) };
        if fields == 0 && (renamed.is_none() || !self.qualified) {
            return None;
        }
        let (column, fields) = names.split_at(names.len() - fields);
        let relation = renamed.map_or(name, String::as_str);
        let first = Ident { value: relation.to_owned(), ..column[0].clone() };
        let root = match (self.qualified, relation.is_empty()) {
            (true, _) => Expr::CompoundIdentifier([&[first], &column[1..]].concat()),
            (false, false) => Expr::CompoundIdentifier([&[first], column].concat()),
            (false, true) => Expr::Nested(Box::new(Expr::Identifier(column[0].clone()))),
        };
        if fields.is_empty() {
            return Some(root);
        }
        let access = |field: &Ident| {
            let name = Value::SingleQuotedString(field.value.clone()).with_span(field.span);
            AccessExpr::Subscript(Subscript::Index { index: Expr::Value(name) })
        };
        Some(Expr::CompoundFieldAccess { root: Box::new(root), access_chain: fields.iter().map(access).collect() })
    }
}

/// A SELECT, as names are looked for in it.
struct Scope {
    /// The SELECT around it whose columns it knows.
    outer: Option<usize>,
    relations: Vec<Relation>,
}

struct Relation {
    /// Empty if it has none.
    name: String,
    factor: TableFactor,
    columns: OnceCell<Vec<FieldRef>>,
}

struct Scopes<'a> {
    relations: &'a Relations<'a>,
    all: Vec<Scope>,
}

impl Scopes<'_> {
    fn columns<'s>(&'s self, relation: &'s Relation) -> &'s [FieldRef] {
        relation.columns.get_or_init(|| self.relations.columns(&relation.factor))
    }

    fn name(&self, bound: Bound) -> &str {
        &self.all[bound.select].relations[bound.relation].name
    }

    /// The SELECTs from one outwards.
    fn outwards(&self, from: usize) -> impl Iterator<Item = usize> {
        std::iter::successors(Some(from), |&at| self.all[at].outer)
    }

    /// What a name of several parts is, read in a SELECT.
    fn find(&self, here: usize, names: &[Ident]) -> Option<Found> {
        let (first, second) = (&names.first()?.value, &names.get(1)?.value);
        self.outwards(here).find_map(|select| {
            let relations = &self.all[select].relations;
            let bound = |relation| Bound { select, relation };
            if let Some(at) = relations.iter().position(|relation| relation.name == *first) {
                return Some(Found { bound: bound(at), qualified: true });
            }
            // In the SELECT that has no other around it the planner looks by itself.
            if select == here && self.all[select].outer.is_none() {
                return None;
            }
            let is_row = |relation: &Relation| {
                self.columns(relation).iter().any(|column| column.name() == first && has(column.data_type(), second))
            };
            relations.iter().position(is_row).map(|at| Found { bound: bound(at), qualified: false })
        })
    }

    /// Whether something on the way out from a SELECT to a relation is called as the relation is.
    fn hidden(&self, here: usize, bound: Bound) -> bool {
        let name = self.name(bound);
        let is_it = |relation: &Relation| {
            relation.name == name || self.columns(relation).iter().any(|column| column.name() == name)
        };
        !name.is_empty()
            && self
                .outwards(here)
                .take_while(|&select| select != bound.select)
                .any(|select| self.all[select].relations.iter().any(is_it))
    }
}

/// Whether a type has this field.
fn has(data_type: &DataType, name: &str) -> bool {
    match data_type {
        DataType::Struct(fields) => fields.iter().any(|field| field.name().eq_ignore_ascii_case(name)),
        _ => false,
    }
}

/// A query that the walk is in.
struct Open {
    /// The SELECT that it is at.
    select: Option<usize>,
    /// The SELECT around it whose columns it knows.
    outer: Option<usize>,
    /// Its parts, which do not know each other's columns.
    operands: Vec<*const Query>,
}

/// Where a walk is.
#[derive(Default)]
struct Place {
    open: Vec<Open>,
    /// Of the queries that are yet to come: whether they know the columns of the SELECT they stand in.
    coming: Vec<bool>,
    /// Names whose first part is a variable of a pattern.
    aside: HashSet<*const Expr>,
}

impl Place {
    /// The SELECT that names are read in.
    fn select(&self) -> Option<usize> {
        self.open.last()?.select
    }

    /// Goes on, with the SELECTs that come; answers the name that is read.
    fn step<'p>(&mut self, part: Part<'p>, scopes: &mut Scopes<'_>) -> Option<&'p [Ident]> {
        match part {
            Part::Select(select) => {
                let mut relations = Vec::new();
                select.from.iter().for_each(|from| named(from, &mut relations));
                let outer = self.open.last().and_then(|open| open.outer);
                self.enter(scopes.all.len());
                scopes.all.push(Scope { outer, relations });
            }
            Part::Done(expr) => {
                let expr = &*expr;
                if let Expr::CompoundIdentifier(names) = expr
                    && !self.aside.contains(&std::ptr::from_ref(expr))
                {
                    return Some(names);
                }
            }
            other => self.walk(other),
        }
        None
    }

    fn enter(&mut self, select: usize) {
        if let Some(open) = self.open.last_mut() {
            open.select = Some(select);
        }
    }

    fn walk(&mut self, part: Part<'_>) {
        match part {
            Part::Query(query) => {
                let around = self.open.last();
                let knows = match around {
                    Some(open) if open.operands.contains(&std::ptr::from_ref(&*query)) => false,
                    _ => self.coming.pop().unwrap_or(false),
                };
                let outer = around.and_then(|open| if knows { open.select.or(open.outer) } else { open.outer });
                let mut operands = Vec::new();
                operands_of(&query.body, &mut operands);
                self.open.push(Open { select: None, outer, operands });
            }
            Part::Left(_) => drop(self.open.pop()),
            Part::Factor(TableFactor::Derived { lateral, .. }) => self.coming.push(*lateral),
            Part::Factor(TableFactor::MatchRecognize { partition_by, order_by, measures, symbols, .. }) => {
                let read = partition_by.iter_mut().chain(order_by.iter_mut().map(|order| &mut order.expr));
                let computed = measures.iter_mut().map(|measure| &mut measure.expr);
                let defined = symbols.iter_mut().map(|symbol| &mut symbol.definition);
                for expr in read.chain(computed).chain(defined) {
                    // It looks, and stops at nothing.
                    let _ = walk::expr(expr, |part| {
                        if let Part::Expr(expr) = part {
                            self.aside.insert(std::ptr::from_ref(&*expr));
                        }
                        Flow::Continue(())
                    });
                }
            }
            Part::Expr(expr) if has_query(expr) => self.coming.push(true),
            _ => {}
        }
    }
}

/// The queries in parentheses that a body is made of.
fn operands_of(body: &SetExpr, found: &mut Vec<*const Query>) {
    match body {
        SetExpr::Query(query) => found.push(std::ptr::from_ref(query.as_ref())),
        SetExpr::SetOperation { left, right, .. } => {
            operands_of(left, found);
            operands_of(right, found);
        }
        _ => {}
    }
}

/// The relations that are joined, with their names.
fn named(from: &TableWithJoins, found: &mut Vec<Relation>) {
    for factor in std::iter::once(&from.relation).chain(from.joins.iter().map(|join| &join.relation)) {
        if let TableFactor::NestedJoin { table_with_joins, alias: None } = factor {
            named(table_with_joins, found);
            continue;
        }
        let mut factor = factor.clone();
        let alias = alias_of(&mut factor).and_then(|alias| alias.as_ref()).map(|alias| alias.name.value.clone());
        let name = alias.or_else(|| own_name(&factor).map(|name| name.value.clone())).unwrap_or_default();
        found.push(Relation { name, factor, columns: OnceCell::new() });
    }
}

/// The name of a table.
fn own_name(factor: &TableFactor) -> Option<&Ident> {
    match factor {
        TableFactor::Table { name, .. } => name.0.last()?.as_ident(),
        _ => None,
    }
}

/// Gives relations of a SELECT their new names.
fn rename(select: &mut Select, at: usize, renamed: &HashMap<Bound, String>) {
    let mut names: HashMap<String, &String> = HashMap::new();
    let mut relation = 0;
    select.from.iter_mut().for_each(|from| {
        rename_joined(from, &mut |old| {
            let new = renamed.get(&Bound { select: at, relation });
            relation += 1;
            let new = new?;
            names.insert(old.to_owned(), new);
            Some(new.clone())
        });
    });
    for item in &mut select.projection {
        if let SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) = item
            && let [part] = name.0.as_slice()
            && let Some(known) = part.as_ident()
            && let Some(new) = names.get(&known.value)
        {
            *name = ObjectName::from(vec![Ident { value: (*new).clone(), ..known.clone() }]);
        }
    }
}

fn rename_joined(from: &mut TableWithJoins, new: &mut dyn FnMut(&str) -> Option<String>) {
    for factor in std::iter::once(&mut from.relation).chain(from.joins.iter_mut().map(|join| &mut join.relation)) {
        if let TableFactor::NestedJoin { table_with_joins, alias: None } = factor {
            rename_joined(table_with_joins, new);
            continue;
        }
        let own = own_name(factor).cloned();
        let Some(alias) = alias_of(factor) else {
            new("");
            continue;
        };
        let known = alias.as_ref().map(|alias| alias.name.clone()).or(own);
        let Some(value) = new(known.as_ref().map_or("", |name| &name.value)) else { continue };
        let name = Ident { value, ..known.unwrap_or_else(|| Ident::new("")) };
        match alias {
            Some(alias) => alias.name = name,
            None => *alias = Some(TableAlias { explicit: true, name, columns: Vec::new(), at: None }),
        }
    }
}
