//! `stdin`: rows from the standard input, until it ends. Live unless `'bounded' = 'true'`.

use std::io;
use std::sync::Arc;

use super::filesystem::{BlockReader, check_options, decoding, layout, refuse};
use super::partition::Position;
use super::text::{CHUNK_BYTES, TextInput, TextReader};
use super::{Connector, Reader, SourceError, SourceSpec};
use crate::format::{self, Decoding, Input};
use crate::options::{OptionSpec, Options};
use crate::retry::{Patient, Standing};

/// The connector `stdin`.
#[derive(Debug)]
pub(super) struct Stdin;

const OPTIONS: &[OptionSpec] = &[
    OptionSpec {
        name: "bounded",
        help: "whether the input is a file on its way, with ticks by row count so that a run repeats byte for byte: \
                       true, false (default false: ticks by the clock)",
    },
    OptionSpec { name: "max-row-bytes", help: format::DECODING_OPTIONS[0].help },
    format::TEXT_OPTIONS[0],
    format::TEXT_OPTIONS[1],
    format::TEXT_OPTIONS[2],
    format::TEXT_OPTIONS[3],
];

const BOOLEANS: &[(&str, bool)] = &[("true", true), ("false", false)];

impl Connector for Stdin {
    fn name(&self) -> &'static str {
        "stdin"
    }

    fn help(&self) -> &'static str {
        "reads the standard input: JSON lines unless 'format' says else"
    }

    fn options(&self) -> &'static [OptionSpec] {
        OPTIONS
    }

    fn live(&self, options: &Options) -> bool {
        !matches!(options.one_of("bounded", BOOLEANS), Ok(Some(true)))
    }

    fn check(&self, spec: &SourceSpec) -> Result<(), SourceError> {
        check_options(spec, self.options(), Some("stdin.json"))?;
        spec.options.one_of("bounded", BOOLEANS)?;
        let format = format::choose(&spec.options, "stdin.json").map_err(|error| refuse(spec, error))?;
        if format.name() == "parquet" {
            return Err(SourceError::Schema {
                source_name: spec.name.clone(),
                what: "Parquet has its index at the end and cannot be read from a stream".to_owned(),
                remedy: "write it to a file and use 'connector' = 'filesystem'".to_owned(),
            });
        }
        decoding(spec, format).map(drop)
    }

    fn rereadable(&self) -> bool {
        false
    }

    fn open(&self, spec: &SourceSpec) -> Result<Vec<Box<dyn Reader>>, SourceError> {
        self.check(spec)?;
        let format = format::choose(&spec.options, "stdin.json").map_err(|error| refuse(spec, error))?;
        let position = Position::new(&spec.name, "stdin");
        let reader: Box<dyn Reader> = match decoding(spec, format)? {
            Decoding::Text(decoding) => Box::new(LazyStdin {
                text: Some((
                    TextInput {
                        input: Box::new(io::stdin()),
                        decoding,
                        layout: layout(spec)?,
                        threads: 1,
                        chunk_bytes: CHUNK_BYTES,
                        live: self.live(&spec.options),
                    },
                    position,
                )),
                open: None,
            }),
            Decoding::Blocks(decoding) => {
                let bad = |error: String| position.failed("reading", io::Error::new(io::ErrorKind::InvalidData, error));
                let parts = decoding.open(Input::Stream(Box::new(io::stdin()))).map_err(bad)?;
                Box::new(BlockReader { parts, position })
            }
        };
        Ok(vec![reader])
    }
}

/// The standard input, not touched before it is read.
struct LazyStdin {
    text: Option<(TextInput, Position)>,
    open: Option<TextReader>,
}

impl Reader for LazyStdin {
    fn name(&self) -> &str {
        "stdin"
    }

    fn shown(&mut self, standing: &Arc<Standing>) {
        if let Some((text, _)) = &mut self.text {
            let (standing, what) = (standing.clone(), "source on the standard input".to_owned());
            text.input = Box::new(Patient { input: io::stdin(), standing, what });
        }
    }

    fn read(&mut self) -> Result<super::Read, SourceError> {
        if let Some((text, position)) = self.text.take() {
            let failed = |error| Position::new("stdin", "stdin").failed("reading", error);
            self.open = Some(TextReader::start(text, position).map_err(failed)?);
        }
        self.open.as_mut().map_or(Ok(super::Read::End), TextReader::read)
    }
}
