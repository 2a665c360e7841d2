//! What programs are planned against: connectors, sinks, aggregate and scalar functions. An embedder adds its own.

use std::sync::Arc;

use datafusion_expr::ScalarUDF;

use highwater_core::aggregate::{AGGREGATES, Aggregate};
use highwater_core::sink::{SINKS, SinkConnector};
use highwater_core::source::{CONNECTORS, Connector};

/// The connectors and functions that a program may name. Of two with one name the one added later is meant.
#[derive(Clone, Debug)]
pub struct Catalog {
    connectors: Vec<&'static dyn Connector>,
    sinks: Vec<&'static dyn SinkConnector>,
    aggregates: Vec<&'static dyn Aggregate>,
    functions: Vec<Arc<ScalarUDF>>,
}

impl Default for Catalog {
    fn default() -> Self {
        Catalog {
            connectors: CONNECTORS.to_vec(),
            sinks: SINKS.to_vec(),
            aggregates: AGGREGATES.to_vec(),
            functions: crate::functions::all(),
        }
    }
}

impl Catalog {
    /// The engine's own connectors and functions.
    pub fn new() -> Catalog {
        Catalog::default()
    }

    /// With more source connectors.
    pub fn with_connectors(mut self, connectors: &[&'static dyn Connector]) -> Catalog {
        self.connectors.extend_from_slice(connectors);
        self
    }

    /// With more sink connectors.
    pub fn with_sinks(mut self, sinks: &[&'static dyn SinkConnector]) -> Catalog {
        self.sinks.extend_from_slice(sinks);
        self
    }

    /// With more aggregate functions.
    pub fn with_aggregates(mut self, aggregates: &[&'static dyn Aggregate]) -> Catalog {
        self.aggregates.extend_from_slice(aggregates);
        self
    }

    /// With more scalar functions. They must be immutable: of the same arguments always the same result.
    pub fn with_functions(mut self, functions: impl IntoIterator<Item = Arc<ScalarUDF>>) -> Catalog {
        self.functions.extend(functions);
        self
    }

    pub(crate) fn connector(&self, name: &str) -> Option<&'static dyn Connector> {
        self.connectors.iter().rev().find(|connector| connector.name().eq_ignore_ascii_case(name)).copied()
    }

    pub(crate) fn connector_names(&self) -> Vec<&'static str> {
        self.connectors.iter().map(|connector| connector.name()).collect()
    }

    pub(crate) fn sink(&self, name: &str) -> Option<&'static dyn SinkConnector> {
        self.sinks.iter().rev().find(|sink| sink.name().eq_ignore_ascii_case(name)).copied()
    }

    pub(crate) fn sink_names(&self) -> Vec<&'static str> {
        self.sinks.iter().map(|sink| sink.name()).collect()
    }

    pub(crate) fn aggregates(&self) -> &[&'static dyn Aggregate] {
        &self.aggregates
    }

    pub(crate) fn functions(&self) -> &[Arc<ScalarUDF>] {
        &self.functions
    }
}
