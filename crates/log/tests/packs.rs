//! Packs: whole or not there after every power cut, damage refused with file and byte, a full disk leaves nothing that has a name.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use highwater_log::testing::{Faults, Random, SimDisk};
use highwater_log::{Disk, Error, Pack, PackWriter, copy_pack};

fn parts(seed: u64) -> Vec<Vec<u8>> {
    let mut random = Random::new(seed);
    let part = |random: &mut Random| (0..random.below(9_000)).map(|_| random.number() as u8).collect();
    (0..random.below(6)).map(|_| part(&mut random)).collect()
}

fn write(disk: Arc<dyn Disk>, name: &str, seed: u64) -> Result<u64, Error> {
    let mut writer = PackWriter::begin(disk)?;
    for (number, part) in parts(seed).iter().enumerate() {
        assert_eq!(writer.add(part)?, number);
    }
    writer.finish(name, format!("head of {seed}").as_bytes())
}

fn check(disk: &dyn Disk, name: &str, seed: u64) {
    let pack = Pack::open(disk, name).unwrap();
    assert_eq!(pack.head(), format!("head of {seed}").as_bytes());
    let found: Vec<Vec<u8>> = (0..pack.parts()).map(|part| pack.part(part).unwrap()).collect();
    assert_eq!(found, parts(seed));
}

#[test]
fn a_pack_is_whole_or_not_there_whatever_a_power_cut_leaves() {
    let (mut images, mut there) = (0, 0);
    for seed in 0..12 {
        let disk = SimDisk::new();
        write(disk.clone(), "first", seed).unwrap();
        let before = disk.operations();
        write(disk.clone(), "second", seed + 100).unwrap();
        let all = disk.operations();
        disk.crashes(seed, 8, |operations, image| {
            let names = image.list().unwrap();
            for (name, seed, done) in [("first", seed, before), ("second", seed + 100, all)] {
                let found = names.iter().any(|other| other == name);
                assert!(found || operations < done, "what was finished is there");
                if found {
                    check(&*image, name, seed);
                    there += 1;
                }
            }
            // Whatever is left of it, another one is written.
            write(image.clone(), "third", seed + 200).unwrap();
            check(&*image, "third", seed + 200);
            images += 1;
        });
    }
    assert!(images > 500 && there > 300, "{images} images, {there} packs");
}

#[test]
fn damage_anywhere_is_refused_with_its_byte() {
    let disk = SimDisk::new();
    let length = write(disk.clone(), "pack", 3).unwrap();
    assert_eq!(length, disk.bytes("pack").unwrap().len() as u64);
    let mut random = Random::new(9);
    for turn in 0..4_000 {
        let bit = if turn < 1_000 { length * 8 - 1 - turn } else { random.below(length * 8) };
        let damaged = disk.killed();
        damaged.flip("pack", bit);
        let read = Pack::open(&*damaged, "pack").and_then(|pack| pack.verify());
        let Err(Error::Damaged(damage)) = read else { panic!("bit {bit}: {read:?}") };
        assert!(damage.file == "pack" && damage.offset <= length, "{damage:?}");
    }
    let whole = disk.bytes("pack").unwrap();
    for cut in (0..whole.len()).step_by(61) {
        disk.set_bytes("pack", whole[..cut].to_vec());
        assert!(matches!(Pack::open(&*disk, "pack"), Err(Error::Damaged(_))), "cut at {cut}");
    }
}

#[test]
fn a_full_or_failing_disk_leaves_no_pack() {
    for seed in 20..40 {
        let disk = SimDisk::new();
        write(disk.clone(), "old", seed).unwrap();
        let held: u64 = disk.files().iter().map(|(_, bytes)| bytes).sum();
        disk.set_faults(Faults { space: Some(held + 10), ..Faults::default() });
        assert!(matches!(write(disk.clone(), "new", seed + 1_000), Err(Error::Io { .. })));
        disk.set_faults(Faults { fail_sync_after: Some(0), ..Faults::default() });
        assert!(write(disk.clone(), "new", seed).is_err());
        assert_eq!(disk.files().len(), 1, "nothing else takes room: {:?}", disk.files());
        check(&*disk, "old", seed);
        disk.set_faults(Faults::default());
        let copy = SimDisk::new();
        copy_pack(&*disk, copy.clone(), "old").unwrap();
        check(&*copy, "old", seed);
        assert_eq!(copy.bytes("old"), disk.bytes("old"));
    }
}
