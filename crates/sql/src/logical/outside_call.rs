//! Aggregates of a query in the WHERE of a subquery of it: `HAVING EXISTS (SELECT 1 FROM u WHERE u.x = SUM(t.y))` asks for the sum of the
//! group outside.
//!
//! WHERE itself has no aggregates, so that in that of a subquery they can be those of the query around it alone. The planner refuses
//! them there; so each is a call of a function of its type while it is planned, `__outside__sum(t.y)` ([`step`]), and then a column of the
//! grouping outside (`around.rs`).

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow_schema::DataType;
use datafusion_common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion_common::{Result, internal_err};
use datafusion_expr::expr::{AggregateFunction, ScalarFunction};
use datafusion_expr::{
    AggregateUDF, ColumnarValue, Expr, LogicalPlan, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion_sql::sqlparser::ast::{self, FunctionArg, FunctionArgExpr, FunctionArguments, Query, SetExpr};
use datafusion_sql::sqlparser::tokenizer::Span;

use super::unnest::subquery;
use crate::parse::error::{Problem, from_planner};
use crate::parse::made::call;
use crate::parse::token::last_part;
use crate::parse::walk::{self, Flow, Part};
use crate::syntax::calls::Callable;

/// What the call's name begins with, before that of the aggregate.
pub(crate) const PREFIX: &str = "__outside__";

/// Puts such calls into the WHERE of subqueries that stand in an expression.
pub(crate) fn step(part: Part<'_>, callable: &Callable) -> Flow {
    let Part::Done(expr) = part else { return Flow::Continue(()) };
    let query: &mut Query = match expr {
        ast::Expr::Subquery(query) => query,
        ast::Expr::Exists { subquery, .. } | ast::Expr::InSubquery { subquery, .. } => subquery,
        _ => return Flow::Continue(()),
    };
    let SetExpr::Select(select) = query.body.as_mut() else { return Flow::Continue(()) };
    let Some(condition) = &mut select.selection else { return Flow::Continue(()) };
    let mut depth = 0_usize;
    walk::flow(walk::expr(condition, |part| {
        match part {
            Part::Query(_) => depth += 1,
            Part::Left(_) => depth -= 1,
            Part::Done(expr) if depth == 0 => {
                if let Some(outside) = of_outside(expr, callable) {
                    *expr = outside;
                }
            }
            _ => {}
        }
        Flow::Continue(())
    }))
}

fn of_outside(expr: &ast::Expr, callable: &Callable) -> Option<ast::Expr> {
    let ast::Expr::Function(function) = expr else { return None };
    let name = last_part(&function.name);
    // What takes literals beside its argument, or fails on a group, is computed below the subquery's query.
    if callable.aggregate(&name)?.may_fail() {
        return None;
    }
    let FunctionArguments::List(list) = &function.args else { return None };
    if function.over.is_some()
        || function.filter.is_some()
        || !list.clauses.is_empty()
        || list.duplicate_treatment.is_some()
    {
        return None;
    }
    let args = list.args.iter().map(|arg| match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(arg)) => Some(arg.clone()),
        _ => None,
    });
    let args: Vec<ast::Expr> = args.collect::<Option<_>>()?;
    (args.len() == 1).then(|| call(format!("{PREFIX}{name}").as_str(), args))
}

/// The call as the planner knows it.
pub(crate) fn udf(aggregate: Arc<AggregateUDF>) -> ScalarUDF {
    let name = format!("{PREFIX}{}", aggregate.name());
    ScalarUDF::new_from_impl(Outside { name, aggregate, signature: Signature::user_defined(Volatility::Immutable) })
}

/// The aggregate that such a call is, over the same arguments.
pub(crate) fn aggregate(expr: &Expr) -> Option<Expr> {
    let Expr::ScalarFunction(ScalarFunction { func, args }) = expr else { return None };
    let outside = func.inner().downcast_ref::<Outside>()?;
    let call = AggregateFunction::new_udf(Arc::clone(&outside.aggregate), args.clone(), false, None, Vec::new(), None);
    Some(Expr::AggregateFunction(call))
}

/// Such calls in the subqueries of an expression, over columns outside of them alone.
pub(crate) fn within(expr: &Expr) -> Result<Vec<Expr>> {
    let mut found = Vec::new();
    expr.apply(|part| {
        if let Some(asked) = subquery(part) {
            asked.subquery.apply_with_subqueries(|plan| {
                plan.apply_expressions(|expr| {
                    expr.apply(|part| {
                        if aggregate(part).is_some() && part.column_refs().is_empty() && part.contains_outer() {
                            found.push(part.clone());
                        }
                        Ok(TreeNodeRecursion::Continue)
                    })
                })
            })?;
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(found)
}

/// What is wrong if such a call is left in a plan: it is of no group outside.
pub(crate) fn left(plan: &LogicalPlan) -> Result<Option<Problem>> {
    let mut found = None;
    plan.apply_with_subqueries(|plan| {
        plan.apply_expressions(|expr| {
            expr.apply(|part| {
                if aggregate(part).is_some() && found.is_none() {
                    found = Some(place(part)?);
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(found.map(|place| {
        Problem::at(place, "WHERE stands before the grouping and has no aggregates").hint(
            "write the condition in HAVING, behind GROUP BY; an aggregate of the query around a subquery names the relation, SUM(t.x), and that query groups",
        )
    }))
}

fn place(call: &Expr) -> Result<Span> {
    let mut place = None;
    call.apply(|part| {
        if let Expr::Column(column) | Expr::OuterReferenceColumn(_, column) = part {
            place = place.or_else(|| column.spans.first().map(from_planner));
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(place.unwrap_or_else(Span::empty))
}

#[derive(Debug)]
struct Outside {
    name: String,
    aggregate: Arc<AggregateUDF>,
    signature: Signature,
}

impl PartialEq for Outside {
    fn eq(&self, other: &Outside) -> bool {
        self.aggregate == other.aggregate
    }
}

impl Eq for Outside {}

impl Hash for Outside {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.aggregate.hash(state);
    }
}

impl ScalarUDFImpl for Outside {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        self.aggregate.coerce_types(given)
    }

    fn return_type(&self, given: &[DataType]) -> Result<DataType> {
        self.aggregate.return_type(given)
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        internal_err!("an aggregate is one of a group")
    }
}
