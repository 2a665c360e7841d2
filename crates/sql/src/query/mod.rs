//! A query from tokens to an optimised logical plan.
//!
//! Behind the planner columns get identities and subqueries become joins. The optimiser's rules are those that are safe on
//! streams and that lowering wants: types and constants, DISTINCT as a grouping, filters below what they do not depend on,
//! common expressions once. Rules that count rows, order them, or answer without reading are left out.

pub(crate) mod catalog;
pub(crate) mod context;
pub(crate) mod diagnose;
pub(crate) mod locate;
mod unfit;

use std::sync::Arc;

use datafusion_common::config::ConfigOptions;
use datafusion_common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion_common::{DFSchema, DataFusionError};
use datafusion_expr::expr_rewriter::NamePreserver;
use datafusion_expr::planner::ContextProvider;
use datafusion_expr::simplify::SimplifyContext;
use datafusion_expr::utils::merge_schema;
use datafusion_expr::{Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, cast};
use datafusion_optimizer::analyzer::Analyzer;
use datafusion_optimizer::common_subexpr_eliminate::CommonSubexprEliminate;
use datafusion_optimizer::eliminate_cross_join::EliminateCrossJoin;
use datafusion_optimizer::optimize_unions::OptimizeUnions;
use datafusion_optimizer::replace_distinct_aggregate::ReplaceDistinctWithAggregate;
use datafusion_optimizer::simplify_expressions::{ExprSimplifier, SimplifyExpressions};
use datafusion_optimizer::{Optimizer, OptimizerContext};
use datafusion_sql::planner::{NullOrdering, ParserOptions, SqlToRel};
use datafusion_sql::sqlparser::ast::{self, Query, Statement};
use datafusion_sql::sqlparser::parser::Parser;
use datafusion_sql::sqlparser::tokenizer::{Span, Token, TokenWithSpan};

use self::context::Context;
use self::diagnose::placed;
use super::functions;
use crate::logical::compared;
use crate::logical::down::Down;
use crate::logical::exact;
use crate::logical::filtered::Filtered;
use crate::logical::growth::Inner;
use crate::logical::identity::{Fresh, Identity};
use crate::logical::keys::{Keys, with_nulls};
use crate::logical::literals;
use crate::logical::literals::Literals;
use crate::logical::once::Once;
use crate::logical::scope::projected;
use crate::logical::select_list;
use crate::logical::select_list::Apart;
use crate::logical::unnest::unnest;
use crate::logical::unnest_node;
use crate::logical::veiled::{Hide, Show, hide, show};
use crate::logical::zoned;
use crate::parse::column_type::plain;
use crate::parse::error::Problem;
use crate::parse::statement::emits;
use crate::parse::token::is_word;
use crate::parse::walk;
use crate::syntax::arrival;
use crate::syntax::as_of;
use crate::syntax::asked;
use crate::syntax::cast_type;
use crate::syntax::depth;
use crate::syntax::distinct_from;
use crate::syntax::effort;
use crate::syntax::forms;
use crate::syntax::group_window;
use crate::syntax::json_clauses;
use crate::syntax::limited;
use crate::syntax::names;
use crate::syntax::pattern_tokens;
use crate::syntax::qualified;
use crate::syntax::refuse;
use crate::syntax::reserved;
use crate::syntax::row_compared;
use crate::syntax::row_in;
use crate::syntax::set_all;
use crate::syntax::shared;
use crate::syntax::table_function;
use crate::syntax::using;
use crate::syntax::with_names;
use highwater_core::time::Zone;

/// Parses a query and rewrites what the planner does not read; answers how many versions of tables it asks for too. `key`
/// answers the primary key of a table that it knows; `by_place` says that its columns are known by their places.
pub(crate) fn parse(
    tokens: &[TokenWithSpan],
    by_place: bool,
    key: &dyn Fn(&str) -> Option<Vec<String>>,
) -> Result<(Query, usize), Problem> {
    parsed(tokens, by_place, key).map_err(|problem| reserved::hinted(problem, tokens))
}

fn parsed(
    tokens: &[TokenWithSpan],
    by_place: bool,
    key: &dyn Fn(&str) -> Option<Vec<String>>,
) -> Result<(Query, usize), Problem> {
    let (prepared, aside) = pattern_tokens::prepare(as_of::prepare(prepared(tokens)?)?)?;
    let mut parser = depth::parser(prepared);
    let mut query = parser.parse_query().map_err(|error| depth::problem(&error, &parser, tokens))?;
    rest(&parser, tokens)?;
    depth::check(&mut query)?;
    pattern_tokens::put_back(&mut query, &aside)?;
    walk::query(&mut query, effort::step())?;
    walk::query(&mut query, distinct_from::step)?;
    walk::query(&mut query, json_clauses::step)?;
    let versions = as_of::rewrite(&mut query, key)?;
    arrival::rewrite(&mut query)?;
    walk::query(&mut query, asked::step)?;
    walk::query(&mut query, limited::step)?;
    refuse::check(&mut query)?;
    walk::query(&mut query, unnest_node::step)?;
    names::name_columns(&mut query, by_place)?;
    walk::query(&mut query, forms::step)?;
    walk::query(&mut query, row_in::step)?;
    walk::query(&mut query, row_compared::step)?;
    walk::query(&mut query, exact::step)?;
    group_window::rewrite(&mut query)?;
    Ok((*query, versions))
}

/// Parses an expression over a table's columns (a computed column).
pub(crate) fn parse_expr(tokens: &[TokenWithSpan]) -> Result<ast::Expr, Problem> {
    parsed_expr(tokens).map_err(|problem| reserved::hinted(problem, tokens))
}

fn parsed_expr(tokens: &[TokenWithSpan]) -> Result<ast::Expr, Problem> {
    let mut parser = depth::parser(prepared(tokens)?);
    let mut expr = parser.parse_expr().map_err(|error| depth::problem(&error, &parser, tokens))?;
    rest(&parser, tokens)?;
    depth::check_expr(&mut expr)?;
    walk::expr(&mut expr, effort::step())?;
    walk::expr(&mut expr, distinct_from::step)?;
    walk::expr(&mut expr, json_clauses::step)?;
    refuse::check_expr(&mut expr)?;
    walk::expr(&mut expr, forms::step)?;
    walk::expr(&mut expr, row_compared::step)?;
    walk::expr(&mut expr, exact::step)?;
    Ok(expr)
}

/// The tokens as the parser reads them.
fn prepared(tokens: &[TokenWithSpan]) -> Result<Vec<TokenWithSpan>, Problem> {
    depth::check_tokens(tokens)?;
    refuse::check_words(tokens)?;
    let tokens = cast_type::prepare(table_function::prepare(tokens), tokens)?;
    json_clauses::prepare(zoned::prepare(distinct_from::prepare(tokens))).map(reserved::free)
}

/// Nothing is left behind a query.
fn rest(parser: &Parser<'_>, tokens: &[TokenWithSpan]) -> Result<(), Problem> {
    let token = parser.peek_token();
    match token.token {
        Token::EOF => Ok(()),
        other => Err(depth::too_deep_among(tokens, depth::SUSPECT)
            .or_else(|| unended(tokens, token.span))
            .or_else(|| is_word(&other, "emit").then(|| emits(token.span)))
            .unwrap_or_else(|| Problem::at(token.span, format!("expected the end of the query, found '{other}'")))),
    }
}

/// A statement that begins where another one has not ended; its first word may have been taken for an alias.
fn unended(tokens: &[TokenWithSpan], span: Span) -> Option<Problem> {
    let at = tokens.iter().position(|token| token.span == span)?;
    let begins = |at: usize| ["create", "insert", "set", "execute"].iter().any(|word| is_word(&tokens[at].token, word));
    let first = [at, at.saturating_sub(1)].into_iter().find(|&at| begins(at))?;
    let word = tokens[first].token.to_string().to_uppercase();
    Some(
        Problem::at(tokens[first].span, format!("{word} begins a statement, and the one before it has not ended"))
            .hint("write ; between them"),
    )
}

/// Plans a query: checked, typed, optimised. Its columns have plain types.
pub(crate) fn plan(context: &Context, mut query: Query) -> Result<LogicalPlan, DataFusionError> {
    with_names::rewrite(&mut query).map_err(placed)?;
    let own = shared::apart(context, &mut query)?;
    alone(own.as_ref().unwrap_or(context), query)
}

/// The same of a query whose names are apart, and of which no relation is read several times.
pub(crate) fn alone(context: &Context, mut query: Query) -> Result<LogicalPlan, DataFusionError> {
    using::rewrite(context, &mut query)?;
    qualified::rewrite(context, &mut query)?;
    walk::query(&mut query, effort::step()).map_err(placed)?;
    let plan = match identified(context, query)? {
        (plan, Some(apart)) => apart.back(analyze(plan, context.options())?)?,
        (plan, None) => analyze(plan, context.options())?,
    };
    optimized(context, plan)
}

/// A plan whose types are settled, optimised.
fn optimized(context: &Context, plan: LogicalPlan) -> Result<LogicalPlan, DataFusionError> {
    let optimizer = Optimizer::with_rules(vec![
        Arc::new(OptimizeUnions::new()),
        Arc::new(Literals),
        Arc::new(Hide),
        Arc::new(SimplifyExpressions::new()),
        Arc::new(Show),
        Arc::new(Literals),
        Arc::new(ReplaceDistinctWithAggregate::new()),
        Arc::new(Keys),
        Arc::new(EliminateCrossJoin::new()),
        Arc::new(Inner::default()),
        Arc::new(Down::default()),
        Arc::new(Hide),
        Arc::new(SimplifyExpressions::new()),
        Arc::new(Show),
        Arc::new(Filtered),
        Arc::new(Once),
        Arc::new(CommonSubexprEliminate::new()),
    ]);
    // Without a start time nothing that reads a clock folds to a constant.
    let config = OptimizerContext::new_with_config_options(Arc::new(context.options().clone()))
        .without_query_execution_start_time()
        .with_skip_failing_rules(false);
    with_nulls(optimizer.optimize(spelled(with_plain_types(plan)?, context.zone())?, &config, |_, _| {})?)
}

/// A query planned, its columns under their identities and its subqueries joins; and the columns that were set aside.
fn identified(context: &Context, query: Query) -> Result<(LogicalPlan, Option<Apart>), DataFusionError> {
    let planned = |mut query: Query| {
        walk::query(&mut query, select_list::step).map_err(placed)?;
        walk::query(&mut query, |part| own_name(context, part)).map_err(placed)?;
        let planner = SqlToRel::new_with_options(context, parser_options());
        let plan = planner.sql_statement_to_plan(Statement::Query(Box::new(query)))?;
        match context.get_aggregate_meta("count") {
            Some(count) => set_all::rewrite(plan, &count),
            None => Ok(plan),
        }
    };
    let mut fresh = Fresh::default();
    let finished = |plan| optimized(context, analyze(plan, context.options())?);
    let mut short = query.clone();
    if let Some(aside) = select_list::set_aside(&mut short)
        && let Ok(plan) = planned(short)
        && let Some((plan, apart)) = Identity::new(&mut fresh).short(&plan, &aside)?
    {
        return Ok((unnest(plan, &mut fresh, &finished)?, Some(apart)));
    }
    let plan = Identity::new(&mut fresh).plan(&planned(query)?)?;
    Ok((unnest(plan, &mut fresh, &finished)?, None))
}

/// Calls a function by its own name: around one that is called by another the planner puts an alias, of which the library works
/// out the type twice.
fn own_name(context: &Context, part: walk::Part<'_>) -> walk::Flow {
    if let walk::Part::Done(ast::Expr::Function(function)) = part
        && let [ast::ObjectNamePart::Identifier(name)] = function.name.0.as_mut_slice()
        && let Some(called) = context.get_function_meta(&name.value.to_lowercase())
        && context.get_function_meta(called.name()).as_ref() == Some(&called)
    {
        name.value = called.name().to_owned();
    }
    walk::Flow::Continue(())
}

/// Rewrites the expressions of a node of a plan, whose columns keep their names.
pub(crate) fn rewritten(
    plan: LogicalPlan,
    rewrite: impl Fn(Expr) -> Result<Transformed<Expr>, DataFusionError>,
) -> Result<Transformed<LogicalPlan>, DataFusionError> {
    let names = NamePreserver::new(&plan);
    plan.map_expressions(|expr| {
        let name = names.save(&expr);
        Ok(rewrite(expr)?.update_data(|expr| name.restore(expr)))
    })
}

/// Plans an expression over a table's columns.
pub(crate) fn plan_expr(context: &Context, expr: ast::Expr, schema: &DFSchema) -> Result<Expr, DataFusionError> {
    let planner = SqlToRel::new_with_options(context, parser_options());
    let expr = planner.sql_to_expr(expr, schema, &mut Default::default())?;
    typed(expr, schema, context.options())
}

/// An expression over a table's columns with its types settled, as in a query over the table, and simplified.
pub(crate) fn typed(expr: Expr, schema: &DFSchema, options: &ConfigOptions) -> Result<Expr, DataFusionError> {
    let expr = coerced(expr, schema, options)?;
    let simplifying = SimplifyContext::builder().with_schema(Arc::new(schema.clone())).build();
    let hidden = hide(literals::settle(expr)?.data, schema)?.data;
    Ok(show(ExprSimplifier::new(simplifying).simplify(hidden)?, schema)?.data)
}

/// The same, not simplified.
pub(crate) fn coerced(expr: Expr, schema: &DFSchema, options: &ConfigOptions) -> Result<Expr, DataFusionError> {
    let input = LogicalPlanBuilder::empty(false).build()?;
    let LogicalPlan::EmptyRelation(mut empty) = input else {
        return Err(DataFusionError::Internal("an empty relation".to_owned()));
    };
    empty.schema = Arc::new(schema.clone());
    let plan =
        LogicalPlanBuilder::from(LogicalPlan::EmptyRelation(empty)).project([expr.alias("computed")])?.build()?;
    let plan = analyze(plan, options)?;
    let typed = spelled(with_plain_types(plan)?, zoned::of(options))?;
    let mut exprs = typed.expressions();
    if let LogicalPlan::Projection(outer) = &typed
        && let LogicalPlan::Projection(inner) = outer.input.as_ref()
    {
        // A cast was put on top: over the expression itself.
        exprs = vec![cast(inner.expr[0].clone().unalias(), outer.schema.field(0).data_type().clone())];
    }
    exprs.pop().map(Expr::unalias).ok_or_else(|| DataFusionError::Internal("one expression".to_owned()))
}

/// How the planner reads.
pub(crate) fn parser_options() -> ParserOptions {
    ParserOptions::new()
        .with_enable_ident_normalization(false)
        .with_map_string_types_to_utf8view(false)
        .with_collect_spans(true)
        .with_default_null_ordering(NullOrdering::NullsMin)
}

fn analyze(plan: LogicalPlan, options: &ConfigOptions) -> Result<LogicalPlan, DataFusionError> {
    Analyzer::new().execute_and_check(compared::settle(plan)?, options, |_, _| {})
}

/// A plan whose types are settled, with its casts by the session's zone, and those to text as calls that write it.
fn spelled(plan: LogicalPlan, zone: Zone) -> Result<LogicalPlan, DataFusionError> {
    let plan = zoned::rewrite(plan, zone)?;
    let written = plan.transform_up_with_subqueries(|plan| {
        let schema = merge_schema(&plan.inputs());
        rewritten(plan, |expr| {
            let step =
                |expr| functions::settled(expr, &schema)?.transform_data(|expr| functions::written(expr, &schema));
            expr.transform_up(step)
        })
    });
    written.data()
}

/// Casts the columns of a result to the types that readers know.
fn with_plain_types(plan: LogicalPlan) -> Result<LogicalPlan, DataFusionError> {
    let schema = Arc::clone(plan.schema());
    if schema.fields().iter().all(|field| plain(field.data_type()) == *field.data_type()) {
        return Ok(plan);
    }
    let exprs = schema.iter().map(|(qualifier, field)| {
        let column = Expr::Column(datafusion_common::Column::from((qualifier, field)));
        let wanted = plain(field.data_type());
        match wanted == *field.data_type() {
            true => Ok(column),
            false => Ok(column.cast_to(&wanted, &schema)?.alias_qualified(qualifier.cloned(), field.name())),
        }
    });
    let exprs = exprs.collect::<Result<Vec<_>, DataFusionError>>()?;
    projected(plan, exprs)
}
