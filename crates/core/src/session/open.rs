//! Sessions of append-only input: merged as rows arrive.
//!
//! Per key a list of sessions, the latest first. Invariants: sessions of a key neither overlap nor touch; the rows that are
//! out are exactly the sessions with a kept row that [`Terms::shown`] holds for; every session that must close or be freed
//! some day is due to be looked at, at that time or before (a session that grew is put off then).

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMillisecondType;
use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch, TimestampMillisecondArray, UInt32Array};
use arrow_schema::{DataType, Field};

use super::due::Due;
use crate::aggregate::{Changes, Emit, Keys, Role, States, Terms, numbers, numbers_of};
use crate::delta::{Delta, Unfit};
use crate::operator::{Saved, Saving, Section, Stateful, Windows, only};
use crate::time::Epoch;

/// No session.
const NONE: u32 = u32::MAX;

/// A session, at its place in the slab; its aggregates are the group of that number.
#[derive(Clone, Copy, Debug)]
struct Session {
    start: i64,
    end: i64,
    key: u32,
    /// The next earlier session of the key.
    next: u32,
    /// The session it was merged into.
    into: u32,
    /// The epochs, by number, that made it and that changed it last.
    born: u32,
    touched: u32,
    /// Whether a row of it is aggregated.
    kept: bool,
    /// Whether `closing` and `expiring` have an entry of it.
    closing: bool,
    expiring: bool,
}

/// What a session was before the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Before {
    session: u32,
    start: i64,
    end: i64,
}

/// The state machine.
pub struct Sessions {
    terms: Terms,
    time: usize,
    gap: i64,
    keep: Option<usize>,
    keys: Keys,
    states: States,
    sessions: Vec<Session>,
    free: Vec<u32>,
    /// By key: its latest session.
    heads: Vec<u32>,
    /// Sessions whose rows are not out.
    closing: Due,
    /// Sessions whose rows are out.
    expiring: Due,
    epochs: u32,
}

/// What an epoch has done to the sessions so far.
#[derive(Default)]
struct Effects {
    touched: Vec<u32>,
    /// Touched sessions whose rows were out.
    before: Vec<Before>,
    /// Sessions merged into others.
    merged: Vec<u32>,
}

impl Sessions {
    /// No sessions yet. `keep` is the column that says which rows are aggregated.
    pub fn new(terms: Terms, time: usize, gap: i64, keep: Option<usize>) -> Sessions {
        Sessions {
            time,
            gap,
            keep,
            keys: Keys::new(&terms.grouping.key_types),
            states: States::new(&terms.grouping, Role::Whole),
            sessions: Vec::new(),
            free: Vec::new(),
            heads: Vec::new(),
            closing: Due::new(1),
            // Memory may be given back a little late.
            expiring: Due::new((gap / 8).max(1)),
            epochs: 0,
            terms,
        }
    }

    /// The session that a row of this key belongs to now; `NONE` if its session would be gone already.
    #[inline]
    fn place(&mut self, key: u32, time: i64, kept: bool, epoch: Epoch, effects: &mut Effects) -> u32 {
        let reach = time.saturating_add(self.gap);
        let (mut later, mut at) = (NONE, self.heads[key as usize]);
        while at != NONE && self.sessions[at as usize].start > reach {
            (later, at) = (at, self.sessions[at as usize].next);
        }
        if at == NONE || self.sessions[at as usize].end < time {
            if self.terms.expired(reach, epoch.watermark) {
                return NONE;
            }
            let new = Session {
                start: time,
                end: reach,
                key,
                next: at,
                into: NONE,
                born: self.epochs,
                touched: self.epochs,
                kept,
                closing: false,
                expiring: false,
            };
            let place = self.insert(new);
            match later {
                NONE => self.heads[key as usize] = place,
                later => self.sessions[later as usize].next = place,
            }
            effects.touched.push(place);
            return place;
        }
        self.touch(at, epoch, effects);
        let session = &mut self.sessions[at as usize];
        (session.start, session.end, session.kept) =
            (session.start.min(time), session.end.max(reach), session.kept | kept);
        // The row may bridge the gap to the session before.
        while let Some(&earlier) = self.sessions.get(self.sessions[at as usize].next as usize)
            && earlier.end >= self.sessions[at as usize].start
        {
            let gone = self.sessions[at as usize].next;
            self.touch(gone, epoch, effects);
            self.sessions[gone as usize].into = at;
            effects.merged.push(gone);
            let session = &mut self.sessions[at as usize];
            (session.start, session.next, session.kept) = (earlier.start, earlier.next, session.kept | earlier.kept);
        }
        at
    }

    /// Notes that an epoch changes a session, and what it was before.
    #[inline]
    fn touch(&mut self, session: u32, epoch: Epoch, effects: &mut Effects) {
        let Session { start, end, kept, touched, .. } = &mut self.sessions[session as usize];
        if *touched != self.epochs {
            *touched = self.epochs;
            effects.touched.push(session);
            if *kept && self.terms.shown(*end, epoch) {
                effects.before.push(Before { session, start: *start, end: *end });
            }
        }
    }

    /// Rows with the sessions they belong to now; rows that hold a session together only are left out.
    fn place_all(&mut self, rows: &Delta, epoch: Epoch, effects: &mut Effects) -> (Delta, Vec<u32>) {
        let rows = self.terms.timed(rows, &[self.time]);
        let columns: Vec<ArrayRef> =
            self.terms.grouping.keys.iter().map(|&column| rows.batch().column(column).clone()).collect();
        let mut keys = Vec::new();
        self.keys.intern(&columns, rows.len(), &mut keys);
        self.heads.resize(self.heads.len().max(self.keys.end()), NONE);
        let keep = self.keep.map(|column| rows.batch().column(column).as_boolean());
        let kept = |row: usize| keep.is_none_or(|keep| keep.is_valid(row) && keep.value(row));
        let times = rows.batch().column(self.time).as_primitive::<TimestampMillisecondType>().values();
        let each = times.iter().zip(&keys).enumerate();
        let places: Vec<u32> =
            each.map(|(row, (&time, &key))| self.place(key, time, kept(row), epoch, effects)).collect();
        if keep.is_none() && !places.contains(&NONE) {
            return (rows, places);
        }
        for row in (0..rows.len()).filter(|&row| places[row] == NONE) {
            self.terms.reject_late(&rows.slice(row, 1), times[row].saturating_add(self.gap), epoch.watermark);
            if self.heads[keys[row] as usize] == NONE && keys[..row].iter().all(|key| *key != keys[row]) {
                self.keys.remove(&[keys[row]]);
            }
        }
        let chosen: Vec<u32> =
            (0..rows.len()).filter(|&row| places[row] != NONE && kept(row)).map(|row| row as u32).collect();
        let places = chosen.iter().map(|&row| places[row as usize]).collect();
        (rows.take(&UInt32Array::from(chosen)), places)
    }

    /// The session that a session has become.
    fn root(&self, mut session: u32) -> u32 {
        while self.sessions[session as usize].into != NONE {
            session = self.sessions[session as usize].into;
        }
        session
    }

    /// Key and window columns of these sessions, with these bounds.
    fn fixed(&self, sessions: impl Iterator<Item = Before>) -> Vec<ArrayRef> {
        let sessions: Vec<Before> = sessions.collect();
        let keys: Vec<u32> = sessions.iter().map(|before| self.sessions[before.session as usize].key).collect();
        let time = |time: fn(&Before) -> i64| -> ArrayRef {
            Arc::new(TimestampMillisecondArray::from_iter_values(sessions.iter().map(time)))
        };
        let mut columns = self.keys.columns(&keys);
        columns.extend([time(|s| s.start), time(|s| s.end), time(|s| s.end.saturating_sub(1))]);
        columns
    }

    fn show(&self, sessions: &[u32], changes: &mut Changes) {
        let mut columns = self.fixed(sessions.iter().map(|&session| self.bounds(session)));
        columns.extend(self.states.evaluate(sessions));
        changes.insert(columns, sessions.len());
    }

    fn bounds(&self, session: u32) -> Before {
        let Session { start, end, .. } = self.sessions[session as usize];
        Before { session, start, end }
    }

    /// Sees to it that a session is looked at when it closes or expires.
    fn schedule(&mut self, place: u32, epoch: Epoch) {
        let session = &mut self.sessions[place as usize];
        let deadline = self.terms.deadline(session.end);
        if self.terms.emit == Emit::Final && !self.terms.closed(session.end, epoch) {
            if !std::mem::replace(&mut session.closing, true) {
                self.closing.push(deadline, place);
            }
        } else if let Some(expiry) = self.terms.expiry(session.end)
            && !std::mem::replace(&mut session.expiring, true)
        {
            self.expiring.push(expiry, place);
        }
    }

    /// Takes a place in the slab.
    fn insert(&mut self, session: Session) -> u32 {
        match self.free.pop() {
            Some(place) => {
                self.sessions[place as usize] = session;
                place
            }
            None => {
                self.sessions.push(session);
                (self.sessions.len() - 1) as u32
            }
        }
    }

    /// Gives the place of a session free that is in no list any more, once no entry points to it.
    fn vacate(&mut self, place: u32) {
        let session = &self.sessions[place as usize];
        if !session.closing && !session.expiring {
            self.free.push(place);
        }
    }

    /// Forgets sessions.
    fn remove(&mut self, places: &[u32]) {
        self.states.reset(places);
        for &place in places {
            let Session { key, next, .. } = self.sessions[place as usize];
            let mut at = self.heads[key as usize];
            if at == place {
                self.heads[key as usize] = next;
            } else {
                while self.sessions[at as usize].next != place {
                    at = self.sessions[at as usize].next;
                }
                self.sessions[at as usize].next = next;
            }
            if self.heads[key as usize] == NONE {
                self.keys.remove(&[key]);
            }
            self.sessions[place as usize].into = place;
            self.vacate(place);
        }
    }

    /// Gives memory back when nothing is held.
    fn shrink(&mut self) {
        if self.held() == 0 {
            self.states = States::new(&self.terms.grouping, Role::Whole);
            (self.sessions, self.free, self.heads) = Default::default();
        }
    }
}

impl Saved for Sessions {
    fn sections(&self) -> Vec<Section> {
        let times = ["start", "end"].map(|name| Field::new(name, DataType::Int64, false));
        let kept = Field::new("kept", DataType::Boolean, false);
        let fields = times.into_iter().chain([kept]).chain(self.keys.fields()).chain(self.states.fields());
        vec![Section::new("sessions", 1, fields.collect(), (3..3 + self.terms.grouping.keys.len()).collect())]
    }

    fn begin(&mut self) -> Saving {
        let (mut saving, sections) = (Saving::default(), self.sections());
        let live = |place: &u32| self.sessions[*place as usize].into == NONE;
        let places: Vec<u32> = (0..self.sessions.len() as u32).filter(live).collect();
        for places in places.chunks(Saving::PIECE) {
            let these = || places.iter().map(|&place| &self.sessions[place as usize]);
            let times = [numbers(these().map(|session| session.start)), numbers(these().map(|session| session.end))];
            let kept: ArrayRef = Arc::new(BooleanArray::from_iter(these().map(|session| Some(session.kept))));
            let keys: Vec<u32> = these().map(|session| session.key).collect();
            let columns = times.into_iter().chain([kept]).chain(self.keys.columns(&keys));
            saving.add((0, &sections[0]), columns.chain(self.states.save(places)).collect(), places.len());
        }
        saving
    }

    fn take(&mut self, _: usize, rows: &RecordBatch) -> Result<(), Unfit> {
        let (own, states) = rows.columns().split_at(3 + self.terms.grouping.keys.len());
        let mut keys = Vec::new();
        self.keys.intern(&own[3..], rows.num_rows(), &mut keys);
        let (starts, ends, kept) = (numbers_of(&own[0]), numbers_of(&own[1]), own[2].as_boolean());
        let (born, touched) = (self.epochs, self.epochs);
        let each = keys.into_iter().enumerate();
        let places: Vec<u32> = each
            .map(|(row, key)| {
                let (start, end, kept) = (starts[row], ends[row], kept.value(row));
                let (closing, expiring) = (false, false);
                self.insert(Session { start, end, key, next: NONE, into: NONE, born, touched, kept, closing, expiring })
            })
            .collect();
        self.states.resize(self.sessions.len());
        self.states.load(&places, states)
    }

    fn loaded(&mut self, cut: Epoch) {
        self.heads = vec![NONE; self.keys.end()];
        let mut places: Vec<u32> = (0..self.sessions.len() as u32).collect();
        places.sort_unstable_by_key(|&place| self.sessions[place as usize].start);
        for place in places {
            let session = &mut self.sessions[place as usize];
            session.next = std::mem::replace(&mut self.heads[session.key as usize], place);
            self.schedule(place, cut);
        }
    }
}

impl Stateful for Sessions {
    fn held(&self) -> usize {
        self.sessions.len() - self.free.len()
    }

    fn bytes(&self) -> usize {
        let slab = self.sessions.capacity() * size_of::<Session>() + (self.free.capacity() + self.heads.capacity()) * 4;
        slab + self.keys.bytes() + self.states.bytes() + self.closing.bytes() + self.expiring.bytes()
    }

    fn windows(&self, watermark: i64) -> Option<Windows> {
        if self.held() > Windows::LOOKED_AT {
            return Some(Windows { count: self.held(), by_key: true, ..Windows::default() });
        }
        let open = self.sessions.iter().filter(|session| session.into == NONE && session.end > watermark);
        Some(Windows::of(open.map(|session| (session.start, session.end)), true))
    }

    fn apply(&mut self, epoch: Epoch, inputs: &mut [Vec<Delta>]) -> Vec<Delta> {
        let input = only(inputs);
        self.expire(epoch);
        self.epochs = self.epochs.wrapping_add(1);
        let mut effects = Effects::default();
        let mut placed: Vec<(Delta, Vec<u32>)> =
            input.iter().map(|rows| self.place_all(rows, epoch, &mut effects)).collect();
        let Effects { touched, before, merged } = effects;
        if !merged.is_empty() {
            placed.iter_mut().flat_map(|(_, places)| places).for_each(|place| *place = self.root(*place));
        }

        // `before` is in the order of `touched`.
        let out = |place: u32| {
            let session = &self.sessions[place as usize];
            session.into == NONE && session.kept && self.terms.shown(session.end, epoch)
        };
        let stays = |before: &Before| out(before.session) && self.bounds(before.session) == *before;
        let (stay, go): (Vec<Before>, Vec<Before>) = before.into_iter().partition(stays);
        let mut staying = stay.iter().peekable();
        let is_new = |place: &u32| staying.next_if(|before| before.session == *place).is_none();
        let come: Vec<u32> = touched.iter().copied().filter(is_new).filter(|&place| out(place)).collect();
        let [stay_places, go_places] =
            [&stay, &go].map(|list| list.iter().map(|before| before.session).collect::<Vec<_>>());
        let [old, gone] = [&stay_places, &go_places].map(|places| self.states.evaluate(places));

        self.states.resize(self.sessions.len());
        placed.iter().for_each(|(rows, places)| self.states.update(places, rows));
        let with_state: Vec<u32> =
            merged.iter().copied().filter(|&place| self.sessions[place as usize].born != self.epochs).collect();
        if !with_state.is_empty() {
            let into: Vec<u32> = with_state.iter().map(|&place| self.root(place)).collect();
            self.states.merge_within(&self.terms.grouping, Role::Whole, &into, &with_state);
        }

        let mut changes = Changes::new(&self.terms.schema);
        let rows = go.len();
        changes.retract(self.fixed(go.into_iter()).into_iter().chain(gone).collect(), rows);
        let rows = stay.len();
        changes.replace(self.fixed(stay.into_iter()), old, self.states.evaluate(&stay_places), rows);
        self.show(&come, &mut changes);
        for place in touched {
            if self.sessions[place as usize].into == NONE {
                self.schedule(place, epoch);
            }
        }
        merged.into_iter().for_each(|place| self.vacate(place));
        changes.finish()
    }

    fn deadline(&self) -> Option<i64> {
        self.closing.first()
    }

    fn close(&mut self, deadline: i64) -> Vec<Delta> {
        let (epoch, mut closed) = (Epoch::at(deadline), Vec::new());
        while let Some(places) = self.closing.pop(deadline) {
            for place in places {
                let session = &mut self.sessions[place as usize];
                session.closing = false;
                if session.into != NONE {
                    self.vacate(place);
                } else if self.terms.closed(session.end, epoch) {
                    closed.push(place);
                } else {
                    self.schedule(place, epoch);
                }
            }
        }
        let mut changes = Changes::new(&self.terms.schema);
        let kept: Vec<u32> = closed.iter().copied().filter(|&place| self.sessions[place as usize].kept).collect();
        self.show(&kept, &mut changes);
        let over = |place: &u32| self.terms.expired(self.sessions[*place as usize].end, deadline);
        let (over, amendable): (Vec<u32>, Vec<u32>) = closed.into_iter().partition(over);
        self.remove(&over);
        amendable.into_iter().for_each(|place| self.schedule(place, epoch));
        self.shrink();
        changes.finish()
    }

    fn expire(&mut self, frontier: Epoch) {
        let watermark = frontier.watermark;
        let mut over = Vec::new();
        while let Some(places) = self.expiring.pop(watermark) {
            for place in places {
                let session = &mut self.sessions[place as usize];
                session.expiring = false;
                if session.into != NONE {
                    self.vacate(place);
                } else if self.terms.expired(session.end, watermark) {
                    over.push(place);
                } else {
                    self.schedule(place, Epoch::at(watermark));
                }
            }
        }
        self.remove(&over);
        self.shrink();
    }
}
