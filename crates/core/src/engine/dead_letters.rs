//! The dead letters of a view or sink: the rows that some operator below it could not take, as they stand now.
//!
//! They come as changes, whole epochs at a time, on the first worker of every process, as the rows of views do. Invariant: the
//! counts are exact, and which letters are kept depends on the changes alone: the newest by epoch, then by their bytes. Of a
//! letter that made room for others no more is known than that it is counted.

mod saved;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::UInt32Type;
use prometheus_client::metrics::gauge::Gauge;

use super::dead_file::DeadFile;
use super::error::EngineError;
use super::gather::Collect;
use crate::counted::counted;
use crate::delta::{Delta, failed_schema};
use crate::delta::{Netted, RowCodec};
use crate::metrics::{Metrics, label, labels};
use crate::operator::{Saved, Section};
use crate::plan::{Dataflow, NodeId, below, stands_in};
use crate::time::{Clock, Epoch};

/// A warning about a view's rows is not repeated sooner.
const WARN_EVERY_MS: u64 = 10_000;

/// A row that an operator could not take.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Letter {
    /// The node of the plan that could not take it.
    pub node: NodeId,
    /// In what it stands: an operator of a view or sink.
    pub position: String,
    /// What failed, as SQL writes it; empty if it is no expression.
    pub expression: String,
    /// Short stable word: `evaluation`, `late`, `no_event_time`.
    pub reason: String,
    /// What exactly is wrong.
    pub detail: String,
    /// The row as JSON, or its beginning.
    pub content: String,
    /// How often the row is there.
    pub count: i64,
}

/// Rows that failed for one reason.
#[derive(Clone, Debug)]
pub struct FailedFor {
    /// How many there are now.
    pub rows: i64,
    /// One of them.
    pub example: Letter,
}

/// What reads the rows that are missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// A published view.
    View,
    /// A sink.
    Sink,
}

impl Owner {
    /// `view` or `sink`.
    pub fn word(self) -> &'static str {
        match self {
            Owner::View => "view",
            Owner::Sink => "sink",
        }
    }
}

/// The dead letters of a view or sink.
#[derive(Debug)]
pub struct DeadLetters {
    owner: Owner,
    name: String,
    /// The nodes below it.
    nodes: Vec<NodeId>,
    /// Where each of these stands.
    positions: BTreeMap<NodeId, String>,
    limit: usize,
    codec: RowCodec,
    metrics: Arc<Metrics>,
    present: Gauge,
    file: Option<Arc<DeadFile>>,
    state: Mutex<State>,
    reached: Mutex<Reached>,
}

/// How far dead letters are, for who waits for them.
#[derive(Debug, Default)]
struct Reached {
    /// The nodes that they may come of; `None` before the dataflow is built.
    nodes: Option<Vec<NodeId>>,
    as_of: Epoch,
}

#[derive(Debug, Default)]
struct State {
    by_node: BTreeMap<NodeId, i64>,
    by_reason: BTreeMap<(NodeId, String, String), FailedFor>,
    /// Those that are kept, oldest first, with how often each is there.
    kept: BTreeMap<(Epoch, Box<[u8]>), i64>,
    epochs: HashMap<Box<[u8]>, Epoch>,
    /// When was warned last, and how many have failed since.
    warned: Option<Clock>,
    since: i64,
}

impl DeadLetters {
    /// Those of all sinks and, if they are computed, views of a plan, at most `limit` kept of each.
    pub(super) fn of(
        plan: &Dataflow,
        views: bool,
        limit: usize,
        metrics: &Arc<Metrics>,
        file: Option<&Arc<DeadFile>>,
    ) -> Result<Vec<Arc<DeadLetters>>, EngineError> {
        let views = plan.views.iter().filter(|_| views).map(|view| (Owner::View, view.name.clone(), view.node));
        let sinks = plan.sinks.iter().map(|sink| (Owner::Sink, sink.spec.name.clone(), sink.node));
        let live = !plan.tables.is_empty() || plan.sources.iter().any(|source| source.connector.live(&source.options));
        let one = |(owner, name, node): (Owner, String, NodeId)| {
            let codec = RowCodec::new(failed_schema().clone(), &[]);
            let codec = codec.map_err(|error| EngineError::Config(format!("dead letters have no order: {error}")))?;
            let nodes = below(plan, node);
            Ok(Arc::new(DeadLetters {
                owner,
                positions: nodes.iter().map(|&id| (id, stands_in(plan, id, &name))).collect(),
                nodes,
                limit,
                codec,
                metrics: metrics.clone(),
                present: match owner {
                    Owner::View => &metrics.view_dead_letters,
                    Owner::Sink => &metrics.sink_dead_letters,
                }
                .get_or_create_owned(&label(owner.word(), &name)),
                name,
                file: file.cloned(),
                // What has an end says there why rows failed, unless it takes long.
                state: Mutex::new(State { warned: (!live).then(Clock::start), ..State::default() }),
                reached: Mutex::default(),
            }))
        };
        views.chain(sinks).map(one).collect()
    }

    /// Whether they are of a view or of a sink.
    pub fn owner(&self) -> Owner {
        self.owner
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn reached(&self) -> MutexGuard<'_, Reached> {
        self.reached.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The dataflow is built: they may come of these nodes.
    pub(super) fn may_come_of(&self, nodes: impl Iterator<Item = NodeId>) {
        let nodes = nodes.collect();
        self.reached().nodes = Some(nodes);
    }

    /// Whether they are as far as the nodes that they may come of; `goal` says how far those are.
    pub(super) fn has_come_to(&self, goal: impl Fn(&[NodeId]) -> Epoch) -> bool {
        let reached = self.reached();
        reached.nodes.as_ref().is_some_and(|nodes| nodes.is_empty() || reached.as_of >= goal(nodes))
    }

    /// The nodes of the plan below it.
    pub(super) fn nodes(&self) -> &[NodeId] {
        &self.nodes
    }

    /// How many there are now.
    pub fn total(&self) -> u64 {
        self.lock().by_node.values().map(|rows| rows.unsigned_abs()).sum()
    }

    /// How many there are now, by node.
    pub(super) fn by_node(&self) -> BTreeMap<NodeId, i64> {
        self.lock().by_node.clone()
    }

    /// Why rows failed, the most frequent first.
    pub fn reasons(&self) -> Vec<FailedFor> {
        let mut reasons: Vec<FailedFor> = self.lock().by_reason.values().cloned().collect();
        reasons.sort_by_key(|reason| std::cmp::Reverse(reason.rows));
        reasons
    }

    /// The newest, `limit` at most.
    pub fn latest(&self, limit: usize) -> Vec<Letter> {
        let rows: Vec<(Box<[u8]>, i64)> =
            self.lock().kept.iter().rev().take(limit).map(|((_, row), count)| (row.clone(), *count)).collect();
        let batch = self.codec.decode(rows.iter().map(|(row, _)| row.as_ref()));
        rows.iter().enumerate().map(|(row, (_, count))| self.letter(&batch, row, *count)).collect()
    }

    fn letter(&self, batch: &RecordBatch, row: usize, count: i64) -> Letter {
        let text = |column: usize| batch.column(column).as_string::<i32>().value(row).to_owned();
        let node = batch.column(0).as_primitive::<UInt32Type>().value(row) as usize;
        let position = self.positions.get(&node).cloned().unwrap_or_default();
        Letter { node, position, expression: text(1), reason: text(2), detail: text(3), content: text(4), count }
    }

    fn apply(&self, epoch: Epoch, netted: &Netted) {
        let mut state = self.lock();
        for (row, bytes) in netted.rows.iter().enumerate() {
            let diff = netted.delta.diff(row);
            let letter = self.letter(netted.delta.batch(), row, diff);
            if diff > 0 {
                let labels = labels((self.owner.word(), &self.name), ("reason", &letter.reason));
                let failed = match self.owner {
                    Owner::View => &self.metrics.view_rows_failed,
                    Owner::Sink => &self.metrics.sink_rows_failed,
                };
                failed.get_or_create(&labels).inc_by(diff.unsigned_abs());
                state.since += diff;
            }
            self.file.iter().for_each(|file| file.reader(self.owner, &self.name, epoch, &letter));
            state.keep(epoch, bytes, diff, self.limit);
            state.count(letter, diff);
        }
        self.present.set(state.by_node.values().sum());
        self.warn(&mut state);
    }

    fn warn(&self, state: &mut State) {
        let waits = state.warned.as_ref().is_some_and(|last| last.elapsed_ms() < WARN_EVERY_MS);
        let Some((_, row)) = state.kept.keys().next_back().filter(|_| state.since > 0 && !waits) else { return };
        let letter = self.letter(&self.codec.decode([row.as_ref()]), 0, 1);
        let (owner, name) = (self.owner.word(), &self.name);
        tracing::warn!("{} of {owner} '{name}' failed; the last: {letter}", counted(state.since, "row"));
        (state.since, state.warned) = (0, Some(Clock::start()));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Display for Letter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if !self.expression.is_empty() {
            write!(f, "{}: ", self.expression)?;
        }
        write!(f, "{}, in {}", self.detail, self.content)
    }
}

impl State {
    /// Adds to the letters that are kept, or takes from them.
    fn keep(&mut self, epoch: Epoch, row: &[u8], diff: i64, limit: usize) {
        let known = self.epochs.get(row).copied();
        if known.is_none() && diff < 0 || limit == 0 {
            // It made room for others.
            return;
        }
        let place = (known.unwrap_or(epoch), Box::from(row));
        let count = self.kept.get(&place).copied().unwrap_or(0) + diff;
        if count <= 0 {
            self.kept.remove(&place);
            self.epochs.remove(row);
            return;
        }
        self.epochs.insert(place.1.clone(), place.0);
        self.kept.insert(place, count);
        if self.kept.len() > limit
            && let Some(((_, row), _)) = self.kept.pop_first()
        {
            self.epochs.remove(&row);
        }
    }

    fn count(&mut self, letter: Letter, diff: i64) {
        let of_node = self.by_node.entry(letter.node).or_insert(0);
        *of_node += diff;
        if *of_node == 0 {
            self.by_node.remove(&letter.node);
        }
        let key = (letter.node, letter.reason.clone(), letter.expression.clone());
        let of_reason = self.by_reason.entry(key.clone()).or_insert(FailedFor { rows: 0, example: letter });
        of_reason.rows += diff;
        if of_reason.rows == 0 {
            self.by_reason.remove(&key);
        }
    }
}

/// Hands a view or sink the changes of its dead letters.
pub(super) struct ToDeadLetters(pub(super) Arc<DeadLetters>);

impl Collect for ToDeadLetters {
    fn sections(&self) -> Vec<Section> {
        Saved::sections(self)
    }

    fn kept(&mut self) -> Option<&mut dyn Saved> {
        Some(self)
    }

    fn collect(&mut self, epochs: Vec<(Epoch, Vec<Delta>)>, as_of: Epoch) {
        for (epoch, deltas) in epochs {
            if let Some(netted) = self.0.codec.net(&deltas, true) {
                self.0.apply(epoch, &netted);
            }
        }
        self.0.reached().as_of = as_of;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::delta::{Failed, Failure, failed_delta};

    fn letters(limit: usize) -> ToDeadLetters {
        let metrics = Arc::new(Metrics::new());
        let plan = Dataflow {
            nodes: vec![crate::plan::Node {
                op: crate::plan::Op::Union,
                inputs: Vec::new(),
                schema: failed_schema().clone(),
                facts: Default::default(),
            }],
            views: vec![crate::plan::ViewSpec {
                name: "v".to_owned(),
                node: 0,
                columns: Vec::new(),
                schema: failed_schema().clone(),
                key: None,
                closes: None,
                emit: crate::plan::Emit::Changes,
                sql: String::new(),
                options: Default::default(),
            }],
            ..Dataflow::default()
        };
        ToDeadLetters(DeadLetters::of(&plan, true, limit, &metrics, None).unwrap().remove(0))
    }

    fn rows(rows: &[(&str, i64)]) -> Vec<Delta> {
        let failed = |&(content, diff): &(&str, i64)| Failed {
            failure: Failure { expression: "10 / d".to_owned(), reason: "evaluation", detail: "no".to_owned() },
            content: content.to_owned(),
            diff,
            due: None,
        };
        failed_delta(0, &rows.iter().map(failed).collect::<Vec<_>>()).into_iter().collect()
    }

    fn epoch(tick: u64) -> Epoch {
        Epoch { tick, ..Epoch::MIN }
    }

    fn contents(letters: &ToDeadLetters) -> Vec<(String, i64)> {
        letters.0.latest(10).into_iter().map(|letter| (letter.content, letter.count)).collect()
    }

    #[test]
    fn a_row_that_is_taken_back_takes_its_letter_back() {
        let mut letters = letters(10);
        letters.collect(vec![(epoch(1), rows(&[("a", 2), ("b", 1)])), (epoch(2), rows(&[("c", 1)]))], epoch(3));
        let kept = |rows: &[(&str, i64)]| rows.iter().map(|row| (row.0.to_owned(), row.1)).collect::<Vec<_>>();
        assert_eq!(contents(&letters), kept(&[("c", 1), ("b", 1), ("a", 2)]));
        letters.collect(vec![(epoch(3), rows(&[("a", -1), ("b", -1), ("d", 1), ("d", -1)]))], epoch(4));
        assert_eq!((contents(&letters), letters.0.total()), (kept(&[("c", 1), ("a", 1)]), 2));
        letters.collect(vec![(epoch(4), rows(&[("a", -1), ("c", -1)]))], epoch(5));
        assert_eq!((letters.0.total(), letters.0.reasons().len()), (0, 0));
    }

    #[test]
    fn the_newest_are_kept_and_all_are_counted() {
        let mut letters = letters(2);
        letters
            .collect(vec![(epoch(1), rows(&[("a", 1), ("b", 1), ("c", 1)])), (epoch(2), rows(&[("d", 3)]))], epoch(3));
        assert_eq!(contents(&letters), [("d".to_owned(), 3), ("c".to_owned(), 1)]);
        assert_eq!((letters.0.total(), letters.0.reasons()[0].rows), (6, 6));
        letters.collect(vec![(epoch(3), rows(&[("a", -1)]))], epoch(4));
        assert_eq!((letters.0.total(), contents(&letters).len()), (5, 2));
    }
}
