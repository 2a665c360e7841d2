//! What to run and how, before it runs.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Catalog, CatalogError, Error, Highwater};
use crate::aggregate::Aggregate;
use crate::engine::{Config, Engine, OnChange, aside};
use crate::format::Format;
use crate::plan::Relation;
use crate::sink::SinkConnector;
use crate::source::Connector;
use crate::sql::{ScalarFunction, plan};

/// What to run and how. Without a word on it: a worker per core, nothing kept on disk.
#[derive(Clone, Debug, Default)]
#[must_use = "nothing runs before `start`"]
pub struct Builder {
    texts: Vec<Text>,
    config: Config,
    catalog: Catalog,
    /// What was not registered, the first of it.
    refused: Option<CatalogError>,
}

#[derive(Clone, Debug)]
enum Text {
    Given(String),
    File(PathBuf),
}

impl Builder {
    /// SQL of the program; what is given later comes behind it.
    pub fn sql(mut self, text: impl Into<String>) -> Builder {
        self.texts.push(Text::Given(text.into()));
        self
    }

    /// A file with SQL of the program, read at the start.
    pub fn file(mut self, path: impl AsRef<Path>) -> Builder {
        self.texts.push(Text::File(path.as_ref().to_owned()));
        self
    }

    /// How many worker threads there are, at least 1.
    pub fn workers(mut self, workers: usize) -> Builder {
        self.config.workers = workers;
        self
    }

    /// Where what is pushed is kept, so that a later run goes on where this one ends.
    pub fn data_dir(mut self, folder: impl Into<PathBuf>) -> Builder {
        self.config.data_dir = Some(folder.into());
        self
    }

    /// What becomes of what the data directory holds, if another program wrote it; else that is refused.
    pub fn on_change(mut self, on_change: OnChange) -> Builder {
        self.config.on_change = on_change;
        self
    }

    /// How often rows that came are shown, at least 1 ms; 10 ms if not said.
    pub fn tick(mut self, tick: Duration) -> Builder {
        self.config.tick_ms = tick.as_millis().try_into().unwrap_or(u64::MAX);
        self
    }

    /// Registers a scalar function that the program may call: a closure ([`scalar`](crate::extend::scalar)), or one of DataFusion's kind.
    pub fn function(self, function: impl Into<ScalarFunction>) -> Builder {
        self.with(|catalog| catalog.with_function(function))
    }

    /// Registers an aggregate function: a closure over all values ([`aggregate`](crate::extend::aggregate)), or a state of one's own.
    pub fn aggregate(self, function: impl Aggregate + 'static) -> Builder {
        self.with(|catalog| catalog.with_aggregate(function))
    }

    /// Registers a relation that Rust makes of others, on differential dataflow ([`relation`](crate::extend::relation)): a table that SQL reads.
    pub fn relation(self, relation: Relation) -> Builder {
        self.with(|catalog| catalog.with_relation(relation))
    }

    /// Registers a connector that sources may name.
    pub fn source(self, connector: impl Connector + 'static) -> Builder {
        self.with(|catalog| catalog.with_source(connector))
    }

    /// Registers a connector that sinks may name.
    pub fn sink(self, connector: impl SinkConnector + 'static) -> Builder {
        self.with(|catalog| catalog.with_sink(connector))
    }

    /// Registers a format that sources and sinks may name.
    pub fn format(self, format: impl Format + 'static) -> Builder {
        self.with(|catalog| catalog.with_format(format))
    }

    /// With all that a catalogue has, in place of what was registered before.
    pub fn catalog(self, catalog: Catalog) -> Builder {
        Builder { catalog, ..self }
    }

    fn with(mut self, register: impl FnOnce(Catalog) -> Result<Catalog, CatalogError>) -> Builder {
        if self.refused.is_none() {
            match register(std::mem::take(&mut self.catalog)) {
                Ok(catalog) => self.catalog = catalog,
                Err(refused) => self.refused = Some(refused),
            }
        }
        self
    }

    /// All else that can be said of how it runs.
    pub fn configure(mut self, change: impl FnOnce(&mut Config)) -> Builder {
        change(&mut self.config);
        self
    }

    /// Plans the program and starts it. Blocks until its sources are open and, with a data directory, all that was kept is done again.
    ///
    /// # Errors
    /// What was registered cannot be; every error of the SQL with its place; a file that cannot be read; what keeps the engine from starting.
    pub fn start(self) -> Result<Highwater, Error> {
        if let Some(refused) = self.refused {
            return Err(refused.into());
        }
        let mut files = Vec::with_capacity(self.texts.len());
        for (number, text) in self.texts.into_iter().enumerate() {
            files.push(match text {
                Text::Given(text) if number == 0 => ("program.sql".to_owned(), text),
                Text::Given(text) => (format!("program-{}.sql", number + 1), text),
                Text::File(path) => match std::fs::read_to_string(&path) {
                    Ok(text) => (path.display().to_string(), text),
                    Err(error) => return Err(Error::File { path, error }),
                },
            });
        }
        let dataflow = plan(&files, &self.catalog)?;
        let engine = Engine::start(dataflow, self.config.with(|config| config.program = files))?;
        Ok(Highwater { engine: engine.into() })
    }

    /// As [`Builder::start`], for who may not block: a thread of its own does that.
    pub async fn start_async(self) -> Result<Highwater, Error> {
        aside("start", move || self.start()).await?
    }
}
