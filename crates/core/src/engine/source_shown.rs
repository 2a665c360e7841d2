//! What others see of a source: how it stands, its dead letters, its gauges.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::durable::Backlog;
use super::queue::Queue;
use super::rejected::RejectedFor;
use super::source::{Partition, Source, lock};
use super::source_metrics::{SourceMetrics, seconds, state};
use crate::delta::Reject;
use crate::metrics::labels;
use crate::retry::{Stand, Standing, State};
use crate::source::{EdgeCounts, Leaps, Position, SplitId};

impl Source {
    /// What it is doing, in a word.
    pub fn state(&self) -> &'static str {
        self.stand().state.name()
    }

    /// Per partition of this process its name, the split that it is, and how it stands.
    pub fn stands(&self) -> impl Iterator<Item = (&str, &SplitId, Stand)> {
        self.partitions.iter().map(|partition| (partition.name.as_str(), &partition.split, partition.standing.read()))
    }

    /// What was counted at the edges of this process's partitions.
    pub fn counts(&self) -> EdgeCounts {
        let mut all = EdgeCounts::default();
        self.partitions.iter().for_each(|partition| all.merge(&lock(&partition.counts)));
        all.unknown = self.unknown.load(Ordering::Relaxed);
        all
    }

    /// The names of its partitions in this process.
    pub fn partitions(&self) -> impl Iterator<Item = &str> {
        self.partitions.iter().map(|partition| partition.name.as_str())
    }

    /// Rows waiting for the workers.
    pub fn buffered_rows(&self) -> usize {
        self.queues.iter().map(Queue::rows).sum()
    }

    /// How many rows may wait for the workers.
    pub fn capacity_rows(&self) -> usize {
        match &self.inbox {
            Some(inbox) => inbox.rows,
            None => self.queues.iter().map(Queue::capacity).sum(),
        }
    }

    /// What waits of it in the log; `None` if nothing ever does.
    pub fn backlog(&self) -> Option<Backlog> {
        let logged = self.logged.as_ref().filter(|logged| self.inbox.is_some() && logged.keeps());
        logged.map(|logged| logged.backlog())
    }

    /// Of its partitions the one that cannot go on, else all together.
    pub fn stand(&self) -> Stand {
        Stand::of(self.partitions.iter().map(|partition| partition.standing.read()))
    }

    /// Per partition of this process the split that it is, and where it is read on behind what was taken.
    pub fn positions(&self) -> Vec<(SplitId, Position)> {
        let position = |partition: &Partition| (partition.split.clone(), lock(&partition.state).position.clone());
        self.partitions.iter().map(position).collect()
    }

    /// Where the reader of a partition says why it waits.
    pub(super) fn standing(&self, index: usize) -> &Arc<Standing> {
        &self.partitions[index].standing
    }

    /// The last dead letters, newest first, `limit` at most.
    pub fn dead_letters(&self, limit: usize) -> Vec<Reject> {
        self.rejected.latest(limit)
    }

    /// Why rows were not taken, the most frequent reason first.
    pub fn rejected_for(&self) -> Vec<RejectedFor> {
        self.rejected.kinds()
    }

    /// Takes over what was counted at the edge of a partition.
    pub(super) fn count(&self, partition: &Partition, now: &EdgeCounts) {
        let mut before = lock(&partition.counts);
        self.metrics.count(&before, now);
        if now.leaps.total() > before.leaps.total() {
            self.tell_leaps(partition, &now.leaps, false);
        }
        before.clone_from(now);
    }

    /// Tells in the log of the rows that moved the watermark far: each once, and at the end of the input how many rows were late by it
    /// if there are more by then.
    pub(super) fn tell_leaps(&self, partition: &Partition, leaps: &Leaps, ended: bool) {
        let mut told = lock(&partition.leaps_told);
        for leap in leaps.iter() {
            let news = told.get(&leap.position).is_none_or(|late| ended && leap.made_late > *late);
            if news {
                tracing::warn!("source '{}': {}", self.spec.name, leap.told(ended));
                told.insert(leap.position.clone(), leap.made_late);
            }
        }
        told.retain(|position, _| leaps.iter().any(|leap| leap.position == *position));
    }

    /// Keeps a dead letter and counts it.
    pub(super) fn bury(&self, reject: Reject) {
        let reason = labels(("source", &self.spec.name), ("reason", reject.reason));
        self.metrics.all.dead_letters.get_or_create(&reason).inc();
        self.rejected.add(reject);
    }

    /// Brings the gauges up to date for a scrape.
    pub(super) fn refresh(&self, now_ms: i64) {
        let SourceMetrics { all, label, .. } = &self.metrics;
        state(&all.source_state, ("source", self.name()), self.stand().state);
        let mut splits = [0; State::ALL.len()];
        for (_, _, stand) in self.stands() {
            splits[State::ALL.iter().position(|state| *state == stand.state).unwrap_or(0)] += 1;
        }
        for (known, splits) in State::ALL.iter().zip(splits) {
            let label = labels(("source", self.name()), ("state", known.name()));
            all.source_splits.get_or_create(&label).set(splits);
        }
        let retries = all.source_retries.get_or_create(label);
        retries.inc_by(self.stand().retries.saturating_sub(retries.get()));
        if let Some(backlog) = self.backlog() {
            let bytes = i64::try_from(backlog.bytes).unwrap_or(i64::MAX);
            all.log_behind_bytes.get_or_create(label).set(bytes);
        }
        all.input_buffer_rows.get_or_create(label).set(self.buffered_rows() as i64);
        all.input_buffer_capacity_rows.get_or_create(label).set(self.capacity_rows() as i64);
        let watermark = self.watermark();
        self.metrics.watermark.set(seconds(watermark));
        if self.spec.time.is_some() && watermark != i64::MIN && watermark != i64::MAX {
            let lag = now_ms.saturating_sub(watermark) as f64 / 1e3;
            all.watermark_lag_seconds.get_or_create(label).set(lag);
        }
    }
}
