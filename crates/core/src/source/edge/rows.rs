//! The rules of lateness row by row: for rows that are late, NULL, failed, from the future or sent again, and for changes.

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMillisecondType;
use arrow_array::{Array, PrimitiveArray};
use arrow_buffer::BooleanBuffer;

use super::changes::{Change, NOT_ALONE, Taken};
use super::{Edge, Moment, is_rejected, place};
use crate::delta::Reject;
use crate::source::DedupSpec;
use crate::source::leaps::{FAR_MS, Far, looks_like};

/// No row's event time: the watermark there says that nothing comes any more.
pub(super) const NO_TIME: i64 = i64::MAX;

impl Edge {
    /// The rules row by row, for runs with NULL, late, failed or future rows, and of sources that know duplicates. Answers which rows are accepted.
    pub(super) fn each(
        &mut self,
        Taken { columns, failed, acts }: Taken<'_>,
        range: std::ops::Range<usize>,
        moment: Moment<'_>,
        refuse: &mut impl FnMut(&Edge, usize, &'static str, String),
    ) -> BooleanBuffer {
        let Some(time) = self.spec.time else { return BooleanBuffer::new_set(range.len()) };
        let guard = if self.live { moment.0.saturating_add(time.max_future_skew_ms) } else { i64::MAX };
        let column = columns[time.column].as_primitive::<TimestampMillisecondType>();
        let mut dedup = self.dedup.take();
        let key = |dedup: DedupSpec| columns[dedup.column].slice(range.start, range.len());
        let keys = dedup.as_ref().zip(self.spec.dedup).map(|(dedup, spec)| dedup.keys(key(spec)));
        if let Some((_, places)) = &mut self.shared {
            places.clear();
            places.resize(range.len(), i64::MIN);
        }
        let mut change = Change::default();
        let keep = BooleanBuffer::collect_bool(range.len(), |offset| {
            let row = range.start + offset;
            if failed.is_some_and(|failed| failed.value(row)) {
                return false;
            }
            if let Some(acts) = acts.filter(|_| row >= change.end) {
                let refused = |row| !acts.timeless(row) && self.refused(column, row).is_some();
                change = Change::of(row..range.end, moment.1, self.watermark, refused);
            }
            let timeless = acts.is_some_and(|acts| acts.timeless(row));
            if change.refused.is_some_and(|other| other != row) && (timeless || self.refused(column, row).is_none()) {
                let reason = change.refused.and_then(|other| self.refused(column, other)).unwrap_or("late");
                match reason {
                    "late" => self.counts.rejected_late += 1,
                    _ => self.counts.no_event_time += 1,
                }
                refuse(self, row, reason, NOT_ALONE.to_owned());
                return false;
            }
            if timeless {
                self.counts.on_time += 1;
                return true;
            }
            if column.is_null(row) {
                self.counts.no_event_time += 1;
                let name = self.wide.field(time.column).name().clone();
                refuse(self, row, "no_event_time", format!("the event time '{name}' is NULL"));
                return false;
            }
            let event = column.value(row);
            if event == NO_TIME {
                self.counts.no_event_time += 1;
                let name = self.wide.field(time.column).name().clone();
                refuse(
                    self,
                    row,
                    "no_event_time",
                    format!("the event time '{name}' is the end of time: nothing comes after it"),
                );
                return false;
            }
            let (key, at) = (keys.as_ref().and_then(|keys| keys.get(offset)), event.max(self.watermark));
            // Before the rules of lateness: what is sent again may be late by now, and is in the result all the same.
            if let (Some(dedup), Some(key)) = (&dedup, key)
                && dedup.knows(key, at)
            {
                self.counts.duplicates += 1;
                return false;
            }
            let watermark = if acts.is_some() { change.watermark } else { self.watermark };
            let reached = self.counts.max_event_time.unwrap_or(i64::MIN).max(watermark);
            self.counts.lateness.add(reached.saturating_sub(event).max(0), 1);
            if is_rejected(event, watermark, time.lateness_ms) {
                self.counts.rejected_late += 1;
                self.counts.late_rows.note(event, watermark, false);
                let hint = self.hint(event).map_or(String::new(), |hint| format!("; {hint}"));
                let behind = Reject::behind(watermark.saturating_sub(event));
                refuse(self, row, "late", format!("{behind}{hint}"));
                let (name, partition) = (self.name.as_deref(), self.partition);
                let lateness_ms = time.lateness_ms.unwrap_or(0);
                self.counts.leaps.rejected(event, lateness_ms, |row| place(name, partition, row));
                return false;
            }
            if let (Some(dedup), Some(key)) = (&mut dedup, key) {
                dedup.take(key, at, self.watermark);
            }
            if let Some((_, places)) = &mut self.shared {
                places[offset] = at;
            }
            if event < watermark {
                self.counts.accepted_late += 1;
                self.counts.late_rows.note(event, watermark, true);
            } else {
                self.counts.on_time += 1;
            }
            // A row that goes has come before, or never did.
            if acts.is_some_and(|acts| acts.goes(row)) {
                return true;
            }
            if event > guard {
                self.counts.in_future += 1;
                self.name_leap(event, self.watermark, row, moment);
            } else {
                let reached = event.saturating_sub(time.bound_ms);
                if reached.saturating_sub(self.watermark) > FAR_MS {
                    self.name_leap(event, self.watermark, row, moment);
                }
                self.watermark = self.watermark.max(reached);
                self.counts.max_event_time = self.counts.max_event_time.max(Some(event));
            }
            true
        });
        self.dedup = dedup;
        keep
    }

    /// Why a row with this event time cannot be taken now.
    fn refused(&self, times: &PrimitiveArray<TimestampMillisecondType>, row: usize) -> Option<&'static str> {
        let lateness_ms = self.spec.time.and_then(|time| time.lateness_ms);
        match times.is_valid(row) && times.value(row) != NO_TIME {
            true => is_rejected(times.value(row), self.watermark, lateness_ms).then_some("late"),
            false => Some("no_event_time"),
        }
    }

    /// Names the rows of these times that move the watermark far.
    pub(super) fn name_leaps(&mut self, times: &[i64], first: usize, moment: Moment<'_>) {
        let bound_ms = self.spec.time.map_or(0, |time| time.bound_ms);
        let mut watermark = self.watermark;
        for (row, &event) in times.iter().enumerate() {
            let reached = event.saturating_sub(bound_ms);
            if reached.saturating_sub(watermark) > FAR_MS {
                self.name_leap(event, watermark, first + row, moment);
            }
            watermark = watermark.max(reached);
        }
    }

    fn name_leap(&mut self, event_ms: i64, from_ms: i64, row: usize, (now_ms, at): Moment<'_>) {
        let skew_ms = self.spec.time.map_or(i64::MAX, |time| time.max_future_skew_ms);
        let ahead = event_ms > now_ms.saturating_add(skew_ms);
        let hint = if ahead || from_ms == i64::MIN { self.hint(event_ms) } else { None };
        let (name, partition) = (self.name.as_deref(), self.partition);
        let far = Far { row: at(row), event_ms, from_ms, ahead };
        self.counts.leaps.moved(far, hint, |row| place(name, partition, row));
    }

    /// The unit that a time looks like, if not the one it was read in.
    fn hint(&self, event_ms: i64) -> Option<String> {
        let computed = self.spec.time.is_some_and(|time| time.column >= self.spec.decode.len());
        looks_like(event_ms, self.unit, computed)
    }
}
