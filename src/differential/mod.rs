//! What runs on differential dataflow's own operators: recursion (`recursion.rs`).
//!
//! Rows travel as bytes in the order-preserving form of arrow-row (`codec.rs`): those of two rows side by side are those of the
//! joined row. What comes out is netted by whole epochs (`settled.rs`).

mod codec;
mod fading;
mod operator;
mod recursion;
mod settled;

pub use codec::Codec;
pub use fading::{Expiry, Fading};
pub use operator::{Given, recursion};
pub use recursion::{MAX_ROUNDS, Meet, Recursion, Rows, Shows, Step, Term};
use settled::Settled;
