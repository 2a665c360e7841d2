//! What a source takes, and what it tells the workers of it: rows at the edges of its partitions, moves, ends.

use std::sync::atomic::Ordering;

use highwater_log::Lsn;

use super::push::Pushed;
use super::queue::Closed;
use super::source::{Partition, Reading, Source, lock};
use super::source_metrics::seconds;
use crate::delta::Reject;
use crate::format::{Part, Spot};
use crate::source::{Decoded, Step};
use crate::time::Epoch;

impl Source {
    /// Takes decoded rows of a partition; waits while the workers are behind.
    pub(super) fn accept(&self, index: usize, decoded: Decoded) -> Result<(), Closed> {
        let partition = &self.partitions[index];
        partition.last_rows_ms.store(self.clock.elapsed_ms(), Ordering::Relaxed);
        self.accept_into(index, &mut lock(&partition.state), decoded, &mut |_| ()).map(drop)
    }

    /// The last frame of what a partition took; `None` if nothing is kept.
    pub(super) fn last_frame(&self, index: usize) -> Option<Lsn> {
        self.logged.as_ref().and_then(|_| lock(&self.partitions[index].state).kept.lsn)
    }

    /// Whether what was taken up to a frame outlives a crash, or nothing would.
    pub(super) fn is_safe(&self, frame: Option<Lsn>) -> bool {
        self.logged.as_ref().zip(frame).is_none_or(|(logged, frame)| logged.is_durable(frame))
    }

    /// Takes a client's rows into a partition, all of them, without waiting and one after another.
    pub(super) fn accept_parts(&self, index: usize, parts: Vec<Part>) -> Result<Pushed, Closed> {
        let Some(partition) = self.partitions.get(index) else { return Err(Closed) };
        let mut reading = lock(&partition.state);
        if reading.ended || reading.sealed {
            return Err(Closed);
        }
        if parts.iter().any(|part| part.batch.num_rows() > 0) {
            partition.last_rows_ms.store(self.clock.elapsed_ms().max(1), Ordering::Relaxed);
        }
        let (first, before) = (reading.place.records() + 1, reading.edge.counts().duplicates);
        let all: usize = parts.iter().map(|part| part.batch.num_rows() + part.faults.len()).sum();
        let mut pushed = Pushed { source: Some(self.name().to_owned()), ..Pushed::default() };
        for part in parts {
            let spot = Spot { at: reading.place.records() + part.records, within: 0 };
            let Some(decoded) = reading.place.place(part, spot) else { continue };
            let epoch = self.accept_into(index, &mut reading, decoded, &mut |reject| pushed.refuse(reject, first))?;
            pushed.epoch = pushed.epoch.max(epoch);
        }
        pushed.accepted = (all as u64).saturating_sub(pushed.rejected);
        pushed.duplicates = reading.edge.counts().duplicates - before;
        if pushed.duplicates > 0 {
            // They are in the result once everything up to now is, whoever took it.
            pushed.epoch = Some(pushed.epoch.unwrap_or(reading.edge.epoch())).max(reading.learned);
        }
        pushed.frame = reading.kept.lsn;
        Ok(pushed)
    }

    /// Takes rows of a partition at its edge; answers where those of them that were accepted went in.
    fn accept_into(
        &self,
        index: usize,
        reading: &mut Reading,
        decoded: Decoded,
        tell: &mut dyn FnMut(&Reject),
    ) -> Result<Option<Epoch>, Closed> {
        let partition = &self.partitions[index];
        if reading.ended {
            return Ok(None);
        }
        if reading.sealed {
            return Err(Closed);
        }
        let halves = match &self.logged {
            None => Ok(decoded),
            Some(logged) => logged.halves(decoded),
        };
        let decoded = match halves {
            Ok(decoded) => decoded,
            Err(halves) => {
                let [first, second] = *halves;
                let first = self.accept_into(index, reading, first, tell)?;
                return Ok(self.accept_into(index, reading, second, tell)?.or(first));
            }
        };
        let Reading { edge, steps, rejects, position, kept, allowed, .. } = reading;
        if let Some(rereads) = &self.rereads {
            let rows = edge.rows() + decoded.batch.num_rows() as u64;
            rereads.allow(partition.number, allowed, rows, || self.sealed.load(Ordering::Acquire))?;
        }
        let end = decoded.end.clone();
        if let Some(clock) = self.clock.by_hand().filter(|clock| !clock.is_set()) {
            let batch = decoded.batch.clone();
            let batch = self.logged.as_ref().map_or_else(|| batch.clone(), |logged| logged.columns_read(batch.clone()));
            edge.latest(&batch).into_iter().for_each(|latest| clock.follow(latest));
            // They came when it shows that, not before.
            partition.last_rows_ms.store(self.clock.elapsed_ms(), Ordering::Relaxed);
        }
        let now = self.clock.now_ms();
        match &self.logged {
            None => edge.accept(decoded, now, steps, rejects),
            Some(logged) => {
                let over = || self.sealed.load(Ordering::Acquire);
                logged.take(partition.number, (edge, kept), (decoded, now), (steps, rejects), over)?;
            }
        }
        *position = end;
        self.count(partition, edge.counts());
        rejects.drain(..).for_each(|reject| {
            tell(&reject);
            self.bury(reject);
        });
        let last = steps.last().map(|step| step.epoch);
        for Step { epoch, delta } in steps.drain(..) {
            self.latency.sent(epoch);
            let turn = self.turn.fetch_add(1, Ordering::Relaxed) % self.queues.len();
            let waited = self.queues[turn].push_rows(index, epoch, delta)?;
            if !waited.is_zero() {
                self.metrics.backpressure.inc_by(waited.as_secs_f64());
            }
        }
        self.dirty.store(true, Ordering::Release);
        self.tell(index, reading);
        Ok(last)
    }

    /// Tells all workers how far a partition is, if that is news: at once, or when it is durable.
    pub(super) fn tell(&self, index: usize, reading: &mut Reading) {
        let (epoch, partition) = (reading.edge.epoch(), &self.partitions[index]);
        if epoch <= reading.told {
            return;
        }
        self.cut(index, reading, epoch);
        let Reading { edge, told, kept, .. } = reading;
        match self.logged.as_ref().filter(|logged| logged.keeps()) {
            None => self.moved(index, Some(epoch)),
            Some(logged) if logged.moves((index, partition.number), edge, kept) => {}
            // There is no room for it now: the next tick tries again.
            Some(_) => return self.dirty.store(true, Ordering::Release),
        }
        *told = epoch;
        partition.reaches(epoch.watermark);
        self.metrics.watermark.set(seconds(self.watermark()));
    }

    /// Ends a partition, once.
    pub(super) fn finish(&self, index: usize) {
        let partition = &self.partitions[index];
        let mut reading = lock(&partition.state);
        if !reading.ended && !reading.sealed {
            self.cut(index, &reading, Epoch::END);
            reading.ended = true;
            // What it came to counts for those that are idle.
            partition.watermark.store(reading.edge.watermark(), Ordering::Relaxed);
            self.tell_leaps(partition, &reading.edge.counts().leaps, true);
            let Reading { edge, kept, .. } = &mut *reading;
            match self.logged.as_ref().filter(|logged| logged.keeps()) {
                None => self.moved(index, None),
                Some(logged) => logged.ends((index, partition.number), edge, kept),
            }
            edge.finish();
            partition.ended.store(true, Ordering::Release);
            partition.standing.ended();
            self.freed();
            self.metrics.watermark.set(seconds(self.watermark()));
        }
    }
}

impl Partition {
    /// Its watermark is there.
    pub(super) fn reaches(&self, watermark: i64) {
        self.watermark.store(watermark, Ordering::Relaxed);
    }
}
