//! The keys that a partition took lately: a row whose key is among them is a duplicate.
//!
//! A key taken at time `s`, the later of its row's event time and the watermark then, is known until the watermark or the
//! row that asks is at `s + horizon`. Invariants: the answers depend on the rows in their order alone; keys beyond the
//! horizon are dropped as often as the number kept has doubled, so twice the keys of a horizon are kept at most. Times are ms.

use std::collections::HashMap;
use std::ops::Range;

use arrow_array::{Array, ArrayRef};
use arrow_row::{RowConverter, Rows, SortField};
use arrow_schema::DataType;

use super::DedupSpec;

/// As few keys are not worth a sweep.
const FEW: usize = 1024;

/// The keys taken lately.
#[derive(Debug)]
pub(super) struct Dedup {
    spec: DedupSpec,
    converter: RowConverter,
    /// Hashed with a seed of its own, for clients choose the keys; its order is never seen.
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
    pub(super) fn new(spec: DedupSpec, kind: &DataType) -> Dedup {
        let converter = match RowConverter::new(vec![SortField::new(kind.clone())]) {
            Ok(converter) => converter,
            Err(error) => unreachable!("keys are of plain types: {error}"),
        };
        Dedup { spec, converter, taken: HashMap::new(), sweep_at: FEW }
    }

    /// The keys of these rows.
    pub(super) fn keys(&self, columns: &[ArrayRef], range: Range<usize>) -> Keys {
        let column = columns[self.spec.column].slice(range.start, range.len());
        match self.converter.convert_columns(std::slice::from_ref(&column)) {
            Ok(rows) => Keys { column, rows },
            Err(error) => unreachable!("the column has the type of the keys: {error}"),
        }
    }

    /// Whether a row with this key and event time is a duplicate under the watermark.
    pub(super) fn knows(&self, key: &[u8], event: i64, watermark: i64) -> bool {
        let end = |taken: &i64| taken.saturating_add(self.spec.horizon_ms);
        self.taken.get(key).is_some_and(|taken| watermark.max(event) < end(taken))
    }

    /// Remembers the key of a row that is taken under the watermark.
    pub(super) fn take(&mut self, key: &[u8], event: i64, watermark: i64) {
        self.taken.insert(key.into(), event.max(watermark));
        if self.taken.len() >= self.sweep_at {
            let horizon_ms = self.spec.horizon_ms;
            self.taken.retain(|_, taken| watermark < taken.saturating_add(horizon_ms));
            self.sweep_at = FEW.max(2 * self.taken.len());
        }
    }

    /// How many keys are kept.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.taken.len()
    }
}
