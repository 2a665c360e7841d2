//! Keys of one or two columns of fixed width: the words stand in the hash table itself.

use arrow_array::{Array, ArrayRef};
use arrow_buffer::NullBuffer;
use arrow_schema::DataType;
use hashbrown::HashTable;

use super::keys::Numbers;
use crate::delta::words::{self, hash_word, mix};

/// Keys of one word. The NULL key stands beside the table.
#[derive(Debug, Default)]
pub(super) struct WordKeys {
    table: HashTable<(u64, u32)>,
    words: Vec<u64>,
    null: Option<u32>,
    numbers: Numbers,
}

impl WordKeys {
    pub(super) fn intern(&mut self, column: &ArrayRef, groups: &mut Vec<u32>) {
        let words = words::words(column);
        match column.nulls().filter(|nulls| nulls.null_count() > 0) {
            None => groups.extend(words.iter().map(|&word| self.number(word))),
            Some(nulls) => groups.extend(words.iter().zip(nulls.iter()).map(|(&word, valid)| match valid {
                true => self.number(word),
                false => self.null(),
            })),
        }
    }

    pub(super) fn intern_from(&mut self, other: &WordKeys, from: &[u32]) -> Vec<u32> {
        let number = |&group: &u32| match other.null == Some(group) {
            true => self.null(),
            false => self.number(other.words[group as usize]),
        };
        from.iter().map(number).collect()
    }

    pub(super) fn find_from(&self, other: &WordKeys, from: &[u32]) -> Vec<Option<u32>> {
        let find = |word: u64| self.table.find(hash_word(word), |entry| entry.0 == word).map(|(_, group)| *group);
        let number = |&group: &u32| match other.null == Some(group) {
            true => self.null,
            false => find(other.words[group as usize]),
        };
        from.iter().map(number).collect()
    }

    #[inline(always)]
    fn number(&mut self, word: u64) -> u32 {
        let hash = hash_word(word);
        match self.table.find(hash, |entry| entry.0 == word) {
            Some((_, group)) => *group,
            None => self.add(hash, word),
        }
    }

    #[inline(never)]
    fn add(&mut self, hash: u64, word: u64) -> u32 {
        let group = self.numbers.take();
        self.table.insert_unique(hash, (word, group), |entry| hash_word(entry.0));
        set(&mut self.words, group, word);
        group
    }

    fn null(&mut self) -> u32 {
        let group = *self.null.get_or_insert_with(|| self.numbers.take());
        if group as usize >= self.words.len() {
            set(&mut self.words, group, 0);
        }
        group
    }

    pub(super) fn column(&self, data_type: &DataType, groups: &[u32]) -> ArrayRef {
        let values: Vec<u64> = groups.iter().map(|&group| self.words[group as usize]).collect();
        let null = self.null.filter(|null| groups.contains(null));
        let nulls = null.map(|null| NullBuffer::from_iter(groups.iter().map(|&group| group != null)));
        words::column(data_type, &values, nulls)
    }

    pub(super) fn remove(&mut self, group: u32) {
        let word = self.words[group as usize];
        if self.null == Some(group) {
            self.null = None;
        } else if let Ok(entry) = self.table.find_entry(hash_word(word), |entry| entry.1 == group) {
            entry.remove();
        }
        self.numbers.put(group);
        if self.numbers.live() == 0 {
            *self = WordKeys::default();
        }
    }

    pub(super) fn numbers(&self) -> &Numbers {
        &self.numbers
    }

    pub(super) fn bytes(&self) -> usize {
        self.table.allocation_size() + self.words.capacity() * 8
    }
}

/// Keys of two words; bit `i` of `nulls` says that word `i` is NULL (and 0).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Pair {
    words: [u64; 2],
    nulls: u8,
}

impl Pair {
    #[inline]
    fn hash(&self) -> u64 {
        mix(mix(hash_word(u64::from(self.nulls)), self.words[0]), self.words[1])
    }
}

/// Keys of two words.
#[derive(Debug, Default)]
pub(super) struct PairKeys {
    table: HashTable<(Pair, u32)>,
    pairs: Vec<Pair>,
    numbers: Numbers,
}

impl PairKeys {
    pub(super) fn intern(&mut self, first: &ArrayRef, second: &ArrayRef, groups: &mut Vec<u32>) {
        let (a, b) = (words::words(first), words::words(second));
        let null = |column: &ArrayRef, row: usize, bit: u8| if column.is_null(row) { bit } else { 0 };
        let nulls = first.null_count() + second.null_count() > 0;
        for (row, (&a, &b)) in a.iter().zip(b.iter()).enumerate() {
            let nulls = if nulls { null(first, row, 1) | null(second, row, 2) } else { 0 };
            groups.push(self.number(Pair { words: [a, b], nulls }));
        }
    }

    pub(super) fn intern_from(&mut self, other: &PairKeys, from: &[u32]) -> Vec<u32> {
        from.iter().map(|&group| self.number(other.pairs[group as usize])).collect()
    }

    pub(super) fn find_from(&self, other: &PairKeys, from: &[u32]) -> Vec<Option<u32>> {
        let find = |pair: Pair| self.table.find(pair.hash(), |entry| entry.0 == pair).map(|(_, group)| *group);
        from.iter().map(|&group| find(other.pairs[group as usize])).collect()
    }

    #[inline]
    fn number(&mut self, pair: Pair) -> u32 {
        let hash = pair.hash();
        if let Some((_, group)) = self.table.find(hash, |entry| entry.0 == pair) {
            return *group;
        }
        let group = self.numbers.take();
        self.table.insert_unique(hash, (pair, group), |entry| entry.0.hash());
        set(&mut self.pairs, group, pair);
        group
    }

    pub(super) fn columns(&self, types: &[DataType], groups: &[u32]) -> Vec<ArrayRef> {
        let column = |(i, data_type): (usize, &DataType)| {
            let values: Vec<u64> = groups.iter().map(|&group| self.pairs[group as usize].words[i]).collect();
            let nulls: NullBuffer =
                groups.iter().map(|&group| self.pairs[group as usize].nulls >> i & 1 == 0).collect();
            words::column(data_type, &values, Some(nulls).filter(|nulls| nulls.null_count() > 0))
        };
        types.iter().enumerate().map(column).collect()
    }

    pub(super) fn remove(&mut self, group: u32) {
        let pair = self.pairs[group as usize];
        if let Ok(entry) = self.table.find_entry(pair.hash(), |entry| entry.1 == group) {
            entry.remove();
        }
        self.numbers.put(group);
        if self.numbers.live() == 0 {
            *self = PairKeys::default();
        }
    }

    pub(super) fn numbers(&self) -> &Numbers {
        &self.numbers
    }

    pub(super) fn bytes(&self) -> usize {
        self.table.allocation_size() + self.pairs.capacity() * size_of::<Pair>()
    }
}

/// Puts a value at a number's place.
fn set<T: Copy + Default>(values: &mut Vec<T>, group: u32, value: T) {
    if group as usize >= values.len() {
        values.resize(group as usize + 1, T::default());
    }
    values[group as usize] = value;
}
