//! What a test looks at: rows, changes and dead letters, and whether they are those expected.

use std::collections::HashMap;
use std::panic::Location;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use highwater_core::format::from_batch;
use serde::de::DeserializeOwned;

use super::cells;
use super::driver::TestDriver;
use super::error::TestError;
use super::push::parse;
use super::table::Table;

/// The column of changes that says what became of a row: `insert` or `retract`.
const OP: &str = "_op";

impl TestDriver {
    /// The rows of a view now, or of a sink: all that it was given and that was not taken back.
    ///
    /// # Errors
    /// There is no such view or sink.
    pub fn batch(&mut self, view: &str) -> Result<RecordBatch, TestError> {
        self.settle()?;
        Ok(self.view(view)?.snapshot().batch)
    }

    /// The same as values of a Rust type, whose fields are the columns of those names.
    ///
    /// # Errors
    /// There is no such view or sink; or its rows are no such values, and in which column.
    pub fn rows_as<T: DeserializeOwned>(&mut self, view: &str) -> Result<Vec<T>, TestError> {
        from_batch(&self.batch(view)?).map_err(|error| TestError::Rows {
            of: view.to_owned(),
            row: error.row as u64 + 1,
            what: format!("column '{}': {}", error.column, error.what),
        })
    }

    /// The same as text.
    ///
    /// # Errors
    /// There is no such view or sink.
    pub fn rows(&mut self, view: &str) -> Result<Table, TestError> {
        Ok(cells::shown(&self.batch(view)?))
    }

    /// What was inserted into a view or sink and taken back since this was last asked of it, netted, as text: the first column,
    /// `_op`, says `retract` or `insert`, the former first.
    ///
    /// # Errors
    /// There is no such view or sink.
    pub fn changes(&mut self, view: &str) -> Result<Table, TestError> {
        self.settle()?;
        let found = self.view(view)?;
        let (name, schema) = (found.name().to_owned(), changes_schema(found.schema()));
        let changes = self.followed.get_mut(&name).map(|followed| std::mem::take(&mut followed.changes));
        let columns = schema.fields().iter().map(|field| field.name().clone()).collect();
        Ok(Table { columns, rows: netted(changes.unwrap_or_default()) })
    }

    /// The dead letters of a source, a view or a sink so far, the first first: `reason`, `detail` and the row as it came,
    /// `content`.
    ///
    /// # Errors
    /// There is nothing of that name.
    pub fn dead_letters(&mut self, of: &str) -> Result<Table, TestError> {
        self.settle()?;
        let mut rows = Vec::new();
        let mut put = |reason: &str, detail: &str, content: &str| {
            let cells = [reason, detail, content].map(str::to_owned);
            rows.push(cells.map(|cell| cells::text(&cell)).to_vec());
        };
        match self.source(of) {
            Ok(source) => {
                let mut letters = source.dead_letters(usize::MAX);
                letters.reverse();
                letters.iter().for_each(|letter| put(letter.reason, &letter.detail, &letter.content));
            }
            Err(_) => {
                let name = self.view(of)?.name().to_owned();
                for letters in self.engine.dead_letters().iter().filter(|letters| letters.name() == name) {
                    let mut letters = letters.latest(usize::MAX);
                    letters.reverse();
                    letters.iter().for_each(|letter| put(&letter.reason, &letter.detail, &letter.content));
                }
            }
        }
        Ok(Table { columns: LETTER.map(str::to_owned).to_vec(), rows })
    }

    /// Compares the rows of a view or sink with a [`Table`], whatever their order, in the columns that it names. Values are
    /// compared, not their spelling.
    ///
    /// # Errors
    /// They differ, and in what; or there is no such view or column.
    #[track_caller]
    pub fn expect(&mut self, view: &str, table: &str) -> Result<(), TestError> {
        let (seen, at) = (self.look(Look::Rows, view)?, Location::caller());
        self.compare(view, &seen, table).map_err(|error| error.expected_at(at))
    }

    /// Compares the changes since they were last asked for ([`TestDriver::changes`]) with a [`Table`].
    ///
    /// # Errors
    /// See [`TestDriver::expect`].
    #[track_caller]
    pub fn expect_changes(&mut self, view: &str, table: &str) -> Result<(), TestError> {
        let (seen, at) = (self.look(Look::Changes, view)?, Location::caller());
        self.compare(view, &seen, table).map_err(|error| error.expected_at(at))
    }

    /// Compares the dead letters ([`TestDriver::dead_letters`]) with a [`Table`].
    ///
    /// # Errors
    /// See [`TestDriver::expect`].
    #[track_caller]
    pub fn expect_dead_letters(&mut self, of: &str, table: &str) -> Result<(), TestError> {
        let (seen, at) = (self.look(Look::DeadLetters, of)?, Location::caller());
        self.compare(of, &seen, table).map_err(|error| error.expected_at(at))
    }

    /// Looks, and says in which columns that is.
    pub(super) fn look(&mut self, look: Look, of: &str) -> Result<Seen, TestError> {
        let rows = match look {
            Look::Rows => self.rows(of)?,
            Look::Changes => self.changes(of)?,
            Look::DeadLetters => self.dead_letters(of)?,
        };
        let schema = match look {
            Look::Rows => self.view(of)?.schema().clone(),
            Look::Changes => changes_schema(self.view(of)?.schema()),
            Look::DeadLetters => letters_schema(),
        };
        let what = match look {
            Look::Rows => "rows",
            Look::Changes => "changes",
            Look::DeadLetters => "dead letters",
        };
        Ok(Seen { rows, schema, what })
    }

    /// Compares what was seen with a table, in the columns that this names.
    pub(super) fn compare(&self, of: &str, seen: &Seen, table: &str) -> Result<(), TestError> {
        let expected = parse(of, table)?;
        // Without a line of names nothing is expected.
        let expected = match expected.columns.iter().all(String::is_empty) {
            true => Table { columns: seen.rows.columns.clone(), rows: Vec::new() },
            false => cells::canonical(of, &seen.schema, &expected, self.driven.dataflow.zone)?,
        };
        let found = seen.columns(of, &expected)?;
        let Some(mut difference) = found.difference(of, &expected) else { return Ok(()) };
        difference.what = seen.what;
        Err(TestError::Differs(Box::new(difference)))
    }
}

/// What is looked at.
#[derive(Clone, Copy, Debug)]
pub(super) enum Look {
    Rows,
    Changes,
    DeadLetters,
}

/// What was seen.
#[derive(Debug)]
pub(super) struct Seen {
    rows: Table,
    schema: SchemaRef,
    what: &'static str,
}

impl Seen {
    /// It in the columns of another table.
    fn columns(&self, of: &str, table: &Table) -> Result<Table, TestError> {
        let columns = cells::named(of, &self.schema, table)?;
        let rows = self.rows.rows.iter().map(|row| columns.iter().map(|&column| row[column].clone()).collect());
        Ok(Table { columns: table.columns.clone(), rows: rows.collect() })
    }

    /// It as lines of a table, in the columns that `table` names if it names any of it; none if it has no rows.
    pub(super) fn like(&self, of: &str, table: &str) -> Vec<String> {
        if self.rows.rows.is_empty() {
            return Vec::new();
        }
        let names = Table::parse(table.lines().next().unwrap_or_default()).unwrap_or_default();
        let named = !names.columns.iter().all(String::is_empty);
        let found = named.then(|| self.columns(of, &names).ok()).flatten();
        found.as_ref().unwrap_or(&self.rows).lines()
    }
}

/// The columns of dead letters.
const LETTER: [&str; 3] = ["reason", "detail", "content"];

/// The columns of dead letters, by type.
fn letters_schema() -> SchemaRef {
    Arc::new(Schema::new(LETTER.map(|name| Field::new(name, DataType::Utf8, true)).to_vec()))
}

fn changes_schema(view: &SchemaRef) -> SchemaRef {
    let op = Arc::new(Field::new(OP, DataType::Utf8, false));
    Arc::new(Schema::new(std::iter::once(op).chain(view.fields().iter().cloned()).collect::<Vec<_>>()))
}

/// What is left of changes, as cells behind their `_op`: what was taken back before what came, each in the order it was last told.
fn netted(changes: Vec<(bool, RecordBatch)>) -> Vec<Vec<String>> {
    let mut counts: HashMap<Vec<String>, (i64, usize)> = HashMap::new();
    for (at, (came, batch)) in changes.iter().enumerate() {
        let Some(row) = cells::shown(batch).rows.pop() else { continue };
        let entry = counts.entry(row).or_insert((0, at));
        *entry = (entry.0 + if *came { 1 } else { -1 }, at);
    }
    let mut all: Vec<(Vec<String>, i64, usize)> = counts.into_iter().map(|(row, (net, at))| (row, net, at)).collect();
    all.sort_by_key(|(_, net, at)| (*net > 0, *at));
    let told = all.into_iter().flat_map(|(row, net, _)| {
        let op = if net > 0 { "insert" } else { "retract" };
        let row: Vec<String> = std::iter::once(op.to_owned()).chain(row).collect();
        std::iter::repeat_n(row, net.unsigned_abs() as usize)
    });
    told.collect()
}
