//! Subqueries told apart. The planner tells the expressions of a node apart by their names, and to it every subquery is
//! called `(<subquery>)`, `EXISTS` or `IN`: so each stands in a call with a number while it is planned, `#3((SELECT ...))`, equal
//! ones under the same. Where columns get their identities the call is gone, and messages leave it out ([`readable`]).
//!
//! [`readable`]: super::identity::readable

use std::collections::HashMap;

use arrow_schema::{DataType, FieldRef};
use datafusion_common::{Result, internal_err};
use datafusion_expr::expr::ScalarFunction;
use datafusion_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion_sql::sqlparser::ast::{self, FunctionArg, FunctionArgExpr, FunctionArguments, Value};

use crate::parse::made;
use crate::parse::token::last_part;
use crate::parse::walk::{Flow, Part};

/// The subqueries of a query so far, and their numbers.
#[derive(Default)]
pub(crate) struct Numbers(HashMap<ast::Expr, usize>);

impl Numbers {
    /// Numbers what asks a subquery.
    pub(crate) fn step(&mut self, part: Part<'_>) -> Flow {
        let Part::Done(expr) = part else { return Flow::Continue(()) };
        match expr {
            ast::Expr::Subquery(_) | ast::Expr::Exists { .. } | ast::Expr::InSubquery { .. } => {}
            // What is compared with is a subquery to the planner only as it stands.
            ast::Expr::AnyOp { right, .. } | ast::Expr::AllOp { right, .. } => match bare(right) {
                Some(subquery) => **right = subquery.clone(),
                None => return Flow::Continue(()),
            },
            _ => return Flow::Continue(()),
        }
        let next = self.0.len() + 1;
        let number = *self.0.entry(expr.clone()).or_insert(next);
        let asks = std::mem::replace(expr, ast::Expr::value(Value::Null));
        *expr = made::call(format!("#{number}").as_str(), vec![asks]);
        Flow::Continue(())
    }
}

/// What has a number, without it.
pub(super) fn bare(expr: &ast::Expr) -> Option<&ast::Expr> {
    let ast::Expr::Function(function) = expr else { return None };
    let FunctionArguments::List(list) = &function.args else { return None };
    match list.args.as_slice() {
        [FunctionArg::Unnamed(FunctionArgExpr::Expr(asks))] if is_number(&last_part(&function.name)) => Some(asks),
        _ => None,
    }
}

/// The same of an expression of the planner.
pub(super) fn within(call: &ScalarFunction) -> Option<Expr> {
    call.args.first().filter(|_| is_number(call.func.name())).cloned()
}

fn is_number(name: &str) -> bool {
    name.strip_prefix('#').is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|c| c.is_ascii_digit()))
}

/// The call of this name as the planner knows it.
pub(crate) fn udf(name: &str) -> Option<ScalarUDF> {
    is_number(name).then(|| {
        ScalarUDF::new_from_impl(Numbered {
            name: name.to_owned(),
            signature: Signature::any(1, Volatility::Immutable),
        })
    })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Numbered {
    name: String,
    signature: Signature,
}

impl ScalarUDFImpl for Numbered {
    fn name(&self) -> &str {
        &self.name
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        let asks: String = args.iter().map(|asks| asks.schema_name().to_string()).collect();
        Ok(format!("{asks}{}", self.name))
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        types.first().cloned().map_or_else(|| internal_err!("a subquery has a number"), Ok)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        args.arg_fields.first().cloned().map_or_else(|| internal_err!("a subquery has a number"), Ok)
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        internal_err!("numbers of subqueries are gone once columns have identities")
    }
}
