//! `print`: one JSON object a line on the standard output, an epoch at a time.

use std::io::Write as _;

use arrow_schema::SchemaRef;

use super::filesystem::refuse;
use super::{SinkConnector, SinkError, SinkSpec, Writer, changes, drain};
use crate::delta::Delta;
use crate::format::{self, Encoder, Format};
use crate::options::{OptionSpec, Options};
use crate::time::Epoch;

/// The connector `print`.
#[derive(Debug)]
pub(super) struct Print;

impl SinkConnector for Print {
    fn name(&self) -> &'static str {
        "print"
    }

    fn help(&self) -> &'static str {
        "writes JSON lines to the standard output"
    }

    fn options(&self) -> &'static [OptionSpec] {
        &[]
    }

    fn check(&self, spec: &SinkSpec) -> Result<(), SinkError> {
        changes::check(spec, &[])?;
        encoder(spec).map(drop)
    }

    fn per_worker(&self, _: &SinkSpec) -> bool {
        false
    }

    /// What it was handed is gone.
    fn resumes(&self, _: &SinkSpec) -> bool {
        true
    }

    fn open(&self, spec: &SinkSpec, _: usize, _: usize) -> Result<Box<dyn Writer>, SinkError> {
        self.check(spec)?;
        Ok(Box::new(PrintWriter {
            spec: spec.clone(),
            schema: changes::schema(spec),
            encoder: encoder(spec)?,
            buffer: Vec::new(),
        }))
    }
}

fn encoder(spec: &SinkSpec) -> Result<Box<dyn Encoder>, SinkError> {
    let json: Option<&'static dyn Format> = format::find("json");
    match (json, spec.options.get("format").unwrap_or("json")) {
        (Some(json), name) if name.eq_ignore_ascii_case("json") => {
            json.encoder(&changes::schema(spec), &Options::default()).map_err(|error| refuse(spec, error))
        }
        (_, name) => Err(SinkError::Schema {
            sink: spec.name.clone(),
            what: format!("print writes no {name}"),
            remedy: "leave out 'format', or write a file with 'connector' = 'filesystem'".to_owned(),
        }),
    }
}

struct PrintWriter {
    spec: SinkSpec,
    schema: SchemaRef,
    encoder: Box<dyn Encoder>,
    buffer: Vec<u8>,
}

impl PrintWriter {
    fn out(&self, result: std::io::Result<()>) -> Result<(), SinkError> {
        result.map_err(|error| SinkError::Io {
            sink: self.spec.name.clone(),
            what: "writing to the standard output".to_owned(),
            error,
        })
    }
}

impl Writer for PrintWriter {
    fn write(&mut self, epoch: Epoch, changes: &Delta) -> Result<(), SinkError> {
        let rows = changes::rows(&self.spec, &self.schema, epoch, changes)?;
        self.encoder.encode(&rows, &mut self.buffer).map_err(|error| refuse(&self.spec, error))
    }

    fn gathered(&self) -> usize {
        self.buffer.len()
    }

    fn flush(&mut self) -> Result<(), SinkError> {
        let mut out = std::io::stdout().lock();
        let written = drain(&mut self.buffer, &mut out).and_then(|()| out.flush());
        self.out(written)
    }

    fn close(&mut self) -> Result<(), SinkError> {
        self.flush()
    }
}
