//! What is known from a summary is what all frames say, whatever a crash leaves and wherever bytes are damaged.
#![allow(clippy::unwrap_used)]

use arrow_array::{ArrayRef, Int64Array, RecordBatch};
use highwater_log::testing::{Random, SimDisk};
use highwater_log::{Disk, Log, Options, Refused};

use super::*;
use crate::engine::frames::{
    Ahead, Begun, Beside, Decided, Ended, FORMAT, Learnt, Move, Program, PushedParts, Request, Rows, RowsParts, Split,
    Start, Taken, encode,
};
use crate::format::{Came, Part};
use crate::source::Position;

fn options() -> Options {
    Options { segment_bytes: 20 << 10, block_bytes: 4 << 10, waiting_bytes: 12 << 10, lineage: 7, ..Options::default() }
}

fn batch() -> RecordBatch {
    RecordBatch::try_from_iter([("a", Arc::new(Int64Array::from(vec![1, 2])) as ArrayRef)]).unwrap()
}

/// A frame of any kind; `pushed` are those that nothing has decided on, with their bytes, `made` changes that took no effect.
fn frame(random: &mut Random, next: u64, pushed: &mut Vec<(u64, u64)>, made: &mut Vec<u64>) -> (u8, Vec<u8>) {
    let (source, partition) = (random.below(2) as u32, random.below(3) as u32);
    let epoch = Epoch { watermark: random.below(9) as i64 - 4, tick: random.below(9) };
    let accepted = random.below(99);
    let columns = encode(&batch()).unwrap();
    let writer = Begun { sink: "out".to_owned(), part: partition as usize, parts: 3 };
    match random.below(17) {
        16 => {
            let head = Learnt::head((source, partition), epoch, &columns);
            (frames::LEARNT, [&head, &columns.ipc_message[..], &columns.arrow_data].concat())
        }
        0 => {
            let program = Program { files: Vec::new(), folder: format!("/{accepted}"), tick_rows: 1 };
            (frames::PROGRAM, program.bytes())
        }
        1 => {
            let start = Start {
                format: FORMAT,
                version: "1".to_owned(),
                at_ms: accepted as i64,
                parts: Vec::new(),
                cluster: None,
            };
            (frames::START, start.bytes())
        }
        2 => (frames::SOURCE, Source { source, name: format!("s{source}"), schema: batch().schema() }.bytes()),
        3 => {
            let (split, name) = (format!("{partition}.json"), format!("in/{partition}.json"));
            (frames::SPLIT, Split { source, partition, split, name, was: (accepted > 50).then(String::new) }.bytes())
        }
        4 => (frames::MOVE, Move { source, partition, epoch, accepted }.bytes().to_vec()),
        5 => (frames::BEGUN, writer.bytes()),
        6 => {
            let files = (accepted > 50).then_some(accepted);
            (frames::ENDED, Ended { writer, behind: (epoch.watermark, epoch.tick), files }.bytes())
        }
        7 => (frames::AHEAD, Ahead { source, partition, rows: accepted }.bytes().to_vec()),
        8 => {
            made.push(next);
            let head = Request::head(source, &columns);
            (frames::REQUEST, [&head, &columns.ipc_message[..], &columns.arrow_data].concat())
        }
        9 if !made.is_empty() => {
            let request = made.swap_remove(random.below(made.len() as u64) as usize);
            (frames::TAKEN, Taken { table: source, request, epoch }.bytes().to_vec())
        }
        10 | 11 => {
            let (numbers, came) = (None, Came::default());
            let part = Part { batch: batch(), numbers, records: 2, faults: Vec::new(), came };
            let bytes = PushedParts::new((0, 0), 5, &part, Vec::new(), columns).parts().concat();
            pushed.push((next, bytes.len() as u64));
            (frames::PUSHED, bytes)
        }
        12 | 13 if !pushed.is_empty() => {
            let (lsn, bytes) = pushed.remove(0);
            let decided = Decided { source: 0, partition: 0, pushed: lsn, bytes, epoch, accepted, first: 1 };
            (frames::DECIDED, decided.bytes().to_vec())
        }
        _ => {
            let beside = Beside { end: Position::counted(accepted).to_string(), ..Beside::default() };
            let rows = RowsParts::new(Rows::head((source, partition), 5, epoch, 1, 2), &beside, None, columns);
            (frames::ROWS, rows.parts().concat())
        }
    }
}

/// Where rows end.
fn end_of(kind: u8, bytes: &[u8]) -> Option<Position> {
    let Ok(Frame::Rows(rows)) = Frame::read(kind, bytes) else { return None };
    Some(rows.beside().unwrap().end.parse().unwrap())
}

/// Writes so many frames, and a summary now and then, of all that were appended by then.
fn history(disk: Arc<dyn Disk>, seed: u64, count: usize) {
    let (mut random, mut pushed, mut made) = (Random::new(seed), Vec::new(), Vec::new());
    let log = Log::open(disk, options()).unwrap();
    let mut appended = Appended::default();
    let append = |kind: u8, bytes: &[u8], end: Option<&Position>, appended: &mut Appended| loop {
        // In any pieces.
        let (one, other) = bytes.split_at(bytes.len().min(64));
        let parts =
            if kind == frames::ROWS || log.next().0.is_multiple_of(3) { &[one, other][..] } else { &[bytes][..] };
        match log.append(kind, parts) {
            Ok(lsn) => {
                appended.take(lsn, kind, parts, end);
                return lsn;
            }
            Err(Refused::Full { .. }) => std::thread::yield_now(),
            Err(refused) => panic!("{refused}"),
        }
    };
    let start = Start { format: FORMAT, version: "1".to_owned(), at_ms: 0, parts: Vec::new(), cluster: None };
    append(frames::START, &start.bytes(), None, &mut appended);
    for _ in 0..count {
        let (kind, bytes) = frame(&mut random, log.next().0, &mut pushed, &mut made);
        let end = end_of(kind, &bytes).filter(|_| random.once_in(2));
        let lsn = append(kind, &bytes, end.as_ref(), &mut appended);
        if random.once_in(3) {
            log.wait_durable(lsn).unwrap();
        }
        if random.once_in(6) {
            assert_eq!(appended.unreadable, None);
            if let Some(summary) = Appended::summary(&appended.known, 1, log.next().0) {
                append(frames::SUMMARY, &summary, None, &mut appended);
            }
        }
    }
    log.close().unwrap();
}

/// What is known of a log, whether by a summary; and what all of its frames say.
fn known(past: &Past) -> (Result<(Summary, bool), EngineError>, Result<Summary, Error>) {
    let end = past.end();
    let read = Known::read("data", past, None).map(|(known, read)| (known.summary(end.0), read.from > past.first()));
    let all = past.reader(past.first()).and_then(|reader| {
        let mut all = Saying { known: Known::default(), reader };
        all.read_to(end).map(|read| {
            read.unwrap();
            all.known.summary(end.0)
        })
    });
    (read, all)
}

#[test]
fn every_crash_image_is_known_by_its_last_summary_as_by_all_of_its_frames() {
    let (mut images, mut by_summary) = (0, 0);
    for seed in 0..4 {
        let disk = SimDisk::new();
        history(disk.clone(), seed, 70);
        disk.crashes(seed, 4, |_, image| {
            let past = Past::open(image).unwrap();
            let (read, all) = known(&past);
            let (read, summary) = read.unwrap();
            assert_eq!(read, all.unwrap(), "seed {seed}, up to frame {}", past.end());
            (images, by_summary) = (images + 1, by_summary + usize::from(summary));
        });
    }
    assert!(images > 1000 && by_summary > images / 2, "{by_summary} of {images} images by a summary");
}

/// D9: damage is refused with its place, in a summary as in any frame; or it is not read, and all is known as it was.
#[test]
fn damage_of_a_summary_or_before_it_is_refused_or_harms_nothing() {
    let disk = SimDisk::new();
    history(disk.clone(), 9, 70);
    let (was, _) = known(&Past::open(disk.clone()).unwrap());
    let (mut refused, mut unread) = (0, 0);
    for (name, bytes) in disk.files().into_iter().filter(|(name, _)| name.ends_with(".log")) {
        for bit in (0..bytes * 8).step_by(331) {
            disk.flip(&name, bit);
            match Past::open(disk.clone()).map(|past| known(&past).0) {
                Ok(Ok(read)) => {
                    assert_eq!(read, *was.as_ref().unwrap(), "'{name}', bit {bit}");
                    unread += 1;
                }
                Ok(Err(error)) => {
                    let error = error.to_string();
                    assert!(error.contains(&name) && error.contains("byte"), "'{name}', bit {bit}: {error}");
                    refused += 1;
                }
                Err(Error::Damaged(damage)) => {
                    assert_eq!(damage.file, name, "bit {bit}");
                    refused += 1;
                }
                Err(error) => panic!("'{name}', bit {bit}: {error}"),
            }
            disk.flip(&name, bit);
        }
    }
    assert!(refused > 100 && unread > 100, "{refused} were refused, {unread} not read");
}

#[test]
fn a_summary_of_another_version_is_passed_over_and_a_wrong_one_is_found() {
    let folder = tempfile::tempdir().unwrap();
    history(Folder::lock(folder.path()).unwrap(), 3, 60);
    let count = verify_summaries(folder.path()).unwrap();
    assert!(count > 3, "{count}");
    let append = |bytes: &[u8]| {
        let log = Log::open(Folder::lock(folder.path()).unwrap(), options()).unwrap();
        log.append(frames::SUMMARY, &[bytes]).unwrap();
        log.close().unwrap();
    };
    let past = || Past::open(Folder::read_only(folder.path())).unwrap();
    let (read, all) = known(&past());
    let wrong = Summary { upto: past().end().0 - 1, ..all.unwrap() };
    let mut other = wrong.bytes();
    other[0] += 1;
    append(&other);
    assert_eq!(verify_summaries(folder.path()).unwrap(), count);
    let (again, _) = known(&past());
    assert_eq!(again.unwrap().0.said, read.unwrap().0.said);
    append(&Summary { said: Said { begun: Vec::new(), ..wrong.said.clone() }, ..wrong }.bytes());
    let found = verify_summaries(folder.path()).unwrap_err().to_string();
    assert!(found.contains("is not what the frames before"), "{found}");
}
