//! Random histories of a log on a simulated disk, and what must be true of what is left of one.
#![allow(clippy::unwrap_used, dead_code)]

use std::sync::Arc;

use highwater_log::testing::{Random, SimDisk};
use highwater_log::{Disk, Error, Log, Lsn, Options, Reader, SyncMode};

/// Small, so that a few frames fill a segment.
pub(crate) fn small() -> Options {
    Options { segment_bytes: 32 << 10, block_bytes: 4096, waiting_bytes: 12 << 10, lineage: 77, ..Options::default() }
}

/// A frame that tells its number, of 0 to 9000 bytes.
pub(crate) fn frame(random: &mut Random, lsn: u64) -> (u8, Vec<u8>) {
    let length = match random.below(8) {
        0 => 0,
        1 => 4000 + random.below(5000),
        _ => random.below(300),
    };
    let bytes = (0..length).map(|at| (lsn * 31 + at * 7 + random.below(2)) as u8).collect();
    ((lsn % 5) as u8, bytes)
}

/// What a history did.
pub(crate) struct History {
    pub(crate) disk: Arc<SimDisk>,
    pub(crate) frames: Vec<(u8, Vec<u8>)>,
    /// After so many operations so many frames were durable.
    pub(crate) marks: Vec<(usize, u64)>,
    /// The greatest frame from which on it was to be kept.
    pub(crate) retained: u64,
}

impl History {
    pub(crate) fn durable_at(&self, operations: usize) -> u64 {
        self.marks.iter().filter(|(at, _)| *at <= operations).map(|(_, durable)| *durable).max().unwrap_or_default()
    }
}

/// Appends, waits, retains, closes and opens again, as a seed will have it.
pub(crate) fn history(seed: u64, sync: SyncMode, steps: usize) -> History {
    let mut random = Random::new(seed);
    let options = Options { sync, ..small() };
    let mut history = History { disk: SimDisk::new(), frames: Vec::new(), marks: Vec::new(), retained: 0 };
    let mut log = Log::open(history.disk.clone(), options.clone()).unwrap();
    for _ in 0..steps {
        match random.below(12) {
            0 => {
                log.close().unwrap();
                let durable = log.durable().0;
                history.marks.push((history.disk.operations(), durable));
                drop(log);
                log = Log::open(history.disk.clone(), options.clone()).unwrap();
                assert_eq!(log.opened().end.0, history.frames.len() as u64);
                assert!(log.opened().clean && !log.opened().torn);
            }
            1 => {
                let from = random.below(history.frames.len() as u64 + 1);
                log.retain(Lsn(from)).unwrap();
                history.retained = history.retained.max(from);
            }
            2..=4 if log.next() > log.durable() => {
                log.wait_durable(Lsn(log.next().0 - 1)).unwrap();
            }
            _ => {
                let (kind, bytes) = frame(&mut random, history.frames.len() as u64);
                let (head, tail) = bytes.split_at(bytes.len() / 3);
                match log.append(kind, &[head, tail]) {
                    Ok(lsn) => {
                        assert_eq!(lsn.0, history.frames.len() as u64);
                        history.frames.push((kind, bytes));
                    }
                    Err(_) => log.wait_durable(Lsn(log.next().0 - 1)).unwrap(),
                }
            }
        }
        if sync == SyncMode::Commit {
            let durable = log.durable().0;
            history.marks.push((history.disk.operations(), durable));
        }
    }
    log.close().unwrap();
    history.marks.push((history.disk.operations(), log.durable().0));
    history
}

/// Reads all there is of an open log and compares it: from the first kept to the end, each once, in order.
pub(crate) fn compare(reader: &mut Reader, frames: &[(u8, Vec<u8>)], until: u64) {
    for lsn in reader.next_lsn().0..until {
        let (kind, bytes) = &frames[lsn as usize];
        let read = reader.read().unwrap().unwrap_or_else(|| panic!("frame {lsn} is missing"));
        assert_eq!((read.lsn.0, read.kind, read.bytes), (lsn, *kind, bytes.as_slice()));
    }
    assert!(reader.read().unwrap().is_none());
}

/// Opens what is left, which must be a prefix with all that was durable; goes on with it; and looks once more.
pub(crate) fn check(image: &Arc<SimDisk>, history: &History, durable: u64) -> Arc<SimDisk> {
    let log = Log::open(image.clone(), small()).unwrap_or_else(|error| panic!("{error}"));
    let opened = log.opened();
    assert!(opened.end.0 >= durable, "{} of {durable} frames that were durable", opened.end);
    assert!(opened.end.0 <= history.frames.len() as u64);
    assert!(opened.first.0 <= history.retained, "more was removed than was to be");
    compare(&mut log.reader(opened.first).unwrap(), &history.frames, opened.end.0);
    let mut frames = history.frames[..opened.end.0 as usize].to_vec();
    for number in 0..2_u8 {
        let bytes = vec![number; 5000];
        let lsn = log.append(9, &[&bytes]).unwrap();
        assert_eq!(lsn.0, frames.len() as u64);
        frames.push((9, bytes));
        log.wait_durable(lsn).unwrap();
    }
    compare(&mut log.reader(opened.first).unwrap(), &frames, frames.len() as u64);
    let killed = image.killed();
    drop(log);
    let again = Log::open(killed.clone(), small()).unwrap();
    assert_eq!((again.opened().end.0, again.opened().incarnation), (frames.len() as u64, opened.incarnation + 1));
    compare(&mut again.reader(opened.first).unwrap(), &frames, frames.len() as u64);
    killed
}

/// Opens a damaged log: a prefix, or a refusal that says where. `Some` is the end.
pub(crate) fn opens(disk: Arc<dyn Disk>, frames: &[(u8, Vec<u8>)]) -> Option<u64> {
    match Log::open(disk, small()) {
        Ok(log) => {
            let opened = log.opened();
            let mut reader = log.reader(opened.first).unwrap();
            for lsn in opened.first.0..opened.end.0 {
                match reader.read() {
                    Ok(Some(read)) => {
                        let (kind, bytes) = &frames[lsn as usize];
                        assert_eq!((read.lsn.0, read.kind, read.bytes), (lsn, *kind, bytes.as_slice()));
                    }
                    Ok(None) => panic!("frame {lsn} is missing"),
                    // Segments before the one of the tip are checked when they are read.
                    Err(Error::Damaged(_)) => return None,
                    Err(error) => panic!("{error}"),
                }
            }
            Some(opened.end.0)
        }
        Err(Error::Damaged(damage)) => {
            assert!(!damage.file.is_empty() && !damage.why.is_empty());
            None
        }
        Err(Error::Version { .. }) => None,
        Err(error) => panic!("{error}"),
    }
}
