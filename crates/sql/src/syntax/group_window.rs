//! The group-window form `GROUP BY k, TUMBLE(ts, INTERVAL '1' HOUR)` with `TUMBLE_START(ts, ...)`, rewritten into the
//! table-function form. WHERE goes below the window, as it stood before the grouping.

use datafusion_sql::sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, GroupByExpr, Ident, ObjectNamePart, Query, Select,
    SelectItem, SetExpr, Spanned, TableAlias, TableFactor, TableWithJoins, WildcardAdditionalOptions,
};

use super::table_function::{PARTITION_BY, window_function};
use crate::parse::error::Problem;
use crate::parse::made;
use crate::parse::token::last_part;
use crate::parse::walk::{self, Flow, Part};
use crate::syntax::table_function::WINDOW_COLUMNS;

/// The functions that stand for a window's columns there.
pub(crate) const OF_WINDOWS: &[&str] = &[
    "tumble_start",
    "tumble_end",
    "tumble_rowtime",
    "hop_start",
    "hop_end",
    "hop_rowtime",
    "cumulate_start",
    "cumulate_end",
    "cumulate_rowtime",
    "session_start",
    "session_end",
    "session_rowtime",
];

/// Rewrites every SELECT that groups by a window function.
pub(crate) fn rewrite(query: &mut Query) -> Result<(), Problem> {
    walk::query(query, |part| match part {
        Part::Select(select) => walk::flow(rewrite_select(select)),
        _ => Flow::Continue(()),
    })
}

/// A call of a window function as an expression: `TUMBLE(ts, ...)`.
fn window_call(expr: &Expr) -> Option<(&'static str, &Function)> {
    match expr {
        Expr::Function(function) => window_function(&last_part(&function.name)).map(|name| (name, function)),
        _ => None,
    }
}

/// `TUMBLE_START(...)` and the like: the window column it stands for.
fn window_column(name: &str) -> Option<(&'static str, &'static str)> {
    let (window, part) = name.rsplit_once('_')?;
    let column = match part {
        "start" => WINDOW_COLUMNS[0],
        "end" => WINDOW_COLUMNS[1],
        "rowtime" => WINDOW_COLUMNS[2],
        _ => return None,
    };
    Some((window_function(window)?, column))
}

fn rewrite_select(select: &mut Select) -> Result<(), Problem> {
    let GroupByExpr::Expressions(groups, _) = &select.group_by else { return Ok(()) };
    let calls: Vec<(&'static str, &Function)> = groups.iter().filter_map(window_call).collect();
    let (function, call) = match calls.as_slice() {
        [] => return refuse_stray(select),
        [one] => (one.0, one.1.clone()),
        [_, (_, second), ..] => {
            return Err(Problem::at(second.name.span(), "a query groups by one window; this is the second")
                .hint("group the first window in a view and window its window_time again"));
        }
    };
    let [from] = select.from.as_slice() else {
        return Err(Problem::at(call.name.span(), "a group window reads one table"));
    };
    if matches!(&from.relation, TableFactor::Table { args: Some(_), .. }) {
        return Err(Problem::at(call.name.span(), "the rows are in windows already")
            .hint("write GROUP BY window_start, window_end"));
    }
    let others: Vec<Expr> = groups.iter().filter(|expr| window_call(expr).is_none()).cloned().collect();
    let mut args = vec![Expr::Subquery(Box::new(filtered(from.relation.clone(), select.selection.take())))];
    if function == "session" && !others.is_empty() {
        let keys: Vec<Expr> = others.iter().map(|expr| key(expr, &select.projection)).collect();
        args.push(made::call(PARTITION_BY, keys));
    }
    args.extend(plain_arguments(&call)?);
    let alias = alias_of(&from.relation);
    select.from = vec![TableWithJoins {
        relation: made::table(Ident::with_span(call.name.span(), function), Some(args), alias),
        joins: Vec::new(),
    }];

    let span = call.name.span();
    let columns =
        WINDOW_COLUMNS.map(|name| Expr::Identifier(Ident { value: name.to_owned(), quote_style: None, span }));
    if let GroupByExpr::Expressions(groups, _) = &mut select.group_by {
        *groups = others.into_iter().chain(columns).collect();
    }
    let given = FunctionArguments::clone(&call.args);
    let mut replace = |part: Part<'_>| match part {
        Part::Done(expr) => walk::flow(replace_column(expr, function, &given)),
        _ => Flow::Continue(()),
    };
    for item in &mut select.projection {
        if let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = item {
            walk::expr(expr, &mut replace)?;
        }
    }
    if let Some(having) = &mut select.having {
        walk::expr(having, &mut replace)?;
    }
    Ok(())
}

/// `TUMBLE_START(ts, size)` becomes `window_start`, if it speaks of the window that is grouped by.
fn replace_column(expr: &mut Expr, function: &str, given: &FunctionArguments) -> Result<(), Problem> {
    let Expr::Function(call) = expr else { return Ok(()) };
    let name = last_part(&call.name);
    let span = call.name.span();
    if let Some((window, column)) = window_column(&name) {
        if window != function || call.args.to_string() != given.to_string() {
            let message = format!("{} is not of the window in GROUP BY", name.to_uppercase());
            let hint = format!("give it the arguments of GROUP BY: {}{given}", name.to_uppercase());
            return Err(Problem::at(span, message).hint(hint));
        }
        *expr = Expr::Identifier(Ident { value: column.to_owned(), quote_style: None, span });
    } else if window_function(&name).is_some() {
        let hint = format!("write {}_START or {}_END", function.to_uppercase(), function.to_uppercase());
        return Err(Problem::at(span, "a window is not a value").hint(hint));
    }
    Ok(())
}

/// A SELECT without a group window has no window functions in its expressions.
fn refuse_stray(select: &mut Select) -> Result<(), Problem> {
    let mut refuse = |part: Part<'_>| match part {
        Part::Done(Expr::Function(call)) => {
            let name = last_part(&call.name);
            let stray = window_function(&name).is_some() || window_column(&name).is_some();
            if !stray {
                return Flow::Continue(());
            }
            let problem =
                Problem::at(call.name.span(), format!("{} stands without a window in GROUP BY", name.to_uppercase()));
            Flow::Break(
                problem.hint(
                    "write GROUP BY TUMBLE(ts, INTERVAL '10' SECOND), or FROM TABLE(TUMBLE(...)) and window_start",
                ),
            )
        }
        _ => Flow::Continue(()),
    };
    for item in &mut select.projection {
        if let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = item {
            walk::expr(expr, &mut refuse)?;
        }
    }
    Ok(())
}

/// A group key as the expression that sessions are apart by: a position or an alias is looked up in the SELECT list.
fn key(expr: &Expr, projection: &[SelectItem]) -> Expr {
    let by_position = || {
        let Expr::Value(value) = expr else { return None };
        let at: usize = value.value.to_string().parse().ok()?;
        match projection.get(at.checked_sub(1)?)? {
            SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => Some(expr.clone()),
            _ => None,
        }
    };
    let by_alias = || {
        let Expr::Identifier(id) = expr else { return None };
        projection.iter().find_map(|item| match item {
            SelectItem::ExprWithAlias { expr, alias } if alias.value == id.value => Some(expr.clone()),
            _ => None,
        })
    };
    by_position().or_else(by_alias).unwrap_or_else(|| expr.clone())
}

fn plain_arguments(call: &Function) -> Result<Vec<Expr>, Problem> {
    let FunctionArguments::List(list) = &call.args else {
        return Err(Problem::at(call.name.span(), "a window needs the event-time column and its size"));
    };
    let plain = |arg: &FunctionArg| match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Ok(expr.clone()),
        other => Err(Problem::at(other.span(), format!("'{other}' is not an argument of a window"))),
    };
    list.args.iter().map(plain).collect()
}

/// `(SELECT * FROM relation WHERE condition)`.
fn filtered(relation: TableFactor, selection: Option<Expr>) -> Query {
    let mut rows = made::empty();
    if let SetExpr::Select(select) = rows.body.as_mut() {
        select.projection = vec![SelectItem::Wildcard(WildcardAdditionalOptions::default())];
        select.from = vec![TableWithJoins { relation, joins: Vec::new() }];
        select.selection = selection;
    }
    rows
}

/// The name by which the rest of the query speaks of a relation.
fn alias_of(relation: &TableFactor) -> Option<TableAlias> {
    match relation {
        TableFactor::Table { alias: Some(alias), .. } | TableFactor::Derived { alias: Some(alias), .. } => {
            Some(TableAlias { columns: Vec::new(), ..alias.clone() })
        }
        TableFactor::Table { name, .. } => match name.0.last() {
            Some(ObjectNamePart::Identifier(name)) => {
                Some(TableAlias { explicit: true, name: name.clone(), columns: Vec::new(), at: None })
            }
            _ => None,
        },
        _ => None,
    }
}
