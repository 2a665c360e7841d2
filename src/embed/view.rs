//! Views out: their rows now, and what becomes of them.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use futures_util::{Stream, stream};
use serde::de::DeserializeOwned;

use super::blocking::block_on;
use super::{Changes, Error, Highwater, Snapshot};
use crate::engine::Engine;
use crate::format::RowsError;
use crate::time::Epoch;
use crate::view::{self, Subscription, TimedOut, Update};

/// A published view.
#[derive(Clone, Debug)]
pub struct View {
    pub(super) view: Arc<view::View>,
    pub(super) owner: Highwater,
}

/// What a view tells to who follows it.
///
/// ```
/// use highwater::Highwater;
/// use highwater::embed::Event;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let highwater = Highwater::builder()
///     .sql(
///         "CREATE SOURCE bids (auction INT) WITH ('connector' = 'http');
///          CREATE MATERIALIZED VIEW counts AS SELECT auction, COUNT(*) AS n FROM bids GROUP BY auction;",
///     )
///     .start()?;
/// highwater.source("bids")?.push_json(r#"[{"auction": 7}, {"auction": 7}]"#)?;
///
/// let mut held: Vec<(i32, i64)> = Vec::new();
/// for event in highwater.view("counts")?.follow() {
///     match event? {
///         Event::Snapshot(snapshot) => held = snapshot.rows()?,
///         Event::Changes(changes) => {
///             for change in changes.rows::<(i32, i64)>()? {
///                 match change.diff {
///                     1.. => held.push(change.row),
///                     _ => held.retain(|row| *row != change.row),
///                 }
///             }
///         }
///         _ => {}
///     }
///     if held == [(7, 2)] {
///         break;
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// All rows: what was told before is none of it. At the beginning, and again for who was too slow for the changes.
    Snapshot(Snapshot),
    /// What changed in one epoch, all of it.
    Changes(Changes),
    /// All changes before this epoch were told.
    Progress(Epoch),
}

impl View {
    /// Its name.
    pub fn name(&self) -> &str {
        self.view.name()
    }

    /// Its columns.
    pub fn schema(&self) -> &SchemaRef {
        self.view.schema()
    }

    /// How far it is: all changes before this epoch are in.
    pub fn as_of(&self) -> Epoch {
        self.view.as_of()
    }

    /// The engine that it is of.
    pub fn highwater(&self) -> &Highwater {
        &self.owner
    }

    /// Its rows now, and the epoch that they are of.
    pub fn snapshot(&self) -> Snapshot {
        self.view.snapshot().into()
    }

    /// Its rows now, as [`Snapshot::rows`] has them.
    ///
    /// # Errors
    /// A value that the type does not take, with its column.
    pub fn rows<T: DeserializeOwned>(&self) -> Result<Vec<T>, RowsError> {
        self.snapshot().rows()
    }

    /// Its rows now as columns.
    pub fn batch(&self) -> RecordBatch {
        self.view.snapshot().batch
    }

    /// Its rows now as a JSON array of objects.
    pub fn json(&self) -> String {
        self.snapshot().json()
    }

    /// Its rows and then its changes, epoch by epoch, as they come; ends with the run, which it does not keep alive. Who is slow holds nothing back: the view forgets old
    /// changes, and then all rows are told anew.
    pub fn stream(&self) -> ViewStream {
        let next = |mut following: Following| async move { Some((following.next_event().await?, following)) };
        ViewStream(Box::pin(stream::unfold(self.follow(), next)))
    }

    /// As [`View::stream`], for a thread: an iterator that blocks.
    pub fn follow(&self) -> Following {
        let (subscription, engine) = (self.view.subscribe(), Arc::downgrade(&self.owner.engine));
        Following { subscription, engine, ahead: VecDeque::new(), stands: Stands::Begins }
    }
}

/// What a view tells, as it comes. An error is the last.
pub struct ViewStream(Pin<Box<dyn Stream<Item = Result<Event, Error>> + Send>>);

impl fmt::Debug for ViewStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ViewStream")
    }
}

impl Stream for ViewStream {
    type Item = Result<Event, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.as_mut().poll_next(context)
    }
}

/// What a view tells, for a thread that waits for it. An error is the last.
#[derive(Debug)]
pub struct Following {
    subscription: Subscription,
    engine: Weak<Engine>,
    ahead: VecDeque<Event>,
    stands: Stands,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stands {
    Begins,
    Goes,
    Over,
}

impl Following {
    /// What comes next, within `timeout`.
    ///
    /// # Errors
    /// Nothing came in time; ask again.
    pub fn next_within(&mut self, timeout: Duration) -> Result<Option<Result<Event, Error>>, TimedOut> {
        match self.ready() {
            Some(told) => Ok(told),
            None => {
                let update = self.subscription.next_within(timeout)?;
                Ok(self.told(update))
            }
        }
    }

    async fn next_event(&mut self) -> Option<Result<Event, Error>> {
        match self.ready() {
            Some(told) => told,
            None => {
                let update = self.subscription.next().await;
                self.told(update)
            }
        }
    }

    /// What is there without waiting; `None` if nothing is.
    fn ready(&mut self) -> Option<Option<Result<Event, Error>>> {
        match self.stands {
            Stands::Begins => {
                self.stands = Stands::Goes;
                Some(Some(Ok(Event::Snapshot(self.subscription.snapshot().into()))))
            }
            Stands::Goes => self.ahead.pop_front().map(|event| Some(Ok(event))),
            Stands::Over => Some(None),
        }
    }

    fn told(&mut self, update: Option<Update>) -> Option<Result<Event, Error>> {
        match update {
            Some(Update::Progress { changes, as_of }) => {
                self.ahead.extend(changes.into_iter().map(|epoch| Event::Changes(epoch.into())));
                self.ahead.push_back(Event::Progress(as_of));
                self.ahead.pop_front().map(Ok)
            }
            Some(Update::Reset(snapshot)) => Some(Ok(Event::Snapshot(snapshot.into()))),
            Some(Update::Dropped) => {
                self.stands = Stands::Over;
                None
            }
            None => {
                self.stands = Stands::Over;
                // Of a run that ended well all was told.
                self.engine.upgrade()?.failure().map(|error| Err(error.into()))
            }
        }
    }
}

impl Iterator for Following {
    type Item = Result<Event, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        block_on(self.next_event())
    }
}
