//! What CSV of the wild gives: quotes, dialects, headers, values as people write them.
#![allow(clippy::unwrap_used)]

use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Float64Type};
use arrow_schema::{DataType, Field, Schema};
use proptest::prelude::*;

use super::super::tests::{decode, decode_cut, faults, ints, options, texts};
use super::super::{Layout, Notices, Part, decode_text};
use super::*;

const NT: &[(&str, DataType)] = &[("n", DataType::Int64), ("t", DataType::Utf8)];

/// `n` and `t`.
type Row = (Option<i64>, Option<String>);

/// The rows of all parts, and what is wrong with the others.
fn rows(parts: &[Part]) -> (Vec<Row>, Vec<String>) {
    let rows = parts.iter().flat_map(|part| {
        let texts = texts(part, 1).into_iter().map(|text| text.map(str::to_owned));
        ints(part, 0).into_iter().zip(texts).collect::<Vec<_>>()
    });
    (rows.collect(), parts.iter().flat_map(|part| &part.faults).map(|fault| fault.detail.clone()).collect())
}

fn good(rows: &[(i64, &str)]) -> Vec<Row> {
    rows.iter().map(|(n, t)| (Some(*n), Some((*t).to_owned()))).collect()
}

const AGAIN: &str = "; what follows is read from the next line on";

#[test]
fn a_quote_opens_only_at_the_start_of_a_field() {
    type Case<'a> = (&'a str, &'a [(i64, &'a str)], &'a [&'a str]);
    let cases: &[Case<'_>] = &[
        ("1,2.5\" pipe\n2,b\n3,c\n", &[(1, "2.5\" pipe"), (2, "b"), (3, "c")], &[]),
        ("1,a\"b\"c\n2,\"x\ny\"\n3,\"\"\"\"\n", &[(1, "a\"b\"c"), (2, "x\ny"), (3, "\"")], &[]),
        ("1, \"x\"\n2,\"a,\"\"b\"\"\"\r\n", &[(1, " \"x\""), (2, "a,\"b\"")], &[]),
        // One that is not closed costs its record: what is opened later shows that it was not meant so.
        ("1,\"open\n2,b\n3,\"c\"\n4,d\n", &[(2, "b"), (3, "c"), (4, "d")], &["a quote is not closed"]),
        ("1,a\n2,\"open\n3,c\n4,d\n", &[(1, "a"), (3, "c"), (4, "d")], &["a quote is not closed"]),
        ("1,\"a\"x\n2,\"b\" \n3,c\n", &[(3, "c")], &["text after a closing quote", "text after a closing quote"]),
        ("1,\"", &[], &["a quote is not closed"]),
        // The quotes of two records that make one are one: nothing tells them from text of two lines.
        ("1,\"a\n2,b\",3\n4,d\n", &[(4, "d")], &["more than the 2 fields there should be"]),
    ];
    for (input, expected, wrong) in cases {
        let input = format!("n,t\n{input}");
        let wrong: Vec<String> = wrong
            .iter()
            .map(|what| if what.contains("quote") { format!("{what}{AGAIN}") } else { (*what).to_owned() })
            .collect();
        for size in [1, 2, 3, 5, 9, 1000] {
            let parts = decode_cut("csv", NT, input.as_bytes(), size);
            assert_eq!(rows(&parts), (good(expected), wrong.clone()), "{input:?} by {size}");
        }
    }
}

#[test]
fn an_unclosed_quote_costs_its_own_record_among_many() {
    let mut input = String::from("n,t\n");
    for n in 0..200_000 {
        let text = if n == 7 { "\"12 inch" } else { "plain" };
        input.push_str(&format!("{n},{text}\n"));
    }
    for size in [1 << 16, 1 << 20] {
        let (rows, wrong) = rows(&decode_cut("csv", NT, input.as_bytes(), size));
        assert_eq!((rows.len(), wrong), (199_999, vec![format!("a quote is not closed{AGAIN}")]));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 2000, ..ProptestConfig::default() })]

    /// However the input is cut, the same records come out, and no line is lost.
    #[test]
    fn chunks_cut_anywhere_give_the_same(text in "([0-9,\"\\\\#\r]|\n|\"\"|\",\"){0,40}", size in 1usize..12, way in 0usize..4) {
        let ways: [&[(&str, &str)]; 4] = [
            &[],
            &[("csv.escape-character", "\\")],
            &[("csv.allow-comments", "true"), ("csv.ignore-parse-errors", "true")],
            &[("max-row-bytes", "9")],
        ];
        let input = format!("n,t\n{text}");
        let whole = decode("csv", NT, ways[way], input.as_bytes());
        let schema = super::super::tests::schema(NT);
        let layout = Layout::new(&schema, &[0, 1], &options(ways[way])).unwrap();
        let Ok(Decoding::Text(csv)) = Csv.decoding(&layout, &options(ways[way])) else { panic!("CSV is text") };
        let begun = csv.begin(input.as_bytes(), true).unwrap().unwrap();
        let mut decoder = begun.records.decoder();
        let (mut at, mut end, mut parts) = (begun.skip, begun.skip, Vec::new());
        while end < input.len() {
            end = input.len().min(end + size);
            let cut = begun.records.cut(&input.as_bytes()[at..end]);
            if cut > 0 {
                parts.push(decoder.decode(&input.as_bytes()[at..at + cut]));
                at += cut;
            }
        }
        if at < end {
            let end = if input.ends_with('\n') { "" } else { "\n" };
            parts.push(decoder.decode(format!("{}{end}", &input[at..]).as_bytes()));
        }
        let seen = (rows(&parts), parts.iter().map(|part| part.records).sum::<u64>());
        prop_assert_eq!(seen, (rows(std::slice::from_ref(&whole)), whole.records - 1));
    }
}

#[test]
fn dialects_are_read_as_their_options_say() {
    type Case<'a> = (&'a [(&'a str, &'a str)], &'a str, &'a [(i64, &'a str)]);
    let cases: &[Case<'_>] = &[
        (
            &[("csv.field-delimiter", ";"), ("csv.quote-character", "'")],
            "n;t\n1;'a;b'\n2;\"c\"\n",
            &[(1, "a;b"), (2, "\"c\"")],
        ),
        (&[("csv.field-delimiter", "\\u0001")], "n\u{1}t\n1\u{1}a,b\n", &[(1, "a,b")]),
        (&[("csv.disable-quote-character", "true")], "n,t\n1,\"a\n2,b\"\n", &[(1, "\"a"), (2, "b\"")]),
        (
            &[("csv.escape-character", "\\")],
            "n,t\n1,a\\,b\n2,\"say \\\"x\\\", \"\"y\"\"\"\n3,\\\\\n4,a\\\n5,\\\",\n",
            &[(1, "a,b"), (2, "say \"x\", \"y\""), (3, "\\"), (4, "a\\")],
        ),
        (&[("csv.allow-comments", "true")], "# by hand\nn,t\n# it's \"quoted\n1,a\n2,#b\n", &[(1, "a"), (2, "#b")]),
        (&[("csv.header", "false")], "1,n\n2,b\n", &[(1, "n"), (2, "b")]),
    ];
    for (given, input, expected) in cases {
        let part = decode("csv", NT, given, input.as_bytes());
        assert_eq!(rows(std::slice::from_ref(&part)).0, good(expected), "{given:?}");
    }
    let part = decode("csv", NT, &[("csv.ignore-parse-errors", "true")], b"n,t\nx,a\n1\n2,b,c\n");
    let expected = vec![(None, Some("a".to_owned())), (Some(1), None), (Some(2), Some("b".to_owned()))];
    assert_eq!(rows(&[part]), (expected, vec![]));
    let part = decode(
        "csv",
        NT,
        &[("csv.null-literal", "\\N"), ("csv.escape-character", "\\")],
        b"n,t\n\\N,\\N\n1,\"\\\\N\"\n",
    );
    assert_eq!(rows(&[part]).0, vec![(None, None), (Some(1), Some("\\N".to_owned()))]);
}

#[test]
fn dialects_that_contradict_themselves_are_refused() {
    for (given, what) in [
        (vec![("csv.field-delimiter", "::")], "write one ASCII character"),
        (vec![("csv.field-delimiter", "\"")], "stands for something else"),
        (vec![("csv.escape-character", ",")], "stands for something else"),
        (vec![("csv.quote-character", "'"), ("csv.disable-quote-character", "true")], "leave one of both out"),
        (vec![("csv.thousands-separator", ","), ("csv.decimal-separator", ",")], "decimal separator too"),
        (vec![("csv.decimal-separator", ";")], "write one of ., ,"),
        (vec![("csv.encoding", "klingon")], "UTF-16"),
    ] {
        let error = Dialect::new(&options(&given), 100).unwrap_err().to_string();
        assert!(error.contains(what) && error.contains(given[0].0), "{error}");
    }
    let schema = super::super::tests::schema(NT);
    let refused = |given: &[(&str, &str)]| Csv.encoder(&schema, &options(given)).err().unwrap().to_string();
    assert!(refused(&[("csv.encoding", "latin1")]).contains("written as UTF-8"));
    assert!(refused(&[("csv.disable-quote-character", "true")]).contains("csv.escape-character"));
}

#[test]
fn numbers_have_the_separators_of_their_country() {
    let columns = [("d", DataType::Decimal128(12, 2)), ("f", DataType::Float64), ("n", DataType::Int64)];
    let german: &[(&str, &str)] =
        &[("csv.field-delimiter", ";"), ("csv.decimal-separator", ","), ("csv.thousands-separator", ".")];
    let part = decode(
        "csv",
        &columns,
        german,
        b"d;f;n\n1.234.567,895;-0,5;1.000\n,5;1e3;7\n1.5;1;1\n1,2,3;1;1\n12.34;1;1\n1234.567;1;1\n",
    );
    let decimals: Vec<_> = part.batch.column(0).as_primitive::<Decimal128Type>().iter().collect();
    assert_eq!(decimals, [Some(123_456_790), Some(50)]);
    assert_eq!(part.batch.column(1).as_primitive::<Float64Type>().values(), &[-0.5, 1000.0]);
    assert_eq!(ints(&part, 2), [Some(1000), Some(7)]);
    assert_eq!(part.faults.len(), 4);
    let part = decode("csv", &columns, &[("csv.thousands-separator", ",")], b"d,f,n\n\"1,234.5\",2,\"12,345\"\n");
    assert_eq!(ints(&part, 2), [Some(12_345)]);
    let part =
        decode("csv", &columns, &[("csv.decimal-separator", ","), ("csv.field-delimiter", ";")], b"d;f;n\n1.5;1;1\n");
    assert_eq!(part.faults.len(), 1, "a point is no decimal comma");
}

#[test]
fn decimals_are_rounded_as_cast_rounds_or_refused() {
    let columns = [("d", DataType::Decimal128(5, 2))];
    for (format, input) in [
        ("csv", "d\n1.009\n-1.005\n1.00499\n999.994\n999.995\n1e2\n"),
        ("json", "{\"d\":1.009}\n{\"d\":\"-1.005\"}\n{\"d\":1.00499}\n{\"d\":999.994}\n{\"d\":999.995}\n{\"d\":1e2}\n"),
    ] {
        let part = decode(format, &columns, &[], input.as_bytes());
        let values: Vec<_> = part.batch.column(0).as_primitive::<Decimal128Type>().iter().flatten().collect();
        assert_eq!(values, [101, -101, 100, 99_999, 10_000], "{format}");
        assert_eq!(faults(&part).len(), 1, "{format}: 999.995 is 1000.00, which is too large");
    }
}

#[test]
fn values_are_taken_as_flink_and_duckdb_take_them() {
    let columns = [("n", DataType::Int64), ("f", DataType::Float64), ("b", DataType::Boolean), ("d", DataType::Date32)];
    let part = decode(
        "csv",
        &columns,
        &[],
        b"n,f,b,d\n007,.5,t,2024-1-5\n+5,5.,1,2024/01/05\n 5 ,+inf,YES,2024-01-05\n-0,-Infinity,f,\n1e3,NAN,0,\n,1,n,\n",
    );
    assert_eq!(part.faults, []);
    assert_eq!(ints(&part, 0), [Some(7), Some(5), Some(5), Some(0), Some(1000), None]);
    let truths: Vec<_> = part.batch.column(2).as_boolean().iter().flatten().collect();
    assert_eq!(truths, [true, true, true, false, false, false]);
    assert!(part.batch.column(1).as_primitive::<Float64Type>().value(4).is_nan());
    let bad = "n,f,b,d\n2.7,1,t,\n0x1F,1,t,\n1_000,1,t,\n1,1,on,\n1,1,2,\n1,1,t,20240105\n1,1,t,01/05/2024\n";
    assert_eq!(decode("csv", &columns, &[], bad.as_bytes()).faults.len(), 7);
}

/// V1: a number beyond the column is no infinity, and 0 and 1 are truth values however they are written.
#[test]
fn numbers_that_are_too_large_and_those_that_are_truths() {
    let columns = [("f", DataType::Float64), ("g", DataType::Float32), ("b", DataType::Boolean)];
    for (format, input) in [
        ("csv", "f,g,b\n1e400,1,1\n1,-1e39,1\n1.7976931348623157e308,3.4028235e38,0\nInfinity,-inf,1\n1,1,2\n"),
        (
            "json",
            "{\"f\":1e400,\"g\":1,\"b\":1}\n{\"f\":1,\"g\":-1e39,\"b\":1}\n{\"f\":1.7976931348623157e308,\"g\":3.4028235e38,\"b\":0}\n\
             {\"f\":\"Infinity\",\"g\":\"-inf\",\"b\":1}\n{\"f\":1,\"g\":1,\"b\":2}\n",
        ),
    ] {
        let part = decode(format, &columns, &[], input.as_bytes());
        let told = faults(&part);
        let first = u64::from(format == "csv");
        assert_eq!(told.iter().map(|fault| fault.0 - first).collect::<Vec<_>>(), [0, 1, 4], "{format}: {told:?}");
        assert!(told[0].1.contains("DOUBLE (a number up to 1.7976931348623157e308)"), "{format}: {told:?}");
        assert!(told[1].1.contains("FLOAT (a number up to 3.4028235e38)"), "{format}: {told:?}");
        let truths: Vec<_> = part.batch.column(2).as_boolean().iter().flatten().collect();
        assert_eq!(truths, [false, true], "{format}");
        let floats = part.batch.column(0).as_primitive::<Float64Type>();
        assert_eq!(floats.values().as_ref(), [f64::MAX, f64::INFINITY], "{format}");
    }
}

/// Bytes of which there are none are other than NULL.
#[test]
fn empty_bytes_come_back() {
    let columns = [("b", DataType::Binary), ("n", DataType::Int64)];
    let part = decode("csv", &columns, &[], b"b,n\n\"\",1\n,2\nAA==,3\n");
    let bytes = part.batch.column(0).as_binary::<i32>();
    assert_eq!(bytes.iter().collect::<Vec<_>>(), [Some(&b""[..]), None, Some(&b"\0"[..])]);
}

#[test]
fn times_have_the_pattern_of_their_country() {
    let columns = [("ts", DataType::Timestamp(arrow_schema::TimeUnit::Millisecond, None)), ("d", DataType::Date32)];
    let given: &[(&str, &str)] =
        &[("timestamp.format", "dd.MM.yyyy HH:mm"), ("date.format", "d.M.yy"), ("csv.header", "false")];
    let part = decode("csv", &columns, given, "31.12.1969 23:59,2.1.70\n1970-01-01 00:00,1.1.70\n".as_bytes());
    let times: Vec<_> =
        part.batch.column(0).as_primitive::<arrow_array::types::TimestampMillisecondType>().iter().collect();
    assert_eq!((times, faults(&part).len()), (vec![Some(-60_000)], 1));
    assert!(faults(&part)[0].1.contains("as 'timestamp.format' says"));
}

fn read(columns: &[(&str, DataType, bool)], input: &[u8]) -> (Result<Part, String>, Vec<String>) {
    let fields: Vec<Field> =
        columns.iter().map(|(name, kind, nullable)| Field::new(*name, kind.clone(), *nullable)).collect();
    let schema = Arc::new(Schema::new(fields));
    let wanted: Vec<usize> = (0..columns.len()).collect();
    let mut layout = Layout::new(&schema, &wanted, &Options::default()).unwrap();
    layout.notices = Notices::of("s");
    let Ok(Decoding::Text(csv)) = Csv.decoding(&layout, &Options::default()) else { panic!("CSV is text") };
    let part = decode_text(csv.as_ref(), input);
    let again = decode_text(csv.as_ref(), input);
    assert_eq!(part.is_ok(), again.is_ok());
    (part, layout.notices.told())
}

#[test]
fn a_header_that_does_not_meet_the_columns_is_told() {
    let nt = [("n", DataType::Int64, true), ("t", DataType::Utf8, true)];
    let (part, told) = read(&nt, b"x,n,y\n1,2,3\n");
    let part = part.unwrap();
    assert_eq!((ints(&part, 0), texts(&part, 1), part.faults.len()), (vec![Some(2)], vec![None], 0));
    assert_eq!(
        told,
        [
            "the header has no column 't': NULL in every row",
            "the header has undeclared columns, which are passed over: 'x', 'y'",
        ]
    );
    let (part, _) = read(&[("n", DataType::Int64, true), ("t", DataType::Utf8, false)], b"n\n1\n");
    assert_eq!(part.unwrap_err(), "the header has no column 't', declared NOT NULL");
    let (part, _) = read(&nt, b"1,2\n3,4\n");
    assert!(part.unwrap_err().contains("names none of the columns 'n', 't': it is '1', '2'; without a header"));
    let said = |bytes: &[u8]| read(&nt, bytes).0.unwrap_err();
    assert!(said(b"n;t;v\n1;a;2\n").ends_with("write 'csv.field-delimiter' = ';'"));
    assert!(said(b"n\tx\n1\ta\n").ends_with("write 'csv.field-delimiter' = '\\t'"));
    assert!(said(b"n,t\r1,a\r2,b\r").contains("lines end with CR alone"));
    assert!(said(b"\x1f\x8b\x08\0\0\0n,t\n").contains("packed with gzip"));
    assert_eq!(ints(&read(&nt, b"n,t\r\n1,a\r\n").0.unwrap(), 0), [Some(1)]);
    assert_eq!(
        said(b"n,t,x,t,x\n1,a,2,b,3\n"),
        "the header names column 't' twice, as its fields 2 and 4: give one of them another name"
    );
    let (part, told) = read(&nt, b"n,x,t,x\n1,2,a,3\n");
    assert_eq!((part.unwrap().faults.len(), told.len()), (0, 1), "what is passed over may be there twice");
    let (part, told) = read(&nt, b"");
    assert_eq!((part.unwrap().records, told.len()), (0, 0));
    let (part, _) = read(&nt, b"n,t\xe9\n");
    assert!(part.unwrap_err().contains("'csv.encoding' = 'ISO-8859-1'"));
    let (part, _) = read(&nt, b"n,t\n1,caf\xe9\n2,b\n");
    let part = part.unwrap();
    assert!(ints(&part, 0) == [Some(2)] && part.faults[0].detail.contains("'csv.encoding' = 'ISO-8859-1'"));
}

#[test]
fn text_is_read_in_its_encoding() {
    let utf16: Vec<u8> = "\u{feff}n,t\n1,né\n".encode_utf16().flat_map(u16::to_be_bytes).collect();
    assert_eq!(rows(&[decode("csv", NT, &[], &utf16)]).0, good(&[(1, "né")]));
    let latin = decode("csv", NT, &[("csv.encoding", "ISO-8859-1")], b"n,t\n1,caf\xe9\n");
    assert_eq!(rows(&[latin]).0, good(&[(1, "café")]));
}

#[test]
fn wide_records_are_read_in_the_time_of_their_fields() {
    let names: Vec<String> = (0..10_000).map(|n| format!("c{n}")).collect();
    let columns: Vec<(&str, DataType)> = names.iter().map(|name| (name.as_str(), DataType::Int64)).collect();
    let line = (0..10_000).map(|n| n.to_string()).collect::<Vec<_>>().join(",");
    let part = decode("csv", &columns, &[], format!("{}\n{line}\n{line}\n", names.join(",")).as_bytes());
    assert_eq!((part.batch.num_rows(), ints(&part, 9_999)), (2, vec![Some(9_999); 2]));
    let object = names.iter().zip(0..).map(|(name, n)| format!("\"{name}\":{n}")).collect::<Vec<_>>().join(",");
    let part = decode("json", &columns, &[], format!("{{{object}}}\n{{{object}}}\n").as_bytes());
    assert_eq!((part.batch.num_rows(), ints(&part, 9_999)), (2, vec![Some(9_999); 2]));
}

/// Files that were put together have a header each. Of columns of text it could be a row, so it is one, and is told.
#[test]
fn the_header_again_is_told() {
    let schema = |kind: &DataType| {
        Arc::new(Schema::new(vec![Field::new("n", kind.clone(), true), Field::new("t", DataType::Utf8, true)]))
    };
    for (kind, again, rows) in [
        (DataType::Int64, "n,t", 2),
        (DataType::Int64, "\u{feff}n,t", 2),
        (DataType::Utf8, "n,t", 3),
        (DataType::Utf8, "t,n", 3),
    ] {
        let notices = Notices::of("s");
        let layout = Layout::new(&schema(&kind), &[0, 1], &options(&[])).unwrap();
        let layout = Layout { notices: notices.clone(), ..layout };
        let Decoding::Text(csv) = Csv.decoding(&layout, &options(&[])).unwrap() else { panic!("CSV is text") };
        let part = decode_text(csv.as_ref(), format!("n,t\r\n1,a\r\n{again}\r\n2,b\r\n").as_bytes()).unwrap();
        assert_eq!(part.batch.num_rows(), rows, "{again}");
        let told = notices.told().iter().any(|told| told.contains("the header again"));
        assert_eq!(told, kind == DataType::Utf8 && again == "n,t", "{again}: {:?}", notices.told());
        if kind == DataType::Int64 {
            assert_eq!(faults(&part), [(2, "the header again, as where files were put together")], "{again}");
        }
    }
}

/// What CSV cannot hold may be a column that a body lacks; blank lines stand before a header as between rows.
#[test]
fn a_header_may_lack_what_csv_cannot_hold() {
    let list = DataType::List(Arc::new(Field::new("item", DataType::Int64, true)));
    let schema =
        Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, true), Field::new("l", list.clone(), true)]));
    let layout =
        |given: &[(&str, &str)]| Layout { may_lack: true, ..Layout::new(&schema, &[0, 1], &options(given)).unwrap() };
    let Decoding::Text(csv) = Csv.decoding(&layout(&[]), &options(&[])).unwrap() else { panic!("CSV is text") };
    let part = decode_text(csv.as_ref(), b"\xEF\xBB\xBF\r\n\nn,m\n\n1,x\n").unwrap();
    assert_eq!((ints(&part, 0), part.batch.column(1).null_count()), (vec![Some(1)], 1));
    assert_eq!(part.numbers, Some(vec![4]));
    let named = decode_text(csv.as_ref(), b"n,l\n1,[1]\n").unwrap_err();
    assert!(named.contains("cannot hold column 'l' of type ARRAY<BIGINT>"), "{named}");
    // Without names a field of a line would be the list.
    let bare = [("csv.header", "false")];
    assert!(Csv.decoding(&layout(&bare), &options(&bare)).is_err());
}
