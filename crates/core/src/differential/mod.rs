//! What runs on differential dataflow's own operators: recursion (`recursion.rs`), and the operators of a program that asks for
//! them (`SET 'operators' = 'differential'`), which give the same results as the engine's own at every epoch.
//!
//! Rows travel as bytes in the order-preserving form of arrow-row (`codec.rs`): those of two rows side by side are those of the
//! joined row. On the way in (`intake.rs`, `runs.rs`) they get the epochs at which they come and go: so windows close, and what is past is
//! freed. Groups are answered from all of their rows each time (`answer.rs`, `ranked.rs`, `sessions.rs`), joins are made of
//! arrangements (`operator/joined.rs`). What comes out is netted by whole epochs (`settled.rs`).
//!
//! Cost: every change of a group reads the group again, and every row is encoded twice: slower than the engine's own operators
//! by about the size of the groups. Memory: all rows of what is not past, also where sums would do.

mod answer;
mod codec;
mod fading;
mod intake;
mod operator;
mod ranked;
mod recursion;
mod runs;
mod sessions;
mod settled;

pub use answer::{Aggregated, Answer};
pub use codec::Codec;
pub use fading::{Expiry, Fading};
pub use intake::{Intake, Stay};
pub use operator::{Given, Half, Joined, distinct, grouped, half, joined, recursion};
pub use ranked::Ranked;
pub use recursion::{MAX_ROUNDS, Meet, Recursion, Rows, Shows, Step, Term};
pub use sessions::SessionsOf;

use intake::Record;
use settled::Settled;
