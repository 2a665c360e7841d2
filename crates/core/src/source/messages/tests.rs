//! Each message alone, and all at once: the same rows, rejects and texts.

#![allow(clippy::unwrap_used)]

use arrow_array::{Int64Array, StringArray};
use arrow_schema::{DataType, Field};

use super::super::stdin::Stdin;
use super::super::tests::spec;
use super::*;
use crate::format::row_as_json;

/// A message: its number, and its value.
type Message<'a> = (u64, Option<&'a [u8]>);

/// What is made of messages: rows with their numbers, rejects by number, and what each row came as.
type Made = (Vec<(u64, String)>, Vec<(String, &'static str, String)>, Vec<Option<String>>);

fn read(columns: &[(&str, DataType)], options: &[(&str, &str)], batches: &[&[Message<'_>]]) -> Made {
    let fields: Vec<_> = columns.iter().map(|(name, kind)| Arc::new(Field::new(*name, kind.clone(), true))).collect();
    let spec = spec(&Stdin, &fields, options);
    let mut decoding = MessageDecoding::new(&spec, &spec.options, None).unwrap();
    let (mut rows, mut made) = (0, Made::default());
    for batch in batches {
        let mut messages = Messages::default();
        batch.iter().for_each(|(number, value)| messages.push(*number, None, *value));
        let end = batch.last().map_or(0, |(number, _)| number + 1);
        let decoded = decoding.decode(("s", "t/0"), &messages, &[], &mut rows, end);
        let numbers = decoded.numbers.unwrap();
        let mut came = decoded.came.finder();
        for (row, number) in numbers.iter().enumerate() {
            made.0.push((*number, row_as_json(decoded.batch.schema_ref(), decoded.batch.columns(), row)));
            made.2.push(came.record(number - decoded.first));
        }
        made.1.extend(decoded.rejects.into_iter().map(|reject| (reject.position, reject.reason, reject.content)));
        assert_eq!((decoded.end.rows, decoded.end.spot.at), (made.0.len() as u64, end));
    }
    made
}

/// All messages together, and each alone; both are the same.
fn both(columns: &[(&str, DataType)], options: &[(&str, &str)], messages: &[Message<'_>]) -> Made {
    let alone: Vec<&[Message<'_>]> = messages.chunks(1).collect();
    let made = read(columns, options, &[messages]);
    assert_eq!(made, read(columns, options, &alone));
    made
}

fn numbered<'a>(values: &[&'a str]) -> Vec<Message<'a>> {
    (10..).zip(values.iter().map(|value| Some(value.as_bytes()))).collect()
}

fn places(made: &Made) -> Vec<&str> {
    made.1.iter().map(|(place, ..)| place.strip_prefix("t/0:").unwrap()).collect()
}

#[test]
fn a_message_is_one_record_whatever_stands_in_it() {
    let values = [
        "{\"n\":1}",
        "{\"n\":2}\n",
        "{\n \"n\": 3\n}",
        "",
        " ",
        "null",
        "{\"n\":4}{\"n\":5}",
        "{\"n\":6}\n{\"n\":7}",
        "[{\"n\":8}]",
        "{\"n\":",
        "\"}",
        "{\"n\":9}\r\n",
    ];
    let made = both(&[("n", DataType::Int64)], &[("format", "json")], &numbered(&values));
    let rows: Vec<(u64, &str)> = made.0.iter().map(|(number, row)| (*number, row.as_str())).collect();
    assert_eq!(rows, [(10, "{\"n\":1}"), (11, "{\"n\":2}"), (12, "{\"n\":3}"), (21, "{\"n\":9}")]);
    assert_eq!(places(&made), ["13", "14", "15", "16", "17", "18", "19", "20"]);
    assert_eq!(made.1[6].2, "{\"n\":", "as it came");
    assert_eq!(made.2[0].as_deref(), Some("{\"n\":1}"));
    assert_eq!(made.2[2].as_deref(), Some("{\n \"n\": 3\n}"));
}

#[test]
fn offsets_have_gaps_and_rows_keep_theirs() {
    let messages: [Message<'_>; 5] =
        [(3, Some(b"{\"n\":1}")), (7, Some(b"x")), (8, Some(b"{\"n\":2}")), (100, None), (101, Some(b"{\"n\":3}"))];
    let made = both(&[("n", DataType::Int64)], &[("format", "json")], &messages);
    assert_eq!(made.0.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [3, 8, 101]);
    assert_eq!(places(&made), ["7", "100"]);
    assert_eq!(made.2, ["{\"n\":1}", "{\"n\":2}", "{\"n\":3}"].map(|text| Some(text.to_owned())));
}

#[test]
fn a_quote_that_is_not_closed_takes_no_neighbour() {
    let values = ["1,a", "2,\"b", "3,\"c\nd\"", "4,e", "5", "\"6\",\"f\""];
    let made = both(&[("n", DataType::Int64), ("t", DataType::Utf8)], &[("format", "csv")], &numbered(&values));
    let rows: Vec<&str> = made.0.iter().map(|(_, row)| row.as_str()).collect();
    let row = |n: i64, t: &str| format!("{{\"n\":{n},\"t\":\"{t}\"}}");
    assert_eq!(rows, [row(1, "a"), row(3, "c\\nd"), row(4, "e"), row(6, "f")]);
    assert_eq!(places(&made), ["11", "14"]);
}

#[test]
fn raw_messages_are_values_as_they_are() {
    let values = ["a\nb\n", "", "c"];
    let made = both(&[("t", DataType::Utf8)], &[("format", "raw")], &numbered(&values));
    let rows: Vec<&str> = made.0.iter().map(|(_, row)| row.as_str()).collect();
    assert_eq!(rows, ["{\"t\":\"a\\nb\\n\"}", "{\"t\":\"\"}", "{\"t\":\"c\"}"]);
    let bad: [Message<'_>; 2] = [(1, Some(b"\xff\xfe\xfd")), (2, Some(b"fine"))];
    let made = both(&[("t", DataType::Utf8)], &[("format", "raw")], &bad[1..]);
    assert_eq!(made.0.len(), 1);
    let long = "x".repeat(20);
    let made = both(&[("t", DataType::Utf8)], &[("format", "raw"), ("max-row-bytes", "10")], &numbered(&[&long, "y"]));
    assert_eq!((made.0.len(), made.1[0].1), (1, "oversized"));
}

/// COUNT(*) asks for no column; a beginning has no messages.
#[test]
fn rows_of_which_nothing_is_asked_are_counted() {
    let fields = [Arc::new(Field::new("n", DataType::Int64, true))];
    for format in ["json", "csv", "regex"] {
        let options = [("format", format), ("regex.pattern", "(?<n>.*)")];
        let mut spec = spec(&Stdin, &fields, if format == "regex" { &options } else { &options[..1] });
        spec.decode = Vec::new();
        let mut decoding = MessageDecoding::new(&spec, &spec.options, None).unwrap();
        let batches: [&[&str]; 3] = [&[], &["1"], &["1", "\"2\"", "3\n\n"]];
        for values in batches {
            let mut messages = Messages::default();
            for (value, number) in values.iter().zip(0..) {
                let value = if format == "json" { format!("{{\"n\":\n{value}}}") } else { (*value).to_owned() };
                messages.push(number, None, Some(value.as_bytes()));
            }
            let decoded = decoding.decode(("s", "t/0"), &messages, &[], &mut 0, 9);
            let all = decoded.batch.num_rows() + decoded.rejects.len();
            assert_eq!((all, decoded.batch.num_columns()), (messages.len(), 0), "{format}: {:?}", decoded.rejects);
        }
    }
}

#[cfg(feature = "msgpack")]
#[test]
fn maps_of_message_pack_are_rows() {
    let messages: [Message<'_>; 3] =
        [(1, Some(b"\x81\xa1n\x01")), (2, Some(b"\x93\x01\x02\x03")), (3, Some(b"\x81\xa1n\x02"))];
    let made = both(&[("n", DataType::Int64)], &[("format", "msgpack")], &messages);
    assert_eq!(made.0, [(1, "{\"n\":1}".to_owned()), (3, "{\"n\":2}".to_owned())]);
    assert_eq!(places(&made), ["2"]);
}

#[test]
fn keys_and_what_stands_beside_are_columns() {
    let field = |name: &str, kind: DataType, nullable: bool| Arc::new(Field::new(name, kind, nullable));
    let columns =
        [field("k_id", DataType::Int64, true), field("at", DataType::Int64, true), field("v", DataType::Utf8, true)];
    let read = |nullable: bool| {
        let mut columns = columns.to_vec();
        columns[0] = field("k_id", DataType::Int64, nullable);
        let mut spec = spec(&Stdin, &columns, &[("format", "json")]);
        spec.metadata = vec![(1, "offset".to_owned())];
        let options = [("format".to_owned(), "json".to_owned())].into_iter().collect();
        let key = KeyPart { options, columns: vec![0], prefix: "k_".to_owned() };
        let mut decoding = MessageDecoding::new(&spec, &spec.options, Some(&key)).unwrap();
        let mut messages = Messages::default();
        let pairs = [
            (Some("{\"id\":1}"), "{\"v\":\"a\"}"),
            (None, "{\"v\":\"b\"}"),
            (Some("{"), "{\"v\":\"c\"}"),
            (Some("{\"id\":4}"), "bad"),
        ];
        for ((key, value), number) in pairs.iter().zip(5..) {
            messages.push(number, key.map(str::as_bytes), Some(value.as_bytes()));
        }
        let offsets: Vec<ArrayRef> = vec![Arc::new(Int64Array::from(vec![5, 6, 7, 8]))];
        decoding.decode(("s", "t/0"), &messages, &offsets, &mut 0, 9)
    };
    let decoded = read(true);
    let rows: Vec<String> = (0..decoded.batch.num_rows())
        .map(|row| row_as_json(decoded.batch.schema_ref(), decoded.batch.columns(), row))
        .collect();
    assert_eq!(rows, ["{\"k_id\":1,\"at\":5,\"v\":\"a\"}", "{\"k_id\":null,\"at\":6,\"v\":\"b\"}"]);
    let told = |decoded: &Decoded| decoded.rejects.iter().map(|reject| reject.position.clone()).collect::<Vec<_>>();
    assert_eq!(told(&decoded), ["t/0:7", "t/0:8"]);
    assert!(decoded.rejects[0].detail.starts_with("in the key: "), "{:?}", decoded.rejects);
    let decoded = read(false);
    assert_eq!(
        (decoded.batch.num_rows(), told(&decoded)),
        (1, ["t/0:6", "t/0:7", "t/0:8"].map(str::to_owned).to_vec())
    );
    assert!(decoded.batch.column(2).as_any().downcast_ref::<StringArray>().is_some());
}

#[test]
fn formats_of_files_are_refused() {
    for (format, word) in [("arrow", "of files"), ("csv", "no header")] {
        let fields = [Arc::new(Field::new("n", DataType::Int64, true))];
        let options = [("format", format), ("csv.header", "true")];
        let spec = spec(&Stdin, &fields, if format == "csv" { &options } else { &options[..1] });
        let refused = MessageDecoding::new(&spec, &spec.options, None).unwrap_err().to_string();
        assert!(refused.contains(word), "{refused}");
    }
}
