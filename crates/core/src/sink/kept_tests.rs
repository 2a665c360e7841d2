//! Outputs of many files that are killed anywhere and gone on with: what is left is what one leaves that was never stopped and ended its
//! files at the same epochs. What anybody could read stays: files of rows only grow, and nothing touches one that is complete.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use proptest::prelude::*;

use super::mark_tests::tree;
use super::*;

/// An epoch: rows by number and folder.
type Rows = Vec<(i64, u8)>;

fn delta(rows: &Rows) -> Delta {
    let numbers = Int64Array::from_iter_values(rows.iter().map(|row| row.0));
    let folders = StringArray::from_iter_values(rows.iter().map(|row| format!("k{}", row.1)));
    let columns = [("n", Arc::new(numbers) as ArrayRef), ("k", Arc::new(folders) as _)];
    Delta::insert(RecordBatch::try_from_iter(columns).unwrap())
}

/// A log, as the engine keeps it of a writer; and how many steps are left until the process is killed.
struct Process {
    kept: Before,
    left: usize,
}

/// It was killed.
struct Killed;

impl Process {
    fn step(&mut self) -> Result<(), Killed> {
        self.left = self.left.checked_sub(1).ok_or(Killed)?;
        Ok(())
    }

    fn end_files(&mut self, writer: &mut dyn Writer, stopping: bool) -> Result<(), Killed> {
        let Some(epoch) = writer.to_end(stopping) else { return Ok(()) };
        self.step()?;
        if self.kept.ends.last() < Some(&epoch) {
            self.kept.ends.push(epoch);
        }
        self.step()?;
        let mark = writer.prepare().unwrap().unwrap();
        self.step()?;
        self.kept.mark = mark;
        self.step()?;
        writer.commit(epoch).unwrap();
        Ok(())
    }

    /// Hands over epochs, of which earlier runs had so many, as the engine does.
    fn run(&mut self, writer: &mut dyn Writer, epochs: &[Rows], had: &mut usize, lazy: usize) -> Result<(), Killed> {
        self.step()?;
        writer.begin().unwrap();
        let again = std::mem::replace(&mut self.kept.begun, true);
        let goal = *had;
        for (at, rows) in epochs.iter().enumerate() {
            if again && at == goal {
                writer.caught_up().unwrap();
            }
            *had = (at + 1).max(*had);
            self.step()?;
            if !rows.is_empty() {
                writer.write(Epoch::at(at as i64 * 10), &delta(rows)).unwrap();
            }
            self.end_files(writer, false)?;
            if at % lazy == 0 {
                writer.flush().unwrap();
            }
        }
        if again && goal == epochs.len() {
            writer.caught_up().unwrap();
        }
        Ok(())
    }
}

/// What readers see: nothing that is hidden.
fn seen(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let shown = |name: &str| !name.rsplit('/').next().unwrap().starts_with('_');
    tree(root).into_iter().filter(|(name, _)| shown(name)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn d5_files_that_are_killed_anywhere_are_those_of_a_run_that_was_not(
        epochs in prop::collection::vec(prop::collection::vec((any::<i64>(), 0u8..4), 0..5), 1..14),
        lives in prop::collection::vec((0usize..60, any::<bool>()), 0..5),
        (by, rolls, lazy) in (any::<bool>(), 0usize..3, 1usize..4),
    ) {
        let root = tempfile::tempdir().unwrap();
        for format in ["json", "csv", "msgpack", "arrow", "parquet"] {
            let spec = |name: &str| {
                let path = format!("{}/", root.path().join(format!("{name}-{format}")).display());
                let rolling = [("sink.rolling-policy.file-size", "60"), ("sink.rolling-policy.rollover-interval", "1 ms")];
                let options = [("path", path.as_str()), ("format", format)].into_iter().chain(rolling.into_iter().take(rolls));
                SinkSpec {
                    name: "out".to_owned(),
                    connector: (&filesystem::Filesystem as &dyn SinkConnector).into(),
                    formats: Default::default(),
                    options: options.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
                    schema: delta(&Vec::new()).batch().schema(),
                    partition: if by || (rolls == 0 && format != "parquet") { vec![1] } else { vec![] },
                    retracting: false,
                }
            };
            let (some, path) = (spec("some"), root.path().join(format!("some-{format}")));
            let mut process = Process { kept: Before { by_clock: true, ..Before::default() }, left: 0 };
            let (mut had, mut before) = (0, BTreeMap::new());
            let last = lives.len();
            for (life, (steps, stops)) in lives.iter().copied().chain([(usize::MAX, true)]).enumerate() {
                process.left = steps;
                let mut writer = some.connector.kept(&some, 0, 1, process.kept.clone()).unwrap();
                let over = process.run(writer.as_mut(), &epochs, &mut had, lazy).is_ok();
                if over && life < last && stops {
                    // A stop in order, which may be killed too.
                    let _ = process.end_files(writer.as_mut(), true).map(|()| writer.pause(true).unwrap());
                } else if over && life == last {
                    writer.flush().unwrap();
                    prop_assert!(process.end_files(writer.as_mut(), true).is_ok());
                    writer.close().unwrap();
                }
                drop(writer);
                let now = seen(&path);
                let end: &[u8] = if format == "arrow" { &[0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0] } else { &[] };
                for (name, bytes) in &before {
                    let bytes: &Vec<u8> = bytes;
                    let (here, there) = (now.get(name), bytes.strip_suffix(end).unwrap_or(bytes));
                    let stays = if format == "parquet" { here == Some(bytes) } else { here.is_some_and(|here| here.starts_with(there)) };
                    prop_assert!(stays, "{format}: {name} had {} bytes, and has {:?}", bytes.len(), here.map(Vec::len));
                }
                before = now;
            }
            // Never stopped; it ends its files behind the same epochs.
            let whole = spec("whole");
            let kept = Before { ends: process.kept.ends.clone(), ..Before::default() };
            let mut process = Process { kept: kept.clone(), left: usize::MAX };
            let mut writer = whole.connector.kept(&whole, 0, 1, kept).unwrap();
            prop_assert!(process.run(writer.as_mut(), &epochs, &mut 0, 1).is_ok());
            writer.flush().unwrap();
            prop_assert!(process.end_files(writer.as_mut(), true).is_ok());
            writer.close().unwrap();
            let expected = tree(&root.path().join(format!("whole-{format}")));
            prop_assert_eq!(tree(&path), expected, "{} by {}, {} rolls", format, by, rolls);
        }
    }
}

/// What others put where files are gone on with is refused, a file that was taken away once it was complete is not missed.
#[test]
fn d5_what_others_wrote_is_refused_and_complete_files_may_be_taken_away() {
    let root = tempfile::tempdir().unwrap();
    let path = format!("{}/", root.path().display());
    let spec = SinkSpec {
        name: "out".to_owned(),
        connector: (&filesystem::Filesystem as &dyn SinkConnector).into(),
        formats: Default::default(),
        options: [("path", path.as_str()), ("format", "csv"), ("sink.rolling-policy.file-size", "20")]
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
        schema: delta(&Vec::new()).batch().schema(),
        partition: vec![],
        retracting: false,
    };
    let epochs: Vec<Rows> = (0..7).map(|n| vec![(100 + n, 1)]).collect();
    let mut process = Process { kept: Before::default(), left: usize::MAX };
    let mut writer = spec.connector.kept(&spec, 0, 1, Before::default()).unwrap();
    assert!(process.run(writer.as_mut(), &epochs, &mut 0, 1).is_ok());
    drop(writer);
    let names = || tree(root.path()).into_keys().collect::<Vec<_>>();
    assert_eq!(names(), ["part-0-1.csv", "part-0-2.csv", "part-0.csv"]);
    std::fs::remove_file(root.path().join("part-0.csv")).unwrap();
    let go_on = |process: &mut Process| {
        let mut writer = spec.connector.kept(&spec, 0, 1, process.kept.clone()).unwrap();
        writer.begin().unwrap();
        for (at, rows) in epochs.iter().enumerate() {
            writer.write(Epoch::at(at as i64 * 10), &delta(rows))?;
        }
        writer.caught_up()?;
        writer.close()
    };
    go_on(&mut process).unwrap();
    assert_eq!(names(), ["part-0-1.csv", "part-0-2.csv"], "what was complete does not come again");
    std::fs::write(root.path().join("part-0-9.csv"), "n,k\n").unwrap();
    let told = go_on(&mut process).unwrap_err().to_string();
    assert!(told.contains("part-0-9.csv") && told.contains("this run did not write it"), "{told}");
    std::fs::remove_file(root.path().join("part-0-9.csv")).unwrap();
    let (last, mut bytes) =
        (root.path().join("part-0-2.csv"), std::fs::read(root.path().join("part-0-2.csv")).unwrap());
    bytes[5] ^= 1;
    std::fs::write(&last, bytes).unwrap();
    let told = go_on(&mut process).unwrap_err().to_string();
    assert!(told.contains("part-0-2.csv: at byte 5 stands something else"), "{told}");
}
