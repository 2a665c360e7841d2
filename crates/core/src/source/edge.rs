//! The edge of one partition: gives every row its epoch, or rejects it. Pure: no clock, no thread, no I/O.
//!
//! Invariants: what is accepted and at which epoch depends on the partition's rows in their order, never on how they were
//! batched (and, for live sources, on where the ticks fell). The watermark `W = max(event_time) - bound` never goes back;
//! a row is accepted iff `event_time >= W - lateness` under the watermark it arrived at. Times are ms, saturating.
//!
//! A bounded partition's epoch moves after every `tick_rows` rows of its own order, late ones counted; a live one's only
//! by [`Edge::tick`]. A batch without a late row passes as slices of itself: nothing is copied.

mod changes;
mod columns;
mod rows;
mod saved;

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMillisecondType;
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_buffer::BooleanBuffer;
use arrow_schema::SchemaRef;

use self::changes::{Taken, together};
use self::rows::NO_TIME;
pub use self::saved::SavedEdge;
use super::changelog::{UNDATED, numbered};
use super::dedup::Dedup;
use super::lateness::EdgeCounts;
use super::leaps::{FAR_MS, unit_of};
use super::repeats::{keyed, keys_of};
use super::{Arrivals, Decoded, SourceSpec};
use crate::delta::{Delta, Reject};
use crate::format::{self, TimeUnit};
use crate::time::Epoch;

/// Accepted rows of one epoch, in the source's output schema.
#[derive(Clone, Debug)]
pub struct Step {
    /// Where they belong.
    pub epoch: Epoch,
    /// The rows, in their order.
    pub delta: Delta,
}

/// The state of one partition's edge.
#[derive(Debug)]
pub struct Edge {
    spec: SourceSpec,
    /// Names of all columns before the choice of `output`, for the content of dead letters.
    wide: SchemaRef,
    partition: usize,
    name: Option<String>,
    tick_rows: usize,
    live: bool,
    epoch: Epoch,
    watermark: i64,
    /// Rows of the partition seen so far.
    ordinal: u64,
    /// Rows seen since the epoch last moved.
    in_epoch: usize,
    counts: EdgeCounts,
    dedup: Option<Dedup>,
    /// Of a source whose keys other processes take too: the schema of what leaves it for them, and where each row of the
    /// run is.
    shared: Option<(SchemaRef, Vec<i64>)>,
    /// Of a changelog: the schema of what leaves it.
    numbered: Option<SchemaRef>,
    /// Where the last change stands among those of all partitions, whether only rows that go have come so far, and whether event
    /// time says so.
    turn: i64,
    undated: bool,
    by_time: bool,
    /// When the last row arrived.
    arrived: i64,
    /// The clock and the watermark when rows came last, where the watermark goes on with the clock.
    left_at: Option<(i64, i64)>,
    /// What event times written as numbers are.
    unit: TimeUnit,
}

/// The wall clock, in ms, and where each row of the batch at hand stands.
type Moment<'a> = (i64, &'a dyn Fn(usize) -> u64);

/// Where a record stands, in words.
fn place(name: Option<&str>, partition: usize, position: u64) -> String {
    match name {
        Some(name) => format!("{name}:{position}"),
        None => format!("record {position} of partition {partition}"),
    }
}

/// What a run of rows was found to be by one look over its times.
struct Run {
    watermark: i64,
    max: i64,
    late: u64,
    rejected: u64,
}

impl Edge {
    /// The edge of one partition. `tick_rows` (at least 1) is where the epochs of a bounded source move.
    pub fn new(spec: &SourceSpec, partition: usize, tick_rows: usize, live: bool) -> Edge {
        let decoded = spec.decode.iter().map(|&column| spec.physical.fields()[column].clone());
        let fields: Vec<_> = decoded.chain(spec.computed.iter().map(|(field, _)| field.clone())).collect();
        let dedup = spec.dedup.map(|dedup| Dedup::new(dedup.horizon_ms, fields[dedup.column].data_type()));
        Edge {
            spec: spec.clone(),
            wide: Arc::new(arrow_schema::Schema::new(fields)),
            partition,
            name: None,
            tick_rows: tick_rows.max(1),
            live,
            epoch: Epoch::MIN,
            watermark: i64::MIN,
            ordinal: 0,
            in_epoch: 0,
            counts: EdgeCounts::default(),
            dedup,
            shared: None,
            numbered: numbered(spec),
            turn: UNDATED,
            undated: true,
            by_time: spec.changes_meet_by_time(),
            arrived: i64::MIN,
            left_at: None,
            unit: unit_of(spec),
        }
    }

    /// The same, naming the partition (a file, `stdin`) in the positions of dead letters.
    pub fn named(mut self, partition: &str) -> Edge {
        self.name = Some(partition.to_owned());
        self
    }

    /// The same, of a partition that is read on behind so many rows.
    pub fn behind(mut self, rows: u64) -> Edge {
        self.ordinal = rows;
        self
    }

    /// What follows stands in an input of this name; answers how many rows were before it.
    pub fn begins(&mut self, input: &str) -> u64 {
        self.name = Some(input.to_owned());
        self.ordinal
    }

    /// The same, of a source that other processes take rows of too: what it accepts goes to a [`super::Repeats`].
    pub fn shared(mut self) -> Edge {
        self.shared = keyed(&self.spec).map(|schema| (schema, Vec::new()));
        self
    }

    /// What another process's edge accepted, as it left it: the keys are known here too.
    pub fn learn(&mut self, accepted: &RecordBatch) {
        let (keys, at) = keys_of(accepted);
        let Some(dedup) = &mut self.dedup else { return };
        let keys = dedup.keys(Arc::clone(keys));
        for (row, &at) in at.iter().enumerate() {
            if let Some(key) = keys.get(row).filter(|key| !dedup.knows(key, at)) {
                dedup.take(key, at, self.watermark);
            }
        }
    }

    /// The epoch that the next row would be sent at: what the partition's capability may be advanced to now.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The running watermark in ms: `max(event_time) - bound`. At or ahead of `epoch().watermark`.
    pub fn watermark(&self) -> i64 {
        self.watermark
    }

    /// Rows of the partition seen so far.
    pub fn rows(&self) -> u64 {
        self.ordinal
    }

    /// What was counted so far.
    pub fn counts(&self) -> &EdgeCounts {
        &self.counts
    }

    /// How many keys are remembered.
    #[cfg(test)]
    pub(super) fn keys_kept(&self) -> usize {
        self.dedup.as_ref().map_or(0, Dedup::len)
    }

    /// For live sources: moves to the new watermark or, if that stands still, to the next tick. Stays where it is if no
    /// row came since the last move.
    pub fn tick(&mut self) {
        if self.in_epoch > 0 {
            self.advance();
        }
    }

    /// For live sources whose event time is the time of arrival: the clock is at `now_ms`, and no row comes before it.
    pub fn arrive(&mut self, now_ms: i64) {
        if self.spec.by_arrival() && self.spec.arrival == Some(Arrivals::Clock) {
            self.watermark = self.watermark.max(now_ms);
        }
        if self.watermark > self.epoch.watermark || self.in_epoch > 0 {
            self.advance();
        }
    }

    /// Follows the other inputs while idle (W6): rows that it brings later and that are behind them are late.
    pub fn follow(&mut self, epoch: Epoch) {
        if epoch > self.epoch {
            self.epoch = epoch;
            self.watermark = self.watermark.max(epoch.watermark);
            self.in_epoch = 0;
        }
    }

    /// For idle live partitions whose watermark goes on with the clock (`watermark.idle`): as far as the clock went since the
    /// last row, and never nearer to the clock than the bound.
    pub fn elapse(&mut self, now_ms: i64) {
        let (Some(time), Some((then, watermark))) = (self.spec.time, self.left_at) else { return };
        let gone = watermark.saturating_add(now_ms.saturating_sub(then));
        self.watermark = self.watermark.max(gone.min(now_ms.saturating_sub(time.bound_ms)));
        if self.watermark > self.epoch.watermark {
            self.advance();
        }
    }

    /// The latest event time in rows as they are decoded; `None` without one.
    pub(crate) fn latest(&self, batch: &RecordBatch) -> Option<i64> {
        let time = self.spec.time.filter(|_| batch.num_rows() > 0)?;
        let (columns, _) = self.columns(batch, |row| self.goes_by_key(batch, row), |_, _| ());
        let times = columns.get(time.column)?.as_primitive::<TimestampMillisecondType>();
        times.iter().flatten().filter(|time| *time < NO_TIME).max()
    }

    /// Ends the partition: it holds nothing back any more (W7).
    pub fn finish(&mut self) {
        self.epoch = Epoch::MAX;
        self.watermark = i64::MAX;
    }

    /// Takes decoded rows. Appends the accepted ones to `out`, by epoch ascending, the others to `rejects`, in their order
    /// (those that could not be decoded first). `now_ms` is the wall clock, which the future guard of live sources and the
    /// stamps of arrival read.
    pub fn accept(&mut self, decoded: Decoded, now_ms: i64, out: &mut Vec<Step>, rejects: &mut Vec<Reject>) {
        let Decoded { batch, rejects: undecoded, first, numbers, came, end: _ } = decoded;
        self.counts.undecoded += undecoded.len() as u64;
        rejects.extend(undecoded);
        let rows = batch.num_rows();
        if rows == 0 {
            return;
        }
        let at = |row: usize| numbers.as_ref().map_or(first + row as u64, |numbers| numbers[row]);
        let mut came = came.finder();
        // As the row came; what was made of it, if that is not known.
        let mut content = |row: usize, schema: &SchemaRef, columns: &[ArrayRef]| {
            let found = came.record(at(row).saturating_sub(first));
            found.unwrap_or_else(|| Reject::clip(&format::row_as_json(schema, columns, row)))
        };
        let mut refused: Vec<(usize, Reject)> = Vec::new();
        let goes = |row| self.goes_by_key(&batch, row);
        let (mut columns, mut failed) = self.columns(&batch, goes, |row, detail| {
            let content = content(row, batch.schema_ref(), batch.columns());
            refused.push((row, self.reject("evaluation", at(row), detail, content)));
        });
        let failing = refused.len();
        self.counts.evaluation += failing as u64;
        let acts = self.acts(&columns, &mut failed, |row, detail| {
            let content = content(row, &self.wide, &columns);
            refused.push((row, self.reject("malformed", at(row), detail, content)));
        });
        if acts.is_some() {
            together(&mut failed, &at, |row, detail| {
                let content = content(row, &self.wide, &columns);
                refused.push((row, self.reject("malformed", at(row), detail, content)));
            });
        }
        self.counts.undecoded += (refused.len() - failing) as u64;
        if let Some(arrivals) = self.spec.arrival {
            let after = if self.spec.by_arrival() { self.watermark } else { self.arrived };
            let stamps = arrivals.stamps(self.ordinal, rows, now_ms, after.max(self.arrived));
            self.arrived =
                stamps.as_primitive::<TimestampMillisecondType>().values().last().map_or(self.arrived, |last| *last);
            columns.push(self.typed(stamps));
        }
        let mut start = 0;
        while start < rows {
            let left = if self.live { rows } else { self.tick_rows - self.in_epoch };
            let mut end = rows.min(start.saturating_add(left));
            // C2: the rows of one change are of one epoch.
            while acts.is_some() && end < rows && at(end) == at(end - 1) {
                end += 1;
            }
            let taken = Taken { columns: &columns, failed: failed.as_ref(), acts: acts.as_ref() };
            self.run(taken, start..end, (now_ms, &at), out, |edge, row, reason, detail| {
                let content = content(row, &edge.wide, &columns);
                refused.push((row, edge.reject(reason, at(row), detail, content)));
            });
            start = end;
            if !self.live && self.in_epoch >= self.tick_rows {
                self.advance();
            }
        }
        if self.live && self.watermark > i64::MIN {
            self.left_at = Some((now_ms, self.watermark));
        }
        refused.sort_by_key(|(row, _)| *row);
        rejects.extend(refused.into_iter().map(|(_, reject)| reject));
    }

    fn advance(&mut self) {
        self.in_epoch = 0;
        self.epoch = if self.watermark > self.epoch.watermark {
            Epoch::at(self.watermark)
        } else {
            Epoch { watermark: self.epoch.watermark, tick: self.epoch.tick.saturating_add(1) }
        };
    }

    fn reject(&self, reason: &'static str, position: u64, detail: String, content: String) -> Reject {
        let position = place(self.name.as_deref(), self.partition, position);
        Reject { source: self.spec.name.clone(), position, reason, detail, content }
    }

    /// Takes the rows of a range that lies within one epoch (of a bounded source).
    fn run(
        &mut self,
        taken: Taken<'_>,
        range: std::ops::Range<usize>,
        moment: Moment<'_>,
        out: &mut Vec<Step>,
        mut refuse: impl FnMut(&Edge, usize, &'static str, String),
    ) {
        let (rows, Taken { columns, failed, acts }) = (range.len(), taken);
        let keep = match self.spec.time {
            None => {
                let keep = failed.map(|failed| !failed.slice(range.start, rows).values());
                self.counts.on_time += keep.as_ref().map_or(rows, BooleanBuffer::count_set_bits) as u64;
                keep
            }
            Some(time) => {
                let column = columns[time.column].as_primitive::<TimestampMillisecondType>();
                let plain = failed.is_none() && column.null_count() == 0 && self.dedup.is_none();
                let plain = plain && !acts.is_some_and(|acts| acts.any_goes(range.clone()));
                match plain.then(|| self.look(&column.values()[range.clone()], moment.0)).flatten() {
                    Some(run) if run.rejected == 0 => {
                        self.counts.on_time += rows as u64 - run.late;
                        self.counts.accepted_late += run.late;
                        if run.watermark.saturating_sub(self.watermark) > FAR_MS {
                            self.name_leaps(&column.values()[range.clone()], range.start, moment);
                        }
                        self.watermark = self.watermark.max(run.watermark);
                        self.counts.max_event_time = self.counts.max_event_time.max(Some(run.max));
                        None
                    }
                    _ => Some(self.each(taken, range.clone(), moment, &mut refuse)),
                }
            }
        };
        let kept = keep.as_ref().map_or(rows, BooleanBuffer::count_set_bits);
        if kept > 0 {
            let order = self.order(taken, range.clone(), keep.as_ref(), moment.1);
            let batch = self.output(columns, range.clone(), keep.clone(), order);
            let delta = match acts {
                None => Delta::insert(batch),
                Some(acts) => acts.delta(batch, range, keep.as_ref()),
            };
            out.push(Step { epoch: self.epoch, delta });
        }
        self.ordinal += rows as u64;
        self.in_epoch += rows;
    }

    /// One tight look over times without NULLs: the watermark after them, and whether all are accepted. `None` if one is
    /// ahead of the clock, or at the end of time. Touches the histogram only if no row is to be rejected.
    fn look(&mut self, times: &[i64], now_ms: i64) -> Option<Run> {
        let time = self.spec.time?;
        let guard = if self.live { now_ms.saturating_add(time.max_future_skew_ms) } else { i64::MAX };
        let known = self.counts.max_event_time.unwrap_or(i64::MIN);
        // Who followed others is behind them.
        let reached = known.max(self.watermark);
        let mut run = Run { watermark: self.watermark, max: reached, late: 0, rejected: 0 };
        let mut disordered = 0_u64;
        let mut ahead = false;
        for &event in times {
            ahead |= event > guard;
            disordered += u64::from(event < run.max);
            run.late += u64::from(event < run.watermark);
            run.rejected += u64::from(is_rejected(event, run.watermark, time.lateness_ms));
            run.max = run.max.max(event);
            run.watermark = run.watermark.max(event.saturating_sub(time.bound_ms));
        }
        if ahead || run.max == NO_TIME {
            return None;
        }
        if run.max > known && run.max == reached {
            run.max = times.iter().fold(known, |max, &event| max.max(event));
        }
        if run.rejected == 0 {
            self.counts.lateness.add(0, times.len() as u64 - disordered);
            if disordered > 0 {
                let mut furthest = reached;
                for &event in times {
                    if event < furthest {
                        self.counts.lateness.add(furthest.saturating_sub(event), 1);
                    }
                    furthest = furthest.max(event);
                }
            }
            if run.late > 0 {
                let mut watermark = self.watermark;
                for &event in times {
                    if event < watermark {
                        self.counts.late_rows.note(event, watermark, true);
                    }
                    watermark = watermark.max(event.saturating_sub(time.bound_ms));
                }
            }
        }
        Some(run)
    }
}

/// L1: whether a row is too late under the watermark it arrived at.
#[inline]
fn is_rejected(event: i64, watermark: i64, lateness_ms: Option<i64>) -> bool {
    lateness_ms.is_some_and(|lateness| event < watermark.saturating_sub(lateness))
}
