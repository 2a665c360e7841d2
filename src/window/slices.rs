//! Overlapping windows shown when they close: one table per slice, combined per window.
//!
//! A row is aggregated once, whatever `size / slide` is. HOP keeps the sum of the slices of the window closed last: for the
//! next window new slices are merged in and expired ones out, so a close costs as much as changed and is shown, not
//! `size / slide` tables. CUMULATE keeps the sum of its cycle so far.
//!
//! Invariants: every slice held is of a window that is not closed. The slices in `summed` (a range of times) are in `sum`.
//! Closed windows that may be amended are held as tables of their own.

use std::collections::BTreeMap;

use super::{Window, split};
use crate::aggregate::{Changes, GroupTable, Grouping, Part, Role, Terms, window_columns};
use crate::delta::{Delta, Stateful, Windows};
use crate::time::Epoch;

/// The state machine.
pub struct Slices {
    terms: Terms,
    time: usize,
    window: Window,
    slices: BTreeMap<i64, Slice>,
    sum: GroupTable,
    summed: std::ops::Range<i64>,
    closed: BTreeMap<i64, (i64, GroupTable)>,
    /// The last epoch applied or deadline closed.
    now: Epoch,
    /// The first window that is to close, `(start, end)`.
    next: Option<(i64, i64)>,
}

/// The rows of a slice.
struct Slice {
    table: GroupTable,
    /// The groups in the sum that the table's groups were merged into, if it was and has not changed since.
    places: Option<Vec<u32>>,
}

impl Slices {
    /// No windows yet.
    pub fn new(terms: Terms, time: usize, window: Window) -> Slices {
        let sum = GroupTable::new(&terms.grouping, sum_role(&window));
        let (slices, closed) = (BTreeMap::new(), BTreeMap::new());
        Slices { terms, time, window, slices, sum, summed: i64::MIN..i64::MIN, closed, now: Epoch::MIN, next: None }
    }

    fn hops(&self) -> bool {
        matches!(self.window, Window::Hop { .. })
    }

    fn sum_table(&self) -> GroupTable {
        GroupTable::new(&self.terms.grouping, sum_role(&self.window))
    }

    /// Rows of a slice that a window not closed yet holds.
    fn add(&mut self, slice: i64, rows: &[Part<'_>]) {
        let new = || Slice { table: slice_table(&self.terms.grouping, &self.window), places: None };
        let Slice { table, places } = self.slices.entry(slice).or_insert_with(new);
        match (self.summed.contains(&slice), &self.window) {
            (false, _) => table.add(rows),
            (true, Window::Hop { .. }) => {
                speak_of(&mut self.sum, &self.terms, slice);
                table.add_within(rows, &mut self.sum);
                *places = None;
            }
            (true, _) => self.sum.add(rows),
        }
        if table.is_empty() && self.hops() {
            self.slices.remove(&slice);
        }
    }

    /// The first window not closed that holds a slice with rows.
    fn find_next(&self) -> Option<(i64, i64)> {
        let first = *self.slices.keys().next()?;
        self.window.first_open(first, |end| self.terms.closed(end, self.now))
    }
}

/// Says which slice is merged into the sum or out of it. A slice of retracting rows may change in any way.
fn speak_of(sum: &mut GroupTable, terms: &Terms, slice: i64) {
    if !terms.grouping.retracting {
        sum.at(slice);
    }
}

fn slice_table(grouping: &Grouping, window: &Window) -> GroupTable {
    GroupTable::new(grouping, if matches!(window, Window::Hop { .. }) { Role::Part } else { Role::Whole })
}

fn sum_role(window: &Window) -> Role {
    if matches!(window, Window::Hop { .. }) { Role::Sum } else { Role::Whole }
}

impl Stateful for Slices {
    fn held(&self) -> usize {
        let closed = self.closed.values().map(|(_, table)| table);
        let slices = self.slices.values().map(|slice| &slice.table);
        slices.chain(closed).map(GroupTable::len).sum::<usize>() + self.sum.len()
    }

    fn bytes(&self) -> usize {
        let places = |slice: &Slice| slice.places.as_ref().map_or(0, |places| places.capacity() * 4);
        let slices = self.slices.values().map(|slice| slice.table.bytes() + places(slice) + size_of::<(i64, Slice)>());
        let closed = self.closed.values().map(|(_, table)| table.bytes() + size_of::<(i64, i64, GroupTable)>());
        slices.chain(closed).sum::<usize>() + self.sum.bytes()
    }

    fn windows(&self, watermark: i64) -> Option<Windows> {
        let Some((start, first)) = self.next else { return Some(Windows::default()) };
        let last = self.slices.keys().next_back().map_or(first, |&slice| self.window.last_end(slice));
        // Windows without rows between others with some are few: they count.
        let count = (last.saturating_sub(first) / self.window.step_ms() + 1).max(1) as usize;
        if count > Windows::TOLD {
            let reach = Some((start, last));
            return Some(Windows { count, spans: Vec::new(), reach, by_key: false });
        }
        let over = self.slices.keys().flat_map(|&slice| self.window.over(slice));
        let open: std::collections::BTreeSet<_> =
            over.filter(|(_, end)| *end > watermark).map(|(start, end)| (end, start)).collect();
        Some(Windows::of(open.into_iter().map(|(end, start)| (start, end)), false))
    }

    fn apply(&mut self, epoch: Epoch, input: Vec<Delta>) -> Vec<Delta> {
        self.now = epoch;
        let mut slices: BTreeMap<i64, Vec<Delta>> = BTreeMap::new();
        for delta in input {
            for (slice, part) in split::by_slice(&self.terms.timed(&delta, &[self.time]), self.time, &self.window) {
                slices.entry(slice).or_default().push(part);
            }
        }
        let mut amended: BTreeMap<i64, (i64, Vec<i64>)> = BTreeMap::new();
        for (&slice, rows) in &slices {
            let (mut open, mut last) = (false, None);
            for (start, end) in self.window.over(slice) {
                last = Some(end);
                if !self.terms.closed(end, epoch) {
                    open = true;
                    break;
                }
                if !self.terms.expired(end, epoch.watermark) {
                    amended.entry(end).or_insert((start, Vec::new())).1.push(slice);
                    last = None;
                }
            }
            match (open, last) {
                (true, _) => self.add(slice, &rows.iter().map(Part::Rows).collect::<Vec<_>>()),
                (false, Some(end)) => rows.iter().for_each(|rows| self.terms.reject_late(rows, end, epoch.watermark)),
                (false, None) => {}
            }
        }
        let mut changes = Changes::new(&self.terms.schema);
        // A late slice is aggregated once if several closed windows hold it.
        let mut tables: BTreeMap<i64, GroupTable> = BTreeMap::new();
        for (end, (start, held)) in amended {
            let mut parts = Vec::new();
            if !self.terms.grouping.retracting {
                for slice in &held {
                    let table = || {
                        let mut table = slice_table(&self.terms.grouping, &self.window);
                        table.add(&slices[slice].iter().map(Part::Rows).collect::<Vec<_>>());
                        table
                    };
                    tables.entry(*slice).or_insert_with(table);
                }
                parts.extend(held.iter().map(|slice| Part::Table(&tables[slice])));
            } else {
                parts.extend(held.iter().flat_map(|slice| slices[slice].iter().map(Part::Rows)));
            }
            let new = self.sum_table();
            let (_, table) = self.closed.entry(end).or_insert((start, new));
            table.amend(&parts, &|rows| window_columns((start, end), rows).to_vec(), &mut changes);
            if table.is_empty() {
                self.closed.remove(&end);
            }
        }
        self.next = self.find_next();
        changes.finish()
    }

    fn deadline(&self) -> Option<i64> {
        self.next.map(|(_, end)| self.terms.deadline(end))
    }

    fn close(&mut self, deadline: i64) -> Vec<Delta> {
        self.now = Epoch::at(deadline);
        let hops = self.hops();
        let mut changes = Changes::new(&self.terms.schema);
        while let Some((start, end)) = self.next.filter(|(_, end)| self.terms.deadline(*end) <= deadline) {
            if self.summed.start != start && !self.hops() {
                (self.sum, self.summed) = (self.sum_table(), start..start);
            }
            for (&time, slice) in self.slices.range_mut(self.summed.end.max(start)..end) {
                if hops {
                    speak_of(&mut self.sum, &self.terms, time);
                }
                let places = self.sum.merge(&slice.table);
                match self.window {
                    Window::Hop { .. } => slice.places = Some(places),
                    _ => slice.table = slice_table(&self.terms.grouping, &self.window),
                }
            }
            self.summed = start..end;
            self.sum.show(&|rows| window_columns((start, end), rows).to_vec(), &mut changes);
            if !self.terms.expired(end, deadline) && !self.sum.is_empty() {
                let mut kept = self.sum_table();
                kept.merge(&self.sum);
                self.closed.insert(end, (start, kept));
            }
            while let Some(first) = self.slices.first_entry().filter(|first| self.window.last_end(*first.key()) <= end)
            {
                let (time, Slice { table, places }) = first.remove_entry();
                if hops {
                    speak_of(&mut self.sum, &self.terms, time);
                }
                match (&self.window, places) {
                    (Window::Hop { .. }, Some(places)) => self.sum.unmerge(&table, &places),
                    (Window::Hop { .. }, None) => self.sum.merge_groups(&table, &table.groups(), -1),
                    _ => {}
                }
            }
            if self.slices.is_empty() {
                (self.sum, self.summed) = (self.sum_table(), i64::MIN..i64::MIN);
            }
            self.next = self.find_next();
        }
        changes.finish()
    }

    fn expire(&mut self, watermark: i64) {
        while let Some(first) = self.closed.first_entry().filter(|first| self.terms.expired(*first.key(), watermark)) {
            first.remove();
        }
    }
}
