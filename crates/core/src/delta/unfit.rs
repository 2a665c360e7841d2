//! Why saved state is not taken in.

/// What is wrong with saved rows. They were damaged, or another program or another version of this one saved them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// The state has no such section.
    #[error("this state has no section '{0}': it was saved by another program")]
    Section(String),
    /// The section is written in another way.
    #[error("section '{section}' is of version {found}, and version {known} is what this program reads")]
    Version {
        /// The section.
        section: String,
        /// What it was saved as.
        found: u32,
        /// What can be read.
        known: u32,
    },
    /// The section has other columns.
    #[error("section '{section}' has the columns {found}, where {known} are expected")]
    Columns {
        /// The section.
        section: String,
        /// Its columns and their types.
        found: String,
        /// Those of this state.
        known: String,
    },
    /// A value that no state has.
    #[error("saved state is damaged: {0}")]
    Value(&'static str),
}
