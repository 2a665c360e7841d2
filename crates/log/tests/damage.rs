//! Damaged bytes: cut off where they can be what was being written, refused with file and offset anywhere else; never other
//! bytes, never a panic (D9). And what a repair leaves.
#![allow(clippy::unwrap_used)]

mod histories;

use std::sync::Arc;

use highwater_log::testing::{Random, SimDisk};
use highwater_log::{Disk, Error, Log, Lsn, Options, Reader, SyncMode, inspect, repair, verify};

use histories::{compare, history, opens, small};

/// A log of several segments that was closed.
fn closed(seed: u64) -> histories::History {
    (seed..).map(|seed| history(seed, SyncMode::Commit, 80)).find(|history| history.disk.files().len() >= 5).unwrap()
}

fn log_files(disk: &SimDisk) -> Vec<(String, u64)> {
    disk.files().into_iter().filter(|(name, _)| name.ends_with(".log")).collect()
}

#[test]
fn a_flip_anywhere_is_refused_or_harms_nothing() {
    let mut random = Random::new(1);
    let history = closed(300);
    let (mut refused, mut whole) = (0, 0);
    for (name, length) in history.disk.files() {
        for _ in 0..200 {
            let disk = history.disk.killed();
            disk.flip(&name, random.below(length.max(1) * 8));
            match opens(disk, &history.frames) {
                Some(end) => {
                    assert_eq!(end, history.frames.len() as u64, "frames are gone after a flip in a closed log");
                    whole += 1;
                }
                None => refused += 1,
            }
        }
    }
    assert!(refused > 100 && whole > 100, "{refused} refused, {whole} whole");
}

#[test]
fn pages_of_noise_and_lost_files_are_refused_or_harm_nothing() {
    let mut random = Random::new(2);
    let history = closed(310);
    for round in 0..600 {
        let disk = history.disk.killed();
        let files = disk.files();
        let (name, _) = &files[random.below(files.len() as u64) as usize];
        let mut bytes = disk.bytes(name).unwrap();
        match round % 4 {
            0 => bytes.truncate(random.below(bytes.len() as u64 + 1) as usize),
            1 if name != "spare" => {
                disk.remove(name).unwrap();
                let first = log_files(&history.disk).first().map(|(first, _)| first.clone());
                if opens(disk.clone(), &history.frames).is_some() {
                    // A log whose oldest segments are gone is one that was not kept as long.
                    assert!(Some(name) == first.as_ref(), "without {name} nothing was missed");
                }
                continue;
            }
            _ => {
                let from = random.below(bytes.len() as u64 + 1) as usize;
                let to = (from + random.below(9000) as usize).min(bytes.len());
                bytes[from..to].iter_mut().for_each(|byte| *byte = random.number() as u8);
            }
        }
        disk.set_bytes(name, bytes);
        if let Some(end) = opens(disk.clone(), &history.frames) {
            assert_eq!(end, history.frames.len() as u64);
        }
        // Looking at it and mending it does not panic either, and what is mended opens.
        let report = inspect(&*disk);
        if report.as_ref().is_ok_and(|report| report.damage.is_some()) && repair(&*disk).is_ok() {
            opens(disk, &history.frames).unwrap();
        }
    }
}

#[test]
fn folders_of_noise_are_refused() {
    let mut random = Random::new(3);
    for _ in 0..200 {
        let disk = SimDisk::new();
        for name in ["00000000000000000000.log", "00000000000000000009.log", "tip"] {
            if !random.once_in(3) {
                disk.create(name, random.below(3 * 4096)).unwrap();
                let noise = (0..random.below(3 * 4096)).map(|_| random.number() as u8).collect();
                disk.set_bytes(name, noise);
            }
        }
        if disk.files().is_empty() {
            continue;
        }
        assert!(Log::open(disk.clone(), small()).is_err() && Reader::open(disk.clone(), Lsn(0)).is_err());
        assert!(verify(&*disk).is_err());
        let _ = repair(&*disk);
    }
}

/// The tip lags behind by up to a second, so it is the blocks themselves that tell a torn end from damage.
#[test]
fn a_bad_block_before_one_that_was_written_later_is_damage_though_the_tip_is_old() {
    let disk = SimDisk::new();
    let log = Log::open(disk.clone(), small()).unwrap();
    for number in 0..4_u8 {
        log.wait_durable(log.append(number, &[&[number; 100]]).unwrap()).unwrap();
    }
    let name = "00000000000000000000.log";
    let killed = disk.killed();
    killed.flip(name, (4096 * 2 + 60) * 8);
    match Log::open(killed.clone(), small()) {
        Err(error @ Error::Damaged(_)) => {
            let text = error.to_string();
            assert!(text.contains(name) && text.contains("byte 8192") && text.contains("frame 1"), "{text}");
            assert!(error.remedy().contains("repair"), "{}", error.remedy());
        }
        other => panic!("{:?}", other.map(|log| log.opened())),
    }
    // The last block may be one that was being written: it is cut off, and the log goes on.
    let torn = disk.killed();
    torn.flip(name, (4096 * 4 + 60) * 8);
    let again = Log::open(torn, small()).unwrap();
    assert_eq!((again.opened().end, again.opened().torn, again.opened().clean), (Lsn(3), true, false));
    // Unless the tip knows better.
    drop(log);
    let closed = disk.killed();
    closed.flip(name, (4096 * 4 + 60) * 8);
    assert!(matches!(Log::open(closed, small()), Err(Error::Damaged(_))));
}

#[test]
fn a_repair_keeps_what_it_cuts_and_says_what_is_lost() {
    let history = closed(320);
    let files = log_files(&history.disk);
    let (name, _) = &files[files.len() / 2];
    let disk = history.disk.killed();
    disk.flip(name, (4096 + 50) * 8);
    let damaged = disk.bytes(name).unwrap();
    let behind: Vec<Option<Vec<u8>>> = files[files.len() / 2 + 1..].iter().map(|(name, _)| disk.bytes(name)).collect();
    let report = inspect(&*disk).unwrap();
    let damage = report.damage.clone().unwrap();
    assert_eq!((&damage.file, damage.offset), (name, 4096));
    assert_eq!(report.lost.segments, behind.len());
    assert!(report.lost.frames > 0 && report.lost.end.0 == history.frames.len() as u64);
    let Err(Error::Damaged(verified)) = verify(&*disk) else { panic!("verified") };
    assert_eq!(verified, damage);

    let repaired = repair(&*disk).unwrap();
    assert_eq!(repaired.report, report);
    assert_eq!(repaired.kept.len(), behind.len() + 1);
    let kept: Vec<Option<Vec<u8>>> = repaired.kept.iter().map(|name| disk.bytes(name)).collect();
    assert!(kept.contains(&Some(damaged[4096..].to_vec())));
    assert!(behind.iter().all(|segment| kept.contains(segment)));
    let log = Log::open(disk.clone(), small()).unwrap();
    assert_eq!(log.opened().end, damage.lsn);
    compare(&mut log.reader(log.opened().first).unwrap(), &history.frames, damage.lsn.0);
    log.wait_durable(log.append(1, &[b"on"]).unwrap()).unwrap();
    drop(log);
    assert_eq!(verify(&*disk).unwrap().end.0, damage.lsn.0 + 1);
    assert!(repair(&*disk).unwrap().kept.is_empty());
}

#[test]
fn a_crash_while_repairing_leaves_a_log_that_can_be_repaired() {
    let history = closed(330);
    let files = log_files(&history.disk);
    let damaged = history.disk.killed();
    damaged.flip(&files[files.len() / 2].0, (4096 + 50) * 8);
    let lsn = inspect(&*damaged).unwrap().damage.unwrap().lsn;
    let disk = damaged.killed();
    repair(&*disk).unwrap();
    disk.crashes(5, 5, |_, image| {
        let repaired = repair(&*image).unwrap();
        assert!(repaired.report.end == lsn);
        assert_eq!(opens(image, &history.frames), Some(lsn.0));
    });
}

#[test]
fn what_is_there_is_told_by_segment_and_kind() {
    let history = closed(340);
    let report = verify(&*history.disk).unwrap();
    assert_eq!(report.end.0, history.frames.len() as u64);
    let tip = report.tip.unwrap();
    assert!(tip.clean && tip.durable == report.end && tip.lineage == 77);
    assert_eq!(report.segments.len(), log_files(&history.disk).len());
    assert!(report.segments.windows(2).all(|pair| pair[0].end == pair[1].first));
    let first = report.segments[0].first.0 as usize;
    for kind in &report.kinds {
        let of: Vec<_> = history.frames[first..].iter().filter(|(other, _)| *other == kind.kind).collect();
        assert_eq!(kind.frames, of.len() as u64);
        assert_eq!(kind.bytes, of.iter().map(|(_, bytes)| bytes.len() as u64).sum::<u64>());
    }
    compare(&mut Reader::open(history.disk.clone(), report.segments[0].first).unwrap(), &history.frames, report.end.0);
}

#[test]
fn another_version_and_another_log_are_told_apart() {
    let history = closed(350);
    let other = SimDisk::new();
    drop(Log::open(other.clone(), Options { lineage: 78, ..small() }).unwrap());
    let mixed = history.disk.killed();
    mixed.set_bytes("tip", other.bytes("tip").unwrap());
    let mixed: Arc<dyn Disk> = mixed;
    assert!(matches!(Log::open(mixed, small()), Err(Error::Damaged(_))));
}
