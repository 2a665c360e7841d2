//! What a test gives a program: rows for its sources, changes for its tables.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{Field, Schema, SchemaRef};
use bytes::Bytes;
use highwater_core::engine::{Pushed, Refused, Source, State};
use highwater_core::format::{Came, Fault, Part};
use highwater_core::source::{Beside, Intake, Written};
use highwater_core::table::Change;

use super::cells;
use super::driver::TestDriver;
use super::error::TestError;
use super::table::Table;

impl TestDriver {
    /// Pushes rows in JSON, or as the source's own format has them: objects one after another, one a line, or an array. Rows that
    /// cannot be taken become dead letters, as ever.
    ///
    /// # Errors
    /// There is no such source, or nothing of it can be read.
    pub fn push_json(&mut self, source: &str, rows: &str) -> Result<Pushed, TestError> {
        let found = self.source(source)?;
        let intake = intake(&found)?;
        let written = match intake.default_written() {
            Written::Text => Written::Text,
            _ => Written::Json,
        };
        let none = intake.beside(std::iter::empty()).unwrap_or_else(|_| Beside::default());
        let parts = intake.decode(written, None, Bytes::from(rows.to_owned()), &none, &mut |_| true);
        let parts = parts.map_err(|error| refused_rows(source, error.to_string()))?;
        self.take(source, parts)
    }

    /// Pushes rows as they are written: JSON where they begin with a bracket, lines of the source's own format where that is `raw`,
    /// `regex` or `grok`, and else a [`Table`].
    ///
    /// # Errors
    /// See [`TestDriver::push_json`] and [`TestDriver::push_table`].
    pub fn push_text(&mut self, source: &str, rows: &str) -> Result<Pushed, TestError> {
        let found = self.source(source)?;
        let own = intake(&found)?.default_written() == Written::Text;
        match own || rows.trim_start().starts_with(['{', '[']) {
            true => self.push_json(source, rows),
            false => self.push_table(source, rows),
        }
    }

    /// Pushes rows as a [`Table`]; columns that it does not name are NULL.
    ///
    /// # Errors
    /// There is no such source or column. A cell that is no value of its column makes a dead letter.
    pub fn push_table(&mut self, source: &str, table: &str) -> Result<Pushed, TestError> {
        let table = parse(source, table)?;
        let found = self.source(source)?;
        let (physical, wanted) = self.wanted(&found);
        let part = cells::part(source, &physical, &wanted, &table, self.driven.dataflow.zone)?;
        self.take(source, vec![part])
    }

    /// Pushes rows in columns, which are found by name; those that it has not are NULL.
    ///
    /// # Errors
    /// There is no such source or column, or it is of another type.
    pub fn push_batch(&mut self, source: &str, batch: &RecordBatch) -> Result<Pushed, TestError> {
        let found = self.source(source)?;
        let (physical, wanted) = self.wanted(&found);
        for field in batch.schema_ref().fields() {
            let declared = physical.field_with_name(field.name()).map_err(|_| {
                let known: Vec<&str> = physical.fields().iter().map(|field| field.name().as_str()).collect();
                let what = format!("there is no column '{}': there is {}", field.name(), known.join(", "));
                refused_rows(source, what)
            })?;
            if declared.data_type() != field.data_type() {
                let (is, given) = (declared.data_type(), field.data_type());
                return Err(refused_rows(source, format!("column '{}' is {is}, not {given}", field.name())));
            }
        }
        let column = |&at: &usize| {
            let field = physical.field(at);
            let given = batch.column_by_name(field.name()).cloned();
            given.unwrap_or_else(|| arrow_array::new_null_array(field.data_type(), batch.num_rows()))
        };
        let fields: Vec<Field> = wanted.iter().map(|&at| physical.field(at).clone().with_nullable(true)).collect();
        let options = arrow_array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let columns = wanted.iter().map(column).collect();
        let batch = RecordBatch::try_new_with_options(Schema::new(fields).into(), columns, &options)
            .map_err(|error| refused_rows(source, error.to_string()))?;
        let records = batch.num_rows() as u64;
        self.take(source, vec![Part { batch, numbers: None, records, faults: Vec::new(), came: Came::default() }])
    }

    /// Puts rows into a reference table, in the place of those with their keys. What was pushed before does not see it.
    ///
    /// # Errors
    /// There is no such table or column, or a cell is no value of its column.
    pub fn upsert(&mut self, table: &str, rows: &str) -> Result<(), TestError> {
        self.change(table, rows, Change::Upsert)
    }

    /// Takes rows out of a reference table by their keys.
    ///
    /// # Errors
    /// See [`TestDriver::upsert`].
    pub fn delete(&mut self, table: &str, keys: &str) -> Result<(), TestError> {
        self.change(table, keys, Change::Delete)
    }

    fn change(&mut self, table: &str, rows: &str, change: fn(RecordBatch) -> Change) -> Result<(), TestError> {
        let rows = parse(table, rows)?;
        // What was pushed before comes before it.
        self.settle()?;
        let found = self.engine.table(table).ok_or_else(|| TestError::Unknown {
            kind: "reference table",
            name: table.to_owned(),
            known: self.engine.tables().iter().map(|table| table.name().to_owned()).collect(),
        })?;
        let schema = &found.spec().view.schema;
        let all: Vec<usize> = (0..schema.fields().len()).collect();
        let part = cells::part(table, schema, &all, &rows, self.driven.dataflow.zone)?;
        if let Some(fault) = part.faults.first() {
            let what = fault.detail.clone();
            return Err(TestError::Rows { of: table.to_owned(), row: fault.record + 1, what });
        }
        let change = change(part.batch);
        if let Change::Upsert(rows) = &change
            && let Some(column) = found.null_in_key(rows)
        {
            return Err(refused_rows(table, format!("a row has no {column}, which may not be NULL")));
        }
        let changed = self.engine.change(found, &change);
        changed.map(drop).map_err(|why| TestError::Impossible {
            what: format!("table '{table}' is not changed ({why:?})"),
            remedy: "change it before the run ends".to_owned(),
        })
    }

    /// The columns of a source, and which of them it is handed.
    fn wanted(&self, source: &Source) -> (SchemaRef, Vec<usize>) {
        let physical = source.spec().physical.clone();
        let wanted = match self.engine.keeps() {
            // What is kept is all that is declared.
            true => (0..physical.fields().len()).collect(),
            false => source.spec().decode.clone(),
        };
        (physical, wanted)
    }

    /// Hands rows to a source, and to its other readings if there are any.
    fn take(&mut self, source: &str, parts: Vec<Part>) -> Result<Pushed, TestError> {
        let name = self.source(source)?.name().to_owned();
        let readings: Vec<Arc<Source>> =
            self.engine.sources().iter().filter(|source| source.name() == name).cloned().collect();
        if self.now_ms().is_none() && readings.iter().any(|source| source.spec().arrival.is_some()) {
            return Err(TestError::Impossible {
                what: format!("rows of '{name}' are stamped with the time of their arrival, and the clock was not set"),
                remedy: "set it first".to_owned(),
            });
        }
        let mut pushed = Pushed::default();
        let mut parts = Some(parts);
        for (number, reading) in readings.iter().enumerate() {
            let own = match number + 1 == readings.len() {
                true => parts.take().unwrap_or_default(),
                false => parts.iter().flatten().map(copied).collect(),
            };
            pushed = reading.push(own).map_err(|refused| match refused {
                Refused::Full(_) | Refused::DiskFull(_) => TestError::Impossible {
                    what: format!("source '{name}' has no room for the rows"),
                    remedy: "push fewer, and settle between".to_owned(),
                },
                _ => self.closed(&name),
            })?;
        }
        Ok(pushed)
    }

    fn closed(&self, source: &str) -> TestError {
        match self.engine.state() {
            State::Failed(error) => TestError::Engine(error),
            _ => TestError::Impossible {
                what: format!("source '{source}' takes no rows: it has ended, or is read as it is declared"),
                remedy: "push before it ends".to_owned(),
            },
        }
    }
}

fn copied(part: &Part) -> Part {
    let Part { batch, numbers, records, came, faults } = part;
    let fault = |fault: &Fault| Fault { detail: fault.detail.clone(), content: fault.content.clone(), ..*fault };
    Part {
        batch: batch.clone(),
        numbers: numbers.clone(),
        records: *records,
        faults: faults.iter().map(fault).collect(),
        came: came.clone(),
    }
}

fn intake(source: &Source) -> Result<&Intake, TestError> {
    source.intake().ok_or_else(|| TestError::Impossible {
        what: format!("source '{}' is read as it is declared", source.name()),
        remedy: "push to another, or do not read it".to_owned(),
    })
}

fn refused_rows(of: &str, what: String) -> TestError {
    TestError::Rows { of: of.to_owned(), row: 0, what }
}

pub(super) fn parse(of: &str, table: &str) -> Result<Table, TestError> {
    Table::parse(table).map_err(|(row, what)| TestError::Rows { of: of.to_owned(), row, what })
}
