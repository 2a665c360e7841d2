//! Calls that stand around expressions on their way through the planner, each of the type of one of them: the name says what is
//! meant, and who reads the plan then does it.

use std::hash::{Hash, Hasher};

use arrow_schema::{DataType, Field, FieldRef};
use datafusion_common::{Result, internal_err};
use datafusion_expr::expr::ScalarFunction;
use datafusion_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

/// A kind of such calls.
#[derive(Debug)]
pub(crate) struct Marker {
    /// How it is called.
    pub(crate) name: &'static str,
    /// How many expressions it stands around.
    pub(crate) args: usize,
    /// Which of them it is of the type of.
    pub(crate) of: usize,
    /// Whether it may be NULL where that is not.
    pub(crate) nullable: bool,
    /// Whether rules leave what stands in it there: it is not to be computed outside of it.
    pub(crate) closed: bool,
    /// Volatile is what is computed where it stands.
    pub(crate) volatility: Volatility,
    /// What it computes where it is not taken away before.
    pub(crate) eval: fn(&ScalarFunctionArgs) -> Result<ColumnarValue>,
}

/// The first argument.
pub(crate) fn first(args: &ScalarFunctionArgs) -> Result<ColumnarValue> {
    args.args.first().cloned().map_or_else(|| internal_err!("a call of an argument"), Ok)
}

impl Marker {
    /// As the planner knows it.
    pub(crate) fn udf(&'static self) -> ScalarUDF {
        let signature = Signature::any(self.args, self.volatility);
        ScalarUDF::new_from_impl(Marked { marker: self, signature })
    }

    pub(crate) fn call(&'static self, args: Vec<Expr>) -> Expr {
        self.udf().call(args)
    }

    /// What it stands around, if an expression is such a call.
    pub(crate) fn within<'a>(&self, expr: &'a Expr) -> Option<&'a [Expr]> {
        match expr {
            Expr::ScalarFunction(ScalarFunction { func, args }) if func.name() == self.name => Some(args),
            _ => None,
        }
    }
}

#[derive(Debug)]
struct Marked {
    marker: &'static Marker,
    signature: Signature,
}

impl PartialEq for Marked {
    fn eq(&self, other: &Marked) -> bool {
        self.marker.name == other.marker.name
    }
}

impl Eq for Marked {}

impl Hash for Marked {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.marker.name.hash(state);
    }
}

impl ScalarUDFImpl for Marked {
    fn name(&self) -> &str {
        self.marker.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        types.get(self.marker.of).cloned().map_or_else(|| internal_err!("a call of an argument"), Ok)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let field = &args.arg_fields[self.marker.of];
        let nullable = self.marker.nullable || field.is_nullable();
        Ok(Field::new(self.marker.name, field.data_type().clone(), nullable).into())
    }

    fn short_circuits(&self) -> bool {
        self.marker.closed
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        (self.marker.eval)(&args)
    }
}
