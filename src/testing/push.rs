//! What a test gives a program: rows for its sources, changes for its tables.

use arrow_array::RecordBatch;
use bytes::Bytes;
use highwater_core::engine::{Pushed, Refused, Source, State};
use highwater_core::format::{Part, RowsError, to_batch};
use highwater_core::source::{Beside, Intake, Written};
use highwater_core::table::Change;
use serde::Serialize;

use super::cells;
use super::driver::TestDriver;
use super::error::TestError;
use super::pushed::declared;
use super::table::Table;

impl TestDriver {
    /// Pushes rows in JSON, or as the source's own format has them: objects one after another, one a line, or an array. Rows that
    /// cannot be taken become dead letters, as ever.
    ///
    /// # Errors
    /// There is no such source, or nothing of it can be read.
    pub fn push_json(&mut self, source: &str, rows: &str) -> Result<Pushed, TestError> {
        self.take(source, |reading| {
            let intake = intake(reading)?;
            let written = match intake.default_written() {
                Written::Text => Written::Text,
                _ => Written::Json,
            };
            let none = intake.beside(std::iter::empty()).unwrap_or_else(|_| Beside::default());
            let parts = intake.decode(written, None, Bytes::from(rows.to_owned()), &none, &mut |_| true);
            parts.map_err(|error| refused_rows(source, error.to_string()))
        })
    }

    /// Pushes rows as they are written: JSON where they begin with a bracket, lines of the source's own format where that is `raw`,
    /// `regex` or `grok`, and else a [`Table`].
    ///
    /// # Errors
    /// See [`TestDriver::push_json`] and [`TestDriver::push_table`].
    pub fn push_text(&mut self, source: &str, rows: &str) -> Result<Pushed, TestError> {
        let found = self.source(self.addressed(source)?.0)?;
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
        let (table, zone) = (parse(source, table)?, self.driven.dataflow.zone);
        self.take(source, |reading| {
            let declared = intake(reading)?.declared();
            let all: Vec<usize> = (0..declared.fields().len()).collect();
            cells::part(source, declared, &all, &table, zone).map(|part| vec![part])
        })
    }

    /// Pushes rows of a Rust type: their fields are the columns of those names, and what fits a column is what fits it in JSON.
    /// Columns that they do not have are NULL.
    ///
    /// # Errors
    /// There is no such source; or a field is no column of it, or of another type: then none of the rows is pushed.
    pub fn push_rows<T: Serialize>(
        &mut self,
        source: &str,
        rows: impl IntoIterator<Item = T>,
    ) -> Result<Pushed, TestError> {
        let found = self.source(self.addressed(source)?.0)?;
        let batch = to_batch(rows, intake(&found)?.declared());
        self.push_batch(source, &batch.map_err(|error| unfit(source, &error))?)
    }

    /// Pushes rows in columns, which are found by name; those that it has not are NULL.
    ///
    /// # Errors
    /// There is no such source or column, or it is of another type.
    pub fn push_batch(&mut self, source: &str, batch: &RecordBatch) -> Result<Pushed, TestError> {
        self.take(source, |_| Ok(vec![Part::rows(batch.clone())]))
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

    /// Hands rows to a source, as each of its readings has them: by event time and by arrival there are two.
    fn take(
        &mut self,
        source: &str,
        parts: impl Fn(&Source) -> Result<Vec<Part>, TestError>,
    ) -> Result<Pushed, TestError> {
        let (source, partition) = self.addressed(source)?;
        let name = declared(self.source(source)?.spec()).to_owned();
        let readings = self.readings(source)?;
        if self.now_ms().is_none() && readings.iter().any(|source| source.spec().arrival.is_some()) {
            return Err(TestError::Impossible {
                what: format!("rows of '{name}' are stamped with the time of their arrival, and the clock was not set"),
                remedy: "set it first".to_owned(),
            });
        }
        let mut pushed = Pushed::default();
        for reading in &readings {
            pushed = reading.push_into(partition.unwrap_or(0), parts(reading)?).map_err(|refused| match refused {
                Refused::Unfit(error) => unfit(source, &error),
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

fn intake(source: &Source) -> Result<&Intake, TestError> {
    source.intake().ok_or_else(|| TestError::Impossible {
        what: format!("source '{}' is read as it is declared", source.name()),
        remedy: "push to another, or do not read it".to_owned(),
    })
}

fn unfit(source: &str, error: &RowsError) -> TestError {
    let what = match error.column.is_empty() {
        true => error.what.clone(),
        false => format!("column '{}': {}", error.column, error.what),
    };
    TestError::Rows { of: source.to_owned(), row: error.row as u64 + 1, what }
}

fn refused_rows(of: &str, what: String) -> TestError {
    TestError::Rows { of: of.to_owned(), row: 0, what }
}

pub(super) fn parse(of: &str, table: &str) -> Result<Table, TestError> {
    Table::parse(table).map_err(|(row, what)| TestError::Rows { of: of.to_owned(), row, what })
}
