//! The rows of a partition whose number is within bounds: all are put in order each time.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array};
use arrow_row::{RowConverter, Rows, SortField};
use arrow_schema::{SchemaRef, SortOptions};

use super::answer::{Answer, Made};
use super::codec::Codec;
use crate::delta::{Delta, canonical};
use crate::rank::{Numbering, Rank};
use crate::time::Epoch;

/// See the module.
pub struct Ranked {
    rank: Rank,
    rows: Codec,
    numbers: Codec,
    /// The columns as written in the order; then all, so that no two rows but equal ones are alike.
    order: [(Vec<usize>, RowConverter); 2],
}

impl Ranked {
    /// `input` is the schema of the rows, `output` that of the result: the input's columns, then the numbers.
    pub fn new(rank: Rank, input: &SchemaRef, output: &SchemaRef) -> Ranked {
        let written = || rank.order.iter().chain(&rank.ties).copied();
        let rest = (0..input.fields().len()).filter(|&column| !written().any(|(other, _)| other == column));
        let all: Vec<_> = written().chain(rest.map(|column| (column, SortOptions::default()))).collect();
        let converter = |columns: &[(usize, SortOptions)]| {
            let field = |&(column, options): &(usize, SortOptions)| {
                SortField::new_with_options(input.field(column).data_type().clone(), options)
            };
            match RowConverter::new(columns.iter().map(field).collect()) {
                Ok(converter) => (columns.iter().map(|(column, _)| *column).collect(), converter),
                Err(error) => unreachable!("the planner refuses columns that have no order: {error}"),
            }
        };
        let order = [converter(&rank.order), converter(&all)];
        let numbers: Vec<usize> = (input.fields().len()..output.fields().len()).collect();
        Ranked { rank, rows: Codec::of(input), numbers: Codec::of_keys(output, &numbers), order }
    }

    fn ordered(&self, by: usize, rows: &Delta) -> Rows {
        let (columns, converter) = &self.order[by];
        let columns: Vec<ArrayRef> = columns.iter().map(|&column| canonical(rows.batch().column(column))).collect();
        match converter.convert_columns(&columns) {
            Ok(rows) => rows,
            Err(error) => unreachable!("the columns have the planned types: {error}"),
        }
    }
}

impl Answer for Ranked {
    fn made(&mut self, _: &[u8], rows: &Delta) -> Vec<Made> {
        if self.rank.to < self.rank.from || rows.batch().num_columns() == 0 {
            return Vec::new();
        }
        let all = self.ordered(1, rows);
        let peers = (!self.rank.order.is_empty()).then(|| self.ordered(0, rows));
        let mut places: Vec<usize> = (0..rows.len()).collect();
        places.sort_by(|&one, &other| all.row(one).cmp(&all.row(other)));
        let differ = |one: usize, other: usize| peers.as_ref().is_some_and(|peers| peers.row(one) != peers.row(other));
        let (mut number, mut first, mut dense, mut last) = (0u64, 1u64, 0u64, None);
        let (mut shown, mut numbers): (Vec<usize>, Vec<[u64; 3]>) = Default::default();
        'rows: for place in places {
            for _ in 0..rows.diff(place) {
                number += 1;
                if last.is_none_or(|last| differ(last, place)) {
                    (first, dense) = (number, dense + 1);
                }
                last = Some(place);
                let of = [number, first, dense];
                let by = of[at(self.rank.by)];
                if by > self.rank.to {
                    break 'rows;
                }
                if by >= self.rank.from {
                    shown.push(place);
                    numbers.push(of);
                }
            }
        }
        let column = |numbering: &Numbering| -> ArrayRef {
            let value = |of: &[u64; 3]| i64::try_from(of[at(*numbering)]).unwrap_or(i64::MAX);
            Arc::new(Int64Array::from_iter_values(numbers.iter().map(value)))
        };
        let columns: Vec<ArrayRef> = self.rank.numbers.iter().map(column).collect();
        let ends = self.numbers.encode(&columns, numbers.len());
        let taken = rows.take(&shown.iter().map(|&place| place as u32).collect::<Vec<_>>().into());
        let rows = self.rows.encode(taken.batch().columns(), taken.len());
        let row =
            |(row, end): (Vec<u8>, Vec<u8>)| Made { show: Epoch::MIN, until: Epoch::END, row: [row, end].concat() };
        rows.into_iter().zip(ends).map(row).collect()
    }
}

/// Where the number of a numbering stands.
fn at(numbering: Numbering) -> usize {
    match numbering {
        Numbering::Row => 0,
        Numbering::Rank => 1,
        Numbering::Dense => 2,
    }
}
