//! Laws of every connector, looped over the registry, and the file readers on real files.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{DataType, Field, FieldRef, Schema};

use super::*;
use crate::format;

/// A source that reads all `columns`.
pub(super) fn spec(connector: &'static dyn Connector, columns: &[FieldRef], options: &[(&str, &str)]) -> SourceSpec {
    let schema = Arc::new(Schema::new(columns.to_vec()));
    SourceSpec {
        name: "s".to_owned(),
        connector: connector.into(),
        formats: Formats::default(),
        options: options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        physical: schema.clone(),
        metadata: Vec::new(),
        zone: crate::time::Zone::utc(),
        computed: Vec::new(),
        decode: (0..columns.len()).collect(),
        arrival: None,
        output: (0..columns.len()).collect(),
        time: None,
        dedup: None,
        changelog: None,
        sequence: false,
        schema,
    }
}

/// Rows as JSON with their positions, and rejects.
type Drained = (Vec<(u64, String)>, Vec<Reject>);

/// All that a partition holds: rows as JSON with their positions, and rejects.
pub(super) fn drain(reader: &mut dyn Reader) -> Drained {
    let (mut rows, mut rejects) = (Vec::new(), Vec::new());
    loop {
        match reader.read().unwrap() {
            Read::End => return (rows, rejects),
            Read::Wait(pause) => std::thread::sleep(pause),
            Read::Begins(_) => {}
            Read::Rows(Decoded { batch, rejects: bad, first, numbers, .. }) => {
                rows.extend((0..batch.num_rows()).map(|row| {
                    let at = numbers.as_ref().map_or(first + row as u64, |numbers| numbers[row]);
                    (at, format::row_as_json(batch.schema_ref(), batch.columns(), row))
                }));
                rejects.extend(bad);
            }
        }
    }
}

fn field(name: &str, kind: DataType) -> FieldRef {
    Arc::new(Field::new(name, kind, true))
}

fn n_and_t() -> Vec<FieldRef> {
    vec![field("n", DataType::Int64), field("t", DataType::Utf8)]
}

#[test]
fn every_connector_is_documented() {
    let mut names = BTreeSet::new();
    for connector in CONNECTORS {
        assert!(names.insert(connector.name()), "{} twice", connector.name());
        assert!(!connector.help().is_empty());
        let mut options = BTreeSet::new();
        for option in SOURCE_OPTIONS.iter().chain(connector.options()) {
            assert!(options.insert(option.name) && !option.help.is_empty(), "{} {}", connector.name(), option.name);
        }
        let columns = connector.default_columns(&Options::default()).unwrap_or_else(n_and_t);
        let error =
            connector.check(&spec(*connector, &columns, &[("path", "x.json"), ("no-such-option", "1")])).unwrap_err();
        assert!(error.to_string().contains("unknown option"), "{error}");
    }
}

#[test]
fn options_of_formats_are_known_where_formats_are_read() {
    let mut known = filesystem::Filesystem.options().iter().chain(stdin::Stdin.options());
    let prefixes: Vec<&str> = known.by_ref().filter_map(|option| option.name.strip_suffix('*')).collect();
    for option in format::FORMATS.iter().flat_map(|format| format.options()) {
        assert_eq!(prefixes.iter().filter(|prefix| option.name.starts_with(**prefix)).count(), 2, "{}", option.name);
    }
    for option in format::DECODING_OPTIONS {
        for connector in [&filesystem::Filesystem as &dyn Connector, &stdin::Stdin] {
            assert!(connector.options().iter().any(|known| known.name == option.name));
        }
    }
}

fn read_files(path: &std::path::Path, more: &[(&str, &str)]) -> Vec<Drained> {
    let mut options = vec![("connector", "filesystem"), ("path", path.to_str().unwrap())];
    options.extend_from_slice(more);
    let spec = spec(&filesystem::Filesystem, &n_and_t(), &options);
    open_all(&spec).unwrap().iter_mut().map(|reader| drain(reader.as_mut())).collect()
}

#[test]
fn one_file_is_one_order_on_any_number_of_threads() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("big.ndjson");
    let mut text = "\u{feff}".to_owned();
    for line in 1..=60_000 {
        let _ = match line % 10_000 {
            1 => writeln!(text, "bad {line}"),
            2 => write!(text, "\r\n"),
            3 => writeln!(text, "{{\"t\":\"{}\"}}", "x".repeat(5000)),
            4 => writeln!(text, "{{\"t\":\"{}\"}}", "y".repeat(3_000_000)),
            _ => writeln!(text, "{{\"n\":{line},\"more\":\"{}\",\"t\":\"text {line}\"}}", "-".repeat(100)),
        };
    }
    text.pop();
    std::fs::write(&path, text).unwrap();
    let expected = read_files(&path, &[("max-row-bytes", "4096"), ("decode-threads", "1")]);
    let (rows, rejects) = &expected[0];
    assert_eq!((rows.len(), rejects.len()), (60_000 - 24, 18));
    assert!(
        rows.iter().all(|(line, row)| *row == format!("{{\"n\":{line},\"t\":\"text {line}\"}}")),
        "lines are counted"
    );
    for (reject, line) in rejects.iter().zip((0..).flat_map(|block| [1, 3, 4].map(|line| block * 10_000 + line))) {
        assert_eq!(reject.position, format!("{}:{line}", path.display()));
        assert_eq!(reject.reason, if line % 10_000 == 1 { "malformed" } else { "oversized" });
        assert!(reject.content.len() <= crate::delta::MAX_REJECT_BYTES);
    }
    for threads in ["2", "3", "7"] {
        assert_eq!(read_files(&path, &[("max-row-bytes", "4096"), ("decode-threads", threads)]), expected);
    }
}

#[test]
fn folders_and_patterns_give_a_partition_a_file_by_path() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("b.json"), "{\"n\":1}\n{\"n\":2}").unwrap();
    std::fs::write(at("a.csv"), "t,n\r\nx,3\r\n").unwrap();
    std::fs::write(at("c.json"), "").unwrap();
    std::fs::write(at("_hidden.json"), "{\"n\":9}").unwrap();
    std::fs::write(at(".hidden.json"), "{\"n\":9}").unwrap();
    std::fs::create_dir(at("deeper")).unwrap();
    let rows = |path: &str, more: &[(&str, &str)]| -> Vec<Vec<(u64, String)>> {
        read_files(&folder.path().join(path), more).into_iter().map(|(rows, _)| rows).collect()
    };
    let a = vec![(2, "{\"n\":3,\"t\":\"x\"}".to_owned())];
    let b = vec![(1, "{\"n\":1,\"t\":null}".to_owned()), (2, "{\"n\":2,\"t\":null}".to_owned())];
    assert_eq!(rows("", &[]), [a.clone(), b.clone(), vec![]]);
    assert_eq!(rows("*.json", &[]), [b.clone(), vec![]]);
    assert_eq!(rows("?.csv", &[]), [a]);
    assert_eq!(rows("b.json", &[("format", "json")]), [b]);
    assert_eq!(rows("c.json", &[]), [vec![]]);
    let refused = |path: &str, more: &[(&str, &str)]| -> String {
        let path = folder.path().join(path);
        let mut options = vec![("path", path.to_str().unwrap())];
        options.extend_from_slice(more);
        let spec = spec(&filesystem::Filesystem, &n_and_t(), &options);
        open_all(&spec).err().unwrap().to_string()
    };
    assert!(refused("none.json", &[]).contains("none.json"));
    assert!(refused("*.parquet", &[]).contains("no file there"));
    assert!(refused("b.xml", &[]).contains("'format' = one of json"));
    assert!(refused("b.json", &[("csv.header", "true")]).contains("unknown option 'csv.header'"));
    assert!(refused("b.json", &[("decode-threads", "0")]).contains("1 to 256"));
    assert!(refused("b.json", &[("timestamp.unit", "days")]).contains("write one of s, ms, us"));
}

#[test]
fn files_of_blocks_are_read_by_column_name() {
    let folder = tempfile::tempdir().unwrap();
    let n: arrow_array::ArrayRef = Arc::new(arrow_array::Int32Array::from_iter_values(0..20_000));
    let t: arrow_array::ArrayRef =
        Arc::new(arrow_array::StringArray::from_iter_values((0..20_000).map(|n| n.to_string())));
    let batch = RecordBatch::try_from_iter([("t", t), ("unused", n.clone()), ("n", n)]).unwrap();
    for name in ["x.parquet", "x.arrow", "y.arrows"] {
        let path = folder.path().join(name);
        let mut bytes = Vec::new();
        if name == "x.arrow" {
            let mut writer = arrow_ipc::writer::FileWriter::try_new(&mut bytes, &batch.schema()).unwrap();
            writer.write(&batch).unwrap();
            writer.finish().unwrap();
        } else {
            let format = Formats::default().choose(&Options::default(), name).unwrap();
            let mut encoder = format.encoder(&batch.schema(), &Options::default()).unwrap();
            encoder.encode(&batch, &mut bytes).unwrap();
            encoder.finish(&mut bytes).unwrap();
        }
        std::fs::write(&path, bytes).unwrap();
        let (rows, rejects) = &read_files(&path, &[])[0];
        assert!(rejects.is_empty());
        let expected = (0..20_000).map(|n| (n + 1, format!("{{\"n\":{n},\"t\":\"{n}\"}}")));
        assert!(rows.iter().cloned().eq(expected), "{name}");
        let options = [("path", path.to_str().unwrap())];
        let other = spec(&filesystem::Filesystem, &[field("m", DataType::Int64)], &options);
        let error = open_all(&other).unwrap()[0].read().unwrap_err().to_string();
        assert!(error.contains("none of the columns 'm'; it has 't', 'unused', 'n'"), "{error}");
        let both = [field("n", DataType::Int64), field("m", DataType::Int64)];
        let some = spec(&filesystem::Filesystem, &both, &options);
        let (rows, rejects) = drain(open_all(&some).unwrap()[0].as_mut());
        assert!(rejects.is_empty() && rows[5] == (6, "{\"n\":5,\"m\":null}".to_owned()), "{:?}", rows[5]);
    }
    let path = folder.path().join("bad.parquet");
    std::fs::write(&path, "no").unwrap();
    let options = [("path", path.to_str().unwrap())];
    let bad = spec(&filesystem::Filesystem, &n_and_t(), &options);
    let error = open_all(&bad).unwrap()[0].read().unwrap_err().to_string();
    assert!(error.contains("not Parquet"), "{error}");
}

#[test]
fn only_wanted_columns_are_decoded() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.json");
    std::fs::write(&path, "{\"n\":\"no number\",\"t\":\"5\"}\n").unwrap();
    let mut spec = spec(&filesystem::Filesystem, &n_and_t(), &[("path", path.to_str().unwrap())]);
    spec.decode = vec![1];
    let mut readers = open_all(&spec).unwrap();
    assert_eq!(drain(readers[0].as_mut()).0, [(1, "{\"t\":\"5\"}".to_owned())]);
    spec.decode = vec![];
    let mut readers = open_all(&spec).unwrap();
    assert_eq!(drain(readers[0].as_mut()).0, [(1, "{}".to_owned())]);
}

/// An array is whole only with its bracket, wherever it was cut off: behind an element, a comma, or within.
#[test]
fn an_array_that_is_cut_off_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.json");
    for text in ["[{\"n\":1},\n {\"n\":2} , {\"n\":3}]\n", "\u{feff}[ ]", "[{\"n\":1}]\n[{\"n\":2}\n{\"n\":\n3}\n]\n"] {
        for length in 0..=text.len() {
            let Some(cut) = text.get(..length) else { continue };
            std::fs::write(&path, cut).unwrap();
            let whole = !cut.contains('[') || cut.trim_end().ends_with(']');
            for bytes in ["1 MiB", "4"] {
                let (rows, rejects) = &read_files(&path, &[("decode-bytes", bytes)])[0];
                assert_eq!(rows.len(), cut.matches('}').count(), "{cut:?} by {bytes}");
                assert_eq!(rejects.len(), usize::from(!whole), "{cut:?} by {bytes}: {rejects:?}");
                let between = cut.trim_end().ends_with([',', '}', '[']);
                assert!(!between || rejects[0].detail.contains("the array has no ']'"), "{cut:?}: {rejects:?}");
            }
        }
    }
}
