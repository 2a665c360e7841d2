//! The log as its users see it: many threads, readers beside the writer, waiting, limits, a full disk (D11), a folder's lock (D12).
#![allow(clippy::unwrap_used)]

mod histories;

use std::future::Future;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use highwater_log::testing::{Faults, Random, SimDisk};
use highwater_log::{
    Error, Folder, Log, Lsn, Options, Reader, Refused, SyncMode, inspect, keep_age, keep_bytes, verify,
};

use histories::{compare, frame, small};

#[test]
fn threads_keep_their_order_and_readers_see_what_is_durable_while_it_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { segment_bytes: 256 << 10, block_bytes: 16 << 10, waiting_bytes: 64 << 10, ..small() };
    let log = Log::open(Folder::lock(folder.path()).unwrap(), options.clone()).unwrap();
    const EACH: u64 = 1000;
    let read_all = |reader: &mut Reader, idle: &dyn Fn() -> bool| {
        let mut next = [0_u64; 4];
        let mut lsn = reader.next_lsn();
        loop {
            let last = idle();
            while let Some(frame) = reader.read().unwrap() {
                assert_eq!(frame.lsn, lsn);
                lsn = Lsn(lsn.0 + 1);
                let number = u64::from_le_bytes(frame.bytes[..8].try_into().unwrap());
                let thread = usize::from(frame.kind);
                assert_eq!(number, next[thread], "of thread {thread}");
                next[thread] += 1;
            }
            if last {
                return next;
            }
            std::thread::yield_now();
        }
    };
    std::thread::scope(|scope| {
        for thread in 0..4_u8 {
            let log = &log;
            scope.spawn(move || {
                let mut random = Random::new(u64::from(thread));
                for number in 0..EACH {
                    let rest = vec![thread; random.below(400) as usize];
                    let lsn = loop {
                        match log.append(thread, &[&number.to_le_bytes(), &rest]) {
                            Ok(lsn) => break lsn,
                            Err(Refused::Full { .. }) => std::thread::yield_now(),
                            Err(error) => panic!("{error}"),
                        }
                    };
                    if random.once_in(50) {
                        log.wait_durable(lsn).unwrap();
                        assert!(log.durable() > lsn);
                    }
                }
            });
        }
        let reader = scope.spawn(|| {
            let done = || log.durable().0 == 4 * EACH;
            read_all(&mut log.reader(Lsn(0)).unwrap(), &done)
        });
        assert_eq!(reader.join().unwrap(), [EACH; 4]);
    });
    log.close().unwrap();
    drop(log);
    let disk = Folder::read_only(folder.path());
    assert_eq!(read_all(&mut Reader::open(disk.clone(), Lsn(0)).unwrap(), &|| true), [EACH; 4]);
    let report = verify(&*disk).unwrap();
    assert!(report.segments.len() > 2 && report.tip.unwrap().clean);
    // From the middle too, and a folder that is read only takes nothing.
    for from in [1, 999, 2500, 3999, 4000] {
        let mut reader = Reader::open(disk.clone(), Lsn(from)).unwrap();
        assert_eq!(reader.read().unwrap().map(|frame| frame.lsn.0), (from < 4000).then_some(from));
    }
    assert!(matches!(Log::open(disk, options), Err(Error::Io { .. })));
}

#[test]
fn a_second_process_is_refused_with_who_has_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let held = Folder::lock(folder.path()).unwrap();
    let error = Folder::lock(folder.path()).unwrap_err();
    let text = error.to_string();
    assert!(text.contains(&format!("process {}", std::process::id())), "{text}");
    assert!(text.contains(&*folder.path().to_string_lossy()) && !error.remedy().is_empty());
    drop(held);
    Folder::lock(folder.path()).unwrap();
    assert!(matches!(Folder::lock(Path::new("/proc/no/such")), Err(Error::Io { .. })));
}

/// Without room for another segment appends are refused, what was taken before is written, and it goes on by itself.
#[test]
fn a_full_disk_refuses_loses_nothing_and_goes_on_when_there_is_room() {
    for seed in 0..6 {
        let disk = SimDisk::new();
        let mut random = Random::new(seed);
        let segments = 2 + seed % 2;
        disk.set_faults(Faults { space: Some(segments * (32 << 10) + 8192), ..Faults::default() });
        let log = Log::open(disk.clone(), small()).unwrap();
        let mut frames = Vec::new();
        let mut append = |log: &Log, frames: &mut Vec<(u8, Vec<u8>)>| loop {
            let (kind, bytes) = frame(&mut random, frames.len() as u64);
            match log.append(kind, &[&bytes]) {
                Ok(lsn) => {
                    assert_eq!(lsn.0, frames.len() as u64);
                    frames.push((kind, bytes));
                }
                Err(Refused::Full { .. }) => std::thread::yield_now(),
                Err(refused) => return refused,
            }
        };
        assert!(matches!(append(&log, &mut frames), Refused::DiskFull));
        let taken = frames.len() as u64;
        log.wait_durable(Lsn(taken - 1)).unwrap();
        compare(&mut log.reader(Lsn(0)).unwrap(), &frames, taken);
        // Closing it and a power cut leave it as it was said to be.
        let image = disk.power_cut(&mut Random::new(seed));
        compare(&mut Reader::open(image, Lsn(0)).unwrap(), &frames, taken);
        disk.set_faults(Faults { space: Some((segments + 1) * (32 << 10) + 8192), ..Faults::default() });
        let more = loop {
            match log.append(1, &[b"room"]) {
                Ok(lsn) => break lsn,
                Err(Refused::DiskFull) => std::thread::sleep(Duration::from_millis(5)),
                Err(refused) => panic!("{refused}"),
            }
        };
        frames.push((1, b"room".to_vec()));
        assert_eq!(more.0, taken);
        assert!(matches!(append(&log, &mut frames), Refused::DiskFull));
        log.close().unwrap();
        compare(&mut Reader::open(disk, Lsn(0)).unwrap(), &frames, frames.len() as u64);
    }
}

#[test]
fn a_log_opens_on_a_full_disk_and_is_read() {
    let disk = SimDisk::new();
    let log = Log::open(disk.clone(), small()).unwrap();
    log.wait_durable(log.append(1, &[b"kept"]).unwrap()).unwrap();
    let killed = disk.killed();
    let taken = killed.files().iter().map(|(_, length)| length).sum();
    killed.set_faults(Faults { space: Some(taken), ..Faults::default() });
    let log = Log::open(killed.clone(), small()).unwrap();
    assert_eq!(log.reader(Lsn(0)).unwrap().read().unwrap().unwrap().bytes, b"kept");
    // What is left of the segment has its place.
    log.wait_durable(log.append(1, &[b"more"]).unwrap()).unwrap();
    let refused = loop {
        match log.append(1, &[&[0; 9000]]) {
            Ok(lsn) => log.wait_durable(lsn).unwrap(),
            Err(refused) => break refused,
        }
    };
    assert!(matches!(refused, Refused::DiskFull), "{refused}");
}

/// A file system that does not keep the room it promised.
#[test]
fn a_write_that_finds_no_room_is_made_later() {
    let disk = SimDisk::new();
    let log = Log::open(disk.clone(), small()).unwrap();
    disk.set_faults(Faults { no_room_at_all: true, ..Faults::default() });
    let first = log.append(1, &[b"taken"]).unwrap();
    while !matches!(log.append(1, &[b"refused"]), Err(Refused::DiskFull)) {
        std::thread::yield_now();
    }
    let end = log.next();
    assert_eq!(log.durable(), first);
    disk.set_faults(Faults::default());
    log.wait_durable(Lsn(end.0 - 1)).unwrap();
    assert_eq!(log.reader(first).unwrap().read().unwrap().unwrap().bytes, b"taken");
    // Closed while it is full, it says which frames are not there.
    disk.set_faults(Faults { no_room_at_all: true, ..Faults::default() });
    let lost = log.append(1, &[b"not written"]).unwrap();
    let error = log.close().unwrap_err();
    assert!(error.to_string().contains(&format!("frames from {lost} on")), "{error}");
    disk.set_faults(Faults::default());
    assert_eq!(Log::open(disk, small()).unwrap().opened().end, lost);
}

#[test]
fn what_waits_is_bounded_and_frames_are_too() {
    let disk = SimDisk::new();
    let log = Log::open(disk.clone(), small()).unwrap();
    let limit = small().frame_limit();
    let longest = log.append(1, &[&vec![1; limit]]).unwrap();
    log.wait_durable(longest).unwrap();
    assert!(matches!(log.append(1, &[&vec![1; limit], &[0]]), Err(Refused::TooLarge { .. })));
    disk.set_faults(Faults { no_room_at_all: true, ..Faults::default() });
    let refused = loop {
        match log.append(1, &[&[0; 1000]]) {
            Ok(_) => assert!(log.waiting_bytes() <= small().waiting_bytes),
            Err(refused) => break refused,
        }
    };
    assert!(matches!(refused, Refused::Full { .. } | Refused::DiskFull), "{refused}");
    disk.set_faults(Faults::default());
    log.wait_durable(Lsn(log.next().0 - 1)).unwrap();
    drop(log);
    for options in [
        Options { segment_bytes: 5000, ..small() },
        Options { waiting_bytes: 64 << 10, ..small() },
        Options { block_bytes: 16 << 10, ..small() },
    ] {
        assert!(matches!(Log::open(disk.clone(), options), Err(Error::Options(_))));
    }
}

struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn who_waits_is_woken_without_a_runtime_and_told_of_the_end() {
    let disk = SimDisk::new();
    let sync = SyncMode::Every(Duration::from_secs(3600));
    let log = Log::open(disk.clone(), Options { sync, ..small() }).unwrap();
    let count = Arc::new(Count(AtomicUsize::new(0)));
    let waker = Waker::from(count.clone());
    let mut context = Context::from_waker(&waker);
    let lsn = log.append(1, &[b"soon"]).unwrap();
    let mut soon = pin!(log.when_durable(lsn));
    let mut never = pin!(log.when_durable(Lsn(99)));
    drop(log.when_durable(lsn));
    for _ in 0..2 {
        assert!(soon.as_mut().poll(&mut context).is_pending() && never.as_mut().poll(&mut context).is_pending());
    }
    log.close().unwrap();
    assert_eq!(count.0.load(Ordering::SeqCst), 2);
    assert!(matches!(soon.poll(&mut context), Poll::Ready(Ok(()))));
    assert!(matches!(never.poll(&mut context), Poll::Ready(Err(Error::Closed))));
    assert!(matches!(log.append(1, &[b"late"]), Err(Refused::Closed)));
}

#[test]
fn old_segments_go_and_readers_are_told() {
    let disk = SimDisk::new();
    let now = Arc::new(AtomicI64::new(1000));
    let clock = now.clone();
    let options = Options { now_ms: Arc::new(move || clock.load(Ordering::SeqCst)), ..small() };
    let log = Log::open(disk.clone(), options.clone()).unwrap();
    let mut early = log.reader(Lsn(0)).unwrap();
    for number in 0..40_u8 {
        now.fetch_add(100, Ordering::SeqCst);
        log.wait_durable(log.append(number, &[&[number; 3000]]).unwrap()).unwrap();
    }
    assert_eq!(early.read().unwrap().unwrap().lsn, Lsn(0));
    let kept = log.segments().unwrap();
    assert!(kept.len() > 4 && kept.windows(2).all(|pair| pair[0].created_ms < pair[1].created_ms));
    // Up to the tip, which was written within the last second.
    let from = keep_bytes(&kept, 4 * (32 << 10));
    assert_eq!(log.retain(from).unwrap(), kept.len() - 4);
    assert_eq!(log.segments().unwrap()[..], kept[kept.len() - 4..]);
    assert_eq!(keep_age(&kept, now.load(Ordering::SeqCst), 0), kept[kept.len() - 1].first);
    assert!(matches!(log.reader(Lsn(0)), Err(Error::Removed { first, .. }) if first == from));
    // The segment that it has open it reads to its end.
    let removed = loop {
        match early.read() {
            Ok(Some(_)) => {}
            Ok(None) => panic!("it ended"),
            Err(error) => break error,
        }
    };
    assert!(matches!(removed, Error::Removed { first, .. } if first == from), "{removed}");
    log.close().unwrap();
    drop(log);
    let log = Log::open(disk.clone(), options).unwrap();
    assert_eq!(log.opened().first, from);
    // Never the one that is written.
    log.retain(log.next()).unwrap();
    assert_eq!(log.segments().unwrap().len(), 1);
    drop(log);
    assert!(inspect(&*disk).unwrap().damage.is_none());
}

/// An idle log does not sync, and one that is written marks its tip once a second, or once a minute where that is little.
#[test]
fn the_tip_follows_within_its_interval_and_an_idle_log_is_quiet() {
    let disk = SimDisk::new();
    let now = Arc::new(AtomicI64::new(0));
    let clock = now.clone();
    let options = Options { now_ms: Arc::new(move || clock.load(Ordering::SeqCst)), ..small() };
    let log = Log::open(disk.clone(), options).unwrap();
    let tip = || inspect(&*disk.killed()).unwrap().tip.unwrap().durable;
    log.wait_durable(log.append(1, &[b"one"]).unwrap()).unwrap();
    assert_eq!(tip(), Lsn(0));
    let lsn = log.append(1, &[b"two"]).unwrap();
    log.wait_durable(lsn).unwrap();
    assert_eq!(tip(), Lsn(0));
    now.store(1000, Ordering::SeqCst);
    let lsn = log.append(1, &[b"three"]).unwrap();
    log.wait_durable(lsn).unwrap();
    // Should it still have been at "two", it waits once more.
    while tip() != Lsn(3) {
        std::thread::sleep(Duration::from_millis(5));
    }
    // Of a large log so little is told more seldom.
    let large = SimDisk::new();
    let clock = now.clone();
    let now_ms = Arc::new(move || clock.load(Ordering::SeqCst));
    let options = Options { segment_bytes: 1 << 20, waiting_bytes: 256 << 10, now_ms, ..small() };
    let log = Log::open(large.clone(), options).unwrap();
    let told = || inspect(&*large.killed()).unwrap().tip.unwrap().durable;
    for (at, expected) in [(3_000, 0), (30_000, 0), (60_999, 0), (61_000, 4)] {
        now.store(at, Ordering::SeqCst);
        log.wait_durable(log.append(1, &[b"little"]).unwrap()).unwrap();
        // The next that is durable was taken when the tip behind this one had been written.
        assert!(told() <= Lsn(expected), "at {at} ms");
    }
    // Much is told at once, and so is the little before it.
    now.store(62_000, Ordering::SeqCst);
    log.wait_durable(log.append(1, &[&[1; 200 << 10]]).unwrap()).unwrap();
    while told() != Lsn(5) {
        std::thread::sleep(Duration::from_millis(5));
    }
    drop(log);
    std::thread::sleep(Duration::from_millis(30));
    let quiet = disk.operations();
    std::thread::sleep(Duration::from_millis(60));
    assert_eq!(disk.operations(), quiet);
}
