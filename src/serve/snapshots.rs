//! The rows of views as streams begin with them: made once for all readers that come while they are being made, and, where they
//! are long, for those that come soon after; each then goes on with the changes since.
//!
//! A snapshot is read piece by piece, each piece as it was at one epoch, so no reader and no writer of the view waits for the
//! whole; what has changed meanwhile is undone from the view's ring. Where the ring does not reach so far the view is read at once.
//!
//! Cost: at most [`SHARE`] of one core for views that many begin to read; memory: the packed text, while it is handed out
//! or a reader has not taken it yet.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::OnceCell;

use super::event_batch::{EventBatch, EventBatches, ReaderState};
use super::lanes::Lane;
use super::stream_event::{self, Event};
use super::stream_id;
use highwater_core::format::Numbers;
use highwater_core::time::{Clock, Epoch};
use highwater_core::view::{Snapshot, View, Views};

/// Rows of a piece: about a ms, after which the processor is given up to whoever waits for it.
const PIECE_ROWS: usize = 512;
/// A long snapshot is handed out for so many times as long as it took to make.
const SHARE: u32 = 20;
/// How often to begin anew when the ring does not reach before reading views at once.
const TRIES: usize = 3;
/// How soon views that are too far apart are looked at again.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// The last snapshots.
#[derive(Debug, Default)]
pub(super) struct Snapshots(Mutex<Vec<Made>>);

/// One that is made, or being made.
#[derive(Clone, Debug)]
struct Made {
    /// The views by their numbers, and how they are shown.
    of: (Vec<u64>, bool, bool, Numbers),
    ends: Vec<Epoch>,
    since: Clock,
    slot: Arc<OnceCell<MadeBatch>>,
}

/// What is told, and how long it took to make; `None` if a ring did not reach so far.
type MadeBatch = Option<(Arc<EventBatch>, Duration)>;

impl Made {
    /// Whether it may be handed to who comes now and would be told `ends`.
    fn good(&self, ends: &[Epoch]) -> bool {
        match self.slot.get() {
            None => true,
            Some(None) => false,
            Some(Some((batch, took))) => self.ends == ends || batch.long() && self.since.elapsed() < *took * SHARE,
        }
    }
}

impl Snapshots {
    /// The snapshots of a reader's views, and then how far they are.
    pub(super) async fn take(
        &self,
        tag: u64,
        batches: &EventBatches,
        lane: &Lane,
        views: &Views,
        reader: &ReaderState,
    ) -> Arc<EventBatch> {
        for _ in 0..TRIES {
            batches.room().await;
            let made = self.slot(reader);
            let batch = made.slot.get_or_init(async || {
                lane.run(|| {
                    let batch = pieces(tag, reader, &made.ends)?.holding(&batches.answers);
                    Some((Arc::new(batch), made.since.elapsed()))
                })
                .await
            });
            // What was made before may be past the ring by now.
            let reaches = |place: &highwater_core::view::Place, view: &Arc<View>| view.reaches(place.next);
            if let Some((batch, _)) = batch.await
                && batch.places().iter().zip(&reader.views).all(|(place, view)| reaches(place, view))
            {
                return batch.clone();
            }
            self.forget(&made);
        }
        loop {
            let read = || if reader.aligned { views.read(&reader.views) } else { Some(all(reader)) };
            let batch = lane.run(|| read().map(|snapshots| at_once(tag, reader, snapshots))).await;
            match batch {
                Some(batch) => return Arc::new(batch.holding(&batches.answers)),
                // The fastest view's ring does not reach back to the slowest view: it may catch up.
                None => tokio::time::sleep(LOOK_AGAIN).await,
            }
        }
    }

    /// Forgets those that nobody is to be handed any more.
    pub(super) fn tidy(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|made| made.good(&[]));
    }

    fn forget(&self, old: &Made) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|made| !Arc::ptr_eq(&made.slot, &old.slot));
    }

    fn slot(&self, reader: &ReaderState) -> Made {
        let views = reader.views.iter().map(|view| view.id()).collect();
        let (of, ends) = ((views, reader.only_final, reader.aligned, reader.numbers), reader.ends());
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(made) = kept.iter().find(|made| made.of == of && made.good(&ends)) {
            return made.clone();
        }
        kept.retain(|made| made.of != of);
        let made = Made { of, ends, since: Clock::start(), slot: Arc::default() };
        kept.push(made.clone());
        made
    }
}

/// The views piece by piece, as they were at `ends`; `None` if a ring does not reach so far.
fn pieces(tag: u64, reader: &ReaderState, ends: &[Epoch]) -> Option<EventBatch> {
    struct Past;
    let event = |(view, end): (&Arc<View>, &Epoch)| {
        let (mut after, mut more) = (None::<Vec<u8>>, true);
        let pages = std::iter::from_fn(|| {
            std::thread::yield_now();
            let page = more.then(|| view.page_at(*end, after.as_deref(), PIECE_ROWS).ok_or(Past))?;
            Some(page.map(|mut page| {
                after = page.next.take();
                more = after.is_some();
                page
            }))
        });
        stream_event::snapshot(view, *end, pages.fuse(), (reader.only_final, reader.numbers)).ok()
    };
    let events = reader.views.iter().zip(ends).map(event).collect::<Option<Vec<Event>>>()?;
    Some(batch_of(tag, reader, events, ends))
}

/// The views each by itself.
fn all(reader: &ReaderState) -> Vec<Snapshot> {
    reader.views.iter().map(|view| view.snapshot()).collect()
}

fn at_once(tag: u64, reader: &ReaderState, snapshots: Vec<Snapshot>) -> EventBatch {
    let ends: Vec<Epoch> = snapshots.iter().map(|snapshot| snapshot.as_of).collect();
    let event = |(view, snapshot): (&Arc<View>, Snapshot)| {
        let as_of = snapshot.as_of;
        let pages = std::iter::once(Ok::<_, std::convert::Infallible>(snapshot));
        let Ok(event) = stream_event::snapshot(view, as_of, pages, (reader.only_final, reader.numbers));
        event
    };
    let events = reader.views.iter().zip(snapshots).map(event).collect();
    batch_of(tag, reader, events, &ends)
}

/// The snapshots, and how far the reader is that took them all.
fn batch_of(tag: u64, reader: &ReaderState, events: Vec<Event>, ends: &[Epoch]) -> EventBatch {
    let places: Vec<_> = ends.iter().map(|end| (*end).into()).collect();
    let (last, nothing) = (stream_id::write(tag, &places), stream_id::nothing(tag));
    let count = events.len();
    let id = |at: usize| if at + 1 == count { last.clone() } else { nothing.clone() };
    let shown = events.into_iter().enumerate().map(|(at, event)| event.id(id(at)));
    let progress = stream_event::how_far(&reader.views, &places, reader.aligned);
    let events = shown.chain(progress.map(|event| event.id(last.clone()))).collect();
    EventBatch::new(events, places, 0)
}
