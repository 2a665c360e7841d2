//! Files of blocks, read by position: their index is at the end, and each block has a reader of its own, for which the file
//! is not opened again.
//!
//! Invariant: a read that fails leaves nothing behind, so a [`Patient`] file is read on from where it was once the failure
//! has passed: no row is lost or comes twice.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use crate::retry::{Patient, until_it_goes};

/// Bytes that are there as a whole.
pub trait ReadAt: Send + Sync {
    /// How many they are.
    fn length(&self) -> io::Result<u64>;

    /// Some of them, from a position on; 0 is the end.
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize>;
}

impl ReadAt for File {
    fn length(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        FileExt::read_at(self, buffer, position)
    }
}

impl<F: ReadAt> ReadAt for Patient<F> {
    fn length(&self) -> io::Result<u64> {
        until_it_goes(&self.standing, &self.what, || self.input.length())
    }

    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        until_it_goes(&self.standing, &self.what, || self.input.read_at(buffer, position))
    }
}

/// What is said of a file that is shorter than it was when it was opened.
pub fn shrunk(length: u64, before: u64) -> io::Error {
    let what = format!(
        "it has {length} bytes and had {before} before: what was behind is gone. Read files that are whole; a log that is emptied in \
         its place is to be renamed instead"
    );
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// A place in a file from which it is read on. Clones go on by themselves.
#[derive(Clone)]
pub(super) struct Cursor {
    file: Arc<dyn ReadAt>,
    length: u64,
    position: u64,
}

impl Cursor {
    /// At the start.
    pub(super) fn new(file: Arc<dyn ReadAt>) -> io::Result<Cursor> {
        Ok(Cursor { length: file.length()?, file, position: 0 })
    }

    /// At another place.
    #[cfg(any(feature = "msgpack", feature = "parquet"))]
    pub(super) fn at(&self, position: u64) -> Cursor {
        Cursor { position, ..self.clone() }
    }

    /// How many bytes the file has.
    pub(super) fn length(&self) -> u64 {
        self.length
    }
}

impl Read for Cursor {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.position)?;
        if read == 0 && !buffer.is_empty() && self.position < self.length {
            return Err(shrunk(self.position, self.length));
        }
        self.position += read as u64;
        Ok(read)
    }
}

impl Seek for Cursor {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let to = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(offset) => self.length.checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        self.position = to.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "a place before the start"))?;
        Ok(self.position)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use arrow_array::{Int64Array, RecordBatch, StringArray};
    use arrow_ipc::writer::FileWriter;
    use arrow_schema::{DataType, Field, Schema};

    use super::*;
    use crate::format::{Decoding, FORMATS, Format, Input, Layout, Spot};
    use crate::options::Options;

    /// Every third read fails, each time for another reason that passes; what it reads is short.
    struct Failing(Vec<u8>, AtomicUsize);

    impl ReadAt for Failing {
        fn length(&self) -> io::Result<u64> {
            Ok(self.0.len() as u64)
        }

        fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
            let turn = self.1.fetch_add(1, Ordering::Relaxed);
            if turn % 3 == 1 {
                return Err(io::Error::from_raw_os_error([5, 24, 116, 11, 12][turn / 3 % 5]));
            }
            let from = self.0.get(position as usize..).unwrap_or_default();
            let some = from.len().min(buffer.len()).min(60_000);
            buffer[..some].copy_from_slice(&from[..some]);
            Ok(some)
        }
    }

    fn batch(rows: std::ops::Range<i64>) -> RecordBatch {
        let fields = vec![Field::new("n", DataType::Int64, true), Field::new("text", DataType::Utf8, true)];
        let text: StringArray = rows.clone().map(|n| Some(format!("{n} {}", n * 7_919 % 104_729))).collect();
        let n: Int64Array = rows.map(Some).collect();
        RecordBatch::try_new(Arc::new(Schema::new(fields)), vec![Arc::new(n), Arc::new(text)]).unwrap()
    }

    fn written(format: &dyn Format) -> Vec<u8> {
        let mut encoder = format.encoder(&batch(0..1).schema(), &Options::default()).unwrap();
        let mut bytes = Vec::new();
        (0..4).for_each(|part| encoder.encode(&batch(part * 3_000..(part + 1) * 3_000), &mut bytes).unwrap());
        encoder.finish(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn a_file_of_blocks_is_read_on_from_where_reading_failed() {
        let mut files: Vec<(&dyn Format, Vec<u8>)> = ["parquet", "arrow", "msgpack"]
            .into_iter()
            .map(|name| crate::format::find(name).unwrap())
            .map(|format| (format, written(format)))
            .collect();
        // Arrow's other form, whose index is at the end too.
        let mut writer = FileWriter::try_new(Vec::new(), &batch(0..1).schema()).unwrap();
        (0..4).for_each(|part| writer.write(&batch(part * 3_000..(part + 1) * 3_000)).unwrap());
        files.push((crate::format::find("arrow").unwrap(), writer.into_inner().unwrap()));
        let blocks = FORMATS.iter().filter(|format| {
            let layout = Layout::new(&batch(0..1).schema(), &[0, 1], &Options::default()).unwrap();
            matches!(format.decoding(&layout, &Options::default()), Ok(Decoding::Blocks(_)))
        });
        assert_eq!(blocks.count(), 3, "every format of blocks is here");
        for (format, bytes) in files {
            let layout = Layout::new(&batch(0..1).schema(), &[0, 1], &Options::default()).unwrap();
            let Decoding::Blocks(decoding) = format.decoding(&layout, &Options::default()).unwrap() else {
                unreachable!("they are blocks")
            };
            let standing = Arc::default();
            let input = Failing(bytes, AtomicUsize::new(0));
            let file = Patient { input, standing: Arc::clone(&standing), what: "a file".to_owned() };
            let mut rows = 0..12_000;
            for part in decoding.open(Input::File(Arc::new(file)), Spot::default()).unwrap() {
                let (part, _) = part.unwrap();
                assert!(part.faults.is_empty(), "{}: {:?}", format.name(), part.faults);
                let of = |at: i64| batch(at..at + part.batch.num_rows() as i64);
                let from = rows.start;
                assert_eq!(part.batch.columns(), of(from).columns(), "{} from {from}", format.name());
                rows.start += part.batch.num_rows() as i64;
            }
            assert!(rows.is_empty(), "{}: {rows:?} did not come", format.name());
            assert!(standing.read().retries > 1 && standing.read().reason.is_none(), "{}", format.name());
        }
    }
}
