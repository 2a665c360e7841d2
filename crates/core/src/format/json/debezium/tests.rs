//! Envelopes as Debezium writes them, and what is read of them.

#![allow(clippy::unwrap_used)]

use arrow_schema::{DataType, Field, Schema};

use super::*;
use crate::format::decode_text;

/// Rows, the numbers of their records, faults with theirs, and how many records there are.
type Decoded = (Vec<String>, Vec<u64>, Vec<(u64, String)>, u64);

fn read(kind: &str, text: &str) -> Decoded {
    read_by(kind, &[], text)
}

fn read_by(kind: &str, key: &[&str], text: &str) -> Decoded {
    let fields = [("id", DataType::Int64), ("v", DataType::Utf8), ("_op", DataType::Utf8)];
    let schema = Arc::new(Schema::new(fields.map(|(name, kind)| Field::new(name, kind, true)).to_vec()));
    let options: Options = [("changelog".to_owned(), kind.to_owned())].into_iter().collect();
    let layout = Layout::new(&schema, &[0, 1, 2], &options).unwrap();
    let layout = Layout { key: key.iter().map(|key| (*key).to_owned()).collect(), ..layout };
    let Decoding::Text(decoding) = DebeziumJson.decoding(&layout, &options).unwrap() else { unreachable!() };
    let part = decode_text(decoding.as_ref(), text.as_bytes()).unwrap();
    let row = |row| crate::format::row_as_json(part.batch.schema_ref(), part.batch.columns(), row);
    let rows = (0..part.batch.num_rows()).map(row).collect();
    let faults = part.faults.into_iter().map(|fault| (fault.record, fault.detail)).collect();
    (rows, part.numbers.unwrap(), faults, part.records)
}

#[test]
fn what_a_row_was_goes_and_what_it_is_comes() {
    let text = concat!(
        r#"{"before":null,"after":{"id":1,"v":"a"},"source":{"table":"t"},"op":"c","ts_ms":5}"#,
        "\n",
        r#" {"schema":{"op":1},"payload":{"op":"u","before":{"id":1,"v":"a"},"after":{"id":1,"v":"b","_op":"x"}}}"#,
        "\n",
        "\nnull\n",
        r#"{"schema":null,"payload":null}"#,
        "\n",
        r#"{"op":"r","after":{ }}"#,
        "\n",
        r#"{"op":"u","before":null,"after":{"id":2}}"#,
        "\n",
        r#"{"op":"t"}"#,
        "\n",
        r#"{"op":"d","before":{"id":1,"v":"b"},"after":null}"#,
        "\n",
        r#"{"op":"c","after":{"id":"x"}}"#,
        "\n",
        r#"{"op":"c","after":7}"#,
        "\n",
        r#"{"after":{"id":1}}"#,
        "\n",
        r#"{"op":"c","after":{"id":1}"#,
        "\n",
    );
    let (rows, numbers, faults, records) = read("retract", text);
    let row = |id: &str, v: &str, op: &str| format!(r#"{{"id":{id},"v":{v},"_op":"{op}"}}"#);
    let first = [row("1", "\"a\"", "+I"), row("1", "\"a\"", "-U"), row("1", "\"b\"", "+U"), row("null", "null", "+I")];
    assert_eq!(rows, [&first[..], &[row("1", "\"b\"", "-D")]].concat());
    assert_eq!((numbers, records), (vec![0, 1, 1, 5, 8], 13));
    let told: Vec<(u64, &str)> =
        faults.iter().map(|(at, what)| (*at, what.split([':', ',']).next().unwrap())).collect();
    assert_eq!(told[..2], [(6, "'before' is null"), (7, "'op' is \"t\"")]);
    assert_eq!(told.iter().map(|told| told.0).collect::<Vec<_>>(), [6, 7, 9, 10, 11, 12], "{faults:?}");
    let (rows, _, faults, _) = read("upsert", text);
    assert_eq!(rows[1], row("1", "\"b\"", "+U"), "what it was is not asked for");
    assert_eq!((rows[3].as_str(), faults.len()), (row("2", "null", "+U").as_str(), 5));
}

#[test]
fn an_envelope_is_read_as_a_whole() {
    let text = concat!(
        r#"{"op":"u","before":{"id":"x","v":"a"},"after":{"id":1,"v":"b"}}"#,
        "\n\n",
        r#"{"op":"u","before":{"id":2,"v":"a"},"after":{"id":"y","v":"b"}}"#,
        "\n",
        r#"{"op":"u","before":{"id":"x"},"after":{"id":"y"}}"#,
        "\n",
        r#"{"op":"u","before":{"id":3,"v":"a"},"after":{"id":3,"v":"b"}}"#,
        "\n",
    );
    let (rows, numbers, faults, records) = read("retract", text);
    assert_eq!(rows.len(), 2, "{rows:?}");
    assert_eq!((numbers, records), (vec![4, 4], 5));
    assert_eq!(faults.iter().map(|fault| fault.0).collect::<Vec<_>>(), [0, 2, 3], "one dead letter each");
}

#[test]
fn by_key_what_a_row_was_goes_if_it_had_another_key() {
    let text = concat!(
        r#"{"op":"u","before":{"id":1,"v":"a"},"after":{"id":1,"v":"b"}}"#,
        "\n",
        r#"{"op":"u","before":{"id":1,"v":"b"},"after":{"id":2,"v":"b"}}"#,
        "\n",
        r#"{"op":"u","before":{"v":"b"},"after":{"id":2,"v":"c"}}"#,
        "\n",
        r#"{"payload":{"op":"u","before":{"v":"b","id": 2.0},"after":{"id":2,"v":"d"}}}"#,
        "\n",
        r#"{"op":"u","before":null,"after":{"id":2,"v":"e"}}"#,
        "\n",
    );
    let row = |id: &str, v: &str, op: &str| format!(r#"{{"id":{id},"v":"{v}","_op":"{op}"}}"#);
    let expected = [
        (row("1", "b", "+U"), 0),
        (row("1", "b", "-U"), 1),
        (row("2", "b", "+U"), 1),
        (row("2", "c", "+U"), 2),
        // Written otherwise: whether it is another one is seen when it is read.
        (row("2", "b", "-U"), 3),
        (row("2", "d", "+U"), 3),
        (row("2", "e", "+U"), 4),
    ];
    let (rows, numbers, faults, _) = read_by("upsert", &["id"], text);
    assert_eq!(rows.into_iter().zip(numbers).collect::<Vec<_>>(), expected);
    assert!(faults.is_empty(), "{faults:?}");
    // Of a key that is computed the other columns tell.
    assert_eq!(read_by("upsert", &["computed"], text).0.len(), 9);
}

/// What Debezium writes by default of each of these types, as its documentation shows envelopes.
mod values {
    use super::*;

    const COLUMNS: [(&str, DataType); 7] = [
        ("id", DataType::Int32),
        ("d", DataType::Date32),
        ("t", DataType::Time32(arrow_schema::TimeUnit::Millisecond)),
        ("at", DataType::Timestamp(arrow_schema::TimeUnit::Millisecond, None)),
        ("price", DataType::Decimal128(10, 2)),
        ("x", DataType::Float64),
        ("_op", DataType::Utf8),
    ];

    fn read_values(options: &[(&str, &str)], text: &str) -> (Vec<String>, Vec<(u64, String)>) {
        let schema = Arc::new(Schema::new(COLUMNS.map(|(name, kind)| Field::new(name, kind, name != "id")).to_vec()));
        let given = options.iter().chain(&[("changelog", "upsert")]);
        let options: Options = given.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let going = crate::format::Going { op: "_op".to_owned(), words: vec!["-U", "-D"] };
        let layout = Layout::new(&schema, &[0, 1, 2, 3, 4, 5, 6], &options).unwrap();
        let layout = Layout { key: vec!["id".to_owned()], going: Some(going), ..layout };
        let Decoding::Text(decoding) = DebeziumJson.decoding(&layout, &options).unwrap() else { unreachable!() };
        let part = decode_text(decoding.as_ref(), text.as_bytes()).unwrap();
        let row = |row| crate::format::row_as_json(part.batch.schema_ref(), part.batch.columns(), row);
        let rows = (0..part.batch.num_rows()).map(row).collect();
        (rows, part.faults.into_iter().map(|fault| (fault.record, fault.detail)).collect())
    }

    /// An envelope as Kafka Connect's JsonConverter writes it with schemas.
    fn with_schema(time: &str, timestamp: &str, payload: &str) -> String {
        let row = |name: &str| {
            format!(
                r#"{{"type":"struct","fields":[{{"type":"int32","optional":false,"field":"id"}},
                {{"type":"int32","optional":true,"name":"io.debezium.time.Date","version":1,"field":"d"}},
                {{"type":"int64","optional":true,"name":"{time}","version":1,"field":"t"}},
                {{"type":"int64","optional":true,"name":"{timestamp}","version":1,"field":"at"}},
                {{"type":"bytes","optional":true,"name":"org.apache.kafka.connect.data.Decimal","version":1,
                  "parameters":{{"scale":"3","connect.decimal.precision":"10"}},"field":"price"}},
                {{"type":"bytes","optional":true,"name":"org.apache.kafka.connect.data.Decimal","version":1,
                  "parameters":{{"scale":"0"}},"field":"x"}}],
                "optional":true,"name":"inventory.public.t.Value","field":"{name}"}}"#
            )
        };
        let schema = format!(
            r#"{{"type":"struct","fields":[{},{},{{"type":"string","optional":false,"field":"op"}}],"optional":false,
            "name":"inventory.public.t.Envelope"}}"#,
            row("before"),
            row("after")
        );
        format!("{{\"schema\":{schema},\"payload\":{payload}}}").replace('\n', " ")
    }

    fn row(t: &str, at: &str, op: &str) -> String {
        format!(r#"{{"id":1,"d":"2024-01-05","t":"{t}","at":"{at}","price":1.28,"x":-500.0,"_op":"{op}"}}"#)
    }

    #[test]
    fn the_schema_says_what_values_are() {
        let (date, price, x) = (19727, "BQE=", "/gw=");
        let payload = |op: &str, side: &str, t: &str, at: &str| {
            format!(r#"{{"op":"{op}","{side}":{{"id":1,"d":{date},"t":{t},"at":{at},"price":"{price}","x":"{x}"}}}}"#)
        };
        for (time, t) in [("Time", "36610123"), ("MicroTime", "36610123999"), ("NanoTime", "36610123999999")] {
            for (timestamp, at) in [("Timestamp", "-1"), ("MicroTimestamp", "-1000"), ("NanoTimestamp", "-1")] {
                let envelope = |op, side| {
                    let names = [time, timestamp].map(|name| format!("io.debezium.time.{name}"));
                    with_schema(&names[0], &names[1], &payload(op, side, t, at))
                };
                for unit in ["s", "ms", "us"] {
                    let text = [envelope("c", "after"), envelope("d", "before")].join("\n");
                    let (rows, faults) = read_values(&[("timestamp.unit", unit)], &text);
                    let row = |op| row("10:10:10.123", "1969-12-31T23:59:59.999Z", op);
                    assert_eq!((rows, faults), (vec![row("+I"), row("-D")], vec![]), "{time} {timestamp} {unit}");
                }
            }
        }
    }

    #[test]
    fn without_a_schema_types_and_options_say_it() {
        let row = |members: &str| format!(r#"{{"op":"c","after":{{"id":1,{members}}}}}"#);
        let lines = [
            row(r#""d":19727,"at":1700000000000,"price":"12.5""#),
            row(r#""price":"AfQ=""#),
            row(r#""t":3600000000"#),
            row(r#""price":{"scale":1,"value":"/w=="}"#),
            row(r#""d":"2024-01-05","t":"01:00:00""#),
        ]
        .join("\n");
        let (rows, faults) = read_values(&[], &lines);
        assert_eq!(rows.len(), 3, "{rows:?}");
        assert!(
            rows[0].contains(r#""d":"2024-01-05","t":null,"at":"2023-11-14T22:13:20.000Z","price":12.5"#),
            "{rows:?}"
        );
        assert!(rows[1].contains("\"price\":-0.1"), "{rows:?}");
        assert_eq!(faults.iter().map(|fault| fault.0).collect::<Vec<_>>(), [1, 2]);
        assert!(faults[0].1.contains("'debezium-json.decimal' = 'base64'"), "{faults:?}");
        assert!(faults[1].1.contains("'debezium-json.time' = 'us'"), "{faults:?}");
        let (rows, faults) = read_values(&[("debezium-json.decimal", "base64"), ("debezium-json.time", "us")], &lines);
        assert_eq!((rows.len(), faults.len()), (4, 1), "12.5 is no Base64: {faults:?}");
        assert!(rows[0].contains("\"price\":5.0"), "{rows:?}");
        assert!(rows[1].contains("\"t\":\"01:00:00"), "{rows:?}");
    }

    #[test]
    fn what_a_schema_says_otherwise_than_declared_is_refused() {
        for (time, timestamp) in [("io.debezium.time.Timestamp", ""), ("", "io.debezium.time.MicroTime")] {
            let text = with_schema(time, timestamp, r#"{"op":"c","after":{"id":1,"t":5,"at":5}}"#);
            let (rows, faults) = read_values(&[("debezium-json.time", "us")], &text);
            assert!(rows.is_empty() && faults[0].1.contains("the schema says"), "{faults:?}");
        }
    }

    #[test]
    fn k1_of_an_envelope_that_deletes_the_key_alone_is_read() {
        let text = concat!(
            r#"{"op":"d","before":{"id":1,"d":"garbage","price":"AfQ=","t":5}}"#,
            "\n",
            r#"{"op":"u","before":{"id":2,"at":"garbage"},"after":{"id":3,"x":1}}"#,
            "\n",
            r#"{"op":"d","before":{"id":"y","x":1}}"#,
            "\n",
        );
        let (rows, faults) = read_values(&[], text);
        let ids: Vec<&str> = rows.iter().map(|row| &row[..8]).collect();
        assert_eq!(ids, [r#"{"id":1,"#, r#"{"id":2,"#, r#"{"id":3,"#]);
        assert_eq!(faults.iter().map(|fault| fault.0).collect::<Vec<_>>(), [2]);
    }
}

#[test]
fn envelopes_are_read_however_they_are_apart() {
    let one = "{\n \"op\": \"c\",\n \"after\": {\n  \"id\": 1,\n  \"v\": \"a\"\n }\n}";
    let two = r#"{"op":"u","before":{"id":1,"v":"a"},"after":{"id":1,"v":"b"}}"#;
    for text in [
        format!("[{one},{two}]"),
        format!("[\n{one} ,\n null, {two}\n]\n"),
        format!("{one}\n{two}\n"),
        format!("{one}\nnull\n{two}"),
        format!("[{one}]\n[{two}]"),
        format!("{}\n{two}\n", one.replace('\n', "")),
    ] {
        let (rows, _, faults, _) = read("retract", &text);
        assert_eq!((rows.len(), &faults[..]), (3, &[][..]), "{text}: {rows:?}");
        assert_eq!(rows[2], r#"{"id":1,"v":"b","_op":"+U"}"#, "{text}");
    }
    let (rows, numbers, faults, records) = read("retract", &format!("[{one},7,,{two}]"));
    assert_eq!((rows.len(), numbers, records), (3, vec![0, 3, 3], 4));
    assert_eq!(faults.iter().map(|fault| fault.0).collect::<Vec<_>>(), [1, 2], "{faults:?}");
}
