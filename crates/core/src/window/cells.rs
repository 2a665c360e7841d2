//! The rows of slices: a *cell* is a key in a slice.
//!
//! All keys are in one table and all cells in one set of accumulators, so a row is hashed once, a batch that spans slices is
//! aggregated as it is, and slices are combined without hashing anything. A slice that is being filled finds the cell of a
//! key by the key's number; the others only list their cells, so a slice costs what is in it.
//!
//! Invariant: a key is held while a cell of it is, or somebody else ([`Cells::hold`]).

use std::collections::BTreeMap;

use arrow_array::ArrayRef;
use arrow_schema::Field;

use super::{Window, split};
use crate::aggregate::{Grouping, Keys, Numbers, Role, States};
use crate::delta::{Delta, Unfit};

/// Most slices that find cells by key at a time; of the others each is made ready when rows come for it.
const READY: usize = 64;

/// The cells of a slice.
#[derive(Default)]
struct Slice {
    /// Their keys, and the cells themselves, side by side.
    keys: Vec<u32>,
    cells: Vec<u32>,
    /// By key: the cell and one, 0 where there is none. `None` if the slice is not ready to be filled.
    places: Option<Vec<u32>>,
}

/// Keys, cells and slices.
pub(super) struct Cells {
    columns: Vec<usize>,
    keys: Keys,
    /// By key: how many hold it.
    holds: Vec<u32>,
    numbers: Numbers,
    states: States,
    slices: BTreeMap<i64, Slice>,
    ready: usize,
    /// Places of slices that are no longer filled, all 0.
    spare: Vec<Vec<u32>>,
}

impl Cells {
    pub(super) fn new(grouping: &Grouping, role: Role) -> Cells {
        Cells {
            columns: grouping.keys.clone(),
            keys: Keys::new(&grouping.key_types),
            holds: Vec::new(),
            numbers: Numbers::default(),
            states: States::new(grouping, role),
            slices: BTreeMap::new(),
            ready: 0,
            spare: Vec::new(),
        }
    }

    pub(super) fn keys(&self) -> &Keys {
        &self.keys
    }

    pub(super) fn states(&self) -> &States {
        &self.states
    }

    /// How many cells there are.
    pub(super) fn len(&self) -> usize {
        self.numbers.live()
    }

    /// Memory held, in bytes, about.
    pub(super) fn bytes(&self) -> usize {
        let words = |slice: &Slice| {
            slice.keys.capacity() + slice.cells.capacity() + slice.places.as_ref().map_or(0, Vec::capacity)
        };
        let slices: usize = self.slices.values().map(|slice| 4 * words(slice) + size_of::<(i64, Slice)>()).sum();
        let spare: usize = self.spare.iter().map(|places| 4 * places.capacity()).sum();
        self.keys.bytes() + self.states.bytes() + 4 * self.holds.capacity() + slices + spare
    }

    /// The slices, ascending.
    pub(super) fn starts(&self) -> impl DoubleEndedIterator<Item = i64> {
        self.slices.keys().copied()
    }

    /// The first slice.
    pub(super) fn first(&self) -> Option<i64> {
        self.starts().next()
    }

    /// The slices in a range of time.
    pub(super) fn within(&self, range: std::ops::Range<i64>) -> Vec<i64> {
        self.slices.range(range).map(|(&start, _)| start).collect()
    }

    /// The keys of a slice's cells, and the cells.
    pub(super) fn of(&self, slice: i64) -> (&[u32], &[u32]) {
        self.slices.get(&slice).map_or((&[], &[]), |slice| (&slice.keys, &slice.cells))
    }

    /// The keys of rows. Whoever keeps one must hold it.
    pub(super) fn intern(&mut self, rows: &Delta) -> Vec<u32> {
        let columns: Vec<_> = self.columns.iter().map(|&column| rows.batch().column(column).clone()).collect();
        self.intern_columns(&columns, rows.len())
    }

    /// The keys of so many rows of key columns. Whoever keeps one must hold it.
    pub(super) fn intern_columns(&mut self, columns: &[ArrayRef], rows: usize) -> Vec<u32> {
        let mut keys = Vec::new();
        self.keys.intern(columns, rows, &mut keys);
        self.holds.resize(self.holds.len().max(self.keys.end()), 0);
        keys
    }

    /// The columns that cells are saved in: those of the key, then those of the state.
    pub(super) fn fields(&self) -> Vec<Field> {
        self.keys.fields().into_iter().chain(self.states.fields()).collect()
    }

    /// Cells in such columns, given by their keys and themselves.
    pub(super) fn save(&self, keys: &[u32], cells: &[u32]) -> Vec<ArrayRef> {
        self.keys.columns(keys).into_iter().chain(self.states.save(cells)).collect()
    }

    /// Takes in cells of such columns, each of the slice of its row, none of which is there.
    pub(super) fn load(&mut self, slices: &[i64], saved: &[ArrayRef]) -> Result<(), Unfit> {
        let (columns, states) = saved.split_at(self.columns.len());
        let keys = self.intern_columns(columns, slices.len());
        let mut rows: BTreeMap<i64, Vec<usize>> = BTreeMap::new();
        slices.iter().enumerate().for_each(|(row, &slice)| rows.entry(slice).or_default().push(row));
        let (mut cells, before) = (vec![0; slices.len()], self.numbers.live());
        for (slice, rows) in rows {
            let mut open = self.open(slice);
            for row in rows {
                cells[row] = place(&mut open, keys[row], &mut self.numbers, &mut self.holds);
            }
            self.close(slice, open);
        }
        if self.numbers.live() != before + slices.len() {
            return Err(Unfit::Value("a key is there twice in a slice"));
        }
        self.settle_old();
        self.states.resize(self.numbers.end());
        self.states.load(&cells, states)
    }

    /// Adds rows, each to the slice of its time; `times` are theirs.
    pub(super) fn add(&mut self, rows: &Delta, times: &[i64], window: &Window) {
        let size = window.slice_ms();
        match split::number(times, window, READY) {
            Some(numbered) if numbered.slices == 1 => self.add_to(numbered.first, rows),
            Some(numbered) if on_the_grid(numbered.first, size, numbered.slices) => {
                let start = |slice: usize| numbered.first + slice as i64 * size;
                let keys = self.intern(rows);
                let mut slices: Vec<Slice> = (0..numbered.slices).map(|slice| self.open(start(slice))).collect();
                let rows_of = keys.iter().zip(&numbered.of);
                let cells: Vec<u32> = rows_of
                    .map(|(&key, &slice)| place(&mut slices[slice as usize], key, &mut self.numbers, &mut self.holds))
                    .collect();
                for (i, slice) in slices.into_iter().enumerate() {
                    self.close(start(i), slice);
                }
                self.update(&cells, rows);
            }
            _ => {
                for (slice, part) in split::by_slice(rows, times, window) {
                    self.add_to(slice, &part);
                }
            }
        }
    }

    /// Adds rows to a slice.
    pub(super) fn add_to(&mut self, slice: i64, rows: &Delta) {
        let keys = self.intern(rows);
        let mut open = self.open(slice);
        let (numbers, holds) = (&mut self.numbers, &mut self.holds);
        let cells: Vec<u32> = keys.iter().map(|&key| place(&mut open, key, numbers, holds)).collect();
        self.close(slice, open);
        self.update(&cells, rows);
    }

    fn update(&mut self, cells: &[u32], rows: &Delta) {
        self.states.resize(self.numbers.end());
        self.states.update(cells, rows);
    }

    /// Which of these keys have a cell with rows in a slice: the keys, and the cells.
    pub(super) fn find(&mut self, slice: i64, keys: &[u32]) -> (Vec<u32>, Vec<u32>) {
        let open = self.open(slice);
        let places = open.places.as_deref().unwrap_or_default();
        let cell = |&key: &u32| Some((key, places[key as usize].checked_sub(1)?));
        let found =
            keys.iter().filter_map(cell).filter(|(_, cell)| self.states.rows(*cell).is_none_or(|rows| rows > 0));
        let found = found.unzip();
        self.close(slice, open);
        found
    }

    /// A slice, out of its place, ready to be filled.
    fn open(&mut self, start: i64) -> Slice {
        let mut slice = self.slices.remove(&start).unwrap_or_default();
        let end = self.keys.end();
        match &mut slice.places {
            Some(places) => places.resize(places.len().max(end), 0),
            places => {
                let mut ready = self.spare.pop().unwrap_or_default();
                ready.resize(ready.len().max(end), 0);
                slice.keys.iter().zip(&slice.cells).for_each(|(&key, &cell)| ready[key as usize] = cell + 1);
                *places = Some(ready);
                self.ready += 1;
            }
        }
        slice
    }

    /// Puts a slice back, unless nothing is in it.
    fn close(&mut self, start: i64, mut slice: Slice) {
        if slice.cells.is_empty() {
            self.retire(&mut slice);
        } else {
            self.slices.insert(start, slice);
        }
    }

    /// A slice will hardly be filled any more.
    pub(super) fn settle(&mut self, start: i64) {
        if let Some(mut slice) = self.slices.remove(&start) {
            self.retire(&mut slice);
            self.slices.insert(start, slice);
        }
    }

    fn retire(&mut self, slice: &mut Slice) {
        if let Some(mut places) = slice.places.take() {
            slice.keys.iter().for_each(|&key| places[key as usize] = 0);
            self.spare.push(places);
            self.spare.truncate(READY);
            self.ready -= 1;
        }
    }

    /// Keeps only the latest slices ready.
    pub(super) fn settle_old(&mut self) {
        if self.ready > READY {
            let ready = self.slices.iter().filter(|(_, slice)| slice.places.is_some()).map(|(&start, _)| start);
            let old: Vec<i64> = ready.take(self.ready - READY).collect();
            old.into_iter().for_each(|start| self.settle(start));
        }
    }

    /// Removes the cells of a slice that have no rows left, if rows are counted, and the slice with the last of them.
    pub(super) fn release(&mut self, start: i64) {
        if !self.states.counted() {
            return;
        }
        let Some(mut slice) = self.slices.remove(&start) else { return };
        let states = &self.states;
        let empty = |cell: u32| states.rows(cell) == Some(0);
        let gone: Vec<(u32, u32)> =
            slice.keys.iter().copied().zip(slice.cells.iter().copied()).filter(|(_, cell)| empty(*cell)).collect();
        if !gone.is_empty() {
            let stays: Vec<bool> = slice.cells.iter().map(|&cell| !empty(cell)).collect();
            let (mut key, mut cell) = (stays.iter(), stays.iter());
            slice.keys.retain(|_| key.next().is_some_and(|stays| *stays));
            slice.cells.retain(|_| cell.next().is_some_and(|stays| *stays));
            if let Some(places) = &mut slice.places {
                gone.iter().for_each(|(key, _)| places[*key as usize] = 0);
            }
            let (keys, cells): (Vec<u32>, Vec<u32>) = gone.into_iter().unzip();
            self.forget(&cells);
            self.let_go(&keys);
        }
        self.close(start, slice);
    }

    /// Removes a slice and its cells.
    pub(super) fn remove(&mut self, start: i64) {
        if let Some(mut slice) = self.slices.remove(&start) {
            self.retire(&mut slice);
            self.forget(&slice.cells);
            self.let_go(&slice.keys);
        }
    }

    fn forget(&mut self, cells: &[u32]) {
        self.states.reset(cells);
        cells.iter().for_each(|&cell| self.numbers.put(cell));
    }

    /// Holds a key.
    pub(super) fn hold(&mut self, key: u32) {
        self.holds[key as usize] += 1;
    }

    /// Lets go of keys; those that nobody holds are removed.
    pub(super) fn let_go(&mut self, keys: &[u32]) {
        let last = |&key: &u32| {
            self.holds[key as usize] -= 1;
            self.holds[key as usize] == 0
        };
        let gone: Vec<u32> = keys.iter().copied().filter(last).collect();
        self.keys.remove(&gone);
    }
}

/// The cell of a key in a slice that is ready.
#[inline(always)]
fn place(slice: &mut Slice, key: u32, numbers: &mut Numbers, holds: &mut [u32]) -> u32 {
    let Some(places) = &mut slice.places else { unreachable!("the slice was opened") };
    match places[key as usize] {
        0 => {
            let cell = numbers.take();
            places[key as usize] = cell + 1;
            holds[key as usize] += 1;
            slice.keys.push(key);
            slice.cells.push(cell);
            cell
        }
        place => place - 1,
    }
}

/// Whether so many slices from `first` on are within the range of times.
fn on_the_grid(first: i64, size: i64, slices: usize) -> bool {
    let end = size.checked_mul(slices as i64).and_then(|length| first.checked_add(length));
    first > i64::MIN && end.is_some()
}
