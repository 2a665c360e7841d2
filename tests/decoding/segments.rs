//! A log's segment and tip from bytes that nobody meant. The checksums are made right if the first byte says so: otherwise nothing
//! behind them is ever reached.

use std::sync::Arc;

use highwater_log::testing::SimDisk;
use highwater_log::{Disk, Error, Log, Lsn, Options, Reader, backup, inspect, repair, verify};

const PAGE: usize = 4096;
const TIP: usize = 48;
const SEGMENT: &str = "00000000000000000000.log";

/// The first byte, by its bits: 1, checksums are made right; 2, each block links to the one before; 4, the tip stands first.
pub fn log(data: &[u8]) {
    let Some((how, mut rest)) = data.split_first() else { return };
    if rest.len() > 64 * PAGE {
        return;
    }
    let disk = SimDisk::new();
    if how & 4 != 0 {
        let (tip, behind) = rest.split_at(TIP.min(rest.len()));
        let mut tip = tip.to_vec();
        if how & 1 != 0 && tip.len() == TIP {
            let crc = checksum(&[&tip[8..]]);
            tip[4..8].copy_from_slice(&crc);
        }
        put(&disk, "tip", tip);
        rest = behind;
    }
    let mut segment = rest.to_vec();
    if how & 1 != 0 {
        seal(&mut segment, how & 2 != 0);
    }
    put(&disk, SEGMENT, segment);
    holds(&disk);
}

fn put(disk: &SimDisk, name: &str, bytes: Vec<u8>) {
    disk.create(name, 0).unwrap();
    disk.set_bytes(name, bytes);
}

/// Looking, reading, opening, copying and repairing agree: the log is whole up to where all of them say, or is refused by all.
fn holds(disk: &Arc<SimDisk>) {
    let report = match inspect(&**disk) {
        Ok(report) => report,
        Err(Error::Version { .. }) => return,
        Err(error) => panic!("{error}"),
    };
    let copy = SimDisk::new();
    if let Some(damage) = report.damage {
        assert!(!damage.file.is_empty() && !damage.why.is_empty());
        assert!(matches!(Reader::open(disk.clone(), Lsn(0)), Err(Error::Damaged(_))));
        assert!(matches!(Log::open(disk.clone(), options()), Err(Error::Damaged(_))));
        assert!(matches!(backup(&**disk, &*copy), Err(Error::Damaged(_))));
        match repair(&**disk) {
            Ok(repaired) => assert_eq!(repaired.report.end, report.end),
            Err(Error::NothingLeft) => return,
            Err(error) => panic!("{error}"),
        }
        let mended = inspect(&**disk).unwrap();
        assert_eq!((mended.damage, mended.end, &mended.kinds), (None, report.end, &report.kinds));
    }
    let mut read = [(0, 0); 256];
    let mut reader = Reader::open(disk.clone(), Lsn(0)).unwrap();
    while let Some(frame) = reader.read().unwrap() {
        let (frames, bytes) = &mut read[usize::from(frame.kind)];
        (*frames, *bytes) = (*frames + 1, *bytes + frame.bytes.len() as u64);
    }
    assert_eq!(reader.next_lsn(), report.end);
    let told = report.kinds.iter().map(|kind| (usize::from(kind.kind), (kind.frames, kind.bytes)));
    assert!(told.clone().eq(read.iter().copied().enumerate().filter(|(_, (frames, _))| *frames > 0)));
    assert_eq!(backup(&**disk, &*copy).unwrap().end, report.end);
    assert_eq!(verify(&*copy).unwrap().kinds, report.kinds);
    for disk in [disk.clone(), copy] {
        let log = Log::open(disk.clone(), options()).unwrap();
        assert_eq!(log.opened().end, report.end);
        log.wait_durable(log.append(9, &[b"on"]).unwrap()).unwrap();
        log.close().unwrap();
        assert_eq!(verify(&*disk).unwrap().end.0, report.end.0 + 1);
    }
}

fn options() -> Options {
    Options { segment_bytes: 4 * PAGE as u64, block_bytes: PAGE, waiting_bytes: 2 * PAGE, ..Options::default() }
}

/// Makes the checksums of the head and of all blocks right.
fn seal(segment: &mut [u8], link: bool) {
    if segment.len() < PAGE {
        return;
    }
    let crc = checksum(&[&segment[8..PAGE]]);
    segment[4..8].copy_from_slice(&crc);
    let place = [&segment[16..32], &segment[40..48]].concat();
    let mut previous: [u8; 4] = segment[12..16].try_into().unwrap();
    let mut at = PAGE;
    while at + PAGE <= segment.len() {
        let head = &mut segment[at..];
        let length = u32::from_le_bytes(head[8..12].try_into().unwrap()) as usize;
        let size = (40 + length).next_multiple_of(PAGE);
        if !head.starts_with(b"HWLB") || size > head.len() {
            at += PAGE;
            continue;
        }
        if link {
            head[32..36].copy_from_slice(&previous);
        }
        previous = checksum(&[&place, &(at as u64).to_le_bytes(), &head[8..size]]);
        head[4..8].copy_from_slice(&previous);
        at += size;
    }
}

fn checksum(parts: &[&[u8]]) -> [u8; 4] {
    let mut crc = flate2::Crc::new();
    parts.iter().for_each(|part| crc.update(part));
    crc.sum().to_le_bytes()
}

/// Logs that were closed, that were killed, and that never had a tip.
pub fn seeds() -> Vec<Vec<u8>> {
    let disk = SimDisk::new();
    let log = Log::open(disk.clone(), options()).unwrap();
    let killed = disk.killed();
    for length in [0, 3, 300, 5000] {
        log.wait_durable(log.append(length as u8, &[&vec![7; length]]).unwrap()).unwrap();
    }
    let written = disk.killed();
    log.close().unwrap();
    let of = |how: u8, disk: &SimDisk| {
        let tip = if how & 4 != 0 { disk.bytes("tip").unwrap() } else { Vec::new() };
        [&[how][..], &tip, &disk.bytes(SEGMENT).unwrap()].concat()
    };
    let states = [&killed, &written, &disk];
    (0..8).flat_map(|how| states.map(|disk| of(how, disk))).collect()
}
