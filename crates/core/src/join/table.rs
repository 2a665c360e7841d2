//! Both sides of a join under their keys: whole epochs of changes in, the changes of the result out, each pair of rows
//! looked at once an epoch.
//!
//! For a pair, with `l`, `r` the rows' numbers: the result changes by `l_new * r_new - l_old * r_old`. All changes of an
//! epoch are taken in first; then every changed left row walks over all right rows of its key, and every changed right
//! row over the left rows that did not change. So no pair is shown and taken back within an epoch.
//!
//! Cost: one look-up of the key and one link a row, one step a pair. Memory: the live rows, at most twice. Batches of which
//! all rows have expired are dropped at once; the rest is looked through when half of it is dead.

use std::collections::BTreeMap;

use arrow_schema::{DataType, SchemaRef};

use super::output::{MOST, Output};
use super::side::{NONE, Near, Rows, Shape, retain};
use super::{Join, Lone, Side};
use crate::aggregate::Keys;
use crate::delta::{Delta, Rejects, Unfit};
use crate::kept::Kept;

/// Tables of fewer rows are not looked through for dead ones. Tests have few rows.
const FEW: usize = if cfg!(test) { 16 } else { 1024 };

/// The rows of both sides, and what they make.
#[derive(Debug)]
pub struct Table {
    shapes: [Shape; 2],
    /// The conditions on times.
    order: Vec<Within>,
    pairs_shown: bool,
    /// Left rows are forgotten when their epoch ends.
    transient: bool,
    /// The types of the key columns.
    types: Vec<DataType>,
    keys: Keys,
    sides: [Rows; 2],
    output: Output,
    /// The rows whose showing waits for their expiry, by that: slots of the left and of the right.
    waiting: BTreeMap<i64, [Vec<u32>; 2]>,
    /// Rows that were touched in this epoch and are shown for their own sake: slot, number and partners before.
    touched: [Vec<(u32, i64, i64)>; 2],
    /// Per slot: whether it is in `touched`.
    marked: [Vec<bool>; 2],
    watermark: i64,
}

/// A condition on the times of two rows.
#[derive(Debug)]
struct Within {
    /// The side of the earlier one.
    earlier: Side,
    gap_ms: i64,
    /// The times' places, left and right.
    places: [usize; 2],
}

impl Table {
    /// No rows yet. `schema` is that of the result.
    pub fn new(join: &Join, schema: &SchemaRef, inputs: [&SchemaRef; 2], rejects: &Rejects) -> Table {
        let shapes = Side::BOTH.map(|side| Shape::new(join, side, inputs[side as usize]));
        let types: Vec<_> = join.keys.iter().map(|&(left, _)| inputs[0].field(left).data_type().clone()).collect();
        Table {
            order: (join.order.iter().enumerate())
                .map(|(nth, order)| {
                    let places = shapes.each_ref().map(|shape| shape.times[nth]);
                    Within { earlier: order.side, gap_ms: order.gap_ms, places }
                })
                .collect(),
            pairs_shown: join.kind.pairs(),
            keys: Keys::new(&types),
            types,
            transient: join.transient,
            sides: shapes.clone().map(Rows::new),
            output: Output::new(schema, inputs, join.kind.only(), (join.residual.as_ref(), &join.told), rejects),
            waiting: BTreeMap::new(),
            touched: Default::default(),
            marked: Default::default(),
            watermark: i64::MIN,
            shapes,
        }
    }

    /// Takes in all changes of one epoch, left and right; answers the changes of the result. Watermarks never go back.
    pub fn apply(&mut self, watermark: i64, inputs: [&[Delta]; 2]) -> Vec<Delta> {
        self.watermark = watermark;
        for (rows, deltas) in self.sides.iter_mut().zip(inputs) {
            rows.begin();
            deltas.iter().for_each(|delta| rows.insert(delta, &mut self.keys, watermark));
            rows.settle();
        }
        for (rows, marked) in self.sides.iter().zip(&mut self.marked) {
            if rows.shape.lone != Lone::Never {
                marked.resize(rows.len(), false);
            }
        }
        for side in Side::BOTH {
            self.touch_changed(side);
        }
        self.meet();
        for side in Side::BOTH {
            self.show(side);
        }
        for rows in &mut self.sides {
            let gone = rows.end();
            rows.release(gone);
        }
        if self.transient {
            self.sides[0] = Rows::new(self.shapes[0].clone());
            self.marked[0].clear();
        }
        self.free();
        self.output.finish()
    }

    /// The watermark at which rows are shown because they expired.
    pub fn deadline(&self) -> Option<i64> {
        self.waiting.first_key_value().map(|(expiry, _)| expiry.saturating_add(1))
    }

    /// Shows the rows that expired before `deadline` without a partner.
    pub fn close(&mut self, deadline: i64) -> Vec<Delta> {
        while let Some(entry) = self.waiting.first_entry().filter(|entry| entry.key().saturating_add(1) <= deadline) {
            let (expiry, slots) = entry.remove_entry();
            for (side, slots) in Side::BOTH.into_iter().zip(slots) {
                let rows = &self.sides[side as usize];
                let alone = |&slot: &u32| {
                    rows.expiry(slot) == expiry && rows.partners[slot as usize] <= 0 && rows.count(slot) != 0
                };
                let slots: Vec<u32> = slots.into_iter().filter(alone).collect();
                let diffs = slots.iter().map(|&slot| rows.count(slot)).collect();
                self.output.lone(columns(&self.sides), side, &slots, diffs);
            }
        }
        self.watermark = self.watermark.max(deadline);
        self.output.finish()
    }

    /// Frees what no row of an epoch at or above `watermark` can need; `close` was called for all deadlines until then.
    pub fn expire(&mut self, watermark: i64) {
        self.watermark = self.watermark.max(watermark);
        self.free();
    }

    /// Whether partners of a side's rows are counted.
    pub(super) fn counts_partners(&self, side: Side) -> bool {
        self.shapes[side as usize].lone != Lone::Never
    }

    /// The rows of a side that are of use, and how many partners each has, if that is counted; by pieces of so many rows.
    pub(super) fn save(&self, side: Side, rows: usize) -> Vec<(Delta, Option<Vec<i64>>)> {
        let of = &self.sides[side as usize];
        let partners = |slots: &[u32]| slots.iter().map(|&slot| of.partners[slot as usize]).collect();
        let piece = |slots: &[u32]| (of.save(slots), self.counts_partners(side).then(|| partners(slots)));
        of.live(self.watermark).chunks(rows).map(piece).collect()
    }

    /// Takes in rows of a side as they were saved. Before anything is applied.
    pub(super) fn load(&mut self, side: Side, rows: &Delta, partners: Option<&[i64]>) -> Result<(), Unfit> {
        self.sides[side as usize].load(rows, partners, &mut self.keys)
    }

    /// All rows were taken in, which were saved at this watermark.
    pub(super) fn loaded(&mut self, watermark: i64) {
        self.watermark = watermark;
        self.rewait();
    }

    /// Number of rows held, also of those that are dead.
    pub fn len(&self) -> usize {
        self.sides.iter().map(Rows::len).sum()
    }

    /// Whether no row is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Memory held, in bytes, about.
    pub fn bytes(&self) -> usize {
        self.keys.bytes() + self.sides.iter().map(Rows::bytes).sum::<usize>()
    }

    /// Finds every pair of which a row changes.
    fn meet(&mut self) {
        let mut pairs: [Vec<u32>; 2] = [Vec::with_capacity(MOST), Vec::with_capacity(MOST)];
        let bounds = self.sides.each_ref().map(|rows| rows.bounds(self.watermark));
        let mut near = Vec::new();
        let sides = if self.transient { &Side::BOTH[..1] } else { &Side::BOTH[..] };
        for &side in sides {
            let changed = std::mem::take(&mut self.sides[side as usize].changed);
            for &slot in &changed {
                let rows = &self.sides[side as usize];
                let key = rows.chains.key[slot as usize];
                // Most rows of many joins meet none.
                let none = key == NONE || self.sides[side.other() as usize].chains.is_empty(key);
                if none || !set_near(&mut near, &self.order, side, |place| rows.time(place, slot)) {
                    continue;
                }
                let mut walk = self.sides[side.other() as usize].chains.begin(key);
                loop {
                    let [left, right] = &mut self.sides;
                    let [mine, theirs] = &mut pairs;
                    let next = (&mut walk, MOST - mine.len());
                    let more = match side {
                        Side::Left => right.walk(next, &bounds[1], &near, |other, _| {
                            mine.push(slot);
                            theirs.push(other);
                        }),
                        Side::Right => left.walk(next, &bounds[0], &near, |other, change| {
                            // Else it was met from the left.
                            if change == 0 {
                                mine.push(other);
                                theirs.push(slot);
                            }
                        }),
                    };
                    if pairs[0].len() >= MOST {
                        self.take_pairs(&mut pairs);
                    }
                    if !more {
                        break;
                    }
                }
            }
            self.sides[side as usize].changed = changed;
        }
        self.take_pairs(&mut pairs);
    }

    /// Counts partners and shows pairs; leaves `pairs` empty.
    fn take_pairs(&mut self, pairs: &mut [Vec<u32>; 2]) {
        let [left, right] = &self.sides;
        self.output.restrict([&left.kept, &right.kept], pairs, &|l, r| pair_diff([left, right], l, r));
        for side in Side::BOTH {
            self.count_partners(side, pairs);
        }
        if self.pairs_shown {
            let [left, right] = &self.sides;
            if left.counted() || right.counted() {
                let mut diffs = Vec::with_capacity(pairs[0].len());
                let mut shown: [Vec<u32>; 2] = Default::default();
                for (&l, &r) in pairs[0].iter().zip(&pairs[1]) {
                    let diff = pair_diff([left, right], l, r);
                    if diff != 0 {
                        diffs.push(diff);
                        shown[0].push(l);
                        shown[1].push(r);
                    }
                }
                let diffs = diffs.iter().any(|diff| *diff != 1).then_some(diffs);
                self.output.pairs(columns(&self.sides), [&shown[0], &shown[1]], diffs);
            } else {
                self.output.pairs(columns(&self.sides), [&pairs[0], &pairs[1]], None);
            }
        }
        pairs.iter_mut().for_each(Vec::clear);
    }

    fn count_partners(&mut self, side: Side, pairs: &[Vec<u32>; 2]) {
        if self.sides[side as usize].shape.lone == Lone::Never {
            return;
        }
        for (&slot, &other) in pairs[side as usize].iter().zip(&pairs[side.other() as usize]) {
            let others = &self.sides[side.other() as usize];
            let fresh = slot >= self.sides[side as usize].fresh;
            let more = if fresh { others.count(other) } else { others.change(other) };
            if more != 0 {
                self.touch(side, slot);
                self.sides[side as usize].partners[slot as usize] += more;
            }
        }
    }

    fn touch_changed(&mut self, side: Side) {
        if self.sides[side as usize].shape.lone != Lone::Never {
            for i in 0..self.sides[side as usize].changed.len() {
                self.touch(side, self.sides[side as usize].changed[i]);
            }
        }
    }

    /// Notes how a row was before this epoch.
    #[inline]
    fn touch(&mut self, side: Side, slot: u32) {
        let (rows, marked) = (&self.sides[side as usize], &mut self.marked[side as usize][slot as usize]);
        if !std::mem::replace(marked, true) {
            let before = rows.count(slot) - rows.change(slot);
            self.touched[side as usize].push((slot, before, rows.partners[slot as usize]));
        }
    }

    /// Shows how the rows that were touched change for their own sake.
    fn show(&mut self, side: Side) {
        let (mut slots, mut diffs) = (Vec::new(), Vec::new());
        let rows = &self.sides[side as usize];
        for (slot, count, partners) in self.touched[side as usize].drain(..) {
            self.marked[side as usize][slot as usize] = false;
            if rows.shape.deferred && rows.expiry(slot).saturating_add(1) > self.watermark {
                if slot >= rows.fresh && rows.count(slot) != 0 {
                    let waiting = self.waiting.entry(rows.expiry(slot)).or_default();
                    waiting[side as usize].push(slot);
                }
                continue;
            }
            let shown = |count: i64, partners: i64| match rows.shape.lone {
                Lone::Matched if partners > 0 => count,
                Lone::Unmatched if partners <= 0 => count,
                _ => 0,
            };
            let diff = shown(rows.count(slot), rows.partners[slot as usize]) - shown(count, partners);
            if diff != 0 {
                slots.push(slot);
                diffs.push(diff);
            }
        }
        self.output.lone(columns(&self.sides), side, &slots, diffs);
    }

    /// Frees dead rows: all at once if all are, otherwise when half of them may be.
    fn free(&mut self) {
        self.sides.iter_mut().for_each(|rows| rows.expire(self.watermark));
        let bounded = self.shapes.iter().all(|shape| shape.is_bounded());
        if bounded && self.sides.iter().all(|rows| self.watermark > rows.last_expiry) && !self.is_empty() {
            self.clear();
        } else if self.is_wasteful() {
            self.compact();
        }
    }

    /// Whether more memory is taken for dead rows than for the others, or by far the most rows are dead. Half of them are at
    /// least, so what is done about it is paid for by them.
    fn is_wasteful(&self) -> bool {
        let (slots, dead) = (self.len(), self.sides.iter().map(Rows::dead_slots).sum::<usize>());
        if slots < FEW || dead * 2 < slots {
            return false;
        }
        let beside = self.keys.bytes() + self.sides.iter().map(Rows::slot_bytes).sum::<usize>();
        let (mut wasted, mut used) = (beside / slots * dead, beside / slots * (slots - dead));
        for rows in &self.sides {
            let (bytes, held) = rows.kept.columns_held();
            let of_use = bytes / held.max(1) * (rows.len() - rows.dead_slots()).min(held);
            (wasted, used) = (wasted + bytes - of_use, used + of_use);
        }
        wasted >= used || dead >= slots / 4 * 3
    }

    fn clear(&mut self) {
        self.keys = Keys::new(&self.types);
        self.sides = self.shapes.clone().map(Rows::new);
        self.marked = Default::default();
    }

    /// Forgets the dead rows; the others get other slots.
    fn compact(&mut self) {
        let live = self.sides.each_ref().map(|rows| rows.live(self.watermark));
        retain(&mut self.sides, &live, &mut self.keys, &self.types);
        self.rewait();
    }

    /// The slots that wait, after they got other numbers.
    fn rewait(&mut self) {
        for side in Side::BOTH {
            let rows = &self.sides[side as usize];
            self.marked[side as usize] = match rows.shape.lone {
                Lone::Never => Vec::new(),
                _ => vec![false; rows.len()],
            };
        }
        if self.shapes.iter().any(|shape| shape.deferred) {
            self.waiting.clear();
            for (side, rows) in self.sides.iter().enumerate().filter(|(_, rows)| rows.shape.deferred) {
                for slot in 0..rows.len() as u32 {
                    self.waiting.entry(rows.expiry(slot)).or_default()[side].push(slot);
                }
            }
        }
    }
}

/// How often a pair of slots is added, or taken back, in this epoch.
#[inline]
fn pair_diff([left, right]: [&Rows; 2], l: u32, r: u32) -> i64 {
    let (new_l, new_r) = (left.count(l), right.count(r));
    new_l * new_r - (new_l - left.change(l)) * (new_r - right.change(r))
}

fn columns([left, right]: &[Rows; 2]) -> [&Kept; 2] {
    [&left.kept, &right.kept]
}

/// Sets which times the rows of the other side have that a row of a side meets, by that row's; `false` if it meets none.
fn set_near(near: &mut Vec<Near>, order: &[Within], side: Side, time: impl Fn(usize) -> i64) -> bool {
    near.clear();
    for Within { earlier, gap_ms, places } in order {
        let (own, place) = (time(places[side as usize]), places[side.other() as usize]);
        // NULL is the least.
        let range = match own {
            i64::MIN => return false,
            own if *earlier == side => own.saturating_add(*gap_ms).max(i64::MIN + 1)..=i64::MAX,
            i64::MAX => i64::MIN + 1..=i64::MAX,
            own => i64::MIN + 1..=own.saturating_sub(*gap_ms),
        };
        match near.iter_mut().find(|(other, _)| *other == place) {
            Some((_, all)) => *all = *all.start().max(range.start())..=*all.end().min(range.end()),
            None => near.push((place, range)),
        }
    }
    true
}
