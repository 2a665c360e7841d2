//! Aggregate calls on their way to an operator.

use arrow_schema::{DataType, Schema, SortOptions};
use datafusion_common::{Result, ScalarValue};
use datafusion_expr::expr::AggregateFunction;
use datafusion_expr::{Expr, ExprSchemable};

use super::internal;
use crate::logical::aggregate_call::{Bound, counts_rows};
use crate::logical::scalar::{cast_to, physical};
use crate::logical::shown::shown;
use highwater_core::aggregate::Aggregate as Function;
use highwater_core::plan::{AggregateCall, Scalar};
use highwater_core::registered::Registered;

/// An aggregate call whose columns are places in a list of expressions.
#[derive(Clone)]
pub(super) struct Call {
    pub(super) function: Registered<dyn Function>,
    args: Vec<usize>,
    literals: Vec<ScalarValue>,
    order: Vec<(usize, SortOptions)>,
    distinct: bool,
    filter: Option<usize>,
    name: String,
}

impl Call {
    /// The call with a column more before those that it reads: the number of the set.
    pub(super) fn behind_id(&mut self) {
        let places = self.args.iter_mut().chain(self.order.iter_mut().map(|(at, _)| at));
        places.chain(self.filter.iter_mut()).for_each(|at| *at += 1);
    }

    /// The call over columns of `schema`: those that the places have become. `ties` order an ordered function further.
    pub(super) fn over(
        self,
        places: &[usize],
        schema: &Schema,
        ties: &[(usize, SortOptions)],
    ) -> Result<AggregateCall> {
        let types: Vec<DataType> = self.args.iter().map(|&at| schema.field(places[at]).data_type().clone()).collect();
        let signature = self.function.bind(&types, &self.literals);
        let signature = signature.or_else(|error| datafusion_common::plan_err!("{error}"))?;
        if signature.args != types {
            return Err(internal("an argument of another type than the function takes"));
        }
        let mut order: Vec<(usize, SortOptions)> =
            self.order.iter().map(|(at, options)| (places[*at], *options)).collect();
        if self.function.ordered() {
            order.extend(ties);
        }
        Ok(AggregateCall {
            function: self.function,
            args: self.args.iter().map(|&at| places[at]).collect(),
            literals: self.literals,
            order,
            distinct: self.distinct,
            filter: self.filter.map(|at| places[at]),
            output: signature.output,
            name: self.name,
        })
    }
}

/// A call, its columns added to `exprs`, their names to `names`.
pub(super) fn call(
    function: &AggregateFunction,
    schema: &datafusion_common::DFSchema,
    name: String,
    exprs: &mut Vec<Scalar>,
    names: &mut Vec<String>,
) -> Result<Call> {
    let Some(bound) = Bound::of(&function.func) else {
        return datafusion_common::plan_err!("'{}' is not an aggregate function here", function.func.name());
    };
    let params = &function.params;
    let mut place = |expr: &Expr, wanted: Option<&DataType>| -> Result<usize> {
        let scalar = physical(expr, schema)?;
        exprs.push(match wanted {
            Some(wanted) => cast_to(scalar, wanted, schema.as_arrow())?,
            None => scalar,
        });
        names.push(shown(expr));
        Ok(exprs.len() - 1)
    };
    let args: &[Expr] = if counts_rows(bound, params.distinct, &params.args) { &[] } else { &params.args };
    let types = args.iter().map(|arg| arg.get_type(schema)).collect::<Result<Vec<_>>>()?;
    let signature = bound.function.bind(&types, &bound.literals);
    let signature = signature.or_else(|error| datafusion_common::plan_err!("{error}"))?;
    let arg = |(arg, wanted): (&Expr, &DataType)| place(arg, Some(wanted));
    let args = args.iter().zip(&signature.args).map(arg).collect::<Result<Vec<_>>>()?;
    let mut order = Vec::new();
    for sort in &params.order_by {
        let options = SortOptions { descending: !sort.asc, nulls_first: sort.nulls_first };
        order.push((place(&sort.expr, None)?, options));
    }
    let filter = match &params.filter {
        Some(filter) => Some(place(filter, None)?),
        None => None,
    };
    let literals = bound.literals.clone();
    Ok(Call { function: bound.function.clone(), args, literals, order, distinct: params.distinct, filter, name })
}
