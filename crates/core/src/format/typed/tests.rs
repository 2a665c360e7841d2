//! Rows there and back, and what does not fit.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, TimeUnit};
use serde::{Deserialize, Serialize};

use super::*;

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Side {
    Buy,
    Sell,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Place {
    lat: f64,
    name: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Row {
    flag: bool,
    small: u8,
    n: i64,
    f: f32,
    x: f64,
    text: String,
    side: Side,
    at: String,
    ms: i64,
    day: String,
    price: String,
    about: f64,
    bytes: Vec<u8>,
    tags: Vec<Option<String>>,
    place: Place,
    counts: BTreeMap<String, i64>,
    gone: Option<i64>,
}

fn schema() -> SchemaRef {
    let (text, ms) = (DataType::Utf8, DataType::Timestamp(TimeUnit::Millisecond, None));
    let nullable = |name: &str, kind| Field::new(name, kind, true);
    let members = vec![nullable("name", text.clone()), Field::new("lat", DataType::Float64, false)];
    let entry = vec![Field::new("key", text.clone(), false), nullable("value", DataType::Int64)];
    let entries = Field::new("entries", DataType::Struct(entry.into()), false);
    // Not in the order of the struct.
    Arc::new(Schema::new(vec![
        nullable("gone", DataType::Int64),
        nullable("flag", DataType::Boolean),
        nullable("small", DataType::Int16),
        Field::new("n", DataType::Int64, false),
        nullable("f", DataType::Float32),
        nullable("x", DataType::Float64),
        nullable("text", text.clone()),
        nullable("side", text.clone()),
        nullable("at", ms.clone()),
        nullable("ms", ms),
        nullable("day", DataType::Date32),
        nullable("price", DataType::Decimal128(20, 3)),
        nullable("about", DataType::Decimal128(10, 2)),
        nullable("bytes", DataType::Binary),
        nullable("tags", DataType::List(Arc::new(nullable("item", text)))),
        nullable("place", DataType::Struct(members.into())),
        nullable("counts", DataType::Map(Arc::new(entries), false)),
    ]))
}

fn rows() -> Vec<Row> {
    let row = |n: i64| Row {
        flag: n % 2 == 0,
        small: 255,
        n: i64::MIN + n,
        f: 0.1,
        x: if n == 1 { f64::INFINITY } else { 0.1 },
        text: "ä\"\n".to_owned(),
        side: if n == 0 { Side::Buy } else { Side::Sell },
        at: "2026-01-31T12:00:00.123Z".to_owned(),
        ms: 1_000 + n,
        day: "2026-02-28".to_owned(),
        price: "12345678901234567.891".to_owned(),
        about: 2.5,
        bytes: vec![0, 255, 7],
        tags: vec![Some("a".to_owned()), None],
        place: Place { lat: -1.5, name: None },
        counts: [("one".to_owned(), 1), ("two".to_owned(), n)].into(),
        gone: (n > 0).then_some(n),
    };
    (0..3).map(row).collect()
}

#[test]
fn rows_come_back_as_they_went_in_whatever_the_order_of_columns() {
    let batch = to_batch(rows(), &schema()).unwrap();
    assert_eq!((batch.num_rows(), batch.schema()), (3, schema()));
    assert_eq!(from_batch::<Row>(&batch).unwrap(), rows());
    // A part of a batch has its own rows, nested ones too.
    assert_eq!(from_batch::<Row>(&batch.slice(1, 2)).unwrap(), rows()[1..]);
}

#[test]
fn json_values_and_tuples_are_rows() {
    let some = Arc::new(schema().project(&[0, 2, 8]).unwrap());
    let batch = to_batch([serde_json::json!({"at": "2026-01-31 12:00:00", "small": 7})], &some).unwrap();
    let told: Vec<serde_json::Value> = from_batch(&batch).unwrap();
    assert_eq!(told, [serde_json::json!({"gone": null, "small": 7, "at": "2026-01-31T12:00:00.000Z"})]);
    let places: Vec<(Option<i64>, u64, i64)> = from_batch(&batch).unwrap();
    assert_eq!(places, [(None, 7, 1_769_860_800_000)]);
    // Without an offset too, as a time of no zone is written.
    let naive = to_batch([BTreeMap::from([("at", "2026-01-31T12:00:00")])], &some).unwrap();
    assert_eq!(naive.column(2), batch.column(2));
}

#[test]
fn what_does_not_fit_is_told_with_its_row_and_column() {
    let told = |rows: &[serde_json::Value]| to_batch(rows, &schema()).unwrap_err().to_string();
    let good = serde_json::json!({"n": 1});
    assert_eq!(
        told(&[good.clone(), serde_json::json!({"n": "x"})]),
        "row 1, column 'n': expected BIGINT (a whole number from -9223372036854775808 to 9223372036854775807), found 'x'"
    );
    assert!(
        told(&[serde_json::json!({"n": 1, "N": 2})]).starts_with("row 0, column 'N': is no column; there are 'gone',")
    );
    assert!(told(&[serde_json::json!({"n": 1, "N": 2})]).contains("compared with case"));
    assert_eq!(told(&[serde_json::json!({"gone": 1})]), "row 0, column 'n': is missing, and declared NOT NULL");
    assert_eq!(told(&[serde_json::json!({"n": null})]), "row 0, column 'n': is NULL, and declared NOT NULL");
    assert!(
        told(&[serde_json::json!({"n": 1, "place": {"lat": "far"}})])
            .starts_with("row 0, column 'place.lat': expected")
    );
    assert!(told(&[serde_json::json!({"n": 1, "small": 40_000})]).contains("column 'small': expected SMALLINT"));
    for (column, value) in [
        ("flag", serde_json::json!(1)),
        ("bytes", serde_json::json!(1234)),
        ("bytes", serde_json::json!([1, 256])),
        ("text", serde_json::json!([1])),
        ("tags", serde_json::json!("a")),
        ("place", serde_json::json!(1)),
        ("x", serde_json::json!(true)),
    ] {
        let text = told(&[serde_json::json!({"n": 1, column: value})]);
        assert!(text.contains(&format!("column '{column}'")), "{text}");
    }
    assert_eq!(
        to_batch([1], &schema()).unwrap_err().to_string(),
        "row 0: a row is a struct, a map with text for keys, or a tuple of all columns in their order"
    );

    let batch = to_batch([good], &schema()).unwrap();
    let told = |error: RowsError| error.to_string();
    let null = from_batch::<BTreeMap<String, i64>>(&batch.project(&[0]).unwrap());
    assert_eq!(told(null.unwrap_err()), "row 0, column 'gone': is NULL: make the field an Option");
    assert_eq!(told(from_batch::<Place>(&batch).unwrap_err()), "row 0: missing field `lat`");
    let small = from_batch::<(u8,)>(&batch.project(&[3]).unwrap());
    assert!(small.is_ok(), "1 is one");
    let rows = to_batch([serde_json::json!({"n": -1})], &schema()).unwrap();
    let told = told(from_batch::<(u8,)>(&rows.project(&[3]).unwrap()).unwrap_err());
    assert_eq!(told, "row 0, column 'n': invalid value: integer `-1`, expected u8");
}
