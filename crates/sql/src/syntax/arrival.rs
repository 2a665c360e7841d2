//! `PROCTIME()`, the time at which a row arrived: a column of the source, stamped at its edge. `p_time AS PROCTIME()` declares
//! it; in a query it is an item of SELECT, over rows that are a source's own: filtered, projected, together with others.
//!
//! Through the planner it goes as a call without arguments, [`udf`], which lowering replaces by the source's column.

use arrow_schema::DataType;
use datafusion_common::{Result, internal_err};
use datafusion_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};
use datafusion_physical_expr::ScalarFunctionExpr;
use datafusion_sql::sqlparser::ast::{
    Expr, Function, FunctionArguments, Ident, ObjectName, Query, SelectItem, Spanned,
};
use datafusion_sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use crate::parse::column_type::instant;
use crate::parse::error::Problem;
use crate::parse::token::is_word;
use crate::parse::token::last_part;
use crate::parse::walk::{self, Flow, Part};
use highwater_core::plan::Scalar;

/// The call that stands for the column.
const NAME: &str = "__arrival";

/// What users write.
const WORD: &str = "proctime";

/// Whether a computed column is `PROCTIME()`.
pub(crate) fn is_call(tokens: &[TokenWithSpan]) -> bool {
    let [word, open, close] = tokens else { return false };
    is_word(&word.token, WORD) && open.token == Token::LParen && close.token == Token::RParen
}

/// Whether a statement speaks of it.
pub(crate) fn is_in(tokens: &[TokenWithSpan]) -> bool {
    tokens.windows(3).any(is_call)
}

/// Puts the call into the items of SELECT that are `PROCTIME()`; it is refused elsewhere.
pub(crate) fn rewrite(query: &mut Query) -> Result<(), Problem> {
    walk::query(query, |part| {
        if let Part::Select(select) = part {
            select.projection.iter_mut().for_each(item);
        }
        Flow::Continue(())
    })
}

fn item(item: &mut SelectItem) {
    let call = |function: &Function| {
        let empty = matches!(&function.args, FunctionArguments::List(list) if list.args.is_empty());
        empty && last_part(&function.name) == WORD
    };
    let own = |function: &mut Function| {
        function.name = ObjectName::from(Ident::with_span(function.name.span(), NAME));
    };
    match item {
        SelectItem::ExprWithAlias { expr: Expr::Function(function), .. } if call(function) => own(function),
        SelectItem::UnnamedExpr(Expr::Function(function)) if call(function) => {
            own(function);
            let expr = Expr::Function(function.clone());
            *item = SelectItem::ExprWithAlias { expr, alias: Ident::new(WORD) };
        }
        _ => {}
    }
}

/// Whether an expression is the call.
pub(crate) fn is_marker(expr: &Scalar) -> bool {
    expr.downcast_ref::<ScalarFunctionExpr>().is_some_and(|call| call.fun().name() == NAME)
}

/// The call as a function that the planner knows. Volatile, so that it is left as it is.
pub(crate) fn udf() -> ScalarUDF {
    #[derive(Debug, PartialEq, Eq, Hash)]
    struct Arrival(Signature);

    impl ScalarUDFImpl for Arrival {
        fn name(&self) -> &str {
            NAME
        }

        fn signature(&self) -> &Signature {
            &self.0
        }

        fn return_type(&self, _: &[DataType]) -> Result<DataType> {
            Ok(instant())
        }

        fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
            internal_err!("the time of arrival is a column")
        }
    }

    ScalarUDF::new_from_impl(Arrival(Signature::nullary(Volatility::Volatile)))
}
