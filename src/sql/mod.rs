//! SQL text to a plan.

mod column_type;
mod ddl;
mod error;
pub mod functions;
mod interval;
mod setting;
mod statement;
mod token;

pub use error::SqlError;
