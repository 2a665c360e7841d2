//! Laws of every sink, looped over the registry, and what files hold.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow_array::{Float64Array, Int64Array, RecordBatch, StringArray, TimestampMillisecondArray};

use super::*;
use crate::format;

fn delta(rows: &[(Option<i64>, &str, f64, i64)], diffs: Option<Vec<i64>>) -> Delta {
    let batch = RecordBatch::try_from_iter_with_nullable([
        ("n", Arc::new(rows.iter().map(|row| row.0).collect::<Int64Array>()) as arrow_array::ArrayRef, true),
        ("t", Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.1))) as _, true),
        ("d", Arc::new(Float64Array::from_iter_values(rows.iter().map(|row| row.2))) as _, true),
        ("ts", Arc::new(TimestampMillisecondArray::from_iter_values(rows.iter().map(|row| row.3))) as _, true),
    ]);
    Delta::new(batch.unwrap(), diffs.map(Into::into))
}

fn spec(connector: &'static dyn SinkConnector, retracting: bool, options: &[(&str, &str)]) -> SinkSpec {
    SinkSpec {
        name: "out".to_owned(),
        connector: connector.into(),
        formats: Default::default(),
        options: options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        schema: delta(&[], None).batch().schema(),
        partition: Vec::new(),
        retracting,
    }
}

#[test]
fn every_sink_is_documented_and_takes_rows() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.json");
    let mut names = BTreeSet::new();
    for sink in SINKS {
        assert!(names.insert(sink.name()) && !sink.help().is_empty());
        assert!(sink.options().iter().all(|option| !option.help.is_empty()));
        let options: &[_] = if sink.name() == "filesystem" { &[("path", path.to_str().unwrap())] } else { &[] };
        let good = spec(*sink, true, options);
        sink.check(&good).unwrap();
        let mut writer = sink.open(&good, 0, 1).unwrap();
        writer.write(Epoch::at(5), &delta(&[(Some(1), "a", 0.5, 0)], Some(vec![-1]))).unwrap();
        writer.flush().unwrap();
        writer.close().unwrap();
        let unknown: Vec<_> = options.iter().copied().chain([("no-such", "1")]).collect();
        assert!(
            sink.check(&spec(*sink, false, &unknown)).unwrap_err().to_string().contains("unknown option 'no-such'")
        );
    }
    let missing = filesystem::Filesystem.check(&spec(&filesystem::Filesystem, false, &[])).unwrap_err();
    assert!(missing.to_string().contains("needs the option 'path'"), "{missing}");
    let formats = written().flat_map(|format| format.options());
    assert!(
        formats.into_iter().all(|option| option.name.starts_with("csv.")),
        "declare them in the sinks' options too"
    );
}

#[test]
fn lines_are_whole_epochs_and_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep/er/x.ndjson");
    let given = spec(&filesystem::Filesystem, false, &[("path", path.to_str().unwrap())]);
    assert!(!given.connector.per_worker(&given));
    let mut writer = given.connector.open(&given, 0, 1).unwrap();
    writer.write(Epoch::at(1), &delta(&[(Some(1), "a\"b", 0.1, -1), (None, "", f64::NAN, 0)], None)).unwrap();
    writer.flush().unwrap();
    let first = "{\"n\":1,\"t\":\"a\\\"b\",\"d\":0.1,\"ts\":\"1969-12-31T23:59:59.999Z\"}\n{\"n\":null,\"t\":\"\",\"d\":\"NaN\",\"ts\":\"1970-01-01T00:00:00.000Z\"}\n";
    assert_eq!(std::fs::read_to_string(&path).unwrap(), first);
    writer.write(Epoch::at(2), &delta(&[(Some(2), "c", 1e300, 5)], Some(vec![2]))).unwrap();
    assert!(writer.write(Epoch::at(3), &delta(&[(Some(2), "c", 1e300, 5)], Some(vec![-1]))).is_err());
    writer.close().unwrap();
    let second = "{\"n\":2,\"t\":\"c\",\"d\":1e+300,\"ts\":\"1970-01-01T00:00:00.005Z\"}\n".repeat(2);
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text.replace("1e300", "1e+300"), format!("{first}{second}"));
}

#[test]
fn retractions_say_what_and_when() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.csv");
    let given = spec(&filesystem::Filesystem, true, &[("path", path.to_str().unwrap()), ("csv.field-delimiter", ";")]);
    let mut writer = given.connector.open(&given, 0, 1).unwrap();
    writer.write(Epoch::at(-1), &delta(&[(Some(1), "a", 0.1, 0)], None)).unwrap();
    writer
        .write(
            Epoch { watermark: 7, tick: 3 },
            &delta(&[(Some(1), "a", 0.1, 0), (Some(2), "", 2.0, 0)], Some(vec![-1, 2])),
        )
        .unwrap();
    writer.close().unwrap();
    let expected = "_op;_epoch;n;t;d;ts\n\
        insert;7fffffffffffffff-0000000000;1;a;0.1;1970-01-01T00:00:00.000Z\n\
        retract;8000000000000007-0000000003;1;a;0.1;1970-01-01T00:00:00.000Z\n\
        insert;8000000000000007-0000000003;2;\"\";2.0;1970-01-01T00:00:00.000Z\n\
        insert;8000000000000007-0000000003;2;\"\";2.0;1970-01-01T00:00:00.000Z\n";
    assert_eq!(std::fs::read_to_string(&path).unwrap(), expected);
    let mut clash = given.clone();
    let fields = vec![arrow_schema::Field::new("_op", arrow_schema::DataType::Int64, true)];
    clash.schema = Arc::new(arrow_schema::Schema::new(fields));
    assert!(clash.connector.check(&clash).unwrap_err().to_string().contains("another name with AS"));
}

/// The formats that are written.
fn written() -> impl Iterator<Item = &'static dyn format::Format> {
    let read_only = ["raw", "regex", "grok", "debezium-json"];
    format::FORMATS.iter().copied().filter(move |format| !read_only.contains(&format.name()))
}

#[test]
fn folders_have_a_part_a_worker() {
    let folder = tempfile::tempdir().unwrap();
    for format in written() {
        let path = format!("{}/{}/", folder.path().display(), format.name());
        let given = spec(&filesystem::Filesystem, false, &[("path", &path), ("format", format.name())]);
        assert!(given.connector.per_worker(&given));
        for part in 0..3 {
            let mut writer = given.connector.open(&given, part, 3).unwrap();
            if part < 2 {
                writer.write(Epoch::at(1), &delta(&[(Some(1), "a", 0.1, 0)], None)).unwrap();
                writer.flush().unwrap();
            }
            writer.close().unwrap();
            let file = format!("{path}part-{part}.{}", format.extensions()[0]);
            let size = std::fs::metadata(&file).unwrap().len();
            let bare = matches!(format.name(), "json" | "msgpack");
            assert!(size > 0 || (part == 2 && bare), "{file}");
        }
    }
}

#[test]
fn a_folder_holds_one_run() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let there = || -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(&out)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    };
    let run = |parts: usize, format: &str| {
        let path = format!("{}/", out.display());
        let spec = spec(&filesystem::Filesystem, false, &[("path", &path), ("format", format)]);
        for part in 0..parts {
            spec.connector.open(&spec, part, parts).unwrap().close().unwrap();
        }
    };
    run(3, "json");
    assert_eq!(there(), ["part-0.json", "part-1.json", "part-2.json"]);
    // What the sink did not write stays.
    ["part-x.json", "part-7.txt", "notes.json"].iter().for_each(|name| std::fs::write(out.join(name), "").unwrap());
    run(1, "json");
    assert_eq!(there(), ["notes.json", "part-0.json", "part-7.txt", "part-x.json"]);
    run(2, "csv");
    assert_eq!(there(), ["notes.json", "part-0.csv", "part-1.csv", "part-7.txt", "part-x.json"]);
}

#[test]
fn partitions_are_folders() {
    let folder = tempfile::tempdir().unwrap();
    let path = format!("file://{}/", folder.path().display());
    let mut given = spec(&filesystem::Filesystem, false, &[("path", &path), ("format", "json")]);
    given.partition = vec![1, 0];
    let write = |given: &SinkSpec, part: usize, rows: &[(Option<i64>, &str, f64, i64)], diffs: Option<Vec<i64>>| {
        let parts = if given.retracting { 2 } else { 3 };
        let mut writer = given.connector.open(given, part, parts).unwrap();
        writer.write(Epoch::at(1), &delta(rows, diffs)).unwrap();
        writer.flush().unwrap();
        writer.close().unwrap();
    };
    let files = || {
        let mut found = std::collections::BTreeMap::new();
        let mut open = vec![folder.path().to_owned()];
        while let Some(next) = open.pop() {
            for path in std::fs::read_dir(next).unwrap().map(|entry| entry.unwrap().path()) {
                if path.is_dir() {
                    open.push(path);
                } else {
                    let name = path.strip_prefix(folder.path()).unwrap().to_string_lossy().into_owned();
                    found.insert(name, std::fs::read_to_string(&path).unwrap());
                }
            }
        }
        found
    };
    write(&given, 0, &[(Some(1), "12:00", 0.5, 0), (None, "", 1.5, 0), (Some(1), "12:00", 2.5, 0)], None);
    write(&given, 2, &[(Some(-7), "..", 0.5, 1)], None);
    let line = |d: &str, ms: u32| format!("{{\"d\":{d},\"ts\":\"1970-01-01T00:00:00.00{ms}Z\"}}\n");
    let default = "__DEFAULT_PARTITION__";
    let expected = [
        ("t=%2E%2E/n=-7/part-2.json".to_owned(), line("0.5", 1)),
        ("t=12%3A00/n=1/part-0.json".to_owned(), line("0.5", 0) + &line("2.5", 0)),
        (format!("t=/n={default}/part-0.json"), line("1.5", 0)),
    ];
    assert_eq!(files(), expected.into());
    // A run with fewer writers leaves nothing of the one before.
    given.retracting = true;
    let csv = [("path", path.as_str()), ("format", "csv"), ("partition.default-name", "none/known")];
    given.options = csv.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    write(&given, 0, &[(None, "a", 0.5, 0), (None, "a", 1.5, 0)], Some(vec![-1, 1]));
    write(&given, 1, &[], None);
    let text = "_op,_epoch,d,ts\n\
        retract,8000000000000001-0000000000,0.5,1970-01-01T00:00:00.000Z\n\
        insert,8000000000000001-0000000000,1.5,1970-01-01T00:00:00.000Z\n";
    assert_eq!(files(), [("t=a/n=none%2Fknown/part-0.csv".to_owned(), text.to_owned())].into());
    // More partitions than files are open at once: the oldest go on in files of their own.
    let mut writer = given.connector.open(&given, 0, 1).unwrap();
    for round in 0..2_i64 {
        for n in 0..200 {
            writer.write(Epoch::at(round * 200 + n), &delta(&[(Some(n), "x", round as f64, 0)], None)).unwrap();
        }
    }
    writer.close().unwrap();
    let found = files();
    assert_eq!(found.len(), 400);
    for n in 0..200 {
        for (round, file) in ["part-0.csv", "part-0-1.csv"].iter().enumerate() {
            let text = &found[&format!("t=x/n={n}/{file}")];
            assert!(text.lines().count() == 2 && text.contains(&format!(",{round}.0,")), "{text}");
        }
    }
    for (partition, path, told) in [(vec![1], "x.json", "end the 'path' in '/'"), (vec![0, 1, 2, 3], "x/", "leave one")]
    {
        let mut wrong = spec(&filesystem::Filesystem, false, &[("path", path)]);
        wrong.partition = partition;
        assert!(wrong.connector.check(&wrong).unwrap_err().to_string().contains(told));
    }
}

#[test]
fn what_an_earlier_run_left_goes_when_the_run_has_come_to_something() {
    let folder = tempfile::tempdir().unwrap();
    let rows = delta(&[(Some(1), "a", 0.5, 0)], None);
    for format in written() {
        let kind = format.extensions()[0];
        for (path, partition) in
            [(format!("one.{kind}"), vec![]), ("parts/".to_owned(), vec![]), ("by/".to_owned(), vec![1])]
        {
            let place = folder.path().join(format.name()).join(&path);
            let path = format!("{}{}", place.display(), if path.ends_with('/') { "/" } else { "" });
            let mut given = spec(&filesystem::Filesystem, false, &[("path", &path), ("format", format.name())]);
            given.partition = partition;
            let parts = if given.connector.per_worker(&given) { 2 } else { 1 };
            let open = || given.connector.open(&given, 0, parts).unwrap();
            let file = match (parts, given.partition.len()) {
                (1, _) => place.clone(),
                (_, 0) => place.join(format!("part-0.{kind}")),
                _ => place.join(format!("t=a/part-0.{kind}")),
            };
            let beyond = file.with_file_name(format!("part-7.{kind}"));
            let run = |rows: Option<&Delta>| {
                let mut writer = open();
                rows.into_iter().for_each(|rows| writer.write(Epoch::at(1), rows).unwrap());
                writer.close().unwrap();
            };
            // Where nothing was before a run that is stopped at once leaves an empty result that can be read.
            open().leave().unwrap();
            if parts == 1 || given.partition.is_empty() {
                let left = std::fs::read(&file).unwrap();
                assert_eq!(left.is_empty(), ["json", "msgpack"].contains(&format.name()), "{path}");
            }
            run(Some(&rows));
            let before = std::fs::read(&file).unwrap();
            assert!(!before.is_empty(), "{path}");
            std::fs::write(&beyond, "old").unwrap();
            // It fails before its first epoch, or is stopped; rows that are not written out are no sign yet.
            drop(open());
            open().write(Epoch::at(1), &rows).unwrap();
            open().leave().unwrap();
            assert_eq!(std::fs::read(&file).unwrap(), before, "{path}");
            assert!(beyond.exists() || parts == 1, "{path}");
            // It fails behind it.
            let mut writer = open();
            writer.begin().unwrap();
            writer.begin().unwrap();
            drop(writer);
            assert!(std::fs::read(&file).map_or(true, |left| left.is_empty()), "{path}");
            assert!(parts == 1 || !beyond.exists(), "{path}");
            // It is complete, with less than before and with nothing.
            run(Some(&delta(&[(Some(1), "a", 0.5, 0), (Some(2), "a", 0.5, 0)], None)));
            run(Some(&rows));
            assert_eq!(std::fs::read(&file).unwrap(), before, "{path}");
            run(None);
            let empty = std::fs::read(&file);
            if given.partition.is_empty() {
                let bare = ["json", "msgpack"].contains(&format.name());
                assert_eq!(empty.unwrap().is_empty(), bare, "an empty result of {path} can be read");
            } else {
                assert!(empty.is_err(), "{path} has a partition that this run has no row of");
            }
        }
    }
}

#[test]
fn part_files_are_ended_from_a_size_on_and_hidden_until_then() {
    let folder = tempfile::tempdir().unwrap();
    let names = |place: &std::path::Path| -> BTreeSet<String> {
        let entries = std::fs::read_dir(place).unwrap().map(|entry| entry.unwrap().file_name());
        entries.map(|name| name.to_string_lossy().into_owned()).collect()
    };
    let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    for (name, shown) in [("parquet", "parquet"), ("json", "json"), ("csv", "csv")] {
        let path = format!("{}/", folder.path().join(name).display());
        let size = if name == "parquet" { "1 MiB" } else { "40" };
        let options = [("path", path.as_str()), ("format", name), ("sink.rolling-policy.file-size", size)];
        let given = spec(&filesystem::Filesystem, false, &options);
        // What an earlier run left goes at the beginning, and what was not shown too.
        std::fs::create_dir_all(&path).unwrap();
        for old in ["part-0-3", "_part-0-4", "part-5"] {
            std::fs::write(folder.path().join(name).join(format!("{old}.{shown}")), "old").unwrap();
        }
        let mut writer = given.connector.open(&given, 0, 1).unwrap();
        writer.begin().unwrap();
        let row = |n: i64| delta(&[(Some(n), "text", 0.5, 0)], None);
        for n in 0..2 {
            writer.write(Epoch::at(n), &row(n)).unwrap();
        }
        writer.flush().unwrap();
        if name == "parquet" {
            // Rows of Parquet go to the file by row groups: it has none yet.
            assert_eq!(names(folder.path().join(name).as_path()), set(&["_part-0.parquet"]));
            writer.prepare().unwrap();
            assert_eq!(names(folder.path().join(name).as_path()), set(&["_part-0.parquet"]), "not kept yet");
            writer.commit(Epoch::at(1)).unwrap();
        }
        assert_eq!(names(folder.path().join(name).as_path()), set(&[&format!("part-0.{shown}")]));
        writer.write(Epoch::at(2), &row(2)).unwrap();
        writer.commit(Epoch::at(1)).unwrap();
        if name != "parquet" {
            writer.flush().unwrap();
        }
        writer.close().unwrap();
        let all = set(&[&format!("part-0.{shown}"), &format!("part-0-1.{shown}")]);
        assert_eq!(names(folder.path().join(name).as_path()), all);
    }
    // What a run left that had other partitions goes too, but nothing of who writes otherwise.
    for options in [&[("format", "json")][..], &[("format", "parquet")]] {
        let root = folder.path().join(format!("was-{}", options[0].1));
        let left =
            ["n=1/part-0.json", "n=2/t=x/part-1-2.csv", "n=3/_part-7.parquet", "n=4/mine.json", "other=1/part-0.json"];
        for file in left {
            std::fs::create_dir_all(root.join(file).parent().unwrap()).unwrap();
            std::fs::write(root.join(file), "old").unwrap();
        }
        let path = format!("{}/", root.display());
        let given = spec(&filesystem::Filesystem, false, &[&[("path", path.as_str())], options].concat());
        let mut writer = given.connector.open(&given, 0, 1).unwrap();
        writer.write(Epoch::at(0), &delta(&[(Some(1), "text", 0.5, 0)], None)).unwrap();
        writer.close().unwrap();
        let there: Vec<bool> = left.iter().map(|file| root.join(file).exists()).collect();
        assert_eq!(there, [false, false, false, true, true], "{options:?}");
    }
    // By age too, whether anything comes or not, and however little there is.
    for name in ["parquet", "json"] {
        let path = format!("{}/", folder.path().join("aged").join(name).display());
        let options = [("path", path.as_str()), ("format", name), ("sink.rolling-policy.rollover-interval", "1 ms")];
        let given = spec(&filesystem::Filesystem, false, &options);
        let mut writer = given.connector.open(&given, 0, 1).unwrap();
        writer.begin().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(5));
        assert!(!writer.is_due(), "there is nothing in it");
        writer.write(Epoch::at(0), &delta(&[(Some(1), "text", 0.5, 0)], None)).unwrap();
        assert!(writer.is_due());
        writer.flush().unwrap();
        assert!(!writer.is_due());
        assert_eq!(names(std::path::Path::new(&path)), set(&[&format!("part-0.{name}")]));
        writer.close().unwrap();
    }
    let one = folder.path().join("x.json");
    let one = spec(
        &filesystem::Filesystem,
        false,
        &[("path", one.to_str().unwrap()), ("sink.rolling-policy.file-size", "1")],
    );
    assert!(one.connector.check(&one).unwrap_err().to_string().contains("end the 'path' in '/'"));
    let none =
        spec(&filesystem::Filesystem, false, &[("path", "x/"), ("sink.rolling-policy.rollover-interval", "0 ms")]);
    assert!(none.connector.check(&none).unwrap_err().to_string().contains("write 1 ms or more"));
}

#[test]
fn a_few_rows_of_parquet_take_little_until_they_are_many() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.parquet");
    let given = spec(&filesystem::Filesystem, false, &[("path", path.to_str().unwrap())]);
    let mut writer = given.connector.open(&given, 0, 1).unwrap();
    let rows = |from: i64| (from..from + 1_000).map(|n| (Some(n), "text", 0.5, n)).collect::<Vec<_>>();
    writer.write(Epoch::at(1), &delta(&rows(0)[..3], None)).unwrap();
    let few = writer.gathered();
    assert!(few > 0 && few < 4096, "{few}");
    let mut most = 0;
    for epoch in 1..40 {
        writer.write(Epoch::at(1 + epoch), &delta(&rows(epoch * 1_000), None)).unwrap();
        most = most.max(writer.gathered());
    }
    assert!(most > 256 << 10, "what is held is told: {most}");
    writer.close().unwrap();
    let reader =
        parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(std::fs::File::open(&path).unwrap());
    let found: Vec<i64> = reader
        .unwrap()
        .build()
        .unwrap()
        .flat_map(|batch| {
            let numbers = batch.unwrap().column(0).clone();
            let numbers = arrow_array::cast::AsArray::as_primitive::<arrow_array::types::Int64Type>(&numbers).clone();
            numbers.values().to_vec()
        })
        .collect();
    assert!(found.iter().copied().eq((0..3).chain(1_000..40_000)), "{} rows", found.len());
}

/// A writer that is opened costs about a MiB, and a file an epoch is a folder of many.
#[test]
fn many_folders_of_few_rows_are_a_file_each_and_take_little() {
    let folder = tempfile::tempdir().unwrap();
    let path = format!("{}/", folder.path().display());
    let mut given = spec(&filesystem::Filesystem, false, &[("path", path.as_str()), ("format", "parquet")]);
    given.partition = vec![1];
    let mut writer = given.connector.open(&given, 0, 1).unwrap();
    let names: Vec<String> = (0..600).map(|n| format!("k{n}")).collect();
    let mut most = 0;
    for epoch in 1..5 {
        let rows: Vec<_> = names.iter().map(|name| (Some(epoch), name.as_str(), 0.5, epoch)).collect();
        writer.write(Epoch::at(epoch), &delta(&rows, None)).unwrap();
        most = most.max(writer.gathered());
        writer.flush().unwrap();
    }
    assert!(most < 8 << 20, "{most}");
    writer.close().unwrap();
    let files = |name: &String| std::fs::read_dir(folder.path().join(format!("t={name}"))).unwrap().count();
    assert!(names.iter().all(|name| files(name) == 1));
}

/// Takes a few bytes at a time, and fails in between.
struct Flaky {
    written: Vec<u8>,
    turn: usize,
}

impl std::io::Write for Flaky {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.turn += 1;
        match self.turn % 3 {
            0 => Err(std::io::Error::from_raw_os_error(28)),
            1 => Err(std::io::ErrorKind::Interrupted.into()),
            _ => {
                let some = bytes.len().min(7);
                self.written.extend_from_slice(&bytes[..some]);
                Ok(some)
            }
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn what_did_not_go_out_stays_and_nothing_goes_twice() {
    let text: Vec<u8> = (0..100).collect();
    let (mut buffer, mut out, mut tries) = (text.clone(), Flaky { written: Vec::new(), turn: 0 }, 0);
    while let Err(error) = super::drain(&mut buffer, &mut out) {
        assert!(crate::retry::passes(&error));
        tries += 1;
    }
    assert_eq!((out.written, buffer.len()), (text, 0));
    assert!(tries > 10);
}
