//! SQL text to a plan: statements read by hand ([`statement`], [`ddl`]), queries planned by DataFusion's planner and lowered
//! to the operators of [`crate::plan`] ([`lower`]).
//!
//! Inside, names are lower case and compared without case; what is shown keeps the spelling of the program. Every error
//! has its place in a file. Nothing here reads files or clocks.

mod aggregate_call;
mod arrival;
mod as_of;
mod asked;
mod attempt;
mod cast_type;
mod catalog;
mod changelog;
mod column_type;
mod compared;
mod context;
mod ddl;
mod depth;
mod diagnose;
mod distinct_from;
mod down;
mod effort;
mod error;
mod exact;
mod filtered;
pub mod functions;
mod group_window;
mod growth;
mod identity;
mod interval;
mod json_clauses;
mod kept;
mod keys;
mod limited;
mod literals;
mod locate;
mod lower;
mod marker;
mod metadata;
mod names;
mod once;
mod origin;
mod pattern_call;
mod pattern_node;
mod pattern_shape;
mod pattern_tokens;
mod pattern_values;
mod program;
mod prune;
mod prune_join;
mod qualified;
mod query;
mod rank_call;
mod reading;
mod recursive;
mod refuse;
mod relations;
mod reserved;
mod row_compared;
mod row_in;
mod scope;
mod select_list;
mod session;
mod set_all;
mod setting;
mod shared;
mod single;
mod sinks;
mod source_draft;
mod statement;
mod syntax;
mod table_draft;
mod table_function;
#[cfg(test)]
mod table_tests;
mod token;
mod unnest;
mod unnest_node;
mod using;
mod veiled;
mod walk;
mod window_call;
mod window_node;
mod with_names;
mod zoned;

pub use catalog::Catalog;
pub use error::SqlError;
pub use program::{Compiled, Warning};
pub use session::Session;

use crate::plan::Dataflow;

/// The mark of byte order, in UTF-8.
const MARK: char = '\u{feff}';

/// Plans a program, given as files by name with their text, read one after the other. Relative paths in options are left
/// as they are. All independent errors are answered, in the order of the statements.
pub fn plan(files: &[(String, String)], catalog: &Catalog) -> Result<Dataflow, Vec<SqlError>> {
    compile(files, catalog).map(|compiled| compiled.dataflow)
}

/// Plans a program like [`plan`], with warnings about what is odd.
pub fn compile(files: &[(String, String)], catalog: &Catalog) -> Result<Compiled, Vec<SqlError>> {
    // What some editors begin a file with says nothing.
    let marked = files.iter().any(|(_, text)| text.starts_with(MARK));
    let bare = |(name, text): &(String, String)| (name.clone(), text.trim_start_matches(MARK).to_owned());
    let bare: Vec<(String, String)> = if marked { files.iter().map(bare).collect() } else { Vec::new() };
    let files = if marked { bare.as_slice() } else { files };
    depth::roomy(|| program::Program::new(files, catalog).compile()).unwrap_or_else(|problem| {
        let (name, text) = files.first().map_or(("", ""), |(name, text)| (name.as_str(), text.as_str()));
        Err(vec![problem.in_file(name, text, datafusion_sql::sqlparser::tokenizer::Span::empty())])
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod identity_tests;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod join_tests;
#[cfg(test)]
mod plan_tests;
#[cfg(test)]
mod session_tests;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod time_tests;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod simplify_tests;

#[cfg(test)]
mod nexmark_tests;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod literal_tests;
#[cfg(test)]
mod order_tests;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod refusal_tests;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod reserved_tests;

#[cfg(test)]
mod select_list_tests;

#[cfg(test)]
mod hint_tests;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod depth_tests;
