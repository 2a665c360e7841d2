//! `INTERSECT ALL` and `EXCEPT ALL`: a row that is `m` times on the left and `n` times on the right is there `min(m, n)`,
//! or `max(m - n, 0)` times.
//!
//! The planner makes of them what it makes of `INTERSECT` and `EXCEPT`, but for the DISTINCT, which is not what they mean.
//! Here they become a count of both sides' rows by all columns, and a [`RepeatNode`] over it.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion_common::tree_node::{Transformed, TransformedResult};
use datafusion_common::{
    DFSchema, DFSchemaRef, JoinType, NullEquality, Result, ScalarValue, TableReference, internal_err,
};
use datafusion_expr::{
    AggregateUDF, Distinct, Expr, Extension, Join, LogicalPlan, LogicalPlanBuilder, UserDefinedLogicalNodeCore, lit,
    when,
};

/// The rewrite, before anything else is done to a plan: until then only set operations join with NULLs equal.
pub(crate) fn rewrite(plan: LogicalPlan, count: &Arc<AggregateUDF>) -> Result<LogicalPlan> {
    let step = |plan: LogicalPlan| match &plan {
        LogicalPlan::Join(join) if keeps_all(join) => Ok(Transformed::yes(counted(join, count)?)),
        _ => Ok(Transformed::no(plan)),
    };
    plan.transform_up_with_subqueries(step).data()
}

/// Whether it is one of these: without ALL the left is made distinct. DISTINCT ON keeps equal rows, and so does a list that is planned as one.
fn keeps_all(join: &Join) -> bool {
    join.null_equality == NullEquality::NullEqualsNull
        && matches!(join.join_type, JoinType::LeftSemi | JoinType::LeftAnti)
        && !matches!(join.left.as_ref(), LogicalPlan::Distinct(Distinct::All(_)))
}

fn counted(join: &Join, count: &Arc<AggregateUDF>) -> Result<LogicalPlan> {
    let sided = |plan: &Arc<LogicalPlan>, left: bool| {
        let mark = |own: bool| lit(ScalarValue::Int64(own.then_some(1)));
        let columns = plan.schema().columns().into_iter().map(Expr::Column);
        let marks = [mark(left).alias("__left"), mark(!left).alias("__right")];
        LogicalPlanBuilder::from(Arc::clone(plan)).project(columns.chain(marks))
    };
    let both = sided(&join.left, true)?.union(sided(&join.right, false)?.build()?)?;
    let width = join.left.schema().fields().len();
    let columns = |plan: &LogicalPlanBuilder| plan.schema().columns().into_iter().map(Expr::Column).collect::<Vec<_>>();
    let mut keys = columns(&both);
    let marks = keys.split_off(width);
    let counts = both.aggregate(keys, marks.into_iter().map(|mark| count.call(vec![mark])))?;
    let mut shown = columns(&counts);
    let (right, left) = match (shown.pop(), shown.pop()) {
        (Some(right), Some(left)) => (right, left),
        _ => return internal_err!("both sides are counted"),
    };
    let times = match join.join_type {
        JoinType::LeftAnti => left - right,
        _ => when(left.clone().lt(right.clone()), left).otherwise(right)?,
    };
    shown.push(times.alias("__times"));
    let counted = counts.project(shown)?;
    let Some(times) = columns(&counted).pop() else { return internal_err!("the times were just added") };
    let input = counted.filter(times.gt(lit(0i64)))?.build()?;
    let names = join.left.schema().iter().map(|(table, field)| (table.cloned(), field.name().clone())).collect();
    let node = RepeatNode::new(input, names)?;
    // A subquery is asked for its columns, which only a projection tells.
    let columns = node.schema.columns().into_iter().map(Expr::Column).collect::<Vec<_>>();
    LogicalPlanBuilder::from(LogicalPlan::Extension(Extension { node: Arc::new(node) })).project(columns)?.build()
}

/// Every row as often as its last column says, without that column.
#[derive(Clone, Debug)]
pub(crate) struct RepeatNode {
    pub(crate) input: LogicalPlan,
    /// What the columns are called.
    names: Vec<(Option<TableReference>, String)>,
    schema: DFSchemaRef,
}

impl RepeatNode {
    pub(crate) fn new(input: LogicalPlan, names: Vec<(Option<TableReference>, String)>) -> Result<RepeatNode> {
        let fields = names.iter().zip(input.schema().fields()).map(|((table, name), field)| {
            (table.clone(), Arc::new(field.as_ref().clone().with_name(name.clone()).with_nullable(true)))
        });
        let schema = Arc::new(DFSchema::new_with_metadata(fields.collect(), Default::default())?);
        Ok(RepeatNode { input, names, schema })
    }
}

impl PartialEq for RepeatNode {
    fn eq(&self, other: &Self) -> bool {
        (&self.input, &self.names) == (&other.input, &other.names)
    }
}

impl Eq for RepeatNode {}

impl Hash for RepeatNode {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.input, &self.names).hash(state);
    }
}

impl PartialOrd for RepeatNode {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        (self == other).then_some(Ordering::Equal)
    }
}

impl UserDefinedLogicalNodeCore for RepeatNode {
    fn name(&self) -> &str {
        "Repeat"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        Vec::new()
    }

    fn prevent_predicate_push_down_columns(&self) -> HashSet<String> {
        self.schema.fields().iter().map(|field| field.name().clone()).collect()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Repeat")
    }

    fn with_exprs_and_inputs(&self, _: Vec<Expr>, mut inputs: Vec<LogicalPlan>) -> Result<Self> {
        match inputs.pop() {
            Some(input) => RepeatNode::new(input, self.names.clone()),
            None => internal_err!("what is repeated has an input"),
        }
    }
}
