//! Every sink and format is cut anywhere, opened at its mark and handed again what comes behind it: the output is that of a run that
//! was never stopped (M1 to M3 in docs/internals/positions.md).
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use arrow_array::{Int64Array, RecordBatch, StringArray};
use proptest::prelude::*;

use super::*;
use crate::format;

/// Changes of an epoch: a number, its length as text, and whether it is taken back.
type Changes = Vec<(i64, u8, bool)>;

fn delta(changes: &Changes, retracting: bool) -> Delta {
    let batch = RecordBatch::try_from_iter([
        ("n", Arc::new(Int64Array::from_iter_values(changes.iter().map(|change| change.0))) as arrow_array::ArrayRef),
        ("t", Arc::new(StringArray::from_iter_values(changes.iter().map(|change| "x".repeat(change.1.into())))) as _),
    ]);
    let diffs: Vec<i64> = changes.iter().map(|change| if change.2 && retracting { -1 } else { 1 }).collect();
    Delta::new(batch.unwrap(), Some(diffs.into()))
}

fn spec(connector: &'static dyn SinkConnector, retracting: bool, options: &[(&str, &str)]) -> SinkSpec {
    SinkSpec {
        name: "out".to_owned(),
        connector: connector.into(),
        formats: Default::default(),
        options: options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        schema: delta(&Vec::new(), false).batch().schema(),
        partition: Vec::new(),
        retracting,
    }
}

/// Hands an epoch over, as the engine does.
fn hand(writer: &mut dyn Writer, spec: &SinkSpec, epoch: usize, changes: &Changes) -> Result<(), SinkError> {
    let at = Epoch::at(epoch as i64 * 10);
    match changes.is_empty() {
        true => writer.pass(at),
        false => writer.write(at, &delta(changes, spec.retracting))?,
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn m1_a_run_that_was_cut_anywhere_leaves_what_one_leaves_that_was_not(
        epochs in prop::collection::vec(prop::collection::vec(any::<(i64, u8, bool)>(), 0..5), 1..12),
        (cut, beyond) in any::<(prop::sample::Index, prop::sample::Index)>(),
        (retracting, closed, folder) in any::<(bool, bool, bool)>(),
    ) {
        let root = tempfile::tempdir().unwrap();
        for name in ["json", "csv", "msgpack", "arrow"] {
            let file = |run: &str| match folder {
                true => root.path().join(format!("{run}-{name}")).join(format!("part-1.{}", format::find(name).unwrap().extensions()[0])),
                false => root.path().join(format!("{run}.{name}")),
            };
            let of = |run: &str| {
                let path = if folder { format!("{}/", file(run).parent().unwrap().display()) } else { file(run).display().to_string() };
                spec(&filesystem::Filesystem, retracting, &[("path", &path), ("format", name)])
            };
            let whole = of("whole");
            let mut writer = whole.connector.open(&whole, 1, 2).unwrap();
            writer.begin().unwrap();
            epochs.iter().enumerate().for_each(|(at, changes)| hand(writer.as_mut(), &whole, at, changes).unwrap());
            writer.close().unwrap();
            // Written out at the cut, and some way further.
            let (cut, beyond) = (cut.index(epochs.len() + 1), beyond.index(epochs.len() + 1));
            let some = of("cut");
            let mut writer = some.connector.open(&some, 1, 2).unwrap();
            writer.begin().unwrap();
            for (at, changes) in epochs.iter().enumerate().take(cut) {
                hand(writer.as_mut(), &some, at, changes).unwrap();
            }
            writer.flush().unwrap();
            let mark = writer.mark().unwrap();
            prop_assert_eq!(mark.epoch, cut.checked_sub(1).map(|last| Epoch::at(last as i64 * 10)), "M3: empty epochs move it");
            for (at, changes) in epochs.iter().enumerate().take(beyond).skip(cut) {
                hand(writer.as_mut(), &some, at, changes).unwrap();
            }
            writer.flush().unwrap();
            if closed && beyond <= cut {
                writer.close().unwrap();
            }
            drop(writer);
            let written: Mark = mark.to_string().parse().unwrap();
            prop_assert_eq!(written, mark);
            let mut writer = some.connector.open_at(&some, 1, 2, written).unwrap();
            writer.begin().unwrap();
            for (at, changes) in epochs.iter().enumerate() {
                hand(writer.as_mut(), &some, at, changes).unwrap();
                if at % 2 == 0 {
                    writer.flush().unwrap();
                }
            }
            writer.close().unwrap();
            prop_assert_eq!(std::fs::read(file("cut")).unwrap(), std::fs::read(file("whole")).unwrap(), "{} cut behind {}", name, cut);
        }
    }
}

/// All files below a folder.
pub(super) fn tree(root: &std::path::Path) -> std::collections::BTreeMap<String, Vec<u8>> {
    let (mut files, mut open) = (std::collections::BTreeMap::new(), vec![root.to_owned()]);
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            match entry.path() {
                path if path.is_dir() => open.push(path),
                path => {
                    let name = path.strip_prefix(root).unwrap().display().to_string();
                    files.insert(name, std::fs::read(&path).unwrap());
                }
            }
        }
    }
    files
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// A run that prepared a mark, went on and was cut off leaves what one leaves that prepared the same mark and was not.
    #[test]
    fn m1_m6_files_that_are_complete_for_a_mark_stay_and_the_others_are_written_anew(
        epochs in prop::collection::vec(prop::collection::vec((any::<i64>(), 0u8..4, any::<bool>()), 0..5), 1..12),
        (cut, beyond) in any::<(prop::sample::Index, prop::sample::Index)>(),
        (retracting, kept, more) in any::<(bool, bool, bool)>(),
    ) {
        let root = tempfile::tempdir().unwrap();
        for (name, partition) in [("parquet", vec![]), ("parquet", vec![1]), ("json", vec![1]), ("arrow", vec![1])] {
            let of = |run: &str| {
                let path = root.path().join(format!("{run}-{name}-{}", partition.len()));
                let mut spec = spec(&filesystem::Filesystem, retracting, &[("path", &format!("{}/", path.display())), ("format", name)]);
                spec.partition = partition.clone();
                (spec, path)
            };
            let (cut, beyond) = (cut.index(epochs.len() + 1), beyond.index(epochs.len() + 1));
            let until = cut.checked_sub(1).map(|last| Epoch::at(last as i64 * 10));
            let (whole, left) = of("whole");
            let mut writer = whole.connector.open(&whole, 1, 2).unwrap();
            writer.begin().unwrap();
            for at in 0..=epochs.len() {
                if at == cut {
                    prop_assert_eq!(writer.prepare().unwrap().unwrap().epoch, until, "M3: empty epochs move it");
                    until.iter().for_each(|upto| writer.commit(*upto).unwrap());
                }
                epochs.get(at).iter().for_each(|changes| hand(writer.as_mut(), &whole, at, changes).unwrap());
            }
            writer.close().unwrap();
            let (some, path) = of("cut");
            let mut writer = some.connector.open(&some, 1, 2).unwrap();
            writer.begin().unwrap();
            (0..cut).for_each(|at| hand(writer.as_mut(), &some, at, &epochs[at]).unwrap());
            let mark = writer.prepare().unwrap().unwrap();
            prop_assert_eq!(writer.mark(), Some(mark));
            if name == "parquet" {
                let shown = tree(&path).keys().filter(|file| !file.rsplit('/').next().unwrap().starts_with('_')).count();
                prop_assert_eq!(shown, 0, "nobody sees what is not kept");
            }
            until.iter().filter(|_| kept).for_each(|upto| writer.commit(*upto).unwrap());
            (cut..beyond).for_each(|at| hand(writer.as_mut(), &some, at, &epochs[at]).unwrap());
            if more {
                writer.prepare().unwrap();
            } else {
                writer.flush().unwrap();
            }
            drop(writer);
            let written: Mark = mark.to_string().parse().unwrap();
            prop_assert_eq!(written, mark);
            let mut writer = some.connector.open_at(&some, 1, 2, written).unwrap();
            writer.begin().unwrap();
            for (at, changes) in epochs.iter().enumerate() {
                hand(writer.as_mut(), &some, at, changes).unwrap();
                if at % 2 == 0 {
                    writer.flush().unwrap();
                }
            }
            writer.close().unwrap();
            prop_assert_eq!(tree(&path), tree(&left), "{} by {:?}, cut behind {}", name, partition, cut);
        }
    }
}

#[test]
fn m2_what_differs_from_what_stands_there_is_told_with_file_and_byte() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("x.csv");
    let given = spec(&filesystem::Filesystem, false, &[("path", path.to_str().unwrap())]);
    let run = |mark: Mark, rows: &[i64]| -> Result<(), SinkError> {
        let mut writer = given.connector.open_at(&given, 0, 1, mark)?;
        for row in rows {
            hand(writer.as_mut(), &given, *row as usize, &vec![(*row, 1, false)])?;
        }
        writer.close()
    };
    let mut writer = given.connector.open(&given, 0, 1).unwrap();
    (0..3).for_each(|row| hand(writer.as_mut(), &given, row, &vec![(row as i64, 1, false)]).unwrap());
    writer.close().unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text, "n,t\n0,x\n1,x\n2,x\n");
    let mark = Mark { epoch: Some(Epoch::at(0)), length: 8, files: 0 };
    run(mark, &[0, 1, 2]).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text, "the same again");
    let told = run(mark, &[1, 7]).unwrap_err().to_string();
    assert!(told.contains("x.csv") && told.contains("at byte 12"), "{told}");
    let told = run(mark, &[1]).unwrap_err().to_string();
    assert!(told.contains("from byte 12 on it holds 4 bytes"), "{told}");
    let told = run(Mark { length: 99, ..mark }, &[]).unwrap_err().to_string();
    assert!(told.contains("it has 16 bytes, and the mark stands at 99"), "{told}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text, "and nothing was changed");
    run(mark, &[1, 2, 3]).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{text}3,x\n"));
}

/// A new sink, or format, either keeps marks or says that it does not.
#[test]
fn m4_what_keeps_no_marks_says_so() {
    let root = tempfile::tempdir().unwrap();
    for sink in SINKS {
        let path = root.path().join("x.parquet");
        let options: &[_] = if sink.name() == "filesystem" { &[("path", path.to_str().unwrap())] } else { &[] };
        let given = spec(*sink, false, options);
        let writer = sink.open(&given, 0, 1).unwrap();
        assert!(writer.mark().is_none(), "{}", sink.name());
        let told = sink.open_at(&given, 0, 1, Mark::default()).err().unwrap().to_string();
        assert!(told.contains("cannot be gone on with"), "{told}");
    }
}

/// The promises that sinks of others are held to too.
#[test]
fn m1_files_that_are_gone_on_with_are_those_of_a_run_that_was_not_cut_off() {
    let root = tempfile::tempdir().unwrap();
    for format in ["json", "csv", "msgpack", "arrow", "parquet"] {
        let file = |run: &str| root.path().join(format!("{run}.{format}"));
        let of = |run: &str| spec(&filesystem::Filesystem, false, &[("path", file(run).to_str().unwrap())]);
        assert_eq!(conformance::check(of, |run| std::fs::read(file(run)).unwrap()), 80, "{format}");
    }
}
