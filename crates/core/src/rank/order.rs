//! The total order of rows: as written, then by what breaks ties, then by all other columns.
//!
//! Rows seldom tie, so nothing is encoded: each row has a word that orders as the first written column does, and rows of one
//! word are compared where they stand, column by column. The order is that of arrow-row's bytes of the columns in
//! canonical form: floats have one NaN and one zero, intervals go by their length.

use std::cmp::Ordering;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, BinaryType, ByteArrayType, Decimal128Type, Decimal256Type, Float32Type, Float64Type,
    IntervalMonthDayNanoType, LargeBinaryType, LargeUtf8Type, UInt64Type, Utf8Type,
};
use arrow_array::{Array, ArrayRef, ArrowNativeTypeOp, RecordBatch, downcast_primitive};
use arrow_row::{RowConverter, SortField};
use arrow_schema::{DataType, IntervalUnit, SchemaRef, SortOptions};

use crate::delta::{canonical, interval_ms};

/// How rows are ordered.
#[derive(Clone, Debug)]
pub(super) struct Order {
    /// As written.
    pub(super) columns: Vec<(usize, SortOptions)>,
    /// What breaks ties.
    pub(super) ties: Vec<(usize, SortOptions)>,
    /// Whether both tell all rows apart, or need not.
    pub(super) complete: bool,
}

/// Turns a number of 64 bits with a sign into one without, in the same order.
pub(super) const SIGN: u64 = 1 << 63;

/// Compares a value of one column with one of another; neither is NULL.
type Compare = fn(&dyn Array, usize, &dyn Array, usize) -> Ordering;

#[derive(Debug)]
enum How {
    Values(Compare),
    /// By their bytes: what is nested, and other seldom types.
    Bytes(RowConverter),
}

#[derive(Debug)]
struct Column {
    at: usize,
    options: SortOptions,
    how: How,
}

/// Compares rows.
#[derive(Debug)]
pub(super) struct Comparison {
    columns: Vec<Column>,
    /// So many of them are written.
    written: usize,
    /// So many of them are the same in rows of one word.
    told: usize,
}

impl Comparison {
    /// Of rows of this schema.
    pub(super) fn new(schema: &SchemaRef, order: &Order) -> Comparison {
        let written = || order.columns.iter().chain(&order.ties).copied();
        let rest = (0..schema.fields().len()).filter(|&c| !order.complete && !written().any(|(at, _)| at == c));
        let all = written().chain(rest.map(|c| (c, SortOptions::default())));
        let columns = all.map(|(at, options)| Column::new(at, options, schema.field(at).data_type()));
        let whole = |&(at, _): &(usize, SortOptions)| {
            let field = schema.field(at);
            !field.is_nullable() && is_whole(field.data_type())
        };
        Comparison {
            columns: columns.collect(),
            written: order.columns.len(),
            told: usize::from(order.columns.first().is_some_and(whole)),
        }
    }

    /// A word for each row: a row of a lesser word comes first, and those of one word are to be compared.
    pub(super) fn words(&self, batch: &RecordBatch) -> Vec<u64> {
        match self.columns.first().filter(|_| self.written > 0) {
            Some(first) => first.words(batch.column(first.at)),
            None => vec![0; batch.num_rows()],
        }
    }

    /// Compares two rows of one word.
    pub(super) fn rows(&self, a: (&[ArrayRef], usize), b: (&[ArrayRef], usize)) -> Ordering {
        first_difference(&self.columns[self.told..], a, b)
    }

    /// Compares two rows of one word by the columns that are written.
    pub(super) fn written(&self, a: (&[ArrayRef], usize), b: (&[ArrayRef], usize)) -> Ordering {
        first_difference(&self.columns[self.told..self.written], a, b)
    }
}

fn first_difference(columns: &[Column], a: (&[ArrayRef], usize), b: (&[ArrayRef], usize)) -> Ordering {
    let orders = columns.iter().map(|column| column.compare((&a.0[column.at], a.1), (&b.0[column.at], b.1)));
    orders.into_iter().find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}

impl Column {
    fn new(at: usize, options: SortOptions, data_type: &DataType) -> Column {
        let how = comparing(data_type).map_or_else(|| How::Bytes(converter(data_type, options)), How::Values);
        Column { at, options, how }
    }

    fn compare(&self, (a, i): (&ArrayRef, usize), (b, j): (&ArrayRef, usize)) -> Ordering {
        let compare = match &self.how {
            How::Values(compare) => compare,
            How::Bytes(converter) => {
                let (a, b) = (bytes(converter, &a.slice(i, 1)), bytes(converter, &b.slice(j, 1)));
                return a.row(0).cmp(&b.row(0));
            }
        };
        let null = if self.options.nulls_first { Ordering::Less } else { Ordering::Greater };
        match (a.is_null(i), b.is_null(j)) {
            (false, false) if self.options.descending => compare(b.as_ref(), j, a.as_ref(), i),
            (false, false) => compare(a.as_ref(), i, b.as_ref(), j),
            (true, true) => Ordering::Equal,
            (true, false) => null,
            (false, true) => null.reverse(),
        }
    }

    fn words(&self, column: &ArrayRef) -> Vec<u64> {
        if let How::Bytes(converter) = &self.how
            && !matches!(column.data_type(), DataType::Interval(IntervalUnit::MonthDayNano))
        {
            return bytes(converter, column).iter().map(|row| prefix(row.data())).collect();
        }
        let mut words = ascending(&canonical(column));
        if self.options.descending {
            words.iter_mut().for_each(|word| *word = !*word);
        }
        if let Some(nulls) = column.nulls().filter(|nulls| nulls.null_count() > 0) {
            let null = if self.options.nulls_first { 0 } else { u64::MAX };
            words.iter_mut().zip(nulls.iter()).filter(|(_, valid)| !valid).for_each(|(word, _)| *word = null);
        }
        words
    }
}

fn converter(data_type: &DataType, options: SortOptions) -> RowConverter {
    match RowConverter::new(vec![SortField::new_with_options(data_type.clone(), options)]) {
        Ok(converter) => converter,
        Err(error) => unreachable!("the planner refuses columns that have no order: {error}"),
    }
}

fn bytes(converter: &RowConverter, column: &ArrayRef) -> arrow_row::Rows {
    match converter.convert_columns(&[canonical(column)]) {
        Ok(rows) => rows,
        Err(error) => unreachable!("the columns have the planned types: {error}"),
    }
}

/// Whether values of one word are the same.
fn is_whole(data_type: &DataType) -> bool {
    match data_type {
        DataType::Boolean | DataType::Float32 | DataType::Float64 => true,
        DataType::Float16 | DataType::Interval(_) => false,
        other => other.primitive_width().is_some_and(|width| width <= 8),
    }
}

/// How values of a type are compared where they stand, if they can be.
fn comparing(data_type: &DataType) -> Option<Compare> {
    macro_rules! primitive {
        ($type:ty) => {
            primitive::<$type>
        };
    }
    Some(match data_type {
        DataType::Float16 | DataType::Interval(_) => return None,
        DataType::Boolean => |a, i, b, j| a.as_boolean().value(i).cmp(&b.as_boolean().value(j)),
        DataType::Utf8 => text::<Utf8Type>,
        DataType::LargeUtf8 => text::<LargeUtf8Type>,
        DataType::Binary => text::<BinaryType>,
        DataType::LargeBinary => text::<LargeBinaryType>,
        DataType::Float32 => |a, i, b, j| {
            let value = |of: &dyn Array, at| in_form(f64::from(of.as_primitive::<Float32Type>().value(at)));
            value(a, i).total_cmp(&value(b, j))
        },
        DataType::Float64 => |a, i, b, j| {
            let value = |of: &dyn Array, at| in_form(of.as_primitive::<Float64Type>().value(at));
            value(a, i).total_cmp(&value(b, j))
        },
        other => downcast_primitive! {
            other => (primitive),
            _ => return None,
        },
    })
}

fn primitive<T: ArrowPrimitiveType>(a: &dyn Array, i: usize, b: &dyn Array, j: usize) -> Ordering {
    a.as_primitive::<T>().value(i).compare(b.as_primitive::<T>().value(j))
}

fn text<T: ByteArrayType>(a: &dyn Array, i: usize, b: &dyn Array, j: usize) -> Ordering {
    let (a, b): (&[u8], &[u8]) = (a.as_bytes::<T>().value(i).as_ref(), b.as_bytes::<T>().value(j).as_ref());
    a.cmp(b)
}

/// One NaN, the greatest, and one zero.
fn in_form(value: f64) -> f64 {
    if value.is_nan() { f64::NAN.abs() } else { value + 0.0 }
}

/// The words of a column in canonical form, ascending; those of NULLs are any.
fn ascending(column: &ArrayRef) -> Vec<u64> {
    match column.data_type() {
        DataType::Boolean => column.as_boolean().values().iter().map(u64::from).collect(),
        DataType::UInt64 => column.as_primitive::<UInt64Type>().values().to_vec(),
        DataType::Float32 => {
            column.as_primitive::<Float32Type>().values().iter().map(|v| float(f64::from(*v))).collect()
        }
        DataType::Float64 => column.as_primitive::<Float64Type>().values().iter().map(|v| float(*v)).collect(),
        DataType::Decimal128(..) => {
            let fitting = |value: i128| value.clamp(i64::MIN.into(), i64::MAX.into()) as i64;
            column.as_primitive::<Decimal128Type>().values().iter().map(|v| signed(fitting(*v))).collect()
        }
        DataType::Decimal256(..) => {
            let far = |negative: bool| if negative { i64::MIN } else { i64::MAX };
            let fitting = |value: i128| value.clamp(i64::MIN.into(), i64::MAX.into()) as i64;
            let values = column.as_primitive::<Decimal256Type>().values().iter();
            values.map(|v| signed(v.to_i128().map_or_else(|| far(v.is_negative()), fitting))).collect()
        }
        DataType::Interval(IntervalUnit::MonthDayNano) => {
            let values = column.as_primitive::<IntervalMonthDayNanoType>().values();
            values.iter().map(|value| signed(interval_ms(*value))).collect()
        }
        DataType::Utf8 => prefixes::<Utf8Type>(column),
        DataType::LargeUtf8 => prefixes::<LargeUtf8Type>(column),
        DataType::Binary => prefixes::<BinaryType>(column),
        DataType::LargeBinary => prefixes::<LargeBinaryType>(column),
        other if is_whole(other) => narrow(column),
        _ => vec![0; column.len()],
    }
}

/// The words of whole numbers and times of up to 64 bits.
fn narrow(column: &ArrayRef) -> Vec<u64> {
    let data = column.to_data();
    let (range, buffer) = (data.offset()..data.offset() + data.len(), &data.buffers()[0]);
    let unsigned = column.data_type().is_unsigned_integer();
    macro_rules! words {
        ($signed:ty, $unsigned:ty) => {
            match unsigned {
                true => buffer.typed_data::<$unsigned>()[range].iter().map(|value| u64::from(*value)).collect(),
                false => buffer.typed_data::<$signed>()[range].iter().map(|value| signed(i64::from(*value))).collect(),
            }
        };
    }
    match column.data_type().primitive_width() {
        Some(1) => words!(i8, u8),
        Some(2) => words!(i16, u16),
        Some(4) => words!(i32, u32),
        _ => words!(i64, u64),
    }
}

fn signed(value: i64) -> u64 {
    value as u64 ^ SIGN
}

/// As IEEE 754's total order has it.
fn float(value: f64) -> u64 {
    let bits = value.to_bits() as i64;
    signed(bits ^ ((bits >> 63) as u64 >> 1) as i64)
}

fn prefixes<T: ByteArrayType>(column: &ArrayRef) -> Vec<u64> {
    let values = column.as_bytes::<T>();
    (0..values.len()).map(|row| prefix(values.value(row).as_ref())).collect()
}

/// The first bytes; it is no greater where there are none left.
fn prefix(bytes: &[u8]) -> u64 {
    let mut word = [0; 8];
    let len = bytes.len().min(8);
    word[..len].copy_from_slice(&bytes[..len]);
    u64::from_be_bytes(word)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::types::{Int32Type, IntervalMonthDayNano};
    use arrow_array::*;
    use arrow_buffer::i256;
    use arrow_schema::{Field, Schema};

    use super::super::tests::Random;
    use super::*;

    /// Columns of all kinds of types, of values that are often the same and often nearly so.
    fn columns(rows: usize, random: &mut Random) -> Vec<ArrayRef> {
        fn pick<T: Clone>(values: &[T], rows: usize, random: &mut Random) -> Vec<Option<T>> {
            (0..rows).map(|_| (random.below(5) > 0).then(|| values[random.below(values.len())].clone())).collect()
        }
        let wholes = [i64::MIN, -1, 0, 1, 7, i64::MAX];
        let floats = [f64::NAN, -f64::NAN, f64::NEG_INFINITY, -1.5, -0.0, 0.0, 1e-300, 2.5, f64::INFINITY];
        let texts = ["", "a", "abcdefg", "abcdefgh", "abcdefgh\0", "abcdefghi", "abcdefgj", "zoe", "\u{e9}t\u{e9}"];
        let wide = [i128::MIN, i128::from(i64::MIN) - 1, -3, 0, 4, i128::from(i64::MAX) + 1, i128::MAX];
        let huge = [i256::MIN, i256::from_i128(-1), i256::ZERO, i256::from_i128(i128::MAX), i256::MAX];
        let lengths = [(0, 30, 0), (1, 0, 0), (0, 0, 86_400_000_000_000), (0, 1, 0), (-1, 2, -5), (0, 1, 1_000_000)];
        let lengths = lengths.map(|(months, days, nanos)| IntervalMonthDayNano::new(months, days, nanos));
        let bytes: Vec<&[u8]> = texts.iter().map(|text| text.as_bytes()).collect();
        let lists = pick(&[vec![], vec![Some(0.0)], vec![Some(-0.0), None], vec![Some(f64::NAN)]], rows, random);
        let mut all: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from(pick(&wholes, rows, random))),
            Arc::new(UInt64Array::from(pick(&[0, 1, u64::MAX], rows, random))),
            Arc::new(Int32Array::from(pick(&[i32::MIN, -2, 0, 5, i32::MAX], rows, random))),
            Arc::new(UInt16Array::from(pick(&[0, 9, u16::MAX], rows, random))),
            Arc::new(Int8Array::from(pick(&[-128, -1, 0, 127], rows, random))),
            Arc::new(BooleanArray::from(pick(&[true, false], rows, random))),
            Arc::new(Float64Array::from(pick(&floats, rows, random))),
            Arc::new(Float32Array::from(pick(&floats.map(|float| float as f32), rows, random))),
            Arc::new(TimestampMillisecondArray::from(pick(&wholes, rows, random)).with_timezone("UTC")),
            Arc::new(Date32Array::from(pick(&[-400, 0, 20_000], rows, random))),
            Arc::new(Decimal128Array::from(pick(&wide, rows, random))),
            Arc::new(Decimal256Array::from(pick(&huge, rows, random))),
            Arc::new(StringArray::from(pick(&texts, rows, random))),
            Arc::new(LargeStringArray::from(pick(&texts, rows, random))),
            Arc::new(BinaryArray::from(pick(&bytes, rows, random))),
            Arc::new(pick(&texts, rows, random).into_iter().collect::<DictionaryArray<Int32Type>>()),
            Arc::new(IntervalMonthDayNanoArray::from(pick(&lengths, rows, random))),
            Arc::new(ListArray::from_iter_primitive::<Float64Type, _, _>(lists)),
            Arc::new(NullArray::new(rows)),
        ];
        all.push(Arc::new(StructArray::from(vec![
            (Arc::new(Field::new("x", DataType::Float64, true)), Arc::clone(&all[6])),
            (Arc::new(Field::new("y", DataType::Utf8, true)), Arc::clone(&all[12])),
        ])));
        // Once more without NULLs.
        let full = all.iter().map(|column| {
            let valid = BooleanArray::from_iter((0..rows).map(|row| Some(column.is_valid(row))));
            let valid = arrow_select::filter::filter(column, &valid).expect("as many");
            let again = UInt64Array::from_iter_values((0..rows).map(|row| (row % valid.len()) as u64));
            arrow_select::take::take(&valid, &again, None).expect("within")
        });
        full.collect::<Vec<_>>().into_iter().chain(all).collect()
    }

    #[test]
    fn rows_are_in_the_order_of_their_bytes() {
        let mut random = Random::new(11);
        let rows = 48;
        let columns = columns(rows, &mut random);
        for (at, column) in columns.iter().enumerate() {
            for (descending, nulls_first) in [(false, false), (false, true), (true, false), (true, true)] {
                let options = SortOptions { descending, nulls_first };
                let (tie, rest) = (&columns[random.below(columns.len())], &columns[random.below(columns.len())]);
                let all = [column, tie, rest].map(Arc::clone);
                let field = |column: &ArrayRef| Field::new("c", column.data_type().clone(), column.is_nullable());
                let schema = Arc::new(Schema::new(all.iter().map(field).collect::<Vec<_>>()));
                let batch = RecordBatch::try_new(Arc::clone(&schema), all.to_vec()).expect("of the schema");
                let how = [options, SortOptions { descending: !descending, nulls_first }, SortOptions::default()];
                let fields = all
                    .iter()
                    .zip(how)
                    .map(|(column, options)| SortField::new_with_options(column.data_type().clone(), options));
                let encode = |columns: usize| {
                    let converter = RowConverter::new(fields.clone().take(columns).collect()).expect("has an order");
                    converter.convert_columns(&all[..columns].iter().map(canonical).collect::<Vec<_>>()).expect("fits")
                };
                let (written, whole) = (encode(1), encode(3));
                let ties = vec![(1, how[1])];
                let order = Order { columns: vec![(0, options)], ties, complete: false };
                let comparison = Comparison::new(&schema, &order);
                // Rows of two batches, one of which is a slice.
                let halves = [batch.slice(0, rows / 3), batch.slice(rows / 3, rows - rows / 3)];
                let place = |row: usize| {
                    if row < rows / 3 { (halves[0].columns(), row) } else { (halves[1].columns(), row - rows / 3) }
                };
                let words = halves.iter().flat_map(|half| comparison.words(half)).collect::<Vec<_>>();
                for (a, b) in (0..rows).flat_map(|a| (0..rows).map(move |b| (a, b))) {
                    let word = words[a].cmp(&words[b]);
                    let what = format!("column {at} ({}) {options:?}, rows {a} and {b}", column.data_type());
                    let order = word.then_with(|| comparison.rows(place(a), place(b)));
                    assert_eq!(order, whole.row(a).cmp(&whole.row(b)), "{what}: all of {all:?}");
                    let order = word.then_with(|| comparison.written(place(a), place(b)));
                    assert_eq!(order, written.row(a).cmp(&written.row(b)), "{what}: as written");
                }
            }
        }
    }
}
