//! Which operators a program runs on: the engine's own, or differential dataflow's where there are such.

use super::recursion::inside;
use super::{Dataflow, NodeId, Op};
use crate::differential::Codec;

/// What `SET 'operators'` chooses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Operators {
    /// The engine's own.
    #[default]
    Own,
    /// Differential dataflow's, for groups, windows, sessions, joins and rankings; the engine's own for all else.
    Differential,
}

impl Operators {
    /// All of them.
    pub const ALL: [Operators; 2] = [Operators::Own, Operators::Differential];

    /// Its name in SQL.
    pub fn name(self) -> &'static str {
        match self {
            Operators::Own => "own",
            Operators::Differential => "differential",
        }
    }
}

/// Whether a node runs on differential's operators because the program asks for it; those of a recursion always do. Rows of
/// types that have no order have no form there.
pub(crate) fn by_differential(plan: &Dataflow, id: NodeId) -> bool {
    let node = &plan.nodes[id];
    let ordered = |id: NodeId| Codec::new(&plan.nodes[id].schema).is_ok();
    plan.operators == Operators::Differential
        && matches!(node.op, Op::Reduce(_) | Op::Join(_) | Op::Rank(_))
        && !inside(&plan.nodes)[id]
        && node.inputs.iter().chain([&id]).all(|&id| ordered(id))
}

/// What runs a node, for a program that does not run on the engine's own operators alone.
pub(super) fn runs_on(plan: &Dataflow, id: NodeId) -> Option<&'static str> {
    let node = &plan.nodes[id];
    if plan.operators == Operators::Own || node.inputs.is_empty() {
        return None;
    }
    let differential = by_differential(plan, id) || inside(&plan.nodes)[id] || matches!(node.op, Op::Recursion(_));
    Some(if differential { Operators::Differential.name() } else { Operators::Own.name() })
}
