//! Conditions that would become long on their way down: over `x + x` over `x + x` a condition on `x` doubles by the level where the
//! column stands for what computes it. Such a condition stays above what it reads ([`super::down`]), and an outer join below it is
//! not looked for ([`Inner`], the library's rule that makes an outer join an inner one where a condition above refuses NULLs).

use datafusion_common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion_common::{DFSchema, Result};
use datafusion_expr::{Expr, Filter, LogicalPlan};
use datafusion_optimizer::eliminate_outer_join::EliminateOuterJoin;
use datafusion_optimizer::optimizer::ApplyOrder;
use datafusion_optimizer::{OptimizerConfig, OptimizerRule};

/// By how many parts a condition may grow where the columns that it reads stand for what computes them.
const MAX_GROWTH: usize = 500;

/// Whether a condition over columns of `schema` grows by more than that over `computed`, which are the first of them.
pub(crate) fn grows(condition: &Expr, computed: &[Expr], schema: &DFSchema) -> bool {
    let mut more = 0;
    each(condition, |expr| {
        if let Expr::Column(column) = expr
            && let Some(of) = schema.maybe_index_of_column(column).and_then(|at| computed.get(at))
        {
            each(of, |_| more += 1);
        }
    });
    more > MAX_GROWTH + each(condition, |_| {})
}

/// Does something with each part of an expression; how many there are.
fn each(expr: &Expr, mut done: impl FnMut(&Expr)) -> usize {
    let mut parts = 0;
    let walked = expr.apply(|expr| {
        parts += 1;
        done(expr);
        Ok(TreeNodeRecursion::Continue)
    });
    if walked.is_err() { usize::MAX } else { parts }
}

/// The rule.
#[derive(Debug, Default)]
pub(crate) struct Inner(EliminateOuterJoin);

impl OptimizerRule for Inner {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        self.0.apply_order()
    }

    fn rewrite(&self, plan: LogicalPlan, config: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        match &plan {
            LogicalPlan::Filter(filter) if looks_far(filter)? => Ok(Transformed::no(plan)),
            _ => self.0.rewrite(plan, config),
        }
    }
}

/// Whether a condition would become long on its way through the projections below it.
fn looks_far(filter: &Filter) -> Result<bool> {
    let (mut condition, mut input) = (filter.predicate.clone(), filter.input.as_ref());
    while let LogicalPlan::Projection(projection) = input {
        if grows(&condition, &projection.expr, &projection.schema) {
            return Ok(true);
        }
        let put = |expr| {
            let of = match &expr {
                Expr::Column(column) => {
                    projection.schema.maybe_index_of_column(column).map(|at| projection.expr[at].clone())
                }
                _ => None,
            };
            Ok(match of {
                Some(of) => Transformed::new(of.unalias(), true, TreeNodeRecursion::Jump),
                None => Transformed::no(expr),
            })
        };
        condition = condition.transform_down(put)?.data;
        input = projection.input.as_ref();
    }
    Ok(false)
}
