//! The sessions of a key: all of its rows are put in the order of their times and cut where they are too far apart.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMillisecondType;
use arrow_array::{Array, ArrayRef, TimestampMillisecondArray};
use arrow_schema::SchemaRef;

use super::answer::{Answer, Made, aggregates, encoded, plain};
use super::codec::Codec;
use super::intake::leaves;
use crate::aggregate::{Emit, Grouping, Terms};
use crate::delta::Delta;
use crate::time::Epoch;

/// See the module.
pub struct SessionsOf {
    terms: Terms,
    grouping: Grouping,
    time: usize,
    gap: i64,
    keep: Option<usize>,
    keys: Codec,
    output: Codec,
}

impl SessionsOf {
    /// `key_schema` has the columns of the key, `keep` is the column that says which rows are aggregated.
    pub fn new(terms: Terms, key_schema: &SchemaRef, time: usize, gap: i64, keep: Option<usize>) -> SessionsOf {
        let (keys, output) = (Codec::of(key_schema), Codec::of(&terms.schema));
        SessionsOf { grouping: plain(&terms.grouping), terms, time, gap, keep, keys, output }
    }
}

impl Answer for SessionsOf {
    fn made(&mut self, key: &[u8], rows: &Delta) -> Vec<Made> {
        let times = rows.batch().column(self.time).as_primitive::<TimestampMillisecondType>().values();
        let keep = self.keep.map(|column| rows.batch().column(column).as_boolean());
        let kept = |row: usize| keep.is_none_or(|keep| keep.is_valid(row) && keep.value(row));
        let mut order: Vec<u32> = (0..rows.len() as u32).collect();
        order.sort_by_key(|&row| times[row as usize]);
        let far = |one: &u32, next: &u32| times[*one as usize].saturating_add(self.gap) < times[*next as usize];
        let key = self.keys.decode(std::iter::once(key));
        let mut made = Vec::new();
        for session in order.chunk_by(|one, next| !far(one, next)) {
            let (Some(first), Some(last)) = (session.first(), session.last()) else { continue };
            let (start, end) = (times[*first as usize], times[*last as usize].saturating_add(self.gap));
            let within: Vec<u32> = session.iter().copied().filter(|&row| kept(row as usize)).collect();
            if within.is_empty() {
                continue;
            }
            let time = |time: i64| Arc::new(TimestampMillisecondArray::from_value(time, 1)) as ArrayRef;
            let mut columns = key.columns().to_vec();
            columns.extend([start, end, end.saturating_sub(1)].map(time));
            columns.extend(aggregates(&self.grouping, &rows.take(&within.into())));
            let show = match self.terms.emit {
                Emit::Changes => Epoch::MIN,
                Emit::Final => Epoch::at(self.terms.deadline(end)),
            };
            let until = leaves(&self.terms, end).map_or(Epoch::END, Epoch::at);
            made.push(Made { show, until, row: encoded(&self.terms.schema, &self.output, columns) });
        }
        made
    }
}
