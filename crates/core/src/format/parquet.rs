//! Parquet: reads only the wanted columns, row group by row group; writes a row group every 128 Ki rows, and the footer when
//! it ends.

use std::io::{BufReader, Read};
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{DataType, SchemaRef};
use bytes::Bytes;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use parquet::arrow::arrow_writer::ArrowWriter;
use parquet::basic::{Compression, LogicalType, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{ChunkReader, Length};
use parquet::schema::types::ColumnDescPtr;

use super::blocks::{Adapter, lost, next_batch, readable};
use super::foreign::plain;
use super::parquet_intervals as intervals;
use super::read_at::Cursor;
use super::uuid::{UUID, marked, named_in};
use super::{BlockDecoding, Decoding, Encoder, Format, FormatError, Input, Layout, Part, Parts, Spot};
use crate::counted::counted;
use crate::delta::memory;
use crate::options::{OptionSpec, Options};

/// Rows of a batch read.
const BATCH_ROWS: usize = 8192;
/// More rows than this are not believed to be lost.
const MOST_LOST: u64 = 1 << 40;
/// Rows of a row group written.
const GROUP_ROWS: usize = 128 << 10;
/// Rows of fewer bytes wait for more, or for the end, before they are packed.
const FEW_BYTES: usize = 256 << 10;
/// What a column of a batch takes besides its values, about.
const BATCH_BYTES: usize = 256;
/// How much a reader of a column asks for at once.
const AHEAD_BYTES: usize = 8 << 10;

/// The format `parquet`.
#[derive(Debug)]
pub(super) struct Parquet;

impl Format for Parquet {
    fn name(&self) -> &'static str {
        "parquet"
    }

    fn help(&self) -> &'static str {
        "Parquet files; written with zstd, whole when the output ends"
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["parquet"]
    }

    fn options(&self) -> &'static [OptionSpec] {
        &[]
    }

    fn decoding(&self, layout: &Layout, _: &Options) -> Result<Decoding, FormatError> {
        Ok(Decoding::Blocks(Arc::new(ParquetDecoding { layout: layout.clone() })))
    }

    fn encoder(&self, schema: &SchemaRef, _: &Options) -> Result<Box<dyn Encoder>, FormatError> {
        // Whether it can be written is found out now.
        writer(schema)?;
        if let Some(field) = schema.fields().iter().find(|field| has_intervals(field.data_type())) {
            return Err(FormatError::Schema {
                what: format!(
                    "column '{}' has intervals, for which Parquet has no type with all their parts",
                    field.name()
                ),
                remedy: format!("write CAST({} AS VARCHAR)", field.name()),
            });
        }
        Ok(Box::new(ParquetEncoder { schema: schema.clone(), few: Vec::new(), bytes: 0, writer: None }))
    }
}

#[derive(Debug)]
struct ParquetDecoding {
    layout: Layout,
}

impl BlockDecoding for ParquetDecoding {
    fn open(&self, input: Input, from: Spot) -> Result<Parts, String> {
        let Input::File(file) = input else {
            return Err(
                "Parquet has its index at the end and cannot be read from a stream: write it to a file".to_owned()
            );
        };
        let file = Cursor::new(file).map_err(|error| error.to_string())?;
        if file.length() == 0 {
            return Err("not Parquet: there are 0 bytes; whoever wrote it did not get to its end".to_owned());
        }
        ends(&file)?;
        let load = |options: ArrowReaderOptions| {
            let load = || ArrowReaderMetadata::load(&file, options).map_err(|error| error.to_string());
            readable(load).map_err(|error| format!("not Parquet: {}", plain(&error)))
        };
        let mut metadata = load(ArrowReaderOptions::default())?;
        let columns = metadata.parquet_schema().columns().iter();
        let names: Vec<_> =
            columns.map(|column| if is_uuid(column) { Some(UUID) } else { intervals::name(column) }).collect();
        if let Some(schema) = intervals::as_bytes(metadata.parquet_schema()) {
            metadata = load(ArrowReaderOptions::default().with_parquet_schema(Arc::new(schema)))?;
        }
        if let Some(packing) =
            metadata.metadata().row_groups().first().and_then(|group| group.columns().iter().find_map(unread))
        {
            return Err(format!(
                "its columns are packed with {packing}, which is not read: write it with zstd, snappy, gzip or lz4"
            ));
        }
        let wanted = self.layout.wanted.fields().iter().map(|field| field.name().as_str());
        let known = metadata.schema().clone();
        let roots: Vec<usize> = wanted.filter_map(|name| known.index_of(name).ok()).collect();
        let known = marked(&known, &names);
        Adapter::of_file(&self.layout, &known)?;
        let mask = ProjectionMask::roots(metadata.parquet_schema(), roots);
        let next = usize::try_from(from.at).unwrap_or(usize::MAX);
        Ok(Box::new(Groups {
            file,
            metadata,
            mask,
            layout: self.layout.clone(),
            known,
            next,
            passed: from.within,
            open: None,
        }))
    }
}

/// Refuses a file that does not begin and end as Parquet does.
fn ends(file: &Cursor) -> Result<(), String> {
    let four = |at: u64| -> std::io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        file.at(at).take(4).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let (begins, ends) = (four(0), four(file.length().saturating_sub(4)));
    match (begins.map_err(|error| error.to_string())?.as_slice(), ends.map_err(|error| error.to_string())?.as_slice()) {
        (b"PARE", _) | (_, b"PARE") => Err("its index is encrypted, which is not read".to_owned()),
        (b"PAR1", b"PAR1") => Ok(()),
        (b"PAR1", _) => {
            Err("not Parquet: it breaks off before its index; whoever wrote it did not get to its end".to_owned())
        }
        _ => Err("not Parquet: it does not begin as a file of Parquet does".to_owned()),
    }
}

fn is_uuid(column: &ColumnDescPtr) -> bool {
    matches!(column.logical_type_ref(), Some(LogicalType::Uuid))
}

/// How a column is packed, if that is not read.
fn unread(column: &ColumnChunkMetaData) -> Option<&'static str> {
    match column.compression() {
        Compression::BROTLI(_) => Some("Brotli"),
        Compression::LZO => Some("LZO"),
        _ => None,
    }
}

/// The row groups of a file, one after the other: one that is damaged does not keep the next from being read.
struct Groups {
    file: Cursor,
    metadata: ArrowReaderMetadata,
    mask: ProjectionMask,
    layout: Layout,
    /// The columns, as which of them hold UUIDs.
    known: SchemaRef,
    /// The next group to open, and how many of its rows are passed over.
    next: usize,
    passed: u64,
    open: Option<Group>,
}

/// The row group being read.
struct Group {
    reader: ParquetRecordBatchReader,
    adapter: Adapter,
    /// Rows that came, and that are still to come.
    done: u64,
    left: u64,
}

impl Groups {
    fn open(&self, group: usize, done: u64, left: u64) -> Result<Group, String> {
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(self.file.clone(), self.metadata.clone());
        let builder = builder.with_projection(self.mask.clone()).with_batch_size(BATCH_ROWS);
        let builder = match usize::try_from(done) {
            Ok(0) | Err(_) => builder,
            Ok(done) => builder.with_offset(done),
        };
        let reader = builder.with_row_groups(vec![group]).build().map_err(|error| error.to_string())?;
        let found = named_in(&arrow_array::RecordBatchReader::schema(&reader), &self.known);
        let adapter = Adapter::new(&self.layout, &found);
        Ok(Group { reader, adapter, done, left })
    }

    /// What is left of the group at hand cannot be read.
    fn lost(&mut self, rows: u64, error: &str) -> (Part, Spot) {
        self.open = None;
        let (group, groups) = (self.next, self.metadata.metadata().num_row_groups());
        // How many it has is only what it says.
        let gone = counted(rows, "row");
        let detail = format!("{gone} of row group {group} of {groups} cannot be read: {error}");
        (lost(&self.layout, rows.clamp(1, MOST_LOST), detail), Spot { at: self.next as u64, within: 0 })
    }
}

impl Iterator for Groups {
    type Item = Result<(Part, Spot), String>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let Some(group) = &mut self.open else {
                let (group, groups) = (self.next, self.metadata.metadata().row_groups());
                let rows = u64::try_from(groups.get(group)?.num_rows()).unwrap_or(0);
                let done = std::mem::take(&mut self.passed).min(rows);
                self.next += 1;
                match readable(|| self.open(group, done, rows - done)) {
                    Ok(opened) => self.open = Some(opened),
                    Err(error) => return Some(Ok(self.lost(rows - done, &error))),
                }
                continue;
            };
            let left = group.left;
            match next_batch(&mut group.reader) {
                Some(Ok(batch)) => {
                    group.left = left.saturating_sub(batch.num_rows() as u64);
                    group.done += batch.num_rows() as u64;
                    let spot = match group.left {
                        0 => Spot { at: self.next as u64, within: 0 },
                        _ => Spot { at: self.next as u64 - 1, within: group.done },
                    };
                    let batch = intervals::read(batch, &self.known);
                    return Some(group.adapter.part(&batch).map(|part| (part, spot)));
                }
                Some(Err(error)) => return Some(Ok(self.lost(left, &error))),
                None if left > 0 => return Some(Ok(self.lost(left, "they are not there"))),
                None => self.open = None,
            }
        }
    }
}

impl Length for Cursor {
    fn len(&self) -> u64 {
        self.length()
    }
}

impl ChunkReader for Cursor {
    type T = BufReader<Cursor>;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        Ok(BufReader::with_capacity(AHEAD_BYTES, self.at(start)))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        let past = || ParquetError::EOF(format!("{length} bytes at {start} of {}", self.length()));
        // What the index says of lengths reserves no more than there is.
        if start.checked_add(length as u64).is_none_or(|end| end > self.length()) {
            return Err(past());
        }
        let mut bytes = Vec::with_capacity(length);
        self.at(start).take(length as u64).read_to_end(&mut bytes)?;
        if bytes.len() == length { Ok(bytes.into()) } else { Err(past()) }
    }
}

/// Holds few rows as they came, since a writer takes about a MiB for its columns: of many files, those with few rows take little.
struct ParquetEncoder {
    schema: SchemaRef,
    few: Vec<RecordBatch>,
    /// Of those.
    bytes: usize,
    writer: Option<ArrowWriter<Vec<u8>>>,
}

fn has_intervals(kind: &DataType) -> bool {
    match kind {
        DataType::Interval(_) => true,
        DataType::List(item) | DataType::Map(item, _) => has_intervals(item.data_type()),
        DataType::Struct(fields) => fields.iter().any(|field| has_intervals(field.data_type())),
        _ => false,
    }
}

/// A writer of a file.
fn writer(schema: &SchemaRef) -> Result<ArrowWriter<Vec<u8>>, FormatError> {
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_max_row_group_row_count(Some(GROUP_ROWS))
        .build();
    ArrowWriter::try_new(Vec::new(), schema.clone(), Some(properties)).map_err(cannot_write)
}

impl ParquetEncoder {
    /// Hands the few rows to the writer.
    fn begin(&mut self) -> Result<&mut ArrowWriter<Vec<u8>>, FormatError> {
        let mut writer = match self.writer.take() {
            Some(writer) => writer,
            None => writer(&self.schema)?,
        };
        self.bytes = 0;
        for batch in self.few.drain(..) {
            writer.write(&batch).map_err(cannot_write)?;
        }
        Ok(self.writer.insert(writer))
    }
}

impl Encoder for ParquetEncoder {
    fn encode(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<(), FormatError> {
        if self.writer.is_none() {
            self.bytes += memory(batch) + BATCH_BYTES * batch.num_columns();
            self.few.push(batch.clone());
            if self.bytes < FEW_BYTES {
                return Ok(());
            }
            out.append(self.begin()?.inner_mut());
            return Ok(());
        }
        let writer = self.begin()?;
        writer.write(batch).map_err(cannot_write)?;
        out.append(writer.inner_mut());
        Ok(())
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), FormatError> {
        let writer = self.begin()?;
        writer.finish().map_err(cannot_write)?;
        out.append(writer.inner_mut());
        Ok(())
    }

    fn held(&self) -> usize {
        self.bytes + self.writer.as_ref().map_or(0, ArrowWriter::memory_size)
    }

    fn ahead(&self) -> usize {
        self.bytes + self.writer.as_ref().map_or(0, ArrowWriter::in_progress_size)
    }

    fn in_rows(&self) -> bool {
        false
    }
}

fn cannot_write(error: ParquetError) -> FormatError {
    FormatError::Schema { what: format!("cannot be written as Parquet: {error}"), remedy: "cast the column".to_owned() }
}
