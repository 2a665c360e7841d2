//! Functions whose types follow their arguments: of arrays, maps and rows.

use std::hash::{Hash, Hasher};

use arrow_array::ArrayRef;
use arrow_schema::DataType;
use datafusion_common::{Result, ScalarValue, plan_err};
use datafusion_expr::type_coercion::binary::type_union_resolution;
use datafusion_expr::{ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};

use super::called::schema_name;
use super::texts::TIMES;
use crate::parse::column_type::plain;

/// Whether one type is a text where the other is none, at the top or within them. A text is no number: it would be read as one, and
/// fail if it is none.
pub(crate) fn mixes(one: &DataType, other: &DataType) -> bool {
    match (one, other) {
        (one, other) if one.is_null() || other.is_null() => false,
        (DataType::List(one), DataType::List(other)) | (DataType::Map(one, _), DataType::Map(other, _)) => {
            mixes(one.data_type(), other.data_type())
        }
        (DataType::Struct(one), DataType::Struct(other)) => {
            one.iter().zip(other).any(|(one, other)| mixes(one.data_type(), other.data_type()))
        }
        (one, other) => one.is_string() != other.is_string(),
    }
}

/// The type that holds values of all these; none if some are texts and others are not. A DATE beside a TIMESTAMP is one.
pub(super) fn common(given: &[DataType]) -> Option<DataType> {
    let first = given.iter().find(|data_type| !data_type.is_null());
    if first.is_some_and(|first| given.iter().any(|other| mixes(first, other))) {
        return None;
    }
    // The library would have times of nanoseconds, with no room beyond the year 2262.
    Some(match type_union_resolution(given)? {
        time @ DataType::Timestamp(..) => plain(&time),
        other => other,
    })
}

/// The types that arguments are cast to, and that of the result; `None` if they do not fit.
pub(super) type Coerced = Option<(Vec<DataType>, DataType)>;

/// A function of ours over columns of any type.
#[derive(Debug)]
pub(super) struct Generic {
    /// Its name, lower case.
    pub(super) name: &'static str,
    /// Other names.
    pub(super) aliases: &'static [&'static str],
    /// How it is called, for messages.
    pub(super) usage: &'static str,
    /// Its types.
    pub(super) coerce: fn(&[DataType]) -> Coerced,
    /// Its result of columns of equal length, of the types that `coerce` answered.
    pub(super) eval: fn(&Call<'_>) -> Result<ArrayRef>,
}

/// The columns of a call.
pub(super) struct Call<'a> {
    /// The arguments.
    pub(super) args: &'a [ArrayRef],
    /// How many rows there are.
    pub(super) rows: usize,
    /// The type of the result.
    pub(super) output: &'a DataType,
}

impl Generic {
    pub(super) fn udf(&'static self) -> ScalarUDF {
        self.called(self.name)
    }

    /// The same under one of its names, which is what it is told by.
    fn called(&'static self, name: &'static str) -> ScalarUDF {
        ScalarUDF::new_from_impl(Udf {
            function: self,
            name,
            aliases: self.aliases.iter().map(|&alias| alias.to_owned()).collect(),
            signature: Signature::user_defined(Volatility::Immutable),
        })
    }
}

/// A function of this kind under one of its names; nothing if it is none.
pub(super) fn under(function: &ScalarUDF, name: &str) -> Option<ScalarUDF> {
    let ours = function.inner().downcast_ref::<Udf>()?.function;
    Some(ours.called(ours.aliases.iter().find(|alias| **alias == name).copied().unwrap_or(ours.name)))
}

#[derive(Debug)]
struct Udf {
    function: &'static Generic,
    /// What it is called by. Under another of its names it is the same function.
    name: &'static str,
    aliases: Vec<String>,
    signature: Signature,
}

impl Udf {
    fn coerced(&self, given: &[DataType]) -> Result<(Vec<DataType>, DataType)> {
        if let Some(coerced) = (self.function.coerce)(given) {
            return Ok(coerced);
        }
        let given: Vec<String> = given.iter().map(highwater_core::plan::sql_type).collect();
        if self.function.name == TIMES {
            return plan_err!("there is no {}; write {}", given.join(" * "), self.function.usage);
        }
        plan_err!(
            "{} does not take ({}); write {}",
            self.function.name.to_ascii_uppercase(),
            given.join(", "),
            self.function.usage
        )
    }
}

impl PartialEq for Udf {
    fn eq(&self, other: &Self) -> bool {
        self.function.name == other.function.name
    }
}

impl Eq for Udf {}

impl Hash for Udf {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.function.name.hash(state);
    }
}

impl ScalarUDFImpl for Udf {
    fn name(&self) -> &str {
        self.name
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    // Columns are found by this one, whichever name a query calls it by.
    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        Ok(schema_name(self.function.name, args))
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

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let constant = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let rows = if constant { 1 } else { args.number_rows };
        let columns = args.args.into_iter().map(|arg| arg.into_array(rows)).collect::<Result<Vec<_>>>()?;
        let result = (self.function.eval)(&Call { args: &columns, rows, output: args.return_field.data_type() })?;
        if constant { Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?)) } else { Ok(result.into()) }
    }
}
