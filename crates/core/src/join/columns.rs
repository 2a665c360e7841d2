//! Rows that grow at the end and are read at any place: one vector a column, values as machine words or bytes.
//!
//! Rows are never changed; who wants fewer copies those that stay. Row numbers are `u32`.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, StringArray};
use arrow_buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_row::{RowConverter, SortField};
use arrow_schema::DataType;

use crate::delta::words;

/// Columns that grow.
#[derive(Debug)]
pub(super) struct Columns {
    columns: Vec<Column>,
    rows: usize,
}

#[derive(Debug)]
struct Column {
    data_type: DataType,
    values: Values,
    /// Per row; empty while no NULL came.
    valid: Vec<bool>,
}

#[derive(Debug)]
enum Values {
    Words(Vec<u64>),
    Text(Spans),
    /// Any other type, in row form.
    Rows(RowConverter, Spans),
}

/// Byte strings side by side; string `i` ends at `ends[i]`.
#[derive(Debug, Default)]
struct Spans {
    ends: Vec<usize>,
    bytes: Vec<u8>,
}

impl Spans {
    fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.ends.push(self.bytes.len());
    }

    #[inline]
    fn get(&self, row: u32) -> &[u8] {
        let row = row as usize;
        let start = if row == 0 { 0 } else { self.ends[row - 1] };
        &self.bytes[start..self.ends[row]]
    }
}

impl Columns {
    /// No rows yet, of these types.
    pub(super) fn new(types: &[DataType]) -> Columns {
        let column = |data_type: &DataType| {
            let values = match data_type {
                data_type if words::is_word(data_type) => Values::Words(Vec::new()),
                DataType::Utf8 => Values::Text(Spans::default()),
                other => match RowConverter::new(vec![SortField::new(other.clone())]) {
                    Ok(converter) => Values::Rows(converter, Spans::default()),
                    Err(error) => unreachable!("the planner refuses to join columns that have no row form: {error}"),
                },
            };
            Column { data_type: data_type.clone(), values, valid: Vec::new() }
        };
        Columns { columns: types.iter().map(column).collect(), rows: 0 }
    }

    /// Number of rows.
    pub(super) fn len(&self) -> usize {
        self.rows
    }

    /// Adds rows.
    pub(super) fn append(&mut self, columns: &[ArrayRef], rows: usize) {
        assert!(self.rows + rows < u32::MAX as usize, "more than 2^32 rows in one table of a join on one worker");
        self.columns.iter_mut().zip(columns).for_each(|(column, values)| column.append(values, self.rows));
        self.rows += rows;
    }

    /// The rows at `rows`.
    pub(super) fn gather(&self, rows: &[u32]) -> Vec<ArrayRef> {
        self.columns.iter().map(|column| column.gather(rows)).collect()
    }

    /// One column of the rows at `rows`.
    pub(super) fn column(&self, column: usize, rows: &[u32]) -> ArrayRef {
        self.columns[column].gather(rows)
    }

    /// Whether two rows are equal, NULLs being equal.
    pub(super) fn equal(&self, a: u32, b: u32) -> bool {
        self.columns.iter().all(|column| column.equal(a, b))
    }

    /// A copy of the rows at `rows`, in this order.
    pub(super) fn copy(&self, rows: &[u32]) -> Columns {
        Columns { columns: self.columns.iter().map(|column| column.copy(rows)).collect(), rows: rows.len() }
    }

    /// Memory held, in bytes, about.
    pub(super) fn bytes(&self) -> usize {
        let spans = |spans: &Spans| spans.ends.capacity() * 8 + spans.bytes.capacity();
        let column = |column: &Column| match &column.values {
            Values::Words(values) => values.capacity() * 8,
            Values::Text(values) | Values::Rows(_, values) => spans(values),
        };
        self.columns.iter().map(|c| column(c) + c.valid.capacity()).sum()
    }
}

impl Column {
    fn append(&mut self, column: &ArrayRef, before: usize) {
        match column.nulls().filter(|nulls| nulls.null_count() > 0) {
            None if self.valid.is_empty() => {}
            None => self.valid.resize(before + column.len(), true),
            Some(nulls) => {
                self.valid.resize(before, true);
                self.valid.extend(nulls.iter());
            }
        }
        match &mut self.values {
            Values::Words(values) => values.extend_from_slice(&words::words(column)),
            Values::Text(spans) => {
                let text = column.as_string::<i32>();
                spans.ends.reserve(text.len());
                (0..text.len())
                    .for_each(|row| spans.push(if text.is_null(row) { &[] } else { text.value(row).as_bytes() }));
            }
            Values::Rows(converter, spans) => match converter.convert_columns(std::slice::from_ref(column)) {
                Ok(rows) => rows.iter().for_each(|row| spans.push(row.data())),
                Err(error) => unreachable!("the column has the planned type: {error}"),
            },
        }
    }

    fn gather(&self, rows: &[u32]) -> ArrayRef {
        let nulls = || {
            let valid = |row: usize| self.valid[rows[row] as usize];
            let nulls = (!self.valid.is_empty()).then(|| BooleanBuffer::collect_bool(rows.len(), valid));
            nulls.map(NullBuffer::new).filter(|nulls| nulls.null_count() > 0)
        };
        match &self.values {
            Values::Words(values) => {
                let words: Vec<u64> = rows.iter().map(|&row| values[row as usize]).collect();
                words::column(&self.data_type, &words, nulls())
            }
            Values::Text(spans) => {
                let mut offsets = Vec::with_capacity(rows.len() + 1);
                let mut bytes: Vec<u8> = Vec::with_capacity(rows.len() * 16);
                offsets.push(0);
                for &row in rows {
                    bytes.extend_from_slice(spans.get(row));
                    offsets.push(bytes.len() as i32);
                }
                let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
                match StringArray::try_new(offsets, Buffer::from_vec(bytes), nulls()) {
                    Ok(text) => Arc::new(text),
                    Err(error) => unreachable!("it was text when it came: {error}"),
                }
            }
            Values::Rows(converter, spans) => {
                let parser = converter.parser();
                match converter.convert_rows(rows.iter().map(|&row| parser.parse(spans.get(row)))) {
                    Ok(mut columns) => columns.swap_remove(0),
                    Err(error) => unreachable!("they were rows of this converter when they came: {error}"),
                }
            }
        }
    }

    fn equal(&self, a: u32, b: u32) -> bool {
        let valid = |row: u32| self.valid.is_empty() || self.valid[row as usize];
        let values = match &self.values {
            Values::Words(values) => values[a as usize] == values[b as usize],
            Values::Text(spans) | Values::Rows(_, spans) => spans.get(a) == spans.get(b),
        };
        values && valid(a) == valid(b)
    }

    fn copy(&self, rows: &[u32]) -> Column {
        let spans = |from: &Spans| {
            let mut to = Spans { ends: Vec::with_capacity(rows.len()), bytes: Vec::new() };
            rows.iter().for_each(|&row| to.push(from.get(row)));
            to
        };
        let values = match &self.values {
            Values::Words(values) => Values::Words(rows.iter().map(|&row| values[row as usize]).collect()),
            Values::Text(from) => Values::Text(spans(from)),
            Values::Rows(_, from) => match RowConverter::new(vec![SortField::new(self.data_type.clone())]) {
                Ok(converter) => Values::Rows(converter, spans(from)),
                Err(error) => unreachable!("there was such a converter: {error}"),
            },
        };
        let valid = match self.valid.is_empty() {
            true => Vec::new(),
            false => rows.iter().map(|&row| self.valid[row as usize]).collect(),
        };
        Column { data_type: self.data_type.clone(), values, valid }
    }
}
