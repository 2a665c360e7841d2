//! Batches of a file's own schema as batches of the wanted one: columns by name, as the declared types (`fit.rs`).
//!
//! A value that does not fit its declared type makes its row a fault; the other rows of the batch live. A block that cannot
//! be read at all is one fault; what comes behind it is read, if it can be found.

use std::collections::HashMap;

use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch, new_null_array};
use arrow_schema::{DataType, FieldRef, Fields, SchemaRef};

use super::cells::pair;
use super::fit::{Fitted, Misfit, fit};
use super::foreign::plain;
use super::uuid::{texts, wants_text};
use super::{Came, Fault, Layout, Part, Times, batch, case_matters, expansion, listed, row_as_json};
use crate::guard::guarded;

/// What is handed on of a block that cannot be read: a fault, in the place of `records` rows.
pub(super) fn lost(layout: &Layout, records: u64, detail: String) -> Part {
    without_rows(&layout.wanted, records, detail)
}

fn without_rows(wanted: &SchemaRef, records: u64, detail: String) -> Part {
    let fault = Fault { record: 0, reason: "malformed", detail, content: String::new() };
    Part {
        batch: RecordBatch::new_empty(wanted.clone()),
        numbers: None,
        records,
        faults: vec![fault],
        came: Came::default(),
    }
}

/// The next batch of a reader that others wrote: on damaged bytes it may fail, or even panic.
pub(super) fn next_batch<E: std::fmt::Display>(
    reader: &mut impl Iterator<Item = Result<RecordBatch, E>>,
) -> Option<Result<RecordBatch, String>> {
    match readable(|| Ok(reader.next())) {
        Ok(next) => next.map(|batch| batch.map_err(|error| plain(&error.to_string()))),
        Err(what) => Some(Err(what)),
    }
}

/// What others' code reads from damaged bytes, or why it cannot.
pub fn readable<T>(read: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    guarded(read, || "its bytes make no sense".to_owned())
}

/// The place of each name in a schema; of one that is there twice the first.
fn names(found: &SchemaRef) -> HashMap<&str, usize> {
    found.fields().iter().enumerate().rev().map(|(at, field)| (field.name().as_str(), at)).collect()
}

/// A declared column, or a declared member of one, that is there twice: its name, and its places from 1.
fn twice(declared: &Fields, found: &Fields, within: &str) -> Option<(String, usize, usize)> {
    let (mut first, mut again): (HashMap<&str, usize>, HashMap<&str, usize>) = Default::default();
    for (at, field) in found.iter().enumerate().rev() {
        if let Some(behind) = first.insert(field.name(), at) {
            again.insert(field.name(), behind);
        }
    }
    declared.iter().find_map(|field| {
        let (name, path) = (field.name().as_str(), format!("{within}{}", field.name()));
        let at = *first.get(name)?;
        match again.get(name) {
            Some(behind) => Some((path, at + 1, behind + 1)),
            None => members(field.data_type(), found[at].data_type())
                .and_then(|(declared, found)| twice(declared, found, &format!("{path}."))),
        }
    })
}

/// The members of rows, if both types are such or hold such.
fn members<'a>(declared: &'a DataType, found: &'a DataType) -> Option<(&'a Fields, &'a Fields)> {
    match (declared, found) {
        (DataType::Struct(declared), DataType::Struct(found)) => Some((declared, found)),
        (
            DataType::List(declared),
            DataType::List(found)
            | DataType::LargeList(found)
            | DataType::FixedSizeList(found, _)
            | DataType::ListView(found),
        ) => members(declared.data_type(), found.data_type()),
        (DataType::Map(declared, _), DataType::Map(found, _)) => {
            let ((_, declared), (_, found)) = (pair(declared)?, pair(found)?);
            members(declared.data_type(), found.data_type())
        }
        _ => None,
    }
}

/// How the columns of one file become those wanted.
pub(super) struct Adapter {
    wanted: SchemaRef,
    times: Times,
    /// Per wanted column its place in the file, if it is there.
    places: Vec<Option<usize>>,
    /// The places that there are.
    there: Vec<usize>,
    /// The places of columns with UUIDs that are wanted as text, and what the file says of them.
    uuids: Vec<(usize, FieldRef)>,
}

impl Adapter {
    /// Finds the wanted columns in a schema.
    pub(super) fn new(layout: &Layout, found: &SchemaRef) -> Adapter {
        let names = names(found);
        let wanted = layout.wanted.fields();
        let places: Vec<Option<usize>> = wanted.iter().map(|field| names.get(field.name().as_str()).copied()).collect();
        let there = places.iter().flatten().copied().collect();
        let text = |(field, place): (&FieldRef, &Option<usize>)| {
            let place = place.filter(|place| wants_text(found.field(*place), field.data_type()))?;
            Some((place, FieldRef::clone(&found.fields()[place])))
        };
        let uuids = wanted.iter().zip(&places).filter_map(text).collect();
        Adapter { wanted: layout.wanted.clone(), times: layout.times.clone(), places, there, uuids }
    }

    /// The same, of the whole schema of a file: tells of the columns that it has not; `Err` if it cannot be what is declared.
    pub(super) fn of_file(layout: &Layout, found: &SchemaRef) -> Result<Adapter, String> {
        let adapter = Adapter::new(layout, found);
        if let Some((path, first, again)) = twice(layout.physical.fields(), found.fields(), "") {
            return Err(format!(
                "it names column '{path}' twice, as number {first} and {again}: give one of them another name"
            ));
        }
        let own = || found.fields().iter().map(|field| field.name().as_str());
        let has = || listed(own());
        let (wanted, declared, names) = (layout.wanted.fields(), layout.physical.fields(), names(found));
        if !wanted.is_empty() && !declared.iter().any(|field| names.contains_key(field.name().as_str())) {
            let declared = || declared.iter().map(|field| field.name().as_str());
            let (columns, case) = (listed(declared()), case_matters(declared(), own()));
            return Err(format!("it has none of the columns {columns}; it has {}{case}", has()));
        }
        let missing =
            || wanted.iter().zip(&adapter.places).filter(|(_, place)| place.is_none()).map(|(field, _)| field);
        if let Some(field) = missing().find(|field| !field.is_nullable()) {
            let case = case_matters([field.name().as_str()], own());
            return Err(format!("it has no column '{}', declared NOT NULL; it has {}{case}", field.name(), has()));
        }
        if missing().next().is_some() {
            let columns = listed(missing().map(|field| field.name().as_str()));
            let case = case_matters(missing().map(|field| field.name().as_str()), own());
            layout.notices.warn(&format!("it has no column {columns}: NULL in every row; it has {}{case}", has()));
        }
        Ok(adapter)
    }

    /// The rows of a batch.
    pub(super) fn part(&mut self, found: &RecordBatch) -> Result<Part, String> {
        let rows = found.num_rows();
        if let Err(detail) = expansion::check(found, &self.there) {
            return Ok(without_rows(&self.wanted, 1, detail));
        }
        let mut bad: Option<Vec<Option<String>>> = None;
        let mut columns = Vec::with_capacity(self.places.len());
        for (place, field) in self.places.iter().zip(self.wanted.fields()) {
            let Some(place) = *place else {
                columns.push(new_null_array(field.data_type(), rows));
                continue;
            };
            let from = match self.uuids.iter().find(|(at, _)| *at == place) {
                Some((_, uuids)) => &texts(found.column(place), uuids, field.data_type()),
                None => found.column(place),
            };
            let Fitted { column: to, mut misfits } = fit(from, field.data_type(), &self.times)?;
            if !field.is_nullable() && to.null_count() > 0 {
                let rows = to.nulls().map(|nulls| !nulls.inner());
                misfits.extend(rows.map(|rows| Misfit {
                    rows,
                    path: String::new(),
                    what: "is NULL, and declared NOT NULL".to_owned(),
                }));
            }
            for misfit in misfits {
                let bad = bad.get_or_insert_with(|| vec![None; rows]);
                let what = format!("column '{}{}' {}", field.name(), misfit.path, misfit.what);
                misfit.rows.set_indices().for_each(|row| {
                    bad[row].get_or_insert_with(|| what.clone());
                });
            }
            columns.push(to);
        }
        let Some(bad) = bad else {
            let batch = batch(&self.wanted, columns, rows).map_err(|error| error.to_string())?;
            return Ok(Part {
                batch,
                numbers: None,
                records: rows as u64,
                faults: Vec::new(),
                came: Came::rows(found),
            });
        };
        let keep: BooleanArray = bad.iter().map(|bad| Some(bad.is_none())).collect();
        let filter = |column: &ArrayRef| arrow_select::filter::filter(column, &keep).map_err(|error| error.to_string());
        let columns = columns.iter().map(filter).collect::<Result<Vec<_>, _>>()?;
        let numbers: Vec<u64> = (0..rows as u64).filter(|&row| bad[row as usize].is_none()).collect();
        let content = |row: usize| row_as_json(found.schema_ref(), found.columns(), row);
        let fault = |(row, bad): (usize, Option<String>)| {
            let detail = bad?;
            let content = crate::delta::Reject::clip(&content(row));
            Some(Fault { record: row as u64, reason: "malformed", detail, content })
        };
        let faults = bad.into_iter().enumerate().filter_map(fault).collect();
        let batch = batch(&self.wanted, columns, numbers.len()).map_err(|error| error.to_string())?;
        Ok(Part { batch, numbers: Some(numbers), records: rows as u64, faults, came: Came::rows(found) })
    }
}
