//! MATCH_RECOGNIZE in FROM, from the parser's tree to a [`PatternNode`] and the measures over it.

use std::collections::HashSet;
use std::sync::Arc;

use arrow_schema::DataType;
use datafusion_common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion_common::{Column, DFSchema, ExprSchema, Result};
use datafusion_expr::planner::{PlannedRelation, RelationPlanner, RelationPlannerContext, RelationPlanning};
use datafusion_expr::utils::{conjunction, split_conjunction_owned};
use datafusion_expr::{Expr, ExprSchemable, Extension, LogicalPlan, LogicalPlanBuilder};
use datafusion_sql::sqlparser::ast::{self, Ident, RowsPerMatch, Spanned, SymbolDefinition, TableFactor};
use datafusion_sql::sqlparser::tokenizer::Span;

use super::pattern_node::PatternNode;
use crate::logical::scalar::physical;
use crate::logical::typed::typed;
use crate::parse::column_type::{is_time, plain};
use crate::parse::error::Problem;
use crate::parse::error::placed;
use crate::parse::interval;
use crate::parse::token::last_part;
use crate::syntax::calls::Callable;
use crate::syntax::pattern_shape::{has_end, shape, skip, variable};
use crate::syntax::pattern_tokens::{SUBSET, WITHIN};
use crate::syntax::pattern_values::{Picks, Values, arguments, is_condition, pick_name};
use highwater_core::pattern::{MOST_STEPS, Program};
use highwater_core::plan::{Condition, Pattern, Pick, Place, Variable};

/// Plans MATCH_RECOGNIZE.
#[derive(Debug)]
pub(crate) struct PatternCalls(pub(crate) Arc<Callable>);

fn refuse<T>(span: Span, message: &str, hint: &str) -> Result<T> {
    Err(placed(Problem::at(span, message).hint(hint)))
}

impl RelationPlanner for PatternCalls {
    fn plan_relation(
        &self,
        relation: TableFactor,
        context: &mut dyn RelationPlannerContext,
    ) -> Result<RelationPlanning> {
        let TableFactor::MatchRecognize {
            table,
            partition_by,
            order_by,
            measures,
            rows_per_match,
            after_match_skip,
            pattern,
            symbols,
            alias,
        } = relation
        else {
            return Ok(RelationPlanning::Original(Box::new(relation)));
        };
        let all_rows = match rows_per_match {
            None | Some(RowsPerMatch::OneRow) => false,
            Some(RowsPerMatch::AllRows(None)) => true,
            Some(RowsPerMatch::AllRows(Some(mode))) => {
                return refuse(table.span(), &format!("{mode} is not supported"), "write ALL ROWS PER MATCH");
            }
        };
        let table_span = table.span();
        let input = context.plan(*table)?;
        let schema = Arc::clone(input.schema());
        let (time, place) = event_time(&order_by, table_span, &schema, context)?;
        let (names, shape) = shape(&pattern).map_err(placed)?;
        let (within_ms, definitions) = within(symbols)?;
        let (subsets, definitions) = subsets(definitions, &names)?;
        if has_end(&shape) && within_ms.is_none() {
            let hint = "bound it: PATTERN (A N* $) WITHIN INTERVAL '5' MINUTE";
            return refuse(place, "$ says that the time of a match has run out, and this match has none", hint);
        }
        let (exprs, time_column) = (Vec::new(), time.clone());
        let mut values = Values {
            context,
            callable: &self.0,
            schema: &schema,
            variables: &names,
            subsets,
            exprs,
            time: time_column,
        };
        let mut keys = Vec::new();
        for key in partition_by {
            let span = key.span();
            let planned = values.context.sql_to_expr(key, &schema)?;
            if !matches!(planned, Expr::Column(_)) {
                return refuse(span, "PARTITION BY takes columns", "compute it before, in a view that this reads");
            }
            keys.push(values.place(planned));
        }
        let time_place = values.place(time.clone());
        let shown: Option<Vec<usize>> =
            all_rows.then(|| schema.columns().into_iter().map(|column| values.place(Expr::Column(column))).collect());
        let variables = defined(&names, definitions, &mut values)?;

        let mut picks = Picks::default();
        let mut written = Vec::new();
        let mut taken: HashSet<String> = HashSet::new();
        for measure in measures {
            let (mut expr, span) = (measure.expr, measure.alias.span);
            if !taken.insert(measure.alias.value.clone()) {
                let what = format!("the measure '{}' is there twice", measure.alias.value);
                return refuse(span, &what, "name one of them: AS other_name");
            }
            values.rewrite(&mut expr, &mut picks)?;
            written.push((expr, measure.alias));
        }
        let head: Vec<usize> = shown.clone().unwrap_or_else(|| keys.clone());
        let time = match head.iter().position(|&column| column == time_place) {
            Some(at) => at,
            None => head.len() + values.match_time(&mut picks)?,
        };
        let exprs = std::mem::take(&mut values.exprs);
        let output = output(&head, &exprs, &picks, &schema, &taken, table_span)?;
        let pattern = Pattern {
            keys,
            time: time_place,
            sequence: None,
            variables,
            shape,
            within_ms,
            skip: skip(&after_match_skip, &names).map_err(placed)?,
            shown,
            picks: picks.picks,
            lateness_ms: None,
            owner: String::new(),
        };
        if Program::new(&pattern).is_none() {
            let what = format!("the pattern is longer than {MOST_STEPS} steps written out");
            return refuse(place, &what, "lower the counts of its quantifiers, like {3,50}");
        }
        let node = PatternNode { input, exprs, pattern, time, place, schema: Arc::clone(&output) };
        let plan = LogicalPlan::Extension(Extension { node: Arc::new(node) });
        let mut columns: Vec<Expr> = output.columns()[..head.len()].iter().cloned().map(Expr::Column).collect();
        for (expr, Ident { value, .. }) in written {
            columns.push(context.sql_to_expr(expr, &output)?.alias(value));
        }
        if columns.is_empty() {
            return refuse(place, "this match shows nothing", "write MEASURES: what is to be shown of a match");
        }
        let plan = LogicalPlanBuilder::from(plan).project(columns)?.build()?;
        Ok(RelationPlanning::Planned(Box::new(PlannedRelation::new(plan, alias))))
    }
}

/// The event-time column of ORDER BY, and its place.
fn event_time(
    order_by: &[ast::OrderByExpr],
    span: Span,
    schema: &DFSchema,
    context: &mut dyn RelationPlannerContext,
) -> Result<(Expr, Span)> {
    let [order] = order_by else {
        let hint = "write ORDER BY with the event-time column; rows of equal times follow in the order of their source";
        return refuse(
            order_by.get(1).map_or(span, Spanned::span),
            "MATCH_RECOGNIZE orders by the event time alone",
            hint,
        );
    };
    let place = order.expr.span();
    if order.options.asc == Some(false) {
        return refuse(place, "MATCH_RECOGNIZE orders by ascending event time", "leave DESC out");
    }
    let time = context.sql_to_expr(order.expr.clone(), schema)?;
    if !matches!(time, Expr::Column(_)) || !is_time(&time.get_type(schema)?) {
        return refuse(
            place,
            "MATCH_RECOGNIZE orders by the event-time column, and this is not it",
            "declare it in the source: WATERMARK FOR ts AS ts - INTERVAL '5' SECOND",
        );
    }
    Ok((time, place))
}

/// WITHIN, and the other definitions.
fn within(symbols: Vec<SymbolDefinition>) -> Result<(Option<i64>, Vec<SymbolDefinition>)> {
    let (within, others): (Vec<_>, Vec<_>) = symbols.into_iter().partition(|symbol| symbol.symbol.value == WITHIN);
    let Some(within) = within.into_iter().next() else { return Ok((None, others)) };
    let span = within.definition.span();
    let hint = "write WITHIN INTERVAL '5' MINUTE";
    match interval::milliseconds(&within.definition) {
        Ok(ms) if ms > 0 => Ok((Some(ms), others)),
        Ok(_) => refuse(span, "WITHIN takes an interval above zero", hint),
        Err(message) => refuse(span, &message, hint),
    }
}

/// The names that SUBSET gives to several variables, those as bits; and the other definitions.
#[expect(clippy::type_complexity)]
fn subsets(symbols: Vec<SymbolDefinition>, names: &[String]) -> Result<(Vec<(String, u64)>, Vec<SymbolDefinition>)> {
    let mut found: Vec<(String, u64)> = Vec::new();
    let mut others = Vec::new();
    for symbol in symbols {
        let members = match &symbol.definition {
            ast::Expr::Function(function) if last_part(&function.name) == SUBSET => arguments(function)?,
            _ => {
                others.push(symbol);
                continue;
            }
        };
        let name = symbol.symbol.value.to_lowercase();
        if names.contains(&name) || found.iter().any(|(other, _)| *other == name) {
            let what = format!("'{}' is a variable already", symbol.symbol.value);
            return refuse(symbol.symbol.span, &what, "give the subset a name of its own: SUBSET U = (A, B)");
        }
        let mut of = 0;
        for member in members {
            let ast::Expr::Identifier(member) = member else {
                return refuse(member.span(), "a subset is of variables", "write SUBSET U = (A, B)");
            };
            of |= 1 << variable(names, &member).map_err(placed)?;
        }
        found.push((name, of));
    }
    Ok((found, others))
}

/// The variables with their conditions.
fn defined(names: &[String], definitions: Vec<SymbolDefinition>, values: &mut Values<'_>) -> Result<Vec<Variable>> {
    let undefined = |name: &String| Variable { name: name.clone(), flag: None, condition: None };
    let mut variables: Vec<Variable> = names.iter().map(undefined).collect();
    let mut seen = vec![false; names.len()];
    for SymbolDefinition { symbol, mut definition } in definitions {
        let span = definition.span();
        let at = variable(names, &symbol).map_err(placed)?;
        if std::mem::replace(&mut seen[at], true) {
            let what = format!("'{}' is defined twice", symbol.value);
            return refuse(symbol.span, &what, "join both conditions by AND");
        }
        let mut picks = Picks { define: true, ..Picks::default() };
        values.rewrite(&mut definition, &mut picks)?;
        let schema = DFSchema::from_unqualified_fields(picks.fields().into(), Default::default())?;
        let condition = values.context.sql_to_expr(definition, &schema)?;
        if !is_condition(&condition, &schema) {
            let what = format!("'{}' is not defined by a condition", symbol.value);
            return refuse(span, &what, "write a comparison: A AS A.price > 10");
        }
        // What the row itself says is computed as a column, for all rows at once.
        let own = |name: &str| {
            let (pick, _) =
                picks.picks.iter().enumerate().find(|(at, _)| pick_name(*at) == name).map(|(a, p)| (p, a))?;
            match pick {
                Pick::Column { place: Place { variables, first: false, skip: 0, offset: 0 }, column }
                    if variables.is_none_or(|of| of >> at & 1 == 1) =>
                {
                    Some(values.exprs[*column].clone())
                }
                _ => None,
            }
        };
        let is_own = |expr: &Expr| expr.column_refs().iter().all(|column| own(&column.name).is_some());
        let (flags, others): (Vec<Expr>, Vec<Expr>) = split_conjunction_owned(condition).into_iter().partition(is_own);
        let flag = conjunction(flags).map(|flag| {
            flag.transform_up(|expr| {
                Ok(match &expr {
                    Expr::Column(Column { name, .. }) => match own(name) {
                        Some(expr) => Transformed::yes(expr),
                        None => Transformed::no(expr),
                    },
                    _ => Transformed::no(expr),
                })
            })
            .data()
        });
        let options = values.context.context_provider().options().clone();
        if let Some(flag) = flag.transpose()? {
            let flag = typed(flag, values.schema, &options)?;
            variables[at].flag = Some(values.place(flag));
        }
        if let Some(condition) = conjunction(others) {
            let holds = physical(&typed(condition, &schema, &options)?, &schema)?;
            variables[at].condition = Some(Condition { picks: picks.picks, holds });
        }
    }
    Ok(variables)
}

/// The columns of the node.
fn output(
    head: &[usize],
    exprs: &[Expr],
    picks: &Picks,
    schema: &DFSchema,
    measures: &HashSet<String>,
    span: Span,
) -> Result<Arc<DFSchema>> {
    let mut fields = Vec::new();
    for &at in head {
        let Expr::Column(column) = &exprs[at] else { continue };
        if measures.contains(&column.name) {
            let what = format!("the measure '{}' has the name of a column that is shown too", column.name);
            return refuse(span, &what, "name the measure otherwise; PARTITION BY columns are shown by themselves");
        }
        let field = schema.field_from_column(column)?;
        fields.push(Arc::new(arrow_schema::Field::new(&column.name, plain(field.data_type()), true)));
    }
    fields.extend(picks.fields());
    debug_assert!(fields.iter().all(|field| *field.data_type() != DataType::Null || field.name().starts_with("__")));
    Ok(Arc::new(DFSchema::from_unqualified_fields(fields.into(), Default::default())?))
}
