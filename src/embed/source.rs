//! Rows in.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use bytes::Bytes;
use serde::Serialize;

use super::blocking::block_on;
use super::{Highwater, PushError, Pushed};
use crate::engine::{self, Refused};
use crate::format::Part;
use crate::source::{Beside, Intake, Written};

/// A source of the program. What is pushed is taken as a whole or not at all.
#[derive(Clone, Debug)]
pub struct Source {
    pub(super) source: Arc<engine::Source>,
    pub(super) owner: Highwater,
}

impl Source {
    /// Its name.
    pub fn name(&self) -> &str {
        self.source.name()
    }

    /// The columns that rows may have, as declared.
    pub fn schema(&self) -> &SchemaRef {
        self.source.intake().map_or(&self.source.spec().physical, Intake::declared)
    }

    /// The engine that it is of.
    pub fn highwater(&self) -> &Highwater {
        &self.owner
    }

    /// Pushes rows: structs, or maps with text for keys. Their fields go to the columns of those names; a column without one is NULL.
    /// A time is RFC 3339 text or a number of milliseconds. Does not wait.
    ///
    /// # Errors
    /// A row that does not fit, with its column; no room now; a source that takes nothing more.
    pub fn push_rows<T: Serialize>(&self, rows: impl IntoIterator<Item = T>) -> Result<Pushed, PushError> {
        self.push(vec![self.written(rows)?])
    }

    /// Pushes the rows of a batch. Its columns are those of their names; the same value in another type fits.
    ///
    /// # Errors
    /// As those of [`Source::push_rows`].
    pub fn push_batch(&self, batch: &RecordBatch) -> Result<Pushed, PushError> {
        self.push(vec![self.fitted(batch)?])
    }

    /// Pushes a JSON object, or an array of them, as clients send it: rows that do not fit, and what is no JSON, become dead letters, which the
    /// answer counts and names; members that are no column are passed over.
    ///
    /// # Errors
    /// The text is no array to its end; no room now; a source that takes nothing more.
    pub fn push_json(&self, text: impl Into<Bytes>) -> Result<Pushed, PushError> {
        self.push(self.decoded(Written::Json, text.into())?)
    }

    /// Pushes JSON objects, one a line; otherwise as [`Source::push_json`].
    ///
    /// # Errors
    /// As those of [`Source::push_json`].
    pub fn push_ndjson(&self, text: impl Into<Bytes>) -> Result<Pushed, PushError> {
        self.push(self.decoded(Written::Lines, text.into())?)
    }

    /// As [`Source::push_rows`]; waits for room.
    ///
    /// # Errors
    /// A row that does not fit, with its column; a source that takes nothing more.
    pub async fn send_rows<T: Serialize>(&self, rows: impl IntoIterator<Item = T>) -> Result<Pushed, PushError> {
        let part = self.written(rows)?;
        self.send(part).await
    }

    /// As [`Source::push_batch`]; waits for room.
    ///
    /// # Errors
    /// As those of [`Source::send_rows`].
    pub async fn send_batch(&self, batch: &RecordBatch) -> Result<Pushed, PushError> {
        self.send(self.fitted(batch)?).await
    }

    /// As [`Source::send_rows`]; blocks the thread.
    ///
    /// # Errors
    /// As those of [`Source::send_rows`].
    pub fn send_rows_blocking<T: Serialize>(&self, rows: impl IntoIterator<Item = T>) -> Result<Pushed, PushError> {
        block_on(self.send(self.written(rows)?))
    }

    /// As [`Source::send_batch`]; blocks the thread.
    ///
    /// # Errors
    /// As those of [`Source::send_rows`].
    pub fn send_batch_blocking(&self, batch: &RecordBatch) -> Result<Pushed, PushError> {
        block_on(self.send(self.fitted(batch)?))
    }

    /// Waits until there is room for some rows, or nothing more is taken. Others may be faster: push again if it is full.
    pub async fn room(&self) {
        self.source.room().await;
    }

    /// As [`Source::room`]; blocks the thread.
    pub fn room_blocking(&self) {
        block_on(self.room());
    }

    fn written<T: Serialize>(&self, rows: impl IntoIterator<Item = T>) -> Result<Part, PushError> {
        self.intake()?.written(rows).map(Part::rows).map_err(|error| self.refused(Refused::Unfit(error)))
    }

    fn fitted(&self, batch: &RecordBatch) -> Result<Part, PushError> {
        self.intake()?.fitted(batch.clone()).map(Part::rows).map_err(|error| self.refused(Refused::Unfit(error)))
    }

    fn decoded(&self, written: Written, text: Bytes) -> Result<Vec<Part>, PushError> {
        let decoded = self.intake()?.decode(written, None, text, &Beside::default(), &mut |_| true);
        decoded.map_err(|error| PushError::Unread { source_name: self.name().to_owned(), error })
    }

    fn push(&self, parts: Vec<Part>) -> Result<Pushed, PushError> {
        self.source.push(parts).map_err(|refused| self.refused(refused))
    }

    async fn send(&self, part: Part) -> Result<Pushed, PushError> {
        let sent = self.source.push_when_room(vec![part]).await;
        sent.map_err(|refused| self.refused(refused))
    }

    fn intake(&self) -> Result<&Intake, PushError> {
        let connector = || self.source.spec().connector.name().to_owned();
        self.source.intake().ok_or_else(|| self.refused(Refused::NotPushed { connector: connector() }))
    }

    fn refused(&self, refused: Refused) -> PushError {
        PushError::Refused { source_name: self.name().to_owned(), refused }
    }
}
