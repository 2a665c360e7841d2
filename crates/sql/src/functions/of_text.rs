//! Casts that the library has otherwise than the formats: of text, which is read as they read it, of DOUBLE to FLOAT, where what is
//! beyond FLOAT would become an infinity, of both to DECIMAL, which goes by the number as it is written, and of both to text, where
//! an infinity is written as the formats write it. They become calls behind the planner, as casts to text do ([`super::as_text`]).

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::{ArrayRef, Float32Array, StringArray};
use arrow_schema::{DataType, Field, FieldRef};
use datafusion_common::{Result, ScalarValue, exec_err, internal_err};
use datafusion_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use highwater_core::format::{floats_as_decimals, read_text_as, reads_text};
use highwater_core::time::Zone;

/// Whether a cast is one of these.
pub(super) fn reads(from: &DataType, to: &DataType) -> bool {
    let floats = matches!((from, to), (DataType::Float64, DataType::Float32))
        || from.is_floating() && matches!(to, DataType::Decimal128(..) | DataType::Utf8);
    floats || *from == DataType::Utf8 && reads_text(to)
}

/// The call that such a cast is.
pub(super) fn read(value: Expr, to: &DataType) -> Expr {
    let signature = Signature::any(1, Volatility::Immutable);
    ScalarUDF::new_from_impl(Read { to: to.clone(), signature }).call(vec![value])
}

/// The cast of a column.
pub(super) fn column(value: &ArrayRef, to: &DataType, zone: Zone) -> Result<ArrayRef> {
    match (value.data_type(), to) {
        (DataType::Utf8, _) => read_text_as(value.as_string::<i32>(), to, zone).or_else(|why| exec_err!("{why}")),
        (DataType::Float32 | DataType::Float64, DataType::Decimal128(precision, scale)) => {
            floats_as_decimals(value, *precision, *scale).or_else(|why| exec_err!("{why}"))
        }
        (DataType::Float32 | DataType::Float64, DataType::Utf8) => {
            let texts = arrow_cast::cast(value, to)?;
            let (texts, infinite) = (texts.as_string::<i32>(), ["inf", "-inf"]);
            if !texts.iter().flatten().any(|text| infinite.contains(&text)) {
                return Ok(Arc::new(texts.clone()));
            }
            let spelled = texts.iter().map(|text| match text? {
                "inf" => Some("Infinity"),
                "-inf" => Some("-Infinity"),
                other => Some(other),
            });
            Ok(Arc::new(spelled.collect::<StringArray>()))
        }
        (DataType::Float64, _) => {
            let narrow = |value: f64| match value as f32 {
                narrow if narrow.is_infinite() && value.is_finite() => exec_err!("{value:e} is beyond FLOAT"),
                narrow => Ok(narrow),
            };
            let values = value.as_primitive::<Float64Type>().iter().map(|value| value.map(narrow).transpose());
            Ok(Arc::new(values.collect::<Result<Float32Array>>()?))
        }
        (other, _) => internal_err!("a cast of {other} that is not one of text"),
    }
}

/// The call; words show it as the CAST that it is.
#[derive(Debug)]
struct Read {
    to: DataType,
    signature: Signature,
}

impl PartialEq for Read {
    fn eq(&self, other: &Self) -> bool {
        self.to == other.to
    }
}

impl Eq for Read {}

impl Hash for Read {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.to.hash(state);
    }
}

impl ScalarUDFImpl for Read {
    fn name(&self) -> &str {
        "__read"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.to.clone())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        Ok(Field::new(self.name(), self.to.clone(), args.arg_fields[0].is_nullable()).into())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match &args.args[0] {
            ColumnarValue::Array(value) => Ok(column(value, &self.to, Zone::utc())?.into()),
            ColumnarValue::Scalar(value) => {
                Ok(ScalarValue::try_from_array(&column(&value.to_array()?, &self.to, Zone::utc())?, 0)?.into())
            }
        }
    }
}
