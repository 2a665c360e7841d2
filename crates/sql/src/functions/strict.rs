//! The library's functions that pass over NULL and that Flink has otherwise: NULL if any argument is.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, BooleanArray};
use arrow_buffer::NullBuffer;
use arrow_schema::{DataType, Field};
use arrow_select::nullif::nullif;
use datafusion_common::Result;
use datafusion_common::config::ConfigOptions;
use datafusion_expr::type_coercion::binary::type_union_resolution;
use datafusion_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF};
use datafusion_functions::{core, string, unicode};

use super::generic::{Call, Coerced, Generic};

/// Every function of this family.
pub(super) const FUNCTIONS: &[Generic] = &[
    Generic {
        name: "concat",
        aliases: &[],
        usage: "CONCAT(text, text, ...)",
        coerce: |given| (!given.is_empty()).then(|| (vec![DataType::Utf8; given.len()], DataType::Utf8)),
        eval: |call| strict(call, &string::concat()),
    },
    Generic {
        name: "greatest",
        aliases: &[],
        usage: "GREATEST(value, value, ...) of comparable values",
        coerce: alike,
        eval: |call| strict(call, &core::greatest()),
    },
    Generic {
        name: "least",
        aliases: &[],
        usage: "LEAST(value, value, ...) of comparable values",
        coerce: alike,
        eval: |call| strict(call, &core::least()),
    },
    Generic {
        name: "find_in_set",
        aliases: &[],
        usage: "FIND_IN_SET(text, text)",
        coerce: |given| {
            let plain = given.len() == 2 && !given.iter().any(DataType::is_nested);
            plain.then(|| (vec![DataType::Utf8; 2], DataType::Int32))
        },
        eval: |call| strict(call, &unicode::find_in_set()),
    },
];

fn alike(given: &[DataType]) -> Coerced {
    let plain = |given: &DataType| if given.is_string() { DataType::Utf8 } else { given.clone() };
    let common = type_union_resolution(&given.iter().map(plain).collect::<Vec<_>>())?;
    Some((vec![common.clone(); given.len()], common))
}

fn strict(call: &Call<'_>, function: &ScalarUDF) -> Result<ArrayRef> {
    let field = |of: &DataType| Arc::new(Field::new(function.name(), of.clone(), true));
    let made = function.invoke_with_args(ScalarFunctionArgs {
        args: call.args.iter().map(|arg| ColumnarValue::Array(Arc::clone(arg))).collect(),
        arg_fields: call.args.iter().map(|arg| field(arg.data_type())).collect(),
        number_rows: call.rows,
        return_field: field(call.output),
        config_options: Arc::new(ConfigOptions::default()),
    })?;
    let made = made.into_array(call.rows)?;
    let nulls = call
        .args
        .iter()
        .fold(None, |nulls: Option<NullBuffer>, arg| NullBuffer::union(nulls.as_ref(), arg.logical_nulls().as_ref()));
    match nulls.filter(|nulls| nulls.null_count() > 0) {
        Some(nulls) => Ok(nullif(&made, &BooleanArray::new(!nulls.inner(), None))?),
        None => Ok(made),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use arrow_array::cast::AsArray;
    use arrow_array::types::Int64Type;
    use arrow_array::{Int64Array, StringArray};

    use super::*;

    fn call(name: &str, args: &[ArrayRef]) -> ArrayRef {
        let function = FUNCTIONS.iter().find(|function| function.name == name).unwrap();
        let types: Vec<DataType> = args.iter().map(|arg| arg.data_type().clone()).collect();
        let (_, output) = (function.coerce)(&types).unwrap();
        (function.eval)(&Call { args, rows: args[0].len(), output: &output }).unwrap()
    }

    #[test]
    fn null_in_any_argument_is_null() {
        let a: ArrayRef = Arc::new(Int64Array::from(vec![Some(7), Some(-7), None]));
        let b: ArrayRef = Arc::new(Int64Array::from(vec![Some(0), Some(4), Some(2)]));
        let ints = |name| call(name, &[a.clone(), b.clone()]).as_primitive::<Int64Type>().iter().collect::<Vec<_>>();
        assert_eq!(ints("greatest"), [Some(7), Some(4), None]);
        assert_eq!(ints("least"), [Some(0), Some(-7), None]);
        let s: ArrayRef = Arc::new(StringArray::from(vec![Some("ä"), None, Some("")]));
        let t: ArrayRef = Arc::new(StringArray::from(vec!["-0", "-4", "-2"]));
        let text = call("concat", &[s, t]);
        assert_eq!(text.as_string::<i32>().iter().collect::<Vec<_>>(), [Some("ä-0"), None, Some("-2")]);
    }
}
