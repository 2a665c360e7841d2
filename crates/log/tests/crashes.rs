//! Power cuts at every operation: what is left is a prefix of what was appended, with all that was durable (D1). A failed sync is the end (D10).
#![allow(clippy::unwrap_used)]

mod histories;

use std::time::Duration;

use highwater_log::testing::{Faults, Random, SimDisk};
use highwater_log::{Error, Log, Lsn, Options, SyncMode};

use histories::{check, compare, frame, history, small};

#[test]
fn every_crash_image_is_a_prefix_with_all_that_was_durable() {
    let mut images = 0;
    for seed in 0..6 {
        let history = history(seed, SyncMode::Commit, 60);
        history.disk.crashes(seed, 6, |operations, image| {
            check(&image, &history, history.durable_at(operations));
            images += 1;
        });
    }
    assert!(images > 2500, "{images} images");
}

#[test]
fn crashes_while_recovering_from_crashes_lose_nothing() {
    let mut images = 0;
    for seed in 100..102 {
        let history = history(seed, SyncMode::Commit, 30);
        let mut random = Random::new(seed);
        history.disk.crashes(seed, 3, |operations, image| {
            if !random.once_in(6) {
                return;
            }
            let durable = history.durable_at(operations);
            let before = image.operations();
            let log = Log::open(image.clone(), small()).unwrap();
            let end = log.opened().end.0;
            drop(log);
            // What was found may have been seen, so it is there from then on.
            let recovered = image.operations();
            image.crashes(seed, 4, |at, again| {
                assert!(at >= before);
                check(&again, &history, if at == recovered { end.max(durable) } else { durable });
                images += 1;
            });
        });
    }
    assert!(images > 250, "{images} images");
}

#[test]
fn without_a_sync_each_time_a_power_cut_leaves_a_prefix_and_a_kill_everything() {
    for sync in [SyncMode::Os, SyncMode::Every(Duration::from_millis(3))] {
        for seed in 200..203 {
            let history = history(seed, sync, 60);
            history.disk.crashes(seed, 4, |operations, image| {
                let closed = history.durable_at(operations);
                check(&image, &history, closed);
            });
            let mut random = Random::new(seed);
            let disk = SimDisk::new();
            let log = Log::open(disk.clone(), Options { sync, ..small() }).unwrap();
            let mut frames = Vec::new();
            for lsn in 0..5 {
                let (kind, bytes) = frame(&mut random, lsn);
                while log.append(kind, &[&bytes]).is_err() {
                    std::thread::yield_now();
                }
                frames.push((kind, bytes));
            }
            if sync == SyncMode::Os {
                log.wait_durable(Lsn(4)).unwrap();
                let again = Log::open(disk.killed(), small()).unwrap();
                compare(&mut again.reader(Lsn(0)).unwrap(), &frames, 5);
            }
        }
    }
}

/// The sync of each operation in turn fails: nothing is durable after it, it is not tried again, and what was durable is there,
/// whether the power goes or the program alone, also when the page cache shows what the disk has not.
#[test]
fn a_failed_sync_ends_the_log_for_good() {
    let mut refused = 0;
    for after in 0..40 {
        let disk = SimDisk::new();
        let mut random = Random::new(after);
        let log = Log::open(disk.clone(), small()).unwrap();
        disk.set_faults(Faults { fail_sync_after: Some(after), ..Faults::default() });
        let mut frames = Vec::new();
        let mut failed = false;
        for lsn in 0..60 {
            let (kind, bytes) = frame(&mut random, lsn);
            let Ok(lsn) = log.append(kind, &[&bytes]) else {
                failed = true;
                break;
            };
            frames.push((kind, bytes));
            if let Err(error) = log.wait_durable(lsn) {
                assert!(matches!(error, Error::Failed(_)), "{error}");
                failed = true;
                break;
            }
        }
        if !failed {
            continue;
        }
        refused += 1;
        let (durable, operations) = (log.durable().0, disk.operations());
        assert!(log.append(0, &[b"more"]).is_err() && log.wait_durable(Lsn(frames.len() as u64)).is_err());
        assert!(log.failed().is_some() && log.close().is_err());
        assert_eq!(disk.operations(), operations, "something was tried again");
        let history = histories::History { disk: disk.clone(), frames, marks: Vec::new(), retained: 0 };
        // The program alone ends: the page cache shows frames that the disk lost. They are released again, so they must be
        // there from then on.
        let killed = disk.killed();
        let end = Log::open(killed.clone(), small()).unwrap().opened().end.0;
        assert!(end >= durable);
        for _ in 0..5 {
            check(&disk.power_cut(&mut random), &history, durable);
            check(&killed.power_cut(&mut random), &history, end);
        }
    }
    assert!(refused > 20, "{refused} syncs failed");
}

#[test]
fn a_failed_write_ends_the_log() {
    let disk = SimDisk::new();
    let log = Log::open(disk.clone(), small()).unwrap();
    let lsn = log.append(1, &[b"there"]).unwrap();
    log.wait_durable(lsn).unwrap();
    disk.set_faults(Faults { fail_writes: true, ..Faults::default() });
    let lost = log.append(1, &[b"not there"]).unwrap();
    assert!(log.wait_durable(lost).is_err());
    disk.set_faults(Faults::default());
    let again = log.append(1, &[b"nor this"]).unwrap_err();
    assert!(again.to_string().contains("writing '00000000000000000000.log'"), "{again}");
    drop(log);
    assert_eq!(Log::open(disk, small()).unwrap().opened().end, Lsn(1));
}
