//! The one row of a subquery that is a value: `single(n, x)` is `x` of `n` rows where `n` is one, and fails where there are
//! more. How many there are changes as rows come and go, and with it whether the row beside it has a value.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use datafusion_common::{Result, exec_err, internal_err};
use datafusion_expr::{
    Aggregate, AggregateUDF, ColumnarValue, Expr, LogicalPlan, Projection, ScalarFunctionArgs, Volatility, lit,
};

use super::aggregate_call::Bound;
use super::identity::Fresh;
use crate::functions::marker::Marker;

/// Volatile, so that it is computed where it stands: beside the row that it is of.
static SINGLE: Marker = Marker {
    name: "single",
    args: 2,
    of: 1,
    nullable: true,
    closed: false,
    volatility: Volatility::Volatile,
    eval: single,
};

/// A subquery's row, if it is one: the plan of a grouping without keys, and the value over it.
pub(crate) fn row(plan: LogicalPlan, fresh: &mut Fresh) -> Result<LogicalPlan> {
    let value = Expr::Column(plan.schema().columns().swap_remove(0));
    // Any one will do where there is one. Values that have no order come first, not greatest.
    let types = [plan.schema().field(0).data_type().clone()];
    let ordered = highwater_core::aggregate::find("MAX").is_some_and(|function| function.bind(&types, &[]).is_ok());
    let one = if ordered { "MAX" } else { "FIRST_VALUE" };
    let call = |name: &str, args: Vec<Expr>| match highwater_core::aggregate::find(name) {
        Some(function) => {
            let function: Arc<AggregateUDF> = Arc::new(Bound::udf(function));
            Ok(function.call(args))
        }
        None => internal_err!("there is {name}"),
    };
    let calls =
        vec![fresh.named(call("COUNT", vec![lit(1i64)])?, "__rows"), fresh.named(call(one, vec![value])?, "__value")];
    let group = LogicalPlan::Aggregate(Aggregate::try_new(Arc::new(plan), Vec::new(), calls)?);
    let args = group.schema().columns().into_iter().map(Expr::Column).collect();
    let one = SINGLE.call(args);
    Ok(LogicalPlan::Projection(Projection::try_new(vec![fresh.named(one, "value")], Arc::new(group))?))
}

fn single(args: &ScalarFunctionArgs) -> Result<ColumnarValue> {
    let [rows, value] = args.args.as_slice() else { return internal_err!("a number and a value") };
    let rows = rows.clone().into_array(args.number_rows)?;
    let rows = rows.as_primitive::<Int64Type>();
    if rows.iter().flatten().any(|rows| rows > 1) {
        return exec_err!("a scalar subquery returned more than one row");
    }
    Ok(value.clone())
}
