//! The changes of a join's result in one epoch: pairs and lone rows, made into batches of a good size.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray, NullArray, RecordBatch, RecordBatchOptions, new_null_array};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use datafusion_physical_expr::utils::collect_columns;

use super::Side;
use crate::delta::{Delta, Rejects};
use crate::expression::{Scalar, failure, halving, read_as, told_as, truth};
use crate::kept::Kept;

/// Most rows of a delta, and of a batch on which the residual is evaluated; most pairs that wait to be shown. Tests have few rows.
pub(super) const MOST: usize = if cfg!(test) { 8 } else { 8192 };

/// What the changes of a join are made into.
#[derive(Debug)]
pub(super) struct Output {
    schema: SchemaRef,
    /// The types of the columns left and right.
    types: [Vec<DataType>; 2],
    only: Option<Side>,
    residual: Option<Residual>,
    deltas: Vec<Delta>,
}

/// The condition on pairs that is neither equality nor order in time.
#[derive(Debug)]
struct Residual {
    expression: Scalar,
    /// The columns left, then right; those that the expression does not read are `Null`.
    schema: SchemaRef,
    read: Vec<bool>,
    /// All columns, under the names by which the expression reads them.
    whole: SchemaRef,
    rejects: Rejects,
}

impl Output {
    /// `schema` is that of the result, `only` the side whose columns alone it has; beside the residual the names by which the query tells columns.
    pub(super) fn new(
        schema: &SchemaRef,
        inputs: [&SchemaRef; 2],
        only: Option<Side>,
        (residual, told): (Option<&Scalar>, &[Option<String>]),
        rejects: &Rejects,
    ) -> Output {
        let residual = residual.map(|expression| {
            let fields: Vec<_> = inputs.iter().flat_map(|schema| schema.fields().iter().cloned()).collect();
            let mut read = vec![false; fields.len()];
            collect_columns(expression).iter().for_each(|column| read[column.index()] = true);
            let narrow = fields.iter().zip(&read).map(|(field, read)| match read {
                true => Arc::new(field.as_ref().clone().with_nullable(true)),
                false => Arc::new(Field::new(field.name(), DataType::Null, true)),
            });
            let schema = Arc::new(Schema::new(narrow.collect::<Vec<_>>()));
            let (expression, whole) = (expression.clone(), read_as(&told_as(&pair_schema(inputs), told), [expression]));
            Residual { expression, schema, read, whole, rejects: rejects.clone() }
        });
        let types = inputs.map(|schema| schema.fields().iter().map(|field| field.data_type().clone()).collect());
        Output { schema: schema.clone(), types, only, residual, deltas: Vec::new() }
    }

    /// Drops the pairs that the residual does not hold for; `diff` says how often a pair (a slot left, one right) is added or
    /// taken back, for those on which it fails.
    pub(super) fn restrict(&self, sides: [&Kept; 2], pairs: &mut [Vec<u32>; 2], diff: &dyn Fn(u32, u32) -> i64) {
        if let Some(keep) = self.holds(sides, pairs, &|pair| diff(pairs[0][pair], pairs[1][pair])) {
            pairs.iter_mut().for_each(|slots| retain(slots, &keep));
        }
    }

    /// For which pairs the residual holds; `None` if there is none. `diff` is asked for pairs on which it fails.
    pub(super) fn holds(
        &self,
        sides: [&Kept; 2],
        pairs: &[Vec<u32>; 2],
        diff: &dyn Fn(usize) -> i64,
    ) -> Option<Vec<bool>> {
        let residual = self.residual.as_ref()?;
        Some(residual.holds(sides, pairs, self.types[0].len(), diff))
    }

    /// Adds pairs; `diffs` is `None` if each is `+1`.
    pub(super) fn pairs(&mut self, sides: [&Kept; 2], pairs: [&[u32]; 2], diffs: Option<Vec<i64>>) {
        let columns = sides.iter().zip(pairs).flat_map(|(side, slots)| side.gather(slots)).collect();
        self.push(columns, pairs[0].len(), diffs);
    }

    /// Adds rows of one side, beside NULLs if the other side is shown as well.
    pub(super) fn lone(&mut self, sides: [&Kept; 2], side: Side, slots: &[u32], diffs: Vec<i64>) {
        for (slots, diffs) in slots.chunks(MOST).zip(diffs.chunks(MOST)) {
            let mut columns = sides[side as usize].gather(slots);
            if self.only.is_none() {
                let nulls = self.types[side.other() as usize].iter();
                let nulls = nulls.map(|data_type| new_null_array(data_type, slots.len()));
                match side {
                    Side::Left => columns.extend(nulls),
                    Side::Right => columns = nulls.chain(columns).collect(),
                }
            }
            self.push(columns, slots.len(), diffs.iter().any(|diff| *diff != 1).then(|| diffs.to_vec()));
        }
    }

    fn push(&mut self, columns: Vec<ArrayRef>, rows: usize, diffs: Option<Vec<i64>>) {
        if rows > 0 {
            let options = RecordBatchOptions::new().with_row_count(Some(rows));
            match RecordBatch::try_new_with_options(self.schema.clone(), columns, &options) {
                Ok(batch) => self.deltas.push(Delta::new(batch, diffs.map(Into::into))),
                Err(error) => unreachable!("the result of a join has the columns of its inputs: {error}"),
            }
        }
    }

    /// The changes so far; small deltas are put together.
    pub(super) fn finish(&mut self) -> Vec<Delta> {
        let (mut deltas, mut few, mut rows) = (Vec::new(), Vec::new(), 0);
        for delta in std::mem::take(&mut self.deltas) {
            if rows + delta.len() > MOST && !few.is_empty() {
                deltas.push(Delta::concat(&self.schema, &std::mem::take(&mut few)));
                rows = 0;
            }
            rows += delta.len();
            few.push(delta);
        }
        if !few.is_empty() {
            deltas.push(Delta::concat(&self.schema, &few));
        }
        deltas
    }
}

/// Those that are to be kept.
pub(super) fn retain<T>(values: &mut Vec<T>, keep: &[bool]) {
    let mut row = 0..;
    values.retain(|_| row.next().is_some_and(|row| keep[row]));
}

impl Residual {
    fn batch(&self, sides: [&Kept; 2], pairs: &[Vec<u32>; 2], split: usize) -> RecordBatch {
        let rows = pairs[0].len();
        let column = |(i, read): (usize, &bool)| match read {
            false => Arc::new(NullArray::new(rows)) as ArrayRef,
            true if i < split => sides[0].column(i, &pairs[0]),
            true => sides[1].column(i - split, &pairs[1]),
        };
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let columns = self.read.iter().enumerate().map(column).collect();
        match RecordBatch::try_new_with_options(self.schema.clone(), columns, &options) {
            Ok(batch) => batch,
            Err(error) => unreachable!("the columns are those of the inputs: {error}"),
        }
    }

    /// For which pairs it is true; a pair on which it fails becomes a dead letter alone.
    fn holds(&self, sides: [&Kept; 2], pairs: &[Vec<u32>; 2], split: usize, diff: &dyn Fn(usize) -> i64) -> Vec<bool> {
        let batch = self.batch(sides, pairs, split);
        let step = |rows: Range<usize>| truth(&self.expression, &batch.slice(rows.start, rows.len()));
        let parts = halving(0..batch.num_rows(), &step, &mut |pair| {
            let columns = sides.iter().zip(pairs).flat_map(|(side, slots)| side.gather(&slots[pair..=pair])).collect();
            if let Ok(whole) = RecordBatch::try_new(self.whole.clone(), columns) {
                self.rejects.row(failure([&self.expression], &batch.slice(pair, 1)), &whole, 0, diff(pair));
            }
            Some(BooleanArray::from(vec![false]))
        });
        parts.iter().flat_map(|part| part.iter().map(|keep| keep == Some(true))).collect()
    }
}

/// The columns of both sides, nullable.
pub fn pair_schema(inputs: [&SchemaRef; 2]) -> SchemaRef {
    let fields = inputs.iter().flat_map(|schema| schema.fields());
    Arc::new(Schema::new(fields.map(|field| field.as_ref().clone().with_nullable(true)).collect::<Vec<_>>()))
}
