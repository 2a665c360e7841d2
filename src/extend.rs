//! What one's own functions, connectors and formats are made of, and where they are registered.
//!
//! Functions are closures ([`scalar`], [`aggregate`]). What keeps a state or reaches outside is a trait: [`Aggregate`] with its
//! [`Accumulator`], [`Connector`] with its [`Reader`]s, [`SinkConnector`] with its [`Writer`]s, [`Format`]. Each is registered with
//! [`Highwater::builder`](crate::Highwater::builder), or in a [`Catalog`] that several programs, and tests of them, share. Nothing is
//! global: what is registered belongs to its catalogue, and to the plans that use it.
//!
//! [`crate::testing::conformance`] proves that what is written keeps what its trait promises. The manual is `docs/extending.md`.

/// The programs of the manual.
#[cfg(doctest)]
#[doc = include_str!("../docs/extending.md")]
struct Manual;

pub use crate::aggregate::{
    Accumulator, Aggregate, AggregateError, AggregateFn, Applied, Call, Input, Signature, aggregate, outcome_of,
    outcomes,
};
pub use crate::delta::{Delta, Reject, Unfit};
pub use crate::format::{
    Beginning, BlockDecoding, Came, Decoder, Decoding, Encoder, Fault, Format, FormatError, Input as BlockInput,
    Layout, Mark as RecordMark, Part, Parts, ReadAt, Records, Spot, TextDecoding, decode_lines, texts,
};
pub use crate::options::{OptionError, OptionSpec, Options};
pub use crate::sink::{Before, Mark, SinkConnector, SinkError, SinkSpec, Writer, written_rows, written_schema};
pub use crate::source::{
    Connector, Decoded, MetadataColumn, Position, Read, Reader, Replay, SourceError, SourceSpec, SplitId, Start,
};
pub use crate::sql::{Catalog, CatalogError, ScalarFn, ScalarFunction, scalar};
pub use crate::time::Epoch;
pub use crate::values::{Answer, Argument, Bytes, Date, Instant, Timestamp, Value};
