//! How a program is run in a test.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use highwater_core::engine::{Config, EngineError};
use highwater_core::time::HandClock;
use highwater_sql::{Catalog, compile};

use super::driver::{Driven, TestDriver};
use super::error::TestError;
use super::folder::Folder;
use super::pushed::{declared, with_ends};

/// How a program is run in a test: [`Setup::start`] starts it.
#[derive(Debug)]
pub struct Setup {
    files: Vec<(String, String)>,
    catalog: Catalog,
    workers: usize,
    keeps: bool,
    reads: BTreeSet<String>,
    partitions: BTreeMap<String, usize>,
}

impl Setup {
    /// One worker, all sources pushed to, nothing kept.
    pub fn new(program: impl Into<String>) -> Setup {
        Setup::files(vec![("program.sql".to_owned(), program.into())])
    }

    /// The same of a program in several files, by their names and texts.
    pub fn files(files: Vec<(String, String)>) -> Setup {
        let (reads, partitions) = (BTreeSet::new(), BTreeMap::new());
        Setup { files, catalog: Catalog::new(), workers: 1, keeps: false, reads, partitions }
    }

    /// With functions, connectors and aggregates of one's own.
    pub fn catalog(mut self, catalog: Catalog) -> Setup {
        self.catalog = catalog;
        self
    }

    /// On so many workers, at least 1. What is found does not depend on it.
    pub fn workers(mut self, workers: usize) -> Setup {
        self.workers = workers;
        self
    }

    /// With a data directory of its own, so that it can be [restarted](TestDriver::restart).
    pub fn keeping(mut self) -> Setup {
        self.keeps = true;
        self
    }

    /// A source is read as it is declared instead of pushed to. It must have an end (a file): the first look waits for that.
    pub fn reading(mut self, source: impl Into<String>) -> Setup {
        self.reads.insert(source.into());
        self
    }

    /// A source has so many partitions, at least 1, as one of several files or shards has. Each is in an order of its own and has a watermark
    /// of its own, and the source's is the least of those that are not idle and have not ended. They are `bids/0`, `bids/1`, ... wherever
    /// [`TestDriver`] takes the name of a source; `bids` by itself is the first to what pushes, and all of them else.
    ///
    /// ```
    /// use highwater::testing::Setup;
    ///
    /// # fn main() -> Result<(), highwater::testing::TestError> {
    /// let program = "CREATE SOURCE bids (item VARCHAR, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH ('connector' = 'http');
    ///     CREATE MATERIALIZED VIEW minutes AS SELECT window_end, COUNT(*) AS n
    ///     FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end;";
    /// let mut driver = Setup::new(program).partitions("bids", 2).start()?;
    /// driver.push_table("bids/0", "item | ts\n pen | 2026-01-01 12:00:10\n ink | 2026-01-01 12:01:30")?;
    /// driver.expect("minutes", "")?; // nobody knows yet how far the other is
    /// driver.push_table("bids/1", "item | ts\n cup | 2026-01-01 12:00:50")?;
    /// driver.watermark("bids/1", "12:01:00")?;
    /// driver.expect("minutes", "window_end | n\n 2026-01-01 12:01:00 | 2")?;
    /// driver.end("bids/1")?; // it holds nobody any more
    /// driver.watermark("bids/0", "12:02:00")?;
    /// driver.expect("minutes", "window_end | n\n 2026-01-01 12:01:00 | 2\n 2026-01-01 12:02:00 | 1")
    /// # }
    /// ```
    pub fn partitions(mut self, source: impl Into<String>, partitions: usize) -> Setup {
        self.partitions.insert(source.into(), partitions);
        self
    }

    /// Starts it.
    ///
    /// # Errors
    /// The program is refused, or cannot be run.
    pub fn start(self) -> Result<TestDriver, TestError> {
        let mut dataflow = compile(&self.files, &self.catalog)?.dataflow;
        let known: Vec<String> = dataflow.sources.iter().map(|source| declared(source).to_owned()).collect();
        let is = |source: &str| self.reads.iter().any(|name| name.eq_ignore_ascii_case(source));
        let mut named = self.reads.iter().chain(self.partitions.keys());
        if let Some(name) = named.find(|name| !known.iter().any(|it| it.eq_ignore_ascii_case(name))) {
            return Err(TestError::Unknown { kind: "source that something reads", name: name.clone(), known });
        }
        if let Some(endless) = dataflow.sources.iter().find(|it| is(declared(it)) && it.connector.live(&it.options)) {
            return Err(TestError::Impossible {
                what: format!("source '{}' has no end, so it cannot be read in a test", declared(endless)),
                remedy: "push its rows".to_owned(),
            });
        }
        if let Some(name) = self.partitions.keys().find(|name| is(name)) {
            return Err(TestError::Impossible {
                what: format!("source '{name}' is read as it is declared, with the partitions that it has"),
                remedy: "push its rows".to_owned(),
            });
        }
        let partitions = |source: &str| {
            let of = self.partitions.iter().find(|(name, _)| name.eq_ignore_ascii_case(source));
            of.map_or(1, |(_, partitions)| *partitions)
        };
        let looks = with_ends(&mut dataflow, is, partitions);
        let folder = self
            .keeps
            .then(Folder::new)
            .transpose()
            .map_err(|error| EngineError::Config(format!("no folder for what a test keeps: {error}")))?;
        let clock = Arc::new(HandClock::default());
        let config = Config::default().workers(self.workers).with(|config| {
            config.clock = Some(clock.clone());
            config.tables_linger = true;
            config.ring_epochs = usize::MAX;
            config.ring_rows = usize::MAX;
            config.ring_bytes = usize::MAX;
            config.dead_letters = 1 << 20;
            config.data_dir = folder.as_ref().map(|folder| folder.path().to_owned());
            config.program = if self.keeps { self.files } else { Vec::new() };
        });
        TestDriver::start(Driven { dataflow, config, clock, looks, folder })
    }
}
