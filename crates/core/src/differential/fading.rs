//! Takes expired rows out of a recursion: of each row that came in, the opposite goes in once nothing can change what
//! became of it. So the loop forgets a window that is over, and its result, as if it had never been; what it then takes
//! back is not told.
//!
//! This is right only for a column whose value is the same in a row, in every row that is made of it, and in every row
//! that they meet: then what is made of an expired value depends on expired rows alone.
//!
//! Cost: a copy of the rows that are not expired, netted, and a second round of the loop's work when they go.

use std::collections::BTreeMap;

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMillisecondType;
use arrow_array::{Array, RecordBatch, UInt32Array};
use arrow_buffer::ScalarBuffer;

use super::codec::{Bytes, Codec};
use crate::delta::{Delta, Unfit};
use crate::operator::{Counted, Saved, Saving, Section, Stateful, only};
use crate::time::Epoch;

/// When rows are past: nothing changes those with a value `v` once `W > v + after_ms`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Expiry {
    /// A time column (`Timestamp(ms)`).
    pub column: usize,
    /// How long after that time, in ms; may be negative.
    pub after_ms: i64,
}

impl Expiry {
    /// The watermark from which on rows with this value are past.
    fn past_at(&self, value: i64) -> i64 {
        value.saturating_add(self.after_ms).saturating_add(1)
    }

    /// The rows of a delta of epoch `epoch` that are not past; all others are what goes of expired rows.
    pub(super) fn alive(&self, epoch: Epoch, delta: Delta) -> Delta {
        let times = delta.batch().column(self.column).as_primitive::<TimestampMillisecondType>();
        let alive = |row: &usize| times.is_null(*row) || self.past_at(times.value(*row)) > epoch.watermark;
        let kept: Vec<u32> = (0..delta.len()).filter(alive).map(|row| row as u32).collect();
        if kept.len() == delta.len() { delta } else { delta.take(&UInt32Array::from(kept)) }
    }
}

/// Passes rows on and, once they are past, their opposites. Rows without the time are never past.
#[derive(Debug)]
pub struct Fading {
    expiry: Expiry,
    codec: Codec,
    /// By the watermark at which they are past: the rows and how often each is there.
    held: BTreeMap<i64, BTreeMap<Bytes, i64>>,
    rows: usize,
    bytes: usize,
}

impl Fading {
    /// Nothing held yet; `codec` is that of the rows.
    pub fn new(expiry: Expiry, codec: Codec) -> Fading {
        Fading { expiry, codec, held: BTreeMap::new(), rows: 0, bytes: 0 }
    }

    fn remember(&mut self, delta: &Delta) {
        let times = delta.batch().column(self.expiry.column).as_primitive::<TimestampMillisecondType>();
        let rows = self.codec.encode(delta.batch().columns(), delta.len());
        for (row, bytes) in rows.into_iter().enumerate().filter(|(row, _)| times.is_valid(*row)) {
            let past_at = self.expiry.past_at(times.value(row));
            let held = self.held.entry(past_at).or_default();
            let count = held.get(&bytes).copied().unwrap_or(0) + delta.diff(row);
            let length = bytes.len();
            let was = match count {
                0 => held.remove(&bytes),
                count => held.insert(bytes, count),
            };
            if held.is_empty() {
                self.held.remove(&past_at);
            }
            match (was, count) {
                (None, 0) | (Some(_), 1..) | (Some(_), ..=-1) => {}
                (None, _) => (self.rows, self.bytes) = (self.rows + 1, self.bytes + length),
                (Some(_), 0) => (self.rows, self.bytes) = (self.rows - 1, self.bytes - length),
            }
        }
    }
}

impl Saved for Fading {
    /// Rows stay where they are, and any worker may take them back: those that are taken in go by all of their columns.
    fn sections(&self) -> Vec<Section> {
        let schema = self.codec.schema();
        vec![Counted::section("rows", schema, (0..schema.fields().len()).collect())]
    }

    fn begin(&mut self) -> Saving {
        let (mut saving, sections) = (Saving::default(), self.sections());
        let held: Vec<(&Bytes, i64)> = self.held.values().flatten().map(|(row, &count)| (row, count)).collect();
        for held in held.chunks(Saving::PIECE) {
            let batch = self.codec.decode(held.iter().map(|(row, _)| row.as_slice()));
            let rows = Delta::new(batch, Some(held.iter().map(|(_, count)| *count).collect()));
            saving.add((0, &sections[0]), Counted::save(&rows), rows.len());
        }
        saving
    }

    fn take(&mut self, _: usize, rows: &RecordBatch) -> Result<(), Unfit> {
        let rows = Counted::load(rows, self.codec.schema())?;
        self.remember(&rows);
        Ok(())
    }

    fn loaded(&mut self, _: Epoch) {}
}

impl Stateful for Fading {
    fn apply(&mut self, _: Epoch, inputs: &mut [Vec<Delta>]) -> Vec<Delta> {
        let input = only(inputs);
        input.iter().for_each(|delta| self.remember(delta));
        input
    }

    fn deadline(&self) -> Option<i64> {
        self.held.first_key_value().map(|(deadline, _)| *deadline)
    }

    fn close(&mut self, deadline: i64) -> Vec<Delta> {
        let mut gone = Vec::new();
        while let Some(entry) = self.held.first_entry().filter(|entry| *entry.key() <= deadline) {
            let rows = entry.remove();
            self.rows -= rows.len();
            self.bytes -= rows.keys().map(Vec::len).sum::<usize>();
            let batch = self.codec.decode(rows.keys().map(Vec::as_slice));
            let diffs: ScalarBuffer<i64> = rows.values().map(|count| -count).collect();
            gone.push(Delta::new(batch, Some(diffs)));
        }
        gone
    }

    fn held(&self) -> usize {
        self.rows
    }

    fn bytes(&self) -> usize {
        self.bytes + self.rows * 64
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use arrow_array::types::Int64Type;
    use arrow_array::{Int64Array, RecordBatch, TimestampMillisecondArray};
    use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};

    use super::*;

    fn schema() -> SchemaRef {
        let time = DataType::Timestamp(TimeUnit::Millisecond, None);
        Arc::new(Schema::new(vec![Field::new("window_end", time, true), Field::new("a", DataType::Int64, true)]))
    }

    fn delta(rows: &[(Option<i64>, i64, i64)]) -> Delta {
        let times: TimestampMillisecondArray = rows.iter().map(|row| row.0).collect();
        let values = Int64Array::from_iter_values(rows.iter().map(|row| row.1));
        let batch = RecordBatch::try_new(schema(), vec![Arc::new(times), Arc::new(values)]).unwrap();
        Delta::new(batch, Some(rows.iter().map(|row| row.2).collect()))
    }

    fn rows(deltas: &[Delta]) -> Vec<(i64, i64, i64)> {
        let of = |delta: &Delta, row: usize| {
            let time = delta.batch().column(0).as_primitive::<TimestampMillisecondType>().value(row);
            (time, delta.batch().column(1).as_primitive::<Int64Type>().value(row), delta.diff(row))
        };
        deltas.iter().flat_map(|delta| (0..delta.len()).map(move |row| of(delta, row))).collect()
    }

    #[test]
    fn what_is_past_goes_as_often_as_it_came() {
        let expiry = Expiry { column: 0, after_ms: 5 };
        let mut fading = Fading::new(expiry, Codec::new(&schema()).unwrap());
        let first = delta(&[(Some(10), 1, 1), (Some(20), 2, 1), (Some(10), 1, 2), (Some(10), 3, 1), (None, 9, 1)]);
        assert_eq!(rows(&fading.apply(Epoch::at(0), &mut [vec![first]])).len(), 5, "rows pass as they are");
        assert_eq!((fading.held(), fading.deadline()), (3, Some(16)));
        fading.apply(Epoch::at(1), &mut [vec![delta(&[(Some(10), 3, -1)])]]);
        assert_eq!(rows(&fading.close(16)), [(10, 1, -3)], "what was taken back is gone already");
        assert_eq!((fading.held(), fading.deadline()), (1, Some(26)));
        assert_eq!(rows(&fading.close(26)), [(20, 2, -1)]);
        assert_eq!((fading.held(), fading.bytes(), fading.deadline()), (0, 0, None));
        // What follows of that is not told: a value is alive while W <= value + 5.
        let of = |watermark| rows(&[expiry.alive(Epoch::at(watermark), delta(&[(Some(10), 1, -1), (Some(11), 1, 1)]))]);
        assert_eq!(of(15).len(), 2);
        assert_eq!(of(16), [(11, 1, 1)]);
        assert!(of(17).is_empty());
    }
}
