//! A partition of a source in a snapshot: its edge as it is where it moves to the epoch of the snapshot or beyond, and where in the log
//! that is. Frames of it from there on are done again, those before are not.

use arrow_array::RecordBatch;
use highwater_log::Lsn;
use serde::{Deserialize, Serialize};

use super::super::super::frames::{Move, Unreadable, read_reject, write_reject};
use super::super::super::rejected::RejectedFor;
use super::super::super::source::{Reading, Source, lock};
use super::super::source::Unlike;
use crate::metrics::labels;
use crate::source::{Place, SavedEdge};
use crate::time::Epoch;

/// A dead letter: where it stood, why, what exactly, its beginning.
type Letter = [String; 4];

/// See the module.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in super::super) struct PartitionCut {
    pub(super) source: u32,
    pub(super) partition: u32,
    /// Its frames from here on come behind it.
    pub(in super::super) lsn: u64,
    /// What was pushed and is decided on behind it may stand from here on.
    pub(super) needs: u64,
    /// Up to where it may move without rows.
    lease: Option<Epoch>,
    /// Behind what it took.
    position: String,
    edge: String,
    ended: bool,
    #[serde(skip)]
    pub(super) keys: Option<RecordBatch>,
    /// The dead letters of its source that are kept, oldest first, and how many there are of each kind.
    letters: Vec<Letter>,
    kinds: Vec<(u64, Letter)>,
}

impl PartitionCut {
    /// Which one it is.
    pub(in super::super) fn of(&self) -> (u32, u32) {
        (self.source, self.partition)
    }

    /// Up to where it may move without rows by a frame before it.
    pub(in super::super) fn lease(&self) -> Option<Move> {
        self.lease.map(|epoch| Move { source: self.source, partition: self.partition, epoch, accepted: 0 })
    }
}

impl Source {
    /// Keeps a partition as it is, if it is moving to where a snapshot is to be taken.
    pub(in super::super::super) fn cut(&self, index: usize, reading: &Reading, to: Epoch) {
        let Some(logged) = self.logged.as_ref().filter(|logged| logged.keeps()) else { return };
        let snapshots = &logged.durable.snapshots;
        let partition = &self.partitions[index];
        let of = (logged.number as u32, partition.number as u32);
        if snapshots.cuts_at(of, to) {
            let (lsn, needs) = logged.durable.cut_at(of);
            snapshots.is_cut(self.kept_of(of, reading, (lsn, needs)));
        }
    }

    fn kept_of(&self, of: (u32, u32), reading: &Reading, (lsn, needs): (u64, u64)) -> PartitionCut {
        let SavedEdge { state, keys } = reading.edge.save();
        let kinds = self.rejected.kinds().into_iter().map(|kind| (kind.rows, write_reject(&kind.example))).collect();
        PartitionCut {
            source: of.0,
            partition: of.1,
            lsn,
            needs,
            lease: reading.kept.lease(),
            position: reading.position.to_string(),
            edge: state,
            ended: reading.edge.epoch() == Epoch::MAX,
            keys,
            letters: self.rejected.latest(usize::MAX).iter().rev().map(write_reject).collect(),
            kinds,
        }
    }

    /// A partition goes on from what was kept of it.
    pub(in super::super) fn goes_on_from(&self, cut: &PartitionCut) -> Result<(), Unlike> {
        let (index, partition) = self.of_number(cut.partition)?;
        let mut reading = lock(&partition.state);
        let saved = SavedEdge { state: cut.edge.clone(), keys: cut.keys.clone() };
        let unread = |why: String| Unreadable(format!("the snapshot of source '{}': {why}", self.name()));
        let Reading { edge, told, place, position, .. } = &mut *reading;
        edge.load(&saved).map_err(|unfit| unread(unfit.to_string()))?;
        position.clone_from(&cut.position.parse().map_err(unread)?);
        *place = Place::at(self.name(), &partition.name, position);
        self.count(partition, edge.counts());
        for letter in &cut.letters {
            self.rejected.restore(read_reject(self.name(), letter.clone())?);
        }
        for (rows, example) in &cut.kinds {
            let example = read_reject(self.name(), example.clone())?;
            let reason = labels(("source", self.name()), ("reason", example.reason));
            self.metrics.all.dead_letters.get_or_create(&reason).inc_by(*rows);
            self.rejected.restore_kind(RejectedFor { rows: *rows, example });
        }
        match cut.ended {
            true => self.is_at_its_end(index, &mut reading),
            false if edge.epoch() > *told => {
                *told = edge.epoch();
                partition.reaches(told.watermark);
                self.moved(index, Some(*told));
            }
            false => {}
        }
        Ok(())
    }
}

impl super::super::Durable {
    /// Where the log is now, and from where on there is what waits of a partition to be decided on.
    fn cut_at(&self, of: (u32, u32)) -> (u64, u64) {
        // One after the other with frames: what is appended behind is not known yet.
        let said = self.appended();
        let lsn = self.log.as_ref().map_or(Lsn(0), |log| log.next()).0;
        (lsn, said.waits_from(of).unwrap_or(lsn).min(lsn))
    }
}
