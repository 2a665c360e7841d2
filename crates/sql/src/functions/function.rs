//! What a scalar function of ours is: a name, the argument types it takes, and a loop over columns.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Int64Type, Time32MillisecondType, TimestampMillisecondType};
use arrow_array::{
    Array, ArrayAccessor, ArrayRef, BooleanArray, Date32Array, Float64Array, Int64Array, StringArray,
    Time32MillisecondArray, TimestampMillisecondArray, builder::StringBuilder,
};
use arrow_schema::{DataType, Field, FieldRef, TimeUnit};
use datafusion_common::{Result, ScalarValue, plan_err};
use datafusion_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use super::zones::to_local;
use crate::parse::column_type::{TIME, instant, is_instant};
use highwater_core::time::{DAY_MS, Zone};

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
        ScalarUDF::new_from_impl(Udf {
            function: self,
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
    zone: Zone,
    aliases: Vec<String>,
    signature: Signature,
}

/// A function of ours in a session in this zone; others are as they are.
pub fn in_zone(function: &Arc<ScalarUDF>, zone: Zone) -> Arc<ScalarUDF> {
    match function.inner().downcast_ref::<Udf>() {
        Some(ours) => Arc::new(ours.function.udf(zone)),
        None => Arc::clone(function),
    }
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
        self.function.name
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
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

/// The arguments of a call: columns, or constants as a column of one row.
pub(super) struct Args {
    columns: Vec<(ArrayRef, usize)>,
    /// How many rows the result has.
    pub(super) rows: usize,
    /// The session's zone.
    pub(super) zone: Zone,
}

impl Args {
    fn new(args: &[ColumnarValue], rows: usize, zone: Zone) -> Result<Args> {
        let column = |arg: &ColumnarValue| match arg {
            ColumnarValue::Array(array) => Ok((array.clone(), 1)),
            ColumnarValue::Scalar(scalar) => Ok((scalar.to_array()?, 0)),
        };
        Ok(Args { columns: args.iter().map(column).collect::<Result<_>>()?, rows, zone })
    }

    /// The same with the instants of an argument as the times that the session's clocks show.
    pub(super) fn local(&self, index: usize) -> Args {
        let mut columns = self.columns.clone();
        let (array, _) = &mut columns[index];
        *array = to_local(array.as_primitive(), self.zone);
        Args { columns, rows: self.rows, zone: self.zone }
    }

    /// The same with the times of day of an argument as those of 1970-01-01.
    pub(super) fn on_first_day(&self, index: usize) -> Args {
        let mut columns = self.columns.clone();
        let (array, _) = &mut columns[index];
        let times = array.as_primitive::<Time32MillisecondType>();
        *array = Arc::new(times.unary::<_, TimestampMillisecondType>(i64::from));
        Args { columns, rows: self.rows, zone: self.zone }
    }

    /// How many arguments there are.
    pub(super) fn count(&self) -> usize {
        self.columns.len()
    }

    /// A text argument.
    pub(super) fn text(&self, index: usize) -> Column<'_, StringArray> {
        let (array, step) = &self.columns[index];
        Column { array: array.as_string::<i32>(), step: *step }
    }

    /// A whole-number argument.
    pub(super) fn int(&self, index: usize) -> Column<'_, Int64Array> {
        let (array, step) = &self.columns[index];
        Column { array: array.as_primitive::<Int64Type>(), step: *step }
    }

    /// A time argument, in ms.
    pub(super) fn time(&self, index: usize) -> Column<'_, TimestampMillisecondArray> {
        let (array, step) = &self.columns[index];
        Column { array: array.as_primitive::<TimestampMillisecondType>(), step: *step }
    }

    /// A date argument, in days.
    pub(super) fn date(&self, index: usize) -> Column<'_, Date32Array> {
        let (array, step) = &self.columns[index];
        Column { array: array.as_primitive::<Date32Type>(), step: *step }
    }

    /// A boolean argument.
    pub(super) fn bool(&self, index: usize) -> Column<'_, BooleanArray> {
        let (array, step) = &self.columns[index];
        Column { array: array.as_boolean(), step: *step }
    }

    /// A text column, row by row: `write` appends to the text it is given, or answers `None` for NULL.
    pub(super) fn texts(&self, mut write: impl FnMut(usize, &mut String) -> Option<()>) -> ArrayRef {
        let mut builder = StringBuilder::with_capacity(self.rows, self.rows * 16);
        let mut buffer = String::new();
        for row in 0..self.rows {
            buffer.clear();
            match write(row, &mut buffer) {
                Some(()) => builder.append_value(&buffer),
                None => builder.append_null(),
            }
        }
        Arc::new(builder.finish())
    }

    /// A text column of pieces of the arguments, row by row.
    pub(super) fn slices<'a>(&self, mut piece: impl FnMut(usize) -> Option<&'a str>) -> ArrayRef {
        let mut builder = StringBuilder::with_capacity(self.rows, self.rows * 16);
        (0..self.rows).for_each(|row| builder.append_option(piece(row)));
        Arc::new(builder.finish())
    }

    /// A whole-number column, row by row.
    pub(super) fn ints(&self, value: impl FnMut(usize) -> Option<i64>) -> ArrayRef {
        Arc::new((0..self.rows).map(value).collect::<Int64Array>())
    }

    /// A time column in ms, row by row.
    pub(super) fn times(&self, value: impl FnMut(usize) -> Option<i64>) -> ArrayRef {
        Arc::new((0..self.rows).map(value).collect::<TimestampMillisecondArray>())
    }

    /// A column of instants, row by row.
    pub(super) fn instants(&self, value: impl FnMut(usize) -> Option<i64>) -> ArrayRef {
        let times: TimestampMillisecondArray = (0..self.rows).map(value).collect();
        Arc::new(times.with_data_type(instant()))
    }

    /// A column of times of day in ms, row by row; they go round at midnight.
    pub(super) fn clocks(&self, mut value: impl FnMut(usize) -> Option<i64>) -> ArrayRef {
        let time = |row| Some(value(row)?.rem_euclid(DAY_MS) as i32);
        Arc::new((0..self.rows).map(time).collect::<Time32MillisecondArray>())
    }

    /// A date column in days, row by row; a day that dates do not reach is NULL.
    pub(super) fn dates(&self, mut value: impl FnMut(usize) -> Option<i64>) -> ArrayRef {
        let day = |row| value(row).and_then(|day| i32::try_from(day).ok());
        Arc::new((0..self.rows).map(day).collect::<Date32Array>())
    }

    /// A number column, row by row.
    pub(super) fn floats(&self, value: impl FnMut(usize) -> Option<f64>) -> ArrayRef {
        Arc::new((0..self.rows).map(value).collect::<Float64Array>())
    }

    /// A boolean column, row by row.
    pub(super) fn bools(&self, value: impl FnMut(usize) -> Option<bool>) -> ArrayRef {
        Arc::new((0..self.rows).map(value).collect::<BooleanArray>())
    }

    /// What an evaluation by rows makes of this, or the first failure in it: `build` answers a column from what it is
    /// handed for each row.
    pub(super) fn trying<T>(
        &self,
        mut value: impl FnMut(usize) -> Result<Option<T>>,
        build: impl FnOnce(&Args, &mut dyn FnMut(usize) -> Option<T>) -> ArrayRef,
    ) -> Result<ArrayRef> {
        let mut failed = Ok(());
        let result = build(self, &mut |row| match value(row) {
            Ok(value) => value,
            Err(error) => {
                failed = Err(error);
                None
            }
        });
        failed.map(|()| result)
    }
}

/// One argument by row; a constant is the same in all.
#[derive(Clone, Copy)]
pub(super) struct Column<'a, A> {
    array: &'a A,
    step: usize,
}

impl<'a, A: Array> Column<'a, A>
where
    &'a A: ArrayAccessor,
{
    /// The value in a row.
    pub(super) fn get(&self, row: usize) -> Option<<&'a A as ArrayAccessor>::Item> {
        let row = row * self.step;
        self.array.is_valid(row).then(|| self.array.value(row))
    }

    /// The value, if it is the same in all rows.
    pub(super) fn constant(&self) -> Option<Option<<&'a A as ArrayAccessor>::Item>> {
        (self.step == 0).then(|| self.get(0))
    }

    /// The column, one value a row.
    pub(super) fn whole(&self) -> Option<&'a A> {
        (self.step == 1).then_some(self.array)
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
