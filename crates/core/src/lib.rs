//! Highwater's engine: all rooms below SQL, the server and the command line. `highwater` shows them under its own name, and
//! its crate documentation has them floor by floor.

#![cfg_attr(not(feature = "abomonation"), forbid(unsafe_code))]
#![cfg_attr(feature = "abomonation", deny(unsafe_code))]

pub mod aggregate;
pub mod counted;
pub mod delta;
pub mod differential;
pub mod engine;
pub mod expression;
pub mod format;
pub mod guard;
pub mod join;
pub mod kept;
pub mod metrics;
pub mod operator;
pub mod options;
pub mod otlp;
pub mod pattern;
pub mod plan;
pub mod rank;
pub mod reduce;
pub mod registered;
pub mod retry;
pub mod session;
pub mod sink;
pub mod source;
pub mod table;
pub mod time;
pub mod type_names;
pub mod values;
pub mod view;
pub mod window;

/// What of these stands in the signatures of operators of others.
pub use {differential_dataflow, timely};
