//! The rows of a table by key, and what the requests of an epoch make of them.
//!
//! Invariant: what was answered so far adds up to the rows held. Rows are answered by key, ascending.
//!
//! Cost: a request costs its rows times the logarithm of the table; replacing costs the table. Memory: the rows' bytes.

use std::collections::BTreeMap;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, RecordBatch};
use arrow_row::{RowConverter, SortField};
use arrow_schema::{ArrowError, Schema, SchemaRef};

use super::Act;
use crate::delta::{Delta, Unfit, canonical};
use crate::operator::{Counted, Saved, Saving, Section, Stateful, only};
use crate::time::Epoch;

type Bytes = Box<[u8]>;

/// The rows of a table.
#[derive(Debug)]
pub struct Contents {
    schema: SchemaRef,
    key: Vec<usize>,
    keys: RowConverter,
    rows: RowConverter,
    held: BTreeMap<Bytes, Bytes>,
    /// Of keys and rows together.
    bytes: usize,
}

/// Encodes and decodes rows of these columns.
fn converter(schema: &Schema, columns: impl Iterator<Item = usize>) -> Result<RowConverter, ArrowError> {
    RowConverter::new(columns.map(|column| SortField::new(schema.field(column).data_type().clone())).collect())
}

impl Contents {
    /// No rows yet. Refuses columns whose type has no order.
    pub fn new(schema: &SchemaRef, key: &[usize]) -> Result<Contents, ArrowError> {
        Ok(Contents {
            keys: converter(schema, key.iter().copied())?,
            rows: converter(schema, 0..schema.fields().len())?,
            schema: schema.clone(),
            key: key.to_vec(),
            held: BTreeMap::new(),
            bytes: 0,
        })
    }

    /// Takes the rows of one request; `before` remembers what was under each key that it touches.
    fn take(&mut self, batch: &RecordBatch, before: &mut BTreeMap<Bytes, Option<Bytes>>) {
        let width = self.schema.fields().len();
        let acts = batch.column(width).as_primitive::<Int64Type>();
        let key_columns: Vec<ArrayRef> = self.key.iter().map(|&column| canonical(batch.column(column))).collect();
        let encoded = self.keys.convert_columns(&key_columns);
        let (keys, rows) = match encoded.and_then(|keys| {
            let rows = self.rows.convert_columns(&batch.columns()[..width])?;
            Ok((keys, rows))
        }) {
            Ok(encoded) => encoded,
            Err(error) => unreachable!("a request has the table's columns: {error}"),
        };
        for row in 0..batch.num_rows() {
            if acts.value(row) == Act::Clear as i64 {
                for (key, old) in std::mem::take(&mut self.held) {
                    before.entry(key).or_insert(Some(old));
                }
                continue;
            }
            let key: Bytes = keys.row(row).data().into();
            let old = match acts.value(row) {
                act if act == Act::Delete as i64 => self.held.remove(&key),
                act if act == Act::Update as i64 => {
                    let Some(old) = self.held.get(&key) else { continue };
                    let new = self.updated(old, batch, row);
                    self.held.insert(key.clone(), new)
                }
                _ => self.held.insert(key.clone(), rows.row(row).data().into()),
            };
            before.entry(key).or_insert(old);
        }
    }

    /// A held row with the columns that a row of a request gives.
    fn updated(&self, old: &[u8], batch: &RecordBatch, row: usize) -> Bytes {
        let old = self.decode(&[old]);
        let given = batch.column(self.schema.fields().len() + 2).as_binary::<i32>().value(row);
        let new = (old.columns().iter().zip(batch.columns())).zip(given);
        let new: Vec<ArrayRef> =
            new.map(|((old, new), given)| if *given == 0 { old.clone() } else { new.slice(row, 1) }).collect();
        match self.rows.convert_columns(&new) {
            Ok(rows) => rows.row(0).data().into(),
            Err(error) => unreachable!("these are the table's columns: {error}"),
        }
    }

    fn decode(&self, rows: &[&[u8]]) -> RecordBatch {
        let parser = self.rows.parser();
        let columns = self.rows.convert_rows(rows.iter().map(|bytes| parser.parse(bytes)));
        match columns.and_then(|columns| RecordBatch::try_new(self.schema.clone(), columns)) {
            Ok(batch) => batch,
            Err(error) => unreachable!("these are rows that came in: {error}"),
        }
    }
}

impl Saved for Contents {
    /// All requests come to the first worker.
    fn sections(&self) -> Vec<Section> {
        vec![Counted::section("rows", &self.schema, Vec::new())]
    }

    fn begin(&mut self) -> Saving {
        let (mut saving, sections) = (Saving::default(), self.sections());
        let rows: Vec<&[u8]> = self.held.values().map(AsRef::as_ref).collect();
        for rows in rows.chunks(Saving::PIECE) {
            let rows = Delta::insert(self.decode(rows));
            saving.add((0, &sections[0]), Counted::save(&rows), rows.len());
        }
        saving
    }

    fn take(&mut self, _: usize, rows: &RecordBatch) -> Result<(), Unfit> {
        let (batch, _) = Counted::load(rows, &self.schema)?.into_parts();
        let key_columns: Vec<ArrayRef> = self.key.iter().map(|&column| batch.column(column).clone()).collect();
        let encoded = self.keys.convert_columns(&key_columns);
        let (keys, rows) = match encoded.and_then(|keys| Ok((keys, self.rows.convert_columns(batch.columns())?))) {
            Ok(encoded) => encoded,
            Err(error) => unreachable!("the rows have the table's columns: {error}"),
        };
        for (key, row) in keys.iter().zip(&rows) {
            let (key, row): (Bytes, Bytes) = (key.data().into(), row.data().into());
            self.bytes += key.len() + row.len();
            if self.held.insert(key, row).is_some() {
                return Err(Unfit::Value("a key of a table is there twice"));
            }
        }
        Ok(())
    }

    fn loaded(&mut self, _: Epoch) {}
}

impl Stateful for Contents {
    fn apply(&mut self, _: Epoch, inputs: &mut [Vec<Delta>]) -> Vec<Delta> {
        let mut input = only(inputs);
        // The requests of one process come in their order.
        let process = self.schema.fields().len() + 1;
        let asked_by = |delta: &Delta| delta.batch().column(process).as_primitive::<Int64Type>().value(0);
        input.retain(|delta| !delta.is_empty());
        input.sort_by_key(asked_by);
        let mut before = BTreeMap::new();
        input.iter().for_each(|delta| self.take(delta.batch(), &mut before));
        let mut rows: Vec<&[u8]> = Vec::new();
        let mut diffs: Vec<i64> = Vec::new();
        for (key, old) in &before {
            let new = self.held.get(key);
            if old.as_ref() == new {
                continue;
            }
            for (row, diff) in [(old.as_ref(), -1), (new, 1)] {
                rows.extend(row.map(AsRef::as_ref));
                diffs.extend(row.map(|_| diff));
            }
        }
        let size = |row: Option<&Bytes>, key: &Bytes| row.map_or(0, |row| row.len() + key.len());
        let (gone, come) = before.iter().fold((0, 0), |(gone, come), (key, old)| {
            (gone + size(old.as_ref(), key), come + size(self.held.get(key), key))
        });
        let changes = match rows.is_empty() {
            true => Vec::new(),
            false => vec![Delta::new(self.decode(&rows), Some(diffs.into()))],
        };
        self.bytes = self.bytes + come - gone;
        changes
    }

    fn held(&self) -> usize {
        self.held.len()
    }

    fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{Array, Int64Array, StringArray};
    use arrow_schema::{DataType, Field};

    use super::super::{Change, request_schema};
    use super::*;

    fn schema() -> SchemaRef {
        let field = |name, t| Field::new(name, t, true);
        Arc::new(Schema::new(vec![field("page", DataType::Utf8), field("slow", DataType::Int64)]))
    }

    fn rows(rows: &[(&str, Option<i64>)]) -> RecordBatch {
        let pages = StringArray::from_iter_values(rows.iter().map(|row| row.0));
        let slow = Int64Array::from_iter(rows.iter().map(|row| row.1));
        RecordBatch::try_new(schema(), vec![Arc::new(pages), Arc::new(slow)]).unwrap()
    }

    fn shown(deltas: &[Delta]) -> Vec<(String, Option<i64>, i64)> {
        let mut out = Vec::new();
        for delta in deltas {
            let (pages, slow) = (delta.batch().column(0).as_string::<i32>(), delta.batch().column(1));
            let slow = slow.as_primitive::<Int64Type>();
            out.extend((0..delta.len()).map(|row| {
                (pages.value(row).to_owned(), slow.is_valid(row).then(|| slow.value(row)), delta.diff(row))
            }));
        }
        out
    }

    #[test]
    fn an_epoch_answers_what_it_changes_and_nothing_else() {
        let mut contents = Contents::new(&schema(), &[0]).unwrap();
        let wire = request_schema(&schema());
        let mut apply = |changes: &[(usize, Change)]| {
            let requests = changes.iter().map(|(process, change)| change.request(&wire, *process)).collect();
            shown(&contents.apply(Epoch::MIN, &mut [requests]))
        };
        let row = |page: &str, slow, diff| (page.to_owned(), slow, diff);
        let upsert = |these: &[(&str, Option<i64>)]| Change::Upsert(rows(these));
        // The last of two rows with one key counts.
        let answer = apply(&[(0, upsert(&[("b", Some(2)), ("a", Some(1)), ("b", None)]))]);
        assert_eq!(answer, [row("a", Some(1), 1), row("b", None, 1)]);
        // As it was: nothing. Gone that never was: nothing.
        assert_eq!(apply(&[(0, upsert(&[("a", Some(1))])), (0, Change::Delete(rows(&[("x", None)])))]), []);
        // Process 1 comes after process 0, whatever the order of arrival.
        let answer = apply(&[(1, upsert(&[("a", Some(9))])), (0, upsert(&[("a", Some(8))]))]);
        assert_eq!(answer, [row("a", Some(1), -1), row("a", Some(9), 1)]);
        // There and back within an epoch is nothing.
        let there = upsert(&[("a", Some(0)), ("c", Some(3))]);
        let back = [upsert(&[("a", Some(9))]), Change::Delete(rows(&[("c", None)]))];
        assert_eq!(apply(&[(0, there), (0, back[0].clone()), (0, back[1].clone())]), []);
        // Only what is given changes, at the row's own state; there is no row 'x' to change.
        let update =
            |page: &str, slow, given| Change::Update { rows: rows(&[(page, slow)]), given: vec![vec![true, given]] };
        let changes = [update("b", Some(7), true), update("a", None, false), update("x", Some(1), true)];
        assert_eq!(apply(&changes.clone().map(|change| (0, change))), [row("b", None, -1), row("b", Some(7), 1)]);
        assert_eq!(apply(&[(0, update("b", None, true))]), [row("b", Some(7), -1), row("b", None, 1)]);
        let answer = apply(&[(0, Change::Replace(rows(&[("b", None), ("d", Some(4))])))]);
        assert_eq!(answer, [row("a", Some(9), -1), row("d", Some(4), 1)]);
        assert_eq!(apply(&[(0, Change::Replace(rows(&[])))]), [row("b", None, -1), row("d", Some(4), -1)]);
        assert_eq!((contents.held(), contents.bytes()), (0, 0));
    }
}
