//! Differential dataflow's operators, and the way in and out of them.

mod recursion;

pub use recursion::{Given, recursion};
