//! What of other types fits a declared column, and what does not: as JSON has it.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use arrow_array::types::*;
use arrow_array::*;
use arrow_buffer::{IntervalDayTime, NullBuffer, OffsetBuffer};
use arrow_schema::{DataType, Field, Fields, Schema, TimeUnit as ArrowUnit};

use super::fit::fit;
use super::tests::options;
use super::{Layout, row_as_json};

const TS: DataType = DataType::Timestamp(ArrowUnit::Millisecond, None);

/// Of a misfit its rows, its path and what is wrong.
type Told = (Vec<usize>, String, String);

/// The values, as JSON, and the misfits.
fn fitted(from: ArrayRef, to: DataType, unit: &str) -> (Vec<String>, Vec<Told>) {
    let schema = Arc::new(Schema::new(vec![Field::new("v", to.clone(), true)]));
    let layout = Layout::new(&schema, &[0], &options(&[("timestamp.unit", unit)])).unwrap();
    let fitted = fit(&from, &to, &layout.times).unwrap();
    assert_eq!((fitted.column.data_type(), fitted.column.len()), (&to, from.len()));
    let shown = |row| {
        let text = row_as_json(&schema, std::slice::from_ref(&fitted.column), row);
        text.strip_prefix("{\"v\":").and_then(|text| text.strip_suffix('}')).unwrap().to_owned()
    };
    let values = (0..from.len()).map(shown).collect();
    let misfits =
        fitted.misfits.into_iter().map(|misfit| (misfit.rows.set_indices().collect(), misfit.path, misfit.what));
    (values, misfits.collect())
}

#[track_caller]
fn check(from: impl Array + 'static, to: DataType, unit: &str, values: &[&str], bad: &[usize]) {
    let kind = from.data_type().clone();
    let (found, misfits) = fitted(Arc::new(from), to.clone(), unit);
    let rows: Vec<usize> = misfits.into_iter().flat_map(|(rows, _, _)| rows).collect();
    assert_eq!((found, rows.as_slice()), (values.iter().map(|v| (*v).to_owned()).collect(), bad), "{kind} as {to}");
}

#[test]
fn truths_are_0_and_1_and_floats_have_an_end() {
    use DataType::*;
    let truths = ["false", "true", "null", "null", "null"];
    check(Int64Array::from(vec![Some(0), Some(1), Some(2), Some(-1), None]), Boolean, "ms", &truths, &[2, 3]);
    check(
        Float32Array::from(vec![Some(0.0), Some(1.0), Some(0.5), Some(f32::NAN), None]),
        Boolean,
        "ms",
        &truths,
        &[2, 3],
    );
    check(UInt64Array::from(vec![Some(0), Some(1), Some(2), Some(u64::MAX), None]), Boolean, "ms", &truths, &[2, 3]);
    check(
        Float64Array::from(vec![Some(1e39), Some(f64::INFINITY), Some(-1e39), Some(f64::NAN), Some(1e38), None]),
        Float32,
        "ms",
        &["null", "\"Infinity\"", "null", "\"NaN\"", "1e+38", "null"],
        &[0, 2],
    );
    let great = Decimal256Array::from(vec![arrow_buffer::i256::from_i128(10).wrapping_pow(70)]);
    check(great.clone().with_precision_and_scale(76, 0).unwrap(), Float32, "ms", &["null"], &[0]);
    check(great.with_precision_and_scale(76, 0).unwrap(), Float64, "ms", &["1e+70"], &[]);
}

#[test]
fn numbers_fit_without_loss() {
    use DataType::*;
    check(
        Float64Array::from(vec![Some(2.0), Some(2.7), None, Some(f64::NAN), Some(1e30)]),
        Int32,
        "ms",
        &["2", "null", "null", "null", "null"],
        &[1, 3, 4],
    );
    check(
        Float64Array::from(vec![-9_223_372_036_854_775_808.0, 9_223_372_036_854_775_808.0]),
        Int64,
        "ms",
        &["-9223372036854775808", "null"],
        &[1],
    );
    check(Int64Array::from(vec![127, 128, -129]), Int8, "ms", &["127", "null", "null"], &[1, 2]);
    check(UInt64Array::from(vec![7, u64::MAX]), Int64, "ms", &["7", "null"], &[1]);
    let decimals = |values: Vec<i128>, p, s| Decimal128Array::from(values).with_precision_and_scale(p, s).unwrap();
    check(decimals(vec![500, 550], 5, 2), Int32, "ms", &["5", "null"], &[1]);
    check(decimals(vec![1_009, -1_005, 999_995], 9, 3), Decimal128(5, 2), "ms", &["1.01", "-1.01", "null"], &[2]);
    check(Int64Array::from(vec![999, 1000]), Decimal128(5, 2), "ms", &["999.00", "null"], &[1]);
    check(
        Float64Array::from(vec![1.25, f64::INFINITY, 1e9]),
        Decimal128(5, 1),
        "ms",
        &["1.3", "null", "null"],
        &[1, 2],
    );
    // By the digits that a float is written with, not by those that it stands for.
    check(
        Float64Array::from(vec![Some(1.005), Some(-1.005), Some(1e22), Some(-0.0), Some(1e36), None]),
        Decimal128(38, 2),
        "ms",
        &["1.01", "-1.01", "10000000000000000000000.00", "0.00", "null", "null"],
        &[4],
    );
    check(
        Float32Array::from(vec![2.675, 0.1, 16_777_216.0]),
        Decimal128(20, 2),
        "ms",
        &["2.68", "0.10", "16777216.00"],
        &[],
    );
    check(Float64Array::from(vec![1.5, -2.5, f64::NAN]), Decimal128(3, 0), "ms", &["2", "-3", "null"], &[2]);
    let listed = ListArray::from_iter_primitive::<Float64Type, _, _>([Some([Some(1.005), None, Some(2.675)])]);
    let item = Arc::new(Field::new("item", Decimal128(5, 2), true));
    check(listed, List(item), "ms", &["[1.01,null,2.68]"], &[]);
    check(Int32Array::from(vec![3]), Float64, "ms", &["3.0"], &[]);
    check(Int32Array::from(vec![3]), Utf8, "ms", &["\"3\""], &[]);
}

#[test]
fn numbers_days_and_ticks_are_times() {
    let t = "\"2024-01-01T00:00:00.000Z\"";
    check(Int64Array::from(vec![1_704_067_200, i64::MAX]), TS, "s", &[t, "null"], &[1]);
    check(Int64Array::from(vec![1_704_067_200_000]), TS, "ms", &[t], &[]);
    check(Int64Array::from(vec![1_704_067_200_000_999, -1]), TS, "us", &[t, "\"1969-12-31T23:59:59.999Z\""], &[]);
    check(Int32Array::from(vec![1_704_067_200]), TS, "s", &[t], &[]);
    check(
        Float64Array::from(vec![1_704_067_200.001, f64::NAN]),
        TS,
        "s",
        &["\"2024-01-01T00:00:00.001Z\"", "null"],
        &[1],
    );
    let decimals = Decimal128Array::from(vec![1_704_067_200_001_999]).with_precision_and_scale(20, 6).unwrap();
    check(decimals, TS, "s", &["\"2024-01-01T00:00:00.001Z\""], &[]);
    check(TimestampSecondArray::from(vec![1_704_067_200, i64::MAX]), TS, "us", &[t, "null"], &[1]);
    check(
        TimestampNanosecondArray::from(vec![1_704_067_200_000_000_001, -1]).with_timezone("Europe/Berlin"),
        TS,
        "s",
        &[t, "\"1969-12-31T23:59:59.999Z\""],
        &[],
    );
    check(Date32Array::from(vec![19_723]), TS, "s", &[t], &[]);
    check(StringArray::from(vec![Some("2024-01-01"), Some("x"), Some("1704067200")]), TS, "s", &[t, "null", t], &[1]);
    check(TimestampMicrosecondArray::from(vec![1_704_067_200_000_000]), DataType::Utf8, "s", &[t], &[]);
}

#[test]
fn text_is_what_it_reads_as_and_nothing_changes_its_meaning() {
    use DataType::*;
    check(LargeStringArray::from(vec!["007", "x", " 5 "]), Int32, "ms", &["7", "null", "5"], &[1]);
    check(StringViewArray::from(vec!["1.009"]), Decimal128(5, 2), "ms", &["1.01"], &[]);
    let dictionary: DictionaryArray<Int8Type> = vec![Some("t"), None, Some("no"), Some("?")].into_iter().collect();
    check(dictionary, Boolean, "ms", &["true", "null", "false", "null"], &[3]);
    check(BinaryArray::from(vec![b"ok".as_slice(), b"\xff"]), Utf8, "ms", &["\"ok\"", "null"], &[1]);
    check(NullArray::new(2), Int32, "ms", &["null", "null"], &[]);
    check(NullArray::new(1), Struct(Fields::from(vec![Field::new("a", Int8, true)])), "ms", &["null"], &[]);
    check(BooleanArray::from(vec![Some(true), None]), Int32, "ms", &["null", "null"], &[0]);
    check(TimestampMicrosecondArray::from(vec![1]), Int64, "ms", &["null"], &[0]);
    check(Int32Array::from(vec![1]), Date32, "ms", &["null"], &[0]);
    let (_, misfits) = fitted(Arc::new(Int32Array::from(vec![1])), Date32, "ms");
    assert_eq!(misfits[0].2, "is INT there and declared DATE: declare it so");
    let (_, misfits) = fitted(Arc::new(Int32Array::from(vec![7])), Boolean, "ms");
    assert_eq!(misfits[0].2, "does not fit BOOLEAN");
}

#[test]
fn rows_are_matched_by_name_and_lists_by_item() {
    use DataType::*;
    let from = StructArray::from(vec![
        (Arc::new(Field::new("lon", Float64, true)), Arc::new(Float64Array::from(vec![13.4, 2.5])) as ArrayRef),
        (Arc::new(Field::new("more", Utf8, true)), Arc::new(StringArray::from(vec!["x", "y"]))),
        (Arc::new(Field::new("lat", Int64, true)), Arc::new(Int64Array::from(vec![52, 300]))),
    ]);
    let to = Struct(Fields::from(vec![
        Field::new("lat", Int8, true),
        Field::new("lon", Float64, true),
        Field::new("alt", Int64, true),
    ]));
    let (values, misfits) = fitted(Arc::new(from.clone()), to, "ms");
    assert_eq!(values[0], r#"{"lat":52,"lon":13.4,"alt":null}"#);
    assert_eq!(misfits, [(vec![1], ".lat".to_owned(), "does not fit TINYINT".to_owned())]);
    let to = Struct(Fields::from(vec![Field::new("alt", Int64, false)]));
    let (_, misfits) = fitted(Arc::new(from), to, "ms");
    assert_eq!(misfits, [(vec![0, 1], ".alt".to_owned(), "is missing, and declared NOT NULL".to_owned())]);

    let items = || Arc::new(Int64Array::from(vec![Some(1), Some(300), None, Some(2), Some(400), Some(5)])) as ArrayRef;
    let field = |nullable| Arc::new(Field::new_list_field(Int64, nullable));
    let nulls = NullBuffer::from(vec![true, true, false, true]);
    // [1], [300, null], NULL over [2, 400], [5]
    let lists =
        || ListArray::new(field(true), OffsetBuffer::new(vec![0, 1, 3, 5, 6].into()), items(), Some(nulls.clone()));
    let to = |nullable| List(Arc::new(Field::new_list_field(Int16, nullable)));
    check(lists(), to(true), "ms", &["[1]", "[300,null]", "null", "[5]"], &[]);
    let small = |nullable| List(Arc::new(Field::new_list_field(Int8, nullable)));
    let (values, misfits) = fitted(Arc::new(lists()), small(true), "ms");
    assert_eq!((values[0].as_str(), values[3].as_str()), ("[1]", "[5]"));
    assert_eq!(misfits, [(vec![1], String::new(), "does not fit TINYINT".to_owned())]);
    let (values, misfits) = fitted(Arc::new(lists()), to(false), "ms");
    assert_eq!((values[0].as_str(), values[2].as_str(), values[3].as_str()), ("[1]", "null", "[5]"));
    assert_eq!(misfits, [(vec![1], String::new(), "is NULL, and declared NOT NULL".to_owned())]);
    let large = LargeListArray::new(field(true), OffsetBuffer::new(vec![0, 1, 1].into()), items().slice(0, 1), None);
    check(large, to(true), "ms", &["[1]", "[]"], &[]);
    check(Int64Array::from(vec![Some(1), None]), to(true), "ms", &["null", "null"], &[0]);
}

/// What the library has no text for is text, or a misfit of its row; never the end of the run.
#[test]
fn days_times_and_lengths_of_time_as_text() {
    use DataType::*;
    let days = vec![Some(0), Some(i32::MAX), Some(i32::MIN), None];
    let shown = [r#""1970-01-01""#, r#""+5881580-07-11""#, r#""-5877641-06-23""#, "null"];
    check(Date32Array::from(days.clone()), Utf8, "ms", &shown, &[]);
    check(Date32Array::from(days.clone()), Date32, "ms", &shown, &[]);
    let ms = vec![Some(-1), Some(i64::MAX), Some(86_400_000)];
    check(Date64Array::from(ms.clone()), Date32, "ms", &[r#""1969-12-31""#, "null", r#""1970-01-02""#], &[1]);
    check(Date64Array::from(ms), Utf8, "ms", &[r#""1969-12-31""#, "null", r#""1970-01-02""#], &[1]);
    let lengths = [r#""1 secs""#, r#""-1 hours -30 mins""#, "null"];
    check(DurationMillisecondArray::from(vec![Some(1000), Some(-5_400_000), None]), Utf8, "ms", &lengths, &[]);
    check(IntervalYearMonthArray::from(vec![14]), Utf8, "ms", &[r#""14 mons""#], &[]);
    check(IntervalDayTimeArray::from(vec![IntervalDayTime::new(2, -500)]), Utf8, "ms", &[r#""2 days -0.5 secs""#], &[]);
    let ends = vec![0, 86_399_999, 86_400_000, -1];
    let (clock, text) = (Time32(ArrowUnit::Millisecond), [r#""00:00:00""#, r#""23:59:59.999""#, "null", "null"]);
    check(Time32MillisecondArray::from(ends.clone()), clock.clone(), "ms", &text, &[2, 3]);
    check(Time32MillisecondArray::from(ends), Utf8, "ms", &text, &[2, 3]);
    check(Time64NanosecondArray::from(vec![86_400_000_000_000]), clock.clone(), "ms", &["null"], &[0]);
    check(
        Time32SecondArray::from(vec![Some(86_399), Some(i32::MIN), None]),
        clock,
        "ms",
        &[r#""23:59:59""#, "null", "null"],
        &[1],
    );
    let told = fitted(Arc::new(Time64MicrosecondArray::from(vec![86_400_000_000])), Utf8, "ms").1;
    assert_eq!(told[0].2, "is no time of a day, which are from 00:00:00 to before 24:00:00");
    // Within what is nested, as text and as what it is.
    let days: ArrayRef = Arc::new(Date32Array::from(vec![i32::MAX, 0]));
    let clocks: ArrayRef = Arc::new(Time64MicrosecondArray::from(vec![1, 86_400_000_000]));
    let of = |name: &str, column: &ArrayRef| Arc::new(Field::new(name, column.data_type().clone(), true));
    let rows = StructArray::from(vec![(of("d", &days), days.clone()), (of("t", &clocks), clocks.clone())]);
    let (values, misfits) = fitted(Arc::new(rows), Utf8, "ms");
    assert_eq!(values[0], r#""{\"d\":\"+5881580-07-11\",\"t\":\"00:00:00.000001\"}""#);
    assert_eq!((misfits.len(), misfits[0].0.as_slice(), misfits[0].1.as_str()), (1, [1].as_slice(), ".t"));
}
