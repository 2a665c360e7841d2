//! Where each row stands, by its number. Rows with numbers one after the other mostly stand so, too: then one place tells
//! those of many.

use super::chunks::Entry;

/// Numbers of a block.
const BLOCK: usize = if cfg!(test) { 8 } else { 64 };
/// Marks a block whose rows do not stand one after the other.
const APART: u64 = 1 << 63;

/// The place of each row.
#[derive(Debug, Default)]
pub(super) struct Places {
    len: usize,
    /// Per block the place of its first row if the others follow, else its number in `apart`, marked.
    blocks: Vec<u64>,
    apart: Vec<[Entry; BLOCK]>,
}

impl Places {
    /// How many rows there are.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Where a row stands.
    #[inline]
    pub(super) fn get(&self, row: u32) -> Entry {
        let (block, at) = (row as usize / BLOCK, row as usize % BLOCK);
        match self.blocks[block] {
            apart if apart & APART != 0 => self.apart[(apart & !APART) as usize][at],
            first => first + at as u64,
        }
    }

    /// Adds rows that stand one after the other from this place on.
    pub(super) fn push(&mut self, mut entry: Entry, mut rows: usize) {
        while rows > 0 {
            let at = self.len % BLOCK;
            let more = rows.min(BLOCK - at);
            match self.blocks.last_mut().filter(|_| at > 0) {
                None => self.blocks.push(entry),
                Some(first) if *first & APART == 0 && *first + at as u64 == entry => {}
                Some(block) => {
                    if *block & APART == 0 {
                        self.apart.push(std::array::from_fn(|nth| *block + nth as u64));
                        *block = (self.apart.len() - 1) as u64 | APART;
                    }
                    let places = &mut self.apart[(*block & !APART) as usize][at..at + more];
                    places.iter_mut().zip(entry..).for_each(|(place, entry)| *place = entry);
                }
            }
            (self.len, entry, rows) = (self.len + more, entry + more as u64, rows - more);
        }
    }

    /// Forgets the rows from this one on.
    pub(super) fn truncate(&mut self, len: usize) {
        self.len = len;
        while self.blocks.len() > len.div_ceil(BLOCK) {
            if self.blocks.pop().is_some_and(|block| block & APART != 0) {
                self.apart.pop();
            }
        }
    }

    /// Memory held, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.blocks.capacity() * 8 + self.apart.capacity() * size_of::<[Entry; BLOCK]>()
    }
}

impl FromIterator<Entry> for Places {
    fn from_iter<I: IntoIterator<Item = Entry>>(entries: I) -> Places {
        let mut places = Places::default();
        let mut run: Option<(Entry, usize)> = None;
        for entry in entries {
            match &mut run {
                Some((first, rows)) if *first + *rows as u64 == entry => *rows += 1,
                _ => {
                    if let Some((first, rows)) = run.replace((entry, 1)) {
                        places.push(first, rows);
                    }
                }
            }
        }
        run.into_iter().for_each(|(first, rows)| places.push(first, rows));
        places
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_stand_where_they_were_put() {
        let (mut places, mut expected) = (Places::default(), Vec::<Entry>::new());
        let mut state = 5u64;
        let mut random = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) % below
        };
        for step in 0..3_000 {
            let (entry, rows) = (random(50) << 32 | random(100), random(BLOCK as u64 * 3));
            // Now and then the rows go on where the last ones ended.
            let entry = expected.last().filter(|_| step % 3 == 0).map_or(entry, |last| last + 1);
            places.push(entry, rows as usize);
            expected.extend(entry..entry + rows);
            if step % 4 == 0 {
                let left = expected.len() - random(expected.len() as u64 + 1).min(40) as usize;
                places.truncate(left);
                expected.truncate(left);
            }
            assert_eq!(places.len(), expected.len());
            let again: Places = expected.iter().copied().collect();
            let all = 0..expected.len() as u32;
            assert!(all.clone().all(|row| places.get(row) == expected[row as usize]), "step {step}");
            assert!(all.clone().all(|row| again.get(row) == expected[row as usize]), "step {step}");
            if expected.len() > 500 {
                places.truncate(0);
                expected.clear();
            }
        }
    }
}
