//! Nets the changes of one epoch: equal rows are added up, and what is left stands in an order that depends on the rows
//! only: retractions before insertions, each by the bytes of the rows.
//!
//! Cost: one row encoding and one sort of the epoch's rows. Equality is that of the encoding (NULL equals NULL).

use arrow_array::{ArrayRef, RecordBatch, UInt32Array};
use arrow_row::{OwnedRow, RowConverter, RowParser, Rows, SortField};
use arrow_schema::{ArrowError, SchemaRef};

use super::Delta;

/// Encodes rows of one schema as bytes that sort as the rows do, some columns first.
#[derive(Debug)]
pub(crate) struct RowCodec {
    converter: RowConverter,
    keys: Option<RowConverter>,
    schema: SchemaRef,
    /// The columns in the order in which they are encoded.
    order: Vec<usize>,
    key: usize,
}

/// What is left of an epoch's changes.
#[derive(Debug)]
pub(crate) struct Netted {
    /// The changes, retractions first.
    pub(crate) delta: Delta,
    /// The encoding of each row of `delta`.
    pub(crate) rows: Vec<Box<[u8]>>,
    /// How many of the rows are retractions.
    pub(crate) retractions: usize,
}

impl RowCodec {
    /// For rows of `schema`, the columns of `key` first. Refuses types that have no order.
    pub(crate) fn new(schema: SchemaRef, key: &[usize]) -> Result<RowCodec, ArrowError> {
        let rest = (0..schema.fields().len()).filter(|column| !key.contains(column));
        let order: Vec<usize> = key.iter().copied().chain(rest).collect();
        let fields = |columns: &[usize]| -> Vec<SortField> {
            columns.iter().map(|&column| SortField::new(schema.field(column).data_type().clone())).collect()
        };
        let converter = RowConverter::new(fields(&order))?;
        let keys = if key.is_empty() { None } else { Some(RowConverter::new(fields(key))?) };
        Ok(RowCodec { converter, keys, order, key: key.len(), schema })
    }

    /// The schema of the rows.
    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn columns(&self, batch: &RecordBatch, many: usize) -> Vec<ArrayRef> {
        self.order[..many].iter().map(|&column| batch.column(column).clone()).collect()
    }

    fn encode(&self, batch: &RecordBatch) -> Rows {
        match self.converter.convert_columns(&self.columns(batch, self.order.len())) {
            Ok(rows) => rows,
            Err(error) => unreachable!("the batch has the schema that the codec was made for: {error}"),
        }
    }

    /// The encoded key columns of every row: a prefix of the encoded row. `None` without key columns.
    pub(crate) fn keys(&self, batch: &RecordBatch) -> Option<Rows> {
        let keys = self.keys.as_ref()?;
        match keys.convert_columns(&self.columns(batch, self.key)) {
            Ok(rows) => Some(rows),
            Err(error) => unreachable!("the batch has the schema that the codec was made for: {error}"),
        }
    }

    /// What tells an encoded row from others: the bytes of its key, with which it begins; all of it without key columns.
    pub(crate) fn identity(&self, row: &[u8]) -> Vec<u8> {
        match self.keys(&self.decode([row])) {
            Some(keys) => keys.row(0).data().to_vec(),
            None => row.to_vec(),
        }
    }

    /// The rows of these encodings.
    pub(crate) fn decode<'a>(&self, rows: impl IntoIterator<Item = &'a [u8]>) -> RecordBatch {
        let parser: RowParser = self.converter.parser();
        let owned: Vec<OwnedRow> = rows.into_iter().map(|bytes| parser.parse(bytes).owned()).collect();
        let count = owned.len();
        let columns = match self.converter.convert_rows(owned.iter().map(OwnedRow::row)) {
            Ok(columns) => columns,
            Err(error) => unreachable!("the bytes were encoded by this codec: {error}"),
        };
        let mut placed: Vec<(usize, ArrayRef)> = self.order.iter().copied().zip(columns).collect();
        placed.sort_by_key(|(column, _)| *column);
        let columns = placed.into_iter().map(|(_, column)| column).collect();
        let options = arrow_array::RecordBatchOptions::new().with_row_count(Some(count));
        match RecordBatch::try_new_with_options(self.schema.clone(), columns, &options) {
            Ok(batch) => batch,
            Err(error) => unreachable!("the columns are those of the schema: {error}"),
        }
    }

    /// The encodings of the rows of a batch.
    pub(crate) fn bytes(&self, batch: &RecordBatch) -> Vec<Box<[u8]>> {
        self.encode(batch).iter().map(|row| row.data().into()).collect()
    }

    /// Nets the changes of one epoch; `None` if nothing is left. `encoded` says whether the rows' bytes are wanted too.
    pub(crate) fn net(&self, deltas: &[Delta], encoded: bool) -> Option<Netted> {
        let all = Delta::concat(&self.schema, deltas);
        if all.is_empty() {
            return None;
        }
        let rows = self.encode(all.batch());
        let mut sorted: Vec<(u64, u32)> =
            (0..all.len() as u32).map(|row| (prefix(rows.row(row as usize).data()), row)).collect();
        sorted.sort_unstable_by(|left, right| {
            let whole = || rows.row(left.1 as usize).cmp(&rows.row(right.1 as usize));
            left.0.cmp(&right.0).then_with(whole).then(left.1.cmp(&right.1))
        });
        let mut taken: Vec<(u32, i64)> = Vec::new();
        let mut added: Vec<(u32, i64)> = Vec::new();
        let mut at = 0;
        while at < sorted.len() {
            let first = sorted[at].1;
            let mut diff = 0_i64;
            while at < sorted.len() && rows.row(sorted[at].1 as usize) == rows.row(first as usize) {
                diff = diff.saturating_add(all.diff(sorted[at].1 as usize));
                at += 1;
            }
            match diff {
                0 => {}
                1.. => added.push((first, diff)),
                _ => taken.push((first, diff)),
            }
        }
        let retractions = taken.len();
        taken.append(&mut added);
        if taken.is_empty() {
            return None;
        }
        let chosen: UInt32Array = taken.iter().map(|(row, _)| *row).collect();
        let (batch, _) = all.take(&chosen).into_parts();
        let plain = taken.iter().all(|(_, diff)| *diff == 1);
        let diffs = (!plain).then(|| taken.iter().map(|(_, diff)| *diff).collect());
        let rows = match encoded {
            true => taken.iter().map(|(row, _)| rows.row(*row as usize).data().into()).collect(),
            false => Vec::new(),
        };
        Some(Netted { delta: Delta::new(batch, diffs), rows, retractions })
    }
}

/// The first 8 bytes as a number that sorts as they do.
fn prefix(bytes: &[u8]) -> u64 {
    let mut head = [0; 8];
    let kept = bytes.len().min(8);
    head[..kept].copy_from_slice(&bytes[..kept]);
    u64::from_be_bytes(head)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{Int64Array, StringArray};
    use arrow_schema::{DataType, Field, Schema};

    use super::*;

    fn schema() -> SchemaRef {
        let number = Field::new("n", DataType::Int64, true);
        Arc::new(Schema::new(vec![number, Field::new("word", DataType::Utf8, true)]))
    }

    fn delta(rows: &[(Option<i64>, &str, i64)]) -> Delta {
        let numbers: Int64Array = rows.iter().map(|row| row.0).collect();
        let words: StringArray = rows.iter().map(|row| Some(row.1)).collect();
        let batch = RecordBatch::try_new(schema(), vec![Arc::new(numbers), Arc::new(words)]).unwrap();
        Delta::new(batch, Some(rows.iter().map(|row| row.2).collect()))
    }

    #[test]
    fn equal_rows_are_netted_and_order_depends_on_rows_only() {
        let codec = RowCodec::new(schema(), &[1]).unwrap();
        let one = delta(&[(Some(2), "b", 1), (None, "a", 1), (Some(1), "z", -1), (Some(5), "x", 1)]);
        let two = delta(&[(Some(5), "x", -1), (None, "a", 1), (Some(-3), "b", -1)]);
        let expected = delta(&[(Some(-3), "b", -1), (Some(1), "z", -1), (None, "a", 2), (Some(2), "b", 1)]);
        for deltas in [[one.clone(), two.clone()], [two, one]] {
            let netted = codec.net(&deltas, true).unwrap();
            assert_eq!(netted.delta.batch(), expected.batch());
            assert_eq!(netted.delta.diffs(), expected.diffs());
            assert_eq!(netted.retractions, 2);
            assert_eq!(&codec.decode(netted.rows.iter().map(AsRef::as_ref)), expected.batch());
            let keys = codec.keys(netted.delta.batch()).unwrap();
            for (row, key) in netted.rows.iter().zip(keys.iter()) {
                assert!(row.starts_with(key.data()), "the key's bytes come first");
            }
        }
    }

    #[test]
    fn nothing_is_left_of_what_cancels() {
        let codec = RowCodec::new(schema(), &[]).unwrap();
        assert!(codec.net(&[delta(&[(Some(1), "a", 1), (Some(1), "a", -1)])], true).is_none());
        assert!(codec.net(&[], true).is_none());
    }
}
