//! What a crate of extensions looks like: a connector to read and one to write (`journal`), a format (`logfmt`), functions, and
//! [`register`], which adds them to a catalogue. `tests/extension.rs` holds them to what the engine's own are held to, a line each, and
//! runs programs with them.
//!
//! It stands on `highwater` alone: what of Arrow is in its traits comes along with it.

#![forbid(unsafe_code)]

mod logfmt;
mod sink;
mod source;

use highwater::extend::{Catalog, CatalogError, aggregate, scalar};

pub use logfmt::Logfmt;
pub use sink::JournalSink;
pub use source::JournalSource;

/// What a record of a journal takes: a time and a value, eight bytes each, the least first.
const RECORD: usize = 16;

/// A catalogue with all of it.
///
/// # Errors
/// A name is taken.
pub fn register(catalog: Catalog) -> Result<Catalog, CatalogError> {
    catalog
        .with_source(JournalSource)?
        .with_sink(JournalSink)?
        .with_format(Logfmt)?
        .with_function(scalar("celsius", |fahrenheit: f64| (fahrenheit - 32.0) / 1.8))?
        // Of many rows: LATERAL TABLE(tags(text)) AS t (at, tag).
        .with_function(scalar("tags", tags))?
        .with_aggregate(aggregate("spread", |values: &[f64]| values[values.len() - 1] - values[0]))
}

/// The words that begin with `#`, each with its place among them.
fn tags(text: &str) -> Vec<(i64, String)> {
    (0..).zip(text.split(' ').filter_map(|word| word.strip_prefix('#')).map(str::to_owned)).collect()
}
