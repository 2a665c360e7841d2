//! Plans that are read as tables: of what a query reads several times, and of rows outside of a subquery that has to know them too
//! ([`rows`]).
//!
//! A row that fails would fail in each copy of its plan.

use std::sync::Arc;

use arrow_schema::{Field, Schema, SchemaRef};
use datafusion_common::Result;
use datafusion_common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion_expr::expr::{AggregateFunction, WindowFunction};
use datafusion_expr::utils::merge_schema;
use datafusion_expr::{Expr, LogicalPlan, LogicalPlanBuilder, TableSource};

use super::filtered::may_fail;
use super::identity::Fresh;
use super::scope::projected;
use super::unnest::outside;

/// A plan that is read as a table.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) plan: LogicalPlan,
    schema: SchemaRef,
}

impl TableSource for Shared {
    fn schema(&self) -> SchemaRef {
        SchemaRef::clone(&self.schema)
    }
}

impl Shared {
    /// The plan under these names of its columns, which are apart.
    pub(crate) fn new(plan: LogicalPlan, names: Vec<String>) -> Shared {
        let fields = plan.schema().fields().iter().zip(names);
        let fields = fields.map(|(field, name)| field.as_ref().clone().with_name(name)).collect::<Vec<Field>>();
        Shared { plan, schema: Arc::new(Schema::new(fields)) }
    }

    /// Whether both are the same rows.
    pub(crate) fn same(&self, other: &Shared) -> bool {
        self.schema == other.schema && same(&self.plan, &other.plan)
    }
}

/// Whether two plans are the same. To the library scans of one name are, of which each query has its own.
pub(crate) fn same(one: &LogicalPlan, other: &LogicalPlan) -> bool {
    let tables = |plan: &LogicalPlan| {
        let mut tables = Vec::new();
        let walked = plan.apply(|plan| {
            if let LogicalPlan::TableScan(scan) = plan
                && scan.source.is::<Shared>()
            {
                tables.push(Arc::clone(&scan.source));
            }
            Ok(TreeNodeRecursion::Continue)
        });
        walked.is_ok().then_some(tables)
    };
    let pairs = || Some(tables(one)?.into_iter().zip(tables(other)?).all(|(one, other)| Arc::ptr_eq(&one, &other)));
    one == other && pairs() == Some(true)
}

/// The rows of the round before, in the step of a recursion.
#[derive(Debug)]
pub(crate) struct Before {
    pub(crate) schema: SchemaRef,
}

impl TableSource for Before {
    fn schema(&self) -> SchemaRef {
        SchemaRef::clone(&self.schema)
    }
}

/// Whether rows of a plan may fail somewhere below.
pub(crate) fn fails(plan: &LogicalPlan) -> Result<bool> {
    plan.exists(|node| {
        let schema = merge_schema(&node.inputs());
        for expr in node.expressions() {
            // What a call computes of its arguments does not fail.
            let parts = match expr.unalias() {
                Expr::AggregateFunction(AggregateFunction { params, .. }) => {
                    let order = params.order_by.into_iter().map(|sort| sort.expr);
                    params.args.into_iter().chain(order).chain(params.filter.map(|filter| *filter)).collect()
                }
                Expr::WindowFunction(call) => {
                    let WindowFunction { params, .. } = *call;
                    let order = params.order_by.into_iter().map(|sort| sort.expr);
                    params.args.into_iter().chain(params.partition_by).chain(order).collect()
                }
                other => vec![other],
            };
            for part in parts {
                if may_fail(&part, &schema)? {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    })
}

/// The plan with those parts as tables that read no row outside, and of which rows may fail. `planned` finishes the plan of a table.
pub(crate) fn rows(
    plan: LogicalPlan,
    fresh: &mut Fresh,
    planned: &dyn Fn(LogicalPlan) -> Result<LogicalPlan>,
) -> Result<LogicalPlan> {
    if !fails(&plan)? {
        return Ok(plan);
    }
    let loops = |plan: &LogicalPlan| matches!(plan, LogicalPlan::TableScan(scan) if scan.source.is::<Before>());
    if !outside(&plan)?.is_empty() || plan.exists(|plan| Ok(loops(plan)))? {
        let within = |child| Ok(Transformed::yes(rows(child, fresh, planned)?));
        return plan.map_children(within)?.data.recompute_schema();
    }
    let columns = plan.schema().columns();
    let mut names: Vec<String> = Vec::new();
    for column in &columns {
        let mut name = column.name.clone();
        let mut number = 1;
        while names.contains(&name) {
            number += 1;
            name = format!("{}_{number}", column.name);
        }
        names.push(name);
    }
    let source = Arc::new(Shared::new(planned(plan)?, names));
    let scan = LogicalPlanBuilder::scan(fresh.qualifier("rows"), source, None)?.build()?;
    let read = scan.schema().columns().into_iter().zip(columns);
    let read = read.map(|(own, column)| Expr::Column(own).alias_qualified(column.relation, column.name)).collect();
    projected(scan, read)
}
