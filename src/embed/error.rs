//! What goes wrong, in words and by kind.

use std::path::PathBuf;

use crate::engine::{EngineError, Refused, UnknownName};
use crate::format::RowsError;
use crate::source::Undecoded;
use crate::sql::SqlErrors;

/// Why something could not be done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
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
    /// The run has ended.
    #[error("the engine has ended")]
    Over,
}

/// Why pushed rows were not taken: none of them was.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PushError {
    /// There is no room now.
    #[error("source '{source_name}' has no room now: wait for it, and push the rows again")]
    Full {
        /// The source.
        source_name: String,
    },
    /// The disk of the data directory is full.
    #[error("the disk of the data directory is full: source '{source_name}' takes nothing before there is room")]
    DiskFull {
        /// The source.
        source_name: String,
    },
    /// The engine stops, or has ended.
    #[error("source '{source_name}' takes no more rows: the engine stops")]
    Closed {
        /// The source.
        source_name: String,
    },
    /// The source reads its rows itself.
    #[error(
        "source '{source_name}' reads its rows itself, by connector '{connector}': push to one with 'connector' = 'http'"
    )]
    NotPushed {
        /// The source.
        source_name: String,
        /// What it reads by.
        connector: &'static str,
    },
    /// A row does not fit the declared columns.
    #[error("source '{source_name}': {error}")]
    Rows {
        /// The source.
        source_name: String,
        /// The first that does not: its row, its column, and why.
        #[source]
        error: RowsError,
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
    /// The column that it is about, if it is about one.
    pub fn column(&self) -> Option<&str> {
        match self {
            PushError::Rows { error, .. } if !error.column.is_empty() => Some(&error.column),
            _ => None,
        }
    }

    pub(super) fn of(source: &str, refused: Refused) -> PushError {
        let source_name = source.to_owned();
        match refused {
            Refused::Full(_) => PushError::Full { source_name },
            Refused::DiskFull(_) => PushError::DiskFull { source_name },
            Refused::NotPushed { connector, .. } => PushError::NotPushed { source_name, connector },
            Refused::Unfit { error, .. } => PushError::Rows { source_name, error },
            _ => PushError::Closed { source_name },
        }
    }
}
