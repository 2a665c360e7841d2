//! `TRY(expression)`, on its way through the planner: a call that the physical form takes for what it is.

use arrow_schema::{DataType, Field, FieldRef};
use datafusion_common::Result;
use datafusion_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

/// Its name in SQL.
pub(super) const NAME: &str = "try";

#[derive(Debug, PartialEq, Eq, Hash)]
struct Try(Signature);

/// The call.
pub(super) fn udf() -> ScalarUDF {
    ScalarUDF::new_from_impl(Try(Signature::any(1, Volatility::Immutable)))
}

impl ScalarUDFImpl for Try {
    fn name(&self) -> &str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.0
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(types[0].clone())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        Ok(Field::new(NAME, args.arg_fields[0].data_type().clone(), true).into())
    }

    /// What fails in it must not be computed outside.
    fn short_circuits(&self) -> bool {
        true
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        Ok(args.args[0].clone())
    }
}
