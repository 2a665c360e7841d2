//! Parquet: reads only the wanted columns; writes a row group every 128 Ki rows, and the footer when it ends.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::arrow::arrow_writer::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use super::blocks::Adapter;
use super::{BlockDecoding, Decoding, Encoder, Format, FormatError, Input, Layout, Part};
use crate::options::{OptionSpec, Options};

/// Rows of a batch read.
const BATCH_ROWS: usize = 8192;
/// Rows of a row group written.
const GROUP_ROWS: usize = 128 << 10;

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
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_max_row_group_row_count(Some(GROUP_ROWS))
            .build();
        let writer = ArrowWriter::try_new(Vec::new(), schema.clone(), Some(properties)).map_err(cannot_write)?;
        Ok(Box::new(ParquetEncoder { writer }))
    }
}

#[derive(Debug)]
struct ParquetDecoding {
    layout: Layout,
}

impl BlockDecoding for ParquetDecoding {
    fn open(&self, input: Input) -> Result<Box<dyn Iterator<Item = Result<Part, String>> + Send>, String> {
        let Input::File(file) = input else {
            return Err(
                "Parquet has its index at the end and cannot be read from a stream: write it to a file".to_owned()
            );
        };
        if file.metadata().is_ok_and(|metadata| metadata.len() == 0) {
            return Ok(Box::new(std::iter::empty()));
        }
        let builder =
            ParquetRecordBatchReaderBuilder::try_new(file).map_err(|error| format!("not Parquet: {error}"))?;
        let names = self.layout.wanted.fields().iter().map(|field| field.name().as_str());
        let known = builder.schema().clone();
        let roots: Vec<usize> = names.filter_map(|name| known.index_of(name).ok()).collect();
        // The adapter names the columns that are not there.
        Adapter::new(&self.layout, &known)?;
        let mask = ProjectionMask::roots(builder.parquet_schema(), roots);
        let reader =
            builder.with_projection(mask).with_batch_size(BATCH_ROWS).build().map_err(|error| error.to_string())?;
        let mut adapter = Adapter::new(&self.layout, &arrow_array::RecordBatchReader::schema(&reader))?;
        Ok(Box::new(reader.map(move |batch| adapter.part(&batch.map_err(|error| error.to_string())?))))
    }
}

struct ParquetEncoder {
    writer: ArrowWriter<Vec<u8>>,
}

impl Encoder for ParquetEncoder {
    fn encode(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<(), FormatError> {
        self.writer.write(batch).map_err(cannot_write)?;
        out.append(self.writer.inner_mut());
        Ok(())
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), FormatError> {
        self.writer.finish().map_err(cannot_write)?;
        out.append(self.writer.inner_mut());
        Ok(())
    }

    fn in_rows(&self) -> bool {
        false
    }
}

fn cannot_write(error: parquet::errors::ParquetError) -> FormatError {
    FormatError::Schema { what: format!("cannot be written as Parquet: {error}"), remedy: "cast the column".to_owned() }
}
