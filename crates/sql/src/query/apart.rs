//! Relations of WITH that a query reads several times, planned once.
//!
//! The planner puts the plan of a WITH in the place of each name that reads it, and rules change each copy by what stands around
//! it. A row that fails would fail in each of them, and where they read one another twice planning would double by the level.
//! So such a relation is planned by itself, and is a table to who reads it, as a view is.

use std::collections::{HashMap, HashSet};

use datafusion_common::Result;
use datafusion_sql::sqlparser::ast::helpers::attached_token::AttachedToken;
use datafusion_sql::sqlparser::ast::{Cte, Ident, Query, SelectItem, SetExpr, TableWithJoins, With};

use super::context::Context;
use crate::logical::shared::Shared;
use crate::parse::error::{Problem, placed};
use crate::parse::made::{empty, table};
use crate::parse::walk::{self, Flow, Part};
use crate::query;
use crate::syntax::with_names::read_in;

/// A relation of WITH.
struct Defined {
    cte: Cte,
    /// Of the query itself: all that it reads is known there.
    outermost: bool,
    /// How often its own query names each relation.
    reads: HashMap<String, usize>,
}

impl Defined {
    fn name(&self) -> &str {
        &self.cte.alias.name.value
    }
}

/// The context in which the relations of WITH that are read several times are tables, if there are any; they are gone from the
/// query. Their names are apart ([`crate::syntax::with_names`]).
pub(crate) fn apart(context: &Context, query: &mut Query) -> Result<Option<Context>> {
    let all = defined(query).map_err(placed)?;
    let reads = read_in(query).map_err(placed)?;
    let (mut own, mut gone, mut inline): (Option<Context>, HashSet<String>, Vec<&Defined>) = Default::default();
    for one in &all {
        let name = one.name();
        let times = |reads: &HashMap<String, usize>| reads.get(name).copied().unwrap_or(0);
        if times(&reads) > times(&one.reads) + 1
            && let Some(with) =
                with(one, &inline, &|name| !gone.contains(name) && all.iter().any(|one| one.name() == name))
        {
            match query::alone(own.as_ref().unwrap_or(context), all_of(&one.cte.alias.name, with)) {
                Ok(plan) => {
                    let names = plan.schema().fields().iter().map(|field| field.name().clone()).collect();
                    let shared = context.one_of(Shared::new(plan, names));
                    own.get_or_insert_with(|| context.clone()).share(name.to_owned(), shared);
                    gone.insert(name.to_owned());
                    continue;
                }
                // What stands in a subquery may read the row outside.
                Err(error) if one.outermost => return Err(error),
                Err(_) => {}
            }
        }
        inline.push(one);
    }
    if own.is_some() {
        remove(query, gone).map_err(placed)?;
    }
    Ok(own)
}

/// The relations of all WITHs of a query, those that others read first.
fn defined(query: &mut Query) -> Result<Vec<Defined>, Problem> {
    /// A query that the walk is in: its place in the WITH around it, if it stands there, and the relations of its own.
    struct Open {
        is: Option<(Cte, bool)>,
        own: Vec<Cte>,
        seen: usize,
    }
    let (mut open, mut all): (Vec<Open>, Vec<Defined>) = (Vec::new(), Vec::new());
    walk::query(query, |part| {
        match part {
            Part::Query(query) => {
                let outermost = open.len() == 1;
                // Those of WITH are walked through before all else.
                let is = open.last_mut().and_then(|around| {
                    let cte = around.own.get(around.seen).cloned()?;
                    around.seen += 1;
                    Some((cte, outermost))
                });
                let own = query.with.as_ref().map(|with| with.cte_tables.clone()).unwrap_or_default();
                open.push(Open { is, own, seen: 0 });
            }
            Part::Left(query) => {
                if let Some((cte, outermost)) = open.pop().and_then(|left| left.is) {
                    match read_in(query) {
                        Ok(reads) => all.push(Defined { cte, outermost, reads }),
                        Err(problem) => return Flow::Break(problem),
                    }
                }
            }
            _ => {}
        }
        Flow::Continue(())
    })?;
    Ok(all)
}

/// The WITH by which a relation can be planned: itself, behind those that it reads; `open` are the names that are no tables. None if
/// it reads one that is not known yet, a recursion around it.
fn with(of: &Defined, inline: &[&Defined], open: &dyn Fn(&str) -> bool) -> Option<With> {
    let mut wanted: HashSet<&str> =
        of.reads.keys().map(String::as_str).filter(|name| *name != of.name() && open(name)).collect();
    let mut recursive = of.reads.contains_key(of.name());
    let mut cte_tables = vec![of.cte.clone()];
    for one in inline.iter().rev() {
        if wanted.remove(one.name()) {
            recursive |= one.reads.contains_key(one.name());
            wanted.extend(one.reads.keys().map(String::as_str).filter(|name| *name != one.name() && open(name)));
            cte_tables.push(one.cte.clone());
        }
    }
    cte_tables.reverse();
    wanted.is_empty().then(|| With { with_token: AttachedToken::empty(), recursive, cte_tables })
}

/// `WITH ... SELECT * FROM name`.
fn all_of(name: &Ident, with: With) -> Query {
    let mut query = empty();
    query.with = Some(with);
    if let SetExpr::Select(select) = query.body.as_mut() {
        select.projection = vec![SelectItem::Wildcard(Default::default())];
        let relation = table(name.clone(), None, None);
        select.from = vec![TableWithJoins { relation, joins: Vec::new() }];
    }
    query
}

/// Takes relations out of a query, and those that they alone read.
fn remove(query: &mut Query, mut gone: HashSet<String>) -> Result<(), Problem> {
    let before = read_in(query)?;
    while !gone.is_empty() {
        walk::query(query, |part| {
            if let Part::Query(query) = part
                && let Some(with) = &mut query.with
            {
                with.cte_tables.retain(|cte| !gone.contains(&cte.alias.name.value));
                query.with.take_if(|with| with.cte_tables.is_empty());
            }
            Flow::Continue(())
        })?;
        let left = read_in(query)?;
        let mut orphans = HashSet::new();
        for one in defined(query)? {
            let own = one.reads.get(one.name()).copied().unwrap_or(0);
            let times = |reads: &HashMap<String, usize>| reads.get(one.name()).copied().unwrap_or(0);
            if times(&left) == own && times(&before) > own {
                orphans.insert(one.name().to_owned());
            }
        }
        gone = orphans;
    }
    Ok(())
}
