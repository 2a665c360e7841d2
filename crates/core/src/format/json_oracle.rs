//! JSON decoding against serde_json on random lines, most of them right, cut anywhere.
#![allow(clippy::unwrap_used)]

use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_schema::DataType;
use proptest::prelude::*;

use super::tests::{decode, decode_cut, schema, texts};
use super::{Decoding, Layout, find};
use crate::options::Options;

/// JSON text, mostly right.
fn json_text() -> impl Strategy<Value = Vec<u8>> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|value| value.to_string()),
        any::<i32>().prop_map(|value| value.to_string()),
        any::<f64>().prop_filter("JSON has no such", |value| value.is_finite()).prop_map(|value| format!("{value:e}")),
        "[a-z\\\\\"{}\\[\\],:€]{0,20}".prop_map(|text| serde_json::to_string(&text).unwrap()),
        Just("\"\\u00e4\\ud83d\\ude00\\n\"".to_owned()),
    ];
    let value = leaf.prop_recursive(3, 20, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(" ,"))),
            proptest::collection::vec(("[nt\\\\\"]{1,2}", inner), 0..4).prop_map(|members| {
                let members: Vec<_> = members
                    .iter()
                    .map(|(name, value)| format!("{}: {value}", serde_json::to_string(name).unwrap()))
                    .collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    });
    let object = proptest::collection::vec(("[ntx]", value), 0..5).prop_map(|members| {
        let members: Vec<_> = members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        format!("{{{}}}", members.join(",")).into_bytes()
    });
    (object, proptest::option::weighted(0.5, (any::<usize>(), any::<u8>()))).prop_map(|(mut text, change)| {
        if let Some((at, byte)) = change {
            let at = at % text.len();
            text[at] = if byte == b'\n' { b' ' } else { byte };
        }
        text
    })
}

/// Whether the line is an object by serde_json's rules, and what `n` and `t` hold.
fn by_serde(line: &[u8]) -> Option<(Option<f64>, Option<String>)> {
    let value: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(line).ok()?;
    let n = match value.get("n") {
        None | Some(serde_json::Value::Null) => None,
        Some(serde_json::Value::Number(number)) => Some(number.as_f64()?),
        _ => return None,
    };
    let t = match value.get("t") {
        None | Some(serde_json::Value::Null) => None,
        Some(serde_json::Value::String(text)) => Some(text.clone()),
        Some(_) => Some("?".to_owned()),
    };
    Some((n, t))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn json_means_what_serde_says(lines in proptest::collection::vec(json_text(), 1..12), size in 1_usize..80) {
        let columns = [("n", DataType::Float64), ("t", DataType::Utf8)];
        let mut input = lines.join(&b'\n');
        // Here every line is a record. Of text whose first object has another behind it on its line, they end where their brackets close.
        let layout = Layout::new(&schema(&columns), &[0, 1], &Options::default()).unwrap();
        let Decoding::Text(json) = find("json").unwrap().decoding(&layout, &Options::default()).unwrap() else {
            unreachable!("JSON is text")
        };
        if json.begin(&input, true).unwrap().unwrap().records.cut(b"{}") > 0 {
            return Ok(());
        }
        let whole = decode("json", &columns, &[], &input);
        let numbers = whole.numbers.clone().unwrap_or_else(|| (0..whole.batch.num_rows() as u64).collect());
        let n = whole.batch.column(0).as_primitive::<Float64Type>();
        let mut row = 0;
        for (index, line) in lines.iter().enumerate() {
            let accepted = numbers.get(row) == Some(&(index as u64));
            if line.iter().all(u8::is_ascii_whitespace) {
                return Ok(());
            }
            match by_serde(line) {
                Some((number, text)) => {
                    let twice = String::from_utf8_lossy(line).matches("\"n\"").count() > 1;
                    if !accepted && twice && whole.faults.iter().any(|fault| fault.detail.starts_with("column 'n'")) {
                        // The last of them counts, but all must be of the type.
                        continue;
                    }
                    prop_assert!(accepted, "refused {}: {:?}", String::from_utf8_lossy(line), whole.faults);
                    // serde_json's floats are not always the nearest; ours are tested in `number`.
                    let found = (!n.is_null(row)).then(|| n.value(row));
                    let near = |(a, b): (f64, f64)| (a - b).abs() <= 1e-12 * b.abs() + f64::MIN_POSITIVE;
                    prop_assert!(found.is_some() == number.is_some() && found.zip(number).is_none_or(near));
                    let found = texts(&whole, 1)[row];
                    match &text {
                        Some(other) if other == "?" => prop_assert!(found.is_some()),
                        _ => prop_assert_eq!(found, text.as_deref()),
                    }
                }
                // Lenient where the registry says so: text and the like for a number, numbers out of a float's range.
                None if accepted => {
                    let value: Result<serde_json::Value, _> = serde_json::from_slice(line);
                    let lenient = match value {
                        Ok(value) => value["n"].is_string(),
                        Err(error) => error.to_string().contains("out of range"),
                    };
                    prop_assert!(lenient, "accepted {}", String::from_utf8_lossy(line));
                }
                None => {}
            }
            row += usize::from(accepted);
        }
        prop_assert_eq!(row, whole.batch.num_rows());
        // Any cutting gives the same.
        input.push(b'\n');
        let parts = decode_cut("json", &columns, &input, size);
        let joined = arrow_select::concat::concat_batches(&schema(&columns), parts.iter().map(|part| &part.batch)).unwrap();
        prop_assert_eq!(format!("{joined:?}"), format!("{:?}", whole.batch));
        prop_assert_eq!(parts.iter().map(|part| part.faults.len()).sum::<usize>(), whole.faults.len());
    }
}
