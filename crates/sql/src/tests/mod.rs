//! Tests of planning as a whole.

pub(crate) mod clause_tests;
#[allow(clippy::unwrap_used)]
pub(crate) mod depth_tests;
pub(crate) mod hint_tests;
#[allow(clippy::unwrap_used)]
pub(crate) mod identity_tests;
#[allow(clippy::unwrap_used)]
pub(crate) mod join_tests;
#[allow(clippy::unwrap_used)]
pub(crate) mod literal_tests;
pub(crate) mod nexmark_tests;
pub(crate) mod order_tests;
pub(crate) mod plan_tests;
#[allow(clippy::unwrap_used)]
pub(crate) mod refusal_tests;
#[allow(clippy::unwrap_used)]
pub(crate) mod reserved_tests;
pub(crate) mod select_list_tests;
pub(crate) mod session_tests;
#[allow(clippy::unwrap_used)]
pub(crate) mod simplify_tests;
pub(crate) mod table_tests;
#[allow(clippy::unwrap_used)]
pub(crate) mod time_tests;
pub(crate) mod united_tests;
pub(crate) mod words_tests;
