//! `'connector' = 'journal'`, read: a file of records, each a time and a value.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::sync::Arc;

use highwater::arrow_array::{ArrayRef, Int64Array, RecordBatch, TimestampMillisecondArray};
use highwater::arrow_schema::{DataType, Field, FieldRef, TimeUnit};
use highwater::extend::{
    Connector, Decoded, OptionError, OptionSpec, Options, Read, Reader, Replay, SourceError, SourceSpec, SplitId, Start,
};

use crate::RECORD;

/// Records of a batch, at most.
const BATCH: usize = 1000;

/// The connector.
#[derive(Debug)]
pub struct JournalSource;

fn columns() -> Vec<FieldRef> {
    let time = DataType::Timestamp(TimeUnit::Millisecond, None);
    [("ts", time), ("value", DataType::Int64)].map(|(name, of)| Arc::new(Field::new(name, of, true))).to_vec()
}

fn path(spec: &SourceSpec) -> Result<&str, OptionError> {
    spec.options.required("path", &format!("source '{}'", spec.name), "the journal's file")
}

impl Connector for JournalSource {
    fn name(&self) -> &str {
        "journal"
    }

    fn help(&self) -> &str {
        "reads a journal: a time and a value a record"
    }

    fn options(&self) -> &'static [OptionSpec] {
        &[OptionSpec { name: "path", help: "the journal's file" }]
    }

    fn default_columns(&self, _: &Options) -> Option<Vec<FieldRef>> {
        Some(columns())
    }

    fn live(&self, _: &Options) -> bool {
        false
    }

    fn check(&self, spec: &SourceSpec) -> Result<(), SourceError> {
        path(spec)?;
        let types = |fields: &[FieldRef]| fields.iter().map(|field| field.data_type().clone()).collect::<Vec<_>>();
        match types(spec.physical.fields()) == types(&columns()) {
            true => Ok(()),
            false => Err(SourceError::Schema {
                source_name: spec.name.clone(),
                what: "a journal has a time and a value".to_owned(),
                remedy: "declare (ts TIMESTAMP(3), value BIGINT)".to_owned(),
            }),
        }
    }

    fn replay(&self) -> Replay {
        Replay::Seek
    }

    fn open(&self, spec: &SourceSpec, splits: &[(SplitId, Start)]) -> Result<Vec<Box<dyn Reader>>, SourceError> {
        let open = |(_, start): &(SplitId, Start)| -> Result<Box<dyn Reader>, SourceError> {
            let failed = |error| failed(spec, "opening", error);
            let before = start.position().rows;
            let mut file = File::open(path(spec)?).map_err(failed)?;
            file.seek(SeekFrom::Start(before * RECORD as u64)).map_err(failed)?;
            Ok(Box::new(JournalReader { spec: spec.clone(), name: path(spec)?.to_owned(), file, before }))
        };
        splits.iter().map(open).collect()
    }
}

fn failed(spec: &SourceSpec, what: &str, error: std::io::Error) -> SourceError {
    let path = spec.options.get("path").unwrap_or_default();
    SourceError::Io { source_name: spec.name.clone(), what: format!("{what} '{path}'"), error }
}

struct JournalReader {
    spec: SourceSpec,
    name: String,
    file: File,
    /// How many records were read.
    before: u64,
}

impl Reader for JournalReader {
    fn name(&self) -> &str {
        &self.name
    }

    fn read(&mut self) -> Result<Read, SourceError> {
        let mut bytes = Vec::new();
        let read = (&mut self.file).take((BATCH * RECORD) as u64).read_to_end(&mut bytes);
        read.map_err(|error| failed(&self.spec, "reading", error))?;
        let numbers: Vec<i64> =
            bytes.chunks_exact(8).map(|number| number.try_into().map_or(0, i64::from_le_bytes)).collect();
        let records = numbers.chunks_exact(2);
        if records.len() == 0 {
            return Ok(Read::End);
        }
        let rows = records.len() as u64;
        let all: [ArrayRef; 2] = [
            Arc::new(records.clone().map(|record| Some(record[0])).collect::<TimestampMillisecondArray>()),
            Arc::new(records.map(|record| Some(record[1])).collect::<Int64Array>()),
        ];
        // Only the columns that somebody reads.
        let columns = self.spec.decode.iter().map(|&column| all[column].clone()).collect();
        let schema = self.spec.physical.project(&self.spec.decode);
        let options = highwater::arrow_array::RecordBatchOptions::new().with_row_count(Some(rows as usize));
        let batch = schema
            .and_then(|schema| RecordBatch::try_new_with_options(Arc::new(schema), columns, &options))
            .map_err(|error| failed(&self.spec, "reading", std::io::Error::other(error)))?;
        let decoded = Decoded::rows(batch, self.before);
        self.before += rows;
        Ok(Read::Rows(decoded))
    }
}
