//! Ranking over epochs: of the whole stream, or within windows that rows carry in their columns.
//!
//! Invariant: `open` holds windows whose rows are not out yet, `shown` those whose rows are. Without windows there is one
//! set of partitions, and what it shows is always out.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMillisecondType;
use arrow_array::{RecordBatch, UInt32Array};
use arrow_schema::SchemaRef;

use super::Rank;
use super::partitions::Partitions;
use crate::aggregate::{Changes, Emit, Terms, numbers};
use crate::delta::{Delta, Unfit};
use crate::operator::{Counted, Saved, Saving, Section, Stateful, only};
use crate::time::Epoch;

/// `(end, start)`: windows close in the order of their ends.
type Pane = (i64, i64);

/// The pane of all rows of a stream that is ranked without windows.
const WHOLE: Pane = (i64::MAX, i64::MIN);

/// The state machine.
pub struct Top {
    terms: Terms,
    rank: Arc<Rank>,
    input: SchemaRef,
    open: BTreeMap<Pane, Partitions>,
    shown: BTreeMap<Pane, Partitions>,
}

impl Top {
    /// No rows yet; `input` is the schema of the input.
    pub fn new(terms: Terms, rank: Rank, input: &SchemaRef) -> Top {
        Top { terms, rank: Arc::new(rank), input: input.clone(), open: BTreeMap::new(), shown: BTreeMap::new() }
    }

    /// The rows by window.
    fn split(&self, delta: &Delta, (start, end): (usize, usize)) -> Vec<(Pane, Delta)> {
        let delta = self.terms.timed(delta, &[start, end]);
        let times = |column: usize| delta.batch().column(column).as_primitive::<TimestampMillisecondType>().values();
        let (starts, ends) = (times(start), times(end));
        let pane = |row: u32| (ends[row as usize], starts[row as usize]);
        let mut order: Vec<u32> = (0..delta.len() as u32).collect();
        if order.is_empty() {
            return Vec::new();
        }
        if order.iter().all(|&row| pane(row) == pane(0)) {
            return vec![(pane(0), delta.clone())];
        }
        order.sort_by_key(|&row| pane(row));
        let runs = order.chunk_by(|&a, &b| pane(a) == pane(b));
        runs.map(|run| (pane(run[0]), delta.take(&UInt32Array::from(run.to_vec())))).collect()
    }

    fn is_shown(&self, end: i64, epoch: Epoch) -> bool {
        self.rank.window.is_none() || self.terms.shown(end, epoch)
    }
}

/// The rows that are held: each says by its columns which window it is of.
impl Saved for Top {
    fn sections(&self) -> Vec<Section> {
        vec![Counted::section("rows", &self.input, self.rank.exchange())]
    }

    fn begin(&mut self) -> Saving {
        let (mut saving, sections) = (Saving::default(), self.sections());
        let held = self.open.values().chain(self.shown.values());
        for (columns, rows) in held.flat_map(|held| held.save(Saving::PIECE)) {
            let counts = numbers((0..rows).map(|_| 1));
            saving.add((0, &sections[0]), columns.into_iter().chain([counts]).collect(), rows);
        }
        saving
    }

    fn take(&mut self, _: usize, rows: &RecordBatch) -> Result<(), Unfit> {
        let rows = Counted::load(rows, &self.input)?;
        let parts = match self.rank.window {
            None => vec![(WHOLE, rows)],
            Some(window) => self.split(&rows, window),
        };
        for (pane, rows) in parts {
            let partitions = self.open.entry(pane).or_insert_with(|| Partitions::new(&self.rank, &self.input));
            partitions.add(&[rows], None);
        }
        Ok(())
    }

    fn loaded(&mut self, cut: Epoch) {
        let all = std::mem::take(&mut self.open);
        (self.shown, self.open) = all.into_iter().partition(|((end, _), _)| self.is_shown(*end, cut));
    }
}

impl Stateful for Top {
    fn held(&self) -> usize {
        self.open.values().chain(self.shown.values()).map(Partitions::held).sum()
    }

    fn bytes(&self) -> usize {
        self.open.values().chain(self.shown.values()).map(Partitions::bytes).sum()
    }

    fn apply(&mut self, epoch: Epoch, inputs: &mut [Vec<Delta>]) -> Vec<Delta> {
        let input = only(inputs);
        let mut panes: BTreeMap<Pane, Vec<Delta>> = BTreeMap::new();
        match self.rank.window {
            None => drop(panes.insert(WHOLE, input)),
            Some(window) => {
                let parts = input.iter().flat_map(|delta| self.split(delta, window));
                parts.for_each(|(pane, part)| panes.entry(pane).or_default().push(part));
            }
        }
        let mut changes = Changes::new(&self.terms.schema);
        for (pane, rows) in panes {
            let (end, _) = pane;
            if self.rank.window.is_some() && self.terms.expired(end, epoch.watermark) {
                rows.iter().for_each(|rows| self.terms.reject_late(rows, end, epoch.watermark));
                continue;
            }
            let out = self.is_shown(end, epoch);
            let tables = if out { &mut self.shown } else { &mut self.open };
            let partitions = tables.entry(pane).or_insert_with(|| Partitions::new(&self.rank, &self.input));
            partitions.add(&rows, out.then_some(&mut changes));
            if self.rank.window.is_some() && partitions.held() == 0 {
                tables.remove(&pane);
            }
        }
        changes.finish()
    }

    fn deadline(&self) -> Option<i64> {
        self.open.keys().next().map(|(end, _)| self.terms.deadline(*end))
    }

    fn close(&mut self, deadline: i64) -> Vec<Delta> {
        debug_assert!(self.terms.emit == Emit::Final, "windows that show every change have nothing left to show");
        let mut changes = Changes::new(&self.terms.schema);
        while let Some(first) = self.open.first_entry().filter(|first| self.terms.deadline(first.key().0) <= deadline) {
            let (pane, partitions) = first.remove_entry();
            partitions.show(&mut changes);
            if !self.terms.expired(pane.0, deadline) {
                self.shown.insert(pane, partitions);
            }
        }
        changes.finish()
    }

    fn expire(&mut self, frontier: Epoch) {
        let watermark = frontier.watermark;
        if self.rank.window.is_none() {
            return;
        }
        while let Some(first) = self.shown.first_entry().filter(|first| self.terms.expired(first.key().0, watermark)) {
            first.remove();
        }
    }
}
