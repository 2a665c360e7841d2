//! The expressions of MEASURES and DEFINE: what speaks of rows of a match becomes columns, [`Pick`]s; the rest is left to
//! the planner.
//!
//! A column by itself means the last row so far, `A.price` the last row so far that is an A; with SUBSET U = (A, B), `U.price`
//! is of the last row that is an A or a B.

use std::sync::Arc;

use arrow_schema::{DataType, Field};
use datafusion_common::{DFSchema, DataFusionError, Result};
use datafusion_expr::planner::RelationPlannerContext;
use datafusion_expr::{Expr, ExprSchemable, cast};
use datafusion_sql::sqlparser::ast::{
    self, DuplicateTreatment, FunctionArg, FunctionArgExpr, FunctionArgumentClause, FunctionArguments, Ident, Spanned,
    Value,
};
use datafusion_sql::sqlparser::tokenizer::Span;

use super::calls::Callable;
use crate::functions::settled::SETTLED;
use crate::parse::error::Problem;
use crate::parse::error::placed;
use crate::parse::made::call;
use crate::parse::token::last_part;
use crate::parse::walk::{self, Flow, Part};
use highwater_core::aggregate::Aggregate;
use highwater_core::plan::{Pick, PickAggregate, Place};
use highwater_core::registered::Registered;

/// Functions that name a row.
const NAVIGATION: &[&str] = &["first", "last", "prev", "next"];

/// The name of the column that a pick becomes.
pub(crate) fn pick_name(at: usize) -> String {
    format!("__pick{at}")
}

/// Reads the expressions of one pattern.
pub(crate) struct Values<'a> {
    pub(crate) context: &'a mut dyn RelationPlannerContext,
    /// The functions that it may call.
    pub(crate) callable: &'a Callable,
    /// The input.
    pub(crate) schema: &'a DFSchema,
    pub(crate) variables: &'a [String],
    /// The names of several variables together, with those as bits.
    pub(crate) subsets: Vec<(String, u64)>,
    /// What the pattern reads of the input; picks mean places in it.
    pub(crate) exprs: Vec<Expr>,
    /// The event-time column.
    pub(crate) time: Expr,
}

/// The picks of an expression, or several.
#[derive(Debug, Default)]
pub(crate) struct Picks {
    pub(crate) picks: Vec<Pick>,
    pub(crate) types: Vec<DataType>,
    /// Whether they stand in DEFINE.
    pub(crate) define: bool,
}

impl Picks {
    /// The picks as columns.
    pub(crate) fn fields(&self) -> Vec<Arc<Field>> {
        let field = |(at, data_type): (usize, &DataType)| Arc::new(Field::new(pick_name(at), data_type.clone(), true));
        self.types.iter().enumerate().map(field).collect()
    }

    fn add(&mut self, pick: Pick, data_type: DataType) -> usize {
        let text = format!("{pick:?}");
        self.picks.iter().position(|other| format!("{other:?}") == text).unwrap_or_else(|| {
            self.picks.push(pick);
            self.types.push(data_type);
            self.picks.len() - 1
        })
    }
}

impl Values<'_> {
    /// Where an expression over the input stands, added if it is not there.
    pub(crate) fn place(&mut self, expr: Expr) -> usize {
        self.exprs.iter().position(|other| *other == expr).unwrap_or_else(|| {
            self.exprs.push(expr);
            self.exprs.len() - 1
        })
    }

    /// The pick of the event time of a match: that of its last row.
    pub(crate) fn match_time(&mut self, picks: &mut Picks) -> Result<usize> {
        let time_type = self.time.get_type(self.schema)?;
        let column = self.place(self.time.clone());
        let place = Place::default();
        Ok(picks.add(Pick::Column { place, column }, time_type))
    }

    /// Rewrites an expression: what speaks of rows becomes columns.
    pub(crate) fn rewrite(&mut self, expr: &mut ast::Expr, picks: &mut Picks) -> Result<()> {
        let mut failed = None;
        let walked = walk::expr(expr, |part| {
            let Part::Expr(expr) = part else { return Flow::Continue(()) };
            match self.step(expr, picks) {
                Ok(()) => Flow::Continue(()),
                Err(error) => {
                    let problem = Problem::at(expr.span(), error.to_string());
                    failed = Some(error);
                    Flow::Break(problem)
                }
            }
        });
        match (failed, walked) {
            (Some(error), _) => Err(error),
            (None, walked) => walked.map_err(placed),
        }
    }

    fn step(&mut self, expr: &mut ast::Expr, picks: &mut Picks) -> Result<()> {
        let span = expr.span();
        let at = match expr {
            // What stands in the call around a pick.
            ast::Expr::Identifier(name) if is_pick(&name.value) => return Ok(()),
            ast::Expr::Identifier(_) | ast::Expr::CompoundIdentifier(_) => {
                self.column(expr.clone(), Place::default(), picks)?
            }
            ast::Expr::Function(function) if function.over.is_none() => {
                let name = last_part(&function.name);
                let shown = name.to_uppercase();
                let whole = matches!(name.as_str(), "match_number" | "classifier" | "match_rowtime" | "match_proctime");
                if whole && picks.define {
                    return Err(refused(
                        span,
                        format!("{shown} is not known while rows are matched"),
                        "write it in MEASURES",
                    ));
                }
                match name.as_str() {
                    "match_number" => picks.add(Pick::MatchNumber, DataType::Int64),
                    "classifier" => picks.add(Pick::Classifier, DataType::Utf8),
                    "match_rowtime" => self.match_time(picks)?,
                    "match_proctime" => {
                        return Err(refused(span, "MATCH_PROCTIME reads a clock".to_owned(), "write MATCH_ROWTIME()"));
                    }
                    name if NAVIGATION.contains(&name) => {
                        let (arg, place) = self.navigation(function)?;
                        self.column(arg, place, picks)?
                    }
                    name => match self.callable.aggregate(name) {
                        Some(found) if found.may_fail() => {
                            let at = self.aggregate(found.clone(), function, picks)?;
                            *expr = call(SETTLED, vec![picked(at, span)]);
                            return Ok(());
                        }
                        Some(found) => self.aggregate(found.clone(), function, picks)?,
                        None => return Ok(()),
                    },
                }
            }
            ast::Expr::Subquery(_) | ast::Expr::Exists { .. } | ast::Expr::InSubquery { .. } => {
                let what = "a subquery does not stand in MATCH_RECOGNIZE".to_owned();
                return Err(refused(span, what, "join its rows before, in a view that this reads"));
            }
            _ => return Ok(()),
        };
        *expr = picked(at, span);
        Ok(())
    }

    /// The pick of an expression over one row.
    fn column(&mut self, arg: ast::Expr, place: Place, picks: &mut Picks) -> Result<usize> {
        let (variables, expr) = self.of_one_row(arg)?;
        let data_type = expr.get_type(self.schema)?;
        let column = self.place(expr);
        Ok(picks.add(Pick::Column { place: Place { variables, ..place }, column }, data_type))
    }

    /// The variables of that name, as bits: one, or those of a subset.
    fn named(&self, name: &str) -> Option<u64> {
        let one = self.variables.iter().position(|variable| variable == name).map(|at| 1 << at);
        one.or_else(|| self.subsets.iter().find(|(subset, _)| subset == name).map(|(_, of)| *of))
    }

    /// An expression over the columns of one row: the variables that it speaks of, and the planned expression.
    fn of_one_row(&mut self, mut arg: ast::Expr) -> Result<(Option<u64>, Expr)> {
        let span = arg.span();
        let mut of: Option<Option<u64>> = None;
        walk::expr(&mut arg, |part| {
            let Part::Expr(expr) = part else { return Flow::Continue(()) };
            let variable = match expr {
                ast::Expr::Identifier(_) => None,
                ast::Expr::CompoundIdentifier(names) => {
                    let variable = self.named(&names[0].value);
                    if variable.is_some() {
                        names.remove(0);
                        if let [only] = names.as_slice() {
                            *expr = ast::Expr::Identifier(only.clone());
                        }
                    }
                    variable
                }
                ast::Expr::Function(function) => {
                    let name = last_part(&function.name);
                    if !NAVIGATION.contains(&name.as_str()) && self.callable.aggregate(&name).is_none() {
                        return Flow::Continue(());
                    }
                    let message = format!("{} does not stand inside of another one", name.to_uppercase());
                    return Flow::Break(
                        Problem::at(expr.span(), message).hint("write one of them; PREV(LAST(A.price)) is understood"),
                    );
                }
                _ => return Flow::Continue(()),
            };
            match of.replace(variable) {
                Some(other) if other != variable => Flow::Break(
                    Problem::at(span, "this speaks of rows of different variables")
                        .hint("take a value of each and combine them: LAST(A.price) - LAST(B.price)"),
                ),
                _ => Flow::Continue(()),
            }
        })
        .map_err(placed)?;
        Ok((of.flatten(), self.context.sql_to_expr(arg, self.schema)?))
    }

    /// The argument of FIRST, LAST, PREV or NEXT, and the row that is meant.
    fn navigation(&mut self, function: &ast::Function) -> Result<(ast::Expr, Place)> {
        let name = last_part(&function.name);
        let mut args = arguments(function)?.into_iter();
        let form = || {
            refused(
                function.name.span(),
                format!("{} takes a value and a count", name.to_uppercase()),
                "write PREV(price, 2)",
            )
        };
        let (Some(arg), count, None) = (args.next(), args.next(), args.next()) else { return Err(form()) };
        let count = count.map(|count| literal_count(&count).ok_or_else(form)).transpose()?;
        let beside = |offset: i64, (arg, place): (ast::Expr, Place)| (arg, Place { offset, ..place });
        Ok(match name.as_str() {
            "first" | "last" => {
                let place = Place { first: name == "first", skip: count.unwrap_or(0) as usize, ..Place::default() };
                (arg, place)
            }
            _ => {
                let inner = match &arg {
                    ast::Expr::Function(inner) if ["first", "last"].contains(&last_part(&inner.name).as_str()) => {
                        self.navigation(inner)?
                    }
                    _ => (arg, Place::default()),
                };
                let offset = i64::from(count.unwrap_or(1));
                beside(if name == "prev" { -offset } else { offset }, inner)
            }
        })
    }

    fn aggregate(
        &mut self,
        found: Registered<dyn Aggregate>,
        function: &ast::Function,
        picks: &mut Picks,
    ) -> Result<usize> {
        let span = function.name.span();
        if found.ordered() {
            let what = format!("{} is not supported in MATCH_RECOGNIZE", found.name());
            return Err(refused(
                span,
                what,
                "write FIRST(A.x) or LAST(A.x); or ALL ROWS PER MATCH and aggregate those",
            ));
        }
        let FunctionArguments::List(list) = &function.args else {
            return Err(refused(span, "an aggregate takes values".to_owned(), "write SUM(A.price)"));
        };
        let clause =
            list.clauses.iter().any(|clause| !matches!(clause, FunctionArgumentClause::IgnoreOrRespectNulls(_)));
        if clause || function.filter.is_some() {
            return Err(refused(span, "this clause of an aggregate is not supported here".to_owned(), "leave it out"));
        }
        let (mut variables, mut args, mut literals) = (None, Vec::new(), Vec::new());
        for arg in &list.args {
            match arg {
                FunctionArg::Unnamed(FunctionArgExpr::Wildcard) => {}
                FunctionArg::Unnamed(FunctionArgExpr::QualifiedWildcard(of)) => {
                    let name = of.0.last().and_then(|part| part.as_ident()).cloned();
                    let name = name.unwrap_or_else(|| Ident::new(of.to_string()));
                    variables = match self.named(&name.value.to_lowercase()) {
                        None => Some(1 << super::pattern_shape::variable(self.variables, &name).map_err(placed)?),
                        found => found,
                    };
                }
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => {
                    let (of, planned) = self.of_one_row(expr.clone())?;
                    match planned {
                        Expr::Literal(value, _) if !args.is_empty() => literals.push(value),
                        planned => {
                            variables = variables.or(of);
                            args.push(planned);
                        }
                    }
                }
                other => {
                    return Err(refused(
                        other.span(),
                        format!("'{other}' is not an argument here"),
                        "write SUM(A.price)",
                    ));
                }
            }
        }
        let constant = |arg: &Expr| matches!(arg, Expr::Literal(value, _) if !value.is_null());
        if found.name() == "COUNT" && args.iter().all(constant) {
            args.clear();
        }
        let types = args.iter().map(|arg| arg.get_type(self.schema)).collect::<Result<Vec<_>>>()?;
        let bound =
            found.bind(&types, &literals).map_err(|error| refused(span, error.to_string(), "check its arguments"))?;
        let args = args.into_iter().zip(types).zip(&bound.args).map(|((arg, from), to)| match from == *to {
            true => arg,
            false => cast(arg, to.clone()),
        });
        let args = args.collect::<Vec<_>>().into_iter().map(|arg| self.place(arg)).collect();
        let distinct = list.duplicate_treatment == Some(DuplicateTreatment::Distinct);
        let output = bound.output.clone();
        let pick = PickAggregate { variables, function: found, args, literals, distinct, output };
        Ok(picks.add(Pick::Aggregate(pick), bound.output))
    }
}

/// The column of a pick.
fn picked(at: usize, span: Span) -> ast::Expr {
    ast::Expr::Identifier(Ident { value: pick_name(at), quote_style: None, span })
}

fn is_pick(name: &str) -> bool {
    name.starts_with("__pick")
}

fn refused(span: Span, message: String, hint: &str) -> DataFusionError {
    placed(Problem::at(span, message).hint(hint))
}

/// The arguments of a call, each a plain expression.
pub(crate) fn arguments(function: &ast::Function) -> Result<Vec<ast::Expr>> {
    let FunctionArguments::List(list) = &function.args else { return Ok(Vec::new()) };
    let plain = |arg: &FunctionArg| match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Ok(expr.clone()),
        other => Err(refused(other.span(), format!("'{other}' is not an argument here"), "write LAST(A.price)")),
    };
    list.args.iter().map(plain).collect()
}

/// A count of rows: they are looked at, so it is a small number.
fn literal_count(expr: &ast::Expr) -> Option<u32> {
    let ast::Expr::Value(value) = expr else { return None };
    let Value::Number(digits, _) = &value.value else { return None };
    digits.parse().ok().filter(|count| *count <= 1000)
}

/// Whether a value has the type of a condition.
pub(crate) fn is_condition(expr: &Expr, schema: &DFSchema) -> bool {
    expr.get_type(schema).is_ok_and(|t| t == DataType::Boolean)
}
