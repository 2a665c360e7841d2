//! What timely and differential ask of a timestamp, for [`Epoch`]: a total order, the summary of a path (no operator
//! moves an epoch), a lattice.

use differential_dataflow::lattice::{Lattice, Maximum};
use serde::{Deserialize, Serialize};
use timely::order::{PartialOrder, TotalOrder};
use timely::progress::timestamp::{PathSummary, Refines, Timestamp};

use super::Epoch;

/// The summary of every path through a dataflow: epochs arrive as they left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Unmoved;

impl PartialOrder for Epoch {
    fn less_equal(&self, other: &Self) -> bool {
        self <= other
    }

    fn less_than(&self, other: &Self) -> bool {
        self < other
    }
}

impl TotalOrder for Epoch {}

impl Timestamp for Epoch {
    type Summary = Unmoved;

    fn minimum() -> Self {
        Epoch::MIN
    }
}

impl PartialOrder for Unmoved {
    fn less_equal(&self, _: &Self) -> bool {
        true
    }
}

impl PathSummary<Epoch> for Unmoved {
    fn results_in(&self, epoch: &Epoch) -> Option<Epoch> {
        Some(*epoch)
    }

    fn followed_by(&self, _: &Self) -> Option<Self> {
        Some(Unmoved)
    }
}

impl Refines<()> for Epoch {
    fn to_inner((): ()) -> Self {
        Epoch::MIN
    }

    fn to_outer(self) {}

    fn summarize(_: Unmoved) {}
}

impl Lattice for Epoch {
    fn join(&self, other: &Self) -> Self {
        *self.max(other)
    }

    fn meet(&self, other: &Self) -> Self {
        *self.min(other)
    }
}

impl Maximum for Epoch {
    fn maximum() -> Self {
        Epoch { watermark: i64::MAX, tick: u64::MAX }
    }
}
