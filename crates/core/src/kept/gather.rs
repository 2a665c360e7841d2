//! Columns of rows that stand in several batches, in any order.

use std::cell::{OnceCell, RefCell};

use arrow_array::{Array, ArrayRef, UInt32Array, new_empty_array};
use arrow_schema::DataType;
use arrow_select::concat::concat;
use arrow_select::interleave::interleave;
use arrow_select::take::take;

use super::equal::Compared;
use crate::delta::words;

/// No place.
const NONE: u32 = u32::MAX;

/// Which batches rows are gathered from is found by a list as long as there are batches; it is used again.
#[derive(Debug, Default)]
pub struct Found(RefCell<Vec<u32>>);

/// Rows to be gathered.
#[derive(Debug)]
pub struct Gather<'a> {
    /// The batches they stand in.
    batches: Vec<&'a Compared>,
    /// Each row's place in that list, and in its batch.
    rows: Vec<(u32, u32)>,
    /// The same as Arrow asks for it of several batches, and of one.
    places: OnceCell<Vec<(usize, usize)>>,
    indices: OnceCell<UInt32Array>,
}

impl<'a> Gather<'a> {
    /// Rows by the numbers of their batches and their places in them; `batch` says which batch has a number.
    pub fn new(
        found: &Found,
        places: impl Iterator<Item = (usize, usize)>,
        batch: impl Fn(usize) -> &'a Compared,
    ) -> Gather<'a> {
        let (mut place, mut numbers) = (found.0.take(), Vec::new());
        let of = |(number, row): (usize, usize)| {
            if number >= place.len() {
                place.resize(number + 1, NONE);
            }
            if place[number] == NONE {
                place[number] = numbers.len() as u32;
                numbers.push(number);
            }
            (place[number], row as u32)
        };
        let rows = places.map(of).collect();
        numbers.iter().for_each(|&number| place[number] = NONE);
        found.0.replace(place);
        let batches = numbers.into_iter().map(batch).collect();
        Gather { batches, rows, places: OnceCell::new(), indices: OnceCell::new() }
    }

    /// A column of the rows, which is of this type.
    pub fn column(&self, column: usize, data_type: &DataType) -> ArrayRef {
        let Gather { batches, rows, places, indices } = self;
        let words: Option<Vec<&[u64]>> = batches.iter().map(|batch| batch.words(column)).collect();
        if let Some(words) = words.filter(|words| !words.is_empty()) {
            let values = match words[..] {
                [all] => rows.iter().map(|&(_, row)| all[row as usize]).collect(),
                _ => rows.iter().map(|&(batch, row)| words[batch as usize][row as usize]).collect(),
            };
            return words::column_of(data_type, values, None);
        }
        let columns: Vec<&dyn Array> = batches.iter().map(|batch| batch.columns()[column].as_ref()).collect();
        let gathered = match columns[..] {
            [] => Ok(new_empty_array(data_type)),
            [all] => {
                let places = || rows.iter().map(|&(_, row)| row).collect::<Vec<u32>>().into();
                take(all, indices.get_or_init(places), None)
            }
            _ => {
                let all = || rows.iter().map(|&(batch, row)| (batch as usize, row as usize)).collect();
                interleave(&columns, places.get_or_init(all))
            }
        };
        match gathered {
            Ok(column) => column,
            Err(error) => unreachable!("the rows are within their batches: {error}"),
        }
    }

    /// Of others, whether the one at each of these places is equal to the row gathered there.
    pub fn equal(&self, others: &Compared, places: &[u32]) -> Vec<bool> {
        let Gather { batches, rows, .. } = self;
        let mut same = vec![true; places.len()];
        for column in 0..others.columns().len() {
            let words: Option<Vec<&[u64]>> = batches.iter().map(|batch| batch.words(column)).collect();
            let rows = same.iter_mut().zip(rows).zip(places);
            match words.zip(others.words(column)) {
                Some((words, theirs)) => rows.for_each(|((same, &(batch, row)), &other)| {
                    *same &= words[batch as usize][row as usize] == theirs[other as usize];
                }),
                None => rows.filter(|((same, _), _)| **same).for_each(|((same, &(batch, row)), &other)| {
                    *same = batches[batch as usize].equal_in(column, row as usize, others, other as usize);
                }),
            }
        }
        same
    }
}

/// The rows of batches, one behind the other.
pub fn together(batches: &[&[ArrayRef]]) -> Vec<ArrayRef> {
    let column = |column: usize| {
        let parts: Vec<&dyn Array> = batches.iter().map(|columns| columns[column].as_ref()).collect();
        match concat(&parts) {
            Ok(whole) => whole,
            Err(error) => unreachable!("batches have columns of the same types: {error}"),
        }
    };
    (0..batches.first().map_or(0, |columns| columns.len())).map(column).collect()
}
