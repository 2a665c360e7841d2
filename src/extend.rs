//! What one's own functions, connectors and formats are made of, and where they are registered.
//!
//! Functions are closures ([`scalar`], [`aggregate`]). What keeps a state or reaches outside is a trait: [`Aggregate`] with its
//! [`Accumulator`], [`Connector`] with its [`Reader`]s, [`SinkConnector`] with its [`Writer`]s, [`Format`] with its [`Decoding`] and
//! [`Encoder`]. What is iterated is a [`relation`], on differential dataflow. Each is registered with
//! [`Highwater::builder`](crate::Highwater::builder), or in a [`Catalog`] that several programs, and tests of them, share. Nothing is
//! global: what is registered belongs to its catalogue, and to the plans that use it.
//!
//! [`crate::testing::conformance`] proves that what is written keeps what its trait promises. The manual is `docs/extending.md`.

/// The programs of the manual.
#[cfg(doctest)]
#[doc = include_str!("../docs/extending.md")]
struct Manual;

/// ```
/// use std::any::Any;
/// use std::sync::Arc;
///
/// use highwater::arrow_array::{Array, ArrayRef, Int64Array, cast::AsArray, types::Int64Type};
/// use highwater::arrow_schema::DataType;
/// use highwater::datafusion_common::ScalarValue;
/// use highwater::extend::{Accumulator, Aggregate, AggregateError, Call, Input, Signature, Unfit};
///
/// /// `PARITY(x)`: whether the values that are not NULL are an even or an odd number, as 0 or 1.
/// #[derive(Debug)]
/// struct Parity;
///
/// impl Aggregate for Parity {
///     fn name(&self) -> &str {
///         "PARITY"
///     }
///     fn help(&self) -> &str {
///         "`PARITY(x)`: the number of values modulo 2"
///     }
///     fn bind(&self, args: &[DataType], _: &[ScalarValue]) -> Result<Signature, AggregateError> {
///         match args {
///             [arg] => Ok(Signature { args: vec![arg.clone()], output: DataType::Int64 }),
///             _ => Err(AggregateError::arguments(self, args, "give it one value")),
///         }
///     }
///     fn accumulator(&self, _: &Call) -> Box<dyn Accumulator> {
///         Box::new(Counts(Vec::new()))
///     }
/// }
///
/// /// How many there are, for each group.
/// struct Counts(Vec<i64>);
///
/// impl Accumulator for Counts {
///     fn resize(&mut self, groups: usize) {
///         self.0.resize(groups.max(self.0.len()), 0);
///     }
///     fn update(&mut self, groups: &[u32], input: &Input<'_>) {
///         for (row, &group) in groups.iter().enumerate() {
///             if input.args[0].is_valid(row) && input.keep.is_none_or(|keep| keep.value(row)) {
///                 self.0[group as usize] += input.diffs.map_or(1, |diffs| diffs[row]);
///             }
///         }
///     }
///     fn merge(&mut self, groups: &[u32], other: &dyn Accumulator, from: &[u32], sign: i64) {
///         let other = other.as_any().downcast_ref::<Counts>().expect("made by the same call");
///         groups.iter().zip(from).for_each(|(&group, &from)| self.0[group as usize] += sign * other.0[from as usize]);
///     }
///     fn evaluate(&self, groups: &[u32]) -> ArrayRef {
///         let parity = |&group: &u32| Some(self.0[group as usize]).filter(|&count| count != 0).map(|count| count % 2);
///         Arc::new(groups.iter().map(parity).collect::<Int64Array>())
///     }
///     fn reset(&mut self, groups: &[u32]) {
///         groups.iter().for_each(|&group| self.0[group as usize] = 0);
///     }
///     fn saved(&self) -> Vec<DataType> {
///         vec![DataType::Int64]
///     }
///     fn save(&self, groups: &[u32]) -> Vec<ArrayRef> {
///         vec![Arc::new(groups.iter().map(|&group| Some(self.0[group as usize])).collect::<Int64Array>())]
///     }
///     fn load(&mut self, groups: &[u32], saved: &[ArrayRef]) -> Result<(), Unfit> {
///         let counts = saved[0].as_primitive::<Int64Type>().values();
///         groups.iter().zip(counts).for_each(|(&group, count)| self.0[group as usize] = *count);
///         Ok(())
///     }
///     fn bytes(&self) -> usize {
///         8 * self.0.capacity()
///     }
///     fn as_any(&self) -> &dyn Any {
///         self
///     }
/// }
///
/// highwater::testing::conformance::aggregate(&Parity);
/// ```
pub use crate::aggregate::Aggregate;

/// An example is at [`Aggregate`].
pub use crate::aggregate::Accumulator;

/// ```
/// use highwater::extend::{AggregateFn, aggregate};
///
/// // Whatever takes slices of values is one.
/// fn first<M: 'static>(name: &str, function: impl AggregateFn<M>) -> String {
///     format!("{:?}", aggregate(name, function))
/// }
///
/// assert_eq!(first("spread", |values: &[f64]| values[values.len() - 1] - values[0]), "SPREAD(DOUBLE)");
/// ```
pub use crate::aggregate::AggregateFn;

pub use crate::aggregate::{AggregateError, Applied, Call, Input, Signature, aggregate, outcome_of, outcomes};

pub use crate::delta::{Delta, Reject, Unfit};

/// A format of which a record is a line takes lines apart ([`decode_lines`]) and writes them ([`Encoder`]):
///
/// ```
/// use highwater::Highwater;
/// use highwater::arrow_array::RecordBatch;
/// use highwater::arrow_schema::SchemaRef;
/// use highwater::extend::{Decoding, Encoder, Format, FormatError, Layout, OptionSpec, Options, decode_lines, texts};
///
/// /// `a=1;b=2`: names and values.
/// #[derive(Debug)]
/// struct Pairs;
///
/// impl Format for Pairs {
///     fn name(&self) -> &str {
///         "pairs"
///     }
///     fn help(&self) -> &str {
///         "lines of name=value with ; between them"
///     }
///     fn extensions(&self) -> &[&str] {
///         &["pairs"]
///     }
///     fn options(&self) -> &'static [OptionSpec] {
///         &[]
///     }
///     fn decoding(&self, layout: &Layout, _: &Options) -> Result<Decoding, FormatError> {
///         decode_lines(self.name(), layout, |line, pair| {
///             line.split(';').try_for_each(|part| match part.split_once('=') {
///                 Some((name, value)) => Ok(pair(name, value)),
///                 None => Err(format!("expected name=value, found '{part}'")),
///             })
///         })
///     }
///     fn encoder(&self, _: &SchemaRef, _: &Options) -> Result<Box<dyn Encoder>, FormatError> {
///         Ok(Box::new(PairWriter))
///     }
/// }
///
/// struct PairWriter;
///
/// impl Encoder for PairWriter {
///     fn encode(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<(), FormatError> {
///         let columns: Vec<Vec<Option<String>>> = batch.columns().iter().map(texts).collect();
///         for row in 0..batch.num_rows() {
///             let schema = batch.schema();
///             let named = schema.fields().iter().zip(&columns);
///             let pairs = named.filter_map(|(field, texts)| Some(format!("{}={}", field.name(), texts[row].as_deref()?)));
///             out.extend_from_slice(pairs.collect::<Vec<_>>().join(";").as_bytes());
///             out.push(b'\n');
///         }
///         Ok(())
///     }
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let highwater = Highwater::builder()
///     .sql(
///         "CREATE SOURCE s (a BIGINT, b VARCHAR) WITH ('connector' = 'http', 'format' = 'pairs');
///          CREATE MATERIALIZED VIEW v AS SELECT b, SUM(a) AS a FROM s GROUP BY b;",
///     )
///     .format(Pairs)
///     .start()?;
/// # Ok(())
/// # }
/// ```
pub use crate::format::Format;

/// An example is at [`Format`].
pub use crate::format::Encoder;

#[doc = include_str!("extend/records.md")]
pub use crate::format::TextDecoding;

/// An example is at [`TextDecoding`].
pub use crate::format::{Decoder, Records};

/// A format of blocks opens an input as a whole:
///
/// ```
/// use std::sync::Arc;
///
/// use highwater::extend::{BlockDecoding, BlockInput, Parts, Spot};
///
/// #[derive(Debug)]
/// struct Empty;
///
/// impl BlockDecoding for Empty {
///     fn open(&self, input: BlockInput, _: Spot) -> Result<Parts, String> {
///         let length = match input {
///             BlockInput::File(file) => file.length().map_err(|error| error.to_string())?,
///             BlockInput::Stream(_) => return Err("it is read from files only".to_owned()),
///         };
///         if length == 0 { Ok(Box::new(std::iter::empty())) } else { Err(format!("it has {length} bytes and is to be empty")) }
///     }
/// }
///
/// struct Bytes(Vec<u8>);
///
/// impl highwater::extend::ReadAt for Bytes {
///     fn length(&self) -> std::io::Result<u64> {
///         Ok(self.0.len() as u64)
///     }
///     fn read_at(&self, buffer: &mut [u8], position: u64) -> std::io::Result<usize> {
///         let rest = self.0.get(position as usize..).unwrap_or_default();
///         let length = rest.len().min(buffer.len());
///         buffer[..length].copy_from_slice(&rest[..length]);
///         Ok(length)
///     }
/// }
///
/// let told = Empty.open(BlockInput::File(Arc::new(Bytes(vec![1, 2]))), Spot::default()).err();
/// assert_eq!(told.as_deref(), Some("it has 2 bytes and is to be empty"));
/// ```
pub use crate::format::BlockDecoding;

/// An example is at [`BlockDecoding`].
pub use crate::format::ReadAt;

pub use crate::format::{
    Beginning, Came, Decoding, Fault, FormatError, Input as BlockInput, Layout, Mark as RecordMark, Part, Parts, Spot,
    decode_lines, texts,
};

pub use crate::options::{OptionError, OptionSpec, Options};

/// ```
/// use std::sync::{Arc, Mutex};
///
/// use highwater::Highwater;
/// use highwater::extend::{Delta, Epoch, OptionSpec, SinkConnector, SinkError, SinkSpec, Writer};
///
/// /// Counts the rows that stand.
/// #[derive(Clone, Debug, Default)]
/// struct Counter(Arc<Mutex<i64>>);
///
/// impl SinkConnector for Counter {
///     fn name(&self) -> &str {
///         "counter"
///     }
///     fn help(&self) -> &str {
///         "counts rows"
///     }
///     fn options(&self) -> &'static [OptionSpec] {
///         &[]
///     }
///     fn check(&self, _: &SinkSpec) -> Result<(), SinkError> {
///         Ok(())
///     }
///     fn per_worker(&self, _: &SinkSpec) -> bool {
///         false
///     }
///     fn open(&self, _: &SinkSpec, _: usize, _: usize) -> Result<Box<dyn Writer>, SinkError> {
///         Ok(Box::new(self.clone()))
///     }
/// }
///
/// impl Writer for Counter {
///     fn write(&mut self, _: Epoch, changes: &Delta) -> Result<(), SinkError> {
///         *self.0.lock().unwrap() += (0..changes.len()).map(|row| changes.diff(row)).sum::<i64>();
///         Ok(())
///     }
///     fn flush(&mut self) -> Result<(), SinkError> {
///         Ok(())
///     }
///     fn close(&mut self) -> Result<(), SinkError> {
///         Ok(())
///     }
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let counter = Counter::default();
/// let highwater = Highwater::builder()
///     .sql(
///         "CREATE SOURCE s (n BIGINT) WITH ('connector' = 'datagen', 'number-of-rows' = '100');
///          CREATE SINK counted WITH ('connector' = 'counter') AS SELECT n FROM s;",
///     )
///     .sink(counter.clone())
///     .start()?;
/// highwater.finished_within(std::time::Duration::from_secs(60))?;
/// assert_eq!(*counter.0.lock().unwrap(), 100);
/// # Ok(())
/// # }
/// ```
pub use crate::sink::SinkConnector;

/// An example is at [`SinkConnector`].
pub use crate::sink::Writer;

pub use crate::sink::{Before, Mark, SinkError, SinkSpec, written_rows, written_schema};

/// ```
/// use std::sync::Arc;
///
/// use highwater::Highwater;
/// use highwater::arrow_array::{ArrayRef, Int64Array, RecordBatch};
/// use highwater::extend::{
///     Connector, Decoded, OptionSpec, Options, Read, Reader, Replay, SourceError, SourceSpec, SplitId, Start,
/// };
///
/// /// The squares below 100, in a column that is declared `n BIGINT`.
/// #[derive(Debug)]
/// struct Squares;
///
/// impl Connector for Squares {
///     fn name(&self) -> &str {
///         "squares"
///     }
///     fn help(&self) -> &str {
///         "square numbers"
///     }
///     fn options(&self) -> &'static [OptionSpec] {
///         &[]
///     }
///     fn live(&self, _: &Options) -> bool {
///         false
///     }
///     fn check(&self, _: &SourceSpec) -> Result<(), SourceError> {
///         Ok(())
///     }
///     fn replay(&self) -> Replay {
///         Replay::Once
///     }
///     fn open(&self, spec: &SourceSpec, _: &[(SplitId, Start)]) -> Result<Vec<Box<dyn Reader>>, SourceError> {
///         Ok(vec![Box::new(SquareReader { spec: spec.clone(), ended: false })])
///     }
/// }
///
/// struct SquareReader {
///     spec: SourceSpec,
///     ended: bool,
/// }
///
/// impl Reader for SquareReader {
///     fn name(&self) -> &str {
///         "squares"
///     }
///     fn read(&mut self) -> Result<Read, SourceError> {
///         if std::mem::replace(&mut self.ended, true) {
///             return Ok(Read::End);
///         }
///         let squares: ArrayRef = Arc::new(Int64Array::from_iter_values((0..10).map(|n| n * n)));
///         let batch = RecordBatch::try_new(self.spec.physical.clone(), vec![squares]).expect("one BIGINT");
///         Ok(Read::Rows(Decoded::rows(batch, 0)))
///     }
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let highwater = Highwater::builder()
///     .sql(
///         "CREATE SOURCE s (n BIGINT) WITH ('connector' = 'squares');
///          CREATE MATERIALIZED VIEW total AS SELECT SUM(n) AS n FROM s;",
///     )
///     .source(Squares)
///     .start()?;
/// highwater.finished_within(std::time::Duration::from_secs(60))?;
/// assert_eq!(highwater.view("total")?.rows::<(i64,)>()?, [(285,)]);
/// # Ok(())
/// # }
/// ```
pub use crate::source::Connector;

/// An example is at [`Connector`].
pub use crate::source::Reader;

pub use crate::source::{Decoded, MetadataColumn, Position, Read, Replay, SourceError, SourceSpec, SplitId, Start};

/// ```
/// use highwater::Highwater;
/// use highwater::extend::relation;
/// use highwater::differential_dataflow::operators::iterate::Iterate;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let highwater = Highwater::builder()
///     .sql(
///         "CREATE SOURCE roads (a VARCHAR, b VARCHAR) WITH ('connector' = 'http');
///          CREATE TABLE reachable (a VARCHAR NOT NULL, b VARCHAR NOT NULL) WITH ('connector' = 'closure', 'reads' = 'roads');
///          CREATE MATERIALIZED VIEW reached AS SELECT a, COUNT(*) AS places FROM reachable GROUP BY a;",
///     )
///     .relation(relation("closure", |[roads]| {
///         let roads = roads.rows::<(String, String)>();
///         roads.clone().iterate(|scope, pairs| {
///             let roads = roads.enter(scope);
///             let next = pairs.clone().map(|(a, b)| (b, a)).join_map(roads, |_, a, c| (a.clone(), c.clone()));
///             pairs.concat(next).distinct_core::<i64>()
///         })
///     }))
///     .start()?;
/// let pushed = highwater.source("roads")?.push_rows([("x", "y"), ("y", "z")])?;
/// highwater.visible_blocking(&pushed)?;
/// assert_eq!(highwater.view("reached")?.rows::<(String, i64)>()?, [("x".to_owned(), 2), ("y".to_owned(), 1)]);
/// # Ok(())
/// # }
/// ```
pub use crate::plan::relation;

pub use crate::plan::{Input as Related, Relation};

/// ```
/// use highwater::extend::{ScalarFn, ScalarFunction, scalar};
///
/// // Whatever takes values is one.
/// fn registered<M: 'static>(function: impl ScalarFn<M>) -> ScalarFunction {
///     scalar("f", function).with_version(2)
/// }
///
/// let half = registered(|x: f64| x / 2.0);
/// let port = registered(|text: &str| text.parse::<u16>().map(i32::from));
/// ```
pub use crate::sql::ScalarFn;

pub use crate::sql::{Catalog, CatalogError, ScalarFunction, scalar};
pub use crate::time::Epoch;

/// What closures take and answer is of such types, and `Option`s, `Vec`s, tuples and `Result`s of them.
///
/// ```
/// use highwater::extend::{Answer, Argument, Date, Value, scalar};
///
/// fn types<A: Argument, R: Answer>(_: fn(A) -> R) -> String {
///     format!("{} -> {}", A::data_type(), <R::Value as Value>::data_type())
/// }
///
/// assert_eq!(types(|day: Date| day.0), "Date32 -> Int32");
/// ```
pub use crate::values::{Answer, Argument, Value};

pub use crate::values::{Bytes, Date, Instant, Timestamp};
