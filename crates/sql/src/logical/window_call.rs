//! Calls of the window functions in FROM, from the parser's tree to [`WindowNode`]s.

use datafusion_common::{DataFusionError, Result};
use datafusion_expr::planner::{PlannedRelation, RelationPlanner, RelationPlannerContext, RelationPlanning};
use datafusion_expr::{Expr, Extension, LogicalPlan};
use datafusion_sql::sqlparser::ast::{
    self, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, Spanned, TableAlias, TableFactor,
};
use datafusion_sql::sqlparser::tokenizer::Span;
use std::sync::Arc;

use super::numbered;
use super::window_node::{WindowKind, WindowNode};
use super::zoned;
use crate::parse::column_type::{is_instant, is_time};
use crate::parse::error::Problem;
use crate::parse::error::placed;
use crate::parse::interval;
use crate::parse::made;
use crate::parse::token::last_part;
use crate::syntax::table_function::{PARTITION_BY, window_function};
use highwater_core::plan::Window;

/// Plans the window functions of FROM.
#[derive(Debug)]
pub(crate) struct WindowCalls;

impl RelationPlanner for WindowCalls {
    fn plan_relation(
        &self,
        relation: TableFactor,
        context: &mut dyn RelationPlannerContext,
    ) -> Result<RelationPlanning> {
        let TableFactor::Table { name, args: Some(args), alias, .. } = &relation else {
            return Ok(RelationPlanning::Original(Box::new(relation)));
        };
        let Some(function) = window_function(&last_part(name)) else {
            let message = format!("'{}' is not a table function", last_part(name));
            let hint = "the table functions are TUMBLE, HOP, CUMULATE and SESSION";
            return Err(placed(Problem::at(name.span(), message).hint(hint)));
        };
        let call = Call::read(function, name.span(), &args.args).map_err(placed)?;
        let input = context.plan(call.input)?;
        let time = context.sql_to_expr(call.time, input.schema())?;
        let time_type = datafusion_expr::ExprSchemable::get_type(&time, input.schema())?;
        if !matches!(time, Expr::Column(_)) || !is_time(&time_type) {
            let problem = Problem::at(call.time_span, "windows need the event-time column, and this is not one");
            return Err(placed(
                problem.hint("declare it: WATERMARK FOR ts AS ts - INTERVAL '5' SECOND, in the source"),
            ));
        }
        let partition = call.partition.into_iter().map(|expr| context.sql_to_expr(expr, input.schema()));
        let partition = partition.collect::<Result<Vec<_>>>()?;
        // The windows of instants are those of the session's clocks.
        let zone = zoned::of(context.context_provider().options());
        let kind = if is_instant(&time_type) { call.kind.in_zone(zone) } else { call.kind };
        let node = WindowNode::new(input, kind, time, partition, call.time_span)?;
        let plan = LogicalPlan::Extension(Extension { node: Arc::new(node) });
        Ok(RelationPlanning::Planned(Box::new(PlannedRelation::new(plan, alias.clone()))))
    }
}

/// The arguments of a call.
struct Call {
    input: TableFactor,
    time: ast::Expr,
    time_span: Span,
    partition: Vec<ast::Expr>,
    kind: WindowKind,
}

/// In how many windows of HOP or CUMULATE a row may be: each of them is shown, and counts the row.
const MOST_WINDOWS: i64 = 100_000;

/// How each function is written, for hints, and the names of its arguments after the time column; `?` may be left out.
const FORMS: &[(&str, &[&str], &str)] = &[
    ("tumble", &["size", "offset?"], "TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '10' SECOND))"),
    ("hop", &["slide", "size", "offset?"], "TABLE(HOP(TABLE t, DESCRIPTOR(ts), slide, size)), the slide first"),
    ("cumulate", &["step", "size", "offset?"], "TABLE(CUMULATE(TABLE t, DESCRIPTOR(ts), step, size)), the step first"),
    ("session", &["gap"], "TABLE(SESSION(TABLE t PARTITION BY k, DESCRIPTOR(ts), INTERVAL '5' MINUTE))"),
];

impl Call {
    fn read(function: &str, span: Span, args: &[FunctionArg]) -> Result<Call, Problem> {
        let Some((name, sizes, form)) = FORMS.iter().find(|(name, ..)| *name == function) else {
            return Err(Problem::at(span, format!("'{function}' is not a window function")));
        };
        let wrong = |at: Span, message: String| Problem::at(at, message).hint(format!("write {form}"));
        let mut partition = Vec::new();
        let mut positional: Vec<ast::Expr> = Vec::new();
        let mut named: Vec<(String, ast::Expr)> = Vec::new();
        for arg in args {
            match arg {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => match call_of(expr, PARTITION_BY) {
                    Some(by) => partition.extend(by),
                    None => positional.push(expr.clone()),
                },
                FunctionArg::Named { name, arg: FunctionArgExpr::Expr(expr), .. } => {
                    named.push((name.value.to_lowercase(), expr.clone()));
                }
                FunctionArg::ExprNamed { name, arg: FunctionArgExpr::Expr(expr), .. } => {
                    named.push((name.to_string().to_lowercase(), expr.clone()));
                }
                other => {
                    return Err(wrong(
                        other.span(),
                        format!("'{other}' is not an argument of {}", name.to_uppercase()),
                    ));
                }
            }
        }
        let names: Vec<&str> = ["data", "timecol"].iter().chain(sizes.iter()).copied().collect();
        let mut found: Vec<Option<ast::Expr>> = vec![None; names.len()];
        if !named.is_empty() && !positional.is_empty() {
            return Err(wrong(span, "arguments are all named or all by position".to_owned()));
        }
        if positional.len() > names.len() {
            return Err(wrong(
                positional[names.len()].span(),
                format!("{} has too many arguments", name.to_uppercase()),
            ));
        }
        for (at, expr) in positional.into_iter().enumerate() {
            found[at] = Some(expr);
        }
        for (given, expr) in named {
            match names.iter().position(|name| name.trim_end_matches('?') == given) {
                Some(at) => found[at] = Some(expr),
                None => return Err(wrong(expr.span(), format!("{} has no argument '{given}'", name.to_uppercase()))),
            }
        }
        let missing = names.iter().zip(&found).find(|(name, found)| found.is_none() && !name.ends_with('?'));
        if let Some((missing, _)) = missing {
            let what = match *missing {
                "data" => "the table",
                "timecol" => "the event-time column",
                other => other,
            };
            return Err(wrong(span, format!("{} is missing {what}", name.to_uppercase())));
        }
        let mut found = found.into_iter();
        let (Some(Some(data)), Some(Some(time))) = (found.next(), found.next()) else {
            unreachable!("the table and the time were seen above")
        };
        let mut ms = Vec::new();
        for (size, what) in found.zip(*sizes) {
            let Some(expr) = size else { continue };
            let value = interval::milliseconds(&expr).map_err(|message| wrong(expr.span(), message))?;
            if value <= 0 && *what != "offset?" {
                return Err(wrong(expr.span(), format!("the {what} of a window is above zero")));
            }
            ms.push((value, expr.span()));
        }
        if !partition.is_empty() && function != "session" {
            return Err(Problem::at(
                span,
                format!("{} has no PARTITION BY: its windows are the same for every key", name.to_uppercase()),
            )
            .hint("leave it out and write the key in GROUP BY"));
        }
        let value = |at: usize| ms.get(at).map_or(0, |(value, _)| *value);
        let windows = if matches!(function, "hop" | "cumulate") { value(1) / value(0) } else { 1 };
        if windows > MOST_WINDOWS {
            return Err(Problem::at(ms[1].1, format!("a row is in up to {windows} of these windows, and {MOST_WINDOWS} are the most"))
                .hint("make the first of the two longer; or aggregate over the rows of that time behind each row: OVER (PARTITION BY k ORDER BY ts RANGE BETWEEN INTERVAL '30' DAY PRECEDING AND CURRENT ROW)"));
        }
        let kind = match function {
            "tumble" => WindowKind::fixed(Window::Tumble { size: value(0), offset: value(1) }),
            "hop" => WindowKind::fixed(Window::Hop { slide: value(0), size: value(1), offset: value(2) }),
            "session" => WindowKind::Session { gap: value(0) },
            _ => {
                let (step, size) = (value(0), value(1));
                if size % step != 0 {
                    return Err(wrong(ms[1].1, "the size of CUMULATE is a whole multiple of its step".to_owned()));
                }
                WindowKind::fixed(Window::Cumulate { step, size, offset: value(2) })
            }
        };
        let time_span = time.span();
        let time = match call_of(&time, "descriptor") {
            None => time,
            Some(mut columns) if columns.len() == 1 => columns.remove(0),
            Some(_) => return Err(wrong(time_span, "DESCRIPTOR names one column".to_owned())),
        };
        Ok(Call {
            input: input_of(data).map_err(|at| wrong(at, "a window reads a table, a view or a subquery".to_owned()))?,
            time_span: time.span(),
            time,
            partition,
            kind,
        })
    }
}

/// The arguments of a call of this function, if the expression is one.
fn call_of(expr: &ast::Expr, name: &str) -> Option<Vec<ast::Expr>> {
    let ast::Expr::Function(function) = expr else { return None };
    let FunctionArguments::List(list) = &function.args else { return None };
    if last_part(&function.name) != name {
        return None;
    }
    let plain = |arg: &FunctionArg| match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
        _ => None,
    };
    list.args.iter().map(plain).collect()
}

/// The first argument as what stands in FROM.
fn input_of(data: ast::Expr) -> Result<TableFactor, Span> {
    match numbered::bare(&data).cloned().unwrap_or(data) {
        ast::Expr::Identifier(name) => Ok(table(name)),
        ast::Expr::Subquery(subquery) => {
            Ok(TableFactor::Derived { lateral: false, subquery, alias: None, sample: None })
        }
        ast::Expr::Nested(inner) => input_of(*inner),
        other => Err(other.span()),
    }
}

/// A table by its name, which is shown without the number that WITH gave it.
fn table(name: Ident) -> TableFactor {
    let alias = name.value.split_once('#').map(|(shown, _)| TableAlias {
        explicit: true,
        name: Ident { value: shown.to_owned(), ..name.clone() },
        columns: Vec::new(),
        at: None,
    });
    made::table(name, None, alias)
}

/// The plan's error that carries a problem.
impl From<Problem> for DataFusionError {
    fn from(problem: Problem) -> Self {
        placed(problem)
    }
}
