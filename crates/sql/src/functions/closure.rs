//! Scalar functions that are an embedder's closures over typed arguments.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;
use datafusion_common::{Result, ScalarValue, exec_datafusion_err, exec_err, plan_err};
use datafusion_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};

use highwater_core::guard::guarded;
use highwater_core::plan::sql_type;
use highwater_core::values::{Answer, Argument, Taken, Value};

/// A scalar function to be registered: a closure ([`scalar`]), or one of DataFusion's kind.
#[derive(Clone, Debug)]
pub struct ScalarFunction {
    pub(crate) function: Arc<ScalarUDF>,
    pub(crate) version: u64,
}

impl ScalarFunction {
    /// As what it is known to data directories, beside its name: say another when it computes something else, for what a data directory
    /// holds is of what it computed before. 0 unless it is said.
    pub fn with_version(self, version: u64) -> ScalarFunction {
        ScalarFunction { version, ..self }
    }
}

impl From<ScalarUDF> for ScalarFunction {
    fn from(function: ScalarUDF) -> ScalarFunction {
        Arc::new(function).into()
    }
}

impl From<Arc<ScalarUDF>> for ScalarFunction {
    fn from(function: Arc<ScalarUDF>) -> ScalarFunction {
        ScalarFunction { function, version: 0 }
    }
}

/// A scalar function of that name that is a closure over values of Rust's types ([`highwater_core::values`]).
///
/// A row in which an argument is NULL is NULL, without a call; an argument that is an `Option` is handed NULL as `None`. A closure
/// answers a value, an `Option`, or a `Result`: a row that fails is a dead letter, and so is one on which it panics. A function that
/// answers a `Vec` also stands in FROM, as a table: `CROSS JOIN LATERAL TABLE(f(x)) AS t (a)`.
///
/// Of the same arguments it must always answer the same: rows are taken back by computing them again.
///
/// ```
/// use highwater_sql::scalar;
///
/// let half = scalar("half", |x: f64| x / 2.0);
/// let initial = scalar("initial", |name: &str| name.chars().next().map(String::from));
/// let port = scalar("port", |text: &str| text.parse::<u16>().map(i32::from));
/// let words = scalar("words", |text: &str| text.split(' ').map(String::from).collect::<Vec<_>>());
/// let or = scalar("or_zero", |x: Option<i64>| x.unwrap_or(0));
/// # let _ = (half, initial, port, words, or);
/// ```
pub fn scalar<M: 'static, F: ScalarFn<M>>(name: impl Into<String>, function: F) -> ScalarFunction {
    ScalarUDF::new_from_impl(Closure {
        name: name.into().to_lowercase(),
        arguments: F::arguments(),
        output: <F::Answer as Answer>::Value::data_type(),
        signature: Signature::user_defined(Volatility::Immutable),
        function: Arc::new(Typed(function, PhantomData)),
    })
    .into()
}

/// A value or NULL for each row.
type Answers<R> = Vec<Option<<R as Answer>::Value>>;

/// A closure over values of Rust's types. `M` is its own signature.
#[diagnostic::on_unimplemented(
    message = "this is no function that SQL can call",
    label = "of other types than SQL has",
    note = "arguments: bool, i8 to i64, f32, f64, &str, String, &[u8], Bytes, Timestamp, Instant, Date, or an Option of one",
    note = "answers: bool, i8 to i64, f32, f64, String, Bytes, Timestamp, Instant, Date, Vec, tuples; or an Option or a Result of one"
)]
pub trait ScalarFn<M>: Send + Sync + 'static {
    /// What it answers.
    type Answer: Answer;

    /// The types of the arguments, each with what fits it.
    fn arguments() -> Vec<Taken>;

    /// What it answers of rows of columns of these types. Of a column of a constant there is one row.
    ///
    /// # Errors
    /// The first row that fails.
    fn answers(&self, columns: &[ArrayRef], rows: usize) -> std::result::Result<Answers<Self::Answer>, String>;
}

macro_rules! of {
    ($($arg:ident $at:tt),*) => {
        impl<Function, R, $($arg),*> ScalarFn<fn($($arg),*) -> R> for Function
        where
            Function: Fn($($arg),*) -> R + for<'a> Fn($($arg::Of<'a>),*) -> R + Send + Sync + 'static,
            R: Answer,
            $($arg: Argument,)*
        {
            type Answer = R;

            fn arguments() -> Vec<Taken> {
                vec![$(($arg::data_type(), $arg::fits as fn(&DataType) -> bool)),*]
            }

            #[allow(non_snake_case, unused_variables, clippy::too_many_arguments)]
            fn answers(&self, columns: &[ArrayRef], rows: usize) -> std::result::Result<Answers<R>, String> {
                // Of the two forms that the closure has, the one with the lifetimes of the columns.
                fn call<R, $($arg),*>(function: impl Fn($($arg),*) -> R, $($arg: $arg),*) -> R {
                    function($($arg),*)
                }
                $(let $arg = ($arg::column(&columns[$at]), columns[$at].len() == rows);)*
                let answer = |row: usize| -> Option<R> {
                    $(let $arg = $arg::get(&$arg.0, if $arg.1 { row } else { 0 })?;)*
                    Some(call::<R, $($arg::Of<'_>),*>(self, $($arg),*))
                };
                (0..rows).map(|row| answer(row).map(R::value).transpose()).collect()
            }
        }
    };
}

of!();
of!(A 0);
of!(A 0, B 1);
of!(A 0, B 1, C 2);
of!(A 0, B 1, C 2, D 3);
of!(A 0, B 1, C 2, D 3, E 4);
of!(A 0, B 1, C 2, D 3, E 4, G 5);
of!(A 0, B 1, C 2, D 3, E 4, G 5, H 6);
of!(A 0, B 1, C 2, D 3, E 4, G 5, H 6, I 7);

/// A closure without its types.
trait Evaluate: Send + Sync {
    fn evaluate(&self, columns: &[ArrayRef], rows: usize) -> std::result::Result<ArrayRef, String>;
}

struct Typed<F, M>(F, PhantomData<fn() -> M>);

impl<M: 'static, F: ScalarFn<M>> Evaluate for Typed<F, M> {
    fn evaluate(&self, columns: &[ArrayRef], rows: usize) -> std::result::Result<ArrayRef, String> {
        self.0.answers(columns, rows).map(<F::Answer as Answer>::Value::column)
    }
}

struct Closure {
    name: String,
    arguments: Vec<Taken>,
    output: DataType,
    signature: Signature,
    function: Arc<dyn Evaluate>,
}

impl Closure {
    fn usage(&self) -> String {
        let types: Vec<String> = self.arguments.iter().map(|(data_type, _)| sql_type(data_type)).collect();
        format!("{}({})", self.name.to_uppercase(), types.join(", "))
    }
}

impl fmt::Debug for Closure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.usage())
    }
}

impl PartialEq for Closure {
    fn eq(&self, other: &Closure) -> bool {
        self.name == other.name && Arc::ptr_eq(&self.function, &other.function)
    }
}

impl Eq for Closure {}

impl Hash for Closure {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for Closure {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        let fits = given.len() == self.arguments.len()
            && given.iter().zip(&self.arguments).all(|(given, (_, fits))| fits(given));
        match fits {
            true => Ok(self.arguments.iter().map(|(data_type, _)| data_type.clone()).collect()),
            false => {
                let given: Vec<String> = given.iter().map(sql_type).collect();
                plan_err!("{} does not take ({}); write {}", self.name.to_uppercase(), given.join(", "), self.usage())
            }
        }
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.output.clone())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let constant = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let rows = if constant { 1 } else { args.number_rows };
        let column = |arg: ColumnarValue| match arg {
            ColumnarValue::Array(column) => Ok(column),
            ColumnarValue::Scalar(value) => value.to_array(),
        };
        let columns = args.args.into_iter().map(column).collect::<Result<Vec<ArrayRef>>>()?;
        let shown = self.name.to_uppercase();
        let answered = guarded(
            || self.function.evaluate(&columns, rows).map_err(|error| exec_datafusion_err!("{shown}: {error}")),
            || exec_datafusion_err!("{shown} panicked"),
        )?;
        if answered.len() != rows {
            return exec_err!("{shown} answered {} values for {rows} rows", answered.len());
        }
        if constant {
            Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&answered, 0)?))
        } else {
            Ok(answered.into())
        }
    }
}
