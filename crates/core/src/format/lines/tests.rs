//! Lines as they are and by patterns.
#![allow(clippy::unwrap_used)]

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMillisecondType;
use arrow_schema::{DataType, TimeUnit};

use super::super::tests::{decode, faults, ints, options, schema, texts};
use super::super::{Layout, find};
use super::grok::{LIBRARY, Library, definitions};

const TS: DataType = DataType::Timestamp(TimeUnit::Millisecond, None);

const ACCESS: &str = r#"127.0.0.1 - frank [10/Oct/2000:13:55:36 -0700] "GET /apache_pb.gif HTTP/1.0" 200 2326 "http://www.example.com/start.html" "Mozilla/4.08 [en] (Win98; I ;Nav)"
::1 - - [10/Oct/2000:13:55:37 +0000] "-" 408 - "-" "-"
nonsense

10.0.0.7 - - [10/Oct/2000:13:55:38 +0000] "POST /a HTTP/1.1" 201 x
"#;

fn refused(format: &str, columns: &[(&str, DataType)], given: &[(&str, &str)]) -> String {
    let layout = Layout::new(&schema(columns), &(0..columns.len()).collect::<Vec<_>>(), &options(given)).unwrap();
    find(format).unwrap().decoding(&layout, &options(given)).unwrap_err().to_string()
}

#[test]
fn a_raw_line_is_a_row() {
    let part = decode("raw", &[("line", DataType::Utf8)], &[], b"\xEF\xBB\xBFa,\"b\r\n\n caf\xc3\xa9\ncaf\xe9\nlast");
    assert_eq!(texts(&part, 0), [Some("a,\"b"), Some(""), Some(" café"), Some("last")]);
    assert_eq!((part.records, part.faults[0].record), (5, 3));
    assert!(part.faults[0].detail.contains("'raw.charset' = 'ISO-8859-1'"));
    let part = decode("raw", &[("line", DataType::Utf8)], &[("raw.charset", "latin1")], b"caf\xe9\n");
    assert_eq!(texts(&part, 0), [Some("café")]);
    let part = decode("raw", &[("line", DataType::Binary)], &[], b"\xff\x00\n\n");
    assert_eq!(part.batch.column(0).as_binary::<i32>().iter().collect::<Vec<_>>(), [Some(&b"\xff\x00"[..]), Some(b"")]);
    let part = decode("raw", &[("line", DataType::Utf8)], &[("max-row-bytes", "3")], b"abcd\nabc\n");
    assert_eq!((texts(&part, 0), part.faults[0].reason), (vec![Some("abc")], "oversized"));
    assert!(refused("raw", &[("n", DataType::Int64)], &[]).contains("one column of type VARCHAR or BYTES"));
    assert!(refused("raw", &[("a", DataType::Utf8), ("b", DataType::Utf8)], &[]).contains("'format' = 'regex'"));
}

#[test]
fn a_pattern_has_a_group_for_each_column() {
    let columns = [("ip", DataType::Utf8), ("status", DataType::Int64), ("bytes", DataType::Int64), ("ts", TS)];
    let given = [
        ("regex.pattern", r#"^(?<ip>\S+) \S+ \S+ \[(?<ts>[^\]]+)\] "[^"]*" (?<status>\d+) (?P<bytes>\S+)"#),
        ("regex.null-literal", "-"),
        ("timestamp.format", "dd/MMM/yyyy:HH:mm:ss Z"),
    ];
    let part = decode("regex", &columns, &given, ACCESS.as_bytes());
    assert_eq!(texts(&part, 0), [Some("127.0.0.1"), Some("::1")]);
    assert_eq!((ints(&part, 1), ints(&part, 2)), (vec![Some(200), Some(408)], vec![Some(2326), None]));
    let times: Vec<_> = part.batch.column(3).as_primitive::<TimestampMillisecondType>().iter().collect();
    assert_eq!(times, [Some(971_211_336_000), Some(971_186_137_000)]);
    assert_eq!(
        faults(&part),
        [
            (2, "the pattern does not match"),
            (
                4,
                "column 'bytes': expected BIGINT (a whole number from -9223372036854775808 to 9223372036854775807), found 'x'"
            ),
        ]
    );
    assert_eq!(part.records, 5);
    let one = |pattern: &str| refused("regex", &[("n", DataType::Int64)], &[("regex.pattern", pattern)]);
    assert!(one("(?<m>.)").contains("no group is named 'n' as the column is: its groups are 'm'"));
    assert!(one("x").contains("write (?<name>...)"));
    assert!(one("(?<n>").contains("no regular expression") && one("(?<n>(?=x))").contains("look-around"));
    assert!(refused("regex", &[("n", DataType::Int64)], &[]).contains("needs the option 'regex.pattern'"));
    // A group that takes no part is NULL; text may be empty.
    let part = decode(
        "regex",
        &[("a", DataType::Utf8), ("n", DataType::Int64)],
        &[("regex.pattern", "^(?<a>x*)(?:y(?<n>\\d*))?$")],
        b"xx\ny\ny5\n",
    );
    assert_eq!((texts(&part, 0), ints(&part, 1)), (vec![Some("xx"), Some(""), Some("")], vec![None, None, Some(5)]));
}

#[test]
fn grok_knows_the_usual_patterns() {
    let columns = [
        ("clientip", DataType::Utf8),
        ("verb", DataType::Utf8),
        ("response", DataType::Int64),
        ("bytes", DataType::Int64),
        ("agent", DataType::Utf8),
    ];
    let given = [("grok.pattern", "%{COMBINEDAPACHELOG}")];
    let part = decode("grok", &columns, &given, ACCESS.as_bytes());
    assert_eq!(texts(&part, 0), [Some("127.0.0.1"), Some("::1")]);
    assert_eq!((ints(&part, 2), ints(&part, 3)), (vec![Some(200), Some(408)], vec![Some(2326), None]));
    assert_eq!(texts(&part, 1), [Some("GET"), None]);
    assert_eq!(texts(&part, 4)[0], Some("\"Mozilla/4.08 [en] (Win98; I ;Nav)\""));
    assert_eq!(part.faults.len(), 2);

    let columns = [("host", DataType::Utf8), ("n", DataType::Int64), ("rest", DataType::Utf8)];
    let given = [
        ("grok.pattern", "^%{HOST:host} (?<n>%{NUMBER}) \\(%{GREEDYDATA:rest}\\)$"),
        ("grok.definitions", "# own\nHOST  [a-z]+-%{INT}\n"),
    ];
    let part = decode("grok", &columns, &given, b"db-7 42 (a %{x})\nDB-7 1 ()\n");
    assert_eq!(
        (texts(&part, 0), ints(&part, 1), texts(&part, 2)),
        (vec![Some("db-7")], vec![Some(42)], vec![Some("a %{x}")])
    );
    let one = |pattern: &str| refused("grok", &[("n", DataType::Int64)], &[("grok.pattern", pattern)]);
    assert!(one("%{NUMBR:n}").contains("no pattern 'NUMBR'") && one("%{INT:n").contains("has no '}'"));
    assert!(one("%{INT:m}").contains("its groups are 'm'"));
    let circle = [("grok.pattern", "%{A:n}"), ("grok.definitions", "A %{B}\nB %{A}")];
    assert!(refused("grok", &[("n", DataType::Int64)], &circle).contains("more than 32 deep"));
    // Each is made of the next twice.
    let doubling: String = (0..31).map(|n| format!("P{n} %{{P{0}}}%{{P{0}}}\n", n + 1)).collect();
    let doubling = [("grok.pattern", "%{P0:n}"), ("grok.definitions", &format!("{doubling}P31 x"))];
    assert!(refused("grok", &[("n", DataType::Int64)], &doubling).contains("more than 1048576 bytes"));
}

#[test]
fn every_pattern_of_the_library_is_one_here() {
    let broken = definitions(LIBRARY).filter_map(|(name, _)| {
        let expression = Library::new("").expanded(&format!("%{{{name}}}"), true, 0).unwrap();
        let built = regex::RegexBuilder::new(&expression).size_limit(64 << 20).build();
        Some(format!("{name}: {}", built.err()?))
    });
    assert_eq!(broken.collect::<Vec<_>>(), [""; 0]);
}
