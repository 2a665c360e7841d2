//! Where in the program a node comes from.

/// A statement, and the clause of it that a node does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The view, sink, source or table whose statement it is.
    pub of: String,
    /// The file, as it was named.
    pub file: String,
    /// Line, from 1.
    pub line: u64,
    /// Column in characters, from 1.
    pub column: u64,
    /// The clause as it is written, in one line.
    pub sql: String,
}
