//! One table per window: tumbling windows, windows assigned upstream, and overlapping windows that show every change.
//!
//! Invariant: `open` holds windows whose rows are not out yet, `shown` those whose rows are. Overlapping windows share the
//! work of a slice: its rows are aggregated once per epoch, then merged into each window that holds it.

use std::collections::BTreeMap;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field};

use super::clocks::Clocks;
use super::{Window, split};
use crate::aggregate::{Changes, Emit, GroupTable, Part, Role, Terms, numbers, numbers_of, pick, window_columns};
use crate::delta::{Delta, Unfit};
use crate::operator::{Saved, Saving, Section, Stateful, Windows, only};
use crate::time::{Epoch, Zone};

/// Where a row's window is found.
#[derive(Clone, Copy, Debug)]
pub enum Source {
    /// By its event time.
    Time {
        /// The event-time column.
        time: usize,
        /// Which windows.
        window: Window,
        /// By the clocks of which zone; `None` is UTC.
        zone: Option<Zone>,
    },
    /// In its own columns.
    Columns {
        /// `window_start`.
        start: usize,
        /// `window_end`.
        end: usize,
    },
}

/// `(end, start)`: windows close in the order of their ends.
pub(super) type Pane = (i64, i64);

/// The state machine.
pub struct Panes {
    terms: Terms,
    source: Source,
    open: BTreeMap<Pane, GroupTable>,
    shown: BTreeMap<Pane, GroupTable>,
}

impl Panes {
    /// No windows yet.
    pub fn new(terms: Terms, source: Source) -> Panes {
        Panes { terms, source, open: BTreeMap::new(), shown: BTreeMap::new() }
    }

    /// The rows of the epoch by window, for windows that do not overlap.
    fn split(&self, input: Vec<Delta>) -> BTreeMap<Pane, Vec<Delta>> {
        let mut panes: BTreeMap<Pane, Vec<Delta>> = BTreeMap::new();
        for delta in input {
            match self.source {
                Source::Time { time, window, zone } => {
                    let (clocks, delta) = (Clocks::new(window, zone), self.terms.timed(&delta, &[time]));
                    let parts = split::by_slice(&delta, &clocks.times(&delta, time), &window).into_iter();
                    parts.for_each(|(start, part)| {
                        let (start, end) = clocks.span((start, start.saturating_add(window.size_ms())));
                        panes.entry((end, start)).or_default().push(part);
                    });
                }
                Source::Columns { start, end } => {
                    let parts = split::by_window(&self.terms.timed(&delta, &[start, end]), start, end).into_iter();
                    parts.for_each(|(pane, part)| panes.entry(pane).or_default().push(part));
                }
            }
        }
        panes
    }

    /// Adds parts to a window, and tells what changes if its rows are out.
    fn add(&mut self, pane: Pane, parts: &[Part<'_>], epoch: Epoch, changes: &mut Changes) {
        let (end, start) = pane;
        let new = || GroupTable::new(&self.terms.grouping, Role::Whole);
        let tables = if self.terms.shown(end, epoch) { &mut self.shown } else { &mut self.open };
        let table = tables.entry(pane).or_insert_with(new);
        if self.terms.shown(end, epoch) {
            table.amend(parts, &|rows| window_columns((start, end), rows).to_vec(), changes);
        } else {
            table.add(parts);
        }
        if table.is_empty() {
            tables.remove(&pane);
        }
    }

    fn apply_overlapping(
        &mut self,
        epoch: Epoch,
        input: Vec<Delta>,
        time: usize,
        clocks: Clocks,
        changes: &mut Changes,
    ) {
        let mut slices: BTreeMap<i64, Vec<Delta>> = BTreeMap::new();
        for delta in input {
            let delta = self.terms.timed(&delta, &[time]);
            for (slice, part) in split::by_slice(&delta, &clocks.times(&delta, time), &clocks.window) {
                slices.entry(slice).or_default().push(part);
            }
        }
        let merge = !self.terms.grouping.retracting;
        let mut tables: BTreeMap<i64, GroupTable> = BTreeMap::new();
        let mut panes: BTreeMap<Pane, Vec<i64>> = BTreeMap::new();
        for (&slice, rows) in &slices {
            let over: Vec<_> = clocks.over(slice).map(|window| clocks.span(window)).collect();
            let held: Vec<_> =
                over.iter().copied().filter(|(_, end)| !self.terms.expired(*end, epoch.watermark)).collect();
            match (over.last(), &held[..]) {
                (Some((_, end)), []) => {
                    rows.iter().for_each(|rows| self.terms.reject_late(rows, *end, epoch.watermark));
                }
                (_, held) if merge && held.len() > 1 => {
                    let mut table = GroupTable::new(&self.terms.grouping, Role::Whole);
                    table.add(&rows.iter().map(Part::Rows).collect::<Vec<_>>());
                    tables.insert(slice, table);
                }
                _ => {}
            }
            held.into_iter().for_each(|(start, end)| panes.entry((end, start)).or_default().push(slice));
        }
        for (pane, held) in panes {
            let mut parts = Vec::new();
            for slice in &held {
                match tables.get(slice) {
                    Some(table) => parts.push(Part::Table(table)),
                    None => parts.extend(slices[slice].iter().map(Part::Rows)),
                }
            }
            self.add(pane, &parts, epoch, changes);
        }
    }
}

/// A section of the groups of windows: the window's columns, then those of its table.
pub(super) fn section(name: &'static str, fields: Vec<Field>, keys: usize) -> Section {
    let times = ["start", "end"].map(|name| Field::new(name, DataType::Int64, false));
    Section::new(name, 1, times.into_iter().chain(fields).collect(), (2..2 + keys).collect())
}

/// Saves the groups of a window.
pub(super) fn save((end, start): Pane, table: &GroupTable, section: (usize, &Section), saving: &mut Saving) {
    for groups in table.used().chunks(Saving::PIECE) {
        let times = [start, end].map(|time| numbers(groups.iter().map(|_| time)));
        saving.add(section, times.into_iter().chain(table.save(groups)).collect(), groups.len());
    }
}

/// Saved groups by window: how many, and the columns of its table.
pub(super) fn by_pane(rows: &RecordBatch) -> Vec<(Pane, usize, Vec<ArrayRef>)> {
    let (starts, ends) = (numbers_of(rows.column(0)), numbers_of(rows.column(1)));
    let mut panes: BTreeMap<Pane, Vec<u32>> = BTreeMap::new();
    for (row, pane) in ends.iter().copied().zip(starts.iter().copied()).enumerate() {
        panes.entry(pane).or_default().push(row as u32);
    }
    panes.into_iter().map(|(pane, these)| (pane, these.len(), pick(&rows.columns()[2..], &these))).collect()
}

impl Saved for Panes {
    fn sections(&self) -> Vec<Section> {
        let table = GroupTable::new(&self.terms.grouping, Role::Whole);
        vec![section("groups", table.fields(), self.terms.grouping.keys.len())]
    }

    fn begin(&mut self) -> Saving {
        let (mut saving, sections) = (Saving::default(), self.sections());
        for (pane, table) in self.open.iter().chain(&self.shown) {
            save(*pane, table, (0, &sections[0]), &mut saving);
        }
        saving
    }

    fn take(&mut self, _: usize, rows: &RecordBatch) -> Result<(), Unfit> {
        for (pane, rows, columns) in by_pane(rows) {
            let new = || GroupTable::new(&self.terms.grouping, Role::Whole);
            self.open.entry(pane).or_insert_with(new).load(&columns, rows)?;
        }
        Ok(())
    }

    fn loaded(&mut self, cut: Epoch) {
        let all = std::mem::take(&mut self.open);
        (self.shown, self.open) = all.into_iter().partition(|((end, _), _)| self.terms.shown(*end, cut));
    }
}

impl Stateful for Panes {
    fn held(&self) -> usize {
        self.open.values().chain(self.shown.values()).map(GroupTable::len).sum()
    }

    fn bytes(&self) -> usize {
        let tables = self.open.values().chain(self.shown.values());
        tables.map(|table| table.bytes() + size_of::<(Pane, GroupTable)>()).sum()
    }

    fn windows(&self, watermark: i64) -> Option<Windows> {
        let after = (std::ops::Bound::Excluded((watermark, i64::MAX)), std::ops::Bound::Unbounded);
        let held = self.open.len() + self.shown.len();
        if held > 2 * Windows::TOLD {
            // Few of many are closed and held to be amended.
            let ends = [self.open.range(after).next_back(), self.shown.range(after).next_back()];
            let last = ends.into_iter().flatten().map(|(&(end, _), _)| end).max();
            let firsts = [self.open.range(after).next(), self.shown.range(after).next()];
            let first = firsts.into_iter().flatten().map(|(&(_, start), _)| start).min();
            return Some(Windows { count: held, spans: Vec::new(), reach: first.zip(last), by_key: false });
        }
        let open = self.open.range(after).chain(self.shown.range(after));
        Some(Windows::of(open.map(|(&(end, start), _)| (start, end)), false))
    }

    fn apply(&mut self, epoch: Epoch, inputs: &mut [Vec<Delta>]) -> Vec<Delta> {
        let input = only(inputs);
        let mut changes = Changes::new(&self.terms.schema);
        match self.source {
            Source::Time { time, window, zone } if !matches!(window, Window::Tumble { .. }) => {
                self.apply_overlapping(epoch, input, time, Clocks::new(window, zone), &mut changes);
            }
            _ => {
                for ((end, start), rows) in self.split(input) {
                    if self.terms.expired(end, epoch.watermark) {
                        rows.iter().for_each(|rows| self.terms.reject_late(rows, end, epoch.watermark));
                    } else {
                        self.add((end, start), &rows.iter().map(Part::Rows).collect::<Vec<_>>(), epoch, &mut changes);
                    }
                }
            }
        }
        changes.finish()
    }

    fn deadline(&self) -> Option<i64> {
        self.open.keys().next().map(|(end, _)| self.terms.deadline(*end))
    }

    fn close(&mut self, deadline: i64) -> Vec<Delta> {
        debug_assert!(self.terms.emit == Emit::Final, "windows that show every change have nothing left to show");
        let mut changes = Changes::new(&self.terms.schema);
        while let Some(first) = self.open.first_entry().filter(|first| self.terms.deadline(first.key().0) <= deadline) {
            let ((end, start), table) = first.remove_entry();
            table.show(&|rows| window_columns((start, end), rows).to_vec(), &mut changes);
            if !self.terms.expired(end, deadline) {
                self.shown.insert((end, start), table);
            }
        }
        changes.finish()
    }

    fn expire(&mut self, frontier: Epoch) {
        let watermark = frontier.watermark;
        while let Some(first) = self.shown.first_entry().filter(|first| self.terms.expired(first.key().0, watermark)) {
            first.remove();
        }
    }
}
