//! Rows of many columns are decoded in the time of their fields.
#![allow(clippy::unwrap_used)]

use std::fmt::Write;

use arrow_schema::DataType;

use super::tests::schema;
use super::*;
use crate::time::Clock;

/// How many rows are decoded at once.
const ROWS: usize = 200;

fn text(format: &str, columns: usize) -> String {
    let mut text = String::new();
    if format == "csv" {
        text.push_str(&(0..columns).map(|column| format!("c{column}")).collect::<Vec<_>>().join(","));
        text.push('\n');
    }
    for row in 0..ROWS {
        for column in 0..columns {
            let between = if column == 0 { "" } else { "," };
            let value = (row * 7 + column) % 1000;
            match format {
                "csv" => write!(text, "{between}{value}").unwrap(),
                _ => write!(text, "{}\"c{column}\":{value}", if column == 0 { "{" } else { "," }).unwrap(),
            }
        }
        text.push_str(if format == "csv" { "\n" } else { "}\n" });
    }
    text
}

/// The least time that a field took, of several rounds behind the first.
fn least(format: &str, columns: usize) -> f64 {
    let names: Vec<String> = (0..columns).map(|column| format!("c{column}")).collect();
    let kinds: Vec<(&str, DataType)> = names.iter().map(|name| (name.as_str(), DataType::Int64)).collect();
    let layout = Layout::new(&schema(&kinds), &(0..columns).collect::<Vec<_>>(), &Options::default()).unwrap();
    let Decoding::Text(decoding) = find(format).unwrap().decoding(&layout, &Options::default()).unwrap() else {
        panic!()
    };
    let text = text(format, columns);
    let beginning = decoding.begin(text.as_bytes(), true).unwrap().unwrap();
    let mut decoder = beginning.records.decoder();
    let mut once = || {
        let start = Clock::start();
        let part = decoder.decode(&text.as_bytes()[beginning.skip..]);
        assert_eq!((part.batch.num_rows(), part.faults.len()), (ROWS, 0));
        start.elapsed_seconds() / (ROWS * columns) as f64
    };
    once();
    (0..5).map(|_| once()).fold(f64::MAX, f64::min)
}

#[test]
fn a_field_costs_the_same_in_a_wide_row() {
    for format in ["csv", "json"] {
        for columns in [1_000, 5_000] {
            // On a busy machine one of the two may have been held up.
            let times = (0..5).map(|_| least(format, columns) / least(format, 100)).find(|times| *times < 4.0);
            assert!(times.is_some(), "{format}: a field of {columns} columns takes 4 times that of 100 and more");
        }
    }
}
