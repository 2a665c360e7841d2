//! Operators whose rows come from outside the dataflow: sources, requests for tables, constants.
//!
//! Such an operator has *lanes*, from the first epoch on: what comes by one comes at its epoch or later, and its epoch moves on.
//! The frontier of what is sent, the least of all lanes' epochs, is thereby the watermark (W5, W7, W11).

use timely::container::NoopBuilder;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::dataflow::operators::generic::{OperatorInfo, OutputBuilder, OutputBuilderSession};
use timely::dataflow::{Scope, Stream};

use crate::delta::Delta;
use crate::time::Epoch;

/// Small batches of one epoch that follow each other become one of up to so many rows.
pub const BATCH_ROWS: usize = 8192;

/// The frontier of other streams and nothing else.
pub type Tide<'s> = Stream<'s, Epoch, Vec<()>>;

/// What an operator sends with, while it has its turn.
pub struct Emitter<'a> {
    lanes: &'a mut [Option<Capability<Epoch>>],
    waiting: Option<Waiting>,
    output: OutputBuilderSession<'a, Epoch, NoopBuilder<Delta>>,
}

/// Rows of one epoch.
struct Waiting {
    capability: Capability<Epoch>,
    deltas: Vec<Delta>,
    rows: usize,
}

impl std::fmt::Debug for Emitter<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Emitter").field("lanes", &self.lanes).finish_non_exhaustive()
    }
}

impl Emitter<'_> {
    /// The least epoch that a lane may still send at; `None` if it has ended.
    pub fn at(&self, lane: usize) -> Option<Epoch> {
        self.lanes[lane].as_ref().map(|capability| *capability.time())
    }

    /// Sends rows by a lane, at its epoch or a later one. One that has ended sends nothing.
    pub fn send(&mut self, lane: usize, epoch: Epoch, rows: Delta) {
        let Some(capability) = &self.lanes[lane] else { return };
        match &mut self.waiting {
            Some(waiting) if *waiting.capability.time() == epoch && waiting.rows + rows.len() <= BATCH_ROWS => {
                waiting.rows += rows.len();
                waiting.deltas.push(rows);
            }
            _ => {
                let capability = capability.delayed(&epoch);
                self.flush();
                self.waiting = Some(Waiting { capability, rows: rows.len(), deltas: vec![rows] });
            }
        }
    }

    /// Moves a lane on to an epoch, never back.
    pub fn advance(&mut self, lane: usize, epoch: Epoch) {
        if let Some(capability) = self.lanes[lane].as_mut().filter(|capability| epoch > *capability.time()) {
            capability.downgrade(&epoch);
        }
    }

    /// Nothing comes by a lane any more.
    pub fn end(&mut self, lane: usize) {
        self.lanes[lane] = None;
    }

    fn flush(&mut self) {
        let Some(Waiting { capability, deltas, .. }) = self.waiting.take() else { return };
        if let Some(first) = deltas.first() {
            let mut rows = Delta::concat(&first.batch().schema(), &deltas);
            self.output.session_with_builder(&capability).give_container(&mut rows);
        }
    }
}

/// Runs an operator with so many lanes. `turn` has its turn when the operator is activated and, if there is a stream to go
/// `along` with, when that one's frontier moves, which it is told (`None`: it has ended, or there is none).
pub fn emitting<'s, F>(
    scope: Scope<'s, Epoch>,
    name: &str,
    lanes: usize,
    along: Option<Tide<'s>>,
    turn: impl FnOnce(OperatorInfo) -> F,
) -> Stream<'s, Epoch, Delta>
where
    F: FnMut(&mut Emitter<'_>, Option<Epoch>) + 'static,
{
    let mut builder = OperatorBuilder::new(name.to_owned(), scope);
    let mut along = along.map(|stream| builder.new_input(stream, Pipeline));
    let (output, stream) = builder.new_output::<Delta>();
    let mut output = OutputBuilder::<_, NoopBuilder<Delta>>::from(output);
    let mut turn = turn(builder.operator_info());
    builder.build(move |mut minted| {
        let mut lanes: Vec<Option<Capability<Epoch>>> = vec![minted.pop(); lanes];
        move |frontiers| {
            if let Some(along) = &mut along {
                along.for_each_time(|_, _| {});
            }
            let frontier = frontiers.first().and_then(|frontier| frontier.frontier().first().copied());
            let mut emitter = Emitter { lanes: &mut lanes, waiting: None, output: output.activate() };
            turn(&mut emitter, frontier);
            emitter.flush();
        }
    });
    stream
}
