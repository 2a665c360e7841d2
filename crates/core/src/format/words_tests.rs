//! What is said of values that do not fit, in every format: it names the column and SQL's type, and no type of Arrow.
#![allow(clippy::unwrap_used)]

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMillisecondType;
use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow_schema::{DataType, Field, Fields, TimeUnit as ArrowUnit};

use super::tests::{TS, decode, faults, read_back, schema};
use super::*;

fn kinds() -> Vec<DataType> {
    let field = |name: &str, kind: DataType| Arc::new(Field::new(name, kind, true));
    let pair = Fields::from(vec![Field::new("key", DataType::Utf8, false), Field::new("value", DataType::Int32, true)]);
    let entries = Arc::new(Field::new("entries", DataType::Struct(pair), false));
    vec![
        DataType::Int8,
        DataType::Int16,
        DataType::Int32,
        DataType::Int64,
        DataType::Float32,
        DataType::Float64,
        DataType::Boolean,
        DataType::Decimal128(5, 2),
        DataType::Timestamp(ArrowUnit::Millisecond, None),
        DataType::Timestamp(ArrowUnit::Millisecond, Some("+00:00".into())),
        DataType::Date32,
        DataType::Time32(ArrowUnit::Millisecond),
        DataType::Binary,
        DataType::List(field("item", DataType::Int32)),
        DataType::Struct(vec![field("a", DataType::Int32)].into()),
        DataType::Map(entries, false),
    ]
}

/// The words of Arrow that nobody is to read.
const ARROW: [&str; 12] = [
    "Int8",
    "Int16",
    "Int32",
    "Int64",
    "Utf8",
    "Float",
    "Timestamp(",
    "Decimal128",
    "Date32",
    "Time32",
    "Struct",
    "List(",
];

#[track_caller]
fn speaks_sql(format: &str, kind: &DataType, detail: &str) {
    let named = detail.contains("'c'") && detail.contains(&sql_type(kind));
    assert!(named, "{format}, {}: {detail}", sql_type(kind));
    assert!(!ARROW.iter().any(|word| detail.contains(word)), "{format}, {}: {detail}", sql_type(kind));
}

#[test]
fn text_that_does_not_fit_is_told_in_sqls_words() {
    for kind in kinds() {
        let columns = [("c", kind.clone())];
        let wrong = if kind == DataType::Binary { "%" } else { "?" };
        let json = decode("json", &columns, &[], format!("{{\"c\":\"{wrong}\"}}\n").as_bytes());
        speaks_sql("json", &kind, &json.faults[0].detail);
        if !matches!(kind, DataType::Boolean) {
            let json = decode("json", &columns, &[], b"{\"c\":true}\n");
            speaks_sql("json", &kind, &json.faults[0].detail);
        }
        if !kind.is_nested() {
            let csv = decode("csv", &columns, &[], format!("c\n{wrong}\n").as_bytes());
            speaks_sql("csv", &kind, &csv.faults[0].detail);
            let lines = decode("regex", &columns, &[("regex.pattern", "(?<c>.*)")], format!("{wrong}\n").as_bytes());
            speaks_sql("regex", &kind, &lines.faults[0].detail);
        }
    }
}

#[test]
fn columns_that_do_not_fit_are_told_in_sqls_words() {
    let texts: ArrayRef = Arc::new(StringArray::from(vec!["%"]));
    let numbers: ArrayRef = Arc::new(Int64Array::from(vec![i64::MAX]));
    for (name, column) in ["arrow", "parquet"].into_iter().flat_map(|name| [(name, &texts), (name, &numbers)]) {
        let format = find(name).unwrap();
        let batch = RecordBatch::try_from_iter([("c", column.clone())]).unwrap();
        let mut bytes = Vec::new();
        let mut encoder = format.encoder(&batch.schema(), &Options::default()).unwrap();
        encoder.encode(&batch, &mut bytes).unwrap();
        encoder.finish(&mut bytes).unwrap();
        for kind in kinds() {
            if column.data_type() == &DataType::Int64
                && matches!(kind, DataType::Int64 | DataType::Float32 | DataType::Float64)
                || matches!((column.data_type(), &kind), (DataType::Int64, DataType::Timestamp(..)))
            {
                continue;
            }
            let parts = read_back(format, &schema(&[("c", kind.clone())]), &Options::default(), &bytes);
            speaks_sql(name, &kind, &parts[0].faults[0].detail);
        }
    }
}

#[test]
fn types_that_a_format_does_not_hold_are_told_in_sqls_words() {
    for kind in kinds().into_iter().filter(DataType::is_nested) {
        let layout = Layout::new(&schema(&[("c", kind.clone())]), &[0], &Options::default()).unwrap();
        let refused = find("csv").unwrap().decoding(&layout, &Options::default()).unwrap_err().to_string();
        speaks_sql("csv", &kind, &refused);
        assert!(refused.contains("read it as VARCHAR"), "{refused}");
    }
}

#[test]
fn a_block_value_that_does_not_fit_costs_its_row_only() {
    let ts: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![-1, 1500, 0]));
    let n: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), Some(3_000_000_000), None]));
    let batch = RecordBatch::try_from_iter([("other", n.clone()), ("ts", ts), ("n", n)]).unwrap();
    for name in ["arrow", "parquet"] {
        let format = find(name).unwrap();
        let mut bytes = Vec::new();
        let mut encoder = format.encoder(&batch.schema(), &Options::default()).unwrap();
        encoder.encode(&batch, &mut bytes).unwrap();
        encoder.finish(&mut bytes).unwrap();
        let parts = read_back(format, &schema(&[("n", DataType::Int32), ("ts", TS)]), &Options::default(), &bytes);
        let times: Vec<_> = parts[0].batch.column(1).as_primitive::<TimestampMillisecondType>().iter().collect();
        assert_eq!(times, [Some(-1), Some(0)]);
        assert_eq!(faults(&parts[0]), [(1, "column 'n' does not fit INT")]);
        assert_eq!(parts[0].numbers, Some(vec![0, 2]));
    }
}

#[test]
fn streams_of_arrow_follow_one_another() {
    let stream = |name: &str, values: Vec<i64>| {
        let column: ArrayRef = Arc::new(Int64Array::from(values));
        let batch = RecordBatch::try_from_iter([(name, column)]).unwrap();
        let mut bytes = Vec::new();
        let mut encoder = find("arrow").unwrap().encoder(&batch.schema(), &Options::default()).unwrap();
        if batch.num_rows() > 0 {
            encoder.encode(&batch, &mut bytes).unwrap();
        }
        encoder.finish(&mut bytes).unwrap();
        bytes
    };
    let read = |bytes: Vec<u8>| {
        let parts = read_back(find("arrow").unwrap(), &schema(&[("n", DataType::Int64)]), &Options::default(), &bytes);
        let rows: Vec<i64> = parts.iter().flat_map(|part| super::tests::ints(part, 0)).flatten().collect();
        let told: Vec<String> = parts.iter().flat_map(|part| &part.faults).map(|fault| fault.detail.clone()).collect();
        (rows, told)
    };
    let (one, two, none) = (stream("n", vec![1, 2]), stream("n", vec![3]), stream("n", vec![]));
    assert_eq!(read([one.clone(), none.clone(), two.clone()].concat()), (vec![1, 2, 3], vec![]));
    assert_eq!(read([none.clone(), none, two].concat()), (vec![3], vec![]));
    let (rows, told) = read([one, stream("m", vec![4])].concat());
    assert!(
        rows == [1, 2] && told.len() == 1 && told[0].contains("another stream follows, of other columns"),
        "{told:?}"
    );
}
