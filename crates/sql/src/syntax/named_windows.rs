//! `OVER w` and `OVER (w ORDER BY ts)`, with what `WINDOW w AS (...)` says in its place: the planner knows names of windows in the
//! SELECT list alone, and passes over those in parentheses.

use datafusion_sql::sqlparser::ast::{
    Expr, Ident, NamedWindowDefinition, NamedWindowExpr, OrderByKind, Query, Select, SelectItem, WindowSpec, WindowType,
};

use crate::parse::error::Problem;
use crate::parse::walk::{self, Flow, Part};

/// Puts the windows of a SELECT where they are named.
pub(crate) fn step(part: Part<'_>) -> Flow {
    walk::flow(match part {
        Part::Query(query) => in_order(query),
        Part::Select(select) => in_select(select),
        _ => Ok(()),
    })
}

/// A window's name, and what it is.
type Windows = Vec<(String, WindowSpec)>;

fn in_order(query: &mut Query) -> Result<(), Problem> {
    let Some(select) = query.body.as_select().filter(|select| !select.named_window.is_empty()) else { return Ok(()) };
    let windows = read(&select.named_window)?;
    let Some(OrderByKind::Expressions(order)) = query.order_by.as_mut().map(|order| &mut order.kind) else {
        return Ok(());
    };
    order.iter_mut().try_for_each(|order| put(&mut order.expr, &windows))
}

fn in_select(select: &mut Select) -> Result<(), Problem> {
    if select.named_window.is_empty() {
        return Ok(());
    }
    let windows = read(&std::mem::take(&mut select.named_window))?;
    let shown = select.projection.iter_mut().filter_map(|item| match item {
        SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => Some(expr),
        _ => None,
    });
    shown.chain(&mut select.qualify).try_for_each(|expr| put(expr, &windows))
}

/// The windows that are defined, each of which may go by one before it.
fn read(definitions: &[NamedWindowDefinition]) -> Result<Windows, Problem> {
    let mut windows: Windows = Vec::new();
    for NamedWindowDefinition(name, defined) in definitions {
        if windows.iter().any(|(known, _)| *known == name.value) {
            return Err(Problem::at(name.span, format!("the window '{name}' is there twice"))
                .hint("give one of them another name"));
        }
        let spec = match defined {
            NamedWindowExpr::NamedWindow(other) => find(&windows, other)?.clone(),
            NamedWindowExpr::WindowSpec(spec) => extended(spec, &windows)?,
        };
        windows.push((name.value.clone(), spec));
    }
    Ok(windows)
}

fn find<'a>(windows: &'a Windows, name: &Ident) -> Result<&'a WindowSpec, Problem> {
    let known: Vec<&str> = windows.iter().map(|(name, _)| name.as_str()).collect();
    let found = windows.iter().find(|(known, _)| *known == name.value);
    found.map(|(_, spec)| spec).ok_or_else(|| {
        let hint = match known.is_empty() {
            true => "define it before: WINDOW w AS (PARTITION BY k ORDER BY ts)".to_owned(),
            false => format!("there are: {}", known.join(", ")),
        };
        Problem::at(name.span, format!("there is no window '{name}'")).hint(hint)
    })
}

/// A window with what it says itself and what the one that it names says.
fn extended(spec: &WindowSpec, windows: &Windows) -> Result<WindowSpec, Problem> {
    let WindowSpec { window_name: Some(name), partition_by, order_by, window_frame } = spec else {
        return Ok(spec.clone());
    };
    let base = find(windows, name)?;
    let twice = match () {
        () if base.window_frame.is_some() => Some("a frame"),
        () if !partition_by.is_empty() => Some("PARTITION BY"),
        () if !base.order_by.is_empty() && !order_by.is_empty() => Some("ORDER BY"),
        () => None,
    };
    if let Some(twice) = twice {
        return Err(Problem::at(name.span, format!("the window '{name}' cannot be given {twice} here"))
            .hint("add ORDER BY to a window without one, or a frame to one without; or write the window out"));
    }
    let order_by = if order_by.is_empty() { &base.order_by } else { order_by };
    Ok(WindowSpec {
        window_name: None,
        partition_by: base.partition_by.clone(),
        order_by: order_by.clone(),
        window_frame: window_frame.clone(),
    })
}

/// Puts the windows into the calls of an expression; a subquery in it has windows of its own.
fn put(expr: &mut Expr, windows: &Windows) -> Result<(), Problem> {
    let mut within = 0;
    walk::expr(expr, |part| {
        match part {
            Part::Query(_) => within += 1,
            Part::Left(_) => within -= 1,
            Part::Expr(Expr::Function(function)) if within == 0 => {
                let spec = match &function.over {
                    Some(WindowType::NamedWindow(name)) => find(windows, name).cloned(),
                    Some(WindowType::WindowSpec(spec)) => extended(spec, windows),
                    None => return Flow::Continue(()),
                };
                match spec {
                    Ok(spec) => function.over = Some(WindowType::WindowSpec(spec)),
                    Err(problem) => return Flow::Break(problem),
                }
            }
            _ => {}
        }
        Flow::Continue(())
    })
}
