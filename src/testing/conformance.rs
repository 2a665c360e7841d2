//! The tests that the engine's own aggregates, connectors and formats are held to, for those of others: a line each.
//!
//! They panic where a promise is not kept, as tests do.

use std::fmt::Debug;

use highwater_core::format::FormatError;
use highwater_core::plan::Dataflow;
use highwater_core::sink::SinkSpec;
use highwater_core::source::SourceSpec;
use highwater_sql::{Catalog, compile};

use crate::aggregate::{self, Aggregate};
use crate::{format, sink, source};

/// Holds an aggregate function to the laws of [`crate::aggregate::Accumulator`]: neither batches nor order matter, parts are merged, rows
/// are taken back, groups are saved and loaded; on seeded random rows of every type that it takes, with DISTINCT and FILTER.
///
/// ```
/// use highwater::extend::aggregate;
///
/// highwater::testing::conformance::aggregate(&aggregate("spread", |values: &[f64]| values[values.len() - 1] - values[0]));
/// ```
///
/// # Panics
/// A law does not hold.
pub fn aggregate(function: &dyn Aggregate) {
    aggregate::conformance::check(function);
}

/// Holds a source to the promises of its positions: read again from any that came with its rows, it goes on with the row that followed. The
/// program declares one source; of each split so many rows are read at most. Returns how many positions were tried.
///
/// # Panics
/// The program is refused, or a promise is not kept.
pub fn source(catalog: &Catalog, program: &str, most: usize) -> usize {
    source::conformance::check(&declared(catalog, program), most)
}

/// Holds a sink to the promises of its output over restarts: cut off anywhere and handed again what it wrote, it leaves the output of a run
/// that was never cut off. `program` has one sink, whose output has the name that it is handed; `output` reads the output of that name.
/// Returns how many times it was cut off.
///
/// # Panics
/// The program is refused, or a promise is not kept.
pub fn sink<T: PartialEq + Debug>(
    catalog: &Catalog,
    program: impl Fn(&str) -> String,
    output: impl Fn(&str) -> T,
) -> usize {
    let spec = |run: &str| -> SinkSpec {
        let mut sinks = planned(catalog, &program(run)).sinks;
        assert_eq!(sinks.len(), 1, "the program has one sink");
        sinks.remove(0).spec
    };
    sink::conformance::check(spec, output)
}

/// Holds a format to its promises: text is decoded the same however it is cut at records, damaged input is a fault and no panic, and what is
/// written is read again. The program declares one source in the format; the sample has some records of its columns.
///
/// # Panics
/// The program is refused, or a promise is not kept.
pub fn format(catalog: &Catalog, program: &str, sample: impl AsRef<[u8]>) {
    let spec = declared(catalog, program);
    let check = || -> Result<(), FormatError> {
        let format = spec.formats.choose(&spec.options, spec.options.get("path").unwrap_or_default())?;
        let layout = format::conformance::layout(&spec.physical, &spec.options)?;
        format::conformance::check(&*format, &layout, &spec.options, sample.as_ref())
    };
    check().unwrap_or_else(|error| panic!("{error}"));
}

fn planned(catalog: &Catalog, program: &str) -> Dataflow {
    match compile(&[("conformance.sql".to_owned(), program.to_owned())], catalog) {
        Ok(compiled) => compiled.dataflow,
        Err(errors) => panic!("{errors}"),
    }
}

/// The source of a program that declares one, with all its columns.
fn declared(catalog: &Catalog, program: &str) -> SourceSpec {
    let program = format!("{program};");
    let name = planned_source(&program);
    let sources =
        planned(catalog, &format!("{program} CREATE MATERIALIZED VIEW conformance_of AS SELECT * FROM {name};"))
            .sources;
    let [source] = sources.as_slice() else { panic!("the program declares one source") };
    source.clone()
}

/// The name behind CREATE SOURCE or CREATE TABLE.
fn planned_source(program: &str) -> String {
    let mut words = program.split(|c: char| c.is_whitespace() || c == '(').filter(|word| !word.is_empty());
    let declares = |word: &str| word.eq_ignore_ascii_case("source") || word.eq_ignore_ascii_case("table");
    match words.find(|word| declares(word)).and_then(|_| words.next()) {
        Some(name) => name.to_owned(),
        None => panic!("the program declares a source: CREATE SOURCE name (...) WITH (...)"),
    }
}
