//! Rows as bytes whose order is that of their columns: text as itself, other columns by `arrow-row`.
//!
//! A [`Row`] has the order columns' bytes first, then the arguments'. Both parts are prefix-free, so comparing the whole
//! compares the parts in turn. All NaN become one, the greatest number; `-0.0` becomes `0.0`.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, StringArray};
use arrow_buffer::NullBuffer;
use arrow_row::{RowConverter, Rows, SortField};
use arrow_schema::DataType;

use super::{Aggregate, AggregateError, Call, Input};
use crate::delta::{canonical, canonical_shown};

/// The bytes of one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    bytes: Box<[u8]>,
    split: u32,
}

impl Ord for Row {
    fn cmp(&self, other: &Row) -> Ordering {
        self.bytes.cmp(&other.bytes)
    }
}

impl PartialOrd for Row {
    fn partial_cmp(&self, other: &Row) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Row {
    /// The order columns' bytes.
    pub(super) fn order(&self) -> &[u8] {
        &self.bytes[..self.split as usize]
    }

    /// The arguments' bytes.
    pub(super) fn value(&self) -> &[u8] {
        &self.bytes[self.split as usize..]
    }

    /// Becomes another row; keeps the memory if that has as many bytes.
    pub(super) fn set(&mut self, (order, value): (&[u8], &[u8])) {
        if self.bytes.len() == order.len() + value.len() {
            self.bytes[..order.len()].copy_from_slice(order);
            self.bytes[order.len()..].copy_from_slice(value);
            self.split = order.len() as u32;
        } else {
            *self = Row::from((order, value));
        }
    }

    /// Heap memory, in bytes; small blocks take 16 more.
    pub(super) fn heap(&self) -> usize {
        self.bytes.len() + 16
    }
}

impl From<(&[u8], &[u8])> for Row {
    fn from((order, value): (&[u8], &[u8])) -> Row {
        Row { bytes: [order, value].concat().into(), split: order.len() as u32 }
    }
}

/// How the arguments of a call become bytes and back.
#[derive(Debug)]
pub(super) struct Codec {
    order: Option<RowConverter>,
    // None: one text column.
    values: Option<RowConverter>,
    order_types: Vec<DataType>,
    args: Vec<DataType>,
    /// Whether equal arguments have equal bytes; if not they are only handed out again.
    compared: bool,
}

/// The bytes of a batch's rows.
pub(super) struct Encoded {
    order: Option<Rows>,
    values: Values,
}

enum Values {
    Text(StringArray),
    Rows(Rows),
}

impl Encoded {
    /// One row: the order columns' and the arguments' bytes.
    #[inline(always)]
    pub(super) fn row(&self, row: usize) -> (&[u8], &[u8]) {
        let order = self.order.as_ref().map_or(&[][..], |order| order.row(row).data());
        let value = match &self.values {
            Values::Text(text) => text.value(row).as_bytes(),
            Values::Rows(rows) => rows.row(row).data(),
        };
        (order, value)
    }
}

fn converter(fields: Vec<SortField>) -> RowConverter {
    match RowConverter::new(fields) {
        Ok(converter) => converter,
        Err(error) => unreachable!("bind admits only types that have a row form: {error}"),
    }
}

fn convert(converter: &RowConverter, columns: &[ArrayRef]) -> Rows {
    match converter.convert_columns(columns) {
        Ok(rows) => rows,
        Err(error) => unreachable!("the columns have the call's types: {error}"),
    }
}

impl Codec {
    /// For the arguments of a call, its order columns left out.
    pub(super) fn plain(call: &Call) -> Codec {
        let fields = || call.args.iter().map(|of| SortField::new(of.clone())).collect();
        let values = (call.args != [DataType::Utf8]).then(|| converter(fields()));
        Codec { order: None, values, order_types: Vec::new(), args: call.args.clone(), compared: true }
    }

    /// For the order columns and arguments of a call.
    pub(super) fn ordered(call: &Call) -> Codec {
        let fields = call.order.iter().map(|(of, options)| SortField::new_with_options(of.clone(), *options)).collect();
        let order = (!call.order.is_empty()).then(|| converter(fields));
        let order_types = call.order.iter().map(|(of, _)| of.clone()).collect();
        Codec { order, order_types, compared: call.distinct, ..Codec::plain(call) }
    }

    /// The bytes of rows.
    pub(super) fn encode(&self, order: &[ArrayRef], args: &[ArrayRef]) -> Encoded {
        let in_form = if self.compared { canonical } else { canonical_shown };
        Encoded {
            order: self
                .order
                .as_ref()
                .map(|converter| convert(converter, &order.iter().map(canonical).collect::<Vec<_>>())),
            values: match &self.values {
                None => Values::Text(args[0].as_string().clone()),
                Some(converter) => Values::Rows(convert(converter, &args.iter().map(in_form).collect::<Vec<_>>())),
            },
        }
    }

    /// Whether arguments vary in length.
    pub(super) fn varies(&self) -> bool {
        let fixed = |of: &DataType| of.primitive_width().is_some() || *of == DataType::Boolean;
        !self.args.iter().all(fixed)
    }

    /// The types of the order columns, then those of the arguments.
    pub(super) fn types(&self) -> impl Iterator<Item = &DataType> {
        self.order_types.iter().chain(&self.args)
    }

    /// How many order columns there are.
    pub(super) fn order_columns(&self) -> usize {
        self.order_types.len()
    }

    /// The order columns of rows, then their arguments.
    pub(super) fn columns(&self, rows: &[&Row]) -> Vec<ArrayRef> {
        let mut columns = Vec::new();
        if let Some(converter) = &self.order {
            let parser = converter.parser();
            match converter.convert_rows(rows.iter().map(|row| parser.parse(row.order()))) {
                Ok(order) => columns = order,
                Err(error) => unreachable!("the rows are of this converter: {error}"),
            }
        }
        columns.extend(self.decode(rows.iter().map(|row| row.value())));
        columns
    }

    /// The argument columns of values' bytes.
    pub(super) fn decode<'a>(&self, values: impl Iterator<Item = &'a [u8]>) -> Vec<ArrayRef> {
        let Some(converter) = &self.values else {
            let text = values.map(|value| match std::str::from_utf8(value) {
                Ok(text) => text,
                Err(error) => unreachable!("it was text: {error}"),
            });
            return vec![Arc::new(StringArray::from_iter_values(text))];
        };
        let parser = converter.parser();
        match converter.convert_rows(values.map(|value| parser.parse(value))) {
            Ok(columns) => {
                debug_assert!(columns.iter().map(|column| column.data_type()).eq(&self.args));
                columns
            }
            Err(error) => unreachable!("the rows are of this converter: {error}"),
        }
    }
}

/// The types that rows of these arguments are kept in, if each has one and there are `exactly` that many.
pub(super) fn bind(
    function: &dyn Aggregate,
    args: &[DataType],
    exactly: Option<usize>,
) -> Result<Vec<DataType>, AggregateError> {
    if exactly.is_some_and(|exactly| exactly != args.len()) {
        return Err(AggregateError::arguments(function, args, "give it one column"));
    }
    let plain = |data_type: &DataType| match data_type {
        DataType::Dictionary(_, value) => DataType::clone(value),
        DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8,
        other => other.clone(),
    };
    let plain: Vec<DataType> = args.iter().map(plain).collect();
    let fields: Vec<SortField> = plain.iter().map(|of| SortField::new(of.clone())).collect();
    match RowConverter::supports_fields(&fields) {
        true => Ok(plain),
        false => Err(AggregateError::arguments(function, args, "give it columns of other types: these have no order")),
    }
}

/// The rows in which no argument is NULL.
pub(super) fn argument_nulls(input: &Input<'_>) -> Option<NullBuffer> {
    input.args.iter().fold(None, |nulls: Option<NullBuffer>, column| {
        NullBuffer::union(nulls.as_ref(), column.logical_nulls().as_ref())
    })
}
