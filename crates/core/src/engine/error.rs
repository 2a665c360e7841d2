//! Why an engine did not start, or failed while running.

use crate::sink::SinkError;
use crate::source::SourceError;
use crate::view::Unordered;

/// Why an engine did not start, or failed while running. Cloned to everyone who waits for it.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The configuration cannot run.
    #[error("{0}")]
    Config(String),
    /// A source could not be opened or read on.
    #[error(transparent)]
    Source(std::sync::Arc<SourceError>),
    /// A sink could not be opened or written.
    #[error(transparent)]
    Sink(std::sync::Arc<SinkError>),
    /// The dataflow has something that the engine cannot run.
    #[error("{what}: {remedy}")]
    Dataflow {
        /// What it is.
        what: String,
        /// What to do.
        remedy: String,
    },
    /// What was built beside it reads a view that is not there.
    #[error(transparent)]
    Unknown(#[from] UnknownName),
    /// The data directory cannot be used, or not any more.
    #[error("data directory '{folder}': {what}; {remedy}")]
    DataDir {
        /// The directory.
        folder: String,
        /// What is wrong.
        what: String,
        /// What to do.
        remedy: String,
    },
    /// The cluster did not come together.
    #[error("process {process} of the cluster: {what}")]
    Connect {
        /// The process that it was about.
        process: usize,
        /// What went wrong, with its address, and what to do.
        what: String,
    },
    /// A thread of the engine panicked: a bug.
    #[error("{thread} of process {process} panicked: {message}; the process stops")]
    Panic {
        /// The thread.
        thread: String,
        /// The process.
        process: usize,
        /// The panic's message and place.
        message: String,
    },
    /// Another process of the cluster is gone.
    #[error("peer process {peer} ({address}) is gone; process {process} stops: restart the cluster")]
    PeerGone {
        /// The process that is gone.
        peer: usize,
        /// Its address.
        address: String,
        /// This process.
        process: usize,
    },
    /// Another process of the cluster gives no sign of life, though it is connected.
    #[error(
        "peer process {peer} ({address}) has given no sign of life for {seconds} s: it is stuck, or the network between is cut; process {process} stops: restart the cluster (--peer-timeout says how long to wait)"
    )]
    PeerSilent {
        /// The process that is silent.
        peer: usize,
        /// Its address.
        address: String,
        /// For how long.
        seconds: f64,
        /// This process.
        process: usize,
    },
}

/// There is nothing of that name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no {kind} '{name}'; there {}", told(.known))]
#[non_exhaustive]
pub struct UnknownName {
    /// What was looked for: `view`, `source`.
    pub kind: &'static str,
    /// The name that was asked for.
    pub name: String,
    /// The names that there are.
    pub known: Vec<String>,
}

impl UnknownName {
    /// Nothing of that kind has that name.
    pub fn new(kind: &'static str, name: &str, known: Vec<String>) -> UnknownName {
        UnknownName { kind, name: name.to_owned(), known }
    }
}

fn told(known: &[String]) -> String {
    match known {
        [] => "are none".to_owned(),
        [one] => format!("is '{one}'"),
        known => format!("are '{}'", known.join("', '")),
    }
}

impl From<SourceError> for EngineError {
    fn from(error: SourceError) -> Self {
        EngineError::Source(std::sync::Arc::new(error))
    }
}

impl From<SinkError> for EngineError {
    fn from(error: SinkError) -> Self {
        EngineError::Sink(std::sync::Arc::new(error))
    }
}

impl From<Unordered> for EngineError {
    fn from(unordered: Unordered) -> Self {
        EngineError::Dataflow {
            what: unordered.to_string(),
            remedy: "leave out or cast the column whose type has no order".to_owned(),
        }
    }
}
