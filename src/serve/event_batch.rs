//! The events that take readers of some views from where they are to where the views are: a batch of them, made once for all
//! readers that stand there.
//!
//! Invariant: what is told depends on the views, the place and how it was asked for, never on who asks or when; so readers at
//! one place go on to one place, stay together, and share the bytes. A reader that was left behind follows the same
//! steps while they are kept. Memory: the last [`KEPT`] batches, [`KEPT_BYTES`] of them, and what readers have not taken yet;
//! all of it counts for the limit `answers`, and while that is nearly reached nothing is told anew.
//!
//! A window of many rows that closes is much to write: it is written off the threads that serve everybody ([`super::lanes`]),
//! packed as it is written, and unpacked by each reader piece by piece.

use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use tokio::sync::OnceCell;

use super::budget::{Budget, Held};
use super::lanes::Lane;
use super::packed::PIECE;
use super::socket::Fragment;
use super::stream_event::{self, Event};
use super::stream_id;
use highwater_core::format::Numbers;
use highwater_core::time::Epoch;
use highwater_core::view::{Place, Step, View};

/// How many batches are kept, and of how many bytes.
const KEPT: usize = 64;
const KEPT_BYTES: usize = 16 << 20;

/// Where a reader is, and what it wants to be told.
#[derive(Clone, Debug)]
pub(super) struct ReaderState {
    pub(super) views: Vec<Arc<View>>,
    /// By view.
    pub(super) places: Vec<Place>,
    /// Only what is not open.
    pub(super) only_final: bool,
    /// All views go forward together, as far as the slowest.
    pub(super) aligned: bool,
    /// More epochs than this at once are merged.
    pub(super) merge_over: usize,
    /// How integers and decimals are written.
    pub(super) numbers: Numbers,
}

impl ReaderState {
    /// A number that tells this run of the server and what is asked for from others: the ids of events begin with it, so
    /// that one of another request is not taken for a place of this one.
    pub(super) fn tag(&self, run: u64) -> u64 {
        let views: Vec<u64> = self.views.iter().map(|view| view.id()).collect();
        let asked = (run, views, self.only_final, self.aligned, self.numbers);
        foldhash::quality::FixedState::with_seed(0).hash_one(asked)
    }
}

/// Events one after another, and where a reader is that took them.
#[derive(Debug)]
pub(super) struct EventBatch {
    events: Vec<Event>,
    places: Vec<Place>,
    /// Of how many views changes were merged.
    merged: u64,
    sent: OnceLock<Vec<Chunk>>,
    frames: OnceLock<Vec<(bool, bool, Chunk)>>,
    /// What it takes in memory, as long as anybody has it.
    #[allow(dead_code, reason = "it counts as long as it is there")]
    held: Option<Held>,
}

/// A part of what is sent: text, or a piece of an event's data.
#[derive(Clone, Debug)]
enum Chunk {
    Text(Bytes),
    Piece(usize, usize),
}

impl ReaderState {
    /// How far its views are: together, or each.
    pub(super) fn ends(&self) -> Vec<Epoch> {
        let ends: Vec<Epoch> = self.views.iter().map(|view| view.as_of()).collect();
        let least = ends.iter().copied().min().unwrap_or(Epoch::END);
        if self.aligned { vec![least; ends.len()] } else { ends }
    }
}

impl Event {
    /// Told to one reader, that stays where it is.
    pub(super) fn alone(self) -> Arc<EventBatch> {
        Arc::new(EventBatch::new(vec![self], Vec::new(), 0))
    }
}

impl EventBatch {
    pub(super) fn new(events: Vec<Event>, places: Vec<Place>, merged: u64) -> EventBatch {
        EventBatch { events, places, merged, sent: OnceLock::new(), frames: OnceLock::new(), held: None }
    }

    /// What it takes in memory counts for that.
    pub(super) fn holding(self, answers: &Budget) -> EventBatch {
        EventBatch { held: Some(answers.owe(self.bytes())), ..self }
    }

    /// Where a reader is that took it.
    pub(super) fn places(&self) -> &[Place] {
        &self.places
    }

    /// Of how many views changes were merged.
    pub(super) fn merged(&self) -> u64 {
        self.merged
    }

    /// Whether it is more than a reader takes at once.
    pub(super) fn long(&self) -> bool {
        self.events.iter().any(Event::long)
    }

    /// A part of it as server-sent events, by number; `None` behind the last.
    pub(super) fn sent(&self, at: usize) -> Option<Bytes> {
        let write = || {
            let (mut chunks, mut text) = (Vec::new(), Vec::new());
            for (number, event) in self.events.iter().enumerate() {
                text.extend_from_slice(event.head().as_bytes());
                self.data(number, event, &mut text, |chunk| chunks.push(chunk));
                text.extend_from_slice(event.tail().as_bytes());
                if text.len() >= PIECE {
                    chunks.push(Chunk::Text(std::mem::take(&mut text).into()));
                }
            }
            chunks.push(Chunk::Text(text.into()));
            chunks
        };
        self.sent.get_or_init(write).get(at).map(|chunk| self.bytes_of(chunk))
    }

    /// A part of it as text frames of a WebSocket.
    pub(super) fn frame(&self, at: usize) -> Option<Fragment> {
        let write = || {
            let mut frames = Vec::new();
            for (number, event) in self.events.iter().enumerate() {
                let (mut text, mut first) = (event.frame_head().into_bytes(), true);
                self.data(number, event, &mut text, |chunk| {
                    frames.push((std::mem::take(&mut first), false, chunk));
                });
                text.push(b'}');
                frames.push((first, true, Chunk::Text(text.into())));
            }
            frames
        };
        let (first, last, chunk) = self.frames.get_or_init(write).get(at)?;
        Some(Fragment { first: *first, last: *last, text: self.bytes_of(chunk) })
    }

    /// Appends an event's data to text, or, if it is long, takes the text off and the data's pieces.
    fn data(&self, number: usize, event: &Event, text: &mut Vec<u8>, mut push: impl FnMut(Chunk)) {
        if !event.long() {
            return event.data.pieces().for_each(|piece| text.extend_from_slice(&piece));
        }
        push(Chunk::Text(std::mem::take(text).into()));
        (0..event.data.count()).for_each(|piece| push(Chunk::Piece(number, piece)));
    }

    fn bytes_of(&self, chunk: &Chunk) -> Bytes {
        match chunk {
            Chunk::Text(text) => text.clone(),
            Chunk::Piece(event, piece) => self.events[*event].data.piece(*piece).unwrap_or_default(),
        }
    }

    fn bytes(&self) -> usize {
        self.events.iter().map(Event::bytes).sum()
    }
}

/// What a reader hears next.
#[derive(Clone, Debug)]
pub(super) enum Next {
    /// This, and then it is further.
    Batch(Arc<EventBatch>),
    /// Nothing is new.
    Nothing,
    /// Some of what it does not know yet is gone.
    Gone,
}

/// The last batches, by where they begin.
#[derive(Debug)]
pub(super) struct EventBatches {
    kept: Mutex<Kept>,
    pub(super) answers: Budget,
}

/// How soon to look again whether readers have taken what they hold.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

#[derive(Debug, Default)]
struct Kept {
    by_way: HashMap<Key, Slot, foldhash::fast::RandomState>,
    order: VecDeque<(Key, Slot)>,
}

/// Who comes first makes it; the others wait for it.
type Slot = Arc<OnceCell<Option<Arc<EventBatch>>>>;

/// A way, its views by their addresses: they live as long as the engine.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    views: Vec<u64>,
    places: Vec<Place>,
    only_final: bool,
    aligned: bool,
    merge_over: usize,
    numbers: Numbers,
}

impl EventBatches {
    /// Nothing is kept yet.
    pub(super) fn new(answers: Budget) -> EventBatches {
        EventBatches { kept: Mutex::default(), answers }
    }

    /// Forgets all, when nobody reads.
    pub(super) fn tidy(&self) {
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = Kept::default();
    }

    /// Waits until readers have taken enough of what they were told.
    pub(super) async fn room(&self) {
        while self.answers.tight() {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// What a reader on its way hears next; ids begin with `tag`.
    pub(super) async fn next(&self, tag: u64, lane: &Lane, reader: &ReaderState) -> Next {
        let ends = reader.ends();
        if reader.places.iter().zip(&ends).all(|(place, end)| *end <= place.closed) {
            return Next::Nothing;
        }
        self.room().await;
        let slot = self.slot(reader);
        let made = slot.get_or_init(async || {
            lane.run(|| {
                let made = batch(tag, reader, &ends).map(|batch| Arc::new(batch.holding(&self.answers)));
                // Most readers want it so.
                made.iter().for_each(|batch| drop(batch.sent(0)));
                made
            })
            .await
        });
        made.await.clone().map_or(Next::Gone, Next::Batch)
    }

    fn slot(&self, reader: &ReaderState) -> Slot {
        let key = Key {
            views: reader.views.iter().map(|view| view.id()).collect(),
            places: reader.places.clone(),
            only_final: reader.only_final,
            aligned: reader.aligned,
            merge_over: reader.merge_over,
            numbers: reader.numbers,
        };
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = kept.by_way.get(&key) {
            return slot.clone();
        }
        // As events, and as they are sent.
        let bytes = |(_, slot): &(Key, Slot)| slot.get().and_then(Option::as_ref).map_or(0, |batch| 2 * batch.bytes());
        let mut held: usize = kept.order.iter().map(bytes).sum();
        while kept.order.len() >= KEPT || held > KEPT_BYTES {
            let Some(oldest) = kept.order.pop_front() else { break };
            held -= bytes(&oldest);
            kept.by_way.remove(&oldest.0);
        }
        let slot = Slot::default();
        kept.by_way.insert(key.clone(), slot.clone());
        kept.order.push_back((key, slot.clone()));
        slot
    }
}

/// The way to `ends`; `None` if some changes are gone.
fn batch(tag: u64, reader: &ReaderState, ends: &[Epoch]) -> Option<EventBatch> {
    let step = |((view, place), end): ((&Arc<View>, &Place), &Epoch)| {
        if *end <= place.closed {
            return Some(None);
        }
        view.step(*place, *end, reader.merge_over).map(Some)
    };
    let steps: Vec<Option<Step>> =
        reader.views.iter().zip(&reader.places).zip(ends).map(step).collect::<Option<_>>()?;
    let mut order: Vec<(Epoch, usize, usize)> = Vec::new();
    for (view, step) in steps.iter().enumerate() {
        let changes = step.iter().flat_map(|step| step.told.iter().enumerate());
        order.extend(changes.map(|(at, told)| (told.changes.epoch, view, at)));
    }
    order.sort_unstable();
    let (mut events, mut places) = (Vec::new(), reader.places.clone());
    let mut push = |event: Event, places: &[Place]| events.push(event.id(stream_id::write(tag, places)));
    for (epoch, view, at) in order {
        let Some(step) = &steps[view] else { continue };
        let next = Epoch { tick: epoch.tick.saturating_add(1), ..epoch };
        let event = stream_event::delta(&reader.views[view], &step.told[at], next, (reader.only_final, reader.numbers));
        let closed = if step.closes { places[view].closed } else { next };
        places[view] = Place { closed, next, merged: step.merged };
        event.into_iter().for_each(|event| push(event, &places));
    }
    for (view, step) in steps.iter().enumerate() {
        let Some(step) = step else { continue };
        places[view] = step.to.into();
        let event = stream_event::closed(&reader.views[view], &step.closed, (reader.only_final, reader.numbers));
        event.into_iter().for_each(|event| push(event, &places));
    }
    if reader.aligned {
        push(stream_event::progress_of_all(&places), &places);
    } else {
        for (view, step) in reader.views.iter().zip(&steps) {
            step.iter().for_each(|step| push(stream_event::progress(view, step.to), &places));
        }
    }
    let merged = steps.iter().flatten().filter(|step| step.merged).count() as u64;
    Some(EventBatch::new(events, places, merged))
}
