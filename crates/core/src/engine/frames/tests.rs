//! Frames are read as written, and damaged ones are told.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use arrow_array::{
    ArrayRef, Decimal128Array, Int64Array, ListArray, RecordBatch, StringArray, TimestampMillisecondArray,
};
use arrow_schema::{DataType, Field, Schema};

use super::columns::REASONS;
use super::*;
use crate::delta::Reject;
use crate::format::{Came, Fault};
use crate::plan::identity::Part;

fn batch() -> RecordBatch {
    let lists = [Some(vec![Some(1), None]), None, Some(vec![])];
    let list = ListArray::from_iter_primitive::<arrow_array::types::Int64Type, _, _>(lists);
    RecordBatch::try_from_iter([
        ("id", Arc::new(StringArray::from(vec![Some("a"), None, Some("ü")])) as ArrayRef),
        ("n", Arc::new(Int64Array::from(vec![Some(1), None, Some(i64::MIN)])) as ArrayRef),
        ("at", Arc::new(TimestampMillisecondArray::from(vec![-1, 0, i64::MAX])) as ArrayRef),
        ("d", Arc::new(Decimal128Array::from(vec![Some(1), None, Some(-5)])) as ArrayRef),
        ("list", Arc::new(list) as ArrayRef),
    ])
    .unwrap()
}

fn joined(parts: &RowsParts) -> Vec<u8> {
    parts.parts().concat()
}

#[test]
fn rows_are_read_as_written() {
    let beside = Beside {
        end: "{\"records\":7}".to_owned(),
        rejects: vec![["s:1", "malformed", "no", "{"].map(str::to_owned)],
        letters: vec![(2, "a \"late\" row".to_owned())],
    };
    for batch in [batch(), batch().slice(1, 2), batch().slice(3, 0)] {
        let epoch = Epoch { watermark: -5, tick: 9 };
        let rows = batch.num_rows() as u32;
        let mut head = Rows::head((3, 1 << 20), 1_700_000_000_123, epoch, 40, rows);
        head.accepted = 11;
        for numbers in [None, Some(vec![41_u64, 43, u64::MAX])] {
            let parts = RowsParts::new(head, &beside, numbers.as_deref(), encode(&batch).unwrap());
            let bytes = joined(&parts);
            let Frame::Rows(read) = Frame::read(ROWS, &bytes).unwrap() else { panic!("no rows") };
            let fields = (read.source, read.partition, read.now_ms, read.epoch, read.accepted, read.first, read.rows);
            assert_eq!(fields, (3, 1 << 20, 1_700_000_000_123, epoch, 11, 40, rows));
            assert_eq!((read.beside().unwrap(), read.numbers()), (beside.clone(), numbers));
            assert_eq!(read.batch(&batch.schema()).unwrap(), batch);
            // A frame that is cut is told, wherever.
            for end in 0..bytes.len() {
                let Ok(Frame::Rows(cut)) = Frame::read(ROWS, &bytes[..end]) else { continue };
                // Without the padding behind the last column all is there.
                let whole = cut.batch(&batch.schema()).map_or(true, |read| read == batch);
                assert!(whole, "{end} of {}", bytes.len());
            }
        }
    }
}

#[test]
fn the_other_frames_are_read_as_written() {
    let schema = Arc::new(Schema::new(vec![
        Field::new("a", DataType::Utf8, true),
        Field::new("ts", DataType::Timestamp(arrow_schema::TimeUnit::Millisecond, None), true),
    ]));
    let source = Source { source: 4, name: "clicks ü".to_owned(), schema };
    let Frame::Source(read) = Frame::read(SOURCE, &source.bytes()).unwrap() else { panic!("no source") };
    assert_eq!(read, source);
    let split =
        Split { source: 4, partition: 2, split: "a/b.json".to_owned(), name: "in/a/b.json".to_owned(), was: None };
    let Frame::Split(read) = Frame::read(SPLIT, &split.bytes()).unwrap() else { panic!("no split") };
    assert_eq!(read, split);
    let start = Start {
        format: FORMAT,
        version: "1".to_owned(),
        at_ms: 5,
        parts: vec![Part::new("a".to_owned(), "b".to_owned())],
        cluster: Some(Cluster { process: 1, processes: 2, lineages: vec!["a".to_owned(), "b".to_owned()] }),
    };
    let Frame::Start(read) = Frame::read(START, &start.bytes()).unwrap() else { panic!("no start") };
    assert_eq!(read, start);
    let to = Move { source: 1, partition: 2, epoch: Epoch { watermark: i64::MIN, tick: u64::MAX }, accepted: 3 };
    for kind in [MOVE, LEASE, END] {
        let bytes = to.bytes();
        let frame = Frame::read(kind, &bytes).unwrap();
        assert!(matches!(frame, Frame::Move(read) | Frame::Lease(read) | Frame::End(read) if read == to));
        assert!(Frame::read(kind, &bytes[..31]).is_err());
    }
    assert!(matches!(Frame::read(200, b"x"), Ok(Frame::Other(200))));
    let program = Program {
        files: vec![("p.sql".to_owned(), "-- é\nCREATE".to_owned())],
        folder: "/srv".to_owned(),
        tick_rows: 8192,
    };
    let Frame::Program(read) = Frame::read(PROGRAM, &program.bytes()).unwrap() else { panic!("no program") };
    assert_eq!(read, program);
    // What a later version says besides is passed over.
    let later = b"{\"files\":[[\"a\",\"b\"]],\"tick_rows\":1,\"folder\":\"\",\"more\":[1]}";
    assert!(matches!(Frame::read(PROGRAM, later), Ok(Frame::Program(Program { tick_rows: 1, .. }))));
    let writer = Begun { sink: "out".to_owned(), part: 1, parts: 2 };
    for files in [None, Some(7)] {
        let ended = Ended { writer: writer.clone(), behind: (i64::MIN, u64::MAX), files };
        assert!(matches!(Frame::read(ENDED, &ended.bytes()), Ok(Frame::Ended(read)) if read == ended));
    }
    for kind in [START, SOURCE, SPLIT, PROGRAM, BEGUN, ENDED] {
        assert!(Frame::read(kind, b"\xff\xff").is_err());
    }
}

#[test]
fn rejects_are_read_as_written() {
    let reject = |reason| Reject {
        source: "s".to_owned(),
        position: "s:5".to_owned(),
        reason,
        detail: "d".to_owned(),
        content: "c".to_owned(),
    };
    for reason in REASONS {
        assert_eq!(read_reject("s", write_reject(&reject(reason))).unwrap(), reject(reason));
    }
    assert!(read_reject("s", write_reject(&reject("bored"))).is_err());
}

#[test]
fn what_is_pushed_and_decided_on_later_is_read_as_written() {
    let fault =
        Fault { record: 3, reason: "malformed", detail: "no number".to_owned(), content: "{\"id\":\"ü".to_owned() };
    for batch in [batch(), batch().slice(1, 2), batch().slice(3, 0)] {
        let rows = batch.num_rows();
        for numbers in [None, Some((0..rows as u64).map(|row| row * 2).collect::<Vec<_>>())] {
            let came = vec![(0, " {\"id\": \"a\"}".to_owned()), (2, String::new())];
            let (faults, records) = (vec![fault.clone()], 7);
            let part = || crate::format::Part {
                batch: batch.clone(),
                numbers: numbers.clone(),
                records,
                faults: faults.clone(),
                came: Came::default(),
            };
            let parts = PushedParts::new((2, 5), -9, &part(), came.clone(), encode(&batch).unwrap());
            let bytes = parts.parts().concat();
            let Frame::Pushed(read) = Frame::read(PUSHED, &bytes).unwrap() else { panic!("no pushed rows") };
            let fields = (read.source, read.partition, read.now_ms, read.records, read.rows);
            assert_eq!(fields, (2, 5, -9, records, rows as u32));
            let again = read.part(&batch.schema()).unwrap();
            let numbers_read = if rows == 0 { None } else { numbers.clone() };
            assert_eq!((&again.batch, &again.numbers, again.records), (&batch, &numbers_read, records));
            let told = |fault: &Fault| (fault.record, fault.reason, fault.detail.clone(), fault.content.clone());
            assert_eq!(again.faults.iter().map(told).collect::<Vec<_>>(), vec![told(&fault)]);
            let mut found = again.came.finder();
            assert_eq!(came.iter().map(|(record, _)| found.record(*record).unwrap()).collect::<Vec<_>>(), {
                came.iter().map(|(_, text)| text.clone()).collect::<Vec<_>>()
            });
            for end in 0..bytes.len() {
                let Ok(Frame::Pushed(cut)) = Frame::read(PUSHED, &bytes[..end]) else { continue };
                let whole = cut.part(&batch.schema()).map_or(true, |read| read.batch == batch);
                assert!(whole, "{end} of {}", bytes.len());
            }
        }
    }
    let epoch = Epoch { watermark: -1, tick: 4 };
    let decided = Decided { source: 1, partition: 0, pushed: 1 << 40, bytes: 99, epoch, accepted: 5, first: 8 };
    let bytes = decided.bytes();
    let Frame::Decided(read) = Frame::read(DECIDED, &bytes).unwrap() else { panic!("nothing is decided on") };
    assert_eq!(read, decided);
    assert!((0..bytes.len()).all(|end| Frame::read(DECIDED, &bytes[..end]).is_err()));
}

#[test]
fn a_summary_is_read_as_written_and_one_of_another_version_is_passed_over() {
    let schema = Arc::new(Schema::new(vec![Field::new("a", DataType::Utf8, true)]));
    let writer = Begun { sink: "out".to_owned(), part: 0, parts: 1 };
    let said = Said {
        start: Some(Start { format: FORMAT, version: "1".to_owned(), at_ms: 5, parts: Vec::new(), cluster: None }),
        program: Some(Program { files: Vec::new(), folder: "/srv".to_owned(), tick_rows: 3 }),
        begun: vec![writer.clone()],
        ended: vec![Completed { writer, behind: Some((-1, 4)), files: 2, ends: vec![(i64::MIN, 0), (-1, u64::MAX)] }],
        splits: vec![(0, 1, ("in/ü.json".to_owned(), "ü".to_owned(), Some("7 bytes".to_owned())))],
        ahead: vec![(0, 1, u64::MAX)],
        ends: vec![(1, 0, "{\"records\":7}".to_owned())],
        undecided: vec![(1, 0, (9, 2, 1 << 40))],
        learnt: vec![(1, 1, (-7, 3))],
        requests: vec![(3, 0, None), (5, 0, Some((7, 8)))],
    };
    let source = |name: &str| Source { source: 4, name: name.to_owned(), schema: schema.clone() };
    for sources in [vec![], vec![source("clicks"), source("ü")]] {
        let summary = Summary { upto: 1 << 33, sources, said: said.clone() };
        let mut bytes = summary.bytes();
        assert!(matches!(Frame::read(SUMMARY, &bytes), Ok(Frame::Summary(Some(read))) if *read == summary));
        for end in 0..bytes.len() {
            // Without all of its sources it is one of fewer.
            let cut = Frame::read(SUMMARY, &bytes[..end]);
            assert!(!matches!(cut, Ok(Frame::Summary(Some(read))) if *read == summary), "{end} of {}", bytes.len());
        }
        bytes[..4].copy_from_slice(&2_u32.to_le_bytes());
        assert!(matches!(Frame::read(SUMMARY, &bytes), Ok(Frame::Summary(None))));
    }
}

#[test]
fn keys_that_others_took_are_read_as_written() {
    let (epoch, columns) = (Epoch { watermark: i64::MIN, tick: u64::MAX }, encode(&batch()).unwrap());
    let head = Learnt::head((3, 1 << 20), epoch, &columns);
    let bytes = [&head, &columns.ipc_message[..], &columns.arrow_data].concat();
    let Frame::Learnt(read) = Frame::read(LEARNT, &bytes).unwrap() else { panic!("no keys") };
    assert_eq!((read.source, read.partition, read.epoch), (3, 1 << 20, epoch));
    assert_eq!(read.keys(&batch().schema()).unwrap(), batch());
    for end in 0..head.len() {
        assert!(Frame::read(LEARNT, &bytes[..end]).is_err(), "{end}");
    }
}
