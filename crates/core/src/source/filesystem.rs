//! `filesystem`: a file, the files of a folder, or those that a pattern matches; one partition a file, by path, or all one (`monitored.rs`).
//!
//! Bounded: what is there when the dataflow starts; unless it watches for more (`monitored.rs`). Hidden files (`.x`, `_x`) of a folder or pattern are passed over. Of a
//! folder's folders those by partition are read too, whose names tell a column (`path_values.rs`).

use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::beside::Beside;
use super::monitored::{Monitored, Watch};
use super::partition::Place;
use super::path_values::{DEFAULT_NAME, default_name, path_values};
use super::splits::{self, Found, WATCHED, WILD, found, splits_of};
use super::text::{self, TextInput, TextReader};
use super::unpacking::{COMPRESSION, packed, unpacked};
use super::whole::Whole;
use super::{
    Connector, Decoded, Packing, Position, Read, Reader, Replay, SOURCE_OPTIONS, SourceError, SourceSpec, SplitId,
    Start,
};
use crate::format::{self, Decoding, Format, FormatError, Input, Layout, Notices, Parts, skip};
use crate::options::{Inputs, OptionError, OptionSpec, Options, local};
use crate::registered::Registered;
use crate::retry::{Patient, Standing, until_it_goes};

/// The connector `filesystem`.
#[derive(Debug)]
pub(super) struct Filesystem;

/// The option that makes it watch.
const MONITOR: &str = "source.monitor-interval";

const OPTIONS: &[OptionSpec] = &[
    OptionSpec { name: "path", help: "a file, a folder, or a pattern with * and ?, also as file://" },
    COMPRESSION,
    OptionSpec {
        name: MONITOR,
        help: "how often is looked for new files, which are read one after another (default: never; the source ends)",
    },
    OptionSpec {
        name: "decode-threads",
        help: "how many threads decode one file of a text format (default: one a core)",
    },
    OptionSpec {
        name: "decode-bytes",
        help: "how many bytes of a text format are decoded at a time (default 1 MiB, of wide rows 2 KiB a column); results do not depend on it",
    },
    OptionSpec { name: "max-row-bytes", help: format::DECODING_OPTIONS[0].help },
    DEFAULT_NAME,
    format::TEXT_OPTIONS[0],
    format::TEXT_OPTIONS[1],
    format::TEXT_OPTIONS[2],
    format::TEXT_OPTIONS[3],
    format::TEXT_OPTIONS[4],
];

impl Connector for Filesystem {
    fn name(&self) -> &'static str {
        "filesystem"
    }

    fn help(&self) -> &'static str {
        "reads a file, a folder or a pattern of files: JSON, CSV, MessagePack, Arrow or Parquet"
    }

    fn options(&self) -> &'static [OptionSpec] {
        OPTIONS
    }

    fn live(&self, options: &Options) -> bool {
        options.get(MONITOR).is_some()
    }

    fn check(&self, spec: &SourceSpec) -> Result<(), SourceError> {
        let (packing, path) = packed(&spec.options, path(spec)?)?;
        check_options(spec, self.options(), Some(path))?;
        threads(&spec.options)?;
        chunk_bytes(&spec.options, spec.decode.len())?;
        default_name(spec)?;
        interval(&spec.options)?;
        match spec.formats.choose(&spec.options, path) {
            Ok(format) => {
                streamed(spec, packing, &*format)?;
                decoding(spec, &*format).map(drop)
            }
            // A folder's or pattern's files each tell their own format, once they are there.
            Err(_) if spec.options.get("format").is_none() && path.ends_with(['/', '*']) => layout(spec).map(drop),
            Err(_) if spec.options.get("format").is_none() && !path.contains('.') => layout(spec).map(drop),
            Err(error) => Err(refuse(spec, error)),
        }
    }

    fn missing(&self, spec: &SourceSpec) -> Option<String> {
        let path = path(spec).ok()?;
        let watched = self.live(&spec.options) && (path.contains(WILD) || Path::new(path).is_dir());
        if watched {
            return None;
        }
        let found = found(spec, path)
            .and_then(|found| found.files.into_iter().find_map(|file| File::open(file).err()).map_or(Ok(()), Err));
        found.err().map(|error| format!("{path}: {error}"))
    }

    fn inputs(&self, spec: &SourceSpec) -> Option<Inputs> {
        let path = path(spec).ok()?;
        let there = std::fs::metadata(path);
        Some(match there {
            Ok(found) if found.is_dir() => Inputs::Folder(path.into()),
            Err(_) if path.ends_with('/') => Inputs::Folder(path.into()),
            Err(_) if path.contains(WILD) => Inputs::Pattern(path.into()),
            _ => Inputs::One(path.into()),
        })
    }

    fn replay(&self) -> Replay {
        Replay::Seek
    }

    fn was(&self, spec: &SourceSpec, split: &SplitId) -> Result<Option<String>, SourceError> {
        let path = path(spec)?;
        let files = match self.in_turn(spec) {
            true => found(spec, path).map_err(|error| failed(spec, error))?.files,
            false => vec![splits::file(path, split)],
        };
        splits::was(&files).map(Some).map_err(|error| failed(spec, error))
    }

    fn splits(&self, spec: &SourceSpec) -> Result<Vec<SplitId>, SourceError> {
        self.check(spec)?;
        let watched = interval(&spec.options)?.is_some();
        if !watched && !self.in_turn(spec) {
            return splits_of(spec, path(spec)?).map_err(|error| failed(spec, error));
        }
        match found(spec, path(spec)?) {
            Ok(found) => found.check_order(spec)?,
            // There may be something later.
            Err(_) if watched => {}
            Err(error) => return Err(failed(spec, error)),
        }
        Ok(vec![SplitId::new(WATCHED)])
    }

    fn open(&self, spec: &SourceSpec, splits: &[(SplitId, Start)]) -> Result<Vec<Box<dyn Reader>>, SourceError> {
        self.check(spec)?;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        // What is told of the columns is told once, however many files there are.
        let layout = layout(spec)?;
        let interval = interval(&spec.options)?;
        if interval.is_none() {
            tell_of_folders(&layout, path(spec)?, found(spec, path(spec)?).ok());
        }
        if interval.is_none() && !self.in_turn(spec) {
            let threads = cores.div_ceil(splits.len().max(1));
            let open = |(split, start): &(SplitId, Start)| {
                reader(spec, &layout, splits::file(path(spec)?, split), threads, start.position())
            };
            return splits.iter().map(open).collect();
        }
        let Some((_, start)) = splits.first() else { return Ok(Vec::new()) };
        let (looking, opening, path) = (spec.clone(), spec.clone(), path(spec)?.to_owned());
        let (told, opened) = (layout.clone(), layout);
        let open = Box::new(move |split: &SplitId, from| {
            reader(&opening, &opened, splits::file(self::path(&opening)?, split), cores, from)
        });
        let Some(interval) = interval else {
            let there = splits_of(spec, &path).map_err(|error| failed(spec, error))?;
            return Ok(vec![Box::new(Monitored::new(&spec.name, &path, there, None, open, start.position()))]);
        };
        // Whether it can be looked at may change while it is watched.
        let no_folder = match std::fs::metadata(&path) {
            Ok(found) => !found.is_dir(),
            Err(error) => error.kind() == io::ErrorKind::NotFound,
        };
        if no_folder && !path.contains(WILD) {
            let error =
                io::Error::new(io::ErrorKind::NotFound, "no folder there to watch; write a folder, or a pattern");
            return Err(failed(spec, error));
        }
        let look = Box::new(move || {
            let path = self::path(&looking).unwrap_or_default();
            let found = found(&looking, path)?;
            let splits = found.splits(path);
            tell_of_folders(&told, path, Some(found));
            splits
        });
        let folder = if path.contains(WILD) { splits::base(&path) } else { PathBuf::from(&path) };
        let gone = Box::new(move || !folder.as_os_str().is_empty() && !folder.is_dir());
        let watch = Some(Watch { interval, look, gone });
        Ok(vec![Box::new(Monitored::new(&spec.name, &path, Vec::new(), watch, open, start.position()))])
    }
}

impl Filesystem {
    /// Whether files are read one after another: changes of which nothing else says which is newer.
    fn in_turn(&self, spec: &SourceSpec) -> bool {
        let one = matches!(self.inputs(spec), Some(Inputs::One(_)));
        spec.changelog.is_some() && spec.time.is_none() && !one
    }
}

/// Tells, once, of folders that are passed over.
fn tell_of_folders(layout: &Layout, path: &str, found: Option<Found>) {
    let notice = found.and_then(|found| found.notice(path));
    notice.iter().for_each(|notice| layout.notices.warn(notice));
}

/// The reader of one file, from a position on.
fn reader(
    spec: &SourceSpec,
    layout: &Layout,
    file: PathBuf,
    threads: usize,
    from: Position,
) -> Result<Box<dyn Reader>, SourceError> {
    let name = file.display().to_string();
    let (packing, bare) = packed(&spec.options, &name)?;
    let format = spec.formats.choose(&spec.options, bare).map_err(|error| of_file(&name, refuse(spec, error)))?;
    streamed(spec, packing, &*format)?;
    let layout = Layout { notices: layout.notices.at(&name), ..layout.clone() };
    let (values, layout) = match path_values(spec, &file, &layout)? {
        Some((values, layout)) => (Some(values), layout),
        None => (None, layout),
    };
    let decoding =
        format::decoding(&*format, &layout, &spec.options).map_err(|error| of_file(&name, refuse(spec, error)))?;
    // Opened when it is read: a folder may hold more files than may be open at once.
    Ok(Box::new(FileReader {
        path: file,
        place: Some(Place::at(&spec.name, &name, &from)),
        from,
        name,
        packing,
        decoding,
        layout,
        values,
        threads: self::threads(&spec.options)?.unwrap_or(threads),
        chunk_bytes: chunk_bytes(&spec.options, spec.decode.len())?,
        standing: Arc::default(),
        open: None,
    }))
}

/// How often it looks for files, if it does.
fn interval(options: &Options) -> Result<Option<Duration>, OptionError> {
    match options.duration_ms(MONITOR)? {
        Some(ms) if ms < 1 => Err(OptionError::Invalid {
            name: MONITOR.to_owned(),
            value: options.get(MONITOR).unwrap_or_default().to_owned(),
            reason: "write 1 ms or more".to_owned(),
        }),
        ms => Ok(ms.map(|ms| Duration::from_millis(ms.unsigned_abs()))),
    }
}

fn path(spec: &SourceSpec) -> Result<&str, SourceError> {
    Ok(local(spec.options.required("path", &format!("source '{}'", spec.name), OPTIONS[0].help)?))
}

/// Refuses packed files of formats that pack by themselves.
fn streamed(spec: &SourceSpec, packing: Option<Packing>, format: &dyn Format) -> Result<(), SourceError> {
    match (packing, format.name()) {
        (Some(_), name @ ("parquet" | "arrow")) => Err(SourceError::Schema {
            source_name: spec.name.clone(),
            what: format!("a file of {name} is not packed as a whole"),
            remedy: "unpack it; its columns may be packed".to_owned(),
        }),
        _ => Ok(()),
    }
}

fn chunk_bytes(options: &Options, columns: usize) -> Result<usize, OptionError> {
    match options.bytes("decode-bytes")? {
        Some(0) => Err(OptionError::Invalid {
            name: "decode-bytes".to_owned(),
            value: "0".to_owned(),
            reason: "write 1 or more".to_owned(),
        }),
        given => Ok(given.unwrap_or_else(|| text::chunk_bytes(columns))),
    }
}

fn threads(options: &Options) -> Result<Option<usize>, OptionError> {
    let threads = options.parse::<usize>("decode-threads", "a number of threads")?;
    match threads {
        Some(threads) if !(1..=256).contains(&threads) => Err(OptionError::Invalid {
            name: "decode-threads".to_owned(),
            value: threads.to_string(),
            reason: "write a number from 1 to 256".to_owned(),
        }),
        threads => Ok(threads),
    }
}

/// Refuses options that neither sources, the connector nor a format knows.
pub(super) fn check_options(spec: &SourceSpec, own: &[OptionSpec], path: Option<&str>) -> Result<(), SourceError> {
    let owner = format!("source '{}' ({})", spec.name, spec.connector.name());
    // The prefixes of formats are spelled out, and only those of the format at hand.
    let own: Vec<OptionSpec> = own.iter().filter(|option| !option.name.ends_with(".*")).copied().collect();
    let chosen = spec.formats.choose(&spec.options, path.unwrap_or("")).ok();
    let formats: Vec<Registered<dyn Format>> = match chosen {
        Some(format) => vec![format],
        None => spec.formats.all().collect(),
    };
    let formats = formats.iter().map(|format| format.options());
    let known: Vec<&[OptionSpec]> = [SOURCE_OPTIONS, &own].into_iter().chain(formats).collect();
    Ok(spec.options.check(&owner, &known)?)
}

/// A format's refusal as the source's.
pub(super) fn refuse(spec: &SourceSpec, error: FormatError) -> SourceError {
    match error {
        FormatError::Option(error) => SourceError::Option(error),
        FormatError::Schema { what, remedy } => SourceError::Schema { source_name: spec.name.clone(), what, remedy },
    }
}

/// The refusal of one of the files of a folder or pattern.
fn of_file(name: &str, error: SourceError) -> SourceError {
    match error {
        SourceError::Schema { source_name, what, remedy } if !what.contains(name) => {
            let remedy = format!("{remedy}; or name the files that are meant by a pattern: 'path' = 'in/*.csv'");
            SourceError::Schema { source_name, what: format!("{name}: {what}"), remedy }
        }
        other => other,
    }
}

/// What a source asks of a format.
pub(super) fn layout(spec: &SourceSpec) -> Result<Layout, SourceError> {
    let layout = Layout::new(&spec.physical, &spec.decode, &spec.options).map_err(|error| refuse(spec, error))?;
    let key = spec.changelog.as_ref().and_then(|changelog| changelog.key.as_deref()).unwrap_or_default();
    let key = key.iter().map(|&column| spec.schema.field(column).name().clone()).collect();
    let going = spec.changelog.as_ref().and_then(|changelog| changelog.going(&spec.physical, &spec.decode));
    Ok(Layout { notices: Notices::of(&spec.name), key, going, ..layout.in_zone(spec.zone) })
}

/// How a format decodes a source.
pub(super) fn decoding(spec: &SourceSpec, format: &dyn Format) -> Result<Decoding, SourceError> {
    format::decoding(format, &layout(spec)?, &spec.options).map_err(|error| refuse(spec, error))
}

fn failed(spec: &SourceSpec, error: io::Error) -> SourceError {
    let path = spec.options.get("path").unwrap_or_default();
    SourceError::Io { source_name: spec.name.clone(), what: format!("looking for '{path}'"), error }
}

/// One file.
struct FileReader {
    path: PathBuf,
    name: String,
    /// Here until the file is opened.
    place: Option<Place>,
    from: Position,
    packing: Option<Packing>,
    decoding: Decoding,
    layout: Layout,
    values: Option<Beside>,
    threads: usize,
    chunk_bytes: usize,
    standing: Arc<Standing>,
    open: Option<Box<dyn Reader>>,
}

impl Reader for FileReader {
    fn name(&self) -> &str {
        &self.name
    }

    fn shown(&mut self, standing: &Arc<Standing>) {
        self.standing = standing.clone();
    }

    fn read(&mut self) -> Result<Read, SourceError> {
        if self.open.is_none() && self.place.is_some() {
            self.open = Some(self.begin()?);
        }
        let Some(open) = &mut self.open else { return Ok(Read::End) };
        Ok(match (open.read()?, &self.values) {
            (Read::Rows(decoded), Some(values)) => {
                let batch = values.add(decoded.batch);
                Read::Rows(Decoded { batch, ..decoded })
            }
            (read, _) => read,
        })
    }
}

impl FileReader {
    /// Opens the file.
    fn begin(&mut self) -> Result<Box<dyn Reader>, SourceError> {
        let Some(place) = self.place.take() else { unreachable!("a file is opened once") };
        let (standing, what) = (self.standing.clone(), format!("source file {}", self.name));
        let opened = until_it_goes(&standing, &what, || File::open(&self.path));
        let file = opened.map_err(|error| place.failed("opening", error))?;
        Ok(match &self.decoding {
            Decoding::Text(decoding) => {
                let decoding = decoding.clone();
                let layout = self.layout.clone();
                let (threads, chunk_bytes) = (self.threads, self.chunk_bytes);
                let again = Again { path: self.path.clone(), packing: self.packing, standing, what };
                // A pipe can be opened once.
                let once = Mutex::new(Some(file));
                let first = move || once.lock().unwrap_or_else(PoisonError::into_inner).take();
                let open = Box::new(move |at| again.open(first(), at));
                let text = TextInput { open, decoding, layout, threads, chunk_bytes, live: false };
                let started = TextReader::start(text, place.clone(), &self.from);
                Box::new(started.map_err(|error| place.failed("reading", error))?)
            }
            Decoding::Blocks(decoding) => {
                let bad = |error: String| place.failed("reading", io::Error::new(io::ErrorKind::InvalidData, error));
                let whole = self.packing.is_none() && file.metadata().is_ok_and(|metadata| metadata.is_file());
                let file = Patient { input: file, standing, what };
                // A pipe is read as it comes.
                let input = match whole {
                    true => Input::File(Arc::new(file)),
                    false => {
                        let input = unpacked(self.packing, Box::new(file));
                        Input::Stream(input.map_err(|error| place.failed("reading", error))?)
                    }
                };
                let parts = format::readable(|| decoding.open(input, self.from.spot)).map_err(bad)?;
                Box::new(BlockReader { parts, place })
            }
        })
    }
}

/// A file of text, to be opened from a byte of its text on.
struct Again {
    path: PathBuf,
    packing: Option<Packing>,
    standing: Arc<Standing>,
    what: String,
}

impl Again {
    fn open(&self, opened: Option<File>, at: u64) -> io::Result<Box<dyn io::Read + Send>> {
        let mut file = match opened {
            Some(file) => file,
            None => until_it_goes(&self.standing, &self.what, || File::open(&self.path))?,
        };
        if self.packing.is_none() && at > 0 {
            file.seek(SeekFrom::Start(at))?;
        }
        let from = if self.packing.is_none() { at } else { 0 };
        let length = file.try_clone()?;
        let patient = || Patient { input: file, standing: self.standing.clone(), what: self.what.clone() };
        let mut input = unpacked(self.packing, Box::new(Whole::new(&length, from, patient)?))?;
        if self.packing.is_some() {
            skip(&mut input, at)?;
        }
        Ok(input)
    }
}

/// A file of blocks.
pub(super) struct BlockReader {
    pub(super) parts: Parts,
    pub(super) place: Place,
}

impl Reader for BlockReader {
    fn name(&self) -> &str {
        self.place.name()
    }

    fn read(&mut self) -> Result<Read, SourceError> {
        loop {
            match self.parts.next() {
                None => return Ok(Read::End),
                Some(Err(error)) => {
                    return Err(self.place.failed("reading", io::Error::new(io::ErrorKind::InvalidData, error)));
                }
                Some(Ok((part, spot))) => {
                    if let Some(decoded) = self.place.place(part, spot) {
                        return Ok(Read::Rows(decoded));
                    }
                }
            }
        }
    }
}
