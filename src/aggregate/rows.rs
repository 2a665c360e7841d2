//! Rows as bytes whose order is that of the columns: text as itself, other columns by `arrow-row`; and the accumulator
//! that keeps the first or last of them: MIN and MAX of text, FIRST_VALUE and LAST_VALUE.

use std::any::Any;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, StringArray, cast::AsArray};
use arrow_buffer::NullBuffer;
use arrow_row::{RowConverter, Rows, SortField};
use arrow_schema::{DataType, SortOptions};

use super::multiset::Multiset;
use super::visit::each;
use super::{Accumulator, Call, Input};

/// A row's bytes.
pub(super) type Bytes = Box<[u8]>;

/// How rows become bytes and back.
pub(super) enum Codec {
    /// One text column.
    Text,
    /// The order columns, then the argument columns.
    Rows(RowConverter),
}

/// The bytes of a batch's rows.
pub(super) enum Encoded<'a> {
    /// Of [`Codec::Text`].
    Text(&'a StringArray),
    /// Of [`Codec::Rows`].
    Rows(Rows),
}

impl Encoded<'_> {
    /// One row.
    #[inline(always)]
    pub(super) fn row(&self, row: usize) -> &[u8] {
        match self {
            Encoded::Text(text) => text.value(row).as_bytes(),
            Encoded::Rows(rows) => rows.row(row).data(),
        }
    }
}

impl Codec {
    /// For the order columns and arguments of a call.
    pub(super) fn ordered(call: &Call) -> Codec {
        let order = call.order.iter().map(|(of, options)| SortField::new_with_options(of.clone(), *options));
        let fields = order.chain(call.args.iter().map(|of| SortField::new(of.clone())));
        match RowConverter::new(fields.collect()) {
            Ok(converter) => Codec::Rows(converter),
            Err(error) => unreachable!("bind admits only types that have a row form: {error}"),
        }
    }

    /// Whether columns of this type have a row form.
    pub(super) fn supports(data_type: &DataType) -> bool {
        RowConverter::supports_fields(&[SortField::new_with_options(data_type.clone(), SortOptions::default())])
    }

    /// The bytes of rows.
    pub(super) fn encode<'a>(&self, input: &Input<'a>) -> Encoded<'a> {
        match self {
            Codec::Text => Encoded::Text(input.args[0].as_string()),
            Codec::Rows(converter) => {
                let columns: Vec<ArrayRef> = input.order.iter().chain(input.args).cloned().collect();
                match converter.convert_columns(&columns) {
                    Ok(rows) => Encoded::Rows(rows),
                    Err(error) => unreachable!("the columns have the call's types: {error}"),
                }
            }
        }
    }

    /// The last column of rows; NULL for `None`.
    pub(super) fn decode<'a>(&self, rows: impl Iterator<Item = Option<&'a [u8]>>, output: &DataType) -> ArrayRef {
        match self {
            Codec::Text => Arc::new(StringArray::from_iter(rows.map(|row| {
                row.map(|row| match std::str::from_utf8(row) {
                    Ok(text) => text,
                    Err(error) => unreachable!("it was text: {error}"),
                })
            }))),
            Codec::Rows(converter) => {
                let rows: Vec<Option<&[u8]>> = rows.collect();
                let parser = converter.parser();
                let columns = match converter.convert_rows(rows.iter().flatten().map(|row| parser.parse(row))) {
                    Ok(columns) => columns,
                    Err(error) => unreachable!("the rows are of this converter: {error}"),
                };
                let Some(values) = columns.last() else { unreachable!("a call has an argument") };
                debug_assert_eq!(values.data_type(), output);
                let mut at = 0;
                let places = rows.iter().map(|row| {
                    row.map(|_| {
                        at += 1;
                        at - 1
                    })
                });
                match arrow_select::take::take(values, &arrow_array::UInt64Array::from_iter(places), None) {
                    Ok(values) => values,
                    Err(error) => unreachable!("places are within: {error}"),
                }
            }
        }
    }
}

/// The rows that NULL arguments leave.
pub(super) fn argument_nulls(args: &[ArrayRef]) -> Option<NullBuffer> {
    args.iter().fold(None, |nulls: Option<NullBuffer>, column| {
        NullBuffer::union(nulls.as_ref(), column.logical_nulls().as_ref())
    })
}

enum State {
    Best(Vec<Option<Vec<u8>>>),
    All(Vec<Multiset<Bytes>>),
}

/// Keeps the first or the last row of a group; when retracting all of them.
pub(super) struct Foremost {
    codec: Codec,
    last: bool,
    output: DataType,
    state: State,
}

impl Foremost {
    /// The least or greatest text.
    pub(super) fn of_text(call: &Call, last: bool) -> Foremost {
        Foremost::new(Codec::Text, call, last)
    }

    fn new(codec: Codec, call: &Call, last: bool) -> Foremost {
        let state = if call.retracting { State::All(Vec::new()) } else { State::Best(Vec::new()) };
        Foremost { codec, last, output: call.output.clone(), state }
    }

    fn result(&self, group: usize) -> Option<&[u8]> {
        match &self.state {
            State::Best(best) => best[group].as_deref(),
            State::All(sets) if self.last => sets[group].last().map(|row| &**row),
            State::All(sets) => sets[group].first().map(|row| &**row),
        }
    }
}

/// Puts `row` in if it comes before the best, or after if `last`. Keeps the memory.
#[inline(always)]
fn offer(best: &mut Option<Vec<u8>>, row: &[u8], last: bool) {
    match best {
        None => *best = Some(row.to_vec()),
        Some(best) if (if last { row > best.as_slice() } else { row < best.as_slice() }) => {
            best.clear();
            best.extend_from_slice(row);
        }
        Some(_) => {}
    }
}

impl Accumulator for Foremost {
    fn resize(&mut self, groups: usize) {
        match &mut self.state {
            State::Best(best) => best.resize(groups.max(best.len()), None),
            State::All(sets) => sets.resize_with(groups.max(sets.len()), Multiset::default),
        }
    }

    fn update(&mut self, groups: &[u32], input: &Input<'_>) {
        let rows = self.codec.encode(input);
        let (nulls, last) = (argument_nulls(input.args), self.last);
        match &mut self.state {
            State::Best(best) => {
                each(groups, input, nulls.as_ref(), |row, group, _| offer(&mut best[group], rows.row(row), last));
            }
            State::All(sets) => {
                each(groups, input, nulls.as_ref(), |row, group, diff| sets[group].add(rows.row(row).into(), diff));
            }
        }
    }

    fn merge(&mut self, groups: &[u32], other: &dyn Accumulator, from: &[u32], sign: i64) {
        let Some(other) = other.as_any().downcast_ref::<Self>() else { unreachable!("made by the same call") };
        for (group, from) in groups.iter().zip(from).map(|(&group, &from)| (group as usize, from as usize)) {
            match (&mut self.state, &other.state) {
                (State::All(sets), State::All(others)) => {
                    others[from].counts().for_each(|(row, count)| sets[group].add(row.clone(), sign * count));
                }
                (State::All(sets), State::Best(best)) => {
                    if let Some(row) = &best[from] {
                        sets[group].add(row.as_slice().into(), sign);
                    }
                }
                (State::Best(best), _) => {
                    if let Some(row) = other.result(from) {
                        offer(&mut best[group], row, self.last);
                    }
                }
            }
        }
    }

    fn evaluate(&self, groups: &[u32]) -> ArrayRef {
        self.codec.decode(groups.iter().map(|&group| self.result(group as usize)), &self.output)
    }

    fn reset(&mut self, groups: &[u32]) {
        match &mut self.state {
            State::Best(best) => groups.iter().for_each(|&group| best[group as usize] = None),
            State::All(sets) => groups.iter().for_each(|&group| sets[group as usize] = Multiset::default()),
        }
    }

    fn bytes(&self) -> usize {
        match &self.state {
            State::Best(best) => {
                let rows: usize = best.iter().flatten().map(Vec::capacity).sum();
                best.capacity() * size_of::<Option<Vec<u8>>>() + rows
            }
            State::All(sets) => {
                let trees = |set: &Multiset<Bytes>| set.bytes() + set.counts().map(|(row, _)| row.len()).sum::<usize>();
                sets.capacity() * size_of::<Multiset<Bytes>>() + sets.iter().map(trees).sum::<usize>()
            }
        }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
