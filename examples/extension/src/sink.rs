//! `'connector' = 'journal'`, written. Over restarts with a data directory every row is there once: a run that goes on is handed what it
//! wrote again, compares that with what stands in the file, and goes on behind it.

use std::fs::{File, OpenOptions};
use std::io::Write as _;

use highwater::arrow_array::cast::AsArray;
use highwater::arrow_array::types::{Int64Type, TimestampMillisecondType};
use highwater::arrow_schema::{DataType, TimeUnit};
use highwater::extend::{Before, Delta, Epoch, OptionError, OptionSpec, SinkConnector, SinkError, SinkSpec, Writer};

/// The connector.
#[derive(Debug)]
pub struct JournalSink;

fn path(spec: &SinkSpec) -> Result<&str, OptionError> {
    spec.options.required("path", &format!("sink '{}'", spec.name), "the journal's file")
}

impl SinkConnector for JournalSink {
    fn name(&self) -> &str {
        "journal"
    }

    fn help(&self) -> &str {
        "writes a journal: a time and a value a record"
    }

    fn options(&self) -> &'static [OptionSpec] {
        &[OptionSpec { name: "path", help: "the journal's file" }]
    }

    fn check(&self, spec: &SinkSpec) -> Result<(), SinkError> {
        path(spec)?;
        let refuse = |what: &str, remedy: &str| {
            Err(SinkError::Schema { sink: spec.name.clone(), what: what.to_owned(), remedy: remedy.to_owned() })
        };
        let types: Vec<&DataType> = spec.schema.fields().iter().map(|field| field.data_type()).collect();
        match types.as_slice() {
            _ if spec.retracting => refuse("a journal takes nothing back", "write the rows of windows that are closed"),
            [DataType::Timestamp(TimeUnit::Millisecond, None), DataType::Int64] => Ok(()),
            _ => refuse("a journal has a time and a value", "select a TIMESTAMP(3) and a BIGINT"),
        }
    }

    fn per_worker(&self, _: &SinkSpec) -> bool {
        false
    }

    fn open(&self, spec: &SinkSpec, part: usize, parts: usize) -> Result<Box<dyn Writer>, SinkError> {
        self.kept(spec, part, parts, Before::default())
    }

    fn kept(&self, spec: &SinkSpec, _: usize, _: usize, before: Before) -> Result<Box<dyn Writer>, SinkError> {
        self.check(spec)?;
        let there = match before.begun {
            true => std::fs::read(path(spec)?).unwrap_or_default(),
            false => Vec::new(),
        };
        Ok(Box::new(JournalWriter { spec: spec.clone(), there, written: 0, buffer: Vec::new(), file: None }))
    }
}

struct JournalWriter {
    spec: SinkSpec,
    /// What an earlier run wrote, all of which comes again.
    there: Vec<u8>,
    /// Bytes that were written, or are there already.
    written: usize,
    buffer: Vec<u8>,
    file: Option<File>,
}

impl JournalWriter {
    fn failed(&self, error: std::io::Error) -> SinkError {
        let path = self.spec.options.get("path").unwrap_or_default();
        SinkError::Io { sink: self.spec.name.clone(), what: format!("writing '{path}'"), error }
    }

    fn differs(&self) -> SinkError {
        SinkError::Schema {
            sink: self.spec.name.clone(),
            what: format!("what stands in the journal from byte {} on is of another run", self.written),
            remedy: "move it away, and begin with a fresh data directory".to_owned(),
        }
    }

    /// The file; emptied where no earlier run is gone on with.
    fn file(&mut self) -> Result<&mut File, SinkError> {
        if self.file.is_none() {
            let goes_on = !self.there.is_empty();
            let path = path(&self.spec)?;
            let opened = OpenOptions::new().create(true).append(goes_on).write(true).truncate(!goes_on).open(path);
            self.file = Some(opened.map_err(|error| self.failed(error))?);
        }
        match &mut self.file {
            Some(file) => Ok(file),
            None => unreachable!("it was opened"),
        }
    }
}

impl Writer for JournalWriter {
    fn begin(&mut self) -> Result<(), SinkError> {
        self.file().map(drop)
    }

    fn write(&mut self, _: Epoch, changes: &Delta) -> Result<(), SinkError> {
        let (times, values) = (changes.batch().column(0), changes.batch().column(1));
        let times = times.as_primitive::<TimestampMillisecondType>();
        let values = values.as_primitive::<Int64Type>();
        for row in 0..changes.len() {
            for _ in 0..changes.diff(row) {
                self.buffer.extend(times.value(row).to_le_bytes());
                self.buffer.extend(values.value(row).to_le_bytes());
            }
        }
        Ok(())
    }

    fn gathered(&self) -> usize {
        self.buffer.len()
    }

    fn compares(&self) -> bool {
        self.written < self.there.len()
    }

    fn flush(&mut self) -> Result<(), SinkError> {
        // What is there already is passed over.
        let known = self.there.len().saturating_sub(self.written).min(self.buffer.len());
        if self.there[self.written.min(self.there.len())..][..known] != self.buffer[..known] {
            return Err(self.differs());
        }
        self.buffer.drain(..known);
        self.written += known;
        // A write that fails in its middle is tried again from there.
        while !self.buffer.is_empty() {
            let buffer = std::mem::take(&mut self.buffer);
            let written = self.file()?.write(&buffer);
            self.buffer = buffer;
            let written = written.map_err(|error| self.failed(error))?;
            self.buffer.drain(..written);
            self.written += written;
        }
        Ok(())
    }

    fn caught_up(&mut self) -> Result<(), SinkError> {
        if self.compares() { Err(self.differs()) } else { Ok(()) }
    }

    fn close(&mut self) -> Result<(), SinkError> {
        self.begin()?;
        self.flush()
    }
}
