//! When a grouped result is shown.

/// When a windowed or session result is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Emit {
    /// When it closes, and when a late row amends it.
    Final,
    /// At every epoch that changes it.
    Changes,
}
