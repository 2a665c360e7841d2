//! Reference tables: rows that a program reads beside its streams, and that change by hand.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{Field, Schema, SchemaRef};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::blocking::block_on;
use super::{ChangeError, Highwater, View};
use crate::engine::{self, Unchanged};
use crate::format::{RowsError, to_batch};
use crate::table::Change;
use crate::time::Epoch;

/// A reference table of the program: `CREATE TABLE` without a connector. What a call changes takes effect at one epoch, or not at all. A run
/// ends with its sources, and its tables with it, unless [`Config::tables_linger`](crate::engine::Config) says that they go on.
///
/// ```
/// use highwater::Highwater;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let highwater = Highwater::builder()
///     .sql(
///         "CREATE TABLE limits (page VARCHAR PRIMARY KEY, slow DOUBLE);
///          CREATE MATERIALIZED VIEW strict AS SELECT page FROM limits WHERE slow < 100;",
///     )
///     .configure(|config| config.tables_linger = true)
///     .start()?;
/// let limits = highwater.table("limits")?;
/// limits.upsert_rows_blocking([("/", 50.0), ("/buy", 80.0), ("/help", 900.0)])?;
/// limits.upsert_rows_blocking([("/", 200.0)])?;
/// limits.delete_rows_blocking([("/help", None::<f64>)])?;
/// assert_eq!(highwater.view("strict")?.rows::<(String,)>()?, [("/buy".to_owned(),)]);
/// assert_eq!(limits.rows::<(String, f64)>()?.len(), 2);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Table {
    pub(super) table: Arc<engine::Table>,
    pub(super) owner: Highwater,
}

impl Table {
    /// Its name.
    pub fn name(&self) -> &str {
        self.table.name()
    }

    /// Its columns, as declared.
    pub fn schema(&self) -> &SchemaRef {
        &self.table.spec().view.schema
    }

    /// Its rows as a view: at an epoch, or as they change.
    pub fn view(&self) -> View {
        View { view: self.table.rows().clone(), owner: self.owner.clone() }
    }

    /// Its rows now, as [`Snapshot::rows`](super::Snapshot::rows) has them.
    ///
    /// # Errors
    /// A value that the type does not take, with its column.
    pub fn rows<T: DeserializeOwned>(&self) -> Result<Vec<T>, RowsError> {
        self.view().rows()
    }

    /// Puts rows in, in the place of those with their keys, and waits until every view shows that. Rows are what
    /// [`Source::push_rows`](super::Source::push_rows) takes.
    ///
    /// # Errors
    /// A row that does not fit, with its column; there is no room to keep the change; the run ends.
    pub async fn upsert_rows<T: Serialize>(&self, rows: impl IntoIterator<Item = T>) -> Result<Epoch, ChangeError> {
        self.change(Change::Upsert(self.written(rows, self.schema())?)).await
    }

    /// Takes the rows with these keys out, and waits until every view shows that. Only the columns of the key are read.
    ///
    /// # Errors
    /// As those of [`Table::upsert_rows`].
    pub async fn delete_rows<T: Serialize>(&self, keys: impl IntoIterator<Item = T>) -> Result<Epoch, ChangeError> {
        self.change(Change::Delete(self.written(keys, &self.keys())?)).await
    }

    /// Takes all rows out and puts these in, and waits until every view shows that.
    ///
    /// # Errors
    /// As those of [`Table::upsert_rows`].
    pub async fn replace_rows<T: Serialize>(&self, rows: impl IntoIterator<Item = T>) -> Result<Epoch, ChangeError> {
        self.change(Change::Replace(self.written(rows, self.schema())?)).await
    }

    /// As [`Table::upsert_rows`]; blocks the thread.
    pub fn upsert_rows_blocking<T: Serialize>(&self, rows: impl IntoIterator<Item = T>) -> Result<Epoch, ChangeError> {
        block_on(self.change(Change::Upsert(self.written(rows, self.schema())?)))
    }

    /// As [`Table::delete_rows`]; blocks the thread.
    pub fn delete_rows_blocking<T: Serialize>(&self, keys: impl IntoIterator<Item = T>) -> Result<Epoch, ChangeError> {
        block_on(self.change(Change::Delete(self.written(keys, &self.keys())?)))
    }

    /// As [`Table::replace_rows`]; blocks the thread.
    pub fn replace_rows_blocking<T: Serialize>(&self, rows: impl IntoIterator<Item = T>) -> Result<Epoch, ChangeError> {
        block_on(self.change(Change::Replace(self.written(rows, self.schema())?)))
    }

    /// Its columns, of which only those of the key have to be there.
    fn keys(&self) -> SchemaRef {
        let key = self.table.spec().key();
        let fields = self.schema().fields().iter().enumerate();
        let fields = fields.map(|(at, field)| Field::clone(field).with_nullable(!key.contains(&at)));
        Arc::new(Schema::new(fields.collect::<Vec<_>>()))
    }

    fn written<T: Serialize>(
        &self,
        rows: impl IntoIterator<Item = T>,
        schema: &SchemaRef,
    ) -> Result<RecordBatch, ChangeError> {
        to_batch(rows, schema).map_err(|error| ChangeError::Rows { table_name: self.name().to_owned(), error })
    }

    async fn change(&self, change: Change) -> Result<Epoch, ChangeError> {
        let unchanged = |why: Unchanged| ChangeError::Unchanged { table_name: self.name().to_owned(), why };
        let answered = self.table.change(&change).map_err(unchanged)?;
        let epoch = answered.await.map_err(|_| unchanged(Unchanged::Ended))?;
        for mut view in self.table.watches() {
            // One that is gone shows nothing more.
            let _ = view.wait_for(|as_of| *as_of > epoch).await;
        }
        Ok(epoch)
    }
}
