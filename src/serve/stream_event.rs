//! The events of a view's stream, as text: `snapshot`, `delta`, `progress`, `reset`.
//!
//! `as_of` is where the reader is once it took the event, in the sense of every answer: all before this epoch is in.
//! A row that closes without changing is retracted as `open` and inserted as `final`; with `emit=final` only what is not
//! open is told at all.

use super::as_of::AsOf;
use super::json;
use crate::engine::{Place, Snapshot, Status, Told, View};
use crate::format::{JsonRows, Numbers};
use crate::time::Epoch;

/// How a reader is told of rows: only what is not open, and how numbers are written.
type Manner = (bool, Numbers);

/// One event, whatever carries it: its name, where the reader is once it has taken it, and a JSON object.
#[derive(Debug)]
pub(super) struct Event {
    name: &'static str,
    /// Empty if it is no place to resume from.
    id: String,
    /// One line.
    data: String,
}

impl Event {
    pub(super) fn new(name: &'static str, data: String) -> Event {
        Event { name, id: String::new(), data }
    }

    /// With the place after it.
    pub(super) fn id(self, id: String) -> Event {
        Event { id, ..self }
    }

    /// Appends it as a server-sent event.
    pub(super) fn send(&self, out: &mut String) {
        let Event { name, id, data } = self;
        out.extend(["event: ", name, "\ndata: ", data]);
        if !id.is_empty() {
            out.extend(["\nid: ", id]);
        }
        out.push_str("\n\n");
    }

    /// As a text frame of a WebSocket: `type`, `id` and `data` are the name, the id and the data of a server-sent event.
    pub(super) fn frame(&self) -> String {
        let Event { name, id, data } = self;
        format!(r#"{{"type":"{name}","id":"{id}","data":{data}}}"#)
    }

    /// Its length, but for a few bytes.
    pub(super) fn bytes(&self) -> usize {
        self.id.len() + self.data.len() + 32
    }
}

/// The rows of a view; replaces all that the reader knows of it.
pub(super) fn snapshot(view: &View, snapshot: &Snapshot, (only_final, numbers): Manner) -> Event {
    let shown = |&row: &usize| !only_final || snapshot.statuses[row] != Status::Open;
    let rows = json::rows(snapshot, (0..snapshot.batch.num_rows()).filter(shown), numbers);
    let head = head(view, snapshot.as_of);
    Event::new("snapshot", format!("{head},\"rows\":{rows}}}"))
}

/// Changes of one epoch; `None` if none of them is to be told.
pub(super) fn delta(view: &View, told: &Told, as_of: Epoch, (only_final, numbers): Manner) -> Option<Event> {
    let mut changes = Changes { writer: json::writer(told.changes.delta.batch(), numbers), out: Vec::new() };
    for (row, &status) in told.statuses.iter().enumerate() {
        let diff = told.changes.delta.diff(row);
        if !(only_final && status == Status::Open) {
            let op = if diff > 0 { "insert" } else { "retract" };
            (0..diff.unsigned_abs()).for_each(|_| changes.push(op, row, status, told.changes.versions[row]));
        }
    }
    changes.event(view, as_of)
}

/// Rows that closed without changing; `None` if there are none.
pub(super) fn closed(view: &View, closed: &Snapshot, (only_final, numbers): Manner) -> Option<Event> {
    let mut changes = Changes { writer: json::writer(&closed.batch, numbers), out: Vec::new() };
    for (row, &version) in closed.versions.iter().enumerate() {
        if !only_final {
            changes.push("retract", row, Status::Open, version);
        }
        changes.push("insert", row, Status::Final, version);
    }
    changes.event(view, closed.as_of)
}

/// How far a view is.
pub(super) fn progress(view: &View, as_of: Epoch) -> Event {
    Event::new("progress", format!("{}}}", head(view, as_of)))
}

/// How far all views of a reader are.
pub(super) fn progress_of_all(places: &[Place]) -> Event {
    let as_of = places.iter().map(|place| place.closed).min().unwrap_or(Epoch::END);
    Event::new("progress", format!(r#"{{"as_of":{}}}"#, json::object(&AsOf::from(as_of))))
}

/// All that the reader knows is stale; snapshots follow.
pub(super) fn reset(reason: &str) -> Event {
    Event::new("reset", format!(r#"{{"reason":{}}}"#, json::text(reason)))
}

fn head(view: &View, as_of: Epoch) -> String {
    format!(r#"{{"view":{},"as_of":{}"#, json::text(view.name()), json::object(&AsOf::from(as_of)))
}

struct Changes<'a> {
    writer: JsonRows<'a>,
    out: Vec<u8>,
}

impl Changes<'_> {
    fn push(&mut self, op: &str, row: usize, status: Status, version: u64) {
        let comma = if self.out.is_empty() { "" } else { "," };
        self.out.extend_from_slice(format!(r#"{comma}{{"op":"{op}","row":"#).as_bytes());
        self.writer.write(row, &mut self.out);
        self.out.extend_from_slice(format!(r#","status":"{}","version":{version}}}"#, status.name()).as_bytes());
    }

    fn event(self, view: &View, as_of: Epoch) -> Option<Event> {
        let changes = json::into_text(self.out);
        let data = || format!("{},\"changes\":[{changes}]}}", head(view, as_of));
        (!changes.is_empty()).then(|| Event::new("delta", data()))
    }
}
