//! A row beside the version of another input that was valid at the row's time (`FOR SYSTEM_TIME AS OF`).
//!
//! Both inputs are append-only. A row of the right input is a version of its key, valid from its time until the next
//! one's. A left row waits until the watermark proves that its version is known, and is then answered once; what comes
//! later rewrites nothing. Of versions with equal key and time the one with the later sequence
//! number counts, so that it does not matter in which order workers hear of them.
//!
//! Memory: the waiting left rows, and per key the versions that rows to come may ask for, at least the newest.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampMillisecondType};
use arrow_array::{Array, ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::{DataType, SchemaRef};
use datafusion_physical_expr::PhysicalExpr;

use super::Side;
use super::output::{MOST, Output};
use crate::aggregate::Keys;
use crate::delta::{Delta, Rejects, Unfit};
use crate::kept::Kept;
use crate::operator::{Counted, Saved, Saving, Section, Stateful, both};
use crate::time::Epoch;

/// Stores of fewer rows are not looked through for useless ones.
const FEW: usize = 1024;

/// A join with the version valid at a row's time. Output columns: left, then right.
#[derive(Clone, Debug)]
pub struct Lookup {
    /// The columns that must be equal, left and right, of equal types.
    pub keys: Vec<(usize, usize)>,
    /// The time of a left row, and the time from which a right row is valid; both `Timestamp(ms)`.
    pub times: (usize, usize),
    /// The sequence number of a right row in its source (`Int64`); without it the last to come counts.
    pub sequence: Option<usize>,
    /// Left and right rows to come have a time `>= W + offset`, in ms.
    pub offsets_ms: [i64; 2],
    /// Whether left rows without a version are shown, beside NULLs.
    pub outer: bool,
    /// What else must hold, over the columns left, then right.
    pub residual: Option<Arc<dyn PhysicalExpr>>,
    /// For dead letters: the view or sink that the residual stands in.
    pub owner: String,
}

/// A version of a key.
#[derive(Clone, Copy, Debug)]
struct Version {
    /// From when it is valid, in ms.
    from: i64,
    sequence: i64,
    /// Its row.
    slot: u32,
}

/// The state of a [`Lookup`].
#[derive(Debug)]
pub struct Versions {
    lookup: Lookup,
    inputs: [SchemaRef; 2],
    types: Vec<DataType>,
    keys: Keys,
    /// The rows that wait and the versions.
    rows: [Kept; 2],
    /// Per row its key; `None` if a key column is NULL.
    key: [Vec<Option<u32>>; 2],
    /// Per left row its time.
    times: Vec<i64>,
    /// Left rows by the watermark at which they are answered.
    waiting: BTreeMap<i64, Vec<u32>>,
    /// Per key the versions, by when they begin.
    versions: Vec<Vec<Version>>,
    output: Output,
    /// How many rows of each side were of use when that was last counted.
    useful: [usize; 2],
    expired: i64,
}

impl Versions {
    /// No rows yet. `schema` is that of the result.
    pub fn new(lookup: Lookup, schema: &SchemaRef, inputs: [&SchemaRef; 2], rejects: &Rejects) -> Versions {
        let inputs = inputs.map(Clone::clone);
        let types =
            inputs.each_ref().map(|input| input.fields().iter().map(|f| f.data_type().clone()).collect::<Vec<_>>());
        let key_types: Vec<DataType> = lookup.keys.iter().map(|&(left, _)| types[0][left].clone()).collect();
        Versions {
            keys: Keys::new(&key_types),
            types: key_types,
            rows: types.map(|types| Kept::new(&types)),
            key: Default::default(),
            times: Vec::new(),
            waiting: BTreeMap::new(),
            versions: Vec::new(),
            output: Output::new(schema, inputs.each_ref(), None, (lookup.residual.as_ref(), &[]), rejects),
            useful: [FEW; 2],
            expired: i64::MIN,
            inputs,
            lookup,
        }
    }

    /// Number of rows held.
    pub fn len(&self) -> usize {
        self.rows.iter().map(Kept::len).sum()
    }

    /// Whether no row is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Stores rows of a side; answers where they begin.
    fn store(&mut self, side: Side, delta: &Delta) -> u32 {
        let first = self.rows[side as usize].len();
        let column = |&(left, right): &(usize, usize)| if side == Side::Left { left } else { right };
        let columns: Vec<ArrayRef> =
            self.lookup.keys.iter().map(|pair| delta.batch().column(column(pair)).clone()).collect();
        let mut keys = Vec::new();
        self.keys.intern(&columns, delta.len(), &mut keys);
        let whole = |row: usize| columns.iter().all(|column| column.is_valid(row));
        self.key[side as usize].extend(keys.into_iter().enumerate().map(|(row, key)| whole(row).then_some(key)));
        let rows = &mut self.rows[side as usize];
        rows.append(rows.form(delta.batch()), delta.len(), i64::MAX);
        first as u32
    }

    fn add_versions(&mut self, delta: &Delta) {
        let first = self.store(Side::Right, delta);
        self.versions.resize(self.versions.len().max(self.keys.end()), Vec::new());
        let times = delta.batch().column(self.lookup.times.1).as_primitive::<TimestampMillisecondType>();
        let sequence =
            self.lookup.sequence.map(|column| delta.batch().column(column).as_primitive::<Int64Type>().values());
        for row in (0..delta.len()).filter(|&row| times.is_valid(row)) {
            let (from, slot) = (times.value(row), first + row as u32);
            let Some(key) = self.key[1][slot as usize] else { continue };
            let versions = &mut self.versions[key as usize];
            let new = Version { from, sequence: sequence.map_or(0, |sequence| sequence[row]), slot };
            let at = versions.partition_point(|other| other.from < from);
            match versions.get_mut(at) {
                Some(same) if same.from == from => {
                    if same.sequence <= new.sequence {
                        *same = new;
                    }
                }
                _ => versions.insert(at, new),
            }
        }
    }

    /// Stores left rows; those that need not wait are added to `now`.
    fn add_rows(&mut self, delta: &Delta, watermark: i64, now: &mut Vec<u32>) {
        let first = self.store(Side::Left, delta);
        let times = delta.batch().column(self.lookup.times.0).as_primitive::<TimestampMillisecondType>();
        for row in 0..delta.len() {
            let (slot, time) = (first + row as u32, if times.is_null(row) { i64::MIN } else { times.value(row) });
            self.times.push(time);
            // Versions up to `time` are known once W + offset > time.
            let due = time.saturating_sub(self.lookup.offsets_ms[1]).saturating_add(1);
            match due <= watermark || times.is_null(row) {
                true => now.push(slot),
                false => self.waiting.entry(due).or_default().push(slot),
            }
        }
    }

    /// Answers left rows.
    fn answer(&mut self, slots: &[u32]) {
        for slots in slots.chunks(MOST) {
            let mut pairs: [Vec<u32>; 2] = Default::default();
            for &slot in slots {
                let time = self.times[slot as usize];
                let Some(versions) = self.key[0][slot as usize].and_then(|key| self.versions.get(key as usize)) else {
                    continue;
                };
                let after = versions.partition_point(|version| version.from <= time);
                if after > 0 && time != i64::MIN {
                    pairs[0].push(slot);
                    pairs[1].push(versions[after - 1].slot);
                }
            }
            let [left, right] = &self.rows;
            self.output.restrict([left, right], &mut pairs, &|_, _| 1);
            if self.lookup.outer {
                // Both ascend in the same order: what was not found is what is left over.
                let mut found = pairs[0].iter().copied().peekable();
                let alone: Vec<u32> = slots.iter().copied().filter(|slot| found.next_if_eq(slot).is_none()).collect();
                let diffs = vec![1; alone.len()];
                self.output.lone([left, right], Side::Left, &alone, diffs);
            }
            self.output.pairs([left, right], [&pairs[0], &pairs[1]], None);
        }
    }

    /// Drops the versions that no row to come asks for, then the rows that nothing means.
    fn free(&mut self) {
        if self.waiting.is_empty() && !self.rows[0].is_empty() {
            self.rows[0].retain(&[], &|_| i64::MAX);
            self.key[0].clear();
            self.times.clear();
        }
        let ([waiting, versions], [few, some]) = ([self.rows[0].len(), self.rows[1].len()], self.useful);
        if waiting >= few * 2 || versions >= some * 2 {
            // Rows to come are at or after this time; those that wait may be before.
            let first = self.waiting.values().flatten().map(|&slot| self.times[slot as usize]).min();
            let from = self.expired.saturating_add(self.lookup.offsets_ms[0]).min(first.unwrap_or(i64::MAX));
            for versions in &mut self.versions {
                let base = versions.partition_point(|version| version.from <= from).saturating_sub(1);
                versions.drain(..base);
            }
            self.compact();
        }
    }

    fn compact(&mut self) {
        let mut keys = Keys::new(&self.types);
        let left: Vec<u32> = self.waiting.values().flatten().copied().collect();
        let right: Vec<u32> = self.versions.iter().flatten().map(|version| version.slot).collect();
        let mut versions: Vec<Vec<Version>> = Vec::new();
        for (side, slots) in [&left, &right].into_iter().enumerate() {
            let old: Vec<Option<u32>> = slots.iter().map(|&slot| self.key[side][slot as usize]).collect();
            let mut new = keys.intern_from(&self.keys, &old.iter().flatten().copied().collect::<Vec<_>>()).into_iter();
            self.key[side] = old.iter().map(|key| key.and_then(|_| new.next())).collect();
            self.rows[side].retain(slots, &|_| i64::MAX);
        }
        versions.resize(keys.end(), Vec::new());
        let mut next = 0..;
        let old = std::mem::take(&mut self.versions).into_iter().flatten();
        for (version, slot) in old.zip(&mut next) {
            if let Some(key) = self.key[1][slot] {
                versions[key as usize].push(Version { slot: slot as u32, ..version });
            }
        }
        self.times = left.iter().map(|&slot| self.times[slot as usize]).collect();
        let mut next = 0u32..;
        self.waiting.values_mut().flatten().zip(&mut next).for_each(|(slot, new)| *slot = new);
        (self.keys, self.versions) = (keys, versions);
        self.useful = [left.len().max(FEW), right.len().max(FEW)];
    }
}

/// The left rows that wait, and the versions that are of use.
impl Saved for Versions {
    fn sections(&self) -> Vec<Section> {
        let [left, right]: [Vec<usize>; 2] = self.lookup.keys.iter().copied().unzip::<_, _, Vec<_>, Vec<_>>().into();
        let sections = [("waiting", left), ("versions", right)].into_iter().zip(&self.inputs);
        sections.map(|((name, keys), schema)| Counted::section(name, schema, keys)).collect()
    }

    fn begin(&mut self) -> Saving {
        let (mut saving, sections) = (Saving::default(), self.sections());
        let waiting: Vec<u32> = self.waiting.values().flatten().copied().collect();
        let versions: Vec<u32> = self.versions.iter().flatten().map(|version| version.slot).collect();
        for (side, slots) in [waiting, versions].into_iter().enumerate() {
            for slots in slots.chunks(Saving::PIECE) {
                let (columns, schema) = (self.rows[side].gather(slots), self.inputs[side].clone());
                let options = RecordBatchOptions::new().with_row_count(Some(slots.len()));
                let rows = match RecordBatch::try_new_with_options(schema, columns, &options) {
                    Ok(batch) => Delta::insert(batch),
                    Err(error) => unreachable!("rows have the schema of their input: {error}"),
                };
                saving.add((side, &sections[side]), Counted::save(&rows), rows.len());
            }
        }
        saving
    }

    fn take(&mut self, section: usize, rows: &RecordBatch) -> Result<(), Unfit> {
        let rows = Counted::load(rows, &self.inputs[section])?;
        if rows.diffs().is_some() {
            return Err(Unfit::Value("a row that comes once is there more than once"));
        }
        if section == 1 {
            self.add_versions(&rows);
            return Ok(());
        }
        let mut now = Vec::new();
        self.add_rows(&rows, i64::MIN, &mut now);
        if now.is_empty() { Ok(()) } else { Err(Unfit::Value("a row that has no time waits")) }
    }

    fn loaded(&mut self, cut: Epoch) {
        self.expired = cut.watermark;
    }
}

impl Stateful for Versions {
    fn apply(&mut self, epoch: Epoch, inputs: &mut [Vec<Delta>]) -> Vec<Delta> {
        let [left, right] = both(inputs);
        right.iter().for_each(|delta| self.add_versions(delta));
        let mut now = Vec::new();
        left.iter().for_each(|delta| self.add_rows(delta, epoch.watermark, &mut now));
        self.answer(&now);
        self.expired = self.expired.max(epoch.watermark);
        self.free();
        self.output.finish()
    }

    fn deadline(&self) -> Option<i64> {
        self.waiting.first_key_value().map(|(due, _)| *due)
    }

    fn close(&mut self, deadline: i64) -> Vec<Delta> {
        while let Some(entry) = self.waiting.first_entry().filter(|entry| *entry.key() <= deadline) {
            let slots = entry.remove();
            self.answer(&slots);
        }
        self.output.finish()
    }

    fn expire(&mut self, frontier: Epoch) {
        self.expired = self.expired.max(frontier.watermark);
        self.free();
    }

    fn held(&self) -> usize {
        self.len()
    }

    fn bytes(&self) -> usize {
        let keys = self.key.iter().map(|keys| keys.capacity() * size_of::<Option<u32>>()).sum::<usize>();
        let waiting = |slots: &Vec<u32>| slots.capacity() * 4 + size_of::<(i64, Vec<u32>)>();
        let versions = |of: &Vec<Version>| of.capacity() * size_of::<Version>() + size_of::<Vec<Version>>();
        let lists = self.waiting.values().map(waiting).chain(self.versions.iter().map(versions)).sum::<usize>();
        let rows = self.rows.iter().map(Kept::bytes).sum::<usize>();
        rows + keys + lists + self.times.capacity() * 8 + self.keys.bytes()
    }
}
