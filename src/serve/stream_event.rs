//! The events of a view's stream, as text: `snapshot`, `delta`, `progress`, `reset`.
//!
//! `as_of` is where the reader is once it took the event, in the sense of every answer: all before this epoch is in.
//! A row that closes without changing is retracted as `open` and inserted as `final`; with `emit=final` only what is not
//! open is told at all.

use std::sync::Arc;

use arrow_array::RecordBatch;

use super::as_of::AsOf;
use super::json;
use super::packed::{Packed, Writer};
use highwater_core::format::{JsonRows, Numbers};
use highwater_core::time::Epoch;
use highwater_core::view::{Place, Snapshot, Status, Told, View};

/// How a reader is told of rows: only what is not open, and how numbers are written.
pub(super) type Manner = (bool, Numbers);

/// One event, whatever carries it: its name, where the reader is once it has taken it, and a JSON object.
#[derive(Debug)]
pub(super) struct Event {
    name: &'static str,
    /// Empty if it is no place to resume from.
    id: String,
    /// One line.
    pub(super) data: Packed,
}

impl Event {
    pub(super) fn new(name: &'static str, data: impl Into<Packed>) -> Event {
        Event { name, id: String::new(), data: data.into() }
    }

    /// With the place after it.
    pub(super) fn id(self, id: String) -> Event {
        Event { id, ..self }
    }

    /// What stands before the data of a server-sent event.
    pub(super) fn head(&self) -> String {
        format!("event: {}\ndata: ", self.name)
    }

    /// What stands behind it.
    pub(super) fn tail(&self) -> String {
        if self.id.is_empty() { "\n\n".to_owned() } else { format!("\nid: {}\n\n", self.id) }
    }

    /// What stands before the data in a text frame of a WebSocket, and `}` behind it: `type`, `id` and `data` are the name, the
    /// id and the data of a server-sent event.
    pub(super) fn frame_head(&self) -> String {
        format!(r#"{{"type":"{}","id":"{}","data":"#, self.name, self.id)
    }

    /// Whether a reader takes it piece by piece.
    pub(super) fn long(&self) -> bool {
        self.data.count() > 1
    }

    /// What it takes in memory, but for a few bytes.
    pub(super) fn bytes(&self) -> usize {
        self.id.len() + self.data.held() + 32
    }
}

/// The rows of a view; replaces all that the reader knows of it. `pages` are of one epoch, `as_of`.
pub(super) fn snapshot<E>(
    view: &View,
    as_of: Epoch,
    pages: impl Iterator<Item = Result<Snapshot, E>>,
    (only_final, numbers): Manner,
) -> Result<Event, E> {
    let mut text = Writer::default();
    text.push(format!("{},\"rows\":[", head(view, as_of)).as_bytes());
    let mut any = false;
    for page in pages {
        let page = page?;
        let shown = |&row: &usize| !only_final || page.statuses[row] != Status::Open;
        any = json::rows_behind(&page, (0..page.batch.num_rows()).filter(shown), numbers, any, &mut text.open);
        text.pack();
    }
    text.push(b"]}");
    Ok(Event::new("snapshot", text.finish()))
}

/// Changes of one epoch; `None` if none of them is to be told.
pub(super) fn delta(view: &View, told: &Told, as_of: Epoch, (only_final, numbers): Manner) -> Option<Event> {
    let mut changes = Changes::new(view, as_of, told.changes.delta.batch(), numbers);
    for (row, &status) in told.statuses.iter().enumerate() {
        let diff = told.changes.delta.diff(row);
        if !(only_final && status == Status::Open) {
            let op = if diff > 0 { "insert" } else { "retract" };
            (0..diff.unsigned_abs()).for_each(|_| changes.push(op, row, status, told.changes.versions[row]));
        }
    }
    changes.event()
}

/// Rows that closed without changing; `None` if there are none.
pub(super) fn closed(view: &View, closed: &Snapshot, (only_final, numbers): Manner) -> Option<Event> {
    let mut changes = Changes::new(view, closed.as_of, &closed.batch, numbers);
    for (row, &version) in closed.versions.iter().enumerate() {
        if !only_final {
            changes.push("retract", row, Status::Open, version);
        }
        changes.push("insert", row, Status::Final, version);
    }
    changes.event()
}

/// How far a view is.
pub(super) fn progress(view: &View, as_of: Epoch) -> Event {
    Event::new("progress", format!("{}}}", head(view, as_of)))
}

/// A view is gone: nothing more comes of what was asked for.
pub(super) fn dropped(view: &View) -> Event {
    Event::new("dropped", format!("{}}}", head(view, view.as_of())))
}

/// How far all views of a reader are.
pub(super) fn progress_of_all(places: &[Place]) -> Event {
    let as_of = places.iter().map(|place| place.closed).min().unwrap_or(Epoch::END);
    Event::new("progress", format!(r#"{{"as_of":{}}}"#, json::object(&AsOf::from(as_of))))
}

/// How far views are: all together, or each by itself.
pub(super) fn how_far<'a>(
    views: &'a [Arc<View>],
    places: &'a [Place],
    aligned: bool,
) -> impl Iterator<Item = Event> + 'a {
    let all = aligned.then(|| progress_of_all(places));
    let each = views.iter().zip(places).filter(move |_| !aligned);
    all.into_iter().chain(each.map(|(view, place)| progress(view, place.closed)))
}

/// All that the reader knows is stale; snapshots follow. `run` is that of the server.
pub(super) fn reset(run: u64, reason: &str) -> Event {
    Event::new("reset", format!(r#"{{"reason":{},"run":"{run:x}"}}"#, json::text(reason)))
}

fn head(view: &View, as_of: Epoch) -> String {
    format!(r#"{{"view":{},"as_of":{}"#, json::text(view.name()), json::object(&AsOf::from(as_of)))
}

struct Changes<'a> {
    writer: JsonRows<'a>,
    out: Writer,
    any: bool,
}

impl<'a> Changes<'a> {
    fn new(view: &View, as_of: Epoch, rows: &'a RecordBatch, numbers: Numbers) -> Changes<'a> {
        let mut out = Writer::default();
        out.push(format!("{},\"changes\":[", head(view, as_of)).as_bytes());
        Changes { writer: json::writer(rows, numbers), out, any: false }
    }

    fn push(&mut self, op: &str, row: usize, status: Status, version: u64) {
        let comma = if std::mem::replace(&mut self.any, true) { "," } else { "" };
        let out = &mut self.out.open;
        out.extend_from_slice(format!(r#"{comma}{{"op":"{op}","row":"#).as_bytes());
        self.writer.write(row, out);
        out.extend_from_slice(format!(r#","status":"{}","version":{version}}}"#, status.name()).as_bytes());
        self.out.pack();
    }

    fn event(mut self) -> Option<Event> {
        self.out.push(b"]}");
        self.any.then(|| Event::new("delta", self.out.finish()))
    }
}
