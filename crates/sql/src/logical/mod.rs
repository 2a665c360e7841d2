//! Queries as the planner leaves them: nodes and functions of our own, and the rules that this engine needs in place of the library's.

pub(crate) mod aggregate_call;
pub(crate) mod attempt;
pub(crate) mod compared;
pub(crate) mod down;
pub(crate) mod exact;
pub(crate) mod filtered;
pub(crate) mod grid;
pub(crate) mod growth;
pub(crate) mod identity;
pub(crate) mod kept;
pub(crate) mod keys;
pub(crate) mod literals;
pub(crate) mod marker;
pub(crate) mod once;
pub(crate) mod pattern_call;
pub(crate) mod pattern_node;
pub(crate) mod rank_call;
pub(crate) mod scope;
pub(crate) mod select_list;
pub(crate) mod single;
pub(crate) mod unnest;
pub(crate) mod unnest_node;
pub(crate) mod veiled;
pub(crate) mod window_call;
pub(crate) mod window_node;
pub(crate) mod zoned;
