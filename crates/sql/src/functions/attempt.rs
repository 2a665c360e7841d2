//! `TRY(expression)`, on its way through the planner: a call that the physical form takes for what it is. And its sibling that is told.

use datafusion_expr::Volatility;

use super::marker::{Marker, first};

/// The call. What fails in it must not be computed outside.
pub(crate) static TRY: Marker = Marker {
    name: "try",
    args: 1,
    of: 0,
    nullable: true,
    closed: true,
    volatility: Volatility::Immutable,
    eval: first,
};

/// A key that a row may be without: NULL where it fails, of which what computes it tells.
pub(crate) static TOLD: Marker = Marker {
    name: "__told",
    args: 1,
    of: 0,
    nullable: true,
    closed: true,
    volatility: Volatility::Immutable,
    eval: first,
};
