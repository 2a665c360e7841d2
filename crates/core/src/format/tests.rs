//! Laws of every format, looped over the registry, and the text decoders against oracles.
#![allow(clippy::unwrap_used)]

use std::io::Write;

use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::*;
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_schema::{DataType, Field, Fields, TimeUnit as ArrowUnit};

use super::*;

fn choose(options: &Options, path: &str) -> Result<crate::registered::Registered<dyn Format>, FormatError> {
    Formats::default().choose(options, path)
}

pub(super) fn options(pairs: &[(&str, &str)]) -> Options {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn text_of(decoding: Decoding) -> Arc<dyn TextDecoding> {
    match decoding {
        Decoding::Text(text) => text,
        Decoding::Blocks(_) => panic!("not a text format"),
    }
}

pub(super) fn schema(columns: &[(&str, DataType)]) -> SchemaRef {
    Arc::new(Schema::new(columns.iter().map(|(name, kind)| Field::new(*name, kind.clone(), true)).collect::<Vec<_>>()))
}

pub(super) const TS: DataType = DataType::Timestamp(ArrowUnit::Millisecond, None);

/// Decodes `input` as columns `kinds`, whole.
pub(super) fn decode(format: &str, columns: &[(&str, DataType)], given: &[(&str, &str)], input: &[u8]) -> Part {
    let schema = schema(columns);
    let all: Vec<usize> = (0..columns.len()).collect();
    let options = options(given);
    let layout = Layout::new(&schema, &all, &options).unwrap();
    let decoding = text_of(find(format).unwrap().decoding(&layout, &options).unwrap());
    decode_text(decoding.as_ref(), input).unwrap()
}

/// The same, cut into chunks as a reader that gets `size` bytes at a time would.
pub(super) fn decode_cut(format: &str, columns: &[(&str, DataType)], input: &[u8], size: usize) -> Vec<Part> {
    let schema = schema(columns);
    let all: Vec<usize> = (0..columns.len()).collect();
    let layout = Layout::new(&schema, &all, &Options::default()).unwrap();
    let decoding = text_of(find(format).unwrap().decoding(&layout, &Options::default()).unwrap());
    let beginning = decoding.begin(input, true).unwrap().unwrap();
    let mut decoder = beginning.records.decoder();
    let (mut at, mut end, mut parts) = (beginning.skip, beginning.skip, Vec::new());
    while end < input.len() {
        end = input.len().min(end + size);
        let cut = beginning.records.cut(&input[at..end]);
        if cut > 0 {
            let mut chunk = input[at..at + cut].to_vec();
            if chunk.last() != Some(&b'\n') {
                chunk.push(b'\n');
            }
            parts.push(decoder.decode(&chunk));
            at += cut;
        }
    }
    if at < end {
        let mut chunk = input[at..end].to_vec();
        chunk.push(b'\n');
        parts.push(decoder.decode(&chunk));
    }
    parts
}

pub(super) fn ints(part: &Part, column: usize) -> Vec<Option<i64>> {
    part.batch.column(column).as_primitive::<Int64Type>().iter().collect()
}

pub(super) fn texts(part: &Part, column: usize) -> Vec<Option<&str>> {
    part.batch.column(column).as_string::<i32>().iter().collect()
}

pub(super) fn faults(part: &Part) -> Vec<(u64, &str)> {
    part.faults.iter().map(|fault| (fault.record, fault.detail.as_str())).collect()
}

#[test]
fn every_format_is_documented_and_found() {
    let mut names = std::collections::BTreeSet::new();
    for format in FORMATS {
        assert!(names.insert(format.name()) && !format.help().is_empty());
        assert!(format.options().iter().all(|option| !option.help.is_empty()));
        for extension in format.extensions() {
            assert!(names.insert(extension) || *extension == format.name(), "{extension} twice");
            assert_eq!(choose(&Options::default(), &format!("a.b/x.{extension}")).unwrap().name(), format.name());
        }
        assert_eq!(choose(&options(&[("format", format.name())]), "x").unwrap().name(), format.name());
    }
    assert!(choose(&Options::default(), "data/x").unwrap_err().to_string().contains("'format' = one of json, csv"));
    assert!(choose(&options(&[("format", "xml")]), "x").unwrap_err().to_string().contains("write one of json"));
}

/// Rows of every type a text format knows, from a seed; nested ones if asked for.
fn random_batch(seed: u64, rows: usize, nested: bool) -> RecordBatch {
    let mut state = seed;
    let mut next = move || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    };
    let words = [
        "",
        "a",
        "NULL",
        "a,b",
        "\"quoted\"",
        "line\nbreak\r\n",
        "tab\t",
        "äöü€😀",
        "\\",
        "  space ",
        "null",
        "1",
        "\u{7f}\u{1}",
    ];
    let mut columns: Vec<(Field, ArrayRef)> = Vec::new();
    let mut add =
        |name: &str, column: ArrayRef| columns.push((Field::new(name, column.data_type().clone(), true), column));
    let some = |bits: u64| !bits.is_multiple_of(5);
    let mut ints = |rows: usize| -> Vec<Option<i64>> {
        (0..rows)
            .map(|_| {
                let bits = next();
                some(bits)
                    .then(|| [bits as i64, i64::MIN, i64::MAX, -1, 0, (bits >> 50) as i64][(bits >> 8) as usize % 6])
            })
            .collect()
    };
    let longs = ints(rows);
    add("long", Arc::new(Int64Array::from(longs.clone())));
    add("int", Arc::new(longs.iter().map(|value| value.map(|value| value as i32)).collect::<Int32Array>()));
    add("small", Arc::new(longs.iter().map(|value| value.map(|value| value as i16)).collect::<Int16Array>()));
    let doubles = |value: i64| {
        [value as f64 / 7.0, f64::from_bits(value as u64), f64::NAN, f64::INFINITY, -f64::INFINITY, -0.0]
            [value.rem_euclid(6) as usize]
    };
    let nan = |value: f64| if value.is_nan() { f64::NAN } else { value };
    add("double", Arc::new(ints(rows).iter().map(|value| value.map(doubles).map(nan)).collect::<Float64Array>()));
    add(
        "float",
        Arc::new(
            ints(rows)
                .iter()
                .map(|value| value.map(doubles).map(nan).map(|value| value as f32))
                .collect::<Float32Array>(),
        ),
    );
    let texts = ints(rows)
        .into_iter()
        .map(|value| value.map(|value| words[value.rem_euclid(13) as usize].to_owned()))
        .collect::<Vec<_>>();
    add("text", Arc::new(StringArray::from(texts.clone())));
    add("truth", Arc::new(ints(rows).iter().map(|value| value.map(|value| value % 2 == 0)).collect::<BooleanArray>()));
    add("ts", Arc::new(ints(rows).into_iter().collect::<TimestampMillisecondArray>()));
    add(
        "day",
        Arc::new(ints(rows).iter().map(|value| value.map(|value| (value % 3_000_000) as i32)).collect::<Date32Array>()),
    );
    let decimals = ints(rows)
        .iter()
        .map(|value| value.map(|value| i128::from(value % 10_i64.pow(10))))
        .collect::<Decimal128Array>();
    add("decimal", Arc::new(decimals.with_precision_and_scale(10, 2).unwrap()));
    if nested {
        let fields =
            Fields::from(vec![Field::new("x", DataType::Int64, true), Field::new("y \"z\"", DataType::Utf8, true)]);
        let members: Vec<ArrayRef> = vec![Arc::new(Int64Array::from(ints(rows))), Arc::new(StringArray::from(texts))];
        let valid: Vec<bool> = ints(rows).iter().map(Option::is_some).collect();
        add("row", Arc::new(StructArray::new(fields, members, Some(NullBuffer::from(valid)))));
        let items = Arc::new(Int64Array::from(ints(2 * rows)));
        let offsets = OffsetBuffer::from_lengths((0..rows).map(|row| [0, 1, 3, 2][row % 4]));
        let length = *offsets.last().unwrap() as usize;
        let item = Arc::new(Field::new_list_field(DataType::Int64, true));
        add("list", Arc::new(ListArray::new(item, offsets, Arc::new(items.slice(0, length)), None)));
    }
    let (fields, columns): (Vec<_>, Vec<_>) = columns.into_iter().unzip();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
}

pub(super) fn read_back(format: &dyn Format, schema: &SchemaRef, given: &Options, bytes: &[u8]) -> Vec<Part> {
    let all: Vec<usize> = (0..schema.fields().len()).collect();
    let layout = Layout::new(schema, &all, given).unwrap();
    match format.decoding(&layout, given).unwrap() {
        Decoding::Text(text) => vec![decode_text(text.as_ref(), bytes).unwrap()],
        Decoding::Blocks(blocks) => {
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(bytes).unwrap();
            let parts = blocks.open(Input::File(Arc::new(file)), Spot::default()).unwrap();
            parts.map(|part| part.unwrap().0).collect()
        }
    }
}

#[test]
fn what_a_format_writes_it_reads_back() {
    for format in &FORMATS[..5] {
        for (seed, rows, given) in [
            (1, 0, vec![]),
            (2, 1, vec![]),
            (3, 1000, vec![]),
            (4, 1000, vec![("csv.field-delimiter", "\\t"), ("csv.null-literal", "NULL"), ("csv.header", "false")]),
            (
                5,
                1000,
                vec![
                    ("csv.escape-character", "\\"),
                    ("csv.quote-character", "'"),
                    ("csv.field-delimiter", ";"),
                    ("csv.decimal-separator", ","),
                ],
            ),
            (6, 1000, vec![("csv.allow-comments", "true")]),
        ] {
            let given = options(&given);
            let batch = random_batch(seed, rows, format.name() != "csv");
            let mut encoder = format.encoder(&batch.schema(), &given).unwrap();
            let mut bytes = Vec::new();
            for part in [batch.slice(0, rows / 3), batch.slice(rows / 3, rows - rows / 3)] {
                encoder.encode(&part, &mut bytes).unwrap();
            }
            encoder.finish(&mut bytes).unwrap();
            let parts = read_back(*format, &batch.schema(), &given, &bytes);
            let faults: Vec<_> = parts.iter().flat_map(|part| &part.faults).collect();
            assert!(faults.is_empty(), "{}: {:?}", format.name(), faults[0]);
            let read =
                arrow_select::concat::concat_batches(&batch.schema(), parts.iter().map(|part| &part.batch)).unwrap();
            for (column, expected) in read.columns().iter().zip(batch.columns()) {
                assert_eq!(column, expected, "{} seed {seed}", format.name());
            }
        }
    }
}

#[test]
fn json_of_the_wild_is_read() {
    let columns = [
        ("n", DataType::Int64),
        ("t", DataType::Utf8),
        ("ts", TS),
        ("f", DataType::Float64),
        (
            "row",
            DataType::Struct(Fields::from(vec![
                Field::new("a", DataType::Int64, true),
                Field::new("b", DataType::Utf8, true),
            ])),
        ),
        ("list", DataType::List(Arc::new(Field::new_list_field(DataType::Int64, true)))),
    ];
    let input = br#"{"n":1,"t":"x","ts":"2026-01-01 00:00:00","f":1.5,"row":{"b":"y","a":2,"c":[{}]},"list":[1,null,3]}
  {"unknown":{"deep":[1,2,{"x":"}\""}]}, "t" : 12.50 , "n" : "7" , "ts":-5}

{"t":true,"n":1,"n":2,"\u0066":"NaN","list":[]}
{"t":{"a": [1]},"row":null,"list":null}
{}
"#;
    let part = decode("json", &columns, &[], input);
    assert_eq!(faults(&part), []);
    assert_eq!(ints(&part, 0), [Some(1), Some(7), Some(2), None, None]);
    assert_eq!(texts(&part, 1), [Some("x"), Some("12.50"), Some("true"), Some(r#"{"a": [1]}"#), None]);
    let ts: Vec<_> = part.batch.column(2).as_primitive::<TimestampMillisecondType>().iter().collect();
    assert_eq!(ts, [Some(1_767_225_600_000), Some(-5), None, None, None]);
    assert!(part.batch.column(3).as_primitive::<Float64Type>().value(2).is_nan());
    assert_eq!(
        part.batch.column(4).as_struct().column(0).as_primitive::<Int64Type>().iter().collect::<Vec<_>>(),
        [Some(2), None, None, None, None]
    );
    assert_eq!(part.batch.column(5).as_list::<i32>().value_offsets(), [0, 3, 3, 3, 3, 3]);
    assert_eq!((part.records, part.numbers), (6, Some(vec![0, 1, 3, 4, 5])));
}

#[test]
fn bad_json_rows_leave_their_neighbours_alone() {
    let columns = [
        ("n", DataType::Int32),
        ("t", DataType::Utf8),
        ("row", DataType::Struct(Fields::from(vec![Field::new("a", DataType::Int64, true)]))),
    ];
    let bad: &[(&[u8], &str)] = &[
        (b"nonsense", "expected an object at byte 1, found 'n'"),
        (b"[1]", "expected an object at byte 1, found '['"),
        (b"{\"n\":1", "expected ',' or '}' at byte 7, found the end"),
        (b"{\"n\":1}}", "expected the end of the line at byte 8, found '}'"),
        (
            b"{\"n\":1.5}",
            "column 'n': expected INT (a whole number from -2147483648 to 2147483647) at byte 6, found '1'",
        ),
        (
            b"{\"n\":3000000000}",
            "column 'n': expected INT (a whole number from -2147483648 to 2147483647) at byte 6, found '3'",
        ),
        (b"{\"t\":\"a", "column 't': expected the end of a string at byte 8, found the end"),
        (b"{\"t\":\"\\x\"}", "column 't': expected a known escape (before here) at byte 10, found '}'"),
        (
            b"{\"row\":{\"a\":tru}}",
            "column 'row.a': expected BIGINT (a whole number from -9223372036854775808 to 9223372036854775807) at byte 13, found 't'",
        ),
        (b"{\"row\":3}", "column 'row': expected ROW<a BIGINT> (an object) at byte 8, found '3'"),
        (b"{\"x\":01}", "expected a value at byte 6, found '0'"),
        (
            b"{\"t\":\"\xff\xfe\"}",
            "not UTF-8 from byte 7 on; write it so, as by iconv -f ISO-8859-1 -t UTF-8, or send its charset",
        ),
        (b"{\"t\":\"\\ud800\"}", "column 't': expected a Unicode escape (before here) at byte 14, found '}'"),
        (b"{,}", "expected '\"' at byte 2, found ','"),
        (b"{\"a\":1,}", "expected '\"' at byte 8, found '}'"),
    ];
    for ending in ["\n", "\r\n"] {
        let mut input = b"\xEF\xBB\xBF".to_vec();
        for (line, _) in bad {
            input.extend_from_slice(format!("{{\"n\":1,\"t\":\"good\",\"row\":{{\"a\":5}}}}{ending}").as_bytes());
            input.extend_from_slice(line);
            input.extend_from_slice(ending.as_bytes());
        }
        input.extend_from_slice(b"{\"n\":1,\"t\":\"good\",\"row\":{\"a\":5}}");
        let part = decode("json", &columns, &[], &input);
        let rows = bad.len() + 1;
        assert_eq!(texts(&part, 1), vec![Some("good"); rows]);
        assert_eq!(part.numbers, Some((0..rows as u64).map(|row| 2 * row).collect()));
        for (index, (found, (_, what))) in part.faults.iter().zip(bad).enumerate() {
            assert_eq!(found.record, 2 * index as u64 + 1);
            assert!(ending == "\r\n" || found.detail == *what, "{}", found.detail);
        }
        assert_eq!(part.faults.len(), bad.len());
        assert_eq!(part.faults[1].content, "[1]");
    }
}

#[test]
fn over_long_rows_are_refused_whole() {
    let long = format!("{{\"n\":1,\"t\":\"{}\"}}", "x".repeat(3000));
    let input = format!("{{\"n\":1}}\n{long}\n{{\"n\":2}}\n");
    let part = decode("json", &[("n", DataType::Int64)], &[("max-row-bytes", "1000")], input.as_bytes());
    assert_eq!(ints(&part, 0), [Some(1), Some(2)]);
    // What is shown is the same where the end of the row was not found yet.
    assert_eq!((part.faults[0].reason, part.faults[0].content.as_str()), ("oversized", &long[..1001]));
    let part = decode("csv", &[("n", DataType::Int64)], &[("max-row-bytes", "10")], b"n\n1\n12345678901\n2");
    assert_eq!((ints(&part, 0), part.faults[0].reason), (vec![Some(1), Some(2)], "oversized"));
}

#[test]
fn a_json_array_is_read_like_lines() {
    let input = b" [ {\"n\":1,\n \"t\":\"a,]\"}, 5, {\"n\":\n2} ,{\"n\":\"x\"}, \"s\", [1,[2]], {\"n\":3}\n]\n";
    for size in [1, 2, 7, 1000] {
        let parts = decode_cut("json", &[("n", DataType::Int64)], input, size);
        let values: Vec<_> = parts.iter().flat_map(|part| ints(part, 0)).collect();
        assert_eq!(values, [Some(1), Some(2), Some(3)], "{size}");
        assert_eq!(parts.iter().map(|part| part.faults.len()).sum::<usize>(), 4);
        assert_eq!(parts.iter().map(|part| part.records).sum::<u64>(), 7);
    }
    assert_eq!(decode("json", &[("n", DataType::Int64)], &[], b"[]").batch.num_rows(), 0);
}

/// What stands between the elements of an array is part of it: nothing wrong there is passed over, wherever it is cut.
#[test]
fn strays_between_elements_are_faults() {
    let wrong: &[(&[u8], i64, &str)] = &[
        (b"[{\"n\":1}}, {\"n\":2}]", 2, "'}' without its '{'"),
        (b"[{\"n\":1}]]\n", 1, "']' without its '['"),
        (b"[{\"n\":1} ]\n, {\"n\":2}]", 2, "']' before the last element"),
        (b"[{\"n\":1}, , {\"n\":2}]", 2, "',' with no element before it"),
        (b"[{\"n\":1}, ]\n", 1, "',' with no element behind it"),
    ];
    for (input, rows, what) in wrong {
        for size in [1, 2, 7, 1000] {
            let parts = decode_cut("json", &[("n", DataType::Int64)], input, size);
            let values: Vec<_> = parts.iter().flat_map(|part| ints(part, 0)).collect();
            assert_eq!(values, (1..=*rows).map(Some).collect::<Vec<_>>(), "{what}");
            let found: Vec<_> = parts.iter().flat_map(|part| &part.faults).map(|fault| fault.detail.as_str()).collect();
            assert_eq!(found, [*what], "at {size}");
        }
    }
}

#[test]
fn no_columns_still_count_rows() {
    assert_eq!(decode("json", &[], &[], b"{\"a\":1}\n{}\nx\n").batch.num_rows(), 2);
}

#[test]
fn csv_is_read_as_rfc_4180_says() {
    let columns = [("n", DataType::Int64), ("t", DataType::Utf8), ("ts", TS)];
    let input = b"\xEF\xBB\xBFts,other,t,n\r\n2026-01-01,x,\"a \"\"b\"\"\r\nc,\",1\r\n\r\n,,\"\",\r\n1,2,3\r\n1,2,3,x\r\n1,\"2\"3,,\r\n5,,plain,-2";
    let part = decode("csv", &columns, &[], input);
    assert_eq!(ints(&part, 0), [Some(1), None, Some(-2)]);
    assert_eq!(texts(&part, 1), [Some("a \"b\"\r\nc,"), Some(""), Some("plain")]);
    assert_eq!(part.numbers, Some(vec![1, 4, 8]));
    assert_eq!(
        faults(&part),
        [
            (5, "3 fields where 4 should be"),
            (
                6,
                "column 'n': expected BIGINT (a whole number from -9223372036854775808 to 9223372036854775807), found 'x'"
            ),
            (7, "text after a closing quote; what follows is read from the next line on"),
        ]
    );
    let part = decode(
        "csv",
        &columns,
        &[("csv.header", "false"), ("csv.field-delimiter", ";"), ("csv.null-literal", "-")],
        b"1;-;5\n",
    );
    assert_eq!((ints(&part, 0), texts(&part, 1)), (vec![Some(1)], vec![None]));
}

#[test]
fn not_null_columns_take_no_null() {
    let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, false)]));
    let layout = Layout::new(&schema, &[0], &Options::default()).unwrap();
    let json = text_of(json::Json.decoding(&layout, &Options::default()).unwrap());
    let part = decode_text(json.as_ref(), b"{\"n\":null}\n{}\n{\"n\":1}\n").unwrap();
    assert_eq!((ints(&part, 0), part.faults.len()), (vec![Some(1)], 2));
    let csv = text_of(csv::Csv.decoding(&layout, &Options::default()).unwrap());
    let part = decode_text(csv.as_ref(), b"n,m\n,\n1,\n").unwrap();
    assert_eq!((ints(&part, 0), part.faults.len()), (vec![Some(1)], 1));
}

/// Five blocks of 1000 rows: the Arrow file and stream forms, and Parquet.
fn five_blocks(form: &str) -> (SchemaRef, Vec<u8>) {
    let mut bytes = Vec::new();
    let batch = random_batch(9, 5000, false);
    let parts = (0..5).map(|part| batch.slice(part * 1000, 1000));
    match form {
        "file" => {
            let mut writer = arrow_ipc::writer::FileWriter::try_new(&mut bytes, &batch.schema()).unwrap();
            parts.for_each(|part| writer.write(&part).unwrap());
            writer.finish().unwrap();
        }
        "stream" => {
            let mut writer = arrow_ipc::writer::StreamWriter::try_new(&mut bytes, &batch.schema()).unwrap();
            parts.for_each(|part| writer.write(&part).unwrap());
            writer.finish().unwrap();
        }
        _ => {
            let mut writer = ::parquet::arrow::ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
            parts.for_each(|part| {
                writer.write(&part).unwrap();
                writer.flush().unwrap();
            });
            writer.close().unwrap();
        }
    }
    (batch.schema(), bytes)
}

#[test]
fn a_damaged_block_is_told_and_the_others_are_read() {
    for (form, format) in [("file", "arrow"), ("stream", "arrow"), ("parquet", "parquet")] {
        let (schema, good) = five_blocks(form);
        let all: Vec<usize> = (0..schema.fields().len()).collect();
        let layout = Layout::new(&schema, &all, &Options::default()).unwrap();
        let Decoding::Blocks(blocks) = find(format).unwrap().decoding(&layout, &Options::default()).unwrap() else {
            panic!("a format of blocks")
        };
        let (mut told, mut state) = (0, 7u64);
        for round in 0..300 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let (mut bytes, at) = (good.clone(), (state >> 20) as usize % good.len());
            let end = good.len().min(at + 1 + round % 40);
            if round % 10 == 9 && form == "stream" {
                bytes.truncate(at);
            } else {
                bytes[at..end].fill(if round % 2 == 0 { 0xff } else { (state >> 8) as u8 });
            }
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(&bytes).unwrap();
            // Where schema or index are damaged the file is refused as a whole.
            let open = || blocks.open(Input::File(Arc::new(file)), Spot::default());
            let Ok(Ok(parts)) = std::panic::catch_unwind(std::panic::AssertUnwindSafe(open)) else {
                continue;
            };
            let parts: Vec<Part> = parts.take(50).map_while(Result::ok).map(|(part, _)| part).collect();
            let rows: usize = parts.iter().map(|part| part.batch.num_rows()).sum();
            let lost: Vec<&Fault> =
                parts.iter().flat_map(|part| &part.faults).filter(|f| f.content.is_empty()).collect();
            told += lost.len();
            assert!(parts.len() < 50, "{form}: it ends");
            match form {
                "parquet" => assert_eq!(parts.iter().map(|part| part.records).sum::<u64>(), 5000, "{form} {at}"),
                "file" if lost.len() == 1 => assert!(rows >= 3900, "{form} {at}: {rows} rows"),
                _ => {}
            }
            assert!(lost.iter().all(|fault| fault.detail.contains("cannot be read")), "{lost:?}");
        }
        assert!(told > 10, "{form}: only {told} were noticed");
    }
}
