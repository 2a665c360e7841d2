//! What a snapshot holds is what is read of it, from any image of a crash; damage and what the log does not reach are passed over.
#![allow(clippy::unwrap_used)]

use arrow_array::{Int64Array, RecordBatch, StringArray};
use highwater_log::testing::{Random, SimDisk};
use highwater_log::{Disk, Error};

use super::file::{name_of, numbers};
use super::*;
use crate::operator::{SavedOperator, SavedSection};

fn rows(from: i64, count: usize) -> RecordBatch {
    let numbers = Int64Array::from_iter_values(from..from + count as i64);
    let texts: StringArray = (0..count).map(|row| (row % 3 > 0).then(|| format!("row {row} of {from}"))).collect();
    RecordBatch::try_from_iter([("n", Arc::new(numbers) as arrow_array::ArrayRef), ("t", Arc::new(texts))]).unwrap()
}

fn snapshot(seed: u64) -> Snapshot {
    let mut random = Random::new(seed);
    let cut = Epoch { watermark: seed as i64 * 10 - 5, tick: seed + 1 };
    let section = |random: &mut Random, at: u64| SavedSection {
        name: format!("section {at}"),
        version: at as u32 + 1,
        rows: (0..random.below(4)).map(|batch| rows(batch as i64, random.below(300) as usize + 1)).collect(),
    };
    let operator = |random: &mut Random, at: u64| SavedOperator {
        name: format!("Operator {at}"),
        sections: (0..random.below(3)).map(|at| section(random, at)).collect(),
    };
    let operators = (0..random.below(5)).map(|at| operator(&mut random, at)).collect();
    let about = About::new(u128::from(seed), cut, (seed * 7, seed * 9), 1_700_000_000_000);
    Snapshot { about, partitions: Vec::new(), sinks: BTreeMap::new(), states: SavedStates { cut, operators } }
}

fn same(found: &Snapshot, wanted: &Snapshot) {
    assert_eq!((&found.about, found.states.cut), (&wanted.about, wanted.states.cut));
    assert_eq!(found.states.operators.len(), wanted.states.operators.len());
    for (found, wanted) in found.states.operators.iter().zip(&wanted.states.operators) {
        assert_eq!((&found.name, found.sections.len()), (&wanted.name, wanted.sections.len()));
        for (found, wanted) in found.sections.iter().zip(&wanted.sections) {
            assert_eq!((&found.name, found.version, &found.rows), (&wanted.name, wanted.version, &wanted.rows));
        }
    }
}

#[test]
fn what_was_written_is_read_whatever_a_crash_leaves() {
    for seed in 1..6 {
        let disk = SimDisk::new();
        let as_disk: Arc<dyn Disk> = disk.clone();
        snapshot(seed).write(&as_disk, 3).unwrap();
        let done = disk.operations();
        snapshot(seed + 50).write(&as_disk, 12).unwrap();
        assert_eq!(numbers(&*disk).unwrap(), [12, 3]);
        disk.crashes(seed, 4, |operations, image| {
            let there = numbers(&*image).unwrap();
            assert!(there.contains(&3) || operations < done);
            for number in there {
                let wanted = snapshot(if number == 3 { seed } else { seed + 50 });
                assert_eq!(Snapshot::about(&*image, number).unwrap().0, wanted.about);
                same(&Snapshot::read(&*image, number).unwrap(), &wanted);
            }
        });
    }
}

#[test]
fn damage_is_told_with_its_file_and_byte_and_never_read() {
    let disk = SimDisk::new();
    let as_disk: Arc<dyn Disk> = disk.clone();
    let bytes = snapshot(4).write(&as_disk, 1).unwrap();
    let mut random = Random::new(2);
    for _ in 0..2_000 {
        let damaged = disk.killed();
        damaged.flip(&name_of(1), random.below(bytes * 8));
        match Snapshot::read(&*damaged, 1) {
            Err(Unusable::Disk(Error::Damaged(damage))) => assert_eq!(damage.file, name_of(1)),
            read => panic!("{read:?}"),
        }
    }
    let whole = String::from_utf8_lossy(&disk.bytes(&name_of(1)).unwrap()).into_owned();
    assert!(whole.contains("\"format\":1"), "the head is JSON");
}
