//! Functions under the names by which they are called: `CHAR_LENGTH` and `LENGTH` are one function, equal wherever a query has them, and what
//! fails in it is told by the name that the query has.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow_schema::{DataType, FieldRef};
use datafusion_common::Result;
use datafusion_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion_expr::{ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature};

use super::{function, generic};

/// A function under one of its names.
pub(crate) fn called(function: &Arc<ScalarUDF>, name: &str) -> Arc<ScalarUDF> {
    if function.aliases().is_empty() {
        return Arc::clone(function);
    }
    let ours = function::under(function, name).or_else(|| generic::under(function, name));
    Arc::new(ours.unwrap_or_else(|| {
        let (name, function) = (name.to_owned(), Arc::clone(function));
        ScalarUDF::new_from_impl(Called { name, function })
    }))
}

/// How the planner names a column that a call is.
pub(super) fn schema_name(name: &str, args: &[Expr]) -> String {
    let args: Vec<String> = args.iter().map(|arg| arg.schema_name().to_string()).collect();
    format!("{name}({})", args.join(","))
}

/// A function that is not ours.
#[derive(Debug)]
struct Called {
    name: String,
    function: Arc<ScalarUDF>,
}

impl PartialEq for Called {
    fn eq(&self, other: &Called) -> bool {
        self.function == other.function
    }
}

impl Eq for Called {}

impl Hash for Called {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.function.hash(state);
    }
}

impl ScalarUDFImpl for Called {
    fn name(&self) -> &str {
        &self.name
    }

    // Columns are found by this one, whichever name a query calls it by.
    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        Ok(schema_name(self.function.name(), args))
    }

    fn signature(&self) -> &Signature {
        self.function.signature()
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        self.function.coerce_types(given)
    }

    fn return_type(&self, given: &[DataType]) -> Result<DataType> {
        self.function.return_type(given)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        self.function.return_field_from_args(args)
    }

    fn simplify(&self, args: Vec<Expr>, info: &SimplifyContext) -> Result<ExprSimplifyResult> {
        self.function.simplify(args, info)
    }

    fn conditional_arguments<'a>(&self, args: &'a [Expr]) -> Option<(Vec<&'a Expr>, Vec<&'a Expr>)> {
        self.function.conditional_arguments(args)
    }

    fn short_circuits(&self) -> bool {
        self.function.short_circuits()
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        self.function.invoke_with_args(args)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Of every function of the registry.
    #[test]
    fn a_function_is_told_by_the_name_it_is_called_by_and_is_one_function() {
        let mut seen = 0;
        for function in super::super::all() {
            let own = called(&function, function.name());
            assert_eq!(own.name(), function.name());
            for alias in function.aliases() {
                let other = called(&function, alias);
                assert_eq!(other.name(), alias);
                assert_eq!(other, own, "{alias}");
                seen += 1;
            }
        }
        assert!(seen > 15, "{seen}");
    }
}
