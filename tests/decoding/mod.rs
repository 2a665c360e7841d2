//! What every decoder holds to whatever its bytes are. The fuzz targets (`fuzz/`) call these, and `tests/decoders.rs` with
//! what fuzzing once found, and with good bytes damaged at random.
//!
//! No panic, no memory beyond the input's measure; every record is a row or a fault; the rows of good neighbours are
//! there; a decoder that was used before answers as a new one does.
#![allow(clippy::unwrap_used, dead_code, unreachable_pub)]

mod frames;
mod segments;

use std::io::Write;
use std::sync::OnceLock;

use highwater::sql::{Catalog, plan};
use highwater_core::format::{self, Decoding, Input, Layout, Part};
use highwater_core::source::{Beside, Intake, Packing, RowLimits, SourceSpec, Undecoded, Written};

pub use frames::frames;
pub use segments::log;

/// A decoder under test, by its name.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: &[Target] = &[
    ("json", json),
    ("lines", lines),
    ("csv", csv),
    ("msgpack", msgpack),
    ("frame", frame),
    ("arrow", arrow),
    ("parquet", parquet),
    ("cloudevents", cloudevents),
    ("packed", packed),
    ("dialects", dialects),
    ("text_lines", text_lines),
    ("log", log),
    ("frames", frames),
];

/// What a packed body may hold.
const UNPACKED_BYTES: usize = 1 << 20;

const PROGRAM: &str = "CREATE SOURCE t (
  b BOOLEAN, small TINYINT, i INT, n BIGINT, f FLOAT, d DOUBLE, m DECIMAL(20, 5), s VARCHAR, day DATE,
  r ROW<x BIGINT, y ROW<z VARCHAR>>, l ARRAY<BIGINT>, ts TIMESTAMP(3), WATERMARK FOR ts AS ts
) WITH ('connector' = 'http');
CREATE MATERIALIZED VIEW v AS SELECT * FROM t;";

/// CSV has no text for nested values.
const FLAT: &str = "CREATE SOURCE t (
  b BOOLEAN, small TINYINT, i INT, n BIGINT, f FLOAT, d DOUBLE, m DECIMAL(20, 5), s VARCHAR, day DATE,
  ts TIMESTAMP(3), WATERMARK FOR ts AS ts
) WITH ('connector' = 'http');
CREATE MATERIALIZED VIEW v AS SELECT * FROM t;";

fn spec(program: &str) -> SourceSpec {
    let planned = plan(&[("fuzz.sql".to_owned(), program.to_owned())], &Catalog::new());
    planned.unwrap_or_else(|errors| panic!("{errors:?}")).sources[0].clone()
}

fn nested() -> &'static Intake {
    static INTAKE: OnceLock<Intake> = OnceLock::new();
    INTAKE.get_or_init(|| Intake::new(&spec(PROGRAM), RowLimits::default()).unwrap())
}

pub fn flat() -> &'static Intake {
    static INTAKE: OnceLock<Intake> = OnceLock::new();
    INTAKE.get_or_init(|| Intake::new(&spec(FLAT), RowLimits::default()).unwrap())
}

/// Every record is a row or a fault, each with its number.
fn sound(part: &Part) {
    let rows = part.batch.num_rows();
    assert!(
        rows as u64 + part.faults.len() as u64 <= part.records,
        "{rows} rows and {} faults of {} records",
        part.faults.len(),
        part.records
    );
    if let Some(numbers) = &part.numbers {
        assert_eq!(numbers.len(), rows);
        assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]), "{numbers:?}");
        assert!(numbers.iter().all(|number| *number < part.records), "{numbers:?} of {}", part.records);
    }
    for fault in &part.faults {
        assert!(fault.record < part.records && !fault.detail.is_empty(), "{fault:?} of {}", part.records);
    }
    // What is taken can be shown.
    for row in 0..rows.min(3) {
        let text = format::row_as_json(&part.batch.schema(), part.batch.columns(), row);
        assert!(serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok(), "{text}");
    }
}

fn decoded(intake: &Intake, written: Written, body: &[u8]) -> Result<Vec<Part>, Undecoded> {
    let parts = intake.decode(written, None, body.to_vec().into(), &Beside::default(), &mut |_| true);
    match &parts {
        Ok(parts) => parts.iter().for_each(sound),
        Err(reason) => assert!(!reason.to_string().is_empty()),
    }
    // The same again: what a decoder kept from before is not seen.
    match (&parts, intake.decode(written, None, body.to_vec().into(), &Beside::default(), &mut |_| true)) {
        (Ok(first), Ok(again)) => {
            assert_eq!(first.len(), again.len());
            for (first, again) in first.iter().zip(&again) {
                assert!(first.batch == again.batch || shows_nan(first), "{:?} and {:?}", first.batch, again.batch);
                assert_eq!((&first.numbers, &first.faults), (&again.numbers, &again.faults));
            }
        }
        (Err(first), Err(again)) => assert_eq!(*first, again),
        (first, again) => panic!("{first:?}, and then {again:?}"),
    }
    parts
}

/// Lines, which are no longer than what is decoded together.
fn of_lines(intake: &Intake, text: &[u8]) -> Part {
    intake.lines(text.to_vec().into(), &Beside::default(), &mut |_| true).unwrap().remove(0)
}

/// NaN is not equal to itself.
fn shows_nan(part: &Part) -> bool {
    (0..part.batch.num_rows())
        .any(|row| format::row_as_json(&part.batch.schema(), part.batch.columns(), row).contains("NaN"))
}

pub fn json(data: &[u8]) {
    let _ = decoded(nested(), Written::Json, data);
}

/// Good lines before and after whatever stands between.
pub fn lines(data: &[u8]) {
    let _ = decoded(nested(), Written::Lines, data);
    const GOOD: &[u8] = b"{\"n\":7,\"ts\":1}\n";
    let text = [GOOD, data, b"\n", GOOD].concat();
    if text.len() > 200_000 {
        return;
    }
    let part = of_lines(nested(), &text);
    sound(&part);
    let numbers = part.numbers.clone().unwrap_or_else(|| (0..part.batch.num_rows() as u64).collect());
    assert!(
        numbers.first() == Some(&0) && numbers.last() == Some(&(part.records - 1)),
        "{numbers:?} of {}",
        part.records
    );
}

pub fn csv(data: &[u8]) {
    let _ = decoded(flat(), Written::Csv, data);
    let _ = decoded(flat(), Written::Csv, &[b"n,s,ts,d,m\n", data].concat());
}

/// Intakes of CSV in other dialects; the first byte says which reads the rest.
pub fn dialects(data: &[u8]) {
    static INTAKES: OnceLock<Vec<Intake>> = OnceLock::new();
    const DIALECTS: &[&str] = &[
        "'csv.escape-character' = '\\', 'csv.allow-comments' = 'true', 'csv.ignore-parse-errors' = 'true'",
        "'csv.field-delimiter' = ';', 'csv.decimal-separator' = ',', 'csv.thousands-separator' = '.', 'csv.header' = 'false'",
        "'csv.encoding' = 'UTF-16', 'max-row-bytes' = '40'",
        "'csv.encoding' = 'Shift_JIS', 'csv.quote-character' = '''', 'timestamp.format' = 'd.M.yy HH:mm', 'date.format' = 'MMM d yyyy'",
        "'csv.disable-quote-character' = 'true', 'csv.null-literal' = '-'",
    ];
    let of = |dialect: &&str| {
        let program = FLAT.replace("'http'", &format!("'http', 'format' = 'csv', {dialect}"));
        Intake::new(&spec(&program), RowLimits::default()).unwrap()
    };
    let intakes = INTAKES.get_or_init(|| DIALECTS.iter().map(of).collect());
    let Some((first, rest)) = data.split_first() else { return };
    let _ = decoded(&intakes[usize::from(*first) % intakes.len()], Written::Csv, rest);
}

/// Intakes of lines: as they are, by a pattern, by grok; the first byte says which reads the rest. Every line is a row or a fault.
pub fn text_lines(data: &[u8]) {
    static INTAKES: OnceLock<Vec<Intake>> = OnceLock::new();
    const LINES: &[&str] = &[
        "(line VARCHAR) WITH ('connector' = 'http', 'format' = 'raw')",
        "(line VARCHAR) WITH ('connector' = 'http', 'format' = 'raw', 'raw.charset' = 'UTF-16BE', 'max-row-bytes' = '20')",
        "(n INT, s VARCHAR, m DECIMAL(5, 2)) WITH ('connector' = 'http', 'format' = 'regex', 'regex.null-literal' = '-',
          'regex.pattern' = '(?<n>\\S*) (?<s>.*?)(?: (?<m>[-0-9.]+))?$')",
        "(clientip VARCHAR, verb VARCHAR, response INT, bytes BIGINT) WITH ('connector' = 'http', 'format' = 'grok',
          'grok.pattern' = '%{COMMONAPACHELOG}', 'grok.null-literal' = '-')",
    ];
    let of = |lines: &&str| {
        let program = format!("CREATE SOURCE t {lines}; CREATE MATERIALIZED VIEW v AS SELECT * FROM t;");
        Intake::new(&spec(&program), RowLimits::default()).unwrap()
    };
    let intakes = INTAKES.get_or_init(|| LINES.iter().map(of).collect());
    let Some((first, rest)) = data.split_first() else { return };
    let parts = decoded(&intakes[usize::from(*first) % intakes.len()], Written::Text, rest);
    if matches!(&parts, Err(Undecoded::Unread(what)) if what.starts_with("it has bytes of 0 in it, as UTF-16")) {
        return;
    }
    for part in parts.unwrap() {
        assert!(first % 4 != 0 || part.batch.num_rows() + part.faults.len() == part.records as usize);
    }
}

pub fn msgpack(data: &[u8]) {
    let _ = decoded(nested(), Written::MessagePack, data);
}

/// A message that is one map is a line of JSON.
pub fn frame(data: &[u8]) {
    let mut line = Vec::new();
    if !nested().line(data, &mut line) {
        assert!(line.is_empty(), "{}", String::from_utf8_lossy(&line));
        return;
    }
    assert!(line.ends_with(b"\n") && line.iter().filter(|byte| **byte == b'\n').count() == 1);
    let part = of_lines(nested(), &line);
    sound(&part);
    assert_eq!(part.records, 1);
}

pub fn arrow(data: &[u8]) {
    let _ = decoded(nested(), Written::Arrow, data);
}

pub fn cloudevents(data: &[u8]) {
    let _ = decoded(nested(), Written::CloudEvents, data);
}

pub fn parquet(data: &[u8]) {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(data).unwrap();
    let spec = spec_of_parquet();
    let layout = Layout::new(&spec.physical, &spec.decode, &spec.options).unwrap();
    let decoding = format::find("parquet").unwrap().decoding(&layout, &spec.options);
    let Ok(Decoding::Blocks(blocks)) = decoding else { unreachable!("Parquet is blocks") };
    match blocks.open(Input::File(std::sync::Arc::new(file)), format::Spot::default()) {
        Err(reason) => assert!(!reason.is_empty()),
        Ok(parts) => parts.take(100).for_each(|part| match part {
            Ok((part, _)) => sound(&part),
            Err(reason) => assert!(!reason.is_empty()),
        }),
    }
}

fn spec_of_parquet() -> &'static SourceSpec {
    static SPEC: OnceLock<SourceSpec> = OnceLock::new();
    SPEC.get_or_init(|| spec(FLAT))
}

/// The first byte says how the rest is packed.
pub fn packed(data: &[u8]) {
    let Some((first, rest)) = data.split_first() else { return };
    let packing = if first % 2 == 0 { Packing::Gzip } else { Packing::Zstd };
    match packing.unpack(rest, UNPACKED_BYTES, &mut |_| true) {
        Ok(body) => {
            assert!(body.len() <= UNPACKED_BYTES);
            let _ = decoded(nested(), Written::Lines, &body);
        }
        Err(reason) => assert!(!reason.to_string().is_empty()),
    }
}

/// A row of the nested columns.
const ROW: &str = r#"{"b":true,"small":-7,"i":5,"n":"12","f":1.5,"d":-2e3,"m":"1.25","s":"x\u00e9\n","day":"2026-01-02","at":"10:11:12","r":{"x":1,"y":{"z":"q"}},"l":[1,null,3],"ts":"2026-01-02T03:04:05Z"}"#;

/// Good bytes for each decoder.
pub fn seeds(target: &str) -> Vec<Vec<u8>> {
    let of = |written: &str| written.as_bytes().to_vec();
    match target {
        "log" => segments::seeds(),
        "frames" => frames::seeds(),
        "json" => vec![of(ROW), of(&format!("[{ROW},\n{ROW}]")), of("[]")],
        "lines" => vec![of(ROW), of(&format!("{ROW}\n\n{ROW}"))],
        "csv" => vec![of("n,s,ts,d,m\n1,a,1000,2.5,1.5\n2,\"b\"\"\n\",2000,,\n"), of("1,a,1000,,\n")],
        "dialects" => vec![
            of("\0n,s,ts,d,m\n# c\n1,\"a\\\"b\",1000,2.5,1.5\nx,a\\,b\n"),
            of("\u{1}t;1;2;1.000;0,5;1.234,5;99,995;x;2026-1-2;5\n"),
            [&[2][..], &"n,s\n1,né\n2,\"open\n3,x\n".encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>()].concat(),
            of("\u{3}s,ts,day\n'a''b',1.2.24 10:00,Jan 2 2024\n"),
            of("\u{4}n,s\n-,\"x\n"),
        ],
        "text_lines" => vec![
            of("\0a line\r\n\nanother"),
            [&[1][..], &"né\nab\n".encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<u8>>()].concat(),
            of("\u{2}7 some text 1.005\n- x\n"),
            of("\u{3}127.0.0.1 - frank [10/Oct/2000:13:55:36 -0700] \"GET /a HTTP/1.0\" 200 2326\n"),
        ],
        "cloudevents" => {
            let event = format!(r#"{{"specversion":"1.0","id":"1","time":"2026-01-02T03:04:05Z","type":"t","data":{ROW}}}"#);
            vec![of(&event), of(&format!("[{event}, {event}]"))]
        }
        "msgpack" | "frame" => vec![
            b"\x84\xa1b\xc3\xa1n\x07\xa1s\xa1x\xa2ts\xd6\xff\x00\x00\x00\x01".to_vec(),
            b"\x92\x82\xa1n\xd3\x00\x00\x00\x00\x00\x00\x00\x07\xa2ts\x01\x82\xa1r\x81\xa1x\x01\xa2ts\xcb\x40\x00\x00\x00\x00\x00\x00\x00".to_vec(),
        ],
        "arrow" | "parquet" => {
            let name = if target == "arrow" { "arrow" } else { "parquet" };
            let intake = if target == "parquet" { flat() } else { nested() };
            let part = decoded(intake, Written::Json, ROW.as_bytes()).unwrap().remove(0);
            let mut encoder = format::find(name).unwrap().encoder(&part.batch.schema(), &Default::default()).unwrap();
            let mut bytes = Vec::new();
            encoder.encode(&part.batch, &mut bytes).unwrap();
            encoder.finish(&mut bytes).unwrap();
            vec![bytes]
        }
        _ => {
            let mut gzip = flate2::write::GzEncoder::new(vec![0], flate2::Compression::fast());
            gzip.write_all(ROW.as_bytes()).unwrap();
            vec![gzip.finish().unwrap(), [&[1][..], &zstd::encode_all(ROW.as_bytes(), 1).unwrap()].concat()]
        }
    }
}
