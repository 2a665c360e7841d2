//! Queries as the parser reads them, before the planner: what it or the planner would take for something else is rewritten, what is not supported is refused.

pub(crate) mod arrival;
pub(crate) mod as_of;
pub(crate) mod asked;
pub(crate) mod cast_type;
pub(crate) mod depth;
pub(crate) mod distinct_from;
pub(crate) mod effort;
pub(crate) mod forms;
pub(crate) mod group_window;
pub(crate) mod json_clauses;
pub(crate) mod limited;
pub(crate) mod names;
pub(crate) mod pattern_shape;
pub(crate) mod pattern_tokens;
pub(crate) mod pattern_values;
pub(crate) mod recursive;
pub(crate) mod refuse;
pub(crate) mod reserved;
pub(crate) mod row_compared;
pub(crate) mod row_in;
pub(crate) mod set_all;
pub(crate) mod table_function;
pub(crate) mod values_asked;
pub(crate) mod with_names;
