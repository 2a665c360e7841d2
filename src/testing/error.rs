//! Why a test does not go on, or what it found.

use std::fmt;
use std::panic::Location;

use highwater_core::engine::EngineError;
use highwater_sql::{SqlError, SqlErrors};

use super::table::Difference;

/// Why a test does not go on, or what it found. Shown the same by `{}` and `{:?}`, so that `unwrap` tells it as it is to be read.
#[non_exhaustive]
pub enum TestError {
    /// The program is refused.
    Program(Vec<SqlError>),
    /// The engine could not be started, or failed.
    Engine(EngineError),
    /// The program has nothing of that name.
    Unknown {
        /// What it would be: a source, a view or sink, a table.
        kind: &'static str,
        /// The name.
        name: String,
        /// Those that there are.
        known: Vec<String>,
    },
    /// Rows of the test cannot be read.
    Rows {
        /// What they are for.
        of: String,
        /// Which row, from 1; 0 is the header.
        row: u64,
        /// What is wrong.
        what: String,
    },
    /// The rows are not those that are expected.
    Differs(Box<Difference>),
    /// What was asked cannot be done now.
    Impossible {
        /// What.
        what: String,
        /// What to do instead.
        remedy: String,
    },
}

impl TestError {
    /// The same, with the line of the test that expected what is not there.
    pub(super) fn expected_at(mut self, at: &'static Location<'static>) -> TestError {
        if let TestError::Differs(difference) = &mut self {
            difference.at = Some(at);
        }
        self
    }
}

impl fmt::Display for TestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TestError::Program(errors) => {
                let shown: Vec<String> = errors.iter().map(ToString::to_string).collect();
                write!(f, "{}", shown.join("\n\n"))
            }
            TestError::Engine(error) => write!(f, "{error}"),
            TestError::Unknown { kind, name, known } if known.is_empty() => {
                write!(f, "'{name}' is no {kind}: the program has none")
            }
            TestError::Unknown { kind, name, known } => {
                write!(f, "'{name}' is no {kind}: there is {}", known.join(", "))
            }
            TestError::Rows { of, row: 0, what } => write!(f, "the columns for '{of}': {what}"),
            TestError::Rows { of, row, what } => write!(f, "row {row} for '{of}': {what}"),
            TestError::Differs(difference) => write!(f, "{difference}"),
            TestError::Impossible { what, remedy } => write!(f, "{what}: {remedy}"),
        }
    }
}

impl fmt::Debug for TestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl std::error::Error for TestError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            TestError::Program(errors) => errors.first().map(|error| error as _),
            TestError::Engine(error) => Some(error),
            _ => None,
        }
    }
}

impl From<EngineError> for TestError {
    fn from(error: EngineError) -> TestError {
        TestError::Engine(error)
    }
}

impl From<SqlErrors> for TestError {
    fn from(errors: SqlErrors) -> TestError {
        TestError::Program(errors.into())
    }
}
