//! What goes wrong, in words and by kind.

use std::path::PathBuf;

use crate::engine::{EngineError, Refused, Unchanged, UnknownName};
use crate::format::RowsError;
use crate::source::Undecoded;
use crate::sql::{CatalogError, SqlErrors};

/// Why something could not be done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Something cannot be registered.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The program has errors.
    #[error(transparent)]
    Sql(#[from] SqlErrors),
    /// A file of the program cannot be read.
    #[error("cannot read '{}': {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        #[source]
        error: std::io::Error,
    },
    /// The engine did not start, or failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// There is nothing of that name.
    #[error(transparent)]
    Unknown(#[from] UnknownName),
    /// Rows do not fit the type that they are asked as.
    #[error(transparent)]
    Rows(#[from] RowsError),
    /// Views cannot be read at one epoch.
    #[error(
        "the views {} are so far apart that they have no epoch in common: ask again, or raise Config::ring_epochs", views.join(", ")
    )]
    Apart {
        /// The views.
        views: Vec<String>,
    },
    /// A run with a data directory is not drained: its sources would take nothing more, whenever it is started again.
    #[error(
        "Drain::Yes ends the sources for good, and the data directory goes on with them: shut down with Drain::No, or run without a data directory"
    )]
    Kept,
    /// The run has ended.
    #[error("the engine has ended")]
    Over,
}

/// Why a reference table was not changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChangeError {
    /// A row does not fit: it has a field that is no column, a value that its column does not take, or lacks one that is NOT NULL.
    #[error("table '{table_name}': {error}")]
    Rows {
        /// The table.
        table_name: String,
        /// The row and its column.
        #[source]
        error: RowsError,
    },
    /// It takes no change, or none now.
    #[error("table '{table_name}': {why}")]
    Unchanged {
        /// The table.
        table_name: String,
        /// Why.
        #[source]
        why: Unchanged,
    },
}

/// Why pushed rows were not taken: none of them was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PushError {
    /// The source takes none, or not these: there is no room ([`PushError::is_full`]), a row does not fit, it takes nothing more, or it
    /// reads its rows itself.
    #[error("source '{source_name}': {refused}")]
    Refused {
        /// The source.
        source_name: String,
        /// Why. Rows for which there is no room are in it.
        #[source]
        refused: Refused,
    },
    /// The text cannot be read at all.
    #[error("source '{source_name}': nothing of the text was read: {error}")]
    Unread {
        /// The source.
        source_name: String,
        /// Why.
        #[source]
        error: Undecoded,
    },
}

impl PushError {
    /// Whether there is no room now, so that the same rows may be taken later: wait for room, and push them again.
    pub fn is_full(&self) -> bool {
        matches!(self, PushError::Refused { refused: Refused::Full(_) | Refused::DiskFull(_), .. })
    }

    /// The column that it is about, if it is about one.
    pub fn column(&self) -> Option<&str> {
        match self {
            PushError::Refused { refused: Refused::Unfit(error), .. } if !error.column.is_empty() => {
                Some(&error.column)
            }
            _ => None,
        }
    }
}
