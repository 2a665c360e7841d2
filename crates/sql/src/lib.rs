//! SQL text to a plan: statements read by hand ([`parse`]), queries planned by DataFusion's planner and lowered
//! to the operators of [`highwater_core::plan`] ([`lower`]).
//!
//! Its rooms, floor by floor; a room imports only from lower floors, as `tests/architecture.rs` checks:
//!
//! | floor | rooms |
//! | --- | --- |
//! | 0 | parse |
//! | 1 | functions |
//! | 2 | syntax |
//! | 3 | logical |
//! | 4 | query |
//! | 5 | lower |
//! | 6 | prune |
//! | 7 | program |
//!
//! Inside, names are lower case and compared without case; what is shown keeps the spelling of the program. Every error
//! has its place in a file. Nothing here reads files or clocks.

#![forbid(unsafe_code)]

pub mod functions;
mod logical;
mod lower;
mod parse;
mod program;
mod prune;
mod query;
mod syntax;
#[cfg(test)]
mod tests;

/// What of these stands in the signatures of functions of others.
pub use {datafusion_common, datafusion_expr};

pub use functions::{ScalarFn, ScalarFunction, scalar};
pub use parse::error::{SqlError, SqlErrors};
pub use program::session::Session;
pub use program::{Compiled, Warning};
pub use query::catalog::{Catalog, CatalogError};

use highwater_core::plan::Dataflow;

/// The mark of byte order, in UTF-8.
const MARK: char = '\u{feff}';

/// Plans a program, given as files by name with their text, read one after the other. Relative paths in options are left
/// as they are. All independent errors are answered, in the order of the statements.
pub fn plan(files: &[(String, String)], catalog: &Catalog) -> Result<Dataflow, SqlErrors> {
    compile(files, catalog).map(|compiled| compiled.dataflow)
}

/// Plans a program like [`plan`], with warnings about what is odd.
pub fn compile(files: &[(String, String)], catalog: &Catalog) -> Result<Compiled, SqlErrors> {
    // What some editors begin a file with says nothing.
    let marked = files.iter().any(|(_, text)| text.starts_with(MARK));
    let bare = |(name, text): &(String, String)| (name.clone(), text.trim_start_matches(MARK).to_owned());
    let bare: Vec<(String, String)> = if marked { files.iter().map(bare).collect() } else { Vec::new() };
    let files = if marked { bare.as_slice() } else { files };
    let compiled = syntax::depth::roomy(|| program::Program::new(files, catalog).compile());
    let compiled = compiled.unwrap_or_else(|problem| {
        let (name, text) = files.first().map_or(("", ""), |(name, text)| (name.as_str(), text.as_str()));
        Err(vec![problem.in_file(name, text, datafusion_sql::sqlparser::tokenizer::Span::empty())])
    });
    compiled.map_err(SqlErrors::from)
}
