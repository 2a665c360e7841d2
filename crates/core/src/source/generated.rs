//! What generators share: which rows a partition makes next, at what pace, and texts in bulk.
//!
//! Bounded generators run as fast as they can; live ones make row `n` when `n / rate` seconds have passed. Row numbers go
//! to partitions block by block in turn, so any number of partitions makes the same rows.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use arrow_array::{ArrayRef, RecordBatch, StringArray};
use arrow_buffer::{Buffer, OffsetBuffer};

use super::{Decoded, Position, SOURCE_OPTIONS, SourceError, SourceSpec, SplitId};
use crate::format::Spot;
use crate::options::{OptionError, OptionSpec};
use crate::time::{Clock, now_ms};

/// Refuses options that generators do not read: also those of sources that concern how rows are written.
pub(super) fn check_options(spec: &SourceSpec, own: &[OptionSpec]) -> Result<(), OptionError> {
    let written =
        |option: &&OptionSpec| !matches!(option.name, "format" | "timestamp.unit" | "timestamp.format" | "date.format");
    let shared: Vec<OptionSpec> = SOURCE_OPTIONS.iter().filter(written).copied().collect();
    spec.options.check(&format!("source '{}' ({})", spec.name, spec.connector.name()), &[&shared, own])
}

/// Rows of a batch, at most.
pub(super) const BATCH_ROWS: u64 = 8192;

/// The rows that one partition makes.
#[derive(Debug)]
pub(super) struct Turns {
    next: u64,
    end: Option<u64>,
    partition: u64,
    partitions: u64,
    /// Live: rows a second, and since when.
    pace: Option<Pace>,
    /// Records and rows so far.
    made: (u64, u64),
    /// When the generator began, if it is live, in ms.
    began_ms: u64,
}

#[derive(Debug)]
struct Pace {
    clock: Clock,
    /// How long it had run before the clock was started, in seconds.
    ahead: f64,
    rate: f64,
}

impl Pace {
    fn elapsed(&self) -> f64 {
        self.ahead + self.clock.elapsed_seconds()
    }
}

/// What is to be done next.
pub(super) enum Turn {
    Rows(Range<u64>),
    Wait(Duration),
    End,
}

impl Turns {
    /// All rows below `end`; without an end at `rate` rows a second since `start_ms`.
    pub(super) fn new(end: Option<u64>, rate: f64, partition: u64, partitions: u64, start_ms: i64) -> Turns {
        let ahead = now_ms().saturating_sub(start_ms).max(0) as f64 / 1e3;
        let pace = end.is_none().then(|| Pace { clock: Clock::start(), ahead, rate });
        let began_ms = if pace.is_some() { start_ms.unsigned_abs() } else { 0 };
        Turns { next: partition * BATCH_ROWS, end, partition, partitions, pace, made: (0, 0), began_ms }
    }

    /// The same, behind what was made before; `Err` if another partition goes on there.
    pub(super) fn behind(mut self, from: &Position) -> Result<Turns, String> {
        if *from != Position::default() {
            if from.spot.at / BATCH_ROWS % self.partitions != self.partition {
                return Err(format!("row {} is not made by partition {}", from.spot.at, self.partition));
            }
            self.next = from.spot.at;
            self.made = (from.records, from.rows);
        }
        Ok(self)
    }

    /// Rows that were made.
    pub(super) fn decoded(&mut self, batch: RecordBatch) -> Decoded {
        let (before, rows) = (self.made, batch.num_rows() as u64);
        self.made = (before.0 + rows, before.1 + rows);
        let spot = Spot { at: self.next, within: self.began_ms };
        let end = Position { records: self.made.0, rows: self.made.1, spot, files: None };
        Decoded { end, ..Decoded::rows(batch, before.0) }
    }

    /// The next rows of this partition.
    pub(super) fn next(&mut self) -> Turn {
        debug_assert_eq!(self.next / BATCH_ROWS % self.partitions, self.partition);
        let block_end = (self.next / BATCH_ROWS + 1) * BATCH_ROWS;
        let mut end = block_end.min(self.end.unwrap_or(u64::MAX));
        if let Some(pace) = &self.pace {
            end = end.min((pace.elapsed() * pace.rate) as u64);
            if end <= self.next {
                let missing = (self.next + 1) as f64 / pace.rate - pace.elapsed();
                return Turn::Wait(Duration::from_secs_f64(missing.clamp(0.001, 0.1)));
            }
        } else if end <= self.next {
            return Turn::End;
        }
        let rows = self.next..end;
        self.next = if end == block_end { block_end + (self.partitions - 1) * BATCH_ROWS } else { end };
        Turn::Rows(rows)
    }
}

/// The splits of a generator, by number.
pub(super) fn splits(partitions: u64) -> Vec<SplitId> {
    (0..partitions).map(|partition| SplitId::new(partition.to_string())).collect()
}

/// The number of a split of `partitions`.
pub(super) fn number(spec: &SourceSpec, split: &SplitId, partitions: u64) -> Result<u64, SourceError> {
    let number = split.as_str().parse::<u64>().ok().filter(|number| *number < partitions);
    number.ok_or_else(|| refused(spec, format!("there is no partition '{split}' of {partitions}")))
}

/// A position that a generator cannot go on from.
pub(super) fn refused(spec: &SourceSpec, what: String) -> SourceError {
    let remedy = "go on with the options of before, or begin anew".to_owned();
    SourceError::Schema { source_name: spec.name.clone(), what, remedy }
}

/// When a live generator began that goes on from a position, in ms.
pub(super) fn began_ms(from: &Position) -> Option<i64> {
    i64::try_from(from.spot.within).ok().filter(|began| *began > 0)
}

/// A text column: `write` appends one row's text to the buffer.
pub(super) fn texts(rows: usize, room: usize, mut write: impl FnMut(usize, &mut Vec<u8>)) -> ArrayRef {
    let mut bytes = Vec::with_capacity(rows * room);
    let mut offsets = Vec::with_capacity(rows + 1);
    offsets.push(0_i32);
    for row in 0..rows {
        write(row, &mut bytes);
        offsets.push(bytes.len() as i32);
    }
    match StringArray::try_new(OffsetBuffer::new(offsets.into()), Buffer::from_vec(bytes), None) {
        Ok(column) => Arc::new(column),
        Err(error) => unreachable!("generators write ASCII: {error}"),
    }
}

/// Appends a number in decimal digits, at least `width` of them.
pub(super) fn digits(mut number: u64, width: usize, out: &mut Vec<u8>) {
    let mut text = [b'0'; 20];
    let mut start = text.len();
    while number > 0 || text.len() - start < width.max(1) {
        start -= 1;
        text[start] = b'0' + (number % 10) as u8;
        number /= 10;
    }
    out.extend_from_slice(&text[start..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_number_of_partitions_makes_every_row_once() {
        for (end, partitions) in [(0, 1), (1, 3), (8192, 1), (100_000, 1), (100_000, 4), (3 * 8192, 3)] {
            let mut rows: Vec<u64> = Vec::new();
            for partition in 0..partitions {
                let mut turns = Turns::new(Some(end), 1.0, partition, partitions, 0);
                while let Turn::Rows(range) = turns.next() {
                    rows.extend(range);
                }
            }
            rows.sort_unstable();
            assert!(rows.into_iter().eq(0..end), "{end} {partitions}");
        }
    }
}
