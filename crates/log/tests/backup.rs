//! Copies of logs: of closed ones, of some that are written and shortened meanwhile, of damaged ones; and what a crash leaves of one.
#![allow(clippy::unwrap_used)]

mod histories;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use highwater_log::testing::{Random, SimDisk};
use highwater_log::{Disk, Error, Folder, Log, Lsn, Options, Refused, SyncMode, backup, inspect, verify};

use histories::{compare, history, opens, small};

#[test]
fn a_copy_holds_the_log_and_goes_on_by_itself() {
    for seed in 400..420 {
        let history = history(seed, SyncMode::Commit, 80);
        let copy = SimDisk::new();
        let copied = backup(&*history.disk, &*copy).unwrap();
        let (original, report) = (verify(&*history.disk).unwrap(), verify(&*copy).unwrap());
        assert_eq!((copied.end, copied.segments), (original.end, original.segments.len()));
        assert_eq!((&report.segments, &report.kinds, report.end), (&original.segments, &original.kinds, original.end));
        let tip = report.tip.unwrap();
        assert!(!tip.clean && tip.durable == original.end && tip.incarnation == original.tip.unwrap().incarnation);
        // What is done to it leaves the original alone.
        let before = history.disk.files().into_iter().map(|(name, _)| (history.disk.bytes(&name), name));
        let before: Vec<_> = before.collect();
        let log = Log::open(copy.clone(), small()).unwrap();
        assert_eq!((log.opened().first, log.opened().end), (copied.first, copied.end));
        compare(&mut log.reader(copied.first).unwrap(), &history.frames, copied.end.0);
        log.wait_durable(log.append(1, &[b"on"]).unwrap()).unwrap();
        assert!(before.iter().all(|(bytes, name)| history.disk.bytes(name) == *bytes));
        // A second time over what is there.
        drop(log);
        assert_eq!(backup(&*history.disk, &*copy).unwrap(), copied);
        assert_eq!(verify(&*copy).unwrap().segments, original.segments);
    }
}

#[test]
fn a_crash_while_copying_leaves_no_copy_that_seems_whole() {
    for seed in 430..434 {
        let history = history(seed, SyncMode::Commit, 60);
        let copy = SimDisk::new();
        let copied = backup(&*history.disk, &*copy).unwrap();
        let (mut whole, mut refused) = (0, 0);
        copy.crashes(seed, 4, |_, image| {
            if image.files().iter().all(|(name, _)| !name.ends_with(".log") && name != "tip") {
                return;
            }
            match opens(image, &history.frames) {
                Some(end) => {
                    assert_eq!(end, copied.end.0);
                    whole += 1;
                }
                None => refused += 1,
            }
        });
        assert!(whole > 0 && refused > 0, "{whole} whole, {refused} refused");
    }
}

#[test]
fn a_damaged_log_is_not_copied_and_nothing_is_no_log() {
    let history = history(440, SyncMode::Commit, 80);
    let log = history.disk.files().into_iter().map(|(name, _)| name).find(|name| name.ends_with(".log")).unwrap();
    let damaged = history.disk.killed();
    damaged.flip(&log, (4096 + 50) * 8);
    let copy = SimDisk::new();
    let Err(Error::Damaged(damage)) = backup(&*damaged, &*copy) else { panic!("copied") };
    assert_eq!((damage.file, damage.offset), (log, 4096));
    assert!(matches!(backup(&*SimDisk::new(), &*SimDisk::new()), Err(Error::NoLog)));
}

/// A writer that never rests, whose oldest segments go while they are copied: every copy is whole, holds all that was durable
/// when it was begun, and nobody who looks sees damage.
#[test]
fn a_log_is_copied_and_looked_at_while_it_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let copies = tempfile::tempdir().unwrap();
    let start = std::time::Instant::now();
    let options = Options {
        segment_bytes: 256 << 10,
        block_bytes: 8 << 10,
        waiting_bytes: 64 << 10,
        // Segments go up to the tip.
        tip_every: Duration::from_millis(5),
        now_ms: Arc::new(move || start.elapsed().as_millis() as i64),
        ..small()
    };
    let log = Log::open(Folder::lock(folder.path()).unwrap(), options.clone()).unwrap();
    let (done, retained) = (AtomicBool::new(false), AtomicU64::new(0));
    let bytes = |lsn: u64| -> Vec<u8> { (0..lsn * 37 % 700).map(|at| (lsn + at) as u8).collect() };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut random = Random::new(1);
            while !done.load(Ordering::SeqCst) {
                let lsn = log.next().0;
                match log.append(1, &[&lsn.to_le_bytes(), &bytes(lsn)]) {
                    // Now and then, so that a copying keeps up with what is taken away.
                    Ok(lsn) if random.once_in(50) => log.wait_durable(lsn).unwrap(),
                    Ok(_) | Err(Refused::Full { .. }) => {}
                    Err(refused) => panic!("{refused}"),
                }
                if random.once_in(2000) {
                    retained.store(log.next().0.saturating_sub(6000), Ordering::SeqCst);
                    log.retain(Lsn(retained.load(Ordering::SeqCst))).unwrap();
                }
            }
        });
        let mut ended = 0;
        for round in 0..12 {
            while log.durable().0 < ended + 500 {
                std::thread::yield_now();
            }
            let reading = Folder::read_only(folder.path());
            let report = inspect(&*reading).unwrap();
            assert_eq!(report.damage, None);
            let durable = log.durable();
            let to = Folder::lock(&copies.path().join(round.to_string())).unwrap();
            let copied = backup(&*reading, &*to).unwrap();
            assert!(copied.end >= durable && copied.first.0 <= retained.load(Ordering::SeqCst));
            ended = copied.end.0;
            let disk: Arc<dyn Disk> = to;
            assert_eq!(verify(&*disk).unwrap().end, copied.end);
            let copy = Log::open(disk, options.clone()).unwrap();
            let mut reader = copy.reader(copied.first).unwrap();
            for lsn in copied.first.0..copied.end.0 {
                let frame = reader.read().unwrap().unwrap();
                assert_eq!(frame.bytes, [&lsn.to_le_bytes()[..], &bytes(lsn)].concat());
            }
        }
        done.store(true, Ordering::SeqCst);
    });
}
