//! A query from tokens to an optimised logical plan.
//!
//! Behind the planner columns get identities and subqueries become joins. The optimiser's rules are those that are safe on
//! streams and that lowering wants: types and constants, DISTINCT as a grouping, filters below what they do not depend on,
//! common expressions once. Rules that count rows, order them, or answer without reading are left out.

mod apart;
pub(crate) mod catalog;
pub(crate) mod context;
pub(crate) mod diagnose;
pub(crate) mod locate;
pub(crate) mod qualified;
mod relations;
mod unfit;
mod using;

use std::sync::Arc;

use datafusion_common::{DFSchema, DataFusionError};
use datafusion_expr::planner::ContextProvider;
use datafusion_expr::{Expr, LogicalPlan};
use datafusion_optimizer::common_subexpr_eliminate::CommonSubexprEliminate;
use datafusion_optimizer::eliminate_cross_join::EliminateCrossJoin;
use datafusion_optimizer::optimize_unions::OptimizeUnions;
use datafusion_optimizer::replace_distinct_aggregate::ReplaceDistinctWithAggregate;
use datafusion_optimizer::simplify_expressions::SimplifyExpressions;
use datafusion_optimizer::{Optimizer, OptimizerContext};
use datafusion_sql::planner::{NullOrdering, ParserOptions, SqlToRel};
use datafusion_sql::sqlparser::ast::{self, Query, Statement};
use datafusion_sql::sqlparser::parser::Parser;
use datafusion_sql::sqlparser::tokenizer::{Span, Token, TokenWithSpan};

use self::context::Context;
use crate::functions::exact;
use crate::logical::around;
use crate::logical::down::Down;
use crate::logical::filtered::Filtered;
use crate::logical::growth::Inner;
use crate::logical::identity::{Fresh, Identity};
use crate::logical::keys::{Keys, with_nulls};
use crate::logical::literals::Literals;
use crate::logical::numbered::Numbers;
use crate::logical::once::Once;
use crate::logical::outside_call;
use crate::logical::select_list;
use crate::logical::select_list::Apart;
use crate::logical::typed::{analyze, spelled, typed, with_plain_types};
use crate::logical::unnest::unnest;
use crate::logical::unnest_node;
use crate::logical::veiled::{Hide, Show};
use crate::logical::zoned;
use crate::parse::error::{Problem, placed};
use crate::parse::statement::emits;
use crate::parse::token::is_word;
use crate::parse::walk;
use crate::syntax::arrival;
use crate::syntax::as_of;
use crate::syntax::asked;
use crate::syntax::calls::Callable;
use crate::syntax::cast_type;
use crate::syntax::depth;
use crate::syntax::distinct_from;
use crate::syntax::effort;
use crate::syntax::forms;
use crate::syntax::group_window;
use crate::syntax::grouping_keys;
use crate::syntax::json_clauses;
use crate::syntax::limited;
use crate::syntax::named_windows;
use crate::syntax::names;
use crate::syntax::pattern_tokens;
use crate::syntax::refuse;
use crate::syntax::reserved;
use crate::syntax::row_compared;
use crate::syntax::row_in;
use crate::syntax::set_all;
use crate::syntax::table_function;
use crate::syntax::trimmed;
use crate::syntax::values_asked;
use crate::syntax::with_names;

/// Parses a query and rewrites what the planner does not read; answers how many versions of tables it asks for too. `key`
/// answers the primary key of a table that it knows; `by_place` says that its columns are known by their places.
pub(crate) fn parse(
    tokens: &[TokenWithSpan],
    by_place: bool,
    key: &dyn Fn(&str) -> Option<Vec<String>>,
    callable: &Callable,
) -> Result<(Query, usize), Problem> {
    parsed(tokens, by_place, key, callable).map_err(|problem| reserved::hinted(problem, tokens))
}

fn parsed(
    tokens: &[TokenWithSpan],
    by_place: bool,
    key: &dyn Fn(&str) -> Option<Vec<String>>,
    callable: &Callable,
) -> Result<(Query, usize), Problem> {
    let (prepared, aside) = pattern_tokens::prepare(as_of::prepare(prepared(tokens, callable)?)?, callable)?;
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
    walk::query(&mut query, named_windows::step)?;
    walk::query(&mut query, grouping_keys::step)?;
    refuse::check(&mut query, callable)?;
    walk::query(&mut query, unnest_node::step)?;
    names::name_columns(&mut query, by_place)?;
    walk::query(&mut query, |part| forms::step(part, callable))?;
    walk::query(&mut query, |part| outside_call::step(part, callable))?;
    walk::query(&mut query, row_in::step)?;
    walk::query(&mut query, row_compared::step)?;
    walk::query(&mut query, exact::step)?;
    group_window::rewrite(&mut query)?;
    Ok((*query, versions))
}

/// Parses an expression over a table's columns (a computed column).
pub(crate) fn parse_expr(tokens: &[TokenWithSpan], callable: &Callable) -> Result<ast::Expr, Problem> {
    parsed_expr(tokens, callable).map_err(|problem| reserved::hinted(problem, tokens))
}

fn parsed_expr(tokens: &[TokenWithSpan], callable: &Callable) -> Result<ast::Expr, Problem> {
    let mut parser = depth::parser(prepared(tokens, callable)?);
    let mut expr = parser.parse_expr().map_err(|error| depth::problem(&error, &parser, tokens))?;
    rest(&parser, tokens)?;
    depth::check_expr(&mut expr)?;
    walk::expr(&mut expr, effort::step())?;
    walk::expr(&mut expr, distinct_from::step)?;
    walk::expr(&mut expr, json_clauses::step)?;
    refuse::check_expr(&mut expr, callable)?;
    walk::expr(&mut expr, |part| forms::step(part, callable))?;
    walk::expr(&mut expr, row_compared::step)?;
    walk::expr(&mut expr, exact::step)?;
    Ok(expr)
}

/// The tokens as the parser reads them.
fn prepared(tokens: &[TokenWithSpan], callable: &Callable) -> Result<Vec<TokenWithSpan>, Problem> {
    depth::check_tokens(tokens)?;
    refuse::check_words(tokens)?;
    let tokens = cast_type::prepare(table_function::prepare(tokens, callable), tokens)?;
    let tokens = values_asked::prepare(trimmed::prepare(zoned::prepare(distinct_from::prepare(tokens))));
    json_clauses::prepare(grouping_keys::prepare(tokens)).map(reserved::free)
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
    let own = apart::apart(context, &mut query)?;
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
        let mut numbers = Numbers::default();
        walk::query(&mut query, |part| numbers.step(part)).map_err(placed)?;
        let planner = SqlToRel::new_with_options(context, parser_options());
        let plan = around::rewrite(planner.sql_statement_to_plan(Statement::Query(Box::new(query)))?)?;
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

/// Plans an expression over a table's columns.
pub(crate) fn plan_expr(context: &Context, expr: ast::Expr, schema: &DFSchema) -> Result<Expr, DataFusionError> {
    let planner = SqlToRel::new_with_options(context, parser_options());
    let expr = planner.sql_to_expr(expr, schema, &mut Default::default())?;
    typed(expr, schema, context.options())
}

/// How the planner reads.
pub(crate) fn parser_options() -> ParserOptions {
    ParserOptions::new()
        .with_enable_ident_normalization(false)
        .with_map_string_types_to_utf8view(false)
        .with_collect_spans(true)
        .with_default_null_ordering(NullOrdering::NullsMin)
}
