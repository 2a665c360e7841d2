//! Highwater: a streaming analytics engine in one binary. SQL dataflows over event time, incremental on timely
//! dataflow, served live.
//!
//! The rooms, floor by floor. A room imports only from lower floors; `tests/architecture.rs` reads this table.
//!
//! | floor | rooms |
//! | --- | --- |
//! | 0 | time metrics type_names guard counted |
//! | 1 | options delta retry otlp |
//! | 2 | aggregate expression format operator |
//! | 3 | pattern window reduce session join rank table source sink |
//! | 4 | differential |
//! | 5 | plan |
//! | 6 | sql view |
//! | 7 | engine |
//! | 8 | serve |
//! | 9 | cli |
//!
//! The life of an event: a [`source`] reader decodes it, the source's edge gives it an epoch or rejects it as late, a
//! bounded queue hands it to a worker of the [`engine`], the operators of the [`plan`] ([`window`], [`reduce`],
//! [`session`], [`join`], [`rank`], [`pattern`], [`differential`]) turn it into changes, and those go, whole epochs at a time, to the [`view`]s and the [`sink`]s, from
//! where [`serve`] shows them.

#![cfg_attr(not(feature = "abomonation"), forbid(unsafe_code))]
#![cfg_attr(feature = "abomonation", deny(unsafe_code))]

pub mod aggregate;
pub mod cli;
pub mod counted;
pub mod delta;
pub mod differential;
pub mod engine;
pub mod expression;
pub mod format;
pub mod guard;
pub mod join;
pub mod metrics;
pub mod operator;
pub mod options;
pub mod otlp;
pub mod pattern;
pub mod plan;
pub mod rank;
pub mod reduce;
pub mod retry;
pub mod serve;
pub mod session;
pub mod sink;
pub mod source;
pub mod sql;
pub mod table;
pub mod time;
pub mod type_names;
pub mod view;
pub mod window;
