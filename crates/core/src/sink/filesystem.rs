//! `filesystem`: one file, or, if the path ends in `/`, a folder with a file `part-N` for each worker, or with folders of them
//! by partition, or files that are complete one after another (`parts.rs`).
//!
//! Invariant: the file grows by whole epochs. One that is moved away, removed or emptied meanwhile is begun anew: what was in it is not known. What an earlier run left is replaced when the run has come to its first epoch or
//! ends (`replaced.rs`), and then part files of earlier runs go that this run will not write: a folder holds one run. In
//! formats of lines an epoch can be read once it is flushed; Parquet once the sink is closed.

use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;

use super::mark::no_marks;
use super::parts::{self, Parts};
use super::rolling::{self, Rolling};
use super::{Mark, Replaced, SinkConnector, SinkError, SinkSpec, Writer, changes};
use crate::delta::Delta;
use crate::format::{self, Encoder, Format, FormatError};
use crate::options::{OptionError, OptionSpec, Outputs, PART, local, packed_name};
use crate::time::Epoch;

/// Bytes of a format that can be read only once it is complete that are gathered before they go to the file.
const BUFFER_BYTES: usize = 1 << 20;

/// The connector `filesystem`.
#[derive(Debug)]
pub(super) struct Filesystem;

const OPTIONS: &[OptionSpec] = &[
    OptionSpec {
        name: "path",
        help: "the file to write or, ending in /, a folder for a part file a worker, also as file://",
    },
    OptionSpec {
        name: "partition.default-name",
        help: "with PARTITIONED BY: what stands for NULL in the name of a folder (default __DEFAULT_PARTITION__)",
    },
    rolling::OPTIONS[0],
    rolling::OPTIONS[1],
    format::TEXT_OPTIONS[0],
];

impl SinkConnector for Filesystem {
    fn name(&self) -> &'static str {
        "filesystem"
    }

    fn help(&self) -> &'static str {
        "writes a file, or a folder of part files: JSON, CSV, MessagePack, Arrow or Parquet"
    }

    fn options(&self) -> &'static [OptionSpec] {
        OPTIONS
    }

    fn check(&self, spec: &SinkSpec) -> Result<(), SinkError> {
        let format = format_of(spec)?;
        changes::check(spec, &[&OPTIONS[..4], format.options()])?;
        default_name(spec)?;
        if Rolling::of(&spec.options)?.rolls() && !self.per_worker(spec) {
            return Err(SinkError::Schema {
                sink: spec.name.clone(),
                what: "part files are ended one after another, and the path is one file".to_owned(),
                remedy: "end the 'path' in '/', or leave 'sink.rolling-policy.*' out".to_owned(),
            });
        }
        if packed_name(path(spec)?).is_some() {
            return Err(SinkError::Schema {
                sink: spec.name.clone(),
                what: "files are written as they are, and the path ends as that of a packed one".to_owned(),
                remedy: "leave the ending out, or write 'format' = 'parquet', whose columns are packed".to_owned(),
            });
        }
        if !spec.partition.is_empty() && (!self.per_worker(spec) || spec.partition.len() == spec.schema.fields().len())
        {
            let (what, remedy) = match self.per_worker(spec) {
                false => ("partitions are folders, and the path is a file", "end the 'path' in '/'"),
                true => ("no column is left to write beside those of PARTITIONED BY", "leave one of them out"),
            };
            return Err(SinkError::Schema {
                sink: spec.name.clone(),
                what: what.to_owned(),
                remedy: remedy.to_owned(),
            });
        }
        format.encoder(&changes::schema(spec), &spec.options).map_err(|error| refuse(spec, error)).map(drop)
    }

    fn per_worker(&self, spec: &SinkSpec) -> bool {
        spec.options.get("path").is_some_and(|path| path.ends_with('/'))
    }

    fn descriptors(&self, spec: &SinkSpec) -> usize {
        if spec.partition.is_empty() { 1 } else { parts::OPEN }
    }

    fn outputs(&self, spec: &SinkSpec) -> Option<Outputs> {
        let path = PathBuf::from(path(spec).ok()?);
        let kind = extension(format_of(spec).ok()?);
        Some(match spec.partition.len() {
            _ if !self.per_worker(spec) => Outputs::File(path),
            0 => Outputs::Parts(path, kind),
            depth => Outputs::Partitions(path, kind, depth),
        })
    }

    fn open(&self, spec: &SinkSpec, part: usize, parts: usize) -> Result<Box<dyn Writer>, SinkError> {
        self.check(spec)?;
        let mut path = PathBuf::from(path(spec)?);
        if self.in_parts(spec)? {
            return Ok(Box::new(Parts::open(spec, &path, part, parts)?));
        }
        let parts = self.per_worker(spec).then_some(parts);
        if parts.is_some() {
            path.push(part_name(part, 0, format_of(spec)?));
        }
        let mut writer = FileWriter::new(spec, path, parts)?;
        // What stands there is not touched before there is something to put in its place.
        match writer.file() {
            // It is made when it is first written to.
            Err(error) if error.passes() => tracing::warn!("{error}"),
            opened => drop(opened?),
        }
        Ok(Box::new(writer))
    }

    fn again(&self, spec: &SinkSpec, part: usize, parts: usize) -> Result<Box<dyn Writer>, SinkError> {
        let mut path = PathBuf::from(path(spec)?);
        if self.per_worker(spec) {
            path.push(part_name(part, 0, format_of(spec)?));
        }
        // A file that is gone is begun anew, as is one that nobody could read yet.
        let there = path.is_file() && in_rows(spec)? && !self.in_parts(spec)?;
        if there { self.open_at(spec, part, parts, Mark::default()) } else { self.open(spec, part, parts) }
    }

    fn open_at(&self, spec: &SinkSpec, part: usize, parts: usize, mark: Mark) -> Result<Box<dyn Writer>, SinkError> {
        self.check(spec)?;
        let mut path = PathBuf::from(path(spec)?);
        if self.in_parts(spec)? {
            return Ok(Box::new(Parts::at(spec, &path, part, parts, mark)?));
        }
        if self.per_worker(spec) {
            path.push(part_name(part, 0, format_of(spec)?));
        }
        Ok(Box::new(FileWriter::at(spec, path, mark)?))
    }
}

impl Filesystem {
    /// Whether a writer has many files: by partition, or one after another.
    fn in_parts(&self, spec: &SinkSpec) -> Result<bool, SinkError> {
        let one = spec.partition.is_empty() && in_rows(spec)? && !Rolling::of(&spec.options)?.rolls();
        Ok(self.per_worker(spec) && !one)
    }
}

/// Whether the rows of a file can be read as soon as they are written.
pub(super) fn in_rows(spec: &SinkSpec) -> Result<bool, SinkError> {
    let encoder = format_of(spec)?.encoder(&changes::schema(spec), &spec.options);
    Ok(encoder.map_err(|error| refuse(spec, error))?.in_rows())
}

/// Removes the part files of earlier runs that none of `parts` writers of this format will write.
fn clear(spec: &SinkSpec, folder: &Path, parts: usize) -> Result<(), SinkError> {
    let ours = extension(format_of(spec)?);
    let columns: Vec<&str> = spec.schema.fields().iter().map(|field| field.name().as_str()).collect();
    for found in parts::parts_in(&spec.name, &columns, folder)? {
        // One of several of a writer's, one that was never complete, or one of a partition, is of a run that had such.
        let single = !found.hidden && found.number == 0 && found.columns.is_empty();
        let kind = found.path.extension().is_some_and(|kind| kind.to_string_lossy() == ours);
        if single && kind && found.part < parts {
            continue;
        }
        match std::fs::remove_file(&found.path) {
            // Another writer was faster.
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                let what = format!("removing a part of an earlier run, {}", found.path.display());
                return Err(SinkError::Io { sink: spec.name.clone(), what, error });
            }
            _ => {}
        }
    }
    Ok(())
}

/// The name of a writer's file, of several the one of that number.
pub(super) fn part_name(part: usize, number: usize, format: &dyn Format) -> String {
    let number = if number == 0 { String::new() } else { format!("-{number}") };
    format!("{PART}{part}{number}.{}", extension(format))
}

/// What stands for NULL in the name of a folder.
pub(super) fn default_name(spec: &SinkSpec) -> Result<&str, OptionError> {
    let name = spec.options.get(OPTIONS[1].name).unwrap_or(format::DEFAULT_PARTITION);
    match format::is_partition_name(name) {
        true => Ok(name),
        false => Err(OptionError::Invalid {
            name: OPTIONS[1].name.to_owned(),
            value: name.to_owned(),
            reason: "it is the name of a folder: write letters, digits, _ or -".to_owned(),
        }),
    }
}

/// How the name of a part file ends.
pub(super) fn extension(format: &dyn Format) -> &'static str {
    format.extensions().first().unwrap_or(&"out")
}

fn path(spec: &SinkSpec) -> Result<&str, SinkError> {
    Ok(local(spec.options.required("path", &format!("sink '{}'", spec.name), OPTIONS[0].help)?))
}

/// The format named, or that of the path's extension, or JSON for a folder.
pub(super) fn format_of(spec: &SinkSpec) -> Result<&'static dyn Format, SinkError> {
    let path = path(spec)?;
    let path = if path.ends_with('/') { "part.json" } else { path };
    format::choose(&spec.options, path).map_err(|error| refuse(spec, error))
}

/// A format's refusal as the sink's.
pub(super) fn refuse(spec: &SinkSpec, error: FormatError) -> SinkError {
    match error {
        FormatError::Option(error) => SinkError::Option(error),
        FormatError::Schema { what, remedy } => SinkError::Schema { sink: spec.name.clone(), what, remedy },
    }
}

/// One file.
pub(super) struct FileWriter {
    spec: SinkSpec,
    schema: SchemaRef,
    encoder: Box<dyn Encoder>,
    path: PathBuf,
    /// Of a folder: how many writers it has.
    parts: Option<usize>,
    /// Once it is open.
    file: Option<Replaced>,
    buffer: Vec<u8>,
    /// All is in the buffer, the end too.
    ended: bool,
    /// Epochs up to this one are in the file already.
    held: Option<Epoch>,
    /// The last epoch that was taken.
    taken: Option<Epoch>,
    mark: Mark,
}

impl FileWriter {
    /// A new file at that path, made with its folder when there is something to write; `parts` if it is one of a folder's.
    pub(super) fn new(spec: &SinkSpec, path: PathBuf, parts: Option<usize>) -> Result<FileWriter, SinkError> {
        let schema = changes::schema(spec);
        let encoder = format_of(spec)?.encoder(&schema, &spec.options).map_err(|error| refuse(spec, error))?;
        let (file, buffer, ended) = (None, Vec::new(), false);
        let (spec, held, taken, mark) = (spec.clone(), None, None, Mark::default());
        Ok(FileWriter { spec, schema, encoder, path, parts, file, buffer, ended, held, taken, mark })
    }

    /// The file at that path, which is gone on with.
    fn at(spec: &SinkSpec, path: PathBuf, mark: Mark) -> Result<FileWriter, SinkError> {
        let mut writer = FileWriter::new(spec, path, None)?;
        if !writer.encoder.in_rows() {
            return Err(no_marks(spec, &format!("{} can be read only once it is complete", format_of(spec)?.name())));
        }
        (writer.held, writer.taken, writer.mark) = (mark.epoch, mark.epoch, mark);
        if mark.length > 0 {
            // What comes first is there.
            let nothing = RecordBatch::new_empty(writer.schema.clone());
            writer.encoder.encode(&nothing, &mut Vec::new()).map_err(|error| refuse(spec, error))?;
        }
        let (_, end) = writer.without_rows()?;
        let opened = Replaced::at(&writer.path, mark.length, &end);
        writer.file = Some(opened.map_err(|error| writer.failed("going on with", &writer.path, error))?);
        Ok(writer)
    }

    /// What stands in a file without rows: its beginning and its end.
    fn without_rows(&self) -> Result<(Vec<u8>, Vec<u8>), SinkError> {
        let refused = |error| refuse(&self.spec, error);
        let encoder = || format_of(&self.spec)?.encoder(&self.schema, &self.spec.options).map_err(refused);
        let (mut head, mut end, mut begun) = (Vec::new(), Vec::new(), encoder()?);
        begun.encode(&RecordBatch::new_empty(self.schema.clone()), &mut head).map_err(refused)?;
        begun.finish(&mut end).map_err(refused)?;
        head.clear();
        encoder()?.finish(&mut head).map_err(refused)?;
        head.truncate(head.len() - end.len());
        Ok((head, end))
    }

    fn failed(&self, what: &str, path: &Path, error: std::io::Error) -> SinkError {
        SinkError::Io { sink: self.spec.name.clone(), what: format!("{what} {}", path.display()), error }
    }

    /// Where it stands.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Where it stood.
    pub(super) fn into_path(self) -> PathBuf {
        self.path
    }

    /// Whether nothing was put into it.
    pub(super) fn is_empty(&self) -> bool {
        self.taken.is_none()
    }

    /// How many bytes there are of it, gathered ones too, and about so many as what is not packed yet will be.
    pub(super) fn bytes(&self) -> usize {
        let written = usize::try_from(self.mark.length).unwrap_or(usize::MAX);
        written.saturating_add(self.buffer.len()).saturating_add(self.encoder.ahead())
    }

    /// Whether it takes a descriptor.
    pub(super) fn is_open(&self) -> bool {
        self.file.is_some()
    }

    pub(super) fn file(&mut self) -> Result<&mut Replaced, SinkError> {
        let file = match self.file.take() {
            Some(file) => file,
            None => {
                if let Some(parent) = self.path.parent() {
                    std::fs::create_dir_all(parent).map_err(|error| self.failed("making the folder", parent, error))?;
                }
                Replaced::open(&self.path).map_err(|error| self.failed("creating", &self.path, error))?
            }
        };
        Ok(self.file.insert(file))
    }

    /// Begins a new file if the one that is written is not there any more: nobody would see what is written to it.
    fn look(&mut self) -> Result<(), SinkError> {
        if self.buffer.is_empty() || self.file.as_ref().is_none_or(|file| file.stands_at(&self.path)) {
            return Ok(());
        }
        if !self.encoder.in_rows() && self.mark.length > 0 {
            let what = "it was moved, removed or emptied, and what follows cannot be read without what it held";
            return Err(self.failed("writing", &self.path, std::io::Error::new(std::io::ErrorKind::NotFound, what)));
        }
        let (sink, path) = (&self.spec.name, self.path.display());
        tracing::warn!("sink '{sink}': {path} was moved, removed or emptied; what follows goes to a new file there");
        self.file = None;
        if self.mark.length > 0 {
            let encoder = format_of(&self.spec)?.encoder(&self.schema, &self.spec.options);
            self.encoder = encoder.map_err(|error| refuse(&self.spec, error))?;
            let (mut head, nothing) = (Vec::new(), RecordBatch::new_empty(self.schema.clone()));
            self.encoder.encode(&nothing, &mut head).map_err(|error| refuse(&self.spec, error))?;
            self.buffer.splice(..0, head);
        }
        Ok(())
    }

    fn write_out(&mut self) -> Result<(), SinkError> {
        self.look()?;
        let mut buffer = std::mem::take(&mut self.buffer);
        let written = self.file().map(|file| file.write(&mut buffer));
        self.buffer = buffer;
        let length = written?.map_err(|error| self.failed("writing", &self.path, error))?;
        self.mark = Mark { epoch: self.taken, length, files: 0 };
        Ok(())
    }
}

impl Writer for FileWriter {
    fn begin(&mut self) -> Result<(), SinkError> {
        let begun = self.file()?.begin();
        begun.map_err(|error| self.failed("emptying", &self.path, error))?;
        match (self.parts.take(), self.path.parent()) {
            (Some(parts), Some(folder)) => {
                let cleared = clear(&self.spec, folder, parts);
                // It may be asked again.
                self.parts = cleared.is_err().then_some(parts);
                cleared
            }
            _ => Ok(()),
        }
    }

    fn write(&mut self, epoch: Epoch, changes: &Delta) -> Result<(), SinkError> {
        if self.held.is_some_and(|held| epoch <= held) {
            return Ok(());
        }
        self.taken = Some(epoch);
        let rows = changes::rows(&self.spec, &self.schema, epoch, changes)?;
        self.encoder.encode(&rows, &mut self.buffer).map_err(|error| refuse(&self.spec, error))
    }

    fn pass(&mut self, epoch: Epoch) {
        self.taken = self.taken.max(Some(epoch));
        if self.buffer.is_empty() {
            self.mark.epoch = self.taken;
        }
    }

    fn mark(&self) -> Option<Mark> {
        self.encoder.in_rows().then_some(self.mark)
    }

    fn gathered(&self) -> usize {
        self.buffer.len() + self.encoder.held()
    }

    fn flush(&mut self) -> Result<(), SinkError> {
        let waits = !self.encoder.in_rows() && self.buffer.len() < BUFFER_BYTES;
        if self.buffer.is_empty() || waits { Ok(()) } else { self.write_out() }
    }

    fn close(&mut self) -> Result<(), SinkError> {
        if !std::mem::replace(&mut self.ended, true) {
            self.encoder.finish(&mut self.buffer).map_err(|error| refuse(&self.spec, error))?;
        }
        self.begin()?;
        self.write_out()?;
        self.caught_up()
    }

    /// The end is left to the run that comes to it: who follows the file would take it for that, and nothing follows it.
    fn pause(&mut self, begun: bool) -> Result<(), SinkError> {
        if !self.encoder.in_rows() {
            return if begun { self.close() } else { self.leave() };
        }
        if !begun {
            return Ok(());
        }
        if self.mark.length == 0 && self.buffer.is_empty() {
            self.buffer = self.without_rows()?.0;
        }
        self.begin()?;
        self.write_out()
    }

    fn compares(&self) -> bool {
        self.file.as_ref().is_some_and(Replaced::compares)
    }

    fn caught_up(&mut self) -> Result<(), SinkError> {
        let path = self.path.clone();
        let over = self.file()?.ends(&path);
        over.map_err(|error| self.failed("ending", &path, error))
    }

    fn leave(&mut self) -> Result<(), SinkError> {
        if self.file()?.is_old() { Ok(()) } else { self.close() }
    }
}
