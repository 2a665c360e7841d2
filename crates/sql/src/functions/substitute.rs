//! Functions that mean another expression: IF, NVL2, MOD, LOG, and Flink's names for functions of DataFusion's. The optimiser puts the expression in their place, so that branches not taken are not computed.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow_schema::DataType;
use datafusion_common::{Result, internal_err, plan_err};
use datafusion_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion_expr::type_coercion::binary::{BinaryTypeCoercer, type_union_resolution};
use datafusion_expr::{
    ColumnarValue, Expr, Operator, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility, binary_expr,
    lit, when,
};
use datafusion_functions::{math, string};

/// The names in this file.
#[cfg(test)]
pub(super) const NAMES: [&str; 7] = ["if", "nvl2", "mod", "e", "log", "startswith", "endswith"];

const SUBSTITUTES: &[Substitute] = &[
    Substitute {
        name: "if",
        usage: "IF(condition, value, otherwise)",
        coerce: |given| match given {
            [_, yes, no] => {
                let common = type_union_resolution(&[yes.clone(), no.clone()])?;
                Some((vec![DataType::Boolean, common.clone(), common.clone()], common))
            }
            _ => None,
        },
        expr: |args| {
            let [condition, yes, no] = exactly(args)?;
            when(condition, yes).otherwise(no)
        },
    },
    Substitute {
        name: "nvl2",
        usage: "NVL2(value, what if it is not NULL, or else)",
        coerce: |given| match given {
            [value, yes, no] => {
                let common = type_union_resolution(&[yes.clone(), no.clone()])?;
                Some((vec![value.clone(), common.clone(), common.clone()], common))
            }
            _ => None,
        },
        expr: |args| {
            let [value, yes, no] = exactly(args)?;
            when(value.is_not_null(), yes).otherwise(no)
        },
    },
    Substitute {
        name: "mod",
        usage: "MOD(dividend, divisor) of two numbers",
        coerce: |given| match given {
            [left, right] if [left, right].iter().all(|kind| kind.is_numeric() || kind.is_null()) => {
                let coercer = BinaryTypeCoercer::new(left, &Operator::Modulo, right);
                let (left, right) = coercer.get_input_types().ok()?;
                Some((vec![left, right], coercer.get_result_type().ok()?))
            }
            _ => None,
        },
        expr: |args| {
            let [left, right] = exactly(args)?;
            Ok(binary_expr(left, Operator::Modulo, right))
        },
    },
    Substitute {
        name: "e",
        usage: "E()",
        coerce: |given| given.is_empty().then(|| (Vec::new(), DataType::Float64)),
        expr: |_| Ok(lit(std::f64::consts::E)),
    },
    Substitute {
        name: "log",
        usage: "LOG(number), the natural logarithm, or LOG(base, number)",
        coerce: |given| {
            let numbers = given.iter().all(|kind| kind.is_numeric() || kind.is_null());
            (numbers && matches!(given.len(), 1 | 2)).then(|| (vec![DataType::Float64; given.len()], DataType::Float64))
        },
        expr: |args| Ok(if args.len() == 1 { math::ln().call(args) } else { math::log().call(args) }),
    },
];

/// All of them, and the renamed ones.
pub(super) fn all() -> impl Iterator<Item = Arc<ScalarUDF>> {
    let renamed = [(string::starts_with(), "startswith"), (string::ends_with(), "endswith")];
    let renamed = renamed.into_iter().map(|(udf, name)| Arc::new(udf.as_ref().clone().with_aliases([name])));
    SUBSTITUTES.iter().map(|substitute| Arc::new(ScalarUDF::new_from_impl(Udf::new(substitute)))).chain(renamed)
}

/// The types that arguments are cast to, and that of the result.
type Coerced = Option<(Vec<DataType>, DataType)>;

#[derive(Debug)]
struct Substitute {
    name: &'static str,
    usage: &'static str,
    coerce: fn(&[DataType]) -> Coerced,
    expr: fn(Vec<Expr>) -> Result<Expr>,
}

fn exactly<const N: usize>(args: Vec<Expr>) -> Result<[Expr; N]> {
    match <[Expr; N]>::try_from(args) {
        Ok(args) => Ok(args),
        Err(args) => internal_err!("{} arguments were checked to be {N}", args.len()),
    }
}

#[derive(Debug)]
struct Udf {
    substitute: &'static Substitute,
    signature: Signature,
}

impl Udf {
    fn new(substitute: &'static Substitute) -> Udf {
        Udf { substitute, signature: Signature::user_defined(Volatility::Immutable) }
    }

    fn coerced(&self, given: &[DataType]) -> Result<(Vec<DataType>, DataType)> {
        let given: Vec<DataType> = given.iter().map(plain).collect();
        match (self.substitute.coerce)(&given) {
            Some(coerced) => Ok(coerced),
            None => {
                let given: Vec<String> = given.iter().map(highwater_core::plan::sql_type).collect();
                let name = self.substitute.name.to_ascii_uppercase();
                plan_err!("{name} does not take ({}); write {}", given.join(", "), self.substitute.usage)
            }
        }
    }
}

/// Text of any encoding is `Utf8`.
fn plain(given: &DataType) -> DataType {
    if given.is_string() { DataType::Utf8 } else { given.clone() }
}

impl PartialEq for Udf {
    fn eq(&self, other: &Self) -> bool {
        self.substitute.name == other.substitute.name
    }
}

impl Eq for Udf {}

impl Hash for Udf {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.substitute.name.hash(state);
    }
}

impl ScalarUDFImpl for Udf {
    fn name(&self) -> &str {
        self.substitute.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        Ok(self.coerced(given)?.0)
    }

    fn return_type(&self, given: &[DataType]) -> Result<DataType> {
        Ok(self.coerced(given)?.1)
    }

    fn simplify(&self, args: Vec<Expr>, _: &SimplifyContext) -> Result<ExprSimplifyResult> {
        Ok(ExprSimplifyResult::Simplified((self.substitute.expr)(args)?))
    }

    fn short_circuits(&self) -> bool {
        true
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        internal_err!("{} is another expression once optimised", self.substitute.name)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use datafusion_common::{DFSchema, ScalarValue};
    use datafusion_expr::execution_props::ExecutionProps;
    use datafusion_expr::physical_planning_context::PhysicalPlanningContext;
    use datafusion_expr::{col, lit};
    use datafusion_optimizer::simplify_expressions::ExprSimplifier;
    use datafusion_physical_expr::create_physical_expr;

    use arrow_array::cast::AsArray;
    use arrow_array::types::{Float64Type, Int64Type};
    use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};

    use super::*;

    /// As the planner does it: coerce, simplify, compile, evaluate.
    fn run(name: &str, args: Vec<Expr>) -> Result<ArrayRef> {
        let a: ArrayRef = Arc::new(Int64Array::from(vec![Some(7), Some(-7), None]));
        let b: ArrayRef = Arc::new(Int64Array::from(vec![Some(0), Some(4), Some(2)]));
        let s: ArrayRef = Arc::new(StringArray::from(vec![Some("ä"), None, Some("")]));
        let batch = RecordBatch::try_from_iter_with_nullable([("a", a, true), ("b", b, true), ("s", s, true)]).unwrap();
        let schema = Arc::new(DFSchema::try_from(batch.schema()).unwrap());
        let udf = all().find(|udf| udf.name() == name || udf.aliases().iter().any(|alias| alias == name)).unwrap();
        let simplifier = ExprSimplifier::new(SimplifyContext::builder().with_schema(schema.clone()).build());
        let expr = simplifier.simplify(simplifier.coerce(udf.call(args), &schema)?)?;
        let physical =
            create_physical_expr(&expr, &schema, &ExecutionProps::new(), &PhysicalPlanningContext::default())?;
        physical.evaluate(&batch)?.into_array(batch.num_rows())
    }

    fn ints(name: &str, args: Vec<Expr>) -> Vec<Option<i64>> {
        run(name, args).unwrap().as_primitive::<Int64Type>().iter().collect()
    }

    #[test]
    fn if_computes_only_the_branch_taken() {
        let quotient = binary_expr(col("a"), Operator::Divide, col("b"));
        let args = vec![binary_expr(col("b"), Operator::NotEq, lit(0)), quotient, lit(-1_i64)];
        assert_eq!(ints("if", args), [Some(-1), Some(-1), None]);
        let null = Expr::Literal(ScalarValue::Boolean(None), None);
        assert_eq!(ints("if", vec![null, lit(1_i64), lit(2_i64)]), [Some(2); 3]);
        assert!(
            run("if", vec![lit(true), lit(1)]).unwrap_err().to_string().contains("IF(condition, value, otherwise)")
        );
    }

    #[test]
    fn mod_has_the_sign_of_the_dividend() {
        assert_eq!(ints("mod", vec![col("a"), lit(4)]), [Some(3), Some(-3), None]);
        assert!(run("mod", vec![col("a"), col("b")]).is_err());
        assert!(run("mod", vec![col("s"), lit(2)]).is_err());
    }

    #[test]
    fn log_is_natural_unless_a_base_is_given() {
        let float = |args| run("log", args).unwrap().as_primitive::<Float64Type>().value(0);
        assert!((float(vec![lit(1.0_f64.exp())]) - 1.0).abs() < 1e-12);
        assert!((float(vec![lit(2), lit(8)]) - 3.0).abs() < 1e-12);
    }
}
