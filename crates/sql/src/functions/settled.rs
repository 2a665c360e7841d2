//! What a function of a group made where it may fail ([`outcomes`](highwater_core::aggregate::outcomes)): its value, or the row fails.
//! The call stands around that of the function, and is shown as that.

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;
use datafusion_common::{Result, exec_err, internal_err};
use datafusion_expr::{ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};

/// The name of the call.
pub(crate) const SETTLED: &str = "__settled";

/// The call around that of a function which may fail.
pub(crate) fn settled(call: Expr) -> Expr {
    udf().call(vec![call])
}

/// As the planner knows it.
pub(crate) fn udf() -> ScalarUDF {
    ScalarUDF::new_from_impl(Settled { signature: Signature::any(1, Volatility::Immutable) })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Settled {
    signature: Signature,
}

impl ScalarUDFImpl for Settled {
    fn name(&self) -> &str {
        SETTLED
    }

    fn display_name(&self, args: &[Expr]) -> Result<String> {
        Ok(args.iter().map(Expr::to_string).collect())
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        Ok(args.iter().map(|arg| arg.schema_name().to_string()).collect())
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match types {
            [DataType::Struct(fields)] if fields.len() == 2 => Ok(fields[0].data_type().clone()),
            other => internal_err!("a value and why there is none, not {other:?}"),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [made] = args.args.as_slice() else { return internal_err!("a call of one argument") };
        let made: ArrayRef = made.clone().into_array(args.number_rows)?;
        let made = made.as_struct();
        let failed = made.column(1).as_string::<i32>();
        if let Some(failed) = (0..failed.len()).find(|row| failed.is_valid(*row)).map(|row| failed.value(row)) {
            return exec_err!("{failed}");
        }
        Ok(ArrayRef::clone(made.column(0)).into())
    }
}
