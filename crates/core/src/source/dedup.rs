//! The keys that a partition took lately: a row whose key is among them is a duplicate.
//!
//! A row is *at* the later of its event time and the watermark it arrived under. A key taken at `s` is known to rows that are
//! at less than `s + horizon`. Invariants: the answers depend on the rows in their order alone; keys beyond the horizon are
//! dropped as often as the number kept has doubled, so twice the keys of a horizon are kept at most. Times are ms.

use std::collections::HashMap;

use arrow_array::{Array, ArrayRef};
use arrow_row::{RowConverter, Rows, SortField};
use arrow_schema::DataType;

use crate::delta::canonical;

/// As few keys are not worth a sweep.
const FEW: usize = 1024;

/// The keys taken lately.
#[derive(Debug)]
pub(super) struct Dedup {
    horizon_ms: i64,
    converter: RowConverter,
    /// Where each was taken. Hashed with a seed of its own, for clients choose the keys; its order is never seen.
    taken: HashMap<Box<[u8]>, i64>,
    sweep_at: usize,
}

/// The keys of a run of rows.
pub(super) struct Keys {
    column: ArrayRef,
    rows: Rows,
}

impl Keys {
    /// The key of a row; `None` is NULL, which is never a duplicate.
    pub(super) fn get(&self, row: usize) -> Option<&[u8]> {
        (!self.column.is_null(row)).then(|| self.rows.row(row).data())
    }
}

impl Dedup {
    /// Without any key, which are of this type.
    pub(super) fn new(horizon_ms: i64, kind: &DataType) -> Dedup {
        let converter = match RowConverter::new(vec![SortField::new(kind.clone())]) {
            Ok(converter) => converter,
            Err(error) => unreachable!("keys are of plain types: {error}"),
        };
        Dedup { horizon_ms, converter, taken: HashMap::new(), sweep_at: FEW }
    }

    /// The keys in a column.
    pub(super) fn keys(&self, column: ArrayRef) -> Keys {
        match self.converter.convert_columns(&[canonical(&column)]) {
            Ok(rows) => Keys { column, rows },
            Err(error) => unreachable!("the column has the type of the keys: {error}"),
        }
    }

    /// Whether a row with this key is a duplicate.
    pub(super) fn knows(&self, key: &[u8], at: i64) -> bool {
        self.taken.get(key).is_some_and(|taken| at < taken.saturating_add(self.horizon_ms))
    }

    /// Remembers the key of a row that is taken; no row is at less than `watermark` any more.
    pub(super) fn take(&mut self, key: &[u8], at: i64, watermark: i64) {
        self.taken.insert(key.into(), at);
        if self.taken.len() >= self.sweep_at {
            let horizon_ms = self.horizon_ms;
            self.taken.retain(|_, taken| watermark < taken.saturating_add(horizon_ms));
            self.sweep_at = FEW.max(2 * self.taken.len());
        }
    }

    /// The keys that are kept, in their order, and where each was taken.
    pub(super) fn taken(&self) -> (ArrayRef, Vec<i64>) {
        let mut taken: Vec<(&[u8], i64)> = self.taken.iter().map(|(key, at)| (key.as_ref(), *at)).collect();
        taken.sort_unstable();
        let (keys, at): (Vec<&[u8]>, Vec<i64>) = taken.into_iter().unzip();
        let parser = self.converter.parser();
        match self.converter.convert_rows(keys.into_iter().map(|key| parser.parse(key))) {
            Ok(mut columns) => (columns.swap_remove(0), at),
            Err(error) => unreachable!("they were keys of this type when they came: {error}"),
        }
    }

    /// Knows these keys too, which [`Dedup::taken`] told.
    pub(super) fn load(&mut self, keys: ArrayRef, at: &[i64]) {
        let keys = self.keys(keys);
        for (row, at) in at.iter().enumerate() {
            if let Some(key) = keys.get(row) {
                self.taken.insert(key.into(), *at);
            }
        }
        self.sweep_at = FEW.max(2 * self.taken.len());
    }

    /// How many keys are kept.
    pub(super) fn len(&self) -> usize {
        self.taken.len()
    }

    /// Memory held, in bytes, about.
    pub(super) fn bytes(&self) -> usize {
        let key = self.taken.keys().next().map_or(0, |key| key.len());
        self.taken.capacity() * (size_of::<(Box<[u8]>, i64)>() + key)
    }
}
