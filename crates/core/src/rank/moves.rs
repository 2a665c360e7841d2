//! Rows that move together out of batches that are mostly waste. All entries are marked, then the rows are copied batch by
//! batch in the order they stand in, then all entries are redirected.

use std::collections::BTreeMap;

use super::store::{Entry, Place, ROWS, Store};

/// A row that nobody marked.
const UNMARKED: u32 = u32::MAX;

/// A batch whose rows move.
struct Moving {
    /// Per row how often it is held, if it is, without the first time; then where it moves to.
    rows: Vec<u32>,
    held: usize,
    to: u32,
}

/// The batches whose rows move, by their numbers.
pub(super) struct Moves {
    from: Vec<Option<Box<Moving>>>,
}

impl Moves {
    /// Of so many batches those of these numbers, each with how many rows it has.
    pub(super) fn new(chunks: usize, moving: impl Iterator<Item = (usize, usize)>) -> Moves {
        let mut from: Vec<Option<Box<Moving>>> = (0..chunks).map(|_| None).collect();
        for (number, rows) in moving {
            from[number] = Some(Box::new(Moving { rows: vec![UNMARKED; rows], held: 0, to: 0 }));
        }
        Moves { from }
    }

    /// Says that a row is held; of every entry.
    #[inline]
    pub(super) fn mark(&mut self, entry: Entry) {
        let (chunk, row) = entry.place.parts();
        if let Some(moving) = &mut self.from[chunk] {
            moving.held += usize::from(moving.rows[row] == UNMARKED);
            moving.rows[row] = moving.rows[row].wrapping_add(1);
        }
    }

    /// Moves the rows that were marked.
    pub(super) fn carry_out(&mut self, store: &mut Store) {
        let all: Vec<usize> = (0..self.from.len()).filter(|&number| self.from[number].is_some()).collect();
        let mut rest = &all[..];
        while !rest.is_empty() {
            let mut rows = 0;
            let fits = rest.iter().take_while(|&&number| {
                rows += self.from[number].as_ref().map_or(0, |moving| moving.held);
                rows <= ROWS
            });
            let (together, others) = rest.split_at(fits.count().max(1));
            self.put_together(together, store);
            rest = others;
        }
    }

    fn put_together(&mut self, chunks: &[usize], store: &mut Store) {
        let (mut places, mut again, to) = (Vec::new(), BTreeMap::new(), store.number());
        for &number in chunks {
            let Some(moving) = &mut self.from[number] else { continue };
            moving.to = to;
            for (row, mark) in moving.rows.iter_mut().enumerate().filter(|(_, mark)| **mark != UNMARKED) {
                let place = places.len() as u32;
                if *mark > 0 {
                    again.insert(place, *mark as usize);
                }
                *mark = place;
                places.push(Place::new(number as u32, row));
            }
        }
        debug_assert!(!places.is_empty(), "a batch lives while a row of it is held");
        let columns = store.whole(places.iter().copied());
        chunks.iter().for_each(|&number| store.forget(number as u32));
        store.put_held(to, columns, places.len(), again);
    }

    /// Where a row is now; of every entry, once.
    #[inline]
    pub(super) fn redirect(&self, entry: &mut Entry) {
        let (chunk, row) = entry.place.parts();
        if let Some(Some(moving)) = self.from.get(chunk) {
            entry.place = Place::new(moving.to, moving.rows[row] as usize);
        }
    }
}
