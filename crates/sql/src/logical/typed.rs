//! Types settled: of plans, and of expressions by themselves.

use std::sync::Arc;

use datafusion_common::config::ConfigOptions;
use datafusion_common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion_common::{DFSchema, DataFusionError};
use datafusion_expr::expr_rewriter::NamePreserver;
use datafusion_expr::simplify::SimplifyContext;
use datafusion_expr::utils::merge_schema;
use datafusion_expr::{Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, cast};
use datafusion_optimizer::analyzer::Analyzer;
use datafusion_optimizer::simplify_expressions::ExprSimplifier;

use super::scope::projected;
use super::veiled::{hide, show};
use super::{compared, literals, zoned};
use crate::functions;
use crate::parse::column_type::plain;
use highwater_core::time::Zone;

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

/// A plan whose comparisons and types are settled.
pub(crate) fn analyze(plan: LogicalPlan, options: &ConfigOptions) -> Result<LogicalPlan, DataFusionError> {
    Analyzer::new().execute_and_check(compared::settle(plan)?, options, |_, _| {})
}

/// A plan whose types are settled, with its casts by the session's zone, and those to text as calls that write it.
pub(crate) fn spelled(plan: LogicalPlan, zone: Zone) -> Result<LogicalPlan, DataFusionError> {
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
pub(crate) fn with_plain_types(plan: LogicalPlan) -> Result<LogicalPlan, DataFusionError> {
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
