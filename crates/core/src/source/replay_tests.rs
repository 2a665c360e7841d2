//! Every connector and format is read again from every position that came with its rows: the rest is what followed there, row for
//! row, with the same record numbers, rejects and sequence numbers (S3 to S6 in docs/internals/positions.md).
#![allow(clippy::unwrap_used)]

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, FieldRef};
use proptest::prelude::*;

use super::conformance::{Told, holds, opened};
use super::tests::spec;
use super::*;
use crate::format;

fn field(name: &str, kind: DataType) -> FieldRef {
    Arc::new(Field::new(name, kind, true))
}

fn n_and_t() -> Vec<FieldRef> {
    vec![field("n", DataType::Int64), field("t", DataType::Utf8)]
}

fn of_file(path: &Path, more: &[(&str, &str)]) -> SourceSpec {
    let mut options = vec![("connector", "filesystem"), ("path", path.to_str().unwrap())];
    options.extend_from_slice(more);
    spec(&filesystem::Filesystem, &n_and_t(), &options)
}

/// Rows in the columns `n`, as text, of which every 13th is no number, and `t`.
fn rows(from: i64, count: i64) -> RecordBatch {
    let n = |row: i64| if row % 13 == 5 { format!("no {row}") } else { row.to_string() };
    let n: ArrayRef = Arc::new(StringArray::from_iter_values((from..from + count).map(n)));
    let t: ArrayRef = Arc::new(StringArray::from_iter_values((from..from + count).map(|row| format!("text {row}"))));
    RecordBatch::try_from_iter([("n", n), ("t", t)]).unwrap()
}

/// A file of that format with rejects in between, and the options that it is read with.
fn written(format: &str) -> (Vec<Vec<u8>>, Vec<(&'static str, &'static str)>) {
    let lines = |line: &dyn Fn(i64) -> String| (0..300).map(line).collect::<String>().into_bytes();
    let small = vec![("decode-bytes", "300")];
    match format {
        "parquet" => {
            let properties = parquet::file::properties::WriterProperties::builder()
                .set_max_row_group_row_count(Some(20_000))
                .build();
            let mut bytes = Vec::new();
            let mut writer =
                parquet::arrow::ArrowWriter::try_new(&mut bytes, rows(0, 1).schema(), Some(properties)).unwrap();
            writer.write(&rows(0, 45_000)).unwrap();
            writer.close().unwrap();
            (vec![bytes], vec![])
        }
        "arrow" => {
            let schema = rows(0, 1).schema();
            let (mut file, mut stream) = (Vec::new(), Vec::new());
            let mut whole = arrow_ipc::writer::FileWriter::try_new(&mut file, &schema).unwrap();
            let mut as_it_comes = arrow_ipc::writer::StreamWriter::try_new(&mut stream, &schema).unwrap();
            for batch in 0..9 {
                whole.write(&rows(batch * 100, 100)).unwrap();
                as_it_comes.write(&rows(batch * 100, 100)).unwrap();
            }
            whole.finish().unwrap();
            as_it_comes.finish().unwrap();
            drop((whole, as_it_comes));
            let torn = stream[..stream.len() - 700].to_vec();
            (vec![file, stream, torn], vec![])
        }
        "msgpack" => {
            let map = |row: i64, out: &mut Vec<u8>| {
                rmp::encode::write_map_len(out, 2).unwrap();
                rmp::encode::write_str(out, "n").unwrap();
                match row % 13 {
                    5 => rmp::encode::write_str(out, "no").unwrap(),
                    _ => drop(rmp::encode::write_sint(out, row).unwrap()),
                }
                rmp::encode::write_str(out, "t").unwrap();
                rmp::encode::write_str(out, &"x".repeat(700)).unwrap();
            };
            let (mut maps, mut arrays) = (Vec::new(), Vec::new());
            (0..6000).for_each(|row| map(row, &mut maps));
            for array in 0..3 {
                rmp::encode::write_array_len(&mut arrays, 3000).unwrap();
                (0..3000).for_each(|row| map(array * 3000 + row, &mut arrays));
            }
            let torn = maps[..maps.len() - 10].to_vec();
            (vec![maps, arrays, torn], vec![])
        }
        "csv" => {
            let line = |row: i64| match row % 13 {
                5 => "no,x\r\n".to_owned(),
                7 => format!("{row},\"two\nlines, {row}\"\r\n"),
                _ => format!("{row},text\r\n"),
            };
            let text = [b"n,t\r\n".to_vec(), lines(&line)].concat();
            (vec![text.clone(), [b"\xEF\xBB\xBF".to_vec(), text].concat()], small)
        }
        "json" => {
            let line = |row: i64| match row % 13 {
                5 => "no\n".to_owned(),
                6 => "\n".to_owned(),
                _ => format!("{{\"n\":{row},\"t\":\"text\"}}\n"),
            };
            let element =
                |row: i64| if row % 13 == 5 { "7,\n".to_owned() } else { format!("{{\"n\":{row},\n\"t\":\"x\"}} , ") };
            let array = [b" [\n".to_vec(), lines(&element), b"{\"n\":-1}]\n".to_vec()].concat();
            let torn = array[..array.len() - b"{\"n\":-1}]\n".len()].to_vec();
            (vec![lines(&line), array, torn], small)
        }
        "raw" => (vec![lines(&|row| format!("line {row}\n"))], small),
        "regex" => {
            let line = |row: i64| if row % 13 == 5 { "-\n".to_owned() } else { format!("{row} text\n") };
            (vec![lines(&line)], [small, vec![("regex.pattern", "(?<n>\\d+) (?<t>.*)")]].concat())
        }
        "grok" => {
            let line = |row: i64| if row % 13 == 5 { "-\n".to_owned() } else { format!("{row} text\n") };
            (vec![lines(&line)], [small, vec![("grok.pattern", "%{INT:n} %{WORD:t}")]].concat())
        }
        "debezium-json" => {
            let line = |row: i64| match row % 13 {
                5 => "{\"op\":\"x\"}\n".to_owned(),
                6 => "null\n".to_owned(),
                7 => format!("{{\"op\":\"u\",\"before\":{{\"n\":1}},\"after\":{{\"n\":{row},\"t\":\"y\"}}}}\n"),
                _ => format!("{{\"op\":\"c\",\"after\":{{\"n\":{row},\"t\":\"text\"}}}}\n"),
            };
            (vec![lines(&line)], [small, vec![("changelog", "retract")]].concat())
        }
        other => panic!("write how a file of {other} looks"),
    }
}

#[test]
fn s3_every_format_is_read_on_from_every_position() {
    let folder = tempfile::tempdir().unwrap();
    for format in format::FORMATS {
        let (files, options) = written(format.name());
        for (number, bytes) in files.iter().enumerate() {
            for packing in ["none", "gzip", "zstd"] {
                let blocks = matches!(format.name(), "parquet" | "arrow");
                // A packed MessagePack that is torn is an error, not a reject.
                if packing != "none" && (blocks || format.name() == "msgpack" && number == 2) {
                    continue;
                }
                let path = folder.path().join(format!("{number}-{packing}.{}", format.name()));
                std::fs::write(&path, packed(packing, bytes)).unwrap();
                for threads in ["1", "3"] {
                    let more = [("format", format.name()), ("compression", packing), ("decode-threads", threads)];
                    let mut spec = of_file(&path, &[&more[..], &options].concat());
                    if format.name() == "raw" {
                        spec = self::spec_of_line(&spec);
                    }
                    let tried = holds(&spec, usize::MAX);
                    assert!(tried > 3, "{} {number} {packing}: {tried} positions", format.name());
                }
            }
        }
    }
}

/// The promises that formats of others are held to too.
#[test]
fn every_format_is_cut_anywhere_survives_damage_and_reads_what_it_wrote() {
    for format in format::FORMATS {
        let (files, given) = written(format.name());
        let options = given.iter().filter(|(name, _)| *name != "decode-bytes");
        let options: Options = options.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let of_line = vec![field("t", DataType::Utf8)];
        let columns = if format.name() == "raw" { of_line } else { n_and_t() };
        let schema = Arc::new(arrow_schema::Schema::new(columns));
        let layout = format::conformance::layout(&schema, &options).unwrap();
        let sample = match format.encoder(&schema, &options) {
            // Blocks of a few rows: those of the files are for many positions.
            Ok(mut encoder) if matches!(format.name(), "parquet" | "arrow" | "msgpack") => {
                let mut sample = Vec::new();
                for block in 0..5 {
                    let n: ArrayRef = Arc::new(Int64Array::from_iter(((block * 20)..).take(20).map(Some)));
                    let t = (0..20).map(|row| (row % 3 > 0).then(|| format!("text {row}")));
                    let t: ArrayRef = Arc::new(StringArray::from_iter(t));
                    encoder.encode(&RecordBatch::try_new(schema.clone(), vec![n, t]).unwrap(), &mut sample).unwrap();
                }
                encoder.finish(&mut sample).unwrap();
                sample
            }
            _ => files[0].clone(),
        };
        format::conformance::check(*format, &layout, &options, &sample).unwrap();
    }
}

fn spec_of_line(of: &SourceSpec) -> SourceSpec {
    let line = spec(CONNECTORS[0], &[field("t", DataType::Utf8)], &[]);
    SourceSpec { connector: of.connector.clone(), options: of.options.clone(), ..line }
}

fn packed(packing: &str, bytes: &[u8]) -> Vec<u8> {
    match packing {
        "gzip" => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
        "zstd" => zstd::stream::encode_all(bytes, 1).unwrap(),
        _ => bytes.to_vec(),
    }
}

/// One case a connector: a new one is to say how it is read again.
#[test]
fn s3_s7_every_connector_is_read_on_or_says_that_it_is_not() {
    for connector in CONNECTORS {
        let one = |options: &[(&str, &str)]| {
            let parsed = options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            spec(*connector, &connector.default_columns(&parsed).unwrap_or_else(n_and_t), options)
        };
        match (connector.name(), connector.replay()) {
            ("filesystem", Replay::Seek) => {}
            ("datagen", Replay::Seek) => {
                assert!(
                    holds(&one(&[("kind", "mixed"), ("number-of-rows", "100000"), ("partitions", "3")]), usize::MAX)
                        > 9
                );
                assert!(holds(&one(&[("kind", "mixed"), ("rows-per-second", "1000000")]), 20_000) > 2);
            }
            ("nexmark", Replay::Seek) => {
                for table in [("seed", "3"), ("table", "auction")] {
                    assert!(holds(&one(&[("events.num", "100000"), ("partitions", "2"), table]), usize::MAX) > 9);
                }
                assert!(holds(&one(&[("tps", "1000000")]), 20_000) > 2);
            }
            ("stdin", Replay::Once) => {
                let spec = one(&[]);
                let split = spec.connector.splits(&spec).unwrap().remove(0);
                let refused = connector.open(&spec, &[(split, Start::At(Position::counted(1)))]).err().unwrap();
                assert!(refused.to_string().contains("comes once"), "{refused}");
            }
            ("http" | "websocket", Replay::Once) => assert!(connector.splits(&one(&[])).unwrap().is_empty()),
            (name, replay) => panic!("no case for '{name}', {replay:?}"),
        }
    }
}

#[test]
fn s5_a_line_that_had_no_end_is_not_begun_again_when_the_file_grows() {
    let folder = tempfile::tempdir().unwrap();
    for (end, packing) in [("\n", "none"), ("\r\n", "none"), ("0}\n", "none"), ("\n", "gzip"), ("", "none")] {
        let path = folder.path().join("x.json");
        let head = "{\"n\":1}\n\n{\"n\":2}";
        std::fs::write(&path, packed(packing, head.as_bytes())).unwrap();
        let spec = of_file(&path, &[("compression", packing)]);
        let split = spec.connector.splits(&spec).unwrap().remove(0);
        let before = Told::of(&spec, opened(&spec, &split, Start::Beginning).as_mut(), usize::MAX);
        assert_eq!(before.rows.len(), 2);
        let position = before.positions.last().unwrap().0.clone();
        let grown = if end.is_empty() { head.to_owned() } else { format!("{head}{end}{{\"n\":3}}\nbad\n") };
        std::fs::write(&path, packed(packing, grown.as_bytes())).unwrap();
        let rest = Told::of(&spec, opened(&spec, &split, Start::At(position)).as_mut(), usize::MAX);
        let expected = if end.is_empty() { vec![] } else { vec![(4, "{\"n\":3,\"t\":null}".to_owned())] };
        assert_eq!(rest.rows, expected, "{end:?}");
        assert!(rest.rejects.iter().all(|reject| reject.position.ends_with("x.json:5")), "{:?}", rest.rejects);
    }
}

#[test]
fn s6_a_watched_folder_goes_on_with_its_files_in_the_order_in_which_they_were_found() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, from: i64| {
        let lines: String = (from..from + 40).map(|n| format!("{{\"n\":{n}}}\n")).collect();
        std::fs::write(folder.path().join(name), lines + "bad\n").unwrap();
    };
    write("m.json", 0);
    write("z.json", 100);
    let options = [("source.monitor-interval", "1 ms"), ("decode-bytes", "100")];
    let spec = of_file(&folder.path().join(""), &options);
    let splits = spec.connector.splits(&spec).unwrap();
    assert_eq!(splits, [SplitId::new(".")]);
    let mut reader = opened(&spec, &splits[0], Start::Beginning);
    let mut whole = Told::of(&spec, reader.as_mut(), 50);
    // Found later, so read later, whatever its name.
    write("a.json", 200);
    let more = Told::of(&spec, reader.as_mut(), usize::MAX);
    let (rows, rejects) = (whole.rows.len(), whole.rejects.len());
    whole.positions.extend(more.positions.into_iter().map(|(at, r, b)| (at, r + rows, b + rejects)));
    whole.rows.extend(more.rows);
    whole.rejects.extend(more.rejects);
    assert_eq!((whole.rows.len(), whole.rejects.len()), (120, 3));
    assert!(whole.rows[119].1.contains("239"));
    for (position, rows, rejects) in &whole.positions {
        assert_eq!(position.rows, *rows as u64, "S4: rows of all files are counted");
        let position: Position = position.to_string().parse().unwrap();
        let rest = Told::of(&spec, opened(&spec, &splits[0], Start::At(position.clone())).as_mut(), usize::MAX);
        assert_eq!(rest.rows, whole.rows[*rows..], "{position}");
        assert_eq!(rest.rejects, whole.rejects[*rejects..], "{position}");
    }
}

#[test]
fn s6_the_files_of_a_changelog_without_event_time_are_one_order() {
    let folder = tempfile::tempdir().unwrap();
    let names = ["part-0.json", "part-0-1.json", "part-0-2.json", "part-0-10.json", "part-1.json"];
    for (name, from) in names.iter().zip((0..).step_by(100)) {
        let lines: String = (from..from + 40).map(|n| format!("{{\"n\":{n}}}\n")).collect();
        std::fs::write(folder.path().join(name), lines + "bad\n").unwrap();
    }
    let mut spec = of_file(&folder.path().join(""), &[("decode-bytes", "100")]);
    spec.changelog = Some(Changelog { op: 1, key: None });
    let splits = spec.connector.splits(&spec).unwrap();
    assert_eq!(splits, [SplitId::new(".")]);
    let whole = Told::of(&spec, opened(&spec, &splits[0], Start::Beginning).as_mut(), usize::MAX);
    assert_eq!((whole.rows.len(), whole.rejects.len()), (200, 5));
    for (at, (name, reject)) in names.iter().zip(&whole.rejects).enumerate() {
        assert!(whole.rows[at * 40].1.contains(&format!("\"n\":{}", at * 100)), "{:?}", whole.rows[at * 40]);
        assert!(reject.position.ends_with(&format!("{name}:41")), "{reject:?}");
    }
    for (position, rows, rejects) in &whole.positions {
        let position: Position = position.to_string().parse().unwrap();
        let rest = Told::of(&spec, opened(&spec, &splits[0], Start::At(position.clone())).as_mut(), usize::MAX);
        assert_eq!(rest.rows, whole.rows[*rows..], "{position}");
        assert_eq!(rest.rejects, whole.rejects[*rejects..], "{position}");
    }
    // With one there is more to go by, and a file alone is itself.
    let one = of_file(&folder.path().join("part-1.json"), &[]);
    let one = SourceSpec { changelog: spec.changelog.clone(), ..one };
    assert_eq!(one.connector.splits(&one).unwrap(), [SplitId::new("part-1.json")]);
    spec.time = Some(TimeSpec {
        column: 0,
        bound_ms: 0,
        lateness_ms: Some(0),
        idle_timeout: None,
        idle_by_clock: false,
        max_future_skew_ms: 0,
    });
    assert_eq!(spec.connector.splits(&spec).unwrap().len(), 5);
    assert!(spec.check_order(5).is_ok());
    spec.time = None;
    assert!(
        spec.check_order(5).unwrap_err().to_string().contains("its changes come in 5 parts, and nothing says which")
    );
}

#[test]
fn s4_sequence_numbers_go_on_where_they_were() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.csv");
    let lines: String = (0..500).map(|n| if n % 9 == 4 { "bad,1\n".to_owned() } else { format!("{n},t\n") }).collect();
    std::fs::write(&path, format!("n,t\n{lines}")).unwrap();
    let mut spec = of_file(&path, &[("decode-bytes", "128")]);
    spec.sequence = true;
    let fields = spec.schema.fields().iter().cloned().chain([Arc::new(Field::new("#", DataType::Int64, false))]);
    spec.schema = Arc::new(arrow_schema::Schema::new(fields.collect::<Vec<_>>()));
    let split = spec.connector.splits(&spec).unwrap().remove(0);
    let numbers = |start: Start| -> (Vec<(i64, i64)>, Vec<Position>) {
        let mut edge = Edge::new(&spec, 3, 7, false).behind(start.position().rows);
        let (mut reader, mut numbers, mut positions) = (opened(&spec, &split, start), Vec::new(), Vec::new());
        while let Read::Rows(decoded) = reader.read().unwrap() {
            positions.push(decoded.end.clone());
            let (mut steps, mut rejects) = (Vec::new(), Vec::new());
            edge.accept(decoded, 0, &mut steps, &mut rejects);
            for Step { delta, .. } in steps {
                let of =
                    |column: usize| delta.batch().column(column).as_any().downcast_ref::<Int64Array>().unwrap().clone();
                numbers.extend(of(0).iter().flatten().zip(of(2).iter().flatten()));
            }
        }
        (numbers, positions)
    };
    let (whole, positions) = numbers(Start::Beginning);
    assert!(positions.len() > 10 && whole[0].1 == 3 << 40);
    for position in positions {
        assert_eq!(numbers(Start::At(position.clone())).0, whole[position.rows as usize..], "{position}");
    }
}

/// A record of a text file: what is written, without its end.
fn record(csv: bool) -> impl Strategy<Value = String> {
    let (long, word) = (Just("x".repeat(400)), "[a-zé€😀]{0,12}");
    match csv {
        true => prop_oneof![
            6 => (any::<i16>(), word).prop_map(|(n, t)| format!("{n},{t}")),
            2 => (any::<i16>(), word).prop_map(|(n, t)| format!("{n},\"{t}\n\"\"{t}\r\n,\"")),
            1 => Just("no,number".to_owned()),
            1 => Just(String::new()),
            1 => long.prop_map(|long| format!("1,{long}")),
        ]
        .boxed(),
        false => prop_oneof![
            6 => (any::<i16>(), word).prop_map(|(n, t)| format!("{{\"n\":{n},\"t\":\"{t}\"}}")),
            1 => Just("{\"n\":".to_owned()),
            1 => Just("{\"n\":\"no\"}".to_owned()),
            2 => Just(String::new()),
            1 => Just("  ".to_owned()),
            1 => long.prop_map(|long| format!("{{\"t\":\"{long}\"}}")),
        ]
        .boxed(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// Awkward text: marks, blank lines, ends of every kind, records of several lines, rejects, too long lines, no last end.
    #[test]
    fn s3_awkward_text_is_read_on_from_every_position(
        csv in any::<bool>(),
        (seed, mark, ended, crlf) in any::<(u64, bool, bool, bool)>(),
        encoding in prop::sample::select(vec!["", "utf-16le", "utf-16be", "latin1"]),
        packing in prop::sample::select(vec!["none", "gzip", "zstd"]),
        chunk in 1_usize..300,
        threads in 1_usize..4,
        json in prop::collection::vec(record(false), 0..60),
        table in prop::collection::vec(record(true), 0..60),
    ) {
        let end = if crlf { "\r\n" } else { "\n" };
        let mut text = if csv { [vec!["n,t".to_owned()], table].concat() } else { json }.join(end);
        if ended || seed % 3 > 0 {
            text.push_str(end);
        }
        let marked = if mark { format!("\u{feff}{text}") } else { text };
        let encoding = if csv { encoding } else { "" };
        let bytes: Vec<u8> = match encoding {
            "utf-16le" => marked.encode_utf16().flat_map(u16::to_le_bytes).collect(),
            "utf-16be" => marked.encode_utf16().flat_map(u16::to_be_bytes).collect(),
            "latin1" => marked.chars().map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?')).collect(),
            _ => marked.into_bytes(),
        };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(if csv { "x.csv" } else { "x.json" });
        std::fs::write(&path, packed(packing, &bytes)).unwrap();
        let (chunk, threads) = (chunk.to_string(), threads.to_string());
        let mut options = vec![
            ("compression", packing), ("decode-bytes", chunk.as_str()), ("decode-threads", &threads), ("max-row-bytes", "200"),
        ];
        if !encoding.is_empty() {
            options.push(("csv.encoding", encoding));
        }
        holds(&of_file(&path, &options), usize::MAX);
    }
}
