//! `WITH RECURSIVE`, checked as it is written: a start, UNION [ALL], and a step that reads the relation once.
//!
//! What only shows in the plan (a subquery, an outer join) is refused when it is lowered, at the relation's name.

use datafusion_sql::sqlparser::ast::{
    Cte, GroupByExpr, Query, Select, SetExpr, SetOperator, SetQuantifier, Spanned, TableFactor, TableWithJoins,
};
use datafusion_sql::sqlparser::tokenizer::Span;

use crate::parse::error::Problem;
use crate::parse::token::last_part;
use crate::parse::walk::{self, Flow, Part};

const SHAPE: &str =
    "write WITH RECURSIVE r AS (SELECT ... FROM t UNION SELECT ... FROM r JOIN t ON ...) SELECT ... FROM r";

/// Refuses recursion of another shape.
pub(crate) fn check(query: &mut Query) -> Flow {
    let Some(with) = query.with.as_mut().filter(|with| with.recursive) else { return Flow::Continue(()) };
    walk::flow(with.cte_tables.iter_mut().try_for_each(relation))
}

fn relation(cte: &mut Cte) -> Result<(), Problem> {
    let name = cte.alias.name.value.clone();
    let mut read: Vec<Span> = Vec::new();
    walk::query(&mut cte.query, |part| {
        if let Part::Factor(factor) = part {
            read.extend(reads(factor, &name));
        }
        Flow::Continue(())
    })?;
    let Some(&first) = read.iter().min_by_key(|span| span.start) else { return Ok(()) };
    let SetExpr::SetOperation { op: SetOperator::Union, set_quantifier, right, .. } = cte.query.body.as_ref() else {
        return Err(Problem::at(first, format!("'{name}' reads itself without a start")).hint(SHAPE));
    };
    if !matches!(set_quantifier, SetQuantifier::None | SetQuantifier::Distinct | SetQuantifier::All) {
        return Err(Problem::at(first, "rows of a recursion come by UNION or UNION ALL").hint(SHAPE));
    }
    if first.start < right.span().start {
        let problem = Problem::at(first, format!("the start of '{name}' reads '{name}' itself"));
        return Err(problem.hint(format!(
            "put the steps behind the start, in parentheses: SELECT ... FROM t UNION ALL (SELECT ... FROM {name} ... UNION ALL SELECT ... FROM {name} ...)"
        )));
    }
    walk::query(&mut cte.query, |part| match part {
        Part::Select(select) => walk::flow(step(select, &name)),
        _ => Flow::Continue(()),
    })
}

/// Refuses a step that does more with the rows of the round before than a recursion may.
fn step(select: &Select, name: &str) -> Result<(), Problem> {
    let mut read = Vec::new();
    select.from.iter().for_each(|from| joined(from, name, &mut read));
    let Some(&first) = read.first() else { return Ok(()) };
    if let Some(&second) = read.get(1) {
        let problem = Problem::at(second, format!("'{name}' is read twice in one step of its recursion"));
        return Err(problem.hint(format!("read it once: join '{name}' with the relation that it starts from")));
    }
    if select.distinct.is_some() {
        return Err(Problem::at(first, format!("DISTINCT over '{name}' in its own step is not supported"))
            .hint("write UNION instead of UNION ALL: then every row is there once"));
    }
    let grouped = matches!(&select.group_by, GroupByExpr::Expressions(exprs, _) if !exprs.is_empty());
    if grouped || select.having.is_some() {
        let span = if grouped { select.group_by.span() } else { first };
        return Err(aggregated(span, name));
    }
    Ok(())
}

/// An aggregate over rows that are not all there yet.
pub(crate) fn aggregated(span: Span, name: &str) -> Problem {
    Problem::at(span, format!("'{name}' is aggregated in its own step, where its rows are not all there yet"))
        .hint(format!("aggregate the result: WITH RECURSIVE {name} AS (...) SELECT k, MIN(x) FROM {name} GROUP BY k"))
}

fn joined(from: &TableWithJoins, name: &str, read: &mut Vec<Span>) {
    let factors = std::iter::once(&from.relation).chain(from.joins.iter().map(|join| &join.relation));
    for factor in factors {
        match factor {
            TableFactor::NestedJoin { table_with_joins, .. } => joined(table_with_joins, name, read),
            factor => read.extend(reads(factor, name)),
        }
    }
}

fn reads(factor: &TableFactor, name: &str) -> Option<Span> {
    match factor {
        TableFactor::Table { name: table, args: None, .. } if last_part(table) == name.to_lowercase() => {
            Some(table.span())
        }
        _ => None,
    }
}
