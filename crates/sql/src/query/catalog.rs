//! What programs are planned against: connectors, sinks, formats, aggregate and scalar functions. An embedder adds its own.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::sync::Arc;

use datafusion_expr::{ScalarUDF, Volatility};

use highwater_core::aggregate::{AGGREGATES, Aggregate};
use highwater_core::format::{Format, Formats};
use highwater_core::plan::Relation;
use highwater_core::registered::Registered;
use highwater_core::sink::{SINKS, SinkConnector};
use highwater_core::source::{CONNECTORS, Connector, OPTIONAL, Optional};

use crate::functions::{ABSENT, REFUSED, ScalarFunction};
use crate::syntax::calls;

/// The connectors, formats and functions that a program may name: the engine's own, and those that an embedder brings along. It owns
/// them, and a plan keeps those that it uses: nothing is global.
#[derive(Clone, Debug)]
pub struct Catalog {
    connectors: Vec<Registered<dyn Connector>>,
    sinks: Vec<Registered<dyn SinkConnector>>,
    formats: Formats,
    aggregates: Vec<Registered<dyn Aggregate>>,
    functions: Vec<Arc<ScalarUDF>>,
    relations: Vec<Relation>,
    /// Those that have one, by their names in lower case.
    versions: BTreeMap<String, u64>,
}

/// Why something was not registered.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CatalogError {
    /// There is one of that name.
    Taken {
        /// What it is: a function, a connector, ...
        kind: &'static str,
        /// The name.
        name: String,
    },
    /// SQL has no such names.
    Name {
        /// What it is.
        kind: &'static str,
        /// The name.
        name: String,
        /// What would do.
        remedy: &'static str,
    },
    /// A function whose results depend on more than its arguments.
    Volatile {
        /// The function.
        name: String,
        /// What its signature says: `volatile` or `stable`.
        volatility: &'static str,
    },
}

impl fmt::Display for CatalogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CatalogError::Taken { kind, name } => write!(
                f,
                "there is a {kind} '{name}' already, and a program would mean one or the other by who registered it: choose another name"
            ),
            CatalogError::Name { kind, name, remedy } => write!(f, "'{name}' is no name of a {kind}: {remedy}"),
            CatalogError::Volatile { name, volatility } => write!(
                f,
                "the function '{name}' is {volatility}, and results must not depend on when or how often it is called: rows are taken \
                 back by computing them again; let the source bring the value, or declare it immutable if it is"
            ),
        }
    }
}

impl std::error::Error for CatalogError {}

const FUNCTION: &str = "function";
const CONNECTOR: &str = "connector";
const SINK: &str = "sink connector";
const FORMAT: &str = "format";
const RELATION: &str = "relation";

/// The connectors of other packages that this build has.
const PACKAGES: &[&dyn Connector] = &[
    #[cfg(feature = "kafka")]
    &highwater_kafka::Kafka,
];

impl Default for Catalog {
    fn default() -> Self {
        Catalog {
            connectors: CONNECTORS.iter().chain(PACKAGES).copied().map(Registered::from).collect(),
            sinks: SINKS.iter().copied().map(Registered::from).collect(),
            formats: Formats::default(),
            aggregates: AGGREGATES.iter().copied().map(Registered::from).collect(),
            functions: crate::functions::all(),
            relations: Vec::new(),
            versions: BTreeMap::new(),
        }
    }
}

impl Catalog {
    /// The engine's own connectors, formats and functions.
    pub fn new() -> Catalog {
        Catalog::default()
    }

    /// With a source connector more.
    ///
    /// # Errors
    /// Its name is taken, or is none.
    pub fn with_source(mut self, connector: impl Connector + 'static) -> Result<Catalog, CatalogError> {
        let taken = self.connector(connector.name()).is_some() || self.relation(connector.name()).is_some();
        free(CONNECTOR, connector.name(), taken)?;
        self.connectors.push((Arc::new(connector) as Arc<dyn Connector>).into());
        Ok(self)
    }

    /// With a sink connector more. It may have the name of a source connector.
    ///
    /// # Errors
    /// Its name is taken, or is none.
    pub fn with_sink(mut self, sink: impl SinkConnector + 'static) -> Result<Catalog, CatalogError> {
        let taken = self.sink(sink.name()).is_some() || self.relation(sink.name()).is_some();
        free(SINK, sink.name(), taken)?;
        self.sinks.push((Arc::new(sink) as Arc<dyn SinkConnector>).into());
        Ok(self)
    }

    /// With a format more.
    ///
    /// # Errors
    /// Its name, or an extension of files that tells it, is taken or is none.
    pub fn with_format(mut self, format: impl Format + 'static) -> Result<Catalog, CatalogError> {
        free(FORMAT, format.name(), self.formats.find(format.name()).is_some())?;
        let taken = |extension: &&&str| self.formats.all().any(|other| other.extensions().contains(extension));
        if let Some(extension) = format.extensions().iter().find(taken) {
            return Err(CatalogError::Taken { kind: "format with the extension", name: (*extension).to_owned() });
        }
        self.formats = self.formats.with(Arc::new(format));
        Ok(self)
    }

    /// With an aggregate function more.
    ///
    /// # Errors
    /// Its name, or another that it answers to, is taken or is none.
    pub fn with_aggregate(mut self, function: impl Aggregate + 'static) -> Result<Catalog, CatalogError> {
        self.check_names(std::iter::once(function.name()).chain(function.aliases().iter().copied()))?;
        self.versions(std::iter::once(function.name()), function.version());
        self.aggregates.push((Arc::new(function) as Arc<dyn Aggregate>).into());
        Ok(self)
    }

    /// With a scalar function more: a closure ([`scalar`](crate::scalar)), or one of DataFusion's kind, which is to be immutable: of the
    /// same arguments always the same result.
    ///
    /// # Errors
    /// It is not immutable; its name, or another that it answers to, is taken or is none.
    pub fn with_function(mut self, function: impl Into<ScalarFunction>) -> Result<Catalog, CatalogError> {
        let ScalarFunction { function, version } = function.into();
        let volatility = match function.signature().volatility {
            Volatility::Immutable => None,
            Volatility::Stable => Some("stable"),
            Volatility::Volatile => Some("volatile"),
        };
        if let Some(volatility) = volatility {
            return Err(CatalogError::Volatile { name: function.name().to_owned(), volatility });
        }
        self.check_names(std::iter::once(function.name()).chain(function.aliases().iter().map(String::as_str)))?;
        self.versions(std::iter::once(function.name()).chain(function.aliases().iter().map(String::as_str)), version);
        self.functions.push(function);
        Ok(self)
    }

    /// With a relation more that Rust makes of others: what a table names as its `'connector'`.
    ///
    /// # Errors
    /// Its name is that of a connector or relation, or is none.
    pub fn with_relation(mut self, relation: Relation) -> Result<Catalog, CatalogError> {
        let name = relation.name();
        let taken = self.relation(name).is_some() || self.connector(name).is_some() || self.sink(name).is_some();
        free(RELATION, name, taken)?;
        self.versions(std::iter::once(name), relation.version());
        self.relations.push(relation);
        Ok(self)
    }

    fn versions<'a>(&mut self, names: impl Iterator<Item = &'a str>, version: u64) {
        if version != 0 {
            self.versions.extend(names.map(|name| (name.to_lowercase(), version)));
        }
    }

    /// The versions of those that a program may mean, which has these words in it.
    pub(crate) fn versions_of(&self, mentioned: impl Fn(&str) -> bool) -> Vec<(String, u64)> {
        let meant = self.versions.iter().filter(|(name, _)| mentioned(name));
        meant.map(|(name, version)| (name.clone(), *version)).collect()
    }

    pub(crate) fn relation(&self, name: &str) -> Option<&Relation> {
        self.relations.iter().find(|relation| relation.name().eq_ignore_ascii_case(name))
    }

    pub(crate) fn relation_names(&self) -> impl Iterator<Item = &str> {
        self.relations.iter().map(Relation::name)
    }

    /// Whether functions may have these names. Those of functions that are refused by name are free: the program says what they are.
    fn check_names<'a>(&self, names: impl Iterator<Item = &'a str>) -> Result<(), CatalogError> {
        let aggregates = self.aggregates.iter().flat_map(|function| {
            std::iter::once(function.name()).chain(function.aliases().iter().copied()).map(str::to_lowercase)
        });
        let scalars = self.functions.iter().flat_map(|function| {
            std::iter::once(function.name()).chain(function.aliases().iter().map(String::as_str)).map(str::to_lowercase)
        });
        let taken: HashSet<String> = aggregates.chain(scalars).chain(calls::OTHERS.map(str::to_owned)).collect();
        let refused = |name: &str| REFUSED.iter().chain(ABSENT).any(|(refused, _)| *refused == name);
        for name in names {
            let key = name.to_lowercase();
            let words = key.starts_with(|c: char| c.is_ascii_alphabetic())
                && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            if !words {
                let remedy = "write letters, digits and _, a letter first";
                return Err(CatalogError::Name { kind: FUNCTION, name: name.to_owned(), remedy });
            }
            if taken.contains(&key) || refused(&key) {
                return Err(CatalogError::Taken { kind: FUNCTION, name: name.to_owned() });
            }
        }
        Ok(())
    }

    pub(crate) fn connector(&self, name: &str) -> Option<Registered<dyn Connector>> {
        self.connectors.iter().find(|connector| connector.name().eq_ignore_ascii_case(name)).cloned()
    }

    /// The connector of that name that this build leaves out.
    pub(crate) fn left_out(&self, name: &str) -> Option<&'static Optional> {
        let known = OPTIONAL.iter().find(|known| known.name.eq_ignore_ascii_case(name));
        known.filter(|known| self.connector(known.name).is_none())
    }

    pub(crate) fn connector_names(&self) -> Vec<&str> {
        self.connectors.iter().map(|connector| connector.name()).collect()
    }

    pub(crate) fn sink(&self, name: &str) -> Option<Registered<dyn SinkConnector>> {
        self.sinks.iter().find(|sink| sink.name().eq_ignore_ascii_case(name)).cloned()
    }

    pub(crate) fn sink_names(&self) -> Vec<&str> {
        self.sinks.iter().map(|sink| sink.name()).collect()
    }

    pub(crate) fn formats(&self) -> &Formats {
        &self.formats
    }

    pub(crate) fn aggregates(&self) -> &[Registered<dyn Aggregate>] {
        &self.aggregates
    }

    pub(crate) fn functions(&self) -> &[Arc<ScalarUDF>] {
        &self.functions
    }
}

/// Whether a connector or format may have a name.
fn free(kind: &'static str, name: &str, taken: bool) -> Result<(), CatalogError> {
    let words = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    match () {
        () if !words => {
            let remedy = "write letters, digits, '-', '_' and '.'";
            Err(CatalogError::Name { kind, name: name.to_owned(), remedy })
        }
        () if taken => Err(CatalogError::Taken { kind, name: name.to_owned() }),
        () => Ok(()),
    }
}
