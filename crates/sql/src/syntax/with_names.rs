//! The names of WITH, each of which is known in its query from there on, and hides another of that name. The planner takes a
//! name for one relation wherever it stands, so a WITH further in, and one that hides what it reads itself
//! (`WITH t AS (SELECT ... FROM t)`), gets a name that no other has, `t#1`, which messages show as `t`.

use std::collections::HashMap;

use datafusion_sql::sqlparser::ast::{
    Cte, Expr, FunctionArg, FunctionArgExpr, Ident, ObjectName, Query, TableAlias, TableFactor,
};

use crate::parse::error::Problem;
use crate::parse::walk::{self, Flow, Part};

/// Gives the names.
pub(crate) fn rewrite(query: &mut Query) -> Result<(), Problem> {
    let (mut depth, mut number) = (0_usize, 0_usize);
    walk::query(query, |part| {
        match part {
            Part::Query(_) => depth += 1,
            // What is further in has its names by now.
            Part::Left(query) => {
                depth -= 1;
                return walk::flow(name(query, depth == 0, &mut number));
            }
            _ => {}
        }
        Flow::Continue(())
    })
}

fn name(query: &mut Query, outermost: bool, number: &mut usize) -> Result<(), Problem> {
    let Some(mut with) = query.with.take() else { return Ok(()) };
    for at in 0..with.cte_tables.len() {
        let known = with.cte_tables[at].alias.name.value.clone();
        // Where the name is known: in what follows, and in itself if it recurs.
        let (others, own) = with.cte_tables.split_at_mut(if with.recursive { at } else { at + 1 });
        let mut hides = false;
        for cte in others {
            references(&mut cte.query, &known, &mut |_| hides = true)?;
        }
        if outermost && !hides {
            continue;
        }
        *number += 1;
        let name = format!("{known}#{number}");
        for cte in own {
            references(&mut cte.query, &known, &mut |found| found.rename(&name))?;
        }
        references(query, &known, &mut |found| found.rename(&name))?;
        rename(&mut with.cte_tables[at], name);
    }
    query.with = Some(with);
    Ok(())
}

fn rename(cte: &mut Cte, name: String) {
    cte.alias.name.value = name;
}

/// A place where a relation is named.
enum Reference<'a> {
    Factor(&'a mut ObjectName, &'a mut Option<TableAlias>),
    /// `TUMBLE(TABLE t, ...)`.
    Argument(&'a mut Ident),
}

impl Reference<'_> {
    fn rename(self, to: &str) {
        match self {
            Reference::Factor(name, alias) => {
                let Some(known) = only(name).cloned() else { return };
                *name = ObjectName::from(vec![Ident { value: to.to_owned(), ..known.clone() }]);
                alias.get_or_insert(TableAlias { explicit: true, name: known, columns: Vec::new(), at: None });
            }
            Reference::Argument(name) => name.value = to.to_owned(),
        }
    }
}

fn only(name: &ObjectName) -> Option<&Ident> {
    match name.0.as_slice() {
        [part] => part.as_ident(),
        _ => None,
    }
}

impl Reference<'_> {
    fn name(&self) -> Option<&str> {
        match self {
            Reference::Factor(name, _) => only(name).map(|name| name.value.as_str()),
            Reference::Argument(name) => Some(&name.value),
        }
    }
}

fn references(query: &mut Query, known: &str, found: &mut dyn FnMut(Reference<'_>)) -> Result<(), Problem> {
    all(query, &mut |reference| {
        let named = reference.name() == Some(known);
        if named {
            found(reference);
        }
        named
    })
}

/// How often a query reads each relation, all that stands in it included. (The columns that are arguments of a table function look
/// like relations.)
pub(crate) fn read_in(query: &mut Query) -> Result<HashMap<String, usize>, Problem> {
    let mut reads = HashMap::new();
    all(query, &mut |reference| {
        if let Some(name) = reference.name() {
            *reads.entry(name.to_owned()).or_default() += 1;
        }
        false
    })?;
    Ok(reads)
}

/// Goes through the places where a relation may be named; of the arguments of a table function to the one that is it.
fn all(query: &mut Query, is_it: &mut dyn FnMut(Reference<'_>) -> bool) -> Result<(), Problem> {
    walk::query(query, |part| {
        let Part::Factor(TableFactor::Table { name, args, alias, .. }) = part else { return Flow::Continue(()) };
        match args {
            None => drop(is_it(Reference::Factor(name, alias))),
            Some(args) => {
                for arg in &mut args.args {
                    let (FunctionArg::Unnamed(arg)
                    | FunctionArg::Named { arg, .. }
                    | FunctionArg::ExprNamed { arg, .. }) = arg;
                    if let FunctionArgExpr::Expr(Expr::Identifier(name)) = arg
                        && is_it(Reference::Argument(name))
                    {
                        break;
                    }
                }
            }
        }
        Flow::Continue(())
    })
}
