//! What is shown of a group, told from all of its rows each time: nothing is carried over from one epoch to the next, which is
//! what makes it another answer than that of the operators that keep sums.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMillisecondType;
use arrow_array::{ArrayRef, TimestampMillisecondArray};
use arrow_schema::SchemaRef;

use super::codec::{Bytes, Codec};
use crate::aggregate::{Changes, Grouping, Role, States, Terms};
use crate::delta::Delta;
use crate::time::Epoch;

/// A row of a result.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Made {
    /// From when on it is shown, if it is there.
    pub(super) show: Epoch,
    /// From when on what happens to it is not told.
    pub(super) until: Epoch,
    /// The row.
    pub(super) row: Bytes,
}

/// What is shown of a group.
pub trait Answer {
    /// The rows of the result, of the group's rows, which are there as often as their diffs say. Some row is there, or the one
    /// that stands for none.
    fn made(&mut self, key: &[u8], rows: &Delta) -> Vec<Made>;
}

/// A row of aggregates: of a group, or of a group in a window.
pub struct Aggregated {
    grouping: Grouping,
    schema: SchemaRef,
    windowed: bool,
    keys: Codec,
    output: Codec,
}

impl Aggregated {
    /// `key_schema` has the columns of the key, and behind them start and end of the window, if there is one.
    pub fn new(terms: &Terms, key_schema: &SchemaRef, windowed: bool) -> Aggregated {
        let (keys, output) = (Codec::of(key_schema), Codec::of(&terms.schema));
        Aggregated { grouping: plain(&terms.grouping), schema: terms.schema.clone(), windowed, keys, output }
    }
}

/// The same where nothing is taken back: rows that are gone are not among those that a group is answered of.
pub(super) fn plain(grouping: &Grouping) -> Grouping {
    Grouping { retracting: false, ..grouping.clone() }
}

/// The aggregates of rows.
pub(super) fn aggregates(grouping: &Grouping, rows: &Delta) -> Vec<ArrayRef> {
    let mut states = States::new(grouping, Role::Whole);
    states.resize(1);
    if !rows.is_empty() {
        states.update(&vec![0; rows.len()], rows);
    }
    states.evaluate(&[0])
}

/// The bytes of a row of these columns.
pub(super) fn encoded(schema: &SchemaRef, output: &Codec, columns: Vec<ArrayRef>) -> Bytes {
    let mut row = Changes::new(schema);
    row.insert(columns, 1);
    let row = row.finish();
    row.first().map(|row| output.encode(row.batch().columns(), 1).swap_remove(0)).unwrap_or_default()
}

impl Answer for Aggregated {
    fn made(&mut self, key: &[u8], rows: &Delta) -> Vec<Made> {
        let mut columns = self.keys.decode(std::iter::once(key)).columns().to_vec();
        if let Some(end) = columns.last().filter(|_| self.windowed) {
            let times = end.as_primitive::<TimestampMillisecondType>();
            let time = TimestampMillisecondArray::from_value(times.value(0).saturating_sub(1), 1);
            columns.push(Arc::new(time.with_data_type(end.data_type().clone())));
        }
        columns.extend(aggregates(&self.grouping, rows));
        vec![Made { show: Epoch::MIN, until: Epoch::END, row: encoded(&self.schema, &self.output, columns) }]
    }
}
