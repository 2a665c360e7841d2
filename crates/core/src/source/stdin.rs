//! `stdin`: rows from the standard input, until it ends. Live unless `'bounded' = 'true'`.

use std::io;
use std::sync::Arc;

use super::filesystem::{BlockReader, check_options, decoding, layout, refuse};
use super::partition::Place;
use super::position::only_once;
use super::text::{TextInput, TextReader, chunk_bytes};
use super::{Connector, Position, Read, Reader, Replay, SourceError, SourceSpec, SplitId, Start};
use crate::format::{self, Decoding, Input, Layout, Spot};
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
    format::TEXT_OPTIONS[4],
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
        let format = spec.formats.choose(&spec.options, "stdin.json").map_err(|error| refuse(spec, error))?;
        if format.name() == "parquet" {
            return Err(SourceError::Schema {
                source_name: spec.name.clone(),
                what: "Parquet has its index at the end and cannot be read from a stream".to_owned(),
                remedy: "write it to a file and use 'connector' = 'filesystem'".to_owned(),
            });
        }
        decoding(spec, &*format).map(drop)
    }

    fn replay(&self) -> Replay {
        Replay::Once
    }

    fn open(&self, spec: &SourceSpec, splits: &[(SplitId, Start)]) -> Result<Vec<Box<dyn Reader>>, SourceError> {
        self.check(spec)?;
        only_once(spec, splits)?;
        if splits.is_empty() {
            return Ok(Vec::new());
        }
        let format = spec.formats.choose(&spec.options, "stdin.json").map_err(|error| refuse(spec, error))?;
        Ok(vec![Box::new(StdinReader {
            source: spec.name.clone(),
            decoding: decoding(spec, &*format)?,
            layout: layout(spec)?,
            live: self.live(&spec.options),
            standing: Arc::default(),
            open: None,
        })])
    }
}

/// The standard input, not touched before it is read.
struct StdinReader {
    source: String,
    decoding: Decoding,
    layout: Layout,
    live: bool,
    standing: Arc<Standing>,
    open: Option<Box<dyn Reader>>,
}

impl Reader for StdinReader {
    fn name(&self) -> &str {
        "stdin"
    }

    fn shown(&mut self, standing: &Arc<Standing>) {
        self.standing = standing.clone();
    }

    fn read(&mut self) -> Result<Read, SourceError> {
        let open = match self.open.take() {
            Some(open) => open,
            None => self.begin()?,
        };
        self.open.insert(open).read()
    }
}

impl StdinReader {
    fn begin(&self) -> Result<Box<dyn Reader>, SourceError> {
        let place = Place::new(&self.source, "stdin");
        // It is there; whether anything comes is another matter.
        self.standing.opened();
        let (standing, what) = (self.standing.clone(), "source on the standard input".to_owned());
        let open = move |_| -> io::Result<Box<dyn io::Read + Send>> {
            Ok(Box::new(Patient { input: io::stdin(), standing: standing.clone(), what: what.clone() }))
        };
        match &self.decoding {
            Decoding::Text(decoding) => {
                let (decoding, layout) = (decoding.clone(), self.layout.clone());
                let (threads, chunk_bytes, live) = (1, chunk_bytes(self.layout.wanted.fields().len()), self.live);
                let text = TextInput { open: Box::new(open), decoding, layout, threads, chunk_bytes, live };
                let failed = |error| Place::new(&self.source, "stdin").failed("reading", error);
                Ok(Box::new(TextReader::start(text, place, &Position::default()).map_err(failed)?))
            }
            Decoding::Blocks(decoding) => {
                let bad = |error: String| place.failed("reading", io::Error::new(io::ErrorKind::InvalidData, error));
                let input = open(0).map_err(|error| place.failed("reading", error))?;
                let parts = format::readable(|| decoding.open(Input::Stream(input), Spot::default())).map_err(bad)?;
                Ok(Box::new(BlockReader { parts, place }))
            }
        }
    }
}
