//! What is saved of a changelog: the rows that are there, those that are owed, and where the last change of each key stands.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, Int64Array, RecordBatch};
use arrow_schema::{DataType, Field};

use super::by_key::Recent;
use super::current::Current;
use crate::delta::Unfit;
use crate::operator::{Counted, Saved, Saving, Section};
use crate::time::Epoch;

/// Of rows that are owed.
const OWED: [&str; 2] = ["number", "record"];

/// Of keys, where changes meet by event time.
const LAST: [&str; 3] = ["turn", "number", "was"];

/// Of changes, then.
const RECENT: [&str; 4] = ["turn", "number", "record", "adds"];

/// Whole numbers behind other columns.
fn behind<const N: usize>(names: [&str; N]) -> [Field; N] {
    names.map(|name| Field::new(name, DataType::Int64, false))
}

fn numbers(numbers: impl Iterator<Item = i64>) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(numbers))
}

impl Saved for Current {
    fn sections(&self) -> Vec<Section> {
        let all: Vec<usize> = (0..self.schema.fields().len()).collect();
        let route = self.keyed.as_ref().map_or_else(|| all.clone(), |keyed| keyed.columns.clone());
        let mut sections = vec![Counted::section("rows", &self.told_by, route)];
        if self.owes() {
            let rows = self.schema.fields().iter().map(|field| field.as_ref().clone().with_nullable(true));
            sections.push(Section::new("owed", 1, rows.chain(behind(OWED)).collect(), all));
        }
        if let Some(keyed) = self.keyed.as_ref().filter(|keyed| keyed.by_time) {
            let keys = keyed.keys.fields();
            let route: Vec<usize> = (0..keys.len()).collect();
            let last = keys.iter().cloned().chain(behind(LAST)).collect();
            sections.push(Section::new("last", 1, last, route.clone()));
            sections.push(Section::new("recent", 1, keys.into_iter().chain(behind(RECENT)).collect(), route));
        }
        sections
    }

    fn begin(&mut self) -> Saving {
        let (mut saving, sections) = (Saving::default(), self.sections());
        let mut there = self.rows.used();
        there.retain(|&row| self.counts[row as usize] > 0);
        for rows in there.chunks(Saving::PIECE) {
            let counts = numbers(rows.iter().map(|&row| self.counts[row as usize]));
            let columns = self.rows.columns(rows).into_iter().chain([counts]);
            saving.add((0, &sections[0]), columns.collect(), rows.len());
        }
        let owed: Vec<(u32, (i64, i64))> =
            self.owed.iter().flat_map(|((_, row), owed)| owed.iter().map(|owed| (*row, *owed))).collect();
        for owed in owed.chunks(Saving::PIECE) {
            let rows: Vec<u32> = owed.iter().map(|(row, _)| *row).collect();
            let places = [numbers(owed.iter().map(|owed| owed.1.0)), numbers(owed.iter().map(|owed| owed.1.1))];
            saving.add((1, &sections[1]), self.rows.columns(&rows).into_iter().chain(places).collect(), rows.len());
        }
        if let Some(keyed) = self.keyed.as_ref().filter(|keyed| keyed.by_time) {
            for keys in keyed.keys.used().chunks(Saving::PIECE) {
                let column = |value: &dyn Fn(usize) -> i64| numbers(keys.iter().map(|&key| value(key as usize)));
                let last = [
                    column(&|key| keyed.last[key].0),
                    column(&|key| keyed.last[key].1),
                    column(&|key| i64::from(keyed.was[key])),
                ];
                saving.add((1, &sections[1]), keyed.keys.columns(keys).into_iter().chain(last).collect(), keys.len());
            }
            for changes in keyed.recent.chunks(Saving::PIECE) {
                let keys: Vec<u32> = changes.iter().map(|change| change.key).collect();
                let column = |value: fn(&Recent) -> i64| numbers(changes.iter().map(value));
                let recent = [
                    column(|change| change.turn.0),
                    column(|change| change.turn.1),
                    column(|change| change.record),
                    column(|change| i64::from(change.adds)),
                ];
                saving.add(
                    (2, &sections[2]),
                    keyed.keys.columns(&keys).into_iter().chain(recent).collect(),
                    keys.len(),
                );
            }
        }
        saving
    }

    fn take(&mut self, section: usize, rows: &RecordBatch) -> Result<(), Unfit> {
        if section == 0 {
            return self.take_rows(rows);
        }
        let behind = [OWED.len(), LAST.len(), RECENT.len()][if self.keyed.is_some() { section } else { 0 }];
        let (width, count) = (rows.num_columns() - behind, rows.num_rows());
        let numbers: Vec<_> =
            (width..rows.num_columns()).map(|at| rows.column(at).as_primitive::<Int64Type>().values()).collect();
        let columns = &rows.columns()[..width];
        let Some(keyed) = &mut self.keyed else {
            let found = self.intern(columns, count);
            for (row, &owed) in found.iter().enumerate() {
                if self.counts[owed as usize] > 0 {
                    return Err(Unfit::Value("a row is there, and owed"));
                }
                self.counts[owed as usize] -= 1;
                let places = self.owed.entry((self.times[owed as usize], owed)).or_default();
                places.push((numbers[0][row], numbers[1][row]));
            }
            return Ok(());
        };
        for (row, key) in keyed.intern_columns(columns, count).into_iter().enumerate() {
            let turn = (numbers[0][row], numbers[1][row]);
            if section == 1 {
                (keyed.last[key as usize], keyed.was[key as usize]) = (turn, numbers[2][row] != 0);
            } else {
                keyed.recent.push(Recent { turn, record: numbers[2][row], key, adds: numbers[3][row] != 0 });
            }
        }
        Ok(())
    }

    fn loaded(&mut self, cut: Epoch) {
        self.watermark = cut.watermark;
    }
}

impl Current {
    fn take_rows(&mut self, rows: &RecordBatch) -> Result<(), Unfit> {
        let rows = Counted::load(rows, &self.told_by)?;
        let live = self.rows.live();
        let found = self.intern(rows.batch().columns(), rows.len());
        if self.rows.live() != live + rows.len() || (0..rows.len()).any(|row| rows.diff(row) < 0) {
            return Err(Unfit::Value("a row is there twice, or less often than not at all"));
        }
        for (row, &number) in found.iter().enumerate() {
            (self.counts[number as usize], self.shown[number as usize]) = (rows.diff(row), rows.diff(row));
        }
        let Some(keyed) = &mut self.keyed else { return Ok(()) };
        let live = keyed.keys.live();
        let keys = keyed.intern(rows.batch());
        if keyed.keys.live() != live + rows.len() {
            return Err(Unfit::Value("a key is there twice"));
        }
        keys.iter().zip(found).for_each(|(&key, row)| keyed.there[key as usize] = row);
        Ok(())
    }
}
