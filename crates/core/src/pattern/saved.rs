//! What a pattern keeps, saved and taken in: rows by their positions, how far each partition has been looked through, and the
//! matches that are out. Attempts that wait are made again, and so are the conditions on neighbours.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampMillisecondType};
use arrow_array::{Array, ArrayRef, BooleanArray, Int64Array, RecordBatch};
use arrow_schema::{DataType, Field};
use hashbrown::HashMap;

use super::partition::{Found, Partition, Row, Shown};
use super::recognise::Recognise;
use super::store::{At, chosen};
use crate::aggregate::{list_of, lists, numbers, numbers_of, unlisted};
use crate::delta::Unfit;
use crate::operator::{Saved, Saving, Section};
use crate::time::Epoch;

/// The sections, by their places.
const ROWS: usize = 0;
const PARTITIONS: usize = 1;

/// Matches that are out, as columns: their rows by positions.
#[derive(Default)]
struct Matches {
    groups: Vec<u32>,
    own: [Vec<i64>; 4],
    rows: Vec<i64>,
    variables: Vec<i64>,
    picked: Vec<Option<i64>>,
    /// Of each match, how many rows and how many picks.
    lengths: [Vec<usize>; 2],
}

impl Matches {
    /// Those of a partition.
    fn add(&mut self, group: u32, partition: &Partition) {
        if partition.found.is_empty() {
            return;
        }
        let positions: HashMap<At, i64> = held(partition).map(|(at, row)| (row.at, at as i64)).collect();
        let position = |at: &At| match positions.get(at) {
            Some(position) => *position,
            None => unreachable!("the rows of a match that may change are held"),
        };
        for Found { start, next, reach, shown } in &partition.found {
            self.groups.push(group);
            let own = [*start as i64, *next as i64, *reach, shown.number];
            self.own.iter_mut().zip(own).for_each(|(column, value)| column.push(value));
            self.rows.extend(shown.rows.iter().map(|(at, _)| position(at)));
            self.variables.extend(shown.rows.iter().map(|(_, variable)| i64::from(*variable)));
            self.picked.extend(shown.picked.iter().map(|at| at.as_ref().map(position)));
            let lengths = [shown.rows.len(), shown.picked.len()];
            self.lengths.iter_mut().zip(lengths).for_each(|(column, length)| column.push(length));
        }
    }

    fn columns(self) -> impl Iterator<Item = ArrayRef> {
        let [rows, picked] = self.lengths;
        let [at, variables] = [self.rows, self.variables].map(|column| lists(numbers(column.into_iter()), &rows));
        let picks = lists(Arc::new(Int64Array::from(self.picked)), &picked);
        self.own.map(|column| numbers(column.into_iter())).into_iter().chain([at, variables, picks])
    }
}

/// The rows of a partition, with their positions.
fn held(partition: &Partition) -> impl Iterator<Item = (u64, &Row)> {
    (partition.first()..).zip(partition.rows())
}

impl Recognise {
    /// The partition of each row's key, of which there is one now.
    fn intern(&mut self, keys: &[ArrayRef], rows: usize) -> Vec<u32> {
        let mut groups = Vec::new();
        self.keys.intern(keys, rows, &mut groups);
        self.partitions.resize_with(self.partitions.len().max(self.keys.end()), Partition::default);
        groups
    }

    fn take_rows(&mut self, saved: &RecordBatch) -> Result<(), Unfit> {
        let (columns, own) = saved.columns().split_at(self.columns.len());
        let groups = self.intern(&chosen(columns, &self.pattern.keys), saved.num_rows());
        let times = columns[self.pattern.time].as_primitive::<TimestampMillisecondType>();
        if times.null_count() > 0 {
            return Err(Unfit::Value("a row that is in order of time has none"));
        }
        let sequence = self.pattern.sequence.map(|column| numbers_of(&columns[column]));
        let flags = self.flags(columns, saved.num_rows());
        let chunk = self.store.push(columns.to_vec(), saved.num_rows());
        let (positions, failed) = (numbers_of(&own[0]), numbers_of(&own[1]));
        for (row, group) in groups.into_iter().enumerate() {
            let new = Row {
                ts: times.value(row),
                sequence: sequence.map_or(0, |sequence| sequence[row]),
                at: (chunk, row as u32),
                flags: flags[row],
                known: 0,
                holds: 0,
                fails: 0,
                failed: failed[row] as u64,
            };
            if !self.partitions[group as usize].restore(positions[row] as u64, new) {
                return Err(Unfit::Value("a row of a partition is missing"));
            }
        }
        Ok(())
    }

    fn take_partitions(&mut self, saved: &RecordBatch) -> Result<(), Unfit> {
        let (keys, own) = saved.columns().split_at(self.pattern.keys.len());
        let groups = self.intern(keys, saved.num_rows());
        let [first, base, next, numbered] = [0, 1, 2, 3].map(|column: usize| numbers_of(&own[column]));
        let (due, hopeful) = (own[4].as_primitive::<Int64Type>(), own[5].as_boolean());
        for (row, group) in groups.into_iter().enumerate() {
            let partition = &mut self.partitions[group as usize];
            partition.restore_end(first[row] as u64);
            if partition.first() != first[row] as u64 || base[row] < first[row] || next[row] < base[row] {
                return Err(Unfit::Value("a partition begins where its rows do not"));
            }
            (partition.base, partition.next) = (base[row] as u64, next[row] as u64);
            (partition.numbered, partition.hopeful) = (numbered[row], hopeful.value(row));
            if due.is_valid(row) {
                self.schedule(group, due.value(row));
            }
        }
        Ok(())
    }

    fn take_matches(&mut self, saved: &RecordBatch) -> Result<(), Unfit> {
        let (keys, own) = saved.columns().split_at(self.pattern.keys.len());
        let groups = self.intern(keys, saved.num_rows());
        let [start, next, reach, number] = [0, 1, 2, 3].map(|column: usize| numbers_of(&own[column]));
        let [(lengths, rows), (_, variables), (widths, picked)] = [4, 5, 6].map(|column: usize| unlisted(&own[column]));
        let (mut rows, mut variables) = (numbers_of(&rows).iter(), numbers_of(&variables).iter());
        let mut picked = picked.as_primitive::<Int64Type>().iter();
        for (row, group) in groups.into_iter().enumerate() {
            let partition = &mut self.partitions[group as usize];
            let at = |position: i64| {
                let held = u64::try_from(position).ok().and_then(|position| partition.row(position));
                held.map(|row| row.at).ok_or(Unfit::Value("a match is of rows that are not there"))
            };
            let pairs = rows.by_ref().zip(variables.by_ref()).take(lengths[row]);
            let shown = Shown {
                number: number[row],
                rows: pairs.map(|(&position, &of)| Ok((at(position)?, of as u8))).collect::<Result<_, Unfit>>()?,
                picked: picked
                    .by_ref()
                    .take(widths[row])
                    .map(|pick| pick.map(at).transpose())
                    .collect::<Result<_, _>>()?,
            };
            let (start, next, reach) = (start[row] as u64, next[row] as u64, reach[row]);
            partition.found.push_back(Found { start, next, reach, shown });
        }
        Ok(())
    }
}

/// Rows first: partitions and matches are told by their positions.
impl Saved for Recognise {
    fn sections(&self) -> Vec<Section> {
        let number = |name: &str, nullable: bool| Field::new(name, DataType::Int64, nullable);
        let rows = self.stored.fields().iter().map(|field| field.as_ref().clone());
        let rows = rows.chain(["position", "failed"].map(|name| number(name, false)));
        let keys = || self.keys.fields().into_iter();
        let partitions = keys()
            .chain(["first", "base", "next", "numbered"].map(|name| number(name, false)))
            .chain([number("due", true), Field::new("hopeful", DataType::Boolean, false)]);
        let found = keys()
            .chain(["start", "next", "reach", "number"].map(|name| number(name, false)))
            .chain(["rows", "variables", "picked"].map(|name| Field::new(name, list_of(&DataType::Int64), false)));
        let by_key: Vec<usize> = (0..self.pattern.keys.len()).collect();
        vec![
            Section::new("rows", 1, rows.collect(), self.pattern.keys.clone()),
            Section::new("partitions", 1, partitions.collect(), by_key.clone()),
            Section::new("matches", 1, found.collect(), by_key),
        ]
    }

    fn begin(&mut self) -> Saving {
        let (mut saving, sections, groups) = (Saving::default(), self.sections(), self.keys.used());
        let partition = |group: &u32| &self.partitions[*group as usize];
        let rows: Vec<(u64, &Row)> = groups.iter().flat_map(|group| held(partition(group))).collect();
        for rows in rows.chunks(Saving::PIECE) {
            let at: Vec<Option<At>> = rows.iter().map(|(_, row)| Some(row.at)).collect();
            let columns = (0..self.columns.len()).map(|column| self.store.gather(column, &at));
            let positions = numbers(rows.iter().map(|(position, _)| *position as i64));
            let columns = columns.chain([positions, numbers(rows.iter().map(|(_, row)| row.failed as i64))]);
            saving.add((ROWS, &sections[ROWS]), columns.collect(), rows.len());
        }
        for groups in groups.chunks(Saving::PIECE) {
            let these = || groups.iter().map(partition);
            let own: [fn(&Partition) -> i64; 4] =
                [|p| p.first() as i64, |p| p.base as i64, |p| p.next as i64, |p| p.numbered];
            let due: ArrayRef = Arc::new(these().map(|partition| partition.due).collect::<Int64Array>());
            let hopeful: ArrayRef = Arc::new(BooleanArray::from_iter(these().map(|p| Some(p.hopeful))));
            let columns = self.keys.columns(groups).into_iter().chain(own.map(|value| numbers(these().map(value))));
            saving.add((1, &sections[1]), columns.chain([due, hopeful]).collect(), groups.len());
        }
        for groups in groups.chunks(Saving::PIECE) {
            let mut matches = Matches::default();
            groups.iter().for_each(|group| matches.add(*group, partition(group)));
            let (keys, rows) = (self.keys.columns(&matches.groups), matches.groups.len());
            saving.add((2, &sections[2]), keys.into_iter().chain(matches.columns()).collect(), rows);
        }
        saving
    }

    fn take(&mut self, section: usize, rows: &RecordBatch) -> Result<(), Unfit> {
        match section {
            ROWS => self.take_rows(rows),
            PARTITIONS => self.take_partitions(rows),
            _ => self.take_matches(rows),
        }
    }

    fn loaded(&mut self, _: Epoch) {}
}
