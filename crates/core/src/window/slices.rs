//! Overlapping windows shown when they close: rows are aggregated once per slice, slices combined per window.
//!
//! HOP keeps the sum of the slices of the window closed last: for the next window new slices are merged in and expired ones
//! out, so a close costs as much as changed and is shown, not `size / slide` tables. CUMULATE keeps the sum of its cycle so
//! far, and no slice that is in it.
//!
//! Invariants: every slice held is of a window that is not closed. Slices in `summed` (a range of times) are in `sum`.
//! Closed windows that may be amended are held as tables of their own. Slices and windows are told by local times (`clocks.rs`).

use std::collections::BTreeMap;

use arrow_array::RecordBatch;
use arrow_schema::{DataType, Field};

use super::cells::Cells;
use super::clocks::Clocks;
use super::panes::{by_pane, save, section};
use super::{Window, split};
use crate::aggregate::{Changes, GroupTable, Part, Role, States, Terms, numbers, numbers_of, window_columns};
use crate::delta::{Delta, Unfit};
use crate::operator::{Saved, Saving, Section, Stateful, Windows, only};
use crate::time::{Epoch, Zone};

/// The state machine.
pub struct Slices {
    terms: Terms,
    time: usize,
    clocks: Clocks,
    cells: Cells,
    /// By key, the combined slices.
    sum: States,
    /// The keys that CUMULATE's sum holds, and by key whether it does. HOP's sum counts the parts in it.
    members: Vec<u32>,
    summing: Vec<bool>,
    summed: std::ops::Range<i64>,
    closed: BTreeMap<i64, (i64, GroupTable)>,
    /// The last epoch applied or deadline closed.
    now: Epoch,
    /// The first window that is to close, `(start, end)`.
    next: Option<(i64, i64)>,
}

impl Slices {
    /// No windows yet; by the clocks of a zone, or in UTC.
    pub fn new(terms: Terms, time: usize, window: Window, zone: Option<Zone>) -> Slices {
        let sum = States::new(&terms.grouping, sum_role(&window));
        let cells = Cells::new(&terms.grouping, slice_role(&window));
        let (members, summing, closed) = (Vec::new(), Vec::new(), BTreeMap::new());
        let summed = i64::MIN..i64::MIN;
        let clocks = Clocks::new(window, zone);
        Slices { terms, time, clocks, cells, sum, members, summing, summed, closed, now: Epoch::MIN, next: None }
    }

    fn hops(&self) -> bool {
        matches!(self.clocks.window, Window::Hop { .. })
    }

    /// Whether a window that ends there is closed.
    fn closed(&self, end: i64) -> bool {
        self.terms.closed(self.clocks.end(end), self.now)
    }

    /// Whether it can no longer be amended.
    fn expired(&self, end: i64, watermark: i64) -> bool {
        self.terms.expired(self.clocks.end(end), watermark)
    }

    /// Whether rows from this time on are in open windows only, at least one.
    fn open_from(&self, time: i64) -> bool {
        let window = self.clocks.window;
        let first = window.over(window.slice_start(time)).next();
        let gaps = matches!(window, Window::Hop { size, slide, .. } if slide > size);
        !gaps && first.is_some_and(|(_, end)| !self.closed(end))
    }

    /// Adds rows to windows that are open or may be amended, or hands them in as late.
    fn add_slice(&mut self, slice: i64, rows: &[Delta], amended: &mut BTreeMap<i64, (i64, Vec<i64>)>) {
        let (mut open, mut last) = (false, None);
        for (start, end) in self.clocks.over(slice) {
            last = Some(end);
            if !self.closed(end) {
                open = true;
                break;
            }
            if !self.expired(end, self.now.watermark) {
                amended.entry(end).or_insert((start, Vec::new())).1.push(slice);
                last = None;
            }
        }
        match (open, last) {
            (true, _) if self.summed.contains(&slice) && self.hops() => self.add_within(slice, rows),
            (true, _) if self.summed.contains(&slice) => rows.iter().for_each(|rows| self.add_to_sum(rows)),
            (true, _) => {
                rows.iter().for_each(|rows| self.cells.add_to(slice, rows));
                self.cells.release(slice);
            }
            (false, Some(end)) => {
                let end = self.clocks.end(end);
                rows.iter().for_each(|rows| self.terms.reject_late(rows, end, self.now.watermark));
            }
            (false, None) => {}
        }
    }

    /// Adds rows to a slice that is merged into HOP's sum.
    fn add_within(&mut self, slice: i64, rows: &[Delta]) {
        let mut touched: Vec<u32> = rows.iter().flat_map(|rows| self.cells.intern(rows)).collect();
        touched.sort_unstable();
        touched.dedup();
        self.speak_of(slice);
        let (keys, cells) = self.cells.find(slice, &touched);
        self.sum.resize(self.cells.keys().end());
        self.sum.merge(&keys, self.cells.states(), &cells, -1);
        rows.iter().for_each(|rows| self.cells.add_to(slice, rows));
        let (now, cells) = self.cells.find(slice, &touched);
        self.sum.merge(&now, self.cells.states(), &cells, 1);
        self.clear(&keys);
        self.cells.release(slice);
        self.cells.settle(slice);
    }

    /// Adds rows to CUMULATE's sum.
    fn add_to_sum(&mut self, rows: &Delta) {
        let keys = self.cells.intern(rows);
        self.admit(&keys);
        self.sum.update(&keys, rows);
    }

    /// Makes room for keys in CUMULATE's sum.
    fn admit(&mut self, keys: &[u32]) {
        self.summing.resize(self.summing.len().max(self.cells.keys().end()), false);
        self.sum.resize(self.cells.keys().end());
        for &key in keys {
            if !std::mem::replace(&mut self.summing[key as usize], true) {
                self.cells.hold(key);
                self.members.push(key);
            }
        }
    }

    /// Says which slice is merged into the sum or out of it. A slice of retracting rows may change in any way.
    fn speak_of(&mut self, slice: i64) {
        if self.hops() && !self.terms.grouping.retracting {
            self.sum.at(slice);
        }
    }

    /// Merges a slice into the sum.
    fn merge(&mut self, slice: i64) {
        self.speak_of(slice);
        let (keys, cells) = self.cells.of(slice);
        if self.hops() {
            self.sum.resize(self.cells.keys().end());
            self.sum.merge(keys, self.cells.states(), cells, 1);
            self.cells.settle(slice);
        } else {
            let (keys, cells) = (keys.to_vec(), cells.to_vec());
            self.admit(&keys);
            self.sum.merge(&keys, self.cells.states(), &cells, 1);
            self.cells.remove(slice);
        }
    }

    /// Merges a slice out of HOP's sum and forgets it.
    fn expire_slice(&mut self, slice: i64) {
        self.speak_of(slice);
        let (keys, cells) = self.cells.of(slice);
        self.sum.merge(keys, self.cells.states(), cells, -1);
        let keys = keys.to_vec();
        self.clear(&keys);
        self.cells.remove(slice);
    }

    /// Forgets what the sum has of these keys, where no part is left.
    fn clear(&mut self, keys: &[u32]) {
        let gone: Vec<u32> = keys.iter().copied().filter(|&key| self.sum.rows(key) == Some(0)).collect();
        self.sum.reset(&gone);
    }

    fn clear_sum(&mut self) {
        self.cells.let_go(&std::mem::take(&mut self.members));
        self.summing.clear();
        self.sum = States::new(&self.terms.grouping, sum_role(&self.clocks.window));
        self.summed = i64::MIN..i64::MIN;
    }

    /// The keys that have rows in the sum.
    fn shown(&self) -> Vec<u32> {
        if self.sum.counted() {
            let has_rows = |&key: &u32| self.sum.rows(key).is_some_and(|rows| rows > 0);
            (0..self.sum.size() as u32).filter(has_rows).collect()
        } else {
            self.members.clone()
        }
    }

    /// Slices with rows that are held, or one for all that CUMULATE has summed up; ascending.
    fn slices(&self) -> impl DoubleEndedIterator<Item = i64> {
        let summed = (!self.hops() && !self.summed.is_empty()).then_some(self.summed.start);
        summed.into_iter().chain(self.cells.starts())
    }

    /// The first window not `closed` that holds a slice with rows.
    fn find_next(&self, closed: impl Fn(i64) -> bool) -> Option<(i64, i64)> {
        let first_open = |slice: i64| self.clocks.window.first_open(slice, &closed);
        self.slices().take(2).filter_map(first_open).min_by_key(|(_, end)| *end)
    }

    /// Shows a window, whose slices are all in the sum; keeps it if it may be amended.
    fn show(&mut self, (start, end): (i64, i64), deadline: i64, changes: &mut Changes) {
        let keys = self.shown();
        let mut columns = self.cells.keys().columns(&keys);
        columns.extend(window_columns(self.clocks.span((start, end)), keys.len()));
        columns.extend(self.sum.evaluate(&keys));
        changes.insert(columns, keys.len());
        if !self.expired(end, deadline) && !keys.is_empty() {
            let mut kept = GroupTable::new(&self.terms.grouping, sum_role(&self.clocks.window));
            kept.take_in(self.cells.keys(), &self.sum, &keys);
            self.closed.insert(end, (start, kept));
        }
    }

    /// Amends closed windows by late rows.
    fn amend(&mut self, amended: BTreeMap<i64, (i64, Vec<i64>)>, slices: &BTreeMap<i64, Vec<Delta>>) -> Changes {
        let mut changes = Changes::new(&self.terms.schema);
        // A late slice is aggregated once if several closed windows hold it.
        let mut tables: BTreeMap<i64, GroupTable> = BTreeMap::new();
        for (end, (start, held)) in amended {
            let mut parts = Vec::new();
            if !self.terms.grouping.retracting {
                for slice in &held {
                    let table = || {
                        let mut table = GroupTable::new(&self.terms.grouping, slice_role(&self.clocks.window));
                        table.add(&slices[slice].iter().map(Part::Rows).collect::<Vec<_>>());
                        table
                    };
                    tables.entry(*slice).or_insert_with(table);
                }
                parts.extend(held.iter().map(|slice| Part::Table(&tables[slice])));
            } else {
                parts.extend(held.iter().flat_map(|slice| slices[slice].iter().map(Part::Rows)));
            }
            let new = || (start, GroupTable::new(&self.terms.grouping, sum_role(&self.clocks.window)));
            let (_, table) = self.closed.entry(end).or_insert_with(new);
            let span = self.clocks.span((start, end));
            table.amend(&parts, &|rows| window_columns(span, rows).to_vec(), &mut changes);
            if table.is_empty() {
                self.closed.remove(&end);
            }
        }
        changes
    }
}

fn slice_role(window: &Window) -> Role {
    if matches!(window, Window::Hop { .. }) { Role::Part } else { Role::Whole }
}

fn sum_role(window: &Window) -> Role {
    if matches!(window, Window::Hop { .. }) { Role::Sum } else { Role::Whole }
}

/// The sections, by local times: cells of slices, groups of closed windows, and CUMULATE's sum, beside the window that it is of. HOP's sum is
/// merged again when the next window closes.
impl Saved for Slices {
    fn sections(&self) -> Vec<Section> {
        let keys = self.terms.grouping.keys.len();
        let slice = std::iter::once(Field::new("slice", DataType::Int64, false));
        let cells = slice.chain(self.cells.fields()).collect();
        let closed = GroupTable::new(&self.terms.grouping, sum_role(&self.clocks.window)).fields();
        let sum = (!self.hops()).then(|| self.cells.keys().fields().into_iter().chain(self.sum.fields()).collect());
        let sections = [Section::new("cells", 1, cells, (1..1 + keys).collect()), section("closed", closed, keys)];
        sections.into_iter().chain(sum.map(|fields| section("sum", fields, keys))).collect()
    }

    fn begin(&mut self) -> Saving {
        let (mut saving, sections) = (Saving::default(), self.sections());
        for slice in self.cells.starts() {
            let (keys, cells) = self.cells.of(slice);
            for (keys, cells) in keys.chunks(Saving::PIECE).zip(cells.chunks(Saving::PIECE)) {
                let columns = std::iter::once(numbers(keys.iter().map(|_| slice)));
                saving.add((0, &sections[0]), columns.chain(self.cells.save(keys, cells)).collect(), keys.len());
            }
        }
        for (&end, (start, table)) in &self.closed {
            save((end, *start), table, (1, &sections[1]), &mut saving);
        }
        for keys in self.members.chunks(Saving::PIECE) {
            let times = [self.summed.start, self.summed.end].map(|time| numbers(keys.iter().map(|_| time)));
            let columns = times.into_iter().chain(self.cells.keys().columns(keys)).chain(self.sum.save(keys));
            saving.add((2, &sections[2]), columns.collect(), keys.len());
        }
        saving
    }

    fn take(&mut self, section: usize, rows: &RecordBatch) -> Result<(), Unfit> {
        if section == 0 {
            return self.cells.load(numbers_of(rows.column(0)), &rows.columns()[1..]);
        }
        for ((end, start), count, columns) in by_pane(rows) {
            if section == 1 {
                let new = || (start, GroupTable::new(&self.terms.grouping, sum_role(&self.clocks.window)));
                self.closed.entry(end).or_insert_with(new).1.load(&columns, count)?;
                continue;
            }
            if !self.summed.is_empty() && self.summed != (start..end) {
                return Err(Unfit::Value("a sum is of two windows"));
            }
            self.summed = start..end;
            let (keys, states) = columns.split_at(self.terms.grouping.keys.len());
            let (keys, before) = (self.cells.intern_columns(keys, count), self.members.len());
            self.admit(&keys);
            if self.members.len() != before + count {
                return Err(Unfit::Value("a key is there twice in a sum"));
            }
            self.sum.load(&keys, states)?;
        }
        Ok(())
    }

    fn loaded(&mut self, cut: Epoch) {
        self.now = cut;
        // Rows that came late to a worker that had summed up nothing are cells, of slices that another had summed up.
        for slice in self.cells.within(self.summed.clone()) {
            self.merge(slice);
        }
        self.next = self.find_next(|end| self.closed(end));
    }
}

impl Stateful for Slices {
    fn held(&self) -> usize {
        let closed = self.closed.values().map(|(_, table)| table.len());
        self.cells.len() + self.members.len() + closed.sum::<usize>()
    }

    fn bytes(&self) -> usize {
        let closed = self.closed.values().map(|(_, table)| table.bytes() + size_of::<(i64, i64, GroupTable)>());
        self.cells.bytes() + self.sum.bytes() + 5 * self.members.capacity() + closed.sum::<usize>()
    }

    fn windows(&self, watermark: i64) -> Option<Windows> {
        let Some((start, first)) = self.next else { return Some(Windows::default()) };
        let window = self.clocks.window;
        let last = self.slices().next_back().map_or(first, |slice| window.last_end(slice));
        // Windows without rows between others with some are few: they count.
        let count = (last.saturating_sub(first) / window.step_ms() + 1).max(1) as usize;
        if count > Windows::TOLD {
            let reach = Some(self.clocks.span((start, last)));
            return Some(Windows { count, spans: Vec::new(), reach, by_key: false });
        }
        let over = self.slices().flat_map(|slice| self.clocks.over(slice)).map(|window| self.clocks.span(window));
        let open: std::collections::BTreeSet<_> =
            over.filter(|(_, end)| *end > watermark).map(|(start, end)| (end, start)).collect();
        Some(Windows::of(open.into_iter().map(|(end, start)| (start, end)), false))
    }

    fn apply(&mut self, epoch: Epoch, inputs: &mut [Vec<Delta>]) -> Vec<Delta> {
        let input = only(inputs);
        self.now = epoch;
        let mut slices: BTreeMap<i64, Vec<Delta>> = BTreeMap::new();
        for delta in input {
            let delta = self.terms.timed(&delta, &[self.time]);
            let (times, window) = (self.clocks.times(&delta, self.time), self.clocks.window);
            let least = times.iter().min().copied();
            if !self.terms.grouping.retracting && least.is_some_and(|least| self.open_from(least)) {
                self.cells.add(&delta, &times, &window);
            } else {
                for (slice, part) in split::by_slice(&delta, &times, &window) {
                    slices.entry(slice).or_default().push(part);
                }
            }
        }
        let mut amended = BTreeMap::new();
        for (&slice, rows) in &slices {
            self.add_slice(slice, rows, &mut amended);
        }
        self.cells.settle_old();
        let changes = self.amend(amended, &slices);
        self.next = self.find_next(|end| self.closed(end));
        changes.finish()
    }

    fn deadline(&self) -> Option<i64> {
        self.next.map(|(_, end)| self.terms.deadline(self.clocks.end(end)))
    }

    fn close(&mut self, deadline: i64) -> Vec<Delta> {
        self.now = Epoch::at(deadline);
        let mut changes = Changes::new(&self.terms.schema);
        let clocks = self.clocks;
        while let Some((start, end)) = self.next.filter(|(_, end)| self.terms.deadline(clocks.end(*end)) <= deadline) {
            for slice in self.cells.within(self.summed.end.max(start)..end) {
                self.merge(slice);
            }
            self.summed = start..end;
            self.show((start, end), deadline, &mut changes);
            let over = |slice: &i64| clocks.is_over(clocks.window.last_end(*slice), end);
            let done = if self.hops() {
                while let Some(slice) = self.cells.first().filter(over) {
                    self.expire_slice(slice);
                }
                self.cells.first().is_none()
            } else {
                over(&start)
            };
            if done {
                self.clear_sum();
            }
            self.next = self.find_next(|other| clocks.is_over(other, end));
        }
        changes.finish()
    }

    fn expire(&mut self, frontier: Epoch) {
        let watermark = frontier.watermark;
        let expired = |end: i64| self.terms.expired(self.clocks.end(end), watermark);
        while let Some(first) = self.closed.first_entry().filter(|first| expired(*first.key())) {
            first.remove();
        }
    }
}
