//! `column TYPE METADATA FROM 'name'`: what a connector fills a column with.

use super::error::Problem;
use super::token::Name;
use highwater_core::source::Connector;

/// The name of what a connector fills a column with, if it can.
pub(crate) fn known_metadata(name: &Name, connector: &dyn Connector) -> Result<String, Problem> {
    let known = connector.metadata();
    if known.iter().any(|column| column.is(&name.value)) {
        return Ok(name.value.clone());
    }
    let problem = Problem::at(name.span, format!("'{}' has no metadata '{}'", connector.name(), name.value));
    Err(match known {
        [] => problem.hint("put the value into the rows, or compute the column: name AS expression"),
        known => {
            let known: Vec<String> = known.iter().map(|column| format!("'{}': {}", column.name, column.help)).collect();
            problem.hint(format!("it has {}", known.join("; ")))
        }
    })
}
