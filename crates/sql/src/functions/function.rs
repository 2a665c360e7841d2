//! What a scalar function of ours is: a name, the argument types it takes, and a loop over columns.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_schema::{DataType, Field, FieldRef, TimeUnit};
use datafusion_common::{Result, ScalarValue, plan_err};
use datafusion_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

pub(super) use super::args::Args;
use super::called::schema_name;
use crate::parse::column_type::{TIME, instant, is_instant};
use highwater_core::time::Zone;

/// The type of an argument or result, as users see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// `Utf8`; any text fits.
    Text,
    /// A unit of time, which SQL writes as a word and the syntax tree as a text.
    Unit,
    /// `Int64`; any whole number fits.
    Int,
    /// `Boolean`.
    Bool,
    /// `Timestamp(ms)`; any timestamp or date fits.
    Time,
    /// An instant: a TIMESTAMP_LTZ.
    Instant,
    /// A time of day, a TIME: `Time32(ms)`.
    Clock,
    /// `Date32`.
    Date,
    /// `Float64`; any number fits.
    Float,
}

impl Kind {
    pub(super) fn data_type(self) -> DataType {
        match self {
            Kind::Text | Kind::Unit => DataType::Utf8,
            Kind::Int => DataType::Int64,
            Kind::Bool => DataType::Boolean,
            Kind::Time => TIME,
            Kind::Instant => instant(),
            Kind::Clock => DataType::Time32(TimeUnit::Millisecond),
            Kind::Date => DataType::Date32,
            Kind::Float => DataType::Float64,
        }
    }

    fn fits(self, given: &DataType) -> bool {
        (given.is_null() && self != Kind::Instant)
            || match self {
                Kind::Text | Kind::Unit => given.is_string(),
                Kind::Int => given.is_integer(),
                Kind::Bool => *given == DataType::Boolean,
                Kind::Time => matches!(given, DataType::Timestamp(..) | DataType::Date32 | DataType::Date64),
                Kind::Instant => is_instant(given),
                Kind::Clock => is_clock(given),
                Kind::Date => *given == DataType::Date32,
                Kind::Float => given.is_numeric(),
            }
    }

    fn sql(self) -> &'static str {
        match self {
            Kind::Text => "VARCHAR",
            Kind::Unit => "unit",
            Kind::Int => "BIGINT",
            Kind::Bool => "BOOLEAN",
            Kind::Time => "TIMESTAMP",
            Kind::Instant => "TIMESTAMP_LTZ",
            Kind::Clock => "TIME",
            Kind::Date => "DATE",
            Kind::Float => "DOUBLE",
        }
    }
}

/// Checks the constant arguments of a call when it is planned; a column's place holds `None`.
pub(super) type Check = fn(&[Option<&str>]) -> Result<()>;

/// Whether the constant arguments of a call are those of a form.
pub(super) type When = fn(&[Option<&str>]) -> bool;

/// One way to call a function.
#[derive(Debug)]
pub(super) struct Form {
    args: &'static [Kind],
    output: Kind,
    check: Option<Check>,
    when: Option<When>,
    eval: fn(&Args) -> Result<ArrayRef>,
}

impl Form {
    pub(super) const fn new(args: &'static [Kind], output: Kind, eval: fn(&Args) -> Result<ArrayRef>) -> Form {
        Form { args, output, check: None, when: None, eval }
    }

    /// Constant text arguments are checked when the call is planned.
    pub(super) const fn checked(self, check: Check) -> Form {
        Form { check: Some(check), ..self }
    }

    /// Of two forms with the same arguments the first is meant only by such constants.
    pub(super) const fn when(self, when: When) -> Form {
        Form { when: Some(when), ..self }
    }

    /// Whether it takes such arguments; `constants` are empty where they are not known, and only types are asked for.
    fn fits(&self, given: &[DataType], constants: &[Option<&str>]) -> bool {
        given.len() == self.args.len()
            && self.args.iter().zip(given).all(|(kind, given)| kind.fits(given))
            && (constants.is_empty() || self.when.is_none_or(|when| when(constants)))
    }
}

/// A function of ours.
#[derive(Debug)]
pub(super) struct Function {
    /// Its name, lower case.
    pub(super) name: &'static str,
    /// Other names.
    pub(super) aliases: &'static [&'static str],
    /// The ways to call it; the first that fits is meant.
    pub(super) forms: &'static [Form],
}

impl Function {
    /// The function as the planner knows it, in a session in this zone.
    pub(super) fn udf(&'static self, zone: Zone) -> ScalarUDF {
        self.called(self.name, zone)
    }

    /// The same under one of its names, which is what it is told by.
    fn called(&'static self, name: &'static str, zone: Zone) -> ScalarUDF {
        ScalarUDF::new_from_impl(Udf {
            function: self,
            name,
            zone,
            aliases: self.aliases.iter().map(|&alias| alias.to_owned()).collect(),
            signature: Signature::user_defined(Volatility::Immutable),
        })
    }

    fn form(&self, given: &[DataType], constants: &[Option<&str>]) -> Result<&Form> {
        if let Some(form) = self.forms.iter().find(|form| form.fits(given, constants)) {
            return Ok(form);
        }
        // What takes an instant takes a time too.
        let shown = self.forms.iter().filter(|form| !form.args.contains(&Kind::Instant) && form.when.is_none());
        let forms: Vec<String> =
            shown.map(|form| self.written(form.args.iter().map(|kind| kind.sql().to_owned()))).collect();
        let dated = match given.iter().any(is_clock) && self.takes(Kind::Time) && !self.takes(Kind::Clock) {
            true => ", and DATE '2024-01-01' + t for a TIMESTAMP of a TIME",
            false => "",
        };
        let units = |at: usize| self.forms.iter().all(|form| form.args.get(at) == Some(&Kind::Unit));
        let given = given
            .iter()
            .enumerate()
            .filter(|(at, _)| !units(*at))
            .map(|(_, given)| highwater_core::plan::sql_type(given));
        let given: Vec<String> = given.collect();
        plan_err!("{} does not take ({}); write {}{dated}", self.shown(), given.join(", "), forms.join(" or "))
    }

    fn takes(&self, kind: Kind) -> bool {
        self.forms.iter().any(|form| form.args.contains(&kind))
    }

    /// What it is called where SQL has a syntax of its own for it.
    fn shown(&self) -> String {
        let own = SYNTAX.iter().find(|(name, ..)| *name == self.name).map(|(_, shown, _)| *shown);
        own.map_or_else(|| self.name.to_ascii_uppercase(), str::to_owned)
    }

    /// A call with these arguments, as SQL writes it.
    fn written(&self, args: impl Iterator<Item = String>) -> String {
        let args: Vec<String> = args.collect();
        match SYNTAX.iter().find(|(name, ..)| *name == self.name) {
            Some((_, shown, between)) => format!("{shown}({})", between.replace("{}", &args[1])),
            None => format!("{}({})", self.shown(), args.join(", ")),
        }
    }
}

/// Functions of a unit and a time with a syntax of their own: their names there, and what stands in the parentheses.
const SYNTAX: &[(&str, &str, &str)] = &[
    ("timestamp_floor", "FLOOR", "{} TO unit"),
    ("timestamp_ceil", "CEIL", "{} TO unit"),
    ("date_part", "EXTRACT", "unit FROM {}"),
];

/// Whether a type is that of a time of day.
fn is_clock(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Time32(_) | DataType::Time64(_))
}

#[derive(Debug)]
struct Udf {
    function: &'static Function,
    /// What it is called by. Under another of its names it is the same function.
    name: &'static str,
    zone: Zone,
    aliases: Vec<String>,
    signature: Signature,
}

/// A function of ours in a session in this zone; others are as they are.
pub fn in_zone(function: &Arc<ScalarUDF>, zone: Zone) -> Arc<ScalarUDF> {
    match function.inner().downcast_ref::<Udf>() {
        Some(ours) => Arc::new(ours.function.called(ours.name, zone)),
        None => Arc::clone(function),
    }
}

/// A function of ours under one of its names; nothing if it is none of ours.
pub(super) fn under(function: &ScalarUDF, name: &str) -> Option<ScalarUDF> {
    let ours = function.inner().downcast_ref::<Udf>()?;
    let name = ours.function.aliases.iter().find(|alias| **alias == name).copied().unwrap_or(ours.function.name);
    Some(ours.function.called(name, ours.zone))
}

/// The session's zone that a function of ours knows.
pub fn zone_of(function: &ScalarUDF) -> Option<Zone> {
    Some(function.inner().downcast_ref::<Udf>()?.zone)
}

impl PartialEq for Udf {
    fn eq(&self, other: &Self) -> bool {
        (self.function.name, self.zone) == (other.function.name, other.zone)
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
        let form = self.function.form(given, &[])?;
        Ok(form.args.iter().map(|kind| kind.data_type()).collect())
    }

    fn return_type(&self, given: &[DataType]) -> Result<DataType> {
        Ok(self.function.form(given, &[])?.output.data_type())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let given: Vec<DataType> = args.arg_fields.iter().map(|field| field.data_type().clone()).collect();
        let constants: Vec<Option<&str>> = args
            .scalar_arguments
            .iter()
            .map(|scalar| scalar.and_then(|scalar| scalar.try_as_str().flatten()))
            .collect();
        let form = self.function.form(&given, &constants)?;
        if let Some(check) = form.check {
            check(&constants)?;
        }
        Ok(Arc::new(Field::new(self.function.name, form.output.data_type(), true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let given: Vec<DataType> = args.args.iter().map(ColumnarValue::data_type).collect();
        let constants: Vec<Option<&str>> = args
            .args
            .iter()
            .map(|arg| match arg {
                ColumnarValue::Scalar(scalar) => scalar.try_as_str().flatten(),
                ColumnarValue::Array(_) => None,
            })
            .collect();
        let form = self.function.form(&given, &constants)?;
        let constant = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let args = Args::new(&args.args, if constant { 1 } else { args.number_rows }, self.zone)?;
        let result = (form.eval)(&args)?;
        if constant { Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?)) } else { Ok(result.into()) }
    }
}

/// Calls a function by name as a plan would: coerced, then evaluated over columns (`rows` of them) and constants.
#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(super) fn call(name: &str, args: Vec<ColumnarValue>, rows: usize) -> Result<ArrayRef> {
    let called = |udf: &Arc<ScalarUDF>| udf.name() == name || udf.aliases().iter().any(|alias| alias == name);
    let udf = super::all().into_iter().rev().find(called).unwrap();
    let types: Vec<DataType> = args.iter().map(ColumnarValue::data_type).collect();
    let types = udf.coerce_types(&types)?;
    let args: Vec<ColumnarValue> =
        args.into_iter().zip(&types).map(|(arg, to)| arg.cast_to(to, None)).collect::<Result<_>>()?;
    let scalars: Vec<Option<&ScalarValue>> = args
        .iter()
        .map(|arg| match arg {
            ColumnarValue::Scalar(scalar) => Some(scalar),
            ColumnarValue::Array(_) => None,
        })
        .collect();
    let fields: Vec<FieldRef> = types.iter().map(|kind| Arc::new(Field::new("x", kind.clone(), true))).collect();
    let return_field =
        udf.return_field_from_args(ReturnFieldArgs { arg_fields: &fields, scalar_arguments: &scalars })?;
    let result = udf.invoke_with_args(ScalarFunctionArgs {
        args: args.clone(),
        arg_fields: fields,
        number_rows: rows,
        return_field: return_field.clone(),
        config_options: Arc::default(),
    })?;
    let result = result.into_array(rows)?;
    assert_eq!(result.data_type(), return_field.data_type());
    Ok(result)
}
