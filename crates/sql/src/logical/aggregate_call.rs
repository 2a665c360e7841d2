//! Aggregate functions as the planner sees them: [`Aggregate`]s with their trailing literals bound, types by
//! [`Aggregate::bind`]. They only plan; accumulators are made by the operators.

use std::any::Any;
use std::hash::{Hash, Hasher};

use arrow_schema::DataType;
use datafusion_common::tree_node::TreeNode;
use datafusion_common::{Result, ScalarValue, not_impl_err, plan_err};
use datafusion_expr::expr::{self, AggregateFunctionParams, NullTreatment, WindowFunctionParams};
use datafusion_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion_expr::planner::{ExprPlanner, PlannerResult, RawAggregateExpr, RawWindowExpr};
use datafusion_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Expr, Signature, Volatility, WindowFunctionDefinition, lit,
};

use super::rank_call::ForemostCall;
use crate::functions::settled::settled;
use highwater_core::aggregate::Aggregate;
use highwater_core::registered::Registered;

/// An aggregate function, the literals of its call with it.
#[derive(Debug)]
pub(crate) struct Bound {
    pub(crate) function: Registered<dyn Aggregate>,
    pub(crate) literals: Vec<ScalarValue>,
    name: String,
    signature: Signature,
}

impl Bound {
    /// The planner's form of a function, without literals.
    pub(crate) fn udf(function: Registered<dyn Aggregate>) -> AggregateUDF {
        let name = function.name().to_lowercase();
        Bound::under(function, name, Vec::new())
    }

    /// The same under one of its names, lower case, by which it is told. It is the same function under each.
    pub(crate) fn under(function: Registered<dyn Aggregate>, name: String, literals: Vec<ScalarValue>) -> AggregateUDF {
        AggregateUDF::new_from_impl(Bound {
            name,
            function,
            literals,
            signature: Signature::user_defined(Volatility::Immutable),
        })
    }

    /// The function behind the planner's form.
    pub(crate) fn of(udf: &AggregateUDF) -> Option<&Bound> {
        (udf.inner().as_ref() as &dyn Any).downcast_ref()
    }

    fn bind(&self, args: &[DataType]) -> Result<highwater_core::aggregate::Signature> {
        self.function.bind(args, &self.literals).or_else(|error| plan_err!("{error}"))
    }

    /// The function with its arguments, casts among them.
    fn called(&self, distinct: bool, args: &[Expr]) -> String {
        let args = args.iter().map(Expr::to_string).collect::<Vec<_>>().join(",");
        format!("{}({}{args})", self.function.name().to_lowercase(), if distinct { "distinct " } else { "" })
    }

    /// A name with the literals in it, so that calls that differ in them only are apart.
    fn with_literals(&self, name: String) -> String {
        if self.literals.is_empty() { name } else { format!("{name}{:?}", self.literals) }
    }
}

impl PartialEq for Bound {
    fn eq(&self, other: &Self) -> bool {
        (self.function.name(), &self.literals) == (other.function.name(), &other.literals)
    }
}

impl Eq for Bound {}

impl Hash for Bound {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.function.name(), &self.literals).hash(state);
    }
}

impl AggregateUDFImpl for Bound {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    // Calls that differ in a cast only are apart too: a name is the whole call.
    fn schema_name(&self, params: &AggregateFunctionParams) -> Result<String> {
        let mut name = self.called(params.distinct, &params.args);
        if let Some(filter) = &params.filter {
            name.push_str(&format!(" filter {filter}"));
        }
        if !params.order_by.is_empty() {
            name.push_str(&format!(" order {:?}", params.order_by));
        }
        Ok(self.with_literals(name))
    }

    fn window_function_schema_name(&self, params: &WindowFunctionParams) -> Result<String> {
        let mut name = self.called(params.distinct, &params.args);
        if let Some(filter) = &params.filter {
            name.push_str(&format!(" filter {filter}"));
        }
        let WindowFunctionParams { partition_by, order_by, window_frame, .. } = params;
        name.push_str(&format!(" over {partition_by:?} order {order_by:?} {window_frame}"));
        Ok(self.with_literals(name))
    }

    fn return_type(&self, args: &[DataType]) -> Result<DataType> {
        Ok(self.bind(args)?.output)
    }

    fn coerce_types(&self, args: &[DataType]) -> Result<Vec<DataType>> {
        Ok(self.bind(args)?.args)
    }

    fn default_value(&self, output: &DataType) -> Result<ScalarValue> {
        self.function.of_nothing(output)
    }

    fn supports_null_handling_clause(&self) -> bool {
        true
    }

    fn accumulator(&self, _: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        not_impl_err!("accumulators are made by the operators")
    }

    fn state_fields(&self, _: StateFieldsArgs<'_>) -> Result<Vec<arrow_schema::FieldRef>> {
        not_impl_err!("accumulators are made by the operators")
    }
}

/// `GROUPING(a, b)`: which of the keys a row is not grouped by. The planner computes it from the grouping id.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Grouping {
    signature: Signature,
}

impl Grouping {
    pub(crate) fn udf() -> AggregateUDF {
        AggregateUDF::new_from_impl(Grouping { signature: Signature::variadic_any(Volatility::Immutable) })
    }
}

impl AggregateUDFImpl for Grouping {
    fn name(&self) -> &str {
        "grouping"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Int32)
    }

    fn accumulator(&self, _: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        not_impl_err!("GROUPING is computed from the grouping id")
    }
}

/// Binds the trailing literals of aggregate calls.
#[derive(Debug)]
pub(crate) struct BindLiterals;

impl ExprPlanner for BindLiterals {
    fn plan_aggregate(&self, call: RawAggregateExpr) -> Result<PlannerResult<RawAggregateExpr>> {
        let Some(bound) = Bound::of(&call.func) else { return Ok(PlannerResult::Original(call)) };
        let (function, args) = (&bound.function, call.args);
        let (func, args) = bind_literals(bound, args, call.null_treatment)?;
        let order_by = if function.ordered() { call.order_by } else { Vec::new() };
        let made = expr::AggregateFunction::new_udf(func.into(), args, call.distinct, call.filter, order_by, None);
        let made = Expr::AggregateFunction(made);
        Ok(PlannerResult::Planned(if function.may_fail() { settled(made) } else { made }))
    }

    fn plan_window(&self, mut call: RawWindowExpr) -> Result<PlannerResult<RawWindowExpr>> {
        if let WindowFunctionDefinition::WindowUDF(udf) = &call.func_def
            && let Some(foremost) = ForemostCall::of(udf)
            && let Some(function) = highwater_core::aggregate::find(foremost.name)
        {
            call.func_def = WindowFunctionDefinition::AggregateUDF(Bound::udf(function).into());
        }
        let WindowFunctionDefinition::AggregateUDF(udf) = &call.func_def else {
            // The library tells such calls apart by names that leave casts out: `LAG(a)`, `LAG(CAST(a AS VARCHAR))`.
            let casts = |arg: &Expr| arg.exists(|part| Ok(matches!(part, Expr::Cast(_) | Expr::TryCast(_))));
            for arg in &mut call.args {
                if casts(arg)? {
                    let name = highwater_core::expression::plain(&arg.to_string());
                    *arg = std::mem::take(arg).alias(name);
                }
            }
            return Ok(PlannerResult::Original(call));
        };
        let Some(bound) = Bound::of(udf) else { return Ok(PlannerResult::Original(call)) };
        let may_fail = bound.function.may_fail();
        let (func, args) = bind_literals(bound, call.args, call.null_treatment)?;
        let fun = WindowFunctionDefinition::AggregateUDF(func.into());
        if may_fail {
            let RawWindowExpr { partition_by, order_by, window_frame, filter, distinct, .. } = call;
            let null_treatment = None;
            let params =
                WindowFunctionParams { args, partition_by, order_by, window_frame, filter, null_treatment, distinct };
            return Ok(PlannerResult::Planned(settled(expr::WindowFunction { fun, params }.into())));
        }
        call.func_def = fun;
        call.args = args;
        call.null_treatment = None;
        Ok(PlannerResult::Original(call))
    }
}

/// A function with the trailing literals of a call bound, and the arguments that are left.
fn bind_literals(
    bound: &Bound,
    mut args: Vec<Expr>,
    nulls: Option<NullTreatment>,
) -> Result<(AggregateUDF, Vec<Expr>)> {
    let function = &bound.function;
    if nulls == Some(NullTreatment::RespectNulls) {
        return plan_err!("'{}' passes over NULL; RESPECT NULLS is not supported", function.name());
    }
    #[expect(deprecated)]
    if let [Expr::Wildcard { qualifier: Some(of), .. }] = args.as_slice() {
        return plan_err!(
            "{}({of}.*) is not supported; write COUNT(*) for all rows, or COUNT(column) for those in which it is not NULL",
            function.name()
        );
    }
    #[expect(deprecated)]
    let is_wildcard = |arg: &Expr| matches!(arg, Expr::Wildcard { .. });
    if function.name() == "COUNT" && (args.is_empty() || args.iter().all(is_wildcard)) {
        args = vec![lit(1_i64)];
    }
    if let Some(wildcard) = args.iter().find(|arg| is_wildcard(arg)) {
        return plan_err!("'{}' does not take {wildcard}: name a column", function.name());
    }
    let mut literals = Vec::new();
    while literals.len() < function.literals() && args.len() > 1 {
        let Some(value) = args.last().and_then(literal) else { break };
        literals.push(value);
        args.pop();
    }
    literals.reverse();
    Ok((Bound::under(function.clone(), bound.name.clone(), literals), args))
}

/// The value of a literal, negated ones included.
fn literal(expr: &Expr) -> Option<ScalarValue> {
    match expr {
        Expr::Literal(value, _) => Some(value.clone()),
        Expr::Negative(inner) => literal(inner)?.arithmetic_negate().ok(),
        _ => None,
    }
}

/// Whether a call counts rows: the argument is a literal that is not NULL.
pub(crate) fn counts_rows(bound: &Bound, distinct: bool, args: &[Expr]) -> bool {
    let constant = |arg: &Expr| matches!(arg, Expr::Literal(value, _) if !value.is_null());
    bound.function.name() == "COUNT" && !distinct && args.iter().all(constant)
}
