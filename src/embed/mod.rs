//! The front door for programs that embed the engine: SQL to a running engine, rows in, views out, as values, JSON or Arrow.
//!
//! [`Highwater::builder`] starts one. Handles ([`Highwater`], [`Source`], [`Table`], [`View`]) are cheap to clone and go to any thread; the
//! engine runs until [`Highwater::shutdown`], or until the last of them is gone. Streams of views are none: they end with the engine. What waits is a future that any executor runs, with a
//! counterpart that blocks the thread. It is a thin shell: what it is made of is open too ([`Highwater::engine`]).

mod blocking;
mod builder;
mod error;
mod rows;
mod source;
mod table;
mod view;

/// The programs of the manual.
#[cfg(doctest)]
#[doc = include_str!("../../docs/embedding.md")]
struct Manual;

use std::sync::Arc;
use std::time::Duration;

pub use futures_util::Stream;

pub use self::builder::Builder;
pub use self::error::{ChangeError, Error, PushError};
pub use self::rows::{Change, Changes, DeadLetter, Snapshot};
pub use self::source::Source;
pub use self::table::Table;
pub use self::view::{Event, Following, View, ViewStream};
pub use crate::engine::{EngineError, OnChange, Pushed, Refused, Summary, Unchanged, UnknownName};
pub use crate::format::{RowsError, from_batch};
pub use crate::sql::{Catalog, CatalogError, SqlError, SqlErrors};
pub use crate::time::Epoch;

use self::blocking::block_on;
use crate::engine::{Engine, aside};

/// A running engine. Clones are handles of the same.
#[derive(Clone, Debug)]
pub struct Highwater {
    engine: Arc<Engine>,
}

/// What becomes of windows that are open when an engine is shut down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drain {
    /// They close, as if all input had ended: views and sinks get what they hold. Not with a data directory, for its sources go on.
    Yes,
    /// They stay open: what was taken goes through as far as the watermarks let it. With a data directory the next start goes on there.
    No,
}

impl Highwater {
    /// Says what to run and how.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// A source of the program, by its name.
    ///
    /// # Errors
    /// There is none of that name; the error has those that there are.
    pub fn source(&self, name: &str) -> Result<Source, UnknownName> {
        let found = self.engine.source(name).cloned();
        let known = || self.engine.sources().iter().map(|source| source.name().to_owned()).collect();
        let source = found.ok_or_else(|| UnknownName::new("source", name, known()))?;
        Ok(Source { source, owner: self.clone() })
    }

    /// A published view, by its name.
    ///
    /// # Errors
    /// There is none of that name; the error has those that there are.
    pub fn view(&self, name: &str) -> Result<View, UnknownName> {
        Ok(View { view: self.engine.view(name)?, owner: self.clone() })
    }

    /// A reference table, by its name.
    ///
    /// # Errors
    /// There is none of that name; the error has those that there are.
    pub fn table(&self, name: &str) -> Result<Table, UnknownName> {
        let known = || self.engine.tables().iter().map(|table| table.name().to_owned()).collect();
        let table = self.engine.table(name).cloned().ok_or_else(|| UnknownName::new("table", name, known()))?;
        Ok(Table { table, owner: self.clone() })
    }

    /// The last dead letters of a source, of a view or of a sink, `limit` at most, the last first: rows that could not be taken, or on
    /// which an expression failed.
    ///
    /// # Errors
    /// There is nothing of that name; the error has what there is.
    pub fn dead_letters(&self, of: &str, limit: usize) -> Result<Vec<DeadLetter>, UnknownName> {
        if let Some(source) = self.engine.source(of) {
            return Ok(source.dead_letters(limit).into_iter().map(DeadLetter::from).collect());
        }
        let all = self.engine.dead_letters();
        let found = all.iter().find(|letters| letters.name() == of);
        match found.or_else(|| all.iter().find(|letters| letters.name().eq_ignore_ascii_case(of))) {
            Some(letters) => Ok(letters.latest(limit).into_iter().map(DeadLetter::from).collect()),
            None => {
                let sources = self.engine.sources().iter().map(|source| source.name().to_owned());
                let known = sources.chain(all.iter().map(|letters| letters.name().to_owned())).collect();
                Err(UnknownName::new("source, view or sink", of, known))
            }
        }
    }

    /// Several views at one epoch, in the order of their names.
    ///
    /// # Errors
    /// One is not there, or they have no epoch in common: one is so far ahead of another that it has forgotten what it was then.
    pub fn snapshots<const N: usize>(&self, views: [&str; N]) -> Result<[Snapshot; N], Error> {
        let found = views.iter().map(|name| self.engine.view(name)).collect::<Result<Vec<_>, _>>()?;
        let apart = || Error::Apart { views: views.iter().map(|name| (*name).to_owned()).collect() };
        let read = self.engine.views().read(&found).ok_or_else(apart)?;
        let snapshots: Vec<Snapshot> = read.into_iter().map(Snapshot::from).collect();
        snapshots.try_into().map_err(|_| apart())
    }

    /// Waits until every view that they come to shows pushed rows.
    ///
    /// # Errors
    /// The engine ends before.
    pub async fn visible(&self, pushed: &Pushed) -> Result<(), Error> {
        match self.engine.visible(pushed).await {
            true => Ok(()),
            false => Err(self.over()),
        }
    }

    /// As [`Highwater::visible`]; blocks the thread.
    pub fn visible_blocking(&self, pushed: &Pushed) -> Result<(), Error> {
        block_on(self.visible(pushed))
    }

    /// Waits until pushed rows are on disk; at once without a data directory.
    ///
    /// # Errors
    /// They never will be: the engine fails or ends.
    pub async fn durable(&self, pushed: &Pushed) -> Result<(), Error> {
        Ok(self.engine.durable(pushed).await?)
    }

    /// As [`Highwater::durable`]; blocks the thread.
    pub fn durable_blocking(&self, pushed: &Pushed) -> Result<(), Error> {
        block_on(self.durable(pushed))
    }

    /// Ends the run, waits until all is written and its threads are gone.
    ///
    /// # Errors
    /// Why the run failed, if it did. One with a data directory is not drained: it goes on then.
    pub async fn shutdown(&self, drain: Drain) -> Result<Summary, Error> {
        self.may_end(drain)?;
        let engine = self.engine.clone();
        let summary = aside("shutdown", move || shut(&engine, Some(drain))).await?;
        Ok(summary?)
    }

    /// As [`Highwater::shutdown`]; blocks the thread.
    pub fn shutdown_blocking(&self, drain: Drain) -> Result<Summary, Error> {
        self.may_end(drain)?;
        Ok(shut(&self.engine, Some(drain))?)
    }

    /// Waits for the end of a run whose sources end: windows are closed, sinks written, its threads gone.
    ///
    /// # Errors
    /// Why the run failed, if it did.
    pub async fn finished(&self) -> Result<Summary, Error> {
        let engine = self.engine.clone();
        let summary = aside("end", move || shut(&engine, None)).await?;
        Ok(summary?)
    }

    /// As [`Highwater::finished`]; blocks the thread for at most `timeout`. `None` if it still runs then.
    pub fn finished_within(&self, timeout: Duration) -> Result<Option<Summary>, Error> {
        Ok(self.engine.wait_within(timeout).transpose()?)
    }

    /// The engine itself: metrics, tables, sinks, dead letters, units.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Whether it may be ended so.
    fn may_end(&self, drain: Drain) -> Result<(), Error> {
        let keeps =
            drain == Drain::Yes && self.engine.keeps() && self.engine.sources().iter().any(|source| source.live());
        if keeps { Err(Error::Kept) } else { Ok(()) }
    }

    /// Why nothing moves any more.
    fn over(&self) -> Error {
        match self.engine.wait() {
            Err(error) => error.into(),
            Ok(_) => Error::Over,
        }
    }
}

fn shut(engine: &Engine, drain: Option<Drain>) -> Result<Summary, EngineError> {
    if let Some(drain) = drain {
        engine.stop(drain == Drain::Yes);
    }
    let summary = engine.wait();
    engine.join();
    summary
}
