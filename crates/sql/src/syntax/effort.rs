//! What planning an expression costs, bounded before it is planned.
//!
//! The library has no types of its own in an expression: it works them out of the parts each time that it is asked, twice for
//! some parts, and some forms become others that have a part twice: `x BETWEEN a AND b` is `x >= a AND x <= b`. Where such
//! forms stand in one another the work doubles by the level. So it is counted: each part as often as it is looked at, by
//! what it stands in ([`parts`]). What goes beyond [`MAX_EFFORT`] is refused, at the part with which it does.
//!
//! `COALESCE(COALESCE(a, b), c)` is `COALESCE(a, b, c)` and is made that, so a chain of them costs no more than a list.

use datafusion_sql::sqlparser::ast::{
    BinaryOperator, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, ObjectNamePart, Spanned,
};

use crate::functions::exact::EXACT;
use crate::parse::error::Problem;
use crate::parse::token::last_part;
use crate::parse::walk::{Flow, Part};

/// How often the parts of a query may be looked at.
const MAX_EFFORT: u64 = 50_000;

/// How many calls of functions stand in one another. The library writes the name of a call out of those of its arguments each time that
/// it is asked for its type, and asks at each level: the work goes with the third power of their number.
const MAX_CALLS: usize = 150;

/// Functions that are the first of their values that is not NULL.
const FIRST_THERE: &[&str] = &["coalesce", "ifnull", "nvl"];

/// An expression that the walk is in.
struct Open {
    /// How often it is looked at.
    times: u64,
    /// The calls of functions that it is in, with itself.
    calls: usize,
    /// How often some of its parts are, each time; known by where they are.
    parts: Vec<(*const Expr, u64)>,
    /// How often all others are.
    others: u64,
}

/// Refuses what takes too long, and flattens chains of COALESCE.
pub(crate) fn step() -> impl FnMut(Part<'_>) -> Flow {
    let (mut open, mut effort): (Vec<Open>, u64) = (Vec::new(), 0);
    move |part| {
        match part {
            Part::Expr(expr) => {
                flatten(expr);
                let at: *const Expr = expr;
                let times = open.last().map_or(1, |around| {
                    let own = around.parts.iter().find(|(part, _)| *part == at).map_or(around.others, |(_, own)| *own);
                    around.times.saturating_mul(own)
                });
                // What is looked at once costs no more than its length.
                effort = effort.saturating_add(times - 1);
                if effort > MAX_EFFORT {
                    return Flow::Break(too_much(expr));
                }
                let calls = open.last().map_or(0, |around| around.calls) + usize::from(is_call(expr));
                if calls > MAX_CALLS {
                    return Flow::Break(too_many_calls(expr));
                }
                let (parts, others) = parts(expr);
                open.push(Open { times, calls, parts, others });
            }
            Part::Done(_) => {
                open.pop();
            }
            Part::Query(_) | Part::Select(_) | Part::Factor(_) | Part::Left(_) => {}
        }
        Flow::Continue(())
    }
}

fn too_much(expr: &Expr) -> Problem {
    Problem::at(
        expr.span(),
        format!(
            "what stands in one another here takes too long to plan: CASE, BETWEEN, IN and their like double it by the level, to more than {MAX_EFFORT} parts"
        ),
    )
    .hint("compute a part of it in a view, and read that: CREATE VIEW v AS SELECT a BETWEEN b AND c AS x FROM t")
}

fn is_call(expr: &Expr) -> bool {
    use Expr::{Array, Ceil, Extract, Floor, Function, Overlay, Position, Substring, Trim};
    matches!(
        expr,
        Array(_)
            | Ceil { .. }
            | Extract { .. }
            | Floor { .. }
            | Function(_)
            | Overlay { .. }
            | Position { .. }
            | Substring { .. }
            | Trim { .. }
    )
}

fn too_many_calls(expr: &Expr) -> Problem {
    Problem::at(
        expr.span(),
        format!("this nests too deep: at most {MAX_CALLS} calls of functions stand in one another"),
    )
    .hint("compute a part of it in a view, and read that: CREATE VIEW v AS SELECT REPLACE(s, 'a', 'b') AS s FROM t")
}

/// How often the parts of an expression are looked at, each time that it is; and all that is not among them.
fn parts(expr: &Expr) -> (Vec<(*const Expr, u64)>, u64) {
    let at = |expr: &Expr, times: u64| (std::ptr::from_ref(expr), times);
    match expr {
        // Whether it may be NULL is asked of the conditions level by level, and the type of what is behind THEN beside that.
        Expr::Case { operand, conditions, .. } => {
            let whens = conditions.iter().map(|when| at(&when.condition, if operand.is_none() { 2 } else { 1 }));
            let thens = conditions.iter().map(|when| at(&when.result, once_if(is_case(&when.result))));
            (whens.chain(thens).collect(), 1)
        }
        Expr::Between { expr, .. } => (vec![at(expr, 2)], 1),
        // Each item may be compared by itself.
        Expr::InList { expr, list, .. } => {
            let literals = list.iter().all(is_literal);
            let items = if literals && list.len() > 3 { 1 } else { list.len().max(1) };
            (vec![at(expr, items as u64)], 1)
        }
        // Is it true, is it unknown.
        Expr::InSubquery { expr, .. } | Expr::AnyOp { left: expr, .. } | Expr::AllOp { left: expr, .. } => {
            (vec![at(expr, 16)], 2)
        }
        Expr::BinaryOp { left, op, right } if is_order(op) && is_row(left) && is_row(right) => {
            (vec![at(left, 2), at(right, 2)], 1)
        }
        Expr::Function(function) => {
            let (name, args) = (last_part(&function.name), args(function));
            let more: &[&Expr] = match name.as_str() {
                name if FIRST_THERE.contains(&name) => args.split_last().map_or(&args[..], |(_, first)| first),
                "if" if args.len() == 3 => &args[..2],
                "map" => &args,
                _ => &[],
            };
            let times = if name == "if" { 2 } else { 3 };
            (more.iter().map(|arg| at(arg, times)).collect(), 1)
        }
        _ => (Vec::new(), 1),
    }
}

fn is_literal(item: &Expr) -> bool {
    match item {
        Expr::Value(_) => true,
        Expr::Function(function) => last_part(&function.name) == EXACT.name,
        _ => false,
    }
}

fn once_if(once: bool) -> u64 {
    if once { 1 } else { 2 }
}

fn is_case(expr: &Expr) -> bool {
    match expr {
        Expr::Case { .. } => true,
        Expr::Nested(inner) => is_case(inner),
        _ => false,
    }
}

fn is_row(expr: &Expr) -> bool {
    match expr {
        Expr::Tuple(_) => true,
        Expr::Nested(inner) => is_row(inner),
        _ => false,
    }
}

fn is_order(op: &BinaryOperator) -> bool {
    use BinaryOperator::{Gt, GtEq, Lt, LtEq};
    matches!(op, Lt | LtEq | Gt | GtEq)
}

/// The arguments of a plain call.
fn args(function: &Function) -> Vec<&Expr> {
    let FunctionArguments::List(list) = &function.args else { return Vec::new() };
    list.args.iter().filter_map(plain).collect()
}

fn plain(arg: &FunctionArg) -> Option<&Expr> {
    match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
        _ => None,
    }
}

/// The values of which an expression is the first that is there, if it is that.
fn first_of(expr: &Expr) -> Option<&[FunctionArg]> {
    match expr {
        Expr::Nested(inner) => first_of(inner),
        Expr::Function(function) => {
            let FunctionArguments::List(list) = &function.args else { return None };
            let name = last_part(&function.name);
            let called =
                args(function).len() == list.args.len() && function.over.is_none() && function.filter.is_none();
            let whole = if name == "coalesce" { !list.args.is_empty() } else { list.args.len() == 2 };
            (called && whole && FIRST_THERE.contains(&name.as_str())).then_some(&list.args)
        }
        _ => None,
    }
}

/// A COALESCE whose first value is one, as one of all their values.
fn flatten(expr: &mut Expr) {
    if first_of(expr).is_none() {
        return;
    }
    while let Expr::Nested(inner) = expr {
        *expr = std::mem::replace(inner.as_mut(), Expr::Tuple(Vec::new()));
    }
    let Expr::Function(function) = expr else { return };
    let FunctionArguments::List(list) = &mut function.args else { return };
    let mut flat = false;
    while let Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(first))) = list.args.first()
        && let Some(inner) = first_of(first)
    {
        let inner = inner.to_vec();
        list.args.splice(..1, inner);
        flat = true;
    }
    if flat && let Some(ObjectNamePart::Identifier(name)) = function.name.0.last_mut() {
        name.value = "coalesce".to_owned();
    }
}
